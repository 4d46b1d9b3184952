//! The exact inputs of every decision, with what was decided: a recorded day can be decided again and compared to the bit.
//!
//! ```text
//!  file     = "qindanS1" | frame (head) | frame (state) | frame (moment) … | frame (close), when the service stopped
//!  frame    = length u32 | CRC-32C u32 | kind u8 | body
//!  head     = JSON: format, build, configuration, start of the service, ticks before it
//!  state    = raw deflate of JSON: all the controller remembered before the first moment of the file
//!  moment   = a piece of one raw deflate stream, synced at its end: the inputs as changes from the moment before
//!             ([`codec`]), what was decided, and in a control cycle the fingerprints of the published picture
//! ```
//!
//! Numbers are big-endian; the length counts what follows the CRC, and the CRC covers the length too. A file begins with
//! every start of the service and every hour, so one that is damaged takes no other with it. Nothing is ever appended to a
//! file of an earlier run.
//!
//! The stream is expendable: a thread of its own writes it, what the disk does not take is left out, counted and said, and
//! the next file begins with a new state. How many moments are missing shows in its head.

pub mod codec;
mod frame;
mod picture;
mod reader;
mod stream;
mod thread;
mod value;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use frame::{FileName, NamedFile, files};
pub use picture::{Figures, Part, parts};
pub use reader::{Opened, ReadError, Step, Tail};
pub use stream::{Limits, Stream};
pub use thread::Snapshots;

use crate::config::{Config, Schedules, Turn};
use crate::control::command::WriteReport;
use crate::control::record::Entry;
use crate::control::status::Status;
use crate::control::{Decision, Now, Settings, Snapshot};
use crate::units::Discharge;

/// Version of the files this build writes and reads.
pub const FORMAT: u32 = 1;

/// The folder of the stream in a data folder.
pub fn folder(data: &Path) -> PathBuf {
    data.join("snapshots")
}

/// What the first frame of a file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// [`FORMAT`].
    pub format: u32,
    /// [`crate::control::state::VERSION`].
    pub state: u32,
    /// Version of the build that decided.
    pub build: String,
    /// Basin.
    pub basin: String,
    /// Digest of the configuration in force.
    pub config: String,
    /// Start of the service it belongs to.
    pub boot: String,
    /// How the service was started.
    pub settings: Settings,
    /// Turns the service was told about: those of a scenario stand in no file of the configuration.
    pub turns: Vec<Announced>,
    /// Moments since the start, before the first of this file.
    pub ticks: u64,
    /// When the first moment was.
    pub now: Now,
}

/// An announced turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announced {
    /// Its name.
    pub id: String,
    /// The intake.
    pub intake: String,
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// Rate, m³/s.
    pub rate: Discharge,
}

/// What every file of a run says about it.
#[derive(Clone, Debug)]
pub struct About {
    /// Basin.
    pub basin: String,
    /// Digest of the configuration.
    pub config: String,
    /// Start of the service.
    pub boot: String,
    /// How it was started.
    pub settings: Settings,
    /// Turns it was told about.
    pub turns: Vec<Announced>,
}

impl About {
    /// A run with this configuration.
    pub fn new(config: &Config, boot: impl Into<String>, settings: Settings) -> Self {
        let intakes = &config.basin.intakes;
        let announced = |turn: &Turn| Announced {
            id: turn.id.clone(),
            intake: intakes.get(turn.intake.0).map(|intake| intake.id.clone()).unwrap_or_default(),
            from: turn.from,
            to: turn.to,
            rate: turn.rate,
        };
        Self {
            basin: config.basin.id.clone(),
            config: config.digest.clone(),
            boot: boot.into(),
            settings,
            turns: config.schedules.turns.iter().map(announced).collect(),
        }
    }

    fn head(&self, ticks: u64, now: Now) -> Head {
        Head {
            format: FORMAT,
            state: crate::control::state::VERSION,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            basin: self.basin.clone(),
            config: self.config.clone(),
            boot: self.boot.clone(),
            settings: self.settings,
            turns: self.turns.clone(),
            ticks,
            now,
        }
    }
}

impl Head {
    /// The calendar of `config` with the turns that were in force; `None` when an intake has gone.
    pub fn schedules(&self, config: &Config) -> Option<Schedules> {
        let turns = self.turns.iter().map(|turn| {
            let intake = config.basin.intakes.iter().position(|intake| intake.id == turn.intake)?;
            let Announced { id, intake: _, from, to, rate } = turn.clone();
            Some(Turn { id, intake: crate::basin::IntakeId(intake), from, to, rate })
        });
        Some(Schedules { turns: turns.collect::<Option<_>>()?, ..Schedules::clone(&config.schedules) })
    }
}

/// One call of [`crate::control::Controller::decide`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moment {
    /// Its inputs.
    pub seen: Snapshot,
    /// What was decided, from [`told`]; empty when nothing was.
    pub told: Vec<u8>,
    /// Fingerprints of the published picture in the order of [`parts`]; empty outside of a control cycle.
    pub picture: Vec<u64>,
}

/// The call of [`crate::control::Controller::close`] at an orderly stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closing {
    /// When.
    pub now: Now,
    /// Reports of the field since the last tick.
    pub reports: Vec<WriteReport>,
    /// How the commands in flight ended.
    pub entries: Vec<Entry>,
}

/// What was decided, as the bytes that are compared: JSON, in which every number comes back to the bit; with the figures of
/// the `picture` that was published with it. Empty when nothing was.
pub fn told(decision: &Decision, picture: Option<&Status>) -> Vec<u8> {
    /// As it stands there.
    #[derive(Serialize)]
    struct Told<'a> {
        #[serde(flatten)]
        decision: &'a Decision,
        #[serde(skip_serializing_if = "Option::is_none")]
        figures: Option<Figures>,
    }

    let Decision { commands, entries, answers, verdicts, cycle } = decision;
    if commands.is_empty() && entries.is_empty() && answers.is_empty() && verdicts.is_empty() && !cycle {
        return Vec::new();
    }
    serde_json::to_vec(&Told { decision, figures: picture.map(Figures::of) }).unwrap_or_default()
}
