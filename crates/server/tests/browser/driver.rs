//! A browser of the test's own, driven by the Chrome DevTools Protocol over a pipe: JSON messages,
//! each ended by a NUL.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chromium::{FLAGS, installed};

/// How long anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A running browser. It ends with its pipe.
pub struct Chromium {
    process: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    last: u64,
    /// What pages requested.
    requests: BTreeSet<String>,
    /// Errors and warnings on the consoles, and exceptions.
    complaints: Vec<String>,
    profile: tempfile::TempDir,
}

/// The name of a tab.
#[derive(Clone)]
pub struct Tab(String);

/// A set of cookies, as a private window has its own.
pub struct Window(String);

/// How a page looks.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub width: u32,
    pub scheme: &'static str,
}

/// A telephone and a desk, by day and by night.
pub const LOOKS: [Look; 4] = [
    Look {
        width: 375,
        scheme: "light",
    },
    Look {
        width: 375,
        scheme: "dark",
    },
    Look {
        width: 1280,
        scheme: "light",
    },
    Look {
        width: 1280,
        scheme: "dark",
    },
];

impl Chromium {
    /// Starts the installed browser, if any.
    pub fn start() -> Option<Self> {
        let program = installed()?;
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new("sh")
            // It reads from its descriptor 3 and writes to 4.
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >&2", "sh"])
            .arg(program)
            .args(FLAGS)
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(profile.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let (sender, messages) = channel();
        let output = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for message in output.split(0) {
                let Ok(message) = message else { return };
                let message = serde_json::from_slice(&message).unwrap();
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Some(Self {
            input: process.stdin.take(),
            process,
            messages,
            last: 0,
            requests: BTreeSet::new(),
            complaints: Vec::new(),
            profile,
        })
    }

    /// Calls a method of the browser, or of a tab, and returns its result or its error.
    fn try_call(
        &mut self,
        tab: Option<&Tab>,
        method: &str,
        params: &Value,
    ) -> Result<Value, Value> {
        self.last += 1;
        let id = self.last;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(Tab(session)) = tab {
            message["sessionId"] = session.as_str().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.as_mut().unwrap().write_all(&bytes).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(mut message) = self.messages.recv_timeout(left) else {
                let log = std::fs::read_to_string(self.profile.path().join("log"));
                panic!("no answer to {method}: {}", log.unwrap());
            };
            if message["id"] == id {
                return match message.get_mut("error") {
                    Some(error) => Err(error.take()),
                    None => Ok(message["result"].take()),
                };
            }
            self.note(&message);
        }
    }

    fn call(&mut self, tab: Option<&Tab>, method: &str, params: &Value) -> Value {
        let result = self.try_call(tab, method, params);
        result.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Keeps what a page did.
    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap();
                self.requests.insert(url.to_owned());
            }
            // That a page came with a status of 400 or more, or that the machine is slow.
            "Log.entryAdded"
                if ["network", "intervention", "violation"]
                    .iter()
                    .any(|source| params["entry"]["source"] == *source) => {}
            "Log.entryAdded" | "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" => {
                self.complaints.push(params.to_string());
            }
            _ => {}
        }
    }

    /// Opens a window without cookies.
    pub fn window(&mut self) -> Window {
        let window = self.call(None, "Target.createBrowserContext", &json!({}));
        Window(window["browserContextId"].as_str().unwrap().to_owned())
    }

    /// Opens an empty tab in a window, for a client of this address.
    pub fn tab(&mut self, window: &Window, address: &str, look: Look) -> Tab {
        let params = json!({ "url": "about:blank", "browserContextId": window.0 });
        let target = self.call(None, "Target.createTarget", &params)["targetId"].take();
        let params = json!({ "targetId": target, "flatten": true });
        let session = self.call(None, "Target.attachToTarget", &params);
        let tab = Tab(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Network", "Runtime", "Log"] {
            self.call(Some(&tab), &format!("{domain}.enable"), &json!({}));
        }
        let headers = json!({ "headers": { "X-Forwarded-For": address } });
        self.call(Some(&tab), "Network.setExtraHTTPHeaders", &headers);
        self.look(&tab, look);
        tab
    }

    /// Gives the window of a tab a cookie.
    pub fn set_cookie(&mut self, tab: &Tab, server: SocketAddr, name: &str, value: &str) {
        let cookie = json!({ "url": format!("https://{server}/"), "name": name, "value": value,
            "secure": true, "httpOnly": true, "sameSite": "Lax" });
        let set = self.call(Some(tab), "Network.setCookie", &cookie);
        assert_eq!(set["success"], true, "{name}");
    }

