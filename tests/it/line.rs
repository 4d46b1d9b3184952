//! A serial line behind a serial server: RTU frames, no transaction ids, every register holds its own address.

use std::net::SocketAddr;
use std::time::Duration;

use qindan::points::{ClassId, Element, Point, Role, SerialLine, Transport};
use qindan::shell::clock::Clock;
use qindan::shell::field::engine::{Access, Endpoint, Engine};
use qindan::shell::field::error::FieldError;
use qindan::shell::field::{self, plan};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_modbus::{Request, Response};

use crate::modbus::{boxes_at, until, value};
use crate::vectors::crc;

const UNIT: u8 = 0x11;
/// Registers of every read here: all replies have one length, the worst case for a line.
const COUNT: u16 = 4;
const TIMEOUT: Duration = Duration::from_millis(40);
/// Reads after the one that is hit.
const FOLLOWING: u16 = 50;

/// A frame with its check behind it.
fn checked(mut frame: Vec<u8>) -> Vec<u8> {
    let sum = crc(&frame);
    frame.extend(sum);
    frame
}

/// The right reply to a request frame without its check.
fn right(request: &[u8]) -> Vec<u8> {
    let word = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
    let mut reply = request[..2].to_vec();
    match request[1] {
        3 | 4 => {
            reply.push(u8::try_from(2 * word(4)).unwrap());
            reply.extend((0..word(4)).flat_map(|i| (word(2) + i).to_be_bytes()));
        }
        _ => reply.extend(&request[2..6]),
    }
    checked(reply)
}

/// What a line does on a request: pieces of bytes, each after a pause.
type Pieces = Vec<(Duration, Vec<u8>)>;

fn now(bytes: Vec<u8>) -> Pieces {
    vec![(Duration::ZERO, bytes)]
}

fn after(ms: u64, bytes: Vec<u8>) -> Pieces {
    vec![(Duration::from_millis(ms), bytes)]
}

/// A line whose units answer in order, each request when the one before is answered, as `behaviour` says for the
/// `n`-th request (from 0) and its frame without check.
async fn line(mut behaviour: impl FnMut(usize, &[u8]) -> Pieces + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let mut head = [0_u8; 8];
            while stream.read_exact(&mut head).await.is_ok() {
                let mut frame = head.to_vec();
                if head[1] == 16 {
                    let mut rest = vec![0; 1 + usize::from(head[6])];
                    if stream.read_exact(&mut rest).await.is_err() {
                        break;
                    }
                    frame.extend(rest);
                }
                frame.truncate(frame.len() - 2);
                let pieces = behaviour(number, &frame);
                number += 1;
                for (pause, bytes) in pieces {
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    if stream.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
            }
        }
    });
    address
}

fn engine(address: SocketAddr, line: SerialLine) -> Engine {
    let endpoint = Endpoint {
        transport: Transport::RtuOverTcp { address, line: SerialLine { baud: 460_800, ..line } },
        connect_timeout: Duration::from_secs(5),
        timeout: TIMEOUT,
        gap: Duration::ZERO,
        window: 1,
        access: Access::Command,
        aliases: Box::default(),
    };
    Engine::new(endpoint, Clock::real())
}

/// Right, wrong and failed answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    right: u32,
    wrong: u32,
    errors: u32,
}

/// One read that is hit, then many of other addresses.
async fn tally(engine: &mut Engine) -> Tally {
    let mut tally = Tally::default();
    for number in 0..=FOLLOWING {
        let at = 10 * number;
        if !engine.is_connected() {
            engine.connect().await.unwrap();
        }
        match engine.request(UNIT, &Request::ReadHoldingRegisters(at, COUNT)).await {
            Ok(Response::ReadHoldingRegisters(words)) if words == [at, at + 1, at + 2, at + 3] => {
                tally.right += 1;
            }
            Ok(_) => tally.wrong += 1,
            Err(_) => tally.errors += 1,
        }
    }
    tally
}

