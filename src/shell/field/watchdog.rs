//! Watchdog writes: a class of their own, fed only while the cycle lives, never when observing.

use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use super::engine::Access;
use super::link::{Actor, Sight};
use super::words::Run;
use crate::points::{DeviceId, LinkId, Table, Writes};

/// A watchdog register.
pub(super) struct Dog {
    pub(super) device: DeviceId,
    pub(super) unit: u8,
    pub(super) address: u16,
    pub(super) counter: u16,
    writes: Writes,
    pub(super) period: Duration,
    pub(super) due: Duration,
}

impl Dog {
    /// Steps the counter; the register never holds the same value twice in a row.
    pub(super) fn next(&mut self) -> u16 {
        self.counter = self.counter.wrapping_add(1);
        self.counter
    }
}

impl Actor {
    /// A watchdog whose time has come, while the cycle lives.
    pub(super) fn due_dog(&self, now: Duration, real: Instant) -> Option<usize> {
        if self.shared.access == Access::Observe || !self.shared.is_fed(now) {
            return None;
        }
        // Feeding one that has run out takes back the sign that it has: a cycle must have seen it.
        let is_seen = |dog: &Dog| {
            let unit = self.units.iter().find(|unit| unit.device == dog.device);
            unit.is_some_and(|unit| match unit.sight {
                Sight::Seen(at) => self.shared.has_seen(at),
                Sight::New | Sight::Lost => false,
            })
        };
        self.dogs.iter().position(|dog| dog.due <= now && self.may_ask(dog.device, real) && is_seen(dog))
    }

    /// Writes one watchdog register, once.
    pub(super) async fn feed_dog(&mut self, at: usize) {
        let now = self.shared.clock.mono();
        let Some(dog) = self.dogs.get_mut(at) else { return };
        let counter = dog.next();
        dog.due = now + dog.period;
        let (device, unit) = (dog.device, dog.unit);
        let run = Run { device, unit, address: dog.address, words: vec![counter], writes: dog.writes };
        let answer = self.engine.request(unit, &run.request()).await;
        if answer.is_ok() {
            self.shared.with_health(self.link, |health| health.watchdog_writes += 1);
        }
        self.note(device, answer.as_ref().err());
    }
}

/// The watchdog registers behind a link, each once.
pub(super) fn dogs(shared: &Shared, link: LinkId) -> Vec<Dog> {
    let field = &shared.field;
    let mut dogs: Vec<Dog> = Vec::new();
    for id in field.wiring.gates.iter().filter_map(|gate| gate.watchdog) {
        let Some(point) = field.points.get(id.0).filter(|point| point.table == Table::Holding) else {
            continue;
        };
        let Some(device) = field.devices.get(point.device.0).filter(|device| device.link == link) else {
            continue;
        };
        let period = device.watchdog_s.and_then(|s| Duration::try_from_secs_f64(s).ok());
        let known = dogs.iter().any(|dog| (dog.device, dog.address) == (point.device, point.address));
        if let (Some(period), false) = (period, known) {
            let (unit, writes, address) = (device.unit, device.writes, point.address);
            let device = point.device;
            dogs.push(Dog { device, unit, address, counter: 0, writes, period, due: Duration::ZERO });
        }
    }
    dogs
}
