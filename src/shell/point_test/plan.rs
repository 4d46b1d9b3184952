//! What is to be moved how far, and what forbids it.

use super::super::journal::Names;
use super::super::log_text::Bound;
use super::hand::Hand;
use super::record::{self, MoveVerdict};
use crate::basin::{Gate, GateId, GateKind, OnLinkLoss, StrokeUnit};
use crate::config::Config;
use crate::control::quality::Quality;
use crate::control::reason::Limit;
use crate::control::status::GateStatus;
use crate::units::Opening;

/// Largest step by itself, share of the stroke, and of a leaf whose height is known, m. The smaller one is taken.
const STEP: f64 = 0.02;
const STEP_M: f64 = 0.02;
/// A step is at least so many arrival tolerances: a smaller one is where it should be before it has moved.
const TOLERANCES: f64 = 2.0;
/// A gate before it is moved.
#[derive(Clone, Copy)]
pub(super) struct Prospect<'p> {
    pub(super) config: &'p Config,
    pub(super) hand: &'p Hand<'p>,
}

impl Prospect<'_> {
    /// Where it stands and where it is to go, or why it is not moved.
    pub(super) fn plan(
        &self,
        id: GateId,
        gate: &Gate,
        step: Option<f64>,
    ) -> Result<(Opening, Opening), (MoveVerdict, String)> {
        if let Some(why) = self.hindrance(id) {
            return Err((MoveVerdict::Refused, why));
        }
        let status = self.hand.status(id);
        let known = status.as_ref().and_then(|status| status.opening);
        let (Some(status), Some(stands)) = (status, known) else {
            return Err((MoveVerdict::Refused, "position unknown".into()));
        };
        let least = TOLERANCES * gate.tolerance;
        let wanted = step.unwrap_or_else(|| small_step(gate));
        let (low, high) = status.permitted;
        let room = high.fraction() - stands.fraction();
        let not_tested = |why: String| Err((MoveVerdict::NotTested, why));
        if stands < low {
            return not_tested(format!(
                "stands below what is permitted now{}",
                self.limit(status.permitted_by.0)
            ));
        }
        if room < least - 1e-9 {
            let (room, least) = (room.max(0.0) * 100.0, least * 100.0);
            let why = self.limit(status.permitted_by.1);
            return not_tested(format!(
                "only {room:.1} % above it are permitted{why}; less than {least:.1} % cannot be told from its tolerance"
            ));
        }
        Ok((stands, Opening::clamped(stands.fraction() + wanted.max(least).min(room))))
    }

    fn limit(&self, limit: Option<Limit>) -> String {
        let names = Names::of(&self.config.basin);
        limit.map_or(String::new(), |limit| format!(" ({})", Bound(&names.resolve(&limit))))
    }

    /// What keeps the gate from being moved now: what the interlocks refuse, a position that is not fresh, a movement.
    pub(super) fn hindrance(&self, id: GateId) -> Option<String> {
        let Some(status) = self.hand.status(id) else { return Some("no such gate".into()) };
        let GateStatus { blocked_by, position, moving, .. } = status;
        let names = Names::of(&self.config.basin);
        let mut why: Vec<String> =
            blocked_by.iter().map(|limit| Bound(&names.resolve(limit)).to_string()).collect();
        if why.is_empty() && !matches!(position.quality, Quality::Good | Quality::Simulated) {
            why.push(format!("the position is {:?}", position.quality).to_lowercase());
        }
        if moving.is_some_and(|way| way != 0) {
            why.push("it is moving already".into());
        }
        (!why.is_empty()).then(|| why.join(", "))
    }

    /// What the box of a gate does when its watchdog is no longer fed; `None` without one.
    pub(super) fn afterwards(&self, id: GateId, gate: &Gate) -> Option<String> {
        let field = &self.config.field;
        let point = field.wiring.gates.get(id.0)?.watchdog.and_then(|id| field.points.get(id.0))?;
        field.devices.get(point.device.0)?.watchdog_s?;
        Some(match gate.on_link_loss {
            OnLinkLoss::Hold => "hold".into(),
            OnLinkLoss::Shut => "shut".into(),
            OnLinkLoss::Open => "open".into(),
            OnLinkLoss::Goto { opening } => {
                let to = record::shown(gate.stroke.position(opening));
                format!("go to {to} {}", gate.stroke.unit.symbol())
            }
        })
    }
}

/// 2 % of the stroke or 20 mm of travel, whichever is smaller.
fn small_step(gate: &Gate) -> f64 {
    let height_m = match gate.kind {
        GateKind::Radial { height_m, .. } | GateKind::Plane { height_m, .. } => Some(height_m),
        GateKind::Flap { leaf_m, .. } => Some(leaf_m),
        GateKind::Valve { .. } | GateKind::Turbine { .. } => None,
    };
    let travel_m = match gate.stroke.unit {
        StrokeUnit::Millimetre => Some(gate.stroke.length() / 1000.0),
        StrokeUnit::Percent | StrokeUnit::Degree => height_m,
    };
    travel_m.map_or(STEP, |travel| STEP.min(STEP_M / travel))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basin::Stroke;
    use crate::control::testing;

    /// 2 % of a valve; of a sluice 4 m high 20 mm are 0.5 %, of one of 0.5 m they would be 4 %.
    #[test]
    fn a_small_step_is_two_per_cent_or_twenty_millimetres() {
        let valve = testing::gate(GateKind::Valve { bore_m: 0.6, cd_full: 0.6 }, 0.0);
        assert!((small_step(&valve) - 0.02).abs() < 1e-12);
        let sluice = |height_m| testing::gate(GateKind::Plane { width_m: 4.0, height_m }, 0.0);
        assert!((small_step(&sluice(4.0)) - 0.005).abs() < 1e-12);
        assert!((small_step(&sluice(0.5)) - 0.02).abs() < 1e-12);
        let hoist = Stroke { unit: StrokeUnit::Millimetre, shut_at: 0.0, open_at: 2500.0 };
        let sluice = Gate { stroke: hoist, ..sluice(9.0) };
        assert!((small_step(&sluice) - 0.008).abs() < 1e-12);
    }
}
