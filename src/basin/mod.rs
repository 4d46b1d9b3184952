//! The basin as checked values: what there is, how it joins, and what may be done with it.
//!
//! Everything here comes from configuration ([`crate::config`]) and cannot be wrong any more: names resolve,
//! ranges are in order, the graph is connected and acyclic in flow direction. Nothing in it names a river of
//! Jincheng; another basin is another folder.
//!
//! Elements refer to each other by index newtypes, in the order of the file, so that walks over the basin are
//! the same on every machine.

mod control;
mod lag;
mod network;
mod rating;
mod structure;
mod uses;
mod warning;

pub use control::{ControlParameters, MarginRule, RampLimit};
pub use lag::LagTable;
pub use network::{
    Berm, CurvePoint, FloodLimit, Inflow, InflowKind, LagPoint, Meter, MeterKind, Node, Reach, ReachKind,
    Reservoir, ReservoirKind, SeasonalFloor, Section, Twin,
};
pub use rating::{Between, Branch, Curve, Gauging, Rating, Version, Void};
pub use structure::{
    Actuation, Duty, FixedOpening, FixedShape, Gate, GateKind, Lock, OnLinkLoss, PowerStation, StationClass,
    Stroke, StrokeUnit,
};
pub use uses::{Intake, Priority, Share, Transfer, Wetland};
pub use warning::{FlowGrades, Grade, LevelGrades};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

macro_rules! index {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub usize);
    )*};
}

index! {
    /// Position in [`Basin::nodes`].
    NodeId;
    /// Position in [`Basin::reaches`].
    ReachId;
    /// Position in [`Basin::reservoirs`].
    ReservoirId;
    /// Position in [`Basin::inflows`].
    InflowId;
    /// Position in [`Basin::meters`].
    MeterId;
    /// Position in [`Basin::sections`].
    SectionId;
    /// Position in [`Basin::gates`].
    GateId;
    /// Position in [`Basin::stations`].
    StationId;
    /// Position in [`Basin::intakes`].
    IntakeId;
    /// Position in [`Basin::wetlands`].
    WetlandId;
    /// Position in [`Basin::transfers`].
    TransferId;
}

/// A name in the two languages of the screens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Who answers for an element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Responsible {
    /// The unit, in both languages.
    pub unit: Name,
    /// The person or post to call.
    pub person: String,
}

/// A point of the water network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Place {
    /// A node where waters meet.
    Node(NodeId),
    /// Along a reach, `km` from its upstream end.
    Along {
        /// The reach.
        reach: ReachId,
        /// Distance from its upstream end, km, 0..=length.
        km: f64,
    },
    /// The water body of a reservoir or pond.
    Reservoir(ReservoirId),
    /// The water body of a wetland.
    Wetland(WetlandId),
    /// Out of the basin (a user, a city net, the next county).
    Outside,
}

/// One checked basin.
#[derive(Clone, Debug, PartialEq)]
pub struct Basin {
    /// Identifier, also of the data folder made for it.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// Rivers by identifier and name, in file order; one operate lease each.
    pub rivers: Vec<(String, Name)>,
    /// Civil time of the site.
    pub zone: jiff::tz::TimeZone,
    /// Where waters meet.
    pub nodes: Vec<Node>,
    /// Stretches between nodes, in file order.
    pub reaches: Vec<Reach>,
    /// Reservoirs and ponds.
    pub reservoirs: Vec<Reservoir>,
    /// Boundary inflows, tributaries, diffuse increments and outfalls.
    pub inflows: Vec<Inflow>,
    /// Instruments.
    pub meters: Vec<Meter>,
    /// What makes flows of levels, in file order.
    pub ratings: Vec<Rating>,
    /// Control sections with a floor, or observed only.
    pub sections: Vec<Section>,
    /// Gates, valves, flaps, turbines: whatever has a position.
    pub gates: Vec<Gate>,
    /// Openings nobody can move: eco pipes, crests.
    pub fixed_openings: Vec<FixedOpening>,
    /// Small hydropower.
    pub stations: Vec<PowerStation>,
    /// Riverside intakes.
    pub intakes: Vec<Intake>,
    /// Wetlands with demand.
    pub wetlands: Vec<Wetland>,
    /// Conveyance to other rivers or cities.
    pub transfers: Vec<Transfer>,
    /// Flood season in civil dates (month, day), inclusive.
    pub flood_season: Season,
    /// Numbers of the control loops.
    pub control: ControlParameters,
}

/// A yearly season from one day to another, both included; may run over the new year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Season {
    /// First (month, day).
    pub from: (i8, i8),
    /// Last (month, day).
    pub to: (i8, i8),
}

impl Season {
    /// Whether `date` lies in the season.
    pub fn contains(self, date: Date) -> bool {
        let day = (date.month(), date.day());
        if self.from <= self.to {
            self.from <= day && day <= self.to
        } else {
            day >= self.from || day <= self.to
        }
    }
}

impl Basin {
    /// The gate called `id`.
    pub fn gate(&self, id: &str) -> Option<GateId> {
        self.gates.iter().position(|gate| gate.id == id).map(GateId)
    }

    /// The meter called `id`.
    pub fn meter(&self, id: &str) -> Option<MeterId> {
        self.meters.iter().position(|meter| meter.id == id).map(MeterId)
    }

    /// The section called `id`.
    pub fn section(&self, id: &str) -> Option<SectionId> {
        self.sections.iter().position(|section| section.id == id).map(SectionId)
    }

    /// The node called `id`.
    pub fn node(&self, id: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.id == id).map(NodeId)
    }

    /// The civil date at the site.
    pub fn date_at(&self, utc: jiff::Timestamp) -> Date {
        self.zone.to_datetime(utc).date()
    }

    /// The node whose water a place belongs to: itself, the upstream node of its reach, or none.
    pub fn upstream_node(&self, place: Place) -> Option<NodeId> {
        match place {
            Place::Node(node) => Some(node),
            Place::Along { reach, .. } => self.reaches.get(reach.0).map(|reach| reach.from),
            Place::Reservoir(_) | Place::Wetland(_) | Place::Outside => None,
        }
    }

    /// The river a gate belongs to, as its control is given to one person: that it takes from, else that it gives to.
    pub fn river_of(&self, gate: GateId) -> Option<&str> {
        let gate = self.gates.get(gate.0)?;
        let of = |place: Place| {
            let node = match place {
                Place::Reservoir(body) => self.reservoirs.get(body.0).map(|body| body.at),
                Place::Node(_) | Place::Along { .. } | Place::Wetland(_) | Place::Outside => {
                    self.upstream_node(place)
                }
            };
            node.and_then(|node| self.nodes.get(node.0)).map(|node| node.river.as_str())
        };
        of(gate.from).or_else(|| of(gate.to)).or_else(|| self.rivers.first().map(|(id, _)| id.as_str()))
    }

    /// Rivers with gates that can be commanded, by identifier.
    pub fn commanded_rivers(&self) -> Vec<String> {
        let driven = self.gates.iter().enumerate().filter(|(_, gate)| gate.is_driven());
        let found: std::collections::BTreeSet<_> =
            driven.filter_map(|(at, _)| self.river_of(GateId(at))).collect();
        found.into_iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_season_may_run_over_the_new_year() {
        let ice = Season { from: (12, 15), to: (2, 28) };
        assert!(ice.contains(date(2026, 1, 3)) && ice.contains(date(2026, 12, 15)));
        assert!(!ice.contains(date(2026, 3, 1)) && !ice.contains(date(2026, 12, 14)));
    }
}
