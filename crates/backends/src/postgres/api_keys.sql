-- API keys: of each the digest of its secret, never the secret. A row goes some time after its end, which auth sees to.
-- Not bound to the table of tenants, nor to that of clients: what was noted of a key stays readable whatever becomes of them, and who shows
-- one is asked for both each time. Keys of a client that is deleted are revoked with it.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    digest TEXT NOT NULL,
    name TEXT NOT NULL,
    client TEXT,
    scopes TEXT NOT NULL,
    made_by TEXT NOT NULL,
    made_ms BIGINT NOT NULL,
    ends_ms BIGINT NOT NULL,
    request TEXT,
    used_ms BIGINT,
    revoked_ms BIGINT
);
CREATE INDEX api_keys_of_tenant ON api_keys (tenant, made_ms);
-- What was revoked lately is asked for all the time.
CREATE INDEX api_keys_revoked ON api_keys (revoked_ms) WHERE revoked_ms IS NOT NULL;
