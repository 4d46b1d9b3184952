//! Modbus/TCP Security against a server on pymodbus, whose TLS is that of OpenSSL: what must work, and everything that
//! must be refused in words before a request has left.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use qindan::control::command::WriteResult;
use qindan::points::{Field, TlsFiles, Transport};
use qindan::shell::clock::Clock;
use qindan::shell::field::engine::{Endpoint, Engine};
use qindan::shell::field::health::LinkState;
use qindan::shell::field::{self, Access, FieldHandle};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::device::Device;
use crate::engine::endpoint_at;
use crate::modbus::{half, order, until};
use crate::peers::{Peer, UNIT, box_behind, connected_by, holding, pymodbus, python, talks_with};

/// The name in the certificate of the server.
const NAME: &str = "gate-box.example";
/// Longest wait for a connection in these tests: what must not hang ends with it.
const CONNECT: Duration = Duration::from_secs(3);

/// An authority that signs certificates.
struct Authority {
    file: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in files.
struct Pair {
    cert: String,
    key: String,
}

/// Certificates made anew for each test.
struct Office {
    folder: tempfile::TempDir,
    signed: AtomicU32,
}

impl Office {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), signed: AtomicU32::new(0) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    fn authority(&self, name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let file = self.write(&format!("{name}.pem"), &params.self_signed(&key).unwrap().pem());
        Authority { file, issuer: Issuer::new(params, key) }
    }

