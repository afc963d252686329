-- The capacity rule of a place, whichever release writes it. A name of nothing that was there before has no row.
CREATE TRIGGER place_capacity_rule_comes AFTER INSERT ON place
    FOR EACH ROW WHEN (NEW.capacity_rule IS NOT NULL) EXECUTE FUNCTION names_in_column('place_capacity_rule', 'name', 'capacity_rule');
CREATE TRIGGER place_capacity_rule_changes AFTER UPDATE OF name, capacity_rule ON place
    FOR EACH ROW WHEN (OLD.capacity_rule IS DISTINCT FROM NEW.capacity_rule OR OLD.name <> NEW.name)
    EXECUTE FUNCTION names_in_column('place_capacity_rule', 'name', 'capacity_rule');
INSERT INTO place_capacity_rule (tenant, name, capacity_rule)
    SELECT tenant, name, capacity_rule FROM place AS stored WHERE EXISTS (
        SELECT 1 FROM capacity_rule AS named WHERE named.tenant = stored.tenant AND named.name = stored.capacity_rule);
