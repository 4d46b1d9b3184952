//! What a third party can check: signed checkpoints, chain heads kept elsewhere, and an export with a page of Python.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use qindan::control::command::Terminal;
use qindan::control::operator::Mode;
use qindan::control::record::Kind;
use qindan::shell::checkpoint::{self, Signer, anchors};
use qindan::shell::data_dir;
use qindan::shell::journal::{ACTIONS, Journal, Mark, Reader, Record, Settings, segments};
use qindan::shell::log::{self, Verdict};
use qindan::shell::record::RecordHandle;
use qindan::shell::verify::{self, Part};

use crate::journal::{intent, note, now, outcome, settings};
use crate::running::{Bench, Folder, at_rest, ended};
use crate::site::{self, Drive, Site};

/// A data folder with small segments.
pub(crate) struct Data {
    pub(crate) root: tempfile::TempDir,
    pub(crate) store: String,
}

impl Data {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = data_dir::init(root.path(), "alder", Timestamp::UNIX_EPOCH).unwrap().store;
        Self { root, store }
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn journal_dir(&self) -> PathBuf {
        self.path().join("journal")
    }

    /// The journal, which signs with the key of the folder.
    pub(crate) fn journal(&self) -> Journal {
        let settings = Settings { store: self.store.clone(), ..settings() };
        let mut journal = Journal::open(&self.journal_dir(), settings, now(0)).unwrap();
        journal.sign_with(Signer::of(self.path()).unwrap().0);
        journal
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let records = Reader::open(&self.journal_dir(), ACTIONS).unwrap().records(0);
        records.map(|frame| Record::of(&frame.unwrap()).unwrap()).collect()
    }

    fn verify(&self, anchors: &str) -> (Verdict, String) {
        self.verify_part(anchors, Part::WHOLE)
    }

    fn verify_part(&self, anchors: &str, part: Part) -> (Verdict, String) {
        let report = verify::check(self.path(), &anchors::read(anchors).unwrap(), part);
        let mut out = Vec::new();
        report.print(&mut out).unwrap();
        (report.verdict(), String::from_utf8(out).unwrap())
    }

    fn export(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> String {
        let mut out = Vec::new();
        log::export(self.path(), from, to, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }
}

#[test]
fn a_checkpoint_is_signed_every_hour_and_after_each_segment() {
    let data = Data::new();
    let mut journal = data.journal();
    journal.append(&[note("a")], now(0)).unwrap();
    assert!(journal.checkpoint(now(3_599)).unwrap().is_empty());
    let frame = journal.checkpoint(now(3_600)).unwrap().remove(0);
    let detail = Record::of(&frame).unwrap().detail.unwrap();
    let head = detail["head"].as_str().unwrap();
    assert_eq!((detail["seq"].as_u64(), detail["records"].as_u64(), head.len()), (Some(1), Some(1), 64));
    assert!(journal.checkpoint(now(9_000)).unwrap().is_empty(), "nothing new to speak for");
    // A segment of 4096 bytes is full after some ten records.
    let mut made = 0;
    for second in 3_601..3_640 {
        journal.append(&[note("as much text as a decision has, more or less")], now(second)).unwrap();
        made += journal.checkpoint(now(second)).unwrap().len();
    }
    let files = segments(&data.journal_dir(), ACTIONS).unwrap();
    assert!(made > 2 && files.len() > made, "{made} checkpoints, {} segments", files.len());
    let (verdict, text) = data.verify("");
    assert_eq!(verdict, Verdict::Right, "{text}");
    assert!(text.contains(&format!("{} signed checkpoints", made + 1)), "{text}");
    let newest = checkpoint::newest(&data.journal_dir(), Timestamp::MAX).unwrap().unwrap();
    let first = checkpoint::newest(&data.journal_dir(), now(3_601).utc).unwrap().unwrap();
    assert_eq!((first.record, first.seq, first.head.as_str()), (2, 1, &head[..12]));
    assert!(newest.record > first.record);
}

#[test]
fn a_quiet_hour_is_signed_too_and_a_restart_does_not_put_it_off() {
    let data = Data::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (record, thread) = RecordHandle::start(data.journal(), None).unwrap();
    runtime.block_on(record.append(vec![note("a")], now(10))).unwrap();
    for second in 11..3_700 {
        record.pass_time(now(second));
    }
    drop(record);
    thread.join().unwrap();
    let kinds: Vec<_> = data.records().iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Decision, Kind::Checkpoint]);
    // The minute of second 3660 was the first with an hour behind it, and the newest that was told.
    let mut journal = data.journal();
    journal.append(&[note("b")], now(3_700)).unwrap();
    assert!(journal.checkpoint(now(7_259)).unwrap().is_empty());
    assert_eq!(journal.checkpoint(now(7_260)).unwrap().len(), 1);
    assert_eq!(data.verify("").0, Verdict::Right);
}

