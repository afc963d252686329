//! The contents of the reporting log: its topics, their keys and records. The book's page is generated from here.

mod asyncapi;
mod audit;
mod facts;
mod reference;

pub use asyncapi::asyncapi;
pub use facts::facts_markdown;
pub use reference::markdown;

/// Facts of calls and their queues, and the records of finished calls and call threads.
pub const CALL_THREAD: &str = "voice-callthread";
/// Facts of agents and of phones.
pub const AGENT_STATE: &str = "voice-agentstate";
/// Requests and their answers.
pub const REQUESTS: &str = "voice-requests";
/// Registrations of phones.
pub const REGISTRATIONS: &str = "voice-registrations";
/// Time that agents spent in each state.
pub const AGENT_INTERVALS: &str = "voice-agentintervals";
/// Calls begun at the edge, and refusals there.
pub const EDGE: &str = "voice-edge";
/// Who has changed or signed in.
pub const AUDIT: &str = "audit";
/// The type of the records of the audit.
pub const AUDIT_RECORD: &str = "AuditRecord";

/// A topic of the reporting log.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// Its name: in Kafka the topic, in files the folder.
    pub name: &'static str,
    /// Its contents.
    pub holds: &'static str,
    /// The parts of a record's key. Records of one key keep their order.
    pub key: &'static str,
    /// The role that writes it.
    pub writers: &'static str,
    /// Records other than facts of the event stream, with the attributes of their `data`.
    pub records: &'static [RecordType],
}

/// A type of record that a role writes besides facts.
#[derive(Clone, Copy, Debug)]
pub struct RecordType {
    /// The CloudEvent's `type`.
    pub name: &'static str,
    /// When it is written.
    pub meaning: &'static str,
    /// The parts of its `id`.
    pub identity: &'static str,
    /// The attributes of `data`.
    pub data: &'static [Attribute],
    /// A whole record with invented values, where one says more than the attributes.
    pub sample: Option<&'static str>,
}

/// An attribute of a record's `data`.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// Its JSON type, as `string`.
    pub json: &'static str,
    /// Its meaning.
    pub meaning: &'static str,
}

const fn attribute(name: &'static str, json: &'static str, meaning: &'static str) -> Attribute {
    Attribute { name, json, meaning }
}

