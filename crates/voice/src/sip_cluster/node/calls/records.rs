//! Calls as versioned records: the model's snapshot, the legs, their dialogs. Legs and dialogs are sealed where a party's audio may be encrypted:
//! keys are in the descriptions.

mod model_read;
mod model_write;

use bytes::Bytes;
use call::call::{HeardBy, HoldWay, RecordedAs, Seat};
use call::{CallSnapshot, Thread};
use contracts::provisioning::DtmfForm;
use contracts::v1;
use contracts::wire::{call_ref_to_wire, user_data_to_wire};
use infra::DialogKey;
use model::plan::{Contact, PhoneFlow};
use model::{ConnId, Dn, Encryption, LegId, TenantId, Timestamp};
use prost::Message as _;
use sip::agent::{DialogSnapshot, UserAgent};
use sip::dialog::MAX_FORWARDS;
use sip::diversion::{Diversion, DiversionReason, Diversions};
use sip::location::Geolocation;
use sip::stir::{Attestation, Verstat};

use super::call::{Entry, Stored};
use super::leg::{AudioPath, EarlySession, Leg, LegStage, OwedSession, ReferNo, Target};
use super::verdict::CallerVerdict;
use crate::dialog_records::{RecordError, dialog_from_record, dialog_to_record};
use crate::record_cipher::{RecordCipher, RecordName};
use sip::{ConnectionId, Instance};

/// The kind of the record.
const KIND: &str = "call";
/// Version of the record's body; no other is read.
const VERSION: u32 = 1;

/// Of what is sealed and cannot be read.
const NOT_OURS: RecordError = RecordError("sealed with another key, or for another record");

/// The name of a call's record.
pub const fn name<'a>(tenant: &'a TenantId, key: &'a ConnId) -> RecordName<'a, ConnId> {
    RecordName { kind: KIND, tenant, key }
}

/// The entry of the stream of new calls.
pub fn new_call(state: &CallSnapshot, point: &Dn, application: &str, owner: String, now: Timestamp) -> Bytes {
    let record = v1::NewCallRecord {
        call: Some(call_ref_to_wire(&state.call_ref())),
        this_dn: point.to_string(),
        application: application.to_owned(),
        user_data: Some(user_data_to_wire(&state.user_data)),
        owner,
        at_us: now.as_micros(),
    };
    Bytes::from(record.encode_to_vec())
}

/// The record of that name, of a call. `edge_of` names the edge of the proxy at a connection.
pub fn encode<'a>(
    record: &RecordName<'_, ConnId>,
    entry: &Entry,
    agent: &UserAgent,
    edge_of: impl Fn(ConnectionId) -> &'a str,
    cipher: &RecordCipher,
) -> Bytes {
    let mut dialogs = Vec::with_capacity(entry.legs.len() * 2);
    let legs = entry.legs.iter().map(|leg| leg_to_record(leg, agent, &edge_of, &mut dialogs)).collect();
    let body = v1::CallRecord {
        model: Some(model_write::snapshot(entry.thread.first())),
        further: entry.thread.calls().skip(1).map(model_write::snapshot).collect(),
        legs,
        media_owner: entry.media_owner.as_ref().map(ToString::to_string),
        caller_name: entry.caller_name.clone(),
        diverted: entry.diverted.entries.iter().map(diversion_to_record).collect(),
        diverted_hidden: entry.diverted.hidden,
        identity: entry.identity.clone(),
        verdict: entry.verdict.as_ref().map(verdict_to_record),
        location_unheard: entry.location_unheard.clone(),
        needs_tls: entry.needs_tls,
        invite_call_id: entry.invite.as_ref().map(|invite| invite.call_id.clone()).unwrap_or_default(),
        invite_from_tag: entry.invite.as_ref().map(|invite| invite.from_tag.clone()).unwrap_or_default(),
        dialogs,
        sealed: Bytes::new(),
    };
    let is_encrypted = entry.legs.iter().any(|leg| leg.encryption != Encryption::Off);
    let body = if is_encrypted { sealed(body, record, cipher) } else { body };
    let state = v1::StateRecord { kind: KIND.to_owned(), version: VERSION, body: Bytes::from(body.encode_to_vec()) };
    Bytes::from(state.encode_to_vec())
}

