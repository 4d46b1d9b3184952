//! The log of one pollution incident as CSV: every record from when it was opened until it was closed that says what was foretold, asked,
//! decided, moved or told of it. A line is a record of the journal, whose number proves it.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

use super::history::csv_field;
use super::journal::Record;
use super::log_text::Cause;
use crate::control::command::Action;
use crate::control::record::Kind;

/// Kinds that belong to the log of an incident.
pub(super) const KINDS: [Kind; 11] = [
    Kind::Incident,
    Kind::Intent,
    Kind::LateIntent,
    Kind::Outcome,
    Kind::Refusal,
    Kind::Decision,
    Kind::Operator,
    Kind::Order,
    Kind::Alarm,
    Kind::Notice,
    Kind::Note,
];

/// When an incident was opened, and closed; of the records of its kind, in any order.
pub(super) fn span(records: &[Record], incident: u64) -> Option<(Timestamp, Option<Timestamp>)> {
    let when = |was: &str| {
        let of = records.iter().filter(|record| record.kind == Kind::Incident);
        let is_it = |detail: &Value| detail["incident"] == incident && detail["incident_was"] == was;
        of.filter(|record| record.detail.as_ref().is_some_and(is_it)).map(|record| record.utc).min()
    };
    Some((when("opened")?, when("closed")))
}

/// The log, oldest first.
pub(super) fn csv(records: &[Record]) -> String {
    let mut out = String::from("seq,utc,kind,actor,gate,command,from_pct,to_pct,because,outcome,detail\n");
    let text = |value: Option<&Value>| value.map_or_else(String::new, Value::to_string);
    for record in records {
        let percent = |at: f64| format!("{:.1}", 100.0 * at);
        let to = match record.action {
            Some(Action::Goto(to)) => percent(to.fraction()),
            Some(Action::Stop) => "stop".to_owned(),
            None => String::new(),
        };
        let kind = serde_json::to_value(record.kind).unwrap_or_default();
        let because: Vec<_> = record.because.iter().map(|cause| Cause(cause).to_string()).collect();
        let outcome = record.outcome.as_ref().and_then(|outcome| serde_json::to_value(outcome).ok());
        let fields = [
            record.seq.to_string(),
            record.utc.to_string(),
            kind.as_str().unwrap_or_default().to_owned(),
            record.actor.clone(),
            record.gate.clone().unwrap_or_default(),
            record.command.map_or_else(String::new, |command| command.0.to_string()),
            record.before.map_or_else(String::new, |at| percent(at.fraction())),
            to,
            because.join("; "),
            text(outcome.as_ref()),
            text(record.detail.as_ref()),
        ];
        let fields: Vec<_> = fields.iter().map(|field| csv_field(field)).collect();
        let _ = writeln!(out, "{}", fields.join(","));
    }
    out
}
