//! Notes of a shift and its hand-over: by the page's routes, by the command line, of a service that ran.

use std::path::Path;
use std::process::{Command, Stdio};

use axum::http::StatusCode;
use qindan::control::operator::Mode;
use qindan::control::record::Kind;
use qindan::shell::people::Role;
use serde_json::json;

use crate::running::{Bench, Folder};
use crate::site::{self, Drive, Site};
use crate::web::{answer, small_bench};

#[tokio::test]
async fn a_note_has_words_and_an_element_there_is() {
    let bench = small_bench();
    let long = "记".repeat(2000);
    for (body, wanted) in [
        (json!({ "text": "grease the valve" }), StatusCode::OK),
        (json!({ "text": long, "gate": "v1" }), StatusCode::OK),
        (json!({ "text": "low", "section": "ford" }), StatusCode::OK),
        (json!({ "text": format!("{long}x") }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "text": " \n " }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "text": "x", "gate": "nowhere" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "text": "x", "section": "nowhere" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "text": "x", "who": "wang" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({}), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(bench.post("/api/v1/notes", body.clone()).await.0, wanted, "{body}");
    }
    bench.is_now(Role::Viewer);
    assert_eq!(bench.post("/api/v1/notes", json!({ "text": "x" })).await.0, StatusCode::FORBIDDEN);
    for wrong in ["?hours=0", "?hours=73", "?lang=fr", "?form=pdf", "?to_s=x", "?from_s=1"] {
        let (status, _) = answer(bench.get(&format!("/api/v1/shift{wrong}")).await).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shift_is_handed_over_with_its_notes_alarms_and_acts() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let bench = Bench::start(folder.options(site::config(&site.device, Mode::Manual), 20.0)).await;
    let note = json!({ "text": "grease the valve on Tuesday\n<b>", "gate": "v1" });
    let (status, kept) = bench.page.post("/api/v1/notes", note).await;
    assert_eq!((status, kept), (200, json!({ "kept": true })));
    assert_eq!(bench.page.hold_all().await.0, 200);
    let status = bench.until("A36", |status| status.alarms.iter().any(|alarm| alarm.id == "A36")).await;
    let to = status.utc.as_second() + 60;
    let path = format!("/api/v1/shift?to_s={to}&hours=12&lang=en");
    let (code, page) = bench.page.get(&path).await;
    assert_eq!(code, 200, "{page}");
    for words in
        ["grease the valve on Tuesday", "&lt;b&gt;", "hold", "Hold-all is on", "manual", "Handed over by"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("<b>\n") && !page.contains("Tuesday\n<b>"));
    let csv = bench.page.get(&format!("{path}&form=csv")).await.1;
    assert!(csv.lines().any(|line| line.starts_with("notes,") && line.contains("v1")), "{csv}");
    let (_, rows) = bench.page.get("/api/v1/records?kind=notes").await;
    assert!(rows.contains("grease the valve"), "{rows}");
    let (_, shown) = bench.page.get("/shift").await;
    assert!(
        shown.contains("grease the valve") && shown.contains("&lt;b&gt;") && shown.contains("note-keep"),
        "{shown}"
    );
    bench.end().await;
    let records = folder.of_kind(Kind::Note);
    let [record] = &records[..] else { panic!("{records:#?}") };
    assert_eq!((record.actor.as_str(), record.gate.as_deref()), ("operator:li", Some("v1")));
    folder.verify();
}

#[test]
fn the_command_line_makes_the_same_bytes_twice() {
    let root = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let (data, out) = (root.path().join("data"), root.path().join("out"));
    let said = |args: &[&str]| {
        let folders = ["--data", data.to_str().unwrap(), "--config", shipped.to_str().unwrap()];
        let mut command = Command::new(env!("CARGO_BIN_EXE_qindan"));
        let output = command.args(args).args(folders).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    said(&["init"]);
    let shift = ["report", "shift", "--to", "2026-05-12T08:00", "--lang", "en"];
    let page = said(&shift);
    assert!(page.contains("2026-05-11 20:00 – 2026-05-12 08:00"), "{page}");
    assert_eq!(said(&shift), page);
    let told = said(&["report", "shift", "--to", "2026-05-12T08:00", "--out", out.to_str().unwrap()]);
    assert!(told.contains("shift_2026-05-12_0800.zh.html") && told.lines().count() == 4, "{told}");
}
