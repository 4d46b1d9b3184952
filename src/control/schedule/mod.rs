//! The calendar of gates: entries in civil time of the site, and what they ask for at an instant.
//!
//! What an entry asks for is a function of the instant alone and no event: a clock that steps back or forth changes what is asked
//! for now, and makes nothing up that would have been asked for in between. An entry holds between its begin and its end
//! ([`when`]); of two that hold for one gate the higher [`Rank`] counts, a one-off before a weekly one before a season. What is
//! asked for is a wish like any other and passes the interlocks ([`super::interlock`]).

pub mod check;
pub mod row;
pub mod steps;
mod text;
mod turn;
pub mod when;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use turn::changes;
pub use when::{Days, Rank, Span, When, Within};

use super::reason::Because;
use crate::basin::{Basin, GateId};
use crate::units::{Discharge, Opening, Stage};

/// Most entries made on the page. Assumed: a calendar of more than a hundred lines is read by nobody.
pub const MOST: usize = 100;

/// Most bytes of the entries made on the page, as JSON: an activation is one record, and a record holds 64 KiB.
pub const MOST_BYTES: usize = 40_000;

/// What is asked of one gate, or of the river at one section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Target {
    /// The gate stands at an opening.
    Opening {
        /// The gate.
        gate: String,
        /// Where.
        opening: Opening,
    },
    /// A flow passes the gate, trimmed by its own meter.
    Flow {
        /// The gate.
        gate: String,
        /// How much, m³/s.
        flow: Discharge,
    },
    /// The gate keeps the level of the water it takes from.
    Level {
        /// The gate.
        gate: String,
        /// Which, m above the datum.
        level: Stage,
    },
    /// The gate stays shut.
    Shut {
        /// The gate.
        gate: String,
    },
    /// The gate stays where it is: no rule moves it. Protection still may.
    Stay {
        /// The gate.
        gate: String,
    },
    /// A section is held by more than its floor, never by less.
    Floor {
        /// The section.
        section: String,
        /// Flow to be held, m³/s.
        floor: Discharge,
    },
}

/// A dispatch order (调度指令) an entry stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DispatchOrder {
    /// Number.
    pub number: String,
    /// Who gave it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub giver: String,
    /// Who took it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub receiver: String,
    /// When it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<Timestamp>,
    /// On what it stands: a plan, a law, a call.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub basis: String,
}

/// What becomes of an entry whose gate had not started five minutes after its begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfMissed {
    /// It is done as soon as it can be, while it holds.
    #[default]
    Late,
    /// It is left out until it begins anew.
    Skip,
}

/// One line of the calendar. Elements go by their identifiers, so that it outlives another order of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Identifier, unique in its list.
    pub id: String,
    /// For people; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What.
    pub target: Target,
    /// When.
    pub when: When,
    /// If it could not be begun in time.
    #[serde(default)]
    pub if_missed: IfMissed,
    /// The order it stands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<DispatchOrder>,
}

impl Target {
    /// The gate it is about.
    pub fn gate(&self) -> Option<&str> {
        match self {
            Self::Opening { gate, .. }
            | Self::Flow { gate, .. }
            | Self::Level { gate, .. }
            | Self::Shut { gate }
            | Self::Stay { gate } => Some(gate),
            Self::Floor { .. } => None,
        }
    }

    /// The gate or section it is about.
    pub fn element(&self) -> &str {
        match self {
            Self::Opening { gate, .. }
            | Self::Flow { gate, .. }
            | Self::Level { gate, .. }
            | Self::Shut { gate }
            | Self::Stay { gate } => gate,
            Self::Floor { section, .. } => section,
        }
    }
}

impl Entry {
    /// As a cause of a movement.
    pub fn because(&self) -> Because {
        let order = self.order.as_ref().map(|order| order.number.clone()).filter(|number| !number.is_empty());
        Because::Schedule { entry: self.id.clone(), order }
    }
}

/// SHA-256 over entries as JSON, hex: the same for the same entries in the same order.
pub fn hash(entries: &[Entry]) -> String {
    let bytes = serde_json::to_vec(entries).unwrap_or_default();
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        use std::fmt::Write;
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// An entry that holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Running<'a> {
    /// It.
    pub entry: &'a Entry,
    /// From when to when.
    pub span: Span,
}

