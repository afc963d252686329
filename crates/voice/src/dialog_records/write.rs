//! Converts snapshots to records.

use contracts::v1;
use model::Timestamp;
use sip::Flow;
use sip::agent::{
    DialogSnapshot, EarlyDialog, ExtraHeaders, Glare, IncomingInvite, InvitePurpose, LegPhase, NonceUse,
    OutgoingInvite, OutgoingStage, Provisionals, RequestPurpose, SessionTimer, Unacknowledged,
};
use sip::dialog::Dialog;
use sip::offer_answer::{Carrier, OfferAnswer, Phase, Side};
use sip::transaction::{ClientSnapshot, ClientState, Repeat, Schedule, ServerSnapshot, ServerState};

/// A dialog as a record.
pub fn dialog_to_record(snapshot: DialogSnapshot) -> v1::DialogRecord {
    let leg = snapshot.leg;
    v1::DialogRecord {
        dialog: Some(dialog(&leg.dialog)),
        phase: phase(leg.phase).into(),
        negotiation: Some(negotiation(&leg.offer_answer)),
        outgoing: leg.outgoing.map(outgoing),
        answering: leg.answering.map(answering),
        unacked: leg.unacked.map(unacked),
        requests: leg
            .requests
            .into_iter()
            .map(|pending| v1::PendingRequestRecord {
                id: pending.id,
                method: pending.method.as_str().to_owned(),
                purpose: match pending.purpose {
                    RequestPurpose::Application => 1,
                    RequestPurpose::Change => 2,
                    RequestPurpose::Refresh => 3,
                    RequestPurpose::Acknowledge => 4,
                    RequestPurpose::Leave => 5,
                },
                request: pending.request,
            })
            .collect(),
        incoming: leg
            .incoming
            .into_iter()
            .map(|waiting| v1::PendingAnswerRecord {
                id: waiting.id,
                cseq: waiting.cseq,
                request: waiting.request,
                is_offer: waiting.is_offer,
            })
            .collect(),
        answered: leg
            .answered
            .into_iter()
            .map(|answered| v1::AnsweredRequestRecord {
                cseq: answered.cseq,
                method: answered.method.as_str().to_owned(),
                response: answered.response,
            })
            .collect(),
        session: Some(session(leg.session)),
        session_expires_s: leg.terms.session_expires_s,
        hides_100rel: leg.terms.hides_100rel,
        glare: leg.glare.map(glare),
        bye_wanted: leg.bye_wanted.map(|extra| v1::ExtraHeadersRecord { headers: headers(extra) }),
        peer_updates: leg.peer_updates,
        next_rseq: leg.next_rseq,
        challenges: leg.challenges.into(),
        account: leg.account.map(Into::into),
        nonces: leg.nonces.into_iter().map(nonce_use).collect(),
        invite_client: snapshot.invite_client.map(client),
        invite_server: snapshot.invite_server.map(server),
        clients: snapshot.clients.into_iter().map(client).collect(),
        servers: snapshot.servers.into_iter().map(server).collect(),
        begun_by_peer: leg.begun_by == Side::Them,
        glare_attempts: leg.glare_attempts.into(),
        cancel_client: snapshot.cancel_client.map(client),
        recent_clients: snapshot.recent_clients.into_iter().map(client).collect(),
    }
}

fn nonce_use(used: NonceUse) -> v1::NonceUseRecord {
    v1::NonceUseRecord { nonce: used.nonce.into(), count: used.count }
}

fn dialog(dialog: &Dialog) -> v1::DialogStateRecord {
    v1::DialogStateRecord {
        call_id: dialog.call_id.to_string(),
        local_tag: dialog.local_tag.to_string(),
        remote_tag: dialog.remote_tag.to_string(),
        local: dialog.local.to_string(),
        remote: dialog.remote.to_string(),
        contact: dialog.contact.to_string(),
        remote_target: dialog.remote_target.to_string(),
        routes: dialog.routes.iter().map(ToString::to_string).collect(),
        local_cseq: dialog.local_cseq,
        remote_cseq: dialog.remote_cseq,
        flow: Some(flow(dialog.flow)),
    }
}

fn flow(flow: Flow) -> v1::FlowRecord {
    match flow {
        Flow::Stream { connection } => {
            v1::FlowRecord { connection: Some(connection.0), listener: 0, remote: String::new() }
        }
        Flow::Udp { listener, remote } => {
            v1::FlowRecord { connection: None, listener: listener.into(), remote: remote.to_string() }
        }
    }
}

const fn phase(phase: LegPhase) -> v1::DialogRecordPhase {
    match phase {
        LegPhase::Inviting => v1::DialogRecordPhase::Inviting,
        LegPhase::Ringing => v1::DialogRecordPhase::Ringing,
        LegPhase::Confirmed => v1::DialogRecordPhase::Confirmed,
        LegPhase::Leaving => v1::DialogRecordPhase::Leaving,
    }
}

fn negotiation(state: &OfferAnswer) -> v1::NegotiationRecord {
    let (phase, side, with) = match state.phase() {
        Phase::Stable => (0, Side::Us, 0),
        Phase::Solicited(side) => (1, side, 0),
        Phase::Offered(side, with) => (2, side, carrier(with)),
    };
    v1::NegotiationRecord {
        phase,
        by_peer: side == Side::Them,
        carrier: with,
        open: state.open().cloned(),
        local: state.local().cloned(),
        remote: state.remote().cloned(),
    }
}

