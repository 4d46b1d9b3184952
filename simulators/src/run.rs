//! The closed loop in virtual time: river, devices and the very same controller, without sockets.
//!
//! ```text
//!  world ──> plant ──> registers ──scan──> Snapshot ──> Controller::decide ──> commands ──words──> registers
//! ```
//!
//! It ticks like the service while anything moves, a command is on its way or something has just happened, and
//! jumps over the ticks in which nothing is due: to the next control cycle or the next event.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use qindan::basin::{GateId, Place};
use qindan::control::carry::Carry;
use qindan::control::command::{Action, CommandId, OpenIntent, Terminal, WriteReport, WriteResult};
use qindan::control::operator::OperatorAct;
use qindan::control::reason::{Because, Limit};
use qindan::control::record::{Entry, Kind};
use qindan::control::{Controller, Decision, Now, Settings, Snapshot};
use qindan::shell::clock::Clock;
use qindan::units::Opening;
use sha2::{Digest, Sha256};

use crate::devices::Devices;
use crate::forecast::Post;
use crate::inflow::{Source, instant};
use crate::plant::{Forcing, Plant};
use crate::recorder::Recorder;
use crate::rungs::Rungs;
use crate::scenario::{Agenda, Case, Deed, Happening, What};
use crate::score::Step;
use crate::wire::Wire;
use crate::world::World;

/// Ticks at full rate after the last movement: reports, read-back and the trim that answers them come within these.
const LINGER: Duration = Duration::from_secs(5);

/// A command that was given, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// When, after the start.
    pub at: Duration,
    /// When.
    pub utc: Timestamp,
    /// Its number.
    pub command: CommandId,
    /// Its gate.
    pub gate: GateId,
    /// What it asked.
    pub action: Action,
    /// Opening before.
    pub before: Option<Opening>,
    /// The words of the target register, or of the command register for a stop.
    pub words: Vec<u16>,
    /// What came of the write.
    pub write: WriteResult,
    /// Who.
    pub actor: String,
    /// Why.
    pub because: Vec<Because>,
    /// Limits that narrowed it.
    pub limits: Vec<Limit>,
    /// Its end, once it has ended.
    pub outcome: Option<Terminal>,
}

/// What one tick was.
#[derive(Clone, Debug)]
pub struct Tick {
    /// Its time.
    pub now: Now,
    /// Time since the tick before; over it the river ran under `forcing`.
    pub dt: Duration,
    /// What the world did.
    pub forcing: Forcing,
    /// What was decided; its commands have been sent.
    pub decision: Decision,
}

impl Tick {
    /// The step of the river it ended.
    pub fn step(&self) -> Step<'_> {
        Step { now: self.now, dt: self.dt, forcing: &self.forcing }
    }
}

/// How a run of the service ends before the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order: every command gets its end.
    Stopped,
    /// Killed: commands in flight are taken up by the next run.
    Killed,
}

/// How the service runs here.
const SETTINGS: Settings = Settings { observing: false, bench: true };

/// A recorder stays with the loop it was given to: a copy of the loop, a trial of what might have been, records nothing.
struct Recording(Option<Recorder>);

impl Clone for Recording {
    fn clone(&self) -> Self {
        Self(None)
    }
}

/// A closed loop.
#[derive(Clone)]
pub struct Run {
    case: Case,
    plant: Plant,
    devices: Devices,
    wire: Wire,
    controller: Controller,
    now: Duration,
    started: bool,
    lively_until: Duration,
    agenda: Agenda,
    /// By how much the wall clock of the service is ahead.
    clock: SignedDuration,
    acts: Vec<OperatorAct>,
    post: Post,
    reports: Vec<WriteReport>,
    recovered: Vec<OpenIntent>,
    recorder: Recording,
    given: Vec<Act>,
    alarms: BTreeMap<String, usize>,
    answers: BTreeMap<String, Result<String, String>>,
    digest: Sha256,
    ticks: u64,
    stopwatch: Clock,
    in_plant: Duration,
    in_decide: Duration,
    /// Real time of each decision that made a plan.
    planning: Vec<Duration>,
    /// Times dispatch fell from a plan to the rule below it, or further.
    fallbacks: u64,
    rungs: Rungs,
}

