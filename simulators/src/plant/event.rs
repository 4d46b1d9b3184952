//! Faults and people on site: what happens to the plant beside the weather.

use serde::{Deserialize, Serialize};

/// One thing that happens. Elements are named as in the configuration; scenario files and the fault control of
/// `serve` read the same form, as `{"event": "trip", "gate": "zf.hp.u1"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// A pond station follows demand for power instead of the river: stores to its normal level, then runs
    /// at full load down to its lowest.
    Peaking {
        /// The station.
        station: String,
        /// From now on, or no longer.
        on: bool,
    },
}

fn one() -> f64 {
    1.0
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
    fn an_unknown_name_is_answered_with_what_there_is() {
        let error = find("gate", "v9", ["v1", "v2"].into_iter()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "event for gate `v9`: the configuration has no such gate; it has v1, v2"
        );
    }
}
