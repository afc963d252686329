//! The secrets of objects, one by one: which there are, and how a document without them keeps those that are stored.

use super::*;
use crate::v1::{CreateApiKeyResponse, PutObject};

/// The document may have passwords in clear.
impl fmt::Debug for PutObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PutObject({} bytes, fields {:?})", self.json.len(), self.fields)
    }
}

/// It has an API key in clear.
impl fmt::Debug for CreateApiKeyResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CreateApiKeyResponse({:?})", self.record)
    }
}

/// The fields that may hold a secret, whatever the kind.
const FIELDS: [&str; 7] = [
    "password",
    "second_factor",
    "agent.pin",
    "secret",
    "inbound_password",
    "stir.sign.private_key",
    "sign_in.upstream.client_secret",
];

/// What a secret begins with that is sealed with the installation's key, wherever it is kept.
const SEALED: &str = "sealed:v1:";

/// What each hash of a password, a PIN or a client's secret begins with.
const HASH: &str = "$argon2";

/// The secrets of one object that are kept as they are, not as hashes, each with its field: these are sealed where they are stored.
pub type ReadableSecrets<'a> = Vec<(&'static str, &'a mut Secret)>;

impl Secret {
    /// A secret that was sealed: this text is its sealed bytes in base64url.
    pub fn of_sealed(text: &str) -> Self {
        Self(format!("{SEALED}{text}"))
    }

    /// The text that was given to [`Self::of_sealed`]; none of a secret in clear.
    pub fn sealed(&self) -> Option<&str> {
        self.0.strip_prefix(SEALED)
    }

    /// Whether it is sealed: then only who has the installation's key can read it.
    pub fn is_sealed(&self) -> bool {
        self.sealed().is_some()
    }

    /// Whether a password, a PIN or a client's secret is meant as its hash, which the rules of the tenant's file then judge.
    pub fn is_meant_as_hash(&self) -> bool {
        self.0.starts_with(HASH)
    }
}

impl Dn {
    /// The password of a phone.
    pub fn readable_secrets(&mut self) -> ReadableSecrets<'_> {
        match &mut self.kind {
            DnKind::Extension { password, .. } if !password.reveal().is_empty() => vec![("password", password)],
            _ => Vec::new(),
        }
    }
}

impl Person {
    /// The PIN of an agent, where it is not kept as a hash: releases before have kept it so that it can be read.
    pub fn readable_secrets(&mut self) -> ReadableSecrets<'_> {
        let pin = self.agent.as_mut().and_then(|agent| agent.pin.as_mut()).filter(|pin| !pin.is_meant_as_hash());
        pin.map(|pin| ("agent.pin", pin)).into_iter().collect()
    }
}

impl Trunk {
    /// The passwords of both directions, and the key that signs.
    pub fn readable_secrets(&mut self) -> ReadableSecrets<'_> {
        let key = self.stir.sign.as_mut().and_then(|sign| sign.private_key.as_mut());
        let named = [
            ("password", self.password.as_mut()),
            ("inbound_password", self.inbound_password.as_mut()),
            ("stir.sign.private_key", key),
        ];
        named.into_iter().filter_map(|(field, secret)| Some((field, secret?))).collect()
    }
}

impl Tenant {
    /// The secret that its OpenID Provider has given us.
    pub fn readable_secrets(&mut self) -> ReadableSecrets<'_> {
        let secret = self.sign_in.upstream.as_mut().and_then(|provider| provider.client_secret.as_mut());
        secret.map(|secret| ("sign_in.upstream.client_secret", secret)).into_iter().collect()
    }
}

impl Object {
    /// Its secrets that are kept as they are: all but hashes, and but for second factors, which auth seals itself.
    pub fn readable_secrets(&mut self) -> ReadableSecrets<'_> {
        match self {
            Self::Dn(dn) => dn.readable_secrets(),
            Self::Person(person) => person.readable_secrets(),
            Self::Trunk(trunk) => trunk.readable_secrets(),
            Self::Tenant(tenant) => tenant.readable_secrets(),
            _ => Vec::new(),
        }
    }
}

