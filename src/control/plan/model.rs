//! The programme of one reservoir: its releases over the horizon, and what every section below needs of them.

use serde::{Deserialize, Serialize};

use super::programme::{Programme, Sense, Solution, Unsolved, Var};
use super::{HORIZON_H, Plan, Step};
use crate::basin::{Basin, ControlParameters, SectionId};
use crate::control::dispatch;
use crate::control::estimate::{Ahead, River, Scene};
use crate::control::routing::{Pace, Path};

/// Water worth spending on one unit of shortage: the exchange rate between the first two goals. Assumed, as in the notes on
/// dispatch.
const SHORTAGE: f64 = 200.0;

/// Weight of a squared change of release, h: at 0.05 m³/s a change costs as much as that flow over a quarter of an hour.
/// Assumed; it keeps the gates still where nothing is gained.
const CHANGE: f64 = 10.0;

/// Hours between the moments at which a far section is looked at.
const LOOK_H: f64 = 1.0;

/// Half of the time over which a change of release is spread when it arrives, h. Assumed: the dispersion of a day's travel.
const SPREAD_H: f64 = 0.75;

/// Points a change is sampled at over that time.
const POINTS: u32 = 7;

/// A limit of a plan, as it is told with its price.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// A section at its set point, so many hours from now.
    Section(SectionId, f64),
    /// Rise or fall of the release within a step.
    Ramp,
    /// Least and largest release.
    Range,
    /// The release at the end of the horizon, which no section sees any more.
    End,
    /// No shortage below zero; never told.
    Slack,
}

/// What a plan is made from.
pub struct Task<'a> {
    /// Basin, schedules, time.
    pub scene: &'a Scene<'a>,
    /// The river as estimated.
    pub river: &'a River,
    /// All paths.
    pub paths: &'a [Path],
    /// The reservoir.
    pub source: usize,
    /// Release now, m³/s.
    pub present: f64,
}

/// Begin and length of the moves, h: hourly for a day, three-hourly beyond. Finer ones arrive as one, since a change
/// spreads over an hour and a half on its way.
pub fn grid() -> Vec<(f64, f64)> {
    let mut moves = Vec::new();
    let mut at = 0.0;
    for (length, until) in [(1.0, 24.0), (3.0, HORIZON_H)] {
        while at < until - 1e-9 {
            moves.push((at, length));
            at += length;
        }
    }
    moves
}

impl Limit {
    /// As the record and the workbench name it.
    pub fn told(self, basin: &Basin) -> serde_json::Value {
        match self {
            Self::Section(id, hours) => {
                let section = basin.sections.get(id.0).map(|section| section.id.as_str());
                serde_json::json!({ "section": section, "in_h": hours })
            }
            Self::Ramp => "ramp".into(),
            Self::Range => "range".into(),
            Self::End => "end".into(),
            Self::Slack => "slack".into(),
        }
    }
}

