//! How long water and waves take from a dam to a section, by the plant's own river.
//!
//! The reaches of the way alone, one behind the other, without weirs, losses and laterals: what a hydraulic engineer
//! would work out from sections and roughness, to lay beside the table the service decides with.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::{Basin, Inflow, InflowKind, Name, Node, NodeId, Place, Reach, ReachId, Responsible};
use qindan::config::Config;
use qindan::control::routing::{self, Path};
use qindan::points::{Field, Wiring};
use qindan::units::Discharge;

use crate::plant::{Forcing, Plant};

/// Flows of the table in the domain notes, m³/s.
pub const FLOWS: [f64; 8] = [0.5, 1.0, 1.5, 2.0, 3.0, 10.0, 50.0, 300.0];
/// The step that is timed, share of the flow.
const STEP: f64 = 0.02;
/// A step has arrived when so little of it is missing.
const ARRIVED: f64 = 1e-4;
/// The longest that is waited for it, days.
const DAYS: u32 = 20;

/// The way at one flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Travel {
    /// The flow, m³/s.
    pub flow: f64,
    /// Least and greatest mean velocity of a reach, m/s.
    pub velocity: (f64, f64),
    /// Least and greatest depth half-way down a reach, m.
    pub depth: (f64, f64),
    /// What the water itself takes: its volume by its flow, h.
    pub water_h: f64,
    /// Centre of gravity of the arrival of a small step, h.
    pub wave_h: f64,
    /// What the table of the configuration says of a wave, h.
    pub configured_h: f64,
}

/// Travel along the way of `path` at `flow` (m³/s, positive).
pub fn along(config: &Config, path: &Path, flow: f64) -> Travel {
    let configured_h = path.lag_h(&config.basin, Discharge::lossy(flow));
    let basin = alone(&config.basin, path);
    let (start, last) = (Timestamp::UNIX_EPOCH, NodeId(basin.nodes.len() - 1));
    let lengths = basin.reaches.iter().map(Reach::length_m).collect::<Vec<_>>();
    let field = Field {
        links: Vec::new(),
        devices: Vec::new(),
        derived: Vec::new(),
        points: Vec::new(),
        classes: Vec::new(),
        wiring: Wiring { meters: Vec::new(), gates: Vec::new() },
    };
    let config = Config { basin: Arc::new(basin), field: Arc::new(field), ..config.clone() };
    let steady = |flow: f64| Forcing { inflows: vec![flow], ..Forcing::default() };
    let mut plant = Plant::new(&config, 0, start, &steady(flow));

    let stored = (0..lengths.len()).map(|at| plant.reach_volume(ReachId(at))).collect::<Vec<_>>();
    let range = |values: &[f64]| {
        values.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), x| (low.min(*x), high.max(*x)))
    };
    let velocities = lengths.iter().zip(&stored).map(|(length, volume)| flow * length / volume);
    let depths = (0..lengths.len())
        .map(|at| plant.depth(Place::Along { reach: ReachId(at), km: 0.5 * lengths[at] / 1000.0 }));
    let (velocity, depth) = (range(&velocities.collect::<Vec<_>>()), range(&depths.collect::<Vec<_>>()));

    let (minute, raised) = (Duration::from_secs(60), steady(flow * (1.0 + STEP)));
    let mut wave_h = 0.0;
    for _ in 0..DAYS * 1440 {
        plant.advance(minute, &raised);
        let missing = 1.0 - (plant.node_flow(last) - flow) / (STEP * flow);
        wave_h += missing / 60.0;
        if missing < ARRIVED {
            break;
        }
    }
    Travel {
        flow,
        velocity,
        depth,
        water_h: stored.iter().sum::<f64>() / flow / 3600.0,
        wave_h,
        configured_h,
    }
}

