-- An account database as nightlatch 0.1.0 wrote it (user_version 1): Alice@Example.com with the
-- password "violet tractor humming", and one failed sign-in of nobody@example.com.
CREATE TABLE accounts (
    id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    email TEXT NOT NULL,
    email_normalized TEXT NOT NULL UNIQUE,
    name TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    generation INTEGER NOT NULL CHECK (generation >= 0),
    salt BLOB NOT NULL CHECK (length(salt) = 16),
    memory_kib INTEGER NOT NULL,
    passes INTEGER NOT NULL,
    lanes INTEGER NOT NULL,
    wrap_nonce BLOB NOT NULL CHECK (length(wrap_nonce) = 12),
    wrapped_key BLOB NOT NULL CHECK (length(wrapped_key) = 32),
    wrap_tag BLOB NOT NULL CHECK (length(wrap_tag) = 16)
) STRICT, WITHOUT ROWID;
INSERT INTO "accounts" VALUES (X'1EB57C7275924E80903342BAB787C01C','Alice@Example.com','alice@example.com','Alice',1795948292895209082,1795948292895209082,0,
    X'42290F69726AA3777836C187A2CB8C4F',19456,2,1,
    X'FC3CFAD0CEEAF64D5ADCE67B',
    X'E3B0B5A3E62616F7B166383E4359C22614C6C41004DD1879C1525429DA185368',
    X'B6926CCABF68AD5049EC6A0E4ECD0BC6');
CREATE TABLE meta (
    key TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES ('tag_key',
    X'64EACB96F102CFFF5960F49E137EF1404104776BE975FCBABDBE6C06E37EAED7');
CREATE TABLE throttle (
    tag BLOB PRIMARY KEY NOT NULL CHECK (length(tag) = 16),
    failures INTEGER NOT NULL CHECK (failures >= 0),
    last_failure_at INTEGER NOT NULL,
    locked_until INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO "throttle" VALUES (X'24D6D182E08C6293AF3A01FF7D0293D4',1,1795948293211361589,NULL);
PRAGMA user_version = 1;
PRAGMA application_id = 0x4e4c6163;
PRAGMA journal_mode = WAL;
