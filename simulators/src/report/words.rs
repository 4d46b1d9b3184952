//! Words of the report that stand nowhere else.

/// What an operator reads of each alarm, in English and Chinese.
const ALARMS: &[(&str, &str, &str)] = &[
    ("A01", "Flow at a section below its floor", "断面流量低于下限"),
    ("A03", "Floor will be missed", "预报将低于下限"),
    ("A04", "Gate moved without a command", "闸门无令动作"),
    ("A05", "Gate did not reach its set-point", "闸门未到位"),
    ("A08", "Automatic control is off", "自动控制停用"),
    ("A09", "Section meter not usable", "断面流量计不可用"),
    ("A10", "Device link lost", "设备通信中断"),
    ("A11", "Link lost with all its devices", "链路中断"),
    ("A12", "Another master wrote to the gate", "另有主站写入"),
    ("A13", "Key on local", "切至现地"),
    ("A14", "Drive fault or emergency stop", "驱动故障或急停"),
    ("A15", "Position cannot be believed", "开度不可信"),
    ("A20", "The record cannot be written", "记录无法写入"),
    ("A21", "Calendar entry cut by a limit", "计划动作被限制削减"),
    ("A22", "Calendar entry missed", "计划动作未按时开始"),
    ("A27", "Sign-ins fail", "登录屡次失败"),
    ("A30", "Dispatch stands on a lower rung", "调度降级"),
    ("A31", "A unit tripped", "机组跳闸"),
    ("A32", "Flood level near or passed", "防汛水位"),
    ("A33", "Limits contradict each other", "约束冲突"),
    ("A34", "Season-locked gate is open outside the flood season", "季节闸门状态错误"),
    ("A36", "Hold-all is on", "全部保持"),
    ("A39", "Wetland below its survival level", "湿地低于生存水位"),
    ("A40", "Station below its minimum release", "电站下泄不足"),
    ("A41", "Gate ran the wrong way, or past its set-point", "闸门走偏"),
    ("A42", "Field network lost", "现场网络中断"),
    ("A43", "Gate box acted by itself, its watchdog ran out", "闸控箱看门狗到时，已自行动作"),
    ("A44", "Two meters of one level disagree", "两台水位计不符"),
    ("A45", "A forecast has ended without a successor", "预报已过期，无后续"),
    ("A46", "Notices of alarms do not get through", "通知发不出去"),
];

/// Name of an alarm, in English and Chinese; its identifier when it has none.
pub fn alarm(id: &str) -> (&str, &str) {
    ALARMS.iter().find(|(known, ..)| *known == id).map_or((id, id), |(_, en, zh)| (en, zh))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alarm_has_a_name() {
        for (id, ..) in qindan::control::alarm::LIST {
            assert_ne!(alarm(id).0, *id);
        }
    }
}
