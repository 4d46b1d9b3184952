//! The stream of exact inputs: its bytes are frozen, a torn end costs nothing before it, a disk that fails leaves a gap that is
//! told, and what a running service decided is decided again to the bit.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use qindan::basin::GateId;
use qindan::control::command::{CommandId, WriteReport, WriteResult};
use qindan::control::operator::Mode;
use qindan::control::quality::{Reason, Sample};
use qindan::control::{Controller, Decision, Now, Settings, Snapshot};
use qindan::shell::journal::{DiskOp, FaultHook};
use qindan::shell::snapshots::codec::Codec;
use qindan::shell::snapshots::{
    About, Closing, Limits, Moment, Opened, ReadError, Snapshots, Step, Stream, Tail, files, folder,
};
use simulators::rerun;

use crate::fixture;
use crate::running::{Bench, Folder, at_rest};
use crate::site::{self, Drive, Site};

const PLENTY: Limits = Limits { days: 30, bytes: u64::MAX };

fn at(second: u64, utc: &str) -> Now {
    Now { mono: Duration::from_secs(second), utc: utc.parse().unwrap() }
}

fn good(value: f64, ms: u64) -> Sample {
    Sample { good: Some((value, Duration::from_millis(ms))), fault: None }
}

/// What `snapshots-v1.py` describes, by hand.
fn golden() -> [(Moment, Now); 3] {
    let samples = vec![
        good(1234.0 * 0.001, 900),
        Sample { good: None, fault: Some(Reason::NeverRead) },
        good(std::f64::consts::PI, 900),
    ];
    let seen = Snapshot { samples: samples.clone(), record_ok: true, ..Snapshot::default() };
    let first = Moment { seen, told: Vec::new(), picture: vec![1, u64::MAX] };
    let report = WriteReport {
        command: CommandId(7),
        gate: GateId(2),
        result: WriteResult::Refused(6),
        at: Duration::new(1, 5),
    };
    let mut changed = samples;
    changed[0] = good(1230.0 * 0.001, 2000);
    changed[1] = Sample { fault: Some(Reason::Exception(4)), ..good(f64::from(0.3_f32), 2000) };
    changed[2] = Sample { good: None, fault: Some(Reason::Sentinel) };
    let seen = Snapshot { samples: changed.clone(), writes: vec![report], ..Snapshot::default() };
    let told = br#"{"commands":[],"entries":[],"answers":[],"cycle":true}"#.to_vec();
    let second = Moment { seen, told, picture: Vec::new() };
    changed[1] = Sample {
        good: Some((f64::from(0.3_f32), Duration::from_secs(3) - Duration::from_micros(250))),
        fault: None,
    };
    let seen = Snapshot { samples: changed, record_ok: true, ..Snapshot::default() };
    let third = Moment { seen, told: Vec::new(), picture: Vec::new() };
    [
        (first, at(1, "2026-05-18T14:32:07Z")),
        (second, at(2, "2026-05-18T14:30:33Z")),
        (third, at(3, "2026-05-18T14:30:34Z")),
    ]
}

