//! Instruments: what a meter makes of the truth.
//!
//! Error of a sound meter: class `accuracy` is taken as two standard deviations. Four fifths of the variance move slowly
//! (knots two hours apart, straight between, their mean of each UTC day removed, so that a day's mean is unbiased), one
//! fifth is new every second. Both come from a counter-based generator of seed, meter and time, so that they do not
//! depend on how often somebody looks.

use std::collections::VecDeque;

use qindan::basin::{Meter, MeterKind};

use super::fault::{Encoding, MeterFault, Surroundings};
use super::principle::{Principle, Water};

/// Knots of the slow error per day.
const KNOTS: u64 = 12;
/// Time between two knots, s.
const KNOT_S: u64 = 86_400 / KNOTS;
/// Brings the slow error to unit variance: 11 of 12 knots are free, less their mean, with straight lines between,
/// which keep two thirds: 1/√(11/12 · 10/11 · 2/3).
const SLOW_GAIN: f64 = 1.341_640_786;
/// Share of the standard deviation that is slow and new every second: √(4/5) and √(1/5).
const SLOW_SHARE: f64 = 0.894_427_191;
const QUICK_SHARE: f64 = 0.447_213_595;
/// √3.
const ROOT_3: f64 = 1.732_050_807_568_877_2;
/// Resolution of level meters, m. Source: pressure and radar level gauges transmit millimetres.
const LEVEL_STEP_M: f64 = 0.001;

/// What a meter shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Signal {
    /// A value.
    Value(f64),
    /// Nothing it could put into a number: below its least velocity, outside its range, or failed.
    Nothing {
        /// The end of its range that is nearest, for points without a "no value" pattern.
        nearest: f64,
    },
}

/// A meter with its memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sensor {
    key: u64,
    min: f64,
    max: f64,
    relative: f64,
    absolute: f64,
    step: f64,
    principle: Principle,
    /// What it shows over what it should, lastingly: it was never set right.
    pub(crate) gain: f64,
    pub(crate) fault: MeterFault,
    /// What its device makes of the number.
    pub(crate) encoding: Encoding,
    /// What acts on its principle where it stands.
    pub(crate) around: Surroundings,
    /// Damped truth and when, s.
    memory: Option<(f64, f64)>,
    shown: Option<Signal>,
    /// What it measured and when, s, while it tells of it late.
    queue: VecDeque<(f64, Signal)>,
    /// Water counted since the beginning, m³, and until when, s.
    pub(crate) total: f64,
    counted: f64,
    /// Knots around the present time: number of the first, and both values.
    knots: Option<(u64, f64, f64)>,
}

impl Sensor {
    pub(crate) fn new(meter: &Meter, seed: u64, at: usize) -> Self {
        let is_level = meter.kind == MeterKind::Level;
        Self {
            key: mix(seed ^ mix(at as u64 + 1)),
            min: meter.min,
            max: meter.max,
            relative: meter.accuracy,
            absolute: meter.accuracy_abs,
            step: if is_level { LEVEL_STEP_M } else { 0.0 },
            principle: Principle::of(&meter.principle, is_level),
            gain: 1.0,
            fault: MeterFault::None,
            encoding: Encoding::default(),
            around: Surroundings::default(),
            memory: None,
            shown: None,
            queue: VecDeque::new(),
            total: 0.0,
            counted: 0.0,
            knots: None,
        }
    }

    /// Whether [`Sensor::sense`] asks for the water where it stands.
    pub(crate) fn needs_water(&self) -> bool {
        self.principle.needs_velocity() || self.around != Surroundings::default()
    }

    /// In order, and nothing around it that misleads it.
    pub(crate) fn is_sound(&self) -> bool {
        self.fault == MeterFault::None
            && self.encoding == Encoding::default()
            && self.around == Surroundings::default()
    }

    pub(crate) fn fail(&mut self, fault: MeterFault) {
        self.fault = fault;
        self.queue.clear();
    }

    /// Everything about it is in order again.
    pub(crate) fn mend(&mut self) {
        self.fail(MeterFault::None);
        (self.encoding, self.around) = (Encoding::default(), Surroundings::default());
    }

    /// Shows `truth` at `now` (s since the start, and s since the epoch of UTC) with the `water` there.
    pub(crate) fn sense(&mut self, truth: f64, now: f64, utc: i64, water: Option<Water>) -> Signal {
        let signal = self.signal(truth, now, utc, water);
        self.shown = Some(signal);
        if let Signal::Value(flow) = signal {
            // Counters of flow meters count one way.
            self.total += flow.max(0.0) * (now - self.counted).max(0.0);
        }
        self.counted = now;
        signal
    }

