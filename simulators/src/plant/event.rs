//! Faults and people on site: what happens to the plant beside the weather of its scenario.

use qindan::points::ByteOrder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mechanics::{End, Side, Switch};

/// One thing that happens. Elements are named as in the configuration; scenario files and the fault control of
/// `serve` read the same form, as `{"event": "trip", "gate": "zf.hp.u1"}`.
///
/// How meters fail, and what their registers show then; `meter_normal` puts all of it right:
///
/// | failure | event | registers |
/// | --- | --- | --- |
/// | frozen, its time stamp fresh | `meter_frozen` | the last value, or the last "no value", at every poll |
/// | stuck | `meter_stuck` | this value while there is anything to measure |
/// | step | `meter_bias` | `truth · factor + add`; "no value" outside the range of the meter |
/// | drift | `meter_drift` | a growing share beside the truth |
/// | spikes | `meter_spike` | the truth, and now and then `add` beside it |
/// | noise | `meter_noise` | another value every second |
/// | another unit | `meter_unit` | the number times `factor`, whatever the range: m³/h where m³/s are declared |
/// | word order | `meter_word_order` | the bytes of the number in another order |
/// | reversed sign | `meter_reversed` | the number with the other sign; zero where the type has none |
/// | totaliser set back or about to wrap | `meter_total` | the counter from there on; it wraps at the width of its type |
/// | 0 in place of "no data" | `meter_zero` | raw zero where the pattern would stand |
/// | time offset | `meter_late` | what was measured `by_s` ago |
/// | failed, dry, no echo | `meter_sentinel` | the "no value" pattern of its point; without one the end of its range |
/// | wind and rain on a radar | `meter_weather` | a drifting surface, scatter; "no value" below its least velocity |
/// | ice | `meter_ice` | level-derived flow too high, a radar without a value |
/// | weed | `meter_weed` | level-derived flow too high by the roughness |
/// | backwater | `meter_backwater` | free-flow equation of weir and flume: too much |
/// | air in a pipe | `meter_air` | too much; above 0.3 a transit-time meter shows "no value" |
/// | lost frames | `lossy` | silence to a share of the requests |
/// | duplicate address | `shared_unit` | now one, now the other device; on a serial line their replies collide |
/// | no answer | `unplug`, `cut_link` | silence, or exception 0x0B of the gateway |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A unit trips: shut within 8 s, and shut it stays until reset.
    Trip {
        /// The unit.
        gate: String,
    },
    /// Somebody resets the unit; it stays shut until commanded.
    ResetTrip {
        /// The unit.
        gate: String,
    },
    /// The drive seizes; the next movement ends in an overload.
    Stick {
        /// The gate.
        gate: String,
    },
    /// The drive is freed and its fault reset.
    Free {
        /// The gate.
        gate: String,
    },
    /// The key is turned to local.
    Local {
        /// The gate.
        gate: String,
    },
    /// The key is turned to remote.
    Remote {
        /// The gate.
        gate: String,
    },
    /// The emergency stop is pressed or released.
    Estop {
        /// The gate.
        gate: String,
        /// Pressed.
        on: bool,
    },
    /// Somebody on site moves the gate, whatever the key says.
    MoveOnSite {
        /// The gate.
        gate: String,
        /// Opening it goes to, 0..=1.
        opening: f64,
    },
    /// Another master writes the target of a gate.
    ForeignTarget {
        /// The gate.
        gate: String,
        /// Opening it asks for, 0..=1.
        opening: f64,
    },
    /// The gate's box restarts: it stops, and its set point is the one it starts with. It goes there at the next "go".
    Restart {
        /// The gate.
        gate: String,
        /// Set point it starts with, 0..=1.
        opening: f64,
    },
    /// Another master writes the target of a gate again and again, until it is gone.
    SecondMaster {
        /// The gate.
        gate: String,
        /// Opening it asks for, 0..=1.
        opening: f64,
        /// Time between two of its writes, s.
        #[serde(default = "two_minutes")]
        every_s: f64,
    },
    /// The other master of a gate is gone.
    SecondMasterGone {
        /// The gate.
        gate: String,
    },
    /// Gear and guides of a drive have other sizes; what is not given is as built, so that the event without sizes puts
    /// it right.
    Wear {
        /// The gate.
        gate: String,
        /// Lost motion on a reversal, strokes: 0.0005 to 0.001 as built, worn screws ten times that.
        backlash: Option<f64>,
        /// Force that breaks the leaf loose, share of what the motor gives: above 1 it stalls.
        breakaway: Option<f64>,
        /// Time until it is loose, s.
        breakaway_s: Option<f64>,
        /// Where its position meter sits.
        meter_on: Option<Side>,
    },
    /// A limit switch fails, or is mended.
    LimitSwitch {
        /// The gate.
        gate: String,
        /// Which.
        end: End,
        /// What it does.
        #[serde(default)]
        state: Switch,
    },
    /// The position meter of a gate stays where it is, and the box goes by it.
    PositionFrozen {
        /// The gate.
        gate: String,
    },
    /// The position meter shows too much, and the box goes by it.
    PositionOffset {
        /// The gate.
        gate: String,
        /// Strokes.
        by: f64,
    },
    /// The position meter is unsteady.
    PositionNoise {
        /// The gate.
        gate: String,
        /// Standard deviation, strokes.
        deviation: f64,
    },
    /// The position meter is sound again.
    PositionNormal {
        /// The gate.
        gate: String,
    },
    /// A meter goes on showing its last value.
    MeterFrozen {
        /// The meter.
        meter: String,
    },
    /// A meter shows `truth · factor + add`.
    MeterBias {
        /// The meter.
        meter: String,
        /// Added, in its unit.
        #[serde(default)]
        add: f64,
        /// Multiplied.
        #[serde(default = "one")]
        factor: f64,
    },
    /// A meter drifts away from now on.
    MeterDrift {
        /// The meter.
        meter: String,
        /// Share of the value per day, as 0.005.
        per_day: f64,
    },
    /// A meter shows one value whatever it measures.
    MeterStuck {
        /// The meter.
        meter: String,
        /// In its unit.
        value: f64,
    },
    /// A meter jumps now and then.
    MeterSpike {
        /// The meter.
        meter: String,
        /// Added then, in its unit.
        add: f64,
        /// Time from one to the next, s, beginning now.
        every_s: f64,
        /// How long one lasts, s.
        for_s: f64,
    },
    /// A meter is unsteady beyond its class.
    MeterNoise {
        /// The meter.
        meter: String,
        /// Standard deviation in its unit.
        deviation: f64,
    },
    /// The device of a meter shows another unit than it declares.
    MeterUnit {
        /// The meter.
        meter: String,
        /// What the number is multiplied by; 3600 for m³/h in place of m³/s.
        #[serde(default = "hour")]
        factor: f64,
    },
    /// The device of a meter sends the bytes of its number in another order.
    MeterWordOrder {
        /// The meter.
        meter: String,
        /// The order: ABCD, CDAB, BADC or DCBA.
        #[schemars(with = "String")]
        order: ByteOrder,
    },
    /// A meter is wired the wrong way round: its sign is reversed.
    MeterReversed {
        /// The meter.
        meter: String,
    },
    /// The totaliser of a meter stands at this, as after a reset (0) or shortly before it wraps.
    MeterTotal {
        /// The meter.
        meter: String,
        /// Counted water, m³.
        m3: f64,
    },
    /// The device of a meter puts 0 where it has no value.
    MeterZero {
        /// The meter.
        meter: String,
    },
    /// A meter tells late what it measured.
    MeterLate {
        /// The meter.
        meter: String,
        /// By so much, s.
        by_s: f64,
    },
    /// Wind and rain at a meter; both zero is calm.
    MeterWeather {
        /// The meter.
        meter: String,
        /// Wind along the river, m/s, positive downstream.
        #[serde(default)]
        wind_ms: f64,
        /// Rain, mm/h.
        #[serde(default)]
        rain_mm_h: f64,
    },
    /// Ice at a meter: the level stands higher for the same flow; zero is none.
    MeterIce {
        /// The meter.
        meter: String,
        /// Rise of the level, m.
        rise_m: f64,
    },
    /// Weed at a meter; zero is none.
    MeterWeed {
        /// The meter.
        meter: String,
        /// The bed is rougher by this share, as 0.2.
        share: f64,
    },
    /// Backwater on the crest or flume of a meter; zero is none.
    MeterBackwater {
        /// The meter.
        meter: String,
        /// Tailwater over headwater, both above the crest, 0 to 0.95.
        submergence: f64,
    },
    /// Air in the pipe of a meter; zero is none.
    MeterAir {
        /// The meter.
        meter: String,
        /// Share of the cross-section, 0 to 0.9.
        share: f64,
    },
    /// A meter shows its "no value" pattern (or, where its point declares none, the end of its range).
    MeterSentinel {
        /// The meter.
        meter: String,
    },
    /// A meter is sound again.
    MeterNormal {
        /// The meter.
        meter: String,
    },
    /// A device no longer answers.
    Unplug {
        /// The device.
        device: String,
        /// Silence instead of exception 0x0B from its gateway.
        #[serde(default)]
        silent: bool,
    },
    /// A device answers again.
    Plug {
        /// The device.
        device: String,
    },
    /// A link is cut: its connections close and new ones are closed at once.
    CutLink {
        /// The link.
        link: String,
    },
    /// A cut link is mended.
    MendLink {
        /// The link.
        link: String,
    },
    /// The line of a device loses a share of the requests to it; 0 loses none.
    Lossy {
        /// The device.
        device: String,
        /// 0 to 1.
        share: f64,
    },
    /// Another device of the same link bears the unit number of this one too.
    SharedUnit {
        /// The device.
        device: String,
        /// The other.
        with: String,
    },
    /// The other device has a number of its own again.
    OwnUnit {
        /// The device.
        device: String,
    },
    /// All natural inflows are multiplied from now on, as in a drought; 1 is as the scenario has them.
    Inflows {
        /// Factor, ≥ 0.
        factor: f64,
        /// Time over which they go there, h.
        #[serde(default)]
        over_h: f64,
    },
    /// A flood wave comes down an inflow.
    Wave {
        /// The inflow.
        inflow: String,
        /// Added at the peak, m³/s.
        peak_m3s: f64,
        /// Time to the peak, h.
        to_peak_h: f64,
    },
    /// No more of any wave comes; what is in the river flows on.
    Ebb {},
    /// A pond station follows demand for power instead of the river: stores to its normal level, then runs
    /// at full load down to its lowest.
    Peaking {
        /// The station.
        station: String,
        /// From now on, or no longer.
        on: bool,
    },
}

