//! `qindan-sim bound`: what a controller with perfect foresight could have done on the plant's own river.
//!
//! 1. The scenario runs in closed loop once, as it is; a replay has done so anyway. Until the begin of scoring its release
//!    stays as it was.
//! 2. From then on the release is free, by hour, within the outlets' capacity, the ramps, the siren and the water above the
//!    dead level. The loop goes on from there with its outlets shut on site and the release going around them, less what they
//!    leak; weather, users and events are as they were, and the rules move all other gates as always: the sluices of
//!    the ponds answer to the release, and without them the river would be another.
//! 3. A programme proposes a better release (`program`), the loop runs it, what came of it mends what is thought of the
//!    river's answers (`respond`, `fit`), and so on (`trials`). A long scenario is searched in stretches that overlap by
//!    what is under way; each goes on from where the best of the one before ended.
//! 4. When searched [`Depth::Tight`], a constant release with as much water as the best is tried last: one that keeps the
//!    floors as well takes its place, and lesser ones are tried.
//!
//! Only such loops are reported, the run as it is among them, and the best is the bound: it is never above the run. A shortage
//! that it still has is *unavoidable*: from the begin of scoring on, no release could have met it, as far as the search
//! finds. Floors count as in the score, floor − max(1 L/s, 0.5 %); no water buys a shortage. The floors are kept for a while
//! after the end of the scenario too, so that the river is not left empty; that time is neither scored nor paid for. Hours
//! in which the run spilled or had a flood gate open are left out of the water.
//!
//! The bound is an upper estimate of the least water. `gap_pct` says how much the programme, straight around the best
//! trajectory, still hopes to save; the search has converged when that is at most 0.3 per cent.

mod course;
mod fit;
mod program;
mod record;
mod respond;
mod script;
mod search;
mod show;
#[cfg(test)]
mod tests;
mod trials;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::inflow::instant;
use crate::scenario::Case;
use course::Course;
use program::Limits;
use respond::Answers;
use script::{Leg, Script};
use search::{Hope, Search, Window, Worth, windows};

pub use record::{Record, Recorder};
pub use show::{Order, bound, write};

/// Longest stretch, h: three weeks, beside which the overlap is small.
const STRETCH_H: usize = 504;
/// Trials of a constant release at most, by halving.
const CONSTANTS: usize = 5;
/// Converged: hope for less than this, % of the water and m³ of shortage.
const CONVERGED_PCT: f64 = 0.3;
/// See [`CONVERGED_PCT`].
const CONVERGED_M3: f64 = 1.0;

/// How hard the optimum is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// Four trials, two in each stretch after the first, and more only to mend a shortage.
    Fast,
    /// Trials until nothing better comes, and constant releases beside.
    Tight,
}

impl Depth {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Tight => "tight",
        }
    }

    /// Time the search is expected to take, in runs of the scenario.
    pub(crate) fn runs(self) -> u32 {
        match self {
            Self::Fast => 3,
            Self::Tight => 12,
        }
    }
}

/// Hears how many trials of at most how many are over in a stretch; false breaks the search off.
type Tell<'a> = dyn FnMut(usize, usize) -> bool + 'a;

/// A round of the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Released by the proposal in its stretch and until that has arrived, m³.
    pub water_m3: f64,
    /// Missing to what the score tolerates, all sections, m³.
    pub missing_m3: f64,
    /// Missing to its aim as the programme expected, m³.
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
    /// Travel time of a release as the search learnt it, median of its stretches, h; 0 beside the dam.
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
    /// How hard was searched.
    pub depth: Depth,
    /// Released into the river by the best release, m³, hours of spill left out.
    pub optimum_m3: f64,
    /// The same in the closed loop.
    pub run_m3: f64,
    /// Hours left out.
    pub spill_h: usize,
    /// By section with a floor below the dam.
    pub sections: BTreeMap<String, SectionBound>,
    /// What the search did, by stretch.
    pub rounds: Vec<Vec<Round>>,
    /// Simulated hours that it took.
    pub played_h: usize,
    /// What the programme still hopes to save around the best release, % of its water; no proof in either direction.
    pub gap_pct: f64,
    /// The shortage it still hopes to mend, m³.
    pub gap_missing_m3: f64,
    /// Missing after the end, until what was released last has arrived, m³: so much the release leaves to those who come after.
    pub after_m3: f64,
    /// All three are next to nothing.
    pub converged: bool,
    /// The best release by hour from the begin of scoring to the end, m³.
    pub release_m3: Vec<f64>,
}

impl Bound {
    /// Released beyond the optimum, %; `released_m3` in the same hours, without those of spill.
    pub fn excess_pct(&self, released_m3: f64) -> Option<f64> {
        (self.optimum_m3 > 0.0).then(|| 100.0 * (released_m3 / self.optimum_m3 - 1.0))
    }

