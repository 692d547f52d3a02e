//! The page in a real browser, where Chromium is installed: driven by its debugging protocol over a pipe, so that no port is opened.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use k8sverify::report::{Report, html};
use serde_json::{Value, json};

use crate::scenarios::{hostile, large, read, story};

/// How long anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(90);

struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    number: u64,
    /// Everything that was requested, and every complaint of the console.
    requests: Vec<String>,
    complaints: Vec<String>,
    folder: tempfile::TempDir,
}

impl Browser {
    /// `None` where there is none.
    fn start() -> Option<Self> {
        let program = ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find(|name| {
                Command::new(name)
                    .arg("--version")
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .is_ok_and(|status| status.success())
            });
        let Some(program) = program else {
            eprintln!("skipped: no Chromium on this machine");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // The browser speaks on its descriptors 3 and 4.
        let script = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut child = Command::new("sh")
            .args(["-c", script, program])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--no-first-run",
            ])
            .args([
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
                "--window-size=1280,900",
            ])
            .arg(format!(
                "--user-data-dir={}",
                folder.path().join("profile").display()
            ))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, messages) = channel();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while output
                .read_until(0, &mut message)
                .is_ok_and(|read| read > 0)
            {
                message.pop();
                if sender
                    .send(serde_json::from_slice(&message).unwrap())
                    .is_err()
                {
                    return;
                }
                message.clear();
            }
        });
        let input = child.stdin.take().unwrap();
        let mut browser = Self {
            child,
            input,
            messages,
            session: String::new(),
            number: 0,
            requests: Vec::new(),
            complaints: Vec::new(),
            folder,
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", &attach)["sessionId"].clone();
        browser.session = session.as_str().unwrap().to_owned();
        for domain in ["Page", "Network", "Log", "Runtime"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.input
            .write_all(message.to_string().as_bytes())
            .unwrap();
        self.input.write_all(&[0]).unwrap();
        let number = self.number;
        let answer = self.wait(method, |message| message["id"] == number);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The first message that fits; what comes before it is noted.
    fn wait(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(message) = self.messages.recv_timeout(left) else {
                panic!("the browser did not answer {what}");
            };
            let params = &message["params"];
            match message["method"].as_str() {
                Some("Network.requestWillBeSent") => {
                    self.requests.push(params["request"]["url"].to_string());
                }
                Some("Log.entryAdded" | "Runtime.exceptionThrown") => {
                    self.complaints.push(params.to_string());
                }
                _ => {}
            }
            if fits(&message) {
                return message;
            }
        }
    }

    /// Shows the page; how long that took by the page's own clock, in milliseconds.
    fn open(&mut self, name: &str, report: &Report) -> f64 {
        let path = self.folder.path().join(format!("{name}.html"));
        std::fs::write(&path, html::render(report)).unwrap();
        if let Some(folder) = std::env::var_os("REPORT_PICTURES") {
            std::fs::copy(&path, Path::new(&folder).join(format!("{name}.html"))).unwrap();
        }
        let url = format!("file://{}", path.display());
        self.call("Page.navigate", &json!({"url": url}));
        self.wait("the page", |message| {
            message["method"] == "Page.loadEventFired"
        });
        self.ask("performance.getEntriesByType('navigation')[0].loadEventStart")
            .as_f64()
            .unwrap()
    }

    fn ask(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &params);
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Asks until the page says so, for five seconds at most.
    fn becomes(&mut self, expression: &str, expected: &str) {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let said = self.ask(expression);
            if said == expected {
                return;
            }
            assert!(Instant::now() < end, "{expression}: {said}, not {expected}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn key(&mut self, key: &str, text: &str) {
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            _ => 0,
        };
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                params["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", &params);
        }
    }

    /// A picture of the whole page; kept in the folder that `REPORT_PICTURES` names, for people to look at.
    fn picture(&mut self, name: &str, scheme: &str, width: u32) -> usize {
        use base64::Engine as _;
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &media);
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let shot = self.call(
            "Page.captureScreenshot",
            &json!({"captureBeyondViewport": true}),
        );
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().unwrap())
            .unwrap();
        if let Some(folder) = std::env::var_os("REPORT_PICTURES") {
            let file = format!("{name}-{scheme}-{width}.png");
            std::fs::write(Path::new(&folder).join(file), &bytes).unwrap();
        }
        bytes.len()
    }

    /// A picture of what is in the window, for people alone.
    fn window(&mut self, name: &str) {
        use base64::Engine as _;
        let Some(folder) = std::env::var_os("REPORT_PICTURES") else {
            return;
        };
        let shot = self.call("Page.captureScreenshot", &json!({}));
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().unwrap())
            .unwrap();
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), &bytes).unwrap();
    }

    /// Nothing but the file itself was asked for, and no one complained.
    fn assert_quiet(&self) {
        let outside: Vec<&String> = self
            .requests
            .iter()
            .filter(|url| {
                !url.starts_with("\"file:")
                    && !url.starts_with("\"data:")
                    && !url.starts_with("\"about:")
            })
            .collect();
        assert!(outside.is_empty(), "{outside:?}");
        assert!(self.complaints.is_empty(), "{:?}", self.complaints);
        assert!(!self.requests.is_empty(), "the page itself is a request");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends by itself when its pipe closes; what it started ends with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Boxes and labels of the drawing that cover each other.
const OVERLAPS: &str = "(() => {
  const inside = [...document.querySelectorAll('svg.tiers .tier rect, svg.tiers .label')].map(e => e.getBoundingClientRect());
  let count = 0;
  inside.forEach((a, i) => inside.slice(i + 1).forEach(b => { count += a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2; }));
  return count;
})()";

