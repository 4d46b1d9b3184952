//! Tickets, warnings, incidents and filings in words: what the record says of them, for the dispatch log.

use serde_json::Value;

use super::document::Word;
use super::{name, words};
use crate::basin::{Basin, Grade, Name};
use crate::control::operator::Order;
use crate::control::record::Kind;
use crate::control::ticket::Permit;
use crate::shell::filings::{Told, Verdict};
use crate::shell::journal::Record;

/// Whether an act that was taken has a record of its own that says more: with its number, who signed, what was found.
pub(super) fn has_own_record(order: &Order) -> bool {
    match order {
        Order::AskTicket { .. }
        | Order::SignTicket { .. }
        | Order::EndTicket { .. }
        | Order::IssueWarning { .. }
        | Order::CancelWarning { .. }
        | Order::OpenIncident { .. }
        | Order::CloseIncident { .. } => true,
        Order::HoldAll
        | Order::ReleaseHold
        | Order::SetMode { .. }
        | Order::SetAuthority { .. }
        | Order::SetPoint { .. }
        | Order::StopGate { .. }
        | Order::Accept { .. }
        | Order::Reject { .. }
        | Order::Acknowledge { .. }
        | Order::Shelve { .. }
        | Order::Unshelve { .. }
        | Order::Enter { .. }
        | Order::Withdraw { .. }
        | Order::ActivateSchedule { .. } => false,
    }
}

/// Whether a record is a paper of the log: all but what is foretold of an incident, hour by hour.
pub(super) fn is_paper(record: &Record) -> bool {
    let is_foretold = || record.detail.as_ref().is_some_and(|detail| detail["incident_was"] == "foretold");
    matches!(record.kind, Kind::Order | Kind::Warning | Kind::Filing)
        || (record.kind == Kind::Incident && !is_foretold())
}

/// What such a record says, and on what ground; of a later version as stored.
pub(super) fn words(basin: &Basin, record: &Record) -> (Name, Name) {
    let Some(detail) = &record.detail else { return (name("", ""), name("", "")) };
    let said = match record.kind {
        Kind::Order => ticket(basin, record.gate.as_deref(), detail),
        Kind::Warning => warning(basin, detail).map(without_ground),
        Kind::Incident => incident(basin, detail).map(without_ground),
        Kind::Filing => filing(basin, record.seq, detail).map(without_ground),
        Kind::Boot
        | Kind::Intent
        | Kind::LateIntent
        | Kind::Outcome
        | Kind::Refusal
        | Kind::Decision
        | Kind::Plan
        | Kind::Snapshot
        | Kind::Operator
        | Kind::Config
        | Kind::Alarm
        | Kind::Lease
        | Kind::Clock
        | Kind::Recovered
        | Kind::Checkpoint
        | Kind::Trim
        | Kind::Stop
        | Kind::Forecast
        | Kind::Access
        | Kind::Notice
        | Kind::Schedule
        | Kind::Note => None,
    };
    said.unwrap_or_else(|| without_ground(name(detail.to_string(), detail.to_string())))
}

fn without_ground(content: Name) -> (Name, Name) {
    (content, name("", ""))
}

/// A text of a detail; empty where there is none.
fn text<'d>(detail: &'d Value, key: &str) -> &'d str {
    detail[key].as_str().unwrap_or_default()
}

fn ticket(basin: &Basin, gate: Option<&str>, detail: &Value) -> Option<(Name, Name)> {
    let number = detail.get("ticket")?.as_u64()?;
    let (zh, en): Word = match text(detail, "ticket_was") {
        "asked" => ("已申请，待签署", "asked for, not signed yet"),
        "signed" => ("已签署", "signed"),
        "in_force" => ("生效", "in force"),
        "ended" => ("提前终止", "ended early"),
        "over" => ("到时终止", "over"),
        "lapsed" => ("签字不全，作废", "lapsed for want of names"),
        _other => return None,
    };
    let permit = detail.get("of").and_then(|of| serde_json::from_value::<Permit>(of.clone()).ok());
    let permit = permit.unwrap_or_default();
    let (permit_zh, permit_en) = words::permit_words(&permit);
    let of = words::element(basin, gate?);
    let (minutes, reason) = (detail["minutes"].as_u64().unwrap_or(0), text(detail, "reason"));
    let signed: Vec<_> =
        detail["signed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let content = name(
        format!(
            "{}：操作票 {number} {zh}；{permit_zh}，{minutes} 分钟；签署 {}（{reason}）",
            of.zh,
            signed.join("、")
        ),
        format!(
            "{}: ticket {number} {en}; {permit_en}, {minutes} min; signed by {} ({reason})",
            of.en,
            signed.join(", ")
        ),
    );
    let ground = match (&permit, detail["report_to"].as_str()) {
        (Permit::Order { number, giver }, _) => {
            name(format!("{number}（{giver}）"), format!("{number}, {giver}"))
        }
        (_, Some(office)) => name(format!("须报 {office}"), format!("to be reported to {office}")),
        (Permit::Season | Permit::Starts | Permit::Hold { .. } | Permit::Dilute { .. }, None) => name("", ""),
    };
    Some((content, ground))
}

