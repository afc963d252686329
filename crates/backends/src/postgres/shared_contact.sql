-- Contacts that the people of a tenant share. A row goes with its tenant, also where a release removes the tenant that knows nothing of it. A
-- step of its own: who waits for the table of tenants holds no other one.
CREATE TABLE shared_contact (
    tenant TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    changed_ms BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
);
