//! How far the forecasts of one flow have proved themselves: what they foretold beyond what the memory of the river expected,
//! held against what came.
//!
//! A *rise* over what would be expected without the forecast lets a dam release less, and is believed by the part of it that mostly
//! came. That can still fail, so that a release may rest on it only as far as others stand behind it. A *fall* below it is not
//! believed: the cautious view is the low side already, and in replays the falls of fair forecasts cost more than rises save.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Leads at which what is foretold is held against what came, h; a lead between two of them counts as the longer one, as skill
/// fades with the lead. Nothing is relied on beyond the last: by then all water that leaves a dam now has met its tributaries.
pub const LEADS_H: [u32; 4] = [6, 12, 24, 36];

/// Bins from note to note: an hour.
const HOUR: u32 = 6;

/// What is left of the weight of an hour when another one has been verified: half of it after 346 hours, two weeks. Assumed: a
/// model that is recalibrated, or a season that changes, is known again within a month.
const KEPT_ON: f64 = 0.998;

/// Verified hours without which nothing is relied on: three days, in which a forecast made every six hours has been tried
/// twelve times, by day and by night. Assumed.
pub const ENOUGH_H: f64 = 72.0;

/// Hours of them, by weight, in which more was foretold than would have been expected anyhow: what never claimed
/// anything has proved nothing. Assumed: more than one storm of half a day leaves, whose first and last hours claim nothing.
pub const CLAIMED_H: f64 = 10.0;

/// A rise that is less than this is the noise of a gauge and says nothing, m³/s. Assumed.
const LEAST: f64 = 0.01;

/// One of this size has the weight of a whole hour, a smaller one that of its share, m³/s. Assumed: a fifteenth of the floor.
const FULL: f64 = 0.1;

/// Share of the claims, by weight, that kept at least what is relied on; for the misses ponds stand in. Assumed.
const MOSTLY: f64 = 0.75;

/// Hours of claims, by weight, in which two thirds of what was believed are lost when nothing comes any more: one storm that
/// never came. Assumed.
const LATELY_H: f64 = 12.0;

/// Parts in which the share of a claim that came is counted.
const PARTS: usize = 20;

/// The same.
const PARTS_F: f64 = 20.0;

/// What is expected of a flow at some moment, m³/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Without any forecast, fairly.
    pub fair: f64,
    /// Middle of what is foretold.
    pub mid: f64,
}

/// What claims of one kind were worth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Claims {
    /// Weight of the claims by the part that came, in twentieths; the last came whole.
    came: Vec<f64>,
    /// Mean part of the last [`LATELY_H`] that came, 0..=1.
    lately: f64,
    /// Largest rise that was claimed and came, m³/s; fades as the weights do.
    proved: f64,
}

impl Claims {
    /// Holds a claim against what came of it.
    fn learn(&mut self, claim: f64, came: f64) {
        self.came.resize(PARTS + 1, 0.0);
        for weight in &mut self.came {
            *weight *= KEPT_ON;
        }
        self.proved *= KEPT_ON;
        if claim < LEAST {
            return;
        }
        let part = (came / claim).clamp(0.0, 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 20")]
        let at = (part * PARTS_F) as usize;
        let counts = (claim / FULL).min(1.0);
        if let Some(weight) = self.came.get_mut(at) {
            *weight += counts;
        }
        self.lately += counts * (part - self.lately) / LATELY_H;
        self.proved = self.proved.max(came.min(claim));
    }

    /// Weight of all claims, h.
    fn weight(&self) -> f64 {
        self.came.iter().sum()
    }

    /// Part of a claim that mostly came, 0..=1, rounded down, and lately did as well; 0 until enough was claimed.
    fn part(&self) -> f64 {
        let all = self.weight();
        if all < CLAIMED_H {
            return 0.0;
        }
        let mut below = 0.0;
        for (part, weight) in (0_u32..).zip(&self.came) {
            below += weight;
            if below > (1.0 - MOSTLY) * all {
                return self.lately.min(f64::from(part) / PARTS_F);
            }
        }
        self.lately
    }
}

/// What is remembered of one lead.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Lead {
    /// Not due yet: bins left and what was expected.
    open: VecDeque<(u32, Expected)>,
    /// Verified hours, by weight.
    hours: f64,
    /// Rises over the fair view.
    rises: Claims,
}

impl Lead {
    /// Holds what was expected against what came.
    fn verify(&mut self, expected: Expected, seen: f64) {
        let Expected { fair, mid } = expected;
        self.hours = self.hours * KEPT_ON + 1.0;
        self.rises.learn(mid - fair, seen - fair);
    }

    /// Part of a rise that is relied on, and the largest that is, m³/s.
    fn relied_on(&self) -> (f64, f64) {
        if self.hours < ENOUGH_H { (0.0, 0.0) } else { (self.rises.part(), self.rises.proved) }
    }
}

