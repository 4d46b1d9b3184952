//! The service as a process of its own, and what kill -9 leaves.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use qindan::control::command::Terminal;
use qindan::control::operator::{Authority, Mode};
use qindan::control::record::Kind;
use qindan::shell::service::{Running, Stop};
use qindan::shell::telemetry;
use serde_json::json;
use simulators::rerun;

use crate::device::Device;
use crate::door;
use crate::running::{Bench, Folder, Page, at_rest, ended, options};
use crate::site::{self, Drive, Site};

const DATA: &str = "QINDAN_TEST_DATA";
const SITE: &str = "QINDAN_TEST_SITE";
const SERVES: &str = "page at ";

/// Not a test of its own: what [`a_service_killed_on_the_way_goes_on_where_it_was`] starts and kills.
#[test]
fn child_that_serves_until_it_is_killed() {
    let (Some(data), Ok(site)) = (std::env::var_os(DATA), std::env::var(SITE)) else { return };
    telemetry::start(telemetry::Form::Text).unwrap();
    telemetry::end_on_panic();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let config = site::config_at(site.parse().unwrap(), Mode::Manual);
        let options = options(config, std::path::Path::new(&data), 20.0);
        let running = Running::start(options, Stop::default()).await.unwrap();
        writeln!(std::io::stdout(), "\n{SERVES}{}", running.address()).unwrap();
        running.ended().await;
    });
}

/// Kills its process when dropped, so that a failed test leaves none behind.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A service on `data` that commands `device` and ends with a panic as the program does; what it says goes to `log`.
pub(crate) fn spawn_child(data: &Path, device: &Device, log: Stdio) -> (Killed, Page) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["process::child_that_serves_until_it_is_killed", "--exact", "--nocapture"])
        .env(DATA, data)
        .env(SITE, device.address.to_string())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let child = Killed(child);
    let address = lines.find_map(|line| line.strip_prefix(SERVES)?.parse().ok());
    (child, Page::of(address.expect("the child serves a page"), data))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_killed_on_the_way_goes_on_where_it_was() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Slow, &folder.journal()).await;
    let (child, page) = spawn_child(folder.root.path(), &site.device, Stdio::inherit());
    assert_eq!(page.set_point(30.0, "set-point-1").await.0, 200);
    site.until_written(1).await;
    drop(child);
    assert_eq!(folder.of_kind(Kind::Outcome), []);
    // The gate has gone on alone meanwhile.
    site.set(site::POSITION, site::hundredths(30.0));
    site.set(site::MOVING_OPEN, 0);

    let config = site::config(&site.device, Mode::Automatic);
    let bench = Bench::start(folder.options(config, 20.0)).await;
    let status = bench.until("at rest", at_rest).await;
    assert_eq!(status.mode, Mode::Manual, "the stored mode, not the configured one");
    assert_eq!(status.gates[0].authority, Authority::Manual);
    assert_eq!(status.gates[0].opening, qindan::units::Opening::from_fraction(0.3));
    let again = json!({ "request": "set-point-1", "token": "x" });
    let (code, answer) = bench.page.post("/api/v1/acts/confirm", again).await;
    assert_eq!(code, 410, "a new process has no preview for it: {answer}");
    assert_eq!(bench.page.set_point(28.0, "set-point-2").await.0, 200);
    site.until_written(2).await;
    site.set(site::POSITION, site::hundredths(28.0));
    site.set(site::MOVING_OPEN, 0);
    bench.until("verified", |status| ended(status, &Terminal::Verified)).await;
    bench.end().await;

    let written = site.written();
    assert_eq!(written.len(), 2, "nothing was sent twice: {written:?}");
    assert!(written.iter().all(|write| write.recorded));
    let outcome = folder.of_kind(Kind::Outcome).remove(0);
    assert_eq!(outcome.outcome, Some(Terminal::Verified));
    assert_eq!(outcome.detail, Some(json!({ "recovered": true })));
    let boots = folder.of_kind(Kind::Boot);
    let boots: Vec<_> = boots.iter().map(|boot| boot.detail.as_ref().unwrap()).collect();
    assert_eq!(boots[1]["after_orderly_stop"], false);
    assert_eq!(boots[1]["open_intents"], json!([1]));
    folder.verify();

    // Both runs are made again from what was kept, the killed one up to its last decision.
    let config = site::config(&site.device, Mode::Automatic);
    let order = rerun::Order { data: folder.root.path().to_path_buf(), ..rerun::Order::default() };
    let again = rerun::of(&order, &config).unwrap();
    assert_eq!((again.count(), again.gaps.as_slice()), (0, &[][..]), "{again:?}");
    assert!(again.notes.iter().any(|note| note.contains("without a word")), "{again:?}");
}

/// The shipped configuration with every link at an address of its own where nobody listens.
fn lonely_config() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    simulators::vary::copy(&shipped, copy.path(), &[]).unwrap();
    for file in ["devices.toml", "service.toml"] {
        let path = copy.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("127.0.0.1:150", "127.0.0.1:1").replace("127.0.0.1:8080", "127.0.0.1:0");
        std::fs::write(path, text).unwrap();
    }
    copy
}

