//! Forecasts of inflow and demand that others make: an input like a reading, with an issue time and an end.
//!
//! One target holds one issue, the newest. What lies outside an issue, or after its end, is no number: nothing is
//! extrapolated, and an issue that has ended is as good as none.

mod book;
mod target;
mod trust;

pub use book::{Answer, Forecasts, Held, Offer, Verdict};
pub use target::Target;
pub use trust::{CLAIMED_H, ENOUGH_H, Expected, LEADS_H, Standing, Trust};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::estimate::Band;
use crate::basin::Basin;

/// Most members of an ensemble. Assumed: twice the largest ensemble in common use.
pub const MEMBERS_MOST: usize = 100;
/// Most values of one member: two months of hours. Assumed.
pub const VALUES_MOST: usize = 1500;
/// Shortest and longest step, s: a minute and a day. Assumed.
pub const STEP_S: (u32, u32) = (60, 86_400);
/// Members from which the band is the outer deciles; the band of fewer is their least and largest.
pub const DECILES_FROM: usize = 10;

/// A forecast as written, its numbers not looked at yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// What it foretells.
    pub target: Target,
    /// When it was made.
    pub issued: Timestamp,
    /// When it ends, however far its values go.
    pub expires: Timestamp,
    /// Time of the first value.
    pub begin: Timestamp,
    /// From value to value, s.
    pub step_s: u32,
    /// Flows at these times, by member, m³/s.
    pub members: Vec<Vec<f64>>,
}

/// Where something is wrong in a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// The issue as a whole.
    Issue,
    /// The time it ends.
    Expires,
    /// A member, from 0.
    Member(usize),
    /// A value of a member, both from 0.
    Value(usize, usize),
}

/// Something wrong in a draft, with a remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Where.
    pub spot: Spot,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// One issue of a forecast; its values are flows that can be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    target: Target,
    /// Name of the target, which outlives a change of the configuration.
    name: String,
    issued: Timestamp,
    expires: Timestamp,
    begin: Timestamp,
    step_s: u32,
    members: Vec<Vec<f64>>,
}

