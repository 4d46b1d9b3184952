//! What happened over time: rows at equal distances, for `series.csv` and the plots of the report.
//!
//! The distance grows with the length of the run, so that a year takes no more room than a month; what happens between
//! two rows is kept as least and largest value, so that no peak and no dip is lost.

use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::{
    Basin, GateId, InflowId, IntakeId, NodeId, Place, ReachId, ReservoirId, SectionId, WetlandId,
};
use qindan::control::routing;
use qindan::units::Discharge;

use crate::run::{Run, Tick};
use crate::score::Score;

/// Distance of two rows of a run of this length: a minute up to two days, ten minutes up to six weeks, then an hour.
///
/// A year has 8 760 rows, and the most there can be are 6 480 below an hour.
pub const fn every(length: Duration) -> Duration {
    const DAY: u64 = 86_400;
    match length.as_secs() {
        0..=172_800 => Duration::from_secs(60),
        172_801..=3_888_000 => Duration::from_secs(600),
        more if more <= 400 * DAY => Duration::from_secs(3600),
        _ => Duration::from_secs(6 * 3600),
    }
}

/// A value at a moment, with the least and the largest since the row before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Envelope {
    /// At the moment.
    pub now: f64,
    /// Least.
    pub least: f64,
    /// Largest.
    pub most: f64,
}

impl Envelope {
    /// Nothing yet.
    const EMPTY: Self = Self { now: 0.0, least: f64::INFINITY, most: f64::NEG_INFINITY };

    fn add(&mut self, value: f64) {
        *self = Self { now: value, least: self.least.min(value), most: self.most.max(value) };
    }
}

/// Values with their extremes since the one before, where these stand out from the line between both.
pub fn with_extremes(values: impl Iterator<Item = (f64, Option<Envelope>)>) -> Vec<(f64, Option<f64>)> {
    let mut samples = Vec::new();
    let mut before: Option<f64> = None;
    for (at, value) in values {
        let Some(value) = value else {
            samples.push((at, None));
            before = None;
            continue;
        };
        let (low, high) = before.map_or((value.now, value.now), |b| (b.min(value.now), b.max(value.now)));
        let out = 0.02 * (high - low).max(0.002 * high.abs());
        let extremes = [(value.least, value.least < low - out), (value.most, value.most > high + out)];
        samples.extend(extremes.into_iter().filter(|(_, out)| *out).map(|(extreme, _)| (at, Some(extreme))));
        samples.push((at, Some(value.now)));
        before = Some(value.now);
    }
    samples
}

/// A control section at a moment, m³/s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SectionRow {
    /// True flow.
    pub flow: Envelope,
    /// What its meter showed, when it could be used.
    pub seen: Option<f64>,
    /// Floor of the day.
    pub floor: Option<f64>,
    /// Set point the service held it by.
    pub setpoint: Option<f64>,
}

/// The truth and what was made of it at one moment; flows in m³/s, levels in m, openings 0..=1.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// After the start.
    pub at: Duration,
    /// When.
    pub utc: Timestamp,
    /// By section.
    pub sections: Vec<SectionRow>,
    /// Released into the river below the dam.
    pub release: Envelope,
    /// Release wanted.
    pub target: Option<f64>,
    /// By reservoir or pond.
    pub levels: Vec<f64>,
    /// By wetland.
    pub wetlands: Vec<f64>,
    /// By gate.
    pub openings: Vec<Envelope>,
    /// By inflow.
    pub inflows: Vec<f64>,
    /// Got, by intake.
    pub intakes: Vec<f64>,
    /// True flow at the stations of [`Way`].
    pub along: Vec<f64>,
}

/// The way from the dam to its farthest section with a floor, in stations some km apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Way {
    /// Distance from the dam, km, ascending, and where that is.
    pub stations: Vec<(f64, Place)>,
    /// Nodes on it.
    pub nodes: Vec<(f64, NodeId)>,
}

impl Way {
    /// Distance of two stations at most, km.
    const EACH_KM: f64 = 1.5;

    /// The longest way of a basin; empty when no reservoir serves a section.
    pub fn of(basin: &Basin) -> Self {
        let paths = routing::paths(basin);
        let length = |path: &routing::Path| -> f64 {
            path.way.iter().map(|stretch| stretch.share * length_km(basin, stretch.reach)).sum()
        };
        let Some(path) = paths.iter().max_by(|a, b| length(a).total_cmp(&length(b))) else {
            return Self::default();
        };
        let mut way = Self { stations: vec![(0.0, Place::Node(path.outlet))], nodes: Vec::new() };
        let mut from = 0.0;
        let name = |nodes: &mut Vec<_>, done: usize, km: f64| {
            let left = path.way.len() - done;
            nodes.extend(path.nodes.iter().filter(|(_, below)| *below == left).map(|(node, _)| (km, *node)));
        };
        for (done, stretch) in path.way.iter().enumerate() {
            name(&mut way.nodes, done, from);
            let km = stretch.share * length_km(basin, stretch.reach);
            let parts = (km / Self::EACH_KM).ceil().max(1.0);
            let mut part = 1.0;
            while part <= parts {
                let at = km * part / parts;
                way.stations.push((from + at, Place::Along { reach: stretch.reach, km: at }));
                part += 1.0;
            }
            from += km;
        }
        name(&mut way.nodes, path.way.len(), from);
        way
    }
}

