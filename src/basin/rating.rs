//! Rating curves (水位流量关系): what turns the level of one meter into the flow of another, and what it stands on.

use jiff::civil::Date;

use super::{MeterId, Name, Season};
use crate::units::{Discharge, Stage};

/// A rating of one station, with its versions over the years.
#[derive(Clone, Debug, PartialEq)]
pub struct Rating {
    /// Identifier.
    pub id: String,
    /// Name for the screens.
    pub name: Name,
    /// What people should know about it.
    pub note: Option<Name>,
    /// The level meter it reads.
    pub level: MeterId,
    /// The flow meter it gives its value to; no register brings that one.
    pub flow: MeterId,
    /// When the level says nothing about the flow, as under ice.
    pub void: Vec<Void>,
    /// In order of their dates, at least one, none overlapping another.
    pub versions: Vec<Version>,
}

/// Days of the year on which no flow is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Void {
    /// The days.
    pub season: Season,
    /// Why, for the screens.
    pub why: Name,
}

/// A curve and the days it holds for.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// First day, civil date of the site.
    pub from: Date,
    /// Last day; `None` lasts until the next version begins.
    pub to: Option<Date>,
    /// The curve.
    pub curve: Curve,
    /// The gaugings it was drawn through, at least one.
    pub gaugings: Vec<Gauging>,
    /// Share of the highest gauged flow that may be added above it, 0..=0.1.
    pub extrapolate: f64,
    /// Stated uncertainty of a flow from this curve, share of the flow at 95 % confidence.
    pub uncertainty: f64,
}

/// How flow follows from level.
#[derive(Clone, Debug, PartialEq)]
pub enum Curve {
    /// Branches in order of level, each beginning where the one before ends.
    Branches(Vec<Branch>),
    /// Rows in order of level.
    Table {
        /// Level and flow, both strictly rising, at least two.
        rows: Vec<(Stage, Discharge)>,
        /// Level at which the flow ceases, at or below the first row; `None` when nobody knows it.
        zero: Option<Stage>,
        /// What lies between two rows.
        between: Between,
    },
}

/// What lies between two rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// A straight line.
    Linear,
    /// A straight line on logarithmic paper: a power of the depth over the level of no flow.
    Log,
}

/// One branch of a curve: Q = c · (H − H₀)^β for levels H from `from` to `to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Branch {
    /// Lowest level, m; at or above `zero`.
    pub from: Stage,
    /// Highest level, m.
    pub to: Stage,
    /// c, m³/s at a depth of 1 m over `zero`; positive.
    pub factor: f64,
    /// H₀, level at which this branch would cease to flow.
    pub zero: Stage,
    /// β, 1.5..=2.5: control by a section of rectangular to triangular shape. Source: hydrometric practice.
    pub exponent: f64,
}

/// A flow measured at a level.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauging {
    /// Civil date of the site.
    pub date: Date,
    /// Level during it.
    pub level: Stage,
    /// Flow, positive.
    pub flow: Discharge,
    /// Uncertainty of the flow, share at 95 % confidence.
    pub uncertainty: f64,
    /// Who measured.
    pub who: String,
}

impl Version {
    /// The gauging with the largest flow.
    pub fn highest(&self) -> Option<&Gauging> {
        self.gaugings.iter().max_by(|a, b| a.flow.get().total_cmp(&b.flow.get()))
    }

    /// Largest flow that may be read off the curve: the highest gauging and what may be added to it.
    pub fn limit(&self) -> Discharge {
        self.highest().map_or(Discharge::ZERO, |gauging| gauging.flow * (1.0 + self.extrapolate))
    }
}

impl Rating {
    /// Position of the version that holds on a date.
    pub fn version_on(&self, date: Date) -> Option<usize> {
        let newest = self.versions.iter().rposition(|version| version.from <= date)?;
        self.versions.get(newest)?.to.is_none_or(|to| date <= to).then_some(newest)
    }

    /// Why no flow is given on a date, when the season is to blame.
    pub fn void_on(&self, date: Date) -> Option<&Void> {
        self.void.iter().find(|void| void.season.contains(date))
    }
}
