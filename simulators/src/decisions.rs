//! `decisions.jsonl`: one line for every decision that moved something, or deliberately did not.
//!
//! Lines are written while the run goes on; only alarms and what a report shows is kept.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use jiff::Timestamp;
use qindan::basin::Basin;
use qindan::control::command::Action;
use qindan::control::record::{Entry, Kind};
use qindan::shell::journal::Names;
use qindan::shell::log_text::{Bound, Cause};
use qindan::units::{Discharge, Opening};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::run::{Run, Tick};

/// Alarm changes, and decisions other than commands, kept for the report; more are counted.
const KEPT: usize = 2000;

/// One decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When, UTC.
    pub utc: Timestamp,
    /// When, in the time of the site.
    pub local: String,
    /// After the start, s.
    pub at_s: f64,
    /// `intent` and `late-intent`: a gate was moved; `refusal`: it was not, for the limits named; `decision`: a release
    /// was set; `plan`: the rung of the ladder changed; `operator`, `order`: people.
    pub kind: Kind,
    /// Who decided.
    pub actor: String,
    /// The gate, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// What was asked of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// Opening before, %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_pct: Option<f64>,
    /// Release decided, or flow expected, m³/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_m3s: Option<f64>,
    /// Causes in words, most important first.
    #[serde(default)]
    pub why: String,
    /// Limits in words.
    #[serde(default)]
    pub limited_by: String,
    /// The causes with their numbers.
    #[serde(default)]
    pub because: Value,
    /// The limits with theirs.
    #[serde(default)]
    pub limits: Value,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

impl Line {
    /// What was decided in a few words: the gate and where it went, or the release.
    pub fn what(&self) -> String {
        let kind = match self.kind {
            Kind::Refusal => "not moved",
            Kind::Intent | Kind::LateIntent => "moved",
            Kind::Decision => "release set",
            Kind::Plan => "rung changed",
            Kind::Operator | Kind::Order => "person",
            Kind::Boot
            | Kind::Outcome
            | Kind::Snapshot
            | Kind::Config
            | Kind::Alarm
            | Kind::Lease
            | Kind::Clock
            | Kind::Recovered
            | Kind::Checkpoint
            | Kind::Trim
            | Kind::Stop
            | Kind::Forecast
            | Kind::Access
            | Kind::Notice
            | Kind::Warning
            | Kind::Incident
            | Kind::Filing
            | Kind::Note => "other",
            Kind::Schedule => "calendar",
        };
        let gate = self.gate.as_deref().unwrap_or_default();
        let from = self.from_pct.map_or_else(|| "?".into(), |from| format!("{from:.1} %"));
        let to = match self.action {
            Some(Action::Goto(to)) => format!(" {from} to {:.1} %", to.percent()),
            Some(Action::Stop) => " stop".to_owned(),
            None => String::new(),
        };
        let flow = self.flow_m3s.filter(|_| self.gate.is_none());
        let flow = flow.map_or_else(String::new, |flow| format!(" {flow:.3} m³/s"));
        let space = if gate.is_empty() { "" } else { " " };
        format!("{kind}{space}{gate}{to}{flow}")
    }

    /// Whether the other decides the same at the same moment; reasons may differ.
    pub fn is_same(&self, other: &Self) -> bool {
        let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-9,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        (self.at_s - other.at_s).abs() < 1e-6
            && (self.kind, &self.gate, self.action) == (other.kind, &other.gate, other.action)
            && near(self.flow_m3s, other.flow_m3s)
    }
}

/// Causes or limits with their elements by identifier.
pub fn named<T: Serialize>(names: &Names, list: &[T]) -> Value {
    list.iter().map(|one| names.resolve(one)).collect()
}

/// Causes (a list with elements by identifier) in words.
pub fn causes(list: &Value) -> String {
    words(list, |cause| Cause(cause).to_string())
}

/// Limits (a list with elements by identifier) in words.
pub fn bounds(list: &Value) -> String {
    words(list, |limit| Bound(limit).to_string())
}

fn words(list: &Value, say: impl Fn(&Value) -> String) -> String {
    let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(say).collect::<Vec<_>>().join("; ")
}

