//! Hand-over of a shift 交接班记录: what whoever takes over must know. Floors with their least values, what is not automatic, what
//! people left as notes, alarms that came, stand or are put aside, and every command and act with what became of it. One page; the
//! CSV has all rows.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::document::{Cell, Column, Document, Part, Table, Word, minute};
use super::told::{self, Raised};
use super::{Ground, Recorded, Samples, daily, name, orders, signal, words};
use crate::aggregate::{Aggregate, MINUTE};
use crate::basin::{Basin, Name};
use crate::control::operator::{Authority, Mode, Order};
use crate::control::record::Kind;
use crate::shell::journal::Record;

const TITLE: Word = ("交接班记录", "hand-over of the shift");
/// Share of a minute that must be known for it to count. Chosen: as for the days of the bulletin.
const MINUTE_KNOWN: f64 = 0.5;
/// Rows of a table on the page: all of it stays one page. All stand in the CSV.
const SHOWN: usize = 20;

/// Points whose samples are needed.
pub fn points(ground: Ground<'_>) -> Vec<String> {
    let meters = ground.config.basin.sections.iter().map(|section| section.meter);
    let mut points: Vec<_> = meters.filter_map(|meter| ground.point_of(meter)).map(str::to_owned).collect();
    points.sort();
    points.dedup();
    points
}

/// The report of a window. `samples` hold those of [`points`], `recorded` acts of people from before it too.
pub fn shift(
    ground: Ground<'_>,
    (from, to): (Timestamp, Timestamp),
    samples: &Samples,
    recorded: &Recorded,
) -> Document {
    let basin = &ground.config.basin;
    let span = format!("{} – {}", minute(from, &basin.zone), minute(to, &basin.zone));
    let (zh, en) = TITLE;
    let mut document = Document {
        title: name(format!("{}{zh}", basin.name.zh), format!("{}: {en}", basin.name.en)),
        facts: vec![(("时段", "Period"), name(span.clone(), span))],
        is_bench: ground.config.service.bench,
        is_wide: true,
        parts: Vec::new(),
        signatures: vec![("交班", "Handed over by"), ("接班", "Taken over by")],
        zone: basin.zone.clone(),
    };
    daily::stands_on(&mut document, ground, (from, to), recorded);
    let mut log = orders::table(basin, recorded, (from, to));
    log.most = SHOWN;
    document.parts = vec![
        Part::Table(floors(ground, (from, to), samples)),
        Part::Table(not_automatic(ground, &recorded.records, to)),
        Part::Table(notes(basin, &recorded.records, (from, to))),
        Part::Table(alarms(basin, &recorded.records, (from, to))),
        Part::Table(log),
    ];
    document
}

fn table(id: &'static str, head: Word, columns: Vec<Column>, rows: Vec<Vec<Cell>>) -> Table {
    Table { id, head, columns, rows, most: SHOWN, is_half: false, may_miss: false }
}

fn floors(ground: Ground<'_>, (from, to): (Timestamp, Timestamp), samples: &Samples) -> Table {
    let basin = &ground.config.basin;
    let date = basin.date_at(to);
    let row = |section: &crate::basin::Section| {
        let signal = signal(samples, ground.point_of(section.meter));
        let whole = signal.over(from, to);
        let floor = section.floor_on(date).map(crate::units::Discharge::get);
        let is_below = |minute: &&Aggregate| {
            minute.mean_if(MINUTE_KNOWN).zip(floor).is_some_and(|(mean, floor)| mean < floor)
        };
        let below = signal.by(MINUTE, from, to).iter().filter(is_below).count();
        vec![
            Cell::Plain(section.id.clone()),
            Cell::Name(section.name.clone()),
            Cell::Flow(floor),
            Cell::Flow(signal.at(to)),
            Cell::Flow(whole.mean),
            Cell::Least(whole.least.map(|least| (least.value, least.at))),
            if floor.is_some() { Cell::Count(below) } else { Cell::text("", "") },
            Cell::Share(Some(whole.completeness())),
        ]
    };
    let columns = vec![
        Column::hidden("section"),
        Column::new("name", ("断面", "Section"), ""),
        Column::new("floor_m3s", ("下限", "Floor"), "m³/s"),
        Column::new("flow_at_end_m3s", ("交班时", "At the end"), "m³/s"),
        Column::new("mean_m3s", ("均值", "Mean"), "m³/s"),
        Column::new("least_m3s", ("最小", "Least"), "m³/s"),
        Column::new("below_min", ("低于下限", "Below the floor"), "min"),
        Column::new("completeness", ("完整率", "Completeness"), "%"),
    ];
    table("floors", ("生态流量", "Floors"), columns, basin.sections.iter().map(row).collect())
}

