//! What is wrong with a configuration: every problem at once, each with its place and what to do.

use std::fmt;

/// One problem in one place of one file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// File as it was named on loading, as `config/basin.toml`.
    pub file: String,
    /// Line, counted from 1; `None` when the file as a whole is meant.
    pub line: Option<usize>,
    /// Key path, as `gate "zf.eco.v1".stroke_s`; empty for the file as a whole.
    pub key: String,
    /// What stands there, as written; `None` when nothing does.
    pub value: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str("  ")?;
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

/// Everything that is wrong with a configuration folder, at least one problem, by file and line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    /// Checks that could not be made because of the problems listed.
    unchecked: Vec<&'static str>,
}

impl Problems {
    pub(super) fn new(mut list: Vec<Problem>, unchecked: Vec<&'static str>) -> Self {
        list.sort();
        list.dedup();
        Self { list, unchecked }
    }

    /// The problems, by file and line.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            writeln!(f, "{problem}")?;
        }
        for what in &self.unchecked {
            writeln!(f, "not checked because of the above: {what}")?;
        }
        let s = if self.list.len() == 1 { "" } else { "s" };
        write!(f, "{} problem{s}; nothing was started", self.list.len())
    }
}

impl std::error::Error for Problems {}
