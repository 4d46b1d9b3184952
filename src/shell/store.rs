//! The view every query of the log reads: sled, written after the journal, rebuilt from it when it differs.
//!
//! The only file that names sled. Damage to its files becomes a panic in it, so one thread of its own owns it and
//! alone catches its panics; whoever waits for an answer in vain reads the journal instead. Nothing in the view is
//! needed to control the river.

use std::fs;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::journal::{ACTIONS, Frame, JournalError, Reader, Record};
use super::lock::patiently;
use crate::control::record::Kind;

/// Name of the thread.
const THREAD: &str = "store";
/// Jobs waiting at most.
const QUEUE: usize = 256;
/// Longest wait for an answer or for the lock of the database, real time; after it the view is stale.
const PATIENCE: Duration = Duration::from_secs(5);
/// Newest records compared before serving.
const COMPARED: u64 = 10_000;
/// Records written in one batch while rebuilding.
const BATCH: usize = 500;
/// Layout of the trees.
const SCHEMA: &[u8] = b"1";

/// Whether a panic in a thread of this name is the view's own and must not end the process.
pub fn is_store_thread(name: Option<&str>) -> bool {
    name.is_some_and(|name| name == THREAD || name.starts_with("sled") || name == "log flusher")
}

/// What to look for; the newest records that satisfy all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// At most so many.
    pub count: usize,
    /// About this gate.
    pub gate: Option<String>,
    /// Of these kinds; empty: all.
    pub kinds: Vec<Kind>,
    /// First and last sequence, inclusive.
    pub seqs: Option<(u64, u64)>,
    /// From and before, civil time.
    pub utc: Option<(Timestamp, Timestamp)>,
}

impl Query {
    /// The newest `count` of all records.
    pub fn newest(count: usize) -> Self {
        Self { count, ..Self::default() }
    }

    fn accepts(&self, record: &Record) -> bool {
        self.gate.as_ref().is_none_or(|gate| record.gate.as_ref() == Some(gate))
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && self.seqs.is_none_or(|(from, to)| (from..=to).contains(&record.seq))
            && self.utc.is_none_or(|(from, before)| from <= record.utc && record.utc < before)
    }
}

enum Job {
    Put(Vec<Frame>),
    Close,
    Find(Query, oneshot::Sender<Vec<Record>>),
}

#[derive(Debug)]
struct Shared {
    journal: PathBuf,
    stale: AtomicBool,
    applied: AtomicU64,
    rebuilds: AtomicU64,
}

/// Handle of the view; cheap to clone. Its thread ends when the last one is dropped, or with [`Store::close`].
#[derive(Clone, Debug)]
pub struct Store {
    queue: SyncSender<Job>,
    shared: Arc<Shared>,
}

impl Store {
    /// Starts the thread for the data folder `data`; until it has compared view and journal, queries read the journal.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(data: &Path) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, jobs) = sync_channel(QUEUE);
        let shared = Arc::new(Shared {
            journal: data.join("journal"),
            stale: AtomicBool::new(true),
            applied: AtomicU64::new(0),
            rebuilds: AtomicU64::new(0),
        });
        let keeper = Keeper { dir: data.join("sled"), shared: Arc::clone(&shared) };
        let thread = thread::Builder::new().name(THREAD.into()).spawn(move || keeper.run(&jobs))?;
        Ok((Self { queue, shared }, thread))
    }

    /// Takes in journalled records, without waiting. What does not fit is fetched from the journal later.
    pub fn put(&self, frames: Vec<Frame>) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.queue.try_send(Job::Put(frames))
        {
            self.shared.stale.store(true, Ordering::Release);
        }
    }

    /// Ends the thread after what was put so far; later queries read the journal. Waits for room in the queue.
    pub fn close(&self) {
        drop(self.queue.send(Job::Close));
    }

    /// Whether queries read the journal because the view is behind, broken or being rebuilt.
    pub fn is_stale(&self) -> bool {
        self.shared.stale.load(Ordering::Acquire)
    }

    /// Last sequence in the view.
    pub fn applied(&self) -> u64 {
        self.shared.applied.load(Ordering::Acquire)
    }

    /// How often the view was made anew since the start.
    pub fn rebuilds(&self) -> u64 {
        self.shared.rebuilds.load(Ordering::Acquire)
    }

    /// The newest records that satisfy `query`, newest first.
    ///
    /// # Errors
    /// When the journal has to be read and cannot be.
    pub async fn find(&self, query: Query) -> Result<Vec<Record>, JournalError> {
        if !self.is_stale() {
            let (reply, answer) = oneshot::channel();
            if self.queue.try_send(Job::Find(query.clone(), reply)).is_ok()
                && let Ok(Ok(found)) = tokio::time::timeout(PATIENCE, answer).await
            {
                return Ok(found);
            }
            self.shared.stale.store(true, Ordering::Release);
            tracing::error!("the view of the log gives no answer, reading the journal instead");
        }
        let journal = self.shared.journal.clone();
        tokio::task::spawn_blocking(move || find_in_journal(&journal, &query))
            .await
            .map_err(|_| JournalError::Unavailable("the query was given up"))?
    }
}

