//! Basins and statuses for tests of the page: a small invented one, and any configured one at a plausible moment.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::{
    Actuation, Basin, ControlParameters, CurvePoint, Duty, Gate, GateId, GateKind, Inflow, InflowKind,
    Intake, LagPoint, MarginRule, Meter, MeterId, MeterKind, Name, Node, NodeId, OnLinkLoss, Place, Priority,
    RampLimit, Reach, ReachId, ReachKind, Reservoir, ReservoirId, ReservoirKind, Responsible, Season,
    Section, SectionId, Stroke, StrokeUnit,
};
use qindan::config::{Config, Schedules, Service, Turn};
use qindan::control::command::{CommandId, FailReason, Terminal};
use qindan::control::operator::{Authority, Mode};
use qindan::control::quality::{Quality, Reading, Reason};
use qindan::control::reason::{Because, Limit};
use qindan::control::status::{
    AlarmStatus, Estimate, Explanation, GateState, GateStatus, ReleaseStatus, Rung, SectionStatus, Status,
    Transit,
};
use qindan::points::{
    ByteOrder, ClassId, DataType, Device, DeviceId, Element, Field, GatePoints, Link, LinkId, Point, PointId,
    Role, ScanClass, Table, Wiring,
};
use qindan::units::{Discharge, Head, Opening, Stage, Volume};

/// The moment all fixtures show: 2026-05-18 14:32:07 at UTC+8.
pub(crate) const NOW: i64 = 1_779_085_927;
/// Service time then.
pub(crate) const MONO: Duration = Duration::from_secs(30_000);

pub(crate) fn q(flow: f64) -> Discharge {
    Discharge::new(flow).unwrap()
}

pub(crate) fn utc(offset_s: i64) -> Timestamp {
    Timestamp::from_second(NOW + offset_s).unwrap()
}

fn name(zh: &str, en: &str) -> Name {
    Name { zh: zh.into(), en: en.into() }
}

fn who() -> Responsible {
    Responsible { unit: name("水务局", "Water bureau"), person: "duty".into() }
}

fn stage(m: f64) -> Stage {
    Stage::new(m).unwrap()
}

fn node(id: &str, zh: &str, en: &str, km: f64) -> Node {
    Node { id: id.into(), name: name(zh, en), river: "alder".into(), km: Some(km) }
}

fn reach(id: &str, from: usize, to: usize, length_km: f64, lags: [(f64, f64); 2]) -> Reach {
    Reach {
        id: id.into(),
        name: name(id, id),
        river: "alder".into(),
        kind: ReachKind::River,
        from: NodeId(from),
        to: NodeId(to),
        length_km,
        slope: 0.003,
        bed_width_m: 15.0,
        side_slope: 2.0,
        manning: 0.05,
        loss_per_km: 0.002,
        lags: lags.map(|(flow, hours)| LagPoint { flow: q(flow), hours }).to_vec(),
    }
}

fn meter(id: &str, at: Place, kind: MeterKind) -> Meter {
    Meter {
        id: id.into(),
        name: name(&format!("{id} 测站"), &format!("{id} gauge")),
        kind,
        at,
        of: Vec::new(),
        min: 0.0,
        max: 900.0,
        accuracy: 0.05,
        accuracy_abs: 0.01,
        principle: "rating_curve".into(),
        max_rate_per_min: None,
        hold_s: 1800.0,
        responsible: who(),
    }
}

fn section(id: &str, zh: &str, en: &str, at: usize, km: f64, floor: f64, meter: usize) -> Section {
    Section {
        id: id.into(),
        name: name(zh, en),
        river: "alder".into(),
        at: Place::Node(NodeId(at)),
        km,
        floor: Some(q(floor)),
        seasonal_floors: Vec::new(),
        setpoint_cap: Some(q(floor * 1.1)),
        meter: MeterId(meter),
        guarantee: Some(0.9),
        responsible: who(),
    }
}

fn gate(id: &str, kind: GateKind, duty: Duty, unit: StrokeUnit, open_at: f64) -> Gate {
    Gate {
        id: id.into(),
        name: name("生态放水阀", "Eco valve"),
        kind,
        actuation: Actuation::Driven,
        duty,
        from: Place::Reservoir(ReservoirId(0)),
        to: Place::Node(NodeId(0)),
        sill: stage(702.0),
        outlet_level: None,
        stroke: Stroke { unit, shut_at: 0.0, open_at },
        lowest: Opening::SHUT,
        highest: Opening::clamped(0.9),
        stroke_s: 180.0,
        min_step: 0.01,
        tolerance: 0.01,
        max_starts_per_hour: 6,
        reversal_pause_s: 60.0,
        automatic: true,
        on_link_loss: OnLinkLoss::Hold,
        lock: None,
        flow_meter: None,
        initial: Opening::clamped(0.24),
        responsible: who(),
    }
}

