//! The users of FreeSWITCH's directory: they become phones.

use contracts::provisioning::Secret;

use super::centre::Centre;
use super::remarks::Remarks;
use super::xml::Tag;

/// What a global variable of FreeSWITCH begins with: its value stands elsewhere.
pub(super) const GLOBAL: &str = "$${";

const LEFT_OUT: &str = "left out: it has no counterpart";

/// Adds the users below an element.
pub(super) fn read(root: &Tag, centre: &mut Centre, remarks: &mut Remarks) {
    for tag in root.all() {
        match (tag.name.as_str(), tag.attribute("name"), tag.attribute("id")) {
            ("domain", Some(name), _) if centre.realm.is_none() && !name.contains(GLOBAL) => {
                centre.realm = Some(name.to_owned());
            }
            // A pointer names a user of another place, as groups have them.
            ("user", _, Some(id)) if tag.attribute("type") != Some("pointer") => user(tag, id, centre, remarks),
            _ => {}
        }
    }
}

fn user(tag: &Tag, id: &str, centre: &mut Centre, remarks: &mut Remarks) {
    if centre.phones.iter().any(|phone| phone.number == id) {
        return remarks.add(&tag.at, "user", id, "left out: there is a user of that id already");
    }
    let phone = centre.phone(id);
    for (key, value) in tag.attributes.iter().filter(|(key, _)| !["id", "type"].contains(&key.as_str())) {
        remarks.add(&tag.at, key, value, LEFT_OUT);
    }
    for (param, key, value) in tag.named("params").flat_map(|params| params.pairs("param")) {
        match key {
            "password" if value.contains(GLOBAL) || value.is_empty() => remarks.add(
                &param.at,
                key,
                value,
                "a password is generated: the value stands elsewhere; `trunkline tenant export --reveal-secrets` shows it after the import",
            ),
            "password" => phone.password = Some(Secret(value.to_owned())),
            "a1-hash" => {
                let done = "a password is generated: the hash is of no use; `trunkline tenant export --reveal-secrets` shows it after the import";
                remarks.add(&param.at, key, "(a secret)", done);
            }
            secret if secret.contains("password") || secret.contains("hash") => {
                remarks.add(&param.at, key, "(a secret)", LEFT_OUT);
            }
            _ => remarks.add(&param.at, key, value, LEFT_OUT),
        }
    }
    for (variable, key, value) in tag.named("variables").flat_map(|variables| variables.pairs("variable")) {
        match key {
            "effective_caller_id_name" => phone.caller = Some(value.to_owned()),
            "effective_caller_id_number" if value == id => {}
            _ => remarks.add(&variable.at, key, value, LEFT_OUT),
        }
    }
}
