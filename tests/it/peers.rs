//! Independent peers: servers made with libmodbus and pymodbus answer our master, mbpoll asks our simulator.
//!
//! A peer that is missing fails its test and says what to install; `ops/test` installs all of them.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use qindan::config;
use qindan::control::command::{Action, WriteResult};
use qindan::points::{Field, Point, Role, Table, Transport};
use qindan::shell::clock::Clock;
use qindan::shell::field::engine::{Endpoint, Engine};
use qindan::shell::field::error::FieldError;
use qindan::shell::field::{self, Access};
use qindan::units::Opening;
use simulators::plant::Forcing;
use simulators::serve::{Bind, Serving};
use simulators::world::{SharedWorld, World};
use tokio_modbus::{Request, Response};

use crate::engine::endpoint_at;
use crate::modbus::{TARGET, boxes_at, order_numbered, until};

pub(crate) const UNIT: u8 = 1;
/// In place of an address that is not used.
pub(crate) const ANYWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
/// Items in each table of the servers.
const SIZE: u16 = 3000;
/// Time a peer may take for a reply: it starts up on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A server of somebody else's, ended with the test.
pub(crate) struct Peer {
    child: Child,
    /// Its port, or the path it serves.
    place: String,
}

impl Peer {
    /// Starts a server that says "ready PLACE" when it listens.
    pub(crate) fn start(mut command: Command, remedy: &str) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}; {remedy}"));
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let place = said.find_map(|line| Some(line.strip_prefix("ready ")?.trim().to_owned()));
        let Some(place) = place else {
            let _ = child.kill();
            let output = child.wait_with_output().unwrap();
            panic!("{command:?} did not start: {}; {remedy}", String::from_utf8_lossy(&output.stderr));
        };
        Self { child, place }
    }

    /// Where one with a port listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.place.parse().unwrap()))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// A server in C on libmodbus, compiled here, once: a program that runs cannot be written over.
pub(crate) fn libmodbus(how: &[&str]) -> Peer {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    const REMEDY: &str = "install a C compiler and the Debian package libmodbus-dev, or run ops/test once";
    let program = MADE.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libmodbus_server");
        let mut cc = Command::new("cc");
        cc.args(["-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-o"]);
        cc.arg(&program).arg(sources().join("libmodbus_server.c")).arg("-lmodbus");
        let made = cc.output().unwrap_or_else(|error| panic!("{cc:?}: {error}; {REMEDY}"));
        assert!(made.status.success(), "{}\n{REMEDY}", String::from_utf8_lossy(&made.stderr));
        program
    });
    let mut command = Command::new(program);
    command.args(how);
    Peer::start(command, REMEDY)
}

/// A server in Python on pymodbus, from the environment that `ops/test` makes below `target`.
pub(crate) fn pymodbus(how: &[&str]) -> Peer {
    python("pymodbus_server.py", how)
}

pub(crate) fn python(script: &str, how: &[&str]) -> Peer {
    const REMEDY: &str = "run ops/test once, or: python3 -m venv target/peers && target/peers/bin/pip install \
                          'pymodbus[serial]==3.16.1'";
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../peers/bin/python");
    let mut command = Command::new(python);
    command.arg(sources().join(script)).args(how);
    Peer::start(command, REMEDY)
}

async fn connected(address: SocketAddr) -> Engine {
    connected_by(Transport::Tcp(address)).await
}

pub(crate) async fn connected_by(transport: Transport) -> Engine {
    let endpoint = Endpoint { timeout: PATIENCE, transport, ..endpoint_at(ANYWHERE) };
    let mut engine = Engine::new(endpoint, Clock::real());
    engine.connect().await.unwrap();
    engine
}

pub(crate) async fn holding(engine: &mut Engine, unit: u8, address: u16, count: u16) -> Vec<u16> {
    match engine.request(unit, &Request::ReadHoldingRegisters(address, count)).await {
        Ok(Response::ReadHoldingRegisters(words)) => words,
        other => panic!("{address}, {count}: {other:?}"),
    }
}

