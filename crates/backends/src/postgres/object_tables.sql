-- A table for each kind of which the objects were documents in one table, object_document. An object stays one document; what is looked for by
-- it, and what it names, stands beside it in columns, and in tables of lists with a row for each name. nth is its place in the list.
-- Columns and lists are made of the document by the database itself, whichever release writes it.
-- What a document says, for the columns beside it; nothing of one that is damaged. The character 0 is in no column of PostgreSQL.
CREATE FUNCTION document_json(document TEXT) RETURNS JSONB LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN replace(document, '\u0000', '\ufffd')::JSONB;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;
CREATE TABLE action_code (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    action TEXT GENERATED ALWAYS AS (document_json(document) ->> 'action') STORED,
    UNIQUE (tenant, name)
);
CREATE TABLE lookup_list (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE business_attribute (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE capacity_rule (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE statistic_definition (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    category TEXT GENERATED ALWAYS AS (document_json(document) ->> 'category') STORED,
    subject TEXT GENERATED ALWAYS AS (document_json(document) ->> 'subject') STORED,
    UNIQUE (tenant, name)
);
CREATE TABLE transaction_object (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    type TEXT GENERATED ALWAYS AS (document_json(document) ->> 'type') STORED,
    UNIQUE (tenant, name)
);
CREATE TABLE switch (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE access_group (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE privilege_role (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE folder (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE agent_group (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE agent_login (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    person TEXT COLLATE nocase,
    UNIQUE (tenant, name),
    UNIQUE (tenant, person, dbid)
);
CREATE TABLE place_group (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE dn_group (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    type TEXT GENERATED ALWAYS AS (document_json(document) ->> 'type') STORED,
    UNIQUE (tenant, name)
);
CREATE TABLE trunk_group (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    prefix TEXT GENERATED ALWAYS AS (document_json(document) ->> 'prefix') STORED,
    UNIQUE (tenant, name)
);
CREATE TABLE calling_list (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    schedule TEXT COLLATE nocase,
    UNIQUE (tenant, name),
    UNIQUE (tenant, schedule, dbid)
);
CREATE TABLE campaign (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE campaign_group (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    mode TEXT GENERATED ALWAYS AS (document_json(document) ->> 'mode') STORED,
    campaign TEXT COLLATE nocase,
    agent_group TEXT COLLATE nocase,
    route_point TEXT,
    UNIQUE (tenant, name),
    UNIQUE (tenant, campaign, dbid),
    UNIQUE (tenant, agent_group, dbid),
    UNIQUE (tenant, route_point, dbid),
    FOREIGN KEY (tenant, campaign) REFERENCES campaign (tenant, name) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, agent_group) REFERENCES agent_group (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE ivr_profile (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    service_type TEXT GENERATED ALWAYS AS (document_json(document) ->> 'service_type') STORED,
    application TEXT COLLATE nocase,
    UNIQUE (tenant, name),
    UNIQUE (tenant, application, dbid)
);
CREATE TABLE switch_access_code (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE nocase,
    nth BIGINT NOT NULL,
    to_switch TEXT NOT NULL COLLATE nocase,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, to_switch, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES switch (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, to_switch) REFERENCES switch (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE access_group_group (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE nocase,
    nth BIGINT NOT NULL,
    access_group TEXT NOT NULL COLLATE nocase,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, access_group, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES access_group (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, access_group) REFERENCES access_group (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE privilege_role_group (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE nocase,
    nth BIGINT NOT NULL,
    access_group TEXT NOT NULL COLLATE nocase,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, access_group, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES privilege_role (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, access_group) REFERENCES access_group (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE folder_group (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE nocase,
    nth BIGINT NOT NULL,
    access_group TEXT NOT NULL COLLATE nocase,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, access_group, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES folder (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, access_group) REFERENCES access_group (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE campaign_calling_list (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE nocase,
    nth BIGINT NOT NULL,
    calling_list TEXT NOT NULL COLLATE nocase,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, calling_list, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES campaign (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, calling_list) REFERENCES calling_list (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
