//! The programme: least shortage, then least water, over hourly releases.
//!
//! Variables are the releases u (m³/s by hour) and for each hour and section a slack s (m³/s). Minimised is
//! Σ u + [`RATE`] · Σ s + [`CALM`] · Σ (uₖ − uₖ₋₁)², subject to, with q and u⁰ of the river as last seen:
//!
//! ```text
//! q_t + Σ_k r_tk · (u_k − u⁰_k) + s_t ≥ floor        every hour and section that could fall short
//! −fall ≤ u_k − u_{k−1} ≤ rise                        ramps, per hour
//! |u_k − u⁰_k| ≤ trust, 0 ≤ u_k ≤ capacity, s ≥ 0
//! Σ_{j≤k} (u_j − u⁰_j) ≤ water above the dead level   where it could be reached
//! ```

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, NonnegativeConeT, SolverStatus, ZeroConeT};

use super::course::Course;
use super::respond::{Answers, float};
use super::script::Script;
use crate::score;

/// Cubic metres of release that one of shortage is worth: shortage first. Source: dispatch notes, where the last of a
/// shortage costs some thousand.
pub(super) const RATE: f64 = 5000.0;
/// Price of a change of release, m³/s·h per (m³/s)²: of two releases with the same water the quieter one.
const CALM: f64 = 0.02;
/// An hour this many trust regions above its floor cannot fall short within one.
const SAFE: f64 = 1.5;

/// Above what the score tolerates the programme aims by this much, m³/s: what a straight answer gets wrong at the end.
const AIM: f64 = 0.0005;

/// A stretch of the scenario, and what its programme goes by.
pub(super) struct Task<'a> {
    pub(super) script: &'a Script,
    pub(super) limits: Limits,
    /// Hours whose release is free, and whose floors are kept.
    pub(super) first: usize,
    pub(super) until: usize,
    /// What is saved counts until here.
    pub(super) core: usize,
    /// Aimed for above what the score tolerates, by section and hour, m³/s; where there is none, nothing.
    pub(super) margins: &'a [Vec<f64>],
}

/// What the programme proposes.
#[derive(Clone, Debug, Default)]
pub(super) struct Proposal {
    /// Release by hour of the scenario, m³/s.
    pub(super) release: Vec<f64>,
    /// Shortage it expects, m³.
    pub(super) missing: f64,
    /// Shortage it expects less than there is, m³.
    pub(super) mends: f64,
    /// Water it expects to save until the core ends, m³; negative where it costs water to mend a shortage.
    pub(super) saves: f64,
}

/// Limits of the release.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Most, m³/s.
    pub(super) most: f64,
    /// Largest rise in an hour, m³/s.
    pub(super) rise: f64,
    /// Largest fall in an hour, m³/s.
    pub(super) fall: f64,
}

impl Limits {
    /// Of the dam of a script: what its outlets pass, below the siren, and the ramps of the configuration.
    pub(super) fn of(script: &Script) -> Self {
        let control = &script.basin().control;
        let hourly = |ramp: &qindan::basin::RampLimit| ramp.change.get() * (3600.0 / ramp.within_s).max(1.0);
        Self {
            most: script.capacity().min(control.siren_above.get()),
            rise: hourly(&control.ramp_up),
            fall: hourly(&control.ramp_down),
        }
    }
}

/// Rows of A·x + slack = b in triplets.
#[derive(Default)]
struct Rows {
    at: Vec<usize>,
    column: Vec<usize>,
    value: Vec<f64>,
    bound: Vec<f64>,
}

impl Rows {
    /// Adds Σ value·x ≤ bound (or =, by the cone it falls into).
    fn add(&mut self, terms: impl IntoIterator<Item = (usize, f64)>, bound: f64) {
        for (column, value) in terms {
            self.at.push(self.bound.len());
            self.column.push(column);
            self.value.push(value);
        }
        self.bound.push(bound);
    }
}

