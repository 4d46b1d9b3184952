//! Alarms: one list of conditions with priorities and delays, one state machine each (`machine`, after ISA-18.2).
//!
//! A condition has to hold for the on delay before its alarm is raised, and to be gone for the off delay before it is taken
//! back; within a dead band it keeps up an alarm that stands and raises none. A recurrence after the end is a new event.
//! A person may put an alarm aside for some hours; one whose parent stands is left out by design. Causes, consequences and
//! actions stand in `ops/alarms.md`.

mod machine;
mod shelf;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::machine::{Event, State, next};
pub use self::shelf::{SHELF_MOST, Shelf};
use super::status::{AlarmStatus, AsideStatus, FloodStatus};

/// Identifier, priority (1 highest to 4), on and off delay in seconds of each alarm.
pub const LIST: &[(&str, u8, u64, u64)] = &[
    ("A01", 1, 600, 60),
    ("A03", 2, 300, 600),
    ("A04", 2, 0, 0),
    ("A05", 2, 0, 0),
    ("A06", 3, 0, 0),
    ("A08", 2, 0, 0),
    ("A09", 2, 60, 30),
    ("A10", 3, 30, 10),
    ("A11", 3, 30, 10),
    ("A12", 3, 0, 0),
    ("A13", 3, 10, 10),
    ("A14", 3, 0, 10),
    ("A15", 3, 0, 10),
    ("A20", 2, 0, 10),
    ("A21", 4, 300, 60),
    ("A22", 4, 0, 0),
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
    ("A46", 3, 0, 60),
    ("A51", 3, 0, 0),
    ("A52", 4, 0, 0),
    ("A53", 3, 0, 0),
    ("A54", 2, 0, 0),
    ("A55", 1, 0, 0),
    ("A56", 1, 0, 0),
    ("A57", 2, 60, 60),
    ("A58", 3, 1800, 600),
    ("A59", 3, 600, 60),
];

/// New alarms within [`WINDOW`] that are a flood. Source: EEMUA 191, as quoted by the summaries of it.
pub const FLOOD: usize = 10;
/// A flood is over when fewer came within [`WINDOW`]. Source: as [`FLOOD`].
pub const EBB: usize = 5;
/// Ten minutes.
pub const WINDOW: Duration = Duration::from_secs(600);

/// A condition that holds this cycle.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Identifier from [`LIST`].
    pub id: &'static str,
    /// Element it is about; empty for the service.
    pub element: String,
    /// Numbers and names for its text.
    pub detail: serde_json::Value,
    /// It lies within the dead band: keeps up what stands, raises nothing.
    pub in_band: bool,
    /// Key of the alarm that says more: while it stands, this one is left out.
    pub parent: Option<String>,
}

impl Condition {
    /// A condition about an element.
    pub fn new(id: &'static str, element: impl Into<String>, detail: serde_json::Value) -> Self {
        Self { id, element: element.into(), detail, in_band: false, parent: None }
    }

    /// The same, left out while the alarm with the key `parent` stands.
    #[must_use]
    pub fn under(self, parent: String) -> Self {
        Self { parent: Some(parent), ..self }
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
    /// Whether it holds by its delays, whatever people did with the alarm.
    #[serde(default)]
    on: bool,
    since: Timestamp,
    detail: serde_json::Value,
    /// Where it was put aside.
    #[serde(default)]
    shelf: Option<Shelf>,
    /// The alarm that says more.
    #[serde(default)]
    parent: Option<String>,
}

/// An alarm that was raised lately.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Recent {
    key: String,
    age_s: f64,
}

/// Many at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flood {
    since: Timestamp,
    /// The first one of them.
    first: String,
}

/// All alarms that are not at rest, by key `ID:ELEMENT`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alarms {
    open: BTreeMap<String, Alarm>,
    /// Raised within [`WINDOW`], oldest first.
    #[serde(default)]
    recent: Vec<Recent>,
    #[serde(default)]
    flood: Option<Flood>,
}

