//! The network as a whole: one piece, acyclic in flow direction, water everywhere it is wanted.

use super::super::sheet::{Sheet, Spot};
use crate::basin::{Basin, NodeId, Place, ReachKind, ReservoirId, WetlandId};

/// A point water can be at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pool {
    Node(usize),
    Body(usize),
    Wetland(usize),
}

/// Everything water can be at, and how it gets on.
struct Graph<'b> {
    basin: &'b Basin,
    /// From, to; in the order of the file.
    ways: Vec<(Pool, Pool)>,
}

/// Checks the network of a basin whose elements are all right by themselves.
pub(in crate::config) fn network<'a>(basin: &Basin, sheet: &'a Sheet<'a>) {
    let graph = Graph::new(basin);
    graph.one_piece(sheet);
    graph.acyclic(sheet);
    graph.fed(sheet);
    distances(basin, sheet);
    side_returns(basin, sheet);
}

/// Where water taken at a place comes from; `None` outside.
fn taken(basin: &Basin, place: Place) -> Option<Pool> {
    match place {
        Place::Node(NodeId(node)) => Some(Pool::Node(node)),
        Place::Along { reach, .. } => basin.reaches.get(reach.0).map(|reach| Pool::Node(reach.from.0)),
        Place::Reservoir(ReservoirId(body)) => Some(Pool::Body(body)),
        Place::Wetland(WetlandId(wetland)) => Some(Pool::Wetland(wetland)),
        Place::Outside => None,
    }
}

/// Where water given at a place arrives next; `None` outside.
fn given(basin: &Basin, place: Place) -> Option<Pool> {
    match place {
        Place::Along { reach, .. } => basin.reaches.get(reach.0).map(|reach| Pool::Node(reach.to.0)),
        Place::Node(_) | Place::Reservoir(_) | Place::Wetland(_) | Place::Outside => taken(basin, place),
    }
}

impl<'b> Graph<'b> {
    fn new(basin: &'b Basin) -> Self {
        let reaches = basin.reaches.iter().map(|r| (Pool::Node(r.from.0), Pool::Node(r.to.0)));
        let bodies =
            basin.reservoirs.iter().enumerate().map(|(at, body)| (Pool::Node(body.at.0), Pool::Body(at)));
        let way = |from: Place, to: Place| taken(basin, from).zip(given(basin, to));
        let gates = basin.gates.iter().filter_map(|gate| way(gate.from, gate.to));
        let fixed = basin.fixed_openings.iter().filter_map(|f| way(Place::Reservoir(f.from), f.to));
        let intakes = basin.intakes.iter().filter_map(|intake| way(intake.from, intake.to));
        let wetlands = basin.wetlands.iter().enumerate().flat_map(|(at, wetland)| {
            let own = Place::Wetland(WetlandId(at));
            let fills = Some(wetland.source).filter(|source| *source != own).and_then(|s| way(s, own));
            let drains = wetland.returns_to.and_then(|to| way(own, to));
            fills.into_iter().chain(drains)
        });
        let transfers = basin.transfers.iter().flat_map(|transfer| {
            transfer.shares.iter().filter_map(move |share| way(Place::Node(transfer.head), share.to))
        });
        let ways = reaches.chain(bodies).chain(gates).chain(fixed).chain(intakes).chain(wetlands);
        Self { basin, ways: ways.chain(transfers).collect() }
    }

    /// Pools that `from` and everything after it reach, along `ways` or, when `both`, also against them.
    fn reached(&self, from: impl IntoIterator<Item = Pool>, both: bool) -> Vec<Pool> {
        let mut reached: Vec<Pool> = from.into_iter().collect();
        let mut at = 0;
        while let Some(pool) = reached.get(at).copied() {
            at += 1;
            for (from, to) in &self.ways {
                for next in [(*from == pool).then_some(*to), (both && *to == pool).then_some(*from)] {
                    if let Some(next) = next.filter(|next| !reached.contains(next)) {
                        reached.push(next);
                    }
                }
            }
        }
        reached
    }

