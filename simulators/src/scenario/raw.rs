//! Scenario files as written: no logic.

use qindan::basin::Grade;
use qindan::control::operator::{Authority, Mode};
use serde::Deserialize;
use toml::value::Datetime;

use crate::inflow::csv::{OnBadRow, OnGap, OnNegative};
use crate::inflow::{OnEnd, Values};

/// Which table of the basin unmentioned inflows follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Year {
    /// The dry year's monthly means.
    Dry,
    /// The normal year's.
    Normal,
    /// A wet year: normal means times a factor.
    Wet,
}

/// Why a scenario is not run unless it is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tag {
    /// It takes long.
    Long,
    /// It asks for more than the dispatch of today does.
    Next,
}

/// The table `scenario`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScenario {
    pub(super) name_zh: String,
    pub(super) name_en: String,
    pub(super) purpose: String,
    pub(super) seed: u64,
    pub(super) start: Datetime,
    pub(super) duration: String,
    pub(super) spin_up: String,
    pub(super) year: Year,
    pub(super) config: Option<String>,
    pub(super) mode: Option<Mode>,
    #[serde(default)]
    pub(super) tags: Vec<Tag>,
}

impl RawScenario {
    /// In place of a head that is missing, so that the rest can be checked.
    pub(super) fn stand_in() -> Self {
        let nothing = String::new;
        Self {
            name_zh: nothing(),
            name_en: nothing(),
            purpose: nothing(),
            seed: 0,
            start: Datetime { date: None, time: None, offset: None },
            duration: nothing(),
            spin_up: nothing(),
            year: Year::Normal,
            config: None,
            mode: None,
            tags: Vec::new(),
        }
    }
}

/// A flow over time.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    pub(super) constant_m3s: Option<f64>,
    pub(super) monthly_m3s: Option<Vec<f64>>,
    pub(super) year: Option<Year>,
    pub(super) csv: Option<RawCsv>,
    pub(super) scale: Option<f64>,
    pub(super) shape: Option<RawCsv>,
    pub(super) daily: Option<Vec<f64>>,
    #[serde(default)]
    pub(super) recession: Vec<RawRecession>,
    #[serde(default)]
    pub(super) snow_melt: Vec<RawMelt>,
    pub(super) drought: Option<RawDrought>,
    #[serde(default)]
    pub(super) flood: Vec<RawFlood>,
    pub(super) storms: Option<RawStorms>,
    #[serde(default)]
    pub(super) hydropeaking: Vec<RawPeaking>,
    pub(super) noise: Option<RawNoise>,
}

/// Water that runs out of a store.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRecession {
    pub(super) begin: Option<toml::Value>,
    pub(super) flow_m3s: f64,
    pub(super) constant_d: f64,
}

/// Snow melt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMelt {
    pub(super) begin: toml::Value,
    pub(super) end: toml::Value,
    pub(super) peak_m3s: f64,
    pub(super) daily_share: f64,
    pub(super) top_h: f64,
}

/// A drought.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDrought {
    pub(super) begin: toml::Value,
    pub(super) end: toml::Value,
    pub(super) to_share: f64,
}

/// Storms at random.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStorms {
    pub(super) interval_d: f64,
    pub(super) peak_m3s: f64,
    pub(super) to_peak_h: f64,
    pub(super) stream: Option<String>,
}

/// Days of the week, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawDay {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// A station upstream that follows demand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPeaking {
    pub(super) blocks_h: Vec<[f64; 2]>,
    pub(super) on_m3s: f64,
    pub(super) off_m3s: f64,
    pub(super) ramp_h: f64,
    pub(super) days: Option<Vec<RawDay>>,
}

/// Noise with a memory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNoise {
    pub(super) share: Option<f64>,
    pub(super) deviation_m3s: Option<f64>,
    pub(super) correlation_h: f64,
    pub(super) stream: Option<String>,
}

/// A record in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCsv {
    pub(super) file: String,
    pub(super) column: Option<String>,
    pub(super) values: Values,
    pub(super) scale: Option<f64>,
    pub(super) offset_m3s: Option<f64>,
    pub(super) from: Option<Datetime>,
    pub(super) to: Option<Datetime>,
    pub(super) at: Option<Datetime>,
    pub(super) on_gap: Option<OnGap>,
    pub(super) on_negative: Option<OnNegative>,
    pub(super) on_bad_row: Option<OnBadRow>,
    pub(super) on_end: Option<OnEnd>,
}