/// The same answer from the journal alone, slower.
///
/// # Errors
/// When the journal cannot be read.
pub fn find_in_journal(journal: &Path, query: &Query) -> Result<Vec<Record>, JournalError> {
    let reader = Reader::open(journal, ACTIONS)?;
    let accepts = |frame: &Frame| Record::of(frame).is_ok_and(|record| query.accepts(&record));
    let mut found =
        reader.last(query.count, accepts)?.iter().map(Record::of).collect::<Result<Vec<_>, _>>()?;
    found.reverse();
    Ok(found)
}

/// Why the view cannot be used.
#[derive(Debug)]
enum Trouble {
    /// No room, its lock held, or the journal cannot be read: the view stays as it is and is stale.
    Waits(String),
    /// Anything else: set aside and made anew.
    Unusable(String),
}

impl From<sled::Error> for Trouble {
    fn from(error: sled::Error) -> Self {
        let full = matches!(&error, sled::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull);
        let passes = full || is_held(&error);
        if passes { Self::Waits(error.to_string()) } else { Self::Unusable(error.to_string()) }
    }
}

/// Whether another still holds the lock of the database; sled 0.34 tells that by its words alone.
fn is_held(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(_)) && error.to_string().contains("could not acquire lock")
}

impl From<JournalError> for Trouble {
    fn from(error: JournalError) -> Self {
        Self::Waits(error.to_string())
    }
}

/// Runs `act` with panics turned into trouble.
fn guarded<T>(act: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| Err(Trouble::Unusable("sled panicked".into())))
}

struct View {
    db: sled::Db,
    action: sled::Tree,
    by_gate: sled::Tree,
    meta: sled::Tree,
}

