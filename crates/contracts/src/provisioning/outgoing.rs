//! Whether calls can go out by a trunk.

use std::net::{IpAddr, SocketAddr};

use super::Trunk;
use super::networks::ByRegistration;

const CONTACT: &str = "it must be a name or an address, as sip.carrier.example or 203.0.113.9:5060, with ;transport=udp, tcp or tls where one is wanted";
const NO_PREFIX: &str = "calls go out only if `prefix` says which numbers, as \"+\"";
const NO_CONTACT: &str = "calls go out only if `contact` says where to";
const NO_SOURCE: &str =
    "no call comes in: `contact` is a name, so that `allow` must say from which networks the carrier calls";
const NO_SOURCE_BUT_TLS: &str = "calls come in only if the name in `contact` leads to TLS, by the connection that we open; else `allow` must say from which networks the carrier calls";
const DIALLED: &str = "it may have digits, +, * and #";

/// How long a trunk may say nothing before the next one is tried, in seconds, unless it says otherwise.
pub const TRUNK_TRY_S: u32 = 10;

impl Trunk {
    /// Where calls go out, and what their numbers begin with; `None` if none can.
    pub fn outgoing(&self) -> Option<(&str, &str)> {
        let contact = self.contact.as_deref().filter(|contact| is_contact(contact))?;
        let prefix = self.prefix.as_deref().filter(|prefix| is_dialled(prefix))?;
        Some((contact, prefix))
    }

    /// Where to register, and as whom; `None` if we do not.
    pub fn registers(&self) -> Option<(&str, &str)> {
        let contact = self.contact.as_deref().filter(|contact| self.register && is_contact(contact))?;
        Some((contact, self.user.as_deref().filter(|user| !user.is_empty())?))
    }

    /// What is wrong with a `contact` that is written as a URI, and what to write instead. It is refused, not kept without an effect: else
    /// other faults are told of the trunk by which no call goes out.
    pub fn contact_with_scheme(&self) -> Option<String> {
        let contact = self.contact.as_deref()?;
        let (scheme, rest) = contact.split_once(':')?;
        let is_secure = scheme.eq_ignore_ascii_case("sips");
        if !is_secure && !scheme.eq_ignore_ascii_case("sip") {
            return None;
        }
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let written = match place.split_once(';') {
            None if is_secure => format!("{place};transport=tls"),
            _ => place.to_owned(),
        };
        // A name that is `sip` alone has a port behind it.
        let is_port = !rest.is_empty() && rest.split(';').next().is_some_and(|port| port.parse::<u16>().is_ok());
        match is_contact(&written) {
            _ if is_port => None,
            true => Some(format!("it is written without `{scheme}:`, as \"{written}\"")),
            false => Some(format!("it is written without `{scheme}:`: {CONTACT}")),
        }
    }

    /// Whether its carrier's domain is a host name or an address.
    pub fn has_good_domain(&self) -> bool {
        self.domain.as_deref().is_none_or(|domain| is_host_name(domain) || domain.parse::<IpAddr>().is_ok())
    }

    /// Its certificate names with which no certificate is met: those that are no host names, as one with `*` (RFC 5922 section 7.2).
    pub fn wrong_certificate_names(&self) -> impl Iterator<Item = &str> {
        self.certificate_names.iter().map(String::as_str).filter(|name| !is_host_name(name))
    }

    /// The user name that answers its carrier's challenges.
    pub fn authenticates_as(&self) -> Option<&str> {
        self.auth_user.as_deref().or(self.user.as_deref())
    }

    /// The number that is shown to who is called.
    pub fn shown(&self) -> Option<&str> {
        self.caller_id.as_deref().filter(|number| is_dialled(number))
    }

