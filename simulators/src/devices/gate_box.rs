//! The logic of a gate box: target, command word, sequence and its echo, watchdog.
//!
//! Command words of layout A: 1 open, 2 shut, 3 stop, 4 go to the target. A box without a command register moves when its
//! target is written. Several registers in one request are taken in this order: target, sequence, command.

use std::time::Duration;

use qindan::basin::GateId;
use qindan::points::{DeviceId, Element, Field, Point, PointId, Role, Table};
use qindan::registers;

use super::{Devices, ModbusException, seconds};
use crate::plant::Plant;

const OPEN: u16 = 1;
const SHUT: u16 = 2;
const STOP: u16 = 3;
const GO: u16 = 4;
/// A box gives up on its master after this many periods without a new watchdog value. Assumed, layout A: 30 s at 10 s.
const PERIODS: f64 = 3.0;

/// What a gate box remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct GateBox {
    /// Target as written, opening 0..=1.
    target: Option<f64>,
    sequence: u16,
    /// Sequence of the newest command it has taken up.
    pub(super) echo: u16,
    /// Set point of the drive that the target register stands for.
    known: Option<u64>,
}

impl GateBox {
    /// Whether the drive's set point was given by somebody else since the target register was last set; notes it.
    pub(super) fn is_news(&mut self, setpoint: f64) -> bool {
        let bits = Some(setpoint.to_bits());
        let news = self.known != bits;
        self.known = bits;
        news
    }
}

/// A watchdog register and the gates behind it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Watchdog {
    device: DeviceId,
    address: u16,
    gates: Vec<GateId>,
    limit: Duration,
    /// Last value, and when it changed; `None` until first fed: a box nobody ever fed has no master to lose.
    fed: Option<(u16, Duration)>,
    expired: bool,
}

/// By device, the points of its boxes that may be written.
pub(super) fn writable(field: &Field) -> Vec<Vec<PointId>> {
    let writes = |role: Role| match role {
        Role::Target | Role::Command | Role::Watchdog | Role::Sequence | Role::Other => true,
        Role::Value
        | Role::Position
        | Role::SequenceEcho
        | Role::Remote
        | Role::Estop
        | Role::MovingOpen
        | Role::MovingShut
        | Role::TopLimit
        | Role::BottomLimit
        | Role::Fault
        | Role::Trip
        | Role::Fallback
        | Role::Flow
        | Role::LevelUp
        | Role::LevelDown
        | Role::Load => false,
    };
    let mut points = vec![Vec::new(); field.devices.len()];
    for (at, point) in field.points.iter().enumerate().filter(|(_, point)| writes(point.role)) {
        points[point.device.0].push(PointId(at));
    }
    points
}

/// The watchdog registers of the field, each once.
pub(super) fn watchdogs(field: &Field) -> Vec<Watchdog> {
    let mut dogs: Vec<Watchdog> = Vec::new();
    for (gate, points) in field.wiring.gates.iter().enumerate() {
        let Some(point) = points.watchdog.and_then(|id| field.points.get(id.0)) else { continue };
        let period = field.devices.get(point.device.0).and_then(|device| device.watchdog_s);
        let Some(period) = period else { continue };
        match dogs.iter_mut().find(|dog| (dog.device, dog.address) == (point.device, point.address)) {
            Some(dog) => dog.gates.push(GateId(gate)),
            None => dogs.push(Watchdog {
                device: point.device,
                address: point.address,
                gates: vec![GateId(gate)],
                limit: seconds(PERIODS * period),
                fed: None,
                expired: false,
            }),
        }
    }
    dogs
}

/// One register of a request, understood.
enum Part {
    Target(GateId, f64),
    Sequence(GateId, u16),
    Command(GateId, u16),
    Watchdog(u16),
    Plain,
}

impl Devices {
    /// Watchdogs fed at `since` or later count as fed `now`: for steps in which nobody had the chance to feed them.
    pub fn keep_fed(&mut self, since: Duration, now: Duration) {
        for (_, fed) in self.watchdogs.iter_mut().filter_map(|dog| dog.fed.as_mut()) {
            if *fed >= since {
                *fed = now;
            }
        }
    }

    pub(super) fn look_after_watchdogs(&mut self, plant: &mut Plant) {
        let now = plant.now().0;
        for dog in &mut self.watchdogs {
            let Some((_, fed)) = dog.fed else { continue };
            if dog.expired || now.saturating_sub(fed) <= dog.limit {
                continue;
            }
            dog.expired = true;
            for gate in &dog.gates {
                plant.safe_action(*gate);
                self.panels.look_again(*gate);
            }
        }
    }

