//! What is learnt of one segment of a river: the flow nobody metered, and how far it can be relied on.

use serde::{Deserialize, Serialize};

use super::arrival::{Band, Lag};
use super::series::BIN_S;

/// Share of the usual weight with which a flow within its band teaches. Assumed: a day for the six hours outside.
const SLOWLY: f64 = 0.25;

/// Share of the usual weight for the lasting part. Assumed: four days for six hours, longer than a wave recedes.
const LASTING: f64 = 1.0 / 16.0;

/// Weight of one bin of a gauge beside what was expected: its noise is several times what the river does in ten minutes.
/// Assumed.
const LEAST_WEIGHT: f64 = 0.15;

/// Share of the flow by which gauge and expectation are so far apart that the gauge alone counts. Assumed: three times
/// the class of a gauge in a natural bed.
const FAR_APART: f64 = 0.3;

/// Share of the least flow expected below which a gauge shows next to nothing. Assumed.
const NOTHING: f64 = 0.1;

/// Bins for which a gauge that shows next to nothing is not believed: a day. Assumed.
const DOUBTED: u32 = 144;

/// What is learnt of one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learnt {
    /// Flow at its foot that metered water does not explain, m³/s; negative is loss. As seen lately.
    pub unexplained: f64,
    /// The same over days: what does not go away when a wave has passed.
    pub lasting: f64,
    /// Mean size of what the estimate still missed lately, m³/s.
    pub error: f64,
    /// Set once the estimate has been started from a reading.
    pub primed: bool,
    /// Bins seen since then.
    pub bins: u32,
    /// Bins in a row in which the gauge showed next to nothing and was not believed.
    #[serde(default)]
    pub doubted: u32,
}

impl Learnt {
    /// Hours until every drop at the foot has passed the head under our eyes, when a wave takes `lag`. Until then
    /// nobody knows what is on its way, and flow nobody metered may be gone tomorrow.
    pub fn young_for(&self, lag: Lag) -> f64 {
        (lag.late - f64::from(self.bins) * BIN_S / 3600.0).max(0.0)
    }

    /// What a gauge shows, unless it shows next to nothing where water was measured above: no user takes all of a river, but a
    /// radar shows nothing when the water is slow. A weir that shuts holds it back for hours, and a dam a day away cannot help
    /// with that; whoever stands there sees it, and the alarm tells them. After a day it is believed.
    pub fn believed(&mut self, seen: f64, band: Band) -> Option<f64> {
        let is_nothing = self.primed && seen < NOTHING * band.raised(self.unexplained).low;
        self.doubted = if is_nothing { self.doubted.saturating_add(1) } else { 0 };
        (!is_nothing || self.doubted > DOUBTED).then_some(seen)
    }

    /// What a gauge shows, as far as one bin of it can be believed: a river that loses or gains a third within minutes without
    /// anything that was metered is rarer than a gauge that lies. If it is true it is learnt step by step.
    #[must_use]
    pub fn credible(&self, seen: f64, band: Band) -> f64 {
        if !self.primed {
            return seen;
        }
        let band = band.raised(self.unexplained);
        seen.clamp((1.0 - FAR_APART) * band.low, (1.0 + FAR_APART) * band.high)
    }

    /// Moves the unexplained flow towards what this bin allows. While the arrival time of a change leaves the
    /// expected flow open within a band, what lies outside the band teaches at once, the middle of the band slowly:
    /// over days arrivals are as often early as late.
    ///
    /// What counts is the loss near the floor. At many times the floor the estimate is off by a share of the flow, so
    /// it is brought down to the floor by that share, and weighs by the square of it: what a wave leaves in bed and ponds and
    /// gives back behind its crest is no loss.
    pub fn learn(&mut self, seen: f64, band: Band, floor: f64, weight: f64) {
        let share = floor / seen.max(band.mid).max(floor);
        let near_floor = |missed: f64| share * missed;
        if !self.primed {
            let unexplained = near_floor(seen - band.mid);
            *self = Self { unexplained, lasting: unexplained, error: 0.0, primed: true, ..Self::default() };
            return;
        }
        self.bins = self.bins.saturating_add(1);
        let weight = weight.min(1.0) * share * share;
        let (low, high) = (near_floor(seen - band.high), near_floor(seen - band.low));
        let middle = near_floor(seen - band.mid);
        let allowed = self.unexplained.clamp(low.min(high), high.max(low));
        let missed = (allowed - self.unexplained).abs();
        self.unexplained += weight * (allowed - self.unexplained);
        self.unexplained += SLOWLY * weight * (middle - self.unexplained);
        // A plain mean until there is enough of it: one noisy reading must not stand for days.
        let lasting = (LASTING * weight).max(1.0 / f64::from(self.bins + 1));
        self.lasting += lasting * (middle - self.lasting);
        self.error += 0.25 * weight * (missed - self.error);
    }
}

