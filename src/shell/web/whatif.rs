//! `GET /api/v1/gates/{id}/what-if`: what another opening would do. Nothing is kept, nothing is sent; whoever may look may ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::{App, failure};
use crate::control::operator::Order;
use crate::units::Opening;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Opening, % of the stroke.
    opening_pct: f64,
}

pub(super) async fn answer(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let Ok(Query(Wanted { opening_pct })) = wanted else {
        return failure(StatusCode::BAD_REQUEST, "opening_pct: give a number from 0 to 100");
    };
    let Some(opening) = Opening::from_fraction(opening_pct / 100.0) else {
        let why = format!("opening_pct = {opening_pct}: must be from 0 to 100");
        return failure(StatusCode::UNPROCESSABLE_ENTITY, &why);
    };
    let Some(gate) = app.web.config.basin.gate(&id) else {
        return failure(StatusCode::NOT_FOUND, "no gate of this name; /api/v1/basin lists them");
    };
    let status = app.web.status.borrow().clone();
    let order = Order::SetPoint { gate, opening, reason: String::new() };
    let preview = (app.web.preview)(&app.web.config, &status, &order);
    Json(json!({ "tick": status.tick, "preview": preview })).into_response()
}
