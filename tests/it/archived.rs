//! A data folder with a story: commands, refusals, acts of people, alarms, samples and bulletins of the day before the moment
//! of the fixtures; and what the routes of the page make of it.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use jiff::SignedDuration;
use qindan::config::Config;
use qindan::control::Now;
use qindan::control::command::{Action, CommandId, Terminal};
use qindan::control::quality::{Quality, Reading};
use qindan::control::record::{Entry, Kind};
use qindan::shell::archive::Archive;
use qindan::shell::history::Direct;
use qindan::shell::journal::{Journal, Settings};
use qindan::shell::store::Store;
use qindan::units::Opening;
use serde_json::{Value, json};

use crate::fixture;
use crate::running::Folder;
use crate::web::{self, Bench, answer};

/// Commands in the story.
const MOVES: u64 = 90;

fn at(offset_s: i64) -> Now {
    Now {
        mono: Duration::from_secs(u64::try_from(30_000 + offset_s).unwrap_or_default()),
        utc: fixture::utc(offset_s),
    }
}

fn alarm(key: &str, priority: u8, change: &str, actor: &str) -> Entry {
    let mut entry = Entry::new(Kind::Alarm, actor);
    entry.detail = Some(json!({ "key": key, "priority": priority, "change": change, "detail": {} }));
    entry
}

/// The folder, and what reads it. The view's thread ends with the last handle.
pub(crate) fn filled(config: &Config) -> (Folder, Archive) {
    let folder = Folder::new();
    let settings = Settings::new(&folder.store, "boot-1");
    let mut journal = Journal::open(&folder.journal(), settings, at(-29_000)).unwrap();
    let gate = &config.basin.gates[0].id;
    let mut put = |offset_s: i64, entry: Entry| {
        journal.append(&[entry], at(offset_s)).unwrap();
    };
    for number in 0..MOVES {
        let begun = -28_000 + 300 * i64::try_from(number).unwrap();
        let mut intent = Entry::new(Kind::Intent, "dispatch");
        intent.gate = Some(gate.clone());
        intent.command = Some(CommandId(number));
        intent.action = Some(Action::Goto(Opening::clamped(0.24)));
        intent.before = Some(Opening::clamped(0.21));
        put(begun, intent);
        let mut outcome = Entry::new(Kind::Outcome, "dispatch");
        outcome.gate = Some(gate.clone());
        outcome.command = Some(CommandId(number));
        outcome.outcome = Some(Terminal::Verified);
        outcome.took_ms = Some(48_000);
        put(begun + 48, outcome);
    }
    let mut act = Entry::new(Kind::Operator, "operator:li");
    let order = json!({ "order": "set_mode", "mode": "automatic" });
    act.detail = Some(
        json!({ "request": "1", "address": "loopback", "order": order, "accepted": true, "answer": "mode set" }),
    );
    put(-900, act);
    let incident = |was: &str| {
        let mut entry = Entry::new(Kind::Incident, "operator:zhao");
        entry.detail = Some(json!({ "incident": 1, "incident_was": was, "reason": "柴油, \"溢出\"" }));
        entry
    };
    put(-850, incident("opened"));
    put(-800, alarm("A05:v1", 2, "raised", "service"));
    put(-700, alarm("A05:v1", 2, "acknowledged", "operator:li"));
    put(-650, incident("closed"));
    for number in 0..12 {
        put(-600 + number, alarm(&format!("A10:site{number}"), 3, "raised", "service"));
    }
    drop(journal);
    let names: Vec<String> = config.field.names().map(str::to_owned).collect();
    let mut samples = Direct::open(&folder.journal(), &folder.store, names.clone()).unwrap();
    for minute in 0..24 * 6 {
        let utc = fixture::utc(-86_400) + SignedDuration::from_mins(10 * minute);
        let good = !(60..72).contains(&minute);
        let quality = if good { Quality::Good } else { Quality::Stale };
        let reading = |number: usize| Reading {
            value: Some(1.5 + 0.01 * number as f64),
            quality,
            reason: None,
            taken_at: None,
            last_good: None,
        };
        let readings: Vec<_> = (0..names.len()).map(reading).collect();
        samples.record(utc, &readings);
    }
    assert!(samples.write());
    let month = folder.root.path().join("reports/2026-05");
    fs::create_dir_all(&month).unwrap();
    for (begins, lang) in [("0800", "zh"), ("0800", "en"), ("0000", "zh"), ("0000", "en")] {
        let stem = month.join(format!("daily_2026-05-17_{begins}.{lang}"));
        let page = "<!doctype html><html lang=\"zh-CN\"><head><title>日报</title><style>\nb{}</style></head><body><p>1.07</p></body></html>";
        fs::write(stem.with_extension(format!("{lang}.html")), page).unwrap();
        fs::write(stem.with_extension(format!("{lang}.csv")), "a,b\n").unwrap();
    }
    fs::write(folder.root.path().join("reports/secret.key"), "no report").unwrap();
    let (store, _) = Store::start(folder.root.path()).unwrap();
    let archive = Archive::new(folder.root.path().to_path_buf(), Arc::new(config.clone()), store);
    (folder, archive)
}

