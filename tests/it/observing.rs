//! What leaves the process, byte for byte: observing, nothing that writes; commanding, the same eyes see the writes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use qindan::config;
use qindan::shell::data_dir;
use qindan::shell::field::Access;
use qindan::shell::pace::Pace;
use qindan::shell::service::{Options, Time};
use simulators::plant::{Event, Forcing};
use simulators::serve::{Bind, Serving};
use simulators::world::{World, lock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::running::Bench;

/// Simulated seconds before and after the turbine trips.
const BEFORE: u64 = 25;
const AFTER: u64 = 25;
/// Functions that write: one coil, one register, coils, registers, masked, written and read.
const WRITING: [u8; 6] = [5, 6, 15, 16, 22, 23];

/// The bytes of each connection, in the order of sending.
type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

/// Stands between the service and a link, passes everything on and keeps what the service sends.
async fn record(link: SocketAddr, tasks: &mut JoinSet<()>) -> (SocketAddr, Sent) {
    // Not where a browser of another test may still look for a page that was on this port before.
    let listener = TcpListener::bind("127.83.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Sent::default();
    let kept = Arc::clone(&sent);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let number = {
                let mut kept = kept.lock().unwrap();
                kept.push(Vec::new());
                kept.len() - 1
            };
            connections.spawn(pass_on(stream, link, Arc::clone(&kept), number));
        }
    });
    (address, sent)
}

async fn pass_on(service: TcpStream, link: SocketAddr, kept: Sent, number: usize) {
    let Ok(device) = TcpStream::connect(link).await else { return };
    device.set_nodelay(true).unwrap();
    service.set_nodelay(true).unwrap();
    let (mut from_service, mut to_service) = service.into_split();
    let (mut from_device, mut to_device) = device.into_split();
    let asked = async {
        let mut bytes = [0; 1024];
        while let Ok(some @ 1..) = from_service.read(&mut bytes).await {
            kept.lock().unwrap()[number].extend(&bytes[..some]);
            if to_device.write_all(&bytes[..some]).await.is_err() {
                return;
            }
        }
    };
    let answered = tokio::io::copy(&mut from_device, &mut to_service);
    tokio::select! {
        () = asked => {}
        _ = answered => {}
    }
}

/// Function codes of all frames of a connection; every byte belongs to one.
fn functions(mut bytes: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(bytes[2..4], [0, 0], "protocol identifier");
        let length = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
        assert!((2..=254).contains(&length) && bytes.len() >= 6 + length, "a whole frame");
        found.push(bytes[7]);
        bytes = &bytes[6 + length..];
    }
    found
}

/// Runs the shipped configuration against its simulated devices while a turbine trips; frames per function, all links
/// together, after a look that each link has been asked.
async fn run(access: Access) -> BTreeMap<u8, usize> {
    let mut config = config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config")).unwrap();
    let start: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    let forcing = Forcing::dry(&config.basin, 5);
    let world = Arc::new(Mutex::new(World::new(&config, 1, start, &forcing)));
    let serving = Serving::start(&config.field, &world, Bind::FreePorts).await.unwrap();
    let mut field = serving.field().clone();
    let mut tasks = JoinSet::new();
    let mut recorded = Vec::new();
    for link in &mut field.links {
        let (address, sent) = record(link.transport.address().unwrap(), &mut tasks).await;
        link.transport = qindan::points::Transport::Tcp(address);
        recorded.push((link.id.clone(), sent));
    }
    config.field = Arc::new(field);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    data_dir::init(&data, &config.basin.id, start).unwrap();
    crate::door::furnish(&data);
    let (paces, receiver) = mpsc::channel(4);
    paces.send(Ok(Pace { utc: start, speed: 0.0 })).await.unwrap();
    let options = Options {
        config: Arc::new(config),
        data,
        access,
        listen: Some("127.0.0.1:0".parse().unwrap()),
        simulated_river: None,
        time: Time::Paced(receiver),
        reports: None,
        fault: None,
    };
    let bench = Bench::start(options).await;
    for second in 1..=BEFORE + AFTER {
        if second == BEFORE {
            lock(&world).apply(&Event::Trip { gate: "zf.hp.u1".into() }).unwrap();
        }
        lock(&world).step(Duration::from_secs(1), &forcing);
        let now = Duration::from_secs(second);
        paces.send(Ok(Pace { utc: start + now, speed: 0.0 })).await.unwrap();
        bench.until("a tick", |status| status.mono >= now).await;
    }
    bench.end().await;
    let mut frames = BTreeMap::new();
    for (link, sent) in recorded {
        let found = sent.lock().unwrap().iter().flat_map(|bytes| functions(bytes)).collect::<Vec<_>>();
        assert!(!found.is_empty(), "{link} was never asked");
        for function in found {
            *frames.entry(function).or_default() += 1;
        }
    }
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn observing_no_byte_that_writes_leaves_the_process() {
    let observed = run(Access::Observe).await;
    println!("observing: frames per function {observed:?}");
    assert!(observed.keys().all(|function| (1..=4).contains(function)), "{observed:?}");
    assert!(observed.values().sum::<usize>() > 500, "{observed:?}");
    let commanded = run(Access::Command).await;
    println!("commanding: frames per function {commanded:?}");
    assert!(WRITING.iter().any(|function| commanded.contains_key(function)), "{commanded:?}");
}