fn warning(basin: &Basin, detail: &Value) -> Option<Name> {
    let of = words::element(basin, detail.get("element")?.as_str()?);
    let grade = |key: &str| serde_json::from_value::<Option<Grade>>(detail[key].clone()).ok().flatten();
    let number = detail["warning"].as_u64().unwrap_or(0);
    let (zh, en) = grade("grade").map_or(("", ""), words::grade_word);
    Some(match (text(detail, "warning_was"), grade("grade")) {
        ("proposed", Some(_)) => {
            name(format!("{}：建议发布{zh}预警", of.zh), format!("{}: {en} warning proposed", of.en))
        }
        ("proposed", None) => name(
            format!("{}：建议销警（预警 {number}）", of.zh),
            format!("{}: end of warning {number} proposed", of.en),
        ),
        ("withdrawn", Some(_)) => {
            name(format!("{}：撤回{zh}预警建议", of.zh), format!("{}: proposal of {en} withdrawn", of.en))
        }
        ("withdrawn", None) => {
            name(format!("{}：撤回销警建议", of.zh), format!("{}: proposal to cancel withdrawn", of.en))
        }
        ("issued", Some(_)) => {
            let (cause, measure) = (text(detail, "cause"), text(detail, "measure"));
            name(
                format!("{}：发布{zh}预警 {number}（{cause}；{measure}）", of.zh),
                format!("{}: {en} warning {number} issued ({cause}; {measure})", of.en),
            )
        }
        ("replaced", Some(_)) => {
            let by = detail["by_warning"].as_u64().unwrap_or(0);
            name(
                format!("{}：{zh}预警 {number} 由预警 {by} 代替", of.zh),
                format!("{}: {en} warning {number} replaced by warning {by}", of.en),
            )
        }
        ("cancelled", Some(_)) => {
            let reason = text(detail, "reason");
            name(
                format!("{}：{zh}预警 {number} 销警（{reason}）", of.zh),
                format!("{}: {en} warning {number} cancelled ({reason})", of.en),
            )
        }
        _other => return None,
    })
}

