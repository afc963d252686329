//! Random tenants, broken ones among them, and random changes: a part of the tenant is judged as the whole one is.

mod further;

use contracts::provisioning::{
    AccessGroup, ActionCode, Agent, AgentGroup, AttributeValue, BusinessAttribute, DialRule, Dn, DnKind, FeatureAction,
    FeatureCode, Folder, FolderPermission, FolderRight, LookupList, Number, ObjectPermission, Person, Place,
    PlaceGroup, PrivilegeRole, Prompt, Schedule, Secret, Skill, SkillLevel, Subcode, Trunk,
};
use infra::conformance::tenant_objects;
use infra::{HistoryPoint, Revision, ToldChange, VersionedObjects};
use proptest::prelude::*;

use super::*;
use crate::objects::uses;

/// Names that differ in case alone are among them.
fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "A", "b", "c"]).prop_map(str::to_owned)
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(name(), 0..3)
}

fn maybe() -> impl Strategy<Value = Option<String>> {
    prop::option::of(name())
}

fn number() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["1", "2", "3", "4"]).prop_map(str::to_owned)
}

fn dn() -> impl Strategy<Value = Object> {
    let point = (name(), prop::option::of(number())).prop_map(|(application, default_dn)| DnKind::RoutePoint {
        application,
        default_dn,
        service_level_s: 20,
        short_abandon_s: 5,
        wrap_up_s: None,
    });
    let announcement = names().prop_map(|prompts| DnKind::Announcement { prompts });
    let kind = prop_oneof![3 => point, 1 => announcement, 1 => Just(DnKind::Echo)];
    (number(), maybe(), kind).prop_map(|(number, switch, kind)| Object::Dn(Dn { number, switch, kind }))
}

fn person() -> impl Strategy<Value = Object> {
    let agent = (name(), name(), maybe(), names(), prop::option::of(prop::sample::select(vec!["12", "x"])), maybe());
    (name(), prop::option::of(agent), maybe()).prop_map(|(user_name, agent, external_id)| {
        let agent = agent.map(|(id, login_code, default_place, skills, pin, capacity_rule)| Agent {
            id,
            login_code,
            pin: pin.map(|pin| Secret(pin.to_owned())),
            default_place,
            wrap_up_s: None,
            legal_guard_s: None,
            no_answer_action: None,
            skills: skills.into_iter().map(|skill| SkillLevel { skill, level: 1 }).collect(),
            capacity_rule,
        });
        let (first_name, last_name) = (user_name.clone(), user_name.clone());
        Object::Person(Box::new(Person { user_name, first_name, last_name, agent, external_id, ..Person::default() }))
    })
}

fn trunk() -> impl Strategy<Value = Object> {
    (name(), any::<bool>(), maybe(), any::<bool>()).prop_map(|(name, leads_out, inbound_user, register)| {
        Object::Trunk(Box::new(Trunk {
            name,
            contact: leads_out.then(|| "203.0.113.9".to_owned()),
            prefix: leads_out.then(|| "+".to_owned()),
            inbound_user,
            user: register.then(|| "u".to_owned()),
            password: register.then(|| Secret("p".to_owned())),
            register,
            ..Trunk::default()
        }))
    })
}

fn dial_rule() -> impl Strategy<Value = Object> {
    let action = prop_oneof![
        maybe().prop_map(|trunk| DialAction::Emergency { trunk }),
        (name(), maybe()).prop_map(|(trunk, schedule)| DialAction::Route { trunk, cost: 1, schedule }),
        maybe().prop_map(|trunk| DialAction::Send { remove: 0, add: String::new(), trunk }),
    ];
    let rule = |(name, place, pattern, action)| Object::DialRule(DialRule { name, place, pattern, action });
    // Their order is that of their places: names that differ in case alone would be told by it.
    (number(), 0..9_u32, number(), action).prop_map(rule)
}

fn agent_group() -> impl Strategy<Value = Object> {
    let expression = prop_oneof![3 => name().prop_map(|skill| format!("{skill} >= 1")), 1 => Just("a >=".to_owned())];
    (name(), names(), prop::option::of(expression), names()).prop_map(|(name, agents, expression, managers)| {
        Object::AgentGroup(Box::new(AgentGroup { name, agents, expression, managers }))
    })
}