/// Someone with the disk but without the key writes the whole record anew, hashes and all.
#[test]
fn a_record_made_anew_by_others_is_found() {
    let data = Data::new();
    let honest = |journal: &mut Journal| {
        journal.append(&[intent(1, 0.9), outcome(1)], now(1)).unwrap();
        assert_eq!(journal.checkpoint(now(3_601)).unwrap().len(), 1);
        journal.append(&[note("b")], now(3_602)).unwrap();
    };
    honest(&mut data.journal());
    let frames: Vec<_> =
        Reader::open(&data.journal_dir(), ACTIONS).unwrap().records(0).map(Result::unwrap).collect();
    let heads: Vec<_> = frames.iter().map(|frame| qindan::shell::journal::hex(&frame.chain)).collect();
    assert_eq!(data.verify(&format!("3 {}\n2 {}", &heads[2], &heads[1][..12])).0, Verdict::Right);
    let list = format!("2 {}", &heads[1][..12]);

    let anew = |sign: Option<Signer>| {
        fs::remove_dir_all(data.journal_dir()).unwrap();
        fs::create_dir(data.journal_dir()).unwrap();
        let settings = Settings { store: data.store.clone(), ..settings() };
        let mut journal = Journal::open(&data.journal_dir(), settings, now(0)).unwrap();
        if let Some(signer) = sign {
            journal.sign_with(signer);
        }
        journal.append(&[intent(1, 0.1), outcome(1)], now(1)).unwrap();
        journal.checkpoint(now(3_601)).unwrap();
        journal.append(&[note("b")], now(3_602)).unwrap();
    };
    // With a key of their own.
    anew(Signer::from_seed(&[9; 32]));
    let (verdict, text) = data.verify("");
    assert_eq!(verdict, Verdict::Chain, "{text}");
    assert!(text.contains("record 3: checkpoint: signed with ") && text.contains("does not know"), "{text}");
    // Without checkpoints: only who kept a head elsewhere can tell.
    anew(None);
    assert_eq!(data.verify("").0, Verdict::Right);
    let (verdict, text) = data.verify(&list);
    assert_eq!(verdict, Verdict::AnchorDiffers, "{text}");
    assert!(text.contains("record 2: its chain head is ") && text.contains(&heads[1][..12]), "{text}");
}

#[test]
fn an_end_cut_off_with_its_mark_is_found_by_whoever_kept_the_head() {
    let data = Data::new();
    let mut journal = data.journal();
    for second in 0..40 {
        journal.append(&[note("as much text as a decision has, more or less")], now(second)).unwrap();
    }
    drop(journal);
    let head = Reader::open(&data.journal_dir(), ACTIONS).unwrap().last(1, |_| true).unwrap().remove(0);
    let list = format!("{} {}", head.seq, qindan::shell::journal::hex(&head.chain));
    let newest = segments(&data.journal_dir(), ACTIONS).unwrap().pop().unwrap();
    fs::remove_file(newest.path).unwrap();
    fs::remove_file(Mark::path(&data.journal_dir(), ACTIONS)).unwrap();
    let later = Settings { store: data.store.clone(), boot: "boot-2".into(), ..settings() };
    Journal::open(&data.journal_dir(), later, now(0)).unwrap();
    let (verdict, text) = data.verify("");
    assert_eq!(verdict, Verdict::Right, "{text}");
    let (verdict, text) = data.verify(&list);
    assert_eq!(verdict, Verdict::AnchorDiffers, "{text}");
    assert!(text.contains("record 40 of line 1 of the anchors: the log ends at record"), "{text}");
    // Cut off at the beginning: no head is needed for that.
    let oldest = segments(&data.journal_dir(), ACTIONS).unwrap().remove(0);
    fs::remove_file(oldest.path).unwrap();
    let (verdict, text) = data.verify("");
    assert_eq!(verdict, Verdict::Missing, "{text}");
    assert!(text.contains("records 1 to "), "{text}");
}

