//! Converts records to snapshots.

use std::time::Duration;

use contracts::v1;
use model::Timestamp;
use sip::agent::{
    AnsweredRequest, DialogSnapshot, DialogTerms, EarlyDialog, ExtraHeaders, Glare, IncomingInvite, InvitePurpose,
    LegPhase, LegState, NonceUse, OutgoingInvite, OutgoingStage, PendingAnswer, PendingRequest, Provisionals,
    QueuedReply, RequestPurpose, SessionTimer, Unacknowledged, Unpracked,
};
use sip::dialog::Dialog;
use sip::offer_answer::{Carrier, OfferAnswer, Phase, Side};
use sip::transaction::{ClientSnapshot, ClientState, Repeat, Schedule, ServerSnapshot, ServerState};
use sip::{ConnectionId, Flow, HeaderName, Method};

use super::RecordError;

type Read<T> = Result<T, RecordError>;

/// A dialog from its record.
///
/// # Errors
/// Names the invalid part.
pub fn dialog_from_record(record: v1::DialogRecord) -> Read<DialogSnapshot> {
    let phase = match record.phase() {
        v1::DialogRecordPhase::Inviting => LegPhase::Inviting,
        v1::DialogRecordPhase::Ringing => LegPhase::Ringing,
        v1::DialogRecordPhase::Confirmed => LegPhase::Confirmed,
        v1::DialogRecordPhase::Leaving => LegPhase::Leaving,
        v1::DialogRecordPhase::Unspecified => return Err(RecordError("phase")),
    };
    let requests: Vec<PendingRequest> = record.requests.into_iter().map(pending_request).collect::<Read<_>>()?;
    let leg = LegState {
        dialog: dialog(record.dialog)?,
        begun_by: side(record.begun_by_peer),
        phase,
        offer_answer: negotiation(record.negotiation)?,
        outgoing: record.outgoing.map(outgoing).transpose()?,
        answering: record.answering.map(answering).transpose()?,
        unacked: record.unacked.map(unacked).transpose()?,
        requests: requests.into_iter().collect(),
        incoming: record
            .incoming
            .into_iter()
            .map(|p| PendingAnswer { id: p.id, cseq: p.cseq, request: p.request, is_offer: p.is_offer })
            .collect(),
        answered: record
            .answered
            .into_iter()
            .map(|a| AnsweredRequest { cseq: a.cseq, method: method(&a.method), response: a.response })
            .collect(),
        terms: DialogTerms { session_expires_s: record.session_expires_s, hides_100rel: record.hides_100rel },
        session: session(record.session.unwrap_or_default()),
        glare: record.glare.map(glare).transpose()?,
        glare_attempts: small(record.glare_attempts, "glare_attempts")?,
        bye_wanted: record.bye_wanted.map(|extra| headers(extra.headers)),
        peer_updates: record.peer_updates,
        next_rseq: record.next_rseq,
        challenges: small(record.challenges, "challenges")?,
        account: record.account.map(Into::into),
        nonces: record
            .nonces
            .into_iter()
            .map(|used| NonceUse { nonce: used.nonce.into(), count: used.count })
            .collect(),
    };
    Ok(DialogSnapshot {
        leg,
        invite_client: record.invite_client.map(client).transpose()?,
        cancel_client: record.cancel_client.map(client).transpose()?,
        recent_clients: record.recent_clients.into_iter().map(client).collect::<Read<_>>()?,
        invite_server: record.invite_server.map(server).transpose()?,
        clients: record.clients.into_iter().map(client).collect::<Read<_>>()?,
        servers: record.servers.into_iter().map(server).collect::<Read<_>>()?,
    })
}

fn small(number: u32, field: &'static str) -> Read<u8> {
    u8::try_from(number).map_err(|_| RecordError(field))
}

const fn side(by_peer: bool) -> Side {
    if by_peer { Side::Them } else { Side::Us }
}

fn method(text: &str) -> Method {
    Method::from(text)
}

