//! How releases, tributaries and intakes travel to a section: the controller's coarse linear river.
//!
//! A reach is a delay that shortens with flow, and a share lost to the bed. The plant of the simulators is
//! finer and written apart.

use serde::{Deserialize, Serialize};

use super::arrival::Lag;
use super::segment::{self, Segment};
use super::timing::{Factor, TABLE};
use crate::basin::{
    Basin, Duty, InflowId, InflowKind, IntakeId, MeterId, MeterKind, NodeId, Place, Reach, ReachId,
    ReachKind, ReservoirId, ReservoirKind, SectionId,
};
use crate::units::Discharge;

/// Part of a reach, walked downstream.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// The reach.
    pub reach: ReachId,
    /// Share of its length that is walked, 0..=1.
    pub share: f64,
}

/// Where a lateral inflow's number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum LateralSource {
    /// Metered.
    Meter(MeterId),
    /// Unmetered: the dry-year table of an inflow, with the share of it that enters here.
    Table(InflowId, f64),
    /// A pond on the way, from its level: what it gives of its own water, negative while it fills.
    Pond(ReservoirId),
}

/// Water that joins on the way to a section.
#[derive(Clone, Debug, PartialEq)]
pub struct Lateral {
    /// Where the number comes from.
    pub source: LateralSource,
    /// Its way to the section.
    pub way: Vec<Stretch>,
    /// Share that arrives.
    pub gain: f64,
    /// Stretches of the main way below the first node it passes: it passes every node with at most as many left.
    pub on_main: usize,
}

impl Lateral {
    /// Whether it passes a node of the main way that has `left` stretches below it. What a pond gives passes only nodes below it.
    pub(super) fn passes(&self, left: usize) -> bool {
        match self.source {
            LateralSource::Pond(_) => self.on_main > left,
            LateralSource::Meter(_) | LateralSource::Table(..) => self.on_main >= left,
        }
    }
}

/// Water taken on the way to a section.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// The intake.
    pub intake: IntakeId,
    /// The way of the missing water to the section.
    pub way: Vec<Stretch>,
    /// Share that is missed there.
    pub gain: f64,
    /// Stretches of the main way below the first node it passes: it passes every node with at most as many left.
    pub on_main: usize,
}

/// The way from a dispatched reservoir to a section.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Where it ends.
    pub section: SectionId,
    /// Where it begins.
    pub source: ReservoirId,
    /// Node just below the dam, where the outlets join the river.
    pub outlet: NodeId,
    /// Stretches from the outlet to the section, in flow direction.
    pub way: Vec<Stretch>,
    /// Share of a release that arrives.
    pub gain: f64,
    /// Nodes from the outlet down, each with the number of stretches still below it.
    pub nodes: Vec<(NodeId, usize)>,
    /// What joins.
    pub laterals: Vec<Lateral>,
    /// What is taken.
    pub draws: Vec<Draw>,
    /// The same, cut at the gauges it passes.
    pub segments: Vec<Segment>,
    /// Reaches of all these ways, each once.
    pub reaches: Vec<ReachId>,
}

impl Path {
    /// Wave travel time of the whole way at base flow `q`, h.
    pub fn lag_h(&self, basin: &Basin, q: Discharge) -> f64 {
        lag_h(basin, &self.way, q)
    }

    /// The part of the way below a place; `None` when the place does not lie on it.
    pub fn below(&self, basin: &Basin, from: Place) -> Option<Vec<Stretch>> {
        match from {
            Place::Node(node) => {
                let (_, left) = self.nodes.iter().find(|(at, _)| *at == node)?;
                Some(self.way.iter().skip(self.way.len() - left).copied().collect())
            }
            Place::Along { reach, km } => {
                let at = self.way.iter().position(|stretch| stretch.reach == reach)?;
                let walked = km / basin.reaches.get(reach.0)?.length_km;
                let rest = self.way.iter().skip(at).enumerate();
                let share =
                    |k: usize, s: &Stretch| if k == 0 { (s.share - walked).max(0.0) } else { s.share };
                Some(rest.map(|(k, s)| Stretch { share: share(k, s), ..*s }).collect())
            }
            Place::Reservoir(_) | Place::Wetland(_) | Place::Outside => None,
        }
    }
}

/// Wave travel time over `way` at base flow `q`, h.
pub fn lag_h(basin: &Basin, way: &[Stretch], q: Discharge) -> f64 {
    way.iter()
        .map(|s| basin.reaches.get(s.reach.0).map_or(0.0, |reach| s.share * reach_lag_h(reach, q)))
        .sum()
}

/// How fast waves travel everywhere at one base flow: the table of each reach is looked up once for all ways over it.
#[derive(Clone, Debug)]
pub struct Pace {
    /// By reach, over its whole length.
    lags: Vec<Lag>,
}

