//! Filings entered on the page: what one does to a day, who may say what of it, and what of it outlives the service.

use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use jiff::Timestamp;
use qindan::config::reports::{Exemption, Reports, Standing};
use qindan::control::Now;
use qindan::control::operator::Mode;
use qindan::control::record::{Entry, Kind};
use qindan::report::Ground;
use qindan::shell::data_dir::Identity;
use qindan::shell::filings::{self, Claim, Told, Verdict};
use qindan::shell::journal::{Journal, Settings};
use qindan::shell::reports::Daily;
use serde_json::{Value, json};

use crate::door::PASSWORD;
use crate::fixture;
use crate::reports::{MINUTE, a_day, bytes, qindan, seventeenth};
use crate::running::{Bench, Folder};
use crate::site::{self, Drive, Site};
use crate::web::small_bench;

fn record(by: &str, told: &Told) -> Entry {
    let mut entry = Entry::new(Kind::Filing, format!("operator:{by}"));
    entry.detail = Some(serde_json::to_value(told).unwrap());
    entry
}

/// About the five hours in which the ford was silent.
fn outage(from_s: i64) -> Told {
    let claim = Claim {
        sections: vec!["ford".into()],
        kind: Exemption::DeviceFailure,
        from_s,
        to_s: from_s + 5 * 3600,
        document: "〔2026〕17号".into(),
        sha256: None,
        reason: "测站断电".into(),
    };
    Told::Entered { claim }
}

#[test]
fn a_filing_exempts_from_its_approval_by_another_until_it_is_rejected_and_changes_no_number() {
    let (folder, config) = (Folder::new(), fixture::small());
    let day = a_day(&folder, &config);
    let at = |minute: i32| Now { mono: Duration::from_secs(60), utc: day.from + MINUTE * minute };
    let mut journal = Journal::open(&folder.journal(), Settings::new(&folder.store, "b"), at(0)).unwrap();
    // Silent from 20:00 until 01:00: five of 24 hours, more than the fifth that exempts.
    let from = day.from + MINUTE * 720;
    let ford = || {
        let filings = filings::recorded(folder.root.path(), &config.basin).unwrap();
        let rules = Reports { filings, ..Reports::default() };
        let [_, _, csv, _] =
            bytes(&folder, Ground { config: &config, reports: &rules }, Daily::Bulletin, day);
        let row = csv.lines().find(|line| line.contains(",ford,")).unwrap();
        let named: String = csv.lines().filter(|line| line.starts_with("filings,")).collect();
        (row.split(',').map(str::to_owned).collect::<Vec<_>>(), named)
    };
    let (before, _) = ford();
    assert_eq!((before[9].as_str(), before[10].as_str()), ("missing", ""), "19 of 24 hours");
    let judged = |verdict| Told::Judged { filing: 1, verdict, note: "看过".into() };
    let (yes, no) = (Verdict::Approved, Verdict::Rejected);
    let steps = [
        ("wang", outage(from.as_second()), 800, "missing"),
        ("wang", judged(yes), 810, "missing"),
        ("li", judged(yes), 2000, "exempt"),
        ("wang", judged(no), 2010, "exempt"),
        ("zhao", judged(no), 2020, "missing"),
        ("li", judged(yes), 2030, "missing"),
        // Another one, a minute later than a day after the begin.
        ("wang", outage(from.as_second()), 720 + 1441, "missing"),
        ("li", Told::Judged { filing: 7, verdict: yes, note: String::new() }, 2200, "missing"),
        // In time, of the hours a day later.
        ("wang", outage(from.as_second() + 1440 * 60), 2210, "missing"),
    ];
    for (by, told, minute, verdict) in steps {
        journal.append(&[record(by, &told)], at(minute)).unwrap();
        let (after, named) = ford();
        assert_eq!(named.contains("li批准"), verdict == "exempt", "{named}");
        assert_eq!(after[9], verdict, "{by} {told:?}");
        assert_eq!(after[10], if verdict == "exempt" { "device_failure" } else { "" });
        // Target, at 08:00, mean, least, when; completeness, hours met, below, m³: as measured.
        assert_eq!((&after[..9], &after[11..15]), (&before[..9], &before[11..15]), "{by} {told:?}");
    }
    let filings = filings::recorded(folder.root.path(), &config.basin).unwrap();
    let told: Vec<_> = filings.iter().map(|filing| (filing.id.as_str(), filing.standing)).collect();
    assert_eq!(told, [("#1", Standing::Rejected), ("#7", Standing::Approved), ("#9", Standing::Open)]);
    assert_eq!(filings[1].approved_by.as_deref(), Some("li"));
}

