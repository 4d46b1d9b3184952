//! The page and its API: routes, headers, refusals, previews and the event stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use futures_util::{FutureExt, StreamExt};
use qindan::config::Config;
use qindan::control::Now;
use qindan::control::operator::{OperatorAct, Order};
use qindan::control::status::Status;
use qindan::points::LinkId;
use qindan::shell::archive::Archive;
use qindan::shell::field::engine::Counters;
use qindan::shell::people::{Book, Role};
use qindan::shell::trend::Trends;
use qindan::shell::web::{
    ActAnswer, ActRequest, ActionRow, Actions, Health, LinkRow, RealTime, WebState, preview, router, routes,
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tower::ServiceExt;

use crate::{archived, door, fixture};

/// A page on the small basin with a hand on every input.
pub(crate) struct Bench {
    pub(crate) web: WebState,
    pub(crate) router: Router,
    pub(crate) status: watch::Sender<Arc<Status>>,
    pub(crate) acts: mpsc::Receiver<ActRequest>,
    real_s: Arc<AtomicU64>,
    /// Its data folder, with the people.
    pub(crate) data: tempfile::TempDir,
}

/// What the page needs to run on `config`, with the other ends of its channels.
pub(crate) fn state(
    config: Config,
    status: Status,
    time: RealTime,
    data: &std::path::Path,
) -> (WebState, watch::Sender<Arc<Status>>, mpsc::Receiver<ActRequest>) {
    let (sender, receiver) = watch::channel(Arc::new(status));
    let (acts, taken) = mpsc::channel(8);
    let (offers, _) = mpsc::channel(8);
    let people = door::people(data, &config, time.clone());
    let web = WebState {
        config: Arc::new(config),
        status: receiver,
        acts,
        offers,
        actions: Arc::new(|limit| {
            let rows = (0..limit.min(3) as u64).rev().map(row).collect();
            async move { Ok(Actions { rows, view: None }) }.boxed()
        }),
        trends: Trends::default(),
        health: Arc::new(|| Health {
            links: vec![LinkRow {
                id: "dam".into(),
                up: true,
                counters: Counters {
                    requests: 12,
                    timeouts: 1,
                    codes: [1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                    ..Counters::default()
                },
                ..LinkRow::default()
            }],
            counters: Vec::new(),
        }),
        traces: Arc::new(|link| (link == LinkId(0)).then(|| "1.000 > 00 01\n".to_owned())),
        archive: None,
        schedules: Arc::default(),
        preview: Arc::new(preview::preview),
        time,
        people,
        simulated_river: None,
    };
    (web, sender, taken)
}

pub(crate) fn bench(config: Config, status: Status) -> Bench {
    benched(config, status, None)
}

/// With a data folder behind it.
pub(crate) fn with_archive(config: Config, status: Status, archive: Archive) -> Bench {
    benched(config, status, Some(archive))
}

fn benched(config: Config, status: Status, archive: Option<Archive>) -> Bench {
    let real_s = Arc::new(AtomicU64::new(100));
    let clock = real_s.clone();
    let time = RealTime::new(move || {
        let s = clock.load(Ordering::SeqCst);
        Now { mono: Duration::from_secs(s), utc: door::now() }
    });
    let data = tempfile::tempdir().unwrap();
    door::furnish(data.path());
    let (mut web, status, acts) = state(config, status, time, data.path());
    web.archive = archive;
    door::in_control(&web.people);
    Bench { router: router(web.clone()), web, status, acts, real_s, data }
}

fn row(seq: u64) -> ActionRow {
    ActionRow {
        seq,
        utc: fixture::utc(seq as i64),
        kind: "intent".into(),
        actor: "dispatch".into(),
        gate: Some("v1".into()),
        from: Some(0.21),
        to: Some(0.24),
        because: json!([{ "because": "season_lock" }]),
        limits: json!([]),
        outcome: json!({ "state": "verified" }),
        took_ms: Some(48_000),
        detail: Value::Null,
    }
}

pub(crate) fn small_bench() -> Bench {
    let config = fixture::small();
    let status = fixture::status(&config);
    bench(config, status)
}

impl Bench {
    pub(crate) async fn get(&self, path: &str) -> Response<Body> {
        let request = door::with_session(Request::get(path)).header("host", "127.0.0.1:8080");
        let request = request.body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.router.clone().oneshot(own(path, &body)).await.unwrap()).await
    }

    /// Posts while playing the cycle: takes the next act, if one comes, and answers it.
    pub(crate) async fn post_taken(
        &mut self,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value, Option<OperatorAct>) {
        let request = self.router.clone().oneshot(own(path, &body));
        let mut seen = None;
        let cycle = async {
            if let Some((act, reply)) = self.acts.recv().await {
                seen = Some(act);
                let _ = reply.send(Ok(ActAnswer { tick: 7, record: Some(99) }));
            }
            std::future::pending::<()>().await;
        };
        let response =
            tokio::select! { response = request => response.unwrap(), () = cycle => unreachable!() };
        let (status, body) = answer(response).await;
        (status, body, seen)
    }

    /// The person of the open session has another role now.
    pub(crate) fn is_now(&self, role: Role) {
        Book::edit(self.data.path(), |book| {
            book.user(door::USER)?.role = role;
            Ok(())
        })
        .unwrap();
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.real_s.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Status)) {
        let mut status = (**self.status.borrow()).clone();
        change(&mut status);
        self.status.send_replace(Arc::new(status));
    }
}

