-- What names places.
CREATE TABLE place_group_place (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    nth INTEGER NOT NULL,
    place TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, place, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES place_group (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, place) REFERENCES place (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
-- The capacity rule of a place in a row with a key: in the table of places it is a column of before, without one.
CREATE TABLE place_capacity_rule (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    capacity_rule TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name),
    UNIQUE (tenant, capacity_rule, name),
    FOREIGN KEY (tenant, name) REFERENCES place (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, capacity_rule) REFERENCES capacity_rule (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
