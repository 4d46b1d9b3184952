//! The plan, rung F0 of the ladder: releases over four days that hold every section with the least water, as one convex
//! programme on the coarse river. The arrival-time rule stays below it.

pub mod model;
pub mod programme;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::controller::Controller;
use super::estimate::{River, Scene};
use super::routing::Path;
use super::status::Rung;
use model::{Limit, Task};
use programme::Unsolved;

/// Horizon, h: two and a half times the longest travel time at low flow.
pub const HORIZON_H: f64 = 96.0;

/// Hours after which a plan is made anew.
const ANEW_H: f64 = 1.0;

/// Least hours between two plans, when something has happened or the last attempt failed.
const AGAIN_H: f64 = 0.25;

/// Hours a plan may be followed when no new one can be made: rung F1. Assumed.
const KEPT_H: f64 = 6.0;

/// Need by the arrival-time rule above the plan that asks for a new one at once, m³/s. Assumed.
const SURPRISE: f64 = 0.1;

/// One move of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Hours from when the plan was made.
    pub start_h: f64,
    /// Length, h.
    pub length_h: f64,
    /// Release, m³/s.
    pub release: f64,
}

/// Releases of one reservoir over the horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// When it was made.
    pub made: Timestamp,
    /// Moves in order, without gaps.
    pub steps: Vec<Step>,
    /// Limits that bind, the dearest first, with what one m³/s more of room would save, m³/s·h.
    pub binding: Vec<(Limit, f64)>,
    /// Water the sections will lack, whatever is released, m³.
    pub short_m3: f64,
    /// Iterations of the solver.
    pub iterations: u32,
}

impl Plan {
    /// Hours since it was made.
    pub fn age_h(&self, utc: Timestamp) -> f64 {
        utc.duration_since(self.made).as_secs_f64() / 3600.0
    }

    /// Release planned for `utc`; `None` beyond the horizon.
    pub fn release_at(&self, utc: Timestamp) -> Option<f64> {
        let hours = self.age_h(utc).max(0.0);
        self.steps.iter().find(|step| hours < step.start_h + step.length_h).map(|step| step.release)
    }

    /// Mean release between two times in hours from when it was made, m³/s.
    pub fn mean(&self, from_h: f64, to_h: f64) -> f64 {
        let (mut sum, mut hours) = (0.0, 0.0);
        for step in &self.steps {
            let part = (step.start_h + step.length_h).min(to_h) - step.start_h.max(from_h);
            if part > 0.0 {
                sum += part * step.release;
                hours += part;
            }
        }
        if hours > 0.0 { sum / hours } else { 0.0 }
    }
}

/// The plan of one reservoir as it is kept from cycle to cycle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    plan: Option<Plan>,
    /// When one was last asked for.
    asked: Option<Timestamp>,
    /// No programme is solved: a fault that a bench run is given.
    #[serde(default)]
    broken: bool,
}

impl Planned {
    /// Makes a plan when it is due; tells the record what came of it. None is made where no section lies further
    /// down, nor before the river is known.
    pub(super) fn keep(
        &mut self,
        scene: &Scene<'_>,
        river: &River,
        paths: &[Path],
        (source, present): (usize, f64),
    ) -> Option<serde_json::Value> {
        let task = Task { scene, river, paths, source, present };
        if !task.is_known() {
            *self = Self { broken: self.broken, ..Self::default() };
            return None;
        }
        let since = self
            .asked
            .map_or(f64::INFINITY, |asked| scene.utc.duration_since(asked).as_secs_f64().abs() / 3600.0);
        let fresh = self.plan.as_ref().is_some_and(|plan| plan.age_h(scene.utc) < ANEW_H);
        if since < AGAIN_H || (fresh && !self.is_surprised(scene, river, paths, source)) {
            return None;
        }
        self.asked = Some(scene.utc);
        let solved = if self.broken { Err(Unsolved::NotFinite) } else { task.solve() };
        match solved {
            Ok(plan) => {
                let told = plan.told(scene);
                self.plan = Some(plan);
                Some(told)
            }
            Err(error) => Some(serde_json::json!({ "failed": error.to_string() })),
        }
    }

    /// The rule would release clearly more than the plan.
    fn is_surprised(&self, scene: &Scene<'_>, river: &River, paths: &[Path], source: usize) -> bool {
        let Some(planned) = self.plan.as_ref().and_then(|plan| plan.release_at(scene.utc)) else {
            return true;
        };
        paths.iter().enumerate().filter(|(_, path)| path.source.0 == source && !path.way.is_empty()).any(
            |(at, path)| {
                let section = scene.basin.sections.get(path.section.0);
                let setpoint = section.and_then(|s| {
                    super::dispatch::setpoint_ahead(scene, path, s, river.error(at), scene.date_in(0.0))
                });
                let need = setpoint.and_then(|wanted| river.need(scene, paths, at, wanted.get(), planned));
                need.is_some_and(|need| need.release > planned + SURPRISE)
            },
        )
    }

    /// Release for now, with its rung: fresh, or kept while no new plan can be made.
    pub(super) fn release(&self, utc: Timestamp) -> Option<(f64, Rung)> {
        let plan = self.plan.as_ref()?;
        let age = plan.age_h(utc);
        let rung = if age < ANEW_H + AGAIN_H { Rung::F0 } else { Rung::F1 };
        plan.release_at(utc).filter(|_| (0.0..KEPT_H).contains(&age)).map(|release| (release, rung))
    }
}

impl Controller {
    /// From now on every programme fails, or none does because of this: how a bench run shows what comes after it. Nothing
    /// happens in a service that is none.
    pub fn break_solver(&mut self, broken: bool) {
        self.plans.resize(self.carry.releases.len(), Planned::default());
        for planned in self.plans.iter_mut().filter(|_| self.settings.bench) {
            planned.broken = broken;
        }
    }
}

impl Plan {
    /// The plan as the record keeps it.
    fn told(&self, scene: &Scene<'_>) -> serde_json::Value {
        let binding = self.binding.iter().take(TOLD).map(|(limit, price)| {
            let name = limit.told(scene.basin);
            serde_json::json!({ "limit": name, "price_m3s_h": price })
        });
        serde_json::json!({
            "first_m3s": self.steps.first().map(|step| step.release),
            "day_m3s": self.mean(0.0, 24.0),
            "short_m3": self.short_m3,
            "iterations": self.iterations,
            "binding": binding.collect::<Vec<_>>(),
        })
    }
}

/// Binding limits the record keeps of a plan.
const TOLD: usize = 5;
