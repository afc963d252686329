//! Who may sign in: what `people` have for it, and `clients`.

use contracts::provisioning::{
    BySpelling, FaultCode, Grant, OAuthClient, Object, ObjectKey, ObjectKind, Person, Privilege, Secret, TenantObjects,
};
use identity::password::{self, HashError, Weak};
use identity::second_factor;
use model::Entropy;

use super::client_keys::{self, JWKS};
use super::salt::new_salt;
use super::scalar::{flow, optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, flag, text, texts};
use super::{BrokenRule, pins};

/// A password in clear, or its hash.
const PASSWORD: Shape = Shape::Text { max: 512 };
const URI: Shape = Shape::Text { max: 1_024 };
/// A second factor as an export has written it, or the word that takes it away.
const SECOND_FACTOR: Shape = Shape::Text { max: second_factor::STORED_BYTES_MAX };
static PRIVILEGES: Shape = Shape::Choice { of: &PRIVILEGE, max: Privilege::NAMES.len() };
static PRIVILEGE: Shape = Shape::OneOf(&Privilege::NAMES);
static GRANTS: Shape = Shape::Choice { of: &GRANT, max: Grant::NAMES.len() };
static GRANT: Shape = Shape::OneOf(&Grant::NAMES);
static URIS: Shape = Shape::List { of: &URI, max: 20 };
static SCOPES: Shape = Shape::List { of: &NAME, max: 64 };
/// The most clients of a tenant.
const CLIENTS_MAX: usize = 1_000;

pub(super) const EMAIL: Field = field("email", Optional, &NAME, "The address for mail.");
pub(super) const PERSONS_PASSWORD: Field = field(
    "password",
    Optional,
    &PASSWORD,
    "What the person signs in with, of 8 characters at least: the import keeps its Argon2id hash alone. A text that begins with $argon2id$ is such a hash. Without it the person cannot sign in at pages.",
);
pub(super) const PERSONS_SECOND_FACTOR: Field = field(
    "second_factor",
    Optional,
    &SECOND_FACTOR,
    "`reset` takes the second factor from the person, who may then get another one. An export writes it sealed: no other installation can read it. Without it the person keeps what is there.",
);
pub(super) const REQUIRE_SECOND_FACTOR: Field = field(
    "require_second_factor",
    Optional,
    &PRIVILEGES,
    "The privileges whose people sign in with a second factor: who has none yet gets one at the next sign-in. Without it nobody must.",
);
pub(super) const PERSONS_PRIVILEGES: Field = field(
    "privileges",
    Optional,
    &PRIVILEGES,
    "What the person may do; without it `agent` for who has `agent`, else nothing.",
);
pub(super) const DISABLED: Field =
    field("disabled", Optional, &Shape::Flag, "Whether the person may not sign in; without it false.");
pub(super) const EXTERNAL_ID: Field = field(
    "external_id",
    Optional,
    &NAME,
    "What another directory calls the person, as `externalId` of SCIM: nobody else of the tenant has the same.",
);
pub(super) const CHANGE_PASSWORD: Field = field(
    "change_password",
    Optional,
    &Shape::Flag,
    "Whether the person chooses another password at the next sign-in with this one; without it false.",
);

pub(super) static CLIENTS: Shape = Shape::List {
    of: &Shape::Object(&[
        field("id", Required, &NAME, "Its `client_id`."),
        field("name", Required, &NAME, "What people call it."),
        field(
            "secret",
            Optional,
            &PASSWORD,
            "Its secret, kept as people's passwords are. Without it and `jwks` the client is public: a page or an app, which cannot keep one.",
        ),
        JWKS,
        field("grants", Required, &GRANTS, "How it may get tokens."),
        field(
            "redirect_uris",
            Optional,
            &URIS,
            "Where people who have signed in may be sent back to: https, http to this machine (127.0.0.1, [::1], localhost), or a scheme of the program's own.",
        ),
        field(
            "scopes",
            Optional,
            &SCOPES,
            "The scopes that it may ask for: those that some privilege has, as the page about signing in lists them.",
        ),
        field(
            "backchannel_logout_uri",
            Optional,
            &URI,
            "Where it is told that a sign-in of it has ended (OpenID Connect Back-Channel Logout): https, or http to this machine. For clients with the grant refresh_token.",
        ),
        field(
            "frontchannel_logout_uri",
            Optional,
            &URI,
            "Its page that browsers load, unseen, when somebody signs out (OpenID Connect Front-Channel Logout): at the scheme, host and port of one of its redirect_uris. For clients with the grant refresh_token.",
        ),
        field(
            "frontchannel_logout_session_required",
            Optional,
            &Shape::Flag,
            "Whether `iss` and `sid` are added to that address, by which it finds the session that has ended. Without it true.",
        ),
    ]),
    max: CLIENTS_MAX,
};

