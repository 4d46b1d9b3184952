//! Reads a record `time,flow_m3s` from a CSV file. What is odd in it is told with its line and handled as the
//! scenario says, never silently.

use std::fs::File;
use std::path::PathBuf;

use jiff::Timestamp;

use super::{OnEnd, Record, Values, seconds};

/// A step this many times the usual one is a gap.
const GAP: f64 = 1.5;
/// Most lines named in one note.
const NAMED: usize = 5;

/// What to do about missing stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnGap {
    /// A straight line over it.
    Interpolate,
    /// The last value until the next stamp.
    Hold,
}

/// What to do about flows below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNegative {
    /// They become zero.
    Zero,
    /// They stay: an inflow by water balance is noisy.
    Keep,
    /// They are left out, which leaves a gap.
    Skip,
}

/// What to do about rows that are no time and flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBadRow {
    /// They are left out, which leaves a gap.
    Skip,
}

/// A record in a file, and what to make of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The file.
    pub file: PathBuf,
    /// Name of it in messages.
    pub shown: String,
    /// Column with the flow.
    pub column: String,
    /// m³/s = value · scale + offset.
    pub scale: f64,
    /// See `scale`.
    pub offset: f64,
    /// First and last instant taken from the file, in its own time.
    pub window: (Option<Timestamp>, Option<Timestamp>),
    /// Where the begin of the window (or the first row) is moved to.
    pub moved_to: Option<Timestamp>,
    /// What a value stands for.
    pub values: Values,
    /// See [`OnGap`]; `None`: a gap is an error.
    pub on_gap: Option<OnGap>,
    /// See [`OnNegative`]; `None`: a negative flow is an error.
    pub on_negative: Option<OnNegative>,
    /// See [`OnBadRow`]; `None`: a bad row is an error.
    pub on_bad_row: Option<OnBadRow>,
    /// See [`OnEnd`].
    pub on_end: Option<OnEnd>,
}

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Line in the file, from 1; `None` for the file as a whole.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// What was read, and notes on what was odd and how it was handled.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The record in scenario time.
    pub record: Record,
    /// One sentence each.
    pub notes: Vec<String>,
}

/// One usable row.
struct Row {
    line: u64,
    t: f64,
    q: f64,
}

/// Lines with the same oddity.
#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn note(&self, spec: &Spec, what: &str, handled: &str) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let more = self.0.len().saturating_sub(NAMED);
        let named = self.0.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        Some(format!("{}: {} {what} ({named}{rest}): {handled}", spec.shown, self.0.len()))
    }
}

/// Reads `spec`.
///
/// # Errors
/// Everything in the file that the scenario says nothing about, with line numbers.
pub fn read(spec: &Spec) -> Result<Read, Vec<Flaw>> {
    let file = File::open(&spec.file).map_err(|error| {
        let remedy = "name an existing file; a relative path counts from the scenario file".to_owned();
        vec![Flaw { line: None, what: format!("cannot be read: {error}"), remedy }]
    })?;
    read_from(spec, file)
}

fn read_from(spec: &Spec, file: impl std::io::Read) -> Result<Read, Vec<Flaw>> {
    let mut flaws = Vec::new();
    let mut notes = Vec::new();
    let mut rows = rows(spec, file, &mut flaws, &mut notes);
    if !flaws.is_empty() {
        return Err(flaws);
    }
    let Some(first) = rows.first().map(|row| row.t) else {
        let what = "no row lies in the window".to_owned();
        return Err(vec![Flaw { line: None, what, remedy: "correct from and to".into() }]);
    };
    let origin = spec.window.0.map_or(first, seconds);
    let shift = spec.moved_to.map_or(0.0, |to| seconds(to) - origin);
    for row in &mut rows {
        row.t += shift;
    }
    let step = usual_step(&rows);
    let points = points(spec, &rows, step, &mut flaws, &mut notes);
    if !flaws.is_empty() {
        return Err(flaws);
    }
    let begin = rows.first().map_or(0.0, |row| row.t);
    let length = rows.last().map_or(0.0, |row| row.t - begin) + step;
    Ok(Read { record: Record::new(points, (begin, length), spec.on_end), notes })
}

