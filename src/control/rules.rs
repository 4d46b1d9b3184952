//! Simple rules for the gates that do not hold a section: supply, wetlands, levels, weirs, seasons, calendar.
//!
//! Each looks at one gate and says what it would like; the interlocks decide.

use std::time::Duration;

use jiff::Timestamp;

use super::command::Action;
use super::gate::{GateFacts, GateMemory};
use super::interlock::{Purpose, Wish};
use super::reason::{Because, Limit};
use super::schedule::steps::Memory;
use super::schedule::{self, Running, Target};
use super::ticket::Tickets;
use super::{pond, structure};
use crate::basin::{
    Basin, Duty, Gate, GateId, GateKind, MeterId, Place, Priority, Reservoir, ReservoirId, ReservoirKind,
    Transfer,
};
use crate::config::Schedules;
use crate::units::{Discharge, Head, Opening, Stage};

/// Least time between two moves by a rule, s. Assumed: these follow demands that change by the day.
const INTERVAL_S: f64 = 1800.0;

/// Largest step of one move by a rule, fraction of the stroke. Assumed.
const STEP: f64 = 0.1;

/// Relative error of a metered flow that is left alone: the meters' own class, twice.
const FLOW_BAND: f64 = 0.05;

/// Share of a flow by which a pond that lends may fall short of what it owes, of its own water or of what comes: the dam
/// counts on it, and there is nothing to spare. Assumed.
const LENT_BAND: f64 = 0.01;

/// Time after which a move shows in what the level says of the last half hour, s.
const SETTLED_S: f64 = 2400.0;

/// Share of what formulas give a weir that it passes at least and at most, as far as one that comes to another result is followed:
/// a gauge that shows too much may not shut a sluice. Assumed.
const LESS: f64 = 0.75;

/// The same.
const MORE: f64 = 1.1;

/// Share of what is owed below which the sluices of a pond are opened before they have rested. Assumed; they were set by the
/// same formulas, so only units that stop or a level that falls bring it about.
const HOARDED: f64 = 0.8;

/// Rest of a sluice before that, s. Assumed; some minutes for its stroke and the level beside it.
const HOARDED_S: f64 = 300.0;

/// Band around a kept level, m (plan notes for the landscape weirs: ± 0.1).
const LEVEL_BAND_M: f64 = 0.1;

/// Depth below a level over which a pond stops giving more than its minimum release, m. Assumed.
const STOCK_M: f64 = 0.2;

/// Depth under its normal level within which a pond fills less and less, m: with an edge there its sluice would follow every
/// ripple, half open and half shut in turn. Assumed.
const FULL_M: f64 = 0.05;

/// Height over the level of its cut from which a use gets all it asks for, m: over this it is cut in steps, so that the
/// centimetre of a level meter does not switch a city's water. Assumed.
const CUT_OVER_M: f64 = 0.1;

/// What rules may look at.
pub struct Scene<'a> {
    /// The basin.
    pub basin: &'a Basin,
    /// The calendar.
    pub schedules: &'a Schedules,
    /// How its entries have begun.
    pub calendar: &'a Memory,
    /// Usable value of a meter.
    pub meter: &'a dyn Fn(MeterId) -> Option<f64>,
    /// What must pass a pond for the sections further down.
    pub owed: &'a dyn Fn(ReservoirId) -> Option<Owing>,
    /// Facts of all gates.
    pub facts: &'a [GateFacts],
    /// Memories of all gates.
    pub gates: &'a [GateMemory],
    /// Service time.
    pub now: Duration,
    /// Civil time.
    pub utc: Timestamp,
    /// Flood season today.
    pub flood_season: bool,
    /// Gates that are free of their season for some time.
    pub tickets: &'a Tickets,
}

/// Wishes of the rules for all gates.
pub fn wishes(scene: &Scene<'_>) -> Vec<Wish> {
    (0..scene.basin.gates.len()).filter_map(|at| wish(scene, GateId(at))).collect()
}

