//! Notices of alarms: what webhooks and a mail server get of a running service, and what is made of it when they do not.

use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use qindan::config::notify;
use qindan::control::operator::Mode;
use qindan::control::record::Kind;
use qindan::shell::service::{Options, Time};
use qindan::shell::web::tls;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::fixture;
use crate::mail_tls::{Shield, mail_server};
use crate::running::{Bench, Folder, PATIENCE};
use crate::site::{self, Drive, Site};

/// What was posted: headers and bodies.
type Posted = Vec<(HeaderMap, Vec<u8>)>;

/// What one receiver's server got, and what it answers next: 200 when nothing is left.
#[derive(Clone)]
struct Hook {
    address: SocketAddr,
    got: watch::Receiver<Posted>,
}

#[derive(Clone)]
struct Answers {
    next: Arc<Mutex<VecDeque<u16>>>,
    got: Arc<watch::Sender<Posted>>,
}

async fn taken(State(answers): State<Answers>, head: HeaderMap, body: Bytes) -> StatusCode {
    answers.got.send_modify(|all| all.push((head, body.to_vec())));
    let next = answers.next.lock().unwrap().pop_front().unwrap_or(200);
    // Nobody ever answers with 0.
    if next == 0 {
        std::future::pending::<()>().await;
    }
    StatusCode::from_u16(next).unwrap()
}

fn app(answers: &[u16]) -> (Router, watch::Receiver<Posted>) {
    let (got, seen) = watch::channel(Vec::new());
    let next = Arc::new(Mutex::new(answers.iter().copied().collect()));
    (Router::new().route("/hook", post(taken)).with_state(Answers { next, got: Arc::new(got) }), seen)
}

impl Hook {
    async fn start(answers: &[u16]) -> Self {
        let (app, got) = app(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, got }
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Waits until it got `count` messages.
    async fn until(&self, count: usize) -> Vec<(HeaderMap, Value)> {
        let mut got = self.got.clone();
        let seen = tokio::time::timeout(PATIENCE, got.wait_for(|all| all.len() >= count)).await;
        let seen = seen.unwrap_or_else(|_| panic!("not {count} messages, only {}", self.got.borrow().len()));
        let parsed =
            |(head, body): &(HeaderMap, Vec<u8>)| (head.clone(), serde_json::from_slice(body).unwrap());
        seen.unwrap().iter().map(parsed).collect()
    }

    fn count(&self) -> usize {
        self.got.borrow().len()
    }
}

/// A configuration folder of which only `notify.toml` is read.
pub(crate) fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(notify::FILE), text).unwrap();
    folder
}

fn receiver(id: &str, url: &str) -> String {
    format!("[receiver.{id}]\nname_zh = \"{id}\"\nname_en = \"{id}\"\nlanguage = \"en\"\nurl = \"{url}\"\n")
}

pub(crate) const ON_BENCH: &str = "[notify]\non_bench = true\n";

pub(crate) fn options(folder: &Folder, site: &Site, rules: &Path, speed: f64) -> Options {
    let mut config = site::config(&site.device, Mode::Manual);
    config.service.bulletin_days = 0;
    Options { reports: Some(rules.to_path_buf()), ..folder.options(config, speed) }
}

pub(crate) fn details(folder: &Folder) -> Vec<Value> {
    folder.of_kind(Kind::Notice).into_iter().map(|record| record.detail.unwrap()).collect()
}

