-- When it was seen that the person of an account has its email: by redeeming a link that was mailed
-- there, or by the operator's word. Until then its password may be a stranger's.
ALTER TABLE account ADD COLUMN proven_at BIGINT;
-- The browser that registered, as long as the email is not proven.
ALTER TABLE account ADD COLUMN claim BYTEA;
UPDATE account SET proven_at = created WHERE kind = 'user' AND (password IS NULL OR is_admin = 1);
