//! Days, months and years of the site, with the day beginning at 08:00 (dispatch, SL 651) or at 00:00 (yearbook).
//!
//! A day is called by the date it begins on, with either boundary; the two are never mixed in one statistic.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// When a day begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DayBegins {
    /// At 08:00.
    Eight,
    /// At 00:00.
    Midnight,
}

impl DayBegins {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Eight, Self::Midnight];

    /// As in file names.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Eight => "0800",
            Self::Midnight => "0000",
        }
    }

    /// As shown.
    pub const fn clock(self) -> &'static str {
        match self {
            Self::Eight => "08:00",
            Self::Midnight => "00:00",
        }
    }

    const fn hour(self) -> i8 {
        match self {
            Self::Eight => 8,
            Self::Midnight => 0,
        }
    }
}

/// A day of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Date it begins on.
    pub date: Date,
    /// Its boundary.
    pub begins: DayBegins,
    /// Begin.
    pub from: Timestamp,
    /// End: the begin of the next day.
    pub to: Timestamp,
}

impl Day {
    /// The day that begins on a date; `None` at the ends of the calendar.
    pub fn new(date: Date, begins: DayBegins, zone: &TimeZone) -> Option<Self> {
        let start = |date: Date| zone.to_timestamp(date.at(begins.hour(), 0, 0, 0)).ok();
        let (from, to) = (start(date)?, start(date.tomorrow().ok()?)?);
        Some(Self { date, begins, from, to })
    }

    /// The newest day that is over at `utc`.
    pub fn last_before(utc: Timestamp, begins: DayBegins, zone: &TimeZone) -> Option<Self> {
        let today = zone.to_datetime(utc).date();
        (0..3_i64)
            .filter_map(|back| Self::new(today.checked_sub(Span::new().days(back)).ok()?, begins, zone))
            .find(|day| day.to <= utc)
    }

    /// The last 08:00 in it or at its end.
    pub fn eight(&self, zone: &TimeZone) -> Option<Timestamp> {
        let date = match self.begins {
            DayBegins::Eight => self.date.tomorrow().ok()?,
            DayBegins::Midnight => self.date,
        };
        zone.to_timestamp(date.at(8, 0, 0, 0)).ok()
    }
}

/// A month or a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Year and month.
    Month(i16, i8),
    /// Year.
    Year(i16),
}

impl Period {
    /// The one a date lies in.
    pub fn month_of(date: Date) -> Self {
        Self::Month(date.year(), date.month())
    }

    /// First date.
    pub fn first(self) -> Date {
        match self {
            Self::Month(year, month) => date(year, month, 1),
            Self::Year(year) => date(year, 1, 1),
        }
    }

    /// Last date.
    pub fn last(self) -> Date {
        match self {
            Self::Month(..) => self.first().last_of_month(),
            Self::Year(_) => self.first().last_of_year(),
        }
    }

    /// Its days in order.
    pub fn days(self, begins: DayBegins, zone: &TimeZone) -> Vec<Day> {
        let dates = self.first().series(Span::new().days(1)).take_while(|date| *date <= self.last());
        dates.filter_map(|date| Day::new(date, begins, zone)).collect()
    }

    /// The one before, for the change from period to period 环比.
    #[must_use]
    pub fn before(self) -> Self {
        match self {
            Self::Month(year, 1) => Self::Month(year - 1, 12),
            Self::Month(year, month) => Self::Month(year, month - 1),
            Self::Year(year) => Self::Year(year - 1),
        }
    }

    /// The same of the year before, for the change from year to year 同比.
    #[must_use]
    pub fn year_before(self) -> Self {
        match self {
            Self::Month(year, month) => Self::Month(year - 1, month),
            Self::Year(year) => Self::Year(year - 1),
        }
    }

    /// As in file names: `2026-05` or `2026`.
    pub fn key(self) -> String {
        match self {
            Self::Month(year, month) => format!("{year:04}-{month:02}"),
            Self::Year(year) => format!("{year:04}"),
        }
    }

    /// From its key, as given on the command line; also from a whole date.
    pub fn month(text: &str) -> Option<Self> {
        let text = if text.len() == 7 { format!("{text}-01") } else { text.to_owned() };
        text.parse::<Date>().ok().map(Self::month_of)
    }

    /// From a year of four digits, a month or a date.
    pub fn year(text: &str) -> Option<Self> {
        match text.len() {
            4 => text.parse().ok().filter(|year| *year >= 1).map(Self::Year),
            _ => Self::month(text).map(|month| Self::Year(month.first().year())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shanghai() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    fn utc(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_called_by_the_date_it_begins_on() {
        let day = Day::new(date(2026, 5, 11), DayBegins::Eight, &shanghai()).unwrap();
        assert_eq!((day.from, day.to), (utc("2026-05-11T00:00:00Z"), utc("2026-05-12T00:00:00Z")));
        assert_eq!(day.eight(&shanghai()), Some(utc("2026-05-12T00:00:00Z")));
        let day = Day::new(date(2026, 5, 11), DayBegins::Midnight, &shanghai()).unwrap();
        assert_eq!((day.from, day.to), (utc("2026-05-10T16:00:00Z"), utc("2026-05-11T16:00:00Z")));
        assert_eq!(day.eight(&shanghai()), Some(utc("2026-05-11T00:00:00Z")));
    }

    #[test]
    fn the_last_day_is_one_that_is_over() {
        let last = |text, begins| Day::last_before(utc(text), begins, &shanghai()).unwrap().date;
        // 08:00 and 07:59:59 at the site.
        assert_eq!(last("2026-05-12T00:00:00Z", DayBegins::Eight), date(2026, 5, 11));
        assert_eq!(last("2026-05-11T23:59:59Z", DayBegins::Eight), date(2026, 5, 10));
        assert_eq!(last("2026-05-11T23:59:59Z", DayBegins::Midnight), date(2026, 5, 11));
    }

    #[test]
    fn a_day_of_summer_time_has_its_hours() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let hours = |day: Date| {
            let day = Day::new(day, DayBegins::Midnight, &zone).unwrap();
            day.to.duration_since(day.from).as_hours()
        };
        assert_eq!((hours(date(2026, 3, 29)), hours(date(2026, 10, 25))), (23, 25));
    }

    #[test]
    fn months_and_years_have_their_days_and_neighbours() {
        let days = |period: Period| period.days(DayBegins::Eight, &shanghai()).len();
        assert_eq!((days(Period::Month(2026, 2)), days(Period::Month(2024, 2))), (28, 29));
        assert_eq!(days(Period::Year(2026)), 365);
        assert_eq!(Period::Month(2026, 1).before(), Period::Month(2025, 12));
        assert_eq!(Period::Month(2026, 5).year_before(), Period::Month(2025, 5));
        assert_eq!(Period::month("2026-05").map(Period::key), Some("2026-05".into()));
        assert_eq!(Period::year("2026"), Some(Period::Year(2026)));
        assert_eq!((Period::month("2026-13"), Period::year("26")), (None, None));
    }
}
