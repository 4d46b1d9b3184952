//! The record as a whole: its thread on a failing disk, the view, the samples, `qindan log`, and kill -9.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};
use qindan::control::command::CommandId;
use qindan::control::quality::{Quality, Reading};
use qindan::control::record::{Entry, Kind};
use qindan::shell::data_dir::{self, DataDir};
use qindan::shell::history::{self, History, Keep, Kept};
use qindan::shell::journal::{ACTIONS, FaultHook, Journal, Reader, Record, Settings, chain_after, segments};
use qindan::shell::log::{self, Verdict};
use qindan::shell::record::RecordHandle;
use qindan::shell::refill::refill;
use qindan::shell::rows::rows;
use qindan::shell::store::{self, Comparison, Query, Store};
use qindan::shell::trend::{Series, Trends};

use crate::fixture;
use crate::journal::{intent, note, now, outcome, settings};

/// A data folder and its journal.
pub(crate) struct Folder {
    root: tempfile::TempDir,
    store: String,
}

impl Folder {
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

    fn settings(&self) -> Settings {
        Settings { store: self.store.clone(), ..settings() }
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal::open(&self.journal_dir(), self.settings(), now(0)).unwrap()
    }

    fn append(&self, entries: &[Entry]) {
        self.journal().append(entries, now(5)).unwrap();
    }

    pub(crate) fn verify(&self) -> (Verdict, String) {
        let mut out = Vec::new();
        let verdict = log::verify(self.path(), &mut out).unwrap();
        (verdict, String::from_utf8(out).unwrap())
    }

    /// The directories of the view, oldest first.
    pub(crate) fn parts(&self) -> Vec<PathBuf> {
        let parts = fs::read_dir(self.path().join("sled")).unwrap().map(|entry| entry.unwrap().path());
        let mut parts: Vec<_> = parts.collect();
        parts.sort();
        parts
    }

    fn kinds(&self) -> Vec<Kind> {
        let records = Reader::open(&self.journal_dir(), ACTIONS).unwrap().records(0);
        records.map(|frame| Record::of(&frame.unwrap()).unwrap().kind).collect()
    }

    /// Starts the view, hands it to `act`, and ends it in order.
    pub(crate) fn with_view<T>(&self, act: impl FnOnce(&Store) -> T) -> T {
        let (store, thread) = Store::start(self.path()).unwrap();
        let result = act(&store);
        drop(store);
        thread.join().unwrap();
        result
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn what_a_dead_disk_refused_is_written_when_it_works_again() {
    let folder = Folder::new();
    let dead = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&dead);
    let fault =
        FaultHook::new(move |_| asked.load(Ordering::SeqCst).then(|| std::io::Error::from_raw_os_error(5)));
    let settings = Settings { fault: Some(fault), ..folder.settings() };
    let journal = Journal::open(&folder.journal_dir(), settings, now(0)).unwrap();
    let (record, thread) = RecordHandle::start(journal, None).unwrap();
    runtime().block_on(async {
        let seqs = record.append(vec![note("a"), note("b")], now(1)).await.unwrap();
        assert_eq!((seqs, record.record_ok()), (vec![1, 2], true));
        dead.store(true, Ordering::SeqCst);
        let refused = record.append(vec![intent(1, 0.5)], now(2)).await.unwrap_err();
        assert!(refused.to_string().contains("action-"), "{refused}");
        assert!(!record.record_ok());
        dead.store(false, Ordering::SeqCst);
        let seqs = record.append(vec![outcome(1)], now(3)).await.unwrap();
        assert_eq!((seqs, record.record_ok(), record.kept()), (vec![4], true, 0));
    });
    drop(record);
    thread.join().unwrap();
    assert_eq!(folder.kinds(), [Kind::Decision, Kind::Decision, Kind::LateIntent, Kind::Outcome]);
    assert_eq!(folder.verify().0, Verdict::Right);
}

#[test]
fn the_view_answers_by_gate_kind_sequence_and_time() {
    let folder = Folder::new();
    let (store, keeper) = Store::start(folder.path()).unwrap();
    let (record, thread) = RecordHandle::start(folder.journal(), Some(store.clone())).unwrap();
    let find = |query| runtime().block_on(store.find(query)).unwrap();
    let seqs = |query| find(query).iter().map(|record| record.seq).collect::<Vec<_>>();
    runtime().block_on(async {
        for i in 0..4_u32 {
            let command = u64::from(i) + 1;
            let mut other = note("x");
            other.gate = Some(format!("other.{i}"));
            record.append(vec![intent(command, 0.1), other, outcome(command)], now(10 * i)).await.unwrap();
        }
    });
    let by_gate = Query { gate: Some("alder.v1".into()), ..Query::newest(3) };
    let by_kind = Query { kinds: vec![Kind::Intent], ..Query::newest(9) };
    let by_seq = Query { seqs: Some((2, 4)), ..Query::newest(9) };
    let by_time = Query { utc: Some((now(10).utc, now(20).utc)), ..Query::newest(9) };
    // Whether it comes from the journal (right after the start) or from the view, the answer is the same.
    for _ in 0..2 {
        assert_eq!(seqs(Query::newest(2)), [12, 11]);
        assert_eq!(seqs(by_gate.clone()), [12, 10, 9]);
        assert_eq!(seqs(by_kind.clone()), [10, 7, 4, 1]);
        assert_eq!(seqs(by_seq.clone()), [4, 3, 2]);
        assert_eq!(seqs(by_time.clone()), [6, 5, 4]);
        wait_for(|| !store.is_stale() && store.applied() == 12);
    }
    let rows = rows(&find(Query::newest(12)), 2);
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [11, 10]);
    assert_eq!(rows[1].outcome, serde_json::json!({"state": "verified"}));
    assert_eq!(rows[1].to, Some(0.1));
    drop((record, store));
    thread.join().unwrap();
    keeper.join().unwrap();
    assert_eq!(store::compare(folder.path()), Comparison::Agrees);
}

