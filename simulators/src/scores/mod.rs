//! `qindan-sim score`: what the dispatch is worth, in one table.
//!
//! Every scenario runs under each hand: the arrival-time rule as it is shipped, the plan above it, and the safe constant that is
//! left when the far sections cannot be seen. With `--wrong` it runs on a river or with meters that are not what the service
//! takes them for. What came of it stands beside the least release that perfect foresight would need.

mod plot;
mod row;
mod targets;
#[cfg(test)]
mod tests;
mod text;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::bound::Depth;
use crate::crew::{self, Progress};
use crate::need;
use crate::replay::{self, Against};
use crate::scenario::{self, Case};
use crate::vary::Change;
use crate::wrong::{self, Wrong};

pub use row::{AS_CONFIGURED, Optimum, Row};
pub use targets::{Target, targets};

/// Who releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hand {
    /// The arrival-time rule alone, rung F2: what is shipped.
    Rule,
    /// The plan above it, rungs F0 and F1.
    Plan,
    /// The safe constant, rung F3: the far sections are not seen from the begin of scoring on.
    Constant,
}

impl Hand {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rule, Self::Plan, Self::Constant];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Plan => "plan",
            Self::Constant => "constant",
        }
    }

    /// What it changes of the configuration.
    fn set(self) -> &'static str {
        match self {
            Self::Rule | Self::Constant => "control.follow_plan=false",
            Self::Plan => "control.follow_plan=true",
        }
    }
}

/// What to score, and how.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Names or files; none means every scenario there is.
    pub scenarios: Vec<String>,
    /// Folder for `scores.csv`, `SCORES.md`, `plots/` and `optimum.csv`.
    pub out: Option<PathBuf>,
    /// Who releases; none means all.
    pub by: Vec<Hand>,
    /// Rivers that are not as configured, instead of the one that is.
    pub wrong: Vec<Wrong>,
    /// The optimum is searched for so hard; what is recorded is taken when not given.
    pub bound: Option<Depth>,
    /// The tables of the repository are written anew.
    pub keep: bool,
    /// Changes of the configuration.
    pub set: Vec<String>,
    /// Another seed than the scenarios'.
    pub seed: Option<u64>,
    /// Another configuration folder than the scenarios'.
    pub config: Option<PathBuf>,
    /// Runs at once; all cores when not given.
    pub jobs: Option<usize>,
}

/// Longest scenario that is run on wrong rivers unless named: what a wrong model does shows in days, and eight rivers cost eight times
/// as much.
const WRONG: Duration = Duration::from_secs(240 * 3600);

/// Names of the files, in the folder with the scenarios and in `--out`.
const FILES: [&str; 3] = ["scores.csv", "SCORES.md", "optimum.csv"];

/// One run.
#[derive(Clone, Debug, PartialEq)]
struct Job {
    scenario: String,
    wrong: Option<Wrong>,
    by: Hand,
    length: Duration,
}

impl Job {
    fn river(&self) -> &'static str {
        self.wrong.map_or(AS_CONFIGURED, Wrong::name)
    }

    /// The case as it is run.
    fn case(&self, order: &Order) -> anyhow::Result<(Case, Vec<String>)> {
        let set = order.set.iter().cloned().chain([self.by.set().to_owned()]).collect::<Vec<_>>();
        let changes = set.iter().map(|given| Change::parse(given)).collect::<Result<Vec<_>, _>>()?;
        let mut case = replay::load(&self.scenario, order.config.as_deref(), &changes)?;
        if let Some(wrong) = self.wrong {
            wrong.befall(&mut case);
        }
        if self.by == Hand::Constant {
            let (meters, from) = (wrong::far_meters(&case.config.basin), case.scenario.spin_up);
            wrong::silence(&mut case, &meters, from);
        }
        Ok((case, set))
    }

    /// Only the rule is searched around: the optimum belongs to the river, not to who releases.
    fn against<'a>(&self, order: &'a Order) -> Option<Against<'a>> {
        let searched = self.by == Hand::Rule;
        order.bound.filter(|_| searched).map(|depth| Against { depth, cache: order.out.as_deref() })
    }

    fn run(&self, order: &Order, progress: &Progress) -> anyhow::Result<(Row, Option<Optimum>)> {
        let (case, set) = self.case(order)?;
        let name = [&case.scenario.id, self.river(), self.by.name()].join(" ");
        let seed = order.seed.unwrap_or(case.scenario.seed);
        let summary = replay::play_one(&case, seed, &set, None, self.against(order), progress, &name)
            .with_context(|| format!("{name}: not played to its end"))?;
        let far = far_section(&case);
        let row = Row::of(&summary, self.river(), self.by, far.as_deref());
        Ok((row, Optimum::of(&summary, self.river())))
    }
}

/// The section with a floor farthest from its dam.
fn far_section(case: &Case) -> Option<String> {
    let dams = need::dams(&case.config.basin);
    let sections = dams.iter().flat_map(|dam| &dam.sections);
    let (far, _) = sections.max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(case.config.basin.sections.get(far.0)?.id.clone())
}

