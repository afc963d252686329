//! What a tenant has set for its trunks and phones, from config's copy; until config has answered nothing is set.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use call::dial_plan::{Pattern, Translation};
use contracts::provisioning::{DialAction, DialRule, Dn, DnKind, Location, Object, ObjectKind, Trunk};
use media::codec::Codec;
use model::TenantId;
use net::configuration::{Configuration, TenantConfig};
use sip::header_rules::HeaderRules;
use sip::location::{CivicElement, GeoPoint, KnownLocation};

use super::node::calls::direct::{PhoneRules, ReadPhones};
use super::node::calls::trunk::header_rules::ReadHeaderRules;
use super::node::calls::trunk::location::ReadLocation;
use super::node::calls::trunk::settings::{ReadReceived, ReadTrunks, TrunkRules};

/// Reads what is set for trunks.
pub(super) fn trunks(configuration: Configuration) -> ReadTrunks {
    Box::new(move |tenant, name| {
        let config = configuration.tenant(tenant);
        match config.as_deref().and_then(|config| config.get(ObjectKind::Trunk, name)) {
            Some(Object::Trunk(trunk)) => TrunkRules {
                is_known: true,
                calls_max: trunk.calls_max,
                early_speech: trunk.early_speech,
                direct_media: trunk.direct_media,
                options: trunk.options,
                encryption: trunk.encryption.into(),
                codecs: trunk.codecs.iter().filter_map(|name| Codec::from_name(name)).collect(),
                dtmf: trunk.dtmf,
                session_expires_s: trunk.session_expires_s,
                hides_100rel: trunk.reliable == Some(false),
                calls_per_second: trunk.calls_per_second,
                drains: trunk.drain,
                asserts_identity: trunk.asserts_identity,
                diversion: trunk.diversion,
                user_to_user: trunk.user_to_user,
                location: trunk.location,
                registers: trunk.registers().is_some(),
                domain: trunk.domain.clone(),
            },
            _ => TrunkRules::default(),
        }
    })
}

/// Reads what a number that a trunk has sent means, by the tenant's rules.
pub(super) fn received(configuration: Configuration) -> ReadReceived {
    Box::new(move |tenant, trunk, number| {
        let config = configuration.tenant(tenant)?;
        let mut rules: Vec<&DialRule> = config
            .of_kind(ObjectKind::DialRule)
            .filter_map(|object| match object {
                Object::DialRule(rule) => Some(rule),
                _ => None,
            })
            .collect();
        rules.sort_by_key(|rule| rule.place);
        rules.into_iter().find_map(|rule| match &rule.action {
            DialAction::Receive { remove, add, trunk: of } if of.as_ref().is_none_or(|of| of == trunk) => {
                let pattern = Pattern::parse(&rule.pattern).ok().filter(|pattern| pattern.matches(number))?;
                let (name, remove) = (rule.name.clone(), usize::try_from(*remove).unwrap_or(usize::MAX));
                Some(Translation { name, pattern, remove, add: add.clone() }.apply(number))
            }
            _ => None,
        })
    })
}

/// The most trunks whose rules are kept ready for use; with more, all are made ready again.
const READY_MAX: usize = 1_000;

/// The rules of trunks, ready for use, each with the configuration that they are of.
#[derive(Default)]
struct ReadyRules(HashMap<(TenantId, String), (Weak<TenantConfig>, Arc<HeaderRules>)>);

impl ReadyRules {
    /// Those of a trunk. They are made ready once for a configuration, which is replaced when it changes, and never altered.
    fn of(&mut self, tenant: &TenantId, config: &Arc<TenantConfig>, trunk: &Trunk) -> Arc<HeaderRules> {
        let (key, config) = ((tenant.clone(), trunk.name.clone()), Arc::downgrade(config));
        if let Some((_, rules)) = self.0.get(&key).filter(|(of, _)| of.ptr_eq(&config)) {
            return rules.clone();
        }
        if self.0.len() >= READY_MAX {
            self.0.clear();
        }
        let rules = Arc::new(net::header_rules::of_trunk(trunk));
        self.0.insert(key, (config, rules.clone()));
        rules
    }
}

