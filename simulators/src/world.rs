//! River and devices together, as those who step, ask and disturb them share them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use qindan::config::Config;

use crate::devices::Devices;
use crate::plant::{Event, Forcing, Impossible, Plant};

/// A river and the devices that show it.
#[derive(Clone, Debug)]
pub struct World {
    /// The river.
    pub plant: Plant,
    /// Its devices.
    pub devices: Devices,
}

impl World {
    /// A river at rest with its devices showing it; see [`Plant::new`].
    pub fn new(config: &Config, seed: u64, utc: Timestamp, forcing: &Forcing) -> Self {
        let mut world = Self { plant: Plant::new(config, seed, utc, forcing), devices: Devices::new(config) };
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
    pub fn leap(&mut self, dt: Duration, forcing: &Forcing, happen: impl FnOnce(&mut Plant)) {
        let since = self.plant.now().0;
        self.plant.advance(dt, forcing);
        self.devices.keep_fed(since, self.plant.now().0);
        happen(&mut self.plant);
        self.refresh();
    }

    /// Brings the registers up to date.
    pub fn refresh(&mut self) {
        self.devices.refresh(&mut self.plant);
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
