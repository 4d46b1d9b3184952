//! The field layer as the service runs it: values decoded, judged, published in the image, frozen and graded each
//! second as by a cycle.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::Name;
use qindan::config;
use qindan::control::grade::Grader;
use qindan::control::quality::{Reading, Reason, Sample};
use qindan::points::{
    ByteOrder, ClassId, DataType, Device, DeviceId, Element, Field, Link, LinkId, Point, Role, ScanClass,
    Table, Transport, Wiring,
};
use qindan::shell::clock::Clock;
use qindan::shell::field::{self, Access, FieldHandle};
use tokio::time::{Instant, sleep_until};

use crate::measure::{COUNT, Figures, STARTS, Stopwatch, Task, WARM_UP, percentiles, rss_kb};

/// Service seconds in a real one when it goes as fast as it can: the shortest period, 10 ms, passes in 10 µs, which
/// is less than a request takes. Every block is always due.
const SPEED: f64 = 1000.0;
/// The shortest period, s.
const PERIOD_LEAST_S: f64 = 0.01;
/// The cycle that freezes and grades, real time.
const TICK: Duration = Duration::from_secs(1);
/// Points of a device: ten floats in its first block, twenty integers in its second.
const POINTS: usize = 30;

fn link(at: usize, task: &Task) -> Link {
    Link {
        id: format!("l{at}"),
        transport: Transport::Tcp(task.address),
        timeout_s: 5.0,
        connect_timeout_s: 5.0,
        window: task.window,
        gap_s: 0.0,
    }
}

pub(crate) fn device(at: usize, link: usize, unit: u8) -> Device {
    let id = format!("d{at}");
    let name = Name { zh: id.clone(), en: id.clone() };
    Device::plain(id, name, LinkId(link), unit)
}

pub(crate) fn point(device: usize, address: u16, data_type: DataType) -> Point {
    let float = data_type == DataType::F32;
    Point {
        id: format!("d{device}/{address}"),
        device: DeviceId(device),
        table: Table::Holding,
        address,
        data_type,
        order: ByteOrder::Abcd,
        bit: 0,
        scale: if float { 1.0 } else { 0.001 },
        offset: 0.0,
        sentinels: if float { Vec::new() } else { vec![65_535.0] },
        min: Some(-10.0),
        max: Some(100.0),
        unit: "m".into(),
        class: Some(ClassId(0)),
        element: Element::None,
        role: Role::Other,
    }
}

fn field(task: &Task) -> Field {
    let period_s = task.period().map_or(PERIOD_LEAST_S, |period| period.as_secs_f64());
    let [floats, integers] = STARTS;
    let mut field = Field {
        links: (0..task.links).map(|at| link(at, task)).collect(),
        devices: Vec::new(),
        points: Vec::new(),
        derived: Vec::new(),
        classes: vec![ScanClass::new("all", period_s)],
        wiring: Wiring::default(),
    };
    for link in 0..task.links {
        for unit in 1..=task.units {
            let at = field.devices.len();
            field.devices.push(device(at, link, unit));
            field.points.extend((0..COUNT / 2).map(|i| point(at, floats + 2 * i, DataType::F32)));
            field.points.extend((0..COUNT).map(|i| point(at, integers + i, DataType::U16)));
        }
    }
    field.points.shrink_to_fit();
    field
}

/// The running field and the half of a cycle that looks at it.
struct Service {
    handle: FieldHandle,
    clock: Clock,
    grader: Grader,
    samples: Vec<Sample>,
    readings: Vec<Reading>,
    next: Instant,
    period: Option<Duration>,
    /// By device: when its newest values came, service time.
    newest: Vec<Duration>,
    late: Vec<Duration>,
}

impl Service {
    /// Freezes and grades each second; notes how late the values of each poll came.
    async fn ticks(&mut self, count: u64) {
        for _ in 0..count {
            sleep_until(self.next).await;
            self.next += TICK;
            self.handle.freeze_into(&mut self.samples);
            let samples = &self.samples;
            self.grader.grade(samples, self.clock.now().mono, &mut self.readings);
            self.handle.feed();
            let Some(period) = self.period else { continue };
            let devices = samples.chunks_exact(POINTS).zip(&mut self.newest).enumerate();
            for (device, (samples, newest)) in devices {
                let came = |sample: &Sample| sample.good.map(|(_, at)| at);
                let at = came(&samples[0]).max(came(&samples[POINTS - 1])).unwrap_or_default();
                if at > *newest {
                    // Each device is due at a time of its own within the period.
                    let due = field::phase(&format!("d{device}"), period);
                    let past_due = (at + period).saturating_sub(due).as_nanos() % period.as_nanos();
                    self.late.push(Duration::from_nanos(u64::try_from(past_due).unwrap()));
                }
                *newest = at;
            }
        }
    }

    /// Replies, faults and skipped scans so far.
    fn counts(&self) -> [u64; 3] {
        self.handle.health().iter().fold([0; 3], |[replies, faults, skipped], link| {
            let c = &link.counters;
            let fault = c.timeouts + c.exceptions + c.stray + c.other_unit + c.mismatches + c.framing;
            [replies + c.replies, faults + fault, skipped + link.skipped()]
        })
    }
}

pub(crate) async fn run(task: Task) -> Figures {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let basin = config::load(&folder).unwrap().basin;
    let field = Arc::new(field(&task));
    let mut grader = Grader::new(&basin, &field);
    let mut readings = Vec::new();
    // What a cycle keeps: a frozen sample and a reading of each point.
    let never = Sample { good: None, fault: Some(Reason::NeverRead) };
    let samples = vec![never; field.points.len()];
    grader.grade(&samples, Duration::ZERO, &mut readings);
    let rss_before_kb = rss_kb();

    let clock = match task.period_ms {
        Some(_) => Clock::real(),
        None => Clock::scaled(SPEED, Timestamp::UNIX_EPOCH),
    };
    // Late in a period, when the last of its values have come.
    let next = Instant::now() + TICK * 9 / 10;
    let handle = field::start(Arc::clone(&field), clock.clone(), Access::Command);
    let newest = vec![Duration::ZERO; field.devices.len()];
    let late = Vec::new();
    let mut service =
        Service { handle, clock, grader, samples, readings, next, period: task.period(), newest, late };
    service.ticks(WARM_UP.as_secs()).await;
    service.late.clear();

    let before = service.counts();
    let watch = Stopwatch::start();
    service.ticks(task.seconds).await;
    let (seconds, cpu_s) = watch.stop();
    let after = service.counts();
    let rss_kb = rss_kb();

    let unread = service.handle.freeze().iter().filter(|sample| sample.fault.is_some()).count();
    let [replies, faults, skipped] = std::array::from_fn(|i| after[i] - before[i]);
    let (late_p50_ms, late_p99_ms) = percentiles(service.late);
    Figures {
        polls: replies / 2,
        seconds,
        cpu_s,
        rss_before_kb,
        rss_kb,
        late_p50_ms,
        late_p99_ms,
        // Going as fast as it can it skips nearly all of a period of 10 µs, which says nothing.
        skipped: if task.period_ms.is_some() { skipped } else { 0 },
        errors: faults + unread as u64,
    }
}
