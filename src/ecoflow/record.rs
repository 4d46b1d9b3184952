//! A flow record in CSV as daily means. What is missing is never a number.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::civil::Date;

use super::stats::float;
use crate::config::import::rows::{NoTable, Row, rows};

/// Texts that stand for a missing value, whatever their case.
const MISSING: [&str; 7] = ["", "na", "nan", "n/a", "null", "-", "m"];
/// Most flaws that are listed one by one.
const LISTED: usize = 20;
/// A day counts when it has this share of the usual number of values.
pub(super) const DAY_SHARE: f64 = 0.8;

/// How to read a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Column with the flow; without it the only one beside the time, or `flow_m3s`.
    pub column: Option<String>,
    /// m³/s = value · scale; 1 when not given.
    pub scale: Option<f64>,
    /// Numbers that mark a missing value, as -9999.
    pub missing: Vec<f64>,
}

/// Daily means, m³/s.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// By day; missing days are not in it.
    pub days: BTreeMap<Date, f64>,
    /// Column the flow was taken from.
    pub column: String,
    /// Rows with a time.
    pub rows: usize,
    /// Of which without a value.
    pub empty: usize,
    /// Days left out because they have too few values.
    pub thin: usize,
    /// Usual number of values on a day.
    pub per_day: usize,
}

/// One thing wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    line: usize,
    column: String,
    value: String,
    why: &'static str,
    remedy: &'static str,
}

/// Why a file is no flow record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// No table of time and flow.
    #[error("{file}: {why}; the first line names the columns, as time,flow_m3s")]
    Table {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// The column with the flow is not named, or not there.
    #[error("{file}, line 1: {why}; --column takes one of: {known}")]
    Column {
        /// The file.
        file: String,
        /// Why.
        why: String,
        /// Columns there are.
        known: String,
    },
    /// Rows are wrong.
    #[error("{}", listed(.file, .flaws))]
    Rows {
        /// The file.
        file: String,
        /// All of them.
        flaws: Vec<Flaw>,
    },
    /// No day is left.
    #[error("{file}: column {column} has no value; nothing can be proposed from it")]
    Empty {
        /// The file.
        file: String,
        /// Its column.
        column: String,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, value, why, remedy } = self;
        write!(out, "line {line}, column {column}: {value:?} {why}; {remedy}")
    }
}

fn listed(file: &str, flaws: &[Flaw]) -> String {
    let mut lines: Vec<_> = flaws.iter().take(LISTED).map(|flaw| format!("{file}, {flaw}")).collect();
    if flaws.len() > LISTED {
        lines.push(format!("{file}: {} more", flaws.len() - LISTED));
    }
    lines.join("\n")
}

/// Values of one day.
#[derive(Clone, Copy, Debug, Default)]
struct Day {
    sum: f64,
    count: usize,
}

impl Record {
    /// Reads `text` of `file`: a column of times (dates, or times that begin with a date: the day is the one written), and one of
    /// flows.
    ///
    /// # Errors
    /// With all rows that are wrong.
    pub fn read(file: &str, text: &str, reading: &Reading) -> Result<Self, RecordError> {
        let name = || file.to_owned();
        let table = rows(text.trim_start_matches('\u{feff}')).map_err(|error| {
            let why = match error {
                NoTable::Empty => "it is empty".to_owned(),
                NoTable::Separator => {
                    "its columns are separated neither by commas nor by semicolons".to_owned()
                }
                NoTable::Quote(line) => format!("a quote on line {line} is never closed"),
            };
            RecordError::Table { file: name(), why }
        })?;
        let Some((head, body)) = table.split_first() else {
            return Err(RecordError::Table { file: name(), why: "it is empty".into() });
        };
        let (time, flow) = columns(file, head, reading)?;
        let column = head.cells.get(flow).cloned().unwrap_or_default();
        let time_column = head.cells.get(time).cloned().unwrap_or_default();
        let mut flaws = Vec::new();
        let mut days: BTreeMap<Date, Day> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut empty = 0;
        for row in body {
            let cell = |at: usize| row.cells.get(at).map_or("", String::as_str);
            let mut wrong = |column: &str, value: &str, why, remedy| {
                let (column, value) = (column.to_owned(), value.to_owned());
                flaws.push(Flaw { line: row.line, column, value, why, remedy });
            };
            let stamp = cell(time);
            let Some(date) = date(stamp) else {
                wrong(&time_column, stamp, "is no time", "write 2026-05-01 or 2026-05-01T08:00:00+08:00");
                continue;
            };
            if !seen.insert(stamp) {
                wrong(&time_column, stamp, "stands there before", "keep one row for each time");
                continue;
            }
            let day = days.entry(date).or_default();
            let value = cell(flow);
            if MISSING.contains(&value.to_ascii_lowercase().as_str()) {
                empty += 1;
                continue;
            }
            match value.parse::<f64>().ok().filter(|q| q.is_finite()) {
                Some(q) if reading.missing.contains(&q) => empty += 1,
                Some(q) if q < 0.0 => wrong(
                    &column,
                    value,
                    "is below zero",
                    "if it marks a missing value, give --missing with it; else leave the cell empty",
                ),
                Some(q) => {
                    day.sum += q * reading.scale.unwrap_or(1.0);
                    day.count += 1;
                }
                None => wrong(&column, value, "is no number", "write it as 1.25, or leave it empty"),
            }
        }
        if !flaws.is_empty() {
            return Err(RecordError::Rows { file: name(), flaws });
        }
        let mut counts = days.values().map(|day| day.count).filter(|count| *count > 0).collect::<Vec<_>>();
        counts.sort_unstable();
        let Some(per_day) = counts.get(counts.len() / 2).copied() else {
            return Err(RecordError::Empty { file: name(), column });
        };
        let least = DAY_SHARE * float(per_day);
        let thin = days.values().filter(|day| day.count > 0 && float(day.count) < least).count();
        let means = days.iter().filter(|(_, day)| day.count > 0 && float(day.count) >= least);
        let means = means.map(|(date, day)| (*date, day.sum / float(day.count))).collect();
        Ok(Self { days: means, column, rows: seen.len(), empty, thin, per_day })
    }
}