/// The record of the forecasts of one flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Bins until what is foretold is noted again.
    wait: u32,
    /// By [`LEADS_H`].
    leads: Vec<Lead>,
}

/// How far one lead has come, for people.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// Lead, h.
    pub lead_h: u32,
    /// Hours that were verified, by weight.
    pub verified_h: f64,
    /// Part of them, by weight, in which more was foretold than would have been expected anyhow.
    pub claimed_h: f64,
    /// Part of a foretold rise that is relied on, 0..=1.
    pub relied_on: f64,
    /// Largest rise that is relied on, m³/s.
    pub at_most: f64,
}

impl Trust {
    /// Lets a bin pass: what is due is held against `seen`, the mean of the hour around. An hour nobody saw says nothing. Once an
    /// hour what is expected so many hours ahead is noted.
    pub fn pass(&mut self, seen: Option<f64>, expected: impl Fn(u32) -> Option<Expected>) {
        self.leads.resize(LEADS_H.len(), Lead::default());
        let notes = self.wait == 0;
        self.wait = if notes { HOUR - 1 } else { self.wait - 1 };
        for (lead, hours) in self.leads.iter_mut().zip(LEADS_H) {
            for (bins, _) in &mut lead.open {
                *bins = bins.saturating_sub(1);
            }
            while let Some((_, expected)) = lead.open.front().copied().filter(|(bins, _)| *bins == 0) {
                lead.open.pop_front();
                if let Some(seen) = seen {
                    lead.verify(expected, seen);
                }
            }
            if notes && let Some(expected) = expected(hours) {
                // The hour around that moment has passed half an hour later.
                lead.open.push_back((hours * HOUR + HOUR / 2, expected));
            }
        }
    }

    /// Forgets what is open: the service was away.
    pub fn forget(&mut self) {
        for lead in &mut self.leads {
            lead.open.clear();
        }
    }

    /// Whether anything has been noted or verified.
    pub fn is_empty(&self) -> bool {
        self.leads.iter().all(|lead| lead.open.is_empty() && lead.hours <= 0.0)
    }

    /// What is relied on of a rise of `claim` over the fair view `lead_h` hours ahead, m³/s: the part that mostly came, never
    /// more than has come, at this lead and at every shorter one. What fails now fails at the short leads first.
    pub fn risen(&self, lead_h: f64, claim: f64) -> f64 {
        let longest = LEADS_H.iter().position(|lead| lead_h <= f64::from(*lead));
        let Some(leads) = longest.and_then(|at| self.leads.get(..=at)) else { return 0.0 };
        let least = leads.iter().map(Lead::relied_on).map(|(part, most)| (part * claim).min(most));
        least.fold(f64::INFINITY, f64::min).clamp(0.0, claim.max(0.0))
    }

