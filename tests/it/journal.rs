//! The journal: acknowledged means kept, damage is never silent.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use qindan::control::Now;
use qindan::control::command::{Action, CommandId, Terminal};
use qindan::control::record::{Entry, Kind};
use qindan::shell::journal::{
    ACTIONS, DiskOp, FaultHook, Journal, JournalError, Mark, Reader, Record, Settings, segments,
};
use qindan::units::Opening;

pub(crate) fn now(second: u32) -> Now {
    let utc = Timestamp::from_second(1_780_000_000 + i64::from(second)).unwrap();
    Now { mono: Duration::from_secs(u64::from(second)), utc }
}

pub(crate) fn settings() -> Settings {
    Settings { segment_bytes: 4096, ..Settings::new("0123456789abcdef", "boot-1") }
}

pub(crate) fn open(dir: &Path) -> Result<Journal, JournalError> {
    Journal::open(dir, settings(), now(0))
}

pub(crate) fn intent(command: u64, opening: f64) -> Entry {
    let mut entry = Entry::new(Kind::Intent, "dispatch");
    entry.gate = Some("alder.v1".into());
    entry.command = Some(CommandId(command));
    entry.action = Some(Action::Goto(Opening::from_fraction(opening).unwrap()));
    entry
}

pub(crate) fn outcome(command: u64) -> Entry {
    let mut entry = Entry::new(Kind::Outcome, "dispatch");
    entry.gate = Some("alder.v1".into());
    entry.command = Some(CommandId(command));
    entry.outcome = Some(Terminal::Verified);
    entry
}

pub(crate) fn note(text: &str) -> Entry {
    let mut entry = Entry::new(Kind::Decision, "dispatch");
    entry.detail = Some(text.into());
    entry
}

/// Records of the folder as (kind, detail or command), repairs left out.
fn story(dir: &Path) -> Result<Vec<String>, JournalError> {
    let mut told = Vec::new();
    for frame in Reader::open(dir, ACTIONS)?.records(0) {
        let record = Record::of(&frame?)?;
        if record.kind != Kind::Recovered {
            told.push(record.detail.unwrap().as_str().unwrap().to_owned());
        }
    }
    Ok(told)
}

#[test]
fn what_was_acknowledged_is_read_back_across_segments_and_starts() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for start in 0..3 {
        let mut journal = open(dir.path()).unwrap();
        assert_eq!(journal.last_seq(), expected.len() as u64);
        for batch in 0..10 {
            let texts: Vec<_> = (0..3).map(|i| format!("{start}/{batch}/{i}")).collect();
            let entries: Vec<_> = texts.iter().map(|text| note(text)).collect();
            let frames = journal.append(&entries, now(batch)).unwrap();
            assert_eq!(frames[0].seq, expected.len() as u64 + 1);
            expected.extend(texts);
        }
    }
    assert_eq!(story(dir.path()).unwrap(), expected);
    assert!(segments(dir.path(), ACTIONS).unwrap().len() > 5);
    let reader = Reader::open(dir.path(), ACTIONS).unwrap();
    let newest = reader.last(20, |_| true).unwrap();
    assert_eq!(newest.iter().map(|frame| frame.seq).collect::<Vec<_>>(), (71..=90).collect::<Vec<_>>());
    assert_eq!(reader.records(40).next().unwrap().unwrap().seq, 40);
}

#[test]
fn intents_without_an_outcome_are_found_on_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path()).unwrap();
    journal.append(&[intent(7, 0.25), intent(8, 0.5)], now(1)).unwrap();
    let frames = journal.append(&[outcome(7)], now(2)).unwrap();
    assert_eq!(Record::of(&frames[0]).unwrap().of, Some(1));
    drop(journal);
    let journal = open(dir.path()).unwrap();
    assert_eq!(journal.last_command_id(), Some(CommandId(8)));
    let left = journal.open_intents();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].command, left[0].gate.as_str()), (CommandId(8), "alder.v1"));
    assert_eq!(left[0].action, Action::Goto(Opening::from_fraction(0.5).unwrap()));
}

