//! Reading one block: what a reply says about its points, and what a failure says about its unit.

use std::time::Duration;

use tokio_modbus::Request;

use super::Shared;
use super::engine::{Answer, Tag};
use super::error::FieldError;
use super::health::{DOWN_AFTER, UnitState};
use super::link::{Actor, Sight, Unit};
use super::plan::{self, Block, Plan};
use super::reads::Read;
use crate::control::quality::Reason;
use crate::points::{ClassId, DeviceId, PointId, Table};

/// A value the device refuses to give is asked for again after this many periods.
const REFUSED_PERIODS: u32 = 10;
/// Longest pause before a unit that is down is asked again, service time.
const UNIT_PAUSE_MOST: Duration = Duration::from_secs(60);

/// Blocks that were split are tried whole again after this time: a device may have been repaired or replaced.
const WHOLE_AGAIN: Duration = Duration::from_secs(86_400);

/// One block of the plan with its next due time.
pub(super) struct Scan {
    pub(super) device: DeviceId,
    /// Place of the device among the units of the link.
    pub(super) unit_at: usize,
    pub(super) unit: u8,
    table: Table,
    class: ClassId,
    start: u16,
    /// Registers, or bits.
    pub(super) count: u16,
    reads: Box<[Read]>,
    period: Duration,
    /// Due times are multiples of the period after it, so that devices of one period are not asked all at once.
    phase: Duration,
    pub(super) due: Duration,
    /// When it was sent; its answer is awaited.
    pub(super) asked: Option<Duration>,
    /// Once it is answered the unit counts as seen: it bears what the unit shows of its watchdog, or the unit shows
    /// nothing of it.
    tells: bool,
}

/// What the answer to a scan tells about the link.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// A device that has answered, if only to refuse.
    pub(super) device: Option<DeviceId>,
    /// The class of the scan, how far it came behind its due time, and how many were left out after it.
    pub(super) lag: Option<(ClassId, Duration, u64)>,
}

/// The scans of a plan, all due at `due`; points no request can bring are marked.
pub(super) fn scans(shared: &Shared, plan: Plan, units: &[Unit], due: Duration) -> Vec<Scan> {
    let field = &shared.field;
    let unreadable = plan.unreadable.iter().map(|point| (*point, Err(Reason::ConfigError)));
    shared.image.update(Duration::ZERO, unreadable);
    let scan = |block: Block| {
        let period = block.period(field);
        let id = field.devices.get(block.device.0).map_or("", |device| device.id.as_str());
        Some(Scan {
            device: block.device,
            unit_at: units.iter().position(|unit| unit.device == block.device)?,
            unit: block.unit,
            table: block.table,
            class: block.class,
            start: block.start,
            count: block.count,
            reads: Read::list(field, &shared.scales, block.start, &block.points),
            phase: phase(id, period),
            period,
            due,
            asked: None,
            tells: false,
        })
    };
    let mut scans: Vec<_> = plan.blocks.into_iter().filter_map(scan).collect();
    let shown: Vec<PointId> = field.wiring.gates.iter().filter_map(|gate| gate.fallback).collect();
    let telling: Vec<bool> =
        scans.iter().map(|scan| scan.points().any(|point| shown.contains(&point))).collect();
    let units: Vec<usize> =
        scans.iter().zip(&telling).filter(|(_, tells)| **tells).map(|(scan, _)| scan.unit_at).collect();
    for (scan, tells) in scans.iter_mut().zip(telling) {
        scan.tells = tells || !units.contains(&scan.unit_at);
    }
    scans.shrink_to_fit();
    scans
}

/// Where in its period a device is asked: by its name, so that it is the same after every start. From 0 to below
/// `period`.
pub fn phase(id: &str, period: Duration) -> Duration {
    let hash = id.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    // The last letters have moved the low bits only.
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let share = f64::from(u32::try_from(mixed >> 32).unwrap_or(0)) / 4_294_967_296.0;
    period.mul_f64(share)
}

impl Actor {
    /// Asks for one block; whether it has left.
    pub(super) async fn ask(&mut self, at: usize) -> bool {
        self.orders_in_a_row = 0;
        let Some(scan) = self.scans.get_mut(at) else { return false };
        scan.asked = Some(self.now.mono);
        let (unit, request) = (scan.unit, scan.request());
        let tag = Tag::try_from(at).unwrap_or(Tag::MAX - 1);
        let sent = self.engine.send(tag, unit, &request).await;
        let left = sent.is_ok();
        if let Err(error) = sent {
            self.now = self.shared.clock.look();
            self.read(at, &Err(error));
        } else {
            // A line may have had to fall silent first. The engine has looked when it sent.
            self.now = self.engine.sent();
        }
        left
    }

