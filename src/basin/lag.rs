//! How long a step of flow travels along a reach, by base flow.

use super::network::LagPoint;
use crate::units::Discharge;

/// Base flow below which a travel time is not looked up, m³/s: the power law has no value at nothing. Assumed.
const LEAST_FLOW: f64 = 0.1;

/// Wave travel times of a reach: a power law through the two nearest points, since the celerity of a wide channel grows
/// with a power of the flow (Manning: c ∝ Q^0.4); beyond the ends the last piece goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct LagTable {
    points: Vec<LagPoint>,
    /// Of the law from each point to the next.
    exponents: Vec<f64>,
}

impl LagTable {
    /// Of points ascending in flow, at least one.
    pub fn new(points: Vec<LagPoint>) -> Self {
        let exponent = |pair: &[LagPoint]| match pair {
            [low, high] => (high.hours / low.hours).ln() / (high.flow.get() / low.flow.get()).ln(),
            _ => 0.0,
        };
        let exponents = points.windows(2).map(exponent).collect();
        Self { points, exponents }
    }

    /// As given.
    pub fn points(&self) -> &[LagPoint] {
        &self.points
    }

    /// Travel time over the whole reach at base flow `q`, h.
    pub fn hours(&self, q: Discharge) -> f64 {
        let q = q.get().max(LEAST_FLOW);
        let above = self.points.partition_point(|point| point.flow.get() < q).max(1);
        let piece = (above - 1).min(self.exponents.len().saturating_sub(1));
        match (self.points.get(piece), self.exponents.get(piece)) {
            (Some(low), Some(exponent)) => low.hours * (q / low.flow.get()).powf(*exponent),
            (Some(only), None) => only.hours,
            (None, _) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(points: &[(f64, f64)]) -> LagTable {
        let point = |&(flow, hours): &(f64, f64)| LagPoint { flow: Discharge::lossy(flow), hours };
        LagTable::new(points.iter().map(point).collect())
    }

    #[test]
    fn between_points_and_beyond_them_a_power_law_holds() {
        // Four times the flow in half the time: the square root. Then nine times in a third of it: the same.
        let table = table(&[(1.0, 36.0), (4.0, 18.0), (36.0, 6.0)]);
        for (q, hours) in [(0.25, 72.0), (1.0, 36.0), (2.25, 24.0), (4.0, 18.0), (9.0, 12.0), (144.0, 3.0)] {
            let got = table.hours(Discharge::lossy(q));
            assert!((got - hours).abs() < 1e-9, "{q}: {got}");
        }
        // Nothing flows: as at 0.1 m³/s.
        assert!((table.hours(Discharge::ZERO) - 36.0 / 0.1_f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn one_point_is_one_time() {
        assert!((table(&[(3.0, 7.0)]).hours(Discharge::lossy(0.5)) - 7.0).abs() < 1e-12);
    }
}
