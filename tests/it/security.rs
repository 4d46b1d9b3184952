//! What the known holes of this family of products would look like here: each is tried against the list of routes the
//! service mounts.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

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
const FORMS: &[&str] =
    &["/login", "/enter", "/first-run", "/logout", "/account/end", "/account/password", "/users", "/shift"];
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
fn fair(method: &str, path: &str) -> axum::http::request::Builder {
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

async fn send(bench: &Bench, request: axum::http::request::Builder, body: &str) -> Response<Body> {
    bench.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap()
}

/// Signs in as anybody would; the cookie as the browser would send it back.
async fn sign_in(bench: &Bench, name: &str, password: &str) -> (StatusCode, Option<String>, Value) {
    let body = json!({ "name": name, "password": password }).to_string();
    let response = send(bench, fair("POST", "/api/v1/session"), &body).await;
    let cookie = response.headers().get("set-cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
    let (status, body) = answer(response).await;
    (status, cookie, body)
}

fn pair(cookie: &str) -> String {
    cookie.split(';').next().unwrap().to_owned()
}

fn add(bench: &Bench, name: &str, role: Role) {
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
async fn two_installations_know_nothing_of_each_other() {
    let (one, other) = (small_bench(), small_bench());
    let (status, cookie, _) = sign_in(&one, USER, PASSWORD).await;
    let cookie = pair(&cookie.unwrap());
    assert_eq!(status, StatusCode::OK);
    let get = |bench: &Bench| {
        let request = fair("GET", "/api/v1/state").header("cookie", &cookie).body(Body::empty()).unwrap();
        bench.router.clone().oneshot(request)
    };
    assert_eq!(get(&one).await.unwrap().status(), StatusCode::OK);
    assert_eq!(get(&other).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn signing_in_tells_nothing_of_what_was_wrong() {
    let bench = small_bench();
    add(&bench, "wang", Role::Operator);
    Book::edit(bench.data.path(), |book| {
        book.user("wang")?.enabled = false;
        book.add("zhao", (Role::Viewer, None), "another sentence", door::now())
    })
    .unwrap();
    let clock = qindan::shell::clock::Clock::real();
    let mut seen = Vec::new();
    for (name, password) in [
        (USER, "wrong password"),
        ("nobody", PASSWORD),
        ("wang", PASSWORD),
        // The right password of somebody else.
        ("zhao", PASSWORD),
        (USER, ""),
    ] {
        let mark = clock.mark();
        let (status, cookie, body) = sign_in(&bench, name, password).await;
        seen.push((name, mark.elapsed()));
        assert_eq!((status, cookie), (StatusCode::UNAUTHORIZED, None), "{name}");
        assert_eq!(body, json!({ "error": "name or password is wrong" }), "{name}");
    }
    // The same work for each; a look-up alone would take a hundredth of it.
    let least = seen.iter().map(|(_, took)| *took).min().unwrap();
    let most = seen.iter().map(|(_, took)| *took).max().unwrap();
    println!("sign-ins refused: {seen:?}");
    assert!(least * 20 > most, "{seen:?}");
}

#[tokio::test]
async fn a_session_is_a_new_secret_at_each_sign_in_and_ends_when_told() {
    let bench = small_bench();
    let (_, first, _) = sign_in(&bench, USER, PASSWORD).await;
    let first = first.unwrap();
    for word in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"] {
        assert!(first.contains(word), "{first}");
    }
    assert!(!first.contains("Secure") && !first.contains("Domain"), "{first}");
    let value = pair(&first).split_once('=').unwrap().1.to_owned();
    assert_eq!(value.len(), 32, "128 bits");
    let status_of = async |cookie: &str| {
        send(&bench, fair("GET", "/api/v1/state").header("cookie", pair(cookie)), "").await.status()
    };
    // Signing in anew from the same browser: another secret, and the old one is worth nothing.
    let body = json!({ "name": USER, "password": PASSWORD }).to_string();
    let again = send(&bench, fair("POST", "/api/v1/session").header("cookie", pair(&first)), &body).await;
    let second = again.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert_ne!(pair(&first), pair(&second));
    assert_eq!(status_of(&first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status_of(&second).await, StatusCode::OK);
    let out = send(&bench, fair("DELETE", "/api/v1/session").header("cookie", pair(&second)), "{}").await;
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(status_of(&second).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn people_end_their_sessions_and_an_administrator_everybodys() {
    let bench = small_bench();
    add(&bench, "wang", Role::Operator);
    let (_, wang, _) = sign_in(&bench, "wang", PASSWORD).await;
    let wang = pair(&wang.unwrap());
    let page = async |cookie: &str| {
        let response = send(&bench, fair("GET", "/account").header("cookie", cookie), "").await;
        answer(response).await.1.as_str().unwrap().to_owned()
    };
    let mine = page(&wang).await;
    assert_eq!(mine.matches("name=\"session\"").count(), 1, "{mine}");
    let own_id = mine.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let end = async |cookie: &str, id: &str| {
        let request = fair("POST", "/account/end").header("cookie", cookie);
        send(&bench, request, &format!("session={id}")).await.status()
    };
    let leader = door::cookie("test");
    assert_eq!(end(&leader, &own_id).await, StatusCode::NOT_FOUND, "not his");
    bench.is_now(Role::Administrator);
    assert_eq!(page(&leader).await.matches("name=\"session\"").count(), 2);
    assert_eq!(end(&leader, &own_id).await, StatusCode::SEE_OTHER);
    assert_eq!(
        send(&bench, fair("GET", "/account").header("cookie", &wang), "").await.status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn another_password_ends_all_sessions_of_the_person() {
    let bench = small_bench();
    let leader = door::cookie("test");
    let change = async |form: &str| {
        let request = fair("POST", "/account/password").header("cookie", &leader);
        send(&bench, request, form).await.status()
    };
    let wrong = "old=not+it&new=sweet+water+8&again=sweet+water+8";
    assert_eq!(change(wrong).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(change("old=sweet+water+7&new=short&again=short").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        change("old=sweet+water+7&new=sweet+water+8&again=sweet+water+9").await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    // Nobody makes himself administrator by a further field.
    let more = "old=sweet+water+7&new=sweet+water+8&again=sweet+water+8&role=administrator";
    assert_eq!(change(more).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        change("old=sweet+water+7&new=sweet+water+8&again=sweet+water+8").await,
        StatusCode::SEE_OTHER
    );
    assert_eq!(bench.get("/api/v1/state").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(sign_in(&bench, USER, PASSWORD).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(sign_in(&bench, USER, "sweet water 8").await.0, StatusCode::OK);
    assert_eq!(Book::load(bench.data.path()).unwrap().users[USER].role, Role::ShiftLeader);
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
async fn who_is_disabled_is_out_at_once_with_the_stream_too() {
    let bench = small_bench();
    let stream = bench.get("/api/v1/stream").await;
    assert_eq!(stream.status(), StatusCode::OK);
    Book::edit(bench.data.path(), |book| {
        book.user(USER)?.enabled = false;
        Ok(())
    })
    .unwrap();
    assert_eq!(bench.get("/api/v1/state").await.status(), StatusCode::UNAUTHORIZED);
    // Ends instead of going on for ever.
    let rest = axum::body::to_bytes(stream.into_body(), 1 << 20);
    tokio::time::timeout(std::time::Duration::from_secs(10), rest).await.expect("the stream ends").unwrap();
    Book::edit(bench.data.path(), |book| {
        book.user(USER)?.enabled = true;
        Ok(())
    })
    .unwrap();
    assert_eq!(
        bench.get("/api/v1/state").await.status(),
        StatusCode::UNAUTHORIZED,
        "the session is gone for good"
    );
}

#[tokio::test]
async fn guessing_is_slowed_down_and_nobody_is_locked_out() {
    let bench = small_bench();
    for _ in 0..5 {
        assert_eq!(sign_in(&bench, "nobody1", "wrong password").await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(sign_in(&bench, "nobody2", "wrong password").await.0, StatusCode::UNAUTHORIZED);
    }
    let body = json!({ "name": USER, "password": PASSWORD }).to_string();
    let slowed = send(&bench, fair("POST", "/api/v1/session"), &body).await;
    assert_eq!(slowed.status(), StatusCode::TOO_MANY_REQUESTS);
    // 2 s after ten failures.
    assert_eq!(slowed.headers()["retry-after"], "2");
    assert_eq!(bench.web.people.failures(), 10);
    bench.wait(2);
    assert_eq!(sign_in(&bench, USER, PASSWORD).await.0, StatusCode::OK);
    bench.wait(300);
    assert_eq!(bench.web.people.failures(), 0);
}

#[tokio::test]
async fn there_is_no_account_before_the_first_run_code_was_used() {
    let bench = small_bench();
    fs::remove_file(path(bench.data.path())).unwrap();
    let code = Book::edit(bench.data.path(), Book::first_run).unwrap();
    for (name, password) in
        [("admin", "admin"), ("admin", "123456"), ("admin", ""), ("root", "root"), (USER, PASSWORD), ("", "")]
    {
        assert_eq!(sign_in(&bench, name, password).await.0, StatusCode::UNAUTHORIZED, "{name}");
    }
    bench.wait(600);
    let shown = send(&bench, fair("GET", "/"), "").await;
    assert_eq!(shown.status(), StatusCode::UNAUTHORIZED);
    assert!(answer(shown).await.1.as_str().unwrap().contains("action=\"/first-run\""));
    let first = async |code: &str, password: &str| {
        let form = format!("code={code}&name=Zhang.San&password={password}");
        send(&bench, fair("POST", "/first-run"), &form).await
    };
    assert_eq!(first("0123456789abcdef", "sweet+water+7").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(first(&code, "short").await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let made = first(&code, "sweet+water+7").await;
    assert_eq!(made.status(), StatusCode::SEE_OTHER);
    let cookie = pair(made.headers()["set-cookie"].to_str().unwrap());
    assert_eq!(
        send(&bench, fair("GET", "/account").header("cookie", cookie), "").await.status(),
        StatusCode::OK
    );
    assert_eq!(Book::load(bench.data.path()).unwrap().users["zhang.san"].role, Role::Administrator);
    let again = first(&code, "sweet+water+7").await;
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED, "once");
    assert_eq!(send(&bench, fair("GET", "/first-run"), "").await.headers()["location"], "/login");
}

#[tokio::test]
async fn a_link_signs_in_once_and_by_the_button_only() {
    let bench = small_bench();
    let code = Book::edit(bench.data.path(), |book| book.link(USER, door::now())).unwrap();
    for _ in 0..3 {
        let shown = send(&bench, fair("GET", "/enter").uri(format!("/enter?code={code}")), "").await;
        assert_eq!(
            (shown.status(), shown.headers().get("set-cookie")),
            (StatusCode::OK, None),
            "looking uses nothing up"
        );
    }
    let enter = async || send(&bench, fair("POST", "/enter"), &format!("code={code}")).await;
    assert_eq!(enter().await.status(), StatusCode::SEE_OTHER);
    assert_eq!(enter().await.status(), StatusCode::UNAUTHORIZED);
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
async fn a_hash_made_with_older_numbers_is_made_anew_at_the_next_sign_in() {
    let bench = small_bench();
    // Argon2id of "sweet water 7" with 4 MiB and three passes, made with the reference library (argon2-cffi 25.1).
    let old = "$argon2id$v=19$m=4096,t=3,p=1$c2FsdCBvZiB0aGUgdGVzdA$";
    let file = path(bench.data.path());
    let mut book: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let now = book["users"][USER]["password"].as_str().unwrap().to_owned();
    assert!(now.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{now}");
    book["users"][USER]["password"] = json!(format!("{old}{}", OLD_HASH));
    fs::write(&file, book.to_string()).unwrap();
    assert_eq!(sign_in(&bench, USER, "wrong password").await.0, StatusCode::UNAUTHORIZED);
    assert!(fs::read_to_string(&file).unwrap().contains(old), "only the right password makes it anew");
    assert_eq!(sign_in(&bench, USER, PASSWORD).await.0, StatusCode::OK);
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(old) && text.contains("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(sign_in(&bench, USER, PASSWORD).await.0, StatusCode::OK);
}

const OLD_HASH: &str = "gEY65kPcQDFTF/FI/nICT9Jmnj7VjrPS6FUG80tQaPk";

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