fn controls() -> ControlParameters {
    let ramp = |change: f64, within_s: f64| RampLimit { change: q(change), within_s, below: q(10.0) };
    ControlParameters {
        tick_s: 1.0,
        cycle_s: 60.0,
        dead_band: q(0.03),
        min_action: q(0.05),
        min_interval_s: 600.0,
        ramp_up: ramp(1.0, 600.0),
        ramp_down: ramp(0.5, 1800.0),
        siren_above: q(5.0),
        margin: MarginRule { least: q(0.05), class_share: 0.5 },
        loss_filter_s: 86_400.0,
        tributary_decay_s: 86_400.0,
        tributary_window_s: 86_400.0,
        field_lost_s: 7200.0,
        safe_constant: [q(2.2); 12],
        flood_level_margin: Head::new(0.2).unwrap(),
        flood_inflow: q(80.0),
        drift_fraction: 0.02,
    }
}

/// A river called Alder: one reservoir, an outlet section, a tributary, an intake, a section 30 km below.
pub(crate) fn small_basin() -> Basin {
    Basin {
        id: "alder".into(),
        name: name("桤木河", "Alder river"),
        rivers: vec![("alder".into(), name("桤木河", "Alder"))],
        zone: jiff::tz::TimeZone::get("Asia/Shanghai").unwrap(),
        nodes: vec![
            node("outlet", "出口", "Outlet", 0.0),
            node("mouth", "河口村", "Mouth village", 10.0),
            node("ford", "渡口", "Ford", 30.0),
            Node { km: None, ..node("head", "库尾", "Head", 0.0) },
        ],
        reaches: vec![
            reach("A1", 0, 1, 10.0, [(1.0, 4.0), (20.0, 2.0)]),
            reach("A2", 1, 2, 20.0, [(1.0, 10.0), (20.0, 5.0)]),
        ],
        reservoirs: vec![Reservoir {
            id: "lake".into(),
            name: name("桤木湖水库", "Alder lake"),
            kind: ReservoirKind::Reservoir,
            at: NodeId(3),
            curve: vec![
                CurvePoint { level: stage(700.0), volume: Volume::new(1e6).unwrap() },
                CurvePoint { level: stage(760.0), volume: Volume::new(300e6).unwrap() },
            ],
            dead_level: Some(stage(705.0)),
            normal_level: Some(stage(756.0)),
            flood_limits: Vec::new(),
            initial_level: stage(742.0),
            net_evaporation_mm: 600.0,
            seepage: Discharge::ZERO,
            seepage_to: None,
            level_meter: Some(MeterId(2)),
            responsible: who(),
        }],
        inflows: vec![Inflow {
            id: "brook".into(),
            name: name("小溪", "Brook"),
            kind: InflowKind::Tributary,
            into: vec![(Place::Node(NodeId(1)), 1.0)],
            monthly_normal: [q(0.5); 12],
            monthly_dry: [q(0.2); 12],
            meter: None,
            responsible: who(),
        }],
        meters: vec![
            meter("q.outlet", Place::Node(NodeId(0)), MeterKind::RiverFlow),
            meter("q.ford", Place::Node(NodeId(2)), MeterKind::RiverFlow),
            meter("z.lake", Place::Reservoir(ReservoirId(0)), MeterKind::Level),
        ],
        sections: vec![
            section("outlet", "出口断面", "Outlet section", 0, 0.0, 1.0, 0),
            section("ford", "渡口断面", "Ford section", 2, 30.0, 1.5, 1),
        ],
        gates: vec![
            gate("v1", GateKind::Valve { bore_m: 0.6, cd_full: 0.8 }, Duty::Trim, StrokeUnit::Percent, 100.0),
            Gate {
                actuation: Actuation::Passive,
                automatic: false,
                ..gate(
                    "g2",
                    GateKind::Plane { width_m: 4.0, height_m: 2.5 },
                    Duty::PassOn,
                    StrokeUnit::Millimetre,
                    2500.0,
                )
            },
        ],
        fixed_openings: Vec::new(),
        stations: Vec::new(),
        intakes: vec![Intake {
            id: "in.mill".into(),
            name: name("磨坊", "Mill"),
            from: Place::Along { reach: ReachId(1), km: 5.0 },
            to: Place::Outside,
            max_rate: q(0.35),
            permit_m3: 3.2e6,
            priority: Priority::Irrigation,
            monthly_use: [q(0.1); 12],
            by_turns: true,
            meter: None,
            responsible: who(),
        }],
        wetlands: Vec::new(),
        transfers: Vec::new(),
        flood_season: Season { from: (6, 1), to: (9, 30) },
        control: controls(),
    }
}

