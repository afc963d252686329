-- What names DNs.
CREATE TABLE dn_group_member (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    nth INTEGER NOT NULL,
    dn TEXT NOT NULL,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, dn, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES dn_group (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, dn) REFERENCES dn (tenant, number) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE campaign_group (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    mode TEXT GENERATED ALWAYS AS (CASE WHEN json_valid(document) THEN json_extract(document, '$.mode') END) STORED,
    campaign TEXT COLLATE NOCASE,
    agent_group TEXT COLLATE NOCASE,
    route_point TEXT,
    UNIQUE (tenant, name),
    UNIQUE (tenant, campaign, dbid),
    UNIQUE (tenant, agent_group, dbid),
    UNIQUE (tenant, route_point, dbid),
    FOREIGN KEY (tenant, campaign) REFERENCES campaign (tenant, name) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, agent_group) REFERENCES agent_group (tenant, name) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, route_point) REFERENCES dn (tenant, number) DEFERRABLE INITIALLY DEFERRED
);
-- The switch of a DN in a row with a key: in the table of DNs it is a column of before, without one.
CREATE TABLE dn_switch (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    switch TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name),
    UNIQUE (tenant, switch, name),
    FOREIGN KEY (tenant, name) REFERENCES dn (tenant, number) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, switch) REFERENCES switch (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
