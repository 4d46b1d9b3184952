//! Records in English, one line or in full, from what they hold alone: no configuration is needed to read them.

use std::fmt::{self, Display};

use serde_json::{Map, Value};

use super::journal::Record;
use super::rows::kind_name;
use crate::control::command::{Action, FailReason, NotSent, Terminal, WriteResult};
use crate::units::Opening;

/// A cause ([`crate::control::reason::Because`] with elements by identifier) in English.
pub struct Cause<'a>(pub &'a Value);

/// A limit ([`crate::control::reason::Limit`] with elements by identifier) in English.
pub struct Bound<'a>(pub &'a Value);

/// One record as one line: time, sequence, kind, gate, from -> to, because, outcome.
pub struct Line<'a>(pub &'a Record);

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    /// A number with two decimals, or what stands there.
    fn number(&self, key: &str) -> String {
        match self.0.get(key) {
            Some(Value::Number(number)) if number.is_f64() => {
                number.as_f64().map_or_else(String::new, |number| format!("{number:.2}"))
            }
            _ => self.text(key),
        }
    }

    fn text(&self, key: &str) -> String {
        match self.0.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => "?".to_owned(),
        }
    }

    fn percent(&self, key: &str) -> String {
        let fraction = self.0.get(key).and_then(Value::as_f64);
        fraction.map_or_else(|| self.text(key), |fraction| format!("{:.1} %", fraction * 100.0))
    }
}

impl Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(fields) = self.0.as_object().map(Fields) else { return write!(f, "{}", self.0) };
        let (n, t) = (|key| fields.number(key), |key| fields.text(key));
        match t("because").as_str() {
            "section_needs" => write!(
                f,
                "{} needs {} m³/s in {} h (set point {}, inflow {}, intakes {}, losses {})",
                t("section"),
                n("need"),
                n("lag_h"),
                n("setpoint"),
                n("inflow"),
                n("intakes"),
                n("losses")
            ),
            "outlet_floor" => write!(f, "{} needs its set point of {} m³/s", t("section"), n("setpoint")),
            "unit_trip" => write!(f, "{} tripped, {} m³/s made good", t("unit"), n("lost")),
            "trim" => write!(f, "release is {} m³/s off its target", n("error")),
            "share_turbine" => write!(f, "turbine takes {} m³/s", n("flow")),
            "pass_on" => write!(f, "passes on what arrives, {} m³/s owed", n("owed")),
            "demand" => write!(f, "demand of {} m³/s", n("flow")),
            "lend" => {
                write!(
                    f,
                    "gives of the pond's own water: {} m³/s wanted below, {} m³/s come",
                    n("owed"),
                    n("comes")
                )
            }
            "keep_level" => write!(f, "level {} m, wanted {} m", n("level_m"), n("target_m")),
            "schedule" => match t("order") {
                order if order == "?" => write!(f, "calendar entry {}", t("entry")),
                order => write!(f, "calendar entry {}, by order {order}", t("entry")),
            },
            "season_lock" => f.write_str("season lock"),
            "operator" => write!(f, "{} asked: {}", t("who"), t("reason")),
            "advice" => write!(f, "{} accepted what was proposed", t("who")),
            "pollution" => {
                write!(f, "polluted water of incident {}", n("incident"))?;
                match self.0.get("arrives_h").and_then(Value::as_f64) {
                    Some(hours) if hours > 0.0 => write!(f, " arrives in {hours:.1} h"),
                    Some(_) => f.write_str(" is there"),
                    None => f.write_str(" arrives, nobody can tell when"),
                }
            }
            "incident_release" => write!(f, "ticket {}: release of {} m³/s ordered", n("ticket"), n("flow")),
            "hold_all" => f.write_str("hold-all"),
            "astray" => {
                let (at, to) = (fields.percent("at"), fields.percent("to"));
                write!(f, "at {at} and going away from {to}, where it was sent")
            }
            "announced_turn" => write!(f, "{} is announced to change by {} m³/s", t("intake"), n("change")),
            "no_move" => {
                write!(f, "no move, smallest margin {} at {}", fields.percent("margin"), t("section"))
            }
            "cut" => write!(
                f,
                "reservoir low at {} m: {} of {} m³/s given, in the order of uses",
                n("level_m"),
                n("flow"),
                n("asked")
            ),
            "dead_level" => {
                write!(f, "reservoir below its dead level, passing on what comes: {} m³/s", n("flow"))
            }
            "safe_constant" => write!(f, "safe constant of {} m³/s", n("flow")),
            "still_learning" => write!(
                f,
                "the way to {} has not been watched for one travel time, {} h to go: no lower release",
                t("section"),
                n("hours_left")
            ),
            // Of a later version, or added since: as stored.
            _ => write!(f, "{}", self.0),
        }
    }
}

