use contracts::provisioning::{ObjectKey, ObjectKind, TenantObjects};

use crate::file::{Faults, read, write};

const HEAD: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\n";
/// An entry of each kind, in a folder and with properties.
const EVERY_KIND: &str = r#"
user_properties: {Own: {a: "1"}}
skills: [Plain, {name: Sales, folder: Berlin, own_permissions: [{person: ann, rights: [read, permissions]}]}]
prompts: {m: m.wav, n: {file: n.wav, folder: Berlin, user_properties: {s: {"k.e y": "v: \"w\""}}}}
applications: {main: {file: main.scxml, options: {s: {"k": "v"}, "no": {}}, folder: Berlin/Sales}}
switches: [{name: sw, default: true, folder: Berlin}]
phones: [{number: "1", password: secret, folder: Berlin}]
route_points: [{number: "2", application: main, folder: Berlin}]
services: [{number: "3", type: echo, folder: Berlin}, {number: "4", type: announcement, prompts: [m], folder: Berlin}]
queues: [q, {name: r, folder: Berlin, user_properties: {TServer: {a: "1", b: "2"}}}]
places: [{name: P1, dns: ["1"], own_permissions: [{group: Admins of Berlin, rights: [change]}, {group: Everyone, no_access: true}]}]
people: [{user: ann, first_name: A, last_name: A, folder: Berlin/Sales, user_properties: {TServer: {wrap-up-time: "30"}}}]
agent_logins: [{code: "5001", person: ann, folder: Berlin}]
numbers: [{number: "+4930", name: a, dn: "2", folder: Berlin}]
trunks: [{name: t, allow: [127.0.0.0/8], contact: 203.0.113.9, prefix: "+", folder: Berlin}]
feature_codes: [{code: "*50", action: login, folder: Berlin}]
schedules: [{name: s, open: ["Mon-Fri 08:00-18:00"], folder: Berlin}]
dial_rules: [{name: d, pattern: "0.", action: block, folder: Berlin}]
clients: [{id: c, name: C, grants: [authorization_code], redirect_uris: ["https://c.example/back"], folder: Berlin}]
agent_groups: [{name: g, agents: [ann], folder: Berlin}]
action_codes: [{code: "1", name: Lunch, folder: Berlin}]
lists: [{name: l, folder: Berlin}]
business_attributes: [{name: b, values: [{value: x}], folder: Berlin}]
place_groups: [{name: pg, places: [P1], folder: Berlin}]
dn_groups: [{name: dg, type: single_ports, members: [{dn: "1"}], folder: Berlin}]
trunk_groups: [{name: tg, prefix: "+", members: [{trunk: t}], folder: Berlin}]
calling_lists: [{name: cl, fields: [{name: number, type: phone}], folder: Berlin}]
campaigns: [{name: ca, calling_lists: [{calling_list: cl}], folder: Berlin}]
campaign_groups: [{name: cg, campaign: ca, agent_group: g, mode: preview, folder: Berlin}]
ivr_profiles: [{name: ip, service_type: scxml, application: main, folder: Berlin}]
statistic_definitions: [{name: sd, category: TotalNumber, subject: DNAction, objects: [Agent], main: [CallInbound], folder: Berlin}]
capacity_rules: [{name: cr, media: {voice: 1}, folder: Berlin}]
transactions: [{name: tr, type: macro, folder: Berlin}]
access_groups: [{name: Admins of Berlin, people: [ann], folder: Berlin}]
roles: [{name: Leads, groups: [Admins of Berlin], privileges: [supervisor], folder: Berlin}]
folders:
  - {path: Berlin, user_properties: {x: {y: z}}, permissions: [{group: Admins of Berlin, rights: [read, change]}]}
  - {path: Berlin/Sales}
"#;

fn tenant(text: &str) -> Result<TenantObjects, Faults> {
    read(&format!("{HEAD}{text}"), |_| Ok("<scxml/>".to_owned()))
}

