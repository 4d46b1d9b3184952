//! `qindan-sim replay --sweep`: the same scenarios under every value of a key, or every combination of several.
//!
//! Every point is loaded once before the first is run: a value that the configuration refuses stops the whole sweep at
//! once, not after an hour.

mod axis;
mod page;

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::crew::{self, Progress};
use crate::replay::{self, Order};
use crate::summary::Summary;
use crate::vary::Change;

pub use axis::{Axis, SweepError};

/// Runs of one sweep at most.
const MOST: usize = 5000;

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its scenario, as it was named.
    pub wanted: String,
    /// A value of each axis.
    pub values: Vec<String>,
    /// Length of the scenario.
    length: Duration,
    seed: u64,
}

/// What came of a point.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// A value of each axis.
    pub values: Vec<String>,
    /// The summary of its run.
    pub summary: Summary,
}

/// All combinations of the values, the last axis fastest.
///
/// # Errors
/// When there would be more than 5000 runs for `scenarios` scenarios.
pub fn grid(axes: &[Axis], scenarios: usize) -> Result<Vec<Vec<String>>, SweepError> {
    let mut points = vec![Vec::new()];
    for axis in axes {
        if points.len() * axis.values.len() * scenarios.max(1) > MOST {
            return Err(SweepError::Many { most: MOST });
        }
        let longer = |point: &Vec<String>| {
            let with = |value: &String| point.iter().chain([value]).cloned().collect::<Vec<_>>();
            axis.values.iter().map(with).collect::<Vec<_>>()
        };
        points = points.iter().flat_map(longer).collect();
    }
    Ok(points)
}

/// Runs a sweep; the table goes to `out`, the files below the order's folder. True when every run passed.
///
/// # Errors
/// What is wrong with the order, the scenarios or a value; what the disk says.
pub fn sweep(order: &Order, axes: &[Axis], out: &mut impl Write) -> anyhow::Result<bool> {
    let (wanted, left_out) = replay::wanted(order)?;
    for text in left_out {
        writeln!(out, "{text}")?;
    }
    let set = |values: &[String]| -> Vec<String> {
        let swept = axes.iter().zip(values).map(|(axis, value)| format!("{}={value}", axis.key));
        order.set.iter().cloned().chain(swept).collect()
    };
    let changes = |values: &[String]| {
        set(values).iter().map(|given| Change::parse(given)).collect::<Result<Vec<_>, _>>()
    };
    let mut points = Vec::new();
    for name in &wanted {
        for values in grid(axes, wanted.len())? {
            let case = replay::load(name, order.config.as_deref(), &changes(&values)?)
                .with_context(|| format!("{name} with {}", set(&values).join(", ")))?;
            points.push(Point {
                wanted: name.clone(),
                values,
                length: case.scenario.duration,
                seed: order.seed.unwrap_or(case.scenario.seed),
            });
        }
    }
    let progress = Progress::new(points.iter().map(|point| order.work(point.length)));
    let threads = crew::size(order.jobs, points.len());
    let outcomes = crew::each(&points, threads, |point| -> anyhow::Result<Outcome> {
        let case = replay::load(&point.wanted, order.config.as_deref(), &changes(&point.values)?)?;
        let name = format!("{} {}", case.scenario.id, point.values.join(" "));
        let set = set(&point.values);
        let summary = replay::play_one(&case, point.seed, &set, None, order.against(), &progress, &name)?;
        Ok(Outcome { values: point.values.clone(), summary })
    });
    progress.end();
    let outcomes = outcomes.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    write!(out, "{}", table(axes, &outcomes))?;
    if let Some(folder) = &order.out {
        write_files(folder, axes, &outcomes)
            .with_context(|| format!("{}: cannot be written", folder.display()))?;
    }
    Ok(outcomes.iter().all(|outcome| outcome.summary.passes()))
}

