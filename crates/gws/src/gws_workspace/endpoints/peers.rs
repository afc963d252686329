//! Chats, work items, contacts and mailboxes: services beside GWS have them, and gws-interaction knows which of them a person has open.
//!
//! An operation goes to its service as it came, with the person in its path. What the service answers beside `data`, as `events`, the
//! clients of the session are told with the id of the operation, on the channel that the published API has for it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use net::http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::super::behind::{InteractionFault, InteractionQuestion, PeerFault, PeerQuestion, PeerService};
use super::super::desk::MediaChannel;
use super::super::request::DeskRequest;
use super::super::session::DeskSession;
use super::super::unserved_operations::{self, Lack};
use super::super::{PATH, Workspace};
use super::operations::segments;
use crate::interaction_api::{InteractionList, OpenInteraction};
use crate::sessions::answers::{self, ApiRefusal, read_body};
use crate::sessions::unserved::{self, Unserved};

/// Operations of a chat; others below it are those of Interaction Server.
const OF_CHATS: [&str; 17] = [
    "accept",
    "resume",
    "put-on-hold",
    "cancel-consult",
    "consult",
    "consult-by-queue",
    "invite",
    "invite-by-queue",
    "leave",
    "remove-from-conference",
    "send-custom-notification",
    "send-message",
    "send-system-command",
    "send-typing-started",
    "send-typing-stopped",
    "send-url",
    "update-nickname",
];
/// Operations of a work item.
const OF_WORK_ITEMS: [&str; 6] = ["assign", "complete", "cancel", "hold", "resume", "restart"];
/// Operations on contacts, interactions and standard responses, as their paths below `/ucs`; `*` stands for an id.
const OF_CONTACTS: [&str; 26] = [
    "contacts/create",
    "contacts/search",
    "contacts/*/delete",
    "contacts/*/get-details",
    "contacts/*/get-history",
    "contacts/*/update",
    "get-agent-history",
    "get-lucene-indexes",
    "interactions/*/assign-contact",
    "interactions/*/get-details",
    "interactions/*/identify-contact",
    "interactions/*/set-call-completed",
    "interactions/*/set-comment",
    "interactions/*/set-completed",
    "ixn/search",
    "responses/categories/get-root",
    "responses/categories/*/get-details",
    "responses/get-favorites",
    "responses/remove-all-favorites",
    "responses/search",
    "responses/*/add-to-favorites",
    "responses/*/get-details",
    "responses/*/remove-from-favorites",
    "responses/*/render-field-codes",
    "responses/*/report-usage",
    "voice/*/find-or-create",
];

/// What stays as it is in a part of a path. A point does not: a part of points alone would lead elsewhere.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');
/// Media types, as what is open is known by.
const CHAT: &str = "chat";
const WORK_ITEM: &str = "workitem";
/// The longest id in a path, and the longest query, in bytes.
const ID_BYTES_MAX: usize = 200;
const QUERY_BYTES_MAX: usize = 1_024;
/// The longest path of an operation that is passed on, in bytes.
const PATH_BYTES_MAX: usize = 512;
/// The longest id of an operation, in bytes; clients take UUIDs.
const OPERATION_ID_BYTES_MAX: usize = 100;
/// The most events of an answer that are told.
const EVENTS_MAX: usize = 20;
/// Where a session has its channels of media.
const CHANNELS: &str = "/user/activeSession/media/channels";

impl From<PeerFault> for ApiRefusal {
    fn from(fault: PeerFault) -> Self {
        match fault {
            PeerFault::Refused(problem) if problem.status_code() == StatusCode::UNPROCESSABLE_ENTITY => {
                Self::bad_request(problem.detail.unwrap_or(problem.title))
            }
            PeerFault::Refused(problem) => problem.into(),
            PeerFault::Unset(..) | PeerFault::Away(_) => Self::unavailable(fault.to_string()),
            PeerFault::Late(_) => Self::with_code(504, 504, fault.to_string()),
        }
    }
}

impl From<InteractionFault> for ApiRefusal {
    fn from(fault: InteractionFault) -> Self {
        match fault {
            InteractionFault::Refused(problem) => problem.into(),
            InteractionFault::Away => Self::unavailable(fault.to_string()),
        }
    }
}

async fn ask(workspace: &Workspace, session: &DeskSession, question: PeerQuestion) -> Result<Value, ApiRefusal> {
    let person = session.sign_in().person;
    Ok(workspace.parts.peers.ask(person.tenant, person.user, question).await?)
}

/// Reads something of a service.
async fn read(
    workspace: &Workspace,
    session: &DeskSession,
    service: PeerService,
    below: String,
) -> Result<Response, ApiRefusal> {
    let question = PeerQuestion { service, method: Method::GET, below, body: Value::Null };
    let mut told = ask(workspace, session, question).await?;
    Ok(answers::data(&data_of(&mut told)))
}