/// Yields to other threads until `done`; the test's own time-out is the limit.
pub(crate) fn wait_for(done: impl Fn() -> bool) {
    while !done() {
        std::thread::yield_now();
    }
}

#[test]
fn a_view_that_is_gone_behind_different_or_garbage_is_made_right() {
    let folder = Folder::new();
    let entries: Vec<_> = (0..50).map(|i| note(&i.to_string())).collect();
    folder.append(&entries);
    let sled = folder.path().join("sled");
    let newest = |store: &Store| {
        wait_for(|| !store.is_stale());
        runtime().block_on(store.find(Query::newest(1))).unwrap().remove(0).seq
    };
    assert_eq!(folder.with_view(newest), 50);
    // Behind.
    folder.append(&[note("more")]);
    assert_eq!(folder.with_view(|store| (newest(store), store.rebuilds())), (51, 0));
    // Gone.
    fs::remove_dir_all(&sled).unwrap();
    assert_eq!(folder.with_view(newest), 51);
    assert_eq!(store::compare(folder.path()), Comparison::Agrees);
    // Another folder's.
    let other = Folder::new();
    other.append(&entries);
    assert_eq!(other.with_view(newest), 50);
    fs::remove_dir_all(&sled).unwrap();
    fs::rename(other.path().join("sled"), &sled).unwrap();
    assert_eq!(
        store::compare(folder.path()),
        Comparison::Differs("the view differs from the journal".into())
    );
    assert_eq!(folder.verify().0, Verdict::ViewDiffers);
    assert_eq!(folder.with_view(|store| (newest(store), store.rebuilds())), (51, 1));
    assert_eq!(store::compare(folder.path()), Comparison::Agrees);
    // Ahead of the journal: as after an older journal was put back.
    other.append(&entries);
    assert_eq!(other.with_view(newest), 100);
    // Garbage, and what a kill while opening leaves behind.
    for garbage in [vec![0xA5; 70_000], vec![0; 10], Vec::new()] {
        let part = folder.parts().remove(0);
        fs::write(part.join("db"), garbage).unwrap();
        fs::write(part.join("snap.0000.generating"), "x").unwrap();
        assert_eq!(folder.with_view(newest), 51);
        assert!(!folder.parts().remove(0).join("snap.0000.generating").exists());
        assert_eq!(store::compare(folder.path()), Comparison::Agrees);
    }
    assert_eq!(folder.verify().0, Verdict::Right);
}

