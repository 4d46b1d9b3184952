//! Numbers of the control loops, all from configuration.

use serde::{Deserialize, Serialize};

use crate::units::{Discharge, Head};

/// How far above its floor a section is operated.
///
/// Set point = floor + max(`least`, `class_share` × accuracy class × floor + recent error of the estimate),
/// and never above the section's own cap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarginRule {
    /// Least margin.
    pub least: Discharge,
    /// Share of the meter's accuracy class that is added, 0..=1.
    pub class_share: f64,
}

/// A limit on how fast the release may change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RampLimit {
    /// Permitted change.
    pub change: Discharge,
    /// Within this time, s, positive.
    pub within_s: f64,
    /// Applies below this flow only.
    pub below: Discharge,
}

/// Parameters of the cycle and the loops.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ControlParameters {
    /// Base tick, s.
    pub tick_s: f64,
    /// Control cycle, s; a multiple of the tick.
    pub cycle_s: f64,
    /// Flow dead band of the trim: smaller errors are left alone.
    pub dead_band: Discharge,
    /// Smallest change of flow worth a movement.
    pub min_action: Discharge,
    /// Least time between discretionary movements of one gate, s.
    pub min_interval_s: f64,
    /// Rise limit for people in the bed.
    pub ramp_up: RampLimit,
    /// Fall limit for stranding.
    pub ramp_down: RampLimit,
    /// Release above which a siren must sound first; automatic stays below.
    pub siren_above: Discharge,
    /// Margin above the floors.
    pub margin: MarginRule,
    /// Time constant of the loss estimate, s.
    pub loss_filter_s: f64,
    /// Time constant of the decay of tributaries to their recent minimum, s.
    pub tributary_decay_s: f64,
    /// Window of that recent minimum, s.
    pub tributary_window_s: f64,
    /// Whole field unseen for this long: rung F3, s.
    pub field_lost_s: f64,
    /// Safe constant of rung F3 by calendar month (January first).
    pub safe_constant: [Discharge; 12],
    /// Flood takeover: this far below the flood limit and rising.
    pub flood_level_margin: Head,
    /// Flood takeover: inflow above this.
    pub flood_inflow: Discharge,
    /// A position that moves this far without a command is an alarm, fraction of the stroke.
    pub drift_fraction: f64,
    /// Releases follow the plan of the convex programme, rungs F0 and F1; else the arrival-time rule, F2.
    pub follow_plan: bool,
}
