//! One section on one day: mean, least, hours and minutes below the target, completeness, verdict.
//!
//! The target of a day is the floor in force on the date the day begins. Compared is what is not rounded.

use jiff::Timestamp;

use super::day::Day;
use crate::aggregate::{Aggregate, Extreme, HOUR, Kept, MINUTE, Signal};
use crate::basin::{Section, SectionId};
use crate::config::reports::{Exemption, Filing, Rule};
use crate::control::quality::Quality;

/// Share of a minute that must be known for the minute to be one. Chosen: half.
const MINUTE_KNOWN: f64 = 0.5;

/// What a day comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Mean not below the target 达标.
    Pass,
    /// Mean below it 不达标.
    Fail,
    /// Exempt 免考, with its kind.
    Exempt(Exemption),
    /// Too few hours are valid 缺测.
    Missing,
    /// The section has no target.
    NotAssessed,
}

impl Verdict {
    /// As in CSV.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Exempt(_) => "exempt",
            Self::Missing => "missing",
            Self::NotAssessed => "not_assessed",
        }
    }
}

/// Minutes in a row below the target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Below {
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// Least value meanwhile, m³/s.
    pub least: Extreme,
    /// Water missed, m³.
    pub deficit_m3: f64,
}

impl Below {
    /// How long, s.
    pub fn length_s(&self) -> f64 {
        self.to.duration_since(self.from).as_secs_f64()
    }

    /// This and what follows it without a break.
    fn and(self, next: Self) -> Self {
        let least = if next.least.value < self.least.value { next.least } else { self.least };
        Self { from: self.from, to: next.to, least, deficit_m3: self.deficit_m3 + next.deficit_m3 }
    }

    /// Adds `next` to a list in order of time, joined to the last one where it follows without a break.
    pub fn join(list: &mut Vec<Self>, next: Self) {
        match list.last_mut() {
            Some(before) if before.to == next.from => *before = before.and(next),
            Some(_) | None => list.push(next),
        }
    }
}

/// A section on a day.
#[derive(Clone, Debug, PartialEq)]
pub struct SectionDay {
    /// The day.
    pub day: Day,
    /// Target, m³/s.
    pub target: Option<f64>,
    /// Mean over the day, m³/s; `None` when too few hours are valid.
    pub mean: Option<f64>,
    /// Least value known, m³/s.
    pub least: Option<Extreme>,
    /// Flow at 08:00, m³/s.
    pub at_eight: Option<f64>,
    /// By hour.
    pub hours: Vec<Aggregate>,
    /// Hours that are known well enough.
    pub hours_valid: usize,
    /// Hours whose mean reached the target.
    pub hours_met: usize,
    /// Minutes of the day.
    pub minutes_due: usize,
    /// Minutes with a value.
    pub minutes_known: usize,
    /// Times below the target.
    pub below: Vec<Below>,
    /// Runs of values a person put in.
    pub corrections: usize,
    /// What it comes to.
    pub verdict: Verdict,
    /// Name of the rule.
    pub rule: String,
}

impl SectionDay {
    /// Time below the target, s.
    pub fn below_s(&self) -> f64 {
        self.below.iter().map(Below::length_s).fold(0.0, |sum, length| sum + length)
    }

    /// Water missed, m³.
    pub fn deficit_m3(&self) -> f64 {
        self.below.iter().fold(0.0, |sum, below| sum + below.deficit_m3)
    }

    /// Valid hours over due hours, 0..=1 数据完整率.
    pub fn completeness(&self) -> f64 {
        share(self.hours_valid, self.hours.len())
    }
}

