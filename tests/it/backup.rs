//! Backup and restore: a copy beside a running service, what it refuses, and the drill that puts it back.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use qindan::control::command::Terminal;
use qindan::control::operator::Mode;
use qindan::control::quality::{Quality, Reading};
use qindan::control::record::Kind;
use qindan::shell::backup::{self, BackupError, Done, Manifest, Order, Problems, Restored};
use qindan::shell::data_dir;
use qindan::shell::history::{self, Direct, History, Keep};
use qindan::shell::journal::{ACTIONS, Journal, Mark, Reader, Record, Settings, segments};
use qindan::shell::levels::{self, Level};
use qindan::shell::log::{self, Verdict};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::journal::{intent, note, now, outcome, settings};
use crate::running::{Bench, Folder, at_rest, ended, options};
use crate::site::{self, Drive, Site};

const MADE: Timestamp = Timestamp::UNIX_EPOCH;

/// A data folder with small segments, a configuration, and a place for backups.
struct Place {
    root: tempfile::TempDir,
    store: String,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = data_dir::init(&root.path().join("data"), "alder", MADE).unwrap().store;
        fs::create_dir_all(root.path().join("config/devices")).unwrap();
        fs::write(root.path().join("config/basin.toml"), "id = \"alder\"\n").unwrap();
        fs::write(root.path().join("config/devices/box.toml"), "x = 1\n").unwrap();
        Self { root, store }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn journal(&self) -> Journal {
        let settings = Settings { store: self.store.clone(), ..settings() };
        Journal::open(&self.at("data/journal"), settings, now(0)).unwrap()
    }

    /// Appends `count` decisions.
    fn append(&self, count: u32) {
        self.append_about(count, "decision");
    }

    fn append_about(&self, count: u32, what: &str) {
        let mut journal = self.journal();
        for _ in 0..count {
            // Service time goes on, whatever the epoch.
            let second = u32::try_from(journal.last_seq() % 1_000_000).unwrap();
            let words = format!("{what} at {second}, with words enough to fill a segment");
            journal.append(&[note(&words)], now(second)).unwrap();
        }
    }

    fn backup(&self) -> Result<Done, BackupError> {
        let (data, config, to) = (self.at("data"), self.at("config"), self.at("backup"));
        backup::make(Order { data: &data, config: &config, to: &to }, MADE, &mut |_| {})
    }

    fn restore(&self, to: &str) -> Result<Restored, BackupError> {
        backup::restore(&self.at("backup"), &self.at(to), Problems::Refuse, MADE, &mut |_| {})
    }
}

fn verify(data: &Path) -> (Verdict, String) {
    let mut out = Vec::new();
    let verdict = log::verify(data, &mut out).unwrap();
    (verdict, String::from_utf8(out).unwrap())
}

fn records(data: &Path) -> Vec<Record> {
    let records = Reader::open(&data.join("journal"), ACTIONS).unwrap().records(0);
    records.map(|frame| Record::of(&frame.unwrap()).unwrap()).collect()
}

/// Every file of the backup is what its manifest says, by a hash made here.
fn holds(backup: &Path) -> Manifest {
    let text = fs::read(backup.join("manifest.json")).unwrap();
    let manifest: Manifest = serde_json::from_slice(&text).unwrap();
    for copied in &manifest.files {
        let bytes = fs::read(backup.join(&copied.file)).unwrap();
        let hash = qindan::shell::journal::hex(&Sha256::digest(&bytes));
        assert_eq!((bytes.len() as u64, &hash), (copied.bytes, &copied.sha256), "{}", copied.file);
    }
    manifest
}

