//! How fast waves really travel through a segment: found again and again from the changes that pass its head and its foot.
//!
//! The table of a reach gives travel times by flow; one factor on it is sought. Each factor of a grid is held against what
//! came: a change of three hours at the foot should be the change at the head so much earlier. What fits badly
//! loses weight. Without changes nothing is learnt, and the table stands with the width assumed for it.

use serde::{Deserialize, Serialize};

use super::series::BIN_S;

/// Factors tried, from 0.64 to 1.57 of the table: thirty-one steps of three per cent.
const STEPS: u32 = 31;

/// Natural logarithm of one step.
const STEP: f64 = 0.03;

/// Spread of the table itself, relative. Assumed: a rough low-flow bed and its pools.
pub const TABLE: f64 = 0.1;

/// Least spread, relative: rises and falls travel apart, and one factor does not fit all flows. Assumed.
const LEAST: f64 = 0.03;

/// Time over which old evidence fades: ten days.
const FADES_S: f64 = 864_000.0;

/// Evidence within this time is one and the same change, s: the three hours compared.
const ALIKE_S: f64 = 10_800.0;

/// Hours between the two flows whose difference is compared.
pub const CHANGE_H: f64 = 3.0;

/// Changes below this share of the flow are noise of the gauges. Assumed.
const NOTICED: f64 = 0.03;

/// Least misfit to be expected, as a share of the flow: the noise of two gauges over an hour. Assumed.
const NOISE: f64 = 0.02;

/// What is known of the travel time of one segment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Squared misfits by factor, faded.
    misfits: Vec<f64>,
    /// How many, faded.
    seen: f64,
    /// What they come to; asked for far more often than taught.
    #[serde(default)]
    known: Option<Factor>,
}

/// Factor on the tabled travel time, and its relative spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factor {
    /// Factor.
    pub mean: f64,
    /// One standard deviation of its logarithm.
    pub spread: f64,
}

impl Timing {
    /// Learns from a change at the foot, as a share of the flow; `expected` gives the same for a factor, `None` when it is
    /// not known.
    pub fn learn(&mut self, change: f64, expected: impl Fn(f64) -> Option<f64>) {
        let expected = factors().map(expected).collect::<Option<Vec<_>>>();
        let Some(expected) = expected else { return };
        if expected.iter().all(|change| change.abs() < NOTICED) && change.abs() < NOTICED {
            return;
        }
        self.misfits.resize(expected.len(), 0.0);
        let fades = 1.0 - BIN_S / FADES_S;
        self.seen = self.seen * fades + 1.0;
        for (misfit, expected) in self.misfits.iter_mut().zip(expected) {
            *misfit = *misfit * fades + (change - expected).powi(2);
        }
        self.known = Some(self.found());
    }

    /// The factor as far as it is known.
    pub fn factor(&self) -> Factor {
        self.known.unwrap_or_else(|| self.found())
    }

    fn found(&self) -> Factor {
        let least = self.misfits.iter().copied().fold(f64::INFINITY, f64::min);
        if self.seen <= 0.0 || !least.is_finite() {
            return Factor { mean: 1.0, spread: TABLE };
        }
        let variance = (least / self.seen).max(NOISE * NOISE) * ALIKE_S / BIN_S;
        let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
        for (factor, misfit) in factors().zip(&self.misfits) {
            let log = factor.ln();
            let weight = (-0.5 * ((misfit - least) / variance + (log / TABLE).powi(2))).exp();
            sum += weight;
            first += weight * log;
            second += weight * log * log;
        }
        let mean = first / sum;
        let spread = (second / sum - mean * mean).max(0.0).sqrt();
        Factor { mean: mean.exp(), spread: spread.clamp(LEAST, TABLE) }
    }
}

fn factors() -> impl Iterator<Item = f64> {
    (0..STEPS).map(|step| (STEP * (f64::from(step) - f64::from(STEPS / 2))).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A release that changes by 20 % every 12 h, seen at a foot 10 h of the table away.
    fn watched(truth: f64, noise: impl Fn(u32) -> f64) -> Factor {
        let wave = |hour: f64| if hour.rem_euclid(24.0) < 12.0 { 0.2 } else { 0.0 };
        let change = |hour: f64| wave(hour) - wave(hour - CHANGE_H);
        let mut timing = Timing::default();
        for bin in 0..720 {
            let hour = f64::from(bin) / 6.0;
            timing
                .learn(change(hour - 10.0 * truth) + noise(bin), |factor| Some(change(hour - 10.0 * factor)));
        }
        timing.factor()
    }

    #[test]
    fn nothing_seen_leaves_the_table() {
        let mut timing = Timing::default();
        timing.learn(0.0, |_| Some(0.0));
        timing.learn(0.5, |_| None);
        assert_eq!(timing.factor(), Factor { mean: 1.0, spread: TABLE });
    }

    #[test]
    fn a_river_slower_or_faster_by_a_quarter_is_found_within_five_days() {
        for truth in [0.75, 1.0, 1.25] {
            let found = watched(truth, |_| 0.0);
            assert!((found.mean / truth - 1.0).abs() < 0.03, "{truth}: {found:?}");
            assert!(found.spread < 0.05, "{truth}: {found:?}");
        }
    }

    #[test]
    fn noise_alone_is_no_evidence() {
        // Changes that come from nowhere in the segment: the table stands.
        let mut timing = Timing::default();
        for bin in 0..720_u32 {
            timing.learn(if bin % 7 == 0 { 0.1 } else { -0.02 }, |_| Some(0.0));
        }
        let found = timing.factor();
        assert!((found.mean - 1.0).abs() < 0.01 && found.spread > 0.08, "{found:?}");
    }
}
