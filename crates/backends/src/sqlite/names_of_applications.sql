-- What names applications.
CREATE TABLE ivr_profile (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    service_type TEXT GENERATED ALWAYS AS (CASE WHEN json_valid(document) THEN json_extract(document, '$.service_type') END) STORED,
    application TEXT COLLATE NOCASE,
    UNIQUE (tenant, name),
    UNIQUE (tenant, application, dbid),
    FOREIGN KEY (tenant, application) REFERENCES application (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
