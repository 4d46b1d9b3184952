//! Where the water of one point goes, when it arrives and how much other water has joined it by then: pure, over the graph of the
//! basin.
//!
//! Times are those of the water, not of waves: reach by reach length over velocity ([`super::velocity`]), by the flow there is now.
//! The first of a cloud is ahead of its peak (Jobson 1997: the leading edge takes 89 % of the time of the peak on average), pools and
//! gravel slow the peak by up to 1.8 (domain notes 1.7), a body of water holds it for up to volume over flow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::velocity::velocity;
use crate::basin::{Basin, Duty, GateId, NodeId, Place, ReachId, ReservoirId};

/// Time of the leading edge as a share of that of the peak. Source: Jobson 1997, J. Hydraul. Eng. 123(11), mean of almost a hundred
/// rivers.
pub(super) const LEADING: f64 = 0.89;

/// Slowest water as a multiple of the time at normal depth. Source: domain notes 1.7, weir pools, gravel and ice.
pub(super) const SLOWEST: f64 = 1.8;

/// What receives the water.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A control section.
    Section,
    /// An intake.
    Intake,
    /// A wetland.
    Wetland,
    /// A gate that leads the water out of the river: to a canal or into a wetland.
    Gate,
}

/// When the water of the point reaches something, h after it left, and what has joined it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Travel {
    /// Its first.
    pub first_h: f64,
    /// Its peak, the earliest.
    pub peak_h: f64,
    /// Its peak, the latest.
    pub late_h: f64,
    /// Water of the point in the water that arrives, 0..=1: mixed over the whole section.
    pub share: f64,
    /// Flow it arrives in, m³/s.
    pub flow_m3s: f64,
    /// Way, km.
    pub km: f64,
}

/// Something the water reaches; without a time where some flow on the way is not known or it passes a pipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reached {
    /// What it is.
    pub what: What,
    /// Its identifier.
    pub element: String,
    /// When.
    pub travel: Option<Travel>,
}

/// What is known of the water that passes a node.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Front {
    /// Time at normal depth, h.
    river_h: f64,
    /// Time in bodies of water at most, h.
    body_h: f64,
    share: f64,
    flow: f64,
    km: f64,
}

impl Front {
    fn travel(self) -> Travel {
        Travel {
            first_h: LEADING * self.river_h,
            peak_h: self.river_h,
            late_h: SLOWEST * self.river_h + self.body_h,
            share: self.share,
            flow_m3s: self.flow,
            km: self.km,
        }
    }
}

/// What the basin says of its water now.
pub(super) struct Waters<'a> {
    pub basin: &'a Basin,
    /// Flow that passes a node.
    pub flow: &'a dyn Fn(NodeId) -> Option<f64>,
    /// Volume of a body of water.
    pub volume: &'a dyn Fn(ReservoirId) -> Option<f64>,
}

/// The way down from one point.
struct Walk<'a> {
    waters: &'a Waters<'a>,
    /// Nodes the water passes; `None`: it passes, and nobody knows when.
    nodes: BTreeMap<NodeId, Option<Front>>,
    /// Reaches it enters, with the km it begins at and what is known there.
    reaches: BTreeMap<ReachId, (f64, Option<Front>)>,
    /// Bodies of water it enters.
    bodies: BTreeMap<ReservoirId, Option<Front>>,
}

/// Everything the water of a point of a reach reaches, `km` from its upstream end: sections, intakes, wetlands, and gates that lead
/// it away, the first to be reached first.
pub(super) fn spread(waters: &Waters<'_>, (reach, km): (ReachId, f64)) -> Vec<Reached> {
    let basin = waters.basin;
    let mut walk = Walk { waters, nodes: BTreeMap::new(), reaches: BTreeMap::new(), bodies: BTreeMap::new() };
    let start = basin.reaches.get(reach.0).and_then(|spec| (waters.flow)(spec.from));
    let start = start.filter(|flow| *flow > 0.0);
    let front = start.map(|flow| Front { river_h: 0.0, body_h: 0.0, share: 1.0, flow, km: 0.0 });
    walk.down(reach, km, front);
    let mut reached = walk.reached();
    let hours = |one: &Reached| one.travel.map_or(f64::INFINITY, |travel| travel.first_h);
    reached.sort_by(|a, b| {
        hours(a).total_cmp(&hours(b)).then_with(|| (a.what, &a.element).cmp(&(b.what, &b.element)))
    });
    reached
}

