//! `qindan-sim replay`: several scenarios at once, on all cores, with scores and files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use qindan::config::Config;
use qindan::shell::clock::Clock;

use crate::bound::{self, Depth};
use crate::crew::{self, Progress};
use crate::play;
use crate::run::Run;
use crate::scenario::{self, Case, ScenarioError};
use crate::summary::Summary;
use crate::sweep::{self, Axis};
use crate::vary::{self, Change};

/// What to replay, and how.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Names or files; none means all.
    pub scenarios: Vec<String>,
    /// Folder for the files; one below it per scenario.
    pub out: Option<PathBuf>,
    /// Changes of the configuration.
    pub set: Vec<String>,
    /// Keys with several values each: every combination is run, see [`crate::sweep`].
    pub sweep: Vec<String>,
    /// Score every run against the perfect-foresight optimum, searched for so hard; it is kept in `out` if there is one.
    pub bound: Option<Depth>,
    /// Keep the exact inputs of every decision in the folder of each scenario, for [`crate::rerun`].
    pub record: bool,
    /// Another seed than the scenarios'.
    pub seed: Option<u64>,
    /// Another configuration folder than the scenarios'.
    pub config: Option<PathBuf>,
    /// Scenarios at once; all cores when not given.
    pub jobs: Option<usize>,
}

/// What a run is held against.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// How hard the optimum is searched for.
    pub depth: Depth,
    /// Where it is kept.
    pub cache: Option<&'a Path>,
}

impl Order {
    /// What its runs are held against.
    pub(crate) fn against(&self) -> Option<Against<'_>> {
        Some(Against { depth: self.bound?, cache: self.out.as_deref() })
    }

    /// What a bar counts: the length of the scenario, and as much again as the search for its optimum is expected to play.
    pub(crate) fn work(&self, length: Duration) -> Duration {
        work(length, self.against())
    }
}

/// Loads a scenario with its configuration: `folder` instead of the one it names, with `changes`.
///
/// # Errors
/// Everything that is wrong with scenario, configuration or changes.
pub fn load(wanted: &str, folder: Option<&Path>, changes: &[Change]) -> anyhow::Result<Case> {
    load_in(wanted, folder, changes, None)
}

/// As [`load`]; the copy that changes need stands in `scratch` for a moment, or where the system keeps such files.
///
/// # Errors
/// Everything that is wrong with scenario, configuration or changes.
pub fn load_in(
    wanted: &str,
    folder: Option<&Path>,
    changes: &[Change],
    scratch: Option<&Path>,
) -> anyhow::Result<Case> {
    let file = scenario::file(wanted)?;
    let mut varied: Option<(tempfile::TempDir, PathBuf)> = None;
    let config = |named: Option<PathBuf>| -> Result<Config, ScenarioError> {
        let folder = folder.map(Path::to_path_buf).or(named).or_else(|| scenario::above("config"));
        let folder = folder.unwrap_or_else(|| PathBuf::from("config"));
        if changes.is_empty() {
            return Ok(qindan::config::load(&folder)?);
        }
        let into = scratch.map_or_else(tempfile::tempdir, tempfile::tempdir_in);
        let into = into.map_err(|source| ScenarioError::Read { file: folder.clone(), source })?;
        vary::copy(&folder, into.path(), changes)?;
        let (into, _) = varied.insert((into, folder));
        Ok(qindan::config::load(into.path())?)
    };
    let loaded = scenario::load(&file, config);
    let (scenario, config) = loaded.map_err(|error| match &varied {
        // The copy is gone when this is read: what is wrong stands in the folder it was made of, or in the changes.
        Some((copy, folder)) => {
            let [copy, folder] = [copy.path(), folder].map(|path| path.display().to_string());
            anyhow::Error::msg(error.to_string().replace(&copy, &folder))
        }
        None => error.into(),
    })?;
    Ok(Case::new(scenario, config))
}

