//! One gate box and three meters behind a Modbus peer, with the river they make: what the service is tried on.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use qindan::basin::{GateId, MeterId};
use qindan::config::{Config, Schedules};
use qindan::control::command::{Action, CommandId};
use qindan::control::operator::Mode;
use qindan::control::record::Kind;
use qindan::points::{Element, GatePoints, Point, PointId, Role, Table, Wiring};
use qindan::shell::journal::{ACTIONS, Reader, Record};
use tokio::sync::watch;

use crate::device::{Act, Bank, Device, Query, reply};
use crate::fixture;
use crate::running::PATIENCE;

pub(crate) const OUTLET: u16 = 0;
pub(crate) const FORD: u16 = 1;
pub(crate) const LAKE: u16 = 2;
pub(crate) const POSITION: u16 = 3;
pub(crate) const REMOTE: u16 = 4;
pub(crate) const MOVING_OPEN: u16 = 7;
pub(crate) const TARGET: u16 = 20;
pub(crate) const COMMAND: u16 = 21;
pub(crate) const SEQUENCE: u16 = 23;
pub(crate) const ECHO: u16 = 24;
pub(crate) const STOP: u16 = 3;
pub(crate) const GO: u16 = 4;

/// Flow of the fully open valve: 0.8 · π/4 · 0.6² · √(2 · 9.81 · 40) m³/s, for a lake 40 m above the sill.
const FULL_M3S: f64 = 6.336;

/// Registers with their meaning; the status bits are whole registers here.
const REGISTERS: [(u16, Role); 11] = [
    (POSITION, Role::Position),
    (REMOTE, Role::Remote),
    (5, Role::Estop),
    (6, Role::Fault),
    (MOVING_OPEN, Role::MovingOpen),
    (8, Role::MovingShut),
    (TARGET, Role::Target),
    (COMMAND, Role::Command),
    (22, Role::Watchdog),
    (SEQUENCE, Role::Sequence),
    (ECHO, Role::SequenceEcho),
];

/// The small basin with the site's registers, at `device`.
pub(crate) fn config(device: &Device, mode: Mode) -> Config {
    config_at(device.address, mode)
}

pub(crate) fn config_at(address: SocketAddr, mode: Mode) -> Config {
    let mut config = fixture::small();
    let mut field = (*config.field).clone();
    field.links[0].transport = qindan::points::Transport::Tcp(address);
    field.links[0].timeout_s = 0.5;
    let plain = |id: &str, element, role, address| Point {
        id: id.into(),
        table: Table::Holding,
        scale: 1.0,
        address,
        element,
        role,
        ..field.points[0].clone()
    };
    let meter = |id: &str, at: usize, address, offset| Point {
        scale: 0.001,
        offset,
        ..plain(id, Element::Meter(MeterId(at)), Role::Value, address)
    };
    let mut points = vec![
        meter("q.outlet/value", 0, OUTLET, 0.0),
        meter("q.ford/value", 1, FORD, 0.0),
        meter("z.lake/value", 2, LAKE, 700.0),
    ];
    let gate = Element::Gate(GateId(0));
    points.extend(REGISTERS.map(|(address, role)| {
        let scale = if matches!(role, Role::Position | Role::Target) { 0.01 } else { 1.0 };
        let class = fixture::small().field.points[0].class;
        let written_only = matches!(role, Role::Command | Role::Watchdog | Role::Sequence);
        let class = class.filter(|_| !written_only);
        Point { scale, class, ..plain(&format!("v1/{address}"), gate, role, address) }
    }));
    let at = |wanted| points.iter().position(|p| p.role == wanted && p.element == gate).map(PointId);
    let gate = GatePoints {
        position: at(Role::Position),
        target: at(Role::Target),
        command: at(Role::Command),
        watchdog: at(Role::Watchdog),
        sequence: at(Role::Sequence),
        sequence_echo: at(Role::SequenceEcho),
        remote: at(Role::Remote),
        estop: at(Role::Estop),
        moving_open: at(Role::MovingOpen),
        moving_shut: at(Role::MovingShut),
        fault: at(Role::Fault),
        ..GatePoints::default()
    };
    let meters = (0..3).map(|at| Some(PointId(at))).collect();
    field.wiring = Wiring { meters, gates: vec![gate, GatePoints::default()] };
    field.points = points;
    config.field = Arc::new(field);
    config.schedules = Arc::new(Schedules::default());
    config.service.start_mode = mode;
    config
}

