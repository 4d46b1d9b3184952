//! What the record costs: `cargo bench --bench record`. Prints figures beside their limits, fails on nothing.
//!
//! - an acknowledged append beside a bare loop of write and fdatasync of the same bytes on the same disk, taken in turns: at
//!   most 1.5 times as long;
//! - ten thousand points a second through the history: at most 10 % of one core, and the room it takes on the disk;
//! - verify: at least 500 000 records a second;
//! - two million records: memory at most 300 MB and flat while writing, start until the service decides at most 10 s;
//! - the turn of a quarter with all of them in the one that ends: memory, and a question to it afterwards;
//! - a month of eight series for the page: at most 150 ms.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a bench measures real time, prints it, and may fail"
)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use qindan::aggregate::{HOUR, Signal};
use qindan::config::{self, Config};
use qindan::control::Now;
use qindan::control::command::{Action, CommandId, Terminal};
use qindan::control::quality::{Quality, Reading};
use qindan::control::record::{Entry, Kind};
use qindan::shell::data_dir;
use qindan::shell::history::{self, Direct};
use qindan::shell::journal::{ACTIONS, Journal, Reader, SAMPLES, Settings, segments};
use qindan::shell::log::{self, Verdict};
use qindan::shell::people::{Book, Scope};
use qindan::shell::record::RecordHandle;
use qindan::shell::store::{Query, Store};
use qindan::units::Opening;
use rustix::fs::{FallocateFlags, fallocate};

/// Records in one batch while they are made.
const BATCH: u32 = 500;
/// Appends timed, each beside one of the bare loop: two hundred of them are beyond the 99th, few enough would be luck.
const APPENDS: u32 = 20_000;
/// Room for the bare loop, which must not grow its file: more than a record takes.
const BARE: u64 = 1024 * APPENDS as u64;
/// Points of the load figure.
const POINTS: usize = 10_000;
/// Simulated time of it, s.
const SECONDS: i64 = 300;
/// Days of samples for the page.
const DAYS: i64 = 31;
/// Says that this process is a child that opens a folder, and which one.
const CHILD: &str = "QINDAN_BENCH_OPEN";
/// Says that its view is made already.
const MADE: &str = "QINDAN_BENCH_MADE";

fn main() {
    match (std::env::var_os(CHILD), std::env::var_os(MADE)) {
        (Some(root), None) => return made(Path::new(&root)),
        (Some(root), Some(_)) => return opened(Path::new(&root)),
        (None, _) => {}
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    let config = config::load(Path::new(folder)).unwrap_or_else(|problems| panic!("{problems}"));
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let identity = data_dir::init(root, &config.basin.id, Timestamp::UNIX_EPOCH).unwrap();
    durable(&identity.store);
    load();
    let journal = Journal::open(&root.join("journal"), settings(&identity.store), now(0)).unwrap();
    fill(journal);
    proved(root);
    let newest = Timestamp::now();
    samples(&config, root, &identity.store, newest);
    for with_view in [false, true] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        if with_view {
            child.env(MADE, "yes");
        }
        assert!(child.env(CHILD, root).status().unwrap().success());
    }
    with_the_view(root);
    let service = Service::start(root, folder);
    service.month(&config);
    service.end();
}

/// Records of a year; fewer with `QINDAN_BENCH_RECORDS`, for a quick look that says nothing of memory and start.
fn records() -> u32 {
    std::env::var("QINDAN_BENCH_RECORDS").map_or(2_000_000, |count| count.parse().unwrap())
}

fn settings(store: &str) -> Settings {
    Settings { config: "c".repeat(64), ..Settings::new(store, "bench") }
}

fn now(tick: u32) -> Now {
    let utc = Timestamp::from_second(1_780_000_000 + i64::from(tick)).unwrap();
    Now { mono: Duration::from_secs(u64::from(tick)), utc }
}

fn pair(command: u64) -> [Entry; 2] {
    let mut intent = Entry::new(Kind::Intent, "dispatch");
    intent.gate = Some("some.reservoir.valve1".into());
    intent.command = Some(CommandId(command));
    intent.action = Opening::from_fraction(0.25).map(Action::Goto);
    intent.inputs = Some("0".repeat(64));
    let mut outcome = Entry::new(Kind::Outcome, "dispatch");
    outcome.gate.clone_from(&intent.gate);
    outcome.command = intent.command;
    outcome.outcome = Some(Terminal::Verified);
    [intent, outcome]
}