/// What a fault does with the first request.
type FirstReply = fn(&[u8]) -> Pieces;

/// What is not here: a unit that sends its reply a second time by itself while the next request is already out. A line has
/// no transaction ids, so no master can tell that reply from the one it waits for when both have one length.
fn faults() -> Vec<(&'static str, FirstReply)> {
    vec![
        ("reply late by half the time-out", |request| after(60, right(request))),
        ("reply late by more than the quarantine", |request| after(150, right(request))),
        ("reply lost", |_| Vec::new()),
        ("reply of another unit first", |request| {
            let other = [&[0x12], &request[1..]].concat();
            now([right(&other), right(request)].concat())
        }),
        ("one register too few", |request| {
            let mut short = request.to_vec();
            short[5] -= 1;
            now(right(&short))
        }),
        ("one register too many", |request| {
            let mut long = request.to_vec();
            long[5] += 1;
            now(right(&long))
        }),
        ("a flipped bit", |request| {
            let mut reply = right(request);
            reply[4] ^= 0x10;
            now(reply)
        }),
        ("cut in the middle", |request| now(right(request)[..7].to_vec())),
        ("noise before", |request| now([vec![0xFF, 0x11, 0x03, 0x08, 0x00], right(request)].concat())),
        ("noise after", |request| now([right(request), vec![0x11, 0x03, 0x08]].concat())),
        ("reply twice", |request| now([right(request), right(request)].concat())),
        ("byte by byte", |request| {
            right(request).into_iter().map(|byte| (Duration::ZERO, vec![byte])).collect()
        }),
        ("exception 2", |request| now(checked(vec![request[0], request[1] | 0x80, 2]))),
        ("exception late", |request| after(60, checked(vec![request[0], request[1] | 0x80, 6]))),
        ("the request comes back first", |request| now([checked(request.to_vec()), right(request)].concat())),
        ("forty bytes of noise", |_| now((0..40_u8).map(|i| 0x11 ^ i.wrapping_mul(7)).collect())),
    ]
}

/// The matrix: for each single fault 51 reads, none wrong, at most the one that was hit and one more failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_single_fault_of_a_line_gives_a_wrong_value() {
    println!("{:<42} right wrong errors", "fault, RTU over TCP");
    for (name, first) in faults() {
        let address =
            line(move |number, frame| if number == 0 { first(frame) } else { now(right(frame)) }).await;
        let mut engine = engine(address, SerialLine::default());
        let tally = tally(&mut engine).await;
        println!("{name:<42} {:>5} {:>5} {:>6}", tally.right, tally.wrong, tally.errors);
        assert_eq!(tally.wrong, 0, "{name}");
        assert!(tally.errors <= 2, "{name}: {tally:?}");
    }
}

#[tokio::test]
async fn a_late_reply_ends_its_quarantine_in_peace_and_a_canary_goes_first() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&seen);
    let address = line(move |number, frame| {
        log.lock().unwrap().push(u16::from_be_bytes([frame[4], frame[5]]));
        if number == 0 { Vec::new() } else { now(right(frame)) }
    })
    .await;
    let mut engine = engine(address, SerialLine::default());
    engine.connect().await.unwrap();
    let ask = Request::ReadHoldingRegisters(100, COUNT);
    assert!(matches!(engine.request(UNIT, &ask).await, Err(FieldError::Silent { .. })));
    assert!(engine.request(UNIT, &ask).await.is_ok());
    assert!(engine.request(UNIT, &ask).await.is_ok());
    // The lost one, a read of another length, then those asked for.
    assert_eq!(*seen.lock().unwrap(), [4, 3, 4, 4]);
    assert_eq!(engine.counters().canaries, 1);
}