pub(crate) fn own(path: &str, body: &Value) -> Request<Body> {
    door::with_session(Request::post(path))
        .header("host", "127.0.0.1:8080")
        .header("origin", "http://127.0.0.1:8080")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/json")
        .header("x-qindan", "1")
        .body(Body::from(body.to_string()))
        .unwrap()
}

pub(crate) async fn answer(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body))))
}

/// The body of a response as text.
pub(crate) async fn text(response: Response<Body>) -> String {
    let body = to_bytes(response.into_body(), 1 << 24).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn every_route_answers_with_the_headers_of_the_house() {
    let config = fixture::small();
    let status = fixture::status(&config);
    let (_folder, archive) = archived::filled(&config);
    let bench = with_archive(config, status, archive);
    bench.web.schedules.change(|kept| kept.versions.push(crate::schedule::version_one())).unwrap();
    for route in routes() {
        let path = match route.path {
            "/api/v1/schedule/versions/{version}" => "/api/v1/schedule/versions/1",
            "/assets/{*name}" => "/assets/app.js",
            "/api/v1/trends" => "/api/v1/trends?series=section:ford",
            "/api/v1/links/{id}/trace" => "/api/v1/links/dam/trace",
            "/api/v1/meters/{id}" => "/api/v1/meters/q.ford",
            "/api/v1/gates/{id}/what-if" => "/api/v1/gates/v1/what-if?opening_pct=40",
            "/api/v1/records/{seq}" => "/api/v1/records/1",
            "/api/v1/reports/{name}" => "/api/v1/reports/daily_2026-05-17_0800.en.html",
            "/api/v1/history" => "/api/v1/history?series=meter:q.ford&from_s=1779000000&to_s=1779080000",
            "/api/v1/incident-log" => "/api/v1/incident-log?incident=1",
            other => other,
        };
        let response = bench.get(path).await;
        let has_get = routes().iter().any(|other| other.path == route.path && other.method == "GET");
        let expected = match route.path {
            _ if !has_get => StatusCode::METHOD_NOT_ALLOWED,
            // The shift leader is no engineer; there is a user.
            "/api/v1/links/{id}/trace" | "/api/v1/users" | "/users" => StatusCode::FORBIDDEN,
            "/first-run" => StatusCode::SEE_OTHER,
            _ => StatusCode::OK,
        };
        let route = route.path;
        assert_eq!(response.status(), expected, "{route}");
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{route}"
        );
        assert!(!policy.contains("unsafe"), "{route}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{route}");
        let made_here = ["/login", "/enter", "/account", "/status", "/shift", "/filings"].contains(&route);
        let referrer = if made_here { "same-origin" } else { "no-referrer" };
        assert_eq!(headers["referrer-policy"], referrer, "{route}");
    }
    assert_eq!(bench.get("/nowhere").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_api_description_tells_every_method_of_every_route() {
    let (_, description) = answer(small_bench().get("/api/v1/openapi.json").await).await;
    assert!(description["openapi"].as_str().unwrap().starts_with("3."));
    let (mut described, mut listed) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, about) in methods.as_object().unwrap() {
            let route = format!("{} {path}", method.to_uppercase());
            let responses = about["responses"].as_object().unwrap();
            assert!(about["summary"].as_str().is_some_and(|words| !words.is_empty()), "{route}");
            assert!(responses.keys().any(|code| code.starts_with('2') || code.starts_with('3')), "{route}");
            let refused = &responses["default"]["content"];
            if path.starts_with("/api/") {
                assert!(refused["application/problem+json"].is_object(), "{route}");
            }
            // What stands in braces is described, and what is sent has a form.
            let named = about["parameters"].as_array().into_iter().flatten();
            let named: Vec<_> = named.filter_map(|one| one["name"].as_str()).collect();
            let braces = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
            braces.for_each(|name| assert!(named.contains(&name), "{route}: {name}"));
            described.insert(route);
        }
    }
    for route in routes() {
        listed.insert(format!("{} {}", route.method, route.path.replace("{*name}", "{name}")));
    }
    assert_eq!(described, listed);
}

