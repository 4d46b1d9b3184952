//! The river under a prescribed release: in closed loop, where the rules move all other gates as they always do, and in
//! open loop, the plant alone with those gates moved as they were in a closed one.

use std::time::Duration;

use qindan::basin::{Basin, Duty, GateId, Place};
use qindan::control::command::{Action, WriteResult};
use qindan::control::operator::Order;
use qindan::units::Opening;

use crate::inflow::{Base, Record, Source, instant};
use crate::need::{self, Dam};
use crate::plant::{Event, Forcing, Plant};
use crate::run::Run;
use crate::scenario::{Case, Happening, What};
use crate::score;

/// One value of a release lasts this long.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// Step of the open loop: the longest the plant takes by itself.
const STEP: Duration = Duration::from_secs(60);
/// Steps in an hour.
const STEPS: usize = 60;

/// A movement of a gate that is not dispatched here.
#[derive(Clone, Copy, Debug)]
struct Move {
    at: Duration,
    gate: GateId,
    action: Action,
}

/// A scenario whose release is prescribed.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) case: Case,
    pub(super) dam: Dam,
    seed: u64,
    /// Outlets of the dam whose flow the release stands for; its flood gates stay with who moves them.
    outlets: Vec<GateId>,
    flood: Vec<GateId>,
    /// What moves gates or stations, but for the outlets.
    happenings: Vec<(Duration, Event)>,
    /// Hours from the start of the scenario: begin of scoring, its end, end of the tail.
    pub(super) scored: usize,
    pub(super) end: usize,
    pub(super) hours: usize,
}

/// A closed loop that is over.
#[derive(Clone, Debug)]
pub(super) struct Trajectory {
    /// What became of the release.
    pub(super) course: Course,
    /// How the rules moved the other gates.
    moves: Vec<Move>,
}

/// What one section got.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// Least flow of each hour, m³/s.
    pub(super) least: Vec<f64>,
    /// Mean flow of each hour, m³/s.
    pub(super) mean: Vec<f64>,
    /// Scored time below the floor, from and to after the start, joined.
    pub(super) below: Vec<(Duration, Duration)>,
    /// Scored water missing to the floor while below it by more than the tolerance, m³.
    pub(super) deficit: f64,
    /// Scored water missing to what the score tolerates, m³: unlike the deficit it grows steadily from nothing.
    pub(super) missing: f64,
}

/// What a release came to, by hour of the scenario.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    /// By section of the dam.
    pub(super) sections: Vec<Reach>,
    /// Through the outlets and around them, m³/s.
    pub(super) release: Vec<f64>,
    /// Into the river in all, m³.
    pub(super) released: Vec<f64>,
    /// Water went over the dam or through a flood gate.
    pub(super) spills: Vec<bool>,
    /// In the reservoir at the end, m³.
    pub(super) volume: Vec<f64>,
}

impl Script {
    /// Of a case and `tail` after its end; `None` for a basin without a dam that keeps floors.
    /// What waits for a condition happens when it did in the run as it is: the story is the same for every release.
    pub(super) fn of(case: &Case, seed: u64, tail: Duration) -> Option<Self> {
        let case = &as_it_went(case, seed);
        let basin = &case.config.basin;
        let dam = need::dams(basin).into_iter().next()?;
        let is_flood = |id: &GateId| basin.gates.get(id.0).is_some_and(|gate| gate.duty == Duty::Flood);
        let (flood, outlets) = need::outlets(basin, &dam).into_iter().partition::<Vec<_>, _>(is_flood);
        let scenario = &case.scenario;
        Some(Self {
            seed,
            happenings: happenings(case, &outlets),
            scored: whole_hours(scenario.spin_up),
            end: whole_hours(scenario.duration),
            hours: whole_hours(scenario.duration + tail),
            case: case.clone(),
            dam,
            outlets,
            flood,
        })
    }

    /// The closed loop as it is, with the dam dispatched by its rules.
    pub(super) fn dispatched(&self) -> Trajectory {
        let nothing = vec![0.0; self.hours];
        self.close_loop(self.case.clone(), &nothing)
    }

