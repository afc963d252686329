-- Schedules of numbers, rules about dialled numbers, and trunks of one prefix.
ALTER TABLE number ADD COLUMN schedule TEXT;
ALTER TABLE number ADD COLUMN closed_dn TEXT;
ALTER TABLE trunk ADD COLUMN priority BIGINT;
ALTER TABLE trunk ADD COLUMN weight BIGINT;
ALTER TABLE trunk ADD COLUMN try_s BIGINT;
CREATE TABLE schedule (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    time_zone TEXT,
    UNIQUE (tenant, name)
);
CREATE TABLE schedule_line (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE nocase,
    place BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('open', 'exception')),
    line TEXT NOT NULL,
    PRIMARY KEY (tenant, name, place),
    FOREIGN KEY (tenant, name) REFERENCES schedule (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE dial_rule (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    place BIGINT NOT NULL,
    pattern TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('emergency', 'block', 'translate', 'caller_id')),
    reason TEXT,
    remove_first BIGINT,
    add_before TEXT,
    shows TEXT,
    trunk TEXT COLLATE nocase,
    UNIQUE (tenant, name),
    FOREIGN KEY (tenant, trunk) REFERENCES trunk (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
-- Codes for do-not-disturb and forwarding.
ALTER TABLE feature_code DROP CONSTRAINT feature_code_action_check;
ALTER TABLE feature_code ADD CONSTRAINT feature_code_action_check CHECK (action IN (
        'login', 'logout', 'ready', 'not_ready', 'dnd_on', 'dnd_off', 'forward_always', 'forward_busy',
        'forward_no_answer', 'forward_unregistered', 'forward_off', 'pickup', 'park'
    ));
