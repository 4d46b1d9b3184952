//! The one way to a gate: every wish is narrowed here by what is permitted, and only [`review`] makes a
//! command of it.
//!
//! Limits may narrow a gate's range, none may widen it, each says why, and their order does not change the
//! range. A missing reading tightens. This module shares no code with what plans.

use std::time::Duration;

use serde::Serialize;

use super::command::{Action, CommandId};
use super::gate::{GateFacts, GateMemory};
use super::operator::{Authority, Mode};
use super::reason::{Because, Limit};
use super::status::GateState;
use super::structure;
use super::ticket::Freed;
use crate::basin::{Actuation, Basin, Duty, Gate, GateId, Place};
use crate::units::{Discharge, Opening, Stage};

/// What a wish is for; decides which limits apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Holds the outlet floor, stops, or moves back inside a limit: goes on without a record and in manual.
    Protective,
    /// A person's set-point.
    Operator,
    /// Everything automatic control does at its leisure.
    Discretionary,
}

/// Something somebody wants of a gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// The gate.
    pub gate: GateId,
    /// What.
    pub action: Action,
    /// For what.
    pub purpose: Purpose,
    /// By whom.
    pub actor: String,
    /// Why, most important first.
    pub because: Vec<Because>,
}

/// A command that has passed every interlock. Its fields are private: only [`review`] makes one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cleared {
    id: CommandId,
    gate: GateId,
    action: Action,
    before: Option<Opening>,
    purpose: Purpose,
    actor: String,
    because: Vec<Because>,
    narrowed_by: Vec<Limit>,
    valid_until: Duration,
}

impl Cleared {
    /// Number of the command.
    pub fn id(&self) -> CommandId {
        self.id
    }

    /// Its gate.
    pub fn gate(&self) -> GateId {
        self.gate
    }

    /// What it asks.
    pub fn action(&self) -> Action {
        self.action
    }

    /// Opening before, when it was known.
    pub fn before(&self) -> Option<Opening> {
        self.before
    }

    /// For what.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// By whom.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// Why.
    pub fn because(&self) -> &[Because] {
        &self.because
    }

    /// Limits that narrowed the wish.
    pub fn narrowed_by(&self) -> &[Limit] {
        &self.narrowed_by
    }

    /// Service time after which it must not be sent any more.
    pub fn valid_until(&self) -> Duration {
        self.valid_until
    }
}

/// Flow limits of the river below a dam, for the gates that release into it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReleaseLimits {
    /// Flow of all other outlets together, counting a tripped unit as gone, at the lower and at the higher level.
    pub others: (Discharge, Discharge),
    /// Least total that holds the outlet floor.
    pub floor: Discharge,
    /// Lowest total the fall limit permits now.
    pub lowest: Discharge,
    /// Highest total the rise limit permits now.
    pub highest: Discharge,
    /// Total above which a siren must sound first.
    pub siren: Discharge,
    /// Whether the flow measurement behind these limits is usable.
    pub known: bool,
}

/// State of the service that concerns every gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Authorities {
    /// Mode.
    pub mode: Mode,
    /// Hold-all is on.
    pub hold_all: bool,
    /// The record can be written.
    pub record_ok: bool,
    /// It is flood season today, or a ticket frees this gate of it.
    pub flood_season: bool,
}

/// What is permitted to one gate now.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowed {
    lowest: Opening,
    highest: Opening,
    /// Limits at the lower end, most recent tightening last.
    at_least: Vec<Limit>,
    /// Limits at the upper end.
    at_most: Vec<Limit>,
    /// What refuses any movement for these purposes.
    refused: Vec<(Limit, Applies)>,
}

/// Which purposes a refusal stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Applies {
    /// All but a stop.
    All,
    /// Automatic and people, not protection.
    NotProtective,
    /// Automatic and protection, not people.
    NotOperator,
    /// Automatic only.
    Discretionary,
}