fn program(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_qindan")).args(args).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), text)
}

#[test]
fn the_program_compares_anchors_and_says_it_in_exit_code_and_json() {
    let data = Data::new();
    data.journal().append(&[note("a"), note("b")], now(1)).unwrap();
    let frames: Vec<_> =
        Reader::open(&data.journal_dir(), ACTIONS).unwrap().records(0).map(Result::unwrap).collect();
    let head = qindan::shell::journal::hex(&frames[1].chain);
    let (folder, kept) = (data.path().to_str().unwrap(), data.path().join("kept.txt"));
    let verify = |text: &str, more: &[&str]| {
        fs::write(&kept, text).unwrap();
        let args = ["log", "verify", "--data", folder, "--anchors", kept.to_str().unwrap()];
        program(&[&args[..], more].concat())
    };
    // A line of the system log as the service writes it, among others.
    let said = format!(
        "2026-05-01T00:00:00Z  INFO qindan::shell::service: the service runs address=127.0.0.1:80\n\
         2026-05-01T00:00:00Z  INFO qindan::shell::journal::actions: checkpoint seq=2 head=\"{head}\" epoch=1 records=2\n"
    );
    let (code, text) = verify(&said, &[]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = verify(&format!("2 {}", "0".repeat(12)), &["--json"]);
    assert_eq!(code, Some(8), "{text}");
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((object["exit"].as_u64(), object["log"]["records"].as_u64()), (Some(8), Some(2)));
    assert_eq!(object["log"]["head"], head);
    let (code, text) = verify("nothing of the kind\n", &[]);
    assert!(code == Some(1) && text.contains("no chain heads in it"), "{text}");
    let (code, text) = verify("2 0123\n", &[]);
    assert!(code == Some(1) && text.contains("line 1"), "{text}");
}

fn part(from: u64, to: u64) -> Part {
    Part::of(Some(from), Some(to)).unwrap()
}

/// Turns one byte of the body of a record into another one, checksum left wrong or, `sealed`, made right.
fn bend(data: &Data, seq: u64, sealed: bool) {
    let files = segments(&data.journal_dir(), ACTIONS).unwrap();
    let file = files.iter().rfind(|file| file.name.first <= seq).unwrap();
    let mut bytes = fs::read(&file.path).unwrap();
    let (at, size) = crate::tampering::frames(&bytes)[usize::try_from(seq - file.name.first).unwrap()];
    let actor = bytes[at..at + size].windows(8).position(|text| text == b"dispatch").unwrap();
    bytes[at + actor] ^= 1;
    if sealed {
        crate::tampering::seal(&mut bytes[at..at + size]);
    }
    fs::write(&file.path, bytes).unwrap();
}

/// Segments of 4096 bytes: some ten records each, so that a part begins and ends inside of one or goes over several.
#[test]
fn a_part_is_judged_by_its_own_records_only() {
    let data = Data::new();
    let mut journal = data.journal();
    for second in 0..30 {
        let command = u64::from(second) + 1;
        journal.append(&[intent(command, 0.5)], now(second)).unwrap();
        journal.append(&[outcome(command)], now(second)).unwrap();
    }
    drop(journal);
    for (from, to) in [(1, 1), (1, 60), (2, 59), (30, 30), (31, 60), (60, 900)] {
        let (verdict, text) = data.verify_part("", part(from, to));
        assert_eq!(verdict, Verdict::Right, "{from} to {to}: {text}");
        let count = to.min(60) - from + 1;
        assert!(text.contains(&format!("of records {from} to {to} only: {count} records in ")), "{text}");
    }
    // Record 30 is the outcome of 29, record 31 the intent of 32: neither counts where the other is outside.
    let (_, text) = data.verify_part("", part(30, 31));
    assert!(text.contains("note: record 31: command 16 has no outcome up to record 31"), "{text}");
    let (verdict, text) = data.verify_part("", part(61, 900));
    assert_eq!(verdict, Verdict::Usage, "{text}");
    assert!(text.contains("no record of 61 to 900 is in the log"), "{text}");

    // What is damaged or changed counts in its part and nowhere else.
    bend(&data, 40, true);
    assert_eq!(data.verify("").0, Verdict::Chain);
    assert_eq!(data.verify_part("", part(40, 40)).0, Verdict::Chain);
    assert_eq!(data.verify_part("", part(20, 60)).0, Verdict::Chain);
    for (from, to) in [(1, 39), (41, 60), (41, 41)] {
        let (verdict, text) = data.verify_part("", part(from, to));
        assert_eq!(verdict, Verdict::Right, "{from} to {to}: {text}");
    }
    bend(&data, 10, false);
    assert_eq!(data.verify_part("", part(10, 20)).0, Verdict::Damaged);
    assert_eq!(data.verify_part("", part(1, 9)).0, Verdict::Right);
    assert_eq!(data.verify_part("", part(25, 39)).0, Verdict::Right);
}

#[test]
fn a_part_knows_a_lost_end_a_cut_beginning_and_its_own_anchors_only() {
    let data = Data::new();
    let mut journal = data.journal();
    for second in 0..40 {
        journal.append(&[note("as much text as a decision has, more or less")], now(second)).unwrap();
    }
    drop(journal);
    let frames: Vec<_> =
        Reader::open(&data.journal_dir(), ACTIONS).unwrap().records(0).map(Result::unwrap).collect();
    let head = qindan::shell::journal::hex(&frames[19].chain);
    let list = format!("20 {head}\n30 {}", "0".repeat(64));
    assert_eq!(data.verify_part(&list, part(10, 29)).0, Verdict::Right);
    assert_eq!(data.verify_part(&list, part(10, 30)).0, Verdict::AnchorDiffers);
    let (_, text) = data.verify_part(&list, part(10, 29));
    assert!(text.contains("note: chain heads of 1 records outside of the range were not compared"), "{text}");

    let mut files = segments(&data.journal_dir(), ACTIONS).unwrap();
    let (newest, oldest) = (files.pop().unwrap(), files.remove(0));
    fs::remove_file(newest.path).unwrap();
    let missing = newest.name.first;
    assert_eq!(data.verify_part("", part(missing, 40)).0, Verdict::Missing);
    assert_eq!(data.verify_part("", part(missing - 1, 90)).0, Verdict::Missing);
    assert_eq!(data.verify_part("", part(1, missing - 1)).0, Verdict::Right);
    fs::remove_file(oldest.path).unwrap();
    let (verdict, text) = data.verify_part("", part(2, missing - 1));
    assert_eq!(verdict, Verdict::Right, "{text}");
    assert!(text.contains(&format!("note: records 2 to {} are not here", files[0].name.first - 1)), "{text}");
    assert_eq!(data.verify("").0, Verdict::Missing);
}

#[test]
fn the_program_checks_a_part_and_refuses_an_empty_one() {
    let data = Data::new();
    data.journal().append(&[note("a"), note("b"), note("c")], now(1)).unwrap();
    let verify = |more: &[&str]| {
        let args = ["log", "verify", "--data", data.path().to_str().unwrap()];
        program(&[&args[..], more].concat())
    };
    let (code, text) = verify(&["--from", "2"]);
    assert!(
        code == Some(0) && text.contains("of records 2 to the end only: 2 records in 1 segments"),
        "{text}"
    );
    let (code, text) = verify(&["--from", "2", "--to", "2", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, object["log"]["records"].as_u64()), (Some(0), Some(1)), "{text}");
    assert_eq!((object["range"]["from"].as_u64(), object["range"]["to"].as_u64()), (Some(2), Some(2)));
    let (code, text) = verify(&["--from", "3", "--to", "2"]);
    assert!(code == Some(64) && text.contains("--from 3 --to 2: no record lies between"), "{text}");
    let (code, text) = verify(&["--from", "0"]);
    assert!(code == Some(64) && text.contains("--from"), "{text}");
    let (code, text) = verify(&["--from", "4"]);
    assert!(code == Some(1) && text.contains("no record of 4 to the end is in the log"), "{text}");
}

/// Runs the page of Python on a text.
fn third_party(text: &str, store: &str) -> (bool, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log.jsonl");
    fs::write(&file, text).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/verify-export");
    let output = Command::new("python3").arg(script).arg(&file).args(["--store", store]).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.success(), said)
}

