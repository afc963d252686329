//! The call model's snapshot to its record.

use call::CallSnapshot;
use call::call::{
    Asked, ConsultsFor, Feature, HoldWay, InService, Invitation, InvitationStep, LegProgress, Offer, Originating,
    OriginatingStep, Party, Playing, Point, Purpose, Recall, Recording, RecordingState, Replaced, Replacement, Routing,
    Stage, Timer, Transfer,
};
use contracts::v1;
use contracts::v1::call_model_record::Stage as StageRecord;
use contracts::wire::{
    call_type_to_wire, dn_role_to_wire, forward_mode_to_wire, monitor_mode_to_wire, treatment_to_wire,
    user_data_to_wire, uuid_to_wire,
};
use model::plan::{Caller, DayLimit, FeatureCode, OutsideLimits, Service, Way};
use model::{AgentId, Timestamp};

pub(super) fn snapshot(state: &CallSnapshot) -> v1::CallModelRecord {
    let (caller_dn, caller_trunk, caller_number) = device(&state.caller);
    v1::CallModelRecord {
        tenant: state.tenant.to_string(),
        conn_id: state.conn_id.0,
        uuid: uuid_to_wire(state.uuid),
        token: state.token.0,
        seq: state.seq,
        answers: state.answers,
        created_at_us: state.created_at.as_micros(),
        last_at_us: state.last_at.as_micros(),
        caller_dn,
        caller_trunk,
        caller_number,
        dialled: state.dialled.clone(),
        user_data: Some(user_data_to_wire(&state.user_data)),
        next_leg: state.numbers.leg.into(),
        next_treatment: state.numbers.treatment,
        next_ask: state.numbers.ask,
        next_call: state.numbers.call.into(),
        unannounced: !state.announced,
        outbound: state.outbound,
        answers_late: state.answers_late,
        number: state.number.into(),
        consults_for: state.consults_for.map(consults_for),
        default_routes: state.default_routes.into(),
        parks: state.parks.into(),
        stage: Some(stage(&state.stage)),
        playing: state.playing.iter().map(playing).collect(),
        classifies: state.classifies,
        shows: state.shows.clone(),
        recording: state.recording.map(recording),
        hold_asked: state.hold_asked.as_ref().map(|open| v1::HoldAskedRecord {
            leg: open.leg.0.into(),
            way: way(open.way).into(),
            asked: Some(asked(&open.asked)),
        }),
        timers: state.timers.iter().map(|(name, due)| timer(name, due)).collect(),
        parties: state.parties.iter().map(party).collect(),
        transfer: state.transfer.as_ref().map(transfer),
        invitation: state.invitation.as_ref().map(invitation),
        replacement: state.replacement.as_ref().map(replacement),
        ..v1::CallModelRecord::default()
    }
}

fn recording(own: Recording) -> v1::RecordingRecord {
    v1::RecordingRecord {
        number: own.number.into(),
        beep: own.beep,
        paused: own.state == RecordingState::Paused,
        stopped: own.state == RecordingState::Stopped,
    }
}

fn device(device: &Caller) -> (Option<String>, String, String) {
    match device {
        Caller::Phone(dn) => (Some(dn.to_string()), String::new(), String::new()),
        Caller::Trunk { trunk, number } => (None, trunk.clone(), number.clone()),
    }
}

fn party(party: &Party) -> v1::PartyRecord {
    let (dn, trunk, trunk_number) = device(&party.device);
    v1::PartyRecord {
        number: party.number.0.into(),
        dn,
        trunk,
        trunk_number,
        role: dn_role_to_wire(party.role),
        leg: party.leg.0.into(),
        connection: match party.progress {
            LegProgress::Offered => v1::ConnectionRecord::Offered,
            LegProgress::Called => v1::ConnectionRecord::Called,
            LegProgress::Answering => v1::ConnectionRecord::Answering,
            LegProgress::Answered => v1::ConnectionRecord::Answered,
            LegProgress::Gone => v1::ConnectionRecord::Gone,
        }
        .into(),
        held: party.held,
        away: party.away,
        muted: party.muted,
        deaf: party.deaf,
        observes: party.observes.map(|observes| v1::ObservesRecord {
            party: observes.party.0.into(),
            mode: monitor_mode_to_wire(observes.mode),
        }),
        established: party.established,
        agent: party.agent.as_ref().map(AgentId::to_string),
        point: party.point.as_ref().map(point),
    }
}