fn qindan(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qindan"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end: exit code and everything it said.
fn said(args: &[&str]) -> (Option<i32>, String) {
    let output = qindan(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Starts `qindan run` and waits until it serves its page.
fn run(args: &[&str], stdin: Stdio) -> (Killed, Page) {
    let mut child = qindan(args).args(["--log", "json"]).stdin(stdin).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let child = Killed(child);
    let mut heard = Vec::new();
    let address = lines.find_map(|line| {
        let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        heard.push(line);
        said["fields"]["address"].as_str()?.parse().ok()
    });
    // Read on, so that it never waits for us.
    std::thread::spawn(move || lines.for_each(drop));
    let data = args.iter().skip_while(|arg| **arg != "--data").nth(1).unwrap();
    (child, Page::of(address.unwrap_or_else(|| panic!("no page: {heard:#?}")), Path::new(data)))
}

fn terminate(mut child: Killed) -> Option<i32> {
    let told = Command::new("kill").args(["-TERM", &child.0.id().to_string()]).status().unwrap();
    assert!(told.success());
    child.0.wait().unwrap().code()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_is_started_killed_started_again_and_stopped_in_order() {
    let config = lonely_config();
    let config = config.path().to_str().unwrap();
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let data = data.to_str().unwrap();

    let (code, text) = said(&["check", config]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("all right") && text.contains("digest "), "{text}");
    let (code, text) = said(&["run", "--config", config, "--data", data]);
    assert!(code == Some(1) && text.contains("qindan init --data"), "{text}");
    let (code, text) = said(&["init", "--config", config, "--data", data]);
    assert_eq!(code, Some(0), "{text}");
    door::furnish(Path::new(data));

    let start = ["run", "--config", config, "--data", data, "--time-scale", "30"];
    let (child, page) = run(&start, Stdio::null());
    assert_eq!(page.get("/readyz").await, (200, "ready\n".into()));
    let (code, text) = said(&["run", "--config", config, "--data", data]);
    assert!(code == Some(1) && text.contains("in use by process"), "{text}");
    assert_eq!(said(&["log", "verify", "--data", data]).0, Some(0), "while it runs");
    drop(child);

    let (child, page) = run(&start, Stdio::null());
    assert_eq!(page.hold_all().await.0, 200);
    assert_eq!(terminate(child), Some(0));
    let (code, text) = said(&["log", "verify", "--data", data]);
    assert!(code == Some(0) && text.contains("0 open intents: all right"), "{text}");
    let (_, text) = said(&["log", "tail", "-n", "2", "--data", data]);
    assert!(text.lines().last().unwrap().contains("SIGTERM"), "{text}");
    let (code, text) = said(&["log", "tail"]);
    assert!(code == Some(64) && text.contains("--data"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_follows_a_pace_and_ends_with_it() {
    let config = lonely_config();
    let config = config.path().to_str().unwrap();
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let data = data.to_str().unwrap();
    assert_eq!(said(&["init", "--config", config, "--data", data]).0, Some(0));
    door::furnish(Path::new(data));
    let (reader, mut writer) = std::io::pipe().unwrap();
    writeln!(writer, r#"{{"utc":"2026-05-01T00:00:00Z","speed":600.0}}"#).unwrap();
    let (mut child, page) = run(&["run", "--config", config, "--data", data, "--pace"], reader.into());
    let (_, state) = page.get("/api/v1/state").await;
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    // 2026-05-01 00:00 UTC, and less than a day later.
    let since = state["utc_ms"].as_i64().unwrap() - 1_777_593_600_000;
    assert!((0..86_400_000).contains(&since), "{state}");
    drop(writer);
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    let (_, text) = said(&["log", "tail", "-n", "1", "--data", data]);
    assert!(text.contains("the pace ended"), "{text}");
}

/// On a river gates are moved by a person at a terminal; on a bench a file may answer. Nothing is moved beside a service, and
/// nothing with `--observe`.
#[test]
fn gates_are_moved_by_people_at_a_terminal_only() {
    let folder = Folder::new();
    let river = tempfile::tempdir().unwrap();
    let alder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config/alder");
    let change = [simulators::vary::Change::parse("service.bench=false").unwrap()];
    simulators::vary::copy(&alder, river.path(), &change).unwrap();
    let [river, data] = [river.path(), folder.root.path()].map(|path| path.to_str().unwrap());
    let probe = ["probe", "valve", "--point-test", "--by", "Li Ming", "--move"];
    let with = |more: &[&str]| said(&[&probe[..], more].concat());
    let (code, text) = with(&["--config", river, "--data", data]);
    assert!(code == Some(1) && text.contains("by a person at a terminal only"), "{code:?} {text}");
    let answers = folder.root.path().join("answers.txt");
    std::fs::write(&answers, "").unwrap();
    let (code, text) = with(&["--config", river, "--data", data, "--answers", answers.to_str().unwrap()]);
    assert!(code == Some(1) && text.contains("without --answers"), "{code:?} {text}");
    let (code, text) = with(&["--config", river, "--data", data, "--observe"]);
    assert!(code == Some(64) && text.contains("--observe"), "{code:?} {text}");
    let (code, text) = with(&["--config", river]);
    assert!(code == Some(64) && text.contains("--data"), "{code:?} {text}");
    let service = qindan::shell::data_dir::DataDir::open(folder.root.path(), None).unwrap();
    let (code, text) = with(&["--config", alder.to_str().unwrap(), "--data", data]);
    assert!(code == Some(1) && text.contains("in use by process"), "{code:?} {text}");
    drop(service);
}
