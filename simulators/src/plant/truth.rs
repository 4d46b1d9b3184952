//! The truth, for scores, plots and the instruments.

use qindan::basin::{
    Basin, GateId, InflowId, IntakeId, Meter, MeterId, MeterKind, NodeId, Place, ReachId, ReservoirId,
    SectionId, WetlandId,
};
use qindan::points::{DeviceId, LinkId};

use super::actuator::{Key, Motion};
use super::principle::Water;
use super::river::River;
use super::site::{Site, foot};
use super::{Encoding, Plant, Plugged, Signal};

/// What the box of a gate shows of its drive.
#[expect(clippy::struct_excessive_bools, reason = "they are the status bits of a gate box")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriveState {
    /// True opening, 0..=1.
    pub opening: f64,
    /// Opening as its position meter shows it, 0..=1.
    pub shown: f64,
    /// Set point that stands in the box, 0..=1.
    pub setpoint: f64,
    /// Key on remote.
    pub remote: bool,
    /// Emergency stop pressed.
    pub estop: bool,
    /// Motor turning open.
    pub moving_open: bool,
    /// Motor turning shut.
    pub moving_shut: bool,
    /// The upper limit switch is made.
    pub top: bool,
    /// The lower limit switch is made.
    pub bottom: bool,
    /// The motor turns and nothing moves.
    pub stalled: bool,
    /// Overload, thermal relay, or a position that did not get there in time.
    pub fault: bool,
    /// Unit tripped.
    pub trip: bool,
}

/// A meter, resolved: where it stands and whose flows it sums.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Probe {
    site: Site,
    of: Vec<Metered>,
}

/// An element whose flow a meter shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Metered {
    Gate(usize),
    Intake(usize),
    Inflow(usize),
    Fixed(usize),
    /// What enters the pipe at this node.
    Head(usize),
}

impl Probe {
    pub(crate) fn new(basin: &Basin, river: &River, meter: &Meter) -> Self {
        let named = |id: &String| {
            let gate = basin.gates.iter().position(|e| e.id == *id).map(Metered::Gate);
            let intake = || basin.intakes.iter().position(|e| e.id == *id).map(Metered::Intake);
            let inflow = || basin.inflows.iter().position(|e| e.id == *id).map(Metered::Inflow);
            let fixed = || basin.fixed_openings.iter().position(|e| e.id == *id).map(Metered::Fixed);
            let head = || basin.transfers.iter().find(|e| e.id == *id).map(|e| Metered::Head(e.head.0));
            gate.or_else(intake).or_else(inflow).or_else(fixed).or_else(head)
        };
        Self { site: Site::of(basin, river, meter.at), of: meter.of.iter().filter_map(named).collect() }
    }
}

impl Plant {
    /// Flow through a control section, m³/s.
    pub fn section_flow(&self, section: SectionId) -> f64 {
        self.basin.sections.get(section.0).map_or(0.0, |section| self.place_flow(section.at))
    }

    /// Flow that passes a node (below what is taken there; into the water body at a body's node), m³/s.
    pub fn node_flow(&self, node: NodeId) -> f64 {
        self.node_flow.get(node.0).copied().unwrap_or(0.0)
    }

    /// Flow at a place: through the node or the point of a reach, into the body or wetland, m³/s.
    pub fn place_flow(&self, place: Place) -> f64 {
        match place {
            Place::Node(node) => self.node_flow(node),
            Place::Along { reach, km } => match self.pipes.get(reach.0).and_then(Option::as_ref) {
                Some(pipe) => pipe.outflow,
                None => self.river.flow_at(reach, km, self.entering(reach)),
            },
            Place::Reservoir(body) => self.bodies.get(body.0).map_or(0.0, |body| body.inflow),
            Place::Wetland(marsh) => self.marshes.get(marsh.0).map_or(0.0, |marsh| marsh.inflow),
            Place::Outside => 0.0,
        }
    }

    /// Water that stands in a reach at the begin of the present step of the river, m³; 0 for a pipe.
    pub fn reach_volume(&self, reach: ReachId) -> f64 {
        self.river.volume(reach)
    }

    /// Depth of the river at a place of it, m; 0 elsewhere.
    pub fn depth(&self, place: Place) -> f64 {
        match Site::of(&self.basin, &self.river, place) {
            Site::Cell(cell) => self.river.depth(cell),
            Site::Node(node) => self.sites.junctions[node].cell.map_or(0.0, |cell| self.river.depth(cell)),
            Site::Body(_) | Site::Wetland(_) | Site::Outside => 0.0,
        }
    }

