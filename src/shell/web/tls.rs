//! The page by TLS: its certificate, and a listener that shakes hands apart from those already served.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use jiff::Timestamp;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longest handshake, real time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes at once; more wait in the system's queue.
const SHAKING: usize = 64;
/// A certificate of our own is made anew at the first start after this many days.
const RENEW_DAYS: i64 = 365;
/// And is good for so many.
const GOOD_DAYS: i64 = 825;

/// What is wrong with certificate or key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Others can read the key.
    #[error("{}: mode {mode:04o}, others can read this key; `chmod 600` it and think of a new one", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// No certificate or key in it, or they do not fit.
    #[error("{}: {why}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

/// TLS with the certificate and key in two PEM files.
///
/// # Errors
/// When a file cannot be read, others can read the key, or they do not fit.
pub fn files(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| TlsError::Io { path, source }
    };
    let unfit = |path: &Path, why: &dyn std::fmt::Display| TlsError::Unfit {
        path: path.into(),
        why: why.to_string(),
    };
    let mode = fs::metadata(key).map_err(io(key))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TlsError::Open { path: key.into(), mode });
    }
    let chain = fs::read(certificate).map_err(io(certificate))?;
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| unfit(certificate, &error))?;
    if chain.is_empty() {
        return Err(unfit(certificate, &"no certificate in it"));
    }
    let secret = fs::read(key).map_err(io(key))?;
    let secret = PrivateKeyDer::from_pem_slice(&secret).map_err(|error| unfit(key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(|error| unfit(certificate, &error))?.with_no_client_auth();
    let mut config = config.with_single_cert(chain, secret).map_err(|error| unfit(certificate, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// For what a certificate of our own was made.
#[derive(PartialEq, Serialize, Deserialize)]
struct Made {
    names: Vec<String>,
    at: Timestamp,
}

/// TLS with a certificate of our own, kept in `keys/` of the data folder; made anew for other names, and after a year.
///
/// # Errors
/// When the disk refuses or the files are spoilt.
pub fn generated(
    data: &Path,
    names: &[String],
    address: IpAddr,
    now: Timestamp,
) -> Result<ServerConfig, TlsError> {
    let dir = data.join("keys");
    let (certificate, key, about) = (dir.join("page.crt"), dir.join("page.key"), dir.join("page.json"));
    let mut wanted = names.to_vec();
    wanted.extend(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    if !address.is_unspecified() {
        wanted.push(address.to_string());
    }
    let kept = fs::read(&about).ok().and_then(|bytes| serde_json::from_slice::<Made>(&bytes).ok());
    let day = |days: i64| jiff::SignedDuration::from_hours(24 * days);
    let is_good =
        kept.is_some_and(|kept| kept.names == wanted && now.duration_since(kept.at) < day(RENEW_DAYS));
    if !is_good || !key.exists() {
        make(&wanted, now, (&certificate, &key))?;
        let made = serde_json::to_vec(&Made { names: wanted, at: now }).unwrap_or_default();
        fs::write(&about, made).map_err(|source| TlsError::Io { path: about, source })?;
        tracing::info!(certificate = %certificate.display(), "made a certificate for the page; let browsers trust it");
    }
    files(&certificate, &key)
}

fn make(names: &[String], now: Timestamp, (certificate, key): (&Path, &Path)) -> Result<(), TlsError> {
    let unfit = |error: rcgen::Error| TlsError::Unfit { path: certificate.into(), why: error.to_string() };
    let mut params = CertificateParams::new(names.to_vec()).map_err(unfit)?;
    params.distinguished_name.push(DnType::CommonName, "qindan");
    let from = now.as_second() - 24 * 3600;
    let day = |second: i64| {
        let date = jiff::tz::TimeZone::UTC.to_datetime(Timestamp::from_second(second).unwrap_or(now)).date();
        rcgen::date_time_ymd(
            date.year().into(),
            u8::try_from(date.month()).unwrap_or(1),
            u8::try_from(date.day()).unwrap_or(1),
        )
    };
    params.not_before = day(from);
    params.not_after = day(from + GOOD_DAYS * 24 * 3600);
    let pair = KeyPair::generate().map_err(unfit)?;
    let signed = params.self_signed(&pair).map_err(unfit)?;
    let write = |path: &Path, text: &str, mode: u32| {
        let aside = path.with_extension("new");
        drop(fs::remove_file(&aside));
        let file = fs::File::options().write(true).create_new(true).mode(mode).open(&aside);
        let done = file.and_then(|mut file| {
            io::Write::write_all(&mut file, text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&aside, path)
        });
        done.map_err(|source| TlsError::Io { path: path.into(), source })
    };
    write(key, &pair.serialize_pem(), 0o600)?;
    write(certificate, &signed.pem(), 0o644)
}

/// Connections that have shaken hands.
#[derive(Debug)]
pub struct Secure {
    local: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl Secure {
    /// Takes connections of `listener`. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system does not say where it listens.
    pub fn new(listener: TcpListener, config: ServerConfig) -> io::Result<Self> {
        let local = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(SHAKING);
        tokio::spawn(take(listener, TlsAcceptor::from(Arc::new(config)), sender));
        Ok(Self { local, ready })
    }
}

async fn take(
    mut listener: TcpListener,
    acceptor: TlsAcceptor,
    ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let places = Arc::new(Semaphore::new(SHAKING));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        // Waits for the first of both: the page has ended, or somebody comes.
        let (stream, peer) = tokio::select! {
            () = ready.closed() => return,
            came = Listener::accept(&mut listener) => came,
        };
        let (acceptor, ready) = (acceptor.clone(), ready.clone());
        tokio::spawn(async move {
            let _place = place;
            // Whoever does not speak TLS, or slowly, is not answered.
            if let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                drop(ready.send((stream, peer)).await);
            }
        });
    }
}

impl Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(came) => came,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}
