//! `/users`: what an administrator sees and changes of users and tokens, by forms without a script. Each form asks for the own
//! password; a code or token is on the page that answers it, once.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{From, Known};
use super::markup::{Field, Markup};
use super::users::{Asked, Refused, carry_out};
use super::{App, doors, failure, problem};
use crate::shell::people::{Listed, Person, Role, Scope, Shown};

/// A form of the page; which fields count is said by `change`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sent {
    change: String,
    password: String,
    name: String,
    #[serde(default)]
    role: Option<String>,
    /// Gates, separated by commas or blanks; none: all.
    #[serde(default)]
    gates: Option<String>,
    #[serde(default)]
    read: Option<String>,
    #[serde(default)]
    forecast: Option<String>,
    #[serde(default)]
    metrics: Option<String>,
    #[serde(default)]
    days: Option<String>,
}

impl Sent {
    /// The same as JSON would ask it, so that one place checks both.
    fn asked(self) -> Result<Asked, String> {
        let mut body = json!({ "change": self.change, "password": self.password, "name": self.name });
        match self.change.as_str() {
            "add" | "role" => {
                let gates = self.gates.unwrap_or_default();
                let ids = gates.split([',', '，', ' ']).map(str::trim).filter(|id| !id.is_empty());
                let ids: Vec<_> = ids.collect();
                body["role"] = json!(self.role);
                body["gates"] = if ids.is_empty() { Value::Null } else { json!(ids) };
            }
            "add_token" => {
                let boxes = [
                    (Scope::Read, self.read),
                    (Scope::Forecast, self.forecast),
                    (Scope::Metrics, self.metrics),
                ];
                let chosen = boxes.into_iter().filter(|(_, set)| set.is_some()).map(|(scope, _)| scope);
                body["scopes"] = json!(chosen.collect::<Vec<_>>());
                let days = self.days.filter(|days| !days.trim().is_empty());
                let days = days.map(|days| days.trim().parse::<u16>().map_err(|_| "days: no number"));
                body["days"] = json!(days.transpose()?);
            }
            _ => {}
        }
        serde_json::from_value(body).map_err(|error| error.to_string())
    }
}

/// `GET /users`.
pub(super) async fn page(State(app): State<Arc<App>>, Known(person): Known) -> Response {
    show(&app, &person, StatusCode::OK, &Said::Nothing)
}

/// `POST /users`.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    form: Result<Form<Sent>, FormRejection>,
) -> Response {
    let Ok(Form(sent)) = form else {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, "fill a form of /users in");
    };
    let is_token = sent.change == "add_token";
    let unfit = StatusCode::UNPROCESSABLE_ENTITY;
    let asked = match sent.asked() {
        Ok(asked) => asked,
        Err(why) => return show(&app, &person, unfit, &refused_in_both(why)),
    };
    match carry_out(&app, &person, asked, &address).await {
        Ok(None) => doors::to("/users", None),
        Ok(Some(secret)) => show(&app, &person, StatusCode::OK, &Said::Secret { secret, is_token }),
        Err(Refused::Door(error)) => {
            let (zh, en) = doors::words(&error);
            show(&app, &person, unfit, &Said::Refused(zh, en))
        }
        Err(Refused::Unfit(status, why)) => show(&app, &person, status, &refused_in_both(why)),
    }
}

/// A refusal whose Chinese stands in the table of problems.
fn refused_in_both(why: String) -> Said {
    let zh = problem::known(&why).map_or_else(|| why.clone(), |known| known.zh);
    Said::Refused(zh, why)
}

/// What stands at the head of the page.
enum Said {
    Nothing,
    Refused(String, String),
    Secret { secret: String, is_token: bool },
}

fn role_name(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Viewer => ("观察员", "viewer"),
        Role::Inspector => ("督查", "inspector"),
        Role::Operator => ("值班员", "operator"),
        Role::ShiftLeader => ("值班长", "shift leader"),
        Role::Scheduler => ("调度员", "scheduler"),
        Role::Engineer => ("工程师", "engineer"),
        Role::Administrator => ("管理员", "administrator"),
    }
}

