//! How far the forecasts of one flow have proved themselves: what they foretold beyond what the memory of the river expected,
//! held against what came.
//!
//! Two things are kept apart. A *rise* over what would be expected without the forecast lets a dam release less, and is believed
//! by the part of it that nearly always came. A *fall* below it makes a dam release more, and is believed until falls do not come.

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

/// A rise or fall that is less than this is the noise of a gauge and says nothing, m³/s. Assumed.
const LEAST: f64 = 0.01;

/// One of this size has the weight of a whole hour, a smaller one that of its share, m³/s. Assumed: a fifteenth of the floor.
const FULL: f64 = 0.1;

/// Share of the claims, by weight, that kept at least what is relied on by the cautious view.
const NEARLY_ALWAYS: f64 = 0.95;

/// The same by the fair view, whose misses the ponds make good. Assumed.
const MOSTLY: f64 = 0.75;

/// Parts in which the share of a claim that came is counted.
const PARTS: usize = 20;

/// The same.
const PARTS_F: f64 = 20.0;

/// Part of what would be expected anyhow that a foretold fall takes away at most. Assumed: the fastest recession of a calm
/// tributary within a day.
const DEEPEST: f64 = 0.5;

/// Hours in which a fall that does not come loses two thirds of its belief. Assumed: two days.
const BELIEVED_H: f64 = 48.0;

/// What is expected of a flow at some moment, m³/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Without any forecast, cautiously.
    pub cautious: f64,
    /// Without any forecast, fairly.
    pub fair: f64,
    /// Low side of what is foretold.
    pub low: f64,
    /// Its middle.
    pub mid: f64,
}

/// What claims of one kind were worth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Claims {
    /// Weight of the claims by the part that came, in twentieths; the last came whole.
    came: Vec<f64>,
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
        if let Some(weight) = self.came.get_mut(at) {
            *weight += (claim / FULL).min(1.0);
        }
        self.proved = self.proved.max(came.min(claim));
    }

    /// Weight of all claims, h.
    fn weight(&self) -> f64 {
        self.came.iter().sum()
    }

    /// Part of a claim that came in the share `kept` of them, 0..=1, rounded down; 0 until enough was claimed.
    fn part(&self, kept: f64) -> f64 {
        let all = self.weight();
        if all < CLAIMED_H {
            return 0.0;
        }
        let mut below = 0.0;
        for (part, weight) in (0_u32..).zip(&self.came) {
            below += weight;
            if below > (1.0 - kept) * all {
                return f64::from(part) / PARTS_F;
            }
        }
        1.0
    }

    /// What is relied on of a claim, m³/s: never more than has ever come.
    fn relied_on(&self, claim: f64, kept: f64) -> f64 {
        if claim <= 0.0 { 0.0 } else { (self.part(kept) * claim).min(self.proved) }
    }
}

/// What is remembered of one lead.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Lead {
    /// Not due yet: bins left and what was expected.
    open: VecDeque<(u32, Expected)>,
    /// Verified hours, by weight.
    hours: f64,
    /// Rises of the low side over the cautious view.
    low: Claims,
    /// Rises of the middle over the fair view.
    mid: Claims,
    /// Part of the falls that did not come, 0..=1.
    #[serde(default)]
    false_falls: f64,
}

impl Lead {
    /// Holds what was expected against what came.
    fn verify(&mut self, expected: Expected, seen: f64) {
        let Expected { cautious, fair, low, mid } = expected;
        self.hours = self.hours * KEPT_ON + 1.0;
        self.low.learn(low - cautious, seen - cautious);
        self.mid.learn(mid - fair, seen - fair);
        let fall = cautious - mid;
        if fall >= LEAST {
            let missed = 1.0 - ((cautious - seen) / fall).clamp(0.0, 1.0);
            self.false_falls += (missed - self.false_falls) / BELIEVED_H;
        }
    }

