//! The movement part of a point test: one gate at a time, a small step and back, each after the person at the gate has
//! typed its identifier.
//!
//! ```text
//! preconditions ─> safety text ─> id typed ─> step ─> watched to its end ─> seen? ─> id typed ─> back ─> seen?
//!       └ refused, recorded                    └ "stop": the gate is stopped, the test ends
//! ```

use std::io::Write;
use std::time::Duration;

use super::super::clock::Clock;
use super::super::journal::Names;
use super::super::log_text::Bound;
use super::hand::{Hand, Moves, gates_of};
use super::plan::Prospect;
use super::record::{self, MoveVerdict, Movement, Saw, Step, Way};
use super::trace::Trace;
use super::{Answers, PointTestError};
use crate::basin::{Gate, GateId};
use crate::config::Config;
use crate::control::command::{CommandId, Terminal};
use crate::control::gate::GateFacts;
use crate::control::interlock::Cleared;
use crate::control::operator::Order;
use crate::control::quality::{Quality, Reason};
use crate::control::record::{Entry, Kind};
use crate::points::DeviceId;
use crate::units::Opening;

/// Scans after the end of a movement in which an overshoot still shows.
const LINGER_SCANS: f64 = 3.0;

const SAFETY: &str = "
安全：闸门（阀门）即将动作。先确认：下游河道、闸室及启闭机旁无人；无船只、无障碍物；警示已发出；一人操作、一人监护，监护人手在急停按钮旁。
SAFETY: the gate is about to move. First make sure: nobody in the bed below, in the gate chamber or at the hoist; no boats,
no obstacles; the warning has sounded; one person operates, a second one watches with a hand on the emergency stop.
";

const HELP: &str = "        type the identifier of the gate to move it, skip WHY to leave it out, stop to stop it and end the test\n";
const SEEN_HELP: &str = "        ok, ok NOTE, f WHY when it was not as it should be, stop\n";

/// What came of the movements of one device.
#[derive(Debug, Default)]
pub(super) struct Moved {
    pub(super) movements: Vec<Movement>,
    pub(super) was_stopped: bool,
}

/// Moves the gates of `device`, one after the other.
pub(super) async fn run(
    config: &Config,
    moves: &Moves,
    device: DeviceId,
    by: &str,
    answers: &mut Answers,
    out: &mut dyn Write,
) -> Result<Moved, PointTestError> {
    let gates: Vec<GateId> =
        gates_of(config, device).into_iter().filter(|id| moves.gate.is_none_or(|one| one == *id)).collect();
    let mut done = Moved::default();
    if gates.is_empty() {
        writeln!(out, "\nno gate to move on this device")?;
        return Ok(done);
    }
    let name = config.field.devices.get(device.0).map_or("", |device| device.id.as_str());
    let hand = Hand::open(config, moves, device, gates.clone(), by).await?;
    hand.note(serde_json::json!({ "point_test": "movement", "state": "begun", "device": name })).await;
    let mut dialog =
        Dialog { config, hand, answers, out, asked_step: moves.step, rest_until: Duration::ZERO };
    let mut trouble = None;
    for (number, id) in gates.iter().enumerate() {
        let Some(gate) = config.basin.gates.get(id.0) else { continue };
        if done.was_stopped {
            done.movements.push(dialog.blank(gate, MoveVerdict::NotTested, "the test was stopped before"));
            continue;
        }
        writeln!(
            dialog.out,
            "\n[gate {}/{}] {}  {} / {}",
            number + 1,
            gates.len(),
            gate.id,
            gate.name.zh,
            gate.name.en
        )?;
        match dialog.gate(*id, gate).await {
            Ok((movement, stopped)) => {
                writeln!(dialog.out, "        {:?} {}", movement.verdict, movement.remark)?;
                done.movements.push(movement);
                done.was_stopped = stopped;
            }
            Err(error) => {
                // Nobody can be asked any more: what may still move is stopped before the test ends.
                drop(dialog.stop(*id).await);
                trouble = Some(error);
                break;
            }
        }
    }
    let hand = dialog.hand;
    hand.note(serde_json::json!({ "point_test": "movement", "state": "ended", "device": name })).await;
    hand.close().await;
    trouble.map_or(Ok(done), Err)
}