/// A person's part of signing in, as the file says it.
pub(super) fn read_person(item: &Node, person: &mut Person) {
    person.email = text(item, "email");
    person.password = text(item, "password").map(Secret);
    person.second_factor = text(item, "second_factor").map(Secret);
    person.disabled = flag(item, "disabled").unwrap_or_default();
    person.external_id = text(item, "external_id");
    person.change_password = flag(item, "change_password").unwrap_or_default();
    person.privileges = read_privileges(item, "privileges");
    if person.privileges.is_empty() && person.agent.is_some() {
        person.privileges = vec![Privilege::Agent];
    }
}

/// The privileges under a key.
pub(super) fn read_privileges(item: &Node, key: &str) -> Vec<Privilege> {
    texts(item, key).iter().filter_map(|name| Privilege::parse(name)).collect()
}

/// As [`read_privileges`] reads them.
pub(super) fn privilege_list(privileges: &[Privilege]) -> String {
    flow(privileges.iter().map(|one| one.as_str()))
}

/// A client, as the file says it.
pub(super) fn read_client(item: &Node) -> Option<OAuthClient> {
    Some(OAuthClient {
        id: text(item, "id")?,
        name: text(item, "name")?,
        secret: text(item, "secret").map(Secret),
        jwks: client_keys::read(item),
        grants: texts(item, "grants").iter().filter_map(|name| Grant::parse(name)).collect(),
        redirect_uris: texts(item, "redirect_uris"),
        scopes: texts(item, "scopes"),
        backchannel_logout_uri: text(item, "backchannel_logout_uri"),
        frontchannel_logout_uri: text(item, "frontchannel_logout_uri"),
        frontchannel_logout_session_required: flag(item, "frontchannel_logout_session_required"),
    })
}

/// The end of a person's line.
pub(super) fn person_line(person: &Person) -> String {
    let mut line = optional("email", person.email.as_deref());
    line += &optional("password", person.password.as_ref().map(Secret::reveal));
    line += &optional("second_factor", person.second_factor.as_ref().map(Secret::reveal));
    // What is meant without it.
    let usual: &[Privilege] = if person.agent.is_some() { &[Privilege::Agent] } else { &[] };
    if person.privileges != usual && !person.privileges.is_empty() {
        line += &format!(", privileges: {}", privilege_list(&person.privileges));
    }
    if person.disabled {
        line += ", disabled: true";
    }
    line += &optional("external_id", person.external_id.as_deref());
    if person.change_password {
        line += ", change_password: true";
    }
    line
}

/// A client's line.
pub(super) fn client_line(client: &OAuthClient) -> String {
    let list = |key: &str, entries: &[String]| match entries {
        [] => String::new(),
        entries => format!(", {key}: {}", flow(entries.iter().map(String::as_str))),
    };
    let names_session = client.frontchannel_logout_session_required;
    format!(
        "- {{id: {}, name: {}{}{}, grants: {}{}{}{}{}{}}}",
        scalar(&client.id),
        scalar(&client.name),
        optional("secret", client.secret.as_ref().map(Secret::reveal)),
        client_keys::part_of_line(client),
        flow(client.grants.iter().map(|grant| grant.as_str())),
        list("redirect_uris", &client.redirect_uris),
        list("scopes", &client.scopes),
        optional("backchannel_logout_uri", client.backchannel_logout_uri.as_deref()),
        optional("frontchannel_logout_uri", client.frontchannel_logout_uri.as_deref()),
        names_session.map(|is_so| format!(", frontchannel_logout_session_required: {is_so}")).unwrap_or_default(),
    )
}

