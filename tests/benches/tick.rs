//! What one tick of the shipped basin costs: `cargo bench --bench tick`. Prints figures, fails on nothing.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench measures real time, prints it, and may fail"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use qindan::config;
use qindan::control::quality::Sample;
use qindan::control::{Controller, Now, Settings, Snapshot};
use qindan::points::Table;
use qindan::shell::field::plan::{Block, plans};
use simulators::devices::Devices;
use simulators::plant::{Forcing, Plant};
use tokio_modbus::Response;

/// Service time measured, s.
const TICKS: u64 = 6 * 3600;

#[derive(Default)]
struct Cost {
    each: Vec<Duration>,
}

impl Cost {
    fn measure<T>(&mut self, act: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = act();
        self.each.push(start.elapsed());
        result
    }

    fn print(mut self, what: &str) {
        self.each.sort_unstable();
        let count = u32::try_from(self.each.len()).unwrap();
        let mean = self.each.iter().sum::<Duration>() / count;
        let at = |share: usize| self.each[(self.each.len() - 1) * share / 1000];
        println!(
            "{what:<22} {count:>6} times  mean {mean:>9.1?}  median {:>9.1?}  99.9 % {:>9.1?}",
            at(500),
            at(999)
        );
    }
}

fn read(devices: &Devices, blocks: &[Block], config: &config::Config, at: Duration, samples: &mut [Sample]) {
    for block in blocks {
        let words = devices.read(block.device, block.table, block.start, block.count).unwrap();
        let reply = match block.table {
            Table::Coil => Response::ReadCoils(words.iter().map(|bit| *bit != 0).collect()),
            Table::Discrete => Response::ReadDiscreteInputs(words.iter().map(|bit| *bit != 0).collect()),
            Table::Input => Response::ReadInputRegisters(words),
            Table::Holding => Response::ReadHoldingRegisters(words),
        };
        for id in &block.points {
            let value = block.value(&config.field.points[id.0], &reply);
            let fault = value.err();
            samples[id.0] = Sample { good: value.ok().map(|value| (value, at)), fault };
        }
    }
}

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let config = config::load(&folder).unwrap();
    let utc = "2026-05-01T00:00:00Z".parse().unwrap();
    let basin = &config.basin;
    let forcing = Forcing::dry(basin, 5);
    let mut plant = Plant::new(&config, 1, utc, &forcing);
    let mut devices = Devices::new(&config);
    let blocks: Vec<_> = plans(&config.field).into_iter().flat_map(|plan| plan.blocks).collect();
    let mut controller = Controller::new(&config, Settings { bench: true, ..Settings::default() }, None, utc);
    let mut samples = vec![Sample::default(); config.field.points.len()];
    let [mut freezes, mut decisions, mut cycles, mut statuses, mut memories] =
        std::array::from_fn(|_| Cost::default());
    let (mut commands, mut size) = (0, 0);
    for tick in 0..TICKS {
        let mono = Duration::from_secs(tick);
        let now = Now { mono, utc: utc + mono };
        if tick % 5 == 0 {
            plant.advance(Duration::from_secs(5), &forcing);
            devices.refresh(&mut plant);
            read(&devices, &blocks, &config, mono, &mut samples);
        }
        let seen =
            freezes.measure(|| Snapshot { samples: samples.clone(), record_ok: true, ..Snapshot::default() });
        let start = Instant::now();
        let decision = controller.decide(&seen, now);
        let took = start.elapsed();
        let cost = if decision.cycle { &mut cycles } else { &mut decisions };
        cost.each.push(took);
        commands += decision.commands.len();
        drop(statuses.measure(|| Arc::new(controller.status(now))));
        if tick % 300 == 299 {
            size = memories.measure(|| serde_json::to_vec(&controller.carry(now.utc)).unwrap().len());
        }
    }
    let field = &config.field;
    println!(
        "{} gates, {} points, {} links, {} h of 1 s ticks, {commands} commands decided",
        basin.gates.len(),
        field.points.len(),
        field.links.len(),
        TICKS / 3600
    );
    freezes.print("freeze");
    decisions.print("decide");
    cycles.print("decide, control cycle");
    statuses.print("status");
    memories.print("memory to JSON");
    println!("memory for the next start: {size} bytes");
}