    fn pools(&self) -> Vec<Pool> {
        let nodes = (0..self.basin.nodes.len()).map(Pool::Node);
        let bodies = (0..self.basin.reservoirs.len()).map(Pool::Body);
        nodes.chain(bodies).collect()
    }

    fn id(&self, pool: Pool) -> &'b str {
        match pool {
            Pool::Node(at) => self.basin.nodes.get(at).map_or("", |node| &node.id),
            Pool::Body(at) => self.basin.reservoirs.get(at).map_or("", |body| &body.id),
            Pool::Wetland(at) => self.basin.wetlands.get(at).map_or("", |wetland| &wetland.id),
        }
    }

    fn spot<'a>(&self, sheet: &'a Sheet<'a>, pool: Pool) -> Spot<'a> {
        let kind = match pool {
            Pool::Node(_) => "node",
            Pool::Body(_) => "reservoir",
            Pool::Wetland(_) => "wetland",
        };
        sheet.entry(kind, self.id(pool))
    }

    /// Every node and water body hangs together with the largest part.
    fn one_piece<'a>(&self, sheet: &'a Sheet<'a>) {
        let mut left = self.pools();
        let mut parts: Vec<Vec<Pool>> = Vec::new();
        while let Some(first) = left.first().copied() {
            let part = self.reached([first], true);
            left.retain(|pool| !part.contains(pool));
            parts.push(part);
        }
        // The first of the largest parts is the basin.
        let largest = parts.iter().map(Vec::len).max().unwrap_or(0);
        let main = parts.iter().position(|part| part.len() == largest);
        for part in parts.iter_mut().enumerate().filter(|(at, _)| Some(*at) != main).map(|(_, part)| part) {
            part.sort_unstable();
            let Some(first) = part.first() else { continue };
            let others = part.iter().filter(|pool| matches!(pool, Pool::Node(_))).skip(1);
            let others = others.map(|pool| self.id(*pool)).collect::<Vec<_>>();
            let with =
                if others.is_empty() { String::new() } else { format!(", with {}", others.join(", ")) };
            let what = format!("is not connected with the rest of the basin{with}");
            self.spot(sheet, *first).complain(what, "join it by a reach, gate or opening, or remove it");
        }
    }

    /// No water comes back to where it was. Pools that drain nowhere, or only to such, are taken away one after
    /// the other; what is left runs in circles.
    fn acyclic<'a>(&self, sheet: &'a Sheet<'a>) {
        let mut ways = self.ways.clone();
        loop {
            let before = ways.len();
            let drains = ways.iter().map(|(from, _)| *from).collect::<Vec<_>>();
            ways.retain(|(_, to)| drains.contains(to));
            let fed = ways.iter().map(|(_, to)| *to).collect::<Vec<_>>();
            ways.retain(|(from, _)| fed.contains(from));
            if ways.len() == before {
                break;
            }
        }
        let Some((start, _)) = ways.first().copied() else { return };
        // Following ways inside the rest comes back to a pool already seen.
        let mut walk = vec![start];
        let circle = loop {
            let here = walk.last().copied().unwrap_or(start);
            let Some((_, next)) = ways.iter().find(|(from, _)| *from == here).copied() else { return };
            if let Some(at) = walk.iter().position(|seen| *seen == next) {
                break walk.split_off(at);
            }
            walk.push(next);
        };
        let mut names = circle.iter().map(|pool| self.id(*pool)).collect::<Vec<_>>();
        names.extend(names.first().copied());
        // A pond is often called like its node.
        names.dedup();
        if let Some(first) = circle.first() {
            let what = format!("lies on a circle of water: {}", names.join(" → "));
            self.spot(sheet, *first).complain(what, "turn the reach, gate or return that leads upstream");
        }
    }

    /// Every node, body and demand is reached by an inflow.
    fn fed<'a>(&self, sheet: &'a Sheet<'a>) {
        let sources = self.basin.inflows.iter().flat_map(|inflow| &inflow.into);
        // Water that enters along a reach is there for whoever takes from that reach.
        let into = sources.filter_map(|(place, _)| given(self.basin, *place)).collect::<Vec<_>>();
        let reached = self.reached(into, false);
        let remedy = "let an inflow or a reach lead water there";
        for pool in self.pools() {
            if !reached.contains(&pool) {
                self.spot(sheet, pool).complain("never gets any water", remedy);
            }
        }
        for (at, wetland) in self.basin.wetlands.iter().enumerate() {
            if !reached.contains(&Pool::Wetland(at)) {
                sheet.entry("wetland", &wetland.id).complain("never gets any water", remedy);
            }
        }
        for intake in &self.basin.intakes {
            if taken(self.basin, intake.from).is_some_and(|pool| !reached.contains(&pool)) {
                sheet.entry("intake", &intake.id).key("from").complain("never gets any water", remedy);
            }
        }
        for transfer in &self.basin.transfers {
            let spot = sheet.entry("transfer", &transfer.id);
            if !reached.contains(&Pool::Node(transfer.head.0)) {
                spot.key("head").complain("never gets any water", remedy);
            }
            let pipe = self.basin.reaches.iter().find_map(|reach| match reach.kind {
                ReachKind::Pipe { capacity, .. } if reach.from == transfer.head => Some(capacity),
                ReachKind::Pipe { .. } | ReachKind::River => None,
            });
            match pipe {
                None => {
                    spot.key("head").complain("has no pipe that begins there", "add a reach of kind pipe");
                }
                Some(most) if most < transfer.capacity => {
                    let what = format!("is more than the pipe carries ({})", most.get());
                    spot.key("capacity_m3s").complain(what, "correct one of the two");
                }
                Some(_) => {}
            }
        }
    }
}

