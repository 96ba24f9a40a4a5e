//! TLS to PostgreSQL, as the connection string asks for it.

use std::path::PathBuf;

use nightlatch_server::store::{Database, Store, StoreError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::postgres::{Cluster, connect, shared};

/// A certificate authority in a file, and what it signed: a certificate for `localhost` and its key.
struct Authority {
    file: PathBuf,
    certificate: String,
    key: String,
}

fn authority(directory: &std::path::Path, name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let file = directory.join(format!("{name}.pem"));
    std::fs::write(&file, issuer.pem()).unwrap();
    Authority {
        file,
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

/// Whether the database answers at this address.
async fn ping(address: &str) -> Result<(), StoreError> {
    Store::open(&Database::Postgres(address.to_owned()))?
        .ping()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sslmode_decides_who_is_believed_to_be_the_database() {
    let scratch = tempfile::tempdir().unwrap();
    let own = authority(scratch.path(), "own");
    let foreign = authority(scratch.path(), "foreign");
    // Free now; nothing else on this machine should take it meanwhile.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let settings = format!("listen_addresses = '127.0.0.1'\nport = {port}\nssl = on\n");
    let pem = [own.certificate.clone(), own.key.clone()];
    let cluster = tokio::task::spawn_blocking(move || {
        Cluster::start_with("off", &settings, [&pem[0], &pem[1]])
    });
    let Some(cluster) = cluster.await.unwrap() else {
        return;
    };
    let encoded = |path: &PathBuf| path.display().to_string().replace('/', "%2F");
    let (own, foreign) = (encoded(&own.file), encoded(&foreign.file));
    let own = &format!("&sslrootcert={own}");
    let foreign = &format!("&sslrootcert={foreign}");
    for (host, query, is_let_in) in [
        ("127.0.0.1", "sslmode=disable".to_owned(), true),
        ("127.0.0.1", "sslmode=prefer".to_owned(), true),
        ("127.0.0.1", "sslmode=require".to_owned(), true),
        ("127.0.0.1", format!("sslmode=require{own}"), true),
        ("127.0.0.1", format!("sslmode=require{foreign}"), false),
        ("127.0.0.1", format!("sslmode=prefer{own}"), true),
        ("127.0.0.1", format!("sslmode=prefer{foreign}"), false),
        ("127.0.0.1", foreign[1..].to_owned(), false),
        ("127.0.0.1", format!("sslmode=verify-ca{own}"), true),
        ("127.0.0.1", format!("sslmode=verify-ca{foreign}"), false),
        ("localhost", format!("sslmode=verify-full{own}"), true),
        ("localhost", format!("sslmode=verify-full{foreign}"), false),
        // Signed by our authority, for another name.
        ("127.0.0.1", format!("sslmode=verify-full{own}"), false),
        // No authority of this system signed it.
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=system".to_owned(),
            false,
        ),
        ("localhost", "sslrootcert=system".to_owned(), false),
    ] {
        let address = format!("postgres://test@{host}:{port}/postgres?{query}");
        let result = ping(&address).await;
        assert_eq!(result.is_ok(), is_let_in, "{address}: {result:?}");
        if let Err(error) = result {
            assert!(
                error.to_string().contains("certificate"),
                "{address}: {error}"
            );
        }
    }
    // What is open now is encrypted just where it was asked for.
    let socket = format!(
        "host={} port={port} user=test dbname=postgres",
        cluster.directory.display()
    );
    let client = connect(&socket).await;
    for (query, is_encrypted) in [
        ("", true),
        ("?sslmode=require", true),
        ("?sslmode=disable", false),
    ] {
        let address = format!("postgres://test@127.0.0.1:{port}/postgres{query}");
        let store = Store::open(&Database::Postgres(address.clone())).unwrap();
        store.ping().await.unwrap();
        let rows = client
            .query(
                "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                 WHERE application_name = 'nightlatch-server' ORDER BY backend_start DESC LIMIT 1",
                &[],
            )
            .await
            .unwrap();
        assert_eq!(rows[0].get::<_, bool>(0), is_encrypted, "{address}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sslmode_require_refuses_a_database_without_tls() {
    let Some(cluster) = tokio::task::spawn_blocking(shared).await.unwrap() else {
        return;
    };
    let host = cluster.directory.display().to_string().replace('/', "%2F");
    let address = |mode| format!("postgres://test@/postgres?host={host}&sslmode={mode}");
    assert!(ping(&address("prefer")).await.is_ok());
    let refused = ping(&address("require")).await.unwrap_err();
    assert!(
        refused.to_string().contains("does not support TLS"),
        "{refused}"
    );
}
