//! The movement part of the point test: one confirmed step at a time, through the interlocks, the record and the single
//! write of the service, against a gate box that does as it is told, or does not.

use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, Mutex};

use qindan::basin::OnLinkLoss;
use qindan::config::Config;
use qindan::control::command::Terminal;
use qindan::control::operator::Mode;
use qindan::control::record::Kind;
use qindan::points::DeviceId;
use qindan::shell::clock::Clock;
use qindan::shell::data_dir::DataDir;
use qindan::shell::point_test::{Answers, MoveVerdict, Moves, PointTestError, Record, Saw, test};
use qindan::units::Opening;

use crate::fixture;
use crate::running::Folder;
use crate::site::{self, Drive, GO, POSITION, REMOTE, STOP, Site, hundredths};

/// Answers to the reading part: the panel shows the same everywhere.
const READ: &str =
    "q.outlet/value\nq.ford/value\nz.lake/value\nv1/3\nv1/4\nv1/5\nv1/6\nv1/7\nv1/8\nv1/20\nv1/24\n";
/// Simulated seconds in a real one: a deadline of three minutes passes in a second.
const SPEED: f64 = 200.0;

struct Bench {
    folder: Folder,
    site: Site,
    config: Config,
}

impl Bench {
    async fn new(percent: f64, drive: Drive) -> Self {
        let folder = Folder::new();
        let site = Site::start(percent, drive, &folder.journal()).await;
        // In automatic the service would command; the test must not.
        let config = site::config(&site.device, Mode::Automatic);
        Self { folder, site, config }
    }

    fn moves(&self) -> Moves {
        take(&self.config, self.folder.root.path()).unwrap()
    }

    async fn run(&self, answers: &str) -> (Record, String) {
        let mut answers = Answers::given("answers.txt", &format!("{READ}{answers}"));
        let (record, said) = self.answered(&mut answers).await;
        (record.unwrap(), said)
    }

    async fn answered(&self, answers: &mut Answers) -> (Result<Record, PointTestError>, String) {
        let said = Said::default();
        let record = self.saying(answers, said.clone()).await;
        (record, said.text())
    }

    async fn saying(&self, answers: &mut Answers, mut said: Said) -> Result<Record, PointTestError> {
        let moves = self.moves();
        test(&self.config, DeviceId(0), "Li Ming", answers, &mut said, Some(&moves)).await
    }
}

/// What the test has said so far, for a person who answers as it goes.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn take(config: &Config, data: &Path) -> Result<Moves, String> {
    let clock = Clock::scaled(SPEED, fixture::utc(0));
    Moves::take(config, data, None, None, clock).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_confirmed_step_goes_out_and_back_each_written_once_and_recorded_before() {
    let bench = Bench::new(30.0, Drive::Quick).await;
    let answers = "v1/out v1\nv1/out/seen ok smooth, no noise\nv1/back v1\nv1/back/seen ok\nsign Li Ming\n";
    let (record, said) = bench.run(answers).await;
    let [moved] = record.movement.as_slice() else { panic!("{said}") };
    assert_eq!((moved.gate.as_str(), moved.verdict), ("v1", MoveVerdict::Passed), "{said}");
    assert!(record.is_clean(), "{said}");
    assert!(said.contains("SAFETY") && said.contains("安全"), "{said}");
    // 2 % of the stroke: from 30 to 32 % and back; the box takes hundredths of a per cent.
    let written: Vec<_> = bench.site.written().iter().map(|w| (w.command, w.target, w.recorded)).collect();
    assert_eq!(written, [(GO, 3_200, true), (GO, 3_000, true)], "{said}");
    assert_eq!((moved.stood, moved.left), (Some(30.0), Some(30.0)));
    let [out, back] = moved.step.as_slice() else { panic!("{moved:?}") };
    assert_eq!((out.outcome.as_str(), out.read_back, out.ended_at), ("verified", Some(32.0), Some(32.0)));
    assert_eq!((back.outcome.as_str(), back.read_back, back.ended_at), ("verified", Some(30.0), Some(30.0)));
    assert_eq!((out.write.as_deref(), out.overshoot, out.saw), (Some("accepted"), Some(0.0), Saw::Ok));
    assert_eq!(out.note, "smooth, no noise");
    // A stroke of 180 s is 100 / 180 = 0.556 % in a second.
    assert!((out.expected_per_s - 0.5556).abs() < 1e-4 && out.took_s.is_some());
    let intents = bench.folder.of_kind(Kind::Intent);
    assert_eq!(intents.len(), 2);
    assert!(intents.iter().all(|record| record.actor == "operator:Li Ming"), "{intents:?}");
    let ends = bench.folder.of_kind(Kind::Outcome);
    assert!(ends.len() == 2 && ends.iter().all(|end| end.outcome == Some(Terminal::Verified)), "{ends:?}");
    assert!(bench.folder.of_kind(Kind::Alarm).is_empty(), "devices that were not asked are no alarm");
    bench.folder.verify();
    let sealed = record.sealed().unwrap();
    let table: toml::Table = sealed.parse().unwrap();
    assert_eq!(table["movement"][0]["step"][0]["command"].as_integer(), out.command.map(|c| c as i64));
    assert_eq!(table["test"]["configuration"].as_str(), Some(bench.config.digest.as_str()));
}

