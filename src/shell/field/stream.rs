//! What carries the bytes of a link: a TCP connection, the same inside TLS, or a serial port.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_serial::{ClearBuffer, SerialPort, SerialPortBuilderExt, SerialStream};

use super::endpoint::Endpoint;
use crate::points::{Parity, SerialLine, TlsFiles, Transport};

/// An open link.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<Tunnel>),
    Serial(Box<SerialStream>),
}

/// A connection inside TLS.
#[derive(Debug)]
pub(super) struct Tunnel {
    stream: TlsStream<TcpStream>,
    /// Something has come out of it: the peer has accepted our certificate.
    heard: bool,
}

impl Stream {
    /// Opens the connection of `endpoint`, with `deadline` for the whole. The kernel gives a TCP peer up after three
    /// response time-outs.
    ///
    /// # Errors
    ///
    /// In words: which step failed, or had not ended by the deadline.
    pub(super) async fn open(endpoint: &Endpoint, deadline: Instant) -> Result<Self, String> {
        match &endpoint.transport {
            Transport::Tcp(address) | Transport::RtuOverTcp { address, .. } => {
                Ok(Self::Tcp(connect(*address, endpoint, deadline).await?))
            }
            Transport::Tls { address, files } => {
                let config = tls(files)?;
                let name = ServerName::try_from(files.name.clone());
                let name = name.map_err(|error| format!("{}: {error}", files.name))?;
                let stream = connect(*address, endpoint, deadline).await?;
                let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream);
                match timeout_at(deadline, shaken).await {
                    Ok(Ok(stream)) => Ok(Self::Tls(Box::new(Tunnel { stream, heard: false }))),
                    Ok(Err(error)) => Err(format!("TLS: {error}")),
                    Err(_) => Err(format!(
                        "connected, but no TLS within {:?}: the peer may not speak it",
                        endpoint.connect_timeout
                    )),
                }
            }
            Transport::Rtu { path, line } => {
                Ok(Self::Serial(Box::new(serial(path, line).map_err(|error| error.to_string())?)))
            }
        }
    }

    /// What has been written and has not left yet shall not leave any more: a request that was given up would reach
    /// the device long after. A TCP connection is reset when it is dropped after this.
    pub(super) fn abandon(&self) {
        // Best effort: where the system refuses, the connection ends in its usual way.
        let _ = match self {
            Self::Tcp(stream) => socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)),
            Self::Tls(tunnel) => {
                socket2::SockRef::from(tunnel.stream.get_ref().0).set_linger(Some(Duration::ZERO))
            }
            Self::Serial(port) => port.clear(ClearBuffer::Output).map_err(io::Error::from),
        };
    }
}

/// A prepared connection: no delay, keepalive 10 s / 3 probes.
async fn connect(address: SocketAddr, endpoint: &Endpoint, deadline: Instant) -> Result<TcpStream, String> {
    let words = |error: io::Error| error.to_string();
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let connected = timeout_at(deadline, socket.map_err(words)?.connect(address)).await;
    let Ok(stream) = connected else {
        return Err(format!("no connection within {:?}", endpoint.connect_timeout));
    };
    let stream = stream.map_err(words)?;
    prepare(&stream, endpoint.timeout).map_err(words)?;
    Ok(stream)
}

fn prepare(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let options = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    options.set_tcp_keepalive(&keepalive)?;
    options.set_tcp_user_timeout(Some(timeout * 3))
}

/// Opened for this process alone; parity and stop bits as the line has them.
fn serial(path: &str, line: &SerialLine) -> io::Result<SerialStream> {
    let parity = match line.parity {
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
        Parity::None => tokio_serial::Parity::None,
    };
    let stop_bits =
        if line.stop_bits == 2 { tokio_serial::StopBits::Two } else { tokio_serial::StopBits::One };
    let builder = tokio_serial::new(path, line.baud)
        .data_bits(tokio_serial::DataBits::Eight)
        .parity(parity)
        .stop_bits(stop_bits)
        .flow_control(tokio_serial::FlowControl::None);
    builder.open_native_async().map_err(|error| io::Error::other(format!("{path}: {error}")))
}

/// What a TLS link trusts and shows: TLS 1.2 or later, both sides with certificates.
///
/// # Errors
///
/// In words, with the file that is wrong.
pub fn tls(files: &TlsFiles) -> Result<ClientConfig, String> {
    let wrong = |file: &str| {
        let file = file.to_owned();
        move |error: rustls::pki_types::pem::Error| format!("{file}: {error}")
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&files.ca).map_err(wrong(&files.ca))? {
        let certificate = certificate.map_err(wrong(&files.ca))?;
        roots.add(certificate).map_err(|error| format!("{}: {error}", files.ca))?;
    }
    if roots.is_empty() {
        return Err(format!("{}: no certificate in it", files.ca));
    }
    let chain = CertificateDer::pem_file_iter(&files.cert).map_err(wrong(&files.cert))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(wrong(&files.cert))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(wrong(&files.key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?.with_root_certificates(roots);
    builder.with_client_auth_cert(chain, key).map_err(|error| format!("{}: {error}", files.cert))
}

impl Tunnel {
    /// With TLS 1.3 the peer judges our certificate after the connection has been taken for open, and not every one
    /// says so before it closes.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.heard |= buf.filled().len() > before;
        let heard = self.heard;
        polled.map_err(|error| {
            let cut = error.kind() == io::ErrorKind::UnexpectedEof;
            let what =
                if cut { "closed by the peer without the end of TLS".into() } else { error.to_string() };
            let why = if heard { "" } else { "; the peer may not accept our certificate (tls_cert)" };
            io::Error::new(error.kind(), format!("{what}{why}"))
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(tunnel) => tunnel.poll_read(cx, buf),
            Self::Serial(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(tunnel) => Pin::new(&mut tunnel.stream).poll_write(cx, buf),
            Self::Serial(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(tunnel) => Pin::new(&mut tunnel.stream).poll_flush(cx),
            Self::Serial(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(tunnel) => Pin::new(&mut tunnel.stream).poll_shutdown(cx),
            Self::Serial(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
