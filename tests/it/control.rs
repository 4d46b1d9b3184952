//! The operate lease: one session has control of a river; what needs it and what never does; two browsers.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use qindan::control::operator::Order;
use qindan::shell::people::{Book, Role};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::browser::Browser;
use crate::door::{self, PASSWORD, USER};
use crate::fixture;
use crate::live::{open, sign_in};
use crate::page::TURN;
use crate::web::{Bench, answer, own, small_bench};

/// As a second person, who has signed in.
struct Other(String);

impl Other {
    async fn new(bench: &Bench, name: &str, role: Role) -> Self {
        Book::edit(bench.data.path(), |book| book.add(name, (role, None), PASSWORD, door::now())).unwrap();
        let body = json!({ "name": name, "password": PASSWORD });
        let mut request = own("/api/v1/session", &body);
        request.headers_mut().remove("cookie");
        let response = bench.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self(response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned())
    }

    fn own(&self, path: &str, body: &Value) -> Request<Body> {
        let mut request = own(path, body);
        request.headers_mut().insert("cookie", self.0.parse().unwrap());
        request
    }

    async fn post(&self, bench: &Bench, path: &str, body: Value) -> (StatusCode, Value) {
        answer(bench.router.clone().oneshot(self.own(path, &body)).await.unwrap()).await
    }
}

fn set_point() -> Value {
    json!({ "order": "set_point", "gate": "v1", "opening_pct": 30.0, "reason": "test of the valve" })
}