impl Run {
    /// A loop before its first tick, the river at rest under the forcing of the start.
    pub fn new(mut case: Case, seed: u64) -> Self {
        case.scenario.reseed(seed);
        let start = case.scenario.start;
        let plant = case.river(seed);
        Self {
            devices: Devices::new(&case.config),
            wire: Wire::new(&case.config),
            controller: Controller::new(&case.config, SETTINGS, None, start),
            plant,
            now: Duration::ZERO,
            started: false,
            lively_until: Duration::ZERO,
            agenda: Agenda::new(&case.scenario),
            clock: SignedDuration::ZERO,
            acts: Vec::new(),
            post: Post::default(),
            reports: Vec::new(),
            recovered: Vec::new(),
            recorder: Recording(None),
            given: Vec::new(),
            alarms: BTreeMap::new(),
            answers: BTreeMap::new(),
            digest: Sha256::new(),
            ticks: 0,
            stopwatch: Clock::real(),
            in_plant: Duration::ZERO,
            in_decide: Duration::ZERO,
            planning: Vec::new(),
            fallbacks: 0,
            rungs: Rungs::new(case.scenario.spin_up),
            case,
        }
    }

    /// The scenario and its configuration.
    pub fn case(&self) -> &Case {
        &self.case
    }

    /// The river.
    pub fn plant(&self) -> &Plant {
        &self.plant
    }

    /// River and devices as they are now, and what is still to happen, for another controller.
    pub fn into_world(self) -> (World, Case, Agenda) {
        (World { plant: self.plant, devices: self.devices }, self.case, self.agenda)
    }

    /// Goes on in another world: `case` says what is still to come and holds what is over as it was, nothing waits for a
    /// condition any more, and somebody has shut `gates` on site and keeps their keys.
    pub(crate) fn divert(&mut self, case: Case, gates: &[GateId]) {
        self.plant.shut_on_site(gates);
        self.agenda.wait_no_more();
        self.case = case;
    }

    /// Adds water from the side to its world.
    pub(crate) fn add_laterals(&mut self, laterals: Vec<(Place, Source, f64)>) {
        self.case.scenario.laterals.extend(laterals);
    }

    /// Takes the last so many of them away again.
    pub(crate) fn drop_laterals(&mut self, count: usize) {
        let laterals = &mut self.case.scenario.laterals;
        laterals.truncate(laterals.len().saturating_sub(count));
    }

    /// By how much the wall clock of the service is ahead of the true time.
    pub fn clock(&self) -> SignedDuration {
        self.clock
    }

    /// What has happened so far, oldest first.
    pub fn happened(&self) -> &[Happening] {
        self.agenda.past(&self.case.scenario)
    }

    /// The controller.
    pub fn controller(&self) -> &Controller {
        &self.controller
    }