    /// The closed loop under `release` (m³/s by hour from the start): the outlets are shut and on local, and the water goes
    /// around them.
    pub(super) fn prescribed(&self, release: &[f64]) -> Trajectory {
        let mut case = self.case.clone();
        let mut basin = Basin::clone(&case.config.basin);
        for gate in &self.outlets {
            if let Some(gate) = basin.gates.get_mut(gate.0) {
                gate.initial = Opening::SHUT;
            }
        }
        case.config.basin = std::sync::Arc::new(basin);
        case.scenario.happenings.retain(|happening| !self.is_about_outlets(&happening.what));
        // With the key on local not even the protection of the outlet's floor opens one.
        let local = self.outlets.iter().filter_map(|gate| self.basin().gates.get(gate.0)).map(|gate| {
            let what = What::Event(Event::Local { gate: gate.id.clone() });
            Happening { id: format!("bound-{}", gate.id), at: Duration::ZERO, what }
        });
        case.scenario.happenings.splice(0..0, local.collect::<Vec<_>>());
        let start = crate::inflow::seconds(case.scenario.start);
        let hour = HOUR.as_secs_f64();
        let points = release.iter().enumerate().flat_map(|(at, q)| {
            let begin = start + hour * f64::from(count(at));
            [(begin, *q), (begin + hour - 1e-3, *q)]
        });
        let points: Vec<_> = points.collect();
        let span = (start, hour * f64::from(count(release.len())));
        let source = Source::of(Base::Record(Record::new(points, span, None)));
        case.scenario.laterals.push((Place::Reservoir(self.dam.reservoir), source.clone(), -1.0));
        case.scenario.laterals.push((Place::Node(self.dam.outlet), source, 1.0));
        self.close_loop(case, release)
    }

    /// Runs a closed loop in which `around` (m³/s by hour) goes around the outlets.
    fn close_loop(&self, case: Case, around: &[f64]) -> Trajectory {
        let mut course = Course::new(self);
        let mut run = Run::new(case, self.seed);
        run.until(HOUR * count(self.hours), |run, tick| {
            let middle = tick.now.mono.saturating_sub(tick.dt / 2);
            let around = around.get(whole_hours_before(middle)).copied().unwrap_or_default();
            course.add(self, run.plant(), around, tick.now.mono, tick.dt);
        });
        course.close(self);
        let given = run.given().iter().filter(|act| !self.outlets.contains(&act.gate) && is_done(act.write));
        let moves = given.map(|act| Move { at: act.at, gate: act.gate, action: act.action }).collect();
        Trajectory { course, moves }
    }

    fn is_about_outlets(&self, what: &What) -> bool {
        let ours = |gate: &GateId| self.outlets.contains(gate);
        match what {
            What::Event(event) => {
                event.gate().and_then(|id| self.basin().gate(id)).is_some_and(|gate| ours(&gate))
            }
            What::Act(order) => match order {
                Order::SetPoint { gate, .. }
                | Order::SetAuthority { gate, .. }
                | Order::StopGate { gate } => ours(gate),
                Order::HoldAll | Order::ReleaseHold | Order::SetMode { .. } | Order::Acknowledge { .. } => {
                    false
                }
            },
            What::Demand { .. } | What::ClockStep(_) | What::SlowLink { .. } | What::Note(_) => false,
        }
    }

