//! The river of the plan benchmark, as a programme: one reservoir, sections A and B, four reaches that each delay and store,
//! a tributary and an abstraction. Used by the bench and by the test that holds it to the recorded results.

use qindan::control::plan::programme::{Programme, Sense, Solution, Unsolved, Var};
use serde::Deserialize;

/// The benchmark as its file gives it; flows in m³/s, volumes in m³.
#[allow(non_snake_case, reason = "names of the file")]
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Benchmark {
    pub(crate) step_s: f64,
    pub(crate) steps: usize,
    floor_A_m3s: f64,
    floor_B_m3s: f64,
    release_min_m3s: f64,
    release_max_m3s: f64,
    ramp_m3s_per_step: f64,
    release_before_m3s: f64,
    tributary_before_m3s: f64,
    abstraction_before_m3s: f64,
    reaches: Vec<Reach>,
    storage_m3: Storage,
    inflow_m3s: f64,
    tributary_m3s: Vec<f64>,
    abstraction_m3s: Vec<f64>,
    pub(crate) reference: Vec<Reference>,
    pub(crate) policies: std::collections::BTreeMap<String, Policy>,
}

#[derive(Clone, Debug, Deserialize)]
struct Reach {
    lag_steps: usize,
    store_s: f64,
}

#[derive(Clone, Debug, Deserialize)]
struct Storage {
    start: f64,
    min: f64,
    max: f64,
}

/// What another solver made of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Reference {
    pub(crate) solver: String,
    pub(crate) wall_s: Option<serde_json::Value>,
}

/// What a simple policy comes to.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Policy {
    #[serde(rename = "shortage_B_m3")]
    pub(crate) shortage_b_m3: f64,
    #[serde(rename = "min_qB")]
    pub(crate) min_q_b: f64,
}

/// A release and what it comes to on the river of the file.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) shortage_m3: f64,
    pub(crate) released_m3: f64,
    pub(crate) movement_m3s: f64,
    pub(crate) least_b: f64,
}

/// What is asked for besides least shortage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    /// Steps of each move: one is free.
    pub(crate) block: usize,
    /// Cost of shortage, m³ of release for one of it.
    pub(crate) rate: f64,
    /// Cost of release, of itself.
    pub(crate) water: f64,
    /// Weight of a squared change.
    pub(crate) calm: f64,
    /// Cost of movement, by m³/s.
    pub(crate) movement: f64,
    /// Most shortage, m³.
    pub(crate) most_shortage: Option<f64>,
    /// Most released, m³.
    pub(crate) most_released: Option<f64>,
}

impl Goal {
    /// Shortage, then water, with changes squared to keep it calm.
    pub(crate) const WEIGHTED: Self = Self {
        block: 1,
        rate: 5000.0,
        water: 1.0,
        calm: 0.05,
        movement: 0.0,
        most_shortage: None,
        most_released: None,
    };
}

/// Unit of the store, steps of 1 m³/s: numbers not far from those of the flows keep the solver exact.
const STORE: f64 = 10.0;

/// Names of the limits are of no interest here.
type River = Programme<()>;

impl Benchmark {
    pub(crate) fn read() -> Self {
        let text = include_str!("../../golden/plan-benchmark.json");
        serde_json::from_str(text).unwrap()
    }

    /// Leaves only a share of the tributary.
    #[allow(dead_code, reason = "asked for by the tests only")]
    pub(crate) fn dry_up(&mut self, share: f64) {
        self.tributary_m3s.iter_mut().for_each(|flow| *flow *= share);
    }

    /// Lets more join in some steps, and begins with more in store.
    #[allow(dead_code, reason = "asked for by the tests only")]
    pub(crate) fn add_water(&mut self, steps: std::ops::Range<usize>, more: f64, stored_m3: f64) {
        self.tributary_m3s[steps].iter_mut().for_each(|flow| *flow += more);
        self.storage_m3.start = (self.storage_m3.start + stored_m3).min(self.storage_m3.max);
    }