// === hashes ===

/// Replaces each clear text by its hash: by the stored one where it is of that text, so that the same file changes nothing. A second factor
/// that is reset goes.
///
/// # Errors
/// When there is no memory for a hash: then there is nothing to store.
pub(super) fn hash_secrets(
    objects: &mut TenantObjects,
    held: Option<&TenantObjects>,
    entropy: &mut dyn Entropy,
) -> Result<(), HashError> {
    let people = held.into_iter().flat_map(|held| &held.people);
    let people: BySpelling<&Secret> =
        people.filter_map(|person| Some((person_key(person), person.password.as_ref()?))).collect();
    let clients = held.into_iter().flat_map(|held| &held.clients);
    let clients: BySpelling<&Secret> =
        clients.filter_map(|client| Some((client_key(client), client.secret.as_ref()?))).collect();
    for person in &mut objects.people {
        if person.second_factor.as_ref().is_some_and(is_reset) {
            person.second_factor = None;
        }
        let held = people.get(&person_key(person)).copied();
        if let Some(password) = &mut person.password {
            hash_secret(password, held, entropy)?;
        }
    }
    for client in &mut objects.clients {
        let held = clients.get(&client_key(client)).copied();
        if let Some(secret) = &mut client.secret {
            hash_secret(secret, held, entropy)?;
        }
    }
    Ok(())
}

fn person_key(person: &Person) -> ObjectKey {
    ObjectKey { kind: ObjectKind::Person, id: person.user_name.clone() }
}

fn client_key(client: &OAuthClient) -> ObjectKey {
    ObjectKey { kind: ObjectKind::Client, id: client.id.clone() }
}

fn hash_secret(secret: &mut Secret, held: Option<&Secret>, entropy: &mut dyn Entropy) -> Result<(), HashError> {
    if secret.is_meant_as_hash() {
        return Ok(());
    }
    if let Some(held) = held.filter(|held| password::verify(secret.reveal(), held.reveal())) {
        *secret = held.clone();
        return Ok(());
    }
    *secret = Secret(password::hash(secret.reveal(), new_salt(entropy))?);
    Ok(())
}

// === second factors ===

fn is_reset(second_factor: &Secret) -> bool {
    second_factor.reveal() == second_factor::RESET
}

/// People get their second factors by themselves: a file that says nothing of somebody's keeps it.
pub(crate) fn keep_second_factors(objects: &mut TenantObjects, held: &TenantObjects) {
    let held: BySpelling<Option<&Secret>> =
        held.people.iter().map(|person| (person_key(person), person.second_factor.as_ref())).collect();
    for person in objects.people.iter_mut().filter(|person| person.second_factor.is_none()) {
        person.second_factor = held.get(&person_key(person)).copied().flatten().cloned();
    }
}

// === rules ===

/// What is wrong with a second factor.
pub(super) fn second_factor_fault(secret: &Secret) -> Option<BrokenRule> {
    let is_known = is_reset(secret) || second_factor::sealed(secret.reveal()).is_some();
    let words = format!("it is neither {:?} nor what an export has written", second_factor::RESET);
    (!is_known).then(|| BrokenRule::new(FaultCode::SecondFactor, words))
}

fn no_hash() -> BrokenRule {
    let words = "it begins as an Argon2 hash but is none of Argon2id in PHC form with at most 100 MiB, 16 passes, and 256 MiB over all \
                 passes";
    BrokenRule::new(FaultCode::Hash, words)
}

/// The fields with hashes of passwords, secrets and PINs that are given anew and cost more than such ones may. Those that are held stay:
/// earlier releases took them, and whoever has one is still edited and restored.
pub(crate) fn costly_hashes(object: &Object, held: Option<&Object>) -> Vec<(&'static str, BrokenRule)> {
    if !matches!(object, Object::Person(_) | Object::Client(_)) {
        return Vec::new();
    }
    let kept = held.map(Object::secrets).unwrap_or_default();
    let given = object.secrets().into_iter().filter(|one| one.1.is_meant_as_hash() && !kept.contains(one));
    let costly = given.filter_map(|(field, secret)| {
        let rule = if field == "agent.pin" { pins::costly_hash_fault(secret) } else { costly_hash_fault(secret) };
        Some((field, rule?))
    });
    costly.collect()
}

