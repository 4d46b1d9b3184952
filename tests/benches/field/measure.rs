//! What a contestant is asked to do, and what it measures of itself.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Before the measurement: connections are open, buffers have their size, the first round is over.
pub(crate) const WARM_UP: Duration = Duration::from_secs(2);
/// Registers of a block; a poll reads two.
pub(crate) const COUNT: u16 = 20;
/// Where the blocks start: floats in the first, integers in the second.
pub(crate) const STARTS: [u16; 2] = [0, 1000];

/// One measurement.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Task {
    pub(crate) address: SocketAddr,
    /// Devices, each with a connection of its own.
    pub(crate) links: usize,
    /// Units behind each connection.
    pub(crate) units: u8,
    /// Requests that may be open on a connection, for who can.
    pub(crate) window: u8,
    /// Period of the polls, ms; `None`: as fast as it goes.
    pub(crate) period_ms: Option<u64>,
    /// Whether the polls of a period are spread over it, for who has the choice.
    pub(crate) spread: bool,
    /// Measured time, s.
    pub(crate) seconds: u64,
}

impl Task {
    pub(crate) fn period(&self) -> Option<Duration> {
        self.period_ms.map(Duration::from_millis)
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Figures {
    pub(crate) polls: u64,
    pub(crate) seconds: f64,
    /// User and system time of the process.
    pub(crate) cpu_s: f64,
    /// Resident before the first connection, and at the end.
    pub(crate) rss_before_kb: f64,
    pub(crate) rss_kb: f64,
    /// From the due time of a poll to its last value.
    pub(crate) late_p50_ms: f64,
    pub(crate) late_p99_ms: f64,
    /// Polls left out because the one before ended too late.
    pub(crate) skipped: u64,
    pub(crate) errors: u64,
}

impl Figures {
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu_s * 1e6 / self.polls as f64
    }

    pub(crate) fn rate(&self) -> f64 {
        self.polls as f64 / self.seconds
    }
}

/// User and system time of this process, s.
fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Resident memory of this process, kB.
pub(crate) fn rss_kb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Lateness at the middle and at 99 %, ms.
pub(crate) fn percentiles(mut late: Vec<Duration>) -> (f64, f64) {
    late.sort_unstable();
    let at = |percent: usize| {
        let place = late.len().saturating_sub(1) * percent / 100;
        late.get(place).map_or(0.0, |late| late.as_secs_f64() * 1e3)
    };
    (at(50), at(99))
}

/// Time and processor time since the warm-up.
pub(crate) struct Stopwatch {
    start: Instant,
    cpu_s: f64,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), cpu_s: cpu_s() }
    }

    /// Elapsed time and processor time, s.
    pub(crate) fn stop(&self) -> (f64, f64) {
        (self.start.elapsed().as_secs_f64(), cpu_s() - self.cpu_s)
    }
}

/// What the tasks of a peer count together.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) polls: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) late: Mutex<Vec<Duration>>,
}

impl Tally {
    /// What was counted since the last look.
    pub(crate) fn take(&self) -> (u64, u64, u64, Vec<Duration>) {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        let late = std::mem::take(&mut *self.late.lock().unwrap());
        (take(&self.polls), take(&self.errors), take(&self.skipped), late)
    }
}
