//! The record's own thread: numbers and syncs what the cycle decides, many batches with one sync.
//!
//! When the disk refuses, what could not be written is kept in memory and written later, in order, intents as
//! `late-intent`. Whoever asked is told at once, so that only protective movement goes on meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
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
#[error("{0}")]
pub struct RecordError(pub String);

type Reply = oneshot::Sender<Result<Vec<u64>, RecordError>>;

struct Batch {
    entries: Vec<Entry>,
    now: Now,
    reply: Option<Reply>,
}

#[derive(Debug)]
struct Shared {
    ok: AtomicBool,
    last: AtomicU64,
    kept: AtomicU64,
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
        let (reply, answer) = oneshot::channel();
        self.hand_in(Batch { entries, now, reply: Some(reply) })?;
        answer.await.map_err(|_| RecordError("the record thread ended".into()))?
    }

    /// Hands in entries without waiting for the acknowledgement, as facts that do not precede a command.
    ///
    /// # Errors
    /// When the queue is full or the thread has ended.
    pub fn append_later(&self, entries: Vec<Entry>, now: Now) -> Result<(), RecordError> {
        if entries.is_empty() { Ok(()) } else { self.hand_in(Batch { entries, now, reply: None }) }
    }

    fn hand_in(&self, batch: Batch) -> Result<(), RecordError> {
        self.queue.try_send(batch).map_err(|error| {
            self.shared.ok.store(false, Ordering::Release);
            RecordError(format!("the record takes nothing more: {error}"))
        })
    }

    /// Whether the newest batch could be written and none is kept.
    pub fn record_ok(&self) -> bool {
        self.shared.ok.load(Ordering::Acquire)
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
        let (count_late, last_now) = (self.backlog.len(), all.last().map(|(_, now)| *now));
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
                    answer(batch.reply, Ok(seqs));
                }
            }
            Err(error) => self.keep(group, &error),
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
        let why = RecordError(error.to_string());
        let mut replies = Vec::with_capacity(group.len());
        for batch in group {
            for mut entry in batch.entries {
                if entry.kind == Kind::Intent {
                    let (command, gate) = (entry.command.map(|command| command.0), entry.gate.as_deref());
                    tracing::error!(command, gate, action = ?entry.action, because = ?entry.because, "unrecorded intent");
                    entry.kind = Kind::LateIntent;
                }
                if can_wait && self.backlog.len() < BACKLOG {
                    self.backlog.push_back((entry, batch.now));
                } else {
                    tracing::error!(?entry, "entry lost for the record");
                    self.lost += 1;
                }
            }
            replies.push(batch.reply);
        }
        self.shared.kept.store(self.backlog.len() as u64, Ordering::Release);
        for reply in replies {
            answer(reply, Err(why.clone()));
        }
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

fn answer(reply: Option<Reply>, with: Result<Vec<u64>, RecordError>) {
    // Nobody waits any more: the record holds all the same.
    drop(reply.map(|reply| reply.send(with)));
}
