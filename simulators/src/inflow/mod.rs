//! Flows over time: constants, tables by month, records from CSV files, generators, and what is made of them.

mod chance;
pub mod csv;
mod generator;
mod rain;

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use chance::{Noise, Strength, Stretch};
pub use generator::{Drought, Melt, Peaking, Recession, Storms};
pub use rain::{Fall, Rain};

/// How a flow goes between the points of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Each is the flow at its stamp.
    Instantaneous,
    /// Each is the mean of the day that begins at its stamp: straight lines join the midday points, which
    /// keeps the volume of a week to about 1 %.
    DailyMean,
}

/// What lies beyond the end of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnEnd {
    /// Its last value goes on.
    Hold,
    /// It begins again.
    Repeat,
}

/// A record in scenario time: points joined by straight lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Seconds since 1970 and m³/s, ascending in time, at least one.
    points: Vec<(f64, f64)>,
    /// First second covered, and the length, s.
    span: (f64, f64),
    end: Option<OnEnd>,
}

impl Record {
    /// A record of ascending `points` (at least one) that covers `span` (begin, length; s).
    pub(crate) fn new(points: Vec<(f64, f64)>, span: (f64, f64), end: Option<OnEnd>) -> Self {
        Self { points, span, end }
    }

    /// Flow at a second since 1970; beyond its ends the nearest value, or the record again from its begin.
    pub fn at(&self, t: f64) -> f64 {
        let (begin, length) = self.span;
        let t = match self.end {
            Some(OnEnd::Repeat) if length > 0.0 => begin + (t - begin).rem_euclid(length),
            Some(OnEnd::Repeat | OnEnd::Hold) | None => t,
        };
        let upper = self.points.partition_point(|(at, _)| *at <= t);
        match (upper.checked_sub(1).and_then(|low| self.points.get(low)), self.points.get(upper)) {
            (Some((t0, q0)), Some((t1, q1))) => q0 + (q1 - q0) * (t - t0) / (t1 - t0),
            (Some((_, q)), None) | (None, Some((_, q))) => *q,
            (None, None) => 0.0,
        }
    }

    /// Mean over its points.
    pub(crate) fn mean(&self) -> f64 {
        let sum: f64 = self.points.iter().map(|(_, q)| q).sum();
        #[expect(clippy::cast_precision_loss, reason = "a record has some thousand points")]
        let count = self.points.len().max(1) as f64;
        sum / count
    }

    /// Begin and end of what it covers, s since 1970.
    pub fn covers(&self) -> (f64, f64) {
        (self.span.0, self.span.0 + self.span.1)
    }
}

/// A flood wave of gamma shape on top of a flow.
///
/// q(t) = peak · (x · exp(1 − x))ⁿ with x the time since its begin in times to peak. Source of the shape and of
/// the usual times: domain notes (gamma, 8 h to the peak, base of 48 h).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flood {
    /// When it begins to rise, s since 1970.
    pub begin: f64,
    /// Added at the peak, m³/s.
    pub peak: f64,
    /// From begin to peak, s, positive.
    pub to_peak: f64,
}

/// Exponent of [`Flood`]: after a base of six times to peak 1 % of it is left, (6·e^(−5))ⁿ = 0.0404ⁿ = 0.01.
const FLOOD_EXPONENT: f64 = 1.435;

impl Flood {
    /// Flow it adds at a second since 1970.
    pub fn at(&self, t: f64) -> f64 {
        let x = (t - self.begin) / self.to_peak;
        if x <= 0.0 { 0.0 } else { self.peak * (x * (1.0 - x).exp()).powf(FLOOD_EXPONENT) }
    }
}

/// Where a flow begins with.
#[derive(Clone, Debug, PartialEq)]
pub enum Base {
    /// The same all the time, m³/s.
    Constant(f64),
    /// By calendar month (January first), m³/s.
    Monthly([f64; 12]),
    /// A record.
    Record(Record),
}

