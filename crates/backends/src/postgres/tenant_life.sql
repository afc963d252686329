-- A tenant ends, and what has happened to it stays noted for as long as it is to be kept: the log of changes is not bound to the table of
-- tenants any more.
ALTER TABLE change_log DROP CONSTRAINT IF EXISTS change_log_tenant_fkey;
-- When the tenant has ended: it is as if it were not there, and its rows go in parts.
ALTER TABLE tenant ADD COLUMN ended_ms BIGINT;
-- The last rows of change_log and of sign_in_audit that are of a tenant before it with its id; 0 if none are.
ALTER TABLE tenant ADD COLUMN log_begin BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tenant ADD COLUMN sign_in_begin BIGINT NOT NULL DEFAULT 0;
-- Whether the key was of a tenant that has ended (1): a later one of its id has nothing of it.
ALTER TABLE api_keys ADD COLUMN tenant_ended BIGINT;
-- Tenants that have ended, with the last row of change_log that is of each; `removed` says that nothing else of it is left (1 or 0).
CREATE TABLE ended_tenant (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    revision BIGINT NOT NULL,
    ended_ms BIGINT NOT NULL,
    ended_by TEXT NOT NULL,
    log_end BIGINT NOT NULL,
    removed BIGINT NOT NULL
);
CREATE INDEX ended_tenant_by_age ON ended_tenant (ended_ms);
-- Whoever removes a DN looks whether another one names it.
CREATE INDEX dn_of_default ON dn (tenant, default_dn) WHERE default_dn IS NOT NULL;
