//! The view of the log in one directory for each quarter of a year.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use qindan::control::Now;
use qindan::shell::journal::{ACTIONS, Journal, Reader, segments};
use qindan::shell::log::Verdict;
use qindan::shell::store::{self, Comparison, Query, Store};

use crate::journal::{intent, note, now, outcome};
use crate::record::{Folder, runtime, wait_for};

/// Jobs after which an older quarter nobody asks is shut, and some.
const JOBS: u32 = 80;

fn at(utc: &str) -> Now {
    Now { utc: utc.parse().unwrap(), ..now(0) }
}

fn later(at: Now, seconds: u32) -> Now {
    Now { utc: at.utc + SignedDuration::from_secs(i64::from(seconds)), ..at }
}

/// An intent of a valve, something else, and its outcome.
fn three(journal: &mut Journal, command: u64, at: Now) {
    journal.append(&[intent(command, 0.5), note("between"), outcome(command)], at).unwrap();
}

/// 30 records before the turn of March, 15 after it, 9 after that of June.
fn half_a_year(folder: &Folder) {
    let mut journal = folder.journal();
    for (command, at) in [(1, at("2026-03-31T23:59:50Z")), (11, at("2026-04-01T00:00:00Z"))] {
        for i in 0..if command == 1 { 10 } else { 5 } {
            three(&mut journal, command + i, later(at, i as u32));
        }
    }
    for command in 16..19 {
        three(&mut journal, command, at("2026-07-01T00:00:00Z"));
    }
}

fn names(folder: &Folder) -> Vec<String> {
    let names = folder.parts().into_iter().map(|path| path.file_name().unwrap().to_owned());
    names.map(|name| name.into_string().unwrap()).collect()
}

fn served(folder: &Folder) -> (Store, std::thread::JoinHandle<()>) {
    let (store, thread) = Store::start(folder.path()).unwrap();
    wait_for(|| !store.is_stale());
    (store, thread)
}

fn ended((store, thread): (Store, std::thread::JoinHandle<()>)) {
    drop(store);
    thread.join().unwrap();
}

fn found(store: &Store, query: Query) -> Vec<u64> {
    runtime().block_on(store.find(query)).unwrap().iter().map(|record| record.seq).collect()
}

