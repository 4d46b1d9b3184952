//! Who has signed in where. A session is 128 random bits in a cookie; only their hash is kept, also over a restart of the
//! service, so that a wall display and a control room go on. What must not outlive a restart is the operate lease.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::PeopleError;
use super::book::{digest, secret};
use super::writer::Writer;

/// Sessions of one person; the one used longest ago gives way.
const OF_ONE: usize = 16;
/// Sessions of all.
const OF_ALL: usize = 512;
/// How often use is written down.
const KEEP_EVERY: Duration = Duration::from_secs(600);
/// Longest description of a browser kept, characters.
const AGENT_MOST: usize = 80;

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name in lists: says nothing about the cookie.
    pub id: String,
    /// Whose.
    pub user: String,
    /// When it began.
    pub made: Timestamp,
    /// When it was last used.
    pub seen: Timestamp,
    /// From where it began.
    pub address: String,
    /// The browser, as it calls itself.
    pub agent: String,
}

/// How long a session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Unused.
    pub idle: Duration,
    /// At most.
    pub most: Duration,
}

/// All sessions, by the hash of their cookie.
#[derive(Debug)]
pub(super) struct Sessions {
    file: PathBuf,
    limits: Limits,
    open: BTreeMap<String, Session>,
    kept: Timestamp,
    writer: Writer,
}

fn since(then: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(then).try_into().unwrap_or(Duration::ZERO)
}

impl Sessions {
    /// Those a run before this one left.
    pub(super) fn load(data: &Path, limits: Limits, writer: Writer, now: Timestamp) -> Self {
        let file = data.join("people").join("sessions.json");
        let open = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { file, limits, open: open.unwrap_or_default(), kept: now, writer }
    }

    /// Begins a session; the cookie's value is told once.
    pub(super) fn open(
        &mut self,
        user: &str,
        (address, agent): (&str, &str),
        now: Timestamp,
    ) -> Result<(String, Session), PeopleError> {
        self.forget(now);
        let oldest = |of: &dyn Fn(&Session) -> bool, open: &BTreeMap<String, Session>| {
            let of_these = open.iter().filter(|(_, session)| of(session));
            of_these.min_by_key(|(_, session)| session.seen).map(|(key, _)| key.clone())
        };
        let own = |session: &Session| session.user == user;
        if self.open.values().filter(|session| own(session)).count() >= OF_ONE
            && let Some(key) = oldest(&own, &self.open)
        {
            self.open.remove(&key);
        }
        if self.open.len() >= OF_ALL
            && let Some(key) = oldest(&|_| true, &self.open)
        {
            self.open.remove(&key);
        }
        let cookie = secret()?;
        let session = Session {
            id: secret()?.chars().take(8).collect(),
            user: user.to_owned(),
            made: now,
            seen: now,
            address: address.to_owned(),
            agent: agent.chars().filter(|c| !c.is_control()).take(AGENT_MOST).collect(),
        };
        self.open.insert(digest(&cookie), session.clone());
        self.keep(now);
        Ok((cookie, session))
    }

    /// The session of a cookie, as used now.
    pub(super) fn of(&mut self, cookie: &str, now: Timestamp) -> Option<Session> {
        let limits = self.limits;
        let session = self.open.get_mut(&digest(cookie)).filter(|session| lives(session, limits, now))?;
        session.seen = session.seen.max(now);
        let session = session.clone();
        if since(self.kept, now) >= KEEP_EVERY {
            self.keep(now);
        }
        Some(session)
    }

    /// Whether a session is still open.
    pub(super) fn has(&self, id: &str, now: Timestamp) -> bool {
        self.open.values().any(|session| session.id == id && lives(session, self.limits, now))
    }

