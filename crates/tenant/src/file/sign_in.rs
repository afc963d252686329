//! How people sign in besides by their passwords, and what programs may do for them: `sign_in` of the tenant.

use contracts::provisioning::{FaultCode, PersonField, Secret, SignInRules, UpstreamProvider};
use identity::provider::url;

use super::BrokenRule;
use super::scalar::{flow, optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, flag, text, texts};

const URL: Shape = Shape::Text { max: url::BYTES_MAX };
const SECRET: Shape = Shape::Secret { max: 512 };
/// The most scopes that a provider is asked for.
static SCOPES: Shape = Shape::List { of: &NAME, max: 20 };
/// The most host names of a tenant.
const HOSTS_MAX: usize = 20;
static HOSTS: Shape = Shape::Choice { of: &NAME, max: HOSTS_MAX };
static ADDRESSES: Shape = Shape::Choice { of: &NAME, max: SignInRules::ADDRESSES_MAX };
static PERSON: Shape = Shape::OneOf(&PersonField::NAMES);

pub(super) const SIGN_IN: Field =
    field("sign_in", Optional, &RULES, "How people sign in besides by their passwords. Without it by these alone.");

static RULES: Shape = Shape::Record(&[
    field(
        "upstream",
        Optional,
        &UPSTREAM,
        "The company's own OpenID Provider, as Entra, Okta or Keycloak: the sign-in page leads there.",
    ),
    field(
        "passkeys_need_password",
        Optional,
        &Shape::Flag,
        "Whether a passkey signs nobody in alone: it is then a second factor alone, behind the password or the provider. Without it false.",
    ),
    field(
        "published_grants",
        Optional,
        &Shape::Flag,
        "Whether clients may use the grants password and jwt_bearer, by which programs of the published API sign people in without the page. False refuses both, whatever clients list. Without it true.",
    ),
    field(
        "hosts",
        Optional,
        &HOSTS,
        "The host names at which this tenant is meant, in lower case, as acme.example: nobody is asked for it there. No two tenants have the same one.",
    ),
    field(
        "addresses",
        Optional,
        &ADDRESSES,
        "Addresses and networks, as 203.0.113.7 and 203.0.113.0/24, from which people sign in once `addresses_only` is true.",
    ),
    field(
        "addresses_only",
        Optional,
        &Shape::Flag,
        "Whether people sign in, and stay signed in, from `addresses` alone. Without it false: from anywhere.",
    ),
]);

static UPSTREAM: Shape = Shape::Record(&[
    field("name", Required, &NAME, "What people call it: the page says \"Continue with\" it."),
    field(
        "issuer",
        Required,
        &URL,
        "Its issuer, word for word: an address that begins with https://. Its description is found below it, at /.well-known/openid-configuration.",
    ),
    field("client_id", Required, &NAME, "The `client_id` that it has given us."),
    field(
        "client_secret",
        Optional,
        &SECRET,
        "The secret that it has given us. Without it we are a public client there, which PKCE alone protects.",
    ),
    field(
        "scopes",
        Optional,
        &SCOPES,
        "The scopes that are asked for, openid among them; without it openid, profile and email.",
    ),
    field(
        "claim",
        Optional,
        &NAME,
        "The claim of its ID tokens that names the person; without it email, or preferred_username where `person` is user_name.",
    ),
    field(
        "person",
        Optional,
        &PERSON,
        "What of the person the claim is matched with, without regard to case: email or user_name. Without it email.",
    ),
    field(
        "only",
        Optional,
        &Shape::Flag,
        "Whether passwords of the tenant's people are refused, at the page and from programs. Without it false.",
    ),
    field(
        "trusted_factor",
        Optional,
        &Shape::Flag,
        "Whether it asks for a second factor itself, so that we ask for none. Without it false: `require_second_factor` and the second factor of a person hold as after a password.",
    ),
]);