/// One acknowledged record after another, through the journal alone and through its thread, and the bare loop in turns
/// with both, so that what else the disk does meets all three.
fn durable(store: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (alone, threaded) = (dir.path().join("alone"), dir.path().join("threaded"));
    for path in [&alone, &threaded] {
        std::fs::create_dir(path).unwrap();
    }
    let mut journal = Journal::open(&alone, settings(store), now(0)).unwrap();
    let other = Journal::open(&threaded, settings(store), now(0)).unwrap();
    let (record, thread) = RecordHandle::start(other, None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bare = File::create(dir.path().join("bare")).unwrap();
    fallocate(&bare, FallocateFlags::empty(), 0, BARE).unwrap();
    let (mut at, mut took) = (0, [const { Vec::new() }; 3]);
    for tick in 0..APPENDS {
        let entry = pair(u64::from(tick / 2) + 1)[usize::from(tick % 2 == 1)].clone();
        let start = Instant::now();
        let frames = journal.append(std::slice::from_ref(&entry), now(tick)).unwrap();
        took[1].push(start.elapsed());
        let start = Instant::now();
        runtime.block_on(record.append(vec![entry], now(tick))).unwrap();
        took[2].push(start.elapsed());
        // Length and checksum, kind, version, sequence, chain hash: 50 bytes beside the body.
        let bytes = vec![b'x'; frames[0].body.len() + 50];
        let start = Instant::now();
        bare.write_all_at(&bytes, at).unwrap();
        bare.sync_data().unwrap();
        took[0].push(start.elapsed());
        at += bytes.len() as u64;
    }
    drop(record);
    thread.join().unwrap();
    let mut figures = took.map(|mut took| {
        let all: Duration = took.iter().sum();
        took.sort();
        [
            all.as_secs_f64() / f64::from(APPENDS),
            ms(took[took.len() / 2]) / 1e3,
            ms(took[took.len() * 99 / 100]) / 1e3,
        ]
    });
    for (name, [mean, median, tail]) in
        ["bare loop", "journal", "through the thread of the record"].iter().zip(figures)
    {
        println!(
            "durable appends, {name}: {:.0} a second; p50 {:.3} ms, p99 {:.3} ms",
            1.0 / mean,
            median * 1e3,
            tail * 1e3
        );
    }
    let bare = std::mem::take(&mut figures[0]);
    for (name, figure) in [("journal", figures[1]), ("through the thread", figures[2])] {
        for (what, index) in [("mean", 0), ("p50", 1), ("p99", 2)] {
            bar(
                &format!("  {what} of an append, {name}, times the bare loop"),
                figure[index] / bare[index],
                1.5,
            );
        }
    }
}

/// Every point moves out of its dead band in every second.
fn load() {
    let dir = tempfile::tempdir().unwrap();
    let points: Vec<_> =
        (0..POINTS).map(|index| format!("site{:02}.device{:03}/value", index % 40, index)).collect();
    let mut history = Direct::open(dir.path(), "bench", points).unwrap();
    let mut river = River::new(POINTS);
    let (before, began) = (cpu(), Instant::now());
    for second in 0..SECONDS {
        history.record(Timestamp::from_second(1_780_000_000 + second).unwrap(), river.next());
        assert!(history.write());
    }
    let (used, took) = (cpu() - before, began.elapsed().as_secs_f64());
    let bytes = room(dir.path()) as f64;
    println!("ten thousand points a second for {SECONDS} s in {took:.1} s");
    bar("  share of one core, %", 100.0 * used / SECONDS as f64, 10.0);
    println!("  {:.0} MB a day", bytes / 1e6 * 86_400.0 / SECONDS as f64);
}

/// Two million records in batches with one sync each.
fn fill(mut journal: Journal) {
    let began = Instant::now();
    for tick in 0..records() / BATCH {
        let first = u64::from(tick) * u64::from(BATCH / 2) + 1;
        let entries: Vec<_> = (0..u64::from(BATCH / 2)).flat_map(|i| pair(first + i)).collect();
        journal.append(&entries, now(tick)).unwrap();
    }
    println!(
        "made: {:.0} records/s in batches of {BATCH}",
        f64::from(records()) / began.elapsed().as_secs_f64()
    );
}

fn proved(root: &Path) {
    let (began, before) = (Instant::now(), cpu());
    let count = Reader::open(&root.join("journal"), ACTIONS).unwrap().records(0).count();
    println!("read with checksums and chain: {:.0} records/s", count as f64 / began.elapsed().as_secs_f64());
    println!("  {:.0} records/s of CPU time", count as f64 / (cpu() - before));
    let (began, before) = (Instant::now(), cpu());
    assert_eq!(log::verify(root, &mut std::io::stdout()).unwrap(), Verdict::Right);
    floor("verify, records/s", f64::from(records()) / began.elapsed().as_secs_f64(), 500_000.0);
    println!("  {:.0} records/s of CPU time", f64::from(records()) / (cpu() - before));
}

fn with_the_view(root: &Path) {
    let began = Instant::now();
    assert_eq!(log::verify(root, &mut std::io::sink()).unwrap(), Verdict::Right);
    println!(
        "verify with the view compared: {:.0} records/s",
        f64::from(records()) / began.elapsed().as_secs_f64()
    );
}

/// A month of all points of the basin, a reading a minute, as the service would have kept them.
fn samples(config: &Config, root: &Path, store: &str, newest: Timestamp) {
    let points: Vec<_> = config.field.names().map(str::to_owned).collect();
    let (count, began) = (points.len(), Instant::now());
    let mut history = Direct::open(&root.join("journal"), store, points).unwrap();
    let mut river = River::new(count);
    for minute in 0..DAYS * 1440 {
        let back = SignedDuration::from_mins(DAYS * 1440 - minute);
        history.record(newest.checked_sub(back).unwrap(), river.next());
        if minute % 10 == 9 {
            assert!(history.write());
        }
    }
    println!("{DAYS} days of {count} points written in {:.1} s", began.elapsed().as_secs_f64());
    for stream in [SAMPLES, "minute", "hour"] {
        let files = segments(&root.join("journal"), stream).unwrap();
        let bytes: u64 = files.iter().map(|file| std::fs::metadata(&file.path).unwrap().len()).sum();
        println!("  {stream}: {:.1} MB a day", bytes as f64 / 1e6 / DAYS as f64);
    }
    let eight: Vec<_> = config.field.names().take(8).collect();
    let began = Instant::now();
    let from = newest.checked_sub(SignedDuration::from_hours(24 * DAYS)).unwrap();
    let found = history::read(&root.join("journal"), &eight, from, newest).unwrap();
    let hours: usize = found.values().map(|kept| Signal::new(kept).by(HOUR, from, newest).len()).sum();
    println!("  eight of them by hour from the samples: {hours} hours in {:.0} ms", ms(began.elapsed()));
}

/// Opens the view and waits until it serves.
fn view(root: &Path, what: &str) -> (Store, JoinHandle<()>) {
    let (began, before) = (Instant::now(), cpu());
    let (view, thread) = Store::start(root).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let newest = |when: &str| {
        let asked = Instant::now();
        assert_eq!(runtime.block_on(view.find(Query::newest(20))).unwrap().len(), 20);
        println!("  newest 20 {when}: {:.2} ms", ms(asked.elapsed()));
    };
    newest("while it opens, from the journal");
    while view.is_stale() {
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("{what}: {:.2} s, {:.2} s of CPU time", began.elapsed().as_secs_f64(), cpu() - before);
    newest("from the view");
    (view, thread)
}

fn made(root: &Path) {
    let (view, thread) = view(root, "view made anew from the journal");
    view.close();
    thread.join().unwrap();
    println!("  most memory meanwhile: {:.1} MB", peak("self"));
}

/// In a process of its own, so that its memory is that of two million records and nothing else.
fn opened(root: &Path) {
    let store = data_dir::Identity::read(root).unwrap().store;
    let (began, before) = (Instant::now(), cpu());
    let mut journal = Journal::open(&root.join("journal"), settings(&store), now(9000)).unwrap();
    let (took, used) = (began.elapsed().as_secs_f64(), cpu() - before);
    println!(
        "journal open for writing after {took:.2} s, {used:.2} s of CPU time; {:.1} MB",
        resident("self")
    );
    let (view, thread) = view(root, "view opened and compared");
    let opened = resident("self");
    bar(&format!("memory with {} records opened, MB", records()), opened, 300.0);
    // The cache of the view, 16 MB, fills first.
    for tick in 0..1600 {
        let first = u64::from(records()) + u64::from(tick) * 125;
        let entries: Vec<_> = (0..125).flat_map(|i| pair(first + i)).collect();
        view.put(journal.append(&entries, now(10_000 + tick)).unwrap());
        while view.applied() < journal.last_seq() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if tick % 200 == 199 {
            let (written, now) = (250 * (tick + 1), resident("self"));
            println!("  after {written} more: {now:.1} MB, {:+.1} MB", now - opened);
        }
    }
    turned(&mut journal, &view);
    view.close();
    thread.join().unwrap();
    bar("  most at any time, MB", peak("self"), 300.0);
}

/// A record of the next quarter: the one with all the others is shut, and opened again for a question.
fn turned(journal: &mut Journal, view: &Store) {
    let last = now(12_000);
    let next = Now { utc: last.utc + SignedDuration::from_hours(24 * 92), ..last };
    let began = Instant::now();
    view.put(journal.append(&pair(9_999_999), next).unwrap());
    while view.applied() < journal.last_seq() {
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("  next quarter begun after {:.0} ms: {:.1} MB", ms(began.elapsed()), resident("self"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for what in ["that has to be opened", "that is open"] {
        let asked = Instant::now();
        let query = Query { gate: Some("some.reservoir.valve1".into()), ..Query::newest(50) };
        assert_eq!(runtime.block_on(view.find(query)).unwrap().len(), 50);
        println!(
            "  50 of a gate from a quarter {what}: {:.1} ms, {:.1} MB",
            ms(asked.elapsed()),
            resident("self")
        );
    }
}

/// The program itself, observing; the devices of the basin are away.
struct Service {
    child: Child,
    token: String,
    address: SocketAddr,
}

impl Service {
    fn start(root: &Path, config: &str) -> Self {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let scopes = std::collections::BTreeSet::from([Scope::Read]);
        let token = Book::edit(root, |book| book.add_token("bench", scopes, Timestamp::now(), None)).unwrap();
        let began = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_qindan"))
            .args(["run", "--observe", "--config", config, "--listen", &address.to_string(), "--data"])
            .arg(root)
            .env("RUST_LOG", "off")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self { child, token, address };
        while !this.get("/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            assert!(began.elapsed() < Duration::from_secs(300), "the service does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        bar("start of the service to its first decision, s", began.elapsed().as_secs_f64(), 10.0);
        let pid = this.child.id().to_string();
        bar("  its memory, MB", resident(&pid), 300.0);
        this
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            self.address, self.token
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn month(&self, config: &Config) {
        let names: Vec<_> =
            config.basin.meters.iter().take(8).map(|meter| format!("meter:{}", meter.id)).collect();
        let path = format!("/api/v1/trends?series={}&hours={}&points=800", names.join(","), DAYS * 24);
        let mut took = Vec::new();
        let mut answer = String::new();
        for _ in 0..20 {
            let began = Instant::now();
            answer = self.get(&path).unwrap();
            took.push(ms(began.elapsed()));
        }
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let object: serde_json::Value =
            serde_json::from_str(body.trim()).unwrap_or_else(|_| panic!("{answer}"));
        let Some(series) = object["series"].as_object() else {
            println!("a month of eight series for the page: NOT MET, the answer is {object}");
            return;
        };
        let known = |series: &serde_json::Value| {
            let means = series["mean"].as_array().unwrap().iter().filter(|mean| mean.is_number()).count();
            means as f64 * series["step_s"].as_f64().unwrap() / 86_400.0
        };
        let least = series.values().map(known).reduce(f64::min).unwrap();
        took.sort_by(f64::total_cmp);
        floor("a month of eight series for the page: days known in the answer", least, (DAYS - 1) as f64);
        bar("  slowest of twenty, ms", took[19], 150.0);
        println!("  median {:.1} ms, {} series, {:.0} kB", took[10], series.len(), body.len() as f64 / 1e3);
        println!("memory of the service then: {:.1} MB", resident(&self.child.id().to_string()));
    }

    fn end(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Readings that move out of every dead band from one to the next.
struct River {
    random: fastrand::Rng,
    readings: Vec<Reading>,
}

impl River {
    fn new(points: usize) -> Self {
        let still = Reading {
            value: Some(5.0),
            quality: Quality::Good,
            reason: None,
            taken_at: None,
            last_good: None,
        };
        Self { random: fastrand::Rng::with_seed(7), readings: vec![still; points] }
    }

    fn next(&mut self) -> &[Reading] {
        for reading in &mut self.readings {
            let step = (0.02 + 0.1 * self.random.f64()) * if self.random.bool() { 1.0 } else { -1.0 };
            reading.value = reading.value.map(|value| ((value + step).clamp(1.0, 9.0) * 1e3).round() / 1e3);
        }
        &self.readings
    }
}

fn bar(what: &str, value: f64, limit: f64) {
    let met = if value <= limit { "met" } else { "NOT MET" };
    println!("{what}: {value:.2} of at most {limit}, {:.0} % {met}", 100.0 * value / limit);
}

fn floor(what: &str, value: f64, limit: f64) {
    let met = if value >= limit { "met" } else { "NOT MET" };
    println!("{what}: {value:.0} of at least {limit}, {:.0} % {met}", 100.0 * value / limit);
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// CPU time of this process so far, s.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // User and system time, in hundredths of a second on Linux.
    [fields[11], fields[12]].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

fn resident(pid: &str) -> f64 {
    memory(pid, "VmRSS:")
}

fn peak(pid: &str) -> f64 {
    memory(pid, "VmHWM:")
}

fn memory(pid: &str, what: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1000.0
}

/// Bytes the files of a folder hold, without what is only set aside for them.
fn room(dir: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let content = std::fs::read(entry.unwrap().path()).unwrap();
        bytes += content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
    }
    bytes
}
