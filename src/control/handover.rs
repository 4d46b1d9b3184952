//! From one run of the service to the next: coming up in hold, and ending commands on an orderly stop.

use super::Now;
use super::command::{FailReason, NotSent, Terminal, WriteReport, WriteResult};
use super::controller::{Controller, outcome_entry};
use super::gate::{Ended, InFlight};
use super::record::Entry;

impl Controller {
    /// Comes up in hold: nothing new is sent until a person releases it. A hold of a person stays theirs.
    pub fn hold(&mut self, who: &str) {
        self.carry.hold_all.get_or_insert_with(|| who.to_owned());
    }

    /// Ends every command in flight, since nobody watches any more: what never left has failed, what was
    /// refused too, the rest is abandoned. `reports` are those that came since the last tick.
    pub fn close(&mut self, reports: &[WriteReport], now: Now) -> Vec<Entry> {
        let each = self.basin.gates.iter().zip(&mut self.gates).zip(&self.facts);
        let ended = each.filter_map(|((gate, memory), facts)| {
            for report in reports {
                memory.report(report.command, report.result);
            }
            let command = memory.in_flight.take()?;
            let terminal = given_up(&command);
            Some(outcome_entry(&gate.id, &Ended { command, terminal, at: now.mono }, facts.opening))
        });
        ended.collect()
    }
}

fn given_up(command: &InFlight) -> Terminal {
    let failed = |why| Terminal::Failed { why };
    match command.write {
        Some(WriteResult::Refused(_)) => failed(FailReason::Refused),
        Some(WriteResult::NotDone) => failed(FailReason::NotDone),
        Some(WriteResult::Foreign) => failed(FailReason::Foreign),
        Some(WriteResult::NotSent(NotSent::Expired)) => Terminal::Expired,
        Some(WriteResult::NotSent(NotSent::Superseded)) => Terminal::Superseded,
        Some(WriteResult::NotSent(_)) => failed(FailReason::NotSent),
        Some(WriteResult::Accepted | WriteResult::Unknown) | None => Terminal::Abandoned,
    }
}
