//! The OpenAPI document of the Workspace API, as far as it is served.

mod contents;

use serde_json::{Map, Value, json};

use super::PATH;
use super::desk_sign_in::SCOPE;
use crate::bayeux_socket;
use crate::session_cookie::WORKSPACE;
use crate::sessions::openapi_contents;
use crate::sessions::openapi_frame::{self, ApiFrame};

/// An operation: method, path, name, what it does, and the fields of `data` that it cannot do without.
type DescribedOperation = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const OPERATIONS: &[DescribedOperation] = &[
    // === session ===
    ("post", "/initialize-workspace", "initializeWorkspace", "Begin a session by a token, or by code, redirect_uri and perhaps code_verifier; sets the cookie WORKSPACE_SESSIONID", &[]),
    ("post", "/activate-channels", "activateChannels", "Bind the agent to a DN (dn, dynamicPhoneNumber or placeName), and log it in there", &[]),
    ("get", "/current-session", "getCurrentSession", "The person, the DN and its calls", &[]),
    ("get", "/userinfo", "getUserInfo", "The same", &[]),
    ("get", "/auth-keep-alive", "authKeepAlive", "Use the session, and have its sign-in looked at", &[]),
    ("get", "/login", "login", "To the sign-in of the authentication service", &[]),
    ("post", "/logout", "logout", "Log the agent out, and end the session", &[]),
    ("get", "/logout", "logoutRedirect", "The same, and on to redirect_uri at this host", &[]),
    ("post", "/browser-phone", "getBrowserPhoneTicket", "A ticket for the phone in this browser, for the DN of the session; device names the page", &[]),
    // === configuration ===
    ("get", "/configuration", "getConfiguration", "Action codes, groups, options and more; types names some of them", &[]),
    ("get", "/configuration/{part}", "getConfigurationPart", "One part of it, as action-codes or monitorable-agent-groups", &[]),
    ("get", "/configuration/business-attribute/{id}", "getBusinessAttributeHierarchy", "A business attribute with its values", &[]),
    ("get", "/configuration/places/{placeName}/dns", "getDevicesForPlace", "The DNs of a place", &[]),
    // === notifications ===
    ("post", "/notifications", "notifications", "Messages of Bayeux", &[]),
    ("get", "/notifications", bayeux_socket::OPERATION, "Open a WebSocket, each text of which is an array of messages of Bayeux", &[]),
    ("post", "/notifications/handshake", "notificationsHandshake", "Messages of Bayeux", &[]),
    ("post", "/notifications/connect", "notificationsConnect", "Messages of Bayeux; waits for events", &[]),
    ("post", "/notifications/disconnect", "notificationsDisconnect", "Messages of Bayeux", &[]),
    ("post", "/notifications/subscribe", "notificationsSubscribe", "Messages of Bayeux", &[]),
    ("post", "/notifications/unsubscribe", "notificationsUnsubscribe", "Messages of Bayeux", &[]),
    // === the agent ===
    ("post", "/voice/activate", "activate", "Bind the agent to a DN (dn, or placeName), and log it in there", &[]),
    ("post", "/voice/deactivate", "deactivate", "Log out, and leave the DN", &[]),
    ("post", "/voice/login", "loginVoice", "Log in again on the DN of the session", &[]),
    ("post", "/voice/logout", "logoutVoice", "Log out, and stay at the DN", &[]),
    ("post", "/voice/ready", "setAgentStateReady", "Take calls", &[]),
    ("post", "/voice/not-ready", "setAgentStateNotReady", "Take no calls", &[]),
    ("post", "/voice/dnd-on", "setDNDOn", "Do-not-disturb on", &[]),
    ("post", "/voice/dnd-off", "setDNDOff", "Do-not-disturb off", &[]),
    ("post", "/voice/set-forward", "forward", "Forward all calls", &["forwardTo"]),
    ("post", "/voice/cancel-forward", "cancelForward", "Forward no calls", &[]),
    ("post", "/voice/send-user-event", "sendUserEvent", "Send pairs to those who follow the DN, and the other DNs of a call of it (connId or callUuid)", &["userData"]),
    ("post", "/voice/start-monitoring", "startMonitoring", "Monitor the calls of an agent", &["phoneNumberToMonitor"]),
    ("post", "/voice/stop-monitoring", "stopMonitoring", "Monitor no further call of an agent", &["phoneNumber"]),
    ("post", "/supervisor/voice/{operationName}", "supervisorRemoteOperation", "Log another agent out, make it ready or not: by dn, or userName", &[]),
    ("get", "/supervisor/waiting-calls", "getWaitingCalls", "The calls that wait at route points, those first that have waited for longest", &[]),
    ("get", "/supervisor/waiting-calls/{id}", "getWaitingCall", "What one of them has come through, what it waits for, and why no agent has it", &[]),
    ("post", "/supervisor/waiting-calls/{id}/move", "moveWaitingCall", "Send one of them elsewhere", &["destination"]),
    // === schedules ===
    ("get", "/schedule", "getSchedule", "The shifts of the person from yesterday to tomorrow, with what is planned within them", &[]),
    ("get", "/supervisor/schedules", "getSchedules", "What the agents whom the person looks after should do now: searchTerm, groupId", &[]),
    // === users ===
    ("get", "/users", "getUsers", "The agents whom the person looks after: searchTerm, groupId, states, sort, limit, offset", &[]),
    ("post", "/users/{user}/voice/{operationName}", "userRemoteOperation", "Log an agent out, make it ready or not", &[]),
    // === targets ===
    ("get", "/targets", "getTargets", "Whom and what a call can be given to, with its availability: searchTerm, types, limit, matchType, sort and more, or continueFrom of an earlier answer with pages", &[]),
    ("get", "/targets/{type}/{id}", "getTarget", "One of them, by its number or its name", &[]),
    // === reporting ===
    ("post", "/reporting/subscriptions", "subscribe", "Open statistics; changes come as messages on /workspace/v3/reporting", &["statistics"]),
    ("get", "/reporting/subscriptions", "peekMultiple", "The values of subscriptions: those of ids, or all", &[]),
    ("get", "/reporting/subscriptions/{id}", "peek", "The values of a subscription", &[]),
    ("delete", "/reporting/subscriptions/{id}", "unsubscribe", "Close it", &[]),
    // === calls ===
    ("get", "/voice/calls", "getCalls", "The calls of the DN", &[]),
    ("post", "/voice/make-call", "makeCall", "Dial", &["destination"]),
    ("post", "/voice/fetch-parked", "fetchParkedCall", "Have a call that was parked from the DN ring there again", &["connId"]),
    ("get", "/voice/calls/{id}/course", "getCallCourse", "What a call of the DN has come through", &[]),
    ("post", "/voice/calls/{id}/answer", "answer", "Answer it", &[]),
    ("post", "/voice/calls/{id}/release", "release", "Hang up", &[]),
    ("post", "/voice/calls/{id}/clear", "clear", "End it for everybody", &[]),
    ("post", "/voice/calls/{id}/hold", "hold", "Hold it", &[]),
    ("post", "/voice/calls/{id}/retrieve", "retrieve", "Take it off hold", &[]),
    ("post", "/voice/calls/{id}/redirect", "redirect", "Send it elsewhere while it rings", &["destination"]),
    ("post", "/voice/calls/{id}/initiate-transfer", "initiateTransfer", "Hold it and consult, to transfer it", &["destination"]),
    ("post", "/voice/calls/{id}/complete-transfer", "completeTransfer", "The consultation becomes a transfer", &[]),
    ("post", "/voice/calls/{id}/initiate-conference", "initiateConference", "Hold it and consult, to make a conference", &["destination"]),
    ("post", "/voice/calls/{id}/complete-conference", "completeConference", "The consultation becomes a conference", &[]),
    ("post", "/voice/calls/{id}/single-step-transfer", "singleStepTransfer", "Hand it to another number", &["destination"]),
    ("post", "/voice/calls/{id}/single-step-conference", "singleStepConference", "Bring another number into it", &["destination"]),
    ("post", "/voice/calls/{id}/delete-from-conference", "deleteFromConference", "Remove a party", &["dnToDrop"]),
    ("post", "/voice/calls/{id}/alternate", "alternate", "Hold it, and take another one back", &["heldConnId"]),
    ("post", "/voice/calls/{id}/merge", "merge", "Join it with another one", &["otherConnId"]),
    ("post", "/voice/calls/{id}/reconnect", "reconnect", "Leave it, and take another one back", &["heldConnId"]),
    ("post", "/voice/calls/{id}/send-dtmf", "sendDTMF", "Send digits", &["dtmfDigits"]),
    ("post", "/voice/calls/{id}/attach-user-data", "attachUserData", "Add pairs", &["userData"]),
    ("post", "/voice/calls/{id}/update-user-data", "updateUserData", "Add or replace pairs", &["userData"]),
    ("post", "/voice/calls/{id}/delete-user-data-pair", "deleteUserDataPair", "Remove a pair", &["key"]),
    ("post", "/voice/calls/{id}/complete", "completeCall", "Be done with it after its release", &[]),
    ("post", "/voice/calls/{id}/start-recording", "startRecording", "Record it", &[]),
    ("post", "/voice/calls/{id}/stop-recording", "stopRecording", "End the recording", &[]),
    ("post", "/voice/calls/{id}/pause-recording", "pauseRecording", "Keep out of the recording what follows", &[]),
    ("post", "/voice/calls/{id}/resume-recording", "resumeRecording", "Go on with the recording", &[]),
    ("post", "/voice/calls/{id}/switch-to-listen-in", "switchToListenIn", "Of a monitored call: listen alone", &[]),
    ("post", "/voice/calls/{id}/switch-to-coaching", "switchToCoaching", "Of a monitored call: speak to the agent alone", &[]),
    ("post", "/voice/calls/{id}/switch-to-barge-in", "switchToBargeIn", "Of a monitored call: speak to all", &[]),
    // === what the person keeps ===
    ("get", "/targets/personal-favorites", "getPersonalFavorites", "The favourites, the one that was saved last first", &[]),
    ("post", "/targets/personal-favorites/save", "savePersonalFavorite", "Keep a favourite", &["target"]),
    ("post", "/targets/personal-favorites/delete/{type}/{id}", "deletePersonalFavorite", "Remove a favourite", &[]),
    ("get", "/targets/recents", "getRecentTargets", "With whom the person had to do, the latest first", &[]),
    ("post", "/targets/recents/add", "addRecentTarget", "Add a recent", &["target"]),
    ("post", "/targets/recents/ack-missed-calls", "ackRecentMissedCalls", "The person knows of the missed calls", &[]),
    ("get", "/contacts", "getPersonalContacts", "The contacts of the person, and those that the tenant's people share: searchTerm, limit, offset", &[]),
    ("post", "/contacts", "addPersonalContact", "Add a contact; with isShared one for all people of the tenant", &["name"]),
    ("get", "/contacts/{id}", "getPersonalContact", "A contact", &[]),
    ("put", "/contacts/{id}", "changePersonalContact", "Put a contact in the place of the one with that id", &["name"]),
    ("delete", "/contacts/{id}", "deletePersonalContact", "Remove a contact", &[]),
    ("get", "/settings", "getPersonalSettings", "The settings of the person", &[]),
    ("get", "/settings/{name}", "getPersonalSetting", "A setting", &[]),
    ("post", "/settings/{name}", "savePersonalSetting", "Keep a setting", &["value"]),
    ("delete", "/settings/{name}", "deletePersonalSetting", "Remove a setting", &[]),
    // === chats, work items and mailboxes: answered where there is a service of them ===
    ("get", "/media/interactions", "getOpenInteractions", "Which chats and work items the person has open", &[]),
    ("post", "/media/chat/interactions/{id}/accept", "acceptChat", "Join the chat; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/resume", "asyncResume", "Go on with a chat that was parked; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/put-on-hold", "asyncPutOnHold", "Park the chat; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/cancel-consult", "cancelConsultationChat", "End the consultation; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/consult", "consult", "Consult an agent, hidden from the customer; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/consult-by-queue", "consultByQueue", "The same by a queue; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/invite", "invite", "Bring an agent into the chat; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/invite-by-queue", "inviteByQueue", "The same by a queue; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/leave", "leaveChat", "Leave the chat; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/remove-from-conference", "removeFromConference", "Remove an agent; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/send-custom-notification", "sendCustomNotification", "Send a notification; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/send-message", "sendMessage", "Send a message; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/send-system-command", "sendSystemCommand", "Send a command; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/send-typing-started", "sendTypingStarted", "Somebody types; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/send-typing-stopped", "sendTypingStopped", "Nobody types; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/send-url", "sendUrlData", "Send an address; service digital-channels", &[]),
    ("post", "/media/chat/interactions/{id}/update-nickname", "updateNickname", "Take another nickname; service digital-channels", &[]),
    ("get", "/media/chat/interactions/{id}/messages", "chatMessages", "The messages of the chat; service digital-channels", &[]),
    ("get", "/iwd/work-items", "getWorkItems", "Work items, by the query of the service; service iwd", &[]),
    ("get", "/iwd/work-items/{id}", "getWorkItem", "One of them; service iwd", &[]),
    ("post", "/iwd/work-items/{id}/assign", "assignWorkItem", "Take it; service iwd", &[]),
    ("post", "/iwd/work-items/{id}/complete", "completeWorkItem", "Be done with it; service iwd", &[]),
    ("post", "/iwd/work-items/{id}/cancel", "cancelWorkItem", "Let it not be done; service iwd", &[]),
    ("post", "/iwd/work-items/{id}/hold", "holdWorkItem", "Leave it for later; service iwd", &[]),
    ("post", "/iwd/work-items/{id}/resume", "resumeWorkItem", "Go on with it; service iwd", &[]),
    ("post", "/iwd/work-items/{id}/restart", "restartWorkItem", "Have it begun anew; service iwd", &[]),
    ("get", "/voicemail/mailboxes", "getMailboxes", "How many messages are in mailboxes; service voicemail", &[]),
    // === contacts: answered by events on /workspace/v3/contacts, where there is a service of them ===
    ("post", "/ucs/contacts/create", "createContact", "As published; service ucs", &[]),
    ("post", "/ucs/contacts/search", "searchContacts", "As published; service ucs", &[]),
    ("post", "/ucs/contacts/{id}/delete", "deleteContact", "As published; service ucs", &[]),
    ("post", "/ucs/contacts/{id}/get-details", "getContactDetails", "As published; service ucs", &[]),
    ("post", "/ucs/contacts/{id}/get-history", "getContactHistory", "As published; service ucs", &[]),
    ("post", "/ucs/contacts/{id}/update", "updateContact", "As published; service ucs", &[]),
    ("post", "/ucs/get-agent-history", "getAgentHistory", "As published; service ucs", &[]),
    ("post", "/ucs/get-lucene-indexes", "getLuceneIndexes", "As published; service ucs", &[]),
    ("post", "/ucs/interactions/{id}/assign-contact", "assignInteractionToContact", "As published; service ucs", &[]),
    ("post", "/ucs/interactions/{id}/get-details", "getInteractionDetails", "As published; service ucs", &[]),
    ("post", "/ucs/interactions/{id}/identify-contact", "identifyContact", "As published; service ucs", &[]),
    ("post", "/ucs/interactions/{id}/set-call-completed", "setCallCompleted", "As published; service ucs", &[]),
    ("post", "/ucs/interactions/{id}/set-comment", "setCallComment", "As published; service ucs", &[]),
    ("post", "/ucs/interactions/{id}/set-completed", "setCompleted", "As published; service ucs", &[]),
    ("post", "/ucs/ixn/search", "searchInteractions", "As published; service ucs", &[]),
    ("post", "/ucs/responses/categories/get-root", "getRootCategories", "As published; service ucs", &[]),
    ("post", "/ucs/responses/categories/{id}/get-details", "getCategoryDetails", "As published; service ucs", &[]),
    ("post", "/ucs/responses/get-favorites", "getStandardResponseFavorites", "As published; service ucs", &[]),
    ("post", "/ucs/responses/remove-all-favorites", "deleteAllStandardResponseFavorites", "As published; service ucs", &[]),
    ("post", "/ucs/responses/search", "searchStandardResponses", "As published; service ucs", &[]),
    ("post", "/ucs/responses/{id}/add-to-favorites", "addStandardResponseFavorite", "As published; service ucs", &[]),
    ("post", "/ucs/responses/{id}/get-details", "getStandardResponse", "As published; service ucs", &[]),
    ("post", "/ucs/responses/{id}/remove-from-favorites", "deleteStandardResponseFavorite", "As published; service ucs", &[]),
    ("post", "/ucs/responses/{id}/render-field-codes", "renderStandardResponseFieldCodes", "As published; service ucs", &[]),
    ("post", "/ucs/responses/{id}/report-usage", "reportStandareResponseUsage", "As published; service ucs", &[]),
    ("get", "/ucs/responses/{id}/attachments/{documentId}", "getStandardResponseAttachment", "A document of a standard response; service ucs", &[]),
    ("post", "/ucs/voice/{id}/find-or-create", "findOrCreatePhoneCall", "As published; service ucs", &[]),
    // === documentation ===
    ("get", "/doc", "swaggerDoc", "This document", &[]),
    ("get", "/info", "versionInfo", "Which build answers", &[]),
    ("get", "/version", "getVersion", "The same", &[]),
];

