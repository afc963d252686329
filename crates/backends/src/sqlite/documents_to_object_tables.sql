-- The release before writes object_document alone, and reads it. What it writes comes into the table of its kind in the same transaction, and
-- this release writes both. What is there already is copied; a name of nothing, as a release that did not know a kind has left, stays in its
-- document alone.
CREATE TRIGGER object_document_comes AFTER INSERT ON object_document BEGIN
    INSERT INTO action_code (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'action_code'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE action_code.document <> excluded.document;
    INSERT INTO lookup_list (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'list'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE lookup_list.document <> excluded.document;
    INSERT INTO business_attribute (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'business_attribute'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE business_attribute.document <> excluded.document;
    INSERT INTO capacity_rule (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'capacity_rule'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE capacity_rule.document <> excluded.document;
    INSERT INTO statistic_definition (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'statistic_definition'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE statistic_definition.document <> excluded.document;
    INSERT INTO transaction_object (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'transaction'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE transaction_object.document <> excluded.document;
    INSERT INTO switch (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'switch'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE switch.document <> excluded.document;
    INSERT INTO access_group (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'access_group'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE access_group.document <> excluded.document;
    INSERT INTO privilege_role (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'role'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE privilege_role.document <> excluded.document;
    INSERT INTO folder (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'folder'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE folder.document <> excluded.document;
    INSERT INTO agent_group (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'agent_group'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE agent_group.document <> excluded.document;
    INSERT INTO agent_login (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'agent_login'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE agent_login.document <> excluded.document;
    INSERT INTO place_group (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'place_group'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE place_group.document <> excluded.document;
    INSERT INTO dn_group (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'dn_group'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE dn_group.document <> excluded.document;
    INSERT INTO trunk_group (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'trunk_group'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE trunk_group.document <> excluded.document;
    INSERT INTO calling_list (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'calling_list'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE calling_list.document <> excluded.document;
    INSERT INTO campaign (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'campaign'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE campaign.document <> excluded.document;
    INSERT INTO campaign_group (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'campaign_group'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE campaign_group.document <> excluded.document;
    INSERT INTO ivr_profile (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'ivr_profile'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE ivr_profile.document <> excluded.document;
END;
CREATE TRIGGER object_document_changes AFTER UPDATE ON object_document BEGIN
    INSERT INTO action_code (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'action_code'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE action_code.document <> excluded.document;
    INSERT INTO lookup_list (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'list'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE lookup_list.document <> excluded.document;
    INSERT INTO business_attribute (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'business_attribute'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE business_attribute.document <> excluded.document;
    INSERT INTO capacity_rule (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'capacity_rule'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE capacity_rule.document <> excluded.document;
    INSERT INTO statistic_definition (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'statistic_definition'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE statistic_definition.document <> excluded.document;
    INSERT INTO transaction_object (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'transaction'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE transaction_object.document <> excluded.document;
    INSERT INTO switch (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'switch'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE switch.document <> excluded.document;
    INSERT INTO access_group (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'access_group'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE access_group.document <> excluded.document;
    INSERT INTO privilege_role (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'role'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE privilege_role.document <> excluded.document;
    INSERT INTO folder (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'folder'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE folder.document <> excluded.document;
    INSERT INTO agent_group (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'agent_group'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE agent_group.document <> excluded.document;
    INSERT INTO agent_login (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'agent_login'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE agent_login.document <> excluded.document;
    INSERT INTO place_group (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'place_group'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE place_group.document <> excluded.document;
    INSERT INTO dn_group (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'dn_group'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE dn_group.document <> excluded.document;
    INSERT INTO trunk_group (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'trunk_group'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE trunk_group.document <> excluded.document;
    INSERT INTO calling_list (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'calling_list'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE calling_list.document <> excluded.document;
    INSERT INTO campaign (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'campaign'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE campaign.document <> excluded.document;
    INSERT INTO campaign_group (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'campaign_group'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE campaign_group.document <> excluded.document;
    INSERT INTO ivr_profile (tenant, name, document) SELECT NEW.tenant, NEW.name, NEW.document WHERE NEW.kind = 'ivr_profile'
        ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
        WHERE ivr_profile.document <> excluded.document;
END;
CREATE TRIGGER object_document_goes AFTER DELETE ON object_document BEGIN
    DELETE FROM action_code WHERE OLD.kind = 'action_code' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM lookup_list WHERE OLD.kind = 'list' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM business_attribute WHERE OLD.kind = 'business_attribute' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM capacity_rule WHERE OLD.kind = 'capacity_rule' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM statistic_definition WHERE OLD.kind = 'statistic_definition' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM transaction_object WHERE OLD.kind = 'transaction' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM switch WHERE OLD.kind = 'switch' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM access_group WHERE OLD.kind = 'access_group' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM privilege_role WHERE OLD.kind = 'role' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM folder WHERE OLD.kind = 'folder' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM agent_group WHERE OLD.kind = 'agent_group' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM agent_login WHERE OLD.kind = 'agent_login' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM place_group WHERE OLD.kind = 'place_group' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM dn_group WHERE OLD.kind = 'dn_group' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM trunk_group WHERE OLD.kind = 'trunk_group' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM calling_list WHERE OLD.kind = 'calling_list' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM campaign WHERE OLD.kind = 'campaign' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM campaign_group WHERE OLD.kind = 'campaign_group' AND tenant = OLD.tenant AND name = OLD.name;
    DELETE FROM ivr_profile WHERE OLD.kind = 'ivr_profile' AND tenant = OLD.tenant AND name = OLD.name;
END;
INSERT INTO action_code (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'action_code' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO lookup_list (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'list' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO business_attribute (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'business_attribute' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO capacity_rule (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'capacity_rule' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO statistic_definition (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'statistic_definition' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO transaction_object (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'transaction' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO switch (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'switch' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO access_group (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'access_group' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO privilege_role (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'role' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO folder (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'folder' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO agent_group (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'agent_group' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO agent_login (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'agent_login' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO place_group (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'place_group' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO dn_group (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'dn_group' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO trunk_group (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'trunk_group' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO calling_list (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'calling_list' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO campaign (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'campaign' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO campaign_group (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'campaign_group' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
INSERT INTO ivr_profile (tenant, name, document)
    SELECT tenant, name, document FROM object_document AS stored
    WHERE kind = 'ivr_profile' AND EXISTS (SELECT 1 FROM tenant WHERE tenant.id = stored.tenant AND tenant.ended_ms IS NULL)
    ORDER BY dbid;
DELETE FROM switch_access_code WHERE NOT EXISTS (
    SELECT 1 FROM switch AS named WHERE named.tenant = switch_access_code.tenant AND named.name = switch_access_code.to_switch);
DELETE FROM access_group_person WHERE NOT EXISTS (
    SELECT 1 FROM person AS named WHERE named.tenant = access_group_person.tenant AND named.user_name = access_group_person.person);
DELETE FROM access_group_group WHERE NOT EXISTS (
    SELECT 1 FROM access_group AS named WHERE named.tenant = access_group_group.tenant AND named.name = access_group_group.access_group);
DELETE FROM privilege_role_person WHERE NOT EXISTS (
    SELECT 1 FROM person AS named WHERE named.tenant = privilege_role_person.tenant AND named.user_name = privilege_role_person.person);
DELETE FROM privilege_role_group WHERE NOT EXISTS (
    SELECT 1 FROM access_group AS named WHERE named.tenant = privilege_role_group.tenant AND named.name = privilege_role_group.access_group);
DELETE FROM folder_person WHERE NOT EXISTS (
    SELECT 1 FROM person AS named WHERE named.tenant = folder_person.tenant AND named.user_name = folder_person.person);
DELETE FROM folder_group WHERE NOT EXISTS (
    SELECT 1 FROM access_group AS named WHERE named.tenant = folder_group.tenant AND named.name = folder_group.access_group);
DELETE FROM agent_group_agent WHERE NOT EXISTS (
    SELECT 1 FROM person AS named WHERE named.tenant = agent_group_agent.tenant AND named.user_name = agent_group_agent.person);
DELETE FROM agent_group_manager WHERE NOT EXISTS (
    SELECT 1 FROM person AS named WHERE named.tenant = agent_group_manager.tenant AND named.user_name = agent_group_manager.person);
UPDATE agent_login SET person = NULL WHERE person IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM person AS named WHERE named.tenant = agent_login.tenant AND named.user_name = agent_login.person);
DELETE FROM place_group_place WHERE NOT EXISTS (
    SELECT 1 FROM place AS named WHERE named.tenant = place_group_place.tenant AND named.name = place_group_place.place);
DELETE FROM dn_group_member WHERE NOT EXISTS (
    SELECT 1 FROM dn AS named WHERE named.tenant = dn_group_member.tenant AND named.number = dn_group_member.dn);
DELETE FROM trunk_group_member WHERE NOT EXISTS (
    SELECT 1 FROM trunk AS named WHERE named.tenant = trunk_group_member.tenant AND named.name = trunk_group_member.trunk);
UPDATE calling_list SET schedule = NULL WHERE schedule IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM schedule AS named WHERE named.tenant = calling_list.tenant AND named.name = calling_list.schedule);
DELETE FROM campaign_calling_list WHERE NOT EXISTS (
    SELECT 1 FROM calling_list AS named WHERE named.tenant = campaign_calling_list.tenant AND named.name = campaign_calling_list.calling_list);
UPDATE campaign_group SET campaign = NULL WHERE campaign IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM campaign AS named WHERE named.tenant = campaign_group.tenant AND named.name = campaign_group.campaign);
UPDATE campaign_group SET agent_group = NULL WHERE agent_group IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM agent_group AS named WHERE named.tenant = campaign_group.tenant AND named.name = campaign_group.agent_group);
UPDATE campaign_group SET route_point = NULL WHERE route_point IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM dn AS named WHERE named.tenant = campaign_group.tenant AND named.number = campaign_group.route_point);
UPDATE ivr_profile SET application = NULL WHERE application IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM application AS named WHERE named.tenant = ivr_profile.tenant AND named.name = ivr_profile.application);
