//! A service running in the test, its data folder, and a hand on its page.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use qindan::config::Config;
use qindan::control::command::Terminal;
use qindan::control::record::Kind;
use qindan::control::status::{GateState, Status};
use qindan::shell::data_dir;
use qindan::shell::field::Access;
use qindan::shell::journal::Record;
use qindan::shell::log::{self, Verdict};
use qindan::shell::service::{Options, Running, Stop, Time};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::door;
use crate::fixture;
use crate::site;

/// The test's own limit; conditions are waited for, never time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A data folder made by `init`.
pub(crate) struct Folder {
    pub(crate) root: tempfile::TempDir,
    pub(crate) store: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = data_dir::init(root.path(), "alder", Timestamp::UNIX_EPOCH).unwrap().store;
        door::furnish(root.path());
        Self { root, store }
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.root.path().join("journal")
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        site::records(&self.journal())
    }

    pub(crate) fn of_kind(&self, kind: Kind) -> Vec<Record> {
        self.records().into_iter().filter(|record| record.kind == kind).collect()
    }

    pub(crate) fn verify(&self) {
        let mut out = Vec::new();
        let verdict = log::verify(self.root.path(), &mut out).unwrap();
        assert_eq!(verdict, Verdict::Right, "{}", String::from_utf8_lossy(&out));
    }

    pub(crate) fn options(&self, config: Config, speed: f64) -> Options {
        options(config, self.root.path(), speed)
    }
}

/// A service that commands, on a port of its own, at `speed` from the moment of the fixtures on.
pub(crate) fn options(config: Config, data: &Path, speed: f64) -> Options {
    Options {
        config: Arc::new(config),
        data: data.to_path_buf(),
        access: Access::Command,
        listen: None,
        simulated_river: None,
        time: Time::Scaled { speed, start: Some(fixture::utc(0)) },
        reports: None,
        fault: None,
    }
}

/// A running service and the way to end it.
pub(crate) struct Bench {
    pub(crate) running: Running,
    pub(crate) page: Page,
    pub(crate) stop: Stop,
}

impl Bench {
    pub(crate) async fn start(options: Options) -> Self {
        let stop = Stop::default();
        let data = options.data.clone();
        let running = Running::start(options, stop.clone()).await.unwrap();
        let page = Page::of(running.address(), &data);
        Self { running, page, stop }
    }

    /// Waits for a published status that satisfies `seen`.
    pub(crate) async fn until(&self, what: &str, mut seen: impl FnMut(&Status) -> bool) -> Arc<Status> {
        let mut status = self.running.status();
        let found = tokio::time::timeout(PATIENCE, status.wait_for(|status| seen(status))).await;
        let Ok(found) = found else {
            panic!("{what}: not within {PATIENCE:?}; {:#?}", *self.running.status().borrow());
        };
        found.unwrap().clone()
    }

    pub(crate) async fn end(self) {
        self.stop.now("end of the test");
        tokio::time::timeout(PATIENCE, self.running.ended()).await.expect("stopped in time");
    }
}

/// A page to talk to over HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    address: SocketAddr,
    /// First characters of the store: the cookie bears them.
    instance: [u8; 8],
}

impl Page {
    /// The page at `address` of the data folder `data`.
    pub(crate) fn of(address: SocketAddr, data: &Path) -> Self {
        let store = data_dir::Identity::read(data).unwrap().store;
        Self { address, instance: store.as_bytes()[..8].try_into().unwrap() }
    }

    fn cookie(&self) -> String {
        door::cookie(std::str::from_utf8(&self.instance).unwrap())
    }

    /// Takes control of every river.
    pub(crate) async fn control(&self) {
        let asked = json!({ "rivers": ["alder"], "password": door::PASSWORD });
        let (status, answer) = self.post("/api/v1/control/take", asked).await;
        assert_eq!(status, 200, "{answer}");
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let (address, cookie) = (self.address, self.cookie());
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n"
        );
        self.exchange(head).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let (address, cookie, body) = (self.address, self.cookie(), body.to_string());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\norigin: http://{address}\r\nx-qindan: 1\r\ncookie: {cookie}\r\n\
             content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (status, body) = self.exchange(head).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status} {body}")))
    }

    pub(crate) async fn exchange(&self, request: String) -> (u16, String) {
        let talk = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, talk).await.expect("an answer in time");
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// Sends a form of a page without scripts.
    pub(crate) async fn form(&self, path: &str, fields: &str) -> (u16, String) {
        let (address, cookie) = (self.address, self.cookie());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\norigin: http://{address}\r\nsec-fetch-site: same-origin\r\n\
             cookie: {cookie}\r\ncontent-type: application/x-www-form-urlencoded\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{fields}",
            fields.len()
        );
        self.exchange(head).await
    }

    /// Asks for a set-point and confirms its preview.
    pub(crate) async fn set_point(&self, percent: f64, request: &str) -> (u16, Value) {
        self.control().await;
        self.set_point_in_control(percent, request).await
    }

    /// The same by who has control already.
    pub(crate) async fn set_point_in_control(&self, percent: f64, request: &str) -> (u16, Value) {
        let asked = json!({ "order": "set_point", "gate": "v1", "opening_pct": percent, "reason": "test of the valve" });
        let (status, shown) = self.post("/api/v1/acts/preview", asked).await;
        assert_eq!(status, 200, "{shown}");
        let confirm = json!({ "request": request, "token": shown["token"] });
        self.post("/api/v1/acts/confirm", confirm).await
    }

    pub(crate) async fn hold_all(&self) -> (u16, Value) {
        self.post("/api/v1/acts/hold-all", json!({ "request": "hold-all-1" })).await
    }
}

/// A gate whose position has been taken over and that has nothing in flight.
pub(crate) fn at_rest(status: &Status) -> bool {
    status.gates[0].state == GateState::Idle && status.gates[0].in_flight.is_none()
}

pub(crate) fn ended(status: &Status, how: &Terminal) -> bool {
    status.why.iter().any(|why| why.outcome.as_ref() == Some(how))
}