fn wish(scene: &Scene<'_>, id: GateId) -> Option<Wish> {
    let gate = scene.basin.gates.get(id.0).filter(|g| g.is_dispatched())?;
    let (to, because) = match asked(scene, id) {
        Some((running, Asked::Go { to, why, .. })) => {
            (to, std::iter::once(running.entry.because()).chain(why).collect())
        }
        Some((_, Asked::There | Asked::Rest | Asked::Blind(_))) => return None,
        None => {
            let (to, because) = ruled(scene, id, gate)?;
            (to, vec![because])
        }
    };
    Some(Wish {
        gate: id,
        action: Action::Goto(to),
        purpose: Purpose::Discretionary,
        actor: "dispatch".into(),
        because,
    })
}

/// What its own rule says of a gate.
fn ruled(scene: &Scene<'_>, id: GateId, gate: &Gate) -> Option<(Opening, Because)> {
    let now = scene.facts.get(id.0)?.opening?;
    if gate.lock.is_some() || gate.duty == Duty::SeasonLock {
        let is_free = scene.flood_season || scene.tickets.frees(id);
        return (!is_free && now > Opening::SHUT).then_some((Opening::SHUT, Because::SeasonLock));
    }
    let rested_s = since_move(scene, scene.gates.get(id.0)?);
    if gate.duty != Duty::PassOn && rested_s < INTERVAL_S {
        return None;
    }
    match gate.duty {
        Duty::Supply => supply(scene, gate, now),
        Duty::WetlandInlet => wetland(scene, id, gate, now),
        Duty::Level => level(scene, gate, now),
        Duty::PassOn => pass_on(scene, id, gate, (now, rested_s)),
        Duty::Trim | Duty::Standby | Duty::Base | Duty::Flood | Duty::Emergency | Duty::SeasonLock => None,
    }
}

/// What the calendar asks of a gate now.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// To go somewhere.
    Go {
        /// Where.
        to: Opening,
        /// Why just there, beside the entry.
        why: Option<Because>,
        /// What made it less than the entry says, or more.
        cut: Option<Limit>,
    },
    /// It stands where it should.
    There,
    /// It waits until its last movement shows.
    Rest,
    /// Nobody can tell.
    Blind(Limit),
}

/// The entry that counts for a gate, and what it asks; `None` when none does.
pub fn asked<'a>(scene: &Scene<'a>, id: GateId) -> Option<(Running<'a>, Asked)> {
    let entries = &scene.schedules.entries;
    if entries.is_empty() {
        return None;
    }
    let gate = scene.basin.gates.get(id.0).filter(|gate| gate.is_dispatched())?;
    let left_out = |running: &Running<'a>| scene.calendar.leaves_out(running);
    let running = schedule::of_gate(entries, scene.basin, id, scene.utc, left_out)?;
    Some((running, ask(scene, id, gate, &running)))
}

fn ask(scene: &Scene<'_>, id: GateId, gate: &Gate, running: &Running<'_>) -> Asked {
    let facts = scene.facts.get(id.0);
    let Some((now, moving)) = facts.and_then(|facts| Some((facts.opening?, facts.moving.unwrap_or(0) != 0)))
    else {
        return Asked::Blind(Limit::PositionUnknown);
    };
    let to = |to: Opening| {
        let off = (to.fraction() - now.fraction()).abs();
        if !moving && off < gate.tolerance.min(gate.min_step) {
            Asked::There
        } else {
            Asked::Go { to, why: None, cut: None }
        }
    };
    let rests = rests(scene, id, running);
    let asked = match &running.entry.target {
        Target::Opening { opening, .. } => to(*opening),
        Target::Shut { .. } => to(Opening::SHUT),
        Target::Stay { .. } | Target::Floor { .. } => Asked::There,
        Target::Flow { flow, .. } => {
            let Some(meter) = gate.flow_meter else { return Asked::Blind(Limit::NotDriven) };
            let Some(measured) = (scene.meter)(meter) else {
                return Asked::Blind(Limit::InputLost { meter });
            };
            match towards(now, measured, flow.get()) {
                None => Asked::There,
                Some(_) if rests => Asked::Rest,
                Some(to) => Asked::Go { to, why: Some(Because::Demand { flow: *flow }), cut: None },
            }
        }
        Target::Level { level, .. } => {
            let Some((at, meter)) = above(scene, gate) else { return Asked::Blind(Limit::NotDriven) };
            let Some(at) = at else { return Asked::Blind(Limit::InputLost { meter }) };
            match keep(now, at, level.get()) {
                None => Asked::There,
                Some(_) if rests => Asked::Rest,
                Some((to, why)) => Asked::Go { to, why: Some(why), cut: None },
            }
        }
    };
    spared(scene, id, gate, now, asked)
}

