//! A small power station with little below its weir: whether it holds water back.

use super::gate::GateFacts;
use super::structure;
use crate::basin::{Basin, FixedShape, MeterId, PowerStation};
use crate::units::{Discharge, Opening, Stage};

/// Share of what its free pipes pass by the formula that a clean pipe passes at least. Assumed: ratings of small pipes
/// and their meters differ by up to a third.
const CLEAN: f64 = 0.7;

/// Whether a station that leaves `flow` below its weir passes on all that comes (来多少泄多少): its units stand, the pond is
/// below its crest, and its free pipes give what they give at that level. What cannot be known counts as no.
pub fn passes_what_comes(
    basin: &Basin,
    facts: &[GateFacts],
    meter: impl Fn(MeterId) -> Option<f64>,
    station: &PowerStation,
    flow: Discharge,
) -> bool {
    let stands = |unit: &crate::basin::GateId| {
        let tolerance = basin.gates.get(unit.0).map_or(0.0, |gate| gate.tolerance);
        facts.get(unit.0).and_then(|f| f.opening).is_some_and(|o| o <= Opening::clamped(tolerance))
    };
    let Some(pond) = station.pond else { return false };
    let level = basin.reservoirs.get(pond.0).and_then(|body| body.level_meter);
    let Some(level) = level.and_then(meter).and_then(Stage::new) else { return false };
    let free = || basin.fixed_openings.iter().filter(|fixed| fixed.from == pond);
    let crest = free().filter(|fixed| matches!(fixed.shape, FixedShape::Crest { .. }));
    let Some(crest) = crest.map(|fixed| fixed.sill).reduce(|a, b| if a < b { a } else { b }) else {
        return false;
    };
    let pipes: f64 = free().map(|fixed| structure::fixed_flow(fixed, level).get()).sum();
    station.units.iter().all(stands) && level < crest && flow.get() >= CLEAN * pipes
}
