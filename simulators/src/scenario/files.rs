//! The files a scenario is made of: itself and what it includes.
//!
//! `include = ["parts/may.toml"]` at the top of a file puts other files below it, each path counted from the file it
//! stands in. What is included comes first, in the order given, then the file itself: a later file adds to and overrides
//! an earlier one, tables key by key; see [`Sheet::join`]. A file that is reached twice counts once, where it was reached
//! first.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use qindan::config::Problem;
use qindan::config::sheet::Sheet;

use super::ScenarioError;

/// The key at the top of a file.
pub(super) const INCLUDE: &str = "include";

/// Texts of the files by the names they have in problems, each after those it includes.
pub(super) struct Files(Vec<(String, String)>);

impl Files {
    /// Reads `file` and what it includes; missing files and circles become problems.
    ///
    /// # Errors
    /// When `file` itself cannot be read.
    pub(super) fn read(file: &Path, problems: &RefCell<Vec<Problem>>) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ScenarioError::Read { file: file.to_path_buf(), source })?;
        let mut reading = Reading { problems, open: Vec::new(), seen: Vec::new(), files: Vec::new() };
        reading.take(file, text);
        Ok(Self(reading.files))
    }

    /// All of them as one sheet.
    pub(super) fn sheet<'a>(&'a self, problems: &'a RefCell<Vec<Problem>>) -> Sheet<'a> {
        let files = self.0.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>();
        Sheet::join(&files, problems)
    }
}

struct Reading<'a> {
    problems: &'a RefCell<Vec<Problem>>,
    /// Files that are being read: each is included by the one before.
    open: Vec<(PathBuf, String)>,
    seen: Vec<PathBuf>,
    files: Vec<(String, String)>,
}

impl Reading<'_> {
    fn take(&mut self, file: &Path, text: String) {
        let (path, shown) = (same(file), file.display().to_string());
        self.seen.push(path.clone());
        self.open.push((path, shown.clone()));
        let problems = self.problems;
        let sheet = Sheet::parse(&shown, Some(&text), problems);
        let list = if sheet.has(INCLUDE) { sheet.single::<Vec<String>>(INCLUDE, "") } else { None };
        for (at, wanted) in list.iter().flat_map(|(list, _)| list).enumerate() {
            let wrong = self.include(&file.parent().unwrap_or(Path::new(".")).join(wanted));
            if let Some((what, remedy)) = wrong {
                sheet.top().key(INCLUDE).item(at).complain(what, remedy);
            }
        }
        drop(list);
        drop(sheet);
        self.open.pop();
        self.files.push((shown, text));
    }

    /// Takes in an included file, or says why not and what to do.
    fn include(&mut self, file: &Path) -> Option<(String, &'static str)> {
        let path = same(file);
        if let Some(from) = self.open.iter().position(|(open, _)| *open == path) {
            let circle = self.open.iter().skip(from).map(|(_, shown)| shown.clone());
            let circle = circle.chain([file.display().to_string()]).collect::<Vec<_>>();
            return Some((format!("goes in a circle: {}", circle.join(" includes ")), "remove one of them"));
        }
        if self.seen.contains(&path) {
            return None;
        }
        match std::fs::read_to_string(file) {
            Ok(text) => {
                self.take(file, text);
                None
            }
            Err(error) => {
                let what = format!("{}: cannot be read: {error}", file.display());
                Some((what, "name an existing file; the path counts from the file this stands in"))
            }
        }
    }
}

/// One name for a file however it is reached; as given when there is none.
fn same(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_path_buf())
}