#[tokio::test]
async fn what_is_wrong_with_a_filing_is_told_at_once() {
    let bench = small_bench();
    let good = json!({
        "sections": ["ford"], "kind": "maintenance", "from_s": 1_778_983_200, "to_s": 1_778_990_400,
        "document": "D-1", "reason": "grease",
    });
    let with = |key: &str, value: Value| {
        let mut filing = good.clone();
        filing[key] = value;
        json!({ "request": "filing-test-1", "filing": filing })
    };
    // Right, but there is no data folder here to keep it.
    let (status, _) = bench.post("/api/v1/filings", with("sha256", json!("ab".repeat(32)))).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    for (number, (key, value)) in [
        ("sections", json!([])),
        ("sections", json!(["ford", "nowhere"])),
        ("kind", json!("holiday")),
        ("to_s", json!(1_778_983_200)),
        ("to_s", json!(1_778_983_200 + 367 * 86_400)),
        ("to_s", json!(i64::MAX)),
        ("document", json!(" ")),
        ("sha256", json!("ab")),
        ("sha256", json!("xy".repeat(32))),
        ("reason", json!("因".repeat(201))),
        ("colour", json!("red")),
    ]
    .into_iter()
    .enumerate()
    {
        let mut asked = with(key, value);
        asked["request"] = json!(format!("filing-wrong-{number}"));
        let (status, answer) = bench.post("/api/v1/filings", asked.clone()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{asked} {answer}");
    }
    let mut asked = with("sections", json!(["nowhere"]));
    (asked["request"], asked["filing"]["document"]) = (json!("filing-test-2"), json!(""));
    let (_, answer) = bench.post("/api/v1/filings", asked).await;
    let why = answer["error"].as_str().unwrap();
    assert!(why.contains("nowhere") && why.contains("document"), "{why}");
    let nothing =
        json!({ "request": "filing-test-3", "filing": 1, "verdict": "rejected", "password": PASSWORD });
    let (status, answer) = bench.post("/api/v1/filings/verdict", nothing).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "rejected without a word: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_files_another_approves_with_the_password_and_the_record_keeps_both() {
    let folder = Folder::new();
    let from = seventeenth(&fixture::small()).from;
    // What a colleague entered yesterday.
    let now = Now { mono: Duration::from_secs(1), utc: fixture::utc(-86_400) };
    let mut journal = Journal::open(&folder.journal(), Settings::new(&folder.store, "b"), now).unwrap();
    journal.append(&[record("wang", &outage(from.as_second()))], now).unwrap();
    drop(journal);
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let bench = Bench::start(folder.options(site::config(&site.device, Mode::Manual), 20.0)).await;
    let verdict = |request: &str, filing: u64, verdict: &str, password: &str| json!({ "request": request, "filing": filing, "verdict": verdict, "note": "see <b>", "password": password });
    let say = async |asked: Value| bench.page.post("/api/v1/filings/verdict", asked).await;
    assert_eq!(say(verdict("word-wrong", 1, "approved", "sour water 8")).await.0, 403);
    assert_eq!(say(verdict("word-nothing", 2, "approved", PASSWORD)).await.0, 404);
    let (status, answer) = say(verdict("word-first", 1, "approved", PASSWORD)).await;
    assert_eq!((status, answer), (200, json!({ "filing": 1 })));
    assert_eq!(say(verdict("word-again", 1, "approved", PASSWORD)).await.0, 409);

    let filing = json!({
        "sections": ["outlet", "ford"], "kind": "maintenance", "from_s": from.as_second(), "to_s": from.as_second() + 60,
        "document": "D-1", "sha256": "AB".repeat(32), "reason": "grease <i>",
    });
    let asked = json!({ "request": "filing-own", "filing": filing });
    let (status, own) = bench.page.post("/api/v1/filings", asked.clone()).await;
    assert_eq!(status, 200, "{own}");
    assert_eq!(
        bench.page.post("/api/v1/filings", asked).await,
        (200, own.clone()),
        "asked twice, entered once"
    );
    let number = own["filing"].as_u64().unwrap();
    let (status, answer) = say(verdict("word-own", number, "approved", PASSWORD)).await;
    assert_eq!(status, 409, "{answer}");

    // The form of the page: 10:00 at the site is 02:00 UTC.
    let form = "section=ford&kind=maintenance&from=2026-05-17T10%3A00&to=2026-05-17T12%3A00&document=D-2&sha256=&reason=test";
    // A time that is none is refused, and what was typed stands in the form.
    let (status, page) = bench.page.form("/filings", &form.replace("T12%3A00", "T12")).await;
    assert_eq!(status, 422, "{page}");
    for typed in [
        "\"ford\" selected",
        "\"maintenance\" selected",
        "value=\"2026-05-17T10:00\"",
        "value=\"2026-05-17T12\"",
        "value=\"D-2\"",
        "value=\"test\"",
    ] {
        assert!(page.contains(typed), "{typed}: {page}");
    }
    let (status, page) = bench.page.form("/filings", form).await;
    assert_eq!(status, 303, "{page}");
    let (_, page) = bench.page.get("/filings").await;
    for words in
        ["wang", "〔2026〕17号", "grease &lt;i&gt;", "see &lt;b&gt;", "已批准", "待审核", "filing-enter"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    let (_, rows) = bench.page.get("/api/v1/records?kind=filings").await;
    assert!(rows.contains("D-2") && rows.contains("\"judged\""), "{rows}");
    bench.end().await;
    let list = filings::of(&folder.of_kind(Kind::Filing));
    let told: Vec<_> = list.iter().map(|filed| (filed.by.as_str(), filed.standing)).collect();
    assert_eq!(told, [("wang", Standing::Approved), ("li", Standing::Open), ("li", Standing::Open)]);
    assert_eq!(list[1].claim.sha256.as_deref(), Some("ab".repeat(32).as_str()));
    assert_eq!((list[2].claim.from_s, list[2].claim.to_s), (1_778_983_200, 1_778_990_400));
    folder.verify();
}

/// The program on the command line finds them in the data folder: of 31 days without a sample one is exempt, 30 are missing.
#[test]
fn a_report_of_the_command_line_takes_what_was_approved() {
    let root = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let (config, data) = (shipped.to_str().unwrap(), root.path().join("data"));
    let folders = ["--config", config, "--data", data.to_str().unwrap()];
    qindan(&[&["init"][..], &folders[..]].concat());
    // From 08:00 on the 12th at the site, a day long; filed half an hour later.
    let from: Timestamp = "2026-05-12T00:00:00Z".parse().unwrap();
    let claim = Claim {
        sections: vec!["runcheng".into()],
        kind: Exemption::Maintenance,
        from_s: from.as_second(),
        to_s: from.as_second() + 86_400,
        document: "〔2026〕18号".into(),
        sha256: Some("ab".repeat(32)),
        reason: "检修".into(),
    };
    let store = Identity::read(&data).unwrap().store;
    let now = Now { mono: Duration::from_secs(1), utc: from + MINUTE * 30 };
    let mut journal = Journal::open(&data.join("journal"), Settings::new(&store, "b"), now).unwrap();
    journal.append(&[record("wang", &Told::Entered { claim })], now).unwrap();
    let number = journal.last_seq();
    let month = || {
        let asked = ["report", "monthly", "--date", "2026-05", "--csv", "--lang", "en"];
        let csv = qindan(&[&asked[..], &folders[..]].concat());
        let line = |begin: &str| csv.lines().find(|line| line.starts_with(begin)).unwrap().to_owned();
        (line("attainment,runcheng,"), line(&format!("filings,#{number},")))
    };
    let (days, filing) = month();
    assert!(days.contains(",31,0,0,0,,31,"), "{days}");
    assert!(filing.contains("abababababababab…") && filing.contains("not approved"), "{filing}");
    let yes = Told::Judged { filing: number, verdict: Verdict::Approved, note: String::new() };
    journal.append(&[record("li", &yes)], now).unwrap();
    let (days, filing) = month();
    assert!(days.contains(",31,0,0,1,maintenance 1,30,"), "{days}");
    assert!(filing.contains("approved by li"), "{filing}");
}
