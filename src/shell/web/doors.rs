//! Signing in and out: forms that need no script, and the same as JSON for programs and the page.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{From, Known, agent, caller, unknown};
use super::markup::{Field, Markup};
use super::{App, control, failure, problem};
use crate::shell::people::{Caller, Entered, Need, SignInError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    name: String,
    password: String,
    /// Takes control of what is free at once: the password has just been typed.
    #[serde(default)]
    control: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entering {
    code: String,
    /// A new password, where the code gives one.
    #[serde(default)]
    new: String,
    #[serde(default)]
    again: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct First {
    code: String,
    name: String,
    password: String,
}

#[derive(Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    code: String,
}

type Sent<T> = Result<Form<T>, FormRejection>;

/// `GET /login`; before there is a user, the form that makes the first one.
pub(super) async fn login_page(State(app): State<Arc<App>>) -> Response {
    if app.web.people.is_first() {
        return to("/first-run", None);
    }
    login_form(&app, StatusCode::OK, "", None)
}

/// What somebody sees who has not signed in.
pub(super) fn stranger(app: &App, path: &str) -> Response {
    match path {
        "/" | "/status" | "/account" => {
            let first = app.web.people.is_first();
            if first {
                first_form(app, StatusCode::UNAUTHORIZED, "", None)
            } else {
                login_form(app, StatusCode::UNAUTHORIZED, "", None)
            }
        }
        _ => unknown(),
    }
}

/// `POST /login`.
pub(super) async fn login(
    State(app): State<Arc<App>>,
    From(address): From,
    headers: HeaderMap,
    form: Sent<Credentials>,
) -> Response {
    let Credentials { name, password, control } = match form {
        Ok(Form(sent)) => sent,
        Err(error) => return failure(error.status(), "fill the form of /login in"),
    };
    match app.web.people.sign_in(&name, &password, (&address, agent(&headers))).await {
        Ok(entered) => {
            if control.is_some() {
                app.web.people.take_free(&entered.person, &address);
            }
            in_with(&app, &headers, &entered, &address, "/")
        }
        Err(error) => {
            let page = login_form(&app, status_of(&error), &name, Some(&error));
            with_wait(page, &error)
        }
    }
}

/// `GET /enter`: a one-time code opens nothing by being looked at, only by the button.
pub(super) async fn enter_page(
    State(app): State<Arc<App>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = asked.map_or_else(|_| Asked::default(), |Query(asked)| asked);
    enter_form(&app, StatusCode::OK, &asked.code, None)
}

/// `POST /enter`.
pub(super) async fn enter(
    State(app): State<Arc<App>>,
    From(address): From,
    headers: HeaderMap,
    form: Sent<Entering>,
) -> Response {
    let Ok(Form(Entering { code, new, again })) = form else {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, "fill the form of /enter in");
    };
    if new != again {
        let unlike = SignInError::Unfit("the two new passwords differ".to_owned());
        return enter_form(&app, status_of(&unlike), &code, Some(&unlike));
    }
    let new = Some(new.as_str()).filter(|new| !new.is_empty());
    match app.web.people.by_link(&code, new, (&address, agent(&headers))).await {
        Ok(entered) => in_with(&app, &headers, &entered, &address, "/"),
        // A password that will not do leaves the code as it is.
        Err(error @ SignInError::Unfit(_)) => enter_form(&app, status_of(&error), &code, Some(&error)),
        Err(error) => with_wait(enter_form(&app, status_of(&error), "", Some(&error)), &error),
    }
}

/// `GET /first-run`: there only before there is a user.
pub(super) async fn first_page(State(app): State<Arc<App>>) -> Response {
    if app.web.people.is_first() { first_form(&app, StatusCode::OK, "", None) } else { to("/login", None) }
}

/// `POST /first-run`.
pub(super) async fn first(
    State(app): State<Arc<App>>,
    From(address): From,
    headers: HeaderMap,
    form: Sent<First>,
) -> Response {
    let Ok(Form(First { code, name, password })) = form else {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, "fill the form of /first-run in");
    };
    match app.web.people.first(&code, &name, &password, (&address, agent(&headers))).await {
        Ok(entered) => in_with(&app, &headers, &entered, &address, "/account"),
        Err(error) => with_wait(first_form(&app, status_of(&error), &name, Some(&error)), &error),
    }
}

/// `POST /logout`.
pub(super) async fn logout(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
) -> Response {
    app.web.people.end_session(&person, &person.session, &address);
    to("/login", Some(gone(&app)))
}

