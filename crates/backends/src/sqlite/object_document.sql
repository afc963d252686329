-- Objects that are one JSON document each, as groups. What they name is no foreign key: the release before does not know them, and deletes
-- people and places.
CREATE TABLE object_document (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    kind TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    UNIQUE (tenant, kind, name)
);
-- Whether requests give reasons of the tenant's alone (1 or 0).
ALTER TABLE tenant ADD COLUMN strict_action_codes INTEGER;
