//! How long dispatch stood on each rung of the ladder.

use std::collections::BTreeMap;
use std::time::Duration;

use qindan::control::record::{Entry, Kind};

/// Rungs, highest first.
pub const NAMES: [&str; 4] = ["F0", "F1", "F2", "F3"];

/// Time on each rung, from a moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rungs {
    from: Duration,
    at: usize,
    since: Duration,
    spent: [Duration; NAMES.len()],
    falls: u64,
}

impl Rungs {
    /// Nothing counts before `from`. A service begins on the arrival-time rule.
    pub fn new(from: Duration) -> Self {
        Self { from, at: 2, since: from, spent: [Duration::ZERO; NAMES.len()], falls: 0 }
    }

    /// Takes in what was recorded at `now`.
    pub fn note(&mut self, entries: &[Entry], now: Duration) {
        let told = entries.iter().filter(|entry| entry.kind == Kind::Plan).filter_map(|e| e.detail.as_ref());
        for detail in told {
            let to = detail.get("rung_to").and_then(serde_json::Value::as_str);
            if let Some(to) = to.and_then(|to| NAMES.iter().position(|name| *name == to)) {
                self.turn(to, now);
            }
        }
    }

    fn turn(&mut self, to: usize, now: Duration) {
        if let Some(spent) = self.spent.get_mut(self.at) {
            *spent += now.saturating_sub(self.since);
        }
        if to > self.at && now >= self.from {
            self.falls += 1;
        }
        (self.at, self.since) = (to, now.max(self.from));
    }

    /// Hours on each rung until `now`, those it never stood on left out.
    pub fn hours(&self, now: Duration) -> BTreeMap<String, f64> {
        let mut until_now = self.clone();
        until_now.turn(self.at, now);
        let hours = until_now.spent.map(|spent| spent.as_secs_f64() / 3600.0);
        NAMES.iter().zip(hours).filter(|(_, h)| *h > 0.0).map(|(name, h)| ((*name).to_owned(), h)).collect()
    }

    /// Times it fell to a lower rung.
    pub fn falls(&self) -> u64 {
        self.falls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(to: &str) -> [Entry; 1] {
        let mut entry = Entry::new(Kind::Plan, "dispatch");
        entry.detail = Some(serde_json::json!({ "rung_from": "F2", "rung_to": to }));
        [entry]
    }

    #[test]
    fn hours_count_from_the_begin_of_scoring() {
        let hour = Duration::from_hours;
        let mut rungs = Rungs::new(hour(10));
        rungs.note(&entry("F3"), hour(1));
        rungs.note(&entry("F2"), hour(12));
        rungs.note(&entry("F3"), hour(20));
        rungs.note(&[Entry::new(Kind::Plan, "dispatch")], hour(21));
        let expected = [("F2".to_owned(), 8.0), ("F3".to_owned(), 2.0 + 4.0)].into();
        assert_eq!((rungs.hours(hour(24)), rungs.falls()), (expected, 1));
    }
}
