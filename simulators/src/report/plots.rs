//! The plots of a run.

use qindan::basin::{GateId, ReservoirKind, Section};
use qindan::control::command::Terminal;

use crate::play::Played;
use crate::plot::axis::seconds;
use crate::plot::heat::Heat;
use crate::plot::time::{Chart, Heading, Lane, Line, Range, Shape, Tick};
use crate::plot::{Drawing, Pen};
use crate::scenario::{Scenario, What};
use crate::series::{Envelope, Row, with_extremes};

/// Width of all plots, px.
const WIDTH: f64 = 900.0;
/// Parts of the time axis: about one for two px.
const PARTS: usize = 420;
/// Inflows and intakes drawn, the largest first: there are so many pens.
const LINES: usize = 6;
/// Lanes of gates in one plot: no more than fit on a page.
const GATES: usize = 18;
/// Events with words in the lane; all stand in the table.
const EVENTS: usize = 60;

/// All plots of a run, in the order of the report.
pub fn all(played: &Played) -> Vec<Drawing> {
    let basin = &played.run.case().config.basin;
    let mut charts = Vec::new();
    for (at, section) in basin.sections.iter().enumerate() {
        if played.summary.sections.contains_key(&section.id) {
            let name = format!("section-{}", plain(&section.id));
            charts.push(chart(played, &name, &section.name.en, vec![floor_lane(played, at, section)]));
        }
    }
    charts.push(chart(played, "release", "Release, inflow and intakes", release(played)));
    let lanes = gates(played);
    for (at, part) in lanes.chunks(GATES).enumerate() {
        let name = if at == 0 { "gates".to_owned() } else { format!("gates-{}", at + 1) };
        charts.push(chart(played, &name, "Gate positions and events", part.to_vec()));
    }
    let mut drawings = charts.iter().map(Chart::draw).collect::<Vec<_>>();
    drawings.extend(transit(played));
    let mut rest = vec![chart(played, "levels", "Levels", levels(played))];
    let others = sections(played);
    if !others.is_empty() {
        rest.push(chart(played, "sections", "Other sections", others));
    }
    drawings.extend(rest.iter().map(Chart::draw));
    drawings
}

