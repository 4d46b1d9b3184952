//! What a run was worth: floors by true flow, water beside the steady need, wear.
//!
//! A minute counts as below a floor when the true flow is under floor − max(1 L/s, 0.5 %). It counts as avoidable
//! unless the reservoir stood at its dead level, or a surprise had become visible so shortly before that no water
//! released then could have arrived yet: a minute at the outlet, the travel time from the dam and a fifth at a section
//! further down. Surprises are turns nobody announced, trips, and gates moved by strangers.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use qindan::basin::{Duty, GateId, SectionId};
use qindan::control::Now;

use crate::need::{self, AtRest, Dam};
use crate::plant::{Event, Forcing, Plant};
use crate::scenario::{Case, What};

/// Sections nearer to their dam than this are held by its valves at once, h.
const LOCAL_H: f64 = 0.5;
/// Time in which a valve makes good the flow of a tripped unit. Source: target of the product.
const AT_ONCE: Duration = Duration::from_secs(60);
/// Late end of an arrival window in travel times.
pub(crate) const LATE: f64 = 1.2;

/// A step of the river that has been made.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Its end, counted from the start of the scenario.
    pub now: Now,
    /// Its length.
    pub dt: Duration,
    /// What the world did meanwhile.
    pub forcing: &'a Forcing,
}

/// Flow under which a floor counts as undercut, m³/s.
pub fn tolerated(floor: f64) -> f64 {
    floor - (0.005 * floor).max(0.001)
}

/// What a section got.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SectionScore {
    /// Lowest floor in force.
    pub floor: Option<f64>,
    /// Time below the floor, s.
    pub below_s: f64,
    /// Of which avoidable, s.
    pub avoidable_s: f64,
    /// Missing water while below, m³.
    pub deficit: f64,
    /// Least flow and when.
    pub least: Option<(f64, Timestamp)>,
    /// Flow times time, m³.
    pub volume: f64,
}

impl SectionScore {
    fn add(&mut self, flow: f64, floor: f64, dt: f64, utc: Timestamp, avoidable: bool) {
        self.floor = Some(self.floor.map_or(floor, |known| known.min(floor)));
        self.volume += flow * dt;
        if self.least.is_none_or(|(least, _)| flow < least) {
            self.least = Some((flow, utc));
        }
        if flow < tolerated(floor) {
            self.below_s += dt;
            self.deficit += (floor - flow) * dt;
            if avoidable {
                self.avoidable_s += dt;
            }
        }
    }
}

/// One civil day of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// Which.
    pub date: Date,
    /// Scored time, s.
    pub seconds: f64,
    /// By section of the basin.
    pub sections: Vec<SectionScore>,
    /// Released into the river, without the time of spill, m³.
    pub released: f64,
    /// Time without spill, s.
    pub counted_s: f64,
    /// Steady need under the day's mean forcing, m³/s; known at the end.
    pub need: f64,
    /// Sum of the forcing times time.
    forcing: Forcing,
}

/// Sums over a run.
pub struct Score {
    dam: Option<Dam>,
    outlets: Vec<GateId>,
    flood_gates: Vec<GateId>,
    surprises: Vec<Duration>,
    /// Happenings they are among; more join while the run goes on.
    happenings: usize,
    /// By section of the basin.
    pub sections: Vec<SectionScore>,
    /// Scored days in order.
    pub days: Vec<Day>,
    /// Released into the river in all, m³.
    pub released: f64,
    /// Starts and travel of each gate when scoring began.
    at_begin: Vec<(u64, f64)>,
    /// Starts of each gate at the begin of the present day, and most on one day.
    starts: Vec<(u64, u64)>,
    /// Reservoir levels when scoring began.
    pub levels_at_begin: Vec<f64>,
    /// Scored time, s.
    pub seconds: f64,
}

