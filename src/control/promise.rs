//! Promise and outcome: what was foretold of a section when the water left the dam, held against what came.
//!
//! The margin of a section is a quantile of how far promises fell short lately: it is the forecast's own record, not a
//! constant.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Share of promises that were kept or missed by less than the margin.
pub const KEPT: f64 = 0.98;

/// Promises a margin is taken from: ten days of hourly ones.
const MEMORY: usize = 240;

/// Promises that make a record: two days of hourly ones.
const RECORD: f64 = 48.0;

/// What a forecast without a record is taken to fall short by, m³/s. Assumed.
const UNTRIED: f64 = 0.05;

/// Promises of one section, made hourly for the water that leaves the dam now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Promises {
    /// Not due yet: bins left and flow promised, m³/s.
    open: VecDeque<(u32, f64)>,
    /// By how much they fell short near the floor, m³/s, newest last; negative where more came.
    short: VecDeque<f64>,
}

impl Promises {
    /// Promises `flow` for `bins` bins from now.
    pub fn make(&mut self, bins: u32, flow: f64) {
        self.open.push_back((bins, flow));
    }

    /// What is asked for has become less than what was promised.
    pub fn lower(&mut self, flow: f64) {
        for (_, promised) in &mut self.open {
            *promised = promised.min(flow);
        }
    }

    /// Lets a bin pass; what is due is held against `seen`, the mean of the hours around. A promise for an hour nobody saw is
    /// forgotten. At many times the floor a miss counts by its share of the flow.
    pub fn pass(&mut self, seen: Option<f64>, floor: f64) {
        for (bins, _) in &mut self.open {
            *bins = bins.saturating_sub(1);
        }
        while let Some((_, promised)) = self.open.front().copied().filter(|(bins, _)| *bins == 0) {
            self.open.pop_front();
            let Some(seen) = seen else { continue };
            let share = floor / seen.max(promised).max(floor);
            self.short.push_back(share * (promised - seen));
            while self.short.len() > MEMORY {
                self.short.pop_front();
            }
        }
    }

    /// Forgets what is open: the service was away.
    pub fn forget(&mut self) {
        self.open.clear();
    }

    /// What a promise falls short by at most, [`KEPT`] of the time, m³/s; until there is a record, not less than what is
    /// still missing of it.
    pub fn margin(&self) -> f64 {
        let mut short = self.short.iter().copied().collect::<Vec<_>>();
        #[expect(clippy::cast_precision_loss, reason = "a short list")]
        let count = short.len() as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a position in a short list"
        )]
        let at = (KEPT * count).ceil() as usize;
        let untried = UNTRIED * (1.0 - count / RECORD).max(0.0);
        let at = at.saturating_sub(1);
        if at >= short.len() {
            return untried;
        }
        let (_, miss, _) = short.select_nth_unstable_by(at, f64::total_cmp);
        miss.max(untried)
    }

    /// Promises held against what came.
    pub fn count(&self) -> usize {
        self.short.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(misses: impl IntoIterator<Item = f64>) -> Promises {
        let mut promises = Promises::default();
        for miss in misses {
            promises.make(1, 1.5 + miss);
            promises.pass(Some(1.5), 1.5);
        }
        promises
    }

    #[test]
    fn the_margin_is_what_ninety_eight_of_a_hundred_promises_kept_to() {
        // 0.001 to 0.100 short: the ninety-eighth is 0.098, taken at the floor by 1.5 / (1.5 + 0.098).
        let promises = kept((1..=100).map(|n| 0.001 * f64::from(n)));
        assert!((promises.margin() - 0.098 * 1.5 / 1.598).abs() < 1e-12, "{}", promises.margin());
    }

    #[test]
    fn promises_that_were_outdone_ask_for_no_margin() {
        assert!(kept([-0.1; 48]).margin().abs() < 1e-12);
        // Without a record the full assumption, with half of one half of it.
        assert!((Promises::default().margin() - 0.05).abs() < 1e-12);
        assert!((kept([-0.1; 24]).margin() - 0.025).abs() < 1e-12);
    }

    #[test]
    fn a_promise_waits_for_its_hour_and_an_unseen_hour_says_nothing() {
        let mut promises = Promises::default();
        promises.make(3, 1.6);
        promises.pass(Some(1.0), 1.5);
        promises.pass(Some(1.0), 1.5);
        assert_eq!(promises.count(), 0);
        promises.pass(None, 1.5);
        assert_eq!(promises.count(), 0);
        promises.make(1, 1.6);
        promises.pass(Some(1.5), 1.5);
        assert_eq!(promises.count(), 1);
        assert!((promises.margin() - 0.1 * 1.5 / 1.6).abs() < 1e-12);
    }

    #[test]
    fn a_promise_that_is_no_longer_asked_for_is_not_missed() {
        let mut promises = Promises::default();
        promises.make(1, 1.6);
        promises.lower(1.2);
        promises.pass(Some(1.2), 1.0);
        assert!(promises.margin() < 0.05 && promises.count() == 1, "{promises:?}");
    }

    #[test]
    fn a_promise_missed_in_a_flood_counts_by_its_share() {
        let mut promises = Promises::default();
        promises.make(1, 30.0);
        promises.pass(Some(27.0), 1.5);
        assert!((promises.margin() - 0.15).abs() < 1e-12, "{}", promises.margin());
    }
}
