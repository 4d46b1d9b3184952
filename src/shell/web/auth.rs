//! Who asks, and whether that is enough: looked up in the list of routes for every request, before anything answers it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, USER_AGENT, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::{App, doors, failure, table};
use crate::shell::people::{Caller, Need, Person};

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Where a request came from, if the server knows. Headers that claim another address are not looked at.
pub(super) struct From(pub(super) String);

impl From {
    pub(super) fn of(extensions: &Extensions) -> Self {
        let peer = extensions.get::<ConnectInfo<Peer>>();
        Self(peer.map_or_else(|| "loopback".to_owned(), |peer| peer.0.0.ip().to_canonical().to_string()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.extensions))
    }
}

/// The person who asks; only on routes that need one.
pub(super) struct Known(pub(super) Person);

impl<S: Send + Sync> FromRequestParts<S> for Known {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        match parts.extensions.get::<Caller>() {
            Some(Caller::Person(person)) => Ok(Self(person.clone())),
            Some(Caller::Nobody | Caller::Token { .. }) | None => Err(unknown()),
        }
    }
}

/// Where and with what browser somebody signs in.
pub(super) fn agent(headers: &HeaderMap) -> &str {
    headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default()
}

/// The value of our cookie; of several of the same name none counts.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut own = all.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    });
    own.next().filter(|_| own.next().is_none())
}

/// Who sends these headers. Where `Authorization` is given it alone counts, right or wrong.
pub(super) fn caller(app: &App, headers: &HeaderMap) -> Caller {
    if let Some(given) = headers.get(AUTHORIZATION) {
        let token = given.to_str().ok().and_then(|text| text.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        return match token {
            Some((_, token)) => app.web.people.caller(None, Some(token.trim())),
            None => Caller::Nobody,
        };
    }
    let name = app.web.people.cookie_name(app.tls);
    app.web.people.caller(cookie(headers, &name), None)
}

/// Lets a request through to what answers it, or not.
pub(super) async fn admit(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let caller = caller(&app, request.headers());
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    // Nothing is mounted there: it is answered as such, and tells nothing.
    let Some(path) = path else { return next.run(request).await };
    let open_view = app.web.config.service.open_view;
    let method = request.method().clone();
    let need = table::need(&app.routes, &path, &method);
    // A method the path does not have is told to those who could know.
    let allowed = need.map_or_else(|| caller != Caller::Nobody, |need| caller.may(need, open_view));
    if !allowed {
        return match caller {
            Caller::Nobody if method == Method::GET && !path.starts_with("/api/") => {
                doors::stranger(&app, &path)
            }
            Caller::Nobody => unknown(),
            Caller::Person(_) | Caller::Token { .. } => {
                let needs = need.unwrap_or(Need::Person).words();
                let address = From::of(request.extensions()).0;
                app.web.people.tell_refused(&caller, &format!("{method} {path}"), needs, &address);
                failure(StatusCode::FORBIDDEN, &format!("not with your role; this needs {needs}"))
            }
        };
    }
    if let (Caller::Person(person), Some(Need::Operate), true) = (&caller, need, method == Method::POST) {
        app.web.people.acts(person);
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Nobody we know.
pub(super) fn unknown() -> Response {
    let mut response = failure(StatusCode::UNAUTHORIZED, "sign in first, at /login; programs send a token");
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
