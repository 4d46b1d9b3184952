//! Uniform flow in a trapezoidal channel: Manning's formula, its celerity and its inverse.

use qindan::basin::Reach;

/// Below this wetted area, m², a cell counts as dry: a film of 0.1 mm on a bed 10 m wide.
pub(crate) const DRY_M2: f64 = 1e-3;

/// A trapezoidal section with a constant slope.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Channel {
    /// Bed width b, m.
    pub(crate) width: f64,
    /// Side slope z, horizontal per vertical.
    pub(crate) side: f64,
    /// Bed slope S, m/m.
    pub(crate) slope: f64,
    /// √S/n, m^(1/3)/s.
    conveyance: f64,
    /// Wetted length of both banks per metre of depth: 2·√(1 + z²).
    banks: f64,
}

/// Uniform flow through one section.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Uniform {
    /// Discharge, m³/s.
    pub(crate) discharge: f64,
    /// Kinematic celerity dQ/dA, m/s.
    pub(crate) celerity: f64,
    /// Width of the surface, m.
    pub(crate) top: f64,
}

impl Channel {
    pub(crate) fn of(reach: &Reach) -> Self {
        Self {
            width: reach.bed_width_m,
            side: reach.side_slope,
            slope: reach.slope,
            conveyance: reach.slope.sqrt() / reach.manning,
            banks: 2.0 * (1.0 + reach.side_slope * reach.side_slope).sqrt(),
        }
    }

    /// Depth at wetted area `area` (m²), m: the positive root of z·h² + b·h = A, written so that it also holds
    /// for vertical banks.
    pub(crate) fn depth(&self, area: f64) -> f64 {
        let b = self.width;
        2.0 * area / (b + (b * b + 4.0 * self.side * area).sqrt())
    }

    /// Wetted area at depth `h` (m), m².
    pub(crate) fn area_at(&self, h: f64) -> f64 {
        h * (self.width + self.side * h)
    }

    /// Manning's formula Q = √S/n · A · R^(2/3) with R = A/P, and dQ/dA = Q/A · (5/3 − 2/3 · R · P′/T), where
    /// P′ = dP/dh and T the surface width. Source: Chow (1959), Open-Channel Hydraulics, chapters 5 and 20.
    pub(crate) fn uniform(&self, area: f64) -> Uniform {
        self.uniform_near(area, &mut 0.0)
    }

    /// The same, with the cube root of the hydraulic radius found from that of a moment ago, which it replaces.
    pub(crate) fn uniform_near(&self, area: f64, root: &mut f64) -> Uniform {
        if area <= DRY_M2 {
            return Uniform::default();
        }
        let h = self.depth(area);
        let top = self.width + 2.0 * self.side * h;
        let radius = area / (self.width + self.banks * h);
        *root = cube_root_near(radius, *root);
        let root = *root;
        let velocity = self.conveyance * root * root;
        let celerity = velocity * (5.0 / 3.0 - 2.0 / 3.0 * radius * self.banks / top);
        Uniform { discharge: velocity * area, celerity, top }
    }

    /// Wetted area that carries `discharge` (m³/s) uniformly, m². Newton on the area from the wide-channel
    /// depth; Q(A) rises and bends upwards, so that it converges from above.
    pub(crate) fn area_for(&self, discharge: f64) -> f64 {
        if discharge <= 0.0 {
            return 0.0;
        }
        let wide = (discharge / (self.width * self.conveyance)).powf(0.6);
        let mut area = self.area_at(wide).max(2.0 * DRY_M2);
        for _ in 0..50 {
            let at = self.uniform(area);
            if at.celerity <= 0.0 {
                return area;
            }
            let step = (at.discharge - discharge) / at.celerity;
            area = (area - step).max(0.5 * area);
            if step.abs() <= 1e-12 * area {
                break;
            }
        }
        area
    }
}

/// Cube root of `x`, from a guess: one step of Halley's method when the guess is within a third of a per cent, which
/// leaves less than 3e-8 of it, else the library's.
fn cube_root_near(x: f64, guess: f64) -> f64 {
    let cube = guess * guess * guess;
    if (cube - x).abs() > 0.01 * x {
        return x.cbrt();
    }
    guess * (cube + 2.0 * x) / (2.0 * cube + x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rectangle() -> Channel {
        Channel { width: 20.0, side: 0.0, slope: 0.0032, conveyance: 0.0032_f64.sqrt() / 0.05, banks: 2.0 }
    }

    #[test]
    fn a_rectangular_channel_by_hand() {
        // A = 20 · 0.5 = 10, P = 21, R = 0.47619, R^(2/3) = 0.60980; √0.0032/0.05 = 1.131371;
        // v = 0.68991, Q = 6.8991; c = v · (5/3 − 2/3 · 0.47619 · 2/20) = 0.68991 · 1.634921 = 1.12795.
        let at = rectangle().uniform(10.0);
        assert!((at.discharge - 6.8991).abs() < 2e-4, "{at:?}");
        assert!((at.celerity - 1.12795).abs() < 1e-4, "{at:?}");
        assert!((at.top - 20.0).abs() < 1e-12);
    }

    #[test]
    fn chow_example_6_2() {
        // Chow (1959), example 6-2: b = 20 ft, z = 2, S = 0.0016, n = 0.025, Q = 400 cfs: normal depth 3.36 ft.
        let foot = 0.3048;
        let channel = Channel {
            width: 20.0 * foot,
            side: 2.0,
            slope: 0.0016,
            conveyance: 0.04 / 0.025,
            banks: 2.0 * 5.0_f64.sqrt(),
        };
        let area = channel.area_for(400.0 * foot * foot * foot);
        assert!((channel.depth(area) / foot - 3.36).abs() < 0.01);
    }

    proptest! {
        #[test]
        fn the_area_for_a_discharge_carries_it(q in 0.01..4000.0f64, width in 2.0..40.0f64, side in 0.0..3.0f64) {
            let channel = Channel { width, side, slope: 0.0033, conveyance: 1.1, banks: 2.0 * (1.0 + side * side).sqrt() };
            let back = channel.uniform(channel.area_for(q)).discharge;
            prop_assert!((back - q).abs() < 1e-9 * q.max(1.0), "{back} for {q}");
        }

        #[test]
        fn the_celerity_is_the_slope_of_the_discharge(area in 0.05..800.0f64, side in 0.0..3.0f64) {
            let channel = Channel { width: 15.0, side, slope: 0.0033, conveyance: 1.1, banks: 2.0 * (1.0 + side * side).sqrt() };
            let d = 1e-5 * area;
            let slope = (channel.uniform(area + d).discharge - channel.uniform(area - d).discharge) / (2.0 * d);
            prop_assert!((channel.uniform(area).celerity - slope).abs() < 1e-5 * slope);
        }
    }
}
