//! A scenario: what the world does to the river, from TOML files, checked against a configuration.

mod check;
mod deed;
mod expect;
mod files;
mod happening;
mod library;
mod raw;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::{Basin, InflowKind, IntakeId, Name, Place, ReservoirId};
use qindan::config::{Config, Problem, Schedules, Turn};
use qindan::control::forecast::Target;
use qindan::control::operator::Mode;
use qindan::units::Stage;

use crate::forecast::Foretold;
use crate::inflow::{Source, instant};
use crate::plant::{Forcing, Plant};
use crate::wrong::Truth;

pub use check::{Head, load, words};
pub use deed::{Deed, Does};
pub use expect::{Expect, Outcome};
pub use happening::{Agenda, Condition, Happening, LOOK, Plan, Plans, Quantity, What};
pub use library::{above, check_all, file, files, folder, head, usual};
pub use raw::{Tag, Year};

/// A wet year over a normal one at the head of rivers: 650 over 300·10⁶ m³ a year. Source: domain notes, 2.3.
const WET_HEADWATER: f64 = 650.0 / 300.0;
/// The same for what joins on the way: 400 over 160·10⁶ m³.
const WET_LATERAL: f64 = 400.0 / 160.0;

/// A turn of an intake as it happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// Rate wanted, m³/s.
    pub rate: f64,
    /// Whether the service was told about it, as it then happens.
    pub announced: bool,
}

/// What one intake wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Wants {
    /// All the time.
    pub flow: Option<Source>,
    /// In turns, on top.
    pub turns: Vec<Running>,
}

/// A checked scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Name of the file without its ending.
    pub id: String,
    /// The file.
    pub file: PathBuf,
    /// For screens and reports.
    pub name: Name,
    /// What it is for, one line.
    pub purpose: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Begin of the run.
    pub start: Timestamp,
    /// Length of the run.
    pub duration: Duration,
    /// Not scored: the first part of the run, at most three days.
    pub spin_up: Duration,
    /// Mode the service works in at the start.
    pub mode: Mode,
    /// By inflow.
    pub inflows: Vec<Source>,
    /// By intake.
    pub intakes: Vec<Wants>,
    /// Water nobody meters, by place; its source may be negative.
    pub laterals: Vec<(Place, Source, f64)>,
    /// Added to the loss of every reach, share per km.
    pub extra_loss: f64,
    /// Water bodies that begin elsewhere than configured.
    pub levels: Vec<(ReservoirId, Stage)>,
    /// Forecasts the service is sent.
    pub forecasts: Vec<Foretold>,
    /// All turns the service is told about: those of the configuration, but for intakes with turns of their own.
    pub announced: Vec<Turn>,
    /// What happens, in order of time; what waits for a condition joins when it is met.
    pub happenings: Vec<Happening>,
    /// What they were made of, and what waits for a condition.
    pub plans: Plans,
    /// The demands among the happenings: when, of whom, how much.
    pub demands: Vec<(Duration, IntakeId, Option<f64>)>,
    /// What the run should show.
    pub expect: Expect,
    /// Why it is not run unless named.
    pub tags: Vec<Tag>,
    /// What was odd in the records, and how it was handled.
    pub notes: Vec<String>,
}

impl Scenario {
    /// Another seed: other storms and other noise of the same kind.
    pub fn reseed(&mut self, seed: u64) {
        if std::mem::replace(&mut self.seed, seed) == seed {
            return;
        }
        let flows = self.intakes.iter_mut().filter_map(|wants| wants.flow.as_mut());
        let laterals = self.laterals.iter_mut().map(|(_, source, _)| source);
        self.inflows.iter_mut().chain(flows).chain(laterals).for_each(|source| source.reseed(seed));
    }

    /// Lists the demands among the happenings.
    fn note_demands(&mut self) {
        let demand = |happening: &Happening| match happening.what {
            What::Demand { intake, rate } => Some((happening.at, intake, rate)),
            What::Event(_) | What::Act(_) | What::ClockStep(_) | What::SlowLink { .. } | What::Note(_) => {
                None
            }
        };
        self.demands = self.happenings.iter().filter_map(demand).collect();
    }

    /// What an inflow brings or an intake wants at an instant, m³/s, as far as it is planned; `None` for a meter.
    pub fn comes(&self, target: Target, utc: Timestamp, basin: &Basin) -> Option<f64> {
        match target {
            Target::Inflow(id) => Some(self.inflows.get(id.0)?.at(utc, &basin.zone)),
            Target::Intake(id) => {
                let most = basin.intakes.get(id.0)?.max_rate.get();
                Some(self.intakes.get(id.0)?.at(utc, &basin.zone).min(most))
            }
            Target::Meter(_) => None,
        }
    }

