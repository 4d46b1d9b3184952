//! The basin as a whole, its calendar, and the settings of the service.

use serde::Deserialize;

use super::Given;
use crate::control::operator::Mode;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawSite {
    pub(in crate::config) id: Given<String>,
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) zone: Given<String>,
}

/// A river or a responsible office: only a name.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawNamed {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawSeason {
    pub(in crate::config) from: Given<String>,
    pub(in crate::config) to: Given<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawTurn {
    pub(in crate::config) intake: Given<String>,
    pub(in crate::config) from: Given<toml::value::Datetime>,
    pub(in crate::config) to: Given<toml::value::Datetime>,
    pub(in crate::config) rate_m3s: Given<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawGateEntry {
    pub(in crate::config) gate: Given<String>,
    pub(in crate::config) from: Given<toml::value::Datetime>,
    pub(in crate::config) to: Given<toml::value::Datetime>,
    pub(in crate::config) opening_pct: Given<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawService {
    pub(in crate::config) listen: Given<String>,
    pub(in crate::config) bench: Given<bool>,
    pub(in crate::config) history_days: Given<u32>,
    pub(in crate::config) minutes_days: Given<u32>,
    pub(in crate::config) hours_days: Given<u32>,
    pub(in crate::config) history_mb: Given<u32>,
    pub(in crate::config) snapshot_days: Given<u32>,
    pub(in crate::config) snapshot_mb: Given<u32>,
    pub(in crate::config) free_mb: Given<u32>,
    pub(in crate::config) start_mode: Given<Mode>,
    pub(in crate::config) forecast_folder: Given<String>,
    pub(in crate::config) backup_folder: Given<String>,
    pub(in crate::config) bulletin_days: Given<u32>,
    pub(in crate::config) bulletin_after_min: Given<u32>,
    pub(in crate::config) names: Given<Vec<String>>,
    pub(in crate::config) tls: Given<RawTls>,
    pub(in crate::config) open_view: Given<bool>,
    pub(in crate::config) session_idle_h: Given<u32>,
    pub(in crate::config) session_days: Given<u32>,
}

/// Where the certificate of the page comes from.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawTls {
    pub(in crate::config) certificate: Given<String>,
    pub(in crate::config) key: Given<String>,
    pub(in crate::config) generate: Given<bool>,
}