impl Event {
    /// The gate it is about.
    pub fn gate(&self) -> Option<&str> {
        match self {
            Self::Trip { gate, .. }
            | Self::ResetTrip { gate, .. }
            | Self::Stick { gate, .. }
            | Self::Free { gate, .. }
            | Self::Local { gate, .. }
            | Self::Remote { gate, .. }
            | Self::Estop { gate, .. }
            | Self::MoveOnSite { gate, .. }
            | Self::ForeignTarget { gate, .. }
            | Self::Restart { gate, .. }
            | Self::SecondMaster { gate, .. }
            | Self::SecondMasterGone { gate, .. }
            | Self::Wear { gate, .. }
            | Self::LimitSwitch { gate, .. }
            | Self::PositionFrozen { gate, .. }
            | Self::PositionOffset { gate, .. }
            | Self::PositionNoise { gate, .. }
            | Self::PositionNormal { gate, .. } => Some(gate),
            Self::MeterFrozen { .. }
            | Self::MeterBias { .. }
            | Self::MeterDrift { .. }
            | Self::MeterStuck { .. }
            | Self::MeterSpike { .. }
            | Self::MeterNoise { .. }
            | Self::MeterUnit { .. }
            | Self::MeterWordOrder { .. }
            | Self::MeterReversed { .. }
            | Self::MeterTotal { .. }
            | Self::MeterZero { .. }
            | Self::MeterLate { .. }
            | Self::MeterWeather { .. }
            | Self::MeterIce { .. }
            | Self::MeterWeed { .. }
            | Self::MeterBackwater { .. }
            | Self::MeterAir { .. }
            | Self::MeterSentinel { .. }
            | Self::MeterNormal { .. }
            | Self::Unplug { .. }
            | Self::Plug { .. }
            | Self::CutLink { .. }
            | Self::MendLink { .. }
            | Self::Lossy { .. }
            | Self::SharedUnit { .. }
            | Self::OwnUnit { .. }
            | Self::Inflows { .. }
            | Self::Wave { .. }
            | Self::Ebb { .. }
            | Self::Peaking { .. } => None,
        }
    }
}

