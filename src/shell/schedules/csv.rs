//! The calendar as rows and as CSV: UTF-8, a line with the names of the columns, then one for each entry. Columns that are not
//! needed may be left out, their order does not matter; lines that begin with `#` are remarks.

use std::fmt;

use ::csv::{ReaderBuilder, StringRecord, Trim, WriterBuilder};
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::config::sheet::nearest;
use crate::control::schedule::row::{COLUMNS, Row};
use crate::control::schedule::{Entry, MOST, MOST_BYTES};

/// Columns that must be there.
const NEEDED: [&str; 3] = ["id", "kind", "element"];
/// Begin of a text in which a table program finds its letters.
const BOM: &str = "\u{feff}";

/// Something wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line of the text, or row of the list, from 1.
    pub line: u64,
    /// Column; empty for the whole line.
    pub column: String,
    /// What stands there.
    pub value: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, value, what, remedy } = self;
        write!(f, "line {line}")?;
        if !column.is_empty() {
            write!(f, ", column {column}")?;
        }
        if !value.is_empty() {
            write!(f, " = {value:?}")?;
        }
        write!(f, ": {what}; {remedy}")
    }
}

fn problem(line: u64, column: &str, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
    Problem {
        line,
        column: column.to_owned(),
        value: String::new(),
        what: what.into(),
        remedy: remedy.into(),
    }
}

/// The entries of rows; each row with its line.
///
/// # Errors
/// Everything that is wrong with them.
pub fn entries<'a>(
    rows: impl IntoIterator<Item = (u64, &'a Row)>,
    zone: &TimeZone,
) -> Result<Vec<Entry>, Vec<Problem>> {
    let mut made = Vec::<Entry>::new();
    let mut problems = Vec::new();
    for (line, row) in rows {
        match row.entry(zone) {
            Ok(entry) if made.iter().any(|other| other.id == entry.id) => {
                let mut twice =
                    problem(line, "id", "stands there twice", "give each entry a name of its own");
                twice.value = entry.id;
                problems.push(twice);
            }
            Ok(entry) => made.push(entry),
            Err(faults) => problems.extend(faults.into_iter().map(|fault| Problem {
                line,
                column: fault.column.to_owned(),
                value: fault.value,
                what: fault.what,
                remedy: fault.remedy.to_owned(),
            })),
        }
    }
    if made.len() > MOST {
        problems.push(problem(1, "", format!("more than {MOST} entries"), "remove what is over"));
    }
    if serde_json::to_vec(&made).map_or(0, |bytes| bytes.len()) > MOST_BYTES {
        let what = format!("the entries have more than {MOST_BYTES} bytes together");
        problems.push(problem(1, "", what, "shorten names and texts, or remove what is over"));
    }
    if problems.is_empty() { Ok(made) } else { Err(problems) }
}

/// Reads CSV.
///
/// # Errors
/// Everything that is wrong with it, each with its line and column.
pub fn read(bytes: &[u8], zone: &TimeZone) -> Result<Vec<Entry>, Vec<Problem>> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix(BOM).unwrap_or(text),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = good.split(|byte| *byte == b'\n').count() as u64;
            return Err(vec![problem(line, "", "is not UTF-8", "save the table as CSV UTF-8")]);
        }
    };
    let mut reader =
        ReaderBuilder::new().comment(Some(b'#')).flexible(true).trim(Trim::All).from_reader(text.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return Err(vec![problem(1, "", error.to_string(), "give a CSV text")]),
    };
    let mut problems = named(&header);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, ::csv::Position::line);
                if record.len() == header.len() {
                    rows.push((line, row(&header, &record)));
                } else {
                    let what = format!("has {} cells, the first line {}", record.len(), header.len());
                    problems.push(problem(line, "", what, "give a cell for each column"));
                }
            }
            Err(error) => {
                let line = error.position().map_or(0, ::csv::Position::line);
                problems.push(problem(line, "", error.to_string(), "give a CSV text"));
            }
        }
    }
    match entries(rows.iter().map(|(line, row)| (*line, row)), zone) {
        Ok(entries) if problems.is_empty() => Ok(entries),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            problems.sort_by_key(|problem| problem.line);
            Err(problems)
        }
    }
}

/// What is wrong with the names of the columns.
fn named(header: &StringRecord) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, name) in header.iter().enumerate() {
        if !COLUMNS.contains(&name) {
            let remedy = match nearest(name, COLUMNS.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("columns are {}, with commas between them", COLUMNS.join(", ")),
            };
            problems.push(problem(1, name, "no such column", remedy));
        } else if header.iter().take(at).any(|other| other == name) {
            problems.push(problem(1, name, "stands there twice", "remove one of them"));
        }
    }
    for needed in NEEDED {
        if !header.iter().any(|name| name == needed) {
            problems.push(problem(1, needed, "is missing", "add the column"));
        }
    }
    problems
}

fn row(header: &StringRecord, record: &StringRecord) -> Row {
    let mut row = Row::default();
    for (name, cell) in header.iter().zip(record) {
        if let Some(column) = row.column(name) {
            cell.clone_into(column);
        }
    }
    row
}

/// Entries as CSV, with the mark by which a table program knows UTF-8.
pub fn write(entries: &[Entry], zone: &TimeZone) -> String {
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    // A vector takes everything.
    let _ = writer.write_record(COLUMNS);
    for entry in entries {
        let mut row = Row::of(entry, zone);
        let cells: Vec<String> =
            COLUMNS.iter().filter_map(|column| row.column(column).map(std::mem::take)).collect();
        let _ = writer.write_record(cells);
    }
    let bytes = writer.into_inner().unwrap_or_default();
    format!("{BOM}{}", String::from_utf8_lossy(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let text = "\u{feff}element,kind,id,opening_pct,days,begin,end,name\r\n\
                    g1,opening,a,33.3,mon-fri,22:00,06:00,\"夜间, 补水\"\r\n# a remark\r\ng2,shut,b,,,00:00,00:00,\r\n";
        let entries = read(text.as_bytes(), &zone()).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].name, "夜间, 补水");
        assert_eq!(read(write(&entries, &zone()).as_bytes(), &zone()), Ok(entries));
    }

    #[test]
    fn every_mistake_is_said_with_its_line_and_column() {
        let text = "id,kind,element,opening_pct,from,to\na,opening,g1,abc,2026-05-01T06:00,2026-05-01T05:00\n\
                    b,jump,g1,,2026-05-01T06:00,2026-05-01T07:00\na,shut,g1,,2026-05-01T06:00\n";
        let problems = read(text.as_bytes(), &zone()).unwrap_err();
        let places = problems.iter().map(|it| (it.line, it.column.as_str())).collect::<Vec<_>>();
        assert_eq!(places, [(2, "opening_pct"), (2, "to"), (3, "kind"), (4, "")]);
        let head = read(b"id,knd,element\n", &zone()).unwrap_err();
        assert_eq!(head[0].to_string(), "line 1, column knd: no such column; did you mean kind?");
        assert_eq!(read(b"id,kind,element\n\xff,shut,g\n", &zone()).unwrap_err()[0].line, 2);
    }
}
