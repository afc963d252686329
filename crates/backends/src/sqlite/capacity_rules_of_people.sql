-- The capacity rule of a person, whichever release writes it. A name of nothing that was there before has no row.
CREATE TRIGGER person_capacity_rule_comes AFTER INSERT ON person BEGIN
    INSERT INTO person_capacity_rule (tenant, name, capacity_rule)
        SELECT NEW.tenant, NEW.user_name, NEW.capacity_rule WHERE NEW.capacity_rule IS NOT NULL;
END;
CREATE TRIGGER person_capacity_rule_changes AFTER UPDATE OF user_name, capacity_rule ON person
WHEN OLD.capacity_rule IS NOT NEW.capacity_rule OR OLD.user_name <> NEW.user_name BEGIN
    DELETE FROM person_capacity_rule WHERE tenant = OLD.tenant AND name = OLD.user_name;
    INSERT INTO person_capacity_rule (tenant, name, capacity_rule)
        SELECT NEW.tenant, NEW.user_name, NEW.capacity_rule WHERE NEW.capacity_rule IS NOT NULL;
END;
INSERT INTO person_capacity_rule (tenant, name, capacity_rule)
    SELECT tenant, user_name, capacity_rule FROM person AS stored WHERE EXISTS (
        SELECT 1 FROM capacity_rule AS named WHERE named.tenant = stored.tenant AND named.name = stored.capacity_rule);
