//! What reading the field costs, against raw tokio-modbus, `voltage_modbus` and libmodbus in the same run:
//! `cargo bench --bench field`, or a part of it with `-- saturated`, `-- paced`, `-- gateway` or `-- line`.
//!
//! Each device has a connection of its own and two blocks of 20 holding registers; a poll reads both. Every
//! contestant runs in a process of its own with one thread for all devices (libmodbus: one each) against a lean
//! server in another process. The peers decode nothing. Ends with 1 when a bar is missed or a contestant is absent.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a bench measures real time, prints it, and may fail"
)]

#[path = "field/line.rs"]
mod line;
#[path = "field/measure.rs"]
mod measure;
#[path = "field/ours.rs"]
mod ours;
#[path = "field/peers.rs"]
mod peers;
#[path = "field/server.rs"]
mod server;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use measure::{Figures, Task, WARM_UP};
use peers::{TokioModbus, Voltage};

/// Devices.
const SIZES: [usize; 3] = [10, 100, 1000];
/// Measurements per contestant and size, in turns; the least counts: whatever else the machine does only adds.
const ROUNDS: usize = 5;
/// CPU per poll at saturation against raw tokio-modbus.
const CPU_MOST: f64 = 1.2;
/// Memory of the field layer per extra device, beside what the list of points and the grading of the control take.
const MEMORY_MOST_KB: f64 = 6.0;
/// From the due time of a poll to its last value, at one poll a second and device.
const LATE_MOST_MS: f64 = 10.0;
/// Units behind the gateway.
const UNITS: u8 = 32;
/// One scan of them with a window of four.
const SCAN_MOST_MS: f64 = 115.0;

/// Reads of 20 registers a second on a line of 9600 baud with a turnaround of 5 ms.
const LINE_LEAST: f64 = 13.0;
/// What a dead unit may cost the thirty others on such a line, a minute after it has died.
const SLOWER_MOST_PCT: f64 = 10.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contestant {
    Ours,
    TokioModbus,
    Voltage,
    Libmodbus,
}

impl Contestant {
    const ALL: [Self; 4] = [Self::Ours, Self::TokioModbus, Self::Voltage, Self::Libmodbus];

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "field layer",
            Self::TokioModbus => "tokio-modbus",
            Self::Voltage => "voltage_modbus",
            Self::Libmodbus => "libmodbus",
        }
    }
}

