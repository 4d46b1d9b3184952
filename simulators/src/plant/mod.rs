//! The virtual river: non-linear, mass-conserving, over any checked basin.
//!
//! Written apart from the model the service decides with: they share units, registers and the geometry of the basin,
//! never an equation. What one gets wrong, the other shows.
//!
//! ```text
//! advance: ┌─ begin of a river step (≤ 60 s): fluxes of all reaches fixed from their state ─┐
//!          │    structure steps (1 s while a drive moves): drives, gates, bodies, users,     │
//!          │    nodes pass on; reach inflow is counted, reach outflow is the fixed flux      │
//!          └─ end: cells take in what was counted ──────────────────────────────────────────┘
//! ```
//!
//! Same seed and same calls give the same bits: one thread, sums in file order, no clock.

mod actuator;
mod apply;
mod body;
mod channel;
mod event;
mod fault;
mod forcing;
mod ledger;
mod mechanics;
mod pipe;
mod principle;
mod river;
mod sensor;
mod site;
mod start;
mod station;
mod step;
mod structure;
mod truth;

#[cfg(test)]
mod physics;
#[cfg(test)]
mod swmm;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::Basin;
use qindan::config::Config;
use qindan::points::{DeviceId, Field};

pub use event::{Event, Impossible, UnknownElement};
pub use fault::Encoding;
pub use forcing::Forcing;
pub use ledger::{Balance, Gap, Volumes};
pub use mechanics::{End, Side, Switch};
pub use sensor::Signal;
pub(crate) use sensor::{mix, normal};
pub use truth::DriveState;

use actuator::Actuator;
use apply::Master;
use body::{Body, Marsh};
use forcing::Weather;
use ledger::Ledger;
use pipe::Pipe;
use river::{Pool, River};
use sensor::Sensor;
use site::Sites;
use station::Station;
use truth::Probe;

/// How a device that does not answer behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plugged {
    /// It answers.
    #[default]
    Yes,
    /// Its gateway answers for it: exception 0x0B.
    Refused,
    /// Nothing answers.
    Silent,
}

/// A river with its structures, drives and instruments.
#[derive(Clone, Debug, PartialEq)]
pub struct Plant {
    basin: Arc<Basin>,
    field: Arc<Field>,
    sites: Sites,
    start: Timestamp,
    time: Duration,
    /// When the present river step began and ends.
    river_step: (Duration, Duration),
    /// When the stations decide next.
    stations_due: Duration,
    river: River,
    /// By reach; `None` for rivers.
    pipes: Vec<Option<Pipe>>,
    bodies: Vec<Body>,
    marshes: Vec<Marsh>,
    drives: Vec<Actuator>,
    stations: Vec<Station>,
    sensors: Vec<Sensor>,
    probes: Vec<Probe>,
    plugged: Vec<Plugged>,
    /// By device: share of the requests to it that are lost, and who bears its number too.
    lossy: Vec<f64>,
    shared: Vec<Option<DeviceId>>,
    cut: Vec<bool>,
    masters: Vec<Master>,
    weather: Weather,
    /// Gates moved by their station or by the water: their movements are not the service's business.
    own_will: Vec<bool>,
    /// Water arriving at nodes, not yet passed on, m³.
    inbox: Vec<f64>,
    /// Last step's rates, m³/s.
    gate_flow: Vec<f64>,
    fixed_flow: Vec<f64>,
    intake_flow: Vec<f64>,
    /// Wanted by the users in the present step, m³/s.
    wanted: Vec<f64>,
    inflow: Vec<f64>,
    node_flow: Vec<f64>,
    spill: Vec<f64>,
    /// Mean openings of the present structure step.
    openings: Vec<f64>,
    /// Room for the rises at the nodes before a river step, m³/s.
    rise: Vec<f64>,
    /// Room for the bodies as the reaches above them feel them.
    pools: Vec<Pool>,
    /// Room for the outflows of one body.
    scratch: Vec<f64>,
    ledger: Ledger,
    storage_at_start: f64,
    restless: bool,
    changed: bool,
    last_event: Option<Duration>,
}

impl Plant {
    /// A river at rest at `utc`: gates at their configured initial opening, channels in steady state for `forcing`, ponds
    /// and wetlands at the level at which they pass on what comes (at their initial or target level if there is none),
    /// reservoirs at their initial level. `seed` decides the noise of the meters.
    pub fn new(config: &Config, seed: u64, utc: Timestamp, forcing: &Forcing) -> Self {
        let basin = Arc::clone(&config.basin);
        let river = River::new(&basin);
        let sites = Sites::new(&basin, &river);
        let mut plant = Self {
            start: utc,
            time: Duration::ZERO,
            river_step: (Duration::ZERO, Duration::ZERO),
            stations_due: Duration::ZERO,
            pipes: start::pipes(&basin),
            bodies: start::bodies(&basin, &river, &sites),
            marshes: start::marshes(&basin, &river),
            drives: basin.gates.iter().map(Actuator::new).collect(),
            stations: basin.stations.iter().filter_map(|station| Station::new(&basin, station)).collect(),
            sensors: basin
                .meters
                .iter()
                .enumerate()
                .map(|(at, meter)| Sensor::new(meter, seed, at))
                .collect(),
            probes: basin.meters.iter().map(|meter| Probe::new(&basin, &river, meter)).collect(),
            plugged: vec![Plugged::Yes; config.field.devices.len()],
            lossy: vec![0.0; config.field.devices.len()],
            shared: vec![None; config.field.devices.len()],
            masters: Vec::new(),
            weather: Weather::default(),
            cut: vec![false; config.field.links.len()],
            own_will: vec![false; basin.gates.len()],
            inbox: vec![0.0; basin.nodes.len()],
            gate_flow: vec![0.0; basin.gates.len()],
            fixed_flow: vec![0.0; basin.fixed_openings.len()],
            intake_flow: vec![0.0; basin.intakes.len()],
            wanted: vec![0.0; basin.intakes.len()],
            inflow: vec![0.0; basin.inflows.len()],
            node_flow: vec![0.0; basin.nodes.len()],
            spill: vec![0.0; basin.reservoirs.len()],
            openings: vec![0.0; basin.gates.len()],
            rise: vec![0.0; basin.nodes.len()],
            pools: Vec::new(),
            scratch: Vec::new(),
            ledger: Ledger::new(&basin),
            storage_at_start: 0.0,
            restless: false,
            changed: false,
            last_event: None,
            field: Arc::clone(&config.field),
            basin,
            river,
            sites,
        };
        plant.note_own_will();
        plant.settle_down(forcing);
        plant
    }

