//! Scales and their ticks.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

use super::svg::Svg;

/// How values are laid out along a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// Equal distances for equal differences.
    Linear,
    /// Equal distances for equal ratios; for values above zero.
    Logarithmic,
}

/// From values to px.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Value at `begin`.
    pub low: f64,
    /// Value at `end`.
    pub high: f64,
    /// px of the lowest value.
    pub begin: f64,
    /// px of the highest value.
    pub end: f64,
    /// Layout.
    pub spacing: Spacing,
}

impl Scale {
    /// A linear scale.
    pub fn linear((low, high): (f64, f64), (begin, end): (f64, f64)) -> Self {
        Self { low, high, begin, end, spacing: Spacing::Linear }
    }

    /// px of a value; beyond the ends for values beyond.
    pub fn at(&self, value: f64) -> f64 {
        let share = match self.spacing {
            Spacing::Linear => (value - self.low) / (self.high - self.low).max(1e-12),
            Spacing::Logarithmic => {
                (value.max(1e-6) / self.low).ln() / (self.high / self.low).ln().max(1e-12)
            }
        };
        self.begin + share * (self.end - self.begin)
    }

    /// About `count` round values within, and the decimals they need.
    pub fn ticks(&self, count: usize) -> (Vec<f64>, usize) {
        match self.spacing {
            Spacing::Linear => linear(self.low, self.high, count),
            Spacing::Logarithmic => logarithmic(self.low, self.high),
        }
    }
}

/// 1, 2 or 5 times a power of ten.
fn step(span: f64, count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let rough = (span / count.max(1) as f64).max(1e-9);
    let power = 10_f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| times * power >= 0.999 * rough);
    times.unwrap_or(10.0) * power
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a digit, clamped")]
pub(super) fn decimals(step: f64) -> usize {
    (-step.log10().floor()).clamp(0.0, 6.0) as usize
}

fn linear(low: f64, high: f64, count: usize) -> (Vec<f64>, usize) {
    let step = step(high - low, count);
    let first = (low / step - 1e-6).ceil();
    let ticks =
        (0..200).map(|n| (first + f64::from(n)) * step).take_while(|tick| *tick <= high + 1e-6 * step);
    (ticks.collect(), decimals(step))
}

fn logarithmic(low: f64, high: f64) -> (Vec<f64>, usize) {
    let decades = low.log10().floor();
    let all = (0..12).flat_map(|n| {
        let power = 10_f64.powf(decades + f64::from(n));
        [1.0, 2.0, 5.0].map(|times| times * power)
    });
    let ticks = all.filter(|tick| *tick >= 0.999 * low && *tick <= 1.001 * high).collect::<Vec<_>>();
    let least = ticks.first().copied().unwrap_or(1.0);
    (ticks, decimals(least))
}

/// Range of values widened to look at: at least `least` wide, with a little room at both ends.
pub fn roomy(low: f64, high: f64, least: f64) -> (f64, f64) {
    let short = (least - (high - low)).max(0.0) / 2.0;
    let (low, high) = (low - short, high + short);
    let room = 0.06 * (high - low);
    (low - room, high + room)
}

/// A tick of a time axis.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeTick {
    /// Where, s since 1970.
    pub at: f64,
    /// Its words.
    pub label: String,
}

