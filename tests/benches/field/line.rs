//! A serial line at 9600 baud in its own time: what is sent is heard when its last character has passed, a unit answers
//! after its silence and its turnaround, the reply takes its time too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use qindan::points::{DataType, Field, Link, ScanClass, SerialLine, Transport, Wiring};
use qindan::shell::clock::Clock;
use qindan::shell::field;
use qindan::shell::field::engine::{Access, Endpoint, Engine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::Request;

use crate::measure::COUNT;
use crate::ours::{device, point};

const BAUD: u32 = 9600;
/// A unit thinks for so long.
const TURNAROUND: Duration = Duration::from_millis(5);
const SECONDS: u64 = 10;
/// The master waits for so long.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Units of the shared line; the last is the one that dies.
const UNITS: u8 = 31;

/// Time of `characters` of eleven bits.
fn wire(characters: f64) -> Duration {
    Duration::from_secs_f64(characters * 11.0 / f64::from(BAUD))
}

/// Waits to the microsecond: the timer counts in milliseconds.
async fn at(moment: Instant) {
    tokio::time::sleep_until(moment.checked_sub(Duration::from_millis(2)).unwrap_or(moment).into()).await;
    while Instant::now() < moment {
        tokio::task::yield_now().await;
    }
}

/// CRC of the serial line specification.
fn checked(mut frame: Vec<u8>) -> Vec<u8> {
    let step = |crc: u16| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
    let sum =
        frame.iter().fold(0xFFFF_u16, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), |crc, _| step(crc)));
    frame.extend(sum.to_le_bytes());
    frame
}

/// What the units of a line share with who watches it.
#[derive(Default)]
struct Line {
    /// The unit that says nothing; 0 for none.
    dead: AtomicU8,
    /// Reads answered by all but [`UNITS`].
    answered: AtomicU64,
    /// Reads the dead one was asked for.
    in_vain: AtomicU64,
}

async fn units(mut stream: TcpStream, line: Arc<Line>) {
    stream.set_nodelay(true).unwrap();
    let mut request = [0_u8; 8];
    while stream.read_exact(&mut request).await.is_ok() {
        if request[0] == line.dead.load(Relaxed) {
            line.in_vain.fetch_add(1, Relaxed);
            continue;
        }
        let count = u16::from_be_bytes([request[4], request[5]]);
        let mut reply = vec![request[0], request[1], u8::try_from(2 * count).unwrap()];
        reply.extend((0..count).flat_map(u16::to_be_bytes));
        let reply = checked(reply);
        let silence = wire(3.5);
        at(Instant::now() + wire(8.0) + silence + TURNAROUND + wire(reply.len() as f64)).await;
        if stream.write_all(&reply).await.is_err() {
            return;
        }
        line.answered.fetch_add(u64::from(request[0] != UNITS), Relaxed);
    }
}

/// Serves such a line on a port of its own, one connection after the other.
async fn served() -> (Arc<Line>, Transport) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let line = Arc::new(Line::default());
    let kept = Arc::clone(&line);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            units(stream, Arc::clone(&kept)).await;
        }
    });
    let line_of = SerialLine { baud: BAUD, ..SerialLine::default() };
    (line, Transport::RtuOverTcp { address, line: line_of })
}

/// Reads of 20 registers a second over such a line, and what the line allows.
pub(crate) async fn rate() -> (f64, f64) {
    let (_line, transport) = served().await;
    let endpoint = Endpoint {
        transport,
        connect_timeout: Duration::from_secs(5),
        timeout: TIMEOUT,
        gap: Duration::ZERO,
        window: 1,
        access: Access::Observe,
        aliases: Box::default(),
    };
    let mut engine = Engine::new(endpoint, Clock::real());
    engine.connect().await.unwrap();
    let (begin, mut reads) = (Instant::now(), 0_u32);
    while begin.elapsed() < Duration::from_secs(SECONDS) {
        engine.request(1, &Request::ReadHoldingRegisters(0, COUNT)).await.unwrap();
        reads += 1;
    }
    let transaction = wire(8.0 + 5.0 + 2.0 * f64::from(COUNT)) + wire(7.0) + TURNAROUND;
    (f64::from(reads) / begin.elapsed().as_secs_f64(), 1.0 / transaction.as_secs_f64())
}

/// Reads a second of thirty units that share a line with one more.
pub(crate) struct Shared {
    /// While that one answers as they do.
    pub(crate) alive: f64,
    /// In the first minute after it has died.
    pub(crate) first_minute: f64,
    /// In the minute after that.
    pub(crate) second_minute: f64,
    /// Reads the dead one was asked for in the first and in the second minute.
    pub(crate) in_vain: [u64; 2],
}

/// The link task over thirty-one units, each with one block that is always due.
pub(crate) async fn with_one_dead() -> Shared {
    let (line, transport) = served().await;
    let handle = field::start(Arc::new(always_due(transport)), Clock::real(), Access::Observe);
    let rate = async |seconds: u64| {
        let (begin, before) = (Instant::now(), line.answered.load(Relaxed));
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        (line.answered.load(Relaxed) - before) as f64 / begin.elapsed().as_secs_f64()
    };
    rate(5).await;
    let alive = rate(30).await;
    line.dead.store(UNITS, Relaxed);
    let first_minute = rate(60).await;
    let first = line.in_vain.load(Relaxed);
    let second_minute = rate(60).await;
    let second = line.in_vain.load(Relaxed) - first;
    handle.shutdown().await;
    Shared { alive, first_minute, second_minute, in_vain: [first, second] }
}

/// A field of one link: a scan of all its units takes longer than their period.
fn always_due(transport: Transport) -> Field {
    let units = 0..usize::from(UNITS);
    Field {
        links: vec![Link {
            id: "line".into(),
            transport,
            timeout_s: TIMEOUT.as_secs_f64(),
            connect_timeout_s: 5.0,
            window: 1,
            gap_s: 0.0,
        }],
        devices: (1..=UNITS).map(|unit| device(usize::from(unit - 1), 0, unit)).collect(),
        points: units.flat_map(|at| (0..COUNT).map(move |a| point(at, a, DataType::U16))).collect(),
        classes: vec![ScanClass::new("all", 1.0)],
        derived: Vec::new(),
        wiring: Wiring::default(),
    }
}