/// A box that is fed during the test has lost its master after it, and acts by itself: people must be told before.
#[tokio::test]
async fn what_the_box_does_by_itself_afterwards_is_told_and_recorded() {
    let mut bench = Bench::new(30.0, Drive::Quick).await;
    let mut field = (*bench.config.field).clone();
    field.devices[0].watchdog_s = Some(10.0);
    let mut basin = (*bench.config.basin).clone();
    basin.gates[0].on_link_loss = OnLinkLoss::Goto { opening: Opening::clamped(0.35) };
    (bench.config.field, bench.config.basin) = (Arc::new(field), Arc::new(basin));
    let (record, said) = bench.run("v1/out skip only looked\nsign Li Ming\n").await;
    assert_eq!(record.movement[0].afterwards.as_deref(), Some("go to 35 %"), "{said}");
    assert!(said.contains("WATCHDOG") && said.contains("看门狗"), "{said}");
}

#[tokio::test]
async fn a_gate_on_local_is_refused_and_recorded_as_refused() {
    let bench = Bench::new(30.0, Drive::Quick).await;
    bench.site.set(REMOTE, 0);
    let (record, said) = bench.run("sign Li Ming\n").await;
    let moved = &record.movement[0];
    assert_eq!((moved.verdict, moved.remark.as_str()), (MoveVerdict::Refused, "key on local"), "{said}");
    assert!(bench.site.written().is_empty() && moved.step.is_empty());
    assert!(!record.is_clean() && record.test.signed);
    bench.folder.verify();
}

#[tokio::test]
async fn a_gate_that_turns_to_local_before_the_confirmation_is_not_moved() {
    let bench = Bench::new(30.0, Drive::Quick).await;
    let (input, typed) = std::io::pipe().unwrap();
    let (mut answers, _stopper) = Answers::typed(std::io::BufReader::new(input)).unwrap();
    let said = Said::default();
    let person = async {
        use std::io::Write;
        let mut typed = typed;
        typed.write_all("\n".repeat(11).as_bytes()).unwrap();
        while !said.text().contains("type v1 to move it") {
            tokio::task::yield_now().await;
        }
        bench.site.set(REMOTE, 0);
        let seen = bench.site.device.log().len();
        while bench.site.device.log().len() < seen + 8 {
            tokio::task::yield_now().await;
        }
        typed.write_all(b"v1\nLi Ming\n").unwrap();
    };
    let (record, ()) = tokio::join!(bench.saying(&mut answers, said.clone()), person);
    let said = said.text();
    let record = record.unwrap();
    assert!(bench.site.written().is_empty(), "{said}");
    assert_eq!(record.movement[0].verdict, MoveVerdict::Refused, "{said}");
}

/// 1.5 · 0.02 · 180 s of travel, 60 s of grace and 120 s of validity: after 185.4 s it has not arrived.
#[tokio::test]
async fn a_stuck_gate_is_recorded_as_not_arrived_and_stopped() {
    let bench = Bench::new(30.0, Drive::Slow).await;
    let (record, said) = bench.run("v1/out v1\nsign Li Ming\n").await;
    let moved = &record.movement[0];
    assert_eq!(moved.verdict, MoveVerdict::Failed, "{said}");
    let [out] = moved.step.as_slice() else { panic!("{said}") };
    let outcome = "failed: no_arrival, the position stood still while the motor ran";
    assert_eq!((out.outcome.as_str(), out.ended_at), (outcome, Some(30.0)), "{said}");
    assert_eq!((out.write.as_deref(), out.speed_per_s), (Some("accepted"), None));
    assert!(out.took_s.unwrap() > 185.0, "{out:?}");
    let commands: Vec<_> = bench.site.written().iter().map(|written| written.command).collect();
    assert_eq!(commands, [GO, STOP], "{said}");
    bench.folder.verify();
}

