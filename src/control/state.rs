//! All a controller remembers between two ticks, as a plain value: with the inputs that follow, its decisions can be made
//! again to the bit.
//!
//! [`super::carry::Carry`] is the part of it that outlives a restart. What stands here and not there belongs to one run.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Now;
use super::carry::Carry;
use super::controller::{Controller, Settings};
use super::estimate::Ahead;
use super::forecast::Forecasts;
use super::gate::{GateFacts, GateMemory};
use super::grade::Grader;
use super::outlets::{Memory, Outlets};
use super::plan::Planned;
use super::pond::Owed;
use super::quality::Reading;
use super::reason::Limit;
use super::status::{Explanation, Rung};
use super::twins::Pair;
use super::watch::Foreseen;
use crate::basin::GateId;
use crate::config::Config;

/// Version of the form of [`State`]; raised when a field comes, goes or changes its meaning.
pub const VERSION: u32 = 4;

/// What two meters of one level remember.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Twins {
    turned: Option<Duration>,
    at_odds: bool,
    levels: Option<(f64, f64)>,
}

/// Everything a controller remembers, beside its configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    tick: u64,
    last: Option<Now>,
    next_cycle: Duration,
    next_bin: Option<Duration>,
    bins: u32,
    next_watch: Duration,
    rung: Rung,
    record_ok: bool,
    #[serde(default)]
    refused_sign_ins: u32,
    #[serde(default)]
    deaf_receivers: u32,
    carry: Carry,
    graded: Vec<Option<(f64, Duration)>>,
    twins: Vec<Twins>,
    readings: Vec<Reading>,
    facts: Vec<GateFacts>,
    gates: Vec<GateMemory>,
    outlets: Vec<Memory>,
    why: VecDeque<Explanation>,
    conflicts: Vec<GateId>,
    section_seen: Vec<Duration>,
    refused: BTreeMap<GateId, Vec<Limit>>,
    foreseen: Vec<Foreseen>,
    foreseen_in: u32,
    plans: Vec<Planned>,
    ahead: Vec<Ahead>,
    owing: Vec<Option<Owed>>,
    forecasts: Arc<Forecasts>,
}

impl State {
    /// Ticks the controller had decided.
    pub fn ticks(&self) -> u64 {
        self.tick
    }
}

impl Controller {
    /// All it remembers now.
    pub fn state(&self) -> State {
        // Field by field, here and wherever memory and settings share a type: a new one has to be placed or named as no
        // memory.
        let Self {
            basin: _,
            field: _,
            schedules: _,
            in_file: _,
            settings: _,
            paths: _,
            outlets,
            grader: Grader { gradings: _, previous },
            twins,
            readings,
            facts,
            gates,
            carry,
            forecasts,
            tick,
            rung,
            record_ok,
            refused_sign_ins,
            deaf_receivers,
            why,
            conflicts,
            last,
            next_cycle,
            next_bin,
            bins,
            next_watch,
            section_seen,
            refused,
            foreseen,
            foreseen_in,
            plans,
            ahead,
            owing,
        } = self;
        let of_dam = |outlets: &Outlets| {
            let Outlets { source: _, outlet: _, meter: _, trim: _, standby: _, base: _, flood: _, memory } =
                outlets;
            memory.clone()
        };
        let of_pair = |pair: &Pair| {
            let Pair { meter: _, twin: _, points: _, tolerance: _, turned, at_odds, levels } = *pair;
            Twins { turned, at_odds, levels }
        };
        State {
            tick: *tick,
            last: *last,
            next_cycle: *next_cycle,
            next_bin: *next_bin,
            bins: *bins,
            next_watch: *next_watch,
            rung: *rung,
            record_ok: *record_ok,
            refused_sign_ins: *refused_sign_ins,
            deaf_receivers: *deaf_receivers,
            carry: carry.clone(),
            graded: previous.clone(),
            twins: twins.iter().map(of_pair).collect(),
            readings: readings.clone(),
            facts: facts.clone(),
            gates: gates.clone(),
            outlets: outlets.iter().map(of_dam).collect(),
            why: why.clone(),
            conflicts: conflicts.clone(),
            section_seen: section_seen.clone(),
            refused: refused.clone(),
            foreseen: foreseen.clone(),
            foreseen_in: *foreseen_in,
            plans: plans.clone(),
            ahead: ahead.clone(),
            owing: owing.clone(),
            forecasts: Arc::clone(forecasts),
        }
    }

    /// A controller that remembers `state`; `None` when its lists do not fit the configuration.
    pub fn remembering(config: &Config, settings: Settings, state: State) -> Option<Self> {
        let fresh = Self::new(config, settings, None, Timestamp::UNIX_EPOCH);
        if !fresh.fits(&state) {
            return None;
        }
        let State { graded, twins, outlets, .. } = state;
        let mut controller = Self {
            basin: fresh.basin,
            field: fresh.field,
            schedules: fresh.schedules,
            in_file: fresh.in_file,
            settings: fresh.settings,
            paths: fresh.paths,
            outlets: fresh.outlets,
            grader: Grader { previous: graded, ..fresh.grader },
            twins: fresh.twins,
            readings: state.readings,
            facts: state.facts,
            gates: state.gates,
            carry: state.carry,
            forecasts: state.forecasts,
            tick: state.tick,
            rung: state.rung,
            record_ok: state.record_ok,
            refused_sign_ins: state.refused_sign_ins,
            deaf_receivers: state.deaf_receivers,
            why: state.why,
            conflicts: state.conflicts,
            last: state.last,
            next_cycle: state.next_cycle,
            next_bin: state.next_bin,
            bins: state.bins,
            next_watch: state.next_watch,
            section_seen: state.section_seen,
            refused: state.refused,
            foreseen: state.foreseen,
            foreseen_in: state.foreseen_in,
            plans: state.plans,
            ahead: state.ahead,
            owing: state.owing,
        };
        for (outlets, memory) in controller.outlets.iter_mut().zip(outlets) {
            outlets.memory = memory;
        }
        for (pair, Twins { turned, at_odds, levels }) in controller.twins.iter_mut().zip(twins) {
            (pair.turned, pair.at_odds, pair.levels) = (turned, at_odds, levels);
        }
        controller.lay_out_calendar();
        Some(controller)
    }

    /// Whether every list is as long as this configuration has it. What the first tick or the first look ahead makes is
    /// empty before.
    fn fits(&self, state: &State) -> bool {
        let carry = &state.carry;
        let none_or = |length: usize, wanted: usize| length == 0 || length == wanted;
        state.graded.len() == self.grader.previous.len()
            && state.twins.len() == self.twins.len()
            && state.outlets.len() == self.outlets.len()
            && state.gates.len() == self.basin.gates.len()
            && none_or(state.facts.len(), self.basin.gates.len())
            && state.readings.len() <= self.grader.previous.len() + self.field.derived.len()
            && state.section_seen.len() == self.basin.sections.len()
            && none_or(state.ahead.len(), self.paths.len())
            && none_or(state.owing.len(), self.basin.reservoirs.len())
            && carry.days.len() == self.carry.days.len()
            && carry.authorities.len() == self.carry.authorities.len()
            && carry.fallbacks.len() == self.carry.fallbacks.len()
            && carry.releases.len() == self.carry.releases.len()
            && carry.river.fits(&self.carry.river)
    }
}
