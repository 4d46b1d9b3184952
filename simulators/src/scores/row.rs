//! One line of the table: what a run came to, and what the optimum of its river is known to be.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Hand;
use crate::bound::Depth;
use crate::summary::Summary;

/// The river as it is configured, where a wrong one would have its name.
pub const AS_CONFIGURED: &str = "as-configured";

/// What a run came to; a line of `scores.csv`. Shares are in %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the scenario.
    pub scenario: String,
    /// What was wrong with the model of the river, [`AS_CONFIGURED`] when nothing.
    pub river: String,
    /// Who released.
    pub by: Hand,
    /// Seed.
    pub seed: u64,
    /// Scored time.
    pub hours: f64,
    /// Minutes below a floor, all sections.
    pub below_min: f64,
    /// Of which could have been avoided when their cause became visible.
    pub avoidable_min: f64,
    /// Of the scored time, at the section that was below longest.
    pub below_pct: f64,
    /// Days whose mean was below a floor, all sections.
    pub days_below: usize,
    /// Water missing while below, all sections.
    pub short_m3: f64,
    /// Released into the river, time of spill left out.
    pub released_m3: f64,
    /// Steady need of the same time.
    pub need_m3: f64,
    /// Time of spill or open flood gates.
    pub spill_h: f64,
    /// Released beyond the steady need.
    pub above_need_pct: Option<f64>,
    /// Least release with perfect foresight, an upper estimate.
    pub optimum_m3: Option<f64>,
    /// Minutes below that no release could have avoided.
    pub unavoidable_min: Option<f64>,
    /// Whether the search for it has converged.
    pub converged: Option<bool>,
    /// Released beyond the optimum.
    pub excess_pct: Option<f64>,
    /// The gate that was started most often on one day among those that were commanded.
    pub gate: String,
    /// Its starts on that day.
    pub starts_worst_day: u64,
    /// Starts a day in the mean, of the gate that has most of them.
    pub starts_per_day: f64,
    /// Scored time on a fresh plan.
    pub f0_pct: f64,
    /// On an older plan.
    pub f1_pct: f64,
    /// On the arrival-time rule.
    pub f2_pct: f64,
    /// On the safe constant.
    pub f3_pct: f64,
    /// Falls to a lower rung.
    pub falls: u64,
    /// Mean set point of the section farthest from its dam, less its floor.
    pub margin_m3s: Option<f64>,
    /// SHA-256 over the commands, its begin.
    pub digest: String,
}

impl Row {
    /// Of a run; `far` is the section farthest from its dam.
    pub(super) fn of(summary: &Summary, river: &str, by: Hand, far: Option<&str>) -> Self {
        let sections = || summary.sections.values();
        let hours = summary.to.duration_since(summary.from).as_secs_f64() / 3600.0;
        let longest = sections().map(|section| section.minutes_below).fold(0.0, f64::max);
        let share = |rung: &str| 100.0 * summary.rungs_h.get(rung).copied().unwrap_or(0.0) / hours.max(1e-9);
        #[expect(clippy::cast_precision_loss, reason = "starts of some days")]
        let starts = summary.gates.values().filter(|gate| gate.commands > 0).map(|gate| gate.starts as f64);
        let busiest = summary.busiest();
        let water = &summary.water;
        Self {
            scenario: summary.scenario.clone(),
            river: river.into(),
            by,
            seed: summary.seed,
            hours,
            below_min: sections().map(|section| section.minutes_below).sum(),
            avoidable_min: summary.avoidable_minutes(),
            below_pct: 100.0 * longest / (60.0 * hours).max(1e-9),
            days_below: sections().map(|section| section.days_below).sum(),
            short_m3: sections().map(|section| section.deficit_m3).sum(),
            released_m3: water.released_without_spill_m3,
            need_m3: water.need_m3,
            spill_h: water.spill_h,
            above_need_pct: water.above_need.map(|share| 100.0 * share),
            optimum_m3: None,
            unavoidable_min: None,
            converged: None,
            excess_pct: None,
            gate: busiest.map(|(id, _)| id.to_owned()).unwrap_or_default(),
            starts_worst_day: busiest.map_or(0, |(_, gate)| gate.starts_worst_day),
            starts_per_day: starts.fold(0.0, f64::max) / (hours / 24.0).max(1e-9),
            f0_pct: share("F0"),
            f1_pct: share("F1"),
            f2_pct: share("F2"),
            f3_pct: share("F3"),
            falls: summary.falls,
            margin_m3s: far.and_then(|id| summary.sections.get(id)?.margin_m3s),
            digest: summary.digest.get(..12).unwrap_or_default().into(),
        }
    }

