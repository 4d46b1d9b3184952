//! The calendar on the page: drafts, two steps, CSV, what a kill leaves, and a browser that makes an entry until its gate has moved.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use jiff::Timestamp;
use qindan::config::Config;
use qindan::control::command::{Action, Terminal};
use qindan::control::operator::{Mode, Order};
use qindan::control::reason::Because;
use qindan::control::record::Kind;
use qindan::shell::people::Role;
use qindan::shell::service::{Running, Stop};
use serde_json::{Value, json};
use simulators::rerun;
use tower::ServiceExt;

use crate::browser::Browser;
use crate::fixture::{self, NOW};
use crate::page::TURN;
use crate::running::{Bench as Service, Folder, Page, at_rest, ended, options};
use crate::schedule::canal;
use crate::site::{self, Drive, Site};
use crate::web::{self, Bench, answer};
use crate::{door, live};

/// A page on the small basin with its valve for a canal.
fn bench() -> Bench {
    let mut config = fixture::small();
    canal(&mut config);
    let status = fixture::status(&config);
    web::bench(config, status)
}

/// Civil time of the site so many seconds after the moment of the fixtures.
fn civil(second: i64) -> String {
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    let at = zone.to_datetime(Timestamp::from_second(NOW + second).unwrap());
    at.to_string()
}

/// Opens the valve to `pct` for an hour.
fn opens(id: &str, pct: &str, from: i64) -> Value {
    json!({
        "id": id, "kind": "opening", "element": "v1", "opening_pct": pct, "from": civil(from), "to": civil(from + 3600),
        "order_number": "2026-15",
    })
}

async fn shown(bench: &Bench) -> Value {
    answer(bench.get("/api/v1/schedule").await).await.1
}