impl Applies {
    fn to(self, purpose: Purpose) -> bool {
        match self {
            Self::All => true,
            Self::NotProtective => purpose != Purpose::Protective,
            Self::NotOperator => purpose != Purpose::Operator,
            Self::Discretionary => purpose == Purpose::Discretionary,
        }
    }
}

impl Allowed {
    /// The whole stroke.
    pub fn everything() -> Self {
        Self {
            lowest: Opening::SHUT,
            highest: Opening::FULL,
            at_least: Vec::new(),
            at_most: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Narrows from below.
    pub fn at_least(&mut self, opening: Opening, why: Limit) {
        if opening > self.lowest {
            self.lowest = opening;
            self.at_least.push(why);
        }
    }

    /// Narrows from above.
    pub fn at_most(&mut self, opening: Opening, why: Limit) {
        if opening < self.highest {
            self.highest = opening;
            self.at_most.push(why);
        }
    }

    fn refuse(&mut self, why: Limit, applies: Applies) {
        self.refused.push((why, applies));
    }

    /// What stops a movement for `purpose`.
    pub fn refusals(&self, purpose: Purpose) -> Vec<Limit> {
        self.refused
            .iter()
            .filter(|(_, applies)| applies.to(purpose))
            .map(|(limit, _)| limit.clone())
            .collect()
    }

    /// The permitted range.
    pub fn range(&self) -> (Opening, Opening) {
        (self.lowest, self.highest)
    }

    /// The limits that set the ends of the range, where they are not those of the stroke itself.
    pub fn bounds(&self) -> (Option<Limit>, Option<Limit>) {
        (self.at_least.last().cloned(), self.at_most.last().cloned())
    }
}

/// Everything [`survey`] looks at for one gate.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The basin.
    pub basin: &'a Basin,
    /// The gate.
    pub id: GateId,
    /// This tick's facts.
    pub facts: &'a GateFacts,
    /// Its memory.
    pub memory: &'a GateMemory,
    /// Who moves it.
    pub authority: Authority,
    /// The service.
    pub service: Authorities,
    /// Limits of the river below, for a release gate.
    pub release: Option<ReleaseLimits>,
    /// Lower and higher of what may be the water level above it, when usable: the same unless two meters disagree.
    pub above: Option<(Stage, Stage)>,
    /// Its box has acted by itself, and nothing has ended that yet.
    pub fallen_back: bool,
    /// What enough people have signed for.
    pub freed: Freed,
    /// Now.
    pub now: Duration,
}

impl Situation<'_> {
    /// Limits of the river below with the levels above, where the effect of a movement can be told.
    fn known_river(&self) -> Option<(ReleaseLimits, (Stage, Stage))> {
        Some((self.release.filter(|release| release.known)?, self.above?))
    }
}

/// What is permitted to a gate now, and why not more.
pub fn survey(seen: &Situation<'_>) -> Allowed {
    let mut allowed = Allowed::everything();
    let Some(gate) = seen.basin.gates.get(seen.id.0) else {
        allowed.refuse(Limit::NotDriven, Applies::All);
        return allowed;
    };
    drive(&mut allowed, gate, seen);
    service(&mut allowed, gate, seen);
    motor(&mut allowed, gate, seen);
    let travel = Limit::Travel { lowest: gate.lowest, highest: gate.highest };
    allowed.at_least(gate.lowest, travel.clone());
    allowed.at_most(gate.highest, travel);
    if seen.release.is_some() {
        river(&mut allowed, gate, seen);
    }
    allowed
}

