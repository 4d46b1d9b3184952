//! Rain at the gauges: falls, and those that bring the storms of an inflow.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::{Flood, Source, seconds};

/// Civil hour at which the day of rain begins. Source: domain notes, 1 (SL 651-2014: the day begins at 8 o'clock).
const DAY_BEGINS: i8 = 8;

/// Rain that falls evenly over a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fall {
    /// Begin, s since 1970.
    pub begin: f64,
    /// How long, s, positive.
    pub lasts: f64,
    /// All of it, mm.
    pub mm: f64,
}

impl Fall {
    /// What of it falls between two seconds since 1970, mm.
    fn between(&self, from: f64, to: f64) -> f64 {
        let (begin, end) = (from.max(self.begin), to.min(self.begin + self.lasts));
        self.mm * ((end - begin) / self.lasts).max(0.0)
    }

    /// The fall that brings a wave: over one time to peak, half of it before the water rises. Assumed, for catchments whose
    /// peak lags their rain by as long as the rain lasts.
    fn of(wave: &Flood, mm: f64) -> Self {
        Self { begin: wave.begin - 0.5 * wave.to_peak, lasts: wave.to_peak, mm }
    }
}

/// The rain at one gauge.
#[derive(Clone, Debug, PartialEq)]
pub struct Rain {
    /// Position of the meter in the basin.
    pub meter: usize,
    /// Inflow whose storms it has, and rain of a storm with their mean peak, mm; others in proportion to theirs.
    pub storms: Option<(usize, f64)>,
    /// And these.
    pub falls: Vec<Fall>,
}

impl Rain {
    /// Rain since the day of rain began, mm.
    pub fn since_day_began(&self, inflows: &[Source], utc: Timestamp, zone: &TimeZone) -> f64 {
        let (from, to) = (day_began(utc, zone), seconds(utc));
        let falls = self.falls.iter().map(|fall| fall.between(from, to)).sum::<f64>();
        let storms = self.storms.and_then(|(inflow, mm)| Some((inflows.get(inflow)?.storms.as_ref()?, mm)));
        let stormy = storms.map_or(0.0, |(storms, mm)| {
            let share = |wave: &Flood| if storms.peak > 0.0 { wave.peak / storms.peak } else { 0.0 };
            let near = storms.waves().iter().filter(|wave| wave.begin - 0.5 * wave.to_peak < to);
            near.map(|wave| Fall::of(wave, mm * share(wave)).between(from, to)).sum()
        });
        falls + stormy
    }
}

/// When the day of rain began, s since 1970.
fn day_began(utc: Timestamp, zone: &TimeZone) -> f64 {
    let now = zone.to_datetime(utc);
    let date = if now.hour() >= DAY_BEGINS { Ok(now.date()) } else { now.date().checked_sub(1.day()) };
    let begin = date.map(|date| date.to_datetime(Time::constant(DAY_BEGINS, 0, 0, 0)));
    let begin = begin.and_then(|begin| zone.to_ambiguous_timestamp(begin).compatible());
    begin.map_or(seconds(utc), seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inflow::Storms;
    use crate::inflow::chance::Stretch;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// 12 mm from 6:00 to 9:00 in Shanghai: 8 mm by 8:00, then a new day, in which 4 mm fall.
    #[test]
    fn rain_counts_from_eight_o_clock() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let fall = Fall { begin: seconds(at("2026-06-01T22:00:00Z")), lasts: 10_800.0, mm: 12.0 };
        let rain = Rain { meter: 0, storms: None, falls: vec![fall] };
        let fallen = |utc: &str| rain.since_day_began(&[], at(utc), &zone);
        let seen =
            ["2026-06-01T21:00:00Z", "2026-06-01T23:00:00Z", "2026-06-01T23:59:59Z", "2026-06-02T00:00:00Z"];
        let expected = [0.0, 4.0, 7.998_889, 0.0];
        for (utc, expected) in seen.iter().zip(expected) {
            assert!((fallen(utc) - expected).abs() < 1e-6, "{utc}: {}", fallen(utc));
        }
        assert!((fallen("2026-06-02T06:00:00Z") - 4.0).abs() < 1e-9);
    }

    /// Over all of its days a gauge counts each storm once, in proportion to its wave.
    #[test]
    fn a_storm_brings_rain_in_proportion_to_its_wave() {
        let zone = TimeZone::UTC;
        let from = seconds(at("2026-06-01T08:00:00Z"));
        let day = 86_400.0;
        let stretch = Stretch { from, to: from + 60.0 * day };
        let storms = Storms::new(7, "x", [3.0 * day, 2.0, 4.0 * 3600.0], stretch);
        let inside = |wave: &&Flood| wave.begin - 7200.0 >= from && wave.begin + 7200.0 < stretch.to;
        let peaks = storms.waves().iter().filter(inside).map(|wave| wave.peak).sum::<f64>();
        assert!(peaks > 0.0);
        let source = Source { storms: Some(storms), ..Source::constant(1.0) };
        let rain = Rain { meter: 0, storms: Some((0, 20.0)), falls: Vec::new() };
        let begin = at("2026-06-01T08:00:00Z");
        let days = (1..=60).map(|day| begin + (day * 24).hours() - 1.nanosecond());
        let total =
            days.map(|utc| rain.since_day_began(std::slice::from_ref(&source), utc, &zone)).sum::<f64>();
        // Storms that begin before the first day or end after the last are counted in part.
        assert!((total - 10.0 * peaks).abs() < 0.2 * total, "{total} {peaks}");
    }
}
