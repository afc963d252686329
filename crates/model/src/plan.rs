//! The dial plan's answer: the meaning of a dialled number.

use crate::id::{AgentId, Dn, SkillName, TenantId};
use crate::request::ForwardMode;
use crate::time::Timestamp;

/// The destination of a dialled number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// A route point: an application decides.
    RoutePoint {
        /// The route point's number.
        dn: Dn,
        /// The tenant's application that it runs.
        application: String,
        /// The DN to which the call goes when no instruction comes in time.
        default_dn: Option<Dn>,
    },
    /// A phone of the tenant.
    Extension {
        /// Its number.
        dn: Dn,
        /// Its registered phones, newest first; empty if none is.
        contacts: Vec<Contact>,
        /// How long it may ring, in milliseconds.
        no_answer_ms: u64,
    },
    /// A number outside, behind a trunk.
    Outside(Outside),
    /// A code that changes the state of the agent on the calling phone.
    FeatureCode {
        /// What it does.
        code: FeatureCode,
        /// Whether the agent must enter the PIN first.
        ask_pin: bool,
    },
    /// The call that rings at another phone.
    Pickup {
        /// The number of that phone.
        dn: Dn,
    },
    /// A slot: a call that is transferred there waits until somebody calls it.
    Park {
        /// The number of the slot.
        slot: Dn,
    },
    /// A number that needs no application: the switch answers it by itself.
    Service(Service),
    /// The call is rejected.
    Reject {
        /// The SIP status of the rejection.
        status: u16,
        /// The reason, in words.
        reason: String,
    },
}

/// A number outside, and the trunks that lead to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outside {
    /// The number, as the trunks take it.
    pub number: Dn,
    /// The trunk that is tried first.
    pub way: Way,
    /// The trunks that are tried next, in order, while nobody has taken the call.
    pub further: Vec<Way>,
    /// How long it may ring, in milliseconds.
    pub no_answer_ms: u64,
}

/// A trunk that leads to a number outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// The trunk's name.
    pub trunk: String,
    /// Where the trunk takes calls, and the way by which its carrier wants them to go (RFC 3608).
    pub contact: Contact,
    /// The number that is shown to who is called; `None` shows that of who calls.
    pub caller_id: Option<String>,
    /// How long it may say nothing before the next trunk is tried, in milliseconds.
    pub try_ms: u64,
    /// Whether the call is an emergency: the trunk is tried even with as many calls as it may have, and while its carrier wants none.
    pub is_emergency: bool,
    /// What the call counts for.
    pub limits: OutsideLimits,
}

/// The limits at which a call outside counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OutsideLimits {
    /// How many calls outside its phone may have at a time.
    pub at_once: Option<OutgoingLimit>,
    /// What may be spent in a day.
    pub a_day: Vec<DayLimit>,
    /// Whether the call is still to be counted for the day: so it is for its first trunk, since all that it tries are one call.
    pub counts: bool,
}

/// What a phone, an agent, or a tenant as a whole, may spend on calls outside in a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DayLimit {
    /// The rule of the dial plan that says so.
    pub rule: String,
    /// The phone that calls, or forwards the call; none: all calls of the tenant count together.
    pub phone: Option<Dn>,
    /// Whether it is the agent who may spend that, at whichever phone; the phone itself while nobody is logged in there.
    pub per_agent: bool,
    /// The agent who is logged in at the phone, if it is the agent who may spend that.
    pub agent: Option<AgentId>,
    /// The most calls.
    pub calls: Option<u32>,
    /// The most minutes.
    pub minutes: Option<u32>,
    /// When the day ends, by the tenant's clock. A call counts for the day on which it began.
    pub day_ends: Timestamp,
}

/// How many calls outside a phone may have at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutgoingLimit {
    /// The phone that calls, or forwards the call.
    pub phone: Dn,
    /// The most calls.
    pub most: u32,
}

/// Whether a phone that does not take a call forwards it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Forwards {
    /// If it is busy.
    pub busy: bool,
    /// If nobody answers.
    pub no_answer: bool,
}

/// A phone that has forwarded a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForwardedBy {
    /// Its number.
    pub dn: Dn,
    /// For which calls it has set that: why it forwarded this one.
    pub mode: ForwardMode,
}