    /// Runs a release through the recursions of the file.
    pub(crate) fn run(&self, release: &[f64]) -> Outcome {
        let mut before = self.release_before_m3s;
        let mut flow = release.to_vec();
        for (nth, reach) in self.reaches.iter().enumerate() {
            let (lag, store) = (reach.lag_steps, reach.store_s / self.step_s);
            let a = store / (1.0 + store);
            let mut last = before;
            let out = (0..self.steps).map(|k| {
                let entered = k.checked_sub(lag).map_or(before, |at| flow[at]);
                last = a * last + (1.0 - a) * entered;
                last
            });
            let mut out = out.collect::<Vec<_>>();
            for (k, flow) in out.iter_mut().enumerate() {
                *flow += self.beside(nth, k);
            }
            before += self.beside_before(nth);
            flow = out;
        }
        let short = |floor: f64, flow: &f64| (floor - flow).max(0.0) * self.step_s;
        let mut last = self.release_before_m3s;
        let moved = release.iter().map(|now| (now - std::mem::replace(&mut last, *now)).abs());
        Outcome {
            movement_m3s: moved.sum(),
            shortage_m3: release.iter().map(|flow| short(self.floor_A_m3s, flow)).sum::<f64>()
                + flow.iter().map(|flow| short(self.floor_B_m3s, flow)).sum::<f64>(),
            released_m3: release.iter().sum::<f64>() * self.step_s,
            least_b: flow.iter().copied().fold(f64::INFINITY, f64::min),
        }
    }

    /// What joins, positive, or is taken below a reach in a step.
    fn beside(&self, reach: usize, step: usize) -> f64 {
        match reach {
            0 => self.tributary_m3s[step],
            1 => -self.abstraction_m3s[step],
            _ => 0.0,
        }
    }

    fn beside_before(&self, reach: usize) -> f64 {
        match reach {
            0 => self.tributary_before_m3s,
            1 => -self.abstraction_before_m3s,
            _ => 0.0,
        }
    }

    /// The best release for `copies` such rivers fed by reservoirs that share one total store; the releases of the first.
    pub(crate) fn plan(&self, goal: Goal, copies: usize) -> Result<(Vec<f64>, Solution<()>), Unsolved> {
        let mut programme = River::default();
        let mut first = Vec::new();
        let (mut shortage, mut released) = (Vec::new(), Vec::new());
        let mut all = Vec::new();
        for _ in 0..copies {
            let release = self.release(&mut programme, goal, &mut released);
            self.sections(&mut programme, goal, &release, &mut shortage);
            if first.is_empty() {
                first.clone_from(&release);
            }
            all.push(release);
        }
        self.store(&mut programme, &all);
        if let Some(most) = goal.most_shortage {
            programme.limit((), shortage, Sense::AtMost, most / self.step_s);
        }
        if let Some(most) = goal.most_released {
            programme.limit((), released, Sense::AtMost, most / self.step_s);
        }
        let solution = programme.solve()?;
        let release = first.iter().map(|var| solution.value(*var)).collect();
        Ok((release, solution))
    }

    /// The release by step: range, ramps and the price of movement.
    fn release(&self, programme: &mut River, goal: Goal, released: &mut Vec<(Var, f64)>) -> Vec<Var> {
        let mut steps = Vec::new();
        let mut before = None::<Var>;
        while steps.len() < self.steps {
            let length = goal.block.min(self.steps - steps.len());
            let var = programme.var(goal.water * length as f64);
            programme.limit((), vec![(var, 1.0)], Sense::AtLeast, self.release_min_m3s);
            programme.limit((), vec![(var, 1.0)], Sense::AtMost, self.release_max_m3s);
            let (terms, given) = match before {
                Some(before) => (vec![(var, 1.0), (before, -1.0)], 0.0),
                None => (vec![(var, 1.0)], self.release_before_m3s),
            };
            programme.limit((), terms.clone(), Sense::AtMost, given + self.ramp_m3s_per_step);
            programme.limit((), terms.clone(), Sense::AtLeast, given - self.ramp_m3s_per_step);
            if goal.calm > 0.0 {
                programme.square(var, before, given, goal.calm);
            }
            if goal.movement > 0.0 {
                let moved = programme.var(goal.movement);
                let less =
                    |sign: f64| terms.iter().map(move |(var, by)| (*var, sign * by)).chain([(moved, -1.0)]);
                programme.limit((), less(1.0).collect(), Sense::AtMost, given);
                programme.limit((), less(-1.0).collect(), Sense::AtMost, -given);
            }
            released.push((var, length as f64));
            steps.extend(std::iter::repeat_n(var, length));
            before = Some(var);
        }
        steps
    }

