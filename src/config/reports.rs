//! What the reports are judged by: `reports.toml`, with issuer, rules by date, and filings 报备. It may be left out.
//!
//! It is no part of what the service decides by: it stands in no digest of decisions, a running service reads it anew for
//! each report, and a mistake in it keeps reports from being made, never a service from starting.

use std::cell::RefCell;
use std::path::Path;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::check::reports as check;
use super::files;
use super::problem::{Problem, Problems};
use super::raw::site::RawNamed;
use super::sheet::Sheet;
use crate::basin::{Basin, Name, SectionId};
use crate::units::Discharge;

/// The file.
pub const FILE: &str = "reports.toml";
const KEYS: [&str; 3] = ["issuer", "rule", "filing"];

/// Why a day is exempt 免考.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exemption {
    /// Operation by a flood-control order.
    FloodOrder,
    /// Natural inflow below the target, the reservoir at or below its dead level: what comes is released.
    NaturalInflow,
    /// A device or its power failed.
    DeviceFailure,
    /// Maintenance with an approval.
    Maintenance,
    /// Force majeure.
    ForceMajeure,
}

impl Exemption {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::FloodOrder, Self::NaturalInflow, Self::DeviceFailure, Self::Maintenance, Self::ForceMajeure];

    /// As written in the file.
    pub const fn key(self) -> &'static str {
        match self {
            Self::FloodOrder => "flood_order",
            Self::NaturalInflow => "natural_inflow",
            Self::DeviceFailure => "device_failure",
            Self::Maintenance => "maintenance",
            Self::ForceMajeure => "force_majeure",
        }
    }
}

/// How days are judged, from a date on.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, printed with every report.
    pub id: String,
    /// First day.
    pub valid_from: Date,
    /// Share of an hour that must be known for the hour to be valid, 0..=1.
    pub hour_valid: f64,
    /// Share of the hours of a day that must be valid for the day to be assessed, 0..=1.
    pub day_valid: f64,
    /// How far below its target a mean still passes.
    pub tolerance: Discharge,
    /// Episodes below the target that last longer are listed.
    pub episode: SignedDuration,
    /// A day is exempt when filings cover more than nothing and at least this share of it, 0..=1.
    pub exempt: f64,
    /// A filing made later than this after the begin of what it is about does not count.
    pub filing_within: SignedDuration,
    /// Kinds that exempt.
    pub exemptions: Vec<Exemption>,
}

impl Rule {
    /// Before the first rule of the file, and without a file. Chosen: the domain notes (80 % of hours, episodes over an hour, a
    /// filing within 24 h); a fifth of a day under filings leaves too little to assess.
    pub fn built_in() -> Self {
        Self {
            id: "built-in".into(),
            valid_from: Date::MIN,
            hour_valid: 0.8,
            day_valid: 0.8,
            tolerance: Discharge::ZERO,
            episode: SignedDuration::from_hours(1),
            exempt: 0.2,
            filing_within: SignedDuration::from_hours(24),
            exemptions: Exemption::ALL.to_vec(),
        }
    }
}

/// How a filing stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It stands in the file, where the office keeps what was approved.
    #[default]
    Listed,
    /// Entered on the page; nobody has said anything yet.
    Open,
    /// Approved by another person.
    Approved,
    /// Rejected by another person.
    Rejected,
}

impl Standing {
    /// Whether it may exempt.
    pub const fn holds(self) -> bool {
        match self {
            Self::Listed | Self::Approved => true,
            Self::Open | Self::Rejected => false,
        }
    }
}

/// An outage or order that was filed 报备.
#[derive(Clone, Debug, PartialEq)]
pub struct Filing {
    /// Its name.
    pub id: String,
    /// Sections it is about.
    pub sections: Vec<SectionId>,
    /// Kind.
    pub kind: Exemption,
    /// Begin.
    pub from: Timestamp,
    /// End, after the begin.
    pub to: Timestamp,
    /// When it was filed.
    pub filed: Timestamp,
    /// Number of the document that proves it.
    pub document: String,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// Reason.
    pub reason: Name,
    /// How it stands.
    pub standing: Standing,
}

