//! `report.html`: one file that shows a run, to be read on a screen and printed on A4.
//!
//! It holds its style and its plots, and no script: it works from a stick, offline, for as long as there are browsers.
//! English first, names and headings in Chinese beside it. Every number on a card stands in a plot or a table below.

mod card;
pub mod plots;
mod story;
mod tables;

use std::fmt::{Display, Write};

use crate::play::Played;
use crate::plot::svg::escape;
use crate::plot::{self, Drawing};

/// Style of all pages the workbench writes.
pub const STYLE: &str = include_str!("report.css");

/// A page with everything it needs in it.
pub fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}\n{}</style>\n</head>\n<body>\n\
         <p class=\"not-live\">模拟回放 · 非现场数据 &emsp; SIMULATED REPLAY — NOT FIELD DATA</p>\n\
         <main>\n{body}</main>\n\
         <p class=\"not-live\">模拟回放 · 非现场数据 &emsp; SIMULATED REPLAY — NOT FIELD DATA</p>\n</body>\n</html>\n",
        escape(title),
        plot::STYLE
    )
}

/// The report of a run with its plots.
pub fn page(played: &Played, drawings: &[Drawing]) -> String {
    let mut body = String::new();
    card::head(&mut body, played);
    card::cards(&mut body, played);
    tables::floors(&mut body, played);
    let last_of_gates = drawings.iter().rfind(|drawing| drawing.name.starts_with("gates"));
    for drawing in drawings {
        figure(&mut body, drawing);
        match drawing.name.as_str() {
            _ if last_of_gates == Some(drawing) => tables::wear(&mut body, played),
            "transit" => caption(
                &mut body,
                "A change of release at the dam (top) is a slanting edge; where it reaches the last line it has arrived. \
                 Intakes, tributaries and ponds on the way show as steps across.",
            ),
            _ => {}
        }
    }
    tables::balance(&mut body, played);
    tables::uses(&mut body, played);
    tables::days(&mut body, played);
    story::releases(&mut body, played);
    story::decisions(&mut body, played);
    story::alarms(&mut body, played);
    story::happenings(&mut body, played);
    story::notes(&mut body, played);
    document(&format!("{} — replay", played.summary.scenario), &body)
}

/// A plot in the page.
pub fn figure(body: &mut String, drawing: &Drawing) {
    let _ = writeln!(body, "<figure>{}</figure>", drawing.inline());
}

fn caption(body: &mut String, text: &str) {
    let _ = writeln!(body, "<p class=\"caption\">{}</p>", escape(text));
}

/// A heading in both languages, with a remark at its right.
pub fn heading(body: &mut String, en: &str, zh: &str, remark: &str) {
    let _ = writeln!(
        body,
        "<h2>{} <small>{}</small><span>{}</span></h2>",
        escape(en),
        escape(zh),
        escape(remark)
    );
}

/// How a cell of a table is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Words.
    Words,
    /// Words on one line.
    Short,
    /// A number, at the right.
    Number,
}

/// A table; `head` gives each column's words in both languages. Cells are texts, not markup.
pub fn table(body: &mut String, head: &[(&str, &str, Cell)], rows: &[Vec<String>]) {
    let class = |cell: Cell| match cell {
        Cell::Words => "",
        Cell::Short => " class=\"w\"",
        Cell::Number => " class=\"n\"",
    };
    body.push_str("<table><thead><tr>");
    for (en, zh, cell) in head {
        let _ = write!(body, "<th{}>{} <small>{}</small></th>", class(*cell), escape(en), escape(zh));
    }
    body.push_str("</tr></thead><tbody>\n");
    for row in rows {
        body.push_str("<tr>");
        for (text, (_, _, cell)) in row.iter().zip(head) {
            let _ = write!(body, "<td{}>{}</td>", class(*cell), escape(text));
        }
        body.push_str("</tr>\n");
    }
    body.push_str("</tbody></table>\n");
}

/// A number with thousands apart.
pub fn thousands(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    if number < 0.0 && digits != "0" {
        text.push('−');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A number if there is one.
pub fn maybe(value: Option<impl Display>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}

/// A share in % with its sign.
pub fn signed_percent(share: f64) -> String {
    format!("{:+.1} %", 100.0 * share).replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            [thousands(0.2), thousands(-999.6), thousands(1_234_567.0)],
            ["0", "−1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
    }

    /// Six hours of the dry May: the page and every file beside it.
    #[test]
    fn a_report_refers_to_nothing_outside_and_its_files_bear_units() {
        let mut case = crate::replay::load("may_dry", None, &[]).unwrap();
        case.scenario.duration = std::time::Duration::from_hours(6);
        case.scenario.spin_up = std::time::Duration::ZERO;
        let folder = tempfile::tempdir().unwrap();
        let go_on = |_| std::ops::ControlFlow::Continue(());
        let mut played = crate::play::play(case, 7, &[], Some(folder.path()), false, go_on).unwrap().unwrap();
        crate::play::write(&mut played, folder.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let page = read("report.html");
        for outside in
            ["http:", "https:", "<script", "<link", "@import", "src=", "href=", "url(/", "url(h", "url(\""]
        {
            assert!(!page.contains(outside), "{outside}");
        }
        for part in [
            "Runcheng section",
            "润城断面",
            "Water in transit",
            "Water balance",
            &played.summary.digest[..16],
        ] {
            assert!(page.contains(part), "{part}");
        }
        let plot = read("plots/section-runcheng.svg");
        assert!(plot.starts_with("<?xml") && plot.contains("<style>") && plot.trim_end().ends_with("</svg>"));
        let head = read("series.csv").lines().next().unwrap().to_owned();
        let with_unit = |name: &str| ["_m3s", "_m", "_pct"].iter().any(|unit| name.ends_with(unit));
        assert!(head.split(',').skip(2).all(with_unit), "{head}");
        assert!(head.starts_with("time_utc,time_local,release_m3s,"), "{head}");
        // A row a minute, both ends included.
        assert_eq!(read("series.csv").lines().count(), 1 + 361);
        let decided = read("decisions.jsonl");
        let lines = decided.lines().map(|line| serde_json::from_str::<crate::decisions::Line>(line).unwrap());
        let causes =
            lines.flat_map(|line| line.because.as_array().cloned().unwrap_or_default()).collect::<Vec<_>>();
        assert!(!causes.is_empty());
        assert!(causes.iter().all(|cause| cause.get("section").is_none_or(serde_json::Value::is_string)));
        let summary = crate::compare::Side::read("x", folder.path()).unwrap().summary;
        let of = |summary: &crate::summary::Summary| {
            (summary.digest.clone(), summary.actions, summary.ticks, summary.from)
        };
        assert_eq!(of(&summary), of(&played.summary));
    }

    #[test]
    fn markup_in_a_name_stays_text() {
        let mut body = String::new();
        table(&mut body, &[("A", "甲", Cell::Words)], &[vec!["<script>x</script>".into()]]);
        assert!(!body.contains("<script"), "{body}");
        assert!(document("<b>", "").contains("&lt;b&gt;"));
    }
}
