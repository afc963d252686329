-- Whoever writes a document writes what it names. One that stays as it is changes nothing, and one that is damaged names nothing. The groups
-- Everyone and Administrators are built in, and no objects.
CREATE TRIGGER switch_comes AFTER INSERT ON switch BEGIN
    INSERT INTO switch_access_code (tenant, name, nth, to_switch)
        SELECT NEW.tenant, NEW.name, key, json_extract(value, '$.switch')
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.access_codes')
        WHERE CASE type WHEN 'object' THEN json_extract(value, '$.switch') END IS NOT NULL;
END;
CREATE TRIGGER switch_changes AFTER UPDATE OF document ON switch WHEN OLD.document <> NEW.document BEGIN
    DELETE FROM switch_access_code WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO switch_access_code (tenant, name, nth, to_switch)
        SELECT NEW.tenant, NEW.name, key, json_extract(value, '$.switch')
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.access_codes')
        WHERE CASE type WHEN 'object' THEN json_extract(value, '$.switch') END IS NOT NULL;
END;
CREATE TRIGGER access_group_comes AFTER INSERT ON access_group BEGIN
    INSERT INTO access_group_person (tenant, name, nth, person)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.people')
        WHERE type = 'text';
    INSERT INTO access_group_group (tenant, name, nth, access_group)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.groups')
        WHERE type = 'text'
        AND value COLLATE NOCASE NOT IN ('Everyone', 'Administrators');
END;
CREATE TRIGGER access_group_changes AFTER UPDATE OF document ON access_group WHEN OLD.document <> NEW.document BEGIN
    DELETE FROM access_group_person WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO access_group_person (tenant, name, nth, person)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.people')
        WHERE type = 'text';
    DELETE FROM access_group_group WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO access_group_group (tenant, name, nth, access_group)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.groups')
        WHERE type = 'text'
        AND value COLLATE NOCASE NOT IN ('Everyone', 'Administrators');
END;
CREATE TRIGGER privilege_role_comes AFTER INSERT ON privilege_role BEGIN
    INSERT INTO privilege_role_person (tenant, name, nth, person)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.people')
        WHERE type = 'text';
    INSERT INTO privilege_role_group (tenant, name, nth, access_group)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.groups')
        WHERE type = 'text'
        AND value COLLATE NOCASE NOT IN ('Everyone', 'Administrators');
END;
CREATE TRIGGER privilege_role_changes AFTER UPDATE OF document ON privilege_role WHEN OLD.document <> NEW.document BEGIN
    DELETE FROM privilege_role_person WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO privilege_role_person (tenant, name, nth, person)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.people')
        WHERE type = 'text';
    DELETE FROM privilege_role_group WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO privilege_role_group (tenant, name, nth, access_group)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.groups')
        WHERE type = 'text'
        AND value COLLATE NOCASE NOT IN ('Everyone', 'Administrators');
END;
CREATE TRIGGER folder_comes AFTER INSERT ON folder BEGIN
    INSERT INTO folder_person (tenant, name, nth, person)
        SELECT NEW.tenant, NEW.name, key, json_extract(value, '$.person')
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.permissions')
        WHERE CASE type WHEN 'object' THEN json_extract(value, '$.person') END IS NOT NULL;
    INSERT INTO folder_group (tenant, name, nth, access_group)
        SELECT NEW.tenant, NEW.name, key, json_extract(value, '$.group')
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.permissions')
        WHERE CASE type WHEN 'object' THEN json_extract(value, '$.group') END IS NOT NULL
        AND json_extract(value, '$.group') COLLATE NOCASE NOT IN ('Everyone', 'Administrators');
END;
CREATE TRIGGER folder_changes AFTER UPDATE OF document ON folder WHEN OLD.document <> NEW.document BEGIN
    DELETE FROM folder_person WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO folder_person (tenant, name, nth, person)
        SELECT NEW.tenant, NEW.name, key, json_extract(value, '$.person')
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.permissions')
        WHERE CASE type WHEN 'object' THEN json_extract(value, '$.person') END IS NOT NULL;
    DELETE FROM folder_group WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO folder_group (tenant, name, nth, access_group)
        SELECT NEW.tenant, NEW.name, key, json_extract(value, '$.group')
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.permissions')
        WHERE CASE type WHEN 'object' THEN json_extract(value, '$.group') END IS NOT NULL
        AND json_extract(value, '$.group') COLLATE NOCASE NOT IN ('Everyone', 'Administrators');
END;
CREATE TRIGGER agent_group_comes AFTER INSERT ON agent_group BEGIN
    INSERT INTO agent_group_agent (tenant, name, nth, person)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.agents')
        WHERE type = 'text';
    INSERT INTO agent_group_manager (tenant, name, nth, person)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.managers')
        WHERE type = 'text';
END;
CREATE TRIGGER agent_group_changes AFTER UPDATE OF document ON agent_group WHEN OLD.document <> NEW.document BEGIN
    DELETE FROM agent_group_agent WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO agent_group_agent (tenant, name, nth, person)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.agents')
        WHERE type = 'text';
    DELETE FROM agent_group_manager WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO agent_group_manager (tenant, name, nth, person)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.managers')
        WHERE type = 'text';
END;
CREATE TRIGGER agent_login_comes AFTER INSERT ON agent_login BEGIN
    UPDATE agent_login SET
        person = CASE WHEN json_valid(NEW.document) THEN json_extract(NEW.document, '$.person') END
        WHERE dbid = NEW.dbid;
END;
CREATE TRIGGER agent_login_changes AFTER UPDATE OF document ON agent_login WHEN OLD.document <> NEW.document BEGIN
    UPDATE agent_login SET
        person = CASE WHEN json_valid(NEW.document) THEN json_extract(NEW.document, '$.person') END
        WHERE dbid = NEW.dbid;
