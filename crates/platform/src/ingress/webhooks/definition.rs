//! A webhook: where to, which events, and the key of its signatures; as JSON and as a record.

use bytes::Bytes;
use contracts::{v1, wire};
use infra::{StoreError, TenantLife};
use model::{ConnId, EventName, TenantId, Timestamp};
use net::http::Problem;
use net::public_address::Reach;
use runtime::installation_key::InstallationKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kept_key::KeptSigningKey;
use super::signature::SigningKey;
use super::target;

/// The most webhooks of a tenant: each is a subscription of its own.
pub(super) const WEBHOOKS_MAX: usize = 16;
/// The longest description, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 200;
/// The most names in one filter.
const FILTER_MAX: usize = 200;
/// The version of the record.
const VERSION: u32 = 1;

/// What a client sends to make or replace a webhook.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookWanted {
    /// Where deliveries are sent: http or https.
    pub url: String,
    /// `whsec_` and base64 of 24 to 64 bytes. Without it one is made, or the present one stays.
    pub secret: Option<String>,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Whether deliveries are made. Nothing is read for a webhook that is off.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Which events; all without it.
    #[serde(default)]
    pub filter: WebhookFilter,
}

const fn yes() -> bool {
    true
}

/// Which events a webhook gets: those that one of `dns`, `agents`, `queues` and `calls` names, or all; of these, those of `events`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookFilter {
    /// DNs.
    #[serde(default)]
    pub dns: Vec<String>,
    /// Agents.
    #[serde(default)]
    pub agents: Vec<String>,
    /// Route points and virtual queues.
    #[serde(default)]
    pub queues: Vec<String>,
    /// Calls, each as a ConnID.
    #[serde(default)]
    pub calls: Vec<String>,
    /// Names of events, as `EventRinging`.
    #[serde(default)]
    pub events: Vec<String>,
}

/// A webhook.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Webhook {
    pub id: String,
    pub place: u32,
    pub url: String,
    pub secret: KeptSigningKey,
    pub description: String,
    pub enabled: bool,
    pub filter: v1::SubscribeRequest,
    pub created_at: Timestamp,
    pub created_by: String,
    /// Wishes to deliver dead letters again, by their growing numbers.
    pub again: Vec<v1::WebhookAgain>,
    /// The position of the stream after which it begins, if that was known when it was made.
    pub begins_after: String,
    /// Which tenant of its id it is of.
    pub life: TenantLife,
}

impl Webhook {
    /// Whether deliveries are made: it is on, and they can be signed.
    pub const fn is_delivered(&self) -> bool {
        self.enabled && self.secret.opened().is_some()
    }
}

impl WebhookWanted {
    /// Checks everything but the secret.
    pub fn check(&self, reach: Reach) -> Result<v1::SubscribeRequest, Problem> {
        let fault = |field: &str, rule: String| Problem::unprocessable(format!("{field}: {rule}"));
        target::check(reach, &self.url).map_err(|rule| fault("url", rule))?;
        if self.description.len() > DESCRIPTION_BYTES_MAX {
            return Err(fault("description", format!("it must have at most {DESCRIPTION_BYTES_MAX} bytes")));
        }
        self.filter.read().map_err(|(field, rule)| fault(&format!("filter.{field}"), rule))
    }

    /// The secret that is named, if one is.
    pub fn named_secret(&self) -> Result<Option<SigningKey>, Problem> {
        let read = self.secret.as_deref().map(SigningKey::read).transpose();
        read.map_err(|rule| Problem::unprocessable(format!("secret: {rule}")))
    }
}

impl WebhookFilter {
    fn read(&self) -> Result<v1::SubscribeRequest, (&'static str, String)> {
        for (field, names) in [
            ("dns", &self.dns),
            ("agents", &self.agents),
            ("queues", &self.queues),
            ("calls", &self.calls),
            ("events", &self.events),
        ] {
            if names.len() > FILTER_MAX {
                return Err((field, format!("there are more than {FILTER_MAX}")));
            }
            if names.iter().any(|name| name.is_empty() || name.len() > 255) {
                return Err((field, "each must have 1 to 255 bytes".to_owned()));
            }
        }
        let call = |id: &String| {
            let read = contracts::json::conn_id_with_owner(id);
            read.map(|(id, _)| id.0).map_err(|error| ("calls", error.to_string()))
        };
        let event = |name: &String| {
            let found = EventName::parse(name).map(wire::event_name_to_wire);
            found.ok_or_else(|| ("events", format!("there is no event {name:?}")))
        };
        Ok(v1::SubscribeRequest {
            after: String::new(),
            dns: self.dns.clone(),
            agents: self.agents.clone(),
            queues: self.queues.clone(),
            calls: self.calls.iter().map(call).collect::<Result<_, _>>()?,
            names: self.events.iter().map(event).collect::<Result<_, _>>()?,
            known: Vec::new(),
        })
    }

    pub fn of(request: &v1::SubscribeRequest) -> Self {
        let names = request.names.iter().filter_map(|number| wire::event_name_from_wire(*number).ok());
        Self {
            dns: request.dns.clone(),
            agents: request.agents.clone(),
            queues: request.queues.clone(),
            calls: request.calls.iter().map(|id| ConnId(*id).to_string()).collect(),
            events: names.map(|name| name.to_string()).collect(),
        }
    }
}

// === records ===

