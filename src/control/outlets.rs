//! The local flow loop of one dam: holds the release with the fast valve, makes good a tripped turbine at
//! once, and leaves the turbine what the valve need not carry.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::command::Action;
use super::gate::{GateFacts, GateMemory};
use super::interlock::{Purpose, ReleaseLimits, Wish};
use super::operator::Authority;
use super::reason::Because;
use super::structure;
use crate::basin::{
    Basin, ControlParameters, Duty, Gate, GateId, GateKind, MeterId, MeterKind, NodeId, Place, ReservoirId,
};
use crate::units::{Discharge, Opening, Stage};

/// Time the trim gate alone may take to restore the floor before the stand-by helps, s.
const ALONE_S: f64 = 30.0;

/// Quiet time after a movement before the meter is believed for the next trim, s.
const SETTLE_S: f64 = 180.0;

/// Quiet time before the stand-by is shut again or a turbine's share is changed, s.
const QUIET_S: f64 = 900.0;

/// Flow below which a turbine counts as shut, m³/s.
const AT_REST: f64 = 0.02;

/// Time between two rises of a turbine's share, s. Assumed: it follows the day, not the hour.
const TAKE_S: f64 = 3600.0;

/// Longest time the trim gate carries more for a turbine that does not give way, s. Assumed.
const GIVE_WAY_S: f64 = 900.0;

/// Minutes of flow seen before the first discretionary movement.
const WATCH_MIN: usize = 5;

/// Smallest rise of a turbine's share worth its wear, m³/s. Assumed.
const SHARE_STEP: f64 = 0.15;

/// Meter and equations may differ by this factor, for a rating that has moved or an outlet half clogged; beyond it one of the
/// two is wrong and neither teaches the other. Assumed.
const BELIEVED: (f64, f64) = (0.5, 1.5);

/// What a turbine leaves to the valve above the least, so that not every small fall of the release moves it, m³/s. Assumed.
const SHARE_ROOM: f64 = 0.1;

mod restore;

/// The outlets of one dispatched reservoir.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlets {
    /// The reservoir.
    pub source: ReservoirId,
    /// Node below the dam.
    pub outlet: NodeId,
    /// Meter of the flow there.
    pub meter: Option<MeterId>,
    pub(super) trim: Vec<GateId>,
    pub(super) standby: Vec<GateId>,
    pub(super) base: Vec<GateId>,
    /// Those that people alone move.
    pub(super) flood: Vec<GateId>,
    pub(super) memory: Memory,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    /// Flow each minute, newest last, half an hour.
    minutes: VecDeque<f64>,
    next_minute: Duration,
    /// Smoothed flow, for the trim.
    smooth: Option<f64>,
    /// Measured over computed flow, for what the equations miss.
    scale: Option<f64>,
    /// When the last wish of this loop was made.
    moved: Option<Duration>,
    /// When a turbine's share was last changed.
    shared: Option<Duration>,
    /// Since when the trim gate carries more, so that a turbine may carry less.
    giving_way: Option<Duration>,
    /// When a flood gate was last seen open.
    #[serde(default)]
    mixed: Option<Duration>,
    /// Levels last seen, lower and higher, for a day without one.
    level: Option<((Stage, Stage), Duration)>,
}

/// What the loop sees this tick.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The basin.
    pub basin: &'a Basin,
    /// Facts of all gates.
    pub facts: &'a [GateFacts],
    /// Memories of all gates.
    pub gates: &'a [GateMemory],
    /// Who moves each gate.
    pub authorities: &'a [Authority],
    /// Lower and higher of what may be the water level of the reservoir, when usable; the same unless two meters of it
    /// disagree.
    pub level: Option<(Stage, Stage)>,
    /// Measured flow below the dam, when usable.
    pub flow: Option<f64>,
    /// Floor below the dam, and its set point.
    pub floor: f64,
    /// See `floor`.
    pub setpoint: f64,
    /// Now.
    pub now: Duration,
    /// Length of this tick, s.
    pub dt: f64,
}