    /// The plant alone under `release`, the other gates moved as in `like`.
    pub(super) fn play(&self, release: &[f64], like: &Trajectory) -> Course {
        let (config, scenario) = (&self.case.config, &self.case.scenario);
        let first = self.case.forcing(Duration::ZERO);
        let mut plant = Plant::new(config, self.seed, scenario.start, &first);
        let shut = self.outlets.iter().map(|gate| (*gate, 0.0)).collect::<Vec<_>>();
        let begin = release.first().copied().unwrap_or_default();
        plant.adopt_openings(&shut, &self.with(first, begin));
        let mut course = Course::new(self);
        let (mut moved, mut happened) = (0, 0);
        for step in 0..self.hours * STEPS {
            let now = STEP * count(step);
            while let Some((at, event)) = self.happenings.get(happened)
                && *at <= now
            {
                if let Err(error) = plant.apply(event) {
                    tracing::error!(%error, "nothing happened");
                }
                happened += 1;
            }
            while let Some(next) = like.moves.get(moved)
                && next.at <= now
            {
                match next.action {
                    Action::Goto(opening) => plant.go_to(next.gate, opening.fraction()),
                    Action::Stop => plant.stop(next.gate),
                };
                moved += 1;
            }
            let wanted = release.get(step / STEPS).or(release.last()).copied().unwrap_or_default();
            let mut forcing = self.case.forcing(now + STEP / 2);
            plant.overrule(&mut forcing, now + STEP / 2);
            plant.advance(STEP, &self.with(forcing, wanted));
            course.add(self, &plant, wanted, now + STEP, STEP);
        }
        course.close(self);
        course
    }

    fn body(&self) -> Option<&qindan::basin::Reservoir> {
        self.basin().reservoirs.get(self.dam.reservoir.0)
    }

    /// Forcing with `release` taken from the reservoir and given to the river below it.
    fn with(&self, mut forcing: Forcing, release: f64) -> Forcing {
        forcing.lateral_extra.push((Place::Reservoir(self.dam.reservoir), -release));
        forcing.lateral_extra.push((Place::Node(self.dam.outlet), release));
        forcing
    }

    pub(super) fn basin(&self) -> &Basin {
        &self.case.config.basin
    }

    /// Floor of section `at` of the dam in an hour, m³/s.
    pub(super) fn floor(&self, at: usize, hour: usize) -> Option<f64> {
        let (id, _) = self.dam.sections.get(at)?;
        let utc = instant(self.case.scenario.start, HOUR * count(hour) + HOUR / 2);
        let section = self.basin().sections.get(id.0)?;
        Some(section.floor_on(self.basin().date_at(utc))?.get())
    }

