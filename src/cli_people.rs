//! `qindan user` and `qindan token`: on the file of people, with and without a running service.

use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use qindan::config::Config;
use qindan::shell::clock::Clock;
use qindan::shell::data_dir::Identity;
use qindan::shell::people::{self, Book, PeopleError, Role, Scope};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::cli::{Configuration, Data};

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Add a user; the password is asked for.
    Add {
        /// Letters, digits, dots, hyphens and underscores; kept in small letters.
        name: String,
        /// What for.
        #[arg(long, value_parser = roles())]
        role: Role,
        #[command(flatten)]
        gates: Gates,
        #[command(flatten)]
        typed: Typed,
        #[command(flatten)]
        data: Data,
    },
    /// All users, with role and gates.
    List {
        #[command(flatten)]
        data: Data,
    },
    /// Lets a user in no more; the open sessions end at once.
    Disable {
        /// Who.
        name: String,
        #[command(flatten)]
        data: Data,
    },
    /// Lets a user in again.
    Enable {
        /// Who.
        name: String,
        #[command(flatten)]
        data: Data,
    },
    /// Give a user another password; the open sessions end at once.
    Passwd {
        /// Who.
        name: String,
        #[command(flatten)]
        typed: Typed,
        #[command(flatten)]
        data: Data,
    },
    /// Give a user another role, or other gates; counts at once.
    Role {
        /// Who.
        name: String,
        /// What for.
        #[arg(long, value_parser = roles())]
        role: Role,
        #[command(flatten)]
        gates: Gates,
        #[command(flatten)]
        data: Data,
    },
    /// A code that signs a user in once within half an hour, at /enter of the page.
    Link {
        /// Who.
        name: String,
        #[command(flatten)]
        data: Data,
    },
    /// Another first-run code, while there is no user.
    FirstRun {
        #[command(flatten)]
        data: Data,
    },
}

pub(crate) const USER_NOTES: &str = "\
Works on the file people/people.json of the data folder (mode 600), also beside a running service, which sees the change with the next
request: who is disabled or given another password is out at once. Every change stands in the action log, without secrets.

Roles:
  viewer         looks
  inspector      looks, for whoever checks the record
  operator       acknowledges, holds all, stops; with control of the river moves gates
  shift_leader   as operator; changes the mode, takes control from another
  scheduler      hands in forecasts
  engineer       hands in forecasts, sees frames of the field
  administrator  makes and changes users and tokens, ends sessions; moves no gate

Examples:
  qindan user add li.ming --role operator --data /var/lib/qindan
  qindan user add wang --role operator --gate zf.eco.v1 --gate zf.eco.v2 --data /var/lib/qindan
  printf %s \"$PASSWORD\" | qindan user passwd li.ming --stdin --data /var/lib/qindan
  qindan user disable li.ming --data /var/lib/qindan";

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token for a program and print it, once.
    Add {
        /// What program it is for.
        name: String,
        /// What it may do; may be repeated.
        #[arg(long, value_enum, required = true)]
        scope: Vec<ScopeName>,
        /// Days after which it ends; without it never.
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3660))]
        days: Option<u16>,
        #[command(flatten)]
        data: Data,
    },
    /// All tokens with what they are for.
    List {
        #[command(flatten)]
        data: Data,
    },
    /// Make a token void at once.
    Revoke {
        /// Which.
        name: String,
        #[command(flatten)]
        data: Data,
    },
}

pub(crate) const TOKEN_NOTES: &str = "\
A program sends it as `Authorization: Bearer TOKEN`. Kept as its hash only: a token that is lost is made anew.

Examples:
  qindan token add prometheus --scope metrics --data /var/lib/qindan
  qindan token add forecast-office --scope forecast --days 400 --data /var/lib/qindan
  qindan token revoke prometheus --data /var/lib/qindan";

