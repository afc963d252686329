//! Limits on the data that a peer adds to one dialog, so that its snapshot stays a small part of a call's record.
//!
//! A record holds a whole call: the dialogs of its legs, two for each. The store accepts one mebibyte ([`DIALOG_BYTES_MAX`]
//! leaves room for ten dialogs of the largest size). Exceeding a limit costs only the request that did so.

use model::Timestamp;

use super::UserAgent;
use super::command::DialogId;
use super::leg::Leg;
use super::state::{DialogSnapshot, EarlyDialog, LegState};
use crate::dialog::Dialog;
use crate::header::HeaderName;
use crate::offer_answer::{OfferAnswer, SESSION_BYTES_MAX};
use crate::transaction::{ClientSnapshot, ServerId, ServerSnapshot};
use crate::{Message, Method, StatusCode};

/// The most bytes of one dialog's snapshot: a request that would exceed this is refused.
pub const DIALOG_BYTES_MAX: usize = 98_304;
/// The longest start line and headers of a stored request, in bytes: its Via and Record-Route headers appear again in the
/// response. A call through six proxies takes 3 KiB.
pub(super) const HEAD_BYTES_MAX: usize = 8_192;
/// The longest body, in bytes, of a request within a dialog that is not a session description: an MSML document or its report.
pub(super) const BODY_BYTES_MAX: usize = 32_768;
/// The most bytes of all forks of one INVITE. A fork through four proxies takes 1 KiB.
const FORKS_BYTES_MAX: usize = 16_384;
/// The most bytes of responses kept for requests that are repeated in a new transaction.
pub(super) const ANSWERED_BYTES_MAX: usize = 8_192;
/// The most bytes of answered transactions of each side that a snapshot includes to absorb repeats.
const RECENT_BYTES_MAX: usize = 8_192;
/// Space that waiting requests may not use, reserved for their results: the answers and transactions kept for repeats.
const SPARE_BYTES: usize = ANSWERED_BYTES_MAX + 2 * RECENT_BYTES_MAX;
/// The size of the numbers, flags and record framing of each part.
const PART_BYTES: usize = 64;

/// How often a limit was reached since the agent started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BoundsReached {
    /// Requests and forks too large to be stored, alone or together with the data of their dialog.
    pub oversized: u64,
    /// Dialogs that were ended because they took too many steps in one turn.
    pub overruns: u64,
}

/// Whether a request may be added to the data of its dialog.
pub(super) enum Room {
    /// It may.
    Enough,
    /// It is too large for any dialog.
    TooLarge(StatusCode),
    /// Too much waits in this dialog.
    Full,
}

impl UserAgent {
    /// How often a limit was reached.
    pub const fn bounds_reached(&self) -> BoundsReached {
        self.bounds_reached
    }

    /// Refuses a request of the peer that is too large to be stored; returns whether it did.
    pub(super) fn refuse_oversized(
        &mut self,
        id: Option<DialogId>,
        server: ServerId,
        message: &Message,
        tag: &str,
        now: Timestamp,
    ) -> bool {
        match self.room_for(id, message) {
            Room::Enough => return false,
            Room::TooLarge(status) => self.respond_plain(server, message, status, tag, now),
            Room::Full => self.respond_busy(server, message, tag, now),
        }
        self.count_oversized();
        true
    }

    pub(super) const fn count_oversized(&mut self) {
        self.bounds_reached.oversized += 1;
    }

    fn room_for(&self, id: Option<DialogId>, message: &Message) -> Room {
        let (head, body) = (message.head_length(), message.body().len());
        let carries_session = matches!(message.method(), Method::Invite | Method::Update | Method::Prack);
        let body_max = if carries_session { SESSION_BYTES_MAX } else { BODY_BYTES_MAX };
        if head > HEAD_BYTES_MAX {
            return Room::TooLarge(StatusCode::MESSAGE_TOO_LARGE);
        }
        if body > body_max {
            return Room::TooLarge(StatusCode::REQUEST_ENTITY_TOO_LARGE);
        }
        // The response repeats the head, and an offered description is stored beside its request.
        let offered = if carries_session { body } else { 0 };
        match id {
            Some(id) if !self.has_room(id, head + body + head + offered) => Room::Full,
            _ => Room::Enough,
        }
    }

    /// Whether a dialog has room for this many more bytes.
    pub(super) fn has_room(&self, id: DialogId, bytes: usize) -> bool {
        self.dialogs
            .get(id.0)
            .and_then(|leg| self.snapshot_leg(leg))
            .is_none_or(|s| s.bytes() + bytes + SPARE_BYTES <= DIALOG_BYTES_MAX)
    }
}

