//! What the engineers' workbench costs: `cargo bench --bench workbench`. Prints figures beside their limits, fails on
//! nothing.
//!
//! - a month of the river alone in steps of a minute: at most 2 s;
//! - a year of the default basin through the very same decisions, on one core, with all its files: at most 15 min, aim 5, with
//!   the arrival-time rule alone 60 s; where it goes;
//! - a sweep on one core and on all: how much faster;
//! - memory: at most 300 MB.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a bench measures real time, prints it, and may fail"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use qindan::config;
use simulators::plant::{Forcing, Plant};
use simulators::replay::{self, Order};

fn main() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config"));
    let config = config::load(folder).unwrap_or_else(|problems| panic!("{problems}"));
    let forcing = Forcing::dry(&config.basin, 5);
    let start = "2026-05-01T00:00:00Z".parse().unwrap();
    let mut river = Plant::new(&config, 1, start, &forcing);
    let began = Instant::now();
    for _ in 0..31 * 1440 {
        river.advance(Duration::from_secs(60), &forcing);
    }
    bar("a month of the river alone, s", began.elapsed().as_secs_f64(), 2.0);

    let out = tempfile::tempdir().unwrap();
    let order = |scenarios: &[&str], jobs: usize| Order {
        scenarios: scenarios.iter().map(|name| (*name).to_owned()).collect(),
        out: Some(out.path().to_owned()),
        jobs: Some(jobs),
        ..Order::default()
    };
    let began = Instant::now();
    replay::replay(&order(&[YEAR], 1), &mut std::io::sink()).unwrap();
    let took = began.elapsed().as_secs_f64();
    bar("a year with the arrival-time rule, s", took, 60.0);
    bar("  the same against the limit of any dispatch", took, 900.0);
    let summary = std::fs::read(out.path().join(YEAR).join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    println!("  of which {}", summary.get("cost").unwrap_or(&serde_json::Value::Null));
    let report = std::fs::metadata(out.path().join(YEAR).join("report.html")).unwrap().len();
    println!("  report of {:.2} MB", report as f64 / 1e6);
    bar("memory so far, MB", memory(), 300.0);

    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let sweep = |jobs: usize| {
        let swept = Order {
            sweep: vec!["control.min_interval_s=600,900,1800,3600".into()],
            ..order(&["january_dry"], jobs)
        };
        let began = Instant::now();
        replay::replay(&swept, &mut std::io::sink()).unwrap();
        began.elapsed().as_secs_f64()
    };
    let (one, all) = (sweep(1), sweep(cores));
    println!(
        "a sweep of four: {one:.1} s on one core, {all:.1} s on {cores}: {:.2} times as fast",
        one / all
    );
    bar("memory at last, MB", memory(), 300.0);
}

/// The scenario of a year.
const YEAR: &str = "year_dry_2026";

fn bar(what: &str, value: f64, limit: f64) {
    println!(
        "{what}: {value:.2} of {limit}, {:.0} % {}",
        100.0 * value / limit,
        if value <= limit { "met" } else { "NOT MET" }
    );
}

/// Most memory this process has had resident, MB.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1000.0
}
