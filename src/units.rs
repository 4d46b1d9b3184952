//! Quantities as types: SI inside, one newtype per physical meaning.
//!
//! Constructors refuse NaN and infinity, so no comparison further in can be fooled. Bare numbers in TOML,
//! JSON and registers carry their unit in the key (`floor_m3s`, `level_m`).

use std::fmt;
use std::ops::{Add, AddAssign, Mul, Neg, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(0.0);

            /// The quantity for a finite `value`, `None` for NaN or infinity.
            pub fn new(value: f64) -> Option<Self> {
                value.is_finite().then_some(Self(value))
            }

            /// The quantity for `value`; a number that is not finite becomes zero.
            ///
            /// For results of arithmetic on finite quantities, where only an overflow could end outside.
            pub fn lossy(value: f64) -> Self {
                if value.is_finite() { Self(value) } else { Self(0.0) }
            }

            /// The bare number, in the unit of the type.
            pub const fn get(self) -> f64 {
                self.0
            }

            /// The larger of two.
            #[must_use]
            pub fn max(self, other: Self) -> Self {
                if other.0 > self.0 { other } else { self }
            }

            /// The smaller of two.
            #[must_use]
            pub fn min(self, other: Self) -> Self {
                if other.0 < self.0 { other } else { self }
            }

            /// Magnitude without sign.
            #[must_use]
            pub fn abs(self) -> Self {
                Self(self.0.abs())
            }
        }

        impl TryFrom<f64> for $name {
            type Error = NotFinite;
            fn try_from(value: f64) -> Result<Self, NotFinite> {
                Self::new(value).ok_or(NotFinite)
            }
        }

        impl From<$name> for f64 {
            fn from(quantity: $name) -> f64 {
                quantity.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)?;
                f.write_str(concat!(" ", $unit))
            }
        }
    };
}

macro_rules! additive {
    ($($name:ident),*) => {$(
        impl Add for $name { type Output = Self; fn add(self, o: Self) -> Self { Self(self.0 + o.0) } }
        impl AddAssign for $name { fn add_assign(&mut self, o: Self) { self.0 += o.0; } }
        impl Sub for $name { type Output = Self; fn sub(self, o: Self) -> Self { Self(self.0 - o.0) } }
        impl Neg for $name { type Output = Self; fn neg(self) -> Self { Self(-self.0) } }
        impl Mul<f64> for $name { type Output = Self; fn mul(self, k: f64) -> Self { Self(self.0 * k) } }
        impl std::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(all: I) -> Self { all.fold(Self::ZERO, |a, b| a + b) }
        }
    )*};
}

quantity!(
    /// Water surface elevation above the site datum, m. `level` outside Rust.
    Stage,
    "m"
);
quantity!(
    /// Difference of two stages, m; positive when the first is higher.
    Head,
    "m"
);
quantity!(
    /// Volume rate through a cross-section, m³/s; positive downstream. `flow` outside Rust.
    Discharge,
    "m³/s"
);
quantity!(
    /// A quantity of water, m³.
    Volume,
    "m³"
);
additive!(Head, Discharge, Volume);

impl Sub for Stage {
    type Output = Head;
    fn sub(self, other: Self) -> Head {
        Head(self.0 - other.0)
    }
}

impl Add<Head> for Stage {
    type Output = Self;
    fn add(self, rise: Head) -> Self {
        Self(self.0 + rise.0)
    }
}

impl Mul<Duration> for Discharge {
    type Output = Volume;
    fn mul(self, time: Duration) -> Volume {
        Volume(self.0 * time.as_secs_f64())
    }
}

/// Gate travel as a fraction: 0 shut, 1 fully open.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Opening(f64);

impl Opening {
    /// Shut.
    pub const SHUT: Self = Self(0.0);
    /// Fully open.
    pub const FULL: Self = Self(1.0);

    /// The opening for a fraction in 0..=1, `None` outside.
    pub fn from_fraction(fraction: f64) -> Option<Self> {
        (0.0..=1.0).contains(&fraction).then_some(Self(fraction))
    }

    /// The opening nearest to `fraction`; NaN becomes shut.
    pub fn clamped(fraction: f64) -> Self {
        Self(fraction.clamp(0.0, 1.0)).nan_as_shut()
    }

    fn nan_as_shut(self) -> Self {
        if self.0.is_nan() { Self::SHUT } else { self }
    }

    /// The fraction, 0..=1.
    pub const fn fraction(self) -> f64 {
        self.0
    }

    /// The opening in per cent, 0..=100.
    pub fn percent(self) -> f64 {
        self.0 * 100.0
    }

    /// The larger of two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        if other.0 > self.0 { other } else { self }
    }

    /// The smaller of two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        if other.0 < self.0 { other } else { self }
    }
}

impl TryFrom<f64> for Opening {
    type Error = NotAnOpening;
    fn try_from(fraction: f64) -> Result<Self, NotAnOpening> {
        Self::from_fraction(fraction).ok_or(NotAnOpening)
    }
}

impl From<Opening> for f64 {
    fn from(opening: Opening) -> f64 {
        opening.0
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} %", self.percent())
    }
}

/// A number that is NaN or infinite where a quantity is needed.
#[derive(Debug, thiserror::Error)]
#[error("the number is not finite")]
pub struct NotFinite;

/// A number outside 0..=1 where an opening is needed.
#[derive(Debug, thiserror::Error)]
#[error("an opening is a fraction from 0 to 1")]
pub struct NotAnOpening;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_and_infinity_are_no_quantity() {
        assert_eq!(Discharge::new(f64::NAN), None);
        assert_eq!(Stage::new(f64::INFINITY), None);
        assert!(serde_json::from_str::<Discharge>("1e999").is_err());
    }

    #[test]
    fn a_minute_of_one_cubic_metre_per_second_is_sixty() {
        assert_eq!(Discharge::lossy(1.0) * Duration::from_secs(60), Volume::lossy(60.0));
    }

    #[test]
    fn an_opening_stays_between_shut_and_full() {
        assert_eq!(Opening::from_fraction(1.01), None);
        assert_eq!(Opening::clamped(7.0), Opening::FULL);
        assert_eq!(Opening::clamped(f64::NAN), Opening::SHUT);
    }
}
