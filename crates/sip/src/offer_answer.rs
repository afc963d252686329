//! Offer/answer (RFC 3264) as SIP carries it (RFC 6337): whether a body is an offer, an answer or neither.
//!
//! Bodies are opaque here. The last complete exchange is kept, because a refresh is answered with the stored
//! session unchanged and a failed exchange falls back to it.

use bytes::Bytes;
use thiserror::Error;

/// The longest body that counts as a session description, in bytes: the most that the media server reads.
pub const SESSION_BYTES_MAX: usize = 16_384;

/// The message that carries a body, or could have carried one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Carrier {
    /// An INVITE, first or later.
    Invite,
    /// A provisional response to it that is sent unreliably.
    Provisional,
    /// A provisional response under RFC 3262.
    ReliableProvisional,
    /// A 2xx to an INVITE.
    Success,
    /// The ACK to that 2xx.
    Ack,
    /// A PRACK.
    Prack,
    /// The 2xx to a PRACK.
    PrackSuccess,
    /// An UPDATE (RFC 3311).
    Update,
    /// The 2xx to an UPDATE.
    UpdateSuccess,
}

/// The side that began something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// This end.
    Us,
    /// The peer.
    Them,
}

/// The state of the negotiation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Phase {
    /// No offer is open.
    #[default]
    Stable,
    /// That side sent an INVITE without an offer; the other side must make one.
    Solicited(Side),
    /// An offer of that side is open.
    Offered(Side, Carrier),
}

/// The meaning of a body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Meaning {
    /// Nothing: no body where none is needed, or a repetition of the settled session (RFC 6337 §2.2).
    Nothing,
    /// An offer.
    Offer,
    /// The answer to the open offer.
    Answer,
    /// A preview of the answer, in an unreliable provisional response.
    Preview,
    /// A missing body that requests an offer from the other side.
    Solicitation,
}

/// A body that is not allowed, or a required one that is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum OfferAnswerError {
    /// An offer of ours is open: the peer gets 491 (RFC 3311 §5.2).
    #[error("an offer of ours is open")]
    Glare,
    /// An offer of the peer is open: the peer gets 500 with Retry-After (RFC 3311 §5.2).
    #[error("an offer of the peer's is open")]
    Busy,
    /// The answer is missing.
    #[error("the answer is missing")]
    AnswerMissing,
    /// The offer is missing.
    #[error("the offer is missing")]
    OfferMissing,
    /// The body is longer than [`SESSION_BYTES_MAX`].
    #[error("the session description is too long")]
    TooLong,
}

/// The negotiation of one dialog.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OfferAnswer {
    phase: Phase,
    open: Option<Bytes>,
    local: Option<Bytes>,
    remote: Option<Bytes>,
}

impl OfferAnswer {
    /// A negotiation from the parts stored in a snapshot.
    pub const fn from_parts(phase: Phase, open: Option<Bytes>, local: Option<Bytes>, remote: Option<Bytes>) -> Self {
        Self { phase, open, local, remote }
    }

    /// The current state.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The offer that is open.
    pub const fn open(&self) -> Option<&Bytes> {
        self.open.as_ref()
    }

    /// The offer of the peer that is open.
    pub const fn offered_by_peer(&self) -> Option<&Bytes> {
        match self.phase {
            Phase::Offered(Side::Them, _) => self.open.as_ref(),
            _ => None,
        }
    }

    /// Our side of the last complete exchange.
    pub const fn local(&self) -> Option<&Bytes> {
        self.local.as_ref()
    }

    /// The peer's side of the last complete exchange.
    pub const fn remote(&self) -> Option<&Bytes> {
        self.remote.as_ref()
    }

    /// Whether an exchange was ever completed.
    pub const fn established(&self) -> bool {
        self.local.is_some() && self.remote.is_some()
    }

    /// Applies a message that we send.
    ///
    /// # Errors
    /// When the message must not be sent with, or without, this body.
    pub fn sent(&mut self, carrier: Carrier, body: Option<&Bytes>) -> Result<Meaning, OfferAnswerError> {
        self.pass(Side::Us, carrier, body)
    }

    /// Applies a message of the peer.
    ///
    /// # Errors
    /// When the peer broke a rule; the error determines its response.
    pub fn received(&mut self, carrier: Carrier, body: Option<&Bytes>) -> Result<Meaning, OfferAnswerError> {
        if body.is_some_and(|body| body.len() > SESSION_BYTES_MAX) {
            return Err(OfferAnswerError::TooLong);
        }
        self.pass(Side::Them, carrier, body)
    }

    /// Leaves out the offer that is also open in `whole`, from which this was forked, so that it is stored only once.
    pub(crate) fn without_offer_of(&mut self, whole: &Self) {
        for kept in [&mut self.open, &mut self.local] {
            if *kept == whole.open {
                *kept = None;
            }
        }
    }