fn stage(stage: &Stage) -> StageRecord {
    match stage {
        Stage::Asking { ask } => StageRecord::Asking(*ask),
        Stage::Originating(own) => StageRecord::Originating(originating(own)),
        Stage::Waiting(waiting) => StageRecord::Waiting(v1::WaitingRecord {
            point: Some(point(&waiting.point)),
            routing: waiting.routing.as_ref().map(routing),
        }),
        Stage::Offering(ringing) => StageRecord::Offering(offer(ringing)),
        Stage::Talking => StageRecord::Talking(v1::NothingRecord {}),
        Stage::Recalling(back) => StageRecord::Recalling(recall(back)),
        Stage::Service(served) => StageRecord::Service(service(served)),
        Stage::Feature(code) => StageRecord::Feature(feature(code)),
        Stage::Parked(parked) => StageRecord::Parked(v1::ParkedRecord {
            slot: parked.slot.to_string(),
            by: parked.by.as_ref().map(ToString::to_string),
            point: parked.point.as_ref().map(point),
        }),
        Stage::Over => StageRecord::Over(v1::NothingRecord {}),
    }
}

fn service(served: &InService) -> v1::ServiceRecord {
    let number = served.number.clone();
    match &served.service {
        Service::Echo => v1::ServiceRecord { announcement: false, prompts: Vec::new(), number },
        Service::Announcement { prompts } => v1::ServiceRecord { announcement: true, prompts: prompts.clone(), number },
    }
}

fn feature(feature: &Feature) -> v1::FeatureRecord {
    use v1::FeatureRecordCode as Code;
    let (code, forward) = match &feature.code {
        FeatureCode::Login => (Code::Login, None),
        FeatureCode::Logout => (Code::Logout, None),
        FeatureCode::Ready => (Code::Ready, None),
        FeatureCode::NotReady => (Code::NotReady, None),
        FeatureCode::DndOn => (Code::DndOn, None),
        FeatureCode::DndOff => (Code::DndOff, None),
        FeatureCode::ForwardOff => (Code::ForwardOff, None),
        FeatureCode::Forward(mode, to) => (Code::Forward, Some((*mode, to))),
    };
    v1::FeatureRecord {
        code: code.into(),
        told: feature.told,
        pin: feature.pin.map(|pin| v1::PinRecord { ask: pin.ask, digits: pin.digits.into(), tries: pin.tries.into() }),
        number: forward.map(|(_, to)| to.to_string()),
        forward_mode: forward.map_or(0, |(mode, _)| forward_mode_to_wire(mode)),
    }
}

fn originating(own: &Originating) -> v1::OriginatingRecord {
    use v1::originating_record::Step;
    let step = match &own.step {
        OriginatingStep::Destination(ask) => Step::Destination(*ask),
        OriginatingStep::Phone(ask) => Step::Phone(*ask),
        OriginatingStep::Point(ask) => Step::Point(*ask),
        OriginatingStep::Number { ask, point: at } => {
            Step::Number(v1::PredictiveRecord { ask: *ask, point: Some(point(at)) })
        }
        OriginatingStep::Ringing { legs, refusal } => Step::Ringing(v1::RingingRecord {
            legs: legs.iter().map(|leg| leg.0.into()).collect(),
            refusal: refusal.map(u32::from),
        }),
    };
    v1::OriginatingRecord { asked: Some(asked(&own.asked)), step: Some(step) }
}

fn point(point: &Point) -> v1::PointRecord {
    v1::PointRecord {
        dn: point.dn.to_string(),
        application: point.application.clone(),
        default_dn: point.default_dn.as_ref().map(ToString::to_string),
    }
}

