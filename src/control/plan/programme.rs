//! A convex programme over the moves of a horizon: linear limits, linear costs, squared changes. Solved by Clarabel, an
//! interior-point method that stops by its iterations, never by a clock.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, NonnegativeConeT, SolverStatus, ZeroConeT};

/// Iterations after which a programme counts as unsolved. Assumed: plans take 10 to 25.
const ITERATIONS: u32 = 80;

/// A variable of a programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Var(usize);

/// How the sum of a row stands to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// No less.
    AtLeast,
    /// No more.
    AtMost,
    /// The same.
    Equal,
}

#[derive(Clone, Debug)]
struct Row<T> {
    of: T,
    terms: Vec<(Var, f64)>,
    sense: Sense,
    bound: f64,
}

/// The programme; `T` names a limit when its price is told.
#[derive(Clone, Debug)]
pub struct Programme<T> {
    costs: Vec<f64>,
    squares: Vec<(Var, Option<Var>, f64, f64)>,
    rows: Vec<Row<T>>,
}

/// What a programme came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution<T> {
    values: Vec<f64>,
    /// Limits that bind, with what one unit more of room would save; no signs.
    pub prices: Vec<(T, f64)>,
    /// Value of the objective.
    pub cost: f64,
    /// Iterations of the solver.
    pub iterations: u32,
}

impl<T> Solution<T> {
    /// Value of a variable.
    pub fn value(&self, var: Var) -> f64 {
        self.values.get(var.0).copied().unwrap_or(0.0)
    }
}

/// Why there is no solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsolved {
    /// A number of the programme is no number.
    #[error("a number of the programme is not finite")]
    NotFinite,
    /// The solver did not end with a solution.
    #[error("the solver ended with {0:?}")]
    Solver(SolverStatus),
}

impl<T> Default for Programme<T> {
    fn default() -> Self {
        Self { costs: Vec::new(), squares: Vec::new(), rows: Vec::new() }
    }
}

impl<T: Copy> Programme<T> {
    /// A new variable with its cost by unit.
    pub fn var(&mut self, cost: f64) -> Var {
        self.costs.push(cost);
        Var(self.costs.len() - 1)
    }

    /// Adds `weight` times half the square of `of` less `from` and less `given`.
    pub fn square(&mut self, of: Var, from: Option<Var>, given: f64, weight: f64) {
        self.squares.push((of, from, given, weight));
    }

    /// Adds a limit.
    pub fn limit(&mut self, of: T, terms: Vec<(Var, f64)>, sense: Sense, bound: f64) {
        self.rows.push(Row { of, terms, sense, bound });
    }

    /// Solves it.
    ///
    /// # Errors
    ///
    /// When a number is not finite, or the solver ends with anything but a solution within its tolerance.
    pub fn solve(&self) -> Result<Solution<T>, Unsolved> {
        if !self.is_finite() {
            return Err(Unsolved::NotFinite);
        }
        let (p, q) = self.objective();
        // Equal rows first: each cone of the solver is one block.
        let (equal, other): (Vec<&Row<T>>, Vec<&Row<T>>) =
            self.rows.iter().partition(|row| row.sense == Sense::Equal);
        let cones = [ZeroConeT(equal.len()), NonnegativeConeT(other.len())];
        let rows = equal.into_iter().chain(other).collect::<Vec<_>>();
        let (a, b) = self.constraints(&rows);
        let settings = DefaultSettings {
            verbose: false,
            max_iter: ITERATIONS,
            presolve_enable: false,
            ..DefaultSettings::default()
        };
        let Ok(mut solver) = DefaultSolver::new(&p, &q, &a, &b, &cones, settings) else {
            return Err(Unsolved::NotFinite);
        };
        solver.solve();
        let solution = &solver.solution;
        if solution.status != SolverStatus::Solved || solution.x.iter().any(|value| !value.is_finite()) {
            return Err(Unsolved::Solver(solution.status));
        }
        let binding = rows.iter().zip(&solution.z).map(|(row, price)| (row.of, price.abs()));
        Ok(Solution {
            values: solution.x.clone(),
            prices: binding.filter(|(_, price)| *price > LEAST_PRICE).collect(),
            cost: solution.obj_val,
            iterations: solution.iterations,
        })
    }

    fn is_finite(&self) -> bool {
        let rows = self.rows.iter().flat_map(|row| row.terms.iter().map(|(_, by)| *by).chain([row.bound]));
        let squares = self.squares.iter().flat_map(|(_, _, given, weight)| [*given, *weight]);
        self.costs.iter().copied().chain(rows).chain(squares).all(f64::is_finite)
    }