fn write_files(folder: &Path, axes: &[Axis], outcomes: &[Outcome]) -> anyhow::Result<()> {
    fs::create_dir_all(folder.join("plots"))?;
    write_csv(axes, outcomes, fs::File::create(folder.join("sweep.csv"))?)?;
    let drawings = page::plots(axes, outcomes);
    for drawing in &drawings {
        fs::write(folder.join("plots").join(format!("{}.svg", drawing.name)), drawing.file())?;
    }
    fs::write(folder.join("sweep.html"), page::page(axes, outcomes, &drawings))?;
    Ok(())
}

/// A score of a run, if it has one.
pub type Score = fn(&Summary) -> Option<f64>;
/// A score by its name with the unit.
pub type Metric = (&'static str, Score);

/// What a sweep is judged by.
pub const METRICS: [Metric; 11] = [
    ("below_min", |s| Some(s.sections.values().map(|section| section.minutes_below).sum())),
    ("avoidable_min", |s| Some(s.avoidable_minutes())),
    ("missing_m3", |s| Some(s.sections.values().map(|section| section.deficit_m3).sum())),
    ("least_margin_pct", |s| {
        let margin =
            |section: &crate::summary::SectionSummary| 100.0 * (section.min_m3s / section.floor_m3s - 1.0);
        s.sections.values().map(margin).reduce(f64::min)
    }),
    ("released_m3", |s| Some(s.water.released_without_spill_m3)),
    ("above_need_pct", |s| s.water.above_need.map(|share| 100.0 * share)),
    ("starts_worst_day", |s| {
        #[expect(clippy::cast_precision_loss, reason = "some starts")]
        s.busiest().map(|(_, gate)| gate.starts_worst_day as f64)
    }),
    ("commands", |s| {
        #[expect(clippy::cast_precision_loss, reason = "some thousand")]
        Some(s.actions as f64)
    }),
    ("optimum_m3", |s| s.water.optimum_m3),
    ("excess_pct", |s| s.water.excess_pct),
    ("unavoidable_min", |s| s.sections.values().map(|section| section.unavoidable_minutes_below).sum()),
];

/// Writes `sweep.csv`: a line for each run.
///
/// # Errors
/// What the writer says.
pub fn write_csv(axes: &[Axis], outcomes: &[Outcome], out: impl Write) -> csv::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let mut head = vec!["scenario", "seed"];
    head.extend(axes.iter().map(|axis| axis.key.as_str()));
    head.extend(METRICS.iter().map(|(name, _)| *name));
    head.extend(["passed", "config_digest", "digest"]);
    csv.write_record(&head)?;
    for Outcome { values, summary } in outcomes {
        let mut cells = vec![summary.scenario.clone(), summary.seed.to_string()];
        cells.extend(values.iter().cloned());
        cells.extend(
            METRICS.iter().map(|(_, of)| of(summary).map_or_else(String::new, |value| format!("{value:.3}"))),
        );
        cells.extend([summary.passes().to_string(), summary.config.clone(), summary.digest.clone()]);
        csv.write_record(&cells)?;
    }
    csv.flush()?;
    Ok(())
}

/// The table of a sweep.
fn table(axes: &[Axis], outcomes: &[Outcome]) -> String {
    let mut text = format!("{:<24}", "scenario");
    let width = |axis: &Axis| axis.values.iter().map(String::len).max().unwrap_or(0).max(axis.key.len());
    for axis in axes {
        let _ = write!(text, " {:>1$}", axis.key, width(axis));
    }
    for (name, _) in METRICS {
        let _ = write!(text, " {name:>16}");
    }
    text.push('\n');
    for Outcome { values, summary } in outcomes {
        let _ = write!(text, "{:<24}", summary.scenario);
        for (axis, value) in axes.iter().zip(values) {
            let _ = write!(text, " {:>1$}", value, width(axis));
        }
        for (_, of) in METRICS {
            let value = of(summary).map_or_else(|| "-".into(), |value| format!("{value:.1}"));
            let _ = write!(text, " {value:>16}");
        }
        text.push_str(if summary.passes() { "\n" } else { "  failed\n" });
    }
    text
}
