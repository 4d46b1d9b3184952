//! Dispatch log 调度日志 (domain notes 4.3): every command and every act of a person, with its ground and what became of it;
//! tickets, warnings, incidents and filings as the record has them.

use jiff::Timestamp;

use super::day::Day;
use super::document::{Cell, Column, Document, Part, Table, Word};
use super::told::{self, Operation};
use super::{Ground, Recorded, daily, name, papers, words};
use crate::basin::{Basin, Name};
use crate::control::command::{Action, Terminal};
use crate::control::operator::Order;
use crate::control::record::Kind;
use crate::shell::journal::Record;

const TITLE: Word = ("调度日志", "dispatch log");

/// The log of a day.
pub fn orders(ground: Ground<'_>, day: Day, recorded: &Recorded) -> Document {
    let table = table(&ground.config.basin, recorded, (day.from, day.to));
    let notes = vec![name(
        "指令编号为记录号，可用 qindan log show 查看全部依据和限制。偏差 = 操作后开度 − 指令开度。被联锁拒绝的意图不在此列。复核在打印件上签字。",
        "The number is that of the record: qindan log show has all causes and limits. Deviation: opening after less target. Wishes the interlocks \
         refused are not listed. Checking is signed on paper.",
    )];
    let mut document = daily::frame(ground, day, recorded, TITLE, true);
    document.parts = vec![Part::Table(table), Part::Notes(("说明", "Notes"), notes)];
    document.signatures = vec![("值班员", "Duty operator"), ("调度员", "Dispatcher"), ("复核", "Checked by")];
    document
}

/// Commands and acts of people from `from` until before `to`, in the order of the record.
pub(super) fn table(basin: &Basin, recorded: &Recorded, (from, to): (Timestamp, Timestamp)) -> Table {
    let operations = told::operations(&recorded.records, from, to);
    let mut rows: Vec<(u64, Vec<Cell>)> =
        operations.iter().map(|operation| (operation.intent.seq, command(basin, operation))).collect();
    let within = || told::within(&recorded.records, from, to);
    let acts = within().filter(|record| record.kind == Kind::Operator);
    rows.extend(acts.filter_map(|record| Some((record.seq, act(basin, record)?))));
    let papers = within().filter(|record| papers::is_paper(record));
    rows.extend(papers.map(|record| (record.seq, paper(basin, record))));
    rows.sort_by_key(|(seq, _)| *seq);
    Table {
        id: "dispatch_log",
        head: ("调度日志", "Dispatch log"),
        columns: columns(),
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        most: usize::MAX,
        is_half: false,
        may_miss: false,
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("time", ("时间", "Time"), ""),
        Column::new("dispatch_order", ("指令编号", "Order"), ""),
        Column::new("given_by", ("发令人/单位", "Given by"), ""),
        Column::new("given_to", ("受令人", "Given to"), ""),
        Column::new("content", ("内容（对象、目标）", "Content"), ""),
        Column::new("ground", ("依据", "Ground"), ""),
        Column::new("end", ("结束", "End"), ""),
        Column::new("carried_out", ("实际开度", "Opening"), "%"),
        Column::new("deviation_pct", ("偏差", "Deviation"), "%"),
        Column::new("outcome", ("处置", "Outcome"), ""),
        Column::new("checked", ("复核", "Checked"), ""),
    ]
}