    /// Upper triangle of the quadratic part, and the linear part.
    fn objective(&self) -> (CscMatrix<f64>, Vec<f64>) {
        let mut q = self.costs.clone();
        let mut entries = Vec::new();
        for &(of, from, given, weight) in &self.squares {
            entries.push((of.0, of.0, weight));
            if let Some(value) = q.get_mut(of.0) {
                *value -= weight * given;
            }
            if let Some(from) = from {
                entries.push((from.0, from.0, weight));
                entries.push((of.0.max(from.0), of.0.min(from.0), -weight));
                if let Some(value) = q.get_mut(from.0) {
                    *value += weight * given;
                }
            }
        }
        (columns(self.costs.len(), self.costs.len(), entries), q)
    }

    /// The rows as the solver takes them: what they sum to and what is left over make the bound.
    fn constraints(&self, rows: &[&Row<T>]) -> (CscMatrix<f64>, Vec<f64>) {
        let mut entries = Vec::new();
        let mut bounds = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let sign = if row.sense == Sense::AtLeast { -1.0 } else { 1.0 };
            entries.extend(row.terms.iter().map(|(var, by)| (var.0, at, sign * by)));
            bounds.push(sign * row.bound);
        }
        (columns(rows.len(), self.costs.len(), entries), bounds)
    }
}

/// Prices below this are the solver's own tolerance.
const LEAST_PRICE: f64 = 1e-4;

/// A matrix from its entries (column, row, value); entries of one place are added.
fn columns(rows: usize, cols: usize, mut entries: Vec<(usize, usize, f64)>) -> CscMatrix<f64> {
    entries.sort_by_key(|(col, row, _)| (*col, *row));
    entries.dedup_by(|next, kept| {
        let same = (next.0, next.1) == (kept.0, kept.1);
        if same {
            kept.2 += next.2;
        }
        same
    });
    let mut starts = vec![0; cols + 1];
    for (col, _, _) in &entries {
        if let Some(start) = starts.get_mut(col + 1) {
            *start += 1;
        }
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let (index, values) = entries.into_iter().map(|(_, row, value)| (row, value)).unzip();
    CscMatrix::new(rows, cols, starts, index, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_that_meets_a_need_and_its_price() {
        // Least 2x + 3y with x + y at least 4 and x at most 3: x = 3, y = 1, cost 9. One more of the need costs 3,
        // one more of x saves 1.
        let mut programme = Programme::default();
        let (x, y) = (programme.var(2.0), programme.var(3.0));
        programme.limit("need", vec![(x, 1.0), (y, 1.0)], Sense::AtLeast, 4.0);
        programme.limit("x", vec![(x, 1.0)], Sense::AtMost, 3.0);
        programme.limit("y", vec![(y, 1.0)], Sense::AtLeast, 0.0);
        let solution = programme.solve().unwrap();
        assert!((solution.value(x) - 3.0).abs() < 1e-5 && (solution.value(y) - 1.0).abs() < 1e-5);
        assert!((solution.cost - 9.0).abs() < 1e-4);
        let price = |of: &str| solution.prices.iter().find(|(name, _)| *name == of).map_or(0.0, |(_, p)| *p);
        assert!((price("need") - 3.0).abs() < 1e-4 && (price("x") - 1.0).abs() < 1e-4);
        assert!(price("y").abs() < 1e-4);
    }

    #[test]
    fn squares_pull_together() {
        // Least of ½(x - 1)² + ½(y - x)² with y = 3: x - 1 = 3 - x, x = 2.
        let mut programme = Programme::default();
        let (x, y) = (programme.var(0.0), programme.var(0.0));
        programme.square(x, None, 1.0, 1.0);
        programme.square(y, Some(x), 0.0, 1.0);
        programme.limit((), vec![(y, 1.0)], Sense::Equal, 3.0);
        let solution = programme.solve().unwrap();
        assert!((solution.value(x) - 2.0).abs() < 1e-6, "{}", solution.value(x));
    }

    #[test]
    fn what_cannot_be_met_and_what_is_no_number_is_told() {
        let mut programme = Programme::default();
        let x = programme.var(1.0);
        programme.limit((), vec![(x, 1.0)], Sense::AtLeast, 2.0);
        programme.limit((), vec![(x, 1.0)], Sense::AtMost, 1.0);
        assert_eq!(programme.solve(), Err(Unsolved::Solver(SolverStatus::PrimalInfeasible)));
        programme.limit((), vec![(x, f64::NAN)], Sense::AtMost, 1.0);
        assert_eq!(programme.solve(), Err(Unsolved::NotFinite));
    }
}
