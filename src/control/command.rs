//! Commands and what becomes of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::basin::GateId;
use crate::units::Opening;

/// Number of a command, unique in a data folder; its low 16 bits go into the device's sequence register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommandId(pub u64);

impl CommandId {
    /// What stands in the device's sequence register.
    pub fn register(self) -> u16 {
        u16::try_from(self.0 & 0xFFFF).unwrap_or_default()
    }
}

/// What a command asks of a gate: absolute, never a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Go to this opening.
    Goto(Opening),
    /// Stop where you are.
    Stop,
}

/// What the field task found out about one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteResult {
    /// Echo and read-back agree.
    Accepted,
    /// The device answered with an exception (its code), or the task refused before sending (0).
    Refused(u8),
    /// Nothing left the machine: expired, link away, observe mode.
    NotSent(NotSent),
    /// Answered, but the register still holds the old value.
    NotDone,
    /// No answer: it may or may not have been carried out.
    Unknown,
    /// The register holds a value that is neither old nor ours.
    Foreign,
}

/// Why a write never left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotSent {
    /// Past its expiry.
    Expired,
    /// A newer command for the same gate took its place.
    Superseded,
    /// The link or unit is down.
    LinkDown,
    /// The service runs with `--observe`.
    Observing,
    /// The device is declared read only or has no such register.
    ReadOnly,
    /// Another device answers in its place.
    WrongDevice,
    /// The command queue of the link is full.
    Busy,
    /// Its intent could not be recorded, and it protects nothing.
    Unrecorded,
}

/// Report of a field task about one command, exactly one per command handed to it, later ones refine it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WriteReport {
    /// The command.
    pub command: CommandId,
    /// Its gate.
    pub gate: GateId,
    /// What came of the write.
    pub result: WriteResult,
    /// When (service time).
    pub at: Duration,
}

/// Terminal state of a command. None ends unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Terminal {
    /// Position read back within tolerance and time.
    Verified,
    /// It did not happen.
    Failed {
        /// Why.
        why: FailReason,
    },
    /// Its expiry passed before it was sent.
    Expired,
    /// A newer command took its place.
    Superseded,
    /// Given up on: the gate went to local, was taken over, or the service stopped.
    Abandoned,
}

/// Why a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// The device answered with an exception.
    Refused,
    /// The register kept its old value.
    NotDone,
    /// Somebody else's value stands in the register.
    Foreign,
    /// The setpoint is in, the gate did not arrive in time.
    NoArrival,
    /// The gate moved away from where it was sent.
    WrongWay,
    /// The gate went past where it was sent, and on.
    Overshoot,
    /// No answer, and read-back could not tell until the deadline.
    Unresolved,
    /// It never left the machine.
    NotSent,
    /// Key on local.
    Local,
    /// Drive fault or emergency stop.
    DriveFault,
}

/// An intent found without an outcome when the service starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenIntent {
    /// The command.
    pub command: CommandId,
    /// Gate identifier as recorded.
    pub gate: String,
    /// What it asked.
    pub action: Action,
    /// Opening before it, if it was known.
    pub before: Option<Opening>,
    /// Set-points that may have stood in the device before it.
    #[serde(default)]
    pub set_points: Vec<Opening>,
}
