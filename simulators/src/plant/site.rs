//! The network as the plant walks it: places resolved to cells and bodies, nodes in flow order.

use qindan::basin::{Basin, Duty, Gate, Place, Reach, ReachId, ReachKind, ReservoirKind};

use qindan::units::Opening;

use super::river::River;

/// Below a structure without a declared outlet level the bed lies this far under the lowest sill, m. Assumed.
pub(crate) const DROP_M: f64 = 0.5;
/// A gate that takes from an open river stands behind a low diversion weir, which keeps this depth above its sill,
/// m. Assumed.
pub(crate) const DIVERSION_M: f64 = 1.0;
/// Water above the sill of a gate that lets water in from outside the basin (canal end, sewer), m. Assumed.
pub(crate) const CANAL_M: f64 = 0.5;

/// A place, resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    Node(usize),
    Cell(usize),
    Body(usize),
    Wetland(usize),
    Outside,
}

impl Site {
    pub(crate) fn of(basin: &Basin, river: &River, place: Place) -> Self {
        match place {
            Place::Node(node) => Self::Node(node.0),
            Place::Along { reach, km } => match river.cell(reach, km) {
                Some(cell) => Self::Cell(cell),
                // A pipe is entered at its head.
                None => basin.reaches.get(reach.0).map_or(Self::Outside, |r| Self::Node(r.from.0)),
            },
            Place::Reservoir(body) => Self::Body(body.0),
            Place::Wetland(wetland) => Self::Wetland(wetland.0),
            Place::Outside => Self::Outside,
        }
    }
}

/// What hangs on a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Junction {
    /// The body that stores what arrives.
    pub(crate) body: Option<usize>,
    /// Pipes that begin here.
    pub(crate) pipes: Vec<ReachId>,
    /// Rivers that begin here, each with its share of the water.
    pub(crate) rivers: Vec<(ReachId, f64)>,
    /// Gates that take from here.
    pub(crate) gates: Vec<usize>,
    /// Intakes that take from here.
    pub(crate) intakes: Vec<usize>,
    /// Wetlands with an open inlet here.
    pub(crate) wetlands: Vec<usize>,
    /// Cell whose depth stands for the depth here.
    pub(crate) cell: Option<usize>,
    /// Stage of the bed; 0 where nothing in the configuration tells.
    pub(crate) bed: f64,
}

/// One gate in the network.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Passage {
    pub(crate) from: Site,
    pub(crate) to: Site,
    /// The emergency gate in series with it.
    pub(crate) guard: Option<usize>,
    /// It is itself an emergency gate in series with another and passes nothing of its own.
    pub(crate) is_guard: bool,
}

/// A user at the end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Served {
    /// Where its water goes.
    pub(crate) to: Site,
    /// Rate, m³/s.
    pub(crate) rate: f64,
    /// Its transfer, and its place among the shares of it.
    pub(crate) of: (usize, usize),
}

/// Everything resolved once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sites {
    pub(crate) junctions: Vec<Junction>,
    /// Nodes so that water passed from node to node is passed on in the same step.
    pub(crate) order: Vec<usize>,
    pub(crate) gates: Vec<Passage>,
    pub(crate) fixed: Vec<Site>,
    /// By inflow: where, and with what share.
    pub(crate) inflows: Vec<Vec<(Site, f64)>>,
    pub(crate) intakes: Vec<(Site, Site)>,
    /// By pipe reach: users at its end, most urgent first.
    pub(crate) shares: Vec<Vec<Served>>,
}

impl Sites {
    pub(crate) fn new(basin: &Basin, river: &River) -> Self {
        let site = |place| Site::of(basin, river, place);
        let mut gates: Vec<Passage> = basin
            .gates
            .iter()
            .map(|gate| Passage { from: site(gate.from), to: site(gate.to), guard: None, is_guard: false })
            .collect();
        for (at, gate) in basin.gates.iter().enumerate() {
            let series = |other: &Gate| {
                other.duty != Duty::Emergency
                    && (other.from, other.to) == (gate.from, gate.to)
                    && (other.sill - gate.sill).get().abs() < 0.01
            };
            // One that is kept shut from the beginning is no part of the water's way.
            if gate.duty != Duty::Emergency || gate.initial == Opening::SHUT {
                continue;
            }
            for guarded in (0..basin.gates.len()).filter(|i| series(&basin.gates[*i])) {
                gates[guarded].guard = Some(at);
                gates[at].is_guard = true;
            }
        }
        let inflows = basin.inflows.iter().map(|inflow| {
            inflow.into.iter().map(|(place, share)| (site(*place), *share)).collect::<Vec<_>>()
        });
        let junctions = (0..basin.nodes.len()).map(|node| junction(basin, river, &gates, node)).collect();
        Self {
            order: flow_order(basin.nodes.len(), &gates),
            junctions,
            gates,
            fixed: basin.fixed_openings.iter().map(|fixed| site(fixed.to)).collect(),
            inflows: inflows.collect(),
            intakes: basin.intakes.iter().map(|intake| (site(intake.from), site(intake.to))).collect(),
            shares: basin.reaches.iter().map(|reach| shares(basin, river, reach)).collect(),
        }
    }
}

