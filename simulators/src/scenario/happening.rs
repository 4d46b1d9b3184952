//! What happens beside the weather, when, and who keeps watch over it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use qindan::basin::{GateId, InflowId, IntakeId, NodeId, ReservoirId, SectionId, WetlandId};
use qindan::points::LinkId;

use super::deed::Deed;
use super::{Case, Scenario};
use crate::inflow::instant;
use crate::plant::{Event, Plant};

/// What happens at a moment.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// To the plant, its instruments and links.
    Event(Event),
    /// A person acts.
    Act(Deed),
    /// An intake wants something else than planned from now on, and nobody was told.
    Demand {
        /// The intake.
        intake: IntakeId,
        /// Rate wanted, m³/s; `None`: what was planned again.
        rate: Option<f64>,
    },
    /// The wall clock of the service jumps, forward or back. What the service measures time with does not.
    ClockStep(SignedDuration),
    /// Every answer on a link comes this much later; past its time-out none counts. Zero: as quick as ever.
    SlowLink {
        /// The link.
        link: LinkId,
        /// How much later.
        by: Duration,
    },
    /// Nothing but a line in the story: that a condition was met.
    Note(String),
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// Its name in the file; from the second time on with its number.
    pub id: String,
    /// When, after the start.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What a condition looks at, always as it truly is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// Flow through a section, m³/s.
    Section(SectionId),
    /// Flow past a node, m³/s.
    Node(NodeId),
    /// Level of a reservoir or pond, m.
    Reservoir(ReservoirId),
    /// Level of a wetland, m.
    Wetland(WetlandId),
    /// An inflow, m³/s.
    Inflow(InflowId),
    /// What an intake gets, m³/s.
    Intake(IntakeId),
    /// Opening of a gate, %.
    Gate(GateId),
}

impl Quantity {
    /// Its true value. An inflow is what the world gives at `utc`: that of the plant is the mean of its last step.
    fn of(self, case: &Case, plant: &Plant, utc: Timestamp) -> f64 {
        match self {
            Self::Section(id) => plant.section_flow(id),
            Self::Node(id) => plant.node_flow(id),
            Self::Reservoir(id) => plant.reservoir_level(id),
            Self::Wetland(id) => plant.wetland_level(id),
            Self::Inflow(id) => {
                let source = case.scenario.inflows.get(id.0);
                source.map_or(0.0, |source| source.at(utc, &case.config.basin.zone))
            }
            Self::Intake(id) => plant.intake_flow(id),
            Self::Gate(id) => 100.0 * plant.gate_opening(id),
        }
    }
}

/// A condition on the river.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// Of what.
    pub of: Quantity,
    /// It is met above this value; between the two when both are given.
    pub above: Option<f64>,
    /// It is met below this value.
    pub below: Option<f64>,
    /// For how long it must have been met.
    pub hold: Duration,
    /// Not before, after the start.
    pub from: Duration,
}

impl Condition {
    fn is_met(&self, case: &Case, plant: &Plant, utc: Timestamp) -> bool {
        let value = self.of.of(case, plant, utc);
        self.above.is_none_or(|above| value > above) && self.below.is_none_or(|below| value < below)
    }
}

/// One entry of the file, without its cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its name.
    pub id: String,
    /// What happens.
    pub what: What,
    /// A demand ends after this time.
    pub lasts: Option<Duration>,
    /// Again and again at this distance, until a moment after the start.
    pub every: Option<(Duration, Duration)>,
    /// Plans that follow each time, and how much later.
    pub followers: Vec<(usize, Duration)>,
}

/// All plans of a file with their causes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plans {
    /// The plans.
    pub plans: Vec<Plan>,
    /// Those at a known time: which, and when after the start.
    pub timed: Vec<(usize, Duration)>,
    /// Those that wait for a condition: which, and for what.
    pub awaited: Vec<(usize, Condition)>,
}

impl Plans {
    /// What is known to happen at the start of the run, in order of time.
    pub fn known(&self) -> Vec<Happening> {
        let mut known = Vec::new();
        for (plan, at) in &self.timed {
            self.unfold(*plan, *at, &mut BTreeMap::new(), &mut known);
        }
        known.sort_by_key(|happening| happening.at);
        known
    }

