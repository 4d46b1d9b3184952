//! The record's own thread: numbers and syncs what the cycle decides, many batches with one sync.
//!
//! When the disk refuses, what could not be written is kept in memory and written later, in order, intents as
//! `late-intent`. Whoever asked is told at once, so that only protective movement goes on meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;

use super::journal::{Journal, JournalError};
use super::store::Store;
use crate::control::Now;
use crate::control::record::{Entry, Kind};

/// Batches waiting at most; the cycle waits for each of its own, so more means the disk hangs.
const QUEUE: usize = 1024;
/// Batches written with one sync at most.
const GROUP: usize = 256;
/// Entries kept while the record cannot be written. Chosen: a day of a basin in trouble.
const BACKLOG: usize = 10_000;
/// How often the mark is synced and a lost record tried again.
const IDLE: Duration = Duration::from_secs(1);

/// The record could not take an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The disk refused; the entries are kept and written later, intents as `late-intent`.
    #[error("{0}")]
    Refused(String),
    /// No word from the disk yet; the entries are written when it wakes up.
    #[error("no word from the disk within {0:?}")]
    Slow(Duration),
    /// The record takes nothing more.
    #[error("the record takes nothing more: {0}")]
    Full(String),
}

const ENDED: &str = "its thread ended";

type Reply = oneshot::Sender<Result<Vec<u64>, RecordError>>;
type Answer = oneshot::Receiver<Result<Vec<u64>, RecordError>>;

struct Batch {
    number: u64,
    entries: Vec<Entry>,
    now: Now,
    reply: Option<Reply>,
}

#[derive(Debug)]
struct Shared {
    ok: AtomicBool,
    last: AtomicU64,
    kept: AtomicU64,
    /// Batches handed in, and the newest of them that has its answer.
    handed: AtomicU64,
    answered: AtomicU64,
    /// Newest batch somebody gave up waiting for.
    late: AtomicU64,
    /// Service time last handed in for its own sake, whole minutes.
    minute: AtomicU64,
}

/// Hands entries to the record thread; cheap to clone. The thread ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct RecordHandle {
    queue: SyncSender<Batch>,
    shared: Arc<Shared>,
}

