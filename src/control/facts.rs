//! Facts about gates from this tick's readings.

use super::gate::{GateFacts, GateMemory};
use super::quality::{Quality, Reading, Reason};
use crate::basin::{Basin, Gate};
use crate::points::{Field, GatePoints, PointId};

/// Fills `facts` (by gate) from `readings` (by point).
pub(super) fn gather(basin: &Basin, field: &Field, readings: &[Reading], facts: &mut Vec<GateFacts>) {
    facts.clear();
    let points = field.wiring.gates.iter().copied().chain(std::iter::repeat(GatePoints::default()));
    facts.extend(basin.gates.iter().zip(points).map(|(gate, points)| of_gate(gate, points, readings)));
}

/// Takes positions out of use that stand still while the motor runs, in `readings` and in `facts`.
pub(super) fn doubt(
    basin: &Basin,
    field: &Field,
    gates: &mut [GateMemory],
    readings: &mut [Reading],
    facts: &mut [GateFacts],
) {
    for (((gate, points), memory), facts) in basin.gates.iter().zip(&field.wiring.gates).zip(gates).zip(facts)
    {
        let Some(id) = points.position else { continue };
        let step = field.points.get(id.0).filter(|point| point.data_type.is_whole());
        let step = step.map_or(0.0, |point| (point.scale / gate.stroke.length()).abs());
        if !memory.doubts(gate, facts, step) {
            continue;
        }
        if let Some(reading) = readings.get_mut(id.0).filter(|reading| reading.usable().is_some()) {
            (reading.quality, reading.reason) = (Quality::Suspect, Some(Reason::Frozen));
            (facts.position, facts.opening) = (*reading, None);
        }
    }
}

fn of_gate(gate: &Gate, points: GatePoints, readings: &[Reading]) -> GateFacts {
    let reading = |point: Option<PointId>| point.and_then(|p| readings.get(p.0)).copied();
    let position = reading(points.position).unwrap_or(Reading::NEVER);
    let target = reading(points.target).and_then(|r| Some((gate.stroke.opening(r.usable()?), r.taken_at?)));
    let flag = |point: Option<PointId>| reading(point).and_then(|r| r.usable()).map(|v| v >= 0.5);
    // A switch the site does not have cannot be on; one it has but nobody can read is unknown.
    let optional = |point: Option<PointId>| if point.is_some() { flag(point) } else { Some(false) };
    let moving = match (points.moving_open, points.moving_shut) {
        (None, None) => None,
        (open, shut) => match (optional(open), optional(shut)) {
            (Some(true), _) => Some(1),
            (_, Some(true)) => Some(-1),
            (Some(false), Some(false)) => Some(0),
            (None, _) | (_, None) => None,
        },
    };
    GateFacts {
        opening: position.usable().map(|p| gate.stroke.opening(p)),
        position,
        target,
        remote: flag(points.remote),
        estop: optional(points.estop),
        fault: optional(points.fault),
        trip: optional(points.trip),
        moving,
    }
}
