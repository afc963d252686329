//! The call model's record to its snapshot.

use call::CallSnapshot;
use call::call::{
    Asked, ConsultsFor, Feature, Forwarding, HoldAsked, HoldWay, InService, Invitation, InvitationStep, LegProgress,
    NewConsultation, NextNumbers, Observes, Offer, Originating, OriginatingStep, Parked, Party, PartyNo, PinAsk,
    Playing, Point, Purpose, Recall, Recording, RecordingState, Replaced, Replacement, Routing, Stage, Timer, Transfer,
    Waiting,
};
use contracts::v1;
use contracts::v1::call_model_record::Stage as StageRecord;
use contracts::wire::{
    call_type_from_wire, dn_role_from_wire, forward_mode_from_wire, monitor_mode_from_wire, treatment_from_wire,
    user_data_from_wire, uuid_from_wire,
};
use model::plan::{
    Caller, Contact, DayLimit, FeatureCode, ForwardedBy, Forwards, OutgoingLimit, OutsideLimits, Service, Way,
};
use model::request::{ForwardMode, MonitorMode};
use model::{AgentId, ConnId, Dn, LegId, ReferenceId, TenantId, Timestamp, Token};

use crate::dialog_records::RecordError;

type Read<T> = Result<T, RecordError>;

pub(super) fn snapshot(mut record: v1::CallModelRecord) -> Read<CallSnapshot> {
    contracts::call_record::upgrade(&mut record);
    let caller = device(record.caller_dn, &record.caller_trunk, &record.caller_number)?;
    Ok(CallSnapshot {
        tenant: TenantId::parse(&record.tenant).map_err(|_| RecordError("tenant"))?,
        conn_id: ConnId(record.conn_id),
        uuid: uuid_from_wire(&record.uuid, "uuid").map_err(|_| RecordError("uuid"))?,
        token: Token(record.token),
        seq: record.seq,
        answers: record.answers,
        created_at: Timestamp::from_micros(record.created_at_us),
        last_at: Timestamp::from_micros(record.last_at_us),
        caller,
        dialled: record.dialled,
        user_data: user_data_from_wire(record.user_data).map_err(|_| RecordError("user_data"))?,
        parties: record.parties.into_iter().map(party).collect::<Read<_>>()?,
        transfer: record.transfer.map(transfer).transpose()?,
        invitation: record.invitation.map(invitation).transpose()?,
        replacement: record.replacement.map(replacement).transpose()?,
        announced: !record.unannounced,
        outbound: record.outbound,
        answers_late: record.answers_late,
        number: small(record.number, "number")?,
        consults_for: record.consults_for.map(consults_for).transpose()?,
        numbers: NextNumbers {
            leg: small(record.next_leg, "next_leg")?,
            treatment: record.next_treatment,
            ask: record.next_ask,
            call: small::<u16>(record.next_call, "next_call")?.max(1),
        },
        default_routes: small(record.default_routes, "default_routes")?,
        parks: small(record.parks, "parks")?,
        stage: stage(record.stage.ok_or(RecordError("stage"))?)?,
        playing: record.playing.into_iter().map(playing).collect::<Read<_>>()?,
        classifies: record.classifies,
        shows: record.shows,
        recording: record.recording.map(recording).transpose()?,
        hold_asked: record.hold_asked.map(hold_asked).transpose()?,
        timers: record.timers.into_iter().map(timer).collect::<Read<_>>()?,
    })
}

fn recording(record: v1::RecordingRecord) -> Read<Recording> {
    let state = match (record.stopped, record.paused) {
        (true, _) => RecordingState::Stopped,
        (false, true) => RecordingState::Paused,
        (false, false) => RecordingState::Recording,
    };
    Ok(Recording { number: small(record.number, "recording.number")?, beep: record.beep, state })
}

