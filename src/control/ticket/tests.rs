//! Tickets, as stories of two people and a gate.

use super::*;
use crate::control::Snapshot;
use crate::control::controller::Settings;
use crate::control::operator::{OperatorAct, Order};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

const GATE: &str = "wwtp.qinshui.ovf";

struct Story {
    controller: Controller,
    gate: GateId,
    acts: u32,
}

impl Story {
    fn begin(date: &str) -> (Self, Now) {
        Self::about(GATE, date)
    }

    fn about(gate: &str, date: &str) -> (Self, Now) {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let config = crate::config::load(&folder).unwrap();
        let utc = format!("{date}T02:00:00Z").parse::<Timestamp>().unwrap();
        let gate = config.basin.gate(gate).unwrap();
        let controller = Controller::new(&config, Settings::default(), None, utc);
        (Self { controller, gate, acts: 0 }, Now { mono: Duration::ZERO, utc })
    }

    fn act(&mut self, who: &str, order: Order, now: Now) -> (Result<String, String>, Vec<Entry>) {
        self.acts += 1;
        let request = format!("request-{}", self.acts);
        let act = OperatorAct {
            request,
            who: who.into(),
            role: String::new(),
            address: "test".into(),
            order,
            reason: None,
        };
        let seen = Snapshot { acts: vec![act], record_ok: true, ..Snapshot::default() };
        let decision = self.controller.decide(&seen, now);
        let orders = decision.entries.into_iter().filter(|entry| entry.kind == Kind::Order);
        (decision.answers.into_iter().next().unwrap().1, orders.collect())
    }

    fn wait(&mut self, now: Now) -> Vec<Entry> {
        let decision = self.controller.decide(&Snapshot { record_ok: true, ..Snapshot::default() }, now);
        decision.entries.into_iter().filter(|entry| entry.kind == Kind::Order).collect()
    }

    fn ask(&self, minutes: u32) -> Order {
        self.ask_for(Permit::Season, minutes)
    }

    fn ask_for(&self, permit: Permit, minutes: u32) -> Order {
        Order::AskTicket { gate: self.gate, minutes, reason: "pumps drowned".into(), permit }
    }

    fn sign(&self, ticket: u64) -> Order {
        Order::SignTicket { gate: self.gate, ticket }
    }

    /// Whether the season lock narrows the gate now.
    fn is_locked(&self, now: Now) -> bool {
        let (_, allowed) = self.controller.situation(self.gate, true, now).unwrap();
        allowed.range().1 == crate::units::Opening::SHUT
    }
}

fn later(now: Now, seconds: u64) -> Now {
    let span = SignedDuration::from_secs(i64::try_from(seconds).unwrap());
    Now { mono: now.mono + Duration::from_secs(seconds), utc: now.utc + span }
}

fn word(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.detail.as_ref().unwrap()["ticket_was"].as_str().unwrap()).collect()
}

#[test]
fn two_people_open_a_lock_for_the_minutes_they_signed_for() {
    let (mut story, begin) = Story::begin("2026-12-03");
    let (asked, told) = story.act("li", story.ask(60), begin);
    assert!(asked.is_ok() && word(&told) == ["asked"], "{asked:?} {told:?}");
    assert!(story.is_locked(begin));
    let at = later(begin, 60);
    let (same, _) = story.act("li", story.sign(1), at);
    assert!(same.unwrap_err().contains("another person"));
    assert!(story.is_locked(at));
    let (other, told) = story.act("wang", story.sign(1), at);
    assert!(other.is_ok() && word(&told) == ["in_force"], "{other:?}");
    let detail = told[0].detail.clone().unwrap();
    assert_eq!(detail["signed"], json!(["li", "wang"]));
    assert_eq!(detail["report_to"], "ecology_bureau");
    assert!(!story.is_locked(at));
    // Taken by hand meanwhile; it comes back to dispatch with the end of the ticket.
    let authority = Authority::Manual;
    let (taken, _) = story.act("li", Order::SetAuthority { gate: story.gate, authority }, later(at, 10));
    assert!(taken.is_ok());
    assert!(story.wait(later(at, 3599)).is_empty() && !story.is_locked(later(at, 3599)));
    assert_eq!(word(&story.wait(later(at, 3601))), ["over"]);
    assert!(story.is_locked(later(at, 3601)));
    assert_eq!(story.controller.carry.authorities[story.gate.0], Authority::Automatic);
}

#[test]
fn a_ticket_nobody_else_signs_lapses_after_half_an_hour() {
    let (mut story, begin) = Story::begin("2026-12-03");
    assert!(story.act("li", story.ask(60), begin).0.is_ok());
    assert!(story.act("wang", story.ask(60), begin).0.unwrap_err().contains("already"));
    assert!(story.wait(later(begin, 1799)).is_empty());
    assert_eq!(word(&story.wait(later(begin, 1801))), ["lapsed"]);
    assert!(story.act("wang", story.sign(1), later(begin, 1802)).0.is_err());
}

#[test]
fn what_is_longer_than_the_plan_allows_or_needs_no_ticket_is_refused() {
    let (mut story, begin) = Story::begin("2026-12-03");
    for minutes in [0, 121] {
        assert!(story.act("li", story.ask(minutes), begin).0.unwrap_err().contains("from 1 to 120"));
    }
    let (mut summer, begin) = Story::begin("2026-07-03");
    assert!(summer.act("li", summer.ask(60), begin).0.unwrap_err().contains("flood season"));
}

