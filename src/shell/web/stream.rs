//! `GET /api/v1/stream`: server-sent events.
//!
//! `full` carries the whole state, `patch` the change from the frame before, `beat` the server's clock every 2 s
//! of real time. The event identifier is the frame number; a client that comes back with `Last-Event-ID` goes on
//! with patches when it missed nothing, and is given the whole state otherwise.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::App;
use super::feed::Frame;
use crate::shell::people::Caller;

/// Time between two beats, real time.
const BEAT: Duration = Duration::from_secs(2);
/// How soon a page that lost the stream comes back, real time.
const RETRY: Duration = Duration::from_secs(1);

pub(super) async fn events(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    let Ok(permit) = app.streams.clone().try_acquire_owned() else {
        return super::failure(StatusCode::SERVICE_UNAVAILABLE, "too many open pages; close one and reload");
    };
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.split_once('-'));
    let seen = seen.filter(|(boot, _)| *boot == app.boot).and_then(|(_, seq)| seq.parse().ok());
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut frames = app.frames.clone();
    frames.mark_changed();
    let client = Client { app, caller, frames, beats, seen, live: true, _permit: permit };
    Sse::new(stream::unfold(client, Client::next)).into_response()
}

struct Client {
    app: Arc<App>,
    caller: Caller,
    frames: watch::Receiver<Arc<Frame>>,
    beats: Interval,
    seen: Option<u64>,
    live: bool,
    _permit: OwnedSemaphorePermit,
}

impl Client {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            // Signed out, disabled, revoked: the stream ends, with the next frame or beat at the latest.
            if !self.app.web.people.is_still(&self.caller) {
                return None;
            }
            tokio::select! {
                biased;
                changed = self.frames.changed(), if self.live => {
                    self.live = changed.is_ok();
                    let frame = self.frames.borrow_and_update().clone();
                    if let Some(event) = self.event(&frame) {
                        return Some((Ok(event), self));
                    }
                }
                _ = self.beats.tick() => {
                    let event = self.beat();
                    return Some((Ok(event), self));
                }
            }
        }
    }

    fn event(&mut self, frame: &Frame) -> Option<Event> {
        if self.seen == Some(frame.seq) {
            return None;
        }
        let follows = self.seen.is_some_and(|seen| seen + 1 == frame.seq);
        self.seen = Some(frame.seq);
        let id = format!("{}-{}", self.app.boot, frame.seq);
        Some(match frame.patch.as_ref().filter(|_| follows) {
            Some(patch) => Event::default().event("patch").id(id).data(utf8(patch)),
            None => Event::default().event("full").retry(RETRY).id(id).data(utf8(&frame.full)),
        })
    }

    fn beat(&self) -> Event {
        let now = self.app.web.time.now();
        let age = now.mono.saturating_sub(self.frames.borrow().made_at);
        let data = json!({ "utc_ms": now.utc.as_millisecond(), "state_age_s": age.as_secs_f64() });
        Event::default().event("beat").data(data.to_string())
    }
}

/// JSON written by `serde_json` is UTF-8; anything else would be an empty event.
fn utf8(json: &Bytes) -> &str {
    std::str::from_utf8(json).unwrap_or_default()
}
