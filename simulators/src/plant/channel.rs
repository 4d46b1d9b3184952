//! The cross-section of a river: a low-flow channel with berms and flood plains beside it, Manning's formula zone by zone.
//!
//! ```text
//!  \                                                  /     zone 2: flood plain, begins at its foot
//!   \______________                    ______________/
//!                  \                  /                     zone 1: berm
//!                   \____        ____/
//!                        \______/                           zone 0: the channel of low flows
//! ```
//!
//! Each zone carries its own flow over its own bed; the upright lines between them rub on nothing (the divided channel
//! method). Source: Chow (1959), Open-Channel Hydraulics, section 6-5.

use qindan::basin::{Berm, Reach};

/// Below this wetted area, m², a cell counts as dry: a film of 0.1 mm on a bed 10 m wide.
pub(crate) const DRY_M2: f64 = 1e-3;

/// One zone of a section.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Zone {
    /// Height of its bed above the lowest point, m.
    foot: f64,
    /// Height of its top, where the next zone begins, above its own bed, m.
    height: f64,
    /// Bed width, both sides together, m.
    width: f64,
    /// Slope of its outer banks, horizontal per vertical.
    side: f64,
    /// 1/n, m^(1/3)/s.
    smooth: f64,
    /// Wetted length of both banks per metre of depth: 2·√(1 + z²).
    banks: f64,
    /// Wetted area of the whole section up to its bed, m², and width of the surface just above it, m.
    area: f64,
    top: f64,
}

/// A section that does not change along its reach, and the slope of its bed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Channel {
    /// From the lowest up, at least one.
    zones: Vec<Zone>,
    /// Bed slope S, m/m.
    pub(crate) slope: f64,
}