#[test]
fn a_ticket_ends_early_and_runs_on_over_a_restart() {
    let (mut story, begin) = Story::begin("2026-12-03");
    story.act("li", story.ask(60), begin).0.unwrap();
    story.act("wang", story.sign(1), begin).0.unwrap();
    story.wait(later(begin, 600));
    let stored = story.controller.carry(later(begin, 600).utc);
    let (ended, told) = story.act("li", Order::EndTicket { gate: story.gate, ticket: 1 }, later(begin, 700));
    assert!(ended.is_ok() && word(&told) == ["ended"] && story.is_locked(later(begin, 700)));
    // Stored ten minutes into the hour, away for half of one: twenty minutes are left.
    let (mut next, _) = Story::begin("2026-12-03");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let config = crate::config::load(&folder).unwrap();
    let back = later(begin, 2400);
    next.controller = Controller::new(&config, Settings::default(), Some(stored), back.utc);
    let start = Now { mono: Duration::ZERO, ..back };
    next.wait(start);
    assert!(!next.is_locked(start));
    assert!(next.wait(later(start, 1150)).is_empty());
    assert_eq!(word(&next.wait(later(start, 1201))), ["over"]);
}

#[test]
fn a_ticket_is_of_its_gate_wherever_that_stands_in_the_file() {
    let (mut story, begin) = Story::begin("2026-12-03");
    story.act("li", story.ask(60), begin).0.unwrap();
    let stored = story.controller.carry.tickets.clone();
    let mut basin = Basin::clone(&story.controller.basin);
    basin.gates.reverse();
    let (mut moved, mut gone) = (stored.clone(), stored.clone());
    moved.find_gates(&basin, true);
    assert_eq!(moved.open[0].gate, basin.gate(GATE).unwrap());
    assert_ne!(moved.open[0].gate, story.gate);
    basin.gates.retain(|gate| gate.id != GATE);
    gone.find_gates(&basin, false);
    assert_eq!(gone.open, []);
    // Written before the name of its gate was kept.
    for fits in [true, false] {
        let mut old = stored.clone();
        old.open[0].name.clear();
        old.find_gates(&basin, fits);
        let at = old.open.iter().map(|ticket| ticket.gate).collect::<Vec<_>>();
        assert_eq!(at, vec![story.gate; usize::from(fits)]);
    }
}

/// What refuses a person the gate of the story now.
fn refusals(story: &Story, now: Now) -> Vec<crate::control::reason::Limit> {
    let (_, allowed) = story.controller.situation(story.gate, true, now).unwrap();
    allowed.refusals(crate::control::interlock::Purpose::Operator)
}

#[test]
fn a_flood_gate_is_freed_for_people_by_an_order_two_have_signed() {
    use crate::control::interlock::Purpose;
    use crate::control::reason::Limit;
    let (mut story, begin) = Story::about("zf.tunnel.g1", "2026-07-20");
    // What is permitted is known from the first tick on.
    story.wait(begin);
    let order = |number: &str| Permit::Order { number: number.into(), giver: "flood office".into() };
    assert!(refusals(&story, begin).contains(&Limit::FloodOrder));
    assert!(story.act("li", story.ask_for(order(" "), 60), begin).0.is_err(), "no number");
    assert!(story.act("li", story.ask_for(order("12"), 721), begin).0.unwrap_err().contains("from 1 to 720"));
    assert!(story.act("li", story.ask(60), begin).0.unwrap_err().contains("not locked by season"));
    story.act("li", story.ask_for(order("汛令 12"), 60), begin).0.unwrap();
    assert!(refusals(&story, begin).contains(&Limit::FloodOrder), "one person is not enough");
    assert!(story.act("li", story.sign(1), begin).0.is_err());
    let (signed, told) = story.act("wang", story.sign(1), begin);
    assert!(signed.is_ok() && word(&told) == ["in_force"]);
    assert_eq!(told[0].detail.as_ref().unwrap()["of"]["number"], "汛令 12");
    assert!(!refusals(&story, begin).contains(&Limit::FloodOrder));
    let (_, allowed) = story.controller.situation(story.gate, true, begin).unwrap();
    for purpose in [Purpose::Protective, Purpose::Discretionary] {
        assert!(allowed.refusals(purpose).contains(&Limit::FloodOrder), "{purpose:?}");
    }
    assert_eq!(word(&story.wait(later(begin, 3601))), ["over"]);
    assert!(refusals(&story, later(begin, 3601)).contains(&Limit::FloodOrder));
    // An order is none for a gate that needs none.
    let (mut valve, begin) = Story::about("zf.eco.v1", "2026-07-20");
    assert!(
        valve.act("li", valve.ask_for(order("12"), 60), begin).0.unwrap_err().contains("without an order")
    );
}

#[test]
fn a_motor_is_freed_of_its_starts_for_people_for_two_hours_at_most() {
    use crate::control::interlock::Purpose;
    use crate::control::reason::Limit;
    let (mut story, begin) = Story::about("zf.eco.v1", "2026-05-18");
    // What is permitted is known from the first tick on.
    story.wait(begin);
    let limit = story.controller.basin.gates[story.gate.0].max_starts_per_hour;
    let starts = Limit::Starts { per_hour: limit };
    story.controller.gates[story.gate.0].starts = (0..limit).map(|_| begin.mono).collect();
    assert!(refusals(&story, begin).contains(&starts));
    assert!(story.act("li", story.ask_for(Permit::Starts, 121), begin).0.is_err());
    story.act("li", story.ask_for(Permit::Starts, 120), begin).0.unwrap();
    story.act("wang", story.sign(1), begin).0.unwrap();
    assert!(!refusals(&story, begin).contains(&starts));
    let (_, allowed) = story.controller.situation(story.gate, true, begin).unwrap();
    assert!(allowed.refusals(Purpose::Discretionary).contains(&starts));
    story.act("li", Order::EndTicket { gate: story.gate, ticket: 1 }, later(begin, 60)).0.unwrap();
    assert!(refusals(&story, later(begin, 60)).contains(&starts));
}
