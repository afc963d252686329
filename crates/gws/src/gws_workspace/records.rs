//! A session of a desktop, as it is kept: sealed, since it has what is said about calls.

mod desk_parts;

use std::time::Duration;

use contracts::v1;
use infra::SignInKind;
use model::{TenantId, Timestamp};
use prost::Message as _;

use super::desk::DeskSnapshot;
use super::desk_sign_in::DeskSignIn;
use crate::bayeux_hub_record;
use crate::sessions::person_sign_in::PersonSignIn;
use crate::sessions::record::{RECORD_BYTES_MAX, SessionRecord};

/// The form of the record that is written.
const VERSION: u32 = 1;
/// The name of the record beside it, of what is open of statistics, and for what that is sealed.
pub(super) const REPORTING: (&str, &str) = ("reporting", "desk reporting");

/// A session in the store.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeptSession {
    /// The sign-in that it goes by.
    pub sign_in: DeskSignIn,
    /// The run of the replica that has it.
    pub holder: String,
    /// When it was seen last that the sign-in is not revoked.
    pub checked_at: Timestamp,
    /// When the desktop has asked for something last.
    pub used_at: Timestamp,
    /// The desk.
    pub desk: DeskSnapshot,
}

impl SessionRecord for KeptSession {
    const KIND: SignInKind = SignInKind::Workspace;
    const LISTED_AS: &'static str = "desktops";
    const SEALED_AS: &'static str = "desk session";
    const BESIDE: &'static [&'static str] = &[REPORTING.0];

    fn owner(&self) -> &str {
        &self.sign_in.person.user
    }

    fn holder(&self) -> &str {
        &self.holder
    }

    fn used_at(&self) -> Timestamp {
        self.used_at
    }

    fn held_by(self, holder: String, goes_on_at: Option<Timestamp>) -> Self {
        let (checked_at, used_at) = goes_on_at.map_or((self.checked_at, self.used_at), |now| (now, now));
        Self { holder, checked_at, used_at, ..self }
    }

    fn encoded(&self) -> Option<Vec<u8>> {
        Some(fitting(self.record()).encode_to_vec())
    }

    fn decoded(tenant: &TenantId, plain: &[u8]) -> Option<Self> {
        Self::of_record(tenant, v1::DeskRecord::decode(plain).ok()?)
    }
}

/// How long a session after its last request counts as one that somebody works with: as long as a client of it may be silent, since its
/// desktop asks for events each half minute, and somewhat more than its record may be behind.
const WORKED_WITHIN: Duration = Duration::from_secs(240);
/// After how long the record of a session that ends is nobody's: whoever has it writes it each quarter of a minute.
const ENDING_LEFT_AFTER: Duration = Duration::from_secs(45);

impl KeptSession {
    /// Whether somebody works with the session at that DN, where it has logged its agent in: then the agent stays there.
    pub fn works_at(&self, dn: &str, now: Timestamp) -> bool {
        let owns = self.desk.channel.as_ref().is_some_and(|channel| channel.dn == dn && channel.owns_login);
        owns && self.desk.ending.is_none() && now.since(self.used_at) <= WORKED_WITHIN
    }

    /// Whether its agent is still to be logged out, and no replica is at it.
    pub fn is_left_ending(&self, now: Timestamp) -> bool {
        let is_left = self.holder.is_empty() || now.since(self.checked_at) > ENDING_LEFT_AFTER;
        self.desk.ending.is_some() && is_left
    }

    fn record(&self) -> v1::DeskRecord {
        let Self { sign_in, holder, checked_at, used_at, desk } = self;
        let (initialisation, failure) = desk_parts::initialisation(&desk.phase);
        v1::DeskRecord {
            version: VERSION,
            user: sign_in.person.user.clone(),
            scopes: sign_in.person.scopes.clone(),
            tied_dn: sign_in.dn.clone(),
            sign_in: sign_in.person.sign_in.clone(),
            token_id: sign_in.person.token_id.clone(),
            token_issued_at_s: sign_in.person.issued_at,
            holder: holder.clone(),
            checked_at_us: checked_at.as_micros(),
            used_at_us: used_at.as_micros(),
            hub: Some(bayeux_hub_record::hub(&desk.hub)),
            listeners: desk.listeners.iter().map(desk_parts::listener).collect(),
            initialisation: initialisation.into(),
            failure,
            begun_at_us: desk.begun.as_micros(),
            agent: desk.agent.clone(),
            channel: desk.channel.as_ref().map(desk_parts::channel),
            operations: desk.operations.iter().map(desk_parts::operation).collect(),
            last_reference: desk.last_reference,
            last_cursor: desk.last_cursor,
            optimised: desk.is_optimised,
            ending: desk.ending.as_ref().map(desk_parts::ending),
            granted: if sign_in.granted == sign_in.person.scopes { Vec::new() } else { sign_in.granted.clone() },
            client: sign_in.client.clone(),
            credential: sign_in.credential.clone(),
        }
    }

