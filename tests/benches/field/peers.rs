//! Libraries read with as little around them as possible: a task per device, two reads per poll, nothing decoded.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_modbus::client::{Context, Reader, tcp};
use tokio_modbus::slave::{Slave, SlaveContext};
use voltage_modbus::protocol::{ModbusFunction, ModbusRequest};
use voltage_modbus::{ModbusClient, ModbusTcpClient};

use crate::measure::{COUNT, Figures, STARTS, Stopwatch, Tally, Task, WARM_UP, percentiles, rss_kb};

/// Longest wait for a reply.
const TIMEOUT: Duration = Duration::from_secs(5);

/// One connection of a library.
pub(crate) trait Peer: Sized + Send + 'static {
    fn connect(address: SocketAddr) -> impl Future<Output = Self> + Send;

    /// Whether a read of 20 holding registers gave 20.
    fn read(&mut self, unit: u8, start: u16) -> impl Future<Output = bool> + Send;

    /// Both blocks of all units; gives how many reads failed.
    fn scan(&mut self, units: u8, _window: u8) -> impl Future<Output = u64> + Send {
        one_by_one(self, units)
    }
}

async fn one_by_one<P: Peer>(peer: &mut P, units: u8) -> u64 {
    let mut failed = 0;
    for (unit, start) in reads(units) {
        failed += u64::from(!peer.read(unit, start).await);
    }
    failed
}

fn reads(units: u8) -> impl Iterator<Item = (u8, u16)> + Send {
    (1..=units).flat_map(|unit| STARTS.map(|start| (unit, start)))
}

/// A stock context on a stream without delay.
pub(crate) struct TokioModbus(Context);

impl Peer for TokioModbus {
    async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(tcp::attach_slave(stream, Slave(1)))
    }

    async fn read(&mut self, unit: u8, start: u16) -> bool {
        self.0.set_slave(Slave(unit));
        let words = self.0.read_holding_registers(start, COUNT).await;
        words.is_ok_and(|words| words.is_ok_and(|words| words.len() == usize::from(COUNT)))
    }
}

pub(crate) struct Voltage(ModbusTcpClient);

impl Peer for Voltage {
    async fn connect(address: SocketAddr) -> Self {
        Self(ModbusTcpClient::from_address(&address.to_string(), TIMEOUT).await.unwrap())
    }

    async fn read(&mut self, unit: u8, start: u16) -> bool {
        let words = self.0.read_03(unit, start, COUNT).await;
        words.is_ok_and(|words| words.len() == usize::from(COUNT))
    }

    /// With a window in batches of that size, each sent at once and waited for as a whole.
    async fn scan(&mut self, units: u8, window: u8) -> u64 {
        if window == 1 {
            return one_by_one(self, units).await;
        }
        let function = ModbusFunction::ReadHoldingRegisters;
        let requests: Vec<_> =
            reads(units).map(|(unit, start)| ModbusRequest::new_read(unit, function, start, COUNT)).collect();
        let mut failed = 0;
        for batch in requests.chunks(usize::from(window)) {
            let replies = self.0.pipeline(batch.to_vec(), TIMEOUT).await.unwrap_or_default();
            failed += (batch.len() - replies.iter().filter(|reply| reply.is_ok()).count()) as u64;
        }
        failed
    }
}

/// Polls one connection for ever.
async fn poll<P: Peer>(mut peer: P, task: Task, mut due: Instant, tally: Arc<Tally>) {
    loop {
        if task.period_ms.is_some() {
            sleep_until(due).await;
        }
        let failed = peer.scan(task.units, task.window).await;
        tally.errors.fetch_add(failed, Ordering::Relaxed);
        tally.polls.fetch_add(u64::from(task.units), Ordering::Relaxed);
        let Some(period) = task.period() else { continue };
        tally.late.lock().unwrap().push(due.elapsed());
        due += period;
        while due.elapsed() > Duration::ZERO {
            due += period;
            tally.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(crate) async fn run<P: Peer>(task: Task) -> Figures {
    let tally = Arc::new(Tally::default());
    let rss_before_kb = rss_kb();
    let mut peers = Vec::with_capacity(task.links);
    for _ in 0..task.links {
        peers.push(P::connect(task.address).await);
    }
    let first = Instant::now() + Duration::from_millis(100);
    let step = match task.period() {
        Some(period) if task.spread => period / u32::try_from(task.links).unwrap(),
        Some(_) | None => Duration::ZERO,
    };
    let mut due = first;
    for peer in peers {
        tokio::spawn(poll(peer, task, due, Arc::clone(&tally)));
        due += step;
    }
    sleep(WARM_UP).await;
    drop(tally.take());
    let watch = Stopwatch::start();
    sleep(Duration::from_secs(task.seconds)).await;
    let (seconds, cpu_s) = watch.stop();
    let (polls, errors, skipped, late) = tally.take();
    let (late_p50_ms, late_p99_ms) = percentiles(late);
    let rss_kb = rss_kb();
    Figures { polls, seconds, cpu_s, rss_before_kb, rss_kb, late_p50_ms, late_p99_ms, skipped, errors }
}
