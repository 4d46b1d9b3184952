//! State and counters of links and units, for the page and the metrics.

use std::time::Duration;

use serde::Serialize;

use super::engine::Counters;
use crate::points::{ClassId, DeviceId, LinkId};

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

/// How far a link comes behind with the reads of one scan class: overload is seen here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Which.
    pub class: ClassId,
    /// Delay of the newest read behind its due time, service time.
    pub newest: Duration,
    /// Largest since the start.
    pub most: Duration,
    /// Reads left out because the one before came too late.
    pub skipped: u64,
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
    /// How far the reads of each scan class come behind; in the order of their first read.
    pub lags: Vec<Lag>,
    /// Units, in file order.
    pub units: Vec<UnitHealth>,
}

impl LinkHealth {
    /// Before anything happened.
    pub(super) fn new(link: LinkId, devices: impl Iterator<Item = DeviceId>) -> Self {
        let unit = |device| UnitHealth { device, state: UnitState::Starting, failures: 0, last_reply: None };
        let mut units: Vec<_> = devices.map(unit).collect();
        units.shrink_to_fit();
        Self {
            link,
            state: LinkState::Starting,
            since: Duration::ZERO,
            last_error: None,
            counters: Counters::default(),
            watchdog_writes: 0,
            lags: Vec::new(),
            units,
        }
    }

    pub(super) fn enter(&mut self, state: LinkState, at: Duration) {
        if self.state != state {
            self.state = state;
            self.since = at;
        }
    }

    /// Scans left out, of all classes.
    pub fn skipped(&self) -> u64 {
        self.lags.iter().map(|lag| lag.skipped).sum()
    }

    /// A device has answered at `at`.
    pub(super) fn replied(&mut self, device: DeviceId, at: Duration) {
        let Some(unit) = self.unit(device) else { return };
        if unit.state == UnitState::Down {
            tracing::info!(device = device.0, state = ?UnitState::Ok, "unit changed its state");
        }
        unit.replied(at);
    }

    /// A read of `class` came `lag` behind its due time, and `skipped` were left out after it.
    pub(super) fn lagged(&mut self, class: ClassId, lag: Duration, skipped: u64) {
        if let Some(known) = self.lags.iter_mut().find(|known| known.class == class) {
            known.newest = lag;
            known.most = known.most.max(lag);
            known.skipped += skipped;
        } else {
            self.lags.reserve_exact(1);
            self.lags.push(Lag { class, newest: lag, most: lag, skipped });
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
