//! The stream of exact inputs the service keeps, of a run in virtual time: for `qindan-sim rerun`, and for its tests.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use qindan::config::Config;
use qindan::control::command::WriteReport;
use qindan::control::record::Entry;
use qindan::control::{Controller, Decision, Now, Settings, Snapshot};
use qindan::shell::snapshots::{About, Closing, Limits, Moment, Stream, files, folder, parts, told};

/// Time of a file.
const HOUR: Duration = Duration::from_secs(3600);

/// Writes what a run decides on.
#[derive(Debug)]
pub struct Recorder {
    stream: Stream,
    /// When the next file begins.
    due: Duration,
    failed: Option<std::io::Error>,
}

impl Recorder {
    /// Of a run with this configuration, in the place of a data folder where the service has it; what an earlier run left
    /// there goes. `boot` names the run.
    pub fn new(data: &Path, config: &Config, boot: &str, settings: Settings) -> Self {
        let limits = Limits { days: u32::MAX, bytes: u64::MAX };
        let about = About::new(config, boot, settings);
        let dir = folder(data);
        // None is there at the first time.
        let earlier = files(&dir).unwrap_or_default();
        let failed = earlier.iter().find_map(|file| std::fs::remove_file(&file.path).err());
        Self { stream: Stream::new(&dir, limits, about), due: Duration::ZERO, failed }
    }

    /// For the next run of the service in the same place.
    #[must_use]
    pub fn again(self, boot: &str) -> Self {
        let Self { stream, due: _, failed } = self;
        Self { stream: stream.of_start(boot), due: Duration::ZERO, failed }
    }

    /// Before a decision.
    pub fn begin(&mut self, controller: &Controller, now: Now) {
        if now.mono >= self.due {
            self.due = now.mono + HOUR;
            let begun = self.stream.begin(&controller.state(), now);
            self.note(begun);
        }
    }

    /// After a decision.
    pub fn moment(&mut self, seen: &Snapshot, now: Now, decision: &Decision, controller: &Controller) {
        let status = decision.cycle.then(|| controller.status(now));
        let picture = status.iter().flat_map(parts).map(|(_, print)| print).collect();
        let told = told(decision, status.as_ref());
        let written = self.stream.moment(&Moment { seen: seen.clone(), told, picture }, now);
        self.note(written);
    }

    /// The service stops in order.
    pub fn close(&mut self, now: Now, reports: &[WriteReport], entries: &[Entry]) {
        let closing = Closing { now, reports: reports.to_vec(), entries: entries.to_vec() };
        let written = self.stream.close(&closing);
        self.note(written);
    }

    /// What could not be written is told at the end; the run itself is not the worse for it.
    fn note(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// What the disk refused first.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.stream.end();
        let dir = self.stream.dir().display().to_string();
        self.failed.map_or(Ok(()), Err).with_context(|| format!("{dir}: cannot be written"))
    }
}
