//! The operate lease: who has control of a river. One session at a time, for fifteen minutes after its last act, seen by all.
//!
//! ```text
//! free ──take──> held ──release, 15 min without an act, end of the session──> free
//!                held ──another asks──> asked ──hand over──> held by the other
//!                  └──a shift leader takes it──> held by the shift leader
//! ```
//!
//! Set-points, modes, authority and leaving hold-all need it; stop and hold-all never do. After a restart nobody has it.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long a lease goes on after the last act of its holder, real time.
pub const LIFE: Duration = Duration::from_secs(15 * 60);
/// How long a request for it stands.
const ASKING: Duration = Duration::from_secs(2 * 60);

/// A person at a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Session.
    pub session: String,
    /// Name.
    pub user: String,
}

/// Control of one river.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who has it.
    pub holder: Holder,
    /// When it ends unless used, real time.
    pub until: Duration,
    /// Who asks for it, and until when.
    asked: Option<(Holder, Duration)>,
}

impl Lease {
    /// Who asks for it now.
    pub fn asked_by(&self, now: Duration) -> Option<&Holder> {
        self.asked.as_ref().filter(|(_, until)| now < *until).map(|(who, _)| who)
    }
}

/// Why control was not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseRefusal {
    /// Somebody else has it.
    #[error("{river}: control is held by {by}; ask for it, or let a shift leader take it")]
    Held {
        /// River.
        river: String,
        /// Who.
        by: String,
    },
    /// Nobody has it, or not this session.
    #[error("{river}: this session has no control of it; take it first, with the password")]
    NotYours {
        /// River.
        river: String,
    },
    /// Nobody asks.
    #[error("{river}: nobody asks for control")]
    NobodyAsks {
        /// River.
        river: String,
    },
    /// No such river.
    #[error("{river}: no river with gates; names are in /api/v1/session")]
    NoRiver {
        /// As given.
        river: String,
    },
}

/// Control of all rivers.
#[derive(Debug, Default)]
pub(super) struct Leases {
    rivers: BTreeMap<String, Option<Lease>>,
}

impl Leases {
    /// Nobody has control of any of these.
    pub(super) fn of(rivers: impl IntoIterator<Item = String>) -> Self {
        Self { rivers: rivers.into_iter().map(|river| (river, None)).collect() }
    }

    /// The rivers.
    pub(super) fn rivers(&self) -> Vec<String> {
        self.rivers.keys().cloned().collect()
    }

    fn held(&self, river: &str, now: Duration) -> Result<Option<&Lease>, LeaseRefusal> {
        let slot = self.rivers.get(river).ok_or_else(|| LeaseRefusal::NoRiver { river: river.to_owned() })?;
        Ok(slot.as_ref().filter(|lease| now < lease.until))
    }

    fn own(&self, river: &str, session: &str, now: Duration) -> Result<&Lease, LeaseRefusal> {
        let lease = self.held(river, now)?.filter(|lease| lease.holder.session == session);
        lease.ok_or_else(|| LeaseRefusal::NotYours { river: river.to_owned() })
    }

    fn give(&mut self, river: &str, holder: Holder, now: Duration) {
        let lease = Lease { holder, until: now + LIFE, asked: None };
        self.rivers.insert(river.to_owned(), Some(lease));
    }

    /// Takes control of a river; `by_force` also from another. Gives whom it was taken from.
    pub(super) fn take(
        &mut self,
        river: &str,
        who: &Holder,
        by_force: bool,
        now: Duration,
    ) -> Result<Option<Holder>, LeaseRefusal> {
        let before = self.held(river, now)?.map(|lease| lease.holder.clone());
        let other = before.filter(|holder| holder.session != who.session);
        if let Some(holder) = other.as_ref().filter(|_| !by_force) {
            return Err(LeaseRefusal::Held { river: river.to_owned(), by: holder.user.clone() });
        }
        self.give(river, who.clone(), now);
        Ok(other)
    }

    /// Gives control back.
    pub(super) fn release(&mut self, river: &str, session: &str, now: Duration) -> Result<(), LeaseRefusal> {
        self.own(river, session, now)?;
        self.rivers.insert(river.to_owned(), None);
        Ok(())
    }

    /// Asks whoever has control for it; gives that person, `None` when it is free.
    pub(super) fn ask(
        &mut self,
        river: &str,
        who: &Holder,
        now: Duration,
    ) -> Result<Option<Holder>, LeaseRefusal> {
        match self.rivers.get_mut(river) {
            None => Err(LeaseRefusal::NoRiver { river: river.to_owned() }),
            Some(Some(lease)) if now < lease.until => {
                lease.asked = Some((who.clone(), now + ASKING));
                Ok(Some(lease.holder.clone()))
            }
            Some(_) => Ok(None),
        }
    }

    /// Hands control over to who asks for it; gives that person.
    pub(super) fn hand_over(
        &mut self,
        river: &str,
        session: &str,
        now: Duration,
    ) -> Result<Holder, LeaseRefusal> {
        let next = self.own(river, session, now)?.asked_by(now).cloned();
        let next = next.ok_or_else(|| LeaseRefusal::NobodyAsks { river: river.to_owned() })?;
        self.give(river, next.clone(), now);
        Ok(next)
    }

