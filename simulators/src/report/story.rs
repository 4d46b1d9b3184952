//! What was decided, what went wrong, what happened.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use qindan::basin::Duty;
use qindan::control::command::{Action, Terminal};
use qindan::report::alarms;
use qindan::shell::journal::Names;
use qindan::shell::log_text;

use super::tables::local;
use super::{Cell, heading, maybe, table};
use crate::decisions::{Line, bounds, causes, named};
use crate::play::Played;
use crate::plot::svg::escape;
use crate::run::Act;

/// Rows of the tables of releases and of actions at most.
const ACTIONS: usize = 40;
/// Rows of the table of happenings at most.
const HAPPENINGS: usize = 40;

/// How far a command was to move its gate.
fn size(act: &Act) -> f64 {
    match (act.action, act.before) {
        (Action::Goto(to), Some(from)) => (to.fraction() - from.fraction()).abs(),
        (Action::Goto(_), None) => 1.0,
        (Action::Stop, _) => 0.0,
    }
}

fn failed(act: &Act) -> bool {
    match &act.outcome {
        Some(Terminal::Failed { .. } | Terminal::Expired | Terminal::Abandoned) => true,
        Some(Terminal::Verified | Terminal::Superseded) | None => false,
    }
}

/// The actions to show: all, or those that failed, were not the dispatch's, or moved the river most in the scored time;
/// in order of time.
fn chosen(played: &Played) -> Vec<&Act> {
    let mut ranked = played.run.given().iter().collect::<Vec<_>>();
    if ranked.len() > ACTIONS {
        let case = played.run.case();
        let in_river = |act: &Act| {
            case.config.basin.gates.get(act.gate.0).is_some_and(|gate| match gate.duty {
                Duty::Trim | Duty::Standby | Duty::Base | Duty::PassOn | Duty::Flood => true,
                Duty::Supply | Duty::WetlandInlet | Duty::Level | Duty::SeasonLock | Duty::Emergency => false,
            })
        };
        let rank = |act: &Act| {
            (failed(act), act.actor != "dispatch", act.at >= case.scenario.spin_up, in_river(act))
        };
        ranked.sort_by(|a, b| rank(b).cmp(&rank(a)).then(size(b).total_cmp(&size(a))));
        ranked.truncate(ACTIONS);
        ranked.sort_by_key(|act| (act.at, act.command));
    }
    ranked
}

/// Releases set, rungs of the ladder, wishes refused, acts of people.
pub(super) fn releases(body: &mut String, played: &Played) {
    let log = &played.decisions;
    let mut shown = log.notable.iter().collect::<Vec<_>>();
    if shown.len() > ACTIONS {
        // The largest changes of release first, then what else was decided, the earliest first.
        let change = |line: &Line| {
            let number = |key: &str| line.detail.as_ref()?.get(key)?.as_f64();
            number("from_m3s").zip(number("to_m3s")).map_or(0.0, |(from, to)| (to - from).abs())
        };
        shown.sort_by(|a, b| change(b).total_cmp(&change(a)).then(a.at_s.total_cmp(&b.at_s)));
        shown.truncate(ACTIONS);
        shown.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    }
    let all = log.count - log.moves;
    let remark = if all == u64::try_from(shown.len()).unwrap_or(u64::MAX) {
        "all of them; with the commands in decisions.jsonl".to_owned()
    } else {
        format!("{} of {all}, the largest changes of release first; all in decisions.jsonl", shown.len())
    };
    heading(body, "Releases set, and what was not moved", "放水决定与不动作", &remark);
    let rows = shown.into_iter().map(|line| {
        let ladder = line.detail.as_ref().and_then(|detail| {
            let rung = |key: &str| detail.get(key)?.as_str().map(str::to_owned);
            Some(format!("ladder {} → {}", rung("rung_from")?, rung("rung_to")?))
        });
        let release = line.detail.as_ref().and_then(|detail| {
            let number = |key: &str| detail.get(key)?.as_f64();
            Some(format!("{:.3} → {:.3} m³/s", number("from_m3s")?, number("to_m3s")?))
        });
        let what = ladder.or(release).unwrap_or_else(|| line.what());
        vec![local(played, line.utc), what, line.actor.clone(), line.why.clone(), line.limited_by.clone()]
    });
    let head = [
        ("Time", "时刻", Cell::Short),
        ("Decided", "决定", Cell::Short),
        ("By", "由", Cell::Words),
        ("Because", "因为", Cell::Words),
        ("Limited by", "受限于", Cell::Words),
    ];
    table(body, &head, &rows.collect::<Vec<_>>());
}