fn river(more: &Value) -> Value {
    let mut body = json!({ "rivers": ["alder"] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn what_moves_water_needs_control_and_stopping_does_not() {
    let mut bench = small_bench();
    let free = bench.post("/api/v1/control/release", river(&json!({}))).await;
    assert_eq!(free.0, StatusCode::OK, "{}", free.1);
    assert_eq!(free.1["control"][0]["held"], Value::Null);
    for asked in [
        set_point(),
        json!({ "order": "set_authority", "gate": "v1", "authority": "manual" }),
        json!({ "order": "release_hold" }),
        json!({ "order": "set_mode", "mode": "manual" }),
    ] {
        let (status, shown) = bench.post("/api/v1/acts/preview", asked.clone()).await;
        assert_eq!((status, &shown["needs_control"]), (StatusCode::OK, &json!(["alder"])), "{asked}");
        let confirm =
            json!({ "request": "confirm-1", "token": shown["token"], "reason": "x", "password": PASSWORD });
        let (status, refused) = bench.post("/api/v1/acts/confirm", confirm).await;
        assert_eq!(status, StatusCode::LOCKED, "{refused}");
    }
    // The token is good still once control has been taken.
    let (_, shown) = bench.post("/api/v1/acts/preview", set_point()).await;
    let confirm = json!({ "request": "confirm-2", "token": shown["token"] });
    assert_eq!(bench.post("/api/v1/acts/confirm", confirm.clone()).await.0, StatusCode::LOCKED);
    for (path, body) in [
        ("/api/v1/acts/hold-all", json!({ "request": "hold-all-1" })),
        ("/api/v1/acts/stop", json!({ "request": "stopping-1", "gate": "v1" })),
        ("/api/v1/acts/acknowledge", json!({ "request": "acknowledge-1", "alarm": "A05:v1" })),
    ] {
        assert_eq!(bench.post_taken(path, body).await.0, StatusCode::OK, "{path}");
    }
    let wrong = bench.post("/api/v1/control/take", river(&json!({ "password": "something else" }))).await;
    assert_eq!(wrong.0, StatusCode::FORBIDDEN, "{}", wrong.1);
    let (status, taken) = bench.post("/api/v1/control/take", river(&json!({ "password": PASSWORD }))).await;
    assert_eq!((status, &taken["control"][0]["held"]["by"]), (StatusCode::OK, &json!(USER)), "{taken}");
    let (status, _, act) = bench.post_taken("/api/v1/acts/confirm", confirm).await;
    assert_eq!(status, StatusCode::OK);
    assert!(matches!(act.unwrap().order, Order::SetPoint { .. }));
}

#[tokio::test]
async fn control_is_one_persons_until_handed_over_given_back_or_unused() {
    let bench = small_bench();
    let wang = Other::new(&bench, "wang", Role::Operator).await;
    let (_, shown) = wang.post(&bench, "/api/v1/acts/preview", set_point()).await;
    let confirm = json!({ "request": "confirm-1", "token": shown["token"] });
    let (status, refused) = wang.post(&bench, "/api/v1/acts/confirm", confirm).await;
    assert_eq!(status, StatusCode::LOCKED);
    assert!(refused["error"].as_str().unwrap().contains("held by li"), "{refused}");
    let with_password = || river(&json!({ "password": PASSWORD }));
    assert_eq!(wang.post(&bench, "/api/v1/control/take", with_password()).await.0, StatusCode::LOCKED);
    let forced = river(&json!({ "password": PASSWORD, "force": "shift change" }));
    assert_eq!(
        wang.post(&bench, "/api/v1/control/take", forced.clone()).await.0,
        StatusCode::FORBIDDEN,
        "an operator"
    );
    let (status, asked) = wang.post(&bench, "/api/v1/control/ask", with_password()).await;
    assert_eq!(
        (status, &asked["control"][0]["held"]["asked_by"]),
        (StatusCode::OK, &json!("wang")),
        "{asked}"
    );
    let (status, given) = bench.post("/api/v1/control/hand-over", river(&json!({}))).await;
    assert_eq!((status, &given["control"][0]["held"]["by"]), (StatusCode::OK, &json!("wang")), "{given}");
    assert_eq!(bench.post("/api/v1/control/release", river(&json!({}))).await.0, StatusCode::LOCKED);
    // The shift leader takes it, with a reason.
    assert_eq!(bench.post("/api/v1/control/take", with_password()).await.0, StatusCode::LOCKED);
    let (status, taken) = bench.post("/api/v1/control/take", forced).await;
    assert_eq!((status, &taken["control"][0]["held"]["by"]), (StatusCode::OK, &json!(USER)), "{taken}");
    // Acts keep it, looking does not.
    bench.wait(14 * 60);
    bench.post("/api/v1/acts/preview", set_point()).await;
    bench.wait(14 * 60);
    assert_eq!(wang.post(&bench, "/api/v1/control/take", with_password()).await.0, StatusCode::LOCKED);
    bench.wait(61);
    bench.get("/api/v1/state").await;
    let (status, taken) = wang.post(&bench, "/api/v1/control/take", with_password()).await;
    assert_eq!((status, &taken["control"][0]["held"]["by"]), (StatusCode::OK, &json!("wang")), "{taken}");
    // It ends with the session.
    let mut out = wang.own("/api/v1/session", &json!({}));
    *out.method_mut() = axum::http::Method::DELETE;
    assert_eq!(bench.router.clone().oneshot(out).await.unwrap().status(), StatusCode::OK);
    let (_, session) = answer(bench.get("/api/v1/session").await).await;
    assert_eq!(session["control"][0]["held"], Value::Null, "{session}");
}

#[tokio::test]
async fn two_browsers_share_one_control() {
    let _turn = TURN.lock().await;
    let config = fixture::small();
    let status = fixture::status(&config);
    let (service, li) = open(config, status).await;
    service.add("wang", Role::Operator);
    let wang = Browser::start().await;
    wang.size(1366, 768).await;
    sign_in(&service, &wang, "wang", true).await;
    // Both see who has it; the second one has not got it although he asked for it when he signed in.
    for browser in [&li, &wang] {
        browser.says("control", "li").await;
    }
    wang.says("user", "值班员").await;
    wang.click("gate-v1").await;
    wang.fill("set-point", "30").await;
    wang.fill("reason", "试验").await;
    wang.click("preview").await;
    wang.says("flow-note", "操作权").await;
    assert_eq!(wang.run("return document.querySelector('[data-testid=confirm]').disabled").await, true);
    wang.click("take-first").await;
    wang.fill("control-password", door::PASSWORD).await;
    wang.click("ask-control").await;
    li.says("asked", "wang").await;
    li.click("hand-over-alder").await;
    for browser in [&li, &wang] {
        browser.says("control", "wang").await;
    }
    wang.wait("!document.querySelector('[data-testid=control-password]')").await;
    wang.run("document.querySelectorAll('dialog').forEach(dialog => dialog.close())").await;
    wang.click("cancel").await;
    wang.fill("set-point", "30").await;
    wang.fill("reason", "试验").await;
    wang.click("preview").await;
    wang.wait("!document.querySelector('[data-testid=confirm]').disabled").await;
    wang.press("confirm", Duration::from_millis(1300)).await;
    wang.says("taken", "4711").await;
    assert_eq!(service.actors(), [("wang".to_owned(), "operator".to_owned())]);
    // Holding all needs no control.
    li.press("hold-all", Duration::from_millis(1300)).await;
    li.says("held", "全部保持").await;
    assert_eq!(service.actors().last().unwrap(), &(USER.to_owned(), "shift_leader".to_owned()));
    // Signing out ends at the door, and control with it.
    wang.click("sign-out").await;
    wang.says("sign-in", "登录").await;
    li.wait("!document.querySelector('[data-testid=control]').textContent.includes('wang')").await;
    let complaints = wang.complaints().await;
    assert!(complaints.iter().all(|said| said.contains("401") || said.contains("423")), "{complaints:?}");
}

const EVIL: &str = "<img src=x onerror=\"window.taken=1\"><script>window.taken=1</script>'\"&";

/// Markup in every text that people or configuration bring: on the page, on the state without scripts, in the account.
#[tokio::test]
async fn markup_stays_text_everywhere() {
    let _turn = TURN.lock().await;
    let mut config = fixture::small();
    {
        let basin = std::sync::Arc::make_mut(&mut config.basin);
        (basin.name.zh, basin.name.en) = (EVIL.into(), EVIL.into());
        basin.gates.iter_mut().for_each(|gate| gate.name.zh = EVIL.into());
        basin.sections.iter_mut().for_each(|section| section.name.zh = EVIL.into());
        basin.rivers.iter_mut().for_each(|(_, name)| name.zh = EVIL.into());
    }
    let status = fixture::status(&config);
    let (service, browser) = open(config, status).await;
    service.change(|s| {
        s.mode_by = EVIL.into();
        s.hold_all = Some(EVIL.into());
        s.why[0].actor = format!("operator:{EVIL}");
        s.why[0].because =
            vec![qindan::control::reason::Because::Operator { who: EVIL.into(), reason: EVIL.into() }];
        for alarm in &mut s.alarms {
            alarm.element = EVIL.into();
            alarm.detail = json!({ "why": EVIL, "target": EVIL });
        }
    });
    browser.says("why", "onerror").await;
    let clean = async |what: &str| {
        assert_eq!(
            browser.run("return [typeof window.taken, document.querySelectorAll('img').length]").await,
            json!(["undefined", 0]),
            "{what}"
        );
        assert_eq!(browser.complaints().await, Vec::<String>::new(), "{what}");
    };
    clean("the page").await;
    browser.click("gate-v1").await;
    browser.says("set-point", "").await;
    clean("a gate").await;
    for (path, seen) in [("status", "plain-head"), ("account", "sessions")] {
        browser.open(&format!("{}{path}", service.page())).await;
        browser.wait(&format!("document.querySelector('[data-testid={seen}]')")).await;
        clean(path).await;
    }
    browser
        .open(&format!("{}enter?code=%22%3E%3Cscript%3Ewindow.taken=1%3C/script%3E", service.page()))
        .await;
    browser.says("enter", "进入").await;
    clean("a code").await;
}
