//! What the service says when it refuses: problem details (RFC 9457) with a code, the words in both languages, and nothing of
//! its inside.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::StatusCode;
use qindan::shell::people::Role;
use qindan::shell::web::routes;
use serde_json::{Value, json};

use crate::door;
use crate::security::{add, fair, send};
use crate::web::{Bench, answer, small_bench, text};

/// Where people's requests are refused in words.
const SOURCES: [&str; 38] = [
    "control/acts.rs",
    "control/advice.rs",
    "control/alarm/shelf.rs",
    "control/authority.rs",
    "control/entered.rs",
    "control/incident/mod.rs",
    "control/schedule/turn.rs",
    "control/ticket.rs",
    "control/warning.rs",
    "shell/filings.rs",
    "shell/people/admin.rs",
    "shell/people/lease.rs",
    "shell/people/notes.rs",
    "shell/people/mod.rs",
    "shell/web/account.rs",
    "shell/web/acts.rs",
    "shell/web/assets.rs",
    "shell/web/auth.rs",
    "shell/web/control.rs",
    "shell/web/doors.rs",
    "shell/web/filings.rs",
    "shell/web/filings_page.rs",
    "shell/web/forecasts.rs",
    "shell/web/guard.rs",
    "shell/web/mod.rs",
    "shell/web/permits.rs",
    "shell/web/query.rs",
    "shell/web/schedule.rs",
    "shell/web/screens.rs",
    "shell/web/shift.rs",
    "shell/web/shift_page.rs",
    "shell/web/simulated.rs",
    "shell/web/stream.rs",
    "shell/web/tokens.rs",
    "shell/web/users.rs",
    "shell/web/users_page.rs",
    "shell/web/whatif.rs",
    "shell/archive.rs",
];

/// What stands before a text that refuses.
const BEFORE: [&str; 11] = [
    "failure(",
    "Answer::refused(",
    "Err(",
    "Err(format!(",
    "ok_or(",
    "ok_or_else(|| format!(",
    "map_err(|_| format!(",
    "map_err(|_| ",
    "wrong.push(",
    "wrong.push(format!(",
    "let why =",
];

/// Texts of these files that refuse nobody's request: of files on this machine, said at start or on the command line.
const OTHERS: [&str; 5] = [
    "{}: {what}: {source}",
    "{}: mode {mode:04o}, others on this machine may have read the hashes; `chmod 600 {}` and think of new passwords",
    "{}: {why}; set the file aside and make the users again with `qindan user add`",
    "{0}",
    // A list of limits, which the page words.
    "refused: {}",
];

