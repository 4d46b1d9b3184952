//! `qindan log`: reads the action journal of a data folder, also while the service runs or after it died.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;

use super::data_dir::{DataDir, Identity};
use super::journal::{ACTIONS, Chain, Frame, JournalError, Mark, Reader, Record, genesis, hex};
use super::log_text::{Line, full};
use super::store::{self, Comparison};
use crate::control::record::Kind;

/// Prints the newest `count` records, oldest first, one line each.
///
/// # Errors
/// When the folder or journal cannot be read, or `out` takes no more.
pub fn tail(data: &Path, count: usize, out: &mut dyn Write) -> io::Result<()> {
    let reader = open(data)?;
    for frame in reader.last(count, |_| true).map_err(io::Error::other)? {
        print_line(&frame, out)?;
    }
    Ok(())
}

/// A record that this build cannot understand is printed as stored.
fn print_line(frame: &Frame, out: &mut dyn Write) -> io::Result<()> {
    match Record::of(frame) {
        Ok(record) => writeln!(out, "{}", Line(&record)),
        Err(error) => writeln!(out, "{error}: {}", String::from_utf8_lossy(&frame.body)),
    }
}

/// Prints records from `from` until before `to` (civil time) as JSON lines with their hashes.
///
/// `hash` is the SHA-256 of `prev` (32 bytes), `seq` (8 bytes, big-endian) and the bytes of `body` as they stand in
/// the line, so that anyone can verify the chain. `prev` of the first record is the hash of the store id.
///
/// # Errors
/// When the folder or journal cannot be read, or `out` takes no more.
pub fn export(
    data: &Path,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for frame in open(data)?.records(0) {
        let frame = frame.map_err(io::Error::other)?;
        let record = Record::of(&frame).map_err(io::Error::other)?;
        if from.is_some_and(|from| record.utc < from) || to.is_some_and(|to| record.utc >= to) {
            continue;
        }
        write!(
            out,
            r#"{{"seq":{},"prev":"{}","hash":"{}","body":"#,
            frame.seq,
            hex(&frame.prev),
            hex(&frame.chain)
        )?;
        out.write_all(&frame.body)?;
        out.write_all(b"}\n")?;
    }
    Ok(())
}

/// Prints one record in full, and for an intent what became of it.
///
/// # Errors
/// When there is no such record, the journal cannot be read, or `out` takes no more.
pub fn show(data: &Path, seq: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut records = open(data)?.records(seq);
    let first = records.next().transpose().map_err(io::Error::other)?;
    let Some(frame) = first.filter(|frame| frame.seq == seq) else {
        let why = format!("record {seq}: not in {}; see `qindan log tail`", data.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    };
    let record = Record::of(&frame).map_err(io::Error::other)?;
    writeln!(out, "{}hash      {}", full(&record), hex(&frame.chain))?;
    if !matches!(record.kind, Kind::Intent | Kind::LateIntent) {
        return Ok(());
    }
    for later in records {
        let later = later.map_err(io::Error::other)?;
        if later.kind == Kind::Outcome as u8
            && let Ok(outcome) = Record::of(&later)
            && outcome.of == Some(seq)
        {
            return write!(out, "\noutcome in record {}:\n{}", later.seq, full(&outcome));
        }
    }
    writeln!(out, "\nno outcome yet")
}

fn open(data: &Path) -> io::Result<Reader> {
    Identity::read(data).map_err(io::Error::other)?;
    Reader::open(&data.join("journal"), ACTIONS).map_err(io::Error::other)
}

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
    /// The chain is broken, or time runs backwards in it.
    Chain = 4,
    /// An intent without exactly one outcome, or an outcome without an intent.
    Unmatched = 5,
    /// The view differs from the journal.
    ViewDiffers = 6,
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

/// Checks a data folder and prints every problem, then a summary: frames, gaps, chain, epochs, intents and outcomes,
/// service time within a start, mark, and the view when no service uses it. Changes nothing in the journal.
///
/// # Errors
/// When `out` takes no more.
pub fn verify(data: &Path, out: &mut dyn Write) -> io::Result<Verdict> {
    let mut check = Check { out, problems: Vec::new() };
    let identity = match Identity::read(data) {
        Ok(identity) => identity,
        Err(error) => {
            check.problem(Verdict::Usage, &error.to_string())?;
            return Ok(Verdict::Usage);
        }
    };
    let journal = data.join("journal");
    let chain = match check.chain(&journal, &genesis(&identity.store)) {
        Ok(chain) => chain,
        Err(Failed::Out(error)) => return Err(error),
        Err(Failed::Journal(error)) => {
            check.problem(Verdict::from(&error), &error.to_string())?;
            return Ok(Verdict::from(&error));
        }
    };
    check.view(data)?;
    let Check { out, problems } = check;
    let verdict = problems.iter().copied().min().unwrap_or(Verdict::Right);
    let head = hex(&chain.head);
    writeln!(
        out,
        "{} records in {} segments, last {}, chain head {}, {} open intents: {}",
        chain.records,
        chain.segments,
        chain.last,
        head.get(..12).unwrap_or_default(),
        chain.open,
        if verdict == Verdict::Right {
            "all right".to_owned()
        } else {
            format!("{} problems", problems.len())
        }
    )?;
    Ok(verdict)
}

struct Check<'a> {
    out: &'a mut dyn Write,
    problems: Vec<Verdict>,
}

