//! What two runs of the river that differ in their release tell of its answers.
//!
//! The flow a section gains is the change of the release, spread over the hours after by parts. Those parts are
//! sought that explain what was seen and stay near what was thought before: the correction d of the prior p minimises
//!
//! ```text
//! Σ_t (y_t − Σ_j x_{t−j} (p_j + d_j))² + SMOOTH · E · Σ_j (d_{j−1} − 2 d_j + d_{j+1})² + NEAR · E · Σ_j d_j²
//! ```
//!
//! with x the change of the release, y that of the flow, and E = Σ x², solved by conjugate gradients.

/// Weight of a bent correction beside what was seen; chosen so that half a day is told, and an hour is not.
const SMOOTH: f64 = 1.0;
/// Weight of any correction beside what was seen.
const NEAR: f64 = 0.01;
/// Rounds of conjugate gradients at most.
const ROUNDS: usize = 120;
/// Less change of release than this tells nothing, (m³/s)²·h.
const LEAST: f64 = 0.02;

/// How a section changed from one run to another, by hour from the first on.
pub(super) struct Seen {
    /// Change of the release, m³/s.
    pub(super) release: Vec<f64>,
    /// Change of the flow, m³/s; `None` where it tells nothing.
    pub(super) flow: Vec<Option<f64>>,
}

impl Seen {
    /// What the change of the release comes to by parts, by hour.
    fn carried(&self, parts: &[f64]) -> Vec<f64> {
        (0..self.flow.len()).map(|hour| carried(&self.release, parts, hour)).collect()
    }

    /// The transposed: by hours after, what `flow` has in common with the release.
    fn traced(&self, flow: &[f64], parts: usize) -> Vec<f64> {
        let of = |after: usize| flow.iter().skip(after).zip(&self.release).map(|(y, x)| x * y).sum();
        (0..parts).map(of).collect()
    }

    /// `flow` where it was seen, else nothing.
    fn masked(&self, flow: Vec<f64>) -> Vec<f64> {
        flow.into_iter().zip(&self.flow).map(|(y, seen)| if seen.is_some() { y } else { 0.0 }).collect()
    }
}

/// Part of `release` that arrives in an hour when `parts` of it take so many hours.
pub(super) fn carried(release: &[f64], parts: &[f64], hour: usize) -> f64 {
    let until = release.get(..=hour).unwrap_or(release);
    let late = (hour + 1).saturating_sub(until.len());
    until.iter().rev().zip(parts.iter().skip(late)).map(|(x, part)| x * part).sum()
}

/// Parts that explain what was seen, near `prior`; none is negative.
pub(super) fn fit(prior: &[f64], seen: &[Seen]) -> Vec<f64> {
    let energy = seen.iter().flat_map(|seen| &seen.release).map(|x| x * x).sum::<f64>();
    if energy < LEAST {
        return prior.to_vec();
    }
    let n = prior.len();
    let normal = |d: &[f64]| {
        let weighed = bent(d).into_iter().zip(d).map(|(bent, d)| energy * (SMOOTH * bent + NEAR * d));
        let mut sum = weighed.collect::<Vec<_>>();
        for seen in seen {
            add(&mut sum, 1.0, &seen.traced(&seen.masked(seen.carried(d)), n));
        }
        sum
    };
    let mut rest = vec![0.0; n];
    for seen in seen {
        let expected = seen.carried(prior);
        let missed = seen.flow.iter().zip(expected).map(|(y, e)| y.map_or(0.0, |y| y - e));
        add(&mut rest, 1.0, &seen.traced(&missed.collect::<Vec<_>>(), n));
    }
    let mut d = vec![0.0; n];
    let mut along = rest.clone();
    let mut left = dot(&rest, &rest);
    let enough = 1e-16 * left;
    for _ in 0..ROUNDS {
        if left <= enough {
            break;
        }
        let image = normal(&along);
        let step = left / dot(&along, &image);
        add(&mut d, step, &along);
        add(&mut rest, -step, &image);
        let now = dot(&rest, &rest);
        along = rest.iter().zip(&along).map(|(r, a)| r + now / left * a).collect();
        left = now;
    }
    prior.iter().zip(d).map(|(p, d)| (p + d).max(0.0)).collect()
}

/// SᵀS·d with S the second difference; beyond its ends the correction is nothing.
fn bent(d: &[f64]) -> Vec<f64> {
    let difference = |d: Vec<f64>| {
        let padded = [vec![0.0], d, vec![0.0]].concat();
        padded
            .windows(3)
            .map(|w| w.iter().zip([1.0, -2.0, 1.0]).map(|(d, c)| c * d).sum())
            .collect::<Vec<f64>>()
    };
    difference(difference(d.to_vec()))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], factor: f64, from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A river that delays by eighteen hours and loses a tenth, thought to delay by fourteen: a front shows it.
    #[test]
    fn a_front_tells_delay_and_loss() {
        let bell = |middle: f64, gain: f64| {
            let parts = (0..40).map(|j| (-0.5 * ((f64::from(j) - middle) / 4.0).powi(2)).exp());
            let parts = parts.collect::<Vec<_>>();
            let sum = parts.iter().sum::<f64>();
            parts.into_iter().map(|part| gain * part / sum).collect::<Vec<_>>()
        };
        let (truth, prior) = (bell(18.0, 0.9), bell(14.0, 1.0));
        let release = (0..120).map(|t| if (20..60).contains(&t) { -0.3 } else { 0.0 }).collect::<Vec<_>>();
        let flow = (0..120).map(|t| Some(carried(&release, &truth, t))).collect();
        let found = fit(&prior, &[Seen { release, flow }]);
        let gain = found.iter().sum::<f64>();
        let delay = (0..40).map(f64::from).zip(&found).map(|(j, part)| j * part).sum::<f64>() / gain;
        assert!((gain - 0.9).abs() < 0.02 && (delay - 18.0).abs() < 0.5, "{gain} {delay}");
    }

    #[test]
    fn what_did_not_change_tells_nothing() {
        let prior = vec![0.0, 0.5, 0.5];
        let seen = Seen { release: vec![0.0; 9], flow: vec![Some(0.2); 9] };
        assert_eq!(fit(&prior, &[seen]), prior);
    }
}