/// The record of a call with a party whose audio may be encrypted.
fn sealed(mut body: v1::CallRecord, record: &RecordName<'_, ConnId>, cipher: &RecordCipher) -> v1::CallRecord {
    let (legs, dialogs) = (std::mem::take(&mut body.legs), std::mem::take(&mut body.dialogs));
    let within = v1::CallRecord { legs, dialogs, ..v1::CallRecord::default() };
    body.sealed = cipher.encrypt(record, within.encode_to_vec()).into();
    // Without a stage: the release before, which does not look for what is sealed, refuses the record instead of going on without legs.
    body.legs = vec![v1::LegRecord::default()];
    body
}

fn leg_to_record<'a>(
    leg: &Leg,
    agent: &UserAgent,
    edge_of: impl Fn(ConnectionId) -> &'a str,
    dialogs: &mut Vec<v1::DialogRecord>,
) -> v1::LegRecord {
    let mut store = |dialog: Option<sip::agent::DialogId>| {
        let snapshot = agent.snapshot(&[dialog?]).pop()?;
        dialogs.push(dialog_to_record(snapshot));
        u32::try_from(dialogs.len() - 1).ok()
    };
    let target = leg.target.as_ref();
    let recorded = leg.seat.and_then(|seat| seat.recorded);
    v1::LegRecord {
        id: leg.id.0.into(),
        phone: store(leg.phone),
        media: store(leg.media),
        stage: stage_to_record(leg.stage).into(),
        edge: edge_of(leg.link).to_owned(),
        target_dn: target.map(|target| target.dn.to_string()),
        target_uri: target.map(|target| target.contact.uri.clone()).unwrap_or_default(),
        target_path: target.map(|target| target.contact.path.clone()).unwrap_or_default(),
        target_shows: target.and_then(|target| target.shows.clone()),
        target_trunk: target.and_then(|target| target.trunk.clone()),
        target_try_ms: target.map(|target| target.try_ms).filter(|ms| *ms > 0),
        target_limit: target.and_then(|target| model_write::at_once(&target.limits)),
        target_a_day: target.map(|target| model_write::a_day(&target.limits)).unwrap_or_default(),
        target_early_speech: target.is_some_and(|target| target.early_speech),
        target_insists: target.is_some_and(|target| target.insists),
        sips: leg.sips,
        sips_in_the_clear: leg.sips_in_the_clear,
        target_emergency: target.is_some_and(|target| target.is_emergency),
        target_further: target.map(|target| flows_to_record(&target.contact)).unwrap_or_default(),
        alerted: leg.alerted,
        asks_answer: leg.asks_answer,
        refers_to_sips: leg.refers_to_sips,
        instance: leg.instance.as_ref().map(ToString::to_string),
        user_to_user: leg.user_to_user.clone(),
        // Before the dial plan has answered, the call need not be one for which a location is wanted.
        location: leg.location.as_ref().filter(|_| leg.unindexed.is_none()).map(location_to_record),
        owes_media: leg.owes_media,
        direct: leg.path != AudioPath::Media,
        moving: leg.path == AudioPath::Moving,
        encryption: Some(leg.encryption).filter(|it| *it != Encryption::Off).map_or("", Encryption::as_str).to_owned(),
        dtmf: leg.dtmf.map_or("", DtmfForm::as_str).to_owned(),
        relaying: leg.relaying,
        holds: leg.holds,
        asked: leg.asked.map_or(v1::HoldRecordWay::Unspecified, model_write::way).into(),
        echo: leg.echo,
        heard_at_us: leg.heard_at.as_micros(),
        party: leg.party.map(|host| host.to_string()),
        owed: leg.owed.as_ref().map(|owed| v1::OwedSessionRecord { sdp: owed.sdp.clone(), sent: owed.sent }),
        early: leg.early.as_ref().map(|early| early.sdp.clone()),
        early_rings: leg.early_rings,
        refer: leg.refer.map(|refer| refer.0.unwrap_or_default()),
        has_referred: leg.has_referred,
        hops_left: Some(leg.hops_left.into()).filter(|hops| *hops < u32::from(MAX_FORWARDS)),
        early_changes: leg.early.as_ref().map_or(0, |early| early.changes.into()),
        room: leg.seat.map(|seat| seat.room).unwrap_or_default().into(),
        roomless: leg.seat.is_none(),
        mute: leg.seat.is_some_and(|seat| seat.heard_by == HeardBy::Nobody),
        deaf: leg.seat.is_some_and(|seat| !seat.hears),
        recording: recorded.map_or(0, |recorded| recorded.number.into()),
        recording_beep: recorded.is_some_and(|recorded| recorded.beep),
        recording_off: recorded.is_some_and(|recorded| !recorded.is_on),
        heard_by: only_heard_by(leg),
    }
}

