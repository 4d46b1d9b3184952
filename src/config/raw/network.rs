//! Nodes, reaches, water bodies, inflows, meters, sections.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::warning::RawFlowGrades;
use super::{Given, RawPlace, RawResponsible};
use crate::basin::{InflowKind, MeterKind, Priority, ReservoirKind};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawNode {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) river: Given<String>,
    pub(in crate::config) km: Given<f64>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawReachKind {
    River,
    Pipe,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawReach {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) river: Given<String>,
    pub(in crate::config) kind: Given<RawReachKind>,
    pub(in crate::config) from: Given<String>,
    pub(in crate::config) to: Given<String>,
    pub(in crate::config) length_km: Given<f64>,
    pub(in crate::config) slope_permille: Given<f64>,
    pub(in crate::config) bed_width_m: Given<f64>,
    pub(in crate::config) side_slope: Given<f64>,
    pub(in crate::config) manning_n: Given<f64>,
    pub(in crate::config) berms: Given<Vec<RawBerm>>,
    pub(in crate::config) loss_pct_per_km: Given<f64>,
    pub(in crate::config) lags_m3s_h: Given<Vec<[f64; 2]>>,
    pub(in crate::config) lag_s: Given<f64>,
    pub(in crate::config) capacity_m3s: Given<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawBerm {
    pub(in crate::config) height_m: f64,
    pub(in crate::config) width_m: f64,
    pub(in crate::config) side_slope: f64,
    pub(in crate::config) manning_n: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawFloodLimit {
    pub(in crate::config) from: String,
    pub(in crate::config) to: String,
    pub(in crate::config) level_m: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawReservoir {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) kind: Given<ReservoirKind>,
    pub(in crate::config) at: Given<String>,
    pub(in crate::config) curve_m_m3: Given<Vec<[f64; 2]>>,
    pub(in crate::config) dead_level_m: Given<f64>,
    pub(in crate::config) normal_level_m: Given<f64>,
    pub(in crate::config) lends_above_m: Given<f64>,
    pub(in crate::config) cut_below_m: Given<BTreeMap<Priority, f64>>,
    pub(in crate::config) flood_limits: Given<Vec<RawFloodLimit>>,
    pub(in crate::config) initial_level_m: Given<f64>,
    pub(in crate::config) net_evaporation_mm_a: Given<f64>,
    pub(in crate::config) seepage_m3s: Given<f64>,
    pub(in crate::config) seepage_to: Given<RawPlace>,
    pub(in crate::config) level_meter: Given<String>,
    pub(in crate::config) responsible: Given<RawResponsible>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawPart {
    pub(in crate::config) at: RawPlace,
    pub(in crate::config) share: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawInflow {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) kind: Given<InflowKind>,
    pub(in crate::config) into: Given<Vec<RawPart>>,
    pub(in crate::config) normal_m3s: Given<Vec<f64>>,
    pub(in crate::config) dry_m3s: Given<Vec<f64>>,
    pub(in crate::config) meter: Given<String>,
    pub(in crate::config) responsible: Given<RawResponsible>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawMeter {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) kind: Given<MeterKind>,
    pub(in crate::config) at: Given<RawPlace>,
    pub(in crate::config) of: Given<Vec<String>>,
    pub(in crate::config) range_m3s: Given<[f64; 2]>,
    pub(in crate::config) range_m: Given<[f64; 2]>,
    pub(in crate::config) range_mm: Given<[f64; 2]>,
    pub(in crate::config) accuracy_pct: Given<f64>,
    pub(in crate::config) accuracy_m3s: Given<f64>,
    pub(in crate::config) accuracy_m: Given<f64>,
    pub(in crate::config) accuracy_mm: Given<f64>,
    pub(in crate::config) principle: Given<String>,
    pub(in crate::config) max_rate_m3s_per_min: Given<f64>,
    pub(in crate::config) max_rate_m_per_min: Given<f64>,
    pub(in crate::config) hold_s: Given<f64>,
    pub(in crate::config) twin: Given<String>,
    pub(in crate::config) twin_tolerance_m: Given<f64>,
    pub(in crate::config) responsible: Given<RawResponsible>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawSeasonalFloor {
    pub(in crate::config) from: String,
    pub(in crate::config) to: String,
    pub(in crate::config) floor_m3s: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawSection {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) river: Given<String>,
    pub(in crate::config) at: Given<RawPlace>,
    pub(in crate::config) km: Given<f64>,
    pub(in crate::config) observe_only: Given<bool>,
    pub(in crate::config) floor_m3s: Given<f64>,
    pub(in crate::config) seasonal_floors: Given<Vec<RawSeasonalFloor>>,
    pub(in crate::config) setpoint_cap_m3s: Given<f64>,
    pub(in crate::config) meter: Given<String>,
    pub(in crate::config) guarantee_pct: Given<f64>,
    pub(in crate::config) warning: Given<RawFlowGrades>,
    pub(in crate::config) responsible: Given<RawResponsible>,
}
