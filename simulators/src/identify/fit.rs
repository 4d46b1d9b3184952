//! Delay and store by robust least squares, with their uncertainty.
//!
//! Downstream flow y and upstream flow x, both less their running mean (slow laterals and losses go with it):
//!
//! ```text
//! s_k = s_{k−1} + Δt/(K + Δt) · (x_{k−τ} − s_{k−1})       a delay τ, then a linear store K
//! y_k = g · s_k + c + a · cos(ωt) + b · sin(ωt) + error    gain, what is left of the offset, a daily wave
//! ```
//!
//! For each τ and K the rest is linear and solved with Huber's weights; τ and K are searched on a grid and then by halving. The
//! travel time of a wave is τ + K, the mean of the answer. Its uncertainty comes from refitting to the fitted flow plus
//! resampled blocks of the errors (moving-block bootstrap, Künsch 1989), which keeps their correlation in time.

use std::f64::consts::TAU;

/// Errors count fully up to so many robust standard deviations. Source: Huber (1964), 95 % efficient.
const HUBER: f64 = 1.345;
/// Median absolute deviation to standard deviation of a normal distribution.
const MAD: f64 = 1.4826;
/// Rounds of weighting.
const WEIGHTINGS: usize = 4;
/// Length of a resampled block, h: the errors of a river forget within half a day.
const BLOCK_H: f64 = 12.0;
/// Resamplings.
const RESAMPLED: usize = 200;
/// Longest travel time looked for, h.
pub(super) const LONGEST_H: f64 = 96.0;
/// Regressors: answer, offset, daily wave.
const TERMS: usize = 4;
/// The store forgets what was before it within so many of its times.
const FORGETS: f64 = 4.0;

/// A fitted reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Delay, h.
    pub delay_h: f64,
    /// Time of the store, h.
    pub store_h: f64,
    /// Share of a change that arrives.
    pub gain: f64,
    /// Share of the variance downstream that is explained by the answer, 0..=1.
    pub explained: f64,
    /// Steps used.
    pub steps: usize,
}

impl Fit {
    /// Mean travel time of a wave, h.
    pub fn travel_h(&self) -> f64 {
        self.delay_h + self.store_h
    }
}

/// What is fitted: flows less their running means, and which steps count.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) up: Vec<Option<f64>>,
    pub(super) down: Vec<Option<f64>>,
    pub(super) counts: Vec<bool>,
    pub(super) step_h: f64,
}

/// A solution of the linear part.
struct Linear {
    terms: [f64; TERMS],
    cost: f64,
    explained: f64,
    steps: usize,
}