/// The only leg that hears this one; 0 if all or none do.
fn only_heard_by(leg: &Leg) -> u32 {
    match leg.seat.map(|seat| seat.heard_by) {
        Some(HeardBy::Only(leg)) => leg.0.into(),
        Some(HeardBy::All | HeardBy::Nobody) | None => 0,
    }
}

const fn stage_to_record(stage: LegStage) -> v1::LegRecordStage {
    match stage {
        LegStage::Offered => v1::LegRecordStage::Offered,
        LegStage::Preparing => v1::LegRecordStage::Preparing,
        LegStage::PreparingEarly => v1::LegRecordStage::PreparingEarly,
        LegStage::Early => v1::LegRecordStage::Early,
        LegStage::Ringing => v1::LegRecordStage::Ringing,
        LegStage::Up => v1::LegRecordStage::Up,
        LegStage::Closing => v1::LegRecordStage::Closing,
    }
}

/// A call from its record.
pub struct Decoded {
    /// The call, without dialogs; `link_of` gave the links of its legs.
    pub entry: Entry,
    /// For each leg its dialogs with the party and with media.
    pub dialogs: Vec<(Option<DialogSnapshot>, Option<DialogSnapshot>)>,
}

/// Reads a call's record, sealed or, as the release before wrote it, in clear. `link_of` gives the connection to the proxy with that edge.
///
/// # Errors
/// Names the part that is invalid.
pub fn decode(
    bytes: &[u8],
    record: &RecordName<'_, ConnId>,
    mut link_of: impl FnMut(&str) -> ConnectionId,
    cipher: &RecordCipher,
) -> Result<Decoded, RecordError> {
    let state = v1::StateRecord::decode(bytes).map_err(|_| RecordError("state record"))?;
    if state.kind != KIND || state.version != VERSION {
        return Err(RecordError("kind or version"));
    }
    let mut body = v1::CallRecord::decode(state.body).map_err(|_| RecordError("call record"))?;
    if !body.sealed.is_empty() {
        let within = cipher.decrypt(record, &body.sealed).ok_or(NOT_OURS)?;
        body.legs.clear();
        body.merge(within.as_slice()).map_err(|_| RecordError("sealed legs"))?;
    }
    let first = model_read::snapshot(body.model.ok_or(RecordError("model"))?)?;
    let further = body.further.into_iter().map(model_read::snapshot).collect::<Result<Vec<_>, _>>()?;
    let mut stored: Vec<Option<v1::DialogRecord>> = body.dialogs.into_iter().map(Some).collect();
    let mut take = |index: Option<u32>| -> Result<Option<DialogSnapshot>, RecordError> {
        let Some(index) = index else {
            return Ok(None);
        };
        let slot = usize::try_from(index).ok().and_then(|index| stored.get_mut(index));
        let record = slot.and_then(Option::take).ok_or(RecordError("legs.dialog"))?;
        dialog_from_record(record).map(Some)
    };
    let mut legs = Vec::with_capacity(body.legs.len());
    let mut dialogs = Vec::with_capacity(body.legs.len());
    for leg in body.legs {
        dialogs.push((take(leg.phone)?, take(leg.media)?));
        legs.push(leg_from_record(leg, &mut link_of)?);
    }
    let invite = DialogKey { call_id: body.invite_call_id, from_tag: body.invite_from_tag };
    let entry = Entry {
        media_owner: body.media_owner.map(|owner| owner.parse().map_err(|_| RecordError("media_owner"))).transpose()?,
        caller_name: body.caller_name,
        diverted: Diversions {
            entries: body.diverted.into_iter().map(diversion_from_record).collect(),
            hidden: body.diverted_hidden,
        },
        identity: body.identity,
        verdict: body.verdict.and_then(verdict_from_record),
        location_unheard: body.location_unheard,
        needs_tls: body.needs_tls,
        invite: Some(invite).filter(|invite| !invite.call_id.is_empty()),
        stored: Stored::Live,
        settled: false,
        ..Entry::new(first.tenant.clone(), Thread::restore(first, further), legs)
    };
    Ok(Decoded { entry, dialogs })
}

