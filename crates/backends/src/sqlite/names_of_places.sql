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
