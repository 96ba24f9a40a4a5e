//! Links the program for a fast start, on Linux: without shared libraries where that works, for a program
//! that waits for the dynamic linker at every prompt waits for nothing else as long
//! (docs/adr/0012-linked-statically.md), and with the functions that run there side by side
//! (docs/adr/0014-fast-to-load.md).
//!
//! Without shared libraries: with glibc, built for the machine it is built on. `-C target-feature=+crt-static`
//! would do the same, but without `--target` it holds for procedural macros too, which cannot be
//! built so. What the libraries are called stays as it is; the linker finds scripts of ours under
//! their names that lead it to the static ones. Whether that works is tried on a program of one line;
//! where it does not, the program is linked as any other.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)] // a build script

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the standard library asks the linker for on glibc.
const LIBRARIES: [&str; 6] = ["c", "m", "pthread", "dl", "rt", "util"];

/// Position-independent, so that the system can load it anywhere, as any other program.
const MODE: &str = "-static-pie";

/// Which functions lie together: a linker script. `benches/link-order` makes it.
const ORDER: &str = ".cargo/link-order.ld";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={ORDER}");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    if variable("CARGO_CFG_TARGET_OS") != "linux" {
        return Ok(());
    }
    let directory = variable("OUT_DIR");
    let directory = Path::new(&directory);
    let mut arguments = Vec::new();
    if is_for_this_glibc() {
        write_scripts(directory)?;
        arguments.extend([format!("-L{}", directory.display()), MODE.to_owned()]);
        if !links(directory, &arguments)? {
            arguments.clear();
        }
    }
    // Tests are not run at every prompt, and the linker has to look at all functions for it.
    if variable("PROFILE") == "release" {
        let order = Path::new(&variable("CARGO_MANIFEST_DIR")).join(ORDER);
        arguments.push(format!("-Wl,-T,{}", order.display()));
        if !links(directory, &arguments)? {
            arguments.pop();
        }
    }
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    Ok(())
}

/// Whether the program is to run on glibc and on such a machine as it is built on, and nobody has asked
/// for a static one already.
fn is_for_this_glibc() -> bool {
    let features = variable("CARGO_CFG_TARGET_FEATURE");
    variable("CARGO_CFG_TARGET_ENV") == "gnu"
        && variable("HOST") == variable("TARGET")
        && !features.split(',').any(|feature| feature == "crt-static")
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Scripts that stand for the shared libraries and lead to the static ones.
fn write_scripts(directory: &Path) -> Result<(), Box<dyn Error>> {
    for library in LIBRARIES {
        let script = format!("INPUT ( -l:lib{library}.a )\n");
        fs::write(directory.join(format!("lib{library}.so")), script)?;
    }
    let unwinder = "INPUT ( -l:libgcc_eh.a -l:libgcc.a )\n";
    fs::write(directory.join("libgcc_s.so"), unwinder)?;
    Ok(())
}

/// Whether a program links with `arguments`, and runs.
fn links(directory: &Path, arguments: &[String]) -> Result<bool, Box<dyn Error>> {
    let source = directory.join("trial.c");
    let program = directory.join("trial");
    fs::write(&source, "int main(void) { return 0; }\n")?;
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let mut link = Command::new(linker);
    link.arg(&source).arg("-o").arg(&program).args(arguments);
    link.args(link_arguments_of(&variable("CARGO_ENCODED_RUSTFLAGS")));
    // As the compiler does: without it the linker looks for no library under these names.
    link.args(["-Wl,-Bdynamic", "-lgcc_s"]);
    link.args(LIBRARIES.map(|library| format!("-l{library}")));
    Ok(succeeds(&mut link) && succeeds(&mut Command::new(&program)))
}

/// What whoever builds hands to the linker, another linker's name among it, by the compiler's flags.
fn link_arguments_of(flags: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    for flag in flags.split('\x1f') {
        let option = flag.strip_prefix("-C").unwrap_or(flag);
        if let Some(argument) = option.strip_prefix("link-arg=") {
            arguments.push(argument.to_owned());
        } else if let Some(several) = option.strip_prefix("link-args=") {
            arguments.extend(several.split_whitespace().map(str::to_owned));
        }
    }
    arguments
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
