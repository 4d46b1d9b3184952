//! What survives a restart: a plain value the shell stores beside the record and gives back.

use std::collections::VecDeque;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::advice::Advice;
use super::alarm::Alarms;
use super::authority::{self, Given};
use super::dispatch::Release;
use super::entered::{self, Entered};
use super::estimate::River;
use super::fallback::Fallback;
use super::forecast::Forecasts;
use super::incident::Incidents;
use super::operator::{Authority, Mode};
use super::routing::Path;
use super::schedule::steps;
use super::series::BIN_S;
use super::ticket::Tickets;
use super::warning::Warnings;
use crate::basin::{Basin, SectionId};
use crate::units::Discharge;

/// Mean of a section since local midnight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DayMean {
    /// The day.
    pub day: Option<Date>,
    /// Sum of flow × time, m³.
    pub volume: f64,
    /// Time with a usable reading, s.
    pub seconds: f64,
}

/// A change of release on its way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parcel {
    /// Running number.
    pub id: u64,
    /// Section it travels to.
    pub to: SectionId,
    /// Signed change.
    pub change: Discharge,
    /// When it left.
    pub left: Timestamp,
    /// Travel time when it left, h.
    pub lag_h: f64,
}

/// Everything the controller remembers over a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Carry {
    /// Mode of the service.
    pub mode: Mode,
    /// Since when.
    pub mode_since: Timestamp,
    /// By whom.
    pub mode_by: String,
    /// Hold-all, by whom.
    pub hold_all: Option<String>,
    /// Who moves each gate, by gate.
    pub authorities: Vec<Authority>,
    /// How the gates that were ever given came to where they are.
    #[serde(default)]
    pub given: Vec<Given>,
    /// Boxes that have acted by themselves, by gate.
    #[serde(default)]
    pub fallbacks: Vec<Fallback>,
    /// Memory of the river.
    pub river: River,
    /// Releases, by dispatched reservoir.
    pub releases: Vec<Release>,
    /// Alarms.
    pub alarms: Alarms,
    /// Number of the next command.
    pub next_command: u64,
    /// Number of the next parcel.
    pub next_parcel: u64,
    /// Changes on their way.
    pub parcels: VecDeque<Parcel>,
    /// Day means by section.
    pub days: Vec<DayMean>,
    /// Requests already answered, with the answer; newest last.
    pub answered: VecDeque<(String, Result<String, String>)>,
    /// Proposals, and how they were answered.
    #[serde(default)]
    pub advice: Advice,
    /// Tickets.
    #[serde(default)]
    pub tickets: Tickets,
    /// Warnings of sections and wetlands.
    #[serde(default)]
    pub warnings: Warnings,
    /// Pollution incidents.
    #[serde(default)]
    pub incidents: Incidents,
    /// Readings people entered in place of meters.
    #[serde(default)]
    pub entered: Vec<Entered>,
    /// Forecasts, when stored; the controller holds them elsewhere.
    #[serde(default)]
    pub forecasts: Forecasts,
    /// The calendar: what people activated, and how its entries have begun.
    #[serde(default)]
    pub calendar: steps::Memory,
    /// When this was stored.
    pub stored: Timestamp,
}

impl Carry {
    /// A fresh memory.
    pub fn new(basin: &Basin, paths: &[Path], dispatched: usize, mode: Mode, utc: Timestamp) -> Self {
        Self {
            mode,
            mode_since: utc,
            mode_by: "service".into(),
            hold_all: None,
            authorities: vec![Authority::default(); basin.gates.len()],
            given: Vec::new(),
            fallbacks: vec![Fallback::default(); basin.gates.len()],
            river: River::new(basin, paths),
            releases: vec![Release::default(); dispatched],
            alarms: Alarms::default(),
            next_command: 1,
            next_parcel: 1,
            parcels: VecDeque::new(),
            days: vec![DayMean::default(); basin.sections.len()],
            answered: VecDeque::new(),
            advice: Advice::default(),
            tickets: Tickets::default(),
            warnings: Warnings::default(),
            incidents: Incidents::default(),
            entered: Vec::new(),
            forecasts: Forecasts::default(),
            calendar: steps::Memory::default(),
            stored: utc,
        }
    }

    /// Brings a stored memory to `utc`: the time away is a gap in every series. What does not fit the basin any
    /// more (its lists have other lengths) starts afresh; mode, hold, numbers, forecasts, calendar, tickets, warnings, incidents and whom
    /// each gate was given to are kept.
    #[must_use]
    pub fn resumed(mut self, basin: &Basin, paths: &[Path], dispatched: usize, utc: Timestamp) -> Self {
        self.forecasts.tidy(basin, utc);
        self.advice.restarted();
        self.entered = entered::fitting(self.entered, basin);
        let fresh = Self::new(basin, paths, dispatched, self.mode, utc);
        if self.river.ponds.is_empty() {
            // Written before ponds were remembered.
            self.river.ponds.clone_from(&fresh.river.ponds);
        }
        let same = self.river.fits(&fresh.river)
            && self.releases.len() == fresh.releases.len()
            && self.authorities.len() == fresh.authorities.len()
            && self.days.len() == fresh.days.len();
        let away = utc.duration_since(self.stored).as_secs_f64().max(0.0);
        self.tickets.find_gates(basin, same);
        self.tickets.away(away);
        if !same {
            let (mode_since, mode_by) = (self.mode_since, self.mode_by);
            let (hold_all, next_command, forecasts) = (self.hold_all, self.next_command, self.forecasts);
            let (entered, advice, calendar) = (self.entered, self.advice, self.calendar);
            let tickets = self.tickets;
            let (authorities, given) = (authority::by_name(basin, &self.given), self.given);
            let (warnings, incidents) = (self.warnings, self.incidents);
            return Self {
                mode_since,
                mode_by,
                hold_all,
                authorities,
                given,
                next_command,
                advice,
                tickets,
                warnings,
                incidents,
                entered,
                forecasts,
                calendar,
                ..fresh
            };
        }
        if self.given.is_empty() {
            // Written before it was remembered by name.
            self.given = authority::named(basin, &self.authorities, self.stored);
        }
        // A gate may stand in another place of the file.
        self.authorities = authority::by_name(basin, &self.given);
        self.river.skip(bins(away));
        self
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded by the series on the other side"
)]
fn bins(seconds: f64) -> usize {
    (seconds / BIN_S).min(1e6) as usize
}
