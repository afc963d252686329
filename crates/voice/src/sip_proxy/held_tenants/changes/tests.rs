use std::collections::{BTreeSet, HashMap};

use contracts::configuration::{TrunkDigest, TrunkDigests};
use contracts::provisioning::{DialAction, DialRule, Dn, Number, ObjectKey, Secret, TenantObjects};
use infra::conformance::tenant_objects;
use proptest::prelude::*;
use sip::proxy::InboundPassword;

use super::*;

fn id(tenant: &str) -> TenantId {
    TenantId::parse(tenant).unwrap()
}

fn objects(realm: &str) -> TenantObjects {
    let tenant = serde_json::json!({
        "id": "acme", "name": "Acme", "realm": realm, "codecs": [], "hold_music": "m", "no_answer_s": 20, "wrap_up_s": 0
    });
    TenantObjects::new(serde_json::from_value(tenant).unwrap())
}

fn number(number: &str) -> Number {
    Number {
        number: number.to_owned(),
        name: "sales".to_owned(),
        dn: "8000".to_owned(),
        schedule: None,
        closed_dn: None,
    }
}

fn phone(number: &str, password: &str) -> Dn {
    let kind = DnKind::Extension {
        password: Secret(password.to_owned()),
        no_answer_s: None,
        call_waiting: true,
        outgoing_max: None,
        direct_media: false,
        encryption: contracts::provisioning::Encryption::Off,
        location: None,
    };
    Dn::new(number.to_owned(), kind)
}

#[test]
fn a_trunk_keeps_the_networks_that_are_networks() {
    let trunk = TrunkObject {
        name: "carrier".into(),
        allow: vec!["127.0.0.0/8".into(), "everywhere".into()],
        certificate_names: Vec::new(),
        inbound_user: None,
        inbound_password: None,
        contact: None,
        prefix: None,
        caller_id: None,
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
        encryption: contracts::provisioning::Encryption::Off,
        codecs: Vec::new(),
        dtmf: None,
        session_expires_s: None,
        reliable: None,
        calls_per_second: None,
        drain: false,
        asserts_identity: false,
        auth_user: None,
        domain: None,
        diversion: contracts::provisioning::DiversionForm::default(),
        user_to_user: false,
        location: false,
        headers: Vec::new(),
        stir: contracts::provisioning::Stir::default(),
    };
    let tenant = TenantId::parse("acme").unwrap();
    let allowed = Network::parse("127.0.0.0/8").unwrap();
    let known = trunk_of(&tenant, &trunk);
    assert_eq!((known.allow, known.user), (vec![allowed], None));
    // Where it registers is a source of its calls.
    let contact = Some("203.0.113.9:5060".to_owned());
    let registers = TrunkObject { register: true, contact, user: Some("we".into()), ..trunk };
    let known = trunk_of(&tenant, &registers);
    let registrar = Network::parse("203.0.113.9").unwrap();
    assert_eq!((known.allow, known.user.as_deref()), (vec![allowed, registrar], Some("we")));
    let within = TrunkObject { allow: vec!["203.0.113.0/24".into()], ..registers };
    assert_eq!(trunk_of(&tenant, &within).allow, [Network::parse("203.0.113.0/24").unwrap()]);
    let named = TrunkObject { certificate_names: vec!["SBC.carrier.example".into()], ..within };
    assert_eq!(trunk_of(&tenant, &named).certificate_names, [Box::<str>::from("sbc.carrier.example")]);
    let registrar = |trunk: &TrunkObject| trunk_of(&tenant, trunk).registrar;
    assert_eq!(registrar(&named).as_deref(), Some("203.0.113.9"));
    let by_name = TrunkObject { contact: Some("SIP.carrier.example;transport=tls".into()), ..named.clone() };
    assert_eq!(registrar(&by_name).as_deref(), Some("sip.carrier.example"));
    assert_eq!(registrar(&TrunkObject { register: false, ..by_name }), None);
    // Without its networks a trunk would take the certificate from anywhere.
    let nowhere = trunk_of(&tenant, &TrunkObject { allow: vec!["everywhere".into()], ..named });
    assert!(nowhere.allow.is_empty() && nowhere.certificate_names.is_empty(), "{nowhere:?}");
}

