//! Who issues the reports, the rules they judge by, and filings.

use serde::Deserialize;
use toml::value::Datetime;

use super::Given;
use crate::config::reports::Exemption;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawRule {
    pub(in crate::config) valid_from: Given<Datetime>,
    pub(in crate::config) hour_valid_pct: Given<f64>,
    pub(in crate::config) day_valid_pct: Given<f64>,
    pub(in crate::config) tolerance_m3s: Given<f64>,
    pub(in crate::config) episode_h: Given<f64>,
    pub(in crate::config) exempt_pct: Given<f64>,
    pub(in crate::config) filing_within_h: Given<f64>,
    pub(in crate::config) exemptions: Given<Vec<Given<Exemption>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawFiling {
    pub(in crate::config) sections: Given<Vec<Given<String>>>,
    pub(in crate::config) kind: Given<Exemption>,
    pub(in crate::config) from: Given<Datetime>,
    pub(in crate::config) to: Given<Datetime>,
    pub(in crate::config) filed: Given<Datetime>,
    pub(in crate::config) document: Given<String>,
    pub(in crate::config) approved_by: Given<String>,
    pub(in crate::config) reason_zh: Given<String>,
    pub(in crate::config) reason_en: Given<String>,
}
