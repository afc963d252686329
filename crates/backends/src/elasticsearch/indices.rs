//! The indices: their names, what stands in them, and the ids of documents. Each is written and searched by an alias, without which the
//! server takes no write: so no write to a server that has lost an index makes one of another form.

use infra::{Result, SEARCH_FIELDS, StoreError, Swept, bounds};
use model::TenantId;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

/// The form of the documents: another one is in indices of other names, so that builds side by side do not meet.
const VERSION: u32 = 1;
/// The key of the document with what is known of a collection. No target has it: their keys have a type in front.
pub(super) const COLLECTION: &str = "collection";
/// The longest prefix of the names, in bytes.
const PREFIX_BYTES_MAX: usize = 64;
/// The longest id of a document, in bytes (Elasticsearch, `_id`).
const ID_BYTES_MAX: usize = 512;
/// The name under which the texts of all fields stand together.
pub(super) const ANY: &str = "any";

/// The two indices.
pub(super) struct Indices {
    targets: String,
    states: String,
}

impl Indices {
    /// Those whose names begin so.
    ///
    /// # Errors
    /// If no index may be named so.
    pub fn of(prefix: &str) -> Result<Self> {
        let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let begins_well = prefix.as_bytes().first().is_none_or(|first| *first != b'-');
        if prefix.len() > PREFIX_BYTES_MAX || !begins_well || !prefix.bytes().all(is_good) {
            let rule = "it has small letters, digits and hyphens alone, and begins with no hyphen";
            return Err(StoreError::Invalid(format!("stores.elasticsearch_prefix: {rule}")));
        }
        Ok(Self { targets: format!("{prefix}targets-{VERSION}"), states: format!("{prefix}states-{VERSION}") })
    }

    /// The alias of one.
    pub fn name(&self, of: Swept) -> &str {
        match of {
            Swept::Targets => &self.targets,
            Swept::States => &self.states,
        }
    }

    /// The name of the index behind an alias.
    pub fn behind(alias: &str) -> String {
        format!("{alias}-a")
    }

    /// The templates, by the aliases of the indices.
    pub fn templates(&self) -> [(&str, Value); 2] {
        [
            (self.targets.as_str(), template(&self.targets, "1s", targets())),
            (self.states.as_str(), template(&self.states, "5s", states())),
        ]
    }
}

fn template(alias: &str, refreshed_each: &str, properties: Value) -> Value {
    json!({
        "index_patterns": [format!("{alias}-*")],
        "priority": 500,
        "template": {
            "aliases": {alias: {}},
            "settings": {
                // One tenant is in one shard; replicas where there are nodes for them.
                "number_of_shards": 3,
                "auto_expand_replicas": "0-1",
                "refresh_interval": refreshed_each,
            },
            "mappings": {
                "dynamic": false,
                "_routing": {"required": true},
                // They are made of what is shown, and of use to searches alone.
                "_source": {"excludes": ["whole", "words", "parts"]},
                "properties": properties,
            },
        },
    })
}

fn targets() -> Value {
    let keyword = || json!({"type": "keyword"});
    let names = || SEARCH_FIELDS.into_iter().chain([ANY]);
    let each = || Value::Object(names().map(|name| (name.to_owned(), keyword())).collect::<Map<_, _>>());
    json!({
        "tenant": keyword(), "kind": keyword(), "build": {"type": "long"}, "type": keyword(), "groups": keyword(),
        "sort": keyword(), "key": keyword(),
        "whole": {"properties": each()}, "words": {"properties": each()}, "parts": {"properties": each()},
    })
}

fn states() -> Value {
    json!({"tenant": {"type": "keyword"}, "kind": {"type": "keyword"}, "build": {"type": "long"}})
}

/// What leads to a tenant's shard, and what the ids of its documents begin with: no slash is in it.
pub(super) fn routing(tenant: &TenantId) -> String {
    utf8_percent_encode(tenant.as_str(), NON_ALPHANUMERIC).to_string()
}

/// Refuses a tenant whose ids would be longer than the server takes.
pub(super) fn expect_tenant(tenant: &TenantId) -> Result<()> {
    if routing(tenant).len() + 1 + bounds::SEARCH_ID_MAX > ID_BYTES_MAX {
        return Err(StoreError::Invalid("the tenant's id is too long for ids of documents".to_owned()));
    }
    Ok(())
}

/// The id of a tenant's document.
pub(super) fn document_id(tenant: &TenantId, key: &str) -> String {
    format!("{}/{key}", routing(tenant))
}

/// The key of a document by its id.
pub(super) fn key_of<'a>(tenant: &TenantId, id: &'a str) -> Option<&'a str> {
    id.strip_prefix(&routing(tenant))?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_makes_names_that_an_index_may_have() {
        let indices = Indices::of("trunkline-").unwrap();
        assert_eq!(indices.name(Swept::Targets), "trunkline-targets-1");
        assert_eq!(indices.name(Swept::States), "trunkline-states-1");
        assert!(Indices::of("").is_ok());
        for wrong in ["-a", "A", "a*", "a,b", "../", &"a".repeat(65)] {
            assert!(Indices::of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_id_leads_back_to_its_key() {
        let acme = TenantId::parse("acme").unwrap();
        assert_eq!(document_id(&acme, "agent/ann"), "acme/agent/ann");
        assert_eq!(key_of(&acme, "acme/agent/ann"), Some("agent/ann"));
        assert_eq!(key_of(&acme, "acmes/agent/ann"), None);
        let other = TenantId::parse("acme/agent").unwrap();
        assert_ne!(document_id(&other, "agent/ann"), document_id(&acme, "agent/agent/ann"));
        assert!(expect_tenant(&acme).is_ok() && expect_tenant(&TenantId::parse(&"/".repeat(80)).unwrap()).is_err());
    }
}
