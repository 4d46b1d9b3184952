//! The journal of alarms for the page, and the three numbers by which an alarm system is judged (as usually quoted from EEMUA
//! 191): new alarms per ten minutes, floods, and the shares of the priorities.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::journal::Record;
use crate::control::alarm::{EBB, FLOOD, WINDOW};

/// Changes of alarms, and what they come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AlarmLog {
    /// Newest first.
    pub rows: Vec<AlarmRow>,
    /// Of the whole time asked for.
    pub numbers: AlarmNumbers,
}

/// One change of an alarm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlarmRow {
    /// Number of the record.
    pub seq: u64,
    /// When.
    pub utc: Timestamp,
    /// Who, as in the record.
    pub actor: String,
    /// Key, priority, change and detail, as in the record.
    #[serde(flatten)]
    pub change: Value,
}

/// What a time's alarms come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AlarmNumbers {
    /// Length, h.
    pub hours: f64,
    /// Raised.
    pub raised: usize,
    /// By priority, 1 to 4.
    pub by_priority: [usize; 4],
    /// On average.
    pub per_ten_minutes: f64,
    /// Most within any ten minutes.
    pub most_in_ten_minutes: usize,
    /// How often ten or more came within ten minutes.
    pub floods: usize,
}

/// Of `records` (newest first) from `from` until before `to`, with the newest `rows`.
pub(super) fn of(records: &[Record], from: Timestamp, to: Timestamp, rows: usize) -> AlarmLog {
    let row = |record: &Record| {
        let change = record.detail.clone().filter(|detail| detail["key"].is_string())?;
        Some(AlarmRow { seq: record.seq, utc: record.utc, actor: record.actor.clone(), change })
    };
    let raised = records.iter().rev().filter_map(|record| {
        let detail = record.detail.as_ref().filter(|detail| detail["change"] == "raised")?;
        Some((record.utc, detail["priority"].as_u64().unwrap_or(4)))
    });
    let numbers = numbers(raised, to.duration_since(from));
    AlarmLog { rows: records.iter().filter_map(row).take(rows).collect(), numbers }
}

/// Of alarms raised, in the order of their time, within a time of this length.
fn numbers(raised: impl Iterator<Item = (Timestamp, u64)>, length: SignedDuration) -> AlarmNumbers {
    let window = SignedDuration::try_from(WINDOW).unwrap_or_default();
    let mut told = AlarmNumbers { hours: length.as_secs_f64() / 3600.0, ..AlarmNumbers::default() };
    let mut recent: VecDeque<Timestamp> = VecDeque::new();
    let mut in_flood = false;
    for (at, priority) in raised {
        told.raised += 1;
        let place = usize::try_from(priority.clamp(1, 4) - 1).unwrap_or(3);
        if let Some(count) = told.by_priority.get_mut(place) {
            *count += 1;
        }
        while recent.front().is_some_and(|first| at.duration_since(*first) >= window) {
            recent.pop_front();
        }
        in_flood &= recent.len() >= EBB;
        recent.push_back(at);
        told.most_in_ten_minutes = told.most_in_ten_minutes.max(recent.len());
        if recent.len() >= FLOOD && !in_flood {
            in_flood = true;
            told.floods += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of alarms")]
    let count = told.raised as f64;
    told.per_ten_minutes = count / (length.as_secs_f64() / 600.0).max(1.0);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_numbers_of_a_quiet_day_and_of_one_with_a_flood() {
        let day = SignedDuration::from_hours(24);
        // 36 alarms in 144 tens of minutes, one each forty minutes.
        let quiet = numbers((0..36).map(|k| (at(2400 * k), 4)), day);
        assert_eq!((quiet.raised, quiet.floods, quiet.most_in_ten_minutes), (36, 0, 1));
        assert!((quiet.per_ten_minutes - 0.25).abs() < 1e-12);
        assert_eq!(quiet.by_priority, [0, 0, 0, 36]);
        // Twelve in a minute, an hour's rest, twelve again.
        let burst = |from: i64| (0..12).map(move |k| (at(from + 5 * k), 2));
        let wild = numbers(burst(0).chain(burst(3600)), day);
        assert_eq!((wild.raised, wild.floods, wild.most_in_ten_minutes), (24, 2, 12));
        assert_eq!(wild.by_priority, [0, 24, 0, 0]);
    }

    #[test]
    fn a_flood_that_goes_on_is_one() {
        let day = SignedDuration::from_hours(24);
        let long = numbers((0..60).map(|k| (at(40 * k), 3)), day);
        assert_eq!(long.floods, 1);
    }
}
