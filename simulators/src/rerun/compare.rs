//! What was decided beside what is decided now, part by part, with the first value in which they differ.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use qindan::basin::Basin;
use qindan::control::Now;
use qindan::control::record::Entry;
use qindan::control::state::State;
use qindan::control::status::Status;
use qindan::shell::snapshots::parts;
use serde_json::Value;

/// Longest text of a value shown.
const LONGEST: usize = 160;

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A command.
    Command,
    /// A record.
    Record,
    /// The answer to an act of a person.
    Answer,
    /// Whether a control cycle ran.
    Cycle,
    /// A published value.
    Published,
    /// What the controller remembers.
    Memory,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Command => "command",
            Self::Record => "record",
            Self::Answer => "answer",
            Self::Cycle => "control cycle",
            Self::Published => "published",
            Self::Memory => "memory",
        })
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// When.
    pub utc: Timestamp,
    /// What.
    pub what: What,
    /// Which, and both values.
    pub text: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} {}", self.utc, self.what, self.text)
    }
}

/// Differences of two decisions, as [`qindan::shell::snapshots::told`] gives them.
pub(super) fn told(basin: &Basin, recorded: &[u8], ours: &[u8], now: Now) -> Vec<Difference> {
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let (recorded, ours) = (read(recorded), read(ours));
    let list =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut found = Vec::new();
    let kinds = [("commands", What::Command), ("entries", What::Record), ("answers", What::Answer)];
    for (key, what) in kinds {
        let name = |value: &Value| match what {
            What::Command => of_gate(basin, value),
            What::Record => of_entry(value),
            What::Answer | What::Cycle | What::Published | What::Memory => String::new(),
        };
        lists(&list(&recorded, key), &list(&ours, key), what, name, now, &mut found);
    }
    let cycle = |value: &Value| value.get("cycle").and_then(Value::as_bool).unwrap_or(false);
    if cycle(&recorded) != cycle(&ours) {
        let text = format!("recorded {}, now {}", cycle(&recorded), cycle(&ours));
        found.push(Difference { utc: now.utc, what: What::Cycle, text });
    }
    if let (Some(recorded), Some(ours)) = (recorded.get("figures"), ours.get("figures")) {
        figures(basin, recorded, ours, now, &mut found);
    }
    found
}

/// Differences of the figures of a control cycle, by their names.
fn figures(basin: &Basin, recorded: &Value, ours: &Value, now: Now, found: &mut Vec<Difference>) {
    let rows =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut note = |name: String, pair: (Option<&Value>, Option<&Value>)| {
        let null = &Value::Null;
        let differs = first(pair.0.unwrap_or(null), pair.1.unwrap_or(null));
        let told = differs.map(|text| Difference {
            utc: now.utc,
            what: What::Published,
            text: format!("{name}: {text}"),
        });
        found.extend(told);
    };
    note("rung".to_owned(), (recorded.get("rung"), ours.get("rung")));
    // A row begins with the position of its element; what follows it is named here.
    for (key, columns) in [("release", &["release of"][..]), ("section", &["set point of", "flow at"])] {
        let name = |at: usize| match key {
            "release" => basin.reservoirs.get(at).map(|it| it.id.as_str()),
            _ => basin.sections.get(at).map(|it| it.id.as_str()),
        };
        let (before, after) = (rows(recorded, key), rows(ours, key));
        for row in 0..before.len().max(after.len()) {
            let (a, b) = (before.get(row), after.get(row));
            let position = a.or(b).and_then(|row| row.get(0)).and_then(Value::as_u64);
            let id = position.and_then(|at| name(usize::try_from(at).ok()?)).unwrap_or("?");
            for (nth, column) in columns.iter().enumerate() {
                let cell = |row: Option<&Value>| row.and_then(|row| row.get(nth + 1)).cloned();
                note(format!("{column} {id}, m³/s"), (cell(a).as_ref(), cell(b).as_ref()));
            }
        }
    }
}

