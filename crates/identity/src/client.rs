//! Clients: programs that ask for tokens, for a person or for themselves.

use std::collections::BTreeSet;

/// A way to get tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantType {
    /// A code, which a person's sign-in gave (RFC 6749 section 4.1).
    AuthorizationCode,
    /// A refresh token (RFC 6749 section 6).
    RefreshToken,
    /// The client's own secret (RFC 6749 section 4.4).
    ClientCredentials,
    /// A person's name and password (RFC 6749 section 4.3): for published programs that know nothing else.
    Password,
    /// A code that a device shows and a person enters elsewhere (RFC 8628).
    DeviceCode,
    /// An API key (RFC 8693). No client is asked for: the key proves itself.
    TokenExchange,
    /// An assertion by which the client says for whom it asks (RFC 7523 section 2.1).
    JwtBearer,
}

impl GrantType {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::Password,
        Self::DeviceCode,
        Self::TokenExchange,
        Self::JwtBearer,
    ];

    /// Its name in `grant_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }

    /// Whether a program signs people in by it without our page, as programs of the published API do. A tenant may refuse that to all of its
    /// clients.
    pub const fn is_without_page(self) -> bool {
        matches!(self, Self::Password | Self::JwtBearer)
    }

    /// The grant of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == name)
    }
}

/// What of a client decides, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRules {
    /// Its id, unique in the tenant.
    pub id: String,
    /// Whether it has a secret or keys; without them it is public, and its codes need PKCE.
    pub is_confidential: bool,
    /// The grants that it may use.
    pub grants: Vec<GrantType>,
    /// Where codes may be sent, word for word.
    pub redirect_uris: Vec<String>,
    /// What it may be granted for itself.
    pub scopes: Vec<String>,
    /// Whether its people's tokens have no more than that either: it lists scopes, be it some that it may not have.
    pub bounds_people: bool,
}

impl ClientRules {
    /// Whether it may use that grant. A public client has no credentials of its own (RFC 6749 section 4.4), and nobody believes it whom it
    /// names.
    pub fn may_use(&self, grant: GrantType) -> bool {
        let needs_proof = matches!(grant, GrantType::ClientCredentials | GrantType::JwtBearer);
        self.grants.contains(&grant) && (self.is_confidential || !needs_proof)
    }

    /// What of a person's scopes a token at this client may have.
    pub fn of_person<'a>(&self, scopes: BTreeSet<&'a str>) -> BTreeSet<&'a str> {
        let is_listed = |scope: &&str| !self.bounds_people || self.scopes.iter().any(|listed| listed == scope);
        scopes.into_iter().filter(is_listed).collect()
    }

    /// The scope of a device that asks for none: nobody is asked for all that they may. None if nothing says how much less is enough.
    pub fn of_device(&self) -> Option<String> {
        (self.bounds_people && !self.scopes.is_empty()).then(|| self.scopes.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_client_has_no_credentials_whatever_its_grants_say() {
        let mut client = ClientRules {
            id: "desk".to_owned(),
            is_confidential: false,
            grants: GrantType::ALL.to_vec(),
            redirect_uris: Vec::new(),
            scopes: Vec::new(),
            bounds_people: false,
        };
        assert!(client.may_use(GrantType::AuthorizationCode) && !client.may_use(GrantType::ClientCredentials));
        assert!(!client.may_use(GrantType::JwtBearer));
        client.is_confidential = true;
        assert!(client.may_use(GrantType::ClientCredentials) && client.may_use(GrantType::JwtBearer));
        client.grants.clear();
        assert!(GrantType::ALL.iter().all(|grant| !client.may_use(*grant)));
    }

    #[test]
    fn the_scopes_that_a_client_lists_bound_its_people_too() {
        let mut client = ClientRules {
            id: "board".to_owned(),
            is_confidential: false,
            grants: vec![GrantType::DeviceCode],
            redirect_uris: Vec::new(),
            scopes: Vec::new(),
            bounds_people: false,
        };
        let person = BTreeSet::from(["config:write", "statistics:read"]);
        assert_eq!(client.of_person(person.clone()), person, "it lists none");
        assert_eq!(client.of_device(), None);
        client.bounds_people = true;
        assert!(client.of_person(person.clone()).is_empty(), "it lists what it may not have");
        assert_eq!(client.of_device(), None);
        client.scopes = vec!["statistics:read".to_owned(), "calls:read".to_owned()];
        assert_eq!(client.of_person(person), BTreeSet::from(["statistics:read"]));
        assert_eq!(client.of_device().as_deref(), Some("statistics:read calls:read"));
    }

    #[test]
    fn each_grant_is_found_by_its_name() {
        assert!(GrantType::ALL.iter().all(|grant| GrantType::parse(grant.as_str()) == Some(*grant)));
        assert_eq!(GrantType::parse("implicit"), None);
    }
}
