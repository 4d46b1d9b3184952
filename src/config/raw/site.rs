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

/// A line of the calendar: the columns of a row, with their types.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawEntry {
    pub(in crate::config) name: Given<String>,
    pub(in crate::config) kind: Given<String>,
    pub(in crate::config) gate: Given<String>,
    pub(in crate::config) section: Given<String>,
    pub(in crate::config) opening_pct: Given<f64>,
    pub(in crate::config) flow_m3s: Given<f64>,
    pub(in crate::config) level_m: Given<f64>,
    pub(in crate::config) floor_m3s: Given<f64>,
    pub(in crate::config) from: Given<toml::value::Datetime>,
    pub(in crate::config) to: Given<toml::value::Datetime>,
    pub(in crate::config) days: Given<String>,
    pub(in crate::config) begin: Given<String>,
    pub(in crate::config) end: Given<String>,
    pub(in crate::config) season_from: Given<String>,
    pub(in crate::config) season_to: Given<String>,
    pub(in crate::config) valid_from: Given<toml::value::Datetime>,
    pub(in crate::config) valid_to: Given<toml::value::Datetime>,
    pub(in crate::config) if_missed: Given<String>,
    pub(in crate::config) order_number: Given<String>,
    pub(in crate::config) order_giver: Given<String>,
    pub(in crate::config) order_receiver: Given<String>,
    pub(in crate::config) order_given: Given<toml::value::Datetime>,
    pub(in crate::config) order_basis: Given<String>,
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
