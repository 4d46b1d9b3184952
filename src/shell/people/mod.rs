//! People: who may sign in, who has, who has control of which river, and what of that goes into the record.
//!
//! ```text
//!  people/people.json    users, tokens, codes: 0600, replaced whole; changed by `qindan user` and by the service
//!  people/sessions.json  hashes of open sessions     people/told.json  what the record knows of the users
//! ```
//!
//! The command line changes the file, also beside a running service, which looks at it with every request: one way with and
//! without a service, no second door to guard, and who may write the file is what the file system says.

mod admin;
mod book;
mod brake;
mod control;
mod door;
mod lease;
mod notes;
pub mod password;
mod role;
mod sessions;
mod told;
mod writer;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use admin::{Change, Listed, Shown};
pub use book::{Book, Token, User, name, path, secret};
pub use door::{Entered, People, Place, Settings, Sink};
pub use lease::{Holder, LIFE, Lease, LeaseRefusal};
pub use notes::NOTE_MOST;
pub use role::{Need, Role, Scope};
pub use sessions::{Limits, Session};

/// What is wrong with the file of people, or with what was asked of it, with a remedy.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The operating system refused.
    #[error("{}: {what}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// Others can read it.
    #[error(
        "{}: mode {mode:04o}, others on this machine may have read the hashes; `chmod 600 {}` and think of new passwords",
        path.display(), path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not what we write.
    #[error("{}: {why}; set the file aside and make the users again with `qindan user add`", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No name.
    #[error("{0:?}: no name; use 1 to 32 letters, digits, dots, hyphens and underscores")]
    Name(String),
    /// There already.
    #[error("{0}: there is one of this name already")]
    Exists(String),
    /// Not there.
    #[error("{0}: nobody of this name; `qindan user list` has all")]
    Unknown(String),
    /// A password that will not do.
    #[error("the password {0}")]
    Password(&'static str),
    /// The system failed to hash or to give random bytes.
    #[error("passwords and codes cannot be made on this machine: {0}")]
    Hash(String),
    /// Nobody would be left who may change users.
    #[error("nobody would be left who may change users; make another administrator first")]
    LastAdministrator,
    /// A reset of the own password.
    #[error("that is you; change your own password at /account")]
    Own,
    /// Users there are.
    #[error("there are users already; add further ones with `qindan user add`")]
    NotFirst,
}

/// Why somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// Unknown name, wrong password, disabled: all the same.
    #[error("name or password is wrong")]
    Wrong,
    /// A code that is not good, or not any more.
    #[error("the code is wrong, used or too old; `qindan user link` makes another")]
    Code,
    /// Too many failures from this address.
    #[error("too many failures from this address; try again in {} s", .0.as_secs().max(1))]
    Wait(Duration),
    /// Too many at once.
    #[error("too many people sign in at once; try again in a moment")]
    Busy,
    /// What was typed will not do.
    #[error("{0}")]
    Unfit(String),
    /// The disk or the system.
    #[error("signing in does not work now; the system log says why")]
    Failed,
}

/// A person at a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Name.
    pub name: String,
    /// Role now.
    pub role: Role,
    /// Gates this person may command; `None`: all.
    pub gates: Option<BTreeSet<String>>,
    /// Session, by its name in lists.
    pub session: String,
}

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody we know.
    Nobody,
    /// A person.
    Person(Person),
    /// A program with a token.
    Token {
        /// Its name.
        name: String,
        /// What for.
        scopes: BTreeSet<Scope>,
    },
}

impl Caller {
    /// Whether this caller may do what needs `need`. Looking is open to everybody where the configuration says so; nothing
    /// else can be opened.
    pub fn may(&self, need: Need, open_view: bool) -> bool {
        match self {
            Self::Nobody => need == Need::Public || (open_view && need == Need::View),
            Self::Person(person) => person.role.may(need),
            Self::Token { scopes, .. } => {
                scopes.iter().any(|scope| scope.may(need)) || (open_view && need == Need::View)
            }
        }
    }
}
