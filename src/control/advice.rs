//! Advice: what automatic control would send stands as a proposal, with its reasons and an end, until a person accepts or
//! rejects it. How often they accept is counted by gate: the way from advice to automatic (`ops/golive.md`).
//!
//! A proposal is what [`interlock::review`] would clear in automatic; accepted, it goes through the same review again, as the wish
//! of a person.

use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::command::{Action, CommandId};
use super::controller::Controller;
use super::interlock::{self, Purpose, Wish};
use super::operator::{Authority, Mode};
use super::reason::{Because, Limit};
use super::record::{Entry, Kind};
use super::{Decision, Now, gate};
use crate::basin::GateId;
use crate::units::Opening;

/// A proposal that dispatch has not made again for this long is no longer meant: three control cycles of the usual minute. Chosen.
const LASTS: Duration = Duration::from_secs(180);

/// A movement that was rejected is not proposed again for this long. Assumed: until the river has changed noticeably.
const MUTED: Duration = Duration::from_secs(1800);

/// Difference from a rejected movement that makes another one of it, share of the stroke. Assumed.
const ANOTHER: f64 = 0.05;

/// Days a gate's answers are counted over (`page.md` 2.5: a gate is suggested for automatic after 30 days).
pub const DAYS: i32 = 30;

/// A movement proposed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// Running number.
    pub id: u64,
    /// The gate.
    pub gate: GateId,
    /// Where it stood.
    pub from: Option<Opening>,
    /// Where it should go, within what is permitted.
    pub to: Opening,
    /// Holds the outlet floor or moves back inside a limit: in automatic it would not wait.
    pub protective: bool,
    /// Why, most important first.
    pub because: Vec<Because>,
    /// Limits that narrowed it.
    pub limits: Vec<Limit>,
    /// Service time at which it was made.
    pub made: Duration,
    /// Service time at which it ends unless dispatch means it still.
    pub until: Duration,
}

/// How proposals for one gate were answered on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Identifier of the gate: tallies outlive a change of the configuration.
    pub gate: String,
    /// The day at the site.
    pub day: Date,
    /// Accepted.
    pub accepted: u32,
    /// Rejected.
    pub rejected: u32,
    /// No longer meant before anybody answered.
    pub lapsed: u32,
}

/// A movement that was rejected, and until when it is not proposed again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Muted {
    gate: GateId,
    to: Opening,
    until: Duration,
}

/// Proposals and their answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// Number of the newest proposal.
    newest: u64,
    /// Open ones, at most one of each gate.
    open: Vec<Proposal>,
    muted: Vec<Muted>,
    /// Answers of [`DAYS`] days.
    tallies: Vec<Tally>,
}

/// What became of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Made,
    Replaced,
    Accepted,
    Rejected,
    Lapsed,
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Replaced => "replaced",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Lapsed => "lapsed",
        }
    }
}

impl Advice {
    /// Open proposals, oldest first.
    pub fn open(&self) -> &[Proposal] {
        &self.open
    }

    /// Answers by gate and day.
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// After a restart: service time begins anew, so what was timed by it ends.
    pub(super) fn restarted(&mut self) {
        self.open.clear();
        self.muted.clear();
    }

    fn count(&mut self, gate: &str, day: Date, change: Change) {
        let oldest = day.checked_sub((DAYS - 1).days()).unwrap_or(day);
        self.tallies.retain(|tally| tally.day >= oldest);
        let at = self.tallies.iter().position(|tally| tally.gate == gate && tally.day == day);
        let at = at.unwrap_or_else(|| {
            let gate = gate.to_owned();
            self.tallies.push(Tally { gate, day, accepted: 0, rejected: 0, lapsed: 0 });
            self.tallies.len() - 1
        });
        let Some(tally) = self.tallies.get_mut(at) else { return };
        match change {
            Change::Accepted => tally.accepted += 1,
            Change::Rejected => tally.rejected += 1,
            Change::Lapsed => tally.lapsed += 1,
            Change::Made | Change::Replaced => {}
        }
    }
}

impl Controller {
    /// Open proposals and answers.
    pub fn advice(&self) -> &Advice {
        &self.carry.advice
    }

