//! What strangers cannot keep a person from.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::fixture::{
    PASSWORD, Server, User, Visitor, accepted, either_database, fresh_email, refused, wait_until,
};

/// How long the strangers come at most.
const LONGEST: Duration = Duration::from_secs(180);

/// What signing in with the right password is answered, by a database that has a connection left.
fn log_in(user: &User, visitor: &mut Visitor) -> nightlatch_server::client::Response {
    let login = json!({ "email": user.email, "password": PASSWORD });
    loop {
        let answer = visitor.post("/api/auth/login", &login);
        if answer.status != 503 || answer.json()["error"] != "UNAVAILABLE" {
            return answer;
        }
    }
}

#[test]
fn networks_of_a_provider_that_fill_the_hashing_queue_keep_nobody_else_from_signing_in() {
    for database in either_database() {
        let server = Server::start(&database, &[]);
        let user = server.user();
        let begun = Instant::now();
        let (is_full, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for host in 0..200 {
                let mut stranger = server.visitor();
                stranger.address = format!("192.0.{}.{host}", host % 7);
                let (is_full, is_over) = (&is_full, &is_over);
                scope.spawn(move || {
                    // Should the test fail, it ends all the same.
                    while !is_over.load(Ordering::Relaxed) && begun.elapsed() < LONGEST {
                        let login = json!({ "email": fresh_email(), "password": PASSWORD });
                        let answer = stranger.post("/api/auth/login", &login);
                        if answer.status == 503 && answer.json()["error"] == "BUSY" {
                            is_full.store(true, Ordering::Relaxed);
                        }
                        if answer.status != 401 {
                            std::thread::sleep(Duration::from_millis(50));
                        }
                    }
                });
            }
            wait_until(
                "full queue",
                || is_full.load(Ordering::Relaxed),
                || server.log(),
            );
            let answers: Vec<_> = (0..6)
                .map(|_| log_in(&user, &mut server.visitor()))
                .collect();
            is_over.store(true, Ordering::Relaxed);
            for answer in &answers {
                accepted(answer, 200);
            }
        });
    }
}

#[test]
fn strangers_who_fail_lock_nobody_out_where_a_session_began() {
    for database in either_database() {
        let server = Server::start(&database, &[]);
        let mut user = server.user();
        let wrong = json!({ "email": user.email, "password": "not the password at all" });
        let mut stranger = server.visitor();
        let answer = stranger.post("/api/auth/login", &wrong);
        refused(&answer, 401, "INVALID_CREDENTIALS");
        // As after some more of them.
        server.execute(
            "UPDATE throttle SET attempts = 5, locked_until = 4102444800000 \
             WHERE name LIKE 'account:%'",
        );
        refused(&log_in(&user, &mut stranger), 423, "ACCOUNT_LOCKED");
        // Nor by an email that is written like the name of another count.
        let email = format!("{} {}", user.visitor.address, user.email);
        let forged = json!({ "email": email, "password": "not the password at all" });
        let answer = server.visitor().post("/api/auth/login", &forged);
        refused(&answer, 401, "INVALID_CREDENTIALS");
        server.execute(
            "UPDATE throttle SET attempts = 5, locked_until = 4102444800000 \
             WHERE name LIKE 'account:%'",
        );
        let mut own = user.visitor.clone();
        accepted(&log_in(&user, &mut own), 200);
        // Guesses from there are counted, too.
        refused(
            &own.post("/api/auth/login", &wrong),
            401,
            "INVALID_CREDENTIALS",
        );
        server.execute(
            "UPDATE throttle SET attempts = 5, locked_until = 4102444800000 \
             WHERE name LIKE 'account:%'",
        );
        refused(
            &log_in(&user, &mut user.visitor.clone()),
            423,
            "ACCOUNT_LOCKED",
        );
        accepted(&user.visitor.get("/api/auth/profile"), 200);
    }
}

#[test]
fn a_sign_in_that_fails_through_a_fault_of_the_server_is_not_counted() {
    for database in either_database() {
        let server = Server::start(&database, &[]);
        let user = server.user();
        let mut phone = server.visitor();
        // The session cannot be begun without the record of it.
        server.execute("ALTER TABLE outbox RENAME TO mislaid");
        for _ in 0..4 {
            let answer = log_in(&user, &mut phone);
            assert!([500, 503].contains(&answer.status), "{}", answer.json());
        }
        server.execute("ALTER TABLE mislaid RENAME TO outbox");
        let mut last = log_in(&user, &mut phone);
        // Until the log keeps up again.
        let begun = Instant::now();
        while last.status == 503 && begun.elapsed() < LONGEST {
            std::thread::sleep(Duration::from_millis(20));
            last = log_in(&user, &mut phone);
        }
        accepted(&last, 200);
    }
}