#[test]
fn a_trunk_gets_the_hashes_of_its_password_when_they_come_although_its_version_is_the_same() {
    let acme = id("acme");
    let mut objects = objects("acme.example");
    objects.trunks =
        vec![TrunkObject { name: "carrier".into(), inbound_user: Some("pbx".into()), ..TrunkObject::default() }];
    let tenants: Tenants = Arc::new(HashMap::from([(acme.clone(), Arc::new(TenantConfig::of(&objects)))]));
    let digest = TrunkDigest {
        trunk: "carrier".into(),
        user: "pbx".into(),
        realm: "acme.example".into(),
        md5: "m".into(),
        sha256: "s".into(),
    };
    let told = TrunkDigests { version: String::new(), trunks: vec![digest] };
    let digests = DigestsByTenant::from([(acme.clone(), Arc::new(TenantDigests::of(told)))]);
    let inbound = |held: &HeldTenants| held.get(&acme).unwrap().trunks[0].inbound.clone();
    let (first, _) = HeldTenants::default().after(&tenants, &DigestsByTenant::new());
    assert_eq!(inbound(&first), InboundPassword::Unread, "nobody gets in meanwhile");
    let (then, outdated) = first.after(&tenants, &digests);
    assert!(matches!(inbound(&then), InboundPassword::Asked(account) if account.user == "pbx"));
    assert!(!Arc::ptr_eq(first.trunks(), then.trunks()), "who shares them is told");
    assert_eq!(outdated, Outdated::default());
    let (again, _) = then.after(&tenants, &digests);
    assert!(Arc::ptr_eq(again.get(&acme).unwrap(), then.get(&acme).unwrap()), "it is not read again");
}

#[test]
fn the_numbers_of_a_tenant_are_kept_as_carriers_may_write_them() {
    let acme = id("acme");
    let mut objects = objects("acme.example");
    objects.numbers = vec![number("+15550100")];
    let tenants: Tenants = Arc::new(HashMap::from([(acme.clone(), Arc::new(TenantConfig::of(&objects)))]));
    let (held, _) = HeldTenants::default().after(&tenants, &DigestsByTenant::new());
    let numbers: Vec<&str> = held.numbers().get(&acme).unwrap().keys().map(|number| &**number).collect();
    assert_eq!(numbers, ["15550100"]);
}

/// A change of one of two tenants.
#[derive(Clone, Debug)]
enum Step {
    Put(ObjectKind, u8, bool),
    Gone(ObjectKind, u8),
    Realm(u8),
    /// The tenant is removed.
    End,
}

fn step() -> impl Strategy<Value = (bool, Step)> {
    let kind = || {
        prop_oneof![Just(ObjectKind::Dn), Just(ObjectKind::Number), Just(ObjectKind::Trunk), Just(ObjectKind::DialRule)]
    };
    let step = prop_oneof![
        6 => (kind(), 0_u8..6, any::<bool>()).prop_map(|(kind, number, other)| Step::Put(kind, number, other)),
        4 => (kind(), 0_u8..6).prop_map(|(kind, number)| Step::Gone(kind, number)),
        1 => (0_u8..3).prop_map(Step::Realm),
        1 => Just(Step::End),
    ];
    (any::<bool>(), step)
}

fn put(kind: ObjectKind, name: u8, other: bool) -> Object {
    match kind {
        ObjectKind::Dn if other => Object::Dn(phone(&name.to_string(), "secret")),
        ObjectKind::Dn => Object::Dn(Dn::new(name.to_string(), DnKind::Echo)),
        ObjectKind::Number if other => Object::Number(number(&format!("+{name}"))),
        ObjectKind::Number => Object::Number(number(&name.to_string())),
        ObjectKind::Trunk => {
            let allow = vec![format!("192.0.2.{name}"), format!("198.51.100.{}", u8::from(other))];
            Object::Trunk(Box::new(TrunkObject { name: name.to_string(), allow, ..TrunkObject::default() }))
        }
        _ => {
            let action = DialAction::Emergency { trunk: None };
            let pattern = format!("11{}", if other { name } else { 2 });
            Object::DialRule(DialRule { name: name.to_string(), place: name.into(), pattern, action })
        }
    }
}

