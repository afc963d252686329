//! What a tenant has set for its trunks and phones, from config's copy; until config has answered nothing is set.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use call::dial_plan::{Pattern, Translation};
use contracts::provisioning::{DialAction, DialRule, Dn, DnKind, HeaderRule, Location, Object, ObjectKind};
use model::TenantId;
use net::configuration::Configuration;
use sip::header_rules::HeaderRules;
use sip::location::{CivicElement, GeoPoint, KnownLocation};

use super::node::calls::direct::{PhoneRules, ReadPhones};
use super::node::calls::trunk::header_rules::ReadHeaderRules;
use super::node::calls::trunk::limits::{ReadReceived, ReadTrunks, TrunkRules};
use super::node::calls::trunk::location::ReadLocation;

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
                calls_per_second: trunk.calls_per_second,
                drains: trunk.drain,
                asserts_identity: trunk.asserts_identity,
                diversion: trunk.diversion,
                user_to_user: trunk.user_to_user,
                location: trunk.location,
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

/// The rules of trunks as they were written, and ready for use.
type ReadyRules = HashMap<(TenantId, String), (Vec<HeaderRule>, Arc<HeaderRules>)>;

/// Reads the rules about headers of trunks, which are made ready for use when they change.
pub(super) fn header_rules(configuration: Configuration) -> ReadHeaderRules {
    let ready = Mutex::new(ReadyRules::new());
    Arc::new(move |tenant, name| {
        let config = configuration.tenant(tenant)?;
        let Object::Trunk(trunk) = config.get(ObjectKind::Trunk, name)? else { return None };
        if trunk.headers.is_empty() {
            return None;
        }
        let mut ready = ready.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), name.to_owned());
        if let Some((_, rules)) = ready.get(&key).filter(|(written, _)| *written == trunk.headers) {
            return Some(rules.clone());
        }
        if ready.len() >= READY_MAX {
            ready.clear();
        }
        let rules = Arc::new(net::header_rules::of_trunk(trunk));
        ready.insert(key, (trunk.headers.clone(), rules.clone()));
        Some(rules)
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
