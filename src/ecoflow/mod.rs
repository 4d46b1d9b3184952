//! Ecological flows proposed from a flow record: Tennant's shares, the driest month, 7Q10.
//!
//! Pure: a [`Record`] of daily means in, a [`Study`] out; [`text`] prints it. It proposes, and decides nothing: which number
//! becomes a floor is for those who set targets (SL/T 712-2021 compares several methods). Missing days are never filled.

mod record;
mod stats;
pub mod text;

use std::collections::BTreeMap;

use jiff::civil::Date;

pub use record::{Flaw, Reading, Record, RecordError};
pub use stats::{Moments, frequency_factor, weibull, years_for};

use stats::float;

/// A month counts when it has this share of its days.
pub const MONTH_SHARE: f64 = 0.8;
/// A year counts for its least seven days when at most so many are missing.
pub const YEAR_MISSES: usize = 18;
/// Years below which the frequency of a driest month or of seven days is a guess. Source: practice of frequency analysis
/// in SL/T 278 (30 years) for the first grade; below the second no such number should be used alone.
pub const FEW_YEARS: [usize; 2] = [30, 10];
/// Days whose mean is the least of a year.
const SEVEN: usize = 7;
/// Probability of not being exceeded that stands for once in ten years.
const TENTH: f64 = 0.1;
/// Skew beyond which a Pearson III of a short sample is not believed: the lower end of the distribution lies above its mode.
const SKEWED: f64 = 2.0;

/// Tennant's grades with their shares of the mean annual flow, October to March and April to September. Source: Tennant (1976),
/// Instream flow regimens for fish, wildlife, recreation and related environmental resources, Fisheries 1(4), table 1.
pub const TENNANT: [(Grade, f64, f64); 6] = [
    (Grade::Outstanding, 0.40, 0.60),
    (Grade::Excellent, 0.30, 0.50),
    (Grade::Good, 0.20, 0.40),
    (Grade::Fair, 0.10, 0.30),
    (Grade::Poor, 0.10, 0.10),
    (Grade::Flushing, 2.00, 2.00),
];

/// Tennant's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Outstanding.
    Outstanding,
    /// Excellent.
    Excellent,
    /// Good.
    Good,
    /// Fair or degrading.
    Fair,
    /// Poor or minimum.
    Poor,
    /// Flushing or maximum, for some days.
    Flushing,
}

/// Part of the year a proposal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Season {
    /// All of it.
    Year,
    /// October to March.
    Winter,
    /// April to September.
    Summer,
}

/// How a frequency was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frequency {
    /// Weibull's plotting position, straight between ranks.
    Weibull,
    /// Pearson III by moments.
    Pearson3,
    /// Pearson III of the logarithms by moments; years without flow by conditional probability.
    LogPearson3,
}

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Share of the mean annual flow.
    Tennant(Grade),
    /// Mean of the driest month that this share of the years reaches, %.
    DriestMonth(u8, Frequency),
    /// Least driest month of the last ten years.
    TenYears,
    /// Least mean of seven days, not reached once in ten years.
    SevenQTen(Frequency),
}

/// One proposed flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// Its method.
    pub method: Method,
    /// Part of the year.
    pub season: Season,
    /// Flow, m³/s; `None` when the record is too short for the method.
    pub flow: Option<f64>,
}

/// What one year brought. It begins with the month of [`Study::year_begins`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Year {
    /// Calendar year in which it begins.
    pub from: i16,
    /// Days with a value.
    pub days: usize,
    /// Number (1..=12) and mean of its driest month; `None` when a month does not count.
    pub driest: Option<(i8, f64)>,
    /// Least mean of seven days; `None` when too many days are missing.
    pub seven: Option<f64>,
}

/// What speaks against a proposal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Warning {
    /// Fewer years than the frequencies want: whole years, wanted.
    FewYears(usize, usize),
    /// Days missing, of days due, longest gap.
    Gaps(usize, usize, usize),
    /// Days left out with too few values.
    Thin(usize),
    /// Months of the calendar of which no one counts: no mean annual flow.
    NoMean,
    /// Days without flow.
    Dry(usize),
    /// Skew of the sample of a method beyond what a fitted distribution is believed for.
    Skewed(Method, f64),
}

