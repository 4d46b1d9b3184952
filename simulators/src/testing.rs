//! Invented basins for tests: a chain of plain reaches, and a small river with one of everything.

use std::sync::Arc;

use jiff::Timestamp;
use qindan::basin::{
    Actuation, Basin, ControlParameters, CurvePoint, Duty, FixedOpening, FixedShape, FlowGrades, Gate,
    GateId, GateKind, Inflow, InflowKind, Intake, LagPoint, LagTable, LevelGrades, MarginRule, Meter,
    MeterId, MeterKind, Name, Node, NodeId, OnLinkLoss, Place, PowerStation, Priority, RampLimit, Reach,
    ReachId, ReachKind, Reservoir, ReservoirId, ReservoirKind, Responsible, Season, Section, Share,
    StationClass, Stroke, StrokeUnit, Transfer, Wetland, WetlandId,
};
use qindan::config::{Config, Schedules, Service};
use qindan::control::operator::Mode;
use qindan::points::{
    ByteOrder, ClassId, DataType, Device, DeviceId, Element, Field, GatePoints, Link, LinkId, Point, PointId,
    Role, ScanClass, Table, Wiring,
};
use qindan::units::{Discharge, Head, Opening, Stage, Volume};

use crate::plant::Forcing;

/// 2026-05-01 at midnight UTC.
pub(crate) fn start() -> Timestamp {
    "2026-05-01T00:00:00Z".parse().unwrap()
}

pub(crate) fn q(flow: f64) -> Discharge {
    Discharge::new(flow).unwrap()
}

pub(crate) fn stage(level: f64) -> Stage {
    Stage::new(level).unwrap()
}

pub(crate) fn name(id: &str) -> Name {
    Name { zh: id.into(), en: id.into() }
}

fn who() -> Responsible {
    Responsible { unit: name("bureau"), person: "duty".into() }
}

pub(crate) fn node(id: &str) -> Node {
    Node { id: id.into(), name: name(id), river: "alder".into(), km: None }
}

/// A river reach of `length_km` with slope, bed width, side slope, Manning's n and loss per km.
pub(crate) fn reach(id: &str, from: usize, to: usize, length_km: f64, shape: [f64; 5]) -> Reach {
    let [slope, bed_width_m, side_slope, manning, loss_per_km] = shape;
    Reach {
        id: id.into(),
        name: name(id),
        river: "alder".into(),
        kind: ReachKind::River,
        from: NodeId(from),
        to: NodeId(to),
        length_km,
        slope,
        bed_width_m,
        side_slope,
        manning,
        berms: Vec::new(),
        loss_per_km,
        lags: LagTable::new(vec![LagPoint { flow: q(1.5), hours: length_km / 2.3 }]),
    }
}

/// The six reaches from the dam to Runcheng of the domain notes, without loss.
pub(crate) fn qin_reaches() -> Vec<Reach> {
    let shape = |slope, width, side, manning| [slope, width, side, manning, 0.0];
    vec![
        reach("R1", 0, 1, 4.0, shape(0.0020, 14.0, 2.0, 0.055)),
        reach("R2", 1, 2, 10.0, shape(0.0034, 15.0, 2.0, 0.055)),
        reach("R3", 2, 3, 26.0, shape(0.0033, 18.0, 2.5, 0.052)),
        reach("R4", 3, 4, 10.0, shape(0.0032, 20.0, 2.5, 0.050)),
        reach("R5", 4, 5, 6.0, shape(0.0032, 20.0, 2.5, 0.050)),
        reach("R6", 5, 6, 16.0, shape(0.0035, 20.0, 2.5, 0.050)),
    ]
}

pub(crate) fn inflow(id: &str, kind: InflowKind, into: Vec<(Place, f64)>, flow: f64) -> Inflow {
    Inflow {
        id: id.into(),
        name: name(id),
        kind,
        into,
        monthly_normal: [q(flow * 2.5); 12],
        monthly_dry: [q(flow); 12],
        meter: None,
        responsible: who(),
    }
}

