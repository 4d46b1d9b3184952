//! Alarms: one list of conditions with priorities and delays, one state machine each (after ISA-18.2).
//!
//! ```text
//! Normal ──on──> Unacknowledged ──ack──> Acknowledged ──off──> Normal
//!                      └──off──> Returned ──ack──> Normal
//! ```
//!
//! A recurrence after the end is a new event. Causes, consequences and actions stand in `ops/alarms.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::status::AlarmStatus;

/// Identifier, priority (1 highest to 4), on and off delay in seconds of each alarm.
pub const LIST: &[(&str, u8, u64, u64)] = &[
    ("A01", 1, 600, 60),
    ("A03", 2, 300, 600),
    ("A04", 2, 0, 0),
    ("A05", 2, 0, 0),
    ("A08", 2, 0, 0),
    ("A09", 2, 60, 30),
    ("A10", 3, 30, 10),
    ("A11", 3, 30, 10),
    ("A12", 3, 0, 0),
    ("A13", 3, 10, 10),
    ("A14", 3, 0, 10),
    ("A15", 3, 0, 10),
    ("A20", 2, 0, 10),
    ("A27", 4, 0, 60),
    ("A30", 2, 60, 60),
    ("A31", 2, 0, 10),
    ("A32", 1, 0, 600),
    ("A33", 2, 0, 60),
    ("A34", 2, 60, 60),
    ("A36", 2, 0, 0),
    ("A39", 2, 3600, 3600),
    ("A40", 2, 1800, 600),
    ("A41", 2, 0, 0),
    ("A42", 2, 30, 60),
    ("A43", 2, 0, 10),
    ("A44", 2, 0, 60),
    ("A45", 4, 600, 0),
];

/// A condition that holds this cycle.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Identifier from [`LIST`].
    pub id: &'static str,
    /// Element it is about; empty for the service.
    pub element: String,
    /// Numbers and names for its text.
    pub detail: serde_json::Value,
}

impl Condition {
    /// A condition about an element.
    pub fn new(id: &'static str, element: impl Into<String>, detail: serde_json::Value) -> Self {
        Self { id, element: element.into(), detail }
    }
}

/// State of one alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Normal,
    Unacknowledged,
    Acknowledged,
    Returned,
}

/// What happens to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    On,
    Off,
    Acknowledge,
}

/// The table: every pair, none left to a wildcard.
fn next(state: State, event: Event) -> State {
    match (state, event) {
        (State::Normal | State::Returned | State::Unacknowledged, Event::On) => State::Unacknowledged,
        (State::Unacknowledged, Event::Acknowledge)
        | (State::Acknowledged, Event::On | Event::Acknowledge) => State::Acknowledged,
        (State::Unacknowledged | State::Returned, Event::Off) => State::Returned,
        (State::Acknowledged | State::Normal, Event::Off)
        | (State::Normal | State::Returned, Event::Acknowledge) => State::Normal,
    }
}

/// One alarm that is not at rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Alarm {
    id: String,
    element: String,
    priority: u8,
    state: State,
    /// Seconds the condition has held, or been gone, without a break.
    held_s: f64,
    present: bool,
    since: Timestamp,
    detail: serde_json::Value,
}

/// All alarms that are not at rest, by key `ID:ELEMENT`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alarms {
    open: BTreeMap<String, Alarm>,
}

/// A change for the record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Key of the alarm.
    pub key: String,
    /// Priority.
    pub priority: u8,
    /// `raised`, `returned`, `acknowledged` or `ended`.
    pub change: &'static str,
    /// Numbers and names for its text.
    pub detail: serde_json::Value,
}

impl Alarms {
    /// Advances by `dt` with the conditions that hold now.
    pub fn advance(&mut self, conditions: Vec<Condition>, dt: Duration, utc: Timestamp) -> Vec<Change> {
        let mut present = BTreeMap::new();
        for condition in conditions {
            present.insert(format!("{}:{}", condition.id, condition.element), condition);
        }
        for (key, condition) in &present {
            let priority = LIST.iter().find(|(id, ..)| *id == condition.id).map_or(4, |(_, p, ..)| *p);
            self.open.entry(key.clone()).or_insert_with(|| Alarm {
                id: condition.id.into(),
                element: condition.element.clone(),
                priority,
                state: State::Normal,
                held_s: 0.0,
                present: false,
                since: utc,
                detail: condition.detail.clone(),
            });
        }
        let mut changes = Vec::new();
        for (key, alarm) in &mut self.open {
            let now = present.get(key);
            alarm.see(now, dt, utc, |change, alarm| {
                changes.push(Change {
                    key: key.clone(),
                    priority: alarm.priority,
                    change,
                    detail: alarm.detail.clone(),
                });
            });
        }
        self.open.retain(|_, alarm| alarm.state != State::Normal || alarm.present);
        changes
    }

