//! Samples of one point as a signal in time, and what it comes to by minute, hour or day.
//!
//! A sample holds until the next one of its point, at most for [`HOLD`]: a point at rest is kept every ten minutes,
//! so that longer silence means that nothing was recorded. Values that are stale, suspect or bad are no numbers here:
//! they cover no time.

use jiff::{SignedDuration, Timestamp};

use crate::control::quality::Quality;

/// Longest time a sample speaks for: the ten minutes after which a point at rest is kept again, and a slow scan.
pub const HOLD: SignedDuration = SignedDuration::from_secs(660);
/// A minute.
pub const MINUTE: SignedDuration = SignedDuration::from_secs(60);
/// An hour.
pub const HOUR: SignedDuration = SignedDuration::from_secs(3600);

/// One kept value of one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// When.
    pub utc: Timestamp,
    /// Value in the point's unit; none when there was no number.
    pub value: Option<f64>,
    /// How far to trust it.
    pub quality: Quality,
}

impl Kept {
    /// The number when it was measured, or put in by a person, at that time; stale and suspect values are none.
    pub fn measured(&self) -> Option<f64> {
        match self.quality {
            Quality::Good | Quality::Simulated | Quality::Substituted => {
                self.value.filter(|value| value.is_finite())
            }
            Quality::Stale | Quality::Suspect | Quality::Bad => None,
        }
    }
}

/// A stretch of time with one known value, ms since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    from: i64,
    to: i64,
    value: f64,
}

/// What a point showed over time; unknown where nothing was recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signal {
    steps: Vec<Step>,
}

/// A least or largest value and when it was first there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extreme {
    /// It, in the point's unit.
    pub value: f64,
    /// When.
    pub at: Timestamp,
}

/// What a signal comes to over a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aggregate {
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// Least value; `None` when nothing is known.
    pub least: Option<Extreme>,
    /// Largest value.
    pub most: Option<Extreme>,
    /// Mean over the time known, weighted by time.
    pub mean: Option<f64>,
    /// Time known, s.
    pub covered_s: f64,
}

impl Aggregate {
    /// Length of the span, s.
    pub fn length_s(&self) -> f64 {
        seconds(self.to.as_millisecond() - self.from.as_millisecond())
    }

    /// Share of the span that is known, 0..=1; 0 for an empty span.
    pub fn completeness(&self) -> f64 {
        if self.to > self.from { self.covered_s / self.length_s() } else { 0.0 }
    }

    /// The mean when at least this share of the span is known.
    pub fn mean_if(&self, share: f64) -> Option<f64> {
        self.mean.filter(|_| self.completeness() >= share)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a thousand years of milliseconds are below 2⁵³")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

impl Signal {
    /// The signal of samples of one point in the order written. Where a clock was set back they are put in order of
    /// time; of two with the same time the later written holds.
    pub fn new(samples: &[Kept]) -> Self {
        let mut samples: Vec<_> = samples.iter().map(|kept| (kept.utc.as_millisecond(), kept)).collect();
        samples.sort_by_key(|(at, _)| *at);
        let hold = i64::try_from(HOLD.as_millis()).unwrap_or(i64::MAX);
        let mut steps = Vec::new();
        for (index, (from, kept)) in samples.iter().enumerate() {
            let next = samples.get(index + 1).map_or(i64::MAX, |(at, _)| *at);
            let to = next.min(from.saturating_add(hold));
            if let (Some(value), true) = (kept.measured(), to > *from) {
                steps.push(Step { from: *from, to, value });
            }
        }
        Self { steps }
    }

    /// The value at an instant, if it is known.
    pub fn at(&self, utc: Timestamp) -> Option<f64> {
        let at = utc.as_millisecond();
        let after = self.steps.partition_point(|step| step.from <= at);
        let step = self.steps.get(after.checked_sub(1)?)?;
        (at < step.to).then_some(step.value)
    }

    /// What it comes to from `from` until before `to`.
    pub fn over(&self, from: Timestamp, to: Timestamp) -> Aggregate {
        let begin = from.as_millisecond();
        let first = self.steps.partition_point(|step| step.to <= begin);
        self.gather(first, from, to)
    }

    /// What it comes to over spans of this width (at least 1 ms) one after another; the last one ends at `to`.
    pub fn by(&self, width: SignedDuration, from: Timestamp, to: Timestamp) -> Vec<Aggregate> {
        let width = width.max(SignedDuration::from_millis(1));
        let mut list = Vec::new();
        let (mut first, mut begin) = (0, from);
        while begin < to {
            let end = begin.saturating_add(width).map_or(to, |end| end.min(to));
            while self.steps.get(first).is_some_and(|step| step.to <= begin.as_millisecond()) {
                first += 1;
            }
            list.push(self.gather(first, begin, end));
            begin = end;
        }
        list
    }

    /// From the step `first` on, which is the first that ends after `from`.
    fn gather(&self, first: usize, from: Timestamp, to: Timestamp) -> Aggregate {
        let (begin, end) = (from.as_millisecond(), to.as_millisecond());
        let (mut covered, mut sum) = (0_i64, 0.0);
        let mut least: Option<Extreme> = None;
        let mut most: Option<Extreme> = None;
        for step in self.steps.iter().skip(first).take_while(|step| step.from < end) {
            let (since, until) = (step.from.max(begin), step.to.min(end));
            if until <= since {
                continue;
            }
            covered += until - since;
            sum += step.value * seconds(until - since);
            let here =
                || Extreme { value: step.value, at: Timestamp::from_millisecond(since).unwrap_or(from) };
            if least.is_none_or(|least| step.value < least.value) {
                least = Some(here());
            }
            if most.is_none_or(|most| step.value > most.value) {
                most = Some(here());
            }
        }
        let covered_s = seconds(covered);
        // Within the extremes whatever the sums round to: a flow that stands on its floor has that mean.
        let mean = (least.zip(most)).map(|(least, most)| (sum / covered_s).clamp(least.value, most.value));
        Aggregate { from, to, least, most, mean, covered_s }
    }
}

/// What a span came to, without when its extremes were: what is kept of it for years.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Least value.
    pub least: f64,
    /// Largest value.
    pub most: f64,
    /// Value times time, in the point's unit times s.
    sum: f64,
    /// Time known, ms; above 0.
    pub covered_ms: i64,
}

impl Bin {
    /// From its figures.
    pub fn of(least: f64, mean: f64, most: f64, covered_ms: i64) -> Self {
        Self { least, most, sum: mean * seconds(covered_ms), covered_ms }
    }