/// Positions of time and flow.
fn columns(file: &str, head: &Row, reading: &Reading) -> Result<(usize, usize), RecordError> {
    let is_time = |name: &str| ["time", "date", "datetime", "timestamp", "day"].contains(&name);
    let names: Vec<_> = head.cells.iter().map(|name| name.to_lowercase()).collect();
    let time = names.iter().position(|name| is_time(name)).ok_or_else(|| RecordError::Table {
        file: file.to_owned(),
        why: "no column is called time or date".into(),
    })?;
    let others: Vec<_> = (0..names.len()).filter(|at| *at != time).collect();
    let known = || others.iter().filter_map(|at| head.cells.get(*at)).cloned().collect::<Vec<_>>().join(", ");
    let missing = |why: String| RecordError::Column { file: file.to_owned(), why, known: known() };
    if let Some(wanted) = &reading.column {
        let found = head.cells.iter().position(|name| name == wanted);
        return Ok((time, found.ok_or_else(|| missing(format!("no column is called {wanted}")))?));
    }
    let usual = names.iter().position(|name| name == "flow_m3s");
    match (usual, others.as_slice()) {
        (Some(flow), _) => Ok((time, flow)),
        (None, [only]) => Ok((time, *only)),
        (None, []) => Err(missing("there is no column beside the time".into())),
        (None, [_, _, ..]) => Err(missing("several columns could be the flow".into())),
    }
}

/// The day a stamp names.
fn date(stamp: &str) -> Option<Date> {
    let (day, rest) = stamp.split_at_checked(10)?;
    let separates = rest.is_empty() || rest.starts_with(['T', ' ', 't']);
    day.replace('/', "-").parse().ok().filter(|_| separates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Record, RecordError> {
        Record::read("q.csv", text, &Reading { missing: vec![-9999.0], ..Reading::default() })
    }

    #[test]
    fn hours_become_days_and_thin_days_are_left_out() {
        let mut text = String::from("time,flow_m3s,stage_m\n");
        for (day, hours) in [(1, 4), (2, 4), (3, 3)] {
            for hour in 0..hours {
                text.extend([format!("2026-05-0{day} {:02}:00,{},0\n", hour * 6, day + hour)]);
            }
        }
        let record = read(&text).unwrap();
        // (1 + 2 + 3 + 4)/4 and (2 + 3 + 4 + 5)/4; the third day has three of four, less than 80 %.
        let days: Vec<_> = record.days.iter().map(|(day, q)| (day.to_string(), *q)).collect();
        assert_eq!(days, [("2026-05-01".to_owned(), 2.5), ("2026-05-02".to_owned(), 3.5)]);
        assert_eq!((record.thin, record.per_day, record.rows), (1, 4, 11));
    }

    #[test]
    fn a_missing_value_is_no_number() {
        let record =
            read("date;q\n2026-05-01;1\n2026-05-02;\n2026-05-03;NaN\n2026-05-04;-9999\n2026/05/05;3\n");
        let record = record.unwrap();
        assert_eq!(record.days.values().copied().collect::<Vec<_>>(), [1.0, 3.0]);
        assert_eq!(record.empty, 3);
    }

    #[test]
    fn every_wrong_row_is_named_with_line_column_and_value() {
        let error = read("time,flow_m3s\n2026-05-01,1\nMay 2,2\n2026-05-03,-1\n2026-05-01,4\n2026-05-04,x\n");
        let told = error.unwrap_err().to_string();
        let expected = [
            "q.csv, line 3, column time: \"May 2\" is no time",
            "q.csv, line 4, column flow_m3s: \"-1\" is below zero",
            "q.csv, line 5, column time: \"2026-05-01\" stands there before",
            "q.csv, line 6, column flow_m3s: \"x\" is no number",
        ];
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line}");
        }
    }

    #[test]
    fn a_column_has_to_be_named_when_several_could_be_the_flow() {
        let told = read("time,a,b\n2026-05-01,1,2\n").unwrap_err().to_string();
        assert!(told.contains("--column takes one of: a, b"), "{told}");
        let reading = Reading { column: Some("b".into()), scale: Some(0.001), ..Reading::default() };
        let record = Record::read("q.csv", "time,a,b\n2026-05-01,1,2\n", &reading).unwrap();
        assert_eq!(record.days.values().copied().collect::<Vec<_>>(), [0.002]);
        assert!(read("time,a\n2026-05-01,\n").unwrap_err().to_string().contains("has no value"));
    }
}