/// Solves it around `seen`; what the solver says when it does not solve it.
pub(super) fn solve(
    task: &Task<'_>,
    seen: &Course,
    answers: &Answers,
    trust: f64,
) -> Result<Proposal, SolverStatus> {
    let Task { limits, first, until, core, .. } = *task;
    let n = until - first;
    let before = |hour: usize| seen.release.get(hour).copied().unwrap_or(0.0);
    let shorts = shorts(task, seen, trust);
    // Columns: releases, slacks, then the water taken from the store where that is limited.
    let stores = stores(task, seen, trust);
    let columns = n + shorts.len() + if stores.is_some() { n } else { 0 };
    let mut rows = Rows::default();
    let mut equalities = 0;
    if let Some(stores) = &stores {
        let store = |k: usize| n + shorts.len() + k;
        for k in 0..n {
            let mut terms = vec![(store(k), 1.0), (k, -1.0)];
            if k > 0 {
                terms.push((store(k - 1), -1.0));
            }
            rows.add(terms, -before(first + k));
        }
        equalities = n;
        for (k, water) in stores.iter().enumerate() {
            rows.add([(store(k), 1.0)], *water);
        }
    }
    for k in 0..n {
        let present = before(first + k);
        rows.add([(k, 1.0)], (present + trust).min(limits.most.max(present)));
        rows.add([(k, -1.0)], -(present - trust).max(0.0));
        // What the last round did beyond a ramp is not asked back at once.
        let last = before((first + k).saturating_sub(1));
        let (rise, fall) = (limits.rise.max(present - last), limits.fall.max(last - present));
        if k > 0 {
            rows.add([(k, 1.0), (k - 1, -1.0)], rise);
            rows.add([(k, -1.0), (k - 1, 1.0)], fall);
        } else {
            rows.add([(k, 1.0)], last + rise);
            rows.add([(k, -1.0)], fall - last);
        }
    }
    let arrivals = arriving(task, answers);
    for (at, short) in shorts.iter().enumerate() {
        let mut terms = vec![(n + at, -1.0)];
        let mut bound = short.flow - short.aim;
        for (k, part) in
            arrivals.get(short.section).and_then(|hours| hours.get(short.hour)).into_iter().flatten()
        {
            terms.push((*k, -part));
            bound -= part * before(first + k);
        }
        rows.add(terms, bound);
        rows.add([(n + at, -1.0)], 0.0);
    }
    let a = CscMatrix::new_from_triplets(rows.bound.len(), columns, rows.at, rows.column, rows.value);
    let mut price = vec![0.0; columns];
    price.iter_mut().take(n).for_each(|price| *price = 1.0);
    price.iter_mut().skip(n).take(shorts.len()).for_each(|price| *price = RATE);
    let p = calm(n, columns);
    let cones = [ZeroConeT(equalities), NonnegativeConeT(rows.bound.len() - equalities)];
    let settings = DefaultSettings { verbose: false, ..DefaultSettings::default() };
    let mut solver = DefaultSolver::new(&p, &price, &a, &rows.bound, &cones, settings)
        .map_err(|_| SolverStatus::NumericalError)?;
    solver.solve();
    if solver.solution.status != SolverStatus::Solved {
        return Err(solver.solution.status);
    }
    let x = &solver.solution.x;
    let mut release = seen.release.clone();
    for (to, from) in release.iter_mut().skip(first).zip(x.iter().take(n)) {
        *to = from.max(0.0);
    }
    let hour_s = 3600.0;
    let saves =
        (first..core).map(|hour| before(hour) - release.get(hour).copied().unwrap_or(0.0)).sum::<f64>();
    // Both as the score counts it, without what is aimed for above that.
    let slacks = x.iter().skip(n).zip(&shorts);
    let missing = hour_s * slacks.map(|(slack, short)| (slack - short.above).max(0.0)).sum::<f64>();
    let missing_now =
        hour_s * shorts.iter().map(|short| (short.aim - short.above - short.flow).max(0.0)).sum::<f64>();
    Ok(Proposal { release, missing, mends: (missing_now - missing).max(0.0), saves: hour_s * saves })
}

/// An hour of a section that could fall short.
struct Short {
    section: usize,
    hour: usize,
    flow: f64,
    aim: f64,
    /// Of the aim, what lies above what the score tolerates.
    above: f64,
}

fn shorts(task: &Task<'_>, seen: &Course, trust: f64) -> Vec<Short> {
    let mut shorts = Vec::new();
    for (section, reach) in seen.sections.iter().enumerate() {
        for hour in task.first..task.until {
            let (Some(floor), Some(flow)) = (task.script.floor(section, hour), reach.least.get(hour)) else {
                continue;
            };
            let margin = task.margins.get(section).and_then(|hours| hours.get(hour)).copied();
            let above = AIM + margin.unwrap_or(0.0);
            let aim = score::tolerated(floor) + above;
            if *flow < aim + SAFE * trust {
                shorts.push(Short { section, hour, flow: *flow, aim, above });
            }
        }
    }
    shorts
}

/// By section and hour of arrival: hours of release (from the begin of scoring) with their parts.
fn arriving(task: &Task<'_>, answers: &Answers) -> Vec<Vec<Vec<(usize, f64)>>> {
    let by_section = (0..task.script.dam.sections.len()).map(|at| {
        let mut hours = vec![Vec::new(); task.until];
        for hour in task.first..task.until {
            for (t, part) in answers.arrivals(at, hour, task.until) {
                if let Some(list) = hours.get_mut(t).filter(|_| part.abs() > 1e-3) {
                    list.push((hour - task.first, part));
                }
            }
        }
        hours
    });
    by_section.collect()
}

/// By hour: how much more than seen may have been released until its end, m³/s·h; `None` where no limit is near.
fn stores(task: &Task<'_>, seen: &Course, trust: f64) -> Option<Vec<f64>> {
    let volumes = seen.volume.get(task.first..task.until)?;
    let spare = volumes.iter().map(|volume| task.script.above_dead(*volume)).collect::<Option<Vec<_>>>()?;
    let near = spare.iter().enumerate().any(|(k, water)| *water < trust * 3600.0 * (float(k) + 1.0));
    near.then(|| spare.iter().map(|water| water.max(0.0) / 3600.0).collect())
}

/// Upper triangle of the price of changes, CALM · Σ (uₖ − uₖ₋₁)² = ½ xᵀPx.
fn calm(n: usize, columns: usize) -> CscMatrix<f64> {
    let (mut at, mut column, mut value) = (Vec::new(), Vec::new(), Vec::new());
    for k in 0..n {
        let neighbours = usize::from(k > 0) + usize::from(k + 1 < n);
        at.push(k);
        column.push(k);
        value.push(2.0 * CALM * float(neighbours));
        if k > 0 {
            at.push(k - 1);
            column.push(k);
            value.push(-2.0 * CALM);
        }
    }
    CscMatrix::new_from_triplets(columns, columns, at, column, value)
}
