//! Mail over TLS, from the first byte and by `STARTTLS`: a server whose certificate the configuration trusts gets the notice, any other
//! gets nothing, and that is an alarm.

use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use qindan::shell::web::tls;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::notices::{ON_BENCH, details, folder, options, said, shipped};
use crate::running::{Bench, Folder, PATIENCE};
use crate::site::{Drive, Site};

/// How a mail server secures what it hears.
#[derive(Clone)]
pub(crate) enum Shield {
    None,
    /// From the first byte.
    Tls(TlsAcceptor),
    /// When asked to.
    Starttls(TlsAcceptor),
}

/// What a mail server of a few lines has got, and how it answers RCPT next: 451 is "not now", 550 "never".
#[derive(Clone)]
struct Post {
    got: Arc<watch::Sender<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

/// A mail server: where it is, and what it got.
pub(crate) async fn mail_server(
    answers: &[u16],
    shield: Shield,
) -> (SocketAddr, watch::Receiver<Vec<String>>) {
    let (got, seen) = watch::channel(Vec::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
    let post = Post { got: Arc::new(got), answers };
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream, shield.clone(), &post).await;
        }
    });
    (address, seen)
}

async fn serve(stream: TcpStream, shield: Shield, post: &Post) {
    match shield {
        Shield::None => drop(talk(stream, "220 test\r\n", false, post).await),
        Shield::Tls(tls) => {
            // Who does not trust the certificate goes away here.
            if let Ok(stream) = tls.accept(stream).await {
                talk(stream, "220 test\r\n", false, post).await;
            }
        }
        Shield::Starttls(tls) => {
            let Some(stream) = talk(stream, "220 test\r\n", true, post).await else { return };
            if let Ok(stream) = tls.accept(stream).await {
                talk(stream, "", false, post).await;
            }
        }
    }
}

/// One conversation; comes back with the stream when the client wants TLS.
async fn talk<S>(stream: S, greeting: &str, offers_tls: bool, post: &Post) -> Option<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    stream.write_all(greeting.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let mut line = String::new();
    while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
        let word = line.get(..4).unwrap_or_default().to_uppercase();
        let answer = match word.as_str() {
            "EHLO" if offers_tls => "250-test\r\n250 STARTTLS\r\n".to_owned(),
            "STAR" if offers_tls => {
                stream.write_all(b"220 go on\r\n").await.ok()?;
                stream.flush().await.ok()?;
                return Some(stream.into_inner());
            }
            "RCPT" => format!("{} there\r\n", post.answers.lock().unwrap().pop_front().unwrap_or(250)),
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                stream.flush().await.ok()?;
                let mut text = String::new();
                while !text.ends_with("\r\n.\r\n") {
                    assert!(stream.read_line(&mut text).await.unwrap() > 0);
                }
                post.got.send_modify(|all| all.push(text));
                "250 taken\r\n".to_owned()
            }
            "QUIT" => "221 bye\r\n".to_owned(),
            _ => "250 test\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        line.clear();
    }
    None
}

/// A certificate of its own for `name`, with the file that says whom to trust.
struct Signed {
    folder: tempfile::TempDir,
    acceptor: TlsAcceptor,
}

impl Signed {
    fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (shown, kept) = (folder.path().join("mail.crt"), folder.path().join("mail.key"));
        fs::write(&shown, certificate.pem()).unwrap();
        fs::write(&kept, key.serialize_pem()).unwrap();
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o600)).unwrap();
        let config = tls::files(&shown, &kept).unwrap();
        Self { folder, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("mail.crt")
    }
}

fn rules(port: u16, security: &str, ca: Option<&Path>) -> String {
    let ca = ca.map_or_else(String::new, |ca| format!("ca = \"{}\"\n", ca.display()));
    format!(
        "[mail]\nhost = \"localhost\"\nport = {port}\nsecurity = \"{security}\"\nfrom = \"qindan@example.org\"\n{ca}[receiver.duty]\n\
         name_zh = \"值班员\"\nname_en = \"Duty\"\nlanguage = \"en\"\nmail = \"duty@example.org\"\n[route.all]\npriorities = [2]\nto = [\"duty\"]\n"
    )
}