    /// The reverse of [`Self::without_offer_of`].
    pub(crate) fn with_offer_of(&mut self, whole: &Self) {
        let left_out = match self.phase {
            Phase::Offered(Side::Us, _) => &mut self.open,
            Phase::Stable if self.remote.is_some() => &mut self.local,
            _ => return,
        };
        if left_out.is_none() {
            left_out.clone_from(&whole.open);
        }
    }

    /// Discards the open offer after its request failed; the session stays as it was.
    pub fn abandon(&mut self) {
        self.phase = Phase::Stable;
        self.open = None;
    }

    fn pass(&mut self, by: Side, carrier: Carrier, body: Option<&Bytes>) -> Result<Meaning, OfferAnswerError> {
        match self.phase {
            Phase::Stable => self.pass_stable(by, carrier, body),
            Phase::Solicited(asker) => self.pass_solicited(asker, by, carrier, body),
            Phase::Offered(offerer, with) => self.pass_offered(offerer, with, by, carrier, body),
        }
    }

    fn pass_stable(&mut self, by: Side, carrier: Carrier, body: Option<&Bytes>) -> Result<Meaning, OfferAnswerError> {
        match (carrier, body) {
            (Carrier::Invite | Carrier::Update | Carrier::Prack, Some(body)) => Ok(self.offer(by, carrier, body)),
            (Carrier::Invite, None) => {
                self.phase = Phase::Solicited(by);
                Ok(Meaning::Solicitation)
            }
            _ => Ok(Meaning::Nothing),
        }
    }

    fn pass_solicited(
        &mut self,
        asker: Side,
        by: Side,
        carrier: Carrier,
        body: Option<&Bytes>,
    ) -> Result<Meaning, OfferAnswerError> {
        match (carrier, body) {
            (Carrier::ReliableProvisional | Carrier::Success, Some(body)) if by != asker => {
                Ok(self.offer(by, carrier, body))
            }
            (Carrier::Success, None) if by != asker => Err(OfferAnswerError::OfferMissing),
            (Carrier::Update | Carrier::Invite, Some(_)) => {
                Err(if by == asker { OfferAnswerError::Busy } else { OfferAnswerError::Glare })
            }
            _ => Ok(Meaning::Nothing),
        }
    }

    fn pass_offered(
        &mut self,
        offerer: Side,
        with: Carrier,
        by: Side,
        carrier: Carrier,
        body: Option<&Bytes>,
    ) -> Result<Meaning, OfferAnswerError> {
        use Carrier::{
            Ack, Invite, Prack, PrackSuccess, Provisional, ReliableProvisional, Success, Update, UpdateSuccess,
        };
        if by == offerer {
            return match carrier {
                Update | Invite if body.is_some() => Err(match by {
                    Side::Us => OfferAnswerError::Glare,
                    Side::Them => OfferAnswerError::Busy,
                }),
                _ => Ok(Meaning::Nothing),
            };
        }
        let answers = matches!(
            (with, carrier),
            (Invite, ReliableProvisional | Success) | (Success, Ack) | (Prack, PrackSuccess) | (Update, UpdateSuccess)
        ) || (with, carrier) == (ReliableProvisional, Prack);
        match (answers, body) {
            (true, Some(body)) => Ok(self.answer(by, body)),
            (true, None) if carrier == ReliableProvisional || carrier == Prack => Ok(Meaning::Nothing),
            (true, None) => Err(OfferAnswerError::AnswerMissing),
            (false, Some(_)) if (with, carrier) == (Invite, Provisional) => Ok(Meaning::Preview),
            (false, Some(_)) if matches!(carrier, Invite | Update) => Err(match by {
                Side::Us => OfferAnswerError::Busy,
                Side::Them => OfferAnswerError::Glare,
            }),
            (false, _) => Ok(Meaning::Nothing),
        }
    }

    fn offer(&mut self, by: Side, carrier: Carrier, body: &Bytes) -> Meaning {
        self.phase = Phase::Offered(by, carrier);
        self.open = Some(kept(body));
        Meaning::Offer
    }

    fn answer(&mut self, by: Side, body: &Bytes) -> Meaning {
        let offer = self.open.take();
        (self.local, self.remote) = match by {
            Side::Us => (Some(kept(body)), offer),
            Side::Them => (offer, Some(kept(body))),
        };
        self.phase = Phase::Stable;
        Meaning::Answer
    }
}

/// A session as it is kept for the length of a dialog: a copy, for a part of a message keeps the whole of the buffer that was read with it.
fn kept(body: &Bytes) -> Bytes {
    Bytes::copy_from_slice(body)
}

#[cfg(test)]
mod tests;
