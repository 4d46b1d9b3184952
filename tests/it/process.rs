//! The service as a process of its own, and what kill -9 leaves.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use qindan::control::command::Terminal;
use qindan::control::operator::{Authority, Mode};
use qindan::control::record::Kind;
use qindan::shell::service::{Running, Stop};
use serde_json::json;

use crate::device::Device;
use crate::running::{Bench, Folder, Page, at_rest, ended, options};
use crate::site::{self, Drive, Site};

const DATA: &str = "QINDAN_TEST_DATA";
const SITE: &str = "QINDAN_TEST_SITE";
const SERVES: &str = "page at ";

/// Not a test of its own: what [`a_service_killed_on_the_way_goes_on_where_it_was`] starts and kills.
#[test]
fn child_that_serves_until_it_is_killed() {
    let (Some(data), Ok(site)) = (std::env::var_os(DATA), std::env::var(SITE)) else { return };
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
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn_child(folder: &Folder, device: &Device) -> (Killed, Page) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["process::child_that_serves_until_it_is_killed", "--exact", "--nocapture"])
        .env(DATA, folder.root.path())
        .env(SITE, device.address.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let child = Killed(child);
    let address = lines.find_map(|line| line.strip_prefix(SERVES)?.parse().ok());
    (child, Page(address.expect("the child serves a page")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_killed_on_the_way_goes_on_where_it_was() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Slow, &folder.journal()).await;
    let (child, page) = spawn_child(&folder, &site.device);
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
}
