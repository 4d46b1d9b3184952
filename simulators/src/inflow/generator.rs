//! Flows made by rule: recession, snow melt, power stations that follow demand, drought, storms.

use super::Flood;
use super::chance::{Stretch, at_random, key};

/// Water that runs out of one store: q(t) = flow · exp(−(t − begin)/constant), the flow before its begin.
///
/// Two of them, one quick and one slow, are the usual recession of a small catchment: constants of 2 to 10 days for
/// what runs near the surface, 30 to 120 for ground water. Source: Tallaksen (1995), J. Hydrol. 165, 349–370.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recession {
    /// When it begins to fall, s since 1970.
    pub begin: f64,
    /// Flow until then, m³/s.
    pub flow: f64,
    /// Time in which it falls to 37 %, s, positive.
    pub constant: f64,
}

impl Recession {
    /// Flow at a second since 1970.
    pub fn at(&self, t: f64) -> f64 {
        self.flow * (-(t - self.begin).max(0.0) / self.constant).exp()
    }
}

/// Snow melt: a hump over the season, sin², with a wave each day.
///
/// q = peak · sin²(π·s) · (1 + share · cos(2π·(h − top)/24)), s the part of the season that is over, h the civil hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Melt {
    /// Begin of the season, s since 1970.
    pub begin: f64,
    /// Its end.
    pub end: f64,
    /// Daily mean in the middle of it, m³/s.
    pub peak: f64,
    /// Height of the daily wave over its mean, 0..=1.
    pub daily_share: f64,
    /// Civil hour of the top of the daily wave.
    pub top_h: f64,
}

impl Melt {
    /// Flow at a second since 1970 which is `hour` of the civil day.
    pub fn at(&self, t: f64, hour: f64) -> f64 {
        let over = (t - self.begin) / (self.end - self.begin);
        if !(0.0..=1.0).contains(&over) {
            return 0.0;
        }
        let hump = (std::f64::consts::PI * over).sin();
        let wave = (std::f64::consts::TAU * (hour - self.top_h) / 24.0).cos();
        self.peak * hump * hump * (1.0 + self.daily_share * wave)
    }
}

/// A station upstream that follows demand for power: blocks of the day, on some days of the week, with straight ramps.
#[derive(Clone, Debug, PartialEq)]
pub struct Peaking {
    /// Civil hours from which the flow rises and from which it falls again, 0..=24, each in order.
    pub blocks: Vec<(f64, f64)>,
    /// Added inside of a block, m³/s.
    pub on: f64,
    /// Added outside, m³/s; negative while water is stored.
    pub off: f64,
    /// Length of a ramp, h; 0 for a step.
    pub ramp_h: f64,
    /// On which days, Monday first.
    pub days: [bool; 7],
}

impl Peaking {
    /// Flow at `hour` of a day that is number `weekday` of its week (0 is Monday).
    pub fn at(&self, hour: f64, weekday: usize) -> f64 {
        let on = |day: usize| self.days.get(day % 7).copied().unwrap_or(false);
        let share = |hour: f64| self.blocks.iter().map(|block| self.share(*block, hour)).fold(0.0, f64::max);
        let today = if on(weekday) { share(hour) } else { 0.0 };
        // The last ramp of a day may end in the next.
        let before = if on(weekday + 6) { share(hour + 24.0) } else { 0.0 };
        self.off + (self.on - self.off) * today.max(before)
    }

    fn share(&self, (from, to): (f64, f64), hour: f64) -> f64 {
        if self.ramp_h <= 0.0 {
            return if from <= hour && hour < to { 1.0 } else { 0.0 };
        }
        let risen = ((hour - from) / self.ramp_h).clamp(0.0, 1.0);
        let fallen = ((hour - to) / self.ramp_h).clamp(0.0, 1.0);
        risen - fallen
    }
}

/// A drought: what comes shrinks along a straight line and stays at the lower share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drought {
    /// Last moment of the full flow, s since 1970.
    pub begin: f64,
    /// First moment of the least.
    pub end: f64,
    /// What is left then, as a share.
    pub share: f64,
}

impl Drought {
    /// Share of the flow that is left at a second since 1970.
    pub fn at(&self, t: f64) -> f64 {
        let over = ((t - self.begin) / (self.end - self.begin)).clamp(0.0, 1.0);
        1.0 + (self.share - 1.0) * over
    }
}

/// Cells of time in a mean interval between storms; each holds one storm or none.
const CELLS: f64 = 4.0;
/// Storms before the begin that are looked for, in times to peak: after these 0.0002 % of the peak is left.
const FADED: f64 = 15.0;

/// Storms at random: as often as told on average, peaks distributed exponentially, each a [`Flood`].
///
/// Whether a cell of time holds a storm, when and how high, depends on the seed and that cell alone, so that another
/// begin of the run shows the same storms.
#[derive(Clone, Debug, PartialEq)]
pub struct Storms {
    /// Name whose sources have their storms at the same moments.
    pub stream: String,
    /// Mean time between two, s.
    pub interval: f64,
    /// Mean peak, m³/s.
    pub peak: f64,
    /// From begin to peak, s.
    pub to_peak: f64,
    /// Where they are wanted.
    pub stretch: Stretch,
    waves: Vec<Flood>,
}

impl Storms {
    /// The storms of `seed`.
    pub fn new(seed: u64, stream: &str, [interval, peak, to_peak]: [f64; 3], stretch: Stretch) -> Self {
        let mut storms = Self { stream: stream.into(), interval, peak, to_peak, stretch, waves: Vec::new() };
        storms.reseed(seed);
        storms
    }