fn command(basin: &Basin, operation: &Operation<'_>) -> Vec<Cell> {
    let Operation { intent, outcome } = operation;
    let id = intent.gate.as_deref().unwrap_or_default();
    let gate = basin.gate(id).and_then(|at| basin.gates.get(at.0));
    let named = words::element(basin, id);
    let flow =
        intent.flow.map_or_else(String::new, |flow| format!(", {} m³/s", super::number::flow(flow.get())));
    let content = match intent.action {
        Some(Action::Goto(to)) => {
            let to = super::number::fixed(to.percent(), 1);
            name(format!("{} → {to} %{flow}", named.zh), format!("{} → {to} %{flow}", named.en))
        }
        Some(Action::Stop) | None => name(format!("{}：停闸", named.zh), format!("{}: stop", named.en)),
    };
    let after = outcome.and_then(|outcome| outcome.after);
    let target = match intent.action {
        Some(Action::Goto(to)) => Some(to),
        Some(Action::Stop) | None => None,
    };
    let deviation = after.zip(target).map(|(after, target)| after.percent() - target.percent());
    let ended = outcome.and_then(|outcome| outcome.outcome.as_ref());
    let causes: Vec<Name> = intent.because.iter().map(|value| words::cause(basin, value)).collect();
    vec![
        Cell::Time(Some(intent.utc)),
        Cell::Plain(intent.seq.to_string()),
        Cell::Name(words::actor(&intent.actor)),
        gate.map_or_else(
            || Cell::text("", ""),
            |gate| {
                let who = &gate.responsible;
                Cell::text(
                    format!("{} {}", who.unit.zh, who.person),
                    format!("{}, {}", who.unit.en, who.person),
                )
            },
        ),
        Cell::Name(content),
        Cell::Name(joined(&causes)),
        Cell::Time(outcome.map(|outcome| outcome.utc)),
        Cell::Number(after.map(crate::units::Opening::percent), 1),
        Cell::Number(deviation, 1),
        match ended {
            Some(end @ Terminal::Failed { .. }) => Cell::Marked(words::terminal(end)),
            Some(end) => Cell::Name(words::terminal(end)),
            None => Cell::text("进行中", "open"),
        },
        Cell::text("", ""),
    ]
}

fn joined(causes: &[Name]) -> Name {
    let each = |of: fn(&Name) -> &str, between: &str| causes.iter().map(of).collect::<Vec<_>>().join(between);
    name(each(|name| &name.zh, "；"), each(|name| &name.en, "; "))
}

/// An act of a person; one that was refused says why. `None`: it was taken, and a record of its own says more.
fn act(basin: &Basin, record: &Record) -> Option<Vec<Cell>> {
    let detail = record.detail.as_ref();
    let order = detail.and_then(|detail| serde_json::from_value::<Order>(detail.get("order")?.clone()).ok());
    let is_taken = detail.and_then(|detail| detail.get("accepted")?.as_bool());
    if is_taken == Some(true) && order.as_ref().is_some_and(papers::has_own_record) {
        return None;
    }
    let content = match (&order, detail) {
        (Some(order), _) => words::order(basin, order, record.gate.as_deref()),
        (None, Some(detail)) => name(detail.to_string(), detail.to_string()),
        (None, None) => name("", ""),
    };
    let answer = detail.and_then(|detail| detail.get("answer")?.as_str()).unwrap_or_default();
    let outcome = match is_taken {
        Some(true) => Cell::text("已受理", "taken"),
        Some(false) => Cell::Marked(name(format!("被拒：{answer}"), format!("refused: {answer}"))),
        None => Cell::text("", ""),
    };
    Some(said(record, (content, name("", "")), outcome))
}

/// What the record says of a ticket, a warning, an incident or a filing.
fn paper(basin: &Basin, record: &Record) -> Vec<Cell> {
    said(record, papers::words(basin, record), Cell::text("", ""))
}

fn said(record: &Record, (content, ground): (Name, Name), outcome: Cell) -> Vec<Cell> {
    vec![
        Cell::Time(Some(record.utc)),
        Cell::Plain(record.seq.to_string()),
        Cell::Name(words::actor(&record.actor)),
        Cell::text("本系统", "this service"),
        Cell::Name(content),
        Cell::Name(ground),
        Cell::Time(None),
        Cell::Number(None, 1),
        Cell::Number(None, 1),
        outcome,
        Cell::text("", ""),
    ]
}
