//! Daily bulletin 生态流量日报 (domain notes 4.2): sections against their targets, reservoirs, intakes, wetlands, transfers,
//! gate actions, warnings, what is announced for the next day. One page.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::day::Day;
use super::document::{Cell, Column, Document, Part, Table, Word, minute};
use super::section::{self, SectionDay, Verdict};
use super::{Ground, Lang, Recorded, Samples, figure, gates, name, number, told, uses, words};
use crate::aggregate::HOLD;
use crate::basin::{Name, SectionId};
use crate::config::reports::{Rule, Standing};
use crate::control::command::Terminal;
use crate::control::schedule::{Entry, Span, Target};

const TITLE: Word = ("日报", "daily bulletin");

/// Points whose samples of the day are needed.
pub fn points(ground: Ground<'_>) -> Vec<String> {
    let basin = &ground.config.basin;
    let sections = basin.sections.iter().map(|section| section.meter);
    let meters = sections.chain(uses::meters(ground));
    let mut points: Vec<_> = meters
        .filter_map(|meter| ground.point_of(meter))
        .map(str::to_owned)
        .chain(gates::points(ground))
        .collect();
    points.sort();
    points.dedup();
    points
}

/// From when on samples can matter to a span: the last one before it holds into it.
pub fn since(from: Timestamp) -> Timestamp {
    from.saturating_sub(HOLD).unwrap_or(from)
}

/// All sections of the basin on a day.
pub fn sections(ground: Ground<'_>, day: Day, samples: &Samples) -> Vec<SectionDay> {
    let basin = &ground.config.basin;
    let rule = ground.reports.rule_on(day.date);
    let judged = basin.sections.iter().enumerate().map(|(at, section)| {
        let kept = ground.point_of(section.meter).and_then(|point| samples.get(point));
        let kept = kept.map_or(&[][..], Vec::as_slice);
        section::assess((SectionId(at), section), day, &basin.zone, kept, &rule, &ground.reports.filings)
    });
    judged.collect()
}

/// The bulletin of a day. `samples` hold those of [`points`] for the day, `to_date` what [`uses::yearly_points`] come to from the
/// begin of the year to its end.
pub fn daily(
    ground: Ground<'_>,
    day: Day,
    to_date: &uses::ToDate,
    samples: &Samples,
    recorded: &Recorded,
) -> Document {
    let judged = sections(ground, day, samples);
    let mut document = frame(ground, day, recorded, TITLE, false);
    document.parts = vec![
        Part::Table(section_table(ground, &judged)),
        Part::Figures(figures(ground, &judged)),
        Part::Table(uses::reservoirs(ground, day, samples)),
        Part::Table(uses::intakes(ground, day, to_date, samples)),
        Part::Table(uses::wetlands(ground, day, samples)),
        Part::Table(uses::transfers(ground, day, to_date, samples)),
        Part::Table(gate_actions(ground, day, recorded)),
        Part::Table(warnings(ground, day, recorded)),
        Part::Table(filings(ground, day)),
        Part::Table(announced(ground, day)),
        Part::Notes(("计算方法", "How it is computed"), formulas(&ground.reports.rule_on(day.date))),
    ];
    document
}

/// Title, facts and signatures of a report of a day.
pub(super) fn frame(
    ground: Ground<'_>,
    day: Day,
    recorded: &Recorded,
    (zh, en): Word,
    is_wide: bool,
) -> Document {
    let basin = &ground.config.basin;
    let span = format!("{} – {}", minute(day.from, &basin.zone), minute(day.to, &basin.zone));
    let facts = vec![(("时段", "Period"), name(span.clone(), span))];
    let title = name(format!("{}{zh}", basin.name.zh), format!("{}: {en}", basin.name.en));
    let mut document = Document {
        title,
        facts,
        is_bench: ground.config.service.bench,
        is_wide,
        parts: Vec::new(),
        signatures: vec![("填报", "Prepared by"), ("审核", "Checked by"), ("签发", "Issued by")],
        zone: basin.zone.clone(),
    };
    origin(&mut document, ground, (day.from, day.to), recorded, &[ground.reports.rule_on(day.date).id]);
    document
}