fn verdict_to_record(verdict: &CallerVerdict) -> v1::CallerVerdictRecord {
    v1::CallerVerdictRecord {
        verstat: verdict.verstat.as_str().to_owned(),
        attest: verdict.attest.map(|attest| attest.as_str().to_owned()),
        origid: verdict.origid.clone(),
    }
}

/// A word that is not known says nothing.
fn verdict_from_record(record: v1::CallerVerdictRecord) -> Option<CallerVerdict> {
    let attest = record.attest.as_deref().and_then(Attestation::parse);
    Some(CallerVerdict { verstat: Verstat::parse(&record.verstat)?, attest, origid: record.origid })
}

fn location_to_record(location: &Geolocation) -> v1::GeolocationRecord {
    v1::GeolocationRecord { document: location.document.clone(), may_route: location.may_route }
}

fn location_from_record(record: v1::GeolocationRecord) -> Geolocation {
    Geolocation { document: record.document, may_route: record.may_route }
}

fn flows_to_record(contact: &Contact) -> Vec<v1::PhoneFlowRecord> {
    let flow = |flow: &PhoneFlow| v1::PhoneFlowRecord { uri: flow.uri.clone(), path: flow.path.clone() };
    contact.further.iter().map(flow).collect()
}

fn flow_from_record(v1::PhoneFlowRecord { uri, path }: v1::PhoneFlowRecord) -> PhoneFlow {
    PhoneFlow { uri, path }
}

fn diversion_to_record(diversion: &Diversion) -> v1::DiversionRecord {
    v1::DiversionRecord {
        number: diversion.number.clone(),
        reason: diversion.reason.as_str().to_owned(),
        counter: diversion.counter,
        is_private: diversion.is_private,
    }
}

fn diversion_from_record(record: v1::DiversionRecord) -> Diversion {
    let v1::DiversionRecord { number, reason, counter, is_private } = record;
    Diversion { number, reason: DiversionReason::parse(&reason), counter, is_private }
}

/// The connected leg whose dialogs take most of a record, and its bytes; `None` if fewer than three legs are connected.
pub fn largest_leg(entry: &Entry, agent: &UserAgent) -> Option<(LegId, usize)> {
    let connected: Vec<&Leg> = entry.legs.iter().filter(|leg| leg.stage == LegStage::Up).collect();
    if connected.len() < 3 {
        return None;
    }
    let bytes = |leg: &Leg| {
        let dialogs = agent.snapshot(&[leg.phone, leg.media].into_iter().flatten().collect::<Vec<_>>());
        dialogs.into_iter().map(|dialog| dialog_to_record(dialog).encoded_len()).sum::<usize>()
    };
    connected.into_iter().map(|leg| (leg.id, bytes(leg))).max_by_key(|(_, bytes)| *bytes)
}