/// `GET /api/v1/session`: who asks, what that person may do, who has control.
pub(super) async fn session(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Response {
    let control = control::document(&app.web);
    let open_view = app.web.config.service.open_view;
    let body = match &caller {
        Caller::Person(person) => json!({
            "user": person.name, "role": person.role, "session": person.session, "gates": person.gates,
            "may": {
                "operate": caller.may(Need::Operate, false), "lead": caller.may(Need::Lead, false),
                "diagnose": caller.may(Need::Diagnose, false), "schedule": caller.may(Need::Schedule, false),
                "administer": caller.may(Need::Administer, false),
            },
            "open_view": open_view, "control": control,
        }),
        Caller::Nobody | Caller::Token { .. } => json!({
            "user": Value::Null, "role": Value::Null, "may": { "operate": false, "lead": false, "diagnose": false, "schedule": false, "administer": false },
            "open_view": open_view, "control": control,
        }),
    };
    Json(body).into_response()
}

/// `POST /api/v1/session`: signs in.
pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    From(address): From,
    headers: HeaderMap,
    body: Result<Json<Credentials>, JsonRejection>,
) -> Response {
    let Credentials { name, password, control } = match body {
        Ok(Json(body)) => body,
        Err(error) => return failure(error.status(), &error.body_text()),
    };
    match app.web.people.sign_in(&name, &password, (&address, agent(&headers))).await {
        Ok(entered) => {
            if control.is_some() {
                app.web.people.take_free(&entered.person, &address);
            }
            end_old(&app, &headers, &address);
            let body = json!({ "user": entered.person.name, "role": entered.person.role });
            ([(SET_COOKIE, cookie(&app, &entered.cookie))], Json(body)).into_response()
        }
        Err(error) => refused(&error, false),
    }
}

/// `DELETE /api/v1/session`: signs out.
pub(super) async fn sign_out(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
) -> Response {
    app.web.people.end_session(&person, &person.session, &address);
    ([(SET_COOKIE, gone(&app))], Json(json!({ "user": Value::Null }))).into_response()
}

/// A refusal as JSON. Of somebody who is in already and typed the password again it is no question of signing in.
pub(super) fn refused(error: &SignInError, is_in: bool) -> Response {
    let status = match status_of(error) {
        StatusCode::UNAUTHORIZED if is_in => StatusCode::FORBIDDEN,
        status => status,
    };
    with_wait(failure(status, &error.to_string()), error)
}

