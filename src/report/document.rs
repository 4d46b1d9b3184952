//! A report as a value: title, facts, tables, figures, notes. HTML and CSV are made of the same one.

use jiff::Timestamp;

use super::section::Verdict;
use crate::basin::Name;

/// A word in Chinese and English.
pub type Word = (&'static str, &'static str);

/// What stands in one field of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// In both languages.
    Name(Name),
    /// The same in both, as an identifier.
    Plain(String),
    /// A count.
    Count(usize),
    /// A flow, m³/s.
    Flow(Option<f64>),
    /// A number shown with so many decimals.
    Number(Option<f64>, i32),
    /// A share 0..=1, shown in %.
    Share(Option<f64>),
    /// A moment, shown with its date and minute.
    Time(Option<Timestamp>),
    /// A moment, shown with its second.
    Second(Option<Timestamp>),
    /// A least value and when it was.
    Least(Option<(f64, Timestamp)>),
    /// A verdict.
    Verdict(Verdict),
    /// Something to be looked at.
    Marked(Name),
}

impl Cell {
    /// A text in both languages.
    pub fn text(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Name(super::name(zh, en))
    }
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// In CSV, with its unit: as `day_mean_flow_m3s`.
    pub key: &'static str,
    /// Head.
    pub head: Word,
    /// Unit, empty for none.
    pub unit: &'static str,
    /// In CSV only.
    pub hidden: bool,
}

impl Column {
    /// A column that is shown.
    pub const fn new(key: &'static str, head: Word, unit: &'static str) -> Self {
        Self { key, head, unit, hidden: false }
    }

    /// One that stands in CSV only.
    pub const fn hidden(key: &'static str) -> Self {
        Self { key, head: ("", ""), unit: "", hidden: true }
    }
}

/// Rows of fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// In CSV, the first field of each of its lines.
    pub id: &'static str,
    /// Heading.
    pub head: Word,
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows, each with a field for each column.
    pub rows: Vec<Vec<Cell>>,
    /// Rows shown on the page; all stand in the CSV.
    pub most: usize,
    /// Beside the table that follows, to save room.
    pub is_half: bool,
    /// Left out of the page when there are no rows.
    pub may_miss: bool,
}

/// A part of a report.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A table.
    Table(Table),
    /// Pictures with a title each, SVG.
    Figures(Vec<(Name, String)>),
    /// A heading and lines below it.
    Notes(Word, Vec<Name>),
}

/// A report.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Title.
    pub title: Name,
    /// What it is about: name and value.
    pub facts: Vec<(Word, Name)>,
    /// Simulators, no river: said at the head.
    pub is_bench: bool,
    /// A wide page.
    pub is_wide: bool,
    /// Parts in order.
    pub parts: Vec<Part>,
    /// Who signs.
    pub signatures: Vec<Word>,
    /// Time of the site.
    pub zone: jiff::tz::TimeZone,
}

/// A moment at the site to the minute; what is not whole is cut.
pub fn minute(at: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string()
}
