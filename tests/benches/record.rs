//! What the record costs: `cargo bench --bench record`. Prints figures, fails on nothing.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a bench measures real time, prints it, and may fail"
)]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use qindan::control::Now;
use qindan::control::command::{Action, CommandId, Terminal};
use qindan::control::record::{Entry, Kind};
use qindan::shell::data_dir;
use qindan::shell::journal::{ACTIONS, Journal, Reader, Settings};
use qindan::shell::log;
use qindan::shell::store::{Query, Store};
use qindan::units::Opening;

const RECORDS: u32 = 500_000;
const BATCH: u32 = 500;

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

fn timed<T>(what: &str, act: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = act();
    let took = start.elapsed();
    println!("{what}: {:.3} s", took.as_secs_f64());
    (result, took)
}

fn main() {
    let root = tempfile::tempdir().unwrap();
    let identity = data_dir::init(root.path(), "bench", Timestamp::UNIX_EPOCH).unwrap();
    let dir = root.path().join("journal");
    let mut settings = Settings::new(identity.store, "bench");
    settings.config = "c".repeat(64);
    let now = |tick: u32| Now {
        mono: Duration::from_secs(u64::from(tick)),
        utc: Timestamp::from_second(1_780_000_000 + i64::from(tick)).unwrap(),
    };
    let mut journal = Journal::open(&dir, settings.clone(), now(0)).unwrap();

    let mut took = Vec::new();
    for tick in 0..1000 {
        let entries = pair(u64::from(tick) + 1);
        let start = Instant::now();
        journal.append(&entries, now(tick)).unwrap();
        took.push(start.elapsed());
    }
    took.sort();
    println!(
        "acknowledged append of two records: p50 {:?}, p99 {:?}, worst {:?}",
        took[500], took[990], took[999]
    );

    let ((), batches) = timed("batches of 500, one sync each, up to 500 000 records", || {
        for tick in 4..RECORDS / BATCH {
            let first = u64::from(tick) * u64::from(BATCH);
            let entries: Vec<_> = (0..u64::from(BATCH) / 2).flat_map(|i| pair(first + i)).collect();
            journal.append(&entries, now(1000 + tick)).unwrap();
        }
    });
    println!("  {:.0} records/s", f64::from(RECORDS) / batches.as_secs_f64());
    drop(journal);

    let (count, scan) =
        timed("read with checksums and chain", || Reader::open(&dir, ACTIONS).unwrap().records(0).count());
    println!("  {:.0} records/s", count as f64 / scan.as_secs_f64());
    timed("open for writing", || Journal::open(&dir, settings, now(9000)).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let view = |what: &str| {
        timed(what, || {
            let (store, thread) = Store::start(root.path()).unwrap();
            while store.is_stale() {
                std::thread::yield_now();
            }
            let start = Instant::now();
            runtime.block_on(store.find(Query::newest(20))).unwrap();
            println!("  newest 20 from the view: {:?}", start.elapsed());
            drop(store);
            thread.join().unwrap();
        })
    };
    view("make the view anew");
    view("open the view and compare the newest 10 000");
    let (verdict, _) = timed("verify", || log::verify(root.path(), &mut std::io::stdout()).unwrap());
    println!("  {verdict:?}");
}
