//! Warnings 预警 of sections and wetlands, blue to red: the service finds the grade and proposes it, a person issues the warning
//! and cancels it 销警.
//!
//! ```text
//!  measured, estimated, foretold ─> grade, with hysteresis ─> proposed ─issue─> in force ─cancel─> over
//!                  no data ─> no grade                            └─ grade gone ─> withdrawn
//! ```
//!
//! What is in force is an alarm of its grade (A52 to A55), so whoever a route of `notify.toml` names is told of it. It stays until a
//! person ends it: data that fail neither raise nor end a warning.

mod judge;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::judge::Judged;
pub use self::judge::{Basis, Finding, Sign};
use super::alarm::Condition;
use super::controller::Controller;
use super::record::{Entry, Kind};
use super::series::BIN_S;
use super::{Decision, Now};
use crate::basin::{Basin, Grade, SectionId, WetlandId};

/// Half a bin: they are judged once a bin, so a delay is met by the nearest number of bins.
const NEAR_S: f64 = 0.5 * BIN_S;

/// A proposal that waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposed {
    /// Grade to issue; `None`: the warning in force may be cancelled.
    pub grade: Option<Grade>,
    /// Since when.
    pub since: Timestamp,
}

/// A warning in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// Running number.
    pub id: u64,
    /// Its grade.
    pub grade: Grade,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Cause, in their words.
    pub cause: String,
    /// Measure, in their words.
    pub measure: String,
    /// What was found then; `None` where nothing was known.
    pub found: Option<Finding>,
}

/// What is known and done about one element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Identifier of a section or wetland.
    pub element: String,
    /// Whether there are data to judge by.
    pub known: bool,
    /// Grade by thresholds, band and delays; `None`: none.
    pub grade: Option<Grade>,
    /// What it stands on; the value nearest to a grade where there is none.
    pub found: Option<Finding>,
    /// Another grade that is seen: whether it is worse, and for how long, s.
    turning: Option<(bool, f64)>,
    /// What waits for a person.
    pub proposed: Option<Proposed>,
    /// What is in force.
    pub issued: Option<Issued>,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warnings {
    newest: u64,
    watches: Vec<Watch>,
    /// Bin of the memory of the river they were last judged in.
    judged_in: u32,
    /// Time since, s.
    waited_s: f64,
}

/// Elements that are watched: sections with a floor, then wetlands, in file order.
fn elements(basin: &Basin) -> impl Iterator<Item = &str> {
    let floored = basin.sections.iter().filter(|one| one.floor.is_some() || !one.seasonal_floors.is_empty());
    floored.map(|one| one.id.as_str()).chain(basin.wetlands.iter().map(|one| one.id.as_str()))
}

/// The watches of a basin before anything is known.
pub fn unseen(basin: &Basin) -> Vec<Watch> {
    elements(basin).map(Watch::new).collect()
}

impl Watch {
    fn new(element: &str) -> Self {
        Self {
            element: element.to_owned(),
            known: false,
            grade: None,
            found: None,
            turning: None,
            proposed: None,
            issued: None,
        }
    }

    /// Takes in what is seen: worse grades after their delay, better ones after theirs; without data there is none.
    fn see(&mut self, judged: Option<Judged>, (raise_s, clear_s): (f64, f64), dt: f64) {
        let Some(Judged { strict, eased, found }) = judged else {
            (self.known, self.grade, self.found, self.turning) = (false, None, None, None);
            return;
        };
        (self.known, self.found) = (true, Some(found));
        let worse = if strict > self.grade {
            Some(true)
        } else if eased < self.grade {
            Some(false)
        } else {
            None
        };
        self.turning = worse.map(|worse| match self.turning {
            Some((before, held_s)) if before == worse => (worse, held_s + dt),
            Some(_) | None => (worse, 0.0),
        });
        let Some((worse, held_s)) = self.turning else { return };
        let delay_s = if worse { raise_s } else { clear_s };
        if held_s + NEAR_S >= delay_s {
            self.grade = if worse { strict } else { eased };
            self.turning = None;
        }
    }

    /// Grade in force.
    fn in_force(&self) -> Option<Grade> {
        self.issued.as_ref().map(|issued| issued.grade)
    }
}

