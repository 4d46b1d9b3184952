//! The door: signing in and out, who a request comes from, and control of the rivers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use super::admin::Came;
use super::book::{self, Book, Mark};
use super::brake::Brake;
use super::lease::{Holder, Leases};
use super::sessions::{Limits, Session, Sessions};
use super::told::Told;
use super::writer::Writer;
use super::{Caller, PeopleError, Person, Role, SignInError, password};
use crate::control::record::{Entry, Kind};
use crate::shell::web::RealTime;

/// Sign-ins that may wait for their hash; each takes tens of milliseconds and 19 MiB, one at a time.
const WAITING: usize = 32;
/// Longest name or code looked at, bytes.
const TEXT_MOST: usize = 200;
/// Refused sign-ins recorded one by one within ten minutes; further ones are counted.
const REFUSALS: u32 = 50;
/// The time they are counted over.
const REFUSALS_OVER: Duration = Duration::from_secs(600);

/// Takes what goes into the record.
pub type Sink = Arc<dyn Fn(Entry) + Send + Sync>;

/// What [`People`] needs to know.
pub struct Settings {
    /// Rivers whose control is given to one session each.
    pub rivers: Vec<String>,
    /// How long sessions live.
    pub limits: Limits,
    /// Real time.
    pub time: RealTime,
    /// The record.
    pub sink: Sink,
    /// Distinguishes this installation: part of the cookie's name, since cookies do not know ports.
    pub instance: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("rivers", &self.rivers).finish_non_exhaustive()
    }
}

/// All that is known of people while the service runs.
pub struct People {
    pub(super) data: PathBuf,
    pub(super) settings: Settings,
    inner: Mutex<Inner>,
    /// Apart from the rest: the cycle asks it.
    brake: Mutex<Brake>,
    waiting: Semaphore,
    hashing: Arc<Semaphore>,
    /// Rises with every change of control.
    pub(super) control: watch::Sender<u64>,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").field("data", &self.data).finish_non_exhaustive()
    }
}

pub(super) struct Inner {
    pub(super) book: Arc<Book>,
    mark: Option<Mark>,
    told: Told,
    pub(super) sessions: Sessions,
    writer: Writer,
    pub(super) leases: Leases,
    /// When somebody of this name last came in.
    pub(super) came: Came,
    /// Since when refusals are counted, how many, and how many of them were not recorded.
    refusals: (Duration, u32, u32),
}

/// Somebody has come in.
#[derive(Clone, Debug)]
pub struct Entered {
    /// Value of the cookie.
    pub cookie: String,
    /// Who.
    pub person: Person,
}

/// From where: address and browser.
pub type Place<'a> = (&'a str, &'a str);

impl People {
    /// The people of a data folder. What was changed while no service ran is told to the record.
    ///
    /// # Errors
    /// When the file can be read by others, or not by us.
    pub fn open(data: &Path, settings: Settings) -> Result<Self, PeopleError> {
        let now = settings.time.now();
        let mark = book::mark(data);
        let book = Book::load(data)?;
        if mark.is_none() {
            // So that there is a folder for what is kept beside it.
            Book::edit(data, |_| Ok(()))?;
        }
        let writer = Writer::default();
        let mut inner = Inner {
            book: Arc::default(),
            mark: None,
            told: Told::load(data),
            sessions: Sessions::load(data, settings.limits, writer.clone(), now.utc),
            writer,
            leases: Leases::of(settings.rivers.iter().cloned()),
            came: Came::load(data),
            refusals: (now.mono, 0, 0),
        };
        let freed = inner.adopt(book, data, &settings.sink, now.utc);
        debug_assert!(freed.is_empty(), "nobody has control before the start");
        inner.mark = book::mark(data);
        let control = watch::Sender::new(0);
        let hashing = Arc::new(Semaphore::new(1));
        let data = data.to_path_buf();
        let waiting = Semaphore::new(WAITING);
        let (inner, brake) = (Mutex::new(inner), Mutex::default());
        Ok(Self { data, settings, inner, brake, waiting, hashing, control })
    }