    /// Whether nothing moved while it was known.
    pub fn is_still(&self) -> bool {
        self.least >= self.most
    }

    /// Mean over the time known, weighted by time.
    pub fn mean(&self) -> f64 {
        let mean = self.sum / seconds(self.covered_ms.max(1));
        mean.max(self.least).min(self.most)
    }

    /// Both spans together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            most: self.most.max(other.most),
            sum: self.sum + other.sum,
            covered_ms: self.covered_ms + other.covered_ms,
        }
    }
}

/// One point as its samples come in, closed bin by bin: [`Signal::by`] without keeping the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Running {
    value: Option<f64>,
    /// Counted up to here, ms since 1970.
    since: i64,
    /// The value holds until here at most.
    until: i64,
    bin: Option<Bin>,
}

impl Default for Running {
    fn default() -> Self {
        Self::since(i64::MIN)
    }
}

impl Running {
    /// Nothing before `ms` (since 1970) is counted; a sample from before it tells the value at it.
    pub fn since(ms: i64) -> Self {
        Self { value: None, since: ms, until: ms, bin: None }
    }

    /// Takes in the next sample. One from before what is counted already, where a clock was set back, holds from here on.
    pub fn take(&mut self, kept: &Kept) {
        let at = kept.utc.as_millisecond();
        self.count(at);
        self.value = kept.measured();
        self.until = at.saturating_add(i64::try_from(HOLD.as_millis()).unwrap_or(i64::MAX));
    }

    /// Ends the bin at `ms` and begins the next; `None` when nothing of it is known.
    pub fn close(&mut self, ms: i64) -> Option<Bin> {
        self.count(ms);
        self.bin.take()
    }