#[test]
fn a_log_that_ends_below_its_mark_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap().append(&[note("a"), note("b")], now(1)).unwrap();
    let only = segments(dir.path(), ACTIONS).unwrap().remove(0).path;
    let bytes = fs::read(&only).unwrap();
    let second = find_frame(&bytes, 2);
    fs::write(&only, &bytes[..second]).unwrap();
    let refused = open(dir.path()).unwrap_err();
    assert!(matches!(refused, JournalError::Missing { from: 2, to: 2, .. }), "{refused}");
    fs::remove_file(&only).unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), JournalError::Missing { from: 1, to: 2, .. }));
}

#[test]
fn a_missing_mark_is_recorded_and_a_broken_one_refused() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap().append(&[note("a")], now(1)).unwrap();
    let mark = Mark::path(dir.path(), ACTIONS);
    fs::write(&mark, "nonsense").unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), JournalError::BadMark { .. }));
    fs::remove_file(&mark).unwrap();
    let journal = open(dir.path()).unwrap();
    assert_eq!(journal.last_seq(), 2);
    let last = Reader::open(dir.path(), ACTIONS).unwrap().last(1, |_| true).unwrap();
    assert_eq!(last[0].kind, Kind::Recovered as u8);
}

#[test]
fn a_segment_taken_from_the_middle_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path()).unwrap();
    for i in 0..40 {
        journal.append(&[note(&i.to_string())], now(i)).unwrap();
    }
    let files = segments(dir.path(), ACTIONS).unwrap();
    let (gone, after) = (files[1].name.first, files[2].name.first);
    fs::remove_file(&files[1].path).unwrap();
    let refused = open(dir.path()).unwrap_err();
    assert!(
        matches!(refused, JournalError::Missing { from, to, .. } if (from, to) == (gone, after - 1)),
        "{refused}"
    );
}

#[test]
fn a_batch_of_which_a_power_cut_left_only_the_end_was_never_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path()).unwrap();
    journal.append(&[note("kept"), note("too")], now(1)).unwrap();
    let mark_path = Mark::path(dir.path(), ACTIONS);
    let mark = fs::read(&mark_path).unwrap();
    journal.append(&[note("three"), note("four"), note("five")], now(2)).unwrap();
    drop(journal);
    let path = segments(dir.path(), ACTIONS).unwrap().remove(0).path;
    let whole = fs::read(&path).unwrap();
    let lose = |seq| {
        let (start, next) = (find_frame(&whole, seq), find_frame(&whole, seq + 1));
        let mut bytes = whole.clone();
        bytes[start..next].fill(0);
        fs::write(&path, bytes).unwrap();
    };
    // The mark says it was acknowledged: then it is damage.
    lose(3);
    assert!(matches!(open(dir.path()).unwrap_err(), JournalError::Damaged { seq: 3, .. }));
    // An acknowledged batch before it is no part of it.
    fs::write(&mark_path, &mark).unwrap();
    lose(1);
    assert!(matches!(open(dir.path()).unwrap_err(), JournalError::Damaged { seq: 1, .. }));
    lose(3);
    let journal = open(dir.path()).unwrap();
    assert_eq!((journal.last_seq(), story(dir.path()).unwrap().len()), (3, 2));
}

/// Header and first batch of a segment are written together: the power may lose the page of the header and keep the last
/// frames.
#[test]
fn a_first_batch_of_which_a_power_cut_left_only_the_end_was_never_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path()).unwrap();
    journal.append(&[note(&"a".repeat(3_000))], now(1)).unwrap();
    let mark_path = Mark::path(dir.path(), ACTIONS);
    let mark = fs::read(&mark_path).unwrap();
    journal.append(&[note(&"b".repeat(600)), note("c"), note("d")], now(2)).unwrap();
    drop(journal);
    let path = segments(dir.path(), ACTIONS).unwrap().remove(1).path;
    let whole = fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    bytes[..512].fill(0);
    fs::write(&path, &bytes).unwrap();
    // The mark says it was acknowledged: then it is damage.
    assert!(matches!(open(dir.path()).unwrap_err(), JournalError::Missing { from: 2, to: 4, .. }));
    fs::write(&mark_path, &mark).unwrap();
    // A header that holds anything else is damage.
    bytes[20] = 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), JournalError::Damaged { seq: 2, .. }));
    bytes[20] = 0;
    fs::write(&path, &bytes).unwrap();
    let journal = open(dir.path()).unwrap();
    assert_eq!((journal.last_seq(), story(dir.path()).unwrap().len()), (2, 1));
    let mut side = fs::read(path.with_extension("torn-at-0")).unwrap();
    side.truncate(bytes.len());
    assert_eq!(side, bytes, "kept for whoever wants to look");
}

