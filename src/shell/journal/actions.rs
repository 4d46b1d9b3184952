//! The action journal: entries of the control code numbered, dated and stored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::body::{Common, Names, Record};
use super::disk::FaultHook;
use super::frame::{Frame, genesis};
use super::log::{Log, LogOptions, Repair};
use super::{ACTIONS, JournalError, SEGMENT_BYTES};
use crate::control::Now;
use crate::control::command::{CommandId, OpenIntent};
use crate::control::record::{Entry, Kind};

/// What every record of a run says about it, and how the files are kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Identifier of the data folder; the chain begins with its hash.
    pub store: String,
    /// Identifier of this start of the service.
    pub boot: String,
    /// Digest of the configuration in force.
    pub config: String,
    /// Bench installation.
    pub bench: bool,
    /// Identifiers of the elements.
    pub names: Names,
    /// Bytes of a segment; [`SEGMENT_BYTES`] but in tests.
    pub segment_bytes: u64,
    /// File removed when the disk is full.
    pub reserve: Option<PathBuf>,
    /// Failing disk, for tests.
    pub fault: Option<FaultHook>,
}

impl Settings {
    /// For the data folder `store` and the start `boot`, nothing else known.
    pub fn new(store: impl Into<String>, boot: impl Into<String>) -> Self {
        Self {
            store: store.into(),
            boot: boot.into(),
            config: String::new(),
            bench: false,
            names: Names::default(),
            segment_bytes: SEGMENT_BYTES,
            reserve: None,
            fault: None,
        }
    }
}

/// Commands whose end is not recorded yet.
#[derive(Clone, Debug, Default)]
struct Pending {
    open: BTreeMap<CommandId, (u64, OpenIntent)>,
    last: Option<CommandId>,
}

impl Pending {
    fn note(
        &mut self,
        kind: Kind,
        command: Option<CommandId>,
        intent: impl FnOnce() -> Option<(u64, OpenIntent)>,
    ) {
        let Some(command) = command else { return };
        self.last = self.last.max(Some(command));
        if is_intent(kind) {
            if let Some(intent) = intent() {
                self.open.insert(command, intent);
            }
        } else if kind == Kind::Outcome {
            self.open.remove(&command);
        }
    }
}

fn is_intent(kind: Kind) -> bool {
    matches!(kind, Kind::Intent | Kind::LateIntent)
}

/// Writer of the action journal.
#[derive(Debug)]
pub struct Journal {
    log: Log,
    common: Common,
    names: Names,
    pending: Pending,
}

impl Journal {
    /// Opens the journal in `dir`, an existing folder; what had to be mended is recorded as `recovered`.
    ///
    /// # Errors
    /// As [`Log::open`], and when a record about a command cannot be understood.
    pub fn open(dir: &Path, settings: Settings, now: Now) -> Result<Self, JournalError> {
        let Settings { store, boot, config, bench, names, segment_bytes, reserve, fault } = settings;
        let options = LogOptions {
            stream: ACTIONS.into(),
            segment_bytes,
            genesis: genesis(&store),
            reserve,
            fault,
            only_newest: false,
        };
        let mut pending = Pending::default();
        let about_commands = [Kind::Intent, Kind::LateIntent, Kind::Outcome].map(|kind| kind as u8);
        let opened = Log::open(dir, options, |frame| {
            if about_commands.contains(&frame.kind) {
                let record = Record::of(frame)?;
                pending.note(record.kind, record.command, || open_intent(&record));
            }
            Ok(())
        })?;
        let common = Common { boot, bench, config };
        let mut journal = Self { log: opened.log, common, names, pending };
        let repairs: Vec<_> = opened.repairs.iter().map(recovered).collect();
        journal.append(&repairs, now)?;
        Ok(journal)
    }

    /// Appends a batch with one sync; returning is the acknowledgement of all of it.
    ///
    /// # Errors
    /// As [`Log::append`]: none of the batch is acknowledged then.
    pub fn append(&mut self, entries: &[Entry], now: Now) -> Result<Vec<Frame>, JournalError> {
        let dated: Vec<_> = entries.iter().map(|entry| (entry, now)).collect();
        self.append_dated(&dated)
    }

    /// As [`Journal::append`], each entry with its own time.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn append_dated(&mut self, entries: &[(&Entry, Now)]) -> Result<Vec<Frame>, JournalError> {
        let mut pending = self.pending.clone();
        let frames = self.log.append(entries.len(), |index, place| {
            let Some((entry, now)) = entries.get(index) else {
                return Err(JournalError::Unavailable("no such entry"));
            };
            let intent = entry.command.and_then(|command| pending.open.get(&command));
            let of = intent.map(|(seq, _)| *seq).filter(|_| !is_intent(entry.kind));
            let record = Record::new(entry, of, place, *now, &self.common, &self.names);
            pending.note(entry.kind, entry.command, || open_intent(&record));
            Ok((entry.kind as u8, record.encode()?))
        })?;
        self.pending = pending;
        Ok(frames)
    }

    /// Makes the mark durable.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync_mark(&mut self) -> Result<(), JournalError> {
        self.log.sync_mark()
    }

    /// Intents without an outcome, oldest command first.
    pub fn open_intents(&self) -> Vec<OpenIntent> {
        self.pending.open.values().map(|(_, intent)| intent.clone()).collect()
    }

    /// The highest command number any record names.
    pub fn last_command_id(&self) -> Option<CommandId> {
        self.pending.last
    }

    /// Sequence of the last record, 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.log.next_seq() - 1
    }
}

fn open_intent(record: &Record) -> Option<(u64, OpenIntent)> {
    let intent = OpenIntent {
        command: record.command?,
        gate: record.gate.clone()?,
        action: record.action?,
        before: record.before,
    };
    Some((record.seq, intent))
}

fn recovered(repair: &Repair) -> Entry {
    let mut entry = Entry::new(Kind::Recovered, "recovery");
    entry.detail = Some(match repair {
        Repair::TornTail { segment, at, bytes, why } => json!({
            "what": "torn tail cut", "segment": segment, "at": at, "bytes": bytes, "why": why,
        }),
        Repair::BlankSegment { segment } => json!({ "what": "blank segment removed", "segment": segment }),
        Repair::MarkMissing => json!({ "what": "mark was missing, made anew" }),
    });
    entry
}
