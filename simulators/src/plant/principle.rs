//! How meters measure, and so what misleads them: each principle with its damping, its least velocity, and what wind, rain,
//! ice, weed, backwater and air do to it.
//!
//! | principle | wind, rain | ice | weed | backwater | air |
//! | --- | --- | --- | --- | --- | --- |
//! | level | – | rises with it | rises | – | – |
//! | rating curve | – | reads the raised level as flow | reads the raised level as flow | likewise | – |
//! | weir, flume | – | likewise | – | likewise | – |
//! | radar velocity | surface drifts; rain scatters | shows nothing | – | – | – |
//! | velocity over the section (ADCP) | – | the section seems larger | – | – | – |
//! | transit time | – | – | – | – | counts the air as water; above 0.3 shows nothing |
//! | magnetic | – | – | – | – | counts the air as water |

use super::fault::Surroundings;

/// Radar velocity meters show nothing below this mean velocity, m/s. Source: product sheets, 0.10 to 0.15.
pub(crate) const RADAR_LEAST_MS: f64 = 0.12;
/// Drift of a water surface in the wind, share of its speed. Source: wind drift of open water, 2 to 3 %.
const WIND_DRIFT: f64 = 0.02;
/// Standard deviation that rain adds to a radar, share of the flow per mm/h. Assumed, 0.005 to 0.02.
const RAIN_SCATTER: f64 = 0.01;
/// Bubbles beyond this share leave no path to sound. Assumed, from makers' limits of 1 to 5 % by volume in the beam,
/// which a full section reaches long before.
const AIR_MOST: f64 = 0.3;
/// Submergence from which a Parshall flume no longer passes its free flow. Source: domain notes 5.5, 0.6 to 0.7.
const FLUME_FREE: f64 = 0.7;
/// Largest submergence that is reckoned with: beyond it the level says nothing any more.
const DROWNED: f64 = 0.95;
/// Exponents of depth: Manning in a wide channel, and of weirs and flumes.
const CHANNEL: f64 = 5.0 / 3.0;
const CREST: f64 = 1.5;

/// The river where a meter stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Water {
    /// Mean velocity, m/s.
    pub(crate) velocity: f64,
    /// Depth, m.
    pub(crate) depth: f64,
}

/// How a meter measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Principle {
    Level,
    Rating,
    Weir,
    Flume,
    Acoustic,
    TransitTime,
    Magnetic,
    Radar,
    Adcp,
    /// A rain gauge.
    Bucket,
    Other,
}

impl Principle {
    /// By its name in the configuration.
    pub(crate) fn of(name: &str, is_level: bool) -> Self {
        match name {
            _ if is_level => Self::Level,
            "rating_curve" => Self::Rating,
            "weir" | "compound_weir" => Self::Weir,
            "parshall" => Self::Flume,
            "ultrasonic_channel" => Self::Acoustic,
            "transit_time" => Self::TransitTime,
            "mag" | "electromagnetic" => Self::Magnetic,
            "radar_velocity" => Self::Radar,
            "h_adcp" | "adcp" => Self::Adcp,
            _ => Self::Other,
        }
    }

    /// Time constant of its damping, s. Assumed, from settings usual on site: pipe meters are quick, velocity meters average
    /// over gusts and eddies.
    pub(crate) fn damping_s(self) -> f64 {
        match self {
            Self::Bucket => 0.0,
            Self::Level => 10.0,
            Self::TransitTime | Self::Magnetic => 4.0,
            Self::Flume | Self::Weir | Self::Acoustic => 8.0,
            Self::Radar | Self::Adcp => 60.0,
            Self::Rating | Self::Other => 20.0,
        }
    }

    /// Whether it needs a velocity to show anything.
    pub(crate) fn needs_velocity(self) -> bool {
        self == Self::Radar
    }

    /// What it makes of `truth`: `None` where it has no signal.
    pub(crate) fn sees(self, truth: f64, water: Option<Water>, around: &Surroundings) -> Option<f64> {
        if *around == Surroundings::default() && self != Self::Radar {
            return Some(truth);
        }
        let depth = water.map_or(0.0, |water| water.depth);
        match self {
            Self::Level => Some(truth + around.ice_m + depth * ((1.0 + around.weed).powf(0.6) - 1.0)),
            Self::Rating => {
                let rough = 1.0 + around.weed;
                Some(truth * raised(depth, around.ice_m, CHANNEL) * rough / crest(around.submergence))
            }
            Self::Weir => Some(truth * raised(depth, around.ice_m, CREST) / crest(around.submergence)),
            Self::Flume => Some(truth * raised(depth, around.ice_m, CREST) / flume(around.submergence)),
            Self::Radar => radar(truth, water, around),
            Self::Adcp => Some(truth * raised(depth, around.ice_m, 1.0)),
            Self::TransitTime if around.air > AIR_MOST => None,
            Self::TransitTime | Self::Magnetic => Some(truth / (1.0 - around.air.min(AIR_MOST * 3.0))),
            Self::Acoustic | Self::Bucket | Self::Other => Some(truth),
        }
    }

