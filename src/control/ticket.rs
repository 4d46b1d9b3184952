//! Emergency tickets 应急操作票: a gate that is shut by season may open for some time when enough people have signed.
//!
//! One person asks, others sign; the ticket then stands for the minutes asked for and the gate may be moved by people. When it is over
//! the gate goes back to dispatch, whose rule shuts it. Without enough names within half an hour nothing comes of it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::controller::Controller;
use super::operator::Authority;
use super::record::{Entry, Kind};
use super::{Decision, Now};
use crate::basin::{Duty, Gate, GateId};
use crate::units::Discharge;

/// How long a ticket waits for the names it lacks, s. Assumed: who signs has to look, an emergency does not wait.
const WAITS_S: f64 = 1800.0;

/// Longest release ordered for an incident, min: a day; it can be ordered again. Assumed.
pub const RELEASE_MOST_MIN: u32 = 1440;

/// Signatures a release for an incident takes.
pub const RELEASE_SIGNATURES: u8 = 2;

/// What the dam of a trim gate releases while its ticket is in force; all of it within the interlocks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum ReleaseOrder {
    /// As much as this, whatever dispatch would do: what is foretold of an incident stays true.
    Hold {
        /// Release, m³/s.
        flow_m3s: Discharge,
    },
    /// No less than this.
    Dilute {
        /// Release, m³/s.
        flow_m3s: Discharge,
    },
}

/// A ticket, waiting for names or in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// Running number.
    pub id: u64,
    /// The gate.
    pub gate: GateId,
    /// How long it stands once it is signed, min.
    pub minutes: u32,
    /// Why.
    pub reason: String,
    /// Who signed, first who asked.
    pub signed: Vec<String>,
    /// In force: signed by enough people.
    pub in_force: bool,
    /// What is left of it, or of the time it waits for names, s of service time: a clock set back makes it no longer.
    pub left_s: f64,
    /// In place of freeing the gate: the release of its dam.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseOrder>,
}

/// All tickets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tickets {
    newest: u64,
    open: Vec<Ticket>,
}

impl Tickets {
    /// Waiting or in force, oldest first.
    pub fn open(&self) -> &[Ticket] {
        &self.open
    }

    /// Whether a ticket for this gate is in force.
    pub(super) fn frees(&self, gate: GateId) -> bool {
        let frees = |ticket: &Ticket| ticket.in_force && ticket.release.is_none();
        self.open.iter().any(|ticket| ticket.gate == gate && frees(ticket))
    }

    /// The release ordered for a dam with this trim gate, with the number of its ticket.
    pub(super) fn release_of(&self, gate: GateId) -> Option<(u64, ReleaseOrder)> {
        let mut ordered = self.open.iter().filter(|ticket| ticket.gate == gate && ticket.in_force);
        ordered.find_map(|ticket| Some((ticket.id, ticket.release?)))
    }

    /// Lets time pass; what is over comes back.
    fn pass(&mut self, seconds: f64) -> Vec<Ticket> {
        for ticket in &mut self.open {
            ticket.left_s -= seconds;
        }
        let (over, open) =
            std::mem::take(&mut self.open).into_iter().partition(|ticket| ticket.left_s <= 0.0);
        self.open = open;
        over
    }

    /// The service was away for so long.
    pub(super) fn away(&mut self, seconds: f64) {
        for ticket in &mut self.open {
            // It ends with the first tick, which gives the gate back.
            ticket.left_s = (ticket.left_s - seconds).max(0.0);
        }
    }
}

/// Signatures a ticket of a gate takes, and the minutes it may stand at most: to free it of its season, or for the release of its dam.
///
/// # Errors
/// Why there is none of it.
pub fn ticketed(gate: &Gate, of_release: bool) -> Result<(u8, u32), String> {
    if of_release {
        let is_trim = gate.duty == Duty::Trim;
        let why = || format!("{}: is no trim gate of a dam; name the one of the incident", gate.id);
        return is_trim.then_some((RELEASE_SIGNATURES, RELEASE_MOST_MIN)).ok_or_else(why);
    }
    let lock = gate
        .lock
        .as_ref()
        .ok_or_else(|| format!("{} is not locked by season; it needs no ticket", gate.id))?;
    Ok((lock.signatures, lock.max_minutes))
}

