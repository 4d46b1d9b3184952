//! The table as Markdown: read on a terminal and in the repository alike.

use std::fmt::Write as _;

use super::targets::{Target, keeps, median, targets};
use super::{AS_CONFIGURED, Hand, Row};
use crate::wrong::Wrong;

/// What the columns mean.
const NOTES: &str = "\
Made by `qindan-sim score --keep` and `qindan-sim score --wrong all --by rule --keep` (alias `cargo score`; `--help` says how), not by \
hand. All numbers are in `scores.csv`, \
what is known of the optima in `optimum.csv`.

- *below*: minutes with the true flow of a section under its floor − max(1 L/s, 0.5 %), all sections; *avoidable*: of them, when \
no surprise was so fresh that no release could have met it, and there was water; *short*: water missing meanwhile.
- *+opt*: water released beyond the least release that perfect foresight would need, time of spill left out. The optimum is the \
best closed loop a search has found: an upper estimate, so that the true excess may be more, at most *+need*. `≥`: its search has \
not converged, and a target of water is not judged by it. `~`: there was spill, which falls into other hours in other runs; or, on a wrong river, the optimum is that of the river as \
configured with what the steady need is more or less. `–`: not searched for.
- *+need*: water released beyond the steady need of each day, which no travel time and no surprise makes any larger.
- *starts*: of the busiest gate on its worst day; in brackets its mean of all days.
- *rungs*: shares of time on the rungs of the ladder; *margin*: mean set point of the last section over its floor.
- *rule*: the arrival-time rule alone (F2), as shipped. *plan*: `control.follow_plan=true` (F0, F1). *constant*: the meters of the far \
sections are silent from the begin of scoring on, the release stands at the safe constant of the month or where it was, if that is \
more (F3).
";

/// The whole page.
pub(super) fn page(rows: &[Row]) -> String {
    let mut text = format!("# What the dispatch is worth\n\n{NOTES}");
    let targets = targets(rows);
    if !targets.is_empty() {
        text.push_str("\n## Targets, by the rule as shipped\n\n");
        table(
            &mut text,
            &["what", "target", "came to", "met"],
            &targets.iter().map(target).collect::<Vec<_>>(),
        );
    }
    let (base, wrong) = rows.iter().partition::<Vec<&Row>, _>(|row| row.river == AS_CONFIGURED);
    if !base.is_empty() {
        as_configured(&mut text, &base);
    }
    if !wrong.is_empty() {
        wrong_models(&mut text, &wrong);
    }
    text
}

fn target(target: &Target) -> Vec<String> {
    let met = match target.met {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "–",
    };
    vec![target.what.into(), target.limit.clone(), target.value.clone(), met.into()]
}

fn as_configured(text: &mut String, rows: &[&Row]) {
    let by = |hand: Hand| rows.iter().copied().filter(|row| row.by == hand).collect::<Vec<_>>();
    text.push_str("\n## All hands\n\n");
    let lines = Hand::ALL.iter().map(|hand| (hand, by(*hand))).filter(|(_, rows)| !rows.is_empty());
    let lines = lines.map(|(hand, rows)| overall(hand.name(), &rows)).collect::<Vec<_>>();
    table(text, &OVERALL, &lines);
    for hand in Hand::ALL {
        let rows = by(hand);
        if rows.is_empty() {
            continue;
        }
        let _ = write!(text, "\n## By scenario: {}\n\n", hand.name());
        let lines = rows.iter().map(|row| line(row.scenario.clone(), row)).collect::<Vec<_>>();
        table(text, &SCENARIO, &lines);
    }
}

fn wrong_models(text: &mut String, rows: &[&Row]) {
    text.push_str(
        "\n## Wrong models\n\n\
         The configuration stays, the river or its meters are others. Kept: at most 1 % of the time below a floor, no day below \
         in its mean, at most 15 % of water beyond the optimum where that is known.\n\n",
    );
    let mut lines = Vec::new();
    for (wrong, hand) in Wrong::ALL.iter().flat_map(|wrong| Hand::ALL.map(|hand| (*wrong, hand))) {
        let ours = |row: &&&Row| row.river == wrong.name() && row.by == hand;
        let rows = rows.iter().filter(ours).copied().collect::<Vec<_>>();
        if rows.is_empty() {
            continue;
        }
        let kept = rows.iter().filter(|row| keeps(row)).count();
        let most = |of: fn(&Row) -> Option<f64>| rows.iter().filter_map(|row| of(row)).reduce(f64::max);
        lines.push(vec![
            wrong.name().to_owned(),
            wrong.words().to_owned(),
            hand.name().to_owned(),
            format!("{kept} of {}", rows.len()),
            maybe(most(|row| Some(row.below_pct)), 2),
            rows.iter().map(|row| row.days_below).sum::<usize>().to_string(),
            format!("{:.0}", rows.iter().map(|row| row.short_m3).sum::<f64>()),
            spread(&rows, |row| row.excess_pct),
            spread(&rows, |row| row.above_need_pct),
        ]);
    }
    let head = [
        "river",
        "what it is",
        "hand",
        "kept",
        "worst below, %",
        "days below",
        "short, m³",
        "+opt, %: median, worst",
        "+need, %: median, worst",
    ];
    table(text, &head, &lines);
    let failed = rows.iter().filter(|row| !keeps(row)).collect::<Vec<_>>();
    if failed.is_empty() {
        return;
    }
    text.push_str("\n### Not kept\n\n");
    let name = |row: &Row| format!("{} {} {}", row.scenario, row.river, row.by.name());
    let lines = failed.iter().map(|row| line(name(row), row)).collect::<Vec<_>>();
    table(text, &SCENARIO, &lines);
}