async fn coils(engine: &mut Engine, address: u16, count: u16) -> Vec<bool> {
    match engine.request(UNIT, &Request::ReadCoils(address, count)).await {
        Ok(Response::ReadCoils(mut bits)) => {
            bits.truncate(count.into());
            bits
        }
        other => panic!("{address}, {count}: {other:?}"),
    }
}

/// All tables, the smallest and the largest reads.
async fn reads_all_tables(engine: &mut Engine) {
    for (address, count) in [(0, 1), (7, 3), (100, 125), (SIZE - 1, 1), (SIZE - 125, 125)] {
        let words = (address..address + count).collect::<Vec<_>>();
        assert_eq!(holding(engine, UNIT, address, count).await, words);
        let answer = engine.request(UNIT, &Request::ReadInputRegisters(address, count)).await;
        let words = words.iter().map(|word| 10_000 + word).collect::<Vec<_>>();
        assert!(matches!(&answer, Ok(Response::ReadInputRegisters(came)) if *came == words), "{answer:?}");
    }
    for (address, count) in [(0, 1), (7, 3), (1, 16), (13, 19), (0, 2000), (SIZE - 2000, 2000)] {
        let every = |n: u16| (address..address + count).map(|at| at % n == 0).collect::<Vec<_>>();
        assert_eq!(coils(engine, address, count).await, every(3));
        let answer = engine.request(UNIT, &Request::ReadDiscreteInputs(address, count)).await;
        let Ok(Response::ReadDiscreteInputs(bits)) = answer else { panic!("{answer:?}") };
        assert_eq!(bits[..count.into()], every(5));
    }
}

/// Every function that writes, each read back.
async fn writes_and_reads_back(engine: &mut Engine) {
    let many = (0..123).map(|at| 40_000 + at).collect::<Vec<u16>>();
    let flags = (0..1968).map(|at| at % 7 < 3).collect::<Vec<_>>();
    let writes = [
        Request::WriteSingleRegister(200, 0xBEEF),
        Request::WriteMultipleRegisters(300, many.as_slice().into()),
        Request::WriteSingleCoil(7, true),
        Request::WriteSingleCoil(9, false),
        Request::WriteMultipleCoils(1000, flags.as_slice().into()),
        // The example of the specification: 0x12 becomes 0x17.
        Request::WriteSingleRegister(4, 0x12),
        Request::MaskWriteRegister(4, 0xF2, 0x25),
    ];
    for write in writes {
        let answer = engine.request(UNIT, &write).await;
        assert!(answer.is_ok(), "{write:?}: {answer:?}");
    }
    assert_eq!(holding(engine, UNIT, 199, 3).await, [199, 0xBEEF, 201]);
    assert_eq!(holding(engine, UNIT, 300, 123).await, many);
    assert_eq!(holding(engine, UNIT, 423, 1).await, [423]);
    assert_eq!(coils(engine, 6, 4).await, [true, true, false, false]);
    assert_eq!(coils(engine, 1000, 1968).await, flags);
    assert_eq!(holding(engine, UNIT, 4, 1).await, [0x17]);
    // It writes before it reads.
    let both = [1_u16, 2];
    let request = Request::ReadWriteMultipleRegisters(500, 3, 501, both.as_slice().into());
    let answer = engine.request(UNIT, &request).await;
    assert!(
        matches!(&answer, Ok(Response::ReadWriteMultipleRegisters(words)) if words == &[500, 1, 2]),
        "{answer:?}"
    );
}

/// Exceptions arrive as what they are, and the connection goes on.
async fn is_refused_beyond_the_tables(engine: &mut Engine) {
    let beyond = [
        Request::ReadHoldingRegisters(SIZE, 1),
        Request::ReadInputRegisters(SIZE - 1, 2),
        Request::ReadCoils(60_000, 8),
        Request::WriteSingleRegister(SIZE, 1),
    ];
    for request in beyond {
        let answer = engine.request(UNIT, &request).await;
        assert!(matches!(answer, Err(FieldError::Refused { code: 2, .. })), "{request:?}: {answer:?}");
    }
    assert_eq!(holding(engine, UNIT, 42, 1).await, [42]);
}

