//! The page on a thread of its own, with a runtime of its own: what its clients ask for, two hundred streams or a year of
//! history, takes no turn of the control cycle.

use std::io;
use std::thread;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{WebState, serve};

/// Serves the page until `stop`; the handle ends with it.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn host(
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    state: WebState,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let listener = listener.into_std()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (done, ended) = oneshot::channel();
    thread::Builder::new().name("page".into()).spawn(move || {
        // A socket belongs to the runtime it was opened in.
        let served =
            runtime.block_on(async { serve(TcpListener::from_std(listener)?, tls, state, stop).await });
        if let Err(error) = served {
            tracing::error!(%error, "the page is not served any more");
        }
        // A password being checked is not waited for.
        runtime.shutdown_background();
        let _ = done.send(());
    })?;
    Ok(tokio::spawn(async move { drop(ended.await) }))
}
