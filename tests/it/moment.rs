//! Statuses of any configured basin: just started, and at a plausible moment of a dry May.

use std::sync::Arc;
use std::time::Duration;

use qindan::basin::{Basin, Duty, GateId, MeterId, MeterKind, NodeId, Place, SectionId};
use qindan::config::Config;
use qindan::control::command::{CommandId, FailReason, Terminal};
use qindan::control::operator::{Authority, Mode};
use qindan::control::quality::{Quality, Reading, Reason};
use qindan::control::reason::{Because, Limit};
use qindan::control::schedule::steps::Memory;
use qindan::control::status::{
    AlarmStatus, Estimate, Explanation, GateState, GateStatus, ReleaseStatus, Rung, SectionStatus, Status,
    Transit,
};
use qindan::control::structure;
use qindan::points::Role;
use qindan::units::{Discharge, Opening};

use crate::fixture::{MONO, q, utc};

fn ago(seconds: u64) -> Duration {
    MONO.saturating_sub(Duration::from_secs(seconds))
}

pub(crate) fn good(value: f64, age_s: u64) -> Reading {
    Reading {
        value: Some(value),
        quality: Quality::Good,
        reason: None,
        taken_at: Some(ago(age_s)),
        last_good: Some(value),
    }
}

fn estimate(flow: f64) -> Estimate {
    Estimate { flow: Some(q(flow)), quality: Quality::Good, reason: None }
}

/// What a service shows that has just started and read nothing.
pub(crate) fn empty_status(config: &Config) -> Status {
    let nothing = Estimate { flow: None, quality: Quality::Bad, reason: Some(Reason::NeverRead) };
    let basin = &config.basin;
    let today = utc(0).to_zoned_datetime(basin.zone.clone()).date();
    Status {
        tick: 0,
        mono: Duration::ZERO,
        utc: utc(0),
        bench: false,
        observing: false,
        mode: Mode::Observe,
        mode_since: utc(0),
        mode_by: "service".into(),
        hold_all: None,
        rung: Rung::F3,
        record_ok: true,
        release: Vec::new(),
        sections: (0..basin.sections.len())
            .map(|i| SectionStatus {
                section: SectionId(i),
                reading: Reading::NEVER,
                estimate: nothing,
                floor: basin.sections[i].floor_on(today),
                setpoint: None,
                hour_mean: None,
                day_mean: None,
                forecast: Vec::new(),
                forecast_band: Vec::new(),
                forecast_min: None,
                balance: Vec::new(),
                promise_error: None,
            })
            .collect(),
        gates: (0..basin.gates.len())
            .map(|i| GateStatus {
                gate: GateId(i),
                opening: None,
                position: Reading::NEVER,
                target: None,
                flow: nothing,
                authority: Authority::Automatic,
                given: None,
                remote: None,
                estop: None,
                fault: None,
                moving: None,
                state: GateState::Adopting,
                in_flight: None,
                starts: (0, 0),
                blocked_by: vec![Limit::PositionUnknown],
                permitted: (basin.gates[i].lowest, basin.gates[i].highest),
                permitted_by: (None, None),
            })
            .collect(),
        nodes: vec![nothing; basin.nodes.len()],
        image: vec![Reading::NEVER; config.field.points.len()].into(),
        transit: Vec::new(),
        why: Vec::new(),
        alarms: Vec::new(),
        aside: Vec::new(),
        flood: None,
        forecasts: Arc::default(),
        entered: Vec::new(),
        tickets: Vec::new(),
        warnings: qindan::control::warning::unseen(basin),
        incidents: Vec::new(),
        proposals: Vec::new(),
        answers: Vec::new(),
        calendar: Memory::default(),
    }
}

/// A dry day in May with everything a page can show: water on its way, an estimate in place of a stale meter, a
/// gate on local, one that did not arrive, open alarms of three priorities.
pub(crate) fn status(config: &Config) -> Status {
    let mut status = empty_status(config);
    status.tick = 884_213;
    status.mono = MONO;
    status.bench = config.service.bench;
    status.mode = Mode::Automatic;
    status.mode_since = utc(-8 * 3600);
    status.mode_by = "operator:console".into();
    status.rung = Rung::F2;
    fill_image(config, &mut status);
    fill_sections(config, &mut status);
    fill_gates(config, &mut status);
    fill_story(config, &mut status);
    status
}