impl View {
    fn open(dir: &Path) -> Result<Self, Trouble> {
        // A kill while sled opens leaves one behind, and sled does not open then.
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("snap.") && name.ends_with(".generating") {
                drop(fs::remove_file(entry.path()));
            }
        }
        let config = sled::Config::new().path(dir).cache_capacity(64 << 20).flush_every_ms(Some(500));
        let held = |opened: &Result<sled::Db, sled::Error>| opened.as_ref().is_err_and(is_held);
        let db = patiently(PATIENCE, held, || config.open())?;
        let (action, by_gate) = (db.open_tree("action")?, db.open_tree("action_by_gate")?);
        let meta = db.open_tree("meta")?;
        Ok(Self { db, action, by_gate, meta })
    }

    fn put<'a>(&self, frames: impl IntoIterator<Item = &'a Frame>) -> Result<(), Trouble> {
        let (mut actions, mut gates) = (sled::Batch::default(), sled::Batch::default());
        for frame in frames {
            actions.insert(&frame.seq.to_be_bytes(), value(frame));
            if let Ok(Record { gate: Some(gate), .. }) = Record::of(frame) {
                gates.insert(gate_key(&gate, frame.seq), &[]);
            }
        }
        self.action.apply_batch(actions)?;
        self.by_gate.apply_batch(gates)?;
        Ok(())
    }

    fn last(&self) -> Result<u64, Trouble> {
        Ok(self.action.last()?.map_or(0, |(key, _)| seq_of(&key)))
    }

    fn find(&self, query: &Query) -> Result<Vec<Record>, Trouble> {
        let (from, to) = query.seqs.unwrap_or((0, u64::MAX));
        let keys: Box<dyn Iterator<Item = Result<u64, sled::Error>>> = match &query.gate {
            Some(gate) => Box::new(
                self.by_gate
                    .range(gate_key(gate, from)..=gate_key(gate, to))
                    .rev()
                    .map(|item| item.map(|(key, _)| seq_of(&key))),
            ),
            None => Box::new(
                self.action
                    .range(from.to_be_bytes()..=to.to_be_bytes())
                    .rev()
                    .map(|item| item.map(|(key, _)| seq_of(&key))),
            ),
        };
        let mut found = Vec::new();
        for seq in keys {
            if found.len() >= query.count {
                break;
            }
            let seq = seq?;
            let value = self.action.get(seq.to_be_bytes())?;
            let Some(record) = value.and_then(|value| record_of(seq, &value)) else {
                return Err(Trouble::Unusable(format!("record {seq} is not in the view")));
            };
            if query.accepts(&record) {
                found.push(record);
            }
        }
        Ok(found)
    }

    /// Whether the view begins with the same record as the journal, or is empty.
    fn begins(&self, reader: &Reader) -> Result<bool, Trouble> {
        let first = reader.files().first().map(|file| file.name.first);
        let first_here = self.action.first()?.map(|(key, _)| seq_of(&key));
        Ok(first_here.is_none() || first_here == first)
    }

    /// Checks the records with these numbers against the journal; true when the view only lacks the newest ones.
    fn agrees(&self, reader: &Reader, seqs: RangeInclusive<u64>) -> Result<bool, Trouble> {
        if self.meta.get("schema")?.as_deref() != Some(SCHEMA) {
            return Ok(self.action.is_empty());
        }
        let (from, to) = seqs.into_inner();
        let last = self.last()?;
        let mut end = 0;
        let mut stored = self.action.range(from.to_be_bytes()..);
        for frame in reader.records(from) {
            let frame = frame?;
            end = frame.seq;
            if end > to {
                return Ok(true);
            }
            if frame.seq <= last {
                let Some((key, here)) = stored.next().transpose()? else { return Ok(false) };
                if seq_of(&key) != frame.seq || here != value(&frame) {
                    return Ok(false);
                }
            }
        }
        Ok(last <= end)
    }
}

/// kind, version, chain hash, body.
fn value(frame: &Frame) -> Vec<u8> {
    let mut value = Vec::with_capacity(34 + frame.body.len());
    value.extend_from_slice(&[frame.kind, frame.version]);
    value.extend_from_slice(&frame.chain);
    value.extend_from_slice(&frame.body);
    value
}

fn record_of(seq: u64, value: &[u8]) -> Option<Record> {
    let (head, body) = value.split_first_chunk::<34>()?;
    let [kind, version, ..] = *head;
    let frame = Frame { seq, kind, version, body: body.to_vec(), prev: [0; 32], chain: [0; 32] };
    Record::of(&frame).ok()
}

fn gate_key(gate: &str, seq: u64) -> Vec<u8> {
    let mut key = gate.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(&seq.to_be_bytes());
    key
}

fn seq_of(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |seq| u64::from_be_bytes(*seq))
}

struct Keeper {
    dir: PathBuf,
    shared: Arc<Shared>,
}

