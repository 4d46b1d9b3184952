//! How much each dispatched reservoir releases: the arrival-time rule, rung F2 of the ladder, with the safe
//! constant F3 below it.
//!
//! The release that leaves now is what the section needs when it arrives. Raising is quick, lowering slow.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::arrival::ARRIVAL;
use super::estimate::{River, Scene};
use super::reason::Because;
use super::routing::Path;
use super::schedule::{self, Entry};
use super::status::Rung;
use crate::basin::{Basin, MeterKind, Section, SectionId};
use crate::config::Schedules;
use crate::units::Discharge;

/// Sections nearer than this to their dam are held by the local loop, h.
pub const LOCAL_LAG_H: f64 = 0.5;

/// A lower need must have stood this many control cycles before the release follows it: half an hour. Chosen.
const LOWER_AFTER: u32 = 30;

/// A need lower by less than the least action is followed once it has stood this many control cycles: an hour.
/// Otherwise the release would stay above the need by up to that action for good.
const LOWER_A_LITTLE_AFTER: u32 = 60;

/// Least such difference, as a share of the least action.
const A_LITTLE: f64 = 0.2;

/// What a reservoir is to release, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Target, m³/s; `None` before the first decision.
    pub target: Option<f64>,
    /// Causes, most important first.
    pub because: Vec<Because>,
    /// Largest need since it fell below the target, and for how many cycles.
    lower: Option<(f64, u32)>,
}

/// State of the inputs a release decision stands on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// Flow measured below the dam now.
    pub flow: Option<f64>,
    /// Seconds since the far sections' meters were last usable.
    pub sections_lost_s: f64,
    /// Two meters of the reservoir's level disagree: what its gates pass is not known well enough to plan with.
    pub level_in_doubt: bool,
    /// Part of what is wanted that the reservoir still gives, 0..=1: less than all of it below its dead level only. The level
    /// settles where this lets go what comes in (来多少泄多少), which nobody measures.
    pub left: f64,
    /// Release of a plan for now, with the rung it stands on.
    pub planned: Option<(f64, Rung)>,
}

impl Inputs {
    /// The sections have not been seen for too long, or it is not known what the gates pass.
    pub fn is_blind(&self, field_lost_s: f64) -> bool {
        self.sections_lost_s > field_lost_s || self.level_in_doubt
    }
}

/// Set point of a section: its floor and a computed margin, never above its cap.
pub fn setpoint(basin: &Basin, section: &Section, error: f64, date: Date) -> Option<Discharge> {
    setpoint_of(basin, section, (None, error), date)
}

/// The same with the floor `raised`, if that is more; the cap moves with it.
pub fn setpoint_of(
    basin: &Basin,
    section: &Section,
    (raised, error): (Option<Discharge>, f64),
    date: Date,
) -> Option<Discharge> {
    let own = section.floor_on(date)?;
    let floor = raised.map_or(own, |raised| raised.max(own));
    let rule = basin.control.margin;
    let accuracy = basin
        .meters
        .get(section.meter.0)
        .filter(|m| m.kind == MeterKind::RiverFlow || m.kind == MeterKind::StructureFlow)
        .map_or(0.0, |m| m.accuracy);
    let class = rule.class_share * accuracy * floor.get();
    // The meter's class and the forecast's misses have nothing to do with each other: their squares add.
    let margin = class.hypot(error);
    let wanted = floor + rule.least.max(Discharge::lossy(margin));
    let moved = |cap: Discharge| if floor > own { cap + (floor - own) } else { cap };
    Some(section.setpoint_cap.map_or(wanted, |cap| wanted.min(moved(cap))))
}

/// The highest floor the calendar asks for at a section between so many hours from `utc`, with its entry.
pub fn raised<'a>(
    basin: &Basin,
    schedules: &'a Schedules,
    section: &Section,
    utc: Timestamp,
    hours: (f64, f64),
) -> Option<(Discharge, &'a Entry)> {
    if schedules.entries.is_empty() {
        return None;
    }
    let at = |hours: f64| schedule::hours_after(utc, hours);
    schedule::raised(&schedules.entries, &basin.zone, &section.id, (at(hours.0), at(hours.1)))
}

