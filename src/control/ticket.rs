//! Tickets 操作票: what takes two persons. A gate that is shut by season may open, a flood gate may be moved by an order, the motor of
//! a gate may start more often than its limit, the dam of a trim gate releases what a pollution incident needs, each for some time and
//! when enough people have signed.
//!
//! One person asks, others sign; the ticket then stands for the minutes asked for. What it permits it permits to people alone: nothing
//! automatic is freed by it; a release that is ordered is trimmed by dispatch within the interlocks. When it is over a gate that is shut
//! by season goes back to dispatch, whose rule shuts it; another stays where it stands, and dispatch decides the release again. Without
//! enough names within half an hour nothing comes of it.

#[cfg(test)]
mod tests;

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
    /// Tickets that wait or are in force.
    pub fn tickets(&self) -> &Tickets {
        &self.carry.tickets
    }

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
