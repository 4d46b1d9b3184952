//! Keeps what the controller remembers for the next start, beside the record and never in the way of the cycle.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;

use super::clock::{Clock, Mark};
use super::data_dir::{DataDir, DataDirError};
use super::starts::Starts;
use crate::config::Config;
use crate::control::carry::Carry;
use crate::control::operator::Mode;
use crate::control::{Controller, Now};

/// Name of the state file.
const FILE: &str = "controller";
/// Service time between two saves. Half a bin of the river's memory: what a crash loses is a gap nobody sees.
const PERIOD: Duration = Duration::from_secs(300);
/// Least real time between two saves, for fast bench runs.
const LEAST: Duration = Duration::from_secs(5);
/// Longest wait for the disk when an act must be kept, real time.
const PATIENCE: Duration = Duration::from_secs(1);

/// The memory stored by the run before, or why there is none although there should be.
pub(super) fn load(dir: &DataDir) -> (Option<Carry>, Option<String>) {
    let bytes = match dir.load_state(FILE) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return (None, None),
        Err(error) => return (None, Some(error.to_string())),
    };
    match serde_json::from_slice(&bytes) {
        Ok(carry) => (Some(carry), None),
        Err(error) => (None, Some(format!("state/{FILE}: {error}; written by another version"))),
    }
}

/// What stays of the mode when a run observes: watching must not change what the next run does.
#[derive(Clone, Debug)]
struct KeptMode {
    mode: Mode,
    since: Timestamp,
    by: String,
}

/// Saves the controller's memory now and then.
#[derive(Debug)]
pub(super) struct Memory {
    dir: Arc<DataDir>,
    starts: Starts,
    clock: Clock,
    kept_mode: Option<KeptMode>,
    due: Duration,
    saved: Option<Mark>,
    running: Option<JoinHandle<Result<(), DataDirError>>>,
    failed: u64,
}

impl Memory {
    pub(super) fn new(dir: Arc<DataDir>, starts: Starts, clock: Clock) -> Self {
        Self { dir, starts, clock, kept_mode: None, due: PERIOD, saved: None, running: None, failed: 0 }
    }

    /// Keeps the mode of `stored`, or the configured one, through a run that only observes.
    pub(super) fn observing(mut self, stored: Option<&Carry>, config: &Config, utc: Timestamp) -> Self {
        self.kept_mode = Some(stored.map_or_else(
            || KeptMode { mode: config.service.start_mode, since: utc, by: "service".into() },
            |carry| KeptMode { mode: carry.mode, since: carry.mode_since, by: carry.mode_by.clone() },
        ));
        self
    }

    /// Saves when it is time or `at_once`; waits for the disk in the second case only, and not for long.
    pub(super) async fn keep(&mut self, controller: &Controller, now: Now, at_once: bool) {
        let rested = self.saved.is_none_or(|saved| saved.elapsed() >= LEAST);
        if !at_once && (now.mono < self.due || !rested) {
            return;
        }
        self.finish(at_once).await;
        if self.running.is_some() {
            // The disk hangs: tried again with the next tick, one save at a time.
            return;
        }
        self.due = now.mono + PERIOD;
        self.saved = Some(self.clock.mark());
        let mut carry = controller.carry(now.utc);
        if let Some(KeptMode { mode, since, by }) = &self.kept_mode {
            (carry.mode, carry.mode_since, carry.mode_by) = (*mode, *since, by.clone());
        }
        let dir = Arc::clone(&self.dir);
        self.running = Some(tokio::task::spawn_blocking(move || {
            let bytes = serde_json::to_vec(&carry).unwrap_or_default();
            dir.save_state(FILE, &bytes)
        }));
        if at_once {
            self.finish(true).await;
        }
    }

    /// Takes in how the last save ended; one that still runs is waited for a little, or left running.
    async fn finish(&mut self, wait: bool) {
        let Some(mut running) = self.running.take() else { return };
        let patience = if wait { PATIENCE } else { Duration::ZERO };
        match tokio::time::timeout(patience, &mut running).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => {
                self.failed += 1;
                tracing::error!(%error, "the memory for the next start was not stored");
            }
            Ok(Err(error)) => {
                self.failed += 1;
                tracing::error!(%error, "the memory for the next start was not stored");
            }
            Err(_) => self.running = Some(running),
        }
    }

    /// Saves that failed.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// The run ends in order.
    pub(super) fn end(self) {
        if let Err(error) = self.starts.end(&self.dir) {
            tracing::warn!(%error, "this start will count as one that did not end in order");
        }
    }
}
