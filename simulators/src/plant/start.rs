//! The river at rest: channels carrying what enters, ponds passing on what comes.

use qindan::basin::{Actuation, Basin, GateKind, Place, ReachId, ReachKind};

use super::body::{Body, Marsh, Outlet};
use super::channel::Channel;
use super::pipe::Pipe;
use super::river::River;
use super::site::{Site, Sites, is_pond};
use super::step::tipped;
use super::{Forcing, Plant};

/// An open side inlet begins to run when its river stands this much deeper than at base flow, m. Source: domain
/// notes, side inlet with its sill 0.35 m above the base-flow level.
const SIDE_SILL_M: f64 = 0.35;
/// Most passes over the network; each settles at least one more element of a chain.
const PASSES: usize = 200;

pub(super) fn pipes(basin: &Basin) -> Vec<Option<Pipe>> {
    let pipe = |kind: ReachKind| match kind {
        ReachKind::Pipe { lag_s, capacity } => Some(Pipe::new(lag_s, capacity.get())),
        ReachKind::River => None,
    };
    basin.reaches.iter().map(|reach| pipe(reach.kind)).collect()
}

pub(super) fn bodies(basin: &Basin, river: &River, sites: &Sites) -> Vec<Body> {
    let body = |(at, reservoir): (usize, &qindan::basin::Reservoir)| {
        let mut body = Body::new(reservoir, is_pond(basin, at));
        body.seepage_to = reservoir.seepage_to.map(|place| Site::of(basin, river, place));
        let gates = (0..sites.gates.len()).filter(|gate| sites.gates[*gate].from == Site::Body(at));
        let fixed = (0..sites.fixed.len()).filter(|fixed| basin.fixed_openings[*fixed].from.0 == at);
        body.outlets = gates.map(Outlet::Gate).chain(fixed.map(Outlet::Fixed)).collect();
        let feeds =
            |reach: &qindan::basin::Reach| reach.to == reservoir.at && matches!(reach.kind, ReachKind::River);
        let mouths = (0..basin.reaches.len()).filter(|reach| feeds(&basin.reaches[*reach]));
        body.mouths = mouths.map(ReachId).collect();
        // Over the dam into the river below it: where the first structure leads that ends at a node.
        let destination = |outlet: &Outlet| match *outlet {
            Outlet::Gate(gate) => sites.gates[gate].to,
            Outlet::Fixed(fixed) => sites.fixed[fixed],
        };
        let below = body.outlets.iter().map(destination);
        body.spills_to = below.clone().find(|to| matches!(to, Site::Node(_))).unwrap_or(Site::Outside);
        body
    };
    basin.reservoirs.iter().enumerate().map(body).collect()
}

pub(super) fn marshes(basin: &Basin, river: &River) -> Vec<Marsh> {
    let marsh = |(at, wetland): (usize, &qindan::basin::Wetland)| {
        let returns_to = wetland.returns_to.map(|place| Site::of(basin, river, place));
        let mut marsh = Marsh::new(wetland, returns_to);
        let source = Site::of(basin, river, wetland.source);
        let fed = wetland.inlet.is_some() || source == Site::Wetland(at);
        if !fed && matches!(source, Site::Node(_) | Site::Cell(_)) {
            marsh.side_inlet = Some((source, base_depth(basin, wetland.source) + SIDE_SILL_M));
        }
        marsh
    };
    basin.wetlands.iter().enumerate().map(marsh).collect()
}

/// Depth at base flow (the lowest flow of the reach's travel-time table) at a place, m.
fn base_depth(basin: &Basin, place: Place) -> f64 {
    let reach = match place {
        Place::Along { reach, .. } => basin.reaches.get(reach.0),
        Place::Node(node) => {
            basin.reaches.iter().find(|r| r.from == node && matches!(r.kind, ReachKind::River))
        }
        Place::Reservoir(_) | Place::Wetland(_) | Place::Outside => None,
    };
    let Some((reach, flow)) = reach.and_then(|reach| Some((reach, reach.lags.points().first()?.flow.get())))
    else {
        return 0.0;
    };
    let channel = Channel::of(reach);
    channel.depth(channel.area_for(flow))
}

impl Plant {
    /// Lets channels, pipes and ponds settle for `forcing` at the present openings, and starts the ledger anew.
    pub(super) fn settle_down(&mut self, forcing: &Forcing) {
        self.openings = self.drives.iter().map(|drive| drive.position).collect();
        let mut before = Vec::new();
        for _ in 0..PASSES {
            self.settling_pass(forcing);
            if before == self.node_flow {
                break;
            }
            before.clone_from(&self.node_flow);
        }
        let left = self.left_in_slot().as_secs_f64() / super::pipe::SLOT_S;
        for reach in 0..self.pipes.len() {
            let entering = self.entering(ReachId(reach));
            if let Some(pipe) = &mut self.pipes[reach] {
                pipe.fill(entering.min(pipe.capacity), left);
            }
        }
        let mut pools = std::mem::take(&mut self.pools);
        self.look_at_pools(&mut pools);
        self.river.lie(&pools);
        self.river.rest();
        self.pools = pools;
        self.inbox.fill(0.0);
        self.bodies.iter_mut().for_each(|body| body.arriving = 0.0);
        self.marshes.iter_mut().for_each(|marsh| marsh.arriving = 0.0);
        self.river_step = (self.time, self.time);
        self.open_ledger();
        self.storage_at_start = self.storage();
    }

