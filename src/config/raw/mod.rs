//! The files as written: serde mirrors without logic. Unknown keys are refused; whether a key is there and
//! whether its value makes sense is asked in [`super::check`].

pub(in crate::config) mod control;
pub(in crate::config) mod field;
pub(in crate::config) mod network;
pub(in crate::config) mod notify;
pub(in crate::config) mod rating;
pub(in crate::config) mod reports;
pub(in crate::config) mod site;
pub(in crate::config) mod structure;
pub(in crate::config) mod uses;
pub(in crate::config) mod warning;

use serde::{Deserialize, Deserializer};

/// A value that may be absent or of the wrong shape: one wrong key does not hide the next.
#[derive(Clone, Debug, Default)]
pub(in crate::config) enum Given<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// The key is there, its value is of the wrong kind; serde's message.
    Wrong(String),
    /// The value.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match T::deserialize(deserializer) {
            Ok(value) => Self::Value(value),
            Err(error) => Self::Wrong(error.to_string()),
        })
    }
}

/// A place of the network: exactly one of node, reach with km, reservoir, wetland, outside.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawPlace {
    pub(in crate::config) node: Option<String>,
    pub(in crate::config) reach: Option<String>,
    pub(in crate::config) km: Option<f64>,
    pub(in crate::config) reservoir: Option<String>,
    pub(in crate::config) wetland: Option<String>,
    pub(in crate::config) outside: Option<bool>,
}

/// Who answers for an element: a unit of the `office` table, and the person or post.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawResponsible {
    pub(in crate::config) office: String,
    pub(in crate::config) person: String,
}