fn dialog(record: Option<v1::DialogStateRecord>) -> Read<Dialog> {
    let record = record.ok_or(RecordError("dialog"))?;
    Ok(Dialog {
        call_id: record.call_id.into(),
        local_tag: record.local_tag.into(),
        remote_tag: record.remote_tag.into(),
        local: record.local.into(),
        remote: record.remote.into(),
        contact: record.contact.into(),
        remote_target: record.remote_target.into(),
        routes: record.routes.into_iter().map(String::into_boxed_str).collect(),
        local_cseq: record.local_cseq,
        remote_cseq: record.remote_cseq,
        flow: flow(record.flow)?,
    })
}

fn flow(record: Option<v1::FlowRecord>) -> Read<Flow> {
    let record = record.ok_or(RecordError("flow"))?;
    if let Some(connection) = record.connection {
        return Ok(ConnectionId(connection).into());
    }
    let listener = u16::try_from(record.listener).map_err(|_| RecordError("flow.listener"))?;
    let remote = record.remote.parse().map_err(|_| RecordError("flow.remote"))?;
    Ok(Flow::Udp { listener, remote })
}

fn negotiation(record: Option<v1::NegotiationRecord>) -> Read<OfferAnswer> {
    let record = record.ok_or(RecordError("negotiation"))?;
    let side = side(record.by_peer);
    let phase = match record.phase {
        0 => Phase::Stable,
        1 => Phase::Solicited(side),
        2 => Phase::Offered(side, carrier(record.carrier)?),
        _ => return Err(RecordError("negotiation.phase")),
    };
    Ok(OfferAnswer::from_parts(phase, record.open, record.local, record.remote))
}

const fn carrier(number: u32) -> Read<Carrier> {
    Ok(match number {
        1 => Carrier::Invite,
        2 => Carrier::Provisional,
        3 => Carrier::ReliableProvisional,
        4 => Carrier::Success,
        5 => Carrier::Ack,
        6 => Carrier::Prack,
        7 => Carrier::PrackSuccess,
        8 => Carrier::Update,
        9 => Carrier::UpdateSuccess,
        _ => return Err(RecordError("negotiation.carrier")),
    })
}

const fn provisionals(reliable: bool) -> Provisionals {
    if reliable { Provisionals::Reliable } else { Provisionals::Plain }
}

fn outgoing(record: v1::OutgoingInviteRecord) -> Read<OutgoingInvite> {
    let purpose = purpose(record.purpose())?;
    Ok(OutgoingInvite {
        cseq: record.cseq,
        stage: match record.stage {
            1 => OutgoingStage::Pending,
            2 => OutgoingStage::CancelWanted,
            3 => OutgoingStage::Cancelled,
            4 => OutgoingStage::AckOwed,
            _ => return Err(RecordError("outgoing.stage")),
        },
        provisionals: provisionals(record.reliable),
        forks: record
            .forks
            .into_iter()
            .map(|fork| {
                Ok(EarlyDialog {
                    dialog: dialog(fork.dialog)?,
                    offer_answer: negotiation(fork.negotiation)?,
                    rseq: fork.rseq,
                })
            })
            .collect::<Read<_>>()?,
        purpose,
        request: record.request,
    })
}

const fn purpose(purpose: v1::InviteRecordPurpose) -> Read<InvitePurpose> {
    Ok(match purpose {
        v1::InviteRecordPurpose::Begin => InvitePurpose::Begin,
        v1::InviteRecordPurpose::Change => InvitePurpose::Change,
        v1::InviteRecordPurpose::Refresh => InvitePurpose::Refresh,
        v1::InviteRecordPurpose::Unspecified => return Err(RecordError("purpose")),
    })
}

