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
use super::{Decision, Now, gate, incident};
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
    /// Pollution incident it is for: it stands in every mode, takes two people and leaves the gate to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<u64>,
    /// Who has accepted it, while it waits for another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed: Vec<String>,
}

impl Proposal {
    /// Whether this person may be the next of the two it takes; what the second needs was asked of who knew to be it.
    fn may_sign(&self, who: &str, second: bool) -> Result<(), String> {
        if self.signed.iter().any(|name| name == who) {
            return Err(format!("{who} has accepted it already; it takes another person"));
        }
        if second == self.signed.is_empty() {
            return Err("somebody has answered meanwhile; look at it again".into());
        }
        Ok(())
    }
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
    /// Pollution incident it was proposed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incident: Option<u64>,
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
    Signed,
    Accepted,
    Rejected,
    Lapsed,
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Replaced => "replaced",
            Self::Signed => "signed",
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
            Change::Made | Change::Replaced | Change::Signed => {}
        }
    }
}

/// The incident a wish is for.
fn incident_of(wish: &Wish) -> Option<u64> {
    wish.because
        .iter()
        .find_map(|why| if let Because::Pollution { incident, .. } = why { Some(*incident) } else { None })
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
        let of_people = wish.purpose == Purpose::Operator;
        moves && (wish.actor == incident::ACTOR || (!of_people && self.is_advising(wish.gate)))
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
            Err(limits) => {
                // What is proposed in every cycle is refused on record once.
                if !(incident_of(wish).is_some() && self.is_refused(wish.gate, &limits)) {
                    self.note_refusal(wish, limits, decision);
                }
                return;
            }
        };
        // What refuses dispatch is told once, whatever is asked for an incident meanwhile.
        if incident_of(wish).is_none() {
            self.refused.remove(&wish.gate);
        }
        let step = self.basin.gates.get(wish.gate.0).map_or(0.0, |gate| gate.min_step.max(gate.tolerance));
        let near = |one: Opening, by: f64| (one.fraction() - to.fraction()).abs() < by;
        let until = now.mono + LASTS;
        let advice = &mut self.carry.advice;
        let incident = incident_of(wish);
        // What was rejected of dispatch hushes no incident, nor the other way round.
        let is_muted =
            |muted: &Muted| muted.gate == wish.gate && muted.incident == incident && near(muted.to, ANOTHER);
        if advice.muted.iter().any(is_muted) {
            return;
        }
        // What two people are asked is not put aside for what dispatch would do.
        if incident.is_none()
            && advice.open.iter().any(|open| open.gate == wish.gate && open.incident.is_some())
        {
            return;
        }
        let is_same =
            |open: &Proposal| open.gate == wish.gate && open.incident == incident && near(open.to, step);
        if let Some(open) = advice.open.iter_mut().find(|open| is_same(open)) {
            open.until = until;
            if incident.is_some() {
                // The water comes nearer; the record is told hourly.
                open.because.clone_from(&wish.because);
            }
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
            incident,
            signed: Vec::new(),
        };
        advice.open.push(proposal.clone());
        if let Some(old) = old {
            self.tell_proposal(&old, Change::Replaced, "dispatch", None, decision, now);
        }
        self.tell_proposal(&proposal, Change::Made, "dispatch", None, decision, now);
    }

    /// Whether the last refusal of a gate was for the same kinds of limits.
    fn is_refused(&self, gate: GateId, limits: &[Limit]) -> bool {
        let kind = std::mem::discriminant::<Limit>;
        self.refused.get(&gate).is_some_and(|old| old.iter().map(kind).eq(limits.iter().map(kind)))
    }

    /// Whether a proposal can be one still: its incident is open, or its gate is in advice.
    fn is_meant(&self, open: &Proposal) -> bool {
        match open.incident {
            Some(incident) => self.carry.incidents.is_open(incident),
            None => self.is_advising(open.gate),
        }
    }

    /// Ends what is no longer meant: not made again for some time, or what it is for is over.
    pub(super) fn lapse(&mut self, decision: &mut Decision, now: Now) {
        self.carry.advice.muted.retain(|muted| now.mono < muted.until);
        if self.carry.advice.open.is_empty() {
            return;
        }
        let all = std::mem::take(&mut self.carry.advice.open);
        let is_over = |open: &Proposal| now.mono >= open.until || !self.is_meant(open);
        let (over, open): (Vec<_>, Vec<_>) = all.into_iter().partition(is_over);
        self.carry.advice.open = open;
        for proposal in over {
            self.tell_proposal(&proposal, Change::Lapsed, "dispatch", None, decision, now);
        }
    }

    /// Takes an open proposal out for an answer.
    fn answered(&mut self, gate: GateId, id: u64) -> Result<Proposal, String> {
        let at = self.carry.advice.open.iter().position(|open| open.gate == gate && open.id == id);
        let open = at.and_then(|at| self.carry.advice.open.get(at));
        if !open.map_or_else(|| self.is_advising(gate), |open| self.is_meant(open)) {
            return Err("neither the mode nor this gate is in advice: nothing is proposed".into());
        }
        at.map(|at| self.carry.advice.open.remove(at))
            .ok_or_else(|| "this proposal is no longer open; look at the newest".into())
    }

    /// A person accepts: the wish goes through the interlocks as theirs, the gate stays with dispatch. For an incident it takes two:
    /// the first signs, with the second the gate is left to people.
    pub(super) fn accept(
        &mut self,
        (gate, id): (GateId, u64),
        (who, second): (&str, bool),
        decision: &mut Decision,
        now: Now,
    ) -> Result<(Option<Wish>, String), String> {
        let (_, allowed) = self.situation(gate, self.record_ok, now).ok_or("no such gate")?;
        let refusals = allowed.refusals(Purpose::Operator);
        if !refusals.is_empty() {
            return Err(format!("refused: {}", serde_json::to_string(&refusals).unwrap_or_default()));
        }
        let mut proposal = self.answered(gate, id)?;
        let actor = format!("operator:{who}");
        if proposal.incident.is_some() {
            if let Err(why) = proposal.may_sign(who, second) {
                self.carry.advice.open.push(proposal);
                return Err(why);
            }
            proposal.signed.push(who.to_owned());
            if !second {
                self.tell_proposal(&proposal, Change::Signed, &actor, None, decision, now);
                self.carry.advice.open.push(proposal);
                return Ok((None, "signed; it waits for another".into()));
            }
        }
        self.tell_proposal(&proposal, Change::Accepted, &actor, None, decision, now);
        if let Some(incident) = proposal.incident {
            self.leave_to_people(gate, incident, who);
        }
        let names = if proposal.incident.is_some() { proposal.signed.join(", ") } else { who.into() };
        let accepted = Because::Advice { who: names };
        let because = std::iter::once(accepted).chain(proposal.because).collect();
        let (action, purpose) = (Action::Goto(proposal.to), Purpose::Operator);
        Ok((Some(Wish { gate, action, purpose, actor, because }), "accepted".into()))
    }

    /// A gate that is shut for an incident is people's until it is closed. One that dispatch did not move before stays as it is.
    fn leave_to_people(&mut self, gate: GateId, incident: u64, who: &str) {
        if self.authority(gate) == Authority::Automatic
            && let Some(spec) = self.basin.gates.get(gate.0)
        {
            self.carry.incidents.took(incident, &spec.id);
            self.entrust(gate, Authority::Manual, (who, Some(&incident::taken_for(incident))));
        }
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
        let muted = Muted { gate, to: proposal.to, until: now.mono + MUTED, incident: proposal.incident };
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
        // How people answer what an incident asks says nothing of dispatch.
        if proposal.incident.is_none() {
            self.carry.advice.count(&gate, self.basin.date_at(now.utc), change);
        }
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
        if let (Some(incident), Some(serde_json::Value::Object(detail))) =
            (proposal.incident, &mut entry.detail)
        {
            detail.insert("incident".to_owned(), incident.into());
            detail.insert("signed".to_owned(), proposal.signed.clone().into());
        }
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
