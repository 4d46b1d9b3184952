//! The cycle's thinking half: one frozen snapshot in, one decision out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::carry::Carry;
use super::command::{Action, CommandId, FailReason, OpenIntent, Terminal};
use super::dispatch;
use super::estimate::{self, Ahead};
use super::forecast::Forecasts;
use super::gate::{self, Ended, GateFacts, GateMemory, InFlight};
use super::grade::Grader;
use super::interlock::{self, Authorities, Cleared, Purpose, Situation, Wish};
use super::operator::Mode;
use super::outlets::{Outlets, View};
use super::plan::Planned;
use super::pond::Owed;
use super::quality::Reading;
use super::reason::{Because, Limit};
use super::record::{Entry, Kind};
use super::routing::{self, Path};
use super::series::BIN_S;
use super::status::{Explanation, Rung};
use super::twins::{self, Pair};
use super::watch::Foreseen;
use super::{Decision, Now, Snapshot, facts, rating};
use crate::basin::{Basin, GateId, MeterId, Place, SectionId};
use crate::config::{Config, Schedules};
use crate::points::Field;
use crate::units::{Discharge, Opening, Stage};

/// Explanations kept for the page.
const WHY: usize = 20;

/// How the service was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// With `--observe`.
    pub observing: bool,
    /// Bench installation.
    pub bench: bool,
}

/// Decides; remembers between ticks only plain values.
#[derive(Clone, Debug)]
pub struct Controller {
    pub(super) basin: Arc<Basin>,
    pub(super) field: Arc<Field>,
    /// The calendar in force: what people activated, then what stands in the file.
    pub(super) schedules: Arc<Schedules>,
    /// The calendar of the file alone.
    pub(super) in_file: Arc<Schedules>,
    pub(super) settings: Settings,
    pub(super) paths: Vec<Path>,
    pub(super) outlets: Vec<Outlets>,
    pub(super) grader: Grader,
    pub(super) twins: Vec<Pair>,
    pub(super) readings: Vec<Reading>,
    pub(super) facts: Vec<GateFacts>,
    pub(super) gates: Vec<GateMemory>,
    pub(super) carry: Carry,
    pub(super) forecasts: Arc<Forecasts>,
    pub(super) tick: u64,
    pub(super) rung: Rung,
    pub(super) record_ok: bool,
    pub(super) refused_sign_ins: u32,
    pub(super) deaf_receivers: u32,
    pub(super) why: VecDeque<Explanation>,
    pub(super) conflicts: Vec<GateId>,
    pub(super) last: Option<Now>,
    pub(super) next_cycle: Duration,
    /// End of the running bin of the memory of the river; `None` before the first tick. A bin is a whole one: what a
    /// single tick shows, half of the meters not yet read, is no mean of anything.
    pub(super) next_bin: Option<Duration>,
    /// Bins closed since the start.
    pub(super) bins: u32,
    pub(super) next_watch: Duration,
    pub(super) section_seen: Vec<Duration>,
    pub(super) refused: BTreeMap<GateId, Vec<Limit>>,
    /// Least flow foreseen at each far section, and the bin it was foreseen in.
    pub(super) foreseen: Vec<Foreseen>,
    pub(super) foreseen_in: u32,
    /// Plan of each reservoir.
    pub(super) plans: Vec<Planned>,
    /// Flows expected along each path, as of then.
    pub(super) ahead: Vec<Ahead>,
    /// What has to pass each pond for the sections below it, by reservoir, as of the same bin.
    pub(super) owing: Vec<Option<Owed>>,
}

