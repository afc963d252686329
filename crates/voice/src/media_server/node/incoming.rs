//! New media dialogs.

use std::net::IpAddr;

use infra::MediaSessionId;
use ivr::msml::Connection;
use media::exchange::MEMBERS_MAX;
use media::sdp::crypto::SECRET_BYTES;
use media::sdp::{LocalAudio, LocalEncryption, LocalKeys};
use model::{AddressFamily, Encryption, TenantId, Timestamp, Token};
use sip::agent::{DialogId, Reply};
use sip::proxy::headers;
use sip::{Flow, Message, StatusCode};

use super::leg::{Leg, Stored};
use super::service::{Service, base_of, encryption, wanted_family};
use super::{Node, note};
use crate::media_server::limits::BODY_BYTES_MAX;

/// Why an INVITE is refused.
enum Refusal {
    /// The request is invalid.
    Request(Reply),
    /// A limit is reached.
    Overload(StatusCode),
}

impl Refusal {
    /// Why its audio is not taken: 503 says that a thread has no room for it.
    fn of(reply: Reply) -> Self {
        match reply.status {
            StatusCode::SERVICE_UNAVAILABLE => Self::Overload(reply.status),
            _ => Self::Request(reply),
        }
    }
}

impl Node {
    pub(super) fn incoming(&mut self, dialog: DialogId, request: &Message, flow: Flow, now: Timestamp) {
        let begun = self.begin(dialog, request, flow).and_then(|()| {
            if let Some(leg) = self.legs.get(&dialog) {
                super::explain::belongs(&self.trace, leg, request, now);
            }
            let described = if request.body().is_empty() {
                self.make_offer(dialog).map_err(Reply::new)
            } else {
                self.make_answer(dialog, request.body(), now)
            };
            described.map_err(Refusal::of)
        });
        match begun {
            Ok(description) => {
                self.mark(dialog);
                self.metrics.leg_opened();
                note("the answer", self.agent.answer(dialog, Reply::session(description), now));
            }
            Err(refusal) => {
                let reply = match refusal {
                    Refusal::Request(reply) => {
                        self.metrics.leg_refused();
                        reply
                    }
                    Refusal::Overload(status) => {
                        self.metrics.leg_overloaded();
                        Reply::new(status)
                    }
                };
                self.close(dialog);
                note("the refusal", self.agent.reject(dialog, reply, now));
            }
        }
    }

    /// Checks the request and reserves a pair of ports for it.
    fn begin(&mut self, dialog: DialogId, request: &Message, flow: Flow) -> Result<(), Refusal> {
        let bad = |status| Refusal::Request(Reply::new(status));
        let service = Service::of(request.request_uri().unwrap_or_default()).map_err(bad)?;
        let tenant = request.header(&headers::TENANT).and_then(|t| TenantId::parse(t).ok());
        let tenant = tenant.ok_or(bad(StatusCode::FORBIDDEN))?;
        check_body(request).map_err(bad)?;
        if let Service::Announcement { play, .. } = &service
            && self.prompts.find(&tenant, play).is_none()
        {
            return Err(bad(StatusCode::NOT_FOUND));
        }
        // A call that already has a leg here may get further ones while this node drains: an answering phone must be heard.
        let base = service.conference().map(base_of);
        let goes_on = base.is_some() && self.legs.values().any(|leg| leg.conference_base() == base);
        if (self.draining && !goes_on) || self.legs.len() >= self.limits.legs_max {
            return Err(Refusal::Overload(StatusCode::SERVICE_UNAVAILABLE));
        }
        let id = self.new_leg_id();
        let (key, conference) = match &service {
            Service::Conference(conference) => (base_of(conference).to_owned(), Some(conference.as_str())),
            Service::Announcement { .. } | Service::Msml => (id.0.to_string(), None),
        };
        if conference.is_some_and(|c| self.members(c).count() >= MEMBERS_MAX) {
            return Err(Refusal::Overload(StatusCode::BUSY_HERE));
        }
        let wanted = wanted_family(request.request_uri().unwrap_or_default());
        let address = self.addresses.nearest(wanted.or_else(|| party_of(request).map(AddressFamily::of)));
        let ports = self.driver.ports().bind(AddressFamily::of(address)).map_err(|error| {
            tracing::error!(%error, "a leg gets no ports");
            Refusal::Overload(StatusCode::SERVICE_UNAVAILABLE)
        })?;
        let identity = self.identity(&tenant, conference, id, flow);
        let connection = request.from().ok().and_then(|from| from.tag().map(str::to_owned)).unwrap_or_default();
        let tag = MediaSessionId(identity.tag.clone());
        self.agent.identify(dialog, identity).map_err(|error| {
            tracing::warn!(%error, "an INVITE ended before it was processed");
            Refusal::Overload(StatusCode::SERVER_INTERNAL_ERROR)
        })?;
        let local = LocalAudio {
            address,
            port: ports.port(),
            // 63 bits: some readers take it for a signed number.
            session_id: self.entropy.next_u64() >> 1,
            version: 1,
            encryption: self.local_encryption(request.request_uri().unwrap_or_default()),
        };
        let leg = Leg {
            id,
            shard: self.driver.shard_of(&key),
            tenant,
            connection: Connection::new(connection, conference),
            service,
            request_uri: request.request_uri().unwrap_or_default().to_owned(),
            party: party_of(request),
            edge: self.edge_of(flow).to_owned(),
            tag,
            // We create the record.
            token: Token(1),
            stored: Stored::No,
            local,
            described: None,
            stream: None,
            secret: None,
            treatments: 0,
            ports: Some(ports),
        };
        self.legs.insert(dialog, Box::new(leg));
        self.by_id.insert(id, dialog);
        Ok(())
    }

    /// The encryption that a Request-URI wants, with keys of its own.
    fn local_encryption(&mut self, request_uri: &str) -> LocalEncryption {
        let policy = encryption(request_uri);
        if policy == Encryption::Off {
            return LocalEncryption::Off;
        }
        let mut secret = [0; SECRET_BYTES];
        for part in secret.as_chunks_mut::<8>().0 {
            *part = self.entropy.next_u64().to_be_bytes();
        }
        LocalEncryption::new(policy, LocalKeys::new(secret, self.identity.fingerprint().clone()))
    }

    /// The members of a conference.
    pub(super) fn members(&self, conference: &str) -> impl Iterator<Item = &Leg> {
        self.legs.values().map(Box::as_ref).filter(move |leg| leg.conference() == Some(conference))
    }
}

/// The source host of the phone's signalling, as seen by the proxy at the edge.
pub(super) fn party_of(request: &Message) -> Option<IpAddr> {
    request.header(&headers::PARTY)?.parse().ok()
}

/// Checks size and type of an INVITE's body.
fn check_body(request: &Message) -> Result<(), StatusCode> {
    if request.body().len() > BODY_BYTES_MAX {
        return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE);
    }
    if !request.body().is_empty() && !is_sdp(request) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    Ok(())
}

fn is_sdp(request: &Message) -> bool {
    matches!(request.content_type(), Ok(Some(kind)) if kind.is("application", "sdp"))
}