/// The router with a folder behind it.
fn bench() -> (Folder, Bench) {
    let config = fixture::small();
    let status = fixture::status(&config);
    let (folder, archive) = filled(&config);
    (folder, web::with_archive(config, status, archive))
}

async fn rows(bench: &Bench, query: &str) -> (Vec<u64>, Value) {
    let (status, body) = answer(bench.get(&format!("/api/v1/records?{query}")).await).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let seqs = body["rows"].as_array().unwrap().iter().map(|row| row["seq"].as_u64().unwrap()).collect();
    (seqs, body)
}

#[tokio::test]
async fn the_record_is_read_page_by_page_with_every_row_once() {
    let (_folder, bench) = bench();
    let mut seen: Vec<u64> = Vec::new();
    let mut before = String::new();
    loop {
        let (seqs, body) = rows(&bench, &format!("kind=moves&limit=40{before}")).await;
        for row in body["rows"].as_array().unwrap() {
            assert_eq!(row["outcome"]["state"], "verified", "its end is found on any page: {row}");
        }
        seen.extend(seqs);
        match body["next_before"].as_u64() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len() as u64, MOVES);
    assert!(seen.is_sorted_by(|a, b| a > b), "newest first, none twice");
}

#[tokio::test]
async fn the_record_is_sifted_by_kind_time_gate_and_name() {
    let (_folder, bench) = bench();
    let (seqs, body) = rows(&bench, "kind=people&who=li").await;
    assert_eq!((seqs.len(), &body["rows"][0]["detail"]["order"]["mode"]), (1, &json!("automatic")));
    assert_eq!(rows(&bench, "kind=people&who=wang").await.0.len(), 0);
    assert_eq!(rows(&bench, "kind=moves&gate=g2").await.0.len(), 0);
    assert_eq!(rows(&bench, "kind=moves&gate=v1&limit=500").await.0.len() as u64, MOVES);
    let (from, to) = (fixture::NOW - 28_000, fixture::NOW - 27_000);
    // One move each 300 s from −28 000 s on: at 0, 300, 600 and 900 s.
    assert_eq!(rows(&bench, &format!("kind=moves&from_s={from}&to_s={to}")).await.0.len(), 4);
    assert_eq!(rows(&bench, "kind=alarms&limit=500").await.0.len(), 14);
    let (status, body) = answer(bench.get("/api/v1/records?kind=secrets").await).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
}