/// A flood wave.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFlood {
    pub(super) begin: toml::Value,
    pub(super) peak_m3s: f64,
    pub(super) to_peak_h: f64,
}

/// An entry of `intake`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIntake {
    pub(super) flow: Option<RawSource>,
    pub(super) turns: Option<Vec<RawTurn>>,
}

/// A turn of an intake: what happens, and what was announced of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTurn {
    pub(super) from: toml::Value,
    pub(super) to: toml::Value,
    pub(super) rate_m3s: f64,
    pub(super) announced: Option<bool>,
    pub(super) announced_from: Option<toml::Value>,
    pub(super) announced_to: Option<toml::Value>,
    pub(super) announced_rate_m3s: Option<f64>,
}

/// An entry of `lateral`: water nobody meters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLateral {
    pub(super) node: Option<String>,
    pub(super) reach: Option<String>,
    pub(super) km: Option<f64>,
    pub(super) loss: Option<bool>,
    pub(super) flow: RawSource,
}

/// An entry of `reservoir`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawReservoir {
    pub(super) level_m: f64,
}

/// The table `loss`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLoss {
    pub(super) extra_per_km: f64,
}

/// An entry of `forecast`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawForecast {
    pub(super) target: String,
    pub(super) file: Option<String>,
    pub(super) at: Option<Datetime>,
    pub(super) every: Option<String>,
    pub(super) horizon: Option<String>,
    pub(super) step: Option<String>,
    pub(super) valid_for: Option<String>,
    pub(super) members: Option<usize>,
    pub(super) bias: Option<f64>,
    pub(super) lag_h: Option<f64>,
    pub(super) noise: Option<RawBlur>,
    pub(super) stale_after: Option<String>,
}

/// Noise of a forecast.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBlur {
    pub(super) share: f64,
    pub(super) correlation_h: f64,
    pub(super) stream: Option<String>,
}

/// What an operator does, in an entry of `event`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum RawAct {
    HoldAll {},
    ReleaseHold {},
    SetMode {
        mode: Mode,
    },
    SetAuthority {
        gate: String,
        authority: Authority,
    },
    SetPoint {
        gate: String,
        opening: f64,
        reason: String,
    },
    StopGate {
        gate: String,
    },
    Acknowledge {
        alarm: String,
    },
    Accept {
        gate: String,
    },
    AskTicket {
        gate: String,
        minutes: u32,
        reason: String,
        permit: RawPermit,
        number: Option<String>,
        giver: Option<String>,
        flow_m3s: Option<f64>,
    },
    SignTicket {
        gate: String,
    },
    EndTicket {
        gate: String,
    },
    IssueWarning {
        element: String,
        grade: Grade,
        cause: String,
        measure: String,
    },
    CancelWarning {
        element: String,
        reason: String,
    },
    OpenIncident {
        reach: String,
        km: f64,
        happened: toml::Value,
        lasts_min: u32,
        what: String,
        mass_kg: Option<f64>,
        limit_mg_l: Option<f64>,
    },
    CloseIncident {
        reach: String,
        reason: String,
    },
}

/// What a ticket is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawPermit {
    Season,
    Order,
    Starts,
    Hold,
    Dilute,
}

/// A condition, in an entry of `event`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCondition {
    pub(super) section: Option<String>,
    pub(super) node: Option<String>,
    pub(super) reservoir: Option<String>,
    pub(super) wetland: Option<String>,
    pub(super) inflow: Option<String>,
    pub(super) intake: Option<String>,
    pub(super) gate: Option<String>,
    pub(super) above_m3s: Option<f64>,
    pub(super) below_m3s: Option<f64>,
    pub(super) above_m: Option<f64>,
    pub(super) below_m: Option<f64>,
    pub(super) above_pct: Option<f64>,
    pub(super) below_pct: Option<f64>,
    #[serde(rename = "for")]
    pub(super) hold: Option<String>,
    pub(super) from: Option<toml::Value>,
}

/// The table `expect`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawExpect {
    pub(super) kept: Vec<String>,
    pub(super) undercut: Vec<String>,
    pub(super) raised: Vec<String>,
    pub(super) never_raised: Vec<String>,
    pub(super) happened: Vec<String>,
    pub(super) never_happened: Vec<String>,
    pub(super) accepted: Vec<String>,
    pub(super) refused: Vec<String>,
    pub(super) in_order: bool,
}
