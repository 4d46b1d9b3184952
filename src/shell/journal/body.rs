//! The body of an action record: one JSON object, fields in fixed order, readable without the configuration.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::JournalError;
use super::frame::{Frame, MAX_BODY, VERSION, hex};
use super::log::Place;
use crate::basin::Basin;
use crate::control::Now;
use crate::control::command::{Action, CommandId, Terminal, WriteResult};
use crate::control::record::{Entry, Kind};
use crate::units::{Discharge, Opening};

/// One record of the action journal. The order of the fields is the order in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Sequence, from 1 without gaps.
    pub seq: u64,
    /// Epoch (lease term; 1 on a single machine).
    pub epoch: u64,
    /// Kind.
    pub kind: Kind,
    /// Civil time, to the microsecond.
    pub utc: Timestamp,
    /// Service time, µs since the start named by `boot`.
    pub mono_us: u64,
    /// Start of the service it belongs to.
    pub boot: String,
    /// Made by a bench installation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bench: bool,
    /// Digest of the configuration in force.
    pub config: String,
    /// Chain hash of the record before, hex.
    pub prev: String,
    /// First record of the batch it was synced with, when that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
    /// `dispatch`, `operator:NAME`, `failsafe`, `recovery`, `service`.
    pub actor: String,
    /// Gate identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// Command this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandId>,
    /// In an outcome: sequence of its intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// What the command asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// Opening before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Opening>,
    /// In an intent: set-points that may have stood in the device before the write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_points: Vec<Opening>,
    /// Opening after, read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Opening>,
    /// Flow expected through the gate, or release decided, m³/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Discharge>,
    /// Causes ([`crate::control::reason::Because`]) with elements by identifier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<Value>,
    /// Limits ([`crate::control::reason::Limit`]) with elements by identifier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Value>,
    /// Result of the write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<WriteResult>,
    /// Terminal state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Terminal>,
    /// From intent to terminal state, ms of service time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// SHA-256 (hex) over the exact inputs of the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

/// What every record of one run of the service shares.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) boot: String,
    pub(super) bench: bool,
    pub(super) config: String,
}

impl Record {
    pub(super) fn new(
        entry: &Entry,
        of: Option<u64>,
        place: Place,
        now: Now,
        common: &Common,
        names: &Names,
    ) -> Self {
        let micros = Timestamp::from_microsecond(now.utc.as_microsecond()).unwrap_or(now.utc);
        Self {
            seq: place.seq,
            epoch: place.epoch,
            kind: entry.kind,
            utc: micros,
            mono_us: u64::try_from(now.mono.as_micros()).unwrap_or(u64::MAX),
            boot: common.boot.clone(),
            bench: common.bench,
            config: common.config.clone(),
            prev: hex(&place.prev),
            batch: (place.batch != place.seq).then_some(place.batch),
            actor: entry.actor.clone(),
            gate: entry.gate.clone(),
            command: entry.command,
            of,
            action: entry.action,
            before: entry.before,
            set_points: entry.set_points.clone(),
            after: entry.after,
            flow: entry.flow,
            because: entry.because.iter().map(|cause| names.resolve(cause)).collect(),
            limits: entry.limits.iter().map(|limit| names.resolve(limit)).collect(),
            write: entry.write,
            outcome: entry.outcome.clone(),
            took_ms: entry.took_ms,
            inputs: entry.inputs.clone(),
            detail: entry.detail.clone(),
        }
    }

    /// The bytes to store. A detail that would not fit into a frame is replaced by a note of its size: an action is
    /// never lost for its detail.
    pub(super) fn encode(mut self) -> Result<Vec<u8>, JournalError> {
        let failed = |seq| move |error: serde_json::Error| JournalError::Body { seq, why: error.to_string() };
        let bytes = serde_json::to_vec(&self).map_err(failed(self.seq))?;
        if bytes.len() <= MAX_BODY || self.detail.is_none() {
            return Ok(bytes);
        }
        let note = format!("left out: the record would have had {} bytes, over {MAX_BODY}", bytes.len());
        self.detail = Some(Value::String(note));
        serde_json::to_vec(&self).map_err(failed(self.seq))
    }

    /// The record in a frame.
    ///
    /// # Errors
    /// When the body is of a newer version or no record.
    pub fn of(frame: &Frame) -> Result<Self, JournalError> {
        let failed = |why| JournalError::Body { seq: frame.seq, why };
        if frame.version != VERSION {
            return Err(failed(format!("body of version {}", frame.version)));
        }
        let record: Self = serde_json::from_slice(&frame.body).map_err(|error| failed(error.to_string()))?;
        if record.seq != frame.seq || record.kind as u8 != frame.kind {
            return Err(failed("body and frame name different records".to_owned()));
        }
        Ok(record)
    }
}

