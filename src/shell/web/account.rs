//! `/account`: one's own sessions and password, by forms without a script; an administrator sees everybody's sessions.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::auth::{From, Known};
use super::markup::{Field, Markup};
use super::{App, doors, failure};
use crate::shell::people::{Person, Role, Session};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    session: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    old: String,
    new: String,
    again: String,
}

type Sent<T> = Result<Form<T>, FormRejection>;

/// `GET /account`.
pub(super) async fn page(State(app): State<Arc<App>>, Known(person): Known) -> Response {
    show(&app, &person, StatusCode::OK, None)
}

/// `POST /account/end`.
pub(super) async fn end(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    form: Sent<End>,
) -> Response {
    let Ok(Form(End { session })) = form else {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, "name a session of the list at /account");
    };
    if !app.web.people.end_session(&person, &session, &address) {
        return failure(StatusCode::NOT_FOUND, "no such session of yours; the list is at /account");
    }
    doors::to(if session == person.session { "/login" } else { "/account" }, None)
}

/// `POST /account/password`: all sessions of the person end with it.
pub(super) async fn password(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    form: Sent<NewPassword>,
) -> Response {
    let Ok(Form(NewPassword { old, new, again })) = form else {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, "fill the form of /account in");
    };
    if new != again {
        let unlike = ("两次输入不一致".to_owned(), "the two new passwords differ".to_owned());
        return show(&app, &person, StatusCode::UNPROCESSABLE_ENTITY, Some(&unlike));
    }
    match app.web.people.change_password(&person, &old, &new, &address).await {
        Ok(()) => doors::to("/login", None),
        Err(error) => show(&app, &person, StatusCode::UNPROCESSABLE_ENTITY, Some(&doors::words(&error))),
    }
}

fn show(app: &App, person: &Person, status: StatusCode, refused: Option<&(String, String)>) -> Response {
    let zone = &app.web.config.basin.zone;
    let time = |at: jiff::Timestamp| zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string();
    let mut page = Markup::default()
        .raw("<main class=\"door wide\"><p><a href=\"/\">")
        .both("返回总览", "Back to the page");
    page = page
        .raw("</a></p><h1>")
        .text(&person.name)
        .raw("<small>")
        .text(person.role.name())
        .raw("</small></h1>");
    if person.role == Role::Administrator {
        page = page
            .raw("<p><a href=\"/users\" data-testid=\"users\">")
            .both("用户与令牌", "Users and tokens")
            .raw("</a></p>");
    }
    if let Some((zh, en)) = refused {
        page =
            page.raw("<p class=\"refused\" role=\"alert\" data-testid=\"refused\">").both(zh, en).raw("</p>");
    }
    let (zh, en) = match person.role {
        Role::Administrator => ("所有会话", "Sessions of all"),
        Role::Viewer
        | Role::Inspector
        | Role::Operator
        | Role::ShiftLeader
        | Role::Scheduler
        | Role::Engineer => ("我的会话", "My sessions"),
    };
    page = page
        .raw("<h2>")
        .both(zh, en)
        .raw("</h2><table data-testid=\"sessions\"><thead><tr><th>")
        .both("用户", "user");
    page = page
        .raw("</th><th>")
        .both("开始", "since")
        .raw("</th><th>")
        .both("最近", "last used")
        .raw("</th><th>");
    page = page
        .both("地址", "from")
        .raw("</th><th>")
        .both("浏览器", "browser")
        .raw("</th><th></th></tr></thead><tbody>");
    for Session { id, user, made, seen, address, agent } in app.web.people.sessions(person) {
        page = page
            .raw("<tr><td>")
            .text(&user)
            .raw("</td><td>")
            .text(&time(made))
            .raw("</td><td>")
            .text(&time(seen));
        page = page.raw("</td><td>").text(&address).raw("</td><td>").text(&agent).raw("</td><td>");
        page = page.raw(
            "<form method=\"post\" action=\"/account/end\"><input type=\"hidden\" name=\"session\" value=\"",
        );
        page = page.text(&id).raw("\"><button>");
        page =
            if id == person.session { page.both("登出", "Sign out") } else { page.both("结束", "End") };
        page = page.raw("</button></form></td></tr>");
    }
    let field = |name, auto| Field { name, kind: "password", auto, value: "", first: false };
    let page = page
        .raw("</tbody></table><h2>")
        .both("更改密码", "Change the password")
        .raw("</h2><form method=\"post\" action=\"/account/password\">")
        .field(("现密码", "Present one"), &field("old", "current-password"))
        .field(("新密码（至少 8 个字符）", "New one, 8 characters or more"), &field("new", "new-password"))
        .field(("再输一次", "Once more"), &field("again", "new-password"))
        .raw("<button data-testid=\"change-password\">")
        .both("更改；所有会话将结束", "Change; all your sessions end")
        .raw("</button></form></main>");
    page.page(status, &person.name)
}