/// What an answer has to tell; an empty object where it is nothing.
fn data_of(told: &mut Value) -> Value {
    match told.get_mut("data") {
        Some(data) if !data.is_null() => data.take(),
        _ => json!({}),
    }
}

// === operations ===

/// The body of an operation.
#[derive(Debug, PartialEq)]
struct PassedBody {
    /// The id, of the client or drawn.
    operation_id: String,
    data: Value,
}

fn passed_body(body: &[u8], drawn: impl FnOnce() -> u64) -> Result<PassedBody, ApiRefusal> {
    let mut body = read_body(body)?;
    if !body.is_null() && !body.is_object() {
        return Err(ApiRefusal::bad_request("body: it is not an object"));
    }
    let operation_id = match body.get("operationId") {
        None | Some(Value::Null) => format!("{:016x}", drawn()),
        Some(Value::String(id)) if (1..=OPERATION_ID_BYTES_MAX).contains(&id.len()) => id.clone(),
        Some(_) => {
            let rule = format!("operationId: it is no text of 1 to {OPERATION_ID_BYTES_MAX} bytes");
            return Err(ApiRefusal::bad_request(rule));
        }
    };
    let data = data_of(&mut body);
    if !data.is_object() {
        return Err(ApiRefusal::bad_request("data: it is not an object"));
    }
    Ok(PassedBody { operation_id, data })
}

/// The events of an answer, as the clients of the session get them.
fn events(told: &Value, channel: MediaChannel, operation_id: &str) -> Vec<Value> {
    let message_type = match channel {
        MediaChannel::Contacts => "UcsMessage",
        MediaChannel::Chat | MediaChannel::WorkItem => "InteractionStateChanged",
    };
    let all = told.get("events").and_then(Value::as_array).into_iter().flatten();
    let event = |event: &Value| {
        let mut fields = event.as_object()?.clone();
        fields.entry("messageType").or_insert_with(|| message_type.into());
        fields.insert("operationId".to_owned(), operation_id.into());
        Some(Value::Object(fields))
    };
    all.filter_map(event).take(EVENTS_MAX).collect()
}

/// Has a service carry out an operation. Returns what it tells, and the answer.
async fn carried_out(
    workspace: &Workspace,
    session: &DeskSession,
    (service, below): (PeerService, String),
    channel: MediaChannel,
    body: &[u8],
) -> Result<(Value, Response), ApiRefusal> {
    let PassedBody { operation_id, data } = passed_body(body, || workspace.parts.entropy().next_u64())?;
    let body = json!({"operationId": operation_id, "data": data});
    let mut told = ask(workspace, session, PeerQuestion { service, method: Method::POST, below, body }).await?;
    session.tell_media(channel, &events(&told, channel, &operation_id));
    let data = data_of(&mut told);
    let mut answer = json!({"status": {"code": 1}, "operationId": operation_id});
    if data.as_object().is_none_or(|fields| !fields.is_empty()) {
        answer["data"] = data.clone();
    }
    Ok((data, answers::answer(StatusCode::OK, &answer)))
}

/// The parts of a path as the service gets them.
fn encoded(segments: &[String]) -> Result<String, ApiRefusal> {
    if let Some(long) = segments.iter().find(|segment| segment.len() > ID_BYTES_MAX) {
        let rule = format!("id: {long:.32}... has more than {ID_BYTES_MAX} bytes");
        return Err(ApiRefusal::bad_request(rule));
    }
    let encoded = segments.iter().map(|segment| utf8_percent_encode(segment, PLAIN).to_string());
    Ok(encoded.collect::<Vec<_>>().join("/"))
}

/// `POST /media/chat/interactions/{id}/…`.
pub(in crate::gws_workspace) async fn chat(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    uri: Uri,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let session = &request.session;
    let below = segments(&uri, "/media/chat/interactions/");
    let [id, operation] = below.as_slice() else { return Err(ApiRefusal::unknown_operation()) };
    if !OF_CHATS.contains(&operation.as_str()) {
        return not_served(&workspace, session, &Method::POST, uri.path()).await;
    }
    let at = (PeerService::DigitalChannels, format!("chat/interactions/{}", encoded(&below)?));
    let (told, answer) = carried_out(&workspace, session, at, MediaChannel::Chat, &body).await?;
    match operation.as_str() {
        "accept" | "resume" => note(&workspace, session, CHAT, id, &told).await,
        "leave" | "put-on-hold" => forget(&workspace, session, CHAT, id).await,
        _ => {}
    }
    Ok(answer)
}

