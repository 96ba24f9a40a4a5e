//! Access tokens (rows 15 and 17).

use base64ct::{Base64UrlUnpadded, Encoding};
use nightlatch_core::crypto::sign::{PublicKey, Signature, verify};
use nightlatch_core::memory::SecretBuffer;
use nightlatch_server::client::Request;
use nightlatch_server::service::tokens::{Claims, TokenKey, jwt};
use serde_json::{Value, json};

use crate::fixture::{Server, accepted, on_both, refused};

on_both! {
    a_token_verifies_by_the_published_keys_alone
    missing_malformed_and_tampered_tokens_are_told_apart
    a_token_is_introspected_and_revoked
}

fn decoded(part: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(part).unwrap()
}

fn a_token_verifies_by_the_published_keys_alone(server: &Server) {
    let user = server.user();
    let keys = accepted(&server.visitor().get("/.well-known/jwks.json"), 200);
    let (message, signature) = user.token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("EdDSA"), &json!("at+jwt"))
    );
    let keys = keys["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).unwrap();
    let public = decoded(key["x"].as_str().unwrap()).try_into().unwrap();
    let signature = Signature::from_bytes(decoded(signature).try_into().unwrap());
    assert!(verify(
        &PublicKey::from_bytes(public),
        message.as_bytes(),
        &signature
    ));
    assert!(key.get("d").is_none());
    let claims: Value = serde_json::from_slice(&decoded(payload)).unwrap();
    assert_eq!(
        (&claims["sub"], &claims["email"]),
        (&json!(user.id), &json!(user.email))
    );
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!((890..=900).contains(&life), "{claims}");
    let metadata = server
        .visitor()
        .get("/.well-known/oauth-authorization-server");
    let metadata = accepted(&metadata, 200);
    assert_eq!(metadata["issuer"], claims["iss"]);
    let address = metadata["jwks_uri"].as_str().unwrap();
    assert!(address.ends_with("/.well-known/jwks.json"));
}

fn missing_malformed_and_tampered_tokens_are_told_apart(server: &Server) {
    let user = server.user();
    let send = |value: &str| {
        let request = Request::new("GET", "/api/auth/profile").header("Authorization", value);
        server.visitor().send(request)
    };
    let missing = server.visitor().get("/api/auth/profile");
    assert_eq!(
        refused(&missing, 401, "UNAUTHORIZED")["message"],
        "Not authenticated"
    );
    for value in ["Bearer", "Bearer ", "Basic YTpi", "", user.token.as_str()] {
        assert_eq!(
            refused(&send(value), 401, "UNAUTHORIZED")["message"],
            "Not authenticated"
        );
    }
    let cut = &user.token[..user.token.len() - 1];
    let swapped = user.token.replacen('.', "..", 1);
    for token in ["x", "a.b.c", cut, &swapped, &"x".repeat(5000)] {
        let answer = send(&format!("Bearer {token}"));
        assert_eq!(
            refused(&answer, 401, "INVALID_TOKEN")["message"],
            "Invalid token"
        );
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .contains("error=\"invalid_token\"")
        );
    }
    accepted(&send(&format!("bearer {}", user.token)), 200);
}

fn a_token_is_introspected_and_revoked(server: &Server) {
    let (mut user, mut other, mut admin) = (server.user(), server.user(), server.admin());
    let ask = json!({ "token": user.token });
    let active = accepted(&user.visitor.post("/oauth/introspect", &ask), 200);
    assert_eq!(
        (&active["active"], &active["sub"]),
        (&json!(true), &json!(user.id))
    );
    let form = Request {
        body: format!("token={}&token_type_hint=access_token", user.token).into_bytes(),
        ..Request::new("POST", "/oauth/introspect")
    };
    let form = form.header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(accepted(&admin.visitor.send(form), 200), active);
    let foreign = accepted(&other.visitor.post("/oauth/introspect", &ask), 200);
    assert_eq!(foreign, json!({ "active": false }));
    refused(
        &server.visitor().post("/oauth/introspect", &ask),
        401,
        "UNAUTHORIZED",
    );
    accepted(
        &server
            .visitor()
            .post("/oauth/revoke", &json!({ "token": "x" })),
        200,
    );
    accepted(&server.visitor().post("/oauth/revoke", &ask), 200);
    refused(&user.visitor.get("/api/auth/profile"), 401, "UNAUTHORIZED");
    let dead = accepted(&admin.visitor.post("/oauth/introspect", &ask), 200);
    assert_eq!(dead, json!({ "active": false }));
    accepted(&server.visitor().post("/oauth/revoke", &ask), 200);
}

#[test]
fn forged_and_expired_tokens_of_a_live_session_are_refused() {
    const SECRET: &str = "thirty-two bytes of shared secret";
    let server = Server::start("", &[("NIGHTLATCH_JWT_SECRET", SECRET)]);
    let user = server.user();
    let payload = user.token.split('.').nth(1).unwrap();
    let claims: Claims = serde_json::from_slice(&decoded(payload)).unwrap();
    let mut secret = SecretBuffer::with_capacity(64);
    assert!(secret.push(SECRET.as_bytes()));
    let key = TokenKey::hs256(secret);
    let send = |token: &str| {
        let request = Request::new("GET", "/api/auth/profile");
        let request = request.header("Authorization", &format!("Bearer {token}"));
        server.visitor().send(request)
    };
    // The key is ours: what it signs is taken.
    accepted(&send(&jwt::sign(&claims, &key)), 200);
    let changed = |change: fn(&mut Claims)| {
        let mut claims = claims.clone();
        change(&mut claims);
        jwt::sign(&claims, &key)
    };
    let expired = changed(|claims| (claims.iat, claims.exp) = (claims.iat - 900, claims.iat));
    let error = refused(&send(&expired), 401, "TOKEN_EXPIRED");
    assert_eq!(error["message"], "Token has expired");
    for forged in [
        changed(|claims| claims.aud.push('x')),
        changed(|claims| claims.iss.push('x')),
        changed(|claims| claims.iat += 3600),
        format!("{}.", user.token.rsplit_once('.').unwrap().0),
    ] {
        refused(&send(&forged), 401, "INVALID_TOKEN");
    }
    // Another account's id with this session, and a session that is none.
    let other = server.user();
    let mut stolen = claims.clone();
    stolen.sub.clone_from(&other.id);
    refused(&send(&jwt::sign(&stolen, &key)), 403, "USER_MISMATCH");
    let no_session = changed(|claims| claims.sid = "00000000-0000-4000-8000-000000000000".into());
    refused(&send(&no_session), 401, "UNAUTHORIZED");
    let keys = accepted(&server.visitor().get("/.well-known/jwks.json"), 200);
    assert_eq!(keys, json!({ "keys": [] }));
}

#[test]
fn a_short_jwt_secret_does_not_start() {
    let data = tempfile::tempdir().unwrap();
    let output = crate::fixture::program()
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .env("NIGHTLATCH_JWT_SECRET", "thirty-one bytes are not enough")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("at least 32 bytes"), "{told}");
}