impl Walk<'_> {
    /// Part of a reach from `km` on for `length` km.
    fn along(&self, reach: ReachId, front: Front, length: f64) -> Option<Front> {
        let spec = self.waters.basin.reaches.get(reach.0)?;
        let speed = velocity(spec, front.flow)?;
        let flow = front.flow * (1.0 - spec.loss_per_km).powf(length);
        let river_h = front.river_h + length / 3.6 / speed;
        Some(Front { river_h, flow, km: front.km + length, ..front })
    }

    /// Down a reach from `km` on, and on from its end.
    fn down(&mut self, reach: ReachId, km: f64, front: Option<Front>) {
        let Some(spec) = self.waters.basin.reaches.get(reach.0) else { return };
        let (to, length) = (spec.to, (spec.length_km - km).max(0.0));
        self.reaches.insert(reach, (km, front));
        let arrives = front.and_then(|front| self.along(reach, front, length));
        self.pass(to, arrives);
    }

    /// Water arrives at a node: what joins there is what passes more than came. Where nobody knows what passes and nothing joins it is
    /// what came.
    fn pass(&mut self, node: NodeId, arrives: Option<Front>) {
        let known = (self.waters.flow)(node).filter(|flow| *flow > 0.0);
        let came = arrives.filter(|_| is_alone(self.waters.basin, node)).map(|front| front.flow);
        let flow = known.or(came);
        let here = arrives.zip(flow).map(|(front, flow)| {
            let share = front.share * (front.flow / flow).min(1.0);
            Front { share, flow, ..front }
        });
        if !is_first(self.nodes.get(&node), here) {
            return;
        }
        self.nodes.insert(node, here);
        let basin = self.waters.basin;
        let bodies = basin.reservoirs.iter().enumerate().filter(|(_, body)| body.at == node);
        let bodies: Vec<_> = bodies.map(|(at, _)| ReservoirId(at)).collect();
        for body in &bodies {
            self.fill(*body, here);
        }
        let below = basin.reaches.iter().enumerate().filter(|(_, reach)| reach.from == node);
        let below: Vec<_> = below.map(|(at, _)| ReachId(at)).collect();
        for reach in below {
            self.down(reach, 0.0, here);
        }
        for to in outlets(basin, Place::Node(node)) {
            self.lead(to, here);
        }
    }

    /// Water enters a body: at once at its outlets where it runs straight through, after volume over flow where it mixes.
    fn fill(&mut self, body: ReservoirId, front: Option<Front>) {
        if !is_first(self.bodies.get(&body), front) {
            return;
        }
        self.bodies.insert(body, front);
        let leaves = front.and_then(|front| {
            let stays_h = (self.waters.volume)(body)? / front.flow / 3600.0;
            Some(Front { body_h: front.body_h + stays_h, ..front })
        });
        for to in outlets(self.waters.basin, Place::Reservoir(body)) {
            self.lead(to, leaves);
        }
    }

    /// Water a gate or an opening leads to a place; a wetland keeps it, as far as this looks.
    fn lead(&mut self, to: Place, front: Option<Front>) {
        match to {
            Place::Node(node) => self.pass(node, front),
            Place::Along { reach, km } => {
                // What comes down the reach from further up is there already.
                if !self.reaches.contains_key(&reach) {
                    self.down(reach, km, front);
                }
            }
            Place::Reservoir(body) => self.fill(body, front),
            Place::Wetland(_) | Place::Outside => {}
        }
    }

    /// Whether the water comes to a place, and what is known of it there.
    fn at(&self, place: Place) -> (bool, Option<Front>) {
        let known = |front: Option<&Option<Front>>| (front.is_some(), front.copied().flatten());
        match place {
            Place::Node(node) => known(self.nodes.get(&node)),
            Place::Along { reach, km } => match self.reaches.get(&reach) {
                Some((from, front)) if km >= *from => {
                    (true, front.and_then(|front| self.along(reach, front, km - from)))
                }
                Some(_) | None => (false, None),
            },
            Place::Reservoir(body) => known(self.bodies.get(&body)),
            Place::Wetland(_) | Place::Outside => (false, None),
        }
    }

    fn reached(&self) -> Vec<Reached> {
        let basin = self.waters.basin;
        let one = |what, element: &str, place| {
            let (comes, front) = self.at(place);
            let travel = front.map(Front::travel);
            comes.then(|| Reached { what, element: element.to_owned(), travel })
        };
        let sections = basin.sections.iter().filter_map(|it| one(What::Section, &it.id, it.at));
        let intakes = basin.intakes.iter().filter_map(|it| one(What::Intake, &it.id, it.from));
        let wetlands = basin.wetlands.iter().filter_map(|it| one(What::Wetland, &it.id, it.source));
        let gates = basin.gates.iter().filter(|gate| leads_away(gate.duty));
        let gates = gates.filter_map(|it| one(What::Gate, &it.id, it.from));
        sections.chain(intakes).chain(wetlands).chain(gates).collect()
    }
}