impl Object {
    /// Its secrets that are set, each with its field.
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        FIELDS.into_iter().filter_map(|field| Some((field, self.secret(field)?))).collect()
    }

    /// The object without its sealed secrets, as who uses secrets gets it: one that could not be opened is none.
    #[must_use]
    pub fn without_sealed(mut self) -> Self {
        let sealed = self.readable_secrets().into_iter().filter(|(_, secret)| secret.is_sealed());
        let sealed: Vec<&'static str> = sealed.map(|(field, _)| field).collect();
        for field in sealed {
            self.remove_readable(field);
        }
        self
    }

    /// The object without an agent's PIN, or its hash: only the role that compares PINs has it, and reads it from the cache.
    #[must_use]
    pub fn without_pin(mut self) -> Self {
        if let Self::Person(person) = &mut self
            && let Some(agent) = &mut person.agent
        {
            agent.pin = None;
        }
        self
    }

    fn remove_readable(&mut self, field: &str) {
        match self {
            Self::Dn(dn) => {
                if let DnKind::Extension { password, .. } = &mut dn.kind {
                    *password = Secret::default();
                }
            }
            Self::Person(person) => {
                if let Some(agent) = &mut person.agent {
                    agent.pin = None;
                }
            }
            Self::Trunk(trunk) if field == "password" => trunk.password = None,
            Self::Trunk(trunk) if field == "inbound_password" => trunk.inbound_password = None,
            Self::Trunk(trunk) => {
                if let Some(sign) = &mut trunk.stir.sign {
                    sign.private_key = None;
                }
            }
            Self::Tenant(tenant) => {
                if let Some(provider) = &mut tenant.sign_in.upstream {
                    provider.client_secret = None;
                }
            }
            _ => {}
        }
    }

    /// Takes from `held` each secret that this object lacks, but for those that `is_removed` says are to go.
    pub fn keep_secrets(&mut self, held: &Self, is_removed: impl Fn(&str) -> bool) {
        for (field, secret) in held.secrets() {
            if self.secret(field).is_none() && !is_removed(field) && self.is_for_the_same(held) {
                self.set_secret(field, secret.clone());
            }
        }
    }

    /// Whether its secrets go where those of `held` went: a secret that somebody may not read is not sent to a provider whom they name.
    fn is_for_the_same(&self, held: &Self) -> bool {
        let (Self::Tenant(one), Self::Tenant(other)) = (self, held) else { return true };
        let of = |tenant: &Tenant| tenant.sign_in.upstream.as_ref().map(|provider| provider.issuer.clone());
        of(one) == of(other)
    }

    /// One of its secrets; a phone's empty password is none.
    fn secret(&self, field: &str) -> Option<&Secret> {
        match (self, field) {
            (Self::Dn(Dn { kind: DnKind::Extension { password, .. }, .. }), "password") => {
                Some(password).filter(|password| !password.reveal().is_empty())
            }
            (Self::Person(person), "password") => person.password.as_ref(),
            (Self::Person(person), "second_factor") => person.second_factor.as_ref(),
            (Self::Person(person), "agent.pin") => person.agent.as_ref()?.pin.as_ref(),
            (Self::Client(client), "secret") => client.secret.as_ref(),
            (Self::Trunk(trunk), "password") => trunk.password.as_ref(),
            (Self::Trunk(trunk), "inbound_password") => trunk.inbound_password.as_ref(),
            (Self::Trunk(trunk), "stir.sign.private_key") => trunk.stir.sign.as_ref()?.private_key.as_ref(),
            (Self::Tenant(tenant), "sign_in.upstream.client_secret") => {
                tenant.sign_in.upstream.as_ref()?.client_secret.as_ref()
            }
            _ => None,
        }
    }

    /// Sets it where the object has a place for it.
    fn set_secret(&mut self, field: &str, secret: Secret) {
        match (self, field) {
            (Self::Dn(Dn { kind: DnKind::Extension { password, .. }, .. }), "password") => *password = secret,
            (Self::Person(person), "password") => person.password = Some(secret),
            (Self::Person(person), "second_factor") => person.second_factor = Some(secret),
            (Self::Person(person), "agent.pin") => {
                if let Some(agent) = &mut person.agent {
                    agent.pin = Some(secret);
                }
            }
            (Self::Client(client), "secret") => client.secret = Some(secret),
            (Self::Trunk(trunk), "password") => trunk.password = Some(secret),
            (Self::Trunk(trunk), "inbound_password") => trunk.inbound_password = Some(secret),
            (Self::Trunk(trunk), "stir.sign.private_key") => {
                if let Some(sign) = &mut trunk.stir.sign {
                    sign.private_key = Some(secret);
                }
            }
            (Self::Tenant(tenant), "sign_in.upstream.client_secret") => {
                if let Some(provider) = &mut tenant.sign_in.upstream {
                    provider.client_secret = Some(secret);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(password: Option<&str>) -> Object {
        Object::Person(Box::new(Person {
            user_name: "ann".to_owned(),
            password: password.map(|text| Secret(text.to_owned())),
            ..Person::default()
        }))
    }

    #[test]
    fn what_is_left_out_is_kept_and_what_is_given_or_removed_is_not() {
        let held = person(Some("old"));
        let kept = |mut object: Object, removed: &str| {
            object.keep_secrets(&held, |field| field == removed);
            object
        };
        assert_eq!(kept(person(None), ""), held);
        assert_eq!(kept(person(Some("new")), ""), person(Some("new")));
        assert_eq!(kept(person(None), "password"), person(None));
    }

    #[test]
    fn a_providers_secret_is_kept_for_that_provider_alone() {
        let tenant = |issuer: &str, secret: Option<&str>| {
            let json = format!(
                r#"{{"id":"acme","name":"Acme","realm":"acme.example","codecs":[],"hold_music":"m","no_answer_s":15,"wrap_up_s":0,
                "sign_in":{{"upstream":{{"name":"Acme","issuer":"{issuer}","client_id":"t"}}}}}}"#
            );
            let mut tenant: Tenant = serde_json::from_str(&json).unwrap();
            let provider = tenant.sign_in.upstream.as_mut().unwrap();
            provider.client_secret = secret.map(|text| Secret(text.to_owned()));
            Object::Tenant(Box::new(tenant))
        };
        let held = tenant("https://id.example", Some("hush"));
        for (issuer, kept) in [("https://id.example", 1), ("https://evil.example", 0)] {
            let mut object = tenant(issuer, None);
            object.keep_secrets(&held, |_| false);
            assert_eq!(object.secrets().len(), kept, "{issuer}");
        }
        assert!(held.clone().without_secrets().secrets().is_empty() && held.without_hashes().secrets().is_empty());
    }

    #[test]
    fn a_request_to_put_an_object_shows_no_password() {
        let put = PutObject { json: r#"{"password":"hunter2"}"#.to_owned(), fields: vec!["password".to_owned()] };
        assert_eq!(format!("{put:?}"), r#"PutObject(22 bytes, fields ["password"])"#);
    }

    #[test]
    fn an_answer_with_a_new_api_key_does_not_show_it() {
        let answer = CreateApiKeyResponse { key: "tlk_1_2".to_owned(), ..CreateApiKeyResponse::default() };
        assert_eq!(format!("{answer:?}"), "CreateApiKeyResponse(None)");
    }

    #[test]
    fn every_secret_is_either_readable_or_a_hash_or_sealed_by_auth() {
        let text = || Some(Secret("x".to_owned()));
        let sign = StirSign { certificate_url: String::new(), private_key: text(), certificate: None };
        let trunk = Trunk {
            password: text(),
            inbound_password: text(),
            stir: Stir { sign: Some(sign), ..Stir::default() },
            ..Trunk::default()
        };
        let json = r#"{"id":"7001","login_code":"","pin":"1234","default_place":null,"wrap_up_s":null,"skills":[]}"#;
        let agent = serde_json::from_str(json).unwrap();
        let person = Person { password: text(), second_factor: text(), agent: Some(agent), ..Person::default() };
        for (mut object, hashes) in [(Object::Trunk(Box::new(trunk)), 0), (Object::Person(Box::new(person)), 2)] {
            let all = object.secrets().len();
            let readable = object.readable_secrets();
            assert_eq!(readable.len() + hashes, all);
            for (_, secret) in readable {
                *secret = Secret::of_sealed("AA");
            }
            let sealed = object.secrets().into_iter().filter(|(_, secret)| secret.sealed() == Some("AA")).count();
            assert_eq!(sealed + hashes, all, "{object:?}");
        }
    }

    #[test]
    fn a_pin_that_is_kept_as_a_hash_cannot_be_read_and_is_not_sealed() {
        let person = |pin: &str| {
            let agent = format!(r#"{{"id":"1","login_code":"1","pin":"{pin}","default_place":null,"skills":[]}}"#);
            let json = format!(r#"{{"user_name":"ann","first_name":"A","last_name":"B","agent":{agent}}}"#);
            Object::from_json(ObjectKind::Person, json.as_bytes()).unwrap()
        };
        for (pin, readable) in [("4711", 1), ("sealed:v1:AA", 1), ("$argon2id$v=19$x#4", 0)] {
            let mut object = person(pin);
            assert_eq!(object.readable_secrets().len(), readable, "{pin}");
            assert_eq!(object.secrets(), [("agent.pin", &Secret(pin.to_owned()))]);
            assert!(object.clone().without_pin().secrets().is_empty());
            assert!(object.without_secrets().secrets().is_empty());
        }
        let kept = person("$argon2id$v=19$x#4");
        assert_eq!(kept.clone().without_sealed(), kept);
    }

    #[test]
    fn a_phones_empty_password_is_none() {
        let phone = |password: &str| {
            let json = format!(r#"{{"number":"7101","type":"extension","password":"{password}"}}"#);
            Object::from_json(ObjectKind::Dn, json.as_bytes()).unwrap()
        };
        assert!(phone("").secrets().is_empty());
        let mut blank = phone("");
        blank.keep_secrets(&phone("secret"), |_| false);
        assert_eq!(blank, phone("secret"));
    }
}
