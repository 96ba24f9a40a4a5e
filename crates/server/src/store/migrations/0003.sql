-- When an event was set aside because the sealer could not read it. Its digest is in the sealed log.
ALTER TABLE outbox ADD COLUMN set_aside_at BIGINT;
CREATE INDEX outbox_set_aside ON outbox (set_aside_at) WHERE set_aside_at IS NOT NULL;