#[test]
fn entries_of_every_kind_come_back_from_an_export_with_their_folders_and_properties() {
    let objects = tenant(EVERY_KIND).expect("a tenant");
    let kinds: std::collections::BTreeSet<ObjectKind> = objects.annexes.keys().map(|key| key.kind).collect();
    assert_eq!(kinds.len(), ObjectKind::ALL.len(), "{kinds:?}");
    let annex = |kind, id: &str| &objects.annexes[&ObjectKey { kind, id: id.to_owned() }];
    let ann = annex(ObjectKind::Person, "ann");
    assert_eq!(ann.folder.as_deref(), Some("Berlin/Sales"));
    assert_eq!(ann.user_properties["TServer"]["wrap-up-time"], "30");
    assert_eq!(annex(ObjectKind::Prompt, "n").user_properties["s"]["k.e y"], "v: \"w\"");
    assert_eq!(annex(ObjectKind::Dn, "r").user_properties["TServer"].len(), 2);
    assert_eq!(annex(ObjectKind::Skill, "Sales").own_permissions[0].person.as_deref(), Some("ann"));
    let of_place = &annex(ObjectKind::Place, "P1").own_permissions;
    assert!(!of_place[0].no_access && of_place[1].no_access && of_place.len() == 2, "{of_place:?}");
    let exported = write(&objects).yaml;
    let again = read(&exported, |_| Ok("<scxml/>".to_owned())).expect("what was exported");
    assert_eq!(again, objects, "{exported}");
}

#[test]
fn entries_of_an_object_name_who_is_there_and_give_what_an_object_has() {
    let text = "prompts: {m: m.wav}\nown_permissions: [{group: Everyone, rights: [read]}]\n\
        skills: [{name: a, own_permissions: [{group: Nobody, rights: [read]}, {person: gone, rights: [create]}, {group: Everyone}]}]\n";
    let Faults(faults) = tenant(text).expect_err("faults");
    let told: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
    for expected in [
        "own_permissions",
        "skills.a.own_permissions[0].group",
        "skills.a.own_permissions[1].person",
        "skills[0].own_permissions[1].rights[0]",
        "skills.a.own_permissions[2].rights",
    ] {
        assert!(told.contains(&expected), "{expected} is not in {told:?}");
    }
}

#[test]
fn a_section_without_a_key_is_none() {
    let objects = tenant("prompts: {m: m.wav}\nskills: [{name: a, user_properties: {Empty: {}}}]\n").expect("a tenant");
    assert!(objects.annexes.is_empty() && objects.skills.len() == 1);
}

#[test]
fn every_fault_of_an_annex_has_the_key_of_its_object() {
    let long = "v".repeat(1_025);
    let many: String = (0..17).map(|number| format!("k{number}: {}, ", "v".repeat(1_024))).collect();
    let text = format!(
        "prompts: {{m: m.wav}}\nfolder: Berlin\nskills: [{{name: a, folder: Nowhere}}, {{name: b, user_properties: {{s: {{k: {long}}}}}}}]\n\
         phones: [{{number: \"1\", password: secret, user_properties: {{s: {{{many}}}}}}}]\n\
         queues: [{{folder: Berlin}}]\nfolders: [{{path: Berlin, folder: Other}}]\n"
    );
    let Faults(faults) = tenant(&text).expect_err("faults");
    let told: Vec<(&str, &str)> = faults.iter().map(|fault| (&*fault.key, &*fault.rule.words)).collect();
    for expected in [
        ("skills.a.folder", "there is no folder Nowhere"),
        ("skills[1].user_properties.s.k", "it has more than 1024 bytes"),
        ("1.user_properties", "all its names, keys and texts have more than 16384 bytes"),
        ("queues[0].name", "it is needed"),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not in {told:?}");
    }
    for without_folder in ["folder", "folders[0].folder"] {
        let of = told.iter().find(|(key, _)| *key == without_folder);
        assert!(of.is_some_and(|(_, words)| words.starts_with("there is no such key")), "{told:?}");
    }
}
