//! What the known holes of this family of products would look like here: each is tried against the list of routes the
//! service mounts.

use std::collections::BTreeSet;
use std::fs;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use qindan::shell::people::{Book, Need, Role, Scope, path};
use qindan::shell::web::{Route, routes};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::door::{self, PASSWORD, USER};
use crate::web::{Bench, answer, small_bench};

const FORM: &str = "application/x-www-form-urlencoded";
/// Paths whose forms need no script, and so no header of ours.
const FORMS: &[&str] = &[
    "/login",
    "/enter",
    "/first-run",
    "/logout",
    "/account/end",
    "/account/password",
    "/users",
    "/shift",
    "/filings",
    "/filings/verdict",
];
const HOST: &str = "127.0.0.1:8080";
const ORIGIN: &str = "http://127.0.0.1:8080";

fn real(path: &str) -> String {
    path.replace("{*name}", "app.js")
        .replace("meters/{id}", "meters/q.ford")
        .replace("gates/{id}/what-if", "gates/v1/what-if?opening_pct=40")
        .replace("{id}", "dam")
        .replace("{version}", "1")
        .replace("{seq}", "1")
        .replace("{name}", "daily_2026-05-17_0800.en.html")
        .replace("/trends", "/trends?series=section:ford")
        .replace("/history", "/history?series=meter:q.ford&from_s=1779000000&to_s=1779080000")
        .replace("/incident-log", "/incident-log?incident=1")
}

/// A request as our own page would send it.
pub(crate) fn fair(method: &str, path: &str) -> axum::http::request::Builder {
    let kind = if FORMS.contains(&path) { FORM } else { "application/json" };
    Request::builder()
        .method(method)
        .uri(real(path))
        .header("host", HOST)
        .header("origin", ORIGIN)
        .header("sec-fetch-site", "same-origin")
        .header("content-type", kind)
        .header("x-qindan", "1")
}

pub(crate) async fn send(bench: &Bench, request: axum::http::request::Builder, body: &str) -> Response<Body> {
    bench.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap()
}

/// Signs in as anybody would; the cookie as the browser would send it back.
pub(crate) async fn sign_in(
    bench: &Bench,
    name: &str,
    password: &str,
) -> (StatusCode, Option<String>, Value) {
    let body = json!({ "name": name, "password": password }).to_string();
    let response = send(bench, fair("POST", "/api/v1/session"), &body).await;
    let cookie = response.headers().get("set-cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
    let (status, body) = answer(response).await;
    (status, cookie, body)
}

pub(crate) fn pair(cookie: &str) -> String {
    cookie.split(';').next().unwrap().to_owned()
}

pub(crate) fn add(bench: &Bench, name: &str, role: Role) {
    Book::edit(bench.data.path(), |book| book.add(name, (role, None), PASSWORD, door::now())).unwrap();
}

/// What may be asked by nobody in particular, written down here a second time.
const PUBLIC: &[(&str, &str)] = &[
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/enter"),
    ("POST", "/enter"),
    ("GET", "/first-run"),
    ("POST", "/first-run"),
    ("POST", "/api/v1/session"),
    ("GET", "/assets/app.css"),
    ("GET", "/assets/login.css"),
    ("GET", "/assets/icon.svg"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
];

#[tokio::test]
async fn without_a_session_only_the_door_answers() {
    let bench = small_bench();
    let public: Vec<_> = routes()
        .into_iter()
        .filter(|route| route.needs == Need::Public)
        .map(|route| (route.method, route.path))
        .collect();
    let listed = |list: &[(&'static str, &'static str)]| list.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(listed(&public), listed(PUBLIC));
    for Route { path, .. } in routes() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            if PUBLIC.contains(&(method, path)) {
                continue;
            }
            let status = send(&bench, fair(method, path), "{}").await.status();
            assert!(
                [StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND].contains(&status),
                "{method} {path}: {status}"
            );
        }
        if !PUBLIC.contains(&("GET", path)) {
            let status = send(&bench, fair("HEAD", path), "").await.status();
            assert_eq!(status, StatusCode::UNAUTHORIZED, "HEAD {path}");
        }
    }
}