/// Actions with reasons.
pub(super) fn decisions(body: &mut String, played: &Played) {
    let acts = played.run.given();
    let basin = &played.run.case().config.basin;
    let shown = chosen(played);
    let remark = if shown.len() < acts.len() {
        format!(
            "{} of {} commands: what failed, what was not the dispatch's, the largest moves on the river; all in actions.csv",
            shown.len(),
            acts.len()
        )
    } else {
        format!("all {} commands; {} decisions in decisions.jsonl", acts.len(), played.decisions.count)
    };
    heading(body, "Actions and reasons", "动作与理由", &remark);
    let names = Names::of(basin);
    let rows = shown.into_iter().map(|act| {
        let from = act.before.map_or_else(|| "?".into(), |before| format!("{:.1}", before.percent()));
        let moved = match act.action {
            Action::Goto(to) => format!("{from} → {:.1} %", to.percent()),
            Action::Stop => format!("stop at {from} %"),
        };
        vec![
            local(played, act.utc),
            basin.gates.get(act.gate.0).map(|gate| gate.id.clone()).unwrap_or_default(),
            moved,
            act.actor.clone(),
            causes(&named(&names, &act.because)),
            bounds(&named(&names, &act.limits)),
            act.outcome.as_ref().map_or_else(|| "running".into(), log_text::terminal),
        ]
    });
    let head = [
        ("Time", "时刻", Cell::Short),
        ("Gate", "对象", Cell::Short),
        ("Move", "动作", Cell::Number),
        ("By", "由", Cell::Words),
        ("Because", "因为", Cell::Words),
        ("Limited by", "受限于", Cell::Words),
        ("End", "终态", Cell::Words),
    ];
    table(body, &head, &rows.collect::<Vec<_>>());
}

/// How often an alarm came, when first, and how long it lasted in all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Raised {
    count: usize,
    first: Option<Timestamp>,
    since: Option<Timestamp>,
    active_s: f64,
}

/// Alarms raised.
pub(super) fn alarms(body: &mut String, played: &Played) {
    let log = &played.decisions;
    let end = played.series.rows.last().map(|row| row.utc);
    let mut all: BTreeMap<&str, Raised> = BTreeMap::new();
    for change in &log.alarms {
        let alarm = all.entry(change.key.as_str()).or_default();
        if change.change == "raised" {
            alarm.count += 1;
            alarm.first = alarm.first.or(Some(change.utc));
            alarm.since = alarm.since.or(Some(change.utc));
        } else if let Some(since) = alarm.since.take() {
            alarm.active_s += change.utc.duration_since(since).as_secs_f64();
        }
    }
    let more = if log.more_alarms > 0 {
        format!("{} further changes are left out", log.more_alarms)
    } else {
        String::new()
    };
    heading(body, "Alarms", "报警", &more);
    if all.is_empty() {
        body.push_str("<p class=\"caption\">none 无</p>\n");
        return;
    }
    let rows = all.iter().map(|(key, alarm)| {
        let (id, element) = key.split_once(':').unwrap_or((key, ""));
        let (zh, en) = alarms::title(id).unwrap_or((id, id));
        let open = alarm.since.zip(end).map_or(0.0, |(since, end)| end.duration_since(since).as_secs_f64());
        let priority =
            qindan::control::alarm::LIST.iter().find(|(known, ..)| *known == id).map(|(_, p, ..)| *p);
        vec![
            format!("{id} {en} {zh}"),
            element.to_owned(),
            maybe(priority),
            alarm.count.to_string(),
            maybe(alarm.first.map(|first| local(played, first))),
            format!("{:.1}", (alarm.active_s + open) / 3600.0),
            if alarm.since.is_some() { "still active 未消".into() } else { String::new() },
        ]
    });
    let head = [
        ("Alarm", "报警", Cell::Words),
        ("Element", "对象", Cell::Words),
        ("Priority", "级", Cell::Number),
        ("Times", "次", Cell::Number),
        ("First", "首次", Cell::Number),
        ("Active, h", "持续", Cell::Number),
        ("At the end", "结束时", Cell::Words),
    ];
    table(body, &head, &rows.collect::<Vec<_>>());
}

/// What the scenario let happen.
pub(super) fn happenings(body: &mut String, played: &Played) {
    let events = super::plots::events(&played.run.case().scenario);
    if events.is_empty() {
        return;
    }
    let remark = if events.len() > HAPPENINGS {
        format!("the first {HAPPENINGS} of {}; all in the scenario's file", events.len())
    } else {
        String::new()
    };
    heading(body, "What happened to the river", "情景事件", &remark);
    let rows = events.into_iter().take(HAPPENINGS).map(|(at, words)| vec![local(played, at), words]);
    table(body, &[("Time", "时刻", Cell::Short), ("Event", "事件", Cell::Words)], &rows.collect::<Vec<_>>());
}

/// Oddities of the records, and how to read the rest.
pub(super) fn notes(body: &mut String, played: &Played) {
    heading(body, "Notes", "说明", "");
    body.push_str("<ul>\n");
    let row = played.series.every.as_secs();
    let fixed = [
        format!(
            "Plots and series.csv have a row every {row} s; between rows the least and the largest flow and opening are kept. \
             A gap means that there was no value 空白即无值."
        ),
        "A minute is avoidable unless the reservoir was at its dead level, or a surprise (an unannounced turn, a trip, a gate \
         moved by strangers) had shown itself too late for water released then to arrive."
            .to_owned(),
        "Times are those of the site. Digests are SHA-256: configuration, and commands at register resolution.".to_owned(),
    ];
    for note in played.summary.notes.iter().chain(&fixed) {
        let _ = writeln!(body, "<li>{}</li>", escape(note));
    }
    body.push_str("</ul>\n");
}
