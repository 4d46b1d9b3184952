//! The examples for programs, `ops/client`, against the service: each of their commands, and a stream that breaks.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use qindan::control::operator::Mode;
use qindan::shell::people::{Book, Scope};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::door;
use crate::fixture::utc;
use crate::running::{Bench, Folder, PATIENCE, at_rest};
use crate::site::{self, Drive, Site};

const PYTHON: &str = "qindan.py";
const CURL: &str = "qindan.sh";

/// A running service with a token in a file for each scope.
struct Scene {
    folder: Folder,
    bench: Bench,
    _site: Site,
    work: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = Folder::new();
        let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
        let config = site::config(&site.device, Mode::Manual);
        let bench = Bench::start(folder.options(config, 1.0)).await;
        bench.until("at rest", at_rest).await;
        let work = tempfile::tempdir().unwrap();
        for (name, scope) in [("read", Scope::Read), ("forecast", Scope::Forecast)] {
            let scopes = BTreeSet::from([scope]);
            let make = |book: &mut Book| book.add_token(name, scopes.clone(), door::now(), None);
            let token = Book::edit(folder.root.path(), make).unwrap();
            fs::write(work.path().join(name), format!("{token}\n")).unwrap();
        }
        Self { folder, bench, _site: site, work }
    }

    fn command(&self, program: &str, scope: &str, address: SocketAddr, arguments: &[&str]) -> Command {
        let mut command =
            Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/client").join(program));
        command.args(arguments).kill_on_drop(true);
        command.env("QINDAN_URL", format!("http://{address}"));
        command.env("QINDAN_TOKEN_FILE", self.work.path().join(scope));
        command
    }

    async fn ran(&self, program: &str, scope: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(program, scope, self.bench.running.address(), arguments);
        tokio::time::timeout(PATIENCE, command.output()).await.expect("an end in time").unwrap()
    }

    /// What a command that has to go well says.
    async fn said(&self, program: &str, scope: &str, arguments: &[&str]) -> String {
        let output = self.ran(program, scope, arguments).await;
        let said = String::from_utf8(output.stdout).unwrap();
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {said} {wrong}");
        said
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Two hours of a brook, as the bureau would send them: the first now, ended in six hours.
fn brook(flow: &str) -> String {
    let row = |hour: i64| format!("inflow:brook,{},{},{},{flow}\n", utc(0), utc(6 * 3600), utc(hour * 3600));
    format!("target,issued,expires,time,flow_m3s\n{}{}", row(0), row(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn both_clients_read_and_hand_in_what_their_tokens_open() {
    let scene = Scene::new().await;
    let said = scene.said(PYTHON, "read", &["state"]).await;
    // What the meters of the site show: 1.8 m³/s at the ford, below which nobody may take it.
    assert!(said.contains("mode manual") && said.contains("\nford: 1.8 good, floor 1.5"), "{said}");
    let state = json(&scene.said(CURL, "read", &["state"]).await);
    assert_eq!(state["mode"], "manual");
    assert_eq!(state["sections"][1]["reading"]["v"], 1.8);
    for (program, arguments) in
        [(PYTHON, ["trends", "section:ford", "--hours=1"]), (CURL, ["trends", "section:ford", "1"])]
    {
        let trends = json(&scene.said(program, "read", &arguments).await);
        assert!(trends["series"]["section:ford"].is_object(), "{trends}");
    }
    for program in [PYTHON, CURL] {
        assert!(json(&scene.said(program, "read", &["actions"]).await)["actions"].is_array());
    }

    let file = scene.work.path().join("brook.csv");
    let file = file.to_str().unwrap();
    fs::write(file, brook("0.5")).unwrap();
    let answer = json(&scene.said(PYTHON, "forecast", &["forecast", file]).await);
    assert_eq!(answer["forecasts"][0]["answer"], "taken", "{answer}");
    let answer = json(&scene.said(CURL, "forecast", &["forecast", file]).await);
    assert_eq!(answer["forecasts"][0]["answer"], "known", "{answer}");
    let held = json(&scene.said(CURL, "read", &["forecasts"]).await);
    assert_eq!(held["forecasts"][0]["target"], "inflow:brook", "{held}");
    fs::write(file, brook("0,5")).unwrap();
    for program in [PYTHON, CURL] {
        let wrong = scene.ran(program, "forecast", &["forecast", file]).await;
        let told = [wrong.stdout, wrong.stderr].concat();
        let told = String::from_utf8(told).unwrap();
        assert!(!wrong.status.success() && told.contains("line 2"), "{program}: {told}");
        // A token opens what it is for.
        for (scope, arguments) in [("read", &["forecast", file][..]), ("forecast", &["state"][..])] {
            let refused = scene.ran(program, scope, arguments).await;
            let told = String::from_utf8([refused.stdout, refused.stderr].concat()).unwrap();
            assert!(!refused.status.success() && told.contains("403"), "{program} {scope}: {told}");
        }
    }
    scene.bench.end().await;
    scene.folder.verify();
}

/// Stands between client and service, breaks the first stream after its first patch, and keeps the heads of the requests.
async fn breaking(service: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(client, service, Arc::clone(&kept)));
        }
    });
    (address, heads)
}

