//! What must hold for trunks.

use std::collections::{BTreeMap, HashMap};

use contracts::provisioning::networks::network;
use contracts::provisioning::{FaultCode, ObjectKind, Secret, Trunk};

use super::{BrokenRule, Rules, is_generated};

impl Rules<'_> {
    pub(super) fn trunks(&mut self) {
        for trunk in &self.objects.trunks {
            self.sources(trunk);
            if let Some(words) = trunk.contact_with_scheme() {
                self.trunk_fault(trunk, "contact", BrokenRule::new(FaultCode::ContactScheme, words));
            }
            self.account(trunk);
            self.inbound_account(trunk);
            self.headers(trunk);
            self.stir(trunk);
        }
        self.registers_once();
        self.inbound_users_once();
    }

    fn trunk_fault(&mut self, trunk: &Trunk, key: &str, rule: BrokenRule) {
        self.fault(ObjectKind::Trunk, &trunk.name, format!("trunks.{}.{key}", trunk.name), rule);
    }

    /// Whence its calls come.
    fn sources(&mut self, trunk: &Trunk) {
        for source in trunk.allow.iter().filter(|source| network(source).is_none()) {
            let words = format!("{source} is not an address or a network as 192.0.2.0/24");
            self.trunk_fault(trunk, "allow", BrokenRule::new(FaultCode::Network, words).naming("value", source));
        }
        for wide in trunk.wide_networks().filter(|wide| wide.is_everybody) {
            let words = format!(
                "{} is everybody: name the carrier's networks, or ask for a password (`inbound_user`) or a certificate (`certificate_names`) besides",
                wide.text
            );
            self.trunk_fault(trunk, "allow", BrokenRule::new(FaultCode::Everybody, words).naming("value", wide.text));
        }
        for name in trunk.wrong_certificate_names() {
            let words = format!("{name} is not a host name as sbc.carrier.example, in full and without *");
            let rule = BrokenRule::new(FaultCode::HostName, words).naming("name", name);
            self.trunk_fault(trunk, "certificate_names", rule);
        }
    }

    /// Of trunks that share an address the user tells which one calls.
    fn inbound_users_once(&mut self) {
        let mut known = HashMap::new();
        for trunk in &self.objects.trunks {
            let Some(user) = trunk.inbound_user.as_deref() else { continue };
            if let Some(other) = known.insert(user, &trunk.name) {
                let rule =
                    BrokenRule::held(ObjectKind::Trunk, other, user, format!("the trunk {other} has it already"));
                self.trunk_fault(trunk, "inbound_user", rule);
            }
        }
    }

    /// A registration that one trunk removes would be that of the other.
    fn registers_once(&mut self) {
        let mut known = BTreeMap::new();
        for trunk in &self.objects.trunks {
            let Some(account) = trunk.registers() else { continue };
            if let Some(other) = known.insert(account, &trunk.name) {
                let words = format!("the trunk {other} registers the same account");
                let rule = BrokenRule::new(FaultCode::SameAccount, words).naming("trunk", other);
                self.trunk_fault(trunk, "register", rule);
            }
        }
    }

    fn headers(&mut self, trunk: &Trunk) {
        for (place, rule) in trunk.headers.iter().enumerate() {
            if let Err(error) = net::header_rules::compile(rule) {
                let why = error.to_string();
                let rule = BrokenRule::new(FaultCode::HeaderRule, why.as_str()).naming("why", why);
                self.trunk_fault(trunk, &format!("headers[{place}]"), rule);
            }
        }
    }

    fn stir(&mut self, trunk: &Trunk) {
        // A key that is sealed was checked when it was stored.
        let key = trunk.stir.sign.as_ref().and_then(|sign| sign.private_key.as_ref());
        if !key.is_some_and(Secret::is_sealed)
            && let Err(fault) = net::stir::check_signing(&trunk.stir)
        {
            self.trunk_fault(trunk, &format!("stir.sign.{}", fault.key()), certificate(fault.to_string()));
        }
        if let Err(why) = net::stir::authorities(&trunk.stir) {
            self.trunk_fault(trunk, "stir.authorities", certificate(why));
        }
    }

    /// Who calls is known by something else first: a password alone would have to be asked of everybody who sends us a request.
    fn inbound_account(&mut self, trunk: &Trunk) {
        let needed_with = |field: &str| BrokenRule::needed_with(field, format!("a trunk with `{field}` needs it"));
        let lacking = match (trunk.inbound_user.as_deref(), trunk.inbound_password.as_ref()) {
            (Some(_), None) => Some(("inbound_password", needed_with("inbound_user"))),
            (None, Some(_)) => Some(("inbound_user", needed_with("inbound_password"))),
            (Some(""), _) => Some(("inbound_user", BrokenRule::empty())),
            (_, Some(password)) if password.reveal().is_empty() => Some(("inbound_password", BrokenRule::empty())),
            (Some(_), _) if !trunk.is_recognised() => {
                let words =
                    "a trunk with `inbound_user` needs it: only calls from its networks are asked for the password";
                Some(("allow", BrokenRule::needed_with("inbound_user", words)))
            }
            _ => None,
        };
        if let Some((key, rule)) = lacking {
            self.trunk_fault(trunk, key, rule);
        }
    }

    /// The carrier has given both, user and password.
    fn account(&mut self, trunk: &Trunk) {
        let needed_with = |field: &str| BrokenRule::needed_with(field, format!("a trunk with `{field}` needs it"));
        let lacking = match (trunk.user.as_deref(), trunk.password.as_ref()) {
            (Some(_), None) => Some(("password", needed_with("user"))),
            (None, Some(_)) => Some(("user", needed_with("password"))),
            (Some(""), _) => Some(("user", BrokenRule::empty())),
            (_, Some(password)) if password.reveal().is_empty() => Some(("password", BrokenRule::empty())),
            (_, Some(password)) if is_generated(password) => {
                let words = "the carrier gives it: it cannot be generated";
                Some(("password", BrokenRule::new(FaultCode::NotGenerated, words)))
            }
            (None, _) if trunk.auth_user.is_some() => Some(("user", needed_with("auth_user"))),
            _ if !trunk.has_good_domain() => {
                let rule = BrokenRule::new(FaultCode::HostName, "it is neither a host name nor an address");
                Some(("domain", rule.naming("name", trunk.domain.as_deref().unwrap_or_default())))
            }
            (None, None) if trunk.register => Some(("user", needed_with("register"))),
            _ if trunk.register && trunk.contact.is_none() => {
                let words = "a trunk with `register` needs it: the address of the carrier's registrar";
                Some(("contact", BrokenRule::needed_with("register", words)))
            }
            _ => None,
        };
        if let Some((key, rule)) = lacking {
            self.trunk_fault(trunk, key, rule);
        }
    }
}

/// A key, a certificate or an authority that cannot be used.
fn certificate(why: String) -> BrokenRule {
    BrokenRule::new(FaultCode::Certificate, why.as_str()).naming("why", why)
}
