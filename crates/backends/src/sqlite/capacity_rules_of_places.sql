-- The capacity rule of a place, whichever release writes it. A name of nothing that was there before has no row.
CREATE TRIGGER place_capacity_rule_comes AFTER INSERT ON place BEGIN
    INSERT INTO place_capacity_rule (tenant, name, capacity_rule)
        SELECT NEW.tenant, NEW.name, NEW.capacity_rule WHERE NEW.capacity_rule IS NOT NULL;
END;
CREATE TRIGGER place_capacity_rule_changes AFTER UPDATE OF name, capacity_rule ON place
WHEN OLD.capacity_rule IS NOT NEW.capacity_rule OR OLD.name <> NEW.name BEGIN
    DELETE FROM place_capacity_rule WHERE tenant = OLD.tenant AND name = OLD.name;
    INSERT INTO place_capacity_rule (tenant, name, capacity_rule)
        SELECT NEW.tenant, NEW.name, NEW.capacity_rule WHERE NEW.capacity_rule IS NOT NULL;
END;
INSERT INTO place_capacity_rule (tenant, name, capacity_rule)
    SELECT tenant, name, capacity_rule FROM place AS stored WHERE EXISTS (
        SELECT 1 FROM capacity_rule AS named WHERE named.tenant = stored.tenant AND named.name = stored.capacity_rule);
