-- The browser that asked for a link. A newer link replaces a pending one of the same browser only.
ALTER TABLE link ADD COLUMN asked_by TEXT NOT NULL DEFAULT '';
-- How many documents of the guest came along, for the answer to a retry.
ALTER TABLE link ADD COLUMN merged_items BIGINT;
DROP INDEX link_pending;
CREATE UNIQUE INDEX link_pending ON link (purpose, email_norm, asked_by) WHERE used_at IS NULL;