/// What the file says.
pub(super) fn read(root: &Node) -> SignInRules {
    let provider = |item: &Node| {
        Some(UpstreamProvider {
            name: text(item, "name")?,
            issuer: text(item, "issuer")?,
            client_id: text(item, "client_id")?,
            client_secret: text(item, "client_secret").map(Secret),
            scopes: texts(item, "scopes"),
            claim: text(item, "claim"),
            person: text(item, "person").and_then(|name| PersonField::parse(&name)).unwrap_or_default(),
            only: flag(item, "only").unwrap_or_default(),
            trusted_factor: flag(item, "trusted_factor").unwrap_or_default(),
        })
    };
    let rules = root.get("sign_in");
    SignInRules {
        upstream: rules.and_then(|rules| rules.get("upstream")).and_then(provider),
        passkeys_need_password: rules.and_then(|rules| flag(rules, "passkeys_need_password")).unwrap_or_default(),
        published_grants: rules.and_then(|rules| flag(rules, "published_grants")).unwrap_or(true),
        hosts: rules.map(|rules| texts(rules, "hosts")).unwrap_or_default(),
        addresses: rules.map(|rules| texts(rules, "addresses")).unwrap_or_default(),
        addresses_only: rules.and_then(|rules| flag(rules, "addresses_only")).unwrap_or_default(),
    }
}

/// The record on one line; nothing if nothing is set.
pub(super) fn record(rules: &SignInRules) -> Option<String> {
    let upstream = rules.upstream.as_ref().map(|provider| format!("upstream: {}", upstream(provider)));
    let passkeys = rules.passkeys_need_password.then(|| "passkeys_need_password: true".to_owned());
    let grants = (!rules.published_grants).then(|| "published_grants: false".to_owned());
    let list = |key: &str, texts: &[String]| {
        (!texts.is_empty()).then(|| format!("{key}: {}", flow(texts.iter().map(String::as_str))))
    };
    let (hosts, addresses) = (list("hosts", &rules.hosts), list("addresses", &rules.addresses));
    let only = rules.addresses_only.then(|| "addresses_only: true".to_owned());
    let all = upstream.into_iter().chain(passkeys).chain(grants).chain(hosts).chain(addresses).chain(only);
    let keys: Vec<String> = all.collect();
    (!keys.is_empty()).then(|| format!("{{{}}}", keys.join(", ")))
}

fn upstream(provider: &UpstreamProvider) -> String {
    let mut keys = format!(
        "name: {}, issuer: {}, client_id: {}",
        scalar(&provider.name),
        scalar(&provider.issuer),
        scalar(&provider.client_id)
    );
    keys += &optional("client_secret", provider.client_secret.as_ref().map(Secret::reveal));
    if !provider.scopes.is_empty() {
        keys += &format!(", scopes: {}", flow(provider.scopes.iter().map(String::as_str)));
    }
    keys += &optional("claim", provider.claim.as_deref());
    if provider.person != PersonField::default() {
        keys += &format!(", person: {}", provider.person.as_str());
    }
    for (key, is_set) in [("only", provider.only), ("trusted_factor", provider.trusted_factor)] {
        if is_set {
            keys += &format!(", {key}: true");
        }
    }
    format!("{{{keys}}}")
}

/// What is wrong with hosts of a tenant among which is the issuer's own, where all tenants sign in. An empty one is not known.
pub(crate) fn own_host_fault(hosts: &[String], own: &str) -> Option<BrokenRule> {
    let is_claimed = !own.is_empty() && hosts.iter().any(|host| host == own);
    let words =
        || format!("{own} is the host of the issuer (auth.issuer), where all tenants sign in: it means no tenant");
    is_claimed.then(|| BrokenRule::other(words()))
}

