//! What an administrator does with users and tokens on the page: the same file the command line changes, under the same lock.
//! Whoever calls has had the own password typed again. Nobody can leave the house without an administrator.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::book::Book;
use super::door::People;
use super::role::{Role, Scope};
use super::sessions::Session;
use super::writer::Writer;
use super::{PeopleError, Person, SignInError};

/// File of the times of the last sign-ins.
const CAME: &str = "came.json";

/// A change of users or tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new user, who gives a password by the code.
    Add {
        /// Name.
        name: String,
        /// Role.
        role: Role,
        /// Gates; `None`: all.
        gates: Option<BTreeSet<String>>,
    },
    /// Another role or other gates.
    Role {
        /// Name.
        name: String,
        /// Role.
        role: Role,
        /// Gates; `None`: all.
        gates: Option<BTreeSet<String>>,
    },
    /// Lets a user in, or in no more.
    Enable {
        /// Name.
        name: String,
        /// In, or not.
        on: bool,
    },
    /// Voids the password; the user gives a new one by the code.
    Reset {
        /// Name.
        name: String,
    },
    /// A token for a program.
    AddToken {
        /// Name.
        name: String,
        /// What for.
        scopes: BTreeSet<Scope>,
        /// Days until it ends; `None`: never.
        days: Option<u16>,
    },
    /// Makes a token void.
    RevokeToken {
        /// Name.
        name: String,
    },
}

impl Change {
    /// Its word in the record, and whom it is about.
    fn about(&self) -> (&'static str, &str) {
        match self {
            Self::Add { name, .. } => ("add", name),
            Self::Role { name, .. } => ("role", name),
            Self::Enable { name, on: true } => ("enable", name),
            Self::Enable { name, on: false } => ("disable", name),
            Self::Reset { name } => ("reset", name),
            Self::AddToken { name, .. } => ("add_token", name),
            Self::RevokeToken { name } => ("revoke_token", name),
        }
    }

    /// Makes the change; a secret that is shown once, where it makes one.
    fn make(&self, book: &mut Book, by: &str, now: Timestamp) -> Result<Option<String>, PeopleError> {
        let secret = match self {
            Self::Add { name, role, gates } => Some(book.invite(name, (*role, gates.clone()), now)?),
            Self::Role { name, role, gates } => {
                let user = book.user(name)?;
                (user.role, user.gates) = (*role, gates.clone());
                None
            }
            Self::Enable { name, on } => {
                book.user(name)?.enabled = *on;
                None
            }
            Self::Reset { name } if name == by => return Err(PeopleError::Own),
            Self::Reset { name } => Some(book.reset(name, now)?),
            Self::AddToken { name, scopes, days } => {
                let end = |days: u16| now.saturating_add(SignedDuration::from_hours(24 * i64::from(days)));
                let until = days.map(|days| end(days).unwrap_or(now));
                Some(book.add_token(name, scopes.clone(), now, until)?)
            }
            Self::RevokeToken { name } => {
                book.tokens.remove(name).ok_or_else(|| PeopleError::Unknown(name.clone()))?;
                None
            }
        };
        book.keeps_an_administrator()?;
        Ok(secret)
    }
}

/// A user as an administrator sees him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Gates; `None`: all.
    pub gates: Option<BTreeSet<String>>,
    /// May sign in.
    pub enabled: bool,
    /// When the password was given, or made void.
    pub password_set: Timestamp,
    /// When somebody last signed in by this name, as far as it is known.
    pub came: Option<Timestamp>,
    /// Open sessions.
    pub sessions: Vec<Session>,
}

/// Users and tokens, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Users.
    pub users: Vec<Shown>,
    /// Tokens: name, scopes, made, end.
    pub tokens: Vec<(String, BTreeSet<Scope>, Timestamp, Option<Timestamp>)>,
}

impl People {
    /// Users and tokens; nothing of it is a secret.
    pub fn listed(&self) -> Listed {
        let now = self.settings.time.now().utc;
        let inner = self.inner();
        let users = inner.book.users.iter().map(|(name, user)| Shown {
            name: name.clone(),
            role: user.role,
            gates: user.gates.clone(),
            enabled: user.enabled,
            password_set: user.password_set,
            came: inner.came.0.get(name).copied(),
            sessions: inner.sessions.list(Some(name), now),
        });
        let tokens = inner.book.tokens.iter();
        let tokens =
            tokens.map(|(name, token)| (name.clone(), token.scopes.clone(), token.made, token.until));
        Listed { users: users.collect(), tokens: tokens.collect() }
    }

    /// Makes a change; a code or token that is shown once, where there is one. It counts at once, and stands in the record with who made
    /// it and without the secret.
    ///
    /// # Errors
    /// When it may not be, or the disk refuses.
    pub async fn administer(
        &self,
        person: &Person,
        change: Change,
        address: &str,
    ) -> Result<Option<String>, SignInError> {
        let now = self.settings.time.now().utc;
        let (data, by, asked) = (self.data.clone(), person.name.clone(), change.clone());
        let made = self.hashed(move || Book::edit(&data, |book| change.make(book, &by, now))).await?;
        let secret = made.map_err(|error| match error {
            PeopleError::Io { .. }
            | PeopleError::Open { .. }
            | PeopleError::Broken { .. }
            | PeopleError::Hash(_) => {
                tracing::error!(%error, "users were not changed");
                SignInError::Failed
            }
            PeopleError::Name(_)
            | PeopleError::Exists(_)
            | PeopleError::Unknown(_)
            | PeopleError::Password(_)
            | PeopleError::LastAdministrator
            | PeopleError::Own
            | PeopleError::NotFirst => SignInError::Unfit(error.to_string()),
        })?;
        let (what, about) = asked.about();
        self.tell(
            &person.name,
            json!({ "what": "administered", "change": what, "of": about, "address": address }),
        );
        // Takes in the file as it is now: sessions end, and what has changed is told.
        drop(self.inner());
        Ok(secret)
    }
}

/// When somebody last signed in, by name. Without the file it is not known.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Came(pub(super) BTreeMap<String, Timestamp>);

impl Came {
    pub(super) fn load(data: &Path) -> Self {
        let kept = std::fs::read(data.join("people").join(CAME)).ok();
        kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    pub(super) fn note(&mut self, name: &str, now: Timestamp, book: &Book) {
        self.0.insert(name.to_owned(), now);
        self.0.retain(|known, _| book.users.contains_key(known));
    }

    pub(super) fn keep(&self, data: &Path, writer: &Writer) {
        if let Ok(bytes) = serde_json::to_vec(self) {
            writer.write(data.join("people").join(CAME), bytes);
        }
    }
}