fn source(name: &str) -> String {
    let path = format!("{}/src/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}

/// The text that begins at the quotation mark before `rest`.
fn literal(rest: &str) -> String {
    let mut out = String::new();
    let mut letters = rest.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => match letters.next().unwrap() {
                '\n' => {
                    let skipped = letters.as_str().trim_start();
                    letters = skipped.chars();
                }
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    out
}

/// What stands around the names in braces.
fn pieces(text: &str) -> Vec<&str> {
    text.split('{').map(|piece| piece.split_once('}').map_or(piece, |(_, rest)| rest)).collect()
}

/// Whether a text, with its own names in braces standing for something, is what a template says.
fn fits(template: &str, text: &str) -> bool {
    let said = pieces(text).join("\u{1}");
    let pieces = pieces(template);
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return false };
    let Some(mut rest) = said.strip_prefix(first) else { return false };
    for piece in pieces.iter().skip(1) {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    said.ends_with(last) && (pieces.len() > 1 || said == *first)
}

/// The text a refusal is followed by, perhaps behind its status.
fn refused(after: &str) -> Option<String> {
    let mut rest = after.trim_start();
    if let Some((status, behind)) = rest.split_once(',')
        && (status.starts_with("StatusCode::") || status == "status" || status == "unfit")
    {
        rest = behind.trim_start();
    }
    rest = rest.strip_prefix('&').unwrap_or(rest);
    rest = rest.strip_prefix("format!(").unwrap_or(rest).trim_start();
    rest.strip_prefix('"').map(literal)
}

/// Every text by which a request can be refused has its code and its Chinese.
#[test]
fn every_refusal_has_a_code_and_words_in_chinese() {
    let table: toml::Table = toml::from_str(&source("shell/web/problems.toml")).unwrap();
    let known: Vec<_> =
        table["problem"].as_table().unwrap().values().map(|words| words[0].as_str().unwrap()).collect();
    let mut missing = BTreeSet::new();
    let mut found = 0;
    for name in SOURCES {
        let code = source(name);
        let mut texts: Vec<_> = code
            .match_indices("#[error(")
            .filter_map(|(at, mark)| code[at + mark.len()..].trim_start().strip_prefix('"').map(literal))
            .collect();
        for before in BEFORE {
            texts.extend(
                code.match_indices(before).filter_map(|(at, mark)| refused(&code[at + mark.len()..])),
            );
        }
        for text in texts.into_iter().filter(|text| text.contains(' ') && !OTHERS.contains(&text.as_str())) {
            found += 1;
            if !known.iter().any(|template| fits(template, &text)) {
                missing.insert(format!("{name}: {text}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(found > 120, "{found}");
}

/// What a problem must have; its words for whoever reads the error.
fn is_problem(status: StatusCode, kind: &str, body: &Value) -> bool {
    let text = |key: &str| body[key].as_str().is_some_and(|text| !text.is_empty());
    kind == "application/problem+json"
        && body["status"] == status.as_u16()
        && ["type", "title", "detail"].into_iter().all(text)
        && body["error"] == body["detail"]
        && body["code"].is_null() == (body["type"] == "about:blank")
}

async fn ask(
    bench: &Bench,
    request: axum::http::request::Builder,
    body: &str,
) -> (StatusCode, String, String) {
    let response = send(bench, request, body).await;
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    (response.status(), kind.unwrap_or_default(), text(response).await)
}

/// Nothing of files, sources, threads or stacks stands in what is answered.
fn is_innocent(answer: &str) -> bool {
    let inner = [
        "/root",
        "/work",
        "/tmp",
        "/home",
        "/var/",
        "/usr",
        ".rs:",
        "panicked",
        "RUST_BACKTRACE",
        "backtrace",
        "sled",
        "thread '",
    ];
    !inner.iter().any(|word| answer.contains(word))
}

/// Whatever is sent wrong to whichever route: the answer of an API route is a problem, and tells nothing of the inside.
#[tokio::test]
async fn whatever_is_wrong_is_answered_by_a_problem_without_internals() {
    let bench = small_bench();
    let long = "x".repeat(4000);
    let bodies = ["", "{", "[]", "{\"a\":1}", "null", long.as_str(), "\u{0}\u{ffff}"];
    let mut seen = 0;
    for route in routes() {
        for method in ["GET", "POST", "DELETE", "PUT"] {
            for (known, body) in [(false, "{}"), (true, bodies[seen % bodies.len()]), (true, "{}")] {
                let mut request = fair(method, route.path);
                if known {
                    request = door::with_session(request);
                }
                let leaves =
                    matches!((method, route.path), ("POST", "/logout") | ("DELETE", "/api/v1/session"));
                if known && (leaves || (method, route.path) == ("GET", "/api/v1/stream")) {
                    continue;
                }
                let (status, kind, said) = ask(&bench, request, body).await;
                if !(status.is_client_error() || status.is_server_error()) {
                    continue;
                }
                assert!(is_innocent(&said), "{method} {} {status}: {said}", route.path);
                // Pages for people say it as pages.
                if !route.path.starts_with("/api/") {
                    continue;
                }
                seen += 1;
                let parsed: Value =
                    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{said}: {error}"));
                assert!(
                    is_problem(status, &kind, &parsed),
                    "{method} {} {status} {kind}: {said}",
                    route.path
                );
                assert!(parsed["code"].is_string(), "{method} {}: no code for {said}", route.path);
            }
        }
    }
    assert!(seen > 300, "{seen}");
    // What of the inside fails goes to the log.
    for path in [
        "/api/v1/records",
        "/api/v1/actions",
        "/api/v1/alarms",
        "/api/v1/reports/%2e%2e%2fpasswd",
        "/nowhere",
        "/api/v1/records/99999999999999999999",
    ] {
        let (status, kind, said) = ask(&bench, door::with_session(fair("GET", path)), "").await;
        assert!(status.is_success() || is_innocent(&said), "{path}: {said}");
        assert!(status.is_success() || kind == "application/problem+json", "{path} {status} {kind}");
    }
}

/// Members of everything a person is, has or may, in the words of this service: none may be set by a request beside what it is for.
const OWN: [(&str, fn() -> Value); 12] = [
    ("role", || json!("administrator")),
    ("who", || json!("wang")),
    ("user", || json!("wang")),
    ("address", || json!("10.0.0.1")),
    ("session", || json!("0123456789abcdef")),
    ("gates", || Value::Null),
    ("by", || json!("wang")),
    ("may", || json!({ "administer": true })),
    ("enabled", || json!(true)),
    ("scopes", || json!(["metrics"])),
    ("is_admin", || json!(true)),
    ("__proto__", || json!({ "role": "administrator" })),
];

/// A body each route of the table takes as far as its fields go; no other field may be added to any of them.
fn body_of(path: &str) -> Option<Value> {
    let request = "0123456789";
    Some(match path {
        "/api/v1/session" => json!({ "name": "li", "password": "x" }),
        "/api/v1/schedule/draft" => json!({ "base": null, "entries": [] }),
        "/api/v1/schedule/discard" => json!({ "hash": "x" }),
        "/api/v1/schedule/preview" => json!({}),
        "/api/v1/schedule/activate" => json!({ "request": request, "token": "x" }),
        "/api/v1/filings" => {
            json!({ "request": request, "filing": { "sections": ["ford"], "kind": "flood", "from_s": 1, "to_s": 2, "document": "x", "reason": "x" } })
        }
        "/api/v1/filings/verdict" => {
            json!({ "request": request, "filing": 1, "verdict": "approved", "password": "x" })
        }
        "/api/v1/notes" => json!({ "text": "x" }),
        "/api/v1/acts/hold-all" => json!({ "request": request }),
        "/api/v1/acts/stop" => json!({ "request": request, "gate": "v1" }),
        "/api/v1/acts/acknowledge" => json!({ "request": request, "alarm": "A05:v1" }),
        "/api/v1/acts/preview" => json!({ "order": "release_hold" }),
        "/api/v1/acts/confirm" => json!({ "request": request, "token": "x" }),
        "/api/v1/control/take" | "/api/v1/control/ask" => json!({ "rivers": ["alder"], "password": "x" }),
        "/api/v1/control/hand-over" | "/api/v1/control/release" => json!({ "rivers": ["alder"] }),
        "/api/v1/users" => json!({ "change": "enable", "name": "li", "password": "x" }),
        _ => return None,
    })
}

/// Of the list of routes itself: a route that changes something and is not tried here fails the test.
#[tokio::test]
async fn no_route_takes_what_it_was_not_made_for() {
    let bench = small_bench();
    add(&bench, "gao", Role::Administrator);
    let (_, admin, _) = crate::security::sign_in(&bench, "gao", door::PASSWORD).await;
    let admin = crate::security::pair(&admin.unwrap());
    // Forecasts and calendars as text have no fields of people; forms are held below.
    let texts = ["/api/v1/forecasts", "/api/v1/schedule/import"];
    for route in
        routes().into_iter().filter(|route| route.method == "POST" && route.path.starts_with("/api/"))
    {
        let Some(fair_body) = body_of(route.path) else {
            assert!(texts.contains(&route.path), "{}: give it a body in body_of", route.path);
            continue;
        };
        for (key, value) in OWN {
            let mut body = fair_body.clone();
            if !body[key].is_null() {
                continue;
            }
            body[key] = value();
            let request = if route.path == "/api/v1/users" {
                fair("POST", route.path).header("cookie", &admin)
            } else {
                door::with_session(fair("POST", route.path))
            };
            let (status, said) = answer(send(&bench, request, &body.to_string()).await).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{} {key}: {said}", route.path);
            assert!(said["detail"].as_str().unwrap().contains(key), "{} {key}: {said}", route.path);
        }
    }
    for route in
        routes().into_iter().filter(|route| route.method == "POST" && !route.path.starts_with("/api/"))
    {
        // It has no fields, and ends the session this goes on with.
        if route.path == "/logout" {
            continue;
        }
        for key in ["role2", "who", "address", "is_admin"] {
            let request = if route.path == "/users" {
                fair("POST", route.path).header("cookie", &admin)
            } else {
                door::with_session(fair("POST", route.path))
            };
            let request = request.body(Body::from(format!("{key}=x"))).unwrap();
            let response = tower::ServiceExt::oneshot(bench.router.clone(), request).await.unwrap();
            assert!(response.status().is_client_error(), "{} {key}: {}", route.path, response.status());
        }
    }
    let book = qindan::shell::people::Book::load(bench.data.path()).unwrap();
    let told = format!("{book:?}");
    assert!(!told.contains("is_admin") && !told.contains("metrics"), "{told}");
}
