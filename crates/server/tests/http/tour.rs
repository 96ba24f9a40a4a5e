//! The main job: `tour` shows everything on real parts and leaves nothing.

use crate::fixture::{database, program};

fn tour(database: Option<&str>) {
    let temp = tempfile::tempdir().unwrap();
    let mut command = program();
    command.env("TMPDIR", temp.path());
    if let Some(url) = database {
        command.args(["--database", url]);
        // The database of the tests asks for none; that of a person does.
        command.env("NIGHTLATCH_DATABASE_PASSWORD", "7 gulls");
    }
    let output = command.arg("tour").output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{shown}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for part in [
        "POST /api/v2/auth/anonymous",
        "409 {\"error\":\"TOKEN_ALREADY_USED\"",
        "\"status\":\"already_merged\"",
        "\"reason\":\"laptop stolen\"",
        "Verified: no tampering found",
        "All steps were as they should be.",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("a harbour wall"), "{shown}");
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn the_tour_shows_everything_and_leaves_nothing() {
    tour(None);
}

#[test]
fn the_tour_shows_the_same_on_postgresql_and_leaves_nothing() {
    let Some(url) = database() else { return };
    tour(Some(&url));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let left = runtime.block_on(async {
        let client = crate::postgres::connect(&url).await;
        let query = "SELECT 1 FROM pg_namespace WHERE nspname LIKE 'nightlatch%'";
        client.query(query, &[]).await.unwrap().len()
    });
    assert_eq!(left, 0);
}
