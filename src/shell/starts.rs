//! Starts of the service that were not followed by an orderly stop: the third within ten minutes comes up in hold.
//!
//! Counted in the civil time of the machine whatever the speed of a bench run, since it is about a program that
//! dies again and again, not about the river.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::data_dir::{DataDir, DataDirError};

/// Name of the state file.
const FILE: &str = "starts";
/// What counts together.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// Starts within the window from which on the service comes up in hold.
const HOLD_FROM: usize = 3;

/// Starts that have not ended in order, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starts {
    unended: Vec<Timestamp>,
}

impl Starts {
    /// Notes a start at `utc` and keeps it until [`Starts::end`]. A disk that refuses does not keep the service
    /// from starting: what cannot be read counts as no start, what cannot be written is said.
    pub fn begin(dir: &DataDir, utc: Timestamp) -> Self {
        let stored = dir.load_state(FILE).inspect_err(|error| {
            tracing::warn!(%error, "the list of starts is begun anew");
        });
        let stored = stored.ok().flatten();
        let mut starts: Self =
            stored.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        starts.note(utc);
        if let Err(error) = starts.save(dir) {
            tracing::warn!(%error, "this start is not counted");
        }
        starts
    }

    fn note(&mut self, utc: Timestamp) {
        self.unended.retain(|at| utc.duration_since(*at).abs() < WINDOW);
        self.unended.push(utc);
    }

    /// Starts within the window that did not end in order, this one among them.
    pub fn count(&self) -> usize {
        self.unended.len()
    }

    /// Whether the service comes up in hold.
    pub fn hold(&self) -> bool {
        self.count() >= HOLD_FROM
    }

    /// Whether the run before this one ended in order, or long ago.
    pub fn after_orderly_stop(&self) -> bool {
        self.count() <= 1
    }

    /// This run ended in order: neither it nor those before it count any more.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn end(mut self, dir: &DataDir) -> Result<(), DataDirError> {
        self.unended.clear();
        self.save(dir)
    }

    fn save(&self, dir: &DataDir) -> Result<(), DataDirError> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        dir.save_state(FILE, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::data_dir::init;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_779_085_927 + second).unwrap()
    }

    #[test]
    fn the_third_start_in_ten_minutes_holds_and_an_orderly_stop_ends_the_count() {
        let root = tempfile::tempdir().unwrap();
        init(root.path(), "alder", at(0)).unwrap();
        let dir = DataDir::open(root.path(), None).unwrap();
        let begin = |second| Starts::begin(&dir, at(second));
        assert!(!begin(0).hold());
        let second = begin(200);
        assert!(!second.hold() && !second.after_orderly_stop());
        assert!(begin(599).hold());
        // The first two are more than ten minutes ago, the third is not.
        let later = begin(1100);
        assert_eq!((later.count(), later.hold()), (2, false));
        later.end(&dir).unwrap();
        let fresh = begin(1101);
        assert_eq!((fresh.count(), fresh.after_orderly_stop()), (1, true));
    }

    #[test]
    fn a_clock_set_back_does_not_keep_old_starts_for_ever() {
        let mut starts = Starts::default();
        starts.note(at(100_000));
        starts.note(at(0));
        assert_eq!(starts.count(), 1);
    }
}