/// The models of a thread's calls, as far as they can be read.
pub fn models(bytes: &[u8]) -> Vec<CallSnapshot> {
    let Ok(record) = v1::StateRecord::decode(bytes) else { return Vec::new() };
    let Ok(parts) = v1::CallRecordParts::decode(record.body) else { return Vec::new() };
    let models = std::iter::once(&parts.model).chain(&parts.further);
    models.filter_map(|model| model_read::snapshot(v1::CallModelRecord::decode(&**model).ok()?).ok()).collect()
}

/// The calls of a thread beside its first, as far as the record names them.
pub fn further_calls(bytes: &[u8]) -> Vec<ConnId> {
    let Ok(record) = v1::StateRecord::decode(bytes) else { return Vec::new() };
    let ids = v1::CallRecordIds::decode(record.body).map(|ids| ids.further).unwrap_or_default();
    ids.into_iter().map(|call| ConnId(call.conn_id)).collect()
}

/// The model of the calls of a record that [`decode`] refuses, as far as it can be read.
pub fn legible_thread(bytes: &[u8]) -> Option<Thread> {
    let parts = parts(bytes)?;
    let first = model_read::snapshot(v1::CallModelRecord::decode(&*parts.model).ok()?).ok()?;
    let further = parts.further.iter().filter_map(|call| v1::CallModelRecord::decode(&**call).ok());
    Some(Thread::restore(first, further.filter_map(|call| model_read::snapshot(call).ok()).collect()))
}

fn parts(bytes: &[u8]) -> Option<v1::CallRecordParts> {
    v1::CallRecordParts::decode(v1::StateRecord::decode(bytes).ok()?.body).ok()
}

/// The dialogs of such a record, each with the edge of the proxy by which it goes, where that is known. What is damaged is left out.
pub fn legible_dialogs(
    bytes: &[u8],
    record: &RecordName<'_, ConnId>,
    cipher: &RecordCipher,
) -> Vec<(DialogSnapshot, Option<String>)> {
    let Some(mut parts) = parts(bytes) else { return Vec::new() };
    if !parts.sealed.is_empty() {
        let within = cipher.decrypt(record, &parts.sealed);
        let within = within.and_then(|within| v1::CallRecordParts::decode(within.as_slice()).ok());
        parts = within.unwrap_or_default();
    }
    let legs: Vec<v1::LegRecord> = parts.legs.iter().filter_map(|leg| v1::LegRecord::decode(&**leg).ok()).collect();
    let edge_of = |index: usize| {
        let index = u32::try_from(index).ok();
        legs.iter().find(|leg| leg.phone == index || leg.media == index).map(|leg| leg.edge.clone())
    };
    let dialog = |(index, bytes): (usize, &Bytes)| {
        let record = v1::DialogRecord::decode(&**bytes).ok()?;
        Some((dialog_from_record(record).ok()?, edge_of(index)))
    };
    parts.dialogs.iter().enumerate().filter_map(dialog).collect()
}