/// The order of an act that was taken.
fn taken(record: &Record) -> Option<Order> {
    let detail = record.detail.as_ref().filter(|_| record.kind == Kind::Operator)?;
    let is_taken = detail.get("accepted")?.as_bool()?;
    serde_json::from_value::<Order>(detail.get("order")?.clone()).ok().filter(|_| is_taken)
}

/// Gates that are dispatch's again with this record: one shut by season whose ticket is over, those shut for an incident that is closed.
fn given_back(record: &Record) -> Vec<&str> {
    let Some(detail) = &record.detail else { return Vec::new() };
    let is_season = detail.get("of").is_none_or(|of| of["permit"] == "season");
    let is_over = is_season && matches!(detail["ticket_was"].as_str(), Some("over" | "ended"));
    if record.kind == Kind::Order && is_over {
        return record.gate.as_deref().into_iter().collect();
    }
    let gates = detail["given_back"].as_array().filter(|_| record.kind == Kind::Incident);
    gates.into_iter().flatten().filter_map(|gate| gate.as_str()).collect()
}

/// What stands by hand at the end: the mode, the hold, gates that are not in automatic, each with who and since when. Of a mode nobody
/// has set it is said that it is the configured one.
fn not_automatic(ground: Ground<'_>, records: &[Record], to: Timestamp) -> Table {
    let basin = &ground.config.basin;
    let mut mode: (Mode, Option<&Record>) = (ground.config.service.start_mode, None);
    let mut hold: Option<&Record> = None;
    let mut manual: BTreeMap<&str, (Authority, &Record)> = BTreeMap::new();
    for record in records.iter().filter(|record| record.utc < to) {
        let gate = record.gate.as_deref();
        let back = given_back(record);
        manual.retain(|held, (authority, _)| !back.contains(held) || *authority != Authority::Manual);
        let Some(order) = taken(record) else { continue };
        match order {
            Order::HoldAll => hold = Some(record),
            Order::ReleaseHold => hold = None,
            Order::SetMode { mode: to } => mode = (to, Some(record)),
            Order::SetAuthority { authority, .. } => {
                gate.and_then(|gate| manual.remove(gate));
                if let (Some(gate), false) = (gate, authority == Authority::Automatic) {
                    manual.insert(gate, (authority, record));
                }
            }
            Order::SetPoint { .. } | Order::StopGate { .. } | Order::Accept { second: true, .. } => {
                let Some(gate) = gate else { continue };
                let is_manual =
                    manual.get(gate).is_some_and(|(authority, _)| *authority == Authority::Manual);
                if !is_manual {
                    manual.insert(gate, (Authority::Manual, record));
                }
            }
            Order::Acknowledge { .. }
            | Order::AcknowledgeMany { .. }
            | Order::Shelve { .. }
            | Order::Unshelve { .. }
            | Order::Accept { .. }
            | Order::Reject { .. }
            | Order::AskTicket { .. }
            | Order::SignTicket { .. }
            | Order::EndTicket { .. }
            | Order::Enter { .. }
            | Order::Withdraw { .. }
            | Order::IssueWarning { .. }
            | Order::CancelWarning { .. }
            | Order::OpenIncident { .. }
            | Order::CloseIncident { .. }
            | Order::ActivateSchedule { .. } => {}
        }
    }
    let by = |record: Option<&Record>| {
        let who = record.map_or_else(|| name("配置", "configuration"), |record| words::actor(&record.actor));
        (Cell::Name(who), Cell::Time(record.map(|record| record.utc)))
    };
    let line = |id: &str, of: Name, state: Name, record: Option<&Record>| {
        let (who, since) = by(record);
        vec![Cell::Plain(id.to_owned()), Cell::Name(of), Cell::Marked(state), who, since]
    };
    let mut rows = Vec::new();
    if mode.0 != Mode::Automatic {
        let (zh, en) = words::mode_word(mode.0);
        rows.push(line("mode", name("方式", "Mode"), name(zh, en), mode.1));
    }
    if let Some(record) = hold {
        rows.push(line("hold_all", name("全部闸门", "All gates"), name("保持", "hold"), Some(record)));
    }
    rows.extend(manual.into_iter().map(|(gate, (authority, record))| {
        let (zh, en) = words::authority_word(authority);
        line(gate, words::element(basin, gate), name(zh, en), Some(record))
    }));
    let columns = vec![
        Column::hidden("what"),
        Column::new("name", ("对象", "What"), ""),
        Column::new("state", ("状态", "State"), ""),
        Column::new("by", ("由", "By"), ""),
        Column::new("since", ("自", "Since"), ""),
    ];
    table("not_automatic", ("非自动", "Not automatic"), columns, rows)
}

