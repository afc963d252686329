-- From where a change came: the client and the sign-in of the caller's token, and the address. None of a command, nor of what was noted
-- before.
ALTER TABLE change_log ADD COLUMN client TEXT;
ALTER TABLE change_log ADD COLUMN session TEXT;
ALTER TABLE change_log ADD COLUMN source TEXT;
-- The rows of change_log ('change') and sign_in_audit ('sign_in') that are not in the reporting log yet. Each has a row here from its own
-- transaction on, whoever has written it, until it is there, or has gone for its age. What was noted before is in the tables alone.
-- `sent` (1 or 0) is set before a row goes: none goes by a statement that does not know that.
CREATE TABLE audit_outbox (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL,
    what TEXT NOT NULL,
    record BIGINT NOT NULL,
    sent BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX audit_outbox_of_record ON audit_outbox (what, record);
CREATE FUNCTION audit_waits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_outbox (tenant, what, record) VALUES (NEW.tenant, TG_ARGV[0], NEW.number);
    RETURN NULL;
END $$;
CREATE FUNCTION audit_waits_no_more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE audit_outbox SET sent = 1 WHERE what = TG_ARGV[0] AND record = OLD.number;
    DELETE FROM audit_outbox WHERE what = TG_ARGV[0] AND record = OLD.number;
    RETURN NULL;
END $$;
CREATE FUNCTION audit_is_sent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of audit_outbox goes when it is sent' USING ERRCODE = 'check_violation';
END $$;
CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of % is never changed', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of % is kept for twelve hours at least', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER change_log_waits AFTER INSERT ON change_log
    FOR EACH ROW EXECUTE FUNCTION audit_waits('change');
CREATE TRIGGER sign_in_audit_waits AFTER INSERT ON sign_in_audit
    FOR EACH ROW EXECUTE FUNCTION audit_waits('sign_in');
CREATE TRIGGER change_log_waits_no_more AFTER DELETE ON change_log
    FOR EACH ROW EXECUTE FUNCTION audit_waits_no_more('change');
CREATE TRIGGER sign_in_audit_waits_no_more AFTER DELETE ON sign_in_audit
    FOR EACH ROW EXECUTE FUNCTION audit_waits_no_more('sign_in');
-- Both tables only grow: no row is changed, and none goes in the first twelve hours. Older ones go for their age.
CREATE TRIGGER change_log_stays BEFORE UPDATE ON change_log
    FOR EACH ROW EXECUTE FUNCTION audit_stays();
CREATE TRIGGER sign_in_audit_stays BEFORE UPDATE ON sign_in_audit
    FOR EACH ROW EXECUTE FUNCTION audit_stays();
CREATE TRIGGER change_log_is_kept BEFORE DELETE ON change_log
    FOR EACH ROW WHEN (OLD.changed_ms > (extract(epoch FROM now())::bigint - 43200) * 1000)
    EXECUTE FUNCTION audit_is_kept();
CREATE TRIGGER sign_in_audit_is_kept BEFORE DELETE ON sign_in_audit
    FOR EACH ROW WHEN (OLD.at_ms > (extract(epoch FROM now())::bigint - 43200) * 1000)
    EXECUTE FUNCTION audit_is_kept();
CREATE TRIGGER change_log_is_not_emptied BEFORE TRUNCATE ON change_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_kept();
CREATE TRIGGER sign_in_audit_is_not_emptied BEFORE TRUNCATE ON sign_in_audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_kept();
CREATE TRIGGER audit_outbox_is_sent BEFORE DELETE ON audit_outbox
    FOR EACH ROW WHEN (OLD.sent = 0) EXECUTE FUNCTION audit_is_sent();
CREATE TRIGGER audit_outbox_is_not_emptied BEFORE TRUNCATE ON audit_outbox
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_sent();