/// A gate box as the task of a link sees it, behind `transport`.
pub(crate) fn box_behind(transport: Transport) -> Field {
    let mut field = boxes_at(ANYWHERE, 1);
    field.links[0].transport = transport;
    field.links[0].timeout_s = PATIENCE.as_secs_f64();
    // These servers hold registers and nothing that takes up a sequence.
    field.wiring.gates[0].sequence_echo = None;
    field
}

/// The task of a link: scans, one command, one write, read back.
async fn carries_out_a_command(transport: &Transport) {
    let handle = field::start(Arc::new(box_behind(transport.clone())), Clock::real(), Access::Command);
    until(&handle, |handle| handle.freeze()[0].good).await;
    let action = Action::Goto(Opening::from_fraction(0.5).unwrap());
    handle.send(order_numbered(9, action, Duration::from_secs(100_000)));
    let report = until(&handle, |handle| handle.take_reports().first().copied()).await;
    assert_eq!(report.result, WriteResult::Accepted);
    // The counters are shown a moment after the report.
    until(&handle, |handle| (handle.health()[0].counters.writes == 1).then_some(())).await;
    handle.shutdown().await;
    // Half of 600 mm, the command word, any watchdog value, the number of the command.
    let words = holding(&mut connected_by(transport.clone()).await, UNIT, TARGET, 4).await;
    assert_eq!((words[0], words[1], words[3]), (300, 4, 9));
}

/// Everything that both servers do, on one connection without a fault.
pub(crate) async fn talks_with(transport: Transport) {
    let mut engine = connected_by(transport.clone()).await;
    reads_all_tables(&mut engine).await;
    is_refused_beyond_the_tables(&mut engine).await;
    writes_and_reads_back(&mut engine).await;
    let counters = engine.counters();
    assert_eq!((counters.timeouts, counters.framing, counters.mismatches, counters.stray), (0, 0, 0, 0));
    assert_eq!((counters.garbled, counters.late, counters.canaries), (0, 0, 0));
    assert_eq!((counters.exceptions, counters.connects), (4, 1));
    drop(engine);
    carries_out_a_command(&transport).await;
}

/// What a function nobody has comes to. Not on a line: neither server finds the end of such a frame there.
async fn unknown_function(address: SocketAddr) -> Result<Response, FieldError> {
    let mut engine = connected(address).await;
    engine.request(UNIT, &Request::Custom(0x41, [0_u8].as_slice().into())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn our_master_talks_with_a_server_on_libmodbus() {
    let peer = libmodbus(&["tcp"]);
    talks_with(Transport::Tcp(peer.address())).await;
    let unknown = unknown_function(peer.address()).await;
    assert!(matches!(unknown, Err(FieldError::Refused { code: 1, .. })), "{unknown:?}");
}

/// Its exception to an unknown function is one of function 0, which ends the connection as any contradiction does.
#[tokio::test(flavor = "multi_thread")]
async fn our_master_talks_with_a_server_on_pymodbus() {
    let peer = pymodbus(&["tcp"]);
    talks_with(Transport::Tcp(peer.address())).await;
    let unknown = unknown_function(peer.address()).await;
    assert!(matches!(unknown, Err(FieldError::Broken { .. })), "{unknown:?}");
}

/// Runs mbpoll once against a unit; registers by their address, what it prints, and whether it was content.
fn mbpoll(address: SocketAddr, unit: u8, more: &[&str], values: &[&str]) -> (Vec<(u16, u16)>, String, bool) {
    let port = address.port().to_string();
    mbpoll_by(&["-m", "tcp", "-p", &port], &address.ip().to_string(), unit, more, values)
}

pub(crate) fn mbpoll_by(
    way: &[&str],
    place: &str,
    unit: u8,
    more: &[&str],
    values: &[&str],
) -> (Vec<(u16, u16)>, String, bool) {
    let mut command = Command::new("mbpoll");
    command.args(way).args(["-0", "-1", "-a", &unit.to_string()]);
    command.args(more).arg(place).args(values).stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; install the Debian package mbpoll, or run ops/test once")
    });
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // "[20]: 	65535 (-1)"
    let rows = text.lines().filter_map(|line| {
        let (address, value) = line.strip_prefix('[')?.split_once("]:")?;
        Some((address.parse().ok()?, value.split_whitespace().next()?.parse().ok()?))
    });
    (rows.collect(), text.clone(), output.status.success())
}

