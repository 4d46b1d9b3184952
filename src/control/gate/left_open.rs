//! Commands the last run left without an end, and what their end is told from: the set-points that may have stood in the device
//! before each.

use std::time::Duration;

use super::{GateFacts, GateMemory, near};
use crate::basin::Gate;
use crate::control::command::{Action, FailReason, OpenIntent, Terminal, WriteResult};
use crate::units::Opening;

/// How long a start waits for the set-point of a gate whose command the last run left open, s of service time: every command
/// has its outcome within a minute of the start of the process, of which opening the record may take half.
const EXPLAIN_S: u64 = 30;

impl GateMemory {
    /// Set-points that may stand in the device now, before another command is written: the one it is known to hold, or what
    /// the command in flight asks and, as long as nobody knows that this was taken, what may have stood there before that.
    pub fn set_points(&self, gate: &Gate, facts: &GateFacts) -> Vec<Opening> {
        let read = facts.target.map(|(target, _)| target);
        let Some(command) = &self.in_flight else {
            return self.known_target.or(read).into_iter().collect();
        };
        let mut may_stand = command.set_points.clone();
        if let Action::Goto(to) = command.action {
            let seen = facts.target.is_some_and(|(target, at)| at > command.since && near(gate, target, to));
            if command.write == Some(WriteResult::Accepted) || seen {
                may_stand.clear();
            }
            may_stand.push(to);
        }
        may_stand.dedup();
        may_stand
    }

    /// Explains what the last run left open, once the set-point in the device is read. A gate that stays away leaves it
    /// unresolved: it is adopted where it stands when it comes back.
    pub fn explain(&mut self, gate: &Gate, facts: &GateFacts, now: Duration) -> Vec<(OpenIntent, Terminal)> {
        if self.open_intents.is_empty() {
            return Vec::new();
        }
        let since = *self.open_since.get_or_insert(now);
        let read = facts.target.map(|(target, _)| target);
        let given_up = now.saturating_sub(since) >= Duration::from_secs(EXPLAIN_S);
        let (mut ended, mut open) = (Vec::new(), Vec::new());
        let mut newer_stands = false;
        for intent in std::mem::take(&mut self.open_intents).into_iter().rev() {
            match recovered(gate, read, &intent, newer_stands) {
                Some(terminal) => {
                    newer_stands |= terminal == Terminal::Verified;
                    ended.push((intent, terminal));
                }
                None if given_up => {
                    self.missed = true;
                    ended.push((intent, Terminal::Failed { why: FailReason::Unresolved }));
                }
                None => open.push(intent),
            }
        }
        ended.reverse();
        open.reverse();
        self.open_since = self.open_since.filter(|_| !open.is_empty());
        self.open_intents = open;
        ended
    }
}

/// How an intent of the last run ended, told from the set-point in the device; `None` while that is not read.
/// `newer_stands`: a later intent's set-point is the one that stands there.
fn recovered(
    gate: &Gate,
    read: Option<Opening>,
    intent: &OpenIntent,
    newer_stands: bool,
) -> Option<Terminal> {
    let to = match intent.action {
        Action::Goto(to) => to,
        Action::Stop => return Some(Terminal::Abandoned),
    };
    let target = read?;
    if newer_stands {
        return Some(Terminal::Superseded);
    }
    if near(gate, target, to) {
        return Some(Terminal::Verified);
    }
    // Records of earlier versions know of the opening alone, which is the set-point of a gate at rest.
    let opening = intent.before.filter(|_| intent.set_points.is_empty());
    let why = if intent.set_points.iter().chain(&opening).any(|stood| near(gate, target, *stood)) {
        FailReason::NotDone
    } else {
        FailReason::Foreign
    };
    Some(Terminal::Failed { why })
}

#[cfg(test)]
mod tests {
    use super::super::InFlight;
    use super::super::tests::{commanded, valve};
    use super::*;
    use crate::control::command::CommandId;
    use crate::control::testing::facts;