impl RecordHandle {
    /// Starts the thread. Wait for the second part after dropping every handle: it has synced the mark by then.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(journal: Journal, store: Option<Store>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, batches) = sync_channel(QUEUE);
        let shared = Arc::new(Shared {
            ok: AtomicBool::new(true),
            last: AtomicU64::new(journal.last_seq()),
            kept: AtomicU64::new(0),
            handed: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            late: AtomicU64::new(0),
            minute: AtomicU64::new(0),
        });
        let writer = Writer {
            journal,
            store,
            shared: Arc::clone(&shared),
            backlog: VecDeque::new(),
            lost: 0,
            last_now: None,
        };
        let thread = thread::Builder::new().name("record".into()).spawn(move || writer.run(&batches))?;
        Ok((Self { queue, shared }, thread))
    }

    /// Appends a batch; the answer is the acknowledgement, with the sequences.
    ///
    /// # Errors
    /// When the disk refused, or the queue is full because it hangs. After a refusal the entries are kept (up to
    /// 10 000) and written later: send only the protective ones of their commands, and report the others as not sent.
    pub async fn append(&self, entries: Vec<Entry>, now: Now) -> Result<Vec<u64>, RecordError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let (_, answer) = self.hand_in_for_answer(entries, now)?;
        answer.await.map_err(|_| RecordError::Full(ENDED.into()))?
    }

    /// As [`RecordHandle::append`], waiting at most `patience` of real time. While the disk hangs nothing waits
    /// for it: entries are handed in as late as they are.
    ///
    /// # Errors
    /// As [`RecordHandle::append`], and [`RecordError::Slow`].
    pub async fn append_within(
        &self,
        mut entries: Vec<Entry>,
        now: Now,
        patience: Duration,
    ) -> Result<Vec<u64>, RecordError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        if self.hangs() {
            entries.iter_mut().for_each(make_late);
            self.append_later(entries, now)?;
            return Err(RecordError::Slow(patience));
        }
        let (number, answer) = self.hand_in_for_answer(entries, now)?;
        if let Ok(answer) = tokio::time::timeout(patience, answer).await {
            return answer.map_err(|_| RecordError::Full(ENDED.into()))?;
        }
        self.shared.late.fetch_max(number, Ordering::AcqRel);
        Err(RecordError::Slow(patience))
    }

    fn hand_in_for_answer(&self, entries: Vec<Entry>, now: Now) -> Result<(u64, Answer), RecordError> {
        let (reply, answer) = oneshot::channel();
        Ok((self.hand_in(entries, now, Some(reply))?, answer))
    }

    /// Hands in entries without waiting for the acknowledgement, as facts that do not precede a command.
    ///
    /// # Errors
    /// When the queue is full or the thread has ended.
    pub fn append_later(&self, entries: Vec<Entry>, now: Now) -> Result<(), RecordError> {
        if entries.is_empty() { Ok(()) } else { self.hand_in(entries, now, None).map(|_| ()) }
    }

    /// Tells what time it is, so that the hourly checkpoint is made in a quiet hour too; costs nothing within a minute.
    /// In the queue, so that time never runs backwards in the record.
    pub fn pass_time(&self, now: Now) {
        let minute = now.mono.as_secs() / 60;
        if self.shared.minute.fetch_max(minute, Ordering::AcqRel) < minute && !self.hangs() {
            // A full queue has its own say with the next entry.
            drop(self.queue.try_send(Batch { number: 0, entries: Vec::new(), now, reply: None }));
        }
    }

    fn hand_in(&self, entries: Vec<Entry>, now: Now, reply: Option<Reply>) -> Result<u64, RecordError> {
        let number = self.shared.handed.fetch_add(1, Ordering::AcqRel) + 1;
        self.queue.try_send(Batch { number, entries, now, reply }).map(|()| number).map_err(|error| {
            self.shared.ok.store(false, Ordering::Release);
            let (TrySendError::Full(batch) | TrySendError::Disconnected(batch)) = &error;
            tracing::error!(entries = ?batch.entries, "entries lost for the record");
            RecordError::Full(error.to_string())
        })
    }

    /// Whether the newest batch could be written, none is kept and nobody waits in vain.
    pub fn record_ok(&self) -> bool {
        self.shared.ok.load(Ordering::Acquire) && !self.hangs()
    }

    /// Whether a batch somebody gave up waiting for has no answer yet.
    fn hangs(&self) -> bool {
        self.shared.answered.load(Ordering::Acquire) < self.shared.late.load(Ordering::Acquire)
    }

    /// Sequence of the last acknowledged record.
    pub fn last_seq(&self) -> u64 {
        self.shared.last.load(Ordering::Acquire)
    }

    /// Entries kept in memory because they could not be written.
    pub fn kept(&self) -> u64 {
        self.shared.kept.load(Ordering::Acquire)
    }
}

struct Writer {
    journal: Journal,
    store: Option<Store>,
    shared: Arc<Shared>,
    backlog: VecDeque<(Entry, Now)>,
    lost: u64,
    last_now: Option<Now>,
}

