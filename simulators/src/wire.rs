//! The field without sockets: the same blocks, words and registers as over Modbus TCP, in virtual time.
//!
//! A request is answered at once, or as much later as a scenario makes its link slow. What the link task does about
//! silence is left out: a device that does not answer is a lost block, and an order to it is not sent. Nor does a slow
//! link ask less often.

use std::sync::Arc;
use std::time::Duration;

use qindan::basin::Basin;
use qindan::config::Config;
use qindan::control::command::{NotSent, WriteReport, WriteResult};
use qindan::control::interlock::Cleared;
use qindan::control::quality::{Reason, Sample};
use qindan::points::{DeviceId, Field, LinkId, Point, PointId, Table};
use qindan::registers;
use qindan::shell::field::WriteOrder;
use qindan::shell::field::plan::{Block, plans};
use qindan::shell::field::words::{Run, Words, judge};

use crate::devices::{Devices, ModbusException};
use crate::plant::Plant;

/// A block with its scan period.
#[derive(Clone)]
struct Scan {
    block: Block,
    period: Duration,
    due: Duration,
}

/// A watchdog register that the service feeds.
#[derive(Clone)]
struct Dog {
    device: DeviceId,
    address: u16,
    counter: u16,
}

/// Reads and writes the registers of the devices as the link tasks would.
#[derive(Clone)]
pub struct Wire {
    basin: Arc<Basin>,
    field: Arc<Field>,
    scans: Vec<Scan>,
    samples: Vec<Sample>,
    dogs: Vec<Dog>,
    /// By link: how much later its answers come.
    slow: Vec<Duration>,
    /// Values on their way, and when they come.
    late: Vec<(Duration, PointId, Result<f64, Reason>)>,
}

/// A command as it went to the field.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// What came of it.
    pub report: WriteReport,
    /// The words of its register; none when it could not be put into words.
    pub words: Vec<u16>,
}

impl Wire {
    /// Nothing read yet.
    pub fn new(config: &Config) -> Self {
        let field = &config.field;
        let blocks = plans(field).into_iter().flat_map(|plan| plan.blocks);
        let scan = |block: Block| Scan { period: block.period(field), due: Duration::ZERO, block };
        let never = Sample { good: None, fault: Some(Reason::NeverRead) };
        Self {
            scans: blocks.map(scan).collect(),
            samples: vec![never; field.points.len()],
            dogs: dogs(field),
            slow: vec![Duration::ZERO; field.links.len()],
            late: Vec::new(),
            basin: Arc::clone(&config.basin),
            field: Arc::clone(field),
        }
    }

    /// The samples of all points.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// From now on every answer on a link comes `by` later.
    pub fn slow_down(&mut self, link: LinkId, by: Duration) {
        if let Some(slow) = self.slow.get_mut(link.0) {
            *slow = by;
        }
    }

    /// Takes in what was on its way and has come by `now`, each with the time it came.
    fn receive(&mut self, now: Duration) {
        let (mut come, late) =
            std::mem::take(&mut self.late).into_iter().partition::<Vec<_>, _>(|it| it.0 <= now);
        self.late = late;
        come.sort_by_key(|(at, ..)| *at);
        for (at, id, value) in come {
            store(&mut self.samples, id, value, at);
        }
    }

    /// Reads every block that is due at `now`; one that has been due for several periods is read once.
    pub fn scan(&mut self, devices: &Devices, now: Duration) {
        if !self.late.is_empty() {
            self.receive(now);
        }
        for scan in &mut self.scans {
            if scan.due > now {
                continue;
            }
            let first = scan.due;
            let periods = |time: Duration| {
                let count = time.as_nanos() / scan.period.as_nanos().max(1);
                scan.period * u32::try_from(count).unwrap_or(u32::MAX - 1)
            };
            let last = first + periods(now.saturating_sub(first));
            // In a jump the scans between have been answered, and the river stood still for them.
            let came = |by: Duration| Some(first + by + periods(now.checked_sub(first + by)?));
            scan.due = last + scan.period;
            let block = &scan.block;
            let (by, in_vain) = delay(&self.field, &self.slow, block.device);
            let answer = devices.read(block.device, block.table, block.start, block.count);
            for id in &block.points {
                let Some(point) = self.field.points.get(id.0) else { continue };
                let value = match &answer {
                    Ok(words) => value(block, point, words),
                    Err(refused) => Err(reason(*refused)),
                };
                if in_vain {
                    store(&mut self.samples, *id, Err(Reason::CommError), now);
                } else if by.is_zero() {
                    store(&mut self.samples, *id, value, now);
                } else {
                    if let Some(at) = came(by) {
                        store(&mut self.samples, *id, value, at);
                    }
                    if last + by > now {
                        self.late.push((last + by, *id, value));
                    }
                }
            }
        }
    }