#[test]
fn verify_names_each_kind_of_damage() {
    let story = |folder: &Folder| {
        folder.append(&[intent(1, 0.5), note("between"), outcome(1), note("after")]);
        let path = segments(&folder.journal_dir(), ACTIONS).unwrap().remove(0).path;
        let bytes = fs::read(&path).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        (path, bytes, end)
    };
    let find = |bytes: &[u8], text: &str| {
        bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap()
    };

    let folder = Folder::new();
    let (path, mut bytes, end) = story(&folder);
    let (verdict, text) = folder.verify();
    assert_eq!(verdict, Verdict::Right, "{text}");
    assert!(text.contains("4 records in 1 segments, last 4, chain head "), "{text}");

    // A flipped bit in the middle.
    let at = find(&bytes, "between");
    bytes[at] ^= 4;
    fs::write(&path, &bytes).unwrap();
    let (verdict, text) = folder.verify();
    assert_eq!(verdict, Verdict::Damaged, "{text}");
    assert!(text.contains("(record 2): checksum does not match"), "{text}");

    // The same change by someone who knows the format, checksum made right: the chain tells.
    let seq = 2_u64.to_be_bytes();
    let start = (64..end).find(|at| bytes[at + 10..at + 18] == seq && bytes[*at] == 0).unwrap();
    let length = u32::from_be_bytes(bytes[start..start + 4].try_into().unwrap()) as usize;
    let mut covered = bytes[start..start + 4].to_vec();
    covered.extend_from_slice(&bytes[start + 8..start + 8 + length]);
    bytes[start + 4..start + 8].copy_from_slice(&crc32c::crc32c(&covered).to_be_bytes());
    fs::write(&path, &bytes).unwrap();
    let (verdict, text) = folder.verify();
    assert_eq!(verdict, Verdict::Chain, "{text}");
    assert!(text.contains("record 2: hash does not match"), "{text}");

    // The end cut off.
    let folder = Folder::new();
    let (path, bytes, end) = story(&folder);
    fs::write(&path, &bytes[..end - 1]).unwrap();
    let (verdict, text) = folder.verify();
    assert_eq!(verdict, Verdict::Missing, "{text}");
    assert!(text.contains("torn tail") && text.contains("ends at record 3, 4 was acknowledged"), "{text}");

    // Intents and outcomes that do not match.
    let folder = Folder::new();
    folder.append(&[outcome(9)]);
    assert_eq!(folder.verify().0, Verdict::Unmatched);
    let folder = Folder::new();
    folder.append(&[intent(1, 0.5), intent(2, 0.5), outcome(2)]);
    let (verdict, text) = folder.verify();
    assert_eq!(verdict, Verdict::Right, "open in the newest start: {text}");
    assert!(text.contains("command 1 is still open"), "{text}");
    let later = Settings { boot: "boot-2".into(), ..folder.settings() };
    Journal::open(&folder.journal_dir(), later, now(0)).unwrap().append(&[note("up")], now(1)).unwrap();
    let (verdict, text) = folder.verify();
    assert_eq!(verdict, Verdict::Unmatched);
    assert!(text.contains("record 1: command 1 never got an outcome"), "{text}");

    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(log::verify(nothing.path(), &mut Vec::new()).unwrap(), Verdict::Usage);
}

