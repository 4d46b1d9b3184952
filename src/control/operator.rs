//! What people ask for.

use serde::{Deserialize, Serialize};

use super::incident::Report;
use super::schedule::Entry;
use super::ticket::Permit;
use crate::basin::{GateId, Grade};
use crate::units::Opening;

/// How the service as a whole works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Watches; proposes nothing, sends nothing.
    Observe,
    /// Proposes with reasons; sends nothing by itself, only what people accept or ask for.
    Advice,
    /// Sends what passes the interlocks.
    Automatic,
    /// People set gates; only protective acts run by themselves.
    #[default]
    Manual,
}

/// Who moves one gate. It is never freer than the [`Mode`] of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authority {
    /// Automatic dispatch.
    #[default]
    Automatic,
    /// People: what dispatch wants of it is proposed and never sent by itself, not even to protect.
    Advice,
    /// A person; protective acts run by themselves.
    Manual,
    /// Nobody from here: it is watched, and nothing is sent to it, not even by a person.
    Observe,
}

impl Authority {
    /// Whether protection moves such a gate by itself.
    pub fn protects(self) -> bool {
        match self {
            Self::Automatic | Self::Manual => true,
            Self::Advice | Self::Observe => false,
        }
    }
}

/// One act of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatorAct {
    /// Identifier of the request; the second of two equal ones is answered with the first one's result.
    pub request: String,
    /// Who.
    pub who: String,
    /// In which role; empty where there are no users, as in a test at the panel.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// From where.
    pub address: String,
    /// What.
    pub order: Order,
    /// Why, where the act itself has no place for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a person can ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order")]
pub enum Order {
    /// Stop moving gates, send nothing new.
    HoldAll,
    /// End the hold.
    ReleaseHold,
    /// Change the mode of the service.
    SetMode {
        /// To.
        mode: Mode,
    },
    /// Take a gate into manual, or give it back.
    SetAuthority {
        /// The gate.
        gate: GateId,
        /// To whom.
        authority: Authority,
    },
    /// Set-point of a gate; takes it into manual.
    SetPoint {
        /// The gate.
        gate: GateId,
        /// Where to.
        opening: Opening,
        /// Why.
        reason: String,
    },
    /// Stop one gate.
    StopGate {
        /// The gate.
        gate: GateId,
    },
    /// Carry out what was proposed.
    Accept {
        /// The gate.
        gate: GateId,
        /// Number of the proposal.
        proposal: u64,
        /// Where to, as it was shown.
        opening: Opening,
        /// As the second of two people, where one has accepted already.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        second: bool,
    },
    /// Leave it.
    Reject {
        /// The gate.
        gate: GateId,
        /// Number of the proposal.
        proposal: u64,
        /// Why.
        reason: String,
    },
    /// Ask for a ticket, for what takes two persons; see [`super::ticket`].
    AskTicket {
        /// The gate.
        gate: GateId,
        /// How long it is to stand, min.
        minutes: u32,
        /// Why.
        reason: String,
        /// What for.
        #[serde(default, skip_serializing_if = "Permit::is_season")]
        permit: Permit,
    },
    /// Sign a ticket somebody else asked for.
    SignTicket {
        /// The gate.
        gate: GateId,
        /// Number of the ticket.
        ticket: u64,
    },
    /// End a ticket: a gate that is shut by season goes back to dispatch, which shuts it.
    EndTicket {
        /// The gate.
        gate: GateId,
        /// Number of the ticket.
        ticket: u64,
    },
    /// Acknowledge an alarm.
    Acknowledge {
        /// Its key, as `A09:q.runcheng`.
        alarm: String,
    },
    /// Acknowledge several in one act.
    AcknowledgeMany {
        /// Their keys.
        alarms: Vec<String>,
    },
    /// Put an alarm aside for some time.
    Shelve {
        /// Its key.
        alarm: String,
        /// How long, min.
        minutes: u32,
        /// Why.
        reason: String,
    },
    /// Take it back.
    Unshelve {
        /// Its key.
        alarm: String,
    },
    /// Enter a reading in place of a meter 人工置数; see [`super::entered`].
    Enter {
        /// The meter.
        meter: String,
        /// The value, in its unit.
        value: f64,
        /// How long it stands, min.
        minutes: u32,
        /// What it was read off, or why.
        reason: String,
    },
    /// Take it back: the meter counts again.
    Withdraw {
        /// The meter.
        meter: String,
    },
    /// Issue a warning 预警; see [`super::warning`].
    IssueWarning {
        /// Identifier of the section or wetland.
        element: String,
        /// Its grade.
        grade: Grade,
        /// Cause.
        cause: String,
        /// Measure.
        measure: String,
    },
    /// Cancel the warning in force 销警.
    CancelWarning {
        /// Identifier of the section or wetland.
        element: String,
        /// Number of the warning.
        warning: u64,
        /// Why.
        reason: String,
    },
    /// Mark a pollution incident; see [`super::incident`].
    OpenIncident {
        /// What is known of it.
        report: Report,
    },
    /// Close it: its gates go back to dispatch.
    CloseIncident {
        /// Its number.
        incident: u64,
        /// Why.
        reason: String,
    },
    /// Put a calendar of gates in force in place of the one activated before.
    ActivateSchedule {
        /// Its number, above that of the one before.
        version: u32,
        /// [`super::schedule::hash`] of its entries.
        hash: String,
        /// All of them.
        entries: Vec<Entry>,
    },
}

impl Order {
    /// The gate it is about; none for what concerns the service, an alarm, a meter or the calendar.
    pub fn gate(&self) -> Option<GateId> {
        match self {
            Self::SetAuthority { gate, .. }
            | Self::SetPoint { gate, .. }
            | Self::StopGate { gate }
            | Self::Accept { gate, .. }
            | Self::Reject { gate, .. }
            | Self::AskTicket { gate, .. }
            | Self::SignTicket { gate, .. }
            | Self::EndTicket { gate, .. } => Some(*gate),
            Self::HoldAll
            | Self::ReleaseHold
            | Self::SetMode { .. }
            | Self::Acknowledge { .. }
            | Self::AcknowledgeMany { .. }
            | Self::Shelve { .. }
            | Self::Unshelve { .. }
            | Self::Enter { .. }
            | Self::Withdraw { .. }
            | Self::IssueWarning { .. }
            | Self::CancelWarning { .. }
            | Self::OpenIncident { .. }
            | Self::CloseIncident { .. }
            | Self::ActivateSchedule { .. } => None,
        }
    }
}