impl Warnings {
    /// By element, in the order of the basin.
    pub fn watches(&self) -> &[Watch] {
        &self.watches
    }

    /// Keeps to what the basin has; what is new begins without a grade. A warning of what is gone is over without a word: the
    /// start of another configuration is on record.
    fn fit(&mut self, basin: &Basin) {
        if elements(basin).eq(self.watches.iter().map(|watch| watch.element.as_str())) {
            return;
        }
        let mut known = std::mem::take(&mut self.watches);
        let of = |element: &str| {
            let at = known.iter().position(|watch| watch.element == element);
            at.map_or_else(|| Watch::new(element), |at| known.swap_remove(at))
        };
        self.watches = elements(basin).map(of).collect();
    }
}

/// Identifier of the alarm a warning in force is.
const fn alarm(grade: Grade) -> &'static str {
    match grade {
        Grade::Blue => "A52",
        Grade::Yellow => "A53",
        Grade::Orange => "A54",
        Grade::Red => "A55",
    }
}

/// An entry about a warning, with what was found.
fn entry(actor: &str, was: &str, watch: &Watch, more: serde_json::Value) -> Entry {
    let mut entry = Entry::new(Kind::Warning, actor);
    let mut detail = json!({ "warning_was": was, "element": watch.element });
    if let (serde_json::Value::Object(detail), serde_json::Value::Object(more)) = (&mut detail, more) {
        detail.extend(more);
        if let Some(found) = watch.found {
            detail.insert("found".to_owned(), json!(found));
        }
    }
    entry.detail = Some(detail);
    entry
}

impl Controller {
    /// Warnings and what is known of them.
    pub fn warnings(&self) -> &Warnings {
        &self.carry.warnings
    }

    /// Finds grades, proposes what has changed, and holds up the alarms of what is in force.
    pub(super) fn warn(&mut self, out: &mut Vec<Condition>, dt: Duration, decision: &mut Decision, now: Now) {
        let mut warnings = std::mem::take(&mut self.carry.warnings);
        warnings.fit(&self.basin);
        warnings.waited_s += dt.as_secs_f64();
        // Means and forecasts move in bins; asked for more often they say the same.
        if std::mem::replace(&mut warnings.judged_in, self.bins) != self.bins {
            let waited_s = std::mem::take(&mut warnings.waited_s);
            for watch in &mut warnings.watches {
                let section = self.basin.section(&watch.element);
                let (judged, delays) = match section {
                    Some(id) => self.judged_section(id, now),
                    None => self.judged_wetland(&watch.element),
                };
                watch.see(judged, delays, waited_s);
                propose(watch, decision, now);
            }
        }
        out.extend(warnings.watches.iter().flat_map(conditions));
        self.carry.warnings = warnings;
    }

    fn judged_section(&self, id: SectionId, now: Now) -> (Option<Judged>, (f64, f64)) {
        let Some(section) = self.basin.sections.get(id.0) else { return (None, (0.0, 0.0)) };
        let rules = section.warning;
        let judged = self.flows(id, now).map(|seen| judge::flow(&rules, &seen));
        (judged, (rules.raise_s, rules.clear_s))
    }

    fn judged_wetland(&self, element: &str) -> (Option<Judged>, (f64, f64)) {
        let at = self.basin.wetlands.iter().position(|one| one.id == element).map(WetlandId);
        let Some(wetland) = at.and_then(|id| self.basin.wetlands.get(id.0)) else {
            return (None, (0.0, 0.0));
        };
        let rules = wetland.warning;
        let level = wetland.level_meter.and_then(|meter| {
            // Where twins disagree it may be the lower one.
            let (low, _) = self.level_range(meter)?;
            Some((low, Basis::of(self.meter_reading(meter).quality)))
        });
        let judged = level.map(|seen| judge::level(&rules, wetland.level_band, seen));
        (judged, (rules.raise_s, rules.clear_s))
    }

