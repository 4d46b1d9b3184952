//! `qindan-sim replay`: several scenarios at once, on all cores, with scores and files.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use qindan::config::Config;
use qindan::shell::clock::Clock;

use crate::run::Run;
use crate::scenario::{self, Case, ScenarioError};
use crate::score::Score;
use crate::series::{self, Series};
use crate::summary::Summary;
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
    /// Another seed than the scenarios'.
    pub seed: Option<u64>,
    /// Another configuration folder than the scenarios'.
    pub config: Option<PathBuf>,
    /// Scenarios at once; all cores when not given.
    pub jobs: Option<usize>,
}

/// A run that is over.
pub struct Played {
    /// The loop at its end.
    pub run: Run,
    /// Its score.
    pub score: Score,
    /// Rows for plots.
    pub series: Series,
    /// Its summary.
    pub summary: Summary,
}

/// Loads a scenario with its configuration: `folder` instead of the one it names, with `changes`.
///
/// # Errors
/// Everything that is wrong with scenario, configuration or changes.
pub fn load(wanted: &str, folder: Option<&Path>, changes: &[Change]) -> anyhow::Result<Case> {
    let file = scenario::file(wanted)?;
    let mut varied = None;
    let config = |named: Option<PathBuf>| -> Result<Config, ScenarioError> {
        let folder = folder.map(Path::to_path_buf).or(named).or_else(|| scenario::above("config"));
        let folder = folder.unwrap_or_else(|| PathBuf::from("config"));
        if changes.is_empty() {
            return Ok(qindan::config::load(&folder)?);
        }
        let into =
            tempfile::tempdir().map_err(|source| ScenarioError::Read { file: folder.clone(), source })?;
        vary::copy(&folder, into.path(), changes)?;
        let config = qindan::config::load(into.path());
        varied = Some(into);
        Ok(config?)
    };
    let (scenario, config) = scenario::load(&file, config)?;
    drop(varied);
    Ok(Case::new(scenario, config))
}

/// Runs a case to its end.
pub fn play(case: Case, seed: u64, set: &[String], mut progress: impl FnMut(Duration)) -> Played {
    let clock = Clock::real();
    let mark = clock.mark();
    let mut score = Score::new(&case);
    let mut series = Series::default();
    let end = case.scenario.duration;
    let mut run = Run::new(case, seed);
    run.until(end, |run, tick| {
        score.add(run.case(), run.plant(), tick.step());
        series.add(run, &score, tick);
        progress(tick.now.mono);
    });
    score.finish(run.case());
    let summary = Summary::new(&run, &score, seed, set, mark.elapsed().as_secs_f64());
    Played { run, score, series, summary }
}

/// Runs the order; true when every scenario passed. The table of scores goes to `out`.
///
/// # Errors
/// What is wrong with scenarios, configuration or the folder for the files.
pub fn replay(order: &Order, out: &mut impl std::io::Write) -> anyhow::Result<bool> {
    let (wanted, left_out) = if order.scenarios.is_empty() {
        let (files, left_out) = scenario::usual()?;
        (files.iter().map(|file| file.display().to_string()).collect(), left_out)
    } else {
        (order.scenarios.clone(), Vec::new())
    };
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
    }
    for text in left_out {
        writeln!(out, "{text}")?;
    }
    Ok(played.iter().all(Summary::passes))
}

/// Plays all cases on as many threads as there are cores; summaries in the order of the cases.
fn play_all(cases: &[Case], order: &Order) -> anyhow::Result<Vec<Summary>> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = order.jobs.unwrap_or(cores).clamp(1, cases.len().max(1));
    let bars = MultiProgress::new();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let summary = play_one(case, order, &bars);
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((case.scenario.id.clone(), summary));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let place = |id: &str| cases.iter().position(|case| case.scenario.id == id);
    done.sort_by_key(|(id, _)| place(id));
    done.into_iter().map(|(_, summary)| summary).collect()
}

fn play_one(case: &Case, order: &Order, bars: &MultiProgress) -> anyhow::Result<Summary> {
    let seed = order.seed.unwrap_or(case.scenario.seed);
    let bar = bars.add(bar(case));
    let played = play(case.clone(), seed, &order.set, |now| bar.set_position(now.as_secs() / 60));
    bar.finish_and_clear();
    if let Some(out) = &order.out {
        let folder = out.join(&case.scenario.id);
        write(&played, &folder).with_context(|| format!("{}: cannot be written", folder.display()))?;
    }
    Ok(played.summary)
}

fn bar(case: &Case) -> ProgressBar {
    let bar = ProgressBar::new(case.scenario.duration.as_secs() / 60);
    let style = "{prefix:<28} [{wide_bar}] {percent:>3} %  {elapsed} gone, about {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(case.scenario.id.clone());
    bar
}

/// Writes the files of a run.
///
/// # Errors
/// What the disk says.
pub fn write(played: &Played, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let file = |name: &str| anyhow::Ok(BufWriter::new(File::create(folder.join(name))?));
    let mut summary = file("summary.json")?;
    serde_json::to_writer_pretty(&mut summary, &played.summary)?;
    writeln!(summary)?;
    summary.flush()?;
    played.series.write(&played.run, file("series.csv")?)?;
    series::write_actions(&played.run, file("actions.csv")?)?;
    Ok(())
}

/// Head of the table; its columns are those of the rows in [`table`].
const HEAD: &str = "\
scenario                 section      floor  minimum     min< avoidable   short   above   worst starts imbalance  days/s  digest
                                       m³/s     m³/s    floor       min      m³    need     day   /day of inflow
";

/// The table of scores.
pub fn table(summaries: &[Summary]) -> String {
    let mut text = String::new();
    text.push_str(HEAD);
    for summary in summaries {
        let days = summary.to.duration_since(summary.from).as_secs_f64() / 86_400.0;
        #[expect(clippy::cast_precision_loss, reason = "starts on some days")]
        let starts =
            summary.gates.values().map(|gate| gate.starts as f64).fold(0.0, f64::max) / days.max(1e-9);
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
                    " {:>7} {:>7} {:>6.1} {:>9.1e} {:>7.1}  {}",
                    share(summary.water.above_need),
                    share(summary.water.above_need_worst_day),
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
