//! Values with quality, reason and age: what the field delivered, graded for use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a value is not plainly good. The first cause stays with the value through every calculation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No reply has ever come.
    NeverRead,
    /// The device or link gave no usable reply.
    CommError,
    /// The device answered with a Modbus exception.
    Exception(u8),
    /// The register held a declared "no value" pattern, NaN, or a decimal digit above 9.
    Sentinel,
    /// Outside what the meter or point can show.
    OutOfRange,
    /// The device refuses the address: the point list is wrong.
    ConfigError,
    /// Another device answers in its place.
    WrongDevice,
    /// Older than its scan class allows.
    Stale,
    /// Changed faster than water can.
    Rate,
    /// Not changed at all for longer than its noise allows.
    Frozen,
    /// Its twin shows another level.
    Disagree,
    /// No version of the rating curve holds today.
    NoRating,
    /// The rating curve is void in this season.
    RatingVoid,
    /// The level lies below the rating curve.
    BelowRating,
    /// The level lies further above the highest gauging than may be read off the rating curve.
    AboveRating,
    /// Entered by a person.
    Manual,
    /// Computed from other values.
    Estimated,
}

/// The one quality scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Decoded, in range, no older than its scan class allows.
    Good,
    /// From a simulated bus.
    Simulated,
    /// An estimate or a manual entry in place of the meter.
    Substituted,
    /// Older than its scan class allows: a number with its age until its hold time.
    Stale,
    /// Out of range, too fast, frozen, or at odds with its twin.
    Suspect,
    /// No number.
    Bad,
}

/// What the field holds for one point at the freeze: raw facts, not yet graded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Last decoded value in engineering units, and when its reply arrived (service time).
    pub good: Option<(f64, Duration)>,
    /// Why the newest attempt gave no value; `None` when it did.
    pub fault: Option<Reason>,
}

/// A graded value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The number, if it may be used as one.
    pub value: Option<f64>,
    /// How far to trust it.
    pub quality: Quality,
    /// Why not fully.
    pub reason: Option<Reason>,
    /// When the last good reply arrived (service time).
    pub taken_at: Option<Duration>,
    /// Last good number, also when `value` is gone.
    pub last_good: Option<f64>,
}

impl Reading {
    /// A value nobody has read.
    pub const NEVER: Self = Self {
        value: None,
        quality: Quality::Bad,
        reason: Some(Reason::NeverRead),
        taken_at: None,
        last_good: None,
    };

    /// Age of the last good reply.
    pub fn age(&self, mono: Duration) -> Option<Duration> {
        self.taken_at.map(|at| mono.saturating_sub(at))
    }

    /// The number when control may use it: good, simulated, substituted, or stale within its hold time.
    pub fn usable(&self) -> Option<f64> {
        match self.quality {
            Quality::Good | Quality::Simulated | Quality::Substituted | Quality::Stale => self.value,
            Quality::Suspect | Quality::Bad => None,
        }
    }
}
