//! The files of the page, embedded with their hashes and compressed copies.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{App, NO_PAGE, failure};

/// Files of a demonstration begin with this; on site they are not there.
const SIMULATED: &str = "simulated.";

/// One embedded file.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Path below `/assets/`.
    pub name: &'static str,
    /// Content type.
    pub mime: &'static str,
    /// SHA-256 of the plain bytes, hex, in quotes.
    pub etag: &'static str,
    /// The file.
    pub plain: &'static [u8],
    /// The same, gzip.
    pub gzip: &'static [u8],
    /// The same, brotli: what browsers take by TLS and from this machine.
    pub brotli: &'static [u8],
}

/// All embedded files by name.
pub const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The file called `name`.
pub fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.binary_search_by(|asset| asset.name.cmp(name)).ok().and_then(|i| ASSETS.get(i))
}

/// `GET /`.
pub(super) async fn page(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

/// `GET /assets/app.css`: of the sign-in page too.
pub(super) async fn common_style(headers: HeaderMap) -> Response {
    serve("app.css", &headers)
}

/// `GET /assets/login.css`: of the pages made by the server.
pub(super) async fn login_style(headers: HeaderMap) -> Response {
    serve("login.css", &headers)
}

/// `GET /assets/icon.svg`: browsers ask for one on every page.
pub(super) async fn icon(headers: HeaderMap) -> Response {
    serve("icon.svg", &headers)
}

/// `GET /assets/{*name}`.
pub(super) async fn file(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    if name.starts_with(SIMULATED) && app.web.simulated_river.is_none() {
        return failure(StatusCode::NOT_FOUND, NO_PAGE);
    }
    serve(&name, &headers)
}

fn serve(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = find(name) else { return failure(StatusCode::NOT_FOUND, NO_PAGE) };
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let common = [(ETAG, asset.etag), (CACHE_CONTROL, "no-cache"), (VARY, "accept-encoding")];
    if known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == asset.etag)) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content = [(CONTENT_TYPE, asset.mime)];
    let takes = |name: &str| accepted.split(',').any(|coding| is_taken(coding, name));
    if takes("br") {
        (common, content, [(CONTENT_ENCODING, "br")], asset.brotli).into_response()
    } else if takes("gzip") {
        (common, content, [(CONTENT_ENCODING, "gzip")], asset.gzip).into_response()
    } else {
        (common, content, asset.plain).into_response()
    }
}

/// Whether one part of `Accept-Encoding` takes the coding `name`: `br`, `gzip;q=0.8`, and not `gzip;q=0`.
fn is_taken(coding: &str, name: &str) -> bool {
    let mut parts = coding.split(';').map(str::trim);
    parts.next() == Some(name)
        && parts.all(|part| part.strip_prefix("q=").is_none_or(|q| q.parse().is_ok_and(|q: f64| q > 0.0)))
}

#[cfg(test)]
mod tests {
    use super::is_taken;

    #[test]
    fn a_coding_is_taken_unless_it_has_no_weight() {
        // RFC 9110, 12.5.3.
        for (coding, expected) in
            [("br", true), (" gzip;q=0.8", false), (" br ; q=0.5", true), ("br;q=0", false)]
        {
            assert_eq!(is_taken(coding, "br"), expected, "{coding}");
        }
    }
}
