//! Gates, valves, flaps, turbines, fixed openings and power stations.

use serde::{Deserialize, Serialize};

use super::{GateId, MeterId, Name, NodeId, Place, ReservoirId, Responsible};
use crate::units::{Discharge, Opening, Stage};

/// Geometry of a structure with a position.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum GateKind {
    /// Radial gate 弧形闸门.
    Radial {
        /// Width, m.
        width_m: f64,
        /// Height, m: clear opening when fully open.
        height_m: f64,
    },
    /// Plane slide or wheel gate 平板闸门.
    Plane {
        /// Width, m.
        width_m: f64,
        /// Height, m: clear opening when fully open.
        height_m: f64,
    },
    /// Fixed-cone, butterfly or similar valve in a pipe, near linear in its opening.
    Valve {
        /// Bore, m.
        bore_m: f64,
        /// Discharge coefficient at full opening, on the bore area.
        cd_full: f64,
    },
    /// Flap gate 翻板闸: overshot leaf hinged at the sill.
    Flap {
        /// Width over all leaves, m.
        width_m: f64,
        /// Length of the leaf, m.
        leaf_m: f64,
        /// Angle above the horizontal when raised (shut), degrees.
        raised_deg: f64,
    },
    /// Turbine: passes `rated` at `rated_head_m` when fully open, with √head.
    Turbine {
        /// Rated flow.
        rated: Discharge,
        /// Rated head, m.
        rated_head_m: f64,
        /// Least flow it can run at.
        minimum: Discharge,
        /// Power at the rated point, kW.
        power_kw: f64,
    },
}

/// Whether the service could move it at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actuation {
    /// Has a drive with a target position.
    Driven,
    /// Tips by water alone (水力自控翻板闸): cannot be commanded.
    Passive,
    /// Has a drive but no target position over the link (pulses only): monitoring and stop.
    MonitorOnly,
}

/// What the site itself does when the link to us is lost (safe action).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum OnLinkLoss {
    /// Stays where it is.
    Hold,
    /// Shuts by itself.
    Shut,
    /// Opens fully by itself.
    Open,
    /// Moves to a fixed position by itself.
    Goto {
        /// That position.
        opening: Opening,
    },
}

/// What a gate is for in the joint dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// Fast river release: carries the trim and the answer to a trip.
    Trim,
    /// Stand-by river release, opened when the trim gate alone is too slow or too small.
    Standby,
    /// River release through a turbine.
    Base,
    /// Passes the river on below a weir.
    PassOn,
    /// Supply to a canal or transfer.
    Supply,
    /// Feeds a wetland.
    WetlandInlet,
    /// Keeps a level.
    Level,
    /// Flood release: moves only by people with an order.
    Flood,
    /// Open or shut by season.
    SeasonLock,
    /// Maintenance only.
    Emergency,
}

/// A rule that keeps a gate shut outside a season.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    /// Signatures an emergency opening takes.
    pub signatures: u8,
    /// Longest emergency opening, minutes.
    pub max_minutes: u32,
    /// Whom an emergency opening is reported to.
    pub notify: String,
}

/// Unit of the position registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StrokeUnit {
    /// Millimetres of travel.
    #[serde(rename = "mm")]
    Millimetre,
    /// Per cent of travel.
    #[serde(rename = "%")]
    Percent,
    /// Degrees of leaf angle.
    #[serde(rename = "deg")]
    Degree,
}

impl StrokeUnit {
    /// As written on screens.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Millimetre => "mm",
            Self::Percent => "%",
            Self::Degree => "°",
        }
    }
}

/// How positions in engineering units map to openings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stroke {
    /// Unit of both ends.
    pub unit: StrokeUnit,
    /// Position when shut.
    pub shut_at: f64,
    /// Position when fully open; may be below `shut_at` (a flap angle).
    pub open_at: f64,
}

impl Stroke {
    /// The opening at a position; positions beyond the ends are clamped.
    pub fn opening(self, position: f64) -> Opening {
        Opening::clamped((position - self.shut_at) / (self.open_at - self.shut_at))
    }

