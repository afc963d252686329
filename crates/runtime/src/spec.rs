//! The declaration of a role, as plain data.

use std::fmt;

use crate::metrics::Declared;
use crate::settings::Setting;

/// A role: its name, where it listens, which connections it opens, its settings, and its place among the other roles.
/// All that is known of one role by its name stands here; [`crate::Role`] adds the function that runs it.
///
/// ```ignore
/// pub const SPEC: RoleSpec = RoleSpec {
///     name: "dialplan",
///     number: 5,
///     summary: "says where a dialled number goes",
///     listens: &[Listen { name: "http", protocol: Protocol::Http, port: 8800, place: Place::Cluster, accepts: &["voice-27"] }],
///     opens: &["voice-12", "voice-22"],
///     settings: Settings::TABLE,
///     metrics: &[Metrics::declared],
///     admin_port: 9090,
///     starts: Starts::InTurn,
///     drains: Drains::Last,
///     replicas: Replicas::Several,
/// };
/// ```
#[derive(Clone, Copy)]
pub struct RoleSpec {
    /// Name as in the drawing: lower-case with dashes. Also the section of its settings.
    pub name: &'static str,
    /// Third octet of its loopback addresses: like the name, different from that of every other role.
    pub number: u8,
    /// Its task, in a few words.
    pub summary: &'static str,
    /// Listeners for connections or datagrams, besides its admin port.
    pub listens: &'static [Listen],
    /// Ids of the connections that it opens.
    pub opens: &'static [&'static str],
    /// Its settings; `Settings::TABLE` of a [`crate::settings!`] struct.
    pub settings: &'static [Setting],
    /// Its metrics: `Metrics::declared` of each of its [`crate::metrics!`] structs.
    pub metrics: &'static [fn() -> Vec<Declared>],
    /// Port of admin HTTP on its address. A listener of protocol HTTP with the same port shares it.
    pub admin_port: u16,
    /// When it starts.
    pub starts: Starts,
    /// When it is drained.
    pub drains: Drains,
    /// Whether `--replicas` multiplies it, and whether there may be several at all.
    pub replicas: Replicas,
}

impl fmt::Debug for RoleSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleSpec").field("name", &self.name).field("number", &self.number).finish_non_exhaustive()
    }
}

impl RoleSpec {
    /// A role with only a name and a number: for tests.
    pub const fn bare(name: &'static str, number: u8) -> Self {
        Self {
            name,
            number,
            summary: "",
            listens: &[],
            opens: &[],
            settings: &[],
            metrics: &[],
            admin_port: 9090,
            starts: Starts::InTurn,
            drains: Drains::Last,
            replicas: Replicas::Single,
        }
    }

    /// The listener of that name.
    pub fn listen(&self, name: &str) -> Option<&'static Listen> {
        self.listens.iter().find(|l| l.name == name)
    }
}

/// When a role starts, among those that start together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Starts {
    /// Before the others, which wait some seconds until it is ready: it publishes or serves configuration, and no other
    /// role is to start with an empty one and refuse phones.
    First,
    /// After those, in the order of the table; nothing waits for it.
    InTurn,
}

/// When a role is drained, among those that end together. No order waits for itself or a later one, so every role is
/// drained in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drains {
    /// At once: it carries signalling, refuses new calls and serves the present ones.
    Signalling,
    /// At once: it owns calls, refuses new ones and finishes the present ones.
    CallOwner,
    /// When no owner of calls runs any more: a waiting or ringing call may still need a session, an agent, a leg.
    CallService,
    /// When none of the others runs any more: it receives no more requests then.
    Last,
}

impl Drains {
    /// The roles that must have ended before this one is drained.
    pub const fn waits_for(self) -> &'static [Self] {
        match self {
            Self::Signalling | Self::CallOwner => &[],
            Self::CallService => &[Self::CallOwner],
            Self::Last => &[Self::Signalling, Self::CallOwner, Self::CallService],
        }
    }
}

/// Whether the option `--replicas` multiplies a role, and how many replicas the settings may give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// It has one, whatever anybody would set: a second one would write what the first writes, and the roles that connect to it connect to
    /// the first alone.
    One,
    /// It has one, unless the settings say otherwise.
    Single,
    /// It does: the role can lose a replica without losing its state.
    Several,
}

/// One listener of a role.
#[derive(Clone, Copy, Debug)]
pub struct Listen {
    /// Name within the role: lower-case with dashes, as `sip-udp`.
    pub name: &'static str,
    /// Protocol of the listener.
    pub protocol: Protocol,
    /// The documented port; 0 where a range from the role's settings is used instead.
    pub port: u16,
    /// On the role's cluster address, or at the edge with a `listen` and an `advertise` setting.
    pub place: Place,
    /// Ids of the connections that it accepts.
    pub accepts: &'static [&'static str],
}

/// The network of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the replica's own address, for other roles only.
    Cluster,
    /// For phones, carriers and browsers.
    Edge,
}

/// Protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SIP over UDP.
    SipUdp,
    /// SIP over TCP.
    SipTcp,
    /// SIP over TLS.
    SipTls,
    /// SIP over WebSocket.
    SipWs,
    /// SIP over WebSocket under TLS.
    SipWss,
    /// HTTP with JSON.
    Http,
    /// The same under TLS.
    Https,
    /// gRPC over HTTP/2.
    Grpc,
    /// RTP and RTCP.
    Rtp,
}

impl Protocol {
    /// The name as printed: `sip/udp`, `http`, ...
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SipUdp => "sip/udp",
            Self::SipTcp => "sip/tcp",
            Self::SipTls => "sip/tls",
            Self::SipWs => "sip/ws",
            Self::SipWss => "sip/wss",
            Self::Http => "http",
            Self::Https => "https",
            Self::Grpc => "grpc",
            Self::Rtp => "rtp",
        }
    }
}
