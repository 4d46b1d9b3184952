//! Thinks and cannot act: no I/O, no clock, no files. One frozen [`Snapshot`] in, one [`Decision`] out.

mod acts;
pub mod advice;
pub mod alarm;
mod arrival;
pub mod authority;
mod away;
pub mod carry;
pub mod command;
mod controller;
mod course;
pub mod dispatch;
pub mod entered;
pub mod estimate;
mod facts;
pub mod fallback;
pub mod forecast;
pub mod gate;
pub mod grade;
mod handover;
pub mod incident;
pub mod interlock;
pub mod learnt;
mod offers;
pub mod operator;
pub mod outlets;
mod outlook;
pub mod plan;
pub mod pond;
pub mod promise;
mod publish;
pub mod quality;
pub mod rating;
pub mod reason;
pub mod record;
mod release;
pub mod routing;
pub mod rules;
mod scene;
pub mod schedule;
pub mod segment;
pub mod series;
mod sides;
pub mod state;
pub mod station;
pub mod status;
mod still;
pub mod structure;
#[cfg(test)]
pub(crate) mod testing;
pub mod ticket;
pub mod timing;
mod twins;
pub mod warning;
mod watch;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use command::{OpenIntent, WriteReport};
pub use controller::{Controller, Settings};
use forecast::{Offer, Verdict};
use interlock::Cleared;
use operator::OperatorAct;
use quality::Sample;
use record::Entry;

/// Both times, read together: `mono` never steps, `utc` is civil and may.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Now {
    /// Service time since start: ages, deadlines, filters.
    pub mono: Duration,
    /// Civil time: schedules, seasons, the record.
    pub utc: Timestamp,
}

/// What was known at a tick. Frozen by the shell; nothing in it changes while deciding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// By [`crate::points::PointId`].
    pub samples: Vec<Sample>,
    /// Reports of the field tasks since the last tick.
    pub writes: Vec<WriteReport>,
    /// Acts of people since the last tick.
    pub acts: Vec<OperatorAct>,
    /// Forecasts that came in since the last tick; the controller keeps what it takes.
    #[serde(default)]
    pub offers: Vec<Offer>,
    /// Intents without an outcome, on the first tick after a start.
    pub recovered: Vec<OpenIntent>,
    /// Whether the record can be written.
    pub record_ok: bool,
    /// Sign-ins that failed within the last five minutes of real time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused_sign_ins: u32,
    /// Receivers of notices about alarms that cannot be told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deaf_receivers: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What to do about a snapshot. The shell journals `entries` first, then sends `commands`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Decision {
    /// Commands that passed every interlock; each has its intent among the entries.
    pub commands: Vec<Cleared>,
    /// What the record keeps of this tick, in order.
    pub entries: Vec<Entry>,
    /// Answers to acts of people, by request.
    pub answers: Vec<(String, Result<String, String>)>,
    /// What became of the forecasts that came in, by offer.
    pub verdicts: Vec<Vec<Verdict>>,
    /// A control cycle ran in this tick.
    pub cycle: bool,
}
