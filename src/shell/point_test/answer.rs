//! What the person at the local panel says, and what follows from it. Pure.

use crate::control::quality::Quality;
use crate::points::{DataType, Point};

use super::record::Verdict;

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// The panel shows the same.
    Same,
    /// The panel shows this; `digit` is one unit of the last digit it was given with.
    Panel { value: f64, digit: f64 },
    /// Wrong, with a remark.
    Wrong(String),
    /// Left out, with a remark.
    LeftOut(String),
    /// Read again.
    Again,
    /// No more questions.
    Stop,
    /// Not understood, or asked how to answer.
    Unclear,
}

/// Takes an answer apart.
pub(super) fn parse(text: &str) -> Answer {
    let text = text.trim();
    let (word, remark) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let remark = remark.trim().to_owned();
    match (word.to_ascii_lowercase().as_str(), remark.is_empty()) {
        ("" | "ok", true) => Answer::Same,
        ("on", true) => Answer::Panel { value: 1.0, digit: 0.0 },
        ("off", true) => Answer::Panel { value: 0.0, digit: 0.0 },
        ("r", true) => Answer::Again,
        ("q", true) => Answer::Stop,
        // Both need a reason: the record is read by people who were not there.
        ("f", false) => Answer::Wrong(remark),
        ("s", false) => Answer::LeftOut(remark),
        (number, true) => panel(number),
        (_, false) => Answer::Unclear,
    }
}

fn panel(text: &str) -> Answer {
    let plain = text.strip_prefix('-').unwrap_or(text);
    if plain.is_empty() || !plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Answer::Unclear;
    }
    let Ok(value) = text.parse::<f64>() else { return Answer::Unclear };
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let digit = 10_f64.powi(-i32::try_from(decimals).unwrap_or(i32::MAX));
    Answer::Panel { value, digit }
}

/// Whether `seen` is what the panel shows: within one unit of the last digit given for it and one step of the register,
/// since both are rounded and the water may have moved in between.
pub(super) fn agrees(point: &Point, seen: f64, panel: f64, digit: f64) -> bool {
    let stepless = matches!(point.data_type, DataType::F32 | DataType::F64 | DataType::Bit);
    let step = if stepless { 0.0 } else { point.scale.abs() };
    // A millionth keeps the rounding of the arithmetic out of it.
    (seen - panel).abs() <= (digit + step) * (1.0 + 1e-6)
}

/// Verdict and remark for a point with a value.
pub(super) fn judge(
    point: &Point,
    seen: f64,
    quality: Quality,
    answer: &Answer,
) -> Option<(Verdict, String)> {
    let agreed = match answer {
        Answer::Same => true,
        Answer::Panel { value, digit } => agrees(point, seen, *value, *digit),
        Answer::Wrong(remark) => return Some((Verdict::Failed, remark.clone())),
        Answer::LeftOut(remark) => return Some((Verdict::NotTested, remark.clone())),
        Answer::Again | Answer::Stop | Answer::Unclear => return None,
    };
    let used = matches!(quality, Quality::Good | Quality::Simulated);
    Some(match (agreed, used) {
        (true, true) => (Verdict::Passed, String::new()),
        (true, false) => (Verdict::Failed, "the panel agrees, but control would not use this value".into()),
        (false, _) => (Verdict::Failed, "the panel shows something else".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::{ByteOrder, DeviceId, Element, Role, Table};

    fn point(data_type: DataType, scale: f64) -> Point {
        Point {
            id: "a/position".into(),
            device: DeviceId(0),
            table: Table::Holding,
            address: 1,
            data_type,
            order: ByteOrder::Abcd,
            bit: 0,
            scale,
            offset: 0.0,
            sentinels: Vec::new(),
            min: None,
            max: None,
            unit: "%".into(),
            class: None,
            element: Element::None,
            role: Role::Other,
        }
    }

    #[test]
    fn an_answer_is_a_letter_a_number_or_nothing() {
        assert_eq!(parse(" "), Answer::Same);
        assert_eq!(parse("OK"), Answer::Same);
        assert_eq!(parse("23.50"), Answer::Panel { value: 23.5, digit: 0.01 });
        assert_eq!(parse("-4"), Answer::Panel { value: -4.0, digit: 1.0 });
        assert_eq!(parse("on"), Answer::Panel { value: 1.0, digit: 0.0 });
        assert_eq!(parse("f the panel is dark"), Answer::Wrong("the panel is dark".into()));
        assert_eq!(parse("s no panel here"), Answer::LeftOut("no panel here".into()));
        assert_eq!((parse("r"), parse("q")), (Answer::Again, Answer::Stop));
        for unclear in ["f", "s", "23,5", "1e3", "nan", "?", "23 5", "-", "yes"] {
            assert_eq!(parse(unclear), Answer::Unclear, "{unclear}");
        }
    }

    /// A register in steps of 0.1 and a panel read to 0.1 may differ by 0.2; a float and a panel read to 0.01 by 0.01.
    #[test]
    fn panel_and_register_may_differ_by_their_last_digits() {
        let register = point(DataType::U16, 0.1);
        let verdict =
            |point: &Point, seen, answer: &str| judge(point, seen, Quality::Good, &parse(answer)).unwrap().0;
        assert_eq!(verdict(&register, 23.5, "23.3"), Verdict::Passed);
        assert_eq!(verdict(&register, 23.5, "23.2"), Verdict::Failed);
        assert_eq!(verdict(&register, 23.5, "24"), Verdict::Passed);
        let float = point(DataType::F32, 1.0);
        assert_eq!(verdict(&float, 0.13313, "0.14"), Verdict::Passed);
        assert_eq!(verdict(&float, 0.13313, "0.15"), Verdict::Failed);
        let bit = point(DataType::Bit, 1.0);
        assert_eq!(verdict(&bit, 1.0, "on"), Verdict::Passed);
        assert_eq!(verdict(&bit, 1.0, "off"), Verdict::Failed);
    }

    #[test]
    fn a_value_control_would_not_use_does_not_pass() {
        let (verdict, remark) =
            judge(&point(DataType::U16, 1.0), 900.0, Quality::Suspect, &Answer::Same).unwrap();
        assert_eq!(verdict, Verdict::Failed);
        assert!(remark.contains("control would not use"), "{remark}");
    }
}