impl Controller {
    /// A controller for a configuration, with the memory stored before a restart if there is one.
    pub fn new(config: &Config, settings: Settings, carry: Option<Carry>, utc: Timestamp) -> Self {
        let basin = Arc::clone(&config.basin);
        let paths = routing::paths(&basin);
        let mut outlets = Vec::<Outlets>::new();
        for path in &paths {
            if outlets.iter().all(|o| o.source != path.source) {
                outlets.push(Outlets::new(&basin, path.source, path.outlet));
            }
        }
        let mode = if settings.observing { Mode::Observe } else { config.service.start_mode };
        let carry = match carry {
            Some(stored) => stored.resumed(&basin, &paths, outlets.len(), utc),
            None => Carry::new(&basin, &paths, outlets.len(), mode, utc),
        };
        let mut carry = if settings.observing { Carry { mode: Mode::Observe, ..carry } } else { carry };
        let forecasts = Arc::new(std::mem::take(&mut carry.forecasts));
        let grader = Grader::new(&basin, &config.field);
        let twins = twins::pairs(&basin, &config.field);
        let gates = vec![GateMemory::default(); basin.gates.len()];
        let section_seen = vec![Duration::ZERO; basin.sections.len()];
        let mut controller = Self {
            field: Arc::clone(&config.field),
            schedules: Arc::clone(&config.schedules),
            in_file: Arc::clone(&config.schedules),
            settings,
            paths,
            outlets,
            grader,
            twins,
            readings: Vec::new(),
            facts: Vec::new(),
            gates,
            carry,
            forecasts,
            tick: 0,
            rung: Rung::F2,
            record_ok: true,
            refused_sign_ins: 0,
            deaf_receivers: 0,
            why: VecDeque::new(),
            conflicts: Vec::new(),
            last: None,
            next_cycle: Duration::ZERO,
            next_bin: None,
            bins: 0,
            next_watch: Duration::ZERO,
            section_seen,
            refused: BTreeMap::new(),
            foreseen: Vec::new(),
            foreseen_in: 0,
            ahead: Vec::new(),
            owing: Vec::new(),
            plans: Vec::new(),
            basin,
        };
        controller.lay_out_calendar();
        controller
    }

    /// What to store for the next start.
    pub fn carry(&self, utc: Timestamp) -> Carry {
        Carry { stored: utc, forecasts: Forecasts::clone(&self.forecasts), ..self.carry.clone() }
    }

    /// Numbers commands from `next` on, when the record knows higher ones than the stored memory.
    pub fn number_from(&mut self, next: u64) {
        self.carry.next_command = self.carry.next_command.max(next);
    }

    /// Readings of the last tick, by point, then those of [`Field::derived`].
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// What the last tick read of a gate.
    pub fn facts(&self, id: GateId) -> Option<GateFacts> {
        self.facts.get(id.0).copied()
    }

    /// Whether a gate moves or a command is on its way: the local loop wants short ticks.
    pub fn is_busy(&self) -> bool {
        self.gates.iter().any(|g| g.in_flight.is_some())
            || self.facts.iter().any(|f| f.moving.unwrap_or(0) != 0)
    }

    /// One tick: what to do about `seen` at `now`.
    ///
    /// Total: bad data become graded readings and alarms, never an error.
    pub fn decide(&mut self, seen: &Snapshot, now: Now) -> Decision {
        let before = self.last.replace(now);
        let dt = before.map_or(self.basin.control.tick_s, |b| now.mono.saturating_sub(b.mono).as_secs_f64());
        let mut decision = Decision::default();
        self.tick += 1;
        self.record_ok = seen.record_ok;
        self.refused_sign_ins = seen.refused_sign_ins;
        self.deaf_receivers = seen.deaf_receivers;
        self.grader.grade(&seen.samples, now.mono, &mut self.readings);
        for pair in &mut self.twins {
            pair.compare(now.mono, &mut self.readings);
        }
        self.stand_in(now);
        if !self.basin.ratings.is_empty() {
            let date = self.basin.date_at(now.utc);
            rating::derive(&self.basin, &self.field, date, now.mono, &mut self.readings);
            // Once more: a flow that was entered stands before the one its level would give.
            self.stand_in(now);
        }
        facts::gather(&self.basin, &self.field, &self.readings, &mut self.facts);
        facts::doubt(&self.basin, &self.field, &mut self.gates, &mut self.readings, &mut self.facts);
        for report in &seen.writes {
            if let Some(gate) = self.gates.get_mut(report.gate.0) {
                gate.report(report.command, report.result);
            }
        }
        self.adopt(&seen.recovered);
        self.look_at_boxes();
        self.pass_tickets(dt, &mut decision);
        let mut wishes = self.settle(&mut decision, now);
        wishes.extend(self.obey(&seen.acts, &mut decision, now));
        self.weigh(&seen.offers, &mut decision, now);
        self.observe(dt, now);
        let cycle = now.mono >= self.next_cycle;
        if cycle {
            self.next_cycle = due_after(self.next_cycle, self.basin.control.cycle_s, now.mono);
            self.plan(now, &mut decision);
            if std::mem::replace(&mut self.foreseen_in, self.bins) != self.bins {
                self.foresee(now);
            } else if self.ahead.is_empty() {
                self.look_ahead(now);
            }
        }
        self.hold_release(&mut wishes, dt, cycle, now);
        if cycle {
            wishes.extend(self.rules(&mut decision, now));
            wishes.extend(self.shut_off(&mut decision, now));
        }
        self.clear(wishes, seen, &mut decision, now);
        self.lapse(&mut decision, now);
        self.watch(&mut decision, now);
        decision.cycle = cycle;
        decision
    }

