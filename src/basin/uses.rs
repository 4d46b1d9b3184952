//! Uses of water: intakes, wetlands, transfers, in the order the law gives them.

use serde::{Deserialize, Serialize};

use super::{GateId, LevelGrades, MeterId, Name, NodeId, Place, Responsible};
use crate::units::{Discharge, Stage};

/// Order of uses; a lower number is served first (domain notes, law).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Flood, people, equipment.
    Safety,
    /// Households.
    Domestic,
    /// Ecological floors and wetland survival.
    Ecology,
    /// Industry.
    Industry,
    /// Irrigation.
    Irrigation,
    /// Wetlands above survival, landscape, Dan supplement.
    Amenity,
    /// Hydropower.
    Power,
}

impl Priority {
    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Domestic => "domestic",
            Self::Ecology => "ecology",
            Self::Industry => "industry",
            Self::Irrigation => "irrigation",
            Self::Amenity => "amenity",
            Self::Power => "power",
        }
    }
}

/// A riverside intake 取水口.
#[derive(Clone, Debug, PartialEq)]
pub struct Intake {
    /// Identifier.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// Where it takes water.
    pub from: Place,
    /// Where the water goes, if it stays in the basin.
    pub to: Place,
    /// Largest rate.
    pub max_rate: Discharge,
    /// Permitted volume per year, m³.
    pub permit_m3: f64,
    /// Rank of the use.
    pub priority: Priority,
    /// Usual rate by calendar month (January first), for forecasts and simulations.
    pub monthly_use: [Discharge; 12],
    /// Whether it runs in announced turns (an irrigation pump) rather than all month.
    pub by_turns: bool,
    /// Flow meter.
    pub meter: Option<MeterId>,
    /// Who answers for it.
    pub responsible: Responsible,
}

/// A wetland with an ecological demand.
#[derive(Clone, Debug, PartialEq)]
pub struct Wetland {
    /// Identifier.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// Place its water is taken from (node, reach, pond or its own catchment).
    pub source: Place,
    /// Gate or valve that feeds it; `None` is an open side inlet.
    pub inlet: Option<GateId>,
    /// Further inlets side by side with the first.
    pub more_inlets: Vec<GateId>,
    /// Where its outflow returns; `None` keeps it (own reservoir).
    pub returns_to: Option<Place>,
    /// Demand that keeps it alive; ranks with the floors.
    pub survival: Discharge,
    /// Design demand.
    pub design: Discharge,
    /// Lowest, target and highest water level.
    pub level_band: [Stage; 3],
    /// Area, m².
    pub area_m2: f64,
    /// Level of its floor: no water below it.
    pub floor_level: Stage,
    /// Consumptive use, mm per day.
    pub consumption_mm_d: f64,
    /// Level meter.
    pub level_meter: Option<MeterId>,
    /// Inflow meter.
    pub flow_meter: Option<MeterId>,
    /// When it is warned of.
    pub warning: LevelGrades,
    /// Who answers for it.
    pub responsible: Responsible,
}

/// One user's part of a transfer.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// Name for the screens.
    pub name: Name,
    /// Rate.
    pub rate: Discharge,
    /// Rank of the use; the highest number is cut first.
    pub priority: Priority,
    /// Where it ends.
    pub to: Place,
}

/// A conveyance from a gate to users and other rivers.
#[derive(Clone, Debug, PartialEq)]
pub struct Transfer {
    /// Identifier.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// Head node of its pipe reach.
    pub head: NodeId,
    /// Most it carries.
    pub capacity: Discharge,
    /// Quota per year, m³.
    pub quota_m3: f64,
    /// Its users.
    pub shares: Vec<Share>,
    /// Flow meter at the head.
    pub meter: Option<MeterId>,
    /// Who answers for it.
    pub responsible: Responsible,
}
