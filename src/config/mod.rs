//! Configuration is parsed, then trusted: a folder of TOML files becomes checked values, or a list of every
//! problem with file, line, key, value and remedy.

pub mod addresses;
mod check;
mod files;
pub mod import;
mod load;
pub mod notify;
mod problem;
pub mod ratings;
mod raw;
mod report;
pub mod reports;
pub mod sheet;

use std::sync::Arc;

pub use files::TEMPLATES;
pub use load::load;
pub use problem::{Problem, Problems};
pub use report::report;

use crate::basin::{Basin, IntakeId};
use crate::control::schedule::Entry;
use crate::points::Field;
use crate::units::Discharge;

/// A checked configuration folder.
#[derive(Clone, Debug)]
pub struct Config {
    /// The basin.
    pub basin: Arc<Basin>,
    /// The field.
    pub field: Arc<Field>,
    /// Civil-time entries.
    pub schedules: Arc<Schedules>,
    /// Settings of the service.
    pub service: Service,
    /// SHA-256 over the files, device templates included, hex; recorded at start.
    pub digest: String,
}

/// Settings of the service (`service.toml`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Address of the page; beyond this machine only with [`Service::tls`].
    pub listen: std::net::SocketAddr,
    /// Bench installation: `--time-scale` is allowed, page and every record say "bench".
    pub bench: bool,
    /// Days of samples to keep.
    pub history_days: u32,
    /// Days of their minutes to keep.
    pub minutes_days: u32,
    /// Days of their hours to keep.
    pub hours_days: u32,
    /// Most room samples, minutes and hours may take on the disk, MB of 10⁶ bytes.
    pub history_mb: u32,
    /// Days of exact inputs to keep, so that their decisions can be made again.
    pub snapshot_days: u32,
    /// Most room they may take on the disk, MB of 10⁶ bytes.
    pub snapshot_mb: u32,
    /// Free room on the disk below which samples and snapshots stop, MB of 10⁶ bytes; `None`: 5 % of the disk, at least 512 MiB.
    pub free_mb: Option<u32>,
    /// Mode after a start without a stored one.
    pub start_mode: crate::control::operator::Mode,
    /// Folder that is watched for forecasts, an absolute path; `None`: none is.
    pub forecast_folder: Option<std::path::PathBuf>,
    /// Folder the backups are made in, an absolute path, whose age `/metrics` tells; `None`: it is not looked at.
    pub backup_folder: Option<std::path::PathBuf>,
    /// Days whose bulletins the service makes good when they are missing; 0: it makes none.
    pub bulletin_days: u32,
    /// Minutes after the end of a day in which its bulletin is not made yet.
    pub bulletin_after_min: u32,
    /// Host names by which the page is opened, beside those of this machine.
    pub names: Vec<String>,
    /// Certificate of the page; `None`: plain HTTP, on this machine only.
    pub tls: Option<Tls>,
    /// Everybody who reaches the page may look without signing in; acts always need a person.
    pub open_view: bool,
    /// Hours after which an unused session ends.
    pub session_idle_h: u32,
    /// Days after which a session ends however it is used.
    pub session_days: u32,
}

/// Where the certificate of the page comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// PEM files by absolute paths.
    Files {
        /// Certificate with the chain to its issuer.
        certificate: std::path::PathBuf,
        /// Its private key, which only the service may read.
        key: std::path::PathBuf,
    },
    /// Made by the service, kept in the data folder; browsers have to be told to trust it.
    Generate,
}

impl Service {
    /// How long a person stays signed in: unused, and at most.
    pub fn session_limits(&self) -> crate::shell::people::Limits {
        let hours = |hours: u64| std::time::Duration::from_secs(3600 * hours);
        let (idle, most) = (hours(self.session_idle_h.into()), hours(24 * u64::from(self.session_days)));
        crate::shell::people::Limits { idle, most }
    }

    /// [`Service::free_mb`] in bytes.
    pub fn least_free(&self) -> Option<u64> {
        self.free_mb.map(|free| u64::from(free) * 1_000_000)
    }
}

/// Civil-time entries (`schedules.toml`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedules {
    /// Announced turns of intakes.
    pub turns: Vec<Turn>,
    /// What gates and sections are asked for by the calendar.
    pub entries: Vec<Entry>,
}

/// An announced turn: the intake takes `rate` between two instants.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Identifier.
    pub id: String,
    /// Which intake.
    pub intake: IntakeId,
    /// Start.
    pub from: jiff::Timestamp,
    /// End, after the start.
    pub to: jiff::Timestamp,
    /// Rate.
    pub rate: Discharge,
}
