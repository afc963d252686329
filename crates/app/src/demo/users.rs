//! Who signs in to the demo: people and a program, with passwords of this data directory. The tenant holds their hashes alone, so the passwords
//! are kept beside it, and a restart prints the same.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use contracts::provisioning::{DnKind, Grant, OAuthClient, Person, Privilege, Secret, TenantObjects};
use model::Entropy;
use runtime::data_dir;
use serde_json::{Value, json};

/// The passwords, in the data directory.
const FILE: &str = "demo-passwords.json";
/// Who is an agent of the example's file, and who is added to it.
const AGENTS: [&str; 3] = ["ada.adler", "ben.brook", "cleo.carter"];
/// An agent of the file whose phone is the page of the desktop, and what kind of user that is.
const IN_BROWSER: (&str, &str) = ("bea.bloom", "browser agent");
/// One of each other kind, with the privilege that makes them one.
const OTHERS: [(&str, &str, &str, Privilege); 4] = [
    ("sue.summer", "Sue", "Summer", Privilege::Supervisor),
    ("abe.abbot", "Abe", "Abbot", Privilege::Administrator),
    ("dina.drake", "Dina", "Drake", Privilege::Designer),
    ("igor.ives", "Igor", "Ives", Privilege::Integrator),
];
/// The program, and where it has people sent back to: programs of a trial run on this machine. Its scopes bound those of its people.
const CLIENT: &str = "demo";
const REDIRECT_URIS: [&str; 2] = ["http://127.0.0.1/callback", "http://localhost/callback"];
const CLIENT_SCOPES: [&str; 11] = [
    "agents:control",
    "agents:supervise",
    "calls:control",
    "calls:monitor",
    "calls:read",
    "config:read",
    "config:write",
    "statistics:read",
    "trace:read",
    "webhooks",
    "workspace:use",
];

/// Passwords by user name, and secrets by client.
pub struct Passwords(BTreeMap<String, String>);

impl Passwords {
    /// Those of this data directory; missing ones are made.
    pub fn of(data_dir: &Path, entropy: &mut dyn Entropy) -> anyhow::Result<Self> {
        let path = data_dir.join(FILE);
        let mut held: BTreeMap<String, String> = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{}: remove it to get new passwords", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let agents = AGENTS.into_iter().chain([IN_BROWSER.0]);
        let names = agents.chain(OTHERS.map(|(user, ..)| user)).chain([CLIENT]);
        let before = held.len();
        for name in names {
            held.entry(name.to_owned()).or_insert_with(|| format!("{:016x}", entropy.next_u64()));
        }
        if held.len() != before {
            data_dir::write_whole(&path, &serde_json::to_vec_pretty(&held)?)?;
        }
        Ok(Self(held))
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        self.0.get(name).cloned().map(Secret)
    }
}

/// Sets the passwords, in clear: the import hashes them, and finds nothing to change where the tenant has their hashes.
pub fn complete(objects: &mut TenantObjects, passwords: &Passwords) {
    for (user, first, last, privilege) in OTHERS {
        if !objects.people.iter().any(|person| person.user_name == user) {
            objects.people.push(Person {
                user_name: user.to_owned(),
                first_name: first.to_owned(),
                last_name: last.to_owned(),
                privileges: vec![privilege],
                ..Person::default()
            });
        }
    }
    for person in &mut objects.people {
        if let Some(secret) = passwords.secret(&person.user_name) {
            person.password = Some(secret);
        }
        if person.privileges.is_empty() && person.agent.is_some() {
            person.privileges = vec![Privilege::Agent];
        }
    }
    objects.clients.retain(|client| client.id != CLIENT);
    objects.clients.push(OAuthClient {
        id: CLIENT.to_owned(),
        name: "Programs of the demo".to_owned(),
        secret: passwords.secret(CLIENT),
        // Nobody has a key that it could trust.
        grants: Grant::ALL.into_iter().filter(|grant| *grant != Grant::JwtBearer).collect(),
        redirect_uris: REDIRECT_URIS.map(str::to_owned).to_vec(),
        scopes: CLIENT_SCOPES.map(str::to_owned).to_vec(),
        ..OAuthClient::default()
    });
}

