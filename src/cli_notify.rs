//! `qindan notify`: whether notices of alarms get through.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;
use qindan::config::{Config, notify};
use qindan::shell::notice::desk::Outcome;
use qindan::shell::notice::{self, secret};

use crate::cli::Configuration;

#[derive(Debug, Subcommand)]
pub(crate) enum Notify {
    /// Send a test message to every receiver of notify.toml, or to one, and say what happened.
    Test {
        #[command(flatten)]
        config: Configuration,
        /// Only to this receiver.
        #[arg(long, value_name = "NAME")]
        to: Option<String>,
    },
}

pub(crate) const NOTES: &str = "\
notify.toml of the configuration folder says who is told of which alarms, by mail or webhook, and who is told next when nobody
acknowledges; its keys stand in config/README.md. A test is sent once, from a bench too, and stands in no record. Run it as the
user of the service: secrets are read from their files or from the environment.

Exit codes: 0 every message was taken, 1 one was not.

Examples:
  qindan notify test --config /etc/qindan
  qindan notify test --config /etc/qindan --to duty";

impl Notify {
    pub(crate) fn run(self, load: impl Fn(&Path) -> Result<Config>, out: &mut dyn Write) -> Result<ExitCode> {
        let Self::Test { config: folder, to } = self;
        let folder = folder.config;
        let config = load(&folder)?;
        let Some(rules) = notify::load(&folder, &config.basin)? else {
            bail!("{}: no {}; nobody is told of alarms but on the page", folder.display(), notify::FILE);
        };
        if let Some(to) = &to
            && !rules.receivers.iter().any(|receiver| receiver.id == *to)
        {
            let known: Vec<_> = rules.receivers.iter().map(|receiver| receiver.id.as_str()).collect();
            bail!("--to {to}: no such receiver; known are {}", known.join(", "));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let tried = runtime.block_on(notice::test(&config, &rules, to.as_deref()));
        let mut all = true;
        for one in tried {
            let took = one.took.as_secs_f64();
            let (to, way) = (one.to, one.way);
            match one.outcome {
                Outcome::Sent => writeln!(out, "{to}: taken, {way}, {took:.1} s")?,
                Outcome::Again(why) | Outcome::Never(why) => {
                    all = false;
                    writeln!(out, "{to}: NOT taken, {way}, {took:.1} s: {why}")?;
                }
            }
        }
        Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What `qindan check` says of notices.
pub(crate) fn summary(rules: Option<&notify::Notify>, bench: bool) -> Vec<String> {
    let Some(rules) = rules else {
        return vec![format!("note: nobody is told of alarms but on the page, there is no {}", notify::FILE)];
    };
    let (receivers, routes) = (rules.receivers.len(), rules.routes.len());
    let mut lines = vec![format!(
        "{receivers} receivers on {routes} routes are told of alarms, each at most {} times an hour",
        rules.per_hour
    )];
    if bench && !rules.on_bench {
        lines.push("note: a bench tells nobody unless on_bench is set".to_owned());
    }
    lines.extend(secret::missing(rules).into_iter().map(|why| format!("note: cannot be had here: {why}")));
    lines
}
