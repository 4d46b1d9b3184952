//! Gate operation record 闸门启闭记录 (domain notes 4.5): what was commanded, from where to where, and how it ended.

use jiff::Timestamp;

use super::day::Day;
use super::document::{Cell, Column, Document, Part, Table, Word};
use super::told::{self, Operation};
use super::{Ground, Recorded, Samples, daily, name, signal, words};
use crate::basin::{Gate, GateId, MeterId, Place};
use crate::control::command::{Action, Terminal};
use crate::points::{Element, Role};
use crate::units::Opening;

const TITLE: Word = ("闸门启闭记录", "gate operation record");

/// Points the record reads: levels, flow and key of the gates.
pub fn points(ground: Ground<'_>) -> Vec<String> {
    let basin = &ground.config.basin;
    let roles = [Role::LevelUp, Role::LevelDown, Role::Flow, Role::Remote];
    let own = ground
        .config
        .field
        .points
        .iter()
        .filter(|point| matches!(point.element, Element::Gate(_)) && roles.contains(&point.role));
    let meters = basin
        .gates
        .iter()
        .flat_map(|gate| [gate.flow_meter, level_meter(ground, gate.from), level_meter(ground, gate.to)]);
    let meters = meters.flatten().filter_map(|meter| ground.point_of(meter)).map(str::to_owned);
    let mut points: Vec<_> = own.map(|point| point.id.clone()).chain(meters).collect();
    points.sort();
    points.dedup();
    points
}

fn level_meter(ground: Ground<'_>, place: Place) -> Option<MeterId> {
    match place {
        Place::Reservoir(body) => ground.config.basin.reservoirs.get(body.0)?.level_meter,
        Place::Wetland(wetland) => ground.config.basin.wetlands.get(wetland.0)?.level_meter,
        Place::Node(_) | Place::Along { .. } | Place::Outside => None,
    }
}

/// The point of a gate by role, or of the meter in its place.
fn point_of(ground: Ground<'_>, gate: GateId, role: Role, meter: Option<MeterId>) -> Option<&str> {
    let field = &ground.config.field;
    let own = field.points.iter().find(|point| point.element == Element::Gate(gate) && point.role == role);
    own.map(|point| point.id.as_str()).or_else(|| {
        let point = field.wiring.meters.get(meter?.0).copied().flatten()?;
        field.names().nth(point.0)
    })
}

/// A share of the stroke as its own unit.
fn travel(gate: Option<&Gate>, opening: Option<Opening>) -> Cell {
    let shown = opening.map(|opening| {
        let percent = super::number::fixed(opening.percent(), 1);
        match gate {
            Some(gate) if gate.stroke.unit.symbol() != "%" => {
                let stroke = gate.stroke;
                let at = stroke.shut_at + (stroke.open_at - stroke.shut_at) * opening.fraction();
                format!("{percent} % ({} {})", super::number::fixed(at, 0), stroke.unit.symbol())
            }
            Some(_) | None => format!("{percent} %"),
        }
    });
    Cell::Plain(shown.unwrap_or_default())
}

