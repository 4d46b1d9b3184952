//! The view every query of the log reads: sled, written after the journal, rebuilt from it when it differs.
//!
//! One database for each quarter of a year (`store/quarters`); `store/view` is the only file that names sled. Damage to its files becomes a panic in it, so one thread of its own owns it and
//! alone catches its panics; whoever waits for an answer in vain reads the journal instead. Nothing in the view is
//! needed to control the river.

use std::fs;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;

use self::quarters::Quarters;
use super::journal::{ACTIONS, Frame, JournalError, Mark, Reader, Record};
use crate::control::record::Kind;

mod pack;
mod proof;
mod quarters;
mod view;

pub use proof::{Comparison, compare, compare_part, prove};

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
    /// By an actor whose name holds this. Outcomes belong to their intents and pass.
    pub actor: Option<String>,
}

impl Query {
    /// The newest `count` of all records.
    pub fn newest(count: usize) -> Self {
        Self { count, ..Self::default() }
    }

    pub(super) fn accepts(&self, record: &Record) -> bool {
        self.gate.as_ref().is_none_or(|gate| record.gate.as_ref() == Some(gate))
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && self.seqs.is_none_or(|(from, to)| (from..=to).contains(&record.seq))
            && self.utc.is_none_or(|(from, before)| from <= record.utc && record.utc < before)
            && self
                .actor
                .as_ref()
                .is_none_or(|actor| record.kind == Kind::Outcome || record.actor.contains(actor.as_str()))
    }
}

enum Job {
    Begin,
    Put(Vec<Frame>),
    Close,
    Find(Query, oneshot::Sender<Vec<Record>>),
}

#[derive(Debug)]
struct Shared {
    journal: PathBuf,
    stale: AtomicBool,
    applied: AtomicU64,
    /// Newest record the journal is known to hold.
    known: AtomicU64,
    rebuilds: AtomicU64,
    /// Nobody waits for the view any more: a rebuild is broken off.
    closing: AtomicBool,
}

impl Shared {
    fn of(journal: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            journal,
            stale: AtomicBool::new(true),
            applied: AtomicU64::new(0),
            known: AtomicU64::new(0),
            rebuilds: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        })
    }
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
        let (store, thread) = Self::start_later(data)?;
        store.begin();
        Ok((store, thread))
    }

    /// As [`Store::start`], but nothing is read or written before [`Store::begin`]: a start of the service has better to do
    /// with disk and processor.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_later(data: &Path) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, jobs) = sync_channel(QUEUE);
        let shared = Shared::of(data.join("journal"));
        let keeper = Keeper { dir: data.join("sled"), shared: Arc::clone(&shared) };
        let thread = thread::Builder::new().name(THREAD.into()).spawn(move || keeper.run(&jobs))?;
        Ok((Self { queue, shared }, thread))
    }

    /// Lets the thread open the view, compare it and bring it up to the journal.
    pub fn begin(&self) {
        // Nobody lets it wait: until then it drops what comes, since the journal has it.
        drop(self.queue.send(Job::Begin));
    }

    /// Takes in journalled records, without waiting. What does not fit is fetched from the journal later.
    pub fn put(&self, frames: Vec<Frame>) {
        if let Some(last) = frames.last() {
            self.shared.known.fetch_max(last.seq, Ordering::AcqRel);
        }
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.queue.try_send(Job::Put(frames))
        {
            self.shared.stale.store(true, Ordering::Release);
        }
    }

    /// Ends the thread after what was put so far, but a rebuild is broken off: the next start goes on with it. Later queries
    /// read the journal. Waits for room in the queue.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
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

    /// Newest record the journal is known to hold: while the view is brought up to it, [`Store::applied`] says how far that is.
    pub fn known(&self) -> u64 {
        self.shared.known.load(Ordering::Acquire).max(self.applied())
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
    /// Laid out as an earlier version did: thrown away and made anew.
    Outdated,
    /// Anything else: set aside and made anew.
    Unusable(String),
}

impl From<JournalError> for Trouble {
    fn from(error: JournalError) -> Self {
        Self::Waits(error.to_string())
    }
}

fn differs() -> Trouble {
    Trouble::Unusable("it differs from the journal".into())
}

/// Runs `act` with panics turned into trouble.
fn guarded<T>(act: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| Err(Trouble::Unusable("sled panicked".into())))
}

struct Keeper {
    dir: PathBuf,
    shared: Arc<Shared>,
}