    /// Rate an intake wants instead of the planned one `after` the start; `None`: the planned one.
    fn demand(&self, intake: usize, after: Duration) -> Option<f64> {
        let past = self.demands.iter().take_while(|(at, ..)| *at <= after);
        past.filter(|(_, id, _)| id.0 == intake).last()?.2
    }
}

/// A scenario with the configuration it runs on.
#[derive(Clone, Debug)]
pub struct Case {
    /// The scenario.
    pub scenario: Scenario,
    /// The configuration, with the scenario's water levels, mode and announced turns.
    pub config: Config,
    /// What is true of river and instruments, where it is not what the configuration says.
    pub truth: Truth,
}

impl Case {
    /// Joins a scenario with the configuration it was checked against.
    pub fn new(scenario: Scenario, mut config: Config) -> Self {
        let mut basin = Basin::clone(&config.basin);
        for (id, level) in &scenario.levels {
            if let Some(body) = basin.reservoirs.get_mut(id.0) {
                body.initial_level = *level;
            }
        }
        let schedules =
            Schedules { turns: scenario.announced.clone(), ..Schedules::clone(&config.schedules) };
        config.basin = Arc::new(basin);
        config.schedules = Arc::new(schedules);
        config.service.start_mode = scenario.mode;
        Self { scenario, config, truth: Truth::default() }
    }

    /// The river with its instruments, at rest under the forcing of the start.
    pub fn river(&self, seed: u64) -> Plant {
        let forcing = self.forcing(Duration::ZERO);
        let mut plant = Plant::new(&self.truth.of(&self.config), seed, self.scenario.start, &forcing);
        for (meter, factor) in &self.truth.readings {
            plant.misread(*meter, *factor);
        }
        plant
    }

    /// What the world does `after` the start of the run.
    pub fn forcing(&self, after: Duration) -> Forcing {
        let (basin, scenario) = (&self.config.basin, &self.scenario);
        let utc = instant(scenario.start, after);
        Forcing {
            inflows: scenario.inflows.iter().map(|source| source.at(utc, &basin.zone)).collect(),
            intakes: scenario
                .intakes
                .iter()
                .zip(&basin.intakes)
                .enumerate()
                .map(|(at, (wants, intake))| {
                    let planned = || wants.at(utc, &basin.zone);
                    scenario.demand(at, after).unwrap_or_else(planned).min(intake.max_rate.get())
                })
                .collect(),
            extra_loss: scenario.extra_loss,
            lateral_extra: scenario
                .laterals
                .iter()
                .map(|(place, source, sign)| (*place, sign * source.at(utc, &basin.zone)))
                .collect(),
        }
    }
}

impl Wants {
    /// Rate wanted at an instant, m³/s.
    pub fn at(&self, utc: Timestamp, zone: &jiff::tz::TimeZone) -> f64 {
        let turns = self.turns.iter().filter(|turn| turn.from <= utc && utc < turn.to);
        self.flow.as_ref().map_or(0.0, |flow| flow.at(utc, zone)) + turns.map(|turn| turn.rate).sum::<f64>()
    }
}

/// Monthly means of an inflow in a year.
fn monthly(inflow: &qindan::basin::Inflow, year: Year) -> [f64; 12] {
    let normal = inflow.monthly_normal.map(qindan::units::Discharge::get);
    match (inflow.kind, year) {
        // What works discharge does not depend on the weather.
        (InflowKind::Outfall, _) | (_, Year::Normal) => normal,
        (_, Year::Dry) => inflow.monthly_dry.map(qindan::units::Discharge::get),
        (InflowKind::Headwater, Year::Wet) => normal.map(|q| WET_HEADWATER * q),
        (InflowKind::Tributary | InflowKind::Diffuse, Year::Wet) => normal.map(|q| WET_LATERAL * q),
    }
}

/// Why a scenario cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// No such scenario.
    #[error("{wanted}: no such scenario; give a file, or one of {known}")]
    Unknown {
        /// As asked for.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// No folder with scenarios.
    #[error("no folder simulators/scenarios here or above; name the scenario's file")]
    NoFolder,
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}; check the path", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] qindan::config::Problems),
    /// A change of the configuration cannot be made.
    #[error(transparent)]
    Vary(#[from] crate::vary::VaryError),
    /// The scenario is wrong.
    #[error("{}", listed(.0))]
    Wrong(Vec<Problem>),
}

fn listed(problems: &[Problem]) -> String {
    let lines = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let s = if problems.len() == 1 { "" } else { "s" };
    format!("{lines}\n{} problem{s}; nothing was run", problems.len())
}
