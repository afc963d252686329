//! What the operations of the Workspace API take and tell.

use serde_json::{Value, json};

use crate::sessions::openapi_contents::{OperationContents, object};

/// What every operation on voice takes besides.
pub(super) const OF_VOICE: &str = "reasonCode?, reasons?:Pair[], extensions?:Pair[]";

/// All that take or tell something.
#[rustfmt::skip]
pub(super) const CONTENTS: &[OperationContents] = &[
    // === session ===
    ("initializeWorkspace", "code?, redirect_uri?, code_verifier?, optimize_config?:bool", "code_verifier?", ""),
    ("activateChannels", "", "agentId?, placeName?, dn?, dynamicPhoneNumber?, agentWorkMode?, autoCompleteCall?:bool, channels?:str[]", ""),
    ("getCurrentSession", "", "", "user:User"),
    ("getUserInfo", "", "", "user:User"),
    ("login", "redirect_uri, type?, client_id?", "", ""),
    ("logoutRedirect", "redirect_uri?", "", ""),
    ("getBrowserPhoneTicket", "", "device?", "url, realm, number, expiresIn:int"),
    // === configuration ===
    ("getConfiguration", "types?", "", "actionCodes?:obj[], agentGroups?:obj[], settings?:any, transactions?:obj[], businessAttributes?:obj[], monitorableAgentGroups?:obj[]"),
    ("getDevicesForPlace", "", "", "devices:obj[]"),
    // === the agent ===
    ("activate", "", "agentId?, placeName?, dn?, dynamicPhoneNumber?, agentWorkMode?, autoCompleteCall?:bool, channels?:str[]", ""),
    ("loginVoice", "", "agentWorkMode?", ""),
    ("setAgentStateReady", "", "agentWorkMode?", ""),
    ("setAgentStateNotReady", "", "agentWorkMode?", ""),
    ("forward", "", "forwardTo", ""),
    ("sendUserEvent", "", "userData:Pair[]", ""),
    ("startMonitoring", "", "phoneNumberToMonitor, monitoringMode?, monitoringNextCallType?, monitoringScope?, location?", ""),
    ("stopMonitoring", "", "phoneNumber", ""),
    ("supervisorRemoteOperation", "", "dn?, userName?, reasonCode?, reasons?:Pair[]", ""),
    ("userRemoteOperation", "", "reasonCode?, reasons?:Pair[]", ""),
    ("getWaitingCalls", "", "", "calls:obj[], totalMatches:int"),
    ("getWaitingCall", "", "", "call:obj, requests?:obj[]"),
    ("moveWaitingCall", "", "destination", ""),
    ("getUsers", "searchTerm?, groupId?, states?, sort?, limit?:int, offset?:int", "", "users:obj[], totalMatches:int"),
    // === targets ===
    ("getTargets", "searchTerm?, filterName?, types?, excludeGroup?, restrictGroup?, excludeFromGroup?, restrictToGroup?, sort?, limit?:int, matchType?, pages?:bool, continueFrom?", "", "targets:Target[], totalMatches:int, continueFrom?, searchedIn?"),
    ("getTarget", "", "", "targets:Target[], totalMatches:int"),
    // === reporting ===
    ("subscribe", "", "statistics:Statistic[]", "subscriptionId, statistics:StatisticValue[], refused?:obj[]"),
    ("peekMultiple", "ids?", "", "subscriptions:obj[]"),
    ("peek", "", "", "subscriptionId, statistics:StatisticValue[]"),
    // === calls ===
    ("getCalls", "", "", "calls:Call[]"),
    ("getCallCourse", "", "", "steps:obj[], leftOut:int, isWhole:bool"),
    ("makeCall", "", "destination, location?, userData?:Pair[]", ""),
    ("fetchParkedCall", "", "connId", ""),
    ("redirect", "", "destination", ""),
    ("initiateTransfer", "", "destination, location?, userData?:Pair[]", ""),
    ("completeTransfer", "", "parentConnId?", ""),
    ("initiateConference", "", "destination, location?, userData?:Pair[]", ""),
    ("completeConference", "", "parentConnId?", ""),
    ("singleStepTransfer", "", "destination, location?, userData?:Pair[]", ""),
    ("singleStepConference", "", "destination, location?, userData?:Pair[]", ""),
    ("deleteFromConference", "", "dnToDrop", ""),
    ("alternate", "", "heldConnId", ""),
    ("merge", "", "otherConnId", ""),
    ("reconnect", "", "heldConnId", ""),
    ("sendDTMF", "", "dtmfDigits", ""),
    ("attachUserData", "", "userData:Pair[]", ""),
    ("updateUserData", "", "userData:Pair[]", ""),
    ("deleteUserDataPair", "", "key", ""),
    ("completeCall", "", "userData?:Pair[]", ""),
    ("switchToListenIn", "", "monitoringScope?", ""),
    ("switchToCoaching", "", "monitoringScope?", ""),
    ("switchToBargeIn", "", "monitoringScope?", ""),
    // === what the person keeps ===
    ("getPersonalFavorites", "limit?:int, types?", "", "targets:Target[], totalMatches:int"),
    ("savePersonalFavorite", "", "target:KeptTarget, category?, ignoreDuplication?:bool", ""),
    ("getRecentTargets", "limit?:int, types?", "", "targets:Target[], totalMatches:int"),
    ("addRecentTarget", "", "target:KeptTarget, recentInformation?:RecentInformation", ""),
    ("getPersonalContacts", "searchTerm?, limit?:int, offset?:int", "", "contacts:KeptContact[], totalMatches:int, mayShare:bool"),
    ("addPersonalContact", "", "name, numbers?:obj[], emailAddress?, company?, note?, isShared?:bool", "id, name"),
    ("getPersonalContact", "", "", "id, name"),
    ("changePersonalContact", "", "name, numbers?:obj[], emailAddress?, company?, note?, isShared?:bool, changedAt?:int", "id, name"),
    ("getPersonalSettings", "", "", "settings:obj"),
    ("getPersonalSetting", "", "", "name, value:any"),
    ("savePersonalSetting", "", "value:any", ""),
    // === chats, work items and mailboxes ===
    ("getOpenInteractions", "", "", "interactions:obj[]"),
    ("acceptChat", "", "nickname?", ""),
    ("asyncResume", "", "nickname?", ""),
    ("asyncPutOnHold", "", "queue, reason?:obj, extension?:Pair[]", ""),
    ("consult", "", "agentId", ""),
    ("consultByQueue", "", "queue", ""),
    ("invite", "", "agentId", ""),
    ("inviteByQueue", "", "queue", ""),
    ("leaveChat", "", "afterAction?, message?, messageType?, treatAs?", ""),
    ("removeFromConference", "", "agentId", ""),
    ("sendCustomNotification", "", "message?, visibility?, userData?:Pair[]", ""),
    ("sendMessage", "", "message, messageType?, visibility?, treatAs?", ""),
    ("sendSystemCommand", "", "message?, visibility?, userData?:Pair[]", ""),
    ("sendTypingStarted", "", "message?, visibility?", ""),
    ("sendTypingStopped", "", "message?, visibility?", ""),
    ("sendUrlData", "", "url, visibility?", ""),
    ("updateNickname", "", "nickname, visibility?", ""),
    ("chatMessages", "", "", "messages:obj[]"),
    ("getMailboxes", "", "", "mailboxes:obj[]"),
    // === contacts ===
    ("createContact", "", "properties:obj[]", ""),
    ("searchContacts", "", "query, returnedAttributes:str[], startIndex?:int, maxResults?:int, sortCriteria?:obj[]", ""),
    ("getContactDetails", "", "returnedAttributes:str[]", ""),
    ("getContactHistory", "", "returnedAttributes:str[], fromDate?, toDate?", ""),
    ("updateContact", "", "contactId?, addedProperties:obj[], changedProperties:obj[], deletedProperties:str[]", ""),
    ("getAgentHistory", "", "returnedAttributes?:str[], sort?, fromDate?, toDate?, userId?", ""),
    ("assignInteractionToContact", "", "contactId", ""),
    ("getInteractionDetails", "", "returnedAttributes?:str[]", ""),
    ("identifyContact", "", "createContactEnabled?:bool", ""),
    ("setCallCompleted", "", "callDuration:int, userData:Pair[]", ""),
    ("setCallComment", "", "comment", ""),
    ("searchInteractions", "", "maxResults?:int, owner?:str[], query?, returnedAttributes?:str[]", ""),
    ("getRootCategories", "", "approved?:bool, language?", ""),
    ("getCategoryDetails", "", "returnChildrenCategories?:bool, returnChildrenSRInfo?:bool, approved?:bool", ""),
    ("searchStandardResponses", "", "query, returnedAttributes?:str[], maxResults?:int", ""),
    ("getStandardResponse", "", "version?:int, attachments?:bool", ""),
    ("renderStandardResponseFieldCodes", "", "interactionId, usePlainText?:bool, customProperties?:Pair[], agentCustomProperties?:Pair[]", ""),
    ("reportStandareResponseUsage", "", "interactionId, responseType?", ""),
];

