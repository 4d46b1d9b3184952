//! Asks the service over HTTP what it thinks: one short request at a time on loopback.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for an answer, real time.
const PATIENCE: Duration = Duration::from_secs(2);
/// Share of good points below which the scans do not keep up. Chosen: well below what dry meters and faults leave.
const BLIND: f64 = 0.6;
/// Largest answer read.
const LARGEST: u64 = 4 * 1024 * 1024;

/// What the service shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// It answers, and its cycle runs.
    pub(super) ready: bool,
    /// Mode.
    pub(super) mode: String,
    /// Release wanted, m³/s.
    pub(super) release: Option<f64>,
    /// Active alarms.
    pub(super) alarms: usize,
    /// Its cycle does not keep up with its clock.
    pub(super) behind: bool,
}

/// Asks for everything shown on the line.
pub(super) async fn seen(address: SocketAddr, token: &str) -> Seen {
    let Some(state) = get(address, "/api/v1/state", token).await else { return Seen::default() };
    let state = serde_json::from_str::<Value>(&state).unwrap_or_default();
    let alarms = state["alarms"]
        .as_array()
        .map_or(0, |alarms| alarms.iter().filter(|alarm| alarm["active"].as_bool().unwrap_or(false)).count());
    let metrics = get(address, "/metrics", token).await.unwrap_or_default();
    Seen {
        ready: is_ready(address).await,
        mode: state["mode"].as_str().unwrap_or("?").to_owned(),
        release: state["release"][0]["target_m3s"].as_f64(),
        alarms,
        behind: metrics.lines().any(|line| line == "qindan_cycle_behind 1") || is_blind(&state),
    }
}

/// Whether so much of the field is stale that the scans cannot keep up.
fn is_blind(state: &Value) -> bool {
    let (good, total) = (state["data"]["good"].as_f64(), state["data"]["total"].as_f64());
    good.zip(total).is_some_and(|(good, total)| good < BLIND * total)
}

/// Whether `/readyz` answers 200.
pub(super) async fn is_ready(address: SocketAddr) -> bool {
    get(address, "/readyz", "").await.is_some()
}

/// Body of a 200 answer.
async fn get(address: SocketAddr, path: &str, token: &str) -> Option<String> {
    timeout(PATIENCE, fetch(address, path, token)).await.ok()?.ok()?
}

async fn fetch(address: SocketAddr, path: &str, token: &str) -> std::io::Result<Option<String>> {
    let mut stream = TcpStream::connect(address).await?;
    // HTTP/1.0: the answer ends with its connection and comes in one piece.
    let token = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{token}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer).await?;
    Ok(body(&String::from_utf8_lossy(&answer)))
}

fn body(answer: &str) -> Option<String> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let ok = head.lines().next()?.split(' ').nth(1)? == "200";
    ok.then(|| body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_answer_has_a_body() {
        assert_eq!(body("HTTP/1.0 200 OK\r\nA: b\r\n\r\nx\r\n\r\ny"), Some("x\r\n\r\ny".into()));
        assert_eq!(body("HTTP/1.0 503 No\r\n\r\nx"), None);
        assert_eq!(body("garbage"), None);
    }
}
