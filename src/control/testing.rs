//! Small values for the unit tests of the control code.

use std::time::Duration;

use super::gate::GateFacts;
use super::quality::{Quality, Reading};
use crate::basin::{
    Actuation, Duty, Gate, GateKind, Name, OnLinkLoss, Place, Responsible, Stroke, StrokeUnit,
};
use crate::units::{Opening, Stage};

/// A name in both languages.
pub(crate) fn name(text: &str) -> Name {
    Name { zh: text.into(), en: text.into() }
}

/// Somebody.
pub(crate) fn responsible() -> Responsible {
    Responsible { unit: name("unit"), person: "post".into() }
}

/// A driven gate of a kind with its sill.
pub(crate) fn gate(kind: GateKind, sill: f64) -> Gate {
    Gate {
        id: "g".into(),
        name: name("g"),
        kind,
        actuation: Actuation::Driven,
        duty: Duty::Trim,
        from: Place::Outside,
        to: Place::Outside,
        sill: Stage::lossy(sill),
        outlet_level: None,
        stroke: Stroke { unit: StrokeUnit::Percent, shut_at: 0.0, open_at: 100.0 },
        lowest: Opening::SHUT,
        highest: Opening::FULL,
        stroke_s: 180.0,
        min_step: 0.01,
        tolerance: 0.01,
        max_starts_per_hour: 6,
        reversal_pause_s: 60.0,
        automatic: true,
        on_link_loss: OnLinkLoss::Hold,
        lock: None,
        flow_meter: None,
        initial: Opening::SHUT,
        responsible: responsible(),
    }
}

/// A gate in order on remote and still, at an opening with a set-point, all read at a second.
pub(crate) fn facts(opening: f64, target: f64, at: u64) -> GateFacts {
    let at = Duration::from_secs(at);
    GateFacts {
        opening: Some(Opening::clamped(opening)),
        position: Reading {
            value: Some(opening * 100.0),
            quality: Quality::Good,
            reason: None,
            taken_at: Some(at),
            last_good: Some(opening * 100.0),
        },
        target: Some((Opening::clamped(target), at)),
        remote: Some(true),
        estop: Some(false),
        fault: Some(false),
        trip: Some(false),
        moving: Some(0),
    }
}
