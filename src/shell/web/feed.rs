//! Turns the statuses of the cycle into frames for the screens: at most two a second, made once for all.
//!
//! Each frame has the whole state and, where it is smaller, the merge patch (RFC 7386) from the frame before.
//! A client that missed a frame is given the whole state, so nobody is ever shown a mixture of two.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::{WebState, control, state};

/// Least time between two frames, real time.
const SPACING: Duration = Duration::from_millis(500);

/// One state, ready to send.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Number since the start of the service; from 1.
    pub(super) seq: u64,
    /// The state with its sequence number.
    pub(super) full: Bytes,
    /// `{"seq", "base", "patch"}` from frame `seq - 1`.
    pub(super) patch: Option<Bytes>,
    /// When it was made, real time since the start.
    pub(super) made_at: Duration,
}

/// Starts making frames; ends with the sender of statuses.
pub(super) fn start(web: Arc<WebState>) -> watch::Receiver<Arc<Frame>> {
    let mut status = web.status.clone();
    let mut control = web.people.control();
    let mut maker = Maker::default();
    let seen = status.borrow_and_update().clone();
    let (sender, frames) = watch::channel(Arc::new(maker.frame(&web, &seen)));
    tokio::spawn(async move {
        let mut pace = interval(SPACING);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut fresh = false;
        loop {
            tokio::select! {
                changed = status.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    fresh = true;
                    let seen = status.borrow_and_update().clone();
                    web.trends.record(&web.config, &seen);
                }
                changed = control.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    fresh = true;
                }
                _ = pace.tick(), if fresh => {
                    fresh = false;
                    let seen = status.borrow().clone();
                    if sender.send(Arc::new(maker.frame(&web, &seen))).is_err() {
                        break;
                    }
                }
            }
        }
    });
    frames
}

#[derive(Default)]
struct Maker {
    seq: u64,
    last: Value,
}

impl Maker {
    fn frame(&mut self, web: &WebState, status: &crate::control::status::Status) -> Frame {
        let mut state = state::document(&web.config, status);
        if let Value::Object(parts) = &mut state {
            parts.insert("control".to_owned(), control::document(web));
        }
        self.seq += 1;
        let full = with_seq(&state, self.seq);
        let patch = self.last.is_object().then(|| {
            let patch = diff(&self.last, &state).unwrap_or_else(|| json!({}));
            text(&json!({ "seq": self.seq, "base": self.seq - 1, "patch": patch }))
        });
        let patch = patch.filter(|patch| patch.len() < full.len());
        self.last = state;
        Frame { seq: self.seq, full, patch, made_at: web.time.now().mono }
    }
}

fn with_seq(state: &Value, seq: u64) -> Bytes {
    let mut state = state.clone();
    if let Value::Object(parts) = &mut state {
        parts.insert("seq".to_owned(), json!(seq));
    }
    text(&state)
}

/// A `Value` has text keys only, so writing it cannot fail; an empty body would be refused by the page.
fn text(value: &Value) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// The merge patch that makes `new` of `old`; lists of objects of equal length are patched by position
/// (`{"0": …}`), others are replaced. `None` when nothing differs.
fn diff(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
            let changed = new.iter().filter_map(|(key, value)| {
                let before = old.get(key).unwrap_or(&Value::Null);
                diff(before, value).map(|patch| (key.clone(), patch))
            });
            let patch: Map<String, Value> = gone.chain(changed).collect();
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        (Value::Array(old), Value::Array(new)) if same_shape(old, new) => {
            let changed = old.iter().zip(new).enumerate();
            let patch: Map<String, Value> =
                changed.filter_map(|(i, (a, b))| diff(a, b).map(|patch| (i.to_string(), patch))).collect();
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        (old, new) => (old != new).then(|| new.clone()),
    }
}

fn same_shape(old: &[Value], new: &[Value]) -> bool {
    old.len() == new.len() && old.iter().chain(new).all(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_names_only_what_changed() {
        let old =
            json!({ "a": 1, "list": [{ "v": 1, "q": "good" }, { "v": 2 }], "gone": true, "names": ["x"] });
        let new = json!({ "a": 1, "list": [{ "v": 1, "q": "stale" }, { "v": 2 }], "names": ["x", "y"] });
        let patch = json!({ "list": { "0": { "q": "stale" } }, "gone": null, "names": ["x", "y"] });
        assert_eq!(diff(&old, &new), Some(patch));
        assert_eq!(diff(&new, &new), None);
    }

    #[test]
    fn a_value_that_vanishes_is_named_as_null() {
        let patch = diff(&json!({ "v": 1.5, "q": "good" }), &json!({ "q": "bad", "last": 1.5 }));
        assert_eq!(patch, Some(json!({ "v": null, "q": "bad", "last": 1.5 })));
    }
}
