//! How fast the water itself moves in a reach, not the wave that runs through it.

use crate::basin::{Reach, ReachKind};

/// Greatest depth looked at, m: no river of low flows is deeper.
const DEEPEST_M: f64 = 50.0;

/// Halvings: they find the depth to a billionth of [`DEEPEST_M`].
const HALVINGS: u32 = 60;

/// Mean velocity of the water in a reach that carries `flow` m³/s at its normal depth, m/s: Manning in the trapezoid of its channel,
/// v = R^(2/3) √S / n. Water on berms is taken to stand in the channel, which then is faster: what is asked for is the first
/// arrival. `None` for a pipe, whose bore is not known, and without flow.
pub(super) fn velocity(reach: &Reach, flow: f64) -> Option<f64> {
    match reach.kind {
        ReachKind::Pipe { .. } => return None,
        ReachKind::River => {}
    }
    if flow <= 0.0 || !flow.is_finite() {
        return None;
    }
    let (mut low, mut high) = (0.0, DEEPEST_M);
    for _ in 0..HALVINGS {
        let depth = 0.5 * (low + high);
        let (area, speed) = at_depth(reach, depth);
        if area * speed < flow {
            low = depth;
        } else {
            high = depth;
        }
    }
    let (_, speed) = at_depth(reach, high);
    (speed > 0.0).then_some(speed)
}

/// Area, m², and velocity, m/s, at a depth.
fn at_depth(reach: &Reach, depth: f64) -> (f64, f64) {
    let side = reach.side_slope;
    let area = depth * (reach.bed_width_m + side * depth);
    let wetted = reach.bed_width_m + 2.0 * depth * (1.0 + side * side).sqrt();
    let radius = area / wetted;
    (area, radius.powf(2.0 / 3.0) * reach.slope.sqrt() / reach.manning)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(id: &str) -> Reach {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let basin = crate::config::load(&folder).unwrap().basin;
        basin.reaches.iter().find(|reach| reach.id == id).unwrap().clone()
    }

    #[test]
    fn velocity_is_that_of_manning_worked_out_by_hand() {
        // Rectangle 20 m wide, n 0.05, slope 0.0032, 0.25 m deep: A = 5 m², P = 20.5 m, R = 0.243902 m, R^(2/3) = 0.390371,
        // √S = 0.0565685, so v = 0.390371 · 0.0565685 / 0.05 = 0.441654 m/s and Q = 2.208271 m³/s.
        let reach =
            Reach { bed_width_m: 20.0, side_slope: 0.0, manning: 0.05, slope: 0.0032, ..shipped("R4") };
        let found = velocity(&reach, 2.208_271).unwrap();
        assert!((found - 0.441_654).abs() < 1e-4, "{found}");
        // Trapezoid, side slope 2, 10 m wide, 0.5 m deep: A = 0.5 · 11 = 5.5, P = 10 + √5 = 12.236068, R = 0.449491,
        // R^(2/3) = 0.586787; n 0.04, slope 0.0025: v = 0.586787 · 0.05 / 0.04 = 0.733484, Q = 4.034161.
        let reach = Reach { bed_width_m: 10.0, side_slope: 2.0, manning: 0.04, slope: 0.0025, ..reach };
        let found = velocity(&reach, 4.034_161).unwrap();
        assert!((found - 0.733_484).abs() < 1e-4, "{found}");
        assert_eq!((velocity(&reach, 0.0), velocity(&reach, f64::NAN)), (None, None));
    }

    #[test]
    fn the_qin_is_as_fast_as_the_domain_notes_say() {
        // Domain notes 1.7: at 1 m³/s 0.30 to 0.34 m/s, at 3 m³/s 0.45 to 0.52, over all reaches from the dam to Runcheng.
        for (flow, low, high) in [(1.0, 0.30, 0.34), (3.0, 0.45, 0.52)] {
            let (mut km, mut hours) = (0.0, 0.0);
            for id in ["R1", "R2", "R3", "R4", "R5a", "R5b", "R6a", "R6b", "R6c"] {
                let reach = shipped(id);
                km += reach.length_km;
                hours += reach.length_km / 3.6 / velocity(&reach, flow).unwrap();
            }
            let mean = km / 3.6 / hours;
            assert!(low - 0.02 <= mean && mean <= high + 0.02, "{flow} m³/s: {mean} m/s over {km} km");
        }
    }
}
