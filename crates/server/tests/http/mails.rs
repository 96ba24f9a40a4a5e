//! Mails over SMTP: sent once, encrypted, tried again, and given up.

use serde_json::json;

use crate::fixture::{Server, accepted, files, fresh_email, link_token, program, wait_until};
use crate::smtp::{self, Security, SmtpServer};

/// A server that hands its mails to `smtp`.
fn server(smtp: &SmtpServer, scheme: &str) -> Server {
    let port = smtp.address.port();
    let user = if scheme == "smtp-plain" {
        String::new()
    } else {
        format!("{}@", smtp::USER)
    };
    let certificate = smtp.certificate.display();
    let config = format!(
        "[mail]\nfrom = \"login@example.com\"\nsmtp = \"{scheme}://{user}localhost:{port}\"\n\
         ca = \"{certificate}\"\n"
    );
    let password = [("NIGHTLATCH_SMTP_PASSWORD", smtp::PASSWORD)];
    let environment = if user.is_empty() { &[][..] } else { &password };
    Server::start(&config, environment)
}

/// Asks for a sign-in link for a fresh email, which it returns.
fn ask(server: &Server) -> String {
    let email = fresh_email();
    let body = json!({ "email": email });
    let answer = server
        .visitor()
        .post("/api/v2/auth/magic-link/request", &body);
    accepted(&answer, 202);
    email
}

fn usual(_: &str, _: usize) -> Option<&'static str> {
    None
}

#[test]
fn a_link_is_mailed_over_smtp_once_and_redeemed() {
    let smtp = SmtpServer::start(Security::Plain, usual);
    let server = server(&smtp, "smtp-plain");
    let email = ask(&server);
    let [mail] = &smtp.wait_for(1)[..] else {
        panic!("one mail");
    };
    assert_eq!(
        (mail.from.as_str(), &mail.to),
        ("login@example.com", &email)
    );
    assert!(
        mail.text.contains(&format!("\r\nTo: {email}\r\n")),
        "{}",
        mail.text
    );
    server.wait_for_metric("nightlatch_mails_total{outcome=\"sent\"} 1");
    assert!(files(&server.data.join("outbox")).is_empty());
    assert!(smtp.seen().iter().any(|line| line == "EHLO [127.0.0.1]"));
    let body = json!({ "token": link_token(&mail.text) });
    let answer = server
        .visitor()
        .post("/api/v2/auth/magic-link/verify", &body);
    assert_eq!(accepted(&answer, 200)["email"], email);
    assert!(!server.log().contains(link_token(&mail.text)) && !server.log().contains(&email));
}

#[test]
fn mails_that_another_program_sends_are_counted() {
    let server = Server::start("", &[]);
    server.wait_for_metric("nightlatch_mails_waiting 0");
    ask(&server);
    ask(&server);
    server.wait_for_metric("nightlatch_mails_waiting 2");
    assert!(!server.metrics().contains("nightlatch_mails_total"));
}

#[test]
fn mails_are_sent_over_tls_with_a_password_smtps_and_starttls() {
    for (security, scheme) in [(Security::Implicit, "smtps"), (Security::StartTls, "smtp")] {
        let smtp = SmtpServer::start(security, usual);
        let server = server(&smtp, scheme);
        let email = ask(&server);
        assert_eq!(smtp.wait_for(1)[0].to, email);
    }
}

#[test]
fn no_mail_is_sent_to_a_server_without_tls_or_with_another_certificate() {
    // A server that offers no STARTTLS, as somebody between would make it look.
    let plain = SmtpServer::start(Security::Plain, usual);
    let stripped = server(&plain, "smtp");
    ask(&stripped);
    let foreign = SmtpServer::start(Security::Implicit, usual);
    let trusted = SmtpServer::start(Security::Implicit, usual);
    let config = format!(
        "[mail]\nsmtp = \"smtps://{}@localhost:{}\"\nca = \"{}\"\n",
        smtp::USER,
        foreign.address.port(),
        trusted.certificate.display(),
    );
    let impostor = Server::start(&config, &[("NIGHTLATCH_SMTP_PASSWORD", smtp::PASSWORD)]);
    ask(&impostor);
    for (server, problem) in [(&stripped, "STARTTLS"), (&impostor, "certificate")] {
        let is_told = || server.log().contains("the mail server cannot be used");
        wait_until("failure", is_told, || server.log());
        assert!(server.log().contains(problem), "{}", server.log());
        assert_eq!(files(&server.data.join("outbox")).len(), 1);
    }
    let seen = [plain.seen(), foreign.seen()].concat();
    assert!(
        seen.iter()
            .all(|line| line.starts_with("EHLO") || line == "QUIT"),
        "{seen:?}"
    );
}

