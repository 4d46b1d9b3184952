//! How fast the virtual river runs on the shipped basin: `cargo bench --bench plant`. Prints figures, fails on nothing.

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
use simulators::plant::{Event, Forcing};
use simulators::world::World;

fn main() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config"));
    let config = config::load(folder).unwrap_or_else(|problems| panic!("{problems}"));
    let forcing = Forcing::dry(&config.basin, 5);
    let start = "2026-05-01T00:00:00Z".parse().unwrap();
    let world = || World::new(&config, 1, start, &forcing);
    let (minute, second) = (Duration::from_secs(60), Duration::from_secs(1));

    let began = Instant::now();
    let mut river = world();
    println!("start from the configuration: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);

    days("river alone, steps of a minute", 60, || {
        for _ in 0..60 * 1440 {
            river.plant.advance(minute, &forcing);
        }
    });
    let mut with = world();
    days("with devices, steps of a minute", 60, || {
        for _ in 0..60 * 1440 {
            with.step(minute, &forcing);
        }
    });
    let mut ticking = world();
    days("with devices, steps of a second", 2, || {
        for _ in 0..2 * 86_400 {
            ticking.step(second, &forcing);
        }
    });
    let mut flood = world();
    let mut wet = forcing.clone();
    wet.inflows.iter_mut().for_each(|inflow| *inflow *= 300.0);
    flood.apply(&Event::MoveOnSite { gate: "zf.tunnel.g1".into(), opening: 1.0 }).unwrap();
    days("river alone, a flood", 20, || {
        for _ in 0..20 * 1440 {
            flood.plant.advance(minute, &wet);
        }
    });
    let balance = river.plant.balance();
    println!(
        "water: {:.3e} m³ in, error {:.1e} of it",
        balance.inflow_m3,
        balance.error_m3 / balance.inflow_m3
    );
    let balance = flood.plant.balance();
    println!(
        "flood: {:.3e} m³ in, error {:.1e} of it",
        balance.inflow_m3,
        balance.error_m3 / balance.inflow_m3
    );
}

fn days(what: &str, count: u32, run: impl FnOnce()) {
    let start = Instant::now();
    run();
    println!("{what}: {:.1} days per second", f64::from(count) / start.elapsed().as_secs_f64());
}
