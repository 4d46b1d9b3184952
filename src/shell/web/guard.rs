//! What every request passes: own host only, own origin only, and headers that keep the page to itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

/// Largest request body, bytes.
pub(super) const BODY_LIMIT: usize = 16 * 1024;
/// Longest time until a response begins.
const PATIENCE: Duration = Duration::from_secs(10);
/// Header that a form or a foreign page cannot set.
const OWN: &str = "x-qindan";
/// The paths that take CSV too.
pub(super) const FORECASTS: &str = "/api/v1/forecasts";
/// The other one.
pub(super) const CALENDAR: &str = "/api/v1/schedule/import";

/// Under TLS: a year in which the browser comes by TLS only.
const ONLY_TLS: &str = "max-age=31536000";

/// Policy of a page with forms of its own; no script at all.
const FORM_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; \
                           frame-ancestors 'none'";

/// Marks a response that is such a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct FormPage;

/// Paths that take what a form of ours sends.
pub(super) const FORMS: &[&str] = &[
    "/login",
    "/enter",
    "/first-run",
    "/logout",
    "/account/end",
    "/account/password",
    "/users",
    "/shift",
    "/filings",
    "/filings/verdict",
];

/// Where the page is reached.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Served by TLS.
    pub tls: bool,
    /// Host names of it, in small letters, beside those of this machine.
    pub names: Vec<String>,
    /// Address it listens on, when others can reach it.
    pub address: Option<IpAddr>,
}

impl Site {
    fn is_called(&self, host: &str) -> bool {
        let bare = without_port(host);
        is_loopback(host)
            || self.names.iter().any(|name| name.eq_ignore_ascii_case(bare))
            || self.address.is_some_and(|own| bare.parse() == Ok(own))
    }
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Why a request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Sent to another host name.
    #[error("host: not this machine; open the page by its loopback address, or by a name of service.toml")]
    Host,
    /// Sent by another page.
    #[error("origin: not this page; requests from other sites are refused")]
    Origin,
    /// An act without the header.
    #[error("x-qindan: header missing; send \"x-qindan: 1\" with every act")]
    Header,
    /// An act that is not JSON.
    #[error("content-type: must be application/json; forecasts and calendars may be text/csv")]
    Type,
}

impl Refusal {
    /// The status it is answered with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin | Self::Header => StatusCode::FORBIDDEN,
            Self::Type => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// Checks a request, bounds the time to its answer and adds the headers of every response.
pub(super) async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let mut response = match check_at(&site, request.method(), request.uri().path(), request.headers()) {
        Err(refusal) => super::failure(refusal.status(), &refusal.to_string()),
        Ok(()) => match tokio::time::timeout(PATIENCE, next.run(request)).await {
            Ok(response) => response,
            Err(_) => super::failure(StatusCode::GATEWAY_TIMEOUT, "no answer in time; look at /readyz"),
        },
    };
    // Without its address a form of ours would be sent as from nowhere.
    let (policy, referrer) = match response.extensions().get::<FormPage>() {
        Some(FormPage) => (FORM_POLICY, "same-origin"),
        None => (POLICY, "no-referrer"),
    };
    let headers = response.headers_mut();
    if site.tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(ONLY_TLS));
    }
    // A report brings its own, which permits its one style and nothing else.
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, referrer),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// [`check_at`] for a page on this machine by plain HTTP.
///
/// # Errors
/// Why it is refused.
pub fn check(method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    check_at(&Site::default(), method, path, headers)
}

/// Whether a request comes from the page itself: a plain visit from anywhere may open a page, everything else comes from
/// the page that is served, and an act bears its header and is JSON, or, for forecasts, CSV. A form of ours cannot bear a
/// header; it has to say where it comes from.
///
/// # Errors
/// Why it is refused.
pub fn check_at(site: &Site, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = text(headers, &HOST).filter(|host| site.is_called(host)).ok_or(Refusal::Host)?;
    let from = text(headers, &HeaderName::from_static("sec-fetch-site"));
    let scheme = if site.tls { "https" } else { "http" };
    let origin = headers.get(ORIGIN).map(|_| text(headers, &ORIGIN) == Some(&format!("{scheme}://{host}")));
    if origin == Some(false) {
        return Err(Refusal::Origin);
    }
    let is_read = method == Method::GET || method == Method::HEAD;
    let opened_by_user = is_read && !path.starts_with("/api/");
    if !opened_by_user && !matches!(from, None | Some("same-origin" | "none")) {
        return Err(Refusal::Origin);
    }
    if is_read {
        return Ok(());
    }
    if from == Some("none") {
        return Err(Refusal::Origin);
    }
    if FORMS.contains(&path) {
        return match kind(headers) {
            Some("application/x-www-form-urlencoded") if origin.is_some() || from.is_some() => Ok(()),
            Some("application/x-www-form-urlencoded") => Err(Refusal::Origin),
            Some(_) | None => Err(Refusal::Type),
        };
    }
    if text(headers, &HeaderName::from_static(OWN)) != Some("1") {
        return Err(Refusal::Header);
    }
    match kind(headers) {
        Some("application/json") => Ok(()),
        // No form of a foreign page can be of this type either.
        Some("text/csv") if path == FORECASTS || path == CALENDAR => Ok(()),
        Some(_) | None => Err(Refusal::Type),
    }
}

/// The type of the body, without its parameters.
pub(super) fn kind(headers: &HeaderMap) -> Option<&str> {
    text(headers, &CONTENT_TYPE).and_then(|kind| kind.split(';').next()).map(str::trim)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The name or address in a `Host` header.
fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name)
}

/// Whether a `Host` header names this machine: a rebound foreign name does not.
fn is_loopback(host: &str) -> bool {
    let bare = without_port(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{Site, is_loopback};

    #[test]
    fn beyond_this_machine_only_given_names_are_taken() {
        let names = vec!["qindan.example".to_owned()];
        let site = Site { tls: true, names, address: "10.20.0.5".parse().ok() };
        for host in ["qindan.example", "Qindan.Example:8443", "10.20.0.5:8443", "localhost"] {
            assert!(site.is_called(host), "{host}");
        }
        for host in ["qindan.example.evil.org", "evil.qindan.example", "10.20.0.6", "", "qindan.example:x"] {
            assert!(!site.is_called(host), "{host}");
        }
    }

    #[test]
    fn only_names_of_this_machine_are_taken() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.1.2.3:80", "[::1]:8080", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:80", "10.0.0.1", "127.0.0.1.nip.io", "[::2]:1"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