async fn pass_on(mut client: TcpStream, service: SocketAddr, heads: Arc<Mutex<Vec<String>>>) {
    let Ok(mut to) = TcpStream::connect(service).await else { return };
    let mut head = String::new();
    let mut bytes = [0; 4096];
    while !head.contains("\r\n\r\n") {
        let Ok(some @ 1..) = client.read(&mut bytes).await else { return };
        head += std::str::from_utf8(&bytes[..some]).unwrap();
    }
    to.write_all(head.as_bytes()).await.unwrap();
    let breaks = {
        let mut heads = heads.lock().unwrap();
        let first = !heads.iter().any(|head: &String| head.contains("/stream"));
        let breaks = first && head.contains("/stream");
        heads.push(head);
        breaks
    };
    let mut seen = String::new();
    while let Ok(some @ 1..) = to.read(&mut bytes).await {
        if client.write_all(&bytes[..some]).await.is_err() {
            return;
        }
        if breaks {
            seen += &String::from_utf8_lossy(&bytes[..some]);
            // The whole event has gone over.
            if seen.split_once("event: patch").is_some_and(|(_, patch)| patch.contains("\n\n")) {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_clients_go_on_where_their_stream_broke() {
    let scene = Scene::new().await;
    for program in [PYTHON, CURL] {
        let (address, heads) = breaking(scene.bench.running.address()).await;
        let said = if program == PYTHON {
            let mut command = scene.command(program, "read", address, &["follow", "--states", "6"]);
            let output =
                tokio::time::timeout(PATIENCE, command.output()).await.expect("states in time").unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        } else {
            let mut command = scene.command(program, "read", address, &["stream"]);
            let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
            let mut events = child.stdout.take().unwrap();
            let mut said = String::new();
            let mut bytes = [0; 4096];
            let reading = async {
                while said.matches("\nid:").count() < 6 {
                    let some = events.read(&mut bytes).await.unwrap();
                    assert!(some > 0, "{said}");
                    said += &String::from_utf8_lossy(&bytes[..some]);
                }
            };
            tokio::time::timeout(PATIENCE, reading).await.expect("events in time");
            said
        };
        let heads = heads.lock().unwrap().clone();
        let streams: Vec<_> = heads.iter().filter(|head| head.contains("/stream")).collect();
        let [first, second, ..] = streams.as_slice() else { panic!("{program}: {streams:?}") };
        let marked = |head: &str| head.to_lowercase().contains("last-event-id: ");
        assert!(!marked(first) && marked(second), "{program}: {streams:?}");
        if program == PYTHON {
            let seqs: Vec<u64> =
                said.lines().map(|line| line.split(':').next().unwrap().parse().unwrap()).collect();
            assert!(seqs.len() == 6 && seqs.is_sorted(), "{said}");
            assert!(said.lines().all(|line| line.contains("ford 1.8 good")), "{said}");
        }
    }
    scene.bench.end().await;
}
