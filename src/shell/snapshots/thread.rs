//! The thread that writes the stream, and its handle for the cycle, which never waits for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Closing, Moment, Stream, parts, told};
use crate::control::state::State;
use crate::control::status::Status;
use crate::control::{Controller, Decision, Now, Snapshot};
use crate::shell::data_dir::space_at;

/// Service time of a file.
const HOUR: Duration = Duration::from_secs(3600);
/// Moments waiting at most; more are left out. Four minutes of a disk that hangs.
const QUEUE: usize = 256;
/// Service time after which a disk that refused is tried again.
const RETRY: Duration = Duration::from_secs(60);

enum Message {
    Begin(Box<State>, Now),
    Moment(Box<Taken>),
    Close(Box<Closing>),
}

/// A tick as the cycle hands it in: what takes time is done on the thread.
struct Taken {
    seen: Snapshot,
    now: Now,
    decision: Decision,
    picture: Option<Arc<Status>>,
}

/// What the thread shares with its handle.
#[derive(Debug, Default)]
struct Shared {
    /// Messages handed in and not yet done.
    waiting: AtomicU64,
    /// The disk refused: nothing is written before the next begin.
    failed: AtomicBool,
    dropped: AtomicU64,
}

/// Where the stream stands, as the cycle knows it.
#[derive(Clone, Copy, Debug)]
enum Flow {
    /// A file is to begin: nothing was written yet, or it was left out from here.
    Due,
    /// A file is open until then.
    Until(Duration),
    /// Left out until then.
    Pause(Duration),
}

/// Hands moments to the thread. The thread ends when this is dropped.
#[derive(Debug)]
pub struct Snapshots {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    flow: Flow,
    lost: bool,
}

impl Snapshots {
    /// Starts the thread. `least_free` is the room of [`crate::shell::data_dir::Space::is_low`].
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(stream: Stream, least_free: Option<u64>) -> io::Result<(Self, JoinHandle<()>)> {
        let (queue, messages) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let writer = Writer { stream, least_free, shared: Arc::clone(&shared), low: false, failing: false };
        let thread = thread::Builder::new().name("snapshots".into()).spawn(move || writer.run(&messages))?;
        Ok((Self { queue, shared, flow: Flow::Due, lost: false }, thread))
    }

    /// Before a decision: begins a file when one is due, with what `controller` remembers.
    pub fn begin(&mut self, controller: &Controller, now: Now) {
        if self.shared.failed.swap(false, Ordering::AcqRel) {
            self.flow = Flow::Pause(now.mono + RETRY);
        }
        let due = match self.flow {
            Flow::Due => true,
            Flow::Until(end) => now.mono >= end,
            // A thread that has not caught up would only fall behind again.
            Flow::Pause(end) => now.mono >= end && self.shared.waiting.load(Ordering::Acquire) == 0,
        };
        if due && self.hand_in(Message::Begin(Box::new(controller.state()), now), now) {
            self.flow = Flow::Until(now.mono + HOUR);
        }
    }

    /// After a decision: its inputs, what was decided, and the picture published in a control cycle.
    pub fn moment(&mut self, seen: &Snapshot, now: Now, decision: Decision, picture: Option<Arc<Status>>) {
        if !matches!(self.flow, Flow::Until(_)) {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let taken = Taken { seen: seen.clone(), now, decision, picture };
        if !self.hand_in(Message::Moment(Box::new(taken)), now) {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// At an orderly stop.
    pub fn close(&mut self, closing: Closing) {
        let now = closing.now;
        if matches!(self.flow, Flow::Until(_)) {
            self.hand_in(Message::Close(Box::new(closing)), now);
        }
    }

    /// Moments left out because the disk was too slow, nearly full or failed.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Acquire)
    }

    fn hand_in(&mut self, message: Message, now: Now) -> bool {
        self.shared.waiting.fetch_add(1, Ordering::AcqRel);
        let taken = self.queue.try_send(message).is_ok();
        if !taken {
            self.shared.waiting.fetch_sub(1, Ordering::AcqRel);
            self.flow = Flow::Pause(now.mono);
        }
        if taken == self.lost {
            self.lost = !taken;
            if taken {
                tracing::warn!(dropped = self.dropped(), "snapshots are written again");
            } else {
                tracing::error!(
                    "snapshots are left out: the disk does not keep up; this time cannot be run again"
                );
            }
        }
        taken
    }
}

struct Writer {
    stream: Stream,
    least_free: Option<u64>,
    shared: Arc<Shared>,
    low: bool,
    failing: bool,
}

impl Writer {
    fn run(mut self, messages: &Receiver<Message>) {
        for message in messages {
            self.write(message);
            self.shared.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn write(&mut self, message: Message) {
        let low = space_at(self.stream.dir()).is_ok_and(|space| space.is_low(self.least_free));
        if low != self.low {
            self.low = low;
            tracing::warn!(low, "room on the disk: snapshots stop while it is low");
        }
        let (is_begin, is_moment) =
            (matches!(message, Message::Begin(..)), matches!(message, Message::Moment(_)));
        let done = if low {
            self.stream.end();
            Err(io::ErrorKind::StorageFull.into())
        } else {
            self.carry_out(message)
        };
        match done {
            Ok(()) if is_begin && std::mem::take(&mut self.failing) => {
                tracing::warn!("snapshots are written again");
            }
            Ok(()) => {}
            Err(error) => {
                self.shared.failed.store(true, Ordering::Release);
                if is_moment {
                    self.shared.dropped.fetch_add(1, Ordering::Release);
                }
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "snapshots are left out; this time cannot be run again");
                }
            }
        }
    }

    fn carry_out(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::Begin(state, now) => self.stream.begin(&state, now),
            Message::Moment(taken) => {
                let Taken { seen, now, decision, picture: shown } = *taken;
                let picture = shown.iter().flat_map(|status| parts(status)).map(|(_, print)| print).collect();
                let told = told(&decision, shown.as_deref());
                self.stream.moment(&Moment { seen, told, picture }, now)
            }
            Message::Close(closing) => self.stream.close(&closing),
        }
    }
}
