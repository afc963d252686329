//! The parts of a desk in its record.

use bayeux::ClientId;
use contracts::v1;
use model::Timestamp;
use serde_json::Value;

use super::super::desk::{
    ChannelSnapshot, DeskEnd, DeskPhase, DnAdmission, EndingSnapshot, ListenerSnapshot, OperationSnapshot,
    ReadingProgress, StoredEffect,
};

// === the initialisation ===

pub(super) fn initialisation(phase: &DeskPhase) -> (v1::DeskInitialisation, String) {
    match phase {
        DeskPhase::New => (v1::DeskInitialisation::New, String::new()),
        DeskPhase::Initialising => (v1::DeskInitialisation::UnderWay, String::new()),
        DeskPhase::Configured => (v1::DeskInitialisation::Done, String::new()),
        DeskPhase::Failed(why) => (v1::DeskInitialisation::Failed, why.clone()),
    }
}

pub(super) fn phase_of(initialisation: v1::DeskInitialisation, failure: &str) -> DeskPhase {
    match initialisation {
        v1::DeskInitialisation::Unspecified | v1::DeskInitialisation::New => DeskPhase::New,
        v1::DeskInitialisation::UnderWay => DeskPhase::Initialising,
        v1::DeskInitialisation::Done => DeskPhase::Configured,
        v1::DeskInitialisation::Failed => DeskPhase::Failed(failure.to_owned()),
    }
}

// === the clients ===

pub(super) fn listener(listener: &ListenerSnapshot) -> v1::DeskListenerRecord {
    v1::DeskListenerRecord {
        id: listener.id.as_str().to_owned(),
        initialised: listener.is_initialised,
        knows_voice: listener.knows_voice,
        ahead: listener.ahead,
    }
}

pub(super) fn listener_of(record: v1::DeskListenerRecord) -> Option<ListenerSnapshot> {
    Some(ListenerSnapshot {
        id: ClientId::parse(&record.id)?,
        is_initialised: record.initialised,
        knows_voice: record.knows_voice,
        ahead: record.ahead,
    })
}

// === the voice channel ===

pub(super) fn channel(channel: &ChannelSnapshot) -> v1::DeskChannelRecord {
    let ReadingProgress { after, begun } = channel.progress.clone();
    let (begun, begun_told) = begun.map_or((None, 0), |(position, told)| (Some(position), told));
    v1::DeskChannelRecord {
        dn: channel.dn.clone(),
        switch_name: channel.switch_name.clone(),
        work_mode: channel.work_mode.clone(),
        auto_complete_call: channel.auto_complete_call,
        admitted: channel.admission == DnAdmission::Admitted,
        login: channel.login,
        owns_login: channel.owns_login,
        leaving: channel.is_leaving,
        monitored: channel.monitored.clone(),
        told_dn: channel.told_dn.as_ref().map(Value::to_string),
        told_calls: channel.told_calls.iter().map(Value::to_string).collect(),
        whole: channel.is_whole,
        after,
        begun,
        begun_told,
    }
}

pub(super) fn channel_of(record: v1::DeskChannelRecord) -> Option<ChannelSnapshot> {
    let read = |text: &String| serde_json::from_str::<Value>(text).ok();
    let told_dn = match &record.told_dn {
        Some(text) => Some(read(text)?),
        None => None,
    };
    let begun_told = record.begun_told;
    Some(ChannelSnapshot {
        dn: record.dn,
        switch_name: record.switch_name,
        work_mode: record.work_mode,
        auto_complete_call: record.auto_complete_call,
        admission: if record.admitted { DnAdmission::Admitted } else { DnAdmission::Waiting },
        login: record.login,
        owns_login: record.owns_login,
        is_leaving: record.leaving,
        monitored: record.monitored,
        told_dn,
        told_calls: record.told_calls.iter().map(read).collect::<Option<_>>()?,
        is_whole: record.whole,
        progress: ReadingProgress { after: record.after, begun: record.begun.map(|position| (position, begun_told)) },
    })
}

// === the end ===

pub(super) fn ending(ending: &EndingSnapshot) -> v1::DeskEndingRecord {
    let why = match ending.why {
        DeskEnd::Logout => v1::DeskEndReason::Logout,
        DeskEnd::SignedOut => v1::DeskEndReason::SignedOut,
        DeskEnd::Idle => v1::DeskEndReason::Idle,
    };
    v1::DeskEndingRecord {
        why: why.into(),
        dn: ending.dn.clone(),
        agent: ending.agent.clone(),
        since_us: ending.since.as_micros(),
        settles_at_us: ending.settles_at.as_micros(),
    }
}

pub(super) fn ending_of(record: v1::DeskEndingRecord) -> EndingSnapshot {
    let why = match record.why() {
        v1::DeskEndReason::Unspecified | v1::DeskEndReason::Logout => DeskEnd::Logout,
        v1::DeskEndReason::SignedOut => DeskEnd::SignedOut,
        v1::DeskEndReason::Idle => DeskEnd::Idle,
    };
    EndingSnapshot {
        why,
        dn: record.dn,
        agent: record.agent,
        since: Timestamp::from_micros(record.since_us),
        settles_at: Timestamp::from_micros(record.settles_at_us),
    }
}

// === operations ===

pub(super) fn operation(operation: &OperationSnapshot) -> v1::DeskOperationRecord {
    let effect = match operation.effect {
        StoredEffect::Plain => v1::DeskOperationEffect::Plain,
        StoredEffect::Login => v1::DeskOperationEffect::Login,
        StoredEffect::LoginAgain => v1::DeskOperationEffect::LoginAgain,
        StoredEffect::Leave => v1::DeskOperationEffect::Leave,
    };
    v1::DeskOperationRecord {
        references: operation.references.clone(),
        operation_id: operation.operation_id.clone(),
        accepted: operation.is_accepted,
        effect: effect.into(),
        since_us: operation.since.as_micros(),
    }
}

pub(super) fn operation_of(record: v1::DeskOperationRecord) -> OperationSnapshot {
    let effect = match record.effect() {
        v1::DeskOperationEffect::Unspecified | v1::DeskOperationEffect::Plain => StoredEffect::Plain,
        v1::DeskOperationEffect::Login => StoredEffect::Login,
        v1::DeskOperationEffect::LoginAgain => StoredEffect::LoginAgain,
        v1::DeskOperationEffect::Leave => StoredEffect::Leave,
    };
    OperationSnapshot {
        references: record.references,
        operation_id: record.operation_id,
        is_accepted: record.accepted,
        effect,
        since: Timestamp::from_micros(record.since_us),
    }
}
