//! RTU on real terminals: socat joins a pair of them, our master opens one end as a serial port, a server on libmodbus
//! or pymodbus has the other.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use qindan::control::command::{NotSent, WriteResult};
use qindan::points::{Field, Parity, SerialLine, Transport};
use qindan::shell::clock::Clock;
use qindan::shell::field::engine::{Endpoint, Engine};
use qindan::shell::field::error::FieldError;
use qindan::shell::field::health::LinkState;
use qindan::shell::field::{self, Access, FieldHandle};
use rustix::process::{Pid, Signal, kill_process};

use tokio_modbus::{Request, Response};

use crate::engine::endpoint_at;
use crate::modbus::{first_report, half, link, order, until, value};
use crate::peers::{
    ANYWHERE, PATIENCE, Simulator, UNIT, box_behind, connected_by, holding, libmodbus, pymodbus, talks_with,
};

/// Two terminals joined by socat: what is written to one is read from the other.
struct Cable {
    socat: Child,
    folder: Arc<tempfile::TempDir>,
    /// Our end, held open: socat ends with the last who closes it, which an adapter does not.
    _held: File,
}

impl Cable {
    fn new() -> Self {
        Self::within(Arc::new(tempfile::tempdir().unwrap()))
    }

    fn within(folder: Arc<tempfile::TempDir>) -> Self {
        let end = |name: &str| format!("pty,raw,echo=0,link={}", folder.path().join(name).display());
        let mut command = Command::new("socat");
        command.args(["-d", "-d", &end("near"), &end("far")]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut socat = command.spawn().unwrap_or_else(|error| {
            panic!("{command:?}: {error}; install the Debian package socat, or run ops/test once")
        });
        let mut lines = BufReader::new(socat.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("starting data transfer loop")), "socat did not start");
        // What it says later is read, so that it is never held up.
        std::thread::spawn(move || lines.for_each(drop));
        let held = File::options().read(true).write(true).open(folder.path().join("near")).unwrap();
        Self { socat, folder, _held: held }
    }

    /// Our end: a serial port as far as the master knows.
    fn port(&self) -> Transport {
        let path = self.folder.path().join("near").to_str().unwrap().to_owned();
        let line = SerialLine { parity: Parity::None, stop_bits: 2, ..SerialLine::default() };
        Transport::Rtu { path, line }
    }

    fn far(&self) -> PathBuf {
        self.folder.path().join("far")
    }

    /// As an adapter that is pulled out: both ends hang up, the name stays and leads nowhere.
    fn pull(mut self) -> Arc<tempfile::TempDir> {
        self.socat.kill().unwrap();
        self.socat.wait().unwrap();
        Arc::clone(&self.folder)
    }

    /// Nothing goes through any more, and nobody hangs up.
    async fn stop(&self) {
        kill_process(Pid::from_child(&self.socat), Signal::STOP).unwrap();
        let state = format!("/proc/{}/stat", self.socat.id());
        let stopped = async {
            // "PID (socat) T ..."
            while !std::fs::read_to_string(&state).unwrap().contains(") T ") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, stopped).await.expect("socat stops");
    }