/// Distances of ticks, s, each with how to go on.
const STEPS: [(f64, Every); 15] = [
    (60.0, Every::Minutes(1)),
    (300.0, Every::Minutes(5)),
    (900.0, Every::Minutes(15)),
    (1800.0, Every::Minutes(30)),
    (3600.0, Every::Hours(1)),
    (10_800.0, Every::Hours(3)),
    (21_600.0, Every::Hours(6)),
    (43_200.0, Every::Hours(12)),
    (86_400.0, Every::Days(1)),
    (172_800.0, Every::Days(2)),
    (432_000.0, Every::Days(5)),
    (864_000.0, Every::Days(10)),
    (2_678_400.0, Every::Months(1)),
    (8_035_200.0, Every::Months(3)),
    (31_622_400.0, Every::Months(12)),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Every {
    Minutes(i64),
    Hours(i64),
    Days(i64),
    Months(i32),
}

impl Every {
    fn span(self) -> Span {
        match self {
            Self::Minutes(n) => n.minutes(),
            Self::Hours(n) => n.hours(),
            Self::Days(n) => n.days(),
            Self::Months(n) => n.months(),
        }
    }
}

/// Round times of the site between two instants (s since 1970), at most `most`.
///
/// Days and months are civil ones: their ticks stand at midnight whatever the clock was set to meanwhile.
pub fn time_ticks(from: f64, to: f64, zone: &TimeZone, most: usize) -> Vec<TimeTick> {
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let least = (to - from) / most.max(1) as f64;
    let (_, every) =
        STEPS.iter().find(|(step, _)| *step >= least).copied().unwrap_or((0.0, Every::Months(12)));
    let Some(begin) = instant(from) else { return Vec::new() };
    let date = begin.to_zoned_datetime(zone.clone()).date();
    let first = match every {
        Every::Minutes(_) | Every::Hours(_) => date,
        // Counted from the first of the year, so that longer and shorter runs have the same ticks.
        Every::Days(_) | Every::Months(_) => date.first_of_year(),
    };
    // In civil time: after a change of the clocks too, ticks stand at round hours.
    let mut at = first.at(0, 0, 0, 0);
    let mut ticks = Vec::new();
    for _ in 0..20_000 {
        let Ok(instant) = zone.to_ambiguous_timestamp(at).compatible() else { break };
        let seconds = seconds(instant);
        if seconds > to {
            break;
        }
        if seconds >= from {
            let midnight = at.hour() == 0 && at.minute() == 0;
            let pattern = match every {
                Every::Minutes(_) | Every::Hours(_) if !midnight => "%H:%M",
                Every::Minutes(_) | Every::Hours(_) | Every::Days(_) => "%m-%d",
                Every::Months(_) => "%Y-%m",
            };
            ticks.push(TimeTick { at: seconds, label: at.strftime(pattern).to_string() });
        }
        let Ok(next) = at.checked_add(every.span()) else { break };
        at = next;
    }
    ticks
}

/// Writes the words of a tick; the outermost stay within the axis.
pub(super) fn time_label(svg: &mut Svg, x: &Scale, tick: &TimeTick, y: f64) {
    let at = x.at(tick.at);
    if at > x.end - 12.0 {
        svg.text(x.end, y, "s e", &tick.label);
    } else {
        svg.text(at, y, "s m", &tick.label);
    }
}

/// s since 1970 as an instant.
#[expect(clippy::cast_possible_truncation, reason = "whole seconds; casts saturate")]
pub fn instant(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_second(seconds.round() as i64).ok()
}

/// An instant as s since 1970.
pub fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// Begin of a civil day, s since 1970.
pub fn midnight(date: Date, zone: &TimeZone) -> Option<f64> {
    Some(seconds(zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).compatible().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(linear(0.93, 2.21, 5), (vec![1.0, 1.5, 2.0], 1));
        assert_eq!(linear(741.02, 741.19, 4).0.len(), 3);
        assert_eq!(logarithmic(0.8, 160.0).0, [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
    }

    /// Berlin set its clocks forward on 2026-03-29: that day had 23 hours, and ticks still stand at midnight.
    #[test]
    fn days_begin_at_midnight_of_the_site() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let from = seconds("2026-03-27T23:00:00Z".parse().unwrap());
        let ticks = time_ticks(from, from + 3.5 * 86_400.0, &zone, 8);
        let days = ticks.iter().filter(|tick| tick.label.contains('-')).collect::<Vec<_>>();
        assert_eq!(
            days.iter().map(|t| t.label.as_str()).collect::<Vec<_>>(),
            ["03-28", "03-29", "03-30", "03-31"]
        );
        let lengths = days.windows(2).map(|pair| pair[1].at - pair[0].at).collect::<Vec<_>>();
        assert_eq!(lengths, [86_400.0, 82_800.0, 86_400.0]);
    }

    #[test]
    fn a_year_has_months() {
        let from = seconds("2026-01-01T00:00:00Z".parse().unwrap());
        let ticks = time_ticks(from, from + 364.0 * 86_400.0, &TimeZone::UTC, 14);
        assert_eq!(ticks.len(), 12);
        assert_eq!(ticks[4].label, "2026-05");
    }
}
