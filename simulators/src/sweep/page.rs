//! `sweep.html`: scores against the values.

use std::fmt::Write;

use super::{Axis, METRICS, Metric, Outcome, Score};
use crate::plot::Drawing;
use crate::plot::xy::{Curve, Xy};
use crate::report::{self, Cell};

/// Plots: file name, heading, score.
const PLOTS: [(&str, &str, Score); 4] = [
    ("least-margin", "Least flow over the floor, % 最小余量", METRICS[3].1),
    ("below", "Below a floor, min 欠流", METRICS[0].1),
    ("above-need", "Release above need, % 放水超出", METRICS[5].1),
    ("starts", "Starts, worst gate and day 启闭", METRICS[6].1),
];

/// A plot for each score.
pub(super) fn plots(axes: &[Axis], outcomes: &[Outcome]) -> Vec<Drawing> {
    PLOTS.iter().map(|(name, title, of)| plot(axes, outcomes, name, title, *of).draw()).collect()
}

/// Over the first axis; one curve for each scenario and combination of the others.
fn plot(axes: &[Axis], outcomes: &[Outcome], name: &str, title: &str, of: Score) -> Xy {
    let first = axes.first();
    let numbers = first.and_then(Axis::numbers);
    #[expect(clippy::cast_precision_loss, reason = "some values")]
    let place = |value: &String| {
        let at = first.and_then(|axis| axis.values.iter().position(|known| known == value))?;
        numbers.as_ref().map_or(Some(at as f64), |numbers| numbers.get(at).copied())
    };
    let scenarios =
        outcomes.iter().map(|outcome| &outcome.summary.scenario).collect::<std::collections::BTreeSet<_>>();
    let mut curves: Vec<Curve> = Vec::new();
    for outcome in outcomes {
        let mut label = outcome.values.iter().skip(1).cloned().collect::<Vec<_>>();
        if scenarios.len() > 1 {
            label.insert(0, outcome.summary.scenario.clone());
        }
        let label = label.join(" ");
        let Some(point) = outcome.values.first().and_then(place).zip(of(&outcome.summary)) else { continue };
        match curves.iter_mut().find(|curve| curve.label == label) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve { label, points: vec![point] }),
        }
    }
    for curve in &mut curves {
        curve.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let names = match (&numbers, first) {
        (None, Some(along)) => {
            along.values.iter().filter_map(|value| Some((place(value)?, value.clone()))).collect()
        }
        (Some(_), _) | (None, None) => Vec::new(),
    };
    Xy {
        name: name.into(),
        title: title.into(),
        under: first.map(|axis| axis.key.clone()).unwrap_or_default(),
        names,
        curves,
        size: (520.0, 250.0),
    }
}

/// The page.
pub(super) fn page(axes: &[Axis], outcomes: &[Outcome], drawings: &[Drawing]) -> String {
    let mut body = String::new();
    let keys = axes.iter().map(|axis| axis.key.as_str()).collect::<Vec<_>>().join(", ");
    let escape = crate::plot::svg::escape;
    let _ = write!(
        body,
        "<header><div><h1>Sweep over {} <small>参数扫描</small></h1><p>{} runs, configuration otherwise as it stands</p></div></header>\n<div class=\"two\">\n",
        escape(&keys),
        outcomes.len()
    );
    for drawing in drawings {
        report::figure(&mut body, drawing);
    }
    body.push_str("</div>\n");
    report::heading(&mut body, "All runs", "全部运行", "the same in sweep.csv");
    let mut head = vec![("scenario", "情景", Cell::Words)];
    head.extend(axes.iter().map(|axis| (axis.key.as_str(), "", Cell::Number)));
    head.extend(METRICS.iter().map(|(name, _): &Metric| (*name, "", Cell::Number)));
    head.push(("", "", Cell::Short));
    let rows = outcomes.iter().map(|Outcome { values, summary }| {
        let mut row = vec![summary.scenario.clone()];
        row.extend(values.iter().cloned());
        row.extend(
            METRICS.iter().map(|(_, of)| report::maybe(of(summary).map(|value| format!("{value:.1}")))),
        );
        row.push(if summary.passes() { "passed".into() } else { "failed".into() });
        row
    });
    report::table(&mut body, &head, &rows.collect::<Vec<_>>());
    report::document("Sweep", &body)
}