fn point(id: &str, element: Element, role: Role, address: u16) -> Point {
    Point {
        id: id.into(),
        device: DeviceId(0),
        table: Table::Input,
        address,
        data_type: DataType::U16,
        order: ByteOrder::Abcd,
        bit: 0,
        scale: 0.01,
        offset: 0.0,
        sentinels: Vec::new(),
        min: None,
        max: None,
        unit: "m³/s".into(),
        class: Some(ClassId(0)),
        element,
        role,
    }
}

/// [`small_basin`] with one device behind one link.
pub(crate) fn small() -> Config {
    let points = vec![
        point("q.outlet/value", Element::Meter(MeterId(0)), Role::Value, 0),
        point("q.ford/value", Element::Meter(MeterId(1)), Role::Value, 1),
        point("z.lake/value", Element::Meter(MeterId(2)), Role::Value, 2),
        point("v1/position", Element::Gate(GateId(0)), Role::Position, 3),
    ];
    let wiring = Wiring {
        meters: vec![Some(PointId(0)), Some(PointId(1)), Some(PointId(2))],
        gates: vec![
            GatePoints { position: Some(PointId(3)), ..GatePoints::default() },
            GatePoints::default(),
        ],
    };
    let turn = Turn {
        id: "may".into(),
        intake: qindan::basin::IntakeId(0),
        from: utc(3600),
        to: utc(20 * 3600),
        rate: q(0.35),
    };
    Config {
        basin: Arc::new(small_basin()),
        field: Arc::new(Field {
            links: vec![Link {
                id: "dam".into(),
                address: "127.0.0.1:15020".parse().unwrap(),
                timeout_s: 1.0,
                connect_timeout_s: 2.0,
                window: 1,
                gap_s: 0.0,
            }],
            devices: vec![Device {
                id: "dam.rtu".into(),
                name: name("大坝", "Dam"),
                link: LinkId(0),
                unit: 1,
                max_block: 100,
                max_gap: 8,
                watchdog_s: None,
            }],
            points,
            classes: vec![ScanClass { id: "normal".into(), period_s: 5.0 }],
            wiring,
        }),
        schedules: Arc::new(Schedules { turns: vec![turn], gates: Vec::new() }),
        service: Service {
            listen: "127.0.0.1:0".parse().unwrap(),
            bench: true,
            history_days: 30,
            start_mode: Mode::Automatic,
        },
        digest: "0".repeat(64),
    }
}

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
            MeterKind::RiverFlow => 2.31 - 0.01 * (i % 40) as f64,
            MeterKind::StructureFlow => 0.12 + 0.02 * (i % 17) as f64,
            MeterKind::Rain => 0.0,
        };
        image[point.0] = good(value, 1 + i as u64 % 5);
    }
    if image.len() > 40 {
        let stale = config.field.points.iter().position(|p| p.id.contains("zhengzhuang")).unwrap_or(7);
        image[stale] = Reading {
            value: Some(2.39),
            quality: Quality::Stale,
            reason: Some(Reason::Stale),
            taken_at: Some(ago(22 * 60)),
            last_good: Some(2.39),
        };
    }
    status.image = image.into();
}

fn fill_sections(config: &Config, status: &mut Status) {
    let basin = &config.basin;
    for (i, node) in status.nodes.iter_mut().enumerate() {
        *node = estimate(2.31 - 0.09 * (i % 8) as f64);
    }
    for (i, section) in basin.sections.iter().enumerate() {
        let now = &mut status.sections[i];
        let flow = section.floor.map_or(1.2, |floor| floor.get() * if i % 2 == 0 { 1.31 } else { 1.087 });
        let point = config.field.wiring.meters[section.meter.0];
        now.reading = point.map_or(Reading::NEVER, |point| {
            let read = status.image[point.0];
            if read.quality == Quality::Good { good(flow, 1 + i as u64) } else { read }
        });
        now.estimate = if now.reading.quality == Quality::Good {
            estimate(flow)
        } else {
            Estimate { flow: Some(q(2.41)), quality: Quality::Substituted, reason: Some(Reason::Estimated) }
        };
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
        now.flow = estimate(if opening == Opening::SHUT { 0.0 } else { 1.11 + 0.07 * (i % 9) as f64 });
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
    let far_meter = config.basin.sections[far.0].meter;
    status.alarms = vec![
        alarm("A05", gate_id(stuck), 2, false, 380),
        alarm("A13", gate_id(local), 3, true, 2460),
        alarm("A16", &config.basin.meters[far_meter.0].id, 3, true, 4000),
        alarm("A21", "may", 4, true, 19_900),
    ];
}