    /// Whether what dispatch wants of a gate is proposed: by the mode of the service, or of this gate.
    fn is_advising(&self, gate: GateId) -> bool {
        match self.authority(gate) {
            Authority::Observe => false,
            Authority::Advice => self.carry.mode != Mode::Observe,
            Authority::Automatic | Authority::Manual => self.carry.mode == Mode::Advice,
        }
    }

    /// Whether a wish is only told and not sent.
    pub(super) fn is_advised(&self, wish: &Wish) -> bool {
        let moves = match wish.action {
            Action::Goto(_) => true,
            Action::Stop => false,
        };
        wish.purpose != Purpose::Operator && moves && self.is_advising(wish.gate)
    }

    /// Makes a proposal of what would be cleared in automatic, or keeps the one that stands for it.
    pub(super) fn propose(&mut self, wish: &Wish, decision: &mut Decision, now: Now) {
        // An entry of the calendar has not begun until somebody accepts.
        let held = if self.carry.mode == Mode::Advice { Limit::Mode } else { Limit::Advised };
        self.note_step(wish, Err(&[held]));
        let Some((mut situation, _)) = self.situation(wish.gate, self.record_ok, now) else { return };
        // As if gate and service were in automatic; in manual dispatch moves nothing at its leisure, and proposes nothing.
        if situation.service.mode == Mode::Advice {
            situation.service.mode = Mode::Automatic;
        }
        if situation.authority == Authority::Advice {
            situation.authority = Authority::Automatic;
        }
        let allowed = interlock::survey(&situation);
        let valid_for = Duration::from_secs(gate::VALID_S);
        // Nothing but its target is used: a proposal has no number of a command, and is no command.
        let reviewed = interlock::review(wish, &situation, &allowed, CommandId(0), valid_for)
            .map(|cleared| (cleared.action(), cleared.narrowed_by().to_vec()));
        let from = situation.facts.opening;
        let (to, limits) = match reviewed {
            Ok((Action::Goto(to), limits)) => (to, limits),
            Ok((Action::Stop, _)) => return,
            Err(limits) => return self.note_refusal(wish, limits, decision),
        };
        self.refused.remove(&wish.gate);
        let step = self.basin.gates.get(wish.gate.0).map_or(0.0, |gate| gate.min_step.max(gate.tolerance));
        let near = |one: Opening, by: f64| (one.fraction() - to.fraction()).abs() < by;
        let until = now.mono + LASTS;
        let advice = &mut self.carry.advice;
        if advice.muted.iter().any(|muted| muted.gate == wish.gate && near(muted.to, ANOTHER)) {
            return;
        }
        if let Some(open) = advice.open.iter_mut().find(|open| open.gate == wish.gate && near(open.to, step))
        {
            open.until = until;
            return;
        }
        let old = advice.open.iter().position(|open| open.gate == wish.gate).map(|at| advice.open.remove(at));
        advice.newest += 1;
        let proposal = Proposal {
            id: advice.newest,
            gate: wish.gate,
            from,
            to,
            protective: wish.purpose == Purpose::Protective,
            because: wish.because.clone(),
            limits,
            made: now.mono,
            until,
        };
        advice.open.push(proposal.clone());
        if let Some(old) = old {
            self.tell_proposal(&old, Change::Replaced, "dispatch", None, decision, now);
        }
        self.tell_proposal(&proposal, Change::Made, "dispatch", None, decision, now);
    }

    /// Ends what is no longer meant: not made again for some time, or the gate is no longer in advice.
    pub(super) fn lapse(&mut self, decision: &mut Decision, now: Now) {
        self.carry.advice.muted.retain(|muted| now.mono < muted.until);
        if self.carry.advice.open.is_empty() {
            return;
        }
        let all = std::mem::take(&mut self.carry.advice.open);
        let is_over = |open: &Proposal| now.mono >= open.until || !self.is_advising(open.gate);
        let (over, open): (Vec<_>, Vec<_>) = all.into_iter().partition(is_over);
        self.carry.advice.open = open;
        for proposal in over {
            self.tell_proposal(&proposal, Change::Lapsed, "dispatch", None, decision, now);
        }
    }

