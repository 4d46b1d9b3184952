//! Reading one block: what a reply says about its points, and what a failure says about its unit.

use std::time::Duration;

use super::error::FieldError;
use super::health::{DOWN_AFTER, UnitState};
use super::link::Actor;
use super::plan::Block;
use crate::control::quality::Reason;
use crate::points::DeviceId;

/// A value the device refuses to give is asked for again after this many periods.
const REFUSED_PERIODS: u32 = 10;
/// Longest pause before a unit that is down is asked again, service time.
const UNIT_PAUSE_MOST: Duration = Duration::from_secs(60);

/// One block of the plan with its next due time.
pub(super) struct Scan {
    pub(super) block: Block,
    pub(super) period: Duration,
    pub(super) due: Duration,
}

impl Actor {
    /// Reads one block.
    pub(super) async fn scan(&mut self, at: usize) {
        self.orders_in_a_row = 0;
        let Some(scan) = self.scans.get(at) else { return };
        let (unit, request) = (scan.block.unit, scan.block.request());
        let started = self.shared.clock.now().mono;
        let answer = self.engine.request(unit, &request).await;
        let now = self.shared.clock.now().mono;
        let Some(scan) = self.scans.get_mut(at) else { return };
        if let Err(FieldError::Unsent { .. }) = answer {
            // The peer had closed in between, which is no fault of its devices: still due after connecting.
            return;
        }
        let lag = started.saturating_sub(scan.due);
        let skipped = scan.advance(now);
        let device = scan.block.device;
        let field = &self.shared.field;
        let points = || scan.block.points.iter().copied();
        match &answer {
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
            let period = scan.period;
            scan.block = left;
            scan.due = now;
            self.scans.push(Scan { block: right, period, due: now });
        } else {
            scan.due = now + scan.period * REFUSED_PERIODS;
            let points = scan.block.points.iter().map(|id| (*id, Err(Reason::ConfigError)));
            self.shared.image.update(now, points);
        }
    }

    /// Notes what a request to a unit says about the unit.
    pub(super) fn note(&mut self, device: DeviceId, error: Option<&FieldError>) {
        let now = self.shared.clock.now().mono;
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
        self.due += self.period;
        if self.due > now {
            return 0;
        }
        let behind = now.saturating_sub(self.due).as_nanos() / self.period.as_nanos().max(1) + 1;
        let skipped = u32::try_from(behind).unwrap_or(u32::MAX);
        self.due += self.period * skipped;
        u64::from(skipped)
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
        let mut scan = Scan { block, period: s(5), due: s(10) };
        assert_eq!((scan.advance(s(12)), scan.due), (0, s(15)));
        // 20, 25 and 30 have passed when the read due at 15 ends at 32: the next is 35, without drift.
        assert_eq!((scan.advance(s(32)), scan.due), (3, s(35)));
        assert_eq!((scan.advance(s(40)), scan.due), (1, s(45)));
    }
}
