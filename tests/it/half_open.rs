//! A peer that vanishes: its packets are dropped, and neither end hears of it. Loopback answers every close with a FIN
//! or a reset, so the far end of the cable here has a packet filter on its sockets that lets nothing in; what we send is
//! never acknowledged, and connecting anew gets no answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use qindan::control::command::WriteResult;
use qindan::control::grade::Grader;
use qindan::control::quality::Quality;
use qindan::points::Field;
use qindan::shell::clock::Clock;
use qindan::shell::field::engine::{Endpoint, Engine};
use qindan::shell::field::error::FieldError;
use qindan::shell::field::health::LinkState;
use qindan::shell::field::{self, Access, FieldHandle};
use socket2::{SockFilter, Socket};
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::Request;

use crate::engine::endpoint_at;
use crate::modbus::{TARGET, basin, boxes_at, first_report, half, link, order, peer, until, value};

/// Response time-out of the link.
const TIMEOUT: Duration = Duration::from_millis(200);
/// Time-out of an attempt to connect.
const CONNECT: Duration = Duration::from_millis(500);

/// The age of the last valid reply at which the link must be told down, when it is read every `period`: three requests in
/// a row go without an answer, one attempt to connect fails. Source: the runbook, "When something is wrong".
fn down_after(period: Duration) -> Duration {
    3 * period.max(TIMEOUT) + TIMEOUT + CONNECT
}

/// What a machine busy with other tests may add.
const BUSY: Duration = Duration::from_millis(1500);

/// A cable to a device that can be pulled and put back.
pub(crate) struct Cable {
    pub(crate) address: SocketAddr,
    /// The listener and all connections accepted so far.
    near: Arc<Mutex<Vec<Socket>>>,
    /// When they were accepted, by the clock given.
    came: Arc<Mutex<Vec<Duration>>>,
}

impl Cable {
    async fn to(device: SocketAddr) -> Self {
        Self::timed(device, Clock::real()).await
    }

    pub(crate) async fn timed(device: SocketAddr, clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let near = Arc::new(Mutex::new(vec![twin(&listener)]));
        let came: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let (kept, times) = (Arc::clone(&near), Arc::clone(&came));
        tokio::spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                here.set_nodelay(true).unwrap();
                kept.lock().unwrap().push(twin(&here));
                times.lock().unwrap().push(clock.mono());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(device).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut here, &mut far).await;
                });
            }
        });
        Self { address, near, came }
    }

    /// From now on every packet to the far end is lost.
    pub(crate) fn pull(&self) {
        // BPF_RET | BPF_K: keep 0 bytes of every packet.
        let nothing = [SockFilter::new(0x06, 0, 0, 0)];
        self.near.lock().unwrap().iter().for_each(|socket| socket.attach_filter(&nothing).unwrap());
    }

    pub(crate) fn put_back(&self) {
        self.near.lock().unwrap().iter().for_each(|socket| socket.detach_filter().unwrap());
    }

    /// When connections came, by the clock of the cable.
    pub(crate) fn arrivals(&self) -> Vec<Duration> {
        self.came.lock().unwrap().clone()
    }
}

/// Another handle to the same socket.
fn twin(socket: &impl std::os::fd::AsFd) -> Socket {
    Socket::from(socket.as_fd().try_clone_to_owned().unwrap())
}

fn field_at(address: SocketAddr, period: Duration) -> Field {
    let mut field = boxes_at(address, 1);
    field.links[0].timeout_s = TIMEOUT.as_secs_f64();
    field.links[0].connect_timeout_s = CONNECT.as_secs_f64();
    field.classes[0].period_s = period.as_secs_f64();
    field
}

fn last_good(handle: &FieldHandle) -> Duration {
    handle.freeze()[0].good.unwrap().1
}