fn fill_image(config: &Config, status: &mut Status) {
    let basin = &config.basin;
    let mut image: Vec<Reading> = config
        .field
        .points
        .iter()
        .enumerate()
        .map(|(i, point)| match point.role {
            Role::Remote => good(1.0, 1),
            Role::Value | Role::Position | Role::Target | Role::Flow | Role::LevelUp | Role::LevelDown => {
                good(1.0, 1 + i as u64 % 5)
            }
            Role::Command
            | Role::Watchdog
            | Role::Sequence
            | Role::SequenceEcho
            | Role::Estop
            | Role::MovingOpen
            | Role::MovingShut
            | Role::TopLimit
            | Role::BottomLimit
            | Role::Fault
            | Role::Trip
            | Role::Fallback
            | Role::Load
            | Role::Other => good(0.0, 2),
        })
        .collect();
    for (i, meter) in basin.meters.iter().enumerate() {
        let Some(point) = config.field.wiring.meters[i] else { continue };
        let value = match meter.kind {
            MeterKind::Level => basin
                .reservoirs
                .iter()
                .find(|r| r.level_meter == Some(MeterId(i)))
                .map(|r| r.initial_level.get())
                .or_else(|| {
                    let wetland = basin.wetlands.iter().find(|w| w.level_meter == Some(MeterId(i)))?;
                    Some(wetland.level_band[1].get() - 0.04)
                })
                .unwrap_or(2.31),
            MeterKind::RiverFlow => match meter.at {
                Place::Node(node) => river_flow(basin, node),
                Place::Along { .. } | Place::Reservoir(_) | Place::Wetland(_) | Place::Outside => {
                    0.12 + 0.03 * (i % 5) as f64
                }
            },
            MeterKind::StructureFlow => meter.of.iter().map(|id| user_flow(basin, id)).sum(),
            MeterKind::Rain => 0.0,
        };
        image[point.0] = good(value, 1 + i as u64 % 5);
    }
    let observed = basin.sections.iter().find(|section| section.floor.is_none());
    if let Some(stale) = observed.and_then(|section| config.field.wiring.meters[section.meter.0]) {
        let (quality, reason) = (Quality::Stale, Some(Reason::Stale));
        image[stale.0] = Reading { quality, reason, taken_at: Some(ago(22 * 60)), ..image[stale.0] };
    }
    status.image = image.into();
}

/// Flow at a section: the first well above its floor, the others a little.
fn section_flow(basin: &Basin, i: usize) -> f64 {
    basin.sections[i].floor.map_or(1.2, |floor| floor.get() * if i == 0 { 2.31 } else { 1.087 })
}

/// Flow along a river: between those of its sections with a floor by distance, little elsewhere.
fn river_flow(basin: &Basin, node: NodeId) -> f64 {
    let here = &basin.nodes[node.0];
    let floored =
        basin.sections.iter().enumerate().filter(|(_, s)| s.floor.is_some() && s.river == here.river);
    let known: Vec<_> = floored.map(|(i, s)| (s.km, section_flow(basin, i))).collect();
    match (here.km, known.as_slice()) {
        (Some(km), [(from, above), .., (to, below)]) => {
            let share = ((km - from) / (to - from)).clamp(0.0, 1.0);
            above + (below - above) * share + 0.4 * (std::f64::consts::PI * share).sin()
        }
        (Some(km), _) => 0.4 + 0.015 * km,
        (None, _) => 0.21 + 0.01 * (node.0 % 7) as f64,
    }
}

/// What passes a gate, a user or an outfall in a dry May.
fn user_flow(basin: &Basin, id: &str) -> f64 {
    let may = |months: &[Discharge; 12]| months[4].get();
    let intake = basin.intakes.iter().find(|intake| intake.id == id).map(|intake| may(&intake.monthly_use));
    let inflow = basin.inflows.iter().find(|inflow| inflow.id == id).map(|inflow| may(&inflow.monthly_dry));
    let transfer = basin.transfers.iter().find(|transfer| transfer.id == id).map(|t| 0.75 * t.capacity.get());
    let gate = basin.gate(id).map(|gate| gate_flow(basin, gate));
    intake.or(inflow).or(transfer).or(gate).unwrap_or(0.1)
}

