-- What people keep for themselves at their desktops: favourites, recents, settings. A row goes with its person, also where a release removes
-- the person that knows nothing of it. `missed` is 1 for a recent whose call was missed and is not acknowledged.
CREATE TABLE person_favourite (
    tenant TEXT NOT NULL,
    user_name TEXT NOT NULL COLLATE NOCASE,
    target_type TEXT NOT NULL,
    target TEXT NOT NULL,
    saved_ms INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, user_name, target_type, target),
    FOREIGN KEY (tenant, user_name) REFERENCES person (tenant, user_name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE person_recent (
    tenant TEXT NOT NULL,
    user_name TEXT NOT NULL COLLATE NOCASE,
    target_type TEXT NOT NULL,
    target TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    missed INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, user_name, target_type, target),
    FOREIGN KEY (tenant, user_name) REFERENCES person (tenant, user_name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE person_setting (
    tenant TEXT NOT NULL,
    user_name TEXT NOT NULL COLLATE NOCASE,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, user_name, name),
    FOREIGN KEY (tenant, user_name) REFERENCES person (tenant, user_name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
