//! What goes before objects are written again, many objects by one statement: a round trip for each is most of what a change of many people
//! costs, and the tenant's other writers wait for them all.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use contracts::provisioning::{Object, ObjectKey};
use infra::{ObjectChange, Result};
use model::TenantId;

use super::by_names::NAMES_MAX;
use super::people::REMOVE_VOID_PASSKEYS;
use super::{Field, Statement, Turn};

const REMOVE_PROMPTS: &str = "DELETE FROM dn_prompt WHERE tenant = ? AND number = ?";
const REMOVE_DNS: &str = "DELETE FROM place_dn WHERE tenant = ? AND name = ?";
const REMOVE_SKILLS: &str = "DELETE FROM person_skill WHERE tenant = ? AND user_name = ?";
/// What no two people have: they may exchange theirs in one update.
const RELEASE_AGENTS: &str = "UPDATE person SET agent_id = NULL, login_code = NULL WHERE tenant = ? AND user_name = ?";

/// Removes what stands in the way of the objects that changes put in the place of others: rows of lists, and unique values. Returns the
/// folded names of those of which the rest can be inserted as if they were new, together with others: what the changes name twice, in
/// whatever spelling, is written one after the other.
pub(super) async fn before_puts(
    db: &mut dyn Turn,
    tenant: &TenantId,
    changes: &[ObjectChange],
    is_new: &(dyn Fn(&ObjectKey) -> bool + Sync),
) -> Result<HashSet<ObjectKey>> {
    let mut named: HashMap<ObjectKey, usize> = HashMap::new();
    for change in changes {
        *named.entry(change.key().folded()).or_default() += 1;
    }
    let mut cleared = HashSet::new();
    let (mut dns, mut places, mut people, mut without_factor) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        let ObjectChange::Put(object) = change else { continue };
        let key = object.key();
        if is_new(&key) {
            continue;
        }
        match object {
            Object::Dn(o) => dns.push(o.number.as_str()),
            Object::Place(o) => places.push(o.name.as_str()),
            Object::Person(o) => {
                people.push(o.user_name.as_str());
                if o.second_factor.is_none() {
                    without_factor.push(o.user_name.as_str());
                }
            }
            _ => continue,
        }
        let folded = key.folded();
        if named.get(&folded) == Some(&1) {
            cleared.insert(folded);
        }
    }
    for (one, names) in [
        (REMOVE_PROMPTS, dns),
        (REMOVE_DNS, places),
        (RELEASE_AGENTS, people.clone()),
        // While the rows still say who has a second factor.
        (REMOVE_VOID_PASSKEYS, without_factor),
        (REMOVE_SKILLS, people),
    ] {
        for names in names.chunks(NAMES_MAX) {
            let fields = std::iter::once(tenant.as_str()).chain(names.iter().copied()).map(Field::from).collect();
            db.run(Statement { sql: of_many(one, names.len()), fields }).await?;
        }
    }
    Ok(cleared)
}