fn gate_flow(basin: &Basin, id: GateId) -> f64 {
    let gate = &basin.gates[id.0];
    match gate.from {
        Place::Reservoir(body) => {
            let level = basin.reservoirs[body.0].initial_level;
            structure::flow(gate, gate.initial, level).get()
        }
        Place::Node(_) | Place::Along { .. } | Place::Wetland(_) | Place::Outside => {
            0.5 * gate.initial.fraction()
        }
    }
}

fn fill_sections(config: &Config, status: &mut Status) {
    let basin = &config.basin;
    for (i, node) in status.nodes.iter_mut().enumerate() {
        let gauge = basin
            .meters
            .iter()
            .position(|m| m.kind == MeterKind::RiverFlow && m.at == Place::Node(NodeId(i)));
        let read =
            gauge.and_then(|at| config.field.wiring.meters[at]).map(|point| status.image[point.0].quality);
        let flow = Some(q(river_flow(basin, NodeId(i))));
        *node = match read {
            Some(Quality::Good) => Estimate { flow, quality: Quality::Good, reason: None },
            _ => Estimate { flow, quality: Quality::Substituted, reason: Some(Reason::Estimated) },
        };
    }
    for (i, section) in basin.sections.iter().enumerate() {
        let now = &mut status.sections[i];
        let flow = if section.floor.is_some() {
            section_flow(basin, i)
        } else {
            basin.upstream_node(section.at).map_or(1.2, |node| river_flow(basin, node))
        };
        let point = config.field.wiring.meters[section.meter.0];
        now.reading = point.map_or(Reading::NEVER, |point| {
            let read = status.image[point.0];
            if read.quality == Quality::Good { good(flow, 1 + i as u64) } else { read }
        });
        now.estimate = if now.reading.quality == Quality::Good {
            estimate(flow)
        } else {
            Estimate {
                flow: Some(q(flow + 0.02)),
                quality: Quality::Substituted,
                reason: Some(Reason::Estimated),
            }
        };
        if let Place::Node(node) = section.at {
            status.nodes[node.0] = now.estimate;
        }
        now.hour_mean = Some(q(flow - 0.01));
        now.day_mean = Some(q(flow + 0.02));
        if let Some(floor) = now.floor {
            now.setpoint = Some(q(floor.get() * 1.045));
            now.forecast = (0..=48)
                .map(|h| {
                    let wave = 0.05 * (f64::from(h) / 7.0).sin() - 0.02 * (f64::from(h) / 24.0);
                    (f64::from(h), q(flow + wave))
                })
                .collect();
            now.forecast_band = now
                .forecast
                .iter()
                .map(|(h, flow)| {
                    let spread = 0.02 + 0.0015 * h;
                    (q(flow.get() - spread), q(flow.get() + 1.6 * spread))
                })
                .collect();
            now.forecast_min = now.forecast.iter().copied().min_by(|a, b| a.1.get().total_cmp(&b.1.get()));
        }
    }
}

fn fill_gates(config: &Config, status: &mut Status) {
    for (i, gate) in config.basin.gates.iter().enumerate() {
        let now = &mut status.gates[i];
        let opening = gate.initial;
        now.opening = Some(opening);
        now.position = good(gate.stroke.position(opening), 1 + i as u64 % 4);
        now.target = Some(opening);
        now.flow = estimate(if gate.duty == Duty::Trim { 1.11 } else { gate_flow(&config.basin, GateId(i)) });
        now.remote = gate.is_driven().then_some(true);
        now.estop = gate.is_driven().then_some(false);
        now.fault = gate.is_driven().then_some(false);
        now.moving = Some(0);
        now.state = GateState::Idle;
        now.starts = (0, 2);
        now.blocked_by = if gate.is_dispatched() { Vec::new() } else { vec![Limit::NotDriven] };
        if matches!(gate.duty, Duty::Flood) {
            now.authority = Authority::Manual;
            now.blocked_by = vec![Limit::FloodOrder];
        }
        if gate.lock.is_some() {
            now.blocked_by = vec![Limit::SeasonLock];
        }
    }
    let weir: Vec<usize> = config
        .basin
        .gates
        .iter()
        .enumerate()
        .filter(|(_, gate)| gate.duty == Duty::PassOn && gate.is_driven())
        .map(|(i, _)| i)
        .collect();
    if let [first, second, ..] = weir[..] {
        let local = &mut status.gates[first];
        local.remote = Some(false);
        local.blocked_by = vec![Limit::Local];
        let stuck = &mut status.gates[second];
        stuck.state = GateState::Stuck;
        stuck.target = stuck.opening.map(|at| Opening::clamped(at.fraction() + 0.1));
        stuck.blocked_by = vec![Limit::Unresolved];
    }
}