    fn go_on(&self) {
        kill_process(Pid::from_child(&self.socat), Signal::CONT).unwrap();
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let _ = self.socat.kill();
        let _ = self.socat.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_master_talks_over_a_terminal_with_libmodbus() {
    let cable = Cable::new();
    let _peer = libmodbus(&["rtu", cable.far().to_str().unwrap()]);
    talks_with(cable.port()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_master_talks_over_a_terminal_with_pymodbus() {
    let cable = Cable::new();
    let _peer = pymodbus(&["rtu", cable.far().to_str().unwrap()]);
    talks_with(cable.port()).await;
}

/// A link over the port with a response time-out of 0.2 s.
fn quick(port: Transport) -> Field {
    let mut field = box_behind(port);
    field.links[0].timeout_s = 0.2;
    field
}

fn started(port: Transport) -> FieldHandle {
    field::start(Arc::new(quick(port)), Clock::real(), Access::Command)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_pulled_out_is_told_and_found_again() {
    let mut cable = Cable::new();
    let mut peer = libmodbus(&["rtu", cable.far().to_str().unwrap()]);
    let handle = started(cable.port());
    for _ in 0..3 {
        until(&handle, |handle| value(handle, 0)).await;
        until(&handle, |handle| (link(handle).state == LinkState::Up).then_some(())).await;
        let Transport::Rtu { path, .. } = cable.port() else { unreachable!() };

        let folder = cable.pull();
        let down = until(&handle, |handle| Some(link(handle)).filter(|it| it.state == LinkState::Down)).await;
        let error = down.last_error.unwrap();
        assert!(error.contains(&path), "the port is named: {error}");
        assert_eq!(value(&handle, 0), None);
        handle.send(order(half()));
        assert_eq!(first_report(&handle).await, WriteResult::NotSent(NotSent::LinkDown));

        drop(peer);
        cable = Cable::within(folder);
        peer = libmodbus(&["rtu", cable.far().to_str().unwrap()]);
    }
    until(&handle, |handle| value(handle, 0)).await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::Accepted);
    until(&handle, |handle| (link(handle).counters.writes == 1).then_some(())).await;
    drop(peer);
}

/// An engine on the port that waits for `timeout`, at a speed that makes long frames short.
fn impatient(cable: &Cable, timeout: Duration) -> Engine {
    let Transport::Rtu { path, line } = cable.port() else { unreachable!() };
    let transport = Transport::Rtu { path, line: SerialLine { baud: 460_800, ..line } };
    let endpoint = Endpoint { transport, timeout, ..endpoint_at(ANYWHERE) };
    Engine::new(endpoint, Clock::real())
}

/// Reads four registers each from many places; gives how many reads failed.
async fn reads_nothing_wrong(engine: &mut Engine) -> usize {
    let mut failed = 0;
    for at in (0..50).map(|number| 1000 + 10 * number) {
        if !engine.is_connected() {
            engine.connect().await.unwrap();
        }
        match engine.request(UNIT, &Request::ReadHoldingRegisters(at, 4)).await {
            Ok(Response::ReadHoldingRegisters(words)) => assert_eq!(words, [at, at + 1, at + 2, at + 3]),
            Ok(other) => panic!("{other:?}"),
            Err(_) => failed += 1,
        }
    }
    failed
}

/// The adapter holds everything back for a while, then lets it through: requests given up, and then their replies.
#[tokio::test(flavor = "multi_thread")]
async fn replies_held_back_by_the_adapter_are_taken_for_no_others() {
    let cable = Cable::new();
    let _peer = libmodbus(&["rtu", cable.far().to_str().unwrap()]);
    let mut engine = impatient(&cable, Duration::from_millis(400));
    engine.connect().await.unwrap();
    for round in 0..2_u16 {
        cable.stop().await;
        for at in 0..4 {
            let lost = engine.request(UNIT, &Request::ReadHoldingRegisters(100 * round + at, 4)).await;
            assert!(matches!(lost, Err(FieldError::Silent { .. })), "{lost:?}");
        }
        cable.go_on();
        let failed = reads_nothing_wrong(&mut engine).await;
        println!("round {round}: {failed} of 50 failed, {:?}", engine.counters());
        assert!(failed <= 3, "{failed}");
    }
}

/// Nobody takes what is written. Each request ends in its time, and what was given up leaves the port no more: of two
/// hundred writes only those come later that had left it at once, for the 4096 bytes a terminal holds for its reader.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_nobody_reads_is_told_in_time_and_keeps_no_old_commands() {
    const WRITES: u16 = 200;
    let cable = Cable::new();
    let _peer = libmodbus(&["rtu", cable.far().to_str().unwrap()]);
    let mut engine = impatient(&cable, Duration::from_millis(5));
    engine.connect().await.unwrap();
    cable.stop().await;
    let clock = Clock::real();
    for number in 0..WRITES {
        if !engine.is_connected() {
            engine.connect().await.unwrap();
        }
        let words = [number; 123];
        let write = Request::WriteMultipleRegisters(300, words.as_slice().into());
        let since = clock.mark();
        let answer = engine.request(UNIT, &write).await;
        let took = since.elapsed();
        assert!(answer.is_err(), "{answer:?}");
        // Two silences, the request and the reply: 10 ms and less than 10 ms of wire. The rest is for a busy machine.
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    drop(engine);
    cable.go_on();
    // The last of them was cut, and libmodbus waits half a second for its rest.
    let mut engine = impatient(&cable, Duration::from_millis(700));
    let failed = reads_nothing_wrong(&mut engine).await;
    let newest = holding(&mut engine, UNIT, 300, 1).await[0];
    println!("{failed} of 50 failed, write {newest} of {WRITES} was the last to arrive");
    assert!(failed <= 3, "{failed}");
    assert!(newest < 40 || newest == 300, "{newest}");
}

/// `qindan-sim serve --pty`: mbpoll and our master read over the line what is read over TCP, and their writes arrive.
#[tokio::test(flavor = "multi_thread")]
async fn mbpoll_reads_and_writes_our_simulator_over_a_terminal() {
    let mut simulator = Simulator::start().await;
    let folder = tempfile::tempdir().unwrap();
    let field = Arc::clone(&simulator.config.field);
    let paths = simulator.serving.terminals(&field, &simulator.world, folder.path()).unwrap();
    assert_eq!(paths.len(), field.links.len());
    let (address, unit, link) = simulator.place(&simulator.target);
    let path = folder.path().join(link).to_str().unwrap().to_owned();
    let port = Transport::Rtu { path: path.clone(), line: SerialLine::default() };
    let way = ["-m", "rtu", "-b", "9600", "-P", "none"];
    let mbpoll =
        |unit: u8, more: &[&str], values: &[&str]| crate::peers::mbpoll_by(&way, &path, unit, more, values);

    let mut over_tcp = connected_by(Transport::Tcp(address)).await;
    for (first, count) in [(4, 2), (11, 1), (20, 5)] {
        let words = holding(&mut over_tcp, unit, first, count).await;
        let (at, many) = (first.to_string(), count.to_string());
        let (theirs, text, content) = mbpoll(unit, &["-t", "4", "-r", &at, "-c", &many], &[]);
        assert!(content, "{text}");
        assert_eq!(theirs, (first..).zip(words.clone()).collect::<Vec<_>>(), "{text}");
        let mut ours = connected_by(port.clone()).await;
        assert_eq!(holding(&mut ours, unit, first, count).await, words);
    }

    let (target, at) = (simulator.target.address, simulator.target.address.to_string());
    for values in [&["321"][..], &["123", "4"]] {
        let (_, text, content) = mbpoll(unit, &["-t", "4", "-r", &at], values);
        assert!(content, "{text}");
        assert_eq!(holding(&mut over_tcp, unit, target, 1).await, [values[0].parse::<u16>().unwrap()]);
    }

    // An address nobody has is refused, a unit nobody has is silence.
    let (_, text, content) = mbpoll(unit, &["-t", "4", "-r", "60000"], &[]);
    assert!(!content && text.contains("Illegal data address"), "{text}");
    let (_, text, content) = mbpoll(247, &["-t", "4", "-r", "0", "-o", "0.2"], &[]);
    assert!(!content && text.contains("timed out"), "{text}");

    // To all units: done by each, answered by none. Behind it the line goes on.
    let endpoint = Endpoint { transport: port, timeout: Duration::from_millis(200), ..endpoint_at(ANYWHERE) };
    let mut engine = Engine::new(endpoint, Clock::real());
    engine.connect().await.unwrap();
    let to_all = engine.request(0, &Request::WriteSingleRegister(target, 77)).await;
    assert!(matches!(to_all, Err(FieldError::Silent { .. })), "{to_all:?}");
    assert_eq!(holding(&mut engine, unit, target, 1).await, [77]);

    drop(simulator);
    assert!(!folder.path().join("dam").is_symlink(), "the names go with the terminals");
}