pub(crate) fn gate(id: &str, kind: GateKind, duty: Duty, from: Place, to: Place, sill: f64) -> Gate {
    Gate {
        id: id.into(),
        name: name(id),
        kind,
        actuation: Actuation::Driven,
        duty,
        from,
        to,
        sill: stage(sill),
        outlet_level: None,
        stroke: Stroke { unit: StrokeUnit::Percent, shut_at: 0.0, open_at: 100.0 },
        lowest: Opening::SHUT,
        highest: Opening::FULL,
        stroke_s: 180.0,
        min_step: 0.01,
        tolerance: 0.01,
        max_starts_per_hour: 6,
        reversal_pause_s: 60.0,
        automatic: true,
        on_link_loss: OnLinkLoss::Hold,
        lock: None,
        flow_meter: None,
        initial: Opening::SHUT,
        responsible: who(),
    }
}

/// The eco valve: DN 600 on the lake, half a stroke in 90 s.
pub(crate) fn valve(id: &str) -> Gate {
    let kind = GateKind::Valve { bore_m: 0.6, cd_full: 0.6 };
    let lake = Place::Reservoir(ReservoirId(0));
    Gate { initial: Opening::clamped(0.3), ..gate(id, kind, Duty::Trim, lake, Place::Node(NodeId(1)), 702.0) }
}

pub(crate) fn body(id: &str, kind: ReservoirKind, at: usize, curve: &[(f64, f64)], level: f64) -> Reservoir {
    let row = |(level, volume): &(f64, f64)| CurvePoint {
        level: stage(*level),
        volume: Volume::new(*volume).unwrap(),
    };
    Reservoir {
        id: id.into(),
        name: name(id),
        kind,
        at: NodeId(at),
        curve: curve.iter().map(row).collect(),
        dead_level: None,
        normal_level: Some(stage(level)),
        lends_above: None,
        cuts: Vec::new(),
        flood_limits: Vec::new(),
        initial_level: stage(level),
        net_evaporation_mm: 350.0,
        seepage: Discharge::ZERO,
        seepage_to: None,
        level_meter: None,
        responsible: who(),
    }
}

pub(crate) fn meter(id: &str, kind: MeterKind, at: Place, of: &[&str]) -> Meter {
    Meter {
        id: id.into(),
        name: name(id),
        kind,
        at,
        of: of.iter().map(|id| (*id).into()).collect(),
        min: if kind == MeterKind::Level { 0.0 } else { 0.05 },
        max: 4000.0,
        accuracy: if kind == MeterKind::Level { 0.0 } else { 0.05 },
        accuracy_abs: if kind == MeterKind::Level { 0.01 } else { 0.0 },
        principle: "rating_curve".into(),
        max_rate_per_min: None,
        hold_s: 1800.0,
        twin: None,
        responsible: who(),
    }
}

fn intake(id: &str, from: Place, to: Place, rate: f64) -> Intake {
    Intake {
        id: id.into(),
        name: name(id),
        from,
        to,
        max_rate: q(rate),
        permit_m3: 3.2e6,
        priority: Priority::Irrigation,
        monthly_use: [q(rate); 12],
        by_turns: true,
        meter: None,
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
        loss_filter_s: 21_600.0,
        tributary_decay_s: 21_600.0,
        tributary_window_s: 172_800.0,
        field_lost_s: 7200.0,
        safe_constant: [q(2.2); 12],
        flood_level_margin: Head::new(0.2).unwrap(),
        flood_inflow: q(80.0),
        drift_fraction: 0.02,
        follow_plan: false,
    }
}

/// Plain reaches one after the other, fed at the head by one inflow.
pub(crate) fn chain(reaches: Vec<Reach>) -> Basin {
    let nodes = reaches.iter().map(|reach| reach.to.0).max().unwrap_or(0) + 1;
    Basin {
        id: "alder".into(),
        name: name("alder"),
        rivers: vec![("alder".into(), name("alder"))],
        zone: jiff::tz::TimeZone::get("Asia/Shanghai").unwrap(),
        nodes: (0..nodes).map(|at| node(&format!("n{at}"))).collect(),
        reaches,
        reservoirs: Vec::new(),
        inflows: vec![inflow("head", InflowKind::Headwater, vec![(Place::Node(NodeId(0)), 1.0)], 2.0)],
        meters: Vec::new(),
        ratings: Vec::new(),
        sections: Vec::new(),
        gates: Vec::new(),
        fixed_openings: Vec::new(),
        stations: Vec::new(),
        intakes: Vec::new(),
        wetlands: Vec::new(),
        transfers: Vec::new(),
        flood_season: Season { from: (6, 1), to: (9, 30) },
        control: controls(),
    }
}

