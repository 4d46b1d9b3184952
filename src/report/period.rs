//! Monthly and yearly attainment 达标率报告 (domain notes 4.4): per section days met, exempt, missing; longest time below, deficit,
//! least flow, completeness; the change against the period before and the year before; episodes; formulas.

use std::collections::BTreeSet;

use super::attain::Attainment;
use super::daily::{filing_table, formulas, origin};
use super::day::{DayBegins, Period};
use super::document::{Cell, Column, Document, Part, Table, minute};
use super::section::SectionDay;
use super::uses::{self, ToDate};
use super::{Ground, Lang, Recorded, figure, name, words};
use crate::basin::{Name, Section, SectionId};

/// The days of all sections in a period: for each section its days in order.
pub type Judged = Vec<Vec<SectionDay>>;

/// What a report of a period stands on.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The period.
    pub period: Period,
    /// Day boundary.
    pub begins: DayBegins,
    /// Its days, as far as they are over.
    pub now: Judged,
    /// The days of the period before.
    pub before: Judged,
    /// The days of the same period of the year before.
    pub year_before: Judged,
    /// Of a year: what its users took.
    pub water: Option<ToDate>,
}

/// The report.
pub fn attainment(ground: Ground<'_>, sources: &Sources, recorded: &Recorded) -> Document {
    let basin = &ground.config.basin;
    let sums = |judged: &Judged| -> Vec<Attainment> {
        let each = judged.iter().enumerate();
        each.map(|(at, days)| Attainment::of(SectionId(at), days, ground.reports)).collect()
    };
    let (now, before, year_before) = (sums(&sources.now), sums(&sources.before), sums(&sources.year_before));
    let kind = match sources.period {
        Period::Month(..) => ("月度达标率报告", "monthly attainment"),
        Period::Year(_) => ("年度达标率报告", "yearly attainment"),
    };
    let key = sources.period.key();
    let days: Vec<_> = sources.now.iter().flatten().map(|day| day.day).collect();
    let span = days.iter().map(|day| day.from).min().zip(days.iter().map(|day| day.to).max());
    let (from, to) = span.unwrap_or_default();
    let shown = span.map_or_else(String::new, |(from, to)| {
        format!("{} – {}", minute(from, &basin.zone), minute(to, &basin.zone))
    });
    let clock = sources.begins.clock();
    let facts = vec![
        (("评价期", "Period"), name(key.clone(), key)),
        (("时段", "Days"), name(format!("{shown}（日界 {clock}）"), format!("{shown} (day begins {clock})"))),
    ];
    let dates: BTreeSet<_> = days.iter().map(|day| day.date).collect();
    let last = dates.last().copied();
    let day_valid = last.map_or(1.0, |last| ground.reports.rule_on(last).day_valid);
    let mut rules: Vec<String> = Vec::new();
    for day in sources.now.iter().flatten() {
        if !rules.contains(&day.rule) {
            rules.push(day.rule.clone());
        }
    }
    let mut document = Document {
        title: name(format!("{}{}", basin.name.zh, kind.0), format!("{}: {}", basin.name.en, kind.1)),
        facts,
        is_bench: ground.config.service.bench,
        is_wide: false,
        parts: Vec::new(),
        signatures: vec![("填报", "Prepared by"), ("审核", "Checked by"), ("签发", "Issued by")],
        zone: basin.zone.clone(),
    };
    origin(&mut document, ground, (from, to), recorded, &rules);
    let assessed = basin
        .sections
        .iter()
        .zip(&sources.now)
        .filter(|(_, days)| days.iter().any(|day| day.target.is_some()));
    let calendars = assessed.map(|(section, days)| {
        let title = name(
            format!("{}：实底达标，▲不达标，斜线免考，空白缺测", section.name.zh),
            format!("{}: filled pass, ▲ fail, slash exempt, empty missing", section.name.en),
        );
        (title, figure::calendar(days, Lang::Zh))
    });
    document.parts = vec![
        Part::Table(summary(ground, &now, day_valid)),
        Part::Table(attained(ground, (&now, &before, &year_before), day_valid)),
        Part::Table(flows(ground, &now)),
        Part::Table(uses::of_year(ground, &dates, sources.water.as_ref())),
        Part::Figures(calendars.take(4).collect()),
        Part::Table(episodes(ground, &now)),
        Part::Table(filing_table(ground, (from, to), |date| ground.reports.rule_on(date))),
        Part::Table(by_day(ground, &sources.now)),
    ];
    let mut lines = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    for day in sources.now.iter().flatten() {
        if !told.contains(&day.rule.as_str()) {
            told.push(&day.rule);
            lines.extend(formulas(&ground.reports.rule_on(day.day.date)));
        }
    }
    lines.push(name(
        "断面达标率 = 满足程度不低于保证率的断面 ÷ 有评价天数的断面。环比、同比为满足程度之差（百分点）；“—”为无可比数据。主要原因仅取自报备。缺测天数过多（非缺测天数低于应评天数的日有效比例）记“数据不足”，不计达标。",
        "Section pass rate = sections whose satisfaction reaches their guarantee / sections with assessed days. Changes are of the satisfaction, in points; — means nothing to compare with. Causes come from filings only. With too many days missing (the rest below the share asked of a day's hours) a section has too little data and does not pass.",
    ));
    document.parts.push(Part::Notes(("计算方法", "How it is computed"), lines));
    document
}