    fn left_open(command: u64, to: f64, set_points: &[f64]) -> OpenIntent {
        OpenIntent {
            command: CommandId(command),
            gate: "alder.v1".into(),
            action: Action::Goto(Opening::clamped(to)),
            // It moved when the command was given: that it stood at 25 % says nothing of its set-point.
            before: Some(Opening::clamped(0.25)),
            set_points: set_points.iter().map(|at| Opening::clamped(*at)).collect(),
        }
    }

    #[test]
    fn an_open_intent_ends_by_the_set_point_that_stands_in_the_device() {
        let failed = |why| Terminal::Failed { why };
        let cases = [
            (0.3, vec![(9, Terminal::Verified)]),
            // Either of what may have stood there before.
            (0.2, vec![(9, failed(FailReason::NotDone))]),
            (0.5, vec![(9, failed(FailReason::NotDone))]),
            // The opening is no set-point.
            (0.25, vec![(9, failed(FailReason::Foreign))]),
            (0.7, vec![(9, failed(FailReason::Foreign))]),
        ];
        for (stands, expected) in cases {
            let (gate, mut memory) = (valve(), GateMemory::default());
            memory.open_intents = vec![left_open(9, 0.3, &[0.2, 0.5])];
            let ended = memory.explain(&gate, &facts(0.25, stands, 4), Duration::from_secs(5));
            let told: Vec<_> = ended.into_iter().map(|(intent, end)| (intent.command.0, end)).collect();
            assert_eq!(told, expected, "{stands}");
            assert!(memory.open_intents.is_empty());
        }
    }

    #[test]
    fn every_intent_a_gate_was_left_with_has_its_end() {
        let (gate, mut memory) = (valve(), GateMemory::default());
        let unread = GateFacts { target: None, ..facts(0.25, 0.0, 4) };
        memory.open_intents = vec![left_open(7, 0.5, &[0.2]), left_open(9, 0.3, &[0.2, 0.5])];
        assert_eq!(memory.explain(&gate, &unread, Duration::from_secs(5)), []);
        assert_eq!(memory.open_intents.len(), 2);
        let mut away = memory.clone();
        let ends = |ended: Vec<(OpenIntent, Terminal)>| {
            ended.into_iter().map(|(intent, end)| (intent.command.0, end)).collect::<Vec<_>>()
        };
        let ended = ends(memory.explain(&gate, &facts(0.25, 0.3, 9), Duration::from_secs(10)));
        assert_eq!(ended, [(7, Terminal::Superseded), (9, Terminal::Verified)]);
        // 5 s + 30 s.
        assert_eq!(away.explain(&gate, &unread, Duration::from_secs(34)), []);
        let unresolved = Terminal::Failed { why: FailReason::Unresolved };
        let ended = ends(away.explain(&gate, &unread, Duration::from_secs(35)));
        assert_eq!(ended, [(7, unresolved.clone()), (9, unresolved)]);
        assert!(away.open_intents.is_empty() && away.missed);
    }

    #[test]
    fn what_may_stand_in_the_device_is_known_while_commands_follow_each_other() {
        let (gate, mut memory) = commanded(0.3);
        let at = |openings: &[f64]| openings.iter().map(|o| Opening::clamped(*o)).collect::<Vec<_>>();
        // Nobody knows whether the first one was taken; the register was read before it.
        let mut seen = facts(0.2, 0.2, 12);
        seen.target = Some((Opening::clamped(0.2), Duration::from_secs(9)));
        assert_eq!(memory.set_points(&gate, &seen), at(&[0.2, 0.3]));
        let next = InFlight {
            id: CommandId(8),
            action: Action::Goto(Opening::clamped(0.6)),
            set_points: memory.set_points(&gate, &seen),
            ..memory.in_flight.clone().unwrap()
        };
        memory.command(next, &gate, Duration::from_secs(12));
        assert_eq!(memory.set_points(&gate, &seen), at(&[0.2, 0.3, 0.6]));
        memory.report(CommandId(8), WriteResult::Accepted);
        assert_eq!(memory.set_points(&gate, &seen), at(&[0.6]));
        memory.in_flight = None;
        assert_eq!(memory.set_points(&gate, &seen), at(&[0.2]));
    }
}
