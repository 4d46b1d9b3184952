//! From what the field delivered to readings that control may use or must not.

use std::time::Duration;

use super::quality::{Quality, Reading, Reason, Sample};
use crate::basin::{Basin, MeterId};
use crate::points::{Element, Field, PointId, Role};

/// Hold time of points that belong to no meter (positions, switches), s: the local gate loop of the
/// control parameters.
const LOCAL_HOLD_S: f64 = 300.0;

/// Limits of one point, resolved once from basin and field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grading {
    stale_after: Duration,
    hold: Duration,
    min: f64,
    max: f64,
    rate_per_s: f64,
}

/// Grades points, with the little memory it needs for rates of change.
#[derive(Clone, Debug, PartialEq)]
pub struct Grader {
    pub(super) gradings: Vec<Option<Grading>>,
    pub(super) previous: Vec<Option<(f64, Duration)>>,
}

impl Grader {
    /// A grader for the points of `field`; points that are never scanned stay ungraded.
    pub fn new(basin: &Basin, field: &Field) -> Self {
        let gradings =
            (0..field.points.len()).map(|at| grading(basin, field, PointId(at))).collect::<Vec<_>>();
        let previous = vec![None; gradings.len()];
        Self { gradings, previous }
    }

    /// Grades `samples` into `readings` (both by point).
    pub fn grade(&mut self, samples: &[Sample], now: Duration, readings: &mut Vec<Reading>) {
        readings.resize(self.gradings.len(), Reading::NEVER);
        for (at, reading) in readings.iter_mut().enumerate() {
            let (Some(Some(grading)), Some(previous)) = (self.gradings.get(at), self.previous.get_mut(at))
            else {
                continue;
            };
            let sample = samples.get(at).copied().unwrap_or_default();
            *reading = grade_one(*grading, sample, previous, reading, now);
        }
    }
}

fn grading(basin: &Basin, field: &Field, point: PointId) -> Option<Grading> {
    let stale_s = field.stale_s(point)?;
    let spec = field.points.get(point.0)?;
    let meter = match (spec.element, spec.role) {
        (Element::Meter(MeterId(at)), Role::Value) => basin.meters.get(at),
        (Element::Meter(_) | Element::Gate(_) | Element::None, _) => None,
    };
    let bound = |own: Option<f64>, of_meter: Option<f64>, outer: f64| own.or(of_meter).unwrap_or(outer);
    Some(Grading {
        stale_after: Duration::from_secs_f64(stale_s),
        hold: Duration::from_secs_f64(meter.map_or(LOCAL_HOLD_S, |m| m.hold_s)),
        min: bound(spec.min, meter.map(|m| m.min), f64::NEG_INFINITY),
        max: bound(spec.max, meter.map(|m| m.max), f64::INFINITY),
        rate_per_s: meter.and_then(|m| m.max_rate_per_min).map_or(f64::INFINITY, |rate| rate / 60.0),
    })
}

fn grade_one(
    grading: Grading,
    sample: Sample,
    previous: &mut Option<(f64, Duration)>,
    before: &Reading,
    now: Duration,
) -> Reading {
    let Some((value, at)) = sample.good else {
        return Reading { reason: Some(sample.fault.unwrap_or(Reason::NeverRead)), ..Reading::NEVER };
    };
    // No decoder makes such a number, and none may come further than here.
    if !value.is_finite() {
        return Reading { reason: Some(Reason::OutOfRange), ..Reading::NEVER };
    }
    let seen = Reading {
        value: Some(value),
        quality: Quality::Good,
        reason: None,
        taken_at: Some(at),
        last_good: Some(value),
    };
    let age = now.saturating_sub(at);
    if age > grading.hold {
        let reason = Some(sample.fault.unwrap_or(Reason::Stale));
        return Reading { value: None, quality: Quality::Bad, reason, ..seen };
    }
    // A device that answers "no value" is not silent: its old number must not go on as if it were.
    if matches!(
        sample.fault,
        Some(Reason::Sentinel | Reason::ConfigError | Reason::OutOfRange | Reason::WrongDevice)
    ) {
        return Reading { value: None, quality: Quality::Bad, reason: sample.fault, ..seen };
    }
    if value < grading.min || value > grading.max {
        return Reading { quality: Quality::Suspect, reason: Some(Reason::OutOfRange), ..seen };
    }
    if too_fast(grading, value, at, previous, before) {
        return Reading { quality: Quality::Suspect, reason: Some(Reason::Rate), ..seen };
    }
    if age > grading.stale_after {
        return Reading {
            quality: Quality::Stale,
            reason: Some(sample.fault.unwrap_or(Reason::Stale)),
            ..seen
        };
    }
    seen
}

/// Whether the newest step is faster than water; the new level is believed when it persists for a minute.
fn too_fast(
    grading: Grading,
    value: f64,
    at: Duration,
    previous: &mut Option<(f64, Duration)>,
    before: &Reading,
) -> bool {
    const BELIEVED_AFTER: Duration = Duration::from_secs(60);
    let Some((last, last_at)) = *previous else {
        *previous = Some((value, at));
        return false;
    };
    if at <= last_at {
        return before.reason == Some(Reason::Rate) && before.taken_at == Some(at);
    }
    let since = at.saturating_sub(last_at);
    let credible = grading.rate_per_s * since.as_secs_f64().max(1.0);
    if (value - last).abs() <= credible || since > BELIEVED_AFTER {
        *previous = Some((value, at));
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRADING: Grading = Grading {
        stale_after: Duration::from_secs(15),
        hold: Duration::from_secs(1800),
        min: 0.0,
        max: 50.0,
        rate_per_s: 0.1,
    };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn once(sample: Sample, now: u64) -> Reading {
        grade_one(GRADING, sample, &mut None, &Reading::NEVER, at(now))
    }

    #[test]
    fn age_takes_a_value_from_good_over_stale_to_bad() {
        let sample = Sample { good: Some((1.5, at(100))), fault: None };
        assert_eq!(once(sample, 115).quality, Quality::Good);
        assert_eq!(once(sample, 116).quality, Quality::Stale);
        assert_eq!(once(sample, 116).usable(), Some(1.5));
        let gone = once(sample, 1901);
        assert_eq!((gone.quality, gone.value, gone.last_good), (Quality::Bad, None, Some(1.5)));
    }

    #[test]
    fn a_sentinel_ends_the_number_at_once() {
        let sample = Sample { good: Some((1.5, at(100))), fault: Some(Reason::Sentinel) };
        assert_eq!(once(sample, 101).value, None);
    }

    #[test]
    fn nothing_read_is_no_number() {
        assert_eq!(once(Sample::default(), 5).usable(), None);
    }

    #[test]
    fn what_is_no_number_comes_no_further() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let reading = once(Sample { good: Some((value, at(4))), fault: None }, 5);
            assert_eq!((reading.value, reading.last_good, reading.quality), (None, None, Quality::Bad));
        }
    }

    #[test]
    fn a_jump_is_suspect_until_it_has_stood_a_minute() {
        let mut previous = None;
        let mut see = |value: f64, time: u64| {
            let sample = Sample { good: Some((value, at(time))), fault: None };
            grade_one(GRADING, sample, &mut previous, &Reading::NEVER, at(time)).quality
        };
        assert_eq!(see(1.5, 0), Quality::Good);
        assert_eq!(see(9.0, 5), Quality::Suspect);
        assert_eq!(see(9.0, 10), Quality::Suspect);
        assert_eq!(see(9.0, 65), Quality::Good);
    }
}
