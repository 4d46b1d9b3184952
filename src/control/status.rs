//! What the control code publishes after a tick, for page, metrics and reports. Read only, plain data.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::advice::{Proposal, Tally};
use super::alarm::Shelf;
use super::authority::Given;
use super::command::{Action, CommandId, Terminal};
use super::entered::Entered;
use super::forecast::Forecasts;
use super::incident::Incident;
use super::operator::{Authority, Mode};
use super::quality::{Quality, Reading, Reason};
use super::reason::{Because, Limit};
use super::schedule::steps;
use super::ticket::Ticket;
use super::warning::Watch;
use crate::basin::{GateId, MeterId, SectionId};
use crate::units::{Discharge, Opening};

/// A computed value beside measured ones; never drawn as one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number, if it could be computed.
    pub flow: Option<Discharge>,
    /// Quality of its worst input.
    pub quality: Quality,
    /// First cause, when not good.
    pub reason: Option<Reason>,
}

/// Rung of the fallback ladder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Rung {
    /// Fresh plan.
    F0,
    /// Last plan, shifted.
    F1,
    /// Arrival-time rule.
    #[default]
    F2,
    /// Safe constant.
    F3,
}

/// State of one gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateStatus {
    /// Which.
    pub gate: GateId,
    /// Present opening (reading of the position, as opening).
    pub opening: Option<Opening>,
    /// Graded position reading in stroke units.
    pub position: Reading,
    /// Target in force, as opening.
    pub target: Option<Opening>,
    /// Flow through it: metered or computed.
    pub flow: Estimate,
    /// Who moves it.
    pub authority: Authority,
    /// Who gave it so, when and why; `None` as long as nobody did.
    #[serde(default)]
    pub given: Option<Given>,
    /// Key on remote; `None` unknown.
    pub remote: Option<bool>,
    /// Emergency stop pressed; `None` unknown.
    pub estop: Option<bool>,
    /// Drive fault or trip; `None` unknown.
    pub fault: Option<bool>,
    /// Moving now: +1 opening, −1 shutting, 0 still; `None` unknown.
    pub moving: Option<i8>,
    /// State of its state machine.
    pub state: GateState,
    /// Command in flight.
    pub in_flight: Option<CommandStatus>,
    /// Motor starts in the last hour and the last day.
    pub starts: (u32, u32),
    /// What keeps it from moving now, failing ones first.
    pub blocked_by: Vec<Limit>,
    /// Openings permitted now, lowest and highest; the first above the second when limits contradict.
    pub permitted: (Opening, Opening),
    /// The limits that set them: of the lowest opening, of the highest.
    pub permitted_by: (Option<Limit>, Option<Limit>),
}

/// State machine of a gate as seen by the page; see `control/gate.rs` for the transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateState {
    /// After the start: position or an old intent not yet settled.
    Adopting,
    /// At rest.
    Idle,
    /// A command is on its way to the device.
    Commanded,
    /// The set-point is in; travelling.
    Travelling,
    /// Did not arrive; needs a person or a new decision.
    Stuck,
}

/// A command in flight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandStatus {
    /// Number.
    pub id: CommandId,
    /// What it asks.
    pub action: Action,
    /// Since when (service time).
    pub since: Duration,
    /// Why.
    pub because: Vec<Because>,
}

/// State of one section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SectionStatus {
    /// Which.
    pub section: SectionId,
    /// Reading of its meter.
    pub reading: Reading,
    /// Value used when the meter is not usable.
    pub estimate: Estimate,
    /// Floor today.
    pub floor: Option<Discharge>,
    /// Operating set point.
    pub setpoint: Option<Discharge>,
    /// Mean of the last hour.
    pub hour_mean: Option<Discharge>,
    /// Mean since local midnight.
    pub day_mean: Option<Discharge>,
    /// Expected flow ahead: hours from now and flow, hourly.
    pub forecast: Vec<(f64, Discharge)>,
    /// Least and largest flow the forecast allows for, in the order of `forecast`.
    pub forecast_band: Vec<(Discharge, Discharge)>,
    /// Smallest forecast value and when, hours from now.
    pub forecast_min: Option<(f64, Discharge)>,
    /// Water balance of its way, by segment downstream; empty for a section no reservoir is dispatched for.
    pub balance: Vec<Balance>,
    /// What promises fell short by at most, nearly always, m³/s.
    pub promise_error: Option<f64>,
}

/// A change of release on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transit {
    /// Running number.
    pub id: u64,
    /// Change of release, signed.
    pub change: Discharge,
    /// When it left (service time).
    pub left: Duration,
    /// Section it travels to.
    pub to: SectionId,
    /// Share of the way done, 0..=1.
    pub progress: f64,
    /// Arrival window, hours from now: first response and full.
    pub arrives_in_h: (f64, f64),
}