/// The OpenAPI document of the Workspace API.
pub fn openapi() -> Value {
    let mut schemas: Map<String, Value> =
        contents::shapes().into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect();
    schemas.insert("Answer".to_owned(), answer());
    let frame = ApiFrame {
        title: "Workspace",
        path: PATH,
        cookie: WORKSPACE,
        token: format!("an access token of a person with the scope {SCOPE}; it begins a session"),
        security: json!({"session": []}),
        schemas: schemas.into(),
    };
    frame.document(OPERATIONS.iter().map(|operation| (operation.0, operation.1, described(operation))))
}

/// Every answer: what became of the request.
fn answer() -> Value {
    let meaning = "0: done; 1: taken, and an event tells the outcome; else the HTTP status, or 603";
    let code = json!({"type": "integer", "description": meaning});
    let status = json!({
        "type": "object",
        "required": ["code"],
        "properties": {"code": code, "message": {"type": "string"}, "detail": {"type": "string"}},
    });
    json!({
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": status,
            "operationId": {"type": "string", "description": "that of the request, or a new one; the event of the outcome has it too"},
            "data": {"description": "what was asked for"},
            "version": {"type": "string", "description": "which build answers; of /info alone"},
        },
    })
}

fn described((method, path, id, summary, _): &DescribedOperation) -> Value {
    let responses = [
        ("200", "it is done, or taken"),
        ("400", "the request cannot be read; the message names the parameter"),
        ("403", "there is no session, or whoever asks may not"),
        ("503", "not now, or there is no service for it"),
    ];
    let mut operation = openapi_frame::operation(path, id, summary, &responses);
    let (query, body, data) = contents_of(id);
    openapi_contents::add_query(&mut operation, query);
    let takes_body = matches!(*method, "post" | "put") && !path.starts_with("/notifications") && *path != "/logout";
    if takes_body {
        let further = if path.starts_with("/voice/") { contents::OF_VOICE } else { "" };
        openapi_contents::add_body(&mut operation, &format!("{body}, {further}"));
        openapi_contents::add_answers(&mut operation, &[("413", "the body is too large")]);
    }
    if !data.is_empty() {
        openapi_contents::add_data(&mut operation, data);
    }
    openapi_contents::add_answers(&mut operation, further_answers(method, path, summary));
    match *id {
        "initializeWorkspace" => {
            operation["security"] = json!([{"callerToken": []}, {}]);
            openapi_contents::add_answers(&mut operation, &[("401", "the token, or the code, is not good here")]);
        }
        "login" | "logoutRedirect" => {
            operation["responses"]["302"] = json!({"description": "on to another address"});
            if *id == "login" {
                operation["security"] = json!([{}]);
            }
        }
        bayeux_socket::OPERATION => bayeux_socket::describe_answers(&mut operation["responses"]),
        _ => {}
    }
    operation
}

