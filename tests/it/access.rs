//! People at the whole service: what stands in the record, TLS, the command line, and what bursts in at the door.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use qindan::config::Tls;
use qindan::control::operator::Mode;
use qindan::control::record::Kind;
use qindan::shell::clock::Clock;
use qindan::shell::people::{Book, Role, path};
use qindan::shell::service::{Running, Stop};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::door::{self, PASSWORD, USER};
use crate::running::{Bench, Folder};
use crate::site::{self, Drive, Site};
use crate::{fixture, live};

fn details(folder: &Folder, kind: Kind) -> Vec<Value> {
    folder.of_kind(kind).into_iter().map(|record| record.detail.unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_at_the_door_stands_in_the_record_without_secrets() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let bench = Bench::start(folder.options(site::config(&site.device, Mode::Manual), 20.0)).await;
    let sign_in = async |name: &str, password: &str| {
        bench.page.post("/api/v1/session", json!({ "name": name, "password": password })).await.0
    };
    assert_eq!(sign_in("nobody", "hunter2 hunter2").await, 401);
    for _ in 0..4 {
        assert_eq!(sign_in(USER, "wrong password").await, 401);
    }
    bench.until("A27", |status| status.alarms.iter().any(|alarm| alarm.id == "A27" && alarm.active)).await;
    let code = Book::edit(folder.root.path(), |book| {
        book.add("wang", (Role::Viewer, None), "another sentence", fixture::utc(0))?;
        book.link("wang", door::now())
    })
    .unwrap();
    assert_eq!(sign_in("wang", "another sentence").await, 200);
    Book::edit(folder.root.path(), |book| {
        let user = book.user("wang")?;
        (user.enabled, user.role) = (false, Role::Operator);
        Ok(())
    })
    .unwrap();
    assert_eq!(sign_in("wang", "another sentence").await, 401);
    bench.end().await;
    // While no service runs: told by the next start.
    Book::edit(folder.root.path(), |book| Ok(book.users.remove("wang").is_some())).unwrap();
    // The open session ended when somebody else signed in from its browser.
    door::reopen(folder.root.path());
    let bench = Bench::start(folder.options(site::config(&site.device, Mode::Manual), 20.0)).await;
    bench.page.control().await;
    bench.end().await;

    let told = details(&folder, Kind::Access);
    let what: Vec<_> = told.iter().map(|detail| detail["what"].as_str().unwrap()).collect();
    let count = |name: &str| what.iter().filter(|what| **what == name).count();
    assert_eq!((count("sign_in_refused"), count("signed_in"), count("user_added")), (6, 1, 1), "{told:#?}");
    assert_eq!((count("user_disabled"), count("user_role"), count("user_removed")), (1, 1, 1), "{told:#?}");
    let unknown = told.iter().find(|detail| detail["what"] == "sign_in_refused").unwrap();
    assert_eq!(
        (&unknown["user"], &unknown["address"]),
        (&Value::Null, &json!("127.0.0.1")),
        "a name that may be a password"
    );
    let lease = details(&folder, Kind::Lease);
    assert_eq!((&lease[0]["what"], &lease[0]["river"]), (&json!("taken"), &json!("alder")));
    assert_eq!(folder.of_kind(Kind::Lease)[0].actor, "operator:li");
    let hash = Book::load(folder.root.path()).unwrap();
    let hash = serde_json::to_value(hash).unwrap()["users"][USER]["password"].as_str().unwrap().to_owned();
    let files = fs::read_dir(folder.journal()).unwrap().map(|file| file.unwrap().path());
    for file in files.filter(|file| file.is_file()) {
        let bytes = fs::read(file).unwrap();
        for secret in ["hunter2", "wrong password", "another sentence", PASSWORD, door::SESSION, &code, &hash]
        {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} stands in the journal");
        }
    }
    folder.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_with_people_or_keys_others_can_read() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let config = site::config(&site.device, Mode::Manual);
    fs::set_permissions(path(folder.root.path()), fs::Permissions::from_mode(0o644)).unwrap();
    let refused =
        Running::start(folder.options(config.clone(), 1.0), Stop::default()).await.unwrap_err().to_string();
    assert!(refused.contains("people.json: mode 0644") && refused.contains("chmod 600"), "{refused}");
    fs::set_permissions(path(folder.root.path()), fs::Permissions::from_mode(0o600)).unwrap();
    let (certificate, key) = (folder.root.path().join("page.crt"), folder.root.path().join("page.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let mut secure = config.clone();
    secure.service.tls = Some(Tls::Files { certificate: certificate.clone(), key: key.clone() });
    let refused =
        Running::start(folder.options(secure.clone(), 1.0), Stop::default()).await.unwrap_err().to_string();
    assert!(refused.contains("page.pem: mode 0640"), "{refused}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let stop = Stop::default();
    let running = Running::start(folder.options(secure, 1.0), stop.clone()).await.unwrap();
    stop.now("enough");
    running.ended().await;
    // Beyond this machine only by TLS.
    let mut open = folder.options(config, 1.0);
    open.listen = Some("0.0.0.0:0".parse().unwrap());
    let refused = Running::start(open, Stop::default()).await.unwrap_err().to_string();
    assert!(refused.contains("can be reached from other machines; give tls and names"), "{refused}");
}

/// One request by TLS; the whole answer.
async fn by_tls(address: SocketAddr, certificate: &Path, name: &str, request: &str) -> io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    for each in CertificateDer::pem_file_iter(certificate).unwrap() {
        roots.add(each.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // A peer that closes without saying so has said all.
    drop(stream.read_to_end(&mut answer).await);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_by_tls_is_reached_by_its_name_and_never_in_the_open() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let mut config = site::config(&site.device, Mode::Manual);
    (config.service.tls, config.service.names) = (Some(Tls::Generate), vec!["qindan.example".to_owned()]);
    let mut options = folder.options(config, 1.0);
    options.listen = Some("0.0.0.0:0".parse().unwrap());
    let stop = Stop::default();
    let running = Running::start(options, stop.clone()).await.unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], running.address().port()));
    let (certificate, key) =
        (folder.root.path().join("keys/page.crt"), folder.root.path().join("keys/page.key"));
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    let ask = async |host: &str, more: &str| {
        let request = format!("{more} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        by_tls(address, &certificate, "qindan.example", &request).await.unwrap()
    };
    let health = ask("qindan.example", "GET /healthz").await;
    assert!(
        health.starts_with("HTTP/1.1 200") && health.contains("strict-transport-security: max-age=31536000"),
        "{health}"
    );
    assert!(ask("evil.example", "GET /healthz").await.starts_with("HTTP/1.1 421"));
    assert!(ask("qindan.example", "GET /api/v1/state").await.starts_with("HTTP/1.1 401"));
    let body = json!({ "name": USER, "password": PASSWORD }).to_string();
    let sign_in = |origin: &str| {
        format!(
            "POST /api/v1/session HTTP/1.1\r\nhost: qindan.example\r\norigin: {origin}\r\nx-qindan: 1\r\n\
             content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let open =
        by_tls(address, &certificate, "qindan.example", &sign_in("http://qindan.example")).await.unwrap();
    assert!(open.starts_with("HTTP/1.1 403"), "another scheme is another origin: {open}");
    let inside =
        by_tls(address, &certificate, "qindan.example", &sign_in("https://qindan.example")).await.unwrap();
    let cookie = inside
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap_or_else(|| panic!("{inside}"));
    assert!(cookie.starts_with("__Host-qindan-") && cookie.contains("; Secure"), "{cookie}");
    // Plain HTTP on the same port gets no page.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: qindan.example\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    drop(plain.read_to_end(&mut answer).await);
    assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));
    stop.now("enough");
    running.ended().await;
}

/// Runs the program on a data folder; exit code and what it said.
fn qindan(data: &Path, args: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qindan"));
    command.args(args).arg("--data").arg(data);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // One that asks for nothing has ended perhaps.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let done = child.wait_with_output().unwrap();
    (done.status.success(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
}

#[test]
fn users_and_tokens_are_made_at_the_command_line() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    let (done, said) = qindan(&data, &["init", "--config", config], "");
    let code =
        said.split("first-run code ").nth(1).unwrap_or_else(|| panic!("{said}")).split(':').next().unwrap();
    assert!(done && code.len() == 32, "{said}");
    assert!(qindan(&data, &["user", "list"], "").1.contains("no user yet"));
    let add = |name: &str, more: &[&str], password: &str| {
        let args = [&["user", "add", name, "--stdin", "--config", config], more].concat();
        qindan(&data, &args, password)
    };
    assert_eq!(
        add("Li.Ming", &["--role", "operator"], "sweet water 7\n"),
        (true, "li.ming: operator\n".into())
    );
    let (done, said) = add("li.ming", &["--role", "viewer"], "sweet water 7\n");
    assert!(!done && said.contains("there is one of this name already"), "{said}");
    let (done, said) = add("wang", &["--role", "operator", "--gate", "zf.nothing"], "sweet water 7\n");
    assert!(!done && said.contains("--gate zf.nothing: no such gate"), "{said}");
    let (done, said) = add("wang", &["--role", "operator"], "password123\n");
    assert!(!done && said.contains("tried everywhere"), "{said}");
    assert!(add("wang", &["--role", "operator", "--gate", "zf.eco.v1"], "another sentence").0);
    assert!(qindan(&data, &["user", "disable", "wang"], "").0);
    assert!(qindan(&data, &["user", "role", "li.ming", "--role", "shift_leader"], "").0);
    assert!(qindan(&data, &["user", "passwd", "li.ming", "--stdin"], "sweet water 8\n").0);
    let (_, list) = qindan(&data, &["user", "list"], "");
    assert!(
        list.contains("li.ming")
            && list.contains("shift_leader")
            && list.contains("gates zf.eco.v1  disabled"),
        "{list}"
    );
    assert!(!qindan(&data, &["user", "enable", "zhao"], "").0);
    let (done, token) =
        qindan(&data, &["token", "add", "prometheus", "--scope", "metrics", "--days", "30"], "");
    assert!(done && token.starts_with("qd_") && token.trim().len() == 35, "{token}");
    let (_, list) = qindan(&data, &["token", "list"], "");
    assert!(
        list.contains("prometheus")
            && list.contains("metrics")
            && list.contains("until ")
            && !list.contains(token.trim()),
        "{list}"
    );
    assert!(qindan(&data, &["token", "revoke", "prometheus"], "").0);
    assert_eq!(qindan(&data, &["token", "list"], "").1, "");
    let (done, said) = qindan(&data, &["user", "first-run"], "");
    assert!(!done && said.contains("there are users already"), "{said}");
    let text = fs::read_to_string(path(&data)).unwrap();
    assert!(!text.contains("sweet water") && text.matches("$argon2id$").count() == 2, "{text}");
    let nowhere = root.path().join("nowhere");
    assert!(qindan(&nowhere, &["user", "list"], "").1.contains("no data folder"));
}

/// One request with its own connection; its status, `None` when there was no whole answer.
async fn ask(address: SocketAddr, head: String, body: String) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!(
        "{head}host: {address}\r\nx-qindan: 1\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_sign_ins_and_headers_without_end_keep_nobody_from_holding_all() {
    let config = fixture::small();
    let status = fixture::status(&config);
    let service = live::Service::start(config, status);
    let address = service.address;
    // Who is in already is not asked for the password again.
    let entered = service.people.sign_in(USER, PASSWORD, ("127.0.0.1", "test")).await.unwrap();
    let cookie = format!("cookie: {}={}\r\n", service.people.cookie_name(false), entered.cookie);
    let storm: Vec<_> = (0..200)
        .map(|number| {
            let body = json!({ "name": format!("user{number}"), "password": "wrong password" }).to_string();
            tokio::spawn(ask(address, "POST /api/v1/session HTTP/1.1\r\n".into(), body))
        })
        .collect();
    let clock = Clock::real();
    let mut slowest = Duration::ZERO;
    for number in 0..20 {
        let mark = clock.mark();
        let start = format!("POST /api/v1/acts/hold-all HTTP/1.1\r\n{cookie}");
        let held = ask(address, start, json!({ "request": format!("hold-all-{number}") }).to_string()).await;
        assert_eq!(held, Some(200));
        slowest = slowest.max(mark.elapsed());
    }
    let mut answers = std::collections::BTreeMap::new();
    for each in storm {
        *answers.entry(each.await.unwrap()).or_insert(0) += 1;
    }
    println!("hold-all during 200 sign-ins: at most {slowest:?}; sign-ins: {answers:?}");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    assert!(answers.keys().all(|status| matches!(status, Some(401 | 429 | 503 | 504))), "{answers:?}");
    // A header of 10 MB.
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut sent = stream.write_all(b"GET /healthz HTTP/1.1\r\nx-long: ").await;
    for _ in 0..160 {
        if sent.is_err() {
            break;
        }
        sent = stream.write_all(&vec![b'a'; 64 * 1024]).await;
    }
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 431") || answer.starts_with(b"HTTP/1.1 400"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert_eq!(ask(address, "GET /healthz HTTP/1.1\r\n".into(), String::new()).await, Some(200));
}