/// Who issues it, by which rules, and the record it stands on.
pub(super) fn origin(
    document: &mut Document,
    ground: Ground<'_>,
    (from, to): (Timestamp, Timestamp),
    recorded: &Recorded,
    rules: &[String],
) {
    if let Some(issuer) = &ground.reports.issuer {
        document.facts.push((("发布单位", "Issuer"), issuer.clone()));
    }
    let same = |text: String| name(text.clone(), text);
    let file = short(&ground.reports.digest);
    let by = rules.join(", ");
    let by = if file.is_empty() { by } else { format!("{by} · {file}") };
    document.facts.push((("评价规则", "Rule"), same(by)));
    stands_on(document, ground, (from, to), recorded);
}

/// The configuration and the record a report stands on.
pub(super) fn stands_on(
    document: &mut Document,
    ground: Ground<'_>,
    (from, to): (Timestamp, Timestamp),
    recorded: &Recorded,
) {
    let same = |text: String| name(text.clone(), text);
    let mine = short(&ground.config.digest);
    let others: Vec<_> =
        recorded.configs(from, to).into_iter().map(short).filter(|other| *other != mine).collect();
    let config = if others.is_empty() {
        same(mine.to_owned())
    } else {
        let others = others.join(", ");
        name(format!("{mine}（当时运行 {others}）"), format!("{mine} (in force then: {others})"))
    };
    document.facts.push((("配置", "Configuration"), config));
    let record = match (&recorded.broken, &recorded.head) {
        (Some(why), _) => name(format!("不完整：{why}"), format!("not whole: {why}")),
        (None, Some((seq, hash))) => same(format!("#{seq} · {}", short(hash))),
        (None, None) => name("无", "none"),
    };
    document.facts.push((("记录校验", "Record"), record));
}

/// The twelve characters by which a digest is told on paper.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn section_table(ground: Ground<'_>, judged: &[SectionDay]) -> Table {
    let sections = &ground.config.basin.sections;
    let rows = sections.iter().zip(judged).enumerate().map(|(at, (section, day))| {
        vec![
            Cell::Count(at + 1),
            Cell::Plain(section.id.clone()),
            Cell::Name(section.name.clone()),
            Cell::Flow(day.target),
            Cell::Flow(day.at_eight),
            Cell::Flow(day.mean),
            Cell::Least(day.least.map(|least| (least.value, least.at))),
            Cell::Verdict(day.verdict),
            Cell::Share(Some(day.completeness())),
            Cell::Count(day.hours_met),
            Cell::Number(Some(day.below_s() / 3600.0), 2),
            Cell::Number(Some(day.deficit_m3()), 0),
            Cell::Name(remark(ground, SectionId(at), day)),
        ]
    });
    Table {
        id: "sections",
        head: ("断面", "Sections"),
        columns: vec![
            Column::new("number", ("序号", "No."), ""),
            Column::hidden("section"),
            Column::new("name", ("断面", "Section"), ""),
            Column::new("eco_flow_m3s", ("生态流量目标", "Target"), "m³/s"),
            Column::new("flow_at_0800_m3s", ("08时流量", "At 08:00"), "m³/s"),
            Column::new("day_mean_flow_m3s", ("日均流量", "Day mean"), "m³/s"),
            Column::new("least_m3s", ("最小值（时间）", "Least (when)"), "m³/s"),
            Column::new("verdict", ("达标", "Verdict"), ""),
            Column::new("completeness", ("数据完整率", "Complete"), "%"),
            Column::hidden("hours_met"),
            Column::hidden("below_h"),
            Column::hidden("deficit_m3"),
            Column::new("remark", ("备注", "Remark"), ""),
        ],
        rows: rows.collect(),
        most: 20,
        is_half: false,
        may_miss: false,
    }
}