impl Pace {
    /// The pace at base flow `q` by the tables alone, of the reaches that `path` and what joins it or leaves it pass; all others
    /// have no length.
    pub(super) fn along(basin: &Basin, path: &Path, q: Discharge) -> Self {
        let mut lags = vec![Lag::default(); basin.reaches.len()];
        for id in &path.reaches {
            if let (Some(lag), Some(reach)) = (lags.get_mut(id.0), basin.reaches.get(id.0)) {
                *lag = Lag::of(reach_lag_h(reach, q), TABLE);
            }
        }
        Self { lags }
    }

    /// What has been learnt of the reaches of a way.
    pub(super) fn correct(&mut self, way: &[Stretch], factor: Factor) {
        for stretch in way {
            if let Some(lag) = self.lags.get_mut(stretch.reach.0) {
                *lag = Lag::of(lag.mid * factor.mean, factor.spread);
            }
        }
    }

    /// The same river when all of it is as fast as it may be.
    pub(super) fn early(&self) -> Self {
        self.fixed(|lag| lag.early)
    }

    /// The same river as it is expected, without bounds.
    pub(super) fn expected(&self) -> Self {
        self.fixed(|lag| lag.mid)
    }

    /// The same river when all of it is as slow as it may be.
    pub(super) fn late(&self) -> Self {
        self.fixed(|lag| lag.late)
    }

    fn fixed(&self, of: impl Fn(&Lag) -> f64) -> Self {
        Self { lags: self.lags.iter().map(|lag| Lag::of(of(lag), 0.0)).collect() }
    }

    /// Wave travel time over `way`.
    pub fn over(&self, way: &[Stretch]) -> Lag {
        let part = |s: &Stretch| {
            let lag = self.lags.get(s.reach.0).copied().unwrap_or_default();
            Lag { early: s.share * lag.early, mid: s.share * lag.mid, late: s.share * lag.late }
        };
        way.iter().map(part).fold(Lag::default(), Lag::and)
    }
}

/// Wave travel time over a whole reach, h.
fn reach_lag_h(reach: &Reach, q: Discharge) -> f64 {
    match reach.kind {
        ReachKind::Pipe { lag_s, .. } => lag_s / 3600.0,
        ReachKind::River => reach.lags.hours(q),
    }
}

pub(super) fn stretch_gain(basin: &Basin, stretch: Stretch) -> f64 {
    basin
        .reaches
        .get(stretch.reach.0)
        .map_or(1.0, |r| (1.0 - r.loss_per_km).powf(r.length_km * stretch.share))
}

/// Share of a flow that arrives over `way`.
pub(super) fn way_gain(basin: &Basin, way: &[Stretch]) -> f64 {
    way.iter().map(|s| stretch_gain(basin, *s)).product()
}

/// Paths to all sections that have a floor (now or in a season) and lie below a dispatched reservoir.
pub fn paths(basin: &Basin) -> Vec<Path> {
    (0..basin.sections.len()).filter_map(|at| path_to(basin, SectionId(at))).collect()
}

fn path_to(basin: &Basin, id: SectionId) -> Option<Path> {
    let section = basin.sections.get(id.0)?;
    if section.floor.is_none() && section.seasonal_floors.is_empty() {
        return None;
    }
    let mut walk = Walk { basin, steps: Vec::new() };
    let (node, tail) = match section.at {
        Place::Node(node) => (node, None),
        Place::Along { reach, km } => {
            let spec = basin.reaches.get(reach.0)?;
            (spec.from, Some(Step::Reach(Stretch { reach, share: km / spec.length_km })))
        }
        Place::Reservoir(_) | Place::Wetland(_) | Place::Outside => return None,
    };
    walk.steps.extend(tail);
    let source = walk.find_source(node, 0)?;
    let Walk { mut steps, .. } = walk;
    steps.reverse();
    let outlet = steps.iter().find_map(|step| match step {
        Step::Node(node) => Some(*node),
        Step::Reach(_) => None,
    })?;
    Some(along(basin, id, source, outlet, &steps))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Node(NodeId),
    Reach(Stretch),
}

/// Upstream search; `steps` collects the way from the section upwards.
struct Walk<'a> {
    basin: &'a Basin,
    steps: Vec<Step>,
}

