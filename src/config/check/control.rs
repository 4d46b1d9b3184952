//! Numbers of the control loops.

use super::super::raw::Given;
use super::super::raw::control::{RawControl, RawRamp};
use super::super::sheet::Spot;
use super::{NOT_NEGATIVE, PERCENT, POSITIVE, Rule};
use crate::basin::{ControlParameters, MarginRule, RampLimit};
use crate::units::{Discharge, Head};

/// A base tick: faster says nothing about a river, slower misses a trip.
const TICK: Rule = Rule { holds: |x| (0.1..=10.0).contains(&x), must: "must be 0.1 to 10" };

pub(in crate::config) fn control(raw: RawControl, at: &Spot<'_>) -> Option<ControlParameters> {
    let base_tick_s = at.number("tick_s", raw.tick_s, TICK, "give the base tick in seconds, usually 1");
    let remedy = "give the control cycle in seconds, a multiple of the tick";
    let cycle_s = at.number("cycle_s", raw.cycle_s, POSITIVE, remedy);
    if let (Some(tick), Some(cycle)) = (base_tick_s, cycle_s) {
        let ticks = cycle / tick;
        if ticks < 1.0 - 1e-9 || (ticks - ticks.round()).abs() > 1e-6 {
            at.key("cycle_s").complain(format!("is no multiple of the tick of {tick} s"), remedy);
        }
    }
    let dead_band = at.flow("dead_band_m3s", raw.dead_band_m3s, NOT_NEGATIVE, "give the error left alone");
    let remedy = "give the smallest change worth a movement, not below the dead band";
    let min_action = at.flow("min_action_m3s", raw.min_action_m3s, POSITIVE, remedy);
    if let (Some(band), Some(action)) = (dead_band, min_action)
        && action < band
    {
        at.key("min_action_m3s").complain(format!("is below the dead band of {}", band.get()), remedy);
    }
    let remedy = "give the least time between two movements at leisure";
    let min_interval_s = at.number("min_interval_s", raw.min_interval_s, NOT_NEGATIVE, remedy);
    let ramp_up = ramp(at, "ramp_up", raw.ramp_up);
    let ramp_down = ramp(at, "ramp_down", raw.ramp_down);
    let remedy = "give the release above which a siren must sound first";
    let siren_above = at.flow("siren_above_m3s", raw.siren_above_m3s, POSITIVE, remedy);
    let remedy = "give { least_m3s = …, class_share_pct = … }";
    let margin = at.need("margin", raw.margin, remedy).and_then(|raw| {
        let here = at.key("margin");
        let least = here.key("least_m3s").judge(raw.least_m3s, NOT_NEGATIVE, remedy)?;
        let share = here.key("class_share_pct").judge(raw.class_share_pct, PERCENT, remedy)?;
        Some(MarginRule { least: Discharge::new(least)?, class_share: share / 100.0 })
    });
    let seconds = |key: &str, given, what: &str| at.number(key, given, POSITIVE, what);
    let loss_filter_s =
        seconds("loss_filter_s", raw.loss_filter_s, "give the time constant of the loss estimate");
    let tributary_decay_s =
        seconds("tributary_decay_s", raw.tributary_decay_s, "give the time constant of receding tributaries");
    let tributary_window_s =
        seconds("tributary_window_s", raw.tributary_window_s, "give the window of their recent minimum");
    let remedy = "say after how long without any section meter the safe constant holds";
    let field_lost_s = seconds("field_lost_s", raw.field_lost_s, remedy);
    let safe_constant = at.months("safe_constant_m3s", raw.safe_constant_m3s);
    let remedy = "give how far below the flood limit ecology is suspended";
    let flood_level_margin =
        at.number("flood_level_margin_m", raw.flood_level_margin_m, NOT_NEGATIVE, remedy).and_then(Head::new);
    let remedy = "give the inflow above which ecology is suspended";
    let flood_inflow = at.flow("flood_inflow_m3s", raw.flood_inflow_m3s, POSITIVE, remedy);
    let remedy = "give the movement without a command that is an alarm, in % of the stroke";
    let drift = at.number("drift_pct", raw.drift_pct, PERCENT, remedy);
    Some(ControlParameters {
        tick_s: base_tick_s?,
        cycle_s: cycle_s?,
        dead_band: dead_band?,
        min_action: min_action?,
        min_interval_s: min_interval_s?,
        ramp_up: ramp_up?,
        ramp_down: ramp_down?,
        siren_above: siren_above?,
        margin: margin?,
        loss_filter_s: loss_filter_s?,
        tributary_decay_s: tributary_decay_s?,
        tributary_window_s: tributary_window_s?,
        field_lost_s: field_lost_s?,
        safe_constant: safe_constant?,
        flood_level_margin: flood_level_margin?,
        flood_inflow: flood_inflow?,
        drift_fraction: drift? / 100.0,
        follow_plan: raw.follow_plan.unwrap_or(false),
    })
}

fn ramp(at: &Spot<'_>, key: &str, given: Given<RawRamp>) -> Option<RampLimit> {
    const REMEDY: &str = "give { change_m3s = …, within_s = …, below_m3s = … }, all positive";
    let raw = at.need(key, given, REMEDY)?;
    let here = at.key(key);
    let change = here.key("change_m3s").judge(raw.change_m3s, POSITIVE, REMEDY);
    let within_s = here.key("within_s").judge(raw.within_s, POSITIVE, REMEDY);
    let below = here.key("below_m3s").judge(raw.below_m3s, POSITIVE, REMEDY);
    Some(RampLimit { change: Discharge::new(change?)?, within_s: within_s?, below: Discharge::new(below?)? })
}