    /// Feeds every watchdog, as the link tasks do between two ticks.
    pub fn feed(&mut self, devices: &mut Devices, plant: &mut Plant) {
        for dog in &mut self.dogs {
            dog.counter = dog.counter.wrapping_add(1);
            // A device that is away is not fed; it says so itself when it is read.
            let _ = devices.write(plant, dog.device, Table::Holding, dog.address, &[dog.counter]);
        }
    }

    /// Sends a cleared command.
    pub fn send(
        &mut self,
        devices: &mut Devices,
        plant: &mut Plant,
        cleared: &Cleared,
        now: Duration,
    ) -> Sent {
        let report = |result| WriteReport { command: cleared.id(), gate: cleared.gate(), result, at: now };
        let Some(order) = WriteOrder::from_cleared(cleared, &self.basin) else {
            return Sent { report: report(WriteResult::NotSent(NotSent::ReadOnly)), words: Vec::new() };
        };
        let watchdog = self.watchdog_of(&order);
        match Words::of(&self.field, &order, watchdog) {
            Err(refused) => Sent { report: report(refused), words: Vec::new() },
            Ok(words) => {
                let result = self.write(devices, plant, &words);
                let device = self.field.points.get(words.told_by.0).map(|point| point.device);
                let (by, lost) =
                    device.map_or((Duration::ZERO, false), |it| delay(&self.field, &self.slow, it));
                // The order arrives all the same; only nobody hears of it.
                let result = if lost { WriteResult::Unknown } else { result };
                Sent { report: WriteReport { at: now + by, ..report(result) }, words: words.ours }
            }
        }
    }

    /// Next value of the watchdog register that an order writes along.
    fn watchdog_of(&mut self, order: &WriteOrder) -> Option<u16> {
        let id = self.field.wiring.gates.get(order.gate().0)?.watchdog?;
        let point = self.field.points.get(id.0)?;
        let dog = self.dogs.iter_mut().find(|d| (d.device, d.address) == (point.device, point.address));
        Some(dog.map_or(1, |dog| {
            dog.counter = dog.counter.wrapping_add(1);
            dog.counter
        }))
    }

    fn write(&self, devices: &mut Devices, plant: &mut Plant, words: &Words) -> WriteResult {
        let Some(point) = self.field.points.get(words.told_by.0) else {
            return WriteResult::NotSent(NotSent::ReadOnly);
        };
        let count = point.data_type.registers();
        let read = |devices: &Devices| devices.read(point.device, point.table, point.address, count);
        let before = match read(devices) {
            Ok(before) => Some(before),
            Err(ModbusException::GatewayTargetFailed) => return WriteResult::NotSent(NotSent::LinkDown),
            // A register that can only be written is refused as address or function.
            Err(_) => None,
        };
        for Run { device, address, words, .. } in &words.runs {
            match devices.write(plant, *device, Table::Holding, *address, words) {
                Ok(()) => {}
                Err(ModbusException::GatewayTargetFailed) => {
                    return WriteResult::NotSent(NotSent::LinkDown);
                }
                Err(refused) => return WriteResult::Refused(refused.code()),
            }
        }
        match read(devices) {
            Ok(after) => judge(point, &after, &words.ours, before.as_deref()),
            Err(_) => WriteResult::Unknown,
        }
    }
}

