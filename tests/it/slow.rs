//! Who comes in hundreds, speaks slowly or asks for very much: the control cycle does not wait for it, others are answered, and it
//! ends in an answer that says why.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use qindan::control::operator::Mode;
use qindan::shell::clock::Clock;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::running::{Bench, Folder, PATIENCE, at_rest};
use crate::site::{self, Drive, Site};
use crate::{budget, door};

/// Connections that are half open.
const CROWD: usize = 1000;

/// Opens connections and sends the begin of a request on each: a process of its own, for its files are not ours. When it is told so it
/// counts those the service has shut.
const SCRIPT: &str = "
import resource, socket, sys
port, crowd = int(sys.argv[1]), int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, crowd + 100), hard))
held = []
for number in range(crowd):
    one = socket.create_connection(('127.0.0.1', port), timeout=20)
    try:
        one.sendall(b'GET /api/v1/state HTTP/1.1\\r\\nhost: 127.0.0.1\\r\\nx-slow: ')
    except ConnectionError:
        pass
    held.append(one)
print('open', flush=True)
sys.stdin.readline()
shut = 0
for one in held:
    one.setblocking(False)
    try:
        shut += one.recv(1) == b''
    except BlockingIOError:
        pass
    except ConnectionError:
        shut += 1
print(shut, flush=True)
";

/// Ends with the test, whatever becomes of it.
struct Crowd(Child, BufReader<std::process::ChildStdout>);

impl Crowd {
    fn gather(port: u16) -> Self {
        let mut child = Command::new("python3")
            .args(["-c", SCRIPT, &port.to_string(), &CROWD.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("python3: {error}"));
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut crowd = Self(child, lines);
        assert_eq!(crowd.line(), "open");
        crowd
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// How many of them were shut.
    fn shut(&mut self) -> usize {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.line().parse().unwrap()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A body that never comes to its end; the answer to it.
async fn slow_body(bench: &Bench, cookie: &str) -> String {
    let address = bench.running.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/v1/acts/preview HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\norigin: http://{address}\r\nx-qindan: 1\r\n\
         content-type: application/json\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n{{\"order\": "
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer));
    drop(read.await.expect("an answer in time"));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_half_open_connections_and_a_body_without_end_delay_nothing() {
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let bench = Bench::start(folder.options(site::config(&site.device, Mode::Manual), 5.0)).await;
    bench.until("at rest", at_rest).await;
    // Five ticks a real second.
    let period = Duration::from_millis(200);
    let alone = budget::jitter(&bench, 20, period).await;
    let port = bench.running.address().port();
    let mut crowd = tokio::task::spawn_blocking(move || Crowd::gather(port)).await.unwrap();
    let cookie = door::cookie(&folder.store);
    let beside = async {
        let beside = budget::jitter(&bench, 20, period).await;
        // Others are answered meanwhile, and can hold everything.
        let clock = Clock::real();
        let mark = clock.mark();
        assert_eq!(bench.page.get("/api/v1/state").await.0, 200);
        assert_eq!(bench.page.hold_all().await.0, 200);
        (beside, mark.elapsed())
    };
    let (answer, (beside, took)) = tokio::join!(slow_body(&bench, &cookie), beside);
    let shut = tokio::task::spawn_blocking(move || crowd.shut()).await.unwrap();
    println!(
        "{CROWD} half open: {shut} of them shut; state and hold-all in {took:?}; jitter, 95th: alone {:.2} ms, beside {:.2} ms",
        budget::quantile(&alone, 0.95),
        budget::quantile(&beside, 0.95)
    );
    assert!(took < Duration::from_secs(5), "{took:?}");
    // 256 that have asked nothing are kept, and the page's own for a moment.
    assert!(shut >= CROWD - 260, "{shut}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 504 ") && head.contains("application/problem+json"), "{head}");
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!((problem["code"].as_str(), problem["status"].as_u64()), (Some("too-slow"), Some(504)));
    let (_, metrics) = bench.page.get("/metrics").await;
    assert!(metrics.contains("\nqindan_ticks_skipped_total 0\n"), "a tick was left out");
    bench.end().await;
    folder.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_years_are_answered_or_refused_with_what_may_be_asked() {
    const YEAR: i64 = 365 * 86_400;
    let folder = Folder::new();
    let site = Site::start(24.0, Drive::Quick, &folder.journal()).await;
    let bench = Bench::start(folder.options(site::config(&site.device, Mode::Manual), 5.0)).await;
    bench.until("at rest", at_rest).await;
    let now = bench.running.status().borrow().utc.as_second();
    let ask = |years: i64, by: &str| {
        format!("/api/v1/history?series=meter:q.ford&by={by}&from_s={}&to_s={now}", now - years * YEAR)
    };
    let asked = async {
        let mut answers = Vec::new();
        for (years, by) in [(10, "hours"), (11, "hours"), (10, "minutes"), (10, "samples")] {
            let (status, said) =
                tokio::time::timeout(PATIENCE, bench.page.get(&ask(years, by))).await.unwrap();
            answers.push((years, by, status, said));
        }
        answers
    };
    let (answers, beside) = tokio::join!(asked, budget::jitter(&bench, 20, Duration::from_millis(200)));
    println!("jitter beside queries of ten years, 95th: {:.2} ms", budget::quantile(&beside, 0.95));
    for (years, by, status, said) in answers {
        if (years, by) == (10, "hours") {
            assert_eq!(status, 200, "{said}");
            assert!(said.starts_with("time,"), "{said}");
        } else {
            let problem: Value = serde_json::from_str(&said).unwrap();
            assert_eq!((status, problem["code"].as_str()), (400, Some("span-long")), "{years} {by} {said}");
            assert!(problem["detail"].as_str().unwrap().contains("days in one file"), "{said}");
        }
    }
    let (_, metrics) = bench.page.get("/metrics").await;
    assert!(metrics.contains("\nqindan_ticks_skipped_total 0\n"), "a tick was left out");
    bench.end().await;
}
