-- What names schedules.
CREATE TABLE calling_list (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    schedule TEXT COLLATE NOCASE,
    UNIQUE (tenant, name),
    UNIQUE (tenant, schedule, dbid),
    FOREIGN KEY (tenant, schedule) REFERENCES schedule (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
