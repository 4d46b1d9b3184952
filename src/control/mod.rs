//! Thinks and cannot act: no I/O, no clock, no files. One frozen [`Snapshot`] in, one [`Decision`] out.

pub mod command;
pub mod operator;
pub mod quality;
pub mod reason;
pub mod record;
pub mod status;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use command::{OpenIntent, WriteReport};
use operator::OperatorAct;
use quality::Sample;

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
    /// Intents without an outcome, on the first tick after a start.
    pub recovered: Vec<OpenIntent>,
    /// Whether the record can be written.
    pub record_ok: bool,
}
