//! Forecasts on their way in: what a text says, what the core makes of it, the page, the folder, a restart.

use std::fs;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use qindan::basin::{InflowId, IntakeId};
use qindan::control::forecast::{Forecast, Offer, Target};
use qindan::control::operator::Mode;
use qindan::control::record::Kind;
use qindan::shell::forecast::{Form, TEXT_MOST, offer, read};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::core::Core;
use crate::door;
use crate::fixture::{self, utc};
use crate::running::{Bench, Folder};
use crate::site::{self, Drive, Site};
use crate::web::{self, answer};

const BROOK: Target = Target::Inflow(InflowId(0));

/// Rows of the brook issued at the moment of the fixtures for six hours: one flow per hour.
fn csv(flows: &[&str]) -> String {
    let mut text = String::from("target,issued,expires,time,flow_m3s\n");
    for (hour, flow) in flows.iter().enumerate() {
        text += &row(i64::try_from(hour).unwrap(), flow);
    }
    text
}

fn row(hour: i64, flow: &str) -> String {
    format!("inflow:brook,{},{},{},{flow}\n", utc(0), utc(6 * 3600), utc(hour * 3600))
}

fn mistakes(text: &str) -> Vec<String> {
    read(text.as_bytes(), Form::Csv, &fixture::small().basin).unwrap_err()
}

fn one(text: &[u8]) -> Forecast {
    let mut issues = read(text, Form::Csv, &fixture::small().basin).unwrap();
    assert_eq!(issues.len(), 1, "{issues:?}");
    issues.remove(0)
}

fn mid(issue: &Forecast, hours: f64) -> Option<f64> {
    issue.at(utc(0), hours).map(|band| band.mid)
}

#[test]
fn a_table_is_read_with_a_byte_order_mark_and_carriage_returns_too() {
    let plain = csv(&["0.5", "0.7", "0.6"]);
    let issue = one(plain.as_bytes());
    assert_eq!((issue.target(), issue.issued(), issue.expires()), (BROOK, utc(0), utc(6 * 3600)));
    assert_eq!((issue.begin(), issue.step_s(), issue.values(), issue.members()), (utc(0), 3600, 3, 1));
    assert_eq!((mid(&issue, 1.0), mid(&issue, 2.0), mid(&issue, 2.1)), (Some(0.7), Some(0.6), None));
    let windows = format!("\u{feff}# from the bureau\n{plain}").replace('\n', "\r\n");
    assert_eq!(one(windows.as_bytes()), issue);
}

#[test]
fn every_mistake_of_a_table_is_named_with_line_column_value_and_remedy() {
    let said = mistakes(&(csv(&["0.5"]) + &row(1, "0,5")));
    assert_eq!(
        said,
        ["line 3: has 6 cells, the first line 5: give a cell for each column, and a point in decimals"]
    );
    let mut text = csv(&["0.5"]);
    text += "inflow:brok,yesterday,2026-05-18T12:00:00Z,2026-05-18T08:00:00Z,\n";
    text += "meter:z.lake,2026-05-18T08:00:00Z,2026-05-18T12:00:00Z,2026-05-18T08:00:00Z,much\n";
    let said = mistakes(&text);
    let expected = [
        ("line 3, column target", "\"inflow:brok\"", "did you mean inflow:brook?"),
        ("line 3, column issued", "\"yesterday\"", "as 2026-05-01T08:00:00+08:00"),
        ("line 3, column flow_m3s", "is empty", "not filled"),
        // A level is no flow.
        ("line 4, column target", "\"meter:z.lake\"", "a meter must show a flow"),
        ("line 4, column flow_m3s", "\"much\"", "give m³/s"),
    ];
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, (place, value, remedy)) in said.iter().zip(expected) {
        assert!(said.starts_with(place) && said.contains(value) && said.contains(remedy), "{said}");
    }
}

