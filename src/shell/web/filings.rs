//! `/api/v1/filings`: outages and exemptions that were filed 报备, with their proof, and what another person says of them. A filing
//! counts in the reports once it is approved; it is answered when the record has it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::acts::{self, Answer};
use super::auth::{From, Known};
use super::screens::{archive, unreadable};
use super::{App, doors, problem};
use crate::control::record::{Entry, Kind};
use crate::shell::filings::{Claim, Judged, TEXT_MOST, Told, Verdict};
use crate::shell::people::Person;

/// How long the record may take to have it, real time.
const PATIENCE: Duration = Duration::from_secs(5);
/// How far back its record is looked for.
const BACK: SignedDuration = SignedDuration::from_secs(60);

/// Status and words of a refusal.
pub(super) type Refused = (StatusCode, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entering {
    request: String,
    filing: Claim,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Judging {
    request: String,
    filing: u64,
    verdict: Verdict,
    #[serde(default)]
    note: String,
    /// The own password.
    password: String,
}

/// `GET /api/v1/filings`.
pub(super) async fn list(State(app): State<Arc<App>>) -> Response {
    match archive(&app) {
        Ok(archive) => match archive.filings().await {
            Ok(filings) => Json(json!({ "filings": filings })).into_response(),
            Err(why) => unreadable(&why),
        },
        Err(response) => *response,
    }
}

/// `POST /api/v1/filings`.
pub(super) async fn enter(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Result<Json<Entering>, JsonRejection>,
) -> Response {
    let Entering { request, filing } = match body {
        Ok(Json(asked)) => asked,
        Err(error) => return acts::malformed(&error),
    };
    let act = async { answer(entered(&app, (&person, &address), &request, filing).await) };
    acts::once(&app, &request, act).await
}

/// `POST /api/v1/filings/verdict`.
pub(super) async fn judge(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Result<Json<Judging>, JsonRejection>,
) -> Response {
    let Judging { request, filing, verdict, note, password } = match body {
        Ok(Json(asked)) => asked,
        Err(error) => return acts::malformed(&error),
    };
    if let Err(error) = app.web.people.confirm(&person, &password, &address).await {
        return doors::refused(&error, true);
    }
    let act = async { answer(judged(&app, (&person, &address), &request, (filing, verdict, &note)).await) };
    acts::once(&app, &request, act).await
}

fn answer(kept: Result<u64, Refused>) -> Answer {
    match kept {
        Ok(filing) => Answer::new(StatusCode::OK, json!({ "filing": filing })),
        Err((status, why)) => Answer::refused(status, &why),
    }
}

/// Enters a filing; its number.
pub(super) async fn entered(
    app: &App,
    who: (&Person, &str),
    request: &str,
    claim: Claim,
) -> Result<u64, Refused> {
    let claim = claim.checked(&app.web.config.basin);
    let claim = claim.map_err(|why| (StatusCode::UNPROCESSABLE_ENTITY, why))?;
    keep(app, who, request, &Told::Entered { claim }).await
}

/// Approves or rejects a filing of another person, whose password has been asked; its number.
pub(super) async fn judged(
    app: &App,
    who: (&Person, &str),
    request: &str,
    (filing, verdict, note): (u64, Verdict, &str),
) -> Result<u64, Refused> {
    let unfit = |why: String| (StatusCode::UNPROCESSABLE_ENTITY, why);
    let note: String = note.trim().chars().filter(|c| !c.is_control()).collect();
    if note.chars().count() > TEXT_MOST || (verdict == Verdict::Rejected && note.is_empty()) {
        return Err(unfit(format!("note: must have 1 to {TEXT_MOST} characters; an approval may have none")));
    }
    // Of two who judge at once the second sees what the first said.
    let _turn = app.filings.lock().await;
    let archive = app.web.archive.as_ref().ok_or_else(nowhere)?;
    let filings = archive.filings().await.map_err(|why| unread(&why))?;
    let found = filings.into_iter().find(|filed| filed.number == filing);
    let mut found = found.ok_or_else(|| {
        let why = format!("filing {filing}: there is none of this number; /api/v1/filings lists them");
        (StatusCode::NOT_FOUND, why)
    })?;
    let (by, at) = (who.0.name.clone(), app.web.status.borrow().utc);
    let said = found.judge(verdict, Judged { by, at, note: note.clone() });
    said.map_err(|why| (StatusCode::CONFLICT, why))?;
    keep(app, who, request, &Told::Judged { filing, verdict, note }).await?;
    Ok(filing)
}

fn unread(why: &str) -> Refused {
    (StatusCode::SERVICE_UNAVAILABLE, problem::outward(problem::UNREADABLE, why).to_owned())
}

fn nowhere() -> Refused {
    (StatusCode::SERVICE_UNAVAILABLE, "no data folder is open here".to_owned())
}

/// Hands a record in and waits until the view has it, so until the disk has it; its number.
async fn keep(
    app: &App,
    (person, address): (&Person, &str),
    request: &str,
    told: &Told,
) -> Result<u64, Refused> {
    let archive = app.web.archive.as_ref().ok_or_else(nowhere)?;
    let mut status = app.web.status.clone();
    let now = status.borrow_and_update().utc;
    let since = now.saturating_sub(BACK).unwrap_or(now);
    let mut detail = serde_json::to_value(told).unwrap_or_default();
    for (key, text) in [("request", request), ("role", person.role.name()), ("address", address)] {
        detail[key] = Value::from(text);
    }
    let mut entry = Entry::new(Kind::Filing, format!("operator:{}", person.name));
    entry.detail = Some(detail);
    app.web.people.keep(entry);
    let seen = async {
        loop {
            if let Some(number) = archive.filing_of(request, since).await? {
                return Ok(number);
            }
            status.changed().await.map_err(|_| "the control cycle stopped".to_owned())?;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, seen).await.map_err(|_| {
        let why = "no word from the record within 5 s; it may still be taken, look at /filings";
        (StatusCode::GATEWAY_TIMEOUT, why.to_owned())
    })?;
    seen.map_err(|why: String| unread(&why))
}
