//! `POST /api/v1/control/…`: who has control of which river.
//!
//! Taking it and asking for it need the password again; handing over and giving back do not.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{From, Known};
use super::{App, WebState, doors, failure, problem};
use crate::shell::people::{LeaseRefusal, Person, Role};

/// Longest reason, characters.
const REASON_MOST: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WithPassword {
    rivers: Vec<String>,
    password: String,
    /// A shift leader takes control from another, and says why.
    #[serde(default)]
    force: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rivers {
    rivers: Vec<String>,
}

type Body<T> = Result<Json<T>, JsonRejection>;

/// Every river with who has control, for the state and the answers.
pub(super) fn document(web: &WebState) -> Value {
    let now = web.time.now();
    let rows = web.people.leases().into_iter().map(|(river, lease)| {
        let name = web.config.basin.rivers.iter().find(|(id, _)| *id == river).map(|(_, name)| name);
        let name = name.map(|name| json!({ "zh": name.zh, "en": name.en }));
        let lease = lease.map(|lease| {
            let left = lease.until.saturating_sub(now.mono);
            // To ten seconds: the same number until somebody acts.
            let until = (now.utc.as_second() + i64::try_from(left.as_secs()).unwrap_or_default()) / 10 * 10;
            let asked = lease.asked_by(now.mono);
            json!({
                "by": lease.holder.user, "session": lease.holder.session, "until_s": until,
                "asked_by": asked.map(|who| &who.user), "asked_session": asked.map(|who| &who.session),
            })
        });
        json!({ "river": river, "name": name, "held": lease })
    });
    Value::Array(rows.collect())
}

pub(super) async fn take(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Body<WithPassword>,
) -> Response {
    let body = match body {
        Ok(Json(body)) => body,
        Err(error) => return failure(error.status(), &error.body_text()),
    };
    let reason = body.force.as_deref().map(str::trim);
    if reason.is_some() && person.role != Role::ShiftLeader {
        return failure(StatusCode::FORBIDDEN, "force: a shift leader takes control from another");
    }
    if reason.is_some_and(|why| why.is_empty() || why.chars().count() > REASON_MOST) {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, "force: give the reason, 1 to 200 characters");
    }
    if let Err(error) = app.web.people.confirm(&person, &body.password, &address).await {
        return doors::refused(&error, true);
    }
    done(&app, app.web.people.take(&person, &body.rivers, reason, &address))
}

pub(super) async fn ask(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Body<WithPassword>,
) -> Response {
    let body = match body {
        Ok(Json(body)) => body,
        Err(error) => return failure(error.status(), &error.body_text()),
    };
    if let Err(error) = app.web.people.confirm(&person, &body.password, &address).await {
        return doors::refused(&error, true);
    }
    done(&app, app.web.people.ask(&person, &body.rivers, &address))
}

pub(super) async fn hand_over(
    State(app): State<Arc<App>>,
    Known(person): Known,
    body: Body<Rivers>,
) -> Response {
    match body {
        Ok(Json(body)) => done(&app, app.web.people.hand_over(&person, &body.rivers)),
        Err(error) => failure(error.status(), &error.body_text()),
    }
}

pub(super) async fn release(
    State(app): State<Arc<App>>,
    Known(person): Known,
    body: Body<Rivers>,
) -> Response {
    match body {
        Ok(Json(body)) => done(&app, app.web.people.release(&person, &body.rivers)),
        Err(error) => failure(error.status(), &error.body_text()),
    }
}

fn done(app: &App, what: Result<(), LeaseRefusal>) -> Response {
    match what {
        Ok(()) => Json(json!({ "control": document(&app.web) })).into_response(),
        Err(why) => refused(app, &why),
    }
}

/// Why an act has to wait for control, and who has it.
pub(super) fn refused(app: &App, why: &LeaseRefusal) -> Response {
    let status = match why {
        LeaseRefusal::Held { .. } | LeaseRefusal::NotYours { .. } => StatusCode::LOCKED,
        LeaseRefusal::NobodyAsks { .. } => StatusCode::CONFLICT,
        LeaseRefusal::NoRiver { .. } => StatusCode::NOT_FOUND,
    };
    let more = json!({ "control": document(&app.web) });
    problem::response(status, problem::document(status, &why.to_string(), &more))
}

/// The rivers of these a person has no control of.
pub(super) fn missing(app: &App, person: &Person, rivers: &[String]) -> Vec<String> {
    let has = |river: &&String| app.web.people.has_control(person, std::slice::from_ref(*river)).is_err();
    rivers.iter().filter(has).cloned().collect()
}