/// Time below the target, what rounding hides, hours missing, filings.
fn remark(ground: Ground<'_>, id: SectionId, judged: &SectionDay) -> Name {
    let (mut zh, mut en) = (Vec::new(), Vec::new());
    let mut say = |chinese: String, english: String| {
        zh.push(chinese);
        en.push(english);
    };
    if judged.below_s() > 0.0 {
        let hours = number::fixed(judged.below_s() / 3600.0, 1);
        let deficit = number::fixed(judged.deficit_m3(), 0);
        let by_mean = match judged.verdict {
            Verdict::Pass => ("日均达标，", "mean passes, "),
            Verdict::Fail | Verdict::Exempt(_) | Verdict::Missing | Verdict::NotAssessed => ("", ""),
        };
        say(
            format!("{}时段低于目标 {hours} h，缺水 {deficit} m³", by_mean.0),
            format!("{}below the target for {hours} h, {deficit} m³ missed", by_mean.1),
        );
    }
    if let (Some(mean), Some(target), Verdict::Fail) = (judged.mean, judged.target, judged.verdict)
        && number::flow(mean) == number::flow(target)
    {
        say(format!("未修约 {mean:.5}"), format!("not rounded {mean:.5}"));
    }
    if judged.hours_valid < judged.hours.len() && judged.target.is_some() {
        let (valid, due) = (judged.hours_valid, judged.hours.len());
        say(format!("有效小时 {valid}/{due}"), format!("{valid} of {due} hours valid"));
    }
    let rule = ground.reports.rule_on(judged.day.date);
    let touching = ground.reports.filings.iter().filter(|filing| {
        filing.sections.contains(&id) && filing.from < judged.day.to && judged.day.from < filing.to
    });
    for filing in touching {
        let (id, no) = (&filing.id, !filing.counts(&rule));
        say(
            format!("报备 {id}{}", if no { "（不计）" } else { "" }),
            format!("filing {id}{}", if no { " (does not count)" } else { "" }),
        );
    }
    name(zh.join("；"), en.join("; "))
}

fn figures(ground: Ground<'_>, judged: &[SectionDay]) -> Vec<(Name, String)> {
    let basin = &ground.config.basin;
    let with_target = basin.sections.iter().zip(judged).filter(|(_, day)| day.target.is_some());
    let figures = with_target.map(|(section, day)| {
        let target = day.target.map_or_else(String::new, number::flow);
        let title = name(
            format!("{}：小时均值与最小—最大（m³/s），虚线为目标 {target}", section.name.zh),
            format!("{}: hourly mean, least to largest (m³/s); dashed: target {target}", section.name.en),
        );
        (title, figure::day(day, &basin.zone))
    });
    figures.take(4).collect()
}

/// Commands of the day by gate.
fn gate_actions(ground: Ground<'_>, day: Day, recorded: &Recorded) -> Table {
    #[derive(Default)]
    struct Sum {
        commands: usize,
        verified: usize,
        failed: usize,
        by_people: usize,
        last: Option<f64>,
    }
    let mut gates: BTreeMap<&str, Sum> = BTreeMap::new();
    for operation in told::operations(&recorded.records, day.from, day.to) {
        let sum = gates.entry(operation.intent.gate.as_deref().unwrap_or_default()).or_default();
        sum.commands += 1;
        sum.by_people += usize::from(operation.intent.actor.starts_with("operator:"));
        if let Some(outcome) = operation.outcome {
            match &outcome.outcome {
                Some(Terminal::Verified) => sum.verified += 1,
                Some(Terminal::Failed { .. }) => sum.failed += 1,
                Some(Terminal::Expired | Terminal::Superseded | Terminal::Abandoned) | None => {}
            }
            sum.last = outcome.after.map(crate::units::Opening::percent).or(sum.last);
        }
    }
    let rows = gates.iter().map(|(id, sum)| {
        vec![
            Cell::Plain((*id).to_owned()),
            Cell::Name(words::element(&ground.config.basin, id)),
            Cell::Count(sum.commands),
            Cell::Count(sum.verified),
            Cell::Count(sum.failed),
            Cell::Count(sum.by_people),
            Cell::Number(sum.last, 1),
        ]
    });
    Table {
        id: "gates",
        head: ("当日闸门动作", "Gate actions"),
        columns: vec![
            Column::hidden("gate"),
            Column::new("name", ("闸门", "Gate"), ""),
            Column::new("commands", ("指令", "Commands"), ""),
            Column::new("verified", ("已核实", "Verified"), ""),
            Column::new("failed", ("失败", "Failed"), ""),
            Column::new("by_people", ("人工", "By people"), ""),
            Column::new("last_opening_pct", ("末次开度", "Last at"), "%"),
        ],
        rows: rows.collect(),
        most: 7,
        is_half: true,
        may_miss: false,
    }
}

