//! A network that loses a third of what it carries, takes half a second and overtakes itself: polls are slower, and
//! nothing is commanded that a good one would not have brought.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use qindan::control::command::{Action, CommandId, Terminal};
use qindan::control::operator::Mode;
use qindan::control::record::Kind;
use qindan::control::status::Status;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::running::{Bench, Folder, ended};
use crate::site::{self, Drive, Site};

const SEED: u64 = 19;
/// Services at the same time: of one the only write may be among the lost.
const SERVICES: u64 = 6;
/// Service seconds in a real one.
const SPEED: f64 = 30.0;
/// Of a hundred frames so many are lost each way; of the replies asked for 30 in 100 never come.
const LOST_PERCENT: u8 = 16;
/// Half a second there and back, at least; the rest of it by chance, so that replies overtake each other.
const DELAY: Duration = Duration::from_millis(500);
const SPREAD: Duration = Duration::from_millis(250);

/// What the network has done.
#[derive(Debug, Default)]
struct Done {
    carried: AtomicU64,
    lost: AtomicU64,
    overtaken: AtomicU64,
}

/// A network between a link and its device.
async fn network(device: SocketAddr, seed: u64) -> (SocketAddr, Arc<Done>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let done = Arc::<Done>::default();
    let told = Arc::clone(&done);
    let rng = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(device).await.unwrap();
            for stream in [&near, &far] {
                stream.set_nodelay(true).unwrap();
            }
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            let still = [Duration::ZERO; 2];
            tokio::spawn(carry(near_in, far_out, still, Arc::clone(&rng), Arc::clone(&told)));
            tokio::spawn(carry(far_in, near_out, [DELAY, SPREAD], Arc::clone(&rng), Arc::clone(&told)));
        }
    });
    (address, done)
}

/// Carries frames one way, each by itself: after the first of the delays, and a part of the second by chance.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    [least, spread]: [Duration; 2],
    rng: Arc<Mutex<fastrand::Rng>>,
    done: Arc<Done>,
) {
    let (out, mut frames) = mpsc::unbounded_channel::<(u64, Vec<u8>)>();
    let told = Arc::clone(&done);
    tokio::spawn(async move {
        let mut newest = 0;
        while let Some((number, frame)) = frames.recv().await {
            told.overtaken.fetch_add(u64::from(number < newest), Ordering::Relaxed);
            newest = newest.max(number);
            if to.write_all(&frame).await.is_err() {
                break;
            }
        }
    });
    let mut number = 0;
    let mut head = [0_u8; 6];
    while from.read_exact(&mut head).await.is_ok() {
        let mut rest = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]]))];
        if from.read_exact(&mut rest).await.is_err() {
            break;
        }
        let (lost, share) = {
            let mut rng = rng.lock().unwrap();
            (rng.u8(0..100) < LOST_PERCENT, rng.f64())
        };
        number += 1;
        done.carried.fetch_add(1, Ordering::Relaxed);
        if lost {
            done.lost.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let wait = least + spread.mul_f64(share);
        let (out, frame) = (out.clone(), [&head[..], &rest].concat());
        tokio::spawn(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            // The other side may have closed meanwhile.
            let _ = out.send((number, frame));
        });
    }
}

/// No number of the river is another one's.
fn is_true(status: &Status) -> bool {
    let shows =
        |at: usize, value: f64| status.image[at].value.is_none_or(|shown: f64| (shown - value).abs() < 1e-6);
    shows(usize::from(site::FORD), 1.8) && shows(usize::from(site::LAKE), 742.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_slows_the_polls_and_gives_no_false_command() {
    println!("seeds {:?}", SEED..SEED + SERVICES);
    let told = futures_util::future::join_all((SEED..SEED + SERVICES).map(behind_a_bad_network)).await;
    for (_, told) in &told {
        println!("{told}");
    }
    assert!(told.iter().any(|(written, _)| *written > 0), "no write has come through");
}

/// Gives the number of writes that came through, and what happened, in words.
async fn behind_a_bad_network(seed: u64) -> (usize, String) {
    let folder = Folder::new();
    // 14 % pass less than the floor: there is something to command.
    let site = Site::start(14.0, Drive::Quick, &folder.journal()).await;
    let (address, done) = network(site.device.address, seed).await;
    let mut config = site::config_at(address, Mode::Automatic);
    let mut field = (*config.field).clone();
    field.links[0].timeout_s = 1.0;
    field.links[0].window = 4;
    // Each value by itself: many requests, several of them on their way.
    field.devices[0].max_gap = Some(0);
    field.devices[0].max_block = 3;
    config.field = Arc::new(field);
    let bench = Bench::start(folder.options(config, SPEED)).await;
    let mut all_true = true;
    let enough = || {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        of(&done.lost) >= 4 && of(&done.overtaken) >= 1
    };
    let first = bench.until("the first tick", |status| status.tick > 0).await;
    let long = first.mono + Duration::from_secs(150);
    let status = bench
        .until("a command was verified, or had its time, behind a bad network", |status| {
            all_true &= is_true(status);
            let verified = ended(status, &Terminal::Verified);
            enough() && (verified || status.mono > long)
        })
        .await;
    assert!(all_true, "a value of another register was taken for its own");
    let (_, metrics) = bench.page.get("/metrics").await;
    bench.end().await;
    let ends: Vec<_> = status.why.iter().filter_map(|why| why.outcome.clone()).collect();
    let (ticks, passed) = (status.tick - first.tick, status.mono.saturating_sub(first.mono).as_secs_f64());
    let told = format!("seed {seed}: {done:?}, {ticks} ticks in {passed:.0} s of service, {ends:?}");

    // The cycle does not wait for the network: a tick a second, but for those a busy machine left out. One that waited for
    // each poll would come to a tick in thirty.
    assert!(ticks as f64 >= 0.4 * passed, "{told}");
    let late = metrics.lines().find_map(|row| row.strip_prefix("qindan_link_timeouts_total{link=\"dam\"} "));
    assert!(late.unwrap().parse::<u64>().unwrap() > 0, "{metrics}");

    // Every write was decided, recorded first, and arrived at most once.
    let written = site.written();
    assert!(written.iter().all(|write| write.recorded), "{written:?}");
    let sequences: BTreeSet<_> = written.iter().map(|write| write.sequence).collect();
    assert_eq!(sequences.len(), written.len(), "{written:?}");
    let intents = folder.of_kind(Kind::Intent);
    for write in &written {
        let of = intents.iter().find(|i| i.command.map(CommandId::register) == Some(write.sequence)).unwrap();
        let Some(Action::Goto(to)) = of.action else { panic!("{of:?}") };
        assert_eq!(write.target, site::hundredths(to.percent()), "{of:?}");
        // Nothing asks for less water than flows, nor for twice the floor.
        assert!((site::hundredths(14.0)..=site::hundredths(32.0)).contains(&write.target), "{of:?}");
    }
    folder.verify();
    (written.len(), told)
}
