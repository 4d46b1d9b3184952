//! Putting an alarm aside: by a person, with a reason, for some hours, and back again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::machine::{Event, State};
use super::{Alarms, Change};

/// Longest time an alarm may be put aside: less than a shift, so that nobody inherits what he has not seen.
pub const SHELF_MOST: Duration = Duration::from_secs(8 * 3600);

/// Why an alarm stands aside, and how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shelf {
    /// Who put it there.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when, civil time.
    pub until: Timestamp,
    /// What is left of it, s of service time: a clock set back makes it no longer.
    left_s: f64,
}

impl Shelf {
    /// Lets time pass; true when it is over, by the service's own time or by the clock.
    pub(super) fn pass(&mut self, dt: Duration, utc: Timestamp) -> bool {
        self.left_s -= dt.as_secs_f64();
        self.left_s <= 0.0 || utc >= self.until
    }
}

impl Alarms {
    /// Puts the alarm with `key` aside for `time`.
    ///
    /// # Errors
    /// Why it may not be, in words for a person.
    pub fn shelve(
        &mut self,
        key: &str,
        time: Duration,
        (by, reason): (&str, &str),
        utc: Timestamp,
    ) -> Result<Change, String> {
        let closed = || format!("alarm {key} is not open, or stands aside already");
        let priority = self.open.get(key).ok_or_else(closed)?.priority;
        if priority == 1 {
            return Err(format!("alarm {key} has priority 1: it is not put aside"));
        }
        if time.is_zero() || time > SHELF_MOST {
            return Err(format!("an alarm is put aside for 1 min to {} h", SHELF_MOST.as_secs() / 3600));
        }
        let mut change = self.act(key, Event::Shelve, "shelved").ok_or_else(closed)?;
        let span = SignedDuration::try_from(time).unwrap_or_default();
        let until = utc.saturating_add(span).unwrap_or(utc);
        if let serde_json::Value::Object(parts) = &mut change.detail {
            parts.insert("until".to_owned(), serde_json::json!(until));
            parts.insert("shelf_reason".to_owned(), serde_json::json!(reason));
        }
        if let Some(alarm) = self.open.get_mut(key) {
            let left_s = time.as_secs_f64();
            alarm.shelf = Some(Shelf { by: by.to_owned(), reason: reason.to_owned(), until, left_s });
        }
        Ok(change)
    }

    /// Takes the alarm with `key` back: who does so has seen it.
    ///
    /// # Errors
    /// When it does not stand aside.
    pub fn unshelve(&mut self, key: &str) -> Result<Change, String> {
        let not_there = || format!("alarm {key} does not stand aside");
        let alarm = self.open.get_mut(key).filter(|alarm| alarm.state == State::Shelved);
        let alarm = alarm.ok_or_else(not_there)?;
        alarm.shelf = None;
        let (event, word) = if alarm.on { (Event::Unshelve, "unshelved") } else { (Event::Lapse, "ended") };
        self.act(key, event, word).ok_or_else(not_there)
    }
}
