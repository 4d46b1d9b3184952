//! What can be wrong with a meter: with its number, with what its device makes of the number, and with the place it
//! stands at. The events that bring it about, and what the registers show then, stand in a table at [`super::Event`].

use qindan::points::ByteOrder;

/// What is wrong with the number a meter makes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum MeterFault {
    #[default]
    None,
    /// Goes on showing what it shows.
    Frozen,
    /// Shows this, whatever it measures.
    Stuck {
        value: f64,
    },
    Bias {
        add: f64,
        factor: f64,
    },
    /// Grows by this share a day from this second on.
    Drift {
        per_day: f64,
        since: f64,
    },
    /// Every so often it adds this for a while.
    Spike {
        add: f64,
        every_s: f64,
        for_s: f64,
        since: f64,
    },
    /// Standard deviation in its unit, new every second.
    Noise {
        deviation: f64,
    },
    /// Shows what it measured so long ago.
    Late {
        by_s: f64,
    },
    Sentinel,
}

/// How a device puts the number of its meter into registers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Encoding {
    /// The number is multiplied by this: another unit, or −1 for a sign that is reversed. Not held to the range of the
    /// meter: the device believes in it.
    pub factor: f64,
    /// Another order of bytes than the point declares.
    pub order: Option<ByteOrder>,
    /// It puts raw zero where it has no value.
    pub zero_for_nothing: bool,
}

impl Default for Encoding {
    fn default() -> Self {
        Self { factor: 1.0, order: None, zero_for_nothing: false }
    }
}

/// What acts on the principle of a meter where it stands; all zero in calm, clear, clean water.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Surroundings {
    /// Wind along the river, m/s, positive downstream.
    pub(crate) wind_ms: f64,
    /// Rain, mm/h.
    pub(crate) rain_mm_h: f64,
    /// Rise of the level by ice that lets the same flow pass, m.
    pub(crate) ice_m: f64,
    /// Weed: the bed is rougher by this share.
    pub(crate) weed: f64,
    /// Tailwater over headwater, both above the crest.
    pub(crate) submergence: f64,
    /// Air, share of the cross-section of a pipe.
    pub(crate) air: f64,
}