/// A lake (node 0) with an eco valve, a turbine, a tunnel with its emergency gate and a transfer pipe; reach A 1→2 with
/// an intake, a pond with an eco pipe, a crest, a sluice, a station and a wetland (node 2); reach B 3→4 with
/// diffuse inflow; the section at its end; the pipe 5→6 and reach D 6→7.
#[expect(clippy::too_many_lines, reason = "one basin, element by element")]
pub(crate) fn small_basin() -> Basin {
    let (lake, pond) = (Place::Reservoir(ReservoirId(0)), Place::Reservoir(ReservoirId(1)));
    let at = |node| Place::Node(NodeId(node));
    let mut basin = chain(vec![
        reach("A", 1, 2, 30.0, [0.0033, 16.0, 2.0, 0.052, 0.002]),
        reach("B", 3, 4, 15.0, [0.0035, 20.0, 2.5, 0.050, 0.003]),
        Reach {
            kind: ReachKind::Pipe { lag_s: 600.0, capacity: q(3.49) },
            ..reach("T", 5, 6, 59.0, [0.001, 2.0, 0.0, 0.015, 0.0])
        },
        reach("D", 6, 7, 9.0, [0.004, 12.0, 2.0, 0.045, 0.002]),
    ]);
    basin.reservoirs = vec![
        Reservoir {
            seepage: q(0.05),
            seepage_to: Some(at(1)),
            ..body(
                "lake",
                ReservoirKind::Reservoir,
                0,
                &[(693.0, 0.0), (715.0, 17.31e6), (763.0, 394.0e6)],
                742.0,
            )
        },
        body("pond", ReservoirKind::Pond, 2, &[(532.0, 0.0), (534.0, 15_000.0), (536.0, 40_000.0)], 535.2),
    ];
    basin.inflows.push(inflow("brook", InflowKind::Tributary, vec![(at(2), 1.0)], 0.3));
    let along = |reach, km| Place::Along { reach: ReachId(reach), km };
    basin.inflows.push(inflow(
        "diffuse",
        InflowKind::Diffuse,
        vec![(along(1, 4.0), 0.6), (along(1, 11.0), 0.4)],
        0.2,
    ));
    let turbine = |rated: f64, head: f64, least: f64| GateKind::Turbine {
        rated: q(rated),
        rated_head_m: head,
        minimum: q(least),
        power_kw: 800.0,
    };
    let plane = |width_m, height_m| GateKind::Plane { width_m, height_m };
    basin.gates = vec![
        valve("v1"),
        Gate {
            outlet_level: Some(stage(692.0)),
            stroke_s: 60.0,
            ..gate("u1", turbine(1.8, 50.0, 0.5), Duty::Base, lake, at(1), 702.0)
        },
        gate("tunnel", GateKind::Radial { width_m: 6.0, height_m: 7.0 }, Duty::Flood, lake, at(1), 700.0),
        Gate { initial: Opening::FULL, ..gate("stop", plane(6.0, 8.0), Duty::Emergency, lake, at(1), 700.0) },
        Gate {
            initial: Opening::clamped(0.05),
            ..gate("canal", plane(2.0, 2.0), Duty::Supply, lake, at(5), 727.0)
        },
        gate("sluice", plane(4.0, 2.5), Duty::PassOn, pond, at(3), 533.5),
        Gate {
            automatic: false,
            outlet_level: Some(stage(526.0)),
            stroke_s: 60.0,
            ..gate("p1", turbine(5.0, 9.0, 1.5), Duty::Base, pond, at(3), 533.0)
        },
        Gate {
            initial: Opening::clamped(0.1),
            ..gate("inlet", plane(1.0, 1.0), Duty::WetlandInlet, pond, Place::Wetland(WetlandId(0)), 534.2)
        },
    ];
    basin.fixed_openings = vec![
        FixedOpening {
            id: "eco_pipe".into(),
            name: name("eco_pipe"),
            shape: FixedShape::Orifice { bore_m: 0.7, cd: 0.6 },
            from: ReservoirId(1),
            to: at(3),
            sill: stage(534.1),
        },
        FixedOpening {
            id: "crest".into(),
            name: name("crest"),
            shape: FixedShape::Crest { width_m: 40.0, coefficient: 1.8 },
            from: ReservoirId(1),
            to: at(3),
            sill: stage(535.2),
        },
    ];
    basin.stations = vec![PowerStation {
        id: "mill".into(),
        name: name("mill"),
        units: vec![GateId(6)],
        class: StationClass::Keep,
        weir_toe: NodeId(3),
        min_release: q(1.0),
        stop_below: q(2.5),
        pond: Some(ReservoirId(1)),
        responsible: who(),
    }];
    basin.intakes = vec![
        intake("pump", along(0, 12.0), Place::Outside, 0.35),
        intake("town", at(3), Place::Outside, 0.02),
        intake("canal_users", lake, Place::Outside, 0.5),
    ];
    basin.wetlands = vec![Wetland {
        id: "reeds".into(),
        name: name("reeds"),
        source: pond,
        inlet: Some(GateId(7)),
        more_inlets: Vec::new(),
        returns_to: Some(along(1, 2.0)),
        survival: q(0.06),
        design: q(0.25),
        level_band: [stage(534.4), stage(534.6), stage(534.9)],
        area_m2: 60_000.0,
        floor_level: stage(534.0),
        consumption_mm_d: 6.0,
        level_meter: None,
        flow_meter: None,
        warning: LevelGrades::default(),
        responsible: who(),
    }];
    let share = |id: &str, rate: f64, priority, to| Share { name: name(id), rate: q(rate), priority, to };
    basin.transfers = vec![Transfer {
        id: "transfer".into(),
        name: name("transfer"),
        head: NodeId(5),
        capacity: q(3.49),
        quota_m3: 1e8,
        shares: vec![
            share("supplement", 1.09, Priority::Amenity, at(6)),
            share("city", 0.5, Priority::Domestic, Place::Outside),
        ],
        meter: None,
        responsible: who(),
    }];
    basin.meters = vec![
        meter("q.outlet", MeterKind::RiverFlow, at(1), &[]),
        meter("q.section", MeterKind::RiverFlow, at(4), &[]),
        meter("z.lake", MeterKind::Level, lake, &[]),
        meter("q.canal", MeterKind::StructureFlow, at(5), &["canal"]),
        meter("q.middle", MeterKind::RiverFlow, along(0, 20.0), &[]),
    ];
    let section = |id: &str, node, meter| Section {
        id: id.into(),
        name: name(id),
        river: "alder".into(),
        at: at(node),
        km: 0.0,
        floor: Some(q(1.0)),
        seasonal_floors: Vec::new(),
        setpoint_cap: None,
        meter: MeterId(meter),
        guarantee: None,
        warning: FlowGrades::default(),
        responsible: who(),
    };
    basin.sections = vec![section("outlet", 1, 0), section("section", 4, 1)];
    basin
}

