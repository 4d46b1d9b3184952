//! Chance that depends on the seed and on time alone, never on how often somebody asks.

use crate::plant::{mix, normal};

/// A stretch of time, s since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stretch {
    /// Begin.
    pub from: f64,
    /// End.
    pub to: f64,
}

impl Stretch {
    /// Numbers, counted from 1970, of the cells of `length` seconds that meet it.
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 over a cell of minutes or days")]
    pub(super) fn cells(self, length: f64) -> impl Iterator<Item = i64> {
        (self.from / length).floor() as i64..=(self.to / length).floor() as i64
    }
}

/// Key of the random numbers of one stream.
pub(super) fn key(seed: u64, stream: &str) -> u64 {
    stream.bytes().fold(mix(seed), |key, byte| mix(key ^ u64::from(byte)))
}

/// Random number `number` of cell `cell`: even in 0..1.
pub(super) fn at_random(key: u64, cell: i64, number: u64) -> f64 {
    let bits = mix(key ^ mix(cell.cast_unsigned()) ^ mix(number ^ 0x51));
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    let even = (bits >> 11) as f64 / (1_u64 << 53) as f64;
    even
}

/// How strong a noise is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strength {
    /// Standard deviation as a share of the flow.
    Share(f64),
    /// Standard deviation, m³/s.
    Flow(f64),
}

/// Knots of noise in its correlation time; straight lines between them take 4 % of the variance.
const KNOTS: f64 = 8.0;
/// Random numbers one knot is made of: the oldest weighs e^(−12).
const MEMORY: usize = 96;

/// Noise with a memory, AR(1): x(n) = √(1 − φ²) · Σ φᵏ · ε(n − k), φ = e^(−step/correlation), unit variance at the knots.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// Name whose sources have the same noise.
    pub stream: String,
    /// How strong.
    pub strength: Strength,
    /// Time in which the correlation falls to 37 %, s.
    pub correlation: f64,
    /// Where it is wanted.
    pub stretch: Stretch,
    /// Number of the first knot since 1970.
    first: i64,
    knots: Vec<f64>,
}

impl Noise {
    /// The noise of `seed`.
    pub fn new(seed: u64, stream: &str, strength: Strength, correlation: f64, stretch: Stretch) -> Self {
        let stream = stream.into();
        let mut noise = Self { stream, strength, correlation, stretch, first: 0, knots: Vec::new() };
        noise.reseed(seed);
        noise
    }

    /// Other noise of the same kind.
    pub fn reseed(&mut self, seed: u64) {
        let key = key(seed, &format!("noise {}", self.stream));
        let step = self.correlation / KNOTS;
        let decay = (-1.0 / KNOTS).exp();
        let gain = (1.0 - decay * decay).sqrt();
        let mut knots = self.stretch.cells(step);
        self.first = knots.next().unwrap_or(0);
        // One more than meets the stretch: its last moment lies between two.
        let count = knots.count() + 2;
        let reach = i64::try_from(MEMORY).unwrap_or(0) - 1;
        let fresh = (self.first - reach..).take(count + MEMORY - 1);
        let fresh = fresh.map(|knot| normal(key ^ mix(knot.cast_unsigned()))).collect::<Vec<_>>();
        let knot = |recent: &[f64]| gain * recent.iter().fold(0.0, |sum, new| sum * decay + new);
        self.knots = fresh.windows(MEMORY).map(knot).collect();
    }

    /// Noise at a second since 1970, in standard deviations.
    pub fn at(&self, t: f64) -> f64 {
        let place = t / (self.correlation / KNOTS);
        #[expect(clippy::cast_possible_truncation, reason = "knots since 1970")]
        let knot = place.floor() as i64;
        let at = usize::try_from(knot - self.first).unwrap_or(0);
        let value = |at: usize| self.knots.get(at).or(self.knots.last()).copied().unwrap_or(0.0);
        let (from, to) = (value(at), value(at + 1));
        from + (to - from) * (place - place.floor())
    }

    /// `flow` with the noise of a second since 1970.
    pub fn on(&self, flow: f64, t: f64) -> f64 {
        match self.strength {
            Strength::Share(share) => flow * (1.0 + share * self.at(t)),
            Strength::Flow(flow_of_noise) => flow + flow_of_noise * self.at(t),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: f64 = 3600.0;

    fn noise(seed: u64, from: f64, to: f64) -> Noise {
        Noise::new(seed, "a", Strength::Share(0.1), 6.0 * HOUR, Stretch { from, to })
    }

    /// Over n correlation times the mean of x² spreads by about √(2/n), that of x·x(+lag) likewise: 20 000 of them.
    #[test]
    fn noise_has_the_variance_and_the_memory_it_is_told() {
        let noise = noise(3, 0.0, 120_000.0 * HOUR);
        let step = 6.0 * HOUR / KNOTS;
        let at = |knot: u32| noise.at(f64::from(knot) * step);
        let count = 150_000;
        let mean_of = |value: &dyn Fn(u32) -> f64| (0..count).map(value).sum::<f64>() / f64::from(count);
        let variance = mean_of(&|knot| at(knot) * at(knot));
        let one_later = mean_of(&|knot| at(knot) * at(knot + 8));
        let two_later = mean_of(&|knot| at(knot) * at(knot + 16));
        assert!((variance - 1.0).abs() < 0.04, "{variance}");
        // e^(−1) and e^(−2).
        assert!(
            (one_later - 0.368).abs() < 0.04 && (two_later - 0.135).abs() < 0.04,
            "{one_later} {two_later}"
        );
    }

    #[test]
    fn noise_depends_on_seed_and_time_alone() {
        let (long, short) = (noise(3, 0.0, 400.0 * HOUR), noise(3, 333.0 * HOUR, 350.0 * HOUR));
        for minute in 0..17 * 60 {
            let t = 333.0 * HOUR + 60.0 * f64::from(minute);
            assert_eq!(long.at(t).to_bits(), short.at(t).to_bits());
        }
        assert!((noise(4, 0.0, HOUR).at(0.0) - long.at(0.0)).abs() > 1e-6);
    }

    #[test]
    fn its_strength_is_a_share_or_a_flow() {
        let share = noise(3, 0.0, HOUR);
        let x = share.at(600.0);
        assert!((share.on(2.0, 600.0) - (2.0 + 0.2 * x)).abs() < 1e-12);
        let flow = Noise { strength: Strength::Flow(0.05), ..share };
        assert!((flow.on(2.0, 600.0) - (2.0 + 0.05 * x)).abs() < 1e-12);
    }
}