    /// Acknowledges the alarm with `key`; `None` when it is not open or was already seen.
    pub fn acknowledge(&mut self, key: &str) -> Option<Change> {
        let alarm = self.open.get_mut(key)?;
        let after = next(alarm.state, Event::Acknowledge);
        if after == alarm.state {
            return None;
        }
        alarm.state = after;
        let change = Change {
            key: key.into(),
            priority: alarm.priority,
            change: "acknowledged",
            detail: alarm.detail.clone(),
        };
        self.open.retain(|_, alarm| alarm.state != State::Normal || alarm.present);
        Some(change)
    }

    /// Whether the alarm with `key` has been raised and is open still, its condition gone or not.
    pub(super) fn is_open(&self, key: &str) -> bool {
        self.open.get(key).is_some_and(|alarm| alarm.state != State::Normal)
    }

    /// Whether the alarm with `key` stands: raised, and not taken back since.
    pub(super) fn stands(&self, key: &str) -> bool {
        self.open
            .get(key)
            .is_some_and(|alarm| matches!(alarm.state, State::Unacknowledged | State::Acknowledged))
    }

    /// Open alarms, highest priority and newest first.
    pub fn status(&self) -> Vec<AlarmStatus> {
        let mut open = self
            .open
            .iter()
            .filter(|(_, a)| a.state != State::Normal)
            .map(|(key, a)| AlarmStatus {
                key: key.clone(),
                id: a.id.clone(),
                element: a.element.clone(),
                priority: a.priority,
                active: matches!(a.state, State::Unacknowledged | State::Acknowledged),
                acknowledged: matches!(a.state, State::Acknowledged),
                since: a.since,
                detail: a.detail.clone(),
            })
            .collect::<Vec<_>>();
        open.sort_by(|a, b| a.priority.cmp(&b.priority).then(b.since.cmp(&a.since)));
        open
    }
}

impl Alarm {
    fn see(
        &mut self,
        now: Option<&Condition>,
        dt: Duration,
        utc: Timestamp,
        mut changed: impl FnMut(&'static str, &Self),
    ) {
        let (on_s, off_s) =
            LIST.iter().find(|(id, ..)| *id == self.id).map_or((0, 0), |(_, _, on, off)| (*on, *off));
        if now.is_some() == self.present {
            self.held_s += dt.as_secs_f64();
        } else {
            (self.present, self.held_s) = (now.is_some(), 0.0);
        }
        if let Some(condition) = now {
            self.detail = condition.detail.clone();
        }
        let due = |delay: u64| self.held_s >= std::time::Duration::from_secs(delay).as_secs_f64();
        let event = match (self.present, self.state) {
            (true, State::Normal | State::Returned) if due(on_s) => Event::On,
            (false, State::Unacknowledged | State::Acknowledged) if due(off_s) => Event::Off,
            (true | false, _) => return,
        };
        let before = self.state;
        self.state = next(self.state, event);
        match (before, self.state) {
            (State::Normal | State::Returned, State::Unacknowledged) => {
                self.since = utc;
                changed("raised", self);
            }
            (State::Unacknowledged, State::Returned) => changed("returned", self),
            (State::Acknowledged, State::Normal) => changed("ended", self),
            (State::Normal | State::Unacknowledged | State::Acknowledged | State::Returned, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(alarms: &mut Alarms, on: bool, seconds: u64) -> Vec<&'static str> {
        let conditions =
            if on { vec![Condition::new("A09", "q.x", serde_json::json!({}))] } else { Vec::new() };
        let dt = Duration::from_secs(seconds);
        alarms.advance(conditions, dt, Timestamp::UNIX_EPOCH).into_iter().map(|c| c.change).collect()
    }

    #[test]
    fn an_alarm_lives_its_life() {
        let mut alarms = Alarms::default();
        // A09: 60 s on, 30 s off.
        assert!(step(&mut alarms, true, 5).is_empty());
        assert!(step(&mut alarms, true, 59).is_empty());
        assert_eq!(step(&mut alarms, true, 1), ["raised"]);
        assert_eq!(alarms.acknowledge("A09:q.x").map(|c| c.change), Some("acknowledged"));
        assert!(alarms.acknowledge("A09:q.x").is_none());
        assert!(step(&mut alarms, false, 10).is_empty());
        assert_eq!(step(&mut alarms, false, 30), ["ended"]);
        assert!(alarms.status().is_empty());
    }

    #[test]
    fn a_short_condition_raises_nothing() {
        let mut alarms = Alarms::default();
        step(&mut alarms, true, 5);
        step(&mut alarms, true, 40);
        step(&mut alarms, false, 5);
        assert!(step(&mut alarms, true, 50).is_empty());
    }

    #[test]
    fn what_returned_unseen_stays_until_it_is_seen() {
        let mut alarms = Alarms::default();
        step(&mut alarms, true, 5);
        step(&mut alarms, true, 60);
        step(&mut alarms, false, 5);
        assert_eq!(step(&mut alarms, false, 30), ["returned"]);
        assert_eq!(alarms.status().len(), 1);
        alarms.acknowledge("A09:q.x");
        assert!(alarms.status().is_empty());
    }
}
