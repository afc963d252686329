//! How calls of the trunk are recognised.

use contracts::provisioning::Trunk;
use contracts::provisioning::networks::ByRegistration;

use super::report::Failure;

/// What a call must come with to be the trunk's: an address, a certificate, or both; or the connection by which we register, where the
/// carrier has proved its name.
pub(super) fn of(trunk: &Trunk, asks_for_certificates: bool) -> Result<((), String), Failure> {
    let sources: Vec<String> = trunk.sources().collect();
    let names = trunk.certificate_names.join(" or ");
    let by_registration = trunk.by_registration();
    let known = match (trunk.certificate_names.is_empty(), sources.is_empty()) {
        (true, true) => return Ok(((), format!("{}{}", without_sources(by_registration), with_password(trunk)))),
        (true, false) => format!("known by their address: {}", sources.join(", ")),
        (false, _) if !asks_for_certificates => {
            return Err(Failure::new(
                format!("known by a certificate for {names}"),
                unasked(by_registration),
                "set `sip-proxy.client_authorities` to a file with the authority of the carrier's certificate",
            ));
        }
        (false, true) => format!("known by a certificate for {names}, from any address"),
        (false, false) => format!("known by a certificate for {names}, if they come from {}", sources.join(", ")),
    };
    Ok(((), format!("{known}{}{}", besides(by_registration), with_password(trunk))))
}

/// What who calls has to give besides.
fn with_password(trunk: &Trunk) -> String {
    let user = trunk.inbound_user.as_deref();
    user.map(|user| format!("; with the password of {user}")).unwrap_or_default()
}

/// How the calls of a trunk are known that has neither networks nor names.
const fn without_sources(by_registration: ByRegistration) -> &'static str {
    match by_registration {
        ByRegistration::No => "none: the trunk has neither `allow` nor `certificate_names`",
        ByRegistration::IfNameLeadsToTls => {
            "known by the connection by which we register, if the name in `contact` leads to TLS; else none, without `allow` and `certificate_names`"
        }
        ByRegistration::Yes => "known by the connection by which we register, where the carrier proves its name",
    }
}

/// Why a trunk that is known by a certificate gets no calls while nobody is asked for one.
const fn unasked(by_registration: ByRegistration) -> &'static str {
    match by_registration {
        ByRegistration::No => "nobody who connects is asked for a certificate, so that every call is refused",
        ByRegistration::IfNameLeadsToTls | ByRegistration::Yes => {
            "nobody who connects is asked for a certificate, so that every call is refused that does not come by the TLS connection by which we register"
        }
    }
}

const fn besides(by_registration: ByRegistration) -> &'static str {
    match by_registration {
        ByRegistration::No => "",
        ByRegistration::IfNameLeadsToTls => "; also by the connection by which we register, if that is TLS",
        ByRegistration::Yes => "; also by the connection by which we register",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_and_certificate_are_named_and_a_certificate_needs_an_authority() {
        let trunk = |allow: &[&str], names: &[&str]| Trunk {
            allow: allow.iter().map(|text| (*text).to_owned()).collect(),
            certificate_names: names.iter().map(|text| (*text).to_owned()).collect(),
            ..Trunk::default()
        };
        for (allow, names, told) in [
            (&["192.0.2.0/24"][..], &[][..], "known by their address: 192.0.2.0/24"),
            (&[], &["a.example", "b.example"], "known by a certificate for a.example or b.example, from any address"),
            (&["192.0.2.1"], &["a.example"], "known by a certificate for a.example, if they come from 192.0.2.1"),
        ] {
            assert_eq!(of(&trunk(allow, names), true).map(|((), text)| text).ok().as_deref(), Some(told));
        }
        assert!(of(&trunk(&[], &["a.example"]), false).is_err_and(|failure| failure.why.contains("is refused")));
        assert!(of(&trunk(&["192.0.2.1"], &[]), false).is_ok());
        let asks = Trunk { inbound_user: Some("pbx".to_owned()), ..trunk(&["192.0.2.1"], &[]) };
        let told = of(&asks, false).map(|((), text)| text).ok();
        assert_eq!(told.as_deref(), Some("known by their address: 192.0.2.1; with the password of pbx"));
    }

    #[test]
    fn the_connection_by_which_we_register_is_named() {
        let told = |contact: &str, allow: &[&str], names: &[&str]| {
            let trunk = Trunk {
                contact: Some(contact.to_owned()),
                user: Some("493012345".to_owned()),
                register: true,
                allow: allow.iter().map(|text| (*text).to_owned()).collect(),
                certificate_names: names.iter().map(|text| (*text).to_owned()).collect(),
                ..Trunk::default()
            };
            of(&trunk, false).map_or_else(|failure| failure.why, |((), text)| text)
        };
        let ours = "by the connection by which we register";
        let by_tls = told("sip.carrier.example;transport=tls", &[], &[]);
        assert!(by_tls.starts_with(&format!("known {ours}")), "{by_tls}");
        assert!(told("sip.carrier.example", &[], &[]).contains("if the name in `contact` leads to TLS"));
        assert!(told("sip.carrier.example;transport=udp", &[], &[]).starts_with("none: "));
        assert!(told("sip.carrier.example;transport=tls", &["192.0.2.1"], &[]).ends_with(&format!("; also {ours}")));
        let unasked = told("sip.carrier.example;transport=tls", &[], &["a.example"]);
        assert!(unasked.ends_with("that does not come by the TLS connection by which we register"), "{unasked}");
    }
}
