//! The point test of commissioning, against a peer whose registers are known.

use std::path::Path;
use std::sync::{Arc, Mutex};

use qindan::config::{self, Config};
use qindan::points::DeviceId;
use qindan::shell::point_test::{Answers, PointTestError, Record, Verdict, test};
use sha2::{Digest, Sha256};

use crate::device::{Bank, Device, reply};

/// The Alder with its dam at `address`.
fn alder(address: std::net::SocketAddr) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config/alder");
    simulators::vary::copy(&from, folder.path(), &[]).unwrap();
    let file = folder.path().join("devices.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("127.0.0.1:16021", &address.to_string())).unwrap();
    config::load(folder.path()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The valve of the Alder: position 235 (23.5 %) at 100, target 400 (40 %) at 110, on remote; the level of the lake is
/// 12 345 mm over its zero, low word first, at 4; the mains are on (coil 3 is bit 3 of register 0 here).
async fn dam() -> (Device, Config) {
    let mut bank = Bank::default();
    for (unit, address, value) in [(1, 100, 235), (1, 110, 400), (2, 4, 12_345), (2, 5, 0), (2, 0, 1 << 3)] {
        bank.set(unit, address, value);
    }
    let bank = Arc::new(Mutex::new(bank));
    let device = Device::start(move |query| {
        // The selector at discrete 100 shares its address with the position in this bank.
        if query.unit == 1 && query.function() == 2 {
            return vec![reply(query, &[2, 1, 1])];
        }
        vec![reply(query, &bank.lock().unwrap().serve(query))]
    })
    .await;
    let config = alder(device.address);
    (device, config)
}

async fn run(config: &Config, device: usize, answers: &str) -> (Result<Record, PointTestError>, String) {
    let mut out = Vec::new();
    let mut answers = Answers::given("answers.txt", answers);
    let record = test(config, DeviceId(device), "Li Ming", &mut answers, &mut out, None).await;
    (record, String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn every_point_is_read_compared_and_signed() {
    let (device, config) = dam().await;
    let answers = "\
# position, remote and target as on the panel
lake.valve/position 23.5
lake.valve/remote on
lake.valve/target r
lake.valve/target
sign Li Ming
";
    let (record, said) = run(&config, 0, answers).await;
    let record = record.unwrap();
    let verdicts: Vec<_> = record.point.iter().map(|point| (point.id.as_str(), point.verdict)).collect();
    let wanted = [
        ("lake.valve/command", Verdict::WrittenOnly),
        ("lake.valve/position", Verdict::Passed),
        ("lake.valve/remote", Verdict::Passed),
        ("lake.valve/target", Verdict::Passed),
    ];
    assert_eq!(verdicts, wanted, "{said}");
    let position = &record.point[1];
    assert_eq!(
        (position.raw.as_slice(), position.seen, position.panel),
        (&["0x00eb".into()][..], Some(23.5), Some(23.5))
    );
    assert_eq!((position.address, position.notation.as_str()), (100, "4x00101"));
    assert!(record.is_clean() && record.test.passed == 3 && record.test.written_only == 1);
    assert!(said.contains("raw 0x00eb  value 23.5 %  good"), "{said}");
    assert!(device.writes().is_empty(), "{:?}", device.writes());
}

#[tokio::test]
async fn what_differs_fails_and_a_stopped_test_is_not_clean() {
    let (_device, config) = dam().await;
    // 412.345 m by the configuration of the Alder: 12.345 m over a zero at 400 m.
    let (record, said) = run(&config, 1, "z.lake/value 412.35\ndam.mains off\nsign Wang\n").await;
    let record = record.unwrap();
    let of = |id: &str| record.point.iter().find(|point| point.id == id).unwrap();
    assert_eq!((of("dam.mains").verdict, of("dam.mains").seen), (Verdict::Failed, Some(1.0)), "{said}");
    assert_eq!(of("z.lake/value").verdict, Verdict::Passed);
    assert!(!record.test.signed && !record.is_clean(), "another name is no signature");

    let (record, _) = run(&config, 1, "z.lake/value q\n").await;
    let record = record.unwrap();
    assert!(record.was_stopped && record.test.not_tested == 2 && !record.test.signed);
}

#[tokio::test]
async fn a_device_that_does_not_answer_is_a_failed_point_and_not_the_end() {
    let (device, config) = dam().await;
    device.stop().await;
    let (record, said) = run(&config, 1, "z.lake/value\ndam.mains s no power\nsign Li Ming\n").await;
    let record = record.unwrap();
    assert_eq!((record.test.failed, record.test.not_tested), (1, 1), "{said}");
    let failed = record.point.iter().find(|point| point.verdict == Verdict::Failed).unwrap();
    assert!(failed.seen.is_none() && failed.remark.contains("not sent"), "{failed:?}");
}

#[tokio::test]
async fn answers_to_other_questions_end_the_test() {
    let (_device, config) = dam().await;
    let (record, _) = run(&config, 0, "\nlake.valve/target 40\n").await;
    let error = record.unwrap_err().to_string();
    assert!(
        error
            .starts_with("answers.txt:2: answers \"lake.valve/target 40\", but lake.valve/position is asked"),
        "{error}"
    );
}

#[tokio::test]
async fn a_record_carries_its_own_hash_and_is_never_written_over() {
    let (_device, config) = dam().await;
    let (record, _) = run(&config, 1, "z.lake/value\ndam.mains\nsign Li Ming\n").await;
    let record = record.unwrap();
    assert!(record.is_clean());
    let folder = tempfile::tempdir().unwrap();
    let utc = "2026-05-18T06:32:07Z".parse().unwrap();
    let saved = record.save(folder.path(), utc).unwrap();
    assert!(saved.record.ends_with("point-test_dam_rtu_20260518T063207Z.toml"), "{saved:?}");
    let text = std::fs::read_to_string(&saved.record).unwrap();
    // As `head -n -2 | sha256sum` does it.
    let lines: Vec<_> = text.lines().collect();
    let (body, seal) = lines.split_at(lines.len() - 2);
    let body = body.join("\n") + "\n";
    let sum =
        Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    assert_eq!(seal, ["[seal]", &format!("sha256 = \"{sum}\"")]);
    let table: toml::Table = text.parse().unwrap();
    assert_eq!(table["test"]["by"].as_str(), Some("Li Ming"));
    assert_eq!(table["test"]["configuration"].as_str(), Some(config.digest.as_str()));
    assert_eq!(table["point"].as_array().unwrap().len(), 2);
    assert_eq!(table["point"][0]["verdict"].as_str(), Some("passed"));
    let print = std::fs::read_to_string(&saved.text).unwrap();
    assert!(
        print.contains("signed by Li Ming at ") && print.contains("2 passed, 0 failed, 0 not tested"),
        "{print}"
    );
    let again = record.save(folder.path(), utc).unwrap_err().to_string();
    assert!(again.contains("cannot be made"), "{again}");
}