    /// Flow at A and B with what is missing there.
    fn sections(&self, programme: &mut River, goal: Goal, release: &[Var], shortage: &mut Vec<(Var, f64)>) {
        let mut short = |programme: &mut River, flow: Var, floor: f64| {
            let missing = programme.var(goal.rate);
            programme.limit((), vec![(missing, 1.0)], Sense::AtLeast, 0.0);
            programme.limit((), vec![(flow, 1.0), (missing, 1.0)], Sense::AtLeast, floor);
            shortage.push((missing, 1.0));
        };
        for var in release {
            short(programme, *var, self.floor_A_m3s);
        }
        let mut flow = release.to_vec();
        let mut before = self.release_before_m3s;
        // What joins below the reach above enters this one; `beside` of a step before the first is that of before.
        let mut joins: Option<usize> = None;
        for (nth, reach) in self.reaches.iter().enumerate() {
            let store = reach.store_s / self.step_s;
            let a = store / (1.0 + store);
            let mut last = None::<Var>;
            let mut out = Vec::with_capacity(self.steps);
            for k in 0..self.steps {
                let var = programme.var(0.0);
                let mut terms = vec![(var, 1.0)];
                let mut given = 0.0;
                match last {
                    Some(last) => terms.push((last, -a)),
                    None => given += a * before,
                }
                match k.checked_sub(reach.lag_steps) {
                    Some(at) => {
                        terms.push((flow[at], a - 1.0));
                        given += (1.0 - a) * joins.map_or(0.0, |above| self.beside(above, at));
                    }
                    None => given += (1.0 - a) * before,
                }
                programme.limit((), terms, Sense::Equal, given);
                out.push(var);
                last = Some(var);
            }
            before += self.beside_before(nth);
            joins = Some(nth);
            flow = out;
        }
        for var in flow {
            short(programme, var, self.floor_B_m3s);
        }
    }

    /// The shared store: what has flowed in, less all releases, between its bounds.
    fn store(&self, programme: &mut River, releases: &[Vec<Var>]) {
        let copies = releases.len() as f64;
        // By river, numbers of the size of the flows.
        let bound = |volume: f64| volume / self.step_s / STORE;
        let mut last = None::<Var>;
        for k in 0..self.steps {
            let volume = programme.var(0.0);
            let mut terms = vec![(volume, 1.0)];
            let mut given = self.inflow_m3s / STORE;
            match last {
                Some(last) => terms.push((last, -1.0)),
                None => given += bound(self.storage_m3.start),
            }
            terms.extend(releases.iter().map(|release| (release[k], 1.0 / copies / STORE)));
            programme.limit((), terms, Sense::Equal, given);
            programme.limit((), vec![(volume, 1.0)], Sense::AtLeast, bound(self.storage_m3.min));
            programme.limit((), vec![(volume, 1.0)], Sense::AtMost, bound(self.storage_m3.max));
            last = Some(volume);
        }
    }
}

/// Shortage first, then water within 5 m³ of it, then movement within half a per cent of that.
pub(crate) fn staged(benchmark: &Benchmark) -> Result<Vec<f64>, Unsolved> {
    let first = Goal { water: 1e-4, rate: 1.0, calm: 0.0, ..Goal::WEIGHTED };
    let least = benchmark.run(&benchmark.plan(first, 1)?.0).shortage_m3;
    let most_shortage = Some(least + 5.0);
    let second = Goal { water: 1.0, calm: 1e-3, most_shortage, ..first };
    let water = benchmark.run(&benchmark.plan(second, 1)?.0).released_m3;
    let third = Goal {
        water: 0.0,
        rate: 0.01,
        movement: 1.0,
        calm: 1e-3,
        most_released: Some(1.005 * water),
        ..second
    };
    Ok(benchmark.plan(third, 1)?.0)
}
