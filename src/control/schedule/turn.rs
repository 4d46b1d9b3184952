//! The calendar within the controller: which entries count, how they begin, what people activate.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::check::{self, Ground};
use super::steps::{Active, Step};
use super::{Entry, IfMissed, MOST, MOST_BYTES, Running, of_gate};
use crate::basin::GateId;
use crate::config::Schedules;
use crate::control::alarm::Condition;
use crate::control::controller::Controller;
use crate::control::interlock::{Cleared, Wish};
use crate::control::operator::{Authority, Mode};
use crate::control::reason::{Because, Limit};
use crate::control::record::{Entry as Record, Kind};
use crate::control::rules::{self, Asked};
use crate::control::{Decision, Now};

impl Controller {
    /// Puts the activated entries before those of the configuration.
    pub(in crate::control) fn lay_out_calendar(&mut self) {
        let own = self.carry.calendar.active.as_ref().map_or_else(Vec::new, |active| active.entries.clone());
        if own.is_empty() {
            self.schedules = Arc::clone(&self.in_file);
            return;
        }
        let all = own.into_iter().chain(self.in_file.entries.iter().cloned()).collect();
        self.schedules = Arc::new(Schedules { turns: self.in_file.turns.clone(), entries: all });
    }

    /// What people activated, if they ever did.
    pub fn activated(&self) -> Option<&Active> {
        self.carry.calendar.active.as_deref()
    }

    /// Takes up a calendar activated in an earlier run whose memory was lost; one that is remembered stays.
    pub fn take_up_calendar(&mut self, active: Active) {
        if self.carry.calendar.active.is_none() {
            self.carry.calendar.active = Some(Arc::new(active));
            self.lay_out_calendar();
        }
    }

    /// Wishes of the rules of the gates and of the calendar in this control cycle.
    pub(in crate::control) fn rules(&mut self, decision: &mut Decision, now: Now) -> Vec<Wish> {
        self.turn_calendar(decision, now);
        let scene = rules::Scene {
            basin: &self.basin,
            schedules: &self.schedules,
            calendar: &self.carry.calendar,
            meter: &|id| self.followed(id),
            owed: &|pond| self.owed(pond, now),
            facts: &self.facts,
            gates: &self.gates,
            now: now.mono,
            utc: now.utc,
            flood_season: self.flood_season(now),
            tickets: &self.carry.tickets,
        };
        let wishes = rules::wishes(&scene);
        let gates = (0..self.basin.gates.len()).map(GateId);
        let asked = gates.filter_map(|gate| rules::asked(&scene, gate));
        let asked = asked.map(|(running, asked)| (running.entry.id.clone(), asked)).collect();
        self.note_asked(asked);
        wishes
    }

    /// Looks which entries count now; what is found missed is recorded.
    fn turn_calendar(&mut self, decision: &mut Decision, now: Now) {
        let schedules = Arc::clone(&self.schedules);
        let mut memory = std::mem::take(&mut self.carry.calendar);
        let gates = (0..self.basin.gates.len()).map(GateId);
        let counts: Vec<Running<'_>> = gates
            .filter_map(|gate| {
                of_gate(&schedules.entries, &self.basin, gate, now.utc, |running| memory.leaves_out(running))
            })
            .collect();
        let zone = &self.basin.zone;
        let holds = |id: &str, begin: Timestamp| {
            let entry = schedules.entries.iter().find(|entry| entry.id == id);
            entry.and_then(|entry| entry.when.span_at(zone, now.utc)).is_some_and(|span| span.from == begin)
        };
        let missed = if schedules.entries.is_empty() && memory.steps.is_empty() {
            memory.seen = Some(now.utc);
            Vec::new()
        } else {
            memory.turn(&counts, holds, now.utc)
        };
        for id in missed {
            let Some(entry) = schedules.entries.iter().find(|entry| entry.id == id) else { continue };
            let step = memory.steps.get(&id);
            let mut record = Record::new(Kind::Schedule, "service");
            record.gate = entry.target.gate().map(str::to_owned);
            record.because = vec![entry.because()];
            record.limits = step.map_or_else(Vec::new, |step| step.held_by.clone());
            let due = step.map(|step| step.due);
            record.detail =
                Some(json!({ "what": "missed", "entry": id, "due": due, "then": entry.if_missed }));
            decision.entries.push(record);
        }
        self.carry.calendar = memory;
    }

    /// Notes of the entries that count what their rule asks: a gate that stands where it should has started, and one nobody
    /// sees cannot.
    fn note_asked(&mut self, asked: Vec<(String, Asked)>) {
        for (id, asked) in asked {
            let Some(step) = self.carry.calendar.steps.get_mut(&id) else { continue };
            match asked {
                Asked::There => step.started = true,
                Asked::Go { cut, .. } => step.cut = cut,
                Asked::Blind(limit) if !step.started => step.held_by = vec![limit],
                Asked::Blind(_) | Asked::Rest => {}
            }
        }
    }

