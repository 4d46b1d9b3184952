//! `/api/v1/schedule`: the calendar of gates. Everybody who may look sees what runs, what is drafted and what stands against
//! it; who may change it saves a draft, looks at its seven days and activates it in two steps.
//!
//! A draft moves nothing. The preview gives a token for the draft as it stands, good for five minutes and for that session; the
//! activation checks everything again, goes to the cycle as an act with all its entries, and is answered when memory and
//! record have it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::acts::{self, Answer, Who};
use super::auth::{From, Known};
use super::{App, failure, problem};
use crate::control::operator::Order;
use crate::control::record::{Entry as Record, Kind};
use crate::control::schedule::check::{self, Conflict, Ground};
use crate::control::schedule::row::Row;
use crate::control::schedule::steps::Active;
use crate::control::schedule::{self, Block, Entry, MOST, Span};
use crate::shell::people::{self, Caller, Need, Person};
use crate::shell::schedules::{self, Draft, Problem, Version};

/// Largest text of a calendar, bytes.
pub(super) const TEXT_MOST: usize = 256 * 1024;
/// How long a preview may be activated, real time: seven days are not read in half a minute.
const LIFE: Duration = Duration::from_secs(300);
/// Previews kept at once; an older one gives way.
const PREVIEWS: usize = 16;
/// Days a preview shows. Source: page notes, 2.5.
const AHEAD_H: i64 = 7 * 24;
/// Hours shown before now.
const BEHIND_H: i64 = 24;

/// A draft that has been looked at.
#[derive(Clone, Debug)]
struct Seen {
    token: String,
    session: String,
    hash: String,
    until: Duration,
}

/// Drafts that have been looked at and may be activated.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<VecDeque<Seen>>);

impl Tokens {
    fn keep(&self, seen: Seen) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= PREVIEWS {
            all.pop_front();
        }
        all.push_back(seen);
    }

    /// Takes a token out: it works once, and for its session. The hash of the draft it is for.
    fn take(&self, token: &str, session: &str, now: Duration) -> Option<String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|seen| seen.token == token && seen.session == session)?;
        all.remove(at).filter(|seen| now <= seen.until).map(|seen| seen.hash)
    }
}

