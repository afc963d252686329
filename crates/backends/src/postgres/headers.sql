-- Rules that change headers of a trunk's INVITEs. They go with their trunk: the release before does not know them, and deletes trunks.
CREATE TABLE trunk_header (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE nocase,
    place BIGINT NOT NULL,
    direction TEXT NOT NULL,
    action TEXT NOT NULL,
    header TEXT NOT NULL,
    value TEXT,
    pattern TEXT,
    replacement TEXT,
    PRIMARY KEY (tenant, name, place),
    FOREIGN KEY (tenant, name) REFERENCES trunk (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
-- How a trunk's carrier is told who has diverted a call: none, diversion (as without a value), history-info or both.
ALTER TABLE trunk ADD COLUMN diversion TEXT;
-- Whether a trunk's carrier gets User-to-User (1 or 0).
ALTER TABLE trunk ADD COLUMN user_to_user BIGINT;
