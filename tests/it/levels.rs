//! What is kept of samples by minute and hour: through restarts and damage, and up to the page.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use qindan::control::quality::{Quality, Reading};
use qindan::shell::history::{self, Direct, Keep};
use qindan::shell::journal::segments;
use qindan::shell::levels::{self, Level};
use qindan::shell::refill::refill;
use qindan::shell::trend::{Series, Trends};
use qindan::units::Opening;

use crate::fixture;

/// The beginning of an hour.
const HOUR_0: i64 = 1_780_002_000;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(HOUR_0 + 60 * minute).unwrap()
}

fn good(value: f64) -> Reading {
    Reading { value: Some(value), quality: Quality::Good, reason: None, taken_at: None, last_good: None }
}

fn open(dir: &Path) -> Direct {
    Direct::open(dir, "bench", vec!["a/value".to_owned()]).unwrap()
}

/// 1.0 for half an hour, 2.0 from then on, a restart after 40 minutes, silence after minute 70.
fn two_hours(dir: &Path) {
    let mut direct = open(dir);
    for at in (0..=70).chain([130]) {
        if at == 40 {
            drop(direct);
            drop(open(dir));
            direct = open(dir);
        }
        direct.record(minute(at), &[good(if at < 30 { 1.0 } else { 2.0 })]);
        assert!(direct.write());
    }
}

fn hours(dir: &Path) -> Vec<(Timestamp, f64, f64, f64, i64)> {
    let found = levels::read(dir, Level::Hours, &["a/value"], minute(0), minute(600)).unwrap();
    let figures = |(at, bin): &levels::Dated| (*at, bin.least, bin.mean(), bin.most, bin.covered_ms / 1000);
    found["a/value"].iter().map(figures).collect()
}

#[test]
fn an_hour_is_whole_though_the_service_started_in_the_middle_of_it() {
    let dir = tempfile::tempdir().unwrap();
    two_hours(dir.path());
    // The sample of minute 70 holds for eleven minutes: 21 of the second hour are known.
    let expected = [(minute(0), 1.0, 1.5, 2.0, 3600), (minute(60), 2.0, 2.0, 2.0, 21 * 60)];
    assert_eq!(hours(dir.path()), expected);
    let found = levels::read(dir.path(), Level::Minutes, &[], minute(28), minute(90)).unwrap();
    let minutes: Vec<_> =
        found["a/value"].iter().map(|(at, bin)| (*at, bin.mean(), bin.covered_ms)).collect();
    assert_eq!(minutes.len(), 81 - 28);
    assert_eq!(minutes[..3], [28, 29, 30].map(|at| (minute(at), if at < 30 { 1.0 } else { 2.0 }, 60_000)));
    assert_eq!(minutes.last(), Some(&(minute(80), 2.0, 60_000)));
}

#[test]
fn what_is_damaged_or_was_never_made_is_made_from_the_samples() {
    let dir = tempfile::tempdir().unwrap();
    two_hours(dir.path());
    let expected = hours(dir.path());
    let files = segments(dir.path(), "hour").unwrap();
    let mut bytes = fs::read(&files[0].path).unwrap();
    bytes[100] ^= 1;
    fs::write(&files[0].path, bytes).unwrap();
    drop(open(dir.path()));
    assert_eq!(hours(dir.path()), expected);
    assert!(files[0].path.with_extension("bad").exists());
    for stream in ["hour", "minute"] {
        for file in segments(dir.path(), stream).unwrap() {
            fs::remove_file(file.path).unwrap();
        }
        fs::remove_file(dir.path().join(format!("{stream}.mark"))).unwrap();
    }
    drop(open(dir.path()));
    assert_eq!(hours(dir.path()), expected);
    let minutes = levels::read(dir.path(), Level::Minutes, &[], minute(0), minute(600)).unwrap();
    assert_eq!(minutes["a/value"].len(), 81);
}

