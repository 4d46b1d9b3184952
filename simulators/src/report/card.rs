//! Head and score card.

use std::fmt::Write;

use qindan::basin::Section;

use super::{maybe, signed_percent, thousands};
use crate::play::Played;
use crate::plot::svg::escape;
use crate::summary::{SectionSummary, Summary};

/// Title, purpose and where the run comes from.
pub(super) fn head(body: &mut String, played: &Played) {
    let summary = &played.summary;
    let case = played.run.case();
    let verdict = verdict(summary);
    let _ = writeln!(
        body,
        "<header><div><h1>{} <small>{}</small></h1><p>{}</p><p class=\"verdict\">{}</p></div><dl>",
        escape(&summary.name_en),
        escape(&summary.name_zh),
        escape(&summary.purpose),
        escape(&verdict)
    );
    let zone = &case.config.basin.zone;
    let local =
        |at: jiff::Timestamp| at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
    let set = if summary.set.is_empty() { "none".to_owned() } else { summary.set.join(", ") };
    let rows = [
        ("Scored 时段", format!("{} to {}", local(summary.from), local(summary.to))),
        ("Spin-up 预热", format!("{:.0} h before, not scored (grey in the plots)", summary.spin_up_h)),
        ("Scenario 情景", format!("{} · seed {}", summary.scenario, summary.seed)),
        ("Basin 流域", format!("{} {}", case.config.basin.name.en, case.config.basin.name.zh)),
        ("Configuration 配置", summary.config.get(..16).unwrap_or(&summary.config).to_owned()),
        ("Changes 改动", set),
        ("Program 程序", format!("qindan-sim {}", summary.version)),
        ("Commands 指令摘要", summary.digest.get(..16).unwrap_or(&summary.digest).to_owned()),
        (
            "Run 用时",
            format!(
                "{:.1} s: river {:.1}, deciding {:.1}, scores {:.1}, output {:.1}; {} ticks",
                summary.wall_s,
                summary.cost.plant_s,
                summary.cost.decide_s,
                summary.cost.score_s,
                summary.cost.output_s,
                thousands(count(summary.ticks))
            ),
        ),
    ];
    for (name, value) in rows {
        let _ = writeln!(body, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(&value));
    }
    body.push_str("</dl></header>\n");
}

/// The verdict in a sentence.
pub(super) fn verdict(summary: &Summary) -> String {
    let avoidable = summary.avoidable_minutes();
    let below: f64 = summary.sections.values().map(|section| section.minutes_below).sum();
    if summary.imbalance() > 1e-6 {
        return "FAILED: the plant made or lost water 水量不闭合".into();
    }
    if avoidable > 0.0 {
        return format!(
            "FAILED: {avoidable:.0} min below a floor that could have been avoided 有可避免的欠流"
        );
    }
    if below > 0.0 {
        return format!("PASSED: {below:.0} min below a floor, none avoidable 欠流均不可避免");
    }
    "PASSED: every floor was kept all the time 各断面始终达标".into()
}

fn card(body: &mut String, (en, zh): (&str, &str), (value, unit): (&str, &str), more: &[String], bad: bool) {
    let bad = if bad { " bad" } else { "" };
    let more = more.iter().fold(String::new(), |more, line| more + "<p>" + &escape(line) + "</p>");
    let _ = writeln!(
        body,
        "<div class=\"card{bad}\"><h3>{}<small>{}</small></h3><b>{}</b><span class=\"unit\">{}</span>{more}</div>",
        escape(en),
        escape(zh),
        escape(value),
        escape(unit)
    );
}

