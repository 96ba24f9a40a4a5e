//! An event that the sealer cannot read is set aside: nothing is lost, and nothing waits for it.

use serde_json::json;

use crate::fixture::{
    PASSWORD, Server, accepted, either_database, fresh_email, program, with_input,
};

#[test]
fn an_unreadable_event_is_set_aside_with_its_digest_and_sealed_once_it_can_be_read() {
    for config in either_database() {
        let mut server = Server::start(&config, &[]);
        let node = std::fs::read_to_string(server.data.join("node-id")).unwrap();
        let id = "01970000-0000-7000-8000-000000000001";
        let event = format!(
            "{{\"id\":\"{id}\",\"event_type\":\"OF_A_LATER_VERSION\",\"username\":null,\
             \"tag\":null,\"session_id\":null,\"client\":null,\"details\":{{}}}}"
        );
        let insert = format!(
            "INSERT INTO outbox (id, node, at, event) VALUES ('{id}', '{}', 1, '{event}')",
            node.trim()
        );
        server.execute(&insert);
        // What comes after it is sealed, and changes are taken.
        let mut user = server.user();
        server.wait_for_metric("nightlatch_events_set_aside 1");
        let task = json!({ "title": "after it" });
        accepted(&user.visitor.post(&user.tasks(), &task), 201);
        assert_eq!(server.stop(), "ended with 0\n");
        assert!(
            server
                .log()
                .contains("events that cannot be read were set aside")
        );
        let listed = server.audit(&["list"]);
        let set_aside: Vec<&str> = listed
            .lines()
            .filter(|line| line.contains("EVENT_SET_ASIDE"))
            .collect();
        let digest = nightlatch_core::crypto::sha256(event.as_bytes());
        let digest = nightlatch_core::crypto::hex(&digest);
        let details = format!(
            "{{\"event\":\"{id}\",\"digest\":\"{digest}\",\"bytes\":{}}}",
            event.len()
        );
        assert_eq!(set_aside.len(), 1, "{listed}");
        assert!(set_aside[0].contains(&details), "{listed}");
        assert!(listed.contains("ACCOUNT_REGISTERED"));
        // As if a later version had come: for this one to read, the event is one that it knows.
        let known = format!(
            "UPDATE outbox SET event = replace(event, 'OF_A_LATER_VERSION', 'LOGIN_ATTEMPT') \
             WHERE id = '{id}'"
        );
        server.execute(&known);
        let config = server.data.parent().unwrap().join("config.toml");
        let mut command = program();
        command
            .arg("--config")
            .arg(config)
            .arg("--data")
            .arg(&server.data);
        command.args(["admin", "create", &fresh_email(), "--password-stdin"]);
        let made = with_input(&mut command, PASSWORD);
        assert!(made.status.success(), "{made:?}");
        let listed = server.audit(&["list"]);
        assert_eq!(
            listed.matches(&format!("\"id\":\"{id}\"")).count(),
            1,
            "{listed}"
        );
        assert!(server.audit(&["verify"]).starts_with("Verified"));
    }
}