    /// Minutes below the floor of a section that no release could have met; `None` for a section not below the dam.
    pub fn unavoidable_minutes(&self, section: &str) -> Option<f64> {
        Some(self.sections.get(section)?.unavoidable_minutes_below)
    }
}

/// Computes the optimum for a closed loop that is over, in one thread. `progress` hears the share that is done, 0..=1, and
/// may break it off: then there is nothing.
pub fn of(
    record: &Record,
    seed: u64,
    depth: Depth,
    progress: impl FnMut(f64) -> ControlFlow<()>,
) -> Option<Bound> {
    let mut foresight = Foresight::new(record, depth, progress);
    foresight.improve()?;
    match depth {
        Depth::Fast => {}
        Depth::Tight => foresight.rival(),
    }
    Some(foresight.bound(seed))
}

/// The same, taken from `cache` when this program has computed it before for the same scenario, configuration and seed.
///
/// # Errors
/// When the cache cannot be read or written.
pub fn cached(
    case: &Case,
    seed: u64,
    depth: Depth,
    cache: &Path,
    compute: impl FnOnce() -> Option<Bound>,
) -> anyhow::Result<Option<Bound>> {
    show::cached(case, seed, depth, cache, compute)
}

/// The search for the best release of a scenario.
struct Foresight<'a, P> {
    record: &'a Record,
    script: &'a Script,
    left_out: &'a [bool],
    limits: Limits,
    depth: Depth,
    windows: Vec<Window>,
    best: Course,
    /// By stretch.
    answers: Vec<Answers>,
    rounds: Vec<Vec<Round>>,
    /// Around the best that was found.
    hope: Hope,
    played_h: usize,
    progress: P,
}

impl<'a, P: FnMut(f64) -> ControlFlow<()>> Foresight<'a, P> {
    fn new(record: &'a Record, depth: Depth, progress: P) -> Self {
        let script = &record.script;
        let limits = Limits::of(script);
        Self {
            record,
            script,
            left_out: &record.course.spills,
            limits,
            depth,
            windows: windows(script, STRETCH_H),
            best: record.course.clone(),
            answers: Vec::new(),
            rounds: Vec::new(),
            hope: Hope::UNKNOWN,
            played_h: 0,
            progress,
        }
    }

    fn worth(&self, course: &Course) -> Worth {
        let scored = self.script.scored..self.script.end;
        Worth { water: course.water(self.script, self.left_out), missing: course.missing_in(scored) }
    }

    /// Searches stretch after stretch. `None` when broken off.
    fn improve(&mut self) -> Option<()> {
        let search = Search { script: self.script, limits: self.limits };
        let mut run = self.record.course.clone();
        run.go_on_from(self.script.end);
        let mut answers = Answers::prior(self.script);
        let mut stand = self.script.stand(&self.record.start);
        let mut course = Course::new(self.script);
        let mut before: Option<(Course, usize)> = None;
        for (at, window) in self.windows.clone().into_iter().enumerate() {
            let guess = before
                .as_ref()
                .map_or_else(|| run.clone(), |(found, until)| trials::guess(&run, found, *until, &answers));
            let effort = trials::Effort::of(self.depth, at == 0);
            let begin = trials::Begin {
                stand: &stand,
                guess,
                is_run: at == 0,
                answers: answers.clone(),
                spare: self.record.course.missing_in(window.first..window.core),
            };
            let mut broken = false;
            let count = self.windows.len();
            let progress = &mut self.progress;
            let found = search.settle(begin, window, effort, &mut |over, most| {
                broken = progress(done((at, count), (over, most))).is_break();
                !broken
            });
            if broken {
                return None;
            }
            // Without a trial there is no river to go on from: the run stays the best.
            let Some(found) = found else { return Some(()) };
            self.played_h += found.plays * (window.until - window.first);
            course.join(found.course.clone(), window.first);
            before = Some((found.course, window.until));
            answers = found.answers;
            self.rounds.push(found.rounds);
            self.answers.push(answers.clone());
            let Some(then) = found.stand else { return Some(()) };
            stand = then;
        }
        self.take(course);
        Some(())
    }

    /// Takes a closed loop for the best if it is better; and says what the programme hopes for around it.
    fn take(&mut self, course: Course) {
        self.hope = self.hope_around(&course);
        if self.worth(&self.best).saved_by(self.worth(&course)) > 0.0 {
            self.best = course;
        }
    }

    /// What the programme hopes for around a closed loop.
    fn hope_around(&self, course: &Course) -> Hope {
        let search = Search { script: self.script, limits: self.limits };
        let windows = self.windows.iter().zip(&self.answers);
        let hopes = windows.map(|(window, answers)| search.hope(course, answers, *window));
        hopes.fold(Hope::NONE, Hope::and)
    }

