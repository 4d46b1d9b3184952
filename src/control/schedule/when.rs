//! When an entry holds, in civil time of the site.
//!
//! An occurrence belongs to the day of its begin: weekday, season and validity are asked of that day, also when it ends on the next.
//! Where the clocks jump forward, a time that does not exist that day means as much later as they jump (02:30 is 03:30), so
//! that what lasts an hour lasts one that day too; an occurrence that nothing is left of is left out. Where they are put
//! back, a time that comes twice means the first. This is what RFC 5545, 3.3.5 says of calendars.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::basin::Season;

/// Days looked at beside those of a stretch: what began the day before holds over midnight, and a day may come twice.
const MARGIN_DAYS: i32 = 2;

/// From one instant to another, the first included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Begin.
    pub from: Timestamp,
    /// End, not included.
    pub to: Timestamp,
}

impl Span {
    /// Whether `utc` lies in it.
    pub fn contains(self, utc: Timestamp) -> bool {
        self.from <= utc && utc < self.to
    }

    /// Whether they have a time in common.
    pub fn meets(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }

    /// The part of it within `window`.
    #[must_use]
    pub fn within(self, window: Self) -> Self {
        Self { from: self.from.max(window.from), to: self.to.min(window.to) }
    }
}

/// Days of the week; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Days(u8);

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0b0111_1111);

    /// Days by their numbers, Monday 1 to Sunday 7; `None` for no day or another number.
    pub fn of(numbers: impl IntoIterator<Item = u8>) -> Option<Self> {
        let mut set = 0;
        for number in numbers {
            if !(1..=7).contains(&number) {
                return None;
            }
            set |= 1 << (number - 1);
        }
        (set != 0).then_some(Self(set))
    }

    /// Their numbers, Monday 1, in order.
    pub fn numbers(self) -> impl Iterator<Item = u8> {
        (1..=7).filter(move |number| self.0 & (1 << (number - 1)) != 0)
    }

    fn has(self, date: Date) -> bool {
        let number = u8::try_from(date.weekday().to_monday_one_offset()).unwrap_or(0);
        self.numbers().any(|day| day == number)
    }
}

/// Not days of the week.
#[derive(Debug, thiserror::Error)]
#[error("days are numbers from 1 (Monday) to 7, at least one")]
pub struct NoDays;

impl TryFrom<Vec<u8>> for Days {
    type Error = NoDays;
    fn try_from(numbers: Vec<u8>) -> Result<Self, NoDays> {
        Self::of(numbers).ok_or(NoDays)
    }
}

impl From<Days> for Vec<u8> {
    fn from(days: Days) -> Self {
        days.numbers().collect()
    }
}

/// Days on which a pattern begins: within a season of the year and between two dates, all inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Within {
    /// Season; may run over the new year.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub season: Option<Season>,
    /// First day ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Date>,
    /// Last day ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Date>,
}

impl Within {
    /// Whether a day is among them.
    pub fn contains(self, date: Date) -> bool {
        self.season.is_none_or(|season| season.contains(date))
            && self.first.is_none_or(|first| first <= date)
            && self.last.is_none_or(|last| date <= last)
    }

    /// First and last day of the stretch that begins in `year`; `None` when there is none.
    fn stretch(self, year: i16) -> Option<(Date, Date)> {
        let (first, last) = match self.season {
            Some(season) => {
                let ends = if season.from <= season.to { year } else { year.checked_add(1)? };
                (day(year, season.from, true)?, day(ends, season.to, false)?)
            }
            // Without a season the dates alone: once.
            None => (self.first?, self.last?),
        };
        let first = self.first.map_or(first, |own| own.max(first));
        let last = self.last.map_or(last, |own| own.min(last));
        (first <= last).then_some((first, last))
    }
}

/// A day of a year; 29 February of a common year is the day after as a begin, the day before as an end.
fn day(year: i16, (month, day): (i8, i8), begins: bool) -> Option<Date> {
    Date::new(year, month, day).ok().or_else(|| {
        let before = Date::new(year, month, day.checked_sub(1)?).ok()?;
        if begins { before.tomorrow().ok() } else { Some(before) }
    })
}