/// Kilometres rise downstream and agree with the lengths of the reaches.
fn distances<'a>(basin: &Basin, sheet: &'a Sheet<'a>) {
    for reach in &basin.reaches {
        let km = |id: NodeId| basin.nodes.get(id.0).filter(|node| node.river == reach.river)?.km;
        let (Some(from), Some(to)) = (km(reach.from), km(reach.to)) else { continue };
        if (to - from - reach.length_km).abs() > 0.05 + 0.02 * reach.length_km {
            let what = format!("does not agree with its nodes at km {from} and km {to}");
            let spot = sheet.entry("reach", &reach.id);
            spot.key("length_km").complain(what, "correct the length or the km of a node");
        }
    }
    for section in &basin.sections {
        let (node, along) = match section.at {
            Place::Node(node) => (node, 0.0),
            Place::Along { reach, km } => match basin.reaches.get(reach.0) {
                Some(reach) => (reach.from, km),
                None => continue,
            },
            Place::Reservoir(_) | Place::Wetland(_) | Place::Outside => continue,
        };
        let Some(node) = basin.nodes.get(node.0) else { continue };
        let spot = sheet.entry("section", &section.id);
        if node.river != section.river {
            spot.key("river").complain(format!("lies on {}", node.river), "name the river of the place");
        }
        if let Some(km) = node.km.filter(|km| (km + along - section.km).abs() > 0.1) {
            let what = format!("does not agree with its place at km {}", km + along);
            spot.key("km").complain(what, "correct one of the two");
        }
    }
}

/// What is taken from a reach and given back to it comes back further down.
fn side_returns<'a>(basin: &Basin, sheet: &'a Sheet<'a>) {
    const WHAT: &str = "comes back above the place it is taken from";
    const REMEDY: &str = "give a place further down the reach";
    let upstream = |from: Place, to: Place| match (from, to) {
        (Place::Along { reach: a, km: out }, Place::Along { reach: b, km: back }) => a == b && back < out,
        (_, _) => false,
    };
    for wetland in &basin.wetlands {
        if wetland.returns_to.is_some_and(|to| upstream(wetland.source, to)) {
            sheet.entry("wetland", &wetland.id).key("returns_to").complain(WHAT, REMEDY);
        }
    }
    for gate in basin.gates.iter().filter(|gate| upstream(gate.from, gate.to)) {
        sheet.entry("gate", &gate.id).key("to").complain(WHAT, REMEDY);
    }
    for intake in basin.intakes.iter().filter(|intake| upstream(intake.from, intake.to)) {
        sheet.entry("intake", &intake.id).key("to").complain(WHAT, REMEDY);
    }
}