impl Leg {
    /// Whether there is room for a fork with this dialog and session beside the others.
    pub(super) fn has_room_for_fork(&self, dialog: Option<&Dialog>, session: usize) -> bool {
        let kept = forks_bytes(&self.state);
        kept + dialog.map_or(0, |dialog| dialog_bytes(dialog) + PART_BYTES) + session <= FORKS_BYTES_MAX
    }

    /// Keeps the youngest responses, as many as fit.
    pub(super) fn bound_answered(&mut self) {
        let answered = &mut self.state.answered;
        while answered.iter().map(|answer| answer.response.len()).sum::<usize>() > ANSWERED_BYTES_MAX {
            answered.remove(0);
        }
    }
}

/// The youngest (last) of these that fit, in their order.
pub(super) fn recent<T>(mut all: Vec<T>, bytes: impl Fn(&T) -> usize) -> Vec<T> {
    let mut kept = 0;
    let older = all.iter().rposition(|one| {
        kept += bytes(one);
        kept > RECENT_BYTES_MAX
    });
    all.split_off(older.map_or(0, |older| older + 1))
}

// === Sizes ===

impl DialogSnapshot {
    /// Its approximate size in bytes: texts and messages as they are, plus a fixed amount for each part.
    pub fn bytes(&self) -> usize {
        let clients =
            self.invite_client.iter().chain(&self.cancel_client).chain(&self.recent_clients).chain(&self.clients);
        let servers = self.invite_server.iter().chain(&self.servers);
        leg_bytes(&self.leg) + clients.map(client_bytes).sum::<usize>() + servers.map(server_bytes).sum::<usize>()
    }
}

fn leg_bytes(leg: &LegState) -> usize {
    let outgoing = leg.outgoing.as_ref().map_or(0, |outgoing| outgoing.request.len() + forks_bytes(leg) + PART_BYTES);
    let answering = leg.answering.as_ref().map_or(0, |answering| {
        let queued = answering.queued.iter().map(|reply| {
            headers_bytes(&reply.headers) + reply.session.as_ref().map_or(0, bytes::Bytes::len) + PART_BYTES
        });
        answering.request.len()
            + answering.unpracked.as_ref().map_or(0, |waiting| waiting.response.len())
            + answering.keep_alive.as_ref().map_or(0, |(_, response)| response.len())
            + queued.sum::<usize>()
            + PART_BYTES
    });
    dialog_bytes(&leg.dialog)
        + session_bytes(&leg.offer_answer)
        + outgoing
        + answering
        + leg.unacked.as_ref().map_or(0, |unacked| unacked.response.len() + PART_BYTES)
        + leg.requests.iter().map(|request| request.request.len() + PART_BYTES).sum::<usize>()
        + leg.incoming.iter().map(|request| request.request.len() + PART_BYTES).sum::<usize>()
        + leg.answered.iter().map(|answer| answer.response.len() + PART_BYTES).sum::<usize>()
        + leg.bye_wanted.as_ref().map_or(0, headers_bytes)
        + leg.account.as_deref().map_or(0, str::len)
        + leg.nonces.iter().map(|used| used.nonce.len() + 8).sum::<usize>()
        + PART_BYTES
}

fn headers_bytes(headers: &super::command::ExtraHeaders) -> usize {
    headers.iter().map(|(name, value): &(HeaderName, String)| name.as_str().len() + value.len() + 8).sum()
}

/// The size of our INVITE's forks: the offer, which each has, counts once, with the dialog.
fn forks_bytes(leg: &LegState) -> usize {
    let ours = leg.offer_answer.open();
    let fork_bytes = |fork: &EarlyDialog| {
        let sessions = [fork.offer_answer.open(), fork.offer_answer.local(), fork.offer_answer.remote()];
        let own = sessions.into_iter().flatten().filter(|session| Some(*session) != ours);
        dialog_bytes(&fork.dialog) + own.map(bytes::Bytes::len).sum::<usize>() + PART_BYTES
    };
    leg.outgoing.iter().flat_map(|outgoing| &outgoing.forks).map(fork_bytes).sum()
}

fn dialog_bytes(dialog: &Dialog) -> usize {
    dialog.peer_bytes() + dialog.local_tag.len() + dialog.local.len() + dialog.contact.len() + PART_BYTES
}

fn session_bytes(session: &OfferAnswer) -> usize {
    [session.open(), session.local(), session.remote()].into_iter().flatten().map(bytes::Bytes::len).sum()
}

pub(super) fn client_bytes(client: &ClientSnapshot) -> usize {
    let acks: usize = client.acks.iter().map(|(tag, ack)| tag.len() + ack.len() + 8).sum();
    client.branch.len() + client.request.len() + acks + PART_BYTES
}

pub(super) fn server_bytes(server: &ServerSnapshot) -> usize {
    server.key.len() + server.last.len() + server.request.len() + PART_BYTES
}