fn party(record: v1::PartyRecord) -> Read<Party> {
    Ok(Party {
        number: PartyNo(small(record.number, "parties.number")?),
        progress: progress(record.connection())?,
        device: device(record.dn, &record.trunk, &record.trunk_number)?,
        role: dn_role_from_wire(record.role).map_err(|_| RecordError("parties.role"))?,
        leg: leg(record.leg)?,
        held: record.held,
        away: record.away,
        muted: record.muted,
        deaf: record.deaf,
        observes: record.observes.map(observes).transpose()?,
        established: record.established,
        agent: agent(record.agent)?,
        point: record.point.map(point).transpose()?,
    })
}

fn device(number: Option<String>, trunk: &str, trunk_number: &str) -> Read<Caller> {
    Ok(match number {
        Some(number) => Caller::Phone(dn(&number)?),
        None => Caller::Trunk { trunk: trunk.to_owned(), number: trunk_number.to_owned() },
    })
}

const fn progress(record: v1::ConnectionRecord) -> Read<LegProgress> {
    Ok(match record {
        v1::ConnectionRecord::Offered => LegProgress::Offered,
        v1::ConnectionRecord::Called => LegProgress::Called,
        v1::ConnectionRecord::Answering => LegProgress::Answering,
        v1::ConnectionRecord::Answered => LegProgress::Answered,
        v1::ConnectionRecord::Gone => LegProgress::Gone,
        v1::ConnectionRecord::Unspecified => return Err(RecordError("connection")),
    })
}

fn small<T: TryFrom<u32>>(number: u32, field: &'static str) -> Read<T> {
    T::try_from(number).map_err(|_| RecordError(field))
}

fn dn(text: &str) -> Read<Dn> {
    Dn::parse(text).map_err(|_| RecordError("a DN"))
}

fn agent(text: Option<String>) -> Read<Option<AgentId>> {
    text.map(|text| AgentId::parse(&text).map_err(|_| RecordError("an agent"))).transpose()
}

fn leg(number: u32) -> Read<LegId> {
    small(number, "a leg").map(LegId)
}

fn stage(record: StageRecord) -> Read<Stage> {
    Ok(match record {
        StageRecord::Asking(ask) => Stage::Asking { ask },
        StageRecord::Originating(own) => Stage::Originating(originating(own)?),
        StageRecord::Waiting(waiting) => Stage::Waiting(Waiting {
            point: point(waiting.point.ok_or(RecordError("waiting.point"))?)?,
            routing: waiting.routing.map(routing).transpose()?,
        }),
        StageRecord::Offering(ringing) => Stage::Offering(offer(ringing)?),
        StageRecord::Talking(_) => Stage::Talking,
        StageRecord::Recalling(back) => Stage::Recalling(recall(back)?),
        StageRecord::TalkingWith(_) => return Err(RecordError("stage")),
        StageRecord::Service(served) => Stage::Service(InService {
            number: served.number,
            service: match served.announcement {
                true => Service::Announcement { prompts: served.prompts },
                false => Service::Echo,
            },
        }),
        StageRecord::Feature(code) => Stage::Feature(feature(code)?),
        StageRecord::Parked(parked) => Stage::Parked(Parked {
            slot: dn(&parked.slot)?,
            by: parked.by.as_deref().map(dn).transpose()?,
            point: parked.point.map(point).transpose()?,
        }),
        StageRecord::Over(_) => Stage::Over,
    })
}

fn feature(record: v1::FeatureRecord) -> Read<Feature> {
    use v1::FeatureRecordCode as Code;
    let code = match record.code() {
        Code::Login => FeatureCode::Login,
        Code::Logout => FeatureCode::Logout,
        Code::Ready => FeatureCode::Ready,
        Code::NotReady => FeatureCode::NotReady,
        Code::DndOn => FeatureCode::DndOn,
        Code::DndOff => FeatureCode::DndOff,
        Code::ForwardOff => FeatureCode::ForwardOff,
        Code::Forward => {
            let mode = forward_mode_from_wire(record.forward_mode).map_err(|_| RecordError("feature.forward_mode"))?;
            FeatureCode::Forward(mode, dn(&record.number.ok_or(RecordError("feature.number"))?)?)
        }
        Code::Unspecified => return Err(RecordError("feature.code")),
    };
    Ok(Feature { code, told: record.told, pin: record.pin.map(pin).transpose()? })
}