impl Problem {
    /// The best fit; `None` when too few steps are left or nothing depends on upstream.
    pub(super) fn fit(&self) -> Option<Fit> {
        let most = LONGEST_H.min(0.25 * self.step_h * float(self.up.len()));
        let mut best: Option<(f64, f64, f64)> = None;
        let mut delay = 0.0;
        while delay <= most {
            for store in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0] {
                let cost = self.linear(delay, store).map(|linear| linear.cost);
                if let Some(cost) = cost.filter(|cost| best.is_none_or(|best| *cost < best.2)) {
                    best = Some((delay, store, cost));
                }
            }
            delay += (0.06 * delay).max(2.0 * self.step_h);
        }
        let (delay, store, _) = best?;
        let (delay_h, store_h) = self.refine(delay, store);
        let linear = self.linear(delay_h, store_h)?;
        let [gain, ..] = linear.terms;
        Some(Fit { delay_h, store_h, gain, explained: linear.explained, steps: linear.steps })
    }

    /// Walks downhill from a point of the grid with steps that halve.
    fn refine(&self, delay: f64, store: f64) -> (f64, f64) {
        let cost = |delay: f64, store: f64| {
            self.linear(delay.max(0.0), store.max(0.02)).map_or(f64::INFINITY, |linear| linear.cost)
        };
        let (mut at, mut best) = ((delay, store), cost(delay, store));
        let mut step = (0.1 * delay).max(2.0 * self.step_h);
        while step > 0.1 * self.step_h {
            let moves = [(step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step), (step, -step), (-step, step)];
            let tried = moves.map(|(a, b)| ((at.0 + a).max(0.0), (at.1 + b).max(0.02)));
            let next = tried.into_iter().map(|(a, b)| (cost(a, b), (a, b)));
            match next.min_by(|a, b| a.0.total_cmp(&b.0)) {
                Some((cost, place)) if cost < best => (at, best) = (place, cost),
                Some(_) | None => step /= 2.0,
            }
        }
        at
    }

    /// Travel times refitted to resampled errors, ascending; deterministic in `seed`.
    pub(super) fn resampled(&self, fit: &Fit, seed: u64) -> Vec<f64> {
        let Some(linear) = self.linear(fit.delay_h, fit.store_h) else { return Vec::new() };
        let answer = self.answer(fit.delay_h, fit.store_h);
        let used: Vec<usize> = (0..self.down.len()).filter(|k| self.row(&answer, *k).is_some()).collect();
        let fitted = |k: usize| {
            let (row, _) = self.row(&answer, k)?;
            Some(row.iter().zip(linear.terms).map(|(x, term)| x * term).sum::<f64>())
        };
        let errors: Vec<f64> =
            used.iter().filter_map(|k| Some(self.down.get(*k).copied()?? - fitted(*k)?)).collect();
        let block = index((BLOCK_H / self.step_h).ceil()).clamp(1, errors.len().max(1));
        let mut random = Random(seed);
        let mut found = Vec::new();
        for _ in 0..RESAMPLED {
            let mut again = self.clone();
            let mut drawn = Vec::with_capacity(used.len());
            while drawn.len() < used.len() && errors.len() >= block {
                let from = random.below(errors.len() - block + 1);
                drawn.extend(errors.iter().skip(from).take(block));
            }
            for (k, error) in used.iter().zip(&drawn) {
                if let (Some(cell), Some(value)) = (again.down.get_mut(*k), fitted(*k)) {
                    *cell = Some(value + error);
                }
            }
            let (delay, store) = again.refine(fit.delay_h, fit.store_h);
            found.push(delay + store);
        }
        found.sort_by(f64::total_cmp);
        found
    }

    /// The upstream flow delayed and stored; `None` until the store has forgotten a gap.
    fn answer(&self, delay_h: f64, store_h: f64) -> Vec<Option<f64>> {
        let delay = delay_h / self.step_h;
        let whole = delay.floor();
        let share = delay - whole;
        let whole = index(whole);
        let weight = self.step_h / (store_h + self.step_h);
        let warm = index((FORGETS * store_h / self.step_h).ceil());
        let mut state: Option<(f64, usize)> = None;
        let at = |k: Option<usize>| k.and_then(|k| self.up.get(k).copied().flatten());
        (0..self.up.len())
            .map(|k| {
                let later = at(k.checked_sub(whole));
                let earlier = if share > 0.0 { at(k.checked_sub(whole + 1)) } else { later };
                let delayed = later.zip(earlier).map(|(later, earlier)| later + (earlier - later) * share);
                state = match (state, delayed) {
                    (Some((stored, age)), Some(x)) => Some((stored + weight * (x - stored), age + 1)),
                    (None, Some(x)) => Some((x, 0)),
                    (_, None) => None,
                };
                state.filter(|(_, age)| *age >= warm).map(|(stored, _)| stored)
            })
            .collect()
    }

    /// Regressors and flow of a step that counts.
    fn row(&self, answer: &[Option<f64>], k: usize) -> Option<([f64; TERMS], f64)> {
        let counts = self.counts.get(k).copied().unwrap_or(false);
        let (answer, y) = (answer.get(k).copied().flatten()?, self.down.get(k).copied().flatten()?);
        let day = TAU * self.step_h * float(k) / 24.0;
        counts.then(|| ([answer, 1.0, day.cos(), day.sin()], y))
    }

    /// Weighted least squares for a delay and a store.
    fn linear(&self, delay_h: f64, store_h: f64) -> Option<Linear> {
        let answer = self.answer(delay_h, store_h);
        let rows: Vec<_> = (0..self.down.len()).filter_map(|k| self.row(&answer, k)).collect();
        if rows.len() < 8 * TERMS {
            return None;
        }
        let mut terms = solve(&rows, |_| 1.0)?;
        let mut scale = 0.0;
        for _ in 0..WEIGHTINGS {
            let mut sizes: Vec<f64> = rows.iter().map(|row| error(row, &terms).abs()).collect();
            sizes.sort_by(f64::total_cmp);
            scale = (MAD * sizes.get(sizes.len() / 2).copied()?).max(1e-9);
            terms = solve(&rows, |row| {
                let size = error(row, &terms).abs() / scale;
                if size <= HUBER { 1.0 } else { HUBER / size }
            })?;
        }
        // Mean of Huber's ρ: fits with more or fewer steps stay comparable.
        let rho = |e: f64| {
            let size = e.abs();
            let knee = HUBER * scale;
            if size <= knee { 0.5 * e * e } else { knee * (size - 0.5 * knee) }
        };
        let n = float(rows.len());
        let cost = rows.iter().map(|row| rho(error(row, &terms))).sum::<f64>() / n;
        let [_, rest @ ..] = terms;
        let without = [0.0, rest[0], rest[1], rest[2]];
        let with = rows.iter().map(|row| rho(error(row, &terms))).sum::<f64>();
        let without = rows.iter().map(|row| rho(error(row, &without))).sum::<f64>();
        let explained = if without > 0.0 { (1.0 - with / without).clamp(0.0, 1.0) } else { 0.0 };
        Some(Linear { terms, cost, explained, steps: rows.len() })
    }
}

