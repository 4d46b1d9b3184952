//! Chinese and English of what the record holds. Wording: domain notes 4.7; causes as on the page.

use serde_json::Value;

use super::document::Word;
use super::name;
use super::section::Verdict;
use crate::basin::{Basin, Grade, Name};
use crate::config::reports::Exemption;
use crate::control::command::{FailReason, Terminal};
use crate::control::operator::{Authority, Mode, Order};
use crate::control::ticket::Permit;
use crate::shell::log_text::Cause;

/// What a day comes to.
pub const fn verdict(verdict: Verdict) -> Word {
    match verdict {
        Verdict::Pass => ("达标", "pass"),
        Verdict::Fail => ("不达标", "fail"),
        Verdict::Exempt(_) => ("免考", "exempt"),
        Verdict::Missing => ("缺测", "missing"),
        Verdict::NotAssessed => ("不评价", "not assessed"),
    }
}

/// Why a day is exempt.
pub const fn exemption(kind: Exemption) -> Word {
    match kind {
        Exemption::FloodOrder => ("防汛指令", "flood-control order"),
        Exemption::NaturalInflow => ("来多少泄多少", "natural inflow below the target"),
        Exemption::DeviceFailure => ("设备或供电故障", "device or power failure"),
        Exemption::Maintenance => ("检修", "maintenance"),
        Exemption::ForceMajeure => ("不可抗力", "force majeure"),
    }
}

/// How a command ended.
pub fn terminal(state: &Terminal) -> Name {
    let (zh, en) = match state {
        Terminal::Verified => ("已核实", "verified"),
        Terminal::Expired => ("过期未发", "expired"),
        Terminal::Superseded => ("被取代", "superseded"),
        Terminal::Abandoned => ("放弃", "abandoned"),
        Terminal::Failed { why } => {
            let (zh, en) = failure(*why);
            return name(format!("失败：{zh}"), format!("failed: {en}"));
        }
    };
    name(zh, en)
}

const fn failure(why: FailReason) -> Word {
    match why {
        FailReason::Refused => ("设备拒绝", "the device refused"),
        FailReason::NotDone => ("寄存器未变", "the register kept its value"),
        FailReason::Foreign => ("别处写入", "somebody else's value"),
        FailReason::NoArrival => ("未到位", "did not arrive"),
        FailReason::WrongWay => ("反向走动", "went the wrong way"),
        FailReason::Overshoot => ("越过不停", "went past, and on"),
        FailReason::Unresolved => ("无法判明", "not resolved"),
        FailReason::NotSent => ("未发出", "never left the machine"),
        FailReason::Local => ("在现地", "key on local"),
        FailReason::DriveFault => ("传动故障或急停", "drive fault or emergency stop"),
    }
}

/// Who asked.
pub fn actor(actor: &str) -> Name {
    match actor.split_once(':') {
        Some(("operator", who)) => name(who, who),
        Some(_) | None => match actor {
            "dispatch" => name("自动调度", "automatic dispatch"),
            "failsafe" => name("保护", "protection"),
            "recovery" => name("恢复", "recovery"),
            "service" => name("服务", "service"),
            other => name(other, other),
        },
    }
}

/// The name of an element by its identifier, or the identifier.
pub fn element(basin: &Basin, id: &str) -> Name {
    let gates = basin.gates.iter().map(|gate| (&gate.id, &gate.name));
    let sections = basin.sections.iter().map(|section| (&section.id, &section.name));
    let meters = basin.meters.iter().map(|meter| (&meter.id, &meter.name));
    let intakes = basin.intakes.iter().map(|intake| (&intake.id, &intake.name));
    let wetlands = basin.wetlands.iter().map(|wetland| (&wetland.id, &wetland.name));
    let bodies = basin.reservoirs.iter().map(|body| (&body.id, &body.name));
    let stations = basin.stations.iter().map(|station| (&station.id, &station.name));
    let reaches = basin.reaches.iter().map(|reach| (&reach.id, &reach.name));
    let mut all = gates
        .chain(sections)
        .chain(meters)
        .chain(intakes)
        .chain(wetlands)
        .chain(bodies)
        .chain(stations)
        .chain(reaches);
    all.find(|(known, _)| *known == id).map_or_else(|| name(id, id), |(_, name)| name.clone())
}

