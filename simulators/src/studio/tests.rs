use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use tower::util::ServiceExt;

use super::{Runs, router};

fn bench() -> (tempfile::TempDir, Arc<Runs>, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let config = crate::scenario::above("config").unwrap();
    let runs = Arc::new(Runs::open(folder.path(), Some(config.clone())).unwrap());
    (folder, runs, config)
}

async fn answer(request: Request<Body>) -> (StatusCode, String) {
    let (_folder, runs, config) = bench();
    let response = router(runs, config).oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn get(path: &str) -> axum::http::request::Builder {
    Request::get(path).header("host", "127.0.0.1:8090")
}

fn order(body: &str) -> Request<Body> {
    Request::post("/api/runs")
        .header("host", "127.0.0.1:8090")
        .header("content-type", "application/json")
        .header("x-qindan", "1")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused() {
    let own = get("/api/runs").header("origin", "http://127.0.0.1:8090").body(Body::empty()).unwrap();
    assert_eq!(answer(own).await, (StatusCode::OK, "[]".into()));
    let rebound = Request::get("/api/runs").header("host", "river.example").body(Body::empty()).unwrap();
    assert_eq!(answer(rebound).await.0, StatusCode::MISDIRECTED_REQUEST);
    let foreign = get("/api/runs").header("origin", "https://river.example").body(Body::empty()).unwrap();
    assert_eq!(answer(foreign).await.0, StatusCode::FORBIDDEN);
    let by_link = get("/api/runs").header("sec-fetch-site", "cross-site").body(Body::empty()).unwrap();
    assert_eq!(answer(by_link).await.0, StatusCode::FORBIDDEN);
    let form =
        Request::post("/api/runs").header("host", "localhost:8090").header("content-type", "text/plain");
    assert_eq!(answer(form.body(Body::from("{}")).unwrap()).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn no_path_leads_out_of_the_runs() {
    for path in [
        "/runs/1/..%2f..%2fsecret",
        "/runs/1/wish.json",
        "/runs/..%2f1/report.html",
        "/runs/1/report.html",
        "/compare?a=1&b=2",
    ] {
        let (status, _) = answer(get(path).body(Body::empty()).unwrap()).await;
        assert!(status == StatusCode::NOT_FOUND || status == StatusCode::BAD_REQUEST, "{path}: {status}");
    }
    for scenario in ["../may_dry", "/etc/hostname", "simulators/scenarios/may_dry.toml", ""] {
        let (status, words) = answer(order(&format!("{{\"scenario\":\"{scenario}\"}}"))).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{scenario}: {words}");
    }
}

#[tokio::test]
async fn a_bad_value_is_told_as_on_the_command_line() {
    let wish = r#"{"scenario":"may_dry","set":["control.min_intervall_s=900"]}"#;
    let (status, words) = answer(order(wish)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(words.contains("control.min_interval_s"), "{words}");
    assert_eq!(words.matches("nearest").count(), 1, "{words}");
    // The file the user has, not the copy that is gone by now.
    let (_, words) = answer(order(r#"{"scenario":"may_dry","set":["control.min_interval_s=-5"]}"#)).await;
    let file = crate::scenario::above("config").unwrap().join("basin.toml");
    assert!(words.contains(&file.display().to_string()) && words.contains("-5"), "{words}");
}

#[tokio::test]
async fn the_page_asks_nobody_else() {
    let (status, page) = answer(get("/").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    for text in [page.as_str(), include_str!("studio.js"), include_str!("studio.css")] {
        assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("innerHTML"));
    }
    assert_eq!(page.matches("SIMULATION 仿真</p>").count(), 4);
}

#[test]
fn a_waiting_run_is_called_off_and_leaves_nothing() {
    let (folder, runs, _) = bench();
    let wish = super::Wish { scenario: "may_dry".into(), set: Vec::new(), seed: None };
    let id = runs.order(wish).unwrap();
    assert!(runs.cancel(id));
    assert!(!runs.cancel(id));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
