//! Clients and databases that stop in the middle. What the server waits for is real time, so these
//! tests take as long as it does.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nightlatch_server::client::Request;
use serde_json::json;

use crate::fixture::{Server, accepted, database, refused, wait_until};
use crate::postgres;

/// Writes documents of 32,000 bytes until the account has no room for more. Returns how many.
fn fill(user: &mut crate::fixture::User) -> usize {
    let (tasks, document) = (user.tasks(), json!({ "title": "x".repeat(32_000) }));
    for count in 0.. {
        let answer = user.visitor.post(&tasks, &document);
        if answer.status != 201 {
            refused(&answer, 409, "QUOTA_EXCEEDED");
            return count;
        }
    }
    unreachable!("there is always room")
}

#[test]
fn an_account_has_room_for_so_many_bytes_and_a_guest_for_fewer() {
    let server = Server::start("", &[]);
    assert_eq!(fill(&mut server.guest()), 32);
    let mut user = server.user();
    assert_eq!(fill(&mut user), 262);
    // The rest of the room is for documents that grow, and one that shrinks makes some.
    let list = accepted(&user.visitor.get(&user.tasks()), 200);
    let mut put = |at: usize, length: usize| {
        let id = list["items"][at]["id"].as_str().unwrap();
        let document = json!({ "title": "x".repeat(length) });
        let put = Request::new("PUT", &format!("{}/{id}", user.tasks())).json(&document);
        user.visitor.send(put)
    };
    accepted(&put(0, 32_700), 200);
    accepted(&put(1, 32_700), 200);
    refused(&put(2, 32_700), 409, "QUOTA_EXCEEDED");
    accepted(&put(2, 1), 200);
    assert_eq!(fill(&mut user), 1);
}

#[test]
fn a_client_that_does_not_read_its_answer_is_left() {
    let server = Server::start("", &[]);
    let mut user = server.user();
    // More than the buffers of a connection hold.
    fill(&mut user);
    let mut stalled = TcpStream::connect(server.address).unwrap();
    let (tasks, token) = (user.tasks(), &user.token);
    let request =
        format!("GET {tasks} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    stalled.write_all(request.as_bytes()).unwrap();
    // The connection of a server that has left takes nothing any more.
    let is_closed = || {
        let sent = (&stalled).write(b"\r\n");
        sent.is_err_and(|error| {
            matches!(
                error.kind(),
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
            )
        })
    };
    wait_until("end of the connection", is_closed, String::new);
    let mut answer = Vec::new();
    let _ = stalled.read_to_end(&mut answer);
    assert!(answer.len() < 8_000_000, "{}", answer.len());
}

#[test]
fn a_database_that_does_not_answer_is_unavailable_and_works_again() {
    let Some(url) = database() else { return };
    let server = Server::start(&format!("database = \"{url}\"\n"), &[]);
    let mut user = server.user();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let lock = runtime.block_on(postgres::connect(&url));
    let hold = "BEGIN; LOCK TABLE item IN ACCESS EXCLUSIVE MODE";
    runtime.block_on(lock.batch_execute(hold)).unwrap();
    let begun = Instant::now();
    let tasks = user.tasks();
    refused(&user.visitor.get(&tasks), 503, "UNAVAILABLE");
    assert!(begun.elapsed() < Duration::from_secs(60), "{begun:?}");
    runtime.block_on(lock.batch_execute("ROLLBACK")).unwrap();
    accepted(&user.visitor.post(&tasks, &json!({ "title": "milk" })), 201);
}