/// The dial plan's answer about a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanAnswer {
    /// Where it leads.
    pub destination: Destination,
    /// The phones that have forwarded the call there, in order.
    pub forwarded_by: Vec<ForwardedBy>,
    /// Which calls the destination forwards in turn.
    pub forwards: Forwards,
    /// The rules that led there, in words, for who reads a trace.
    pub notes: Vec<String>,
}

impl From<Destination> for PlanAnswer {
    fn from(destination: Destination) -> Self {
        Self { destination, forwarded_by: Vec::new(), forwards: Forwards::default(), notes: Vec::new() }
    }
}

/// The action of a number without an application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Service {
    /// The caller hears itself.
    Echo,
    /// Prompts one after the other, then the call is released.
    Announcement {
        /// Names of prompts.
        prompts: Vec<String>,
    },
}

/// A registered phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// Its contact URI, as it registered.
    pub uri: String,
    /// The Path that leads to it (RFC 3327), as the proxy wrote it; to a carrier, the way that this one wants.
    pub path: Vec<String>,
    /// The other flows of the same phone, in the order in which they are tried, one after the other (RFC 5626 §5.3).
    pub further: Vec<PhoneFlow>,
}

/// A flow by which a phone is reached (RFC 5626).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhoneFlow {
    /// The contact URI that the phone has registered by it.
    pub uri: String,
    /// The Path that leads to it.
    pub path: Vec<String>,
}

impl Contact {
    /// A phone that is reached in one way.
    pub const fn new(uri: String, path: Vec<String>) -> Self {
        Self { uri, path, further: Vec::new() }
    }

    /// The same phone by its next flow; `None` if it has no other.
    pub fn by_next_flow(&self) -> Option<Self> {
        let (next, further) = self.further.split_first()?;
        Some(Self { uri: next.uri.clone(), path: next.path.clone(), further: further.to_vec() })
    }
}

/// What a feature code does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum FeatureCode {
    /// Logs in the agent whose default place contains the phone.
    Login,
    /// Logs out the agent on the phone.
    Logout,
    /// The agent takes calls.
    Ready,
    /// The agent takes no calls.
    NotReady,
    /// No call rings at the phone.
    DndOn,
    /// Calls ring at the phone again.
    DndOff,
    /// Calls go on to the number that was dialled behind the code.
    Forward(ForwardMode, Dn),
    /// Calls go nowhere else any more.
    ForwardOff,
}

/// Why a number is looked up: what the settings of a phone mean for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Occasion {
    /// Somebody calls it.
    #[default]
    Called,
    /// The phone itself is meant: nobody answers in its place, and it rings whatever it has set.
    OwnPhone,
    /// An application routes a call to the agent there: only that one is to answer.
    RoutedToAgent,
    /// It was called and is busy.
    Busy,
    /// It was called and nobody answers.
    NoAnswer,
}

impl Occasion {
    /// All, with their names on the wire.
    pub const ALL: [(Self, &str); 5] = [
        (Self::Called, "called"),
        (Self::OwnPhone, "own_phone"),
        (Self::RoutedToAgent, "routed_to_agent"),
        (Self::Busy, "busy"),
        (Self::NoAnswer, "no_answer"),
    ];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(each, _)| *each == self).map_or("called", |(_, name)| name)
    }

    /// Finds it by its name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, each)| *each == name).map(|(each, _)| *each)
    }
}

/// The caller, as the edge has established it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Caller {
    /// A phone of the tenant, authenticated.
    Phone(Dn),
    /// A caller behind a trunk.
    Trunk {
        /// The trunk's name.
        trunk: String,
        /// The number that it presents.
        number: String,
    },
}

/// The most people of a tenant, and so the most agents: what provisioning lets in, the roles that serve them have room for.
pub const PEOPLE_MAX: usize = 150_000;

/// The most calls at a time that an agent gets where no capacity rule says another number.
pub const CALLS_AT_ONCE: u32 = 1;

/// An agent as routing knows it: a person with skills.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentProfile {
    /// The tenant.
    pub tenant: TenantId,
    /// The agent.
    pub agent: AgentId,
    /// Skills and levels; a skill that is not listed is level 0.
    pub skills: Vec<(SkillName, u16)>,
    /// The most calls at a time that the agent gets; 0 for none at all.
    pub calls_max: u32,
}
