//! Links, devices, register layouts, wiring.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Given;
use crate::points::{ByteOrder, DataType, Parity, Role, Table, WatchdogReturn, Writes};

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawTransport {
    Tcp,
    Tls,
    Rtu,
    RtuOverTcp,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawLink {
    pub(in crate::config) transport: Given<RawTransport>,
    pub(in crate::config) address: Given<String>,
    pub(in crate::config) path: Given<String>,
    pub(in crate::config) baud: Given<u32>,
    pub(in crate::config) parity: Given<Parity>,
    pub(in crate::config) stop_bits: Given<u8>,
    pub(in crate::config) local_echo: Given<bool>,
    pub(in crate::config) plain_wire: Given<bool>,
    pub(in crate::config) quarantine_s: Given<f64>,
    pub(in crate::config) tls_name: Given<String>,
    pub(in crate::config) tls_ca: Given<String>,
    pub(in crate::config) tls_cert: Given<String>,
    pub(in crate::config) tls_key: Given<String>,
    pub(in crate::config) timeout_s: Given<f64>,
    pub(in crate::config) connect_timeout_s: Given<f64>,
    pub(in crate::config) window: Given<u8>,
    pub(in crate::config) gap_s: Given<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawDevice {
    pub(in crate::config) name_zh: Given<String>,
    pub(in crate::config) name_en: Given<String>,
    pub(in crate::config) link: Given<String>,
    /// What is different at this unit, by name of the point, in whatever layout has it.
    pub(in crate::config) r#override: Given<BTreeMap<String, Given<RawPoint>>>,
    pub(in crate::config) unit: Given<u8>,
    pub(in crate::config) max_block: Given<u16>,
    pub(in crate::config) max_gap: Given<u16>,
    pub(in crate::config) writes: Given<Writes>,
    pub(in crate::config) accept_unit_ids: Given<Vec<u8>>,
    pub(in crate::config) boundary: Given<u16>,
    pub(in crate::config) forbidden: Given<BTreeMap<Table, Vec<[u16; 2]>>>,
    pub(in crate::config) identity: Given<RawIdentity>,
    pub(in crate::config) watchdog_s: Given<f64>,
    pub(in crate::config) watchdog_return: Given<WatchdogReturn>,
}

/// Fixed words of registers, or texts of the device identification.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawIdentity {
    pub(in crate::config) table: Option<Table>,
    pub(in crate::config) address: Option<u16>,
    pub(in crate::config) words: Option<Vec<u16>>,
    pub(in crate::config) vendor: Option<String>,
    pub(in crate::config) product: Option<String>,
    pub(in crate::config) revision: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawClass {
    pub(in crate::config) period_s: Given<f64>,
    pub(in crate::config) stale_s: Given<f64>,
}

/// A point of a layout, or what a device or an instance overrides of it: absent keys are taken from the layout.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawPoint {
    pub(in crate::config) role: Option<Role>,
    pub(in crate::config) table: Option<Table>,
    pub(in crate::config) address: Option<u16>,
    pub(in crate::config) r#type: Option<DataType>,
    pub(in crate::config) order: Option<ByteOrder>,
    pub(in crate::config) bit: Option<u8>,
    pub(in crate::config) scale: Option<f64>,
    pub(in crate::config) offset: Option<f64>,
    pub(in crate::config) above_sill: Option<bool>,
    pub(in crate::config) sentinels: Option<Vec<f64>>,
    pub(in crate::config) min: Option<f64>,
    pub(in crate::config) max: Option<f64>,
    pub(in crate::config) unit: Option<String>,
    pub(in crate::config) class: Option<String>,
    pub(in crate::config) written_only: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawLayout {
    pub(in crate::config) about: Given<String>,
    pub(in crate::config) points: Given<BTreeMap<String, Given<RawPoint>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawWire {
    pub(in crate::config) device: Given<String>,
    pub(in crate::config) layout: Given<String>,
    pub(in crate::config) base: Given<u16>,
    pub(in crate::config) class: Given<String>,
    pub(in crate::config) r#override: Given<BTreeMap<String, Given<RawPoint>>>,
}

/// A point on its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawSinglePoint {
    pub(in crate::config) device: Given<String>,
    pub(in crate::config) element: Given<String>,
    pub(in crate::config) role: Given<String>,
    pub(in crate::config) register: Given<RawPoint>,
}