    /// What the field showed in the last tick, by point.
    pub fn samples(&self) -> &[qindan::control::quality::Sample] {
        self.wire.samples()
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Whether the scenario is over.
    pub fn is_over(&self) -> bool {
        self.started && self.now >= self.case.scenario.duration
    }

    /// Commands given so far, oldest first.
    pub fn given(&self) -> &[Act] {
        &self.given
    }

    /// What was answered to whom acted, by the name of the event: accepted, or why not.
    pub fn answers(&self) -> &BTreeMap<String, Result<String, String>> {
        &self.answers
    }

    /// How often each alarm was raised so far, by `ID:ELEMENT`.
    pub fn alarms(&self) -> &BTreeMap<String, usize> {
        &self.alarms
    }

    /// A person asks for something; the next tick takes it up.
    pub fn ask(&mut self, act: OperatorAct) {
        self.acts.push(act);
    }

    /// From the next tick on every programme of the controller fails, or none does because of this.
    pub fn break_solver(&mut self, broken: bool) {
        self.controller.break_solver(broken);
    }

    /// Ticks so far.
    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Real time spent so far in river and devices, and in deciding. Nothing that is decided depends on it.
    pub fn cost(&self) -> (Duration, Duration) {
        (self.in_plant, self.in_decide)
    }

    /// Real time so far of each decision that made a plan, and how often there was none to follow any more.
    pub fn planning(&self) -> (&[Duration], u64) {
        (&self.planning, self.fallbacks)
    }

    /// Hours in the scored time so far on each rung of the ladder, and how often dispatch fell to a lower one.
    pub fn rungs(&self) -> (BTreeMap<String, f64>, u64) {
        (self.rungs.hours(self.now), self.rungs.falls())
    }

    /// SHA-256 over the commands given so far at register resolution, hex: time, gate, kind, words.
    pub fn digest(&self) -> String {
        hex(&self.digest.clone().finalize())
    }

    /// Ticks until `until` after the start, showing each tick.
    pub fn until(&mut self, until: Duration, mut show: impl FnMut(&Self, &Tick)) {
        while !self.started || self.now < until {
            let tick = self.tick(until);
            show(self, &tick);
        }
    }

    /// The next tick, not later than `until`.
    pub fn tick(&mut self, until: Duration) -> Tick {
        let next = if self.started { self.due().min(until).max(self.now) } else { Duration::ZERO };
        let dt = next.saturating_sub(self.now);
        let mark = self.stopwatch.mark();
        let mut forcing = self.case.forcing(self.now + dt / 2);
        self.plant.overrule(&mut forcing, self.now + dt / 2);
        if !dt.is_zero() {
            self.plant.advance(dt, &forcing);
            // In a jump the service has fed them all along.
            self.wire.feed(&mut self.devices, &mut self.plant);
        }
        (self.now, self.started) = (next, true);
        self.agenda.look(&mut self.case, &self.plant, next);
        self.happen();
        self.devices.refresh(&mut self.plant);
        self.wire.scan(&self.devices, next);
        let now = Now { mono: next, utc: instant(self.case.scenario.start, next) };
        let (writes, later) = std::mem::take(&mut self.reports).into_iter().partition(|it| it.at <= next);
        self.reports = later;
        let seen = Snapshot {
            samples: self.wire.samples().to_vec(),
            writes,
            acts: std::mem::take(&mut self.acts),
            offers: self.post.due(&self.case, next),
            recovered: std::mem::take(&mut self.recovered),
            record_ok: true,
            refused_sign_ins: 0,
            deaf_receivers: 0,
        };
        self.in_plant += mark.elapsed();
        let mark = self.stopwatch.mark();
        let told = self.told();
        if let Some(recorder) = &mut self.recorder.0 {
            recorder.begin(&self.controller, told);
        }
        let decision = self.controller.decide(&seen, told);
        let took = mark.elapsed();
        self.note_plans(&decision.entries, took);
        self.rungs.note(&decision.entries, next);
        if let Some(recorder) = &mut self.recorder.0 {
            recorder.moment(&seen, told, &decision, &self.controller);
        }
        self.in_decide += mark.elapsed();
        self.ticks += 1;
        self.answers.extend(decision.answers.iter().cloned());
        self.send(&decision, now);
        self.note_ends(&decision.entries);
        self.note_alarms(&decision.entries);
        if self.controller.is_busy() || self.plant.is_restless() || !decision.commands.is_empty() {
            self.lively_until = next + LINGER;
        }
        Tick { now, dt, forcing, decision }
    }

    /// The time as the service has it.
    fn told(&self) -> Now {
        let utc = instant(self.case.scenario.start, self.now);
        Now { mono: self.now, utc: utc.saturating_add(self.clock).unwrap_or(utc) }
    }

    /// From the next tick on the inputs of every decision are kept below `data`, as the service keeps them in its folder.
    pub fn record(&mut self, data: &Path) {
        let boot = format!("run-{}", self.ticks);
        self.recorder.0 = Some(Recorder::new(data, &self.case.config, &boot, SETTINGS));
    }

    /// The recorder, to be finished.
    pub fn take_recorder(&mut self) -> Option<Recorder> {
        self.recorder.0.take()
    }

    /// The service ends and begins again between two ticks, with what it stores for the next start. Service time goes on.
    ///
    /// # Errors
    /// When the memory does not come back from its stored form.
    pub fn restart(&mut self, ending: Ending) -> serde_json::Result<()> {
        let now = self.told();
        match ending {
            Ending::Stopped => {
                let reports = std::mem::take(&mut self.reports);
                let entries = self.controller.close(&reports, now);
                self.note_ends(&entries);
                if let Some(mut recorder) = self.recorder.0.take() {
                    recorder.close(now, &reports, &entries);
                    self.recorder.0 = Some(recorder.again(&format!("run-{}", self.ticks)));
                }
            }
            Ending::Killed => {
                let open = self.given.iter().filter(|act| act.outcome.is_none()).map(|act| OpenIntent {
                    command: act.command,
                    gate: self
                        .case
                        .config
                        .basin
                        .gates
                        .get(act.gate.0)
                        .map(|it| it.id.clone())
                        .unwrap_or_default(),
                    action: act.action,
                    before: act.before,
                    set_points: Vec::new(),
                });
                self.recovered = open.collect();
                self.reports.clear();
                self.recorder.0 = self.recorder.0.take().map(|it| it.again(&format!("run-{}", self.ticks)));
            }
        }
        let stored = serde_json::to_vec(&self.controller.carry(now.utc))?;
        let carry: Carry = serde_json::from_slice(&stored)?;
        self.controller = Controller::new(&self.case.config, SETTINGS, Some(carry), now.utc);
        Ok(())
    }

    /// When the next tick is due.
    fn due(&self) -> Duration {
        let control = &self.case.config.basin.control;
        let tick = Duration::from_secs_f64(control.tick_s);
        if self.now < self.lively_until || !self.acts.is_empty() {
            return self.now + tick;
        }
        let cycle = Duration::from_secs_f64(control.cycle_s);
        let cycles = self.now.as_nanos() / cycle.as_nanos().max(1) + 1;
        let next_cycle = cycle * u32::try_from(cycles).unwrap_or(u32::MAX);
        let happening = self.agenda.due(&self.case.scenario, self.now);
        happening.map_or(next_cycle, |at| at.max(self.now + tick).min(next_cycle))
    }

    /// Lets happen what is due.
    fn happen(&mut self) {
        while let Some(Happening { id, what, .. }) = self.agenda.take(&self.case.scenario, self.now) {
            match what {
                What::Event(event) => {
                    if let Err(error) = self.plant.apply(&event) {
                        tracing::error!(event = id, %error, "nothing happened");
                    }
                }
                What::Act(deed) => self.act(id, &deed),
                // The forcing knows; a note is only told.
                What::Demand { .. } | What::Note(_) => {}
                What::SlowLink { link, by } => self.wire.slow_down(link, by),
                What::ClockStep(by) => self.clock = self.clock.saturating_add(by),
            }
            self.lively_until = self.now + LINGER;
        }
    }

    /// A person acts; what nothing is there for is refused by whoever looks for it.
    fn act(&mut self, id: String, deed: &Deed) {
        match deed.now(&self.controller) {
            Ok(order) => self.acts.push(OperatorAct {
                request: id,
                who: deed.who.clone().unwrap_or_else(|| "scenario".into()),
                role: String::new(),
                address: "scenario".into(),
                order,
                reason: None,
            }),
            Err(why) => {
                tracing::error!(event = id, why, "nothing happened");
                self.answers.insert(id, Err(why.into()));
            }
        }
    }

    fn send(&mut self, decision: &Decision, now: Now) {
        for cleared in &decision.commands {
            let sent = self.wire.send(&mut self.devices, &mut self.plant, cleared, now.mono);
            self.reports.push(sent.report);
            let gate = self.case.config.basin.gates.get(cleared.gate().0).map_or("", |gate| &gate.id);
            self.digest.update(now.mono.as_millis().to_be_bytes());
            self.digest.update(gate.as_bytes());
            self.digest.update([0, kind(cleared.action())]);
            for word in &sent.words {
                self.digest.update(word.to_be_bytes());
            }
            self.given.push(Act {
                at: now.mono,
                utc: now.utc,
                command: cleared.id(),
                gate: cleared.gate(),
                action: cleared.action(),
                before: cleared.before(),
                words: sent.words,
                write: sent.report.result,
                actor: cleared.actor().into(),
                because: cleared.because().to_vec(),
                limits: cleared.narrowed_by().to_vec(),
                outcome: None,
            });
        }
    }

    fn note_plans(&mut self, entries: &[Entry], took: Duration) {
        let told = entries.iter().filter(|entry| entry.kind == Kind::Plan).filter_map(|e| e.detail.as_ref());
        for detail in told {
            if detail.get("plan").is_some_and(|plan| plan.get("failed").is_none()) {
                self.planning.push(took);
            }
            let rung = |key: &str| detail.get(key).and_then(serde_json::Value::as_str);
            if let (Some("F0" | "F1"), Some("F2" | "F3")) = (rung("rung_from"), rung("rung_to")) {
                self.fallbacks += 1;
            }
        }
    }

    fn note_ends(&mut self, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.kind == Kind::Outcome) {
            let act = self.given.iter_mut().rev().find(|act| Some(act.command) == entry.command);
            if let Some(act) = act {
                act.outcome.clone_from(&entry.outcome);
            }
        }
    }