impl Forecast {
    /// Checks a draft.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub fn new(draft: Draft, basin: &Basin) -> Result<Self, Vec<Flaw>> {
        let mut flaws = Vec::new();
        let mut wrong = |spot, what: String, remedy: &str| {
            flaws.push(Flaw { spot, what, remedy: remedy.to_owned() });
        };
        if draft.expires <= draft.issued {
            wrong(Spot::Expires, "expires before it is issued".into(), "give the time at which it ends");
        }
        let (shortest, longest) = STEP_S;
        if !(shortest..=longest).contains(&draft.step_s) {
            let what = format!("its step is {} s", draft.step_s);
            wrong(Spot::Issue, what, "give values a minute to a day apart");
        }
        if draft.members.is_empty() || draft.members.len() > MEMBERS_MOST {
            let what = format!("it has {} members", draft.members.len());
            wrong(Spot::Issue, what, "give 1 to 100 members");
        }
        let values = draft.members.first().map_or(0, Vec::len);
        if !(2..=VALUES_MOST).contains(&values) {
            let what = format!("its members have {values} values");
            wrong(Spot::Issue, what, "give 2 to 1500 values");
        }
        let highest = draft.target.highest(basin);
        for (member, flows) in draft.members.iter().enumerate() {
            if flows.len() != values {
                let what = format!("has {} values, the first member {values}", flows.len());
                wrong(Spot::Member(member), what, "give all members the same number of values");
            }
            for (at, flow) in flows.iter().enumerate() {
                let spot = Spot::Value(member, at);
                if !flow.is_finite() {
                    wrong(spot, format!("{flow} is no flow"), "give m³/s; a missing value is not filled");
                } else if *flow < 0.0 {
                    wrong(spot, format!("{flow} m³/s is negative"), "give 0 or more");
                } else if *flow > highest {
                    let what = format!("{flow} m³/s cannot be, the most that is believed is {highest} m³/s");
                    wrong(spot, what, "check the unit: m³/s, not m³/h or L/s");
                }
            }
        }
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let Draft { target, issued, expires, begin, step_s, members } = draft;
        Ok(Self { target, name: target.name(basin), issued, expires, begin, step_s, members })
    }

    /// As it was written.
    pub fn into_draft(self) -> Draft {
        let Self { target, issued, expires, begin, step_s, members, .. } = self;
        Draft { target, issued, expires, begin, step_s, members }
    }

    /// What it foretells.
    pub fn target(&self) -> Target {
        self.target
    }

    /// As [`Target::name`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was made.
    pub fn issued(&self) -> Timestamp {
        self.issued
    }

    /// When it ends.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Time of the first value.
    pub fn begin(&self) -> Timestamp {
        self.begin
    }

    /// From value to value, s.
    pub fn step_s(&self) -> u32 {
        self.step_s
    }

    /// Members of the ensemble, at least 1.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// Values of each member, at least 2.
    pub fn values(&self) -> usize {
        self.members.first().map_or(0, Vec::len)
    }

    /// Whether it may be used: from its issue until before its end.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.issued <= now && now < self.expires
    }

    /// Flow foretold `ahead_h` hours from `now`, straight between two values: the median of the members, and their
    /// outer deciles, or least and largest when there are fewer than [`DECILES_FROM`].
    ///
    /// `None` when it may not be used at `now`, and outside of its values: nothing is extrapolated.
    pub fn at(&self, now: Timestamp, ahead_h: f64) -> Option<Band> {
        if !self.is_valid(now) || !ahead_h.is_finite() {
            return None;
        }
        let after_s = now.duration_since(self.begin).as_secs_f64() + 3600.0 * ahead_h;
        let place = after_s / f64::from(self.step_s);
        let (at, part) = (index(place.floor())?, place - place.floor());
        let mut flows = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let here = *member.get(at)?;
            // On a value itself there need not be another one after it.
            let next = if part > 0.0 { *member.get(at + 1)? } else { here };
            flows.push(here + part * (next - here));
        }
        Some(band(&mut flows))
    }

    /// The band at each of its values.
    pub fn bands(&self) -> impl Iterator<Item = Band> {
        (0..self.values()).map(|at| {
            let mut flows =
                self.members.iter().filter_map(|member| member.get(at).copied()).collect::<Vec<_>>();
            band(&mut flows)
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole, and within the longest forecast"
)]
fn index(place: f64) -> Option<usize> {
    (0.0..=1e6).contains(&place).then_some(place as usize)
}

/// Median of a value's members with their outer deciles or extremes.
fn band(flows: &mut [f64]) -> Band {
    flows.sort_by(f64::total_cmp);
    let outer = if flows.len() < DECILES_FROM { 0.0 } else { 0.1 };
    Band { low: quantile(flows, outer), mid: quantile(flows, 0.5), high: quantile(flows, 1.0 - outer) }
}

/// Quantile of sorted values, straight between the two beside it. Source: Hyndman and Fan (1996), definition 7.
#[expect(clippy::cast_precision_loss, reason = "a hundred members at most")]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    let at = |place: f64| index(place).and_then(|at| sorted.get(at)).copied();
    let low = at(place.floor()).unwrap_or_default();
    low + (place - place.floor()) * (at(place.ceil()).unwrap_or(low) - low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basin::InflowId;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Issued at 08:00 for twelve hours; hourly values from 07:00 on.
    fn issue(members: &[&[f64]]) -> Forecast {
        Forecast {
            target: Target::Inflow(InflowId(0)),
            name: "inflow:brook".into(),
            issued: time("2026-05-01T08:00:00Z"),
            expires: time("2026-05-01T20:00:00Z"),
            begin: time("2026-05-01T07:00:00Z"),
            step_s: 3600,
            members: members.iter().map(|flows| flows.to_vec()).collect(),
        }
    }

    fn near(found: Option<Band>, low: f64, mid: f64, high: f64) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        found.is_some_and(|band| near(band.low, low) && near(band.mid, mid) && near(band.high, high))
    }

    #[test]
    fn between_two_values_it_goes_straight_and_beyond_them_nowhere() {
        let one = issue(&[&[1.0, 2.0, 4.0]]);
        let now = time("2026-05-01T08:00:00Z");
        assert!(near(one.at(now, 0.0), 2.0, 2.0, 2.0));
        assert!(near(one.at(now, 0.25), 2.5, 2.5, 2.5));
        // The last value is at 09:00: half an hour later from 08:30 on it is there still, a second more and it is not.
        let half_past = time("2026-05-01T08:30:00Z");
        assert!(near(one.at(half_past, 0.5), 4.0, 4.0, 4.0));
        assert_eq!(one.at(half_past, 0.5 + 1.0 / 3600.0), None);
        // What began an hour before the issue is there, what came before is not.
        assert!(near(one.at(now, -1.0), 1.0, 1.0, 1.0));
        assert_eq!(one.at(now, -1.0 - 1.0 / 3600.0), None);
        assert_eq!(one.at(now, f64::NAN), None);
        assert_eq!(one.at(now, f64::INFINITY), None);
    }

    #[test]
    fn it_holds_from_its_issue_until_before_its_end() {
        let long = issue(&[&[1.0; 24]]);
        for (at, holds) in [
            ("2026-05-01T07:59:59.999Z", false),
            ("2026-05-01T08:00:00Z", true),
            ("2026-05-01T19:59:59.999Z", true),
            ("2026-05-01T20:00:00Z", false),
        ] {
            assert_eq!(long.at(time(at), 1.0).is_some(), holds, "{at}");
        }
    }

    /// By hand: the median of four lies between the second and third; of eleven, 0 to 10 in some order, the first decile is
    /// the second smallest; of ten the deciles lie nine tenths of the way between the outer two.
    #[test]
    fn an_ensemble_gives_its_outer_deciles_and_a_small_one_its_extremes() {
        let now = time("2026-05-01T08:00:00Z");
        let at_eight = |flows: &[f64]| {
            let members = flows.iter().map(|flow| [0.0, *flow]).collect::<Vec<_>>();
            let members = members.iter().map(|member| &member[..]).collect::<Vec<_>>();
            issue(&members).at(now, 0.0)
        };
        assert!(near(at_eight(&[4.0, 1.0, 3.0, 2.0]), 1.0, 2.5, 4.0));
        assert!(near(at_eight(&[9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0]), 1.0, 5.0, 9.0));
        let eleven = [5.0, 0.0, 10.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0];
        assert!(near(at_eight(&eleven), 1.0, 5.0, 9.0));
        let ten = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
        assert!(near(at_eight(&ten), 1.9, 5.5, 9.1));
    }

    #[test]
    fn members_go_straight_before_they_are_ranked() {
        // They cross: at half past both are at 2.
        let crossing = issue(&[&[0.0, 1.0, 3.0], &[0.0, 3.0, 1.0]]);
        assert!(near(crossing.at(time("2026-05-01T08:30:00Z"), 0.0), 2.0, 2.0, 2.0));
        let bands = crossing.bands().map(|band| (band.low, band.mid, band.high)).collect::<Vec<_>>();
        assert_eq!(bands, [(0.0, 0.0, 0.0), (1.0, 2.0, 3.0), (1.0, 2.0, 3.0)]);
    }
}
