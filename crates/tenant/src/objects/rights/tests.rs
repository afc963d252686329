mod addresses;
mod handed_out;
mod last_administrator;
mod login_codes;
mod members;
mod own_entries;
mod propagating;

use std::collections::BTreeSet;

use contracts::provisioning::{Agent, ObjectKey, PlaceGroup, Skill, TenantObjects};
use infra::{HistoryPoint, Revision, VersionedObjects};
use proptest::prelude::*;

use super::*;
use crate::objects::{ChangeRefusal, EditAction, ObjectEdit};

fn example() -> TenantObjects {
    let text = include_str!("../../../../../data/example-tenant.yaml");
    let mut objects = crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example");
    objects.people.clear();
    (objects.access_groups, objects.roles, objects.folders) = (Vec::new(), Vec::new(), Vec::new());
    objects.annexes.clear();
    objects
}

fn indexed(objects: &TenantObjects) -> IndexedTenant {
    let point = HistoryPoint::unstamped(Revision(1));
    IndexedTenant::of(VersionedObjects { point, objects: objects.clone(), revisions: HashMap::new() })
}

fn person(user: &str, privileges: &[Privilege]) -> Person {
    Person {
        user_name: user.to_owned(),
        first_name: user.to_owned(),
        last_name: user.to_owned(),
        privileges: privileges.to_vec(),
        ..Person::default()
    }
}

fn entry(group: &str, rights: &[FolderRight]) -> FolderPermission {
    FolderPermission {
        group: Some(group.to_owned()),
        rights: rights.to_vec(),
        propagate: true,
        ..FolderPermission::default()
    }
}

fn folder(path: &str, permissions: Vec<FolderPermission>) -> Folder {
    Folder { path: path.to_owned(), description: None, permissions }
}

/// Ann looks after Berlin, Root after everything, Sue reads; Bob of Berlin and Hal of Hamburg are agents.
fn cities() -> TenantObjects {
    let mut all = example();
    let folder_admin = [Privilege::FolderAdministrator];
    all.people = vec![
        person("ann", &folder_admin),
        person("root", &[Privilege::Administrator]),
        person("sue", &[Privilege::Supervisor]),
        person("bob", &[Privilege::Agent]),
        person("hal", &[Privilege::Agent]),
        person("lea", &[Privilege::Administrator]),
    ];
    let ann = vec!["ann".to_owned()];
    all.access_groups = vec![AccessGroup { name: "Berlin".to_owned(), people: ann, groups: Vec::new() }];
    all.folders = vec![
        folder("Berlin", vec![entry("Berlin", &[FolderRight::Read, FolderRight::Change, FolderRight::Create])]),
        folder("Hamburg", vec![entry("Administrators", &[FolderRight::Read])]),
    ];
    let of = |user: &str| ObjectKey { kind: ObjectKind::Person, id: user.to_owned() };
    for (user, folder) in [("bob", "Berlin/Sales"), ("hal", "Hamburg"), ("lea", "Berlin")] {
        all.folders.extend((folder == "Berlin/Sales").then(|| self::folder(folder, Vec::new())));
        all.annexes.insert(of(user), ObjectAnnex { folder: Some(folder.to_owned()), ..ObjectAnnex::default() });
    }
    all
}

fn sees(held: &IndexedTenant, user: &str) -> Vec<String> {
    let rights = CallerRights::of(held, user);
    let people = held.behind(ObjectKind::Person, None, "").filter(|found| rights.may_see(*found));
    people.map(|found| found.object.key().id).collect()
}

#[test]
fn each_sees_what_folders_say_and_administrators_everything() {
    let held = indexed(&cities());
    assert_eq!(sees(&held, "ann"), ["bob", "lea"]);
    assert_eq!(sees(&held, "root"), ["ann", "bob", "hal", "lea", "root", "sue"]);
    // Folders with entries are for those whom they name, and the rest is as scopes say.
    assert_eq!(sees(&held, "sue"), ["ann", "root", "sue"]);
    assert_eq!(sees(&held, "nobody"), [""; 0]);
    let alone = CallerRights::of(&indexed(&example()), "nobody");
    assert!(alone.sees_everything() && alone.reads_whole_tenant(), "without folders scopes say what is read");
    assert!(!alone.is_of_whole_tenant(), "and administrators alone change");
}

