//! The closed loop under a prescribed release: the rules move the other gates as they always do.

use std::time::Duration;

use qindan::basin::{Basin, Duty, GateId, Place};

use super::course::Course;
use crate::inflow::{Base, Record, Source, instant};
use crate::need::{self, Dam};
use crate::run::Run;
use crate::scenario::{Case, What};

/// One value of a release lasts this long.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// After the end the floors are kept for this many travel times at the floor, and six hours.
const TAIL: f64 = 1.5;

/// A scenario whose release is prescribed.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// What waits for a condition happens when it did in the run as it is: the story is the same for every release.
    pub(super) case: Case,
    pub(super) dam: Dam,
    /// Outlets of the dam whose flow the release stands for; its flood gates stay with who moves them.
    pub(super) outlets: Vec<GateId>,
    pub(super) flood: Vec<GateId>,
    /// By section of the dam and hour, m³/s.
    floors: Vec<Vec<Option<f64>>>,
    /// Hours from the start of the scenario: begin of scoring, its end, end of the tail.
    pub(super) scored: usize,
    pub(super) end: usize,
    pub(super) hours: usize,
}

/// A closed loop at a moment, the outlets shut and their keys on local.
#[derive(Clone)]
pub(super) struct Stand {
    run: Run,
    /// What the shut outlets leak, m³/s.
    leaks: f64,
}

/// How far to play, and when to stop before.
#[derive(Clone, Copy)]
pub(super) struct Leg {
    /// Hours to play to.
    pub(super) until: usize,
    /// The loop as it stands at the begin of this hour is wanted.
    pub(super) keep: usize,
    /// Broken off once more than this is missing, m³.
    pub(super) give_up: f64,
}

impl Script {
    /// Of a case before its run; `None` for a basin without a dam that keeps floors.
    pub(super) fn of(case: &Case) -> Option<Self> {
        let basin = &case.config.basin;
        let dam = need::dams(basin).into_iter().next()?;
        let is_flood = |id: &GateId| basin.gates.get(id.0).is_some_and(|gate| gate.duty == Duty::Flood);
        let (flood, outlets) = need::outlets(basin, &dam).into_iter().partition::<Vec<_>, _>(is_flood);
        let farthest = dam.sections.iter().fold(0.0_f64, |far, (_, lag_h)| far.max(*lag_h));
        let tail = Duration::from_secs_f64(3600.0 * (TAIL * farthest + 6.0));
        let end = hours_until(case.scenario.duration);
        let hours = end + hours_until(tail);
        let kept = |section: qindan::basin::SectionId, hour: usize| {
            let utc = instant(case.scenario.start, HOUR * count(hour) + HOUR / 2);
            Some(basin.sections.get(section.0)?.floor_on(basin.date_at(utc))?.get())
        };
        let floors = dam.sections.iter().map(|(id, _)| (0..hours).map(|hour| kept(*id, hour)).collect());
        Some(Self {
            floors: floors.collect(),
            scored: hours_until(case.scenario.spin_up),
            end,
            hours,
            case: case.clone(),
            dam,
            outlets,
            flood,
        })
    }

    /// With what happened in the run, which knows when conditions were met.
    pub(super) fn went(mut self, run: &Run) -> Self {
        self.case = run.case().clone();
        self
    }

    /// Where a search begins: a closed loop that has come to the begin of scoring, whose outlets somebody shuts on site.
    pub(super) fn stand(&self, run: &Run) -> Stand {
        let mut run = run.clone();
        let mut case = self.case.clone();
        // What is over keeps its place.
        let stays = |at: Duration, what: &What| at <= run.now() || !self.is_about_outlets(what);
        case.scenario.happenings.retain(|happening| stays(happening.at, &happening.what));
        // With the key on local not even the protection of the outlet's floor opens one.
        run.divert(case, &self.outlets);
        let mut plant = run.plant().clone();
        plant.advance(HOUR / 60, &self.case.forcing(run.now()));
        let leaks = self.outlets.iter().map(|gate| plant.gate_flow(*gate)).sum();
        Stand { run, leaks }
    }