/// A cause ([`crate::control::reason::Because`] with elements by identifier).
pub fn cause(basin: &Basin, value: &Value) -> Name {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
    let of = |key: &str| element(basin, &text(key)).zh;
    let number = |key: &str| {
        let number = value.get(key).and_then(Value::as_f64);
        number.map_or_else(|| "?".to_owned(), |number| format!("{number:.2}"))
    };
    let percent = |key: &str| {
        let share = value.get(key).and_then(Value::as_f64);
        share.map_or_else(|| "?".to_owned(), |share| format!("{:.1} %", share * 100.0))
    };
    let flow = |key: &str| format!("{} m³/s", number(key));
    let zh = match text("because").as_str() {
        "section_needs" => format!(
            "{}要到设定 {}：坝下需放 {}（区间来水 {}，取水 {}，损失 {}），{} h 后到达",
            of("section"),
            flow("setpoint"),
            flow("need"),
            number("inflow"),
            number("intakes"),
            number("losses"),
            number("lag_h")
        ),
        "outlet_floor" => format!("{}本身要到设定 {}", of("section"), flow("setpoint")),
        "unit_trip" => format!("{} 跳机，补足 {}", of("unit"), flow("lost")),
        "trim" => format!("实放比目标差 {}，微调", flow("error")),
        "share_turbine" => format!("机组承担 {}，阀门让出", flow("flow")),
        "pass_on" => format!("来多少过多少，堰下至少 {}", flow("owed")),
        "demand" => format!("需水 {}", flow("flow")),
        "lend" => format!("动用塘蓄补水：下游需 {}，来水 {}", flow("owed"), flow("comes")),
        "keep_level" => format!("保水位：{} m → {} m", number("level_m"), number("target_m")),
        "schedule" if value.get("order").is_some() => {
            format!("计划 {}（调度指令 {}）", text("entry"), text("order"))
        }
        "schedule" => format!("计划 {}", text("entry")),
        "season_lock" => "非汛期封堵".into(),
        "operator" => format!("{}：{}", text("who"), text("reason")),
        "advice" => format!("{} 采纳建议", text("who")),
        "pollution" => match value["arrives_h"].as_f64() {
            Some(hours) if hours > 0.0 => format!("突发污染 {}：污水 {hours:.1} h 后到达", value["incident"]),
            Some(_) => format!("突发污染 {}：污水已到", value["incident"]),
            None => format!("突发污染 {}：到达时间不明", value["incident"]),
        },
        "incident_release" => format!("操作票 {}：按令下泄 {}", value["ticket"], flow("flow")),
        "hold_all" => "全部保持：停下正在动的闸门".into(),
        "astray" => format!("已到 {}，与所令 {} 背道而行：停闸", percent("at"), percent("to")),
        "announced_turn" => format!("{} 预告取水变化 {}", of("intake"), flow("change")),
        "no_move" => format!("不需要动：最紧的是 {}，余量 {}", of("section"), percent("margin")),
        "still_learning" => {
            format!(
                "到{}的河段还没有看满一个传播时间（还差 {} h）：不减放",
                of("section"),
                number("hours_left")
            )
        }
        "cut" => {
            format!(
                "库水位低（{} m）：按次序压减，{} 中供 {}",
                number("level_m"),
                flow("asked"),
                flow("flow")
            )
        }
        "dead_level" => format!("水库低于死水位：来多少放多少，{}", flow("flow")),
        "safe_constant" => format!("断面情况尚不明或已失联：保持安全定值 {}", flow("flow")),
        // Of a later version: as stored.
        _ => value.to_string(),
    };
    name(zh, Cause(value).to_string())
}