/// The score card.
pub(super) fn cards(body: &mut String, played: &Played) {
    let summary = &played.summary;
    let basin = &played.run.case().config.basin;
    body.push_str("<section class=\"cards\">\n");
    for section in &basin.sections {
        if let Some(score) = summary.sections.get(&section.id) {
            floor(body, section, score, &basin.zone);
        }
    }
    water(body, summary);
    let busiest = summary.busiest();
    let most = busiest.map_or(0, |(_, gate)| gate.starts_worst_day);
    let moved = summary.gates.values().filter(|gate| gate.commands > 0);
    let starts: u64 = moved.map(|gate| gate.starts).sum();
    let more = [
        busiest.map_or_else(String::new, |(id, _)| id.to_owned()),
        format!("{starts} starts of all gates that were moved; limit 24 a day"),
    ];
    card(body, ("Starts, worst gate and day", "单闸最多启闭"), (&most.to_string(), "/ d"), &more, most > 24);
    let failed = summary.outcomes.get("failed").copied().unwrap_or(0);
    let ends =
        summary.outcomes.iter().map(|(end, count)| format!("{end} {count}")).collect::<Vec<_>>().join(" · ");
    card(body, ("Commands", "指令"), (&summary.actions.to_string(), ""), &[ends], failed > 0);
    let raised: usize = summary.alarms.values().sum();
    let kinds = format!("{} different; {} wishes refused", summary.alarms.len(), played.decisions.refused);
    card(body, ("Alarms raised", "报警"), (&raised.to_string(), ""), &[kinds], false);
    if let Some(plan) = summary.plan.as_ref().filter(|plan| plan.count > 0) {
        let more = [
            format!("median {:.0} ms, p99 {:.0} ms", plan.median_ms, plan.p99_ms),
            format!("{} fallbacks", plan.fallbacks),
        ];
        card(body, ("Plans", "计划"), (&plan.count.to_string(), ""), &more, false);
    }
    body.push_str("</section>\n");
}

fn floor(body: &mut String, section: &Section, score: &SectionSummary, zone: &jiff::tz::TimeZone) {
    let at = score.min_at.to_zoned_datetime(zone.clone()).strftime("%m-%d %H:%M").to_string();
    let mut more = vec![
        format!("avoidable {:.0} min", score.minutes_below_avoidable),
        format!("least {:.3} on {at}; floor {:.2}", score.min_m3s, score.floor_m3s),
    ];
    if let Some(bound) = score.unavoidable_minutes_below {
        more.push(format!("unavoidable with foresight {bound:.0} min"));
    }
    if score.deficit_m3 > 0.0 {
        more.push(format!("missing {} m³", thousands(score.deficit_m3)));
    }
    let en = format!("{} below floor", section.name.en);
    let value = format!("{:.0}", score.minutes_below);
    card(
        body,
        (&en, &format!("{}低于下限", section.name.zh)),
        (&value, "min"),
        &more,
        score.minutes_below > 0.0,
    );
}

fn water(body: &mut String, summary: &Summary) {
    let water = &summary.water;
    let more = [
        format!(
            "{} m³ released, {} needed",
            thousands(water.released_without_spill_m3),
            thousands(water.need_m3)
        ),
        format!("worst day {}", maybe(water.above_need_worst_day.map(signed_percent))),
        format!("spill {:.0} h left out", water.spill_h),
    ];
    if let (Some(excess), Some(optimum)) = (water.excess_pct, water.optimum_m3) {
        let mut more = more.to_vec();
        let gap = water.optimum_gap_pct.filter(|_| water.optimum_converged == Some(false));
        let gap = gap.map_or_else(String::new, |gap| format!(", not converged, {gap:.1} % may be left"));
        more.insert(0, format!("perfect foresight {} m³{gap}", thousands(optimum)));
        let value = format!("{excess:+.1}");
        card(body, ("Release above optimum", "河道放水超出最优"), (&value, "%"), &more, false);
    } else {
        let value = water.above_need.map_or_else(|| "–".into(), |share| format!("{:+.1}", 100.0 * share));
        let mut more = more.to_vec();
        more.push("not scored against perfect foresight".into());
        card(body, ("Release above steady need", "河道放水超出恒定需求"), (&value, "%"), &more, false);
    }
}

#[expect(clippy::cast_precision_loss, reason = "to be read")]
fn count(number: u64) -> f64 {
    number as f64
}
