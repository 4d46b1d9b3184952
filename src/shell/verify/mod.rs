//! `qindan log verify`: everything that can be checked of a data folder, also beside a running service.
//!
//! Frames, gaps, chain, epochs, intents and outcomes, service time within a start, signed checkpoints, the mark, chain heads
//! kept elsewhere, and the view when no service uses it. Changes nothing in the journal.

mod acts;
mod heads;
mod part;
mod walk;

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use self::heads::Heads;
pub use self::part::Part;
use self::walk::Walked;
use super::checkpoint::anchors::Kept;
use super::checkpoint::{known_keys, short};
use super::data_dir::{DataDir, Identity};
use super::journal::{JournalError, genesis, hex};
use super::store::{self, Comparison};

/// Exit code of `verify`: the smallest that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Verdict {
    /// Everything is right.
    Right = 0,
    /// No data folder, or it cannot be read.
    Usage = 1,
    /// A frame or mark is damaged.
    Damaged = 2,
    /// Records are missing, or the log ends below its mark.
    Missing = 3,
    /// The chain is broken, a checkpoint is not signed by us, or time runs backwards.
    Chain = 4,
    /// An intent without exactly one outcome, or an outcome without an intent.
    Unmatched = 5,
    /// The view differs from the journal.
    ViewDiffers = 6,
    /// A mirror differs from the journal; there is no mirror yet.
    MirrorDiffers = 7,
    /// A chain head kept elsewhere is not in the journal.
    AnchorDiffers = 8,
}

impl From<&JournalError> for Verdict {
    fn from(error: &JournalError) -> Self {
        match error {
            JournalError::Io { .. } | JournalError::Unavailable(_) => Self::Usage,
            JournalError::Damaged { .. }
            | JournalError::BadMark { .. }
            | JournalError::Body { .. }
            | JournalError::TooLarge { .. } => Self::Damaged,
            JournalError::Missing { .. } => Self::Missing,
            JournalError::Chain { .. } => Self::Chain,
        }
    }
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// Which records were to be checked.
    part: Part,
    /// What is wrong, and how it counts.
    pub problems: Vec<(Verdict, String)>,
    /// What is natural and worth knowing.
    pub notes: Vec<String>,
    /// What was read, once there was a journal.
    walked: Option<Walked>,
}

impl Report {
    /// The smallest verdict that applies.
    pub fn verdict(&self) -> Verdict {
        self.problems.iter().map(|(verdict, _)| *verdict).min().unwrap_or(Verdict::Right)
    }

    fn problem(&mut self, verdict: Verdict, why: impl Into<String>) {
        self.problems.push((verdict, why.into()));
    }

    fn note(&mut self, what: impl Into<String>) {
        self.notes.push(what.into());
    }

    fn journal_error(&mut self, error: &JournalError) {
        self.problem(Verdict::from(error), error.to_string());
    }

    /// Prints problems and notes, a line each, then a summary.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for (_, why) in &self.problems {
            writeln!(out, "{why}")?;
        }
        for what in &self.notes {
            writeln!(out, "note: {what}")?;
        }
        let Some(walked) = &self.walked else { return Ok(()) };
        if !self.part.is_whole() {
            write!(out, "of records {} only: ", self.part.said())?;
        }
        let head = hex(&walked.head);
        let said = match self.problems.len() {
            0 => "all right".to_owned(),
            count => format!("{count} problems"),
        };
        writeln!(
            out,
            "{} records in {} segments, last {}, chain head {}, {} signed checkpoints, {} open intents: {said}",
            walked.records,
            walked.segments,
            walked.last,
            short(&head),
            walked.checkpoints,
            walked.open,
        )
    }

    /// The same as one JSON object.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn print_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let problems =
            self.problems.iter().map(|(verdict, why)| json!({ "exit": *verdict as u8, "what": why }));
        let log = self.walked.as_ref().map(|walked| {
            json!({
                "records": walked.records, "segments": walked.segments, "last": walked.last,
                "head": hex(&walked.head), "checkpoints": walked.checkpoints, "open_intents": walked.open,
            })
        });
        let mut object = json!({
            "exit": self.verdict() as u8, "problems": problems.collect::<Vec<_>>(), "notes": self.notes, "log": log,
        });
        if !self.part.is_whole() {
            let to = Some(self.part.to()).filter(|to| *to < u64::MAX);
            object["range"] = json!({ "from": self.part.from(), "to": to });
        }
        writeln!(out, "{object}")
    }
}

/// Checks a data folder and prints every problem, then a summary.
///
/// # Errors
/// When `out` takes no more.
pub fn verify(data: &Path, out: &mut dyn Write) -> io::Result<Verdict> {
    let report = check(data, &[], Part::WHOLE);
    report.print(out)?;
    Ok(report.verdict())
}

/// Checks a data folder, and that it holds the chain heads that were kept elsewhere; of both only what `part` holds.
///
/// A part is proved against the record before its first one. What can only be said of the whole log is no problem of a
/// part: an outcome whose intent stands before it, an intent whose outcome may stand behind it, and records removed at
/// the beginning.
pub fn check(data: &Path, anchors: &[Kept], part: Part) -> Report {
    let mut report = Report { part, problems: Vec::new(), notes: Vec::new(), walked: None };
    let identity = match Identity::read(data) {
        Ok(identity) => identity,
        Err(error) => {
            report.problem(Verdict::Usage, error.to_string());
            return report;
        }
    };
    let keys = known_keys(data).unwrap_or_else(|error| {
        report.problem(Verdict::Usage, error.to_string());
        Vec::new()
    });
    let heads = Heads::new(&identity.store, keys, anchors);
    match walk::walk(&mut report, &data.join("journal"), &genesis(&identity.store), heads, part) {
        Ok(walked) => report.walked = Some(walked),
        Err(error) => {
            report.journal_error(&error);
            return report;
        }
    }
    view(&mut report, data, part);
    report
}

fn view(report: &mut Report, data: &Path, part: Part) {
    let held = match DataDir::open(data, None) {
        Ok(held) => held,
        Err(error) => return report.note(format!("the view was not compared: {error}")),
    };
    let compared = if part.is_whole() {
        store::compare(data)
    } else {
        store::compare_part(data, part.from()..=part.to())
    };
    drop(held);
    match compared {
        Comparison::Agrees => {}
        Comparison::NoView => report.note("no view yet; the next start makes it"),
        Comparison::NotMade(why) => report.note(format!("the view was not compared: {why}")),
        Comparison::Differs(why) => {
            report.problem(Verdict::ViewDiffers, format!("{why}; the next start makes the view anew"));
        }
    }
}