/// `GET /media/chat/interactions/{id}/messages`.
pub(in crate::gws_workspace) async fn chat_messages(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    uri: Uri,
) -> Result<Response, ApiRefusal> {
    let below = format!("chat/interactions/{}", encoded(&segments(&uri, "/media/chat/interactions/"))?);
    read(&workspace, &request.session, PeerService::DigitalChannels, below).await
}

/// `GET /iwd/work-items`: a search, whose query the service reads.
pub(in crate::gws_workspace) async fn work_items(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    uri: Uri,
) -> Result<Response, ApiRefusal> {
    let query = uri.query().unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        return Err(ApiRefusal::bad_request(format!("query: it has more than {QUERY_BYTES_MAX} bytes")));
    }
    let below = if query.is_empty() { "work-items".to_owned() } else { format!("work-items?{query}") };
    read(&workspace, &request.session, PeerService::Iwd, below).await
}

/// `GET /iwd/work-items/{id}`.
pub(in crate::gws_workspace) async fn work_item(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    uri: Uri,
) -> Result<Response, ApiRefusal> {
    let below = format!("work-items/{}", encoded(&segments(&uri, "/iwd/work-items/"))?);
    read(&workspace, &request.session, PeerService::Iwd, below).await
}

/// `POST /iwd/work-items/{id}/…`.
pub(in crate::gws_workspace) async fn operate_work_item(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    uri: Uri,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let session = &request.session;
    let below = segments(&uri, "/iwd/work-items/");
    let [id, operation] = below.as_slice() else { return Err(ApiRefusal::unknown_operation()) };
    if !OF_WORK_ITEMS.contains(&operation.as_str()) {
        return Err(ApiRefusal::unknown_operation());
    }
    let at = (PeerService::Iwd, format!("work-items/{}", encoded(&below)?));
    let (told, answer) = carried_out(&workspace, session, at, MediaChannel::WorkItem, &body).await?;
    match operation.as_str() {
        "assign" => note(&workspace, session, WORK_ITEM, id, &told).await,
        "complete" | "cancel" | "restart" => forget(&workspace, session, WORK_ITEM, id).await,
        _ => {}
    }
    Ok(answer)
}

/// Whether there is an operation on contacts with that path.
fn is_of_contacts(segments: &[String]) -> bool {
    OF_CONTACTS.iter().any(|known| {
        let parts: Vec<&str> = known.split('/').collect();
        parts.len() == segments.len() && parts.iter().zip(segments).all(|(part, own)| *part == "*" || part == own)
    })
}

/// `POST /ucs/…`.
pub(in crate::gws_workspace) async fn contacts(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    uri: Uri,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let below = segments(&uri, "/ucs/");
    if !is_of_contacts(&below) {
        return Err(ApiRefusal::unknown_operation());
    }
    let at = (PeerService::Ucs, encoded(&below)?);
    let (_, answer) = carried_out(&workspace, &request.session, at, MediaChannel::Contacts, &body).await?;
    Ok(answer)
}

/// `GET /ucs/responses/{id}/attachments/{documentId}`: a document of a standard response, as the service tells it.
pub(in crate::gws_workspace) async fn document(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    uri: Uri,
) -> Result<Response, ApiRefusal> {
    let below = segments(&uri, "/ucs/");
    if !matches!(below.as_slice(), [first, _, third, _] if first == "responses" && third == "attachments") {
        return Err(ApiRefusal::unknown_operation());
    }
    read(&workspace, &request.session, PeerService::Ucs, encoded(&below)?).await
}

/// `GET /voicemail/mailboxes`: how many messages are in the mailboxes of the person, and in that of the DN of the session.
pub(in crate::gws_workspace) async fn mailboxes(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let dn = request.session.shown(|desk| desk.working_dn().map(str::to_owned));
    let query = dn.map(|dn| format!("?dn={}", utf8_percent_encode(&dn, NON_ALPHANUMERIC)));
    let below = format!("mailboxes{}", query.unwrap_or_default());
    read(&workspace, &request.session, PeerService::Voicemail, below).await
}

// === what is open ===

async fn ask_interactions(
    workspace: &Workspace,
    session: &DeskSession,
    question: InteractionQuestion,
) -> Result<Value, InteractionFault> {
    let person = session.sign_in().person;
    workspace.parts.interaction.ask(person.tenant, person.user, question).await
}