/// Where somebody with that privilege signs in, and finds what is theirs: a path at the web edge.
const fn page_of(privilege: Privilege) -> &'static str {
    match privilege {
        Privilege::Agent | Privilege::Supervisor => "/desktop",
        Privilege::Designer => "/agent-setup/applications",
        Privilege::Integrator => "/agent-setup/clients",
        Privilege::Administrator | Privilege::FolderAdministrator => "/agent-setup/",
        Privilege::ViewDashboard
        | Privilege::ViewDashboardRestricted
        | Privilege::ManageTabs
        | Privilege::EditWidgetDisplay
        | Privilege::ManageWidgets
        | Privilege::ManageSharedDashboards
        | Privilege::ManageTemplates
        | Privilege::AddDashboardsWithoutLimit
        | Privilege::AddWidgetsWithoutLimit
        | Privilege::ManageUsers => "/",
    }
}

/// The people who sign in, as `demo.json` has them; `web` is the address of the web edge.
pub fn describe(objects: &TenantObjects, passwords: &Passwords, web: &str) -> Vec<Value> {
    let person = |user: &str| objects.people.iter().find(|person| person.user_name == user);
    let described = |user: &str, kind: &str, privilege: Privilege| {
        let person = person(user)?;
        let agent = person.agent.as_ref();
        let place = agent.and_then(|agent| agent.default_place.clone());
        Some(json!({
            "kind": kind,
            "page": format!("{web}{}", page_of(privilege)),
            "user": user,
            "password": passwords.secret(user)?.reveal(),
            "agent": agent.map(|agent| agent.id.clone()),
            "dn": place.as_deref().and_then(|place| phone_at(objects, place)),
            "place": place,
        }))
    };
    let agents = AGENTS.iter().filter_map(|user| described(user, Privilege::Agent.as_str(), Privilege::Agent));
    let in_browser = described(IN_BROWSER.0, IN_BROWSER.1, Privilege::Agent);
    let others = OTHERS.iter().filter_map(|(user, _, _, kind)| described(user, kind.as_str(), *kind));
    agents.chain(in_browser).chain(others).collect()
}

fn phone_at<'a>(objects: &'a TenantObjects, place: &str) -> Option<&'a str> {
    let place = objects.places.iter().find(|known| known.name == place)?;
    let is_phone = |number: &&String| {
        objects.dns.iter().any(|dn| dn.number == **number && matches!(dn.kind, DnKind::Extension { .. }))
    };
    place.dns.iter().find(is_phone).map(String::as_str)
}

/// The programs that sign in, as `demo.json` has them.
pub fn describe_clients(objects: &TenantObjects, passwords: &Passwords) -> Vec<Value> {
    let client = |client: &OAuthClient| {
        Some(json!({
            "id": client.id,
            "secret": passwords.secret(&client.id)?.reveal(),
            "grants": client.grants,
            "redirect_uris": client.redirect_uris,
        }))
    };
    objects.clients.iter().filter(|known| known.id == CLIENT).filter_map(client).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_passwords_of_a_data_directory_stay_and_nobody_else_can_read_them() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let mut entropy = runtime::entropy::Strong::seeded_by_system();
        let first = Passwords::of(folder.path(), &mut entropy).unwrap();
        let again = Passwords::of(folder.path(), &mut entropy).unwrap();
        assert_eq!(first.0, again.0);
        let mode = std::fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_example_has_agents_with_phones_and_in_a_browser_and_one_of_each_other_kind() {
        let folder = tempfile::tempdir().unwrap();
        let mut entropy = runtime::entropy::Strong::seeded_by_system();
        let passwords = Passwords::of(folder.path(), &mut entropy).unwrap();
        let mut objects = crate::demo::example().unwrap();
        complete(&mut objects, &passwords);
        let users = describe(&objects, &passwords, "http://127.0.0.1:8080");
        let kinds: Vec<_> = users.iter().filter_map(|user| user["kind"].as_str()).collect();
        let others = ["supervisor", "administrator", "designer", "integrator"];
        assert_eq!(kinds, [&["agent", "agent", "agent", "browser agent"][..], &others].concat());
        let pages: Vec<_> = users.iter().skip(3).filter_map(|user| user["page"].as_str()).collect();
        let paths = ["/desktop", "/desktop", "/agent-setup/", "/agent-setup/applications", "/agent-setup/clients"];
        assert_eq!(pages, paths.map(|path| format!("http://127.0.0.1:8080{path}")));
        for (user, _, _, privilege) in OTHERS {
            let person = objects.people.iter().find(|person| person.user_name == user);
            assert_eq!(person.map(|person| &*person.privileges), Some(&[privilege][..]), "{user}");
        }
        assert!(users.iter().take(4).all(|user| user["dn"].is_string() && user["agent"].is_string()));
        let grants = describe_clients(&objects, &passwords)[0]["grants"].as_array().unwrap().len();
        assert_eq!(grants, Grant::ALL.len() - 1);
    }
}
