//! The kinds of facts and their attributes: the generated part of the book's page about events.

use std::fmt::Write as _;

use model::{CallState, CallType, DnRole, EventName};

use super::{Attribute, attribute};
use crate::wire::WORK_MODES;

/// The attributes of a fact's `data`: [`crate::json::event_frame`].
pub(super) const FRAME: &[Attribute] = &[
    attribute("id", "string", "the fact's name"),
    attribute("tenant", "string", "the tenant"),
    attribute("subject", "string", "what the fact is about; with `token` and `seq` its identity"),
    attribute("token", "number", "grows with each change of owner"),
    attribute("seq", "number", "counts from 1 without gaps within subject and token"),
    attribute("time", "object", "`s` and `us`: seconds since 1970 and microseconds"),
    attribute(
        "ReferenceID",
        "number",
        "the [request](requests.md) that this answers; 0 without one, and for all but the requester on port 8000",
    ),
    attribute("Requester", "string", "who asked for it: the token's subject"),
    attribute("ConnID", "string", "the call: 16 hex digits, opaque, never used again"),
    attribute("CallUUID", "string", "the call for the rest of the world, and the trace id: 32 hex digits"),
    attribute("CallThreadID", "string", "the chain of calls that began with one: 32 hex digits"),
    attribute(
        "CallType",
        "string",
        "`Inbound` (by a trunk), `Internal` (between phones), `Outbound` (to a number outside), `Consult` (a consultation)",
    ),
    attribute("PropagatedCallType", "string", "of a consultation: the type of the call that it is about"),
    attribute("PreviousConnID", "string", "the other call of a consultation"),
    attribute("ANI", "string", "the caller's number"),
    attribute("DNIS", "string", "the number that was dialled"),
    attribute("CallState", "string", "why: `Ok` where a party did it itself"),
    attribute("ThisDN", "string", "whom the fact is for"),
    attribute("ThisDNRole", "string", "its role"),
    attribute("ThisQueue", "string", "the route point or queue that delivered the call"),
    attribute("OtherDN", "string", "the peer"),
    attribute("OtherDNRole", "string", "the peer's role"),
    attribute(
        "ThirdPartyDN",
        "string",
        "where the call went (`EventDiverted`, `EventRouteUsed`), who changed the data (`EventAttachedDataChanged`)",
    ),
    attribute("ThirdPartyDNRole", "string", "that party's role"),
    attribute(
        "CollectedDigits",
        "string",
        "with `EventTreatmentEnd` of a prompt with digits, unless these are a [secret](requests.md#treatments), and `EventDigitsCollected`",
    ),
    attribute("AgentID", "string", "the agent"),
    attribute("AgentWorkMode", "string", "how the agent works"),
    attribute(
        "UserData",
        "object",
        "the call's data, always complete; facts of virtual queues carry what the call's owner reported to rq last",
    ),
    attribute("Reasons", "object", "why the agent or the client asked for it"),
    attribute("Extensions", "object", "technical data, below"),
    attribute("ErrorCode", "number", "of `EventError`: the published number"),
    attribute("ErrorMessage", "string", "of `EventError`: in words"),
];