#[tokio::test]
async fn an_echoing_line_confirms_no_write() {
    // The adapter hears itself; the unit refuses.
    let address =
        line(|_, frame| now([checked(frame.to_vec()), checked(vec![frame[0], frame[1] | 0x80, 4])].concat()))
            .await;
    let mut engine = engine(address, SerialLine { echo: true, ..SerialLine::default() });
    engine.connect().await.unwrap();
    let answer = engine.request(UNIT, &Request::WriteSingleRegister(20, 300)).await;
    assert!(matches!(answer, Err(FieldError::Refused { code: 4, .. })), "{answer:?}");
}

/// Field notes, 4.2: every single flipped bit of a 45-byte reply, and cuts at every length.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_damaged_reply_gives_a_value() {
    // 20 registers are 45 bytes.
    let mut tasks = tokio::task::JoinSet::new();
    for bit in 0..45 * 8_usize {
        tasks.spawn(async move {
            let address = line(move |number, frame| {
                let mut reply = right(frame);
                if number == 0 {
                    reply[bit / 8] ^= 1 << (bit % 8);
                }
                now(reply)
            })
            .await;
            let mut engine = engine(address, SerialLine::default());
            engine.connect().await.unwrap();
            let ask = Request::ReadHoldingRegisters(7, 20);
            let damaged = engine.request(UNIT, &ask).await;
            let sound = engine.request(UNIT, &Request::ReadHoldingRegisters(300, 20)).await;
            (damaged.is_ok(), matches!(sound, Ok(Response::ReadHoldingRegisters(words)) if words[0] == 300))
        });
    }
    while let Some(done) = tasks.join_next().await {
        let (accepted, recovered) = done.unwrap();
        assert!(!accepted && recovered, "accepted {accepted}, recovered {recovered}");
    }
}

/// At 19 200 baud a gap of 40 registers is not worth reading along while units are taken to answer within 20 ms, and is
/// when they are found to take 50. The plan is made anew once that has been measured, and what was read stays true.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_is_planned_anew_with_what_its_units_were_measured_to_take() {
    const SLOW: u64 = 50;
    const GAP: u16 = 40;
    let counts = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let asked = std::sync::Arc::clone(&counts);
    let address = line(move |_, frame| {
        asked.lock().unwrap().push(u16::from_be_bytes([frame[4], frame[5]]));
        after(SLOW, right(frame))
    })
    .await;
    let line = SerialLine { baud: 19_200, ..SerialLine::default() };
    let transport = Transport::RtuOverTcp { address, line };
    let least = plan::break_even(&transport, Duration::from_millis(SLOW - 10));
    assert!(plan::break_even(&transport, plan::TURNAROUND) < GAP && GAP <= least);
    let mut field = boxes_at(address, 1);
    field.links[0].transport = transport;
    field.links[0].timeout_s = 2.0;
    field.devices[0].max_gap = None;
    field.classes[0].period_s = 0.01;
    let only = |address: u16| Point {
        address,
        class: Some(ClassId(0)),
        element: Element::None,
        role: Role::Other,
        ..field.points[0].clone()
    };
    field.points = vec![only(100), only(101 + GAP)];
    field.wiring.gates.clear();
    let handle = field::start(std::sync::Arc::new(field), Clock::real(), Access::Observe);
    until(&handle, |_| counts.lock().unwrap().contains(&(GAP + 2)).then_some(())).await;
    let first: Vec<_> = counts.lock().unwrap().iter().copied().take_while(|count| *count == 1).collect();
    assert!(first.len() >= 32, "planned anew after {} answers", first.len());
    let replies = handle.health()[0].counters.replies;
    until(&handle, |handle| (handle.health()[0].counters.replies > replies + 2).then_some(())).await;
    assert!(counts.lock().unwrap()[first.len()..].iter().all(|count| *count == GAP + 2));
    assert_eq!((value(&handle, 0), value(&handle, 1)), (Some(100.0), Some(f64::from(101 + GAP))));
    assert_eq!(handle.health()[0].counters.connects, 1);
}
