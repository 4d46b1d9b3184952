//! How strong a cloud arrives and how long it takes to pass.
//!
//! Source: Jobson 1996, USGS WRI 96-4013, and 1997, J. Hydraul. Eng. 123(11): the unit peak of a conservative substance, its mass
//! and its flow taken as one, falls with the time of the peak, and the cloud passes the slower the flatter it is. A regression over
//! many rivers, off by a factor of two on a single one: a tracer test of the own reach replaces it where there is one.

use super::spread::{LEADING, Travel};

/// Shortest time a regression over rivers says something about, h. Assumed.
const LEAST_H: f64 = 0.5;

/// Unit peak, 10⁻⁶ s⁻¹, of a cloud whose peak takes so many hours: 1025 T^−0.887.
fn unit_peak(hours: f64) -> f64 {
    1025.0 * hours.max(LEAST_H).powf(-0.887)
}

/// Hours from the first of a cloud until no more than a tenth of its peak is left: 2·10⁶ s over the unit peak.
fn passes_h(hours: f64) -> f64 {
    2e6 / unit_peak(hours) / 3600.0
}

/// Hours after it began until a spill of `lasts_h` has passed: that of its last water, by the slowest peak.
pub(super) fn over_h(travel: &Travel, lasts_h: f64) -> f64 {
    let late = travel.late_h;
    (LEADING * late + passes_h(late)).max(late) + lasts_h
}

/// Highest concentration, mg/L, of `mass_kg` that came into `start_m3s` within `lasts_h`: no more than while it came in, mixed, and no
/// more than a sudden spill would come to.
pub(super) fn peak_mg_l(mass_kg: f64, (start_m3s, lasts_h): (f64, f64), travel: &Travel) -> Option<f64> {
    let steady = 1000.0 * mass_kg / (lasts_h * 3600.0) / start_m3s * travel.share;
    let sudden = 1000.0 * mass_kg * 1e-6 * unit_peak(travel.peak_h) / travel.flow_m3s;
    let peak = steady.min(sudden);
    peak.is_finite().then_some(peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_is_as_worked_out_by_hand() {
        // Ten hours: 10^-0.887 = 0.129718, so 132.961; 2e6 / 132.961 = 15 042 s = 4.1783 h.
        assert!((unit_peak(10.0) - 132.961).abs() < 0.01 && (passes_h(10.0) - 4.1783).abs() < 0.001);
        let travel = Travel { first_h: 8.9, peak_h: 10.0, late_h: 18.0, share: 0.5, flow_m3s: 4.0, km: 16.0 };
        // 100 kg at once: 100 · 132.961e-6 / 4 kg/m³ = 3.324 mg/L. Over ten hours into 2 m³/s: 100 / 36 000 / 2 = 1.3889 mg/L, and
        // half of it after as much clean water has joined.
        let found = peak_mg_l(100.0, (2.0, 0.01), &travel).unwrap();
        assert!((found - 3.324).abs() < 0.001, "{found}");
        let found = peak_mg_l(100.0, (2.0, 10.0), &travel).unwrap();
        assert!((found - 0.694_44).abs() < 1e-4, "{found}");
        // 18 h: 18^-0.887 = 0.077015, 78.940, 25 336 s = 7.0377 h after 0.89 · 18 = 16.02 h; and two hours of spill.
        assert!((over_h(&travel, 2.0) - 25.058).abs() < 0.01, "{}", over_h(&travel, 2.0));
    }
}