    fn note_alarms(&mut self, entries: &[Entry]) {
        for detail in
            entries.iter().filter(|entry| entry.kind == Kind::Alarm).filter_map(|e| e.detail.as_ref())
        {
            let text = |key: &str| detail.get(key).and_then(serde_json::Value::as_str);
            if let (Some(key), Some("raised")) = (text("key"), text("change")) {
                *self.alarms.entry(key.to_owned()).or_default() += 1;
            }
        }
    }
}

fn kind(action: Action) -> u8 {
    match action {
        Action::Stop => 3,
        Action::Goto(_) => 4,
    }
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        use std::fmt::Write;
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use qindan::control::operator::{Authority, Order};

    use super::*;
    use crate::plant::Event;

    /// A turn of the pump begins and ends, a unit trips and is reset: the floors are kept, and only the trip is news.
    #[test]
    fn a_week_that_is_kept_raises_no_other_alarm_than_its_trip() {
        let case = crate::replay::load("may_dry", None, &[]).unwrap();
        let seed = case.scenario.seed;
        let mut run = Run::new(case, seed);
        run.until(Duration::from_hours(6 * 24), |_, _| {});
        let raised = run.alarms().iter().map(|(key, times)| (key.as_str(), *times)).collect::<Vec<_>>();
        assert_eq!(raised, [("A31:zf.hp.u1", 1)]);
    }

    /// The box of the valve loses its link for six minutes and comes back shut in its set point, though not in fact. The
    /// valve is held: not a command of dispatch until a person gives it back, then a new one from where it stands.
    #[test]
    fn a_box_that_restarts_is_not_fought() {
        let mut case = crate::replay::load("may_dry", None, &[]).unwrap();
        let (seed, valve) = (case.scenario.seed, "zf.eco.v1");
        let id = case.config.basin.gate(valve).unwrap();
        let device = String::from("box.zf.eco.v1");
        let from = Duration::from_hours(60);
        let give = Order::SetAuthority { gate: id, authority: Authority::Automatic };
        let happens = [
            (0, What::Event(Event::Unplug { device: device.clone(), silent: true })),
            (5, What::Event(Event::Restart { gate: valve.into(), opening: 0.0 })),
            (6, What::Event(Event::Plug { device })),
            (360, What::Act(give.into())),
        ];
        case.scenario.happenings = happens
            .map(|(minute, what)| Happening {
                id: format!("restart-{minute}"),
                at: from + Duration::from_mins(minute),
                what,
            })
            .into();
        let mut run = Run::new(case, seed);
        run.until(from + Duration::from_hours(24), |_, _| {});
        assert_eq!(run.alarms().get("A12:zf.eco.v1"), Some(&1), "{:?}", run.alarms());
        let minute = |act: &Act| act.at.saturating_sub(from).as_secs() / 60;
        let moves = run.given().iter().filter(|act| act.gate == id && act.at > from).collect::<Vec<_>>();
        assert!(moves.iter().all(|act| minute(act) >= 360 || act.actor == "failsafe"), "{moves:?}");
        let first = moves.iter().find(|act| minute(act) >= 360).unwrap();
        let lasting = run.given().iter().rfind(|act| act.gate == id && act.at <= from).unwrap();
        let Action::Goto(stood) = lasting.action else { panic!("{lasting:?}") };
        let before = first.before.unwrap();
        assert!((before.fraction() - stood.fraction()).abs() < 0.006, "{before} {stood}");
    }
}
