//! Offers and answers of a leg (RFC 3264): the first exchange opens its session.

use std::net::IpAddr;

use bytes::Bytes;
use media::codec::Codec;
use media::sdp::{self, AudioStream, Description, Direction, LocalAudio, Preference, negotiation};
use media::session::{Session, Setup};
use model::{AddressFamily, Timestamp};
use net::rtp::{Order, PortPair};
use sip::agent::{DialogId, Reply};
use sip::{HeaderName, Message, StatusCode};

use super::incoming::party_of;
use super::service::{codecs, wanted};
use super::{Node, note};

/// Our address of the other family, and the ports that a leg gets there.
type NewPorts = (IpAddr, PortPair);

impl Node {
    /// Our offer, for an INVITE without one.
    pub(super) fn make_offer(&mut self, dialog: DialogId) -> Result<Bytes, StatusCode> {
        let preference = self.preference(dialog, self.first_wanted(dialog));
        let leg = self.legs.get_mut(&dialog).ok_or(StatusCode::SERVER_INTERNAL_ERROR)?;
        let offer = negotiation::offer(&leg.local, preference, &codecs(&leg.request_uri));
        let mut offer = wanted(&leg.request_uri, offer);
        if let Some(before) = &leg.described {
            negotiation::encryption::keep_name(&mut offer, before);
        }
        let bytes = Bytes::from(offer.to_string());
        leg.described = Some(offer);
        Ok(bytes)
    }

    /// Our answer to an offer, first or later. The stream applies from now on.
    pub(super) fn make_answer(&mut self, dialog: DialogId, offer: &[u8], now: Timestamp) -> Result<Bytes, Reply> {
        let offer = sdp::parse(offer).map_err(|error| {
            tracing::debug!(%error, "an offer cannot be read");
            StatusCode::BAD_REQUEST
        })?;
        let leg = self.legs.get(&dialog).ok_or(StatusCode::SERVER_INTERNAL_ERROR)?;
        let offer = wanted(&leg.request_uri, offer);
        let preference = self.preference(dialog, negotiation::first_codec(&offer));
        let change = self.ports_in_family_of(dialog, &offer)?;
        let leg = self.legs.get(&dialog).ok_or(StatusCode::SERVER_INTERNAL_ERROR)?;
        let changed = change.as_ref().map(|new| LocalAudio { address: new.0, port: new.1.port(), ..leg.local.clone() });
        let local = changed.as_ref().unwrap_or(&leg.local);
        let (mut answer, mut stream) = negotiation::answer(&offer, local, preference).map_err(|error| {
            tracing::debug!(%error, "an offer cannot be taken");
            Reply::new(StatusCode::NOT_ACCEPTABLE_HERE).header(HeaderName::Warning, error.warning())
        })?;
        // Our offer has had no stream: what the owner offers now is the phone's answer to it. The phone sends the numbers of our offer,
        // whatever numbers it answers with (RFC 3264 section 6.1).
        if let Some(ours) = leg.described.as_ref().filter(|_| leg.stream.is_none()) {
            stream.offered = negotiation::offered_by(ours);
        }
        self.apply(dialog, stream, change, now)?;
        let leg = self.legs.get_mut(&dialog).ok_or(StatusCode::SERVER_INTERNAL_ERROR)?;
        // An equal description keeps its version (RFC 3264 §8); a changed one increments it.
        if leg.described.as_ref().is_some_and(|before| *before != answer) {
            leg.local.version += 1;
            answer = answer.with_version(leg.local.version);
        }
        let bytes = Bytes::from(answer.to_string());
        leg.described = Some(answer);
        Ok(bytes)
    }

    /// Handles the ACK, with the answer to our offer if we made one. Starts an announcement.
    pub(super) fn acknowledged(&mut self, dialog: DialogId, answer: Option<&[u8]>, now: Timestamp) {
        if let Some(answer) = answer {
            let preference = self.preference(dialog, self.first_wanted(dialog));
            let Some(leg) = self.legs.get(&dialog) else { return };
            let stream = sdp::parse(answer).ok().zip(leg.described.as_ref()).and_then(|(answer, offered)| {
                let answer = wanted(&leg.request_uri, answer);
                let stream = negotiation::accept_answer(offered, &answer, preference);
                stream.inspect_err(|error| tracing::debug!(%error, "an answer cannot be taken")).ok()
            });
            // Without a stream the leg is silent. Its owner made the answer and ends the leg.
            if let Some(stream) = stream
                && self.apply(dialog, stream, None, now).is_err()
            {
                return self.give_up(dialog, now);
            }
        }
        self.begin_announcement(dialog, now);
    }

    /// Handles an offer that changes the session: hold, resume, another address.
    pub(super) fn offered(&mut self, dialog: DialogId, request: &Message, offer: &[u8], now: Timestamp) {
        if let (Some(leg), Some(party)) = (self.legs.get_mut(&dialog), party_of(request)) {
            leg.party = Some(party);
        }
        match self.make_answer(dialog, offer, now) {
            Ok(answer) => note("an answer", self.agent.accept_offer(dialog, answer, now)),
            Err(status) => note("a refusal", self.agent.refuse_offer(dialog, status, now)),
        }
    }

