//! A leg as the node holds it: a media dialog, its ports, its MSML state.

use std::net::IpAddr;

use infra::MediaSessionId;
use ivr::msml::{Connection, Running};
use media::sdp::{AudioStream, Description, LocalAudio};
use model::{TenantId, Token};
use net::rtp::{LegId, PortPair};

use super::service::Service;

/// A media dialog.
#[derive(Debug)]
pub struct Leg {
    /// Its name towards the RTP driver.
    pub id: LegId,
    /// The thread that has it.
    pub shard: usize,
    /// The tenant.
    pub tenant: TenantId,
    /// What it was invited for.
    pub service: Service,
    /// The Request-URI that named the service.
    pub request_uri: String,
    /// The host that the phone's signalling comes from, as far as it is known.
    pub party: Option<IpAddr>,
    /// The edge of the proxy by which it came.
    pub edge: String,
    /// Our tag in its dialog: the key of its record.
    pub tag: MediaSessionId,
    /// The fencing token of its record.
    pub token: Token,
    /// Whether the ledger knows it.
    pub stored: Stored,
    /// Its MSML state; the connection's id is the owner's tag.
    pub connection: Connection,
    /// Where it receives, with the version of our last description.
    pub local: LocalAudio,
    /// Our last description: to be answered if it is an offer, repeated if the session is only refreshed.
    pub described: Option<Description>,
    /// The agreed stream.
    pub stream: Option<AudioStream>,
    /// A dialog that collects a secret, until its end was told and heard: nothing of what is typed is written down.
    pub secret: Option<Running>,
    /// The number of the last treatment; an end that names an older one is stale.
    pub treatments: u64,
    /// The ports, until the driver has them.
    pub ports: Option<PortPair>,
}

/// Whether the ledger knows a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// Not yet.
    No,
    /// Perhaps: what was to begin its record has had no answer.
    Perhaps,
    /// It does.
    Live,
}

impl Leg {
    /// Whether something is played to it or collected from it.
    pub fn is_treated(&self) -> bool {
        self.connection.running().is_some() || matches!(self.service, Service::Announcement { .. })
    }

    /// The conference that it is a member of.
    pub fn conference(&self) -> Option<&str> {
        self.service.conference()
    }
}