/// Runs the order; true when every scenario passed. The table of scores goes to `out`.
///
/// # Errors
/// What is wrong with scenarios, configuration or the folder for the files.
pub fn replay(order: &Order, out: &mut impl std::io::Write) -> anyhow::Result<bool> {
    if !order.sweep.is_empty() {
        let axes = order.sweep.iter().map(|given| Axis::parse(given)).collect::<Result<Vec<_>, _>>()?;
        return sweep::sweep(order, &axes, out);
    }
    let (wanted, left_out) = wanted(order)?;
    let changes = order.set.iter().map(|given| Change::parse(given)).collect::<Result<Vec<_>, _>>()?;
    let mut cases = Vec::new();
    for name in &wanted {
        cases.push(load(name, order.config.as_deref(), &changes)?);
    }
    let played = play_all(&cases, order)?;
    writeln!(out, "{}", table(&played))?;
    for summary in &played {
        for note in &summary.notes {
            writeln!(out, "{}: {note}", summary.scenario)?;
        }
        for unmet in &summary.unmet {
            writeln!(out, "{}: {unmet}", summary.scenario)?;
        }
        for found in summary.order_lines() {
            writeln!(out, "{}: {found}", summary.scenario)?;
        }
    }
    for summary in &played {
        writeln!(out, "{}: {}", summary.scenario, summary.against_optimum())?;
    }
    for text in left_out {
        writeln!(out, "{text}")?;
    }
    Ok(played.iter().all(Summary::passes))
}

/// The scenarios of an order, the usual ones when it names none; and what to say of those that were left out.
///
/// # Errors
/// When there is no folder with scenarios.
pub fn wanted(order: &Order) -> Result<(Vec<String>, Vec<String>), ScenarioError> {
    if !order.scenarios.is_empty() {
        return Ok((order.scenarios.clone(), Vec::new()));
    }
    let (files, left_out) = scenario::usual()?;
    Ok((files.iter().map(|file| file.display().to_string()).collect(), left_out))
}

/// Plays all cases on as many threads as there are cores; summaries in the order of the cases.
fn play_all(cases: &[Case], order: &Order) -> anyhow::Result<Vec<Summary>> {
    let against = order.against();
    let progress = Progress::new(cases.iter().map(|case| order.work(case.scenario.duration)));
    let threads = crew::size(order.jobs, cases.len());
    let played = crew::each(cases, threads, |case| {
        let seed = order.seed.unwrap_or(case.scenario.seed);
        let path = order.out.as_ref().map(|out| out.join(&case.scenario.id));
        let folder = path.as_deref().map(|path| Folder { path, record: order.record });
        let summary = play_one(case, seed, &order.set, folder, against, &progress, &case.scenario.id);
        summary.with_context(|| format!("{}: not played to its end", case.scenario.id))
    });
    progress.end();
    played.into_iter().collect()
}

pub(crate) fn work(length: Duration, against: Option<Against<'_>>) -> Duration {
    length * (1 + against.map_or(0, |against| against.depth.runs()))
}

/// Where the files of a run go.
#[derive(Clone, Copy, Debug)]
pub struct Folder<'a> {
    /// The folder.
    pub path: &'a Path,
    /// With the exact inputs of every decision.
    pub record: bool,
}