fn leg_from_record(
    mut record: v1::LegRecord,
    mut link_of: impl FnMut(&str) -> ConnectionId,
) -> Result<Leg, RecordError> {
    let stage = match record.stage() {
        v1::LegRecordStage::Offered => LegStage::Offered,
        v1::LegRecordStage::Preparing => LegStage::Preparing,
        v1::LegRecordStage::PreparingEarly => LegStage::PreparingEarly,
        v1::LegRecordStage::Early => LegStage::Early,
        v1::LegRecordStage::Ringing => LegStage::Ringing,
        v1::LegRecordStage::Up => LegStage::Up,
        v1::LegRecordStage::Closing => LegStage::Closing,
        v1::LegRecordStage::Unspecified => return Err(RecordError("legs.stage")),
    };
    let asked = match record.asked() {
        v1::HoldRecordWay::Unspecified => None,
        v1::HoldRecordWay::Hold => Some(HoldWay::Hold),
        v1::HoldRecordWay::Retrieve => Some(HoldWay::Retrieve),
    };
    let id = LegId(u16::try_from(record.id).map_err(|_| RecordError("legs.id"))?);
    let room = u16::try_from(record.room).map_err(|_| RecordError("legs.room"))?;
    let heard_by = match u16::try_from(record.heard_by).map_err(|_| RecordError("legs.heard_by"))? {
        _ if record.mute => HeardBy::Nobody,
        0 => HeardBy::All,
        leg => HeardBy::Only(LegId(leg)),
    };
    let number = u16::try_from(record.recording).map_err(|_| RecordError("legs.recording"))?;
    let is_on = !record.recording_off;
    let recorded = (number > 0).then_some(RecordedAs { number, beep: record.recording_beep, is_on });
    let changes = u8::try_from(record.early_changes).map_err(|_| RecordError("legs.early_changes"))?;
    let heard_at = Timestamp::from_micros(record.heard_at_us);
    Ok(Leg {
        party: record.party.as_deref().map(str::parse).transpose().map_err(|_| RecordError("legs.party"))?,
        target: target_from_record(&mut record)?,
        sips: record.sips,
        sips_in_the_clear: record.sips_in_the_clear,
        user_to_user: record.user_to_user,
        location: record.location.map(location_from_record),
        instance: record.instance.as_deref().and_then(Instance::parse),
        alerted: record.alerted,
        asks_answer: record.asks_answer,
        refers_to_sips: record.refers_to_sips,
        owes_media: record.owes_media,
        path: match (record.direct, record.moving) {
            (false, _) => AudioPath::Media,
            (true, false) => AudioPath::Direct,
            (true, true) => AudioPath::Moving,
        },
        // A word that is not known is no leave to speak in clear.
        encryption: match record.encryption.as_str() {
            "" => Encryption::Off,
            word => Encryption::parse(word).unwrap_or(Encryption::Required),
        },
        dtmf: DtmfForm::parse(&record.dtmf),
        relaying: record.relaying,
        holds: record.holds,
        asked,
        echo: record.echo,
        early_rings: record.early_rings,
        refer: record.refer.map(|number| ReferNo(Some(number).filter(|number| *number > 0))),
        has_referred: record.has_referred,
        hops_left: record.hops_left.and_then(|hops| u8::try_from(hops).ok()).unwrap_or(MAX_FORWARDS),
        early: record.early.map(|sdp| EarlySession { sdp, changes }),
        owed: record.owed.map(|owed| OwedSession { sdp: owed.sdp, sent: owed.sent, refused: 0 }),
        seat: if record.roomless { None } else { Some(Seat { room, heard_by, hears: !record.deaf, recorded }) },
        ..Leg::new(id, link_of(&record.edge), stage, heard_at)
    })
}

/// How long a trunk may say nothing by a record of the build before, which has no time of its own, in milliseconds.
const TRY_MS_OF_BEFORE: u64 = 10_000;

/// Takes whom a leg rings out of its record.
fn target_from_record(record: &mut v1::LegRecord) -> Result<Option<Target>, RecordError> {
    let Some(dn) = record.target_dn.take() else { return Ok(None) };
    let (uri, path) = (std::mem::take(&mut record.target_uri), std::mem::take(&mut record.target_path));
    let further = std::mem::take(&mut record.target_further).into_iter().map(flow_from_record).collect();
    let of_before = if record.target_trunk.is_some() { TRY_MS_OF_BEFORE } else { 0 };
    Ok(Some(Target {
        dn: Dn::parse(&dn).map_err(|_| RecordError("legs.target_dn"))?,
        contact: Contact { further, ..Contact::new(uri, path) },
        shows: record.target_shows.take(),
        trunk: record.target_trunk.take(),
        try_ms: record.target_try_ms.unwrap_or(of_before),
        limits: model_read::limits(record.target_limit.take(), std::mem::take(&mut record.target_a_day))?,
        early_speech: record.target_early_speech,
        insists: record.target_insists,
        is_emergency: record.target_emergency,
    }))
}