/// Reads the rules about headers of trunks.
pub(super) fn header_rules(configuration: Configuration) -> ReadHeaderRules {
    let ready = Mutex::new(ReadyRules::default());
    Arc::new(move |tenant, name| {
        let config = configuration.tenant(tenant)?;
        let Object::Trunk(trunk) = config.get(ObjectKind::Trunk, name)? else { return None };
        let has_any = !trunk.headers.is_empty();
        has_any.then(|| ready.lock().unwrap_or_else(PoisonError::into_inner).of(tenant, &config, trunk))
    })
}

/// Reads where phones are: as is set for them, else for their places, else for the tenant.
pub(super) fn locations(configuration: Configuration) -> ReadLocation {
    Box::new(move |tenant, phone| {
        let config = configuration.tenant(tenant)?;
        let own = match config.get(ObjectKind::Dn, phone.as_str()) {
            Some(Object::Dn(Dn { kind: DnKind::Extension { location, .. }, .. })) => location.as_deref(),
            _ => None,
        };
        let of_place = || {
            config.of_kind(ObjectKind::Place).find_map(|object| match object {
                Object::Place(place) if place.dns.iter().any(|dn| dn == phone.as_str()) => place.location.as_ref(),
                _ => None,
            })
        };
        let of_tenant = || config.tenant().and_then(|tenant| tenant.location.as_ref());
        own.or_else(of_place).or_else(of_tenant).map(known)
    })
}

fn known(location: &Location) -> KnownLocation {
    let civic = [
        (CivicElement::Country, &location.country),
        (CivicElement::A1, &location.region),
        (CivicElement::A3, &location.city),
        (CivicElement::Rd, &location.street),
        (CivicElement::Hno, &location.house_number),
        (CivicElement::Flr, &location.floor),
        (CivicElement::Nam, &location.name),
        (CivicElement::Pc, &location.postal_code),
        (CivicElement::Room, &location.room),
    ];
    let point = location
        .point()
        .map(|(latitude, longitude)| GeoPoint { latitude: latitude.to_owned(), longitude: longitude.to_owned() });
    let civic = civic.into_iter().filter_map(|(element, text)| Some((element, text.clone()?))).collect();
    KnownLocation { civic, point }
}

/// Reads what is set for phones.
pub(super) fn phones(configuration: Configuration) -> ReadPhones {
    Box::new(move |tenant, number| {
        let config = configuration.tenant(tenant);
        match config.as_deref().and_then(|config| config.get(ObjectKind::Dn, number)) {
            Some(Object::Dn(Dn { kind: DnKind::Extension { direct_media, encryption, .. }, .. })) => {
                PhoneRules { direct_media: *direct_media, encryption: (*encryption).into() }
            }
            _ => PhoneRules::default(),
        }
    })
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::{HeaderRule, HeaderRuleAction, HeaderRuleOn};
    use sip::HeaderName;
    use sip::header_rules::RuleDirection;

    use super::*;

    fn trunk(header: &str) -> Trunk {
        let rule = HeaderRule {
            on: HeaderRuleOn::Sent,
            action: HeaderRuleAction::Set,
            header: header.to_owned(),
            value: Some("PBX".to_owned()),
            pattern: None,
            replace: None,
        };
        Trunk { name: "carrier".to_owned(), headers: vec![rule], ..Trunk::default() }
    }

    #[test]
    fn header_rules_are_made_ready_once_for_a_configuration() {
        let tenant = TenantId::parse("acme").unwrap();
        let mut ready = ReadyRules::default();
        let config = Arc::new(TenantConfig::default());
        let first = ready.of(&tenant, &config, &trunk("User-Agent"));
        assert!(Arc::ptr_eq(&first, &ready.of(&tenant, &config, &trunk("User-Agent"))));
        let changed = ready.of(&tenant, &Arc::new(TenantConfig::default()), &trunk("Subject"));
        assert!(changed.is_about(RuleDirection::Sent, &HeaderName::Subject), "config has told others");
        assert_eq!(ready.0.len(), 1);
    }
}