/// Alarms of the day.
fn warnings(ground: Ground<'_>, day: Day, recorded: &Recorded) -> Table {
    let raised = told::alarms(&recorded.records, day.from, day.to);
    let rows = raised.into_iter().map(|alarm| {
        let (zh, en) = super::alarms::title(&alarm.id).unwrap_or(("", ""));
        let of = if alarm.element.is_empty() {
            name("", "")
        } else {
            words::element(&ground.config.basin, &alarm.element)
        };
        vec![
            Cell::Plain(alarm.id.clone()),
            Cell::Count(usize::try_from(alarm.priority).unwrap_or(4)),
            Cell::text(zh, en),
            Cell::Plain(alarm.element),
            Cell::Name(of),
            Cell::Time(Some(alarm.since)),
            Cell::Time(alarm.until),
            Cell::Plain(alarm.acknowledged.map_or_else(String::new, |(who, _)| who)),
        ]
    });
    Table {
        id: "warnings",
        head: ("预警与报警", "Warnings and alarms"),
        columns: vec![
            Column::new("alarm", ("编号", "No."), ""),
            Column::new("priority", ("级", "P"), ""),
            Column::new("title", ("内容", "What"), ""),
            Column::hidden("element"),
            Column::new("name", ("对象", "Of"), ""),
            Column::new("since", ("开始", "Since"), ""),
            Column::new("until", ("解除", "Until"), ""),
            Column::new("acknowledged_by", ("确认", "Seen by"), ""),
        ],
        rows: rows.collect(),
        most: 7,
        is_half: true,
        may_miss: false,
    }
}

/// Filings in force on the day.
fn filings(ground: Ground<'_>, day: Day) -> Table {
    let rule = ground.reports.rule_on(day.date);
    filing_table(ground, (day.from, day.to), |_| rule.clone())
}