/// A statement about one name, which is its last value, as one about so many.
pub(super) fn of_many(one: &'static str, names: usize) -> Cow<'static, str> {
    match one.strip_suffix("= ?") {
        Some(before) if names > 1 => Cow::Owned(format!("{before}IN ({})", vec!["?"; names].join(", "))),
        // The database has prepared it.
        _ => Cow::Borrowed(one),
    }
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::{ObjectKind, Person, Secret};
    use futures::FutureExt as _;
    use infra::conformance::provisioning::{note, objects};
    use infra::{Answer, PasskeyKept, Passkeys as _, ProvisioningStore as _, Revision, StoredPasskey};
    use model::Timestamp;

    use super::*;
    use crate::provisioning::{Row, write};
    use crate::sqlite::SqliteProvisioning;

    /// Counts the round trips.
    #[derive(Default)]
    struct RoundTrips(usize);

    impl Turn for RoundTrips {
        fn run(&mut self, _: Statement) -> Answer<'_, u64> {
            self.0 += 1;
            async { Ok(1) }.boxed()
        }

        fn rows(&mut self, _: Statement) -> Answer<'_, Vec<Row>> {
            self.0 += 1;
            async { Ok(Vec::new()) }.boxed()
        }
    }

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn user_name(number: usize) -> String {
        format!("person{number}")
    }

    /// Agents with the ids of others, so far behind them, and the skills of an agent of the example.
    fn agents(count: usize, behind: usize) -> Vec<Person> {
        let example = objects("acme").people.into_iter().find(|person| person.agent.is_some()).unwrap();
        let agent = |number: usize| {
            let mut person = Person { user_name: user_name(number), ..example.clone() };
            (person.email, person.external_id) = (None, None);
            let agent = person.agent.as_mut().unwrap();
            let of = (number + behind) % count;
            (agent.id, agent.login_code) = (format!("id{of}"), format!("code{of}"));
            person
        };
        (0..count).map(agent).collect()
    }

    fn puts(people: Vec<Person>) -> Vec<ObjectChange> {
        people.into_iter().map(|person| ObjectChange::Put(Object::Person(Box::new(person)))).collect()
    }

    #[tokio::test]
    async fn a_change_of_a_thousand_people_takes_few_round_trips() {
        let mut trips = RoundTrips::default();
        let changes = puts(agents(1_000, 0));
        write::changes(&mut trips, &acme(), Revision(2), changes, &|_| false).await.unwrap();
        assert!(trips.0 < 100, "{}", trips.0);
    }

    #[tokio::test]
    async fn many_people_who_are_there_exchange_their_agents_and_lose_skills_and_passkeys() {
        let count = 2 * NAMES_MAX + 1;
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let all = objects("acme").objects().map(ObjectChange::Put).collect();
        store.update(&acme(), Revision(0), all, note()).await.unwrap();
        let factor = Some(Secret("sealed:of-ann".into()));
        let mut people = agents(count, 0);
        people.iter_mut().for_each(|person| person.second_factor.clone_from(&factor));
        store.update(&acme(), Revision(1), puts(people), note()).await.unwrap();
        for number in 0..2 {
            let passkey = StoredPasskey {
                id: format!("passkey{number}"),
                user: user_name(number),
                handle: "handle".to_owned(),
                public_key: "key".to_owned(),
                counter: 0,
                name: "phone".to_owned(),
                created: Timestamp::from_millis(1),
                last_used: None,
            };
            assert_eq!(store.keep(&acme(), &passkey, 9).await.unwrap(), PasskeyKept::Kept);
        }

        let mut people = agents(count, 1);
        for (number, person) in people.iter_mut().enumerate() {
            person.second_factor = factor.clone().filter(|_| number % 2 == 1);
            let skills = &mut person.agent.as_mut().unwrap().skills;
            skills.truncate(number % 2);
        }
        store.update(&acme(), Revision(2), puts(people.clone()), note()).await.unwrap();
        for person in people {
            let key = ObjectKey { kind: ObjectKind::Person, id: person.user_name.clone() };
            let found = store.find(&acme(), &key).await.unwrap();
            assert_eq!(found, Some(Object::Person(Box::new(person))));
        }
        for (number, left) in [(0, 0), (1, 1)] {
            assert_eq!(store.of_person(&acme(), &user_name(number)).await.unwrap().len(), left, "{number}");
        }
    }

    #[test]
    fn a_statement_about_a_name_becomes_one_about_many() {
        assert_eq!(of_many(REMOVE_DNS, 3), "DELETE FROM place_dn WHERE tenant = ? AND name IN (?, ?, ?)");
        assert!(matches!(of_many(REMOVE_DNS, 1), Cow::Borrowed(REMOVE_DNS)));
        for one in [REMOVE_PROMPTS, REMOVE_SKILLS, RELEASE_AGENTS, REMOVE_VOID_PASSKEYS] {
            assert!(of_many(one, 2).ends_with(" IN (?, ?)"), "{one}");
        }
    }
}
