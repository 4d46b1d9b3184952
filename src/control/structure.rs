//! Flow through gates by the controller's own simple equations, both ways.
//!
//! The trim on the release meter corrects what these miss; the plant of the simulators uses other formulas.

use crate::basin::{FixedOpening, FixedShape, Gate, GateKind};
use crate::units::{Discharge, Opening, Stage};

/// Standard gravity, m/s².
const GRAVITY: f64 = 9.81;

/// Discharge coefficient of sluice and radial gates on the gate opening, free flow. Source: contraction
/// coefficient 0.611 of a sharp lip (Henry 1950), lowered for approach losses; assumed until calibrated.
const SLUICE_CD: f64 = 0.60;

/// Weir coefficient Ce of a flap leaf, sharp crested (Kindsvater–Carter, low heads).
const LEAF_CE: f64 = 0.62;

/// Discharge through `gate` at `opening` with the water above it at `above`.
///
/// Free flow against the sill or the declared outlet level, whichever is higher; zero without head.
pub fn flow(gate: &Gate, opening: Opening, above: Stage) -> Discharge {
    let a = opening.fraction();
    if a <= 0.0 && !matches!(gate.kind, GateKind::Flap { .. }) {
        return Discharge::ZERO;
    }
    let base = gate.outlet_level.map_or(gate.sill, |level| if level > gate.sill { level } else { gate.sill });
    let head = (above - base).get().max(0.0);
    let q = match gate.kind {
        GateKind::Radial { width_m, height_m } | GateKind::Plane { width_m, height_m } => {
            let clear = (a * height_m).min(head);
            SLUICE_CD * width_m * clear * (2.0 * GRAVITY * head).sqrt()
        }
        GateKind::Valve { bore_m, cd_full } => {
            let area = std::f64::consts::PI * bore_m * bore_m / 4.0;
            cd_full * a * area * (2.0 * GRAVITY * head).sqrt()
        }
        GateKind::Flap { width_m, leaf_m, raised_deg } => {
            let crest = leaf_m * (raised_deg * (1.0 - a)).to_radians().sin();
            let over = ((above - gate.sill).get() - crest).max(0.0);
            2.0 / 3.0 * LEAF_CE * (2.0 * GRAVITY).sqrt() * width_m * over.powf(1.5)
        }
        GateKind::Turbine { rated, rated_head_m, .. } => {
            rated.get() * a * (head / rated_head_m).max(0.0).sqrt()
        }
    };
    Discharge::lossy(q)
}

/// Discharge through an opening nobody moves, free flow: C·b·H^1.5 over a crest, Cd·A·√(2gH) through a pipe with
/// H above its axis.
pub fn fixed_flow(fixed: &FixedOpening, above: Stage) -> Discharge {
    let over = (above - fixed.sill).get().max(0.0);
    let q = match fixed.shape {
        FixedShape::Crest { width_m, coefficient } => coefficient * width_m * over.powf(1.5),
        FixedShape::Orifice { bore_m, cd } => {
            let area = std::f64::consts::PI * bore_m * bore_m / 4.0;
            cd * area * (2.0 * GRAVITY * (over - 0.5 * bore_m).max(0.0)).sqrt()
        }
    };
    Discharge::lossy(q)
}

/// The smallest opening within the stroke at which `gate` passes `wanted`, or fully open when it cannot.
///
/// Flow is monotone in the opening, so bisection with the stroke as bracket is safe; 40 halvings are far
/// below any register's resolution.
pub fn opening_for(gate: &Gate, wanted: Discharge, above: Stage) -> Opening {
    if wanted <= flow(gate, Opening::SHUT, above) {
        return Opening::SHUT;
    }
    if wanted >= flow(gate, Opening::FULL, above) {
        return Opening::FULL;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if flow(gate, Opening::clamped(middle), above) < wanted { low = middle } else { high = middle }
    }
    Opening::clamped(high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::control::testing;

    #[test]
    fn the_eco_valve_passes_what_the_plan_table_says() {
        // DN 600, Cd 0.6, head 35 m: 0.6 · 0.28274 · √(2·9.81·35) = 4.445 m³/s (domain notes: 4.4).
        let valve = testing::gate(GateKind::Valve { bore_m: 0.6, cd_full: 0.6 }, 702.0);
        let q = flow(&valve, Opening::FULL, Stage::lossy(737.0));
        assert!((q.get() - 4.445).abs() < 0.005, "{q}");
    }

    #[test]
    fn a_plane_gate_under_sixty_metres_passes_a_sixth_of_a_cubic_metre_per_centimetre() {
        // 0.8 m wide, 1 cm open, 60 m: 0.6 · 0.8 · 0.01 · √(2·9.81·60) = 0.1647 m³/s.
        let slide = testing::gate(GateKind::Plane { width_m: 0.8, height_m: 1.0 }, 0.0);
        let q = flow(&slide, Opening::clamped(0.01), Stage::lossy(60.0));
        assert!((q.get() - 0.1647).abs() < 0.001, "{q}");
    }

    proptest! {
        #[test]
        fn the_opening_for_a_flow_passes_that_flow(share in 0.01..0.99f64, head in 1.0..60.0f64) {
            let valve = testing::gate(GateKind::Valve { bore_m: 0.6, cd_full: 0.6 }, 0.0);
            let above = Stage::lossy(head);
            let wanted = flow(&valve, Opening::FULL, above) * share;
            let back = flow(&valve, opening_for(&valve, wanted, above), above);
            prop_assert!((back.get() - wanted.get()).abs() < 1e-6);
        }

        #[test]
        fn more_opening_never_passes_less(a in 0.0..1.0f64, more in 0.0..1.0f64, head in 0.0..9.0f64) {
            for kind in [
                GateKind::Radial { width_m: 6.0, height_m: 7.0 },
                GateKind::Flap { width_m: 18.0, leaf_m: 2.0, raised_deg: 60.0 },
            ] {
                let gate = testing::gate(kind, 0.0);
                let above = Stage::lossy(head);
                let wider = Opening::clamped(a + more);
                prop_assert!(flow(&gate, wider, above) >= flow(&gate, Opening::clamped(a), above));
            }
        }
    }
}
