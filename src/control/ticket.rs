//! Tickets 操作票: what takes two persons. A gate that is shut by season may open, a flood gate may be moved by an order, the motor of
//! a gate may start more often than its limit, the dam of a trim gate releases what a pollution incident needs, each for some time and
//! when enough people have signed.
//!
//! One person asks, others sign; the ticket then stands for the minutes asked for. What it permits it permits to people alone: nothing
//! automatic is freed by it; a release that is ordered is trimmed by dispatch within the interlocks. When it is over a gate that is shut
//! by season goes back to dispatch, whose rule shuts it; another stays where it stands, and dispatch decides the release again. Without
//! enough names within half an hour nothing comes of it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::controller::Controller;
use super::operator::Authority;
use super::record::{Entry, Kind};
use super::{Decision, Now};
use crate::basin::{Basin, Duty, Gate, GateId};
use crate::units::Discharge;

/// How long a ticket waits for the names it lacks, s. Assumed: who signs has to look, an emergency does not wait.
const WAITS_S: f64 = 1800.0;

/// Longest time of an order for a flood gate, min. Assumed: a shift; the next one asks again.
pub const ORDER_MOST: u32 = 720;

/// Longest time a limit is released, min. Source: page notes, permissive bypass.
pub const RELEASE_MOST: u32 = 120;

/// Longest release ordered for an incident, min: a day; it can be ordered again. Assumed.
pub const INCIDENT_MOST: u32 = 1440;

/// Signatures where no plan of the gate says more. Source: product notes, flood command; page notes, permissive bypass.
const TWO: u8 = 2;

/// What a ticket permits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "permit", deny_unknown_fields)]
pub enum Permit {
    /// To open a gate outside the flood season that is shut then.
    #[default]
    Season,
    /// To move a flood or maintenance gate, by an order 防汛指令.
    Order {
        /// Number of the order.
        number: String,
        /// Who gave it.
        giver: String,
    },
    /// To start the motor more often in the hour than its limit.
    Starts,
    /// During an incident: the dam of this trim gate releases as much as this, whatever dispatch would do, but no less than its outlet
    /// needs: what is foretold of the incident stays true.
    Hold {
        /// Release, m³/s.
        flow_m3s: Discharge,
    },
    /// During an incident: the dam of this trim gate releases no less than this.
    Dilute {
        /// Release, m³/s.
        flow_m3s: Discharge,
    },
}

impl Permit {
    /// Whether it is that of a gate shut by season.
    pub fn is_season(&self) -> bool {
        *self == Self::Season
    }

    /// The release it orders.
    pub fn release(&self) -> Option<Discharge> {
        match self {
            Self::Hold { flow_m3s } | Self::Dilute { flow_m3s } => Some(*flow_m3s),
            Self::Season | Self::Order { .. } | Self::Starts => None,
        }
    }

    /// Signatures it takes for a gate, and how long it stands at most, min.
    ///
    /// # Errors
    /// Why this gate takes no such ticket.
    pub fn terms(&self, basin: &Basin, gate: &Gate) -> Result<(u8, u32), String> {
        let is_by_order = matches!(gate.duty, Duty::Flood | Duty::Emergency);
        match self {
            Self::Season => {
                let lock = gate.lock.as_ref();
                let lock =
                    lock.ok_or_else(|| format!("{}: is not locked by season; it needs no ticket", gate.id))?;
                Ok((lock.signatures, lock.max_minutes))
            }
            Self::Order { number, giver } if is_by_order => {
                let short = |text: &str| !text.trim().is_empty() && text.chars().count() <= TEXT_MOST;
                if short(number) && short(giver) {
                    return Ok((TWO, ORDER_MOST));
                }
                Err(format!(
                    "{}: number and giver of the order: must have 1 to {TEXT_MOST} characters",
                    gate.id
                ))
            }
            Self::Order { .. } => {
                Err(format!("{}: moves without an order; only flood and maintenance gates need one", gate.id))
            }
            Self::Starts if gate.is_driven() => Ok((TWO, RELEASE_MOST)),
            Self::Starts => Err(format!("{}: has no motor that is driven from here", gate.id)),
            Self::Hold { flow_m3s } | Self::Dilute { flow_m3s } => {
                if gate.duty != Duty::Trim {
                    return Err(format!(
                        "{}: is no trim gate of a dam; name the one of the incident",
                        gate.id
                    ));
                }
                let most = basin.control.siren_above;
                if *flow_m3s > Discharge::ZERO && *flow_m3s <= most {
                    return Ok((TWO, INCIDENT_MOST));
                }
                Err(format!("{}: flow_m3s = {flow_m3s}: must be above 0 and at most {most}", gate.id))
            }
        }
    }
}

/// Longest number or giver of an order, characters.
const TEXT_MOST: usize = 80;

/// What tickets in force free one gate of, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// An order has been given.
    pub order: bool,
    /// The limit on motor starts.
    pub starts: bool,
}