    /// Takes an open proposal out for an answer.
    fn answered(&mut self, gate: GateId, id: u64) -> Result<Proposal, String> {
        if !self.is_advising(gate) {
            return Err("neither the mode nor this gate is in advice: nothing is proposed".into());
        }
        let at = self.carry.advice.open.iter().position(|open| open.gate == gate && open.id == id);
        at.map(|at| self.carry.advice.open.remove(at))
            .ok_or_else(|| "this proposal is no longer open; look at the newest".into())
    }

    /// A person accepts: the wish goes through the interlocks as theirs, the gate stays with dispatch.
    pub(super) fn accept(
        &mut self,
        (gate, id): (GateId, u64),
        who: &str,
        decision: &mut Decision,
        now: Now,
    ) -> Result<(Wish, String), String> {
        let (_, allowed) = self.situation(gate, self.record_ok, now).ok_or("no such gate")?;
        let refusals = allowed.refusals(Purpose::Operator);
        if !refusals.is_empty() {
            return Err(format!("refused: {}", serde_json::to_string(&refusals).unwrap_or_default()));
        }
        let proposal = self.answered(gate, id)?;
        let actor = format!("operator:{who}");
        self.tell_proposal(&proposal, Change::Accepted, &actor, None, decision, now);
        let accepted = Because::Advice { who: who.into() };
        let because = std::iter::once(accepted).chain(proposal.because).collect();
        let (action, purpose) = (Action::Goto(proposal.to), Purpose::Operator);
        Ok((Wish { gate, action, purpose, actor, because }, "accepted".into()))
    }

    /// A person rejects: the movement is not proposed again for some time.
    pub(super) fn reject(
        &mut self,
        (gate, id): (GateId, u64),
        (who, reason): (&str, &str),
        decision: &mut Decision,
        now: Now,
    ) -> Result<String, String> {
        let proposal = self.answered(gate, id)?;
        let muted = Muted { gate, to: proposal.to, until: now.mono + MUTED };
        self.carry.advice.muted.push(muted);
        let actor = format!("operator:{who}");
        self.tell_proposal(&proposal, Change::Rejected, &actor, Some(reason), decision, now);
        Ok("rejected".into())
    }

    fn tell_proposal(
        &mut self,
        proposal: &Proposal,
        change: Change,
        actor: &str,
        reason: Option<&str>,
        decision: &mut Decision,
        now: Now,
    ) {
        let Some(gate) = self.basin.gates.get(proposal.gate.0).map(|gate| gate.id.clone()) else { return };
        self.carry.advice.count(&gate, self.basin.date_at(now.utc), change);
        let mut entry = Entry::new(Kind::Decision, actor);
        entry.gate = Some(gate);
        entry.action = Some(Action::Goto(proposal.to));
        entry.before = proposal.from;
        entry.because.clone_from(&proposal.because);
        entry.limits.clone_from(&proposal.limits);
        entry.inputs = (change == Change::Made).then(|| self.inputs_digest());
        let (number, word) = (proposal.id, change.word());
        entry.detail =
            Some(serde_json::json!({ "proposal": number, "proposal_was": word, "reason": reason }));
        decision.entries.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn answers_are_counted_by_gate_and_day_for_thirty_days() {
        let mut advice = Advice::default();
        for (gate, on, change) in [
            ("a", "2026-05-01", Change::Accepted),
            ("a", "2026-05-01", Change::Accepted),
            ("a", "2026-05-01", Change::Made),
            ("b", "2026-05-01", Change::Rejected),
            ("a", "2026-05-30", Change::Lapsed),
        ] {
            advice.count(gate, day(on), change);
        }
        let told = |advice: &Advice| {
            let one = |t: &Tally| (t.gate.clone(), t.day, t.accepted, t.rejected, t.lapsed);
            advice.tallies().iter().map(one).collect::<Vec<_>>()
        };
        let [first, last] = [day("2026-05-01"), day("2026-05-30")];
        assert_eq!(
            told(&advice),
            [("a".into(), first, 2, 0, 0), ("b".into(), first, 0, 1, 0), ("a".into(), last, 0, 0, 1)]
        );
        // The thirtieth day after the first is the last one it counts on.
        advice.count("b", day("2026-05-31"), Change::Accepted);
        assert_eq!(advice.tallies().iter().filter(|tally| tally.day == first).count(), 0);
    }
}