    /// Standard deviation that its surroundings add.
    pub(crate) fn unrest(self, value: f64, around: &Surroundings) -> f64 {
        match self {
            Self::Radar => RAIN_SCATTER * around.rain_mm_h * value.abs(),
            Self::Level
            | Self::Rating
            | Self::Weir
            | Self::Flume
            | Self::Acoustic
            | Self::TransitTime
            | Self::Magnetic
            | Self::Adcp
            | Self::Bucket
            | Self::Other => 0.0,
        }
    }
}

/// The radar sees the surface: the wind drives it, ice stops it, slow water gives no echo.
fn radar(truth: f64, water: Option<Water>, around: &Surroundings) -> Option<f64> {
    let Some(Water { velocity, .. }) = water else { return Some(truth) };
    let seen = velocity + WIND_DRIFT * around.wind_ms;
    if around.ice_m > 0.0 || seen.abs() < RADAR_LEAST_MS {
        return None;
    }
    Some(if velocity > 0.0 && around.wind_ms != 0.0 { truth * seen / velocity } else { truth })
}

/// How much larger a flow seems to one who reads it off a level that stands `rise` too high.
fn raised(depth: f64, rise: f64, exponent: f64) -> f64 {
    if depth > 0.0 && rise != 0.0 { ((depth + rise).max(0.0) / depth).powf(exponent) } else { 1.0 }
}

/// Share of its free flow that a crest passes under a tailwater. Source: Villemonte (1947).
fn crest(submergence: f64) -> f64 {
    (1.0 - submergence.clamp(0.0, DROWNED).powf(1.5)).powf(0.385)
}

/// Share of its free flow that a Parshall flume passes. Shape assumed, after the corrections for flumes of 0.3 to 2.4 m: 0.95
/// at 0.8, 0.8 at 0.9, 0.6 at 0.95.
fn flume(submergence: f64) -> f64 {
    let over = ((submergence.clamp(0.0, DROWNED) - FLUME_FREE) / (1.0 - FLUME_FREE)).max(0.0);
    (1.0 - over * over).powf(0.4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIVER: Option<Water> = Some(Water { velocity: 0.5, depth: 0.4 });

    fn sees(principle: Principle, around: Surroundings) -> Option<f64> {
        principle.sees(2.0, RIVER, &around)
    }

    fn near(seen: Option<f64>, expected: f64) {
        assert!(seen.is_some_and(|seen| (seen - expected).abs() < 5e-4), "{seen:?} {expected}");
    }

    #[test]
    fn ice_raises_the_level_and_not_the_flow() {
        let ice = Surroundings { ice_m: 0.1, ..Surroundings::default() };
        // (0.5/0.4)^(5/3) = 1.4505, ^1.5 = 1.3975, ^1 = 1.25.
        near(sees(Principle::Rating, ice), 2.901);
        near(sees(Principle::Weir, ice), 2.795);
        near(sees(Principle::Adcp, ice), 2.5);
        near(sees(Principle::Level, ice), 2.1);
        assert_eq!(sees(Principle::Radar, ice), None);
        near(sees(Principle::TransitTime, ice), 2.0);
    }

    #[test]
    fn weed_shifts_a_rating_by_its_roughness() {
        let weed = Surroundings { weed: 0.2, ..Surroundings::default() };
        near(sees(Principle::Rating, weed), 2.4);
        // 0.4 · (1.2^0.6 − 1) = 0.0463.
        near(sees(Principle::Level, weed), 2.0463);
        near(sees(Principle::Adcp, weed), 2.0);
    }

    #[test]
    fn a_drowned_crest_and_flume_show_too_much() {
        let backwater = |submergence| Surroundings { submergence, ..Surroundings::default() };
        // Villemonte at 0.8: (1 − 0.7155)^0.385 = 0.6163.
        near(sees(Principle::Weir, backwater(0.8)), 2.0 / 0.6163);
        near(sees(Principle::Flume, backwater(0.7)), 2.0);
        let at_nine = sees(Principle::Flume, backwater(0.9)).unwrap();
        assert!((2.0 / 0.82..2.0 / 0.76).contains(&at_nine), "{at_nine}");
    }

    #[test]
    fn wind_drives_the_surface_a_radar_sees() {
        let wind = |wind_ms| Surroundings { wind_ms, ..Surroundings::default() };
        // 5 m/s of wind drive it by 0.1 m/s.
        near(sees(Principle::Radar, wind(5.0)), 2.4);
        assert_eq!(sees(Principle::Radar, wind(-20.0)), None);
        near(sees(Principle::Rating, wind(5.0)), 2.0);
    }

    #[test]
    fn air_counts_as_water_until_no_sound_passes() {
        let air = |air| Surroundings { air, ..Surroundings::default() };
        near(sees(Principle::TransitTime, air(0.2)), 2.5);
        assert_eq!(sees(Principle::TransitTime, air(0.31)), None);
        near(sees(Principle::Magnetic, air(0.5)), 4.0);
    }
}