impl Keeper {
    fn run(self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv() {
                Ok(Job::Begin) => break,
                Ok(Job::Close) | Err(_) => return,
                // It stands in the journal; who asks is answered from there.
                Ok(Job::Put(_) | Job::Find(..)) => {}
            }
        }
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
            let mut open = ManuallyDrop::new(open);
            match guarded(|| self.act(&mut open, job)) {
                Ok(()) => view = Some(ManuallyDrop::into_inner(open)),
                Err(Trouble::Waits(why)) => {
                    self.shared.stale.store(true, Ordering::Release);
                    tracing::error!(why, "the view of the log stays behind the journal");
                    view = Some(ManuallyDrop::into_inner(open));
                }
                Err(Trouble::Outdated) => view = self.renew("it is of another version"),
                Err(Trouble::Unusable(why)) => view = self.renew(&why),
            }
        }
        self.shared.stale.store(true, Ordering::Release);
        let closed = guarded(|| {
            if let Some(view) = view {
                view.flush()?;
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

    fn act(&self, view: &mut Quarters, job: Option<Job>) -> Result<(), Trouble> {
        match job {
            Some(Job::Put(frames)) => {
                if frames.first().is_some_and(|frame| frame.seq > view.last + 1) {
                    // Also where a new epoch begins: then the journal says that nothing lies between.
                    self.shared.stale.store(true, Ordering::Release);
                } else {
                    view.put(&frames)?;
                    self.shared.applied.store(view.last, Ordering::Release);
                }
            }
            Some(Job::Find(query, reply)) => {
                let found = view.find(&query)?;
                // Whoever asked may have gone.
                drop(reply.send(found));
            }
            Some(Job::Begin | Job::Close) | None => {}
        }
        view.rest();
        if self.shared.stale.load(Ordering::Acquire) { self.catch_up(view) } else { view.compare_more() }
    }

    /// Opens the view and prepares it. Where that fails it is shut, or its own lock would be in the way of the next try; after a
    /// panic it is forgotten, since its drop syncs.
    fn opened(
        &self,
        prepare: impl FnOnce(&mut Quarters) -> Result<(), Trouble>,
    ) -> Result<Quarters, Trouble> {
        let (view, prepared) = guarded(|| {
            let mut view = ManuallyDrop::new(Quarters::open(&self.dir, &self.shared.journal)?);
            let prepared = prepare(&mut view);
            Ok((ManuallyDrop::into_inner(view), prepared))
        })?;
        match prepared {
            Ok(()) => Ok(view),
            Err(trouble) => {
                // What its end comes to is told by the next try.
                drop(guarded(move || {
                    drop(view);
                    Ok(())
                }));
                Err(trouble)
            }
        }
    }

    /// Opens the view, compares it, brings it up to the journal; made anew when it differs. `None`: not now.
    fn ready(&self) -> Option<Quarters> {
        let opened = self.opened(|view| {
            let reader = Reader::open(&self.shared.journal, ACTIONS)?;
            view.forget_before(reader.files().first().map_or(0, |file| file.name.first));
            let from = view.last.saturating_sub(COMPARED - 1).max(1);
            if !view.begins(&reader)? || !view.agrees(&reader, from..=u64::MAX)? {
                return Err(differs());
            }
            // The others one by one, between the jobs.
            view.uncompared = from;
            self.catch_up(view)
        });
        match opened {
            Ok(view) => Some(view),
            Err(Trouble::Waits(why)) => {
                tracing::error!(why, "the view of the log waits");
                None
            }
            Err(Trouble::Outdated) => {
                tracing::warn!("the view of the log is laid out anew, from the journal");
                drop(fs::remove_dir_all(&self.dir));
                self.anew()
            }
            Err(Trouble::Unusable(why)) => self.renew(&why),
        }
    }

    /// Appends what the journal has and the view lacks, and serves again. Broken off when nobody waits for it any more; what
    /// was appended so far stays.
    fn catch_up(&self, view: &mut Quarters) -> Result<(), Trouble> {
        let closing = || self.shared.closing.load(Ordering::Acquire);
        if closing() {
            return Ok(());
        }
        if let Ok(Some(mark)) = Mark::read(&Mark::path(&self.shared.journal, ACTIONS)) {
            self.shared.known.fetch_max(mark.seq, Ordering::AcqRel);
        }
        let mut batch = Vec::new();
        let records = Reader::open(&self.shared.journal, ACTIONS)?.records(view.last + 1);
        for frame in records {
            batch.push(frame?);
            if batch.len() >= BATCH {
                view.put(&batch)?;
                batch.clear();
                self.shared.applied.store(view.last, Ordering::Release);
                if closing() {
                    return Ok(());
                }
            }
        }
        view.put(&batch)?;
        self.shared.applied.store(view.last, Ordering::Release);
        self.shared.stale.store(false, Ordering::Release);
        Ok(())
    }

    /// Sets the view aside (one copy is kept) and makes it anew from the journal.
    fn renew(&self, why: &str) -> Option<Quarters> {
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
        self.anew()
    }

    /// Makes the view where there is none.
    fn anew(&self) -> Option<Quarters> {
        self.shared.applied.store(0, Ordering::Release);
        match self.opened(|view| self.catch_up(view)) {
            Ok(view) => Some(view),
            Err(trouble) => {
                tracing::error!(?trouble, "no view of the log, queries read the journal");
                None
            }
        }
    }
}
