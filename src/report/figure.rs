//! Small pictures as SVG: the flow of a day against its target, and the days of a period as a calendar.

use std::fmt::Write;

use super::section::{SectionDay, Verdict};
use super::{Lang, number, words};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 84.0;
const LEFT: f64 = 30.0;
const RIGHT: f64 = 4.0;
const TOP: f64 = 6.0;
const BOTTOM: f64 = 12.0;

/// Hours of a day: band of least and largest value, hourly mean, target. An hour that is not known stays empty.
#[expect(clippy::cast_precision_loss, reason = "hours of a day")]
pub fn day(section: &SectionDay, zone: &jiff::tz::TimeZone) -> String {
    let ends =
        section.hours.iter().flat_map(|hour| [hour.least, hour.most]).flatten().map(|extreme| extreme.value);
    let values: Vec<f64> = ends.chain(section.target).collect();
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
    let mut out =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" font-size=\"7\" fill=\"#5b6872\">");
    if !low.is_finite() {
        return out + "</svg>";
    }
    let room = ((high - low) * 0.08).max(0.02 * high.abs()).max(0.01);
    let (low, high) = ((low - room).max(0.0), high + room);
    let x = |hour: usize| LEFT + (WIDTH - LEFT - RIGHT) * hour as f64 / section.hours.len().max(1) as f64;
    let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low);
    for value in [low + (high - low) * 0.1, low + (high - low) * 0.5, low + (high - low) * 0.9] {
        let at = y(value);
        let _ = write!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#dde3e7\" stroke-width=\".6\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 3.0,
            at + 2.4,
            number::fixed(value, 2)
        );
    }
    for (at, hour) in section.hours.iter().enumerate().filter(|(at, _)| at % 4 == 0) {
        let clock = zone.to_datetime(hour.from).strftime("%H").to_string();
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{clock}</text>",
            x(at),
            HEIGHT - 2.0
        );
    }
    let mut line = String::new();
    let mut is_on = false;
    for (at, hour) in section.hours.iter().enumerate() {
        let (Some(mean), Some(least), Some(most)) = (hour.mean, hour.least, hour.most) else {
            is_on = false;
            continue;
        };
        let (left, right) = (x(at), x(at + 1));
        let (top, bottom) = (y(most.value), y(least.value));
        let _ = write!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#d6e2ea\"/>",
            right - left,
            (bottom - top).max(0.4)
        );
        let to = if is_on { 'V' } else { 'M' };
        let _ = match to {
            'V' => write!(line, "V{:.1}H{right:.1}", y(mean)),
            _ => write!(line, "M{left:.1} {:.1}H{right:.1}", y(mean)),
        };
        is_on = true;
    }
    let _ = write!(out, "<path d=\"{line}\" fill=\"none\" stroke=\"#14344f\" stroke-width=\"1.3\"/>");
    if let Some(target) = section.target {
        let at = y(target);
        let _ = write!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#1d2731\" stroke-width=\".9\" stroke-dasharray=\"4 2\"/>",
            WIDTH - RIGHT
        );
    }
    out + "</svg>"
}

/// Days of a month in a row each, or of a year by month: filled when met, hatched when exempt, a triangle when not met, empty
/// when missing.
pub fn calendar(days: &[SectionDay], lang: Lang) -> String {
    let mut rows: Vec<Vec<&SectionDay>> = Vec::new();
    for day in days {
        let month = |day: &SectionDay| (day.day.date.year(), day.day.date.month());
        match rows.last_mut() {
            Some(row) if row.first().is_some_and(|first| month(first) == month(day)) => row.push(day),
            Some(_) | None => rows.push(vec![day]),
        }
    }
    let (cell, left) = (10.4, 30.0);
    #[expect(clippy::cast_precision_loss, reason = "twelve months")]
    let height = 10.0 + cell * rows.len() as f64;
    let mut out =
        format!("<svg viewBox=\"0 0 360 {height:.1}\" role=\"img\" font-size=\"6\" fill=\"#5b6872\">");
    for day in (1..=31).filter(|day| *day == 1 || day % 5 == 0) {
        let at = left + cell * (f64::from(day) - 0.5);
        let _ = write!(out, "<text x=\"{at:.1}\" y=\"6\" text-anchor=\"middle\">{day}</text>");
    }
    for (index, row) in rows.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "twelve months")]
        let top = 9.0 + cell * index as f64;
        if let Some(first) = row.first() {
            let month = first.day.date.strftime("%Y-%m").to_string();
            let _ = write!(out, "<text x=\"0\" y=\"{:.1}\">{month}</text>", top + 6.5);
        }
        for day in row {
            let at = left + cell * f64::from(day.day.date.day() - 1);
            let _ =
                write!(out, "<g><title>{} {}</title>", day.day.date, lang.word(words::verdict(day.verdict)));
            let side = cell - 1.4;
            let square = |fill: &str, stroke: &str| {
                format!(
                    "<rect x=\"{at:.1}\" y=\"{top:.1}\" width=\"{side:.1}\" height=\"{side:.1}\" fill=\"{fill}\" \
                     stroke=\"{stroke}\" stroke-width=\".6\"/>"
                )
            };
            let mark = match day.verdict {
                Verdict::Pass => square("#9fb9c9", "#9fb9c9"),
                Verdict::Fail => format!(
                    "{}<path d=\"M{:.1} {:.1}l3 5.4h-6z\" fill=\"#d9730d\"/>",
                    square("#fff", "#1d2731"),
                    at + side / 2.0,
                    top + 1.8
                ),
                Verdict::Exempt(_) => format!(
                    "{}<path d=\"M{at:.1} {:.1}l{side:.1} -{side:.1}\" stroke=\"#5b6872\" stroke-width=\".8\"/>",
                    square("#eef1f3", "#9aa5ad"),
                    top + side
                ),
                Verdict::Missing => square("#fff", "#9aa5ad"),
                Verdict::NotAssessed => square("#f6f8f9", "#e3e8eb"),
            };
            let _ = write!(out, "{mark}</g>");
        }
    }
    out + "</svg>"
}