/// A configuration of `basin` alone, without a field.
pub(crate) fn config(basin: Basin) -> Config {
    let wiring = Wiring {
        meters: vec![None; basin.meters.len()],
        gates: vec![GatePoints::default(); basin.gates.len()],
    };
    Config {
        basin: Arc::new(basin),
        field: Arc::new(Field {
            links: Vec::new(),
            devices: Vec::new(),
            derived: Vec::new(),
            points: Vec::new(),
            classes: Vec::new(),
            wiring,
        }),
        schedules: Arc::new(Schedules::default()),
        service: Service {
            listen: "127.0.0.1:0".parse().unwrap(),
            bench: true,
            history_days: 30,
            minutes_days: 400,
            hours_days: 3660,
            history_mb: 20_000,
            snapshot_days: 30,
            snapshot_mb: 2000,
            free_mb: Some(100),
            start_mode: Mode::Automatic,
            forecast_folder: None,
            backup_folder: None,
            bulletin_days: 30,
            bulletin_after_min: 10,
            names: Vec::new(),
            tls: None,
            open_view: false,
            session_idle_h: 12,
            session_days: 30,
        },
        digest: "0".repeat(64),
    }
}

/// A point of device `device` at a holding address.
pub(crate) fn point(device: usize, element: Element, role: Role, address: u16, data_type: DataType) -> Point {
    Point {
        id: format!("{element:?}/{role:?}"),
        device: DeviceId(device),
        table: Table::Holding,
        address,
        data_type,
        order: ByteOrder::Abcd,
        bit: 0,
        scale: 1.0,
        offset: 0.0,
        sentinels: Vec::new(),
        min: None,
        max: None,
        unit: String::new(),
        class: Some(ClassId(0)),
        element,
        role,
    }
}

