//! A section over a month or a year: days met of days assessed, longest time below, deficit, episodes.

use std::collections::BTreeMap;

use crate::aggregate::Extreme;
use crate::basin::SectionId;
use crate::config::reports::{Exemption, Filing, Reports};

use super::section::{Below, SectionDay, Verdict, share};

/// What days come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attainment {
    /// Days of the period that are over.
    pub due: usize,
    /// Days met 达标天数.
    pub pass: usize,
    /// Days not met.
    pub fail: usize,
    /// Exempt days 免考天数 by kind.
    pub exempt: BTreeMap<Exemption, usize>,
    /// Days with too few valid hours 缺测.
    pub missing: usize,
    /// Hours of all due days.
    pub hours_due: usize,
    /// Valid ones.
    pub hours_valid: usize,
    /// Hours whose mean reached the target.
    pub hours_met: usize,
    /// Minutes of all due days.
    pub minutes_due: usize,
    /// Minutes with a value.
    pub minutes_known: usize,
    /// Longest time below the target without a break.
    pub longest: Option<Below>,
    /// Times below the target longer than the rule's limit.
    pub episodes: Vec<Episode>,
    /// Time below the target, s.
    pub below_s: f64,
    /// Water missed, m³.
    pub deficit_m3: f64,
    /// Least value.
    pub least: Option<Extreme>,
    /// Runs of values a person put in.
    pub corrections: usize,
}

/// A time below the target that is listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// It.
    pub below: Below,
    /// Filings that were in force meanwhile, counting or not.
    pub filings: Vec<String>,
}

impl Attainment {
    /// Sums up days in order.
    pub fn of(id: SectionId, days: &[SectionDay], reports: &Reports) -> Self {
        let mut sum = Self { due: days.len(), ..Self::default() };
        let mut below = Vec::new();
        for day in days {
            match day.verdict {
                Verdict::Pass => sum.pass += 1,
                Verdict::Fail => sum.fail += 1,
                Verdict::Exempt(kind) => *sum.exempt.entry(kind).or_default() += 1,
                Verdict::Missing => sum.missing += 1,
                Verdict::NotAssessed => {}
            }
            sum.hours_due += day.hours.len();
            sum.hours_valid += day.hours_valid;
            sum.hours_met += day.hours_met;
            sum.minutes_due += day.minutes_due;
            sum.minutes_known += day.minutes_known;
            sum.below_s += day.below_s();
            sum.deficit_m3 += day.deficit_m3();
            sum.corrections += day.corrections;
            if let Some(least) = day.least
                && sum.least.is_none_or(|known| least.value < known.value)
            {
                sum.least = Some(least);
            }
            for next in &day.below {
                Below::join(&mut below, *next);
            }
        }
        for below in below {
            if sum.longest.is_none_or(|longest| below.length_s() > longest.length_s()) {
                sum.longest = Some(below);
            }
            let day = days.iter().rfind(|day| day.day.from <= below.from);
            let limit = day.map(|day| reports.rule_on(day.day.date).episode);
            if limit.is_some_and(|limit| below.to.duration_since(below.from) > limit) {
                let filings = reports.filings.iter().filter(|filing| touches(filing, id, &below));
                let filings = filings.map(|filing| filing.id.clone()).collect();
                sum.episodes.push(Episode { below, filings });
            }
        }
        sum
    }

    /// Days assessed 评价天数: neither exempt nor missing.
    pub fn assessed(&self) -> usize {
        self.pass + self.fail
    }

    /// Days met over days assessed, 0..=1 满足程度; `None` when none was assessed.
    pub fn satisfaction(&self) -> Option<f64> {
        (self.assessed() > 0).then(|| share(self.pass, self.assessed()))
    }

    /// Valid hours over due hours, 0..=1 数据完整率.
    pub fn completeness(&self) -> f64 {
        share(self.hours_valid, self.hours_due)
    }