struct Dialog<'d> {
    config: &'d Config,
    hand: Hand<'d>,
    answers: &'d mut Answers,
    out: &'d mut dyn Write,
    asked_step: Option<f64>,
    /// Until then the motor rests before it turns the other way.
    rest_until: Duration,
}

/// What the person typed in place of a confirmation.
enum Word {
    Go,
    Skip(String),
    Stop,
}

/// How a movement ended.
struct Ended {
    entry: Option<Entry>,
    stopped: bool,
}

impl Dialog<'_> {
    /// A movement that has not been made.
    fn blank(&self, gate: &Gate, verdict: MoveVerdict, remark: &str) -> Movement {
        Movement {
            gate: gate.id.clone(),
            name_zh: gate.name.zh.clone(),
            name_en: gate.name.en.clone(),
            unit: gate.stroke.unit.symbol().into(),
            stood: None,
            left: None,
            verdict,
            remark: remark.into(),
            afterwards: None,
            at: record::civil(Clock::machine_utc(), &self.config.basin.zone),
            step: Vec::new(),
        }
    }

    /// One gate; with it, whether the person ends the test.
    async fn gate(&mut self, id: GateId, gate: &Gate) -> Result<(Movement, bool), PointTestError> {
        self.hand.tick(Vec::new()).await;
        let planned = self.prospect().plan(id, gate, self.asked_step);
        let (stands, to) = match planned {
            Ok(plan) => plan,
            Err((verdict, why)) => return Ok((self.blank(gate, verdict, &why), false)),
        };
        self.rest_until = Duration::ZERO;
        let mut movement = self.blank(gate, MoveVerdict::Failed, "");
        movement.stood = Some(gate.stroke.position(stands));
        write!(self.out, "{SAFETY}")?;
        movement.afterwards = self.prospect().afterwards(id, gate);
        if let Some(act) = &movement.afterwards {
            writeln!(
                self.out,
                "看门狗：测试结束后控制箱失去主站，超时后将自行动作：{act}。此前人员不得靠近。\n\
                 WATCHDOG: when the test ends the box loses its master; after its time-out it does by itself: {act}. \
                 Keep clear until then.\n"
            )?;
        }
        let mut stopped = false;
        for (way, from, to) in [(Way::Out, stands, to), (Way::Back, to, stands)] {
            let unit = gate.stroke.unit.symbol();
            let show = |opening| record::shown(gate.stroke.position(opening));
            writeln!(self.out, "        {way:?}: from {} to {} {unit}", show(from), show(to))?;
            let name = format!("{}/{}", gate.id, way.name());
            match self.confirm(gate, &name).await? {
                Word::Go => {}
                Word::Skip(why) => {
                    movement.remark = why;
                    if way == Way::Out {
                        movement.verdict = MoveVerdict::NotTested;
                    }
                    break;
                }
                Word::Stop => {
                    self.stop(id).await?;
                    movement.remark = "stopped by the person".into();
                    stopped = true;
                    break;
                }
            }
            if self.rest(&format!("{}/moving", gate.id)).await? {
                self.stop(id).await?;
                movement.remark = "stopped by the person".into();
                stopped = true;
                break;
            }
            // The person has taken their time: what was true before may not be true now.
            if let Some(why) = self.prospect().hindrance(id) {
                movement.remark = why;
                if way == Way::Out {
                    movement.verdict = MoveVerdict::Refused;
                }
                break;
            }
            let (step, ended) = self.step(id, gate, way, to).await?;
            let arrived = step.outcome == "verified";
            movement.step.push(step);
            if ended {
                movement.remark = "stopped by the person".into();
                stopped = true;
                break;
            }
            if !arrived {
                // What has not arrived in time must not arrive when nobody watches it any more.
                if self.hand.facts(id).is_some_and(|facts| facts.moving != Some(0)) {
                    self.stop(id).await?;
                }
                movement.remark = format!("did not go {}", way.name());
                break;
            }
            let (saw, note, over) = self.seen(&name).await?;
            if let Some(step) = movement.step.last_mut() {
                (step.saw, step.note) = (saw, note);
            }
            if over {
                self.stop(id).await?;
                movement.remark = "stopped by the person".into();
                stopped = true;
                break;
            }
        }
        let whole = movement.step.len() == 2 && movement.step.iter().all(|step| step.saw == Saw::Ok);
        if whole && movement.step.iter().all(|step| step.outcome == "verified") {
            movement.verdict = MoveVerdict::Passed;
        } else if movement.remark.is_empty() {
            movement.remark = "the person saw something else".into();
        }
        let facts = self.hand.facts(id);
        movement.left = facts.and_then(|facts| facts.opening).map(|opening| gate.stroke.position(opening));
        if !movement.step.is_empty() && !movement.left.is_some_and(|left| is_near(gate, left, stands)) {
            movement.remark.push_str("; it does not stand where it stood before");
        }
        Ok((movement, stopped))
    }

    fn prospect(&self) -> Prospect<'_> {
        Prospect { config: self.config, hand: &self.hand }
    }

    /// Waits for an answer; the field is watched meanwhile.
    async fn ask(&mut self, name: &str, prompt: &str) -> Result<Option<String>, PointTestError> {
        write!(self.out, "        {prompt}> ")?;
        self.out.flush()?;
        loop {
            let due = self.hand.due;
            tokio::select! {
                biased;
                answer = self.answers.next(name) => return answer,
                () = self.hand.clock.sleep_until(due) => {}
            }
            self.hand.tick(Vec::new()).await;
        }
    }

    async fn confirm(&mut self, gate: &Gate, name: &str) -> Result<Word, PointTestError> {
        loop {
            let prompt = format!("type {} to move it", gate.id);
            let Some(text) = self.ask(name, &prompt).await? else { return Ok(Word::Stop) };
            let text = text.trim();
            match (text == gate.id, text.split_once(char::is_whitespace)) {
                (true, _) => return Ok(Word::Go),
                (false, Some(("skip", why))) => return Ok(Word::Skip(why.trim().into())),
                (false, _) if text == "stop" => return Ok(Word::Stop),
                (false, _) => write!(self.out, "{HELP}")?,
            }
        }
    }

    /// What the person saw, a note, and whether to stop.
    async fn seen(&mut self, name: &str) -> Result<(Saw, String, bool), PointTestError> {
        let name = format!("{name}/seen");
        loop {
            let Some(text) = self.ask(&name, "what did you see at the gate").await? else {
                return Ok((Saw::NotAsked, String::new(), true));
            };
            let text = text.trim();
            let (word, note) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            match (word.to_ascii_lowercase().as_str(), note.trim()) {
                ("ok", note) => return Ok((Saw::Ok, note.into(), false)),
                ("f", why) if !why.is_empty() => return Ok((Saw::NotOk, why.into(), false)),
                ("stop", "") => return Ok((Saw::NotAsked, String::new(), true)),
                _ => write!(self.out, "{SEEN_HELP}")?,
            }
        }
    }

    /// Waits until the motor may turn the other way; whether the person said stop meanwhile.
    async fn rest(&mut self, name: &str) -> Result<bool, PointTestError> {
        let left = self.rest_until.saturating_sub(self.hand.clock.mono());
        if !left.is_zero() {
            writeln!(self.out, "        the motor rests, {:.0} s", left.as_secs_f64().ceil())?;
        }
        while self.hand.clock.mono() < self.rest_until {
            let due = self.hand.due.min(self.rest_until);
            tokio::select! {
                biased;
                heard = self.answers.interrupt(name) => {
                    if heard?.is_none_or(|text| text.trim() == "stop") {
                        return Ok(true);
                    }
                }
                () = self.hand.clock.sleep_until(due) => {
                    self.hand.tick(Vec::new()).await;
                }
            }
        }
        Ok(false)
    }

    /// One movement from its set-point to its end; with it, whether the person stopped it.
    async fn step(
        &mut self,
        id: GateId,
        gate: &Gate,
        way: Way,
        to: Opening,
    ) -> Result<(Step, bool), PointTestError> {
        let period = self.scan_s(id);
        let begun = self.hand.clock.now().mono;
        let mut trace = Trace::new(gate, self.hand.facts(id).and_then(|facts| facts.opening), to, period);
        let mut step = Step {
            way,
            from: self.hand.facts(id).and_then(|facts| facts.position.value),
            to: gate.stroke.position(to),
            at: record::civil(Clock::machine_utc(), &self.config.basin.zone),
            command: None,
            write: None,
            outcome: String::new(),
            took_s: None,
            speed_per_s: None,
            expected_per_s: gate.stroke.length() / gate.stroke_s,
            overshoot: None,
            read_back: None,
            ended_at: None,
            saw: Saw::NotAsked,
            note: String::new(),
        };
        let reason = format!("point test of commissioning: a small step {}", way.name());
        let act = self.hand.act(Order::SetPoint { gate: id, opening: to, reason });
        let ticked = self.hand.tick(vec![act]).await;
        let decision = ticked.decision;
        let own = decision.commands.iter().find(|cleared| cleared.gate() == id).map(Cleared::id);
        let Some(command) = own else {
            step.outcome = self.refusal(&decision.answers, &decision.entries);
            writeln!(self.out, "        not moved: {}", step.outcome)?;
            return Ok((step, false));
        };
        if ticked.unrecorded {
            writeln!(self.out, "        the disk did not take the intent: nothing is sent")?;
        }
        writeln!(self.out, "        moving; stop and Enter stops it")?;
        let name = format!("{}/moving", gate.id);
        let ended = self.watch(id, command, &name, &mut trace).await?;
        let entry = ended.entry.as_ref();
        self.rest_until = self.hand.clock.mono() + Duration::from_secs_f64(gate.reversal_pause_s);
        step.command = Some(command.0);
        step.write = entry.and_then(|entry| entry.write).map(|write| word(&write));
        step.outcome = entry.and_then(|entry| entry.outcome.as_ref()).map_or_else(String::new, outcome);
        step.took_s = entry.and_then(|entry| entry.took_ms).map(|ms| Duration::from_millis(ms).as_secs_f64());
        let facts = self.hand.facts(id);
        let fresh = |facts: GateFacts| matches!(facts.position.quality, Quality::Good | Quality::Simulated);
        if step.outcome != "verified" && !facts.is_some_and(fresh) {
            let frozen = facts.is_some_and(|facts| facts.position.reason == Some(Reason::Frozen));
            let what = if frozen { "stood still while the motor ran" } else { "was lost on the way" };
            step.outcome.push_str(", the position ");
            step.outcome.push_str(what);
        }
        let measured = trace.measured(begun);
        (step.speed_per_s, step.overshoot) = (measured.speed_per_s, measured.overshoot);
        step.read_back = facts.and_then(|f| f.target).map(|(target, _)| gate.stroke.position(target));
        step.ended_at = facts.and_then(|facts| facts.position.value);
        writeln!(self.out, "        {}", step.said(gate.stroke.unit.symbol()))?;
        Ok((step, ended.stopped))
    }

    /// Ticks until a command has its end and the gate has settled; hears "stop".
    async fn watch(
        &mut self,
        id: GateId,
        command: CommandId,
        name: &str,
        trace: &mut Trace,
    ) -> Result<Ended, PointTestError> {
        let mut found: Option<Entry> = None;
        let mut until: Option<Duration> = None;
        while until.is_none_or(|until| self.hand.clock.mono() < until) {
            let due = self.hand.due;
            let stop = tokio::select! {
                biased;
                heard = self.answers.interrupt(name) => heard?.is_none_or(|text| text.trim() == "stop"),
                () = self.hand.clock.sleep_until(due) => {
                    let entries = self.hand.tick(Vec::new()).await.decision.entries;
                    found = found.or_else(|| end_of(&entries, command));
                    if let Some(facts) = self.hand.facts(id) {
                        trace.add(&facts.position);
                    }
                    if found.is_some() && until.is_none() {
                        let linger = Duration::from_secs_f64(LINGER_SCANS * trace.period_s);
                        until = Some(self.hand.clock.mono() + linger);
                    }
                    continue;
                }
            };
            if stop {
                let entries = self.stop(id).await?;
                return Ok(Ended { entry: found.or_else(|| end_of(&entries, command)), stopped: true });
            }
            writeln!(self.out, "        only stop is heard while it moves")?;
        }
        Ok(Ended { entry: found, stopped: false })
    }

    /// Stops the gate and waits for the end of the stop; gives what was recorded.
    async fn stop(&mut self, id: GateId) -> Result<Vec<Entry>, PointTestError> {
        writeln!(self.out, "        stopping")?;
        let act = self.hand.act(Order::StopGate { gate: id });
        let decision = self.hand.tick(vec![act]).await.decision;
        let mut entries = decision.entries;
        let command = decision.commands.iter().find(|cleared| cleared.gate() == id).map(Cleared::id);
        if let Some(command) = command {
            while end_of(&entries, command).is_none() {
                self.hand.clock.sleep_until(self.hand.due).await;
                entries.extend(self.hand.tick(Vec::new()).await.decision.entries);
            }
        }
        let told = command.and_then(|command| end_of(&entries, command)).and_then(|entry| entry.outcome);
        writeln!(self.out, "        stop: {}", told.as_ref().map_or_else(|| "refused".into(), outcome))?;
        Ok(entries)
    }

    /// Why there is no command.
    fn refusal(&self, answers: &[(String, Result<String, String>)], entries: &[Entry]) -> String {
        let names = Names::of(&self.config.basin);
        let refused = entries.iter().find(|entry| entry.kind == Kind::Refusal);
        if let Some(entry) = refused {
            let limits = entry.limits.iter().map(|limit| Bound(&names.resolve(limit)).to_string());
            return format!("refused: {}", limits.collect::<Vec<_>>().join(", "));
        }
        let told = answers.iter().find_map(|(_, answer)| answer.as_ref().err().cloned());
        told.unwrap_or_else(|| "refused".into())
    }

    fn scan_s(&self, id: GateId) -> f64 {
        let field = &self.config.field;
        let position = field.wiring.gates.get(id.0).and_then(|points| points.position);
        position.and_then(|point| field.period_s(point)).unwrap_or(1.0)
    }
}

/// The record of the end of a command, if it is among `entries`.
fn end_of(entries: &[Entry], command: CommandId) -> Option<Entry> {
    entries.iter().find(|entry| entry.kind == Kind::Outcome && entry.command == Some(command)).cloned()
}

/// Whether a position is where the gate `stands`, within its tolerance.
fn is_near(gate: &Gate, position: f64, stands: Opening) -> bool {
    crate::control::gate::near(gate, gate.stroke.opening(position), stands)
}

fn outcome(terminal: &Terminal) -> String {
    match terminal {
        Terminal::Verified => "verified".into(),
        Terminal::Failed { why } => format!("failed: {}", word(why)),
        Terminal::Expired => "expired".into(),
        Terminal::Superseded => "superseded".into(),
        Terminal::Abandoned => "abandoned".into(),
    }
}

/// A word of the record, as it is written there.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}
