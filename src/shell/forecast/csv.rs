//! Forecasts in CSV: a row per target, issue and time, a column per member.
//!
//! ```text
//! target,issued,expires,time,flow_m3s
//! inflow:xian,2026-05-01T08:00:00+08:00,2026-05-01T20:00:00+08:00,2026-05-01T08:00:00+08:00,1.20
//! inflow:xian,2026-05-01T08:00:00+08:00,2026-05-01T20:00:00+08:00,2026-05-01T09:00:00+08:00,1.15
//! ```
//!
//! Lines that begin with `#` are remarks. The steps of one issue are equal: a gap is a mistake, it is not filled.

use ::csv::{ReaderBuilder, StringRecord};
use jiff::{SignedDuration, Timestamp};

use super::Faults;
use crate::basin::Basin;
use crate::control::forecast::{Draft, Forecast, Spot, Target};

/// The columns before those of the members.
const COLUMNS: [&str; 4] = ["target", "issued", "expires", "time"];

/// One issue as far as it has been read.
struct Issue {
    draft: Draft,
    /// Lines of its rows.
    lines: Vec<u64>,
    last: Timestamp,
}

/// What stands in front of the values of a row.
struct Head {
    line: u64,
    target: Target,
    issued: Timestamp,
    expires: Timestamp,
    time: Timestamp,
}

/// The issues of a text; mistakes go to `faults`.
pub(super) fn read(text: &str, basin: &Basin, faults: &mut Faults) -> Vec<Forecast> {
    let mut reader = ReaderBuilder::new().comment(Some(b'#')).flexible(true).from_reader(text.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.iter().map(|name| name.trim().to_owned()).collect::<Vec<_>>(),
        Err(error) => {
            faults.add("line 1", &error.to_string(), "give a CSV text");
            return Vec::new();
        }
    };
    if !is_header(&header, faults) {
        return Vec::new();
    }
    let mut open = Vec::<Issue>::new();
    for record in reader.records() {
        match record {
            Ok(record) => row(&record, &header, &mut open, basin, faults),
            Err(error) => {
                let line = error.position().map_or(0, ::csv::Position::line);
                faults.add(&format!("line {line}"), &error.to_string(), "give a CSV text");
            }
        }
    }
    if open.is_empty() && faults.is_none() {
        faults.add("line 2", "there is no row", "give at least two per target");
    }
    if !faults.is_none() {
        return Vec::new();
    }
    open.into_iter().filter_map(|issue| finish(issue, &header, basin, faults)).collect()
}

fn is_header(header: &[String], faults: &mut Faults) -> bool {
    let first = header.iter().take(COLUMNS.len()).map(String::as_str);
    if first.eq(COLUMNS) && header.len() > COLUMNS.len() {
        return true;
    }
    let what = format!("its columns are {}", header.join(", "));
    let remedy = "write target,issued,expires,time and then one column per member, with commas between them";
    faults.add("line 1", &what, remedy);
    false
}

/// Takes in one row; what is wrong with it is said of each column.
fn row(record: &StringRecord, header: &[String], open: &mut Vec<Issue>, basin: &Basin, faults: &mut Faults) {
    let line = record.position().map_or(0, ::csv::Position::line);
    if record.len() != header.len() {
        let what = format!("has {} cells, the first line {}", record.len(), header.len());
        faults.add(&format!("line {line}"), &what, "give a cell for each column, and a point in decimals");
        return;
    }
    let mut cells = record.iter().map(str::trim);
    let mut next = || cells.next().unwrap_or_default();
    let place = |column: &str| format!("line {line}, column {column}");
    let target = faults.target(&place("target"), next(), basin);
    let issued = faults.instant(&place("issued"), next());
    let expires = faults.instant(&place("expires"), next());
    let time = faults.instant(&place("time"), next());
    let mut flows = Vec::new();
    for (cell, column) in cells.zip(header.iter().skip(COLUMNS.len())) {
        match cell.parse::<f64>() {
            Ok(flow) => flows.push(flow),
            Err(_) if cell.is_empty() => {
                faults.add(&place(column), "is empty", "give m³/s; a missing value is not filled");
            }
            Err(_) => faults.add(&place(column), &format!("{cell:?} is no flow"), "give m³/s, as 1.25"),
        }
    }
    let (Some(target), Some(issued), Some(expires), Some(time)) = (target, issued, expires, time) else {
        return;
    };
    join(&Head { line, target, issued, expires, time }, &flows, open, faults);
}

/// Adds the values of a row to its issue.
fn join(head: &Head, flows: &[f64], open: &mut Vec<Issue>, faults: &mut Faults) {
    let known = |issue: &&mut Issue| (issue.draft.target, issue.draft.issued) == (head.target, head.issued);
    let Some(issue) = open.iter_mut().find(known) else {
        let Head { line, target, issued, expires, time } = *head;
        let members = flows.iter().map(|flow| vec![*flow]).collect();
        let draft = Draft { target, issued, expires, begin: time, step_s: 0, members };
        open.push(Issue { draft, lines: vec![line], last: time });
        return;
    };
    if issue.draft.expires != head.expires {
        let place = format!("line {}, column expires", head.line);
        let what = format!("{} is not {}, as in the rows before", head.expires, issue.draft.expires);
        faults.add(&place, &what, "give an issue one end");
    }
    let place = format!("line {}, column time", head.line);
    let step = head.time.duration_since(issue.last);
    let whole = u32::try_from(step.as_secs()).ok().filter(|_| step.subsec_nanos() == 0 && step.is_positive());
    match whole {
        None => {
            let what = format!("{} does not lie whole seconds after {}", head.time, issue.last);
            faults.add(&place, &what, "put the rows of an issue in order of time");
        }
        Some(step_s) if issue.lines.len() == 1 => issue.draft.step_s = step_s,
        Some(step_s) if step_s != issue.draft.step_s => {
            let due = SignedDuration::from_secs(i64::from(issue.draft.step_s));
            let due = issue.last.saturating_add(due).unwrap_or(issue.last);
            let what = format!("{} where {due} is due", head.time);
            faults.add(&place, &what, "write every step; a gap is not filled");
        }
        Some(_) => {}
    }
    issue.last = head.time;
    issue.lines.push(head.line);
    for (member, flow) in issue.draft.members.iter_mut().zip(flows) {
        member.push(*flow);
    }
}

fn finish(issue: Issue, header: &[String], basin: &Basin, faults: &mut Faults) -> Option<Forecast> {
    let Issue { draft, lines, .. } = issue;
    let line = |at: usize| lines.get(at).copied().unwrap_or_default();
    let column = |member: usize| header.get(COLUMNS.len() + member).map_or("", String::as_str);
    faults.issue(draft, basin, |spot| match spot {
        Spot::Issue => format!("from line {}", line(0)),
        Spot::Expires => format!("line {}, column expires", line(0)),
        Spot::Member(member) => format!("column {}", column(member)),
        Spot::Value(member, at) => format!("line {}, column {}", line(at), column(member)),
    })
}
