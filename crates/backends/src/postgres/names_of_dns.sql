-- What names DNs. A step of its own: who waits for their table holds no other one that the release before uses.
CREATE TABLE dn_group_member (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE nocase,
    nth BIGINT NOT NULL,
    dn TEXT NOT NULL,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, dn, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES dn_group (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, dn) REFERENCES dn (tenant, number) DEFERRABLE INITIALLY DEFERRED
);
ALTER TABLE campaign_group ADD FOREIGN KEY (tenant, route_point) REFERENCES dn (tenant, number) DEFERRABLE INITIALLY DEFERRED;
-- The switch of a DN in a row with a key: in the table of DNs it is a column of before, without one.
CREATE TABLE dn_switch (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    switch TEXT NOT NULL COLLATE nocase,
    PRIMARY KEY (tenant, name),
    UNIQUE (tenant, switch, name),
    FOREIGN KEY (tenant, name) REFERENCES dn (tenant, number) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, switch) REFERENCES switch (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
