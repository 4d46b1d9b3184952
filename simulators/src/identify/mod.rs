//! `qindan-sim identify`: travel times of reaches from a record, per band of flow, as the configuration has them.

mod fit;
pub mod record;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, bail};
use qindan::basin::{Basin, ReachId, ReachKind};
use qindan::control::routing::{Stretch, lag_h};
use qindan::units::Discharge;

pub use fit::Fit;
use fit::{Problem, float, index};
use record::Pair;

/// Bands of flow begin at powers of this. Within one the travel time changes by a tenth.
const BAND: f64 = 1.35;
/// A band counts from this much of the record on, h.
const LEAST_H: f64 = 48.0;
/// Width of the running mean that is taken off, h: a week, longer than any answer.
const SLOW_H: f64 = 168.0;
/// Upstream has to change by this, m³/s and share of its mean (standard deviation), or it says nothing.
const CHANGES: (f64, f64) = (0.01, 0.01);
/// Of the variance downstream at least this share must be the answer to upstream.
const EXPLAINED: f64 = 0.3;
/// Travel times fall with this power of the flow. Source: Manning in a wide channel, domain notes 1.7.
const SLOWS: f64 = 0.4;
/// Gains of a river: some of a change may be lost, hardly any can come on top.
const GAINS: std::ops::RangeInclusive<f64> = 0.3..=1.5;

/// What to identify, and how.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// The record: CSV with a column time.
    pub record: PathBuf,
    /// Column with the upstream flow.
    pub up: String,
    /// Column with the downstream flow.
    pub down: String,
    /// Reaches between them, downstream order.
    pub reaches: Vec<String>,
    /// Configuration folder.
    pub config: Option<PathBuf>,
    /// Seed of the resampling.
    pub seed: u64,
}

/// Travel time of one band of flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// From and below, m³/s, of the downstream flow.
    pub flows: (f64, f64),
    /// Mean of the flows at both ends, m³/s: the flow the travel time is for.
    pub flow: f64,
    /// What was fitted.
    pub fit: Fit,
    /// The travel time lies here with 90 % probability, h: of the errors, widened by how far the flows of the band differ.
    pub travel_h: (f64, f64),
}

/// Bands of a record: fitted, or why not.
pub type Found = Vec<((f64, f64), Result<Band, String>)>;

/// Identifies each band of flow of a pair.
pub fn bands(pair: &Pair, seed: u64) -> Found {
    let (up, down) = (smoothed(&pair.up, pair.step_h), smoothed(&pair.down, pair.step_h));
    let number = |q: f64| (q.max(1e-3).ln() / BAND.ln()).floor();
    let numbers: Vec<Option<f64>> = pair.down.iter().map(|q| q.map(number)).collect();
    let mut all: Vec<f64> = numbers.iter().copied().flatten().collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    let band = |number: f64| {
        let flows = (BAND.powf(number), BAND.powf(number + 1.0));
        let counts: Vec<bool> = numbers.iter().map(|of| *of == Some(number)).collect();
        let problem = Problem { up: up.clone(), down: down.clone(), counts, step_h: pair.step_h };
        (flows, one(pair, &problem, flows, seed))
    };
    all.into_iter().map(band).collect()
}

fn one(pair: &Pair, problem: &Problem, flows: (f64, f64), seed: u64) -> Result<Band, String> {
    let hours = pair.step_h * float(problem.counts.iter().filter(|counts| **counts).count());
    if hours < LEAST_H {
        return Err(format!("{hours:.0} h of record, at least {LEAST_H:.0} are needed"));
    }
    let (mean, deviation) = spread(&pair.up, &problem.up, &problem.counts);
    if deviation < CHANGES.0.max(CHANGES.1 * mean) {
        return Err(format!(
            "no information: upstream changes by {deviation:.3} m³/s (standard deviation) only; take a time with changes of \
             the release"
        ));
    }
    let fit = problem.fit().ok_or_else(|| "too little of the record is without gaps".to_owned())?;
    if fit.explained < EXPLAINED || !GAINS.contains(&fit.gain) {
        return Err(format!(
            "downstream does not follow upstream: gain {:.2}, {:.0} % explained; other inflows or draws rule here",
            fit.gain,
            100.0 * fit.explained
        ));
    }
    let found = problem.resampled(&fit, seed);
    let at = |share: f64| found.get(index(share * float(found.len().max(1) - 1))).copied();
    let travel = fit.travel_h();
    let (low, high) = (at(0.05).unwrap_or(travel), at(0.95).unwrap_or(travel));
    let steps = problem.counts.iter().enumerate().filter(|(_, counts)| **counts).map(|(k, _)| k);
    let lag = index(travel / pair.step_h);
    let both = steps.filter_map(|k| {
        let up = pair.up.get(k.checked_sub(lag)?).copied().flatten()?;
        Some(f64::midpoint(up, pair.down.get(k).copied().flatten()?))
    });
    let both: Vec<f64> = both.collect();
    let flow = both.iter().sum::<f64>() / float(both.len().max(1));
    // A mean over a step is known to half of it at best; and the flows of a band differ, with their travel times.
    let both: Vec<Option<f64>> = both.into_iter().map(Some).collect();
    let (_, differ) = spread(&both, &both, &vec![true; both.len()]);
    let wide = 0.5 * pair.step_h + SLOWS * travel * differ / flow;
    let travel_h = (low.min(travel) - wide, high.max(travel) + wide);
    Ok(Band { flows, flow, fit, travel_h })
}