type Regression = ([f64; TERMS], f64);

fn error((row, y): &Regression, terms: &[f64; TERMS]) -> f64 {
    y - row.iter().zip(terms).map(|(x, term)| x * term).sum::<f64>()
}

/// Normal equations by Gauss with pivots; a term nothing speaks for becomes zero.
fn solve(rows: &[Regression], weight: impl Fn(&Regression) -> f64) -> Option<[f64; TERMS]> {
    let mut a = [[0.0; TERMS]; TERMS];
    let mut b = [0.0; TERMS];
    for row in rows {
        let w = weight(row);
        for ((line, right), x) in a.iter_mut().zip(&mut b).zip(&row.0) {
            for (cell, z) in line.iter_mut().zip(&row.0) {
                *cell += w * x * z;
            }
            *right += w * x * row.1;
        }
    }
    for (at, line) in a.iter_mut().enumerate() {
        // Keeps the matrix regular without moving a term that anything speaks for.
        line[at] += 1e-9 * (1.0 + line[at]);
    }
    for pivot in 0..TERMS {
        let (line, right) = (a[pivot], b[pivot]);
        if line[pivot].abs() < 1e-300 {
            return None;
        }
        for below in pivot + 1..TERMS {
            let factor = a[below][pivot] / line[pivot];
            for (cell, above) in a[below].iter_mut().zip(line) {
                *cell -= factor * above;
            }
            b[below] -= factor * right;
        }
    }
    let mut terms = [0.0; TERMS];
    for at in (0..TERMS).rev() {
        let known: f64 = (at + 1..TERMS).map(|other| a[at][other] * terms[other]).sum();
        terms[at] = (b[at] - known) / a[at][at];
    }
    Some(terms)
}

/// Same seed, same draws: `SplitMix64` (Steele, Lea and Flood 2014).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`, at least 1.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(1);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "steps of a record")]
pub(super) fn float(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "steps, never negative")]
pub(super) fn index(number: f64) -> usize {
    number.max(0.0) as usize
}