fn golden_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn a_stream_written_from_the_description_alone_is_read() {
    let mut opened = Opened::read(&golden_file("snapshots-v1.bin")).unwrap().unwrap();
    let head = opened.head();
    assert_eq!(
        (head.basin.as_str(), head.config.as_str(), head.boot.as_str()),
        ("alder", "c0ffee", "boot-1")
    );
    assert_eq!((head.ticks, opened.memory(), head.settings.bench), (41, br#"{"tick":41}"#.as_slice(), true));
    assert_eq!(head.turns[0].rate.get(), 0.35);
    for (moment, now) in golden() {
        assert_eq!(opened.step().unwrap(), Some(Step::Moment(Box::new(moment), now)));
    }
    let now = at(4, "2026-05-18T14:30:35Z");
    let closing = Closing { now, reports: Vec::new(), entries: Vec::new() };
    assert_eq!(opened.step().unwrap(), Some(Step::Close(closing)));
    assert_eq!((opened.step().unwrap(), opened.tail()), (None, Some(Tail::Whole)));
}

#[test]
fn the_bytes_of_a_moment_are_those_of_the_description() {
    let described = fs::read_to_string(golden_file("snapshots-v1.hex")).unwrap();
    let mut codec = Codec::default();
    for ((moment, now), line) in golden().iter().zip(described.lines()) {
        let mut bytes = Vec::new();
        codec.encode(moment, *now, &mut bytes);
        assert_eq!(qindan::shell::journal::hex(&bytes), line);
    }
    assert_eq!(described.lines().count(), 3);
}

fn controller() -> Controller {
    Controller::new(&fixture::small(), Settings::default(), None, fixture::utc(0))
}

fn stream(dir: &Path, limits: Limits) -> Stream {
    Stream::new(dir, limits, About::new(&fixture::small(), "boot-1", Settings::default()))
}

/// A moment at a second: one level that rises.
fn moment(second: u64) -> (Moment, Now) {
    let samples = vec![good(2.0 + second as f64 * 0.001, 1000 * second)];
    let seen = Snapshot { samples, record_ok: true, ..Snapshot::default() };
    let now = Now { mono: Duration::from_secs(second), utc: fixture::utc(second as i64) };
    (Moment { seen, told: Vec::new(), picture: Vec::new() }, now)
}

fn read(file: &Path) -> Option<(Vec<(Moment, Now)>, Tail)> {
    let mut opened = Opened::read(file).unwrap()?;
    let mut found = Vec::new();
    while let Some(step) = opened.step().unwrap() {
        match step {
            Step::Moment(moment, now) => found.push((*moment, now)),
            Step::Close(_) => {}
        }
    }
    Some((found, opened.tail().unwrap()))
}

#[test]
fn a_stream_cut_anywhere_in_its_last_frame_opens_with_what_was_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = stream(folder.path(), PLENTY);
    let state = controller().state();
    writer.begin(&state, moment(0).1).unwrap();
    let file = files(folder.path()).unwrap().remove(0).path;
    let begun = fs::metadata(&file).unwrap().len() as usize;
    let mut ends = vec![begun];
    for second in 0..3 {
        let (seen, now) = moment(second);
        writer.moment(&seen, now).unwrap();
        ends.push(fs::metadata(&file).unwrap().len() as usize);
    }
    drop(writer);
    let whole = fs::read(&file).unwrap();
    let all: Vec<_> = (0..3).map(moment).collect();
    assert_eq!(read(&file), Some((all.clone(), Tail::Whole)));
    for length in ends[2] + 1..ends[3] {
        fs::write(&file, &whole[..length]).unwrap();
        let expected = (all[..2].to_vec(), Tail::Torn(length - ends[2]));
        assert_eq!(read(&file), Some(expected), "{length} bytes");
        // The next start cuts it and begins a file of its own.
        let mut next = stream(folder.path(), PLENTY);
        next.begin(&state, moment(9).1).unwrap();
        drop(next);
        assert_eq!(read(&file), Some((all[..2].to_vec(), Tail::Whole)), "{length} bytes");
        let newest = files(folder.path()).unwrap().pop().unwrap();
        assert_eq!((newest.name.number, read(&newest.path)), (2, Some((Vec::new(), Tail::Whole))));
        fs::remove_file(newest.path).unwrap();
    }
    // Cut in its head or state it holds nothing, and the next start takes it away.
    for length in [0, 5, 8, 20, begun / 2, begun - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        assert_eq!(read(&file), None, "{length} bytes");
    }
    stream(folder.path(), PLENTY).begin(&state, moment(9).1).unwrap();
    let left: Vec<_> = files(folder.path()).unwrap().iter().map(|file| file.name.number).collect();
    assert_eq!(left, [2]);
}

#[test]
fn a_bent_byte_is_told_with_its_place_and_no_moment_is_made_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = stream(folder.path(), PLENTY);
    writer.begin(&controller().state(), moment(0).1).unwrap();
    let all: Vec<_> = (0..4).map(moment).collect();
    for (seen, now) in &all {
        writer.moment(seen, *now).unwrap();
    }
    drop(writer);
    let file = files(folder.path()).unwrap().remove(0).path;
    let whole = fs::read(&file).unwrap();
    let (mut damaged, mut torn) = (0, 0);
    for place in 0..whole.len() {
        let mut bent = whole.clone();
        bent[place] ^= 1 << (place % 8);
        fs::write(&file, bent).unwrap();
        let told = |error: ReadError| {
            let ReadError::Damaged { at, .. } = error else { panic!("{place}: {error}") };
            assert!(at <= place, "{place}: told at {at}");
        };
        let mut opened = match Opened::read(&file) {
            Ok(opened) => opened.unwrap_or_else(|| panic!("{place}: nothing told")),
            Err(error) => {
                told(error);
                damaged += 1;
                continue;
            }
        };
        let mut read = Vec::new();
        let end = loop {
            match opened.step() {
                Ok(Some(Step::Moment(moment, now))) => read.push((*moment, now)),
                Ok(Some(Step::Close(closing))) => panic!("{place}: {closing:?}"),
                Ok(None) => break opened.tail(),
                Err(error) => {
                    told(error);
                    damaged += 1;
                    break None;
                }
            }
        };
        assert!(read.len() < all.len() && all.starts_with(&read), "{place}: {read:?}");
        // In the last frame nothing tells a bent byte from one that was never written.
        if end.is_some() {
            assert!(read.len() == 3 && matches!(end, Some(Tail::Torn(_))), "{place}: {end:?}");
            torn += 1;
        }
    }
    assert_eq!(damaged + torn, whole.len());
    assert!(torn < 100 && damaged > torn, "{damaged} damaged, {torn} torn");
}

