//! What a search goes by: stretches of a scenario, what a release is worth, and what may be hoped for.

use super::Round;
use super::course::Course;
use super::program::{self, Limits, RATE, Task};
use super::respond::Answers;
use super::script::{Leg, Script, Stand};

/// In this region the programme says at the end what it still hopes for, m³/s.
const HOPE: f64 = 0.3;
/// Of a shortage that cannot be met, this share is no difference.
const EVEN: f64 = 0.001;

/// What a release came to: water, and what is missing, m³.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Worth {
    pub(super) water: f64,
    pub(super) missing: f64,
}

impl Worth {
    /// How much better another is, m³ of water: no water buys a shortage, and a smaller one counts at the rate of the
    /// programme.
    pub(super) fn saved_by(self, other: Self) -> f64 {
        let fuller = self.missing - other.missing;
        if fuller < -EVEN * self.missing {
            return RATE * fuller;
        }
        self.water - other.water + RATE * fuller.max(0.0)
    }
}

/// A stretch: its release is free from `first` on, kept until `core`, and judged until `until`, where what is released
/// last has arrived.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) first: usize,
    pub(super) core: usize,
    pub(super) until: usize,
}

/// Cuts the scored hours into equal stretches of at most `longest` hours, each looking beyond its end for as long as the
/// scenario looks beyond its own.
pub(super) fn windows(script: &Script, longest: usize) -> Vec<Window> {
    let (hours, tail) = (script.end - script.scored, script.hours - script.end);
    let count = hours.div_ceil(longest).max(1);
    let begin = |at: usize| script.scored + at * hours / count;
    let window = |at: usize| Window { first: begin(at), core: begin(at + 1), until: begin(at + 1) + tail };
    (0..count).map(window).collect()
}

/// What a search goes by.
pub(super) struct Search<'a> {
    pub(super) script: &'a Script,
    pub(super) limits: Limits,
}

/// What a search found in one stretch.
pub(super) struct Found {
    /// The best trajectory.
    pub(super) course: Course,
    /// The river at the end of the stretch under it.
    pub(super) stand: Option<Stand>,
    pub(super) answers: Answers,
    pub(super) rounds: Vec<Round>,
    /// Runs of the plant.
    pub(super) plays: usize,
}

impl Search<'_> {
    pub(super) fn task(&self, window: Window) -> Task<'_> {
        Task {
            margins: &[],
            script: self.script,
            limits: self.limits,
            first: window.first,
            until: window.until,
            core: window.core,
        }
    }

    pub(super) fn play(&self, stand: &Stand, release: &[f64], window: Window) -> (Course, Option<Stand>) {
        let leg = Leg { until: window.until, keep: window.core, give_up: f64::INFINITY };
        self.script.play(stand, release, leg)
    }

    pub(super) fn worth(course: &Course, window: Window) -> Worth {
        let hours = window.first..window.until;
        Worth { water: course.released_in(hours.clone()), missing: course.missing_in(hours) }
    }

    /// What the programme still hopes for around a trajectory.
    pub(super) fn hope(&self, course: &Course, answers: &Answers, window: Window) -> Hope {
        program::solve(&self.task(window), course, answers, HOPE)
            .map_or(Hope::UNKNOWN, |hope| Hope { saves: hope.saves, mends: hope.mends })
    }
}

/// What a programme hopes for, m³.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hope {
    /// Water saved.
    pub(super) saves: f64,
    /// Shortage mended.
    pub(super) mends: f64,
}

impl Hope {
    /// Nothing yet.
    pub(super) const NONE: Self = Self { saves: 0.0, mends: 0.0 };
    /// The solver failed.
    pub(super) const UNKNOWN: Self = Self { saves: f64::INFINITY, mends: f64::INFINITY };

    /// Of two stretches.
    pub(super) fn and(self, other: Self) -> Self {
        Self { saves: self.saves + other.saves, mends: self.mends + other.mends }
    }
}