fn asked(asked: &Asked) -> v1::AskedRecord {
    v1::AskedRecord {
        this_dn: asked.this_dn.to_string(),
        requester: asked.requester.clone(),
        reference: asked.reference.0,
        no_answer_ms: asked.no_answer_ms,
        reasons: (!asked.reasons.is_empty()).then(|| user_data_to_wire(&asked.reasons)),
    }
}

fn routing(routing: &Routing) -> v1::RouteUnderWayRecord {
    v1::RouteUnderWayRecord {
        ask: routing.ask,
        dn: routing.dn.to_string(),
        agent: routing.agent.as_ref().map(AgentId::to_string),
        asked: routing.asked.as_ref().map(asked),
    }
}

fn offer(offer: &Offer) -> v1::OfferRecord {
    v1::OfferRecord {
        dn: offer.dn.to_string(),
        trunk: offer.trunk.clone(),
        agent: offer.agent.as_ref().map(AgentId::to_string),
        legs: offer.legs.iter().map(|leg| leg.0.into()).collect(),
        rang: offer.rang,
        held: false,
        point: offer.point.as_ref().map(point),
        refusal: offer.refusal.map(u32::from),
        answer_asked: offer.answer_asked.as_ref().map(asked),
        redirect: offer.redirect.as_ref().map(routing),
        transferred_by: offer.transferred_by.as_ref().map(ToString::to_string),
        recalled_from: offer.recalled_from.as_ref().map(ToString::to_string),
        tries: offer.tries.into(),
        further: offer.further.iter().map(way_out).collect(),
        emergency: offer.is_emergency,
        heard: offer.heard.iter().map(|leg| leg.0.into()).collect(),
        rings: offer.rings.iter().map(|leg| leg.0.into()).collect(),
        forwarded_by: offer.forwarded_by.iter().map(|by| by.dn.to_string()).collect(),
        forward_modes: offer.forwarded_by.iter().map(|by| forward_mode_to_wire(by.mode)).collect(),
        forwarding: offer.forwarding.map(|open| v1::ForwardingRecord {
            ask: open.ask,
            busy: open.busy,
            status: open.status.into(),
        }),
        forwards_busy: offer.forwards.busy,
        forwards_no_answer: offer.forwards.no_answer,
    }
}

fn way_out(way: &Way) -> v1::WayRecord {
    v1::WayRecord {
        trunk: way.trunk.clone(),
        uri: way.contact.uri.clone(),
        path: way.contact.path.clone(),
        caller_id: way.caller_id.clone(),
        try_ms: way.try_ms,
        always: way.is_emergency,
        limit: at_once(&way.limits),
        a_day: a_day(&way.limits),
    }
}

pub(super) fn at_once(limits: &OutsideLimits) -> Option<v1::OutgoingLimitRecord> {
    let limit = limits.at_once.as_ref()?;
    Some(v1::OutgoingLimitRecord { phone: limit.phone.to_string(), most: limit.most })
}

pub(super) fn a_day(limits: &OutsideLimits) -> Vec<v1::DayLimitRecord> {
    let record = |limit: &DayLimit| v1::DayLimitRecord {
        rule: limit.rule.clone(),
        phone: limit.phone.as_ref().map(ToString::to_string),
        agent: limit.agent.as_ref().map(ToString::to_string),
        calls: limit.calls,
        minutes: limit.minutes,
        day_ends_us: limit.day_ends.as_micros(),
    };
    limits.a_day.iter().map(record).collect()
}

fn transfer(transfer: &Transfer) -> v1::TransferRecord {
    v1::TransferRecord {
        party: transfer.party.0.into(),
        ask: transfer.ask,
        to: transfer.to.to_string(),
        asked: transfer.asked.as_ref().map(asked),
        consultation: transfer.consultation.as_ref().map(|new| v1::NewConsultationRecord {
            conn_id: new.conn_id.0,
            uuid: uuid_to_wire(new.uuid),
            user_data: Some(user_data_to_wire(&new.user_data)),
            mute: new.mute,
        }),
    }
}

