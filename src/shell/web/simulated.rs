//! `/api/v1/simulated-river`: the disturbances of a virtual river, for a demonstration. There only with the option
//! `--simulated-river`, which names the control of that river.
//!
//! Passed on by the service rather than asked by the page: so the policy of the page stays as it is (it talks to its own
//! origin alone), the control needs to let no other origin in, and every request passes the guard.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{App, failure};

/// Longest wait for the control, real time.
const PATIENCE: Duration = Duration::from_secs(3);
/// Largest answer passed on, bytes.
const LARGEST: usize = 64 * 1024;
/// What the control calls them.
const TRICKS: &str = "/tricks";

/// `GET`: what there is, and whether it is on.
pub(super) async fn shown(State(app): State<Arc<App>>) -> Response {
    pass_on(&app, Method::GET, Body::empty()).await
}

/// `POST`: brings one about, or puts it right.
pub(super) async fn switch(State(app): State<Arc<App>>, body: Bytes) -> Response {
    pass_on(&app, Method::POST, Body::from(body)).await
}

async fn pass_on(app: &App, method: Method, body: Body) -> Response {
    let Some(river) = app.web.simulated_river else {
        return failure(StatusCode::NOT_FOUND, "no such page; the river is a real one");
    };
    match timeout(PATIENCE, ask(river, method, body)).await {
        Ok(Ok((status, answer))) => (status, [(CONTENT_TYPE, "application/json")], answer).into_response(),
        Ok(Err(error)) => failure(
            StatusCode::BAD_GATEWAY,
            &format!("the simulated river at {river}: {error}; does it run?"),
        ),
        Err(_) => {
            failure(StatusCode::GATEWAY_TIMEOUT, &format!("the simulated river at {river} does not answer"))
        }
    }
}

async fn ask(river: SocketAddr, method: Method, body: Body) -> Result<(StatusCode, Bytes), axum::BoxError> {
    let stream = TcpStream::connect(river).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer, or with whoever waits for it.
    tokio::spawn(async move { drop(connection.await) });
    let request = Request::builder()
        .method(method)
        .uri(TRICKS)
        .header(HOST, river.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(body)?;
    let (head, answer) = sender.send_request(request).await?.into_parts();
    Ok((head.status, to_bytes(Body::new(answer), LARGEST).await?))
}