#[test]
fn the_page_shows_more_than_three_days_after_a_restart() {
    let (dir, config) = (tempfile::tempdir().unwrap(), fixture::small());
    let points: Vec<_> = config.field.names().map(str::to_owned).collect();
    let mut image = vec![good(2.5); points.len()];
    let opening = Opening::from_fraction(0.25).unwrap();
    let position = config.field.wiring.gates[0].position.unwrap();
    image[position.0] = good(config.basin.gates[0].stroke.position(opening));
    let mut direct = Direct::open(dir.path(), "bench", points).unwrap();
    let day = 24 * 60;
    for at in (0..=10 * day).step_by(10) {
        direct.record(minute(at), &image);
    }
    assert!(direct.write());
    let (trends, end) = (Trends::default(), minute(10 * day) + SignedDuration::from_secs(1));
    refill(&trends, &config, dir.path(), end).unwrap();
    for (series, expected) in [(Series::Meter(0), 2.5), (Series::Section(0), 2.5), (Series::Gate(0), 0.25)] {
        let window = trends.window(series, minute(0), end, 1000);
        assert_eq!((window.step_s, window.buckets.len()), (3600, 241), "{series:?}");
        let right = |bucket: &Option<qindan::shell::trend::Bucket>| {
            bucket.is_some_and(|b| (b.mean - expected).abs() < 1e-6 && b.min <= b.mean && b.mean <= b.max)
        };
        assert!(window.buckets.iter().all(right), "{series:?}: {window:?}");
    }
}

/// Bytes of everything that is kept of the samples.
fn room(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let ours = files.filter(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        ["sample-", "minute-", "hour-"].iter().any(|stream| name.starts_with(stream))
    });
    ours.map(|file| file.metadata().unwrap().len()).sum()
}

/// So many hours of points that move every minute, with long names where samples are to fill segments faster than minutes.
fn moving(dir: &Path, keep: Keep, (points, name, hours): (usize, usize, i64), each: impl Fn()) {
    let points: Vec<_> = (0..points).map(|index| format!("{}{index:04}/value", "x".repeat(name))).collect();
    let readings = [1.0, 2.0].map(|value| vec![good(value); points.len()]);
    let mut direct = Direct::open(dir, "bench", points).unwrap().keeping(keep);
    for at in 0..=60 * hours {
        direct.record(minute(at), &readings[usize::from(at % 2 == 1)]);
        assert!(direct.write());
        each();
    }
}

#[test]
fn the_history_never_takes_more_room_than_it_may_and_the_oldest_samples_go_first() {
    // Three segments of samples of 16 MiB, two of minutes and hours each of 4 MiB, 10^6 bytes above.
    let quota = 3 * (16 << 20) + 4 * (4 << 20) + 1_000_000;
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("sample-00000000000000000001-x.bad"), vec![7; 9000]).unwrap();
    let most = std::cell::Cell::new(0);
    // Some 45 MB of samples.
    let keep = Keep { bytes: Some(quota), ..Keep::ALL };
    moving(dir.path(), keep, (250, 180, 14), || most.set(most.get().max(room(dir.path()))));
    assert!(most.get() <= quota, "{} of {quota}", most.get());
    let left: Vec<_> = segments(dir.path(), "sample").unwrap();
    assert!(left[0].name.first > 1 && left.len() <= 2, "{left:?}");
    assert!(!dir.path().join("sample-00000000000000000001-x.bad").exists(), "what was set aside goes first");
    // What is left is the newest, without a gap; and the minutes of what went are there.
    let found = history::read(dir.path(), &[], Timestamp::MIN, Timestamp::MAX).unwrap();
    let (_, samples) = found.first_key_value().unwrap();
    let times: Vec<_> = samples.iter().map(|kept| kept.utc).collect();
    assert!(times[0] > minute(30) && times.last() == Some(&minute(840)), "{:?}", times[0]);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == SignedDuration::from_secs(60)));
    let minutes = levels::read(dir.path(), Level::Minutes, &[], minute(0), minute(60)).unwrap();
    assert_eq!((minutes.len(), minutes.first_key_value().unwrap().1.len()), (250, 60));
}

#[test]
fn samples_minutes_and_hours_have_their_own_days() {
    let dir = tempfile::tempdir().unwrap();
    moving(dir.path(), Keep::ALL, (2000, 1, 6), || {});
    let count = |stream| segments(dir.path(), stream).unwrap().len();
    let before = (count("sample"), count("minute"), count("hour"));
    assert!(before.0 >= 2 && before.1 >= 2 && before.2 == 1, "{before:?}");
    let later = |days: i64, keep: Keep| {
        let mut direct = Direct::open(dir.path(), "bench", vec!["a/value".to_owned()]).unwrap().keeping(keep);
        direct.record(minute(days * 1440), &[good(1.0)]);
        assert!(direct.write());
    };
    let keep = Keep { samples_days: 5, minutes_days: 10, hours_days: 20, bytes: None };
    later(4, keep);
    assert_eq!((count("sample"), count("minute")), (before.0, before.1));
    later(6, keep);
    assert_eq!((count("sample"), count("minute")), (1, before.1), "the newest segment stays");
    later(12, keep);
    assert_eq!((count("sample"), count("minute"), count("hour")), (1, 1, 1));
}
