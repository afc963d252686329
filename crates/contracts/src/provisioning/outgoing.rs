//! Whether calls can go out by a trunk.

use std::net::SocketAddr;

use super::Trunk;

const CONTACT: &str =
    "it must be an address and a port, as 203.0.113.9:5060 or 203.0.113.9:5060;transport=tcp (names are not resolved)";
const NO_PREFIX: &str = "calls go out only if `prefix` says which numbers, as \"+\"";
const NO_CONTACT: &str = "calls go out only if `contact` says where to";
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

    /// The number that is shown to who is called.
    pub fn shown(&self) -> Option<&str> {
        self.caller_id.as_deref().filter(|number| is_dialled(number))
    }

    /// The keys that are set without an effect, and why. They are kept, so that an exported tenant can be imported again unchanged.
    pub fn without_effect(&self) -> Vec<(&'static str, &'static str)> {
        let mut keys = Vec::new();
        match (self.contact.as_deref(), self.prefix.as_deref()) {
            (Some(contact), _) if !is_contact(contact) => keys.push(("contact", CONTACT)),
            (Some(_), None) => keys.push(("contact", NO_PREFIX)),
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
        let of_calls = [
            ("priority", self.priority.is_some()),
            ("weight", self.weight.is_some()),
            ("try_s", self.try_s.is_some()),
            ("user", self.user.is_some()),
            ("early_speech", self.early_speech),
        ];
        let no_call = self.contact.is_none();
        keys.extend(of_calls.into_iter().filter(|(_, is_set)| no_call && *is_set).map(|(key, _)| (key, NO_CONTACT)));
        keys
    }
}

fn is_contact(text: &str) -> bool {
    let address = text.strip_suffix(";transport=tcp").or_else(|| text.strip_suffix(";transport=udp")).unwrap_or(text);
    address.parse::<SocketAddr>().is_ok_and(|address| address.port() != 0 && !address.ip().is_unspecified())
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
            encryption: crate::provisioning::Encryption::Off,
        }
    }

    #[test]
    fn calls_go_out_where_address_and_prefix_are_given() {
        let good = trunk(Some("203.0.113.9:5060;transport=tcp"), Some("+"), Some("+15550100"));
        assert_eq!(good.outgoing(), Some(("203.0.113.9:5060;transport=tcp", "+")));
        assert_eq!((good.shown(), good.without_effect()), (Some("+15550100"), Vec::new()));
        assert!(trunk(Some("[2001:db8::9]:5060"), Some("0"), None).outgoing().is_some());
        assert_eq!(trunk(None, None, None).without_effect(), []);
    }

    #[test]
    fn a_place_in_a_group_has_no_effect_without_a_contact() {
        let user = Some("trunk-user".to_owned());
        let alone = Trunk { weight: Some(1), try_s: Some(3), user, ..trunk(None, None, None) };
        assert_eq!(alone.without_effect(), [("weight", NO_CONTACT), ("try_s", NO_CONTACT), ("user", NO_CONTACT)]);
    }

    #[test]
    fn what_has_no_effect_says_why() {
        for (contact, prefix, caller_id, keys) in [
            (Some("sbc.example:5060"), Some("9"), None, vec![("contact", CONTACT)]),
            (Some("203.0.113.9"), Some("9"), None, vec![("contact", CONTACT)]),
            (Some("203.0.113.9:5060"), None, None, vec![("contact", NO_PREFIX)]),
            (None, Some("0"), Some("+1"), vec![("prefix", NO_CONTACT), ("caller_id", NO_CONTACT)]),
            (Some("203.0.113.9:5060"), Some("+"), Some("Ann"), vec![("caller_id", DIALLED)]),
            (Some("203.0.113.9:5060"), Some(""), None, vec![("prefix", DIALLED)]),
        ] {
            assert_eq!(trunk(contact, prefix, caller_id).without_effect(), keys);
        }
    }
}