/// The parameters of an operation, the fields of its body, and those of its answer.
fn contents_of(id: &str) -> (&'static str, &'static str, &'static str) {
    let known = contents::CONTENTS.iter().find(|(known, ..)| *known == id);
    known.map_or(("", "", ""), |(_, query, body, data)| (*query, *body, *data))
}

/// Answers that some operations have.
const UNKNOWN: (&str, &str) = ("404", "there is no such thing");
const STATE: (&str, &str) = ("409", "the present state does not allow it");
const NO_CALL: (&str, &str) = ("500", "there is no such call at the DN");
const LATE: (&str, &str) = ("504", "nobody has answered in time: it may have been carried out");

/// The answers that operations of a group have besides.
fn further_answers(method: &str, path: &str, summary: &str) -> &'static [(&'static str, &'static str)] {
    if summary.contains("; service ") {
        &[UNKNOWN, STATE, LATE]
    } else if path.starts_with("/voice/calls/{id}") && method == "post" {
        &[STATE, NO_CALL, LATE]
    } else if path == "/activate-channels" || path.starts_with("/voice/") && method == "post" {
        &[STATE, LATE]
    } else if path.contains('{') && method == "post" {
        &[UNKNOWN, STATE, LATE]
    } else if path.contains('{') {
        &[UNKNOWN]
    } else {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::super::desk::VoiceOperation;
    use super::*;

    #[test]
    fn each_operation_of_the_document_is_there_with_the_fields_that_it_names() {
        for (method, path, id, _, required) in OPERATIONS {
            let Some(operation) = path.strip_prefix("/voice/").filter(|_| *method == "post") else { continue };
            let path = operation.replace("{id}", "00ab");
            let segments: Vec<&str> = path.split('/').collect();
            let read = VoiceOperation::read(&segments, &json!({}));
            match (read, required.first()) {
                (Ok(_), None) => {}
                (Err(refused), Some(field)) => {
                    assert!(refused.message.starts_with(&format!("{field}: ")), "{id}: {}", refused.message);
                }
                // One of two fields is wanted there.
                (Err(refused), None) => assert_eq!((*id, refused.status), ("activate", 400)),
                (Ok(_), Some(field)) => panic!("{id} does without {field}"),
            }
        }
    }

    #[test]
    fn what_an_operation_takes_and_tells_stands_once_and_of_operations_that_there_are() {
        let ids: Vec<&str> = OPERATIONS.iter().map(|(_, _, id, ..)| *id).collect();
        for (id, ..) in contents::CONTENTS {
            assert!(ids.contains(id), "{id}: there is no such operation");
        }
        assert!(openapi_frame::repeated(contents::CONTENTS.iter().map(|(id, ..)| *id)).is_empty());
        assert_eq!(openapi_contents::unknown_types(contents::CONTENTS, &openapi()), Vec::<String>::new());
        for (_, _, id, _, required) in OPERATIONS {
            let needed = openapi_contents::needed(contents_of(id).1);
            assert!(
                required.iter().all(|field| needed.contains(field)),
                "{id}: {needed:?} is without one of {required:?}"
            );
        }
    }

    #[test]
    fn an_operation_is_described_with_parameters_body_and_answers() {
        let document = openapi();
        let of = |path: &str, method: &str| document["paths"][format!("/workspace/v3{path}")][method].clone();
        let hold = of("/voice/calls/{id}/hold", "post");
        let data = &hold["requestBody"]["content"]["application/json"]["schema"]["properties"]["data"];
        assert!(data["properties"]["reasons"].is_object() && hold["requestBody"]["required"] == false);
        assert!(hold["responses"]["500"].is_object() && hold["responses"]["409"].is_object());
        let search = of("/targets", "get");
        let names: Vec<&str> =
            search["parameters"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
        assert!(names.contains(&"searchTerm") && names.contains(&"continueFrom"), "{names:?}");
        let make = of("/voice/make-call", "post");
        assert_eq!(make["requestBody"]["required"], true);
        assert!(of("/logout", "post").get("requestBody").is_none());
        assert!(of("/login", "get")["responses"]["302"].is_object());
    }

    #[test]
    fn names_of_operations_are_given_once() {
        let ids = OPERATIONS.iter().map(|(_, _, id, ..)| *id);
        assert!(openapi_frame::repeated(ids).is_empty());
        let document = openapi();
        assert_eq!(document["paths"]["/workspace/v3/logout"].as_object().unwrap().len(), 2);
    }
}
