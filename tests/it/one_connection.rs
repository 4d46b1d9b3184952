//! A device that takes one connection, which somebody holds who is dead: we wait, tell it, and come one at a time.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use qindan::control::operator::Mode;
use qindan::control::quality::{Quality, Reason};
use qindan::control::status::Status;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::running::{Bench, Folder};
use crate::site::{self, Drive, Site};

/// What becomes of a connection while another one has the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    /// Nobody listens.
    Refused,
    /// It is taken and closed at once.
    Closed,
    /// It waits in the queue of the listener: open as far as we see, and nobody reads it.
    Unanswered,
}

/// The one connection of a device. While it is held by another, ours are turned away.
struct Turnstile {
    address: SocketAddr,
    held: watch::Sender<bool>,
    /// Connections of ours that were open at the same time, as the kernel had it at each arrival.
    open: Arc<Mutex<Vec<usize>>>,
}

impl Turnstile {
    async fn before(device: SocketAddr, full: Full) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let held = watch::Sender::new(false);
        let open = Arc::default();
        tokio::spawn(turn(listener, device, full, held.subscribe(), Arc::clone(&open)));
        Self { address, held, open }
    }

    /// Another has the connection now; ours is cut.
    fn hold(&self) {
        self.held.send_replace(true);
    }

    /// The device has waited for its dead peer long enough.
    fn free(&self) {
        self.held.send_replace(false);
    }

    fn arrivals(&self) -> usize {
        self.open.lock().unwrap().len()
    }
}

async fn turn(
    mut listener: TcpListener,
    device: SocketAddr,
    full: Full,
    mut held: watch::Receiver<bool>,
    open: Arc<Mutex<Vec<usize>>>,
) {
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                open.lock().unwrap().push(connections_to(address));
                match (*held.borrow(), full) {
                    (false, _) => drop(tokio::spawn(serve(stream, device, held.clone()))),
                    (true, Full::Unanswered) => waiting.push(stream),
                    (true, Full::Closed | Full::Refused) => {}
                }
            }
            changed = held.changed() => {
                if changed.is_err() {
                    return;
                }
                if *held.borrow_and_update() && full == Full::Refused {
                    drop(listener);
                    if held.wait_for(|held| !held).await.is_err() {
                        return;
                    }
                    let socket = TcpSocket::new_v4().unwrap();
                    socket.set_reuseaddr(true).unwrap();
                    socket.bind(address).unwrap();
                    listener = socket.listen(16).unwrap();
                }
                // The device takes up what waits in its queue, the newest last; those before have ended.
                let waited = std::mem::take(&mut waiting);
                if *held.borrow() { waiting = waited } else if let Some(newest) = waited.into_iter().next_back() {
                    tokio::spawn(serve(newest, device, held.clone()));
                }
            }
        }
    }
}

async fn serve(mut near: TcpStream, device: SocketAddr, mut held: watch::Receiver<bool>) {
    near.set_nodelay(true).unwrap();
    let mut far = TcpStream::connect(device).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _ = held.wait_for(|held| *held) => {}
    }
}

/// Open connections to an address, or on their way there, by the kernel's own list.
fn connections_to(address: SocketAddr) -> usize {
    const ESTABLISHED: &str = "01";
    const SYN_SENT: &str = "02";
    let peer = format!("0100007F:{:04X}", address.port());
    let list = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[2] == peer && [ESTABLISHED, SYN_SENT].contains(&row[3])).count()
}

/// Whether the alarm that the device is away stands.
fn told(status: &Status) -> bool {
    status.alarms.iter().any(|alarm| alarm.id == "A10" && alarm.element == "dam.rtu" && alarm.active)
}

async fn held_and_freed(full: Full) {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let turnstile = Turnstile::before(site.device.address, full).await;
    let mut config = site::config_at(turnstile.address, Mode::Manual);
    let mut field = (*config.field).clone();
    field.links[0].timeout_s = 0.2;
    config.field = Arc::new(field);
    let mut basin = (*config.basin).clone();
    basin.meters.iter_mut().for_each(|meter| meter.hold_s = 60.0);
    config.basin = Arc::new(basin);
    // Held from the start, and again in the middle.
    turnstile.hold();
    let bench = Bench::start(folder.options(config, 120.0)).await;
    for _ in 0..2 {
        let bad = |status: &Status| status.image[..3].iter().all(|reading| reading.quality == Quality::Bad);
        let status = bench.until("bad and told", |status| bad(status) && told(status)).await;
        assert_eq!(status.image[0].usable(), None);
        assert_eq!(status.image[0].reason, Some(Reason::CommError), "{full:?}");
        let came = turnstile.arrivals();
        // A link that had answered counts as up until its next connection has been mute for three requests.
        while !bench.page.get("/metrics").await.1.contains("qindan_link_up{link=\"dam\"} 0\n") {
            let tick = status.tick + 1;
            bench.until("the next picture", |status| status.tick > tick).await;
        }
        // A minute of service time later we have tried again, and nothing else has changed.
        let later = status.mono + Duration::from_secs(60);
        let status = bench.until("a minute", |status| status.mono > later).await;
        assert!(told(&status) && bad(&status));
        assert!(full == Full::Refused || turnstile.arrivals() >= came);
        turnstile.free();
        let well = |status: &Status| status.image[..4].iter().all(|r| r.quality == Quality::Good);
        bench.until("well again", |status| well(status) && !told(status)).await;
        turnstile.hold();
    }
    bench.end().await;
    let open = turnstile.open.lock().unwrap().clone();
    assert!(open.len() >= 2 && open.iter().all(|open| *open <= 1), "{full:?}: {open:?} open at once");
    assert_eq!(site.device.writes(), Vec::new());
    folder.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_held_by_a_dead_peer_is_waited_for_with_one_connection_at_a_time() {
    futures_util::future::join_all([Full::Refused, Full::Closed, Full::Unanswered].map(held_and_freed)).await;
}