#[test]
fn a_second_backup_copies_what_is_new_and_a_restore_goes_on_in_a_new_epoch() {
    let place = Place::new();
    place.append(40);
    let sealed = segments(&place.at("data/journal"), ACTIONS).unwrap().len() - 1;
    assert_eq!(sealed, 3);
    let first = place.backup().unwrap();
    assert_eq!((first.kept, first.notes.as_slice()), (0, &[][..]));
    let manifest = holds(&place.at("backup"));
    let actions = manifest.actions.as_ref().unwrap();
    assert_eq!((actions.first, actions.last, actions.records, actions.epoch), (1, 40, 40, 1));
    let names: Vec<_> = manifest.files.iter().map(|copied| copied.of.as_str()).collect();
    for name in ["identity.json", "keys/checkpoint.pub", "config/basin.toml", "config/devices/box.toml"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("checkpoint.key")), "the secret stays on its machine");

    place.append(1);
    let second = place.backup().unwrap();
    assert_eq!(second.kept, sealed, "sealed segments are copied once");
    assert!(second.bytes < first.bytes);
    assert_eq!(holds(&place.at("backup")).actions.unwrap().last, 41);

    let restored = place.restore("again").unwrap();
    // 41 of the copy; the first number of the next epoch leaves out 10^9 at least, and is round.
    assert_eq!((restored.epoch, restored.record), (2, Some(2_000_000_001)));
    let (verdict, text) = verify(&place.at("again"));
    assert_eq!(verdict, Verdict::Right, "{text}");
    assert!(text.contains("record 2000000001: restored from a backup that ended at record 41"), "{text}");
    let told = records(&place.at("again"));
    assert_eq!(told.len(), 42);
    let last = told.last().unwrap();
    let detail = last.detail.as_ref().unwrap();
    assert_eq!((last.kind, last.epoch, last.seq), (Kind::Recovered, 2, 2_000_000_001));
    assert_eq!((&detail["what"], &detail["after"]), (&json!("restored from a backup"), &json!(41)));
    assert_eq!(fs::read(restored.config.unwrap().join("basin.toml")).unwrap(), b"id = \"alder\"\n");

    // What follows is backed up beside what was, and put back again: the next epoch.
    fs::remove_dir_all(place.at("data")).unwrap();
    fs::rename(place.at("again"), place.at("data")).unwrap();
    place.append(3);
    let third = place.backup().unwrap();
    assert_eq!(third.manifest.actions.as_ref().unwrap().last, 2_000_000_004);
    let restored = place.restore("once more").unwrap();
    assert_eq!((restored.epoch, restored.record), (3, Some(4_000_000_001)));
    assert_eq!(verify(&place.at("once more")).0, Verdict::Right);
}

#[test]
fn only_acknowledged_records_are_copied() {
    let place = Place::new();
    place.append(10);
    // As the writer leaves it between a write and its sync: the records are there, the mark does not know them.
    let mark = Mark::path(&place.at("data/journal"), ACTIONS);
    let acknowledged = fs::read(&mark).unwrap();
    place.append(2);
    fs::write(&mark, acknowledged).unwrap();
    let done = place.backup().unwrap();
    assert_eq!(done.manifest.actions.unwrap().last, 10);
    place.restore("again").unwrap();
    assert_eq!(records(&place.at("again")).len(), 11);
}

#[test]
fn command_numbers_are_not_given_twice_and_open_commands_are_taken_up() {
    let place = Place::new();
    place.journal().append(&[intent(41, 0.5), outcome(41), intent(42, 0.25)], now(1)).unwrap();
    place.backup().unwrap();
    place.restore("again").unwrap();
    let (verdict, text) = verify(&place.at("again"));
    assert_eq!(verdict, Verdict::Right, "{text}");
    assert!(text.contains("command 42 is still open"), "{text}");
    let settings = Settings { store: place.store.clone(), ..settings() };
    let journal = Journal::open(&place.at("again/journal"), settings, now(0)).unwrap();
    assert_eq!(journal.open_intents().len(), 1);
    assert!(journal.last_command_id().unwrap().0 >= 1_000_042);
    assert!(journal.restored().is_some());
}

