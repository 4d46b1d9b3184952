//! A small invented basin with its field; [`crate::moment`] shows it, or any other, at a plausible moment.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::{
    Actuation, Basin, ControlParameters, CurvePoint, Duty, FlowGrades, Gate, GateId, GateKind, Inflow,
    InflowKind, Intake, LagPoint, LagTable, MarginRule, Meter, MeterId, MeterKind, Name, Node, NodeId,
    OnLinkLoss, Place, Priority, RampLimit, Reach, ReachId, ReachKind, Reservoir, ReservoirId, ReservoirKind,
    Responsible, Season, Section, Stroke, StrokeUnit,
};
use qindan::config::{Config, Schedules, Service, Turn};
use qindan::control::gate::GateFacts;
use qindan::control::operator::Mode;
use qindan::control::quality::Reading;
use qindan::points::{
    ByteOrder, ClassId, DataType, Device, DeviceId, Element, Field, GatePoints, Link, LinkId, Point, PointId,
    Role, ScanClass, Table, Wiring,
};
use qindan::units::{Discharge, Head, Opening, Stage, Volume};

pub(crate) use crate::moment::{empty_status, far_section, good, status};

/// The moment all fixtures show: 2026-05-18 14:32:07 at UTC+8.
pub(crate) const NOW: i64 = 1_779_085_927;
/// Service time then.
pub(crate) const MONO: Duration = Duration::from_secs(30_000);

/// A driven gate shut and at rest, in order and on remote.
pub(crate) const SHUT_AT_REST: GateFacts = GateFacts {
    opening: Some(Opening::SHUT),
    position: Reading::NEVER,
    target: None,
    remote: Some(true),
    estop: Some(false),
    fault: Some(false),
    trip: Some(false),
    moving: Some(0),
};

pub(crate) fn q(flow: f64) -> Discharge {
    Discharge::new(flow).unwrap()
}

/// A shelf on which the console put something at [`NOW`].
pub(crate) fn shelf(reason: &str, minutes: u32) -> qindan::control::alarm::Shelf {
    let left_s = 60.0 * f64::from(minutes);
    let until = utc(60 * i64::from(minutes));
    let shelf = serde_json::json!({ "by": "console", "reason": reason, "until": until, "left_s": left_s });
    serde_json::from_value(shelf).unwrap()
}

/// A ticket the console asked for at [`NOW`].
pub(crate) fn ticket(
    gate: qindan::basin::GateId,
    minutes: u32,
    reason: &str,
) -> qindan::control::ticket::Ticket {
    let (signed, reason) = (vec!["console".to_owned()], reason.to_owned());
    let name = String::new();
    let permit = qindan::control::ticket::Permit::Season;
    let (in_force, left_s) = (false, 1800.0);
    qindan::control::ticket::Ticket { id: 1, gate, name, permit, minutes, reason, signed, in_force, left_s }
}

/// A file of the page as it is written; what is served has fewer spaces.
pub(crate) fn asset(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/shell/web/assets/");
    std::fs::read_to_string(format!("{folder}{name}")).unwrap()
}

/// A reading the console entered at [`NOW`].
pub(crate) fn entered(
    meter: &str,
    value: f64,
    (minutes, reason): (u32, &str),
) -> qindan::control::entered::Entered {
    let (at, until) = (utc(0), utc(60 * i64::from(minutes)));
    let (meter, by, reason) = (meter.to_owned(), "console".to_owned(), reason.to_owned());
    qindan::control::entered::Entered { meter, value, by, reason, at, until }
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
        berms: Vec::new(),
        loss_per_km: 0.002,
        lags: LagTable::new(lags.map(|(flow, hours)| LagPoint { flow: q(flow), hours }).to_vec()),
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
        twin: None,
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
        warning: FlowGrades::default(),
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
        follow_plan: false,
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
            lends_above: None,
            cuts: Vec::new(),
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
        ratings: Vec::new(),
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
                transport: qindan::points::Transport::Tcp("127.0.0.1:15020".parse().unwrap()),
                timeout_s: 1.0,
                connect_timeout_s: 2.0,
                window: 1,
                gap_s: 0.0,
            }],
            devices: vec![unit("dam.rtu", 1)],
            points,
            derived: Vec::new(),
            classes: vec![ScanClass::new("normal", 5.0)],
            wiring,
        }),
        schedules: Arc::new(Schedules { turns: vec![turn], entries: Vec::new() }),
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

/// A unit behind the first link that takes everything and shows nothing of itself.
pub(crate) fn unit(id: &str, unit: u8) -> Device {
    Device { max_block: 100, ..Device::plain(id, name("大坝", "Dam"), LinkId(0), unit) }
}
