//! What happened over time: rows at equal distances, for `series.csv` and the plots of the report.

use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use qindan::basin::{GateId, InflowId, IntakeId, ReservoirId, SectionId};

use crate::run::{Run, Tick};
use crate::score::Score;

/// Distance of two rows.
pub const EVERY: Duration = Duration::from_secs(600);

/// The truth and what was made of it at one moment; flows in m³/s, levels in m, openings 0..=1.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// After the start.
    pub at: Duration,
    /// When.
    pub utc: Timestamp,
    /// True flow by section; for a section with a floor the least since the row before.
    pub sections: Vec<f64>,
    /// What its meter showed, by section, when it could be used.
    pub seen: Vec<Option<f64>>,
    /// Released into the river below the dam.
    pub release: f64,
    /// Release wanted.
    pub target: Option<f64>,
    /// By reservoir or pond.
    pub levels: Vec<f64>,
    /// By gate.
    pub openings: Vec<f64>,
    /// By inflow.
    pub inflows: Vec<f64>,
    /// Got, by intake.
    pub intakes: Vec<f64>,
}

/// Collects rows.
#[derive(Debug, Default)]
pub struct Series {
    /// So far.
    pub rows: Vec<Row>,
    least: Vec<f64>,
}

impl Series {
    /// Takes in a tick.
    pub fn add(&mut self, run: &Run, score: &Score, tick: &Tick) {
        let (basin, plant) = (&run.case().config.basin, run.plant());
        self.least.resize(basin.sections.len(), f64::INFINITY);
        for (at, least) in self.least.iter_mut().enumerate() {
            *least = least.min(plant.section_flow(SectionId(at)));
        }
        let due = self.rows.last().is_none_or(|row| tick.now.mono >= row.at + EVERY);
        if !due {
            return;
        }
        let status = run.controller().status(tick.now);
        self.rows.push(Row {
            at: tick.now.mono,
            utc: tick.now.utc,
            sections: std::mem::take(&mut self.least),
            seen: basin
                .sections
                .iter()
                .map(|section| {
                    let point = run.case().config.field.wiring.meters.get(section.meter.0).copied()??;
                    run.controller().readings().get(point.0)?.usable()
                })
                .collect(),
            release: score.release(plant),
            target: status.release.first().map(|release| release.target.get()),
            levels: (0..basin.reservoirs.len()).map(|at| plant.reservoir_level(ReservoirId(at))).collect(),
            openings: (0..basin.gates.len()).map(|at| plant.gate_opening(GateId(at))).collect(),
            inflows: (0..basin.inflows.len()).map(|at| plant.inflow(InflowId(at))).collect(),
            intakes: (0..basin.intakes.len()).map(|at| plant.intake_flow(IntakeId(at))).collect(),
        });
    }

    /// Writes `series.csv`.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, run: &Run, out: impl Write) -> csv::Result<()> {
        let basin = &run.case().config.basin;
        let mut csv = csv::Writer::from_writer(out);
        let mut head = vec!["time".to_owned(), "release_m3s".into(), "release_wanted_m3s".into()];
        for section in &basin.sections {
            head.push(format!("section.{}_m3s", section.id));
            head.push(format!("seen.{}_m3s", section.id));
        }
        head.extend(basin.reservoirs.iter().map(|body| format!("level.{}_m", body.id)));
        head.extend(basin.gates.iter().map(|gate| format!("gate.{}_pct", gate.id)));
        head.extend(basin.inflows.iter().map(|inflow| format!("inflow.{}_m3s", inflow.id)));
        head.extend(basin.intakes.iter().map(|intake| format!("intake.{}_m3s", intake.id)));
        csv.write_record(&head)?;
        let number = |q: f64| format!("{q:.4}");
        let maybe = |q: Option<f64>| q.map_or_else(String::new, number);
        for row in &self.rows {
            let mut cells = vec![local(run, row.utc), number(row.release), maybe(row.target)];
            for (flow, seen) in row.sections.iter().zip(&row.seen) {
                cells.push(number(*flow));
                cells.push(maybe(*seen));
            }
            cells.extend(row.levels.iter().copied().map(number));
            cells.extend(row.openings.iter().map(|opening| format!("{:.2}", 100.0 * opening)));
            cells.extend(row.inflows.iter().chain(&row.intakes).copied().map(number));
            csv.write_record(&cells)?;
        }
        csv.flush()?;
        Ok(())
    }
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
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record([
        "time", "command", "gate", "action", "from_pct", "to_pct", "register", "actor", "because", "limits",
        "write", "outcome",
    ])?;
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    for act in run.given() {
        let (action, to) = match act.action {
            qindan::control::command::Action::Goto(to) => ("goto", format!("{:.2}", to.percent())),
            qindan::control::command::Action::Stop => ("stop", String::new()),
        };
        let words = act.words.iter().map(|word| format!("{word:04x}")).collect::<Vec<_>>().join(" ");
        csv.write_record([
            local(run, act.utc),
            act.command.0.to_string(),
            basin.gates.get(act.gate.0).map(|gate| gate.id.clone()).unwrap_or_default(),
            action.into(),
            act.before.map_or_else(String::new, |before| format!("{:.2}", before.percent())),
            to,
            words,
            act.actor.clone(),
            json(serde_json::to_string(&act.because)),
            json(serde_json::to_string(&act.limits)),
            json(serde_json::to_string(&act.write)),
            act.outcome.as_ref().map_or_else(String::new, |end| json(serde_json::to_string(end))),
        ])?;
    }
    csv.flush()?;
    Ok(())
}
