//! Nodes, reaches, water bodies, inflows, meters and sections.

use serde::{Deserialize, Serialize};

use super::lag::LagTable;
use super::{FlowGrades, MeterId, Name, NodeId, Place, Priority, Responsible, Season};
use crate::units::{Discharge, Stage, Volume};

/// A point where waters meet.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Identifier.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// River it lies on (identifier in [`super::Basin::rivers`]).
    pub river: String,
    /// Distance from the head of its river's control stretch, km; for the strip on the page.
    pub km: Option<f64>,
}

/// How a reach conveys.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum ReachKind {
    /// An open channel.
    River,
    /// A full pipe or tunnel: flow follows after `lag_s`, never above `capacity`.
    Pipe {
        /// Delay, s.
        lag_s: f64,
        /// Most it carries.
        capacity: Discharge,
    },
}

/// Travel of a flow step along a reach at one base flow; the controller's model, not the plant's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LagPoint {
    /// Base flow.
    pub flow: Discharge,
    /// Wave travel time over the whole reach, h, positive.
    pub hours: f64,
}

/// A berm or flood plain beside a channel, both sides together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Berm {
    /// Height of its bed above that of the reach, m, positive, rising from berm to berm.
    pub foot_m: f64,
    /// Width of its bed, m, ≥ 0.
    pub width_m: f64,
    /// Slope of the banks outside of it, horizontal per vertical, ≥ 0.
    pub side_slope: f64,
    /// Manning roughness n, s/m^(1/3), positive.
    pub manning: f64,
}

/// A stretch of river between two nodes: a trapezoidal channel, the one of low flows, with berms beside it and a constant
/// slope.
#[derive(Clone, Debug, PartialEq)]
pub struct Reach {
    /// Identifier.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// River it belongs to.
    pub river: String,
    /// Open channel or pipe.
    pub kind: ReachKind,
    /// Upstream node.
    pub from: NodeId,
    /// Downstream node.
    pub to: NodeId,
    /// Length, km, positive.
    pub length_km: f64,
    /// Bed slope, m/m, positive; 0, as the numbers up to the loss, for a pipe.
    pub slope: f64,
    /// Bed width, m, positive.
    pub bed_width_m: f64,
    /// Side slope, horizontal per vertical, ≥ 0.
    pub side_slope: f64,
    /// Manning roughness n, s/m^(1/3), positive.
    pub manning: f64,
    /// Berms and flood plains beside the channel, the lowest first; none for a pipe.
    pub berms: Vec<Berm>,
    /// Share of the flow lost to the bed per km, 0..1.
    pub loss_per_km: f64,
    /// Wave travel times by base flow.
    pub lags: LagTable,
}

/// One row of a level–volume table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Water level.
    pub level: Stage,
    /// Volume stored below it.
    pub volume: Volume,
}

/// Reservoir behind a dam, or pond behind a weir.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservoirKind {
    /// Stores for days and more.
    Reservoir,
    /// Stores for hours behind a weir or flap.
    Pond,
}

/// A limit on storing that holds between two dates of the year.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FloodLimit {
    /// When it holds.
    pub season: Season,
    /// Level not to be exceeded on one's own decision.
    pub level: Stage,
}

/// A body of water with a level–volume table; takes in all that reaches its node.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservoir {
    /// Identifier.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// Reservoir or pond.
    pub kind: ReservoirKind,
    /// Node whose arriving water it stores.
    pub at: NodeId,
    /// Level–volume table, strictly ascending in both, at least two rows.
    pub curve: Vec<CurvePoint>,
    /// Below this level nothing is released for ecology (来多少泄多少: release what comes).
    pub dead_level: Option<Stage>,
    /// Normal level.
    pub normal_level: Option<Stage>,
    /// Of a pond: level down to which it gives of its own water to a section below that would fall short; none gives nothing.
    pub lends_above: Option<Stage>,
    /// Levels below which a rank of uses gets nothing, first to be cut first: levels fall. Ranks that are not named are cut at
    /// the dead level, if there is one.
    pub cuts: Vec<(Priority, Stage)>,
    /// Flood limits by season.
    pub flood_limits: Vec<FloodLimit>,
    /// Level at the start of a simulation.
    pub initial_level: Stage,
    /// Net evaporation, mm per year, ≥ 0.
    pub net_evaporation_mm: f64,
    /// Seepage that leaves the body, ≥ 0.
    pub seepage: Discharge,
    /// Where the seepage comes back, if it does.
    pub seepage_to: Option<Place>,
    /// Level meter.
    pub level_meter: Option<MeterId>,
    /// Who answers for it.
    pub responsible: Responsible,
}

/// What kind of water comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InflowKind {
    /// Head of a river or of a reservoir.
    Headwater,
    /// A tributary mouth.
    Tributary,
    /// Unmetered increment along reaches.
    Diffuse,
    /// Outfall of a works: steady.
    Outfall,
}

/// Water that enters the basin.
#[derive(Clone, Debug, PartialEq)]
pub struct Inflow {
    /// Identifier; scenarios name it.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// What kind.
    pub kind: InflowKind,
    /// Where it enters, with its share of the whole; shares sum to 1. One entry except for diffuse water.
    pub into: Vec<(Place, f64)>,
    /// Mean by calendar month in a normal year (January first).
    pub monthly_normal: [Discharge; 12],
    /// Mean by calendar month in a dry year.
    pub monthly_dry: [Discharge; 12],
    /// Meter at its mouth.
    pub meter: Option<MeterId>,
    /// Who answers for it.
    pub responsible: Responsible,
}

