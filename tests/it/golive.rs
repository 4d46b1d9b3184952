//! What was wanted beside what was done: `ops/shadow` on the exports of a data folder, against numbers made by hand.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jiff::SignedDuration;
use qindan::control::Now;
use qindan::control::quality::{Quality, Reading};
use qindan::control::record::{Entry, Kind};
use qindan::shell::history::Direct;
use qindan::shell::journal::{Journal, Settings};
use serde_json::json;

use crate::fixture;
use crate::running::Folder;

fn exported(folder: &Folder, what: &[&str]) -> String {
    let data = folder.root.path().to_str().unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_qindan")).args(what).args(["--data", data]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Proposals: 2.0 at the beginning, 1.2 after two hours, 1.4 after two and a half. Released: 1.99 for two hours, then 0.9.
#[test]
fn proposals_are_counted_as_followed_or_not() {
    let folder = Folder::new();
    let mut journal =
        Journal::open(&folder.journal(), Settings::new(&folder.store, "boot-1"), now(-60)).unwrap();
    let mut before = 1.0;
    for (minute, flow) in [(0, 2.0), (120, 1.2), (150, 1.4)] {
        let mut entry = Entry::new(Kind::Decision, "dispatch");
        entry.flow = Some(fixture::q(flow));
        entry.detail = Some(json!({ "release_of": "lake", "from_m3s": before, "to_m3s": flow }));
        journal.append(&[entry], now(minute * 60)).unwrap();
        before = flow;
    }
    // Of another lake.
    let mut other = Entry::new(Kind::Decision, "dispatch");
    other.detail = Some(json!({ "release_of": "pond", "from_m3s": 0.1, "to_m3s": 0.2 }));
    journal.append(&[other], now(160 * 60)).unwrap();
    drop(journal);
    let points = vec!["q.outlet/value".to_owned()];
    let mut samples = Direct::open(&folder.journal(), &folder.store, points).unwrap();
    for minute in (0..=240).step_by(10) {
        let value = if minute < 120 { 1.99 } else { 0.9 };
        // Nobody knows from the 60th to the 90th minute.
        let quality = if (60..90).contains(&minute) { Quality::Stale } else { Quality::Good };
        let reading = Reading { value: Some(value), quality, reason: None, taken_at: None, last_good: None };
        samples.record(fixture::utc(0) + SignedDuration::from_mins(minute), &[reading]);
    }
    assert!(samples.write());
    drop(samples);

    let work = tempfile::tempdir().unwrap();
    let (log, rows) = (work.path().join("log.jsonl"), work.path().join("samples.csv"));
    fs::write(&log, exported(&folder, &["log", "export"])).unwrap();
    fs::write(&rows, exported(&folder, &["history", "export", "--point", "q.outlet/value"])).unwrap();
    let shadow = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/shadow");
    let output = Command::new(shadow)
        .args([&log, &rows])
        .args(["--release-of", "lake", "--point", "q.outlet/value", "--floor", "1.0", "--csv"])
        .arg(work.path().join("proposals.csv"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // 241 minutes less thirty unknown ones. Wanted: 90 of the first 120 minutes at 2.0, 30 at 1.2, 91 at 1.4, of 60 s each;
    // released: 90 at 1.99 and 121 at 0.9.
    let expected = [
        "compared: 211 of 241 minutes",
        "wanted: 20604 m3, released: 17280 m3 (-16.1 %)",
        "released below 1 m3/s: 121 minutes",
        "proposals: 1 followed, 1 not followed, 1 superseded, 0 unknown",
        "acceptance: 50 % of 2",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    let rows = fs::read_to_string(work.path().join("proposals.csv")).unwrap();
    let became: Vec<_> = rows.lines().skip(1).map(|row| row.rsplit(',').next().unwrap()).collect();
    assert_eq!(became, ["followed", "superseded", "not followed"]);
}

fn now(offset_s: i64) -> Now {
    let mono = Duration::from_secs(u64::try_from(30_000 + offset_s).unwrap());
    Now { mono, utc: fixture::utc(offset_s) }
}
