//! Quantiles: by plotting position, and of the Pearson III distribution by moments.

/// Value not exceeded with probability `p` by Weibull's plotting position m/(n + 1), straight between positions; `None` when
/// the list (ascending) is too short to reach it. Source: Weibull (1939); Chow, Maidment and Mays (1988), 12.2.
pub fn weibull(ascending: &[f64], p: f64) -> Option<f64> {
    let place = p * (float(ascending.len()) + 1.0);
    let below = place.floor();
    // The last position itself is still reached.
    let nearly = |a: f64, b: f64| (a - b).abs() < 1e-9;
    if place < 1.0 && !nearly(place, 1.0)
        || place > float(ascending.len()) && !nearly(place, float(ascending.len()))
    {
        return None;
    }
    let at = |rank: f64| ascending.get(index(rank.max(1.0)) - 1).copied();
    let low = at(below)?;
    let high = at((below + 1.0).min(float(ascending.len())))?;
    Some(low + (high - low) * (place - below).clamp(0.0, 1.0))
}

/// Years a record needs before [`weibull`] reaches a probability `p` of not being exceeded.
pub fn years_for(p: f64) -> usize {
    index((1.0 / p - 1.0 - 1e-9).ceil())
}

/// Mean, standard deviation and coefficient of skew of a sample, without bias (n − 1, and n/((n − 1)(n − 2))).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// Coefficient of skew.
    pub skew: f64,
}

impl Moments {
    /// Of at least three values that are not all the same.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = float(values.len());
        if n < 3.0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let power = |exponent: i32| values.iter().map(|x| (x - mean).powi(exponent)).sum::<f64>();
        let deviation = (power(2) / (n - 1.0)).sqrt();
        if deviation <= 1e-12 * mean.abs() {
            return None;
        }
        let skew = n * power(3) / ((n - 1.0) * (n - 2.0) * deviation.powi(3));
        Some(Self { mean, deviation, skew })
    }

    /// Value not exceeded with probability `p`: mean + K(p, skew) · deviation.
    pub fn pearson3(self, p: f64) -> f64 {
        self.mean + frequency_factor(p, self.skew) * self.deviation
    }
}

/// Skews nearer to zero than this are taken as a normal distribution with the first term of its correction.
const STRAIGHT: f64 = 0.02;
/// Halvings of an interval: 2⁻⁶⁰ of it is left.
const HALVINGS: usize = 60;
/// Terms of a series or a continued fraction at most; with the skews above some hundred do.
const TERMS: usize = 2000;

/// Frequency factor K of the Pearson III distribution for a probability `p` (0 < p < 1) of not being exceeded and a
/// coefficient of skew g: with α = 4/g² and G the quantile of the gamma distribution of shape α, K = (G − α)/√α; for negative
/// skews K(p, g) = −K(1 − p, −g). Source: Bulletin 17B (1982), appendix 3, whose table it reproduces.
pub fn frequency_factor(p: f64, skew: f64) -> f64 {
    if skew.abs() < STRAIGHT {
        let z = normal(p);
        return z + (z * z - 1.0) * skew / 6.0;
    }
    if skew < 0.0 {
        return -frequency_factor(1.0 - p, -skew);
    }
    let shape = 4.0 / (skew * skew);
    let high = shape + 12.0 * shape.sqrt() + 40.0;
    (quantile(p, high, |x| gamma_share(shape, x)) - shape) / shape.sqrt()
}

/// Standard normal variate not exceeded with probability `p` (0 < p < 1): Φ(z) = ½ + ½ · P(½, z²/2) for z ≥ 0.
fn normal(p: f64) -> f64 {
    let z = quantile(p.max(1.0 - p), 40.0, |z| 0.5 + 0.5 * gamma_share(0.5, z * z / 2.0));
    if p < 0.5 { -z } else { z }
}