impl Task<'_> {
    /// Whether there is a section further down, and every drop on the way to one has passed a gauge under our eyes.
    pub fn is_known(&self) -> bool {
        let known = |(at, path): (usize, &Path)| {
            let pace = self.river.pace(self.scene, (path, at), self.present);
            self.river.is_primed(at) && self.river.young_for((path, at), &pace) <= 0.0
        };
        let is_far = |path: &Path| path.source.0 == self.source && !path.way.is_empty();
        let far = self.paths.iter().enumerate().filter(|(_, path)| is_far(path));
        far.clone().next().is_some() && far.into_iter().all(known)
    }

    /// Makes the plan.
    ///
    /// # Errors
    ///
    /// When the programme has no solution within the tolerance of the solver, or the plain river does not confirm it.
    pub fn solve(&self) -> Result<Plan, Unsolved> {
        let mut around = self.present;
        let mut plan = self.solve_around(around)?;
        // Travel times depend on the answer: once more around what the plan releases on the first day.
        let first_day = plan.mean(0.0, 24.0);
        if (first_day - around).abs() > 0.1 {
            around = first_day;
            plan = self.solve_around(around)?;
        }
        Ok(plan)
    }

    fn solve_around(&self, around: f64) -> Result<Plan, Unsolved> {
        let control = &self.scene.basin.control;
        let moves = grid();
        let mut programme = Programme::default();
        let vars = moves.iter().map(|(_, length)| programme.var(*length)).collect::<Vec<_>>();
        self.limits(&mut programme, &moves, &vars, control);
        let mut short = Vec::new();
        for (at, path) in self.paths.iter().enumerate().filter(|(_, path)| path.source.0 == self.source) {
            if path.way.is_empty() {
                self.near(&mut programme, (path, at), &moves, &vars, &mut short);
            } else {
                self.far(&mut programme, (path, at), around, (&moves, &vars), &mut short);
            }
        }
        let solution = programme.solve()?;
        Ok(self.told(&solution, &moves, &vars, &short))
    }

    /// Range and ramps of the release, and its end.
    fn limits(
        &self,
        programme: &mut Programme<Limit>,
        moves: &[(f64, f64)],
        vars: &[Var],
        control: &ControlParameters,
    ) {
        let mut before = None::<Var>;
        for ((_, length), var) in moves.iter().zip(vars) {
            programme.limit(Limit::Range, vec![(*var, 1.0)], Sense::AtLeast, 0.0);
            programme.limit(Limit::Range, vec![(*var, 1.0)], Sense::AtMost, control.siren_above.get());
            let seconds = length * 3600.0;
            let up = control.ramp_up.change.get() * (seconds / control.ramp_up.within_s).max(1.0);
            let down = control.ramp_down.change.get() * seconds / control.ramp_down.within_s;
            let (terms, given) = match before {
                Some(before) => (vec![(*var, 1.0), (before, -1.0)], 0.0),
                None => (vec![(*var, 1.0)], self.present),
            };
            programme.limit(Limit::Ramp, terms.clone(), Sense::AtMost, given + up);
            programme.limit(Limit::Ramp, terms, Sense::AtLeast, given - down);
            programme.square(*var, before, given, CHANGE);
            before = Some(*var);
        }
    }

    /// A section right below the dam: every move holds it.
    fn near(
        &self,
        programme: &mut Programme<Limit>,
        (path, at): (&Path, usize),
        moves: &[(f64, f64)],
        vars: &[Var],
        short: &mut Vec<(Var, f64)>,
    ) {
        for ((start, length), var) in moves.iter().zip(vars) {
            let Some((_, wanted)) = self.wanted((path, at), *start) else { continue };
            let slack = programme.var(SHORTAGE * length);
            let of = Limit::Section(path.section, *start);
            programme.limit(Limit::Slack, vec![(slack, 1.0)], Sense::AtLeast, 0.0);
            programme.limit(of, vec![(*var, 1.0), (slack, 1.0)], Sense::AtLeast, wanted);
            short.push((slack, *length));
        }
    }

    /// A section further down: it stands at its set point whether the river is fast, as expected or slow.
    fn far(
        &self,
        programme: &mut Programme<Limit>,
        (path, at): (&Path, usize),
        around: f64,
        (moves, vars): (&[(f64, f64)], &[Var]),
        short: &mut Vec<(Var, f64)>,
    ) {
        let pace = self.river.pace(self.scene, (path, at), around);
        let less = self.river.not_relied_on(self.scene, (path, at), &pace);
        let ways = [pace.early(), pace.expected(), pace.late()].map(|pace| {
            // The moves count as changes of the release as it stands, so that nothing hangs on where exactly the water
            // that has left ends and the water to come begins.
            let free = self.river.ahead(self.scene, (path, at), &pace, |_| self.present, HORIZON_H);
            (pace.over(&path.way).mid, free)
        });
        let looks = (1_u32..).map(|look| LOOK_H * f64::from(look)).take_while(|at| *at < HORIZON_H);
        for look in looks {
            let Some((floor, wanted)) = self.wanted((path, at), look) else { continue };
            let mut slack = None;
            // The margin stands for what a forecast misses, its timing too: a river faster or slower than expected keeps
            // the floor itself.
            for ((lag_h, free), wanted) in ways.iter().zip([floor, wanted, floor]) {
                let terms = arrives(path.gain, look - lag_h, moves, vars);
                let Some(free) = Ahead::at(free.section(), look).filter(|_| !terms.is_empty()) else {
                    continue;
                };
                let slack = *slack.get_or_insert_with(|| programme.var(SHORTAGE * LOOK_H));
                let of = Limit::Section(path.section, look);
                let held: f64 = terms.iter().map(|(_, share)| share * self.present).sum();
                let terms = terms.into_iter().chain([(slack, 1.0)]).collect();
                programme.limit(of, terms, Sense::AtLeast, wanted - (free.mid - less) + held);
            }
            if let Some(slack) = slack {
                programme.limit(Limit::Slack, vec![(slack, 1.0)], Sense::AtLeast, 0.0);
                short.push((slack, LOOK_H));
            }
        }
        end(programme, path, &pace, (moves, vars));
    }

    /// Floor and set point of a section so many hours from now.
    fn wanted(&self, (path, at): (&Path, usize), hours: f64) -> Option<(f64, f64)> {
        let (basin, date) = (self.scene.basin, self.scene.date_in(hours));
        let section = basin.sections.get(path.section.0)?;
        let raised = dispatch::raised(basin, self.scene.schedules, section, self.scene.utc, (hours, hours));
        let raised = raised.map(|(floor, _)| floor);
        let wanted = dispatch::setpoint_of(basin, section, (raised, self.river.error(at)), date)?;
        Some((section.floor_on(date)?.get(), wanted.get()))
    }

    fn told(
        &self,
        solution: &Solution<Limit>,
        moves: &[(f64, f64)],
        vars: &[Var],
        short: &[(Var, f64)],
    ) -> Plan {
        let steps = moves.iter().zip(vars).map(|((start, length), var)| Step {
            start_h: *start,
            length_h: *length,
            release: solution.value(*var).max(0.0),
        });
        let mut binding = solution.prices.clone();
        binding.retain(|(limit, _)| *limit != Limit::Slack);
        binding.sort_by(|a, b| b.1.total_cmp(&a.1));
        Plan {
            made: self.scene.utc,
            steps: steps.collect(),
            binding,
            short_m3: short.iter().map(|(var, hours)| solution.value(*var).max(0.0) * hours * 3600.0).sum(),
            iterations: solution.iterations,
        }
    }
}