/// The city in a line: sections that pass.
fn summary(ground: Ground<'_>, now: &[Attainment], day_valid: f64) -> Table {
    let sections = ground.config.basin.sections.iter().zip(now);
    let verdicts: Vec<bool> = sections
        .filter_map(|(section, sum)| Some(sum.passes(section.guarantee)? && sum.is_enough(day_valid)))
        .collect();
    let passing = verdicts.iter().filter(|passes| **passes).count();
    let due: usize = now.iter().map(|sum| sum.hours_due).sum();
    let valid: usize = now.iter().map(|sum| sum.hours_valid).sum();
    let rate = (!verdicts.is_empty()).then(|| super::section::share(passing, verdicts.len()));
    Table {
        id: "summary",
        head: ("总体", "Summary"),
        columns: vec![
            Column::new("sections", ("参评断面", "Sections assessed"), ""),
            Column::new("passing", ("达标断面", "Sections passing"), ""),
            Column::new("pass_rate", ("断面达标率", "Section pass rate"), "%"),
            Column::new("completeness", ("数据完整率", "Completeness"), "%"),
        ],
        rows: vec![vec![
            Cell::Count(verdicts.len()),
            Cell::Count(passing),
            Cell::Share(rate),
            Cell::Share(Some(super::section::share(valid, due))),
        ]],
        most: 1,
        is_half: false,
        may_miss: false,
    }
}

fn with_target<'a>(
    ground: Ground<'a>,
    now: &'a [Attainment],
) -> impl Iterator<Item = (usize, &'a Section, &'a Attainment)> {
    let all = ground.config.basin.sections.iter().zip(now).enumerate();
    all.filter(|(_, (section, _))| section.floor.is_some() || !section.seasonal_floors.is_empty())
        .map(|(at, (section, sum))| (at, section, sum))
}

