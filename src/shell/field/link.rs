//! The task of one link: it alone owns the connection. Requests are picked afresh each time.
//!
//! ```text
//! answer there? ─> order waiting? ─> unresolved write? ─> watchdog due? ─> most overdue read? ─> wait for the next
//! ```
//!
//! Up to a window of reads may be open; what writes goes alone to its unit. Due times are service time, time-outs and pauses after failures real time. A scan that comes late is
//! skipped and counted, never queued.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::Shared;
use super::engine::{Access, Endpoint, Engine};
use super::health::{DOWN_AFTER, LinkState};
use super::identity::Proof;
use super::mailbox::Mailbox;
use super::order::{FieldAction, WriteOrder};
use super::plan::Plan;
use super::scan::{self, Scan, Told};
use super::watchdog::{self, Dog};
use super::write::{Hand, Unresolved};
use crate::control::command::{NotSent, WriteResult};
use crate::points::{DeviceId, Link, LinkId};
use crate::shell::clock::Moment;

/// Orders in a row before a due read gets its turn.
const ORDERS_IN_A_ROW: u32 = 4;
/// Looks at an unanswered write before it is left to the scans.
const LOOKS: u32 = 5;
/// Longest pause between attempts to connect, service time.
const LINK_PAUSE_MOST: Duration = Duration::from_secs(30);
/// Shortest pause between attempts to connect, real time, whatever the speed.
const LINK_PAUSE_LEAST: Duration = Duration::from_millis(50);

/// One unit and, after failures, when it may be asked again.
pub(super) struct Unit {
    pub(super) device: DeviceId,
    pub(super) failures: u32,
    pub(super) not_before: Option<Instant>,
    /// Whether it is the device of the configuration.
    pub(super) proof: Proof,
    pub(super) sight: Sight,
}

/// Whether a unit has been read since its link was last lost. What it did meanwhile is looked at before anything is
/// written: a box whose watchdog has run out says so only until it is fed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Not read since the start.
    New,
    /// Not read since the link was lost.
    Lost,
    /// Read, at this service time for the first time.
    Seen(Duration),
}

/// An unanswered write being looked at again.
struct Look {
    pending: Unresolved,
    left: u32,
    at: Instant,
}

enum Step {
    Connect,
    Identify(usize),
    Order(WriteOrder),
    Look(Look),
    Dog(usize),
    Scan(usize),
    /// Until something happens, or this instant.
    Wait(Option<Instant>),
}

/// The task, before it runs.
pub(super) struct Actor {
    pub(super) shared: Arc<Shared>,
    pub(super) link: LinkId,
    pub(super) engine: Engine,
    pub(super) timeout: Duration,
    pub(super) scans: Vec<Scan>,
    /// When blocks that were split are tried whole again.
    pub(super) whole_again: Option<Duration>,
    /// Whether the plan stands on what the units of a serial line were measured to take.
    pub(super) measured: bool,
    pub(super) units: Vec<Unit>,
    pub(super) dogs: Vec<Dog>,
    waiting: VecDeque<WriteOrder>,
    pub(super) orders_in_a_row: u32,
    looks: VecDeque<Look>,
    /// The newest look at the clock: between two waits time stands still.
    pub(super) now: Moment,
    /// What the units of the link have told in the present step.
    pub(super) told: Told,
    /// Attempts to connect, or connections without a reply, in a row.
    lost: u32,
    connect_at: Option<Instant>,
    /// What had been heard when the present connection was opened.
    heard_at_connect: u64,
    rng: fastrand::Rng,
}

impl Drop for Actor {
    /// However the task ends, every order gets its report.
    fn drop(&mut self) {
        let late = self.shared.mail.get(self.link.0).map(Mailbox::close).unwrap_or_default();
        for order in self.waiting.drain(..).chain(late) {
            self.shared.report(order.command, order.gate, WriteResult::NotSent(NotSent::LinkDown));
        }
    }
}

impl Actor {
    pub(super) fn new(shared: Arc<Shared>, id: LinkId, link: &Link, plan: Plan) -> Self {
        let behind = shared.field.devices.iter().filter(|device| device.link == id);
        let endpoint = Endpoint::of(link, behind, shared.access);
        let timeout = endpoint.timeout;
        let field = Arc::clone(&shared.field);
        let engine = Engine::new(endpoint, shared.clock.clone());
        let engine = match shared.traces.get(id.0) {
            Some(trace) => engine.traced(Arc::clone(trace)),
            None => engine,
        };
        let devices = field.devices.iter().enumerate().filter(|(_, device)| device.link == id);
        let unit = |(at, _)| Unit {
            device: DeviceId(at),
            failures: 0,
            not_before: None,
            proof: Proof::Open,
            sight: Sight::New,
        };
        let mut units: Vec<_> = devices.map(unit).collect();
        units.shrink_to_fit();
        let mut actor = Self {
            engine,
            timeout,
            scans: scan::scans(&shared, plan, &units, Duration::ZERO),
            whole_again: None,
            measured: false,
            units,
            dogs: watchdog::dogs(&shared, id),
            link: id,
            waiting: VecDeque::new(),
            orders_in_a_row: 0,
            looks: VecDeque::new(),
            now: shared.clock.look(),
            told: Told::default(),
            lost: 0,
            connect_at: None,
            heard_at_connect: 0,
            rng: fastrand::Rng::new(),
            shared,
        };
        actor.lose_sight(Sight::New);
        actor
    }

