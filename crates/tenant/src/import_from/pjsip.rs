//! The endpoints of Asterisk's `pjsip.conf`: phones that register, and trunks.

use std::collections::HashMap;

use contracts::provisioning::networks::network;
use contracts::provisioning::{Encryption, Secret, Trunk};

use super::centre::{Centre, SourcePhone};
use super::ini::{self, IniSection};
use super::remarks::Remarks;
use super::{SourceFault, SourceFile};

const LEFT_OUT: &str = "left out: it has no counterpart";

/// Settings that only tie sections together, or say what is so here anyway.
const STRUCTURE: [&str; 7] = ["type", "auth", "aors", "outbound_auth", "endpoint", "disallow", "auth_type"];

/// What is read of an `identify`.
const OF_IDENTIFY: &[&str] = &["type", "endpoint", "match"];

/// Sections by kind and name.
type Kinds<'a> = HashMap<(&'a str, &'a str), &'a IniSection>;

/// Reads the file.
pub(super) fn read(file: &SourceFile, centre: &mut Centre, remarks: &mut Remarks) -> Result<(), SourceFault> {
    let sections = ini::read(file)?;
    let mut kinds: Kinds<'_> = HashMap::new();
    for section in &sections {
        match section.value("type") {
            Some("endpoint" | "auth" | "aor" | "identify" | "registration") => {
                let kind = section.value("type").unwrap_or_default();
                if kinds.insert((kind, section.name.as_str()), section).is_some() {
                    remarks.add(&section.at, kind, &section.name, "it stands there twice: this one counts");
                }
            }
            kind => {
                for setting in &section.settings {
                    remarks.add(
                        &setting.at,
                        &setting.key,
                        &setting.value,
                        "left out: settings of the installation say it",
                    );
                }
                if section.settings.is_empty() {
                    remarks.add(&section.at, "type", kind.unwrap_or_default(), LEFT_OUT);
                }
            }
        }
    }
    for endpoint in sections.iter().filter(|section| is_current(&kinds, "endpoint", section)) {
        let parts = EndpointParts::of(endpoint, &sections, &kinds);
        if parts.is_trunk() { trunk(&parts, centre, remarks) } else { phone(&parts, centre, remarks) }
    }
    Ok(())
}

/// Whether a section is the one that counts of its kind and name.
fn is_current(kinds: &Kinds<'_>, kind: &str, section: &IniSection) -> bool {
    kinds.get(&(kind, section.name.as_str())).is_some_and(|current| std::ptr::eq(*current, section))
}

/// An endpoint and the sections that belong to it.
struct EndpointParts<'a> {
    endpoint: &'a IniSection,
    auth: Option<&'a IniSection>,
    aor: Option<&'a IniSection>,
    outbound_auth: Option<&'a IniSection>,
    registration: Option<&'a IniSection>,
    identifies: Vec<&'a IniSection>,
}

impl<'a> EndpointParts<'a> {
    fn of(endpoint: &'a IniSection, sections: &'a [IniSection], kinds: &Kinds<'a>) -> Self {
        let named = |kind: &'static str, key: &str| {
            let name = endpoint.value(key)?.split(',').next()?.trim();
            kinds.get(&(kind, name)).copied()
        };
        let account = endpoint.value("outbound_auth");
        let is_its_registration = |section: &&&IniSection| {
            section.value("endpoint") == Some(endpoint.name.as_str())
                || account.is_some() && section.value("outbound_auth") == account
        };
        let of = |kind: &'static str| sections.iter().filter(move |section| is_current(kinds, kind, section));
        let is_its_own = |section: &&IniSection| section.value("endpoint") == Some(endpoint.name.as_str());
        let registrations: Vec<&IniSection> = of("registration").collect();
        Self {
            endpoint,
            auth: named("auth", "auth"),
            aor: named("aor", "aors"),
            outbound_auth: named("auth", "outbound_auth"),
            registration: registrations.iter().find(is_its_registration).copied(),
            identifies: of("identify").filter(is_its_own).collect(),
        }
    }

    /// An endpoint with a fixed address, or with an account elsewhere, is no phone that registers.
    fn is_trunk(&self) -> bool {
        !self.identifies.is_empty()
            || self.registration.is_some()
            || self.outbound_auth.is_some()
            || self.aor.is_some_and(|aor| aor.value("contact").is_some())
    }
}

