//! The search within one stretch: trials, each of which tells how the river answers.
//!
//! It begins with a trajectory that need not be a run from here: the run as it is, or that with what the stretch before
//! has changed. Each trial is the proposal of the programme around the last trajectory, and what differs between two trials
//! mends the answers (`fit`), which hold best where the last steps were small. A first trial aims well above the floors,
//! those after it less and less as long as floors are kept, and in hours in which one brought less than was expected the next
//! aims higher by a share of it. After a trial that fell short of floors another has kept, the next lies between the two. The search ends with its last trial, or when the programme hopes for next to nothing around the
//! best; while a shortage is left that the run did not have, a few trials more are spent on that.

use super::course::Course;
use super::program::{self, Proposal, Task};
use super::respond::{Answers, LONGEST_H};
use super::script::{Script, Stand};
use super::search::{Found, Search, Window};
use super::{Depth, Round, Tell};
use crate::score;

/// How much is tried in one stretch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Trials.
    pub(super) trials: usize,
    /// Trials more that mend a shortage.
    pub(super) mending: usize,
    /// A stretch that is hoped to save less than this share of its water is left as it is.
    pub(super) worth: f64,
}

/// Trust region of the first trial, m³/s.
const TRUST: f64 = 1.0;
/// What it shrinks by after a trial that kept its floors, and the least, m³/s; and after one that did not.
const STEADY: (f64, f64) = (0.6, 0.1);
/// See [`STEADY`].
const CAREFUL: (f64, f64) = (0.5, 0.03);
/// What a first trial aims higher by, what that shrinks by with each that kept its floors, and the least, m³/s.
const MARGIN: (f64, f64, f64) = (0.1, 0.3, 0.001);
/// Share of what the trials missed, from the first on, that the next one aims higher by.
const HIGHER: [f64; 3] = [0.25, 0.5, 0.8];
/// Margins of what was missed shrink by this from one trial to the next.
const FADE: f64 = 0.6;
/// Weight of the margins of what was missed: halved by a trial that kept its floors, doubled by one that did not, within these.
const WEIGHT: (f64, f64) = (0.05, 1.0);
/// Between two trials: no farther towards the one that fell short, and no nearer to the other.
const FARTHEST: f64 = 0.9;
/// See [`FARTHEST`].
const NEAREST: f64 = 0.3;
/// There the floors are kept by this much, m³/s.
const ABOVE: f64 = 0.002;
/// The last trial aims higher by at least this, m³/s: there is none after it to mend what it misses.
const LAST: f64 = 0.02;
/// Hours around a miss that are aimed higher.
const AROUND_H: usize = 3;
/// Highest margin of what was missed, m³/s.
const MOST: f64 = 0.15;

impl Effort {
    /// For the first stretch, or one that follows with what is known by then.
    pub(super) fn of(depth: Depth, is_first: bool) -> Self {
        match (depth, is_first) {
            (Depth::Fast, true) => Self { trials: 4, mending: 2, worth: 0.005 },
            (Depth::Fast, false) => Self { trials: 2, mending: 3, worth: 0.01 },
            (Depth::Tight, true | false) => Self { trials: 12, mending: 4, worth: 0.001 },
        }
    }
}

/// Where a search begins.
pub(super) struct Begin<'a> {
    pub(super) stand: &'a Stand,
    /// What the river would do as far as anybody knows.
    pub(super) guess: Course,
    /// It is a run of the river from the same stand.
    pub(super) is_run: bool,
    pub(super) answers: Answers,
    /// Missing in the run as it is in these hours, m³: as much is no reason to mend.
    pub(super) spare: f64,
}

impl Search<'_> {
    /// Looks for a good release of a stretch. `None` when broken off or when there was no trial.
    pub(super) fn settle(
        &self,
        begin: Begin<'_>,
        window: Window,
        effort: Effort,
        tell: &mut Tell<'_>,
    ) -> Option<Found> {
        let Begin { stand, guess, is_run, mut answers, spare } = begin;
        let hours = (window.first, window.until);
        let mut missed_by = vec![vec![0.0; self.script.hours]; self.script.dam.sections.len()];
        let mut courses = vec![guess];
        let mut best: Option<(Course, Option<Stand>)> = None;
        let mut rounds = Vec::new();
        let (mut trust, mut margin, mut weight) = (TRUST, MARGIN.0, WEIGHT.1);
        if !is_run {
            (trust, margin) = (STEADY.0 * trust, MARGIN.1 * margin);
        }
        for trial in 0..effort.trials + effort.mending {
            let Some(present) = courses.last() else { break };
            let kept = best.as_ref().filter(|(best, _)| Self::worth(best, window).missing <= spare);
            let proposal = match kept {
                Some((kept, _)) if Self::worth(present, window).missing > spare => {
                    Proposal { release: between(self.script, kept, present, hours), ..Proposal::default() }
                }
                Some(_) | None => {
                    let is_last = trial + 1 == effort.trials;
                    let (margin, weight) =
                        if is_last { (margin.max(LAST), WEIGHT.1) } else { (margin, weight) };
                    let higher_by = |missed: &f64| margin + weight * missed;
                    let margins = missed_by.iter().map(|hours| hours.iter().map(higher_by).collect());
                    let margins = margins.collect::<Vec<_>>();
                    let task = Task { margins: &margins, ..self.task(window) };
                    let solved = program::solve(&task, present, &answers, trust);
                    let Ok(proposal) =
                        solved.inspect_err(|status| tracing::warn!(?status, "the programme was not solved"))
                    else {
                        break;
                    };
                    proposal
                }
            };
            let (course, kept) = self.play(stand, &proposal.release, window);
            let stands = Self::worth(&course, window);
            let better =
                best.as_ref().is_none_or(|(best, _)| Self::worth(best, window).saved_by(stands) > 0.0);
            rounds.push(Round {
                water_m3: stands.water,
                missing_m3: stands.missing,
                expected_m3: proposal.missing,
                trust_m3s: trust,
                better,
            });
            let share = HIGHER.get(trial).or(HIGHER.last()).copied().unwrap_or(1.0);
            missed_by = higher(&missed_by, &missed(self.script, present, &course, &answers), share);
            courses.push(course.clone());
            let pairs = courses.iter().zip(courses.iter().skip(1)).skip(usize::from(!is_run));
            answers = answers.learnt(self.script, &pairs.collect::<Vec<_>>(), hours);
            if better {
                best = Some((course, kept));
            }
            tell(trial + 1, effort.trials).then_some(())?;
            let Some((stood, _)) = &best else { break };
            let stood_worth = Self::worth(stood, window);
            if stood_worth.missing <= spare
                && (trial + 1 >= effort.trials
                    || self.hope(stood, &answers, window).saves <= effort.worth * stood_worth.water)
            {
                break;
            }
            if stands.missing <= spare {
                trust = (STEADY.0 * trust).max(STEADY.1.min(trust));
                margin = (MARGIN.1 * margin).max(MARGIN.2);
                weight = (0.5 * weight).max(WEIGHT.0);
            } else {
                trust = (CAREFUL.0 * trust).max(CAREFUL.1);
                weight = (2.0 * weight).min(WEIGHT.1);
            }
        }
        let (course, stand) = best?;
        let plays = rounds.len();
        Some(Found { course, stand, answers, rounds, plays })
    }
}