/// The largest monthly mean of the brook is 0.5 m³/s: more than a hundred times that is not believed.
#[test]
fn a_flow_that_cannot_be_is_refused_where_it_stands() {
    let said = mistakes(&csv(&["50", "-0.1", "NaN", "inf", "50.1"]));
    let expected = [
        "line 3, column flow_m3s: -0.1 m³/s is negative: give 0 or more",
        "line 4, column flow_m3s: NaN is no flow: give m³/s; a missing value is not filled",
        "line 5, column flow_m3s: inf is no flow: give m³/s; a missing value is not filled",
        "line 6, column flow_m3s: 50.1 m³/s cannot be, the most that is believed is 50 m³/s: check the unit: m³/s, not m³/h or L/s",
    ];
    assert_eq!(said, expected);
    // What an intake cannot take, nobody will.
    let mill = csv(&["0.35", "0.36"]).replace("inflow:brook", "intake:in.mill");
    assert!(mistakes(&mill)[0].contains("the most that is believed is 0.35 m³/s"));
}

#[test]
fn gaps_disorder_and_two_ends_are_told_not_filled() {
    let head = csv(&["0.5", "0.5"]);
    let gap = mistakes(&(head.clone() + &row(3, "0.5")));
    assert!(
        gap.len() == 1 && gap[0].starts_with("line 4, column time") && gap[0].contains("not filled"),
        "{gap:?}"
    );
    let back = mistakes(&(head.clone() + &row(0, "0.5")));
    assert!(back[0].contains("in order of time"), "{back:?}");
    let other_end = row(2, "0.5").replace(&utc(6 * 3600).to_string(), &utc(7 * 3600).to_string());
    assert!(mistakes(&(head + &other_end))[0].starts_with("line 4, column expires"));
    let alone = mistakes(&csv(&["0.5"]));
    assert!(
        alone.iter().any(|said| said.contains("1 values") && said.starts_with("from line 2")),
        "{alone:?}"
    );
}

#[test]
fn wrong_columns_no_text_and_no_row_say_what_is_wanted() {
    for text in
        ["", "time,flow_m3s\n", "target;issued;expires;time;flow_m3s\n", "target,issued,expires,time\n"]
    {
        let said = mistakes(text);
        assert!(said.len() == 1 && said[0].contains("write target,issued,expires,time"), "{text:?} {said:?}");
    }
    assert!(mistakes("target,issued,expires,time,flow_m3s\n")[0].contains("there is no row"));
    let basin = fixture::small().basin;
    assert!(read(&[0xff, 0xfe, 0x41], Form::Csv, &basin).unwrap_err()[0].contains("no UTF-8"));
    let long = vec![b'#'; TEXT_MOST + 1];
    assert!(read(&long, Form::Csv, &basin).unwrap_err()[0].contains("1048577 bytes"));
    // A hundred mistakes are not a hundred lines.
    let said = mistakes(&csv(&["x"; 100]));
    assert_eq!((said.len(), said[20].as_str()), (21, "and 80 more"));
}

#[test]
fn one_table_may_hold_several_targets_issues_and_members() {
    let text = csv(&["1,3", "2,4"]).replace("flow_m3s", "a,b");
    let mill = csv(&["0.1,0.2", "0.1,0.2"]).replace("inflow:brook", "intake:in.mill");
    let text = text + mill.split_once('\n').unwrap().1;
    let issues = read(text.as_bytes(), Form::Csv, &fixture::small().basin).unwrap();
    let found = issues.iter().map(|issue| (issue.target(), issue.members())).collect::<Vec<_>>();
    assert_eq!(found, [(BROOK, 2), (Target::Intake(IntakeId(0)), 2)]);
    let band = issues[0].at(utc(0), 1.0).unwrap();
    assert_eq!((band.low, band.mid, band.high), (2.0, 3.0, 4.0));
}

fn document(flows: &Value, issued_s: i64) -> Value {
    let (issued, end) = (utc(issued_s).to_string(), utc(issued_s + 6 * 3600).to_string());
    let issue = json!({ "target": "inflow:brook", "issued": issued, "expires": end, "begin": issued,
        "step_s": 3600, "members_m3s": flows });
    json!({ "forecasts": [issue] })
}