    /// Advances by `dt` of any length.
    pub fn advance(&mut self, dt: Duration, forcing: &Forcing) {
        let end = self.time + dt;
        let mut restless = std::mem::take(&mut self.changed);
        while self.time < end {
            if self.time >= self.river_step.1 {
                self.begin_river_step(forcing);
            }
            self.let_masters_write();
            let longest = self.river_step.1.min(end).saturating_sub(self.time);
            let moving = self.is_moving();
            restless |= moving;
            let step = if moving { longest.min(step::FINE) } else { longest };
            self.structure_step(step, forcing);
            self.time += step;
            if self.time >= self.river_step.1 {
                self.end_river_step();
            }
        }
        self.restless = restless || self.is_moving() || std::mem::take(&mut self.changed);
    }

    /// Makes of what the scenario has `after` the start what there is: events may have brought a drought or a wave.
    pub fn overrule(&self, forcing: &mut Forcing, after: Duration) {
        self.weather.change(forcing, &self.basin, after.as_secs_f64());
    }

    /// Time since the start, and civil time.
    pub fn now(&self) -> (Duration, Timestamp) {
        let utc =
            jiff::SignedDuration::try_from(self.time).ok().and_then(|past| self.start.checked_add(past).ok());
        (self.time, utc.unwrap_or(Timestamp::MAX))
    }

    /// True while a drive moves, or when something changed in the last advance (a trip, an event, a command).
    pub fn is_restless(&self) -> bool {
        self.restless || self.changed
    }

    /// Places gates without a movement, as they are found, and lets the channels settle again for `forcing`.
    pub fn adopt_openings(&mut self, openings: &[(qindan::basin::GateId, f64)], forcing: &Forcing) {
        for (gate, opening) in openings {
            if let Some(drive) = self.drives.get_mut(gate.0) {
                drive.place(*opening);
            }
        }
        self.settle_down(forcing);
    }

    /// The steady river under `forcing` at `utc` with gates where they are put: as if it began there.
    pub(crate) fn rest_at(
        &mut self,
        utc: Timestamp,
        openings: &[(qindan::basin::GateId, f64)],
        forcing: &Forcing,
    ) {
        (self.start, self.time) = (utc, Duration::ZERO);
        self.adopt_openings(openings, forcing);
    }

    /// Shuts gates at once, without a movement, and turns their keys to local; the river runs on.
    pub(crate) fn shut_on_site(&mut self, gates: &[qindan::basin::GateId]) {
        for gate in gates {
            if let Some(drive) = self.drives.get_mut(gate.0) {
                drive.place(0.0);
                drive.turn_key(actuator::Key::Local);
            }
        }
        self.changed = true;
    }

    /// From now on a meter shows `factor` times what it should, faults and mending apart.
    pub(crate) fn misread(&mut self, meter: qindan::basin::MeterId, factor: f64) {
        if let Some(sensor) = self.sensors.get_mut(meter.0) {
            sensor.gain = factor;
        }
    }

    /// All water since the start.
    pub fn balance(&self) -> Balance {
        self.ledger.balance(self.storage() - self.storage_at_start)
    }

    fn storage(&self) -> f64 {
        let elapsed = self.time.saturating_sub(self.river_step.0).as_secs_f64();
        let in_river = self.river.storage(if self.time < self.river_step.1 { elapsed } else { 0.0 });
        let in_pipes = self.pipes.iter().flatten().map(Pipe::storage).sum::<f64>();
        let in_bodies = self.bodies.iter().map(|body| body.volume).sum::<f64>();
        let in_marshes = self.marshes.iter().map(|marsh| marsh.volume).sum::<f64>();
        in_river + in_pipes + in_bodies + in_marshes + self.inbox.iter().sum::<f64>()
    }

    fn is_moving(&self) -> bool {
        self.drives.iter().zip(&self.own_will).any(|(drive, own)| !own && drive.is_busy())
    }

    fn note_own_will(&mut self) {
        for (own, gate) in self.own_will.iter_mut().zip(&self.basin.gates) {
            *own = gate.actuation == qindan::basin::Actuation::Passive;
        }
        for unit in self.stations.iter().flat_map(|station| &station.units) {
            self.own_will[*unit] = true;
        }
    }
}