    /// Whether the memory of the river still fills its first bin: dispatch cannot stand higher yet, nothing has fallen.
    pub(super) fn is_starting(&self) -> bool {
        self.bins == 0
    }

    /// Usable value of a meter.
    pub(super) fn meter(&self, id: MeterId) -> Option<f64> {
        self.meter_reading(id).usable()
    }

    /// Reading of a meter itself.
    pub(super) fn own_reading(&self, id: MeterId) -> Reading {
        let point = self.field.wiring.meters.get(id.0).copied().flatten();
        point.and_then(|p| self.readings.get(p.0)).copied().unwrap_or(Reading::NEVER)
    }

    /// Takes up intents the last run left without an outcome.
    fn adopt(&mut self, intents: &[OpenIntent]) {
        for intent in intents {
            if let Some(gate) = self.basin.gate(&intent.gate).and_then(|id| self.gates.get_mut(id.0)) {
                gate.open_intents.push(intent.clone());
            }
            self.number_from(intent.command.0 + 1);
        }
    }

    /// Ends commands that have ended, stops gates that go astray, and explains what the last run left open.
    fn settle(&mut self, decision: &mut Decision, now: Now) -> Vec<Wish> {
        let mut stops = Vec::new();
        for at in 0..self.gates.len() {
            let (Some(gate), Some(facts), Some(memory)) =
                (self.basin.gates.get(at), self.facts.get(at), self.gates.get_mut(at))
            else {
                continue;
            };
            if let Some(ended) = memory.advance(gate, facts, now.mono) {
                let entry = outcome_entry(&gate.id, &ended, facts.opening);
                explain_end(&mut self.why, ended.command.id, &ended.terminal);
                decision.entries.push(entry);
                let has_stop = self.field.wiring.gates.get(at).is_some_and(|points| points.command.is_some());
                stops.extend(stop_astray(GateId(at), &ended, facts.opening).filter(|_| has_stop));
            }
            for (intent, terminal) in memory.explain(gate, facts, now.mono) {
                let mut entry = Entry::new(Kind::Outcome, "recovery");
                entry.gate = Some(gate.id.clone());
                entry.command = Some(intent.command);
                entry.action = Some(intent.action);
                entry.before = intent.before;
                entry.after = facts.opening;
                entry.outcome = Some(terminal);
                entry.detail = Some(serde_json::json!({ "recovered": true }));
                decision.entries.push(entry);
            }
        }
        stops
    }

