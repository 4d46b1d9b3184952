//! kill -9 of the real program while people move its valves: what the field was told on one side, what the record says on the
//! other. Fifty kills, or as many as `QINDAN_KILLS` says (`ops/long crashes`: a thousand); `QINDAN_SEED` for another course.
//!
//! A kill leaves the page cache, so no disk is tried here (see `crash_power` and `crash_image`) but every step of a command:
//! between its intent and the write, at the write, between write and read-back, while the valve moves, and while a start takes
//! up what was open.

use std::path::PathBuf;
use std::time::Duration;

use qindan::shell::clock::Clock;

use crate::crash_lab::{Ground, Lab, Moment};
use crate::crash_power::number;

/// Real time from the start of a process to its first poll of the field.
const FIRST_POLL: Duration = Duration::from_secs(2);

/// A folder of the machine's own disk, which no kill harms.
struct Folder(tempfile::TempDir);

impl Ground for Folder {
    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_nothing_acknowledged_is_lost_and_nothing_is_sent_twice() {
    let kills = number("QINDAN_KILLS", 50);
    let took = Clock::real().mark();
    let mut lab = Lab::new(Folder(tempfile::tempdir().unwrap()), 0x6b69_6c6c).await;
    for _ in 0..kills {
        let moment = Moment::draw(&mut lab.random);
        lab.round(moment).await;
    }
    lab.last_life().await;

    let (all, between) = lab.ends.values().fold((0, 0), |sum, end| (sum.0 + end.0, sum.1 + end.1));
    lab.first_polls.sort();
    let polls = &lab.first_polls;
    let (median, worst) = (polls[polls.len() / 2], polls[polls.len() - 1]);
    eprintln!("{all} kills, {between} between an intent and its outcome; {:?}", lab.ends);
    eprintln!("first poll of the field after {median:?}, at worst {worst:?}; in all {:?}", took.elapsed());
    // On a machine that does other things too, one process may get no time for a while, half of them do not.
    assert!(median < FIRST_POLL, "{polls:?}");
    assert!(u64::from(between) * 4 >= kills, "too few kills fell into a command: {:?}", lab.ends);
}