fn attained(
    ground: Ground<'_>,
    (now, before, year_before): (&[Attainment], &[Attainment], &[Attainment]),
    day_valid: f64,
) -> Table {
    let rows = with_target(ground, now).map(|(at, section, sum)| {
        let change = |other: &[Attainment]| {
            let other = other.get(at).and_then(Attainment::satisfaction);
            let change = sum.satisfaction().zip(other).map(|(now, then)| (now - then) * 100.0);
            Cell::Number(change, 1)
        };
        let kinds: Vec<_> = sum.exempt.iter().collect();
        let each = |lang: Lang, between: &str| {
            let words =
                kinds.iter().map(|(kind, days)| format!("{} {days}", lang.word(words::exemption(**kind))));
            words.collect::<Vec<_>>().join(between)
        };
        vec![
            Cell::Plain(section.id.clone()),
            Cell::Name(section.name.clone()),
            Cell::Count(sum.due),
            Cell::Count(sum.assessed()),
            Cell::Count(sum.pass),
            Cell::Count(sum.exempt_days()),
            Cell::text(each(Lang::Zh, "、"), each(Lang::En, ", ")),
            Cell::Count(sum.missing),
            Cell::Share(sum.satisfaction()),
            Cell::Share(section.guarantee),
            match sum.passes(section.guarantee) {
                Some(true) if !sum.is_enough(day_valid) => Cell::Marked(name("数据不足", "too little data")),
                Some(true) => Cell::text("达标", "pass"),
                Some(false) => Cell::Marked(name("不达标", "fail")),
                None => Cell::text("—", "—"),
            },
            change(before),
            change(year_before),
        ]
    });
    Table {
        id: "attainment",
        head: ("达标天数", "Days met"),
        columns: vec![
            Column::hidden("section"),
            Column::new("name", ("断面", "Section"), ""),
            Column::new("due_days", ("应评天数", "Due"), "d"),
            Column::new("assessed_days", ("评价天数", "Assessed"), "d"),
            Column::new("days_met", ("达标天数", "Met"), "d"),
            Column::new("exempt_days", ("免考天数", "Exempt"), "d"),
            Column::new("exempt_kinds", ("免考类别", "Kinds"), ""),
            Column::new("missing_days", ("缺测天数", "Missing"), "d"),
            Column::new("satisfaction", ("满足程度", "Satisfaction"), "%"),
            Column::new("guarantee", ("保证率", "Guarantee"), "%"),
            Column::new("verdict", ("评价", "Verdict"), ""),
            Column::new("change_points", ("环比", "On period before"), ""),
            Column::new("year_change_points", ("同比", "On year before"), ""),
        ],
        rows: rows.collect(),
        most: 20,
        is_half: false,
        may_miss: false,
    }
}

fn flows(ground: Ground<'_>, now: &[Attainment]) -> Table {
    let rows = with_target(ground, now).map(|(at, section, sum)| {
        vec![
            Cell::Plain(section.id.clone()),
            Cell::Name(section.name.clone()),
            Cell::Least(sum.least.map(|least| (least.value, least.at))),
            Cell::Number(Some(sum.below_s / 3600.0), 1),
            Cell::Number(sum.longest.map(|longest| longest.length_s() / 3600.0).or(Some(0.0)), 1),
            Cell::Number(Some(sum.deficit_m3 / 1e4), 4),
            Cell::Share(Some(super::section::share(sum.hours_met, sum.hours_valid)))
                .or_none(sum.hours_valid > 0),
            Cell::Share(Some(sum.completeness())),
            Cell::Share(Some(sum.online())),
            Cell::Count(sum.corrections),
            Cell::Name(causes(ground, SectionId(at), sum)),
        ]
    });
    Table {
        id: "flows",
        head: ("流量与数据", "Flow and data"),
        columns: vec![
            Column::hidden("section"),
            Column::new("name", ("断面", "Section"), ""),
            Column::new("least_m3s", ("最小流量与时间", "Least and when"), "m³/s"),
            Column::new("below_h", ("低于目标", "Below target"), "h"),
            Column::new("longest_h", ("最长连续不达标", "Longest below"), "h"),
            Column::new("deficit_1e4_m3", ("缺水量", "Deficit"), "10⁴ m³"),
            Column::new("hours_met", ("小时达标", "Hours met"), "%"),
            Column::new("completeness", ("数据完整率", "Completeness"), "%"),
            Column::new("online_rate", ("在线率", "Online rate"), "%"),
            Column::new("corrections", ("人工修正次数", "Corrections"), ""),
            Column::new("causes", ("主要原因", "Main causes"), ""),
        ],
        rows: rows.collect(),
        most: 20,
        is_half: false,
        may_miss: false,
    }
}

