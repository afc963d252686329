-- The release before writes object_document alone, and reads it. What it writes comes into the table of its kind in the same transaction, and
-- this release writes both. What is there already is copied; a name of nothing, as a release that did not know a kind has left, stays in its
-- document alone.
-- While it is copied nobody writes that table: who wants to has waited for nothing else, but for one who deletes what a document names and writes
-- the document in one turn. The server tells such a circle, and lets one of both try again.
-- The table of a kind; none of a kind that a later release has.
CREATE FUNCTION table_of_kind(kind TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE kind
        WHEN 'list' THEN 'lookup_list'
        WHEN 'transaction' THEN 'transaction_object'
        WHEN 'role' THEN 'privilege_role'
        ELSE CASE WHEN kind IN (
            'action_code', 'business_attribute', 'capacity_rule', 'statistic_definition', 'switch',
            'access_group', 'folder', 'agent_group', 'agent_login', 'place_group', 'dn_group', 'trunk_group',
            'calling_list', 'campaign', 'campaign_group', 'ivr_profile'
        ) THEN kind END
    END
$$;
CREATE FUNCTION document_is_put() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    own TEXT := table_of_kind(NEW.kind);
BEGIN
    IF own IS NOT NULL THEN
        EXECUTE format(
            'INSERT INTO %I AS stored (tenant, name, document) VALUES ($1, $2, $3)
                ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document
                WHERE stored.document <> excluded.document',
            own
        ) USING NEW.tenant, NEW.name, NEW.document;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION document_is_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    own TEXT := table_of_kind(OLD.kind);
BEGIN
    IF own IS NOT NULL THEN
        EXECUTE format('DELETE FROM %I WHERE tenant = $1 AND name = $2', own) USING OLD.tenant, OLD.name;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER object_document_is_put AFTER INSERT OR UPDATE ON object_document
    FOR EACH ROW EXECUTE FUNCTION document_is_put();
CREATE TRIGGER object_document_is_deleted AFTER DELETE ON object_document
    FOR EACH ROW EXECUTE FUNCTION document_is_deleted();
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
