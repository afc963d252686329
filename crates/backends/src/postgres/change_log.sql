-- What happened to objects, who did it and by which way: a row for each object and change, which is never changed and never removed.
-- The documents before and after are JSON without secrets; `secrets` says that these have changed (1 or 0).
CREATE TABLE change_log (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    revision BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    way TEXT NOT NULL,
    request TEXT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    document_before TEXT,
    document_after TEXT,
    secrets BIGINT NOT NULL
);
CREATE INDEX change_log_of_tenant ON change_log (tenant, number);
CREATE INDEX change_log_of_kind ON change_log (tenant, kind, number);
CREATE INDEX change_log_of_object ON change_log (tenant, kind, id, revision);
-- Batches that a caller may repeat.
CREATE INDEX change_log_of_request ON change_log (tenant, changed_by, request) WHERE request IS NOT NULL;
-- The highest generation under which a tenant was published into the cache.
CREATE TABLE published (
    tenant TEXT NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL
);