    /// A certificate for `name` with `purpose`, good until the end of `last_year`.
    fn signed(&self, by: &Authority, name: &str, purpose: ExtendedKeyUsagePurpose, last_year: i32) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        params.not_after = rcgen::date_time_ymd(last_year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &by.issuer).unwrap().pem();
        let stem = self.signed.fetch_add(1, Ordering::Relaxed);
        Pair {
            cert: self.write(&format!("{stem}.pem"), &cert),
            key: self.write(&format!("{stem}.key"), &key.serialize_pem()),
        }
    }

    fn of_server(&self, by: &Authority, last_year: i32) -> Pair {
        self.signed(by, NAME, ExtendedKeyUsagePurpose::ServerAuth, last_year)
    }

    fn of_client(&self, by: &Authority, last_year: i32) -> Pair {
        self.signed(by, "qindan.example", ExtendedKeyUsagePurpose::ClientAuth, last_year)
    }

    /// A server that shows `pair` and trusts the clients of `ca`.
    fn serve(&self, ca: &Authority, pair: &Pair) -> Peer {
        pymodbus(&["tls", &ca.file, &pair.cert, &pair.key, self.path("heard").to_str().unwrap()])
    }

    /// Requests that came out of the tunnel of the server.
    fn heard(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("heard")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn tunnel(address: std::net::SocketAddr, ca: &Authority, ours: &Pair) -> Transport {
    let files =
        TlsFiles { name: NAME.into(), ca: ca.file.clone(), cert: ours.cert.clone(), key: ours.key.clone() };
    Transport::Tls { address, files: Box::new(files) }
}

/// Far enough that no test outlives it.
const VALID: i32 = 2999;
const EXPIRED: i32 = 2020;

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_a_verified_write_go_through_mutual_tls() {
    let office = Office::new();
    let ca = office.authority("ca");
    let peer = office.serve(&ca, &office.of_server(&ca, VALID));
    let transport = tunnel(peer.address(), &ca, &office.of_client(&ca, VALID));
    talks_with(transport).await;
    assert!(office.heard().len() > 20, "the requests came through this server");
}

/// Tries to connect; gives the refusal. Not one byte of Modbus may have left.
async fn refusal(transport: Transport) -> String {
    let endpoint =
        Endpoint { transport, connect_timeout: CONNECT, ..endpoint_at(([127, 0, 0, 1], 1).into()) };
    let mut engine = Engine::new(endpoint, Clock::real());
    let refused = engine.connect().await.unwrap_err();
    assert!(!refused.leaves_doubt(), "{refused}");
    let counters = engine.counters();
    assert_eq!((counters.requests, counters.bytes_out, counters.connects), (0, 0, 0));
    refused.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_show_who_it_is_gets_no_request() {
    let office = Office::new();
    let (ca, other) = (office.authority("ca"), office.authority("somebody-else"));
    let ours = office.of_client(&ca, VALID);
    // Who signed, until when, for which name: each wrong by itself.
    let sound = office.serve(&ca, &office.of_server(&ca, VALID));
    let told = refusal(tunnel(sound.address(), &other, &ours)).await;
    assert!(told.contains("UnknownIssuer") && told.contains(&sound.address().to_string()), "{told}");

    let expired = office.serve(&ca, &office.of_server(&ca, EXPIRED));
    let told = refusal(tunnel(expired.address(), &ca, &ours)).await;
    assert!(told.contains("expired"), "{told}");

    let mut elsewhere = tunnel(sound.address(), &ca, &ours);
    if let Transport::Tls { files, .. } = &mut elsewhere {
        files.name = "another-box.example".into();
    }
    let told = refusal(elsewhere).await;
    assert!(told.contains("another-box.example"), "{told}");

    // A certificate that is no server's.
    let client = office.serve(&ca, &office.signed(&ca, NAME, ExtendedKeyUsagePurpose::ClientAuth, VALID));
    refusal(tunnel(client.address(), &ca, &ours)).await;

    // The same server answers who asks rightly, and has heard nobody else.
    let mut engine = connected_by(tunnel(sound.address(), &ca, &ours)).await;
    assert_eq!(holding(&mut engine, UNIT, 7, 1).await, [7]);
    assert_eq!(office.heard().len(), 1, "{:?}", office.heard());
}

fn started(transport: Transport) -> FieldHandle {
    let mut field: Field = box_behind(transport);
    field.links[0].connect_timeout_s = CONNECT.as_secs_f64();
    field.links[0].timeout_s = CONNECT.as_secs_f64();
    field::start(Arc::new(field), Clock::real(), Access::Command)
}

/// What the page shows of a link once it is known to be without service.
async fn shown(handle: &FieldHandle) -> (LinkState, String) {
    until(handle, |handle| {
        let health = handle.health().remove(0);
        let error = health.last_error.filter(|_| matches!(health.state, LinkState::Mute | LinkState::Down));
        error.map(|error| (health.state, error))
    })
    .await
}

/// With TLS 1.3 the server judges the certificate of the client after the client has taken the connection for open.
/// Python's own server says what is wrong; the one of pymodbus just closes.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_our_certificate_is_told_in_words() {
    let office = Office::new();
    let (ca, other) = (office.authority("ca"), office.authority("somebody-else"));
    let theirs = office.of_server(&ca, VALID);
    let telling = python("tls_server.py", &[&ca.file, &theirs.cert, &theirs.key]);
    let curt = office.serve(&ca, &theirs);
    let strange = office.of_client(&other, VALID);
    let expired = office.of_client(&ca, EXPIRED);
    let cases = [
        (&telling, &strange, "UnknownCA"),
        (&telling, &expired, "CertificateExpired"),
        (&curt, &strange, "the peer may not accept our certificate"),
    ];
    for (peer, ours, word) in cases {
        // More than once: whether the refusal is met by a read or by a write is a matter of microseconds.
        for _ in 0..10 {
            let handle = started(tunnel(peer.address(), &ca, ours));
            let (state, error) = shown(&handle).await;
            assert!(error.contains(word), "{state:?}: {error}");
            assert_eq!(handle.freeze()[0].good, None);
            handle.shutdown().await;
        }
    }
    assert_eq!(office.heard(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_without_tls_costs_the_connect_time_and_no_more() {
    let office = Office::new();
    let ca = office.authority("ca");
    let ours = office.of_client(&ca, VALID);
    // One that waits for a Modbus frame, and one that is mute.
    let plain = Device::start(|_| Vec::new()).await;
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clock = Clock::real();
    for address in [plain.address, mute.local_addr().unwrap()] {
        let since = clock.mark();
        let told = refusal(tunnel(address, &ca, &ours)).await;
        let took = since.elapsed();
        assert!(told.contains("TLS"), "{told}");
        assert!(took < 2 * CONNECT, "{took:?}");
    }
    // One that answers at once with something else.
    let babbling = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = babbling.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = babbling.accept().await.unwrap();
        stream.write_all(&[0, 1, 0, 0, 0, 3, 1, 0x83, 1]).await.unwrap();
        std::future::pending::<()>().await;
    });
    let told = refusal(tunnel(address, &ca, &ours)).await;
    assert!(told.contains("TLS"), "{told}");
    assert_eq!(plain.log(), Vec::new());
}

/// Passes bytes on to `peer`; resets all connections whenever told.
async fn passes_on(peer: std::net::SocketAddr) -> (std::net::SocketAddr, watch::Sender<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let resets = watch::Sender::new(0);
    let cut = resets.clone();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut cut = cut.subscribe();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(peer).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = cut.changed() => {
                        let _ = socket2::SockRef::from(&near).set_linger(Some(Duration::ZERO));
                    }
                }
            });
        }
    });
    (address, resets)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_that_is_reset_is_dug_again() {
    let office = Office::new();
    let ca = office.authority("ca");
    let peer = office.serve(&ca, &office.of_server(&ca, VALID));
    let (address, resets) = passes_on(peer.address()).await;
    let handle = started(tunnel(address, &ca, &office.of_client(&ca, VALID)));
    let replies = |handle: &FieldHandle| handle.health()[0].counters.replies;
    for round in 1..=5 {
        let before = replies(&handle);
        until(&handle, |handle| (replies(handle) > before + 1).then_some(())).await;
        resets.send_modify(|count| *count += 1);
        until(&handle, |handle| {
            let health = handle.health().remove(0);
            (health.counters.connects > round && health.state == LinkState::Up).then_some(())
        })
        .await;
    }
    let before = replies(&handle);
    until(&handle, |handle| (replies(handle) > before).then_some(())).await;
    handle.send(order(half()));
    let report = until(&handle, |handle| handle.take_reports().first().copied()).await;
    assert_eq!(report.result, WriteResult::Accepted);
    assert_eq!(office.heard().iter().filter(|frame| frame.get(14..16) == Some("10")).count(), 1);
}
