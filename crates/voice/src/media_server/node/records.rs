//! Legs as versioned records: the dialog, the MSML state, the audio session. Where audio may be encrypted the record is sealed: keys are in the
//! descriptions of the dialog, too.

mod audio_read;
mod audio_write;

use bytes::Bytes;
use contracts::v1;
use infra::MediaSessionId;
use ivr::msml::{self, Command, Connection, ConnectionSnapshot, Listeners, MemberRecording, Membership, Running};
use media::sdp::{self, Fingerprint, LocalAudio, LocalEncryption, LocalKeys};
use media::session::SessionSnapshot;
use model::{AddressFamily, Encryption, TenantId};
use prost::Message as _;
use sip::agent::DialogSnapshot;

use super::leg::Leg;
use super::service::{Service, encryption};
use crate::dialog_records::{RecordError, dialog_from_record, dialog_to_record};
use crate::media_server::addresses::AudioAddresses;
use crate::record_cipher::{RecordCipher, RecordName};

/// The kind of the record.
const KIND: &str = "media";
/// The version of the record's body. A reader knows its own version and the one before.
const VERSION: u32 = 1;
/// Of what is sealed and cannot be read.
const NOT_OURS: RecordError = RecordError("sealed with another key, or for another record");
/// The largest counter that is continued: far from an overflow.
const NUMBER_MAX: u64 = 1 << 62;

/// A leg from its record: without ports, which are bound again.
#[derive(Debug)]
pub struct Decoded {
    /// Its dialog.
    pub dialog: DialogSnapshot,
    /// The edge of the proxy that it came through.
    pub edge: String,
    /// The Request-URI of its INVITE.
    pub request_uri: String,
    /// The service of that Request-URI.
    pub service: Service,
    /// Its MSML state.
    pub connection: Connection,
    /// Its side of the description.
    pub local: LocalAudio,
    /// Its last description.
    pub described: Option<sdp::Description>,
    /// The collection of a secret that was in progress, or whose end was not acknowledged yet.
    pub secret: Option<Running>,
    /// The number of its last treatment.
    pub treatments: u64,
    /// Its audio, if it had any yet.
    pub audio: Option<SessionSnapshot>,
}

/// The name of a leg's record.
pub const fn name<'a>(tenant: &'a TenantId, key: &'a MediaSessionId) -> RecordName<'a, MediaSessionId> {
    RecordName { kind: KIND, tenant, key }
}

/// A leg's record. It contains no pressed keys: uncollected ones belong to the parties' conversation, and those of a secret are
/// confidential everywhere.
pub fn encode(
    leg: &Leg,
    edge: &str,
    mut dialog: DialogSnapshot,
    audio: Option<&SessionSnapshot>,
    cipher: &RecordCipher,
) -> Bytes {
    let ConnectionSnapshot { id, running, echo, membership, named } = leg.connection.snapshot();
    let heard_by = membership.as_ref().map(|membership| &membership.heard_by);
    let recording = membership.as_ref().and_then(|membership| membership.recording.clone());
    let secret = leg.secret.is_some();
    if secret {
        // The report of its end contains the digits.
        dialog.leg.requests.clear();
        dialog.clients.clear();
    }
    let running = leg.secret.clone().or(running);
    let audio = audio.map(|audio| {
        let treatment = audio.treatment.clone().filter(|_| !secret);
        SessionSnapshot { digits: Vec::new(), treatment, ..audio.clone() }
    });
    let running = running.map(|Running { name, dialog }| {
        msml::build_request(&[Command::DialogStart { connection: id.clone(), name: Some(name), dialog }])
    });
    let keys = leg.local.encryption.keys();
    let body = v1::MediaRecord {
        dialog: Some(dialog_to_record(dialog)),
        request_uri: leg.request_uri.clone(),
        edge: edge.to_owned(),
        connection: id,
        running: running.unwrap_or_default(),
        echo,
        named,
        treatments: leg.treatments,
        port: leg.local.port.into(),
        session_id: leg.local.session_id,
        version: leg.local.version,
        described: leg.described.as_ref().map(ToString::to_string).unwrap_or_default(),
        audio: audio.as_ref().map(audio_write::session),
        secret,
        mute: heard_by == Some(&Listeners::Nobody),
        deaf: membership.as_ref().is_some_and(|membership| !membership.hears),
        heard_by: match heard_by {
            Some(Listeners::Only(connection)) => connection.clone(),
            Some(Listeners::All | Listeners::Nobody) | None => String::new(),
        },
        recording: recording.as_ref().map(|recording| recording.name.clone()).unwrap_or_default(),
        recording_beep: recording.as_ref().is_some_and(|recording| recording.beep),
        recording_off: recording.is_some_and(|recording| !recording.is_on),
        encryption_secret: keys.map(|keys| keys.secret.to_vec().into()).unwrap_or_default(),
        suites_spent: keys.map(|keys| keys.spent.to_vec()).unwrap_or_default(),
        ice_generation: keys.map(|keys| keys.generation).unwrap_or_default(),
        conference: Some(membership.map(|membership| membership.conference).unwrap_or_default()),
        sealed: Bytes::new(),
    };
    let record = name(&leg.tenant, &leg.tag);
    let body = if leg.local.encryption.policy() == Encryption::Off { body } else { sealed(body, &record, cipher) };
    let state = v1::StateRecord { kind: KIND.to_owned(), version: VERSION, body: body.encode_to_vec().into() };
    state.encode_to_vec().into()
}