/// Whether a gate has moved since the entry began, and too lately to move again by a rule.
fn rests(scene: &Scene<'_>, id: GateId, running: &Running<'_>) -> bool {
    let Some((at, _)) = scene.gates.get(id.0).and_then(|gate| gate.last_move) else { return false };
    let since = scene.now.saturating_sub(at).as_secs_f64();
    since < INTERVAL_S && since <= scene.utc.duration_since(running.span.from).as_secs_f64()
}

/// The level above a gate, where it is measured, and its meter; `None` without one.
fn above(scene: &Scene<'_>, gate: &Gate) -> Option<(Option<f64>, MeterId)> {
    let Place::Reservoir(ReservoirId(at)) = gate.from else { return None };
    let meter = scene.basin.reservoirs.get(at)?.level_meter?;
    Some(((scene.meter)(meter), meter))
}

/// A weir's sluice never passes less than what lets its minimum release pass, whatever the calendar says.
fn spared(scene: &Scene<'_>, id: GateId, gate: &Gate, now: Opening, asked: Asked) -> Asked {
    let Place::Reservoir(body) = gate.from else { return asked };
    let station = scene.basin.stations.iter().find(|station| station.pond == Some(body));
    let Some(station) = station.filter(|_| gate.duty == Duty::PassOn) else { return asked };
    let Some((level, meter)) = above(scene, gate) else { return asked };
    let Some(level) = level.and_then(Stage::new) else { return Asked::Blind(Limit::InputLost { meter }) };
    let fixed = scene.basin.fixed_openings.iter().filter(|fixed| fixed.from == body);
    let fixed: Discharge = fixed.map(|fixed| structure::fixed_flow(fixed, level)).sum();
    let gates = scene.basin.gates.iter().zip(scene.facts).enumerate();
    let others =
        gates.filter(|(at, (other, _))| *at != id.0 && other.from == gate.from && other.duty == Duty::PassOn);
    let passes = |facts: &GateFacts| facts.opening.unwrap_or(Opening::SHUT);
    let others: Discharge =
        others.map(|(_, (other, facts))| structure::flow(other, passes(facts), level)).sum();
    let owed = station.min_release;
    let missing = (owed - fixed - others).max(Discharge::ZERO);
    let least = structure::opening_for(gate, missing, level).min(gate.highest);
    let cut = Some(Limit::MinRelease { owed });
    match asked {
        Asked::Go { to, why, .. } if to < least => Asked::Go { to: least, why, cut },
        Asked::There if now.fraction() < least.fraction() - gate.min_step => {
            Asked::Go { to: least, why: Some(Because::PassOn { owed }), cut }
        }
        asked @ (Asked::Go { .. } | Asked::There | Asked::Rest | Asked::Blind(_)) => asked,
    }
}

/// A step from `now` towards passing `wanted` when `measured` passes; `None` when it is near enough.
fn towards(now: Opening, measured: f64, wanted: f64) -> Option<Opening> {
    if (measured - wanted).abs() <= (FLOW_BAND * wanted).max(0.005) {
        return None;
    }
    let ideal = if measured > 0.005 && now > Opening::SHUT {
        now.fraction() * wanted / measured
    } else {
        now.fraction() + STEP
    };
    Some(Opening::clamped(ideal.clamp(now.fraction() - STEP, now.fraction() + STEP)))
}

