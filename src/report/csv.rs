//! A report as CSV after RFC 4180: each table begins with its heads, and each line with the name of its table. Numbers are not
//! rounded, times carry the offset of the site, a field without a value is empty.

use std::fmt::Write;

use super::Lang;
use super::document::{Cell, Document, Part, Table};
use super::section::Verdict;

/// All tables, a blank line between two; texts in one language.
pub fn csv(document: &Document, lang: Lang) -> String {
    let mut out = String::new();
    for part in &document.parts {
        if let Part::Table(table) = part {
            if !out.is_empty() {
                out.push('\n');
            }
            write_table(&mut out, table, document, lang);
        }
    }
    out
}

fn write_table(out: &mut String, table: &Table, document: &Document, lang: Lang) {
    let heads = table.columns.iter().flat_map(|column| heads(column.key, table));
    line(out, std::iter::once("table".to_owned()).chain(heads));
    for row in &table.rows {
        let fields = row.iter().flat_map(|cell| fields(cell, document, lang));
        line(out, std::iter::once(table.id.to_owned()).chain(fields));
    }
}

/// A least value has its time beside it, an exempt day its kind.
fn heads(key: &str, table: &Table) -> Vec<String> {
    let at = table.columns.iter().position(|column| column.key == key);
    let cell = at.and_then(|at| table.rows.first()?.get(at));
    match cell {
        Some(Cell::Least(_)) => vec![key.to_owned(), format!("{key}_at")],
        Some(Cell::Verdict(_)) => vec![key.to_owned(), format!("{key}_kind")],
        Some(
            Cell::Name(_)
            | Cell::Plain(_)
            | Cell::Count(_)
            | Cell::Flow(_)
            | Cell::Number(..)
            | Cell::Share(_)
            | Cell::Time(_)
            | Cell::Second(_)
            | Cell::Marked(_),
        )
        | None => vec![key.to_owned()],
    }
}

fn line(out: &mut String, fields: impl Iterator<Item = String>) {
    let fields: Vec<_> = fields.map(|field| quoted(&field)).collect();
    // Writing to a text cannot fail.
    let _ = writeln!(out, "{}", fields.join(","));
}

/// Quoted when it holds a comma, a quote or a line break.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn fields(cell: &Cell, document: &Document, lang: Lang) -> Vec<String> {
    let number = |value: &Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let time = |at: jiff::Timestamp| {
        at.to_zoned_datetime(document.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    };
    match cell {
        Cell::Name(name) | Cell::Marked(name) => vec![lang.of(name).to_owned()],
        Cell::Plain(text) => vec![text.clone()],
        Cell::Count(count) => vec![count.to_string()],
        Cell::Flow(value) | Cell::Number(value, _) | Cell::Share(value) => vec![number(value)],
        Cell::Time(at) | Cell::Second(at) => vec![at.map_or_else(String::new, time)],
        Cell::Least(Some((value, at))) => vec![value.to_string(), time(*at)],
        Cell::Least(None) => vec![String::new(), String::new()],
        Cell::Verdict(Verdict::Exempt(kind)) => vec!["exempt".into(), kind.key().into()],
        Cell::Verdict(verdict) => vec![verdict.key().into(), String::new()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_as_rfc_4180_says() {
        assert_eq!(quoted("zf.v1"), "zf.v1");
        assert_eq!(quoted("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
    }
}