/// The entry that counts for a gate at `utc`; those that `left_out` names do not.
///
/// Of equal ranks the first in the list counts.
pub fn of_gate<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    basin: &Basin,
    gate: GateId,
    utc: Timestamp,
    left_out: impl Fn(&Running<'a>) -> bool,
) -> Option<Running<'a>> {
    let id = basin.gates.get(gate.0).map(|gate| gate.id.as_str())?;
    let own = entries.into_iter().filter(|entry| entry.target.gate() == Some(id));
    let running =
        own.filter_map(|entry| Some(Running { entry, span: entry.when.span_at(&basin.zone, utc)? }));
    first_of_highest(running.filter(|running| !left_out(running)))
}

fn first_of_highest<'a>(all: impl Iterator<Item = Running<'a>>) -> Option<Running<'a>> {
    all.reduce(|best, next| if next.entry.when.rank() > best.entry.when.rank() { next } else { best })
}

/// The highest floor the calendar asks for at the section `id` at any time from `from` to `to`, with its entry.
pub fn raised<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    zone: &TimeZone,
    id: &str,
    (from, to): (Timestamp, Timestamp),
) -> Option<(Discharge, &'a Entry)> {
    let asked = entries.into_iter().filter_map(|entry| match &entry.target {
        Target::Floor { section, floor } if section == id => Some((*floor, entry)),
        Target::Floor { .. }
        | Target::Opening { .. }
        | Target::Flow { .. }
        | Target::Level { .. }
        | Target::Shut { .. }
        | Target::Stay { .. } => None,
    });
    let holds = |(_, entry): &(Discharge, &Entry)| {
        if to > from {
            !entry.when.spans(zone, Span { from, to }).is_empty()
        } else {
            entry.when.span_at(zone, from).is_some()
        }
    };
    asked.filter(holds).reduce(|best, next| if next.0 > best.0 { next } else { best })
}

/// A stretch in which one entry counts for its element.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Block {
    /// Gate or section.
    pub element: String,
    /// Identifier of the entry.
    pub entry: String,
    /// From when to when, within what was looked at.
    #[serde(flatten)]
    pub span: Span,
}

/// What counts for every gate and section within `window`, by element in the order of the entries, then by time. Floors of one
/// section stand beside each other: the highest holds.
pub fn blocks<'a>(entries: impl IntoIterator<Item = &'a Entry>, zone: &TimeZone, window: Span) -> Vec<Block> {
    let spans = |entry: &'a Entry| {
        let spans = entry.when.spans(zone, window);
        spans.into_iter().map(move |span| Running { entry, span: span.within(window) })
    };
    let all: Vec<Running<'a>> = entries.into_iter().flat_map(spans).collect();
    let mut elements = Vec::<&str>::new();
    for running in &all {
        if !elements.contains(&running.entry.target.element()) {
            elements.push(running.entry.target.element());
        }
    }
    let mut blocks = Vec::new();
    for element in elements {
        let own = all.iter().filter(|running| running.entry.target.element() == element).copied();
        let (gates, floors): (Vec<_>, Vec<_>) =
            own.partition(|running| running.entry.target.gate().is_some());
        let block = |running: &Running<'_>| Block {
            element: element.to_owned(),
            entry: running.entry.id.clone(),
            span: running.span,
        };
        blocks.extend(counted(&gates).iter().map(block));
        blocks.extend(floors.iter().map(block));
    }
    blocks
}

/// The parts of the spans in which their entry counts.
fn counted<'a>(all: &[Running<'a>]) -> Vec<Running<'a>> {
    let mut edges: Vec<Timestamp> =
        all.iter().flat_map(|running| [running.span.from, running.span.to]).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut counted = Vec::<Running<'a>>::new();
    for (from, to) in edges.iter().zip(edges.iter().skip(1)) {
        let here = all.iter().filter(|running| running.span.contains(*from)).copied();
        let Some(best) = first_of_highest(here) else { continue };
        match counted.last_mut() {
            Some(last) if last.entry.id == best.entry.id && last.span.to == *from => last.span.to = *to,
            Some(_) | None => counted.push(Running { span: Span { from: *from, to: *to }, ..best }),
        }
    }
    counted
}

/// An instant so many hours later.
pub(super) fn hours_after(utc: Timestamp, hours: f64) -> Timestamp {
    let later = SignedDuration::try_from_secs_f64((hours * 3600.0).clamp(-1e9, 1e9)).unwrap_or_default();
    utc.saturating_add(later).unwrap_or(utc)
}

#[cfg(test)]
mod tests;
