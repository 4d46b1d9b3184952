//! Raw to checked: every value, every name, every limit. Problems are collected, never thrown: one bad key does
//! not hide the next.

pub(super) mod bounds;
pub(super) mod calendar;
pub(super) mod control;
pub(super) mod field;
pub(super) mod graph;
pub(super) mod layouts;
pub(super) mod names;
pub(super) mod network;
pub(super) mod notify;
pub(super) mod rating;
pub(super) mod registers;
pub(super) mod reports;
pub(super) mod roles;
pub(super) mod service;
pub(super) mod structure;
pub(super) mod transport;
pub(super) mod uses;
pub(super) mod warning;
pub(super) mod water;
pub(super) mod wiring;

use super::raw::Given;
use super::sheet::{Spot, plain};
use crate::basin::{Name, Season};
use crate::units::{Discharge, Stage};

/// What a number must be.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    holds: fn(f64) -> bool,
    must: &'static str,
}

/// Any finite number.
pub(super) const FINITE: Rule = Rule { holds: |_| true, must: "must be a finite number" };
/// Above zero.
pub(super) const POSITIVE: Rule = Rule { holds: |x| x > 0.0, must: "must be positive" };
/// Zero or above.
pub(super) const NOT_NEGATIVE: Rule = Rule { holds: |x| x >= 0.0, must: "must not be negative" };
/// 0 to 100.
pub(super) const PERCENT: Rule = Rule { holds: |x| (0.0..=100.0).contains(&x), must: "must be 0 to 100" };

/// Something is wrong and has been noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted;

impl Spot<'_> {
    /// The value of `key`, which must be there.
    pub(super) fn need<T>(&self, key: &str, given: Given<T>, remedy: &str) -> Option<T> {
        if matches!(given, Given::Absent) {
            self.key(key).complain("is missing", remedy);
        }
        self.may(key, given, remedy)
    }

    /// The value of `key`, if it is there.
    pub(super) fn may<T>(&self, key: &str, given: Given<T>, remedy: &str) -> Option<T> {
        match given {
            Given::Value(value) => Some(value),
            Given::Absent => None,
            Given::Wrong(message) => {
                self.key(key).complain(plain(&message), remedy);
                None
            }
        }
    }

    /// What stands here, as an item of a list.
    pub(super) fn value<T>(&self, given: Given<T>, remedy: &str) -> Option<T> {
        match given {
            Given::Value(value) => Some(value),
            Given::Absent => None,
            Given::Wrong(message) => {
                self.complain(plain(&message), remedy);
                None
            }
        }
    }

    /// A number that must be there and follow `rule`; one that does not is noted and still given back, so that
    /// what depends on it can be looked at.
    pub(super) fn number(&self, key: &str, given: Given<f64>, rule: Rule, remedy: &str) -> Option<f64> {
        let value = self.need(key, given, remedy)?;
        self.key(key).judge(value, rule, remedy)
    }

    /// As [`Self::number`], for a key that may be left out.
    pub(super) fn optional(&self, key: &str, given: Given<f64>, rule: Rule, remedy: &str) -> Option<f64> {
        let value = self.may(key, given, remedy)?;
        self.key(key).judge(value, rule, remedy)
    }

    /// Notes a number here that breaks `rule`; `None` only when it is not finite.
    pub(super) fn judge(&self, value: f64, rule: Rule, remedy: &str) -> Option<f64> {
        if !value.is_finite() {
            self.complain(FINITE.must, remedy);
            return None;
        }
        if !(rule.holds)(value) {
            self.complain(rule.must, remedy);
        }
        Some(value)
    }

    /// A flow, m³/s.
    pub(super) fn flow(&self, key: &str, given: Given<f64>, rule: Rule, remedy: &str) -> Option<Discharge> {
        self.number(key, given, rule, remedy).and_then(Discharge::new)
    }

    /// A water level, m above the datum.
    pub(super) fn level(&self, key: &str, given: Given<f64>, remedy: &str) -> Option<Stage> {
        self.number(key, given, FINITE, remedy).and_then(Stage::new)
    }

    /// Twelve flows, January first, none negative.
    pub(super) fn months(&self, key: &str, given: Given<Vec<f64>>) -> Option<[Discharge; 12]> {
        let remedy = "give twelve flows in m³/s, January first";
        let list = self.need(key, given, remedy)?;
        let spot = self.key(key);
        let Ok(months) = <[f64; 12]>::try_from(list) else {
            spot.complain("must have twelve values", remedy);
            return None;
        };
        let mut flows = [Discharge::ZERO; 12];
        for (at, (flow, value)) in flows.iter_mut().zip(months).enumerate() {
            *flow = Discharge::new(spot.item(at).judge(value, NOT_NEGATIVE, remedy)?)?;
        }
        Some(flows)
    }

    /// The two names of an element.
    pub(super) fn name(&self, zh: Given<String>, en: Given<String>) -> Option<Name> {
        let one = |key: &str, given: Given<String>, remedy: &str| {
            let text = self.need(key, given, remedy)?;
            if text.trim().is_empty() {
                self.key(key).complain("must not be empty", remedy);
            }
            Some(text)
        };
        let zh = one("name_zh", zh, "give the Chinese name");
        let en = one("name_en", en, "give the English name");
        Some(Name { zh: zh?, en: en? })
    }

    /// A season from its two days, written month-day.
    pub(super) fn season(&self, from: &str, to: &str) -> Option<Season> {
        let day = |key: &str, text: &str| {
            let parsed = month_day(text);
            if parsed.is_none() {
                self.key(key).complain("is no day of the year", "write month and day as \"06-01\"");
            }
            parsed
        };
        let (from, to) = (day("from", from), day("to", to));
        Some(Season { from: from?, to: to? })
    }

    /// Complains about keys that do not belong here.
    pub(super) fn refuse(&self, keys: &[(&str, bool)], what: &str) {
        for (key, _) in keys.iter().filter(|(_, present)| *present) {
            self.key(key).complain(format!("does not belong to {what}"), "remove it");
        }
    }
}

impl<T> Given<T> {
    /// Whether the key is there at all.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

/// Month and day as "06-01"; 29 February counts as a day.
fn month_day(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    if month.len() != 2 || day.len() != 2 {
        return None;
    }
    let date = jiff::civil::Date::new(2024, month.parse().ok()?, day.parse().ok()?).ok()?;
    Some((date.month(), date.day()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_the_year_is_two_digits_each() {
        assert_eq!(month_day("06-01"), Some((6, 1)));
        assert_eq!(month_day("02-29"), Some((2, 29)));
        for wrong in ["6-1", "13-01", "04-31", "0601", "06-01-02", ""] {
            assert_eq!(month_day(wrong), None, "{wrong}");
        }
    }
}