#[tokio::test]
async fn requests_for_other_hosts_are_refused() {
    let bench = small_bench();
    for host in ["evil.example", "127.0.0.1.evil.example:8080", "10.1.2.3:8080"] {
        for path in ["/", "/api/v1/state", "/metrics"] {
            let request = Request::get(path).header("host", host).body(Body::empty()).unwrap();
            let response = bench.router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST, "{host}{path}");
        }
    }
    let nameless = Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(
        bench.router.clone().oneshot(nameless).await.unwrap().status(),
        StatusCode::MISDIRECTED_REQUEST
    );
}

#[tokio::test]
async fn acts_from_elsewhere_are_refused() {
    let bench = small_bench();
    let base: [(&str, &str); 5] = [
        ("host", "127.0.0.1:8080"),
        ("origin", "http://127.0.0.1:8080"),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/json"),
        ("x-qindan", "1"),
    ];
    let cases = [
        ("origin", Some("http://evil.example"), StatusCode::FORBIDDEN),
        ("origin", Some("null"), StatusCode::FORBIDDEN),
        ("origin", Some("http://127.0.0.1:9090"), StatusCode::FORBIDDEN),
        ("sec-fetch-site", Some("cross-site"), StatusCode::FORBIDDEN),
        ("sec-fetch-site", Some("same-site"), StatusCode::FORBIDDEN),
        ("sec-fetch-site", Some("none"), StatusCode::FORBIDDEN),
        ("x-qindan", None, StatusCode::FORBIDDEN),
        ("x-qindan", Some("true"), StatusCode::FORBIDDEN),
        ("content-type", Some("text/plain"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("content-type", Some("application/x-www-form-urlencoded"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("content-type", None, StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ];
    for path in routes().iter().map(|route| route.path).filter(|path| path.contains("/acts/")) {
        for (name, value, expected) in cases {
            let mut request = door::with_session(Request::builder().method(Method::POST).uri(path));
            for (key, usual) in base {
                match (key == name, value) {
                    (true, Some(value)) => request = request.header(key, value),
                    (true, None) => {}
                    (false, _) => request = request.header(key, usual),
                }
            }
            let body = Body::from(json!({ "request": "12345678" }).to_string());
            let response = bench.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
            assert_eq!(response.status(), expected, "{path} {name} {value:?}");
        }
    }
}

#[tokio::test]
async fn a_foreign_page_reads_nothing() {
    let bench = small_bench();
    for (name, value) in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")] {
        for path in ["/api/v1/stream", "/api/v1/state", "/api/v1/actions"] {
            let request =
                door::with_session(Request::get(path)).header("host", "localhost").header(name, value);
            let response = bench.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path} {name}");
        }
    }
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let body = json!({ "request": "x".repeat(20_000) });
    let (status, _) = small_bench().post("/api/v1/acts/hold-all", body).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn hold_all_reaches_the_cycle_once_per_request() {
    let mut bench = small_bench();
    let body = json!({ "request": "0123456789" });
    let (status, first, act) = bench.post_taken("/api/v1/acts/hold-all", body.clone()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(first["taken"], json!({ "tick": 7, "record": 99 }));
    assert_eq!(act.unwrap().order, Order::HoldAll);
    let (status, second, act) = bench.post_taken("/api/v1/acts/hold-all", body).await;
    assert_eq!((status, second, act), (StatusCode::OK, first, None));
}

#[tokio::test]
async fn an_act_needs_an_identifier() {
    let bench = small_bench();
    let (status, _) = bench.post("/api/v1/acts/hold-all", json!({ "request": "short" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = bench.post("/api/v1/acts/hold-all", json!({ "request": "12345678", "more": 1 })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn without_a_cycle_acts_are_refused_and_ready_says_no() {
    let Bench { router, acts, status, data: _data, .. } = small_bench();
    drop((acts, status));
    let body = json!({ "request": "0123456789" });
    let response = router.clone().oneshot(own("/api/v1/acts/hold-all", &body)).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let ready = Request::get("/readyz").header("host", "localhost").body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(ready).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_old_state_is_not_ready() {
    let bench = small_bench();
    assert_eq!(bench.get("/readyz").await.status(), StatusCode::OK);
    bench.wait(6);
    assert_eq!(bench.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(bench.get("/healthz").await.status(), StatusCode::OK);
}

/// Collects events of a stream as (event, id, data).
struct Events(axum::body::BodyDataStream, String);

impl Events {
    async fn open(bench: &Bench, last: Option<&str>) -> Self {
        let mut request = door::with_session(Request::get("/api/v1/stream")).header("host", "localhost");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = bench.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(response.into_body().into_data_stream(), String::new())
    }

    async fn next(&mut self) -> (String, String, Value) {
        loop {
            if let Some((event, rest)) = self.1.split_once("\n\n") {
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or_default()
                        .trim()
                        .to_owned()
                };
                let found = (field("event:"), field("id:"), serde_json::from_str(&field("data:")).unwrap());
                self.1 = rest.into();
                return found;
            }
            let chunk = self.0.next().await.unwrap().unwrap();
            self.1.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn next_of(&mut self, kinds: &[&str]) -> (String, String, Value) {
        loop {
            let event = self.next().await;
            if kinds.contains(&event.0.as_str()) {
                return event;
            }
        }
    }
}

#[tokio::test]
async fn the_stream_begins_with_the_whole_state_and_goes_on_with_changes() {
    let bench = small_bench();
    let mut events = Events::open(&bench, None).await;
    let (kind, id, state) = events.next().await;
    assert_eq!(kind, "full");
    assert_eq!(state["sections"][1]["reading"]["v"], 1.6305);
    assert_eq!(state["data"], json!({ "good": 4, "total": 4, "at": 29999.0 }));
    let (kind, _, beat) = events.next().await;
    assert_eq!((kind.as_str(), &beat["state_age_s"]), ("beat", &json!(0.0)));

    bench.change(|s| s.sections[1].reading = fixture::good(1.7, 0));
    let (kind, next, change) = events.next_of(&["full", "patch"]).await;
    assert_eq!(kind, "patch");
    assert_eq!(change["base"], state["seq"]);
    assert_eq!(change["patch"], json!({ "sections": { "1": { "reading": { "v": 1.7, "at": 30_000.0 } } } }));
    assert_ne!(id, next);

    let mut back = Events::open(&bench, Some(&id)).await;
    assert_eq!(back.next_of(&["full", "patch"]).await.0, "patch", "one frame missed: the patch is enough");
    let mut stranger = Events::open(&bench, Some("otherboot-1")).await;
    assert_eq!(stranger.next_of(&["full", "patch"]).await.0, "full", "another boot: all of it");
}

#[tokio::test]
async fn a_status_without_any_value_is_shown() {
    let config = fixture::small();
    let status = fixture::empty_status(&config);
    let bench = bench(config, status);
    let (code, state) = answer(bench.get("/api/v1/state").await).await;
    assert_eq!(code, StatusCode::OK);
    assert_eq!(state["sections"][0]["reading"], json!({ "q": "bad", "r": "never_read" }));
    assert_eq!(state["data"]["good"], 0);
}

#[tokio::test]
async fn trends_answer_with_gaps() {
    let bench = small_bench();
    let series = qindan::shell::trend::Series::Section(1);
    bench.web.trends.preload(series, [(fixture::utc(-600), 1.6), (fixture::utc(-480), 1.7)]);
    let path = "/api/v1/trends?series=section:ford,gate:v1&hours=0.2&points=100";
    let (status, body) = answer(bench.get(path).await).await;
    assert_eq!(status, StatusCode::OK);
    let ford = &body["series"]["section:ford"];
    assert_eq!(ford["step_s"], 60);
    let known: Vec<f64> = ford["mean"].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    assert_eq!(known[..2], [1.6, 1.7]);
    assert!(ford["mean"].as_array().unwrap().iter().any(Value::is_null));
    for bad in ["series=section:nowhere", "series=ford", "series=section:ford&hours=2209", "hours=1"] {
        let response = bench.get(&format!("/api/v1/trends?{bad}")).await;
        assert!(response.status().is_client_error(), "{bad}");
    }
}

#[tokio::test]
async fn the_action_log_is_served_newest_first() {
    let (_, body) = answer(small_bench().get("/api/v1/actions?limit=2").await).await;
    let rows = body["actions"].as_array().unwrap();
    assert_eq!(
        (rows.len(), &rows[0]["seq"], &rows[0]["outcome"]["state"]),
        (2, &json!(1), &json!("verified"))
    );
}

#[tokio::test]
async fn the_last_frames_of_a_link_are_a_file() {
    let bench = small_bench();
    bench.is_now(Role::Engineer);
    let response = bench.get("/api/v1/links/dam/trace").await;
    assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"dam.trace.txt\"");
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    assert_eq!(&body[..], b"1.000 > 00 01\n");
    assert_eq!(bench.get("/api/v1/links/weir/trace").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn metrics_speak_the_prometheus_format() {
    let response = small_bench().get("/metrics").await;
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let text = std::str::from_utf8(&body).unwrap();
    for line in [
        "qindan_section_flow_m3s{section=\"ford\"} 1.6305",
        "qindan_section_floor_m3s{section=\"ford\"} 1.5",
        "qindan_mode{mode=\"automatic\"} 1",
        "qindan_alarms{priority=\"2\"} 1",
        "qindan_points{quality=\"good\"} 4",
        "qindan_link_timeouts_total{link=\"dam\"} 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
    }
    let families = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert!(families >= 12, "{families}");
}

#[tokio::test]
async fn assets_are_compressed_and_revalidated() {
    let bench = small_bench();
    let plain = bench.get("/assets/app.css").await;
    let etag = plain.headers()["etag"].clone();
    let plain = to_bytes(plain.into_body(), 1 << 20).await.unwrap();
    let get = |name: &'static str, value: &str| {
        let request = Request::get("/assets/app.css").header("host", "localhost").header(name, value);
        bench.router.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let smaller = get("accept-encoding", "gzip, deflate, br, zstd").await.unwrap();
    assert_eq!(smaller.headers()["content-encoding"], "br");
    let smaller = to_bytes(smaller.into_body(), 1 << 20).await.unwrap();
    let mut unpacked = Vec::new();
    std::io::copy(&mut brotli::Decompressor::new(&*smaller, 4096), &mut unpacked).unwrap();
    assert!(unpacked == plain && smaller.len() < plain.len());
    let packed = get("accept-encoding", "br;q=0, gzip;q=0.8").await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let packed = to_bytes(packed.into_body(), 1 << 20).await.unwrap();
    assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() < plain.len());
    let small = get("accept-encoding", "gzip, deflate, br").await.unwrap();
    assert_eq!(small.headers()["content-encoding"], "br");
    let small = to_bytes(small.into_body(), 1 << 20).await.unwrap();
    assert!(small.len() < packed.len(), "{} {}", small.len(), packed.len());
    let known = get("if-none-match", etag.to_str().unwrap()).await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    for path in ["/assets/../mod.rs", "/assets/%2e%2e/mod.rs", "/assets//app.css", "/assets/APP.CSS"] {
        assert_eq!(bench.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}