    /// Takes in the answer to a block.
    pub(super) fn read(&mut self, at: usize, answer: &Answer) {
        let now = self.now.mono;
        let Some(scan) = self.scans.get_mut(at) else { return };
        let Some(started) = scan.asked.take() else { return };
        if let Err(error @ FieldError::Unsent { .. }) = answer {
            // The peer had closed in between, which is no fault of its devices: still due after connecting.
            self.shared.with_health(self.link, |health| health.last_error = Some(error.to_string()));
            return;
        }
        let lag = started.saturating_sub(scan.due);
        let skipped = scan.advance(now);
        let (device, class, tells) = (scan.device, scan.class, scan.tells);
        let unit_at = scan.unit_at;
        match answer {
            Ok(reply) => {
                let scales = &self.shared.scales;
                let values = scan.reads.iter().map(|read| (read.point(), read.value(scales, reply)));
                self.shared.image.update(now, values);
            }
            Err(FieldError::Refused { code: 2 | 3, .. }) => self.refused(at, now),
            Err(FieldError::Refused { code, .. }) => {
                let reason = Reason::Exception(*code);
                self.shared.image.update(now, scan.points().map(|id| (id, Err(reason))));
            }
            Err(_) => self.shared.image.lost(scan.points()),
        }
        self.told.lag = Some((class, lag, skipped));
        self.note(device, answer.as_ref().err());
        // Failures are counted anew with every answer, if only to refuse.
        if tells
            && let Some(unit) = self.units.get_mut(unit_at)
            && unit.failures == 0
            && matches!(unit.sight, Sight::New | Sight::Lost)
        {
            unit.sight = Sight::Seen(now);
        }
        if !self.measured && self.engine.turnaround().is_some() {
            self.measured = true;
            self.whole_again = Some(now);
        }
        if self.whole_again.is_some_and(|at| at <= now) && self.scans.iter().all(|scan| scan.asked.is_none())
        {
            self.whole_again = None;
            let turnaround = self.engine.turnaround().unwrap_or(plan::TURNAROUND);
            let plan = plan::plan(&self.shared.field, self.link, turnaround);
            self.scans = scans(&self.shared, plan, &self.units, now);
        }
    }

    /// A block the device refuses: ask for its halves; a single value it refuses is a wrong point list.
    fn refused(&mut self, at: usize, now: Duration) {
        let shared = &self.shared;
        let Some(scan) = self.scans.get_mut(at) else { return };
        if let Some((left, right)) = scan.block().split(&shared.field) {
            tracing::warn!(
                unit = scan.unit,
                start = scan.start,
                count = scan.count,
                "the device refuses this block, it is read in two parts from now on"
            );
            let part = |block: &Block| Scan {
                start: block.start,
                count: block.count,
                reads: Read::list(&shared.field, &shared.scales, block.start, &block.points),
                due: now,
                asked: None,
                ..*scan
            };
            let (left, right) = (part(&left), part(&right));
            *scan = left;
            self.scans.push(right);
            self.whole_again.get_or_insert(now + WHOLE_AGAIN);
        } else {
            scan.due = now + scan.period * REFUSED_PERIODS;
            shared.image.update(now, scan.points().map(|id| (id, Err(Reason::ConfigError))));
        }
    }

    /// Notes what a request to a unit says about the unit.
    pub(super) fn note(&mut self, device: DeviceId, error: Option<&FieldError>) {
        let missed = match error {
            None => false,
            // 0x0A and 0x0B come from a gateway whose device does not answer.
            Some(FieldError::Refused { code, .. }) => matches!(code, 0x0A | 0x0B),
            Some(FieldError::Unsent { .. } | FieldError::ReadOnly { .. }) => return,
            Some(FieldError::Silent { .. } | FieldError::Broken { .. } | FieldError::Mismatch { .. }) => true,
        };
        if let Some(error) = error {
            let text = error.to_string();
            self.shared.with_health(self.link, |health| health.last_error = Some(text));
        }
        let shared_line = self.units.len() > 1;
        let Some(unit) = self.units.iter_mut().find(|unit| unit.device == device) else { return };
        if !missed {
            unit.failures = 0;
            unit.not_before = None;
            self.told.device = Some(device);
            return;
        }
        unit.failures = unit.failures.saturating_add(1);
        let failures = unit.failures;
        let hold = (failures >= DOWN_AFTER).then(|| {
            // A dead unit on a shared line may cost a fifth of the time of the others, no more.
            let least = self.timeout * if shared_line { 4 } else { 1 };
            self.pause(failures - DOWN_AFTER + 1, 1.0, UNIT_PAUSE_MOST, least)
        });
        if let Some(unit) = self.units.iter_mut().find(|unit| unit.device == device) {
            unit.not_before = hold;
        }
        if hold.is_some() {
            self.shared.image.lost(self.points_of(device));
        }
        self.shared.with_health(self.link, |health| {
            let Some(unit) = health.unit(device) else { return };
            let was = unit.state;
            unit.missed();
            if was != unit.state && unit.state == UnitState::Down {
                tracing::info!(device = device.0, state = ?unit.state, "unit changed its state");
            }
        });
    }

    /// Nothing has been read since the start or the loss of the link, as `sight` says. A unit of which nothing is read
    /// has nothing to show.
    pub(super) fn lose_sight(&mut self, sight: Sight) {
        for (at, unit) in self.units.iter_mut().enumerate() {
            let is_read = self.scans.iter().any(|scan| scan.unit_at == at);
            unit.sight = if is_read { sight } else { Sight::Seen(Duration::ZERO) };
        }
    }