fn originating(record: v1::OriginatingRecord) -> Read<Originating> {
    use v1::originating_record::Step;
    let step = match record.step.ok_or(RecordError("originating.step"))? {
        Step::Destination(ask) => OriginatingStep::Destination(ask),
        Step::Phone(ask) => OriginatingStep::Phone(ask),
        Step::Point(ask) => OriginatingStep::Point(ask),
        Step::Number(number) => OriginatingStep::Number {
            ask: number.ask,
            point: point(number.point.ok_or(RecordError("originating.number.point"))?)?,
        },
        Step::Ringing(ringing) => OriginatingStep::Ringing {
            legs: ringing.legs.into_iter().map(leg).collect::<Read<_>>()?,
            refusal: ringing.refusal.map(|status| small(status, "originating.refusal")).transpose()?,
        },
    };
    Ok(Originating { asked: asked(record.asked.ok_or(RecordError("originating.asked"))?)?, step })
}

fn replacement(record: v1::ReplacementRecord) -> Read<Replacement> {
    use v1::replacement_record::Of;
    let of = match record.of.ok_or(RecordError("replacement.of"))? {
        Of::Ringing(number) => Replaced::Ringing(leg(number)?),
        Of::Replaced(number) => Replaced::Leg(leg(number)?),
        Of::Parked(_) => Replaced::Parked,
    };
    Ok(Replacement { leg: leg(record.leg)?, dn: dn(&record.dn)?, of })
}

fn pin(record: v1::PinRecord) -> Read<PinAsk> {
    Ok(PinAsk {
        ask: record.ask,
        digits: small(record.digits, "feature.pin.digits")?,
        tries: small(record.tries, "feature.pin.tries")?,
    })
}

fn routing(record: v1::RouteUnderWayRecord) -> Read<Routing> {
    Ok(Routing {
        ask: record.ask,
        dn: dn(&record.dn)?,
        agent: agent(record.agent)?,
        asked: record.asked.map(asked).transpose()?,
    })
}

fn point(record: v1::PointRecord) -> Read<Point> {
    Ok(Point {
        dn: dn(&record.dn)?,
        application: record.application,
        default_dn: record.default_dn.as_deref().map(dn).transpose()?,
    })
}

fn asked(record: v1::AskedRecord) -> Read<Asked> {
    Ok(Asked {
        this_dn: dn(&record.this_dn)?,
        requester: record.requester,
        reference: ReferenceId(record.reference),
        no_answer_ms: record.no_answer_ms,
        reasons: user_data_from_wire(record.reasons).map_err(|_| RecordError("reasons"))?,
    })
}

fn offer(record: v1::OfferRecord) -> Read<Offer> {
    Ok(Offer {
        dn: dn(&record.dn)?,
        trunk: record.trunk,
        agent: agent(record.agent)?,
        legs: record.legs.into_iter().map(leg).collect::<Read<_>>()?,
        rang: record.rang,
        point: record.point.map(point).transpose()?,
        refusal: record.refusal.map(|status| small(status, "party.refusal")).transpose()?,
        answer_asked: record.answer_asked.map(asked).transpose()?,
        redirect: record.redirect.map(routing).transpose()?,
        transferred_by: record.transferred_by.as_deref().map(dn).transpose()?,
        recalled_from: record.recalled_from.as_deref().map(dn).transpose()?,
        tries: small(record.tries, "party.tries")?,
        // The release before names emergencies by their ways alone.
        is_emergency: record.emergency || record.further.iter().any(|way| way.always),
        heard: record.heard.into_iter().map(leg).collect::<Read<_>>()?,
        rings: record.rings.into_iter().map(leg).collect::<Read<_>>()?,
        further: record.further.into_iter().map(way_out).collect::<Read<_>>()?,
        forwarded_by: forwarded_by(&record.forwarded_by, &record.forward_modes)?,
        forwards: Forwards { busy: record.forwards_busy, no_answer: record.forwards_no_answer },
        forwarding: record.forwarding.map(forwarding).transpose()?,
    })
}

