//! A headless Chromium, driven through its driver: just what the tests of the page need.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

const MISSING: &str = "tests of the page need Chromium with its driver and a Chinese font; \
                       install the packages chromium, chromium-driver and fonts-noto-cjk";
/// Longest wait for something to be seen on the page, real time.
const PATIENCE_MS: u64 = 20_000;
/// How long one script looks before the driver is asked again, ms: a page that is left takes the script with it.
const LOOK_MS: u64 = 2000;

/// Longest wait for the browser to close.
const CLOSING: Duration = Duration::from_secs(10);

/// One browser with one window; it and its driver end when this is dropped.
pub(crate) struct Browser {
    port: u16,
    session: String,
    _driver: Child,
    _words: BufReader<ChildStdout>,
    _profile: TempDir,
}

impl Drop for Browser {
    /// Killing the driver leaves its browser running, so it is asked to close it first.
    fn drop(&mut self) {
        let asked = || {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(CLOSING))?;
            let (port, session) = (self.port, &self.session);
            write!(
                stream,
                "DELETE /session/{session} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n"
            )?;
            // The first byte of the answer: it has closed.
            stream.read(&mut [0]).map(drop)
        };
        if !self.session.is_empty()
            && let Err(error) = asked()
        {
            eprintln!("the browser may still run: {error}");
        }
    }
}

impl Browser {
    /// Starts a browser with an empty profile. A driver that chose a port another program took meanwhile ends at
    /// once; then another is started.
    pub(crate) async fn start() -> Self {
        for _ in 0..5 {
            if let Some(browser) = Self::try_start().await {
                return browser;
            }
        }
        panic!("chromedriver ended at once five times; {MISSING}");
    }