impl Keeper {
    fn run(self, jobs: &Receiver<Job>) {
        let mut view = self.ready();
        loop {
            let job = match jobs.recv_timeout(PATIENCE) {
                Ok(Job::Close) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
            };
            if view.is_none() {
                view = self.ready();
            }
            let Some(open) = view.take() else { continue };
            // The view is only dropped in order below; after a panic it is forgotten, since its drop syncs.
            let open = std::mem::ManuallyDrop::new(open);
            match guarded(|| self.act(&open, job)) {
                Ok(()) => view = Some(std::mem::ManuallyDrop::into_inner(open)),
                Err(Trouble::Waits(why)) => {
                    self.shared.stale.store(true, Ordering::Release);
                    tracing::error!(why, "the view of the log stays behind the journal");
                    view = Some(std::mem::ManuallyDrop::into_inner(open));
                }
                Err(Trouble::Unusable(why)) => view = self.renew(&why),
            }
        }
        self.shared.stale.store(true, Ordering::Release);
        let closed = guarded(|| {
            if let Some(view) = view {
                view.db.flush()?;
            }
            Ok(())
        });
        if let Err(trouble) = closed {
            tracing::warn!(
                ?trouble,
                "the view of the log was not closed in order; it is compared on the next start"
            );
        }
    }

    fn act(&self, view: &View, job: Option<Job>) -> Result<(), Trouble> {
        match job {
            Some(Job::Put(frames)) => {
                let applied = self.shared.applied.load(Ordering::Acquire);
                let gap = frames.first().is_some_and(|frame| frame.seq > applied + 1);
                if !gap {
                    view.put(&frames)?;
                    let last = frames.last().map_or(applied, |frame| frame.seq.max(applied));
                    self.shared.applied.store(last, Ordering::Release);
                }
                if gap { self.catch_up(view) } else { Ok(()) }
            }
            Some(Job::Find(query, reply)) => {
                let found = view.find(&query)?;
                // Whoever asked may have gone.
                drop(reply.send(found));
                Ok(())
            }
            Some(Job::Close) | None => Ok(()),
        }?;
        if self.shared.stale.load(Ordering::Acquire) { self.catch_up(view) } else { Ok(()) }
    }

    /// Opens the view, compares it, brings it up to the journal; made anew when it differs. `None`: not now.
    fn ready(&self) -> Option<View> {
        let opened = guarded(|| {
            let view = std::mem::ManuallyDrop::new(View::open(&self.dir)?);
            let reader = Reader::open(&self.shared.journal, ACTIONS)?;
            let from = view.last()?.saturating_sub(COMPARED - 1).max(1);
            if !view.begins(&reader)? || !view.agrees(&reader, from..=u64::MAX)? {
                // Out of the hot path and not known damaged: closed in order.
                drop(std::mem::ManuallyDrop::into_inner(view));
                return Err(Trouble::Unusable("it differs from the journal".into()));
            }
            self.catch_up(&view)?;
            Ok(std::mem::ManuallyDrop::into_inner(view))
        });
        match opened {
            Ok(view) => Some(view),
            Err(Trouble::Waits(why)) => {
                tracing::error!(why, "the view of the log waits");
                None
            }
            Err(Trouble::Unusable(why)) => self.renew(&why),
        }
    }

    /// Appends what the journal has and the view lacks, and serves again.
    fn catch_up(&self, view: &View) -> Result<(), Trouble> {
        view.meta.insert("schema", SCHEMA)?;
        let from = view.last()? + 1;
        let mut batch = Vec::new();
        let mut last = from - 1;
        for frame in Reader::open(&self.shared.journal, ACTIONS)?.records(from) {
            let frame = frame?;
            last = frame.seq;
            batch.push(frame);
            if batch.len() >= BATCH {
                view.put(&batch)?;
                batch.clear();
            }
        }
        view.put(&batch)?;
        self.shared.applied.store(last, Ordering::Release);
        self.shared.stale.store(false, Ordering::Release);
        Ok(())
    }

    /// Sets the view aside (one copy is kept) and makes it anew from the journal.
    fn renew(&self, why: &str) -> Option<View> {
        self.shared.stale.store(true, Ordering::Release);
        self.shared.rebuilds.fetch_add(1, Ordering::AcqRel);
        tracing::error!(why, "the view of the log is set aside and made anew from the journal");
        let aside = self.dir.with_extension("bad");
        drop(fs::remove_dir_all(&aside));
        if self.dir.exists()
            && let Err(error) = fs::rename(&self.dir, &aside)
        {
            tracing::error!(%error, "the view of the log cannot be set aside, queries read the journal");
            return None;
        }
        let made = guarded(|| {
            let view = std::mem::ManuallyDrop::new(View::open(&self.dir)?);
            self.catch_up(&view)?;
            Ok(std::mem::ManuallyDrop::into_inner(view))
        });
        match made {
            Ok(view) => Some(view),
            Err(trouble) => {
                tracing::error!(?trouble, "no view of the log, queries read the journal");
                None
            }
        }
    }
}