/// Where a rising share reaches `p`, between 0 and `high`.
fn quantile(p: f64, high: f64, share: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, high);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if share(middle) < p { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// Incomplete gamma function P(a, x), a > 0, x ≥ 0: by its series below a + 1, by its continued fraction above. Source:
/// Abramowitz and Stegun (1964), 6.5.29 and 6.5.31; fraction evaluated after Lentz (1976).
fn gamma_share(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let scale = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        let mut n = a;
        for _ in 0..TERMS {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < 1e-16 * sum {
                break;
            }
        }
        return (sum * scale).min(1.0);
    }
    let mut middle = x + 1.0 - a;
    let mut above = 1e300;
    let mut below = 1.0 / middle;
    let mut fraction = below;
    let mut n = 0.0;
    for _ in 0..TERMS {
        n += 1.0;
        let factor = -n * (n - a);
        middle += 2.0;
        below = 1.0 / (factor * below + middle);
        above = middle + factor / above;
        fraction *= below * above;
        if (below * above - 1.0).abs() < 1e-15 {
            break;
        }
    }
    (1.0 - scale * fraction).clamp(0.0, 1.0)
}

/// Logarithm of the gamma function, x > 0, within 1e-13. Source: Lanczos (1964), g = 7 with nine terms.
fn ln_gamma(x: f64) -> f64 {
    const LANCZOS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let mut sum = 0.999_999_999_999_809_9;
    let mut at = x - 1.0;
    for term in LANCZOS {
        at += 1.0;
        sum += term / at;
    }
    let t = x + 6.5;
    0.5 * std::f64::consts::TAU.ln() + (x - 0.5) * t.ln() - t + sum.ln()
}

#[expect(clippy::cast_precision_loss, reason = "years of a record")]
pub(super) fn float(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank, never negative")]
fn index(number: f64) -> usize {
    number.max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nine values, so that rank m stands for m/10.
    #[test]
    fn ranks_stand_for_tenths_with_nine_values() {
        let nine = [1.0, 2.0, 4.0, 7.0, 11.0, 16.0, 22.0, 29.0, 37.0];
        assert_eq!(weibull(&nine, 0.1), Some(1.0));
        assert_eq!(weibull(&nine, 0.25), Some(3.0));
        assert_eq!(weibull(&nine, 0.9), Some(37.0));
        assert_eq!(weibull(&nine, 0.05), None);
        assert_eq!(weibull(&nine[..8], 0.1), None);
        assert_eq!((years_for(0.1), years_for(0.05)), (9, 19));
    }

    /// Table of K for an exceedance of 0.90: Interagency Advisory Committee on Water Data (1982), Bulletin 17B, appendix 3.
    #[test]
    fn frequency_factors_are_those_of_bulletin_17b() {
        let table = [
            (0.0, -1.28155),
            (0.2, -1.25824),
            (0.5, -1.21618),
            (1.0, -1.12762),
            (-0.2, -1.30105),
            (-0.5, -1.32309),
            (-1.0, -1.34039),
            (2.0, -0.89464),
        ];
        for (skew, k) in table {
            let found = frequency_factor(0.1, skew);
            assert!((found - k).abs() < 2e-5, "{skew}: {found} {k}");
        }
    }

    /// With a skew of 2 the distribution is the exponential one, K = −ln(1 − p) − 1; with −2 its mirror.
    #[test]
    fn a_skew_of_two_is_the_exponential_distribution() {
        assert!((frequency_factor(0.1, 2.0) - (-(0.9_f64.ln()) - 1.0)).abs() < 1e-9);
        assert!((frequency_factor(0.1, -2.0) - (0.1_f64.ln() + 1.0)).abs() < 1e-9);
    }

    /// Values 1, 2, 3, 4, 10 by hand: mean 4, Σd² = 9 + 4 + 1 + 0 + 36 = 50, s² = 12.5, Σd³ = −27 − 8 − 1 + 216 = 180,
    /// skew = 5 · 180/(4 · 3 · 12.5^1.5) = 900/530.33 = 1.6971.
    #[test]
    fn moments_by_hand() {
        let moments = Moments::of(&[1.0, 2.0, 3.0, 4.0, 10.0]).unwrap();
        assert!((moments.mean - 4.0).abs() < 1e-12);
        assert!((moments.deviation - 12.5_f64.sqrt()).abs() < 1e-12);
        assert!((moments.skew - 1.6971).abs() < 1e-4);
        assert_eq!(Moments::of(&[2.0, 2.0, 2.0]), None);
    }
}