/// An alarm came or went.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmChange {
    /// When.
    pub utc: Timestamp,
    /// `ID:ELEMENT`.
    pub key: String,
    /// `raised`, `cleared` and so on.
    pub change: String,
}

/// Writes the lines.
pub struct Decisions {
    out: Option<BufWriter<File>>,
    names: Names,
    /// Lines so far.
    pub count: u64,
    /// Of which commands.
    pub moves: u64,
    /// Of which refusals: a wish for a movement that the limits kept from being made.
    pub refused: u64,
    /// All but the commands, the first two thousand.
    pub notable: Vec<Line>,
    /// Alarms that came and went, the first two thousand changes.
    pub alarms: Vec<AlarmChange>,
    /// Further changes of alarms.
    pub more_alarms: u64,
    failed: Option<io::Error>,
}

impl Decisions {
    /// Lines go to `decisions.jsonl` in `folder`, or are only counted.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn new(basin: &Basin, folder: Option<&Path>) -> io::Result<Self> {
        let out = match folder {
            Some(folder) => Some(BufWriter::new(File::create(folder.join("decisions.jsonl"))?)),
            None => None,
        };
        Ok(Self {
            out,
            names: Names::of(basin),
            count: 0,
            moves: 0,
            refused: 0,
            notable: Vec::new(),
            alarms: Vec::new(),
            more_alarms: 0,
            failed: None,
        })
    }

    /// Takes in a tick.
    pub fn add(&mut self, run: &Run, tick: &Tick) {
        for entry in &tick.decision.entries {
            match entry.kind {
                Kind::Alarm => self.alarm(entry, tick.now.utc),
                Kind::Intent
                | Kind::LateIntent
                | Kind::Refusal
                | Kind::Decision
                | Kind::Plan
                | Kind::Operator
                | Kind::Order => self.line(run, tick, entry),
                Kind::Boot
                | Kind::Outcome
                | Kind::Snapshot
                | Kind::Config
                | Kind::Lease
                | Kind::Clock
                | Kind::Recovered
                | Kind::Checkpoint
                | Kind::Trim
                | Kind::Stop
                | Kind::Forecast
                | Kind::Access
                | Kind::Notice
                | Kind::Schedule
                | Kind::Warning
                | Kind::Incident
                | Kind::Filing
                | Kind::Note => {}
            }
        }
    }

    fn alarm(&mut self, entry: &Entry, utc: Timestamp) {
        let text = |key: &str| entry.detail.as_ref()?.get(key)?.as_str().map(str::to_owned);
        let (Some(key), Some(change)) = (text("key"), text("change")) else { return };
        if self.alarms.len() < KEPT {
            self.alarms.push(AlarmChange { utc, key, change });
        } else {
            self.more_alarms += 1;
        }
    }

    fn line(&mut self, run: &Run, tick: &Tick, entry: &Entry) {
        self.count += 1;
        self.refused += u64::from(entry.kind == Kind::Refusal);
        let moved = matches!(entry.kind, Kind::Intent | Kind::LateIntent);
        self.moves += u64::from(moved);
        let keep = !moved && self.notable.len() < KEPT;
        if self.out.is_none() && !keep {
            return;
        }
        let because = named(&self.names, &entry.because);
        let limits = named(&self.names, &entry.limits);
        let line = Line {
            utc: tick.now.utc,
            local: crate::series::local(run, tick.now.utc),
            at_s: tick.now.mono.as_secs_f64(),
            kind: entry.kind,
            actor: entry.actor.clone(),
            gate: entry.gate.clone(),
            action: entry.action,
            from_pct: entry.before.map(Opening::percent),
            flow_m3s: entry.flow.map(Discharge::get),
            why: causes(&because),
            limited_by: bounds(&limits),
            because,
            limits,
            detail: entry.detail.clone(),
        };
        if let Some(out) = &mut self.out {
            let written = serde_json::to_writer(&mut *out, &line).map_err(io::Error::from);
            if let Err(error) = written.and_then(|()| out.write_all(b"\n")) {
                // Told at the end; the run itself is not the worse for it.
                self.failed.get_or_insert(error);
            }
        }
        if keep {
            self.notable.push(line);
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When a line could not be written.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }
}
