//! Do-not-disturb and forwarding of phones, whether one without call waiting is in a call, and who is logged in there where that counts:
//! written by agent-state, a record for each phone among those of a tenant's agents; read by dialplan.

use bytes::Bytes;
use call::dial_plan::PhoneSettings;
use contracts::v1;
use infra::{Loaded, StoreError, Stores};
use model::{AgentId, Dn, TenantId};
use prost::Message as _;

/// The kind of such a record.
pub const KIND: &str = "phone-settings";
/// The version that is written.
const VERSION: u32 = 1;
/// What their keys begin with, among the agents of a tenant.
const PREFIX: &str = "@phone-";

/// What is kept of a phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneRecord {
    /// What it has set.
    pub settings: PhoneSettings,
    /// Whether it is in a call; false for a phone with call waiting.
    pub in_call: bool,
    /// Who is logged in there; none where no rule of the tenant limits what agents spend.
    pub agent: Option<AgentId>,
}

/// The key of a phone's record; none for a number that is too long for one.
pub fn key(dn: &Dn) -> Option<AgentId> {
    AgentId::parse(&format!("{PREFIX}{dn}")).ok()
}

/// The phone whose record has this key.
pub fn phone_of(key: &AgentId) -> Option<Dn> {
    key.as_str().strip_prefix(PREFIX).and_then(|number| Dn::parse(number).ok())
}

/// What is kept of a phone; nothing if it has no record.
///
/// # Errors
/// As the store's; [`StoreError::Corrupt`] for a record that cannot be read.
pub async fn read(stores: &Stores, tenant: &TenantId, dn: &Dn) -> infra::Result<PhoneRecord> {
    let Some(key) = key(dn) else { return Ok(PhoneRecord::default()) };
    match stores.agents.load(tenant, &key).await? {
        Loaded::Live(record) => decode(&record.state),
        Loaded::Ended | Loaded::Unknown => Ok(PhoneRecord::default()),
    }
}

/// A phone's record.
pub fn encode(phone: &PhoneRecord) -> Bytes {
    let settings = &phone.settings;
    let text = |number: &Option<Dn>| number.as_ref().map(Dn::to_string);
    let body = v1::PhoneSettingsRecord {
        dnd: settings.dnd,
        always: text(&settings.always),
        busy: text(&settings.busy),
        no_answer: text(&settings.no_answer),
        unregistered: text(&settings.unregistered),
        in_call: phone.in_call,
        agent: phone.agent.as_ref().map(AgentId::to_string),
    };
    let record = v1::StateRecord { kind: KIND.into(), version: VERSION, body: body.encode_to_vec().into() };
    record.encode_to_vec().into()
}

/// Reads a phone's record.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn decode(bytes: &[u8]) -> infra::Result<PhoneRecord> {
    let corrupt = |reason: String| StoreError::Corrupt { what: KIND.to_owned(), reason };
    let envelope = v1::StateRecord::decode(bytes).map_err(|error| corrupt(error.to_string()))?;
    if envelope.kind != KIND || envelope.version != VERSION {
        return Err(corrupt(format!("its kind is {:?}, its version {}", envelope.kind, envelope.version)));
    }
    let body = v1::PhoneSettingsRecord::decode(envelope.body).map_err(|error| corrupt(error.to_string()))?;
    let number = |text: Option<String>| {
        text.map(|text| Dn::parse(&text)).transpose().map_err(|error| corrupt(error.to_string()))
    };
    let settings = PhoneSettings {
        dnd: body.dnd,
        always: number(body.always)?,
        busy: number(body.busy)?,
        no_answer: number(body.no_answer)?,
        unregistered: number(body.unregistered)?,
    };
    let agent = body.agent.map(|agent| AgentId::parse(&agent)).transpose();
    let agent = agent.map_err(|error| corrupt(error.to_string()))?;
    Ok(PhoneRecord { settings, in_call: body.in_call, agent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_phone_has_set_comes_back_from_its_record() {
        let number = |text: &str| Some(Dn::parse(text).unwrap());
        let all = PhoneSettings {
            dnd: true,
            always: number("7102"),
            busy: number("+4930123"),
            no_answer: number("*98"),
            unregistered: number("9000"),
        };
        for (settings, in_call, agent) in [(all, false, Some("1001")), (PhoneSettings::default(), true, None)] {
            let agent = agent.and_then(|agent| AgentId::parse(agent).ok());
            let phone = PhoneRecord { settings, in_call, agent };
            assert_eq!(decode(&encode(&phone)).unwrap(), phone);
        }
        assert!(matches!(decode(b"no record"), Err(StoreError::Corrupt { .. })));
        let other = v1::StateRecord { kind: "agent".into(), version: VERSION, body: Bytes::new() };
        assert!(decode(&other.encode_to_vec()).is_err());
    }

    #[test]
    fn the_key_of_a_record_names_its_phone() {
        let dn = Dn::parse("*7#1").unwrap();
        assert_eq!(phone_of(&key(&dn).unwrap()), Some(dn));
        assert_eq!(phone_of(&AgentId::parse("1001").unwrap()), None);
        assert_eq!(phone_of(&AgentId::parse(crate::monitors::OWNER_RECORD).unwrap()), None);
    }
}
