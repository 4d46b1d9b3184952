//! What a plan is worth and what it costs: `cargo bench --bench plan`. Prints figures beside their limits, fails on nothing.
//!
//! - the plan benchmark against the recorded results of other solvers: shortage, water, movement, time; the price of moves
//!   in blocks;
//! - the programme of the default basin over 96 h, from more than 200 states that replays come to: median and 99th percentile,
//!   as the clock has it and without what other programs took of the core;
//! - growth when 1, 4 and 16 rivers share one store.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::missing_docs_in_private_items,
    reason = "a bench measures real time, prints it, and may fail"
)]

#[path = "plan/river.rs"]
mod river;

use std::time::{Duration, Instant};

use qindan::control::Now;
use river::{Benchmark, Goal};
use simulators::replay;
use simulators::run::Run;

const HOUR: Duration = Duration::from_secs(3600);

/// Solves of each kind that are timed.
const TURNS: usize = 21;

fn main() {
    let benchmark = Benchmark::read();
    let (file, river) = (&benchmark.policies["hold"], benchmark.run(&vec![1.5; benchmark.steps]));
    println!(
        "the river when 1.5 m³/s is held: {:.3} m³ short, least {:.6} m³/s; its file says {:.3} and {:.6}",
        river.shortage_m3, river.least_b, file.shortage_b_m3, file.min_q_b
    );
    let reference =
        benchmark.reference.iter().find_map(|one| Some((&one.solver, one.wall_s.as_ref()?.as_f64()?)));
    let (solver, recorded_s) = reference.unwrap();
    let took = median(|| drop(benchmark.plan(Goal::WEIGHTED, 1).unwrap()));
    let free = benchmark.run(&benchmark.plan(Goal::WEIGHTED, 1).unwrap().0);
    println!("weighted, free grid of {} moves:", benchmark.steps);
    bar("  shortage, m³", free.shortage_m3, 898.0);
    bar("  water, m³", free.released_m3, 454_100.0);
    println!("  movement {:.1} m³/s", free.movement_m3s);
    println!("  {:.1} ms; recorded {solver}: {recorded_s} s on another machine", 1e3 * took);
    bar("  time as a share of the recorded", took / recorded_s, 1.0 / 30.0);
    println!("  {:.0} times as fast; aim 100", recorded_s / took);

    let staged = benchmark.run(&river::staged(&benchmark).unwrap());
    println!("goals one after the other, with tolerances:");
    bar("  shortage, m³", staged.shortage_m3, 903.0);
    bar("  water, m³", staged.released_m3, 448_300.0);
    bar("  movement, m³/s", staged.movement_m3s, 10.0);
    println!("  {:.1} ms", 1e3 * median(|| drop(river::staged(&benchmark).unwrap())));

    for block in [4, 12, 24] {
        let goal = Goal { block, ..Goal::WEIGHTED };
        let outcome = benchmark.run(&benchmark.plan(goal, 1).unwrap().0);
        println!(
            "moves of {:.0} h: shortage {:.0} m³ ({:+.0}), water {:.0} m³ ({:+.1} %), {:.1} ms",
            block as f64 * benchmark.step_s / 3600.0,
            outcome.shortage_m3,
            outcome.shortage_m3 - free.shortage_m3,
            outcome.released_m3,
            100.0 * (outcome.released_m3 / free.released_m3 - 1.0),
            1e3 * median(|| drop(benchmark.plan(goal, 1).unwrap())),
        );
    }

    basin();

    let one = median(|| drop(benchmark.plan(Goal::WEIGHTED, 1).unwrap()));
    for copies in [1, 4, 16] {
        let took = median(|| drop(benchmark.plan(Goal::WEIGHTED, copies).unwrap()));
        println!(
            "{copies} rivers on one store: {:.1} ms, {:.2} times {copies} single ones",
            1e3 * took,
            took / (one * copies as f64)
        );
    }
}

/// Scenarios the plans of the default basin are taken from: a pump and a trip, instruments that fail, ice, a drought, a wet month.
const STATES: [&str; 5] = ["may_dry", "may_faults", "january_ice", "drought_deepens", "august_wet"];
/// Hours between two of them: more than 200 in all.
const EACH: u32 = 3;

/// Plans of the default basin, from states that replays come to.
fn basin() {
    let (mut times, mut on_core, mut iterations) = (Vec::new(), Vec::new(), Vec::new());
    for name in STATES {
        let case = replay::load(name, None, &[]).unwrap();
        let (seed, start) = (case.scenario.seed, case.scenario.start);
        let end = case.scenario.duration;
        let mut run = Run::new(case, seed);
        let mut hour = 48 * HOUR;
        while hour < end {
            run.until(hour, |_, _| {});
            let now = Now { mono: run.now(), utc: start + hour };
            let (began, busy) = (Instant::now(), on_cpu());
            let made = run.controller().programmes(now);
            let took = began.elapsed().as_secs_f64();
            let busy = busy.zip(on_cpu()).map(|(before, after)| 1e3 * (after - before));
            if !made.is_empty() {
                times.push(1e3 * took);
                on_core.extend(busy);
            }
            iterations.extend(made.into_iter().map(|(_, plan)| f64::from(plan.unwrap().iterations)));
            hour += EACH * HOUR;
        }
    }
    for list in [&mut times, &mut on_core, &mut iterations] {
        list.sort_by(f64::total_cmp);
    }
    println!(
        "default basin over 96 h, {} plans from states of {}; {:.0} iterations, {:.0} at most:",
        times.len(),
        STATES.join(", "),
        rank(&iterations, 0.5),
        rank(&iterations, 1.0)
    );
    bar("  median, ms", rank(&times, 0.5), 100.0);
    bar("  99th percentile, ms", rank(&times, 0.99), 300.0);
    if !on_core.is_empty() {
        // What other programs take of the core is not the plan's.
        bar("  median on its core, ms", rank(&on_core, 0.5), 100.0);
        bar("  99th percentile on its core, ms", rank(&on_core, 0.99), 300.0);
    }
}

/// The value that this share of an ordered list does not exceed.
fn rank(list: &[f64], share: f64) -> f64 {
    list[((list.len() - 1) as f64 * share).round() as usize]
}

/// Time this thread has spent on a core, s; `None` where the system does not tell.
fn on_cpu() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(1e-9 * told.split_whitespace().next()?.parse::<f64>().ok()?)
}

/// Median time of `what`, s.
fn median(mut what: impl FnMut()) -> f64 {
    let turns = (0..TURNS).map(|_| {
        let began = Instant::now();
        what();
        began.elapsed().as_secs_f64()
    });
    let mut turns = turns.collect::<Vec<_>>();
    turns.sort_by(f64::total_cmp);
    turns[TURNS / 2]
}

fn bar(what: &str, value: f64, limit: f64) {
    println!("{what}: {value:.4} of {limit:.4} {}", if value <= limit { "ok" } else { "ABOVE THE LIMIT" });
}