/// The release before has written no modes.
fn forwarded_by(dns: &[String], modes: &[i32]) -> Read<Vec<ForwardedBy>> {
    let modes =
        modes.iter().copied().map(forward_mode_from_wire).chain(std::iter::repeat_with(|| Ok(ForwardMode::default())));
    let by = |(by, mode): (&String, Result<ForwardMode, _>)| {
        Ok(ForwardedBy { dn: dn(by)?, mode: mode.map_err(|_| RecordError("party.forward_modes"))? })
    };
    dns.iter().zip(modes).map(by).collect()
}

fn way_out(record: v1::WayRecord) -> Read<Way> {
    Ok(Way {
        trunk: record.trunk,
        contact: Contact::new(record.uri, record.path),
        caller_id: record.caller_id,
        try_ms: record.try_ms,
        is_emergency: record.always,
        limits: limits(record.limit, record.a_day)?,
    })
}

pub(super) fn limits(at_once: Option<v1::OutgoingLimitRecord>, a_day: Vec<v1::DayLimitRecord>) -> Read<OutsideLimits> {
    let at_once = at_once.map(|record| Ok(OutgoingLimit { phone: dn(&record.phone)?, most: record.most }));
    let day_limit = |record: v1::DayLimitRecord| {
        let agent = record.agent.as_deref().map(AgentId::parse).transpose();
        let agent = agent.map_err(|_| RecordError("a_day.agent"))?;
        Ok(DayLimit {
            rule: record.rule,
            phone: record.phone.as_deref().map(dn).transpose()?,
            per_agent: agent.is_some(),
            agent,
            calls: record.calls,
            minutes: record.minutes,
            day_ends: Timestamp::from_micros(record.day_ends_us),
        })
    };
    // What is stored has been tried, or comes after what was.
    Ok(OutsideLimits {
        at_once: at_once.transpose()?,
        a_day: a_day.into_iter().map(day_limit).collect::<Read<_>>()?,
        counts: false,
    })
}

fn forwarding(record: v1::ForwardingRecord) -> Read<Forwarding> {
    let status = small(record.status, "party.forwarding.status")?;
    Ok(Forwarding { ask: record.ask, busy: record.busy, status })
}

fn transfer(record: v1::TransferRecord) -> Read<Transfer> {
    Ok(Transfer {
        party: PartyNo(small(record.party, "transfer.party")?),
        ask: record.ask,
        to: dn(&record.to)?,
        asked: record.asked.map(asked).transpose()?,
        consultation: record.consultation.map(consultation).transpose()?,
    })
}

fn invitation(record: v1::InvitationRecord) -> Read<Invitation> {
    use v1::invitation_record::Step;
    let step = match record.step.ok_or(RecordError("invitation.step"))? {
        Step::LookingUp(question) => InvitationStep::LookingUp { ask: question.ask, to: dn(&question.to)? },
        Step::Ringing(ringing) => InvitationStep::Ringing(offer(ringing)?),
    };
    let by = PartyNo(small(record.by, "invitation.by")?);
    let monitors = record.monitor_mode.map(monitor_mode).transpose()?;
    Ok(Invitation { by, asked: asked(record.asked.ok_or(RecordError("invitation.asked"))?)?, step, monitors })
}

fn observes(record: v1::ObservesRecord) -> Read<Observes> {
    Ok(Observes { party: PartyNo(small(record.party, "parties.observes")?), mode: monitor_mode(record.mode)? })
}

fn monitor_mode(number: i32) -> Read<MonitorMode> {
    monitor_mode_from_wire(number).map_err(|_| RecordError("monitor_mode"))
}