END;
CREATE TRIGGER place_group_comes AFTER INSERT ON place_group BEGIN
    INSERT INTO place_group_place (tenant, name, nth, place)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.places')
        WHERE type = 'text';
END;
CREATE TRIGGER place_group_changes AFTER UPDATE OF document ON place_group WHEN OLD.document <> NEW.document BEGIN
    DELETE FROM place_group_place WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO place_group_place (tenant, name, nth, place)
        SELECT NEW.tenant, NEW.name, key, value
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.places')
        WHERE type = 'text';
END;
CREATE TRIGGER dn_group_comes AFTER INSERT ON dn_group BEGIN
    INSERT INTO dn_group_member (tenant, name, nth, dn)
        SELECT NEW.tenant, NEW.name, key, json_extract(value, '$.dn')
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.members')
        WHERE CASE type WHEN 'object' THEN json_extract(value, '$.dn') END IS NOT NULL;
END;
CREATE TRIGGER dn_group_changes AFTER UPDATE OF document ON dn_group WHEN OLD.document <> NEW.document BEGIN
    DELETE FROM dn_group_member WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO dn_group_member (tenant, name, nth, dn)
        SELECT NEW.tenant, NEW.name, key, json_extract(value, '$.dn')
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.members')
        WHERE CASE type WHEN 'object' THEN json_extract(value, '$.dn') END IS NOT NULL;
END;
CREATE TRIGGER trunk_group_comes AFTER INSERT ON trunk_group BEGIN
    INSERT INTO trunk_group_member (tenant, name, nth, trunk)
        SELECT NEW.tenant, NEW.name, key, json_extract(value, '$.trunk')
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.members')
        WHERE CASE type WHEN 'object' THEN json_extract(value, '$.trunk') END IS NOT NULL;
END;
CREATE TRIGGER trunk_group_changes AFTER UPDATE OF document ON trunk_group WHEN OLD.document <> NEW.document BEGIN
    DELETE FROM trunk_group_member WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO trunk_group_member (tenant, name, nth, trunk)
        SELECT NEW.tenant, NEW.name, key, json_extract(value, '$.trunk')
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.members')
        WHERE CASE type WHEN 'object' THEN json_extract(value, '$.trunk') END IS NOT NULL;
END;
CREATE TRIGGER calling_list_comes AFTER INSERT ON calling_list BEGIN
    UPDATE calling_list SET
        schedule = CASE WHEN json_valid(NEW.document) THEN json_extract(NEW.document, '$.schedule') END
        WHERE dbid = NEW.dbid;
END;
CREATE TRIGGER calling_list_changes AFTER UPDATE OF document ON calling_list WHEN OLD.document <> NEW.document BEGIN
    UPDATE calling_list SET
        schedule = CASE WHEN json_valid(NEW.document) THEN json_extract(NEW.document, '$.schedule') END
        WHERE dbid = NEW.dbid;
END;
CREATE TRIGGER campaign_comes AFTER INSERT ON campaign BEGIN
    INSERT INTO campaign_calling_list (tenant, name, nth, calling_list)
        SELECT NEW.tenant, NEW.name, key, json_extract(value, '$.calling_list')
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.calling_lists')
        WHERE CASE type WHEN 'object' THEN json_extract(value, '$.calling_list') END IS NOT NULL;
END;
CREATE TRIGGER campaign_changes AFTER UPDATE OF document ON campaign WHEN OLD.document <> NEW.document BEGIN
    DELETE FROM campaign_calling_list WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO campaign_calling_list (tenant, name, nth, calling_list)
        SELECT NEW.tenant, NEW.name, key, json_extract(value, '$.calling_list')
        FROM json_each(CASE WHEN json_valid(NEW.document) THEN NEW.document ELSE '{}' END, '$.calling_lists')
        WHERE CASE type WHEN 'object' THEN json_extract(value, '$.calling_list') END IS NOT NULL;
END;
CREATE TRIGGER campaign_group_comes AFTER INSERT ON campaign_group BEGIN
    UPDATE campaign_group SET
        campaign = CASE WHEN json_valid(NEW.document) THEN json_extract(NEW.document, '$.campaign') END,
        agent_group = CASE WHEN json_valid(NEW.document) THEN json_extract(NEW.document, '$.agent_group') END,
        route_point = CASE WHEN json_valid(NEW.document) THEN json_extract(NEW.document, '$.route_point') END
        WHERE dbid = NEW.dbid;
END;
CREATE TRIGGER campaign_group_changes AFTER UPDATE OF document ON campaign_group WHEN OLD.document <> NEW.document BEGIN
    UPDATE campaign_group SET
        campaign = CASE WHEN json_valid(NEW.document) THEN json_extract(NEW.document, '$.campaign') END,
        agent_group = CASE WHEN json_valid(NEW.document) THEN json_extract(NEW.document, '$.agent_group') END,
        route_point = CASE WHEN json_valid(NEW.document) THEN json_extract(NEW.document, '$.route_point') END
        WHERE dbid = NEW.dbid;
END;
CREATE TRIGGER ivr_profile_comes AFTER INSERT ON ivr_profile BEGIN
    UPDATE ivr_profile SET
        application = CASE WHEN json_valid(NEW.document) THEN json_extract(NEW.document, '$.application') END
        WHERE dbid = NEW.dbid;
END;
CREATE TRIGGER ivr_profile_changes AFTER UPDATE OF document ON ivr_profile WHEN OLD.document <> NEW.document BEGIN
    UPDATE ivr_profile SET
        application = CASE WHEN json_valid(NEW.document) THEN json_extract(NEW.document, '$.application') END
        WHERE dbid = NEW.dbid;
END;
