-- Contacts that people keep at their desktops. A row goes with its person, also where a release removes the person that knows nothing of it.
CREATE TABLE person_contact (
    tenant TEXT NOT NULL,
    user_name TEXT NOT NULL COLLATE NOCASE,
    id TEXT NOT NULL,
    changed_ms INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, user_name, id),
    FOREIGN KEY (tenant, user_name) REFERENCES person (tenant, user_name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
