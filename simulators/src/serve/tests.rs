//! Bytes on real sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Bind, ServeError, Serving, http};
use crate::plant::{Event, Forcing};
use crate::testing;
use crate::world::{SharedWorld, World, lock};

struct Bench {
    world: SharedWorld,
    serving: Serving,
    forcing: Forcing,
}

async fn bench() -> Bench {
    let config = testing::small();
    let forcing = Forcing::dry(&config.basin, 5);
    let world = Arc::new(Mutex::new(World::new(&config, 7, testing::start(), &forcing)));
    let serving = Serving::start(&config.field, &world, Bind::FreePorts).await.unwrap();
    Bench { world, serving, forcing }
}

impl Bench {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.serving.addresses()[0]).await.unwrap()
    }

    fn happens(&self, event: &Event) {
        lock(&self.world).apply(event).unwrap();
    }
}

fn frame(id: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).unwrap();
    [&id.to_be_bytes()[..], &[0, 0], &length.to_be_bytes(), &[unit], pdu].concat()
}

async fn reply(stream: &mut TcpStream) -> (u16, u8, Vec<u8>) {
    let mut head = [0; 7];
    stream.read_exact(&mut head).await.unwrap();
    let mut pdu = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]])) - 1];
    stream.read_exact(&mut pdu).await.unwrap();
    (u16::from_be_bytes([head[0], head[1]]), head[6], pdu)
}

async fn ask(stream: &mut TcpStream, unit: u8, pdu: &[u8]) -> Vec<u8> {
    stream.write_all(&frame(0x1234, unit, pdu)).await.unwrap();
    let (id, answered, pdu) = reply(stream).await;
    assert_eq!((id, answered), (0x1234, unit));
    pdu
}

#[tokio::test]
async fn reads_and_writes_of_every_function() {
    let bench = bench().await;
    let mut line = bench.connect().await;
    // Position in tenths: 300 = 0x012C; status: remote.
    assert_eq!(ask(&mut line, 1, &[3, 0, 1, 0, 1]).await, [3, 2, 0x01, 0x2C]);
    assert_eq!(ask(&mut line, 2, &[2, 0, 0, 0, 1]).await, [2, 1, 0]);
    assert_eq!(ask(&mut line, 2, &[4, 0, 0, 0, 1]).await, [4, 2, 0, 0]);
    assert_eq!(ask(&mut line, 1, &[6, 0, 20, 0x01, 0xA4]).await, [6, 0, 20, 0x01, 0xA4]);
    let go = [16, 0, 20, 0, 4, 8, 0x01, 0xA4, 0, 4, 0, 1, 0, 77];
    assert_eq!(ask(&mut line, 1, &go).await, [16, 0, 20, 0, 4]);
    lock(&bench.world).step(Duration::from_secs(30), &bench.forcing);
    assert_eq!(ask(&mut line, 1, &[3, 0, 24, 0, 1]).await, [3, 2, 0, 77]);
    assert_eq!(ask(&mut line, 1, &[3, 0, 1, 0, 1]).await, [3, 2, 0x01, 0xA3]);
}

#[tokio::test]
async fn refusals_in_the_order_of_the_specification() {
    let bench = bench().await;
    let mut line = bench.connect().await;
    for (unit, pdu, code) in [
        (1, vec![7], 1),
        (1, vec![3, 0, 1, 0, 126], 3),
        (1, vec![3, 0, 1, 0, 0], 3),
        (1, vec![3, 0xFF, 0xFF, 0, 2], 2),
        (1, vec![3, 0, 100, 0, 1], 2),
        (1, vec![3, 0], 3),
        (1, vec![5, 0, 0, 0x12, 0], 3),
        (1, vec![5, 0, 0, 0xFF, 0], 2),
        (1, vec![6, 0, 20, 0x07, 0xD0], 3),
        (1, vec![16, 0, 20, 0, 2, 3, 0, 1, 0], 3),
        (9, vec![3, 0, 1, 0, 1], 0x0B),
    ] {
        assert_eq!(ask(&mut line, unit, &pdu).await, [pdu[0] | 0x80, code], "{unit} {pdu:?}");
    }
    assert_eq!(ask(&mut line, 3, &[43, 14, 4, 1]).await, b"\x2b\x0e\x04\x81\x00\x00\x01\x01\x06logger");
}

