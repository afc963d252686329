-- What names trunks.
CREATE TABLE trunk_group_member (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    nth INTEGER NOT NULL,
    trunk TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, trunk, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES trunk_group (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, trunk) REFERENCES trunk (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