#[test]
fn samples_come_back_and_damaged_ones_do_not_keep_the_actions() {
    let place = Place::new();
    place.append(3);
    let keep = |second| {
        let (mut history, thread) =
            History::start(&place.at("data/journal"), &place.store, vec!["a".into()], Keep::ALL, Some(0))
                .unwrap();
        let reading = Reading {
            value: Some(f64::from(second)),
            quality: Quality::Good,
            reason: None,
            taken_at: None,
            last_good: None,
        };
        history.record(now(second).utc, &[reading]);
        drop(history);
        thread.join().unwrap();
    };
    keep(10);
    keep(900);
    place.backup().unwrap();
    place.restore("again").unwrap();
    let all = (Timestamp::MIN, Timestamp::MAX);
    let read = |data: &str| history::read(&place.at(data).join("journal"), &[], all.0, all.1).unwrap();
    assert_eq!(read("again"), read("data"));
    assert_eq!(read("again")["a"].len(), 2);
    // A service goes on with them.
    let (history, thread) =
        History::start(&place.at("again/journal"), &place.store, vec!["a".into()], Keep::ALL, Some(0))
            .unwrap();
    drop(history);
    thread.join().unwrap();

    let path = segments(&place.at("data/journal"), "sample").unwrap().remove(0).path;
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    let done = place.backup().unwrap();
    assert!(done.manifest.samples.is_none() && done.notes[0].contains("sample-"), "{:?}", done.notes);
    place.restore("without").unwrap();
}

#[test]
fn minutes_hours_and_reports_come_back_and_backups_go_on_after_that() {
    let place = Place::new();
    place.append(3);
    // The beginning of an hour.
    let at = |minute: i64| Timestamp::from_second(1_780_002_000 + 60 * minute).unwrap();
    let reading =
        Reading { value: Some(2.0), quality: Quality::Good, reason: None, taken_at: None, last_good: None };
    let keep = |data: &str, minutes: std::ops::Range<i64>| {
        let journal = place.at(data).join("journal");
        let mut direct = Direct::open(&journal, &place.store, vec!["a".into()]).unwrap();
        for minute in minutes.step_by(5) {
            direct.record(at(minute), &[reading]);
        }
        assert!(direct.write());
    };
    let kept = |data: &str, level| {
        levels::read(&place.at(data).join("journal"), level, &[], Timestamp::MIN, Timestamp::MAX).unwrap()
    };
    keep("data", 0..130);
    let report = "reports/2026-05/daily_2026-05-11_0800.zh.html";
    let path = place.at("data").join(report);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "日报").unwrap();
    let done = place.backup().unwrap();
    holds(&place.at("backup"));
    assert_eq!(done.notes, [""; 0]);
    // After the newest sample, as a restore is.
    let restored = |to: &str, minute| {
        backup::restore(&place.at("backup"), &place.at(to), Problems::Refuse, at(minute), &mut |_| {})
            .unwrap()
    };
    restored("again", 130);
    for level in [Level::Minutes, Level::Hours] {
        assert_eq!(kept("again", level), kept("data", level));
    }
    assert_eq!(kept("again", Level::Hours)["a"].len(), 2);
    assert_eq!(fs::read_to_string(place.at("again").join(report)).unwrap(), "日报");

    // The hour that was open when the copy was made is made of samples from before and after it.
    keep("again", 130..250);
    let hours: Vec<_> =
        kept("again", Level::Hours)["a"].iter().map(|(from, bin)| (*from, bin.covered_ms)).collect();
    assert_eq!(hours, [0, 60, 120, 180].map(|minute| (at(minute), 3_600_000)));
    let (data, config, to) = (place.at("again"), place.at("config"), place.at("backup"));
    backup::make(Order { data: &data, config: &config, to: &to }, MADE, &mut |_| {}).unwrap();
    restored("third", 260);
    assert_eq!(kept("third", Level::Hours), kept("again", Level::Hours));
}