/// Waits until the metrics have this line.
async fn counted(bench: &Bench, line: &str) -> String {
    let waited = async {
        loop {
            let text = bench.page.get("/metrics").await.1;
            if text.contains(line) {
                break text;
            }
            let tick = bench.running.status().borrow().tick;
            bench.until("a tick", |status| status.tick > tick).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("never {line}"))
}

fn keys(message: &Value) -> Vec<&str> {
    message["alarms"].as_array().unwrap().iter().map(|alarm| alarm["key"].as_str().unwrap()).collect()
}

/// Whether Python finds the signature right: a second hand that knows nothing of our code.
fn python_agrees(key: &str, at: &str, body: &[u8], signature: &str) -> bool {
    let program = "import hmac,sys; k,t,s=sys.argv[1:]; b=sys.stdin.buffer.read()\n\
                   m=hmac.new(k.encode(),t.encode()+b'.'+b,'sha256').hexdigest()\n\
                   sys.exit(0 if hmac.compare_digest('v1='+m,s) else 1)";
    let mut child = Command::new("python3")
        .args(["-c", program, key, at, signature])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), body).unwrap();
    child.wait().unwrap().success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_a_signed_notice_at_the_second_try_and_the_record_says_so_without_secrets() {
    let data = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &data.journal()).await;
    let hook = Hook::start(&[500]).await;
    let key = data.root.path().join("signature.key");
    fs::write(&key, "river of stones\n").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let more = format!(
        "signature = {{ file = \"{0}\" }}\nheaders = {{ Authorization = {{ file = \"{0}\" }} }}\n",
        key.display()
    );
    let route = "[route.all]\npriorities = [2]\nalarms = [\"A08\"]\nto = [\"duty\"]\n";
    let rules = folder(&format!("{ON_BENCH}{}{more}{route}", receiver("duty", &hook.url())));
    let bench = Bench::start(options(&data, &site, rules.path(), 20.0)).await;
    let got = hook.until(2).await;
    let metrics = counted(&bench, "qindan_notices_sent_total 1\n").await;
    assert!(
        metrics.contains("qindan_notices_failed_total 0\n") && metrics.contains("qindan_notices_waiting 0\n")
    );
    bench.end().await;

    let header = |at: usize, name: &str| got[at].0[name].to_str().unwrap().to_owned();
    assert_eq!(header(0, "x-qindan-id"), header(1, "x-qindan-id"), "the same message");
    assert_eq!(
        (header(1, "content-type"), header(1, "authorization")),
        ("application/json".into(), "river of stones".into())
    );
    let bodies = hook.got.borrow();
    for at in 0..2 {
        let (time, signature) = (header(at, "x-qindan-timestamp"), header(at, "x-qindan-signature"));
        assert!(python_agrees("river of stones", &time, &bodies[at].1, &signature));
        assert!(!python_agrees("river of sand", &time, &bodies[at].1, &signature));
    }
    let body = &got[1].1;
    assert_eq!(
        (&body["kind"], &body["basin"], &body["bench"], &body["to"]),
        (&json!("alarms"), &json!("alder"), &json!(true), &json!("duty"))
    );
    assert_eq!(keys(body)[0], "A08:");
    assert_eq!(body["alarms"][0]["title"]["zh"], "自动控制停用");
    assert!(body["text"].as_str().unwrap().contains("A08 Automatic control is off"));
    let told = details(&data);
    let sent = told.iter().find(|detail| detail["what"] == "sent").unwrap_or_else(|| panic!("{told:#?}"));
    assert_eq!(
        (&sent["to"], &sent["way"], &sent["tries"], &sent["message"]),
        (&json!("duty"), &json!("webhook"), &json!(2), &json!(1))
    );
    assert!(sent["alarms"].as_array().unwrap().contains(&json!("A08:")));
    for file in
        fs::read_dir(data.journal()).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file())
    {
        let bytes = fs::read(file).unwrap();
        for secret in ["river of stones", "/hook"] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
        }
    }
    data.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_keeps_neither_the_cycle_nor_the_others() {
    let data = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &data.journal()).await;
    let (silent, prompt) = (Hook::start(&[0, 0, 0]).await, Hook::start(&[]).await);
    let route = |id: &str, to: &str| {
        format!("[route.{id}]\npriorities = [2]\nalarms = [\"A08\", \"A36\"]\nto = [\"{to}\"]\n")
    };
    let routes = route("a", "silent") + &route("b", "prompt");
    let receivers = receiver("silent", &silent.url()) + &receiver("prompt", &prompt.url());
    let rules = folder(&format!("{ON_BENCH}{receivers}{routes}"));
    let bench = Bench::start(options(&data, &site, rules.path(), 20.0)).await;
    silent.until(1).await;
    prompt.until(1).await;
    let tick = bench.running.status().borrow().tick;
    bench.until("the cycle goes on", |status| status.tick > tick + 20).await;
    assert_eq!(bench.page.hold_all().await.0, 200);
    // A36 goes to the one who answers; the other has a message under way.
    let got = prompt.until(2).await;
    assert!(keys(&got[1].1).contains(&"A36:"), "{}", got[1].1);
    assert_eq!(silent.count(), 1);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_told_is_an_alarm_and_the_next_is_told_at_once() {
    let data = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &data.journal()).await;
    let (gone, leader) = (Hook::start(&[410; 50]).await, Hook::start(&[]).await);
    let receivers = receiver("duty", &gone.url()) + &receiver("leader", &leader.url());
    let route =
        "[route.all]\npriorities = [2]\nalarms = [\"A08\"]\nto = [\"duty\", \"leader\"]\nafter_min = 1440\n";
    let rules = folder(&format!("{ON_BENCH}{receivers}{route}"));
    let bench = Bench::start(options(&data, &site, rules.path(), 20.0)).await;
    // A day has not passed.
    let got = leader.until(1).await;
    assert!(keys(&got[0].1).contains(&"A08:") && got[0].1["alarms"][0]["told_before"] == 1, "{}", got[0].1);
    let status = bench.until("A46", |status| status.alarms.iter().any(|alarm| alarm.id == "A46")).await;
    let alarm = status.alarms.iter().find(|alarm| alarm.id == "A46").unwrap();
    assert_eq!((alarm.priority, &alarm.detail), (3, &json!({ "receivers": 1 })));
    assert!(bench.page.get("/metrics").await.1.contains("qindan_notices_deaf_receivers 1\n"));
    bench.end().await;
    let told = details(&data);
    let failed = told.iter().find(|detail| detail["what"] == "failed").unwrap();
    assert_eq!((&failed["to"], &failed["tries"]), (&json!("duty"), &json!(1)));
    assert!(failed["why"].as_str().unwrap().contains("410"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_goes_on_with_the_next_and_tells_nobody_twice() {
    let data = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &data.journal()).await;
    let (duty, leader) = (Hook::start(&[]).await, Hook::start(&[]).await);
    let receivers = receiver("duty", &duty.url()) + &receiver("leader", &leader.url());
    let route =
        "[route.all]\nalarms = [\"A08\"]\npriorities = [2]\nto = [\"duty\", \"leader\"]\nafter_min = 60\n";
    let rules = folder(&format!("{ON_BENCH}{receivers}{route}"));
    let start = async |seconds: i64| {
        let time = Time::Scaled { speed: 1.0, start: Some(fixture::utc(seconds)) };
        Bench::start(Options { time, ..options(&data, &site, rules.path(), 1.0) }).await
    };
    let bench = start(0).await;
    assert_eq!(keys(&duty.until(1).await[0].1), ["A08:"]);
    counted(&bench, "qindan_notices_sent_total 1\n").await;
    bench.end().await;
    // Half an hour later nothing is due, an hour and a minute later the leader is.
    let bench = start(1800).await;
    let tick = bench.running.status().borrow().tick;
    bench.until("two looks", |status| status.tick > tick + 2).await;
    assert_eq!((duty.count(), leader.count()), (1, 0));
    bench.end().await;
    let bench = start(3660).await;
    let got = leader.until(1).await;
    assert_eq!((keys(&got[0].1), &got[0].1["alarms"][0]["told_before"]), (vec!["A08:"], &json!(1)));
    // Acknowledged, it is nobody's any more.
    let (status, answer) = bench
        .page
        .post("/api/v1/acts/acknowledge", json!({ "request": "acknowledge-1", "alarm": "A08:" }))
        .await;
    assert_eq!(status, 200, "{answer}");
    bench.end().await;
    let bench = start(9000).await;
    let tick = bench.running.status().borrow().tick;
    bench.until("two looks", |status| status.tick > tick + 2).await;
    assert_eq!((duty.count(), leader.count()), (1, 1));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bench_tells_nobody_unless_asked_and_broken_rules_are_an_alarm_not_an_end() {
    let data = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &data.journal()).await;
    let hook = Hook::start(&[]).await;
    let text = receiver("duty", &hook.url()) + "[route.all]\npriorities = [1, 2, 3, 4]\nto = [\"duty\"]\n";
    let rules = folder(&text);
    let bench = Bench::start(options(&data, &site, rules.path(), 20.0)).await;
    bench
        .until("A08", |status| status.tick > 40 && status.alarms.iter().any(|alarm| alarm.id == "A08"))
        .await;
    bench.end().await;
    assert_eq!((hook.count(), details(&data)), (0, Vec::new()));
    fs::write(rules.path().join(notify::FILE), text.replace("to =", "too =")).unwrap();
    let bench = Bench::start(options(&data, &site, rules.path(), 20.0)).await;
    bench.until("A46", |status| status.alarms.iter().any(|alarm| alarm.id == "A46")).await;
    bench.end().await;
    let told = details(&data);
    assert_eq!(told[0]["what"], "no_rules");
    let places = told[0]["why"].as_array().unwrap();
    assert!(
        places.contains(&json!("notify.toml:8 route all.too")),
        "places, not what stands there: {places:#?}"
    );
}

fn by_mail(address: SocketAddr) -> String {
    format!(
        "[mail]\nhost = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"qindan@example.org\"\n[receiver.duty]\nname_zh = \"值班员\"\n\
         name_en = \"Duty\"\nlanguage = \"en\"\nmail = \"duty@example.org\"\n[route.all]\npriorities = [2]\nto = [\"duty\"]\n",
        address.port()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_busy_is_asked_again_and_gets_the_notice() {
    let data = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &data.journal()).await;
    let (address, mut got) = mail_server(&[451], Shield::None).await;
    let rules = folder(&format!("{ON_BENCH}{}", by_mail(address)));
    let bench = Bench::start(options(&data, &site, rules.path(), 20.0)).await;
    let mails =
        tokio::time::timeout(PATIENCE, got.wait_for(|all| !all.is_empty())).await.unwrap().unwrap().clone();
    bench.end().await;
    let mail = &mails[0];
    assert!(mail.contains("A08 Automatic control is off"), "{mail}");
    assert!(
        mail.contains("To: Duty <duty@example.org>") && mail.contains("From: qindan <qindan@example.org>"),
        "{mail}"
    );
    assert!(mail.contains("Message-ID: <") && mail.contains("-1@example.org>"), "{mail}");
    let text = "Content-Type: text/plain; charset=utf-8";
    assert!(mail.contains(text) && mail.contains("\r\nSubject: "), "{mail}");
    let sent = details(&data);
    // The answer of the server may come while the service ends.
    if let Some(sent) = sent.iter().find(|detail| detail["what"] == "sent") {
        assert_eq!((&sent["way"], &sent["tries"]), (&json!("mail"), &json!(2)));
    }
    assert!(!sent.iter().any(|detail| detail["what"] == "failed"), "{sent:#?}");
}

/// The shipped configuration with `notify.toml` in a folder of its own.
pub(crate) fn shipped(text: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    simulators::vary::copy(&shipped, copy.path(), &[]).unwrap();
    fs::write(copy.path().join(notify::FILE), text).unwrap();
    copy
}

pub(crate) fn said(args: &[&str], folder: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qindan"));
    let output =
        command.args(args).arg(folder).stdin(Stdio::null()).env_remove("QINDAN_TEST_NONE").output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_says_what_happened_by_every_way() {
    // A certificate of an authority nobody else knows.
    let keys = tempfile::tempdir().unwrap();
    fs::create_dir(keys.path().join("keys")).unwrap();
    let config =
        tls::generated(keys.path(), &["localhost".into()], [127, 0, 0, 1].into(), crate::door::now())
            .unwrap();
    let ca: PathBuf = keys.path().join("keys/page.crt");
    let (app, got) = app(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let secure = tls::Secure::new(listener, config).unwrap();
    tokio::spawn(async move { axum::serve(secure, app).await });
    let (plain, refused) = (Hook::start(&[]).await, Hook::start(&[404]).await);
    let (mail, mails) = mail_server(&[], Shield::None).await;
    let url = format!("https://localhost:{port}/hook");
    let text = [
        by_mail(mail),
        receiver("plain", &plain.url()),
        receiver("secure", &url),
        format!("ca = \"{}\"\n", ca.display()),
        receiver("unknown", &url),
        receiver("refused", &refused.url()),
        receiver("kept", "").replace("url = \"\"", "url_from = { env = \"QINDAN_TEST_NONE\" }"),
    ];
    let folder = shipped(&text.concat());
    let path = folder.path().to_path_buf();
    let command = |more: Vec<&'static str>| {
        let path = path.clone();
        tokio::task::spawn_blocking(move || {
            said(&[&["notify", "test"][..], &more[..], &["--config"][..]].concat(), &path)
        })
    };
    let (code, text) = command(Vec::new()).await.unwrap();
    assert_eq!(code, Some(1), "{text}");
    let line =
        |of: &str| text.lines().find(|line| line.starts_with(of)).unwrap_or_else(|| panic!("{of}: {text}"));
    assert!(line("duty: ").starts_with("duty: taken, mail to d…@example.org, "), "{text}");
    assert!(
        line("plain: ").starts_with("plain: taken, webhook, ")
            && line("secure: ").starts_with("secure: taken, "),
        "{text}"
    );
    assert!(line("unknown: ").contains("NOT taken") && !line("unknown: ").contains("answered"), "{text}");
    assert!(
        line("refused: ").contains("answered 404") && line("kept: ").contains("$QINDAN_TEST_NONE: not set"),
        "{text}"
    );
    assert!(!text.contains("/hook"), "{text}");
    assert_eq!((got.borrow().len(), plain.count(), refused.count(), mails.borrow().len()), (1, 1, 1, 1));
    let body: Value = serde_json::from_slice(&got.borrow()[0].1).unwrap();
    assert_eq!((&body["kind"], &body["alarms"]), (&json!("test"), &json!([])));
    let (code, text) = command(vec!["--to", "plain"]).await.unwrap();
    assert_eq!((code, plain.count(), mails.borrow().len()), (Some(0), 2, 1), "{text}");
    let (code, text) = command(vec!["--to", "nobody"]).await.unwrap();
    assert!(code == Some(1) && text.contains("no such receiver; known are duty, plain, secure"), "{text}");
    let (code, text) = said(&["check"], folder.path());
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("6 receivers on 1 routes are told of alarms, each at most 12 times an hour"),
        "{text}"
    );
    assert!(
        text.contains("note: a bench tells nobody")
            && text.contains("receiver kept: $QINDAN_TEST_NONE: not set"),
        "{text}"
    );
    fs::remove_file(folder.path().join(notify::FILE)).unwrap();
    assert!(
        said(&["check"], folder.path())
            .1
            .contains("note: nobody is told of alarms but on the page, there is no notify.toml")
    );
}

#[test]
fn every_mistake_in_the_rules_is_told_at_once_with_its_remedy() {
    let text = r#"[notify]
messages_per_hour = 0
[mail]
host = "mail.example.org"
port = 25
security = "none"
from = "nobody"
user = "qindan"
[receiver.a]
name_zh = "甲"
name_en = "A"
url = "http://example.org/hook"
[receiver.b]
name_zh = "乙"
name_en = "B"
mail = "b@example.org"
url = "https://example.org/"
[receiver.c]
name_zh = "丙"
name_en = "C"
url_from = { file = "secret", env = "X" }
[receiver.d]
name_zh = "丁"
name_en = "D"
url = "https://example.org/"
headers = { Authorization = "Bearer secret" }
[route.r]
priorities = [1, 5]
alarms = ["A99"]
rivers = ["rhine"]
to = ["a", "b", "x", "a"]
quiet_from = "22:00"
[route.s]
priorities = [1]
to = ["a"]
quiet_from = "22:00"
quiet_to = "06:00"
"#;
    let folder = folder(text);
    let basin = fixture::small().basin;
    let problems = notify::load(folder.path(), &basin).unwrap_err();
    let told: Vec<_> =
        problems.list().iter().map(|one| (one.line.unwrap(), one.key.as_str(), one.what.as_str())).collect();
    let wanted = [
        (2, "notify.messages_per_hour", "must be 1 to 120"),
        (6, "mail.security", "would send alarms and password in the open to another machine"),
        (12, "receiver a.url", "would send alarms in the open to another machine"),
        (13, "receiver b", "is told in no way, or in several"),
        (21, "receiver c.url_from", "names not one place"),
        (28, "route r.priorities[1]", "must be 1 to 4"),
        (29, "route r.alarms[0]", "is no alarm of the list in ops/alarms.md"),
        (30, "route r.rivers[0]", "is no river of the basin"),
        (31, "route r.to", "names somebody twice"),
        (31, "route r.to[2]", "is no receiver of this file"),
    ];
    for one in wanted {
        assert!(told.contains(&one), "{one:?} is not among {told:#?}");
    }
    for key in [
        "route r.quiet_to",
        "mail.from",
        "mail.password",
        "receiver d.headers.Authorization",
        "route r.after_min",
        "route s.quiet_from",
    ] {
        assert!(told.iter().any(|(_, known, _)| *known == key), "{key} is not among {told:#?}");
    }
    // A folder without the file is one in which nobody is told.
    assert!(notify::load(tempfile::tempdir().unwrap().path(), &basin).unwrap().is_none());
}