#[test]
fn a_third_party_verifies_an_export_and_finds_any_changed_line() {
    let data = Data::new();
    let mut journal = data.journal();
    for second in 0..12 {
        journal.append(&[note(&format!("decision {second}: 流量 ≥ 1.0 \"m³/s\"}}"))], now(second)).unwrap();
    }
    drop(journal);
    let text = data.export(None, None);
    let (right, said) = third_party(&text, &data.store);
    assert!(right && said.starts_with("12 records up to 12 follow each other, chain head "), "{said}");
    let (right, said) = third_party(&text, "another store");
    assert!(!right && said.contains("line 1: begins with the hash of another store"), "{said}");

    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    for at in 0..12 {
        let changed = lines[at].replace(&format!("decision {at}:"), &format!("decision {}:", at + 1));
        assert_ne!(changed, lines[at]);
        let mut all = lines.clone();
        all[at] = changed;
        let (right, said) = third_party(&(all.join("\n") + "\n"), &data.store);
        assert!(
            !right && said.contains(&format!("line {}: record {} was changed", at + 1, at + 1)),
            "{said}"
        );
    }
    let without = |at: usize| {
        let mut all = lines.clone();
        all.remove(at);
        all.join("\n") + "\n"
    };
    let (right, said) = third_party(&without(5), &data.store);
    assert!(!right && said.contains("line 6: record 7 does not follow record 5"), "{said}");
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    assert!(!third_party(&(swapped.join("\n") + "\n"), &data.store).0);
    assert!(!third_party(&text[..text.len() - 3], &data.store).0, "cut short");
    assert!(!third_party("", &data.store).0);
}