    /// The scanned points of a device.
    pub(super) fn points_of(&self, device: DeviceId) -> impl Iterator<Item = PointId> {
        self.scans.iter().filter(move |scan| scan.device == device).flat_map(Scan::points)
    }
}

impl Scan {
    /// The points it brings.
    pub(super) fn points(&self) -> impl Iterator<Item = PointId> {
        self.reads.iter().map(Read::point)
    }

    fn request(&self) -> Request<'static> {
        plan::request(self.table, self.start, self.count)
    }

    /// As the plan has it.
    fn block(&self) -> Block {
        Block {
            device: self.device,
            unit: self.unit,
            table: self.table,
            class: self.class,
            start: self.start,
            count: self.count,
            points: self.points().collect(),
        }
    }

    /// Sets the next due time after a read that ended at `now`; gives how many were left out.
    fn advance(&mut self, now: Duration) -> u64 {
        let (now_ns, due_ns) = (nanos(now), nanos(self.due));
        let (period, phase) = (nanos(self.period).max(1), nanos(self.phase));
        // Times of the grid up to a moment, that moment included.
        let passed = |until: u64| until.checked_sub(phase).map_or(0, |since| since / period + 1);
        let skipped = passed(now_ns).saturating_sub(passed(due_ns));
        self.due = Duration::from_nanos(phase.saturating_add(period.saturating_mul(passed(now_ns))));
        skipped
    }
}

/// Whole nanoseconds: room for 584 years.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::points::{LinkId, Point, SerialLine, Transport};
    use crate::shell::clock::Clock;
    use crate::shell::field::engine::Access;
    use crate::shell::field::testing;

    #[test]
    fn a_late_scan_is_skipped_not_queued() {
        let s = Duration::from_secs;
        let mut scan = Scan {
            device: DeviceId(0),
            unit_at: 0,
            unit: 1,
            table: Table::Holding,
            class: ClassId(0),
            start: 0,
            count: 1,
            reads: Box::default(),
            period: s(5),
            phase: s(0),
            due: s(10),
            asked: None,
            tells: true,
        };
        assert_eq!((scan.advance(s(12)), scan.due), (0, s(15)));
        // 20, 25 and 30 have passed when the read due at 15 ends at 32: the next is 35, without drift.
        assert_eq!((scan.advance(s(32)), scan.due), (3, s(35)));
        assert_eq!((scan.advance(s(40)), scan.due), (1, s(45)));
        // The first read is at once, the next on the grid of the device: 2, 7, 12 ...
        (scan.phase, scan.due) = (s(2), s(0));
        assert_eq!((scan.advance(s(1)), scan.due), (0, s(2)));
        assert_eq!((scan.advance(s(3)), scan.due), (0, s(7)));
    }

    #[test]
    fn devices_of_one_period_are_spread_over_it() {
        let period = Duration::from_secs(8);
        let mut quarters = [0; 4];
        for number in 0..400 {
            let at = phase(&format!("box.{number}"), period);
            assert!(at < period);
            quarters[usize::try_from(at.as_secs() / 2).unwrap()] += 1;
        }
        // A hundred each, give or take four standard deviations of sqrt(400 · 0.25 · 0.75).
        assert!(quarters.iter().all(|count| (65..=135).contains(count)), "{quarters:?}");
    }

    /// A read that is lost leaves the line in quarantine; the next one waits for its end before it leaves. What falls due
    /// then is told by the time after the wait.
    #[tokio::test]
    async fn after_the_silence_of_a_line_the_task_knows_the_time() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (wait, quarantine) = (Duration::from_millis(50), Duration::from_millis(150));
        let line = SerialLine { quarantine_s: Some(quarantine.as_secs_f64()), ..SerialLine::default() };
        let other = Point { table: Table::Input, ..testing::point("q", 0) };
        let mut field = testing::field(vec![testing::point("p", 0), other], 125, 8);
        let address = listener.local_addr().unwrap();
        field.links[0].transport = Transport::RtuOverTcp { address, line };
        field.links[0].timeout_s = wait.as_secs_f64();
        let (field, clock) = (Arc::new(field), Clock::real());
        let shared = Shared::new(Arc::clone(&field), clock.clone(), Access::Observe);
        let plan = plan::plans(&field).remove(0);
        let mut actor = Actor::new(shared, LinkId(0), &field.links[0], plan);
        actor.engine.connect().await.unwrap();
        actor.now = clock.look();
        assert!(actor.ask(0).await);
        let given_up = actor.engine.deadline().unwrap();
        let (tag, answer) = actor.engine.next().await.unwrap();
        assert!((tag, matches!(answer, Err(FieldError::Silent { .. }))) == (0, true), "{answer:?}");
        actor.read(0, &answer);
        // Another function: no reply to the first can be taken for one to this, so there is no canary.
        assert!(actor.ask(1).await);
        assert!(actor.now.real >= given_up + quarantine);
        assert!(actor.now == actor.engine.sent() && actor.now.mono <= clock.mono());
    }
}
