//! How people of a tenant sign in besides by their passwords: with the company's own OpenID Provider, and with passkeys.

use serde::{Deserialize, Serialize};

use super::Secret;

/// How people sign in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInRules {
    /// The company's OpenID Provider; none: people sign in by their passwords alone.
    #[serde(default)]
    pub upstream: Option<UpstreamProvider>,
    /// Whether a passkey signs nobody in alone: it stands behind the password or the provider, as an app's code does.
    #[serde(default)]
    pub passkeys_need_password: bool,
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
}