/// Records asked for when a view is proved.
const PROVED: usize = 1000;

/// Makes the view of a data folder that nobody uses from its journal, and asks it what the journal can answer too: the newest
/// records, and those of the gate that moved last. Gives the last sequence in it.
///
/// # Errors
/// In words, when the view cannot be made or answers otherwise.
pub fn prove(data: &Path) -> Result<u64, String> {
    let (dir, journal) = (data.join("sled"), data.join("journal"));
    let shared = Shared {
        journal: journal.clone(),
        stale: AtomicBool::new(true),
        applied: AtomicU64::new(0),
        rebuilds: AtomicU64::new(0),
    };
    let keeper = Keeper { dir, shared: Arc::new(shared) };
    let work = move || {
        guarded(|| {
            let view = std::mem::ManuallyDrop::new(View::open(&keeper.dir)?);
            keeper.catch_up(&view)?;
            let mut query = Query::newest(PROVED);
            let newest = find_in_journal(&journal, &query)?;
            let differs = view.find(&query)? != newest;
            query.gate = newest.into_iter().find_map(|record| record.gate);
            if differs || view.find(&query)? != find_in_journal(&journal, &query)? {
                return Err(Trouble::Unusable("the view answers otherwise than the journal".into()));
            }
            view.db.flush()?;
            drop(std::mem::ManuallyDrop::into_inner(view));
            Ok(keeper.shared.applied.load(Ordering::Acquire))
        })
    };
    let thread = thread::Builder::new().name(THREAD.into()).spawn(work).map_err(|error| error.to_string())?;
    match thread.join() {
        Ok(Ok(last)) => Ok(last),
        Ok(Err(Trouble::Unusable(why) | Trouble::Waits(why))) => Err(why),
        Err(_) => Err("the view panicked".into()),
    }
}

/// What a comparison of the view with its journal showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// There is no view yet.
    NoView,
    /// They agree; the view may lack the newest records.
    Agrees,
    /// They differ, or the view is damaged, with the reason.
    Differs(String),
    /// It could not be made now: something else is wrong or in the way.
    NotMade(String),
}

/// Compares the whole view of a data folder that no service uses with its journal.
pub fn compare(data: &Path) -> Comparison {
    compare_part(data, 0..=u64::MAX)
}

/// As [`compare`], but the records with these numbers only; 0 as the first one asks for the beginning too.
pub fn compare_part(data: &Path, seqs: RangeInclusive<u64>) -> Comparison {
    let (dir, journal) = (data.join("sled"), data.join("journal"));
    if !dir.exists() {
        return Comparison::NoView;
    }
    let work = move || {
        let result = guarded(|| {
            let view = std::mem::ManuallyDrop::new(View::open(&dir)?);
            let reader = Reader::open(&journal, ACTIONS)?;
            let begins = *seqs.start() > 0 || view.begins(&reader)?;
            let agrees = begins && view.agrees(&reader, seqs)?;
            drop(std::mem::ManuallyDrop::into_inner(view));
            Ok(agrees)
        });
        match result {
            Ok(true) => Comparison::Agrees,
            Ok(false) => Comparison::Differs("the view differs from the journal".into()),
            Err(Trouble::Unusable(why)) => Comparison::Differs(format!("{}: {why}", dir.display())),
            Err(Trouble::Waits(why)) => Comparison::NotMade(format!("{}: {why}", dir.display())),
        }
    };
    match thread::Builder::new().name(THREAD.into()).spawn(work).map(JoinHandle::join) {
        Ok(Ok(comparison)) => comparison,
        Ok(Err(_)) => Comparison::Differs("the view panicked".into()),
        Err(error) => Comparison::NotMade(error.to_string()),
    }
}
