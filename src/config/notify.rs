//! Who is told of alarms beside the page: `notify.toml`, with receivers, the routes that lead to them, and the mail server. It
//! may be left out; then nobody is.
//!
//! It is no part of what the service decides by: it stands in no digest of decisions, and a mistake in it keeps notices from
//! being sent (which is an alarm), never a service from starting. A secret never stands in it: only the file or the variable
//! of the environment that holds it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Time;
use serde::Deserialize;

use super::check::notify as check;
pub(crate) use super::check::notify::url_of;
use super::files;
use super::problem::{Problem, Problems};
use super::sheet::Sheet;
use crate::basin::{Basin, Name};

/// The file.
pub const FILE: &str = "notify.toml";
const KEYS: [&str; 4] = ["notify", "mail", "receiver", "route"];

/// Where a secret stands: read each time it is needed, so that it may be changed without a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In a file of its own that others cannot read, by absolute path; blanks around it do not count.
    File(PathBuf),
    /// In a variable of the environment of the service.
    Variable(String),
}

/// An address of a webhook: as such where it holds no secret, else where it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Url {
    /// As written.
    Plain(String),
    /// Kept elsewhere, since whoever knows it may post.
    Kept(Secret),
}

/// Language of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

/// How a receiver is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By mail to this address.
    Mail(String),
    /// By an HTTPS POST of JSON.
    Hook(Hook),
}

impl Way {
    /// Its word in records.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Mail(_) => "mail",
            Self::Hook(_) => "webhook",
        }
    }
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Where to.
    pub url: Url,
    /// Key of the signature; without it a notice is not signed.
    pub key: Option<Secret>,
    /// Further headers, by name.
    pub headers: Vec<(String, Secret)>,
    /// Certificates of the authorities that are trusted in place of the machine's, PEM.
    pub ca: Option<PathBuf>,
}

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: Name,
    /// In which language.
    pub language: Language,
    /// How.
    pub way: Way,
}

/// How a connection to the mail server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// TLS from the first byte.
    Tls,
    /// `STARTTLS`, which the server must offer.
    Starttls,
    /// None: a relay on this machine only.
    None,
}

/// The mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// See [`Security`].
    pub security: Security,
    /// Sender.
    pub from: String,
    /// Name and password to sign in with.
    pub user: Option<(String, Secret)>,
    /// As [`Hook::ca`].
    pub ca: Option<PathBuf>,
}

/// Which alarms go to whom, and to whom next when nobody acknowledges.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Identifier.
    pub id: String,
    /// Priorities, 1 to 4.
    pub priorities: Vec<u8>,
    /// Alarms by identifier; empty: all.
    pub alarms: Vec<String>,
    /// Rivers; empty: all. An alarm about no river in particular goes every way.
    pub rivers: Vec<String>,
    /// Receivers (positions in [`Notify::receivers`]), each once: the first is told at once.
    pub chain: Vec<usize>,
    /// Time without an acknowledgement after which the next one is told.
    pub after: Duration,
    /// Civil times of the site between which priorities 3 and 4 wait.
    pub quiet: Option<(Time, Time)>,
}

/// What `notify.toml` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Notify {
    /// Send on a bench installation too.
    pub on_bench: bool,
    /// Messages to one receiver in any hour at most.
    pub per_hour: u32,
    /// Address of the page, as it stands in messages.
    pub page: Option<String>,
    /// The mail server, where somebody is told by mail.
    pub mail: Option<Mail>,
    /// In the order of the file.
    pub receivers: Vec<Receiver>,
    /// In the order of the file.
    pub routes: Vec<Route>,
}

/// Reads and checks the file of a configuration folder; `None` when there is none.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load(folder: &Path, basin: &Basin) -> Result<Option<Notify>, Problems> {
    let path = folder.join(FILE);
    // A link that leads nowhere is a file that cannot be read.
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let name = path.display().to_string();
    let problems = RefCell::new(Vec::<Problem>::new());
    let remedy = "make it a readable file of [notify], [receiver.NAME] and [route.NAME], or remove it";
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return Err(Problems::new(vec![files::unreadable(&name, &error, remedy)], Vec::new())),
    };
    let text = files::text(bytes, &name, &problems);
    let notify = {
        let sheet = Sheet::parse(&name, Some(&text), &problems);
        sheet.only(&KEYS);
        check::notify(basin, &sheet)
    };
    let found = problems.take();
    match notify {
        Some(notify) if found.is_empty() => Ok(Some(notify)),
        Some(_) | None => Err(Problems::new(found, Vec::new())),
    }
}