/// A process of this bench; ends with the value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn again(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Starts a server and gives its address.
fn serve(kind: &str) -> (Process, SocketAddr) {
    let mut child = again(&[kind]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (Process(child), line.trim().parse().unwrap())
}

struct Bench {
    libmodbus: Option<PathBuf>,
    missed: Vec<String>,
}

impl Bench {
    /// Lets a contestant do a task in a process of its own; `None` when it is not installed.
    fn measure(&self, contestant: Contestant, task: &Task) -> Option<Figures> {
        let mut command = if contestant == Contestant::Libmodbus {
            let mut command = Command::new(self.libmodbus.as_ref()?);
            let spread = u64::from(task.spread);
            let numbers = [task.period_ms.unwrap_or(0), spread, WARM_UP.as_secs(), task.seconds];
            command.arg(task.address.port().to_string()).arg(task.links.to_string());
            command.args(numbers.map(|number| number.to_string()));
            command
        } else {
            again(&["contestant", contestant.name(), &serde_json::to_string(task).unwrap()])
        };
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{} failed with {task:?}: {}", contestant.name(), output.status);
        Some(serde_json::from_slice(&output.stdout).unwrap())
    }

    fn bar(&mut self, what: &str, measured: f64, most: f64) {
        let verdict = if measured <= most { "met" } else { "MISSED" };
        println!("  {what}: {measured:.2}, at most {most}: {verdict}");
        if measured > most {
            self.missed.push(format!("{what}: {measured:.2} > {most}"));
        }
    }

    fn faults(&mut self, name: &str, figures: &Figures) {
        if figures.errors > 0 {
            self.missed.push(format!("{name}: {} errors", figures.errors));
        }
    }

    /// As fast as it goes.
    fn saturated(&mut self) {
        println!("\nas fast as it goes, two reads of {} registers a poll", measure::COUNT);
        println!("  contestant      devices  CPU/poll  x tokio     polls/s  CPU  errors");
        let mut resident = Vec::new();
        for links in SIZES {
            let mut rounds = [const { Vec::new() }; Contestant::ALL.len()];
            for _ in 0..ROUNDS {
                for (contestant, figures) in Contestant::ALL.into_iter().zip(&mut rounds) {
                    let (_server, address) = serve("devices");
                    let task = Task {
                        address,
                        links,
                        units: 1,
                        window: 1,
                        period_ms: None,
                        spread: true,
                        seconds: 2,
                    };
                    figures.extend(self.measure(contestant, &task));
                }
            }
            let least = rounds.map(least);
            let raw_us = least[1].as_ref().map_or(f64::NAN, Figures::cpu_us);
            for (contestant, figures) in Contestant::ALL.into_iter().zip(least) {
                let Some(figures) = figures else { continue };
                let (name, cpu_us, rate) = (contestant.name(), figures.cpu_us(), figures.rate());
                let (ratio, busy) = (cpu_us / raw_us, 100.0 * figures.cpu_s / figures.seconds);
                println!(
                    "  {name:<15} {links:>7} {cpu_us:>6.2} µs {ratio:>8.2} {rate:>11.0} {busy:>3.0} % {:>6}",
                    figures.errors
                );
                self.faults(name, &figures);
                resident.push((contestant, links, figures));
            }
        }
        for links in SIZES {
            let cpu_us = |of| {
                let found = resident.iter().find(|(contestant, n, _)| (*contestant, *n) == (of, links));
                found.map_or(f64::NAN, |(_, _, figures)| figures.cpu_us())
            };
            let ratio = cpu_us(Contestant::Ours) / cpu_us(Contestant::TokioModbus);
            self.bar(&format!("CPU per poll of {links} devices, x raw tokio-modbus"), ratio, CPU_MOST);
        }
        self.memory(&resident);
    }

    fn memory(&mut self, resident: &[(Contestant, usize, Figures)]) {
        let [few, .., many] = SIZES;
        println!("\nmemory per extra device, from {few} to {many}, kB resident");
        println!("  contestant       running  before it connects");
        for contestant in Contestant::ALL {
            let of = |links| {
                let found = resident.iter().find(|(c, n, _)| (*c, *n) == (contestant, links));
                found.map(|(_, _, figures)| figures)
            };
            let (Some(few_of), Some(many_of)) = (of(few), of(many)) else { continue };
            let more = (many - few) as f64;
            let before = (many_of.rss_before_kb - few_of.rss_before_kb) / more;
            let running = (many_of.rss_kb - few_of.rss_kb) / more - before;
            println!("  {:<15} {running:>8.2} {before:>19.2}", contestant.name());
            if contestant == Contestant::Ours {
                self.bar("kB per extra device", running, MEMORY_MOST_KB);
            }
        }
    }

    /// One poll a second and device.
    fn paced(&mut self) {
        println!("\none poll a second and device; late: from its due time to its last value");
        println!("  contestant                   devices  CPU/poll  late p50   late p99  skipped  errors");
        for links in SIZES {
            let all = Contestant::ALL.into_iter().map(|contestant| (contestant, true));
            for (contestant, spread) in all.chain([(Contestant::TokioModbus, false)]) {
                let (_server, address) = serve("devices");
                let task =
                    Task { address, links, units: 1, window: 1, period_ms: Some(1000), spread, seconds: 6 };
                let Some(figures) = self.measure(contestant, &task) else { continue };
                let how = match (contestant, spread) {
                    (Contestant::Ours, _) => "",
                    (_, true) => ", spread",
                    (_, false) => ", together",
                };
                let name = format!("{}{how}", contestant.name());
                let (cpu_us, p50, p99) = (figures.cpu_us(), figures.late_p50_ms, figures.late_p99_ms);
                println!(
                    "  {name:<28} {links:>7} {cpu_us:>6.1} µs {p50:>6.2} ms {p99:>7.2} ms {:>8} {:>7}",
                    figures.skipped, figures.errors
                );
                self.faults(&name, &figures);
                if contestant == Contestant::Ours {
                    self.bar(&format!("late p99 of {links} devices, ms"), p99, LATE_MOST_MS);
                }
            }
        }
    }

    /// A serial line in its own time.
    fn line(&mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (rate, ideal) = runtime.block_on(line::rate());
        println!("\na line of 9600 baud, 5 ms turnaround, reads of {} registers", measure::COUNT);
        println!("  {rate:.2} reads a second with the silences kept; the line allows {ideal:.2}");
        let verdict = if rate >= LINE_LEAST { "met" } else { "MISSED" };
        println!("  at least {LINE_LEAST}: {verdict}");
        if rate < LINE_LEAST {
            self.missed.push(format!("reads a second on a line: {rate:.2} < {LINE_LEAST}"));
        }
        let shared = runtime.block_on(line::with_one_dead());
        let line::Shared { alive, first_minute, second_minute, in_vain: [first, second] } = shared;
        println!("\nthe same line with 31 units; reads a second of thirty of them");
        println!(
            "  {alive:.2} while the last answers too (alone they would have {:.2})",
            alive * 31.0 / 30.0
        );
        println!("  {first_minute:.2} in the first minute after it has died, {second_minute:.2} in the next");
        println!("  the dead one was asked {first} times in the first minute, {second} times in the next");
        let slower = 100.0 * (1.0 - second_minute / alive);
        self.bar("slower by one dead unit after a minute, %", slower, SLOWER_MOST_PCT);
    }

    /// Many units behind one gateway.
    fn gateway(&mut self) {
        let (in_flight, delay) = (server::IN_FLIGHT, server::GATEWAY_DELAY);
        println!("\n{UNITS} units behind a gateway with {in_flight} requests in flight, {delay:?} each");
        let one_by_one = [Contestant::TokioModbus, Contestant::Ours].map(|contestant| (contestant, 1));
        let windowed = [Contestant::Voltage, Contestant::Ours].map(|contestant| (contestant, 4));
        for (contestant, window) in one_by_one.into_iter().chain(windowed) {
            let (_server, address) = serve("gateway-server");
            let task =
                Task { address, links: 1, units: UNITS, window, period_ms: None, spread: false, seconds: 4 };
            let Some(figures) = self.measure(contestant, &task) else { continue };
            let scan_ms = 1e3 * f64::from(UNITS) / figures.rate();
            println!("  {:<15} window {window}: {scan_ms:.0} ms a scan", contestant.name());
            self.faults(contestant.name(), &figures);
            if (contestant, window) == (Contestant::Ours, 4) {
                self.bar("scan behind the gateway, ms", scan_ms, SCAN_MOST_MS);
            }
        }
    }
}

/// The measurement with the least cost per poll.
fn least(figures: Vec<Figures>) -> Option<Figures> {
    figures.into_iter().min_by(|a, b| a.cpu_us().total_cmp(&b.cpu_us()))
}

/// The C contestant, or why there is none.
fn compile() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/benches/field/libmodbus.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libmodbus");
    let mut command = Command::new("cc");
    command.args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(source);
    let output = command.args(["-lmodbus", "-lpthread"]).output().map_err(|error| format!("cc: {error}"))?;
    if output.status.success() {
        Ok(program)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn contestant(name: &str, task: &str) {
    let task: Task = serde_json::from_str(task).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let contestant = Contestant::ALL.into_iter().find(|contestant| contestant.name() == name).unwrap();
    let figures = runtime.block_on(async {
        match contestant {
            Contestant::Ours => ours::run(task).await,
            Contestant::TokioModbus => peers::run::<TokioModbus>(task).await,
            Contestant::Voltage => peers::run::<Voltage>(task).await,
            Contestant::Libmodbus => panic!("libmodbus is a program of its own"),
        }
    });
    println!("{}", serde_json::to_string(&figures).unwrap());
}

/// Who else wants the processors: lateness on a busy machine is that of the machine.
fn say_load(when: &str) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let processors = std::thread::available_parallelism().unwrap();
    println!("\n{when}: load {}, {processors} processors", load.split(' ').next().unwrap_or_default());
}

fn compare(part: Option<&str>) -> ExitCode {
    let mut bench = Bench { libmodbus: None, missed: Vec::new() };
    match compile() {
        Ok(program) => bench.libmodbus = Some(program),
        Err(why) => {
            eprintln!("{why}\nlibmodbus IS MISSING in this comparison: apt-get install gcc libmodbus-dev");
            bench.missed.push("libmodbus: not installed".into());
        }
    }
    say_load("before");
    let wanted = |name| part.is_none_or(|part| part == name);
    if wanted("saturated") {
        bench.saturated();
    }
    if wanted("paced") {
        bench.paced();
    }
    if wanted("gateway") {
        bench.gateway();
    }
    if wanted("line") {
        bench.line();
    }
    say_load("after");
    if bench.missed.is_empty() {
        println!("\nall bars met");
        return ExitCode::SUCCESS;
    }
    println!("\nnot met:");
    bench.missed.iter().for_each(|what| println!("  {what}"));
    ExitCode::FAILURE
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["devices"] => server::devices(),
        ["gateway-server"] => server::gateway(),
        ["contestant", name, task] => contestant(name, task),
        [] => return compare(None),
        [part @ ("saturated" | "paced" | "gateway" | "line")] => return compare(Some(part)),
        _ => panic!("unknown arguments: {words:?}; give nothing, or saturated, paced, gateway or line"),
    }
    ExitCode::SUCCESS
}