    fn signal(&mut self, truth: f64, now: f64, utc: i64, water: Option<Water>) -> Signal {
        if let (MeterFault::Frozen, Some(shown)) = (self.fault, self.shown) {
            return shown;
        }
        let there = self.principle.sees(truth, water, &self.around);
        let felt = there.unwrap_or(truth);
        let damping = self.principle.damping_s();
        let damped = match self.memory {
            Some((before, at)) if now > at => before + (felt - before) * (now - at) / (damping + now - at),
            Some((before, _)) => before,
            None => felt,
        };
        self.memory = Some((damped, now));
        let deviation = 0.5 * (self.relative * damped.abs()).hypot(self.absolute);
        let mut noisy = self.gain * damped + deviation * self.noise(utc);
        let extra = self.principle.unrest(damped, &self.around);
        if extra > 0.0 {
            noisy += extra * self.quick(utc, 0x5241);
        }
        let wrong = match self.fault {
            MeterFault::None | MeterFault::Frozen | MeterFault::Sentinel | MeterFault::Late { .. } => noisy,
            MeterFault::Stuck { value } => value,
            MeterFault::Bias { add, factor } => noisy * factor + add,
            MeterFault::Drift { per_day, since } => noisy * (1.0 + per_day * (now - since) / 86_400.0),
            MeterFault::Spike { add, every_s, for_s, since } => {
                noisy + if (now - since) % every_s < for_s { add } else { 0.0 }
            }
            MeterFault::Noise { deviation } => noisy + deviation * self.quick(utc, 0x4E4F),
        };
        let value = if self.step > 0.0 { (wrong / self.step).round() * self.step } else { wrong };
        let blind = there.is_none() || self.fault == MeterFault::Sentinel;
        let measured = if blind || value < self.min || value > self.max {
            Signal::Nothing { nearest: if value > self.max { self.max } else { self.min } }
        } else {
            Signal::Value(value)
        };
        match self.fault {
            MeterFault::Late { by_s } => self.late(measured, now, by_s),
            MeterFault::None
            | MeterFault::Frozen
            | MeterFault::Stuck { .. }
            | MeterFault::Bias { .. }
            | MeterFault::Drift { .. }
            | MeterFault::Spike { .. }
            | MeterFault::Noise { .. }
            | MeterFault::Sentinel => measured,
        }
    }

    /// What it measured `by_s` ago; until it has known that long, what it shows already.
    fn late(&mut self, measured: Signal, now: f64, by_s: f64) -> Signal {
        self.queue.push_back((now, measured));
        let mut told = None;
        while let Some((_, signal)) = self.queue.front().copied().filter(|(at, _)| *at <= now - by_s) {
            told = Some(signal);
            self.queue.pop_front();
        }
        told.or(self.shown).unwrap_or(measured)
    }

    /// A number of nearly normal distribution, new every second, of a kind.
    fn quick(&self, utc: i64, kind: u64) -> f64 {
        normal(self.key ^ mix(utc.unsigned_abs() ^ (kind << 40)))
    }

    /// Error in standard deviations at `utc`.
    fn noise(&mut self, utc: i64) -> f64 {
        // Shifted so that no civil date is negative.
        let second = utc.unsigned_abs().wrapping_add(if utc < 0 { 1 << 40 } else { 0 });
        let span = second / KNOT_S;
        if self.knots.is_none_or(|knots| knots.0 != span) {
            self.knots = Some((span, self.knot(span), self.knot(span + 1)));
        }
        let (_, from, to) = self.knots.unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "seconds of two hours")]
        let share = (second % KNOT_S) as f64 / KNOT_S as f64;
        let slow = from + (to - from) * share;
        let quick = normal(self.key ^ mix(second ^ 0x5157));
        SLOW_SHARE * SLOW_GAIN * slow + QUICK_SHARE * quick
    }

    /// A knot of the slow error: zero at midnight, the others less their mean, so that a day's mean is zero and days
    /// join.
    fn knot(&self, span: u64) -> f64 {
        let day = span / KNOTS;
        if span.is_multiple_of(KNOTS) {
            return 0.0;
        }
        let raw = |knot: u64| normal(self.key ^ mix(day * KNOTS + knot));
        #[expect(clippy::cast_precision_loss, reason = "a dozen")]
        let mean = (1..KNOTS).map(raw).sum::<f64>() / (KNOTS - 1) as f64;
        raw(span % KNOTS) - mean
    }
}