#[tokio::test]
async fn one_record_is_told_in_full() {
    let (_folder, bench) = bench();
    let (seqs, _) = rows(&bench, "kind=moves&limit=1").await;
    let response = bench.get(&format!("/api/v1/records/{}", seqs[0])).await;
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    let text = web::text(response).await;
    assert!(text.contains("inputs") && text.contains("outcome in record"), "{text}");
    assert_eq!(bench.get("/api/v1/records/999999").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(bench.get("/api/v1/records/..%2f1").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_journal_of_alarms_comes_with_its_numbers() {
    let (_folder, bench) = bench();
    let (_, log) = answer(bench.get("/api/v1/alarms?hours=24&limit=5").await).await;
    let numbers = &log["numbers"];
    // 13 raised in 144 tens of minutes; twelve of them within 12 s.
    assert_eq!((&numbers["raised"], &numbers["floods"]), (&json!(13), &json!(1)));
    assert_eq!(numbers["by_priority"], json!([0, 1, 12, 0]));
    assert!((numbers["per_ten_minutes"].as_f64().unwrap() - 13.0 / 144.0).abs() < 1e-3);
    assert_eq!(log["rows"].as_array().unwrap().len(), 5);
    assert_eq!(log["rows"][0]["key"], "A10:site11");
    assert_eq!(bench.get("/api/v1/alarms?hours=745").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn reports_are_served_by_name_from_the_list_and_may_do_nothing() {
    let (folder, bench) = bench();
    let (_, list) = answer(bench.get("/api/v1/reports").await).await;
    let names: Vec<_> =
        list["reports"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 8);
    assert_eq!(names[0], "daily_2026-05-17_0800.zh.html");
    let page = bench.get("/api/v1/reports/daily_2026-05-17_0800.zh.html").await;
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    // printf '\nb{}' | openssl dgst -sha256 -binary | base64
    assert!(policy.contains("style-src 'sha256-jH0lUn02eClrG3HpikS4zPlH/X0z+JSDdqykyXqEUmI='"), "{policy}");
    assert!(policy.contains("sandbox") && !policy.contains("script-src") && !policy.contains("unsafe"));
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    let csv = bench.get("/api/v1/reports/daily_2026-05-17_0000.en.csv").await;
    assert!(csv.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", folder.root.path().join("reports/link.html")).unwrap();
    for name in [
        "secret.key",
        "link.html",
        "..%2fstore.json",
        "..%2f..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e%2fsecret.key",
        "2026-05%2fdaily_2026-05-17_0800.zh.html",
        "2026-05",
        ".",
        "%00",
        "daily_2026-05-17_0800.zh.HTML",
    ] {
        let status = bench.get(&format!("/api/v1/reports/{name}")).await.status();
        assert_eq!(status, StatusCode::NOT_FOUND, "{name}");
    }
}

#[tokio::test]
async fn samples_are_taken_away_as_csv() {
    let (_folder, bench) = bench();
    let (from, to) = (fixture::NOW - 86_400, fixture::NOW);
    let path = format!("/api/v1/history?series=section:ford,gate:v1&from_s={from}&to_s={to}");
    let response = bench.get(&path).await;
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
    let csv = web::text(response).await;
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines[0], "time,point,value,quality");
    assert!(lines[1..].iter().all(|line| line.contains("q.ford/value") || line.contains("v1/position")));
    // Every ten minutes for a day, of two points; the change of quality falls on one of them.
    assert_eq!(lines.len() - 1, 2 * 144);
    for (query, status) in [
        (format!("series=meter:q.ford&from_s={from}&to_s={}", from + 32 * 86_400), StatusCode::BAD_REQUEST),
        (format!("series=meter:q.ford&from_s={to}&to_s={from}"), StatusCode::BAD_REQUEST),
        (format!("series=meter:none&from_s={from}&to_s={to}"), StatusCode::NOT_FOUND),
        (format!("series=gate:g2&from_s={from}&to_s={to}"), StatusCode::NOT_FOUND),
        (format!("series=meter:q.ford&from_s={from}&to_s={to}&by=years"), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(bench.get(&format!("/api/v1/history?{query}")).await.status(), status, "{query}");
    }
}

#[tokio::test]
async fn a_meter_tells_its_register_its_checks_and_its_day() {
    let (_folder, bench) = bench();
    let (_, meter) = answer(bench.get("/api/v1/meters/q.ford").await).await;
    assert_eq!((&meter["point"]["address"], &meter["point"]["scale"]), (&json!(1), &json!(0.01)));
    assert_eq!((&meter["device"]["id"], &meter["device"]["link"]), (&json!("dam.rtu"), &json!("dam")));
    // Three scans of 5 s.
    assert_eq!((&meter["stale_s"], &meter["max"]), (&json!(15.0), &json!(900.0)));
    let runs: Vec<_> =
        meter["qualities"].as_array().unwrap().iter().map(|run| run["q"].as_str().unwrap()).collect();
    assert_eq!(runs, ["good", "stale", "good"]);
    assert_eq!(bench.get("/api/v1/meters/none").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn links_tell_round_trips_and_exceptions_by_code() {
    let bench = web::small_bench();
    let (_, body) = answer(bench.get("/api/v1/links").await).await;
    let link = &body["links"][0];
    assert_eq!((&link["id"], &link["requests"], &link["timeouts"]), (&json!("dam"), &json!(12), &json!(1)));
    assert_eq!(link["codes"], json!([[0, 1], [2, 3]]), "three times illegal address, one of no known code");
    assert_eq!(bench.get("/api/v1/records").await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_log_of_an_incident_is_what_is_on_record_between_its_ends() {
    let (_folder, bench) = bench();
    let response = bench.get("/api/v1/incident-log?incident=1").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"incident-1.csv\"");
    let csv = web::text(response).await;
    let lines: Vec<_> = csv.lines().collect();
    // Opened 850 s before the moment, closed 650 s before; the alarm between was raised and acknowledged. What came before and
    // after is not of it.
    let kinds: Vec<_> = lines.iter().skip(1).map(|line| line.split(',').nth(2).unwrap()).collect();
    assert_eq!(kinds, ["incident", "alarm", "alarm", "incident"], "{csv}");
    assert!(lines[0].starts_with("seq,utc,kind,actor,gate"));
    // A quote within a field is doubled (RFC 4180), and again within the JSON of the detail.
    assert!(lines[1].contains(r#"柴油, \""溢出\"""#), "{}", lines[1]);
    assert_eq!(bench.get("/api/v1/incident-log?incident=2").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(bench.get("/api/v1/incident-log?incident=x").await.status(), StatusCode::BAD_REQUEST);
}
