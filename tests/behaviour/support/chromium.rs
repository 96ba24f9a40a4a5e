//! The installed browser, and axe-core: for the tests of the report's page, and of the server's.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Where `.ci/run` installs axe-core, from the workspace's directory.
const AXE: &str = "target/axe/node_modules/axe-core/axe.min.js";

/// What a browser is started with, besides a new profile.
pub const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--no-first-run",
    // Blocks the requests that the browser itself makes to its vendor.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--enable-logging=stderr",
];

/// Prints the reason where it is visible: the harness hides `eprintln!` output of a test that
/// passes.
pub fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// The installed browser, if any.
pub fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut names = ["chromium", "chromium-browser", "google-chrome"].into_iter();
    let found = names.find_map(|name| {
        std::env::split_paths(&path)
            .map(|directory| directory.join(name))
            .find(|file| file.is_file())
    });
    if found.is_none() {
        skip("there is no chromium here");
    }
    found
}

/// The script of axe-core, if it is installed in the workspace.
pub fn axe(workspace: &Path) -> Option<String> {
    let axe = std::fs::read_to_string(workspace.join(AXE)).ok();
    if axe.is_none() {
        skip(&format!("there is no {AXE}; .ci/run installs it"));
    }
    axe
}