fn junction(basin: &Basin, river: &River, gates: &[Passage], node: usize) -> Junction {
    let begins = |reach: &Reach| reach.from.0 == node;
    let weight = |reach: &Reach| reach.bed_width_m * reach.slope.sqrt() / reach.manning;
    let rivers = |reach: &&Reach| begins(reach) && matches!(reach.kind, ReachKind::River);
    let all = basin.reaches.iter().filter(rivers).map(weight).sum::<f64>();
    let ids = || basin.reaches.iter().enumerate();
    let at_node = |site: Site| site == Site::Node(node);
    let first_below = basin.reaches.iter().position(|r| rivers(&r));
    let last_above = basin.reaches.iter().position(|r| r.to.0 == node && matches!(r.kind, ReachKind::River));
    let cell = match (first_below, last_above) {
        (Some(reach), _) => river.cell(ReachId(reach), 0.0),
        (None, Some(reach)) => river.cell(ReachId(reach), f64::MAX),
        (None, None) => None,
    };
    Junction {
        body: basin.reservoirs.iter().position(|body| body.at.0 == node),
        pipes: ids()
            .filter(|(_, r)| begins(r) && matches!(r.kind, ReachKind::Pipe { .. }))
            .map(|(at, _)| ReachId(at))
            .collect(),
        rivers: ids().filter(|(_, r)| rivers(r)).map(|(at, r)| (ReachId(at), weight(r) / all)).collect(),
        gates: (0..gates.len()).filter(|at| at_node(gates[*at].from)).collect(),
        intakes: (0..basin.intakes.len())
            .filter(|at| at_node(Site::of(basin, river, basin.intakes[*at].from)))
            .collect(),
        wetlands: (0..basin.wetlands.len())
            .filter(|at| {
                let wetland = &basin.wetlands[*at];
                wetland.inlet.is_none() && at_node(Site::of(basin, river, wetland.source))
            })
            .collect(),
        cell,
        bed: bed(basin, node),
    }
}

/// Stage of the bed at a node: the lowest declared outlet level of what discharges there, else a little below its lowest
/// edge.
fn bed(basin: &Basin, node: usize) -> f64 {
    let here = |place: Place| matches!(place, Place::Node(at) if at.0 == node);
    let gates = || basin.gates.iter().filter(|gate| here(gate.to));
    let declared = gates().filter_map(|gate| gate.outlet_level).map(qindan::units::Stage::get);
    let declared = declared.fold(f64::INFINITY, f64::min);
    if declared.is_finite() {
        return declared;
    }
    let fixed = basin.fixed_openings.iter().filter(|fixed| here(fixed.to)).map(|fixed| fixed.sill.get());
    let lowest = gates().map(|gate| gate.sill.get()).chain(fixed).fold(f64::INFINITY, f64::min);
    if lowest.is_finite() { lowest - DROP_M } else { 0.0 }
}

/// Lowest stage a gate's water is known to fall to.
pub(crate) fn foot(gate: &Gate) -> f64 {
    gate.outlet_level.map_or(gate.sill.get(), |level| level.get().min(gate.sill.get()))
}

/// Nodes ordered so that a node comes after those whose gates lead into it; a ring keeps its file order.
fn flow_order(nodes: usize, gates: &[Passage]) -> Vec<usize> {
    let feeds = |from: usize, to: usize| {
        gates.iter().any(|gate| gate.from == Site::Node(from) && gate.to == Site::Node(to))
    };
    let mut order = Vec::with_capacity(nodes);
    let mut left: Vec<usize> = (0..nodes).collect();
    while !left.is_empty() {
        let free =
            left.iter().position(|node| !left.iter().any(|other| other != node && feeds(*other, *node)));
        order.push(left.remove(free.unwrap_or(0)));
    }
    order
}

/// Users at the end of a transfer's pipe, most urgent first.
fn shares(basin: &Basin, river: &River, reach: &Reach) -> Vec<Served> {
    if !matches!(reach.kind, ReachKind::Pipe { .. }) {
        return Vec::new();
    }
    let Some(of) = basin.transfers.iter().position(|transfer| transfer.head == reach.from) else {
        return Vec::new();
    };
    let mut shares = basin.transfers[of].shares.iter().enumerate().collect::<Vec<_>>();
    shares.sort_by_key(|(_, share)| share.priority);
    let served = |(at, share): &(usize, &qindan::basin::Share)| Served {
        to: Site::of(basin, river, share.to),
        rate: share.rate.get(),
        of: (of, *at),
    };
    shares.iter().map(served).collect()
}

/// Whether a body is a pond, whose level answers within minutes.
pub(crate) fn is_pond(basin: &Basin, body: usize) -> bool {
    basin.reservoirs.get(body).is_some_and(|body| body.kind == ReservoirKind::Pond)
}
