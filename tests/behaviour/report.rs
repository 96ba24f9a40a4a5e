//! Looking at the log: `audit stats` and the page of `audit report`.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{EMAIL, Home, OTHER_PASSWORD, Pty, Run, files_in};

/// What would run, or draw, if any of it came through.
const HOSTILE: [&str; 4] = [
    "<img src=x onerror=document.title=1>",
    "\"><svg onload=document.title=1>",
    "<script>document.title=1<",
    "--><b>' onclick='document.title=1",
];

/// A person who signed in, once with a wrong password, and ran a program that failed and some
/// with names chosen by somebody hostile.
fn eventful() -> Home {
    let home = Home::registered();
    home.run_with_input(
        &["login", EMAIL, "--password-stdin"],
        OTHER_PASSWORD.as_bytes(),
    )
    .ends_with(5);
    home.login(&[]).succeeds();
    home.run(&["exec", "--", "false"]).ends_with(1);
    for name in HOSTILE {
        let program = home.outside(name);
        symlink("/bin/true", &program).unwrap();
        home.run(&["exec", "--", program.to_str().unwrap()])
            .succeeds();
    }
    home
}

/// Puts lines before the last one of the log, after which nothing could be appended.
fn put_in(home: &Home, lines: &str) {
    let segment = files_in(&home.path().join("audit"))
        .into_iter()
        .find(|path| path.extension().is_some_and(|is| is == "jsonl"))
        .unwrap();
    let text = std::fs::read_to_string(&segment).unwrap();
    let (head, tail) = text.split_at(text.trim_end().rfind('\n').unwrap() + 1);
    std::fs::write(&segment, format!("{head}{lines}{tail}")).unwrap();
}

/// Puts in a line in which every text is hostile; it was never sealed.
fn forge_a_line(home: &Home) {
    let mut forged = home.audit().pop().unwrap();
    for key in ["username", "host", "tty"] {
        forged[key] = format!("{key}</script>{}", HOSTILE.concat()).into();
    }
    forged["details"] = serde_json::json!({ "reason": HOSTILE.concat(), HOSTILE[0]: "\u{202e}" });
    forged.as_object_mut().unwrap().shift_remove("seal");
    put_in(home, &format!("{forged}\n"));
}

fn report(home: &Home, more: &[&str]) -> (PathBuf, Run) {
    let file = home.outside("report.html");
    let arguments = ["audit", "report", "--html", file.to_str().unwrap()];
    let run = home.run(&[&arguments, more].concat());
    (file, run)
}

fn page(home: &Home, more: &[&str]) -> String {
    let (file, run) = report(home, more);
    run.succeeds();
    std::fs::read_to_string(file).unwrap()
}

fn reads(home: &Home) -> usize {
    let events = home.events();
    events.iter().filter(|event| *event == "AUDIT_READ").count()
}

#[test]
fn statistics_are_those_of_the_lines_and_are_recorded_once() {
    let home = eventful();
    let lines = home.audit();
    let stats = home.run(&["audit", "stats", "--json"]).succeeds().json();
    assert_eq!(reads(&home), 1);
    let count = |keeps: &dyn Fn(&Value) -> bool| lines.iter().filter(|line| keeps(line)).count();
    assert_eq!(stats["schema"], 1);
    assert_eq!(stats["total"], lines.len());
    let finished = |line: &Value| line["event_type"] == "COMMAND_FINISHED";
    let failed = count(&|line| line["success"] == false && !finished(line));
    let sum_of =
        |keys: [&str; 2]| -> u64 { keys.iter().map(|key| stats[*key].as_u64().unwrap()).sum() };
    assert_eq!(sum_of(["failed", "refused"]), failed as u64);
    let nonzero = count(&|line| line["success"] == false && finished(line));
    assert_eq!(stats["nonzero"], nonzero);
    for row in stats["by_type"].as_array().unwrap() {
        let expected = count(&|line| line["event_type"] == row["event_type"]);
        assert_eq!(row["events"], expected, "{row}");
    }
    let account = &stats["by_account"][0];
    assert_eq!(account["username"], EMAIL);
    assert_eq!(account["sessions"], 1);
    assert_eq!(account["commands"], 1 + HOSTILE.len());
    let sum = |rows: &Value| -> u64 {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["events"].as_u64().unwrap()).sum()
    };
    assert_eq!(sum(&stats["by_hour"]), lines.len() as u64);
    assert_eq!(sum(&stats["over_time"]), lines.len() as u64);
    assert_eq!(stats["longest_sessions"].as_array().unwrap().len(), 1);

    let some = ["audit", "stats", "--json", "--event", "LOGIN_FAILURE"];
    let some = home.run(&some).succeeds().json();
    assert_eq!(some["total"], 1);
    assert_eq!(some["longest_sessions"], Value::Null, "not to be known");
}

