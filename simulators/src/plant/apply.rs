//! Events and commands: what people, faults and masters do to the plant.

use std::time::Duration;

use qindan::basin::{GateId, MeterId};
use qindan::points::DeviceId;

use super::actuator::Key;
use super::event::{Impossible, UnknownElement, find};
use super::fault::MeterFault;
use super::mechanics::{End, PositionFault, Side};
use super::sensor::Sensor;
use super::station::Regime;
use super::{Event, Plant, Plugged};

/// Seconds of a day.
const DAY_S: f64 = 86_400.0;

/// Somebody else who commands a gate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Master {
    gate: usize,
    opening: f64,
    every_s: f64,
    due: Duration,
}

impl Plant {
    /// Lets something happen.
    ///
    /// # Errors
    ///
    /// The event names an element the configuration does not have, or a size that is none; nothing happens then.
    pub fn apply(&mut self, event: &Event) -> Result<(), Impossible> {
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
            Event::SecondMaster { gate, opening, every_s } => self.second_master(gate, *opening, *every_s)?,
            Event::SecondMasterGone { gate } => {
                let at = self.gate_named(gate)?;
                self.masters.retain(|master| master.gate != at);
            }
            Event::Wear { gate, backlash, breakaway, breakaway_s, meter_on } => {
                self.wear(gate, [*backlash, *breakaway, *breakaway_s], *meter_on)?;
            }
            Event::LimitSwitch { gate, end, state } => {
                let drive = self.drive_named(gate)?;
                match end {
                    End::Top => drive.top = *state,
                    End::Bottom => drive.bottom = *state,
                }
            }
            Event::PositionFrozen { gate } => self.drive_named(gate)?.freeze_position(),
            Event::PositionOffset { gate, by } => {
                let by = within("position_offset", "by", *by, (-1.0, 1.0), "-1 to 1 of the stroke")?;
                self.drive_named(gate)?.meter = PositionFault::Offset(by);
            }
            Event::PositionNoise { gate, deviation } => {
                let (key, stroke) = ("deviation", "0 to 1 of the stroke");
                let deviation = within("position_noise", key, *deviation, (0.0, 1.0), stroke)?;
                self.drive_named(gate)?.meter = PositionFault::Noise(deviation);
            }
            Event::PositionNormal { gate } => self.drive_named(gate)?.meter = PositionFault::None,
            Event::Unplug { device, silent } => {
                let how = if *silent { Plugged::Silent } else { Plugged::Refused };
                let at = self.device_named(device)?;
                self.plugged[at] = how;
            }
            Event::Plug { device } => {
                let at = self.device_named(device)?;
                self.plugged[at] = Plugged::Yes;
            }
            Event::Lossy { device, share } => {
                let share = within("lossy", "share", *share, (0.0, 1.0), "0 to 1")?;
                let at = self.device_named(device)?;
                self.lossy[at] = share;
            }
            Event::SharedUnit { device, with } => self.share_unit(device, with)?,
            Event::OwnUnit { device } => {
                let at = self.device_named(device)?;
                self.shared[at] = None;
            }
            Event::CutLink { link } => self.cut_link(link, true)?,
            Event::MendLink { link } => self.cut_link(link, false)?,
            Event::Peaking { station, on } => self.peaking(station, *on)?,
            Event::Inflows { factor, over_h } => self.inflows(*factor, *over_h)?,
            Event::Wave { inflow, peak_m3s, to_peak_h } => self.wave(inflow, *peak_m3s, *to_peak_h)?,
            Event::Ebb {} => self.weather.ebb(),
            Event::MeterFrozen { meter }
            | Event::MeterStuck { meter, .. }
            | Event::MeterBias { meter, .. }
            | Event::MeterDrift { meter, .. }
            | Event::MeterSpike { meter, .. }
            | Event::MeterNoise { meter, .. }
            | Event::MeterUnit { meter, .. }
            | Event::MeterWordOrder { meter, .. }
            | Event::MeterReversed { meter }
            | Event::MeterTotal { meter, .. }
            | Event::MeterZero { meter }
            | Event::MeterLate { meter, .. }
            | Event::MeterWeather { meter, .. }
            | Event::MeterIce { meter, .. }
            | Event::MeterWeed { meter, .. }
            | Event::MeterBackwater { meter, .. }
            | Event::MeterAir { meter, .. }
            | Event::MeterSentinel { meter }
            | Event::MeterNormal { meter } => {
                let at = find("meter", meter, self.basin.meters.iter().map(|meter| meter.id.as_str()))?;
                befall(&mut self.sensors[at], event, self.time.as_secs_f64())?;
            }
        }
        self.changed = true;
        self.last_event = Some(self.time);
        Ok(())
    }

    fn second_master(&mut self, gate: &str, opening: f64, every_s: f64) -> Result<(), Impossible> {
        let gate = self.gate_named(gate)?;
        let every_s = within("second_master", "every_s", every_s, (1.0, DAY_S), "1 s to a day")?;
        self.masters.retain(|master| master.gate != gate);
        self.masters.push(Master { gate, opening, every_s, due: self.time });
        Ok(())
    }

    /// Lost motion, force and time to break loose, and where the meter sits; as built where not given.
    fn wear(
        &mut self,
        gate: &str,
        [backlash, force, time]: [Option<f64>; 3],
        meter: Option<Side>,
    ) -> Result<(), Impossible> {
        let size = |key, given: Option<f64>, most, remedy| {
            given.map(|given| within("wear", key, given, (0.0, most), remedy)).transpose()
        };
        let backlash = size("backlash", backlash, 0.5, "0 to 0.5 of the stroke")?;
        let force = size("breakaway", force, 10.0, "0 to 10 times the force of the motor")?;
        let time = size("breakaway_s", time, 60.0, "0 to 60 s")?;
        self.drive_named(gate)?.wear(|gear| {
            gear.backlash = backlash.unwrap_or(gear.backlash);
            gear.breakaway = force.unwrap_or(gear.breakaway);
            gear.breakaway_s = time.unwrap_or(gear.breakaway_s);
            gear.meter = meter.unwrap_or(gear.meter);
        });
        Ok(())
    }

    fn share_unit(&mut self, device: &str, with: &str) -> Result<(), Impossible> {
        let (at, other) = (self.device_named(device)?, self.device_named(with)?);
        let link = |at: usize| self.field.devices.get(at).map(|device| device.link);
        if at == other || link(at) != link(other) {
            let remedy = "another device of the same link";
            return Err(Impossible::Size { event: "shared_unit", key: "with", given: with.into(), remedy });
        }
        self.shared[at] = Some(DeviceId(other));
        Ok(())
    }

    fn inflows(&mut self, factor: f64, over_h: f64) -> Result<(), Impossible> {
        let factor = within("inflows", "factor", factor, (0.0, 1000.0), "0 to 1000")?;
        let over_h = within("inflows", "over_h", over_h, (0.0, 10_000.0), "0 to 10000 h")?;
        self.weather.go_to(factor, self.time.as_secs_f64(), over_h * 3600.0);
        Ok(())
    }

    fn wave(&mut self, inflow: &str, peak_m3s: f64, to_peak_h: f64) -> Result<(), Impossible> {
        let at = find("inflow", inflow, self.basin.inflows.iter().map(|inflow| inflow.id.as_str()))?;
        let peak = within("wave", "peak_m3s", peak_m3s, (0.0, 50_000.0), "0 to 50000")?;
        let to_peak = within("wave", "to_peak_h", to_peak_h, (0.01, 1000.0), "0.01 to 1000 h")?;
        self.weather.rise(at, peak, self.time.as_secs_f64(), to_peak * 3600.0);
        Ok(())
    }

    /// Other masters write what they are about to.
    pub(super) fn let_masters_write(&mut self) {
        for at in 0..self.masters.len() {
            let master = &mut self.masters[at];
            if master.due > self.time {
                continue;
            }
            master.due = self.time + Duration::from_secs_f64(master.every_s);
            let (gate, opening) = (master.gate, master.opening);
            self.changed |= self.drives[gate].command(opening);
        }
    }

    /// When something last happened, since the start.
    pub fn last_event(&self) -> Option<Duration> {
        self.last_event
    }

    fn gate_named(&self, id: &str) -> Result<usize, UnknownElement> {
        find("gate", id, self.basin.gates.iter().map(|gate| gate.id.as_str()))
    }

    fn drive_named(&mut self, id: &str) -> Result<&mut super::Actuator, UnknownElement> {
        let at = self.gate_named(id)?;
        Ok(&mut self.drives[at])
    }

    fn device_named(&self, id: &str) -> Result<usize, UnknownElement> {
        find("device", id, self.field.devices.iter().map(|device| device.id.as_str()))
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
        self.sensors.get(meter.0).is_some_and(Sensor::is_sound)
    }
}