/// The usable rows of the window, ascending in time.
fn rows(spec: &Spec, file: impl std::io::Read, flaws: &mut Vec<Flaw>, notes: &mut Vec<String>) -> Vec<Row> {
    let mut reader = ::csv::ReaderBuilder::new().comment(Some(b'#')).flexible(true).from_reader(file);
    let columns = match reader.headers() {
        Ok(header) => {
            let find = |name: &str| header.iter().position(|column| column.trim() == name);
            if let (Some(time), Some(flow)) = (find("time"), find(&spec.column)) {
                Some((time, flow))
            } else {
                let remedy = format!("columns needed: time and {}", spec.column);
                let found = header.iter().collect::<Vec<_>>().join(", ");
                flaws.push(Flaw { line: Some(1), what: format!("its columns are {found}"), remedy });
                None
            }
        }
        Err(error) => {
            flaws.push(Flaw { line: Some(1), what: error.to_string(), remedy: "give a CSV file".into() });
            None
        }
    };
    let Some((time, flow)) = columns else { return Vec::new() };
    let mut rows: Vec<Row> = Vec::new();
    let (mut bad, mut negative) = (Lines::default(), Lines::default());
    for (at, record) in reader.records().enumerate() {
        let line = match &record {
            Ok(record) => record.position().map_or(0, ::csv::Position::line),
            Err(error) => error.position().map_or(0, ::csv::Position::line),
        };
        let row = record.map_err(|error| error.to_string()).and_then(|record| {
            let (time, flow) = (record.get(time).unwrap_or(""), record.get(flow).unwrap_or(""));
            parse(time.trim(), flow.trim())
        });
        let (t, value) = match row {
            Ok((utc, _)) if spec.window.0.is_some_and(|from| utc < from) => continue,
            Ok((utc, _)) if spec.window.1.is_some_and(|to| utc >= to) => continue,
            Ok((utc, value)) => (seconds(utc), value),
            Err(why) => {
                bad.0.push(format!("line {line}"));
                if spec.on_bad_row.is_none() {
                    let remedy = "correct the row, or say on_bad_row = \"skip\"".into();
                    flaws.push(Flaw { line: Some(line), what: why, remedy });
                }
                continue;
            }
        };
        if rows.last().is_some_and(|last| last.t >= t) {
            bad.0.push(format!("line {line}"));
            if spec.on_bad_row.is_none() {
                let what = format!("row {}: its time is not after the one before", at + 1);
                let remedy = "sort the file, or say on_bad_row = \"skip\"".into();
                flaws.push(Flaw { line: Some(line), what, remedy });
            }
            continue;
        }
        let mut q = value * spec.scale + spec.offset;
        if q < 0.0 {
            negative.0.push(format!("line {line}"));
            match spec.on_negative {
                None => {
                    let what = format!("the flow {q:.3} m³/s is negative");
                    let remedy = "say on_negative = \"zero\", \"keep\" or \"skip\"".into();
                    flaws.push(Flaw { line: Some(line), what, remedy });
                }
                Some(OnNegative::Zero) => q = 0.0,
                Some(OnNegative::Keep) => {}
                Some(OnNegative::Skip) => continue,
            }
        }
        rows.push(Row { line, t, q });
    }
    let handled = match spec.on_negative {
        Some(OnNegative::Zero) => "set to zero",
        Some(OnNegative::Skip) => "left out",
        Some(OnNegative::Keep) | None => "kept",
    };
    notes.extend(bad.note(spec, "bad rows", "left out"));
    notes.extend(negative.note(spec, "negative flows", handled));
    rows
}

fn parse(time: &str, flow: &str) -> Result<(Timestamp, f64), String> {
    let utc = time
        .parse::<Timestamp>()
        .map_err(|_| format!("`{time}` is no time with an offset, as 2026-05-01T00:00:00+08:00"))?;
    let value = flow.parse::<f64>().ok().filter(|q| q.is_finite());
    Ok((utc, value.ok_or_else(|| format!("`{flow}` is no flow"))?))
}

/// Median step between rows, s; a day when there is only one.
fn usual_step(rows: &[Row]) -> f64 {
    let mut steps = rows.windows(2).map(|pair| pair[1].t - pair[0].t).collect::<Vec<_>>();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied().unwrap_or(86_400.0)
}

/// The points of the record, gaps handled.
fn points(
    spec: &Spec,
    rows: &[Row],
    step: f64,
    flaws: &mut Vec<Flaw>,
    notes: &mut Vec<String>,
) -> Vec<(f64, f64)> {
    let centre = match spec.values {
        Values::Instantaneous => 0.0,
        Values::DailyMean => 0.5 * step,
    };
    let mut points: Vec<(f64, f64)> = Vec::with_capacity(rows.len());
    let mut gaps = Lines::default();
    let mut before: Option<&Row> = None;
    for row in rows {
        if let Some(last) = before
            && row.t - last.t > GAP * step
        {
            let missing = row.t - last.t - step;
            gaps.0.push(format!("{} after line {}", span(missing), last.line));
            match spec.on_gap {
                None => flaws.push(Flaw {
                    line: Some(last.line),
                    what: format!("{} missing after {}", span(missing), stamp(last.t)),
                    remedy: "say on_gap = \"interpolate\" or \"hold\"".into(),
                }),
                Some(OnGap::Hold) => points.push((row.t + centre - 1.0, last.q)),
                Some(OnGap::Interpolate) => {}
            }
        }
        points.push((row.t + centre, row.q));
        before = Some(row);
    }
    let handled =
        if spec.on_gap == Some(OnGap::Hold) { "last value held" } else { "bridged by straight lines" };
    notes.extend(gaps.note(spec, "gaps", handled));
    points
}

