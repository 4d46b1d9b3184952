//! A notice by HTTPS POST. One connection each: notices are few.
//!
//! ```text
//!  POST /path                          x-qindan-id: …           the same at every try: who got it twice knows
//!  content-type: application/json      x-qindan-timestamp: …    Unix seconds of this try
//!                                      x-qindan-signature: v1=HEX
//!  HEX is the HMAC-SHA256, with the key of the receiver, of the timestamp, a dot and the body.
//! ```

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use ring::hmac;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::desk::Outcome;
use super::secret;
use crate::config::notify::{Hook, Url, url_of};
use crate::shell::journal::hex;

/// What is posted.
pub(super) struct Post {
    /// The same at every try.
    pub(super) id: String,
    /// JSON.
    pub(super) body: Vec<u8>,
    /// Unix seconds, for the signature.
    pub(super) at: i64,
}

/// The signature of a body, as it stands in the header.
pub(super) fn signature(key: &str, at: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let mut signed = hmac::Context::with_key(&key);
    signed.update(at.to_string().as_bytes());
    signed.update(b".");
    signed.update(body);
    format!("v1={}", hex(signed.sign().as_ref()))
}

/// Posts once; a time-out is the caller's.
pub(super) async fn post(hook: &Hook, post: Post) -> Outcome {
    match prepared(hook, post) {
        Ok((uri, request)) => match send(&uri, hook.ca.as_deref(), request).await {
            Ok(status) => judged(status),
            Err(why) => Outcome::Again(why),
        },
        Err(why) => Outcome::Again(why),
    }
}

/// What an answer means for the next try.
fn judged(status: StatusCode) -> Outcome {
    let why = format!("answered {status}");
    match status.as_u16() {
        200..=299 => Outcome::Sent,
        408 | 425 | 429 | 500..=599 => Outcome::Again(why),
        300..=399 => Outcome::Never(format!("{why}: notices follow no redirection")),
        _ => Outcome::Never(why),
    }
}

/// Where to, and the request with its headers. Nothing of either may stand in an error: there are secrets among it.
fn prepared(hook: &Hook, post: Post) -> Result<(Uri, Request<Body>), String> {
    let uri = match &hook.url {
        Url::Plain(text) => url_of(text),
        Url::Kept(kept) => url_of(&secret::read(kept)?),
    };
    let uri = uri.map_err(|what| format!("its address {what}"))?;
    let (Some(authority), Some(path)) = (uri.authority(), uri.path_and_query()) else {
        return Err("its address is none".to_owned());
    };
    let value = |name: &str, text: &str| {
        let mut value = HeaderValue::from_str(text).map_err(|_| format!("header {name}: not plain text"))?;
        value.set_sensitive(true);
        Ok::<_, String>(value)
    };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path.as_str())
        .header(HOST, authority.as_str())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("qindan/", env!("CARGO_PKG_VERSION")))
        .header("x-qindan-id", &post.id)
        .header("x-qindan-timestamp", post.at);
    if let Some(key) = &hook.key {
        request = request.header("x-qindan-signature", signature(&secret::read(key)?, post.at, &post.body));
    }
    for (name, kept) in &hook.headers {
        let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("header {name}: no name"))?;
        request = request.header(known, value(name, &secret::read(kept)?)?);
    }
    let request =
        request.body(Body::from(post.body)).map_err(|_| "no request can be made of it".to_owned())?;
    Ok((uri, request))
}

async fn send(uri: &Uri, ca: Option<&Path>, request: Request<Body>) -> Result<StatusCode, String> {
    let secure = uri.scheme_str() == Some("https");
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let told = |error: std::io::Error| format!("not reached: {error}");
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(told)?;
    if !secure {
        return ask(stream, request).await;
    }
    let ca = ca.map(Path::to_path_buf);
    // It reads files, some hundred on some machines.
    let config = tokio::task::spawn_blocking(move || trusting(ca.as_deref())).await;
    let config = config.map_err(|error| error.to_string())??;
    let name = ServerName::try_from(host).map_err(|_| "its host is no name".to_owned())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    ask(stream.map_err(|error| format!("no TLS: {error}"))?, request).await
}

async fn ask<S>(stream: S, request: Request<Body>) -> Result<StatusCode, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let told = |error: hyper::Error| format!("no answer: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    // Ends with the sender: of the answer only the status is read.
    tokio::spawn(async move { drop(connection.await) });
    let answer = sender.send_request(request).await.map_err(told)?;
    Ok(answer.status())
}

/// TLS that trusts the authorities of a file, or those of this machine.
fn trusting(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        let shown = path.display();
        let pem = std::fs::read(path).map_err(|error| format!("{shown}: {error}"))?;
        for one in CertificateDer::pem_slice_iter(&pem) {
            let one = one.map_err(|error| format!("{shown}: {error}"))?;
            roots.add(one).map_err(|error| format!("{shown}: {error}"))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err("no authority is trusted; install ca-certificates, or give ca".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| error.to_string())?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_hmac_of_time_and_body() {
        // RFC 4231, test case 2, of which the message is "what do ya want for nothing?"; the time and the dot come first here,
        // so: python3 -c 'import hmac; print(hmac.new(b"Jefe", b"1779085927.{}", "sha256").hexdigest())'
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        let known = hmac::sign(&key, b"what do ya want for nothing?");
        assert_eq!(hex(known.as_ref()), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(
            signature("Jefe", 1_779_085_927, b"{}"),
            "v1=9938f111f3b6a41a435b4bf63b9d28b8b174ba225e3f3a58d9d6d0ecd3973087"
        );
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
        let rows = [
            (200, 0),
            (204, 0),
            (301, 2),
            (400, 2),
            (401, 2),
            (404, 2),
            (408, 1),
            (410, 2),
            (429, 1),
            (500, 1),
            (503, 1),
        ];
        for (status, wanted) in rows {
            let place = match judged(StatusCode::from_u16(status).unwrap()) {
                Outcome::Sent => 0,
                Outcome::Again(_) => 1,
                Outcome::Never(_) => 2,
            };
            assert_eq!(place, wanted, "{status}");
        }
    }
}