/// [`small_basin`] with a field: a gate box (unit 1, layout A) for the eco valve with a watchdog of 10 s, a box (unit 2) for
/// the turbine without command register, a logger (unit 3) for the meters, all behind one link.
pub(crate) fn small() -> Config {
    let mut config = config(small_basin());
    let gate = |at| Element::Gate(GateId(at));
    let box_a = |role, address| point(0, gate(0), role, address, DataType::U16);
    let bit = |role, bit| Point { bit, ..point(0, gate(0), role, 11, DataType::Bit) };
    let tenth = |point: Point| Point { scale: 0.1, ..point };
    let float = |meter, address, order| Point {
        table: Table::Input,
        order,
        sentinels: vec![-9999.0],
        ..point(2, Element::Meter(MeterId(meter)), Role::Value, address, DataType::F32)
    };
    let points = vec![
        tenth(box_a(Role::Position, 1)),
        bit(Role::Remote, 0),
        bit(Role::Estop, 2),
        bit(Role::MovingOpen, 3),
        bit(Role::MovingShut, 4),
        bit(Role::BottomLimit, 6),
        bit(Role::Fault, 7),
        tenth(box_a(Role::Target, 20)),
        box_a(Role::Command, 21),
        box_a(Role::Watchdog, 22),
        box_a(Role::Sequence, 23),
        box_a(Role::SequenceEcho, 24),
        Point { order: ByteOrder::Cdab, ..point(1, gate(1), Role::Target, 0, DataType::F32) },
        Point { table: Table::Input, ..tenth(point(1, gate(1), Role::Position, 0, DataType::U16)) },
        Point { table: Table::Discrete, ..point(1, gate(1), Role::Trip, 0, DataType::Bit) },
        float(0, 0, ByteOrder::Abcd),
        float(1, 2, ByteOrder::Cdab),
        Point {
            scale: 0.01,
            sentinels: vec![65_535.0],
            ..point(2, Element::Meter(MeterId(2)), Role::Value, 0, DataType::U32)
        },
        bit(Role::Fallback, 13),
    ];
    let device =
        |id: &str, unit, watchdog_s| Device { watchdog_s, ..Device::plain(id, name(id), LinkId(0), unit) };
    let gates = |at: usize| match at {
        0 => GatePoints {
            position: Some(PointId(0)),
            target: Some(PointId(7)),
            command: Some(PointId(8)),
            watchdog: Some(PointId(9)),
            sequence: Some(PointId(10)),
            sequence_echo: Some(PointId(11)),
            ..GatePoints::default()
        },
        1 => GatePoints { position: Some(PointId(13)), target: Some(PointId(12)), ..GatePoints::default() },
        _ => GatePoints::default(),
    };
    config.field = Arc::new(Field {
        links: vec![Link {
            id: "dam".into(),
            transport: qindan::points::Transport::Tcp("127.0.0.1:0".parse().unwrap()),
            timeout_s: 1.0,
            connect_timeout_s: 1.0,
            window: 1,
            gap_s: 0.0,
        }],
        devices: vec![device("box", 1, Some(10.0)), device("unit", 2, None), device("logger", 3, None)],
        points,
        derived: Vec::new(),
        classes: vec![ScanClass::new("fast", 1.0)],
        wiring: Wiring {
            meters: vec![Some(PointId(15)), Some(PointId(16)), Some(PointId(17)), None, None],
            gates: (0..config.basin.gates.len()).map(gates).collect(),
        },
    });
    config
}

/// One steady inflow at the head of a chain.
pub(crate) fn steady(flow: f64) -> Forcing {
    Forcing { inflows: vec![flow], ..Forcing::default() }
}