#[tokio::test]
async fn a_device_that_dies_on_the_way_leaves_a_failed_step_and_one_write() {
    let Bench { folder, site, config } = Bench::new(30.0, Drive::Slow).await;
    let right = take(&config, folder.root.path()).unwrap();
    let mut answers = Answers::given("answers.txt", &format!("{READ}v1/out v1\nsign Li Ming\n"));
    let mut out = Vec::new();
    let dies = async {
        site.until_written(1).await;
        let written = site.written();
        site.device.stop().await;
        written
    };
    let run = test(&config, DeviceId(0), "Li Ming", &mut answers, &mut out, Some(&right));
    let (record, written) = tokio::join!(run, dies);
    let (record, said) = (record.unwrap(), String::from_utf8(out).unwrap());
    let moved = &record.movement[0];
    assert_eq!((moved.verdict, written.len()), (MoveVerdict::Failed, 1), "{said}");
    let outcome = &moved.step[0].outcome;
    assert!(
        outcome.starts_with("failed: ") && outcome.ends_with("the position was lost on the way"),
        "{said}"
    );
    drop(right);
    folder.verify();
}

#[tokio::test]
async fn the_word_stop_stops_a_moving_gate_and_ends_the_test() {
    let bench = Bench::new(30.0, Drive::Slow).await;
    let (record, said) = bench.run("v1/out v1\nv1/moving stop\nsign Li Ming\n").await;
    assert!(record.was_stopped, "{said}");
    let moved = &record.movement[0];
    assert_eq!(
        (moved.verdict, moved.step[0].outcome.as_str()),
        (MoveVerdict::Failed, "superseded"),
        "{said}"
    );
    assert!(moved.remark.starts_with("stopped by the person"), "{moved:?}");
    let commands: Vec<_> = bench.site.written().iter().map(|written| written.command).collect();
    assert_eq!(commands, [GO, STOP], "{said}");
    bench.folder.verify();
}

#[tokio::test]
async fn input_that_ends_while_a_gate_moves_stops_it() {
    let bench = Bench::new(30.0, Drive::Slow).await;
    let typed = format!("{}v1\n", "\n".repeat(11));
    let (mut answers, _stopper) = Answers::typed(Cursor::new(typed)).unwrap();
    let (record, said) = bench.answered(&mut answers).await;
    let record = record.unwrap();
    assert!(record.was_stopped && !record.test.signed, "{said}");
    let commands: Vec<_> = bench.site.written().iter().map(|written| written.command).collect();
    assert_eq!(commands, [GO, STOP], "{said}");
}

#[tokio::test]
async fn only_the_name_of_the_gate_moves_it() {
    let bench = Bench::new(30.0, Drive::Quick).await;
    let answers = "v1/out yes\nv1/out\nv1/out V1\nv1/out skip nobody at the gate\nsign Li Ming\n";
    let (record, said) = bench.run(answers).await;
    let moved = &record.movement[0];
    assert_eq!(
        (moved.verdict, moved.remark.as_str()),
        (MoveVerdict::NotTested, "nobody at the gate"),
        "{said}"
    );
    assert!(bench.site.written().is_empty());
    assert_eq!(bench.site.get(POSITION), hundredths(30.0));
}

/// At 89.5 % the valve passes 6.336 · 0.895 = 5.67 m³/s, more than the 5 m³/s above which a siren must sound first: the
/// interlock of the service leaves no room above, and the test has no other way.
#[tokio::test]
async fn a_gate_without_room_is_left_where_it_stands() {
    let bench = Bench::new(89.5, Drive::Quick).await;
    let (record, said) = bench.run("sign Li Ming\n").await;
    let moved = &record.movement[0];
    assert_eq!(moved.verdict, MoveVerdict::NotTested, "{said}");
    assert!(
        moved
            .remark
            .starts_with("only 0.0 % above it are permitted (above 5.00 m³/s a siren must sound first)"),
        "{said}"
    );
    assert!(bench.site.written().is_empty());
}

#[tokio::test]
async fn nothing_moves_while_a_service_holds_the_data_folder() {
    let bench = Bench::new(30.0, Drive::Quick).await;
    let service = DataDir::open(bench.folder.root.path(), None).unwrap();
    let refused = take(&bench.config, bench.folder.root.path()).unwrap_err();
    assert!(
        refused.contains("in use by process") && refused.contains("no service commands beside"),
        "{refused}"
    );
    drop(service);
    let moves = bench.moves();
    let service = DataDir::open(bench.folder.root.path(), None).unwrap_err().to_string();
    assert!(service.contains("in use by process"), "{service}");
    drop(moves);
    let unknown = Moves::take(&bench.config, bench.folder.root.path(), Some("v9"), None, Clock::real());
    assert!(unknown.unwrap_err().to_string().contains("v9: no such gate"));
    let far = Moves::take(&bench.config, bench.folder.root.path(), None, Some(40.0), Clock::real());
    assert!(far.unwrap_err().to_string().contains("at most 10"));
}
