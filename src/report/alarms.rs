//! Titles of the alarms for the reports, as on the page (a test holds them together).

use super::document::Word;

/// Title of each alarm.
pub const TITLES: &[(&str, Word)] = &[
    ("A01", ("断面流量低于下限", "Flow at a section below its floor")),
    ("A03", ("预报将低于下限", "Floor will be missed")),
    ("A04", ("闸门无令动作", "Gate moved without a command")),
    ("A05", ("闸门未到位", "Gate did not reach its set-point")),
    ("A06", ("限制已放开", "A limit is released")),
    ("A08", ("自动控制停用", "Automatic control is off")),
    ("A09", ("断面流量计不可用", "Section meter not usable")),
    ("A10", ("设备通信中断", "Device link lost")),
    ("A11", ("链路中断", "Link lost with all its devices")),
    ("A12", ("另有主站写入", "Another master wrote to the gate")),
    ("A13", ("切至现地", "Key on local")),
    ("A14", ("驱动故障或急停", "Drive fault or emergency stop")),
    ("A15", ("开度不可信", "Position cannot be believed")),
    ("A20", ("记录无法写入", "The record cannot be written")),
    ("A21", ("计划动作被限制削减", "Calendar entry cut by a limit")),
    ("A22", ("计划动作未按时开始", "Calendar entry missed")),
    ("A27", ("登录屡次失败", "Sign-ins fail")),
    ("A30", ("调度降级", "Dispatch stands on a lower rung")),
    ("A31", ("机组跳闸", "A unit tripped")),
    ("A32", ("防汛水位", "Flood level near or passed")),
    ("A33", ("约束冲突", "Limits contradict each other")),
    ("A34", ("季节闸门状态错误", "Season-locked gate is open outside the flood season")),
    ("A36", ("全部保持", "Hold-all is on")),
    ("A39", ("湿地低于生存水位", "Wetland below its survival level")),
    ("A40", ("电站下泄不足", "Station below its minimum release")),
    ("A41", ("闸门走偏", "Gate ran the wrong way, or past its set-point")),
    ("A42", ("现场网络中断", "Field network lost")),
    ("A43", ("闸控箱看门狗到时，已自行动作", "Gate box acted by itself, its watchdog ran out")),
    ("A44", ("两台水位计不符", "Two meters of one level disagree")),
    ("A45", ("预报已过期，无后续", "A forecast has ended without a successor")),
    ("A46", ("通知发不出去", "Notices of alarms do not get through")),
    ("A51", ("预警待发布或待销警", "A warning waits for a person")),
    ("A52", ("蓝色预警在行", "Blue warning in force")),
    ("A53", ("黄色预警在行", "Yellow warning in force")),
    ("A54", ("橙色预警在行", "Orange warning in force")),
    ("A55", ("红色预警在行", "Red warning in force")),
    ("A56", ("突发污染事件在处理", "Pollution incident is open")),
    ("A57", ("退出电站在运行", "Withdrawn station runs")),
    ("A58", ("来水不足仍发电", "Station runs with too little water")),
    ("A59", ("堰下流量计不可用", "Meter below a weir not usable")),
];

/// The title of an alarm; of an unknown one nothing.
pub fn title(id: &str) -> Option<Word> {
    TITLES.iter().find(|(known, _)| *known == id).map(|(_, title)| *title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::alarm;

    #[test]
    fn every_alarm_has_the_title_of_the_page() {
        let zh = include_str!("../shell/web/assets/zh.js");
        let en = include_str!("../shell/web/assets/en.js");
        for (id, ..) in alarm::LIST {
            let (in_chinese, in_english) = title(id).unwrap_or_else(|| panic!("{id} has no title"));
            assert!(zh.contains(&format!("{id}: {{ title: \"{in_chinese}\"")), "{id} {in_chinese}");
            assert!(en.contains(&format!("{id}: {{ title: \"{in_english}\"")), "{id} {in_english}");
        }
        assert_eq!(TITLES.len(), alarm::LIST.len());
    }
}