impl Walk<'_> {
    /// Longest chain of elements a basin can have; the graph is acyclic, this only bounds the search.
    const DEEPEST: usize = 1000;

    fn find_source(&mut self, node: NodeId, depth: usize) -> Option<ReservoirId> {
        if depth > Self::DEEPEST {
            return None;
        }
        self.steps.push(Step::Node(node));
        if let Some(source) = dispatched_into(self.basin, node) {
            return Some(source);
        }
        for (at, reach) in self.basin.reaches.iter().enumerate().filter(|(_, r)| r.to == node) {
            let mark = self.steps.len();
            self.steps.push(Step::Reach(Stretch { reach: ReachId(at), share: 1.0 }));
            if let Some(found) = self.find_source(reach.from, depth + 1) {
                return Some(found);
            }
            self.steps.truncate(mark);
        }
        for pond in bodies_into(self.basin, node) {
            let mark = self.steps.len();
            if let Some(at) = self.basin.reservoirs.get(pond.0).map(|p| p.at)
                && at != node
                && let Some(found) = self.find_source(at, depth + 1)
            {
                return Some(found);
            }
            self.steps.truncate(mark);
        }
        self.steps.pop();
        None
    }
}

/// The reservoir whose trim gate discharges into `node`.
fn dispatched_into(basin: &Basin, node: NodeId) -> Option<ReservoirId> {
    basin.gates.iter().find_map(|gate| match gate.from {
        Place::Reservoir(source) if gate.duty == Duty::Trim && gate.to == Place::Node(node) => Some(source),
        Place::Node(_) | Place::Along { .. } | Place::Reservoir(_) | Place::Wetland(_) | Place::Outside => {
            None
        }
    })
}

/// Ponds whose gates or fixed openings discharge into `node`.
fn bodies_into(basin: &Basin, node: NodeId) -> Vec<ReservoirId> {
    let gates = basin.gates.iter().filter(|g| g.to == Place::Node(node)).filter_map(|g| match g.from {
        Place::Reservoir(body) => Some(body),
        Place::Node(_) | Place::Along { .. } | Place::Wetland(_) | Place::Outside => None,
    });
    let fixed = basin.fixed_openings.iter().filter(|f| f.to == Place::Node(node)).map(|f| f.from);
    let mut bodies = gates.chain(fixed).filter(|b| is_pond(basin, *b)).collect::<Vec<_>>();
    bodies.sort_unstable();
    bodies.dedup();
    bodies
}

fn is_pond(basin: &Basin, body: ReservoirId) -> bool {
    basin.reservoirs.get(body.0).is_some_and(|r| r.kind == ReservoirKind::Pond)
}

/// Builds the path from its steps in flow direction, collecting what joins and what is taken.
fn along(basin: &Basin, section: SectionId, source: ReservoirId, outlet: NodeId, steps: &[Step]) -> Path {
    let way = reaches_of(steps);
    let on_path = way.iter().map(|s| s.reach).collect::<Vec<_>>();
    let mut laterals = Vec::new();
    let mut draws = Vec::new();
    let mut nodes = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let below = reaches_of(steps.get(at + 1..).unwrap_or_default());
        match *step {
            Step::Node(node) => {
                let side = basin
                    .reaches
                    .iter()
                    .enumerate()
                    .filter(|(r, reach)| reach.to == node && !on_path.contains(&ReachId(*r)));
                for (reach, _) in side {
                    side_inflows(basin, ReachId(reach), (&below, below.len()), &mut laterals, 0);
                }
                let here = |place: Place| match place {
                    Place::Node(n) => (n == node).then_some(below.clone()),
                    Place::Reservoir(body) => basin
                        .reservoirs
                        .get(body.0)
                        .filter(|r| r.kind == ReservoirKind::Pond && r.at == node)
                        .map(|_| below.clone()),
                    Place::Along { .. } | Place::Wetland(_) | Place::Outside => None,
                };
                collect(basin, here, below.len(), &mut laterals, &mut draws);
                let ponds = basin.reservoirs.iter().enumerate().filter(|(at, body)| {
                    body.at == node && is_pond(basin, ReservoirId(*at)) && body.level_meter.is_some()
                });
                laterals.extend(ponds.map(|(at, _)| Lateral {
                    source: LateralSource::Pond(ReservoirId(at)),
                    gain: way_gain(basin, &below),
                    way: below.clone(),
                    on_main: below.len(),
                }));
                nodes.push((node, below.len()));
            }
            Step::Reach(stretch) => {
                let here = |place: Place| match place {
                    Place::Along { reach, km } if reach == stretch.reach => {
                        let length = basin.reaches.get(reach.0).map_or(1.0, |r| r.length_km);
                        let left = stretch.share - km / length;
                        (left >= 0.0).then(|| {
                            let mut way = vec![Stretch { reach, share: left }];
                            way.extend(&below);
                            way
                        })
                    }
                    Place::Node(_)
                    | Place::Along { .. }
                    | Place::Reservoir(_)
                    | Place::Wetland(_)
                    | Place::Outside => None,
                };
                collect(basin, here, below.len(), &mut laterals, &mut draws);
            }
        }
    }
    let gain = way_gain(basin, &way);
    let ways = laterals.iter().map(|l| &l.way).chain(draws.iter().map(|d| &d.way)).chain([&way]);
    let mut reaches = ways.flatten().map(|stretch| stretch.reach).collect::<Vec<_>>();
    reaches.sort_unstable();
    reaches.dedup();
    let segments = Vec::new();
    let mut path = Path { section, source, outlet, way, gain, nodes, laterals, draws, segments, reaches };
    path.segments = segment::of(basin, &path);
    path
}

