//! The field over Modbus: one task per link reads what is due, carries out orders, feeds watchdogs.
//!
//! Only these tasks write, and only what [`WriteOrder::from_cleared`] made of a cleared command. They fill an
//! image that the cycle freezes; nothing waits for anything here.

mod client;
mod endpoint;
pub mod engine;
pub mod error;
pub mod health;
pub(in crate::shell) mod identity;
mod image;
mod link;
mod mailbox;
mod mbap;
mod order;
mod pdu;
pub mod plan;
mod reads;
pub mod round_trips;
mod rtu;
mod scan;
pub mod stream;
#[cfg(test)]
mod testing;
mod trace;
mod watchdog;
pub mod words;
mod write;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use engine::Access;
pub use order::{FieldAction, WriteOrder};
pub use scan::phase;

use crate::basin::GateId;
use crate::control::command::{CommandId, NotSent, WriteReport, WriteResult};
use crate::control::quality::{Reason, Sample};
use crate::points::{self, LinkId};
use crate::shell::clock::Clock;
use health::LinkHealth;
use image::Image;
use mailbox::Mailbox;
use reads::Scales;
use trace::Trace;

/// Without a complete cycle for this long (service time) watchdogs are no longer fed.
const FEED_LASTS: Duration = Duration::from_secs(10);
/// Longest wait for a task to end its open request, real time.
const SHUTDOWN_MOST: Duration = Duration::from_secs(5);

/// What the tasks share with the cycle.
#[derive(Debug)]
struct Shared {
    field: Arc<points::Field>,
    clock: Clock,
    access: Access,
    image: Image,
    scales: Scales,
    reports: Mutex<Vec<WriteReport>>,
    health: Vec<Mutex<LinkHealth>>,
    /// Orders not yet taken up, by link.
    mail: Vec<Mailbox>,
    /// Set once: the tasks end.
    stop: AtomicBool,
    /// The last frames, by link.
    traces: Vec<Arc<Trace>>,
    /// Counts what happened, for who waits for something to happen.
    progress: watch::Sender<u64>,
    /// Service time of the last complete cycle, ns, plus one; 0 before the first.
    fed: AtomicU64,
    /// When that cycle froze what it saw, the same way.
    saw: AtomicU64,
    /// When the newest cycle did, complete or not.
    frozen: AtomicU64,
}

impl Shared {
    fn new(field: Arc<points::Field>, clock: Clock, access: Access) -> Arc<Self> {
        let health = (0..field.links.len()).map(|link| {
            let devices = field.devices.iter().enumerate();
            let behind =
                devices.filter(|(_, device)| device.link.0 == link).map(|(at, _)| points::DeviceId(at));
            Mutex::new(LinkHealth::new(LinkId(link), behind))
        });
        Arc::new(Self {
            image: Image::new(field.points.len()),
            scales: Scales::of(&field),
            health: health.collect(),
            mail: field.links.iter().map(|_| Mailbox::default()).collect(),
            stop: AtomicBool::new(false),
            traces: field.links.iter().map(|_| Arc::default()).collect(),
            reports: Mutex::default(),
            progress: watch::Sender::new(0),
            fed: AtomicU64::new(0),
            saw: AtomicU64::new(0),
            frozen: AtomicU64::new(0),
            field,
            clock,
            access,
        })
    }

    fn report(&self, command: CommandId, gate: GateId, result: WriteResult) {
        let report = WriteReport { command, gate, result, at: self.clock.mono() };
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
        self.happened();
    }