/// The attributes of `Extensions`.
const EXTENSIONS: &[Attribute] = &[
    attribute(
        "RecalledFrom",
        "text",
        "where a call rings again at who transferred it: the number that did not take it",
    ),
    attribute("BusinessCall", "number", "1 where the call came to its phone by a route point: after-call work follows"),
    attribute(
        "WrapUpTime",
        "number",
        "of `EventAgentNotReady` with `AfterCallWork`: for how long, in s; absent without an end",
    ),
    attribute(
        "MonitorMode",
        "string",
        "of the facts of a supervisor who monitors a call: `mute`, `coach` or `connect`",
    ),
    attribute("TreatmentType", "string", "which treatment"),
    attribute(
        "Result",
        "string",
        "how it ended. A treatment: `Completed`, `Collected` (digits), `Recorded`, `Stopped`, `Failed`. A session: `Through`, `Failed`",
    ),
    attribute(
        "RecordEnd",
        "string",
        "of a recorded announcement, how it ended: `Key`, `Silence`, `MaxDuration`, `Stopped`, `HangUp`",
    ),
    attribute("Duration", "number", "there: the length in milliseconds"),
    attribute("USER_ANN_ID", "string", "there: the name by which treatments play it"),
    attribute("Fault", "string", "of `EventSessionEnded` with the result `Failed`: why"),
    attribute("SessionID", "string", "of the facts of a session: its name"),
    attribute("Application", "string", "there: what runs"),
    attribute(
        "RouteType",
        "string",
        "how a call has left its route point: `Default` where no application said where it goes, `Reject` and `CallDisconnect` where it was turned away, else `Unknown`",
    ),
    attribute("FailedDN", "string", "of an `EventRouteRequest` after a target that did not take the call: its DN"),
    attribute("FailedAgentID", "string", "its agent"),
    attribute("FailedCallState", "string", "why it did not"),
    attribute(
        "NoteOfCall",
        "string",
        "of an `EventUserEvent` that a desktop has noted of a released call: its `ConnID`; nobody else can set it",
    ),
    attribute("RVQID", "string", "of the facts of a virtual queue: the call's stay there, the same until it has left"),
    attribute("Rule", "string", "of a virtual queue's `EventDiverted`: by which rule the agent was chosen"),
    attribute("Candidates", "object", "there: each agent that was looked at, with `chosen` or why it was passed over"),
    attribute("CandidatesMore", "number", "there: how many more were looked at"),
    attribute("Waiting", "number", "there: how many other calls waited for the agent"),
    attribute("MatchedSkills", "object", "there: each skill that was asked for, with the agent's level"),
    attribute("ReadyFor", "number", "there: for how long the agent could have taken a call, in milliseconds"),
    attribute("WaitedFor", "number", "there: for how long the call had waited, in milliseconds"),
    attribute(
        "Position",
        "string",
        "of `EventRegistered`, `EventAddressInfo` and `EventServerInfo`: the place in the tenant's events up to which the state is told",
    ),
    attribute(
        "AddressType",
        "string",
        "of `EventRegistered` and `EventAddressInfo`: `DN`, `RouteDN`, `Queue` or `Other`",
    ),
    attribute(
        "AddressStatus",
        "string",
        "there: `Idle`, `Dialing`, `Ringing`, `Talking`, `Held` or, where calls wait, `Treatment`",
    ),
    attribute("InService", "number", "there, of a phone: whether it is registered"),
    attribute("AgentState", "string", "there: the agent's state"),
    attribute("Channels", "object", "there: the agent's state for each medium; so far `voice` alone"),
    attribute("CallsOnDN", "number", "there: how many calls the DN has"),
    attribute("Calls", "object", "there: each call by its ConnID, with its party on the DN; at most 50"),
    attribute("PartyState", "string", "in `Calls` and `Parties`: the party's state"),
    attribute("PartyStateNumber", "number", "there: state and flags, as published"),
    attribute("PartyFlags", "string", "there: `NoListen`, `NoTalk`, `Audit`, `Treatment`, `Routing`, those that hold"),
    attribute("Since", "string", "in `Calls`: since when the party has been in that state"),
    attribute("Parties", "object", "of `EventPartyInfo`: the call's parties by their numbers, those outside included"),
    attribute("External", "number", "in `Parties`: 1 for a party outside"),
    attribute(
        "CallProgress",
        "string",
        "of `EventPartyInfo`: how far the call is: `Dialing`, `Queued` (at a route point), `Ringing`, `Established`, `Null` (over)",
    ),
    attribute("ForwardMode", "string", "of `EventForwardSet`: which calls go on"),
    attribute("DND", "number", "of `EventRegistered` and `EventAddressInfo` of a phone: 1 with do-not-disturb"),
    attribute("CallWaiting", "number", "there: 0 where no further call rings while the phone is in one"),
    attribute("ForwardUnconditional", "string", "there: the number to which all calls go on"),
    attribute("ForwardOnBusy", "string", "there: the number for calls that find the phone busy"),
    attribute("ForwardOnNoAnswer", "string", "there: the number for calls that nobody answers"),
    attribute("ForwardOnUnregistered", "string", "there: the number for calls while no phone is registered"),
    attribute("ServerVersion", "string", "of `EventServerInfo`: the program's version"),
    attribute("Server", "string", "there: the node that has the tenant's agents"),
    attribute("AgentsLoggedIn", "number", "there: how many agents are logged in"),
    attribute("DNs", "number", "there: how many DNs the tenant has"),
    attribute("Repair", "string", "why the program itself has put an end to a contradiction"),
];