/// The shapes to which they refer. Of calls, targets and people more fields are told.
pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    let pair = json!({
        "type": "object",
        "required": ["key", "value"],
        "properties": {
            "key": {"type": "string"},
            "type": {"type": "string", "enum": ["str", "int", "kvlist"]},
            "value": {"description": "a text, a whole number, or pairs again"},
        },
    });
    vec![
        ("Pair", pair),
        (
            "User",
            object(
                "dbid:int, userName, employeeId?, firstName?, lastName?, defaultPlace?, agentLogin?, userProperties?:any, activeSession?:obj",
            ),
        ),
        (
            "Call",
            object(
                "id, callUuid?, callType, state, phoneNumber?, ani?, dnis?, participants:obj[], userData?:Pair[], extensions?:Pair[], capabilities:str[], parentConnId?, previousConnId?, recordingState?, duration?:int, startedAt?, stateSince?",
            ),
        ),
        (
            "Target",
            object(
                "DBID:int, type, name?, firstName?, lastName?, employeeId?, userName?, number?, switchName?, availability?:obj",
            ),
        ),
        (
            "KeptTarget",
            object(
                "type?, id?:any, name?, firstName?, lastName?, userName?, employeeId?, number?, switchName?, emailAddresses?:str[], numbers?:str[]",
            ),
        ),
        (
            "KeptContact",
            object("id, isShared:bool, name, numbers:obj[], emailAddress?, company?, note?, changedAt:int"),
        ),
        ("RecentInformation", object("media?, timeStamp?:int")),
        ("Statistic", object("statisticId?, objectId, objectType, name?, definition?:obj")),
        ("StatisticValue", object("statisticId, objectId?, objectType?, name?, timestamp?:int, value?:any")),
    ]
}