/// A flow over time: what it begins with, shaped, and what generators add to it.
///
/// q = (base · shape · daily + recessions + melts) · drought + floods + storms + peaking, with noise on all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Begins with.
    pub base: Base,
    /// Times this record divided by its own mean: the pulses of another river.
    pub shape: Option<Record>,
    /// Times the factor of the hour of the civil day.
    pub daily: Option<[f64; 24]>,
    /// Stores that run out.
    pub recessions: Vec<Recession>,
    /// Snow melt.
    pub melts: Vec<Melt>,
    /// Takes away from all of the above.
    pub drought: Option<Drought>,
    /// And these waves on top.
    pub floods: Vec<Flood>,
    /// Waves at random.
    pub storms: Option<Storms>,
    /// Stations upstream that follow demand.
    pub peaking: Vec<Peaking>,
    /// On all of the above.
    pub noise: Option<Noise>,
    /// Never below zero afterwards; `false` for what may be taken as well as given.
    pub positive: bool,
}

impl Source {
    /// The same all the time.
    pub fn constant(q: f64) -> Self {
        Self::of(Base::Constant(q))
    }

    /// A plain base.
    pub fn of(base: Base) -> Self {
        Self {
            base,
            shape: None,
            daily: None,
            recessions: Vec::new(),
            melts: Vec::new(),
            drought: None,
            floods: Vec::new(),
            storms: None,
            peaking: Vec::new(),
            noise: None,
            positive: true,
        }
    }

    /// Other storms and noise of the same kind.
    pub fn reseed(&mut self, seed: u64) {
        if let Some(storms) = &mut self.storms {
            storms.reseed(seed);
        }
        if let Some(noise) = &mut self.noise {
            noise.reseed(seed);
        }
    }

    /// The same with its base times `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        match &mut self.base {
            Base::Constant(q) => *q *= factor,
            Base::Monthly(months) => months.iter_mut().for_each(|q| *q *= factor),
            Base::Record(record) => record.points.iter_mut().for_each(|(_, q)| *q *= factor),
        }
        self
    }

    /// Flow at an instant, m³/s; `zone` tells month and hour.
    pub fn at(&self, utc: Timestamp, zone: &TimeZone) -> f64 {
        let t = seconds(utc);
        let civil = || zone.to_datetime(utc);
        let mut q = match &self.base {
            Base::Constant(q) => *q,
            Base::Monthly(months) => by_number(months, civil().month() - 1),
            Base::Record(record) => record.at(t),
        };
        if let Some(shape) = &self.shape {
            let mean = shape.mean();
            q *= if mean > 0.0 { shape.at(t) / mean } else { 1.0 };
        }
        if let Some(daily) = &self.daily {
            q *= by_number(daily, civil().hour());
        }
        q += self.recessions.iter().map(|store| store.at(t)).sum::<f64>();
        if !self.melts.is_empty() {
            let hour = hour_of(&civil());
            q += self.melts.iter().map(|melt| melt.at(t, hour)).sum::<f64>();
        }
        if let Some(drought) = &self.drought {
            q *= drought.at(t);
        }
        q += self.floods.iter().map(|flood| flood.at(t)).sum::<f64>();
        q += self.storms.as_ref().map_or(0.0, |storms| storms.at(t));
        if !self.peaking.is_empty() {
            let now = civil();
            let weekday = usize::try_from(now.weekday().to_monday_zero_offset()).unwrap_or(0);
            q += self.peaking.iter().map(|station| station.at(hour_of(&now), weekday)).sum::<f64>();
        }
        if let Some(noise) = &self.noise {
            q = noise.on(q, t);
        }
        if self.positive { q.max(0.0) } else { q }
    }
}

/// Hours since midnight, with their parts.
fn hour_of(civil: &jiff::civil::DateTime) -> f64 {
    f64::from(civil.hour()) + f64::from(civil.minute()) / 60.0 + f64::from(civil.second()) / 3600.0
}