/// A canal head passes what its users take this month, and from a reservoir that runs low what their rank still gets.
fn supply(scene: &Scene<'_>, gate: &Gate, now: Opening) -> Option<(Opening, Because)> {
    let measured = (scene.meter)(gate.flow_meter?)?;
    let wanted = drawn(scene, gate, &|_| 1.0);
    (wanted > 0.0).then_some(())?;
    let low = match gate.from {
        Place::Reservoir(ReservoirId(at)) => scene.basin.reservoirs.get(at),
        Place::Node(_) | Place::Along { .. } | Place::Wetland(_) | Place::Outside => None,
    };
    // Nobody knows how low a reservoir without a level stands: the gate stays where it is.
    let low = low.filter(|body| body.dead_level.is_some() || !body.cuts.is_empty());
    let low = match low {
        Some(body) => Some((body, Stage::new((scene.meter)(body.level_meter?)?)?)),
        None => None,
    };
    let left = |rank: Priority| {
        let cut = low.and_then(|(body, level)| Some(level - body.cut_below(rank)?));
        cut.map_or(1.0, |over| (over.get() / CUT_OVER_M).clamp(0.0, 1.0))
    };
    let given = drawn(scene, gate, &left);
    let [flow, asked] = [given, wanted].map(Discharge::lossy);
    let because = match low {
        Some((_, level)) if given < wanted => Because::Cut { level_m: level.get(), asked, flow },
        Some(_) | None => Because::Demand { flow },
    };
    if given <= 0.0 {
        return (now > Opening::SHUT).then_some((Opening::SHUT, because));
    }
    Some((towards(now, measured, given)?, because))
}

/// What is drawn below a canal head this month when each rank of users gets the part `left` of it, m³/s.
fn drawn(scene: &Scene<'_>, gate: &Gate, left: &dyn Fn(Priority) -> f64) -> f64 {
    let Ok(month) = usize::try_from(scene.basin.date_at(scene.utc).month() - 1) else { return 0.0 };
    let from_here = |place: Place| place == gate.to;
    let intakes = scene.basin.intakes.iter().filter(|i| from_here(i.from) && !i.by_turns);
    let intakes: f64 = intakes.filter_map(|i| Some(i.monthly_use.get(month)?.get() * left(i.priority))).sum();
    let transfers = scene.basin.transfers.iter().filter(|t| from_here(Place::Node(t.head)));
    let carried = |t: &Transfer| {
        let shares: f64 = t.shares.iter().map(|s| s.rate.get() * left(s.priority)).sum();
        shares.min(t.capacity.get())
    };
    intakes + transfers.map(carried).sum::<f64>()
}

/// A wetland gets its design demand below its upper level, its survival demand above.
fn wetland(scene: &Scene<'_>, id: GateId, gate: &Gate, now: Opening) -> Option<(Opening, Because)> {
    let wetland = scene.basin.wetlands.iter().find(|w| w.inlet == Some(id) || w.more_inlets.contains(&id))?;
    let inlets = 1 + wetland.more_inlets.len();
    let level = wetland.level_meter.and_then(|m| (scene.meter)(m));
    let [_, _, highest] = wetland.level_band;
    let full = level.is_some_and(|level| level > highest.get());
    let wanted = if full { wetland.survival } else { wetland.design };
    let share = wanted.get() / f64::from(u32::try_from(inlets).unwrap_or(1));
    let measured = gate.flow_meter.and_then(|m| (scene.meter)(m)).or_else(|| {
        Some((scene.meter)(wetland.flow_meter?)? / f64::from(u32::try_from(inlets).unwrap_or(1)))
    })?;
    Some((towards(now, measured, share)?, Because::Demand { flow: wanted }))
}

/// A flap keeps the level of its pond: it opens when the water stands high.
fn level(scene: &Scene<'_>, gate: &Gate, now: Opening) -> Option<(Opening, Because)> {
    let Place::Reservoir(ReservoirId(at)) = gate.from else { return None };
    let pond = scene.basin.reservoirs.get(at)?;
    let target = pond.normal_level?.get();
    keep(now, (scene.meter)(pond.level_meter?)?, target)
}