/// The record of a leg whose audio may be encrypted.
fn sealed(body: v1::MediaRecord, record: &RecordName<'_, MediaSessionId>, cipher: &RecordCipher) -> v1::MediaRecord {
    let sealed = cipher.encrypt(record, body.encode_to_vec()).into();
    v1::MediaRecord { edge: body.edge, sealed, ..v1::MediaRecord::default() }
}

/// Reads a leg's record, sealed or, as the release before wrote it, in clear. Our descriptions have this certificate, and of these addresses
/// the one of the family that the leg has.
///
/// # Errors
/// Names the invalid part.
pub fn decode(
    bytes: &[u8],
    record: &RecordName<'_, MediaSessionId>,
    addresses: &AudioAddresses,
    certificate: &Fingerprint,
    cipher: &RecordCipher,
) -> Result<Decoded, RecordError> {
    let state = v1::StateRecord::decode(bytes).map_err(|_| RecordError("state record"))?;
    if state.kind != KIND || state.version != VERSION {
        return Err(RecordError("kind or version"));
    }
    let mut body = v1::MediaRecord::decode(state.body).map_err(|_| RecordError("media record"))?;
    if !body.sealed.is_empty() {
        let within = cipher.decrypt(record, &body.sealed).ok_or(NOT_OURS)?;
        body = v1::MediaRecord::decode(within.as_slice()).map_err(|_| RecordError("sealed media record"))?;
    }
    let encryption = local_encryption(&body, certificate)?;
    let service = Service::of(&body.request_uri).map_err(|_| RecordError("request_uri"))?;
    let conference = match body.conference {
        Some(conference) => Some(conference).filter(|name| !name.is_empty()),
        None => service.conference().map(str::to_owned),
    };
    let recording =
        Some(MemberRecording { name: body.recording, beep: body.recording_beep, is_on: !body.recording_off });
    let membership = conference.map(|conference| Membership {
        conference,
        heard_by: match body.heard_by {
            _ if body.mute => Listeners::Nobody,
            only if only.is_empty() => Listeners::All,
            only => Listeners::Only(only),
        },
        hears: !body.deaf,
        recording: recording.filter(|recording| !recording.name.is_empty()),
    });
    let running = if body.running.is_empty() { None } else { Some(running(&body.running)?) };
    let secret = running.clone().filter(|_| body.secret);
    let described = if body.described.is_empty() {
        None
    } else {
        Some(sdp::parse(body.described.as_bytes()).map_err(|_| RecordError("described"))?)
    };
    let port = u16::try_from(body.port).map_err(|_| RecordError("port"))?;
    Ok(Decoded {
        dialog: dialog_from_record(body.dialog.ok_or(RecordError("dialog"))?)?,
        edge: body.edge,
        request_uri: body.request_uri,
        service,
        connection: Connection::restore(ConnectionSnapshot {
            id: body.connection,
            running,
            echo: body.echo,
            membership,
            named: body.named,
        }),
        local: LocalAudio {
            address: addresses.nearest(described.as_ref().and_then(family_of_ours)),
            port,
            session_id: body.session_id,
            version: body.version.min(NUMBER_MAX),
            encryption,
        },
        described,
        secret,
        treatments: body.treatments.min(NUMBER_MAX),
        audio: body.audio.map(audio_read::session).transpose()?,
    })
}

/// The family of a description of ours: that of the leg's ports.
fn family_of_ours(described: &sdp::Description) -> Option<AddressFamily> {
    described.address_of(described.audio()?).map(AddressFamily::of)
}

fn local_encryption(body: &v1::MediaRecord, certificate: &Fingerprint) -> Result<LocalEncryption, RecordError> {
    const BAD: RecordError = RecordError("encryption_secret");
    let policy = encryption(&body.request_uri);
    if policy == Encryption::Off {
        return Ok(LocalEncryption::Off);
    }
    let secret = body.encryption_secret.as_ref().try_into().map_err(|_| BAD)?;
    // Another release may know fewer suites or more.
    let mut known = LocalKeys::new(secret, certificate.clone());
    let association = body.audio.as_ref().and_then(|audio| audio.stream.as_ref()?.association.as_ref());
    known.has_begun = association.is_some_and(|association| association.connects);
    let fragment = association.map(|association| association.peer_fragment.as_str());
    known.peer_fragment = fragment.filter(|fragment| !fragment.is_empty()).map(Into::into);
    known.generation = body.ice_generation;
    known.spent.iter_mut().zip(&body.suites_spent).for_each(|(known, spent)| *known = *spent);
    Ok(LocalEncryption::new(policy, known))
}

/// The dialog of a leg's record and the edge of its proxy, as far as they are readable.
pub fn legible_dialog(
    bytes: &[u8],
    record: &RecordName<'_, MediaSessionId>,
    cipher: &RecordCipher,
) -> Option<(DialogSnapshot, String)> {
    let state = v1::StateRecord::decode(bytes).ok()?;
    let mut parts = v1::MediaRecordParts::decode(state.body).ok()?;
    if !parts.sealed.is_empty() {
        parts = v1::MediaRecordParts::decode(cipher.decrypt(record, &parts.sealed)?.as_slice()).ok()?;
    }
    let dialog = v1::DialogRecord::decode(&*parts.dialog).ok()?;
    Some((dialog_from_record(dialog).ok()?, parts.edge))
}

fn running(request: &str) -> Result<Running, RecordError> {
    const BAD: RecordError = RecordError("running");
    match msml::parse_request(request.as_bytes()).map_err(|_| BAD)?.pop() {
        Some(Command::DialogStart { name: Some(name), dialog, .. }) => Ok(Running { name, dialog }),
        _ => Err(BAD),
    }
}