/// A change for the record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Key of the alarm.
    pub key: String,
    /// Priority.
    pub priority: u8,
    /// `raised`, `returned`, `acknowledged`, `ended`, `shelved`, `unshelved` or `suppressed`.
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
        for (key, condition) in present.iter().filter(|(_, condition)| !condition.in_band) {
            let priority = LIST.iter().find(|(id, ..)| *id == condition.id).map_or(4, |(_, p, ..)| *p);
            self.open.entry(key.clone()).or_insert_with(|| Alarm {
                id: condition.id.into(),
                element: condition.element.clone(),
                priority,
                state: State::Normal,
                held_s: 0.0,
                present: false,
                on: false,
                since: utc,
                detail: condition.detail.clone(),
                shelf: None,
                parent: None,
            });
        }
        for (key, alarm) in &mut self.open {
            alarm.see(present.get(key), dt);
        }
        let standing: BTreeSet<_> =
            self.open.iter().filter(|(_, alarm)| alarm.on).map(|(key, _)| key.clone()).collect();
        let mut changes = Vec::new();
        for (key, alarm) in &mut self.open {
            let told = alarm.parent.as_ref().is_some_and(|parent| standing.contains(parent));
            if let Some(change) = alarm.step(told, dt, utc) {
                changes.push(alarm.change(key, change));
            }
        }
        self.open.retain(|_, alarm| alarm.state != State::Normal || alarm.present);
        self.count(&changes, dt, utc);
        changes
    }

    /// Counts what was raised lately: begin and end of a flood.
    fn count(&mut self, changes: &[Change], dt: Duration, utc: Timestamp) {
        for recent in &mut self.recent {
            recent.age_s += dt.as_secs_f64();
        }
        self.recent.retain(|recent| recent.age_s < WINDOW.as_secs_f64());
        let raised = changes.iter().filter(|change| change.change == "raised");
        self.recent.extend(raised.map(|change| Recent { key: change.key.clone(), age_s: 0.0 }));
        let many = self.recent.len();
        match (&self.flood, self.recent.first()) {
            (None, Some(first)) if many >= FLOOD => {
                self.flood = Some(Flood { since: utc, first: first.key.clone() });
            }
            (Some(_), _) if many < EBB => self.flood = None,
            (None | Some(_), _) => {}
        }
    }

    /// Acknowledges the alarm with `key`; `None` when it is not open or was already seen.
    pub fn acknowledge(&mut self, key: &str) -> Option<Change> {
        self.act(key, Event::Acknowledge, "acknowledged")
    }

    /// What a person does with the alarm with `key`; `None` when that changes nothing.
    fn act(&mut self, key: &str, event: Event, word: &'static str) -> Option<Change> {
        let alarm = self.open.get_mut(key)?;
        let after = next(alarm.state, event);
        if after == alarm.state {
            return None;
        }
        alarm.state = after;
        let change = alarm.change(key, word);
        self.open.retain(|_, alarm| alarm.state != State::Normal || alarm.present);
        Some(change)
    }

    /// Whether the alarm with `key` has been raised and is open still, its condition gone or not.
    pub(super) fn is_open(&self, key: &str) -> bool {
        self.open.get(key).is_some_and(|alarm| alarm.state != State::Normal)
    }

    /// Whether the alarm with `key` stands: raised, and not taken back since; put aside or not.
    pub(super) fn stands(&self, key: &str) -> bool {
        self.open.get(key).is_some_and(|alarm| match alarm.state {
            State::Unacknowledged | State::Acknowledged | State::Suppressed => true,
            State::Shelved => alarm.on,
            State::Normal | State::Returned => false,
        })
    }

    /// Open alarms, highest priority and newest first.
    pub fn status(&self) -> Vec<AlarmStatus> {
        let open = self.open.iter().filter(|(_, alarm)| match alarm.state {
            State::Unacknowledged | State::Acknowledged | State::Returned => true,
            State::Normal | State::Shelved | State::Suppressed => false,
        });
        let mut open = open.map(|(key, alarm)| alarm.status(key)).collect::<Vec<_>>();
        open.sort_by(|a, b| a.priority.cmp(&b.priority).then(b.since.cmp(&a.since)));
        open
    }

    /// Alarms put aside by people or left out by design, by key.
    pub fn aside(&self) -> Vec<AsideStatus> {
        let aside = self.open.iter().filter(|(_, alarm)| match alarm.state {
            State::Shelved | State::Suppressed => true,
            State::Normal | State::Unacknowledged | State::Acknowledged | State::Returned => false,
        });
        let aside = aside.map(|(key, alarm)| AsideStatus {
            alarm: alarm.status(key),
            shelf: alarm.shelf.clone().filter(|_| alarm.state == State::Shelved),
            parent: alarm.parent.clone().filter(|_| alarm.state == State::Suppressed),
        });
        aside.collect()
    }

    /// The flood of alarms that is on.
    pub fn flood(&self) -> Option<FloodStatus> {
        let flood = self.flood.as_ref()?;
        Some(FloodStatus { since: flood.since, first: flood.first.clone() })
    }
}