/// Byte offset of the frame with this sequence: after length, CRC, kind and version.
fn find_frame(bytes: &[u8], seq: u64) -> usize {
    let wanted = seq.to_be_bytes();
    (64..bytes.len() - 18).find(|at| bytes[at + 10..at + 18] == wanted && bytes[*at + 9] == 1).unwrap()
}

#[test]
fn every_cut_and_every_flip_gives_the_right_answer_or_a_named_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(dir.path(), settings(), now(0)).unwrap();
    for i in 0..4 {
        journal.append(&[note(&format!("record {i}"))], now(i)).unwrap();
    }
    drop(journal);
    let whole = story(dir.path()).unwrap();
    let path = segments(dir.path(), ACTIONS).unwrap().remove(0).path;
    let bytes = fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mark = fs::read(Mark::path(dir.path(), ACTIONS)).unwrap();
    let restore = |bytes: &[u8]| {
        for entry in fs::read_dir(dir.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        fs::write(Mark::path(dir.path(), ACTIONS), &mark).unwrap();
        fs::write(&path, bytes).unwrap();
    };
    let mut right = 0;
    // Every bit of the first 200 bytes (header and first frame), then one bit of each byte, also of the zeros.
    let flips = (0..200 * 8).chain((200..bytes.len()).map(|byte| byte * 8 + byte % 8));
    for bit in flips {
        let mut bent = bytes.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        restore(&bent);
        match open(dir.path()) {
            Ok(_) => {
                assert_eq!(story(dir.path()).unwrap(), whole, "bit {bit}");
                right += 1;
            }
            Err(error) => assert!(error.to_string().contains(path.parent().unwrap().to_str().unwrap())),
        }
    }
    assert!(right > 1000, "flips behind the last record are mended: {right}");
    for cut in 0..end {
        restore(&bytes[..cut]);
        assert!(open(dir.path()).is_err(), "cut at {cut} loses an acknowledged record");
    }
}

/// A hook that fails chosen calls of one operation.
fn failing(op: DiskOp, from: u32, count: u32, code: i32) -> (FaultHook, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&calls);
    let hook = FaultHook::new(move |asked| {
        if asked != op {
            return None;
        }
        let call = seen.fetch_add(1, Ordering::SeqCst);
        (from..from + count).contains(&call).then(|| std::io::Error::from_raw_os_error(code))
    });
    (hook, calls)
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[test]
fn a_failed_sync_moves_the_batch_to_a_new_segment_once() {
    let dir = tempfile::tempdir().unwrap();
    let (hook, _) = failing(DiskOp::Sync, 1, 1, EIO);
    let mut journal =
        Journal::open(dir.path(), Settings { fault: Some(hook), ..settings() }, now(0)).unwrap();
    for text in ["a", "b", "c"] {
        journal.append(&[note(text)], now(1)).unwrap();
    }
    assert_eq!(segments(dir.path(), ACTIONS).unwrap().len(), 2);
    drop(journal);
    assert_eq!(story(dir.path()).unwrap(), ["a", "b", "c"]);
    assert_eq!(open(dir.path()).unwrap().last_seq(), 3);
}

#[test]
fn bytes_left_behind_by_a_failed_sync_are_superseded_even_when_they_cannot_be_cut() {
    let dir = tempfile::tempdir().unwrap();
    let sync = AtomicU32::new(0);
    let hook = FaultHook::new(move |op| match op {
        DiskOp::Cut => Some(std::io::Error::from_raw_os_error(EIO)),
        DiskOp::Sync if sync.fetch_add(1, Ordering::SeqCst) == 1 => {
            Some(std::io::Error::from_raw_os_error(EIO))
        }
        DiskOp::Create | DiskOp::Write | DiskOp::Sync => None,
    });
    let mut journal =
        Journal::open(dir.path(), Settings { fault: Some(hook), ..settings() }, now(0)).unwrap();
    for text in ["a", "b", "c"] {
        journal.append(&[note(text)], now(1)).unwrap();
    }
    drop(journal);
    assert_eq!(story(dir.path()).unwrap(), ["a", "b", "c"]);
}

