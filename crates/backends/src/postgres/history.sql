-- What tells a revision of a tenant from the same number in another history: a random number, never 0. The last ones of each tenant are
-- kept.
CREATE TABLE revision_stamp (
    tenant TEXT NOT NULL REFERENCES tenant (id),
    revision BIGINT NOT NULL,
    stamp BIGINT NOT NULL,
    PRIMARY KEY (tenant, revision)
);
INSERT INTO revision_stamp (tenant, revision, stamp)
    SELECT id, revision, 1 + floor(random() * 9007199254740990)::BIGINT FROM tenant;
-- The highest revision of which entries of change_log were removed; 0 if none were.
ALTER TABLE tenant ADD COLUMN pruned_revision BIGINT NOT NULL DEFAULT 0;