/// `GET /api/v1/schedule`.
pub(super) async fn shown(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Response {
    let status = app.web.status.borrow().clone();
    let config = &app.web.config;
    let kept = app.web.schedules.kept();
    let in_file = &config.schedules.entries;
    let active = status.calendar.active.as_deref();
    let runs = active.map_or(&[] as &[Entry], |active| active.entries.as_slice());
    let window = window(status.utc);
    let zone = &config.basin.zone;
    let blocks = |own: &[Entry]| {
        let blocks = schedule::blocks(own.iter().chain(in_file), zone, window);
        blocks.iter().map(block).collect::<Vec<_>>()
    };
    let steps = status.calendar.steps.iter().map(|(id, step)| {
        json!({
            "entry": id, "gate": step.gate, "begin_s": step.begin.as_second(), "due_s": step.due.as_second(),
            "started": step.started, "missed": step.missed, "held_by": step.held_by, "cut": step.cut,
        })
    });
    let draft = kept.draft.as_ref().map(|draft| {
        json!({
            "hash": draft.hash, "by": draft.by, "role": draft.role, "at_s": draft.at.as_second(),
            "entries": rows(&app, &draft.entries), "conflicts": told(&conflicts(&app, &draft.entries)),
            "blocks": blocks(&draft.entries), "changes": summary(runs, &draft.entries),
        })
    });
    let body = json!({
        "now_s": status.utc.as_second(), "may_edit": caller.may(Need::Schedule, false), "most": MOST,
        "from_s": window.from.as_second(), "to_s": window.to.as_second(),
        "in_file": rows(&app, in_file),
        "active": active.map(|active| json!({
            "version": active.version, "hash": active.hash, "by": active.by, "since_s": active.since.as_second(),
            "entries": rows(&app, &active.entries),
        })),
        "blocks": blocks(runs),
        "steps": steps.collect::<Vec<_>>(),
        "draft": draft,
        "versions": kept.versions.iter().rev().map(version).collect::<Vec<_>>(),
    });
    Json(body).into_response()
}

fn window(now: Timestamp) -> Span {
    let at = |hours: i64| now.saturating_add(SignedDuration::from_hours(hours)).unwrap_or(now);
    Span { from: at(-BEHIND_H), to: at(AHEAD_H) }
}

fn block(block: &Block) -> Value {
    json!({
        "element": block.element, "entry": block.entry,
        "from_s": block.span.from.as_second(), "to_s": block.span.to.as_second(),
    })
}

fn rows(app: &App, entries: &[Entry]) -> Vec<Row> {
    entries.iter().map(|entry| Row::of(entry, &app.web.config.basin.zone)).collect()
}

fn version(version: &Version) -> Value {
    let Version { role, active } = version;
    json!({
        "version": active.version, "hash": active.hash, "by": active.by, "role": role,
        "since_s": active.since.as_second(), "entries": active.entries.len(),
    })
}

/// What changes, by name.
fn summary(before: &[Entry], after: &[Entry]) -> Value {
    let of = |all: &[Entry], id: &str| all.iter().find(|entry| entry.id == id).cloned();
    let ids = |all: Vec<&Entry>| all.into_iter().map(|entry| entry.id.clone()).collect::<Vec<_>>();
    json!({
        "added": ids(after.iter().filter(|entry| of(before, &entry.id).is_none()).collect()),
        "changed": ids(after.iter().filter(|entry| of(before, &entry.id).is_some_and(|old| old != **entry)).collect()),
        "removed": ids(before.iter().filter(|entry| of(after, &entry.id).is_none()).collect()),
    })
}

/// What stands against entries now, by the river as it is seen.
fn conflicts(app: &App, entries: &[Entry]) -> Vec<Conflict> {
    let status = app.web.status.borrow().clone();
    let config = &app.web.config;
    let ground =
        Ground { basin: &config.basin, now: Some(status.utc), river: Some((&config.field, &status)) };
    check::conflicts(&ground, entries, &config.schedules.entries)
}

fn told(conflicts: &[Conflict]) -> Vec<Value> {
    let one = |conflict: &Conflict| {
        let mut value = serde_json::to_value(conflict).unwrap_or_default();
        let (what, remedy) = conflict.finding.words();
        value["at"] = Value::Null;
        value["at_s"] = json!(conflict.at.map(Timestamp::as_second));
        (value["what"], value["remedy"]) = (what.into(), remedy.into());
        value
    };
    conflicts.iter().map(one).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToSave {
    /// Hash of the draft this one comes from; null where there was none.
    base: Option<String>,
    entries: Vec<Row>,
}

/// `POST /api/v1/schedule/draft`.
pub(super) async fn save(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Result<Json<ToSave>, JsonRejection>,
) -> Response {
    let ToSave { base, entries } = match body {
        Ok(Json(asked)) => asked,
        Err(error) => return acts::malformed(&error),
    };
    match schedules::entries((1..).zip(&entries), &app.web.config.basin.zone) {
        Ok(entries) => keep(&app, (&person, address.as_str()), &Base::Of(base), entries).await,
        Err(problems) => wrong(&problems),
    }
}

/// `POST /api/v1/schedule/import`: CSV in place of the draft.
pub(super) async fn import(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(error) => return failure(error.status(), &error.body_text()),
    };
    match schedules::read(&body, &app.web.config.basin.zone) {
        Ok(entries) => keep(&app, (&person, address.as_str()), &Base::Any, entries).await,
        Err(problems) => wrong(&problems),
    }
}

fn wrong(problems: &[Problem]) -> Response {
    let first = problems.first().map(ToString::to_string).unwrap_or_default();
    let rows = problems.iter().map(|one| {
        let mut row = serde_json::to_value(one).unwrap_or_default();
        for (key, text) in [("what_zh", &one.what), ("remedy_zh", &one.remedy)] {
            row[key] = problem::part(text).into();
        }
        row
    });
    let (status, more) = (StatusCode::UNPROCESSABLE_ENTITY, json!({ "problems": rows.collect::<Vec<_>>() }));
    problem::response(status, problem::document(status, &format!("{first}; nothing was saved"), &more))
}

/// The draft another one may take the place of.
enum Base {
    /// Whichever there is.
    Any,
    /// This one, by its hash; `None`: there is none.
    Of(Option<String>),
}

/// Saves a draft.
async fn keep(
    app: &Arc<App>,
    (person, address): (&Person, &str),
    base: &Base,
    entries: Vec<Entry>,
) -> Response {
    let _turn = app.web.schedules.turn().await;
    let before = app.web.schedules.kept().draft;
    let is_changed = match base {
        Base::Any => false,
        Base::Of(base) => *base != before.as_ref().map(|draft| draft.hash.clone()),
    };
    if is_changed {
        let by = before.map(|draft| draft.by).unwrap_or_default();
        let why = format!("the draft was changed meanwhile by {by}; load it again and repeat what is yours");
        return failure(StatusCode::CONFLICT, &why);
    }
    if let Some(why) = foreign(app, person, &entries) {
        return failure(StatusCode::FORBIDDEN, &why);
    }
    let now = app.web.status.borrow().utc;
    let draft = Draft::new(entries, &person.name, person.role.name(), now);
    let known = before.map_or_else(|| running(app), |draft| draft.entries);
    let detail = json!({
        "what": "draft_saved", "hash": draft.hash, "changes": schedule::changes(&known, &draft.entries) });
    let (hash, found) = (draft.hash.clone(), conflicts(app, &draft.entries));
    if let Err(answer) = change(app, move |kept| kept.draft = Some(draft)).await {
        return answer.into_response();
    }
    note(app, person, address, detail);
    (StatusCode::OK, Json(json!({ "hash": hash, "conflicts": told(&found) }))).into_response()
}

/// Entries activated now.
fn running(app: &App) -> Vec<Entry> {
    app.web.status.borrow().calendar.active.as_deref().map_or_else(Vec::new, |active| active.entries.clone())
}

/// Why somebody may not make these entries of those that run: a gate this person is not here for.
fn foreign(app: &App, person: &Person, entries: &[Entry]) -> Option<String> {
    let own = person.gates.as_ref()?;
    let before = running(app);
    let of = |all: &[Entry], id: &str| all.iter().find(|entry| entry.id == id).cloned();
    let changed = entries.iter().filter(|entry| of(&before, &entry.id).as_ref() != Some(*entry));
    let removed = before.iter().filter(|entry| of(entries, &entry.id).is_none());
    let mut touched = changed.chain(removed).map(|entry| entry.target.element());
    let other = touched.find(|element| !own.contains(*element))?;
    Some(format!("{other}: not among the gates you are here for"))
}

/// Changes what is kept, on a thread for slow things.
async fn change(
    app: &Arc<App>,
    change: impl FnOnce(&mut schedules::Kept) + Send + 'static,
) -> Result<(), Answer> {
    let store = Arc::clone(&app.web.schedules);
    let saved = tokio::task::spawn_blocking(move || store.change(change)).await;
    match saved {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::error!(%error, "the calendar was not saved");
            Err(Answer::refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "the disk did not take it; nothing was saved",
            ))
        }
        Err(_) => {
            Err(Answer::refused(StatusCode::SERVICE_UNAVAILABLE, "the service stops; nothing was saved"))
        }
    }
}