    /// Takes a request to a box apart, checks all of it, then carries it out.
    pub(super) fn write_box(
        &mut self,
        plant: &mut Plant,
        device: DeviceId,
        table: Table,
        address: u16,
        values: &[u16],
    ) -> Result<(), ModbusException> {
        let mut parts = Vec::new();
        let mut at = 0;
        while at < values.len() {
            let here = u16::try_from(at).ok().and_then(|at| address.checked_add(at));
            let (id, point) = here
                .and_then(|here| self.writable(device, table, here))
                .ok_or(ModbusException::IllegalAddress)?;
            let width = usize::from(if table == Table::Coil { 1 } else { point.data_type.registers() });
            let words = values.get(at..at + width).ok_or(ModbusException::IllegalAddress)?;
            parts.push((id, words, self.understand(point, words)?));
            at += width;
        }
        let obeys = |gate: &GateId| plant.drive(*gate).is_some_and(|drive| drive.remote);
        let taken: Vec<bool> = parts
            .iter()
            .map(|(_, _, part)| match part {
                Part::Target(gate, _) | Part::Command(gate, _) => obeys(gate),
                Part::Sequence(..) | Part::Watchdog(_) | Part::Plain => true,
            })
            .collect();
        for ((id, words, part), taken) in parts.iter().zip(&taken) {
            if !*taken {
                continue;
            }
            self.store(*id, words);
            match part {
                Part::Target(gate, opening) => self.boxes[gate.0].target = Some(*opening),
                Part::Sequence(gate, sequence) => self.boxes[gate.0].sequence = *sequence,
                Part::Watchdog(value) => {
                    self.feed(device, address_of(&self.field, *id), *value, plant.now().0);
                }
                Part::Command(..) | Part::Plain => {}
            }
        }
        for ((_, _, part), taken) in parts.iter().zip(taken) {
            match part {
                Part::Command(gate, word) if taken => self.command(plant, *gate, *word),
                Part::Target(gate, _) if taken && !self.has_command(*gate) => self.command(plant, *gate, GO),
                Part::Command(..)
                | Part::Target(..)
                | Part::Sequence(..)
                | Part::Watchdog(_)
                | Part::Plain => {}
            }
        }
        Ok(())
    }

    /// The point of a device that begins at an address and may be written.
    fn writable(&self, device: DeviceId, table: Table, address: u16) -> Option<(PointId, &Point)> {
        let points = self.writable.get(device.0)?.iter();
        points
            .filter_map(|id| Some((*id, self.field.points.get(id.0)?)))
            .find(|(_, point)| (point.table, point.address) == (table, address))
    }

    fn understand(&self, point: &Point, words: &[u16]) -> Result<Part, ModbusException> {
        let bad = ModbusException::IllegalValue;
        let word = words.first().copied().ok_or(bad)?;
        let Element::Gate(gate) = point.element else { return Ok(Part::Plain) };
        let spec = self.basin.gates.get(gate.0).ok_or(bad)?;
        match point.role {
            Role::Target => {
                let value = registers::decode(point, words).map_err(|_| bad)?;
                let opening = (value - spec.stroke.shut_at) / (spec.stroke.open_at - spec.stroke.shut_at);
                // The end of the stroke may miss by the resolution of the register.
                let slack = (0.5 * point.scale / spec.stroke.length()).abs().max(1e-6);
                if !(-slack..=1.0 + slack).contains(&opening) {
                    return Err(bad);
                }
                Ok(Part::Target(gate, opening.clamp(0.0, 1.0)))
            }
            Role::Command if (OPEN..=GO).contains(&word) => Ok(Part::Command(gate, word)),
            Role::Command => Err(bad),
            Role::Sequence => Ok(Part::Sequence(gate, word)),
            Role::Watchdog => Ok(Part::Watchdog(word)),
            Role::Value
            | Role::Position
            | Role::SequenceEcho
            | Role::Remote
            | Role::Estop
            | Role::MovingOpen
            | Role::MovingShut
            | Role::TopLimit
            | Role::BottomLimit
            | Role::Fault
            | Role::Trip
            | Role::Fallback
            | Role::Flow
            | Role::LevelUp
            | Role::LevelDown
            | Role::Load
            | Role::Other => Ok(Part::Plain),
        }
    }

    fn store(&mut self, id: PointId, words: &[u16]) {
        let Some(point) = self.field.points.get(id.0) else { return };
        if let Some(unit) = self.units.get_mut(point.device.0) {
            unit.bank_mut(point.table).set(point.address, words);
        }
        self.shown[id.0].forget();
    }

    /// Whether the box of a gate acts by itself because nobody has fed its watchdog.
    pub(super) fn is_in_fallback(&self, gate: GateId) -> bool {
        self.watchdogs.iter().any(|dog| dog.expired && dog.gates.contains(&gate))
    }

    fn has_command(&self, gate: GateId) -> bool {
        self.field.wiring.gates.get(gate.0).is_some_and(|points| points.command.is_some())
    }

    fn command(&mut self, plant: &mut Plant, gate: GateId, word: u16) {
        let Some(gate_box) = self.boxes.get_mut(gate.0) else { return };
        let now = plant.drive(gate).map(|drive| drive.setpoint);
        let done = match word {
            OPEN => plant.go_to(gate, 1.0),
            SHUT => plant.go_to(gate, 0.0),
            STOP => plant.stop(gate),
            _ => gate_box.target.or(now).is_some_and(|target| plant.go_to(gate, target)),
        };
        if !done {
            return;
        }
        gate_box.echo = gate_box.sequence;
        self.panels.look_again(gate);
        if word == GO {
            // The target register stands as written.
            gate_box.known = plant.drive(gate).map(|drive| drive.setpoint.to_bits());
        }
    }

    fn feed(&mut self, device: DeviceId, address: u16, value: u16, now: Duration) {
        let dog = self.watchdogs.iter_mut().find(|dog| (dog.device, dog.address) == (device, address));
        if let Some(dog) = dog
            && dog.fed.is_none_or(|(last, _)| last != value)
        {
            dog.fed = Some((value, now));
            if std::mem::take(&mut dog.expired) {
                dog.gates.iter().for_each(|gate| self.panels.look_again(*gate));
            }
        }
    }
}

fn address_of(field: &Field, id: PointId) -> u16 {
    field.points.get(id.0).map_or(0, |point| point.address)
}
