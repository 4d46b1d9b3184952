//! Intakes, wetlands, transfers.

use serde::Deserialize;

use super::warning::RawLevelGrades;
use super::{Given, RawPlace, RawResponsible};
use crate::basin::Priority;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawIntake {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) from: Given<RawPlace>,
    pub(in crate::config) to: Given<RawPlace>,
    pub(in crate::config) max_rate_m3s: Given<f64>,
    pub(in crate::config) permit_m3_a: Given<f64>,
    pub(in crate::config) priority: Given<Priority>,
    pub(in crate::config) monthly_use_m3s: Given<Vec<f64>>,
    pub(in crate::config) by_turns: Given<bool>,
    pub(in crate::config) meter: Given<String>,
    pub(in crate::config) responsible: Given<RawResponsible>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawWetland {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) source: Given<RawPlace>,
    pub(in crate::config) inlets: Given<Vec<String>>,
    pub(in crate::config) returns_to: Given<RawPlace>,
    pub(in crate::config) survival_m3s: Given<f64>,
    pub(in crate::config) design_m3s: Given<f64>,
    pub(in crate::config) level_band_m: Given<[f64; 3]>,
    pub(in crate::config) floor_level_m: Given<f64>,
    pub(in crate::config) area_m2: Given<f64>,
    pub(in crate::config) consumption_mm_d: Given<f64>,
    pub(in crate::config) level_meter: Given<String>,
    pub(in crate::config) flow_meter: Given<String>,
    pub(in crate::config) warning: Given<RawLevelGrades>,
    pub(in crate::config) responsible: Given<RawResponsible>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawShare {
    pub(in crate::config) name_zh: String,
    pub(in crate::config) name_en: String,
    pub(in crate::config) rate_m3s: f64,
    pub(in crate::config) priority: Priority,
    pub(in crate::config) to: RawPlace,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawTransfer {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) head: Given<String>,
    pub(in crate::config) capacity_m3s: Given<f64>,
    pub(in crate::config) quota_m3_a: Given<f64>,
    pub(in crate::config) shares: Given<Vec<RawShare>>,
    pub(in crate::config) meter: Given<String>,
    pub(in crate::config) responsible: Given<RawResponsible>,
}