/// The record of a day.
pub fn gates(ground: Ground<'_>, day: Day, samples: &Samples, recorded: &Recorded) -> Document {
    let operations = told::operations(&recorded.records, day.from, day.to);
    let table = Table {
        id: "gate_operations",
        head: ("启闭记录", "Operations"),
        columns: columns(),
        rows: operations.iter().map(|operation| row(ground, operation, samples)).collect(),
        most: usize::MAX,
        is_half: false,
        may_miss: false,
    };
    let notes = vec![
        name(
            "闸门编号面向下游自左向右。操作前水位、现地/远方为下令时刻的记录值；过闸流量为结束时刻实测值。空白为未测或未记录。",
            "Leaves are numbered facing downstream from left to right. Levels and key are those recorded when the command was given; the flow is \
             the one measured at its end. Blank: not measured or not recorded.",
        ),
        name(
            "启闭电流没有测点；就地操作不产生指令，见报警 A04、A13。监护人在打印件上签字。",
            "Motor current has no measuring point; what is moved from the local panel is no command: see alarms A04 and A13. The second person signs \
             on paper.",
        ),
    ];
    let mut document = daily::frame(ground, day, recorded, TITLE, true);
    document.parts = vec![Part::Table(table), Part::Notes(("说明", "Notes"), notes)];
    document.signatures = vec![("操作人", "Operator"), ("监护人", "Second person"), ("复核", "Checked by")];
    document
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("record", ("记录号", "Record"), ""),
        Column::hidden("gate"),
        Column::new("name", ("闸门", "Gate"), ""),
        Column::new("level_up_m", ("操作前闸上水位", "Level above"), "m"),
        Column::new("level_down_m", ("操作前闸下水位", "Level below"), "m"),
        Column::new("before", ("操作前开度", "Before"), ""),
        Column::hidden("before_pct"),
        Column::new("target", ("指令开度", "Target"), ""),
        Column::hidden("target_pct"),
        Column::new("after", ("操作后开度", "After"), ""),
        Column::hidden("after_pct"),
        Column::new("gate_flow_m3s", ("过闸流量", "Gate flow"), "m³/s"),
        Column::new("operator", ("操作人", "By"), ""),
        Column::new("start", ("开始", "Start"), ""),
        Column::new("end", ("结束", "End"), ""),
        Column::new("key", ("现地/远方", "Key"), ""),
        Column::new("outcome", ("结果/异常", "Outcome"), ""),
    ]
}

fn row(ground: Ground<'_>, operation: &Operation<'_>, samples: &Samples) -> Vec<Cell> {
    let basin = &ground.config.basin;
    let Operation { intent, outcome } = operation;
    let id = intent.gate.as_deref().unwrap_or_default();
    let at = basin.gate(id);
    let gate = at.and_then(|at| basin.gates.get(at.0));
    let value = |role: Role, meter: Option<MeterId>, utc: Timestamp| {
        signal(samples, at.and_then(|at| point_of(ground, at, role, meter))).at(utc)
    };
    let level = |place: fn(&Gate) -> Place| gate.and_then(|gate| level_meter(ground, place(gate)));
    let target = match intent.action {
        Some(Action::Goto(opening)) => Some(opening),
        Some(Action::Stop) | None => None,
    };
    let after = outcome.and_then(|outcome| outcome.after);
    let percent = |opening: Option<Opening>| Cell::Number(opening.map(Opening::percent), 3);
    let flow =
        outcome.and_then(|outcome| value(Role::Flow, gate.and_then(|gate| gate.flow_meter), outcome.utc));
    let key = match value(Role::Remote, None, intent.utc) {
        Some(remote) if remote > 0.5 => Cell::text("远方", "remote"),
        Some(_) => Cell::text("现地", "local"),
        None => Cell::text("", ""),
    };
    let ended = outcome.and_then(|outcome| outcome.outcome.as_ref());
    let shown = match ended {
        Some(end @ Terminal::Failed { .. }) => Cell::Marked(words::terminal(end)),
        Some(end) => Cell::Name(words::terminal(end)),
        None => Cell::text("进行中", "open"),
    };
    vec![
        Cell::Plain(intent.seq.to_string()),
        Cell::Plain(id.to_owned()),
        Cell::Name(words::element(basin, id)),
        Cell::Number(value(Role::LevelUp, level(|gate| gate.from), intent.utc), 2),
        Cell::Number(value(Role::LevelDown, level(|gate| gate.to), intent.utc), 2),
        travel(gate, intent.before),
        percent(intent.before),
        match intent.action {
            Some(Action::Stop) => Cell::text("停", "stop"),
            Some(Action::Goto(_)) | None => travel(gate, target),
        },
        percent(target),
        travel(gate, after),
        percent(after),
        Cell::Flow(flow),
        Cell::Name(words::actor(&intent.actor)),
        Cell::Second(Some(intent.utc)),
        Cell::Second(outcome.map(|outcome| outcome.utc)),
        key,
        shown,
    ]
}