/// The site: drive, key, emergency stop, position.
fn drive(allowed: &mut Allowed, gate: &Gate, seen: &Situation<'_>) {
    if gate.actuation != Actuation::Driven {
        allowed.refuse(Limit::NotDriven, Applies::All);
    }
    // A key whose position nobody can read is not known to stand on remote.
    if seen.facts.remote != Some(true) {
        allowed.refuse(Limit::Local, Applies::All);
    }
    if seen.facts.estop != Some(false) {
        allowed.refuse(Limit::EmergencyStop, Applies::All);
    }
    if seen.facts.fault != Some(false) || seen.facts.trip != Some(false) {
        allowed.refuse(Limit::DriveFault, Applies::All);
    }
    // What a box did because it heard nobody is not undone at once, not even to protect: a person may.
    if seen.fallen_back {
        allowed.refuse(Limit::FallenBack, Applies::NotOperator);
    }
    if seen.facts.opening.is_none() {
        // Protection goes on by the flow it wants; where that is not known either, nobody can tell what is up.
        let is_blind = seen.release.is_some() && seen.known_river().is_none();
        allowed.refuse(Limit::PositionUnknown, if is_blind { Applies::All } else { Applies::NotProtective });
    }
}

/// The service: mode, hold, authority, record, season, orders.
fn service(allowed: &mut Allowed, gate: &Gate, seen: &Situation<'_>) {
    if seen.service.hold_all {
        allowed.refuse(Limit::HoldAll, Applies::All);
    }
    match seen.service.mode {
        Mode::Observe => allowed.refuse(Limit::Mode, Applies::All),
        // What automatic control would do is proposed; people act.
        Mode::Advice => allowed.refuse(Limit::Mode, Applies::NotOperator),
        Mode::Manual => allowed.refuse(Limit::Mode, Applies::Discretionary),
        Mode::Automatic => {}
    }
    match seen.authority {
        Authority::Observe => allowed.refuse(Limit::Observed, Applies::All),
        Authority::Advice => allowed.refuse(Limit::Advised, Applies::NotOperator),
        Authority::Manual => allowed.refuse(Limit::Manual, Applies::Discretionary),
        Authority::Automatic => {}
    }
    if !gate.automatic {
        allowed.refuse(Limit::NotDriven, Applies::Discretionary);
    }
    if gate.duty == Duty::Flood || gate.duty == Duty::Emergency {
        let applies = if seen.freed.order { Applies::NotOperator } else { Applies::All };
        allowed.refuse(Limit::FloodOrder, applies);
    }
    if !seen.service.record_ok {
        allowed.refuse(Limit::RecordLost, Applies::NotProtective);
    }
    if gate.lock.is_some() && !seen.service.flood_season {
        allowed.at_most(Opening::SHUT, Limit::SeasonLock);
    }
    if seen.memory.state == GateState::Adopting || !seen.memory.open_intents.is_empty() || seen.memory.foreign
    {
        allowed.refuse(Limit::Unresolved, Applies::Discretionary);
    }
    // Protection too would only send it further the wrong way: another gate has to do it.
    if seen.memory.astray.is_some() {
        allowed.refuse(Limit::Astray, Applies::NotOperator);
    }
}

/// The motor: starts, pauses, one command at a time.
fn motor(allowed: &mut Allowed, gate: &Gate, seen: &Situation<'_>) {
    const HOUR: Duration = Duration::from_secs(3600);
    if seen.memory.in_flight.is_some() {
        allowed.refuse(Limit::InFlight, Applies::Discretionary);
    }
    if seen.memory.starts_within(HOUR, seen.now) >= gate.max_starts_per_hour {
        let applies = if seen.freed.starts { Applies::Discretionary } else { Applies::NotProtective };
        allowed.refuse(Limit::Starts { per_hour: gate.max_starts_per_hour }, applies);
    }
    if let Some((at, _)) = seen.memory.last_move {
        let left = gate.reversal_pause_s - seen.now.saturating_sub(at).as_secs_f64();
        if left > 0.0 {
            allowed.refuse(Limit::Pause { left_s: left }, Applies::Discretionary);
        }
    }
}

