-- A tenant ends, and what has happened to it stays noted for as long as it is to be kept: the log of changes is not bound to the table of
-- tenants any more. SQLite changes no reference of a table.
CREATE TABLE change_log_next (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    revision INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    way TEXT NOT NULL,
    request TEXT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    document_before TEXT,
    document_after TEXT,
    secrets INTEGER NOT NULL,
    client TEXT,
    session TEXT,
    source TEXT
);
INSERT INTO change_log_next (number, tenant, revision, changed_ms, changed_by, way, request, kind, id, document_before, document_after,
        secrets, client, session, source)
    SELECT number, tenant, revision, changed_ms, changed_by, way, request, kind, id, document_before, document_after,
        secrets, client, session, source FROM change_log;
-- No number is given twice, also if the last rows are gone.
DELETE FROM sqlite_sequence WHERE name = 'change_log_next';
INSERT INTO sqlite_sequence (name, seq) SELECT 'change_log_next', seq FROM sqlite_sequence WHERE name = 'change_log';
DROP TABLE change_log;
ALTER TABLE change_log_next RENAME TO change_log;
CREATE INDEX change_log_of_tenant ON change_log (tenant, number);
CREATE INDEX change_log_of_kind ON change_log (tenant, kind, number);
CREATE INDEX change_log_of_object ON change_log (tenant, kind, id, revision);
CREATE INDEX change_log_of_request ON change_log (tenant, changed_by, request) WHERE request IS NOT NULL;
CREATE TRIGGER change_log_waits AFTER INSERT ON change_log BEGIN
    INSERT INTO audit_outbox (tenant, what, record) VALUES (NEW.tenant, 'change', NEW.number);
END;
CREATE TRIGGER change_log_waits_no_more AFTER DELETE ON change_log BEGIN
    UPDATE audit_outbox SET sent = 1 WHERE what = 'change' AND record = OLD.number;
    DELETE FROM audit_outbox WHERE what = 'change' AND record = OLD.number;
END;
CREATE TRIGGER change_log_stays BEFORE UPDATE ON change_log BEGIN
    SELECT RAISE(ABORT, 'a row of change_log is never changed');
END;
CREATE TRIGGER change_log_is_kept BEFORE DELETE ON change_log
WHEN OLD.changed_ms > (CAST(strftime('%s', 'now') AS INTEGER) - 43200) * 1000 BEGIN
    SELECT RAISE(ABORT, 'a row of change_log is kept for twelve hours at least');
END;
-- When the tenant has ended: it is as if it were not there, and its rows go in parts.
ALTER TABLE tenant ADD COLUMN ended_ms INTEGER;
-- The last rows of change_log and of sign_in_audit that are of a tenant before it with its id; 0 if none are.
ALTER TABLE tenant ADD COLUMN log_begin INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenant ADD COLUMN sign_in_begin INTEGER NOT NULL DEFAULT 0;
-- Whether the key was of a tenant that has ended (1): a later one of its id has nothing of it.
ALTER TABLE api_keys ADD COLUMN tenant_ended INTEGER;
-- Tenants that have ended, with the last row of change_log that is of each; `removed` says that nothing else of it is left (1 or 0).
CREATE TABLE ended_tenant (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    ended_by TEXT NOT NULL,
    log_end INTEGER NOT NULL,
    removed INTEGER NOT NULL
);
CREATE INDEX ended_tenant_by_age ON ended_tenant (ended_ms);
-- Whoever removes a DN looks whether another one names it.
CREATE INDEX dn_of_default ON dn (tenant, default_dn) WHERE default_dn IS NOT NULL;
