-- Tables of people that were to be taken by the Provisioning API: who has sent which one, and how it came out. `ended_ms` is 0 while that is
-- not known; `faults` is a list of texts (JSON). A row goes with its tenant, also where a release removes the tenant that knows nothing of it,
-- and by itself when it is too old.
CREATE TABLE people_import (
    tenant TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    user_name TEXT NOT NULL COLLATE nocase,
    client TEXT,
    file_name TEXT NOT NULL,
    begun_ms BIGINT NOT NULL,
    lines BIGINT NOT NULL,
    ended_ms BIGINT NOT NULL,
    taken BIGINT NOT NULL,
    faults TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
);
