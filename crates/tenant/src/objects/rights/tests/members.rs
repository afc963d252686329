//! Groups and privileges that are found by what refers to a person, against those of a look at everything.

use super::*;

fn roles() -> impl Strategy<Value = Vec<PrivilegeRole>> {
    let names = prop::sample::subsequence(vec!["g", "h", "i", AccessGroup::EVERYONE], 0..=2);
    let privilege = prop::sample::select(Privilege::ALL.to_vec());
    let role = (any::<bool>(), names, privilege).prop_map(|(is_mine, names, privilege)| PrivilegeRole {
        people: is_mine.then(|| "me".to_owned()).into_iter().collect(),
        groups: names.into_iter().map(str::to_owned).collect(),
        privileges: vec![privilege],
        ..PrivilegeRole::default()
    });
    let named = |(number, role): (usize, PrivilegeRole)| PrivilegeRole { name: format!("role {number}"), ..role };
    prop::collection::vec(role, 0..4).prop_map(move |roles| roles.into_iter().enumerate().map(named).collect())
}

proptest! {
    #[test]
    fn what_refers_to_a_person_gives_the_same_as_a_look_at_everything(groups in groups(), roles in roles()) {
        let mut all = example();
        all.people = vec![person("me", &[Privilege::Agent])];
        (all.access_groups, all.roles) = (groups, roles);
        let (held, me) = (indexed(&all), &all.people[0]);
        let groups = groups_of("me", &all.access_groups);
        prop_assert_eq!(&groups_in(&held, "me"), &groups);
        let expected: HashSet<Privilege> = effective_privileges(me, &all.roles, &groups).into_iter().collect();
        let found: HashSet<Privilege> = privileges_of(&held, me).into_iter().collect();
        prop_assert_eq!(found, expected);
    }
}
