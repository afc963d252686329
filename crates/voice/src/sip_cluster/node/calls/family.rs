//! The family of addresses by which a party is reached, as far as it is known before it answers: media's offer to it has an address of
//! that family, and audio goes directly only between two of one family (RFC 6157).

use model::AddressFamily;
use sip::proxy::family_of_path;
use sip::{NameAddr, Uri};

use super::leg::Target;

/// The family by which a phone or carrier is reached: of a phone, that of its flow, as its proxy has said in the Path; of a carrier, that of
/// the address to which its calls go. `None` for a name, whose addresses the proxy finds out.
pub(super) fn family_of(target: &Target) -> Option<AddressFamily> {
    let Some(first) = target.contact.path.first() else {
        return family_of_host(&Uri::parse(&target.contact.uri).ok()?);
    };
    if target.trunk.is_none() {
        return family_of_path(first);
    }
    family_of_host(&NameAddr::parse(first).ok()?.uri().ok()?)
}

/// The family in which media offers audio to a party: where nothing is known, that of IPv4, as media does.
pub(super) fn family_of_offer(target: &Target) -> AddressFamily {
    family_of(target).unwrap_or(AddressFamily::V4)
}

fn family_of_host(uri: &Uri<'_>) -> Option<AddressFamily> {
    uri.host()?.ip().map(AddressFamily::of)
}

#[cfg(test)]
mod tests {
    use model::Dn;
    use model::plan::{Contact, OutsideLimits};

    use super::*;

    fn target(uri: &str, path: &[&str], trunk: Option<&str>) -> Target {
        Target {
            dn: Dn::parse("7101").unwrap(),
            contact: Contact::new(uri.to_owned(), path.iter().map(|one| (*one).to_owned()).collect()),
            shows: None,
            trunk: trunk.map(str::to_owned),
            try_ms: 0,
            limits: OutsideLimits::default(),
            early_speech: false,
            insists: false,
            is_emergency: false,
        }
    }

    #[test]
    fn a_phone_is_reached_by_the_family_of_its_flow_and_a_carrier_by_that_of_its_address() {
        let (four, six) = (Some(AddressFamily::V4), Some(AddressFamily::V6));
        let edge = "<sip:token@192.0.2.1:5060;lr>";
        let over_six = "<sip:token@192.0.2.1:5060;lr;ip6;ob>";
        for (uri, path, trunk, family) in [
            ("sip:7101@[2001:db8::5]:5060", &[over_six][..], None, six),
            // What it writes in its Contact does not matter: its flow does.
            ("sip:7101@[2001:db8::5]:5060", &[edge][..], None, four),
            ("sip:1@[2001:db8::20]:5060", &[][..], Some("carrier"), six),
            ("sip:1@192.0.2.20", &[][..], Some("carrier"), four),
            ("sip:1@carrier.example", &[][..], Some("carrier"), None),
            ("sip:1@carrier.example", &["<sip:[2001:db8::21];lr>"][..], Some("carrier"), six),
            ("sip:1@192.0.2.20", &["<sip:p1.carrier.example;lr>"][..], Some("carrier"), None),
        ] {
            assert_eq!(family_of(&target(uri, path, trunk)), family, "{uri} {path:?}");
        }
        assert_eq!(family_of_offer(&target("sip:1@carrier.example", &[], Some("carrier"))), AddressFamily::V4);
    }
}