const OVERALL: [&str; 9] = [
    "hand",
    "scenarios",
    "with shortage",
    "below, min",
    "avoidable, min",
    "short, m³",
    "+opt, %: median, worst",
    "+need, %: median, worst",
    "starts: median, worst",
];

fn overall(name: &str, rows: &[&Row]) -> Vec<String> {
    let sum = |of: fn(&Row) -> f64| format!("{:.0}", rows.iter().map(|row| of(row)).sum::<f64>());
    #[expect(clippy::cast_precision_loss, reason = "starts of a day")]
    let starts = |row: &Row| Some(row.starts_worst_day as f64);
    vec![
        name.into(),
        rows.len().to_string(),
        rows.iter().filter(|row| row.below_min > 0.0).count().to_string(),
        sum(|row| row.below_min),
        sum(|row| row.avoidable_min),
        sum(|row| row.short_m3),
        spread(rows, |row| row.excess_pct),
        spread(rows, |row| row.above_need_pct),
        spread(rows, starts),
    ]
}

fn spread(rows: &[&Row], of: impl Fn(&Row) -> Option<f64>) -> String {
    let mut values = rows.iter().filter_map(|row| of(row)).collect::<Vec<_>>();
    let Some(middle) = median(&mut values) else { return "–".into() };
    format!("{middle:.1}, {:.1}", values.last().copied().unwrap_or(middle))
}

const SCENARIO: [&str; 11] = [
    "scenario",
    "days",
    "below, min",
    "avoidable, min",
    "days below",
    "short, m³",
    "+opt, %",
    "+need, %",
    "starts",
    "rungs, %",
    "margin, m³/s",
];

fn line(name: String, row: &Row) -> Vec<String> {
    let rungs = [("F0", row.f0_pct), ("F1", row.f1_pct), ("F2", row.f2_pct), ("F3", row.f3_pct)];
    let rungs = rungs.iter().filter(|(_, pct)| *pct >= 0.05);
    let rungs = rungs.map(|(name, pct)| format!("{name} {pct:.0}")).collect::<Vec<_>>().join(" ");
    let excess = row.excess_pct.map_or_else(|| "–".into(), |pct| format!("{}{pct:.1}", row.mark()));
    vec![
        name,
        format!("{:.1}", row.hours / 24.0),
        format!("{:.0}", row.below_min),
        format!("{:.0}", row.avoidable_min),
        row.days_below.to_string(),
        format!("{:.0}", row.short_m3),
        excess,
        maybe(row.above_need_pct, 1),
        format!("{} ({:.1})", row.starts_worst_day, row.starts_per_day),
        rungs,
        maybe(row.margin_m3s, 3),
    ]
}

fn maybe(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.decimals$}"))
}

/// A table; columns as wide as what stands in them, numbers to the right.
fn table(text: &mut String, head: &[&str], lines: &[Vec<String>]) {
    let width = |at: usize| {
        let cells = lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count());
        cells.chain(head.get(at).map(|cell| cell.chars().count())).max().unwrap_or(0)
    };
    let widths = (0..head.len()).map(width).collect::<Vec<_>>();
    let is_number = |cell: &String| cell.chars().next().is_some_and(|c| !c.is_alphabetic());
    let right = |at: usize| lines.iter().filter_map(|line| line.get(at)).all(is_number);
    let right = (0..head.len()).map(right).collect::<Vec<_>>();
    let mut row = |cells: &mut dyn Iterator<Item = &str>| {
        text.push('|');
        for ((cell, width), right) in cells.zip(&widths).zip(&right) {
            let _ =
                if *right { write!(text, " {cell:>width$} |") } else { write!(text, " {cell:<width$} |") };
        }
        text.push('\n');
    };
    row(&mut head.iter().copied());
    let rules = widths.iter().zip(&right).map(|(width, right)| {
        if *right { format!("{}:", "-".repeat(width - 1)) } else { "-".repeat(*width) }
    });
    let rules = rules.collect::<Vec<_>>();
    row(&mut rules.iter().map(String::as_str));
    for line in lines {
        row(&mut line.iter().map(String::as_str));
    }
}
