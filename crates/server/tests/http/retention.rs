//! What is removed in time is recorded in the sealed log.

use serde_json::json;

use crate::fixture::{Server, accepted, either_database, fresh_email};

#[test]
fn what_retention_removes_is_in_the_sealed_log_with_the_rule() {
    for config in either_database() {
        let config = format!("{config}[retention]\nevery = \"1s\"\nlinks = \"2d\"\n");
        let server = Server::start(&config, &[]);
        let body = json!({ "email": fresh_email() });
        let link = server
            .visitor()
            .post("/api/v2/auth/magic-link/request", &body);
        accepted(&link, 202);
        server.guest();
        // As if both had been over for long.
        server.execute(
            "UPDATE link SET expires = 1 WHERE purpose = 'sign-in'; \
             UPDATE session SET created = 1, seen = 1, idle = 1, absolute_end = 2; \
             UPDATE account SET created = 1;",
        );
        server.wait_for_event("\"guests\":1");
        let events = server.audit(&["list"]);
        let removed: Vec<&str> = events
            .lines()
            .filter(|line| line.contains("RETENTION_APPLIED"))
            .collect();
        let rule = "\"sessions_kept_seconds\":7776000,\"links_kept_seconds\":172800}";
        assert!(
            removed.iter().all(|line| line.contains(rule)),
            "{removed:?}"
        );
        let count = |part: &str| removed.iter().filter(|line| line.contains(part)).count();
        // One round may have come between the changes.
        for part in ["\"sessions\":1,", "\"guests\":1,", "\"links\":1,"] {
            assert_eq!(count(part), 1, "{part}: {removed:?}");
        }
    }
}
