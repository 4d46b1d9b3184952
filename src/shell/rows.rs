//! Rows of the action log for the page: commands with their outcome, refusals, acts of people.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::journal::Record;
use super::store::{Query, Store};
use super::web::{ActionRow, Actions, ActionsSource, ViewBehind};
use crate::control::command::Action;
use crate::control::record::Kind;

/// The newest rows of the log for the page, from the view or, while that is stale, from the journal.
pub fn actions_source(store: Store) -> ActionsSource {
    Arc::new(move |count| {
        let store = store.clone();
        Box::pin(async move {
            // An outcome stands apart from its intent: twice as many records, and some for commands still open.
            let query = Query { kinds: KINDS.to_vec(), ..Query::newest(count.saturating_mul(2) + 64) };
            let records = store.find(query).await.map_err(|error| error.to_string())?;
            let view = store.is_stale().then(|| ViewBehind { at: store.applied(), of: store.known() });
            Ok(Actions { rows: rows(&records, count), view })
        })
    })
}

const KINDS: [Kind; 7] = [
    Kind::Intent,
    Kind::LateIntent,
    Kind::Outcome,
    Kind::Refusal,
    Kind::Operator,
    Kind::Order,
    Kind::Schedule,
];

/// Records, newest first, as at most `count` rows, newest first.
pub fn rows(records: &[Record], count: usize) -> Vec<ActionRow> {
    let mut outcomes = BTreeMap::new();
    let mut rows = Vec::new();
    for record in records {
        if rows.len() >= count {
            break;
        }
        if record.kind == Kind::Outcome {
            outcomes.extend(record.of.map(|of| (of, record)));
        } else {
            rows.push(row(record, outcomes.get(&record.seq).copied()));
        }
    }
    rows
}

fn row(record: &Record, outcome: Option<&Record>) -> ActionRow {
    let ended = outcome.unwrap_or(record);
    let asked = match record.action {
        Some(Action::Goto(opening)) => Some(opening),
        Some(Action::Stop) | None => None,
    };
    ActionRow {
        seq: record.seq,
        utc: record.utc,
        kind: kind_name(record.kind),
        actor: record.actor.clone(),
        gate: record.gate.clone(),
        from: record.before.map(crate::units::Opening::fraction),
        to: asked.or(ended.after).map(crate::units::Opening::fraction),
        because: Value::Array(record.because.clone()),
        limits: Value::Array(record.limits.clone()),
        outcome: serde_json::to_value(&ended.outcome).unwrap_or_default(),
        took_ms: ended.took_ms,
        detail: record.detail.clone().unwrap_or_default(),
    }
}

/// A kind as it is written in the record.
pub fn kind_name(kind: Kind) -> String {
    match serde_json::to_value(kind) {
        Ok(Value::String(name)) => name,
        Ok(_) | Err(_) => String::new(),
    }
}
