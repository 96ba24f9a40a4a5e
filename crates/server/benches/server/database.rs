//! Accounts and sessions in numbers, put into the database beside the server.

use std::ops::Range;
use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding};
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use crate::postgres;

/// The account whose password all others have.
pub const MODEL: &str = "model@example.com";
/// Rows begin so long ago, in milliseconds, that their first activity is written.
const AGO: i64 = 60_000;
/// How long sessions live, in milliseconds: longer than a run.
const LIFE: i64 = 12 * 60 * 60 * 1000;
/// How many rows are put in at a time.
const PIECE: u64 = 50_000;

/// Guests or users.
#[derive(Clone, Copy)]
pub enum Kind {
    Guest,
    User,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::User => "user",
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::User => "web",
        }
    }
}

/// The email of a user.
pub fn email(number: u64) -> String {
    format!("u{number}@example.com")
}

/// The token of a session.
fn token(kind: Kind, number: u64) -> [u8; 32] {
    Sha256::digest(format!("token of {} {number}", kind.name())).into()
}

/// The `Cookie` header of a session.
pub fn cookie(kind: Kind, number: u64) -> String {
    let token = Base64UrlUnpadded::encode_string(&token(kind, number));
    format!("Cookie: __Host-nightlatch={token}\r\n")
}

/// An id that is random as real ones are, and yet known.
fn id(label: &str) -> String {
    let hash: [u8; 16] = Sha256::digest(label)[..16].try_into().unwrap();
    uuid::Builder::from_random_bytes(hash)
        .into_uuid()
        .to_string()
}

/// The same for PostgreSQL, which has functions enough to make rows by itself.
const FUNCTIONS: &str = r"
CREATE FUNCTION bench_hash(label text) RETURNS bytea LANGUAGE sql IMMUTABLE
    AS $$ SELECT sha256(convert_to(label, 'UTF8')) $$;
CREATE FUNCTION bench_id(label text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CAST(CAST(encode(set_byte(set_byte(hash, 6, get_byte(hash, 6) & 15 | 64),
        8, get_byte(hash, 8) & 63 | 128), 'hex') AS uuid) AS text)
    FROM (SELECT substr(bench_hash(label), 1, 16) AS hash) AS hashed $$;
";

/// The server's database.
pub enum Database {
    Sqlite(Connection),
    Postgres {
        client: tokio_postgres::Client,
        runtime: tokio::runtime::Runtime,
    },
}

impl Database {
    pub fn sqlite(file: &Path) -> Self {
        let connection = Connection::open(file).unwrap();
        let settings = "PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000";
        connection.execute_batch(settings).unwrap();
        Self::Sqlite(connection)
    }

    pub fn postgres(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(postgres::connect(url));
        runtime.block_on(client.batch_execute(FUNCTIONS)).unwrap();
        Self::Postgres { client, runtime }
    }

    /// Puts in accounts of these numbers, each with a live session.
    pub fn fill(&mut self, kind: Kind, numbers: Range<u64>) {
        let mut from = numbers.start;
        while from < numbers.end {
            let to = (from + PIECE).min(numbers.end);
            match self {
                Self::Sqlite(connection) => fill_sqlite(connection, kind, from..to),
                Self::Postgres { client, runtime } => {
                    let text = filling(kind, from..to);
                    runtime.block_on(client.batch_execute(&text)).unwrap();
                }
            }
            from = to;
        }
        // What a database that runs for a while has done.
        match self {
            Self::Sqlite(connection) => connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
                .unwrap(),
            Self::Postgres { client, runtime } => {
                for text in ["VACUUM ANALYZE", "CHECKPOINT"] {
                    runtime.block_on(client.batch_execute(text)).unwrap();
                }
            }
        }
    }
}

fn now() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn fill_sqlite(connection: &mut Connection, kind: Kind, numbers: Range<u64>) {
    let begun = now() - AGO;
    let transaction = connection.transaction().unwrap();
    {
        let mut account = transaction
            .prepare(
                "INSERT INTO account (id, kind, email, email_norm, name, password, created, \
                 updated, proven_at) SELECT ?1, ?2, ?3, ?3, 'Ann', \
                 CASE WHEN ?3 IS NULL THEN NULL ELSE password END, ?4, ?4, ?4 \
                 FROM account WHERE email_norm = ?5",
            )
            .unwrap();
        let mut session = transaction
            .prepare(
                "INSERT INTO session (hash, id, account, kind, class, created, seen, idle, \
                 absolute_end, account_epoch, kind_epoch, address, user_agent) SELECT ?1, ?2, ?3, \
                 ?4, ?5, ?6, ?6, ?7, ?6 + ?7, 0, epoch, '10.0.0.1', 'bench' FROM epoch \
                 WHERE kind = ?4",
            )
            .unwrap();
        let name = kind.name();
        for number in numbers {
            let email = matches!(kind, Kind::User).then(|| email(number));
            let owner = id(&format!("{name} {number}"));
            account
                .execute(params![owner, name, email, begun, MODEL])
                .unwrap();
            let hash: [u8; 32] = Sha256::digest(token(kind, number)).into();
            let own = id(&format!("session of {name} {number}"));
            let class = kind.class();
            session
                .execute(params![hash, own, owner, name, class, begun, LIFE])
                .unwrap();
        }
    }
    transaction.commit().unwrap();
}

/// The same as one script.
fn filling(kind: Kind, Range { start, end }: Range<u64>) -> String {
    let (name, class, begun) = (kind.name(), kind.class(), now() - AGO);
    let last = end - 1;
    let (email, password) = match kind {
        Kind::Guest => ("NULL", "NULL"),
        Kind::User => ("'u' || n || '@example.com'", "password"),
    };
    format!(
        "INSERT INTO account (id, kind, email, email_norm, name, password, created, updated, \
         proven_at) SELECT bench_id('{name} ' || n), '{name}', {email}, {email}, 'Ann', {password}, \
         {begun}, {begun}, {begun} \
         FROM generate_series({start}, {last}) AS n, account WHERE email_norm = '{MODEL}'; \
         INSERT INTO session (hash, id, account, kind, class, created, seen, idle, absolute_end, \
         account_epoch, kind_epoch, address, user_agent) \
         SELECT sha256(bench_hash('token of {name} ' || n)), bench_id('session of {name} ' || n), \
         bench_id('{name} ' || n), '{name}', '{class}', {begun}, {begun}, {LIFE}, {begun} + {LIFE}, \
         0, epoch, '10.0.0.1', 'bench' \
         FROM generate_series({start}, {last}) AS n, epoch WHERE kind = '{name}'"
    )
}