/// A share of counts; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "minutes of a century are below 2⁵³")]
pub(crate) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Judges a day of a section by the samples of its meter, which may reach beyond the day.
pub fn assess(
    (id, section): (SectionId, &Section),
    day: Day,
    zone: &jiff::tz::TimeZone,
    samples: &[Kept],
    rule: &Rule,
    filings: &[Filing],
) -> SectionDay {
    let signal = Signal::new(samples);
    let target = section.floor_on(day.date).map(crate::units::Discharge::get);
    let hours = signal.by(HOUR, day.from, day.to);
    let valid = |hour: &&Aggregate| hour.mean_if(rule.hour_valid).is_some();
    let hours_valid = hours.iter().filter(valid).count();
    let limit = target.map(|target| target - rule.tolerance.get());
    let met = |hour: &&Aggregate| {
        hour.mean_if(rule.hour_valid).zip(limit).is_some_and(|(mean, limit)| mean >= limit)
    };
    let hours_met = hours.iter().filter(met).count();
    let whole = signal.over(day.from, day.to);
    let is_valid = share(hours_valid, hours.len()) >= rule.day_valid;
    let mean = whole.mean.filter(|_| is_valid);
    let minutes = signal.by(MINUTE, day.from, day.to);
    let minutes_known = minutes.iter().filter(|minute| minute.mean_if(MINUTE_KNOWN).is_some()).count();
    let below = target.map_or_else(Vec::new, |target| below(&minutes, target, rule.tolerance.get()));
    let exempt = exemption(id, day, rule, filings);
    let verdict = match (target, exempt, mean) {
        (None, _, _) => Verdict::NotAssessed,
        (Some(_), Some(kind), _) => Verdict::Exempt(kind),
        (Some(_), None, None) => Verdict::Missing,
        (Some(target), None, Some(mean)) if mean >= target - rule.tolerance.get() => Verdict::Pass,
        (Some(_), None, Some(_)) => Verdict::Fail,
    };
    SectionDay {
        day,
        target,
        mean,
        least: whole.least,
        at_eight: day.eight(zone).and_then(|eight| signal.at(eight)),
        hours_valid,
        hours_met,
        hours,
        minutes_due: minutes.len(),
        minutes_known,
        below,
        corrections: corrections(samples, day),
        verdict,
        rule: rule.id.clone(),
    }
}

/// Minutes in a row whose mean lies below the target by more than the tolerance. A minute that is not known ends a run.
fn below(minutes: &[Aggregate], target: f64, tolerance: f64) -> Vec<Below> {
    let mut list = Vec::new();
    for minute in minutes {
        let mean = minute.mean_if(MINUTE_KNOWN).filter(|mean| *mean < target - tolerance);
        if let (Some(mean), Some(least)) = (mean, minute.least) {
            let deficit_m3 = (target - mean) * minute.covered_s;
            Below::join(&mut list, Below { from: minute.from, to: minute.to, least, deficit_m3 });
        }
    }
    list
}

/// The kind of the first filing that counts, when those that count cover enough of the day together.
fn exemption(id: SectionId, day: Day, rule: &Rule, filings: &[Filing]) -> Option<Exemption> {
    let about = filings.iter().filter(|filing| filing.sections.contains(&id) && filing.counts(rule));
    let mut spans: Vec<_> = about
        .map(|filing| (filing.from.max(day.from), filing.to.min(day.to), filing.kind))
        .filter(|(from, to, _)| from < to)
        .collect();
    let kind = spans.first().map(|(_, _, kind)| *kind)?;
    spans.sort_by_key(|(from, ..)| *from);
    let (mut covered, mut until) = (0.0, day.from);
    for (from, to, _) in spans {
        covered += to.duration_since(from.max(until)).as_secs_f64().max(0.0);
        until = until.max(to);
    }
    (covered >= rule.exempt * day.to.duration_since(day.from).as_secs_f64()).then_some(kind)
}

