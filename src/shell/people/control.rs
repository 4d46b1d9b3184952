//! Control of the rivers: who takes it, asks for it, hands it over, and what of that goes into the record.

use serde_json::{Value, json};

use super::door::People;
use super::lease::{Holder, Lease, LeaseRefusal};
use super::{Need, Person, Role};
use crate::control::record::{Entry, Kind};

impl People {
    fn tell_control(&self, who: &Holder, mut detail: Value) {
        detail["session"] = json!(who.session);
        let mut entry = Entry::new(Kind::Lease, format!("operator:{}", who.user));
        entry.detail = Some(detail);
        (self.settings.sink)(entry);
        self.control.send_modify(|count| *count += 1);
    }

    pub(super) fn tell_freed(&self, freed: &[(String, Holder)], why: &str) {
        for (river, holder) in freed {
            self.tell_control(holder, json!({ "what": "released", "river": river, "why": why }));
        }
    }

    /// Every river with who has control of it. Control that ran out is told here: whoever shows it asks each tick.
    pub fn leases(&self) -> Vec<(String, Option<Lease>)> {
        let now = self.settings.time.now().mono;
        let mut inner = self.inner();
        let gone = inner.leases.expired(now);
        let list = inner.leases.list(now);
        drop(inner);
        self.tell_freed(&gone, "unused");
        list
    }

    /// The rivers whose control can be had.
    pub fn rivers(&self) -> Vec<String> {
        self.inner().leases.rivers()
    }

    /// Takes control of rivers; the caller has proved who it is just now. A shift leader may take it from another.
    ///
    /// # Errors
    /// When somebody else has one of them; then none is taken.
    pub fn take(
        &self,
        person: &Person,
        rivers: &[String],
        force: Option<&str>,
        address: &str,
    ) -> Result<(), LeaseRefusal> {
        let now = self.settings.time.now().mono;
        let who = person.holder();
        let mut inner = self.inner();
        let may_force = force.is_some() && person.role == Role::ShiftLeader;
        if !may_force {
            let held = inner.leases.list(now);
            for (river, lease) in held.iter().filter(|(river, _)| rivers.contains(river)) {
                if let Some(lease) = lease.as_ref().filter(|lease| lease.holder.session != who.session) {
                    return Err(LeaseRefusal::Held { river: river.clone(), by: lease.holder.user.clone() });
                }
            }
        }
        let mut taken = Vec::new();
        for river in rivers {
            taken.push((river, inner.leases.take(river, &who, may_force, now)?));
        }
        drop(inner);
        for (river, from) in taken {
            let mut detail =
                json!({ "what": "taken", "river": river, "role": person.role, "address": address });
            if let Some(from) = from {
                detail["from"] = json!(from.user);
                detail["reason"] = json!(force);
            }
            self.tell_control(&who, detail);
        }
        Ok(())
    }

    /// Takes control of every river nobody has control of, where the role is one for it.
    pub fn take_free(&self, person: &Person, address: &str) {
        if person.role.may(Need::Operate) {
            let free = self.leases().into_iter().filter(|(_, lease)| lease.is_none()).map(|(river, _)| river);
            // Somebody was quicker: then it is shown who.
            drop(self.take(person, &free.collect::<Vec<_>>(), None, address));
        }
    }

    /// Gives control of rivers back.
    ///
    /// # Errors
    /// When the session has not got it.
    pub fn release(&self, person: &Person, rivers: &[String]) -> Result<(), LeaseRefusal> {
        let now = self.settings.time.now().mono;
        for river in rivers {
            self.inner().leases.release(river, &person.session, now)?;
            self.tell_control(
                &person.holder(),
                json!({ "what": "released", "river": river, "why": "by hand" }),
            );
        }
        Ok(())
    }

    /// Asks for control of rivers, which stands for two minutes; free ones are taken at once. The caller has proved who it is.
    ///
    /// # Errors
    /// When there is no such river.
    pub fn ask(&self, person: &Person, rivers: &[String], address: &str) -> Result<(), LeaseRefusal> {
        let now = self.settings.time.now().mono;
        for river in rivers {
            let holder = self.inner().leases.ask(river, &person.holder(), now)?;
            match holder {
                Some(holder) if holder.session != person.session => {
                    let detail =
                        json!({ "what": "asked", "river": river, "of": holder.user, "address": address });
                    self.tell_control(&person.holder(), detail);
                }
                Some(_) | None => self.take(person, std::slice::from_ref(river), None, address)?,
            }
        }
        Ok(())
    }

    /// Hands control of rivers over to who asks for it.
    ///
    /// # Errors
    /// When the session has not got it, or nobody asks.
    pub fn hand_over(&self, person: &Person, rivers: &[String]) -> Result<(), LeaseRefusal> {
        let now = self.settings.time.now().mono;
        for river in rivers {
            let next = self.inner().leases.hand_over(river, &person.session, now)?;
            let detail = json!({ "what": "handed_over", "river": river, "to": next.user });
            self.tell_control(&person.holder(), detail);
        }
        Ok(())
    }

    /// Whether the person has control of all these rivers.
    ///
    /// # Errors
    /// Which one not, and who has.
    pub fn has_control(&self, person: &Person, rivers: &[String]) -> Result<(), LeaseRefusal> {
        let now = self.settings.time.now().mono;
        self.inner().leases.check(rivers, &person.session, now)
    }

    /// The person acts: control goes on from now.
    pub fn acts(&self, person: &Person) {
        let now = self.settings.time.now().mono;
        self.inner().leases.renew(&person.session, now);
    }
}

impl Person {
    fn holder(&self) -> Holder {
        Holder { session: self.session.clone(), user: self.name.clone() }
    }
}
