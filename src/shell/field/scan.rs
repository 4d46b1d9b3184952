//! Reading one block: what a reply says about its points, and what a failure says about its unit.

use std::time::Duration;

use super::Shared;
use super::engine::{Answer, Tag};
use super::error::FieldError;
use super::health::{DOWN_AFTER, UnitState};
use super::link::Actor;
use super::plan::{self, Block};
use crate::control::quality::Reason;
use crate::points::{DeviceId, LinkId};

/// A value the device refuses to give is asked for again after this many periods.
const REFUSED_PERIODS: u32 = 10;
/// Longest pause before a unit that is down is asked again, service time.
const UNIT_PAUSE_MOST: Duration = Duration::from_secs(60);

/// Blocks that were split are tried whole again after this time: a device may have been repaired or replaced.
const WHOLE_AGAIN: Duration = Duration::from_secs(86_400);

/// One block of the plan with its next due time.
pub(super) struct Scan {
    pub(super) block: Block,
    pub(super) period: Duration,
    /// Due times are multiples of the period after it, so that devices of one period are not asked all at once.
    phase: Duration,
    pub(super) due: Duration,
    /// When it was sent; its answer is awaited.
    pub(super) asked: Option<Duration>,
}

/// The scans of a link, all due at `due`; points no request can bring are marked.
pub(super) fn scans(shared: &Shared, link: LinkId, due: Duration) -> Vec<Scan> {
    let field = &shared.field;
    let plan = plan::plan(field, link);
    let unreadable = plan.unreadable.iter().map(|point| (*point, Err(Reason::ConfigError)));
    shared.image.update(Duration::ZERO, unreadable);
    let scan = |block: Block| {
        let period = block.period(field);
        let id = field.devices.get(block.device.0).map_or("", |device| device.id.as_str());
        Scan { phase: phase(id, period), period, due, asked: None, block }
    };
    plan.blocks.into_iter().map(scan).collect()
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
    /// Asks for one block.
    pub(super) async fn ask(&mut self, at: usize) {
        self.orders_in_a_row = 0;
        let Some(scan) = self.scans.get_mut(at) else { return };
        scan.asked = Some(self.shared.clock.mono());
        let (unit, request) = (scan.block.unit, scan.block.request());
        let tag = Tag::try_from(at).unwrap_or(Tag::MAX - 1);
        if let Err(error) = self.engine.send(tag, unit, &request).await {
            self.read(at, &Err(error));
        }
    }

    /// Takes in the answer to a block.
    pub(super) fn read(&mut self, at: usize, answer: &Answer) {
        let now = self.shared.clock.mono();
        let Some(scan) = self.scans.get_mut(at) else { return };
        let Some(started) = scan.asked.take() else { return };
        if let Err(error @ FieldError::Unsent { .. }) = answer {
            // The peer had closed in between, which is no fault of its devices: still due after connecting.
            self.shared.with_health(self.link, |health| health.last_error = Some(error.to_string()));
            return;
        }
        let lag = started.saturating_sub(scan.due);
        let skipped = scan.advance(now);
        let device = scan.block.device;
        let field = &self.shared.field;
        let points = || scan.block.points.iter().copied();
        match answer {
            Ok(reply) => {
                let value = |id: crate::points::PointId| match field.points.get(id.0) {
                    Some(point) => scan.block.value(point, reply),
                    None => Err(Reason::ConfigError),
                };
                self.shared.image.update(now, points().map(|id| (id, value(id))));
            }
            Err(FieldError::Refused { code: 2 | 3, .. }) => self.refused(at, now),
            Err(FieldError::Refused { code, .. }) => {
                let reason = Reason::Exception(*code);
                self.shared.image.update(now, points().map(|id| (id, Err(reason))));
            }
            Err(_) => self.shared.image.lost(scan.block.points.iter()),
        }
        self.shared.with_health(self.link, |health| {
            health.skipped += skipped;
            health.lag_max = health.lag_max.max(lag);
        });
        self.note(device, answer.as_ref().err());
        if self.whole_again.is_some_and(|at| at <= now) && self.scans.iter().all(|scan| scan.asked.is_none())
        {
            self.whole_again = None;
            self.scans = scans(&self.shared, self.link, now);
        }
    }

    /// A block the device refuses: ask for its halves; a single value it refuses is a wrong point list.
    fn refused(&mut self, at: usize, now: Duration) {
        let Some(scan) = self.scans.get_mut(at) else { return };
        if let Some((left, right)) = scan.block.split(&self.shared.field) {
            tracing::warn!(
                unit = scan.block.unit,
                start = scan.block.start,
                count = scan.block.count,
                "the device refuses this block, it is read in two parts from now on"
            );
            let (period, phase) = (scan.period, scan.phase);
            scan.block = left;
            scan.due = now;
            self.scans.push(Scan { block: right, period, phase, due: now, asked: None });
            self.whole_again.get_or_insert(now + WHOLE_AGAIN);
        } else {
            scan.due = now + scan.period * REFUSED_PERIODS;
            let points = scan.block.points.iter().map(|id| (*id, Err(Reason::ConfigError)));
            self.shared.image.update(now, points);
        }
    }

    /// Notes what a request to a unit says about the unit.
    pub(super) fn note(&mut self, device: DeviceId, error: Option<&FieldError>) {
        let now = self.shared.clock.mono();
        let missed = match error {
            None => false,
            // 0x0A and 0x0B come from a gateway whose device does not answer.
            Some(FieldError::Refused { code, .. }) => matches!(code, 0x0A | 0x0B),
            Some(FieldError::Unsent { .. } | FieldError::ReadOnly { .. }) => return,
            Some(FieldError::Silent { .. } | FieldError::Broken { .. } | FieldError::Mismatch { .. }) => true,
        };
        let shared_line = self.units.len() > 1;
        let Some(unit) = self.units.iter_mut().find(|unit| unit.device == device) else { return };
        unit.failures = if missed { unit.failures.saturating_add(1) } else { 0 };
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
            let of_unit = self.scans.iter().filter(|scan| scan.block.device == device);
            self.shared.image.lost(of_unit.flat_map(|scan| &scan.block.points));
        }
        self.shared.with_health(self.link, |health| {
            if let Some(error) = error {
                health.last_error = Some(error.to_string());
            }
            let Some(unit) = health.unit(device) else { return };
            let was = unit.state;
            if missed {
                unit.missed();
            } else {
                unit.replied(now);
            }
            if was != unit.state && (was == UnitState::Down || unit.state == UnitState::Down) {
                tracing::info!(device = device.0, state = ?unit.state, "unit changed its state");
            }
        });
    }
}

impl Scan {
    /// Sets the next due time after a read that ended at `now`; gives how many were left out.
    fn advance(&mut self, now: Duration) -> u64 {
        let period = self.period.as_nanos().max(1);
        // Times of the grid up to a moment, that moment included.
        let passed =
            |until: Duration| until.checked_sub(self.phase).map_or(0, |since| since.as_nanos() / period + 1);
        let skipped = passed(now).saturating_sub(passed(self.due));
        let ahead = u64::try_from(period * passed(now)).map_or(Duration::MAX, Duration::from_nanos);
        self.due = self.phase.saturating_add(ahead);
        u64::try_from(skipped).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::{ClassId, Table};

    #[test]
    fn a_late_scan_is_skipped_not_queued() {
        let block = Block {
            device: DeviceId(0),
            unit: 1,
            table: Table::Holding,
            class: ClassId(0),
            start: 0,
            count: 1,
            points: Vec::new(),
        };
        let s = Duration::from_secs;
        let mut scan = Scan { block, period: s(5), phase: s(0), due: s(10), asked: None };
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
}
