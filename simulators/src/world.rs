//! River and devices together, as those who step, ask and disturb them share them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use qindan::config::Config;
use qindan::points::LinkId;

use crate::devices::Devices;
use crate::plant::{Event, Forcing, Impossible, Plant};

/// A river and the devices that show it.
#[derive(Clone, Debug)]
pub struct World {
    /// The river.
    pub plant: Plant,
    /// Its devices.
    pub devices: Devices,
    /// By link: how much later every answer comes.
    pub slow: Vec<Duration>,
    /// Seconds of the river in a real one, at least 1 while it stands still.
    pub speed: f64,
}

impl World {
    /// A river at rest with its devices showing it; see [`Plant::new`].
    pub fn new(config: &Config, seed: u64, utc: Timestamp, forcing: &Forcing) -> Self {
        let (plant, devices) = (Plant::new(config, seed, utc, forcing), Devices::new(config));
        let slow = vec![Duration::ZERO; config.field.links.len()];
        let mut world = Self { plant, devices, slow, speed: 1.0 };
        world.devices.refresh(&mut world.plant);
        world
    }

    /// Advances the river by `dt` and brings the registers up to date.
    pub fn step(&mut self, dt: Duration, forcing: &Forcing) {
        self.plant.advance(dt, forcing);
        self.refresh();
    }

    /// Advances the river by `dt` at one go, lets things happen, then brings the registers up to date. Watchdogs that were
    /// fed since the last time have been fed all along.
    pub fn leap(&mut self, dt: Duration, forcing: &Forcing, happen: impl FnOnce(&mut Self)) {
        let since = self.plant.now().0;
        self.plant.advance(dt, forcing);
        self.devices.keep_fed(since, self.plant.now().0);
        happen(self);
        self.refresh();
    }

    /// Brings the registers up to date.
    pub fn refresh(&mut self) {
        self.devices.refresh(&mut self.plant);
    }

    /// Every answer on `link` comes this much later from now on; zero: as quick as ever.
    pub fn slow_down(&mut self, link: LinkId, by: Duration) {
        if let Some(slow) = self.slow.get_mut(link.0) {
            *slow = by;
        }
    }

    /// How much later an answer on a link with this time-out comes, real time. Late is late by the time of the river, but
    /// past the time-out, which is real time, it stays there however fast the river runs.
    pub fn delay(&self, link: LinkId, timeout: Duration) -> Duration {
        let by = self.slow.get(link.0).copied().unwrap_or_default();
        if by > timeout { by } else { by.div_f64(self.speed.max(1.0)) }
    }

    /// Lets something happen, seen in the registers at once.
    ///
    /// # Errors
    ///
    /// The event names an element the configuration does not have, or a size that is none.
    pub fn apply(&mut self, event: &Event) -> Result<(), Impossible> {
        self.plant.apply(event)?;
        self.devices.refresh(&mut self.plant);
        Ok(())
    }
}

/// A world several tasks use; locked for one request or one step at a time.
pub type SharedWorld = Arc<Mutex<World>>;

/// The world, also after another task has panicked while it had it: its state is whole between steps.
pub fn lock(world: &SharedWorld) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// At 60 times the speed 1.5 s of the river are 25 ms; 30 s are past a time-out of 2 s at any speed.
    #[test]
    fn a_slow_answer_is_late_by_the_time_of_the_river_and_lost_past_the_time_out() {
        let config = testing::small();
        let mut world = World::new(&config, 7, testing::start(), &Forcing::dry(&config.basin, 5));
        let (link, timeout) = (LinkId(0), Duration::from_secs(2));
        assert_eq!(world.delay(link, timeout), Duration::ZERO);
        world.slow_down(link, Duration::from_millis(1500));
        assert_eq!(world.delay(link, timeout), Duration::from_millis(1500));
        world.speed = 60.0;
        assert_eq!(world.delay(link, timeout), Duration::from_millis(25));
        world.slow_down(link, Duration::from_secs(30));
        assert_eq!(world.delay(link, timeout), Duration::from_secs(30));
        world.slow_down(link, Duration::ZERO);
        assert_eq!(world.delay(link, timeout), Duration::ZERO);
    }
}