#[test]
fn a_mail_that_is_not_taken_at_first_is_tried_again() {
    // Not reachable at the first try, then lost or busy, then as usual.
    fn busy(command: &str, seen: usize) -> Option<&'static str> {
        match (command.split(' ').next().unwrap(), seen) {
            ("RCPT", 1) => Some("451 greylisted"),
            ("DATA", 1) => Some(""),
            ("end", 2) => Some("452 no room"),
            _ => None,
        }
    }
    let listener = smtp::port();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let config = format!("[mail]\nsmtp = \"smtp-plain://localhost:{port}\"\n");
    let server = Server::start(&config, &[]);
    let email = ask(&server);
    server.wait_for_metric("nightlatch_mails_waiting 1");
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let smtp = SmtpServer::on(listener, Security::Plain, busy);
    assert_eq!(smtp.wait_for(1)[0].to, email);
    server.wait_for_metric("nightlatch_mails_waiting 0");
    assert_eq!(smtp.mails().len(), 1);
}

#[test]
fn a_refused_recipient_holds_up_no_other_mail() {
    fn refusing(command: &str, seen: usize) -> Option<&'static str> {
        (command.starts_with("RCPT") && seen == 1).then_some("550 no such person")
    }
    let smtp = SmtpServer::start(Security::Plain, refusing);
    let server = server(&smtp, "smtp-plain");
    let refused = ask(&server);
    server.wait_for_metric("nightlatch_mails_total{outcome=\"refused\"} 1");
    let email = ask(&server);
    assert_eq!(smtp.wait_for(1)[0].to, email);
    assert!(
        server
            .log()
            .contains("refuses the recipient (it answered 550)"),
        "{}",
        server.log()
    );
    assert!(!server.log().contains(&refused) && !server.log().contains("no such person"));
}

#[test]
fn mails_that_wait_are_sent_after_a_restart_and_expired_ones_are_not() {
    let smtp = SmtpServer::start(Security::Plain, usual);
    let root = tempfile::tempdir().unwrap().keep();
    let outbox = root.join("data/outbox");
    std::fs::create_dir_all(&outbox).unwrap();
    let mail = |to: &str| format!("From: a@example.com\r\nTo: {to}\r\n\r\nhello\r\n");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let (old, new) = (now.as_millis() - 3_601_000, now.as_millis() - 3_500_000);
    std::fs::write(outbox.join(format!("{old}-0.eml")), mail("old@example.com")).unwrap();
    std::fs::write(outbox.join(format!("{new}-0.eml")), mail("new@example.com")).unwrap();
    // Not a mail of the server.
    std::fs::write(outbox.join("notes.txt"), "").unwrap();
    let port = smtp.address.port();
    let config = format!("[mail]\nsmtp = \"smtp-plain://127.0.0.1:{port}\"\n");
    std::fs::write(root.join("config.toml"), config).unwrap();
    let server = Server::run(&root, &[]);
    assert_eq!(smtp.wait_for(1)[0].to, "new@example.com");
    server.wait_for_metric("nightlatch_mails_total{outcome=\"expired\"} 1");
    // A mail is removed after the mail server has taken it.
    server.wait_for_metric("nightlatch_mails_total{outcome=\"sent\"} 1");
    let left = files(&outbox);
    assert_eq!(left, [outbox.join("notes.txt")]);
    drop(server);
    assert_eq!(smtp.mails().len(), 1);
}

#[test]
fn a_mail_server_with_a_user_and_no_password_does_not_start() {
    let scratch = tempfile::tempdir().unwrap();
    let config = scratch.path().join("config.toml");
    for (smtp, secret) in [
        ("smtps://a@mail.example.com", ""),
        ("smtps://mail.example.com", "x"),
    ] {
        std::fs::write(&config, format!("[mail]\nsmtp = \"{smtp}\"\n")).unwrap();
        let output = program()
            .arg("--config")
            .arg(&config)
            .arg("--data")
            .arg(scratch.path().join("data"))
            .args(["--listen", "127.0.0.1:0"])
            .env("NIGHTLATCH_SMTP_PASSWORD", secret)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            error.contains("NIGHTLATCH_SMTP_PASSWORD is needed"),
            "{error}"
        );
    }
}