/// When an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum When {
    /// Once.
    Once {
        /// Begin.
        from: Timestamp,
        /// End, after the begin.
        to: Timestamp,
    },
    /// Every week on some days.
    Weekly {
        /// On which it begins.
        days: Days,
        /// Civil time of its begin.
        begin: Time,
        /// Civil time of its end; not after the begin: on the next day.
        end: Time,
        /// Days of the year on which it begins.
        #[serde(default)]
        within: Within,
    },
    /// All of a season, from the begin of its first day to the end of its last; without a season between two dates.
    Season {
        /// Which days.
        within: Within,
    },
}

/// Which of two entries counts: the higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// All of a season.
    Season,
    /// Every week.
    Weekly,
    /// Once.
    Once,
}

impl When {
    /// Its rank.
    pub fn rank(&self) -> Rank {
        match self {
            Self::Once { .. } => Rank::Once,
            Self::Weekly { .. } => Rank::Weekly,
            Self::Season { .. } => Rank::Season,
        }
    }

    /// The occurrence that holds at `utc`; of two that touch, the one that began last.
    pub fn span_at(&self, zone: &TimeZone, utc: Timestamp) -> Option<Span> {
        match self {
            Self::Once { from, to } => Some(Span { from: *from, to: *to }).filter(|span| span.contains(utc)),
            Self::Weekly { .. } => {
                let today = zone.to_datetime(utc).date();
                let days = [today.tomorrow().ok(), Some(today), today.yesterday().ok()];
                let spans = days.into_iter().flatten().filter_map(|date| self.occurrence(zone, date));
                spans.filter(|span| span.contains(utc)).max_by_key(|span| span.from)
            }
            Self::Season { within } => {
                let year = zone.to_datetime(utc).date().year();
                let spans = [Some(year), year.checked_sub(1)].into_iter().flatten();
                let spans = spans.filter_map(|year| whole_days(zone, within.stretch(year)?));
                spans.filter(|span| span.contains(utc)).max_by_key(|span| span.from)
            }
        }
    }

    /// Occurrences that have a time in common with `window`, in order of their begin.
    pub fn spans(&self, zone: &TimeZone, window: Span) -> Vec<Span> {
        let mut spans = Vec::new();
        let date = |utc: Timestamp| zone.to_datetime(utc).date();
        match self {
            Self::Once { from, to } => spans.push(Span { from: *from, to: *to }),
            Self::Weekly { .. } => {
                let margin = jiff::Span::new().days(MARGIN_DAYS);
                let first = date(window.from).saturating_sub(margin);
                let last = date(window.to).saturating_add(margin);
                let days = first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last);
                spans.extend(days.filter_map(|day| self.occurrence(zone, day)));
            }
            Self::Season { within } => {
                let (first, last) = (date(window.from).year(), date(window.to).year());
                let years = (first.saturating_sub(1)..=last).filter_map(|year| within.stretch(year));
                spans.extend(years.filter_map(|days| whole_days(zone, days)));
                // Without a season it is the same stretch every year.
                spans.dedup();
            }
        }
        spans.retain(|span| span.meets(window));
        spans
    }

    /// The occurrence of a weekly entry that begins on `date`.
    fn occurrence(&self, zone: &TimeZone, date: Date) -> Option<Span> {
        let Self::Weekly { days, begin, end, within } = self else { return None };
        if !days.has(date) || !within.contains(date) {
            return None;
        }
        let ends_on = if end > begin { date } else { date.tomorrow().ok()? };
        let from = zone.to_timestamp(date.to_datetime(*begin)).ok()?;
        let to = zone.to_timestamp(ends_on.to_datetime(*end)).ok()?;
        (from < to).then_some(Span { from, to })
    }
}

/// From the begin of the first day to the end of the last.
fn whole_days(zone: &TimeZone, (first, last): (Date, Date)) -> Option<Span> {
    let from = zone.to_timestamp(first.to_datetime(Time::midnight())).ok()?;
    let to = zone.to_timestamp(last.tomorrow().ok()?.to_datetime(Time::midnight())).ok()?;
    Some(Span { from, to })
}