/// The river below: outlet floor, rise and fall, siren.
fn river(allowed: &mut Allowed, gate: &Gate, seen: &Situation<'_>) {
    let Some((release, (low, high))) = seen.known_river() else {
        // Without level or flow the effect of a movement is unknown: only protection and people may move it, and only up.
        let above = match gate.from {
            Place::Reservoir(body) => seen.basin.reservoirs.get(body.0),
            Place::Node(_) | Place::Along { .. } | Place::Wetland(_) | Place::Outside => None,
        };
        let any = || seen.basin.reservoirs.iter().find_map(|body| body.level_meter);
        let lost = above.and_then(|body| body.level_meter).or_else(any);
        let lost = lost.map_or(Limit::PositionUnknown, |meter| Limit::InputLost { meter });
        allowed.refuse(lost, Applies::Discretionary);
        if let Some(opening) = seen.facts.opening {
            allowed.at_least(opening, Limit::PositionUnknown);
        }
        return;
    };
    // What must pass at least is computed with the lower level, what may pass at most with the higher.
    let opening = |total: Discharge, others: Discharge, above: Stage| {
        structure::opening_for(gate, (total - others).max(Discharge::ZERO), above)
    };
    let least = |total: Discharge| opening(total, release.others.0, low);
    let most = |total: Discharge| opening(total, release.others.1, high);
    let now = seen.memory.heading(seen.facts);
    let floor = least(release.floor);
    allowed.at_least(floor, Limit::OutletFloor { opening: floor });
    let siren = most(release.siren);
    allowed.at_most(siren.max(floor), Limit::Siren { flow: release.siren });
    // A ramp never forces a movement: where the gate stands is always permitted.
    let up = most(release.highest).max(floor);
    allowed.at_most(now.map_or(up, |now| up.max(now)), Limit::RampUp { flow: release.highest });
    let down = least(release.lowest);
    allowed.at_least(now.map_or(down, |now| down.min(now)), Limit::RampDown { flow: release.lowest });
}

/// The permitted command nearest to the wish, or why there is none: then the gate holds.
///
/// # Errors
///
/// The limits that refuse the wish, at least one.
pub fn review(
    wish: &Wish,
    seen: &Situation<'_>,
    allowed: &Allowed,
    id: CommandId,
    valid_for: Duration,
) -> Result<Cleared, Vec<Limit>> {
    let cleared = |action, narrowed_by| Cleared {
        id,
        gate: wish.gate,
        action,
        before: seen.facts.opening,
        purpose: wish.purpose,
        actor: wish.actor.clone(),
        because: wish.because.clone(),
        narrowed_by,
        valid_until: seen.now + valid_for,
    };
    let target = match wish.action {
        // A stop moves nothing: only a gate without a drive cannot be stopped.
        Action::Stop if allowed.refused.contains(&(Limit::NotDriven, Applies::All)) => {
            return Err(vec![Limit::NotDriven]);
        }
        Action::Stop if seen.service.mode == Mode::Observe => return Err(vec![Limit::Mode]),
        Action::Stop if seen.authority == Authority::Observe => return Err(vec![Limit::Observed]),
        Action::Stop => return Ok(cleared(Action::Stop, Vec::new())),
        Action::Goto(target) => target,
    };
    let refusals = allowed.refusals(wish.purpose);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    if allowed.lowest > allowed.highest {
        return Err(vec![Limit::Conflict]);
    }
    let narrowed = target.max(allowed.lowest).min(allowed.highest);
    let mut limits = Vec::new();
    if narrowed > target {
        limits.extend(allowed.at_least.last().cloned());
    }
    if narrowed < target {
        limits.extend(allowed.at_most.last().cloned());
    }
    let step = seen.basin.gates.get(wish.gate.0).map_or(0.0, |gate| match wish.purpose {
        Purpose::Discretionary => gate.min_step,
        Purpose::Protective | Purpose::Operator => gate.tolerance,
    });
    if let Some(heading) = seen.memory.heading(seen.facts)
        && (narrowed.fraction() - heading.fraction()).abs() < step - 1e-9
    {
        limits.push(Limit::TooSmall);
        return Err(limits);
    }
    Ok(cleared(Action::Goto(narrowed), limits))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