#[test]
fn an_export_of_a_time_is_one_piece_though_the_clock_was_set_back() {
    let data = Data::new();
    let mut journal = data.journal();
    let at = |mono: u32, utc: u32| qindan::control::Now { utc: now(utc).utc, ..now(mono) };
    for (mono, utc) in [(1, 100), (2, 200), (3, 300), (4, 150), (5, 250), (6, 350)] {
        journal.append(&[note("a decision")], at(mono, utc)).unwrap();
    }
    let seqs = |from, to| {
        let text = data.export(from, to);
        assert!(text.is_empty() || third_party(&text, &data.store).0);
        let seq =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap();
        text.lines().map(seq).collect::<Vec<_>>()
    };
    // Record 3 is of second 300: it stands between those of the time asked for.
    assert_eq!(seqs(Some(now(200).utc), Some(now(300).utc)), [2, 3, 4, 5]);
    assert_eq!(seqs(None, Some(now(200).utc)), [1, 2, 3, 4]);
    assert_eq!(seqs(Some(now(350).utc), None), [6]);
    assert_eq!(seqs(Some(now(400).utc), None), [] as [u64; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_shown_with_its_inputs() {
    let folder = Folder::new();
    // 14 % pass 0.887 m³/s: below the floor of 1.0, the valve is opened at once.
    let site = Site::start(14.0, Drive::Quick, &folder.journal()).await;
    let config = site::config(&site.device, Mode::Automatic);
    let bench = Bench::start(folder.options(config.clone(), 60.0)).await;
    bench.until("verified", |status| ended(status, &Terminal::Verified)).await;
    bench.until("at rest", at_rest).await;
    bench.end().await;
    let intent = folder.of_kind(Kind::Intent).remove(0);
    let show = |config: Option<&qindan::config::Config>| {
        let mut out = Vec::new();
        log::show(folder.root.path(), intent.seq, config, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let shown = show(Some(&config));
    let inputs = shown.split("inputs (").nth(1).unwrap_or_else(|| panic!("{shown}"));
    assert!(inputs.starts_with("exact, as they were decided on"), "{shown}");
    let line = |text: &str, what: &str| {
        text.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {text}")).to_owned()
    };
    assert!(line(inputs, "v1/3 ").contains(" 14"), "{shown}");
    assert!(line(inputs, "q.outlet/value").contains("s old"), "{shown}");
    assert!(shown.contains("outcome in record "), "{shown}");
    assert!(show(None).contains("point 0 "), "without names");
    fs::remove_dir_all(folder.root.path().join("snapshots")).unwrap();
    let shown = show(Some(&config));
    let inputs = shown.split("inputs (").nth(1).unwrap_or_else(|| panic!("{shown}"));
    assert!(inputs.starts_with("samples kept last before it"), "{shown}");
    assert!(line(inputs, "v1/3 ").contains(", good, kept "), "{shown}");
}