/// What a person asked for, about a gate by its identifier.
pub fn order(basin: &Basin, order: &Order, gate: Option<&str>) -> Name {
    let gate = gate.map_or_else(|| name("?", "?"), |id| element(basin, id));
    match order {
        Order::HoldAll => name("全部保持", "hold all"),
        Order::ReleaseHold => name("解除全部保持", "release hold"),
        Order::SetMode { mode } => {
            let (zh, en) = mode_word(*mode);
            name(format!("方式 → {zh}"), format!("mode → {en}"))
        }
        Order::SetAuthority { authority, .. } => {
            let (zh, en) = authority_word(*authority);
            name(format!("{}：权限 → {zh}", gate.zh), format!("{}: authority → {en}", gate.en))
        }
        Order::SetPoint { opening, reason, .. } => {
            let to = opening.percent();
            name(
                format!("{}：设定 {to:.1} %（{reason}）", gate.zh),
                format!("{}: set-point {to:.1} % ({reason})", gate.en),
            )
        }
        Order::Accept { opening, .. } => {
            let to = opening.percent();
            name(
                format!("{}：采纳建议 {to:.1} %", gate.zh),
                format!("{}: proposal of {to:.1} % accepted", gate.en),
            )
        }
        Order::Reject { reason, .. } => name(
            format!("{}：不采纳建议（{reason}）", gate.zh),
            format!("{}: proposal rejected ({reason})", gate.en),
        ),
        Order::AskTicket { minutes, reason, permit, .. } => {
            let (zh, en) = permit_words(permit);
            name(
                format!("{}：申请操作票，{zh} {minutes} 分钟（{reason}）", gate.zh),
                format!("{}: ticket asked for {en}, {minutes} min ({reason})", gate.en),
            )
        }
        Order::SignTicket { ticket, .. } => {
            name(format!("{}：签署操作票 {ticket}", gate.zh), format!("{}: ticket {ticket} signed", gate.en))
        }
        Order::EndTicket { ticket, .. } => {
            name(format!("{}：终止操作票 {ticket}", gate.zh), format!("{}: ticket {ticket} ended", gate.en))
        }
        Order::StopGate { .. } => name(format!("{}：停闸", gate.zh), format!("{}: stop", gate.en)),
        Order::Acknowledge { alarm } => {
            name(format!("确认报警 {alarm}"), format!("acknowledge alarm {alarm}"))
        }
        Order::AcknowledgeMany { alarms } => {
            let count = alarms.len();
            name(format!("确认 {count} 条报警"), format!("acknowledge {count} alarms"))
        }
        Order::Shelve { alarm, minutes, reason } => name(
            format!("搁置报警 {alarm} {minutes} 分钟（{reason}）"),
            format!("shelve alarm {alarm} for {minutes} min ({reason})"),
        ),
        Order::Unshelve { alarm } => name(format!("取消搁置报警 {alarm}"), format!("unshelve alarm {alarm}")),
        Order::Enter { meter, value, minutes, reason } => {
            let meter = element(basin, meter);
            name(
                format!("{}：人工置数 {value}，{minutes} 分钟（{reason}）", meter.zh),
                format!("{}: entered {value} for {minutes} min ({reason})", meter.en),
            )
        }
        Order::Withdraw { meter } => {
            let meter = element(basin, meter);
            name(format!("{}：撤销人工置数", meter.zh), format!("{}: entered value taken back", meter.en))
        }
        Order::IssueWarning { element: id, grade, cause, measure } => {
            let (of, (zh, en)) = (element(basin, id), grade_word(*grade));
            name(
                format!("{}：发布{zh}预警（{cause}；{measure}）", of.zh),
                format!("{}: {en} warning issued ({cause}; {measure})", of.en),
            )
        }
        Order::CancelWarning { element: id, warning, reason } => {
            let of = element(basin, id);
            name(
                format!("{}：销警 {warning}（{reason}）", of.zh),
                format!("{}: warning {warning} cancelled ({reason})", of.en),
            )
        }
        Order::OpenIncident { report } => {
            let (id, km, what) = (&report.reach, report.km, &report.what);
            name(
                format!("突发污染 {id} {km} km：{what}"),
                format!("pollution incident at {id} km {km}: {what}"),
            )
        }
        Order::CloseIncident { incident, reason } => name(
            format!("结束突发污染 {incident}（{reason}）"),
            format!("incident {incident} closed ({reason})"),
        ),
        Order::ActivateSchedule { version, entries, .. } => {
            let count = entries.len();
            name(
                format!("启用计划第 {version} 版（{count} 条）"),
                format!("activate calendar version {version} ({count} entries)"),
            )
        }
    }
}

/// What a ticket is asked for.
fn permit_words(permit: &Permit) -> (String, String) {
    match permit {
        Permit::Season => ("非汛期开启".into(), "to open out of season".into()),
        Permit::Order { number, giver } => {
            (format!("凭指令 {number}（{giver}）操作"), format!("to move by order {number} of {giver}"))
        }
        Permit::Starts => ("放开启动次数".into(), "for more motor starts".into()),
        Permit::Hold { flow_m3s } => {
            (format!("稳定下泄 {flow_m3s}"), format!("to hold the release at {flow_m3s}"))
        }
        Permit::Dilute { flow_m3s } => {
            (format!("加大下泄稀释 {flow_m3s}"), format!("to dilute with {flow_m3s}"))
        }
    }
}

/// A grade of a warning.
pub(super) const fn grade_word(grade: Grade) -> Word {
    match grade {
        Grade::Blue => ("蓝色", "blue"),
        Grade::Yellow => ("黄色", "yellow"),
        Grade::Orange => ("橙色", "orange"),
        Grade::Red => ("红色", "red"),
    }
}

pub(super) const fn authority_word(authority: Authority) -> Word {
    match authority {
        Authority::Automatic => ("自动", "automatic"),
        Authority::Advice => ("建议", "advice"),
        Authority::Manual => ("手动", "manual"),
        Authority::Observe => ("观察", "observe"),
    }
}

pub(super) const fn mode_word(mode: Mode) -> Word {
    match mode {
        Mode::Observe => ("观察", "observe"),
        Mode::Advice => ("建议", "advice"),
        Mode::Automatic => ("自动", "automatic"),
        Mode::Manual => ("手动", "manual"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cause_is_told_in_both_languages_with_the_names_of_the_basin() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let basin = crate::config::load(&folder).unwrap().basin;
        let short = json!({"because": "outlet_floor", "section": "zf_out", "setpoint": 1.08});
        assert_eq!(cause(&basin, &short).zh, "沁河张峰水库出口断面本身要到设定 1.08 m³/s");
        assert_eq!(cause(&basin, &short).en, "zf_out needs its set point of 1.08 m³/s");
        let later = json!({"because": "moon", "phase": 3});
        assert_eq!(cause(&basin, &later).zh, r#"{"because":"moon","phase":3}"#);
        let order = order(&basin, &Order::StopGate { gate: crate::basin::GateId(0) }, Some("zf.eco.v1"));
        assert_eq!(order.zh, format!("{}：停闸", element(&basin, "zf.eco.v1").zh));
    }
}
