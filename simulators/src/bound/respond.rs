//! How the sections answer to the release, identified from the plant.
//!
//! The release of the trajectory is lifted by [`LIFT`] for a block of [`BLOCK_H`] hours, in several blocks at once that
//! lie [`APART`] blocks apart, so that their answers do not overlap at a section; what the flow there gains over the run
//! without it is one answer. Of each three moments are kept: gain (the share that arrives), lag (mean travel time) and
//! spread (standard deviation of the travel time). Moments bear the noise of station units that start or stop a minute
//! sooner; the answer of one hour of the block is made of them as a logistic distribution, which has a closed form. Lag and
//! spread change with the flow, and each block has its own.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use qindan::control::routing;
use qindan::units::Discharge;

use super::open::{Course, Script, Trajectory};

/// Hours that are lifted together.
pub(super) const BLOCK_H: usize = 6;
/// Blocks from one lifted block to the next: two days, more than the answer of the Qin is long.
const APART: usize = 8;
/// By how much, m³/s: well above the noise of the river, small against its flow.
const LIFT: f64 = 0.2;
/// An answer begins after this share of the travel time the controller knows for the highest flow on the way.
const EARLY: f64 = 0.5;
/// Sections nearer to the dam than this answer within the hour.
const LOCAL_H: f64 = 0.5;
/// Gains outside of this are no answer but an accident, as a pond that tips.
const CREDIBLE: std::ops::RangeInclusive<f64> = 0.3..=1.3;
/// Standard deviation over scale of a logistic distribution: π/√3.
const LOGISTIC: f64 = 1.813_799_364_234_218;
/// Least spread, h: below it an hour is no longer told from its neighbours.
const SHARPEST_H: f64 = 0.5;

/// Answer of a section to the release of one block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answer {
    /// Share that arrives.
    pub(super) gain: f64,
    /// Mean travel time, h.
    pub(super) lag_h: f64,
    /// Its standard deviation, h.
    pub(super) spread_h: f64,
}

/// Answers by section of the dam and block.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    sections: Vec<Vec<Answer>>,
    local: Vec<bool>,
}

impl Answers {
    /// Identifies them around a trajectory, with `threads` threads; the result does not depend on their number.
    pub(super) fn identify(script: &Script, around: &Trajectory, threads: usize) -> Self {
        let base = &script.play(&around.course.release, around);
        let blocks = script.hours.div_ceil(BLOCK_H);
        let first = script.scored / BLOCK_H;
        let lifted = lift_all(script, around, first, threads);
        let local = script.dam.sections.iter().map(|(_, lag_h)| *lag_h < LOCAL_H).collect::<Vec<_>>();
        let sections = (0..script.dam.sections.len()).map(|at| {
            if local.get(at).copied().unwrap_or(false) {
                return vec![Answer { gain: 1.0, lag_h: 0.0, spread_h: 0.0 }; blocks];
            }
            let found = (0..blocks).map(|block| answer(script, base, &lifted, (at, block, first)));
            complete(&found.collect::<Vec<_>>(), script.dam.sections.get(at).map_or(0.0, |(_, lag_h)| *lag_h))
        });
        Self { sections: sections.collect(), local }
    }

    /// Answer of section `at` to the release of one hour.
    pub(super) fn of(&self, at: usize, hour: usize) -> Answer {
        let missing = Answer { gain: 0.0, lag_h: 0.0, spread_h: SHARPEST_H };
        let Some(blocks) = self.sections.get(at) else { return missing };
        // Straight between the middles of the blocks, so that what leaves later does not arrive much earlier.
        let x = (float(hour) + 0.5) / float(BLOCK_H) - 0.5;
        let low = x.floor().max(0.0);
        let share = (x - low).clamp(0.0, 1.0);
        let low = index(low);
        let (Some(a), Some(b)) = (blocks.get(low), blocks.get(low + 1).or(blocks.last())) else {
            return blocks.last().copied().unwrap_or(missing);
        };
        let mix = |a: f64, b: f64| a + (b - a) * share;
        Answer {
            gain: mix(a.gain, b.gain),
            lag_h: mix(a.lag_h, b.lag_h),
            spread_h: mix(a.spread_h, b.spread_h),
        }
    }

    /// Hours in which the release of `hour` arrives at section `at`, with the part of it that arrives in each.
    pub(super) fn arrivals(&self, at: usize, hour: usize, hours: usize) -> Vec<(usize, f64)> {
        let answer = self.of(at, hour);
        if self.local.get(at).copied().unwrap_or(false) {
            return vec![(hour, answer.gain)];
        }
        let scale = answer.spread_h.max(SHARPEST_H) / LOGISTIC;
        let middle = float(hour) + 0.5 + answer.lag_h;
        let until = |t: f64| 1.0 / (1.0 + (-(t - middle) / scale).exp());
        // Twelve scales hold all but 1e-5 of it.
        let from = index((middle - 12.0 * scale).max(float(hour)).floor());
        let to = index((middle + 12.0 * scale).ceil()).min(hours);
        let part = |t: usize| (t, answer.gain * (until(float(t) + 1.0) - until(float(t))));
        (from..to).map(part).collect()
    }
}

