//! `/shift`: the notes of the last days, a form for another, and the hand-over report; no script.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form};
use jiff::SignedDuration;
use serde::Deserialize;

use super::auth::{From, Known};
use super::markup::Markup;
use super::{App, doors, failure, problem, shift};
use crate::control::record::Kind;
use crate::report::words::element;
use crate::shell::archive::Wanted;
use crate::shell::people::{Caller, Need};

/// Hours of notes shown: three shifts and a bit, so that a day off is read over.
const HOURS: i64 = 48;
/// Notes shown.
const ROWS: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sent {
    text: String,
    /// `gate:ID`, `section:ID`, or nothing.
    #[serde(default)]
    about: String,
}

/// `GET /shift`.
pub(super) async fn page(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Response {
    show(&app, &caller, StatusCode::OK, None).await
}

/// `POST /shift`: a note.
pub(super) async fn note(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    form: Result<Form<Sent>, FormRejection>,
) -> Response {
    let Ok(Form(Sent { text, about })) = form else {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, "fill the form of /shift in");
    };
    let about = match about.split_once(':') {
        Some(("gate", id)) => (Some(id.to_owned()), None),
        Some(("section", id)) => (None, Some(id.to_owned())),
        Some(_) | None => (None, None),
    };
    match shift::keep(&app, &person, &text, about, &address) {
        Ok(()) => doors::to("/shift", None),
        Err(why) => show(&app, &Caller::Person(person), StatusCode::UNPROCESSABLE_ENTITY, Some(&why)).await,
    }
}

async fn show(app: &App, caller: &Caller, status: StatusCode, refused: Option<&str>) -> Response {
    let basin = &app.web.config.basin;
    let mut page = Markup::default()
        .raw("<main class=\"door wide\"><p><a href=\"/\">")
        .both("返回总览", "Back to the page")
        .raw("</a></p><h1>")
        .both("值班", "Shift")
        .raw("</h1>");
    if let Some(why) = refused {
        page = page
            .raw("<p class=\"refused\" role=\"alert\" data-testid=\"refused\">")
            .piece(&problem::markup(why))
            .raw("</p>");
    }
    page = page.raw("<p>").both("交接班记录，过去 12 小时：", "Hand-over report of the last 12 h:");
    page = page.raw(" <a href=\"/api/v1/shift?lang=zh\" data-testid=\"handover\">中文</a> <a href=\"/api/v1/shift?lang=en\">English</a> \
                     <a href=\"/api/v1/shift?lang=zh&amp;form=csv\">CSV</a></p><h2>");
    page = page.both("值班记事", "Notes").raw("</h2><table data-testid=\"notes\"><tbody>");
    let now = app.web.status.borrow().utc;
    let since = now.saturating_sub(SignedDuration::from_hours(HOURS)).unwrap_or(now);
    let until = now.saturating_add(SignedDuration::from_hours(1)).unwrap_or(now);
    let wanted =
        Wanted { rows: ROWS, kinds: vec![Kind::Note], utc: Some((since, until)), ..Wanted::default() };
    let found = match &app.web.archive {
        Some(archive) => archive.records(wanted).await.map_or_else(|_| Vec::new(), |page| page.rows),
        None => Vec::new(),
    };
    if found.is_empty() {
        page =
            page.raw("<tr><td>").both("过去 48 小时没有记事", "no note in the last 48 h").raw("</td></tr>");
    }
    for row in found {
        let time = basin.zone.to_datetime(row.utc).strftime("%m-%d %H:%M").to_string();
        let who = row.actor.split_once(':').map_or(row.actor.as_str(), |(_, who)| who);
        page = page.raw("<tr><td>").text(&time).raw("</td><td>").text(who).raw("</td><td>");
        if let Some(id) = row.gate.as_deref().or_else(|| row.detail["section"].as_str()) {
            let name = element(basin, id);
            page = page.both(&name.zh, &name.en);
        }
        let text = row.detail["text"].as_str().unwrap_or_default();
        page = page.raw("</td><td>").text(text).raw("</td></tr>");
    }
    page = page.raw("</tbody></table>");
    if caller.may(Need::Operate, false) {
        page = page
            .raw("<form method=\"post\" action=\"/shift\"><label>")
            .both("新记事（记入日志）", "A note, kept in the record");
        page = page.raw("<textarea name=\"text\" rows=\"4\" maxlength=\"2000\" required data-testid=\"note-text\"></textarea></label><label>");
        page = page
            .both("对象", "About")
            .raw("<select name=\"about\" data-testid=\"note-about\"><option value=\"\">–</option>");
        for section in &basin.sections {
            page = page.raw("<option value=\"section:").text(&section.id).raw("\">");
            page = page.text(&section.name.zh).raw(" ").text(&section.name.en).raw("</option>");
        }
        for gate in &basin.gates {
            page = page.raw("<option value=\"gate:").text(&gate.id).raw("\">");
            page = page.text(&gate.name.zh).raw(" ").text(&gate.name.en).raw("</option>");
        }
        page = page.raw("</select></label><button data-testid=\"note-keep\">").both("记入", "Keep");
        page = page.raw("</button></form>");
    }
    page.raw("</main>").page(status, &basin.name.zh)
}
