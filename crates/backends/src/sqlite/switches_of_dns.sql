-- The switch of a DN, whichever release writes it. A name of nothing that was there before has no row.
CREATE TRIGGER dn_switch_comes AFTER INSERT ON dn BEGIN
    INSERT INTO dn_switch (tenant, name, switch)
        SELECT NEW.tenant, NEW.number, NEW.switch WHERE NEW.switch IS NOT NULL;
END;
CREATE TRIGGER dn_switch_changes AFTER UPDATE OF number, switch ON dn
WHEN OLD.switch IS NOT NEW.switch OR OLD.number <> NEW.number BEGIN
    DELETE FROM dn_switch WHERE tenant = OLD.tenant AND name = OLD.number;
    INSERT INTO dn_switch (tenant, name, switch)
        SELECT NEW.tenant, NEW.number, NEW.switch WHERE NEW.switch IS NOT NULL;
END;
INSERT INTO dn_switch (tenant, name, switch)
    SELECT tenant, number, switch FROM dn AS stored WHERE EXISTS (
        SELECT 1 FROM switch AS named WHERE named.tenant = stored.tenant AND named.name = stored.switch);