#[tokio::test]
async fn a_draft_is_looked_at_and_activated_in_two_steps() {
    let mut bench = bench();
    let body = json!({ "base": null, "entries": [opens("open", "40", 600)] });
    let (status, saved) = bench.post("/api/v1/schedule/draft", body).await;
    assert_eq!((status, &saved["conflicts"]), (StatusCode::OK, &json!([])), "{saved}");
    let seen = shown(&bench).await;
    assert_eq!(seen["draft"]["entries"][0]["id"], "open");
    assert_eq!((&seen["draft"]["by"], &seen["active"]), (&json!("li"), &Value::Null));
    assert_eq!(seen["draft"]["blocks"][0]["from_s"], NOW + 600);
    assert_eq!(seen["blocks"], json!([]), "nothing runs yet");
    let (status, preview) = bench.post("/api/v1/schedule/preview", json!({})).await;
    assert_eq!((status, &preview["changes"]["added"]), (StatusCode::OK, &json!(["open"])), "{preview}");
    let body = json!({ "request": "activate-1", "token": preview["token"] });
    let (status, done, act) = bench.post_taken("/api/v1/schedule/activate", body.clone()).await;
    assert_eq!((status, &done["version"]), (StatusCode::OK, &json!(1)), "{done}");
    let act = act.unwrap();
    assert_eq!((act.who.as_str(), act.role.as_str()), ("li", "shift_leader"));
    let Order::ActivateSchedule { version: 1, hash, entries } = act.order else { panic!("{act:?}") };
    assert_eq!((json!(hash), entries.len()), (preview["hash"].clone(), 1));
    // The same request again is answered, not carried out; the token is used.
    assert_eq!(bench.post("/api/v1/schedule/activate", body).await, (StatusCode::OK, done));
    let again = json!({ "request": "activate-2", "token": preview["token"] });
    assert_eq!(bench.post("/api/v1/schedule/activate", again).await.0, StatusCode::GONE);
    let seen = shown(&bench).await;
    assert_eq!((&seen["draft"], &seen["versions"][0]["version"]), (&Value::Null, &json!(1)));
    let (status, one) = answer(bench.get("/api/v1/schedule/versions/1").await).await;
    assert_eq!((status, &one["entries"][0]["id"]), (StatusCode::OK, &json!("open")));
    assert_eq!(bench.get("/api/v1/schedule/versions/2").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_was_changed_since_is_not_activated() {
    let bench = bench();
    let save = async |base: Value, pct: &str| {
        let body = json!({ "base": base, "entries": [opens("open", pct, 600)] });
        bench.post("/api/v1/schedule/draft", body).await
    };
    let (_, first) = save(Value::Null, "40").await;
    let (_, preview) = bench.post("/api/v1/schedule/preview", json!({})).await;
    // Somebody who does not know of the draft overwrites nothing.
    assert_eq!(save(Value::Null, "50").await.0, StatusCode::CONFLICT);
    assert_eq!(save(first["hash"].clone(), "50").await.0, StatusCode::OK);
    let activate = json!({ "request": "activate-1", "token": preview["token"] });
    let (status, why) = bench.post("/api/v1/schedule/activate", activate).await;
    assert_eq!(status, StatusCode::CONFLICT, "{why}");
    // A preview has its time.
    let (_, preview) = bench.post("/api/v1/schedule/preview", json!({})).await;
    bench.wait(301);
    let late = json!({ "request": "activate-2", "token": preview["token"] });
    assert_eq!(bench.post("/api/v1/schedule/activate", late).await.0, StatusCode::GONE);
    let wrong = json!({ "hash": first["hash"] });
    assert_eq!(bench.post("/api/v1/schedule/discard", wrong).await.0, StatusCode::CONFLICT);
    let hash = shown(&bench).await["draft"]["hash"].clone();
    assert_eq!(bench.post("/api/v1/schedule/discard", json!({ "hash": hash })).await.0, StatusCode::OK);
    assert_eq!(shown(&bench).await["draft"], Value::Null);
    assert_eq!(bench.post("/api/v1/schedule/preview", json!({})).await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_draft_that_cannot_be_is_told_whole_and_one_that_may_not_gets_no_token() {
    let bench = bench();
    let mut wrong = opens("open", "140", 600);
    wrong["days"] = "mon".into();
    let body = json!({ "base": null, "entries": [opens("good", "10", 9000), wrong] });
    let (status, answer) = bench.post("/api/v1/schedule/draft", body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let places: Vec<_> = answer["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["line"].clone(), it["column"].clone()))
        .collect();
    assert_eq!(places, [(json!(2), json!("opening_pct")), (json!(2), json!("days"))]);
    assert_eq!(shown(&bench).await["draft"], Value::Null);
    // 95 % lies outside its travel of 0 to 90.
    let body = json!({ "base": null, "entries": [opens("open", "95", 600)] });
    let (status, saved) = bench.post("/api/v1/schedule/draft", body).await;
    assert_eq!((status, &saved["conflicts"][0]["finding"]), (StatusCode::OK, &json!("travel")), "{saved}");
    let (status, preview) = bench.post("/api/v1/schedule/preview", json!({})).await;
    assert_eq!((status, &preview["token"]), (StatusCode::OK, &Value::Null));
    assert_eq!(preview["conflicts"][0]["refused"], true);
}

#[tokio::test]
async fn csv_goes_out_and_comes_in() {
    let bench = bench();
    let import = async |text: &str| {
        let mut request: Request<Body> = web::own("/api/v1/schedule/import", &json!({}));
        request.headers_mut().insert("content-type", "text/csv".parse().unwrap());
        *request.body_mut() = Body::from(text.to_owned());
        answer(bench.router.clone().oneshot(request).await.unwrap()).await
    };
    let text = "\u{feff}id,name,kind,element,opening_pct,days,begin,end\r\nnight,夜间,opening,v1,30,mon-fri,22:00,06:00\r\n";
    let (status, saved) = import(text).await;
    assert_eq!(status, StatusCode::OK, "{saved}");
    let response = bench.get("/api/v1/schedule.csv?of=draft").await;
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let out = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(out.starts_with("\u{feff}id,name,kind,element,"), "{out}");
    assert!(out.contains("night,夜间,opening,v1,30,"), "{out}");
    let (status, again) = import(&out).await;
    assert_eq!((status, &again["hash"]), (StatusCode::OK, &saved["hash"]));
    let (status, wrong) = import("id,kind,element\na,jump,v1\nb,shut\n").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let told = wrong["problems"].as_array().unwrap();
    assert_eq!((&told[0]["line"], &told[0]["column"]), (&json!(2), &json!("kind")), "{wrong}");
    assert!(told.iter().any(|it| it["line"] == 3), "{wrong}");
    assert_eq!(shown(&bench).await["draft"]["hash"], saved["hash"], "nothing was taken of it");
}

#[tokio::test]
async fn a_person_for_some_gates_plans_for_those_alone() {
    let bench = bench();
    qindan::shell::people::Book::edit(bench.data.path(), |book| {
        book.user(door::USER)?.gates = Some(std::collections::BTreeSet::from(["another".to_owned()]));
        book.user(door::USER)?.role = Role::Scheduler;
        Ok(())
    })
    .unwrap();
    let body = json!({ "base": null, "entries": [opens("open", "40", 600)] });
    let (status, why) = bench.post("/api/v1/schedule/draft", body).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{why}");
}

/// A service at a gate box, its valve for a canal.
fn config_at(site: &Site, mode: Mode) -> Config {
    let mut config = site::config(&site.device, mode);
    canal(&mut config);
    config
}

/// Drafts and activates entries over HTTP.
async fn activated(page: &Page, entries: &[Value], request: &str) -> Value {
    let (_, seen) = page.get("/api/v1/schedule").await;
    let seen: Value = serde_json::from_str(&seen).unwrap();
    let body = json!({ "base": seen["draft"]["hash"], "entries": entries });
    let (status, saved) = page.post("/api/v1/schedule/draft", body).await;
    assert_eq!(status, 200, "{saved}");
    let (status, preview) = page.post("/api/v1/schedule/preview", json!({})).await;
    assert_eq!(status, 200, "{preview}");
    let body = json!({ "request": request, "token": preview["token"] });
    let (status, done) = page.post("/api/v1/schedule/activate", body).await;
    assert_eq!(status, 200, "{done}");
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_opening_moves_the_gate_names_its_entry_and_is_made_again_to_the_bit() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let config = config_at(&site, Mode::Automatic);
    let service = Service::start(folder.options(config.clone(), 60.0)).await;
    service.until("at rest", at_rest).await;
    let done = activated(&service.page, &[opens("open", "30", -60)], "activate-1").await;
    let status = service.until("verified", |status| ended(status, &Terminal::Verified)).await;
    assert!((status.gates[0].opening.unwrap().percent() - 30.0).abs() < 0.5);
    service.end().await;
    assert_eq!(site.get(site::TARGET), site::hundredths(30.0));
    let intent = folder.of_kind(Kind::Intent).remove(0);
    let order = Some("2026-15".to_owned());
    let because = serde_json::to_value(Because::Schedule { entry: "open".into(), order }).unwrap();
    assert_eq!(intent.because.first().map(|it| serde_json::to_value(it).unwrap()), Some(because));
    let told = folder.of_kind(Kind::Schedule);
    let of = |is: fn(&Value) -> bool| {
        told.iter().find(|record| is(record.detail.as_ref().unwrap())).unwrap_or_else(|| panic!("{told:?}"))
    };
    of(|detail| detail["what"] == "draft_saved");
    let activation = of(|detail| detail["order"]["version"] == 1);
    assert_eq!(activation.detail.as_ref().unwrap()["role"], "shift_leader");
    assert_eq!(done["taken"]["record"], activation.seq);
    folder.verify();
    // Decided again by this build: an activation is an input like any other.
    let made = rerun::of(
        &rerun::Order { data: folder.root.path().to_path_buf(), ..rerun::Order::default() },
        &config,
    )
    .unwrap();
    assert_eq!((made.differences.as_slice(), made.gaps.as_slice()), (&[][..], &[][..]), "{made:?}");
    assert!(made.ticks > 0);
}

const DATA: &str = "QINDAN_TEST_CALENDAR_DATA";
const SITE: &str = "QINDAN_TEST_CALENDAR_SITE";
const SERVES: &str = "calendar page at ";

/// Not a test of its own: what [`an_activated_calendar_outlives_a_kill`] starts and kills.
#[test]
fn child_with_a_calendar_that_serves_until_it_is_killed() {
    let (Some(data), Ok(site)) = (std::env::var_os(DATA), std::env::var(SITE)) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut config = site::config_at(site.parse().unwrap(), Mode::Manual);
        canal(&mut config);
        let options = options(config, std::path::Path::new(&data), 20.0);
        let running = Running::start(options, Stop::default()).await.unwrap();
        writeln!(std::io::stdout(), "\n{SERVES}{}", running.address()).unwrap();
        running.ended().await;
    });
}

/// Kills its process when dropped, so that a failed test leaves none behind.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activated_calendar_outlives_a_kill() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "schedule_page::child_with_a_calendar_that_serves_until_it_is_killed",
            "--exact",
            "--nocapture",
        ])
        .env(DATA, folder.root.path())
        .env(SITE, site.device.address.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let child = Killed(child);
    let address = lines.find_map(|line| line.strip_prefix(SERVES)?.parse().ok());
    let page = Page::of(address.expect("the child serves a page"), folder.root.path());
    activated(&page, &[opens("open", "30", 3600)], "activate-1").await;
    let body = json!({ "base": null, "entries": [opens("open", "35", 3600), opens("more", "10", 90_000)] });
    assert_eq!(page.post("/api/v1/schedule/draft", body).await.0, 200);
    drop(child);
    let service = Service::start(folder.options(config_at(&site, Mode::Manual), 20.0)).await;
    let (_, seen) = service.page.get("/api/v1/schedule").await;
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(
        (&seen["active"]["version"], &seen["active"]["entries"][0]["opening_pct"]),
        (&json!(1), &json!("30"))
    );
    assert_eq!(seen["draft"]["entries"].as_array().unwrap().len(), 2, "{seen}");
    assert_eq!(seen["versions"][0]["version"], 1);
    let done = activated(&service.page, &[opens("open", "35", 3600)], "activate-2").await;
    assert_eq!(done["version"], 2);
    service.end().await;
    let read = std::fs::read(folder.root.path().join("state/schedules")).unwrap();
    assert!(!read.is_empty());
    // Without what the controller remembers the newest version is taken up from beside it.
    std::fs::remove_file(folder.root.path().join("state/controller")).unwrap();
    let service = Service::start(folder.options(config_at(&site, Mode::Manual), 20.0)).await;
    let (_, seen) = service.page.get("/api/v1/schedule").await;
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["active"]["version"], 2, "{seen}");
    service.end().await;
    folder.verify();
}

/// From the empty form to the gate that has moved, in a browser and with a real service behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_makes_an_entry_and_the_gate_goes_there() {
    let _turn = TURN.lock().await;
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let service = Service::start(folder.options(config_at(&site, Mode::Automatic), 60.0)).await;
    service.until("at rest", at_rest).await;
    let browser = Browser::start().await;
    browser.size(1366, 768).await;
    let page = format!("http://{}/", service.running.address());
    browser.open(&format!("{page}login")).await;
    browser.fill("name", door::USER).await;
    browser.fill("password", door::PASSWORD).await;
    browser.click("sign-in").await;
    browser.wait("document.querySelector('[data-testid=clock]')").await;
    browser.open(&format!("{page}#/schedule")).await;
    browser.click("schedule-add").await;
    browser.fill("f-opening_pct", "30").await;
    let put = |id: &str, value: &str| {
        format!(
            "const el = document.querySelector('[data-testid={id}]'); el.value = {}; el.dispatchEvent(new Event('change', {{ bubbles: true }}))",
            json!(value)
        )
    };
    let short = |second: i64| civil(second)[..16].to_owned();
    browser.run(&put("f-from", &short(-3600))).await;
    browser.run(&put("f-to", &short(7200))).await;
    browser.click("form-save").await;
    browser.says("entry-e1", "30.0 %").await;
    browser.click("schedule-preview").await;
    browser.says("preview-changes", "e1").await;
    browser.press("activate", Duration::from_millis(1300)).await;
    browser.says("activate-said", "✓").await;
    service.until("verified", |status| ended(status, &Terminal::Verified)).await;
    assert_eq!(site.get(site::TARGET), site::hundredths(30.0));
    browser.run("document.querySelector('dialog .shut').click()").await;
    browser.wait("document.querySelector('[data-testid=entry-e1] .outline')").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    service.end().await;
    let intent = folder.of_kind(Kind::Intent).remove(0);
    assert!(matches!(intent.action, Some(Action::Goto(_))), "{intent:?}");
}