const SHOWN: &str = "document.querySelector('#shown').textContent";

#[test]
fn the_page_is_read_searched_and_used_by_keyboard() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    browser.open("story", &story());
    assert_eq!(
        browser.ask("document.querySelector('h1').textContent"),
        "✗unhealthy3 causes break 3 of 4 edges"
    );
    assert_eq!(browser.ask(SHOWN), "6 of 6 shown");
    assert_eq!(
        browser.ask("document.querySelectorAll('svg.tiers .arrow.fail:not(.weak)').length"),
        3
    );
    assert_eq!(
        browser.ask("document.querySelectorAll('#causes > details[open]').length"),
        3
    );
    assert_eq!(browser.ask(OVERLAPS), 0);
    assert!(browser.picture("story", "light", 1280) > 20_000);
    assert!(browser.picture("story", "dark", 1280) > 20_000);
    browser.picture("story", "light", 420);
    browser.picture("story", "light", 1280);

    // The search, by keyboard.
    browser.key("/", "/");
    browser.call("Input.insertText", &json!({"text": "kvs fail"}));
    assert_eq!(browser.ask(SHOWN), "2 of 6 shown");
    browser.key("Escape", "");
    assert_eq!(browser.ask(SHOWN), "6 of 6 shown");
    // The filter.
    browser.ask("document.querySelector('input[value=fail]').click()");
    assert_eq!(browser.ask(SHOWN), "1 of 6 shown");
    browser.ask("document.querySelector('input[value=fail]').click()");

    // An arrow shows its steps when it is focused, and leads to its edge.
    browser.ask("document.querySelector('.arrow.fail').closest('a').focus()");
    let tip = browser.ask(
        "document.querySelector('#tip').hidden ? '' : document.querySelector('#tip').textContent",
    );
    assert!(tip.as_str().unwrap().contains("NXDOMAIN"), "{tip}");
    browser.window("tip");
    browser.key("Enter", "\r");
    // Following a link inside the page is a task of its own for the browser.
    browser.becomes(
        "document.querySelector('li.edge details').open && document.activeElement.tagName",
        "SUMMARY",
    );
    // A tier shows the edges that touch it.
    browser.ask("document.querySelector('a[href=\"#tier-2\"]').dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))");
    assert_eq!(browser.ask(SHOWN), "2 of 6 shown");
    browser.picture("filtered", "dark", 1280);
    browser.assert_quiet();
}

#[test]
fn a_healthy_a_stopped_and_a_hostile_run_are_shown_and_nothing_of_theirs_runs() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    for name in ["healthy", "strict", "interrupted", "blocked"] {
        browser.open(name, &read(name));
        assert!(browser.picture(name, "light", 1280) > 10_000);
    }
    browser.open("hostile", &hostile());
    assert_eq!(browser.ask(SHOWN), "6 of 6 shown");
    assert_eq!(
        browser.ask("document.querySelectorAll('b[onmouseover]').length"),
        0
    );
    browser.assert_quiet();
    let paper = browser.call("Page.printToPDF", &json!({}));
    assert!(paper["data"].as_str().unwrap().len() > 10_000);
}

/// What stands out of the window to the right; and what scrolls and cannot be reached by keyboard. Everything is opened first.
const TOO_WIDE: &str = "(() => { document.querySelectorAll('details').forEach(one => one.open = true); return document.documentElement.scrollWidth - window.innerWidth; })()";
const UNREACHABLE: &str = "[...document.querySelectorAll('body *')].filter(one => one.scrollWidth > one.clientWidth && ['auto', 'scroll'].includes(getComputedStyle(one).overflowX) && one.tabIndex < 0).length";

#[test]
fn on_a_phone_no_page_is_wider_than_the_window_and_all_that_scrolls_is_reached() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let named = ["healthy", "strict", "interrupted", "blocked"].map(|name| (name, read(name)));
    let reports = named
        .into_iter()
        .chain([("story", story()), ("hostile", hostile())]);
    for (name, report) in reports {
        browser.open(name, &report);
        browser.picture(&format!("{name}-phone"), "light", 390);
        assert_eq!(browser.ask(TOO_WIDE), 0, "{name}");
        assert_eq!(browser.ask(UNREACHABLE), 0, "{name}");
    }
}

#[test]
fn two_thousand_edges_stay_fast() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    browser.open("hundred", &large(100));
    assert_eq!(browser.ask(OVERLAPS), 0);
    browser.picture("hundred", "light", 1280);
    browser.picture("hundred", "dark", 1280);
    let loaded = browser.open("large", &large(2000));
    assert!(browser.picture("large", "light", 1280) > 20_000);
    assert_eq!(browser.ask(SHOWN), "2000 of 2000 shown");
    // A machine that is busy otherwise takes several times of what was measured.
    assert!(loaded < 30_000.0, "{loaded} ms until the page stands");
    let filtered = browser.ask(
        "(() => {
          const start = performance.now();
          search.value = 'svc-016';
          search.dispatchEvent(new Event('input'));
          document.body.getBoundingClientRect();
          return performance.now() - start;
        })()",
    );
    assert!(
        filtered.as_f64().unwrap() < 3_000.0,
        "{filtered} ms to filter"
    );
    assert_ne!(browser.ask(SHOWN), "2000 of 2000 shown");
    eprintln!("2,000 edges: {loaded:.0} ms to stand, {filtered} ms to filter");
    browser.assert_quiet();
}
