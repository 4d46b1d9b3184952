//! Rating curves.

use serde::Deserialize;
use toml::value::Datetime;

use super::Given;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawRating {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) note_zh: Given<String>,
    pub(in crate::config) note_en: Given<String>,
    pub(in crate::config) flow: Given<String>,
    pub(in crate::config) level: Given<String>,
    pub(in crate::config) void_when: Given<Vec<Given<RawVoid>>>,
    pub(in crate::config) version: Given<Vec<Given<RawVersion>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawVoid {
    pub(in crate::config) from: Given<String>,
    pub(in crate::config) to: Given<String>,
    pub(in crate::config) why_zh: Given<String>,
    pub(in crate::config) why_en: Given<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawVersion {
    pub(in crate::config) valid_from: Given<Datetime>,
    pub(in crate::config) valid_to: Given<Datetime>,
    pub(in crate::config) uncertainty_pct: Given<f64>,
    pub(in crate::config) extrapolate_pct: Given<f64>,
    pub(in crate::config) segments: Given<Vec<Given<RawSegment>>>,
    pub(in crate::config) table_m_m3s: Given<Vec<[f64; 2]>>,
    pub(in crate::config) between: Given<RawBetween>,
    pub(in crate::config) h0_m: Given<f64>,
    pub(in crate::config) gaugings: Given<Vec<Given<RawGauging>>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawBetween {
    Linear,
    Log,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawSegment {
    pub(in crate::config) from_m: Given<f64>,
    pub(in crate::config) to_m: Given<f64>,
    pub(in crate::config) c: Given<f64>,
    pub(in crate::config) h0_m: Given<f64>,
    pub(in crate::config) beta: Given<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawGauging {
    pub(in crate::config) date: Given<Datetime>,
    pub(in crate::config) level_m: Given<f64>,
    pub(in crate::config) flow_m3s: Given<f64>,
    pub(in crate::config) uncertainty_pct: Given<f64>,
    pub(in crate::config) who: Given<String>,
}