impl Outlets {
    /// The outlets of `source` into `outlet`.
    pub fn new(basin: &Basin, source: ReservoirId, outlet: NodeId) -> Self {
        let of = |duty: Duty| {
            let into = |g: &Gate| {
                g.from == Place::Reservoir(source) && g.to == Place::Node(outlet) && g.duty == duty
            };
            basin
                .gates
                .iter()
                .enumerate()
                .filter(|(_, g)| into(g))
                .map(|(at, _)| GateId(at))
                .collect::<Vec<_>>()
        };
        let gauge = |m: &crate::basin::Meter| m.kind == MeterKind::RiverFlow && m.at == Place::Node(outlet);
        let section = basin.sections.iter().find(|s| s.at == Place::Node(outlet)).map(|s| s.meter);
        let meter = section.or_else(|| basin.meters.iter().position(gauge).map(MeterId));
        Self {
            source,
            outlet,
            meter,
            trim: of(Duty::Trim),
            standby: of(Duty::Standby),
            base: of(Duty::Base),
            flood: of(Duty::Flood),
            memory: Memory::default(),
        }
    }

    /// Whether `gate` releases into the river here.
    pub fn has(&self, gate: GateId) -> bool {
        [&self.trim, &self.standby, &self.base].into_iter().any(|set| set.contains(&gate))
    }

    fn all(&self) -> impl Iterator<Item = GateId> {
        self.trim.iter().chain(&self.standby).chain(&self.base).copied()
    }

    /// Level to compute with: the reading, or the last one for a day (a large reservoir moves by centimetres). Of two that
    /// disagree the lower: it makes less of an opening, and the floor is held by more.
    pub fn level(&self, now: Duration) -> Option<Stage> {
        self.levels(now).map(|(low, _)| low)
    }

    /// What the meter below the dam says of the flow. At the end of its range it says that so much passes or more, as in a
    /// flood: by that nothing can be trimmed.
    pub fn measured(&self, basin: &Basin, shown: impl Fn(MeterId) -> Option<f64>) -> Option<f64> {
        let id = self.meter?;
        let end = basin.meters.get(id.0)?.max;
        shown(id).filter(|flow| *flow < end)
    }

    /// Lower and higher of what may be the level.
    pub fn levels(&self, now: Duration) -> Option<(Stage, Stage)> {
        const DAY: Duration = Duration::from_secs(86_400);
        self.memory.level.filter(|(_, at)| now.saturating_sub(*at) < DAY).map(|(levels, _)| levels)
    }

    /// Flow of a gate where it stands, by the calibrated equations; a tripped unit counts as nothing.
    pub fn flow_of(&self, basin: &Basin, id: GateId, facts: &GateFacts, level: Stage) -> f64 {
        if facts.trip == Some(true) {
            return 0.0;
        }
        self.flow_at(basin, id, facts.opening.unwrap_or(Opening::SHUT), level)
    }

    fn flow_at(&self, basin: &Basin, id: GateId, opening: Opening, level: Stage) -> f64 {
        let computed = basin.gates.get(id.0).map_or(0.0, |gate| structure::flow(gate, opening, level).get());
        computed * self.memory.scale.unwrap_or(1.0)
    }

    /// Total by the equations.
    pub fn computed(&self, view: &View<'_>) -> Option<f64> {
        let level = self.level(view.now)?;
        let facts = |id: GateId| view.facts.get(id.0);
        Some(self.all().filter_map(|id| Some(self.flow_of(view.basin, id, facts(id)?, level))).sum())
    }

    /// Water of a flood gate is, or was just now, in what the meter shows: that says nothing of the outlets moved from here, and
    /// ends when people shut the gate.
    fn is_mixed(&self, now: Duration) -> bool {
        self.memory.mixed.is_some_and(|at| now.saturating_sub(at).as_secs_f64() < QUIET_S)
    }

    fn see_flood_gates(&mut self, view: &View<'_>) {
        let open = |id: &GateId| {
            let stands = view.facts.get(id.0).and_then(|facts| facts.opening);
            stands.zip(view.basin.gates.get(id.0)).is_some_and(|(at, gate)| at.fraction() > gate.tolerance)
        };
        if self.flood.iter().any(open) {
            self.memory.mixed = Some(view.now);
        }
    }

