//! Numbers of the control loops.

use serde::Deserialize;

use super::Given;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawRamp {
    pub(in crate::config) change_m3s: f64,
    pub(in crate::config) within_s: f64,
    pub(in crate::config) below_m3s: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawMargin {
    pub(in crate::config) least_m3s: f64,
    pub(in crate::config) class_share_pct: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawControl {
    pub(in crate::config) tick_s: Given<f64>,
    pub(in crate::config) cycle_s: Given<f64>,
    pub(in crate::config) dead_band_m3s: Given<f64>,
    pub(in crate::config) min_action_m3s: Given<f64>,
    pub(in crate::config) min_interval_s: Given<f64>,
    pub(in crate::config) ramp_up: Given<RawRamp>,
    pub(in crate::config) ramp_down: Given<RawRamp>,
    pub(in crate::config) siren_above_m3s: Given<f64>,
    pub(in crate::config) margin: Given<RawMargin>,
    pub(in crate::config) loss_filter_s: Given<f64>,
    pub(in crate::config) tributary_decay_s: Given<f64>,
    pub(in crate::config) tributary_window_s: Given<f64>,
    pub(in crate::config) field_lost_s: Given<f64>,
    pub(in crate::config) safe_constant_m3s: Given<Vec<f64>>,
    pub(in crate::config) flood_level_margin_m: Given<f64>,
    pub(in crate::config) flood_inflow_m3s: Given<f64>,
    pub(in crate::config) drift_pct: Given<f64>,
    pub(in crate::config) follow_plan: Option<bool>,
}
