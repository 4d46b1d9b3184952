//! A scenario: what the world does to the river, from a TOML file, checked against a configuration.

mod check;
mod raw;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::{Basin, InflowKind, Name, Place, ReservoirId};
use qindan::config::{Config, Problem, Schedules, Turn};
use qindan::control::operator::{Mode, Order};
use qindan::units::Stage;

use crate::inflow::{Source, instant};
use crate::plant::{Event, Forcing};

pub use check::{load, purpose, words};
pub use raw::Year;

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

/// What happens at a moment.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// To the plant.
    Event(Event),
    /// An operator acts.
    Act(Order),
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// Its name in the file.
    pub id: String,
    /// When, after the start.
    pub at: Duration,
    /// What.
    pub what: What,
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
    /// All turns the service is told about: those of the configuration, but for intakes with turns of their own.
    pub announced: Vec<Turn>,
    /// In order of time.
    pub happenings: Vec<Happening>,
    /// What was odd in the records, and how it was handled.
    pub notes: Vec<String>,
}

/// A scenario with the configuration it runs on.
#[derive(Clone, Debug)]
pub struct Case {
    /// The scenario.
    pub scenario: Scenario,
    /// The configuration, with the scenario's water levels, mode and announced turns.
    pub config: Config,
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
        Self { scenario, config }
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
                .map(|(wants, intake)| wants.at(utc, &basin.zone).min(intake.max_rate.get()))
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

/// The folder with the scenarios: in the present folder or above it, or above the program.
pub fn folder() -> Option<PathBuf> {
    above("simulators/scenarios")
}

/// `what` in the present folder or one above it, or in one above the program.
pub fn above(what: &str) -> Option<PathBuf> {
    let here = std::env::current_dir().ok();
    let program = std::env::current_exe().ok();
    let starts = [here, program].into_iter().flatten();
    let folders =
        starts.flat_map(|from| from.ancestors().map(|folder| folder.join(what)).collect::<Vec<_>>());
    folders.into_iter().find(|path| path.is_dir())
}

/// The scenario files, by name.
///
/// # Errors
/// When there is no folder with scenarios.
pub fn files() -> Result<Vec<PathBuf>, ScenarioError> {
    let folder = folder().ok_or(ScenarioError::NoFolder)?;
    let read =
        std::fs::read_dir(&folder).map_err(|source| ScenarioError::Read { file: folder.clone(), source })?;
    let mut files: Vec<_> = read
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    Ok(files)
}

/// The file of a scenario, by name or path.
///
/// # Errors
/// When there is none.
pub fn file(wanted: &str) -> Result<PathBuf, ScenarioError> {
    let path = Path::new(wanted);
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    let files = files()?;
    let named = |path: &&PathBuf| path.file_stem().is_some_and(|stem| stem == wanted);
    files.iter().find(named).cloned().ok_or_else(|| ScenarioError::Unknown {
        wanted: wanted.into(),
        known: files
            .iter()
            .filter_map(|f| Some(f.file_stem()?.to_string_lossy()))
            .collect::<Vec<_>>()
            .join(", "),
    })
}