/// The roles by their names, for the command line.
fn roles() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::name))
        .try_map(|name| Role::named(&name).ok_or_else(|| format!("{name}: no such role")))
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ScopeName {
    /// State, stream, trends, actions.
    Read,
    /// Handing in forecasts.
    Forecast,
    /// `/metrics`.
    Metrics,
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Read => Self::Read,
            ScopeName::Forecast => Self::Forecast,
            ScopeName::Metrics => Self::Metrics,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Gates {
    /// Only this gate may be commanded; may be repeated. Without it all.
    #[arg(long, value_name = "ID")]
    gate: Vec<String>,
    #[command(flatten)]
    config: Configuration,
}

impl Gates {
    fn checked(&self, load: impl Fn(&Path) -> Result<Config>) -> Result<Option<BTreeSet<String>>> {
        if self.gate.is_empty() {
            return Ok(None);
        }
        let config = load(&self.config.config)?;
        for id in &self.gate {
            if config.basin.gate(id).is_none() {
                bail!("--gate {id}: no such gate; `qindan check --addresses` lists them");
            }
        }
        Ok(Some(self.gate.iter().cloned().collect()))
    }
}

#[derive(Debug, Args)]
pub(crate) struct Typed {
    /// Take the password from standard input instead of the terminal.
    #[arg(long)]
    stdin: bool,
}

impl Typed {
    fn password(&self) -> Result<String> {
        let stdin = io::stdin();
        if self.stdin {
            let mut line = String::new();
            stdin.lock().read_line(&mut line).context("standard input")?;
            return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
        }
        if !stdin.is_terminal() {
            bail!("no terminal to ask for the password; give it with --stdin");
        }
        let first = unseen("password: ")?;
        if unseen("once more: ")? != first {
            bail!("the two differ; nothing was changed");
        }
        Ok(first)
    }
}

/// A line from the terminal that is not shown while it is typed.
fn unseen(prompt: &str) -> Result<String> {
    let stdin = io::stdin();
    let before = tcgetattr(&stdin).context("the terminal")?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    write!(io::stderr(), "{prompt}")?;
    tcsetattr(&stdin, OptionalActions::Flush, &silent).context("the terminal")?;
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    tcsetattr(&stdin, OptionalActions::Flush, &before).context("the terminal")?;
    writeln!(io::stderr())?;
    read.context("the terminal")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn known(data: &Data) -> Result<PathBuf> {
    Identity::read(&data.data)?;
    Ok(data.data.clone())
}

impl User {
    pub(crate) fn run(self, load: impl Fn(&Path) -> Result<Config>, out: &mut dyn Write) -> Result<()> {
        let now = Clock::machine_utc();
        match self {
            Self::Add { name, role, gates, typed, data } => {
                let (dir, name) = (known(&data)?, people::name(&name)?);
                let gates = gates.checked(load)?;
                if Book::load(&dir)?.users.contains_key(&name) {
                    return Err(PeopleError::Exists(name).into());
                }
                let password = typed.password()?;
                Book::edit(&dir, |book| book.add(&name, (role, gates), &password, now))?;
                writeln!(out, "{name}: {}", role.name())?;
            }
            Self::List { data } => list(&Book::load(&known(&data)?)?, out)?,
            Self::Disable { name, data } => switch(&data, &name, false, out)?,
            Self::Enable { name, data } => switch(&data, &name, true, out)?,
            Self::Passwd { name, typed, data } => {
                let (dir, name) = (known(&data)?, people::name(&name)?);
                Book::load(&dir)?.user(&name)?;
                let password = typed.password()?;
                Book::edit(&dir, |book| book.user(&name)?.set_password(&name, &password, now))?;
                writeln!(out, "{name}: password changed")?;
            }
            Self::Role { name, role, gates, data } => {
                let (dir, name, gates) = (known(&data)?, people::name(&name)?, gates.checked(load)?);
                Book::edit(&dir, |book| {
                    let user = book.user(&name)?;
                    (user.role, user.gates) = (role, gates);
                    Ok(())
                })?;
                writeln!(out, "{name}: {}", role.name())?;
            }
            Self::Link { name, data } => {
                let (dir, name) = (known(&data)?, people::name(&name)?);
                let code = Book::edit(&dir, |book| book.link(&name, now))?;
                writeln!(out, "/enter?code={code}")?;
            }
            Self::FirstRun { data } => {
                let code = Book::edit(&known(&data)?, Book::first_run)?;
                writeln!(out, "{code}")?;
            }
        }
        Ok(())
    }
}

fn switch(data: &Data, name: &str, on: bool, out: &mut dyn Write) -> Result<()> {
    let (dir, name) = (known(data)?, people::name(name)?);
    Book::edit(&dir, |book| {
        book.user(&name)?.enabled = on;
        Ok(())
    })?;
    writeln!(out, "{name}: {}", if on { "enabled" } else { "disabled" })?;
    Ok(())
}

fn list(book: &Book, out: &mut dyn Write) -> Result<()> {
    for (name, user) in &book.users {
        let state = if user.enabled { "" } else { "  disabled" };
        let gates =
            user.gates.as_ref().map(|gates| gates.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        let gates = gates.map_or_else(String::new, |gates| format!("  gates {gates}"));
        let since = user.password_set.strftime("%Y-%m-%d");
        writeln!(out, "{name:<20} {:<14} password of {since}{gates}{state}", user.role.name())?;
    }
    if book.users.is_empty() {
        writeln!(
            out,
            "no user yet; use the first-run code of `qindan init` on the page, or `qindan user add`"
        )?;
    }
    Ok(())
}

impl Token {
    pub(crate) fn run(self, out: &mut dyn Write) -> Result<()> {
        let now = Clock::machine_utc();
        match self {
            Self::Add { name, scope, days, data } => {
                let (dir, name) = (known(&data)?, people::name(&name)?);
                let scopes = scope.into_iter().map(Scope::from).collect();
                let until = days.map(|days| end(now, days)).transpose()?;
                let token = Book::edit(&dir, |book| book.add_token(&name, scopes, now, until))?;
                writeln!(out, "{token}")?;
            }
            Self::List { data } => {
                for (name, token) in &Book::load(&known(&data)?)?.tokens {
                    let scopes = token.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ");
                    let until = token
                        .until
                        .map_or_else(String::new, |at| format!("  until {}", at.strftime("%Y-%m-%d")));
                    writeln!(out, "{name:<20} {scopes:<24} made {}{until}", token.made.strftime("%Y-%m-%d"))?;
                }
            }
            Self::Revoke { name, data } => {
                let (dir, name) = (known(&data)?, people::name(&name)?);
                Book::edit(&dir, |book| {
                    book.tokens.remove(&name).map(drop).ok_or_else(|| PeopleError::Unknown(name.clone()))
                })?;
                writeln!(out, "{name}: revoked")?;
            }
        }
        Ok(())
    }
}

fn end(now: Timestamp, days: u16) -> Result<Timestamp> {
    Ok(now.checked_add(SignedDuration::from_hours(24 * i64::from(days)))?)
}
