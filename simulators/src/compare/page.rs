//! `compare.html`: scores side by side, both runs in one plot.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::rows::Rows;
use super::{Difference, Side, difference_text, scores};
use crate::plot::Pen;
use crate::plot::svg::escape;
use crate::plot::time::{Chart, Heading, Lane, Line, Range, Shape};
use crate::report::{self, Cell};

/// Gates drawn at most, those first in which the runs differ most.
const GATES: usize = 12;

/// The page.
///
/// # Errors
/// When the rows of a side cannot be read.
pub fn page(a: &Side, b: &Side, first: Option<&Difference>) -> anyhow::Result<String> {
    let mut body = String::new();
    let _ = writeln!(
        body,
        "<header><div><h1>Two runs side by side <small>两次运行对比</small></h1><p><b>A</b> {} — {}</p><p><b>B</b> {} — {}</p></div></header>",
        escape(&a.label),
        escape(&a.summary.name_en),
        escape(&b.label),
        escape(&b.summary.name_en)
    );
    report::heading(&mut body, "Scores", "得分", "B − A at the right");
    let head = [
        ("", "", Cell::Words),
        ("A", "", Cell::Number),
        ("B", "", Cell::Number),
        ("B − A", "差", Cell::Number),
    ];
    let rows = scores(&a.summary, &b.summary).into_iter().map(Vec::from).collect::<Vec<_>>();
    report::table(&mut body, &head, &rows);
    report::heading(&mut body, "First differing decision", "首个不同的决定", "");
    let _ = writeln!(body, "<pre>{}</pre>", escape(&difference_text(first)));
    for chart in charts(a, b)? {
        report::figure(&mut body, &chart.draw());
    }
    Ok(report::document("Two runs", &body))
}

/// The column of a gate's opening at the moment.
fn is_gate(column: &str) -> bool {
    column.starts_with("gate.") && !column.ends_with(".min_pct") && !column.ends_with(".max_pct")
}

/// Sections and release in one chart, the gates in another.
fn charts(a: &Side, b: &Side) -> anyhow::Result<Vec<Chart>> {
    let wanted = |name: &str| {
        let flow = [".flow_m3s", ".min_m3s", ".max_m3s", ".floor_m3s"].iter().any(|end| name.ends_with(end));
        (name.starts_with("section.") && flow) || name.starts_with("gate.") || name.starts_with("release_m")
    };
    let (left, right) = (Rows::read(&a.folder, wanted)?, Rows::read(&b.folder, wanted)?);
    let begin = |rows: &Rows| rows.at.first().copied().unwrap_or_default();
    // Runs of different times are laid over each other from their begins.
    let shift = begin(&left) - begin(&right);
    let ends = [left.at.last().copied(), right.at.last().map(|at| at + shift)];
    let end = ends.into_iter().flatten().fold(begin(&left), f64::max);
    let chart = |name: &str, lanes: Vec<Lane>| Chart {
        name: name.into(),
        label: format!("{name}, A and B"),
        width: 900.0,
        time: (begin(&left), end),
        zone: left.zone.clone().unwrap_or(TimeZone::UTC),
        scored_from: None,
        parts: 420,
        lanes,
    };
    let pair = |column: [&str; 3], shape: Shape| {
        [(&left, 0.0, "A", Pen::Nth(0)), (&right, shift, "B", Pen::Nth(1))].map(
            |(rows, shift, label, pen)| Line {
                label: label.into(),
                pen,
                shape,
                samples: rows.enveloped(column, shift),
            },
        )
    };
    let mut flows = Vec::new();
    for column in left.names().filter(|name| name.ends_with(".flow_m3s")) {
        let id = column.trim_start_matches("section.").trim_end_matches(".flow_m3s");
        let floor = left.samples(&format!("section.{id}.floor_m3s"), 0.0);
        let has_floor = floor.iter().any(|(_, value)| value.is_some());
        let mut lane = Lane::new(id, "断面流量", "m³/s", if has_floor { 130.0 } else { 70.0 }, Range::Flows);
        if has_floor {
            let label = "floor 下限".to_owned();
            lane.lines.push(Line { label, pen: Pen::Floor, shape: Shape::Steps, samples: floor });
        }
        let [least, most] = ["min", "max"].map(|what| format!("section.{id}.{what}_m3s"));
        lane.lines.extend(pair([column, &least, &most], Shape::Straight));
        flows.push((!has_floor, lane));
    }
    flows.sort_by_key(|(later, _)| *later);
    let mut dam = Lane::new("Release into the river", "坝下河道放水", "m³/s", 110.0, Range::Flows);
    dam.lines.extend(pair(["release_m3s", "release_min_m3s", "release_max_m3s"], Shape::Straight));
    flows.insert(0, (false, dam));
    let mut gates = left
        .names()
        .filter(|name| is_gate(name))
        .map(|column| {
            let mut lane = Lane::new(
                column.trim_start_matches("gate.").trim_end_matches("_pct"),
                "",
                "%",
                34.0,
                Range::Percent,
            );
            lane.heading = Heading::Small;
            let id = column.trim_end_matches("_pct");
            let [least, most] = ["min", "max"].map(|what| format!("{id}.{what}_pct"));
            let lines = pair([column, &least, &most], Shape::Steps);
            let apart = {
                let (a, b) = (left.samples(column, 0.0), right.samples(column, shift));
                let pairs =
                    a.iter().zip(&b).filter_map(|((_, a), (_, b))| Some((a.as_ref()? - b.as_ref()?).abs()));
                pairs.sum::<f64>()
            };
            lane.lines.extend(lines);
            (apart, lane)
        })
        .filter(|(apart, _)| *apart > 0.0)
        .collect::<Vec<_>>();
    gates.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut lanes = vec![Lane::new(
        "Gates in which the runs differ, the most first",
        "有差异的闸门",
        "",
        0.0,
        Range::Percent,
    )];
    lanes.extend(gates.into_iter().take(GATES).map(|(_, lane)| lane));
    let mut charts = vec![chart("flows", flows.into_iter().map(|(_, lane)| lane).collect())];
    if lanes.len() > 1 {
        charts.push(chart("gates", lanes));
    }
    Ok(charts)
}