/// What a section carries at one wetted area, per root of the slope that drives it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Carried {
    /// Conveyance K = Q/√S, m³/s.
    pub(crate) conveyance: f64,
    /// dK/dA, m/s.
    pub(crate) celerity: f64,
    /// Width of the surface, m.
    pub(crate) top: f64,
    /// Depth over the lowest point, m.
    pub(crate) depth: f64,
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
        Self::new(reach.slope, reach.bed_width_m, reach.side_slope, reach.manning, &reach.berms)
    }

    /// A trapezoid with `berms` beside it, the lowest first.
    pub(crate) fn new(slope: f64, width: f64, side: f64, manning: f64, berms: &[Berm]) -> Self {
        let first = Berm { foot_m: 0.0, width_m: width, side_slope: side, manning };
        let mut zones: Vec<Zone> = Vec::with_capacity(1 + berms.len());
        for berm in std::iter::once(&first).chain(berms) {
            let (mut area, mut below) = (0.0, 0.0);
            if let Some(under) = zones.last_mut() {
                under.height = berm.foot_m - under.foot;
                let y = under.height;
                area = under.area + y * (under.top + under.side * y);
                below = under.top + 2.0 * under.side * y;
            }
            zones.push(Zone {
                foot: berm.foot_m,
                height: f64::INFINITY,
                width: berm.width_m,
                side: berm.side_slope,
                smooth: 1.0 / berm.manning,
                banks: 2.0 * (1.0 + berm.side_slope * berm.side_slope).sqrt(),
                area,
                top: below + berm.width_m,
            });
        }
        Self { zones, slope }
    }

    /// The zone whose bed was wetted last.
    fn surface(&self, area: f64) -> &Zone {
        let over = self.zones.iter().rposition(|zone| zone.area < area).unwrap_or(0);
        &self.zones[over]
    }

    /// Depth at wetted area `area` (m²), m: the positive root of z·y² + t·y = A − A₀ in the uppermost zone, written so that
    /// it also holds for vertical banks.
    pub(crate) fn depth(&self, area: f64) -> f64 {
        let zone = self.surface(area);
        let over = (area - zone.area).max(0.0);
        zone.foot + 2.0 * over / (zone.top + (zone.top * zone.top + 4.0 * zone.side * over).sqrt())
    }

    /// Wetted area at depth `h` (m), m².
    pub(crate) fn area_at(&self, h: f64) -> f64 {
        let over = self.zones.iter().rposition(|zone| zone.foot < h).unwrap_or(0);
        let zone = &self.zones[over];
        let y = (h - zone.foot).max(0.0);
        zone.area + y * (zone.top + zone.side * y)
    }

    /// What the section carries at wetted area `area`: K = Σ A·R^(2/3)/n over its zones with R = A/P, and
    /// dK/dA = Σ K·(5/3 · T/A − 2/3 · P′/P)/T of the whole surface. Source: Chow (1959), chapters 5, 6 and 20.
    ///
    /// `root` is the cube root of the hydraulic radius of the lowest zone as found a moment ago; it is replaced.
    pub(crate) fn carried(&self, area: f64, root: &mut f64) -> Carried {
        if area <= DRY_M2 {
            return Carried { top: self.zones[0].top, ..Carried::default() };
        }
        let depth = self.depth(area);
        let (mut conveyance, mut rate, mut surface) = (0.0, 0.0, 0.0);
        for (at, zone) in self.zones.iter().enumerate() {
            let y = depth - zone.foot;
            if y <= 0.0 {
                break;
            }
            let inside = y.min(zone.height);
            let top = zone.width + 2.0 * zone.side * inside;
            let wet = inside * (zone.width + zone.side * inside) + (y - inside) * top;
            let edge = zone.width + zone.banks * inside;
            let radius = wet / edge;
            let third = if at == 0 {
                *root = cube_root_near(radius, *root);
                *root
            } else {
                radius.cbrt()
            };
            let carries = zone.smooth * wet * third * third;
            let grows = if y < zone.height { zone.banks } else { 0.0 };
            conveyance += carries;
            rate += carries * (5.0 / 3.0 * top / wet - 2.0 / 3.0 * grows / edge);
            surface += top;
        }
        Carried { conveyance, celerity: rate / surface, top: surface, depth }
    }

    /// Manning's formula for uniform flow, Q = K·√S.
    pub(crate) fn uniform(&self, area: f64) -> Uniform {
        let at = self.carried(area, &mut 0.0);
        let root = self.slope.sqrt();
        Uniform { discharge: root * at.conveyance, celerity: root * at.celerity, top: at.top }
    }

    /// Wetted area that carries `discharge` (m³/s) uniformly, m².
    pub(crate) fn area_for(&self, discharge: f64) -> f64 {
        self.area_at_slope(discharge, |_| self.slope)
    }

    /// Wetted area that carries `discharge` (m³/s) under the slope of the water `slope(depth)`, which must not fall as the
    /// depth grows; m². Newton with the bracket it keeps, from the wide-channel depth.
    pub(crate) fn area_at_slope(&self, discharge: f64, slope: impl Fn(f64) -> f64) -> f64 {
        if discharge <= 0.0 {
            return 0.0;
        }
        let first = &self.zones[0];
        let wide = (discharge / (first.width * first.smooth * self.slope.sqrt())).powf(0.6);
        let mut area = self.area_at(wide).max(2.0 * DRY_M2);
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let mut root = 0.0;
        for _ in 0..100 {
            let at = self.carried(area, &mut root);
            let driven = slope(at.depth).max(0.0).sqrt();
            let missing = driven * at.conveyance - discharge;
            let end = if missing < 0.0 { &mut low } else { &mut high };
            *end = area;
            let step = missing / (driven * at.celerity).max(1e-12);
            let mut next = area - step;
            if next <= low || next >= high {
                next = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * area };
            }
            let moved = (next - area).abs();
            area = next;
            if moved <= 1e-13 * area {
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

    fn plain(slope: f64, width: f64, side: f64, manning: f64) -> Channel {
        Channel::new(slope, width, side, manning, &[])
    }

    #[test]
    fn a_rectangular_channel_by_hand() {
        // A = 20 · 0.5 = 10, P = 21, R = 0.47619, R^(2/3) = 0.60980; √0.0032/0.05 = 1.131371;
        // v = 0.68991, Q = 6.8991; c = v · (5/3 − 2/3 · 0.47619 · 2/20) = 0.68991 · 1.634921 = 1.12795.
        let at = plain(0.0032, 20.0, 0.0, 0.05).uniform(10.0);
        assert!((at.discharge - 6.8991).abs() < 2e-4, "{at:?}");
        assert!((at.celerity - 1.12795).abs() < 1e-4, "{at:?}");
        assert!((at.top - 20.0).abs() < 1e-12);
    }

    #[test]
    fn chow_example_6_2() {
        // Chow (1959), example 6-2: b = 20 ft, z = 2, S = 0.0016, n = 0.025, Q = 400 cfs: normal depth 3.36 ft.
        let foot = 0.3048;
        let channel = plain(0.0016, 20.0 * foot, 2.0, 0.025);
        let area = channel.area_for(400.0 * foot * foot * foot);
        assert!((channel.depth(area) / foot - 3.36).abs() < 0.01);
    }

    #[test]
    fn a_channel_with_a_flood_plain_by_hand() {
        // 10 m wide, upright, 2 m deep, n 0.03; plain of 50 m beside it, n 0.08; S = 0.001; water 3 m deep.
        // Channel: A = 30, P = 14, R^(2/3) = 1.66207, K = 30 · 1.66207/0.03 = 1662.07.
        // Plain: A = 50, P = 50 + 2 · 1 (upright outer banks) = 52, R^(2/3) = 0.97419, K = 608.87.
        // Q = √0.001 · 2270.94 = 71.813; A = 80; T = 60.
        let plain = Berm { foot_m: 2.0, width_m: 50.0, side_slope: 0.0, manning: 0.08 };
        let channel = Channel::new(0.001, 10.0, 0.0, 0.03, &[plain]);
        let at = channel.uniform(80.0);
        assert!((at.discharge - 71.813).abs() < 0.01, "{at:?}");
        assert!((at.top - 60.0).abs() < 1e-12 && (channel.depth(80.0) - 3.0).abs() < 1e-12);
    }

    fn any() -> impl Strategy<Value = Channel> {
        let berm = (0.1..3.0f64, 1.0..80.0f64, 0.0..4.0f64, 0.03..0.12f64);
        (2.0..40.0f64, 0.0..3.0f64, prop::collection::vec(berm, 0..3)).prop_map(|(width, side, berms)| {
            let mut foot = 0.0;
            let berms = berms.into_iter().map(|(above, width_m, side_slope, manning)| {
                foot += above;
                Berm { foot_m: foot, width_m, side_slope, manning }
            });
            Channel::new(0.0033, width, side, 0.05, &berms.collect::<Vec<_>>())
        })
    }

    proptest! {
        #[test]
        fn the_area_for_a_discharge_carries_it(q in 0.01..4000.0f64, channel in any()) {
            let back = channel.uniform(channel.area_for(q)).discharge;
            prop_assert!((back - q).abs() < 1e-9 * q.max(1.0), "{back} for {q}");
        }

        #[test]
        fn the_celerity_is_the_slope_of_the_discharge(area in 0.05..800.0f64, channel in any()) {
            let d = 1e-5 * area;
            // Not across the foot of a berm, where the celerity jumps.
            prop_assume!(channel.zones.iter().all(|zone| (zone.area - area).abs() > 2.0 * d));
            let slope = (channel.uniform(area + d).discharge - channel.uniform(area - d).discharge) / (2.0 * d);
            prop_assert!((channel.uniform(area).celerity - slope).abs() < 1e-5 * slope);
        }

        #[test]
        fn depth_and_area_are_inverse(h in 0.01..12.0f64, channel in any()) {
            let back = channel.depth(channel.area_at(h));
            prop_assert!((back - h).abs() < 1e-9 * h, "{back} for {h}");
        }
    }
}