    /// The state, with the file as it is now.
    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = book::mark(&self.data);
        if mark != inner.mark {
            inner.mark = mark;
            match Book::load(&self.data) {
                Ok(book) => {
                    let now = self.settings.time.now();
                    let freed = inner.adopt(book, &self.data, &self.settings.sink, now.utc);
                    self.tell_freed(&freed, "session_ended");
                }
                // Who was in stays in, as before; nobody new gets in by a file we do not trust.
                Err(error) => tracing::error!(%error, "users are those of before"),
            }
        }
        inner
    }

    fn brakes(&self) -> MutexGuard<'_, Brake> {
        self.brake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Name of the cookie.
    pub fn cookie_name(&self, tls: bool) -> String {
        let instance = self.settings.instance.get(..8).unwrap_or(&self.settings.instance);
        format!("{}qindan-{instance}", if tls { "__Host-" } else { "" })
    }

    /// Follows changes of control.
    pub fn control(&self) -> watch::Receiver<u64> {
        self.control.subscribe()
    }

    /// Whether the first user is still to be made.
    pub fn is_first(&self) -> bool {
        self.inner().book.is_first()
    }

    /// Failed sign-ins of the last five minutes.
    pub fn failures(&self) -> u32 {
        let now = self.settings.time.now().mono;
        self.brakes().count(now)
    }

    /// Who a request comes from: a token where one is given, else the cookie's session.
    pub fn caller(&self, cookie: Option<&str>, token: Option<&str>) -> Caller {
        let now = self.settings.time.now().utc;
        let mut inner = self.inner();
        if let Some(token) = token {
            let book = Arc::clone(&inner.book);
            return book.token(token, now).map_or(Caller::Nobody, |(name, token)| Caller::Token {
                name: name.to_owned(),
                scopes: token.scopes.clone(),
            });
        }
        let session = cookie.and_then(|cookie| inner.sessions.of(cookie, now));
        session.and_then(|session| inner.person(&session)).map_or(Caller::Nobody, Caller::Person)
    }

    /// Whether a session or a token that opened a stream is still good.
    pub fn is_still(&self, caller: &Caller) -> bool {
        let now = self.settings.time.now().utc;
        let inner = self.inner();
        match caller {
            Caller::Nobody => true,
            Caller::Person(person) => {
                inner.sessions.has(&person.session, now)
                    && inner.book.users.get(&person.name).is_some_and(|user| user.enabled)
            }
            Caller::Token { name, .. } => {
                let token = inner.book.tokens.get(name);
                token.is_some_and(|token| token.until.is_none_or(|until| now < until))
            }
        }
    }

    /// Signs a person in with name and password.
    ///
    /// # Errors
    /// The same, after the same work, for an unknown name and a wrong password.
    pub async fn sign_in(
        &self,
        name: &str,
        password: &str,
        place: Place<'_>,
    ) -> Result<Entered, SignInError> {
        let shown = shown(name);
        let delay = self.brake(&shown, place.0)?;
        let user = self.verified(&shown, password).await?;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if !user {
            return Err(self.refuse("wrong", &shown, place, SignInError::Wrong));
        }
        self.open_session(&shown, place, "password")
    }

    /// Whether name and password belong together and may sign in.
    async fn verified(&self, name: &str, password: &str) -> Result<bool, SignInError> {
        let kept = self.inner().book.users.get(name).cloned();
        let hash = kept.as_ref().map(|user| user.password().to_owned());
        let (typed, data, name) = (password.to_owned(), self.data.clone(), name.to_owned());
        let right = self
            .hashed(move || {
                let right = password::is_right(&typed, hash.as_deref());
                let outdated = hash.as_deref().is_some_and(password::is_outdated);
                if right
                    && outdated
                    && let Ok(anew) = password::hash(&typed)
                {
                    let changed = Book::edit(&data, |book| book.user(&name).map(|user| user.keep_as(anew)));
                    if let Err(error) = changed {
                        tracing::warn!(%error, "a hash made with older numbers stays");
                    }
                }
                right
            })
            .await?;
        Ok(right && kept.is_some_and(|user| user.enabled))
    }

    /// Runs costly work apart from the cycle, one at a time.
    pub(super) async fn hashed<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SignInError> {
        let _place = self.waiting.try_acquire().map_err(|_| SignInError::Busy)?;
        let turn = Arc::clone(&self.hashing).acquire_owned().await.map_err(|_| SignInError::Failed)?;
        let done = tokio::task::spawn_blocking(move || {
            // Until the work is done, also when nobody waits for it any more.
            let _turn = turn;
            work()
        });
        done.await.map_err(|_| SignInError::Failed)
    }

    /// Makes the first user, an administrator, with the code `qindan init` has printed.
    ///
    /// # Errors
    /// When the code is wrong, or there are users.
    pub async fn first(
        &self,
        code: &str,
        name: &str,
        password: &str,
        place: Place<'_>,
    ) -> Result<Entered, SignInError> {
        self.brake("first-run", place.0)?;
        if !self.inner().book.opens_first(cut(code)) {
            return Err(self.refuse("first_run_code", "", place, SignInError::Code));
        }
        let unfit = |error: PeopleError| SignInError::Unfit(error.to_string());
        let name = book::name(name).map_err(unfit)?;
        let (code, typed, data) = (cut(code).to_owned(), password.to_owned(), self.data.clone());
        let (now, user) = (self.settings.time.now().utc, name.clone());
        let made = self.hashed(move || {
            Book::edit(&data, |book| {
                if !book.opens_first(&code) {
                    return Err(PeopleError::NotFirst);
                }
                book.add(&user, (Role::Administrator, None), &typed, now)
            })
        });
        made.await?.map_err(unfit)?;
        self.open_session(&name, place, "first_run")
    }

    /// Signs in whom a one-time code was made for. An operator has control of what is free then: using the code is the proof.
    ///
    /// # Errors
    /// When the code is not good.
    pub async fn by_link(
        &self,
        code: &str,
        new: Option<&str>,
        place: Place<'_>,
    ) -> Result<Entered, SignInError> {
        self.brake("link", place.0)?;
        let now = self.settings.time.now().utc;
        let (data, code, new) = (self.data.clone(), cut(code).to_owned(), new.map(str::to_owned));
        let used = self.hashed(move || Book::edit(&data, |book| book.use_link(&code, new.as_deref(), now)));
        let name = used.await?.map_err(|error| {
            if matches!(error, PeopleError::Password(_)) {
                return SignInError::Unfit(error.to_string());
            }
            tracing::error!(%error, "a sign-in link was not used");
            SignInError::Failed
        })?;
        let may_enter = |name: &String| self.inner().book.users.get(name).is_some_and(|known| known.enabled);
        let Some(name) = name.filter(may_enter) else {
            return Err(self.refuse("link", "", place, SignInError::Code));
        };
        let came = self.open_session(&name, place, "link")?;
        self.take_free(&came.person, place.0);
        Ok(came)
    }

    fn open_session(&self, user: &str, place: Place<'_>, by: &str) -> Result<Entered, SignInError> {
        let now = self.settings.time.now();
        let mut inner = self.inner();
        self.brakes().right(user, place.0);
        let opened = inner.sessions.open(user, place, now.utc);
        let (cookie, session) = opened.map_err(|error| {
            tracing::error!(%error, "no session");
            SignInError::Failed
        })?;
        let person = inner.person(&session).ok_or(SignInError::Wrong)?;
        let (book, writer) = (Arc::clone(&inner.book), inner.writer.clone());
        inner.came.note(&person.name, now.utc, &book);
        inner.came.keep(&self.data, &writer);
        drop(inner);
        self.tell(&person.name, json!({
            "what": "signed_in", "user": person.name, "role": person.role, "by": by, "session": person.session,
            "address": place.0, "agent": session.agent }));
        Ok(Entered { cookie, person })
    }

    fn brake(&self, name: &str, address: &str) -> Result<Duration, SignInError> {
        let now = self.settings.time.now().mono;
        let brakes = self.brakes();
        match brakes.wait(address, now) {
            Some(left) => Err(SignInError::Wait(left)),
            None => Ok(brakes.delay(name, now)),
        }
    }

    fn refuse(&self, what: &str, name: &str, place: Place<'_>, error: SignInError) -> SignInError {
        let now = self.settings.time.now().mono;
        self.brakes().failed(name, place.0, now);
        let mut inner = self.inner();
        if now.saturating_sub(inner.refusals.0) >= REFUSALS_OVER {
            inner.refusals = (now, 0, inner.refusals.2);
        }
        inner.refusals.1 += 1;
        if inner.refusals.1 > REFUSALS {
            inner.refusals.2 += 1;
            return error;
        }
        let unrecorded = std::mem::take(&mut inner.refusals.2);
        // A name that is nobody's may be a password typed into the wrong field.
        let known = inner.book.users.contains_key(name);
        drop(inner);
        let mut detail = json!({ "what": "sign_in_refused", "why": what, "address": place.0 });
        detail["user"] = if known { json!(name) } else { Value::Null };
        if unrecorded > 0 {
            detail["unrecorded_before"] = json!(unrecorded);
        }
        let mut entry = Entry::new(Kind::Access, "service");
        entry.detail = Some(detail);
        (self.settings.sink)(entry);
        error
    }

    /// Whether this is the person's own password, typed again.
    ///
    /// # Errors
    /// When it is not.
    pub async fn confirm(&self, person: &Person, password: &str, address: &str) -> Result<(), SignInError> {
        let delay = self.brake(&person.name, address)?;
        let right = self.verified(&person.name, password).await?;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if right {
            self.brakes().right(&person.name, address);
            return Ok(());
        }
        Err(self.refuse("password_again", &person.name, (address, ""), SignInError::Wrong))
    }

    /// Gives a person another password; all sessions of that person end.
    ///
    /// # Errors
    /// When the old one is wrong, or the new one will not do.
    pub async fn change_password(
        &self,
        person: &Person,
        old: &str,
        new: &str,
        address: &str,
    ) -> Result<(), SignInError> {
        self.confirm(person, old, address).await?;
        let (data, name, new) = (self.data.clone(), person.name.clone(), new.to_owned());
        let now = self.settings.time.now().utc;
        let changed =
            self.hashed(move || Book::edit(&data, |book| book.user(&name)?.set_password(&name, &new, now)));
        changed.await?.map_err(|error| SignInError::Unfit(error.to_string()))?;
        drop(self.inner());
        Ok(())
    }

    /// Sessions a person may see: the own ones, an administrator all.
    pub fn sessions(&self, person: &Person) -> Vec<Session> {
        let now = self.settings.time.now().utc;
        let own = (person.role != Role::Administrator).then_some(person.name.as_str());
        self.inner().sessions.list(own, now)
    }

    /// Ends a session the person may end; whether there was one.
    pub fn end_session(&self, person: &Person, id: &str, address: &str) -> bool {
        let now = self.settings.time.now().utc;
        let may = |session: &Session| {
            session.id == id && (session.user == person.name || person.role == Role::Administrator)
        };
        let mut inner = self.inner();
        let ended = inner.sessions.end(may, now);
        let freed = ended.iter().flat_map(|session| inner.free(session)).collect::<Vec<_>>();
        drop(inner);
        for session in &ended {
            let what = if session.id == person.session { "signed_out" } else { "session_ended" };
            self.tell(
                &person.name,
                json!({
                "what": what, "user": session.user, "session": session.id, "address": address }),
            );
        }
        self.tell_freed(&freed, "session_ended");
        !ended.is_empty()
    }

    /// Tells the record that something was refused to who it was asked by.
    pub fn tell_refused(&self, caller: &Caller, what: &str, need: &str, address: &str) {
        let (actor, role) = match caller {
            Caller::Nobody => return,
            Caller::Person(person) => (format!("operator:{}", person.name), person.role.name()),
            Caller::Token { name, .. } => (format!("token:{name}"), "token"),
        };
        let mut entry = Entry::new(Kind::Access, actor);
        entry.detail = Some(
            json!({ "what": "refused", "asked": what, "role": role, "needs": need, "address": address }),
        );
        (self.settings.sink)(entry);
    }

    /// Hands an entry about what somebody did to the record.
    pub fn keep(&self, entry: Entry) {
        (self.settings.sink)(entry);
    }

    pub(super) fn tell(&self, user: &str, detail: Value) {
        let mut entry = Entry::new(Kind::Access, format!("operator:{user}"));
        entry.detail = Some(detail);
        (self.settings.sink)(entry);
    }
}

