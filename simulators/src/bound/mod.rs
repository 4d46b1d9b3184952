//! `qindan-sim bound`: what a controller with perfect foresight could have done on the plant's own river.
//!
//! 1. The scenario runs in closed loop once, as it is. Until the begin of scoring its release stays as it was.
//! 2. From then on the release is free, by hour, within the outlets' capacity, the ramps, the siren and the water above the
//!    dead level. How each section answers to it is identified from the plant around the present trajectory (`respond`), and a
//!    programme proposes a better release (`program`).
//! 3. The proposal runs in closed loop: outlets shut and on local, the release going around them; weather, users and events as
//!    they are, all other gates moved by the rules as always. This run is the trajectory of the next round, which mends what
//!    the linear answers got wrong; the region in which they are trusted shrinks after a round that found nothing better,
//!    and they are identified anew on the way.
//!
//! Only such runs are reported, and the best of them is the bound. A shortage that it still has is *unavoidable*:
//! from the begin of scoring on, no release could have met it, as far as the search finds. The programme meets the floors in
//! full; runs are judged, as in the score, by what lies below floor − max(1 L/s, 0.5 %). The release must also keep the floors for a while after the end of the scenario, so that
//! the river is not left empty; that time is neither scored nor paid for. Hours in which the closed loop spilled or had a
//! flood gate open are left out of the water.

mod open;
mod program;
mod respond;
mod show;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::inflow::instant;
use crate::scenario::Case;
use open::{Course, HOUR, Script, Trajectory, count};
use program::{Limits, RATE};
use respond::{Answers, BLOCK_H};

pub use show::{Order, bound, write};

/// Rounds at most.
const ROUNDS: usize = 14;
/// A proposal counts as better when it saves at least this share of the water.
const WORTH: f64 = 5e-4;
/// So many rounds in the least trust region without a better proposal end the search.
const IDLE: usize = 2;
/// Trust region of the first round, also its greatest, and the least, m³/s; halved after each round that found nothing
/// better, wider by half after one that did.
const TRUST: (f64, f64) = (0.8, 0.05);
/// Constant releases that are tried first, by halving between the least of the run and its mean.
const CONSTANTS: usize = 5;
/// Rounds before which the answers are identified anew.
const AFRESH: [usize; 2] = [2, 5];
/// After the end the floors are kept for this many travel times at the floor.
const TAIL: f64 = 1.5;

/// A round of the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Released by the proposal in the plant, m³, hours of spill left out.
    pub water_m3: f64,
    /// Missing in the plant to what the score tolerates, all sections, m³.
    pub missing_m3: f64,
    /// Missing to the floors as the programme expected, m³.
    pub expected_m3: f64,
    /// Trust region, m³/s.
    pub trust_m3s: f64,
    /// It was better than what stood before.
    pub better: bool,
}

/// What the best release gives a section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SectionBound {
    /// Minutes below the floor that no release could have met.
    pub unavoidable_minutes_below: f64,
    /// Water missing in them, m³.
    pub unavoidable_deficit_m3: f64,
    /// Minutes below the floor in the closed loop.
    pub run_minutes_below: f64,
    /// Of which the best release has none.
    pub run_avoidable_minutes_below: f64,
    /// Least flow under the best release, m³/s.
    pub min_m3s: f64,
    /// Median travel time of a release in the search, h; 0 beside the dam.
    pub lag_h: f64,
    /// When it is below, from and to.
    pub unavoidable: Vec<(Timestamp, Timestamp)>,
}

/// The perfect-foresight optimum of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// Name of the scenario.
    pub scenario: String,
    /// Seed of the closed loop.
    pub seed: u64,
    /// SHA-256 over the configuration.
    pub config: String,
    /// Begin of scoring.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// Released into the river by the best release, m³, hours of spill left out.
    pub optimum_m3: f64,
    /// The same in the closed loop.
    pub run_m3: f64,
    /// Hours left out.
    pub spill_h: usize,
    /// By section with a floor below the dam.
    pub sections: BTreeMap<String, SectionBound>,
    /// What the search did.
    pub rounds: Vec<Round>,
    /// The search ended because nothing better was found, not because its rounds were used up or the solver failed.
    pub settled: bool,
    /// The best release by hour from the begin of scoring to the end, m³.
    pub release_m3: Vec<f64>,
}

