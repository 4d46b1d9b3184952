//! Events and commands: what people, faults and masters do to the plant.

use std::time::Duration;

use qindan::basin::{GateId, MeterId};

use super::actuator::Key;
use super::event::{UnknownElement, find};
use super::sensor::MeterFault;
use super::station::Regime;
use super::{Event, Plant, Plugged};

impl Plant {
    /// Lets something happen.
    ///
    /// # Errors
    ///
    /// The event names an element the configuration does not have; nothing happens then.
    pub fn apply(&mut self, event: &Event) -> Result<(), UnknownElement> {
        match event {
            Event::Trip { gate } => self.drive_named(gate)?.trip(),
            Event::ResetTrip { gate } => self.drive_named(gate)?.reset_trip(),
            Event::Stick { gate } => self.drive_named(gate)?.seize(),
            Event::Free { gate } => self.drive_named(gate)?.free(),
            Event::Local { gate } => self.drive_named(gate)?.turn_key(Key::Local),
            Event::Remote { gate } => self.drive_named(gate)?.turn_key(Key::Remote),
            Event::Estop { gate, on } => self.drive_named(gate)?.press_estop(*on),
            Event::MoveOnSite { gate, opening } => self.drive_named(gate)?.drive(*opening),
            Event::ForeignTarget { gate, opening } => {
                self.drive_named(gate)?.command(*opening);
            }
            Event::Restart { gate, opening } => self.drive_named(gate)?.restart(*opening),
            Event::MeterFrozen { meter } => self.meter_fault(meter, MeterFault::Frozen)?,
            Event::MeterBias { meter, add, factor } => {
                self.meter_fault(meter, MeterFault::Bias { add: *add, factor: *factor })?;
            }
            Event::MeterDrift { meter, per_day } => {
                let since = self.time.as_secs_f64();
                self.meter_fault(meter, MeterFault::Drift { per_day: *per_day, since })?;
            }
            Event::MeterSentinel { meter } => self.meter_fault(meter, MeterFault::Sentinel)?,
            Event::MeterNormal { meter } => self.meter_fault(meter, MeterFault::None)?,
            Event::Unplug { device, silent } => {
                let how = if *silent { Plugged::Silent } else { Plugged::Refused };
                self.plug(device, how)?;
            }
            Event::Plug { device } => self.plug(device, Plugged::Yes)?,
            Event::CutLink { link } => self.cut_link(link, true)?,
            Event::MendLink { link } => self.cut_link(link, false)?,
            Event::Peaking { station, on } => self.peaking(station, *on)?,
        }
        self.changed = true;
        self.last_event = Some(self.time);
        Ok(())
    }

    /// When something last happened, since the start.
    pub fn last_event(&self) -> Option<Duration> {
        self.last_event
    }

    fn drive_named(&mut self, id: &str) -> Result<&mut super::Actuator, UnknownElement> {
        let at = find("gate", id, self.basin.gates.iter().map(|gate| gate.id.as_str()))?;
        Ok(&mut self.drives[at])
    }

    fn meter_fault(&mut self, id: &str, fault: MeterFault) -> Result<(), UnknownElement> {
        let at = find("meter", id, self.basin.meters.iter().map(|meter| meter.id.as_str()))?;
        self.sensors[at].fault = fault;
        Ok(())
    }

    fn plug(&mut self, id: &str, how: Plugged) -> Result<(), UnknownElement> {
        let at = find("device", id, self.field.devices.iter().map(|device| device.id.as_str()))?;
        self.plugged[at] = how;
        Ok(())
    }

    fn cut_link(&mut self, id: &str, cut: bool) -> Result<(), UnknownElement> {
        let at = find("link", id, self.field.links.iter().map(|link| link.id.as_str()))?;
        self.cut[at] = cut;
        Ok(())
    }

    fn peaking(&mut self, id: &str, on: bool) -> Result<(), UnknownElement> {
        let at = find("station", id, self.basin.stations.iter().map(|station| station.id.as_str()))?;
        let Some(pond) = self.basin.stations[at].pond else { return Ok(()) };
        for station in self.stations.iter_mut().filter(|station| station.pond == pond.0) {
            station.regime = if on { Regime::Filling } else { Regime::River };
        }
        Ok(())
    }

    /// A remote command to go to an opening. False when the box does not take it: key on local, emergency stop, trip or
    /// fault. A unit of a pond station obeys and leaves its station's own control.
    pub fn go_to(&mut self, gate: GateId, opening: f64) -> bool {
        let Some(drive) = self.drives.get_mut(gate.0) else { return false };
        if !drive.command(opening) {
            return false;
        }
        if self.own_will[gate.0] {
            for station in &mut self.stations {
                station.release(gate.0);
            }
            self.note_own_will();
        }
        self.changed = true;
        true
    }

    /// A remote stop. False when the key stands on local.
    pub fn stop(&mut self, gate: GateId) -> bool {
        let stopped = self.drives.get_mut(gate.0).is_some_and(super::Actuator::stop);
        self.changed |= stopped;
        stopped
    }

    /// What the site does by itself when its watchdog has run out: stop, then the declared safe action.
    pub fn safe_action(&mut self, gate: GateId) {
        let (Some(drive), Some(spec)) = (self.drives.get_mut(gate.0), self.basin.gates.get(gate.0)) else {
            return;
        };
        if !drive.obeys() {
            return;
        }
        drive.halt();
        match spec.on_link_loss {
            qindan::basin::OnLinkLoss::Hold => {}
            qindan::basin::OnLinkLoss::Shut => drive.drive(0.0),
            qindan::basin::OnLinkLoss::Open => drive.drive(1.0),
            qindan::basin::OnLinkLoss::Goto { opening } => drive.drive(opening.fraction()),
        }
        self.changed = true;
    }

    /// Whether a meter is in order.
    pub fn meter_is_sound(&self, meter: MeterId) -> bool {
        self.sensors.get(meter.0).is_some_and(|sensor| sensor.fault == MeterFault::None)
    }
}