/// Filings in force at any time of a span, each by the rule of the date it begins on.
pub(super) fn filing_table(
    ground: Ground<'_>,
    (from, to): (Timestamp, Timestamp),
    rule: impl Fn(jiff::civil::Date) -> Rule,
) -> Table {
    let basin = &ground.config.basin;
    let touching = ground.reports.filings.iter().filter(|filing| filing.from < to && from < filing.to);
    let rows = touching.map(|filing| {
        let (zh, en) = words::exemption(filing.kind);
        let named =
            filing.sections.iter().filter_map(|id| basin.sections.get(id.0)).map(|section| &section.name);
        let each = |of: fn(&Name) -> &str| named.clone().map(of).collect::<Vec<_>>().join("、");
        let counts = filing.counts(&rule(basin.date_at(filing.from)));
        vec![
            Cell::Plain(filing.id.clone()),
            Cell::text(each(|name| &name.zh), each(|name| &name.en)),
            Cell::Plain(filing.kind.key().to_owned()),
            Cell::text(zh, en),
            Cell::Time(Some(filing.from)),
            Cell::Time(Some(filing.to)),
            Cell::Time(Some(filing.filed)),
            Cell::Plain(filing.document.clone()),
            Cell::Name(filing.reason.clone()),
            match (counts, filing.standing) {
                (true, Standing::Approved) => {
                    let by = filing.approved_by.as_deref().unwrap_or_default();
                    Cell::text(format!("计（{by}批准）"), format!("counts, approved by {by}"))
                }
                (true, Standing::Listed | Standing::Open | Standing::Rejected) => Cell::text("计", "counts"),
                (false, Standing::Open) => {
                    Cell::Marked(name("不计（待审核）", "does not count: not approved"))
                }
                (false, Standing::Rejected) => {
                    Cell::Marked(name("不计（已驳回）", "does not count: rejected"))
                }
                (false, Standing::Listed | Standing::Approved) => {
                    Cell::Marked(name("不计", "does not count"))
                }
            },
        ]
    });
    Table {
        id: "filings",
        head: ("报备", "Filings"),
        columns: vec![
            Column::new("filing", ("报备", "Filing"), ""),
            Column::new("sections", ("断面", "Sections"), ""),
            Column::hidden("kind"),
            Column::new("exemption", ("类别", "Kind"), ""),
            Column::new("from", ("开始", "From"), ""),
            Column::new("to", ("结束", "To"), ""),
            Column::new("filed", ("报备时间", "Filed"), ""),
            Column::new("document", ("文号", "Document"), ""),
            Column::new("reason", ("原因", "Reason"), ""),
            Column::new("counts", ("是否计入", "Counts"), ""),
        ],
        rows: rows.collect(),
        most: 12,
        is_half: false,
        may_miss: true,
    }
}

/// What an entry of the calendar asks for.
fn asked(entry: &Entry) -> Name {
    match &entry.target {
        Target::Opening { opening, .. } => {
            let at = number::fixed(opening.percent(), 1);
            name(format!("开度 {at} %"), format!("at {at} %"))
        }
        Target::Flow { flow, .. } => {
            let flow = number::flow(flow.get());
            name(format!("过流 {flow} m³/s"), format!("passes {flow} m³/s"))
        }
        Target::Level { level, .. } => {
            let level = number::fixed(level.get(), 2);
            name(format!("保水位 {level} m"), format!("keeps {level} m"))
        }
        Target::Shut { .. } => name("关闭", "shut"),
        Target::Stay { .. } => name("保持不动", "stays where it is"),
        Target::Floor { floor, .. } => {
            let floor = number::flow(floor.get());
            name(format!("流量不低于 {floor} m³/s"), format!("held at {floor} m³/s or more"))
        }
    }
}

/// What the calendar holds for the day after.
fn announced(ground: Ground<'_>, day: Day) -> Table {
    let basin = &ground.config.basin;
    let end = day.to.saturating_add(SignedDuration::from_hours(24)).unwrap_or(day.to);
    let schedules = &ground.config.schedules;
    let turns = schedules.turns.iter().filter(|turn| turn.from < end && day.to < turn.to).map(|turn| {
        let named =
            basin.intakes.get(turn.intake.0).map_or_else(|| name("?", "?"), |intake| intake.name.clone());
        let rate = number::flow(turn.rate.get());
        let what = name(format!("取水 {rate} m³/s"), format!("takes {rate} m³/s"));
        (turn.from, turn.to, turn.id.clone(), named, what)
    });
    let window = Span { from: day.to, to: end };
    let positions = schedules.entries.iter().flat_map(|entry| {
        let spans = entry.when.spans(&basin.zone, window);
        spans.into_iter().map(move |span| {
            (
                span.from,
                span.to,
                entry.id.clone(),
                words::element(basin, entry.target.element()),
                asked(entry),
            )
        })
    });
    let mut all: Vec<_> = turns.chain(positions).collect();
    all.sort_by(|a, b| (a.0, &a.2).cmp(&(b.0, &b.2)));
    let rows = all.into_iter().map(|(from, to, id, named, what)| {
        vec![
            Cell::Plain(id),
            Cell::Name(named),
            Cell::Name(what),
            Cell::Time(Some(from)),
            Cell::Time(Some(to)),
        ]
    });
    Table {
        id: "announced",
        head: ("次日安排（日程）", "Announced for the next day"),
        columns: vec![
            Column::hidden("entry"),
            Column::new("name", ("对象", "Of"), ""),
            Column::new("what", ("安排", "What"), ""),
            Column::new("from", ("开始", "From"), ""),
            Column::new("to", ("结束", "To"), ""),
        ],
        rows: rows.collect(),
        most: 5,
        is_half: false,
        may_miss: true,
    }
}