/// How much later a device answers, and whether that is past the time-out of its link.
fn delay(field: &Field, slow: &[Duration], device: DeviceId) -> (Duration, bool) {
    let link = field.devices.get(device.0).map(|device| device.link);
    let by = link.and_then(|link| slow.get(link.0)).copied().unwrap_or_default();
    let limit = link.and_then(|link| field.links.get(link.0)).map(|link| link.timeout_s);
    (by, limit.is_some_and(|limit| by.as_secs_f64() > limit))
}

/// The watchdog registers the service feeds, each once.
fn dogs(field: &Field) -> Vec<Dog> {
    let mut dogs: Vec<Dog> = Vec::new();
    let watched = |device: DeviceId| field.devices.get(device.0).is_some_and(|d| d.watchdog_s.is_some());
    for id in field.wiring.gates.iter().filter_map(|gate| gate.watchdog) {
        let Some(point) = field.points.get(id.0) else { continue };
        let (device, address) = (point.device, point.address);
        let known = dogs.iter().any(|dog| (dog.device, dog.address) == (device, address));
        if point.table == Table::Holding && watched(device) && !known {
            dogs.push(Dog { device, address, counter: 0 });
        }
    }
    dogs
}

fn value(block: &Block, point: &Point, words: &[u16]) -> Result<f64, Reason> {
    let at = usize::from(point.address.checked_sub(block.start).ok_or(Reason::CommError)?);
    let rest = words.get(at..).ok_or(Reason::CommError)?;
    match block.table {
        Table::Coil | Table::Discrete => {
            registers::decode_bit(point, *rest.first().ok_or(Reason::CommError)? != 0)
        }
        Table::Input | Table::Holding => registers::decode(point, rest),
    }
}

/// What the link task makes of a refusal.
fn reason(refused: ModbusException) -> Reason {
    match refused {
        ModbusException::GatewayTargetFailed => Reason::CommError,
        ModbusException::IllegalAddress | ModbusException::IllegalValue => Reason::ConfigError,
        ModbusException::IllegalFunction => Reason::Exception(refused.code()),
    }
}

/// A fault never touches the last good value.
fn store(samples: &mut [Sample], id: PointId, value: Result<f64, Reason>, now: Duration) {
    let Some(sample) = samples.get_mut(id.0) else { return };
    match value {
        Ok(value) => *sample = Sample { good: Some((value, now)), fault: None },
        Err(reason) => sample.fault = Some(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plant::Forcing;

    /// The links of the shipped configuration time out after 1 to 5 s.
    #[test]
    fn late_answers_bear_the_time_they_came_and_those_past_the_time_out_are_lost() {
        let config = qindan::config::load(&crate::scenario::above("config").unwrap()).unwrap();
        let utc = "2026-05-15T04:00:00Z".parse().unwrap();
        let mut plant = Plant::new(&config, 1, utc, &Forcing::dry(&config.basin, 5));
        let (mut devices, mut wire) = (Devices::new(&config), Wire::new(&config));
        devices.refresh(&mut plant);
        let link = |id: &str| LinkId(config.field.links.iter().position(|link| link.id == id).unwrap());
        let point = |meter: &str| {
            let at = config.basin.meters.iter().position(|it| it.id == meter).unwrap();
            config.field.wiring.meters[at].unwrap().0
        };
        let (late, lost, quick) = (point("q.zf_out"), point("q.duanshi"), point("q.runcheng"));
        wire.slow_down(link("dam"), Duration::from_millis(700));
        wire.slow_down(link("duanshi"), Duration::from_secs(30));
        let came = |wire: &Wire, at: usize| wire.samples()[at].good.map(|(_, at)| at.as_millis());
        wire.scan(&devices, Duration::ZERO);
        assert_eq!((came(&wire, late), came(&wire, lost), came(&wire, quick)), (None, None, Some(0)));
        assert_eq!(wire.samples()[lost].fault, Some(Reason::CommError));
        wire.scan(&devices, Duration::from_secs(1));
        assert_eq!((came(&wire, late), came(&wire, lost)), (Some(700), None));
        // The meters of the dam are read every second: over a jump too.
        wire.scan(&devices, Duration::from_secs(61));
        assert_eq!((came(&wire, late), came(&wire, quick)), (Some(60_700), Some(61_000)));
    }
}
