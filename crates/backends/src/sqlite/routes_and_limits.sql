-- Rules that limit what is spent in a day on calls to numbers outside, choose trunks, and translate numbers of trunks: SQLite changes no
-- check of a table.
CREATE TABLE dial_rule_next (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    place INTEGER NOT NULL,
    pattern TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('emergency', 'block', 'translate', 'caller_id', 'limit', 'route', 'send', 'receive')),
    reason TEXT,
    remove_first INTEGER,
    add_before TEXT,
    shows TEXT,
    trunk TEXT COLLATE NOCASE,
    -- Who may spend that much: phone or tenant.
    spender TEXT,
    calls_a_day INTEGER,
    minutes_a_day INTEGER,
    -- What a route costs, and when it applies.
    cost INTEGER,
    schedule TEXT COLLATE NOCASE,
    UNIQUE (tenant, name),
    FOREIGN KEY (tenant, trunk) REFERENCES trunk (tenant, name) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, schedule) REFERENCES schedule (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO dial_rule_next (dbid, tenant, name, place, pattern, action, reason, remove_first, add_before, shows, trunk)
    SELECT dbid, tenant, name, place, pattern, action, reason, remove_first, add_before, shows, trunk FROM dial_rule;
DROP TABLE dial_rule;
ALTER TABLE dial_rule_next RENAME TO dial_rule;
-- How many calls a second go out by a trunk; whether none do; whether its carrier is told who calls by P-Asserted-Identity (1 or 0).
ALTER TABLE trunk ADD COLUMN calls_per_second INTEGER;
ALTER TABLE trunk ADD COLUMN drain INTEGER;
ALTER TABLE trunk ADD COLUMN asserts_identity INTEGER;
-- The user name for the password, and the domain of the carrier, where they are not those of the account and of contact.
ALTER TABLE trunk ADD COLUMN auth_user TEXT;
ALTER TABLE trunk ADD COLUMN domain TEXT;