/// Set point of the section at the end of `path` for the water that leaves the dam now: with the floor raised when it arrives.
pub fn setpoint_ahead(
    scene: &Scene<'_>,
    path: &Path,
    section: &Section,
    error: f64,
    date: Date,
) -> Option<Discharge> {
    let own = setpoint(scene.basin, section, error, date)?;
    if scene.schedules.entries.is_empty() {
        return Some(own);
    }
    let hours = arrives(path.lag_h(scene.basin, own));
    let raised = raised(scene.basin, scene.schedules, section, scene.utc, hours);
    let Some((floor, _)) = raised else { return Some(own) };
    setpoint_of(scene.basin, section, (Some(floor), error), date)
}

/// When water that takes `lag_h` hours by the tables arrives, h from now.
fn arrives(lag_h: f64) -> (f64, f64) {
    if lag_h < LOCAL_LAG_H { (0.0, 0.0) } else { (ARRIVAL.0 * lag_h, ARRIVAL.1 * lag_h) }
}

impl Release {
    /// Decides the target of reservoir `source` for this control cycle; returns the rung it stands on.
    pub fn decide(
        &mut self,
        scene: &Scene<'_>,
        river: &River,
        paths: &[Path],
        source: usize,
        inputs: Inputs,
    ) -> Rung {
        let date = scene.basin.date_at(scene.utc);
        let month = usize::try_from(date.month() - 1).unwrap_or(0);
        let control = &scene.basin.control;
        let present = self.target.or(inputs.flow);
        let mut wanted = f64::NEG_INFINITY;
        let mut because = Vec::new();
        let lost = inputs.is_blind(control.field_lost_s);
        let planned = inputs.planned.filter(|_| !lost);
        let mut blind = false;
        let mut at_outlet = 0.0_f64;
        for (at, path) in paths.iter().enumerate().filter(|(_, p)| p.source.0 == source) {
            let Some(section) = scene.basin.sections.get(path.section.0) else { continue };
            let error = river.error(at);
            let Some(own) = setpoint(scene.basin, section, error, date) else { continue };
            let start = present.unwrap_or(own.get());
            let lag_h = path.lag_h(scene.basin, Discharge::lossy(start));
            let local = lag_h < LOCAL_LAG_H;
            let raised = raised(scene.basin, scene.schedules, section, scene.utc, arrives(lag_h));
            let higher =
                raised.and_then(|(floor, _)| setpoint_of(scene.basin, section, (Some(floor), error), date));
            let setpoint = higher.unwrap_or(own);
            let mut staked = None;
            let (need, cause) = if local {
                at_outlet = at_outlet.max(own.get());
                (setpoint.get(), Because::OutletFloor { section: path.section, setpoint })
            } else if let Some(need) =
                river.need(scene, paths, at, setpoint.get(), start).filter(|_| river.is_primed(at) && !lost)
            {
                if need.young_h > 0.0 && start > need.release {
                    (start, Because::StillLearning { section: path.section, hours_left: need.young_h })
                } else if let Some((flow, _)) = planned {
                    let need = super::estimate::Need { release: flow, ..need };
                    (flow, section_needs(path.section, setpoint, need))
                } else {
                    staked = Some(need.staked);
                    (need.release, section_needs(path.section, setpoint, need))
                }
            } else {
                blind = true;
                // Missing data may raise a release, never lower it.
                let constant = control.safe_constant.get(month).copied().unwrap_or(setpoint);
                let flow = constant.max(Discharge::lossy(start));
                (flow.get(), Because::SafeConstant { flow })
            };
            if need > wanted {
                wanted = need;
                let entry = raised.filter(|_| setpoint > own).map(|(_, entry)| entry.because());
                let foretold = staked.map(|staked| river.relied_on(scene, (path, at), (start, staked)));
                let foretold = foretold.into_iter().flatten();
                because.splice(0..0, std::iter::once(cause).chain(entry).chain(foretold));
            } else {
                because.push(cause);
            }
        }
        // The floor at the outlet is left to people: they may doubt the level.
        let given = (wanted * inputs.left).max(at_outlet);
        if given < wanted {
            because.insert(0, Because::DeadLevel { flow: Discharge::lossy(given) });
            wanted = given;
        }
        if wanted.is_finite() {
            let (wanted, least) = (wanted.min(control.siren_above.get()), control.min_action.get());
            self.follow(wanted, least, because);
        }
        // A section right below the dam needs no plan.
        let far = paths.iter().any(|path| path.source.0 == source && !path.way.is_empty());
        let stands_on = if far { planned.map_or(Rung::F2, |(_, rung)| rung) } else { Rung::F0 };
        if blind { Rung::F3 } else { stands_on }
    }