    /// A person issues a warning; one of another grade gives way to it.
    pub(super) fn issue_warning(
        &mut self,
        (element, grade): (&str, Grade),
        (who, cause, measure): (&str, &str, &str),
        decision: &mut Decision,
        now: Now,
    ) -> Result<String, String> {
        let warnings = &mut self.carry.warnings;
        warnings.fit(&self.basin);
        let watch = warnings.watches.iter_mut().find(|watch| watch.element == element);
        let watch = watch.ok_or_else(|| format!("{element}: no warning is given of it"))?;
        if watch.in_force() == Some(grade) {
            return Err(format!("{element}: a warning of this grade is in force already"));
        }
        let actor = format!("operator:{who}");
        warnings.newest += 1;
        let id = warnings.newest;
        let issued = Issued {
            id,
            grade,
            at: now.utc,
            by: who.to_owned(),
            cause: cause.to_owned(),
            measure: measure.to_owned(),
            found: watch.found,
        };
        if let Some(before) = watch.issued.replace(issued) {
            let more = json!({ "warning": before.id, "grade": before.grade, "by_warning": id });
            decision.entries.push(entry(&actor, "replaced", watch, more));
        }
        let proposed = watch.proposed.take().map(|proposed| proposed.grade);
        let more = json!({ "warning": id, "grade": grade, "proposed": proposed, "cause": cause, "measure": measure });
        decision.entries.push(entry(&actor, "issued", watch, more));
        Ok("issued".into())
    }

    /// A person cancels the warning in force.
    pub(super) fn cancel_warning(
        &mut self,
        (element, id): (&str, u64),
        (who, reason): (&str, &str),
        decision: &mut Decision,
    ) -> Result<String, String> {
        let watch = self.carry.warnings.watches.iter_mut().find(|watch| watch.element == element);
        let watch = watch.ok_or_else(|| format!("{element}: no warning is given of it"))?;
        let issued = watch.issued.take_if(|issued| issued.id == id);
        let issued = issued.ok_or_else(|| format!("{element}: this warning is not in force any more"))?;
        watch.proposed = None;
        let more = json!({ "warning": id, "grade": issued.grade, "since": issued.at, "reason": reason });
        decision.entries.push(entry(&format!("operator:{who}"), "cancelled", watch, more));
        Ok("cancelled".into())
    }
}

/// Proposes what differs from what is in force; takes back what is meant no longer.
fn propose(watch: &mut Watch, decision: &mut Decision, now: Now) {
    let wanted = (watch.known && watch.grade != watch.in_force()).then_some(watch.grade);
    if watch.proposed.map(|proposed| proposed.grade) == wanted {
        return;
    }
    let before =
        std::mem::replace(&mut watch.proposed, wanted.map(|grade| Proposed { grade, since: now.utc }));
    let number = watch.issued.as_ref().map(|issued| issued.id);
    let (was, grade) = match (before, wanted) {
        (_, Some(grade)) => ("proposed", grade),
        (Some(before), None) => ("withdrawn", before.grade),
        (None, None) => return,
    };
    let more =
        json!({ "grade": grade, "in_force": watch.in_force(), "warning": number, "known": watch.known });
    decision.entries.push(entry("service", was, watch, more));
}

/// The alarms of a watch: what waits for a person, and what is in force.
fn conditions(watch: &Watch) -> impl Iterator<Item = Condition> {
    let waits = watch.proposed.map(|proposed| {
        let mut detail = json!({ "grade": proposed.grade.map_or("cancel", Grade::name) });
        with_numbers(&mut detail, watch.found);
        Condition::new("A51", &watch.element, detail)
    });
    let stands = watch.issued.as_ref().map(|issued| {
        let mut detail = json!({ "warning": issued.id, "by": format!("operator:{}", issued.by) });
        with_numbers(&mut detail, issued.found);
        Condition::new(alarm(issued.grade), &watch.element, detail)
    });
    waits.into_iter().chain(stands)
}

/// Adds the numbers of a finding under the keys other alarms have them.
fn with_numbers(detail: &mut serde_json::Value, found: Option<Finding>) {
    let (serde_json::Value::Object(parts), Some(found)) = (detail, found) else { return };
    let (value, limit) = match found.sign {
        Sign::Level => ("level_m", "limit_m"),
        Sign::HourMean | Sign::DayMean | Sign::Forecast => ("flow_m3s", "floor_m3s"),
    };
    parts.insert(value.to_owned(), json!(found.value));
    parts.insert(limit.to_owned(), json!(found.limit));
    if let Some(hours) = found.in_h {
        parts.insert("in_h".to_owned(), json!(hours));
    }
}

#[cfg(test)]
mod tests;