    /// One pass of steady flow: what joined and left the cells in the still second of the pass before, and each reach passing
    /// on at once what enters it.
    fn settling_pass(&mut self, forcing: &Forcing) {
        let side = self.river.side().to_vec();
        for reach in 0..self.basin.reaches.len() {
            let entering = self.entering(ReachId(reach));
            match &mut self.pipes[reach] {
                Some(pipe) => pipe.fill(entering.min(pipe.capacity), 1.0),
                None => self.river.fill(ReachId(reach), entering, forcing.extra_loss, &side),
            }
        }
        self.balance_ponds();
        self.marshes.iter_mut().for_each(Marsh::settle);
        self.still_second(forcing);
    }

    /// Flow at the head of a reach in the pass before.
    pub(super) fn entering(&self, reach: ReachId) -> f64 {
        let Some(spec) = self.basin.reaches.get(reach.0) else { return 0.0 };
        let junction = &self.sites.junctions[spec.from.0];
        if junction.body.is_some() {
            return 0.0;
        }
        let mut left = self.node_flow[spec.from.0];
        for pipe in &junction.pipes {
            let part = self.pipes[pipe.0].as_ref().map_or(0.0, |pipe| left.min(pipe.capacity));
            if *pipe == reach {
                return part;
            }
            left -= part;
        }
        junction.rivers.iter().find(|(id, _)| *id == reach).map_or(0.0, |(_, share)| left * share)
    }

    /// A second of the structures with every volume put back afterwards.
    fn still_second(&mut self, forcing: &Forcing) {
        let bodies = self.bodies.clone();
        let marshes = self.marshes.clone();
        self.river.plan_still();
        self.inbox.fill(0.0);
        self.bring_in(forcing, 1.0);
        self.release_bodies(1.0);
        self.side_gates(1.0);
        self.run_wetlands(1.0);
        self.serve_intakes(1.0);
        self.pass_nodes(forcing, 1.0);
        self.close_bodies(1.0);
        for (body, before) in self.bodies.iter_mut().zip(bodies) {
            let inflow = std::mem::replace(body, before).inflow;
            body.inflow = inflow;
        }
        for (marsh, before) in self.marshes.iter_mut().zip(marshes) {
            let inflow = std::mem::replace(marsh, before).inflow;
            marsh.inflow = inflow;
        }
    }

    /// Sets each pond to the level at which it passes on what comes, and its station to the river.
    fn balance_ponds(&mut self) {
        for at in 0..self.bodies.len() {
            if !self.bodies[at].quick {
                continue;
            }
            for station in self.stations.iter_mut().filter(|station| station.pond == at) {
                let Some(openings) = station.settle(self.bodies[at].inflow) else { continue };
                for (unit, opening) in station.units.iter().zip(openings) {
                    self.drives[*unit].place(opening);
                    self.openings[*unit] = opening;
                }
            }
            let inflow = self.bodies[at].inflow;
            let (mut low, mut high) = (self.bodies[at].curve.bottom(), self.bodies[at].curve.top());
            if inflow <= 0.0 || self.outflow_at(at, low) > inflow || self.outflow_at(at, high) < inflow {
                continue;
            }
            for _ in 0..60 {
                let middle = f64::midpoint(low, high);
                if self.outflow_at(at, middle) < inflow { low = middle } else { high = middle }
            }
            self.outflow_at(at, high);
            self.bodies[at].set_level(high);
            for drive in 0..self.drives.len() {
                if self.tips_on(drive) == Some(at) {
                    let opening = self.openings[drive];
                    self.drives[drive].place(opening);
                }
            }
        }
    }

    /// Outflow of a body at `level`, with its self-tipping leaves where they would lie.
    fn outflow_at(&mut self, body: usize, level: f64) -> f64 {
        for at in 0..self.drives.len() {
            if self.tips_on(at) != Some(body) {
                continue;
            }
            let gate = &self.basin.gates[at];
            if let GateKind::Flap { leaf_m, raised_deg, .. } = gate.kind {
                self.openings[at] = tipped(gate.sill.get(), leaf_m, raised_deg, level);
            }
        }
        self.body_outflow(body, level)
    }

    /// The body a self-tipping leaf stands on.
    fn tips_on(&self, gate: usize) -> Option<usize> {
        let spec = &self.basin.gates[gate];
        match (spec.actuation, spec.kind, self.sites.gates[gate].from) {
            (Actuation::Passive, GateKind::Flap { .. }, Site::Body(body)) => Some(body),
            (Actuation::Passive | Actuation::Driven | Actuation::MonitorOnly, _, _) => None,
        }
    }
}