fn by_number(list: &[f64], number: i8) -> f64 {
    usize::try_from(number).ok().and_then(|at| list.get(at)).copied().unwrap_or(0.0)
}

/// Seconds since 1970.
pub fn seconds(utc: Timestamp) -> f64 {
    utc.as_duration().as_secs_f64()
}

/// The instant `after` the start.
pub fn instant(start: Timestamp, after: Duration) -> Timestamp {
    let after = jiff::SignedDuration::try_from(after).unwrap_or(jiff::SignedDuration::ZERO);
    start.saturating_add(after).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_peaks_at_its_time_and_is_over_after_its_base() {
        let flood = Flood { begin: 1000.0, peak: 400.0, to_peak: 8.0 * 3600.0 };
        assert!((flood.at(1000.0 + 8.0 * 3600.0) - 400.0).abs() < 1e-9);
        assert!(flood.at(999.0).abs() < 1e-12);
        assert!((flood.at(1000.0 + 48.0 * 3600.0) - 4.0).abs() < 0.01);
        // x = 0.5: 0.5 · e^0.5 = 0.82436; ^1.435 = 0.7579.
        assert!((flood.at(1000.0 + 4.0 * 3600.0) - 0.7579 * 400.0).abs() < 0.1);
    }

    #[test]
    fn a_record_begins_again_or_goes_on() {
        let points = vec![(0.0, 1.0), (10.0, 2.0)];
        let held = Record::new(points.clone(), (0.0, 20.0), Some(OnEnd::Hold));
        assert_eq!((held.at(-5.0), held.at(5.0), held.at(100.0)), (1.0, 1.5, 2.0));
        let again = Record::new(points, (0.0, 20.0), Some(OnEnd::Repeat));
        assert_eq!((again.at(25.0), again.at(-15.0), again.at(35.0)), (1.5, 1.5, 2.0));
    }

    #[test]
    fn month_and_hour_are_those_of_the_site() {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let mut months = [0.0; 12];
        (months[3], months[4]) = (4.0, 5.0);
        let source = Source::of(Base::Monthly(months));
        let at = |text: &str| source.at(text.parse().unwrap(), &zone);
        assert_eq!((at("2026-04-30T15:59:59Z"), at("2026-04-30T16:00:00Z")), (4.0, 5.0));
    }

    /// Base 2, twice in its first month's hour; a store of 1 long run out by half; half of it taken by drought; a station
    /// of 0.5 and noise on the whole.
    #[test]
    fn generators_add_up_in_their_order() {
        let zone = TimeZone::UTC;
        let t = "2026-05-04T09:00:00Z".parse::<Timestamp>().unwrap();
        let now = seconds(t);
        let day = 86_400.0;
        let mut source = Source {
            daily: Some([2.0; 24]),
            recessions: vec![Recession { begin: now - day * 2.0_f64.ln(), flow: 1.0, constant: day }],
            drought: Some(Drought { begin: now - day, end: now + day, share: 0.0 }),
            floods: vec![Flood { begin: now - 3600.0, peak: 3.0, to_peak: 3600.0 }],
            peaking: vec![Peaking {
                blocks: vec![(8.0, 10.0)],
                on: 0.5,
                off: 0.0,
                ramp_h: 0.0,
                days: [true; 7],
            }],
            ..Source::constant(2.0)
        };
        // (2 · 2 + 0.5) · 0.5 + 3 + 0.5 = 5.75.
        assert!((source.at(t, &zone) - 5.75).abs() < 1e-9);
        let stretch = Stretch { from: now - day, to: now + day };
        let noise = Noise::new(1, "x", Strength::Share(0.1), 6.0 * 3600.0, stretch);
        let expected = 5.75 * (1.0 + 0.1 * noise.at(now));
        source.noise = Some(noise);
        assert!((source.at(t, &zone) - expected).abs() < 1e-9);
    }
}