/// What leaves too late to be seen by a section keeps to the last release that is: else every plan ends in a drop.
fn end(programme: &mut Programme<Limit>, path: &Path, pace: &Pace, (moves, vars): (&[(f64, f64)], &[Var])) {
    let seen_until = HORIZON_H - LOOK_H - pace.over(&path.way).late - SPREAD_H;
    let mut last = None;
    for ((start, length), var) in moves.iter().zip(vars) {
        match last {
            Some(last) if start + length > seen_until => {
                programme.limit(Limit::End, vec![(*var, 1.0), (last, -1.0)], Sense::AtLeast, 0.0);
            }
            Some(_) | None => last = Some(*var),
        }
    }
}

/// Share of each move that arrives of what left around `left` hours from now.
fn arrives(gain: f64, left: f64, moves: &[(f64, f64)], vars: &[Var]) -> Vec<(Var, f64)> {
    let mut terms = Vec::<(Var, f64)>::new();
    let each = gain / f64::from(POINTS);
    for point in 0..POINTS {
        let offset = SPREAD_H * (2.0 * f64::from(point) / f64::from(POINTS - 1) - 1.0);
        let at = left + offset;
        let found = moves.iter().zip(vars).find(|((start, length), _)| *start <= at && at < start + length);
        let Some((_, var)) = found else { continue };
        match terms.iter_mut().find(|(of, _)| of == var) {
            Some((_, share)) => *share += each,
            None => terms.push((*var, each)),
        }
    }
    terms
}