impl Score {
    /// Nothing scored yet.
    pub fn new(case: &Case) -> Self {
        let basin = &case.config.basin;
        let dam = need::dams(basin).into_iter().next();
        let outlets = dam.as_ref().map_or_else(Vec::new, |dam| need::outlets(basin, dam));
        let is_flood = |id: &GateId| basin.gates.get(id.0).is_some_and(|gate| gate.duty == Duty::Flood);
        Self {
            flood_gates: outlets.iter().copied().filter(is_flood).collect(),
            outlets,
            dam,
            surprises: surprises(case),
            happenings: case.scenario.happenings.len(),
            sections: vec![SectionScore::default(); basin.sections.len()],
            days: Vec::new(),
            released: 0.0,
            at_begin: Vec::new(),
            starts: Vec::new(),
            levels_at_begin: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Takes in the river after a step.
    pub fn add(&mut self, case: &Case, plant: &Plant, step: Step<'_>) {
        if self.happenings != case.scenario.happenings.len() {
            self.happenings = case.scenario.happenings.len();
            self.surprises = surprises(case);
        }
        if step.now.mono <= case.scenario.spin_up || self.at_begin.is_empty() {
            self.begin(case, plant);
            return;
        }
        let (basin, dt) = (&case.config.basin, step.dt.as_secs_f64());
        if dt <= 0.0 {
            return;
        }
        let middle = crate::inflow::instant(case.scenario.start, step.now.mono.saturating_sub(step.dt / 2));
        let date = basin.date_at(middle);
        if self.days.last().is_none_or(|day| day.date != date) {
            self.days.push(Day::new(date, basin.sections.len(), step.forcing));
            for (at, starts) in self.starts.iter_mut().enumerate() {
                starts.0 = plant.gate_starts(GateId(at));
            }
        }
        for (at, starts) in self.starts.iter_mut().enumerate() {
            starts.1 = starts.1.max(plant.gate_starts(GateId(at)) - starts.0);
        }
        let avoidable = basin
            .sections
            .iter()
            .enumerate()
            .map(|(at, _)| self.is_avoidable(at, case, plant, step.now.mono));
        let avoidable = avoidable.collect::<Vec<_>>();
        let release = self.release(plant);
        let spills = self.spills(plant);
        let Some(day) = self.days.last_mut() else { return };
        day.seconds += dt;
        self.seconds += dt;
        self.released += release * dt;
        if !spills {
            day.released += release * dt;
            day.counted_s += dt;
        }
        add_forcing(&mut day.forcing, step.forcing, dt);
        for (at, section) in basin.sections.iter().enumerate() {
            let Some(floor) = section.floor_on(date) else { continue };
            let flow = plant.section_flow(SectionId(at));
            let avoidable = avoidable.get(at).copied().unwrap_or(true);
            for score in [self.sections.get_mut(at), day.sections.get_mut(at)].into_iter().flatten() {
                score.add(flow, floor.get(), dt, step.now.utc, avoidable);
            }
        }
    }

    fn begin(&mut self, case: &Case, plant: &Plant) {
        let basin = &case.config.basin;
        let gates = (0..basin.gates.len()).map(GateId);
        self.at_begin =
            gates.clone().map(|gate| (plant.gate_starts(gate), plant.gate_travel(gate))).collect();
        self.starts = gates.map(|gate| (plant.gate_starts(gate), 0)).collect();
        self.levels_at_begin = (0..basin.reservoirs.len())
            .map(|at| plant.reservoir_level(qindan::basin::ReservoirId(at)))
            .collect();
    }

    /// Computes the needs of the days.
    pub fn finish(&mut self, case: &Case) {
        let Some(dam) = &self.dam else { return };
        let mut river = None;
        for day in &mut self.days {
            let mean = scaled(&day.forcing, 1.0 / day.seconds.max(1.0));
            let noon = case.config.basin.zone.to_ambiguous_timestamp(day.date.at(12, 0, 0, 0)).compatible();
            let utc = noon.unwrap_or(case.scenario.start);
            let river =
                river.get_or_insert_with(|| AtRest::new(&case.truth.of(&case.config), dam, utc, &mean));
            day.need = river.need(utc, &mean);
        }
    }

    /// Released and needed over the time without spill, m³.
    pub fn water(&self) -> (f64, f64) {
        let released = self.days.iter().map(|day| day.released).sum();
        let need = self.days.iter().map(|day| day.need * day.counted_s).sum();
        (released, need)
    }

    /// Days, scored for twelve hours at least, on which the mean flow of a section was below its floor.
    pub fn days_below(&self, section: usize) -> usize {
        let whole = self.days.iter().filter(|day| day.seconds >= 43_200.0);
        let below = whole.filter_map(|day| {
            let score = day.sections.get(section)?;
            Some(score.volume / day.seconds < tolerated(score.floor?))
        });
        below.filter(|below| *below).count()
    }

    /// Starts, travel (strokes) and most starts on one day of a gate, since scoring began.
    pub fn wear(&self, plant: &Plant, gate: GateId) -> (u64, f64, u64) {
        let (starts, travel) = self.at_begin.get(gate.0).copied().unwrap_or_default();
        let most = self.starts.get(gate.0).map_or(0, |starts| starts.1);
        (plant.gate_starts(gate) - starts, plant.gate_travel(gate) - travel, most)
    }

    /// Flow released into the river below the dam, m³/s.
    pub fn release(&self, plant: &Plant) -> f64 {
        let spill = self.dam.as_ref().map_or(0.0, |dam| plant.spill(dam.reservoir));
        self.outlets.iter().map(|gate| plant.gate_flow(*gate)).sum::<f64>() + spill
    }

    fn spills(&self, plant: &Plant) -> bool {
        let over = self.dam.as_ref().is_some_and(|dam| plant.spill(dam.reservoir) > 0.0);
        // A shut gate leaks; that is no spill.
        over || self.flood_gates.iter().any(|gate| plant.gate_opening(*gate) > 0.0)
    }

    fn is_avoidable(&self, section: usize, case: &Case, plant: &Plant, now: Duration) -> bool {
        let Some(dam) = &self.dam else { return true };
        let body = case.config.basin.reservoirs.get(dam.reservoir.0);
        let dead = body.and_then(|body| body.dead_level).map(qindan::units::Stage::get);
        if dead.is_some_and(|dead| plant.reservoir_level(dam.reservoir) <= dead) {
            return false;
        }
        let lag_h = dam.sections.iter().find(|(id, _)| id.0 == section).map_or(0.0, |(_, lag_h)| *lag_h);
        let reach = if lag_h < LOCAL_H { AT_ONCE } else { Duration::from_secs_f64(LATE * lag_h * 3600.0) };
        !self.surprises.iter().any(|at| *at <= now && now <= *at + reach)
    }
}

impl Day {
    fn new(date: Date, sections: usize, like: &Forcing) -> Self {
        Self {
            date,
            seconds: 0.0,
            sections: vec![SectionScore::default(); sections],
            released: 0.0,
            counted_s: 0.0,
            need: 0.0,
            forcing: scaled(like, 0.0),
        }
    }

    /// Released beyond the need, as a share of it.
    pub fn above_need(&self) -> Option<f64> {
        let need = self.need * self.counted_s;
        (need > 0.0).then(|| self.released / need - 1.0)
    }
}

fn scaled(forcing: &Forcing, factor: f64) -> Forcing {
    Forcing {
        inflows: forcing.inflows.iter().map(|q| q * factor).collect(),
        intakes: forcing.intakes.iter().map(|q| q * factor).collect(),
        extra_loss: forcing.extra_loss * factor,
        lateral_extra: forcing.lateral_extra.iter().map(|(place, q)| (*place, q * factor)).collect(),
    }
}

fn add_forcing(sum: &mut Forcing, forcing: &Forcing, dt: f64) {
    let add = |sum: &mut [f64], values: &[f64]| {
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value * dt);
    };
    add(&mut sum.inflows, &forcing.inflows);
    add(&mut sum.intakes, &forcing.intakes);
    sum.extra_loss += forcing.extra_loss * dt;
    for ((_, sum), (_, value)) in sum.lateral_extra.iter_mut().zip(&forcing.lateral_extra) {
        *sum += value * dt;
    }
}

/// When something became visible that nobody could know before.
pub(crate) fn surprises(case: &Case) -> Vec<Duration> {
    let scenario = &case.scenario;
    let after = |utc: Timestamp| Duration::try_from(utc.duration_since(scenario.start)).unwrap_or_default();
    let turns = scenario.intakes.iter().flat_map(|wants| &wants.turns).filter(|turn| !turn.announced);
    let happened = scenario.happenings.iter().filter(|happening| is_surprise(&happening.what));
    turns.map(|turn| after(turn.from)).chain(happened.map(|happening| happening.at)).collect()
}

fn is_surprise(what: &What) -> bool {
    match what {
        What::Act(_) | What::ClockStep(_) | What::SlowLink { .. } | What::Note(_) => false,
        What::Demand { rate, .. } => rate.is_some(),
        What::Event(event) => match event {
            Event::Trip { .. }
            | Event::MoveOnSite { .. }
            | Event::ForeignTarget { .. }
            | Event::SecondMaster { .. }
            | Event::Inflows { .. }
            | Event::Peaking { .. } => true,
            Event::ResetTrip { .. }
            | Event::Stick { .. }
            | Event::Free { .. }
            | Event::Local { .. }
            | Event::Remote { .. }
            | Event::Restart { .. }
            | Event::Estop { .. }
            | Event::SecondMasterGone { .. }
            | Event::Wear { .. }
            | Event::LimitSwitch { .. }
            | Event::PositionFrozen { .. }
            | Event::PositionOffset { .. }
            | Event::PositionNoise { .. }
            | Event::PositionNormal { .. }
            | Event::MeterFrozen { .. }
            | Event::MeterStuck { .. }
            | Event::MeterBias { .. }
            | Event::MeterDrift { .. }
            | Event::MeterSpike { .. }
            | Event::MeterNoise { .. }
            | Event::MeterUnit { .. }
            | Event::MeterWordOrder { .. }
            | Event::MeterReversed { .. }
            | Event::MeterTotal { .. }
            | Event::MeterZero { .. }
            | Event::MeterLate { .. }
            | Event::MeterWeather { .. }
            | Event::MeterIce { .. }
            | Event::MeterWeed { .. }
            | Event::MeterBackwater { .. }
            | Event::MeterAir { .. }
            | Event::MeterSentinel { .. }
            | Event::MeterNormal { .. }
            | Event::Unplug { .. }
            | Event::Plug { .. }
            | Event::Lossy { .. }
            | Event::SharedUnit { .. }
            | Event::OwnUnit { .. }
            | Event::Wave { .. }
            | Event::Ebb {}
            | Event::CutLink { .. }
            | Event::MendLink { .. } => false,
        },
    }
}
