//! Which pages of other origins may send, tenant by tenant: `{tenant: {urls: [], domains: []}}`.

use std::collections::BTreeMap;

use model::TenantId;
use serde_json::Value;

use crate::field_fault::{FieldFault, known_members, list, object, text};
use crate::limits::{NAME_BYTES_MAX, ORIGINS_MAX};

/// The longest origin, in bytes.
const ORIGIN_BYTES_MAX: usize = 512;

/// The origins of every tenant.
#[derive(Clone, Debug, Default)]
pub struct TenantOrigins(BTreeMap<TenantId, OriginList>);

#[derive(Clone, Debug, Default)]
struct OriginList {
    /// Scheme, host and port.
    urls: Vec<String>,
    /// Hosts, with every host below them.
    domains: Vec<String>,
}

impl TenantOrigins {
    /// Reads the configuration; an empty text lets no other origin in.
    ///
    /// # Errors
    /// The field, and the rule that it breaks.
    pub fn read(json: &str) -> Result<Self, FieldFault> {
        if json.trim().is_empty() {
            return Ok(Self::default());
        }
        let document: Value =
            serde_json::from_str(json).map_err(|error| FieldFault::new("cors", format!("it is not JSON: {error}")))?;
        let tenants = object(&document, "cors")?;
        if tenants.len() > ORIGINS_MAX {
            return Err(FieldFault::new("cors", format!("at most {ORIGINS_MAX} tenants are taken")));
        }
        let mut all = BTreeMap::new();
        for (tenant, value) in tenants {
            let field = format!("cors.{tenant}");
            let id = TenantId::parse(tenant).map_err(|_| FieldFault::new(&field, "it is no id of a tenant"))?;
            let members = object(value, &field)?;
            known_members(members, &field, &["urls", "domains"])?;
            let texts = |key: &str, check: fn(&str) -> Option<String>, rule: &str| match members.get(key) {
                None => Ok(Vec::new()),
                Some(value) => each(value, &format!("{field}.{key}"), check, rule),
            };
            let urls = texts("urls", origin_of, "it must be scheme and host, as https://desk.example")?;
            let domains = texts("domains", domain_of, "it must be a domain, as desk.example")?;
            all.insert(id, OriginList { urls, domains });
        }
        Ok(Self(all))
    }

    /// Whether pages of that origin may send for that tenant.
    pub fn lets_in(&self, tenant: &TenantId, origin: &str) -> bool {
        self.0.get(tenant).is_some_and(|list| list.has(origin))
    }

    /// Whether pages of that origin may send for any tenant: before a request, a browser does not say whose token it has.
    pub fn lets_in_for_any(&self, origin: &str) -> bool {
        self.0.values().any(|list| list.has(origin))
    }
}

impl OriginList {
    fn has(&self, origin: &str) -> bool {
        let Some(origin) = origin_of(origin) else { return false };
        if self.urls.contains(&origin) {
            return true;
        }
        let host = host_of(&origin);
        self.domains.iter().any(|domain| {
            let before = host.strip_suffix(domain.as_str());
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        })
    }
}

fn each(value: &Value, field: &str, check: fn(&str) -> Option<String>, rule: &str) -> Result<Vec<String>, FieldFault> {
    let read = |(at, value): (usize, &Value)| {
        let field = format!("{field}[{at}]");
        let written = text(Some(value), &field, ORIGIN_BYTES_MAX)?;
        check(written).ok_or_else(|| FieldFault::new(field, rule))
    };
    list(value, field, ORIGINS_MAX)?.iter().enumerate().map(read).collect()
}

/// An origin (RFC 6454) in small letters; a slash at its end, which people write, is left out.
fn origin_of(text: &str) -> Option<String> {
    let origin = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"))?;
    let is_host = !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ', '*']);
    is_host.then_some(origin)
}

fn domain_of(text: &str) -> Option<String> {
    let domain = text.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
    let is_domain = domain.len() <= NAME_BYTES_MAX * 2
        && domain.contains('.')
        && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
    is_domain.then_some(domain)
}

/// The host of an origin, without its port.
fn host_of(origin: &str) -> &str {
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_origins_are_its_own() {
        let json = r#"{"acme": {"urls": ["https://Desk.example/"], "domains": ["*.acme.example"]}, "other": {}}"#;
        let origins = TenantOrigins::read(json).unwrap();
        let (acme, other) = (TenantId::parse("acme").unwrap(), TenantId::parse("other").unwrap());
        for origin in ["https://desk.example", "http://acme.example:8080", "https://a.b.acme.example"] {
            assert!(origins.lets_in(&acme, origin) && origins.lets_in_for_any(origin), "{origin}");
            assert!(!origins.lets_in(&other, origin), "{origin}");
        }
        for origin in
            ["http://desk.example", "https://notacme.example", "https://acme.example.evil.example", "null", ""]
        {
            assert!(!origins.lets_in_for_any(origin), "{origin}");
        }
    }

    #[test]
    fn a_fault_names_the_field_and_the_rule() {
        for (json, expected) in [
            ("[]", "cors: it must be an object"),
            (r#"{"acme": {"url": []}}"#, "cors.acme.url: it is not one of urls, domains"),
            (
                r#"{"acme": {"urls": ["desk.example"]}}"#,
                "cors.acme.urls[0]: it must be scheme and host, as https://desk.example",
            ),
            (r#"{"acme": {"domains": ["localhost"]}}"#, "cors.acme.domains[0]: it must be a domain, as desk.example"),
        ] {
            assert_eq!(TenantOrigins::read(json).unwrap_err().to_string(), expected);
        }
    }
}