    /// What is taken off `anyhow` for a fall to `mid`.
    fn fallen(&self, anyhow: f64, mid: f64) -> f64 {
        (1.0 - self.false_falls) * (anyhow - mid).clamp(0.0, DEEPEST * anyhow.max(0.0))
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

    /// The record of the next longer lead; `None` beyond the last.
    fn lead(&self, hours: f64) -> Option<&Lead> {
        self.leads.iter().zip(LEADS_H).find(|(_, lead)| hours <= f64::from(*lead)).map(|(lead, _)| lead)
    }

    /// Cautious view of a flow `lead_h` hours ahead.
    pub fn cautious(&self, lead_h: f64, expected: Expected) -> f64 {
        let Expected { cautious, low, mid, .. } = expected;
        let Some(lead) = self.lead(lead_h) else { return cautious };
        let is_tried = lead.hours >= ENOUGH_H;
        let rise = if is_tried { lead.low.relied_on(low - cautious, NEARLY_ALWAYS) } else { 0.0 };
        cautious + rise - lead.fallen(cautious, mid)
    }

    /// Fair view of the same, never below the cautious one.
    pub fn fair(&self, lead_h: f64, expected: Expected) -> f64 {
        let Expected { fair, mid, .. } = expected;
        let Some(lead) = self.lead(lead_h) else { return fair };
        let is_tried = lead.hours >= ENOUGH_H;
        let rise = if is_tried { lead.mid.relied_on(mid - fair, MOSTLY) } else { 0.0 };
        (fair + rise - lead.fallen(fair, mid)).max(self.cautious(lead_h, expected))
    }

    /// How far each lead has come.
    pub fn standing(&self) -> impl Iterator<Item = Standing> {
        self.leads.iter().zip(LEADS_H).map(|(lead, lead_h)| {
            let is_tried = lead.hours >= ENOUGH_H;
            Standing {
                lead_h,
                verified_h: lead.hours,
                claimed_h: lead.low.weight(),
                relied_on: if is_tried { lead.low.part(NEARLY_ALWAYS) } else { 0.0 },
                at_most: if is_tried { lead.low.proved } else { 0.0 },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A forecast of 1.0 m³/s where 0.2 would be expected anyhow: a rise of 0.8.
    const STORM: Expected = Expected { cautious: 0.2, fair: 0.2, low: 1.0, mid: 1.0 };

    /// Nothing but what would be expected anyhow.
    const CALM: Expected = Expected { cautious: 0.2, fair: 0.2, low: 0.2, mid: 0.2 };

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
        assert!((found - by_hand).abs() < 1e-9, "{found}, by hand {by_hand}");
    }

    #[test]
    fn nothing_is_relied_on_before_enough_hours_were_verified() {
        // The first note of 6 h is due after 6.5 h; after hour 6.5 + n there are n + 1 verified, of which every one before
        // has lost a five-hundredth: (1 − 0.998ⁿ) / 0.002 is 71.4 for 77 hours, 72.3 for 78.
        let mut trust = Trust::default();
        hours(&mut trust, 0, 83, STORM, |_| Some(1.0));
        near(trust.cautious(6.0, STORM), 0.2);
        near(trust.fair(6.0, STORM), 0.2);
        hours(&mut trust, 83, 88, STORM, |_| Some(1.0));
        near(trust.cautious(6.0, STORM), 1.0);
        near(trust.fair(6.0, STORM), 1.0);
        // A lead between two counts as the longer one, of which six hours less were verified: 76, not 82.
        near(trust.cautious(6.1, STORM), 0.2);
        // And none beyond the last.
        let long = tried(STORM, |_| Some(1.0));
        near(long.cautious(36.0, STORM), 1.0);
        near(long.cautious(36.1, STORM), 0.2);
    }

    #[test]
    fn what_never_claimed_anything_has_proved_nothing() {
        let trust = tried(CALM, |_| Some(0.2));
        let standing = trust.standing().next().unwrap();
        assert!(standing.verified_h > ENOUGH_H && standing.claimed_h <= 0.0, "{standing:?}");
        near(trust.cautious(6.0, STORM), 0.2);
    }

    #[test]
    fn the_part_that_nearly_always_came_is_relied_on() {
        // Half of the rise of 0.8 came always: 0.2 + 0.4. What is foretold larger is relied on up to 0.4, the most that has
        // come yet.
        let half = tried(STORM, |_| Some(0.605));
        near(half.cautious(6.0, STORM), 0.6);
        let larger = Expected { low: 3.0, mid: 3.0, ..STORM };
        assert!((half.cautious(6.0, larger) - 0.605).abs() < 0.002, "{}", half.cautious(6.0, larger));
        // One hour of ten it did not come: nothing is relied on cautiously, all of it fairly.
        let often = tried(STORM, |hour| Some(if hour % 10 == 0 { 0.2 } else { 1.0 }));
        near(often.cautious(6.0, STORM), 0.2);
        near(often.fair(6.0, STORM), 1.0);
        // One hour of forty is less than one of twenty.
        near(tried(STORM, |hour| Some(if hour % 40 == 0 { 0.2 } else { 1.0 })).cautious(6.0, STORM), 1.0);
    }

    #[test]
    fn trust_is_lost_in_hours_and_bad_hours_are_forgotten_in_weeks() {
        let mut trust = tried(STORM, |_| Some(1.0));
        near(trust.cautious(6.0, STORM), 1.0);
        // 234 hours weigh (1 − 0.998²³⁴) / 0.002 = 187. Ten that failed weigh 9.9 of then 193, more than a twentieth.
        hours(&mut trust, 240, 250, STORM, |_| Some(0.2));
        near(trust.cautious(6.0, STORM), 0.2);
        // Fifty good ones later they weigh 9.0 of 222.
        hours(&mut trust, 250, 300, STORM, |_| Some(1.0));
        assert!(trust.cautious(6.0, STORM) > 0.9, "{}", trust.cautious(6.0, STORM));
    }

    #[test]
    fn an_hour_nobody_saw_says_nothing() {
        let trust = tried(STORM, |_| None);
        assert!(trust.standing().all(|standing| standing.verified_h <= 0.0));
        near(trust.cautious(6.0, STORM), 0.2);
    }

    #[test]
    fn a_foretold_fall_is_believed_at_once_until_falls_do_not_come() {
        // To 0.15: believed. To nothing: half of what would be expected anyhow is left.
        let fall = |mid| Expected { cautious: 0.2, fair: 0.3, low: mid, mid };
        let mut trust = Trust::default();
        trust.pass(None, |_| None);
        near(trust.cautious(6.0, fall(0.15)), 0.15);
        near(trust.cautious(6.0, fall(0.0)), 0.1);
        near(trust.fair(6.0, fall(0.25)), 0.25);
        // A fall that did not come 173 times: (47/48)^173 = 0.0262 of it is still believed.
        hours(&mut trust, 0, 180, fall(0.1), |_| Some(0.2));
        let left = trust.cautious(6.0, fall(0.1));
        assert!((left - 0.2 + 0.1 * 0.0262).abs() < 2e-4, "{left}");
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