/// Plays a case with a bar of that name, and writes its files into the folder; held against the perfect-foresight optimum
/// when `against` says how.
///
/// # Errors
/// What the disk says.
pub fn play_one(
    case: &Case,
    seed: u64,
    set: &[String],
    folder: Option<Folder<'_>>,
    against: Option<Against<'_>>,
    progress: &Progress,
    name: &str,
) -> anyhow::Result<Summary> {
    let whole = work(case.scenario.duration, against);
    let mut bar = progress.begin(name, whole);
    let mut run = Run::new(case.clone(), seed);
    if let Some(Folder { path, record: true }) = folder {
        run.record(path);
    }
    let path = folder.map(|folder| folder.path);
    let played = play::play_run(run, seed, set, path, against.is_some(), |now| bar.at(now))?;
    let mut played = played.context("stopped")?;
    if let (Some(record), Some(Against { depth, cache })) = (played.record.take(), against) {
        let mark = Clock::real().mark();
        let (begin, search) = (case.scenario.duration, whole.saturating_sub(case.scenario.duration));
        let mut compute = || bound::of(&record, seed, depth, |share| bar.at(begin + search.mul_f64(share)));
        let optimum = match cache {
            Some(cache) => bound::cached(case, seed, depth, cache, compute)?,
            None => compute(),
        };
        played.summary.hold_against(optimum.as_ref());
        played.summary.cost.bound_s = mark.elapsed().as_secs_f64();
    }
    let _ = bar.at(whole);
    if let Some(folder) = path {
        play::write(&mut played, folder)
            .with_context(|| format!("{}: cannot be written", folder.display()))?;
    }
    let verdict = if played.summary.passes() { "passed" } else { "failed" };
    bar.end(&format!("{verdict} after {:.1} s", played.summary.wall_s));
    Ok(played.summary)
}

/// Head of the table; its columns are those of the rows in [`table`].
const HEAD: &str = "\
scenario                 section      floor  minimum     min< avoidable   short   above   worst  beside starts imbalance  days/s  digest
                                       m³/s     m³/s    floor       min      m³    need     day optimum   /day of inflow
";

/// The table of scores.
pub fn table(summaries: &[Summary]) -> String {
    let mut text = String::new();
    text.push_str(HEAD);
    for summary in summaries {
        let days = summary.to.duration_since(summary.from).as_secs_f64() / 86_400.0;
        #[expect(clippy::cast_precision_loss, reason = "starts on some days")]
        let starts = summary
            .gates
            .values()
            .filter(|gate| gate.commands > 0)
            .map(|gate| gate.starts as f64)
            .fold(0.0, f64::max)
            / days.max(1e-9);
        for (at, (id, section)) in summary.sections.iter().enumerate() {
            let first = at == 0;
            let _ = write!(
                text,
                "{:<24} {:<12} {:>5.2} {:>8.3} {:>8.1} {:>9.1} {:>7.0}",
                if first { summary.scenario.as_str() } else { "" },
                id,
                section.floor_m3s,
                section.min_m3s,
                section.minutes_below,
                section.minutes_below_avoidable,
                section.deficit_m3
            );
            if first {
                let share = |share: Option<f64>| {
                    share.map_or_else(|| "-".to_owned(), |share| format!("{:+.1} %", 100.0 * share))
                };
                let _ = write!(
                    text,
                    " {:>7} {:>7} {:>7} {:>6.1} {:>9.1e} {:>7.1}  {}",
                    share(summary.water.above_need),
                    share(summary.water.above_need_worst_day),
                    share(summary.water.excess_pct.map(|excess| excess / 100.0)),
                    starts,
                    summary.imbalance(),
                    summary.days_per_s,
                    summary.digest.get(..12).unwrap_or_default()
                );
            }
            text.push('\n');
        }
    }
    let bad = summaries.iter().filter(|summary| !summary.passes()).map(|s| s.scenario.as_str());
    let bad = bad.collect::<Vec<_>>();
    if bad.is_empty() {
        let _ = write!(text, "every floor was kept where it could be");
    } else {
        let _ = write!(
            text,
            "floors were undercut that could have been kept, water was lost, or what was expected did not show: {}",
            bad.join(", ")
        );
    }
    text
}

/// One line per scenario.
///
/// # Errors
/// When there is no folder with scenarios.
pub fn list() -> Result<String, ScenarioError> {
    let mut text = String::new();
    for file in scenario::files()? {
        let id = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        match scenario::head(&file) {
            Ok(head) => {
                let days = head.duration.as_secs_f64() / 86_400.0;
                let only = if head.tags.is_empty() { "" } else { "(only when named) " };
                let _ = writeln!(text, "{id:<28} {days:>5.1} d  {only}{}", head.purpose);
            }
            Err(error) => {
                let _ = writeln!(text, "{id:<28}          {error}");
            }
        }
    }
    Ok(text)
}
