//! The keys of a client: `jwks` of an entry of `clients`, as RFC 7517 writes a set of public keys.

use std::collections::HashSet;

use contracts::provisioning::{ClientKey, ClientKeySet, FaultCode, Grant, OAuthClient};
use identity::public_key::{JwkMembers, PublicKey, SignatureAlgorithm};

use super::BrokenRule;
use super::scalar::{optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, list, text};

/// A modulus of 4,096 bits has 683 characters.
const NUMBER: Shape = Shape::Text { max: 700 };
/// The most keys of a client: that of now, the next, and some.
const KEYS_MAX: usize = 10;
static KINDS: Shape = Shape::OneOf(&["EC", "OKP", "RSA"]);
static CURVES: Shape = Shape::OneOf(&["P-256", "Ed25519"]);
static ALGORITHMS: Shape = Shape::OneOf(&SignatureAlgorithm::NAMES);
static PURPOSES: Shape = Shape::OneOf(&["sig"]);

pub(super) const JWKS: Field = field(
    "jwks",
    Optional,
    &SET,
    "Its public keys, in the place of a secret: it proves itself by assertions that it signs (`private_key_jwt`).",
);

static SET: Shape = Shape::Record(&[field(
    "keys",
    Required,
    &Shape::List { of: &KEY, max: KEYS_MAX },
    "The keys. Of several, each needs a `kid` of its own.",
)]);

static KEY: Shape = Shape::Record(&[
    field("kty", Required, &KINDS, "Its kind."),
    field("crv", Optional, &CURVES, "The curve: P-256 of EC, Ed25519 of OKP."),
    field("x", Optional, &NUMBER, "Of EC and OKP: the first coordinate, or the key, in base64url without padding."),
    field("y", Optional, &NUMBER, "Of EC: the second coordinate."),
    field("n", Optional, &NUMBER, "Of RSA: the modulus, of 2,048 to 4,096 bits."),
    field("e", Optional, &NUMBER, "Of RSA: the exponent."),
    field("kid", Optional, &NAME, "Its name, which assertions say in their heads."),
    field("alg", Optional, &ALGORITHMS, "The only algorithm by which it signs. Without it each of its kind."),
    field("use", Optional, &PURPOSES, "What it is for."),
]);

/// The keys, as the file says them.
pub(super) fn read(client: &Node) -> Option<ClientKeySet> {
    let key = |item: &Node| {
        Some(ClientKey {
            kty: text(item, "kty")?,
            crv: text(item, "crv"),
            x: text(item, "x"),
            y: text(item, "y"),
            n: text(item, "n"),
            e: text(item, "e"),
            kid: text(item, "kid"),
            alg: text(item, "alg"),
            purpose: text(item, "use"),
        })
    };
    let set = client.get("jwks")?;
    Some(ClientKeySet { keys: list(set, "keys").iter().filter_map(key).collect() })
}

/// The key of a client's line; nothing if it has none.
pub(super) fn part_of_line(client: &OAuthClient) -> String {
    let Some(set) = &client.jwks else { return String::new() };
    let key = |key: &ClientKey| {
        let members = [
            ("crv", &key.crv),
            ("x", &key.x),
            ("y", &key.y),
            ("n", &key.n),
            ("e", &key.e),
            ("kid", &key.kid),
            ("alg", &key.alg),
            ("use", &key.purpose),
        ];
        let members: String = members.iter().map(|(name, value)| optional(name, value.as_deref())).collect();
        format!("{{kty: {}{members}}}", scalar(&key.kty))
    };
    let keys: Vec<String> = set.keys.iter().map(key).collect();
    format!(", jwks: {{keys: [{}]}}", keys.join(", "))
}

/// What is wrong with them: keys and the rules that they break.
pub(super) fn faults(client: &OAuthClient) -> Vec<(String, BrokenRule)> {
    let mut faults = Vec::new();
    let Some(set) = &client.jwks else {
        if client.grants.contains(&Grant::JwtBearer) {
            let reason = format!("{} needs jwks, which verify whom the client names", Grant::JwtBearer.as_str());
            let rule = BrokenRule::new(FaultCode::GrantNeedsKeys, reason).naming("grant", Grant::JwtBearer.as_str());
            faults.push(("grants".to_owned(), rule));
        }
        return faults;
    };
    if client.secret.is_some() {
        let rule = BrokenRule::new(FaultCode::OnlyWithout, "a client has a secret or keys: take the secret away");
        faults.push(("jwks".to_owned(), rule.naming("field", "secret")));
    }
    if set.keys.is_empty() {
        let rule = BrokenRule::new(FaultCode::Needed, "it is empty: name at least one, or leave jwks out");
        faults.push(("jwks.keys".to_owned(), rule));
    }
    let mut names = HashSet::new();
    for (index, key) in set.keys.iter().enumerate() {
        if let Some(why) = key_fault(key) {
            faults.push((format!("jwks.keys[{index}]"), BrokenRule::new(FaultCode::ClientKey, why).naming("why", why)));
        }
        if set.keys.len() > 1 && !key.kid.as_ref().is_some_and(|kid| names.insert(kid)) {
            let words = "of several keys each needs a kid of its own: assertions name their key by it";
            faults.push((format!("jwks.keys[{index}].kid"), BrokenRule::new(FaultCode::KeyName, words)));
        }
    }
    faults
}