    /// Most that leaves the outlets fully open at the level in which the scenario begins, m³/s.
    pub(super) fn capacity(&self) -> f64 {
        let forcing = self.case.forcing(Duration::ZERO);
        let mut plant = Plant::new(&self.case.config, self.seed, self.case.scenario.start, &forcing);
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

impl Course {
    fn new(script: &Script) -> Self {
        let hours = script.hours;
        let reach = Reach { least: vec![f64::INFINITY; hours], mean: vec![0.0; hours], ..Reach::default() };
        Self {
            sections: vec![reach; script.dam.sections.len()],
            release: vec![0.0; hours],
            released: vec![0.0; hours],
            spills: vec![false; hours],
            volume: vec![0.0; hours],
        }
    }

    /// Takes in the river after a step that ended `now`, with `around` the flow that goes around the outlets.
    fn add(&mut self, script: &Script, plant: &Plant, around: f64, now: Duration, step: Duration) {
        let dt = step.as_secs_f64();
        let from = now.saturating_sub(step);
        let hour = whole_hours_before(from + step / 2);
        if dt <= 0.0 || hour >= script.hours {
            return;
        }
        // A shut gate leaks; that is part of the release.
        let release = around + script.outlets.iter().map(|gate| plant.gate_flow(*gate)).sum::<f64>();
        let over = plant.spill(script.dam.reservoir);
        let emergency = script.flood.iter().map(|gate| plant.gate_flow(*gate)).sum::<f64>();
        let open = script.flood.iter().any(|gate| plant.gate_opening(*gate) > 0.0);
        add_at(&mut self.release, hour, release * dt);
        add_at(&mut self.released, hour, (release + over + emergency) * dt);
        if let Some(spills) = self.spills.get_mut(hour) {
            *spills |= over > 0.0 || open;
        }
        if let Some(volume) = self.volume.get_mut(hour) {
            *volume = plant.reservoir_volume(script.dam.reservoir);
        }
        for (at, (section, _)) in script.dam.sections.iter().enumerate() {
            let Some(reach) = self.sections.get_mut(at) else { continue };
            let flow = plant.section_flow(*section);
            add_at(&mut reach.mean, hour, flow * dt);
            if let Some(least) = reach.least.get_mut(hour) {
                *least = least.min(flow);
            }
            let Some(floor) = script.floor(at, hour).filter(|_| script.counts(hour)) else { continue };
            let tolerated = score::tolerated(floor);
            reach.missing += (tolerated - flow).max(0.0) * dt;
            if flow < tolerated {
                reach.deficit += (floor - flow) * dt;
                match reach.below.last_mut() {
                    Some(last) if last.1 == from => last.1 = now,
                    Some(_) | None => reach.below.push((from, now)),
                }
            }
        }
    }

    /// Sums of volume become means.
    fn close(&mut self, script: &Script) {
        let seconds = HOUR.as_secs_f64();
        let means = self.sections.iter_mut().map(|reach| &mut reach.mean).chain([&mut self.release]);
        means.flatten().for_each(|mean| *mean /= seconds);
        debug_assert_eq!(self.release.len(), script.hours);
    }

    /// Released in the scored hours that `leaves_out` does not name, m³.
    pub(super) fn water(&self, script: &Script, leaves_out: &[bool]) -> f64 {
        let counts = |hour: &usize| script.counts(*hour) && !leaves_out.get(*hour).copied().unwrap_or(false);
        self.released.iter().enumerate().filter(|(hour, _)| counts(hour)).map(|(_, water)| water).sum()
    }

    /// Water missing in scored hours to what the score tolerates, all sections, m³.
    pub(super) fn missing(&self) -> f64 {
        self.sections.iter().fold(0.0, |sum, reach| sum + reach.missing)
    }
}

/// The case with what waits for conditions at the times at which it happens in its closed loop.
fn as_it_went(case: &Case, seed: u64) -> Case {
    if case.scenario.plans.awaited.is_empty() {
        return case.clone();
    }
    let mut run = Run::new(case.clone(), seed);
    run.until(case.scenario.duration, |_, _| {});
    let mut went = run.case().clone();
    went.scenario.plans.awaited.clear();
    went
}

/// What moves gates, stations or the weather, but for the gates the release stands for.
fn happenings(case: &Case, ours: &[GateId]) -> Vec<(Duration, Event)> {
    let basin = &case.config.basin;
    let concerns = |event: &Event| match event.gate() {
        Some(id) => basin.gate(id).is_some_and(|gate| !ours.contains(&gate)),
        None => matches!(
            event,
            Event::Peaking { .. } | Event::Inflows { .. } | Event::Wave { .. } | Event::Ebb {}
        ),
    };
    let happens = case.scenario.happenings.iter().filter_map(|happening| match &happening.what {
        What::Event(event) => concerns(event).then(|| (happening.at, event.clone())),
        // The forcing knows of demands; the others are no business of the river.
        What::Act(_) | What::Demand { .. } | What::ClockStep(_) | What::SlowLink { .. } | What::Note(_) => {
            None
        }
    });
    happens.collect()
}

/// Whether a write had its effect on the gate, as far as anybody knows.
fn is_done(write: WriteResult) -> bool {
    match write {
        WriteResult::Accepted | WriteResult::Unknown => true,
        WriteResult::Refused(_) | WriteResult::NotSent(_) | WriteResult::NotDone | WriteResult::Foreign => {
            false
        }
    }
}

fn add_at(list: &mut [f64], at: usize, value: f64) {
    if let Some(sum) = list.get_mut(at) {
        *sum += value;
    }
}

/// Hours that are over at `at`.
fn whole_hours_before(at: Duration) -> usize {
    usize::try_from(at.as_secs() / 3600).unwrap_or(usize::MAX)
}

/// Hours until `at`, a begun one counted.
fn whole_hours(at: Duration) -> usize {
    usize::try_from(at.as_secs().div_ceil(3600)).unwrap_or(usize::MAX)
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
