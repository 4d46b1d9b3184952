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

/// Where people's requests are refused in words, besides every file of the page and of its users.
const SOURCES: [&str; 18] = [
    "control/acts.rs",
    "control/advice.rs",
    "control/alarm/shelf.rs",
    "control/authority.rs",
    "control/carry.rs",
    "control/entered.rs",
    "control/incident/mod.rs",
    "control/mod.rs",
    "control/schedule/check.rs",
    "control/schedule/row.rs",
    "control/schedule/text.rs",
    "control/schedule/turn.rs",
    "control/ticket.rs",
    "control/warning.rs",
    "shell/archive.rs",
    "shell/cycle.rs",
    "shell/filings.rs",
    "shell/schedules/csv.rs",
];

/// Files with words that are no refusals on the page: the texts of metrics, certificates at the start, and what is wrong with a
/// forecast, which goes back in English under one code to the program that sent it.
const ELSEWHERE: [&str; 3] = ["shell/web/metrics.rs", "shell/web/tls.rs", "control/forecast/book.rs"];

/// Texts of these files that refuse nobody's request.
const OTHERS: [&str; 35] = [
    // Acts that were taken.
    "hold released",
    "mode set",
    "authority set",
    "{} acknowledged",
    "in force",
    "signed; it waits for another",
    "signed; it waits for more",
    "asked; it waits for the other signatures",
    "incident {number} is open",
    "calendar activated",
    // A list of limits, which the page words.
    "refused: {}",
    // Of files on this machine, said at start or on the command line.
    "look at",
    "format {}, not {FORMAT}",
    "{}: mode {mode:04o}, others on this machine may have read the hashes; `chmod 600 {}` and think of new passwords",
    "{}: {why}; set the file aside and make the users again with `qindan user add`",
    // Parts of a text that has its row: which line of a table, which incident.
    "line {line}",
    ", column {column}",
    "incident {incident}",
    // In the record, by names of the service.
    "by hand",
    "token {name}",
    "sent before its record was acknowledged",
    // In headers of answers.
    "{}; Max-Age={seconds}",
    "{}; Max-Age=0",
    "; Secure",
    "{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}",
    "camera=(), geolocation=(), microphone=()",
    "text/html; charset=utf-8",
    "text/plain; charset=utf-8",
    "text/csv; charset=utf-8",
    "attachment; filename=\"{id}.trace.txt\"",
    "attachment; filename=\"schedule-{of}.csv\"",
    "attachment; filename=\"{name}\"",
    // For who reads the sources.
    "nobody has control before the start",
    "bounded by the series on the other side",
    "serde asks by reference",
];

/// So begins the list of passwords that are tried everywhere.
const COMMON: &str = "password password1 ";

/// Rows said by libraries, or put together of parts.
const COMPOSED: [&str; 9] = [
    "body-not-json",
    "body-unfit",
    "body-no-json-type",
    "body-not-read",
    "query-unfit",
    "form-unfit",
    "limits",
    "line-column-value",
    "line-value",
];

/// Every file of sources below `folder`, by its path there.
fn files(folder: &str) -> Vec<String> {
    let root = format!("{}/src/", env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut folders) = (Vec::new(), vec![format!("{root}{folder}")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(name);
            } else if path.extension().is_some_and(|own| own == "rs") && !name.ends_with("tests.rs") {
                found.push(name[root.len()..].to_owned());
            }
        }
    }
    found.sort();
    found
}

fn source(name: &str) -> String {
    let path = format!("{}/src/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    // Parts for tests may stand anywhere; the tests of a file stand at its end.
    text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()
}

/// A text of the sources.
struct Text {
    said: String,
    /// What stands between it and the text before, without spaces.
    gap: String,
    /// It goes to the log.
    is_logged: bool,
}

/// All texts of `code`, in their order; comments have none.
fn texts(code: &str) -> Vec<Text> {
    let (mut out, mut gap, mut rest) = (Vec::new(), String::new(), code);
    // Parentheses open, and how many were where a log message began.
    let (mut depth, mut log, mut begins) = (0, None, false);
    while let Some(letter) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            continue;
        }
        let is_apart = !gap.ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let body = rest.strip_prefix('r').filter(|_| is_apart).map(|rest| rest.trim_start_matches('#'));
        let raw = body.and_then(|body| {
            let end = format!("\"{}", "#".repeat(rest.len() - 1 - body.len()));
            body.strip_prefix('"')?.split_once(&end)
        });
        let found = if letter == '"' {
            Some(literal(&rest[1..]))
        } else {
            raw.map(|(text, after)| (text.into(), after))
        };
        if let Some((text, after)) = found {
            out.push(Text { said: text, gap: std::mem::take(&mut gap), is_logged: log.is_some() });
            rest = after;
            continue;
        }
        // A letter, not the name of a lifetime.
        if letter == '\'' {
            let mut ahead = rest[1..].char_indices();
            let end = match ahead.next() {
                Some((_, '\\')) => rest[3..].find('\'').map(|end| end + 4),
                Some(_) => ahead.next().filter(|(_, next)| *next == '\'').map(|(at, _)| at + 2),
                None => None,
            };
            gap.push('x');
            rest = &rest[end.unwrap_or(1)..];
            continue;
        }
        begins |= rest.starts_with("tracing::");
        match letter {
            '(' => {
                if begins && log.is_none() {
                    log = Some(depth);
                }
                begins = false;
                depth += 1;
            }
            ')' => {
                depth -= 1;
                log = log.filter(|outside| *outside != depth);
            }
            ';' => begins = false,
            _ => {}
        }
        if !letter.is_whitespace() {
            gap.push(letter);
        }
        rest = &rest[letter.len_utf8()..];
    }
    out
}

