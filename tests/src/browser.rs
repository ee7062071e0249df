//! A headless Chromium, driven over its DevTools socket: enough to open a page, ask it questions, move the
//! pointer, take a picture, and hear of every script error.

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

/// How long the browser may take to start, or to answer one question.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is asked for again.
const POLL: Duration = Duration::from_millis(20);

/// A browser with one page. It is killed, and its profile removed, when this is dropped.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    profile: TempDir,
    socket: WebSocket<TcpStream>,
    session: String,
    next_id: u64,
    problems: Vec<String>,
}

impl Browser {
    /// Starts Chromium with an empty profile and an empty page.
    pub fn start() -> Result<Browser> {
        let profile = tempfile::tempdir()?;
        let child = Command::new("chromium")
            // The sandbox needs rights that containers lack, and the only page opened is our own.
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--hide-scrollbars", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run chromium; install Debian's package of that name (`apt-get install chromium`)")?;
        let mut starting = Starting(Some(child));
        let (port, path) = devtools_address(profile.path(), &mut starting)?;
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (socket, _) = tungstenite::client(format!("ws://127.0.0.1:{port}{path}"), stream)
            .map_err(|e| anyhow!("chromium refuses the DevTools socket: {e}"))?;
        let child = starting.0.take().context("chromium was started")?;
        let mut browser = Browser {
            child,
            profile,
            socket,
            session: String::new(),
            next_id: 0,
            problems: Vec::new(),
        };
        let targets = browser.call("Target.getTargets", json!({}))?;
        let pages = targets["targetInfos"]
            .as_array()
            .context("no list of targets")?;
        let page = pages
            .iter()
            .find(|t| t["type"] == "page")
            .context("chromium has no page")?;
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach)?;
        browser.session = attached["sessionId"]
            .as_str()
            .context("no session")?
            .to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(browser)
    }

    /// Opens an address and waits until the page has loaded.
    pub fn open(&mut self, url: &str) -> Result<()> {
        let opened = self.call("Page.navigate", json!({ "url": url }))?;
        if let Some(error) = opened["errorText"].as_str() {
            bail!("chromium cannot open {url}: {error}");
        }
        self.wait_for(PATIENCE, "document.readyState === 'complete'")
    }

    /// The value of a JavaScript expression in the page.
    pub fn eval(&mut self, expression: &str) -> Result<Value> {
        let ask = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", ask)?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            bail!(
                "{expression} throws: {}",
                thrown["exception"]["description"]
            );
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Asks until the expression is true.
    pub fn wait_for(&mut self, patience: Duration, expression: &str) -> Result<()> {
        let deadline = Instant::now() + patience;
        while self.eval(expression)? != Value::Bool(true) {
            if Instant::now() > deadline {
                let text = self.eval("document.body.innerText.slice(0, 1500)")?;
                bail!("after {patience:?} this is not true: {expression}\nthe page says:\n{text}");
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Makes the page as large as a window of this size, in CSS pixels.
    pub fn resize(&mut self, width: u32, height: u32) -> Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", size)
            .map(drop)
    }

    /// Prefers the dark or the light colour scheme.
    pub fn prefer_dark(&mut self, dark: bool) -> Result<()> {
        let value = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.call("Emulation.setEmulatedMedia", media).map(drop)
    }

    /// Moves the pointer to a place in the window, in CSS pixels.
    pub fn point_at(&mut self, x: f64, y: f64) -> Result<()> {
        self.call(
            "Input.dispatchMouseEvent",
            json!({ "type": "mouseMoved", "x": x, "y": y }),
        )
        .map(drop)
    }

    /// Writes a PNG of the whole page.
    pub fn screenshot(&mut self, path: &Path) -> Result<()> {
        let ask = json!({ "format": "png", "captureBeyondViewport": true });
        let shot = self.call("Page.captureScreenshot", ask)?;
        let data = shot["data"].as_str().context("no picture")?;
        fs::write(path, data_encoding::BASE64.decode(data.as_bytes())?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// What went wrong in the page so far: uncaught exceptions, console errors, resources that did not load.
    pub fn problems(&mut self) -> Result<Vec<String>> {
        // What was reported before this answer has been read with it.
        self.eval("0")?;
        Ok(self.problems.clone())
    }

    /// Sends a command and reads until its answer; what comes between is looked at for problems.
    fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.next_id += 1;
        let id = self.next_id;
        let mut command = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(command.to_string()))?;
        loop {
            let message = self
                .socket
                .read()
                .with_context(|| format!("chromium does not answer {method}"))?;
            let Message::Text(text) = message else {
                continue;
            };
            let mut value: Value = serde_json::from_str(&text)?;
            if value["id"] == json!(id) {
                ensure!(
                    value.get("error").is_none(),
                    "chromium refuses {method}: {}",
                    value["error"]
                );
                return Ok(value["result"].take());
            }
            self.problems.extend(problem(&value));
        }
    }
}

/// Words on an event that reports a problem.
fn problem(event: &Value) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => {
            let details = &params["exceptionDetails"];
            Some(format!(
                "uncaught: {} {}",
                details["text"], details["exception"]["description"]
            ))
        }
        "Runtime.consoleAPICalled"
            if matches!(
                params["type"].as_str(),
                Some("error" | "assert" | "warning")
            ) =>
        {
            Some(format!("console: {}", params["args"]))
        }
        "Log.entryAdded"
            if matches!(params["entry"]["level"].as_str(), Some("error" | "warning")) =>
        {
            Some(format!(
                "log: {} {}",
                params["entry"]["text"], params["entry"]["url"]
            ))
        }
        _ => None,
    }
}

/// A browser that is killed unless it is taken out.
struct Starting(Option<Child>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            end(child);
        }
    }
}

/// Where Chromium listens, which it writes into its profile once it does.
fn devtools_address(profile: &Path, starting: &mut Starting) -> Result<(u16, String)> {
    let file = profile.join("DevToolsActivePort");
    let deadline = Instant::now() + PATIENCE;
    loop {
        // The file is written in one go, but may be seen before that: both lines must be there.
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Some((port, path)) = text
            .split_once('\n')
            .filter(|(_, path)| path.starts_with('/'))
        {
            return Ok((port.parse()?, path.trim().to_owned()));
        }
        if let Some(child) = &mut starting.0
            && let Some(status) = child.try_wait()?
        {
            bail!("chromium ended at once: {status}");
        }
        ensure!(
            Instant::now() < deadline,
            "chromium did not start within {PATIENCE:?}"
        );
        std::thread::sleep(POLL);
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself, which is just as well.
    let _ = child.kill();
    let _ = child.wait();
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Closing lets Chromium end its helper processes before the profile they write to is removed.
        let _ = self.call("Browser.close", json!({}));
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(POLL);
        }
        end(&mut self.child);
        let _ = fs::remove_dir_all(self.profile.path());
    }
}
