-- The capacity rule of a person, whichever release writes it. A name of nothing that was there before has no row.
CREATE TRIGGER person_capacity_rule_comes AFTER INSERT ON person
    FOR EACH ROW WHEN (NEW.capacity_rule IS NOT NULL) EXECUTE FUNCTION names_in_column('person_capacity_rule', 'user_name', 'capacity_rule');
CREATE TRIGGER person_capacity_rule_changes AFTER UPDATE OF user_name, capacity_rule ON person
    FOR EACH ROW WHEN (OLD.capacity_rule IS DISTINCT FROM NEW.capacity_rule OR OLD.user_name <> NEW.user_name)
    EXECUTE FUNCTION names_in_column('person_capacity_rule', 'user_name', 'capacity_rule');
INSERT INTO person_capacity_rule (tenant, name, capacity_rule)
    SELECT tenant, user_name, capacity_rule FROM person AS stored WHERE EXISTS (
        SELECT 1 FROM capacity_rule AS named WHERE named.tenant = stored.tenant AND named.name = stored.capacity_rule);
