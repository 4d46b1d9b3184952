//! The file of people: users with the hashes of their passwords, API tokens, and codes that work once.
//!
//! `people/people.json` in the data folder, readable by the service's user alone (0600) and replaced whole. The command line
//! and the running service both change it, under `people/lock`; the service sees a change with the next request. It is in
//! no backup and nothing of it goes into the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::role::{Role, Scope};
use super::{PeopleError, password};
use crate::shell::journal::hex;

/// Version of the file this build reads and writes.
const FORMAT: u32 = 1;
/// Bytes of a secret made by us: 128 bits.
const SECRET: usize = 16;
/// How long a sign-in link works.
const LINK_MINUTES: i64 = 30;
/// How long a code works by which somebody gives a new password. Chosen: a colleague on another shift gets it in time.
const RESET_HOURS: i64 = 24;
/// Longest name, characters.
const NAME_MOST: usize = 32;

/// One person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// What for.
    pub role: Role,
    /// Gates this person may command; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<BTreeSet<String>>,
    /// May sign in.
    pub enabled: bool,
    /// Argon2id string.
    password: String,
    /// When the password was given.
    pub password_set: Timestamp,
}

/// One API token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// SHA-256 of the token, hex: it has 128 random bits, so nothing slower is needed.
    hash: String,
    /// What it is for.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub made: Timestamp,
    /// When it ends; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A code that signs one user in, once; some only with a new password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    code: String,
    user: String,
    until: Timestamp,
    /// Gives a new password.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    resets: bool,
}

/// All people and tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    format: u32,
    /// By name.
    pub users: BTreeMap<String, User>,
    /// By name.
    #[serde(default)]
    pub tokens: BTreeMap<String, Token>,
    /// SHA-256 of the first-run code, hex; gone when it was used or a user made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_run: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
}

impl Default for Book {
    fn default() -> Self {
        let (users, tokens) = (BTreeMap::new(), BTreeMap::new());
        Self { format: FORMAT, users, tokens, first_run: None, links: Vec::new() }
    }
}

/// By what a file is known to be the same: its number, size and time of change.
pub(super) type Mark = (u64, u64, i64, i64);

fn folder(data: &Path) -> PathBuf {
    data.join("people")
}

/// Where the file is.
pub fn path(data: &Path) -> PathBuf {
    folder(data).join("people.json")
}