#[test]
fn statistics_fit_the_width_and_are_ascii_where_the_locale_is() {
    let home = eventful();
    let plain = home.run(&["audit", "stats"]).succeeds().stdout;
    assert!(plain.is_ascii() && plain.contains("###"), "{plain}");
    let mut command = home.command(&["audit", "stats"]);
    let blocks = Run::of({
        command.env("LANG", "C.UTF-8");
        command
    });
    let blocks = blocks.succeeds().stdout;
    assert!(blocks.contains("██"), "{blocks}");
    for text in [&plain, &blocks] {
        for part in ["By type", "By account", "By hour", "Failures", "Longest"] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert_eq!(widest, Some(80), "{text}");
    }
}

#[test]
fn on_a_terminal_statistics_are_as_wide_as_it_is() {
    let home = eventful();
    for columns in [50, 120] {
        let script = format!("stty cols {columns}; exec $NIGHTLATCH audit stats");
        let (text, status) = Pty::spawn(home.shell(&script)).finish();
        assert!(status.success(), "{text}");
        let widest = text.lines().map(|line| line.trim_end().chars().count());
        assert_eq!(widest.max(), Some(columns), "{text}");
    }
}

#[test]
fn where_there_is_no_log_there_is_no_page_and_nothing_is_created() {
    let home = Home::bare();
    let (file, run) = report(&home, &[]);
    run.refuses(7, "there is no audit log here");
    assert!(!file.exists() && !home.path().exists());
    let stats = home.run(&["audit", "stats", "--json"]).succeeds().json();
    assert_eq!(stats["total"], 0);
}

#[test]
fn the_page_is_the_owners_alone_and_replaces_files_only() {
    let home = eventful();
    let file = home.outside("report.html");
    std::fs::write(&file, "old").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let before = files_in(file.parent().unwrap());
    let text = page(&home, &[]);
    assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>"));
    assert_eq!(reads(&home), 1);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(files_in(file.parent().unwrap()), before, "left something");

    let to_stdout = home.run(&["audit", "report", "--html", "-"]).succeeds();
    assert!(to_stdout.stdout.starts_with("<!DOCTYPE html>"));

    let target = home.outside("target");
    std::fs::write(&target, "kept").unwrap();
    let link = home.outside("link");
    symlink(&target, &link).unwrap();
    let fifo = home.outside("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let read = reads(&home);
    for path in [&link, &fifo, &home.path(), Path::new("/dev/null")] {
        let path = path.to_str().unwrap();
        home.run(&["audit", "report", "--html", path])
            .refuses(1, "not a regular file");
    }
    assert_eq!(std::fs::read_to_string(target).unwrap(), "kept");
    assert_eq!(reads(&home), read, "nothing was read");
}

#[test]
fn the_page_tells_what_was_verified_and_what_was_not() {
    let home = eventful();
    let text = page(&home, &[]);
    assert!(text.contains("The log verifies") && text.contains("Not checked"));
    assert!(
        text.contains("--fingerprint"),
        "it says it was not compared"
    );
    let fingerprint = home.audit()[0]["details"]["fingerprint"].clone();
    let text = page(&home, &["--fingerprint", fingerprint.as_str().unwrap()]);
    assert!(!text.contains("--fingerprint") && text.contains("against the one given"));

    assert!(text.contains("--anchor"), "it says so of the anchor, too");
    let anchor = home.outside("anchor.json");
    let noted = home.run(&["audit", "anchor", "--json"]).succeeds().stdout;
    std::fs::write(&anchor, &noted).unwrap();
    let text = page(&home, &["--anchor", anchor.to_str().unwrap()]);
    assert!(!text.contains("--anchor") && text.contains("Compared with the anchor"));
    let later = noted.replacen("\"seq\":", "\"seq\":9", 1);
    std::fs::write(&anchor, later).unwrap();
    let (file, run) = report(&home, &["--anchor", anchor.to_str().unwrap()]);
    run.refuses(7, "does not verify");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("the log ends before event"));

    let (file, run) = report(&home, &["--fingerprint", &"ab".repeat(32)]);
    run.refuses(7, "does not verify");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("The log does not verify") && text.contains("this is another log"));
    assert!(!text.contains("The log verifies"));
}