impl Writer {
    fn run(mut self, batches: &Receiver<Batch>) {
        loop {
            match batches.recv_timeout(IDLE) {
                Ok(first) => {
                    let group: Vec<_> =
                        std::iter::once(first).chain(batches.try_iter().take(GROUP - 1)).collect();
                    self.write(group);
                    self.checkpoint();
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !self.backlog.is_empty() {
                        self.write(Vec::new());
                    }
                    self.sync_mark();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if !self.backlog.is_empty() {
            self.write(Vec::new());
        }
        self.sync_mark();
    }

    fn sync_mark(&mut self) {
        if let Err(error) = self.journal.sync_mark() {
            tracing::warn!(%error, "the mark of the journal could not be synced");
        }
    }

    /// Writes what is kept and then the group, with one sync.
    fn write(&mut self, group: Vec<Batch>) {
        self.tell_of_lost();
        let late = self.backlog.iter().map(|(entry, now)| (entry, *now));
        let fresh = group.iter().flat_map(|batch| batch.entries.iter().map(|entry| (entry, batch.now)));
        let all: Vec<_> = late.chain(fresh).collect();
        let count_late = self.backlog.len();
        let last_now = group.last().map(|batch| batch.now);
        if all.is_empty() {
            // Time passed, that is all: it says nothing of the disk.
            self.last_now = last_now.or(self.last_now);
            return;
        }
        let written = self.journal.append_dated(&all);
        self.last_now = last_now.or(self.last_now);
        match written {
            Ok(frames) => {
                self.backlog.clear();
                self.acknowledged(frames.len());
                let seqs: Vec<_> = frames.iter().skip(count_late).map(|frame| frame.seq).collect();
                // Before the answers: whoever has one finds its records in the view.
                if let Some(store) = &self.store {
                    store.put(frames);
                }
                let mut fresh = seqs.into_iter();
                for batch in group {
                    let seqs = fresh.by_ref().take(batch.entries.len()).collect();
                    self.answer(batch.number, batch.reply, Ok(seqs));
                }
            }
            Err(error) => self.keep(group, &error),
        }
    }

    /// A signed checkpoint, when one is due; one that cannot be written is tried again with the next batch.
    fn checkpoint(&mut self) {
        let Some(now) = self.last_now.filter(|_| self.shared.ok.load(Ordering::Acquire)) else { return };
        match self.journal.checkpoint(now) {
            Ok(frames) if frames.is_empty() => {}
            Ok(frames) => {
                self.shared.last.store(self.journal.last_seq(), Ordering::Release);
                if let Some(store) = &self.store {
                    store.put(frames);
                }
            }
            Err(error) => tracing::error!(%error, "the checkpoint of the journal was not written"),
        }
    }

    fn acknowledged(&self, records: usize) {
        self.shared.kept.store(0, Ordering::Release);
        self.shared.last.store(self.journal.last_seq(), Ordering::Release);
        if !self.shared.ok.swap(true, Ordering::AcqRel) {
            tracing::warn!(records, "the record can be written again");
        }
    }

    /// Keeps what could not be written, intents under their late name, and says so in the system log.
    fn keep(&mut self, group: Vec<Batch>, error: &JournalError) {
        let can_wait = matches!(error, JournalError::Io { .. });
        if can_wait {
            self.shared.ok.store(false, Ordering::Release);
        }
        tracing::error!(%error, kept = self.backlog.len(), "the record cannot be written");
        let why = RecordError::Refused(error.to_string());
        let mut replies = Vec::with_capacity(group.len());
        for batch in group {
            for mut entry in batch.entries {
                make_late(&mut entry);
                if can_wait && self.backlog.len() < BACKLOG {
                    self.backlog.push_back((entry, batch.now));
                } else {
                    tracing::error!(?entry, "entry lost for the record");
                    self.lost += 1;
                }
            }
            replies.push((batch.number, batch.reply));
        }
        self.shared.kept.store(self.backlog.len() as u64, Ordering::Release);
        for (number, reply) in replies {
            self.answer(number, reply, Err(why.clone()));
        }
    }

    fn answer(&self, number: u64, reply: Option<Reply>, with: Result<Vec<u64>, RecordError>) {
        self.shared.answered.fetch_max(number, Ordering::AcqRel);
        // Nobody waits any more: the record holds all the same.
        drop(reply.map(|reply| reply.send(with)));
    }

    fn tell_of_lost(&mut self) {
        if let Some(now) = self.last_now.filter(|_| self.lost > 0 && self.backlog.len() < BACKLOG) {
            let mut entry = Entry::new(Kind::Recovered, "recovery");
            entry.detail =
                Some(json!({ "what": "entries lost while the record was down", "count": self.lost }));
            self.lost = 0;
            self.backlog.push_back((entry, now));
        }
    }
}

/// An intent that goes out before its record, said in the system log.
fn make_late(entry: &mut Entry) {
    if entry.kind == Kind::Intent {
        let (command, gate) = (entry.command.map(|command| command.0), entry.gate.as_deref());
        tracing::error!(command, gate, action = ?entry.action, because = ?entry.because, "unrecorded intent");
        entry.kind = Kind::LateIntent;
    }
}