/// What an event does to its meter at second `now`.
fn befall(sensor: &mut Sensor, event: &Event, now: f64) -> Result<(), Impossible> {
    match event {
        Event::MeterFrozen { .. } => sensor.fail(MeterFault::Frozen),
        Event::MeterStuck { value, .. } => sensor.fail(MeterFault::Stuck { value: *value }),
        Event::MeterBias { add, factor, .. } => {
            sensor.fail(MeterFault::Bias { add: *add, factor: *factor });
        }
        Event::MeterDrift { per_day, .. } => {
            sensor.fail(MeterFault::Drift { per_day: *per_day, since: now });
        }
        Event::MeterSpike { add, every_s, for_s, .. } => {
            let every_s = within("meter_spike", "every_s", *every_s, (1.0, DAY_S), "1 s to a day")?;
            let for_s = within("meter_spike", "for_s", *for_s, (0.0, every_s), "0 to every_s")?;
            sensor.fail(MeterFault::Spike { add: *add, every_s, for_s, since: now });
        }
        Event::MeterNoise { deviation, .. } => {
            sensor.fail(MeterFault::Noise { deviation: *deviation });
        }
        Event::MeterLate { by_s, .. } => {
            let by_s = within("meter_late", "by_s", *by_s, (0.0, DAY_S), "0 s to a day")?;
            sensor.fail(MeterFault::Late { by_s });
        }
        Event::MeterSentinel { .. } => sensor.fail(MeterFault::Sentinel),
        Event::MeterUnit { factor, .. } => {
            sensor.encoding.factor = factor.abs().copysign(sensor.encoding.factor);
        }
        Event::MeterReversed { .. } => sensor.encoding.factor = -sensor.encoding.factor.abs(),
        Event::MeterWordOrder { order, .. } => sensor.encoding.order = Some(*order),
        Event::MeterZero { .. } => sensor.encoding.zero_for_nothing = true,
        Event::MeterTotal { m3, .. } => {
            sensor.total = within("meter_total", "m3", *m3, (0.0, 1e15), "0 to 1e15 m³")?;
        }
        Event::MeterWeather { wind_ms, rain_mm_h, .. } => {
            let wind = within("meter_weather", "wind_ms", *wind_ms, (-60.0, 60.0), "-60 to 60 m/s")?;
            let rain = within("meter_weather", "rain_mm_h", *rain_mm_h, (0.0, 300.0), "0 to 300 mm/h")?;
            (sensor.around.wind_ms, sensor.around.rain_mm_h) = (wind, rain);
        }
        Event::MeterIce { rise_m, .. } => {
            sensor.around.ice_m = within("meter_ice", "rise_m", *rise_m, (0.0, 5.0), "0 to 5 m")?;
        }
        Event::MeterWeed { share, .. } => {
            sensor.around.weed = within("meter_weed", "share", *share, (0.0, 5.0), "0 to 5")?;
        }
        Event::MeterBackwater { submergence, .. } => {
            let key = "submergence";
            sensor.around.submergence =
                within("meter_backwater", key, *submergence, (0.0, 0.95), "0 to 0.95")?;
        }
        Event::MeterAir { share, .. } => {
            sensor.around.air = within("meter_air", "share", *share, (0.0, 0.9), "0 to 0.9")?;
        }
        Event::MeterNormal { .. } => sensor.mend(),
        Event::Trip { .. }
        | Event::ResetTrip { .. }
        | Event::Stick { .. }
        | Event::Free { .. }
        | Event::Local { .. }
        | Event::Remote { .. }
        | Event::Estop { .. }
        | Event::MoveOnSite { .. }
        | Event::ForeignTarget { .. }
        | Event::Restart { .. }
        | Event::SecondMaster { .. }
        | Event::SecondMasterGone { .. }
        | Event::Wear { .. }
        | Event::LimitSwitch { .. }
        | Event::PositionFrozen { .. }
        | Event::PositionOffset { .. }
        | Event::PositionNoise { .. }
        | Event::PositionNormal { .. }
        | Event::Unplug { .. }
        | Event::Plug { .. }
        | Event::Lossy { .. }
        | Event::SharedUnit { .. }
        | Event::OwnUnit { .. }
        | Event::CutLink { .. }
        | Event::MendLink { .. }
        | Event::Peaking { .. }
        | Event::Inflows { .. }
        | Event::Wave { .. }
        | Event::Ebb {} => {}
    }
    Ok(())
}

/// A size of an event, held to its range.
fn within(
    event: &'static str,
    key: &'static str,
    given: f64,
    (least, most): (f64, f64),
    remedy: &'static str,
) -> Result<f64, Impossible> {
    if (least..=most).contains(&given) {
        return Ok(given);
    }
    Err(Impossible::Size { event, key, given: given.to_string(), remedy })
}