    /// The closed loop from `stand` on under `release` (m³/s by hour from the start of the scenario), which goes around the
    /// outlets but for what they leak; all other gates are moved by the rules.
    pub(super) fn play(&self, stand: &Stand, release: &[f64], leg: Leg) -> (Course, Option<Stand>) {
        let begin = crate::inflow::seconds(self.case.scenario.start);
        let hour = HOUR.as_secs_f64();
        let around = release.iter().map(|q| (q - stand.leaks).max(0.0)).collect::<Vec<_>>();
        let points = around.iter().enumerate().flat_map(|(at, q)| {
            let begin = begin + hour * f64::from(count(at));
            [(begin, *q), (begin + hour - 1e-3, *q)]
        });
        let span = (begin, hour * f64::from(count(around.len())));
        let source = Source::of(Base::Record(Record::new(points.collect(), span, None)));
        let laterals = [(Place::Reservoir(self.dam.reservoir), -1.0), (Place::Node(self.dam.outlet), 1.0)];
        let laterals = laterals.map(|(place, sign)| (place, source.clone(), sign));
        let mut run = stand.run.clone();
        run.add_laterals(laterals.into());
        let (mut course, mut kept) = (Course::new(self), None);
        // What was released before is known too: ramps begin there.
        for (to, from) in course.release.iter_mut().zip(release).take(hours_before(run.now())) {
            *to = *from;
        }
        let (end, keep) = (HOUR * count(leg.until), HOUR * count(leg.keep));
        while run.now() < end {
            if run.now() >= keep && kept.is_none() {
                let mut run = run.clone();
                run.drop_laterals(2);
                kept = Some(Stand { run, leaks: stand.leaks });
            }
            let tick = run.tick(if kept.is_none() { keep.max(run.now()) } else { end });
            let middle = tick.now.mono.saturating_sub(tick.dt / 2);
            let around = around.get(hours_before(middle)).copied().unwrap_or_default();
            course.add(self, run.plant(), around, tick.now.mono, tick.dt);
            if leg.give_up < f64::INFINITY && course.missing_in(0..self.hours) > leg.give_up {
                break;
            }
        }
        (course, kept)
    }

    fn is_about_outlets(&self, what: &What) -> bool {
        let ours = |gate: &GateId| self.outlets.contains(gate);
        match what {
            What::Event(event) => {
                event.gate().and_then(|id| self.basin().gate(id)).is_some_and(|gate| ours(&gate))
            }
            What::Act(deed) => deed.gate().is_some_and(|gate| ours(&gate)),
            What::Demand { .. } | What::ClockStep(_) | What::SlowLink { .. } | What::Note(_) => false,
        }
    }

    fn body(&self) -> Option<&qindan::basin::Reservoir> {
        self.basin().reservoirs.get(self.dam.reservoir.0)
    }

    pub(super) fn basin(&self) -> &Basin {
        &self.case.config.basin
    }

    /// Floor of section `at` of the dam in an hour, m³/s.
    pub(super) fn floor(&self, at: usize, hour: usize) -> Option<f64> {
        *self.floors.get(at)?.get(hour)?
    }

    /// Most that leaves the outlets fully open at the level in which the scenario begins, m³/s.
    pub(super) fn capacity(&self) -> f64 {
        let forcing = self.case.forcing(Duration::ZERO);
        let mut plant = self.case.river(0);
        let open = self.outlets.iter().map(|gate| (*gate, 1.0)).collect::<Vec<_>>();
        plant.adopt_openings(&open, &forcing);
        self.outlets.iter().map(|gate| plant.gate_flow(*gate)).sum()
    }

    /// Water above the dead level of the reservoir when it holds `volume`, m³; `None` when it has no dead level.
    pub(super) fn above_dead(&self, volume: f64) -> Option<f64> {
        let body = self.body()?;
        Some(volume - body.volume_at(body.dead_level?).get())
    }

    /// Whether the hour counts for the score.
    pub(super) fn counts(&self, hour: usize) -> bool {
        (self.scored..self.end).contains(&hour)
    }
}

/// Hours that are over at `at`.
pub(super) fn hours_before(at: Duration) -> usize {
    usize::try_from(at.as_secs() / 3600).unwrap_or(usize::MAX)
}

/// Hours until `at`, a begun one counted.
fn hours_until(at: Duration) -> usize {
    usize::try_from(at.as_secs().div_ceil(3600)).unwrap_or(usize::MAX)
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