    /// Feeds the memory of the river.
    fn observe(&mut self, dt: f64, now: Now) {
        let date = self.basin.date_at(now.utc);
        let mut all = std::mem::take(&mut self.outlets);
        let mut outflow = BTreeMap::new();
        for outlets in &mut all {
            let view = self.view(outlets, dt, now);
            outlets.observe(&view);
            outflow.insert(outlets.source.0, outlets.present(&view));
        }
        self.outlets = all;
        let mut river = std::mem::take(&mut self.carry.river);
        river.add(|source| outflow.get(&source).copied().flatten(), |meter| self.meter(meter));
        river.add_levels(|pond| self.meter(self.basin.reservoirs.get(pond.0)?.level_meter?));
        let bin_ends = *self.next_bin.get_or_insert(now.mono + Duration::from_secs_f64(BIN_S));
        if now.mono >= bin_ends {
            self.next_bin = Some(due_after(bin_ends, BIN_S, now.mono));
            self.bins = self.bins.saturating_add(1);
            let scene = estimate::Scene::new(&self.basin, &self.schedules, now.utc);
            let asked = |source| self.release_of(source).filter(|_| self.dispatches(source));
            river.close(&scene, &self.paths, |source| outflow.get(&source).copied().flatten(), asked);
        }
        self.carry.river = river;
        for at in 0..self.basin.sections.len() {
            let Some(value) = self.basin.sections.get(at).and_then(|s| self.meter(s.meter)) else { continue };
            if let Some(seen) = self.section_seen.get_mut(at) {
                *seen = now.mono;
            }
            if let Some(day) = self.carry.days.get_mut(at) {
                if day.day != Some(date) {
                    *day = super::carry::DayMean { day: Some(date), ..Default::default() };
                }
                day.volume += value * dt;
                day.seconds += dt;
            }
        }
    }