fn reaches_of(steps: &[Step]) -> Vec<Stretch> {
    steps
        .iter()
        .filter_map(|step| match step {
            Step::Reach(stretch) => Some(*stretch),
            Step::Node(_) => None,
        })
        .collect()
}

/// Adds inflows and intakes for which `here` knows the way down.
fn collect(
    basin: &Basin,
    here: impl Fn(Place) -> Option<Vec<Stretch>>,
    on_main: usize,
    laterals: &mut Vec<Lateral>,
    draws: &mut Vec<Draw>,
) {
    for (at, inflow) in basin.inflows.iter().enumerate() {
        for (place, share) in &inflow.into {
            let Some(way) = here(*place) else { continue };
            let source = match inflow.meter {
                Some(meter) if inflow.into.len() == 1 => LateralSource::Meter(meter),
                Some(_) | None => LateralSource::Table(InflowId(at), *share),
            };
            laterals.push(Lateral { source, gain: way_gain(basin, &way), way, on_main });
        }
    }
    for (at, intake) in basin.intakes.iter().enumerate() {
        if let Some(way) = here(intake.from) {
            draws.push(Draw { intake: IntakeId(at), gain: way_gain(basin, &way), way, on_main });
        }
    }
}

/// Inflows that come down a side reach: its gauge if it has one, else whatever enters it and above it.
fn side_inflows(
    basin: &Basin,
    id: ReachId,
    (below, on_main): (&[Stretch], usize),
    laterals: &mut Vec<Lateral>,
    depth: usize,
) {
    let Some(reach) = basin.reaches.get(id.0) else { return };
    if depth > Walk::DEEPEST || matches!(reach.kind, ReachKind::Pipe { .. }) {
        return;
    }
    let gauge = basin
        .meters
        .iter()
        .enumerate()
        .filter(|(_, m)| m.kind == MeterKind::RiverFlow)
        .filter_map(|(at, m)| match m.at {
            Place::Along { reach, km } if reach == id => Some((MeterId(at), km)),
            Place::Node(node) if node == reach.from => Some((MeterId(at), 0.0)),
            Place::Node(_)
            | Place::Along { .. }
            | Place::Reservoir(_)
            | Place::Wetland(_)
            | Place::Outside => None,
        })
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let way_from = |km: f64| {
        let mut way = vec![Stretch { reach: id, share: 1.0 - km / reach.length_km }];
        way.extend(below);
        way
    };
    if let Some((meter, km)) = gauge {
        let way = way_from(km);
        laterals.push(Lateral {
            source: LateralSource::Meter(meter),
            gain: way_gain(basin, &way),
            way,
            on_main,
        });
        return;
    }
    let here = |place: Place| match place {
        Place::Along { reach, km } if reach == id => Some(way_from(km)),
        Place::Node(node) if node == reach.from => Some(way_from(0.0)),
        Place::Node(_) | Place::Along { .. } | Place::Reservoir(_) | Place::Wetland(_) | Place::Outside => {
            None
        }
    };
    collect(basin, here, on_main, laterals, &mut Vec::new());
    let whole = way_from(0.0);
    for (above, _) in basin.reaches.iter().enumerate().filter(|(_, r)| r.to == reach.from) {
        side_inflows(basin, ReachId(above), (&whole, on_main), laterals, depth + 1);
    }
}

/// Rate an unmetered inflow is counted with in a month: the dry year, so that the plan errs on the wet side
/// of the bed; outfalls are steady.
pub fn table_rate(basin: &Basin, inflow: InflowId, share: f64, month: i8) -> Discharge {
    let Some(inflow) = basin.inflows.get(inflow.0) else { return Discharge::ZERO };
    let months = match inflow.kind {
        InflowKind::Outfall => &inflow.monthly_normal,
        InflowKind::Headwater | InflowKind::Tributary | InflowKind::Diffuse => &inflow.monthly_dry,
    };
    let at = usize::try_from(month - 1).unwrap_or(0).min(11);
    months.get(at).map_or(Discharge::ZERO, |rate| *rate * share)
}