/// What no service is asked for: an operation that gws-interaction knows about or that comes later, another method, or nothing.
pub(in crate::gws_workspace) async fn not_served(
    workspace: &Workspace,
    session: &DeskSession,
    method: &Method,
    path: &str,
) -> Result<Response, ApiRefusal> {
    let below = path.strip_prefix(PATH).unwrap_or_default().trim_matches('/');
    match unserved::found(unserved_operations::OPERATIONS, method, below) {
        Unserved::Operation(Lack::InteractionServer) => operated(workspace, session, below).await,
        Unserved::Operation(Lack::Later(when)) => Err(ApiRefusal::unavailable(when)),
        Unserved::OtherMethods(methods) => Ok(unserved::without_method(&methods)),
        Unserved::Unknown => Err(ApiRefusal::unknown_operation()),
    }
}

/// An operation that gws-interaction knows about, by its path below that of the API.
async fn operated(workspace: &Workspace, session: &DeskSession, operation: &str) -> Result<Response, ApiRefusal> {
    if operation.len() > PATH_BYTES_MAX {
        return Err(ApiRefusal::unknown_operation());
    }
    let question = InteractionQuestion::Operate(operation.to_owned());
    let mut told = ask_interactions(workspace, session, question).await?;
    Ok(answers::data(&data_of(&mut told)))
}

/// Notes what a service has opened for the person. That is done whether it is noted or not.
async fn note(workspace: &Workspace, session: &DeskSession, media_type: &str, id: &str, told: &Value) {
    let subject = told.get("subject").and_then(Value::as_str).unwrap_or_default();
    let opened = OpenInteraction::about(media_type, id, subject, workspace.parts.now().as_millis());
    kept(session, ask_interactions(workspace, session, InteractionQuestion::Note(opened)).await);
}

async fn forget(workspace: &Workspace, session: &DeskSession, media_type: &str, id: &str) {
    let question = InteractionQuestion::Forget { media_type: media_type.to_owned(), id: id.to_owned() };
    kept(session, ask_interactions(workspace, session, question).await);
}

fn kept(session: &DeskSession, outcome: Result<Value, InteractionFault>) {
    if let Err(fault) = outcome {
        tracing::warn!(%fault, tenant = %session.cookie.tenant, "what a person has open is not as gws-interaction has it");
    }
}

async fn all_open(workspace: &Workspace, session: &DeskSession) -> Result<Vec<OpenInteraction>, ApiRefusal> {
    let told = ask_interactions(workspace, session, InteractionQuestion::Open).await?;
    let list: InteractionList = serde_json::from_value(told).map_err(|error| {
        tracing::warn!(%error, "what gws-interaction tells cannot be read");
        ApiRefusal::internal()
    })?;
    Ok(list.interactions)
}

/// `GET /media/interactions`: ours.
pub(in crate::gws_workspace) async fn open(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let all = all_open(&workspace, &request.session).await?;
    let shown: Vec<Value> = all.iter().map(shown).collect();
    Ok(answers::data(&json!({"interactions": shown})))
}

/// As the published API has it. Clients in Java need what is in `chat`.
fn shown(open: &OpenInteraction) -> Value {
    let mut interaction = json!({
        "id": open.id, "mediatype": open.media_type, "subject": open.subject, "state": "Processing",
        "receivedAt": open.opened_at,
    });
    if open.media_type == CHAT {
        interaction["chat"] = json!({"participants": [], "messages": []});
    }
    interaction
}

/// The channels of media with what is open of them. Nobody is logged in there: that would be at Interaction Server.
fn channels(open: &[OpenInteraction]) -> Vec<Value> {
    let mut channels: Vec<(&str, Vec<Value>)> = Vec::new();
    for interaction in open {
        match channels.iter_mut().find(|(name, _)| *name == interaction.media_type) {
            Some((_, interactions)) => interactions.push(shown(interaction)),
            None => channels.push((interaction.media_type.as_str(), vec![shown(interaction)])),
        }
    }
    let channel = |(name, interactions): (&str, Vec<Value>)| {
        json!({
            "name": name, "state": "LoggedOut", "dnd": false, "available": false, "reasons": [], "capabilities": [],
            "interactions": interactions,
        })
    };
    channels.into_iter().map(channel).collect()
}

/// Adds to a session, as it is shown, what is open. Where there is no service that opens any, nobody is asked; where gws-interaction does
/// not answer, the session is shown without.
pub(super) async fn add_open(workspace: &Workspace, session: &DeskSession, shown: &mut Value) {
    let opens = [PeerService::DigitalChannels, PeerService::Iwd];
    if shown.pointer(CHANNELS).is_none() || !opens.into_iter().any(|service| workspace.parts.peers.is_set(service)) {
        return;
    }
    match all_open(workspace, session).await {
        Ok(open) => {
            if let Some(place) = shown.pointer_mut(CHANNELS) {
                *place = channels(&open).into();
            }
        }
        Err(refusal) => tracing::debug!(refusal = refusal.message(), "a session is shown without what is open"),
    }
}
