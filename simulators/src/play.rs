//! One scenario from begin to end, with its scores, rows and files.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use qindan::report::Lang;
use qindan::shell::clock::Clock;

use crate::account::{Account, page};
use crate::bound::{Record, Recorder};
use crate::decisions::Decisions;

use crate::report;
use crate::run::Run;
use crate::scenario::Case;
use crate::score::Score;
use crate::series::{self, Series};
use crate::summary::{Cost, Summary};

/// A run that is over.
pub struct Played {
    /// The loop at its end.
    pub run: Run,
    /// Its score.
    pub score: Score,
    /// Rows for plots.
    pub series: Series,
    /// Who wanted how much water, and who got it.
    pub account: Account,
    /// What was decided.
    pub decisions: Decisions,
    /// Its summary.
    pub summary: Summary,
    /// What the bound needs of it, if that was asked for and there is a dam that keeps floors.
    pub record: Option<Record>,
}

/// Runs a case to its end, or until `progress`, told how far it is, breaks it off: then there is nothing.
///
/// With a `folder`, the decisions are written into it while it runs; with `for_bound`, what the bound needs is taken down.
///
/// # Errors
/// When the folder takes no file.
pub fn play(
    case: Case,
    seed: u64,
    set: &[String],
    folder: Option<&Path>,
    for_bound: bool,
    progress: impl FnMut(Duration) -> ControlFlow<()>,
) -> anyhow::Result<Option<Played>> {
    play_run(Run::new(case, seed), seed, set, folder, for_bound, progress)
}

/// As [`play`], with a loop before its first tick.
///
/// # Errors
/// When the folder takes no file.
pub fn play_run(
    mut run: Run,
    seed: u64,
    set: &[String],
    folder: Option<&Path>,
    for_bound: bool,
    mut progress: impl FnMut(Duration) -> ControlFlow<()>,
) -> anyhow::Result<Option<Played>> {
    let clock = Clock::real();
    let begin = clock.mark();
    if let Some(folder) = folder {
        fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    }
    let case = run.case();
    let mut score = Score::new(case);
    let mut account = Account::new(&case.config);
    let mut series = Series::new(&case.config.basin, case.scenario.duration);
    let mut decisions = Decisions::new(&case.config.basin, folder)?;
    let mut recorder = if for_bound { Recorder::new(case) } else { None };
    let end = case.scenario.duration;
    let (mut scoring, mut output) = (Duration::ZERO, Duration::ZERO);
    while !run.is_over() {
        let tick = run.tick(end);
        let mark = clock.mark();
        score.add(run.case(), run.plant(), tick.step());
        account.add(run.case(), run.plant(), tick.step());
        if run.is_over() {
            account.finish(run.case(), run.plant(), tick.step());
        }
        if let Some(recorder) = &mut recorder {
            recorder.add(&run, &tick);
        }
        scoring += mark.elapsed();
        let mark = clock.mark();
        series.add(&run, &score, &tick);
        decisions.add(&run, &tick);
        let go_on = progress(tick.now.mono);
        output += mark.elapsed();
        if go_on.is_break() {
            return Ok(None);
        }
    }
    let mark = clock.mark();
    score.finish(run.case());
    scoring += mark.elapsed();
    let mark = clock.mark();
    decisions.finish()?;
    run.take_recorder().map_or(Ok(()), crate::recorder::Recorder::finish)?;
    output += mark.elapsed();
    let mut summary = Summary::new(&run, &score, seed, set, begin.elapsed().as_secs_f64());
    let (plant, decide) = run.cost();
    summary.cost = Cost {
        plant_s: plant.as_secs_f64(),
        decide_s: decide.as_secs_f64(),
        score_s: scoring.as_secs_f64(),
        output_s: output.as_secs_f64(),
        bound_s: 0.0,
    };
    summary.note_margins(&series, &run.case().config.basin);
    summary.note_account(&account, &run);
    let record = recorder.and_then(|recorder| recorder.finish(&run));
    Ok(Some(Played { run, score, series, account, decisions, summary, record }))
}

/// Writes the files of a run: rows, actions, plots, report, and the summary last, so that a folder with a summary is whole.
///
/// # Errors
/// What the disk says.
pub fn write(played: &mut Played, folder: &Path) -> anyhow::Result<()> {
    let mark = Clock::real().mark();
    fs::create_dir_all(folder)?;
    let file = |name: &str| anyhow::Ok(BufWriter::new(File::create(folder.join(name))?));
    played.series.write(&played.run, file("series.csv")?)?;
    series::write_actions(&played.run, file("actions.csv")?)?;
    let drawings = report::plots::all(played);
    let plots = folder.join("plots");
    fs::create_dir_all(&plots)?;
    for drawing in &drawings {
        fs::write(plots.join(format!("{}.svg", drawing.name)), drawing.file())?;
    }
    played.summary.cost.output_s += mark.elapsed().as_secs_f64();
    fs::write(folder.join("report.html"), report::page(played, &drawings))?;
    write_account(played, folder)?;
    let mut summary = file("summary.json")?;
    serde_json::to_writer_pretty(&mut summary, &played.summary)?;
    writeln!(summary)?;
    summary.flush()?;
    Ok(())
}

/// Writes the account of the run, a page and a table in each language.
fn write_account(played: &Played, folder: &Path) -> anyhow::Result<()> {
    let case = played.run.case();
    let breaches = played.account.breaches();
    let document = page::document(page::Subject {
        basin: &case.config.basin,
        name: &case.scenario.name,
        scenario: &case.scenario.id,
        config: &case.config.digest,
        book: &played.account.book,
        breaches: &breaches,
    });
    for lang in [Lang::Zh, Lang::En] {
        let file = |ending: &str| folder.join(format!("account.{}.{ending}", lang.key()));
        fs::write(file("html"), page::page(&document, lang))?;
        fs::write(file("csv"), page::table(&document, lang))?;
    }
    Ok(())
}