    /// Smoothed measured flow, or the computed one without a meter or while it shows the water of a flood gate too.
    fn own(&self, view: &View<'_>) -> Option<f64> {
        if self.is_mixed(view.now) { self.computed(view) } else { self.present(view) }
    }

    /// Smoothed measured flow, or the computed one without a meter.
    pub fn present(&self, view: &View<'_>) -> Option<f64> {
        view.flow.and(self.memory.smooth).or_else(|| self.computed(view))
    }

    /// Takes in this tick's readings.
    pub fn observe(&mut self, view: &View<'_>) {
        if let Some(level) = view.level {
            self.memory.level = Some((level, view.now));
        }
        self.see_flood_gates(view);
        let Some(flow) = view.flow else {
            self.memory.smooth = None;
            return;
        };
        let smooth = self.memory.smooth.unwrap_or(flow);
        let smooth = smooth + (1.0 - (-view.dt / 60.0).exp()) * (flow - smooth);
        self.memory.smooth = Some(smooth);
        if view.now >= self.memory.next_minute {
            self.memory.next_minute = view.now + Duration::from_secs(60);
            self.memory.minutes.push_back(smooth);
            while self.memory.minutes.len() > 31 {
                self.memory.minutes.pop_front();
            }
        }
        self.calibrate(view, smooth);
    }

    /// Learns, at rest, how measured flow relates to computed flow.
    fn calibrate(&mut self, view: &View<'_>, smooth: f64) {
        if view.level.is_some_and(|(low, high)| low != high) || self.is_mixed(view.now) {
            return;
        }
        let at_rest = self.quiet(view, SETTLE_S) && self.all().all(|id| Self::settled(view, id));
        let Some(computed) = self.computed(view).filter(|q| at_rest && *q > 0.2) else { return };
        let scale = self.memory.scale.unwrap_or(1.0);
        let wanted = scale * smooth / computed;
        if !(BELIEVED.0..=BELIEVED.1).contains(&wanted) {
            return;
        }
        let weight = if self.memory.scale.is_none() { 1.0 } else { 1.0 - (-view.dt / 1800.0).exp() };
        self.memory.scale = Some(scale + weight * (wanted - scale));
    }

    fn settled(view: &View<'_>, id: GateId) -> bool {
        let still = view.facts.get(id.0).is_some_and(|f| f.moving.unwrap_or(0) == 0);
        still && view.gates.get(id.0).is_some_and(|g| g.in_flight.is_none())
    }

    fn quiet(&self, view: &View<'_>, seconds: f64) -> bool {
        self.memory.moved.is_none_or(|at| view.now.saturating_sub(at).as_secs_f64() >= seconds)
    }

    /// Limits of the river for one outlet.
    pub fn limits(&self, view: &View<'_>, id: GateId) -> ReleaseLimits {
        let control = &view.basin.control;
        let levels = self.levels(view.now);
        let others = |level: Stage| -> f64 {
            self.all()
                .filter(|other| *other != id)
                .filter_map(|other| Some(self.flow_of(view.basin, other, view.facts.get(other.0)?, level)))
                .sum()
        };
        // Interlocks compute with the bare equations of the gate, so the others are brought to its scale.
        let scale = self.memory.scale.unwrap_or(1.0);
        let scaled = |q: f64| Discharge::lossy(q / scale);
        let (lowest, highest) = self.ramp(control);
        ReleaseLimits {
            others: levels.map_or((Discharge::ZERO, Discharge::ZERO), |(low, high)| {
                (scaled(others(low)), scaled(others(high)))
            }),
            floor: scaled(view.floor),
            lowest: scaled(lowest),
            highest: scaled(highest),
            siren: scaled(control.siren_above.get()),
            known: levels.is_some() && (view.flow.is_some() || self.memory.scale.is_some()),
        }
    }