/// What an instrument measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeterKind {
    /// Flow of the river at a place, m³/s.
    RiverFlow,
    /// Flow through named gates, intake or pipe, m³/s.
    StructureFlow,
    /// Water level, m.
    Level,
    /// Rain, mm.
    Rain,
}

/// A second meter of the same level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Twin {
    /// It.
    pub meter: MeterId,
    /// Largest difference at which the two agree, m, positive.
    pub tolerance: f64,
}

/// An instrument in the field.
#[derive(Clone, Debug, PartialEq)]
pub struct Meter {
    /// Identifier, as `q.runcheng`.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// What it measures.
    pub kind: MeterKind,
    /// Where; for [`MeterKind::StructureFlow`] see `of`. A level at a node or along a reach counts from the bed.
    pub at: Place,
    /// Elements whose summed flow it shows (gate, intake, inflow or transfer identifiers).
    pub of: Vec<String>,
    /// Least value it can show.
    pub min: f64,
    /// Largest value it can show.
    pub max: f64,
    /// Accuracy class: share of the value (0.05 is ±5 %), or for levels 0.
    pub accuracy: f64,
    /// Absolute accuracy in the unit of the value, e.g. 0.01 m.
    pub accuracy_abs: f64,
    /// Principle, as `parshall`, `radar_velocity`, `rating_curve`, `transit_time`, `pressure`.
    pub principle: String,
    /// Largest credible change per minute in the unit of the value; beyond it a reading is suspect.
    pub max_rate_per_min: Option<f64>,
    /// How long a stale value may still be used, s.
    pub hold_s: f64,
    /// Another meter of the same level, for [`MeterKind::Level`]; each is in one pair at most.
    pub twin: Option<Twin>,
    /// Who answers for it.
    pub responsible: Responsible,
}

/// A floor that holds between two dates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeasonalFloor {
    /// When.
    pub season: Season,
    /// The floor then.
    pub floor: Discharge,
}

/// A control section.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Identifier.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// River it lies on.
    pub river: String,
    /// Where on the network.
    pub at: Place,
    /// Distance along the river, km; for the screens.
    pub km: f64,
    /// Flow that must never be undercut; `None` observes only.
    pub floor: Option<Discharge>,
    /// Other floors by season; the first that holds today replaces `floor`.
    pub seasonal_floors: Vec<SeasonalFloor>,
    /// Upper bound of the operating set point.
    pub setpoint_cap: Option<Discharge>,
    /// The meter that decides.
    pub meter: MeterId,
    /// Guarantee rate asked for, 0..=1.
    pub guarantee: Option<f64>,
    /// When it is warned of.
    pub warning: FlowGrades,
    /// Who answers for it.
    pub responsible: Responsible,
}

impl Section {
    /// The floor in force on a civil date.
    pub fn floor_on(&self, date: jiff::civil::Date) -> Option<Discharge> {
        self.seasonal_floors.iter().find(|s| s.season.contains(date)).map(|s| s.floor).or(self.floor)
    }
}

impl Reach {
    /// Length in metres.
    pub fn length_m(&self) -> f64 {
        self.length_km * 1000.0
    }
}

impl Reservoir {
    /// Volume at a level: the table, straight between rows, extended by its end slopes, never negative.
    pub fn volume_at(&self, level: Stage) -> Volume {
        let xs = |p: &CurvePoint| (p.level.get(), p.volume.get());
        Volume::lossy(interpolate(&self.curve, xs, level.get()).max(0.0))
    }

    /// Area of the water at a level, m², over the decimetre below it; positive.
    pub fn area_at(&self, level: Stage) -> f64 {
        const DEPTH_M: f64 = 0.1;
        let below = Stage::lossy(level.get() - DEPTH_M);
        ((self.volume_at(level).get() - self.volume_at(below).get()) / DEPTH_M).max(1.0)
    }

    /// Level at a volume, the inverse of [`Self::volume_at`].
    pub fn level_at(&self, volume: Volume) -> Stage {
        let xs = |p: &CurvePoint| (p.volume.get(), p.level.get());
        Stage::lossy(interpolate(&self.curve, xs, volume.get()))
    }

    /// Below this level uses of this rank get nothing; `None`: they are never cut. A rank without a level of its own goes with
    /// the last that has one of those served before it, so that none is served longer than they.
    pub fn cut_below(&self, rank: Priority) -> Option<Stage> {
        let own = self.cuts.iter().find(|(cut, _)| *cut <= rank).map(|(_, level)| *level);
        own.or(self.dead_level)
    }

    /// The flood-limit level in force on a date.
    pub fn flood_limit_on(&self, date: jiff::civil::Date) -> Option<Stage> {
        self.flood_limits.iter().find(|limit| limit.season.contains(date)).map(|limit| limit.level)
    }
}

/// Piecewise linear through ascending `rows` (checked: at least two), extended by the end slopes.
fn interpolate<T>(rows: &[T], xy: impl Fn(&T) -> (f64, f64), x: f64) -> f64 {
    let upper = rows.partition_point(|row| xy(row).0 < x).clamp(1, rows.len().saturating_sub(1).max(1));
    match (rows.get(upper - 1), rows.get(upper)) {
        (Some(low), Some(high)) => {
            let ((x0, y0), (x1, y1)) = (xy(low), xy(high));
            y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        }
        (Some(only), None) => xy(only).1,
        (None, _) => 0.0,
    }
}
