//! What the service keeps, of a run in virtual time: the stream of exact inputs for `qindan-sim rerun`, and below `data/` a data
//! folder with records and samples, for `qindan log`, `history` and `report`.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use qindan::config::Config;
use qindan::control::command::WriteReport;
use qindan::control::record::Entry;
use qindan::control::{Controller, Decision, Now, Settings, Snapshot};
use qindan::shell::data_dir::{Identity, init};
use qindan::shell::history::Direct;
use qindan::shell::journal::{self, Journal, Names};
use qindan::shell::snapshots::{About, Closing, Limits, Moment, Stream, files, folder, parts, told};

/// Time of a file.
const HOUR: Duration = Duration::from_secs(3600);

/// Writes what a run decides on.
#[derive(Debug)]
pub struct Recorder {
    stream: Stream,
    /// When the next file begins.
    due: Duration,
    book: Option<Book>,
    failed: Option<std::io::Error>,
}

/// A data folder: records and samples.
#[derive(Debug)]
struct Book {
    journal: Journal,
    samples: Direct,
    entries: Vec<(Entry, Now)>,
}

impl Book {
    /// Made anew where an earlier run left one.
    fn begin(dir: &Path, config: &Config, boot: &str, bench: bool) -> std::io::Result<Self> {
        let other = std::io::Error::other::<String>;
        if Identity::read(dir).is_ok() {
            std::fs::remove_dir_all(dir)?;
        }
        let identity =
            init(dir, &config.basin.id, Timestamp::UNIX_EPOCH).map_err(|e| other(e.to_string()))?;
        let journal = dir.join("journal");
        let kept = config.field.names().map(str::to_owned).collect();
        let samples = Direct::open(&journal, &identity.store, kept).map_err(|e| other(e.to_string()))?;
        let settings = journal::Settings {
            config: config.digest.clone(),
            bench,
            names: Names::of(&config.basin),
            ..journal::Settings::new(&identity.store, boot)
        };
        let now = Now { mono: Duration::ZERO, utc: Timestamp::UNIX_EPOCH };
        let journal = Journal::open(&journal, settings, now).map_err(|e| other(e.to_string()))?;
        Ok(Self { journal, samples, entries: Vec::new() })
    }

    fn write(&mut self) -> std::io::Result<()> {
        let entries = std::mem::take(&mut self.entries);
        let dated: Vec<_> = entries.iter().map(|(entry, now)| (entry, *now)).collect();
        if !dated.is_empty() {
            self.journal.append_dated(&dated).map_err(std::io::Error::other)?;
        }
        if self.samples.write() { Ok(()) } else { Err(std::io::Error::other("samples lost")) }
    }
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
        let mut recorder =
            Self { stream: Stream::new(&dir, limits, about), due: Duration::ZERO, book: None, failed };
        match Book::begin(&data.join("data"), config, boot, settings.bench) {
            Ok(begun) => recorder.book = Some(begun),
            Err(error) => recorder.note(Err(error)),
        }
        recorder
    }

    /// For the next run of the service in the same place.
    #[must_use]
    pub fn again(self, boot: &str) -> Self {
        let Self { stream, due: _, book, failed } = self;
        Self { stream: stream.of_start(boot), due: Duration::ZERO, book, failed }
    }

    /// Before a decision.
    pub fn begin(&mut self, controller: &Controller, now: Now) {
        if now.mono >= self.due {
            self.due = now.mono + HOUR;
            let begun = self.stream.begin(&controller.state(), now);
            self.note(begun);
            self.write();
        }
    }

    /// After a decision.
    pub fn moment(&mut self, seen: &Snapshot, now: Now, decision: &Decision, controller: &Controller) {
        let status = decision.cycle.then(|| controller.status(now));
        let picture = status.iter().flat_map(parts).map(|(_, print)| print).collect();
        let told = told(decision, status.as_ref());
        let written = self.stream.moment(&Moment { seen: seen.clone(), told, picture }, now);
        self.note(written);
        if let Some(book) = &mut self.book {
            book.entries.extend(decision.entries.iter().map(|entry| (entry.clone(), now)));
            book.samples.record(now.utc, controller.readings());
        }
    }

    /// The service stops in order.
    pub fn close(&mut self, now: Now, reports: &[WriteReport], entries: &[Entry]) {
        let closing = Closing { now, reports: reports.to_vec(), entries: entries.to_vec() };
        let written = self.stream.close(&closing);
        self.note(written);
        if let Some(book) = &mut self.book {
            book.entries.extend(entries.iter().map(|entry| (entry.clone(), now)));
        }
    }

    fn write(&mut self) {
        let written = self.book.as_mut().map_or(Ok(()), Book::write);
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
        self.write();
        self.stream.end();
        let dir = self.stream.dir().display().to_string();
        self.failed.map_or(Ok(()), Err).with_context(|| format!("{dir}: cannot be written"))
    }
}
