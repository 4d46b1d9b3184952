//! Gates, fixed openings, power stations.

use serde::Deserialize;

use super::{Given, RawPlace, RawResponsible};
use crate::basin::{Actuation, Duty, StationClass, StrokeUnit};

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawGateKind {
    Radial,
    Plane,
    Valve,
    Flap,
    Turbine,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawStroke {
    pub(in crate::config) unit: StrokeUnit,
    pub(in crate::config) shut_at: f64,
    pub(in crate::config) open_at: f64,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawSafeAction {
    Hold,
    Shut,
    Open,
    Goto,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawLock {
    pub(in crate::config) signatures: u8,
    pub(in crate::config) max_minutes: u32,
    pub(in crate::config) notify: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawGate {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) kind: Given<RawGateKind>,
    pub(in crate::config) width_m: Given<f64>,
    pub(in crate::config) height_m: Given<f64>,
    pub(in crate::config) bore_m: Given<f64>,
    pub(in crate::config) cd_full: Given<f64>,
    pub(in crate::config) leaf_m: Given<f64>,
    pub(in crate::config) raised_deg: Given<f64>,
    pub(in crate::config) rated_m3s: Given<f64>,
    pub(in crate::config) rated_head_m: Given<f64>,
    pub(in crate::config) minimum_m3s: Given<f64>,
    pub(in crate::config) power_kw: Given<f64>,
    pub(in crate::config) actuation: Given<Actuation>,
    pub(in crate::config) duty: Given<Duty>,
    pub(in crate::config) from: Given<RawPlace>,
    pub(in crate::config) to: Given<RawPlace>,
    pub(in crate::config) sill_m: Given<f64>,
    pub(in crate::config) outlet_level_m: Given<f64>,
    pub(in crate::config) stroke: Given<RawStroke>,
    pub(in crate::config) stroke_s: Given<f64>,
    pub(in crate::config) lowest_pct: Given<f64>,
    pub(in crate::config) highest_pct: Given<f64>,
    pub(in crate::config) initial_pct: Given<f64>,
    pub(in crate::config) min_step_pct: Given<f64>,
    pub(in crate::config) tolerance_pct: Given<f64>,
    pub(in crate::config) max_starts_per_hour: Given<u32>,
    pub(in crate::config) reversal_pause_s: Given<f64>,
    pub(in crate::config) automatic: Given<bool>,
    pub(in crate::config) on_link_loss: Given<RawSafeAction>,
    pub(in crate::config) on_link_loss_pct: Given<f64>,
    pub(in crate::config) lock: Given<RawLock>,
    pub(in crate::config) flow_meter: Given<String>,
    pub(in crate::config) responsible: Given<RawResponsible>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawFixedKind {
    Orifice,
    Crest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawFixedOpening {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) kind: Given<RawFixedKind>,
    pub(in crate::config) bore_m: Given<f64>,
    pub(in crate::config) cd: Given<f64>,
    pub(in crate::config) width_m: Given<f64>,
    pub(in crate::config) coefficient: Given<f64>,
    pub(in crate::config) from: Given<String>,
    pub(in crate::config) to: Given<RawPlace>,
    pub(in crate::config) sill_m: Given<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawStation {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) turbines: Given<Vec<String>>,
    pub(in crate::config) class: Given<StationClass>,
    pub(in crate::config) weir_toe: Given<String>,
    pub(in crate::config) min_release_m3s: Given<f64>,
    pub(in crate::config) stop_below_m3s: Given<f64>,
    pub(in crate::config) pond: Given<String>,
    pub(in crate::config) responsible: Given<RawResponsible>,
}