impl Alarm {
    fn change(&self, key: &str, change: &'static str) -> Change {
        Change { key: key.into(), priority: self.priority, change, detail: self.detail.clone() }
    }

    fn status(&self, key: &str) -> AlarmStatus {
        AlarmStatus {
            key: key.into(),
            id: self.id.clone(),
            element: self.element.clone(),
            priority: self.priority,
            active: self.on,
            acknowledged: self.state == State::Acknowledged,
            since: self.since,
            detail: self.detail.clone(),
        }
    }

    /// Takes in whether the condition holds: by its delays and its dead band, the alarm is on or off.
    fn see(&mut self, now: Option<&Condition>, dt: Duration) {
        let (on_s, off_s) =
            LIST.iter().find(|(id, ..)| *id == self.id).map_or((0, 0), |(_, _, on, off)| (*on, *off));
        let now = now.filter(|condition| !condition.in_band || self.on);
        if now.is_some() == self.present {
            self.held_s += dt.as_secs_f64();
        } else {
            (self.present, self.held_s) = (now.is_some(), 0.0);
        }
        if let Some(condition) = now {
            self.detail = condition.detail.clone();
            self.parent.clone_from(&condition.parent);
        }
        let due = |delay: u64| self.held_s >= Duration::from_secs(delay).as_secs_f64();
        if due(if self.present { on_s } else { off_s }) {
            self.on = self.present;
        }
    }

    /// One step of its state; `told`: the parent stands. Answers what to record.
    fn step(&mut self, told: bool, dt: Duration, utc: Timestamp) -> Option<&'static str> {
        let over = self.shelf.as_mut().is_some_and(|shelf| shelf.pass(dt, utc));
        let event = match (self.state, self.on) {
            (State::Shelved, on) => {
                if !over {
                    return None;
                }
                if on { Event::Expire } else { Event::Lapse }
            }
            (State::Normal | State::Unacknowledged | State::Acknowledged | State::Returned, true) if told => {
                Event::Suppress
            }
            (State::Normal | State::Returned, true) => Event::On,
            (State::Suppressed, true) if !told => Event::Release,
            (State::Unacknowledged | State::Acknowledged | State::Suppressed, false) => Event::Off,
            (State::Unacknowledged | State::Acknowledged | State::Suppressed, true)
            | (State::Normal | State::Returned, false) => return None,
        };
        let before = self.state;
        self.state = next(before, event);
        match event {
            Event::On | Event::Release => {
                self.since = utc;
                Some("raised")
            }
            Event::Off if before == State::Unacknowledged => Some("returned"),
            Event::Off => Some("ended"),
            Event::Suppress => Some("suppressed"),
            Event::Expire => {
                self.shelf = None;
                Some("unshelved")
            }
            Event::Lapse => {
                self.shelf = None;
                Some("ended")
            }
            Event::Acknowledge | Event::Shelve | Event::Unshelve => None,
        }
    }
}
