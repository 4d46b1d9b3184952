//! A report as a page of HTML to print: one file, no scripts, nothing fetched from elsewhere.

use std::fmt::Write;

use super::document::{Cell, Document, Part, Table, minute};
use super::section::Verdict;
use super::{Lang, number, words};

/// The page in one language.
pub fn html(document: &Document, lang: Lang) -> String {
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = write(&mut out, document, lang);
    out
}

fn write(out: &mut String, document: &Document, lang: Lang) -> std::fmt::Result {
    let (code, title) = (lang.word(("zh-CN", "en")), escape(lang.of(&document.title)));
    writeln!(out, "<!doctype html>\n<html lang=\"{code}\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<title>{title}</title>\n<style>\n{}</style>\n</head>", include_str!("report.css"))?;
    let wide = if document.is_wide { " class=\"wide\"" } else { "" };
    writeln!(out, "<body{wide}>")?;
    if document.is_bench {
        let words = lang.word(("仿真台架 · 非现场数据", "BENCH · SIMULATED, NOT FIELD DATA"));
        writeln!(out, "<p class=\"bench\">{words}</p>")?;
    }
    writeln!(out, "<header><h1>{title}</h1><dl>")?;
    for (name, value) in &document.facts {
        writeln!(out, "<dt>{}</dt><dd>{}</dd>", lang.word(*name), escape(lang.of(value)))?;
    }
    writeln!(out, "</dl></header>\n<main>")?;
    for part in &document.parts {
        match part {
            Part::Table(table) if table.may_miss && table.rows.is_empty() => {}
            // Stands in the CSV alone.
            Part::Table(table) if table.columns.iter().all(|column| column.hidden) => {}
            Part::Table(table) => write_table(out, table, document, lang)?,
            Part::Figures(list) => {
                writeln!(out, "<section><div class=\"figures\">")?;
                for (title, svg) in list {
                    let title = escape(lang.of(title));
                    writeln!(out, "<figure><figcaption>{title}</figcaption>{svg}</figure>")?;
                }
                writeln!(out, "</div></section>")?;
            }
            Part::Notes(head, lines) => {
                writeln!(out, "<section><h2>{}</h2><div class=\"notes\">", lang.word(*head))?;
                for line in lines {
                    writeln!(out, "<p>{}</p>", escape(lang.of(line)))?;
                }
                writeln!(out, "</div></section>")?;
            }
        }
    }
    writeln!(out, "</main>\n<footer>")?;
    for who in &document.signatures {
        writeln!(out, "<span>{}{}</span>", lang.word(*who), lang.word(("：", ": ")))?;
    }
    writeln!(out, "</footer>\n</body>\n</html>")
}

fn write_table(out: &mut String, table: &Table, document: &Document, lang: Lang) -> std::fmt::Result {
    let class = match (table.is_half, table.rows.len().min(table.most) > 24) {
        (true, _) => " class=\"half\"",
        (false, true) => " class=\"long\"",
        (false, false) => "",
    };
    writeln!(out, "<section{class}><h2>{}</h2>", lang.word(table.head))?;
    if table.rows.is_empty() {
        return writeln!(out, "<p class=\"none\">{}</p></section>", lang.word(("无", "none")));
    }
    writeln!(out, "<table><thead><tr>")?;
    let shown = |at: &usize| table.columns.get(*at).is_some_and(|column| !column.hidden);
    for (at, column) in table.columns.iter().enumerate().filter(|(at, _)| shown(at)) {
        let class = table.rows.first().and_then(|row| row.get(at)).map_or("", class_of);
        let unit =
            if column.unit.is_empty() { String::new() } else { format!("<small>{}</small>", column.unit) };
        write!(out, "<th{class}>{}{unit}</th>", lang.word(column.head))?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    for row in table.rows.iter().take(table.most) {
        write!(out, "<tr>")?;
        for (_, cell) in row.iter().enumerate().filter(|(at, _)| shown(at)) {
            write!(out, "<td{}>{}</td>", class_of(cell), shown_as(cell, document, lang))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table>")?;
    let left = table.rows.len().saturating_sub(table.most);
    if left > 0 {
        let words = match lang {
            Lang::Zh => format!("另有 {left} 行，见 CSV"),
            Lang::En => format!("{left} more rows in the CSV"),
        };
        writeln!(out, "<p class=\"none\">{words}</p>")?;
    }
    writeln!(out, "</section>")
}

const fn class_of(cell: &Cell) -> &'static str {
    match cell {
        Cell::Count(_) | Cell::Flow(_) | Cell::Number(..) | Cell::Share(_) | Cell::Least(_) => " class=\"n\"",
        Cell::Time(_) | Cell::Second(_) => " class=\"t\"",
        Cell::Name(_) | Cell::Plain(_) | Cell::Verdict(_) | Cell::Marked(_) => "",
    }
}

/// What has no value.
const NOTHING: &str = "—";

fn shown_as(cell: &Cell, document: &Document, lang: Lang) -> String {
    let or_nothing = |shown: Option<String>| shown.unwrap_or_else(|| NOTHING.to_owned());
    // The year stands at the head.
    let time = |at: jiff::Timestamp| minute(at, &document.zone).get(5..).unwrap_or_default().to_owned();
    match cell {
        Cell::Name(name) => escape(lang.of(name)),
        Cell::Marked(name) => format!("<span class=\"bad\">{}</span>", escape(lang.of(name))),
        Cell::Plain(text) => escape(text),
        Cell::Count(count) => count.to_string(),
        Cell::Flow(value) => or_nothing(value.map(number::flow)),
        Cell::Number(value, decimals) => or_nothing(value.map(|value| number::fixed(value, *decimals))),
        // A share that is not whole never shows as 100.
        Cell::Share(value) => or_nothing(value.map(|value| match number::fixed(value * 100.0, 1) {
            near if near == "100.0" && value < 1.0 => "99.9".to_owned(),
            near if near == "100.0" => "100".to_owned(),
            shown => shown,
        })),
        Cell::Time(at) => or_nothing(at.map(time)),
        Cell::Second(at) => {
            or_nothing(at.map(|at| document.zone.to_datetime(at).strftime("%m-%d %H:%M:%S").to_string()))
        }
        Cell::Least(least) => or_nothing(
            least.map(|(value, at)| format!("{} <small>{}</small>", number::flow(value), time(at))),
        ),
        Cell::Verdict(verdict) => {
            let words = lang.word(words::verdict(*verdict));
            match verdict {
                Verdict::Pass => words.to_owned(),
                Verdict::Fail | Verdict::Missing => format!("<span class=\"bad\">{words}</span>"),
                Verdict::Exempt(kind) => {
                    format!("{words} <small>{}</small>", lang.word(words::exemption(*kind)))
                }
                Verdict::NotAssessed => format!("<span class=\"off\">{words}</span>"),
            }
        }
    }
}

/// As text inside HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