/// A step that brings the water above a gate from `level` towards `target`, m; `None` when it is near enough.
fn keep(now: Opening, level: f64, target: f64) -> Option<(Opening, Because)> {
    let off = level - target;
    (off.abs() > LEVEL_BAND_M).then_some(())?;
    let step = (0.25 * off).clamp(-0.5 * STEP, 0.5 * STEP);
    let why = Because::KeepLevel { level_m: level, target_m: target };
    Some((Opening::clamped(now.fraction() + step), why))
}

/// A weir's sluice passes on what is owed below it, and shuts again when the rest does it alone.
///
/// The minimum release is owed at the toe of the weir, whatever the turbines pass. What a section further down needs
/// may pass by the turbines too; when they stop, the pond would fill at its cost. A pond that lends gives of its own water
/// what the section would miss, and fills again from what it does not need.
fn pass_on(
    scene: &Scene<'_>,
    id: GateId,
    gate: &Gate,
    (now, rested_s): (Opening, f64),
) -> Option<(Opening, Because)> {
    let Place::Reservoir(body) = gate.from else { return None };
    let pond = scene.basin.reservoirs.get(body.0).filter(|r| r.kind == ReservoirKind::Pond)?;
    let level = Stage::new((scene.meter)(pond.level_meter?)?)?;
    let station = scene.basin.stations.iter().find(|s| s.pond == Some(body))?;
    let owing = (scene.owed)(body).unwrap_or_default();
    let lends = pond.lends_above.is_some();
    let far = owing.wanted(pond, level);
    let lent = (far - owing.comes).max(0.0);
    let passing = |is: &dyn Fn(&Gate) -> bool, level: Stage| -> f64 {
        let gates = scene.basin.gates.iter().zip(scene.facts).filter(|(g, _)| g.from == gate.from && is(g));
        gates.map(|(g, f)| structure::flow(g, f.opening.unwrap_or(Opening::SHUT), level).get()).sum()
    };
    let weir = |level: Stage| {
        let fixed = scene.basin.fixed_openings.iter().filter(|f| f.from == body);
        let fixed: f64 = fixed.map(|f| structure::fixed_flow(f, level).get()).sum();
        fixed + passing(&|g| g.duty == Duty::PassOn, level)
    };
    let turbines = passing(&|g| matches!(g.kind, GateKind::Turbine { .. }), level);
    let by_formula = weir(level);
    // What is known of the water tells more than the formulas, once the last move shows in it.
    let last_move =
        |(g, memory): (&Gate, &GateMemory)| (g.from == gate.from).then(|| since_move(scene, memory));
    let since = scene.basin.gates.iter().zip(scene.gates).filter_map(last_move).fold(f64::INFINITY, f64::min);
    let is_known = lends && turbines <= 0.0 && since >= SETTLED_S;
    let known = owing.gives.filter(|_| is_known).map_or(by_formula, |gives| owing.comes + gives);
    let off = known.clamp(LESS * by_formula, MORE * by_formula) - by_formula;
    // While it lends the water sinks, and less passes over the crest: what counts is the middle of the time to the next move.
    let level = level + Head::lossy(-0.5 * lent * INTERVAL_S / pond.area_at(level));
    let passes = weir(level) + off;
    let own = structure::flow(gate, now, level).get();
    let least = station.min_release.get();
    let owed = least.max(far - turbines);
    // Units that stop let the pond fill at once; their sluice does not wait until it has rested.
    let hoards = turbines <= 0.0 && passes < HOARDED * owed;
    if rested_s < if hoards { HOARDED_S } else { INTERVAL_S } {
        return None;
    }
    // Running turbines want the water the sluice still gives; without them a sluice that is shut too early is opened again.
    // A pond that lends has its sluice open mostly, and a wave that is over leaves less than is owed behind it.
    let slack = if turbines > 0.0 {
        1.0
    } else if lends {
        2.0
    } else {
        1.2
    };
    let first =
        scene.basin.gates.iter().position(|g| g.from == gate.from && g.duty == Duty::PassOn) == Some(id.0);
    let missed = if lends { LENT_BAND * owed } else { FLOW_BAND * owed };
    let step = own / now.fraction().max(gate.min_step) * gate.min_step.max(gate.tolerance);
    let fills = lends && pond.normal_level.is_some_and(|normal| level < normal);
    // Half a step more than is owed by a pond that lends: where its gate stops is not known better.
    let spare = if lends { 0.5 * step } else { 0.0 };
    let wanted = if passes < owed - missed && first {
        own + owed + spare - passes
    } else if own > 0.0 && passes - own > slack * owed {
        0.0
    } else if own > 0.0 && fills && passes.min(passes - off) > owed + 1.5 * step {
        (own + owed + spare - passes).max(0.0)
    } else {
        return None;
    };
    let to = structure::opening_for(gate, Discharge::lossy(wanted), level);
    let owed = Discharge::lossy(owed);
    let because = if lent > 0.0 {
        Because::Lend { owed, comes: Discharge::lossy(owing.comes) }
    } else {
        Because::PassOn { owed }
    };
    Some((to, because))
}

