//! An event that the sealer cannot read is set aside: nothing is lost, and nothing waits for it.

use serde_json::json;

use crate::fixture::{
    PASSWORD, Server, accepted, either_database, fresh_email, program, with_input,
};

/// More events than the sealer takes at once.
const OTHERS: usize = 600;

#[test]
fn an_unreadable_event_is_set_aside_with_its_digest_and_sealed_once_it_can_be_read() {
    for config in either_database() {
        let mut server = Server::start(&config, &[]);
        let node = std::fs::read_to_string(server.data.join("node-id")).unwrap();
        let node = node.trim();
        let id = "01970000-0000-7000-8000-000000000001";
        let event = format!(
            "{{\"id\":\"{id}\",\"event_type\":\"OF_A_LATER_VERSION\",\"username\":null,\
             \"tag\":null,\"session_id\":null,\"client\":null,\"details\":{{}}}}"
        );
        // More than the sealer takes at once come before it.
        let before = (0..OTHERS)
            .map(|number| format!("('01960000-0000-7000-8000-{number:012}', '{node}', 1, 'x')"));
        let rows: Vec<String> = before
            .chain([format!("('{id}', '{node}', 1, '{event}')")])
            .collect();
        server.execute(&format!(
            "INSERT INTO outbox (id, node, at, event) VALUES {}",
            rows.join(", ")
        ));
        // What comes after it is sealed, and changes are taken.
        let mut user = server.user();
        server.wait_for_metric(&format!("nightlatch_events_set_aside {}", OTHERS + 1));
        let task = json!({ "title": "after it" });
        accepted(&user.visitor.post(&user.tasks(), &task), 201);
        assert_eq!(server.stop(), "ended with 0\n");
        assert!(
            server
                .log()
                .contains("events that cannot be read were set aside")
        );
        let listed = server.audit(&["list", "--limit", "1000"]);
        let set_aside = listed
            .lines()
            .filter(|line| line.contains("EVENT_SET_ASIDE"))
            .count();
        let digest = nightlatch_core::crypto::sha256(event.as_bytes());
        let digest = nightlatch_core::crypto::hex(&digest);
        let details = format!(
            "{{\"event\":\"{id}\",\"digest\":\"{digest}\",\"bytes\":{}}}",
            event.len()
        );
        assert_eq!(set_aside, OTHERS + 1, "{listed}");
        assert_eq!(listed.matches(&details).count(), 1, "{listed}");
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
        let listed = server.audit(&["list", "--limit", "1000"]);
        assert_eq!(
            listed.matches(&format!("\"id\":\"{id}\"")).count(),
            1,
            "{listed}"
        );
        assert!(server.audit(&["verify"]).starts_with("Verified"));
    }
}
