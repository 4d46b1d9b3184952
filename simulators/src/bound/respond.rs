//! How the sections answer to the release: what is thought of a river before it has been seen, and what the trials of a
//! search tell of it (`fit`).
//!
//! An answer is the share of a release that arrives in each hour after it. It has no form given beforehand: where a pond
//! on the way stands below its crest, half of a release may take another day, and answers are followed for four.

use super::course::Course;
use super::fit;
use super::script::Script;

/// After so many hours nothing is left of an answer: four days.
pub(super) const LONGEST_H: usize = 96;
/// Sections nearer to the dam than this answer within the hour.
const LOCAL_H: f64 = 0.5;
/// Travel time thought of before anything has been seen, as a share of that at the floor: ponds on the way add to it.
const PRIOR_LAG: f64 = 1.2;
/// A flow of more floors than this is a flood.
const LOW: f64 = 4.0;
/// Gains outside of this are no answer but an accident, as a pond that tips.
const CREDIBLE: std::ops::RangeInclusive<f64> = 0.3..=1.3;

/// By section of the dam, the share of a release that arrives by hours after; a section without any stands beside the dam.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answers {
    sections: Vec<Vec<f64>>,
}

impl Answers {
    /// What is thought of a river of which nothing has been seen: the travel time at the floor and a bit, and some loss.
    pub(super) fn prior(script: &Script) -> Self {
        let of = |(_, lag_h): &(_, f64)| {
            if *lag_h < LOCAL_H { Vec::new() } else { spread(PRIOR_LAG * lag_h) }
        };
        Self { sections: script.dam.sections.iter().map(of).collect() }
    }

    /// The same after what the differences between pairs of runs have told, in the hours `first..until`; one answer for all
    /// of them.
    pub(super) fn learnt(
        &self,
        script: &Script,
        pairs: &[(&Course, &Course)],
        (first, until): (usize, usize),
    ) -> Self {
        let of = |(at, prior): (usize, &Vec<f64>)| {
            if prior.is_empty() {
                return Vec::new();
            }
            let seen = pairs.iter().map(|(a, b)| {
                let change =
                    |hour: usize| b.release.get(hour).zip(a.release.get(hour)).map_or(0.0, |(b, a)| b - a);
                let gained = |hour: usize| {
                    let of = |course: &Course| course.sections.get(at)?.mean.get(hour).copied();
                    let (a, b) = (of(a)?, of(b)?);
                    // A flood does not tell how a low river answers.
                    let low = script.floor(at, hour).is_none_or(|floor| a.max(b) <= LOW * floor);
                    (low && a > 0.0).then_some(b - a)
                };
                let release = (first..until).map(change).collect();
                fit::Seen { release, flow: (first..until).map(gained).collect() }
            });
            let parts = fit::fit(prior, &seen.collect::<Vec<_>>());
            if CREDIBLE.contains(&parts.iter().sum::<f64>()) { parts } else { prior.clone() }
        };
        Self { sections: self.sections.iter().enumerate().map(of).collect() }
    }

    /// What a change of the release (by hour of the scenario) adds to section `at` in each hour, m³/s.
    pub(super) fn effect(&self, at: usize, change: &[f64]) -> Vec<f64> {
        match self.sections.get(at) {
            Some(parts) if !parts.is_empty() => {
                (0..change.len()).map(|hour| fit::carried(change, parts, hour)).collect()
            }
            Some(_) | None => change.to_vec(),
        }
    }

    /// Mean travel time to section `at`, h.
    pub(super) fn lag_h(&self, at: usize) -> f64 {
        let Some(parts) = self.sections.get(at).filter(|parts| !parts.is_empty()) else { return 0.0 };
        let moment = parts.iter().enumerate().map(|(after, part)| float(after) * part).sum::<f64>();
        moment / parts.iter().sum::<f64>().max(f64::MIN_POSITIVE)
    }

    /// Hours before `until` in which the release of `hour` arrives at section `at`, with the part of it that arrives in each.
    pub(super) fn arrivals(&self, at: usize, hour: usize, until: usize) -> Vec<(usize, f64)> {
        match self.sections.get(at) {
            Some(parts) if !parts.is_empty() => (hour..until).zip(parts.iter().copied()).collect(),
            Some(_) | None => vec![(hour, 1.0)],
        }
    }
}

/// A bell around a travel time, whose width is a fifth of it; a twentieth is lost.
fn spread(lag_h: f64) -> Vec<f64> {
    let width = (0.2 * lag_h).max(0.5);
    let bell = |after: usize| (-0.5 * ((float(after) - lag_h) / width).powi(2)).exp();
    let parts = (0..LONGEST_H).map(bell).collect::<Vec<_>>();
    let sum = parts.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    parts.into_iter().map(|part| 0.95 * part / sum).collect()
}

#[expect(clippy::cast_precision_loss, reason = "hours of some years")]
pub(super) fn float(number: usize) -> f64 {
    number as f64
}
