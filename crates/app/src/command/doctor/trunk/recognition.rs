//! How calls of the trunk are recognised.

use contracts::provisioning::Trunk;

use super::report::Failure;

/// What a call must come with to be the trunk's: an address, a certificate, or both.
pub(super) fn of(trunk: &Trunk, asks_for_certificates: bool) -> Result<((), String), Failure> {
    let sources: Vec<String> = trunk.sources().collect();
    let names = trunk.certificate_names.join(" or ");
    match (trunk.certificate_names.is_empty(), sources.is_empty()) {
        (true, true) => Ok(((), "none: the trunk has neither `allow` nor `certificate_names`".to_owned())),
        (true, false) => Ok(((), format!("known by their address: {}", sources.join(", ")))),
        (false, _) if !asks_for_certificates => Err(Failure::new(
            format!("known by a certificate for {names}"),
            "nobody who connects is asked for a certificate, so that every call is refused",
            "set `sip-proxy.client_authorities` to a file with the authority of the carrier's certificate",
        )),
        (false, true) => Ok(((), format!("known by a certificate for {names}, from any address"))),
        (false, false) => {
            Ok(((), format!("known by a certificate for {names}, if they come from {}", sources.join(", "))))
        }
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
    }
}