/// Writes the webhooks of a tenant, each secret sealed with the installation's key.
///
/// # Errors
/// [`StoreError::Unavailable`] if one cannot be sealed.
pub(super) fn to_record(
    key: &InstallationKey,
    tenant: &TenantId,
    webhooks: &[Webhook],
) -> Result<v1::WebhooksRecord, StoreError> {
    let webhook = |webhook: &Webhook| -> Result<v1::WebhookRecord, StoreError> {
        Ok(v1::WebhookRecord {
            id: webhook.id.clone(),
            place: webhook.place,
            url: webhook.url.clone(),
            secret: Bytes::new(),
            description: webhook.description.clone(),
            enabled: webhook.enabled,
            dns: webhook.filter.dns.clone(),
            agents: webhook.filter.agents.clone(),
            queues: webhook.filter.queues.clone(),
            calls: webhook.filter.calls.clone(),
            names: webhook.filter.names.clone(),
            created_at_us: webhook.created_at.as_micros(),
            created_by: webhook.created_by.clone(),
            again: webhook.again.clone(),
            begins_after: webhook.begins_after.clone(),
            sealed_secret: webhook.secret.sealed(key, tenant, &webhook.id)?,
            life: webhook.life.0,
        })
    };
    let webhooks = webhooks.iter().map(webhook).collect::<Result<Vec<_>, StoreError>>()?;
    Ok(v1::WebhooksRecord { version: VERSION, webhooks })
}

/// Whether a secret stands there in clear, as a release before has written it.
pub(super) fn has_clear_secret(record: &v1::WebhooksRecord) -> bool {
    record.webhooks.iter().any(|webhook| !webhook.secret.is_empty())
}

/// Reads the webhooks of a tenant; one with a secret that is none is left out.
pub(super) fn from_record(key: &InstallationKey, tenant: &TenantId, record: v1::WebhooksRecord) -> Vec<Webhook> {
    let webhook = |record: v1::WebhookRecord| {
        Some(Webhook {
            secret: KeptSigningKey::of_record(key, tenant, &record)?,
            id: record.id,
            place: record.place,
            url: record.url,
            description: record.description,
            enabled: record.enabled,
            filter: v1::SubscribeRequest {
                after: String::new(),
                dns: record.dns,
                agents: record.agents,
                queues: record.queues,
                calls: record.calls,
                names: record.names,
                known: Vec::new(),
            },
            created_at: Timestamp::from_micros(record.created_at_us),
            created_by: record.created_by,
            again: record.again,
            begins_after: record.begins_after,
            life: TenantLife(record.life),
        })
    };
    record.webhooks.into_iter().filter_map(webhook).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(json: &str) -> Result<v1::SubscribeRequest, String> {
        let wanted: WebhookWanted = serde_json::from_str(json).map_err(|error| error.to_string())?;
        wanted.check(Reach::Public).map_err(|problem| problem.detail.unwrap_or_default())
    }

    #[test]
    fn a_wrong_field_is_named_with_its_rule() {
        for (json, said) in [
            (r#"{"url": "gopher://x"}"#, "url: "),
            (r#"{"url": "http://127.0.0.1/"}"#, "url: 127.0.0.1"),
            (r#"{"url": "https://a.example", "filter": {"events": ["Ringing"]}}"#, "filter.events: "),
            (r#"{"url": "https://a.example", "filter": {"calls": ["x"]}}"#, "filter.calls: "),
            (r#"{"url": "https://a.example", "filter": {"dns": [""]}}"#, "filter.dns: "),
            (r#"{"url": "https://a.example", "filter": {"dn": []}}"#, "unknown field `dn`"),
            (r#"{"url": "https://a.example", "colour": "red"}"#, "unknown field `colour`"),
        ] {
            let fault = wanted(json).unwrap_err();
            assert!(fault.contains(said), "{json}: {fault}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let filter = wanted(
            r#"{"url": "https://a.example", "filter": {"dns": ["7101"], "events": ["EventHeld"], "calls": ["00000000000000ff"]}}"#,
        );
        let webhook = Webhook {
            id: "wh_1".to_owned(),
            place: 3,
            url: "https://a.example".to_owned(),
            secret: KeptSigningKey::Opened(SigningKey::new(vec![7; 32]).unwrap()),
            description: "crm".to_owned(),
            enabled: true,
            filter: filter.unwrap(),
            created_at: Timestamp::from_millis(7),
            created_by: "operator/ann".to_owned(),
            again: vec![v1::WebhookAgain { number: 2, ids: vec!["msg_1".to_owned()] }],
            begins_after: "0-7".to_owned(),
            life: TenantLife(u64::MAX),
        };
        let (key, acme) = (InstallationKey::from_bytes([7; 32]), TenantId::parse("acme").unwrap());
        let mut record = to_record(&key, &acme, std::slice::from_ref(&webhook)).unwrap();
        assert!(!has_clear_secret(&record));
        assert_eq!(from_record(&key, &acme, record.clone()), std::slice::from_ref(&webhook));
        // As the release before has written it.
        record.webhooks[0].secret = vec![7; 32].into();
        record.webhooks[0].sealed_secret.clear();
        assert!(has_clear_secret(&record));
        assert_eq!(from_record(&key, &acme, record), std::slice::from_ref(&webhook));
        let shown = WebhookFilter::of(&webhook.filter);
        assert_eq!((shown.events[0].as_str(), shown.calls[0].as_str()), ("EventHeld", "00000000000000ff"));
        assert_eq!(shown.read().unwrap(), webhook.filter);
    }
}
