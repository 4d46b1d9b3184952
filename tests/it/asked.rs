//! What `qindan log tail` finds of a record: by gate, kind, person, time and decision.

use std::process::Command;

use jiff::Timestamp;
use qindan::control::command::Terminal;
use qindan::control::record::{Entry, Kind};

use crate::journal::{intent, note, now, outcome};
use crate::record::Folder;

/// Runs `qindan log tail` with these arguments: whether it succeeded, the numbers of the records, the second word of a line,
/// and what it complained of.
fn tail(folder: &Folder, args: &[&str]) -> (bool, Vec<u64>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_qindan"))
        .args(["log", "tail", "--data"])
        .arg(folder.path())
        .args(args)
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let number = |line: &str| line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), lines.lines().map(number).collect(), complaint)
}

fn decided(mut entry: Entry, inputs: &str) -> Entry {
    entry.inputs = Some(inputs.repeat(32));
    entry
}

/// Two decisions, a person's act between them, and the outcomes of both after the second.
fn story() -> Folder {
    let folder = Folder::new();
    let mut journal = folder.journal();
    let mut act = Entry::new(Kind::Operator, "operator:li.ming");
    act.gate = Some("oak.v2".into());
    let mut failed = outcome(2);
    (failed.gate, failed.outcome) = (Some("oak.v2".into()), Some(Terminal::Verified));
    let mut second = intent(2, 0.25);
    second.gate = Some("oak.v2".into());
    // 1, 2: the first decision; 3: the act; 4, 5: the second; 6, 7: how they ended.
    journal.append(&[decided(note("more is needed"), "ab"), decided(intent(1, 0.5), "ab")], now(0)).unwrap();
    journal.append(&[act], now(10)).unwrap();
    journal.append(&[decided(note("less is needed"), "cd"), decided(second, "cd")], now(20)).unwrap();
    journal.append(&[failed], now(30)).unwrap();
    journal.append(&[outcome(1)], now(40)).unwrap();
    folder
}

#[test]
fn records_are_found_by_gate_kind_person_and_time() {
    let folder = story();
    let found = |args: &[&str]| {
        let (ok, numbers, complaint) = tail(&folder, args);
        assert!(ok, "{complaint}");
        numbers
    };
    assert_eq!(found(&["-n", "3"]), [5, 6, 7]);
    assert_eq!(found(&["--gate", "oak.v2"]), [3, 5, 6]);
    assert_eq!(found(&["--kind", "decision", "--kind", "operator"]), [1, 3, 4]);
    // Outcomes belong to their intents.
    assert_eq!(found(&["--actor", "li.ming"]), [3, 6, 7]);
    assert_eq!(found(&["--actor", "li.ming", "--kind", "operator"]), [3]);
    let at = |second| now(second).utc.to_string();
    assert_eq!(found(&["--from", &at(10), "--to", &at(30)]), [3, 4, 5]);
    assert_eq!(found(&["--from", &at(20), "--gate", "alder.v1"]), [7]);
    assert!(found(&["--to", &Timestamp::UNIX_EPOCH.to_string()]).is_empty());
}

#[test]
fn a_decision_is_told_with_all_that_came_of_it() {
    let folder = story();
    for (seq, together) in [("1", [1, 2, 7]), ("2", [1, 2, 7]), ("4", [4, 5, 6])] {
        let (ok, numbers, complaint) = tail(&folder, &["--decision", seq]);
        assert!(ok, "{complaint}");
        assert_eq!(numbers, together, "{seq}");
    }
    let (ok, _, complaint) = tail(&folder, &["--decision", "3"]);
    assert!(!ok && complaint.contains("record 3: not decided from readings"), "{complaint}");
    let (ok, _, complaint) = tail(&folder, &["--decision", "99"]);
    assert!(!ok && complaint.contains("record 99: not in"), "{complaint}");
}

#[test]
fn a_kind_that_does_not_exist_is_named_with_those_that_do() {
    let (ok, _, complaint) = tail(&story(), &["--kind", "decisions"]);
    assert!(!ok && complaint.contains("decisions") && complaint.contains("decision"), "{complaint}");
}