#[tokio::test]
async fn who_may_not_plan_sees_the_calendar_read_only() {
    let _turn = TURN.lock().await;
    let mut config = fixture::small();
    canal(&mut config);
    let status = fixture::status(&config);
    let (service, browser) = live::open(config, status).await;
    crate::screens::go(&browser, "#/schedule").await;
    assert!(browser.sees("schedule-add").await);
    service.add("wang", Role::Viewer);
    browser.click("sign-out").await;
    browser.wait("document.querySelector('[data-testid=password]')").await;
    live::sign_in(&service, &browser, "wang", false).await;
    crate::screens::go(&browser, "#/schedule").await;
    browser.wait("document.querySelector('[data-testid=export-active]')").await;
    assert!(!browser.sees("schedule-add").await);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// Whatever can be wrong with an entry is said in Chinese too: every fault the reader finds stands in the table of problems.
#[test]
fn what_is_wrong_with_an_entry_is_said_in_chinese_too() {
    use qindan::control::schedule::row::Row;
    let table = include_str!("../../src/shell/web/problems.toml");
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    let wrong = [
        "{}",
        r#"{"id":"a b","kind":"jump","element":"v1","name":"=1","if_missed":"never"}"#,
        r#"{"id":"a","kind":"opening","element":"v1","opening_pct":"abc","from":"x","to":"2026-05-04"}"#,
        r#"{"id":"a","kind":"flow","element":"v1","flow_m3s":"-1","begin":"6","end":"25:00","days":"someday"}"#,
        r#"{"id":"a","kind":"level","element":"v1","level_m":"1e9","opening_pct":"3","from":"2026-05-04T06:00","to":"2026-05-04T05:00"}"#,
        r#"{"id":"a","kind":"shut","element":"v1","from":"2026-05-04T06:00","to":"2026-05-04T07:00","begin":"06:00"}"#,
        r#"{"id":"a","kind":"stay","element":"v1","season_from":"13-01","valid_from":"2026-05-04","valid_to":"2026-05-01"}"#,
        r#"{"id":"a","kind":"floor","element":"v1","valid_from":"soon","order_giver":"li"}"#,
        r#"{"id":"a","kind":"stay","element":"v1","order_number":"1","order_given":"1","name":"\u0007"}"#,
    ];
    let mut found = 0;
    for text in wrong {
        let row: Row = serde_json::from_str(text).unwrap();
        for fault in row.entry(&zone).unwrap_err() {
            found += 1;
            let patterned = fault.what.starts_with("does not belong to an entry of kind");
            for words in [fault.what.as_str(), fault.remedy] {
                assert!(patterned || table.contains(&format!("\"{words}\" = \"")), "{words}");
            }
        }
    }
    assert!(found > 20, "{found}");
}