fn costly_hash_fault(secret: &Secret) -> Option<BrokenRule> {
    let is_costly = password::is_stored_hash(secret.reveal()) && !password::is_hash(secret.reveal());
    is_costly.then(no_hash)
}

/// What is wrong with a password, or with a hash that is given or stored.
pub(super) fn password_fault(secret: &Secret, user_name: &str) -> Option<BrokenRule> {
    if secret.is_meant_as_hash() {
        return (!password::is_stored_hash(secret.reveal())).then(no_hash);
    }
    let weak = password::check_choice(secret.reveal(), user_name).err()?;
    let rule = |code: FaultCode| BrokenRule::new(code, weak.to_string());
    Some(match weak {
        Weak::Short => rule(FaultCode::TooShort).naming("least", password::CHARACTERS_MIN.to_string()),
        Weak::Long => rule(FaultCode::TooLong).naming("most", password::BYTES_MAX.to_string()),
        Weak::UserName => rule(FaultCode::UserName),
        Weak::Same => rule(FaultCode::SamePassword),
        Weak::Common => rule(FaultCode::GuessedPassword),
    })
}

/// What is wrong with a client: keys and the rules that they break.
pub(super) fn client_faults(client: &OAuthClient) -> Vec<(String, BrokenRule)> {
    let mut faults = client_keys::faults(client);
    let mut fault = |key: &str, rule: BrokenRule| faults.push((key.to_owned(), rule));
    if let Some(rule) = client.secret.as_ref().and_then(|secret| password_fault(secret, &client.id)) {
        fault("secret", rule);
    }
    if client.is_public() {
        for grant in [Grant::ClientCredentials, Grant::Password] {
            if client.grants.contains(&grant) {
                let rule =
                    BrokenRule::new(FaultCode::GrantNeedsSecret, format!("{} needs a secret or jwks", grant.as_str()));
                fault("grants", rule.naming("grant", grant.as_str()));
            }
        }
    }
    if client.grants.contains(&Grant::AuthorizationCode) && client.redirect_uris.is_empty() {
        fault("redirect_uris", BrokenRule::new(FaultCode::Needed, "authorization_code needs one at least"));
    }
    if let Some(uri) = &client.backchannel_logout_uri {
        if let Some(why) = identity::provider::url::fault(uri) {
            fault("backchannel_logout_uri", BrokenRule::new(FaultCode::Url, why).naming("why", why));
        } else if !client.grants.contains(&Grant::RefreshToken) {
            let words = "it needs the grant refresh_token: sign-ins of others are not kept";
            fault("backchannel_logout_uri", BrokenRule::new(FaultCode::LogoutNeedsRefresh, words));
        }
    }
    if let Some((key, rule)) = front_channel_fault(client) {
        fault(key, rule);
    }
    for uri in &client.redirect_uris {
        if let Some(why) = identity::redirect_uri::fault(uri) {
            let rule = BrokenRule::new(FaultCode::RedirectUri, format!("{uri}: {why}"));
            fault("redirect_uris", rule.naming("uri", uri).naming("why", why));
        }
    }
    for scope in &client.scopes {
        if identity::scope::is_of_tenant(scope) || identity::scope::OF_IDENTITY.iter().any(|known| known == scope) {
            continue;
        }
        if runtime::scope::find(scope).is_some() {
            let words = format!("{scope} is for who runs the installation: no privilege of a person has it");
            fault("scopes", BrokenRule::new(FaultCode::ScopeOfInstallation, words).naming("scope", scope));
        } else {
            let near = runtime::scope::near(scope).unwrap_or_default();
            let meant = if near.is_empty() { String::new() } else { format!(": did you mean {near}?") };
            let rule = BrokenRule::new(FaultCode::UnknownScope, format!("there is no scope {scope}{meant}"));
            fault("scopes", rule.naming("scope", scope).naming("near", near));
        }
    }
    faults
}

