//! Requests that nobody thought of: schemathesis, an independent fuzzer, makes them of `openapi.json` and sends them to a
//! running service. None may end in a server error, and nobody who has not signed in may bring anything about.
//! `QINDAN_FUZZ_EXAMPLES` is how many of each route, few when not given.

use std::path::Path;
use std::time::Duration;

use qindan::control::operator::Mode;
use qindan::control::record::Kind;
use qindan::shell::people::{Book, Scope};
use tokio::process::Command;

use crate::door;
use crate::running::{Bench, Folder, at_rest};
use crate::site::{self, Drive, Site};

const REMEDY: &str = "run ops/test once, or: python3 -m venv target/peers && target/peers/bin/pip install 'schemathesis==4.32.5'";
/// The test's own limit for one round of few examples; the campaign has its own.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Never ends, as it should: a stream is tried by other tests.
const STREAM: &str = "/api/v1/stream";

/// Sends what schemathesis makes of the description, as whoever the headers say, and tells how much that was; panics when it
/// finds something.
async fn fuzz(bench: &Bench, who: &str, headers: &[String], leave_out: &[&str]) -> String {
    let asked = std::env::var("QINDAN_FUZZ_EXAMPLES").ok();
    // The thousand borders of all parameters are for the campaign.
    let phases = if asked.is_some() { "examples,coverage,fuzzing" } else { "examples,fuzzing" };
    let examples = asked.unwrap_or_else(|| "6".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../peers/bin/schemathesis");
    let work = tempfile::tempdir().unwrap();
    let mut command = Command::new(&program);
    command.current_dir(work.path()).kill_on_drop(true);
    command.arg("run").arg(root.join("src/shell/web/openapi.json"));
    command.args(["--url", &format!("http://{}", bench.running.address())]);
    command.args(["--checks", "not_a_server_error", "--max-examples", &examples, "--seed", "20260501"]);
    command.args(["--phases", phases, "--request-timeout", "15", "--no-color"]);
    command.args(["--exclude-path", STREAM]);
    for path in leave_out {
        command.args(["--exclude-path", path]);
    }
    for header in headers {
        command.args(["--header", header]);
    }
    let run = tokio::time::timeout(PATIENCE, command.output()).await.expect("an end in time");
    let run = run.unwrap_or_else(|error| panic!("{}: {error}; {REMEDY}", program.display()));
    let said = [run.stdout, run.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(run.status.success(), "as {who}:\n{said}");
    let counted = said.lines().map(str::trim).filter(|line| line.contains(" generated, "));
    format!("schemathesis as {who}: {}", counted.collect::<Vec<_>>().join("; "))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_ends_in_a_server_error_and_nobody_unknown_brings_anything_about() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let bench = Bench::start(folder.options(site::config(&site.device, Mode::Manual), 1.0)).await;
    bench.until("at rest", at_rest).await;
    // Now: after the guessing that follows nobody signs in from here for a while.
    bench.page.control().await;
    let origin = format!("Origin: http://{}", bench.running.address());
    let book = std::fs::read(folder.root.path().join("people/people.json")).unwrap();
    println!("{}", fuzz(&bench, "nobody", std::slice::from_ref(&origin), &[]).await);
    // Nothing was written to the field, done, handed in or changed.
    assert!(site.written().is_empty(), "{:?}", site.written());
    assert_eq!(folder.of_kind(Kind::Lease).len(), 1, "the one above");
    for kind in [Kind::Operator, Kind::Forecast, Kind::Intent, Kind::Filing] {
        assert!(folder.of_kind(kind).is_empty(), "{:?}", folder.of_kind(kind));
    }
    let after = std::fs::read(folder.root.path().join("people/people.json")).unwrap();
    assert!(book == after, "the people were changed by nobody");

    let scopes = [Scope::Read, Scope::Forecast, Scope::Metrics].into();
    let token =
        Book::edit(folder.root.path(), |book| book.add_token("fuzz", scopes, door::now(), None)).unwrap();
    println!("{}", fuzz(&bench, "a token", &[format!("Authorization: Bearer {token}")], &[]).await);
    assert!(site.written().is_empty() && folder.of_kind(Kind::Operator).is_empty());

    // The shift leader with control may do nearly everything; only signing out would end the round.
    let session = format!("Cookie: {}", door::cookie(&folder.store[..8]));
    let leave_out = ["/api/v1/session", "/logout", "/account/end", "/account/password"];
    println!("{}", fuzz(&bench, "the shift leader", &[session, origin], &leave_out).await);
    assert_eq!(bench.page.get("/readyz").await, (200, "ready\n".into()));
    assert_eq!(bench.page.get("/api/v1/state").await.0, 200, "the session is still open");
    bench.end().await;
    folder.verify();
}