#[tokio::test]
async fn many_requests_at_once_and_many_clients() {
    let bench = bench().await;
    let (mut one, mut two) = (bench.connect().await, bench.connect().await);
    let burst = (0..16).flat_map(|id| frame(id, 1, &[3, 0, 1, 0, 1])).collect::<Vec<_>>();
    one.write_all(&burst).await.unwrap();
    two.write_all(&burst).await.unwrap();
    for id in 0..16 {
        assert_eq!(reply(&mut one).await.0, id);
        assert_eq!(reply(&mut two).await.0, id);
    }
}

#[tokio::test]
async fn a_frame_that_is_none_ends_the_connection() {
    let bench = bench().await;
    for bad in [[0, 1, 0, 1, 0, 6, 1, 3, 0, 0, 0, 1], [0, 1, 0, 0, 1, 0, 1, 3, 0, 0, 0, 1]] {
        let mut line = bench.connect().await;
        line.write_all(&bad).await.unwrap();
        let mut rest = Vec::new();
        // Closed, in order or with a reset: either way not a byte comes.
        let _ = line.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }
}

#[tokio::test]
async fn units_and_links_can_be_unplugged_while_it_runs() {
    let bench = bench().await;
    let mut line = bench.connect().await;
    let read = [3, 0, 1, 0, 1];
    bench.happens(&Event::Unplug { device: "box".into(), silent: false });
    assert_eq!(ask(&mut line, 1, &read).await, [0x83, 0x0B]);
    // Silent: the reply to the next unit comes first and alone.
    bench.happens(&Event::Unplug { device: "box".into(), silent: true });
    line.write_all(&frame(1, 1, &read)).await.unwrap();
    line.write_all(&frame(2, 3, &[4, 0, 0, 0, 2])).await.unwrap();
    assert_eq!(reply(&mut line).await.0, 2);
    bench.happens(&Event::Plug { device: "box".into() });
    assert_eq!(ask(&mut line, 1, &read).await, [3, 2, 0x01, 0x2C]);
    bench.happens(&Event::CutLink { link: "dam".into() });
    line.write_all(&frame(3, 1, &read)).await.unwrap();
    let mut rest = Vec::new();
    let _ = line.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    bench.happens(&Event::MendLink { link: "dam".into() });
    assert_eq!(ask(&mut bench.connect().await, 1, &read).await, [3, 2, 0x01, 0x2C]);
}

#[tokio::test]
async fn only_loopback_is_served() {
    let mut config = testing::small();
    let field = Arc::get_mut(&mut config.field).unwrap();
    field.links[0].transport = qindan::points::Transport::Tcp("0.0.0.0:0".parse().unwrap());
    let forcing = Forcing::dry(&config.basin, 5);
    let world = Arc::new(Mutex::new(World::new(&config, 7, testing::start(), &forcing)));
    let refused = Serving::start(&config.field, &world, Bind::AsConfigured).await.unwrap_err();
    assert!(matches!(refused, ServeError::NotLoopback { .. }), "{refused}");
}

#[tokio::test]
async fn faults_come_in_and_the_truth_goes_out_over_http() {
    let config = testing::small();
    let forcing = Forcing::dry(&config.basin, 5);
    let world = Arc::new(Mutex::new(World::new(&config, 7, testing::start(), &forcing)));
    let (address, task) =
        http::start(&config, Arc::clone(&world), None, "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let exchange = async |request: String| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    };
    let post = |body: &str| {
        format!(
            "POST /fault HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    assert!(exchange(post(r#"{"event":"unplug","device":"box"}"#)).await.starts_with("HTTP/1.1 204"));
    let unknown = exchange(post(r#"{"event":"trip","gate":"u9"}"#)).await;
    assert!(unknown.starts_with("HTTP/1.1 422") && unknown.contains("no such gate"), "{unknown}");
    let truth = exchange("GET /truth HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into()).await;
    let body: serde_json::Value = serde_json::from_str(truth.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["unplugged"], serde_json::json!(["box"]));
    assert_eq!(body["gates"]["v1"]["opening"], serde_json::json!(0.3));
    let flow = lock(&world).plant.section_flow(qindan::basin::SectionId(0));
    assert_eq!(body["sections_m3s"]["outlet"].as_f64(), Some(flow));
    task.abort();
}
