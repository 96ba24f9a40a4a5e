//! The guide to the API: every command in it works, in order.

use std::process::Command;

use crate::fixture::{PASSWORD, Server, program, with_input};

#[test]
fn every_curl_command_of_the_api_guide_works() {
    let server = Server::start("", &[]);
    let data = server.data.to_str().unwrap();
    let create = [
        "admin",
        "create",
        "root@example.com",
        "--password-stdin",
        "--data",
        data,
    ];
    assert!(
        with_input(program().args(create), PASSWORD)
            .status
            .success()
    );
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/server/api.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let commands: Vec<&str> = guide
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    let temp = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-euxc", &commands.concat()])
        .current_dir(temp.path())
        .env("SERVER", format!("http://{}", server.address))
        .env("OUTBOX", server.data.join("outbox"))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    // Every route is in it.
    for route in nightlatch_server::api::ROUTES {
        let path = route.path.split("/{").next().unwrap();
        assert!(guide.contains(path), "{}", route.path);
    }
}