impl Bound {
    /// Released beyond the optimum, %; `released_m3` without hours of spill, as `released_without_spill_m3` of a summary.
    pub fn excess_pct(&self, released_m3: f64) -> Option<f64> {
        (self.optimum_m3 > 0.0).then(|| 100.0 * (released_m3 / self.optimum_m3 - 1.0))
    }

    /// Minutes below the floor of a section that no release could have met; `None` for a section not below the dam.
    pub fn unavoidable_minutes(&self, section: &str) -> Option<f64> {
        Some(self.sections.get(section)?.unavoidable_minutes_below)
    }
}

/// Computes the optimum of `case` with `threads` threads; the result does not depend on their number. `None` when the basin
/// has no dam that keeps floors. `progress` hears the share that is done, 0..=1.
pub fn of(case: &Case, seed: u64, threads: usize, progress: impl FnMut(f64)) -> Option<Bound> {
    within(case, seed, threads, ROUNDS, progress)
}

/// The best that is found within some rounds.
fn within(
    case: &Case,
    seed: u64,
    threads: usize,
    rounds: usize,
    mut progress: impl FnMut(f64),
) -> Option<Bound> {
    let farthest = crate::need::dams(&case.config.basin)
        .first()?
        .sections
        .iter()
        .fold(0.0_f64, |far, (_, lag_h)| far.max(*lag_h));
    let tail = HOUR * count(hours(TAIL * farthest) + BLOCK_H);
    let script = Script::of(case, seed, tail)?;
    let run = script.dispatched();
    progress(0.1);
    let search = Search::new(&script, &run, threads).constants().settle(rounds, &mut progress);
    Some(search.bound(seed, &run.course))
}

/// The same, taken from `cache` when this program has computed it before for the same scenario, configuration and seed.
///
/// # Errors
/// When the cache cannot be read or written.
pub fn cached(
    case: &Case,
    seed: u64,
    threads: usize,
    cache: &Path,
    progress: impl FnMut(f64),
) -> anyhow::Result<Option<Bound>> {
    show::cached(case, seed, cache, || of(case, seed, threads, progress))
}

/// The search for the best release.
struct Search<'a> {
    script: &'a Script,
    left_out: Vec<bool>,
    limits: Limits,
    threads: usize,
    best: Trajectory,
    answers: Answers,
    rounds: Vec<Round>,
    settled: bool,
}

impl<'a> Search<'a> {
    /// Begins with the closed loop as it is.
    fn new(script: &'a Script, run: &Trajectory, threads: usize) -> Self {
        Self {
            left_out: run.course.spills.clone(),
            limits: Limits::of(script),
            answers: Answers::identify(script, run, threads),
            best: run.clone(),
            script,
            threads,
            rounds: Vec::new(),
            settled: false,
        }
    }

    /// How much better than the best a course is, m³: in water when it is not shorter, and no water buys a shortage; a
    /// smaller shortage counts at the rate of the programme.
    fn saved(&self, course: &Course) -> f64 {
        let best = &self.best.course;
        let fuller = best.missing() - course.missing();
        if fuller < 0.0 {
            return RATE * fuller;
        }
        best.water(self.script, &self.left_out) - course.water(self.script, &self.left_out) + RATE * fuller
    }

    /// Tries constant releases, so that the search never ends above the best of them.
    fn constants(mut self) -> Self {
        let script = self.script;
        let before = self.best.course.release.clone();
        let free = before.iter().skip(script.scored);
        let least = free.clone().copied().fold(f64::INFINITY, f64::min);
        let (mut low, mut high) = (least, free.clone().sum::<f64>() / respond::float(free.count().max(1)));
        for _ in 0..CONSTANTS {
            let middle = f64::midpoint(low, high);
            let release = before.iter().enumerate();
            let release = release.map(|(hour, q)| if hour < script.scored { *q } else { middle });
            let tried = script.prescribed(&release.collect::<Vec<_>>());
            let fuller = self.best.course.missing() - tried.course.missing();
            if self.saved(&tried.course) > 0.0 {
                self.best = tried;
            }
            if fuller < 0.0 { low = middle } else { high = middle }
        }
        self
    }