    /// Lowest and highest total the fall and rise limits permit now. Restoring a flow that stood within the
    /// rise window is no rise.
    fn ramp(&self, control: &ControlParameters) -> (f64, f64) {
        let minutes = |seconds: f64| self.memory.minutes.iter().rev().take(whole_minutes(seconds)).copied();
        let (up, down) = (control.ramp_up, control.ramp_down);
        let least = minutes(up.within_s).fold(f64::INFINITY, f64::min);
        let most = minutes(up.within_s).fold(f64::NEG_INFINITY, f64::max);
        let highest = if least.is_finite() && least < up.below.get() {
            (least + up.change.get()).max(most)
        } else {
            control.siren_above.get()
        };
        let high = minutes(down.within_s).fold(f64::NEG_INFINITY, f64::max);
        let lowest = if high.is_finite() && high < down.below.get() { high - down.change.get() } else { 0.0 };
        (lowest.max(0.0), highest)
    }

    /// Wishes of this tick for a release `target`; `cycle` is set on control cycles.
    pub fn wishes(&mut self, view: &View<'_>, target: f64, because: &[Because], cycle: bool) -> Vec<Wish> {
        let Some(level) = self.level(view.now) else { return Vec::new() };
        let mut wishes = Vec::new();
        // After a start the meter is watched for some minutes before anything is moved at leisure.
        let cycle = cycle && (self.memory.minutes.len() >= WATCH_MIN || view.flow.is_none());
        self.restore(view, target, level, &mut wishes);
        let giving_way = |since: Duration| view.now.saturating_sub(since).as_secs_f64() < GIVE_WAY_S;
        self.memory.giving_way = self.memory.giving_way.filter(|since| giving_way(*since));
        if self.memory.giving_way.is_some() {
            let settled = self.quiet(view, SETTLE_S) && self.all().all(|id| Self::settled(view, id));
            if wishes.is_empty() && cycle && settled {
                self.share(view, target, level, &mut wishes);
            }
        } else if wishes.is_empty() && cycle {
            self.trim(view, target, level, because, &mut wishes);
            if wishes.is_empty() && self.quiet(view, QUIET_S) {
                self.hand_back(view, target, level, &mut wishes);
            }
            if wishes.is_empty() && self.quiet(view, QUIET_S) {
                self.share(view, target, level, &mut wishes);
            }
        }
        if !wishes.is_empty() {
            self.memory.moved = Some(view.now);
        }
        wishes
    }

    /// How much more the outlets may be opened on the word of the meter while the equations promise `promised`, m³/s: to half
    /// as much again as is wanted, and to what holds the floor if they pass only half of it. A meter that shows less than
    /// this is as likely to lie as the valves, and would open them to the full onto whoever stands in the bed.
    fn believable(view: &View<'_>, target: f64, promised: f64) -> f64 {
        ((target * BELIEVED.1).max(view.setpoint / BELIEVED.0) - promised).max(0.0)
    }

    /// How much the outlets may be shut on the word of a meter that shows far more than the `promised` of the equations, m³/s:
    /// what these promise above the set point of the floor, and above two thirds of what is wanted.
    fn spare(view: &View<'_>, target: f64, promised: f64) -> f64 {
        (promised - view.setpoint.max(target / BELIEVED.1)).max(0.0)
    }

    fn flow_or_gone(&self, view: &View<'_>, id: GateId, level: Stage) -> f64 {
        view.facts.get(id.0).map_or(0.0, |facts| self.flow_of(view.basin, id, facts, level))
    }

    /// Flow a gate can pass after opening for `seconds` from where it stands.
    fn reach(&self, view: &View<'_>, id: GateId, level: Stage, seconds: f64) -> f64 {
        let (Some(gate), Some(facts)) = (view.basin.gates.get(id.0), view.facts.get(id.0)) else {
            return 0.0;
        };
        let now = facts.opening.map_or(0.0, Opening::fraction);
        self.flow_at(view.basin, id, Opening::clamped(now + seconds / gate.stroke_s), level)
    }