impl Cell {
    /// Itself when there is something to tell, else an empty share.
    fn or_none(self, is_known: bool) -> Self {
        if is_known { self } else { Self::Share(None) }
    }
}

/// Reasons of the filings beside episodes.
fn causes(ground: Ground<'_>, id: SectionId, sum: &Attainment) -> Name {
    let mut named: Vec<&Name> = Vec::new();
    for episode in &sum.episodes {
        let filings = ground
            .reports
            .filings
            .iter()
            .filter(|filing| filing.sections.contains(&id) && episode.filings.contains(&filing.id));
        for filing in filings {
            if !named.contains(&&filing.reason) {
                named.push(&filing.reason);
            }
        }
    }
    let each = |of: fn(&Name) -> &str, between: &str| {
        named.iter().map(|name| of(name)).collect::<Vec<_>>().join(between)
    };
    name(each(|name| &name.zh, "；"), each(|name| &name.en, "; "))
}

fn episodes(ground: Ground<'_>, now: &[Attainment]) -> Table {
    let rows = with_target(ground, now).flat_map(|(_, section, sum)| {
        sum.episodes.iter().map(|episode| {
            let below = episode.below;
            vec![
                Cell::Plain(section.id.clone()),
                Cell::Name(section.name.clone()),
                Cell::Time(Some(below.from)),
                Cell::Time(Some(below.to)),
                Cell::Number(Some(below.length_s() / 3600.0), 1),
                Cell::Least(Some((below.least.value, below.least.at))),
                Cell::Number(Some(below.deficit_m3), 0),
                Cell::Plain(episode.filings.join(", ")),
            ]
        })
    });
    Table {
        id: "episodes",
        head: ("低于目标时段清单", "Episodes below the target"),
        columns: vec![
            Column::hidden("section"),
            Column::new("name", ("断面", "Section"), ""),
            Column::new("from", ("开始", "From"), ""),
            Column::new("to", ("结束", "To"), ""),
            Column::new("length_h", ("历时", "Length"), "h"),
            Column::new("least_m3s", ("最小值（时间）", "Least (when)"), "m³/s"),
            Column::new("deficit_m3", ("缺水量", "Deficit"), "m³"),
            Column::new("filings", ("报备", "Filings"), ""),
        ],
        rows: rows.collect(),
        most: 16,
        is_half: false,
        may_miss: false,
    }
}

/// Every day of every section, for the CSV.
fn by_day(ground: Ground<'_>, judged: &Judged) -> Table {
    let rows = ground.config.basin.sections.iter().zip(judged).flat_map(|(section, days)| {
        days.iter().map(|day| {
            vec![
                Cell::Plain(section.id.clone()),
                Cell::Plain(day.day.date.to_string()),
                Cell::Flow(day.target),
                Cell::Flow(day.mean),
                Cell::Least(day.least.map(|least| (least.value, least.at))),
                Cell::Verdict(day.verdict),
                Cell::Count(day.hours.len()),
                Cell::Count(day.hours_valid),
                Cell::Count(day.hours_met),
                Cell::Count(day.minutes_due),
                Cell::Count(day.minutes_known),
                Cell::Number(Some(day.below_s()), 0),
                Cell::Number(Some(day.deficit_m3()), 1),
                Cell::Count(day.corrections),
                Cell::Plain(day.rule.clone()),
            ]
        })
    });
    let columns = [
        "section",
        "date",
        "eco_flow_m3s",
        "day_mean_flow_m3s",
        "least_m3s",
        "verdict",
        "due_hours",
        "valid_hours",
        "hours_met",
        "due_minutes",
        "known_minutes",
        "below_s",
        "deficit_m3",
        "corrections",
        "rule",
    ];
    Table {
        id: "days",
        head: ("逐日", "By day"),
        columns: columns.map(Column::hidden).to_vec(),
        rows: rows.collect(),
        most: 0,
        is_half: false,
        may_miss: false,
    }
}
