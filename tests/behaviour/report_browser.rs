//! The page of `audit report` in a browser, on a telephone and on paper.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::report::{eventful, forge_a_line, page, put_in, report};
use crate::support::chromium::{self, FLAGS};
use crate::support::{Home, Run};

/// For a report of 1,000 events, the maximum of its table.
const MOST_PAGES: usize = 30;

/// What happened to a page in a browser.
struct Seen {
    /// The document, after its script ran.
    dom: String,
    /// The standard error, including the page's console.
    said: String,
    /// The page's network requests.
    asked: Vec<String>,
}

/// Runs the browser with these arguments, on a new profile.
fn opened(home: &Home, browser: &Path, arguments: &[String]) -> Run {
    let profile = tempfile::tempdir_in(home.outside("")).unwrap();
    let mut command = Command::new(browser);
    command
        .args(FLAGS)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments);
    Run::of(command).succeeds()
}

/// Opens a page in a browser.
fn browse(home: &Home, browser: &Path, url: &str) -> Seen {
    let net_log = home.outside("net.json");
    let arguments = [
        "--virtual-time-budget=2000".to_owned(),
        "--dump-dom".to_owned(),
        format!("--log-net-log={}", net_log.display()),
        url.to_owned(),
    ];
    let run = opened(home, browser, &arguments);
    Seen {
        dom: run.stdout,
        said: run.stderr,
        asked: asked_by_pages(&std::fs::read_to_string(net_log).unwrap()),
    }
}