fn consultation(record: v1::NewConsultationRecord) -> Read<NewConsultation> {
    Ok(NewConsultation {
        conn_id: ConnId(record.conn_id),
        uuid: uuid_from_wire(&record.uuid, "uuid").map_err(|_| RecordError("transfer.consultation.uuid"))?,
        user_data: user_data_from_wire(record.user_data).map_err(|_| RecordError("transfer.consultation.user_data"))?,
        mute: record.mute,
    })
}

fn consults_for(record: v1::ConsultsForRecord) -> Read<ConsultsFor> {
    Ok(ConsultsFor {
        conn_id: ConnId(record.conn_id),
        call_type: call_type_from_wire(record.call_type).map_err(|_| RecordError("consults_for.call_type"))?,
        thread: uuid_from_wire(&record.thread, "thread").map_err(|_| RecordError("consults_for.thread"))?,
    })
}

fn recall(record: v1::RecallRecord) -> Read<Recall> {
    Ok(Recall {
        ask: Some(record.ask).filter(|ask| *ask > 0),
        to: dn(&record.to)?,
        from: dn(&record.from)?,
        tries: small(record.tries, "recall.tries")?,
        point: record.point.map(point).transpose()?,
    })
}

fn playing(record: v1::PlayingRecord) -> Read<Playing> {
    let by = || asked(record.asked.clone().ok_or(RecordError("playing.asked"))?);
    let purpose = match record.purpose() {
        v1::PlayingRecordPurpose::Applied => Purpose::Applied(by()?),
        v1::PlayingRecordPurpose::ToParty => Purpose::ToParty(by()?),
        v1::PlayingRecordPurpose::Collecting => Purpose::Collecting(by()?),
        v1::PlayingRecordPurpose::RingBack => Purpose::RingBack,
        v1::PlayingRecordPurpose::HoldMusic => Purpose::HoldMusic,
        v1::PlayingRecordPurpose::Pin => Purpose::Pin,
        v1::PlayingRecordPurpose::Service => Purpose::Service,
        v1::PlayingRecordPurpose::Classifying => Purpose::Classifying,
        v1::PlayingRecordPurpose::Unspecified => return Err(RecordError("playing.purpose")),
    };
    let treatment = record.treatment.ok_or(RecordError("playing.treatment"))?;
    Ok(Playing {
        id: record.id,
        leg: leg(record.leg)?,
        treatment: treatment_from_wire(treatment).map_err(|_| RecordError("playing.treatment"))?,
        purpose,
        issued: record.issued,
        started: record.started,
        recorded_since: record.recorded_since_us.map(Timestamp::from_micros),
        due: record.due_us.map(Timestamp::from_micros),
    })
}

fn hold_asked(record: v1::HoldAskedRecord) -> Read<HoldAsked> {
    let way = match record.way() {
        v1::HoldRecordWay::Hold => HoldWay::Hold,
        v1::HoldRecordWay::Retrieve => HoldWay::Retrieve,
        v1::HoldRecordWay::Unspecified => return Err(RecordError("hold_asked.way")),
    };
    Ok(HoldAsked { leg: leg(record.leg)?, way, asked: asked(record.asked.ok_or(RecordError("hold_asked.asked"))?)? })
}

fn timer(record: v1::CallTimerRecord) -> Read<(Timer, Timestamp)> {
    use v1::CallTimerRecordName as Record;
    let name = match record.name() {
        Record::DialPlan => Timer::DialPlan,
        Record::Instruction => Timer::Instruction,
        Record::Quiet => Timer::Quiet,
        Record::NoAnswer => Timer::NoAnswer,
        Record::Treatment => Timer::Treatment,
        Record::AgentAnswer => Timer::AgentAnswer,
        Record::HoldAnswer => Timer::HoldAnswer,
        Record::PhoneAnswer => Timer::PhoneAnswer,
        Record::Recall => Timer::Recall,
        Record::Trunk => Timer::Trunk,
        Record::Lifetime => Timer::Lifetime,
        Record::Unspecified => return Err(RecordError("timers.name")),
    };
    Ok((name, Timestamp::from_micros(record.due_us)))
}