/// How the gate of a site moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drive {
    /// It is there at once.
    Quick,
    /// It starts and goes on moving without arriving, until it is stopped.
    Slow,
}

/// A write as the gate box saw it: its sequence, and whether the journal held its intent by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) sequence: u16,
    pub(crate) command: u16,
    pub(crate) target: u16,
    pub(crate) recorded: bool,
}

/// A running site.
pub(crate) struct Site {
    pub(crate) device: Device,
    pub(crate) bank: Arc<Mutex<Bank>>,
    writes: watch::Receiver<Vec<Written>>,
    is_pulled: Arc<AtomicBool>,
}

impl Site {
    /// A site whose valve stands at `percent`; `journal` is looked into at each write.
    pub(crate) async fn start(percent: f64, drive: Drive, journal: &Path) -> Self {
        let bank = Arc::new(Mutex::new(Bank::default()));
        let (seen, writes) = watch::channel(Vec::new());
        {
            let mut bank = bank.lock().unwrap();
            for address in 0..=24 {
                bank.set(1, address, 0);
            }
            bank.set(1, FORD, 1_800);
            bank.set(1, LAKE, 42_000);
            bank.set(1, REMOTE, 1);
            bank.set(1, TARGET, hundredths(percent));
            move_to(&mut bank, hundredths(percent));
        }
        let (registers, journal) = (Arc::clone(&bank), journal.to_path_buf());
        let is_pulled = Arc::new(AtomicBool::new(false));
        let silent = Arc::clone(&is_pulled);
        let behaviour = move |query: &Query| -> Vec<Act> {
            if silent.load(Ordering::SeqCst) {
                return Vec::new();
            }
            let mut bank = registers.lock().unwrap();
            let answer = reply(query, &bank.serve(query));
            if query.writes() {
                let written = obey(&mut bank, drive, &journal);
                seen.send_modify(|writes| writes.push(written));
            }
            vec![answer]
        };
        Self { device: Device::start(behaviour).await, bank, writes, is_pulled }
    }

    /// Pulls its cable: nothing is answered any more.
    pub(crate) fn pull(&self) {
        self.is_pulled.store(true, Ordering::SeqCst);
    }

    pub(crate) fn written(&self) -> Vec<Written> {
        self.writes.borrow().clone()
    }

    /// Waits for so many writes.
    pub(crate) async fn until_written(&self, count: usize) {
        let mut writes = self.writes.clone();
        let seen = writes.wait_for(|writes| writes.len() >= count);
        tokio::time::timeout(PATIENCE, seen).await.expect("a write in time").unwrap();
    }

    pub(crate) fn get(&self, address: u16) -> u16 {
        self.bank.lock().unwrap().get(1, address)
    }

    pub(crate) fn set(&self, address: u16, value: u16) {
        self.bank.lock().unwrap().set(1, address, value);
    }
}

pub(crate) fn hundredths(percent: f64) -> u16 {
    (percent * 100.0).round() as u16
}

pub(crate) fn move_to(bank: &mut Bank, position: u16) {
    bank.set(1, POSITION, position);
    bank.set(1, OUTLET, (FULL_M3S * f64::from(position) / 10_000.0 * 1000.0) as u16);
}

/// What the gate box does after a write.
fn obey(bank: &mut Bank, drive: Drive, journal: &Path) -> Written {
    let [sequence, command, target] = [SEQUENCE, COMMAND, TARGET].map(|address| bank.get(1, address));
    bank.set(1, ECHO, sequence);
    match (command, drive) {
        (GO, Drive::Quick) => move_to(bank, target),
        (GO, Drive::Slow) => bank.set(1, MOVING_OPEN, 1),
        (STOP, _) => bank.set(1, MOVING_OPEN, 0),
        _ => {}
    }
    let recorded = records(journal).iter().any(|record| {
        record.kind == Kind::Intent
            && match record.action {
                Some(Action::Stop) => command == STOP,
                Some(Action::Goto(_)) => {
                    command == GO && record.command.map(CommandId::register) == Some(sequence)
                }
                None => false,
            }
    });
    Written { sequence, command, target, recorded }
}

/// All records of a journal, also beside the service that writes it.
pub(crate) fn records(journal: &Path) -> Vec<Record> {
    let frames = Reader::open(journal, ACTIONS).unwrap().records(0);
    frames.map_while(Result::ok).map(|frame| Record::of(&frame).unwrap()).collect()
}