    fn of_record(tenant: &TenantId, record: v1::DeskRecord) -> Option<Self> {
        if record.version != VERSION {
            return None;
        }
        let phase = desk_parts::phase_of(record.initialisation(), &record.failure);
        let person = PersonSignIn {
            tenant: tenant.clone(),
            user: record.user,
            scopes: record.scopes,
            sign_in: record.sign_in,
            token_id: record.token_id,
            issued_at: record.token_issued_at_s,
        };
        let granted = if record.granted.is_empty() { person.scopes.clone() } else { record.granted };
        let (client, credential) = (record.client, record.credential);
        let sign_in = DeskSignIn { person, dn: record.tied_dn, granted, client, credential };
        let channel = match record.channel {
            Some(channel) => Some(desk_parts::channel_of(channel)?),
            None => None,
        };
        let desk = DeskSnapshot {
            hub: bayeux_hub_record::hub_of(record.hub?)?,
            listeners: record.listeners.into_iter().map(desk_parts::listener_of).collect::<Option<_>>()?,
            phase,
            begun: Timestamp::from_micros(record.begun_at_us),
            is_optimised: record.optimised,
            agent: record.agent,
            channel,
            operations: record.operations.into_iter().map(desk_parts::operation_of).collect(),
            last_reference: record.last_reference,
            last_cursor: record.last_cursor,
            ending: record.ending.map(desk_parts::ending_of),
        };
        Some(Self {
            sign_in,
            holder: record.holder,
            checked_at: Timestamp::from_micros(record.checked_at_us),
            used_at: Timestamp::from_micros(record.used_at_us),
            desk,
        })
    }
}

/// A record that the store takes. For want of room it has no calls and operations: the DN's picture is asked for where the session goes on.
/// If that does not suffice, it has no clients: they are taken again under their ids.
fn fitting(mut record: v1::DeskRecord) -> v1::DeskRecord {
    if record.encoded_len() > RECORD_BYTES_MAX {
        record.operations.clear();
        if let Some(channel) = &mut record.channel {
            channel.told_calls.clear();
            channel.whole = false;
        }
    }
    if record.encoded_len() > RECORD_BYTES_MAX {
        record.listeners.clear();
        if let Some(hub) = &mut record.hub {
            hub.clients.clear();
            hub.early.clear();
        }
    }
    record
}

#[cfg(test)]
impl KeptSession {
    /// A session in which nothing has happened yet.
    pub fn of_test(user: &str, now: Timestamp) -> Self {
        let hub = bayeux::HubSnapshot { clients: Vec::new(), begun: false, early: Vec::new(), confirmed: 0 };
        let desk = DeskSnapshot {
            hub,
            listeners: Vec::new(),
            phase: super::desk::DeskPhase::New,
            begun: now,
            is_optimised: false,
            agent: None,
            channel: None,
            operations: Vec::new(),
            last_reference: 0,
            last_cursor: 0,
            ending: None,
        };
        Self { sign_in: DeskSignIn::of_test(user), holder: "a.1".to_owned(), checked_at: now, used_at: now, desk }
    }
}

#[cfg(test)]
mod tests {
    use bayeux::{ChannelName, ChannelPattern, ClientId, ClientSnapshot, HeldMessage, HubSnapshot};
    use infra::bounds::SIGN_IN_VALUE_MAX;
    use runtime::installation_key::InstallationKey;
    use serde_json::json;

