//! The node's state of a leg: a media dialog, its ports, its MSML state.

use std::net::IpAddr;

use contracts::provisioning::DtmfForm;
use infra::MediaSessionId;
use ivr::msml::{self, Connection, Iterate, Running};
use media::exchange::{HeardBy, Part, Recording};
use media::sdp::{AudioStream, Description, LocalAudio};
use model::{ConnId, TenantId, Token};
use net::rtp::{LegId, Order, PortPair};

use super::service::{Service, base_of, call_of, dtmf};
use crate::media_server::conversations::conversation_name;

/// A media dialog.
#[derive(Debug)]
pub struct Leg {
    /// Its id for the RTP driver.
    pub id: LegId,
    /// The number of its RTP thread.
    pub shard: usize,
    /// The tenant.
    pub tenant: TenantId,
    /// The service that it was invited for.
    pub service: Service,
    /// The Request-URI that named the service.
    pub request_uri: String,
    /// The source host of the phone's signalling, if known.
    pub party: Option<IpAddr>,
    /// The edge of the proxy that it came through.
    pub edge: String,
    /// Our tag in its dialog: the key of its record.
    pub tag: MediaSessionId,
    /// The fencing token of its record.
    pub token: Token,
    /// Whether the ledger has a record of it.
    pub stored: Stored,
    /// Its MSML state; the connection's id is the owner's tag.
    pub connection: Connection,
    /// Its local address and port, with the version of our last description.
    pub local: LocalAudio,
    /// Our last description. If it is an offer, the peer answers it; a session refresh repeats it.
    pub described: Option<Description>,
    /// The agreed stream.
    pub stream: Option<AudioStream>,
    /// A dialog that collects a secret, until the report of its end is acknowledged. Typed digits are never stored.
    pub secret: Option<Running>,
    /// The number of the last treatment; a report of an older one's end is stale.
    pub treatments: u64,
    /// The ports, until the driver takes them.
    pub ports: Option<PortPair>,
}

/// Whether the ledger has a record of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// Not yet.
    No,
    /// Unknown: the write that creates its record was not answered.
    Perhaps,
    /// The ledger has it.
    Live,
}

impl Leg {
    /// Whether it has a treatment whose position only its record tells. Where something that plays without end is, the clock tells.
    pub fn has_position(&self) -> bool {
        match (&self.service, self.connection.running()) {
            (Service::Announcement { repeat, .. }, _) => repeat.is_some(),
            // A recording does not outlive the process.
            (_, Some(running)) if running.dialog.record.is_some() => false,
            (_, Some(running)) => running.dialog.play.as_ref().is_none_or(|play| play.iterate != Iterate::Forever),
            (_, None) => false,
        }
    }

    /// Whether its party gets keys by its owner's signalling.
    pub fn signals_keys(&self) -> bool {
        dtmf(&self.request_uri) == Some(DtmfForm::Info)
    }

    /// The conference that it is a member of.
    pub fn conference(&self) -> Option<&str> {
        self.connection.membership().map(|membership| membership.conference.as_str())
    }

    /// The order that makes it a member of its conference, with its part there.
    pub fn join(&self) -> Option<Order> {
        let membership = self.connection.membership()?;
        let heard_by = match &membership.heard_by {
            msml::Listeners::All => HeardBy::All,
            msml::Listeners::Nobody => HeardBy::Nobody,
            msml::Listeners::Only(connection) => HeardBy::Only(connection.as_str().into()),
        };
        let recording = membership.recording.as_ref().map(|own| Recording {
            name: conversation_name(&self.tenant, &own.name).into(),
            beep: own.beep,
            is_on: own.is_on,
        });
        let part = Part { name: self.connection.id().into(), heard_by, hears: membership.hears, recording };
        Some(Order::Join(self.id, membership.conference.clone(), part))
    }

    /// What the conferences that it may be in have in common: those of the thread in which it is, or else of that in which it began.
    pub fn conference_base(&self) -> Option<&str> {
        self.conference().or_else(|| self.service.conference()).map(base_of)
    }

    /// Its call.
    pub fn call(&self) -> Option<ConnId> {
        call_of(self.service.conference()?)
    }
}
