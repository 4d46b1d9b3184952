//! The scenarios that come with the workbench: where they are, what they are for, which are run when none is named.

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::check::{self, Head};
use super::{Case, ScenarioError, Tag};
use crate::replay;

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

/// The scenario files, by name. What only others include stands in a folder below and is none.
///
/// # Errors
/// When there is no folder with scenarios.
pub fn files() -> Result<Vec<PathBuf>, ScenarioError> {
    let folder = folder().ok_or(ScenarioError::NoFolder)?;
    let read =
        std::fs::read_dir(&folder).map_err(|source| ScenarioError::Read { file: folder.clone(), source })?;
    let mut files: Vec<_> = read
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file() && path.extension().is_some_and(|ending| ending == "toml"))
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

/// The scenarios that are run when none is named, and one line for each that is left out.
///
/// # Errors
/// When there is no folder with scenarios. One whose head cannot be read is among those to run, where it is told.
pub fn usual() -> Result<(Vec<PathBuf>, Vec<String>), ScenarioError> {
    let (mut run, mut left_out) = (Vec::new(), Vec::new());
    for file in files()? {
        let tag = head(&file).ok().and_then(|head| head.tags.first().copied());
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        match tag {
            None => run.push(file),
            Some(Tag::Long) => left_out.push(format!("{name} is long and was left out; name it to run it")),
            Some(Tag::Next) => {
                left_out.push(format!(
                    "{name} asks for more than the dispatch of today and was left out; name it to run it"
                ));
            }
        }
    }
    Ok((run, left_out))
}

/// Length, tags and purpose of a scenario file.
///
/// # Errors
/// When the file cannot be read, or its head is wrong.
pub fn head(file: &Path) -> Result<Head, ScenarioError> {
    let problems = RefCell::new(Vec::new());
    let head = check::head(file, &problems)?;
    head.ok_or_else(|| ScenarioError::Wrong(check::sorted(problems)))
}

/// Checks scenarios, all of them when none is named, against the configuration each runs on or the one in `folder`, and
/// tells the outcome; true when every one can run.
///
/// # Errors
/// When there is no folder with scenarios, or nobody reads what is told.
pub fn check_all(wanted: &[String], folder: Option<&Path>, out: &mut impl Write) -> anyhow::Result<bool> {
    let wanted = if wanted.is_empty() {
        files()?.iter().map(|file| file.display().to_string()).collect()
    } else {
        wanted.to_vec()
    };
    let mut wrong = 0;
    for name in &wanted {
        match replay::load(name, folder, &[]) {
            Ok(case) => writeln!(out, "{}", in_order(&case))?,
            Err(error) => {
                wrong += 1;
                writeln!(out, "{error:#}")?;
            }
        }
    }
    let count = wanted.len();
    let s = if count == 1 { "" } else { "s" };
    if wrong == 0 {
        writeln!(out, "{count} scenario{s} in order")?;
    } else {
        writeln!(out, "{wrong} of {count} scenario{s} cannot run")?;
    }
    Ok(wrong == 0)
}

fn in_order(case: &Case) -> String {
    let scenario = &case.scenario;
    let days = scenario.duration.as_secs_f64() / 86_400.0;
    let awaited = scenario.plans.awaited.len();
    let awaited = if awaited == 0 { String::new() } else { format!(", {awaited} on a condition") };
    format!("{}: in order, {days} d, {} happenings{awaited}", scenario.id, scenario.happenings.len())
}
