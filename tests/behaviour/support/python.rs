//! The Python interpreter for docs/verify.py.

use std::process::Command;

/// Whether there is a `python3` with the package `cryptography`.
pub fn has_python_cryptography() -> bool {
    let import = Command::new("python3")
        .args(["-c", "import cryptography"])
        .output();
    import.is_ok_and(|output| output.status.success())
}