impl Filing {
    /// Whether it holds, was filed in time, and is of a kind that exempts.
    pub fn counts(&self, rule: &Rule) -> bool {
        self.standing.holds()
            && rule.exemptions.contains(&self.kind)
            && self.filed.duration_since(self.from) <= rule.filing_within
    }
}

/// What `reports.toml` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reports {
    /// Who issues the reports.
    pub issuer: Option<Name>,
    /// Rules in order of their dates.
    pub rules: Vec<Rule>,
    /// Filings in the order of the file.
    pub filings: Vec<Filing>,
    /// SHA-256 of the file, hex; empty without a file.
    pub digest: String,
}

impl Reports {
    /// The rule of a day.
    pub fn rule_on(&self, date: Date) -> Rule {
        self.rules.iter().rfind(|rule| rule.valid_from <= date).cloned().unwrap_or_else(Rule::built_in)
    }
}

/// Reads and checks the file of a configuration folder.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load(folder: &Path, basin: &Basin) -> Result<Reports, Problems> {
    let path = folder.join(FILE);
    // A link that leads nowhere is a file that cannot be read.
    if path.symlink_metadata().is_err() {
        return Ok(Reports::default());
    }
    let name = path.display().to_string();
    let problems = RefCell::new(Vec::<Problem>::new());
    let remedy = "make it a readable file of [issuer], [rule.NAME] and [filing.NAME], or remove it";
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return Err(Problems::new(vec![files::unreadable(&name, &error, remedy)], Vec::new())),
    };
    let digest = files::hex(&Sha256::digest(&bytes));
    let text = files::text(bytes, &name, &problems);
    let reports = {
        let sheet = Sheet::parse(&name, Some(&text), &problems);
        sheet.only(&KEYS);
        let issuer = if sheet.has("issuer") {
            let raw = sheet.single::<RawNamed>("issuer", "give name_zh and name_en");
            raw.and_then(|(raw, spot)| spot.name(raw.name_zh, raw.name_en))
        } else {
            None
        };
        let rules = check::rules(sheet.entries("rule"));
        let filings = check::filings(basin, sheet.entries("filing"));
        rules.zip(filings).map(|(rules, filings)| Reports { issuer, rules, filings, digest })
    };
    let found = problems.take();
    match reports {
        Some(reports) if found.is_empty() => Ok(reports),
        Some(_) | None => Err(Problems::new(found, Vec::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, from: Date) -> Rule {
        Rule { id: id.into(), valid_from: from, ..Rule::built_in() }
    }

    #[test]
    fn the_newest_rule_that_has_begun_holds() {
        let date = jiff::civil::date;
        let rules = vec![rule("a", date(2026, 1, 1)), rule("b", date(2026, 7, 1))];
        let reports = Reports { rules, ..Reports::default() };
        let on = |date| reports.rule_on(date).id;
        assert_eq!(on(date(2025, 12, 31)), "built-in");
        assert_eq!((on(date(2026, 1, 1)), on(date(2026, 6, 30))), ("a".into(), "a".into()));
        assert_eq!(on(date(2026, 7, 1)), "b");
    }

    #[test]
    fn a_filing_counts_when_it_was_made_in_time_and_its_kind_exempts() {
        let at = |hour: i64| Timestamp::from_second(hour * 3600).unwrap();
        let filing = Filing {
            id: "f".into(),
            sections: vec![SectionId(0)],
            kind: Exemption::Maintenance,
            from: at(100),
            to: at(110),
            filed: at(124),
            document: "12".into(),
            approved_by: None,
            reason: Name { zh: "检修".into(), en: "maintenance".into() },
            standing: Standing::Listed,
        };
        let rule = Rule::built_in();
        assert!(filing.counts(&rule));
        assert!(Filing { filed: at(20), ..filing.clone() }.counts(&rule), "before it begins");
        assert!(!Filing { filed: at(125), ..filing.clone() }.counts(&rule));
        for (standing, counts) in
            [(Standing::Open, false), (Standing::Approved, true), (Standing::Rejected, false)]
        {
            assert_eq!(Filing { standing, ..filing.clone() }.counts(&rule), counts, "{standing:?}");
        }
        assert!(!filing.counts(&Rule { exemptions: vec![Exemption::FloodOrder], ..rule }));
    }
}
