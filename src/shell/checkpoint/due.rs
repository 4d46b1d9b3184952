//! When a checkpoint is due. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::control::Now;

/// Time between two checkpoints. Chosen: what can vanish without a trace off the machine is an hour's acts at most.
const PERIOD: SignedDuration = SignedDuration::from_hours(1);

/// What the next checkpoint waits for.
#[derive(Clone, Debug, Default)]
pub struct Due {
    /// When the newest checkpoint was made, or the oldest record while there is none.
    since: Option<Timestamp>,
    /// Service time of the newest checkpoint of this run, or of the first record.
    mono: Option<Duration>,
    /// Records that no checkpoint speaks for yet.
    open: bool,
    /// A segment has ended with them.
    sealed: bool,
}

impl Due {
    /// Takes in a record that is no checkpoint, of a run before this one.
    pub fn found(&mut self, utc: impl FnOnce() -> Option<Timestamp>) {
        self.open = true;
        if self.since.is_none() {
            self.since = utc();
        }
    }

    /// Takes in a checkpoint of a run before this one.
    pub fn found_checkpoint(&mut self, utc: Option<Timestamp>) {
        (self.open, self.since) = (false, utc.or(self.since));
    }

    /// Takes in a record of this run; `sealed`: a segment ended before it.
    pub fn wrote(&mut self, now: Now, sealed: bool) {
        self.open = true;
        self.sealed |= sealed;
        self.since.get_or_insert(now.utc);
        self.mono.get_or_insert(now.mono);
    }

    /// Takes in a checkpoint of this run.
    pub fn made(&mut self, now: Now) {
        *self = Self { since: Some(now.utc), mono: Some(now.mono), open: false, sealed: false };
    }

    /// Whether one is due at `now`: there are records without one, and a segment has ended or an hour has passed, by
    /// service time in this run, by civil time since the run before.
    pub fn is_due(&self, now: Now) -> bool {
        let by_mono = self.mono.is_some_and(|mono| now.mono.saturating_sub(mono) >= PERIOD.unsigned_abs());
        let by_utc = self.since.is_some_and(|since| now.utc.duration_since(since) >= PERIOD);
        self.open && (self.sealed || by_mono || by_utc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(second: u64) -> Now {
        let utc = Timestamp::from_second(1_780_000_000 + i64::try_from(second).unwrap()).unwrap();
        Now { mono: Duration::from_secs(second), utc }
    }

    #[test]
    fn an_hour_after_the_last_or_when_a_segment_ended() {
        let mut due = Due::default();
        assert!(!due.is_due(now(100_000)), "nothing to speak for");
        due.wrote(now(10), false);
        assert!(!due.is_due(now(3_609)) && due.is_due(now(3_610)));
        due.made(now(3_610));
        assert!(!due.is_due(now(90_000)), "all is spoken for");
        due.wrote(now(3_620), true);
        assert!(due.is_due(now(3_620)));
        // Civil time set back: service time goes on.
        due.made(now(3_620));
        due.wrote(now(3_621), false);
        assert!(due.is_due(Now { mono: Duration::from_secs(7_220), utc: now(0).utc }));
    }

    #[test]
    fn after_a_restart_the_last_one_counts() {
        let mut due = Due::default();
        due.found(|| Some(now(0).utc));
        due.found_checkpoint(Some(now(600).utc));
        due.found(|| Some(now(700).utc));
        let soon = Now { mono: Duration::ZERO, utc: now(4_199).utc };
        assert!(!due.is_due(soon));
        assert!(due.is_due(Now { mono: Duration::ZERO, utc: now(4_200).utc }));
    }
}