    /// Other storms of the same kind.
    pub fn reseed(&mut self, seed: u64) {
        let key = key(seed, &format!("storms {}", self.stream));
        let cell = self.interval / CELLS;
        let stretch = Stretch { from: self.stretch.from - FADED * self.to_peak, to: self.stretch.to };
        let wave = |at: i64| {
            let [happens, when, height] = [0, 1, 2].map(|number| at_random(key, at, number));
            #[expect(clippy::cast_precision_loss, reason = "some thousand cells since 1970")]
            let begin = (at as f64 + when) * cell;
            let peak = -self.peak * (1.0 - height).ln();
            (happens < 1.0 / CELLS && begin >= stretch.from).then_some(Flood {
                begin,
                peak,
                to_peak: self.to_peak,
            })
        };
        self.waves = stretch.cells(cell).filter_map(wave).collect();
    }

    /// The waves, in order of their begin.
    pub fn waves(&self) -> &[Flood] {
        &self.waves
    }

    /// Flow they add at a second since 1970.
    pub fn at(&self, t: f64) -> f64 {
        let begun = self.waves.partition_point(|wave| wave.begin < t);
        let rest = self.waves.iter().take(begun).rev();
        rest.take_while(|wave| t - wave.begin < FADED * self.to_peak).map(|wave| wave.at(t)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: f64 = 86_400.0;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-3
    }

    #[test]
    fn a_recession_falls_by_its_constant() {
        let store = Recession { begin: DAY, flow: 2.0, constant: 10.0 * DAY };
        // 2 · e^(−1) = 0.7358, 2 · e^(−0.5) = 1.2131.
        assert!(near(store.at(11.0 * DAY), 0.7358) && near(store.at(6.0 * DAY), 1.2131));
        assert!(near(store.at(0.0), 2.0));
    }

    #[test]
    fn melt_is_highest_in_the_middle_of_its_season_and_in_the_afternoon() {
        let melt = Melt { begin: 0.0, end: 60.0 * DAY, peak: 3.0, daily_share: 0.4, top_h: 16.0 };
        // Middle of the season: 3 · 1.4 = 4.2 at 16 h, 3 · 0.6 = 1.8 at 4 h. A quarter of it: sin² 45° = 0.5.
        assert!(near(melt.at(30.0 * DAY, 16.0), 4.2) && near(melt.at(30.0 * DAY, 4.0), 1.8));
        assert!(near(melt.at(15.0 * DAY, 10.0), 1.5));
        assert!(near(melt.at(61.0 * DAY, 16.0), 0.0) && near(melt.at(-1.0, 16.0), 0.0));
    }

    #[test]
    fn a_peaking_station_ramps_into_its_blocks_on_its_days() {
        let mut days = [true; 7];
        days[6] = false;
        let station =
            Peaking { blocks: vec![(7.0, 11.0), (20.0, 24.0)], on: 1.5, off: -0.5, ramp_h: 0.5, days };
        let at = |hour: f64, day: usize| station.at(hour, day);
        assert!(near(at(6.9, 0), -0.5) && near(at(7.25, 0), 0.5) && near(at(9.0, 0), 1.5));
        assert!(near(at(11.25, 0), 0.5) && near(at(12.0, 0), -0.5));
        // Down from midnight on into the next day, a Sunday without blocks.
        assert!(near(at(0.25, 6), 0.5) && near(at(9.0, 6), -0.5) && near(at(0.25, 0), -0.5));
    }

    #[test]
    fn a_drought_takes_away_along_a_straight_line() {
        let drought = Drought { begin: 0.0, end: 20.0 * DAY, share: 0.3 };
        assert!(near(drought.at(-DAY), 1.0) && near(drought.at(10.0 * DAY), 0.65));
        assert!(near(drought.at(40.0 * DAY), 0.3));
    }

    #[test]
    fn storms_come_as_often_and_as_high_as_told() {
        let stretch = Stretch { from: 0.0, to: 20_000.0 * DAY };
        let storms = Storms::new(7, "a", [5.0 * DAY, 3.0, 8.0 * 3600.0], stretch);
        // 4000 expected; with one cell in four the number spreads by √(16000 · 0.25 · 0.75) = 55.
        let waves = storms.waves();
        assert!((3800..=4200).contains(&waves.len()), "{}", waves.len());
        #[expect(clippy::cast_precision_loss, reason = "a count of some thousands")]
        let mean = waves.iter().map(|wave| wave.peak).sum::<f64>() / waves.len() as f64;
        // Standard error 3/√4000 = 0.05.
        assert!((mean - 3.0).abs() < 0.2, "{mean}");
    }

    #[test]
    fn another_begin_shows_the_same_storms_another_seed_does_not() {
        let of = |seed, from: f64| {
            let stretch = Stretch { from: from * DAY, to: 90.0 * DAY };
            Storms::new(seed, "a", [6.0 * DAY, 3.0, 8.0 * 3600.0], stretch)
        };
        let (long, short) = (of(7, 0.0), of(7, 50.0));
        let t = |hour: u32| 50.0 * DAY + f64::from(hour) * 3600.0;
        assert!((0..900).all(|hour| (long.at(t(hour)) - short.at(t(hour))).abs() < 1e-3));
        assert!((0..900).any(|hour| long.at(t(hour)) > 1.0));
        assert_ne!(of(8, 0.0).waves(), long.waves());
    }
}