/// Flow at a gauge from what it shows and what was to be expected there. A gauge in a natural bed is noisy, and the water
/// above it has been measured too; only where both are far apart is the gauge believed.
pub(super) fn blend(seen: f64, guess: f64) -> f64 {
    let apart = (seen - guess).abs() / seen.max(guess).max(f64::MIN_POSITIVE);
    let weight = (apart / FAR_APART).clamp(LEAST_WEIGHT, 1.0);
    guess + weight * (seen - guess)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day and six hours of bins.
    const DAY: usize = 144;
    const SIX_HOURS: usize = 36;
    /// The usual weight: ten minutes of six hours.
    const WEIGHT: f64 = 1.0 / 36.0;

    fn band(mid: f64) -> Band {
        Band { low: mid - 0.05, mid, high: mid + 0.05 }
    }

    fn taught(bins: usize, seen: f64, mid: f64, memory: Learnt) -> Learnt {
        let mut memory = memory;
        for _ in 0..bins {
            memory.learn(seen, band(mid), 1.5, WEIGHT);
        }
        memory
    }

    /// What a release may rely on.
    fn counted(learnt: Learnt) -> f64 {
        learnt.unexplained.min(learnt.lasting)
    }

    /// A river that the estimate meets for a week.
    fn known() -> Learnt {
        taught(7 * DAY, 1.5, 1.5, Learnt::default())
    }

    #[test]
    fn a_shortage_counts_within_a_day_a_surplus_only_when_it_lasts() {
        let shortage = taught(DAY, 1.3, 1.5, known());
        assert!(counted(shortage) < -0.15, "{}", counted(shortage));
        let surplus = taught(DAY, 1.5, 1.3, known());
        assert!(surplus.unexplained > 0.1 && counted(surplus) < 0.06, "{surplus:?}");
        let lasting = taught(21 * DAY, 1.5, 1.3, known());
        assert!(counted(lasting) > 0.15, "{}", counted(lasting));
    }

    #[test]
    fn a_flood_missed_by_a_tenth_is_a_tenth_of_the_floor() {
        // 9.0 seen where 10.0 was expected: at the floor of 1.5 the same share is 0.15.
        let memory = taught(60 * DAY, 9.0, 10.0, known());
        assert!((memory.unexplained + 0.15).abs() < 0.01, "{}", memory.unexplained);
        // And six hours of it say less than six hours at the floor do.
        let [wave, calm] =
            [(9.0, 10.0), (1.35, 1.5)].map(|(seen, mid)| taught(SIX_HOURS, seen, mid, known()));
        assert!(wave.unexplained > 0.5 * calm.unexplained, "{} {}", wave.unexplained, calm.unexplained);
    }

    #[test]
    fn a_gauge_that_falls_to_nothing_is_believed_by_a_third() {
        // 1.5 is expected between 1.45 and 1.55: a bin may say 30 % less than the least and 30 % more than the most.
        let memory = known();
        for (seen, taken) in [(0.0, 0.7 * 1.45), (1.2, 1.2), (9.0, 1.3 * 1.55)] {
            let credible = memory.credible(seen, band(1.5));
            assert!((credible - taken).abs() < 1e-3, "{seen}: {credible}");
        }
        // Before anything is known all of it is.
        assert!(Learnt::default().credible(0.0, band(1.5)).abs() < 1e-12);
    }

    #[test]
    fn one_noisy_first_reading_does_not_stand_for_days() {
        let mut memory = Learnt::default();
        memory.learn(1.9, band(1.5), 1.5, WEIGHT);
        let memory = taught(DAY, 1.5, 1.5, memory);
        assert!(memory.lasting.abs() < 0.01, "{}", memory.lasting);
    }

    #[test]
    fn a_gauge_is_believed_by_how_far_it_stands_from_what_was_expected() {
        // 3 % apart: the noise of a gauge, a seventh of it counts. 15 % apart: half. Twice the flow: the gauge alone.
        for (seen, guess, flow) in [(2.06, 2.0, 2.009), (1.7, 2.0, 1.85), (4.0, 2.0, 4.0), (0.0, 0.0, 0.0)] {
            assert!((blend(seen, guess) - flow).abs() < 1e-9, "{seen} {guess}: {}", blend(seen, guess));
        }
    }

    #[test]
    fn a_gauge_that_shows_nothing_is_not_believed_for_a_day() {
        let mut memory = known();
        for bin in 1..=DAY {
            assert_eq!(memory.believed(0.0, band(1.6)), None, "bin {bin}");
        }
        assert_eq!(memory.believed(0.0, band(1.6)), Some(0.0));
        // A tenth of what is expected at least, 1.55, is a flow; and the next nothing is doubted anew.
        assert_eq!(memory.believed(0.156, band(1.6)), Some(0.156));
        assert_eq!(memory.believed(0.154, band(1.6)), None);
        // Where nothing is expected nothing is no wonder.
        assert_eq!(memory.believed(0.0, Band::default()), Some(0.0));
        // Nor before anything is known.
        assert_eq!(Learnt::default().believed(0.0, band(1.6)), Some(0.0));
    }
}
