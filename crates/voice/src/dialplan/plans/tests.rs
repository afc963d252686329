use contracts::configuration::{Changes, Listed};
use contracts::provisioning::{Schedule, Secret, Switch, SwitchAccessCode, Trunk};
use proptest::prelude::*;

use super::*;

fn tenant(no_answer_s: u32) -> Object {
    let tenant = serde_json::json!({
        "id": "acme", "name": "Acme", "realm": "acme.example", "codecs": [], "hold_music": "m",
        "no_answer_s": no_answer_s, "wrap_up_s": 0, "national_prefix": no_answer_s.to_string()
    });
    Object::Tenant(Box::new(serde_json::from_value(tenant).unwrap()))
}

fn dn(number: &str, form: u8) -> Object {
    let kind = match form {
        0 => DnKind::Echo,
        1 => DnKind::Announcement { prompts: vec![number.to_owned()] },
        2 => DnKind::VirtualQueue,
        3 => DnKind::RoutePoint {
            application: "sales".to_owned(),
            default_dn: None,
            service_level_s: 20,
            short_abandon_s: 5,
            wrap_up_s: None,
        },
        other => DnKind::Extension {
            password: Secret::default(),
            no_answer_s: (other > 4).then_some(9),
            call_waiting: true,
            outgoing_max: None,
            direct_media: false,
            encryption: contracts::provisioning::Encryption::Off,
            location: None,
        },
    };
    let switch = (form % 2 == 1).then(|| form.to_string());
    Object::Dn(DnObject { number: number.to_owned(), switch, kind })
}

/// An object of the kind; numbers and DNs share their names.
fn object(kind: ObjectKind, name: u8, form: u8) -> Object {
    let id = name.to_string();
    match kind {
        ObjectKind::Dn => dn(&id, form),
        ObjectKind::Number => Object::Number(Number {
            number: id,
            name: "sales".to_owned(),
            dn: form.to_string(),
            schedule: Some((form % 2).to_string()),
            closed_dn: Some("9".to_owned()),
        }),
        ObjectKind::FeatureCode => {
            Object::FeatureCode(FeatureCodeObject { code: id, action: FeatureAction::Login, ask_pin: form > 2 })
        }
        ObjectKind::Trunk => {
            let (prefix, priority) = (Some("+".to_owned()), Some(form.into()));
            let contact = Some("192.0.2.9:5060".to_owned());
            Object::Trunk(Box::new(Trunk { name: id, contact, prefix, priority, ..Trunk::default() }))
        }
        ObjectKind::Schedule => {
            let open = vec![format!("Mon 08:00-{:02}:00", 10 + form)];
            Object::Schedule(Schedule { name: id, time_zone: None, open, exceptions: Vec::new() })
        }
        ObjectKind::Switch => {
            let to = SwitchAccessCode { switch: form.to_string(), code: "9".to_owned() };
            Object::Switch(Switch { name: id, default: form > 3, access_codes: vec![to] })
        }
        _ => {
            let action = match form {
                0 => DialAction::Route { trunk: "1".to_owned(), cost: 1, schedule: Some("1".to_owned()) },
                _ => DialAction::Block { reason: form.to_string() },
            };
            Object::DialRule(DialRule { name: id, place: form.into(), pattern: "0.".to_owned(), action })
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(ObjectKind, u8, u8),
    Gone(ObjectKind, u8),
    Tenant(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let kind = || {
        let few = prop_oneof![
            Just(ObjectKind::FeatureCode),
            Just(ObjectKind::Trunk),
            Just(ObjectKind::Schedule),
            Just(ObjectKind::DialRule),
            Just(ObjectKind::Switch)
        ];
        prop_oneof![4 => Just(ObjectKind::Dn), 4 => Just(ObjectKind::Number), 3 => few]
    };
    prop_oneof![
        8 => (kind(), 0_u8..6, 0_u8..6).prop_map(|(kind, name, form)| Step::Put(kind, name, form)),
        5 => (kind(), 0_u8..6).prop_map(|(kind, name)| Step::Gone(kind, name)),
        1 => (10_u32..13).prop_map(Step::Tenant),
    ]
}

/// What config tells of the steps, one after the other.
fn told(revision: usize, steps: &[Step]) -> Changes {
    let (mut objects, mut gone) = (HashMap::new(), HashMap::new());
    for step in steps {
        let (kind, id, object) = match *step {
            Step::Put(kind, name, form) => (kind, name.to_string(), Some(object(kind, name, form))),
            Step::Gone(kind, name) => (kind, name.to_string(), None),
            Step::Tenant(no_answer_s) => (ObjectKind::Tenant, String::new(), Some(tenant(no_answer_s))),
        };
        let json = object.as_ref().map(|object| serde_json::from_slice(&object.to_json()).unwrap());
        let (put, other) = if json.is_some() { (&mut objects, &mut gone) } else { (&mut gone, &mut objects) };
        other.remove(&(kind, id.clone()));
        put.insert((kind, id.clone()), Listed { kind, id, object: json.unwrap_or_default() });
    }
    let (objects, gone) = (objects.into_values().collect(), gone.into_values().collect());
    Changes { version: format!("1-{revision}"), whole: false, objects, gone, next: None }
}

proptest! {
    #[test]
    fn a_plan_that_follows_changes_is_the_one_built_afresh(
        history in prop::collection::vec(prop::collection::vec(step(), 1..4), 1..30),
    ) {
        let mut config = Arc::new(TenantConfig::default());
        let mut built = BuiltPlan::after(None, &config);
        for (revision, steps) in history.iter().enumerate() {
            let now = TenantConfig::after(Some(&config), told(revision, steps));
            built = BuiltPlan::after(Some((&config, &built)), &now);
            let afresh = BuiltPlan::after(None, &now);
            prop_assert_eq!(&built.plan, &afresh.plan);
            prop_assert_eq!(&built.assigned, &afresh.assigned);
            config = now;
        }
    }
}

#[test]
fn the_change_of_a_service_is_that_of_the_numbers_assigned_to_it() {
    let history = [
        vec![Step::Tenant(15), Step::Put(ObjectKind::Dn, 1, 0), Step::Put(ObjectKind::Number, 7, 1)],
        vec![Step::Put(ObjectKind::Dn, 1, 1)],
        vec![Step::Put(ObjectKind::Dn, 1, 4)],
    ];
    let mut config = Arc::new(TenantConfig::default());
    let mut built = BuiltPlan::default();
    let mut targets = Vec::new();
    for (revision, steps) in history.iter().enumerate() {
        let now = TenantConfig::after(Some(&config), told(revision, steps));
        built = BuiltPlan::after(Some((&config, &built)), &now);
        targets.push(built.plan.numbers.get("7").cloned().unwrap());
        config = now;
    }
    let announcement = Service::Announcement { prompts: vec!["1".to_owned()] };
    let dn = NumberTarget::Dn(Dn::parse("1").unwrap());
    assert_eq!(targets, [NumberTarget::Service(Service::Echo), NumberTarget::Service(announcement), dn]);
}