/// Whether another may lock the database: then nobody has it open.
fn is_shut(part: &Path) -> bool {
    File::open(part.join("db")).unwrap().try_lock().is_ok()
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copied(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn each_quarter_has_a_directory_and_a_question_reaches_all_of_them() {
    let folder = Folder::new();
    half_a_year(&folder);
    let view = served(&folder);
    let expected =
        ["00000000000000000001-2026q1", "00000000000000000031-2026q2", "00000000000000000046-2026q3"];
    assert_eq!(names(&folder), expected);
    let store = &view.0;
    let down = |from: u64, to: u64| (to..=from).rev().collect::<Vec<_>>();
    assert_eq!(found(store, Query::newest(54)), down(54, 1));
    assert_eq!(found(store, Query::newest(12)), down(54, 43));
    assert_eq!(found(store, Query { seqs: Some((29, 33)), ..Query::newest(99) }), down(33, 29));
    let by_gate = Query { gate: Some("alder.v1".into()), ..Query::newest(8) };
    assert_eq!(found(store, by_gate), [54, 52, 51, 49, 48, 46, 45, 43]);
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let turn = (time("2026-03-31T23:59:59Z"), time("2026-04-01T00:00:01Z"));
    assert_eq!(found(store, Query { utc: Some(turn), ..Query::newest(99) }), down(33, 28));
    ended(view);
    assert_eq!(store::compare(folder.path()), Comparison::Agrees);
    assert_eq!(folder.verify().0, Verdict::Right);
}

#[test]
fn only_the_newest_quarter_stays_open() {
    let folder = Folder::new();
    half_a_year(&folder);
    let view = served(&folder);
    let parts = folder.parts();
    let open = || parts.iter().map(|part| !is_shut(part)).collect::<Vec<_>>();
    let by_gate = Query { gate: Some("alder.v1".into()), seqs: Some((1, 40)), ..Query::newest(1) };
    assert_eq!(found(&view.0, by_gate), [40]);
    assert_eq!(open(), [false, true, true]);
    // Nobody asks it any more.
    let mut journal = folder.journal();
    for command in 0..JOBS {
        let frames = journal.append(&[note("x")], at("2026-07-02T00:00:00Z")).unwrap();
        let last = frames[0].seq;
        view.0.put(frames);
        wait_for(|| view.0.applied() == last);
        assert!(!view.0.is_stale(), "{command}");
    }
    wait_for(|| open() == [false, false, true]);
    ended(view);
    assert_eq!(open(), [false; 3]);
}

/// By hand: a clock set back over the turn makes a directory more, and each holds one quarter alone.
#[test]
fn a_clock_set_back_over_the_turn_of_a_quarter_loses_nothing() {
    let folder = Folder::new();
    let view = served(&folder);
    let mut journal = folder.journal();
    for utc in
        ["2026-06-30T23:59:00Z", "2026-07-01T00:00:30Z", "2026-06-30T23:59:30Z", "2026-07-01T00:00:00Z"]
    {
        view.0.put(journal.append(&[note(utc), note("and more")], at(utc)).unwrap());
    }
    wait_for(|| view.0.applied() == 8);
    let quarters: Vec<_> = names(&folder).iter().map(|name| name[18..].to_owned()).collect();
    assert_eq!(quarters, ["01-2026q2", "03-2026q3", "05-2026q2", "07-2026q3"]);
    let june = (at("2026-06-01T00:00:00Z").utc, at("2026-07-01T00:00:00Z").utc);
    assert_eq!(found(&view.0, Query { utc: Some(june), ..Query::newest(9) }), [6, 5, 2, 1]);
    ended(view);
    assert_eq!(store::compare(folder.path()), Comparison::Agrees);
}

/// The newest records of an older quarter were not on the disk when the power went, or its bytes have changed since: seen
/// without anybody asking for it.
#[test]
fn an_older_quarter_that_is_short_or_damaged_is_made_right() {
    let folder = Folder::new();
    let mut journal = folder.journal();
    let march = at("2026-03-01T00:00:00Z");
    for command in 1..=8 {
        three(&mut journal, command, later(march, command as u32));
    }
    ended(served(&folder));
    let kept = folder.path().join("kept");
    copied(&folder.parts()[0], &kept);
    drop(journal);
    let mut journal = folder.journal();
    three(&mut journal, 9, later(march, 60));
    three(&mut journal, 10, at("2026-04-01T00:00:00Z"));
    ended(served(&folder));
    let first = folder.parts().remove(0);
    let put = |bytes: Option<Vec<u8>>| {
        fs::remove_dir_all(&first).unwrap();
        copied(&kept, &first);
        if let Some(bytes) = bytes {
            fs::write(first.join("db"), bytes).unwrap();
        }
    };
    for bytes in [None, Some(vec![0xA5; 70_000])] {
        put(bytes);
        assert!(matches!(store::compare(folder.path()), Comparison::Differs(_)));
        // 30 records are within those compared before it serves.
        let view = served(&folder);
        assert_eq!(view.0.rebuilds(), 1);
        assert_eq!(found(&view.0, Query::newest(30)).len(), 30);
        ended(view);
        assert_eq!(store::compare(folder.path()), Comparison::Agrees);
    }
}

/// More than what is compared before it serves: the rest is compared between the jobs.
#[test]
fn damage_in_an_old_quarter_is_seen_before_anybody_asks_for_it() {
    let folder = Folder::new();
    let mut journal = folder.journal();
    journal.append(&vec![note("old"); 20], at("2026-01-01T00:00:00Z")).unwrap();
    for _ in 0..21 {
        journal.append(&vec![note("new"); 500], at("2026-04-01T00:00:00Z")).unwrap();
    }
    ended(served(&folder));
    let old: PathBuf = folder.parts().remove(0);
    fs::write(old.join("db"), vec![0xA5; 70_000]).unwrap();
    let view = served(&folder);
    assert_eq!(view.0.rebuilds(), 0);
    // Each job is followed by one segment; there are fewer segments than this.
    let count = segments(&folder.journal_dir(), ACTIONS).unwrap().len() + 20;
    for _ in 0..count {
        let frames = journal.append(&[note("x")], at("2026-04-02T00:00:00Z")).unwrap();
        view.0.put(frames);
    }
    wait_for(|| view.0.rebuilds() == 1 && !view.0.is_stale());
    assert_eq!(found(&view.0, Query { seqs: Some((1, 20)), ..Query::newest(99) }).len(), 20);
    ended(view);
    assert_eq!(store::compare(folder.path()), Comparison::Agrees);
}

/// The layout of earlier versions: one database for all.
#[test]
fn a_view_in_one_database_is_laid_out_anew() {
    let folder = Folder::new();
    half_a_year(&folder);
    ended(served(&folder));
    let sled = folder.path().join("sled");
    let one = folder.path().join("one");
    fs::rename(&folder.parts()[2], &one).unwrap();
    fs::remove_dir_all(&sled).unwrap();
    fs::rename(&one, &sled).unwrap();
    assert!(matches!(store::compare(folder.path()), Comparison::NotMade(_)));
    let view = served(&folder);
    assert_eq!((view.0.rebuilds(), names(&folder).len()), (0, 3));
    ended(view);
    assert_eq!(store::compare(folder.path()), Comparison::Agrees);
}

/// What the journal no longer has is not kept in the view.
#[test]
fn quarters_the_journal_no_longer_has_are_removed_whole() {
    let folder = Folder::new();
    half_a_year(&folder);
    ended(served(&folder));
    let journal = folder.journal_dir();
    let from_april = segments(&journal, ACTIONS).unwrap();
    let newest_of_march = from_april.iter().rposition(|file| file.name.first <= 31).unwrap();
    for file in &from_april[..=newest_of_march] {
        fs::remove_file(&file.path).unwrap();
    }
    let first = Reader::open(&journal, ACTIONS).unwrap().files()[0].name.first;
    assert!((32..46).contains(&first), "{first}");
    let view = served(&folder);
    assert_eq!(view.0.rebuilds(), 0);
    assert_eq!(names(&folder), ["00000000000000000031-2026q2", "00000000000000000046-2026q3"]);
    ended(view);
}