#[tokio::test]
async fn no_header_says_who_somebody_is() {
    let bench = small_bench();
    let claims: &[(&str, &str)] = &[
        ("referer", "http://127.0.0.1:8080/"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", HOST),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-user", "li"),
        ("x-remote-user", "li"),
        ("x-real-ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1;host=127.0.0.1"),
        ("x-original-url", "/healthz"),
        ("x-rewrite-url", "/healthz"),
        ("x-http-method-override", "GET"),
        ("authorization", "Basic bGk6c3dlZXQgd2F0ZXIgNw=="),
        ("authorization", "Bearer "),
        ("authorization", "Bearer null"),
        ("authorization", "Bearer qd_00000000000000000000000000000000"),
        ("authorization", "bearer 00112233445566778899aabbccddeeff"),
        ("cookie", "qindan-test="),
        ("cookie", "qindan-test=00000000000000000000000000000000"),
        ("cookie", "qindan=00112233445566778899aabbccddeeff"),
    ];
    for Route { path, method, needs } in routes() {
        if needs == Need::Public {
            continue;
        }
        for (name, value) in claims {
            let status = send(&bench, fair(method, path).header(*name, *value), "{}").await.status();
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} {name}: {value}");
        }
        // A session beside a wrong token is no session: who sends a token means the token.
        let both = door::with_session(fair(method, path)).header("authorization", "Bearer x");
        assert_eq!(send(&bench, both, "{}").await.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
        // Two cookies of our name: somebody else has set one of them.
        let twice = door::with_session(fair(method, path)).header("cookie", "qindan-test=0");
        assert_eq!(send(&bench, twice, "{}").await.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

#[tokio::test]
async fn no_way_of_writing_a_path_leads_around_the_lookup() {
    let bench = small_bench();
    let ways: &[fn(&str) -> String] = &[
        |path| format!("/{path}"),
        |path| format!("/.{path}"),
        |path| format!("/healthz/..{path}"),
        |path| format!("/healthz/%2e%2e{path}"),
        |path| format!("/assets/app.css/..{path}"),
        |path| format!("/assets/app.css%2f..%2f..{path}"),
        |path| format!("/login;{path}"),
        |path| format!("/login/..%2f{path}"),
        |path| format!("{path}/"),
        |path| format!("{path}//"),
        |path| format!("{path};x=1"),
        |path| format!("{path}%00"),
        |path| format!("{path}%20"),
        |path| format!("{path}%2f"),
        |path| format!("{path}."),
        |path| format!("{path}?/healthz"),
        |path| format!("{path}%3f"),
        |path| path.to_uppercase(),
        |path| path.replace("/v1", "/./v1"),
        |path| path.replace("/v1", "//v1"),
        |path| path.replace('/', "%2f"),
        |path| path.replace('a', "%61"),
        |path| path.replace('a', "%2561"),
        |path| path.replace('/', "/%2e/"),
        |path| path.replace('/', "\\"),
    ];
    for Route { path, method, needs } in routes() {
        if needs == Need::Public || path == "/" {
            continue;
        }
        for way in ways {
            let uri = way(path.split("/{").next().unwrap());
            let Ok(request) = fair(method, path).uri(&uri).body(Body::from("{}")) else { continue };
            let status = bench.router.clone().oneshot(request).await.unwrap().status();
            let refused = [
                StatusCode::UNAUTHORIZED,
                StatusCode::NOT_FOUND,
                StatusCode::FORBIDDEN,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ];
            assert!(refused.contains(&status), "{method} {uri}: {status}");
        }
    }
}

/// Who may do what, from the table of the page notes: written down here, not taken from the code.
fn may(role: Role, needs: Need) -> bool {
    let roles: &[Role] = match needs {
        Need::Public | Need::View | Need::Person | Need::Metrics => &Role::ALL,
        Need::Diagnose => &[Role::Engineer, Role::Administrator],
        Need::Forecast => &[Role::ShiftLeader, Role::Scheduler, Role::Engineer],
        Need::Schedule => &[Role::ShiftLeader, Role::Scheduler],
        Need::Operate => &[Role::Operator, Role::ShiftLeader],
        Need::Lead => &[Role::ShiftLeader],
        Need::Administer => &[Role::Administrator],
    };
    roles.contains(&role)
}

#[tokio::test]
async fn every_role_gets_as_far_as_it_should_on_every_route() {
    let bench = small_bench();
    // These end the session they are asked with, or make another.
    let ends = [("POST", "/logout"), ("DELETE", "/api/v1/session")];
    for role in Role::ALL {
        bench.is_now(role);
        for Route { path, method, needs } in routes() {
            if ends.contains(&(method, path)) {
                continue;
            }
            let status = send(&bench, door::with_session(fair(method, path)), "{}").await.status();
            let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
            assert_eq!(refused, !may(role, needs), "{} {method} {path}: {status}", role.name());
        }
    }
    for (role, modes) in [(Role::Operator, StatusCode::FORBIDDEN), (Role::ShiftLeader, StatusCode::OK)] {
        bench.is_now(role);
        let asked = json!({ "order": "set_mode", "mode": "advice" });
        assert_eq!(bench.post("/api/v1/acts/preview", asked).await.0, modes, "{}", role.name());
    }
}

#[tokio::test]
async fn a_person_for_some_gates_commands_those_alone() {
    let bench = small_bench();
    Book::edit(bench.data.path(), |book| {
        book.user(USER)?.gates = Some(BTreeSet::from(["another".to_owned()]));
        Ok(())
    })
    .unwrap();
    let set =
        json!({ "order": "set_point", "gate": "v1", "opening_pct": 30.0, "reason": "test of the valve" });
    let give = json!({ "order": "set_authority", "gate": "v1", "authority": "manual" });
    for asked in [
        set.clone(),
        give,
        json!({ "order": "release_hold" }),
        json!({ "order": "set_mode", "mode": "manual" }),
    ] {
        let (status, answer) = bench.post("/api/v1/acts/preview", asked).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
    }
    Book::edit(bench.data.path(), |book| {
        book.user(USER)?.gates = Some(BTreeSet::from(["v1".to_owned()]));
        Ok(())
    })
    .unwrap();
    assert_eq!(bench.post("/api/v1/acts/preview", set).await.0, StatusCode::OK);
}

#[tokio::test]
async fn where_everybody_may_look_nobody_may_act() {
    let mut config = crate::fixture::small();
    config.service.open_view = true;
    let status = crate::fixture::status(&config);
    let (_folder, archive) = crate::archived::filled(&config);
    let bench = crate::web::with_archive(config, status, archive);
    bench.web.schedules.change(|kept| kept.versions.push(crate::schedule::version_one())).unwrap();
    for Route { path, method, needs } in routes() {
        let status = send(&bench, fair(method, path), "{}").await.status();
        match needs {
            Need::View => assert_eq!(status, StatusCode::OK, "{method} {path}"),
            Need::Public => {}
            Need::Person
            | Need::Metrics
            | Need::Diagnose
            | Need::Forecast
            | Need::Schedule
            | Need::Operate
            | Need::Lead
            | Need::Administer => {
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn other_sites_can_send_nothing() {
    let bench = small_bench();
    for Route { path, method, .. } in routes().into_iter().filter(|route| route.method != "GET") {
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let kind = if FORMS.contains(&path) { FORM } else { "application/json" };
            let request =
                door::with_session(Request::builder().method(method).uri(path)).header("host", HOST);
            let request = request.header("x-qindan", "1").header("content-type", kind).header(name, value);
            let status = send(&bench, request, "{}").await.status();
            assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path} {name}: {value}");
        }
        for kind in ["text/plain", "multipart/form-data; boundary=x", FORM] {
            // What a form of a foreign page sends: no header of ours, and no word of where it comes from.
            let request =
                door::with_session(Request::builder().method(method).uri(path)).header("host", HOST);
            let status = send(&bench, request.header("content-type", kind), "a=b").await.status();
            let refused = [StatusCode::FORBIDDEN, StatusCode::UNSUPPORTED_MEDIA_TYPE].contains(&status);
            assert!(refused, "{method} {path} {kind}: {status}");
        }
    }
}

#[tokio::test]
async fn further_fields_are_refused_everywhere() {
    let bench = small_bench();
    for (path, body) in [
        ("/api/v1/session", json!({ "name": USER, "password": PASSWORD, "role": "administrator" })),
        ("/api/v1/acts/hold-all", json!({ "request": "0123456789", "who": "wang" })),
        ("/api/v1/acts/stop", json!({ "request": "0123456789", "gate": "v1", "role": "administrator" })),
        (
            "/api/v1/acts/acknowledge",
            json!({ "request": "0123456789", "alarm": "A05:v1", "address": "10.0.0.1" }),
        ),
        ("/api/v1/acts/preview", json!({ "order": "release_hold", "who": "wang" })),
        ("/api/v1/acts/confirm", json!({ "request": "0123456789", "token": "x", "session": "y" })),
        ("/api/v1/control/take", json!({ "rivers": ["alder"], "password": PASSWORD, "user": "wang" })),
        ("/api/v1/control/release", json!({ "rivers": ["alder"], "session": "y" })),
    ] {
        let (status, answer) = bench.post(path, body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_token_opens_what_it_is_for() {
    let bench = small_bench();
    let make = |name: &str, scopes: &[Scope]| {
        let scopes = scopes.iter().copied().collect();
        Book::edit(bench.data.path(), |book| book.add_token(name, scopes, door::now(), None)).unwrap()
    };
    let tokens = [
        (make("reader", &[Scope::Read]), &[Need::View][..]),
        (make("monitor", &[Scope::Metrics]), &[Need::Metrics][..]),
        (make("office", &[Scope::Forecast]), &[Need::Forecast][..]),
    ];
    for (token, opens) in &tokens {
        for Route { path, method, needs } in routes() {
            if needs == Need::Public {
                continue;
            }
            let request = fair(method, path).header("authorization", format!("Bearer {token}"));
            let status = send(&bench, request, "{}").await.status();
            assert_eq!(status == StatusCode::FORBIDDEN, !opens.contains(&needs), "{method} {path}: {status}");
        }
    }
    let text = fs::read_to_string(path(bench.data.path())).unwrap();
    assert!(tokens.iter().all(|(token, _)| !text.contains(token.as_str())), "kept as hashes only");
    Book::edit(bench.data.path(), |book| Ok(book.tokens.remove("monitor").is_some())).unwrap();
    let request = fair("GET", "/metrics").header("authorization", format!("Bearer {}", tokens[1].0));
    assert_eq!(send(&bench, request, "").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_act_bears_the_name_and_the_role_of_who_asked() {
    let mut bench = small_bench();
    let (status, _, act) =
        bench.post_taken("/api/v1/acts/hold-all", json!({ "request": "0123456789" })).await;
    assert_eq!(status, StatusCode::OK);
    let act = act.unwrap();
    assert_eq!((act.who.as_str(), act.role.as_str()), (USER, "shift_leader"));
}

#[tokio::test]
async fn a_preview_is_for_the_session_that_asked() {
    let bench = small_bench();
    let set =
        json!({ "order": "set_point", "gate": "v1", "opening_pct": 30.0, "reason": "test of the valve" });
    let (_, shown) = bench.post("/api/v1/acts/preview", set).await;
    add(&bench, "wang", Role::ShiftLeader);
    let (_, wang, _) = sign_in(&bench, "wang", PASSWORD).await;
    let body = json!({ "request": "0123456789", "token": shown["token"] }).to_string();
    let other =
        send(&bench, fair("POST", "/api/v1/acts/confirm").header("cookie", pair(&wang.unwrap())), &body)
            .await;
    assert_eq!(other.status(), StatusCode::GONE);
}

#[test]
fn methods_of_the_list_are_methods() {
    for route in routes() {
        assert!(
            [Method::GET, Method::POST, Method::DELETE].iter().any(|method| method == route.method),
            "{route:?}"
        );
    }
}
