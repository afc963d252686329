-- What names places. A step of its own: who waits for their table holds no other one that the release before uses.
CREATE TABLE place_group_place (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE nocase,
    nth BIGINT NOT NULL,
    place TEXT NOT NULL COLLATE nocase,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, place, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES place_group (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, place) REFERENCES place (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
