//! Bytes on real sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use qindan::points::{DeviceId, LinkId, Table};
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

/// Two requests in a row on a link that is a little slow: both answers come, in order, each with its own number.
#[tokio::test]
async fn a_slow_link_answers_in_order() {
    let bench = bench().await;
    let mut stream = bench.connect().await;
    let read = [3, 0, 1, 0, 1];
    let quick = ask(&mut stream, 1, &read).await;
    for by in [Duration::from_millis(20), Duration::ZERO] {
        lock(&bench.world).slow_down(LinkId(0), by);
        for id in [8, 9] {
            stream.write_all(&frame(id, 1, &read)).await.unwrap();
        }
        assert_eq!(reply(&mut stream).await, (8, 1, quick.clone()));
        assert_eq!(reply(&mut stream).await, (9, 1, quick.clone()));
    }
}

/// Ten minutes late: the target stands in the box, and the answer that says so has not come.
#[tokio::test]
async fn an_order_on_a_slow_link_is_carried_out_and_its_answer_is_late() {
    let bench = bench().await;
    let mut line = bench.connect().await;
    let target = || lock(&bench.world).devices.read(DeviceId(0), Table::Holding, 20, 1).unwrap();
    assert_ne!(target(), [0x01A4]);
    lock(&bench.world).slow_down(LinkId(0), Duration::from_secs(600));
    line.write_all(&frame(7, 1, &[6, 0, 20, 0x01, 0xA4])).await.unwrap();
    while target() != [0x01A4] {
        tokio::task::yield_now().await;
    }
    let none = line.try_read(&mut [0]).unwrap_err();
    assert_eq!(none.kind(), std::io::ErrorKind::WouldBlock);
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
    let ask = Control(address);
    assert_eq!(ask.post("/fault", r#"{"event":"unplug","device":"box"}"#).await, (204, String::new()));
    let (status, why) = ask.post("/fault", r#"{"event":"trip","gate":"u9"}"#).await;
    assert!(status == 422 && why.contains("no such gate"), "{why}");
    let (status, why) = ask.post("/fault", r#"{"event":"lossy","device":"box","share":2}"#).await;
    assert!(status == 422 && why.contains("give 0 to 1"), "{why}");
    let body = ask.get("/truth").await;
    assert_eq!(body["unplugged"], serde_json::json!(["box"]));
    assert_eq!(body["gates"]["v1"]["opening"], serde_json::json!(0.3));
    let flow = lock(&world).plant.section_flow(qindan::basin::SectionId(0));
    assert_eq!(body["sections_m3s"]["outlet"].as_f64(), Some(flow));
    task.abort();
}

/// The control, asked by hand.
struct Control(std::net::SocketAddr);

impl Control {
    async fn exchange(&self, request: String) -> (u16, String) {
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn get(&self, path: &str) -> serde_json::Value {
        let (status, body) =
            self.exchange(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn post(&self, path: &str, body: &str) -> (u16, String) {
        let head = "host: x\r\nconnection: close\r\ncontent-type: application/json";
        let length = body.len();
        self.exchange(format!("POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}"))
            .await
    }
}

#[tokio::test]
async fn every_event_is_told_with_its_keys_and_what_it_does() {
    let bench = bench().await;
    let any = "127.0.0.1:0".parse().unwrap();
    let (address, _task) = http::start(&testing::small(), bench.world, None, any).await.unwrap();
    let schema = Control(address).get("/events").await;
    let events = schema["oneOf"].as_array().unwrap();
    let find = |name: &str| {
        let found = events.iter().find(|event| event["properties"]["event"]["const"] == name);
        found.unwrap_or_else(|| panic!("{name}"))
    };
    let ice = find("meter_ice");
    assert!(ice["description"].as_str().unwrap().starts_with("Ice at a meter"));
    assert_eq!(ice["properties"]["rise_m"]["type"], "number");
    assert_eq!(ice["required"], serde_json::json!(["event", "meter", "rise_m"]));
    assert!(find("wear")["properties"]["backlash"]["description"].as_str().unwrap().contains("Lost motion"));
    assert!(events.iter().all(|event| event["description"].is_string()));
}

#[tokio::test]
async fn in_lock_step_the_river_goes_on_when_it_is_told_to() {
    let case = crate::replay::load("may_dry", None, &[]).unwrap();
    let config = case.config.clone();
    let forcing = case.forcing(Duration::ZERO);
    let world = Arc::new(Mutex::new(World::new(&config, 7, case.scenario.start, &forcing)));
    let agenda = crate::scenario::Agenda::new(&case.scenario);
    let live = crate::live::Live::new(case, Arc::clone(&world), agenda, Duration::ZERO);
    let any = "127.0.0.1:0".parse().unwrap();
    let lock_step = Some(Arc::new(Mutex::new(live)));
    let (address, _task) = http::start(&config, Arc::clone(&world), lock_step, any).await.unwrap();
    let ask = Control(address);
    // Midnight of 11 May on site is 16:00 UTC of the day before.
    let (status, there) = ask.post("/advance", r#"{"ms":1000}"#).await;
    assert!(status == 200 && there.contains(r#""utc":"2026-05-10T16:00:01Z""#), "{there}");
    assert_eq!(ask.get("/truth").await["elapsed_s"], 1.0);
    assert_eq!(ask.get("/truth").await["elapsed_s"], 1.0);
    assert_eq!(ask.post("/advance", r#"{"ms":86400001}"#).await.0, 422);
    let (_, there) = ask.post("/advance", r#"{"ms":59000}"#).await;
    assert!(there.contains(r#""elapsed_ms":60000"#), "{there}");

    let (free, _task) = http::start(&config, world, None, any).await.unwrap();
    let (status, why) = Control(free).post("/advance", r#"{"ms":1000}"#).await;
    assert!(status == 409 && why.contains("--lock-step"), "{why}");
}

#[tokio::test]
async fn tricks_are_switched_on_and_off() {
    let bench = bench().await;
    let any = "127.0.0.1:0".parse().unwrap();
    let (address, _task) = http::start(&testing::small(), Arc::clone(&bench.world), None, any).await.unwrap();
    let ask = Control(address);
    let on = |all: &serde_json::Value| {
        let all = all.as_array().unwrap().iter().filter(|one| one["on"] == true);
        all.map(|one| one["trick"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(on(&ask.get("/tricks").await).is_empty());
    let (status, _) = ask.post("/tricks", r#"{"trick":"lying_meter","on":true}"#).await;
    assert_eq!((status, on(&ask.get("/tricks").await)), (200, vec!["lying_meter".to_owned()]));
    // The last section with a floor is metered by q.section.
    assert_eq!(ask.get("/truth").await["faulty_meters"], serde_json::json!(["q.section"]));
    ask.post("/tricks", r#"{"trick":"lying_meter","on":false}"#).await;
    assert_eq!(ask.get("/truth").await["faulty_meters"], serde_json::json!([]));
    assert_eq!(ask.post("/tricks", r#"{"trick":"earthquake","on":true}"#).await.0, 422);
}