/// The formulas with the numbers of a rule.
pub(super) fn formulas(rule: &Rule) -> Vec<Name> {
    let percent = |share: f64| number::fixed(share * 100.0, 0);
    let (hour, day, exempt) = (percent(rule.hour_valid), percent(rule.day_valid), percent(rule.exempt));
    let hours = |span: SignedDuration| number::fixed(span.as_secs_f64() / 3600.0, 1);
    let (episode, within) = (hours(rule.episode), hours(rule.filing_within));
    let tolerance = rule.tolerance.get();
    let kinds = |lang: Lang| {
        let words = rule.exemptions.iter().map(|kind| lang.word(words::exemption(*kind)));
        words.collect::<Vec<_>>().join(lang.word(("、", ", ")))
    };
    let id = &rule.id;
    vec![
        name(
            format!(
                "规则 {id}：目标为日界起始日期的下限。日均流量 = ∫Q·dt ÷ 有值时间（面积包围法）；样值保持到下一样值，最长 11 min。过期、可疑、坏值均为缺测，缺测不以数值代替。"
            ),
            format!(
                "Rule {id}. Target: the floor of the date the day begins on. Day mean = ∫Q·dt / time known; a sample holds until the next, at most 11 min. Stale, suspect and bad values are missing, and missing is never a number."
            ),
        ),
        name(
            format!(
                "小时有效：有值时间 ≥ {hour} %；日有效：有效小时 ≥ {day} %，否则为缺测日。日达标：日均 ≥ 目标 − {tolerance} m³/s，按未修约值比较；显示值三位有效数字，四舍六入五成双。"
            ),
            format!(
                "An hour is valid when at least {hour} % of it is known, a day when {day} % of its hours are; else it is missing. Pass: mean ≥ target − {tolerance} m³/s, not rounded; shown with three figures, a five rounded to even."
            ),
        ),
        name(
            "数据完整率 = 有效小时 ÷ 应测小时；在线率 = 有值分钟 ÷ 应测分钟。满足程度 = 达标天数 ÷ 评价天数；评价天数 = 应评天数 − 免考天数 − 缺测天数。",
            "Completeness = valid hours / due hours; online rate = minutes known / minutes due. Satisfaction = days met / days assessed; assessed = due − exempt − missing days.",
        ),
        name(
            format!(
                "低于目标时段：分钟均值连续低于目标，缺测分钟即中断；超过 {episode} h 的逐次列出。缺水量 = Σ max(0, 目标 − Q)·Δt，按分钟计。"
            ),
            format!(
                "Time below: minutes in a row whose mean lies below the target; a missing minute ends it; longer than {episode} h is listed. Deficit = Σ max(0, target − Q)·Δt by minute."
            ),
        ),
        name(
            format!(
                "免考日：计入的报备覆盖当日 ≥ {exempt} %。报备在事件开始前或开始后 {within} h 内提交方计入；类别：{}。",
                kinds(Lang::Zh)
            ),
            format!(
                "A day is exempt when filings that count cover at least {exempt} % of it. A filing counts when made before, or within {within} h after, the begin; kinds: {}.",
                kinds(Lang::En)
            ),
        ),
    ]
}
