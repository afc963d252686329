//! How people of a tenant sign in besides by their passwords: with the company's own OpenID Provider, and with passkeys; what programs may
//! do for them, at which host names the tenant is meant, and from which addresses its people come.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Secret;
use super::networks::{contains, network};
use super::outgoing::is_host_name;

/// How people sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInRules {
    /// The company's OpenID Provider; none: people sign in by their passwords alone.
    #[serde(default)]
    pub upstream: Option<UpstreamProvider>,
    /// Whether a passkey signs nobody in alone: it stands behind the password or the provider, as an app's code does.
    #[serde(default)]
    pub passkeys_need_password: bool,
    /// Whether clients may use the grants `password` and `jwt_bearer`, by which programs of the published API sign people in without the
    /// page. False refuses both, whatever the clients list.
    #[serde(default = "published_grants")]
    pub published_grants: bool,
    /// The host names at which this tenant is meant, in lower case. No other tenant of the installation has one of them.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The addresses and networks from which people sign in, once [`Self::addresses_only`] says so.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Whether people sign in, and stay signed in, from [`Self::addresses`] alone.
    #[serde(default)]
    pub addresses_only: bool,
}

const fn published_grants() -> bool {
    true
}

impl Default for SignInRules {
    fn default() -> Self {
        Self {
            upstream: None,
            passkeys_need_password: false,
            published_grants: published_grants(),
            hosts: Vec::new(),
            addresses: Vec::new(),
            addresses_only: false,
        }
    }
}

impl SignInRules {
    /// The most addresses of a tenant: each is looked at when somebody signs in.
    pub const ADDRESSES_MAX: usize = 200;

    /// Those of its hosts that are no host names, or are not in lower case.
    pub fn wrong_hosts(&self) -> impl Iterator<Item = &str> {
        let is_lower = |host: &str| !host.bytes().any(|byte| byte.is_ascii_uppercase());
        self.hosts.iter().map(String::as_str).filter(move |host| !(is_host_name(host) && is_lower(host)))
    }

    /// Those of its addresses that are neither an address nor a network.
    pub fn wrong_addresses(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().map(String::as_str).filter(|text| network(text).is_none())
    }

    /// Whether people sign in from that address; one that is not known is in no list.
    pub fn lets_in_from(&self, address: Option<IpAddr>) -> bool {
        !self.addresses_only || address.is_some_and(|address| self.has_address(address))
    }

    fn has_address(&self, address: IpAddr) -> bool {
        let Some(whole) = network(&address.to_string()) else { return false };
        self.addresses.iter().filter_map(|text| network(text)).any(|listed| contains(listed, whole))
    }
}

/// An OpenID Provider that says who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamProvider {
    /// What people call it.
    pub name: String,
    /// Its issuer: the URL below which its description is found, word for word as its ID tokens say it.
    pub issuer: String,
    /// Our `client_id` there.
    pub client_id: String,
    /// Our secret there; none if we are a public client there. Absent where secrets are not shown.
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// The scopes that are asked for; none: `openid`, `profile` and `email`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The claim of its ID tokens that names the person; none: that which is usual for [`Self::person`].
    #[serde(default)]
    pub claim: Option<String>,
    /// The person's field that the claim is matched with.
    #[serde(default)]
    pub person: PersonField,
    /// Whether passwords of the tenant's people are refused.
    #[serde(default)]
    pub only: bool,
    /// Whether it asks for a second factor itself, so that we ask for none.
    #[serde(default)]
    pub trusted_factor: bool,
}

/// The field of a person by which a provider's claim finds the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonField {
    /// The address for mail.
    #[default]
    Email,
    /// The name by which the person signs in.
    UserName,
}

impl PersonField {
    const ALL: [Self; 2] = [Self::Email, Self::UserName];

    /// Their names in the tenant's file.
    pub const NAMES: [&'static str; 2] = [Self::Email.as_str(), Self::UserName.as_str()];

    /// Its name in the tenant's file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::UserName => "user_name",
        }
    }

    /// The one of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }
}

impl UpstreamProvider {
    /// The scopes that are asked for.
    pub fn asked_scopes(&self) -> String {
        if self.scopes.is_empty() { "openid profile email".to_owned() } else { self.scopes.join(" ") }
    }

    /// The claim that names the person.
    pub fn naming_claim(&self) -> &str {
        self.claim.as_deref().unwrap_or(match self.person {
            PersonField::Email => "email",
            PersonField::UserName => "preferred_username",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_what_is_usual() {
        let json = r#"{"name":"Acme","issuer":"https://id.acme.example","client_id":"trunkline"}"#;
        let mut provider: UpstreamProvider = serde_json::from_str(json).unwrap();
        assert_eq!((provider.naming_claim(), provider.asked_scopes().as_str()), ("email", "openid profile email"));
        assert!(!provider.only && !provider.trusted_factor && provider.client_secret.is_none());
        provider.person = PersonField::UserName;
        assert_eq!(provider.naming_claim(), "preferred_username");
        (provider.claim, provider.scopes) = (Some("upn".to_owned()), vec!["openid".to_owned()]);
        assert_eq!((provider.naming_claim(), provider.asked_scopes().as_str()), ("upn", "openid"));
    }

    #[test]
    fn rules_of_before_let_programs_do_what_they_did() {
        let rules: SignInRules = serde_json::from_str(r#"{"upstream":null,"passkeys_need_password":false}"#).unwrap();
        assert_eq!(rules, SignInRules::default());
        assert!(rules.published_grants && rules.hosts.is_empty() && !rules.addresses_only);
        let rules: SignInRules = serde_json::from_str(r#"{"published_grants":false}"#).unwrap();
        assert!(!rules.published_grants);
    }

    #[test]
    fn people_come_from_anywhere_until_the_addresses_are_all_that_count() {
        let listed = ["203.0.113.0/24", "2001:db8:7::/48", "192.0.2.7", "centre.example"].map(str::to_owned);
        let mut rules = SignInRules { addresses: listed.into(), ..SignInRules::default() };
        assert_eq!(rules.wrong_addresses().collect::<Vec<_>>(), ["centre.example"]);
        let from = |rules: &SignInRules, address: &str| rules.lets_in_from(address.parse().ok());
        assert!(from(&rules, "198.51.100.1") && rules.lets_in_from(None));
        rules.addresses_only = true;
        for inside in ["203.0.113.200", "::ffff:203.0.113.9", "192.0.2.7", "2001:db8:7:1::5"] {
            assert!(from(&rules, inside), "{inside}");
        }
        for outside in ["198.51.100.1", "192.0.2.8", "2001:db8:8::1", "::1", "nowhere"] {
            assert!(!from(&rules, outside), "{outside}");
        }
    }

    #[test]
    fn a_host_is_a_name_in_lower_case() {
        let hosts = ["acme.example", "localhost", "Acme.example", "acme.example:8443", "192.0.2.1", "*.acme.example"];
        let rules = SignInRules { hosts: hosts.map(str::to_owned).into(), ..SignInRules::default() };
        assert_eq!(rules.wrong_hosts().collect::<Vec<_>>(), &hosts[2..]);
    }
}
