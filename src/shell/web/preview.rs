//! What an act would do, before it is done, and whether that is still true when it is confirmed.
//!
//! This is worked out from the published status alone: the wave travel times of the controller give the arrival window,
//! and the equations of the structures, scaled to the flow seen now, give the flow at another opening where the
//! level above is measured. [`preview`] is one pure function behind [`Previewer`], so a better one can take its
//! place.

use std::sync::Arc;

use serde::Serialize;

use crate::basin::{Basin, Duty, GateId, GateKind, Place, SectionId};
use crate::config::Config;
use crate::control::command::CommandId;
use crate::control::estimate::ARRIVAL;
use crate::control::operator::{Authority, Mode, Order};
use crate::control::quality::{Quality, Reading, Reason};
use crate::control::reason::Limit;
use crate::control::routing;
use crate::control::status::{GateState, GateStatus, Status};
use crate::control::structure;
use crate::units::{Discharge, Opening, Stage};

/// Works out a preview; pure.
pub type Previewer = Arc<dyn Fn(&Config, &Status, &Order) -> Preview + Send + Sync>;

/// What an act would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preview {
    /// The gate it moves, if one.
    pub gate: Option<GateId>,
    /// Opening now.
    pub from: Option<Opening>,
    /// Opening afterwards.
    pub to: Option<Opening>,
    /// Time the movement takes, s.
    pub travel_s: Option<f64>,
    /// Flow through the gate now, m³/s.
    pub flow_now_m3s: Option<Discharge>,
    /// Flow through it afterwards; `None` when it cannot be told from here.
    pub flow_then_m3s: Option<Discharge>,
    /// Sections the change reaches, in file order.
    pub sections: Vec<Reached>,
    /// What stands in the way now, failing first; empty means it may go.
    pub blocked_by: Vec<Limit>,
    /// Openings permitted now, with the limits that set both ends.
    pub permitted: Option<Permitted>,
    /// Values this rests on.
    pub inputs: Vec<Input>,
    /// The gate leaves automatic control.
    pub takes_manual: bool,
    /// Afterwards nothing at this dam holds the outlet floor by itself.
    pub unprotected: bool,
}

/// What limits a set-point.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Permitted {
    /// Lowest and highest opening.
    pub range: (Opening, Opening),
    /// What sets them.
    pub by: (Option<Limit>, Option<Limit>),
}

/// A section below the gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reached {
    /// Which.
    pub section: SectionId,
    /// Flow there now.
    pub now_m3s: Option<Discharge>,
    /// Its floor today.
    pub floor_m3s: Option<Discharge>,
    /// Change to expect, before losses on the way.
    pub change_m3s: Option<Discharge>,
    /// First response and full change, hours from now.
    pub arrives_in_h: (f64, f64),
}

/// One value a preview rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    /// What it is of: `gate:ID` or `section:ID`.
    pub of: String,
    /// The number, in its unit (openings as fractions).
    pub value: Option<f64>,
    /// How far to trust it.
    pub quality: Quality,
    /// Why not fully.
    pub reason: Option<Reason>,
    /// Age of the last good reply, s of service time.
    pub age_s: Option<f64>,
}

/// What must not have changed between preview and confirmation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Basis {
    mode: Mode,
    hold_all: bool,
    gate: Option<GateBasis>,
    short: Vec<Option<bool>>,
    trusted: Vec<Quality>,
}

#[derive(Clone, Debug, PartialEq)]
struct GateBasis {
    authority: Authority,
    remote: Option<bool>,
    estop: Option<bool>,
    fault: Option<bool>,
    state: GateState,
    command: Option<CommandId>,
    opening: Option<Opening>,
    tolerance: f64,
    blocked: Vec<std::mem::Discriminant<Limit>>,
}

impl Basis {
    /// What a preview for `order` rests on.
    pub(super) fn of(config: &Config, status: &Status, order: &Order) -> Self {
        let gate = order.gate().and_then(|id| status.gates.get(id.0).map(|gate| (id, gate)));
        Self {
            mode: status.mode,
            hold_all: status.hold_all.is_some(),
            gate: gate.map(|(id, gate)| GateBasis {
                authority: gate.authority,
                remote: gate.remote,
                estop: gate.estop,
                fault: gate.fault,
                state: gate.state,
                command: gate.in_flight.as_ref().map(|command| command.id),
                opening: gate.opening,
                tolerance: config.basin.gates.get(id.0).map_or(0.0, |g| g.tolerance.max(g.min_step)),
                blocked: lasting(&gate.blocked_by).map(std::mem::discriminant).collect(),
            }),
            short: status.sections.iter().map(|s| Some(section_flow(s)?.get() < s.floor?.get())).collect(),
            trusted: status.sections.iter().map(|section| section.reading.quality).collect(),
        }
    }

