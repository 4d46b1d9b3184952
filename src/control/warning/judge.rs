//! The grade of what is seen: pure.

use serde::{Deserialize, Serialize};

use super::super::Now;
use super::super::controller::Controller;
use super::super::dispatch;
use super::super::estimate::{self, Ahead};
use super::super::quality::Quality;
use crate::basin::{FlowGrades, Grade, LevelGrades, SectionId};
use crate::units::{Discharge, Stage};

/// Seconds of a day that must have been measured before its mean says more than that of the hour: twelve hours. Assumed.
const DAY_LEAST_S: f64 = 43_200.0;

/// Steps of the forecast a foretold flow is the mean of: three hours, as alarm A03 has it.
const WINDOW: usize = 7;

/// What a finding stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Its meter.
    Measured,
    /// An estimate, a reading a person entered, or an old value.
    Estimated,
    /// A forecast.
    Foretold,
}

impl Basis {
    /// Of a reading that is used.
    pub(super) fn of(quality: Quality) -> Self {
        match quality {
            Quality::Good | Quality::Simulated => Self::Measured,
            Quality::Substituted | Quality::Stale | Quality::Suspect | Quality::Bad => Self::Estimated,
        }
    }
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// Mean of the last hour, m³/s.
    HourMean,
    /// Mean of the day so far, m³/s.
    DayMean,
    /// Foretold mean of three hours, m³/s.
    Forecast,
    /// Water level, m.
    Level,
}

/// What a grade stands on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What was looked at.
    pub sign: Sign,
    /// How it is known.
    pub basis: Basis,
    /// Its value.
    pub value: f64,
    /// The threshold it was held against.
    pub limit: f64,
    /// Of a forecast: when, hours from now.
    pub in_h: Option<f64>,
}

/// The grade by the thresholds, the grade by the thresholds with their bands, and what it stands on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judged {
    /// A worse grade than before begins here.
    pub strict: Option<Grade>,
    /// A grade ends only here; never below `strict`.
    pub eased: Option<Grade>,
    pub found: Finding,
}

/// What is seen of a section.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flows {
    pub floor: f64,
    /// Mean of the last hour.
    pub hour: (f64, Basis),
    /// Mean of the day so far, once it says something.
    pub day: Option<f64>,
    /// Foretold means with their hours, in order, as far as the water that leaves now.
    pub ahead: Vec<(f64, f64)>,
    /// How far below the floor a foretold flow must lie to be sure, m³/s.
    pub sure: f64,
}

/// The grade of a section.
pub(super) fn flow(rules: &FlowGrades, seen: &Flows) -> Judged {
    let Flows { floor, hour: (hour, basis), day, ref ahead, sure } = *seen;
    let first = |limit: f64| ahead.iter().copied().find(|(_, flow)| *flow < limit);
    let grade = |band: f64, foretold: Option<(f64, f64)>| {
        let low = |value: f64, share: f64| value < share * floor * (1.0 + band);
        let within = |hours: f64| foretold.is_some_and(|(at, _)| at <= hours);
        if low(hour, rules.red) || day.is_some_and(|day| low(day, rules.red_day)) {
            Some(Grade::Red)
        } else if low(hour, rules.orange) {
            Some(Grade::Orange)
        } else if within(rules.yellow_within_h) {
            Some(Grade::Yellow)
        } else if within(rules.blue_within_h) {
            Some(Grade::Blue)
        } else {
            None
        }
    };
    let (sharp, wide) = (first(floor - sure), first(floor));
    let strict = grade(0.0, sharp);
    let measured = |sign, value, limit| Finding { sign, basis, value, limit, in_h: None };
    let by_hour = |share: f64| measured(Sign::HourMean, hour, share * floor);
    let found = match strict {
        Some(Grade::Red) if hour >= rules.red * floor => {
            measured(Sign::DayMean, day.unwrap_or(hour), rules.red_day * floor)
        }
        Some(Grade::Red) => by_hour(rules.red),
        Some(Grade::Yellow | Grade::Blue) => {
            let (at, value) = sharp.unwrap_or((0.0, hour));
            Finding { sign: Sign::Forecast, basis: Basis::Foretold, value, limit: floor, in_h: Some(at) }
        }
        Some(Grade::Orange) | None => by_hour(rules.orange),
    };
    Judged { strict, eased: grade(rules.band, wide).max(strict), found }
}

