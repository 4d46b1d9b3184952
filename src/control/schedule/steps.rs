//! What is remembered of the calendar: what people activated, and how the entries that hold have begun.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Entry, IfMissed, Running};
use crate::control::reason::Limit;

/// Time from the begin of an entry after which it counts as missed. Source: page notes, A22.
const PATIENCE: SignedDuration = SignedDuration::from_secs(300);

/// Entries people have activated: they stand before those of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Active {
    /// Number of the version, from 1.
    pub version: u32,
    /// [`super::hash`] of its entries.
    pub hash: String,
    /// Who activated it.
    pub by: String,
    /// When.
    pub since: Timestamp,
    /// Its entries.
    pub entries: Vec<Entry>,
}

/// An entry that counts for its gate now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its gate.
    pub gate: String,
    /// Begin of the occurrence.
    pub begin: Timestamp,
    /// When it was due: at its begin, or when it came to count, if later.
    pub due: Timestamp,
    /// The gate has been sent where it asks, or stands there.
    pub started: bool,
    /// It had not started in time.
    pub missed: bool,
    /// What keeps it from starting.
    pub held_by: Vec<Limit>,
    /// What cut it, if anything.
    pub cut: Option<Limit>,
}

/// The calendar as the controller remembers it, over restarts too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// What people activated, if they ever did.
    pub active: Option<Arc<Active>>,
    /// Entries that count now, by identifier.
    pub steps: BTreeMap<String, Step>,
    /// Civil time when the calendar was last looked at.
    pub seen: Option<Timestamp>,
}

impl Memory {
    /// Whether an occurrence is left out: missed, and to be skipped then.
    pub fn leaves_out(&self, running: &Running<'_>) -> bool {
        running.entry.if_missed == IfMissed::Skip
            && self
                .steps
                .get(&running.entry.id)
                .is_some_and(|step| step.begin == running.span.from && step.missed && !step.started)
    }

    /// Takes in what counts at `utc`; answers the identifiers of those found missed just now.
    ///
    /// An entry that has stopped to count is forgotten, one that was left out when its occurrence is over. After a stop of the
    /// service what began meanwhile was due at its begin; what comes to count otherwise is due when that shows.
    pub fn turn(
        &mut self,
        counts: &[Running<'_>],
        holds: impl Fn(&str, Timestamp) -> bool,
        utc: Timestamp,
    ) -> Vec<String> {
        let seen = self.seen.replace(utc).map_or(utc, |seen| seen.min(utc));
        self.steps.retain(|id, step| {
            let counts = counts.iter().any(|one| one.entry.id == *id && one.span.from == step.begin);
            counts || (step.missed && !step.started && holds(id, step.begin))
        });
        let mut missed = Vec::new();
        for Running { entry, span } in counts {
            let Some(gate) = entry.target.gate() else { continue };
            let step = self.steps.entry(entry.id.clone()).or_insert_with(|| Step {
                gate: gate.to_owned(),
                begin: span.from,
                due: span.from.max(seen),
                started: false,
                missed: false,
                held_by: Vec::new(),
                cut: None,
            });
            step.cut = None;
            if !step.started && !step.missed && utc.duration_since(step.due) >= PATIENCE {
                step.missed = true;
                missed.push(entry.id.clone());
            }
        }
        missed
    }
}