    fn health(&self) -> Vec<LinkHealth> {
        let all = self.health.iter();
        all.map(|health| health.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }

    fn happened(&self) {
        // Nobody waits while the service runs; a look costs less than a call.
        if self.progress.receiver_count() == 0 {
            return;
        }
        self.progress.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Whether a cycle was completed recently.
    fn is_fed(&self, now: Duration) -> bool {
        match self.fed.load(Ordering::Relaxed) {
            0 => false,
            ns => now.saturating_sub(Duration::from_nanos(ns - 1)) <= FEED_LASTS,
        }
    }

    /// Whether a complete cycle has seen what was read by `at`.
    fn has_seen(&self, at: Duration) -> bool {
        self.saw.load(Ordering::Relaxed) >= stamp(at)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Wakes all tasks.
    fn ring(&self) {
        self.mail.iter().for_each(Mailbox::ring);
    }

    fn end(&self) {
        self.stop.store(true, Ordering::Release);
        self.ring();
    }

    fn with_health<T>(&self, link: LinkId, act: impl FnOnce(&mut LinkHealth) -> T) -> Option<T> {
        let health = self.health.get(link.0)?;
        Some(act(&mut health.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A service time as it is shared: ns, plus one.
fn stamp(at: Duration) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX - 1).saturating_add(1)
}

/// The running field. Dropping it ends the tasks at their next step; [`FieldHandle::shutdown`] waits for them.
#[derive(Debug)]
pub struct FieldHandle {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    /// Wakes the others when the pace changes.
    pace: Option<JoinHandle<()>>,
}

/// Starts one task per link. With [`Access::Observe`] no function that writes can leave. Needs a tokio runtime.
pub fn start(field: Arc<points::Field>, clock: Clock, access: Access) -> FieldHandle {
    let shared = Shared::new(field, clock, access);
    let links = shared.field.links.iter().zip(plan::plans(&shared.field)).enumerate();
    let actors =
        links.map(|(at, (link, plan))| link::Actor::new(Arc::clone(&shared), LinkId(at), link, plan));
    let tasks = actors.map(|actor| tokio::spawn(Box::new(actor).run())).collect();
    let pace = shared.clock.paces().map(|mut paces| {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            while paces.changed().await {
                shared.ring();
            }
        })
    });
    FieldHandle { shared, tasks, pace }
}

impl FieldHandle {
    /// Hands an order to the task of its gate. Exactly one report comes of it, at once when it cannot be
    /// taken; later reports about the same command refine it.
    pub fn send(&self, order: WriteOrder) {
        let (command, gate) = (order.command(), order.gate());
        let mail = self.link_of(&order).and_then(|link| self.shared.mail.get(link.0));
        if let Err(refused) = mail.map_or(Err(NotSent::ReadOnly), |mail| mail.put(order)) {
            self.shared.report(command, gate, WriteResult::NotSent(refused));
        }
    }

    fn link_of(&self, order: &WriteOrder) -> Option<LinkId> {
        let field = &self.shared.field;
        let points = field.wiring.gates.get(order.gate().0)?;
        let point = match order.action {
            FieldAction::Goto(_) => points.target?,
            FieldAction::Stop => points.command?,
        };
        let device = field.points.get(point.0)?.device;
        field.devices.get(device.0).map(|device| device.link)
    }

    /// The samples of all points, in file order.
    pub fn freeze(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        self.freeze_into(&mut samples);
        samples
    }

    /// [`FieldHandle::freeze`] into room that is there already: a cycle takes the same each time.
    pub fn freeze_into(&self, samples: &mut Vec<Sample>) {
        // Before the look: what is read meanwhile may be missing.
        self.shared.frozen.store(stamp(self.shared.clock.mono()), Ordering::Relaxed);
        self.shared.image.freeze(samples);
    }

    /// Reports since the last call, oldest first.
    pub fn take_reports(&self) -> Vec<WriteReport> {
        std::mem::take(&mut *self.shared.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A cycle was completed: watchdogs are fed for the next ten seconds of service time. After the start and after a
    /// loss that of a unit waits until a cycle has seen what the unit shows.
    pub fn feed(&self) {
        let shared = &self.shared;
        shared.saw.store(shared.frozen.load(Ordering::Relaxed), Ordering::Relaxed);
        shared.fed.store(stamp(shared.clock.mono()), Ordering::Relaxed);
    }

    /// State and counters of all links, in file order.
    pub fn health(&self) -> Vec<LinkHealth> {
        self.shared.health()
    }

    /// Changes whenever a request has ended or a report was made.
    pub fn progress(&self) -> watch::Receiver<u64> {
        self.shared.progress.subscribe()
    }

    /// Whether every scanned point has been read or has failed to be read once.
    pub fn is_settled(&self) -> bool {
        let scanned = self.shared.field.points.iter().map(|point| point.class.is_some());
        let never = |sample: &Sample| sample.good.is_none() && sample.fault == Some(Reason::NeverRead);
        !self.freeze().iter().zip(scanned).any(|(sample, scanned)| scanned && never(sample))
    }

    /// A second look at state and counters, which does not keep the field alive.
    pub fn monitor(&self) -> Monitor {
        Monitor(Arc::clone(&self.shared))
    }

    /// Ends in order: the open request of each link is finished or times out, waiting orders are reported as
    /// not sent. Tasks that take longer than 5 s are cut off. Gives the reports not yet taken.
    pub async fn shutdown(mut self) -> Vec<WriteReport> {
        self.shared.end();
        let deadline = self.shared.clock.real_deadline(SHUTDOWN_MOST);
        for task in &mut self.tasks {
            if tokio::time::timeout_at(deadline, &mut *task).await.is_err() {
                task.abort();
            }
        }
        self.take_reports()
    }
}

/// Shows state and counters of the field, also after its end.
#[derive(Clone, Debug)]
pub struct Monitor(Arc<Shared>);

impl Monitor {
    /// State and counters of all links, in file order.
    pub fn health(&self) -> Vec<LinkHealth> {
        self.0.health()
    }

    /// The last frames of a link as text, oldest first: service time in seconds, direction, hex. `None` for a link
    /// there is not.
    pub fn trace(&self, link: LinkId) -> Option<String> {
        self.0.traces.get(link.0).map(|trace| trace.text())
    }
}

impl Drop for FieldHandle {
    fn drop(&mut self) {
        self.shared.end();
        if let Some(pace) = &self.pace {
            pace.abort();
        }
    }
}