/// Seconds since a gate was last moved by the service.
fn since_move(scene: &Scene<'_>, memory: &GateMemory) -> f64 {
    memory.last_move.map_or(f64::INFINITY, |(at, _)| scene.now.saturating_sub(at).as_secs_f64())
}

/// What a pond owes the sections below it, m³/s.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Owing {
    /// What it passes on, at most what comes.
    pub passed: f64,
    /// What they need as expected, whether it comes or not.
    pub lent: f64,
    /// What comes to it.
    pub comes: f64,
    /// What it gave of its own water in the last half hour, by its level; negative: kept back.
    pub gives: Option<f64>,
}

impl Owing {
    /// What should leave the pond with the water at `level`.
    fn wanted(self, pond: &Reservoir, level: Stage) -> f64 {
        let Some(least) = pond.lends_above else {
            return self.passed * pond.normal_level.map_or(0.0, |normal| stock(level - normal));
        };
        // Below where it lends it passes on what comes as long as there is some water left.
        let empty = least + Head::lossy(-STOCK_M);
        if self.lent > self.comes {
            self.comes * stock(level - empty) + pond::lends(pond, level) * (self.lent - self.comes)
        } else {
            // It fills from what is not needed, the less the fuller it is.
            let full = pond
                .normal_level
                .map_or(0.0, |normal| ((level - normal).get() / FULL_M + 1.0).clamp(0.0, 1.0));
            let fills = self.lent * stock(level - empty);
            fills + full * (self.passed - fills)
        }
    }
}

/// Share of what is owed far below that a pond gives, by its height over the level below which it gives less: a sluice passes
/// on what comes, it does not empty the pond.
fn stock(over: Head) -> f64 {
    ((over.get() + STOCK_M) / STOCK_M).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing;

    #[test]
    fn a_pond_that_is_nearly_full_fills_less_and_less() {
        let gate = testing::gate(GateKind::Plane { width_m: 1.0, height_m: 1.0 }, 0.0);
        let basin = testing::basin(gate);
        let level = Stage::lossy;
        let (normal_level, lends_above) = (Some(level(10.0)), Some(level(9.0)));
        let pond = Reservoir { normal_level, lends_above, ..basin.reservoirs[0].clone() };
        // 2.2 come, 1.8 are needed, 2.1 by a cautious view: from 5 cm below the normal level on it gives up more of the 0.4.
        let owing = Owing { passed: 2.1, lent: 1.8, comes: 2.2, gives: None };
        for (at, wanted) in [(9.5, 1.8), (9.95, 1.8), (9.975, 1.95), (10.0, 2.1), (10.3, 2.1)] {
            let found = owing.wanted(&pond, level(at));
            assert!((found - wanted).abs() < 1e-9, "{at}: {found}");
        }
    }
}
