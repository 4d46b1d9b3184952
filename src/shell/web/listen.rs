//! Connections of the page: how many there may be, and how long one may say nothing. Whoever opens a thousand and asks nothing
//! keeps nobody out: beyond some hundreds the oldest of those gives way to the newest.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::auth::Peer;

/// Most connections at once: the event streams and as many again for what pages ask beside them. Assumed.
const MOST: usize = 640;
/// Most of them that have asked nothing yet. Assumed.
const SILENT_MOST: usize = 256;
/// Longest time for the head of a request, and between two requests of a connection.
const SILENCE: Duration = Duration::from_secs(30);

/// A connection that may not have asked anything yet.
struct Newcomer {
    has_asked: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Newcomer {
    fn is_silent(&self) -> bool {
        !self.has_asked.load(Ordering::Relaxed) && !self.task.is_finished()
    }
}

/// Takes connections and answers them by `router`, without end.
pub(super) async fn take<L: Listener<Addr = SocketAddr>>(mut listener: L, router: Router) {
    let places = Arc::new(Semaphore::new(MOST));
    let router = TowerToHyperService::new(router);
    let mut silent = VecDeque::<Newcomer>::new();
    loop {
        let (stream, peer) = listener.accept().await;
        silent.retain(Newcomer::is_silent);
        if silent.len() >= SILENT_MOST
            && let Some(oldest) = silent.pop_front()
        {
            oldest.task.abort();
            // It ends, and gives its place back, when it is its turn.
            tokio::task::yield_now().await;
        }
        // All of them ask: this one is shut, and its browser tries again.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let has_asked = Arc::new(AtomicBool::new(false));
        let (asked, router) = (Arc::clone(&has_asked), router.clone());
        let answer = service_fn(move |mut request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectInfo(Peer(peer)));
            router.call(request)
        });
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(SILENCE);
        let task = tokio::spawn(async move {
            let _place = place;
            // Whoever breaks off, or sends what is no request, is not answered.
            drop(server.serve_connection(TokioIo::new(stream), answer).await);
        });
        silent.push_back(Newcomer { has_asked, task });
    }
}