    /// The position of an opening.
    pub fn position(self, opening: Opening) -> f64 {
        self.shut_at + opening.fraction() * (self.open_at - self.shut_at)
    }

    /// Length of the stroke in its unit, positive.
    pub fn length(self) -> f64 {
        (self.open_at - self.shut_at).abs()
    }
}

/// Anything with a position that passes water.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Identifier, as `zf.eco.v1`.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// Geometry.
    pub kind: GateKind,
    /// Can it be commanded?
    pub actuation: Actuation,
    /// Role in dispatch.
    pub duty: Duty,
    /// Water body or place it takes from.
    pub from: Place,
    /// Where its water goes.
    pub to: Place,
    /// Lowest edge of the opening; above the bed there for a gate that takes from a node or reach.
    pub sill: Stage,
    /// Water level below it when the structure discharges freely; for the head on turbines and pipes.
    pub outlet_level: Option<Stage>,
    /// Positions of the registers.
    pub stroke: Stroke,
    /// Lowest opening commands may ask for.
    pub lowest: Opening,
    /// Highest opening commands may ask for.
    pub highest: Opening,
    /// Time for the whole stroke, s, positive.
    pub stroke_s: f64,
    /// Smallest useful movement, fraction of the stroke.
    pub min_step: f64,
    /// Position tolerance for "arrived", fraction of the stroke.
    pub tolerance: f64,
    /// Motor starts allowed per hour.
    pub max_starts_per_hour: u32,
    /// Pause between reversals, s.
    pub reversal_pause_s: f64,
    /// Whether automatic may move it; `false` leaves it to people.
    pub automatic: bool,
    /// Site behaviour without us.
    pub on_link_loss: OnLinkLoss,
    /// Season lock, if any.
    pub lock: Option<Lock>,
    /// Flow meter that shows this gate's flow alone.
    pub flow_meter: Option<MeterId>,
    /// Opening at the start of a simulation.
    pub initial: Opening,
    /// Who answers for it.
    pub responsible: Responsible,
}

impl Gate {
    /// Whether automatic dispatch may ever command it.
    pub fn is_dispatched(&self) -> bool {
        self.automatic && self.actuation == Actuation::Driven
    }

    /// Whether commands reach it at all.
    pub fn is_driven(&self) -> bool {
        self.actuation == Actuation::Driven
    }
}

/// Shape of an opening nobody moves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum FixedShape {
    /// Submersible round orifice or pipe.
    Orifice {
        /// Bore, m.
        bore_m: f64,
        /// Discharge coefficient.
        cd: f64,
    },
    /// Weir crest.
    Crest {
        /// Length, m.
        width_m: f64,
        /// Coefficient C in Q = C·b·H^1.5, m^0.5/s.
        coefficient: f64,
    },
}

/// An opening without a drive: eco pipe, weir crest.
#[derive(Clone, Debug, PartialEq)]
pub struct FixedOpening {
    /// Identifier.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// Shape.
    pub shape: FixedShape,
    /// Water body it takes from.
    pub from: ReservoirId,
    /// Where its water goes.
    pub to: Place,
    /// Invert of the pipe or crest level.
    pub sill: Stage,
}

/// What the clean-up of small hydropower decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StationClass {
    /// Goes on.
    Keep,
    /// Goes on after rectification.
    Rectify,
    /// Withdrawn: must stay stopped.
    Withdraw,
}

/// A small hydropower station.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerStation {
    /// Identifier.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// Its turbines (all of kind [`GateKind::Turbine`]).
    pub units: Vec<GateId>,
    /// Outcome of the clean-up.
    pub class: StationClass,
    /// Node just below its weir, where the minimum release is owed.
    pub weir_toe: NodeId,
    /// Minimum release below the weir.
    pub min_release: Discharge,
    /// No generation while the river carries less than this.
    pub stop_below: Discharge,
    /// Pond it draws from.
    pub pond: Option<ReservoirId>,
    /// Who answers for it.
    pub responsible: Responsible,
}