/// Flows proposed from one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// First and last day of the record.
    pub span: (Date, Date),
    /// Days with a value, and days from first to last.
    pub days: (usize, usize),
    /// Month a year begins with: the wettest, so that no low-water season is cut in two, or as asked.
    pub year_begins: i8,
    /// Mean annual flow: mean of the twelve means by calendar month, m³/s.
    pub mean: Option<f64>,
    /// Years in order.
    pub years: Vec<Year>,
    /// Proposals in the order they are printed.
    pub proposals: Vec<Proposal>,
    /// Warnings.
    pub warnings: Vec<Warning>,
}

impl Study {
    /// Studies a record; `year_begins` (1..=12) instead of its wettest month. `None` for a record without days.
    pub fn of(record: &Record, year_begins: Option<i8>) -> Option<Self> {
        let (first, last) = (record.days.first_key_value()?, record.days.last_key_value()?);
        let span = (*first.0, *last.0);
        let due = days_between(span.0, span.1) + 1;
        let months = months(record);
        let mean = mean_annual(&months);
        let year_begins = year_begins.unwrap_or_else(|| wettest(&months));
        let years = years(record, &months, year_begins);
        let mut study = Self {
            span,
            days: (record.days.len(), due),
            year_begins,
            mean,
            years,
            proposals: Vec::new(),
            warnings: Vec::new(),
        };
        study.propose();
        study.warn(record);
        Some(study)
    }

    /// Means of the driest months, oldest year first.
    pub fn driest(&self) -> Vec<f64> {
        self.years.iter().filter_map(|year| Some(year.driest?.1)).collect()
    }

    /// Least means of seven days, oldest year first.
    pub fn sevens(&self) -> Vec<f64> {
        self.years.iter().filter_map(|year| year.seven).collect()
    }

    fn propose(&mut self) {
        let mut all = Vec::new();
        for (grade, winter, summer) in TENNANT {
            for (season, share) in [(Season::Winter, winter), (Season::Summer, summer)] {
                let flow = self.mean.map(|mean| share * mean);
                all.push(Proposal { method: Method::Tennant(grade), season, flow });
            }
        }
        let year = |method: Method, flow: Option<f64>| Proposal { method, season: Season::Year, flow };
        let driest = self.driest();
        for percent in [90, 95] {
            let p = 1.0 - f64::from(percent) / 100.0;
            let by_rank = weibull(&ascending(&driest), p);
            all.push(year(Method::DriestMonth(percent, Frequency::Weibull), by_rank));
            // A fitted distribution may go below zero, a river does not.
            let fitted = Moments::of(&driest).map(|moments| moments.pearson3(p).max(0.0));
            all.push(year(Method::DriestMonth(percent, Frequency::Pearson3), fitted));
        }
        let newest = driest.len().checked_sub(10).and_then(|from| driest.get(from..));
        let least = newest.map(|years| years.iter().copied().fold(f64::INFINITY, f64::min));
        all.push(year(Method::TenYears, least));
        let sevens = self.sevens();
        let by_rank = weibull(&ascending(&sevens), TENTH);
        all.push(year(Method::SevenQTen(Frequency::Weibull), by_rank));
        all.push(year(Method::SevenQTen(Frequency::LogPearson3), log_pearson3(&sevens)));
        self.proposals = all;
    }