/// The subject of a fact and when it is published; nothing for a published name that no role uses yet.
pub(super) const fn reporting_row(name: EventName) -> Option<(&'static str, &'static str)> {
    Some(match name {
        EventName::CallCreated => ("call", "the call exists"),
        EventName::CallDeleted => ("call", "it is over: nothing of the call itself comes after"),
        EventName::Dialing => ("call", "a phone has begun a call"),
        EventName::Ringing => ("call", "a phone rings"),
        EventName::Established => ("call", "a phone has answered; a caller's phone is through"),
        EventName::Held => ("call", "a phone has put the call on hold"),
        EventName::Retrieved => ("call", "it has taken the call back"),
        EventName::Released => (
            "call",
            "a phone has left after the answer, or rings no more without having answered: `CallState` says why",
        ),
        EventName::Abandoned => ("call, queue", "the caller has left before the answer: there where the call was"),
        EventName::DestinationBusy => ("call", "the phone that a phone has dialled is busy; `EventReleased` follows"),
        EventName::Queued => ("call, queue", "the call has come into a route point or a virtual queue"),
        EventName::Diverted => ("call, queue", "it has left it for a target"),
        EventName::NetworkReached => ("call", "the number outside that a phone calls has been reached"),
        EventName::PartyAdded => ("call", "another party has joined the call, or a supervisor who monitors it"),
        EventName::PartyDeleted => ("call", "another party has left a conference, or was removed"),
        EventName::PartyChanged => {
            ("call", "the other side has changed by a transfer, or the party came from another call")
        }
        EventName::DtmfSent => ("call", "digits were sent for a phone by request"),
        EventName::MuteOn => ("call", "the others hear the party no more"),
        EventName::MuteOff => ("call", "they hear it again"),
        EventName::ListenDisconnected => ("call", "the party hears the others no more"),
        EventName::ListenReconnected => ("call", "it hears them again"),
        EventName::MonitoringNextCall => ("dn", "a supervisor will monitor calls of an agent: at both"),
        EventName::MonitoringCancelled => ("dn", "it will not: at both"),
        EventName::DNDOn => ("dn", "no call rings at a phone any more"),
        EventName::DNDOff => ("dn", "calls ring there again"),
        EventName::ForwardSet => ("dn", "calls to a phone go on to another number"),
        EventName::ForwardCancel => ("dn", "they go there no more"),
        EventName::AttachedDataChanged => ("call", "the call's data have changed"),
        EventName::RouteRequest => ("call", "the route point wants instructions"),
        EventName::RouteUsed => ("call", "it has followed one"),
        EventName::TreatmentApplied => ("call", "a treatment has begun"),
        EventName::TreatmentEnd => ("call", "a treatment has ended"),
        EventName::TreatmentNotApplied => ("call", "a treatment could not begin"),
        EventName::AgentLogin => ("agent", "an agent has logged in"),
        EventName::AgentLogout => ("agent", "an agent has logged out"),
        EventName::AgentReady => ("agent", "an agent takes calls"),
        EventName::AgentNotReady => ("agent", "an agent takes no calls: `AgentWorkMode` and `Reasons` say why"),
        EventName::DNBackInService => ("dn", "a phone has registered that was not registered"),
        EventName::DNOutOfService => ("dn", "a phone's last registration ended"),
        EventName::AddressInfo => ("dn", "the answer to `TQueryAddress`"),
        EventName::PartyInfo => ("call", "the answer to `TQueryCall`"),
        EventName::ACK => ("call", "a request was carried out that no other fact answers"),
        EventName::Error => ("call, agent, dn", "a request was refused"),
        EventName::SessionStarted => ("session", "an application begins to run for a call"),
        EventName::TargetSelected => ("session", "an application has chosen where its call goes"),
        EventName::SessionEnded => ("session", "an application is through with its call, or has failed"),
        EventName::UserEvent => ("dn", "a program has sent pairs to those who follow the DN"),
        EventName::Registered => ("dn", "the answer to `TRegisterAddress`: the DN's state"),
        EventName::Unregistered => ("dn", "the answer to `TUnregisterAddress`"),
        EventName::ServerInfo => ("dn", "the answer to `TQueryServer`"),
        EventName::DigitsCollected => ("call", "a party was asked for digits by request, and has typed them or not"),
        EventName::AgentReserved => return None,
    })
}

