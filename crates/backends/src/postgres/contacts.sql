-- Contacts that people keep at their desktops, and those that the people of a tenant share. A row goes with its person, or with its tenant, also
-- where a release removes these that knows nothing of it.
CREATE TABLE person_contact (
    tenant TEXT NOT NULL,
    user_name TEXT NOT NULL COLLATE nocase,
    id TEXT NOT NULL,
    changed_ms BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, user_name, id),
    FOREIGN KEY (tenant, user_name) REFERENCES person (tenant, user_name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE shared_contact (
    tenant TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    changed_ms BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
);