fn length_km(basin: &Basin, reach: ReachId) -> f64 {
    basin.reaches.get(reach.0).map_or(0.0, |reach| reach.length_km)
}

/// Collects rows.
#[derive(Debug, Default)]
pub struct Series {
    /// Distance of two rows.
    pub every: Duration,
    /// So far.
    pub rows: Vec<Row>,
    /// Where [`Row::along`] was looked at.
    pub way: Way,
    flows: Vec<Envelope>,
    openings: Vec<Envelope>,
    release: Option<Envelope>,
}

impl Series {
    /// No rows yet, for a run of this length.
    pub fn new(basin: &Basin, length: Duration) -> Self {
        Self { every: every(length), way: Way::of(basin), ..Self::default() }
    }

    /// Takes in a tick.
    pub fn add(&mut self, run: &Run, score: &Score, tick: &Tick) {
        let (basin, plant) = (&run.case().config.basin, run.plant());
        self.flows.resize(basin.sections.len(), Envelope::EMPTY);
        for (at, flow) in self.flows.iter_mut().enumerate() {
            flow.add(plant.section_flow(SectionId(at)));
        }
        self.openings.resize(basin.gates.len(), Envelope::EMPTY);
        for (at, opening) in self.openings.iter_mut().enumerate() {
            opening.add(plant.gate_opening(GateId(at)));
        }
        self.release.get_or_insert(Envelope::EMPTY).add(score.release(plant));
        if self.rows.last().is_none_or(|row| tick.now.mono >= row.at + self.every) {
            self.row(run, tick);
        }
    }

    fn row(&mut self, run: &Run, tick: &Tick) {
        let (basin, plant) = (&run.case().config.basin, run.plant());
        let date = basin.date_at(tick.now.utc);
        let sections = std::mem::take(&mut self.flows).into_iter().zip(&basin.sections).enumerate();
        let seen = |section: &qindan::basin::Section| {
            let point = run.case().config.field.wiring.meters.get(section.meter.0).copied()??;
            run.controller().readings().get(point.0)?.usable()
        };
        let setpoint = |at: usize| run.controller().setpoint(SectionId(at), tick.now).map(Discharge::get);
        self.rows.push(Row {
            at: tick.now.mono,
            utc: tick.now.utc,
            sections: sections
                .map(|(at, (flow, section))| SectionRow {
                    flow,
                    seen: seen(section),
                    floor: section.floor_on(date).map(Discharge::get),
                    setpoint: setpoint(at),
                })
                .collect(),
            release: self.release.take().unwrap_or(Envelope::EMPTY),
            target: run.controller().first_target().map(Discharge::get),
            levels: (0..basin.reservoirs.len()).map(|at| plant.reservoir_level(ReservoirId(at))).collect(),
            wetlands: (0..basin.wetlands.len()).map(|at| plant.wetland_level(WetlandId(at))).collect(),
            openings: std::mem::take(&mut self.openings),
            inflows: (0..basin.inflows.len()).map(|at| plant.inflow(InflowId(at))).collect(),
            intakes: (0..basin.intakes.len()).map(|at| plant.intake_flow(IntakeId(at))).collect(),
            along: self.way.stations.iter().map(|(_, place)| plant.place_flow(*place)).collect(),
        });
    }

    /// Writes `series.csv`.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, run: &Run, out: impl Write) -> csv::Result<()> {
        let basin = &run.case().config.basin;
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(head(basin))?;
        let number = |q: f64| format!("{q:.4}");
        let maybe = |q: Option<f64>| q.map_or_else(String::new, number);
        let percent = |share: f64| format!("{:.2}", 100.0 * share);
        for row in &self.rows {
            let mut cells = vec![row.utc.to_string(), local(run, row.utc)];
            let envelope = |of: Envelope| [of.now, of.least, of.most];
            cells.extend(envelope(row.release).map(number));
            cells.push(maybe(row.target));
            for section in &row.sections {
                cells.extend(envelope(section.flow).map(number));
                cells.extend([section.seen, section.floor, section.setpoint].map(maybe));
            }
            cells.extend(row.levels.iter().chain(&row.wetlands).copied().map(number));
            cells.extend(row.openings.iter().flat_map(|opening| envelope(*opening).map(percent)));
            cells.extend(row.inflows.iter().chain(&row.intakes).copied().map(number));
            csv.write_record(&cells)?;
        }
        csv.flush()?;
        Ok(())
    }
}

