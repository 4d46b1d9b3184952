//! Which water can reach whom, and when: the configured network walked downstream, apart from what dispatch makes of it.

use qindan::basin::{Basin, NodeId, Place, Reach, ReachKind, ReservoirId, ReservoirKind};
use qindan::units::Discharge;

/// Base flow of the travel times where no section has a floor, m³/s. Assumed.
const BASE: f64 = 1.0;

/// The network by vertices: the nodes, then the bodies.
#[derive(Clone, Debug, PartialEq)]
pub struct Net {
    nodes: usize,
    /// From vertex, to vertex, wave travel time in h.
    edges: Vec<(usize, usize, f64)>,
    /// Of each reach: its ends, its travel time in h, its length in km.
    reaches: Vec<(usize, usize, f64, f64)>,
    vertices: usize,
    /// Of each body: whether it stores for more than hours.
    stores: Vec<bool>,
}

impl Net {
    /// The network of a basin, with travel times at the lowest floor of its sections.
    pub fn new(basin: &Basin) -> Self {
        let floors = basin.sections.iter().filter_map(|section| section.floor).map(Discharge::get);
        let base = floors.fold(f64::INFINITY, f64::min);
        let base = Discharge::lossy(if base.is_finite() && base > 0.0 { base } else { BASE });
        let nodes = basin.nodes.len();
        let hours = |reach: &Reach| match reach.kind {
            ReachKind::Pipe { lag_s, .. } => lag_s / 3600.0,
            ReachKind::River => reach.lags.hours(base),
        };
        let reaches =
            basin.reaches.iter().map(|reach| (reach.from.0, reach.to.0, hours(reach), reach.length_km));
        let mut net = Self {
            nodes,
            edges: Vec::new(),
            reaches: reaches.collect(),
            vertices: nodes + basin.reservoirs.len(),
            stores: basin.reservoirs.iter().map(|body| body.kind == ReservoirKind::Reservoir).collect(),
        };
        let stored = |node: usize| basin.reservoirs.iter().position(|body| body.at.0 == node);
        for node in 0..nodes {
            // What enters a reservoir is mixed with months of water: nobody can say when it comes out.
            if let Some(body) = stored(node).filter(|b| basin.reservoirs[*b].kind == ReservoirKind::Pond) {
                net.edges.push((node, nodes + body, 0.0));
            }
        }
        let reaches = net.reaches.iter().filter(|(from, ..)| stored(*from).is_none());
        let reaches = reaches.map(|(from, to, hours, _)| (*from, *to, *hours)).collect::<Vec<_>>();
        net.edges.extend(reaches);
        for gate in &basin.gates {
            net.join(gate.from, gate.to);
        }
        for fixed in &basin.fixed_openings {
            net.join(Place::Reservoir(fixed.from), fixed.to);
        }
        net
    }

    /// Whether a body stores for days and more.
    pub fn is_store(&self, body: ReservoirId) -> bool {
        self.stores.get(body.0) == Some(&true)
    }

    /// A structure between two places.
    fn join(&mut self, from: Place, to: Place) {
        let from = match from {
            Place::Node(node) => node.0,
            Place::Reservoir(body) => self.nodes + body.0,
            Place::Along { .. } | Place::Wetland(_) | Place::Outside => return,
        };
        if let Some((to, hours)) = self.enters(to) {
            self.edges.push((from, to, hours));
        }
    }

    /// The vertex where water from a place comes first, and after how many hours.
    fn enters(&self, place: Place) -> Option<(usize, f64)> {
        match place {
            Place::Node(node) => Some((node.0, 0.0)),
            Place::Reservoir(body) => Some((self.nodes + body.0, 0.0)),
            Place::Along { reach, km } => {
                let (_, to, hours, length) = self.reaches.get(reach.0)?;
                Some((*to, hours * (1.0 - km / length)))
            }
            Place::Wetland(_) | Place::Outside => None,
        }
    }

    /// Hours from one place down to another; `None` when the water does not come there.
    pub fn hours(&self, from: Place, to: Place) -> Option<f64> {
        if let (Place::Along { reach, km }, Place::Along { reach: below, km: at }) = (from, to)
            && reach == below
            && at >= km
        {
            let (.., hours, length) = self.reaches.get(reach.0)?;
            return Some(hours * (at - km) / length);
        }
        let (start, first) = self.enters(from)?;
        let mut least = vec![f64::INFINITY; self.vertices];
        *least.get_mut(start)? = first;
        // Every pass settles one more element of the longest way.
        loop {
            let mut settled = true;
            for (from, to, hours) in &self.edges {
                let arrives = least[*from] + hours;
                if arrives < least[*to] {
                    least[*to] = arrives;
                    settled = false;
                }
            }
            if settled {
                break;
            }
        }
        let arrives = match to {
            Place::Node(node) => *least.get(node.0)?,
            Place::Reservoir(body) => *least.get(self.nodes + body.0)?,
            Place::Along { reach, km } => {
                let (from, _, hours, length) = self.reaches.get(reach.0)?;
                least.get(*from)? + hours * km / length
            }
            Place::Wetland(_) | Place::Outside => f64::INFINITY,
        };
        arrives.is_finite().then_some(arrives)
    }
}

/// A node that only the supply gate of a reservoir feeds has the water of that reservoir: what is not taken there stays in
/// it.
pub(super) fn store_of(basin: &Basin, place: Place) -> Place {
    let Place::Node(node) = place else { return place };
    let fed = basin.reaches.iter().any(|reach| reach.to == node);
    super::supplied_by(basin, node).filter(|_| !fed).map_or(place, Place::Reservoir)
}

/// Delay of the pipe that begins at a node, h.
pub(super) fn pipe_h(basin: &Basin, head: NodeId) -> f64 {
    let pipes =
        basin.reaches.iter().filter(|reach| reach.from == head).filter_map(|reach| match reach.kind {
            ReachKind::Pipe { lag_s, .. } => Some(lag_s / 3600.0),
            ReachKind::River => None,
        });
    pipes.fold(0.0, f64::max)
}