#[test]
fn json_says_the_same_and_names_its_mistakes_by_path() {
    let basin = fixture::small().basin;
    let text = document(&json!([[0.5, 0.7, 0.6]]), 0).to_string();
    let issues = read(text.as_bytes(), Form::Json, &basin).unwrap();
    assert_eq!(issues, [one(csv(&["0.5", "0.7", "0.6"]).as_bytes())]);
    let mut wrong = document(&json!([[0.5, -1.0], [0.5]]), 0);
    wrong["forecasts"][0]["step_s"] = json!(30);
    let said = read(wrong.to_string().as_bytes(), Form::Json, &basin).unwrap_err();
    let places = said.iter().map(|said| said.split(": ").next().unwrap()).collect::<Vec<_>>();
    assert_eq!(
        places,
        ["forecasts[0]", "forecasts[0].members_m3s[0][1]", "forecasts[0].members_m3s[1]"],
        "{said:#?}"
    );
    let said = read(b"{\"forecasts\": [\n {\"goal\": 1}]}", Form::Json, &basin).unwrap_err();
    assert!(said[0].starts_with("line 2, column ") && said[0].contains("goal"), "{said:?}");
    let said = read(b"{\"forecasts\": []}", Form::Json, &basin).unwrap_err();
    assert!(said[0].contains("is empty"), "{said:?}");
}

fn offered(text: &str) -> Offer {
    offer(text.as_bytes(), Form::Csv, &fixture::small().basin, "folder", "a.csv")
}

/// What the record holds of forecasts: accepted or not, and why.
fn told(core: &Core) -> Vec<(bool, String)> {
    let entries = core.entries.iter().filter(|entry| entry.kind == Kind::Forecast);
    let details = entries.map(|entry| entry.detail.clone().unwrap());
    details
        .map(|detail| (detail["accepted"] == true, detail["why"][0].as_str().unwrap_or("").to_owned()))
        .collect()
}

#[test]
fn what_comes_in_is_judged_recorded_and_shown() {
    let mut core = Core::automatic(0.2, 1.2);
    core.offers.push(offered(&csv(&["0.5", "0.7"])));
    core.offers.push(offered("nonsense\n"));
    core.tick();
    // Sent once more: known, and no news for the record.
    core.offers.push(offered(&csv(&["0.5", "0.7"])));
    core.tick();
    let told = told(&core);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].0 && !told[1].0 && told[1].1.starts_with("line 1: its columns are"), "{told:?}");
    let entry = core.entries.iter().find(|entry| entry.kind == Kind::Forecast).unwrap();
    let detail = entry.detail.as_ref().unwrap();
    assert_eq!(entry.actor, "forecast:folder");
    assert_eq!(
        (&detail["target"], &detail["from"], &detail["values"]),
        (&json!("inflow:brook"), &json!("a.csv"), &json!(2))
    );
    assert_eq!(detail["issued"], json!(utc(0).to_string()));
    assert_eq!(detail["digest"].as_str().unwrap().len(), 64);
    let status = core.status();
    let half_past = status.forecasts.at(BROOK, utc(1800), 0.0).unwrap();
    assert!((half_past.mid - 0.6).abs() < 1e-9);
}

#[test]
fn one_that_ends_without_a_successor_is_told_after_ten_minutes() {
    let mut core = Core::automatic(0.2, 1.2);
    let short = csv(&["0.5", "0.7"]).replace(&utc(6 * 3600).to_string(), &utc(60).to_string());
    core.offers.push(offered(&short));
    core.ticks(640);
    let is_told = |core: &Core| core.alarms().contains(&"A45:brook".to_owned());
    assert!(!is_told(&core));
    core.ticks(40);
    assert!(is_told(&core), "{:?}", core.alarms());
    let next = csv(&["0.5", "0.7"]).replace(&utc(0).to_string(), &utc(600).to_string());
    core.offers.push(offered(&next));
    core.ticks(10);
    assert!(!is_told(&core), "{:?}", core.alarms());
    assert!(told(&core).iter().all(|(accepted, _)| *accepted), "{:?}", told(&core));
}