    /// The keys that are set without an effect, and why. They are kept, so that an exported tenant can be imported again unchanged.
    pub fn without_effect(&self) -> Vec<(&'static str, &'static str)> {
        let mut keys = Vec::new();
        match (self.contact.as_deref(), self.prefix.as_deref()) {
            (Some(contact), _) if !is_contact(contact) => keys.push(("contact", CONTACT)),
            (Some(_), None) if !self.register => keys.push(("contact", NO_PREFIX)),
            _ => {}
        }
        match (self.prefix.as_deref(), self.contact.as_deref()) {
            (Some(prefix), _) if !is_dialled(prefix) => keys.push(("prefix", DIALLED)),
            (Some(_), None) => keys.push(("prefix", NO_CONTACT)),
            _ => {}
        }
        match (self.caller_id.as_deref(), self.contact.as_deref()) {
            (Some(number), _) if !is_dialled(number) => keys.push(("caller_id", DIALLED)),
            (Some(_), None) => keys.push(("caller_id", NO_CONTACT)),
            _ => {}
        }
        let is_name = |contact: &str| super::networks::address_of(contact).is_none();
        let is_nowhere = self.allow.is_empty() && self.certificate_names.is_empty();
        if is_nowhere && self.registers().is_some_and(|(contact, _)| is_name(contact)) {
            match self.by_registration() {
                ByRegistration::Yes => {}
                ByRegistration::IfNameLeadsToTls => keys.push(("register", NO_SOURCE_BUT_TLS)),
                ByRegistration::No => keys.push(("register", NO_SOURCE)),
            }
        }
        let no_call = self.contact.is_none();
        let of_calls = self.of_calls_out().into_iter();
        keys.extend(of_calls.filter(|(_, is_set)| no_call && *is_set).map(|(key, _)| (key, NO_CONTACT)));
        keys
    }

    /// The keys that are about calls out alone, each with whether it is set. Each field is named here, so that a new one does not compile
    /// before it is said which kind it is.
    fn of_calls_out(&self) -> [(&'static str, bool); 15] {
        let Self {
            priority,
            weight,
            try_s,
            user,
            early_speech,
            options,
            calls_per_second,
            drain,
            asserts_identity,
            auth_user,
            domain,
            user_to_user,
            location,
            diversion,
            stir,
            // Told apart in `without_effect`.
            contact: _,
            prefix: _,
            caller_id: _,
            register: _,
            // About calls in, or both ways.
            name: _,
            allow: _,
            certificate_names: _,
            inbound_user: _,
            inbound_password: _,
            calls_max: _,
            direct_media: _,
            encryption: _,
            codecs: _,
            dtmf: _,
            session_expires_s: _,
            reliable: _,
            headers: _,
            // A trunk has it beside `user`.
            password: _,
        } = self;
        [
            ("priority", priority.is_some()),
            ("weight", weight.is_some()),
            ("try_s", try_s.is_some()),
            ("user", user.is_some()),
            ("early_speech", *early_speech),
            ("options", *options),
            ("calls_per_second", calls_per_second.is_some()),
            ("drain", *drain),
            ("asserts_identity", *asserts_identity),
            ("auth_user", auth_user.is_some()),
            ("domain", domain.is_some()),
            ("user_to_user", *user_to_user),
            ("location", *location),
            ("diversion", *diversion != super::DiversionForm::default()),
            ("stir.sign", stir.sign.is_some()),
        ]
    }
}

fn is_contact(text: &str) -> bool {
    let (place, transport) = text.split_once(';').map_or((text, None), |(place, transport)| (place, Some(transport)));
    let is_one = |transport: &str| {
        ["transport=udp", "transport=tcp", "transport=tls"].iter().any(|known| known.eq_ignore_ascii_case(transport))
    };
    if !transport.is_none_or(is_one) {
        return false;
    }
    if let Ok(address) = place.parse::<SocketAddr>() {
        return address.port() != 0 && !address.ip().is_unspecified();
    }
    let bracketed = place.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = bracketed.unwrap_or(place).parse::<IpAddr>() {
        return !address.is_unspecified() && address.is_ipv6() == bracketed.is_some();
    }
    let (name, port) = place.split_once(':').map_or((place, None), |(name, port)| (name, Some(port)));
    port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0)) && is_host_name(name)
}

