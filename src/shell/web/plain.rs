//! `/status`: the state as a page without scripts, so that it can be seen when they fail, and on anything with a screen.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::REFRESH;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::markup::Markup;
use super::metrics::BLIND_AFTER;
use super::{App, control};
use crate::control::operator::{Authority, Mode};
use crate::control::quality::Quality;
use crate::control::status::Status;
use crate::report::alarms;
use crate::shell::people::Caller;
use crate::units::{Discharge, Opening};

/// Seconds after which a browser asks again by itself.
const AGAIN_S: &str = "10";

/// `GET /status`.
pub(super) async fn status(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Response {
    let frame = app.frames.borrow().clone();
    let age = app.web.time.now().mono.saturating_sub(frame.made_at);
    let status = app.web.status.borrow().clone();
    let config = &app.web.config;
    let basin = &config.basin;
    let time = basin.zone.to_datetime(status.utc).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let mut page = Markup::default()
        .raw("<main class=\"door wide\"><h1>")
        .text(&basin.name.zh)
        .raw("<small lang=\"en\">");
    page = page.text(&basin.name.en).raw("</small></h1>");
    if config.service.bench {
        page = page
            .raw("<p class=\"banner\">")
            .both("仿真台架，非现场", "BENCH: the field is simulated")
            .raw("</p>");
    }
    if age > BLIND_AFTER {
        page = page.raw("<p class=\"refused\" role=\"alert\">");
        page = page
            .both("失去实时：控制周期未更新", "NOT LIVE: the control cycle publishes nothing")
            .raw("</p>");
    }
    page = page.raw("<p data-testid=\"plain-head\">").text(&time).raw(" · ");
    let (zh, en) = mode(status.mode);
    page = page.both(zh, en).raw(" · ").text(&status.mode_by);
    if let Some(who) = &status.hold_all {
        page =
            page.raw(" · <strong class=\"badge\">").both("全部保持", "HOLDING").raw("</strong> ").text(who);
    }
    page = page.raw("</p>");
    page = held(page, &control::document(&app.web));
    page = sections(page, &app, &status);
    page = alarm_list(page, &status);
    page = gates(page, &app, &status);
    page = page
        .raw("<p class=\"quiet\">")
        .both("每 10 秒刷新，不需脚本", "renewed every 10 s, without scripts")
        .raw(" · <a href=\"/\">");
    page = page.both("总览", "the page").raw("</a>");
    if let Caller::Person(person) = &caller {
        page = page.raw(" · <a href=\"/account\">").text(&person.name).raw("</a>");
    }
    let mut response = page.raw("</p></main>").page(StatusCode::OK, &basin.name.zh);
    response.headers_mut().insert(REFRESH, axum::http::HeaderValue::from_static(AGAIN_S));
    response.into_response()
}

fn held(mut page: Markup, control: &Value) -> Markup {
    page = page.raw("<p>").both("操作权", "Control").raw(": ");
    for row in control.as_array().into_iter().flatten() {
        let by = row["held"]["by"].as_str().unwrap_or("–");
        let river = row["name"]["zh"].as_str().or_else(|| row["river"].as_str()).unwrap_or_default();
        page = page.text(river).raw(" <b>").text(by).raw("</b> ");
    }
    page.raw("</p>")
}

fn sections(mut page: Markup, app: &App, status: &Status) -> Markup {
    page = page
        .raw("<h2>")
        .both("生态流量断面", "Sections")
        .raw("</h2><table><thead><tr><th></th><th>m³/s</th><th>");
    page =
        page.both("下限", "floor").raw("</th><th>").both("质量", "quality").raw("</th></tr></thead><tbody>");
    for (section, now) in app.web.config.basin.sections.iter().zip(&status.sections) {
        let own = now.reading.usable().and_then(Discharge::new);
        let flow = own.or(now.estimate.flow);
        let (zh, en) = match (own, flow) {
            (Some(_), _) => quality(now.reading.quality),
            (None, Some(_)) => ("估算", "estimate"),
            (None, None) => ("无值", "no value"),
        };
        let breach = flow.zip(now.floor).is_some_and(|(flow, floor)| flow < floor);
        page = page.raw("<tr><td>").text(&section.name.zh).raw(" <span lang=\"en\">").text(&section.name.en);
        page = page.raw("</span></td><td><b>").text(&number(flow)).raw("</b>");
        if breach {
            page = page.raw(" <strong class=\"badge\">").both("低于下限", "BELOW FLOOR").raw("</strong>");
        }
        page = page.raw("</td><td>").text(&number(now.floor)).raw("</td><td>").both(zh, en).raw("</td></tr>");
    }
    page.raw("</tbody></table>")
}

fn alarm_list(mut page: Markup, status: &Status) -> Markup {
    page = page.raw("<h2>").both("报警", "Alarms").raw("</h2>");
    if status.alarms.is_empty() {
        return page.raw("<p>").both("无", "none").raw("</p>");
    }
    page = page.raw("<ul>");
    for alarm in &status.alarms {
        let (zh, en) = alarms::title(&alarm.id).unwrap_or(("报警", "Alarm"));
        page = page
            .raw("<li><b>")
            .text(&alarm.priority.to_string())
            .raw("</b> ")
            .text(&alarm.id)
            .raw(" ")
            .both(zh, en)
            .raw(" ")
            .text(&alarm.element);
        page = if alarm.acknowledged { page.raw(" · ").both("已确认", "acknowledged") } else { page };
        page = page.raw("</li>");
    }
    page.raw("</ul>")
}

fn gates(mut page: Markup, app: &App, status: &Status) -> Markup {
    page = page.raw("<h2>").both("闸阀", "Gates").raw("</h2><table><thead><tr><th></th><th>%</th><th>");
    page = page.both("目标", "target").raw("</th><th>m³/s</th><th></th></tr></thead><tbody>");
    for (gate, now) in
        app.web.config.basin.gates.iter().zip(&status.gates).filter(|(gate, _)| gate.is_driven())
    {
        let percent =
            |opening: Option<Opening>| opening.map_or_else(|| "–".into(), |o| format!("{:.1}", o.percent()));
        page = page
            .raw("<tr><td>")
            .text(&gate.name.zh)
            .raw(" <span lang=\"en\">")
            .text(&gate.name.en)
            .raw("</span></td><td>");
        page = page.text(&percent(now.opening)).raw("</td><td>").text(&percent(now.target)).raw("</td><td>");
        page = page.text(&number(now.flow.flow)).raw("</td><td>");
        page = match now.authority {
            Authority::Automatic => page.both("自动", "automatic"),
            Authority::Advice => page.both("建议", "advice"),
            Authority::Manual => page.both("手动", "manual"),
            Authority::Observe => page.both("观察", "observe"),
        };
        page = page.raw("</td></tr>");
    }
    page.raw("</tbody></table>")
}

fn mode(mode: Mode) -> (&'static str, &'static str) {
    match mode {
        Mode::Observe => ("观察", "OBSERVE"),
        Mode::Advice => ("建议", "ADVICE"),
        Mode::Automatic => ("自动", "AUTO"),
        Mode::Manual => ("手动", "MANUAL"),
    }
}

fn quality(quality: Quality) -> (&'static str, &'static str) {
    match quality {
        Quality::Good => ("好", "good"),
        Quality::Stale => ("陈旧", "stale"),
        Quality::Suspect => ("可疑", "suspect"),
        Quality::Substituted => ("估算", "substituted"),
        Quality::Bad => ("坏", "bad"),
        Quality::Simulated => ("仿真", "simulated"),
    }
}

fn number(flow: Option<Discharge>) -> String {
    flow.map_or_else(|| "–".into(), |flow| format!("{:.2}", flow.get()))
}