/// What `notify test` says of a server, and whether it got anything.
async fn tried(port: u16, security: &str, ca: Option<&Path>) -> (Option<i32>, String) {
    let folder = shipped(&rules(port, security, ca));
    tokio::task::spawn_blocking(move || said(&["notify", "test", "--config"], folder.path())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_trusted_gets_the_notice_over_tls() {
    let signed = Signed::of("localhost");
    for (security, shield) in [
        ("tls", Shield::Tls(signed.acceptor.clone())),
        ("starttls", Shield::Starttls(signed.acceptor.clone())),
    ] {
        let data = Folder::new();
        let site = Site::start(24.0, Drive::Quick, &data.journal()).await;
        let (address, mut got) = mail_server(&[], shield).await;
        let rules =
            folder(&format!("{ON_BENCH}{}", rules(address.port(), security, Some(signed.ca().as_path()))));
        let bench = Bench::start(options(&data, &site, rules.path(), 20.0)).await;
        let mails = tokio::time::timeout(PATIENCE, got.wait_for(|all| !all.is_empty())).await;
        let mails = mails.unwrap_or_else(|_| panic!("{security}: nothing came")).unwrap().clone();
        bench.end().await;
        assert!(mails[0].contains("A08 Automatic control is off"), "{security}: {}", mails[0]);
    }
}

/// Signed by nobody who is trusted, made out to another name, or not offered at all: no notice, nor its address, leaves.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_with_a_wrong_certificate_gets_nothing() {
    let (own, other) = (Signed::of("localhost"), Signed::of("mail.example.org"));
    let (unknown, elsewhere) = (own.acceptor.clone(), other.acceptor.clone());
    let cases: [(&str, &str, Shield, Option<PathBuf>); 5] = [
        ("unknown", "tls", Shield::Tls(unknown.clone()), None),
        ("unknown", "starttls", Shield::Starttls(unknown.clone()), None),
        ("another authority", "tls", Shield::Tls(unknown), Some(other.ca())),
        ("another name", "starttls", Shield::Starttls(elsewhere), Some(other.ca())),
        ("not offered", "starttls", Shield::None, Some(own.ca())),
    ];
    for (what, security, shield, ca) in cases {
        let (address, got) = mail_server(&[], shield).await;
        let (code, text) = tried(address.port(), security, ca.as_deref()).await;
        assert!(code == Some(1) && text.contains("duty: NOT taken"), "{what}, {security}: {text}");
        assert_eq!(got.borrow().len(), 0, "{what}, {security}");
    }
}

/// The same while the service runs: after some tries alarm A46 says that nobody is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_certificate_of_the_mail_server_is_an_alarm() {
    /// Three pauses of 3, 6 and 12 s lie between four tries, some longer by chance; on a machine that is busy too.
    const TRIED: Duration = Duration::from_secs(120);
    let (own, other) = (Signed::of("localhost"), Signed::of("localhost"));
    let data = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &data.journal()).await;
    let (address, got) = mail_server(&[], Shield::Tls(own.acceptor.clone())).await;
    let rules = folder(&format!("{ON_BENCH}{}", rules(address.port(), "tls", Some(other.ca().as_path()))));
    let bench = Bench::start(options(&data, &site, rules.path(), 20.0)).await;
    let mut status = bench.running.status();
    let deaf = status.wait_for(|status| status.alarms.iter().any(|alarm| alarm.id == "A46"));
    assert!(tokio::time::timeout(TRIED, deaf).await.is_ok(), "no A46");
    bench.end().await;
    assert_eq!(got.borrow().len(), 0);
    assert!(!details(&data).iter().any(|detail| detail["what"] == "sent"));
}
