//! `/api/v1/users`: an administrator sees and changes users and tokens. Each change takes the own password; a code or token is in the
//! answer once and nowhere else.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{From, Known};
use super::{App, doors, failure};
use crate::shell::people::{Change, Listed, Person, Role, Scope, Shown, SignInError, name};

/// Longest life of a token, days: ten years.
const DAYS_MOST: u16 = 3660;

/// What is asked; `password` is the own one, typed again.
#[derive(Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Asked {
    Add {
        password: String,
        name: String,
        role: Role,
        #[serde(default)]
        gates: Option<BTreeSet<String>>,
    },
    Role {
        password: String,
        name: String,
        role: Role,
        #[serde(default)]
        gates: Option<BTreeSet<String>>,
    },
    Enable {
        password: String,
        name: String,
    },
    Disable {
        password: String,
        name: String,
    },
    Reset {
        password: String,
        name: String,
    },
    AddToken {
        password: String,
        name: String,
        scopes: BTreeSet<Scope>,
        #[serde(default)]
        days: Option<u16>,
    },
    RevokeToken {
        password: String,
        name: String,
    },
    EndSession {
        password: String,
        session: String,
    },
}

/// `GET`: users with their sessions, and tokens.
pub(super) async fn list(State(app): State<Arc<App>>) -> Response {
    Json(document(&app)).into_response()
}

/// `POST`: one change.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    body: Result<Json<Asked>, JsonRejection>,
) -> Response {
    let asked = match body {
        Ok(Json(asked)) => asked,
        Err(error) => return failure(error.status(), &error.body_text()),
    };
    let secret = match carry_out(&app, &person, asked, &address).await {
        Ok(secret) => secret,
        Err(Refused::Door(error)) => return doors::refused(&error, true),
        Err(Refused::Unfit(status, why)) => return failure(status, &why),
    };
    let body = Json(json!({ "secret": secret, "people": document(&app) }));
    ([(CACHE_CONTROL, "no-store")], body).into_response()
}

/// Why a change was not made.
pub(super) enum Refused {
    /// The own password, or the change itself.
    Door(SignInError),
    /// What was asked makes no sense here.
    Unfit(StatusCode, String),
}

/// Makes one change after the own password; a secret that is shown once, where there is one.
pub(super) async fn carry_out(
    app: &App,
    person: &Person,
    asked: Asked,
    address: &str,
) -> Result<Option<String>, Refused> {
    let unfit = |why| Refused::Unfit(StatusCode::UNPROCESSABLE_ENTITY, why);
    let (password, asked) = parted(app, asked).map_err(unfit)?;
    app.web.people.confirm(person, &password, address).await.map_err(Refused::Door)?;
    match asked {
        Wanted::Change(change) => {
            app.web.people.administer(person, change, address).await.map_err(Refused::Door)
        }
        Wanted::End(session) => {
            if app.web.people.end_session(person, &session, address) {
                return Ok(None);
            }
            let why = "session: there is none of this name any more".to_owned();
            Err(Refused::Unfit(StatusCode::NOT_FOUND, why))
        }
    }
}

enum Wanted {
    Change(Change),
    End(String),
}

/// The password, and what is asked, checked against the configuration.
fn parted(app: &App, asked: Asked) -> Result<(String, Wanted), String> {
    let named = |given: &str| name(given).map_err(|error| error.to_string());
    let known = |gates: Option<BTreeSet<String>>| {
        let unknown = gates.iter().flatten().find(|id| app.web.config.basin.gate(id).is_none()).cloned();
        unknown.map_or(Ok(gates), |id| Err(format!("gates: {id}: no such gate")))
    };
    Ok(match asked {
        Asked::Add { password, name, role, gates } => {
            (password, Wanted::Change(Change::Add { name: named(&name)?, role, gates: known(gates)? }))
        }
        Asked::Role { password, name, role, gates } => {
            (password, Wanted::Change(Change::Role { name: named(&name)?, role, gates: known(gates)? }))
        }
        Asked::Enable { password, name } => {
            (password, Wanted::Change(Change::Enable { name: named(&name)?, on: true }))
        }
        Asked::Disable { password, name } => {
            (password, Wanted::Change(Change::Enable { name: named(&name)?, on: false }))
        }
        Asked::Reset { password, name } => (password, Wanted::Change(Change::Reset { name: named(&name)? })),
        Asked::AddToken { password, name, scopes, days } => {
            if scopes.is_empty() {
                return Err("scopes: say what the token is for".to_owned());
            }
            if days.is_some_and(|days| !(1..=DAYS_MOST).contains(&days)) {
                return Err(format!("days: must be 1 to {DAYS_MOST}, or left out"));
            }
            (password, Wanted::Change(Change::AddToken { name: named(&name)?, scopes, days }))
        }
        Asked::RevokeToken { password, name } => {
            (password, Wanted::Change(Change::RevokeToken { name: named(&name)? }))
        }
        Asked::EndSession { password, session } => (password, Wanted::End(session)),
    })
}

fn document(app: &App) -> Value {
    let basin = &app.web.config.basin;
    let Listed { users, tokens } = app.web.people.listed();
    let user = |user: Shown| {
        let ids = user.gates.iter().flatten();
        let rivers: BTreeSet<_> = ids.filter_map(|id| basin.river_of(basin.gate(id)?)).collect();
        let sessions = user.sessions.iter().map(|session| {
            json!({
                "id": session.id, "since_s": session.made.as_second(), "seen_s": session.seen.as_second(),
                "address": session.address, "agent": session.agent,
            })
        });
        json!({
            "name": user.name, "role": user.role, "enabled": user.enabled, "gates": user.gates,
            "rivers": user.gates.is_some().then_some(rivers), "password_set_s": user.password_set.as_second(),
            "came_s": user.came.map(jiff::Timestamp::as_second), "sessions": sessions.collect::<Vec<_>>(),
        })
    };
    let token = |(name, scopes, made, until): (
        String,
        BTreeSet<Scope>,
        jiff::Timestamp,
        Option<jiff::Timestamp>,
    )| {
        json!({ "name": name, "scopes": scopes, "made_s": made.as_second(), "until_s": until.map(jiff::Timestamp::as_second) })
    };
    json!({
        "users": users.into_iter().map(user).collect::<Vec<_>>(),
        "tokens": tokens.into_iter().map(token).collect::<Vec<_>>(),
    })
}
