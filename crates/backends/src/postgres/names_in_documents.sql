-- Whoever writes a document writes what it names. One that stays as it is changes nothing, and one that is damaged names nothing. The groups
-- Everyone and Administrators are built in, and no objects.
-- The arguments are the table of the list and its column, the field that is the list, and the field of its elements that names; without it an
-- element names by itself.
CREATE FUNCTION names_in_list() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    list JSONB := document_json(NEW.document) -> TG_ARGV[2];
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.document = OLD.document THEN
            RETURN NULL;
        END IF;
        EXECUTE format('DELETE FROM %I WHERE tenant = $1 AND name = $2', TG_ARGV[0]) USING NEW.tenant, NEW.name;
    END IF;
    IF jsonb_typeof(list) = 'array' THEN
        EXECUTE format(
            'INSERT INTO %I (tenant, name, nth, %I)
                SELECT $1, $2, nth - 1, named FROM (
                    SELECT nth, CASE WHEN $4 IS NULL THEN element #>> ''{}'' ELSE element ->> $4 END AS named
                    FROM jsonb_array_elements($3) WITH ORDINALITY AS elements (element, nth)
                ) AS names
                WHERE named IS NOT NULL
                    AND NOT ($5 AND named COLLATE nocase IN (''Everyone'', ''Administrators''))',
            TG_ARGV[0], TG_ARGV[1]
        ) USING NEW.tenant, NEW.name, list, TG_ARGV[3], TG_ARGV[1] = 'access_group';
    END IF;
    RETURN NULL;
END $$;
-- The arguments are columns, each called as its field.
CREATE FUNCTION names_in_fields() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    field TEXT;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.document = OLD.document THEN
            RETURN NEW;
        END IF;
    END IF;
    FOREACH field IN ARRAY TG_ARGV LOOP
        NEW := jsonb_populate_record(NEW, jsonb_build_object(field, document_json(NEW.document) ->> field));
    END LOOP;
    RETURN NEW;
END $$;
-- The same of a column without a key, which other kinds have: the arguments are the table for it, the column that has their names, and this one.
CREATE FUNCTION names_in_column() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        EXECUTE format('DELETE FROM %I WHERE tenant = $1 AND name = $2', TG_ARGV[0])
            USING OLD.tenant, to_jsonb(OLD) ->> TG_ARGV[1];
    END IF;
    EXECUTE format('INSERT INTO %I (tenant, name, %I) SELECT $1, $2, $3 WHERE $3 IS NOT NULL', TG_ARGV[0], TG_ARGV[2])
        USING NEW.tenant, to_jsonb(NEW) ->> TG_ARGV[1], to_jsonb(NEW) ->> TG_ARGV[2];
    RETURN NULL;
END $$;
CREATE TRIGGER switch_access_code_names AFTER INSERT OR UPDATE OF document ON switch
    FOR EACH ROW EXECUTE FUNCTION names_in_list('switch_access_code', 'to_switch', 'access_codes', 'switch');
CREATE TRIGGER access_group_person_names AFTER INSERT OR UPDATE OF document ON access_group
    FOR EACH ROW EXECUTE FUNCTION names_in_list('access_group_person', 'person', 'people');
CREATE TRIGGER access_group_group_names AFTER INSERT OR UPDATE OF document ON access_group
    FOR EACH ROW EXECUTE FUNCTION names_in_list('access_group_group', 'access_group', 'groups');
CREATE TRIGGER privilege_role_person_names AFTER INSERT OR UPDATE OF document ON privilege_role
    FOR EACH ROW EXECUTE FUNCTION names_in_list('privilege_role_person', 'person', 'people');
CREATE TRIGGER privilege_role_group_names AFTER INSERT OR UPDATE OF document ON privilege_role
    FOR EACH ROW EXECUTE FUNCTION names_in_list('privilege_role_group', 'access_group', 'groups');
CREATE TRIGGER folder_person_names AFTER INSERT OR UPDATE OF document ON folder
    FOR EACH ROW EXECUTE FUNCTION names_in_list('folder_person', 'person', 'permissions', 'person');
CREATE TRIGGER folder_group_names AFTER INSERT OR UPDATE OF document ON folder
    FOR EACH ROW EXECUTE FUNCTION names_in_list('folder_group', 'access_group', 'permissions', 'group');
CREATE TRIGGER agent_group_agent_names AFTER INSERT OR UPDATE OF document ON agent_group
    FOR EACH ROW EXECUTE FUNCTION names_in_list('agent_group_agent', 'person', 'agents');
CREATE TRIGGER agent_group_manager_names AFTER INSERT OR UPDATE OF document ON agent_group
    FOR EACH ROW EXECUTE FUNCTION names_in_list('agent_group_manager', 'person', 'managers');
CREATE TRIGGER agent_login_names BEFORE INSERT OR UPDATE OF document ON agent_login
    FOR EACH ROW EXECUTE FUNCTION names_in_fields('person');
CREATE TRIGGER place_group_place_names AFTER INSERT OR UPDATE OF document ON place_group
    FOR EACH ROW EXECUTE FUNCTION names_in_list('place_group_place', 'place', 'places');
CREATE TRIGGER dn_group_member_names AFTER INSERT OR UPDATE OF document ON dn_group
    FOR EACH ROW EXECUTE FUNCTION names_in_list('dn_group_member', 'dn', 'members', 'dn');
CREATE TRIGGER trunk_group_member_names AFTER INSERT OR UPDATE OF document ON trunk_group
    FOR EACH ROW EXECUTE FUNCTION names_in_list('trunk_group_member', 'trunk', 'members', 'trunk');
CREATE TRIGGER calling_list_names BEFORE INSERT OR UPDATE OF document ON calling_list
    FOR EACH ROW EXECUTE FUNCTION names_in_fields('schedule');
CREATE TRIGGER campaign_calling_list_names AFTER INSERT OR UPDATE OF document ON campaign
    FOR EACH ROW EXECUTE FUNCTION names_in_list('campaign_calling_list', 'calling_list', 'calling_lists', 'calling_list');
CREATE TRIGGER campaign_group_names BEFORE INSERT OR UPDATE OF document ON campaign_group
    FOR EACH ROW EXECUTE FUNCTION names_in_fields('campaign', 'agent_group', 'route_point');
CREATE TRIGGER ivr_profile_names BEFORE INSERT OR UPDATE OF document ON ivr_profile
    FOR EACH ROW EXECUTE FUNCTION names_in_fields('application');