struct Walked {
    records: u64,
    segments: usize,
    last: u64,
    head: Chain,
    open: usize,
}

enum Failed {
    Out(io::Error),
    Journal(JournalError),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Out(error)
    }
}

impl From<JournalError> for Failed {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl Check<'_> {
    fn problem(&mut self, verdict: Verdict, why: &str) -> io::Result<()> {
        self.problems.push(verdict);
        writeln!(self.out, "{why}")
    }

    fn note(&mut self, what: &str) -> io::Result<()> {
        writeln!(self.out, "note: {what}")
    }

    /// Walks all segments; damage in one does not end the walk.
    fn chain(&mut self, journal: &Path, genesis: &Chain) -> Result<Walked, Failed> {
        let mark = match Mark::read(&Mark::path(journal, ACTIONS)) {
            Ok(mark) => mark,
            Err(error) => {
                self.problem(Verdict::from(&error), &error.to_string())?;
                None
            }
        };
        let reader = Reader::open(journal, ACTIONS)?;
        let mut walked =
            Walked { records: 0, segments: reader.files().len(), last: 0, head: *genesis, open: 0 };
        let mut acts = Acts::default();
        let mut epoch = 0;
        let mut broken = false;
        for (index, file) in reader.files().iter().enumerate() {
            let name = file.name.file_name();
            if file.name.epoch < epoch {
                self.problem(Verdict::Chain, &format!("{name}: epoch falls from {epoch}"))?;
            }
            epoch = file.name.epoch;
            let known = !broken && (index > 0 || file.name.first == 1);
            broken = false;
            let mut follows = known.then_some((walked.last + 1, walked.head));
            let mut records = reader.records_of(file);
            for frame in &mut records {
                let frame = match frame {
                    Ok(frame) => frame,
                    Err(error) => {
                        self.problem(Verdict::from(&error), &error.to_string())?;
                        // What comes next cannot follow from here; said once.
                        broken = true;
                        break;
                    }
                };
                if let Some((seq, head)) = follows.take() {
                    self.joins(&name, &frame, seq, &head, index)?;
                }
                walked.records += 1;
                (walked.last, walked.head) = (frame.seq, frame.chain);
                for (verdict, why) in acts.note(&frame) {
                    self.problem(verdict, &why)?;
                }
            }
            if let Some(torn) = records.tail().and_then(|tail| tail.torn.as_ref()) {
                if torn.followed && mark.is_some_and(|mark| mark.seq > walked.last) {
                    let (path, at, why) = (file.path.clone(), torn.at, torn.why);
                    let error = JournalError::Damaged { path, at, seq: walked.last + 1, why };
                    self.problem(Verdict::Damaged, &error.to_string())?;
                    broken = true;
                    continue;
                }
                let what =
                    format!("{name}: torn tail at byte {}: {}; the next start cuts it", torn.at, torn.why);
                self.note(&what)?;
            }
        }
        if let Some(blank) = reader.blank() {
            self.note(&format!("{}: made but never written", blank.name.file_name()))?;
        }
        if !broken {
            self.against_mark(mark, walked.last)?;
        }
        walked.open = acts.open.len();
        for (verdict, why) in acts.ends() {
            if verdict == Verdict::Right { self.note(&why)? } else { self.problem(verdict, &why)? }
        }
        Ok(walked)
    }

