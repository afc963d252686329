-- A table for each kind of which the objects were documents in one table, object_document. An object stays one document; what is looked for by
-- it, and what it names, stands beside it in columns, and in tables of lists with a row for each name. nth is its place in the list.
-- Columns and lists are made of the document by the database itself, whichever release writes it.
CREATE TABLE action_code (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    action TEXT GENERATED ALWAYS AS (CASE WHEN json_valid(document) THEN json_extract(document, '$.action') END) STORED,
    UNIQUE (tenant, name)
);
CREATE TABLE lookup_list (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE business_attribute (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE capacity_rule (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE statistic_definition (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    category TEXT GENERATED ALWAYS AS (CASE WHEN json_valid(document) THEN json_extract(document, '$.category') END) STORED,
    subject TEXT GENERATED ALWAYS AS (CASE WHEN json_valid(document) THEN json_extract(document, '$.subject') END) STORED,
    UNIQUE (tenant, name)
);
CREATE TABLE transaction_object (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    type TEXT GENERATED ALWAYS AS (CASE WHEN json_valid(document) THEN json_extract(document, '$.type') END) STORED,
    UNIQUE (tenant, name)
);
CREATE TABLE switch (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE access_group (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE privilege_role (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE folder (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE agent_group (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE place_group (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE dn_group (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    type TEXT GENERATED ALWAYS AS (CASE WHEN json_valid(document) THEN json_extract(document, '$.type') END) STORED,
    UNIQUE (tenant, name)
);
CREATE TABLE trunk_group (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    prefix TEXT GENERATED ALWAYS AS (CASE WHEN json_valid(document) THEN json_extract(document, '$.prefix') END) STORED,
    UNIQUE (tenant, name)
);
CREATE TABLE campaign (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE switch_access_code (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    nth INTEGER NOT NULL,
    to_switch TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, to_switch, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES switch (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, to_switch) REFERENCES switch (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE access_group_group (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    nth INTEGER NOT NULL,
    access_group TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, access_group, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES access_group (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, access_group) REFERENCES access_group (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE privilege_role_group (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    nth INTEGER NOT NULL,
    access_group TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, access_group, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES privilege_role (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, access_group) REFERENCES access_group (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE folder_group (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    nth INTEGER NOT NULL,
    access_group TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, access_group, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES folder (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, access_group) REFERENCES access_group (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE campaign_calling_list (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    nth INTEGER NOT NULL,
    calling_list TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, calling_list, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES campaign (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, calling_list) REFERENCES calling_list (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
