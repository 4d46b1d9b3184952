//! `/filings`: the filings 报备 with how they stand, a form for another, and for shift leaders the word on those of others; no script.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form};
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Deserialize;

use super::auth::{From, Known};
use super::filings::{self, Refused};
use super::markup::Markup;
use super::{App, doors, failure, problem};
use crate::basin::Basin;
use crate::config::reports::{Exemption, Standing};
use crate::report::words::{element, exemption};
use crate::shell::filings::{Claim, Filed, Verdict};
use crate::shell::people::{self, Caller, Need};

/// Filings shown, the newest first; all are at `/api/v1/filings`.
const SHOWN: usize = 100;
const COLUMNS: [(&str, &str); 7] = [
    ("编号", "No."),
    ("断面", "Sections"),
    ("类别与原因", "Kind, reason"),
    ("起止", "From, to"),
    ("佐证", "Proof"),
    ("报备", "Filed"),
    ("状态", "How it stands"),
];

/// What is typed of a filing: label, field, where it stands in what was sent.
type Typed = ((&'static str, &'static str), &'static str, fn(&Sent) -> &str);
const FIELDS: [Typed; 5] = [
    (("开始", "From"), "<input name=\"from\" type=\"datetime-local\" required", |sent| &sent.from),
    (("结束", "To"), "<input name=\"to\" type=\"datetime-local\" required", |sent| &sent.to),
    (
        ("佐证文号", "Document that proves it"),
        "<input name=\"document\" maxlength=\"200\" required",
        |sent| &sent.document,
    ),
    (
        ("文件 SHA-256（可不填）", "SHA-256 of the file, if it has one"),
        "<input name=\"sha256\" maxlength=\"64\" pattern=\"[0-9A-Fa-f]{64}\"",
        |sent| &sent.sha256,
    ),
    (("原因", "Reason"), "<input name=\"reason\" maxlength=\"200\" required", |sent| &sent.reason),
];

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sent {
    /// Of a section, or nothing: all of them.
    section: String,
    kind: Exemption,
    /// Civil time of the site.
    from: String,
    to: String,
    document: String,
    sha256: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Word {
    filing: u64,
    verdict: Verdict,
    note: String,
    password: String,
}

/// `GET /filings`.
pub(super) async fn page(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Response {
    show(&app, &caller, StatusCode::OK, None, None).await
}

/// `POST /filings`: another one.
pub(super) async fn enter(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    form: Result<Form<Sent>, FormRejection>,
) -> Response {
    let Ok(Form(sent)) = form else {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, "fill the form of /filings in");
    };
    let kept = match claim(&app.web.config.basin, sent.clone()) {
        Ok(claim) => match people::secret() {
            Ok(request) => filings::entered(&app, (&person, &address), &request, claim).await,
            Err(_) => Err(no_name()),
        },
        Err(why) => Err((StatusCode::UNPROCESSABLE_ENTITY, why)),
    };
    done(&app, &Caller::Person(person), kept, Some(&sent)).await
}

/// `POST /filings/verdict`: what a shift leader says of one.
pub(super) async fn judge(
    State(app): State<Arc<App>>,
    Known(person): Known,
    From(address): From,
    form: Result<Form<Word>, FormRejection>,
) -> Response {
    let Ok(Form(Word { filing, verdict, note, password })) = form else {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, "fill a form of /filings in");
    };
    if let Err(error) = app.web.people.confirm(&person, &password, &address).await {
        let (zh, en) = doors::words(&error);
        let why = format!("{zh} {en}");
        return show(&app, &Caller::Person(person), StatusCode::UNPROCESSABLE_ENTITY, Some(&why), None).await;
    }
    let kept = match people::secret() {
        Ok(request) => filings::judged(&app, (&person, &address), &request, (filing, verdict, &note)).await,
        Err(_) => Err(no_name()),
    };
    done(&app, &Caller::Person(person), kept, None).await
}

fn no_name() -> Refused {
    (StatusCode::SERVICE_UNAVAILABLE, "no random bytes on this machine".to_owned())
}

/// The page anew, or why not with what was typed.
async fn done(app: &App, caller: &Caller, kept: Result<u64, Refused>, sent: Option<&Sent>) -> Response {
    match kept {
        Ok(_) => doors::to("/filings", None),
        Err((status, why)) => show(app, caller, status, Some(&why), sent).await,
    }
}

/// What the form says, with times of the site.
fn claim(basin: &Basin, sent: Sent) -> Result<Claim, String> {
    let instant = |key: &str, text: &str| {
        // As the field of the form gives it; an offset behind it would be read over.
        let is_plain = matches!(text.len(), 16 | 19) && text.as_bytes().get(13) == Some(&b':');
        let civil = text.parse::<DateTime>().ok().filter(|_| is_plain);
        let instant = civil.and_then(|civil| basin.zone.to_timestamp(civil).ok());
        instant.map(Timestamp::as_second).ok_or_else(|| format!("{key}: {text}: must be a time of the site"))
    };
    let all = || basin.sections.iter().map(|section| section.id.clone()).collect();
    Ok(Claim {
        sections: if sent.section.is_empty() { all() } else { vec![sent.section] },
        kind: sent.kind,
        from_s: instant("from", &sent.from)?,
        to_s: instant("to", &sent.to)?,
        document: sent.document,
        sha256: Some(sent.sha256),
        reason: sent.reason,
    })
}

fn standing(standing: Standing) -> (&'static str, &'static str) {
    match standing {
        Standing::Listed => ("已列入", "listed"),
        Standing::Open => ("待审核", "waits for a word"),
        Standing::Approved => ("已批准", "approved"),
        Standing::Rejected => ("已驳回", "rejected"),
    }
}

async fn show(
    app: &App,
    caller: &Caller,
    status: StatusCode,
    refused: Option<&str>,
    sent: Option<&Sent>,
) -> Response {
    let basin = &app.web.config.basin;
    let mut page = Markup::default()
        .raw("<main class=\"door wide\"><p><a href=\"/\">")
        .both("返回总览", "Back to the page")
        .raw("</a></p><h1>")
        .both("报备与免考", "Filings")
        .raw("</h1>");
    if let Some(why) = refused {
        page = page
            .raw("<p class=\"refused\" role=\"alert\" data-testid=\"refused\">")
            .piece(&problem::markup(why))
            .raw("</p>");
    }
    page = page.raw("<p>").both(
        "停运、检修或指令须在开始前或开始后时限内报备并附佐证；经另一名值班长批准后才计入达标率免考，不改变任何测量值。",
        "Outages, maintenance and orders are filed with proof, before or soon after they begin. A filing exempts only once another person, a shift leader, has approved it; it changes no measurement.",
    );
    page = page.raw("</p><table data-testid=\"filings\"><thead><tr>");
    for (zh, en) in COLUMNS {
        page = page.raw("<th scope=\"col\">").both(zh, en).raw("</th>");
    }
    page = page.raw("</tr></thead><tbody>");
    let found = match &app.web.archive {
        Some(archive) => archive.filings().await,
        None => Err("no data folder is open here".to_owned()),
    };
    page = match found {
        Ok(found) if found.is_empty() => {
            page.raw("<tr><td colspan=\"7\">").both("尚无报备", "nothing has been filed").raw("</td></tr>")
        }
        Ok(found) => found.iter().rev().take(SHOWN).fold(page, |page, filed| row(page, basin, filed, caller)),
        Err(why) => {
            let why = problem::outward(problem::UNREADABLE, &why);
            page.raw("<tr><td colspan=\"7\">").piece(&problem::markup(why)).raw("</td></tr>")
        }
    };
    page = page.raw("</tbody></table>");
    if caller.may(Need::Operate, false) {
        page = form(page, basin, sent);
    }
    page.raw("</main>").page(status, &basin.name.zh)
}

fn row(mut page: Markup, basin: &Basin, filed: &Filed, caller: &Caller) -> Markup {
    let civil = |at: Timestamp| basin.zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string();
    let second = |s: i64| Timestamp::from_second(s).map(civil).unwrap_or_default();
    let claim = &filed.claim;
    page = page.raw("<tr><td>#").text(&filed.number.to_string()).raw("</td><td>");
    for id in &claim.sections {
        let name = element(basin, id);
        page = page.both(&name.zh, &name.en).raw(" ");
    }
    let (zh, en) = exemption(claim.kind);
    page = page.raw("</td><td>").both(zh, en).raw("<br>").text(&claim.reason);
    page = page.raw("</td><td>").text(&second(claim.from_s)).raw(" – ").text(&second(claim.to_s));
    page = page.raw("</td><td>").text(&claim.document);
    if let Some(hash) = &claim.sha256 {
        page = page.raw("<br><small>SHA-256 ").text(hash).raw("</small>");
    }
    page = page.raw("</td><td>").text(&filed.by).raw(" ").text(&civil(filed.at));
    // How late is too late stands in the rule of a report; how late it is stands here.
    let hours = filed.at.as_second().saturating_sub(claim.from_s) / 3600;
    if hours > 0 {
        page = page.raw("<br>").both(&format!("开始后 {hours} h"), &format!("{hours} h after it began"));
    }
    page = page.raw("</td><td>");
    let (zh, en) = standing(filed.standing);
    page = page.both(zh, en);
    if let Some(judged) = &filed.judged {
        page = page.raw("<br>").text(&judged.by).raw(" ").text(&civil(judged.at));
        page = page.raw(" ").text(&judged.note);
    }
    page = page.raw("</td></tr>");
    let others = matches!(caller, Caller::Person(person) if person.name != filed.by);
    let can_be = matches!(filed.standing, Standing::Open | Standing::Approved);
    if !others || !can_be || !caller.may(Need::Lead, false) {
        return page;
    }
    page = page.raw("<tr><td></td><td colspan=\"6\"><form method=\"post\" action=\"/filings/verdict\"><input type=\"hidden\" name=\"filing\" value=\"");
    page = page.text(&filed.number.to_string()).raw("\"><label>").both("说明", "Note");
    page =
        page.raw("<input name=\"note\" maxlength=\"200\"></label><label>").both("本人密码", "Your password");
    page = page.raw(
        "<input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label>",
    );
    if filed.standing == Standing::Open {
        page = page
            .raw("<button name=\"verdict\" value=\"approved\">")
            .both("批准", "Approve")
            .raw("</button> ");
    }
    page = page.raw("<button name=\"verdict\" value=\"rejected\">").both("驳回", "Reject");
    page.raw("</button></form></td></tr>")
}

/// The form, with what was typed before where it was refused.
fn form(mut page: Markup, basin: &Basin, sent: Option<&Sent>) -> Markup {
    let chosen = |is_it: bool| if is_it { "\" selected>" } else { "\">" };
    page = page.raw("<h2>").both("新报备", "A filing");
    page = page.raw("</h2><form method=\"post\" action=\"/filings\"><label>").both("断面", "Section");
    page = page.raw("<select name=\"section\" data-testid=\"filing-section\"><option value=\"\">");
    page = page.text("全部 all").raw("</option>");
    for section in &basin.sections {
        let is_it = sent.is_some_and(|sent| sent.section == section.id);
        page = page.raw("<option value=\"").text(&section.id).raw(chosen(is_it));
        page = page.text(&section.name.zh).raw(" ").text(&section.name.en).raw("</option>");
    }
    page = page.raw("</select></label><label>").both("类别", "Kind");
    page = page.raw("<select name=\"kind\">");
    for kind in Exemption::ALL {
        let (zh, en) = exemption(kind);
        let is_it = sent.is_some_and(|sent| sent.kind == kind);
        page = page.raw("<option value=\"").text(kind.key()).raw(chosen(is_it)).text(zh).raw(" ").text(en);
        page = page.raw("</option>");
    }
    page = page.raw("</select></label>");
    for ((zh, en), html, typed) in FIELDS {
        page = page.raw("<label>").both(zh, en).raw(html).raw(" value=\"");
        page = page.text(sent.map_or("", typed)).raw("\"></label>");
    }
    page.raw("<button data-testid=\"filing-enter\">").both("报备", "File").raw("</button></form>")
}
