-- Schedules of numbers, rules about dialled numbers, and trunks of one prefix.
ALTER TABLE number ADD COLUMN schedule TEXT;
ALTER TABLE number ADD COLUMN closed_dn TEXT;
ALTER TABLE trunk ADD COLUMN priority INTEGER;
ALTER TABLE trunk ADD COLUMN weight INTEGER;
ALTER TABLE trunk ADD COLUMN try_s INTEGER;
CREATE TABLE schedule (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    time_zone TEXT,
    UNIQUE (tenant, name)
);
CREATE TABLE schedule_line (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    place INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('open', 'exception')),
    line TEXT NOT NULL,
    PRIMARY KEY (tenant, name, place),
    FOREIGN KEY (tenant, name) REFERENCES schedule (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE dial_rule (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    place INTEGER NOT NULL,
    pattern TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('emergency', 'block', 'translate', 'caller_id')),
    reason TEXT,
    remove_first INTEGER,
    add_before TEXT,
    shows TEXT,
    trunk TEXT COLLATE NOCASE,
    UNIQUE (tenant, name),
    FOREIGN KEY (tenant, trunk) REFERENCES trunk (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
-- Codes for do-not-disturb and forwarding: SQLite changes no check of a table.
CREATE TABLE feature_code_next (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    code TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN (
        'login', 'logout', 'ready', 'not_ready', 'dnd_on', 'dnd_off', 'forward_always', 'forward_busy',
        'forward_no_answer', 'forward_unregistered', 'forward_off', 'pickup', 'park'
    )),
    ask_pin INTEGER NOT NULL,
    UNIQUE (tenant, code)
);
INSERT INTO feature_code_next (dbid, tenant, code, action, ask_pin)
    SELECT dbid, tenant, code, action, ask_pin FROM feature_code;
DROP TABLE feature_code;
ALTER TABLE feature_code_next RENAME TO feature_code;
