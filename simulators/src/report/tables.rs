//! Sums of the report: floors, wear, water, days.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Cell, heading, maybe, signed_percent, table, thousands};
use crate::account::{self, Cause};
use crate::play::Played;
use crate::plot::svg::escape;
use crate::score::Day;

/// Days shown each; a longer run is shown by month.
const DAYS: usize = 35;

/// An instant in the time of the site, without its year.
pub(super) fn local(played: &Played, utc: Timestamp) -> String {
    let zone = played.run.case().config.basin.zone.clone();
    utc.to_zoned_datetime(zone).strftime("%m-%d %H:%M:%S").to_string()
}

/// What each section got.
pub(super) fn floors(body: &mut String, played: &Played) {
    heading(body, "Floors", "生态流量下限", "below = true flow under floor − max(1 L/s, 0.5 %)");
    let basin = &played.run.case().config.basin;
    let rows = basin.sections.iter().filter_map(|section| {
        let score = played.summary.sections.get(&section.id)?;
        Some(vec![
            format!("{} {}", section.name.en, section.name.zh),
            format!("{:.2}", score.floor_m3s),
            format!("{:.3}", score.min_m3s),
            local(played, score.min_at),
            format!("{:.3}", score.mean_m3s),
            format!("{:.1}", score.minutes_below),
            format!("{:.1}", score.minutes_below_avoidable),
            maybe(score.unavoidable_minutes_below.map(|minutes| format!("{minutes:.1}"))),
            thousands(score.deficit_m3),
        ])
    });
    let head = [
        ("Section", "断面", Cell::Words),
        ("Floor m³/s", "下限", Cell::Number),
        ("Least", "最小", Cell::Number),
        ("On", "时间", Cell::Number),
        ("Mean", "平均", Cell::Number),
        ("Below, min", "欠流", Cell::Number),
        ("Avoidable", "可避免", Cell::Number),
        ("Unavoidable", "不可避免", Cell::Number),
        ("Missing m³", "欠水", Cell::Number),
    ];
    table(body, &head, &rows.collect::<Vec<_>>());
}

/// Wear of the gates.
pub(super) fn wear(body: &mut String, played: &Played) {
    heading(
        body,
        "Gate starts",
        "启闭次数",
        "limit 24 a day, aim 12, for what was commanded; units start at their stations' will; what stood still is left out",
    );
    let days = (played.score.seconds / 86_400.0).max(1e-9);
    let basin = &played.run.case().config.basin;
    let rows = basin.gates.iter().filter_map(|gate| {
        let wear = played.summary.gates.get(&gate.id)?;
        let commands = wear.commands;
        #[expect(clippy::cast_precision_loss, reason = "some starts")]
        let a_day = wear.starts as f64 / days;
        (wear.starts > 0 || commands > 0).then(|| {
            vec![
                format!("{} {}", gate.name.en, gate.name.zh),
                gate.id.clone(),
                commands.to_string(),
                wear.starts.to_string(),
                format!("{a_day:.1}"),
                wear.starts_worst_day.to_string(),
                format!("{:.2}", wear.travel),
            ]
        })
    });
    let head = [
        ("Gate", "闸门", Cell::Words),
        ("", "", Cell::Words),
        ("Commands", "指令", Cell::Number),
        ("Starts", "启动", Cell::Number),
        ("a day", "次/日", Cell::Number),
        ("worst day", "最多/日", Cell::Number),
        ("Travel, strokes", "行程", Cell::Number),
    ];
    table(body, &head, &rows.collect::<Vec<_>>());
}