/// The grade of a wetland by its level.
pub(super) fn level(rules: &LevelGrades, band: [Stage; 3], (level, basis): (f64, Basis)) -> Judged {
    let [lowest, target, _] = band.map(Stage::get);
    let limit = |share: f64| lowest + share * (target - lowest);
    let worst = |band_m: f64| {
        let graded = Grade::ALL.into_iter().zip(rules.below);
        graded.filter(|(_, share)| level < limit(*share) + band_m).map(|(grade, _)| grade).next_back()
    };
    let strict = worst(0.0);
    let graded = Grade::ALL.into_iter().zip(rules.below);
    let of = |grade: Grade| graded.clone().find(|(one, _)| *one == grade).map_or(0.0, |(_, share)| share);
    let limit = limit(of(strict.unwrap_or(Grade::Blue)));
    let found = Finding { sign: Sign::Level, basis, value: level, limit, in_h: None };
    Judged { strict, eased: worst(rules.band_m).max(strict), found }
}

impl Controller {
    /// What is seen of a section with a floor; `None` when neither its meter nor the water above tells of its last hour.
    pub(super) fn flows(&self, id: SectionId, now: Now) -> Option<Flows> {
        let section = self.basin.sections.get(id.0)?;
        let date = self.basin.date_at(now.utc);
        let floor = section.floor_on(date)?.get();
        let path = self.paths.iter().position(|path| path.section == id);
        let river = &self.carry.river;
        // An hour of which the newest bin is missing is not the last one.
        let last_hour = |series: &super::super::series::Series| {
            series.latest()?;
            series.means(1, 1).next()
        };
        let measured = river.meters.get(&section.meter).and_then(last_hour);
        let hour = if let Some(hour) = measured.filter(|_| self.meter(section.meter).is_some()) {
            (hour, Basis::of(self.meter_reading(section.meter).quality))
        } else {
            let foot = &river.by_path.get(path?)?.segments.last()?.foot;
            (last_hour(foot)?, Basis::Estimated)
        };
        let day = self.carry.days.get(id.0).filter(|day| day.day == Some(date) && day.seconds >= DAY_LEAST_S);
        let setpoint = |at| dispatch::setpoint(&self.basin, section, river.error(at), date);
        let sure = path.and_then(setpoint).map_or(0.0, |setpoint: Discharge| setpoint.get() - floor);
        let ahead = path.map_or_else(Vec::new, |at| self.foretold_means(at, now));
        Some(Flows { floor, hour, day: day.map(|day| day.volume / day.seconds), ahead, sure })
    }

    /// Means of three hours foretold at the section of a path with the middle of each, as far as the water that leaves now: what
    /// comes after it is decided later.
    fn foretold_means(&self, at: usize, now: Now) -> Vec<(f64, f64)> {
        let known = || {
            let path = self.paths.get(at).filter(|path| !path.way.is_empty())?;
            let release = self.release_of(path.source.0)?;
            let scene = estimate::Scene::new(&self.basin, &self.schedules, now.utc);
            let horizon = self.carry.river.pace(&scene, (path, at), release).over(&path.way).mid;
            let steps = (0_u32..).map(|step| Ahead::STEP_H * f64::from(step));
            let due = steps.zip(self.ahead.get(at)?.section()).take_while(|(hours, _)| *hours <= horizon);
            Some(due.map(|(hours, band)| (hours, band.mid)).collect::<Vec<_>>())
        };
        let steps = known().unwrap_or_default();
        let mean = |window: &[(f64, f64)]| {
            let (hours, flow, count) =
                window.iter().fold((0.0, 0.0, 0.0), |(hours, sum, count), (at, flow)| {
                    (hours + at, sum + flow, count + 1.0)
                });
            (hours / count, flow / count)
        };
        steps.windows(WINDOW).map(mean).collect()
    }
}
