//! Random histories of single objects on the embedded store, against a model of maps: what is refused, how objects stand, what their history
//! says, and what a restore brings back.

use std::collections::BTreeMap;

use backends::sqlite::SqliteProvisioning;
use contracts::provisioning::{Agent, Object, ObjectKey, ObjectKind, Person, Privilege, Skill, SkillLevel};
use infra::{ChangeNote, ChangeOrigin, ChangeWay, HistoryPage, ProvisioningStore as _, Revision};
use model::{TenantId, Timestamp};
use proptest::prelude::*;
use tenant::objects::{self, Batch, ChangeRefusal, EditAction, IndexedTenant, Listing, ObjectEdit};

/// Skills and people of each history.
const OF_EACH: u8 = 3;

/// What is attempted.
#[derive(Clone, Debug)]
enum Step {
    PutSkill(u8),
    DeleteSkill(u8),
    /// A person, a name, and a bit for each skill.
    PutPerson(u8, u8, u8),
    DeletePerson(u8),
    /// A skill (`true`) or a person, and a revision among those that there are.
    Restore(bool, u8, prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..OF_EACH;
    prop_oneof![
        which.clone().prop_map(Step::PutSkill),
        which.clone().prop_map(Step::DeleteSkill),
        (which.clone(), 0..3_u8, 0..1_u8 << OF_EACH).prop_map(|(who, name, skills)| Step::PutPerson(who, name, skills)),
        which.clone().prop_map(Step::DeletePerson),
        (any::<bool>(), which, any::<prop::sample::Index>()).prop_map(|(skill, who, at)| Step::Restore(skill, who, at)),
    ]
}

fn skill_key(number: u8) -> ObjectKey {
    ObjectKey { kind: ObjectKind::Skill, id: format!("s{number}") }
}

fn person_key(number: u8) -> ObjectKey {
    ObjectKey { kind: ObjectKind::Person, id: format!("p{number}") }
}

fn skill(number: u8) -> Object {
    Object::Skill(Skill { name: skill_key(number).id })
}

fn person(number: u8, name: u8, skills: u8) -> Object {
    let has = (0..OF_EACH).filter(|skill| skills & (1 << skill) != 0);
    Object::Person(Box::new(Person {
        user_name: person_key(number).id,
        first_name: format!("Name {name}"),
        last_name: "Person".to_owned(),
        agent: Some(Agent {
            id: format!("a{number}"),
            login_code: format!("a{number}"),
            pin: None,
            default_place: None,
            wrap_up_s: None,
            legal_guard_s: None,
            no_answer_action: None,
            skills: has.map(|skill| SkillLevel { skill: skill_key(skill).id, level: 5 }).collect(),
            capacity_rule: None,
        }),
        privileges: vec![Privilege::Agent],
        ..Person::default()
    }))
}

type Objects = BTreeMap<ObjectKey, Object>;

/// The tenant as it must be.
struct Model {
    now: u64,
    objects: Objects,
    revisions: BTreeMap<ObjectKey, u64>,
    /// The objects at each revision.
    past: BTreeMap<u64, Objects>,
}

impl Model {
    /// Whether every skill that somebody has is there.
    fn is_whole(objects: &Objects) -> bool {
        objects.values().all(|object| match object {
            Object::Person(person) => {
                let skills = person.agent.iter().flat_map(|agent| &agent.skills);
                let mut keys = skills.map(|level| ObjectKey { kind: ObjectKind::Skill, id: level.skill.clone() });
                keys.all(|key| objects.contains_key(&key))
            }
            _ => true,
        })
    }

