//! The action journal: entries of the control code numbered, dated and stored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::body::{Brief, Common, Names, Record};
use super::disk::FaultHook;
use super::frame::{Frame, genesis, hex};
use super::log::{Log, LogOptions, Repair, first_after};
use super::{ACTIONS, JournalError, SEGMENT_BYTES};
use crate::control::Now;
use crate::control::command::{CommandId, OpenIntent};
use crate::control::record::{Entry, Kind};
use crate::shell::checkpoint::{Claim, Due, Signer};

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
    /// What the newest restore says, until a start follows it.
    restored: Option<Value>,
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

/// What a `recovered` record says first when the journal was put back from a copy.
pub const RESTORED: &str = "restored from a backup";
/// Numbers of commands left out at least after a restore, so that none acknowledged after the copy is given twice.
const COMMANDS_LEFT_OUT: u64 = 1_000_000;

/// The restore a record tells of.
fn restored(record: &Record) -> Option<Value> {
    let detail = record.detail.clone().filter(|_| record.kind == Kind::Recovered)?;
    (detail.get("what").and_then(Value::as_str) == Some(RESTORED)).then_some(detail)
}

fn is_intent(kind: Kind) -> bool {
    matches!(kind, Kind::Intent | Kind::LateIntent)
}

/// Writer of the action journal.
#[derive(Debug)]
pub struct Journal {
    log: Log,
    store: String,
    common: Common,
    names: Names,
    pending: Pending,
    /// Records read and written.
    records: u64,
    due: Due,
    signer: Option<Signer>,
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
        let about_commands =
            [Kind::Intent, Kind::LateIntent, Kind::Outcome, Kind::Recovered].map(|kind| kind as u8);
        let (mut records, mut due) = (0, Due::default());
        let opened = Log::open(dir, options, |frame| {
            records += 1;
            if about_commands.contains(&frame.kind) {
                let brief = Brief::of(frame)?;
                pending.note(brief.kind, brief.command, || {
                    let (command, action, gate) = (brief.command?, brief.action?, brief.gate()?.to_owned());
                    let (before, set_points) = (brief.before, brief.set_points.clone());
                    Some((frame.seq, OpenIntent { command, gate, action, before, set_points }))
                });
                if brief.kind == Kind::Recovered {
                    pending.restored = restored(&Record::of(frame)?).or(pending.restored.take());
                }
            } else if frame.kind == Kind::Boot as u8 {
                pending.restored = None;
            }
            let utc = || Brief::of(frame).ok().map(|brief| brief.utc);
            if frame.kind == Kind::Checkpoint as u8 {
                due.found_checkpoint(utc());
            } else {
                due.found(utc);
            }
            Ok(())
        })?;
        let common = Common { boot, bench, config };
        let mut journal = Self { log: opened.log, store, common, names, pending, records, due, signer: None };
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
        let segment = self.log.segment_first();
        let frames = self.log.append(entries.len(), |index, place| {
            let Some((entry, now)) = entries.get(index) else {
                return Err(JournalError::Unavailable("no such entry"));
            };
            let intent = entry.command.and_then(|command| pending.open.get(&command));
            let of = intent.map(|(seq, _)| *seq).filter(|_| !is_intent(entry.kind));
            let record = Record::new(entry, of, place, *now, &self.common, &self.names);
            pending.note(entry.kind, entry.command, || {
                let (command, action, gate) = (record.command?, record.action?, record.gate.clone()?);
                let (before, set_points) = (record.before, record.set_points.clone());
                Some((record.seq, OpenIntent { command, gate, action, before, set_points }))
            });
            Ok((entry.kind as u8, record.encode()?))
        })?;
        self.pending = pending;
        self.records += frames.len() as u64;
        if let Some((_, now)) = entries.last() {
            self.due.wrote(*now, segment.is_some() && segment != self.log.segment_first());
        }
        Ok(frames)
    }

    /// From now on [`Journal::checkpoint`] signs with this key.
    pub fn sign_with(&mut self, signer: Signer) {
        self.signer = Some(signer);
    }

    /// Appends a signed checkpoint when one is due at `now` and there is a key: an hour after the last one, and when a
    /// segment has ended. It goes to the system log too, so that it leaves the machine.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn checkpoint(&mut self, now: Now) -> Result<Vec<Frame>, JournalError> {
        let Some(signer) = self.signer.as_ref().filter(|_| self.due.is_due(now)) else {
            return Ok(Vec::new());
        };
        let (epoch, seq, head) = (self.log.epoch(), self.last_seq(), hex(&self.log.chain()));
        let claim = Claim { store: self.store.clone(), epoch, seq, head, records: self.records };
        let told = claim.sign(signer);
        let mut entry = Entry::new(Kind::Checkpoint, "service");
        entry.detail = Some(told.detail());
        let frames = self.append(&[entry], now)?;
        self.due.made(now);
        let Claim { head, records, .. } = &told.claim;
        tracing::info!(seq, head, epoch, records, key = told.key, signature = told.signature, "checkpoint");
        Ok(frames)
    }

    /// What follows is numbered in a new epoch, which `entry` opens by telling why; for a journal put back from a copy.
    /// The intents that the copy left open are named in it, and the numbers of commands are raised too.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn begin_epoch(&mut self, mut entry: Entry, now: Now) -> Result<Frame, JournalError> {
        let (last, epoch) = (self.last_seq(), self.log.epoch() + 1);
        let commands: Vec<_> = self.pending.open.keys().map(|command| command.0).collect();
        let used = self.pending.last.map_or(0, |last| last.0);
        entry.command = Some(CommandId((used / COMMANDS_LEFT_OUT + 2) * COMMANDS_LEFT_OUT));
        if let Some(Value::Object(detail)) = &mut entry.detail {
            detail.insert("after".into(), last.into());
            detail.insert("epoch".into(), epoch.into());
            detail.insert("goes_on_at".into(), first_after(last).into());
            detail.insert("commands".into(), commands.into());
        }
        self.log.raise_epoch();
        let frames = self.append(&[entry], now)?;
        // Commands are numbered above the record's from here on.
        self.pending.last = frames.first().and_then(|frame| Record::of(frame).ok()?.command);
        frames.into_iter().next().ok_or(JournalError::Unavailable("nothing was written"))
    }

    /// What the newest restore says, when no start followed it.
    pub fn restored(&self) -> Option<&Value> {
        self.pending.restored.as_ref()
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