    async fn try_start() -> Option<Self> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}; {MISSING}"));
        let mut words = BufReader::new(driver.stdout.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            if words.read_line(&mut line).await.unwrap() == 0 {
                return None;
            }
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.trim().trim_end_matches('.').parse().unwrap();
            }
        };
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--lang=zh-CN",
        ];
        let mut arguments = arguments.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let mut browser =
            Self { port, session: String::new(), _driver: driver, _words: words, _profile: profile };
        let made = browser.call("POST", "/session", &wanted).await;
        let session = made["sessionId"].as_str().map(str::to_owned);
        browser.session = session.unwrap_or_else(|| panic!("no browser: {made}; {MISSING}"));
        Some(browser)
    }

    /// One request to the driver; answers its `value`.
    async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\ncontent-type: application/json\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut length = 0;
        let mut line = String::new();
        while stream.read_line(&mut line).await.unwrap() > 2 {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await.unwrap();
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        answer["value"].take()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let value = self.call("POST", &format!("/session/{}{path}", self.session), &body).await;
        assert!(value.get("error").is_none(), "{path} {body}: {value}");
        value
    }

    /// Opens an address.
    pub(crate) async fn open(&self, address: &str) {
        self.post("/url", json!({ "url": address })).await;
    }

    /// Sets the size of the page in its own pixels.
    pub(crate) async fn size(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics });
        self.post("/goog/cdp/execute", command).await;
    }

    /// A command of the browser's own protocol, with what it answers.
    pub(crate) async fn command(&self, command: &str, params: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": params })).await
    }

    /// Bytes the scripts of the page hold, without what nobody uses any more.
    pub(crate) async fn heap(&self) -> u64 {
        self.command("HeapProfiler.collectGarbage", json!({})).await;
        self.command("HeapProfiler.collectGarbage", json!({})).await;
        let usage = self.command("Runtime.getHeapUsage", json!({})).await;
        // A number of the protocol, which knows no whole ones.
        usage["usedSize"].as_f64().unwrap() as u64
    }

    /// Seconds scripts have run since the page was opened.
    pub(crate) async fn script_s(&self) -> f64 {
        self.command("Performance.enable", json!({})).await;
        let all = self.command("Performance.getMetrics", json!({})).await;
        let metrics = all["metrics"].as_array().unwrap();
        let found = metrics.iter().find(|metric| metric["name"] == "ScriptDuration").unwrap();
        found["value"].as_f64().unwrap()
    }

    /// Runs a script in every page opened from now on, before its own.
    pub(crate) async fn before_each_page(&self, script: &str) {
        let command = "Page.addScriptToEvaluateOnNewDocument";
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": { "source": script } })).await;
    }

    /// Runs a script in the page and answers what it returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Runs a script that may take long, and answers what it returns or resolves to.
    pub(crate) async fn run_long(&self, script: &str, most: Duration) -> Value {
        self.post("/timeouts", json!({ "script": most.as_millis() })).await;
        self.run(script).await
    }

    /// Waits until a script answers something true, and answers that.
    pub(crate) async fn wait(&self, condition: &str) -> Value {
        self.post("/timeouts", json!({ "script": LOOK_MS + 2000 })).await;
        let script = format!(
            "const done = arguments[0]; const end = performance.now() + {LOOK_MS};
             const look = () => {{
               let seen = null;
               try {{ seen = (() => {{ return {condition} }})(); }} catch (error) {{ seen = null; }}
               if (seen) done({{ seen }}); else if (performance.now() > end) done(null); else setTimeout(look, 30);
             }};
             look();"
        );
        let (path, body) =
            (format!("/session/{}/execute/async", self.session), json!({ "script": script, "args": [] }));
        for _ in 0..PATIENCE_MS / LOOK_MS {
            let mut answer = self.call("POST", &path, &body).await;
            match answer["error"].as_str() {
                // The page made room for another while the script looked at it: its answer never comes.
                Some("script timeout" | "javascript error") => {}
                Some(_) => panic!("{condition}: {answer}"),
                None if answer.is_null() => {}
                None => return answer["seen"].take(),
            }
        }
        panic!("never seen: {condition}\n{}", self.run("return document.body.innerText").await);
    }

    /// Text of the element with this test identifier; waits for it.
    pub(crate) async fn text(&self, id: &str) -> String {
        let found = self.wait(&format!("{}?.isConnected && {{ t: {0}.textContent }}", of(id))).await;
        found["t"].as_str().unwrap().to_owned()
    }

    /// Waits until the text of an element contains `words`.
    pub(crate) async fn says(&self, id: &str, words: &str) {
        self.wait(&format!("{}?.textContent.includes({})", of(id), json!(words))).await;
    }

    /// Whether an element is there and can be seen.
    pub(crate) async fn sees(&self, id: &str) -> bool {
        self.run(&format!("return Boolean({}?.checkVisibility({{ visibilityProperty: true }}))", of(id)))
            .await
            == true
    }

    /// Presses the mouse on an element for some time.
    pub(crate) async fn press(&self, id: &str, hold: Duration) {
        self.run(&format!("{}?.scrollIntoView({{ block: 'nearest' }})", of(id))).await;
        // A page that still moves would be pressed beside the mark.
        let still = format!(
            "(() => {{ const el = {}; if (!el) return null; const r = el.getBoundingClientRect();
               const at = `${{r.x}} ${{r.y}}`; const same = window.restingAt === at; window.restingAt = at;
               return same && el }})()",
            of(id)
        );
        let found = self.wait(&still).await;
        let pointer = json!({ "type": "pointer", "id": "mouse", "actions": [
            { "type": "pointerMove", "duration": 0, "origin": found, "x": 0, "y": 0 },
            { "type": "pointerDown", "button": 0 },
            { "type": "pause", "duration": hold.as_millis() },
            { "type": "pointerUp", "button": 0 },
        ] });
        self.post("/actions", json!({ "actions": [pointer] })).await;
    }

    /// Clicks an element.
    pub(crate) async fn click(&self, id: &str) {
        self.press(id, Duration::ZERO).await;
    }

    /// Holds a key down for some time, wherever the focus is.
    pub(crate) async fn hold_key(&self, key: &str, hold: Duration) {
        let keys = json!({ "type": "key", "id": "keyboard", "actions": [
            { "type": "keyDown", "value": key },
            { "type": "pause", "duration": hold.as_millis() },
            { "type": "keyUp", "value": key },
        ] });
        self.post("/actions", json!({ "actions": [keys] })).await;
    }

    /// Puts a value into a field as a person would.
    pub(crate) async fn fill(&self, id: &str, words: &str) {
        let found = self.wait(&of(id)).await;
        let element = found.as_object().and_then(|found| found.values().next()).unwrap().clone();
        let path = format!("/element/{}", element.as_str().unwrap());
        self.post(&format!("{path}/clear"), json!({})).await;
        self.post(&format!("{path}/value"), json!({ "text": words })).await;
    }

    /// What the browser complained about: refused by policy, failed to load, uncaught.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", json!({ "type": "browser" })).await;
        let entries = log.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE");
        entries.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Saves a picture of what is seen.
    pub(crate) async fn picture(&self, file: &Path) {
        let shot =
            self.post("/goog/cdp/execute", json!({ "cmd": "Page.captureScreenshot", "params": {} })).await;
        std::fs::write(file, base64(shot["data"].as_str().unwrap())).unwrap();
    }
}

/// The element with a test identifier, as a script.
fn of(id: &str) -> String {
    format!("document.querySelector('[data-testid={}]')", json!(id))
}

/// Standard base64 as the protocol sends it.
fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => u32::from(c - b'A'),
        b'a'..=b'z' => u32::from(c - b'a') + 26,
        b'0'..=b'9' => u32::from(c - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|c| *c != b'=').map(digit).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for four in digits.chunks(4) {
        let word = four.iter().enumerate().fold(0, |word, (i, digit)| word | digit << (18 - 6 * i));
        bytes.extend(word.to_be_bytes()[1..four.len()].iter());
    }
    bytes
}
