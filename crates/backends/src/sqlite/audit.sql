-- From where a change came: the client and the sign-in of the caller's token, and the address. None of a command, nor of what was noted
-- before.
ALTER TABLE change_log ADD COLUMN client TEXT;
ALTER TABLE change_log ADD COLUMN session TEXT;
ALTER TABLE change_log ADD COLUMN source TEXT;
-- The rows of change_log ('change') and sign_in_audit ('sign_in') that are not in the reporting log yet. Each has a row here from its own
-- transaction on, whoever has written it, until it is there, or has gone for its age. What was noted before is in the tables alone.
-- `sent` (1 or 0) is set before a row goes: none goes by a statement that does not know that.
CREATE TABLE audit_outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    what TEXT NOT NULL,
    record INTEGER NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX audit_outbox_of_record ON audit_outbox (what, record);
CREATE TRIGGER change_log_waits AFTER INSERT ON change_log BEGIN
    INSERT INTO audit_outbox (tenant, what, record) VALUES (NEW.tenant, 'change', NEW.number);
END;
CREATE TRIGGER sign_in_audit_waits AFTER INSERT ON sign_in_audit BEGIN
    INSERT INTO audit_outbox (tenant, what, record) VALUES (NEW.tenant, 'sign_in', NEW.number);
END;
CREATE TRIGGER change_log_waits_no_more AFTER DELETE ON change_log BEGIN
    UPDATE audit_outbox SET sent = 1 WHERE what = 'change' AND record = OLD.number;
    DELETE FROM audit_outbox WHERE what = 'change' AND record = OLD.number;
END;
CREATE TRIGGER sign_in_audit_waits_no_more AFTER DELETE ON sign_in_audit BEGIN
    UPDATE audit_outbox SET sent = 1 WHERE what = 'sign_in' AND record = OLD.number;
    DELETE FROM audit_outbox WHERE what = 'sign_in' AND record = OLD.number;
END;
-- Both tables only grow: no row is changed, and none goes in the first twelve hours. Older ones go for their age.
CREATE TRIGGER change_log_stays BEFORE UPDATE ON change_log BEGIN
    SELECT RAISE(ABORT, 'a row of change_log is never changed');
END;
CREATE TRIGGER sign_in_audit_stays BEFORE UPDATE ON sign_in_audit BEGIN
    SELECT RAISE(ABORT, 'a row of sign_in_audit is never changed');
END;
CREATE TRIGGER change_log_is_kept BEFORE DELETE ON change_log
WHEN OLD.changed_ms > (CAST(strftime('%s', 'now') AS INTEGER) - 43200) * 1000 BEGIN
    SELECT RAISE(ABORT, 'a row of change_log is kept for twelve hours at least');
END;
CREATE TRIGGER sign_in_audit_is_kept BEFORE DELETE ON sign_in_audit
WHEN OLD.at_ms > (CAST(strftime('%s', 'now') AS INTEGER) - 43200) * 1000 BEGIN
    SELECT RAISE(ABORT, 'a row of sign_in_audit is kept for twelve hours at least');
END;
CREATE TRIGGER audit_outbox_is_sent BEFORE DELETE ON audit_outbox WHEN OLD.sent = 0 BEGIN
    SELECT RAISE(ABORT, 'a row of audit_outbox goes when it is sent');
END;