    /// Holds it against the optimum of its river. Where none was searched for, against that of the river as configured, with what
    /// the steady need is more or less: a wrong travel time or meter changes next to nothing of what foresight would need.
    pub(super) fn hold_against(&mut self, known: &[Optimum], need_as_configured: Option<f64>) {
        let of = |river: &str| {
            let ours =
                |one: &&Optimum| one.scenario == self.scenario && one.river == river && one.seed == self.seed;
            known.iter().find(ours)
        };
        let own = of(&self.river);
        let other = of(AS_CONFIGURED).zip(need_as_configured).filter(|_| own.is_none());
        (self.unavoidable_min, self.converged) = (None, None);
        self.optimum_m3 = match (own, other) {
            (Some(own), _) => {
                (self.unavoidable_min, self.converged) = (Some(own.unavoidable_min), Some(own.converged));
                Some(own.optimum_m3)
            }
            (None, Some((other, need))) => Some(other.optimum_m3 + self.need_m3 - need),
            (None, None) => None,
        };
        let optimum = self.optimum_m3.filter(|optimum| *optimum > 0.0);
        self.excess_pct = optimum.map(|optimum| 100.0 * (self.released_m3 / optimum - 1.0));
    }

    /// Hours of spill are not the same in every run: where there are any, waters are compared over other hours.
    pub fn is_rough(&self) -> bool {
        self.spill_h > 0.0
    }

    /// How the optimum is to be read: `~` over other hours, or made of another river's; `≥` when the search has not converged.
    pub(super) fn mark(&self) -> &'static str {
        match (self.is_rough(), self.converged) {
            (true, _) | (false, None) => "~",
            (false, Some(false)) => "≥",
            (false, Some(true)) => "",
        }
    }
}

/// What is known of the optimum of one river; a line of `optimum.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimum {
    /// Name of the scenario.
    pub scenario: String,
    /// See [`Row::river`].
    pub river: String,
    /// Seed.
    pub seed: u64,
    /// How hard was searched.
    pub depth: Depth,
    /// Least release that was found, hours of spill left out.
    pub optimum_m3: f64,
    /// Minutes below a floor that it still has, all sections.
    pub unavoidable_min: f64,
    /// What the search still hoped to save, %.
    pub gap_pct: f64,
    /// Whether that is next to nothing.
    pub converged: bool,
}

impl Optimum {
    /// Of a run that was held against it.
    pub(super) fn of(summary: &Summary, river: &str) -> Option<Self> {
        let water = &summary.water;
        let unavoidable = summary.sections.values().filter_map(|section| section.unavoidable_minutes_below);
        Some(Self {
            scenario: summary.scenario.clone(),
            river: river.into(),
            seed: summary.seed,
            depth: water.optimum_depth?,
            optimum_m3: (water.optimum_m3? * 10.0).round() / 10.0,
            unavoidable_min: (unavoidable.sum::<f64>() * 10.0).round() / 10.0,
            gap_pct: (water.optimum_gap_pct? * 100.0).round() / 100.0,
            converged: water.optimum_converged?,
        })
    }
}

/// Holds rows against what is known of the optima.
pub(super) fn hold_all(rows: &mut [Row], known: &[Optimum]) {
    let base = rows.iter().filter(|row| row.river == AS_CONFIGURED && row.by == Hand::Rule);
    let needs = base.map(|row| (row.scenario.clone(), row.need_m3)).collect::<BTreeMap<_, _>>();
    for row in rows {
        row.hold_against(known, needs.get(&row.scenario).copied());
    }
}

/// Of two searches for the same optimum the lesser stands: both were found by runs of the river. In order of their names.
pub(super) fn joined(known: Vec<Optimum>, new: Vec<Optimum>) -> Vec<Optimum> {
    let mut all: Vec<Optimum> = Vec::new();
    for one in known.into_iter().chain(new) {
        let same =
            |it: &&mut Optimum| (&it.scenario, &it.river, it.seed) == (&one.scenario, &one.river, one.seed);
        match all.iter_mut().find(same) {
            Some(before) if before.unavoidable_min < one.unavoidable_min - 0.05 => {}
            Some(before)
                if before.unavoidable_min <= one.unavoidable_min + 0.05
                    && before.optimum_m3 <= one.optimum_m3 => {}
            Some(before) => *before = one,
            None => all.push(one),
        }
    }
    all.sort_by(|a, b| (&a.scenario, &a.river, a.seed).cmp(&(&b.scenario, &b.river, b.seed)));
    all
}

/// Reads lines; none where there is no file.
pub(super) fn read<T: for<'de> Deserialize<'de>>(file: &Path) -> anyhow::Result<Vec<T>> {
    if !file.is_file() {
        return Ok(Vec::new());
    }
    let mut lines = Vec::new();
    for line in csv::Reader::from_path(file)?.deserialize() {
        lines.push(line?);
    }
    Ok(lines)
}

/// Writes lines.
pub(super) fn write<T: Serialize>(file: &Path, lines: &[T]) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_path(file)?;
    for line in lines {
        csv.serialize(line)?;
    }
    csv.flush()?;
    Ok(())
}