/// What is wrong with the page that browsers load when somebody signs out.
fn front_channel_fault(client: &OAuthClient) -> Option<(&'static str, BrokenRule)> {
    let Some(uri) = &client.frontchannel_logout_uri else {
        client.frontchannel_logout_session_required?;
        let rule = BrokenRule::needed_with("frontchannel_logout_uri", "it needs frontchannel_logout_uri");
        return Some(("frontchannel_logout_session_required", rule));
    };
    let rule = match identity::front_channel::fault(uri, &client.redirect_uris) {
        Some(why) => BrokenRule::new(FaultCode::Url, why).naming("why", why),
        None if client.grants.contains(&Grant::RefreshToken) => return None,
        None => {
            let words = "it needs the grant refresh_token: sign-ins of others are not kept";
            BrokenRule::new(FaultCode::LogoutNeedsRefresh, words)
        }
    };
    Some(("frontchannel_logout_uri", rule))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;

    fn read(person: &str) -> Result<TenantObjects, file::Faults> {
        let text = format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\nrequire_second_factor: [administrator]\n\
             people:\n  - {{user: ann, first_name: Ann, last_name: Adams{person}}}\n"
        );
        file::read(&text, |_| Ok(String::new()))
    }

    fn second_factor(objects: &TenantObjects) -> Option<&str> {
        objects.people.first()?.second_factor.as_ref().map(Secret::reveal)
    }

    #[test]
    fn a_second_factor_is_kept_written_as_it_is_sealed_and_reset() {
        let enrolled = read(", second_factor: \"sealed:AAAA\"").unwrap();
        assert_eq!(second_factor(&enrolled), Some("sealed:AAAA"));
        assert_eq!(enrolled.tenant.require_second_factor, [Privilege::Administrator]);
        let written = file::write(&enrolled).yaml;
        assert_eq!(file::read(&written, |_| Ok(String::new())).unwrap(), enrolled);
        let mut entropy = model::entropy::Seeded::new(7);
        for (said, after) in [("", Some("sealed:AAAA")), (", second_factor: reset", None)] {
            let mut objects = read(said).unwrap();
            keep_second_factors(&mut objects, &enrolled);
            hash_secrets(&mut objects, Some(&enrolled), &mut entropy).unwrap();
            assert_eq!(second_factor(&objects), after, "{said}");
        }
        let faults = read(", second_factor: none").unwrap_err().to_string();
        assert!(faults.contains("people.ann.second_factor: it is neither \"reset\" nor what"), "{faults}");
    }

    #[test]
    fn what_another_directory_calls_a_person_is_written_as_it_is_and_of_one_person_alone() {
        let bob = |id: &str| {
            read(&format!(
                ", external_id: u1, change_password: true}}\n  - {{user: bob, first_name: Bob, last_name: Brown, external_id: {id}"
            ))
        };
        let objects = bob("U1").unwrap();
        let of = |person: &Person| (person.external_id.clone().unwrap_or_default(), person.change_password);
        let held: Vec<_> = objects.people.iter().map(of).collect();
        assert_eq!(held, [("u1".to_owned(), true), ("U1".to_owned(), false)], "case counts");
        assert_eq!(file::read(&file::write(&objects).yaml, |_| Ok(String::new())).unwrap(), objects);
        let faults = bob("u1").unwrap_err().to_string();
        assert!(faults.contains("people.bob.external_id: ann has the external id u1 already"), "{faults}");
    }

    #[test]
    fn a_person_in_another_spelling_keeps_the_hash_and_the_second_factor() {
        let mut entropy = model::entropy::Seeded::new(7);
        let mut held = read(", password: slow brown teapot, second_factor: \"sealed:AAAA\"").unwrap();
        held.people[0].user_name = "ÉVA ΟΔΟΣ".to_owned();
        hash_secrets(&mut held, None, &mut entropy).unwrap();
        let mut objects = read(", password: slow brown teapot").unwrap();
        objects.people[0].user_name = "éva οδοσ".to_owned();
        keep_second_factors(&mut objects, &held);
        hash_secrets(&mut objects, Some(&held), &mut entropy).unwrap();
        assert_eq!(objects.people[0].password, held.people[0].password);
        assert_eq!(second_factor(&objects), Some("sealed:AAAA"));

        // Earlier releases took two such people: each of them keeps what is their own.
        let mut other = held.people[0].clone();
        other.user_name = "éva οδοσ".to_owned();
        other.second_factor = None;
        held.people.push(other);
        objects.people[0].second_factor = None;
        keep_second_factors(&mut objects, &held);
        assert_eq!(second_factor(&objects), None);
    }

    #[test]
    fn a_client_is_told_of_ends_by_https_if_its_sign_ins_are_kept() {
        let faults = |uri: &str, grants: Vec<Grant>| {
            let client = OAuthClient {
                id: "app".to_owned(),
                name: "App".to_owned(),
                grants,
                redirect_uris: vec!["https://app.example/in".to_owned()],
                backchannel_logout_uri: Some(uri.to_owned()),
                ..OAuthClient::default()
            };
            client_faults(&client)
        };
        let kept = || vec![Grant::AuthorizationCode, Grant::RefreshToken];
        assert!(faults("https://app.example/ended?x=1", kept()).is_empty());
        for (uri, grants) in
            [("http://app.example/ended", kept()), ("https://app.example/ended", vec![Grant::AuthorizationCode])]
        {
            assert_eq!(faults(uri, grants)[0].0, "backchannel_logout_uri", "{uri}");
        }
    }

    #[test]
    fn the_page_for_a_sign_out_is_read_and_written_and_where_the_program_is() {
        let read = |further: &str| {
            let text = format!(
                "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\nclients:\n  - {{id: app, name: App, \
                 redirect_uris: [\"https://app.example/in\"], {further}}}\n"
            );
            file::read(&text, |_| Ok(String::new())).map_err(|faults| faults.to_string())
        };
        let kept = "grants: [authorization_code, refresh_token]";
        let page = "frontchannel_logout_uri: \"https://app.example/out\"";
        for session in
            ["", ", frontchannel_logout_session_required: true", ", frontchannel_logout_session_required: false"]
        {
            let objects = read(&format!("{kept}, {page}{session}")).unwrap();
            let written = file::write(&objects).yaml;
            assert_eq!(file::read(&written, |_| Ok(String::new())).unwrap(), objects, "{written}");
        }
        let elsewhere = "frontchannel_logout_uri: \"https://other.example/out\"";
        for (said, key) in [
            (format!("{kept}, {elsewhere}"), "clients.app.frontchannel_logout_uri: it must have scheme, host"),
            (
                format!("grants: [authorization_code], {page}"),
                "clients.app.frontchannel_logout_uri: it needs the grant",
            ),
            (
                format!("{kept}, frontchannel_logout_session_required: true"),
                "clients.app.frontchannel_logout_session_required: it needs frontchannel_logout_uri",
            ),
        ] {
            let faults = read(&said).unwrap_err();
            assert!(faults.contains(key), "{said}: {faults}");
        }
    }

    #[test]
    fn a_client_has_no_scope_that_no_person_of_the_tenant_could_have() {
        let faults = |scopes: &[&str]| {
            let client = OAuthClient {
                id: "app".to_owned(),
                name: "App".to_owned(),
                secret: Some(Secret("slow brown teapot".to_owned())),
                grants: vec![Grant::ClientCredentials],
                scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
                ..OAuthClient::default()
            };
            client_faults(&client)
        };
        assert!(faults(&["config:write", "calls:read", "openid", "offline_access"]).is_empty());
        for scope in ["operate", "config:secrets", "trace:numbers", "routing"] {
            let rule = format!("{scope} is for who runs the installation: no privilege of a person has it");
            let broken = BrokenRule::new(FaultCode::ScopeOfInstallation, rule).naming("scope", scope);
            assert_eq!(faults(&["calls:read", scope]), [("scopes".to_owned(), broken)]);
        }
        let unknown = &faults(&["call:read"])[0].1;
        assert_eq!(unknown.words, "there is no scope call:read: did you mean calls:read?");
        assert_eq!(unknown.values, [("scope", "call:read".to_owned()), ("near", "calls:read".to_owned())]);
    }
}