    /// Flow that leaves the lower end of a reach or pipe, m³/s.
    pub fn reach_outflow(&self, reach: ReachId) -> f64 {
        match self.pipes.get(reach.0).and_then(Option::as_ref) {
            Some(pipe) => pipe.outflow,
            None => self.river.span(reach).map_or(0.0, |span| span.outflow),
        }
    }

    /// Level of a reservoir or pond, m.
    pub fn reservoir_level(&self, body: ReservoirId) -> f64 {
        self.bodies.get(body.0).map_or(0.0, |body| body.level)
    }

    /// Water in a reservoir or pond, m³.
    pub fn reservoir_volume(&self, body: ReservoirId) -> f64 {
        self.bodies.get(body.0).map_or(0.0, |body| body.volume)
    }

    /// Flow over the dam of a reservoir or pond that is fuller than its table, m³/s.
    pub fn spill(&self, body: ReservoirId) -> f64 {
        self.spill.get(body.0).copied().unwrap_or(0.0)
    }

    /// Level of a wetland, m.
    pub fn wetland_level(&self, wetland: WetlandId) -> f64 {
        self.marshes.get(wetland.0).map_or(0.0, super::Marsh::level)
    }

    /// Opening of a gate, 0..=1.
    pub fn gate_opening(&self, gate: GateId) -> f64 {
        self.drives.get(gate.0).map_or(0.0, |drive| drive.position)
    }

    /// Flow through a gate, m³/s.
    pub fn gate_flow(&self, gate: GateId) -> f64 {
        self.gate_flow.get(gate.0).copied().unwrap_or(0.0)
    }

    /// Flow through an opening nobody moves, by position in [`qindan::basin::Basin::fixed_openings`], m³/s.
    pub fn fixed_flow(&self, fixed: usize) -> f64 {
        self.fixed_flow.get(fixed).copied().unwrap_or(0.0)
    }

    /// Motor starts of a gate since the beginning.
    pub fn gate_starts(&self, gate: GateId) -> u64 {
        self.drives.get(gate.0).map_or(0, |drive| drive.starts)
    }

    /// Travel of a gate since the beginning, strokes.
    pub fn gate_travel(&self, gate: GateId) -> f64 {
        self.drives.get(gate.0).map_or(0.0, |drive| drive.travel)
    }

    /// What an intake got in the last step, m³/s.
    pub fn intake_flow(&self, intake: IntakeId) -> f64 {
        self.intake_flow.get(intake.0).copied().unwrap_or(0.0)
    }

    /// What an inflow brought in the last step, m³/s.
    pub fn inflow(&self, inflow: InflowId) -> f64 {
        self.inflow.get(inflow.0).copied().unwrap_or(0.0)
    }

    /// What the box of a gate shows of its drive.
    pub fn drive(&self, gate: GateId) -> Option<DriveState> {
        let drive = self.drives.get(gate.0)?;
        Some(DriveState {
            opening: drive.position,
            shown: drive.seen(),
            setpoint: drive.setpoint,
            remote: drive.key == Key::Remote,
            estop: drive.estop,
            moving_open: drive.motion == Motion::Opening,
            moving_shut: drive.motion == Motion::Shutting || (drive.is_tripped() && drive.position > 0.0),
            top: drive.is_at_top(),
            bottom: drive.is_at_bottom(),
            stalled: drive.is_stalled(),
            fault: drive.has_fault(),
            trip: drive.is_tripped(),
        })
    }

    /// Level above a gate, m.
    pub fn level_above(&self, gate: GateId) -> f64 {
        match (self.basin.gates.get(gate.0), self.sites.gates.get(gate.0)) {
            (Some(spec), Some(passage)) => self.headwater(passage.from, spec.sill.get()),
            (None, _) | (_, None) => 0.0,
        }
    }

    /// Level below a gate, m; its foot where its water leaves the basin.
    pub fn level_below(&self, gate: GateId) -> f64 {
        match (self.basin.gates.get(gate.0), self.sites.gates.get(gate.0)) {
            (Some(spec), Some(passage)) => self.tailwater(passage.to, foot(spec)).max(foot(spec)),
            (None, _) | (_, None) => 0.0,
        }
    }