const fn carrier(carrier: Carrier) -> u32 {
    match carrier {
        Carrier::Invite => 1,
        Carrier::Provisional => 2,
        Carrier::ReliableProvisional => 3,
        Carrier::Success => 4,
        Carrier::Ack => 5,
        Carrier::Prack => 6,
        Carrier::PrackSuccess => 7,
        Carrier::Update => 8,
        Carrier::UpdateSuccess => 9,
    }
}

fn outgoing(invite: OutgoingInvite) -> v1::OutgoingInviteRecord {
    v1::OutgoingInviteRecord {
        cseq: invite.cseq,
        stage: match invite.stage {
            OutgoingStage::Pending => 1,
            OutgoingStage::CancelWanted => 2,
            OutgoingStage::Cancelled => 3,
            OutgoingStage::AckOwed => 4,
        },
        reliable: invite.provisionals == Provisionals::Reliable,
        forks: invite.forks.iter().map(fork).collect(),
        purpose: purpose(invite.purpose).into(),
        request: invite.request,
    }
}

fn fork(fork: &EarlyDialog) -> v1::EarlyDialogRecord {
    v1::EarlyDialogRecord {
        dialog: Some(dialog(&fork.dialog)),
        negotiation: Some(negotiation(&fork.offer_answer)),
        rseq: fork.rseq,
    }
}

const fn purpose(purpose: InvitePurpose) -> v1::InviteRecordPurpose {
    match purpose {
        InvitePurpose::Begin => v1::InviteRecordPurpose::Begin,
        InvitePurpose::Change => v1::InviteRecordPurpose::Change,
        InvitePurpose::Refresh => v1::InviteRecordPurpose::Refresh,
    }
}

fn answering(invite: IncomingInvite) -> v1::IncomingInviteRecord {
    let (keep_alive_due_us, keep_alive) =
        invite.keep_alive.map_or((None, bytes::Bytes::new()), |(due, response)| (Some(due.as_micros()), response));
    v1::IncomingInviteRecord {
        request: invite.request,
        cseq: invite.cseq,
        unpracked: invite.unpracked.map(|waiting| v1::UnprackedRecord {
            rseq: waiting.rseq,
            response: waiting.response,
            repeat: Some(repeat(waiting.repeat)),
            end_us: waiting.end.as_micros(),
        }),
        queued: invite
            .queued
            .into_iter()
            .map(|reply| v1::QueuedReplyRecord {
                status: reply.status.into(),
                headers: headers(reply.headers),
                session: reply.session,
            })
            .collect(),
        keep_alive_due_us,
        keep_alive,
        reliable: invite.provisionals == Provisionals::Reliable,
    }
}

fn unacked(answer: Unacknowledged) -> v1::UnacknowledgedRecord {
    v1::UnacknowledgedRecord {
        cseq: answer.cseq,
        response: answer.response,
        flow: Some(flow(answer.flow)),
        repeat: Some(repeat(answer.repeat)),
        end_us: answer.end.as_micros(),
    }
}

fn repeat(repeat: Repeat) -> v1::RepeatRecord {
    let interval_us = u64::try_from(repeat.interval.as_micros()).unwrap_or(u64::MAX);
    v1::RepeatRecord { due_us: repeat.due.as_micros(), interval_us }
}

fn headers(headers: ExtraHeaders) -> Vec<v1::HeaderRecord> {
    headers.into_iter().map(|(name, value)| v1::HeaderRecord { name: name.as_str().to_owned(), value }).collect()
}

fn session(timer: SessionTimer) -> v1::SessionTimerRecord {
    v1::SessionTimerRecord {
        interval_s: timer.interval_s,
        we_refresh: timer.we_refresh,
        due_us: timer.due.map(Timestamp::as_micros),
        min_se_s: timer.min_se_s,
        expires_us: timer.expires_at.map(Timestamp::as_micros),
    }
}

fn glare(glare: Glare) -> v1::GlareRecord {
    v1::GlareRecord { due_us: glare.due.as_micros(), purpose: purpose(glare.purpose).into() }
}

fn schedule(schedule: Schedule) -> v1::ScheduleRecord {
    v1::ScheduleRecord { repeat: schedule.repeat.map(repeat), end_us: schedule.end.map(Timestamp::as_micros) }
}

fn client(client: ClientSnapshot) -> v1::ClientTransactionRecord {
    v1::ClientTransactionRecord {
        branch: client.branch.into(),
        method: client.method.as_str().to_owned(),
        state: match client.state {
            ClientState::Calling => 1,
            ClientState::Trying => 2,
            ClientState::Proceeding => 3,
            ClientState::Completed => 4,
            ClientState::Accepted => 5,
        },
        schedule: Some(schedule(client.schedule)),
        flow: Some(flow(client.flow)),
        request: client.request,
        acks: client
            .acks
            .into_iter()
            .map(|(to_tag, ack)| v1::RepeatedAckRecord { to_tag: to_tag.into(), ack })
            .collect(),
    }
}

fn server(server: ServerSnapshot) -> v1::ServerTransactionRecord {
    v1::ServerTransactionRecord {
        key: bytes::Bytes::from(server.key.into_vec()),
        method: server.method.as_str().to_owned(),
        state: match server.state {
            ServerState::Trying => 1,
            ServerState::Proceeding => 2,
            ServerState::Completed => 3,
            ServerState::Confirmed => 4,
            ServerState::Accepted => 5,
        },
        schedule: Some(schedule(server.schedule)),
        flow: Some(flow(server.flow)),
        last: server.last,
        request: server.request,
    }
}