fn status_of(error: &SignInError) -> StatusCode {
    match error {
        SignInError::Wrong | SignInError::Code => StatusCode::UNAUTHORIZED,
        SignInError::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
        SignInError::Busy | SignInError::Failed => StatusCode::SERVICE_UNAVAILABLE,
        SignInError::Unfit(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn with_wait(mut response: Response, error: &SignInError) -> Response {
    if let SignInError::Wait(left) = error {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(left.as_secs().max(1)));
    }
    response
}

/// A session ends when its browser signs in anew.
fn end_old(app: &App, headers: &HeaderMap, address: &str) {
    if let Caller::Person(before) = caller(app, headers) {
        app.web.people.end_session(&before, &before.session, address);
    }
}

fn in_with(
    app: &App,
    headers: &HeaderMap,
    entered: &Entered,
    address: &str,
    place: &'static str,
) -> Response {
    end_old(app, headers, address);
    to(place, Some(cookie(app, &entered.cookie)))
}

fn cookie(app: &App, value: &str) -> String {
    let seconds = app.web.config.service.session_limits().most.as_secs();
    format!("{}; Max-Age={seconds}", cut_cookie(app, value))
}

fn gone(app: &App) -> String {
    format!("{}; Max-Age=0", cut_cookie(app, ""))
}

fn cut_cookie(app: &App, value: &str) -> String {
    let (name, secure) = (app.web.people.cookie_name(app.tls), if app.tls { "; Secure" } else { "" });
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

/// Off to another page of ours.
pub(super) fn to(place: &'static str, cookie: Option<String>) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response();
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// A refusal in both languages.
pub(super) fn words(error: &SignInError) -> (String, String) {
    let zh = match error {
        SignInError::Wrong => "用户名或密码错误".to_owned(),
        SignInError::Code => "代码错误、已用过或已过期".to_owned(),
        SignInError::Wait(left) => format!("该地址失败次数过多，请 {} 秒后再试", left.as_secs().max(1)),
        SignInError::Busy => "登录人数过多，请稍后再试".to_owned(),
        SignInError::Unfit(why) => {
            problem::known(why).map_or_else(|| "用户名或密码不合要求".to_owned(), |known| known.zh)
        }
        SignInError::Failed => "暂时无法登录，原因见系统日志".to_owned(),
    };
    (zh, error.to_string())
}

fn frame(app: &App, error: Option<&SignInError>, (zh, en): (&str, &str), form: &Markup) -> Markup {
    let basin = &app.web.config.basin.name;
    let mut page =
        Markup::default().raw("<main class=\"door\"><h1>").text(&basin.zh).raw("<small lang=\"en\">");
    page = page.text(&basin.en).raw("</small></h1>");
    if app.web.config.service.bench {
        page = page
            .raw("<p class=\"banner\">")
            .both("仿真台架，非现场", "BENCH: the field is simulated")
            .raw("</p>");
    }
    page = page.raw("<h2>").both(zh, en).raw("</h2>");
    if let Some(error) = error {
        let (zh, en) = words(error);
        page = page
            .raw("<p class=\"refused\" role=\"alert\" data-testid=\"refused\">")
            .both(&zh, &en)
            .raw("</p>");
    }
    page.piece(form).raw("</main>")
}

fn login_form(app: &App, status: StatusCode, name: &str, error: Option<&SignInError>) -> Response {
    let user = Field { name: "name", kind: "text", auto: "username", value: name, first: name.is_empty() };
    let password = Field {
        name: "password",
        kind: "password",
        auto: "current-password",
        value: "",
        first: !name.is_empty(),
    };
    let form = Markup::default()
        .raw("<form method=\"post\" action=\"/login\">")
        .field(("用户名", "User"), &user)
        .field(("密码", "Password"), &password)
        .raw("<label class=\"check\"><input type=\"checkbox\" name=\"control\" value=\"yes\" data-testid=\"with-control\">")
        .both("同时接管操作权（值班员）", "take control as well (operators)")
        .raw("</label><button data-testid=\"sign-in\">")
        .both("登录", "Sign in")
        .raw("</button></form><p class=\"quiet\">")
        .both(
            "仅限授权人员；登录、拒绝与操作均记入日志。现场紧急情况请用就地盘。",
            "For authorised people; sign-ins, refusals and acts are recorded. In an emergency on site use the local panel.",
        )
        .raw("</p>");
    frame(app, error, ("登录", "Sign in"), &form).page(status, &app.web.config.basin.name.zh)
}

fn enter_form(app: &App, status: StatusCode, code: &str, error: Option<&SignInError>) -> Response {
    let field = Field { name: "code", kind: "text", auto: "off", value: code, first: code.is_empty() };
    let password = |name| Field { name, kind: "password", auto: "new-password", value: "", first: false };
    let mut form = Markup::default()
        .raw("<form method=\"post\" action=\"/enter\">")
        .field(("一次性代码", "One-time code"), &field);
    // Only a code that gives a new password is told so.
    if matches!(error, Some(SignInError::Unfit(_))) {
        form = form
            .field(("新密码（至少 8 个字符）", "New password, 8 characters or more"), &password("new"))
            .field(("再输一次", "Once more"), &password("again"));
    }
    let form = form.raw("<button data-testid=\"enter\">").both("进入", "Enter").raw("</button></form>");
    frame(app, error, ("一次性登录", "Enter once"), &form).page(status, &app.web.config.basin.name.zh)
}

fn first_form(app: &App, status: StatusCode, name: &str, error: Option<&SignInError>) -> Response {
    let code = Field { name: "code", kind: "text", auto: "off", value: "", first: true };
    let user = Field { name: "name", kind: "text", auto: "username", value: name, first: false };
    let password =
        Field { name: "password", kind: "password", auto: "new-password", value: "", first: false };
    let form = Markup::default()
        .raw("<p>")
        .both(
            "尚无用户。首次运行代码由 qindan init 打印；由此建立的第一个用户是管理员。",
            "There is no user yet. `qindan init` has printed the first-run code; the first user made with it is an administrator.",
        )
        .raw("</p><form method=\"post\" action=\"/first-run\">")
        .field(("首次运行代码", "First-run code"), &code)
        .field(("用户名", "User"), &user)
        .field(("密码（至少 8 个字符）", "Password, 8 characters or more"), &password)
        .raw("<button data-testid=\"make-first\">")
        .both("建立", "Make")
        .raw("</button></form>");
    frame(app, error, ("首次运行", "First run"), &form).page(status, &app.web.config.basin.name.zh)
}