fn span(s: f64) -> String {
    if s >= 2.0 * 86_400.0 {
        format!("{:.1} d", s / 86_400.0)
    } else if s >= 7200.0 {
        format!("{:.1} h", s / 3600.0)
    } else {
        format!("{:.0} min", s / 60.0)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of a civil time")]
fn stamp(t: f64) -> String {
    Timestamp::from_second(t as i64).map_or_else(|_| format!("{t}"), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            file: PathBuf::from("x.csv"),
            shown: "x.csv".into(),
            column: "flow_m3s".into(),
            scale: 1.0,
            offset: 0.0,
            window: (None, None),
            moved_to: None,
            values: Values::Instantaneous,
            on_gap: None,
            on_negative: None,
            on_bad_row: None,
            on_end: None,
        }
    }

    const HOURS: &str = "# credit\ntime,flow_m3s\n2020-01-01T00:00:00Z,1\n2020-01-01T01:00:00Z,2\n";

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    fn at(record: &Record, time: &str) -> f64 {
        record.at(seconds(time.parse().unwrap()))
    }

    #[test]
    fn bad_rows_are_named_by_their_line_and_left_out_when_told() {
        let text = format!("{HOURS}yesterday,3\n2020-01-01T02:00:00Z,much\n2020-01-01T02:00:00Z,4\n");
        let flaws = read_from(&spec(), text.as_bytes()).unwrap_err();
        assert_eq!(flaws.iter().map(|flaw| flaw.line).collect::<Vec<_>>(), [Some(5), Some(6)]);
        assert!(flaws[0].what.contains("yesterday") && flaws[1].what.contains("much"), "{flaws:?}");
        let told = Spec { on_bad_row: Some(OnBadRow::Skip), ..spec() };
        let read = read_from(&told, text.as_bytes()).unwrap();
        assert_eq!(read.notes, ["x.csv: 2 bad rows (line 5, line 6): left out"]);
        assert!(near(at(&read.record, "2020-01-01T01:30:00Z"), 3.0));
    }

    #[test]
    fn a_gap_is_named_and_handled_as_told() {
        let text = format!("{HOURS}2020-01-01T02:00:00Z,2\n2020-01-01T06:00:00Z,6\n");
        let flaws = read_from(&spec(), text.as_bytes()).unwrap_err();
        assert_eq!((flaws.len(), flaws[0].line), (1, Some(5)));
        assert!(flaws[0].what.contains("3.0 h"), "{flaws:?}");
        let straight = Spec { on_gap: Some(OnGap::Interpolate), ..spec() };
        assert!(near(
            at(&read_from(&straight, text.as_bytes()).unwrap().record, "2020-01-01T04:00:00Z"),
            4.0
        ));
        let held = Spec { on_gap: Some(OnGap::Hold), ..spec() };
        let read = read_from(&held, text.as_bytes()).unwrap();
        assert!(near(at(&read.record, "2020-01-01T05:59:00Z"), 2.0));
        assert_eq!(read.notes, ["x.csv: 1 gaps (3.0 h after line 5): last value held"]);
    }

    #[test]
    fn negative_flows_are_named_and_handled_as_told() {
        let text = format!("{HOURS}2020-01-01T02:00:00Z,-4\n");
        assert_eq!(read_from(&spec(), text.as_bytes()).unwrap_err()[0].line, Some(5));
        let q = |on_negative| {
            let told = Spec { on_negative: Some(on_negative), ..spec() };
            at(&read_from(&told, text.as_bytes()).unwrap().record, "2020-01-01T02:00:00Z")
        };
        assert!(
            near(q(OnNegative::Zero), 0.0)
                && near(q(OnNegative::Keep), -4.0)
                && near(q(OnNegative::Skip), 2.0)
        );
    }

    #[test]
    fn a_window_is_moved_as_a_whole_and_scaled() {
        let told = Spec {
            window: (Some("2020-01-01T01:00:00Z".parse().unwrap()), None),
            moved_to: Some("2026-05-01T00:00:00+08:00".parse().unwrap()),
            scale: 0.5,
            offset: 0.1,
            ..spec()
        };
        let read = read_from(&told, HOURS.as_bytes()).unwrap();
        assert!(near(at(&read.record, "2026-04-30T16:00:00Z"), 1.1));
    }

    #[test]
    fn daily_means_are_joined_at_midday() {
        let text = "time,flow_m3s\n2020-01-01T00:00:00Z,1\n2020-01-02T00:00:00Z,3\n2020-01-03T00:00:00Z,3\n";
        let read = read_from(&Spec { values: Values::DailyMean, ..spec() }, text.as_bytes()).unwrap();
        assert!(near(at(&read.record, "2020-01-01T12:00:00Z"), 1.0));
        assert!(near(at(&read.record, "2020-01-02T00:00:00Z"), 2.0));
        assert!(near(read.record.covers().1 - read.record.covers().0, 3.0 * 86_400.0));
    }

    #[test]
    fn other_columns_are_told() {
        let flaws = read_from(&spec(), &b"day,q\n1,2\n"[..]).unwrap_err();
        assert!(flaws[0].what.contains("day, q"), "{flaws:?}");
    }
}