/// Runs the order and prints the table; true when every target is met that can be judged.
///
/// # Errors
/// What is wrong with scenarios, configuration or the folders for the files.
pub fn score(order: &Order, out: &mut impl std::io::Write) -> anyhow::Result<bool> {
    if order.keep && (!order.set.is_empty() || order.seed.is_some() || order.config.is_some()) {
        bail!(
            "--keep: the tables of the repository are those of the shipped configuration and the scenarios' own seeds; leave out --set, --seed and --config"
        );
    }
    let recorded = scenario::folder();
    let jobs = jobs(order)?;
    let progress = Progress::new(jobs.iter().map(|job| replay::work(job.length, job.against(order))));
    let done = crew::each(&jobs, crew::size(order.jobs, jobs.len()), |job| job.run(order, &progress));
    progress.end();
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for one in done {
        let (row, optimum) = one?;
        rows.push(row);
        found.extend(optimum);
    }
    let known = match &recorded {
        Some(folder) => row::read::<Optimum>(&folder.join(FILES[2]))?,
        None => Vec::new(),
    };
    let known = row::joined(known, found);
    row::hold_all(&mut rows, &known);
    write!(out, "{}", text::page(&rows))?;
    if let Some(folder) = &order.out {
        write(folder, &rows, &known)?;
    }
    if let (Some(folder), true) = (&recorded, order.keep) {
        keep(folder, rows.clone(), &known)?;
    }
    Ok(targets(&rows).iter().all(|target| target.met != Some(false)))
}

/// All runs of an order, its scenarios read once before the first is run.
fn jobs(order: &Order) -> anyhow::Result<Vec<Job>> {
    let wanted = if order.scenarios.is_empty() {
        let mut wanted = Vec::new();
        for file in scenario::files()? {
            if order.wrong.is_empty() || scenario::head(&file)?.duration <= WRONG {
                wanted.push(file.display().to_string());
            }
        }
        wanted
    } else {
        order.scenarios.clone()
    };
    let rivers = if order.wrong.is_empty() {
        vec![None]
    } else {
        order.wrong.iter().copied().map(Some).collect::<Vec<_>>()
    };
    let by = if order.by.is_empty() { Hand::ALL.to_vec() } else { order.by.clone() };
    let mut jobs = Vec::new();
    for scenario in &wanted {
        let first = Job { scenario: scenario.clone(), wrong: None, by: Hand::Plan, length: Duration::ZERO };
        let length = first.case(order)?.0.scenario.duration;
        for wrong in &rivers {
            let job = |by: &Hand| Job { scenario: scenario.clone(), wrong: *wrong, by: *by, length };
            jobs.extend(by.iter().map(job));
        }
    }
    Ok(jobs)
}

/// Writes the tables into a folder.
fn write(folder: &Path, rows: &[Row], known: &[Optimum]) -> anyhow::Result<()> {
    let [scores, page, optimum] = FILES.map(|name| folder.join(name));
    let plots = folder.join("plots");
    let failed = || format!("{}: cannot be written", folder.display());
    fs::create_dir_all(&plots).with_context(failed)?;
    row::write(&scores, rows).with_context(failed)?;
    row::write(&optimum, known).with_context(failed)?;
    fs::write(page, text::page(rows)).with_context(failed)?;
    for drawing in plot::all(rows) {
        fs::write(plots.join(format!("{}.svg", drawing.name)), drawing.file()).with_context(failed)?;
    }
    Ok(())
}

/// Puts new rows in the place of the old ones of the same scenario, river and hand in the tables of the repository; those of
/// scenarios that are no more go.
fn keep(folder: &Path, rows: Vec<Row>, known: &[Optimum]) -> anyhow::Result<()> {
    let files = scenario::files()?;
    let is_there = |id: &str| files.iter().any(|file| file.file_stem().is_some_and(|stem| stem == id));
    let key = |row: &Row| (row.scenario.clone(), row.river.clone(), row.by);
    let new = rows.iter().map(key).collect::<Vec<_>>();
    let old = row::read::<Row>(&folder.join(FILES[0]))?.into_iter().filter(|row| !new.contains(&key(row)));
    let mut all = old.chain(rows).filter(|row| is_there(&row.scenario)).collect::<Vec<_>>();
    row::hold_all(&mut all, known);
    let wrong = |row: &Row| Wrong::ALL.iter().position(|wrong| wrong.name() == row.river);
    all.sort_by_key(|row| (wrong(row), row.scenario.clone(), row.by));
    let [scores, page, optimum] = FILES.map(|name| folder.join(name));
    let failed = || format!("{}: cannot be written", folder.display());
    row::write(&scores, &all).with_context(failed)?;
    row::write(&optimum, known).with_context(failed)?;
    fs::write(page, text::page(&all)).with_context(failed)
}
