-- A tenant's files as they were, under a name: the tenant's file, and the applications' files as a JSON list of path and text.
-- They have what an export has: hashes, and passwords of phones.
CREATE TABLE tenant_snapshot (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    made_ms BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    revision BIGINT NOT NULL,
    file TEXT NOT NULL,
    documents TEXT NOT NULL,
    UNIQUE (tenant, name)
);