/// All water of the basin.
pub(super) fn balance(body: &mut String, played: &Played) {
    let summary = &played.summary;
    let all = &summary.balance;
    let share = all.inflow_m3.max(1.0);
    heading(body, "Water balance", "水量平衡", "of the whole basin over the whole run, spin-up included");
    let used = all.outflow_m3 - all.bed_loss_m3 - all.evaporation_m3;
    let parts = [
        ("Inflow", "来水", all.inflow_m3),
        ("Used, and over the border", "取用与出境", -used),
        ("Lost into the bed", "河床渗漏", -all.bed_loss_m3),
        ("Evaporated and consumed by wetlands", "蒸发与湿地消耗", -all.evaporation_m3),
        ("Stored (more at the end)", "蓄变（末多于初）", -all.storage_change_m3),
        ("Error of the arithmetic", "闭合差", all.error_m3),
    ];
    let largest = parts.iter().map(|(.., volume)| volume.abs()).fold(1.0, f64::max);
    body.push_str(
        "<table><thead><tr><th>Part <small>项目</small></th><th class=\"n\">m³</th>\
         <th class=\"n\">of inflow <small>占来水</small></th><th></th></tr></thead><tbody>\n",
    );
    for (en, zh, volume) in parts {
        let (width, x) = (100.0 * volume.abs() / largest, if volume < 0.0 { 1.0 } else { 0.0 });
        let left = 100.0 - x * width;
        let number = if volume.abs() < 1.0 { format!("{volume:.1e}") } else { thousands(volume) };
        let _ = writeln!(
            body,
            "<tr><td>{en} <small>{zh}</small></td><td class=\"n\">{number}</td><td class=\"n\">{}</td>\
             <td><svg viewBox=\"0 0 200 8\" width=\"200\" height=\"8\"><path d=\"M100 0v8\" stroke=\"#8d959c\"/>\
             <rect x=\"{left:.1}\" y=\"1\" width=\"{width:.1}\" height=\"6\" fill=\"{}\"/></svg></td></tr>",
            signed_percent(volume / share),
            if volume < 0.0 { "#8d9aa5" } else { "#12324f" },
        );
    }
    body.push_str("</tbody></table>\n");
    let _ = writeln!(
        body,
        "<p class=\"caption\">Into the river below the dam: {} m³ in the scored time, of which {} m³ without spill; the steady \
         need of the same hours is {} m³ (坝下河道放水与恒定需求).</p>",
        thousands(summary.water.released_m3),
        thousands(summary.water.released_without_spill_m3),
        thousands(summary.water.need_m3)
    );
    let levels = played.run.case().config.basin.reservoirs.iter().filter_map(|reservoir| {
        let level = summary.reservoirs.get(&reservoir.id)?;
        let large = reservoir.kind == qindan::basin::ReservoirKind::Reservoir;
        large
            .then(|| format!("{} {:.2} → {:.2} m", reservoir.name.en, level.level_begin_m, level.level_end_m))
    });
    let levels = levels.collect::<Vec<_>>().join(" · ");
    let _ = writeln!(
        body,
        "<p class=\"caption\">Levels from begin to end of the scored time 水位: {}</p>",
        escape(&levels)
    );
}

/// Who wanted, who got, why not; and whether in the order of uses.
pub(super) fn uses(body: &mut String, played: &Played) {
    heading(
        body,
        "Uses",
        "用水",
        "in order of priority; account.zh.html and account.en.html have the months",
    );
    let book = &played.account.book;
    let rows = book.users.iter().enumerate().filter_map(|(at, user)| {
        let sums = &played.summary.uses.get(&user.id)?.served;
        let name = account::words(book, at);
        let cause = |cause: Cause| thousands(sums.short_m3.get(&cause).copied().unwrap_or(0.0));
        let head = [
            format!("{} {}", name.en, name.zh),
            user.rank.name().to_owned(),
            thousands(sums.wanted_m3),
            thousands(sums.got_m3),
        ];
        Some(head.into_iter().chain(Cause::ALL.map(cause)).collect::<Vec<_>>())
    });
    let head = [
        ("Use", "用户", Cell::Words),
        ("Rank", "次序", Cell::Short),
        ("Wanted m³", "需水", Cell::Number),
        ("Got", "供水", Cell::Number),
        ("Short: low store", "低库压减", Cell::Number),
        ("natural", "天然不足", Cell::Number),
        ("surprise", "突发", Cell::Number),
        ("band", "计量误差带", Cell::Number),
        ("avoidable", "可避免", Cell::Number),
    ];
    table(body, &head, &rows.collect::<Vec<_>>());
    let found = played.summary.order_lines().collect::<Vec<_>>();
    let gap = &played.summary.gap;
    let order = if found.is_empty() { "the order of uses was kept".to_owned() } else { found.join("; ") };
    let _ = writeln!(
        body,
        "<p class=\"caption\">{}. Of {} parts of the basin, {} closes worst: {:.1e} m³ (用水次序核对；各部分闭合差).</p>",
        escape(&order),
        gap.parts,
        escape(&gap.element),
        gap.error_m3
    );
}

