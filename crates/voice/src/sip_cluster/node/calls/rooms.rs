//! Rooms: where media brings legs together. The thread says which seat a leg is to have in which room; sip-cluster repeats the request until media
//! confirms the seat.

use call::call::{HeardBy, Seat};
use ivr::msml::{self, Command, JoinStreams};
use model::{ConnId, LegId, Timestamp};
use sip::{Message, StatusCode};

use super::leg::{AudioPath, LegStage, Place, Side};
use super::msml_request::{may_be_done, result_code};
use super::pending::Pending;
use crate::sip_cluster::node::Node;

/// How often media may refuse to move a leg, once in each sweep of 2 s; then its party would hear silence for longer than it waits.
pub(super) const REFUSED_MOVES_MAX: u8 = 8;

/// The name of a thread's room at media. The first one has the thread's own name.
pub fn room(thread: ConnId, number: u16) -> String {
    if number == 0 { thread.to_string() } else { format!("{thread}.{number}") }
}

impl Node {
    /// Tells media of each leg that has not the seat that the thread wants.
    pub(in crate::sip_cluster::node) fn join_rooms(&mut self, conn_id: ConnId, now: Timestamp) {
        let Some(entry) = self.calls.get(&conn_id) else { return };
        let misplaced = |leg: &&super::leg::Leg| {
            let is_at_media =
                matches!(leg.stage, LegStage::Early | LegStage::Ringing | LegStage::Up) && leg.media.is_some();
            is_at_media
                && leg.path == AudioPath::Media
                && !leg.joining
                && (leg.unsure || leg.seat != entry.seat_of(leg.id))
        };
        let legs: Vec<LegId> = entry.legs.iter().filter(misplaced).map(|leg| leg.id).collect();
        for leg in legs {
            self.join_room(conn_id, leg, now);
        }
    }

    /// The same for every call: media may have been out of reach.
    pub(in crate::sip_cluster::node) fn join_rooms_again(&mut self, now: Timestamp) {
        let is_misplaced = |(_, entry): &(&ConnId, &super::call::Entry)| {
            let is_misplaced = |leg: &super::leg::Leg| leg.unsure || leg.seat != entry.seat_of(leg.id);
            let is_at_media = |leg: &super::leg::Leg| leg.stage == LegStage::Up && leg.path == AudioPath::Media;
            entry.legs.iter().any(|leg| is_at_media(leg) && is_misplaced(leg))
        };
        let mut misplaced: Vec<ConnId> = self.calls.iter().filter(is_misplaced).map(|(conn_id, _)| *conn_id).collect();
        misplaced.sort_unstable();
        for conn_id in misplaced {
            self.attempt_for(Some(conn_id), now, |node| node.join_rooms(conn_id, now));
        }
    }

    fn join_room(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let Some((media, connection)) = self.media_of(conn_id, id) else { return };
        let Some(entry) = self.calls.get(&conn_id) else { return };
        let wanted = entry.seat_of(id);
        let Some(from) = entry.leg(id).map(|leg| leg.seat) else { return };
        let commands = match (wanted, from) {
            (Some(seat), _) => self.take_seat(conn_id, connection, seat),
            (None, Some(seat)) => vec![Command::Unjoin { connection, conference: room(conn_id, seat.room) }],
            (None, None) => {
                self.sure_of_seat(conn_id, id);
                return;
            }
        };
        if let Some(request) = self.send_msml(media, &commands, Vec::new(), now) {
            self.pending.insert(request, Pending::Join(Place { conn_id, leg: id, side: Side::Media }, wanted));
            if let Some(leg) = self.leg_mut(conn_id, id) {
                leg.joining = true;
            }
            self.mark(conn_id);
        }
    }

    /// The thread comes from another node or process, whose last word to media may be lost: what is recorded, or is not any more, must not
    /// depend on that.
    pub(in crate::sip_cluster::node) fn doubt_recorded_seats(&mut self, conn_id: ConnId) {
        let Some(entry) = self.calls.get_mut(&conn_id) else { return };
        if entry.thread.calls().any(|call| call.recording.is_some()) {
            entry.legs.iter_mut().filter(|leg| leg.media.is_some()).for_each(|leg| leg.unsure = true);
        }
    }

    fn sure_of_seat(&mut self, conn_id: ConnId, id: LegId) {
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.unsure = false;
        }
    }

    /// What brings a connection to a seat, wherever it was before.
    fn take_seat(&self, conn_id: ConnId, connection: String, seat: Seat) -> Vec<Command> {
        let coached = match seat.heard_by {
            HeardBy::Only(coached) => self.media_of(conn_id, coached).map(|(_, heard_by)| heard_by),
            HeardBy::All | HeardBy::Nobody => None,
        };
        let streams = match (seat.heard_by, seat.hears, &coached) {
            (HeardBy::All, true, _) => JoinStreams::Both,
            // Who is heard by one alone is so by what follows.
            (HeardBy::All, false, _) | (HeardBy::Only(_), false, Some(_)) => JoinStreams::SpeaksOnly,
            (HeardBy::Nobody | HeardBy::Only(_), true, _) => JoinStreams::HearsOnly,
            (HeardBy::Nobody | HeardBy::Only(_), false, _) => JoinStreams::Neither,
        };
        let join = Command::Join { connection: connection.clone(), conference: room(conn_id, seat.room), streams };
        let coach = coached.map(|heard_by| Command::Coach { connection: connection.clone(), heard_by });
        let record = self.recording_of(conn_id, seat, connection);
        std::iter::once(join).chain(coach).chain(record).collect()
    }

    /// What tells media that the room of a seat is recorded, or is not any more.
    fn recording_of(&self, conn_id: ConnId, seat: Seat, connection: String) -> Option<Command> {
        let recorded = seat.recorded?;
        let call = self.calls.get(&conn_id)?.thread.calls().find(|call| call.number == seat.room)?;
        let name = recorded.id(call.conn_id);
        Some(match recorded.is_on {
            true => Command::Record { connection, name, beep: recorded.beep },
            false => Command::EndRecord { connection, name },
        })
    }

    /// Media has answered. What it refused is tried again at the next sweep.
    pub(in crate::sip_cluster::node) fn room_joined(
        &mut self,
        place: Place,
        seat: Option<Seat>,
        status: StatusCode,
        response: Option<&Message>,
        now: Timestamp,
    ) {
        let Place { conn_id, leg: id, .. } = place;
        let code = result_code(response);
        let Some(leg) = self.leg_mut(conn_id, id) else { return };
        leg.joining = false;
        // An `<unjoin>` whose answer was lost finds the leg outside.
        let was_done = seat.is_none() && code == Some(msml::code::NO_SUCH_OBJECT);
        if !status.is_success() || !(was_done || code == Some(msml::code::OK)) {
            leg.refused_moves = leg.refused_moves.saturating_add(1);
            let (refused, is_up) = (leg.refused_moves, leg.stage == LegStage::Up);
            tracing::warn!(%conn_id, leg = %id, %status, ?code, refused, "media did not move a leg to another room");
            if may_be_done(status) {
                // Without an answer of its own, media may have it there; whatever is wanted next, it is told so.
                leg.unsure = true;
                leg.seat = leg.seat.or(seat);
            }
            self.mark(conn_id);
            self.metrics.room_refused();
            if refused >= REFUSED_MOVES_MAX && is_up {
                self.end_without_audio(conn_id, id, now);
            }
            return;
        }
        (leg.seat, leg.unsure, leg.refused_moves) = (seat, false, 0);
        self.mark(conn_id);
        self.join_rooms(conn_id, now);
    }
}