    /// Tries constant releases with as much water as the best or less: of those only the greatest can be as good, so one
    /// trial settles it unless it succeeds.
    fn rival(&mut self) {
        let script = self.script;
        let counted =
            (script.scored..script.end).filter(|hour| !self.left_out.get(*hour).copied().unwrap_or(false));
        let counted = counted.count();
        let stand = script.stand(&self.record.start);
        let (mut low, mut high) = (0.0, f64::INFINITY);
        for _ in 0..CONSTANTS {
            let stands = self.worth(&self.best);
            let most = stands.water / (3600.0 * respond::float(counted.max(1)));
            let constant = if high.is_finite() { f64::midpoint(low, high) } else { most };
            let mut release = self.record.course.release.clone();
            release.iter_mut().skip(script.scored).for_each(|hour| *hour = constant);
            let leg = Leg { until: script.end, keep: script.end, give_up: stands.missing };
            let (tried, _) = script.play(&stand, &release, leg);
            if self.worth(&tried).missing <= stands.missing {
                high = constant;
                if stands.saved_by(self.worth(&tried)) > 0.0 {
                    self.best = tried;
                }
            } else if high.is_finite() {
                low = constant;
            } else {
                break;
            }
        }
    }

    fn bound(self, seed: u64) -> Bound {
        let (script, case) = (self.script, &self.script.case);
        let run = &self.record.course;
        let at = |after: Duration| instant(case.scenario.start, after);
        let sections = script.dam.sections.iter().enumerate().filter_map(|(index, (id, _))| {
            let (best, run) = (self.best.sections.get(index)?, run.sections.get(index)?);
            let counted = best.least.iter().enumerate().filter(|(hour, _)| script.counts(*hour));
            let mut lags = self.answers.iter().map(|answers| answers.lag_h(index)).collect::<Vec<_>>();
            lags.sort_by(f64::total_cmp);
            let summary = SectionBound {
                unavoidable_minutes_below: minutes(&best.below),
                unavoidable_deficit_m3: best.deficit.iter().sum(),
                run_minutes_below: minutes(&run.below),
                run_avoidable_minutes_below: minutes(&run.below) - minutes(&common(&run.below, &best.below)),
                min_m3s: counted.map(|(_, least)| *least).fold(f64::INFINITY, f64::min),
                lag_h: lags.get(lags.len() / 2).copied().unwrap_or(0.0),
                unavoidable: best.below.iter().map(|(from, to)| (at(*from), at(*to))).collect(),
            };
            Some((script.basin().sections.get(id.0)?.id.clone(), summary))
        });
        let sections = sections.collect();
        let scored = script.scored..script.end;
        let optimum_m3 = self.best.water(script, self.left_out);
        let hope = self.hope;
        let after_m3 = self.best.missing_in(script.end..script.hours);
        let gap_pct = 100.0 * hope.saves.max(0.0) / optimum_m3.max(1.0);
        Bound {
            scenario: case.scenario.id.clone(),
            seed,
            config: case.config.digest.clone(),
            from: at(case.scenario.spin_up),
            to: at(case.scenario.duration),
            depth: self.depth,
            optimum_m3,
            run_m3: run.water(script, self.left_out),
            spill_h: scored.clone().filter(|hour| self.left_out.get(*hour).copied().unwrap_or(false)).count(),
            sections,
            played_h: self.played_h,
            gap_pct,
            gap_missing_m3: hope.mends,
            after_m3,
            converged: gap_pct <= CONVERGED_PCT
                && after_m3 <= CONVERGED_M3
                && hope.mends <= CONVERGED_M3.max(0.005 * self.worth(&self.best).missing),
            release_m3: scored.filter_map(|hour| Some(self.best.release.get(hour)? * 3600.0)).collect(),
            rounds: self.rounds,
        }
    }
}

/// Share of a search that is over when so many trials of the present stretch are.
fn done((stretch, stretches): (usize, usize), (over, most): (usize, usize)) -> f64 {
    let within = respond::float(over) / respond::float(most.max(1));
    (respond::float(stretch) + within.min(1.0)) / respond::float(stretches.max(1))
}

fn minutes(spans: &[(Duration, Duration)]) -> f64 {
    spans.iter().fold(0.0, |sum, (from, to)| sum + to.saturating_sub(*from).as_secs_f64() / 60.0)
}

/// Times that lie in both lists.
fn common(a: &[(Duration, Duration)], b: &[(Duration, Duration)]) -> Vec<(Duration, Duration)> {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
    pairs.filter(|(from, to)| from < to).collect()
}
