-- When people work, as workforce management has planned it. A row goes with its person, also where a release removes the person that knows
-- nothing of it. `id` is what whoever plans calls the shift. It is part of the other keys so that these are indexes and no rules.
CREATE TABLE shift (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    user_name TEXT NOT NULL COLLATE NOCASE,
    begin_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, user_name, begin_ms, id),
    UNIQUE (tenant, begin_ms, id),
    FOREIGN KEY (tenant, user_name) REFERENCES person (tenant, user_name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