/// What `qindan-sim serve` serves: the shipped configuration, here on free ports.
pub(crate) struct Simulator {
    pub(crate) config: config::Config,
    pub(crate) world: SharedWorld,
    pub(crate) serving: Serving,
    /// The set-point of a gate.
    pub(crate) target: Point,
}

impl Simulator {
    pub(crate) async fn start() -> Self {
        let config = config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config")).unwrap();
        let start: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
        let world = Arc::new(Mutex::new(World::new(&config, 1, start, &Forcing::dry(&config.basin, 5))));
        let serving = Serving::start(&config.field, &world, Bind::FreePorts).await.unwrap();
        let gate = config.basin.gate("zf.eco.v1").unwrap();
        let target = config.field.points[config.field.wiring.gates[gate.0].target.unwrap().0].clone();
        Self { config, world, serving, target }
    }

    /// Where a point is: address of its link, unit, name of its link.
    pub(crate) fn place(&self, point: &Point) -> (SocketAddr, u8, &str) {
        let field = self.serving.field();
        let device = &field.devices[point.device.0];
        let link = &field.links[device.link.0];
        (link.transport.address().unwrap(), device.unit, &link.id)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mbpoll_reads_and_writes_our_simulator() {
    let simulator = Simulator::start().await;
    let (field, target) = (simulator.serving.field(), &simulator.target);

    // Flow, status and set-point of a gate box: both masters see the same.
    let (address, unit, _) = simulator.place(target);
    let mut engine = connected(address).await;
    for (first, count) in [(4, 2), (11, 1), (20, 5)] {
        let ours = holding(&mut engine, unit, first, count).await;
        let (at, many) = (first.to_string(), count.to_string());
        let (theirs, text, content) = mbpoll(address, unit, &["-t", "4", "-r", &at, "-c", &many], &[]);
        assert!(content, "{text}");
        assert_eq!(theirs, (first..).zip(ours).collect::<Vec<_>>(), "{text}");
    }

    // One register, then two, written by mbpoll and read by us.
    let at = target.address.to_string();
    let (_, text, content) = mbpoll(address, unit, &["-t", "4", "-r", &at], &["321"]);
    assert!(content, "{text}");
    assert_eq!(holding(&mut engine, unit, target.address, 1).await, [321]);
    let (_, text, content) = mbpoll(address, unit, &["-t", "4", "-r", &at], &["123", "4"]);
    assert!(content, "{text}");
    assert_eq!(holding(&mut engine, unit, target.address, 1).await, [123]);

    // Refusals have their names.
    let (_, text, content) = mbpoll(address, unit, &["-t", "4", "-r", "60000"], &[]);
    assert!(!content && text.contains("Illegal data address"), "{text}");
    let (_, text, content) = mbpoll(address, 247, &["-t", "4", "-r", "0"], &[]);
    assert!(!content && text.contains("Target device failed to respond"), "{text}");

    // A meter, wherever its value stands.
    let meter = field.points.iter().find(|point| point.role == Role::Value && point.table == Table::Input);
    if let Some(meter) = meter {
        let (address, unit, _) = simulator.place(meter);
        let at = meter.address.to_string();
        let (theirs, text, content) = mbpoll(address, unit, &["-t", "3", "-r", &at, "-c", "2"], &[]);
        assert!(content && theirs.len() == 2, "{text}");
    }
}