    /// What a perfect instrument in the place of a meter would show.
    pub fn meter_truth(&self, id: MeterId) -> f64 {
        let Some(meter) = self.basin.meters.get(id.0) else { return 0.0 };
        match meter.kind {
            MeterKind::RiverFlow => self.place_flow(meter.at),
            MeterKind::StructureFlow => {
                self.probes[id.0].of.iter().map(|metered| self.metered_flow(*metered)).sum()
            }
            MeterKind::Level => self.site_level(self.probes[id.0].site),
            MeterKind::Rain => self.rain.get(id.0).copied().unwrap_or(0.0),
        }
    }

    /// What a meter shows now, with its class noise, damping and faults.
    pub fn sense(&mut self, meter: MeterId) -> Signal {
        let truth = self.meter_truth(meter);
        let (Some(sensor), Some(probe)) = (self.sensors.get_mut(meter.0), self.probes.get(meter.0)) else {
            return Signal::Nothing { nearest: 0.0 };
        };
        let cell = match probe.site {
            Site::Cell(cell) if sensor.needs_water() => Some(cell),
            Site::Node(node) if sensor.needs_water() => self.sites.junctions[node].cell,
            Site::Cell(_) | Site::Node(_) | Site::Body(_) | Site::Wetland(_) | Site::Outside => None,
        };
        let there = |cell| Water { velocity: self.river.velocity(cell), depth: self.river.depth(cell) };
        let water = cell.map(there);
        let utc = self.start.as_second().saturating_add_unsigned(self.time.as_secs());
        sensor.sense(truth, self.time.as_secs_f64(), utc, water)
    }

    /// Mean velocity (m/s) and depth (m) of the river where a meter stands; zero away from open channels.
    pub fn meter_surroundings(&self, meter: MeterId) -> (f64, f64) {
        let cell = match self.probes.get(meter.0).map(|probe| probe.site) {
            Some(Site::Cell(cell)) => Some(cell),
            Some(Site::Node(node)) => self.sites.junctions[node].cell,
            Some(Site::Body(_) | Site::Wetland(_) | Site::Outside) | None => None,
        };
        let ice = self.sensors.get(meter.0).map_or(0.0, |sensor| sensor.around.ice_m);
        cell.map_or((0.0, 0.0), |cell| (self.river.velocity(cell), self.river.depth(cell) + ice))
    }

    /// How the device of a meter puts its number into registers.
    pub fn encoding(&self, meter: MeterId) -> Encoding {
        self.sensors.get(meter.0).map(|sensor| sensor.encoding).unwrap_or_default()
    }

    /// What the totaliser of a meter has counted, m³.
    pub fn meter_total(&self, meter: MeterId) -> f64 {
        self.sensors.get(meter.0).map_or(0.0, |sensor| sensor.total)
    }

    /// How a device answers.
    pub fn plugged(&self, device: DeviceId) -> Plugged {
        self.plugged.get(device.0).copied().unwrap_or_default()
    }

    /// Share of the requests to a device that are lost.
    pub fn lossy(&self, device: DeviceId) -> f64 {
        self.lossy.get(device.0).copied().unwrap_or(0.0)
    }

    /// Who bears the number of a device too.
    pub fn shared_with(&self, device: DeviceId) -> Option<DeviceId> {
        self.shared.get(device.0).copied().flatten()
    }

    /// Whether a link is cut.
    pub fn is_cut(&self, link: LinkId) -> bool {
        self.cut.get(link.0).copied().unwrap_or(false)
    }

    fn metered_flow(&self, metered: Metered) -> f64 {
        match metered {
            Metered::Gate(at) => self.gate_flow[at],
            Metered::Intake(at) => self.intake_flow[at],
            Metered::Inflow(at) => self.inflow[at],
            Metered::Fixed(at) => self.fixed_flow[at],
            Metered::Head(node) => self.node_flow[node],
        }
    }

    /// Level at a site: of a body or wetland; at a node or along a reach above the bed there.
    fn site_level(&self, site: Site) -> f64 {
        match site {
            Site::Body(body) => self.bodies[body].level,
            Site::Wetland(marsh) => self.marshes[marsh].level(),
            Site::Node(node) => {
                let junction = &self.sites.junctions[node];
                match junction.body {
                    Some(body) => self.bodies[body].level,
                    None => junction.cell.map_or(0.0, |cell| self.river.depth(cell)),
                }
            }
            Site::Cell(cell) => self.river.depth(cell),
            Site::Outside => 0.0,
        }
    }
}