#[test]
fn who_is_no_administrator_changes_by_folders_alone_and_nobody_their_own_privileges() {
    let mut all = cities();
    all.folders.push(folder("/", vec![entry("Berlin", &FolderRight::ALL)]));
    let held = indexed(&all);
    let own = |privileges: &str| merge(&format!(r#"{{"privileges":[{privileges}]}}"#), "privileges");
    // Without the privilege ann would not be limited by folders: she neither lays it down nor removes herself.
    let laid_down = denied(plan(&held, "ann", ObjectKind::Person, "ann", own("")));
    assert_eq!((laid_down.0.as_str(), laid_down.1.contains("own privileges")), ("privileges", true));
    assert!(denied(plan(&held, "ann", ObjectKind::Person, "ann", EditAction::Delete)).1.contains("own"));
    let renamed = merge(r#"{"last_name":"New"}"#, "last_name");
    assert!(plan(&held, "ann", ObjectKind::Person, "ann", renamed).is_ok());
    // A token outlives privileges: what she had counts no more.
    let mut all = cities();
    all.people[0].privileges.clear();
    let (held, without) = (indexed(&all), indexed(&TenantObjects { folders: Vec::new(), ..all.clone() }));
    for held in [&held, &without] {
        let admin = own(r#""administrator""#);
        let refused = denied(plan(held, "ann", ObjectKind::Person, "ann", admin));
        assert_eq!(refused.1, "it needs the right change in folder /");
    }
    let alone = indexed(&TenantObjects { folders: Vec::new(), ..cities() });
    assert!(plan(&alone, "root", ObjectKind::Person, "root", own("")).is_ok(), "lea is one, too");
}

#[test]
fn no_access_wins_over_every_right_and_limits_administrators() {
    let mut all = cities();
    let shut = FolderPermission { person: Some("ann".to_owned()), no_access: true, ..entry("", &[]) };
    all.folders.push(folder("Berlin/Board", vec![FolderPermission { group: None, ..shut }]));
    let everybody = FolderPermission { no_access: true, ..entry("Administrators", &[]) };
    all.folders.push(folder("Safe", vec![everybody]));
    let held = indexed(&all);
    let rights = |user: &str, path: &str| CallerRights::of(&held, user).in_folder(path);
    let is_unlimited = |all: &TenantObjects, user: &str| CallerRights::of(&indexed(all), user).is_unlimited();
    assert!(is_unlimited(&cities(), "root") && !is_unlimited(&cities(), "ann") && !is_unlimited(&cities(), "sue"));
    assert!(!is_unlimited(&all, "root"), "the safe is shut");
    assert!(!is_unlimited(&example(), "nobody"), "a scope is no privilege");
    assert_eq!(rights("ann", "Berlin/Board/Desk"), RightSet::NONE);
    assert!(rights("ann", "Berlin/Sales").contains(FolderRight::Change));
    assert_eq!((rights("root", "Safe"), rights("root", "Berlin/Board")), (RightSet::NONE, RightSet::ALL));
}

fn plan(
    held: &IndexedTenant,
    user: &str,
    kind: ObjectKind,
    id: &str,
    action: EditAction,
) -> Result<usize, ChangeRefusal> {
    let edit = ObjectEdit { key: ObjectKey { kind, id: id.to_owned() }, expected: None, action };
    let rights = CallerRights::of(held, user);
    crate::objects::plan::plan(held, &[edit], Some(&rights)).map(|changes| changes.len())
}

fn merge(document: &str, field: &str) -> EditAction {
    EditAction::Merge { document: document.to_owned(), fields: vec![field.to_owned()] }
}

/// Whether a change was refused for a right, and the field and words of the refusal.
fn denied(outcome: Result<usize, ChangeRefusal>) -> (String, String) {
    match outcome {
        Err(ChangeRefusal::NotPermitted(faults)) => (faults[0].field.clone(), faults[0].rule.words.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_seen_is_not_there_and_what_is_seen_may_be_refused() {
    let held = indexed(&cities());
    let renamed = || merge(r#"{"first_name":"New"}"#, "first_name");
    assert!(plan(&held, "ann", ObjectKind::Person, "bob", renamed()).is_ok_and(|changes| changes == 1));
    let Err(ChangeRefusal::Faults(missing)) = plan(&held, "ann", ObjectKind::Person, "hal", renamed()) else {
        panic!("it is seen")
    };
    assert_eq!(missing[0].rule.code, contracts::provisioning::FaultCode::NoObject);
    let hal = EditAction::Put(r#"{"user_name":"hal","first_name":"H","last_name":"H"}"#.to_owned());
    assert!(denied(plan(&held, "ann", ObjectKind::Person, "hal", hal)).1.contains("may not see"));
    let delete = denied(plan(&held, "ann", ObjectKind::Person, "bob", EditAction::Delete));
    assert_eq!(delete.1, "it needs the right delete in folder Berlin/Sales");
    let away = denied(plan(&held, "ann", ObjectKind::Person, "bob", merge(r#"{"folder":"Hamburg"}"#, "folder")));
    assert_eq!(away.0, "folder");
    assert!(plan(&held, "root", ObjectKind::Person, "hal", renamed()).is_ok());
}

/// What is said of edits of an object, each at no revision and at one, alone and beside edits that are refused for reasons of their own.
fn said_of(held: &IndexedTenant, id: &str) -> Vec<String> {
    let rights = CallerRights::of(held, "ann");
    let edit = |id: &str, expected: Option<u64>, action: EditAction| ObjectEdit {
        key: ObjectKey { kind: ObjectKind::Person, id: id.to_owned() },
        expected: expected.map(Revision),
        action,
    };
    let renamed = || merge(r#"{"first_name":"New"}"#, "first_name");
    let whole = EditAction::Put(format!(r#"{{"user_name":"{id}","first_name":"N","last_name":"N"}}"#));
    let edits = [
        edit(id, None, renamed()),
        edit(id, Some(0), renamed()),
        edit(id, Some(7), renamed()),
        edit(id, None, EditAction::Delete),
        edit(id, Some(7), EditAction::Delete),
        edit(id, Some(7), whole),
        edit(&id.to_uppercase(), None, renamed()),
    ];
    let beside = [
        None,
        Some(edit("bob", None, renamed())),
        Some(edit("bob", Some(9), renamed())),
        Some(edit("bob", None, EditAction::Delete)),
        Some(edit("bob", None, merge(r#"{"nothing":1}"#, "nothing"))),
    ];
    let batches = edits.iter().flat_map(|edit| beside.iter().map(move |other| (edit, other)));
    let said = batches.map(|(edit, other)| {
        let batch: Vec<ObjectEdit> = std::iter::once(edit).chain(other).cloned().collect();
        let refused = crate::objects::plan::plan(held, &batch, Some(&rights)).map(|changes| changes.len());
        format!("{:?}", refused.unwrap_err()).to_lowercase()
    });
    said.collect()
}

#[test]
fn nothing_that_is_said_of_an_edit_tells_an_unseen_object_from_none() {
    let held = indexed(&cities());
    let unseen: Vec<String> = said_of(&held, "hal").iter().map(|told| told.replace("hal", "nil")).collect();
    assert_eq!(unseen, said_of(&held, "nil"));
}

#[test]
fn new_objects_come_into_folders_that_say_so() {
    let held = indexed(&cities());
    let new =
        |folder: &str| EditAction::Put(format!(r#"{{"user_name":"new","first_name":"N","last_name":"N"{folder}}}"#));
    assert_eq!(plan(&held, "ann", ObjectKind::Person, "new", new(r#","folder":"Berlin""#)).unwrap(), 2);
    let root = denied(plan(&held, "ann", ObjectKind::Person, "new", new("")));
    assert_eq!(root, ("folder".to_owned(), "it needs the right create in folder /".to_owned()));
    let folder = |path: &str, permissions: &str| {
        EditAction::Put(format!(r#"{{"path":"{path}","permissions":[{permissions}]}}"#))
    };
    assert!(plan(&held, "ann", ObjectKind::Folder, "Berlin/Day", folder("Berlin/Day", "")).is_ok());
    let own = r#"{"person":"ann","rights":["delete"]}"#;
    let with_permissions = plan(&held, "ann", ObjectKind::Folder, "Berlin/Day", folder("Berlin/Day", own));
    assert_eq!(denied(with_permissions).0, "permissions");
    let changed = merge(r#"{"permissions":[]}"#, "permissions");
    assert_eq!(denied(plan(&held, "ann", ObjectKind::Folder, "Berlin", changed)).0, "permissions");
}

#[test]
fn nobody_gets_more_by_an_edit_than_they_have() {
    let mut all = cities();
    all.roles = vec![PrivilegeRole {
        name: "Boss".to_owned(),
        people: vec!["bob".to_owned()],
        privileges: vec![Privilege::Administrator],
        ..PrivilegeRole::default()
    }];
    let everywhere: Vec<FolderRight> = FolderRight::ALL.to_vec();
    all.folders.push(folder("/", vec![entry("Berlin", &everywhere)]));
    let held = indexed(&all);
    let admin = merge(r#"{"privileges":["administrator"]}"#, "privileges");
    assert_eq!(denied(plan(&held, "ann", ObjectKind::Person, "hal", admin)).0, "privileges");
    let password = || merge(r#"{"password":"slow brown teapot"}"#, "password");
    assert!(plan(&held, "ann", ObjectKind::Person, "hal", password()).is_ok());
    for administrator in ["lea", "bob"] {
        assert_eq!(denied(plan(&held, "ann", ObjectKind::Person, administrator, password())).0, "privileges");
    }
    let group = merge(r#"{"people":["ann","hal"]}"#, "people");
    assert!(denied(plan(&held, "ann", ObjectKind::AccessGroup, "Berlin", group)).1.contains("whole tenant"));
    let client = EditAction::Put(r#"{"id":"c","name":"C"}"#.to_owned());
    assert!(denied(plan(&held, "ann", ObjectKind::Client, "c", client)).1.contains("whole tenant"));
}

#[test]
fn who_has_more_than_an_agent_is_taken_over_by_no_folder_administrator() {
    let mut all = cities();
    all.folders.push(folder("/", vec![entry("Berlin", &FolderRight::ALL)]));
    all.people.push(person("amy", &[Privilege::FolderAdministrator]));
    all.people.push(person("gus", &[Privilege::Agent]));
    all.people.push(person("may", &[]));
    all.access_groups.push(AccessGroup {
        name: "Other".to_owned(),
        people: vec!["gus".to_owned()],
        groups: Vec::new(),
    });
    let of_may = FolderPermission { person: Some("may".to_owned()), group: None, ..entry("", &[FolderRight::Read]) };
    all.folders.push(folder("Bonn", vec![of_may]));
    let held = indexed(&all);
    let password = || merge(r#"{"password":"slow brown teapot"}"#, "password");
    let email = || merge(r#"{"email":"a@example.com"}"#, "email");
    for user in ["amy", "gus", "may"] {
        assert_eq!(denied(plan(&held, "ann", ObjectKind::Person, user, password())).0, "password", "{user}");
        assert_eq!(denied(plan(&held, "ann", ObjectKind::Person, user, email())).0, "email", "{user}");
        let renamed = merge(r#"{"last_name":"New"}"#, "last_name");
        assert!(plan(&held, "ann", ObjectKind::Person, user, renamed).is_ok(), "{user}");
        assert!(plan(&held, "root", ObjectKind::Person, user, password()).is_ok(), "{user}");
    }
    assert!(plan(&held, "ann", ObjectKind::Person, "hal", email()).is_ok(), "an agent");
}

#[test]
fn what_comes_with_a_privilege_may_be_handed_out_too() {
    let mut all = cities();
    all.folders.push(folder("/", vec![entry("Berlin", &FolderRight::ALL)]));
    all.people[0].privileges.push(Privilege::Supervisor);
    let held = indexed(&all);
    let gives = |names: &str| {
        let document = format!(r#"{{"privileges":["agent",{names}]}}"#);
        plan(&held, "ann", ObjectKind::Person, "hal", merge(&document, "privileges"))
    };
    assert!(gives(r#""view_dashboard""#).is_ok());
    for beyond in [r#""manage_users""#, r#""view_dashboard_restricted""#] {
        assert_eq!(denied(gives(beyond)).0, "privileges", "{beyond}");
    }
}

#[test]
fn where_calls_go_is_of_the_whole_tenant() {
    let mut all = cities();
    all.folders.push(folder("/", vec![entry("Berlin", &FolderRight::ALL)]));
    let held = indexed(&all);
    let rights = CallerRights::of(&held, "ann");
    for kind in [ObjectKind::Trunk, ObjectKind::Number, ObjectKind::FeatureCode] {
        let found = held.behind(kind, None, "").next().expect("the example has one");
        assert!(rights.may_see(found), "{kind:?}");
        let id = found.object.key().id;
        let words = denied(plan(&held, "ann", kind, &id, EditAction::Delete)).1;
        assert!(words.contains("whole tenant"), "{kind:?}: {words}");
    }
}

#[test]
fn permissions_do_not_go_with_their_folder_nor_come_between_two() {
    let mut all = cities();
    let shut = vec![entry("Other", &[FolderRight::Read])];
    let all_but_permissions = [FolderRight::Read, FolderRight::Create, FolderRight::Change, FolderRight::Delete];
    let here = |rights: &[FolderRight]| FolderPermission { propagate: false, ..entry("Berlin", rights) };
    all.folders = vec![
        folder("Bonn", vec![entry("Berlin", &all_but_permissions)]),
        folder("Bonn/Open", Vec::new()),
        folder("Bonn/Shut", shut),
        folder("Ulm", vec![here(&FolderRight::ALL)]),
        folder("Ulm/Day/Desk", Vec::new()),
    ];
    all.annexes.clear();
    let held = indexed(&all);
    let delete = |path: &str| plan(&held, "ann", ObjectKind::Folder, path, EditAction::Delete);
    assert_eq!(delete("Bonn/Open").unwrap(), 1);
    let refused = denied(delete("Bonn/Shut"));
    assert_eq!(
        (refused.0.as_str(), refused.1.as_str()),
        ("permissions", "it needs the right permissions in folder Bonn/Shut")
    );
    let between =
        EditAction::Put(r#"{"path":"Ulm/Day","permissions":[{"person":"ann","rights":["read"]}]}"#.to_owned());
    let refused = denied(plan(&held, "ann", ObjectKind::Folder, "Ulm/Day", between));
    assert_eq!(refused.1, "it needs the right permissions in folder Ulm/Day");
}

#[test]
fn administrators_take_away_entries_that_shut_them_out() {
    let mut all = cities();
    all.folders = vec![folder("/", vec![FolderPermission { no_access: true, ..entry("Everyone", &[]) }])];
    all.annexes.clear();
    let held = indexed(&all);
    assert_eq!(sees(&held, "root"), [""; 0]);
    let root = held.found(&ObjectKey { kind: ObjectKind::Folder, id: "/".to_owned() }).expect("it is there");
    assert!(CallerRights::of(&held, "root").may_see(root) && !CallerRights::of(&held, "ann").may_see(root));
    let opened = || merge(r#"{"permissions":[]}"#, "permissions");
    assert_eq!(plan(&held, "root", ObjectKind::Folder, "/", opened()).unwrap(), 1);
    assert!(plan(&held, "ann", ObjectKind::Folder, "/", opened()).is_err());
    let described = merge(r#"{"description":"New"}"#, "description");
    assert!(plan(&held, "root", ObjectKind::Folder, "/", described).is_err(), "that alone");
}

/// The faults of a refused edit.
fn faults(outcome: Result<usize, ChangeRefusal>) -> Vec<crate::objects::ObjectFault> {
    match outcome {
        Err(ChangeRefusal::Faults(faults) | ChangeRefusal::Referred(faults)) => faults,
        other => panic!("{other:?}"),
    }
}

/// Of the places the first is in Hamburg, the second in Berlin and in a group in Hamburg, the third in no folder; `Old` is a group in
/// Berlin.
fn cities_with_places() -> (TenantObjects, [String; 3]) {
    let mut all = cities();
    all.folders[0].permissions = vec![entry("Berlin", &FolderRight::ALL)];
    all.place_groups.clear();
    let [first, second, third] = [0, 1, 2].map(|number: usize| all.places[number].name.clone());
    all.place_groups.push(PlaceGroup { name: "Secret".to_owned(), places: vec![second.clone()] });
    all.place_groups.push(PlaceGroup { name: "Old".to_owned(), places: vec![first.clone()] });
    let place = |name: &String| ObjectKey { kind: ObjectKind::Place, id: name.clone() };
    let group = |name: &str| ObjectKey { kind: ObjectKind::PlaceGroup, id: name.to_owned() };
    let placed = [(place(&first), "Hamburg"), (place(&second), "Berlin"), (group("Secret"), "Hamburg")];
    for (key, folder) in placed.into_iter().chain([(group("Old"), "Berlin")]) {
        all.annexes.insert(key, ObjectAnnex { folder: Some(folder.to_owned()), ..ObjectAnnex::default() });
    }
    (all, [first, second, third])
}

#[test]
fn a_reference_to_what_is_hidden_is_one_to_nothing() {
    let (all, [hidden, seen, of_no_folder]) = cities_with_places();
    let held = indexed(&all);
    let group = |name: &str, place: &str| {
        let document = format!(r#"{{"name":"{name}","places":["{place}"],"folder":"Berlin"}}"#);
        EditAction::Put(document)
    };
    let new = |user: &str, place: &str| plan(&held, user, ObjectKind::PlaceGroup, "New", group("New", place));
    for place in [&seen, &of_no_folder] {
        assert!(new("ann", place).is_ok(), "{place}");
    }
    assert!(new("root", &hidden).is_ok());
    let (of_hidden, of_nothing) = (faults(new("ann", &hidden)), faults(new("ann", "nowhere")));
    assert_eq!((of_hidden.len(), of_nothing.len()), (1, 1));
    assert_eq!(of_hidden[0].rule.words.replace(&hidden, "nowhere"), of_nothing[0].rule.words);
    assert_eq!((of_hidden[0].rule.code, &of_hidden[0].key), (of_nothing[0].rule.code, &of_nothing[0].key));
    assert_eq!(of_hidden[0].field.replace(&hidden, "nowhere"), of_nothing[0].field);
    // What refers to it already may go on to.
    let old = format!(r#"{{"name":"Old","places":["{hidden}","{seen}"],"folder":"Berlin"}}"#);
    assert!(plan(&held, "ann", ObjectKind::PlaceGroup, "Old", EditAction::Put(old)).is_ok());
}

#[test]
fn refusals_name_nothing_that_is_hidden() {
    let (mut all, [_, seen, _]) = cities_with_places();
    for (user, id) in [("bob", "76"), ("hal", "77")] {
        let agent = Agent {
            id: id.to_owned(),
            login_code: id.to_owned(),
            pin: None,
            default_place: None,
            wrap_up_s: None,
            legal_guard_s: None,
            no_answer_action: None,
            skills: Vec::new(),
            capacity_rule: None,
        };
        let person = all.people.iter_mut().find(|person| person.user_name == user);
        person.expect("it is there").agent = Some(agent);
    }
    let held = indexed(&all);
    let delete = |user: &str| faults(plan(&held, user, ObjectKind::Place, &seen, EditAction::Delete));
    let referred = delete("ann");
    assert_eq!((referred.len(), &referred[0].key.id), (1, &seen));
    assert!(!format!("{referred:?}").contains("Secret") && format!("{:?}", delete("root")).contains("Secret"));
    let taken = |user: &str| {
        let taken = merge(r#"{"agent":{"id":"77"}}"#, "agent.id");
        faults(plan(&held, user, ObjectKind::Person, "bob", taken))
    };
    let told = taken("ann");
    assert_eq!((told.len(), told[0].key.id.as_str(), told[0].field.as_str()), (1, "bob", "agent.id"));
    assert_eq!(told[0].rule.words, "another object has 77 already");
    assert!(format!("{:?}", taken("root")).contains("hal"));
}

// === effective rights and a naive reference ===

const PATHS: [&str; 7] = ["/", "a", "a/b", "a/b/c", "a/d", "e", "e/b"];
const GROUPS: [&str; 3] = ["g", "h", "i"];

fn rights() -> impl Strategy<Value = Vec<FolderRight>> {
    prop::sample::subsequence(FolderRight::ALL.to_vec(), 0..=FolderRight::ALL.len())
}

fn permission() -> impl Strategy<Value = FolderPermission> {
    let group = prop::option::weighted(0.8, prop::sample::select(vec!["g", "h", "i", "Everyone", "Administrators"]));
    (group, rights(), prop::bool::weighted(0.15), any::<bool>()).prop_map(|(group, rights, no_access, propagate)| {
        let person = group.is_none().then(|| "me".to_owned());
        FolderPermission { group: group.map(str::to_owned), person, rights, no_access, propagate }
    })
}

fn groups() -> impl Strategy<Value = Vec<AccessGroup>> {
    let group = (any::<bool>(), prop::sample::subsequence(GROUPS.to_vec(), 0..=2));
    prop::collection::vec(group, GROUPS.len()).prop_map(|groups| {
        let one = |(name, (is_mine, within)): (&str, (bool, Vec<&str>))| AccessGroup {
            name: name.to_owned(),
            people: is_mine.then(|| "me".to_owned()).into_iter().collect(),
            groups: within.into_iter().map(str::to_owned).collect(),
        };
        GROUPS.into_iter().zip(groups).map(one).collect()
    })
}

/// By the words of the page of permissions, without any shortcut: for an object in a folder that has these entries itself.
fn naive(all: &TenantObjects, path: &str, own: &[ObjectPermission]) -> BTreeSet<FolderRight> {
    let me = &all.people[0];
    let is_admin = me.privileges.contains(&Privilege::Administrator);
    let mut mine: BTreeSet<String> = BTreeSet::from(["Everyone".to_owned()]);
    mine.extend(is_admin.then(|| "Administrators".to_owned()));
    for _ in 0..=GROUPS.len() {
        for group in &all.access_groups {
            if group.people.contains(&me.user_name) || group.groups.iter().any(|member| mine.contains(member)) {
                mine.insert(group.name.clone());
            }
        }
    }
    let is_around = |folder: &str| folder == "/" || path.starts_with(&format!("{folder}/"));
    let own: Vec<FolderPermission> = own.iter().map(of_object).collect();
    let of_folders: Vec<&FolderPermission> = all
        .folders
        .iter()
        .flat_map(|folder| folder.permissions.iter().map(move |entry| (folder.path.as_str(), entry)))
        .filter(|(folder, entry)| *folder == path || (entry.propagate && path != "/" && is_around(folder)))
        .map(|(_, entry)| entry)
        .collect();
    let entries: Vec<&FolderPermission> = of_folders.iter().copied().chain(&own).collect();
    let is_mine = |entry: &&&FolderPermission| {
        entry.person.as_ref() == Some(&me.user_name) || entry.group.as_ref().is_some_and(|group| mine.contains(group))
    };
    let of_me: Vec<&FolderPermission> = entries.iter().filter(is_mine).copied().collect();
    let everything: BTreeSet<FolderRight> = FolderRight::ALL.into_iter().collect();
    if of_me.iter().any(|entry| entry.no_access) {
        let is_by_folder = of_folders.iter().filter(is_mine).any(|entry| entry.no_access);
        let is_kept = is_admin && !is_by_folder;
        return BTreeSet::from_iter([FolderRight::Read, FolderRight::Permissions].into_iter().filter(|_| is_kept));
    }
    if is_admin {
        return everything;
    }
    match (entries.is_empty(), me.privileges.as_slice()) {
        (false, _) => of_me.iter().flat_map(|entry| entry.rights.iter().copied()).collect(),
        (true, [Privilege::FolderAdministrator]) => BTreeSet::new(),
        (true, _) => BTreeSet::from([FolderRight::Read]),
    }
}

/// The entry of an object, as if it were one of its folder alone.
fn of_object(entry: &ObjectPermission) -> FolderPermission {
    let ObjectPermission { group, person, rights, no_access } = entry.clone();
    FolderPermission { group, person, rights, no_access, propagate: false }
}

fn own_permission() -> impl Strategy<Value = ObjectPermission> {
    permission().prop_map(|FolderPermission { group, person, rights, no_access, propagate: _ }| ObjectPermission {
        group,
        person,
        rights,
        no_access,
    })
}

proptest! {
    #[test]
    fn effective_rights_are_those_of_a_naive_reference(
        folders in prop::collection::btree_map(prop::sample::select(PATHS.to_vec()), prop::collection::vec(permission(), 0..3), 0..6),
        groups in groups(),
        own in prop::collection::vec(own_permission(), 0..3),
        privileges in prop::sample::select(vec![
            vec![Privilege::Administrator],
            vec![Privilege::FolderAdministrator],
            vec![Privilege::FolderAdministrator, Privilege::Designer],
            vec![Privilege::Supervisor],
        ]),
    ) {
        let mut all = example();
        all.people = vec![person("me", &privileges)];
        all.access_groups = groups;
        all.folders = folders.into_iter().map(|(path, permissions)| folder(path, permissions)).collect();
        let paths: Vec<&str> = PATHS.into_iter().chain(["a/b/c/d", "f"]).collect();
        let skill = |path: &str| ObjectKey { kind: ObjectKind::Skill, id: format!("in {path}") };
        for &path in &paths {
            let annex = ObjectAnnex { folder: Some(path.to_owned()), own_permissions: own.clone(), ..ObjectAnnex::default() };
            all.skills.push(Skill { name: skill(path).id });
            all.annexes.insert(skill(path), annex);
        }
        let held = indexed(&all);
        let rights = CallerRights::of(&held, "me");
        for path in paths {
            let expected = naive(&all, path, &[]);
            let found: BTreeSet<FolderRight> =
                FolderRight::ALL.into_iter().filter(|right| rights.in_folder(path).contains(*right)).collect();
            prop_assert_eq!(&found, &expected, "{}", path);
            let expected = naive(&all, path, &own);
            let object = held.found(&skill(path)).expect("it is there");
            let found: BTreeSet<FolderRight> =
                FolderRight::ALL.into_iter().filter(|right| rights.may(*right, object)).collect();
            prop_assert_eq!(&found, &expected, "an object in {}", path);
            let annex = held.annex(&skill(path));
            prop_assert_eq!(rights.may_see_in(path, annex), expected.contains(&FolderRight::Read), "{}", path);
        }
    }
}