    /// How far each lead has come.
    pub fn standing(&self) -> impl Iterator<Item = Standing> {
        self.leads.iter().zip(LEADS_H).map(|(lead, lead_h)| {
            let (relied_on, at_most) = lead.relied_on();
            Standing { lead_h, verified_h: lead.hours, claimed_h: lead.rises.weight(), relied_on, at_most }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A forecast of 1.0 m³/s where 0.2 would be expected anyhow: a rise of 0.8.
    const STORM: Expected = Expected { fair: 0.2, mid: 1.0 };

    /// Nothing but what would be expected anyhow.
    const CALM: Expected = Expected { fair: 0.2, mid: 0.2 };

    /// Lets hours pass in each of which the same is foretold for all leads and `seen` of its number comes.
    fn hours(trust: &mut Trust, from: u32, to: u32, expected: Expected, seen: impl Fn(u32) -> Option<f64>) {
        for bin in HOUR * from..HOUR * to {
            trust.pass(seen(bin / HOUR), |_| Some(expected));
        }
    }

    fn tried(expected: Expected, seen: impl Fn(u32) -> Option<f64>) -> Trust {
        let mut trust = Trust::default();
        hours(&mut trust, 0, 240, expected, seen);
        trust
    }

    fn near(found: f64, by_hand: f64) {
        assert!((found - by_hand).abs() < 1e-6, "{found}, by hand {by_hand}");
    }

    #[test]
    fn nothing_is_relied_on_before_enough_hours_were_verified() {
        // The first note of 6 h is due after 6.5 h; after hour 6.5 + n there are n + 1 verified, of which every one before
        // has lost a five-hundredth: (1 − 0.998ⁿ) / 0.002 is 71.4 for 77 hours, 72.3 for 78.
        let mut trust = Trust::default();
        hours(&mut trust, 0, 83, STORM, |_| Some(1.0));
        near(trust.risen(6.0, 0.8), 0.0);
        hours(&mut trust, 83, 88, STORM, |_| Some(1.0));
        // Of the last hours 1 − (11/12)⁸² = 0.9992 came.
        assert!((0.799..0.8).contains(&trust.risen(6.0, 0.8)), "{}", trust.risen(6.0, 0.8));
        // A lead between two counts as the longer one, of which six hours less were verified: 76, not 82.
        near(trust.risen(6.1, 0.8), 0.0);
        // And none beyond the last.
        let long = tried(STORM, |_| Some(1.0));
        near(long.risen(36.0, 0.8), 0.8);
        near(long.risen(36.1, 0.8), 0.0);
    }

    #[test]
    fn what_never_claimed_anything_has_proved_nothing() {
        let trust = tried(CALM, |_| Some(0.2));
        let standing = trust.standing().next().unwrap();
        assert!(standing.verified_h > ENOUGH_H && standing.claimed_h <= 0.0, "{standing:?}");
        near(trust.risen(6.0, 0.8), 0.0);
    }

    #[test]
    fn the_part_that_mostly_came_is_relied_on() {
        // Half of the rise of 0.8 came always: 0.4. What is foretold larger is relied on up to 0.4, the most that has come yet.
        let half = tried(STORM, |_| Some(0.605));
        near(half.risen(6.0, 0.8), 0.4);
        assert!((half.risen(6.0, 2.8) - 0.405).abs() < 0.002, "{}", half.risen(6.0, 2.8));
        // No rise, or a fall, is none.
        near(half.risen(6.0, 0.0), 0.0);
        near(half.risen(6.0, -0.1), 0.0);
        // One hour of three it did not come: nothing. One of ten: all of it, less what lately failed. In the long run the miss
        // takes a twelfth of what the nine hours before have built up: from 0.934 to 0.857.
        near(tried(STORM, |hour| Some(if hour % 3 == 0 { 0.2 } else { 1.0 })).risen(6.0, 0.8), 0.0);
        let often = tried(STORM, |hour| Some(if hour % 10 == 0 { 0.2 } else { 1.0 })).risen(6.0, 0.8);
        assert!((0.8 * 0.85..0.8 * 0.94).contains(&often), "{often}");
    }

    #[test]
    fn what_fails_at_a_short_lead_is_not_relied_on_at_a_long_one() {
        // Twice the rise is foretold six hours ahead, and the rise that comes 12 to 36 hours ahead.
        let mut trust = Trust::default();
        for _ in 0..HOUR * 240 {
            let mid = |lead| if lead == 6 { 1.81 } else { 1.0 };
            trust.pass(Some(1.01), |lead| Some(Expected { mid: mid(lead), ..STORM }));
        }
        // Half of the larger one came.
        near(trust.risen(36.0, 0.8), 0.4);
    }

    #[test]
    fn trust_is_lost_in_a_storm_and_bad_hours_are_forgotten_in_weeks() {
        let mut trust = tried(STORM, |_| Some(1.0));
        near(trust.risen(6.0, 0.8), 0.8);
        // Twelve hours that failed: (11/12)¹² = 0.352.
        let mut storm = trust.clone();
        hours(&mut storm, 240, 252, STORM, |_| Some(0.2));
        near(storm.risen(6.0, 0.8), 0.8 * (11.0_f64 / 12.0).powi(12));
        // 234 hours weigh (1 − 0.998²³⁴) / 0.002 = 187. Seventy that failed weigh 65.4 of then 228, more than a quarter.
        hours(&mut trust, 240, 310, STORM, |_| Some(0.2));
        near(trust.risen(6.0, 0.8), 0.0);
        // Sixty good ones later they weigh 58.0 of 259.
        hours(&mut trust, 310, 370, STORM, |_| Some(1.0));
        assert!(trust.risen(6.0, 0.8) > 0.7, "{}", trust.risen(6.0, 0.8));
    }

    #[test]
    fn an_hour_nobody_saw_says_nothing() {
        let trust = tried(STORM, |_| None);
        assert!(trust.standing().all(|standing| standing.verified_h <= 0.0));
        near(trust.risen(6.0, 0.8), 0.0);
    }

    #[test]
    fn what_is_stored_comes_back_whole_and_being_away_verifies_nothing() {
        let mut trust = tried(STORM, |hour| Some(0.3 + 0.01 * f64::from(hour % 7)));
        let text = serde_json::to_string(&trust).unwrap();
        assert_eq!(serde_json::from_str::<Trust>(&text).unwrap(), trust);
        let before = trust.standing().map(|standing| standing.verified_h).collect::<Vec<_>>();
        trust.forget();
        for _ in 0..HOUR * 6 {
            trust.pass(Some(9.0), |_| None);
        }
        assert_eq!(trust.standing().map(|standing| standing.verified_h).collect::<Vec<_>>(), before);
    }
}