impl Controller {
    /// A person asks for a ticket, with the first signature.
    pub(super) fn ask_ticket(
        &mut self,
        (gate, minutes, release): (GateId, u32, Option<ReleaseOrder>),
        (who, reason): (&str, &str),
        decision: &mut Decision,
        now: Now,
    ) -> Result<String, String> {
        let spec = self.basin.gates.get(gate.0).ok_or("no such gate")?;
        let (signatures, most) = ticketed(spec, release.is_some())?;
        if release.is_some() && self.carry.incidents.open().is_empty() {
            return Err(format!("{}: no incident is open; a release is ordered for one", spec.id));
        }
        if release.is_none() && self.flood_season(now) {
            return Err(format!("{}: it is flood season, the gate needs no ticket", spec.id));
        }
        if minutes == 0 || minutes > most {
            return Err(format!("{}: minutes = {minutes}: must be from 1 to {most}", spec.id));
        }
        let enough = signatures <= 1;
        let tickets = &mut self.carry.tickets;
        if tickets.open.iter().any(|ticket| ticket.gate == gate) {
            return Err(format!("{}: there is a ticket already; sign it, or end it first", spec.id));
        }
        tickets.newest += 1;
        let ticket = Ticket {
            id: tickets.newest,
            gate,
            minutes,
            reason: reason.to_owned(),
            signed: vec![who.to_owned()],
            in_force: enough,
            left_s: if enough { 60.0 * f64::from(minutes) } else { WAITS_S },
            release,
        };
        tickets.open.push(ticket.clone());
        self.tell_ticket(&ticket, if enough { "in_force" } else { "asked" }, who, decision);
        Ok(if enough { "in force".into() } else { "asked; it waits for the other signatures".into() })
    }

    /// Another person signs.
    pub(super) fn sign_ticket(
        &mut self,
        (gate, id): (GateId, u64),
        who: &str,
        decision: &mut Decision,
    ) -> Result<String, String> {
        let tickets = &mut self.carry.tickets.open;
        let open = tickets.iter_mut().find(|ticket| ticket.gate == gate && ticket.id == id);
        let ticket = open.ok_or("this ticket is no longer open")?;
        let spec = self.basin.gates.get(gate.0).ok_or("no such gate")?;
        let (needed, _) = ticketed(spec, ticket.release.is_some())?;
        let needed = usize::from(needed);
        if ticket.in_force {
            return Err("this ticket is in force already".into());
        }
        if ticket.signed.iter().any(|name| name == who) {
            return Err(format!("{who} has signed already; it takes another person"));
        }
        ticket.signed.push(who.to_owned());
        if ticket.signed.len() >= needed {
            ticket.in_force = true;
            ticket.left_s = 60.0 * f64::from(ticket.minutes);
        }
        let ticket = ticket.clone();
        self.tell_ticket(&ticket, if ticket.in_force { "in_force" } else { "signed" }, who, decision);
        Ok(if ticket.in_force { "in force".into() } else { "signed; it waits for more".into() })
    }

    /// A person ends a ticket before its time.
    pub(super) fn end_ticket(
        &mut self,
        (gate, id): (GateId, u64),
        who: &str,
        decision: &mut Decision,
    ) -> Result<String, String> {
        let tickets = &mut self.carry.tickets.open;
        let at = tickets.iter().position(|ticket| ticket.gate == gate && ticket.id == id);
        let ticket = tickets.remove(at.ok_or("this ticket is no longer open")?);
        self.over(&ticket, "ended", who, decision);
        Ok("ended".into())
    }

    /// Lets the time of tickets pass.
    pub(super) fn pass_tickets(&mut self, dt: f64, decision: &mut Decision) {
        if self.carry.tickets.open.is_empty() {
            return;
        }
        for ticket in self.carry.tickets.pass(dt) {
            let word = if ticket.in_force { "over" } else { "lapsed" };
            self.over(&ticket, word, "service", decision);
        }
    }

    /// The gate goes back to dispatch, which shuts it.
    fn over(&mut self, ticket: &Ticket, word: &str, actor: &str, decision: &mut Decision) {
        if ticket.in_force
            && ticket.release.is_none()
            && let Some(authority) = self.carry.authorities.get_mut(ticket.gate.0)
        {
            *authority = Authority::Automatic;
        }
        self.tell_ticket(ticket, word, actor, decision);
    }

    fn tell_ticket(&self, ticket: &Ticket, word: &str, who: &str, decision: &mut Decision) {
        let Some(gate) = self.basin.gates.get(ticket.gate.0) else { return };
        let actor = if who == "service" { who.to_owned() } else { format!("operator:{who}") };
        let mut entry = Entry::new(Kind::Order, actor);
        entry.gate = Some(gate.id.clone());
        entry.detail = Some(json!({
            "ticket": ticket.id, "ticket_was": word, "minutes": ticket.minutes, "reason": ticket.reason,
            "signed": ticket.signed, "release": ticket.release, "report_to": gate.lock.as_ref().map(|lock| &lock.notify),
        }));
        decision.entries.push(entry);
    }
}

#[cfg(test)]
mod tests {
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
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
            let config = crate::config::load(&folder).unwrap();
            let utc = format!("{date}T02:00:00Z").parse::<Timestamp>().unwrap();
            let gate = config.basin.gate(GATE).unwrap();
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
            Order::AskTicket { gate: self.gate, minutes, reason: "pumps drowned".into(), release: None }
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
        let (ended, told) =
            story.act("li", Order::EndTicket { gate: story.gate, ticket: 1 }, later(begin, 700));
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
}
