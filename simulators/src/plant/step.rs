//! One step of the structures between two steps of the river.

use std::time::Duration;

use qindan::basin::{Actuation, Gate, GateKind, ReachId};

use super::body::Outlet;
use super::river::Pool;
use super::site::{CANAL_M, DIVERSION_M, Site, foot};
use super::{Forcing, Plant, structure};

/// Longest structure step while a drive moves.
pub(super) const FINE: Duration = Duration::from_secs(1);
/// Longest step of the river: a minute of the pipes.
pub(super) const SLOT: Duration = Duration::from_secs(60);
/// How often the pond stations decide, s.
const STATION_S: f64 = 60.0;
/// Rise of level at which the slope of a pond's outflow is taken, m.
const PROBE_M: f64 = 0.01;
/// A self-tipping leaf begins to lie down at this depth over its raised edge, and lies flat at that much more, shares
/// of its length. Assumed: makers set 0.1 to 0.2.
const TIPS_AT: f64 = 0.1;
const TIPS_OVER: f64 = 0.3;
/// A passive leaf sticks until its equilibrium is this far away. Assumed.
const TIP_FRICTION: f64 = 0.02;

impl Plant {
    pub(super) fn begin_river_step(&mut self, forcing: &Forcing) {
        let to_slot = self.left_in_slot();
        let mut rise = std::mem::take(&mut self.rise);
        self.rises(forcing, &mut rise);
        let mut pools = std::mem::take(&mut self.pools);
        self.look_at_pools(&mut pools);
        let allowed = self.river.survey(forcing.extra_loss, &mut rise, &pools);
        self.rise = rise;
        // Whole milliseconds, so that steps meet the minutes of the pipes exactly.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive number, at most 1e9"
        )]
        let allowed = Duration::from_millis(((allowed * 1000.0).min(1e9) as u64).max(1));
        let step = to_slot.min(allowed);
        self.river.plan(step.as_secs_f64(), &pools);
        self.pools = pools;
        self.river_step = (self.time, self.time + step);
        if self.time >= self.stations_due {
            self.run_stations();
            self.stations_due = self.time + Duration::from_secs_f64(STATION_S);
        }
    }

    /// By how much the inflows at each node are about to rise, m³/s.
    fn rises(&self, forcing: &Forcing, rise: &mut [f64]) {
        rise.fill(0.0);
        for ((parts, now), before) in self.sites.inflows.iter().zip(&forcing.inflows).zip(&self.inflow) {
            for (site, share) in parts {
                if let Site::Node(node) = site {
                    rise[*node] += share * (now - before).max(0.0);
                }
            }
        }
    }

    /// The bodies as the reaches above them feel them.
    pub(super) fn look_at_pools(&self, pools: &mut Vec<Pool>) {
        pools.clear();
        pools.extend(self.bodies.iter().zip(&self.spill).map(|(body, spill)| {
            let flow = |outlet: &Outlet| match *outlet {
                Outlet::Gate(at) => self.gate_flow[at],
                Outlet::Fixed(at) => self.fixed_flow[at],
            };
            let leaves = body.outlets.iter().map(flow).sum::<f64>() + spill;
            let by_river = body.mouths.iter().filter_map(|reach| self.river.span(*reach));
            let by_river = by_river.map(|span| span.outflow).sum::<f64>();
            let stands = (body.level - body.tail).max(0.0);
            Pool { stands, area: body.area, drawn: leaves - (body.inflow - by_river) }
        }));
    }

    pub(super) fn end_river_step(&mut self) {
        let dt = self.river_step.1.saturating_sub(self.river_step.0).as_secs_f64();
        let (ledger, mut lost) = (&mut self.ledger, 0.0);
        self.river.settle(dt, |reach, to_bed| {
            ledger.beds[reach].add(to_bed);
            ledger.reaches[reach].went.add(to_bed);
            lost += to_bed;
        });
        self.ledger.bed.add(lost);
        if self.left_in_slot() == SLOT {
            self.pipes.iter_mut().flatten().for_each(super::pipe::Pipe::turn);
        }
    }

    /// Time until the present minute of the pipes ends.
    pub(super) fn left_in_slot(&self) -> Duration {
        let past = u64::try_from(self.time.as_nanos() % SLOT.as_nanos()).unwrap_or(0);
        SLOT.saturating_sub(Duration::from_nanos(past))
    }

    fn run_stations(&mut self) {
        for station in &mut self.stations {
            let Some(pond) = self.bodies.get(station.pond) else { continue };
            let Some(openings) = station.decide(pond.level, pond.area, pond.inflow, STATION_S) else {
                continue;
            };
            for (unit, opening) in station.units.iter().zip(openings) {
                self.drives[*unit].command(opening);
            }
        }
    }

    /// Everything but the cells moves on by `step`.
    pub(super) fn structure_step(&mut self, step: Duration, forcing: &Forcing) {
        let dt = step.as_secs_f64();
        self.tip_leaves();
        for (opening, drive) in self.openings.iter_mut().zip(&mut self.drives) {
            let was = drive.has_fault();
            *opening = drive.advance(dt);
            self.changed |= drive.has_fault() != was;
        }
        self.bring_in(forcing, dt);
        self.release_bodies(dt);
        self.side_gates(dt);
        self.run_wetlands(dt);
        self.serve_intakes(dt);
        self.pass_nodes(forcing, dt);
        self.close_bodies(dt);
    }

    fn tip_leaves(&mut self) {
        for (gate, drive) in self.basin.gates.iter().zip(&mut self.drives) {
            let GateKind::Flap { leaf_m, raised_deg, .. } = gate.kind else { continue };
            let (Actuation::Passive, qindan::basin::Place::Reservoir(body)) = (gate.actuation, gate.from)
            else {
                continue;
            };
            let rest = tipped(gate.sill.get(), leaf_m, raised_deg, self.bodies[body.0].level);
            if (rest - drive.heading()).abs() > TIP_FRICTION {
                drive.drive(rest);
            }
        }
    }

    /// Inflows, unmetered water, and what arrives from reaches and pipes.
    pub(super) fn bring_in(&mut self, forcing: &Forcing, dt: f64) {
        for (at, wanted) in self.wanted.iter_mut().enumerate() {
            *wanted = forcing.intakes.get(at).copied().unwrap_or(0.0).max(0.0);
        }
        for at in 0..self.sites.inflows.len() {
            let flow = forcing.inflows.get(at).copied().unwrap_or(0.0).max(0.0);
            self.inflow[at] = flow;
            self.ledger.inflow.add(flow * dt);
            self.ledger.inflows[at].add(flow * dt);
            for part in 0..self.sites.inflows[at].len() {
                let (site, share) = self.sites.inflows[at][part];
                self.deliver(site, flow * share * dt);
            }
        }
        for (place, flow) in &forcing.lateral_extra {
            let site = Site::of(&self.basin, &self.river, *place);
            if *flow > 0.0 {
                self.ledger.inflow.add(flow * dt);
                self.ledger.joined.add(flow * dt);
                self.deliver(site, flow * dt);
            } else if !matches!(site, Site::Node(_)) {
                let got = self.take(site, -flow * dt);
                self.ledger.outside.add(got);
                self.ledger.abstracted.add(got);
            }
        }
        let left = self.left_in_slot().as_secs_f64();
        for at in 0..self.pipes.len() {
            let to = self.basin.reaches[at].to.0;
            if let Some(pipe) = &mut self.pipes[at] {
                let volume = pipe.deliver(dt, left);
                self.ledger.reaches[at].went.add(volume);
                self.distribute(at, volume, dt);
            } else if let Some(span) = self.river.span(ReachId(at)) {
                let volume = span.outflow * dt;
                self.ledger.reaches[at].went.add(volume);
                self.deliver(Site::Node(to), volume);
            }
        }
    }

    /// The end of a pipe: its users in order, what is left to the least urgent of them, or to the node.
    fn distribute(&mut self, reach: usize, volume: f64, dt: f64) {
        let mut left = volume;
        let count = self.sites.shares[reach].len();
        for at in 0..count {
            let share = &self.sites.shares[reach][at];
            let (site, of) = (share.to, share.of);
            let part = if at + 1 == count { left } else { left.min(share.rate * dt) };
            left -= part;
            self.ledger.shares[of.0][of.1].add(part);
            self.deliver(site, part);
        }
        self.deliver(Site::Node(self.basin.reaches[reach].to.0), left);
    }

    pub(super) fn deliver(&mut self, site: Site, volume: f64) {
        self.ledger.came(site, self.reach_of(site), volume);
        match site {
            Site::Node(node) => self.inbox[node] += volume,
            Site::Cell(cell) => self.river.add(cell, volume),
            Site::Body(body) => self.bodies[body].arriving += volume,
            Site::Wetland(marsh) => self.marshes[marsh].arriving += volume,
            Site::Outside => self.ledger.outside.add(volume),
        }
    }

    fn take(&mut self, site: Site, wanted: f64) -> f64 {
        let got = self.draw(site, wanted);
        self.ledger.went(site, self.reach_of(site), got);
        got
    }

    /// The reach of a cell.
    fn reach_of(&self, site: Site) -> usize {
        match site {
            Site::Cell(cell) => self.river.reach_of(cell),
            Site::Node(_) | Site::Body(_) | Site::Wetland(_) | Site::Outside => usize::MAX,
        }
    }

    fn draw(&mut self, site: Site, wanted: f64) -> f64 {
        match site {
            Site::Cell(cell) => self.river.take(cell, wanted),
            Site::Body(body) => self.bodies[body].take(wanted),
            Site::Wetland(marsh) => self.marshes[marsh].take(wanted),
            Site::Node(node) => {
                let got = wanted.clamp(0.0, self.inbox[node].max(0.0));
                self.inbox[node] -= got;
                got
            }
            Site::Outside => {
                self.ledger.inflow.add(wanted);
                self.ledger.joined.add(wanted);
                wanted
            }
        }
    }

    /// Level below a structure that discharges to `site`, m.
    pub(super) fn tailwater(&self, site: Site, foot: f64) -> f64 {
        match site {
            Site::Node(node) => {
                let junction = &self.sites.junctions[node];
                let depth = junction.cell.map_or(0.0, |cell| self.river.depth(cell));
                junction.bed + depth
            }
            Site::Cell(cell) => foot - super::site::DROP_M + self.river.depth(cell),
            Site::Body(body) => self.bodies[body].level,
            Site::Wetland(marsh) => self.marshes[marsh].level(),
            Site::Outside => f64::NEG_INFINITY,
        }
    }

    /// Level above a gate that takes from `site`, m.
    pub(super) fn headwater(&self, site: Site, sill: f64) -> f64 {
        let depth = match site {
            Site::Body(body) => return self.bodies[body].level,
            Site::Wetland(marsh) => return self.marshes[marsh].level(),
            Site::Outside => CANAL_M,
            Site::Node(node) => {
                let cell = self.sites.junctions[node].cell;
                cell.map_or(0.0, |cell| self.river.depth(cell)).max(DIVERSION_M)
            }
            Site::Cell(cell) => self.river.depth(cell).max(DIVERSION_M),
        };
        sill + depth
    }

    /// Flow a gate would pass with `up` above it at its mean opening of the step, m³/s.
    pub(super) fn gate_discharge(&self, at: usize, up: f64) -> f64 {
        let passage = &self.sites.gates[at];
        if passage.is_guard {
            return 0.0;
        }
        let gate = &self.basin.gates[at];
        if matches!(passage.from, Site::Outside) && self.openings[at] <= 0.0 {
            return 0.0;
        }
        let down = self.tailwater(passage.to, foot(gate));
        let own = discharge(gate, self.openings[at], up, down);
        let guarded = passage.guard.map_or(own, |guard| {
            own.min(discharge(&self.basin.gates[guard], self.openings[guard], up, down))
        });
        guarded.min(self.room(passage.to))
    }

    /// What a site can still take, m³/s: the head of a pipe with nothing else to run into backs up.
    fn room(&self, site: Site) -> f64 {
        let Site::Node(node) = site else { return f64::INFINITY };
        let junction = &self.sites.junctions[node];
        if junction.pipes.is_empty() || !junction.rivers.is_empty() {
            return f64::INFINITY;
        }
        let pipe = |id: &ReachId| self.pipes[id.0].as_ref().map_or(0.0, |pipe| pipe.capacity);
        let intakes = junction.intakes.iter().map(|at| self.wanted[*at]).sum::<f64>();
        junction.pipes.iter().map(pipe).sum::<f64>() + intakes
    }

    fn outlet_discharge(&self, outlet: Outlet, up: f64) -> f64 {
        match outlet {
            Outlet::Gate(at) => self.gate_discharge(at, up),
            Outlet::Fixed(at) => {
                let fixed = &self.basin.fixed_openings[at];
                let down = self.tailwater(self.sites.fixed[at], fixed.sill.get());
                structure::fixed(&fixed.shape, fixed.sill.get(), up, down)
            }
        }
    }

    /// Total outflow of a body through its structures at `level`, m³/s.
    pub(super) fn body_outflow(&self, body: usize, level: f64) -> f64 {
        let through = |outlet: &Outlet| self.outlet_discharge(*outlet, level);
        self.bodies[body].outlets.iter().map(through).sum::<f64>() + self.bodies[body].over_the_dam(level)
    }

    pub(super) fn release_bodies(&mut self, dt: f64) {
        for body in 0..self.bodies.len() {
            let level = self.bodies[body].level;
            let over = self.bodies[body].over_the_dam(level);
            let mut flows = std::mem::take(&mut self.scratch);
            flows.clear();
            let through = |outlet: &Outlet| self.outlet_discharge(*outlet, level);
            flows.extend(self.bodies[body].outlets.iter().map(through));
            let total = flows.iter().sum::<f64>() + over;
            let scale = self.end_of_step(body, total, dt);
            for (at, flow) in flows.iter().enumerate() {
                let outlet = self.bodies[body].outlets[at];
                let volume = self.take(Site::Body(body), flow * scale * dt);
                self.note(outlet, volume, dt);
                let to = match outlet {
                    Outlet::Gate(at) => self.sites.gates[at].to,
                    Outlet::Fixed(at) => self.sites.fixed[at],
                };
                self.deliver(to, volume);
            }
            self.scratch = flows;
            let volume = self.take(Site::Body(body), over * scale * dt);
            self.spill[body] = volume / dt;
            self.ledger.spill[body].add(volume);
            let to = self.bodies[body].spills_to;
            self.deliver(to, volume);
            self.weather(body, dt);
        }
    }

    /// Factor on all outflows of a body so that they hold for the step: for a pond the flow at its end (backward Euler,
    /// linearised), for all never more than is there.
    fn end_of_step(&self, body: usize, total: f64, dt: f64) -> f64 {
        let state = &self.bodies[body];
        if total <= 0.0 {
            return 0.0;
        }
        let mut scale = 1.0;
        if state.quick {
            let slope = ((self.body_outflow(body, state.level + PROBE_M) - total) / PROBE_M).max(0.0);
            let rise = (state.inflow - total) * dt / (state.area + slope * dt);
            scale = ((total + slope * rise) / total).max(0.0);
        }
        scale.min(state.volume / (total * dt))
    }

    fn note(&mut self, outlet: Outlet, volume: f64, dt: f64) {
        match outlet {
            Outlet::Gate(at) => self.note_gate(at, volume, dt),
            Outlet::Fixed(at) => {
                self.fixed_flow[at] = volume / dt;
                self.ledger.fixed[at].add(volume);
            }
        }
    }

    fn note_gate(&mut self, at: usize, volume: f64, dt: f64) {
        self.gate_flow[at] = volume / dt;
        self.ledger.gates[at].add(volume);
    }

    /// Evaporation and seepage of a body.
    fn weather(&mut self, body: usize, dt: f64) {
        let site = Site::Body(body);
        let state = &self.bodies[body];
        let (dries, seeps, back) =
            (state.evaporation * state.area * dt, state.seepage * dt, state.seepage_to);
        let to_air = self.take(site, dries);
        let seeped = self.take(site, seeps);
        self.ledger.evaporation.add(to_air);
        self.ledger.evaporated[body].add(to_air);
        self.ledger.seeped[body].add(seeped);
        match back {
            Some(site) => self.deliver(site, seeped),
            None => self.ledger.bed.add(seeped),
        }
    }

    /// Gates that take from a reach, a wetland or from outside.
    pub(super) fn side_gates(&mut self, dt: f64) {
        for at in 0..self.sites.gates.len() {
            let (from, to) = (self.sites.gates[at].from, self.sites.gates[at].to);
            if matches!(from, Site::Body(_) | Site::Node(_)) {
                continue;
            }
            let up = self.headwater(from, self.basin.gates[at].sill.get());
            let wanted = self.gate_discharge(at, up) * dt;
            let volume = self.take(from, wanted);
            self.note_gate(at, volume, dt);
            self.deliver(to, volume);
        }
    }

    pub(super) fn run_wetlands(&mut self, dt: f64) {
        for at in 0..self.marshes.len() {
            if let Some((site @ Site::Cell(cell), _)) = self.marshes[at].side_inlet {
                let wanted = self.marshes[at].side_inflow(self.river.depth(cell)) * dt;
                let got = self.take(site, wanted);
                self.deliver(Site::Wetland(at), got);
            }
            let (site, to) = (Site::Wetland(at), self.marshes[at].returns_to);
            let used = self.take(site, self.marshes[at].consumption * dt);
            let out = self.take(site, self.marshes[at].outflow() * dt);
            self.ledger.evaporation.add(used);
            self.ledger.consumed[at].add(used);
            self.ledger.returned[at].add(out);
            self.deliver(to, out);
        }
    }

    pub(super) fn serve_intakes(&mut self, dt: f64) {
        for at in 0..self.sites.intakes.len() {
            let (from, to) = self.sites.intakes[at];
            if matches!(from, Site::Node(_)) {
                continue;
            }
            let got = self.take(from, self.wanted[at] * dt);
            self.note_intake(at, got, dt);
            self.deliver(to, got);
        }
    }

    fn note_intake(&mut self, at: usize, got: f64, dt: f64) {
        self.intake_flow[at] = got / dt;
        let [taken, wanted] = &mut self.ledger.intakes[at];
        taken.add(got);
        wanted.add(self.wanted[at] * dt);
    }

    /// Nodes hand on what has arrived: to those who take there, to their body, or down their reaches.
    pub(super) fn pass_nodes(&mut self, forcing: &Forcing, dt: f64) {
        for turn in 0..self.sites.order.len() {
            let node = self.sites.order[turn];
            self.draw_at_node(node, forcing, dt);
            let volume = std::mem::take(&mut self.inbox[node]);
            self.node_flow[node] = volume / dt;
            self.ledger.nodes[node].went.add(volume);
            if let Some(body) = self.sites.junctions[node].body {
                self.deliver(Site::Body(body), volume);
                continue;
            }
            let mut left = volume;
            for at in 0..self.sites.junctions[node].pipes.len() {
                let pipe = self.sites.junctions[node].pipes[at];
                let enters = self.pipes[pipe.0].as_mut().map_or(0.0, |pipe| pipe.enter(left, dt));
                self.ledger.reaches[pipe.0].came.add(enters);
                left -= enters;
            }
            let rivers = self.sites.junctions[node].rivers.len();
            for at in 0..rivers {
                let (reach, share) = self.sites.junctions[node].rivers[at];
                self.river.enter(reach, left * share);
                self.ledger.reaches[reach.0].came.add(left * share);
            }
            if rivers == 0 {
                self.ledger.outside.add(left);
                self.ledger.ends[node].add(left);
            }
        }
    }

    fn draw_at_node(&mut self, node: usize, forcing: &Forcing, dt: f64) {
        let site = Site::Node(node);
        for i in 0..self.sites.junctions[node].gates.len() {
            let at = self.sites.junctions[node].gates[i];
            let up = self.headwater(site, self.basin.gates[at].sill.get());
            let volume = self.take(site, self.gate_discharge(at, up) * dt);
            self.note_gate(at, volume, dt);
            self.deliver(self.sites.gates[at].to, volume);
        }
        for i in 0..self.sites.junctions[node].wetlands.len() {
            let at = self.sites.junctions[node].wetlands[i];
            let depth = self.sites.junctions[node].cell.map_or(0.0, |cell| self.river.depth(cell));
            let got = self.take(site, self.marshes[at].side_inflow(depth) * dt);
            self.deliver(Site::Wetland(at), got);
        }
        for i in 0..self.sites.junctions[node].intakes.len() {
            let at = self.sites.junctions[node].intakes[i];
            let got = self.take(site, self.wanted[at] * dt);
            self.note_intake(at, got, dt);
            self.deliver(self.sites.intakes[at].1, got);
        }
        for (place, flow) in &forcing.lateral_extra {
            if *flow < 0.0 && Site::of(&self.basin, &self.river, *place) == site {
                let got = self.take(site, -flow * dt);
                self.ledger.outside.add(got);
                self.ledger.abstracted.add(got);
            }
        }
    }

    pub(super) fn close_bodies(&mut self, dt: f64) {
        for body in &mut self.bodies {
            let arrived = std::mem::take(&mut body.arriving);
            body.inflow = arrived / dt;
            body.volume += arrived;
            body.look();
        }
        for marsh in &mut self.marshes {
            let arrived = std::mem::take(&mut marsh.arriving);
            marsh.inflow = arrived / dt;
            marsh.volume += arrived;
        }
    }
}

/// Equilibrium opening of a self-tipping leaf with the water at `level`.
pub(super) fn tipped(sill: f64, leaf: f64, raised_deg: f64, level: f64) -> f64 {
    let over = level - sill - leaf * raised_deg.to_radians().sin();
    ((over - TIPS_AT * leaf) / (TIPS_OVER * leaf)).clamp(0.0, 1.0)
}

/// Flow through a gate. Pipes and turbines work against their outlet level, gates against their sill.
fn discharge(gate: &Gate, opening: f64, up: f64, down: f64) -> f64 {
    let sill = gate.sill.get();
    if up <= sill {
        return 0.0;
    }
    match gate.kind {
        GateKind::Valve { .. } | GateKind::Turbine { .. } => {
            structure::flow(&gate.kind, opening, foot(gate), up, down)
        }
        GateKind::Radial { .. } | GateKind::Plane { .. } | GateKind::Flap { .. } => {
            structure::flow(&gate.kind, opening, sill, up, down)
        }
    }
}