/// What tells a change of the file; `None` when there is none.
pub(super) fn mark(data: &Path) -> Option<Mark> {
    let meta = fs::metadata(path(data)).ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

/// `SECRET` random bytes in hexadecimal.
///
/// # Errors
/// When the system gives none.
pub fn secret() -> Result<String, PeopleError> {
    let mut bytes = [0; SECRET];
    SystemRandom::new().fill(&mut bytes).map_err(|error| PeopleError::Hash(error.to_string()))?;
    Ok(hex(&bytes))
}

/// SHA-256 of a secret, hex.
pub(super) fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

fn failed(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> PeopleError {
    let path = path.to_path_buf();
    move |source| PeopleError::Io { path, what, source }
}

/// A name as it is kept: small letters, without blanks around.
///
/// # Errors
/// When it cannot be one.
pub fn name(given: &str) -> Result<String, PeopleError> {
    let name = given.trim().to_lowercase();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.chars().count() > NAME_MOST || !name.chars().all(plain) {
        return Err(PeopleError::Name(given.chars().take(NAME_MOST).collect()));
    }
    Ok(name)
}

impl Book {
    /// The people of a data folder; nobody when there is no file yet.
    ///
    /// # Errors
    /// When others can read the file, or it cannot be read.
    pub fn load(data: &Path) -> Result<Self, PeopleError> {
        let path = path(data);
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(&path, "look at")(error)),
        };
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(PeopleError::Open { path, mode });
        }
        let bytes = fs::read(&path).map_err(failed(&path, "read"))?;
        let book = serde_json::from_slice::<Self>(&bytes);
        let book =
            book.map_err(|error| PeopleError::Broken { path: path.clone(), why: error.to_string() })?;
        if book.format != FORMAT {
            return Err(PeopleError::Broken { path, why: format!("format {}, not {FORMAT}", book.format) });
        }
        Ok(book)
    }

    /// Reads the file, changes it and puts it back, while nobody else does.
    ///
    /// # Errors
    /// When `change` refuses, which leaves the file as it is, or the disk does.
    pub fn edit<T>(
        data: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, PeopleError>,
    ) -> Result<T, PeopleError> {
        let dir = folder(data);
        if !dir.exists() {
            fs::DirBuilder::new().mode(0o700).create(&dir).map_err(failed(&dir, "make"))?;
        }
        let lock = dir.join("lock");
        let held = File::options().write(true).create(true).truncate(false).mode(0o600).open(&lock);
        let held = held.map_err(failed(&lock, "open"))?;
        held.lock().map_err(failed(&lock, "lock"))?;
        let mut book = Self::load(data)?;
        let done = change(&mut book)?;
        book.save(data)?;
        Ok(done)
    }

    fn save(&self, data: &Path) -> Result<(), PeopleError> {
        let path = path(data);
        let text = serde_json::to_vec_pretty(self);
        let text =
            text.map_err(|error| PeopleError::Broken { path: path.clone(), why: error.to_string() })?;
        replace(&path, &text)
    }

    /// Makes the code by which the first user is made on the page, in place of an older one.
    ///
    /// # Errors
    /// When there are users already.
    pub fn first_run(&mut self) -> Result<String, PeopleError> {
        if !self.users.is_empty() {
            return Err(PeopleError::NotFirst);
        }
        let code = secret()?;
        self.first_run = Some(digest(&code));
        Ok(code)
    }

    /// Whether the first user is still to be made.
    pub fn is_first(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether `code` is the first-run code.
    pub(super) fn opens_first(&self, code: &str) -> bool {
        self.users.is_empty() && self.first_run.as_deref() == Some(digest(code.trim()).as_str())
    }

    /// Adds a user.
    ///
    /// # Errors
    /// When there is one of this name, or the password is not good enough.
    pub fn add(
        &mut self,
        name: &str,
        (role, gates): (Role, Option<BTreeSet<String>>),
        password: &str,
        now: Timestamp,
    ) -> Result<(), PeopleError> {
        if self.users.contains_key(name) {
            return Err(PeopleError::Exists(name.to_owned()));
        }
        password::check(password, name)?;
        let user =
            User { role, gates, enabled: true, password: password::hash(password)?, password_set: now };
        self.users.insert(name.to_owned(), user);
        self.first_run = None;
        Ok(())
    }

    /// The user called `name`, to be changed.
    ///
    /// # Errors
    /// When there is none.
    pub fn user(&mut self, name: &str) -> Result<&mut User, PeopleError> {
        self.users.get_mut(name).ok_or_else(|| PeopleError::Unknown(name.to_owned()))
    }

    /// Makes a code that signs `name` in once within half an hour.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn link(&mut self, name: &str, now: Timestamp) -> Result<String, PeopleError> {
        self.user(name)?;
        let code = secret()?;
        let until = now.saturating_add(jiff::SignedDuration::from_mins(LINK_MINUTES)).unwrap_or(now);
        self.links.retain(|link| link.until > now);
        let user = name.to_owned();
        self.links.push(Link { code: digest(&code), user, until, resets: false });
        Ok(code)
    }

    /// Uses a code up; whom it signs in. One that gives a new password works with a password only, and one that is not good
    /// enough leaves the code as it is.
    ///
    /// # Errors
    /// When the new password will not do, or is missing.
    pub(super) fn use_link(
        &mut self,
        code: &str,
        new: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<String>, PeopleError> {
        let code = digest(code.trim());
        let Some(at) = self.links.iter().position(|link| link.code == code) else { return Ok(None) };
        let link = self.links.remove(at);
        if link.until <= now {
            return Ok(None);
        }
        if link.resets {
            let new = new.ok_or(PeopleError::Password("is missing: this code gives a new one"))?;
            self.user(&link.user)?.set_password(&link.user, new, now)?;
        }
        Ok(Some(link.user))
    }

    /// Makes the password of `name` void, and a code by which that user gives a new one within a day; older codes of that user
    /// are void.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn reset(&mut self, name: &str, now: Timestamp) -> Result<String, PeopleError> {
        let void = password::hash(&secret()?)?;
        let user = self.user(name)?;
        (user.password, user.password_set) = (void, now);
        let code = secret()?;
        let until = now.saturating_add(jiff::SignedDuration::from_hours(RESET_HOURS)).unwrap_or(now);
        self.links.retain(|link| link.until > now && link.user != name);
        self.links.push(Link { code: digest(&code), user: name.to_owned(), until, resets: true });
        Ok(code)
    }

    /// Adds a user without a password, and makes the code by which that user gives one.
    ///
    /// # Errors
    /// When there is one of this name.
    pub fn invite(
        &mut self,
        name: &str,
        (role, gates): (Role, Option<BTreeSet<String>>),
        now: Timestamp,
    ) -> Result<String, PeopleError> {
        if self.users.contains_key(name) {
            return Err(PeopleError::Exists(name.to_owned()));
        }
        let user = User { role, gates, enabled: true, password: String::new(), password_set: now };
        self.users.insert(name.to_owned(), user);
        self.first_run = None;
        self.reset(name, now)
    }

    /// Whether somebody is left who may make and change users.
    ///
    /// # Errors
    /// When nobody is.
    pub fn keeps_an_administrator(&self) -> Result<(), PeopleError> {
        let may = |user: &User| user.enabled && user.role == Role::Administrator;
        if self.users.values().any(may) { Ok(()) } else { Err(PeopleError::LastAdministrator) }
    }

    /// Makes a token; told once, kept as its hash.
    ///
    /// # Errors
    /// When there is one of this name.
    pub fn add_token(
        &mut self,
        name: &str,
        scopes: BTreeSet<Scope>,
        now: Timestamp,
        until: Option<Timestamp>,
    ) -> Result<String, PeopleError> {
        if self.tokens.contains_key(name) {
            return Err(PeopleError::Exists(name.to_owned()));
        }
        let token = format!("qd_{}", secret()?);
        self.tokens.insert(name.to_owned(), Token { hash: digest(&token), scopes, made: now, until });
        Ok(token)
    }

    /// Name and scopes of a token that is good.
    pub(super) fn token(&self, token: &str, now: Timestamp) -> Option<(&str, &Token)> {
        let hash = digest(token);
        let found = self.tokens.iter().find(|(_, known)| known.hash == hash)?;
        found.1.until.is_none_or(|until| now < until).then_some((found.0.as_str(), found.1))
    }
}