/// Why something moved or did not; newest first in [`Status::why`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// When (UTC, ISO 8601).
    pub utc: jiff::Timestamp,
    /// Gate, when one moved.
    pub gate: Option<GateId>,
    /// Command, when one was given.
    pub command: Option<CommandId>,
    /// From.
    pub from: Option<Opening>,
    /// To.
    pub to: Option<Opening>,
    /// Who decided.
    pub actor: String,
    /// Causes, most important first.
    pub because: Vec<Because>,
    /// Limits that narrowed.
    pub limits: Vec<Limit>,
    /// Expected change of flow at each section: section, change, hours from and to.
    pub expect: Vec<(SectionId, Discharge, f64, f64)>,
    /// How it ended; `None` while running.
    pub outcome: Option<Terminal>,
}

/// State of one alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmStatus {
    /// Key: identifier and element, as `A09:q.runcheng`.
    pub key: String,
    /// Identifier from the alarm list.
    pub id: String,
    /// Element it is about; empty for the service.
    pub element: String,
    /// Priority 1 (highest) to 4.
    pub priority: u8,
    /// Condition holds now.
    pub active: bool,
    /// Seen by a person.
    pub acknowledged: bool,
    /// When it came (UTC).
    pub since: jiff::Timestamp,
    /// Numbers and names for its text.
    pub detail: serde_json::Value,
}

/// An alarm that does not stand in the list of the open ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AsideStatus {
    /// What would stand there.
    pub alarm: AlarmStatus,
    /// Put aside by a person: by whom, why, until when.
    pub shelf: Option<Shelf>,
    /// Left out by design: the key of the alarm that says more.
    pub parent: Option<String>,
}

/// Many new alarms at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloodStatus {
    /// Since when (UTC).
    pub since: jiff::Timestamp,
    /// Key of the first of them.
    pub first: String,
}

/// What of the flow at the foot of a segment of a section's way no meter explains.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    /// The gauge at its foot.
    pub foot: MeterId,
    /// Flow that metered water does not explain, as learnt lately, m³/s; negative is loss.
    pub unexplained: f64,
    /// The same over days, m³/s.
    pub lasting: f64,
    /// Mean size of what the estimate still missed lately, m³/s.
    pub error: f64,
    /// A reading has been met since the start of the memory.
    pub primed: bool,
}

/// A point reading beside its identifier in file order; the whole process image of one tick.
pub type Image = Arc<[Reading]>;

/// Everything published after a tick.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Tick number since start.
    pub tick: u64,
    /// Service time.
    pub mono: Duration,
    /// Civil time.
    pub utc: jiff::Timestamp,
    /// Bench run: records and page say so.
    pub bench: bool,
    /// Started with `--observe`.
    pub observing: bool,
    /// Mode and since when, by whom.
    pub mode: Mode,
    /// See `mode`.
    pub mode_since: jiff::Timestamp,
    /// See `mode`.
    pub mode_by: String,
    /// Hold-all on, by whom.
    pub hold_all: Option<String>,
    /// Rung of the ladder.
    pub rung: Rung,
    /// The record can be written.
    pub record_ok: bool,
    /// Release wanted at each dispatched reservoir: reservoir position, flow, causes.
    pub release: Vec<ReleaseStatus>,
    /// Sections in file order.
    pub sections: Vec<SectionStatus>,
    /// Gates in file order.
    pub gates: Vec<GateStatus>,
    /// Estimated flow at each node in file order.
    pub nodes: Vec<Estimate>,
    /// Readings of all points in file order.
    pub image: Image,
    /// Changes on their way.
    pub transit: Vec<Transit>,
    /// Newest explanations first, at most 20.
    pub why: Vec<Explanation>,
    /// Open alarms, highest priority and newest first.
    pub alarms: Vec<AlarmStatus>,
    /// Alarms put aside or left out, by key.
    pub aside: Vec<AsideStatus>,
    /// A flood of alarms that is on.
    pub flood: Option<FloodStatus>,
    /// Forecasts held.
    pub forecasts: Arc<Forecasts>,
    /// Readings people entered in place of meters.
    #[serde(default)]
    pub entered: Vec<Entered>,
    /// Tickets, oldest first.
    #[serde(default)]
    pub tickets: Vec<Ticket>,
    /// What is known of warnings, by element in the order of the basin: sections with a floor, then wetlands.
    #[serde(default)]
    pub warnings: Vec<Watch>,
    /// Open pollution incidents, oldest first.
    #[serde(default)]
    pub incidents: Vec<Incident>,
    /// What is proposed, oldest first; empty in other modes than advice.
    #[serde(default)]
    pub proposals: Vec<Proposal>,
    /// How people answered proposals, by gate and day.
    #[serde(default)]
    pub answers: Vec<Tally>,
    /// The calendar people activated, and how its entries have begun.
    pub calendar: steps::Memory,
}

/// Release of one reservoir.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleaseStatus {
    /// Position of the reservoir in the basin.
    pub reservoir: usize,
    /// Release wanted.
    pub target: Discharge,
    /// Release measured or computed.
    pub actual: Estimate,
    /// Causes, most important first.
    pub because: Vec<Because>,
}