    use super::super::desk::{
        ChannelSnapshot, DeskEnd, DeskPhase, DnAdmission, EndingSnapshot, ListenerSnapshot, OperationSnapshot,
        ReadingProgress, StoredEffect,
    };
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn whole() -> KeptSession {
        let id = ClientId::parse("c1").unwrap();
        let held = |batch| HeldMessage {
            channel: ChannelName::parse("/workspace/v3/voice").unwrap(),
            text: "{\"channel\":\"/workspace/v3/voice\"}".to_owned(),
            batch,
        };
        let client = ClientSnapshot {
            id: id.clone(),
            subscriptions: vec![ChannelPattern::parse("/workspace/v3/*").unwrap()],
            acknowledges: true,
            batch: 7,
            received: 8,
            held: vec![held(Some(7)), held(None)],
        };
        let channel = ChannelSnapshot {
            dn: "7101".to_owned(),
            switch_name: Some("sip".to_owned()),
            work_mode: Some("AutoIn".to_owned()),
            auto_complete_call: true,
            admission: DnAdmission::Admitted,
            login: Some(3),
            owns_login: true,
            is_leaving: false,
            monitored: None,
            told_dn: Some(json!({"number": "7101"})),
            told_calls: vec![json!({"id": "00ab", "userData": []})],
            is_whole: true,
            progress: ReadingProgress { after: Some("1".to_owned()), begun: Some(("2".to_owned(), 2)) },
        };
        let operation = |effect| OperationSnapshot {
            references: vec![1, 2],
            operation_id: "op".to_owned(),
            effect,
            since: NOW,
            is_accepted: true,
        };
        let mut kept = KeptSession::of_test("ann", NOW);
        kept.sign_in.person.scopes.pop();
        (kept.sign_in.client, kept.sign_in.credential) = (Some("desk".to_owned()), Some("one".to_owned()));
        kept.desk = DeskSnapshot {
            hub: HubSnapshot { clients: vec![client], begun: true, early: vec![held(None)], confirmed: 5 },
            listeners: vec![ListenerSnapshot { id, is_initialised: true, knows_voice: true, ahead: 3 }],
            phase: DeskPhase::Failed("why".to_owned()),
            begun: NOW,
            is_optimised: true,
            agent: Some("1001".to_owned()),
            channel: Some(channel),
            operations: [StoredEffect::Plain, StoredEffect::Login, StoredEffect::LoginAgain, StoredEffect::Leave]
                .map(operation)
                .to_vec(),
            last_reference: 9,
            last_cursor: 10,
            ending: Some(EndingSnapshot {
                why: DeskEnd::Idle,
                dn: "7101".to_owned(),
                agent: Some("1001".to_owned()),
                since: NOW,
                settles_at: NOW,
            }),
        };
        kept
    }

    #[test]
    fn a_session_is_opened_as_it_was_under_its_own_name_alone() {
        let key = InstallationKey::from_bytes([7; 32]);
        let tenant = TenantId::parse("acme").unwrap();
        let mut kept = whole();
        for phase in [DeskPhase::New, DeskPhase::Initialising, DeskPhase::Configured, DeskPhase::Failed("x".to_owned())]
        {
            kept.desk.phase = phase;
            let sealed = kept.seal(&key, "one").unwrap();
            assert!(!sealed.windows(4).any(|part| part == b"7101"), "it is not there in clear");
            assert_eq!(KeptSession::open(&key, &tenant, "one", &sealed), Some(kept.clone()));
            assert_eq!(KeptSession::open(&key, &tenant, "two", &sealed), None);
        }
        let fresh = KeptSession::of_test("ann", NOW);
        let sealed = fresh.seal(&key, "one").unwrap();
        assert_eq!(KeptSession::open(&key, &tenant, "one", &sealed), Some(fresh));
    }

    #[test]
    fn a_record_always_fits_and_loses_what_can_be_had_elsewhere() {
        let key = InstallationKey::from_bytes([7; 32]);
        let tenant = TenantId::parse("acme").unwrap();
        let stored = |kept: &KeptSession| {
            let sealed = kept.seal(&key, "one").unwrap();
            assert!(sealed.len() <= SIGN_IN_VALUE_MAX, "{}", sealed.len());
            KeptSession::open(&key, &tenant, "one", &sealed).unwrap().desk
        };
        let mut large = whole();
        let called = json!({"id": "00ab", "participants": vec!["x".repeat(50); 60]});
        large.desk.channel.as_mut().unwrap().told_calls = vec![called; 6];
        let desk = stored(&large);
        let channel = desk.channel.unwrap();
        assert!(channel.told_calls.is_empty() && desk.operations.is_empty() && !channel.is_whole && channel.owns_login);
        assert_eq!((desk.hub, desk.listeners), (large.desk.hub.clone(), large.desk.listeners.clone()));

        let client = &mut large.desk.hub.clients[0];
        let pattern = |n: usize| ChannelPattern::parse(&format!("/{n:03}/{}", "x".repeat(190))).unwrap();
        client.subscriptions = (0..100).map(pattern).collect();
        let desk = stored(&large);
        assert!(desk.hub.clients.is_empty() && desk.listeners.is_empty() && desk.hub.begun);
        assert!(desk.channel.unwrap().owns_login, "that its agent is to be logged out is there always");
    }

    #[test]
    fn a_record_of_a_later_form_is_nobodys_session() {
        let tenant = TenantId::parse("acme").unwrap();
        let record = v1::DeskRecord { version: VERSION + 1, ..whole().record() };
        assert_eq!(KeptSession::of_record(&tenant, record), None);
        assert_eq!(KeptSession::of_record(&tenant, whole().record()), Some(whole()));
    }
}