    /// Follows a need: up at once, down only after it has stood for a while, and not for trifles.
    fn follow(&mut self, wanted: f64, min_action: f64, because: Vec<Because>) {
        let Some(target) = self.target else {
            (self.target, self.because, self.lower) = (Some(wanted), because, None);
            return;
        };
        if wanted > target + 0.25 * min_action {
            (self.target, self.because, self.lower) = (Some(wanted), because, None);
        } else if wanted < target - A_LITTLE * min_action {
            let (highest, cycles) = self.lower.unwrap_or((wanted, 0));
            let lower = (highest.max(wanted), cycles + 1);
            let patience = if lower.0 < target - min_action { LOWER_AFTER } else { LOWER_A_LITTLE_AFTER };
            if lower.1 >= patience {
                (self.target, self.because, self.lower) = (Some(lower.0), because, None);
            } else {
                self.lower = Some(lower);
            }
        } else {
            // It stays for what is so now, not for what was when it was set.
            (self.because, self.lower) = (because, None);
        }
    }
}

fn section_needs(section: SectionId, setpoint: Discharge, need: super::estimate::Need) -> Because {
    Because::SectionNeeds {
        section,
        need: Discharge::lossy(need.release),
        setpoint,
        inflow: Discharge::lossy(need.inflow),
        intakes: Discharge::lossy(need.intakes),
        losses: Discharge::lossy(need.losses),
        lag_h: need.lag_h,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_rises_at_once_and_falls_after_half_an_hour() {
        let mut release = Release::default();
        release.follow(2.0, 0.05, Vec::new());
        release.follow(2.3, 0.05, Vec::new());
        assert_eq!(release.target, Some(2.3));
        for cycle in 1..LOWER_AFTER {
            release.follow(1.6, 0.05, Vec::new());
            assert_eq!(release.target, Some(2.3), "cycle {cycle}");
        }
        release.follow(1.7, 0.05, Vec::new());
        // The largest need of that time counts.
        assert_eq!(release.target, Some(1.7));
    }

    #[test]
    fn a_need_that_comes_back_starts_the_time_again() {
        let mut release = Release::default();
        release.follow(2.0, 0.05, Vec::new());
        for _ in 1..LOWER_AFTER {
            release.follow(1.6, 0.05, Vec::new());
        }
        release.follow(2.0, 0.05, Vec::new());
        release.follow(1.6, 0.05, Vec::new());
        assert_eq!(release.target, Some(2.0));
    }

    #[test]
    fn a_need_lower_by_a_little_is_followed_after_an_hour() {
        let mut release = Release::default();
        release.follow(2.0, 0.05, Vec::new());
        for cycle in 1..LOWER_A_LITTLE_AFTER {
            release.follow(1.97, 0.05, Vec::new());
            assert_eq!(release.target, Some(2.0), "cycle {cycle}");
        }
        release.follow(1.97, 0.05, Vec::new());
        assert_eq!(release.target, Some(1.97));
        // The noise of the meters is nothing to follow.
        for _ in 0..2 * LOWER_A_LITTLE_AFTER {
            release.follow(1.965, 0.05, Vec::new());
        }
        assert_eq!(release.target, Some(1.97));
    }
}