    /// Notes what became of a wish of the calendar.
    pub(in crate::control) fn note_step(&mut self, wish: &Wish, end: Result<&Cleared, &[Limit]>) {
        let entry = wish.because.iter().find_map(|because| {
            if let Because::Schedule { entry, .. } = because { Some(entry) } else { None }
        });
        let Some(step) = entry.and_then(|id| self.carry.calendar.steps.get_mut(id)) else { return };
        match end {
            Ok(cleared) => {
                step.started = true;
                step.held_by.clear();
                if let Some(limit) = cleared.narrowed_by().first() {
                    step.cut = Some(limit.clone());
                }
            }
            Err(limits) if limits.contains(&Limit::TooSmall) => {
                step.started = true;
                step.held_by.clear();
                if let Some(limit) = limits.iter().find(|limit| **limit != Limit::TooSmall) {
                    step.cut = Some(limit.clone());
                }
            }
            Err(limits) if !step.started => step.held_by = limits.to_vec(),
            Err(_) => {}
        }
    }

    /// Conditions of the alarms A21 and A22.
    pub(in crate::control) fn calendar_conditions(&self, out: &mut Vec<Condition>) {
        if self.carry.mode == Mode::Observe {
            // Nothing is ever sent.
            return;
        }
        for (id, step) in &self.carry.calendar.steps {
            let Step { gate, due, started, missed, held_by, cut, .. } = step;
            if self.basin.gate(gate).is_some_and(|id| self.authority(id) == Authority::Observe) {
                continue;
            }
            if *missed && !*started {
                let skipped = self
                    .schedules
                    .entries
                    .iter()
                    .any(|entry| entry.id == *id && entry.if_missed == IfMissed::Skip);
                let detail = json!({ "entry": id, "due": due, "limits": held_by, "skipped": skipped });
                // A service that moves nothing by itself says so once.
                out.push(Condition::new("A22", gate.clone(), detail).under("A08:".into()));
            } else if let Some(limit) = cut {
                out.push(Condition::new("A21", gate.clone(), json!({ "entry": id, "limit": limit })));
            }
        }
    }

    /// Activates a calendar, unless it cannot be: the same checks as on the page, without the look at the water.
    pub(in crate::control) fn activate(
        &mut self,
        (version, hash, entries): (u32, &str, &[Entry]),
        by: &str,
        now: Now,
    ) -> Result<String, String> {
        if super::hash(entries) != hash {
            return Err("the calendar is not the one that was shown".into());
        }
        let bytes = serde_json::to_vec(entries).map_or(usize::MAX, |bytes| bytes.len());
        if entries.len() > MOST || bytes > MOST_BYTES {
            return Err(format!("more than {MOST} entries, or than {MOST_BYTES} bytes of them"));
        }
        let ground = Ground { basin: &self.basin, now: Some(now.utc), river: None };
        let found = check::conflicts(&ground, entries, &self.in_file.entries);
        if let Some(conflict) = found.iter().find(|conflict| conflict.refused) {
            let (what, remedy) = conflict.finding.words();
            return Err(format!("entry {}: {what}; {remedy}", conflict.entry));
        }
        let known = self.carry.calendar.active.as_ref().map_or(0, |active| active.version);
        if version <= known {
            return Err(format!("version {version}: version {known} is active already; look at it first"));
        }
        self.carry.calendar.active = Some(Arc::new(Active {
            version,
            hash: hash.to_owned(),
            by: by.to_owned(),
            since: now.utc,
            entries: entries.to_vec(),
        }));
        // What changed begins anew; what is the same goes on.
        let before = Arc::clone(&self.schedules);
        self.lay_out_calendar();
        let same = |id: &String| {
            let of = |all: &[Entry]| all.iter().find(|entry| entry.id == *id).cloned();
            of(&before.entries) == of(&self.schedules.entries)
        };
        let steps = std::mem::take(&mut self.carry.calendar.steps);
        self.carry.calendar.steps = steps.into_iter().filter(|(id, _)| same(id)).collect();
        Ok("calendar activated".into())
    }

    /// Entries that have not ended, in force now.
    pub fn calendar(&self) -> &[Entry] {
        &self.schedules.entries
    }
}

/// What has changed from one list of entries to another, for the record: new and changed ones whole, others by name.
pub fn changes(before: &[Entry], after: &[Entry]) -> serde_json::Value {
    let of = |all: &[Entry], id: &str| all.iter().find(|entry| entry.id == id).cloned();
    let added: Vec<_> = after.iter().filter(|entry| of(before, &entry.id).is_none()).collect();
    let changed: Vec<_> =
        after.iter().filter(|entry| of(before, &entry.id).is_some_and(|old| old != **entry)).collect();
    let removed: Vec<_> =
        before.iter().filter(|entry| of(after, &entry.id).is_none()).map(|entry| &entry.id).collect();
    json!({ "added": added, "changed": changed, "removed": removed, "entries": after.len() })
}