/// Letters, digits and hyphens only.
fn plain(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn chart(played: &Played, name: &str, label: &str, lanes: Vec<Lane>) -> Chart {
    let (case, rows) = (played.run.case(), &played.series.rows);
    let ends = rows.first().zip(rows.last());
    let time = ends.map_or((0.0, 1.0), |(first, last)| (seconds(first.utc), seconds(last.utc)));
    let spin_up = case.scenario.spin_up;
    Chart {
        name: name.into(),
        label: format!("{label}, {}", played.summary.scenario),
        width: WIDTH,
        time,
        zone: case.config.basin.zone.clone(),
        scored_from: (!spin_up.is_zero()).then_some(time.0 + spin_up.as_secs_f64()),
        parts: PARTS,
        lanes,
    }
}

/// A line through one value of each row.
fn line(played: &Played, label: &str, pen: Pen, shape: Shape, of: impl Fn(&Row) -> Option<f64>) -> Line {
    let samples = played.series.rows.iter().map(|row| (seconds(row.utc), of(row))).collect();
    Line { label: label.into(), pen, shape, samples }
}

/// A line through a value with its extremes between the rows, where they stand out.
fn envelope(
    played: &Played,
    label: &str,
    pen: Pen,
    shape: Shape,
    of: impl Fn(&Row) -> Option<Envelope>,
) -> Line {
    let values = played.series.rows.iter().map(|row| (seconds(row.utc), of(row)));
    let samples = with_extremes(values);
    Line { label: label.into(), pen, shape, samples }
}

fn floor_lane(played: &Played, at: usize, section: &Section) -> Lane {
    let mut lane =
        Lane::new(&section.name.en, &format!("{} 流量", section.name.zh), "m³/s", 170.0, Range::Flows);
    lane.lines = vec![
        line(played, "meter 仪表", Pen::Seen, Shape::Straight, |row| row.sections.get(at)?.seen),
        line(played, "set point 设定", Pen::SetPoint, Shape::Steps, |row| row.sections.get(at)?.setpoint),
        line(played, "floor 下限", Pen::Floor, Shape::Steps, |row| row.sections.get(at)?.floor),
        envelope(played, "true flow 实际", Pen::True, Shape::Straight, |row| {
            Some(row.sections.get(at)?.flow)
        }),
    ];
    lane.shortage = true;
    lane
}

/// Sections without a floor.
fn sections(played: &Played) -> Vec<Lane> {
    let basin = &played.run.case().config.basin;
    let others = basin.sections.iter().enumerate();
    others
        .filter(|(_, section)| !played.summary.sections.contains_key(&section.id))
        .map(|(at, section)| {
            let mut lane = Lane::new(&section.name.en, &section.name.zh, "m³/s", 74.0, Range::Flows);
            lane.lines = vec![
                line(played, "meter", Pen::Seen, Shape::Straight, |row| row.sections.get(at)?.seen),
                envelope(played, "true flow", Pen::True, Shape::Straight, |row| {
                    Some(row.sections.get(at)?.flow)
                }),
            ];
            lane
        })
        .collect()
}

fn release(played: &Played) -> Vec<Lane> {
    let basin = &played.run.case().config.basin;
    let mut dam = Lane::new("Release into the river", "坝下河道放水", "m³/s", 100.0, Range::Flows);
    dam.lines = vec![
        line(played, "wanted 目标", Pen::Wanted, Shape::Steps, |row| row.target),
        envelope(played, "released 实放", Pen::True, Shape::Straight, |row| Some(row.release)),
    ];
    let rows = &played.series.rows;
    let largest = |of: &dyn Fn(&Row) -> Option<f64>| rows.iter().filter_map(of).fold(0.0, f64::max);
    let mut inflows = (0..basin.inflows.len())
        .map(|at| (largest(&|row| row.inflows.get(at).copied()), at))
        .collect::<Vec<_>>();
    inflows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut came = Lane::new("Inflows, the largest six", "来水（最大六处）", "m³/s", 84.0, Range::Flows);
    for (nth, (_, at)) in inflows.iter().take(LINES).enumerate() {
        let Some(inflow) = basin.inflows.get(*at) else { continue };
        came.lines.push(line(played, &inflow.name.en, Pen::Nth(nth), Shape::Straight, |row| {
            row.inflows.get(*at).copied()
        }));
    }
    let mut took =
        Lane::new("Intakes, the largest six", "取水（最大六处）", "m³/s", 56.0, Range::Values(0.1));
    let mut at_work = (0..basin.intakes.len())
        .map(|at| (largest(&|row| row.intakes.get(at).copied()), at))
        .filter(|(most, _)| *most > 0.0)
        .collect::<Vec<_>>();
    at_work.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (nth, (_, at)) in at_work.into_iter().take(LINES).enumerate() {
        let Some(intake) = basin.intakes.get(at) else { continue };
        took.lines.push(line(played, &intake.name.en, Pen::Nth(nth), Shape::Steps, |row| {
            row.intakes.get(at).copied()
        }));
    }
    let mut lanes = vec![dam, came];
    if !took.lines.is_empty() {
        lanes.push(took);
    }
    lanes.into_iter().map(readable).collect()
}

/// A lane with short labels: what comes before the first comma or bracket, of more than three lines a few words.
fn readable(mut lane: Lane) -> Lane {
    let most = if lane.lines.len() > 3 { 18 } else { 40 };
    for line in &mut lane.lines {
        line.label = short(line.label.split([',', '(', '（']).next().unwrap_or_default(), most);
    }
    lane
}

fn gates(played: &Played) -> Vec<Lane> {
    let (case, acts) = (played.run.case(), played.run.given());
    let mut lanes = Vec::new();
    for (at, gate) in case.config.basin.gates.iter().enumerate() {
        let ticks = acts.iter().filter(|act| act.gate == GateId(at)).map(|act| Tick {
            at: seconds(act.utc),
            bad: matches!(act.outcome, Some(Terminal::Failed { .. } | Terminal::Expired)),
        });
        let ticks = ticks.collect::<Vec<_>>();
        let of = |row: &Row| row.openings.get(at).copied();
        let span =
            played.series.rows.iter().filter_map(of).fold((1.0_f64, 0.0_f64), |(low, high), opening| {
                (low.min(opening.least), high.max(opening.most))
            });
        if ticks.is_empty() && span.1 - span.0 < 0.01 {
            continue;
        }
        let mut lane =
            Lane::new(&format!("{} ({})", gate.name.en, gate.id), &gate.name.zh, "%", 34.0, Range::Percent);
        lane.heading = Heading::Small;
        let percent = |row: &Row| {
            of(row).map(|opening| Envelope {
                now: 100.0 * opening.now,
                least: 100.0 * opening.least,
                most: 100.0 * opening.most,
            })
        };
        lane.lines = vec![envelope(played, "", Pen::True, Shape::Steps, percent)];
        lane.ticks = ticks;
        lanes.push(lane);
    }
    let mut head = Lane::new(
        "Gate positions and events",
        "闸门开度与事件 · short strokes: commands 指令，bold: failed 失败",
        "",
        46.0,
        Range::Percent,
    );
    head.events =
        events(&case.scenario).into_iter().take(EVENTS).map(|(at, words)| (seconds(at), words)).collect();
    if head.events.is_empty() {
        head.height = 0.0;
    }
    lanes.insert(0, head);
    lanes
}

/// What the scenario lets happen, in words: its events by name, its turns by intake.
pub(super) fn events(scenario: &Scenario) -> Vec<(jiff::Timestamp, String)> {
    let mut events = Vec::new();
    for happening in &scenario.happenings {
        let who = match &happening.what {
            What::Event(_) | What::SlowLink { .. } => "",
            What::Act(_) => "operator: ",
            What::Demand { .. } => "user: ",
            What::ClockStep(_) => "clock of the service: ",
            What::Note(_) => "met: ",
        };
        let at = crate::inflow::instant(scenario.start, happening.at);
        events.push((at, format!("{who}{}", happening.id.replace('_', " "))));
    }
    for turn in scenario.intakes.iter().flat_map(|wants| &wants.turns) {
        let told = if turn.announced { "" } else { ", not announced" };
        events.push((turn.from, format!("turn of {:.2} m³/s begins{told}", turn.rate)));
        events.push((turn.to, format!("turn of {:.2} m³/s ends", turn.rate)));
    }
    let end = crate::inflow::instant(scenario.start, scenario.duration);
    events.retain(|(at, _)| *at >= scenario.start && *at <= end);
    events.sort();
    events
}

fn levels(played: &Played) -> Vec<Lane> {
    let basin = &played.run.case().config.basin;
    let mut lanes = Vec::new();
    for (at, body) in basin.reservoirs.iter().enumerate() {
        let large = body.kind == ReservoirKind::Reservoir;
        let of = |row: &Row| row.levels.get(at).copied();
        let values = || played.series.rows.iter().filter_map(of);
        let span = values().fold(0.0, f64::max) - values().fold(f64::INFINITY, f64::min);
        // A pond that never moved says nothing.
        if !large && span < 0.02 {
            continue;
        }
        let mut lane =
            Lane::new(&body.name.en, &body.name.zh, "m", if large { 74.0 } else { 36.0 }, Range::Values(0.1));
        lane.heading = if large { Heading::Above } else { Heading::Small };
        let pen = if large { Pen::True } else { Pen::Nth(0) };
        lane.lines = vec![line(played, "", pen, Shape::Straight, of)];
        let named = [(body.dead_level, "dead level 死水位"), (body.normal_level, "normal level 正常水位")];
        lane.limits =
            named.into_iter().filter_map(|(level, name)| Some((level?.get(), name.to_owned()))).collect();
        if !body.flood_limits.is_empty() {
            let limit =
                |row: &Row| body.flood_limit_on(basin.date_at(row.utc)).map(qindan::units::Stage::get);
            lane.lines.insert(0, line(played, "flood limit 汛限", Pen::Wanted, Shape::Steps, limit));
        }
        lanes.push(lane);
    }
    lanes
}

/// The space–time picture; none when no reservoir serves a section.
fn transit(played: &Played) -> Option<Drawing> {
    let basin = &played.run.case().config.basin;
    let way = &played.series.way;
    if way.stations.len() < 2 {
        return None;
    }
    let rows = &played.series.rows;
    let (first, last) = (rows.first()?, rows.last()?);
    let places =
        way.nodes.iter().filter_map(|(km, node)| Some((*km, short(&basin.nodes.get(node.0)?.name.en, 15))));
    let mut places = places.collect::<Vec<_>>();
    places.dedup_by(|a, b| a.1 == b.1);
    let heat = Heat {
        name: "transit".into(),
        title: (
            "Water in transit: flow from the dam to the last section".into(),
            "在途水量：距离 – 时间".into(),
        ),
        width: WIDTH,
        height: 250.0,
        time: (seconds(first.utc), seconds(last.utc)),
        zone: basin.zone.clone(),
        km: way.stations.iter().map(|(km, _)| *km).collect(),
        places,
        flows: rows.iter().map(|row| (seconds(row.utc), row.along.clone())).collect(),
    };
    Some(heat.draw())
}

/// The first words of a name, so many letters at most, without a small word at the end.
fn short(name: &str, most: usize) -> String {
    let name = name.split(['(', '（']).next().unwrap_or_default();
    let mut words: Vec<&str> = Vec::new();
    for word in name.split_whitespace() {
        let length: usize = words.iter().map(|word| word.chars().count() + 1).sum();
        if length + word.chars().count() > most && !words.is_empty() {
            break;
        }
        words.push(word);
    }
    while words.len() > 1
        && words.last().is_some_and(|word| word.len() < 4 || matches!(*word, "from" | "above" | "below"))
    {
        words.pop();
    }
    words.join(" ")
}