#[test]
fn while_the_service_runs_the_log_is_read_and_the_view_left_alone() {
    let folder = Folder::new();
    let held = DataDir::open(folder.path(), Some("alder")).unwrap();
    let mut journal = folder.journal();
    journal.append(&[intent(1, 0.275)], now(1)).unwrap();
    journal.append(&[outcome(1)], now(2)).unwrap();
    let (verdict, text) = folder.verify();
    assert_eq!(verdict, Verdict::Right, "{text}");
    assert!(text.contains("in use by process"), "{text}");
    let print = |act: &dyn Fn(&mut dyn Write) -> std::io::Result<()>| {
        let mut out = Vec::new();
        act(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let tail = print(&|out| log::tail(folder.path(), &Query::newest(1), out));
    assert_eq!(tail, "2026-05-28T20:26:42Z      2 outcome     alder.v1, dispatch; verified (of 1)\n");
    let shown = print(&|out| log::show(folder.path(), 1, None, out));
    assert!(shown.contains("action    go to 27.5 %") && shown.contains("outcome in record 2:"), "{shown}");
    assert!(log::show(folder.path(), 3, None, &mut Vec::new()).is_err());
    let lines = print(&|out| log::export(folder.path(), None, None, out));
    let later = print(&|out| log::export(folder.path(), Some(now(2).utc), None, out));
    assert_eq!(lines.lines().count(), 2);
    assert_eq!(later.lines().next(), lines.lines().nth(1));
    // As a third party would: hash over what stands in the line.
    let mut before = qindan::shell::journal::genesis(&folder.store);
    for (line, seq) in lines.lines().zip(1..) {
        let body = line.split_once("\"body\":").unwrap().1.strip_suffix('}').unwrap();
        let parsed: serde_json::Value = serde_json::from_str(line).unwrap();
        before = chain_after(&before, seq, body.as_bytes());
        assert_eq!(parsed["hash"].as_str().unwrap(), qindan::shell::journal::hex(&before));
    }
    drop(held);
}

fn reading(value: Option<f64>, quality: Quality) -> Reading {
    Reading { value, quality, reason: None, taken_at: None, last_good: value }
}

#[test]
fn samples_come_back_with_quality_after_a_restart() {
    let folder = Folder::new();
    let at = |second: i64| now(0).utc + SignedDuration::from_secs(second);
    let start = || {
        let points = vec!["a/value".to_owned(), "b/value".to_owned()];
        History::start(&folder.journal_dir(), &folder.store, points, Keep::ALL, Some(0)).unwrap()
    };
    let (mut history, thread) = start();
    let steady = reading(Some(5.0), Quality::Good);
    history.record(at(0), &[reading(Some(1.0), Quality::Good), steady]);
    history.record(at(20), &[reading(Some(1.0005), Quality::Good), steady]);
    history.record(at(40), &[reading(Some(1.1), Quality::Good), steady]);
    history.record(at(41), &[reading(None, Quality::Bad), steady]);
    drop(history);
    thread.join().unwrap();
    let (mut history, thread) = start();
    history.record(at(100), &[reading(Some(1.2), Quality::Substituted), steady]);
    drop(history);
    thread.join().unwrap();
    let kept = |second, value, quality| Kept { utc: at(second), value, quality };
    let found = history::read(&folder.journal_dir(), &["a/value"], at(0), at(100)).unwrap();
    assert_eq!(
        found["a/value"],
        [kept(0, Some(1.0), Quality::Good), kept(40, Some(1.1), Quality::Good), kept(41, None, Quality::Bad)]
    );
    assert_eq!(found.len(), 1);
    let mut csv = Vec::new();
    history::export(&folder.journal_dir(), &[], at(40), at(200), &mut csv).unwrap();
    let expected = "time,point,value,quality\n\
                    2026-05-28T20:27:20Z,a/value,1.1,good\n\
                    2026-05-28T20:27:21Z,a/value,,bad\n\
                    2026-05-28T20:28:20Z,a/value,1.2,substituted\n\
                    2026-05-28T20:28:20Z,b/value,5,good\n";
    assert_eq!(String::from_utf8(csv).unwrap(), expected);
}

#[test]
fn damaged_samples_are_set_aside_and_do_not_keep_the_service_from_starting() {
    let folder = Folder::new();
    let start = || {
        History::start(&folder.journal_dir(), &folder.store, vec!["a".into()], Keep::ALL, Some(0)).unwrap()
    };
    for second in [0, 700] {
        let (mut history, thread) = start();
        history.record(now(second).utc, &[reading(Some(1.0), Quality::Good)]);
        drop(history);
        thread.join().unwrap();
    }
    let path = segments(&folder.journal_dir(), "sample").unwrap().remove(0).path;
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (history, thread) = start();
    drop(history);
    thread.join().unwrap();
    assert!(path.with_extension("bad").exists());
}

#[test]
fn trends_are_refilled_after_a_restart() {
    let folder = Folder::new();
    let config = fixture::small();
    let points: Vec<_> = config.field.points.iter().map(|point| point.id.clone()).collect();
    let (mut history, thread) = History::start(
        &folder.journal_dir(),
        &folder.store,
        points,
        Keep { samples_days: 30, ..Keep::ALL },
        Some(0),
    )
    .unwrap();
    let start = Timestamp::from_second(fixture::NOW / 60 * 60).unwrap();
    let stroke = config.basin.gates[0].stroke;
    let position = stroke.position(qindan::units::Opening::from_fraction(0.25).unwrap());
    let mut image = vec![reading(Some(2.5), Quality::Good); config.field.points.len()];
    image[config.field.wiring.gates[0].position.unwrap().0] = reading(Some(position), Quality::Good);
    history.record(start, &image);
    drop(history);
    thread.join().unwrap();
    let trends = Trends::default();
    let end = start + SignedDuration::from_mins(5);
    refill(&trends, &config, &folder.journal_dir(), end).unwrap();
    for (series, expected) in [(Series::Meter(0), 2.5), (Series::Section(0), 2.5), (Series::Gate(0), 0.25)] {
        let window = trends.window(series, start, end, 100);
        let means: Vec<_> = window.buckets.iter().map(|bucket| bucket.map(|bucket| bucket.mean)).collect();
        let mut whole = vec![Some(expected); 5];
        whole.push(None);
        assert_eq!(means, whole, "{series:?}");
    }
}

/// The same answers from the view as from the journal alone, whatever is asked, while it is written and after a restart.
#[test]
fn the_view_answers_as_the_journal_does() {
    let folder = Folder::new();
    let mut random = fastrand::Rng::with_seed(11);
    let mut command = 0;
    let mut entries = |random: &mut fastrand::Rng, count: usize| -> Vec<Entry> {
        let mut entry = |random: &mut fastrand::Rng| {
            let mut entry = match random.u32(0..4) {
                0 => note("x"),
                1 => Entry::new(Kind::Alarm, "service"),
                2 => {
                    command += 1;
                    intent(command, 0.5)
                }
                _ => outcome(command),
            };
            entry.gate = random.bool().then(|| format!("gate{}", random.u32(0..7)));
            entry
        };
        (0..count).map(|_| entry(random)).collect()
    };
    let mut journal =
        Journal::open(&folder.journal_dir(), Settings::new(&folder.store, "boot-1"), now(0)).unwrap();
    let runtime = runtime();
    for round in 0..3_u32 {
        let (store, thread) = Store::start(folder.path()).unwrap();
        wait_for(|| !store.is_stale());
        for step in 0..40_u32 {
            let count = random.usize(1..60);
            let batch = entries(&mut random, count);
            store.put(journal.append(&batch, now(1000 * round + 10 * step)).unwrap());
        }
        let last = journal.last_seq();
        wait_for(|| store.applied() == last);
        assert!(!store.is_stale());
        for _ in 0..60 {
            let (from, second) = (random.u64(1..last + 50), random.u32(0..3400));
            let query = Query {
                count: random.usize(1..80),
                gate: random.bool().then(|| format!("gate{}", random.u32(0..8))),
                kinds: [Kind::Intent, Kind::Outcome, Kind::Alarm, Kind::Boot]
                    .into_iter()
                    .filter(|_| random.u32(0..4) == 0)
                    .collect(),
                seqs: random.bool().then(|| (from, from + random.u64(0..1500))),
                utc: random.bool().then(|| (now(second).utc, now(second + random.u32(0..900)).utc)),
                ..Query::default()
            };
            let expected = store::find_in_journal(&folder.journal_dir(), &query).unwrap();
            assert_eq!(runtime.block_on(store.find(query.clone())).unwrap(), expected, "{query:?}");
        }
        assert_eq!((store.is_stale(), store.rebuilds()), (false, 0));
        drop(store);
        thread.join().unwrap();
        assert_eq!(store::compare(folder.path()), Comparison::Agrees);
    }
    drop(journal);
    let last = Reader::open(&folder.journal_dir(), ACTIONS).unwrap().records(0).count() as u64;
    assert!(last > 3000, "{last}");
    assert_eq!(store::compare_part(folder.path(), 1500..=2500), Comparison::Agrees);
}

/// A service that has to make its view anew decides first, and a stop does not wait for the rest.
#[test]
fn a_rebuild_begins_when_it_is_told_to_and_is_broken_off_by_a_stop() {
    const ALL: u64 = 40_000;
    let folder = Folder::new();
    let settings = Settings::new(&folder.store, "boot-1");
    let mut journal = Journal::open(&folder.journal_dir(), settings, now(0)).unwrap();
    for second in 0..ALL / 500 {
        let entries: Vec<_> = (0..500).map(|_| note("x")).collect();
        journal.append(&entries, now(second as u32)).unwrap();
    }
    let (store, thread) = Store::start_later(folder.path()).unwrap();
    store.put(journal.append(&[note("while it waits")], now(99)).unwrap());
    assert_eq!(runtime().block_on(store.find(Query::newest(1))).unwrap()[0].seq, ALL + 1);
    assert!(store.is_stale() && !folder.path().join("sled").exists());
    store.close();
    thread.join().unwrap();
    assert!(!folder.path().join("sled").exists(), "nothing was begun");

    let (store, thread) = Store::start(folder.path()).unwrap();
    wait_for(|| store.applied() > 0);
    store.close();
    thread.join().unwrap();
    let reached = store.applied();
    assert!(reached < ALL && store.is_stale(), "{reached}");
    assert_eq!(store.known(), ALL + 1);
    // What was made is kept, and the next start goes on from there.
    assert_eq!(store::compare(folder.path()), Comparison::Agrees);
    folder.with_view(|store| {
        wait_for(|| !store.is_stale());
        assert_eq!((store.applied(), store.rebuilds()), (ALL + 1, 0));
    });
    assert_eq!(store::compare(folder.path()), Comparison::Agrees);
}

/// A child process that was forked and has not started its own program yet holds every lock of its parent for that
/// long: seen as a view that "differs" beside tests that start processes.
#[test]
fn a_held_lock_of_the_view_is_waited_for_and_is_no_damage() {
    let folder = Folder::new();
    folder.append(&[intent(1, 0.5), outcome(1)]);
    folder.with_view(|store| wait_for(|| !store.is_stale()));
    let held = fs::File::open(folder.parts().remove(0).join("db")).unwrap();
    held.lock().unwrap();
    let (verdict, text) = folder.verify();
    assert_eq!(verdict, Verdict::Right, "{text}");
    assert!(text.contains("note: the view was not compared"), "{text}");
    folder.with_view(|store| {
        assert!(store.is_stale());
        drop(held);
        wait_for(|| !store.is_stale());
        assert_eq!((store.rebuilds(), store.applied()), (0, 2));
    });
    assert!(!folder.path().join("sled.bad").exists());
    assert_eq!(store::compare(folder.path()), Comparison::Agrees);
}

const CHILD: &str = "QINDAN_TEST_APPEND_TO";

/// Not a test of its own: what [`nothing_acknowledged_is_lost_by_kill_9`] starts and kills.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let dir = DataDir::open(Path::new(&dir), None).unwrap();
    let settings = Settings {
        segment_bytes: 8192,
        ..Settings::new(&dir.identity().store, data_dir::random_id(8).unwrap())
    };
    let mut journal = Journal::open(&dir.journal(), settings, now(0)).unwrap();
    let (store, _thread) = Store::start(dir.path()).unwrap();
    for second in 0..1_000_000 {
        let command = CommandId(journal.last_command_id().map_or(1, |last| last.0 + 1));
        let frames = journal.append(&[intent(command.0, 0.5), outcome(command.0)], now(second)).unwrap();
        writeln!(std::io::stdout(), "acknowledged {}", frames[1].seq).unwrap();
        std::io::stdout().flush().unwrap();
        store.put(frames);
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let folder = Folder::new();
    let mut acknowledged = 0;
    for round in 0..20_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["record::child_that_appends_until_it_is_killed", "--exact", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        // From "while it opens" to "well into the third segment".
        let patience = round * round % 37;
        let seen = lines.by_ref().filter(|line| line.starts_with("acknowledged")).take(patience).last();
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it died.
        let rest = lines.filter(|line| line.starts_with("acknowledged ")).last();
        for line in [seen, rest].into_iter().flatten() {
            acknowledged = line.rsplit(' ').next().and_then(|seq| seq.parse().ok()).unwrap_or(acknowledged);
        }
        let journal = Journal::open(&folder.journal_dir(), folder.settings(), now(0)).unwrap();
        assert!(journal.last_seq() >= acknowledged, "round {round}: {acknowledged}");
    }
    assert!(acknowledged > 100);
    folder.with_view(|store| wait_for(|| !store.is_stale()));
    let (verdict, text) = folder.verify();
    assert!(matches!(verdict, Verdict::Right | Verdict::Unmatched), "{text}");
    assert_eq!(store::compare(folder.path()), Comparison::Agrees);
}