    /// Runs until told to stop. Boxed: a future keeps room for its argument twice.
    pub(super) async fn run(mut self: Box<Self>) {
        let mut timer = pin!(tokio::time::sleep_until(self.now.real));
        while !self.shared.is_stopped() {
            self.take_orders();
            let step = self.next_step();
            match step {
                // Boxed where it is rare: a task keeps room for the largest of what it may wait for.
                Step::Connect => Box::pin(self.connect()).await,
                Step::Identify(at) => Box::pin(self.identify(at)).await,
                Step::Order(order) => Box::pin(self.carry_out(&order)).await,
                Step::Look(look) => Box::pin(self.look_again(look)).await,
                Step::Dog(at) => Box::pin(self.feed_dog(at)).await,
                Step::Scan(at) => {
                    if self.ask(at).await {
                        continue;
                    }
                }
                Step::Wait(until) => {
                    self.wait(timer.as_mut(), until).await;
                    continue;
                }
            }
            self.now = self.shared.clock.look();
            self.after_request();
            self.take_answers();
        }
        self.engine.close("the service stops");
    }

    /// Takes in the answers that are there.
    fn take_answers(&mut self) {
        while let Some((tag, answer)) = self.engine.take_done() {
            if let Ok(at) = usize::try_from(tag) {
                self.read(at, &answer);
            }
            self.after_request();
        }
    }

    /// Takes up the orders that have come in.
    fn take_orders(&mut self) {
        let orders = self.shared.mail.get(self.link.0).map(Mailbox::take).unwrap_or_default();
        for order in orders {
            self.queue(order);
        }
    }