    fn flow_wish(
        &self,
        view: &View<'_>,
        id: GateId,
        flow: f64,
        level: Stage,
        purpose: Purpose,
        why: Because,
    ) -> Wish {
        let scale = self.memory.scale.unwrap_or(1.0);
        let wanted = Discharge::lossy(flow / scale);
        let opening =
            view.basin.gates.get(id.0).map_or(Opening::SHUT, |g| structure::opening_for(g, wanted, level));
        let actor = if purpose == Purpose::Protective { "failsafe" } else { "dispatch" };
        Wish {
            gate: id,
            action: Action::Goto(round_up(opening)),
            purpose,
            actor: actor.into(),
            because: vec![why],
        }
    }

    /// Measured release off its target: one movement of the trim gate.
    fn trim(&self, view: &View<'_>, target: f64, level: Stage, because: &[Because], wishes: &mut Vec<Wish>) {
        let control = &view.basin.control;
        let Some(flow) = self.own(view) else { return };
        if !self.quiet(view, SETTLE_S) || !self.all().all(|id| Self::settled(view, id)) {
            return;
        }
        let error = target - flow;
        // Half of the margin over the floor gone is no trifle, however small the error.
        let near_floor = error > 0.0 && flow < 0.5 * (view.floor + view.setpoint);
        let large = near_floor || error.abs() >= 2.0 * control.min_action.get();
        if error.abs() < control.dead_band.get() || (!large && !self.quiet(view, control.min_interval_s)) {
            return;
        }
        // What stands by was opened for what is now too much: it goes first, or the valve would shut for it and open again.
        let over = self.standby.iter().find(|id| {
            error < 0.0 && Self::obeys(view, **id) && self.flow_or_gone(view, **id, level) > AT_REST
        });
        let Some(id) = over.or(self.trim.first()) else { return };
        let now = self.flow_or_gone(view, *id, level);
        if error < 0.0 && now < control.min_action.get() {
            // Nothing left to shut here: the turbine carries too much, which its share puts right.
            return;
        }
        let why = because.first().cloned().unwrap_or(Because::Trim { error: Discharge::lossy(-error) });
        let promised = self.computed(view).unwrap_or(flow);
        let rise = if flow > BELIEVED.1 * promised {
            -Self::spare(view, target, promised).min(-error)
        } else {
            error.min(Self::believable(view, target, promised))
        };
        if rise == 0.0 {
            return;
        }
        if error > 0.0 && rise < control.dead_band.get().min(error) {
            return;
        }
        let mut wish = self.flow_wish(view, *id, (now + rise).max(0.0), level, Purpose::Discretionary, why);
        if Self::is_too_small(view, &wish) {
            return;
        }
        wish.because.extend(because.iter().skip(1).cloned());
        wish.because.push(Because::Trim { error: Discharge::lossy(-error) });
        wishes.push(wish);
    }

    /// Less than the gate's least step would only be refused, cycle by cycle, and nothing else would have its turn.
    fn is_too_small(view: &View<'_>, wish: &Wish) -> bool {
        let (Some(gate), Some(facts)) = (view.basin.gates.get(wish.gate.0), view.facts.get(wish.gate.0))
        else {
            return false;
        };
        let from = view.gates.get(wish.gate.0).and_then(|memory| memory.heading(facts));
        match (wish.action, from) {
            (Action::Goto(to), Some(from)) => (to.fraction() - from.fraction()).abs() < gate.min_step - 1e-9,
            (Action::Goto(_) | Action::Stop, _) => false,
        }
    }

    /// Once all is quiet, the stand-by goes back to rest and the trim gate takes over its flow.
    fn hand_back(&self, view: &View<'_>, target: f64, level: Stage, wishes: &mut Vec<Wish>) {
        let (Some(flow), Some(trim)) = (self.own(view), self.trim.first()) else { return };
        let Some(id) = self.standby.iter().find(|id| self.flow_or_gone(view, **id, level) > 0.02) else {
            return;
        };
        let carried = self.flow_or_gone(view, *id, level);
        let room =
            self.flow_at(view.basin, *trim, Opening::FULL, level) - self.flow_or_gone(view, *trim, level);
        if flow < target - view.basin.control.dead_band.get() || room < carried || !Self::obeys(view, *trim) {
            return;
        }
        let why = Because::Trim { error: Discharge::lossy(flow - target) };
        wishes.push(self.flow_wish(view, *id, 0.0, level, Purpose::Discretionary, why.clone()));
        let taken = self.flow_or_gone(view, *trim, level) + carried;
        wishes.push(self.flow_wish(view, *trim, taken, level, Purpose::Discretionary, why));
    }