    /// All that `plan` brings about when it begins at `at`; `times` counts how often each has happened.
    fn unfold(&self, plan: usize, at: Duration, times: &mut BTreeMap<usize, u32>, out: &mut Vec<Happening>) {
        let Some(this) = self.plans.get(plan) else { return };
        let (every, until) = this.every.unwrap_or((Duration::MAX, at));
        let mut next = Some(at);
        while let Some(at) = next.filter(|at| *at <= until) {
            let time = times.entry(plan).or_insert(0);
            *time += 1;
            let id = if *time == 1 { this.id.clone() } else { format!("{}-{time}", this.id) };
            if let (Some(lasts), What::Demand { intake, .. }) = (this.lasts, &this.what) {
                let what = What::Demand { intake: *intake, rate: None };
                out.push(Happening { id: format!("{id}-over"), at: at + lasts, what });
            }
            out.push(Happening { id, at, what: this.what.clone() });
            for (follower, delay) in &this.followers {
                self.unfold(*follower, at + *delay, times, out);
            }
            next = at.checked_add(every);
        }
    }
}

/// Conditions are looked at on whole minutes after the start, whatever the steps of the run: the river then decides when
/// they are met, not who watches it.
pub const LOOK: Duration = Duration::from_secs(60);

/// What has happened of a scenario, and what is waited for.
#[derive(Clone, Debug)]
pub struct Agenda {
    /// Happenings that are over.
    over: usize,
    /// By condition: since when it is met; `None` while it is not.
    met: Vec<Option<Duration>>,
    /// By condition: whether it has had its day.
    fired: Vec<bool>,
}

impl Agenda {
    /// At the very start.
    pub fn new(scenario: &Scenario) -> Self {
        let count = scenario.plans.awaited.len();
        Self { over: 0, met: vec![None; count], fired: vec![false; count] }
    }

    /// What will happen next as far as is known.
    pub fn next<'s>(&self, scenario: &'s Scenario) -> Option<&'s Happening> {
        scenario.happenings.get(self.over)
    }

    /// What is over, in order.
    pub fn past<'s>(&self, scenario: &'s Scenario) -> &'s [Happening] {
        scenario.happenings.get(..self.over).unwrap_or_default()
    }

    /// What is known to come, in order.
    pub fn rest<'s>(&self, scenario: &'s Scenario) -> &'s [Happening] {
        scenario.happenings.get(self.over..).unwrap_or_default()
    }

    /// When a step must end at the latest: at the next happening, or at the next look at a condition. `None`: never.
    pub fn due(&self, scenario: &Scenario, now: Duration) -> Option<Duration> {
        let waits = self.fired.iter().any(|fired| !fired);
        let look = waits.then(|| now.saturating_add(LOOK).saturating_sub(since_look(now)));
        let next = self.next(scenario).map(|happening| happening.at);
        [look, next].into_iter().flatten().min()
    }

    /// Looks at the conditions; what one brings about joins the happenings of the scenario, from `now` on.
    pub fn look(&mut self, case: &mut Case, plant: &Plant, now: Duration) {
        if !since_look(now).is_zero() || self.fired.iter().all(|fired| *fired) {
            return;
        }
        let mut new = Vec::new();
        let scenario = &case.scenario;
        let utc = instant(scenario.start, now);
        let states = self.met.iter_mut().zip(&mut self.fired);
        for ((plan, condition), (met, fired)) in scenario.plans.awaited.iter().zip(states) {
            if *fired || now < condition.from {
                continue;
            }
            *met = condition.is_met(case, plant, utc).then(|| met.unwrap_or(now));
            if met.is_some_and(|since| now.saturating_sub(since) >= condition.hold) {
                *fired = true;
                scenario.plans.unfold(*plan, now, &mut BTreeMap::new(), &mut new);
            }
        }
        if !new.is_empty() {
            let scenario = &mut case.scenario;
            scenario.happenings.extend(new);
            // Those that are over lie before now and keep their places: the order of equal moments stays.
            scenario.happenings.sort_by_key(|happening| happening.at);
            scenario.note_demands();
        }
    }

    /// What is awaited will not come.
    pub(crate) fn wait_no_more(&mut self) {
        self.fired.iter_mut().for_each(|fired| *fired = true);
    }

    /// The next happening that is due, once each.
    pub fn take(&mut self, scenario: &Scenario, now: Duration) -> Option<Happening> {
        let happening = self.next(scenario).filter(|happening| happening.at <= now)?.clone();
        self.over += 1;
        Some(happening)
    }
}

fn since_look(now: Duration) -> Duration {
    let past = now.as_nanos() % LOOK.as_nanos();
    Duration::from_nanos(u64::try_from(past).unwrap_or(0))
}