fn apply(step: Step, tenant: &mut Option<TenantObjects>, changes: &mut Vec<(ObjectKey, Option<Object>)>) {
    match step {
        Step::End => *tenant = None,
        step => {
            let objects = tenant.get_or_insert_with(|| objects("acme.example"));
            match step {
                Step::Put(kind, name, other) => {
                    changes.push((put(kind, name, other).key(), Some(put(kind, name, other))))
                }
                Step::Gone(kind, name) => {
                    for id in [name.to_string(), format!("+{name}")] {
                        changes.push((ObjectKey { kind, id }, None));
                    }
                }
                Step::Realm(realm) => {
                    let changed = self::objects(&format!("{realm}.example")).tenant;
                    let changed = Object::Tenant(Box::new(changed));
                    changes.push((changed.key(), Some(changed)));
                }
                Step::End => {}
            }
            for (key, object) in changes.iter().cloned() {
                match object {
                    Some(object) => tenant_objects::put(objects, object),
                    None => tenant_objects::remove(objects, &key),
                }
            }
        }
    }
}

/// What is known of each tenant and of all.
fn known(held: &HeldTenants) -> String {
    let of = |held: &Arc<Held>| {
        let Held { id, realm, phones, trunks, numbers, emergency_numbers, .. } = &**held;
        format!("{id} {realm} {phones:?} {trunks:?} {numbers:?} {emergency_numbers:?}")
    };
    let all: Vec<_> = held.all.values().map(of).collect();
    let of_trunk = |trunk: &Arc<Trunk>| (trunk.tenant.clone(), trunk.name.clone());
    let trunks: Vec<_> = held.trunks.all().iter().map(of_trunk).collect();
    let emergency_numbers: BTreeSet<&Box<str>> = held.emergency_numbers.iter().collect();
    format!("{all:?} {:?} {:?} {:?} {trunks:?} {emergency_numbers:?}", held.by_realm, held.by_number, held.numbers)
}

proptest! {
    #[test]
    fn what_follows_changes_is_what_is_read_afresh(steps in prop::collection::vec(step(), 1..40)) {
        let ids = [id("acme"), id("zenith")];
        let mut stored: [Option<TenantObjects>; 2] = [None, None];
        let mut tenants: HashMap<TenantId, Arc<TenantConfig>> = HashMap::new();
        let mut held = HeldTenants::default();
        for (revision, (second, step)) in steps.into_iter().enumerate() {
            let at = usize::from(second);
            let mut changes = Vec::new();
            let had_none = stored[at].is_none();
            apply(step, &mut stored[at], &mut changes);
            match &stored[at] {
                None => drop(tenants.remove(&ids[at])),
                Some(objects) if had_none => {
                    tenants.insert(ids[at].clone(), Arc::new(TenantConfig::of(objects)));
                }
                Some(_) => {
                    let listed = |(key, object): &(ObjectKey, Option<Object>)| contracts::configuration::Listed {
                        kind: key.kind,
                        id: key.id.clone(),
                        object: object.as_ref().map(|object| serde_json::from_slice(&object.to_json()).unwrap()).unwrap_or_default(),
                    };
                    let objects = changes.iter().filter(|(_, object)| object.is_some()).map(listed).collect();
                    let gone = changes.iter().filter(|(_, object)| object.is_none()).map(listed).collect();
                    let version = format!("1-{revision}");
                    let told = contracts::configuration::Changes { version, whole: false, objects, gone, next: None };
                    let now = TenantConfig::after(tenants.get(&ids[at]), told);
                    tenants.insert(ids[at].clone(), now);
                }
            }
            let before = held;
            let all: Tenants = Arc::new(tenants.clone());
            let outdated;
            (held, outdated) = before.after(&all, &DigestsByTenant::new());
            let (afresh, _) = HeldTenants::default().after(&all, &DigestsByTenant::new());
            prop_assert_eq!(known(&held), known(&afresh));
            for (key, _) in changes.iter().filter(|(key, _)| key.kind == ObjectKind::Dn) {
                let was = before.get(&ids[at]).is_some_and(|before| before.config.get(key.kind, &key.id).is_some());
                let is_told = outdated.tenants.contains(&ids[at]) || outdated.phones.contains(&(ids[at].clone(), key.id.clone()));
                prop_assert!(is_told || !was, "{key:?} may have another password");
            }
        }
    }
}