    /// Leaves to the turbine what lies above the set point of the floor, so that a trip alone cannot breach it.
    fn share(&mut self, view: &View<'_>, target: f64, level: Stage, wishes: &mut Vec<Wish>) {
        let Some((id, gate)) = self.base.iter().find_map(|id| {
            let ready = view.facts.get(id.0).is_some_and(|f| f.trip != Some(true) && f.remote == Some(true));
            Some((*id, view.basin.gates.get(id.0)?)).filter(|_| ready)
        }) else {
            return;
        };
        let GateKind::Turbine { minimum, .. } = gate.kind else { return };
        let now = self.flow_or_gone(view, id, level);
        let rest: f64 =
            self.base.iter().filter(|other| **other != id).map(|o| self.flow_or_gone(view, *o, level)).sum();
        let most = self.flow_at(view.basin, id, gate.highest, level);
        // What the units leave to the valve keeps the set point when they trip, however long it takes to see it.
        let allowed = (target - view.setpoint - rest).min(most);
        let wanted = wanted_share(now, allowed, minimum.get());
        // It takes more load at leisure, and gives way as fast as the river may fall.
        let patience = if wanted > now { TAKE_S } else { QUIET_S };
        let since = self.memory.shared.map(|at| view.now.saturating_sub(at).as_secs_f64());
        if (wanted - now).abs() < AT_REST || since.is_some_and(|since| since < patience) {
            return;
        }
        // Falling by more than the fall limit at once would only be refused.
        let step = view.basin.control.ramp_down.change.get() * 0.9;
        let wanted = wanted.max(now - step);
        let why = Because::ShareTurbine { flow: Discharge::lossy(wanted) };
        // First the valve takes over what the turbine is to give up, then the turbine gives it up: in the other order the
        // floor would stand in the way, and rightly.
        let short = target - (self.own(view).unwrap_or(target) + wanted - now);
        if let Some(trim) = self.trim.first()
            && wanted < now
            && short > view.basin.control.dead_band.get()
        {
            if self.memory.giving_way.is_none() {
                let carries = self.flow_or_gone(view, *trim, level) + short;
                wishes.push(self.flow_wish(view, *trim, carries, level, Purpose::Discretionary, why));
                self.memory.giving_way = Some(view.now);
            }
            return;
        }
        wishes.push(self.flow_wish(view, id, wanted, level, Purpose::Discretionary, why));
        self.memory.giving_way = None;
        self.memory.shared = Some(view.now);
    }
}

/// What a unit that carries `now` is to carry when `allowed` is the most, m³/s: it gives way as soon as it carries more
/// than that, with room to spare for the next small fall of the release, and takes more only when it is worth its wear.
fn wanted_share(now: f64, allowed: f64, minimum: f64) -> f64 {
    let runs = now > 0.05;
    // Starting takes a little more than staying on.
    if allowed < if runs { minimum } else { minimum + SHARE_STEP } {
        return 0.0;
    }
    let easy = (allowed - SHARE_ROOM).max(minimum);
    if now > allowed || easy - now >= SHARE_STEP { easy } else { now }
}

/// The opening rounded up to a tenth of a per cent, the usual resolution of a valve's register.
fn round_up(opening: Opening) -> Opening {
    Opening::clamped((opening.fraction() * 1000.0 - 1e-6).ceil() / 1000.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a window of minutes, bounded by the memory"
)]
fn whole_minutes(seconds: f64) -> usize {
    (seconds / 60.0).ceil().clamp(1.0, 31.0) as usize
}