impl User {
    /// Gives another password.
    ///
    /// # Errors
    /// When it is not good enough.
    pub fn set_password(&mut self, name: &str, password: &str, now: Timestamp) -> Result<(), PeopleError> {
        password::check(password, name)?;
        self.password = password::hash(password)?;
        self.password_set = now;
        Ok(())
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }

    /// The same password, kept with the numbers of this build.
    pub(super) fn keep_as(&mut self, hash: String) {
        self.password = hash;
    }
}

/// Replaces a file only we may read, so that there is always a whole one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), PeopleError> {
    let aside = path.with_extension("new");
    drop(fs::remove_file(&aside));
    let file = File::options().write(true).create_new(true).mode(0o600).open(&aside);
    let mut file = file.map_err(failed(&aside, "make"))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed(&aside, "write"))?;
    fs::rename(&aside, path).map_err(failed(path, "replace"))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed(dir, "sync"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_file_is_ours_alone_and_nothing_in_it_is_a_secret_in_the_open() {
        let data = tempfile::tempdir().unwrap();
        let (code, token) = Book::edit(data.path(), |book| {
            let code = book.first_run()?;
            Ok((code, book.add_token("monitor", BTreeSet::from([Scope::Metrics]), at(0), None)?))
        })
        .unwrap();
        let book = Book::load(data.path()).unwrap();
        assert!(book.opens_first(&code) && !book.opens_first("other"));
        assert_eq!(book.token(&token, at(1)).map(|(name, _)| name), Some("monitor"));
        Book::edit(data.path(), |book| book.add("li", (Role::Operator, None), "sweet water 7", at(5)))
            .unwrap();
        assert!(!Book::load(data.path()).unwrap().opens_first(&code), "made, so not the first any more");
        let text = fs::read_to_string(path(data.path())).unwrap();
        assert!(text.contains("$argon2id$") && !text.contains("sweet") && !text.contains(&token));
        let rights = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((rights(&path(data.path())), rights(&folder(data.path()))), (0o600, 0o700));
        fs::set_permissions(path(data.path()), fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Book::load(data.path()).unwrap_err().to_string();
        assert!(refused.contains("0640") && refused.contains("chmod 600"), "{refused}");
    }

    #[test]
    fn a_link_works_once_and_not_for_long() {
        let mut book = Book::default();
        book.add("li", (Role::Operator, None), "sweet water 7", at(0)).unwrap();
        let code = book.link("li", at(0)).unwrap();
        assert_eq!(book.use_link(&code, None, at(1799)).unwrap(), Some("li".into()));
        assert_eq!(book.use_link(&code, None, at(1799)).unwrap(), None);
        let late = book.link("li", at(0)).unwrap();
        assert_eq!(book.use_link(&late, None, at(1800)).unwrap(), None);
        assert!(book.link("wang", at(0)).is_err());
    }

    #[test]
    fn a_reset_voids_the_password_and_its_code_gives_a_new_one() {
        let data = tempfile::tempdir().unwrap();
        let (first, second) = Book::edit(data.path(), |book| {
            book.add("li", (Role::Operator, None), "sweet water 7", at(0))?;
            Ok((book.reset("li", at(10))?, book.reset("li", at(20))?))
        })
        .unwrap();
        let book = Book::load(data.path()).unwrap();
        let li = &book.users["li"];
        assert!(!password::is_right("sweet water 7", Some(li.password())) && li.password_set == at(20));
        let take = |code: &str, new: Option<&str>, now| {
            Book::edit(data.path(), |book| book.use_link(code, new, now)).map_err(|error| error.to_string())
        };
        assert_eq!(take(&first, Some("river of stones"), at(30)), Ok(None), "an older code is void");
        assert!(take(&second, None, at(30)).unwrap_err().contains("is missing"));
        assert!(take(&second, Some("short"), at(30)).unwrap_err().contains("fewer than 8"));
        assert_eq!(take(&second, Some("river of stones"), at(86_419)), Ok(Some("li".into())));
        assert_eq!(take(&second, Some("river of sand"), at(86_419)), Ok(None));
        let book = Book::load(data.path()).unwrap();
        assert!(password::is_right("river of stones", Some(book.users["li"].password())));
        let late = Book::edit(data.path(), |book| book.invite("wang", (Role::Viewer, None), at(0))).unwrap();
        assert_eq!(take(&late, Some("river of stones"), at(86_400)), Ok(None));
    }

    #[test]
    fn names_are_one_word_in_small_letters() {
        assert_eq!(name(" Li.Ming ").unwrap(), "li.ming");
        assert_eq!(name("张三").unwrap(), "张三");
        for wrong in ["", "a b", "<b>", "x".repeat(33).as_str(), "a\nb", "li:ming"] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
    }
}