/// The text that begins behind a quotation mark, and what stands after it.
fn literal(rest: &str) -> (String, &str) {
    let mut out = String::new();
    let mut letters = rest.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => match letters.next().unwrap() {
                '\n' => letters = letters.as_str().trim_start().chars(),
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    (out, letters.as_str())
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|letter| ('\u{2e80}'..='\u{ffef}').contains(&letter))
}

/// Several words in English for people, not marks of a page or a policy of its safety.
fn speaks(text: &str) -> bool {
    let plain = pieces(text).concat();
    text.trim().contains(' ')
        && plain.as_bytes().windows(2).any(|two| two.iter().all(u8::is_ascii_lowercase))
        && !text.contains(['<', '>'])
        && !text.contains("-src ")
        && !is_chinese(text)
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

/// Every text of the files that refuse has its row, or is known to refuse nobody; however it is made and handed on. A file of the
/// core that answers in words is one of these files, and every row is said somewhere.
#[test]
fn every_refusal_has_a_code_and_words_in_chinese() {
    let table: toml::Table = toml::from_str(&source("shell/web/problems.toml")).unwrap();
    let rows = table["problem"].as_table().unwrap();
    let parts = table["part"].as_table().unwrap();
    let known: Vec<_> = rows
        .values()
        .map(|words| words[0].as_str().unwrap())
        .chain(parts.keys().map(String::as_str))
        .collect();
    let mut sources: BTreeSet<_> = SOURCES.map(str::to_owned).into();
    sources.extend(files("shell/web").into_iter().chain(files("shell/people")));
    let (mut missing, mut idle) = (BTreeSet::new(), BTreeSet::from(OTHERS));
    for name in files("control") {
        let code: String = source(&name).split_whitespace().collect();
        let answers =
            code.split("Result<").skip(1).any(|rest| rest.split('{').next().unwrap().contains(",String>"));
        if answers && !sources.contains(&name) && !ELSEWHERE.contains(&name.as_str()) {
            missing.insert(format!("{name}: refuses in words; name it in SOURCES"));
        }
    }
    let mut found = 0;
    for name in sources.iter().filter(|name| !ELSEWHERE.contains(&name.as_str())) {
        let mut before = String::new();
        for Text { said: text, gap, is_logged } in texts(&source(name)) {
            // The English of a pair stands directly behind its Chinese.
            let is_pair = is_chinese(&before) && [",", "),&format!("].contains(&gap.as_str());
            before.clone_from(&text);
            if is_pair || is_logged || !speaks(&text) {
                continue;
            }
            found += 1;
            let is_other = OTHERS.contains(&text.as_str()) || text.starts_with(COMMON);
            idle.remove(text.as_str());
            if !is_other && !known.iter().any(|template| fits(template, &text)) {
                missing.insert(format!("{name}: {text}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    let said: Vec<_> = files("").iter().flat_map(|name| texts(&source(name))).map(|text| text.said).collect();
    let is_said = |template: &str| said.iter().any(|text| fits(template, text));
    idle.extend(
        rows.iter()
            .filter(|(code, _)| !COMPOSED.contains(&code.as_str()))
            .filter_map(|(code, words)| (!is_said(words[0].as_str().unwrap())).then_some(code.as_str())),
    );
    idle.extend(parts.keys().map(String::as_str).filter(|part| !is_said(part)));
    assert!(idle.is_empty(), "nobody says {idle:#?}");
    assert!(found > 250, "{found}");
}

/// The reader of sources sees what a refusal could hide behind.
#[test]
fn the_reader_of_sources_sees_every_text() {
    let code = "let a = 'x'; // \"no text\"\n fn f<'a>(b: &'a str) { warn('\\'', '\"'); tracing::error!(%e, \"to the log\"); }\n\
                Err(_) => tracing::warn!(\"log (two)\"), Ok(_) => say(\"one \\\n   line\"), x(r#\"raw \"text\"\"#, \"中文\", \"words\")";
    let found: Vec<_> = texts(code).into_iter().map(|text| (text.said, text.is_logged)).collect();
    let expected = [
        ("to the log", true),
        ("log (two)", true),
        ("one line", false),
        ("raw \"text\"", false),
        ("中文", false),
        ("words", false),
    ];
    assert_eq!(found, expected.map(|(text, is_logged)| (text.to_owned(), is_logged)));
    assert_eq!(texts(code).last().unwrap().gap, ",");
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

type Made = fn() -> Value;

/// Members of everything a person is, has or may, in the words of this service: none may be set by a request beside what it is for.
const OWN: [(&str, Made); 12] = [
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
        "/api/v1/schedule/activate" | "/api/v1/acts/confirm" => json!({ "request": request, "token": "x" }),
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