impl Display for Bound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(fields) = self.0.as_object().map(Fields) else { return write!(f, "{}", self.0) };
        let (n, t) = (|key| fields.number(key), |key| fields.text(key));
        match t("limit").as_str() {
            "travel" => write!(f, "travel {} to {}", fields.percent("lowest"), fields.percent("highest")),
            "outlet_floor" => write!(f, "outlet floor held at {}", fields.percent("opening")),
            "section_short" => write!(f, "{} is about to fall short", t("section")),
            "ramp_up" => write!(f, "may rise to {} m³/s now", n("flow")),
            "ramp_down" => write!(f, "may fall to {} m³/s now", n("flow")),
            "siren" => write!(f, "above {} m³/s a siren must sound first", n("flow")),
            "local" => f.write_str("key on local"),
            "emergency_stop" => f.write_str("emergency stop"),
            "drive_fault" => f.write_str("drive fault"),
            "fallen_back" => f.write_str("its box has acted by itself"),
            "position_unknown" => f.write_str("position unknown"),
            "input_lost" => write!(f, "{} is not usable", t("meter")),
            "starts" => write!(f, "at most {} starts an hour", t("per_hour")),
            "pause" => write!(f, "pause, {} s left", n("left_s")),
            "too_small" => f.write_str("too small to move"),
            "min_release" => write!(f, "the weir owes {} m³/s", n("owed")),
            "season_lock" => f.write_str("season lock"),
            "flood_order" => f.write_str("moves by people with an order only"),
            "not_driven" => f.write_str("not dispatched"),
            "manual" => f.write_str("under manual authority"),
            "advised" => f.write_str("the gate is in advice"),
            "observed" => f.write_str("the gate is only watched"),
            "hold_all" => f.write_str("hold-all"),
            "record_lost" => f.write_str("the record cannot be written"),
            "in_flight" => f.write_str("a command is in flight"),
            "unresolved" => f.write_str("not settled after the start"),
            "astray" => f.write_str("went astray under its last command"),
            "mode" => f.write_str("the mode forbids it"),
            "conflict" => f.write_str("limits contradict each other"),
            _ => write!(f, "{}", self.0),
        }
    }
}

fn percent(opening: Option<Opening>) -> String {
    opening.map_or_else(|| "?".to_owned(), |opening| format!("{:.1} %", opening.fraction() * 100.0))
}

/// A terminal state in English.
pub fn terminal(state: &Terminal) -> String {
    let why = match state {
        Terminal::Verified => return "verified".to_owned(),
        Terminal::Expired => return "expired before it was sent".to_owned(),
        Terminal::Superseded => return "superseded by a newer command".to_owned(),
        Terminal::Abandoned => return "abandoned".to_owned(),
        Terminal::Failed { why } => match why {
            FailReason::Refused => "the device refused",
            FailReason::NotDone => "the register kept its old value",
            FailReason::Foreign => "somebody else's value stands in the register",
            FailReason::NoArrival => "the gate did not arrive in time",
            FailReason::WrongWay => "the gate moved away from where it was sent",
            FailReason::Overshoot => "the gate went past where it was sent, and on",
            FailReason::Unresolved => "no answer until the deadline",
            FailReason::NotSent => "it never left the machine",
            FailReason::Local => "key on local",
            FailReason::DriveFault => "drive fault or emergency stop",
        },
    };
    format!("failed: {why}")
}