/// Days or months in sums.
#[derive(Default)]
struct Sums {
    seconds: f64,
    released: f64,
    counted: f64,
    need: f64,
    /// By section: volume, least, below s.
    sections: Vec<(f64, f64, f64)>,
}

impl Sums {
    fn add(&mut self, day: &Day) {
        self.seconds += day.seconds;
        self.released += day.released;
        self.counted += day.counted_s;
        self.need += day.need * day.counted_s;
        self.sections.resize(day.sections.len(), (0.0, f64::INFINITY, 0.0));
        for (sum, section) in self.sections.iter_mut().zip(&day.sections) {
            sum.0 += section.volume;
            sum.1 = sum.1.min(section.least.map_or(f64::INFINITY, |(least, _)| least));
            sum.2 += section.below_s;
        }
    }
}

/// Day by day, or month by month.
pub(super) fn days(body: &mut String, played: &Played) {
    let basin = &played.run.case().config.basin;
    let monthly = played.score.days.len() > DAYS;
    let remark = "civil days of the site, 00:00 to 24:00; need = steady release that holds every floor";
    if monthly {
        heading(body, "Month by month", "逐月", remark);
    } else {
        heading(body, "Day by day", "逐日", remark);
    }
    let mut groups: BTreeMap<(Date, bool), Sums> = BTreeMap::new();
    for day in &played.score.days {
        let date = if monthly { day.date.first_of_month() } else { day.date };
        groups.entry((date, monthly)).or_default().add(day);
    }
    let with_floor = basin.sections.iter().enumerate();
    let with_floor = with_floor.filter(|(_, section)| played.summary.sections.contains_key(&section.id));
    let with_floor = with_floor.map(|(at, section)| (at, section.name.en.clone())).collect::<Vec<_>>();
    let mut head = vec![("Date".to_owned(), "日期", Cell::Short)];
    for (_, name) in &with_floor {
        head.push((format!("{name}: mean"), "日均", Cell::Number));
        head.push(("least".into(), "最小", Cell::Number));
        head.push(("below, min".into(), "欠流", Cell::Number));
    }
    head.push(("Released m³".into(), "放水", Cell::Number));
    head.push(("Need m³".into(), "需求", Cell::Number));
    head.push(("Above".into(), "超出", Cell::Number));
    let rows = groups.iter().map(|((date, monthly), sums)| {
        let mut row = vec![date.strftime(if *monthly { "%Y-%m" } else { "%m-%d" }).to_string()];
        for (at, _) in &with_floor {
            let (volume, least, below) = sums.sections.get(*at).copied().unwrap_or_default();
            row.push(format!("{:.3}", volume / sums.seconds.max(1.0)));
            row.push(if least.is_finite() { format!("{least:.3}") } else { "–".into() });
            row.push(format!("{:.0}", below / 60.0));
        }
        row.push(thousands(sums.released));
        row.push(thousands(sums.need));
        row.push(maybe((sums.need > 0.0).then(|| signed_percent(sums.released / sums.need - 1.0))));
        row
    });
    let head = head.iter().map(|(en, zh, cell)| (en.as_str(), *zh, *cell)).collect::<Vec<_>>();
    table(body, &head, &rows.collect::<Vec<_>>());
}
