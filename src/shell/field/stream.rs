//! What carries the bytes of a link: a TCP connection, the same inside TLS, or a serial port.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_serial::{SerialPortBuilderExt, SerialStream};

use crate::points::{Parity, SerialLine, TlsFiles, Transport};

/// An open link.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Serial(Box<SerialStream>),
}

impl Stream {
    /// Opens `transport`. The kernel gives a TCP peer up after three of `timeout`.
    pub(super) async fn open(transport: &Transport, timeout: Duration) -> io::Result<Self> {
        match transport {
            Transport::Tcp(address) | Transport::RtuOverTcp { address, .. } => {
                Ok(Self::Tcp(connect(*address, timeout).await?))
            }
            Transport::Tls { address, files } => {
                let config = tls(files).map_err(io::Error::other)?;
                let name = ServerName::try_from(files.name.clone()).map_err(io::Error::other)?;
                let stream = connect(*address, timeout).await?;
                let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
                Ok(Self::Tls(Box::new(stream)))
            }
            Transport::Rtu { path, line } => Ok(Self::Serial(Box::new(serial(path, line)?))),
        }
    }
}

/// A prepared connection: no delay, keepalive 10 s / 3 probes.
async fn connect(address: std::net::SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let options = socket2::SockRef::from(&stream);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    options.set_tcp_keepalive(&keepalive)?;
    options.set_tcp_user_timeout(Some(timeout * 3))?;
    Ok(stream)
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

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Serial(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Serial(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Serial(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Serial(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