#[test]
fn a_backup_is_never_replaced_by_less() {
    let place = Place::new();
    place.append(40);
    place.backup().unwrap();
    let journal = place.at("data/journal");
    let whole = place.at("whole");
    copy_dir(&journal, &whole);
    let put_back = || {
        fs::remove_dir_all(&journal).unwrap();
        copy_dir(&whole, &journal);
    };
    let before = fs::read(place.at("backup/manifest.json")).unwrap();
    let refused = || {
        let error = place.backup().unwrap_err();
        assert_eq!(fs::read(place.at("backup/manifest.json")).unwrap(), before, "{error}");
        holds(&place.at("backup"));
        error.to_string()
    };
    // The end is gone, mark and all.
    let newest = segments(&journal, ACTIONS).unwrap().pop().unwrap();
    fs::remove_file(&newest.path).unwrap();
    fs::remove_file(Mark::path(&journal, ACTIONS)).unwrap();
    assert!(refused().contains("mark of the last acknowledged record is missing"));
    place.journal();
    assert!(
        refused()
            .contains("record 40 is in the backup of 1970-01-01T00:00:00Z and is not in the data folder")
    );
    put_back();
    // A bit in a sealed segment.
    let sealed = segments(&journal, ACTIONS).unwrap().remove(1).path;
    let mut bytes = fs::read(&sealed).unwrap();
    bytes[200] ^= 1;
    fs::write(&sealed, bytes).unwrap();
    let text = refused();
    assert!(
        text.contains("damaged at byte") && text.contains(sealed.file_name().unwrap().to_str().unwrap()),
        "{text}"
    );
    put_back();
    // One is missing.
    fs::remove_file(&sealed).unwrap();
    assert!(refused().contains("are missing"));
    put_back();
    // The whole record made anew.
    for name in ["journal", "state"] {
        fs::remove_dir_all(place.at("data").join(name)).unwrap();
        fs::create_dir(place.at("data").join(name)).unwrap();
    }
    place.append_about(50, "invention");
    let text = refused();
    assert!(text.contains("differs from the copy") || text.contains("another one stands there"), "{text}");
    put_back();
    place.backup().unwrap();
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn places_that_are_wrong_are_refused_with_a_remedy() {
    let place = Place::new();
    place.append(2);
    let (data, config) = (place.at("data"), place.at("config"));
    let refused = |data: &Path, config: &Path, to: &Path| {
        backup::make(Order { data, config, to }, MADE, &mut |_| {}).unwrap_err().to_string()
    };
    assert!(refused(&data, &place.at("none"), &place.at("backup")).contains("--config"));
    assert!(refused(&place.at("none"), &config, &place.at("backup")).contains("no data folder"));
    assert!(refused(&data, &config, &data.join("backup")).contains("inside of"));
    let letters = place.at("letters");
    fs::create_dir(&letters).unwrap();
    fs::write(letters.join("letter.txt"), "x").unwrap();
    assert!(refused(&data, &config, &letters).contains("holds letter.txt"));
    place.backup().unwrap();
    let other = Place::new();
    assert!(refused(&other.at("data"), &config, &place.at("backup")).contains("holds the backup of store"));

    let refused = |from: &str, to: &Path| {
        backup::restore(&place.at(from), to, Problems::Refuse, MADE, &mut |_| {}).unwrap_err().to_string()
    };
    assert!(refused("config", &place.at("new")).contains("no backup"));
    assert!(!place.at("new").exists());
    assert!(refused("backup", &letters).contains("holds letter.txt"));
    assert!(refused("backup", &data).contains("not empty"));
}

#[test]
fn a_damaged_copy_is_refused_with_the_file_named_and_mended_by_the_next_backup() {
    let place = Place::new();
    place.append(40);
    let manifest = place.backup().unwrap().manifest;
    for copied in &manifest.files {
        let path = place.at("backup").join(&copied.file);
        let right = fs::read(&path).unwrap();
        let mut wrong = right.clone();
        let middle = wrong.len() / 2;
        wrong[middle] ^= 0x10;
        for bytes in [wrong, right[..middle].to_vec()] {
            fs::write(&path, bytes).unwrap();
            let error = place.restore("again").unwrap_err().to_string();
            assert!(error.contains(&copied.file) && error.contains("damaged"), "{}: {error}", copied.file);
            assert!(!place.at("again").exists(), "nothing is left of it");
        }
        fs::remove_file(&path).unwrap();
        assert!(place.restore("again").unwrap_err().to_string().contains(&copied.file));
        fs::write(&path, right).unwrap();
    }
    let sealed = place.at("backup").join(&manifest.files[0].file);
    fs::write(&sealed, "rotten").unwrap();
    let done = place.backup().unwrap();
    assert!(done.notes[0].contains(&manifest.files[0].file), "{:?}", done.notes);
    place.restore("again").unwrap();
}

#[test]
fn a_manifest_that_was_made_to_fit_does_not_prove_a_changed_record() {
    let place = Place::new();
    place.append(5);
    let mut manifest = place.backup().unwrap().manifest;
    let path = place.at("backup/manifest.json");
    let actions = manifest.actions.as_mut().unwrap();
    (actions.last, actions.records) = (6, 6);
    fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
    let error = place.restore("again").unwrap_err().to_string();
    assert!(error.contains("does not prove"), "{error}");
    fs::write(&path, b"{").unwrap();
    assert!(place.restore("again").unwrap_err().to_string().contains("manifest.json"));
    assert!(!place.at("again").exists());
}

#[test]
fn a_folder_that_no_service_has_used_yet_is_copied_and_put_back() {
    let place = Place::new();
    assert_eq!(place.backup().unwrap().manifest.actions, None);
    let restored = place.restore("again").unwrap();
    assert_eq!((restored.record, restored.epoch), (None, 1));
    assert_eq!(verify(&place.at("again")).0, Verdict::Right);
}

/// Whatever a writer is in the middle of: each copy is whole, proves, and holds what was acknowledged before it began.
#[test]
fn every_copy_beside_a_busy_writer_is_whole() {
    let place = Place::new();
    let mut journal = place.journal();
    journal.append(&[note("the first")], now(0)).unwrap();
    let acknowledged = Arc::new(AtomicU64::new(1));
    // Each word is for forty batches, so that the journal does not outgrow the copies.
    let (words, told) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn({
        let acknowledged = Arc::clone(&acknowledged);
        move || {
            for _ in told.iter().flat_map(|()| 0..40) {
                let second = u32::try_from(journal.last_seq()).unwrap();
                journal.append(&["one", "two", "three"].map(note), now(second)).unwrap();
                acknowledged.store(journal.last_seq(), Ordering::SeqCst);
            }
        }
    });
    let mut before = 0;
    for round in 0..15 {
        words.send(()).unwrap();
        let least = acknowledged.load(Ordering::SeqCst);
        let newest = place.backup().unwrap().manifest.actions.unwrap().last;
        assert!(newest >= least && newest >= before, "round {round}: {newest} of {least}");
        // Batches of three behind the first record: never a part of one.
        assert_eq!((newest - 1) % 3, 0, "round {round}");
        holds(&place.at("backup"));
        let name = format!("round {round}");
        place.restore(&name).unwrap();
        assert_eq!(verify(&place.at(&name)).0, Verdict::Right);
        fs::remove_dir_all(place.at(&name)).unwrap();
        before = newest;
    }
    drop(words);
    writer.join().unwrap();
    assert_eq!(acknowledged.load(Ordering::SeqCst), 1 + 15 * 40 * 3);
}

/// What is wrong with the record itself is told, and decided by a person; a copy of it is a copy all the same.
#[test]
fn problems_of_the_old_folder_are_put_back_only_when_asked_for() {
    let place = Place::new();
    let mut journal = place.journal();
    for second in [9, 5] {
        journal.append(&[note("service time runs backwards")], now(second)).unwrap();
    }
    place.backup().unwrap();
    let error = place.restore("again").unwrap_err().to_string();
    assert!(
        error.contains("record 2: service time runs backwards; ") || error.contains("--with-problems"),
        "{error}"
    );
    let restored =
        backup::restore(&place.at("backup"), &place.at("again"), Problems::Accept, MADE, &mut |_| {})
            .unwrap();
    assert!(restored.proof.contains("record 2: service time runs backwards"), "{}", restored.proof);
    assert_eq!(verify(&place.at("again")).0, Verdict::Chain);
}

/// The drill of the runbook, with a gate that is moved before and after.
#[tokio::test(flavor = "multi_thread")]
async fn the_drill_run_back_up_lose_restore_verify_start_act_verify() {
    let folder = Folder::new();
    let config_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config/alder");
    let place = tempfile::tempdir().unwrap();
    let (copy, again) = (place.path().join("copy"), place.path().join("data"));
    let program = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_qindan")).args(args).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {text}");
        text
    };
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let data = text(folder.root.path());

    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let bench = Bench::start(folder.options(site::config(&site.device, Mode::Manual), 20.0)).await;
    bench.until("at rest", at_rest).await;
    assert_eq!(bench.page.set_point(27.5, "set-point-1").await.0, 200);
    bench.until("verified", |status| ended(status, &Terminal::Verified)).await;

    let backup = ["backup", "--data", &data, "--to", &text(&copy), "--config", &text(&config_dir)];
    let said = program(&backup);
    assert!(said.contains("actions:") && said.contains("chain head"), "{said}");
    let copied = holds(&copy).actions.unwrap().last;

    // More records that the copy does not hold.
    assert_eq!(bench.page.set_point(30.0, "set-point-2").await.0, 200);
    bench
        .until("both verified", |status| {
            status.why.iter().filter(|why| why.outcome == Some(Terminal::Verified)).count() > 1
        })
        .await;
    bench.end().await;
    let lost: Vec<_> = folder.records().into_iter().filter(|record| record.seq > copied).collect();
    let lost_commands: Vec<_> = lost.iter().filter_map(|record| record.command).collect();
    assert!(!lost_commands.is_empty());
    let old_key = fs::read(folder.root.path().join("keys/checkpoint.key")).unwrap();
    drop(folder);

    let said = program(&["restore", "--from", &text(&copy), "--to", &text(&again)]);
    assert!(said.contains("proved and in place") && said.contains("comes up in hold"), "{said}");
    assert!(program(&["log", "verify", "--data", &text(&again)]).contains("all right"));
    assert_ne!(fs::read(again.join("keys/checkpoint.key")).unwrap(), old_key);

    let site = Site::start(30.0, Drive::Quick, &again.join("journal")).await;
    let config = site::config(&site.device, Mode::Manual);
    // People are in no backup: they are made anew at the command line.
    crate::door::furnish(&again);
    let bench = Bench::start(options(config, &again, 20.0)).await;
    let status = bench.until("at rest", at_rest).await;
    let hold = status.hold_all.clone().unwrap_or_default();
    assert!(hold.contains("restored from a backup"), "{hold}");
    bench.page.control().await;
    let (status, shown) = bench.page.post("/api/v1/acts/preview", json!({ "order": "release_hold" })).await;
    assert_eq!(status, 200, "{shown}");
    let confirm = json!({ "request": "release-1", "token": shown["token"] });
    assert_eq!(bench.page.post("/api/v1/acts/confirm", confirm).await.0, 200);
    assert_eq!(bench.page.set_point(33.0, "set-point-3").await.0, 200);
    bench.until("moved", |status| status.gates[0].opening.is_some_and(|at| at.fraction() > 0.325)).await;
    bench.until("at rest again", at_rest).await;
    bench.end().await;
    assert!(program(&["log", "verify", "--data", &text(&again)]).contains("all right"));

    let told = records(&again);
    let fresh: Vec<_> = told.iter().filter(|record| record.seq > copied).collect();
    assert!(fresh.iter().all(|record| record.epoch == 2 && record.seq > 1_000_000_000));
    let commands: Vec<_> =
        fresh.iter().filter(|record| record.kind == Kind::Intent).map(|r| r.command).collect();
    assert!(!commands.is_empty());
    assert!(!commands.iter().flatten().any(|command| lost_commands.contains(command)), "{commands:?}");
    assert!(site.written().iter().all(|write| write.recorded));

    // The next start is an ordinary one.
    let bench = Bench::start(options(site::config(&site.device, Mode::Manual), &again, 20.0)).await;
    assert_eq!(bench.until("a tick", |_| true).await.hold_all, None);
    bench.end().await;
}
