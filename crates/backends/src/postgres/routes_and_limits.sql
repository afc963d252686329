-- Rules that limit what is spent in a day on calls to numbers outside, choose trunks, and translate numbers of trunks.
ALTER TABLE dial_rule DROP CONSTRAINT dial_rule_action_check;
ALTER TABLE dial_rule ADD CONSTRAINT dial_rule_action_check
    CHECK (action IN ('emergency', 'block', 'translate', 'caller_id', 'limit', 'route', 'send', 'receive'));
-- Who may spend that much: phone or tenant.
ALTER TABLE dial_rule ADD COLUMN spender TEXT;
ALTER TABLE dial_rule ADD COLUMN calls_a_day BIGINT;
ALTER TABLE dial_rule ADD COLUMN minutes_a_day BIGINT;
-- What a route costs, and when it applies.
ALTER TABLE dial_rule ADD COLUMN cost BIGINT;
ALTER TABLE dial_rule ADD COLUMN schedule TEXT COLLATE nocase;
ALTER TABLE dial_rule ADD FOREIGN KEY (tenant, schedule) REFERENCES schedule (tenant, name) DEFERRABLE INITIALLY DEFERRED;
-- How many calls a second go out by a trunk; whether none do; whether its carrier is told who calls by P-Asserted-Identity (1 or 0).
ALTER TABLE trunk ADD COLUMN calls_per_second BIGINT;
ALTER TABLE trunk ADD COLUMN drain BIGINT;
ALTER TABLE trunk ADD COLUMN asserts_identity BIGINT;
-- The user name for the password, and the domain of the carrier, where they are not those of the account and of contact.
ALTER TABLE trunk ADD COLUMN auth_user TEXT;
ALTER TABLE trunk ADD COLUMN domain TEXT;
