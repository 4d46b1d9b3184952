//! State and counters of links and units, for the page and the metrics.

use std::time::Duration;

use serde::Serialize;

use super::engine::Counters;
use crate::points::{DeviceId, LinkId};

/// State of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Not tried yet.
    #[default]
    Starting,
    /// Connected and answering.
    Up,
    /// Accepts connections, has not answered since.
    Mute,
    /// Cannot be reached; tried again with growing pauses.
    Down,
}

/// State of one unit behind a link.
///
/// ```text
/// Ok ──failure──> Degraded ──3 in a row──> Down (one probe per pause)
///  ^────────────────── any reply ──────────────┘
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitState {
    /// Nothing heard yet.
    #[default]
    Starting,
    /// Answers.
    Ok,
    /// Missed one or two requests in a row.
    Degraded,
    /// Missed three or more: asked once per pause until it answers.
    Down,
}

/// One unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnitHealth {
    /// Which.
    pub device: DeviceId,
    /// State.
    pub state: UnitState,
    /// Requests missed in a row.
    pub failures: u32,
    /// Last reply, service time.
    pub last_reply: Option<Duration>,
}

/// One link.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinkHealth {
    /// Which.
    pub link: LinkId,
    /// State.
    pub state: LinkState,
    /// Since when, service time.
    pub since: Duration,
    /// Newest error, in words; kept after recovery.
    pub last_error: Option<String>,
    /// Counters of the connection.
    pub counters: Counters,
    /// Watchdog writes that were answered.
    pub watchdog_writes: u64,
    /// Scans left out because the link could not keep up.
    pub skipped: u64,
    /// Largest delay of a read behind its due time, service time.
    pub lag_max: Duration,
    /// Units, in file order.
    pub units: Vec<UnitHealth>,
}

impl LinkHealth {
    /// Before anything happened.
    pub(super) fn new(link: LinkId, devices: impl Iterator<Item = DeviceId>) -> Self {
        let unit = |device| UnitHealth { device, state: UnitState::Starting, failures: 0, last_reply: None };
        Self {
            link,
            state: LinkState::Starting,
            since: Duration::ZERO,
            last_error: None,
            counters: Counters::default(),
            watchdog_writes: 0,
            skipped: 0,
            lag_max: Duration::ZERO,
            units: devices.map(unit).collect(),
        }
    }

    pub(super) fn enter(&mut self, state: LinkState, at: Duration) {
        if self.state != state {
            self.state = state;
            self.since = at;
        }
    }

    pub(super) fn unit(&mut self, device: DeviceId) -> Option<&mut UnitHealth> {
        self.units.iter_mut().find(|unit| unit.device == device)
    }
}

/// Failures in a row after which a unit counts as down.
pub(super) const DOWN_AFTER: u32 = 3;

impl UnitHealth {
    pub(super) fn replied(&mut self, at: Duration) {
        self.failures = 0;
        self.state = UnitState::Ok;
        self.last_reply = Some(at);
    }

    pub(super) fn missed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.state = if self.failures >= DOWN_AFTER { UnitState::Down } else { UnitState::Degraded };
    }
}