#[test]
fn a_dead_disk_is_an_error_and_nothing_is_acknowledged_until_it_works_again() {
    let dir = tempfile::tempdir().unwrap();
    let (hook, _) = failing(DiskOp::Write, 1, 4, EIO);
    let mut journal =
        Journal::open(dir.path(), Settings { fault: Some(hook), ..settings() }, now(0)).unwrap();
    journal.append(&[note("a")], now(1)).unwrap();
    for _ in 0..3 {
        assert!(journal.append(&[note("lost")], now(2)).is_err());
    }
    let frames = journal.append(&[note("b")], now(3)).unwrap();
    assert_eq!(frames[0].seq, 2);
    drop(journal);
    assert_eq!(story(dir.path()).unwrap(), ["a", "b"]);
    open(dir.path()).unwrap();
}

#[test]
fn a_full_disk_takes_the_reserve_for_the_last_words() {
    let dir = tempfile::tempdir().unwrap();
    let reserve = dir.path().join("reserve");
    fs::write(&reserve, [0; 64]).unwrap();
    let (hook, _) = failing(DiskOp::Create, 1, 1, ENOSPC);
    let settings = Settings { fault: Some(hook), reserve: Some(reserve.clone()), ..settings() };
    let mut journal = Journal::open(dir.path(), settings, now(0)).unwrap();
    for i in 0..30 {
        journal.append(&[note(&i.to_string())], now(i)).unwrap();
    }
    assert!(!reserve.exists());
    assert_eq!(story(dir.path()).unwrap().len(), 30);
}

#[test]
fn records_of_version_1_are_still_read() {
    // Two records, an intent and its outcome; journal-v1.py beside it wrote them from the format's description.
    let golden = include_bytes!("../golden/journal-v1.seg");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("action-000001-00000000000000000001.seg"), golden).unwrap();
    let frames: Vec<_> = Reader::open(dir.path(), ACTIONS).unwrap().records(0).map(Result::unwrap).collect();
    let records: Vec<_> = frames.iter().map(|frame| Record::of(frame).unwrap()).collect();
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].kind, records[1].kind), (Kind::Intent, Kind::Outcome));
    assert_eq!(records[0].utc.to_string(), "2026-05-28T20:26:41Z");
    assert_eq!(records[1].of, Some(1));
    // The same entries make the same bytes.
    let fresh = tempfile::tempdir().unwrap();
    let mut journal = open(fresh.path()).unwrap();
    journal.append(&[intent(1, 0.25)], now(1)).unwrap();
    journal.append(&[outcome(1)], now(2)).unwrap();
    let made = fs::read(segments(fresh.path(), ACTIONS).unwrap().remove(0).path).unwrap();
    let end = made.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    assert_eq!(&made[..end], golden);
}

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    /// Power cut: the unacknowledged bytes behind the end are these.
    Torn(Vec<u8>),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..6_u8).prop_map(Step::Append),
        2 => prop::collection::vec(any::<u8>(), 1..300).prop_map(Step::Torn),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_of_appends_and_crashes_keeps_what_was_acknowledged(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Some(open(dir.path()).unwrap());
        let mut model = Vec::new();
        for step in steps {
            match step {
                Step::Append(count) => {
                    let texts: Vec<_> = (0..count).map(|i| format!("{}+{i}", model.len())).collect();
                    let entries: Vec<_> = texts.iter().map(|text| note(text)).collect();
                    journal.as_mut().unwrap().append(&entries, now(1)).unwrap();
                    model.extend(texts);
                }
                Step::Reopen => {
                    journal = None;
                    journal = Some(open(dir.path()).unwrap_or_else(|error| panic!("{error}, {journal:?}")));
                }
                Step::Torn(garbage) => {
                    journal = None;
                    if let Some(newest) = segments(dir.path(), ACTIONS).unwrap().pop() {
                        let mut bytes = fs::read(&newest.path).unwrap();
                        let end = end_of(dir.path());
                        bytes.truncate(end);
                        bytes.extend_from_slice(&garbage);
                        fs::write(&newest.path, bytes).unwrap();
                    }
                    journal = Some(open(dir.path()).unwrap_or_else(|error| panic!("{error}, {journal:?}")));
                }
            }
            prop_assert_eq!(story(dir.path()).unwrap(), model.clone());
        }
    }
}

fn end_of(dir: &Path) -> usize {
    let mut records = Reader::open(dir, ACTIONS).unwrap().records(0);
    for frame in &mut records {
        frame.unwrap();
    }
    records.tail().unwrap().end as usize
}
