//! Why something is done or not done: structured, so that page, log and report say it in their language.

use serde::{Deserialize, Serialize};

use crate::basin::{GateId, IntakeId, MeterId, SectionId};
use crate::units::{Discharge, Opening};

/// One cause, limit or expectation with its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "because")]
pub enum Because {
    /// A section needs `need` when today's release arrives there.
    SectionNeeds {
        /// The section.
        section: SectionId,
        /// Release needed at the dam.
        need: Discharge,
        /// Set point of the section.
        setpoint: Discharge,
        /// Expected lateral inflow on the way, at arrival.
        inflow: Discharge,
        /// Expected intakes on the way, at arrival.
        intakes: Discharge,
        /// Loss to the bed and everything unexplained.
        losses: Discharge,
        /// Hours until it arrives.
        lag_h: f64,
    },
    /// The river has not been watched for one travel time yet: the release stays where it was found.
    StillLearning {
        /// The section.
        section: SectionId,
        /// Hours until it is known what is on its way.
        hours_left: f64,
    },
    /// The section at the outlet itself.
    OutletFloor {
        /// The section.
        section: SectionId,
        /// Its set point.
        setpoint: Discharge,
    },
    /// A turbine tripped or fell off: its flow is made good by valves.
    UnitTrip {
        /// The unit.
        unit: GateId,
        /// Flow lost.
        lost: Discharge,
    },
    /// Measured release is off its target: trim.
    Trim {
        /// Measured minus target.
        error: Discharge,
    },
    /// The flow a turbine takes over from, or leaves to, the valves.
    ShareTurbine {
        /// Flow for the turbine.
        flow: Discharge,
    },
    /// A weir passes on what arrives.
    PassOn {
        /// Minimum owed below it.
        owed: Discharge,
    },
    /// A pond gives of its own water what a section below would miss.
    Lend {
        /// What should leave it.
        owed: Discharge,
        /// What comes to it.
        comes: Discharge,
    },
    /// A canal, transfer or wetland demand.
    Demand {
        /// Flow asked for.
        flow: Discharge,
    },
    /// The storage is low: of what is asked for, what ranks last gets nothing.
    Cut {
        /// Level of the reservoir, m.
        level_m: f64,
        /// All that is asked for.
        asked: Discharge,
        /// What is given.
        flow: Discharge,
    },
    /// A level is kept.
    KeepLevel {
        /// Level now, m.
        level_m: f64,
        /// Level wanted, m.
        target_m: f64,
    },
    /// A calendar entry.
    Schedule {
        /// Its identifier.
        entry: String,
        /// Number of the dispatch order it stands on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<String>,
    },
    /// A season lock shuts the gate.
    SeasonLock,
    /// A person asked.
    Operator {
        /// Who.
        who: String,
        /// In their words.
        reason: String,
    },
    /// A person accepted what was proposed for the causes that follow.
    Advice {
        /// Who.
        who: String,
    },
    /// Polluted water is on its way to the gate.
    Pollution {
        /// Number of the incident.
        incident: u64,
        /// Hours until its first arrives, negative once it has; `None`: nobody can tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arrives_h: Option<f64>,
    },
    /// Two people ordered a release for the time of an incident.
    IncidentRelease {
        /// Number of the ticket.
        ticket: u64,
        /// The release.
        flow: Discharge,
    },
    /// Hold-all: stop moving gates.
    HoldAll,
    /// The gate goes away from where it was sent, or past it.
    Astray {
        /// Where it is.
        at: Option<Opening>,
        /// Where it was sent.
        to: Opening,
    },
    /// An intake is announced to start or stop.
    AnnouncedTurn {
        /// Which.
        intake: IntakeId,
        /// Change in its rate.
        change: Discharge,
    },
    /// Nothing needs to move.
    NoMove {
        /// Section with the smallest margin.
        section: SectionId,
        /// That margin, share of the floor.
        margin: f64,
    },
    /// Too little water: reservoir below its dead level, releasing what comes.
    DeadLevel {
        /// What is released.
        flow: Discharge,
    },
    /// The loss of the link: the safe constant stands.
    SafeConstant {
        /// The constant.
        flow: Discharge,
    },
}

/// A limit that narrowed a wish, or refused it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "limit")]
pub enum Limit {
    /// Travel limits of the gate.
    Travel {
        /// Lowest.
        lowest: Opening,
        /// Highest.
        highest: Opening,
    },
    /// The release must not fall below the outlet floor.
    OutletFloor {
        /// Opening that just holds it.
        opening: Opening,
    },
    /// Water on its way already predicts the section below its floor: no reduction.
    SectionShort {
        /// The section.
        section: SectionId,
    },
    /// Rise limit for people in the bed.
    RampUp {
        /// Highest release now.
        flow: Discharge,
    },
    /// Fall limit for stranding.
    RampDown {
        /// Lowest release now.
        flow: Discharge,
    },
    /// Above this a siren must sound first.
    Siren {
        /// The limit.
        flow: Discharge,
    },
    /// Key on local.
    Local,
    /// Emergency stop pressed.
    EmergencyStop,
    /// Drive fault.
    DriveFault,
    /// The box has acted by itself because its watchdog ran out; it comes back as configured, or when given back.
    FallenBack,
    /// Position unknown or too old: no discretionary movement.
    PositionUnknown,
    /// A level or flow the limit depends on is not usable.
    InputLost {
        /// The meter.
        meter: MeterId,
    },
    /// Too many motor starts in the hour.
    Starts {
        /// Allowed per hour.
        per_hour: u32,
    },
    /// Pause between reversals or movements not over.
    Pause {
        /// Seconds left.
        left_s: f64,
    },
    /// The minimum release below a weir.
    MinRelease {
        /// What is owed.
        owed: Discharge,
    },
    /// Smaller than the smallest useful movement.
    TooSmall,
    /// Season lock.
    SeasonLock,
    /// Moves only by people with an order.
    FloodOrder,
    /// Not dispatched: passive, monitoring only, or left to people.
    NotDriven,
    /// Under manual authority.
    Manual,
    /// This gate is in advice: what is wanted of it is proposed.
    Advised,
    /// This gate is only watched: nothing is sent to it.
    Observed,
    /// Hold-all is on.
    HoldAll,
    /// The record cannot be written: discretionary movement stops.
    RecordLost,
    /// A command is in flight.
    InFlight,
    /// State after the start not yet settled, or an intent unresolved.
    Unresolved,
    /// It went away from where it was last sent, or past it, and nobody has settled that.
    Astray,
    /// Mode forbids it (observe, advice, manual).
    Mode,
    /// Limits contradict each other: the gate holds.
    Conflict,
}
