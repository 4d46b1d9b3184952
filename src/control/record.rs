//! What the journal keeps: entries made by the control code, to be numbered, chained and stored by the shell.

use serde::{Deserialize, Serialize};

use super::command::{Action, CommandId, Terminal, WriteResult};
use super::reason::{Because, Limit};
use crate::units::{Discharge, Opening};

/// Kind of a record; the number of each is part of the file format and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Kind {
    /// The service started.
    Boot = 1,
    /// A command is about to be written.
    Intent = 2,
    /// As intent, journalled after the write because the record could not be written then.
    LateIntent = 3,
    /// Terminal state of a command.
    Outcome = 4,
    /// A wish the interlocks refused.
    Refusal = 5,
    /// A move or deliberate non-move with its reasons.
    Decision = 6,
    /// A plan was adopted or dropped; the rung of the ladder changed.
    Plan = 7,
    /// State for a rerun.
    Snapshot = 8,
    /// An act of a person.
    Operator = 9,
    /// A dispatch or flood order.
    Order = 10,
    /// Configuration in force.
    Config = 11,
    /// An alarm changed its state.
    Alarm = 12,
    /// Operate lease.
    Lease = 13,
    /// Civil time stepped.
    Clock = 14,
    /// Something was repaired or taken up after a crash.
    Recovered = 15,
    /// Signed chain head.
    Checkpoint = 16,
    /// Old segments were removed.
    Trim = 17,
    /// The service stopped in order.
    Stop = 18,
    /// A forecast was taken or refused.
    Forecast = 19,
    /// Somebody signed in or out or was refused; a user or token was changed.
    Access = 20,
    /// Somebody was told of alarms by mail or webhook, or could not be.
    Notice = 21,
    /// The calendar of gates: a draft was saved or discarded, one was activated, an entry was missed.
    Schedule = 22,
    /// A note of a person for the shift.
    Note = 23,
    /// A warning of a section or wetland was proposed, withdrawn, issued, replaced or cancelled.
    Warning = 26,
    /// A pollution incident was opened or closed, or what is foretold of it.
    Incident = 27,
    /// An outage or exemption was filed 报备, or another person approved or rejected it.
    Filing = 28,
}

/// One entry, before the journal gives it number, time and chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Kind.
    pub kind: Kind,
    /// `dispatch`, `operator:NAME`, `failsafe`, `recovery`, `service`.
    pub actor: String,
    /// Gate identifier, for what concerns a gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// Command this is about: the intent's own, or the one an outcome ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandId>,
    /// What the command asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// Opening before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Opening>,
    /// In an intent: set-points that may have stood in the device before the write. One when it is known, more while commands
    /// follow each other faster than it is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_points: Vec<Opening>,
    /// Opening after, read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Opening>,
    /// Flow expected through the gate, or release decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Discharge>,
    /// Causes, most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<Because>,
    /// Limits that narrowed or refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// Result of the write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<WriteResult>,
    /// Terminal state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Terminal>,
    /// From intent to terminal state, ms of service time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// SHA-256 (hex) over the exact inputs of the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
    /// Anything else, as `alarm` with its key and states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

impl Entry {
    /// An empty entry of a kind by an actor.
    pub fn new(kind: Kind, actor: impl Into<String>) -> Self {
        Self {
            kind,
            actor: actor.into(),
            gate: None,
            command: None,
            action: None,
            before: None,
            set_points: Vec::new(),
            after: None,
            flow: None,
            because: Vec::new(),
            limits: Vec::new(),
            write: None,
            outcome: None,
            took_ms: None,
            inputs: None,
            detail: None,
        }
    }
}
