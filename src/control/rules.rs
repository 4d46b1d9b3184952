//! Simple rules for the gates that do not hold a section: supply, wetlands, levels, weirs, seasons, calendar.
//!
//! Each looks at one gate and says what it would like; the interlocks decide.

use std::time::Duration;

use jiff::Timestamp;

use super::command::Action;
use super::gate::{GateFacts, GateMemory};
use super::interlock::{Purpose, Wish};
use super::reason::Because;
use super::structure;
use crate::basin::{
    Basin, Duty, Gate, GateId, GateKind, MeterId, Place, Priority, ReservoirId, ReservoirKind, Transfer,
};
use crate::config::Schedules;
use crate::units::{Discharge, Head, Opening, Stage};

/// Least time between two moves by a rule, s. Assumed: these follow demands that change by the day.
const INTERVAL_S: f64 = 1800.0;

/// Largest step of one move by a rule, fraction of the stroke. Assumed.
const STEP: f64 = 0.1;

/// Relative error of a metered flow that is left alone: the meters' own class, twice.
const FLOW_BAND: f64 = 0.05;

/// Band around a kept level, m (plan notes for the landscape weirs: ± 0.1).
const LEVEL_BAND_M: f64 = 0.1;

/// Depth below its normal level over which a pond stops giving more than its minimum release, m. Assumed.
const STOCK_M: f64 = 0.2;

/// Height over the level of its cut from which a use gets all it asks for, m: over this it is cut in steps, so that the
/// centimetre of a level meter does not switch a city's water. Assumed.
const CUT_OVER_M: f64 = 0.1;

/// What rules may look at.
pub struct Scene<'a> {
    /// The basin.
    pub basin: &'a Basin,
    /// The calendar.
    pub schedules: &'a Schedules,
    /// Usable value of a meter.
    pub meter: &'a dyn Fn(MeterId) -> Option<f64>,
    /// What must pass a pond for the sections further down, as far as water comes for it, m³/s.
    pub owed: &'a dyn Fn(ReservoirId) -> Option<f64>,
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
}

/// Wishes of the rules for all gates.
pub fn wishes(scene: &Scene<'_>) -> Vec<Wish> {
    (0..scene.basin.gates.len()).filter_map(|at| wish(scene, GateId(at))).collect()
}

fn wish(scene: &Scene<'_>, id: GateId) -> Option<Wish> {
    let gate = scene.basin.gates.get(id.0).filter(|g| g.is_dispatched())?;
    let facts = scene.facts.get(id.0)?;
    let now = facts.opening?;
    let rested = scene
        .gates
        .get(id.0)?
        .last_move
        .is_none_or(|(at, _)| scene.now.saturating_sub(at).as_secs_f64() >= INTERVAL_S);
    let (to, because) = if let Some(entry) = scheduled(scene, id) {
        entry
    } else if gate.lock.is_some() || gate.duty == Duty::SeasonLock {
        (!scene.flood_season && now > Opening::SHUT).then_some((Opening::SHUT, Because::SeasonLock))?
    } else if !rested {
        return None;
    } else {
        match gate.duty {
            Duty::Supply => supply(scene, gate, now)?,
            Duty::WetlandInlet => wetland(scene, id, gate, now)?,
            Duty::Level => level(scene, gate, now)?,
            Duty::PassOn => pass_on(scene, id, gate, now)?,
            Duty::Trim | Duty::Standby | Duty::Base | Duty::Flood | Duty::Emergency | Duty::SeasonLock => {
                return None;
            }
        }
    };
    Some(Wish {
        gate: id,
        action: Action::Goto(to),
        purpose: Purpose::Discretionary,
        actor: "dispatch".into(),
        because: vec![because],
    })
}

fn scheduled(scene: &Scene<'_>, id: GateId) -> Option<(Opening, Because)> {
    let entry =
        scene.schedules.gates.iter().find(|e| e.gate == id && e.from <= scene.utc && scene.utc < e.to)?;
    Some((entry.opening, Because::Schedule { entry: entry.id.clone() }))
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
    let level = (scene.meter)(pond.level_meter?)?;
    let off = level - target;
    (off.abs() > LEVEL_BAND_M).then_some(())?;
    let step = (0.25 * off).clamp(-0.5 * STEP, 0.5 * STEP);
    let why = Because::KeepLevel { level_m: level, target_m: target };
    Some((Opening::clamped(now.fraction() + step), why))
}

/// A weir's sluice passes on what is owed below it, and shuts again when the rest does it alone.
///
/// The minimum release is owed at the toe of the weir, whatever the turbines pass. What a section further down needs
/// may pass by the turbines too; when they stop, the pond would fill at its cost.
fn pass_on(scene: &Scene<'_>, id: GateId, gate: &Gate, now: Opening) -> Option<(Opening, Because)> {
    let Place::Reservoir(body) = gate.from else { return None };
    let pond = scene.basin.reservoirs.get(body.0).filter(|r| r.kind == ReservoirKind::Pond)?;
    let level = Stage::new((scene.meter)(pond.level_meter?)?)?;
    let station = scene.basin.stations.iter().find(|s| s.pond == Some(body))?;
    let fixed: f64 = scene
        .basin
        .fixed_openings
        .iter()
        .filter(|f| f.from == body)
        .map(|f| structure::fixed_flow(f, level).get())
        .sum();
    let passing = |is: &dyn Fn(&Gate) -> bool| -> f64 {
        let gates = scene.basin.gates.iter().zip(scene.facts).filter(|(g, _)| g.from == gate.from && is(g));
        gates.map(|(g, f)| structure::flow(g, f.opening.unwrap_or(Opening::SHUT), level).get()).sum()
    };
    let sluices = passing(&|g| g.duty == Duty::PassOn);
    let turbines = passing(&|g| matches!(g.kind, GateKind::Turbine { .. }));
    let own = structure::flow(gate, now, level).get();
    let least = station.min_release.get();
    let stock = pond.normal_level.map_or(0.0, |normal| stock(level - normal));
    let far = (scene.owed)(body).unwrap_or(0.0) * stock - turbines;
    let owed = least.max(far);
    // Running turbines want the water the sluice still gives; without them a sluice that is shut too early is opened again.
    let slack = if turbines > 0.0 { 1.0 } else { 1.2 };
    let first =
        scene.basin.gates.iter().position(|g| g.from == gate.from && g.duty == Duty::PassOn) == Some(id.0);
    let wanted = if fixed + sluices < 0.95 * owed && first {
        own + owed - fixed - sluices
    } else if own > 0.0 && fixed + sluices - own > slack * owed {
        0.0
    } else {
        return None;
    };
    let to = structure::opening_for(gate, Discharge::lossy(wanted), level);
    Some((to, Because::PassOn { owed: Discharge::lossy(owed) }))
}

/// Share of what is owed far below that a pond gives, by its height over its normal level: a sluice passes on what
/// comes, it does not empty the pond.
fn stock(over: Head) -> f64 {
    ((over.get() + STOCK_M) / STOCK_M).clamp(0.0, 1.0)
}