fn one() -> f64 {
    1.0
}

fn hour() -> f64 {
    3600.0
}

fn two_minutes() -> f64 {
    120.0
}

/// An event that cannot be: a name the configuration does not have, or a size that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// A name.
    #[error(transparent)]
    Unknown(#[from] UnknownElement),
    /// A size.
    #[error("event {event}: {key} is {given}; give {remedy}")]
    Size {
        /// The event.
        event: &'static str,
        /// Its key.
        key: &'static str,
        /// What was given.
        given: String,
        /// What may be.
        remedy: &'static str,
    },
}

/// An event names something the configuration does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event for {kind} `{id}`: the configuration has no such {kind}; it has {known}")]
pub struct UnknownElement {
    /// What kind of element.
    pub kind: &'static str,
    /// The name in the event.
    pub id: String,
    /// What there is, by name.
    pub known: String,
}

/// Position of `id` among `ids`.
pub(crate) fn find<'a>(
    kind: &'static str,
    id: &str,
    ids: impl Iterator<Item = &'a str> + Clone,
) -> Result<usize, UnknownElement> {
    ids.clone().position(|known| known == id).ok_or_else(|| UnknownElement {
        kind,
        id: id.into(),
        known: ids.collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_as_scenario_files_write_them() {
        let read = |text: &str| serde_json::from_str::<Event>(text).unwrap();
        assert_eq!(read(r#"{"event": "trip", "gate": "zf.hp.u1"}"#), Event::Trip { gate: "zf.hp.u1".into() });
        assert_eq!(
            read(r#"{"event": "meter_bias", "meter": "q.runcheng", "factor": 1.05}"#),
            Event::MeterBias { meter: "q.runcheng".into(), add: 0.0, factor: 1.05 }
        );
        let toml: Event = toml::from_str("event = \"estop\"\ngate = \"v1\"\non = true").unwrap();
        assert_eq!(toml, Event::Estop { gate: "v1".into(), on: true });
        assert!(serde_json::from_str::<Event>(r#"{"event": "trip", "gate": "v1", "at": 3}"#).is_err());
    }

    #[test]
    fn what_is_not_given_is_as_usual() {
        let read = |text: &str| toml::from_str::<Event>(text).unwrap();
        let (gate, meter) = (String::from("v1"), String::from("m"));
        assert_eq!(
            read("event = \"wear\"\ngate = \"v1\"\nmeter_on = \"leaf\""),
            Event::Wear {
                gate: gate.clone(),
                backlash: None,
                breakaway: None,
                breakaway_s: None,
                meter_on: Some(Side::Leaf)
            }
        );
        assert_eq!(
            read("event = \"limit_switch\"\ngate = \"v1\"\nend = \"top\""),
            Event::LimitSwitch { gate: gate.clone(), end: End::Top, state: Switch::Sound }
        );
        assert_eq!(
            read("event = \"meter_word_order\"\nmeter = \"m\"\norder = \"CDAB\""),
            Event::MeterWordOrder { meter: meter.clone(), order: ByteOrder::Cdab }
        );
        assert_eq!(read("event = \"meter_unit\"\nmeter = \"m\""), Event::MeterUnit { meter, factor: 3600.0 });
        assert_eq!(
            read("event = \"second_master\"\ngate = \"v1\"\nopening = 0.2"),
            Event::SecondMaster { gate, opening: 0.2, every_s: 120.0 }
        );
        assert_eq!(read("event = \"ebb\""), Event::Ebb {});
        assert!(toml::from_str::<Event>("event = \"ebb\"\ngate = \"v1\"").is_err());
    }

    #[test]
    fn an_unknown_name_is_answered_with_what_there_is() {
        let error = find("gate", "v9", ["v1", "v2"].into_iter()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "event for gate `v9`: the configuration has no such gate; it has v1, v2"
        );
    }
}