#[test]
fn nothing_in_the_log_becomes_markup_and_nothing_is_loaded() {
    let home = eventful();
    forge_a_line(&home);
    let (file, run) = report(&home, &[]);
    run.ends_with(7);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("The log does not verify"));
    for tag in ["<img", "<svg onload", "<b>", "\u{202e}", "' onclick='"] {
        assert!(!text.contains(tag), "{tag}");
    }
    assert_eq!(text.matches("<script").count(), 1);
    assert_eq!(text.matches("</script").count(), 1);
    // It is there, as text: the names of programs, and those of the forged line.
    for part in ["&#60;img src=x", "username&#60;/script", "host&#60;/script"] {
        assert!(text.contains(part), "no {part}");
    }
    for load in [
        " src=\"", "url(", "@import", "http://", "https://", "<link", "<iframe",
    ] {
        assert!(!text.contains(load), "{load}");
    }
    assert!(text.contains("default-src &#39;none&#39;") || text.contains("default-src 'none'"));
}

#[test]
fn the_table_is_bounded_and_says_how_much_is_left_out() {
    let home = Home::registered();
    home.login(&[]).succeeds();
    let line = format!("{}\n", home.audit_lines()[1]);
    put_in(&home, &line.repeat(1100));
    let lines = home.audit().len();
    let (file, run) = report(&home, &[]);
    run.ends_with(7);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("The log does not verify"));
    assert_eq!(text.matches("<td class=\"result\">").count(), 1000);
    let note = format!("The newest 1000; {} older ones are left out", lines - 1000);
    assert!(text.contains(&note), "{note}");
}

/// The browser there is, if any.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut names = ["chromium", "chromium-browser", "google-chrome"].into_iter();
    names.find_map(|name| {
        std::env::split_paths(&path)
            .map(|directory| directory.join(name))
            .find(|file| file.is_file())
    })
}

/// What came of a page in a browser.
struct Seen {
    /// The document, after its script ran.
    dom: String,
    /// Standard error, the page's console among it.
    said: String,
    /// What was asked of the network, but for what the browser always asks of its maker.
    asked: Vec<String>,
}

/// Opens a page in a browser.
fn browse(home: &Home, browser: &Path, url: &str) -> Seen {
    let profile = tempfile::tempdir_in(home.outside("")).unwrap();
    let net_log = profile.path().join("net.json");
    let mut command = Command::new(browser);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args(["--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync"])
        // What it would ask of its maker on its own gets nowhere.
        .arg("--host-resolver-rules=MAP * ~NOTFOUND")
        .args(["--disable-dev-shm-usage", "--enable-logging=stderr"])
        .args(["--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--log-net-log={}", net_log.display()))
        .arg(url);
    let run = Run::of(command).succeeds();
    let net_log = std::fs::read_to_string(net_log).unwrap();
    assert!(net_log.contains("report.html"), "it is no record");
    let asked = net_log.split("\"url\":\"http").skip(1);
    let asked = asked.map(|rest| rest.split('"').next().unwrap().to_owned());
    Seen {
        dom: run.stdout,
        said: run.stderr,
        asked: asked.filter(|url| !url.contains(".google.com/")).collect(),
    }
}

#[test]
fn in_a_browser_the_page_filters_loads_nothing_and_runs_nothing_of_the_log() {
    let Some(browser) = browser() else {
        eprintln!("skipped: there is no chromium here");
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
        ("#failed=1", failed),
        ("#type=ACCOUNT_REGISTERED", 1),
        ("#q=no-such-text", 0),
    ] {
        let Seen { dom, said, asked } = browse(&home, &browser, &format!("{url}{fragment}"));
        assert!(!said.contains("CONSOLE"), "{said}");
        assert_eq!(asked, [""; 0], "{fragment}");
        assert!(dom.contains("<title>Nightlatch audit report"), "{fragment}");
        let count = format!("{shown} of {rows} shown");
        assert!(dom.contains(&count), "{fragment}: no {count:?}");
        let hidden = dom.matches("<tr hidden=\"\">").count()
            + dom.matches("<tr class=\"failed\" hidden=\"\">").count();
        assert_eq!(hidden, rows - shown, "{fragment}");
    }

    // What the policy is for: a script that came through would not run, nor a picture be asked for,
    // and both would have been seen above.
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
    assert!(!asked.is_empty());
}