    /// Whether a preview made on `self` is still true on `now`.
    pub(super) fn still_holds(&self, now: &Self) -> bool {
        let gate = match (&self.gate, &now.gate) {
            (Some(then), Some(now)) => then.still_holds(now),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        gate && self.mode == now.mode
            && self.hold_all == now.hold_all
            && self.short == now.short
            && self.trusted == now.trusted
    }
}

impl GateBasis {
    fn still_holds(&self, now: &Self) -> bool {
        let near = match (self.opening, now.opening) {
            (Some(then), Some(now)) => (then.fraction() - now.fraction()).abs() <= self.tolerance,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        near && Self { opening: None, ..self.clone() } == Self { opening: None, ..now.clone() }
    }
}

/// Limits that do not come and go by themselves within seconds.
fn lasting(limits: &[Limit]) -> impl Iterator<Item = &Limit> {
    limits.iter().filter(|limit| !matches!(limit, Limit::Pause { .. } | Limit::TooSmall))
}

fn section_flow(section: &crate::control::status::SectionStatus) -> Option<Discharge> {
    section.reading.usable().and_then(Discharge::new).or(section.estimate.flow)
}

/// What `order` would do, from the status alone.
pub fn preview(config: &Config, status: &Status, order: &Order) -> Preview {
    let basin = &config.basin;
    let gate = order.gate();
    let now = gate.and_then(|id| status.gates.get(id.0));
    let to = if let Order::SetPoint { opening, .. } | Order::Accept { opening, .. } = order {
        Some(*opening)
    } else {
        None
    };
    let flow_then = gate.zip(now).zip(to).and_then(|((id, now), to)| {
        let level = level_above(config, status, id);
        flow_at(basin, id, now, to, level)
    });
    let change = flow_then.zip(now.and_then(|now| now.flow.flow)).map(|(then, now)| then - now);
    Preview {
        gate,
        from: now.and_then(|now| now.opening),
        to,
        travel_s: gate.zip(now).zip(to).and_then(|((id, now), to)| {
            let part = (to.fraction() - now.opening?.fraction()).abs();
            Some(part * basin.gates.get(id.0)?.stroke_s)
        }),
        flow_now_m3s: now.and_then(|now| now.flow.flow),
        flow_then_m3s: flow_then,
        sections: gate.zip(to).map_or_else(Vec::new, |(id, _)| reached(basin, status, id, change)),
        blocked_by: now.map_or_else(Vec::new, |now| standing(now, order)),
        permitted: now.map(|now| Permitted { range: now.permitted, by: now.permitted_by.clone() }),
        inputs: inputs(basin, status, gate.zip(now)),
        takes_manual: now.is_some_and(|now| match now.authority {
            Authority::Manual => false,
            // As the second of two people, for an incident.
            Authority::Automatic => {
                matches!(order, Order::SetPoint { .. } | Order::Accept { second: true, .. })
            }
            Authority::Advice | Authority::Observe => matches!(order, Order::SetPoint { .. }),
        }),
        unprotected: is_last_guard(basin, status, order),
    }
}

/// Whether an order takes the last valve that holds an outlet floor by itself out of that duty.
fn is_last_guard(basin: &Basin, status: &Status, order: &Order) -> bool {
    let Order::SetAuthority { gate: id, authority } = order else { return false };
    let guards = |gate: &crate::basin::Gate| matches!(gate.duty, Duty::Trim | Duty::Standby);
    let Some(gate) = basin.gates.get(id.0).filter(|gate| guards(gate) && !authority.protects()) else {
        return false;
    };
    let mut others = basin.gates.iter().zip(&status.gates).filter(|(other, now)| {
        now.gate != *id && guards(other) && (other.from, other.to) == (gate.from, gate.to)
    });
    others.all(|(_, now)| !now.authority.protects())
}

/// Limits that bind a person's set-point: taking the gate into manual ends that of authority.
fn standing(now: &GateStatus, order: &Order) -> Vec<Limit> {
    let (Order::SetPoint { opening, .. } | Order::Accept { opening, .. }) = order else { return Vec::new() };
    let refused = now.blocked_by.iter().filter(|l| !matches!(l, Limit::Manual | Limit::TooSmall)).cloned();
    let (lowest, highest) = now.permitted;
    let (low, high) = &now.permitted_by;
    let below = low.clone().filter(|_| *opening < lowest);
    let above = high.clone().filter(|_| *opening > highest);
    refused.chain(below).chain(above).collect()
}

/// Measured level of the water body a gate takes from.
fn level_above(config: &Config, status: &Status, id: GateId) -> Option<Stage> {
    let Place::Reservoir(body) = config.basin.gates.get(id.0)?.from else { return None };
    let meter = config.basin.reservoirs.get(body.0)?.level_meter?;
    let point = (*config.field.wiring.meters.get(meter.0)?)?;
    status.image.get(point.0)?.usable().and_then(Stage::new)
}

/// Flow at another opening: by the equation of the structure, scaled to what passes now where that is known.
fn flow_at(
    basin: &Basin,
    id: GateId,
    now: &GateStatus,
    to: Opening,
    level: Option<Stage>,
) -> Option<Discharge> {
    let gate = basin.gates.get(id.0)?;
    if to == Opening::SHUT && !matches!(gate.kind, GateKind::Flap { .. }) {
        return Some(Discharge::ZERO);
    }
    let seen = now.flow.flow.zip(now.opening).filter(|(_, opening)| opening.fraction() > 0.02);
    let scale =
        |then: f64, before: f64| seen.filter(|_| before > 0.0).map(|(flow, _)| flow * (then / before));
    // A valve is near linear, so its level need not be known.
    if let (GateKind::Valve { .. }, Some((_, opening))) = (gate.kind, seen) {
        return scale(to.fraction(), opening.fraction());
    }
    let level = level?;
    let then = structure::flow(gate, to, level);
    let before = now.opening.map_or(0.0, |opening| structure::flow(gate, opening, level).get());
    Some(scale(then.get(), before).unwrap_or(then))
}

/// Sections downstream of a gate with the hours a change takes to them, by the waves the controller counts with.
fn reached(basin: &Basin, status: &Status, gate: GateId, change: Option<Discharge>) -> Vec<Reached> {
    let Some(to) = basin.gates.get(gate.0).map(|gate| gate.to) else { return Vec::new() };
    let here = basin.upstream_node(to).and_then(|node| status.nodes.get(node.0)?.flow);
    let paths = routing::paths(basin);
    let reached = paths.iter().filter_map(|path| {
        let now = status.sections.get(path.section.0)?;
        let there = section_flow(now);
        let base = here.zip(there).map(|(a, b)| (a + b) * 0.5).or(here).or(there).unwrap_or(Discharge::ZERO);
        let lag = routing::lag_h(basin, &path.below(basin, to)?, base);
        Some(Reached {
            section: now.section,
            now_m3s: there,
            floor_m3s: now.floor,
            change_m3s: change,
            arrives_in_h: (ARRIVAL.0 * lag, ARRIVAL.1 * lag),
        })
    });
    reached.collect()
}

fn inputs(basin: &Basin, status: &Status, gate: Option<(GateId, &GateStatus)>) -> Vec<Input> {
    let own = gate.and_then(|(id, now)| {
        let name = &basin.gates.get(id.0)?.id;
        let value = now.opening.map(Opening::fraction);
        Some(input(format!("gate:{name}"), &now.position, value, status))
    });
    let sections = basin.sections.iter().zip(&status.sections).filter(|(_, now)| now.floor.is_some());
    let sections =
        sections.map(|(s, now)| input(format!("section:{}", s.id), &now.reading, now.reading.value, status));
    own.into_iter().chain(sections).collect()
}

fn input(of: String, reading: &Reading, value: Option<f64>, status: &Status) -> Input {
    let age_s = reading.age(status.mono).map(|age| age.as_secs_f64());
    Input { of, value, quality: reading.quality, reason: reading.reason, age_s }
}