    /// Whether `session` has control of all these rivers.
    pub(super) fn check(&self, rivers: &[String], session: &str, now: Duration) -> Result<(), LeaseRefusal> {
        rivers.iter().try_for_each(|river| match self.held(river, now)? {
            Some(lease) if lease.holder.session == session => Ok(()),
            Some(lease) => Err(LeaseRefusal::Held { river: river.clone(), by: lease.holder.user.clone() }),
            None => Err(LeaseRefusal::NotYours { river: river.clone() }),
        })
    }

    /// The holder acts: control goes on from here.
    pub(super) fn renew(&mut self, session: &str, now: Duration) {
        let held = self.rivers.values_mut().flatten();
        for lease in held.filter(|lease| lease.holder.session == session && now < lease.until) {
            lease.until = now + LIFE;
        }
    }

    /// A session has ended, and with it what it had; the rivers.
    pub(super) fn drop_session(&mut self, session: &str) -> Vec<String> {
        let mut freed = Vec::new();
        for (river, slot) in &mut self.rivers {
            if slot.as_ref().is_some_and(|lease| lease.holder.session == session) {
                *slot = None;
                freed.push(river.clone());
            } else if let Some(lease) = slot
                && lease.asked.as_ref().is_some_and(|(who, _)| who.session == session)
            {
                lease.asked = None;
            }
        }
        freed
    }

    /// Who has lost control because its time ran out, told once.
    pub(super) fn expired(&mut self, now: Duration) -> Vec<(String, Holder)> {
        let mut gone = Vec::new();
        for (river, slot) in &mut self.rivers {
            if let Some(lease) = slot.take_if(|lease| lease.until <= now) {
                gone.push((river.clone(), lease.holder));
            }
        }
        gone
    }

    /// Every river with who has control of it.
    pub(super) fn list(&self, now: Duration) -> Vec<(String, Option<Lease>)> {
        let now_held = |lease: &&Lease| now < lease.until;
        self.rivers
            .iter()
            .map(|(river, slot)| (river.clone(), slot.as_ref().filter(now_held).cloned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(session: &str, user: &str) -> Holder {
        Holder { session: session.into(), user: user.into() }
    }

    const fn min(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    fn leases() -> Leases {
        Leases::of(["dan".to_owned(), "qin".to_owned()])
    }

    #[test]
    fn one_has_control_and_keeps_it_while_acting() {
        let (mut leases, li, wang) = (leases(), who("1", "li"), who("2", "wang"));
        assert_eq!(leases.take("qin", &li, false, min(0)), Ok(None));
        let held = LeaseRefusal::Held { river: "qin".into(), by: "li".into() };
        assert_eq!(leases.take("qin", &wang, false, min(14)), Err(held.clone()));
        assert_eq!(leases.check(&["qin".into()], "2", min(14)), Err(held));
        assert_eq!(leases.take("dan", &wang, false, min(14)), Ok(None), "the other river is free");
        leases.renew("1", min(14));
        assert_eq!(leases.check(&["qin".into()], "1", min(28)), Ok(()));
        assert!(leases.check(&["qin".into()], "1", min(29)).is_err());
        assert_eq!(leases.expired(min(29)), [("dan".to_owned(), wang), ("qin".to_owned(), li)]);
        assert!(leases.expired(min(29)).is_empty());
        assert!(matches!(leases.check(&["ganges".into()], "1", min(0)), Err(LeaseRefusal::NoRiver { .. })));
    }

    #[test]
    fn control_is_asked_for_and_handed_over_or_taken_by_force() {
        let (mut leases, li, wang) = (leases(), who("1", "li"), who("2", "wang"));
        assert_eq!(leases.ask("qin", &wang, min(0)), Ok(None), "free: nobody to ask");
        leases.take("qin", &li, false, min(0)).unwrap();
        assert!(matches!(leases.hand_over("qin", "1", min(0)), Err(LeaseRefusal::NobodyAsks { .. })));
        assert_eq!(leases.ask("qin", &wang, min(1)), Ok(Some(li.clone())));
        assert!(matches!(leases.hand_over("qin", "2", min(1)), Err(LeaseRefusal::NotYours { .. })));
        assert_eq!(leases.hand_over("qin", "1", min(2)), Ok(wang.clone()));
        assert_eq!(leases.check(&["qin".into()], "2", min(2)), Ok(()));
        assert_eq!(leases.take("qin", &li, true, min(3)), Ok(Some(wang.clone())));
        leases.ask("qin", &wang, min(3)).unwrap();
        assert!(leases.hand_over("qin", "1", min(5)).is_err(), "a request stands for two minutes");
        assert_eq!(leases.drop_session("1"), ["qin"]);
        assert_eq!(
            leases.check(&["qin".into()], "1", min(5)),
            Err(LeaseRefusal::NotYours { river: "qin".into() })
        );
    }
}