// === phones ===

fn phone(parts: &EndpointParts<'_>, centre: &mut Centre, remarks: &mut Remarks) {
    let endpoint = parts.endpoint;
    let phone = centre.phone(&endpoint.name);
    for setting in &endpoint.settings {
        let (key, value) = (setting.key.as_str(), setting.value.as_str());
        let done = match (key, value) {
            (key, _) if STRUCTURE.contains(&key) => continue,
            ("allow", _) => "left out: phones speak the codecs of the tenant",
            ("context" | "transport", _) => {
                "left out: the dial plan is the tenant's, and every phone may register by every transport"
            }
            ("callerid", caller) => {
                let (name, number) = caller_of(caller);
                phone.caller = name.or(phone.caller.take());
                if number.is_none_or(|number| number == endpoint.name) {
                    continue;
                }
                "the name is taken; the number that is shown is the phone's"
            }
            ("device_state_busy_at", "1") => {
                phone.call_waiting = false;
                continue;
            }
            ("direct_media", value) => {
                phone.direct_media = ini::is_on(value);
                continue;
            }
            ("media_encryption" | "media_encryption_optimistic" | "webrtc", _) => continue,
            _ => LEFT_OUT,
        };
        remarks.add(&setting.at, key, value, done);
    }
    encryption(endpoint, phone);
    password(parts, phone, remarks);
    for setting in parts.aor.iter().flat_map(|aor| &aor.settings) {
        if !["type", "remove_existing"].contains(&setting.key.as_str()) {
            remarks.add(&setting.at, &setting.key, &setting.value, LEFT_OUT);
        }
    }
}

fn encryption(endpoint: &IniSection, phone: &mut SourcePhone) {
    phone.encryption = match endpoint.value("media_encryption") {
        _ if endpoint.is_on("webrtc") => Encryption::Dtls,
        Some("dtls") => Encryption::Dtls,
        Some("sdes") if endpoint.is_on("media_encryption_optimistic") => Encryption::Offered,
        Some("sdes") => Encryption::Required,
        _ => Encryption::Off,
    };
}

fn password(parts: &EndpointParts<'_>, phone: &mut SourcePhone, remarks: &mut Remarks) {
    const GENERATED: &str =
        "a password is generated; `trunkline tenant export --reveal-secrets` shows it after the import";
    let Some(auth) = parts.auth else {
        return remarks.add(&parts.endpoint.at, "auth", "", GENERATED);
    };
    for setting in &auth.settings {
        let (key, value) = (setting.key.as_str(), setting.value.as_str());
        match key {
            "password" => phone.password = Some(Secret(value.to_owned())).filter(|_| !value.is_empty()),
            "username" if value == phone.number => {}
            "username" => remarks.add(&setting.at, key, value, format!("the phone signs in as {}", phone.number)),
            "md5_cred" => remarks.add(&setting.at, key, "(a secret)", GENERATED),
            key if STRUCTURE.contains(&key) => {}
            _ => remarks.add(&setting.at, key, value, LEFT_OUT),
        }
    }
}

/// Name and number of `"Ann Adams" <101>`.
fn caller_of(caller: &str) -> (Option<String>, Option<&str>) {
    let (name, number) = match caller.split_once('<') {
        Some((name, rest)) => (name, rest.split('>').next().map(str::trim)),
        None => (caller, None),
    };
    let name = name.trim().trim_matches('"').trim();
    (Some(name.to_owned()).filter(|name| !name.is_empty()), number)
}

// === trunks ===

