//! Times, days and words as people write them, and back.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::Days;

/// Short names of the days, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// An instant, from civil time of the site or with an offset; why not else.
pub(super) fn instant(text: &str, zone: &TimeZone) -> Result<Timestamp, &'static str> {
    if let Ok(instant) = text.parse() {
        return Ok(instant);
    }
    // Civil time with an offset that names none would be read without it.
    let civil: DateTime = text.parse().map_err(|_| "is no time")?;
    if text.len() < "2026-05-04T06:00".len() {
        return Err("has no time of the day");
    }
    let meant = zone.to_ambiguous_timestamp(civil);
    meant.unambiguous().map_err(|_| "comes twice or never at the site, the clocks are changed then")
}

/// As [`instant`] reads it: civil time of the site, with its offset where it alone would not do.
pub(super) fn written(utc: Timestamp, zone: &TimeZone) -> String {
    let civil = zone.to_datetime(utc);
    let plain = civil.to_string();
    let plain = plain.strip_suffix(":00").unwrap_or(&plain).to_owned();
    if instant(&plain, zone) == Ok(utc) {
        return plain;
    }
    let zoned = utc.display_with_offset(zone.to_offset(utc));
    zoned.to_string()
}

/// `06:00`, at most `23:59`; `24:00` is the begin of the next day.
pub(super) fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let plain = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(hour) || !plain(minute) {
        return None;
    }
    if text == "24:00" {
        return Some(Time::midnight());
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

/// As [`time`] reads it.
pub(super) fn clock(time: Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

/// `06-01`; 29 February counts as a day.
pub(super) fn month_day(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    if month.len() != 2 || day.len() != 2 {
        return None;
    }
    let date = Date::new(2024, month.parse().ok()?, day.parse().ok()?).ok()?;
    Some((date.month(), date.day()))
}

/// `2026-05-01`.
pub(super) fn date(text: &str) -> Option<Date> {
    if text.len() != "2026-05-01".len() {
        return None;
    }
    text.parse().ok()
}

/// `mon,wed` or `mon-fri`, numbers from 1 (Monday) to 7 alike; a stretch may run over Sunday.
pub(super) fn days(text: &str) -> Option<Days> {
    let number = |word: &str| -> Option<u8> {
        let word = word.trim().to_ascii_lowercase();
        let named = DAYS.iter().zip(1..).find(|(day, _)| **day == word).map(|(_, number)| number);
        named.or_else(|| word.parse().ok().filter(|number| (1..=7).contains(number)))
    };
    let mut numbers = Vec::new();
    for part in text.split([',', ' ', '+']).map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('-') {
            None => numbers.push(number(part)?),
            Some((first, last)) => {
                let (mut at, last) = (number(first)?, number(last)?);
                while at != last {
                    numbers.push(at);
                    at = at % 7 + 1;
                }
                numbers.push(last);
            }
        }
    }
    Days::of(numbers)
}

/// As [`days`] reads it.
pub(super) fn named(days: Days) -> String {
    let name = |number: u8| DAYS.get(usize::from(number) - 1).copied().unwrap_or_default();
    days.numbers().map(name).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_people_write_them() {
        let numbers = |text: &str| days(text).map(|days| days.numbers().collect::<Vec<_>>());
        assert_eq!(numbers("mon-fri"), Some(vec![1, 2, 3, 4, 5]));
        assert_eq!(numbers("Sat, 1"), Some(vec![1, 6]));
        assert_eq!(numbers("fri-mon"), Some(vec![1, 5, 6, 7]));
        assert_eq!(named(days("7 mon").unwrap()), "mon sun");
        for wrong in ["", "0", "8", "monday", "mon-"] {
            assert_eq!(days(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_instant_is_civil_time_of_the_site_and_comes_back_as_it_was_written() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let at = instant("2026-05-04T06:00", &berlin).unwrap();
        assert_eq!(at.to_string(), "2026-05-04T04:00:00Z");
        assert_eq!(written(at, &berlin), "2026-05-04T06:00");
        // The night the clocks go back: half past two comes twice and needs its offset; in March it never comes.
        assert!(instant("2026-10-25T02:30", &berlin).is_err());
        assert!(instant("2026-03-29T02:30", &berlin).is_err());
        let second = instant("2026-10-25T02:30:00+01:00", &berlin).unwrap();
        assert_eq!(second.to_string(), "2026-10-25T01:30:00Z");
        assert_eq!(instant(&written(second, &berlin), &berlin), Ok(second));
        assert!(instant("2026-05-04", &berlin).is_err());
    }

    #[test]
    fn times_have_two_digits_each() {
        assert_eq!(time("24:00"), Some(Time::midnight()));
        assert_eq!(time("06:30").map(clock).as_deref(), Some("06:30"));
        for wrong in ["6:00", "06:60", "24:01", "0600", "06:00:00"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }
}