/// Differences of two lists of records.
pub(super) fn entries(recorded: &[Entry], ours: &[Entry], now: Now) -> Vec<Difference> {
    let read =
        |entries: &[Entry]| entries.iter().map(|it| serde_json::to_value(it).unwrap_or_default()).collect();
    let (recorded, ours): (Vec<_>, Vec<_>) = (read(recorded), read(ours));
    let mut found = Vec::new();
    lists(&recorded, &ours, What::Record, of_entry, now, &mut found);
    found
}

fn lists(
    recorded: &[Value],
    ours: &[Value],
    what: What,
    name: impl Fn(&Value) -> String,
    now: Now,
    found: &mut Vec<Difference>,
) {
    for at in 0..recorded.len().max(ours.len()) {
        let pair = (recorded.get(at), ours.get(at));
        let text = match pair {
            (Some(a), Some(b)) => first(a, b).map(|text| format!("{} {}: {text}", at + 1, name(a))),
            (Some(a), None) => Some(format!("{} {}: recorded, now none", at + 1, name(a))),
            (None, Some(b)) => Some(format!("{} {}: not recorded, now {}", at + 1, name(b), short(b))),
            (None, None) => None,
        };
        found.extend(text.map(|text| Difference { utc: now.utc, what, text }));
    }
}

/// Differences of the published picture: the parts whose fingerprints differ, with their present value.
pub(super) fn picture(basin: &Basin, recorded: &[u64], status: &Status, now: Now) -> Vec<Difference> {
    let ours = parts(status);
    let difference = |text| Difference { utc: now.utc, what: What::Published, text };
    if recorded.len() != ours.len() {
        return vec![difference(format!("picture: recorded {} parts, now {}", recorded.len(), ours.len()))];
    }
    let differing = recorded.iter().zip(&ours).filter(|(recorded, (_, print))| *recorded != print);
    differing
        .map(|(_, (part, _))| {
            difference(format!("{}: now {}", part.name(basin, status), cut(&part.show(status))))
        })
        .collect()
}

/// The first difference of two memories.
pub(super) fn states(recorded: &State, ours: &State, now: Now) -> Option<Difference> {
    let read = |state: &State| serde_json::to_value(state).unwrap_or_default();
    let hidden = || (recorded != ours).then(|| "in a part that is not written".to_owned());
    let text = first(&read(recorded), &read(ours)).or_else(hidden)?;
    Some(Difference { utc: now.utc, what: What::Memory, text })
}

/// The first place in which two values differ, and what stands there. Numbers are compared as they are written, which is to
/// the bit.
fn first(recorded: &Value, ours: &Value) -> Option<String> {
    let mut path = String::new();
    let (a, b) = walk(recorded, ours, &mut path)?;
    let path = path.trim_start_matches('.');
    let at = if path.is_empty() { String::new() } else { format!("{path} ") };
    Some(format!("{at}recorded {a}, now {b}"))
}

fn walk(recorded: &Value, ours: &Value, path: &mut String) -> Option<(String, String)> {
    let length = path.len();
    match (recorded, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            for key in keys {
                path.push('.');
                path.push_str(key);
                let null = &Value::Null;
                let found = walk(a.get(key).unwrap_or(null), b.get(key).unwrap_or(null), path);
                if found.is_some() {
                    return found;
                }
                path.truncate(length);
            }
            None
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                let _ = write!(path, "[{at}]");
                let found = walk(a, b, path);
                if found.is_some() {
                    return found;
                }
                path.truncate(length);
            }
            None
        }
        (a, b) => {
            let (shown_a, shown_b) = (a.to_string(), b.to_string());
            (shown_a != shown_b).then(|| (cut(&shown_a), cut(&shown_b)))
        }
    }
}

fn of_gate(basin: &Basin, command: &Value) -> String {
    let gate = command.get("gate").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
    let gate = gate.and_then(|at| basin.gates.get(at)).map_or("?", |gate| gate.id.as_str());
    format!("to {gate}")
}

fn of_entry(entry: &Value) -> String {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let kind = text("kind").unwrap_or("?");
    text("gate").map_or_else(|| kind.to_owned(), |gate| format!("{kind} of {gate}"))
}

fn short(value: &Value) -> String {
    cut(&value.to_string())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
