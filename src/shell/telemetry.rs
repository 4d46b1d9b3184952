//! The system log on standard error, and what a panic does.

use std::io::{self, IsTerminal};
use std::{panic, process, thread};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use super::store::is_store_thread;

/// Environment variable with the filter.
const FILTER: &str = "RUST_LOG";

/// Form of a line of the system log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text.
    Text,
    /// One JSON object.
    Json,
}

/// A filter that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("{FILTER} = {value}: {why}; write for example info or warn,qindan::shell::field=debug")]
pub struct BadFilter {
    value: String,
    why: ParseError,
}

/// Sends the system log to standard error, filtered by `RUST_LOG` or else from `info` up.
///
/// # Errors
/// When the filter cannot be understood.
pub fn start(form: Form) -> Result<(), BadFilter> {
    let value = std::env::var(FILTER).unwrap_or_else(|_| "info".into());
    let filter = EnvFilter::try_new(&value).map_err(|why| BadFilter { value, why })?;
    let colours = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    match form {
        Form::Text => lines.init(),
        Form::Json => lines.json().init(),
    }
    Ok(())
}

/// From now on a panic ends the process: half a service never runs on. Only the thread of the view, which catches
/// its own, goes on.
pub fn end_on_panic() {
    panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("unnamed");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let said = payload.downcast_ref::<&str>().copied();
        let said =
            said.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        tracing::error!(thread = name, place, "panic: {said}");
        if !is_store_thread(thread.name()) {
            process::abort();
        }
    }));
}
