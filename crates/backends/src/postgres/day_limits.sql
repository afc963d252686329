-- Rules that limit what is spent in a day on calls to numbers outside.
ALTER TABLE dial_rule DROP CONSTRAINT dial_rule_action_check;
ALTER TABLE dial_rule ADD CONSTRAINT dial_rule_action_check
    CHECK (action IN ('emergency', 'block', 'translate', 'caller_id', 'limit'));
-- Who may spend that much: phone or tenant.
ALTER TABLE dial_rule ADD COLUMN spender TEXT;
ALTER TABLE dial_rule ADD COLUMN calls_a_day BIGINT;
ALTER TABLE dial_rule ADD COLUMN minutes_a_day BIGINT;
