//! What the operations of the Provisioning API take and tell.

use serde_json::Value;

use crate::sessions::openapi_contents::{OperationContents, object};

/// Lists of people, of an operation too.
const PEOPLE: &str =
    "limit?:int, offset?:int, order?, sortBy?, filterName?, filterParameters?, roles?, skills?, userEnabled?:bool";

/// All that take or tell something.
#[rustfmt::skip]
pub(super) const CONTENTS: &[OperationContents] = &[
    // === session ===
    ("initializeProvisioning", "", "", "sessionId"),
    ("initProvisioning", "", "", "sessionId"),
    ("getLogin", "redirect_uri, client_id?, include_state?", "", ""),
    // === people ===
    ("getUserObjects", PEOPLE, "", "users:Person[], totalCount:int"),
    ("addUserObject", "", NEW_PERSON, "id, person:Person"),
    ("getCurrentUserObject", "", "", "user:Person"),
    ("getUserObject", "", "", "user:Person"),
    ("updateUserObject", "", CHANGED_PERSON, ""),
    ("deleteUserObject", "keep_places?:bool", "", ""),
    ("getUsers", PEOPLE, "", "users:Person[], totalCount:int"),
    ("addUser", "", NEW_PERSON, "id, person:Person"),
    ("getCurrentUser", "", "", "user:Person"),
    ("getUser", "", "", "user:Person"),
    ("updateUser", "", CHANGED_PERSON, ""),
    ("deleteUser", "keep_places?:bool", "", ""),
    // === objects ===
    ("getObject", "dn_type?, group_type?, limit?:int, offset?:int, search_term?, search_key?, match_method?, sort_key?, sort_ascending?:bool, sort_method?, dbids?, in_use?:bool, dn_groups?", "", "totalCount:int"),
    ("getPermissions", "dbids", "", "ACLs:obj[]"),
    ("getPermissionsPost", "", "objectIds:NamedObject[]", "ACLs:obj[]"),
    // === operations ===
    ("getUsersAsync", OPERATION_OF_PEOPLE, "", ""),
    ("getUsedSkillsAsync", "_aioId", "", ""),
    ("deleteUsers", "keep_places?:bool", "", ""),
    ("postWatchObjects", "", "types?:str[]", ""),
    // === options, rules ===
    ("optionsGet", "person_dbid?:int, agent_group_dbid?:int", "", "options:obj, cmeAppName, cmeAppDBID"),
    ("optionsPost", "", "options:obj", ""),
    ("optionsPut", "", "newOptions?:obj, changedOptions?:obj, deletedOptions?:obj", ""),
    ("capRulesGet", "script_dbid?:int, name?", "", "capacityRules:any"),
    ("capRulesPost", "", "name, mediaRules?:obj", ""),
    ("capRulesPut", "", "name?, mediaRules?:obj, deletedMediaRules?:str[]", ""),
    ("getStatisticDefinitions", "", "", "statusCode:int, statisticDefinitions:obj"),
    ("postStatisticDefinitions", "", "statisticDefinitions:obj", "statusCode:int, statisticDefinitions:obj"),
    ("getStatisticDefinition", "", "", "statusCode:int, statisticDefinition:obj"),
    ("putStatisticDefinition", "", "category?, objects?:any", "statusCode:int, statisticDefinition:obj"),
    ("checkMigrateConflicts", "", "", "migrations:obj"),
    ("getExportStatisticDefinitions", "", "", "files:str[]"),
    // === settings ===
    ("getTemplates", "", "", "api-templates:obj"),
    ("postTemplates", "", "templates:obj", ""),
    ("putTemplates", "", "templates:obj", ""),
    ("deleteTemplates", "name", "", ""),
    ("getApiEndpoints", "", "", "api-endpoints:obj"),
    ("postApiEndpoints", "", "apiEndpoints:obj", ""),
    ("deleteApiEndpoints", "name", "", ""),
    ("postWhitelist", "", "host", ""),
    ("postWhitelistStatus", "", "whitelistStatus", ""),
    // === tables ===
    ("exportFile", "", "fields?:str[], fileName?, personDBIDs?:any[], filterName?, filterParameters?:any", "id"),
    ("getExportStatus", "id, download?:bool", "", "id, progress:int"),
    ("importFile", "requestId?", "", ""),
    ("validateImportFile", "", "", "totalCount:int, isValid:bool, failed:str[]"),
    ("getImportStatus", "adminName?", "", "activeImporters:str[], adminName, operation, failed:str[], succeedCount:int, totalCount:int, stopped:bool, stopRequested:bool, state?, requestId?"),
    ("getImportHistory", "adminName?, limit?:int, offset?:int", "", "imports:obj[]"),
];

/// Fields of who is made, and of who is changed.
const NEW_PERSON: &str = "userName, firstName, lastName, password?, changePasswordOnNextLogin?:bool, enabled?:bool, emailAddress?, \
    externalID?, folder?, isAgent?:bool, employeeID?, loginCode?, wrapUpTime?:any, capacityRule?, placeNames?:str[], \
    phones?:obj[], skills?:NamedSkill[], agentGroups?:str[], accessGroups?:str[], wwe?:obj, callRecording?:bool, voiceMail?:any, \
    recordingHierarchy?, supportSoftPhone?:bool, sipPhoneType?, switchNames?:str[]";
const CHANGED_PERSON: &str = "userName?, firstName?, lastName?, password?, changePasswordOnNextLogin?:bool, enabled?:bool, emailAddress?, \
    externalID?, folder?, isAgent?:bool, employeeID?, loginCode?, wrapUpTime?:any, capacityRule?, placeNames?:str[], \
    phones?:obj[], skills?:NamedSkill[], deletedSkills?:str[], agentGroups?:str[], deletedAgentGroups?:str[], \
    accessGroups?:str[], deletedAccessGroups?:str[], wwe?:obj, callRecording?:bool, voiceMail?:any, recordingHierarchy?, \
    supportSoftPhone?:bool, sipPhoneType?, switchNames?:str[]";
/// Parameters of the operation that lists people.
const OPERATION_OF_PEOPLE: &str = "_aioId, limit?:int, offset?:int, order?, sortBy?, filterName?, filterParameters?, roles?, skills?, \
    userEnabled?:bool";

/// The shapes to which they refer.
pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    let person = "DBID:any, id, userName, firstName, lastName, isAgent:bool, isAdmin:bool, state, enabled:bool, \
        changePasswordOnNextLogin:bool, tenantDBID:int, wwe:obj, skills:NamedSkill[], placeNames:str[], agentGroups:str[], \
        accessGroups:str[], emailAddress?, employeeID?, loginCode?, wrapUpTime?:any, capacityRule?, externalID?, folder?, \
        userProperties?:obj";
    vec![
        ("Person", object(person)),
        ("NamedSkill", object("name, level?:int")),
        ("NamedObject", object("id?:any, name?")),
    ]
}
