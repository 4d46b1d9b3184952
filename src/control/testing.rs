//! Small values for the unit tests of the control code.

use std::time::Duration;

use super::gate::GateFacts;
use super::quality::{Quality, Reading};
use crate::basin::{
    Actuation, Basin, ControlParameters, Duty, Gate, GateKind, MarginRule, MeterId, Name, NodeId, OnLinkLoss,
    Place, RampLimit, Reservoir, ReservoirId, ReservoirKind, Responsible, Season, Stroke, StrokeUnit,
};
use crate::units::{Discharge, Head, Opening, Stage};

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

/// A lake with a level meter and one gate out of it, and nothing else.
pub(crate) fn basin(gate: Gate) -> Basin {
    let flow = Discharge::lossy;
    let level = Stage::lossy(742.0);
    let lake = Reservoir {
        id: "lake".into(),
        name: name("lake"),
        kind: ReservoirKind::Reservoir,
        at: NodeId(0),
        curve: Vec::new(),
        dead_level: None,
        normal_level: None,
        lends_above: None,
        cuts: Vec::new(),
        flood_limits: Vec::new(),
        initial_level: level,
        net_evaporation_mm: 0.0,
        seepage: Discharge::ZERO,
        seepage_to: None,
        level_meter: Some(MeterId(7)),
        responsible: responsible(),
    };
    let ramp = RampLimit { change: flow(1.0), within_s: 600.0, below: flow(10.0) };
    Basin {
        id: "b".into(),
        name: name("b"),
        rivers: Vec::new(),
        zone: jiff::tz::TimeZone::UTC,
        nodes: Vec::new(),
        reaches: Vec::new(),
        reservoirs: vec![lake],
        inflows: Vec::new(),
        meters: Vec::new(),
        ratings: Vec::new(),
        sections: Vec::new(),
        gates: vec![Gate { from: Place::Reservoir(ReservoirId(0)), ..gate }],
        fixed_openings: Vec::new(),
        stations: Vec::new(),
        intakes: Vec::new(),
        wetlands: Vec::new(),
        transfers: Vec::new(),
        flood_season: Season { from: (6, 1), to: (9, 30) },
        control: ControlParameters {
            tick_s: 1.0,
            cycle_s: 60.0,
            dead_band: flow(0.06),
            min_action: flow(0.03),
            min_interval_s: 900.0,
            ramp_up: ramp,
            ramp_down: ramp,
            siren_above: flow(10.0),
            margin: MarginRule { least: flow(0.02), class_share: 0.5 },
            loss_filter_s: 21_600.0,
            tributary_decay_s: 21_600.0,
            tributary_window_s: 172_800.0,
            field_lost_s: 7200.0,
            safe_constant: [flow(2.2); 12],
            flood_level_margin: Head::lossy(0.2),
            flood_inflow: flow(200.0),
            drift_fraction: 0.02,
            follow_plan: false,
        },
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