fn object() -> impl Strategy<Value = Object> {
    let place = (name(), prop::collection::vec(number(), 0..3), maybe()).prop_map(|(name, dns, capacity_rule)| {
        Object::Place(Box::new(Place { name, dns, location: None, capacity_rule }))
    });
    let dialled =
        (number(), number(), maybe(), prop::option::of(number())).prop_map(|(number, dn, schedule, closed)| {
            Object::Number(Number { name: number.clone(), number, dn, schedule, closed_dn: closed })
        });
    let action = prop::sample::select(vec![FeatureAction::Login, FeatureAction::Pickup]);
    let code = (number(), action, any::<bool>())
        .prop_map(|(code, action, ask_pin)| Object::FeatureCode(FeatureCode { code, action, ask_pin }));
    let schedule = name().prop_map(|name| {
        Object::Schedule(Schedule { name, time_zone: None, open: Vec::new(), exceptions: Vec::new() })
    });
    prop_oneof![
        2 => name().prop_map(|name| Object::Skill(Skill { name })),
        1 => name().prop_map(|name| {
            let file = format!("{name}.wav");
            Object::Prompt(Prompt::of_file(name, file))
        }),
        1 => name().prop_map(|name| Object::Application(Application::new(name, "<scxml/>".to_owned()))),
        4 => dn(),
        2 => place,
        4 => person(),
        2 => dialled,
        2 => trunk(),
        2 => code,
        1 => schedule,
        2 => dial_rule(),
        2 => agent_group(),
        2 => (name(), names()).prop_map(|(name, places)| Object::PlaceGroup(PlaceGroup { name, places })),
        1 => (name(), names(), maybe(), any::<bool>()).prop_map(|(name, values, default, attach_default)| {
            let value = |value| AttributeValue { value, display_name: None };
            let values = values.into_iter().map(value).collect();
            Object::BusinessAttribute(BusinessAttribute { name, values, default, enforced: false, attach_default })
        }),
        1 => name().prop_map(|name| Object::List(Box::new(LookupList { name, ..LookupList::default() }))),
        8 => further::object(),
        3 => (name(), names(), names()).prop_map(|(name, people, groups)| {
            Object::AccessGroup(Box::new(AccessGroup { name, people, groups }))
        }),
        1 => (name(), names(), names()).prop_map(|(name, people, groups)| {
            Object::Role(Box::new(PrivilegeRole { name, people, groups, ..PrivilegeRole::default() }))
        }),
        2 => folder(),
        2 => (name(), name(), names()).prop_map(|(code, name, finer)| {
            let subcodes = finer.into_iter().map(|code| Subcode { name: code.clone(), code }).collect();
            Object::ActionCode(ActionCode { code, name, subcodes, ..ActionCode::default() })
        }),
    ]
}

fn folder() -> impl Strategy<Value = Object> {
    let permission = (maybe(), maybe()).prop_map(|(group, person)| FolderPermission {
        group,
        person,
        rights: vec![FolderRight::Read],
        ..FolderPermission::default()
    });
    (name(), prop::collection::vec(permission, 0..2))
        .prop_map(|(path, permissions)| Object::Folder(Box::new(Folder { path, description: None, permissions })))
}

/// What a change does to the object of a random one's key.
fn change() -> impl Strategy<Value = ObjectChange> {
    let entry = (maybe(), maybe()).prop_map(|(group, person)| ObjectPermission {
        group,
        person,
        rights: vec![FolderRight::Read],
        ..ObjectPermission::default()
    });
    let entries = prop::collection::vec(entry, 0..2);
    (object(), 0..10, maybe(), entries).prop_map(|(object, what, folder, own_permissions)| match what {
        0..5 => ObjectChange::Put(object),
        5..8 => ObjectChange::Annex(object.key(), ObjectAnnex { folder, own_permissions, ..ObjectAnnex::default() }),
        _ => ObjectChange::Delete(object.key()),
    })
}

fn tenant(objects: Vec<Object>) -> TenantObjects {
    let mut tenant = infra::conformance::provisioning::objects("acme").tenant;
    tenant.hold_music = "a".to_owned();
    let mut all = TenantObjects::new(tenant);
    objects.into_iter().for_each(|object| tenant_objects::put(&mut all, object));
    all
}

fn indexed(objects: &TenantObjects) -> IndexedTenant {
    let point = HistoryPoint::unstamped(Revision(1));
    let read = VersionedObjects { point, objects: objects.clone(), revisions: HashMap::new() };
    IndexedTenant::of(read)
}