/// The columns of `series.csv`, each with its unit.
fn head(basin: &Basin) -> Vec<String> {
    let mut head = ["time_utc", "time_local", "release_m3s", "release_min_m3s", "release_max_m3s"]
        .map(str::to_owned)
        .to_vec();
    head.push("release_wanted_m3s".into());
    for section in &basin.sections {
        for what in ["flow", "min", "max", "seen", "floor", "setpoint"] {
            head.push(format!("section.{}.{what}_m3s", section.id));
        }
    }
    head.extend(basin.reservoirs.iter().map(|body| format!("level.{}_m", body.id)));
    head.extend(basin.wetlands.iter().map(|wetland| format!("wetland.{}_m", wetland.id)));
    for gate in &basin.gates {
        head.extend(["", ".min", ".max"].map(|what| format!("gate.{}{what}_pct", gate.id)));
    }
    head.extend(basin.inflows.iter().map(|inflow| format!("inflow.{}_m3s", inflow.id)));
    head.extend(basin.intakes.iter().map(|intake| format!("intake.{}_m3s", intake.id)));
    head
}

/// An instant in the time of the site, with its offset.
pub fn local(run: &Run, utc: Timestamp) -> String {
    let zone = &run.case().config.basin.zone;
    utc.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Writes `actions.csv`: every command with reason and end.
///
/// # Errors
/// What the writer says.
pub fn write_actions(run: &Run, out: impl Write) -> csv::Result<()> {
    let basin = &run.case().config.basin;
    let names = qindan::shell::journal::Names::of(basin);
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record([
        "time_utc",
        "time_local",
        "command",
        "gate",
        "action",
        "from_pct",
        "to_pct",
        "words_hex",
        "actor",
        "why",
        "limited_by",
        "because_json",
        "limits_json",
        "write_json",
        "outcome",
        "outcome_json",
    ])?;
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    for act in run.given() {
        let (action, to) = match act.action {
            qindan::control::command::Action::Goto(to) => ("goto", format!("{:.2}", to.percent())),
            qindan::control::command::Action::Stop => ("stop", String::new()),
        };
        let words = act.words.iter().map(|word| format!("{word:04x}")).collect::<Vec<_>>().join(" ");
        let because = crate::decisions::named(&names, &act.because);
        let limits = crate::decisions::named(&names, &act.limits);
        csv.write_record([
            act.utc.to_string(),
            local(run, act.utc),
            act.command.0.to_string(),
            basin.gates.get(act.gate.0).map(|gate| gate.id.clone()).unwrap_or_default(),
            action.into(),
            act.before.map_or_else(String::new, |before| format!("{:.2}", before.percent())),
            to,
            words,
            act.actor.clone(),
            crate::decisions::causes(&because),
            crate::decisions::bounds(&limits),
            because.to_string(),
            limits.to_string(),
            json(serde_json::to_string(&act.write)),
            act.outcome.as_ref().map_or_else(|| "running".into(), qindan::shell::log_text::terminal),
            act.outcome.as_ref().map_or_else(String::new, |end| json(serde_json::to_string(end))),
        ])?;
    }
    csv.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_has_no_more_rows_than_hours() {
        let days = |days: u64| every(Duration::from_hours(24 * days)).as_secs();
        assert_eq!([days(1), days(9), days(45), days(365)], [60, 600, 600, 3600]);
    }

    #[test]
    fn a_dip_between_two_rows_is_kept() {
        let row = |now, least, most| Some(Envelope { now, least, most });
        let rows = [(0.0, row(2.0, 2.0, 2.0)), (600.0, row(2.0, 1.2, 2.0)), (1200.0, None)];
        let samples = with_extremes(rows.into_iter());
        assert_eq!(samples, [(0.0, Some(2.0)), (600.0, Some(1.2)), (600.0, Some(2.0)), (1200.0, None)]);
    }

    /// The way of the basin in `config/` is the Qin from the dam to Runcheng: 72 km, with Duanshi at km 40.
    #[test]
    fn the_way_leads_from_the_dam_to_its_last_section() {
        let config = qindan::config::load(&crate::scenario::above("config").unwrap()).unwrap();
        let way = Way::of(&config.basin);
        let km = |id: &str| {
            let node = config.basin.node(id).unwrap();
            way.nodes.iter().find(|(_, at)| *at == node).map(|(km, _)| km.round())
        };
        assert_eq!([km("zf_out"), km("duanshi"), km("runcheng")], [Some(0.0), Some(40.0), Some(72.0)]);
        assert!(way.stations.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[1].0 - pair[0].0 <= 1.501));
    }
}