/// A text that stays where it stands.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::shell) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A record as a start and `verify` look at it, by the million: every field is checked as that of [`Record`], but texts are
/// not copied, and causes, limits and detail are read over.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "some fields are only there to be checked")]
pub(in crate::shell) struct Brief<'a> {
    seq: u64,
    pub(in crate::shell) epoch: u64,
    pub(in crate::shell) kind: Kind,
    pub(in crate::shell) utc: Timestamp,
    pub(in crate::shell) mono_us: u64,
    #[serde(borrow)]
    pub(in crate::shell) boot: Cow<'a, str>,
    #[serde(default)]
    bench: bool,
    #[serde(borrow)]
    config: Cow<'a, str>,
    #[serde(borrow)]
    pub(in crate::shell) prev: Cow<'a, str>,
    batch: Option<u64>,
    #[serde(borrow)]
    actor: Cow<'a, str>,
    #[serde(borrow)]
    gate: Option<Text<'a>>,
    pub(in crate::shell) command: Option<CommandId>,
    pub(in crate::shell) of: Option<u64>,
    pub(in crate::shell) action: Option<Action>,
    pub(in crate::shell) before: Option<Opening>,
    #[serde(default)]
    pub(in crate::shell) set_points: Vec<Opening>,
    after: Option<Opening>,
    flow: Option<Discharge>,
    #[serde(default)]
    because: Vec<IgnoredAny>,
    #[serde(default)]
    limits: Vec<IgnoredAny>,
    write: Option<WriteResult>,
    outcome: Option<Terminal>,
    took_ms: Option<u64>,
    #[serde(borrow)]
    inputs: Option<Text<'a>>,
    detail: Option<IgnoredAny>,
}

impl<'a> Brief<'a> {
    /// The body of a frame.
    ///
    /// # Errors
    /// As [`Record::of`].
    pub(in crate::shell) fn of(frame: &'a Frame) -> Result<Self, JournalError> {
        let failed = |why| JournalError::Body { seq: frame.seq, why };
        if frame.version != VERSION {
            return Err(failed(format!("body of version {}", frame.version)));
        }
        let brief: Self = serde_json::from_slice(&frame.body).map_err(|error| failed(error.to_string()))?;
        if brief.seq != frame.seq || brief.kind as u8 != frame.kind {
            return Err(failed("body and frame name different records".to_owned()));
        }
        Ok(brief)
    }

    /// Gate identifier.
    pub(in crate::shell) fn gate(&self) -> Option<&str> {
        self.gate.as_ref().map(|gate| &*gate.0)
    }
}

/// Identifiers of the elements that causes and limits refer to, so that the journal outlives a configuration.
#[derive(Clone, Debug, Default)]
pub struct Names {
    gates: Vec<String>,
    sections: Vec<String>,
    intakes: Vec<String>,
    meters: Vec<String>,
}

impl Names {
    /// Those of a basin.
    pub fn of(basin: &Basin) -> Self {
        Self {
            gates: basin.gates.iter().map(|gate| gate.id.clone()).collect(),
            sections: basin.sections.iter().map(|section| section.id.clone()).collect(),
            intakes: basin.intakes.iter().map(|intake| intake.id.clone()).collect(),
            meters: basin.meters.iter().map(|meter| meter.id.clone()).collect(),
        }
    }

    /// `value` as JSON with positions replaced by identifiers.
    pub fn resolve<T: Serialize>(&self, value: &T) -> Value {
        let mut value = serde_json::to_value(value).unwrap_or_default();
        for (key, field) in value.as_object_mut().into_iter().flatten() {
            let names = match key.as_str() {
                "gate" | "unit" => &self.gates,
                "section" => &self.sections,
                "intake" => &self.intakes,
                "meter" => &self.meters,
                _ => continue,
            };
            let index = field.as_u64().and_then(|index| usize::try_from(index).ok());
            if let Some(name) = index.and_then(|index| names.get(index)) {
                *field = Value::String(name.clone());
            }
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basin::{GateId, MeterId, SectionId};
    use crate::control::reason::{Because, Limit};
    use serde_json::json;

    #[test]
    fn causes_name_elements_by_identifier() {
        let names = Names {
            gates: vec!["g0".into(), "turbine".into()],
            sections: vec!["outlet".into()],
            intakes: Vec::new(),
            meters: Vec::new(),
        };
        let trip = Because::UnitTrip { unit: GateId(1), lost: Discharge::lossy(1.5) };
        let expected = json!({"because": "unit_trip", "unit": "turbine", "lost": 1.5});
        assert_eq!(names.resolve(&trip), expected);
        let short = Limit::SectionShort { section: SectionId(0) };
        assert_eq!(names.resolve(&short), json!({"limit": "section_short", "section": "outlet"}));
        let unknown = Limit::InputLost { meter: MeterId(4) };
        assert_eq!(names.resolve(&unknown), json!({"limit": "input_lost", "meter": 4}));
    }
}
