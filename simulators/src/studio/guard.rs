//! What every request to the studio passes: this machine only, this page only.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Of the page itself: its own script and style, its own reports in a frame, nothing else.
const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                    frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Of a report: its inline style and plots; no script at all.
const REPORT: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'self'";
/// Header that a form or a foreign page cannot set.
const OWN: &str = "x-qindan";

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("host: not this machine; open the page by its loopback address")]
    Host,
    #[error("origin: not this page; requests from other sites are refused")]
    Origin,
    #[error("x-qindan: header missing; send \"x-qindan: 1\" with every order")]
    Header,
    #[error("content-type: must be application/json")]
    Type,
}

/// Checks a request and adds the headers of every response.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_report = path.starts_with("/runs/") || path == "/compare";
    let mut response = match check(request.method(), path, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let status = match refusal {
                Refusal::Host => StatusCode::MISDIRECTED_REQUEST,
                Refusal::Origin | Refusal::Header => StatusCode::FORBIDDEN,
                Refusal::Type => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            };
            (status, refusal.to_string()).into_response()
        }
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, if is_report { REPORT } else { PAGE }),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn check(method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = text(headers, &HOST).filter(|host| is_loopback(host)).ok_or(Refusal::Host)?;
    if text(headers, &ORIGIN).is_some_and(|origin| origin != format!("http://{host}")) {
        return Err(Refusal::Origin);
    }
    let site = text(headers, &HeaderName::from_static("sec-fetch-site"));
    let opened_by_user = *method == Method::GET && !path.starts_with("/api/");
    if !opened_by_user && !matches!(site, None | Some("same-origin" | "none")) {
        return Err(Refusal::Origin);
    }
    if method == Method::GET || method == Method::HEAD {
        return Ok(());
    }
    if text(headers, &HeaderName::from_static(OWN)) != Some("1") {
        return Err(Refusal::Header);
    }
    let json = text(headers, &CONTENT_TYPE).and_then(|kind| kind.split(';').next()).map(str::trim);
    if json == Some("application/json") { Ok(()) } else { Err(Refusal::Type) }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a `Host` header names this machine: a rebound foreign name does not.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