/// The addresses that pages requested, from Chromium's network log: requests of the browser itself,
/// such as for updates, have no initiating origin.
fn asked_by_pages(net_log: &str) -> Vec<String> {
    let log: Value = serde_json::from_str(net_log).unwrap();
    let start = &log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"];
    assert!(start.is_u64(), "it is no record of requests");
    let events = log["events"].as_array().unwrap().iter();
    events
        .filter(|event| event["type"] == *start && event["params"]["initiator"] != "not an origin")
        .filter_map(|event| event["params"]["url"].as_str())
        .filter(|url| !url.starts_with("file:"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn in_a_browser_the_page_filters_loads_nothing_and_runs_nothing_of_the_log() {
    let Some(browser) = chromium::installed() else {
        return;
    };
    let home = eventful();
    forge_a_line(&home);
    let (file, _) = report(&home, &[]);
    let text = std::fs::read_to_string(&file).unwrap();
    let rows = text.matches("<td class=\"result\">").count();
    let failed = text.matches("<tr class=\"failed\">").count();
    assert!(failed > 0 && failed < rows);

    let url = format!("file://{}", file.display());
    for (fragment, shown) in [
        ("", rows),
        ("#result=failed", failed),
        ("#type=ACCOUNT_REGISTERED", 1),
        ("#q=no-such-text", 0),
    ] {
        let Seen { dom, said, asked } = browse(&home, &browser, &format!("{url}{fragment}"));
        assert!(!said.contains("CONSOLE"), "{said}");
        assert_eq!(asked, [""; 0], "{fragment}");
        assert!(dom.contains("<title>Nightlatch audit report"), "{fragment}");
        let count = format!("{shown} of {rows} shown");
        assert!(dom.contains(&count), "{fragment}: no {count:?}");
        let hidden = dom.split("<tr ").filter(|row| {
            row.split('>')
                .next()
                .is_some_and(|tag| tag.ends_with("hidden=\"\""))
        });
        assert_eq!(hidden.count(), rows - shown, "{fragment}");
    }

    // The purpose of the policy: an injected script would not run and an image would not be
    // requested, and the checks above would have seen both.
    let added = "<main><script>document.title=1</script><img src=http://127.0.0.1:9/x>";
    let broken = text.replace("<main>", added);
    std::fs::write(&file, &broken).unwrap();
    let Seen { dom, said, asked } = browse(&home, &browser, &url);
    assert!(dom.contains("<title>Nightlatch audit report"), "it ran");
    assert!(
        said.contains("CONSOLE") && said.contains("Content Security Policy"),
        "{said}"
    );
    assert_eq!(asked, [""; 0]);
    let open = broken.replace("Content-Security-Policy", "x");
    std::fs::write(&file, open).unwrap();
    let Seen { dom, asked, .. } = browse(&home, &browser, &url);
    assert!(dom.contains("<title>1</title>"), "it did not run");
    assert_eq!(asked, ["http://127.0.0.1:9/x"]);
}

/// The page with axe-core in it, which sends its findings and the page's width to the surrounding
/// page.
fn with_axe(text: &str, axe: &str) -> String {
    const RUN: &str = "document.querySelectorAll('details').forEach(d => d.open = true);
        axe.run(document, { resultTypes: ['violations'] }).then(found => parent.postMessage({
            width: innerWidth,
            scrolls: document.documentElement.scrollWidth > innerWidth,
            dark: matchMedia('(prefers-color-scheme: dark)').matches,
            passes: found.passes.length,
            violations: found.violations.map(v => [v.impact, v.id, v.nodes[0].html]),
        }, '*'));";
    let axe = axe.replace("</script", "<\\/script");
    let scripts = format!("<script>{axe}</script><script>{RUN}</script></body>");
    // The page's own policy allows no other script.
    text.replace("Content-Security-Policy", "x")
        .replace("</body>", &scripts)
}

#[test]
fn axe_finds_nothing_serious_at_375_and_1280_pixels_light_and_dark() {
    let Some(browser) = chromium::installed() else {
        return;
    };
    let Some(axe) = chromium::axe(Path::new(env!("CARGO_MANIFEST_DIR"))) else {
        return;
    };
    let home = eventful();
    home.run(&["audit", "hold", "add", "case-7"]).succeeds();
    let good = page(&home, &[]);
    forge_a_line(&home);
    let (file, _) = report(&home, &[]);
    let tampered = std::fs::read_to_string(file).unwrap();
    for (name, text) in [("good.html", good), ("tampered.html", tampered)] {
        std::fs::write(home.outside(name), with_axe(&text, &axe)).unwrap();
    }
    // The browser's window is at least 500 pixels wide; a frame can be narrower.
    let frames = ["good", "tampered"].map(|name| {
        [375, 1280].map(|width| {
            format!(
                "<iframe src={name}.html style='width:{width}px;height:900px;border:0'></iframe>"
            )
        })
    });
    let around = format!(
        "<!DOCTYPE html><script>onmessage = told => {{ const p = document.createElement('pre');
        p.textContent = JSON.stringify(told.data); document.body.append(p); }}</script><body>{}",
        frames.concat().concat()
    );
    let file = home.outside("frames.html");
    std::fs::write(&file, around).unwrap();
    for (setting, is_dark) in [(1, false), (0, true)] {
        let arguments = [
            "--virtual-time-budget=30000".to_owned(),
            "--dump-dom".to_owned(),
            format!("--blink-settings=preferredColorScheme={setting}"),
            format!("file://{}", file.display()),
        ];
        let dom = opened(&home, &browser, &arguments).stdout;
        let told = dom.split("<pre>").skip(1).map(|rest| {
            let json = rest.split("</pre>").next().unwrap();
            let json = json.replace("&lt;", "<").replace("&gt;", ">");
            serde_json::from_str::<Value>(&json.replace("&amp;", "&")).unwrap()
        });
        let told: Vec<_> = told.collect();
        let mut widths: Vec<_> = told.iter().map(|page| page["width"].as_u64()).collect();
        widths.sort_unstable();
        assert_eq!(widths, [375, 375, 1280, 1280].map(Some), "{dom}");
        for page in told {
            assert_eq!(page["dark"], is_dark);
            assert_eq!(page["scrolls"], false, "sideways: {page}");
            assert!(page["passes"].as_u64().unwrap() > 20, "axe did nothing");
            let violations = page["violations"].as_array().unwrap();
            let serious: Vec<_> = violations
                .iter()
                .filter(|found| found[0] == "serious" || found[0] == "critical")
                .collect();
            assert!(serious.is_empty(), "{}: {serious:?}", page["width"]);
        }
    }
}

#[test]
fn a_report_of_a_thousand_events_prints_on_at_most_30_pages() {
    let Some(browser) = chromium::installed() else {
        return;
    };
    let home = eventful();
    let lines = home.audit_lines();
    let commands = lines.iter().filter(|line| line.contains("\"COMMAND_"));
    let commands: Vec<_> = commands.map(|line| format!("{line}\n")).collect();
    put_in(&home, &commands.concat().repeat(100));
    let (file, _) = report(&home, &[]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.matches("<td class=\"result\">").count(), 1000);
    let pdf = home.outside("report.pdf");
    let arguments = [
        format!("--print-to-pdf={}", pdf.display()),
        format!("file://{}", file.display()),
    ];
    opened(&home, &browser, &arguments);
    let pdf = std::fs::read(pdf).unwrap();
    let pages = String::from_utf8_lossy(&pdf)
        .split("/Type /Page")
        .skip(1)
        .filter(|rest| !rest.starts_with('s'))
        .count();
    assert!((4..=MOST_PAGES).contains(&pages), "{pages} pages");
}