/// Runs of values put in by a person within the day.
fn corrections(samples: &[Kept], day: Day) -> usize {
    let within = samples.iter().filter(|kept| day.from <= kept.utc && kept.utc < day.to);
    let manual: Vec<_> = within.map(|kept| kept.quality == Quality::Substituted).collect();
    let begun = manual.windows(2).filter(|pair| matches!(pair, [false, true])).count();
    begun + usize::from(manual.first() == Some(&true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basin::{FlowGrades, MeterId, Name, NodeId, Place, Responsible};
    use crate::report::day::DayBegins;
    use crate::units::Discharge;
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    fn section() -> Section {
        let name = Name { zh: "断面".into(), en: "Section".into() };
        Section {
            id: "s".into(),
            name: name.clone(),
            river: "r".into(),
            at: Place::Node(NodeId(0)),
            km: 0.0,
            floor: Discharge::new(1.0),
            seasonal_floors: Vec::new(),
            setpoint_cap: None,
            meter: MeterId(0),
            guarantee: Some(0.9),
            warning: FlowGrades::default(),
            responsible: Responsible { unit: name, person: "p".into() },
        }
    }

    fn day() -> Day {
        Day::new(date(2026, 5, 11), DayBegins::Midnight, &TimeZone::UTC).unwrap()
    }

    /// Ten-minute samples over the day from values by minute.
    fn samples(value: impl Fn(i64) -> Option<f64>) -> Vec<Kept> {
        let kept = |minute: i64| {
            let utc = day().from + MINUTE * i32::try_from(minute).unwrap();
            let quality = if value(minute).is_some() { Quality::Good } else { Quality::Bad };
            Kept { utc, value: value(minute), quality }
        };
        (0..1440).step_by(10).map(kept).collect()
    }

    fn judged(samples: &[Kept], rule: &Rule, filings: &[Filing]) -> SectionDay {
        assess((SectionId(0), &section()), day(), &TimeZone::UTC, samples, rule, filings)
    }

    fn filing(hours: (i64, i64), filed: i64) -> Filing {
        let at = |hour: i64| day().from + jiff::SignedDuration::from_hours(hour);
        Filing {
            id: "f".into(),
            sections: vec![SectionId(0)],
            kind: Exemption::Maintenance,
            from: at(hours.0),
            to: at(hours.1),
            filed: at(filed),
            document: "d".into(),
            approved_by: Some("a".into()),
            reason: Name { zh: "检修".into(), en: "maintenance".into() },
            standing: crate::config::reports::Standing::Listed,
        }
    }

    #[test]
    fn a_day_that_passes_by_its_mean_still_tells_the_time_below() {
        // 22 h at 1.1 and two hours, from 10:00, at 0.7: mean (22 · 1.1 + 2 · 0.7) / 24 = 25.6 / 24.
        // Missed: 0.3 m³/s · 7200 s = 2160 m³.
        let flow = samples(|minute| Some(if (600..720).contains(&minute) { 0.7 } else { 1.1 }));
        let judged = judged(&flow, &Rule::built_in(), &[]);
        assert!((judged.mean.unwrap() - 25.6 / 24.0).abs() < 1e-12);
        assert_eq!(judged.verdict, Verdict::Pass);
        assert_eq!((judged.hours_valid, judged.hours_met, judged.completeness()), (24, 22, 1.0));
        assert_eq!((judged.below.len(), judged.below_s()), (1, 7200.0));
        assert!((judged.deficit_m3() - 2160.0).abs() < 1e-6);
        let least = Extreme { value: 0.7, at: day().from + HOUR * 10 };
        assert_eq!(judged.least, Some(least));
        assert_eq!(judged.at_eight, Some(1.1));
    }

    #[test]
    fn unrounded_values_are_compared() {
        let judged_at = |flow: f64, tolerance: f64| {
            let rule = Rule { tolerance: Discharge::new(tolerance).unwrap(), ..Rule::built_in() };
            judged(&samples(|_| Some(flow)), &rule, &[]).verdict
        };
        assert_eq!(judged_at(1.0, 0.0), Verdict::Pass, "not lower than");
        assert_eq!(judged_at(0.9996, 0.0), Verdict::Fail, "shown as 1.00");
        assert_eq!(judged_at(0.9996, 0.001), Verdict::Pass);
    }

    /// Domain notes 7, no. 17: half a litre short of 1.5 is shown as 1.50 and is short, to the last of its volume.
    #[test]
    fn what_is_shown_as_the_floor_may_lie_below_it() {
        let runcheng = Section { floor: Discharge::new(1.5), ..section() };
        let judged = |flow: f64, tolerance: f64| {
            let rule = Rule { tolerance: Discharge::new(tolerance).unwrap(), ..Rule::built_in() };
            let samples = samples(|_| Some(flow));
            assess((SectionId(0), &runcheng), day(), &TimeZone::UTC, &samples, &rule, &[])
        };
        let short = judged(1.4995, 0.0);
        assert_eq!(crate::report::number::flow(short.mean.unwrap()), "1.50");
        assert_eq!((short.verdict, short.hours_met), (Verdict::Fail, 0));
        // 0.0005 m³/s over a day of 86 400 s.
        assert!((short.deficit_m3() - 43.2).abs() < 1e-6, "{}", short.deficit_m3());
        assert_eq!(judged(1.5, 0.0).verdict, Verdict::Pass);
        assert_eq!(judged(1.4995, 0.001).verdict, Verdict::Pass);
        assert_eq!(judged(1.4985, 0.001).verdict, Verdict::Fail);
    }

    #[test]
    fn missing_hours_are_no_numbers_and_a_fifth_of_them_leaves_no_verdict() {
        // Nothing from 10:00 for four hours: 20 of 24 valid, 83.3 %.
        let four = samples(|minute| (!(600..840).contains(&minute)).then_some(1.2));
        let four = judged(&four, &Rule::built_in(), &[]);
        assert_eq!((four.hours_valid, four.verdict, four.minutes_known), (20, Verdict::Pass, 1200));
        assert!((four.mean.unwrap() - 1.2).abs() < 1e-12);
        // Five hours: 19 of 24, 79.2 %.
        let five = samples(|minute| (!(600..900).contains(&minute)).then_some(1.2));
        let five = judged(&five, &Rule::built_in(), &[]);
        assert_eq!((five.hours_valid, five.mean, five.verdict), (19, None, Verdict::Missing));
        let none = judged(&[], &Rule::built_in(), &[]);
        assert_eq!((none.least, none.verdict, none.completeness()), (None, Verdict::Missing, 0.0));
    }

    #[test]
    fn a_gap_ends_a_time_below() {
        let flow = samples(|minute| match minute {
            600..660 | 720..780 => Some(0.5),
            660..720 => None,
            _ => Some(1.2),
        });
        let lengths: Vec<_> =
            judged(&flow, &Rule::built_in(), &[]).below.iter().map(Below::length_s).collect();
        assert_eq!(lengths, [3600.0, 3600.0]);
    }

    #[test]
    fn a_filing_exempts_a_day_it_covers_enough_of_when_made_in_time() {
        let low = samples(|_| Some(0.5));
        let with = |filings: &[Filing]| judged(&low, &Rule::built_in(), filings).verdict;
        // A fifth of the day is 4.8 h.
        assert_eq!(with(&[filing((6, 11), 0)]), Verdict::Exempt(Exemption::Maintenance));
        assert_eq!(with(&[filing((6, 10), 0)]), Verdict::Fail, "four hours are too few");
        assert_eq!(with(&[filing((6, 9), 0), filing((8, 11), 0)]), Verdict::Exempt(Exemption::Maintenance));
        assert_eq!(with(&[filing((6, 9), 0), filing((6, 9), 0)]), Verdict::Fail, "the same hours count once");
        assert_eq!(with(&[filing((6, 11), 31)]), Verdict::Fail, "filed 25 h after its begin");
        let elsewhere = Filing { sections: vec![SectionId(1)], ..filing((6, 11), 0) };
        assert_eq!(with(&[elsewhere]), Verdict::Fail);
    }

    #[test]
    fn values_put_in_by_people_are_counted_by_run() {
        let mut flow = samples(|_| Some(1.2));
        for at in [5, 6, 9] {
            flow[at].quality = Quality::Substituted;
        }
        assert_eq!(judged(&flow, &Rule::built_in(), &[]).corrections, 2);
    }
}