/// RFC 1123 section 2.1. What ends in digits alone is a mistyped address.
pub(super) fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253
        && text.split('.').all(is_label)
        && text.rsplit('.').next().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_dialled(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || b"+*#".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunk(contact: Option<&str>, prefix: Option<&str>, caller_id: Option<&str>) -> Trunk {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Trunk {
            name: "carrier".to_owned(),
            allow: Vec::new(),
            certificate_names: Vec::new(),
            inbound_user: None,
            inbound_password: None,
            contact: text(contact),
            prefix: text(prefix),
            caller_id: text(caller_id),
            priority: None,
            weight: None,
            try_s: None,
            user: None,
            password: None,
            calls_max: None,
            early_speech: false,
            direct_media: false,
            options: false,
            register: false,
            encryption: crate::provisioning::Encryption::Off,
            codecs: Vec::new(),
            dtmf: None,
            session_expires_s: None,
            reliable: None,
            calls_per_second: None,
            drain: false,
            asserts_identity: false,
            auth_user: None,
            domain: None,
            diversion: crate::provisioning::DiversionForm::default(),
            user_to_user: false,
            location: false,
            headers: Vec::new(),
            stir: crate::provisioning::Stir::default(),
        }
    }

    #[test]
    fn calls_go_out_where_address_and_prefix_are_given() {
        let good = trunk(Some("203.0.113.9:5060;transport=tcp"), Some("+"), Some("+15550100"));
        assert_eq!(good.outgoing(), Some(("203.0.113.9:5060;transport=tcp", "+")));
        assert_eq!((good.shown(), good.without_effect()), (Some("+15550100"), Vec::new()));
        for contact in ["[2001:db8::9]:5060", "203.0.113.9:5060;transport=udp", "203.0.113.9:5061;transport=tls"] {
            assert!(trunk(Some(contact), Some("0"), None).outgoing().is_some(), "{contact}");
        }
        assert_eq!(trunk(None, None, None).without_effect(), []);
    }

    #[test]
    fn a_contact_is_a_name_or_an_address_with_a_transport() {
        for good in [
            "sip.carrier.example",
            "carrier",
            "sip.carrier.example:5061;transport=tls",
            "203.0.113.9",
            "203.0.113.9:5060;transport=udp",
            "203.0.113.9:5061;transport=TLS",
            "203.0.113.9:5060;Transport=Tcp",
            "[2001:db8::9]",
            "[2001:db8::9]:5061;transport=tls",
        ] {
            assert!(is_contact(good), "{good}");
        }
        for bad in [
            "",
            "sip:carrier.example",
            "user@carrier.example",
            "carrier.example:0",
            "carrier.example:65536",
            "carrier..example",
            "-carrier.example",
            "203.0.113",
            "203.0.113.9:0",
            "0.0.0.0",
            "2001:db8::9",
            "carrier.example;transport=ws",
            "carrier.example;lr",
            "carrier example",
        ] {
            assert!(!is_contact(bad), "{bad}");
        }
    }

    #[test]
    fn a_contact_that_is_a_uri_is_told_how_it_is_written() {
        for (contact, written) in [
            ("sip:sbc.example", Some("as \"sbc.example\"")),
            ("SIP:203.0.113.9:5060;transport=tcp", Some("as \"203.0.113.9:5060;transport=tcp\"")),
            ("sips:sbc.example:5061", Some("as \"sbc.example:5061;transport=tls\"")),
            ("sip:4711@sbc.example", Some("as \"sbc.example\"")),
            ("sip:sbc.example;lr", Some(CONTACT)),
            ("sip:", Some(CONTACT)),
            ("sip:5060", None),
            ("sip:5061;transport=tls", None),
            ("sip.carrier.example:5060", None),
            ("[2001:db8::9]:5060", None),
        ] {
            let told = trunk(Some(contact), Some("+"), None).contact_with_scheme();
            assert_eq!(told.is_some(), written.is_some(), "{contact}");
            assert!(told.unwrap_or_default().ends_with(written.unwrap_or_default()), "{contact}");
        }
    }

    #[test]
    fn a_place_in_a_group_has_no_effect_without_a_contact() {
        let user = Some("trunk-user".to_owned());
        let alone = Trunk { weight: Some(1), try_s: Some(3), user, ..trunk(None, None, None) };
        assert_eq!(alone.without_effect(), [("weight", NO_CONTACT), ("try_s", NO_CONTACT), ("user", NO_CONTACT)]);
    }

    #[test]
    fn a_trunk_that_registers_needs_no_prefix() {
        let user = Some("trunk-user".to_owned());
        let registers = Trunk { register: true, user, ..trunk(Some("203.0.113.9:5060;transport=tcp"), None, None) };
        assert_eq!(registers.registers(), Some(("203.0.113.9:5060;transport=tcp", "trunk-user")));
        assert_eq!((registers.outgoing(), registers.without_effect()), (None, Vec::new()));
        for off in [
            Trunk { register: false, ..registers.clone() },
            Trunk { user: None, ..registers.clone() },
            Trunk { contact: None, ..registers },
        ] {
            assert_eq!(off.registers(), None, "{off:?}");
        }
    }

    #[test]
    fn a_carrier_with_a_name_needs_allow_unless_it_calls_by_the_connection_that_we_open() {
        for (contact, by_registration, told) in [
            ("sip.carrier.example;transport=tls", ByRegistration::Yes, None),
            ("sip.carrier.example;transport=TLS", ByRegistration::Yes, None),
            ("sip.carrier.example:5071;transport=tls", ByRegistration::Yes, None),
            ("sip.carrier.example", ByRegistration::IfNameLeadsToTls, Some(NO_SOURCE_BUT_TLS)),
            ("sip.carrier.example:5061", ByRegistration::No, Some(NO_SOURCE)),
            ("sip.carrier.example;transport=tcp", ByRegistration::No, Some(NO_SOURCE)),
            ("203.0.113.9", ByRegistration::No, None),
            ("[2001:db8::9]:5061;transport=tls", ByRegistration::Yes, None),
        ] {
            let user = Some("trunk-user".to_owned());
            let registers = Trunk { register: true, user, ..trunk(Some(contact), None, None) };
            assert_eq!(registers.by_registration(), by_registration, "{contact}");
            let told: Vec<_> = told.map(|why| ("register", why)).into_iter().collect();
            assert_eq!(registers.without_effect(), told, "{contact}");
            let alone = Trunk { register: false, ..registers };
            assert_eq!(alone.by_registration(), ByRegistration::No, "{contact}");
        }
    }

    #[test]
    fn what_has_no_effect_says_why() {
        for (contact, prefix, caller_id, keys) in [
            (Some("203.0.113.999:5060"), Some("9"), None, vec![("contact", CONTACT)]),
            (Some("sbc.example;transport=sctp"), Some("9"), None, vec![("contact", CONTACT)]),
            (Some("203.0.113.9:5060"), None, None, vec![("contact", NO_PREFIX)]),
            (None, Some("0"), Some("+1"), vec![("prefix", NO_CONTACT), ("caller_id", NO_CONTACT)]),
            (Some("203.0.113.9:5060"), Some("+"), Some("Ann"), vec![("caller_id", DIALLED)]),
            (Some("203.0.113.9:5060"), Some(""), None, vec![("prefix", DIALLED)]),
        ] {
            assert_eq!(trunk(contact, prefix, caller_id).without_effect(), keys);
        }
    }
}