fn trunk(parts: &EndpointParts<'_>, centre: &mut Centre, remarks: &mut Remarks) {
    let endpoint = parts.endpoint;
    let mut trunk = Trunk { name: endpoint.name.clone(), ..Trunk::default() };
    for setting in parts.identifies.iter().flat_map(|identify| identify.every("match")) {
        for source in setting.value.split(',').map(str::trim) {
            if network(source).is_some() {
                trunk.allow.push(source.to_owned());
            } else {
                remarks.add(&setting.at, "match", source, "left out: sources are addresses and networks");
            }
        }
    }
    let contact = parts.aor.and_then(|aor| aor.value("contact"));
    let registrar = parts.registration.and_then(|registration| registration.value("server_uri"));
    trunk.contact = contact.or(registrar).map(address_of);
    if let Some(auth) = parts.outbound_auth {
        trunk.user = auth.value("username").map(str::to_owned);
        trunk.password = auth.value("password").map(|password| Secret(password.to_owned()));
    }
    trunk.register = parts.registration.is_some() && trunk.user.is_some() && trunk.contact.is_some();
    remarks.add(
        &endpoint.at,
        "endpoint",
        &endpoint.name,
        "a trunk: say by its `prefix` which numbers lead to it, and by `numbers` which come from it",
    );
    for (section, known) in parts.settings_of_trunk() {
        for setting in section.settings.iter().filter(|setting| !known.contains(&setting.key.as_str())) {
            let value = if setting.key.contains("cred") { "(a secret)" } else { setting.value.as_str() };
            remarks.add(&setting.at, &setting.key, value, LEFT_OUT);
        }
    }
    centre.trunks.push(trunk);
}

impl<'a> EndpointParts<'a> {
    /// The sections of a trunk, each with the settings of it that were read.
    fn settings_of_trunk(&self) -> Vec<(&'a IniSection, &'static [&'static str])> {
        let parts: [(Option<&'a IniSection>, &'static [&'static str]); 4] = [
            (Some(self.endpoint), &STRUCTURE),
            (self.aor, &["type", "contact"]),
            (self.outbound_auth, &["type", "auth_type", "username", "password"]),
            (self.registration, &["type", "outbound_auth", "server_uri", "endpoint", "line"]),
        ];
        let identifies = self.identifies.iter().map(|identify| (*identify, OF_IDENTIFY));
        parts.into_iter().filter_map(|(section, known)| Some((section?, known))).chain(identifies).collect()
    }
}

/// `sip.carrier.example:5060;transport=tcp` of `sip:account@sip.carrier.example:5060\;transport=tcp`.
fn address_of(uri: &str) -> String {
    let uri = uri.trim();
    let secure = uri.starts_with("sips:");
    let rest = uri.strip_prefix("sips:").or_else(|| uri.strip_prefix("sip:")).unwrap_or(uri);
    let host = rest.rsplit('@').next().unwrap_or(rest);
    let mut parts = host.split(';');
    let mut address = parts.next().unwrap_or_default().to_owned();
    match parts.find(|part| part.to_lowercase().starts_with("transport=")) {
        Some(transport) => address = format!("{address};{}", transport.to_lowercase()),
        None if secure => address.push_str(";transport=tls"),
        None => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_a_trunk_calls() {
        for (uri, address) in [
            ("sip:sip.carrier.example", "sip.carrier.example"),
            ("sip:12@203.0.113.9:5070;transport=TCP;lr", "203.0.113.9:5070;transport=tcp"),
            ("sips:sip.carrier.example", "sip.carrier.example;transport=tls"),
        ] {
            assert_eq!(address_of(uri), address);
        }
    }

    #[test]
    fn a_caller_has_a_name_a_number_or_both() {
        assert_eq!(caller_of("\"Ann Adams\" <101>"), (Some("Ann Adams".to_owned()), Some("101")));
        assert_eq!(caller_of("<101>"), (None, Some("101")));
        assert_eq!(caller_of("Ann"), (Some("Ann".to_owned()), None));
    }
}