#[tokio::test]
async fn the_page_takes_json_and_csv_through_its_guard_only() {
    let bench = web::small_bench();
    let post = |kind: &str, own: bool, body: String| {
        let mut request = door::with_session(Request::post("/api/v1/forecasts"))
            .header("host", "127.0.0.1:8080")
            .header("content-type", kind);
        if own {
            request = request.header("x-qindan", "1");
        }
        let request = bench.router.clone().oneshot(request.body(Body::from(body)).unwrap());
        async move { answer(request.await.unwrap()).await }
    };
    let good = csv(&["0.5", "0.7"]);
    assert_eq!(post("text/csv", false, good.clone()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(post("text/plain", true, good.clone()).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (status, said) = post("text/csv", true, csv(&["0.5", "-1"])).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(said["problems"][0].as_str().unwrap().starts_with("line 3, column flow_m3s"), "{said}");
    let (status, said) = post("application/json", true, document(&json!([[-1.0, 1.0]]), 0).to_string()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
    assert_eq!(post("text/csv", true, "x".repeat(TEXT_MOST + 1)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    // CSV is for forecasts alone.
    let act = door::with_session(Request::post("/api/v1/acts/hold-all"))
        .header("host", "127.0.0.1:8080")
        .header("x-qindan", "1");
    let act = act.header("content-type", "text/csv").body(Body::from("x")).unwrap();
    let refused = bench.router.clone().oneshot(act).await.unwrap().status();
    assert_eq!(refused, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_and_the_folder_brought_is_there_after_a_restart() {
    let folder = Folder::new();
    let drop_box = tempfile::tempdir().unwrap();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let mut config = site::config(&site.device, Mode::Manual);
    config.service.forecast_folder = Some(drop_box.path().to_path_buf());
    let bench = Bench::start(folder.options(config.clone(), 1.0)).await;
    let (status, said) = bench.page.post("/api/v1/forecasts", document(&json!([[0.5, 0.7]]), 0)).await;
    assert_eq!((status, &said["forecasts"][0]["answer"]), (200, &json!("taken")), "{said}");
    let (status, said) = bench.page.post("/api/v1/forecasts", document(&json!([[0.4, 0.7]]), -60)).await;
    assert_eq!((status, &said["forecasts"][0]["answer"]), (409, &json!("refused")), "{said}");
    assert!(said["error"].as_str().unwrap().contains("older"), "{said}");
    let mill = csv(&["0.1", "0.2"]).replace("inflow:brook", "intake:in.mill");
    fs::write(drop_box.path().join("mill.csv"), mill).unwrap();
    fs::write(drop_box.path().join("notes.txt"), "not for the service").unwrap();
    bench.until("both", |status| status.forecasts.held().count() == 2).await;
    bench.end().await;
    // Accepted, refused, and the file.
    let kept = folder.of_kind(Kind::Forecast).into_iter().map(|record| record.actor).collect::<Vec<_>>();
    assert_eq!(kept, ["forecast:page", "forecast:page", "forecast:folder"]);
    folder.verify();

    config.service.forecast_folder = None;
    let bench = Bench::start(folder.options(config, 1.0)).await;
    let status = bench.until("started", |status| status.tick > 0).await;
    let brook = status.forecasts.at(BROOK, utc(3600), 0.0).unwrap();
    assert!((brook.mid - 0.7).abs() < 1e-9);
    let (_, held) = bench.page.get("/api/v1/forecasts").await;
    let held: Value = serde_json::from_str(&held).unwrap();
    let [first, second] = held["forecasts"].as_array().unwrap().as_slice() else { panic!("{held}") };
    assert_eq!(
        (&first["target"], &first["mid_m3s"], &first["valid"]),
        (&json!("inflow:brook"), &json!([0.5, 0.7]), &json!(true))
    );
    assert_eq!((&second["target"], &second["from"]), (&json!("intake:in.mill"), &json!("mill.csv")));
    bench.end().await;
}