    /// Takes an order up; an older one for the same gate that still waits is superseded.
    fn queue(&mut self, order: WriteOrder) {
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.gate == order.gate)
            && let Some(old) = self.waiting.remove(at)
        {
            self.shared.report(old.command, old.gate, WriteResult::NotSent(NotSent::Superseded));
        }
        self.looks.retain(|look| look.pending.gate != order.gate);
        // A stop goes ahead of everything that would set something in motion.
        match order.action {
            FieldAction::Stop => self.waiting.push_front(order),
            FieldAction::Goto(_) => self.waiting.push_back(order),
        }
    }

    fn next_step(&mut self) -> Step {
        let Moment { mono: now, real } = self.now;
        if !self.engine.is_connected() {
            let Some(at) = self.connect_at.filter(|at| *at > real) else { return Step::Connect };
            for order in std::mem::take(&mut self.waiting) {
                self.shared.report(order.command, order.gate, self.away());
            }
            return Step::Wait(Some(at));
        }
        if let Some(at) = self.due_identity(real) {
            return Step::Identify(at);
        }
        let overdue = self.most_overdue(now, real);
        if overdue.is_none() || self.orders_in_a_row < ORDERS_IN_A_ROW {
            if let Some(order) = self.waiting.pop_front() {
                return Step::Order(order);
            }
            if self.looks.front().is_some_and(|look| look.at <= real)
                && let Some(look) = self.looks.pop_front()
            {
                return Step::Look(look);
            }
        }
        if let Some(at) = self.due_dog(now, real) {
            return Step::Dog(at);
        }
        overdue.map_or_else(|| self.nothing_due(now, real), Step::Scan)
    }

    /// The result for an order while there is no connection.
    fn away(&self) -> WriteResult {
        WriteResult::NotSent(match self.shared.access {
            Access::Observe => NotSent::Observing,
            Access::Command => NotSent::LinkDown,
        })
    }

    pub(super) fn may_ask(&self, device: DeviceId, real: Instant) -> bool {
        let unit = self.units.iter().find(|unit| unit.device == device);
        unit.is_some_and(|unit| {
            unit.proof == Proof::Right && unit.not_before.is_none_or(|until| until <= real)
        })
    }

    /// Whether a scan may be sent when it is due: a unit that fails is asked one thing at a time, one that is down only
    /// its smallest block.
    fn is_ready(&self, at: usize, scan: &Scan, real: Instant) -> bool {
        let Some(unit) = self.units.get(scan.unit_at) else { return false };
        if scan.asked.is_some()
            || unit.proof != Proof::Right
            || unit.not_before.is_some_and(|until| until > real)
        {
            return false;
        }
        if unit.failures == 0 {
            return true;
        }
        let is_probe = || {
            let of_unit = self.scans.iter().enumerate().filter(|(_, other)| other.unit_at == scan.unit_at);
            of_unit.min_by_key(|(_, other)| other.count).is_some_and(|(least, _)| least == at)
        };
        !self.engine.is_open(scan.unit) && (unit.failures < DOWN_AFTER || is_probe())
    }

    fn most_overdue(&self, now: Duration, real: Instant) -> Option<usize> {
        if !self.engine.has_room() {
            return None;
        }
        let due = self.scans.iter().enumerate().filter(|(_, scan)| scan.due <= now);
        due.filter(|(at, scan)| self.is_ready(*at, scan, real))
            .min_by_key(|(_, scan)| scan.due)
            .map(|(at, _)| at)
    }

    fn nothing_due(&self, now: Duration, real: Instant) -> Step {
        // With a full window the next thing to happen is an answer.
        let room = self.engine.has_room();
        let scans = self.scans.iter().enumerate().filter(|(at, scan)| room && self.is_ready(*at, scan, real));
        // A dog that is not fed is looked at again with the next cycle.
        let dogs = self.dogs.iter().filter(|_| self.shared.access == Access::Command);
        let dogs = dogs.map(|dog| dog.due.max(now + Duration::from_secs(1)));
        let held = self.units.iter().filter_map(|unit| unit.not_before).filter(|until| *until > real);
        let service = scans.map(|(_, scan)| scan.due).chain(dogs).min();
        let service = service.map(|due| real + self.shared.clock.real_time_of(due.saturating_sub(now)));
        let looks = self.looks.front().map(|look| look.at);
        Step::Wait(held.chain(looks).chain(service).chain(self.engine.deadline()).min())
    }

    /// Waits for an answer, the bell, or `until`. The timer may be set to an earlier instant: then it wakes for nothing
    /// once, which costs less than setting it with every request.
    async fn wait(&mut self, mut timer: Pin<&mut Sleep>, until: Option<Instant>) {
        if let Some(until) = until
            && (timer.is_elapsed() || until < timer.deadline())
        {
            timer.as_mut().reset(until);
        }
        let shared = Arc::clone(&self.shared);
        let mail = shared.mail.get(self.link.0);
        poll_fn(|cx| {
            let mut woken = false;
            if let Some(mail) = mail
                && mail.poll_rung(cx).is_ready()
            {
                woken = true;
            }
            if self.engine.open() > 0 && self.engine.poll_step(cx).is_ready() {
                let heard = self.engine.heard();
                self.now = if heard.mono > self.now.mono { heard } else { self.now };
                self.take_answers();
                return Poll::Ready(());
            }
            if until.is_some() && timer.as_mut().poll(cx).is_ready() {
                woken = true;
            }
            if !woken {
                return Poll::Pending;
            }
            self.now = shared.clock.look();
            if self.engine.deadline().is_some_and(|deadline| deadline <= self.now.real) {
                self.engine.give_up();
                self.take_answers();
            }
            Poll::Ready(())
        })
        .await;
    }

    async fn connect(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mail = shared.mail.get(self.link.0);
        let mut told_to_stop = poll_fn(|cx| {
            while mail.is_some_and(|mail| mail.poll_rung(cx).is_ready()) {
                // Orders are taken up once it is known whether there is a connection.
            }
            if shared.is_stopped() { Poll::Ready(()) } else { Poll::Pending }
        });
        let connected = tokio::select! {
            connected = self.engine.connect() => connected,
            () = &mut told_to_stop => return,
        };
        self.take_orders();
        self.heard_at_connect = self.engine.counters().heard();
        let now = shared.clock.mono();
        match connected {
            Ok(()) => {
                self.forget_identities();
                let lost = self.lost;
                if lost > 0 {
                    self.lose_sight(Sight::Lost);
                }
                self.shared.with_health(self.link, |health| {
                    if lost > 0 {
                        health.enter(LinkState::Mute, now);
                    }
                });
            }
            Err(error) => {
                self.lost = self.lost.saturating_add(1);
                self.connect_at = Some(self.pause(self.lost, 0.5, LINK_PAUSE_MOST, LINK_PAUSE_LEAST));
                self.shared.image.lost(self.scans.iter().flat_map(Scan::points));
                self.shared.with_health(self.link, |health| {
                    health.enter(LinkState::Down, now);
                    health.last_error = Some(error.to_string());
                });
            }
        }
    }

    /// A pause that doubles with each failure, half of it by chance: in service time, but never below `least`.
    pub(super) fn pause(&mut self, failures: u32, first_s: f64, most: Duration, least: Duration) -> Instant {
        let exponent = failures.saturating_sub(1).min(10);
        let service = Duration::from_secs_f64(first_s * f64::from(1_u32 << exponent)).min(most);
        let real = self.shared.clock.pause_of(service).mul_f64(0.5 + 0.5 * self.rng.f64());
        self.shared.clock.real_deadline(real.max(least))
    }

    /// After each request: what became of the connection, and the counters for the page.
    fn after_request(&mut self) {
        let (counters, connected) = (self.engine.counters(), self.engine.is_connected());
        let replied = counters.heard() > self.heard_at_connect;
        let now = self.now.mono;
        if connected && replied {
            self.lost = 0;
            self.connect_at = None;
        } else if !connected && self.connect_at.is_none() {
            // One that had answered is tried again at once, a mute one after a pause.
            self.lost = if replied { 0 } else { self.lost.saturating_add(1) };
            self.connect_at = Some(if replied {
                self.shared.clock.real_deadline(Duration::ZERO)
            } else {
                self.pause(self.lost, 0.5, LINK_PAUSE_MOST, LINK_PAUSE_LEAST)
            });
        }
        if connected && !replied {
            self.connect_at = None;
        }
        let (lost, told) = (self.lost, std::mem::take(&mut self.told));
        self.shared.with_health(self.link, |health| {
            health.counters = counters;
            if let Some(device) = told.device {
                health.replied(device, now);
            }
            if let Some((class, lag, skipped)) = told.lag {
                health.lagged(class, lag, skipped);
            }
            if connected && replied {
                health.enter(LinkState::Up, now);
            } else if !connected && lost > 0 && health.state != LinkState::Down {
                health.enter(LinkState::Mute, now);
            }
        });
        self.shared.happened();
    }

    async fn carry_out(&mut self, order: &WriteOrder) {
        self.orders_in_a_row += 1;
        let shared = Arc::clone(&self.shared);
        let field = &shared.field;
        if let Some(refused) =
            self.unit_of(order).and_then(|unit| match (unit.proof, unit.sight, order.action) {
                (Proof::Wrong, _, _) => Some(NotSent::WrongDevice),
                // Decided on what stood there before: the next decision knows better.
                (Proof::Open, _, _) | (Proof::Right, Sight::Lost, FieldAction::Goto(_)) => {
                    Some(NotSent::LinkDown)
                }
                (Proof::Right, Sight::New | Sight::Seen(_), _)
                | (Proof::Right, Sight::Lost, FieldAction::Stop) => None,
            })
        {
            shared.report(order.command, order.gate, WriteResult::NotSent(refused));
            return;
        }
        let command = field.wiring.gates.get(order.gate.0).and_then(|points| points.watchdog);
        let place = command.and_then(|id| field.points.get(id.0)).map(|point| (point.device, point.address));
        let dog = self.dogs.iter_mut().find(|dog| Some((dog.device, dog.address)) == place);
        let watchdog = dog.map_or(1, Dog::next);
        let done = self.hand(&shared, Some(watchdog)).carry_out(order).await;
        shared.report(order.command, order.gate, done.result);
        if let Some(pending) = done.unresolved {
            let at = shared.clock.real_deadline(self.timeout);
            self.looks.push_back(Look { pending, left: LOOKS, at });
        }
    }

    /// The unit an order goes to.
    fn unit_of(&self, order: &WriteOrder) -> Option<&Unit> {
        let field = &self.shared.field;
        let points = field.wiring.gates.get(order.gate.0)?;
        let point = field.points.get(points.target.or(points.command)?.0)?;
        self.units.iter().find(|unit| unit.device == point.device)
    }

    fn hand<'a>(&'a mut self, shared: &'a Shared, watchdog: Option<u16>) -> Hand<'a> {
        Hand {
            engine: &mut self.engine,
            field: &shared.field,
            clock: &shared.clock,
            access: shared.access,
            may_connect: !self.units.iter().any(|unit| {
                shared.field.devices.get(unit.device.0).is_some_and(|device| device.identity.is_some())
            }),
            watchdog,
        }
    }

    async fn look_again(&mut self, mut look: Look) {
        self.orders_in_a_row += 1;
        let shared = Arc::clone(&self.shared);
        let result = self.hand(&shared, None).look_again(&look.pending).await;
        look.left -= 1;
        let settled = match result {
            WriteResult::Accepted | WriteResult::Foreign => true,
            // A device may carry out late what it did not answer: only the last look is believed.
            WriteResult::NotDone => look.left == 0,
            WriteResult::Unknown | WriteResult::Refused(_) | WriteResult::NotSent(_) => false,
        };
        if settled {
            shared.report(look.pending.command, look.pending.gate, result);
        } else if look.left > 0 {
            look.at = shared.clock.real_deadline(self.timeout);
            self.looks.push_back(look);
        }
    }
}
