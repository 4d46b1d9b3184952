//! Thresholds of warnings.

use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawFlowGrades {
    pub(in crate::config) blue_within_h: Option<f64>,
    pub(in crate::config) yellow_within_h: Option<f64>,
    pub(in crate::config) orange_below_pct: Option<f64>,
    pub(in crate::config) red_below_pct: Option<f64>,
    pub(in crate::config) red_day_below_pct: Option<f64>,
    pub(in crate::config) band_pct: Option<f64>,
    pub(in crate::config) raise_s: Option<f64>,
    pub(in crate::config) clear_s: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawLevelGrades {
    pub(in crate::config) below_pct: Option<[f64; 4]>,
    pub(in crate::config) band_m: Option<f64>,
    pub(in crate::config) raise_s: Option<f64>,
    pub(in crate::config) clear_s: Option<f64>,
}
