//! Two flows of a record on an even time axis. A gap stays a gap.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Steps are not finer than this, s: ten minutes, a fiftieth of the travel times that matter.
const FINEST_S: i64 = 600;
/// Steps coarser than this show no travel time of some hours, s.
const COARSEST_S: i64 = 7200;
/// Texts that stand for a missing value.
const MISSING: [&str; 4] = ["", "nan", "na", "-"];

/// Upstream and downstream flow at even steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Middle of the first step.
    pub begin: Timestamp,
    /// Length of a step, h.
    pub step_h: f64,
    /// Means over the steps, m³/s.
    pub up: Vec<Option<f64>>,
    /// Means over the steps, m³/s.
    pub down: Vec<Option<f64>>,
}

/// Why a record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not readable as CSV.
    #[error("{file}: {why}; give a CSV with one line of headers and a column time")]
    Table {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// No such column.
    #[error("{file}, line 1: no column is called {column}; it has {known}")]
    Column {
        /// The file.
        file: String,
        /// Asked for.
        column: String,
        /// There are.
        known: String,
    },
    /// A cell is wrong.
    #[error("{file}, line {line}, column {column}: {value:?} {why}")]
    Cell {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u64,
        /// The column.
        column: String,
        /// The cell.
        value: String,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// Too coarse or too short.
    #[error("{file}: {why}")]
    Unfit {
        /// The file.
        file: String,
        /// Why, and what to do.
        why: String,
    },
}

/// Reads columns `up` and `down` of a CSV with a column `time` (with an offset, ascending).
///
/// # Errors
/// The first cell that is wrong, a column that is not there, or a record that is too coarse.
pub fn read(file: &str, text: &[u8], up: &str, down: &str) -> Result<Pair, RecordError> {
    let name = || file.to_owned();
    let table = |error: csv::Error| RecordError::Table { file: name(), why: error.to_string() };
    let mut csv = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text);
    let head = csv.headers().map_err(table)?.clone();
    let place = |column: &str| {
        head.iter().position(|name| name == column).ok_or_else(|| RecordError::Column {
            file: name(),
            column: column.to_owned(),
            known: head.iter().collect::<Vec<_>>().join(", "),
        })
    };
    let (time, at_up, at_down) = (place("time")?, place(up)?, place(down)?);
    let mut rows: Vec<(i64, Option<f64>, Option<f64>)> = Vec::new();
    for row in csv.records() {
        let row = row.map_err(table)?;
        let line = row.position().map_or(0, csv::Position::line);
        let wrong = |column: &str, value: &str, why| RecordError::Cell {
            file: name(),
            line,
            column: column.to_owned(),
            value: value.to_owned(),
            why,
        };
        let stamp = row.get(time).unwrap_or_default();
        let at: Timestamp = stamp.parse().map_err(|_| {
            wrong("time", stamp, "is no time with an offset; write 2026-05-01T08:00:00+08:00")
        })?;
        if rows.last().is_some_and(|(last, _, _)| *last >= at.as_second()) {
            return Err(wrong("time", stamp, "is not later than the row before; sort the rows by time"));
        }
        let flow = |column: &str, place: usize| {
            let cell = row.get(place).unwrap_or_default();
            if MISSING.contains(&cell.to_ascii_lowercase().as_str()) {
                return Ok(None);
            }
            match cell.parse::<f64>().ok().filter(|q| q.is_finite()) {
                Some(q) => Ok(Some(q)),
                None => {
                    Err(wrong(column, cell, "is no number; leave the cell empty where nothing was measured"))
                }
            }
        };
        rows.push((at.as_second(), flow(up, at_up)?, flow(down, at_down)?));
    }
    even(file, &rows)
}

fn even(file: &str, rows: &[(i64, Option<f64>, Option<f64>)]) -> Result<Pair, RecordError> {
    let unfit = |why: String| RecordError::Unfit { file: file.to_owned(), why };
    let mut steps: Vec<i64> = rows.iter().zip(rows.iter().skip(1)).map(|(a, b)| b.0 - a.0).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied();
    let usual = usual.ok_or_else(|| unfit("it has fewer than two rows; export a longer time".into()))?;
    if usual > COARSEST_S {
        return Err(unfit(format!(
            "its rows are {usual} s apart; travel times need values every {COARSEST_S} s or more often"
        )));
    }
    let step = usual.max(FINEST_S);
    let first = rows.first().map_or(0, |row| row.0.div_euclid(step));
    let last = rows.last().map_or(0, |row| row.0.div_euclid(step));
    let mut bins: BTreeMap<i64, [(f64, u32); 2]> = BTreeMap::new();
    for (at, up, down) in rows {
        let bin = bins.entry(at.div_euclid(step)).or_default();
        for (sum, value) in bin.iter_mut().zip([up, down]) {
            if let Some(value) = value {
                sum.0 += value;
                sum.1 += 1;
            }
        }
    }
    let mean = |(sum, count): (f64, u32)| (count > 0).then(|| sum / f64::from(count));
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for bin in first..=last {
        let [a, b] = bins.get(&bin).copied().unwrap_or_default();
        up.push(mean(a));
        down.push(mean(b));
    }
    let begin = Timestamp::from_second(first * step + step / 2);
    let begin = begin.map_err(|error| unfit(format!("its times are out of range: {error}")))?;
    #[expect(clippy::cast_precision_loss, reason = "some minutes")]
    let step_h = step as f64 / 3600.0;
    Ok(Pair { begin, step_h, up, down })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_become_means_and_gaps_stay() {
        let mut text = String::from("time,a,b\n");
        for minute in (0..60).filter(|minute| !(20..40).contains(minute)) {
            let down = if minute < 10 { "" } else { "2" };
            text.extend([format!("2026-05-01T00:{minute:02}:00Z,{minute},{down}\n")]);
        }
        let pair = read("q.csv", text.as_bytes(), "a", "b").unwrap();
        // Means of 0..9, 10..19, 40..49 and 50..59.
        assert_eq!(pair.up, [Some(4.5), Some(14.5), None, None, Some(44.5), Some(54.5)]);
        assert_eq!(pair.down, [None, Some(2.0), None, None, Some(2.0), Some(2.0)]);
    }

    #[test]
    fn a_wrong_cell_is_named() {
        let told = |text: &str| read("q.csv", text.as_bytes(), "a", "b").unwrap_err().to_string();
        let head = "time,a,b\n2026-05-01T00:00:00Z,1,2\n";
        assert!(
            told(&format!("{head}2026-05-01T00:10:00Z,x,2\n")).starts_with("q.csv, line 3, column a: \"x\"")
        );
        assert!(told(&format!("{head}2026-05-01,1,2\n")).contains("line 3, column time"));
        assert!(told(&format!("{head}2026-05-01T00:00:00Z,1,2\n")).contains("not later"));
        assert!(told("time,a\n").contains("no column is called b; it has time, a"));
        assert!(told(&format!("{head}2026-05-02T00:00:00Z,1,2\n")).contains("86400 s apart"));
    }
}