/// Release between those of a trial that kept the floors and of one that did not: as far towards the latter as the floors
/// allow, if the flows lie between in the same way.
fn between(script: &Script, kept: &Course, short: &Course, (first, until): (usize, usize)) -> Vec<f64> {
    let mut share = FARTHEST;
    for (at, (kept, short)) in kept.sections.iter().zip(&short.sections).enumerate() {
        let flows = kept.least.iter().zip(&short.least).enumerate().take(until).skip(first);
        for (hour, (kept, short)) in flows {
            let aim = script.floor(at, hour).map_or(0.0, score::tolerated) + ABOVE;
            if *short < aim {
                share = share.min((kept - aim) / (kept - short).max(ABOVE));
            }
        }
    }
    let release = kept.release.iter().zip(&short.release);
    release.map(|(kept, short)| kept + share.max(NEAREST) * (short - kept)).collect()
}

/// By section and hour, how much less came than was expected, m³/s.
fn missed(script: &Script, before: &Course, after: &Course, answers: &Answers) -> Vec<Vec<f64>> {
    let change = after.release.iter().zip(&before.release).map(|(after, before)| after - before);
    let change = change.collect::<Vec<_>>();
    let of = |(at, (before, after)): (usize, (&super::course::Reach, &super::course::Reach))| {
        let effect = answers.effect(at, &change);
        let expected = before.least.iter().zip(effect).map(|(before, effect)| before + effect);
        let less = expected.zip(&after.least).enumerate().map(|(hour, (expected, came))| {
            // Where there is more than enough nobody minds.
            let near = script.floor(at, hour).is_some_and(|floor| *came < 1.1 * floor);
            if near && expected.is_finite() { (expected - came).max(0.0) } else { 0.0 }
        });
        less.collect()
    };
    before.sections.iter().zip(&after.sections).enumerate().map(of).collect()
}

/// Margins after a trial: a share of what it missed, the hours around included, and of the margins before what is more.
fn higher(before: &[Vec<f64>], missed: &[Vec<f64>], share: f64) -> Vec<Vec<f64>> {
    let of = |(before, missed): (&Vec<f64>, &Vec<f64>)| {
        let margin = |(hour, before): (usize, &f64)| {
            let around = missed.get(hour.saturating_sub(AROUND_H)..(hour + AROUND_H + 1).min(missed.len()));
            let most = around.into_iter().flatten().fold(0.0_f64, |most, miss| most.max(*miss));
            (share * most).max(FADE * before).min(MOST)
        };
        before.iter().enumerate().map(margin).collect()
    };
    before.iter().zip(missed).map(of).collect()
}

/// The trajectory with which a stretch begins: as `found`, as far as that has been played, then as in the run with what the
/// other release changes.
pub(super) fn guess(run: &Course, found: &Course, until: usize, answers: &Answers) -> Course {
    let mut course = run.clone();
    let change = found.release.iter().zip(&run.release).enumerate();
    let late = until.saturating_sub(LONGEST_H)..until;
    let change = change.map(|(hour, (found, run))| if late.contains(&hour) { found - run } else { 0.0 });
    let change = change.collect::<Vec<_>>();
    for (at, reach) in course.sections.iter_mut().enumerate() {
        let effect = answers.effect(at, &change);
        for list in [&mut reach.least, &mut reach.mean] {
            list.iter_mut().zip(&effect).skip(until).for_each(|(flow, effect)| *flow += effect);
        }
    }
    let last = until.saturating_sub(1);
    let more = found.volume.get(last).zip(run.volume.get(last)).map_or(0.0, |(found, run)| found - run);
    course.volume.iter_mut().for_each(|volume| *volume += more);
    course.begin_with(found, until);
    course
}
