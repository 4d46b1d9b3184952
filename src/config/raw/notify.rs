//! Who is told of alarms, and how.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Given;
use crate::config::notify::{Language, Security};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawNotify {
    pub(in crate::config) on_bench: Given<bool>,
    pub(in crate::config) messages_per_hour: Given<u32>,
    pub(in crate::config) page: Given<String>,
}

/// Where a secret stands: one of the two.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawSecret {
    pub(in crate::config) file: Given<String>,
    pub(in crate::config) env: Given<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawMail {
    pub(in crate::config) host: Given<String>,
    pub(in crate::config) port: Given<u16>,
    pub(in crate::config) security: Given<Security>,
    pub(in crate::config) from: Given<String>,
    pub(in crate::config) user: Given<String>,
    pub(in crate::config) password: Given<RawSecret>,
    pub(in crate::config) ca: Given<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawReceiver {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) language: Given<Language>,
    pub(in crate::config) mail: Given<String>,
    pub(in crate::config) url: Given<String>,
    pub(in crate::config) url_from: Given<RawSecret>,
    pub(in crate::config) signature: Given<RawSecret>,
    pub(in crate::config) headers: Given<BTreeMap<String, Given<RawSecret>>>,
    pub(in crate::config) ca: Given<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawRoute {
    pub(in crate::config) priorities: Given<Vec<Given<u8>>>,
    pub(in crate::config) alarms: Given<Vec<Given<String>>>,
    pub(in crate::config) rivers: Given<Vec<Given<String>>>,
    pub(in crate::config) to: Given<Vec<Given<String>>>,
    pub(in crate::config) after_min: Given<f64>,
    pub(in crate::config) quiet_from: Given<String>,
    pub(in crate::config) quiet_to: Given<String>,
}