    /// Puts or deletes; `false` if that is refused.
    fn change(&mut self, key: ObjectKey, to: Option<Object>) -> bool {
        let mut after = self.objects.clone();
        let is_known = match to {
            Some(object) => {
                after.insert(key.clone(), object);
                true
            }
            None => after.remove(&key).is_some(),
        };
        if !is_known || !Self::is_whole(&after) {
            return false;
        }
        if after != self.objects {
            self.now += 1;
            if after.contains_key(&key) {
                self.revisions.insert(key, self.now);
            } else {
                self.revisions.remove(&key);
            }
            self.objects = after;
            self.past.insert(self.now, self.objects.clone());
        }
        true
    }
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn note() -> ChangeNote {
    ChangeNote {
        by: "user/model".to_owned(),
        way: ChangeWay::CommandLine,
        origin: ChangeOrigin::default(),
        at: Timestamp::from_millis(1_700_000_000_000),
        request: None,
    }
}

/// A tenant whose hold music is there, and nothing else.
async fn begin(store: &SqliteProvisioning) -> u64 {
    let text = "tenant: acme\nname: Acme\nrealm: acme.invalid\nhold_music: music\nprompts: {music: music.wav}\n";
    let objects = tenant::file::read(text, |_| Ok(String::new())).unwrap();
    tenant::import::import(store, &objects, &note()).await.unwrap().revision.0
}

async fn change(store: &SqliteProvisioning, edit: ObjectEdit) -> bool {
    let batch = Batch {
        edits: vec![edit],
        is_trial: false,
        passwords_max: usize::MAX,
        with_documents: false,
        person: None,
        table: None,
    };
    objects::change(store, &acme(), &batch, &note()).await.is_ok()
}

async fn put(store: &SqliteProvisioning, object: &Object) -> bool {
    let document = String::from_utf8(object.to_json()).unwrap();
    change(store, ObjectEdit { key: object.key(), expected: None, action: EditAction::Put(document) }).await
}

async fn delete(store: &SqliteProvisioning, key: ObjectKey) -> bool {
    change(store, ObjectEdit { key, expected: None, action: EditAction::Delete }).await
}

/// Takes a step in the store and in the model, and returns whether it was carried out, in each.
async fn take(store: &SqliteProvisioning, model: &mut Model, step: &Step) -> (bool, bool) {
    match step {
        Step::PutSkill(number) => {
            (put(store, &skill(*number)).await, model.change(skill_key(*number), Some(skill(*number))))
        }
        Step::DeleteSkill(number) => (delete(store, skill_key(*number)).await, model.change(skill_key(*number), None)),
        Step::PutPerson(number, name, skills) => {
            let object = person(*number, *name, *skills);
            (put(store, &object).await, model.change(object.key(), Some(object)))
        }
        Step::DeletePerson(number) => {
            (delete(store, person_key(*number)).await, model.change(person_key(*number), None))
        }
        Step::Restore(is_skill, number, at) => {
            let key = if *is_skill { skill_key(*number) } else { person_key(*number) };
            let at = u64::try_from(at.index(usize::try_from(model.now).unwrap())).unwrap() + 1;
            let edit = objects::put_back(store, &acme(), key.clone(), Revision(at), None).await;
            let restored = match edit {
                Ok(edit) => change(store, edit).await,
                Err(_) => false,
            };
            let then = model.past.get(&at).and_then(|objects| objects.get(&key)).cloned();
            let expected = then.is_some_and(|then| model.change(key, Some(then)));
            (restored, expected)
        }
    }
}

/// The skills and people of the store.
async fn stands(store: &SqliteProvisioning) -> (u64, Objects, BTreeMap<ObjectKey, u64>) {
    let held = IndexedTenant::of(store.versioned(&acme()).await.unwrap().unwrap());
    let kinds = vec![ObjectKind::Skill, ObjectKind::Person];
    let page = objects::list(&held, &Listing { kinds, ..Listing::default() });
    let object = |listed: &objects::ListedObject| {
        (listed.key.clone(), Object::from_json(listed.key.kind, listed.json.as_bytes()).unwrap())
    };
    let revisions = page.objects.iter().map(|listed| (listed.key.clone(), listed.revision.0)).collect();
    (held.revision().0, page.objects.iter().map(object).collect(), revisions)
}

/// What the history leads to from nothing, the earliest change first.
async fn replayed(store: &SqliteProvisioning) -> Objects {
    let page = HistoryPage { limit: 500, ..HistoryPage::default() };
    let mut entries = objects::history(store, &acme(), &page).await.unwrap().entries;
    entries.reverse();
    let mut replayed = Objects::new();
    for entry in entries.into_iter().filter(|entry| matches!(entry.key.kind, ObjectKind::Skill | ObjectKind::Person)) {
        assert_eq!(replayed.contains_key(&entry.key), entry.before.is_some(), "{entry:?}");
        match entry.after {
            Some(after) => {
                let object = Object::from_json(entry.key.kind, after.as_bytes()).unwrap();
                replayed.insert(entry.key, object);
            }
            None => drop(replayed.remove(&entry.key)),
        }
    }
    replayed
}

async fn run(steps: Vec<Step>, removed: u32) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
    let now = begin(&store).await;
    let past = BTreeMap::from([(now, Objects::new())]);
    let mut model = Model { now, objects: Objects::new(), revisions: BTreeMap::new(), past };
    for step in steps {
        let (done, expected) = take(&store, &mut model, &step).await;
        assert_eq!(done, expected, "{step:?} on {:?}", model.objects.keys());
        let stands = stands(&store).await;
        assert_eq!(stands, (model.now, model.objects.clone(), model.revisions.clone()), "after {step:?}");
    }
    assert_eq!(replayed(&store).await, model.objects);
    some_of_it_goes(&store, &model, removed).await;
}

/// What is left of a history says how objects stood, or that it no longer says so.
async fn some_of_it_goes(store: &SqliteProvisioning, model: &Model, at_most: u32) {
    let after_all = Timestamp::from_millis(1_700_000_000_001);
    store.prune_history(&acme(), after_all, at_most).await.unwrap();
    let pruned = store.pruned_revision(&acme()).await.unwrap().0;
    let keys: Vec<ObjectKey> = (0..OF_EACH).flat_map(|number| [skill_key(number), person_key(number)]).collect();
    for (at, then) in &model.past {
        for key in &keys {
            let told = objects::document_at(store, &acme(), key, Revision(*at)).await;
            match (told, then.get(key)) {
                (Ok(document), Some(object)) => assert_eq!(document, objects::shown(object.clone(), None, &[])),
                (Err(ChangeRefusal::NotThen { .. }), None) => {}
                (Err(ChangeRefusal::NotKept { .. }), _) => assert!(*at < pruned, "{key:?} at {at}"),
                (told, then) => panic!("{key:?} at {at}: {told:?}, and it was {then:?}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn histories_of_the_store_are_those_of_a_map(steps in prop::collection::vec(step(), 1..20), removed in 0..20_u32) {
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        executor.block_on(run(steps, removed));
    }
}
