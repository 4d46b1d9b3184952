//! Thresholds of warnings: each may be left out, and then is that of the product.

use super::super::raw::Given;
use super::super::raw::warning::{RawFlowGrades, RawLevelGrades};
use super::super::sheet::Spot;
use super::{NOT_NEGATIVE, Rule};
use crate::basin::{FlowGrades, LevelGrades};

/// As far as a forecast reaches.
const FORETOLD: Rule = Rule { holds: |x| x > 0.0 && x <= 48.0, must: "must be above 0 and at most 48" };
/// A share of a floor.
const SHARE: Rule = Rule { holds: |x| x > 0.0 && x <= 200.0, must: "must be above 0 and at most 200" };
/// A share of the height between two levels, below the lower one negative.
const HEIGHT: Rule = Rule { holds: |x| (-100.0..=100.0).contains(&x), must: "must be -100 to 100" };
/// A dead band.
const BAND: Rule = Rule { holds: |x| (0.0..=50.0).contains(&x), must: "must be 0 to 50" };
/// A dead band of a level.
const BAND_M: Rule = Rule { holds: |x| (0.0..=1.0).contains(&x), must: "must be 0 to 1" };

pub(in crate::config) fn flow_grades(at: &Spot<'_>, given: Given<RawFlowGrades>) -> Option<FlowGrades> {
    let usual = FlowGrades::default();
    if !given.is_there() {
        return Some(usual);
    }
    let remedy =
        "give { blue_within_h, yellow_within_h, orange_below_pct, red_below_pct, … }, each may be left out";
    let raw = at.need("warning", given, remedy)?;
    let here = at.key("warning");
    let one = |key: &str, value: Option<f64>, usual: f64, rule, remedy| {
        value.map_or(Some(usual), |value| here.key(key).judge(value, rule, remedy))
    };
    let remedy = "give hours, at most the 48 of the forecast";
    let blue = one("blue_within_h", raw.blue_within_h, usual.blue_within_h, FORETOLD, remedy);
    let yellow = one("yellow_within_h", raw.yellow_within_h, usual.yellow_within_h, FORETOLD, remedy);
    if let (Some(blue), Some(yellow)) = (blue, yellow)
        && yellow > blue
    {
        let what = format!("is later than blue, {blue} h: yellow is the worse grade");
        here.key("yellow_within_h").complain(what, "give fewer hours than for blue");
    }
    let remedy = "give a share of the floor in %";
    let orange = one("orange_below_pct", raw.orange_below_pct, 100.0 * usual.orange, SHARE, remedy);
    let red = one("red_below_pct", raw.red_below_pct, 100.0 * usual.red, SHARE, remedy);
    if let (Some(orange), Some(red)) = (orange, red)
        && red > orange
    {
        let what = format!("is more than for orange, {orange} %: red is the worse grade");
        here.key("red_below_pct").complain(what, "give a smaller share than for orange");
    }
    let day = one("red_day_below_pct", raw.red_day_below_pct, 100.0 * usual.red_day, SHARE, remedy);
    let remedy = "give a share of the threshold in %";
    let band = one("band_pct", raw.band_pct, 100.0 * usual.band, BAND, remedy);
    let remedy = "give a time in s";
    let raise_s = one("raise_s", raw.raise_s, usual.raise_s, NOT_NEGATIVE, remedy);
    let clear_s = one("clear_s", raw.clear_s, usual.clear_s, NOT_NEGATIVE, remedy);
    Some(FlowGrades {
        blue_within_h: blue?,
        yellow_within_h: yellow?,
        orange: orange? / 100.0,
        red: red? / 100.0,
        red_day: day? / 100.0,
        band: band? / 100.0,
        raise_s: raise_s?,
        clear_s: clear_s?,
    })
}

pub(in crate::config) fn level_grades(at: &Spot<'_>, given: Given<RawLevelGrades>) -> Option<LevelGrades> {
    let usual = LevelGrades::default();
    if !given.is_there() {
        return Some(usual);
    }
    let remedy = "give { below_pct = [blue, yellow, orange, red], … }, each may be left out";
    let raw = at.need("warning", given, remedy)?;
    let here = at.key("warning");
    let mut below = usual.below;
    if let Some(shares) = raw.below_pct {
        let remedy = "give four shares in % of the height from lowest to target level, falling: blue, yellow, orange, red";
        let spot = here.key("below_pct");
        for (at, (slot, share)) in below.iter_mut().zip(shares).enumerate() {
            *slot = spot.item(at).judge(share, HEIGHT, remedy)? / 100.0;
        }
        if below.windows(2).any(|pair| matches!(pair, [worse, next] if next > worse)) {
            spot.complain("must fall", remedy);
        }
    }
    let one = |key: &str, value: Option<f64>, usual: f64, rule, remedy| {
        value.map_or(Some(usual), |value| here.key(key).judge(value, rule, remedy))
    };
    let band_m = one("band_m", raw.band_m, usual.band_m, BAND_M, "give a height in m");
    let raise_s = one("raise_s", raw.raise_s, usual.raise_s, NOT_NEGATIVE, "give a time in s");
    let clear_s = one("clear_s", raw.clear_s, usual.clear_s, NOT_NEGATIVE, "give a time in s");
    Some(LevelGrades { below, band_m: band_m?, raise_s: raise_s?, clear_s: clear_s? })
}
