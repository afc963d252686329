-- Domains of which the certificate of a trunk's caller must have one. They go with their trunk: the release before does not know them, and
-- deletes trunks.
CREATE TABLE trunk_certificate_name (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    place INTEGER NOT NULL,
    certificate_name TEXT NOT NULL,
    PRIMARY KEY (tenant, name, place),
    FOREIGN KEY (tenant, name) REFERENCES trunk (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