/// The way of `path` and nothing else: one inflow at its head, no losses.
fn alone(basin: &Basin, path: &Path) -> Basin {
    let nameless = Name { zh: String::new(), en: String::new() };
    let responsible = || Responsible { unit: nameless.clone(), person: String::new() };
    let mut reaches: Vec<Reach> = Vec::new();
    for stretch in &path.way {
        let Some(reach) = basin.reaches.get(stretch.reach.0) else { continue };
        let at = reaches.len();
        reaches.push(Reach {
            from: NodeId(at),
            to: NodeId(at + 1),
            length_km: reach.length_km * stretch.share,
            loss_per_km: 0.0,
            ..reach.clone()
        });
    }
    let node = |at: usize| Node {
        id: at.to_string(),
        name: nameless.clone(),
        river: reaches.first().map(|reach| reach.river.clone()).unwrap_or_default(),
        km: None,
    };
    let head = Inflow {
        id: "head".into(),
        name: nameless.clone(),
        kind: InflowKind::Headwater,
        into: vec![(Place::Node(NodeId(0)), 1.0)],
        monthly_normal: [Discharge::ZERO; 12],
        monthly_dry: [Discharge::ZERO; 12],
        meter: None,
        responsible: responsible(),
    };
    Basin {
        nodes: (0..=reaches.len()).map(node).collect(),
        reaches,
        inflows: vec![head],
        reservoirs: Vec::new(),
        meters: Vec::new(),
        ratings: Vec::new(),
        sections: Vec::new(),
        gates: Vec::new(),
        fixed_openings: Vec::new(),
        stations: Vec::new(),
        intakes: Vec::new(),
        wetlands: Vec::new(),
        transfers: Vec::new(),
        ..basin.clone()
    }
}

/// The ways from each dam to each section with a floor that is not at its foot, at all [`FLOWS`].
pub fn table(config: &Config) -> String {
    let mut text = String::new();
    let basin = &config.basin;
    for path in routing::paths(basin).iter().filter(|path| !path.way.is_empty()) {
        let km = path
            .way
            .iter()
            .filter_map(|stretch| Some(basin.reaches.get(stretch.reach.0)?.length_km * stretch.share));
        let section = basin.sections.get(path.section.0).map_or("", |section| section.id.as_str());
        let source = basin.reservoirs.get(path.source.0).map_or("", |body| body.id.as_str());
        let _ = writeln!(text, "{source} to {section}, {:.1} km of river", km.sum::<f64>());
        let _ = writeln!(
            text,
            "    flow     velocity          depth    water     wave   table of the configuration\n    m³/s          m/s              m        h        h        h"
        );
        for flow in FLOWS {
            let at = along(config, path, flow);
            let _ = writeln!(
                text,
                "{:>8.1}  {:>4.2} to {:>4.2}  {:>5.2} to {:>5.2}  {:>7.1}  {:>7.1}  {:>7.1}  {:>+5.1} %",
                flow,
                at.velocity.0,
                at.velocity.1,
                at.depth.0,
                at.depth.1,
                at.water_h,
                at.wave_h,
                at.configured_h,
                100.0 * (at.configured_h / at.wave_h - 1.0)
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Domain notes 1.7: water and wave travel from the dam to Runcheng, h, worked out there from the geometry by Manning's
    /// formula.
    #[test]
    fn the_way_to_runcheng_takes_what_the_domain_notes_say() {
        let config = qindan::config::load(&crate::scenario::above("config").unwrap()).unwrap();
        let paths = routing::paths(&config.basin);
        let path = paths.iter().max_by_key(|path| path.way.len()).unwrap();
        for (flow, water, wave) in
            [(1.0, 61.0, 37.0), (2.0, 47.0, 29.0), (10.0, 26.0, 16.0), (300.0, 9.0, 6.0)]
        {
            let at = along(&config, path, flow);
            assert!((at.water_h - water).abs() < 0.03 * water + 0.5, "{at:?}");
            assert!((at.wave_h - wave).abs() < 0.03 * wave + 0.5, "{at:?}");
        }
    }
}