fn invitation(open: &Invitation) -> v1::InvitationRecord {
    use v1::invitation_record::Step;
    let step = match &open.step {
        InvitationStep::LookingUp { ask, to } => Step::LookingUp(v1::LookUpRecord { ask: *ask, to: to.to_string() }),
        InvitationStep::Ringing(ringing) => Step::Ringing(offer(ringing)),
    };
    let monitor_mode = open.monitors.map(monitor_mode_to_wire);
    v1::InvitationRecord { by: open.by.0.into(), asked: Some(asked(&open.asked)), step: Some(step), monitor_mode }
}

fn replacement(open: &Replacement) -> v1::ReplacementRecord {
    use v1::replacement_record::Of;
    let of = match open.of {
        Replaced::Ringing(leg) => Of::Ringing(leg.0.into()),
        Replaced::Leg(leg) => Of::Replaced(leg.0.into()),
        Replaced::Parked => Of::Parked(v1::NothingRecord {}),
    };
    v1::ReplacementRecord { leg: open.leg.0.into(), dn: open.dn.to_string(), of: Some(of) }
}

fn consults_for(of: ConsultsFor) -> v1::ConsultsForRecord {
    v1::ConsultsForRecord {
        conn_id: of.conn_id.0,
        call_type: call_type_to_wire(of.call_type),
        thread: uuid_to_wire(of.thread),
    }
}

fn recall(recall: &Recall) -> v1::RecallRecord {
    v1::RecallRecord {
        ask: recall.ask.unwrap_or_default(),
        tries: recall.tries.into(),
        to: recall.to.to_string(),
        from: recall.from.to_string(),
        point: recall.point.as_ref().map(point),
    }
}

fn playing(playing: &Playing) -> v1::PlayingRecord {
    use v1::PlayingRecordPurpose as Record;
    let (purpose, by) = match &playing.purpose {
        Purpose::Applied(by) => (Record::Applied, Some(asked(by))),
        Purpose::ToParty(by) => (Record::ToParty, Some(asked(by))),
        Purpose::Collecting(by) => (Record::Collecting, Some(asked(by))),
        Purpose::RingBack => (Record::RingBack, None),
        Purpose::HoldMusic => (Record::HoldMusic, None),
        Purpose::Pin => (Record::Pin, None),
        Purpose::Service => (Record::Service, None),
        Purpose::Classifying => (Record::Classifying, None),
    };
    v1::PlayingRecord {
        id: playing.id,
        leg: playing.leg.0.into(),
        treatment: Some(treatment_to_wire(&playing.treatment)),
        purpose: purpose.into(),
        asked: by,
        issued: playing.issued,
        started: playing.started,
        due_us: playing.due.map(|due| due.as_micros()),
        recorded_since_us: playing.recorded_since.map(|since| since.as_micros()),
    }
}

pub(super) const fn way(way: HoldWay) -> v1::HoldRecordWay {
    match way {
        HoldWay::Hold => v1::HoldRecordWay::Hold,
        HoldWay::Retrieve => v1::HoldRecordWay::Retrieve,
    }
}

fn timer(name: Timer, due: Timestamp) -> v1::CallTimerRecord {
    use v1::CallTimerRecordName as Record;
    let name = match name {
        Timer::DialPlan => Record::DialPlan,
        Timer::Instruction => Record::Instruction,
        Timer::Quiet => Record::Quiet,
        Timer::NoAnswer => Record::NoAnswer,
        Timer::Treatment => Record::Treatment,
        Timer::AgentAnswer => Record::AgentAnswer,
        Timer::HoldAnswer => Record::HoldAnswer,
        Timer::PhoneAnswer => Record::PhoneAnswer,
        Timer::Recall => Record::Recall,
        Timer::Trunk => Record::Trunk,
        Timer::Lifetime => Record::Lifetime,
    };
    v1::CallTimerRecord { name: name.into(), due_us: due.as_micros() }
}