#[test]
fn what_is_over_its_days_or_the_quota_goes_oldest_first() {
    let numbers = |dir: &Path| files(dir).unwrap().iter().map(|file| file.name.number).collect::<Vec<_>>();
    let begin = |writer: &mut Stream, hour: i64| {
        let utc = fixture::utc(0) + SignedDuration::from_hours(hour);
        writer
            .begin(&controller().state(), Now { mono: Duration::from_secs(3600 * hour as u64), utc })
            .unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    let mut writer = stream(folder.path(), Limits { days: 1, ..PLENTY });
    // The file of hour 0 ends at hour 10 and may go at hour 34, that of hour 10 with the next one.
    for (hour, left) in [(0, &[1][..]), (10, &[1, 2]), (33, &[1, 2, 3]), (34, &[2, 3, 4]), (57, &[3, 4, 5])] {
        begin(&mut writer, hour);
        assert_eq!(numbers(folder.path()), left, "hour {hour}");
    }
    drop(writer);
    let size = files(folder.path()).unwrap().iter().map(|file| file.bytes).max().unwrap();
    let mut writer = stream(folder.path(), Limits { days: 30, bytes: 2 * size + size / 2 });
    begin(&mut writer, 58);
    assert_eq!(numbers(folder.path()), [5, 6]);
}

#[test]
fn a_disk_that_refuses_leaves_a_gap_and_the_stream_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let failing = Arc::new(AtomicBool::new(false));
    let met = Arc::new(AtomicBool::new(false));
    let (asked, meets) = (Arc::clone(&failing), Arc::clone(&met));
    let fault = FaultHook::new(move |op| {
        let refuses = op == DiskOp::Write && asked.load(Ordering::Acquire);
        meets.fetch_or(refuses, Ordering::Release);
        refuses.then(|| io::Error::from(io::ErrorKind::StorageFull))
    });
    let (mut snapshots, thread) =
        Snapshots::start(stream(folder.path(), PLENTY).failing(fault), Some(0)).unwrap();
    let controller = controller();
    let tick = |snapshots: &mut Snapshots, second: u64| {
        let (moment, now) = moment(second);
        snapshots.begin(&controller, now);
        snapshots.moment(&moment.seen, now, Decision::default(), None);
        snapshots.dropped()
    };
    for second in 0..5 {
        assert_eq!(tick(&mut snapshots, second), 0);
    }
    // The thread writes in its own time: only what is on the disk before it refuses is there afterwards.
    let kept = || {
        files(folder.path())
            .is_ok_and(|files| files.first().and_then(|it| read(&it.path)).is_some_and(|it| it.0.len() == 5))
    };
    while !kept() {
        assert_eq!(snapshots.dropped(), 0, "nothing refuses yet");
        std::thread::yield_now();
    }
    failing.store(true, Ordering::Release);
    let mut second = 5;
    // The thread meets the refusal in its own time; from then on the cycle knows. Before that it knows of a full queue at most.
    while tick(&mut snapshots, second) == 0 || !met.load(Ordering::Acquire) {
        second += 1;
        std::thread::yield_now();
        assert!(second < 50_000_000, "the refusal is never told");
    }
    failing.store(false, Ordering::Release);
    // Tried again a minute of service time after the thread has told the last refusal. Ticks run faster than the thread:
    // it may begin further files before the first one is seen.
    let again = || files(folder.path()).unwrap().len() >= 2;
    while !again() {
        second += 61;
        tick(&mut snapshots, second);
        std::thread::yield_now();
        assert!(second < 100_000_000, "never tried again");
    }
    // Until one is taken: the queue may be full of the ticks before.
    let mut dropped = 0;
    loop {
        second += 1;
        let now = tick(&mut snapshots, second);
        if std::mem::replace(&mut dropped, now) == now {
            break;
        }
        std::thread::yield_now();
    }
    drop(snapshots);
    thread.join().unwrap();
    assert!(dropped >= 1);
    let files = files(folder.path()).unwrap();
    let read = files.iter().map(|file| read(&file.path).unwrap().0).collect::<Vec<_>>();
    let (before, after) = (&read[0], &read[1]);
    assert_eq!(before[..], (0..5).map(moment).collect::<Vec<_>>());
    assert_eq!(read.last().and_then(|last| last.last()), Some(&moment(second)));
    let gap = after[0].1.mono.saturating_sub(before.last().unwrap().1.mono);
    assert!(gap >= Duration::from_secs(60), "{gap:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_decided_is_decided_again_to_the_bit() {
    let data = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &data.journal()).await;
    let config = site::config(&site.device, Mode::Manual);
    for round in 0..2 {
        let bench = Bench::start(data.options(config.clone(), 20.0)).await;
        bench.until("at rest", at_rest).await;
        let (status, answer) =
            bench.page.set_point(27.5 - f64::from(round), &format!("set-point-{round}")).await;
        assert_eq!(status, 200, "{answer}");
        bench.until("a minute", |status| status.mono > Duration::from_secs(130)).await;
        let (_, metrics) = bench.page.get("/metrics").await;
        assert!(metrics.contains("qindan_snapshots_dropped_total 0\n"), "{metrics}");
        bench.end().await;
    }
    let order = rerun::Order { data: data.root.path().to_path_buf(), ..rerun::Order::default() };
    let done = rerun::of(&order, &config).unwrap();
    assert_eq!((done.count(), done.gaps.as_slice()), (0, &[][..]), "{done:?}");
    assert!(done.ticks > 20 && done.cycles >= 6 && done.told >= 8, "{done:?}");
    assert!(done.notes.iter().any(|note| note.contains("stopped in order")), "{done:?}");
    let begin: Timestamp = files(&folder(data.root.path())).unwrap()[0].name.utc;
    // At twenty times the speed: three seconds of a slow machine.
    let late = begin.duration_since(fixture::utc(0)).as_secs();
    assert!((0..60).contains(&late), "{begin}");
}