/// The courses with every `APART`-th block lifted, by offset.
fn lift_all(script: &Script, around: &Trajectory, first: usize, threads: usize) -> Vec<Course> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, APART) {
            scope.spawn(|| {
                loop {
                    let offset = next.fetch_add(1, Ordering::Relaxed);
                    if offset >= APART {
                        break;
                    }
                    let is_lifted = |hour: usize| {
                        let block = hour / BLOCK_H;
                        block >= first && (block - first) % APART == offset
                    };
                    let lifted = around.course.release.iter().enumerate();
                    let lifted = lifted.map(|(hour, q)| if is_lifted(hour) { q + LIFT } else { *q });
                    let course = script.play(&lifted.collect::<Vec<_>>(), around);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((offset, course));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(offset, _)| *offset);
    done.into_iter().map(|(_, course)| course).collect()
}

/// Moments of what section `at` gained from one block; `None` where it cannot be told.
fn answer(
    script: &Script,
    base: &Course,
    lifted: &[Course],
    (at, block, first): (usize, usize, usize),
) -> Option<Answer> {
    let offset = block.checked_sub(first)? % APART;
    let (with, without) = (lifted.get(offset)?.sections.get(at)?, base.sections.get(at)?);
    let begin = |block: usize| block * BLOCK_H + index(early_h(script, base, (at, block)));
    let (from, to) = (begin(block), begin(block + APART));
    if to > script.hours {
        return None;
    }
    let (mut sum, mut first_moment, mut second_moment) = (0.0, 0.0, 0.0);
    for hour in from..to {
        let gained = with.mean.get(hour)? - without.mean.get(hour)?;
        let after = float(hour) + 0.5 - float(block * BLOCK_H);
        sum += gained;
        first_moment += gained * after;
        second_moment += gained * after * after;
    }
    let given = (block * BLOCK_H..(block + 1) * BLOCK_H)
        .filter_map(|hour| Some(lifted.get(offset)?.release.get(hour)? - base.release.get(hour)?))
        .sum::<f64>();
    let gain = sum / given;
    if !(given > 0.5 * LIFT * float(BLOCK_H) && CREDIBLE.contains(&gain)) {
        return None;
    }
    let mean = first_moment / sum;
    let block_h = float(BLOCK_H);
    // The block itself spreads by the variance of a uniform distribution.
    let variance = second_moment / sum - mean * mean - block_h * block_h / 12.0;
    let lag_h = mean - block_h / 2.0;
    let spread_h = variance.max(0.0).sqrt().clamp(SHARPEST_H, lag_h.max(SHARPEST_H));
    (lag_h > 0.0).then_some(Answer { gain, lag_h, spread_h })
}

/// When the answer to a block may begin, h after its begin.
fn early_h(script: &Script, base: &Course, (at, block): (usize, usize)) -> f64 {
    let Some((id, floor_lag_h)) = script.dam.sections.get(at).copied() else { return 0.0 };
    let hours = block * BLOCK_H..(block * BLOCK_H + index(floor_lag_h) + BLOCK_H);
    let section = base.sections.get(at);
    let flow = |hour: usize| {
        let there = section.and_then(|reach| reach.mean.get(hour)).copied().unwrap_or(0.0);
        base.release.get(hour).copied().unwrap_or(0.0).max(there)
    };
    let highest = hours.map(flow).fold(0.0, f64::max);
    let paths = routing::paths(script.basin());
    let path = paths.iter().find(|path| path.section == id && path.source == script.dam.reservoir);
    EARLY * path.map_or(0.0, |path| path.lag_h(script.basin(), Discharge::lossy(highest)))
}

/// Fills blocks without an answer from the nearest that has one.
fn complete(found: &[Option<Answer>], lag_h: f64) -> Vec<Answer> {
    let known: Vec<(usize, Answer)> =
        found.iter().enumerate().filter_map(|(at, answer)| Some((at, (*answer)?))).collect();
    let plain = Answer { gain: 0.9, lag_h, spread_h: 0.2 * lag_h };
    let nearest = |at: usize| {
        let nearest = known.iter().min_by_key(|(other, _)| other.abs_diff(at));
        nearest.map_or(plain, |(_, answer)| *answer)
    };
    found.iter().enumerate().map(|(at, answer)| answer.unwrap_or_else(|| nearest(at))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "hours of some years")]
pub(super) fn float(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "hours, never negative")]
fn index(number: f64) -> usize {
    number.max(0.0) as usize
}
