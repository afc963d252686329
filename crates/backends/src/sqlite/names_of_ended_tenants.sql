-- A tenant ends by one write, and its rows go in parts afterwards: people before groups that name them, with the release before, too. What
-- names goes at once. Capacity rules and switches go after the people, places and DNs that name them.
CREATE TRIGGER tenant_ends AFTER UPDATE OF ended_ms ON tenant
WHEN OLD.ended_ms IS NULL AND NEW.ended_ms IS NOT NULL BEGIN
    DELETE FROM action_code WHERE tenant = NEW.id;
    DELETE FROM lookup_list WHERE tenant = NEW.id;
    DELETE FROM business_attribute WHERE tenant = NEW.id;
    DELETE FROM statistic_definition WHERE tenant = NEW.id;
    DELETE FROM transaction_object WHERE tenant = NEW.id;
    DELETE FROM access_group WHERE tenant = NEW.id;
    DELETE FROM privilege_role WHERE tenant = NEW.id;
    DELETE FROM folder WHERE tenant = NEW.id;
    DELETE FROM agent_group WHERE tenant = NEW.id;
    DELETE FROM agent_login WHERE tenant = NEW.id;
    DELETE FROM place_group WHERE tenant = NEW.id;
    DELETE FROM dn_group WHERE tenant = NEW.id;
    DELETE FROM trunk_group WHERE tenant = NEW.id;
    DELETE FROM calling_list WHERE tenant = NEW.id;
    DELETE FROM campaign WHERE tenant = NEW.id;
    DELETE FROM campaign_group WHERE tenant = NEW.id;
    DELETE FROM ivr_profile WHERE tenant = NEW.id;
    DELETE FROM switch_access_code WHERE tenant = NEW.id;
END;