    fn warn(&mut self, record: &Record) {
        let whole = self.driest().len().min(self.sevens().len());
        if let Some(wanted) = FEW_YEARS.iter().rev().find(|wanted| whole < **wanted) {
            self.warnings.push(Warning::FewYears(whole, *wanted));
        }
        let missing = self.days.1 - self.days.0;
        if missing > 0 {
            let steps = record.days.keys().zip(record.days.keys().skip(1));
            let longest = steps.map(|(a, b)| days_between(*a, *b) - 1).max().unwrap_or(0);
            self.warnings.push(Warning::Gaps(missing, self.days.1, longest));
        }
        if record.thin > 0 {
            self.warnings.push(Warning::Thin(record.thin));
        }
        if self.mean.is_none() {
            self.warnings.push(Warning::NoMean);
        }
        let dry = record.days.values().filter(|q| **q <= 0.0).count();
        if dry > 0 {
            self.warnings.push(Warning::Dry(dry));
        }
        let skew = |values: &[f64]| Moments::of(values).map(|moments| moments.skew);
        let samples = [
            (Method::DriestMonth(90, Frequency::Pearson3), skew(&self.driest())),
            (Method::SevenQTen(Frequency::LogPearson3), skew(&logs(&self.sevens()))),
        ];
        for (method, skew) in samples {
            if let Some(skew) = skew.filter(|skew| skew.abs() > SKEWED) {
                self.warnings.push(Warning::Skewed(method, skew));
            }
        }
    }
}

/// 7Q10 of least seven-day means by log-Pearson III. Years without flow: with a share d of dry years the flow is zero when
/// d ≥ 0.1, else that of the others not exceeded with probability (0.1 − d)/(1 − d). Source: Bulletin 17B, appendix 5.
fn log_pearson3(sevens: &[f64]) -> Option<f64> {
    let logs = logs(sevens);
    let dry = float(sevens.len() - logs.len()) / float(sevens.len().max(1));
    if !sevens.is_empty() && dry >= TENTH {
        return Some(0.0);
    }
    let p = (TENTH - dry) / (1.0 - dry);
    Some(10_f64.powf(Moments::of(&logs)?.pearson3(p)))
}

fn logs(values: &[f64]) -> Vec<f64> {
    values.iter().filter(|q| **q > 0.0).map(|q| q.log10()).collect()
}

