//! A scenario on a world that others use at the same time: stepped at the pace of a clock.

use std::sync::Arc;
use std::time::Duration;

use qindan::control::Now;

use crate::inflow::instant;
use crate::plant::{Forcing, Plant};
use crate::scenario::{Agenda, Case, What};
use crate::score::Step;
use crate::world::{SharedWorld, lock};

/// Longest step: registers are brought up to date at its end. Chosen: the scan period of most of the field.
const STEP: Duration = Duration::from_secs(5);

/// The world and where in its scenario it is.
pub struct Live {
    case: Case,
    world: SharedWorld,
    now: Duration,
    agenda: Agenda,
}

impl Live {
    /// A world that is `now` after the start of its scenario, with what is over and what is still to happen.
    pub fn new(case: Case, world: SharedWorld, agenda: Agenda, now: Duration) -> Self {
        Self { case, world, now, agenda }
    }

    /// The scenario and its configuration.
    pub fn case(&self) -> &Case {
        &self.case
    }

    /// Time since the start of the scenario, and civil time.
    pub fn now(&self) -> Now {
        Now { mono: self.now, utc: instant(self.case.scenario.start, self.now) }
    }

    /// The world.
    pub fn world(&self) -> &SharedWorld {
        &self.world
    }

    /// Time until the next event of the scenario; none after the last.
    pub fn until_event(&self) -> Option<Duration> {
        let mut rest = self.agenda.rest(&self.case.scenario).iter();
        let event = rest.find(|happening| matches!(happening.what, What::Event(_)))?;
        Some(event.at.saturating_sub(self.now))
    }

    /// Advances by `by`, in steps that end where something happens; shows each step. Gives what happened.
    pub fn advance(&mut self, by: Duration, mut show: impl FnMut(&Case, &Plant, Step<'_>)) -> Vec<String> {
        let end = self.now + by;
        let mut happened = Vec::new();
        let world = Arc::clone(&self.world);
        while self.now < end {
            let dt = self.until_next(end).min(STEP);
            let mut world = lock(&world);
            if !dt.is_zero() {
                let forcing = self.forcing(&world.plant, dt);
                self.now += dt;
                let now = self.now();
                world.step(dt, &forcing);
                show(&self.case, &world.plant, Step { now, dt, forcing: &forcing });
            }
            let told = self.happen(&mut world.plant);
            if !told.is_empty() {
                world.refresh();
            }
            happened.extend(told);
        }
        happened
    }

    /// Advances by `by` at one go, as [`crate::run::Run`] does from one of its ticks to the next: the registers are brought
    /// up to date at the end, and where something happens. Nobody can ask or feed a box in between, so a watchdog that was
    /// fed since the last time is held to be fed all along. Gives what happened.
    pub fn leap(&mut self, by: Duration) -> Vec<String> {
        let end = self.now + by;
        let mut happened = Vec::new();
        let world = Arc::clone(&self.world);
        let mut world = lock(&world);
        while self.now < end {
            let dt = self.until_next(end);
            let forcing = self.forcing(&world.plant, dt);
            self.now += dt;
            world.leap(dt, &forcing, |plant| happened.extend(self.happen(plant)));
        }
        happened
    }

    /// Time to the next happening or look at a condition, or to `end` if that comes first.
    fn until_next(&self, end: Duration) -> Duration {
        let due = self.agenda.due(&self.case.scenario, self.now);
        due.map_or(end, |due| due.clamp(self.now, end)).saturating_sub(self.now)
    }

    /// What the world does to the river in the next `dt`.
    fn forcing(&self, plant: &Plant, dt: Duration) -> Forcing {
        let mut forcing = self.case.forcing(self.now + dt / 2);
        plant.overrule(&mut forcing, self.now + dt / 2);
        forcing
    }

    /// Lets happen what is due.
    fn happen(&mut self, plant: &mut Plant) -> Vec<String> {
        let mut told = Vec::new();
        self.agenda.look(&mut self.case, plant, self.now);
        while let Some(happening) = self.agenda.take(&self.case.scenario, self.now) {
            match &happening.what {
                What::Event(event) => {
                    let event_of = serde_json::to_string(event).unwrap_or_default();
                    match plant.apply(event) {
                        Ok(()) => told.push(format!("{}: {event_of}", happening.id)),
                        Err(error) => told.push(format!("{}: nothing happened: {error}", happening.id)),
                    }
                }
                What::Act(deed) => told.push(format!("{}: on the page, do {deed}", happening.id)),
                What::Demand { intake, rate } => {
                    let intake = self.case.config.basin.intakes.get(intake.0).map_or("", |intake| &intake.id);
                    let wants = rate.map_or_else(
                        || "wants what was planned again".to_owned(),
                        |rate| format!("wants {rate} m³/s, which nobody was told"),
                    );
                    told.push(format!("{}: {intake} {wants}", happening.id));
                }
                What::SlowLink { link, by } => {
                    let links = &self.case.config.field.links;
                    let link = links.get(link.0).map_or("", |link| &link.id);
                    let text = "links answer at once here; run replay to see it";
                    told.push(format!("{}: link {link} would answer {by:?} later: {text}", happening.id));
                }
                What::Note(text) => told.push(format!("{}: {text}", happening.id)),
                What::ClockStep(by) => {
                    let text = "its clock follows the river here; run replay to see it";
                    told.push(format!(
                        "{}: the clock of the service would jump by {by:#}: {text}",
                        happening.id
                    ));
                }
            }
        }
        told
    }
}