/// Mean of the flow and standard deviation of what is left of it without its running mean, where it counts.
fn spread(flow: &[Option<f64>], left: &[Option<f64>], counts: &[bool]) -> (f64, f64) {
    let of = |list: &[Option<f64>]| -> Vec<f64> {
        list.iter().zip(counts).filter(|(_, counts)| **counts).filter_map(|(q, _)| *q).collect()
    };
    let (flow, left) = (of(flow), of(left));
    let mean = |list: &[f64]| list.iter().sum::<f64>() / float(list.len().max(1));
    let middle = mean(&left);
    let variance = left.iter().map(|q| (q - middle).powi(2)).sum::<f64>() / float(left.len().max(1));
    (mean(&flow), variance.sqrt())
}

/// The flow less its running mean over [`SLOW_H`], where the record is at least twice as long, else less its mean.
fn smoothed(flow: &[Option<f64>], step_h: f64) -> Vec<Option<f64>> {
    let half = index(0.5 * SLOW_H / step_h);
    let half = if flow.len() >= 4 * half { half } else { flow.len() };
    let (mut sums, mut sum, mut count) = (vec![(0.0, 0_u32)], 0.0, 0_u32);
    for q in flow {
        if let Some(q) = q {
            sum += q;
            count += 1;
        }
        sums.push((sum, count));
    }
    let mean = |k: usize| {
        let (from, to) = (sums.get(k.saturating_sub(half)), sums.get((k + half + 1).min(flow.len())));
        from.zip(to).map_or(0.0, |(a, b)| (b.0 - a.0) / f64::from((b.1 - a.1).max(1)))
    };
    flow.iter().enumerate().map(|(k, q)| q.map(|q| q - mean(k))).collect()
}

/// Runs the order and prints the block; false when no band could be fitted.
///
/// # Errors
/// What is wrong with the record, the configuration or the names.
pub fn identify(order: &Order, out: &mut impl std::io::Write) -> anyhow::Result<bool> {
    let folder = order.config.clone().or_else(|| crate::scenario::above("config"));
    let folder = folder.unwrap_or_else(|| PathBuf::from("config"));
    let config = qindan::config::load(&folder)?;
    let reaches = reaches(&config.basin, &order.reaches)?;
    let shown = order.record.display().to_string();
    let bytes = std::fs::read(&order.record).with_context(|| format!("{shown}: cannot be read"))?;
    let pair = record::read(&shown, &bytes, &order.up, &order.down)?;
    let found = bands(&pair, order.seed);
    for ((low, high), band) in &found {
        match band {
            Ok(band) => writeln!(
                out,
                "# {low:.2} to {high:.2} m³/s: travel {:.2} h ({:.2} to {:.2} with 90 %), delay {:.2} h, store {:.2} h, gain {:.2}, \
                 {:.0} % explained, {} steps",
                band.fit.travel_h(),
                band.travel_h.0,
                band.travel_h.1,
                band.fit.delay_h,
                band.fit.store_h,
                band.fit.gain,
                100.0 * band.fit.explained,
                band.fit.steps
            )?,
            Err(why) => writeln!(out, "# {low:.2} to {high:.2} m³/s: not fitted: {why}")?,
        }
    }
    let good: Vec<Band> = found.iter().filter_map(|(_, band)| band.clone().ok()).collect();
    if good.is_empty() {
        bail!(
            "{shown}: no band of flow shows a travel time from {} to {}; see the lines above",
            order.up,
            order.down
        );
    }
    let file = order.record.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or(shown);
    write!(out, "{}", block(&config.basin, &reaches, &good, &(file, order.seed)))?;
    Ok(true)
}

/// Reaches by name, each beginning where the one before ends.
fn reaches(basin: &Basin, names: &[String]) -> anyhow::Result<Vec<ReachId>> {
    let mut found = Vec::new();
    for name in names {
        let at = basin.reaches.iter().position(|reach| reach.id == *name);
        let Some(at) = at else {
            let known: Vec<_> = basin.reaches.iter().map(|reach| reach.id.as_str()).collect();
            bail!("--reach {name}: no such reach; known are {}", known.join(", "));
        };
        if let Some(reach) = basin.reaches.get(at)
            && matches!(reach.kind, ReachKind::Pipe { .. })
        {
            bail!("--reach {name}: a pipe has one delay for all flows; give river reaches");
        }
        found.push(ReachId(at));
    }
    Ok(found)
}

/// Rows of the configuration. Between two gauges the travel time is shared out as the reaches have it now.
fn block(basin: &Basin, reaches: &[ReachId], bands: &[Band], (file, seed): &(String, u64)) -> String {
    let mut text = String::new();
    let lag =
        |reach: ReachId, flow: f64| lag_h(basin, &[Stretch { reach, share: 1.0 }], Discharge::lossy(flow));
    for reach in reaches {
        let Some(spec) = basin.reaches.get(reach.0) else { continue };
        let rows = bands.iter().map(|band| {
            let all: f64 = reaches.iter().map(|other| lag(*other, band.flow)).sum();
            let share = if all > 0.0 { lag(*reach, band.flow) / all } else { 1.0 / float(reaches.len()) };
            format!("[{}, {}]", digits(band.flow), digits(share * band.fit.travel_h()))
        });
        let rows = rows.collect::<Vec<_>>().join(", ");
        let how = if reaches.len() > 1 { ", shared out as the travel times before" } else { "" };
        let _ = writeln!(text, "\n[reach.{}]", spec.id);
        let _ = writeln!(text, "lags_m3s_h = [{rows}] # identified: {file}, seed {seed}{how}");
    }
    text
}

/// Three significant digits.
fn digits(value: f64) -> String {
    let places = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else if value >= 1.0 {
        2
    } else {
        3
    };
    format!("{value:.places$}")
}