    /// Each proposal is the trajectory of the next round, better or not: what it missed, the next one mends.
    fn settle(mut self, rounds: usize, progress: &mut impl FnMut(f64)) -> Self {
        let mut present = self.best.clone();
        let (mut trust, least) = TRUST;
        let mut idle = 0;
        for round in 0..rounds {
            if AFRESH.contains(&round) {
                self.answers = Answers::identify(self.script, &present, self.threads);
            }
            let solved = program::solve(self.script, &present.course, &self.answers, self.limits, trust);
            let proposal = match solved {
                Ok(proposal) => proposal,
                Err(status) => {
                    tracing::warn!(?status, round, "the programme was not solved; the best so far stands");
                    break;
                }
            };
            present = self.script.prescribed(&proposal.release);
            let saved = self.saved(&present.course);
            self.rounds.push(Round {
                water_m3: present.course.water(self.script, &self.left_out),
                missing_m3: present.course.missing(),
                expected_m3: proposal.shortage.iter().sum(),
                trust_m3s: trust,
                better: saved > 0.0,
            });
            progress(0.2 + 0.8 * share(round + 1));
            if saved > 0.0 {
                self.best = present.clone();
            }
            let worth = saved >= WORTH * self.best.course.water(self.script, &self.left_out);
            idle = if worth || trust > least { 0 } else { idle + 1 };
            self.settled = idle >= IDLE;
            if self.settled {
                break;
            }
            trust = if saved > 0.0 { (1.5 * trust).min(TRUST.0) } else { (0.5 * trust).max(least) };
        }
        progress(1.0);
        self
    }

    fn bound(self, seed: u64, run: &Course) -> Bound {
        let (script, case) = (self.script, &self.script.case);
        let at = |after: Duration| instant(case.scenario.start, after);
        let sections = script.dam.sections.iter().enumerate().filter_map(|(index, (id, _))| {
            let (best, run) = (self.best.course.sections.get(index)?, run.sections.get(index)?);
            let counted = best.least.iter().enumerate().filter(|(hour, _)| script.counts(*hour));
            let mut lags = (script.scored..script.end)
                .map(|hour| self.answers.of(index, hour).lag_h)
                .collect::<Vec<_>>();
            lags.sort_by(f64::total_cmp);
            let summary = SectionBound {
                unavoidable_minutes_below: minutes(&best.below),
                unavoidable_deficit_m3: best.deficit,
                run_minutes_below: minutes(&run.below),
                run_avoidable_minutes_below: minutes(&run.below) - minutes(&common(&run.below, &best.below)),
                min_m3s: counted.map(|(_, least)| *least).fold(f64::INFINITY, f64::min),
                lag_h: lags.get(lags.len() / 2).copied().unwrap_or(0.0),
                unavoidable: best.below.iter().map(|(from, to)| (at(*from), at(*to))).collect(),
            };
            Some((script.basin().sections.get(id.0)?.id.clone(), summary))
        });
        let sections = sections.collect();
        let scored = |hour: &usize| script.counts(*hour);
        Bound {
            scenario: case.scenario.id.clone(),
            seed,
            config: case.config.digest.clone(),
            from: at(case.scenario.spin_up),
            to: at(case.scenario.duration),
            optimum_m3: self.best.course.water(script, &self.left_out),
            run_m3: run.water(script, &self.left_out),
            spill_h: (0..script.hours)
                .filter(|hour| script.counts(*hour) && self.left_out.get(*hour).copied().unwrap_or(false))
                .count(),
            sections,
            rounds: self.rounds,
            settled: self.settled,
            release_m3: (0..script.hours)
                .filter(scored)
                .filter_map(|hour| Some(self.best.course.release.get(hour)? * 3600.0))
                .collect(),
        }
    }
}

fn minutes(spans: &[(Duration, Duration)]) -> f64 {
    spans.iter().fold(0.0, |sum, (from, to)| sum + to.saturating_sub(*from).as_secs_f64() / 60.0)
}

/// Times that lie in both lists.
fn common(a: &[(Duration, Duration)], b: &[(Duration, Duration)]) -> Vec<(Duration, Duration)> {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
    pairs.filter(|(from, to)| from < to).collect()
}

fn share(round: usize) -> f64 {
    respond::float(round) / respond::float(ROUNDS)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some days")]
fn hours(hours: f64) -> usize {
    hours.max(0.0).ceil() as usize
}