/// A well mixed function of one number (Steele, Lea and Flood 2014, the finaliser of `SplitMix64`).
pub(crate) fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number from nearly the normal distribution: sum of four even ones (Irwin–Hall), within ±3.5.
pub(crate) fn normal(key: u64) -> f64 {
    let bits = mix(key);
    let sum = (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48);
    #[expect(clippy::cast_precision_loss, reason = "at most 18 bits")]
    let mean_two = (sum as f64 + 2.0) / 65_536.0;
    // Mean 2, variance 4/12.
    (mean_two - 2.0) * ROOT_3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::meter;
    use qindan::basin::Place;

    fn sensor(principle: &str, kind: MeterKind) -> Sensor {
        let spec = Meter { principle: principle.into(), ..meter("m", kind, Place::Outside, &[]) };
        Sensor::new(&spec, 7, 0)
    }

    fn exact(principle: &str, kind: MeterKind) -> Sensor {
        Sensor { relative: 0.0, absolute: 0.0, ..sensor(principle, kind) }
    }

    #[test]
    fn a_damped_meter_has_shown_two_thirds_of_a_step_after_its_time_constant() {
        // 20 s in steps of one: 1 − (20/21)^20 = 0.6231.
        let mut meter = exact("rating_curve", MeterKind::RiverFlow);
        meter.sense(1.0, 0.0, 0, None);
        let shown = (1..=20).map(|s| meter.sense(2.0, f64::from(s), 0, None)).last().unwrap();
        let Signal::Value(value) = shown else { panic!("{shown:?}") };
        assert!((value - 1.6231).abs() < 1e-3, "{value}");
    }

    #[test]
    fn radar_shows_nothing_in_slow_water() {
        let mut meter = exact("radar_velocity", MeterKind::RiverFlow);
        assert_eq!(meter.sense(1.0, 0.0, 0, Some(Water { velocity: 0.30, depth: 0.5 })), Signal::Value(1.0));
        assert_eq!(
            meter.sense(1.0, 1.0, 0, Some(Water { velocity: 0.11, depth: 0.5 })),
            Signal::Nothing { nearest: 0.05 }
        );
    }

    #[test]
    fn outside_its_range_a_meter_shows_nothing() {
        let mut low = exact("rating_curve", MeterKind::RiverFlow);
        assert_eq!(low.sense(0.04, 0.0, 0, None), Signal::Nothing { nearest: 0.05 });
        let mut high = exact("rating_curve", MeterKind::RiverFlow);
        assert_eq!(high.sense(4001.0, 0.0, 0, None), Signal::Nothing { nearest: 4000.0 });
    }

    #[test]
    fn levels_come_in_millimetres() {
        let mut level = sensor("pressure", MeterKind::Level);
        let Signal::Value(value) = level.sense(742.123_456, 0.0, 4000, None) else { panic!() };
        assert!((value * 1000.0 - (value * 1000.0).round()).abs() < 1e-6 && (value - 742.123).abs() < 0.03);
    }

    #[test]
    fn the_error_does_not_depend_on_how_often_one_looks() {
        let (mut often, mut once) =
            (sensor("mag", MeterKind::RiverFlow), sensor("mag", MeterKind::RiverFlow));
        let seen = (0..=5000_i32).map(|s| often.sense(2.0, f64::from(s), i64::from(s), None)).last();
        once.sense(2.0, 0.0, 0, None);
        assert_eq!(seen, Some(once.sense(2.0, 5000.0, 5000, None)));
    }

    #[test]
    fn the_slow_error_joins_over_midnight_and_has_no_mean() {
        let mut meter = sensor("mag", MeterKind::RiverFlow);
        let day = 20_575;
        for at in [day * 12, (day + 1) * 12] {
            assert!(meter.knot(at).abs() < 1e-12);
        }
        let mean = (0..12).map(|knot| meter.knot(day * 12 + knot)).sum::<f64>() / 12.0;
        assert!(mean.abs() < 1e-12);
        let before = meter.noise(86_400 * 20_576 - 1);
        let after = meter.noise(86_400 * 20_576);
        // Only what is new every second is left.
        assert!(before.abs().max(after.abs()) < 3.5 * QUICK_SHARE + 0.01);
    }
}