fn ascending(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Means of the months that count, by year and month.
fn months(record: &Record) -> BTreeMap<(i16, i8), f64> {
    let mut sums: BTreeMap<(i16, i8), (f64, usize, i8)> = BTreeMap::new();
    for (day, flow) in &record.days {
        let month = sums.entry((day.year(), day.month())).or_insert((0.0, 0, day.days_in_month()));
        month.0 += flow;
        month.1 += 1;
    }
    let counts = sums.into_iter().filter(|(_, (_, days, all))| float(*days) >= MONTH_SHARE * f64::from(*all));
    counts.map(|(month, (sum, days, _))| (month, sum / float(days))).collect()
}

/// Mean by calendar month (January first); `None` for a month that never counts.
fn by_calendar(months: &BTreeMap<(i16, i8), f64>) -> Vec<Option<f64>> {
    let mean = |number: i8| {
        let of = months.iter().filter(|((_, month), _)| *month == number).map(|(_, flow)| *flow);
        let of: Vec<f64> = of.collect();
        (!of.is_empty()).then(|| of.iter().sum::<f64>() / float(of.len()))
    };
    (1..=12).map(mean).collect()
}

fn mean_annual(months: &BTreeMap<(i16, i8), f64>) -> Option<f64> {
    let means = by_calendar(months).into_iter().collect::<Option<Vec<f64>>>()?;
    Some(means.iter().sum::<f64>() / 12.0)
}

fn wettest(months: &BTreeMap<(i16, i8), f64>) -> i8 {
    let calendar = by_calendar(months);
    let means = (1..=12).zip(calendar).filter_map(|(number, mean)| Some((number, mean?)));
    means.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(1, |(number, _)| number)
}

fn years(record: &Record, months: &BTreeMap<(i16, i8), f64>, begins: i8) -> Vec<Year> {
    let begin_of = |day: Date| if day.month() >= begins { day.year() } else { day.year() - 1 };
    let Some((first, last)) = record.days.keys().next().zip(record.days.keys().next_back()) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for from in begin_of(*first)..=begin_of(*last) {
        let bounds = jiff::civil::Date::new(from, begins, 1).ok().zip(Date::new(from + 1, begins, 1).ok());
        let Some((begin, end)) = bounds else { continue };
        let days: Vec<(Date, f64)> = record.days.range(begin..end).map(|(day, q)| (*day, *q)).collect();
        if days.is_empty() {
            continue;
        }
        let due = days_between(begin, end);
        let whole = due - days.len() <= YEAR_MISSES;
        all.push(Year {
            from,
            days: days.len(),
            driest: driest(months, begin, begins),
            seven: seven(&days).filter(|_| whole),
        });
    }
    all
}

/// Driest month of the year that begins on a day.
fn driest(months: &BTreeMap<(i16, i8), f64>, begin: Date, begins: i8) -> Option<(i8, f64)> {
    let numbers = (0..12).map(|later| {
        let number = begins + later;
        if number > 12 { (begin.year() + 1, number - 12) } else { (begin.year(), number) }
    });
    let means = numbers.map(|key| Some((key.1, *months.get(&key)?))).collect::<Option<Vec<_>>>()?;
    means.into_iter().min_by(|a, b| a.1.total_cmp(&b.1))
}

/// Least mean of seven days in a row.
fn seven(days: &[(Date, f64)]) -> Option<f64> {
    let in_a_row = days.windows(SEVEN).filter(|window| {
        let ends = window.first().zip(window.last());
        ends.is_some_and(|(first, last)| days_between(first.0, last.0) == SEVEN - 1)
    });
    let means = in_a_row.map(|window| window.iter().map(|(_, q)| q).sum::<f64>() / float(SEVEN));
    means.min_by(f64::total_cmp)
}

/// Days from one date to a later one.
fn days_between(from: Date, to: Date) -> usize {
    let hours = from.duration_until(to).as_hours();
    usize::try_from(hours / 24).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn record(from: &str, to: &str, flow: impl Fn(Date) -> Option<f64>) -> Record {
        let (mut at, to) = (day(from), day(to));
        let mut days = BTreeMap::new();
        while at <= to {
            if let Some(flow) = flow(at) {
                days.insert(at, flow);
            }
            at = at.tomorrow().unwrap();
        }
        let rows = days.len();
        Record { days, column: "flow_m3s".into(), rows, empty: 0, thin: 0, per_day: 1 }
    }

    fn flow(study: &Study, method: Method, season: Season) -> Option<f64> {
        study.proposals.iter().find(|p| p.method == method && p.season == season).unwrap().flow
    }

    /// Mean annual flow 10: 4 in January to June, 16 in July to December. Tennant (1976), table 1: outstanding 40 and 60 %,
    /// excellent 30 and 50, good 20 and 40, fair 10 and 30, poor 10 and 10, flushing 200.
    #[test]
    fn tennant_takes_shares_of_the_mean_annual_flow() {
        let record = record("2001-01-01", "2003-12-31", |day| Some(if day.month() < 7 { 4.0 } else { 16.0 }));
        let study = Study::of(&record, None).unwrap();
        assert!((study.mean.unwrap() - 10.0).abs() < 1e-9);
        let table = [
            (Grade::Outstanding, 4.0, 6.0),
            (Grade::Excellent, 3.0, 5.0),
            (Grade::Good, 2.0, 4.0),
            (Grade::Fair, 1.0, 3.0),
            (Grade::Poor, 1.0, 1.0),
            (Grade::Flushing, 20.0, 20.0),
        ];
        for (grade, winter, summer) in table {
            let of = |season| flow(&study, Method::Tennant(grade), season).unwrap();
            assert!((of(Season::Winter) - winter).abs() < 1e-9 && (of(Season::Summer) - summer).abs() < 1e-9);
        }
    }

    /// Nineteen calendar years whose driest month, June, has the means 1 to 19, and whose least week has half of it: Q95 is
    /// the least (rank 1 of 20), Q90 the second; 7Q10 by rank is that of rank 2.
    #[test]
    fn the_driest_month_and_the_least_week_by_rank() {
        let june = |year: i16| f64::from((year - 2000) * 7 % 19 + 1);
        let record = record("2001-01-01", "2019-12-31", |day| {
            // A week at half and 23 days so that the month keeps its mean.
            let week = june(day.year()) * 0.5;
            let rest = (30.0 * june(day.year()) - 7.0 * week) / 23.0;
            Some(match (day.month(), day.day()) {
                (6, 11..=17) => week,
                (6, _) => rest,
                _ => 100.0,
            })
        });
        let study = Study::of(&record, Some(1)).unwrap();
        let of = |method| flow(&study, method, Season::Year).unwrap();
        assert!((of(Method::DriestMonth(95, Frequency::Weibull)) - 1.0).abs() < 1e-9);
        assert!((of(Method::DriestMonth(90, Frequency::Weibull)) - 2.0).abs() < 1e-9);
        assert!((of(Method::SevenQTen(Frequency::Weibull)) - 1.0).abs() < 1e-9);
        // Pearson III of 1 to 19: mean 10, s = √(19 · 20/12) = 5.6273, no skew, K = −1.28155 and −1.64485.
        assert!((of(Method::DriestMonth(90, Frequency::Pearson3)) - (10.0 - 1.28155 * 5.6273)).abs() < 0.01);
        assert!((of(Method::DriestMonth(95, Frequency::Pearson3)) - (10.0 - 1.64485 * 5.6273)).abs() < 0.01);
        assert_eq!(
            study.years.iter().filter(|year| year.driest.is_some_and(|(month, _)| month == 6)).count(),
            19
        );
    }

    /// Logarithms −0.2, −0.1, 0, 0.1, 0.2 twice over: mean 0, s² = 0.2/9, no skew: 7Q10 = 10^(−1.28155 · 0.149071) = 0.6441.
    #[test]
    fn seven_q_ten_by_log_pearson_3() {
        let sevens: Vec<f64> =
            [-0.2, -0.1, 0.0, 0.1, 0.2].iter().cycle().take(10).map(|log: &f64| 10_f64.powf(*log)).collect();
        assert!((log_pearson3(&sevens).unwrap() - 0.6441).abs() < 5e-4);
        // One dry year of ten: once in ten years there is no flow.
        let mut dry = sevens.clone();
        dry[0] = 0.0;
        assert_eq!(log_pearson3(&dry), Some(0.0));
    }

    #[test]
    fn what_is_missing_is_never_a_number() {
        // The whole driest month of 2002 is missing, and seven days are never joined over a gap.
        let record = record("2001-01-01", "2003-12-31", |day| match (day.year(), day.month(), day.day()) {
            (2002, 6, _) | (2001, 3, 10) => None,
            (_, 6, _) => Some(1.0),
            (2001, 3, 7..=9 | 11..=13) => Some(0.1),
            _ => Some(5.0),
        });
        let study = Study::of(&record, Some(1)).unwrap();
        let years: Vec<_> = study.years.iter().map(|year| (year.driest, year.seven.is_some())).collect();
        assert_eq!(years, [(Some((6, 1.0)), true), (None, false), (Some((6, 1.0)), true)]);
        // Joined over the gap, six days of 0.1 and one of 5 would have a mean of 0.8.
        assert!((study.years[0].seven.unwrap() - 1.0).abs() < 1e-9);
        assert!(study.warnings.contains(&Warning::Gaps(31, 1095, 30)), "{:?}", study.warnings);
        assert!(study.warnings.contains(&Warning::FewYears(2, 10)));
        assert_eq!(flow(&study, Method::DriestMonth(90, Frequency::Weibull), Season::Year), None);
        assert_eq!(flow(&study, Method::TenYears, Season::Year), None);
    }

    #[test]
    fn a_year_begins_with_the_wettest_month() {
        let record =
            record("2001-01-01", "2003-12-31", |day| Some(if day.month() == 8 { 50.0 } else { 3.0 }));
        let study = Study::of(&record, None).unwrap();
        assert_eq!(study.year_begins, 8);
        // August 2000 to July 2001 is not whole, the two after it are, the last is not.
        assert_eq!(
            study.years.iter().map(|year| year.driest.is_some()).collect::<Vec<_>>(),
            [false, true, true, false]
        );
    }
}