    fn joins(&mut self, name: &str, frame: &Frame, seq: u64, head: &Chain, index: usize) -> io::Result<()> {
        if frame.seq == seq && frame.prev == *head {
            return Ok(());
        }
        let why = if index == 0 {
            "begins with the hash of another store"
        } else {
            "does not follow the one before"
        };
        self.problem(Verdict::Chain, &format!("{name}: record {} {why}", frame.seq))
    }

    fn against_mark(&mut self, mark: Option<Mark>, last: u64) -> io::Result<()> {
        match mark {
            Some(mark) if mark.seq > last => {
                let why =
                    format!("the log ends at record {last}, {} was acknowledged: its end is lost", mark.seq);
                self.problem(Verdict::Missing, &why)
            }
            None if last > 0 && self.problems.is_empty() => self.note("no mark; the next start records that"),
            Some(_) | None => Ok(()),
        }
    }

    fn view(&mut self, data: &Path) -> io::Result<()> {
        let held = match DataDir::open(data, None) {
            Ok(held) => held,
            Err(error) => return self.note(&format!("the view was not compared: {error}")),
        };
        let compared = store::compare(data);
        drop(held);
        match compared {
            Comparison::Agrees => Ok(()),
            Comparison::NoView => self.note("no view yet; the next start makes it"),
            Comparison::NotMade(why) => self.note(&format!("the view was not compared: {why}")),
            Comparison::Differs(why) => {
                self.problem(Verdict::ViewDiffers, &format!("{why}; the next start makes the view anew"))
            }
        }
    }
}

/// What the bodies say about each other.
#[derive(Default)]
struct Acts {
    /// Intents without an outcome: sequence by command, and their start.
    open: BTreeMap<u64, (u64, String)>,
    /// First record seen: what it refers to before that was trimmed.
    oldest: u64,
    boot: String,
    mono_us: u64,
}

impl Acts {
    fn note(&mut self, frame: &Frame) -> Vec<(Verdict, String)> {
        let record = match Record::of(frame) {
            Ok(record) => record,
            Err(error) => return vec![(Verdict::Damaged, error.to_string())],
        };
        let mut found = Vec::new();
        let seq = record.seq;
        if self.oldest == 0 {
            self.oldest = seq;
        }
        if record.prev != hex(&frame.prev) {
            found.push((Verdict::Chain, format!("record {seq}: names another record before it")));
        }
        if record.boot == self.boot && record.mono_us < self.mono_us {
            found.push((Verdict::Chain, format!("record {seq}: service time runs backwards")));
        }
        (self.boot, self.mono_us) = (record.boot.clone(), record.mono_us);
        match (record.kind, record.command) {
            (Kind::Intent | Kind::LateIntent, Some(command)) => {
                if let Some((before, _)) = self.open.insert(command.0, (seq, record.boot)) {
                    let why =
                        format!("record {seq}: command {} was open already, by record {before}", command.0);
                    found.push((Verdict::Unmatched, why));
                }
            }
            (Kind::Outcome, command) => {
                let open = command.and_then(|command| self.open.remove(&command.0));
                let trimmed = record.of.is_some_and(|of| of < self.oldest);
                if !trimmed && open.as_ref().map(|(seq, _)| *seq) != record.of {
                    found.push((Verdict::Unmatched, format!("record {seq}: outcome of another intent")));
                } else if !trimmed && open.is_none() {
                    found.push((Verdict::Unmatched, format!("record {seq}: outcome without an open intent")));
                }
            }
            (Kind::Recovered, _) => self.taken_up(&record),
            (Kind::Intent | Kind::LateIntent, None) => {
                found.push((Verdict::Unmatched, format!("record {seq}: intent without a command number")));
            }
            _ => {}
        }
        found
    }

    /// A start names the open intents of the one before that it goes on with: they are its own from now on.
    fn taken_up(&mut self, record: &Record) {
        let commands = record.detail.as_ref().and_then(|detail| detail["commands"].as_array());
        for command in commands.into_iter().flatten().filter_map(serde_json::Value::as_u64) {
            if let Some((_, boot)) = self.open.get_mut(&command) {
                boot.clone_from(&record.boot);
            }
        }
    }

    /// Intents left open: natural in the newest start, a fault when a later start did not take them up.
    fn ends(&self) -> Vec<(Verdict, String)> {
        let told = |(command, (seq, boot)): (&u64, &(u64, String))| {
            if *boot == self.boot {
                (Verdict::Right, format!("record {seq}: command {command} is still open"))
            } else {
                (Verdict::Unmatched, format!("record {seq}: command {command} never got an outcome"))
            }
        };
        self.open.iter().map(told).collect()
    }
}