    fn count(&mut self, to: i64) {
        let upto = to.min(self.until);
        if let Some(value) = self.value.filter(|_| upto > self.since) {
            let more = Bin::of(value, value, value, upto - self.since);
            self.bin = Some(self.bin.map_or(more, |bin| bin.and(more)));
        }
        self.since = self.since.max(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn good(second: i64, value: f64) -> Kept {
        Kept { utc: at(second), value: Some(value), quality: Quality::Good }
    }

    #[test]
    fn a_mean_is_weighted_by_time() {
        // 1.0 for 15 s, 4.0 for 45 s: (15 + 180) / 60 = 3.25.
        let signal = Signal::new(&[good(0, 1.0), good(15, 4.0), good(60, 9.0)]);
        let minute = signal.over(at(0), at(60));
        assert_eq!((minute.mean, minute.covered_s, minute.completeness()), (Some(3.25), 60.0, 1.0));
        assert_eq!(minute.least, Some(Extreme { value: 1.0, at: at(0) }));
        assert_eq!(minute.most, Some(Extreme { value: 4.0, at: at(15) }));
    }

    #[test]
    fn silence_ends_a_value_after_eleven_minutes_and_is_a_gap() {
        // 660 s of the first hour are known.
        let signal = Signal::new(&[good(0, 2.0)]);
        let hour = signal.over(at(0), at(3600));
        assert_eq!((hour.mean, hour.covered_s), (Some(2.0), 660.0));
        assert_eq!(hour.mean_if(0.8), None);
        assert_eq!((signal.at(at(659)), signal.at(at(660))), (Some(2.0), None));
        let later = signal.over(at(3600), at(7200));
        assert_eq!((later.mean, later.least, later.completeness()), (None, None, 0.0));
    }

    #[test]
    fn a_value_that_is_stale_suspect_or_bad_covers_no_time() {
        for quality in [Quality::Stale, Quality::Suspect, Quality::Bad] {
            let lost = Kept { quality, ..good(30, 5.0) };
            let minute = Signal::new(&[good(0, 2.0), lost]).over(at(0), at(60));
            assert_eq!((minute.mean, minute.covered_s), (Some(2.0), 30.0));
        }
        let manual = Kept { quality: Quality::Substituted, ..good(0, 3.0) };
        assert_eq!(Signal::new(&[manual]).over(at(0), at(60)).mean, Some(3.0));
    }

    #[test]
    fn spans_follow_each_other_and_the_last_is_cut() {
        let signal = Signal::new(&[good(0, 1.0), good(90, 2.0)]);
        let minutes = signal.by(MINUTE, at(0), at(150));
        // The second minute: 30 s of 1 and 30 s of 2.
        assert_eq!(minutes.iter().map(|m| m.mean).collect::<Vec<_>>(), [Some(1.0), Some(1.5), Some(2.0)]);
        assert_eq!(minutes.last().map(Aggregate::length_s), Some(30.0));
    }

    #[test]
    fn a_clock_set_back_puts_samples_in_order_and_the_later_written_holds() {
        let signal = Signal::new(&[good(0, 1.0), good(60, 3.0), good(30, 2.0), good(60, 5.0)]);
        assert_eq!(
            (signal.at(at(29)), signal.at(at(30)), signal.at(at(60))),
            (Some(1.0), Some(2.0), Some(5.0))
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Taken in one by one, samples come to the same minutes.
        #[test]
        fn running_bins_are_those_of_the_signal(
            samples in proptest::collection::vec((0_i64..7200, 0.0..10.0_f64, 0..4_u8), 0..60)
        ) {
            let mut samples: Vec<_> = samples
                .into_iter()
                .map(|(second, value, lost)| match lost {
                    0 => Kept { quality: Quality::Bad, ..good(second, value) },
                    _ => good(second, value),
                })
                .collect();
            samples.sort_by_key(|kept| kept.utc);
            let expected = Signal::new(&samples).by(MINUTE, at(0), at(7200));
            let (mut running, mut next) = (Running::default(), samples.iter().peekable());
            for (minute, expected) in (1..).zip(&expected) {
                while let Some(kept) = next.next_if(|kept| kept.utc < at(60 * minute)) {
                    running.take(kept);
                }
                let bin = running.close(60_000 * minute);
                prop_assert_eq!(bin.map(|bin| bin.least), expected.least.map(|least| least.value));
                prop_assert_eq!(bin.map(|bin| bin.most), expected.most.map(|most| most.value));
                let known = Some(expected.covered_s).filter(|known| *known > 0.0);
                prop_assert_eq!(bin.map(|bin| seconds(bin.covered_ms)), known);
                let apart = bin.map_or(0.0, |bin| bin.mean()) - expected.mean.unwrap_or(0.0);
                prop_assert!(apart.abs() < 1e-9);
            }
        }

        /// Sixty minutes hold the water of their hour, and its extremes.
        #[test]
        fn minutes_add_up_to_their_hour(
            samples in proptest::collection::vec((0_i64..3600, 0.0..10.0_f64), 0..60)
        ) {
            let samples: Vec<_> = samples.into_iter().map(|(second, value)| good(second, value)).collect();
            let signal = Signal::new(&samples);
            let hour = signal.over(at(0), at(3600));
            let minutes = signal.by(MINUTE, at(0), at(3600));
            prop_assert_eq!(minutes.len(), 60);
            let water: f64 = minutes.iter().filter_map(|m| Some(m.mean? * m.covered_s)).sum();
            prop_assert!((water - hour.mean.unwrap_or(0.0) * hour.covered_s).abs() < 1e-6);
            let least = minutes.iter().filter_map(|m| m.least).map(|e| e.value).reduce(f64::min);
            prop_assert_eq!(least, hour.least.map(|e| e.value));
        }
    }
}