/// Waits until the link is told down, and gives the age of the last valid reply at that moment.
async fn age_when_down(handle: &FieldHandle, clock: &Clock) -> Duration {
    until(handle, |handle| (link(handle).state == LinkState::Down).then_some(())).await;
    let age = link(handle).since.saturating_sub(last_good(handle));
    assert!(clock.now().mono >= link(handle).since);
    age
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_vanishes_is_told_down_by_the_age_of_its_last_reply_and_found_again() {
    // Read more often than the time-out, and less often.
    let periods = [100, 1000].map(|ms| vanishes_and_returns(Duration::from_millis(ms)));
    for ages in futures_util::future::join_all(periods).await {
        println!("{ages:?}");
    }
}

/// Three times; gives the ages at which it was told, and their bound.
async fn vanishes_and_returns(period: Duration) -> ([Duration; 3], Duration) {
    let (mut ages, bound) = ([Duration::ZERO; 3], down_after(period));
    let (device, _bank) = peer(|_, _| None).await;
    let cable = Cable::to(device.address).await;
    let clock = Clock::real();
    let field = Arc::new(field_at(cable.address, period));
    let mut grader = Grader::new(&basin(), &field);
    let mut readings = Vec::new();
    let mut grade = |handle: &FieldHandle, now: Duration| {
        grader.grade(&handle.freeze(), now, &mut readings);
        readings[0].quality
    };
    let handle = field::start(Arc::clone(&field), clock.clone(), Access::Command);
    for told in &mut ages {
        let before = link(&handle).counters;
        until(&handle, |handle| (link(handle).counters.replies > before.replies + 1).then_some(())).await;
        until(&handle, |handle| (link(handle).state == LinkState::Up).then_some(())).await;
        assert_eq!(grade(&handle, clock.now().mono), Quality::Good);

        cable.pull();
        let age = age_when_down(&handle, &clock).await;
        assert!(age <= bound + BUSY, "{age:?} for {period:?}");
        *told = age;
        let error = link(&handle).last_error.unwrap();
        assert!(error.contains("no connection within"), "{error}");
        // Three scans old: a number with its age. Older than its hold time, 300 s for what belongs to no meter: none.
        let seen = last_good(&handle);
        assert_eq!(grade(&handle, seen + period * 3 + Duration::from_millis(1)), Quality::Stale);
        assert_eq!(grade(&handle, seen + Duration::from_secs(301)), Quality::Bad);
        assert_eq!(value(&handle, 0), None, "the newest attempt gave no value");

        cable.put_back();
        until(&handle, |handle| value(handle, 0)).await;
        until(&handle, |handle| (link(handle).state == LinkState::Up).then_some(())).await;
    }
    assert_eq!(device.writes(), Vec::new());
    (ages, bound)
}

/// The cable is pulled between the look at the device and the order: the kernel takes the order and gets no
/// acknowledgement. When we have given up the connection, the kernel must not deliver it after all, and nobody repeats it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_into_a_dead_connection_is_unknown_and_never_arrives_later() {
    let pulled: Arc<Mutex<Option<Cable>>> = Arc::default();
    let cable = Arc::clone(&pulled);
    let (device, bank) = peer(move |query, _| {
        // Scans read more than the target alone.
        if query.address() == TARGET && query.count() == 1 {
            cable.lock().unwrap().iter().for_each(Cable::pull);
        }
        None
    })
    .await;
    let cable = Cable::to(device.address).await;
    let address = cable.address;
    *pulled.lock().unwrap() = Some(cable);
    let clock = Clock::real();
    let handle =
        field::start(Arc::new(field_at(address, Duration::from_millis(100))), clock.clone(), Access::Command);
    until(&handle, |handle| value(handle, 0)).await;
    handle.send(order(half()));
    assert_eq!(first_report(&handle).await, WriteResult::Unknown);
    age_when_down(&handle, &clock).await;
    assert_eq!(link(&handle).counters.writes, 1);
    pulled.lock().unwrap().take().unwrap().put_back();
    assert_eq!(first_report(&handle).await, WriteResult::NotDone);
    // The kernel repeats a segment after 0.2, 0.4, 0.8 s ..., and keeps it for three time-outs: 0.6 s. In the time of
    // thirty more replies, one each 0.1 s, it would have come.
    let replies = link(&handle).counters.replies;
    until(&handle, |handle| (link(handle).counters.replies > replies + 30).then_some(())).await;
    assert_eq!(device.writes(), Vec::new(), "the order came after it had been given up");
    assert_ne!(bank.lock().unwrap().get(1, TARGET), 300);
    assert_eq!(link(&handle).counters.writes, 1);
}

/// A request is given up before the kernel gives its connection up. The kernel would go on repeating what it holds, after
/// 0.2, 0.6 and 1.4 s, and deliver it when the cable is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_given_up_delivers_nothing_any_more() {
    let (device, _bank) = peer(|_, _| None).await;
    let cable = Cable::to(device.address).await;
    let second = Duration::from_secs(1);
    let endpoint =
        Endpoint { timeout: second, gap: Duration::from_millis(100), ..endpoint_at(cable.address) };
    let mut engine = Engine::new(endpoint, Clock::real());
    engine.connect().await.unwrap();
    let ask = Request::ReadHoldingRegisters(0, 1);
    engine.request(1, &ask).await.unwrap();
    cable.pull();
    let lost = engine.request(1, &Request::WriteSingleRegister(TARGET, 300)).await;
    assert!(matches!(lost, Err(FieldError::Silent { .. })), "{lost:?}");
    engine.close("given up");
    cable.put_back();
    engine.connect().await.unwrap();
    // Two seconds, in the gaps of the engine.
    for _ in 0..20 {
        engine.request(1, &ask).await.unwrap();
    }
    assert_eq!(device.writes(), Vec::new(), "the write came after it had been given up");
}