/// A ticket, waiting for names or in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// Running number.
    pub id: u64,
    /// The gate.
    pub gate: GateId,
    /// Identifier of the gate: a ticket outlives a change of the configuration.
    #[serde(default)]
    pub name: String,
    /// What it permits.
    #[serde(default)]
    pub permit: Permit,
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

    fn in_force(&self, gate: GateId) -> impl Iterator<Item = &Ticket> {
        self.open.iter().filter(move |ticket| ticket.gate == gate && ticket.in_force)
    }

    /// Whether a ticket frees this gate of its season.
    pub(super) fn frees(&self, gate: GateId) -> bool {
        self.in_force(gate).any(|ticket| ticket.permit.is_season())
    }

    /// What else tickets free this gate of.
    pub(super) fn freed(&self, gate: GateId) -> Freed {
        let mut freed = Freed::default();
        for ticket in self.in_force(gate) {
            match ticket.permit {
                Permit::Season | Permit::Hold { .. } | Permit::Dilute { .. } => {}
                Permit::Order { .. } => freed.order = true,
                Permit::Starts => freed.starts = true,
            }
        }
        freed
    }

    /// The ticket by which a dam with this trim gate releases what was ordered.
    pub(super) fn release_of(&self, gate: GateId) -> Option<&Ticket> {
        self.in_force(gate).find(|ticket| ticket.permit.release().is_some())
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

    /// After a restart: a gate may stand in another place of the file, or in none. A ticket written before it knew the name of its
    /// gate is found by its place, where the lists are as long as they were.
    pub(super) fn find_gates(&mut self, basin: &Basin, fits: bool) {
        self.open.retain_mut(|ticket| {
            if ticket.name.is_empty() {
                return fits;
            }
            let found = basin.gate(&ticket.name);
            ticket.gate = found.unwrap_or(ticket.gate);
            found.is_some()
        });
    }

    /// The service was away for so long.
    pub(super) fn away(&mut self, seconds: f64) {
        for ticket in &mut self.open {
            // It ends with the first tick, which gives the gate back.
            ticket.left_s = (ticket.left_s - seconds).max(0.0);
        }
    }
}

impl Controller {
    /// A person asks for a ticket, with the first signature.
    pub(super) fn ask_ticket(
        &mut self,
        (gate, minutes, permit): (GateId, u32, &Permit),
        (who, reason): (&str, &str),
        decision: &mut Decision,
        now: Now,
    ) -> Result<String, String> {
        let spec = self.basin.gates.get(gate.0).ok_or("no such gate")?;
        let (signatures, most) = permit.terms(&self.basin, spec)?;
        if permit.release().is_some() && self.carry.incidents.open().is_empty() {
            return Err(format!("{}: no incident is open; a release is ordered for one", spec.id));
        }
        if permit.is_season() && self.flood_season(now) {
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
            name: spec.id.clone(),
            permit: permit.clone(),
            minutes,
            reason: reason.to_owned(),
            signed: vec![who.to_owned()],
            in_force: enough,
            left_s: if enough { 60.0 * f64::from(minutes) } else { WAITS_S },
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
        let spec = self.basin.gates.get(gate.0).ok_or("no such gate")?;
        let tickets = &mut self.carry.tickets.open;
        let open = tickets.iter_mut().find(|ticket| ticket.gate == gate && ticket.id == id);
        let ticket = open.ok_or("this ticket is no longer open")?;
        let needed = usize::from(ticket.permit.terms(&self.basin, spec)?.0);
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

    /// Ends the releases ordered for incidents.
    pub(super) fn end_releases(&mut self, who: &str, decision: &mut Decision) {
        let is_release = |ticket: &Ticket| ticket.permit.release().is_some();
        let (ended, open) = std::mem::take(&mut self.carry.tickets.open).into_iter().partition(is_release);
        self.carry.tickets.open = open;
        let ended: Vec<Ticket> = ended;
        for ticket in ended {
            self.over(&ticket, "ended", who, decision);
        }
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

    /// A gate that is shut by season goes back to dispatch, which shuts it; another stays where it stands.
    fn over(&mut self, ticket: &Ticket, word: &str, actor: &str, decision: &mut Decision) {
        // In advice and in observe it stays: what is wanted of it is proposed, or nothing is sent.
        if ticket.in_force && ticket.permit.is_season() && self.authority(ticket.gate) == Authority::Manual {
            self.entrust(ticket.gate, Authority::Automatic, (actor, None));
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
            "signed": ticket.signed, "of": ticket.permit,
            "report_to": gate.lock.as_ref().filter(|_| ticket.permit.is_season()).map(|lock| &lock.notify),
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
        assert!(
            story.act("li", story.ask_for(order("12"), 721), begin).0.unwrap_err().contains("from 1 to 720")
        );
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
            valve
                .act("li", valve.ask_for(order("12"), 60), begin)
                .0
                .unwrap_err()
                .contains("without an order")
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
}