    /// What the local loop of one dam sees.
    pub(super) fn view<'a>(&'a self, outlets: &Outlets, dt: f64, now: Now) -> View<'a> {
        let date = self.basin.date_at(now.utc);
        let level = self.basin.reservoirs.get(outlets.source.0).and_then(|r| r.level_meter);
        let level = level.and_then(|m| self.level_range(m));
        let level = level.and_then(|(low, high)| Some((Stage::new(low)?, Stage::new(high)?)));
        let section = self.basin.sections.iter().find(|s| s.at == Place::Node(outlets.outlet));
        let floor = section.and_then(|s| s.floor_on(date)).map_or(0.0, Discharge::get);
        let raised =
            section.and_then(|s| dispatch::raised(&self.basin, &self.schedules, s, now.utc, (0.0, 0.0)));
        let raised = raised.map(|(floor, _)| floor);
        let setpoint = section.and_then(|s| dispatch::setpoint_of(&self.basin, s, (raised, 0.0), date));
        let setpoint = setpoint.map_or(floor, Discharge::get);
        View {
            basin: &self.basin,
            facts: &self.facts,
            gates: &self.gates,
            authorities: &self.carry.authorities,
            level,
            flow: outlets.measured(&self.basin, |m| self.followed(m)),
            floor,
            setpoint,
            now: now.mono,
            dt,
        }
    }

    fn hold_release(&mut self, wishes: &mut Vec<Wish>, dt: f64, cycle: bool, now: Now) {
        let mut all = std::mem::take(&mut self.outlets);
        for (outlets, release) in all.iter_mut().zip(&self.carry.releases) {
            let Some(target) = release.target else { continue };
            let view = self.view(outlets, dt, now);
            wishes.extend(outlets.wishes(&view, target, &release.because, cycle));
        }
        self.outlets = all;
    }

    pub(super) fn flood_season(&self, now: Now) -> bool {
        self.basin.flood_season.contains(self.basin.date_at(now.utc))
    }

    /// What is permitted to a gate now, with the situation it was judged on.
    pub(super) fn situation(
        &self,
        id: GateId,
        record_ok: bool,
        now: Now,
    ) -> Option<(Situation<'_>, interlock::Allowed)> {
        let outlets = self.outlets.iter().find(|o| o.has(id));
        let view = outlets.map(|o| (o, self.view(o, 0.0, now)));
        let seen = Situation {
            basin: &self.basin,
            id,
            facts: self.facts.get(id.0)?,
            memory: self.gates.get(id.0)?,
            authority: self.authority(id),
            service: Authorities {
                mode: self.carry.mode,
                hold_all: self.carry.hold_all.is_some(),
                record_ok,
                flood_season: self.flood_season(now) || self.carry.tickets.frees(id),
            },
            release: view.as_ref().map(|(o, v)| o.limits(v, id)),
            above: view.as_ref().and_then(|(o, _)| o.levels(now.mono)),
            fallen_back: self.has_fallen_back(id),
            freed: self.carry.tickets.freed(id),
            now: now.mono,
        };
        let allowed = interlock::survey(&seen);
        Some((seen, allowed))
    }

    /// Every wish passes the interlocks; what is cleared becomes a command with its intent.
    fn clear(&mut self, wishes: Vec<Wish>, seen: &Snapshot, decision: &mut Decision, now: Now) {
        self.conflicts.clear();
        for wish in wishes {
            if self.is_advised(&wish) {
                self.propose(&wish, decision, now);
                continue;
            }
            let valid_for = Duration::from_secs(gate::VALID_S);
            let id = CommandId(self.carry.next_command);
            let Some((situation, allowed)) = self.situation(wish.gate, seen.record_ok, now) else { continue };
            match interlock::review(&wish, &situation, &allowed, id, valid_for) {
                Ok(cleared) => {
                    self.carry.next_command += 1;
                    self.refused.remove(&wish.gate);
                    self.note_step(&wish, Ok(&cleared));
                    self.take_up(&cleared, decision, now);
                    decision.commands.push(cleared);
                }
                Err(limits) => {
                    self.note_step(&wish, Err(limits.as_slice()));
                    self.note_refusal(&wish, limits, decision);
                }
            }
        }
    }

    fn take_up(&mut self, cleared: &Cleared, decision: &mut Decision, now: Now) {
        let Some(gate) = self.basin.gates.get(cleared.gate().0) else { return };
        let at = cleared.gate().0;
        let set_points =
            self.gates.get(at).zip(self.facts.get(at)).map(|(memory, facts)| memory.set_points(gate, facts));
        let set_points = set_points.unwrap_or_default();
        let next = InFlight {
            id: cleared.id(),
            action: cleared.action(),
            before: cleared.before(),
            set_points: set_points.clone(),
            since: now.mono,
            deadline: gate::deadline(gate, cleared.before(), cleared.action(), now.mono),
            write: None,
            because: cleared.because().to_vec(),
            actor: cleared.actor().into(),
        };
        let mut intent = Entry::new(Kind::Intent, cleared.actor());
        intent.gate = Some(gate.id.clone());
        intent.command = Some(cleared.id());
        intent.action = Some(cleared.action());
        intent.before = cleared.before();
        intent.set_points = set_points;
        intent.because = cleared.because().to_vec();
        intent.limits = cleared.narrowed_by().to_vec();
        intent.inputs = Some(self.inputs_digest());
        let explanation = self.explanation(cleared, now);
        let after = self.facts.get(cleared.gate().0).and_then(|f| f.opening);
        let superseded = self.gates.get_mut(cleared.gate().0).and_then(|m| m.command(next, gate, now.mono));
        if let Some(ended) = superseded {
            explain_end(&mut self.why, ended.command.id, &ended.terminal);
            decision.entries.push(outcome_entry(&gate.id, &ended, after));
        }
        decision.entries.push(intent);
        self.why.push_front(explanation);
        self.why.truncate(WHY);
    }

    /// A refusal is recorded when its limits change, not every cycle.
    pub(super) fn note_refusal(&mut self, wish: &Wish, limits: Vec<Limit>, decision: &mut Decision) {
        if limits.contains(&Limit::Conflict) {
            self.conflicts.push(wish.gate);
        }
        let passing =
            |limit: &Limit| matches!(limit, Limit::TooSmall | Limit::InFlight | Limit::Pause { .. });
        if wish.purpose != Purpose::Operator && limits.iter().any(passing) {
            return;
        }
        let kinds = |limits: &[Limit]| limits.iter().map(std::mem::discriminant).collect::<Vec<_>>();
        let known = self.refused.get(&wish.gate).is_some_and(|old| kinds(old) == kinds(&limits));
        if !known || wish.purpose == Purpose::Operator {
            let mut entry = Entry::new(Kind::Refusal, wish.actor.clone());
            entry.gate = self.basin.gates.get(wish.gate.0).map(|g| g.id.clone());
            entry.action = Some(wish.action);
            entry.before = self.facts.get(wish.gate.0).and_then(|f| f.opening);
            entry.because.clone_from(&wish.because);
            entry.limits.clone_from(&limits);
            decision.entries.push(entry);
        }
        self.refused.insert(wish.gate, limits);
    }

    fn explanation(&self, cleared: &Cleared, now: Now) -> Explanation {
        let to = match cleared.action() {
            Action::Goto(to) => Some(to),
            Action::Stop => None,
        };
        Explanation {
            utc: now.utc,
            gate: Some(cleared.gate()),
            command: Some(cleared.id()),
            from: cleared.before(),
            to,
            actor: cleared.actor().into(),
            because: cleared.because().to_vec(),
            limits: cleared.narrowed_by().to_vec(),
            expect: to.map_or_else(Vec::new, |to| self.effect(cleared.gate(), cleared.before(), to, now)),
            outcome: None,
        }
    }

    /// Change of flow a movement makes at each section below: section, change, first and full arrival in hours.
    pub fn effect(
        &self,
        id: GateId,
        from: Option<Opening>,
        to: Opening,
        now: Now,
    ) -> Vec<(SectionId, Discharge, f64, f64)> {
        let Some(outlets) = self.outlets.iter().find(|o| o.has(id)) else { return Vec::new() };
        let (Some(level), Some(gate), Some(from)) =
            (outlets.level(now.mono), self.basin.gates.get(id.0), from)
        else {
            return Vec::new();
        };
        let flow = |at| super::structure::flow(gate, at, level);
        let change = flow(to) - flow(from);
        let view = self.view(outlets, 0.0, now);
        let base = Discharge::lossy(outlets.present(&view).unwrap_or(1.0)).max(Discharge::lossy(0.1));
        self.paths
            .iter()
            .filter(|p| p.source == outlets.source)
            .map(|p| {
                let lag = p.lag_h(&self.basin, base);
                (p.section, change * p.gain, estimate::ARRIVAL.0 * lag, estimate::ARRIVAL.1 * lag)
            })
            .collect()
    }

    /// SHA-256 over the readings a decision stood on, hex.
    pub(super) fn inputs_digest(&self) -> String {
        use sha2::Digest;
        let mut hash = sha2::Sha256::new();
        for reading in &self.readings {
            hash.update(reading.value.unwrap_or(f64::NAN).to_bits().to_be_bytes());
            hash.update([reading.quality as u8]);
            hash.update(reading.taken_at.unwrap_or_default().as_millis().to_be_bytes());
        }
        hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            use std::fmt::Write;
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// Next due time on the grid of `period`, after `now`; missed ones are skipped, not queued.
pub(super) fn due_after(due: Duration, period_s: f64, now: Duration) -> Duration {
    let period = Duration::from_secs_f64(period_s);
    let next = due + period;
    if next > now { next } else { now + period }
}

pub(super) fn outcome_entry(gate: &str, ended: &Ended, after: Option<Opening>) -> Entry {
    let mut entry = Entry::new(Kind::Outcome, ended.command.actor.clone());
    entry.gate = Some(gate.into());
    entry.command = Some(ended.command.id);
    entry.action = Some(ended.command.action);
    entry.before = ended.command.before;
    entry.after = after;
    entry.write = ended.command.write;
    entry.outcome = Some(ended.terminal.clone());
    let took = ended.at.saturating_sub(ended.command.since);
    entry.took_ms = u64::try_from(took.as_millis()).ok();
    entry
}

/// The stop of a gate whose command ended because it went astray.
fn stop_astray(gate: GateId, ended: &Ended, at: Option<Opening>) -> Option<Wish> {
    let Terminal::Failed { why: FailReason::WrongWay | FailReason::Overshoot } = ended.terminal else {
        return None;
    };
    let Action::Goto(to) = ended.command.action else { return None };
    Some(Wish {
        gate,
        action: Action::Stop,
        purpose: Purpose::Protective,
        actor: "failsafe".into(),
        because: vec![Because::Astray { at, to }],
    })
}

fn explain_end(why: &mut VecDeque<Explanation>, id: CommandId, terminal: &Terminal) {
    if let Some(explanation) = why.iter_mut().find(|e| e.command == Some(id)) {
        explanation.outcome = Some(terminal.clone());
    }
}
