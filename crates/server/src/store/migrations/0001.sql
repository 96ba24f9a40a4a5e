-- Times are milliseconds since 1970; ids are UUIDs in lower case.

CREATE TABLE account (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('guest', 'user')),
    email TEXT,
    email_norm TEXT UNIQUE,
    name TEXT,
    password TEXT,
    is_admin BIGINT NOT NULL DEFAULT 0,
    is_disabled BIGINT NOT NULL DEFAULT 0,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    -- A session of an earlier epoch is revoked, for this reason.
    epoch BIGINT NOT NULL DEFAULT 0,
    epoch_at BIGINT,
    epoch_reason TEXT,
    -- A guest that was merged.
    merged_to TEXT,
    merged_at BIGINT,
    CHECK ((kind = 'user') = (email_norm IS NOT NULL)),
    CHECK ((merged_to IS NULL) = (merged_at IS NULL)),
    CHECK (kind = 'guest' OR merged_to IS NULL)
);
CREATE INDEX account_merged ON account (merged_to) WHERE merged_to IS NOT NULL;
CREATE INDEX account_admin ON account (id) WHERE is_admin = 1;

-- The same for all accounts of a kind.
CREATE TABLE epoch (
    kind TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL DEFAULT 0,
    epoch_at BIGINT,
    epoch_reason TEXT
);
INSERT INTO epoch (kind) VALUES ('guest'), ('user');

CREATE TABLE session (
    hash BYTEA PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('guest', 'user')),
    class TEXT NOT NULL,
    created BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    idle BIGINT NOT NULL,
    absolute_end BIGINT NOT NULL,
    account_epoch BIGINT NOT NULL,
    kind_epoch BIGINT NOT NULL,
    ended_at BIGINT,
    ended_how TEXT,
    address TEXT,
    user_agent TEXT,
    CHECK ((ended_at IS NULL) = (ended_how IS NULL))
);
CREATE INDEX session_account ON session (account, created);

CREATE TABLE link (
    hash BYTEA PRIMARY KEY,
    purpose TEXT NOT NULL CHECK (purpose IN ('sign-in', 'setup')),
    email TEXT NOT NULL,
    email_norm TEXT NOT NULL,
    guest TEXT,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used_at BIGINT,
    claim BYTEA,
    CHECK ((used_at IS NULL) = (claim IS NULL))
);
-- At most one link is pending for an email.
CREATE UNIQUE INDEX link_pending ON link (purpose, email_norm) WHERE used_at IS NULL;
CREATE INDEX link_expires ON link (expires);

CREATE TABLE item (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);
CREATE INDEX item_account ON item (account, kind, created, id);

CREATE TABLE throttle (
    name TEXT PRIMARY KEY,
    attempts BIGINT NOT NULL,
    since BIGINT NOT NULL,
    locked_until BIGINT
);
CREATE INDEX throttle_since ON throttle (since);

CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    at BIGINT NOT NULL,
    event TEXT NOT NULL
);
CREATE INDEX outbox_node ON outbox (node, at, id);

CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    value BYTEA NOT NULL,
    created BIGINT NOT NULL
);