    /// All that are open, of one person or of everybody, used last first.
    pub(super) fn list(&self, user: Option<&str>, now: Timestamp) -> Vec<Session> {
        let open = self.open.values().filter(|session| lives(session, self.limits, now));
        let mut list =
            open.filter(|session| user.is_none_or(|user| session.user == user)).cloned().collect::<Vec<_>>();
        list.sort_by(|a, b| b.seen.cmp(&a.seen).then_with(|| a.id.cmp(&b.id)));
        list
    }

    /// Ends those that `ends` says; their names.
    pub(super) fn end(&mut self, ends: impl Fn(&Session) -> bool, now: Timestamp) -> Vec<Session> {
        let gone = self.open.values().filter(|session| ends(session)).cloned().collect::<Vec<_>>();
        if !gone.is_empty() {
            self.open.retain(|_, session| !ends(session));
            self.keep(now);
        }
        gone
    }

    fn forget(&mut self, now: Timestamp) {
        let limits = self.limits;
        self.open.retain(|_, session| lives(session, limits, now));
    }

    /// Writes them down; without it people sign in again after a restart.
    fn keep(&mut self, now: Timestamp) {
        self.kept = now;
        if let Ok(bytes) = serde_json::to_vec(&self.open) {
            self.writer.write(self.file.clone(), bytes);
        }
    }
}

fn lives(session: &Session, limits: Limits, now: Timestamp) -> bool {
    since(session.seen, now) < limits.idle && since(session.made, now) < limits.most
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { idle: Duration::from_secs(3600), most: Duration::from_secs(86_400) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn sessions(data: &Path, now: i64) -> Sessions {
        std::fs::create_dir_all(data.join("people")).unwrap();
        Sessions::load(data, LIMITS, Writer::default(), at(now))
    }

    #[test]
    fn a_session_ends_unused_after_an_hour_and_used_after_a_day() {
        let data = tempfile::tempdir().unwrap();
        let mut all = sessions(data.path(), 0);
        let (unused, _) = all.open("li", ("10.0.0.1", "browser"), at(0)).unwrap();
        let (used, _) = all.open("li", ("10.0.0.1", "browser"), at(0)).unwrap();
        assert_ne!(unused, used);
        for hour in 0..47 {
            assert!(all.of(&used, at(1800 * hour)).is_some(), "{hour}");
        }
        assert!(all.of(&unused, at(3600)).is_none());
        assert!(all.of(&used, at(86_399)).is_some());
        assert!(all.of(&used, at(86_400)).is_none());
        assert!(all.of("guessed", at(0)).is_none() && all.of("", at(0)).is_none());
    }

    #[test]
    fn sessions_outlive_a_restart_and_their_secrets_are_not_kept() {
        let data = tempfile::tempdir().unwrap();
        let (cookie, session) =
            sessions(data.path(), 0).open("li", ("10.0.0.1", "a\nbrowser"), at(0)).unwrap();
        assert_eq!(session.agent, "abrowser");
        let text = std::fs::read_to_string(data.path().join("people/sessions.json")).unwrap();
        assert!(!text.contains(&cookie) && text.contains(&digest(&cookie)));
        let mut again = sessions(data.path(), 60);
        assert_eq!(again.of(&cookie, at(60)).map(|found| found.id), Some(session.id.clone()));
        assert!(again.has(&session.id, at(60)));
        assert_eq!(again.end(|each| each.user == "li", at(61)).len(), 1);
        assert!(sessions(data.path(), 62).of(&cookie, at(62)).is_none());
    }

    #[test]
    fn one_person_has_sixteen_sessions_at_most() {
        let data = tempfile::tempdir().unwrap();
        let mut all = sessions(data.path(), 0);
        let cookies: Vec<_> =
            (0..17).map(|second| all.open("li", ("10.0.0.1", ""), at(second)).unwrap().0).collect();
        assert!(all.of(&cookies[0], at(20)).is_none(), "the oldest gave way");
        assert!(all.of(&cookies[1], at(20)).is_some());
        assert_eq!(all.list(Some("li"), at(20)).len(), 16);
        assert!(all.list(Some("wang"), at(20)).is_empty());
    }
}
