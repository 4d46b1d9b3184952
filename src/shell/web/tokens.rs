//! Previews that wait for their confirmation, and results of requests already answered.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::acts::Answer;
use super::preview::Basis;
use crate::control::operator::Order;

/// How long a preview may be confirmed, real time.
pub(super) const LIFE: Duration = Duration::from_secs(30);
/// Previews kept at once; an older one gives way.
const PREVIEWS: usize = 64;
/// Answers kept for repeated requests.
const ANSWERS: usize = 256;

/// A preview shown to a person.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// Session it was shown to.
    pub(super) session: String,
    pub(super) order: Order,
    pub(super) basis: Basis,
    pub(super) until: Duration,
}

/// Answer of one request, filled once; a second equal request waits for the first.
pub(super) type Pending = Arc<OnceCell<Answer>>;

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Invalid {
    #[error("token: unknown or already used; ask for a new preview")]
    Unknown,
    #[error("token: older than 30 s; ask for a new preview")]
    Expired,
}

/// All open previews and recent answers.
#[derive(Debug, Default)]
pub(super) struct Book {
    previews: Mutex<VecDeque<(String, Shown)>>,
    answers: Mutex<VecDeque<(String, Pending)>>,
}

impl Book {
    /// Keeps a preview under its token.
    pub(super) fn keep(&self, token: String, shown: Shown) {
        let mut previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        if previews.len() >= PREVIEWS {
            previews.pop_front();
        }
        previews.push_back((token, shown));
    }

    /// What a token would confirm, for the session it was shown to.
    pub(super) fn order(&self, token: &str, session: &str) -> Option<Order> {
        let previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        let found = previews.iter().find(|(known, shown)| known == token && shown.session == session);
        found.map(|(_, shown)| shown.order.clone())
    }

    /// Takes a preview out: a token works once, and for the session it was shown to.
    pub(super) fn take(&self, token: &str, session: &str, now: Duration) -> Result<Shown, Invalid> {
        let mut previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        let own = |(known, shown): &(String, Shown)| known == token && shown.session == session;
        let at = previews.iter().position(own).ok_or(Invalid::Unknown)?;
        let (_, shown) = previews.remove(at).ok_or(Invalid::Unknown)?;
        if now <= shown.until { Ok(shown) } else { Err(Invalid::Expired) }
    }

    /// The place for the answer of a request: its own, or that of an equal one before it.
    pub(super) fn answer(&self, request: &str) -> Pending {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pending)) = answers.iter().find(|(known, _)| known == request) {
            return pending.clone();
        }
        if answers.len() >= ANSWERS {
            answers.pop_front();
        }
        let pending = Pending::default();
        answers.push_back((request.to_owned(), pending.clone()));
        pending
    }
}