    /// Changes the width and the colours.
    pub fn look(&mut self, tab: &Tab, look: Look) {
        let Look { width, scheme } = look;
        let size =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.call(Some(tab), "Emulation.setDeviceMetricsOverride", &size);
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call(Some(tab), "Emulation.setEmulatedMedia", &media);
    }

    /// Runs `script` in each page before its own.
    pub fn before_each_page(&mut self, tab: &Tab, script: &str) {
        let params = json!({ "source": script });
        let method = "Page.addScriptToEvaluateOnNewDocument";
        self.call(Some(tab), method, &params);
    }

    /// Opens a page by its address, as a person types it.
    pub fn open(&mut self, tab: &Tab, server: SocketAddr, path: &str) {
        let params = json!({ "url": format!("http://{server}{path}") });
        let opened = self.call(Some(tab), "Page.navigate", &params);
        assert!(opened.get("errorText").is_none(), "{path}: {opened}");
        self.wait(tab, "document.readyState === 'complete'");
    }

    fn try_eval(&mut self, tab: &Tab, script: &str) -> Result<Value, Value> {
        let params = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let mut result = self.try_call(Some(tab), "Runtime.evaluate", &params)?;
        match result.get_mut("exceptionDetails") {
            Some(error) => Err(error.take()),
            None => Ok(result["result"]["value"].take()),
        }
    }

    /// The value of a script.
    pub fn eval(&mut self, tab: &Tab, script: &str) -> Value {
        let value = self.try_eval(tab, script);
        value.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until a script is true, whatever pages are loaded meanwhile.
    #[track_caller]
    pub fn wait(&mut self, tab: &Tab, script: &str) {
        let deadline = Instant::now() + PATIENCE;
        // An error: the page has just been replaced.
        while self.try_eval(tab, script).ok() != Some(true.into()) {
            if Instant::now() > deadline {
                let text = self.eval(tab, "document.location + '\\n' + document.body.innerText");
                panic!("never: {script}\n{}", text.as_str().unwrap());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits for a page at this path with this text, loaded as a whole.
    #[track_caller]
    pub fn wait_for(&mut self, tab: &Tab, path: &str, text: &str) {
        let text = serde_json::to_string(text).unwrap();
        self.wait(
            tab,
            &format!(
                "document.readyState === 'complete' && location.pathname === '{path}' \
                 && document.body.innerText.includes({text})"
            ),
        );
    }

    /// Presses a key and lets go of it.
    pub fn press(&mut self, tab: &Tab, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            other => panic!("{other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let params = json!({ "type": kind, "key": key, "code": key, "text": text,
                "windowsVirtualKeyCode": code, "nativeVirtualKeyCode": code });
            self.call(Some(tab), "Input.dispatchKeyEvent", &params);
        }
    }

    /// Types a text where the focus is.
    pub fn type_text(&mut self, tab: &Tab, text: &str) {
        self.call(Some(tab), "Input.insertText", &json!({ "text": text }));
    }

    /// Keeps a picture of the page, where the environment names a directory for them.
    pub fn picture(&mut self, tab: &Tab, name: &str) {
        use base64ct::{Base64, Encoding};
        if let Some(directory) = std::env::var_os("NIGHTLATCH_PICTURES") {
            let params = json!({ "captureBeyondViewport": true });
            let picture = self.call(Some(tab), "Page.captureScreenshot", &params);
            let picture = Base64::decode_vec(picture["data"].as_str().unwrap()).unwrap();
            let directory = std::path::PathBuf::from(directory);
            std::fs::write(directory.join(format!("{name}.png")), picture).unwrap();
        }
    }

    /// Checks that no page complained, and that they requested nothing from others than `server`.
    #[track_caller]
    pub fn was_quiet(&mut self, server: SocketAddr) {
        assert!(self.complaints.is_empty(), "{:#?}", self.complaints);
        let own = format!("http://{server}/");
        let mut others = self.requests.iter().filter(|url| !url.starts_with(&own));
        assert_eq!(others.next(), None);
        assert!(self.requests.len() > 2, "{:?}", self.requests);
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It ends with its pipe; what hangs is killed.
        drop(self.input.take());
        let deadline = Instant::now() + Duration::from_secs(10);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