fn trim_gate(config: &Config) -> GateId {
    GateId(config.basin.gates.iter().position(|gate| gate.duty == Duty::Trim).unwrap_or(0))
}

/// The lowest section that has a floor.
pub(crate) fn far_section(config: &Config) -> SectionId {
    let floored = config.basin.sections.iter().enumerate().filter(|(_, section)| section.floor.is_some());
    SectionId(floored.max_by(|a, b| a.1.km.total_cmp(&b.1.km)).map_or(0, |(i, _)| i))
}

fn fill_story(config: &Config, status: &mut Status) {
    let (v1, far) = (trim_gate(config), far_section(config));
    let needs = Because::SectionNeeds {
        section: far,
        need: q(2.17),
        setpoint: q(1.57),
        inflow: q(0.67),
        intakes: q(0.86),
        losses: q(0.35),
        lag_h: 32.4,
    };
    let turn = config
        .schedules
        .turns
        .first()
        .map(|turn| Because::AnnouncedTurn { intake: turn.intake, change: turn.rate });
    status.release = vec![ReleaseStatus {
        reservoir: 0,
        target: q(2.31),
        actual: estimate(2.3),
        because: vec![needs.clone()],
    }];
    let transits =
        [(1, 0.37, 0.93, (3.6, 7.1)), (2, 0.09, 0.53, (15.9, 19.8)), (3, 0.14, 0.31, (26.0, 30.1))];
    status.transit = transits
        .map(|(id, change, progress, arrives_in_h)| Transit {
            id,
            change: q(change),
            left: ago(3600 * 5),
            to: far,
            progress,
            arrives_in_h,
        })
        .to_vec();
    let moved = |ago: i64, from: f64, to: f64, outcome| Explanation {
        utc: utc(-ago),
        gate: Some(v1),
        command: Some(CommandId(41)),
        from: Some(Opening::clamped(from)),
        to: Some(Opening::clamped(to)),
        actor: "dispatch".into(),
        because: std::iter::once(needs.clone()).chain(turn.clone()).collect(),
        limits: vec![Limit::RampUp { flow: q(3.1) }],
        expect: vec![(far, q(0.12), 26.0, 30.1)],
        outcome,
    };
    status.why = vec![
        Explanation {
            utc: utc(-97),
            gate: None,
            command: None,
            from: None,
            to: None,
            actor: "dispatch".into(),
            because: vec![Because::NoMove { section: far, margin: 0.09 }],
            limits: Vec::new(),
            expect: Vec::new(),
            outcome: None,
        },
        moved(15_100, 0.21, 0.24, Some(Terminal::Verified)),
        moved(37_000, 0.19, 0.21, Some(Terminal::Verified)),
        moved(52_000, 0.18, 0.19, Some(Terminal::Failed { why: FailReason::NoArrival })),
    ];
    let alarm = |id: &str, element: &str, priority, acknowledged, ago: i64| AlarmStatus {
        key: format!("{id}:{element}"),
        id: id.into(),
        element: element.into(),
        priority,
        active: true,
        acknowledged,
        since: utc(-ago),
        detail: serde_json::json!({}),
    };
    let stuck = status.gates.iter().position(|gate| gate.state == GateState::Stuck);
    let local = status.gates.iter().position(|gate| gate.remote == Some(false));
    let gate_id = |at: Option<usize>| at.map_or("v1", |i| config.basin.gates[i].id.as_str());
    let device = &config.field.devices[0];
    status.alarms = vec![
        alarm("A05", gate_id(stuck), 2, false, 380),
        alarm("A13", gate_id(local), 3, true, 2460),
        AlarmStatus {
            detail: serde_json::json!({ "unit": device.unit, "name": device.name }),
            ..alarm("A10", &device.id, 3, true, 4000)
        },
        alarm("A21", "may", 4, true, 19_900),
    ];
}