/// Tells the record what somebody did with the draft.
fn note(app: &App, person: &Person, address: &str, mut detail: Value) {
    let mut record = Record::new(Kind::Schedule, format!("operator:{}", person.name));
    (detail["role"], detail["address"]) = (person.role.name().into(), address.into());
    record.detail = Some(detail);
    app.web.people.keep(record);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToDiscard {
    /// Hash of the draft.
    hash: String,
}

/// `POST /api/v1/schedule/discard`.
pub(super) async fn discard(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Result<Json<ToDiscard>, JsonRejection>,
) -> Response {
    let hash = match body {
        Ok(Json(asked)) => asked.hash,
        Err(error) => return acts::malformed(&error),
    };
    let _turn = app.web.schedules.turn().await;
    if app.web.schedules.kept().draft.is_none_or(|draft| draft.hash != hash) {
        return failure(StatusCode::CONFLICT, "there is no such draft any more; load the calendar again");
    }
    if let Err(answer) = change(&app, |kept| kept.draft = None).await {
        return answer.into_response();
    }
    note(&app, &person, &address, json!({ "what": "draft_discarded", "hash": hash }));
    (StatusCode::OK, Json(json!({ "discarded": hash }))).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// `POST /api/v1/schedule/preview`: the seven days of the draft with what stands against it, and a token unless something
/// refuses it.
pub(super) async fn preview(
    State(app): State<Arc<App>>,
    Known(person): Known,
    body: Result<Json<Nothing>, JsonRejection>,
) -> Response {
    if let Err(error) = body {
        return acts::malformed(&error);
    }
    let Some(draft) = app.web.schedules.kept().draft else {
        return failure(StatusCode::CONFLICT, "there is no draft; save one first");
    };
    let found = conflicts(&app, &draft.entries);
    let config = &app.web.config;
    let now = app.web.status.borrow().utc;
    let all = draft.entries.iter().chain(&config.schedules.entries);
    let blocks = schedule::blocks(all, &config.basin.zone, window(now));
    let mut body = json!({
        "hash": draft.hash, "conflicts": told(&found), "changes": summary(&running(&app), &draft.entries),
        "blocks": blocks.iter().map(block).collect::<Vec<_>>(), "entries": rows(&app, &draft.entries),
    });
    if !found.iter().any(|conflict| conflict.refused) {
        // Without random bytes there is no token, and nothing can be activated.
        let Ok(token) = people::secret() else {
            return failure(StatusCode::SERVICE_UNAVAILABLE, "no token can be made on this machine");
        };
        let until = app.web.time.now().mono + LIFE;
        let session = person.session.clone();
        app.ready.keep(Seen { token: token.clone(), session, hash: draft.hash.clone(), until });
        (body["token"], body["expires_in_s"]) = (token.into(), LIFE.as_secs().into());
    }
    (StatusCode::OK, Json(body)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToActivate {
    request: String,
    token: String,
}

/// `POST /api/v1/schedule/activate`.
pub(super) async fn activate(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Result<Json<ToActivate>, JsonRejection>,
) -> Response {
    let ToActivate { request, token } = match body {
        Ok(Json(asked)) => asked,
        Err(error) => return acts::malformed(&error),
    };
    let who = Who::new(person, address);
    acts::once(&app, &request, activated(&app, &request, &token, &who)).await
}

async fn activated(app: &Arc<App>, request: &str, token: &str, who: &Who) -> Answer {
    let _turn = app.web.schedules.turn().await;
    let Some(hash) = app.ready.take(token, &who.person.session, app.web.time.now().mono) else {
        let why = "token: unknown, used or older than five minutes; ask for a new preview";
        return Answer::refused(StatusCode::GONE, why);
    };
    let kept = app.web.schedules.kept();
    let Some(draft) = kept.draft.filter(|draft| draft.hash == hash) else {
        let why = "the draft was changed since the preview; read the new one and activate that";
        return Answer::refused(StatusCode::CONFLICT, why);
    };
    if let Some(why) = foreign(app, &who.person, &draft.entries) {
        return Answer::refused(StatusCode::FORBIDDEN, &why);
    }
    let found = conflicts(app, &draft.entries);
    if let Some(first) = found.iter().find(|conflict| conflict.refused) {
        let (what, remedy) = first.finding.words();
        let why = format!("entry {}: {what}; {remedy}", first.entry);
        let more = json!({ "conflicts": told(&found) });
        return Answer::refused_with(StatusCode::CONFLICT, &why, &more);
    }
    let known = kept.versions.last().map_or(0, |version| version.active.version);
    let runs = app.web.status.borrow().calendar.active.as_deref().map_or(0, |active| active.version);
    let version = known.max(runs) + 1;
    let order = Order::ActivateSchedule { version, hash: hash.clone(), entries: draft.entries.clone() };
    let answer = acts::send(app, request, who, order).await;
    if !answer.is_ok() {
        return answer;
    }
    let since = app.web.status.borrow().utc;
    let active = Active { version, hash, by: who.person.name.clone(), since, entries: draft.entries };
    let next = Version { role: who.person.role.name().to_owned(), active };
    let noted = change(app, move |kept| {
        kept.draft = None;
        kept.versions.push(next);
    });
    // The controller has it on the disk; the next start makes this good.
    drop(noted.await);
    answer.with("version", version.into())
}

/// `GET /api/v1/schedule/versions/{version}`: the entries of one that was activated.
pub(super) async fn one_version(State(app): State<Arc<App>>, Path(number): Path<String>) -> Response {
    let kept = app.web.schedules.kept();
    let found = kept.versions.iter().find(|version| version.active.version.to_string() == number);
    let Some(found) = found else {
        return failure(StatusCode::NOT_FOUND, "no such version is kept; the record has all of them");
    };
    let mut body = version(found);
    body["entries"] = json!(rows(&app, &found.active.entries));
    Json(body).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToExport {
    of: Option<String>,
}

/// `GET /api/v1/schedule.csv?of=`: `active` (without `of`), `draft`, `file`, or the number of a version.
pub(super) async fn export(
    State(app): State<Arc<App>>,
    query: Result<Query<ToExport>, QueryRejection>,
) -> Response {
    let of = match query {
        Ok(Query(asked)) => asked.of.unwrap_or_else(|| "active".to_owned()),
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let kept = app.web.schedules.kept();
    let entries = match of.as_str() {
        "active" => running(&app),
        "draft" => kept.draft.map(|draft| draft.entries).unwrap_or_default(),
        "file" => app.web.config.schedules.entries.clone(),
        number => {
            let found =
                kept.versions.into_iter().find(|version| version.active.version.to_string() == number);
            let Some(found) = found else {
                return failure(
                    StatusCode::NOT_FOUND,
                    "of: must be active, draft, file or a version that is kept",
                );
            };
            found.active.entries
        }
    };
    let text = schedules::write(&entries, &app.web.config.basin.zone);
    let name = format!("attachment; filename=\"schedule-{of}.csv\"");
    ([(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, name)], text)
        .into_response()
}