fn answering(record: v1::IncomingInviteRecord) -> Read<IncomingInvite> {
    let keep_alive = record.keep_alive;
    Ok(IncomingInvite {
        request: record.request,
        cseq: record.cseq,
        unpracked: record
            .unpracked
            .map(|waiting| {
                Ok(Unpracked {
                    rseq: waiting.rseq,
                    response: waiting.response,
                    repeat: repeat(waiting.repeat)?,
                    end: Timestamp::from_micros(waiting.end_us),
                })
            })
            .transpose()?,
        queued: record
            .queued
            .into_iter()
            .map(|reply| {
                let status = u16::try_from(reply.status).map_err(|_| RecordError("queued.status"))?;
                Ok(QueuedReply { status, headers: headers(reply.headers), session: reply.session })
            })
            .collect::<Read<_>>()?,
        keep_alive: record.keep_alive_due_us.map(|due| (Timestamp::from_micros(due), keep_alive)),
        provisionals: provisionals(record.reliable),
    })
}

fn unacked(record: v1::UnacknowledgedRecord) -> Read<Unacknowledged> {
    Ok(Unacknowledged {
        cseq: record.cseq,
        response: record.response,
        flow: flow(record.flow)?,
        repeat: repeat(record.repeat)?,
        end: Timestamp::from_micros(record.end_us),
    })
}

fn repeat(record: Option<v1::RepeatRecord>) -> Read<Repeat> {
    let record = record.ok_or(RecordError("repeat"))?;
    Ok(Repeat { due: Timestamp::from_micros(record.due_us), interval: Duration::from_micros(record.interval_us) })
}

fn headers(records: Vec<v1::HeaderRecord>) -> ExtraHeaders {
    records.into_iter().map(|header| (HeaderName::from_name(&header.name), header.value)).collect()
}

fn pending_request(record: v1::PendingRequestRecord) -> Read<PendingRequest> {
    Ok(PendingRequest {
        id: record.id,
        method: method(&record.method),
        purpose: match record.purpose {
            1 => RequestPurpose::Application,
            2 => RequestPurpose::Change,
            3 => RequestPurpose::Refresh,
            4 => RequestPurpose::Acknowledge,
            5 => RequestPurpose::Leave,
            _ => return Err(RecordError("requests.purpose")),
        },
        request: record.request,
        is_secret: false,
    })
}

fn session(record: v1::SessionTimerRecord) -> SessionTimer {
    SessionTimer {
        interval_s: record.interval_s,
        we_refresh: record.we_refresh,
        due: record.due_us.map(Timestamp::from_micros),
        min_se_s: record.min_se_s,
        expires_at: record.expires_us.map(Timestamp::from_micros),
    }
}

fn glare(record: v1::GlareRecord) -> Read<Glare> {
    let purpose = purpose(record.purpose())?;
    Ok(Glare { due: Timestamp::from_micros(record.due_us), purpose })
}

fn schedule(record: Option<v1::ScheduleRecord>) -> Read<Schedule> {
    let record = record.unwrap_or_default();
    Ok(Schedule {
        repeat: record.repeat.map(|r| repeat(Some(r))).transpose()?,
        end: record.end_us.map(Timestamp::from_micros),
    })
}

fn client(record: v1::ClientTransactionRecord) -> Read<ClientSnapshot> {
    Ok(ClientSnapshot {
        branch: record.branch.into_boxed_str(),
        method: method(&record.method),
        state: match record.state {
            1 => ClientState::Calling,
            2 => ClientState::Trying,
            3 => ClientState::Proceeding,
            4 => ClientState::Completed,
            5 => ClientState::Accepted,
            _ => return Err(RecordError("client.state")),
        },
        schedule: schedule(record.schedule)?,
        flow: flow(record.flow)?,
        request: record.request,
        acks: record.acks.into_iter().map(|ack| (ack.to_tag.into_boxed_str(), ack.ack)).collect(),
    })
}

fn server(record: v1::ServerTransactionRecord) -> Read<ServerSnapshot> {
    Ok(ServerSnapshot {
        key: record.key.to_vec().into_boxed_slice(),
        method: method(&record.method),
        state: match record.state {
            1 => ServerState::Trying,
            2 => ServerState::Proceeding,
            3 => ServerState::Completed,
            4 => ServerState::Confirmed,
            5 => ServerState::Accepted,
            _ => return Err(RecordError("server.state")),
        },
        schedule: schedule(record.schedule)?,
        flow: flow(record.flow)?,
        last: record.last,
        request: record.request,
    })
}
