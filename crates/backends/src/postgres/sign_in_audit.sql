-- What is noted of signing in: a row for each thing that has happened, which is never changed and goes when it is older than is wanted.
-- Not bound to the table of tenants: what has happened stays noted whatever becomes of them. `*` is the installation itself.
CREATE TABLE sign_in_audit (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    event TEXT NOT NULL,
    way TEXT,
    subject TEXT COLLATE nocase,
    done_by TEXT,
    client TEXT,
    session TEXT,
    source TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    times BIGINT NOT NULL
);
CREATE INDEX sign_in_audit_of_tenant ON sign_in_audit (tenant, at_ms, number);
CREATE INDEX sign_in_audit_of_subject ON sign_in_audit (tenant, subject, at_ms, number);
CREATE INDEX sign_in_audit_of_event ON sign_in_audit (tenant, event, at_ms, number);
-- What is too old.
CREATE INDEX sign_in_audit_by_age ON sign_in_audit (at_ms);
