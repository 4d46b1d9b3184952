//! The shift: notes of people, and the hand-over report of the last hours.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::auth::{From, Known};
use super::screens::{archive, as_file, policy_for, unreadable};
use super::{App, failure};
use crate::report::Lang;
use crate::shell::people::Person;

/// Hours of a shift when nothing is said.
const HOURS: u32 = 12;
/// Longest window, hours: three days, a long weekend.
const HOURS_MOST: u32 = 72;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Noted {
    text: String,
    #[serde(default)]
    gate: Option<String>,
    #[serde(default)]
    section: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    to_s: Option<i64>,
    hours: Option<u32>,
    lang: Option<String>,
    form: Option<String>,
}

/// `POST /api/v1/notes`.
pub(super) async fn note(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Result<Json<Noted>, JsonRejection>,
) -> Response {
    let Noted { text, gate, section } = match body {
        Ok(Json(noted)) => noted,
        Err(error) => return failure(error.status(), &error.body_text()),
    };
    match keep(&app, &person, &text, (gate, section), &address) {
        Ok(()) => Json(json!({ "kept": true })).into_response(),
        Err(why) => failure(StatusCode::UNPROCESSABLE_ENTITY, &why),
    }
}

/// Keeps a note about a gate, a section or nothing in particular.
pub(super) fn keep(
    app: &App,
    person: &Person,
    text: &str,
    (gate, section): (Option<String>, Option<String>),
    address: &str,
) -> Result<(), String> {
    let basin = &app.web.config.basin;
    let unknown_gate = gate.as_ref().filter(|id| basin.gate(id).is_none());
    let unknown = unknown_gate.or_else(|| section.as_ref().filter(|id| basin.section(id).is_none()));
    if let Some(id) = unknown {
        return Err(format!("{id}: no such gate or section; /api/v1/basin lists them"));
    }
    app.web.people.note(person, text, (gate, section), address)
}

/// `GET /api/v1/shift`.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = match query {
        Ok(Query(asked)) => asked,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let lang = match asked.lang.as_deref().unwrap_or("zh") {
        "zh" => Lang::Zh,
        "en" => Lang::En,
        _ => return failure(StatusCode::BAD_REQUEST, "lang: must be zh or en"),
    };
    let as_csv = match asked.form.as_deref().unwrap_or("html") {
        "html" => false,
        "csv" => true,
        _ => return failure(StatusCode::BAD_REQUEST, "form: must be html or csv"),
    };
    let hours = asked.hours.unwrap_or(HOURS);
    if !(1..=HOURS_MOST).contains(&hours) {
        return failure(StatusCode::BAD_REQUEST, &format!("hours: must be 1 to {HOURS_MOST}"));
    }
    let now_s = app.web.status.borrow().utc.as_second();
    let to = Timestamp::from_second(asked.to_s.unwrap_or_else(|| now_s.div_euclid(60) * 60));
    let span =
        to.ok().and_then(|to| Some((to.checked_sub(SignedDuration::from_hours(hours.into())).ok()?, to)));
    let Some((from, to)) = span else {
        return failure(StatusCode::BAD_REQUEST, "to_s: must be Unix seconds");
    };
    let made = match archive(&app) {
        Ok(archive) => archive.shift((from, to), lang, as_csv).await,
        Err(response) => return *response,
    };
    match made {
        Ok(body) if as_csv => as_file(&format!("shift-{}.{}.csv", to.as_second(), lang.key()), body),
        Ok(body) => {
            let policy = policy_for(&String::from_utf8_lossy(&body));
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, policy)], body).into_response()
        }
        Err(why) => unreadable(&why),
    }
}