/// What is wrong with it: keys and the rules that they break.
pub(super) fn faults(rules: &SignInRules) -> Vec<(&'static str, BrokenRule)> {
    let mut faults: Vec<(&'static str, BrokenRule)> = Vec::new();
    for host in rules.wrong_hosts() {
        let words = format!("{host} is not a host name in lower case, as acme.example");
        faults.push(("sign_in.hosts", BrokenRule::new(FaultCode::HostName, words).naming("name", host)));
    }
    faults.extend(address_faults(rules));
    let Some(provider) = &rules.upstream else { return faults };
    if let Some(why) = url::issuer_fault(&provider.issuer) {
        faults.push(("sign_in.upstream.issuer", BrokenRule::new(FaultCode::Url, why).naming("why", why)));
    }
    if !provider.scopes.is_empty() && !provider.scopes.iter().any(|scope| scope == "openid") {
        let rule = BrokenRule::new(FaultCode::NoOpenid, "openid is missing: without it there is no ID token");
        faults.push(("sign_in.upstream.scopes", rule));
    }
    // RFC 6749 section 3.3.
    let is_scope = |scope: &String| scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    if let Some(scope) = provider.scopes.iter().find(|scope| !is_scope(scope)) {
        let rule = BrokenRule::new(FaultCode::ScopeCharacters, format!("{scope:?} is not a scope"));
        faults.push(("sign_in.upstream.scopes", rule.naming("scope", scope)));
    }
    faults
}

fn address_faults(rules: &SignInRules) -> Vec<(&'static str, BrokenRule)> {
    let wrong = |address: &str| {
        let words = format!("{address} is not an address or a network as 192.0.2.0/24");
        ("sign_in.addresses", BrokenRule::new(FaultCode::Network, words).naming("value", address))
    };
    let mut faults: Vec<_> = rules.wrong_addresses().map(wrong).collect();
    if rules.addresses_only && rules.addresses.is_empty() {
        let words = "it is needed beside addresses_only: nobody could sign in";
        faults.push(("sign_in.addresses", BrokenRule::needed_with("addresses_only", words)));
    }
    faults
}

#[cfg(test)]
mod tests {
    use crate::file;

    fn read(upstream: &str) -> Result<contracts::provisioning::TenantObjects, file::Faults> {
        let text = format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\nsign_in: {{upstream: {{name: Acme ID, {upstream}}}}}\n"
        );
        file::read(&text, |_| Ok(String::new()))
    }

    #[test]
    fn a_provider_is_read_and_written() {
        for said in [
            "issuer: \"https://id.acme.example/realms/acme\", client_id: trunkline",
            "issuer: \"https://id.acme.example\", client_id: \"1\", client_secret: \"hush: hush\", scopes: [openid, \"a:b\"], claim: upn, \
             person: user_name, only: true, trusted_factor: true",
        ] {
            let objects = read(said).unwrap();
            assert!(objects.tenant.sign_in.upstream.is_some());
            let written = file::write(&objects).yaml;
            assert_eq!(file::read(&written, |_| Ok(String::new())).unwrap(), objects, "{written}");
        }
    }

    #[test]
    fn what_holds_for_passkeys_is_read_and_written_with_a_provider_and_without() {
        for rules in [
            "{passkeys_need_password: true}",
            "{passkeys_need_password: true, upstream: {name: A, issuer: \"https://id.acme.example\", client_id: t}}",
        ] {
            let text =
                format!("tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\nsign_in: {rules}\n");
            let objects = file::read(&text, |_| Ok(String::new())).unwrap();
            assert!(objects.tenant.sign_in.passkeys_need_password);
            let written = file::write(&objects).yaml;
            assert_eq!(file::read(&written, |_| Ok(String::new())).unwrap(), objects, "{written}");
        }
    }

    #[test]
    fn grants_and_hosts_are_read_and_written() {
        let read = |rules: &str| {
            let text =
                format!("tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\nsign_in: {rules}\n");
            file::read(&text, |_| Ok(String::new()))
        };
        let objects = read("{published_grants: false, hosts: [acme.example, localhost]}").unwrap();
        let rules = &objects.tenant.sign_in;
        assert!(!rules.published_grants && rules.hosts == ["acme.example", "localhost"]);
        let written = file::write(&objects).yaml;
        assert_eq!(file::read(&written, |_| Ok(String::new())).unwrap(), objects, "{written}");
        for (rules, fault) in [
            ("{hosts: [Acme.example]}", "sign_in.hosts: Acme.example is not a host name in lower case"),
            ("{hosts: [\"acme.example:8443\"]}", "sign_in.hosts: acme.example:8443 is not a host name"),
            ("{hosts: [acme.example, acme.example]}", "sign_in.hosts"),
        ] {
            let faults = read(rules).unwrap_err().to_string();
            assert!(faults.contains(fault), "{rules}: {faults}");
        }
    }

    #[test]
    fn addresses_are_read_and_written_and_nobody_is_locked_out_by_none() {
        let read = |rules: &str| {
            let text =
                format!("tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\nsign_in: {rules}\n");
            file::read(&text, |_| Ok(String::new()))
        };
        for only in ["", ", addresses_only: true"] {
            let objects = read(&format!("{{addresses: [203.0.113.0/24, \"2001:db8::/32\"]{only}}}")).unwrap();
            let rules = &objects.tenant.sign_in;
            assert_eq!(rules.addresses, ["203.0.113.0/24", "2001:db8::/32"]);
            assert_eq!(rules.addresses_only, !only.is_empty());
            let written = file::write(&objects).yaml;
            assert_eq!(file::read(&written, |_| Ok(String::new())).unwrap(), objects, "{written}");
        }
        for (rules, fault) in [
            ("{addresses: [centre.example]}", "sign_in.addresses: centre.example is not an address or a network"),
            ("{addresses: [192.0.2.1/33]}", "sign_in.addresses: 192.0.2.1/33 is not an address or a network"),
            ("{addresses_only: true}", "sign_in.addresses: it is needed beside addresses_only"),
        ] {
            let faults = read(rules).unwrap_err().to_string();
            assert!(faults.contains(fault), "{rules}: {faults}");
        }
    }

    /// An installation whose issuer is at a host.
    struct At(&'static str);

    impl file::Companions for At {
        fn document(&mut self, _: &std::path::Path) -> std::io::Result<String> {
            Ok(String::new())
        }

        fn own_host(&self) -> Option<String> {
            Some(self.0.to_owned())
        }
    }

    #[test]
    fn the_host_of_the_issuer_is_refused_where_it_is_known() {
        let text = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\nsign_in: {hosts: [a.example, b.example]}\n";
        let faults = file::examine(text, &mut At("b.example")).faults;
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("sign_in.hosts: b.example is the host of the issuer"), "{told:?}");
        assert!(file::examine(text, &mut At("c.example")).faults.is_empty());
        assert!(file::read(text, |_| Ok(String::new())).is_ok(), "nobody knows the issuer");
    }

    #[test]
    fn a_provider_that_cannot_be_is_refused() {
        for (said, fault) in [
            (
                "issuer: \"http://id.acme.example\", client_id: t",
                "sign_in.upstream.issuer: it must begin with https://",
            ),
            ("issuer: \"https://id.acme.example?x=1\", client_id: t", "sign_in.upstream.issuer: "),
            ("issuer: \"https://id.acme.example\"", "sign_in.upstream.client_id: it is needed"),
            (
                "issuer: \"https://id.acme.example\", client_id: t, scopes: [email]",
                "sign_in.upstream.scopes: openid is missing",
            ),
            (
                "issuer: \"https://id.acme.example\", client_id: t, person: phone",
                "sign_in.upstream.person: it must be one of email, user_name",
            ),
        ] {
            let faults = read(said).unwrap_err().to_string();
            assert!(faults.contains(fault), "{said}: {faults}");
        }
    }
}
