-- What retention has removed since its last event in the log.
CREATE TABLE retention_count (
    kind TEXT PRIMARY KEY,
    removed BIGINT NOT NULL
);