/// Whether nothing but one reach brings water to a node.
fn is_alone(basin: &Basin, node: NodeId) -> bool {
    let here = Place::Node(node);
    let reaches = basin.reaches.iter().filter(|reach| reach.to == node).count();
    let joins = basin.inflows.iter().flat_map(|inflow| &inflow.into).any(|(place, _)| *place == here);
    let led = basin.gates.iter().any(|gate| gate.to == here)
        || basin.fixed_openings.iter().any(|fixed| fixed.to == here)
        || basin.wetlands.iter().any(|wetland| wetland.returns_to == Some(here));
    reaches == 1 && !joins && !led
}

/// Of two ways to one place the first water counts.
fn is_first(before: Option<&Option<Front>>, here: Option<Front>) -> bool {
    match (before, here) {
        (None, _) | (Some(None), Some(_)) => true,
        (Some(Some(before)), Some(here)) => here.river_h < before.river_h,
        (Some(_), None) => false,
    }
}

/// Whether a gate of this duty leads water out of the river.
fn leads_away(duty: Duty) -> bool {
    match duty {
        Duty::Supply | Duty::WetlandInlet => true,
        Duty::Trim
        | Duty::Standby
        | Duty::Base
        | Duty::PassOn
        | Duty::Level
        | Duty::Flood
        | Duty::SeasonLock
        | Duty::Emergency => false,
    }
}

/// Where the gates and fixed openings of a place lead, each place once.
fn outlets(basin: &Basin, from: Place) -> Vec<Place> {
    let gates = basin.gates.iter().filter(|gate| gate.from == from).map(|gate| gate.to);
    let fixed = basin.fixed_openings.iter();
    let fixed = fixed.filter(|one| Place::Reservoir(one.from) == from).map(|one| one.to);
    let mut places = Vec::new();
    for to in gates.chain(fixed) {
        if !places.contains(&to) {
            places.push(to);
        }
    }
    places
}

/// The gates a river can be shut off with at something that is reached: its own, or those into it.
pub(super) fn gates_of(basin: &Basin, reached: &Reached) -> Vec<GateId> {
    match reached.what {
        What::Gate => basin.gate(&reached.element).into_iter().collect(),
        What::Wetland => {
            let wetland = basin.wetlands.iter().find(|one| one.id == reached.element);
            wetland.map_or_else(Vec::new, |one| {
                one.inlet.into_iter().chain(one.more_inlets.iter().copied()).collect()
            })
        }
        What::Section | What::Intake => Vec::new(),
    }
}
