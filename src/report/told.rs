//! What the records of a span tell: commands with their ends, alarms with theirs.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::control::record::Kind;
use crate::shell::journal::Record;

/// A command and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operation<'a> {
    /// Its intent.
    pub intent: &'a Record,
    /// Its end, once it has ended.
    pub outcome: Option<&'a Record>,
}

/// Commands whose intent lies from `from` until before `to`, in order.
pub fn operations(records: &[Record], from: Timestamp, to: Timestamp) -> Vec<Operation<'_>> {
    let ends = records.iter().filter(|record| record.kind == Kind::Outcome);
    let outcomes: BTreeMap<u64, &Record> = ends.filter_map(|record| Some((record.of?, record))).collect();
    within(records, from, to)
        .filter(|record| matches!(record.kind, Kind::Intent | Kind::LateIntent))
        .map(|intent| Operation { intent, outcome: outcomes.get(&intent.seq).copied() })
        .collect()
}

/// Records from `from` until before `to`.
pub fn within(records: &[Record], from: Timestamp, to: Timestamp) -> impl Iterator<Item = &Record> {
    records.iter().filter(move |record| from <= record.utc && record.utc < to)
}

/// An alarm from its rise to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// As `A01`.
    pub id: String,
    /// Identifier of what it is about; empty for the service.
    pub element: String,
    /// Priority, 1 highest to 4.
    pub priority: u64,
    /// Rise.
    pub since: Timestamp,
    /// When its condition had gone.
    pub until: Option<Timestamp>,
    /// Who acknowledged it, and when.
    pub acknowledged: Option<(String, Timestamp)>,
}

/// Alarms that were up at any time from `from` until before `to`, by priority and time. What comes after `to` is left out.
pub fn alarms(records: &[Record], from: Timestamp, to: Timestamp) -> Vec<Raised> {
    let mut open: BTreeMap<&str, Raised> = BTreeMap::new();
    let mut list = Vec::new();
    for record in records.iter().filter(|record| record.kind == Kind::Alarm && record.utc < to) {
        let Some(detail) = &record.detail else { continue };
        let (Some(key), Some(change)) = (detail["key"].as_str(), detail["change"].as_str()) else { continue };
        match change {
            "raised" => {
                let (id, element) = key.split_once(':').unwrap_or((key, ""));
                let raised = Raised {
                    id: id.into(),
                    element: element.into(),
                    priority: detail["priority"].as_u64().unwrap_or(4),
                    since: record.utc,
                    until: None,
                    acknowledged: None,
                };
                list.extend(open.insert(key, raised));
            }
            "acknowledged" => {
                if let Some(raised) = open.get_mut(key) {
                    let who = record.actor.split_once(':').map_or(record.actor.as_str(), |(_, who)| who);
                    raised.acknowledged = Some((who.to_owned(), record.utc));
                }
            }
            "returned" | "ended" | "suppressed" => {
                if let Some(raised) = open.get_mut(key) {
                    raised.until.get_or_insert(record.utc);
                }
            }
            _ => {}
        }
    }
    list.extend(open.into_values());
    list.retain(|raised| raised.until.is_none_or(|until| until > from));
    list.sort_by(|a, b| {
        (a.priority, a.since, &a.id, &a.element).cmp(&(b.priority, b.since, &b.id, &b.element))
    });
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn record(seq: u64, second: i64, kind: &str, more: &serde_json::Value) -> Record {
        let mut body = json!({
            "seq": seq, "epoch": 1, "kind": kind, "utc": at(second), "mono_us": 0, "boot": "b", "config": "", "prev": "",
            "actor": "service",
        });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        serde_json::from_value(body).unwrap()
    }

    fn alarm(seq: u64, second: i64, key: &str, change: &str) -> Record {
        record(seq, second, "alarm", &json!({ "detail": { "key": key, "priority": 2, "change": change } }))
    }

    #[test]
    fn an_operation_has_its_end_also_from_after_the_span() {
        let records = [
            record(1, 10, "intent", &json!({ "gate": "v1", "command": 1 })),
            record(2, 20, "intent", &json!({ "gate": "v2", "command": 2 })),
            record(3, 120, "outcome", &json!({ "of": 2, "outcome": { "state": "verified" } })),
        ];
        let found = operations(&records, at(15), at(100));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].intent.seq, found[0].outcome.map(|end| end.seq)), (2, Some(3)));
    }

    #[test]
    fn alarms_that_stand_from_before_are_told_and_those_that_ended_before_are_not() {
        let records = [
            alarm(1, 10, "A01:s", "raised"),
            alarm(2, 20, "A09:m", "raised"),
            alarm(3, 30, "A09:m", "returned"),
            alarm(4, 60, "A01:s", "returned"),
            alarm(5, 70, "A01:s", "raised"),
            alarm(6, 200, "A01:s", "returned"),
        ];
        let told: Vec<_> =
            alarms(&records, at(50), at(100)).into_iter().map(|a| (a.id, a.since, a.until)).collect();
        assert_eq!(told, [("A01".into(), at(10), Some(at(60))), ("A01".into(), at(70), None)]);
    }
}