impl Inner {
    /// Goes on with another book; who lost control because a session ended.
    fn adopt(&mut self, book: Book, data: &Path, sink: &Sink, now: Timestamp) -> Vec<(String, Holder)> {
        let told = Told::of(&book);
        let out = self.told.put_out(&told);
        let ended = self.sessions.end(|session| out.contains(&session.user), now);
        let freed = ended.iter().flat_map(|session| self.free(session)).collect();
        for detail in self.told.changes(&told) {
            let mut entry = Entry::new(Kind::Access, "people");
            entry.detail = Some(detail);
            sink(entry);
        }
        if told != self.told {
            told.keep(data, &self.writer);
            self.told = told;
        }
        self.book = Arc::new(book);
        freed
    }

    fn person(&self, session: &Session) -> Option<Person> {
        let user = self.book.users.get(&session.user).filter(|user| user.enabled)?;
        Some(Person {
            name: session.user.clone(),
            role: user.role,
            gates: user.gates.clone(),
            session: session.id.clone(),
        })
    }

    fn free(&mut self, session: &Session) -> Vec<(String, Holder)> {
        let holder = Holder { session: session.id.clone(), user: session.user.clone() };
        self.leases.drop_session(&session.id).into_iter().map(|river| (river, holder.clone())).collect()
    }
}

/// What was typed, cut to what is looked at.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_MOST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A name as typed, as it would be kept.
fn shown(name: &str) -> String {
    cut(name).trim().to_lowercase()
}
