//! The same loop twice: in virtual time as `replay` has it, and by a client on real Modbus sockets that lets the river go
//! on when it is ready. Both give the same commands at register resolution.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use qindan::control::command::{Action, NotSent, WriteReport, WriteResult};
use qindan::control::interlock::Cleared;
use qindan::control::quality::{Reason, Sample};
use qindan::control::{Controller, Now, Settings, Snapshot};
use qindan::points::{DeviceId, Field, PointId, Table};
use qindan::shell::field::WriteOrder;
use qindan::shell::field::plan::{Block, plans};
use qindan::shell::field::words::{Words, judge};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use simulators::live::Live;
use simulators::run::Run;
use simulators::scenario::{Agenda, Case};
use simulators::serve::{Bind, Serving, http};
use simulators::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_modbus::client::{Context, tcp};
use tokio_modbus::prelude::{Client as _, Reader as _, Slave, SlaveContext as _, Writer as _};
use tokio_modbus::{ExceptionCode, Response};

/// Ticks at full rate after the last movement, as `replay` has them.
const LINGER: Duration = Duration::from_secs(5);

/// The day of the trip of `may_dry`: the pump begins at 06:00, the unit trips at 15:20 and is reset at 22:30.
fn trip() -> Case {
    let story = std::fs::read_to_string(simulators::scenario::file("may_dry").unwrap()).unwrap();
    let changed = [
        ("start = 2026-05-11T00:00:00", "start = 2026-05-14T00:00:00"),
        ("duration = \"9d\"", "duration = \"1d\""),
        ("spin_up = \"2d\"", "spin_up = \"1h\""),
    ];
    let story = changed.iter().fold(story, |story, (from, to)| {
        assert!(story.contains(from), "may_dry has no {from}");
        story.replace(from, to)
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trip.toml");
    std::fs::write(&file, story).unwrap();
    let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config");
    simulators::replay::load(&file.display().to_string(), Some(&config), &[]).unwrap()
}

/// A control loop that knows the river by its sockets alone.
struct Loop {
    case: Case,
    field: Arc<Field>,
    control: SocketAddr,
    links: Vec<Context>,
    /// By link: blocks and when they are due.
    scans: Vec<Vec<(Block, Duration)>>,
    samples: Vec<Sample>,
    /// Watchdog registers, with the last value written.
    dogs: Vec<(DeviceId, u16, u16)>,
    controller: Controller,
    now: Duration,
    lively_until: Duration,
    reports: Vec<WriteReport>,
    digest: Sha256,
    commands: usize,
    reads: usize,
}

impl Loop {
    async fn new(case: Case, field: Field, control: SocketAddr) -> Self {
        let mut links = Vec::new();
        for link in &field.links {
            links.push(tcp::connect(link.transport.address().unwrap()).await.unwrap());
        }
        let mut scans: Vec<Vec<_>> = links.iter().map(|_| Vec::new()).collect();
        for block in plans(&field).into_iter().flat_map(|plan| plan.blocks) {
            scans[field.devices[block.device.0].link.0].push((block, Duration::ZERO));
        }
        let mut dogs = Vec::new();
        for id in field.wiring.gates.iter().filter_map(|gate| gate.watchdog) {
            let point = &field.points[id.0];
            let watched = field.devices[point.device.0].watchdog_s.is_some();
            if watched && point.table == Table::Holding {
                dogs.push((point.device, point.address, 0));
            }
        }
        let settings = Settings { observing: false, bench: true };
        let start = case.scenario.start;
        Self {
            controller: Controller::new(&case.config, settings, None, start),
            samples: vec![Sample { good: None, fault: Some(Reason::NeverRead) }; field.points.len()],
            field: Arc::new(field),
            case,
            control,
            links,
            scans,
            dogs,
            now: Duration::ZERO,
            lively_until: Duration::ZERO,
            reports: Vec::new(),
            digest: Sha256::new(),
            commands: 0,
            reads: 0,
        }
    }

    /// Until `end` after the start.
    async fn until(&mut self, end: Duration) {
        self.tick(Duration::ZERO).await;
        while self.now < end {
            let next = self.due().min(end);
            self.tick(next).await;
        }
    }

    /// Every second while something moves, else at the next control cycle or happening.
    fn due(&self) -> Duration {
        let tick = Duration::from_secs_f64(self.case.config.basin.control.tick_s);
        if self.now < self.lively_until {
            return self.now + tick;
        }
        let cycle = Duration::from_secs_f64(self.case.config.basin.control.cycle_s);
        let next_cycle = cycle * (self.now.as_nanos() / cycle.as_nanos() + 1) as u32;
        let happening = self.case.scenario.happenings.iter().map(|happening| happening.at);
        let next = happening.filter(|at| *at > self.now).min();
        next.map_or(next_cycle, |at| at.max(self.now + tick).min(next_cycle))
    }

    async fn tick(&mut self, next: Duration) {
        let ms = next.saturating_sub(self.now).as_millis() as u64;
        let there = advance(self.control, ms).await;
        if ms > 0 {
            self.feed().await;
        }
        self.now = next;
        assert_eq!(there["elapsed_ms"], json!(next.as_millis() as u64));
        let utc: Timestamp = there["utc"].as_str().unwrap().parse().unwrap();
        self.read().await;
        let seen = Snapshot {
            samples: self.samples.clone(),
            writes: std::mem::take(&mut self.reports),
            record_ok: true,
            ..Snapshot::default()
        };
        let decision = self.controller.decide(&seen, Now { mono: next, utc });
        for cleared in &decision.commands {
            self.send(cleared).await;
        }
        let restless = there["restless"].as_bool().unwrap();
        if self.controller.is_busy() || restless || !decision.commands.is_empty() {
            self.lively_until = next + LINGER;
        }
    }

    async fn feed(&mut self) {
        for at in 0..self.dogs.len() {
            let (device, address, last) = self.dogs[at];
            let value = last.wrapping_add(1);
            self.dogs[at].2 = value;
            self.unit(device).write_single_register(address, value).await.unwrap().unwrap();
        }
    }

    fn unit(&mut self, device: DeviceId) -> &mut Context {
        let device = &self.field.devices[device.0];
        let link = &mut self.links[device.link.0];
        link.set_slave(Slave(device.unit));
        link
    }

    /// Reads what is due, the links side by side.
    async fn read(&mut self) {
        let (now, field) = (self.now, &self.field);
        let lines = self.links.iter_mut().zip(&mut self.scans).map(|(link, scans)| async move {
            let mut found: Vec<(PointId, Result<f64, Reason>)> = Vec::new();
            let mut reads = 0;
            for (block, due) in scans.iter_mut().filter(|(_, due)| *due <= now) {
                let period = block.period(field);
                let behind = now.saturating_sub(*due).as_nanos() / period.as_nanos();
                *due += period * (behind as u32 + 1);
                link.set_slave(Slave(block.unit));
                reads += 1;
                let answer = link.call(block.request()).await.unwrap();
                found.extend(block.points.iter().map(|id| (*id, value(block, field, *id, &answer))));
            }
            (found, reads)
        });
        for (found, reads) in join_all(lines).await {
            self.reads += reads;
            for (id, value) in found {
                match value {
                    Ok(value) => self.samples[id.0] = Sample { good: Some((value, now)), fault: None },
                    Err(reason) => self.samples[id.0].fault = Some(reason),
                }
            }
        }
    }

    async fn send(&mut self, cleared: &Cleared) {
        let field = Arc::clone(&self.field);
        let order = WriteOrder::from_cleared(cleared, &self.case.config.basin).unwrap();
        let watchdog = field.wiring.gates[order.gate().0].watchdog.map(|id| {
            let at = (field.points[id.0].device, field.points[id.0].address);
            let dog = self.dogs.iter_mut().find(|dog| (dog.0, dog.1) == at);
            dog.map_or(1, |dog| {
                dog.2 = dog.2.wrapping_add(1);
                dog.2
            })
        });
        let words = Words::of(&field, &order, watchdog).unwrap();
        let point = &field.points[words.told_by.0];
        let count = point.data_type.registers();
        let before = self.unit(point.device).read_holding_registers(point.address, count).await.unwrap();
        let result = if before == Err(ExceptionCode::GatewayTargetDevice) {
            WriteResult::NotSent(NotSent::LinkDown)
        } else {
            for run in &words.runs {
                let unit = self.unit(run.device);
                unit.write_multiple_registers(run.address, &run.words).await.unwrap().unwrap();
            }
            let after = self.unit(point.device).read_holding_registers(point.address, count).await.unwrap();
            judge(point, &after.unwrap(), &words.ours, before.ok().as_deref())
        };
        self.reports.push(WriteReport { command: cleared.id(), gate: cleared.gate(), result, at: self.now });
        // As in the digest of a replay: time, gate, kind, words.
        self.commands += 1;
        self.digest.update(self.now.as_millis().to_be_bytes());
        self.digest.update(self.case.config.basin.gates[cleared.gate().0].id.as_bytes());
        self.digest.update([
            0,
            match cleared.action() {
                Action::Stop => 3,
                Action::Goto(_) => 4,
            },
        ]);
        for word in &words.ours {
            self.digest.update(word.to_be_bytes());
        }
    }
}

fn value(
    block: &Block,
    field: &Field,
    id: PointId,
    answer: &Result<Response, ExceptionCode>,
) -> Result<f64, Reason> {
    match answer {
        Ok(reply) => block.value(&field.points[id.0], reply),
        Err(ExceptionCode::GatewayTargetDevice) => Err(Reason::CommError),
        Err(ExceptionCode::IllegalDataAddress | ExceptionCode::IllegalDataValue) => Err(Reason::ConfigError),
        Err(code) => Err(Reason::Exception((*code).into())),
    }
}

/// Lets the river go on by `ms`.
async fn advance(control: SocketAddr, ms: u64) -> Value {
    let body = json!({ "ms": ms }).to_string();
    let mut stream = TcpStream::connect(control).await.unwrap();
    let request = format!(
        "POST /advance HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

#[tokio::test]
async fn the_loop_over_sockets_decides_what_the_replay_decides() {
    let case = trip();
    let (seed, end) = (case.scenario.seed, case.scenario.duration);
    let mut replay = Run::new(case.clone(), seed);
    replay.until(end, |_, _| {});

    let forcing = case.forcing(Duration::ZERO);
    let world = Arc::new(Mutex::new(World::new(&case.config, seed, case.scenario.start, &forcing)));
    let serving = Serving::start(&case.config.field, &world, Bind::FreePorts).await.unwrap();
    let live = Arc::new(Mutex::new(Live::new(
        case.clone(),
        Arc::clone(&world),
        Agenda::new(&case.scenario),
        Duration::ZERO,
    )));
    let any = "127.0.0.1:0".parse().unwrap();
    let (control, _task) = http::start(&case.config, world, Some(live), any).await.unwrap();
    let mut over = Loop::new(case, serving.field().clone(), control).await;
    over.until(end).await;

    // The trip alone takes the valve, and later back the unit: a loop that sees nothing sends nothing.
    assert!(over.commands >= 4, "{} commands", over.commands);
    assert_eq!(over.commands, replay.given().len());
    assert_eq!(simulators::run::hex(&over.digest.finalize()), replay.digest(), "{} reads", over.reads);
}