fn key_fault(key: &ClientKey) -> Option<&'static str> {
    let members = JwkMembers {
        kty: &key.kty,
        crv: key.crv.as_deref(),
        n: key.n.as_deref(),
        e: key.e.as_deref(),
        x: key.x.as_deref(),
        y: key.y.as_deref(),
    };
    let Some(public) = PublicKey::of_jwk(&members) else {
        return Some("it is none: EC has crv P-256, x and y, OKP has crv Ed25519 and x, RSA has n and e");
    };
    if let Some(reason) = public.fault_of_client() {
        return Some(reason);
    }
    let algorithm = key.alg.as_deref().and_then(SignatureAlgorithm::parse);
    algorithm.is_some_and(|algorithm| !public.signs_by(algorithm)).then_some("its alg is none of its kind")
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::TenantObjects;

    use crate::file;

    /// RFC 7515 appendix A.3.
    const EC: &str = "kty: EC, crv: P-256, x: f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU, \
                      y: x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    /// RFC 8037 appendix A.2.
    const OKP: &str = "kty: OKP, crv: Ed25519, x: \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"";

    fn read(client: &str) -> Result<TenantObjects, file::Faults> {
        let text = format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\nclients:\n  - {{id: app, name: App, \
             grants: [client_credentials], {client}}}\n"
        );
        file::read(&text, |_| Ok(String::new()))
    }

    #[test]
    fn keys_are_read_and_written() {
        let rsa = format!("kty: RSA, n: \"{}w\", e: AQAB", "_".repeat(341));
        for keys in [
            format!("{{{EC}}}"),
            format!("{{{rsa}, alg: PS256, use: sig}}"),
            format!("{{{OKP}, alg: EdDSA, kid: \"2026-01\"}}, {{{EC}, kid: b}}"),
        ] {
            let objects = read(&format!("jwks: {{keys: [{keys}]}}")).unwrap();
            assert!(objects.clients[0].jwks.is_some() && !objects.clients[0].is_public());
            let written = file::write(&objects).yaml;
            assert_eq!(file::read(&written, |_| Ok(String::new())).unwrap(), objects, "{written}");
        }
    }

    #[test]
    fn who_names_people_has_keys_that_verify_it() {
        let faults = |further: &str| {
            let text = format!(
                "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\nclients:\n  - {{id: app, name: App, \
                 grants: [jwt_bearer], {further}}}\n"
            );
            file::read(&text, |_| Ok(String::new())).map_err(|faults| faults.to_string()).err()
        };
        assert_eq!(faults(&format!("jwks: {{keys: [{{{EC}}}]}}")), None);
        let refused = faults("secret: slow brown teapot").unwrap();
        assert!(refused.contains("clients.app.grants: jwt_bearer needs jwks"), "{refused}");
    }

    #[test]
    fn keys_that_verify_nothing_are_refused() {
        let private = format!("{{keys: [{{{EC}, d: jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI}}]}}");
        for (jwks, fault) in [
            ("{keys: []}".to_owned(), "clients.app.jwks.keys: it is empty"),
            ("{}".to_owned(), "clients[0].jwks.keys: it is needed"),
            ("{keys: [{kty: oct}]}".to_owned(), "clients[0].jwks.keys[0].kty: it must be one of EC, OKP, RSA"),
            ("{keys: [{kty: EC, crv: P-256}]}".to_owned(), "clients.app.jwks.keys[0]: it is none"),
            (format!("{{keys: [{{{EC}, alg: RS256}}]}}"), "clients.app.jwks.keys[0]: its alg is none of its kind"),
            (format!("{{keys: [{{{EC}}}, {{{OKP}}}]}}"), "clients.app.jwks.keys[1].kid: of several keys"),
            (format!("{{keys: [{{{EC}, kid: a}}, {{{OKP}, kid: a}}]}}"), "clients.app.jwks.keys[1].kid: of several"),
            (format!("{{keys: [{{{EC}}}]}}, secret: slow brown teapot"), "clients.app.jwks: a client has a secret or"),
            (private, "clients[0].jwks.keys[0].d: there is no such key"),
        ] {
            let faults = read(&format!("jwks: {jwks}")).unwrap_err().to_string();
            assert!(faults.contains(fault), "{jwks}: {faults}");
            assert!(!faults.contains("jpsQnnGQ"), "a private key is in the faults");
        }
    }
}