/// Each object once, and none is deleted, or gets an annex, that is not there.
fn batch(objects: &TenantObjects, changes: Vec<ObjectChange>) -> Vec<ObjectChange> {
    let present: HashSet<ObjectKey> = objects.objects().map(|object| object.key()).collect();
    let (mut once, mut annexes) = (BTreeMap::new(), BTreeMap::new());
    for change in changes {
        match &change {
            ObjectChange::Put(object) => drop(once.insert(object.key(), change)),
            ObjectChange::Annex(key, _) => drop(annexes.insert(key.clone(), change)),
            ObjectChange::Delete(key) if present.contains(key) => drop(once.insert(key.clone(), change)),
            ObjectChange::Delete(_) => {}
        }
    }
    annexes.retain(|key, _| match once.get(key) {
        Some(change) => matches!(change, ObjectChange::Put(_)),
        None => present.contains(key),
    });
    once.into_values().chain(annexes.into_values()).collect()
}

fn carry_out(tenant: &mut TenantObjects, change: &ObjectChange) {
    match change {
        ObjectChange::Put(object) => tenant_objects::put(tenant, object.clone()),
        ObjectChange::Annex(key, annex) => tenant.put_annex(key.clone(), annex.clone()),
        ObjectChange::Delete(key) => tenant_objects::remove(tenant, key),
    }
}

/// What the rules say of the whole tenant.
fn broken_in_whole(held: &TenantObjects, changes: &[ObjectChange], put: &HashSet<ObjectKey>) -> Vec<ObjectFault> {
    let mut after = held.clone();
    for change in changes {
        carry_out(&mut after, change);
    }
    let before: HashSet<ObjectFault> = object_faults(held, |_| false).into_iter().collect();
    let mut faults = object_faults(&after, |key| put.contains(key));
    faults.retain(|fault| put.contains(&fault.key) || !before.contains(fault));
    faults
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_part_is_judged_as_the_whole(
        objects in prop::collection::vec(object(), 0..24),
        changes in prop::collection::vec(change(), 1..5),
    ) {
        let held = tenant(objects);
        let changes = batch(&held, changes);
        let puts = changes.iter().filter(|change| !matches!(change, ObjectChange::Delete(_)));
        let put: HashSet<ObjectKey> = puts.map(ObjectChange::key).collect();
        let of_part = broken(&indexed(&held), &changes, &put, usize::MAX);
        prop_assert_eq!(of_part, broken_in_whole(&held, &changes, &put));
    }

    #[test]
    fn a_tenant_that_is_kept_up_to_date_is_judged_as_one_that_is_read(
        objects in prop::collection::vec(object(), 0..16),
        steps in prop::collection::vec(change(), 0..12),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let mut held = tenant(objects);
        let mut kept = indexed(&held);
        for step in batch(&held, steps) {
            carry_out(&mut held, &step);
            // As a store tells it: the object as it is now, with what it has besides.
            let key = step.key();
            let annexes = held.annexes.get(&key).map(|annex| (key.clone(), annex.clone())).into_iter().collect();
            let now = held.objects().find(|object| object.key() == key);
            let told = now.map_or(ToldChange::Delete(key), ToldChange::Put);
            kept.apply(vec![(told, Revision(2))], annexes, HistoryPoint::unstamped(Revision(2)));
        }
        let changes = batch(&held, changes);
        let none = HashSet::new();
        prop_assert_eq!(broken(&kept, &changes, &none, usize::MAX), broken_in_whole(&held, &changes, &none));
    }

    #[test]
    fn who_refers_is_who_would_be_broken(objects in prop::collection::vec(object(), 1..24)) {
        let held = tenant(objects);
        let kept = indexed(&held);
        for object in held.objects().filter(|object| object.key().kind != ObjectKind::Tenant) {
            let key = object.key();
            let whole = broken_in_whole(&held, &[ObjectChange::Delete(key.clone())], &HashSet::new());
            let expected: BTreeSet<(ObjectKey, String)> =
                whole.into_iter().filter(|fault| fault.key != key).map(|fault| (fault.key, fault.field)).collect();
            let found = uses(&kept, &key, usize::MAX).into_iter().map(|one| (one.key, one.field));
            prop_assert_eq!(found.collect::<BTreeSet<_>>(), expected);
        }
    }
}