/// The part of the page: types, attributes, values.
pub fn facts_markdown() -> String {
    let mut page = String::from("## Types\n\n| type | subject | published when |\n|---|---|---|\n");
    // Writing into a String cannot fail.
    for name in EventName::ALL {
        if let Some((subject, when)) = reporting_row(*name) {
            let _ = writeln!(page, "| `{name}` | {subject} | {when} |");
        }
    }
    let untold = EventName::ALL.iter().filter(|name| reporting_row(**name).is_none()).map(|name| name.as_str());
    let _ = writeln!(page, "\nPublished names that nothing tells yet: {}.", list(untold));
    page.push_str(
        "\n## Attributes\n\nAttributes that do not apply are absent. Readers pass over what they do not know.\n\n",
    );
    page.push_str("| attribute | JSON | meaning |\n|---|---|---|\n");
    super::reference::rows(&mut page, FRAME);
    page.push_str("\nIn `Extensions`:\n\n| key | JSON | meaning |\n|---|---|---|\n");
    super::reference::rows(&mut page, EXTENSIONS);
    values(&mut page);
    page
}

/// The values of the attributes that have a list of values.
fn values(page: &mut String) {
    let types = list(CallType::ALL.iter().map(|name| name.as_str()));
    let states = list(CallState::ALL.iter().map(|name| name.as_str()));
    let roles = list(DnRole::ALL.iter().map(|name| name.as_str()));
    let modes = list(WORK_MODES.iter().map(|(_, name)| *name));
    let _ = write!(
        page,
        "\n## Values\n\n- **CallType**: {types}\n- **CallState**: {states}\n- **ThisDNRole** and the other roles: {roles}\n- **AgentWorkMode**: {modes}\n"
    );
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_names_every_type_attribute_and_value() {
        let page = facts_markdown();
        let names = EventName::ALL.iter().map(|name| name.as_str());
        let names = names.chain(CallState::ALL.iter().map(|name| name.as_str()));
        let names = names.chain(FRAME.iter().chain(EXTENSIONS).map(|attribute| attribute.name));
        for name in names {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn the_books_table_of_attributes_names_every_type_that_is_published() {
        let page = include_str!("../../../../docs/events.md");
        let (_, table) = page.split_once("## Which fact has which attributes").unwrap();
        let (table, _) = table.split_once("## Types").unwrap();
        for name in EventName::ALL.iter().filter(|name| reporting_row(**name).is_some()) {
            assert!(table.contains(&format!("`{name}`")), "{name}");
        }
    }
}