    /// Handles a request for an offer: ours describes our present capabilities and wishes.
    pub(super) fn offer_wanted(&mut self, dialog: DialogId, now: Timestamp) {
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.local.version += 1;
        }
        match self.make_offer(dialog) {
            Ok(offer) => note("an offer", self.agent.accept_offer(dialog, offer, now)),
            Err(status) => note("a refusal", self.agent.refuse_offer(dialog, status, now)),
        }
    }

    /// The codec already in use on the leg, else that of the other member, so that no transcoding is needed.
    fn settled_codec(&self, dialog: DialogId) -> Option<Codec> {
        let leg = self.legs.get(&dialog)?;
        let spoken = codecs(&leg.request_uri);
        let own = leg.stream.as_ref().map(|stream| stream.codec);
        let other = leg.conference().and_then(|conference| {
            self.members(conference).filter(|m| m.id != leg.id).find_map(|m| m.stream.as_ref().map(|s| s.codec))
        });
        own.or(other).filter(|codec| spoken.is_empty() || spoken.contains(codec))
    }

    /// Our preference: the settled codec, else `first`, since the offering side chooses first.
    fn preference(&self, dialog: DialogId, first: Option<Codec>) -> Preference {
        let codec = self.settled_codec(dialog).or(first).unwrap_or(Preference::default().codec);
        Preference { codec, direction: Direction::SendRecv }
    }

    /// The codec that its owner wants most.
    fn first_wanted(&self, dialog: DialogId) -> Option<Codec> {
        self.legs.get(&dialog).and_then(|leg| codecs(&leg.request_uri).first().copied())
    }

    /// Our address of the other family, and ports there, if the author of an offer wants its audio in that and we have it.
    fn ports_in_family_of(&self, dialog: DialogId, offer: &Description) -> Result<Option<NewPorts>, StatusCode> {
        let leg = self.legs.get(&dialog).ok_or(StatusCode::SERVER_INTERNAL_ERROR)?;
        let own = AddressFamily::of(leg.local.address);
        let wanted = negotiation::family_of(offer).filter(|wanted| *wanted != own);
        let Some(address) = wanted.and_then(|wanted| self.addresses.in_family(wanted)) else { return Ok(None) };
        let ports = self.driver.ports().bind(AddressFamily::of(address)).map_err(|error| {
            tracing::error!(%error, "a leg gets no ports of the other family");
            StatusCode::SERVICE_UNAVAILABLE
        })?;
        Ok(Some((address, ports)))
    }

    /// Applies a stream, with ports of the other family if it is in that; the first one opens the leg's session.
    ///
    /// # Errors
    /// 503 when the thread does not take the order: the leg speaks as before.
    fn apply(
        &mut self,
        dialog: DialogId,
        mut stream: AudioStream,
        change: Option<NewPorts>,
        now: Timestamp,
    ) -> Result<(), StatusCode> {
        let random = self.entropy.next_u64();
        let start = self.entropy.next_u64();
        let leg = self.legs.get_mut(&dialog).ok_or(StatusCode::SERVER_INTERNAL_ERROR)?;
        stream.party = leg.party;
        let (id, shard, join) = (leg.id, leg.shard, leg.join());
        let place = change.as_ref().map(|(address, ports)| (*address, ports.port()));
        let changed = change.map(|(_, ports)| ports);
        let given = match leg.ports.take() {
            None => {
                changed.is_none_or(|ports| self.order(shard, Order::ChangePorts(id, ports)))
                    && self.order(shard, Order::Negotiate(id, Box::new(stream.clone())))
            }
            Some(ports) => {
                let ports = changed.unwrap_or(ports);
                let setup = Setup {
                    ssrc: random as u32,
                    // In the lower half, as RFC 3711 section 3.3.1 wants it for encrypted audio.
                    sequence: (random >> 32) as u16 & 0x7FFF,
                    timestamp: start as u32,
                    // Random, so that it names no host (RFC 7022 section 4.2).
                    cname: format!("{:08x}{:016x}", start >> 32, self.entropy.next_u64()),
                    quiet_after: self.limits.quiet_after,
                };
                let mut session = Session::new(setup, now);
                session.set_identity(self.identity.clone());
                if leg.signals_keys() {
                    session.signal_keys();
                }
                session.negotiate(stream.clone(), now);
                self.order(shard, Order::Open { leg: id, ports, session: Box::new(session) })
                    && join.is_none_or(|join| self.order(shard, join))
            }
        };
        if !given {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        let call_id = self.agent.leg(dialog).map(|state| state.dialog.call_id.to_string()).unwrap_or_default();
        if let Some(leg) = self.legs.get_mut(&dialog) {
            if let Some(place) = place {
                (leg.local.address, leg.local.port) = place;
            }
            super::explain::audio(&self.trace, leg, &stream, call_id, now);
            if let Some(keys) = leg.local.encryption.keys_mut() {
                let before = leg.stream.as_ref().and_then(|stream| stream.protection.as_ref());
                keys.follow(before, stream.protection.as_ref());
                keys.has_begun = stream.association.as_ref().is_some_and(|association| association.connects);
                if let Some(found) = stream.association.as_ref().filter(|association| association.ice.is_some()) {
                    keys.follow_peer(&found.peer_fragment);
                }
            }
            leg.stream = Some(stream);
        }
        Ok(())
    }
}