fn show(app: &App, person: &Person, status: StatusCode, said: &Said) -> Response {
    let zone = &app.web.config.basin.zone;
    let time = |at: Timestamp| zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string();
    let mut page = Markup::default()
        .raw("<main class=\"door wide\"><p><a href=\"/\">")
        .both("返回总览", "Back to the page")
        .raw("</a> · <a href=\"/account\">")
        .both("所有会话", "Sessions of all")
        .raw("</a></p><h1>")
        .both("用户", "Users")
        .raw("</h1>");
    page = match said {
        Said::Nothing => page,
        Said::Refused(zh, en) => {
            page.raw("<p class=\"refused\" role=\"alert\" data-testid=\"refused\">").both(zh, en).raw("</p>")
        }
        Said::Secret { secret, is_token } => {
            let (zh, en) = if *is_token {
                ("请立即复制令牌，不再显示：", "Copy the token now, it is not shown again:")
            } else {
                (
                    "请以非公开方式交给本人，24 小时内在 /enter 凭此设置密码，不再显示：",
                    "Give it to the person by no open way, not shown again; it gives a password at /enter within 24 h:",
                )
            };
            page.raw("<p class=\"refused\" role=\"status\">")
                .both(zh, en)
                .raw("<br><code data-testid=\"secret\">")
                .text(secret)
                .raw("</code></p>")
        }
    };
    let Listed { users, tokens } = app.web.people.listed();
    page = page.raw("<table data-testid=\"users\"><thead><tr><th>");
    page = page.both("用户", "user").raw("</th><th>").both("角色", "role").raw("</th><th>");
    page = page.both("河流与闸门", "rivers and gates").raw("</th><th>").both("上次登录", "last sign-in");
    page = page.raw("</th><th>").both("会话", "sessions").raw("</th><th></th></tr></thead><tbody>");
    for user in users {
        page = row(app, page, person, &user, &time);
    }
    page = page.raw("</tbody></table><h2>").both("新增用户", "Add a user").raw("</h2>");
    page = begin(page, "add").field(("用户名", "Name"), &name_field()).raw("<label>");
    page = roles(page.both("角色", "Role"), None).raw("</label>");
    page = end(gates(page, ""), ("新增", "Add"), "add-user");
    page = page.raw("<h2>").both("令牌", "Tokens").raw("</h2><table data-testid=\"tokens\"><tbody>");
    for (name, scopes, made, until) in tokens {
        let scopes = scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ");
        page = page.raw("<tr><td>").text(&name).raw("</td><td>").text(&scopes).raw("</td><td>");
        page = page.text(&time(made)).raw(" – ").text(&until.map_or_else(String::new, time));
        page = page.raw("</td><td><details><summary>").both("作废", "Revoke").raw("</summary>");
        page = end(hidden(begin(page, "revoke_token"), &name), ("作废", "Revoke"), "revoke");
        page = page.raw("</details></td></tr>");
    }
    page = page.raw("</tbody></table><h2>").both("新建令牌", "Make a token").raw("</h2>");
    page = begin(page, "add_token").field(("名称", "Name"), &name_field());
    page = page.raw("<label class=\"check\"><input type=\"checkbox\" name=\"read\" value=\"yes\">");
    page = page
        .both("查看", "looking")
        .raw("</label><label class=\"check\"><input type=\"checkbox\" name=\"forecast\" value=\"yes\">");
    page = page.both("预报", "forecasts").raw("</label><label class=\"check\"><input type=\"checkbox\" name=\"metrics\" value=\"yes\" data-testid=\"metrics\">");
    page = page
        .both("指标", "metrics")
        .raw("</label><label>")
        .both("有效天数，空为永久", "Days until it ends; empty: never");
    page = page.raw("<input name=\"days\" type=\"text\" inputmode=\"numeric\" maxlength=\"4\"></label>");
    page = end(page, ("新建", "Make"), "add-token").raw("</main>");
    let mut response = page.page(status, &app.web.config.basin.name.zh);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn row(app: &App, page: Markup, person: &Person, user: &Shown, time: &dyn Fn(Timestamp) -> String) -> Markup {
    let basin = &app.web.config.basin;
    let (zh, en) = role_name(user.role);
    let mut page = page.raw("<tr><td>").text(&user.name);
    if !user.enabled {
        page = page.raw(" <strong class=\"badge\">").both("已停用", "DISABLED").raw("</strong>");
    }
    page = page.raw("</td><td>").both(zh, en).raw("</td><td>");
    let ids = user.gates.as_ref().map(|ids| ids.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
    page = match &user.gates {
        None => page.both("全部", "all"),
        Some(gates) => {
            let of = gates.iter().filter_map(|id| basin.river_of(basin.gate(id)?));
            let rivers: std::collections::BTreeSet<_> = of.collect();
            let name = |river: &&str| basin.rivers.iter().find(|(id, _)| id == river).map(|(_, name)| name);
            for name in rivers.iter().filter_map(name) {
                page = page.both(&name.zh, &name.en).raw(" ");
            }
            page.text(ids.as_deref().unwrap_or_default())
        }
    };
    let came = user.came.map_or_else(|| "–".to_owned(), time);
    page = page.raw("</td><td>").text(&came).raw("</td><td>").text(&user.sessions.len().to_string());
    page = page.raw("</td><td><details><summary>").both("更改", "Change").raw("</summary>");
    page = roles(hidden(begin(page, "role"), &user.name), Some(user.role));
    page = gates(page, ids.as_deref().unwrap_or_default());
    page = end(page, ("更改角色", "Change the role"), "role");
    page = if user.enabled {
        end(
            hidden(begin(page, "disable"), &user.name),
            ("停用；会话立即结束", "Disable; sessions end"),
            "disable",
        )
    } else {
        end(hidden(begin(page, "enable"), &user.name), ("启用", "Enable"), "enable")
    };
    if user.name != person.name {
        let words = ("重设密码；原密码作废", "New password; the old one is void");
        page = end(hidden(begin(page, "reset"), &user.name), words, "reset");
    }
    page.raw("</details></td></tr>")
}

const fn name_field() -> Field<'static> {
    Field { name: "name", kind: "text", auto: "off", value: "", first: false }
}

fn begin(page: Markup, change: &'static str) -> Markup {
    page.raw("<form method=\"post\" action=\"/users\"><input type=\"hidden\" name=\"change\" value=\"")
        .raw(change)
        .raw("\">")
}

fn hidden(page: Markup, name: &str) -> Markup {
    page.raw("<input type=\"hidden\" name=\"name\" value=\"").text(name).raw("\">")
}

fn roles(page: Markup, chosen: Option<Role>) -> Markup {
    let mut page = page.raw("<select name=\"role\" aria-label=\"角色 role\" data-testid=\"role\">");
    for role in Role::ALL {
        let (zh, en) = role_name(role);
        page = page.raw("<option value=\"").raw(role.name());
        page = page.raw(if chosen == Some(role) { "\" selected>" } else { "\">" });
        page = page.raw(zh).raw(" ").raw(en).raw("</option>");
    }
    page.raw("</select>")
}

fn gates(page: Markup, ids: &str) -> Markup {
    let page = page
        .raw("<label>")
        .both("仅限这些闸门（编号，逗号分隔），空为全部", "Only these gates, by identifier; empty: all");
    page.raw("<input name=\"gates\" type=\"text\" maxlength=\"2000\" value=\"").text(ids).raw("\"></label>")
}

/// The own password and the button.
fn end(page: Markup, (zh, en): (&str, &str), id: &'static str) -> Markup {
    let own = Field { name: "password", kind: "password", auto: "current-password", value: "", first: false };
    let page =
        page.field(("本人密码", "Own password"), &own).raw("<button data-testid=\"").raw(id).raw("\">");
    page.both(zh, en).raw("</button></form>")
}
