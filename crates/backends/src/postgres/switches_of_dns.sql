-- The switch of a DN, whichever release writes it. A name of nothing that was there before has no row.
CREATE TRIGGER dn_switch_comes AFTER INSERT ON dn
    FOR EACH ROW WHEN (NEW.switch IS NOT NULL) EXECUTE FUNCTION names_in_column('dn_switch', 'number', 'switch');
CREATE TRIGGER dn_switch_changes AFTER UPDATE OF number, switch ON dn
    FOR EACH ROW WHEN (OLD.switch IS DISTINCT FROM NEW.switch OR OLD.number <> NEW.number)
    EXECUTE FUNCTION names_in_column('dn_switch', 'number', 'switch');
INSERT INTO dn_switch (tenant, name, switch)
    SELECT tenant, number, switch FROM dn AS stored WHERE EXISTS (
        SELECT 1 FROM switch AS named WHERE named.tenant = stored.tenant AND named.name = stored.switch);
