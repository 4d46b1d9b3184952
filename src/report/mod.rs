//! Bulletins and attainment 生态流量日报、达标率: pure functions from samples and records to tables, and from tables to HTML
//! and CSV.
//!
//! ```text
//!  samples ─> Signal ─> SectionDay ─> Attainment ─┐
//!  records ─> operations, alarms, orders ─────────┼─> Document ─> HTML for a page, CSV
//!  configuration, rules, filings ─────────────────┘
//! ```
//!
//! Nothing here reads a clock: the same samples, records and files make the same bytes. Unrounded values are compared and
//! stand in the CSV; what is shown is rounded. What is missing is no number and lowers the completeness.
//! Sources: domain notes 3.2 (rules), 3.7 (rounding), 4.2 to 4.5 (forms).

pub mod alarms;
pub mod attain;
pub mod csv;
pub mod daily;
pub mod day;
pub mod document;
pub mod figure;
pub mod gates;
pub mod html;
pub mod number;
pub mod orders;
mod papers;
pub mod period;
pub mod section;
pub mod shift;
pub mod told;
pub mod uses;
pub mod words;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::aggregate::{Kept, Signal};
use crate::basin::{MeterId, Name};
use crate::config::Config;
use crate::config::reports::Reports;
use crate::points::PointId;
use crate::shell::journal::Record;

/// Language of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// zh-CN.
    Zh,
    /// English.
    En,
}

impl Lang {
    /// As in file names.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// The name in this language.
    pub fn of(self, name: &Name) -> &str {
        match self {
            Self::Zh => &name.zh,
            Self::En => &name.en,
        }
    }

    /// One of two words.
    pub const fn word(self, (zh, en): (&'static str, &'static str)) -> &'static str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}

/// A name of two words.
pub(crate) fn name(zh: impl Into<String>, en: impl Into<String>) -> Name {
    Name { zh: zh.into(), en: en.into() }
}

/// What every report is made with.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// Configuration: names, floors, permits.
    pub config: &'a Config,
    /// Issuer, rules, filings.
    pub reports: &'a Reports,
}

impl Ground<'_> {
    /// Identifier of the point that carries the value of a meter.
    pub fn point_of(&self, meter: MeterId) -> Option<&str> {
        let point = self.config.field.wiring.meters.get(meter.0).copied().flatten()?;
        self.name_of(point)
    }

    /// Identifier of a point.
    pub fn name_of(&self, point: PointId) -> Option<&str> {
        self.config.field.names().nth(point.0)
    }
}

/// Samples by point.
pub type Samples = BTreeMap<String, Vec<Kept>>;

/// The signal of a point; one that is unknown when nothing of it was kept.
pub(crate) fn signal(samples: &Samples, point: Option<&str>) -> Signal {
    point.and_then(|point| samples.get(point)).map_or_else(Signal::default, |kept| Signal::new(kept))
}

/// The part of the action journal a report needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Records of the span; outcomes that belong to its intents also from after it. Alarm records and acts of people also from before
    /// it.
    pub records: Vec<Record>,
    /// Sequence and chain hash (hex) of the last record before the end of the span.
    pub head: Option<(u64, String)>,
    /// Why the journal could not be read to its end.
    pub broken: Option<String>,
}

impl Recorded {
    /// Digests of the configurations that were in force from `from` until before `to`, in order, each once.
    pub fn configs(&self, from: Timestamp, to: Timestamp) -> Vec<&str> {
        let mut list: Vec<&str> = Vec::new();
        for record in self.records.iter().filter(|record| from <= record.utc && record.utc < to) {
            if !record.config.is_empty() && !list.contains(&record.config.as_str()) {
                list.push(&record.config);
            }
        }
        list
    }
}
