//! A serial line at 9600 baud in its own time: what is sent is heard when its last character has passed, a unit answers
//! after its silence and its turnaround, the reply takes its time too.

use std::time::{Duration, Instant};

use qindan::points::{SerialLine, Transport};
use qindan::shell::clock::Clock;
use qindan::shell::field::engine::{Access, Endpoint, Engine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::Request;

use crate::measure::COUNT;

const BAUD: u32 = 9600;
/// A unit thinks for so long.
const TURNAROUND: Duration = Duration::from_millis(5);
const SECONDS: u64 = 10;

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

async fn unit(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut request = [0_u8; 8];
    while stream.read_exact(&mut request).await.is_ok() {
        let count = u16::from_be_bytes([request[4], request[5]]);
        let mut reply = vec![request[0], request[1], u8::try_from(2 * count).unwrap()];
        reply.extend((0..count).flat_map(u16::to_be_bytes));
        let reply = checked(reply);
        let silence = wire(3.5);
        at(Instant::now() + wire(8.0) + silence + TURNAROUND + wire(reply.len() as f64)).await;
        if stream.write_all(&reply).await.is_err() {
            return;
        }
    }
}

/// Reads of 20 registers a second over such a line, and what the line allows.
pub(crate) async fn rate() -> (f64, f64) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        unit(stream).await;
    });
    let endpoint = Endpoint {
        transport: Transport::RtuOverTcp {
            address,
            line: SerialLine { baud: BAUD, ..SerialLine::default() },
        },
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_millis(500),
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
