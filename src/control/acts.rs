//! What people ask for becomes a changed mode, an acknowledged alarm, or a wish; every act is answered and
//! recorded.

use std::time::Duration;

use super::alarm::Change;
use super::command::Action;
use super::controller::Controller;
use super::gate::GateMemory;
use super::interlock::{Purpose, Wish};
use super::operator::{Mode, OperatorAct, Order};
use super::reason::Because;
use super::record::{Entry, Kind};
use super::{Decision, Now, schedule};
use crate::basin::GateId;

/// Answers kept so that a request sent twice is answered once.
const ANSWERS: usize = 256;

impl Controller {
    /// Carries out `acts`; set-points and stops come back as wishes.
    pub(super) fn obey(&mut self, acts: &[OperatorAct], decision: &mut Decision, now: Now) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for act in acts {
            if let Some((_, answer)) = self.carry.answered.iter().find(|(request, _)| *request == act.request)
            {
                decision.answers.push((act.request.clone(), answer.clone()));
                continue;
            }
            let before = self.activated().map_or_else(Vec::new, |active| active.entries.clone());
            let answer = self.obey_one(act, decision, &mut wishes, now);
            let (kind, order) = told_order(&act.order, &before);
            let mut entry = Entry::new(kind, format!("operator:{}", act.who));
            entry.detail = Some(serde_json::json!({
                "request": act.request, "address": act.address, "order": order,
                "answer": answer.as_ref().map_or_else(Clone::clone, Clone::clone), "accepted": answer.is_ok() }));
            if let Some(serde_json::Value::Object(parts)) = &mut entry.detail {
                let role = Some(act.role.clone()).filter(|role| !role.is_empty());
                for (key, value) in [("role", role), ("reason", act.reason.clone())] {
                    parts.extend(value.map(|value| (key.to_owned(), value.into())));
                }
            }
            entry.gate = act.order.gate().and_then(|id| self.basin.gates.get(id.0)).map(|g| g.id.clone());
            decision.entries.push(entry);
            self.carry.answered.push_back((act.request.clone(), answer.clone()));
            while self.carry.answered.len() > ANSWERS {
                self.carry.answered.pop_front();
            }
            decision.answers.push((act.request.clone(), answer));
        }
        wishes
    }

    fn obey_one(
        &mut self,
        act: &OperatorAct,
        decision: &mut Decision,
        wishes: &mut Vec<Wish>,
        now: Now,
    ) -> Result<String, String> {
        match &act.order {
            Order::HoldAll => {
                self.carry.hold_all = Some(act.who.clone());
                wishes.extend(self.moving().map(|gate| stop(gate, &act.who, Because::HoldAll)));
                Ok("holding".into())
            }
            Order::ReleaseHold => {
                self.carry.hold_all = None;
                Ok("hold released".into())
            }
            Order::SetMode { mode } if self.settings.observing && *mode != Mode::Observe => {
                Err("the service was started with --observe and cannot write; restart it without".into())
            }
            Order::SetMode { mode } => {
                self.carry.mode = *mode;
                self.carry.mode_since = now.utc;
                self.carry.mode_by.clone_from(&act.who);
                Ok("mode set".into())
            }
            Order::SetAuthority { gate, authority } => {
                self.give(*gate, *authority, (&act.who, act.reason.as_deref()))
            }
            Order::SetPoint { gate, opening, reason } => {
                self.set_point(*gate, *opening, &act.who, reason, wishes, now)
            }
            Order::StopGate { gate } => {
                self.take_by_hand(*gate, (&act.who, "stop"))?;
                let why = Because::Operator { who: act.who.clone(), reason: "stop".into() };
                wishes.push(stop(*gate, &act.who, why));
                Ok("stopping".into())
            }
            Order::Accept { gate, proposal, opening: _, second } => {
                let (wish, answer) = self.accept((*gate, *proposal), (&act.who, *second), decision, now)?;
                wishes.extend(wish);
                Ok(answer)
            }
            Order::Reject { gate, proposal, reason } => {
                self.reject((*gate, *proposal), (&act.who, reason), decision, now)
            }
            Order::AskTicket { gate, minutes, reason, permit } => {
                self.ask_ticket((*gate, *minutes, permit), (&act.who, reason), decision, now)
            }
            Order::SignTicket { gate, ticket } => self.sign_ticket((*gate, *ticket), &act.who, decision),
            Order::EndTicket { gate, ticket } => self.end_ticket((*gate, *ticket), &act.who, decision),
            Order::Acknowledge { alarm } => match self.carry.alarms.acknowledge(alarm) {
                Some(change) => Ok(told(decision, act, &change)),
                None => Err(format!("alarm {alarm} is not open or was already acknowledged")),
            },
            Order::AcknowledgeMany { alarms } => {
                let seen = alarms.iter().filter_map(|alarm| self.carry.alarms.acknowledge(alarm));
                let seen: Vec<_> = seen.map(|change| told(decision, act, &change)).collect();
                if seen.is_empty() {
                    return Err("none of these alarms is open, or all were already acknowledged".into());
                }
                Ok(format!("{} acknowledged", seen.len()))
            }
            Order::Shelve { alarm, minutes, reason } => {
                let time = Duration::from_secs(60 * u64::from(*minutes));
                let change = self.carry.alarms.shelve(alarm, time, (&act.who, reason), now.utc)?;
                Ok(told(decision, act, &change))
            }
            Order::Unshelve { alarm } => {
                let change = self.carry.alarms.unshelve(alarm)?;
                Ok(told(decision, act, &change))
            }
            Order::Enter { meter, value, minutes, reason } => {
                self.enter((meter, *value, *minutes), (&act.who, reason), now)
            }
            Order::Withdraw { meter } => self.withdraw(meter),
            Order::IssueWarning { element, grade, cause, measure } => {
                self.issue_warning((element, *grade), (&act.who, cause, measure), decision, now)
            }
            Order::CancelWarning { element, warning, reason } => {
                self.cancel_warning((element, *warning), (&act.who, reason), decision)
            }
            Order::OpenIncident { report } => self.open_incident(report, &act.who, decision, now),
            Order::CloseIncident { incident, reason } => {
                self.close_incident(*incident, (&act.who, reason), decision)
            }
            Order::ActivateSchedule { version, hash, entries } => {
                self.activate((*version, hash.as_str(), entries.as_slice()), &act.who, now)
            }
        }
    }

    fn set_point(
        &mut self,
        gate: GateId,
        opening: crate::units::Opening,
        who: &str,
        reason: &str,
        wishes: &mut Vec<Wish>,
        now: Now,
    ) -> Result<String, String> {
        let (_, allowed) = self.situation(gate, self.record_ok, now).ok_or("no such gate")?;
        let refusals = allowed.refusals(Purpose::Operator);
        if !refusals.is_empty() {
            return Err(format!("refused: {}", serde_json::to_string(&refusals).unwrap_or_default()));
        }
        let (lowest, highest) = allowed.range();
        if opening < lowest || opening > highest {
            let (low, high) = (lowest.percent(), highest.percent());
            return Err(format!(
                "refused: {opening} lies outside what is permitted now, {low:.1} % to {high:.1} %"
            ));
        }
        self.take_by_hand(gate, (who, reason))?;
        let because = vec![Because::Operator { who: who.into(), reason: reason.into() }];
        let actor = format!("operator:{who}");
        wishes.push(Wish { gate, action: Action::Goto(opening), purpose: Purpose::Operator, actor, because });
        Ok("set".into())
    }

    /// Gates that move or are about to.
    fn moving(&self) -> impl Iterator<Item = GateId> {
        let busy = |memory: &GateMemory| memory.in_flight.as_ref().is_some_and(|c| c.action != Action::Stop);
        let moves = self.gates.iter().zip(&self.facts).enumerate();
        moves
            .filter(move |(_, (memory, facts))| busy(memory) || facts.moving.unwrap_or(0) != 0)
            .map(|(at, _)| GateId(at))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// Records what a person did with an alarm; answers with the word for it.
fn told(decision: &mut Decision, act: &OperatorAct, change: &Change) -> String {
    let mut entry = Entry::new(Kind::Alarm, format!("operator:{}", act.who));
    entry.detail = serde_json::to_value(change).ok();
    decision.entries.push(entry);
    change.change.to_owned()
}

fn stop(gate: GateId, who: &str, why: Because) -> Wish {
    let actor = format!("operator:{who}");
    Wish { gate, action: Action::Stop, purpose: Purpose::Protective, actor, because: vec![why] }
}

/// Kind of the record of an order, and what it says of it: of a calendar what has changed from the one `before`.
fn told_order(order: &Order, before: &[schedule::Entry]) -> (Kind, serde_json::Value) {
    let Order::ActivateSchedule { version, hash, entries } = order else {
        return (Kind::Operator, serde_json::to_value(order).unwrap_or_default());
    };
    let changes = schedule::changes(before, entries);
    let told = serde_json::json!({
        "order": "activate_schedule", "version": version, "hash": hash, "changes": changes });
    (Kind::Schedule, told)
}