fn notes(basin: &Basin, records: &[Record], (from, to): (Timestamp, Timestamp)) -> Table {
    let notes = told::within(records, from, to).filter(|record| record.kind == Kind::Note);
    let row = |record: &Record| {
        let text = |key: &str| record.detail.as_ref().and_then(|detail| detail.get(key)?.as_str());
        let about = record.gate.as_deref().or_else(|| text("section"));
        vec![
            Cell::Time(Some(record.utc)),
            Cell::Plain(record.seq.to_string()),
            Cell::Name(words::actor(&record.actor)),
            Cell::Plain(about.unwrap_or_default().to_owned()),
            Cell::Name(about.map_or_else(|| name("", ""), |id| words::element(basin, id))),
            Cell::Plain(text("text").unwrap_or_default().to_owned()),
        ]
    };
    let columns = vec![
        Column::new("time", ("时间", "Time"), ""),
        Column::new("record", ("记录号", "Record"), ""),
        Column::new("by", ("由", "By"), ""),
        Column::hidden("element"),
        Column::new("about", ("对象", "About"), ""),
        Column::new("text", ("内容", "Note"), ""),
    ];
    table("notes", ("值班记事", "Notes"), columns, notes.map(row).collect())
}

/// Alarms of the window; what stands at its end, or is put aside, is marked.
fn alarms(basin: &Basin, records: &[Record], (from, to): (Timestamp, Timestamp)) -> Table {
    let mut aside: BTreeMap<String, &Record> = BTreeMap::new();
    for record in records.iter().filter(|record| record.kind == Kind::Alarm && record.utc < to) {
        let Some(detail) = &record.detail else { continue };
        let Some(key) = detail["key"].as_str() else { continue };
        if detail["change"].as_str() == Some("shelved") {
            aside.insert(key.to_owned(), record);
        } else {
            aside.remove(key);
        }
    }
    let row = |alarm: Raised| {
        let (zh, en) = super::alarms::title(&alarm.id).unwrap_or(("", ""));
        let shelf = aside.get(&format!("{}:{}", alarm.id, alarm.element));
        let state = match (shelf, alarm.until, &alarm.acknowledged) {
            (Some(record), _, _) => {
                let of = |key: &str| record.detail.as_ref().and_then(|detail| detail.get(key)?.as_str());
                let until = of("until").and_then(|text| text.parse::<Timestamp>().ok());
                let until = until.map_or_else(String::new, |until| minute(until, &basin.zone));
                let why = of("shelf_reason").unwrap_or_default();
                Cell::Marked(name(format!("搁置至 {until}：{why}"), format!("shelved until {until}: {why}")))
            }
            (None, None, Some(_)) => Cell::Marked(name("未解除，已确认", "stands, seen")),
            (None, None, None) => Cell::Marked(name("未解除，未确认", "stands, not seen")),
            (None, Some(_), Some(_)) => Cell::text("已解除", "over"),
            (None, Some(_), None) => Cell::text("已解除，未确认", "over, not seen"),
        };
        let of = if alarm.element.is_empty() { name("", "") } else { words::element(basin, &alarm.element) };
        vec![
            Cell::Plain(alarm.id),
            Cell::Count(usize::try_from(alarm.priority).unwrap_or(4)),
            Cell::text(zh, en),
            Cell::Plain(alarm.element),
            Cell::Name(of),
            Cell::Time(Some(alarm.since)),
            Cell::Time(alarm.until),
            Cell::Plain(alarm.acknowledged.map_or_else(String::new, |(who, _)| who)),
            state,
        ]
    };
    let columns = vec![
        Column::new("alarm", ("编号", "No."), ""),
        Column::new("priority", ("级", "P"), ""),
        Column::new("title", ("内容", "What"), ""),
        Column::hidden("element"),
        Column::new("name", ("对象", "Of"), ""),
        Column::new("since", ("开始", "Since"), ""),
        Column::new("until", ("解除", "Until"), ""),
        Column::new("acknowledged_by", ("确认", "Seen by"), ""),
        Column::new("state", ("状态", "State"), ""),
    ];
    let rows = told::alarms(records, from, to).into_iter().map(row).collect();
    table("alarms", ("报警", "Alarms"), columns, rows)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::aggregate::Kept;
    use crate::config::reports::Reports;
    use crate::control::quality::Quality;
    use crate::report::{Lang, csv, html};

    fn at(minutes: i64) -> Timestamp {
        // 2026-05-18 08:00 at UTC+8.
        Timestamp::from_second(1_779_062_400 + 60 * minutes).unwrap()
    }

    fn record(seq: u64, minutes: i64, kind: &str, actor: &str, more: &Value) -> Record {
        let mut body = json!({
            "seq": seq, "epoch": 1, "kind": kind, "utc": at(minutes), "mono_us": 0, "boot": "b", "config": "", "prev": "",
            "actor": actor,
        });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        serde_json::from_value(body).unwrap()
    }

    fn act(seq: u64, minutes: i64, gate: Option<&str>, order: &Value, accepted: bool) -> Record {
        let more = json!({ "gate": gate, "detail": { "order": order, "accepted": accepted, "answer": "" } });
        record(seq, minutes, "operator", "operator:li", &more)
    }

    fn alarm(seq: u64, minutes: i64, key: &str, change: &str, more: &Value) -> Record {
        let mut detail = json!({ "key": key, "priority": 2, "change": change });
        for (key, value) in more.as_object().unwrap() {
            detail[key] = value.clone();
        }
        record(seq, minutes, "alarm", "operator:li", &json!({ "detail": detail }))
    }

    /// The lines of one table in the English CSV.
    fn lines(document: &Document, table: &str) -> Vec<String> {
        let csv = csv::csv(document, Lang::En);
        csv.lines().filter(|line| line.starts_with(&format!("{table},"))).map(str::to_owned).collect()
    }

    #[test]
    fn a_shift_is_told_with_what_stands_from_before_it() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let config = crate::config::load(&folder).unwrap();
        let reports = Reports::default();
        let ground = Ground { config: &config, reports: &reports };
        let manual = json!({ "order": "set_authority", "gate": 0, "authority": "manual" });
        let automatic = json!({ "order": "set_authority", "gate": 0, "authority": "automatic" });
        let valve = Some("zf.eco.v1");
        let records = vec![
            act(1, -600, valve, &manual, true),
            act(2, -500, Some("zf.eco.v2"), &manual, true),
            alarm(3, -400, "A13:zf.eco.v1", "raised", &json!({})),
            alarm(4, -300, "A05:zf.eco.v2", "raised", &json!({})),
            alarm(5, -200, "A05:zf.eco.v2", "ended", &json!({})),
            act(6, 10, Some("zf.eco.v2"), &automatic, true),
            act(7, 20, valve, &automatic, false),
            record(
                8,
                30,
                "note",
                "operator:wang",
                &json!({ "gate": "zf.eco.v1", "detail": { "text": "grease, \"Tuesday\" <b>" } }),
            ),
            alarm(
                9,
                40,
                "A13:zf.eco.v1",
                "shelved",
                &json!({ "until": at(400), "shelf_reason": "maintenance" }),
            ),
            act(10, 800, None, &json!({ "order": "set_mode", "mode": "manual" }), true),
        ];
        let recorded = Recorded { records, head: Some((9, "ab".repeat(32))), broken: None };
        let section = &config.basin.sections[0];
        let point = ground.point_of(section.meter).unwrap().to_owned();
        // Every ten minutes 1.2, but 0.9 from 100 until 110; nothing in the last two hours.
        let kept = |minutes: i64| Kept {
            utc: at(minutes),
            value: Some(if minutes == 100 { 0.9 } else { 1.2 }),
            quality: Quality::Good,
        };
        let samples = Samples::from([(point, (0..600).step_by(10).map(kept).collect())]);
        let document = shift(ground, (at(0), at(720)), &samples, &recorded);
        let floors = lines(&document, "floors");
        let line = floors.iter().find(|line| line.contains(&section.id)).unwrap();
        // Ten minutes below the floor of 1.0; known until eleven minutes after the last sample, of 720 minutes 601.
        assert!(line.contains("0.9") && line.contains(",10,"), "{line}");
        assert!(line.contains("0.83472"), "601 of 720 min: {line}");
        let by_hand = lines(&document, "not_automatic");
        assert!(
            by_hand.iter().any(|line| line.contains("zf.eco.v1") && line.contains("manual")),
            "{by_hand:#?}"
        );
        assert!(!by_hand.iter().any(|line| line.contains("zf.eco.v2")), "given back within the shift");
        assert!(!by_hand.iter().any(|line| line.contains("not_automatic,mode")), "set after the shift");
        let notes = lines(&document, "notes");
        assert!(notes.iter().any(|line| line.contains("wang") && line.contains("grease")), "{notes:#?}");
        let alarms = lines(&document, "alarms");
        assert_eq!(alarms.iter().filter(|line| line.contains("A13")).count(), 1, "{alarms:#?}");
        assert!(
            alarms.iter().any(|line| line.contains("shelved until 2026-05-18 14:40: maintenance")),
            "{alarms:#?}"
        );
        assert!(!alarms.iter().any(|line| line.contains("A05")), "over before the shift");
        let log = lines(&document, "dispatch_log");
        assert!(
            log.iter().any(|line| line.contains("refused")) && !log.iter().any(|line| line.contains("mode")),
            "{log:#?}"
        );
        let page = html::html(&document, Lang::Zh);
        assert!(
            page.contains("交接班记录") && page.contains("&lt;b&gt;") && !page.contains("<b>grease"),
            "escaped"
        );
        let again = shift(ground, (at(0), at(720)), &samples, &recorded);
        assert_eq!(html::html(&again, Lang::En), html::html(&document, Lang::En));
    }
}