fn incident(basin: &Basin, detail: &Value) -> Option<Name> {
    let number = detail.get("incident")?.as_u64()?;
    Some(match text(detail, "incident_was") {
        "opened" => {
            let report = detail.get("report")?;
            let of = words::element(basin, text(report, "reach"));
            let (km, what) = (report["km"].as_f64()?, text(report, "what"));
            name(
                format!("突发污染 {number}：{} {km} km，{what}", of.zh),
                format!("pollution incident {number}: {} km {km}, {what}", of.en),
            )
        }
        "closed" => {
            let reason = text(detail, "reason");
            let back = detail["given_back"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let back: Vec<_> = back.map(|gate| words::element(basin, gate)).collect();
            let each = |of: fn(&Name) -> &str| back.iter().map(of).collect::<Vec<_>>().join(", ");
            let (zh, en) = (each(|gate| &gate.zh), each(|gate| &gate.en));
            let (zh, en) = if back.is_empty() {
                (String::new(), String::new())
            } else {
                (format!("，交还自动：{zh}"), format!(", given back: {en}"))
            };
            name(
                format!("突发污染 {number} 结束（{reason}）{zh}"),
                format!("pollution incident {number} closed ({reason}){en}"),
            )
        }
        _other => return None,
    })
}

fn filing(basin: &Basin, seq: u64, detail: &Value) -> Option<Name> {
    Some(match serde_json::from_value::<Told>(detail.clone()).ok()? {
        Told::Entered { claim } => {
            let (zh, en) = words::exemption(claim.kind);
            let of: Vec<_> = claim.sections.iter().map(|id| words::element(basin, id)).collect();
            let each = |of_each: fn(&Name) -> &str| of.iter().map(of_each).collect::<Vec<_>>().join(", ");
            let (document, reason) = (&claim.document, &claim.reason);
            name(
                format!("报备 {seq}：{}，{zh}，{document}（{reason}）", each(|section| &section.zh)),
                format!("filing {seq}: {}, {en}, {document} ({reason})", each(|section| &section.en)),
            )
        }
        Told::Judged { filing, verdict, note } => {
            let (zh, en) = match verdict {
                Verdict::Approved => ("核准", "approved"),
                Verdict::Rejected => ("驳回", "rejected"),
            };
            let (note_zh, note_en) = if note.is_empty() {
                (String::new(), String::new())
            } else {
                (format!("（{note}）"), format!(" ({note})"))
            };
            name(format!("报备 {filing} {zh}{note_zh}"), format!("filing {filing} {en}{note_en}"))
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: &str, gate: Option<&str>, detail: &Value) -> [String; 4] {
        let record: Record = serde_json::from_value(json!({
            "seq": 31, "epoch": 1, "kind": kind, "utc": "2026-12-10T01:05:00Z", "mono_us": 0, "boot": "b", "config": "",
            "prev": "", "actor": "operator:li", "gate": gate, "detail": detail,
        }))
        .unwrap();
        assert!(is_paper(&record));
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let basin = crate::config::load(&folder).unwrap().basin;
        let (content, ground) = words(&basin, &record);
        [content.zh, content.en, ground.zh, ground.en]
    }

    #[test]
    fn tickets_are_told_in_words_with_their_ground() {
        let detail = json!({
            "ticket": 4, "ticket_was": "in_force", "minutes": 60, "reason": "pumps failed", "signed": ["li", "wang"],
            "of": { "permit": "season" }, "report_to": "ecology_bureau",
        });
        assert_eq!(
            told("order", Some("wwtp.qinshui.ovf"), &detail),
            [
                "沁水污水厂溢流闸：操作票 4 生效；非汛期开启，60 分钟；签署 li、wang（pumps failed）",
                "Qinshui works overflow gate: ticket 4 in force; to open out of season, 60 min; signed by li, wang (pumps failed)",
                "须报 ecology_bureau",
                "to be reported to ecology_bureau",
            ]
        );
        let detail = json!({
            "ticket": 5, "ticket_was": "over", "minutes": 720, "reason": "r", "signed": ["li", "wang"],
            "of": { "permit": "order", "number": "汛令 12", "giver": "防指" }, "report_to": null,
        });
        let [zh, en, ground, _] = told("order", Some("zf.tunnel.g1"), &detail);
        assert!(zh.contains("操作票 5 到时终止") && zh.contains("凭指令 汛令 12（防指）操作"), "{zh}");
        assert!(en.contains("ticket 5 over") && ground == "汛令 12（防指）", "{en} {ground}");
    }

    #[test]
    fn warnings_incidents_and_filings_are_told_in_words() {
        let issued = json!({
            "warning_was": "issued", "element": "xuezhuang", "warning": 2, "grade": "blue", "proposed": "blue", "cause": "检修",
            "measure": "恢复",
        });
        let [zh, en, ..] = told("warning", None, &issued);
        assert_eq!(zh, "泽州薛庄湿地：发布蓝色预警 2（检修；恢复）");
        assert_eq!(en, "Xuezhuang wetland: blue warning 2 issued (检修; 恢复)");
        let end = json!({ "warning_was": "proposed", "element": "xuezhuang", "grade": null, "warning": 2 });
        assert_eq!(told("warning", None, &end)[1], "Xuezhuang wetland: end of warning 2 proposed");
        let opened = json!({
            "incident": 1, "incident_was": "opened", "report": { "reach": "LW1a", "km": 2.0, "what": "农药" },
        });
        assert_eq!(told("incident", None, &opened)[0], "突发污染 1：芦苇河 2 km，农药");
        let closed =
            json!({ "incident": 1, "incident_was": "closed", "reason": "clean", "given_back": ["lw.inlet"] });
        assert_eq!(
            told("incident", None, &closed)[1],
            "pollution incident 1 closed (clean), given back: Luwei wetland gate"
        );
        let entered = json!({ "what": "entered", "claim": {
            "sections": ["runcheng"], "kind": "maintenance", "from_s": 1, "to_s": 2, "document": "D-7", "reason": "meter" } });
        assert_eq!(told("filing", None, &entered)[0], "报备 31：润城断面，检修，D-7（meter）");
        let judged = json!({ "what": "judged", "filing": 31, "verdict": "rejected", "note": "no proof" });
        assert_eq!(told("filing", None, &judged)[1], "filing 31 rejected (no proof)");
        // Of a later version: as stored.
        let [zh, en, ..] =
            told("warning", None, &json!({ "warning_was": "doubled", "element": "xuezhuang" }));
        assert!(zh == en && zh.contains("doubled"), "{zh}");
    }

    #[test]
    fn what_is_foretold_of_an_incident_stays_out_of_the_log() {
        let record: Record = serde_json::from_value(json!({
            "seq": 1, "epoch": 1, "kind": "incident", "utc": "2026-12-10T01:05:00Z", "mono_us": 0, "boot": "b", "config": "",
            "prev": "", "actor": "incident", "detail": { "incident": 1, "incident_was": "foretold" },
        }))
        .unwrap();
        assert!(!is_paper(&record));
    }
}