/// A write result in English.
pub fn write_result(result: WriteResult) -> String {
    match result {
        WriteResult::Accepted => "accepted".to_owned(),
        WriteResult::Refused(0) => "refused before sending".to_owned(),
        WriteResult::Refused(code) => format!("refused with exception {code}"),
        WriteResult::NotDone => "not done".to_owned(),
        WriteResult::Unknown => "unknown".to_owned(),
        WriteResult::Foreign => "foreign value".to_owned(),
        WriteResult::NotSent(why) => {
            let why = match why {
                NotSent::Expired => "expired",
                NotSent::Superseded => "superseded",
                NotSent::LinkDown => "link down",
                NotSent::Observing => "observing",
                NotSent::ReadOnly => "read only",
                NotSent::WrongDevice => "another device answers",
                NotSent::Busy => "queue full",
                NotSent::Unrecorded => "its intent could not be recorded",
            };
            format!("not sent ({why})")
        }
    }
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.0;
        write!(f, "{} {:>6} {:<11}", record.utc, record.seq, kind_name(record.kind))?;
        if record.bench {
            f.write_str(" bench")?;
        }
        write!(f, " {}", record.gate.as_deref().unwrap_or("-"))?;
        match record.action {
            Some(Action::Goto(to)) => write!(f, " {} -> {}", percent(record.before), percent(Some(to)))?,
            Some(Action::Stop) => write!(f, " {} -> stop", percent(record.before))?,
            None if record.after.is_some() => write!(f, " now {}", percent(record.after))?,
            None => {}
        }
        if let Some(flow) = record.flow {
            write!(f, " ({:.2} m³/s)", flow.get())?;
        }
        write!(f, ", {}", record.actor)?;
        for cause in &record.because {
            write!(f, "; {}", Cause(cause))?;
        }
        for limit in &record.limits {
            write!(f, "; limit: {}", Bound(limit))?;
        }
        if let Some(result) = record.write {
            write!(f, "; write {}", write_result(result))?;
        }
        if let Some(state) = &record.outcome {
            write!(f, "; {}", terminal(state))?;
        }
        if let Some(took) = record.took_ms {
            write!(f, " after {took} ms")?;
        }
        if let Some(of) = record.of {
            write!(f, " (of {of})")?;
        }
        match &record.detail {
            Some(Value::String(text)) => write!(f, "; {text}"),
            Some(detail) => write!(f, "; {detail}"),
            None => Ok(()),
        }
    }
}

/// One record in full, a line per field.
pub fn full(record: &Record) -> String {
    let mut text = String::new();
    let Ok(Value::Object(fields)) = serde_json::to_value(record) else { return text };
    // Not by name: in the order of the record.
    let order = [
        "seq", "epoch", "kind", "utc", "mono_us", "boot", "bench", "config", "actor", "gate", "command",
        "of", "action", "before", "after", "flow", "because", "limits", "write", "outcome", "took_ms",
        "inputs", "detail", "batch", "prev",
    ];
    for (name, value) in order.iter().filter_map(|name| Some((name, fields.get(*name)?))) {
        let mut put =
            |value: &dyn Display| text.extend([format!("{name:<9} "), value.to_string(), "\n".into()]);
        match (*name, value) {
            ("because", Value::Array(causes)) => causes.iter().for_each(|cause| put(&Cause(cause))),
            ("limits", Value::Array(limits)) => limits.iter().for_each(|limit| put(&Bound(limit))),
            ("before", _) => put(&percent(record.before)),
            ("after", _) => put(&percent(record.after)),
            ("flow", _) => put(&format_args!("{value} m³/s")),
            ("write", _) => put(&record.write.map(write_result).unwrap_or_default()),
            ("outcome", _) => put(&record.outcome.as_ref().map(terminal).unwrap_or_default()),
            ("action", _) => match record.action {
                Some(Action::Goto(to)) => put(&format_args!("go to {}", percent(Some(to)))),
                Some(Action::Stop) => put(&"stop"),
                None => {}
            },
            (_, Value::String(plain)) => put(plain),
            (_, other) => put(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_cause_and_limit_has_words() {
        let trip = json!({"because": "unit_trip", "unit": "zf.unit1", "lost": 1.5});
        assert_eq!(Cause(&trip).to_string(), "zf.unit1 tripped, 1.50 m³/s made good");
        let later = json!({"because": "moon", "phase": 3});
        assert_eq!(Cause(&later).to_string(), r#"{"because":"moon","phase":3}"#);
        let travel = json!({"limit": "travel", "lowest": 0.05, "highest": 1.0});
        assert_eq!(Bound(&travel).to_string(), "travel 5.0 % to 100.0 %");
    }

    #[test]
    fn a_line_says_time_gate_move_cause_and_end() {
        let record: Record = serde_json::from_value(json!({
            "seq": 12, "epoch": 1, "kind": "intent", "utc": "2026-05-18T06:32:07Z", "mono_us": 5, "boot": "b",
            "config": "", "prev": "", "actor": "dispatch", "gate": "zf.v1", "command": 3,
            "action": {"goto": 0.275}, "before": 0.25, "because": [{"because": "season_lock"}],
        }))
        .unwrap();
        let line = "2026-05-18T06:32:07Z     12 intent      zf.v1 25.0 % -> 27.5 %, dispatch; season lock";
        assert_eq!(Line(&record).to_string(), line);
        assert!(full(&record).contains("action    go to 27.5 %\nbefore    25.0 %\nbecause   season lock\n"));
    }
}