    /// Minutes with a value over minutes, 0..=1 在线率.
    pub fn online(&self) -> f64 {
        share(self.minutes_known, self.minutes_due)
    }

    /// Exempt days of all kinds.
    pub fn exempt_days(&self) -> usize {
        self.exempt.values().sum()
    }

    /// Whether so few days are missing that the rest speaks for the period: at least this share of the due days is not.
    pub fn is_enough(&self, day_valid: f64) -> bool {
        self.due > 0 && share(self.due - self.missing, self.due) >= day_valid
    }

    /// Whether the share asked for was reached; `None` without days or without a share.
    pub fn passes(&self, guarantee: Option<f64>) -> Option<bool> {
        Some(self.satisfaction()? >= guarantee?)
    }
}

fn touches(filing: &Filing, id: SectionId, below: &Below) -> bool {
    filing.sections.contains(&id) && filing.from < below.to && below.from < filing.to
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::day::{Day, DayBegins, Period};
    use jiff::tz::TimeZone;

    fn day_of(day: Day, verdict: Verdict, below: Vec<Below>) -> SectionDay {
        SectionDay {
            day,
            target: Some(1.0),
            mean: None,
            least: None,
            at_eight: None,
            hours: Vec::new(),
            hours_valid: 0,
            hours_met: 0,
            minutes_due: 1440,
            minutes_known: 1440,
            below,
            corrections: 0,
            verdict,
            rule: "r".into(),
        }
    }

    #[test]
    fn exempt_and_missing_days_stand_in_neither_count() {
        let days = Period::Month(2026, 4).days(DayBegins::Midnight, &TimeZone::UTC);
        // Of 30 days 20 pass, 4 fail, 4 are exempt, 2 missing: 20 / 24.
        let verdict = |at: usize| match at {
            0..20 => Verdict::Pass,
            20..24 => Verdict::Fail,
            24..28 => Verdict::Exempt(Exemption::FloodOrder),
            _ => Verdict::Missing,
        };
        let days: Vec<_> =
            days.into_iter().enumerate().map(|(at, day)| day_of(day, verdict(at), Vec::new())).collect();
        let sum = Attainment::of(SectionId(0), &days, &Reports::default());
        assert_eq!((sum.due, sum.assessed(), sum.exempt_days(), sum.missing), (30, 24, 4, 2));
        assert_eq!(sum.satisfaction(), Some(20.0 / 24.0));
        assert_eq!(
            (sum.passes(Some(0.9)), sum.passes(Some(0.8)), sum.passes(None)),
            (Some(false), Some(true), None)
        );
        assert_eq!(Attainment::default().satisfaction(), None);
        // 28 of 30 days are not missing, 93 %.
        assert_eq!((sum.is_enough(0.8), sum.is_enough(0.95)), (true, false));
    }

    #[test]
    fn a_time_below_goes_on_over_the_day_boundary() {
        let days = Period::Month(2026, 4).days(DayBegins::Midnight, &TimeZone::UTC);
        let (first, second) = (days[0], days[1]);
        let hours = jiff::SignedDuration::from_hours;
        let low = |from, to, value| Below { from, to, least: Extreme { value, at: from }, deficit_m3: 100.0 };
        let days = [
            day_of(first, Verdict::Pass, vec![low(first.to - hours(1), first.to, 0.9)]),
            day_of(
                second,
                Verdict::Pass,
                vec![
                    low(second.from, second.from + hours(2), 0.8),
                    low(second.from + hours(5), second.from + hours(6), 0.7),
                ],
            ),
        ];
        let sum = Attainment::of(SectionId(0), &days, &Reports::default());
        // One of three hours; the one of exactly an hour is not longer than an hour.
        assert_eq!(sum.episodes.len(), 1);
        let longest = sum.longest.unwrap();
        assert_eq!((longest.length_s(), longest.least.value, longest.deficit_m3), (10_800.0, 0.8, 200.0));
        assert_eq!((sum.below_s, sum.deficit_m3), (14_400.0, 300.0));
    }
}