/// The topic of that name.
pub fn topic(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

/// Every topic.
pub const TOPICS: &[Topic] = &[
    Topic {
        name: CALL_THREAD,
        holds: "facts of calls and of virtual queues; when a call thread is over a record of each of its calls and one of the thread",
        key: "tenant and call thread, as `example:3D2F7A10C5E841968B1C6E0F92AD5730`; for a fact without a call tenant and subject",
        writers: "sip-cluster (the tenant's exporter), call-state (records)",
        records: &[DETAIL, THREAD],
    },
    Topic {
        name: AGENT_STATE,
        holds: "facts of agents and of phones; once more those facts of calls that tell who is mute or deaf",
        key: "tenant and agent, as `example:1001`, or where no agent is named tenant and DN",
        writers: "sip-cluster (the tenant's exporter)",
        records: &[],
    },
    Topic {
        name: REQUESTS,
        holds: "who asked for what, and what was answered",
        key: "tenant and call, as `example:call:194d04e7b9808000`, or tenant and requester",
        writers: "frontend",
        records: &[REQUEST],
    },
    Topic {
        name: REGISTRATIONS,
        holds: "where a phone is now; a refresh is not reported",
        key: "tenant and DN, as `example:dn:7101`",
        writers: "registrar",
        records: &[REGISTERED, UNREGISTERED],
    },
    Topic {
        name: AGENT_INTERVALS,
        holds: "how long each agent was in each state; written when a state is over",
        key: "tenant and agent, as `example:1001`",
        writers: "agent-state",
        records: &[INTERVAL],
    },
    Topic {
        name: EDGE,
        holds: "each call that somebody has begun at the edge, and how much was refused there",
        key: "tenant and source, as `example:phone:7101` or `example:trunk:carrier`; for a record of a node its name",
        writers: "sip-proxy",
        records: &[ATTEMPTED, EDGE_REFUSED],
    },
    Topic {
        name: AUDIT,
        holds: "who has changed which object of the configuration, and what has happened at signing in: every row that the tables `change_log` and `sign_in_audit` get",
        key: "tenant, as `example`; of the installation itself `*`",
        writers: "tenant (one replica at a time)",
        records: &[audit::RECORD],
    },
];

/// The record of a call that waited and was answered, as call-state's tests make it.
pub const CALL_DETAIL_SAMPLE: &str = include_str!("reporting/call-detail.json");

const DETAIL: RecordType = RecordType {
    name: "CallDetail",
    meaning: "the thread of a call is over; before the record of the thread",
    identity: "`call:<ConnID>:detail`, with `:incomplete` behind it where the beginning was not seen",
    data: &[
        attribute("ConnID", "string", "the call: 16 hex digits"),
        attribute("CallUUID", "string", "the call for the rest of the world"),
        attribute("CallThreadID", "string", "its thread"),
        attribute("PreviousConnID", "string or null", "of a consultation: the call that it was about"),
        attribute("Complete", "boolean", "whether it was seen from its beginning"),
        attribute("CallType", "string", "its type"),
        attribute("PropagatedCallType", "string or null", "of a consultation: the type of the call that it was about"),
        attribute("ANI", "string or null", "the caller's number"),
        attribute("DNIS", "string or null", "the number that was dialled"),
        attribute("Outcome", "string", "`answered`, `abandoned`, `ended`"),
        attribute("CallState", "string or null", "how it ended"),
        attribute("BeganAt", "string", "time of its first fact, RFC 3339"),
        attribute("AnsweredAt", "string or null", "when a phone that was called answered, RFC 3339"),
        attribute("EndedAt", "string", "time of its last fact, RFC 3339"),
        attribute("DurationMs", "number", "from its first fact to its last one, in ms"),
        attribute(
            "Segments",
            "array of objects",
            "what each party did, one after the other: `DN`, `AgentID`, `Role`, `State` (`queued`, `ringing`, `talking`, `holding`), `BeganAt`, `EndedAt`, `DurationMs`; at most 64 of a party",
        ),
        attribute("Parties", "array of objects", "as in `CallThread`"),
        attribute("Moves", "array of objects", "as in `CallThread`"),
        attribute("UserData", "object", "the data of the call at its end"),
    ],
    sample: Some(CALL_DETAIL_SAMPLE),
};

const THREAD: RecordType = RecordType {
    name: "CallThread",
    meaning: "all calls of a thread are over: a call and those that began in it",
    identity: "`thread:<CallThreadID>`, with `:incomplete` behind it where the beginning was not seen",
    data: &[
        attribute("CallThreadID", "string", "the thread: 32 hex digits"),
        attribute("Complete", "boolean", "whether it was seen from its beginning"),
        attribute("CallType", "string", "the type of its first call"),
        attribute("ANI", "string or null", "the caller's number"),
        attribute("DNIS", "string or null", "the number that was dialled"),
        attribute("Outcome", "string", "`answered`, `abandoned`, `ended`"),
        attribute("BeganAt", "string", "time of its first fact, RFC 3339"),
        attribute("EndedAt", "string", "time of its last fact, RFC 3339"),
        attribute("DurationMs", "number", "from the one to the other, in ms"),
        attribute("ConnIDs", "array of strings", "its calls"),
        attribute(
            "Parties",
            "array of objects",
            "each phone and queue that it came to: `ConnID`, `DN`, `Kind` (`phone`, `queue`), `Role`, `AgentID`, `With` (the others whom it heard, numbers outside among them, so no supervisor who only listens or coaches; if it never talked, whom it called or who called it; park slots and feature codes are nobody), `BeganAt`, `EndedAt`, `Established`, `CallState`, `BroughtBy` (who transferred the call here or made a conference), `SentTo` (where it went from here), `CameFrom` and `WentTo` (the other call, where two became one), and in ms `QueueMs`, `RingMs`, `TalkMs`, `HoldMs`",
        ),
        attribute(
            "Moves",
            "array of objects",
            "who has changed who is in which call: `At`, `Move` (`Consultation`, `Transfer`, `Conference`, `Monitoring`, `Redirection`, `Removal`), `By`, `To`, `ConnID`, `Consultation` (its ConnID); at most 128",
        ),
        attribute("UserData", "object", "the data of the call at its end"),
    ],
    sample: None,
};

const REQUEST: RecordType = RecordType {
    name: "RequestAnswered",
    meaning: "frontend has answered a request",
    identity: "`<node>.<epoch>:<n>`, n counting from 1 in each life of the node",
    data: &[
        attribute("Request", "string", "its name"),
        attribute("Requester", "string", "who asked: the token's subject"),
        attribute("ReferenceID", "number", "the requester's number for it"),
        attribute("ConnID", "string or null", "the call"),
        attribute("Status", "number", "the HTTP status of the answer; 202 means that it was accepted"),
        attribute("Reason", "string or null", "why it was refused"),
    ],
    sample: None,
};

const REGISTRATION_DATA: &[Attribute] = &[
    attribute("DN", "string", "the phone's number"),
    attribute("Contacts", "array of objects", "where it is: `Contact`, `UserAgent`, `ExpiresAt`; empty when it ended"),
];

const REGISTERED: RecordType = RecordType {
    name: "PhoneRegistered",
    meaning: "a phone has registered, or registered from elsewhere",
    identity: "`<node>.<epoch>:<n>`, n counting from 1 in each life of the node",
    data: REGISTRATION_DATA,
    sample: None,
};

const UNREGISTERED: RecordType = RecordType {
    name: "PhoneUnregistered",
    meaning: "a phone has unregistered, or its registration has ended",
    identity: "`<node>.<epoch>:<n>`, n counting from 1 in each life of the node",
    data: REGISTRATION_DATA,
    sample: None,
};

const INTERVAL: RecordType = RecordType {
    name: "AgentInterval",
    meaning: "an agent's state, work mode, reasons or phone has changed; this is how it was until then",
    identity: "`agent:<AgentID>:interval:<t>`, t being `BeganAt` in microseconds since 1970",
    data: &[
        attribute("AgentID", "string", "the agent"),
        attribute("ThisDN", "string or null", "the agent's phone"),
        attribute("State", "string", "the state"),
        attribute("AgentWorkMode", "string", "how the agent worked"),
        attribute("Reasons", "object", "why, as the agent's client said"),
        attribute("BeganAt", "string", "since when, RFC 3339"),
        attribute("EndedAt", "string", "until when, RFC 3339"),
        attribute("DurationMs", "number", "how long, in ms"),
    ],
    sample: None,
};

const ATTEMPTED: RecordType = RecordType {
    name: "CallAttempted",
    meaning: "a call that a phone or a trunk began has its final response",
    identity: "`<node>.<epoch>:<n>`, n counting from 1 in each life of the node",
    data: &[
        attribute("CallID", "string", "the SIP Call-ID"),
        attribute("Source", "string", "`phone` or `trunk`"),
        attribute("Name", "string", "the phone's number or the trunk's name"),
        attribute("From", "string", "the number that it gave as its own"),
        attribute("Dialled", "string", "the number that was dialled"),
        attribute("Status", "number", "the SIP status of the final response"),
        attribute("Outcome", "string", "what that means"),
        attribute("SetupMs", "number", "from the INVITE to the final response, in ms"),
    ],
    sample: None,
};

const EDGE_REFUSED: RecordType = RecordType {
    name: "EdgeRefused",
    meaning: "a node has refused something at the edge; at most one record each 10 s. Its `source` is `/nodes/<node>`",
    identity: "`<node>.<epoch>:<n>`, n counting from 1 in each life of the node",
    data: &[
        attribute("Since", "string", "from when, RFC 3339"),
        attribute("Until", "string", "until when, RFC 3339"),
        attribute("Refused", "object", "how many for each reason"),
    ],
    sample: None,
};
