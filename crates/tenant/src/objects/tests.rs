//! Random histories of batches and restores beside a model that is a map for each revision: the same is refused, the same is stored, every
//! revision is known for ever, and to put a revision back is to begin again and to do what led to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contracts::provisioning::{Object, ObjectKind};
use infra::{ChangeNote, ChangeOrigin, ChangeWay, ProvisioningStore as _};
use model::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::test_one_tenant::OneTenant;
use super::*;

/// Skills, to which people refer.
const SKILLS: [&str; 3] = ["Alpha", "Beta", "Gamma"];
/// People; two of the names differ in case alone.
const PEOPLE: [&str; 3] = ["ann", "ANN", "bob"];

/// The keys that a history is about; none of them is in the example.
fn keys() -> Vec<ObjectKey> {
    let skills = SKILLS.iter().map(|name| key(ObjectKind::Skill, name));
    skills.chain(PEOPLE.iter().map(|name| key(ObjectKind::Person, name))).collect()
}

fn key(kind: ObjectKind, id: &str) -> ObjectKey {
    ObjectKey { kind, id: id.to_owned() }
}

fn note() -> ChangeNote {
    let at = Timestamp::from_millis(1_700_000_000_000);
    let (by, origin) = ("user/test".to_owned(), ChangeOrigin::default());
    ChangeNote { by, way: ChangeWay::Grpc, origin, at, request: None }
}

// === the model ===

#[derive(Clone, Debug, PartialEq, Eq)]
enum ModelDocument {
    Skill,
    /// An agent if there are skills.
    Person {
        first_name: String,
        skills: Vec<&'static str>,
    },
}

impl ModelDocument {
    fn json(&self, id: &str) -> String {
        match self {
            Self::Skill => serde_json::json!({ "name": id }),
            Self::Person { first_name, skills } if skills.is_empty() => {
                serde_json::json!({ "user_name": id, "first_name": first_name, "last_name": "Person" })
            }
            Self::Person { first_name, skills } => {
                let code = if id == "bob" { "9102" } else { "9101" };
                let skills: Vec<_> =
                    skills.iter().map(|skill| serde_json::json!({ "skill": skill, "level": 5 })).collect();
                let agent = serde_json::json!({ "id": code, "login_code": code, "skills": skills });
                serde_json::json!({
                    "user_name": id, "first_name": first_name, "last_name": "Person", "agent": agent,
                    "privileges": ["agent"],
                })
            }
        }
        .to_string()
    }

    fn object(&self, key: &ObjectKey) -> Object {
        Object::from_json(key.kind, self.json(&key.id).as_bytes()).expect("a document of the model")
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Put(ModelDocument),
    /// The first name alone.
    Rename(String),
    Delete,
}

#[derive(Clone, Debug)]
struct ModelEdit {
    key: ObjectKey,
    expected: Option<Revision>,
    deed: Deed,
}

impl ModelEdit {
    fn edit(&self) -> ObjectEdit {
        let action = match &self.deed {
            Deed::Put(document) => EditAction::Put(document.json(&self.key.id)),
            Deed::Rename(name) => EditAction::Merge {
                document: serde_json::json!({ "first_name": name }).to_string(),
                fields: vec!["first_name".to_owned()],
            },
            Deed::Delete => EditAction::Delete,
        };
        ObjectEdit { key: self.key.clone(), expected: self.expected, action }
    }
}

/// Why the model refuses a batch.
#[derive(Debug)]
enum ModelRefusal {
    Stale,
    Rule,
}

type ModelState = BTreeMap<ObjectKey, ModelDocument>;

/// Every state that there was; the first one stands at revision 1.
struct TenantModel {
    states: Vec<ModelState>,
    /// By which revision each object that is there was changed last.
    revisions: BTreeMap<ObjectKey, u64>,
}

impl TenantModel {
    fn new() -> Self {
        Self { states: vec![ModelState::new()], revisions: BTreeMap::new() }
    }

    fn revision(&self) -> u64 {
        self.states.len() as u64
    }

    fn at(&self, revision: u64) -> &ModelState {
        &self.states[revision as usize - 1]
    }

    fn now(&self) -> &ModelState {
        self.at(self.revision())
    }

    /// The name of an object as it is written, whatever the case in which it is asked for.
    fn written(&self, key: &ObjectKey) -> Option<&ObjectKey> {
        self.now().keys().find(|written| written.folded() == key.folded())
    }

    fn revision_of(&self, key: &ObjectKey) -> u64 {
        self.written(key).map_or(0, |written| self.revisions[written])
    }

    /// The state after a batch.
    fn after(&self, edits: &[ModelEdit]) -> Result<ModelState, ModelRefusal> {
        let is_stale = |edit: &ModelEdit| edit.expected.is_some_and(|at| at.0 != self.revision_of(&edit.key));
        if edits.iter().any(is_stale) {
            return Err(ModelRefusal::Stale);
        }
        let (mut after, mut named) = (self.now().clone(), BTreeSet::new());
        for ModelEdit { key, deed, .. } in edits {
            let is_written_so = self.written(key).is_none_or(|written| written == key);
            if !is_written_so || !named.insert(key.folded()) {
                return Err(ModelRefusal::Rule);
            }
            let present = after.remove(key);
            let then = match (deed, present) {
                (Deed::Put(document), _) => Some(document.clone()),
                (Deed::Rename(name), Some(ModelDocument::Person { skills, .. })) => {
                    Some(ModelDocument::Person { first_name: name.clone(), skills })
                }
                (Deed::Delete, Some(_)) => None,
                _ => return Err(ModelRefusal::Rule),
            };
            after.extend(then.map(|document| (key.clone(), document)));
        }
        let is_there = |skill: &str| after.contains_key(&key(ObjectKind::Skill, skill));
        let keeps_its_word = |document: &ModelDocument| match document {
            ModelDocument::Person { skills, .. } => skills.iter().all(|skill| is_there(skill)),
            ModelDocument::Skill => true,
        };
        if after.values().all(keeps_its_word) { Ok(after) } else { Err(ModelRefusal::Rule) }
    }

    /// The objects that are not the same after a batch.
    fn changed(&self, after: &ModelState) -> Vec<ObjectKey> {
        keys().into_iter().filter(|key| self.now().get(key) != after.get(key)).collect()
    }

    fn move_to(&mut self, after: ModelState) {
        let revision = self.revision() + 1;
        for key in self.changed(&after) {
            match after.get(&key) {
                Some(_) => drop(self.revisions.insert(key, revision)),
                None => drop(self.revisions.remove(&key)),
            }
        }
        self.states.push(after);
    }
}

// === random steps ===

/// At which revision the one who asks takes an object to be.
#[derive(Clone, Copy, Debug)]
enum Belief {
    None,
    Right,
    NotThere,
    Wrong,
}

#[derive(Clone, Debug)]
enum Step {
    Batch { wishes: Vec<(ObjectKey, Deed, Belief)>, is_trial: bool, by_another: bool },
    Restore { key: ObjectKey, back: u64, belief: Belief },
}

fn belief() -> impl Strategy<Value = Belief> {
    prop_oneof![6 => Just(Belief::None), 3 => Just(Belief::Right), 1 => Just(Belief::NotThere), 1 => Just(Belief::Wrong)]
}

fn wish() -> impl Strategy<Value = (ObjectKey, Deed, Belief)> {
    let name = || prop::sample::select(vec!["Ada", "Eve", "Joe"]).prop_map(str::to_owned);
    let put = (name(), prop::sample::subsequence(SKILLS.to_vec(), 0..=2))
        .prop_map(|(first_name, skills)| Deed::Put(ModelDocument::Person { first_name, skills }));
    let person = prop_oneof![4 => put, 2 => name().prop_map(Deed::Rename), 2 => Just(Deed::Delete)];
    let skill = prop_oneof![2 => Just(Deed::Put(ModelDocument::Skill)), 1 => Just(Deed::Delete)];
    let of_skill = (prop::sample::select(SKILLS.to_vec()), skill, belief())
        .prop_map(|(name, deed, belief)| (key(ObjectKind::Skill, name), deed, belief));
    let of_person = (prop::sample::select(PEOPLE.to_vec()), person, belief())
        .prop_map(|(name, deed, belief)| (key(ObjectKind::Person, name), deed, belief));
    prop_oneof![of_skill, of_person]
}

fn step() -> impl Strategy<Value = Step> {
    let batch = (prop::collection::vec(wish(), 1..4), prop::bool::weighted(0.1), prop::bool::weighted(0.2))
        .prop_map(|(wishes, is_trial, by_another)| Step::Batch { wishes, is_trial, by_another });
    let restore = (prop::sample::select(keys()), any::<u64>(), belief())
        .prop_map(|(key, back, belief)| Step::Restore { key, back, belief });
    prop_oneof![4 => batch, 1 => restore]
}

// === both beside each other ===

struct SideBySide {
    store: OneTenant,
    held: HeldTenants,
    model: TenantModel,
    /// The batches that have changed something: the first one led to revision 2.
    done: Vec<Vec<ModelEdit>>,
}

impl SideBySide {
    fn new() -> Self {
        Self { store: OneTenant::example(), held: HeldTenants::default(), model: TenantModel::new(), done: Vec::new() }
    }

    fn expected(&self, key: &ObjectKey, belief: Belief) -> Option<Revision> {
        let present = self.model.revision_of(key);
        match belief {
            Belief::None => None,
            Belief::Right => Some(Revision(present)),
            Belief::NotThere => Some(Revision(0)),
            Belief::Wrong => Some(Revision(present + 1)),
        }
    }

    async fn take(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::Batch { wishes, is_trial, by_another } => {
                let edit = |(key, deed, belief): (ObjectKey, Deed, Belief)| {
                    let expected = self.expected(&key, belief);
                    ModelEdit { key, expected, deed }
                };
                let edits: Vec<ModelEdit> = wishes.into_iter().map(edit).collect();
                let asked = edits.iter().map(ModelEdit::edit).collect();
                self.carry_out(edits, asked, is_trial, by_another).await
            }
            Step::Restore { key, back, belief } => {
                let (at, expected) = (1 + back % self.model.revision(), self.expected(&key, belief));
                let then = self.model.at(at).get(&key).cloned();
                let asked = put_back(&self.store, &self.store.id(), key.clone(), Revision(at), expected).await;
                match (then, asked) {
                    (Some(document), Ok(asked)) => {
                        let edits = vec![ModelEdit { key, expected, deed: Deed::Put(document) }];
                        self.carry_out(edits, vec![asked], false, false).await
                    }
                    (None, Err(ChangeRefusal::NotThen { .. })) => Ok(()),
                    (then, _) => Err(TestCaseError::fail(format!("{key:?} at {at} was {then:?}"))),
                }
            }
        }
    }

    async fn carry_out(
        &mut self,
        edits: Vec<ModelEdit>,
        asked: Vec<ObjectEdit>,
        is_trial: bool,
        by_another: bool,
    ) -> TestCaseResult {
        let after = self.model.after(&edits);
        let batch = Arc::new(Batch {
            edits: asked,
            is_trial,
            passwords_max: PASSWORDS_MAX,
            with_documents: false,
            person: None,
            table: None,
        });
        let another = HeldTenants::default();
        let held = if by_another { &another } else { &self.held };
        let outcome = change_held(&self.store, held, &self.store.id(), batch, &note()).await;
        match (after, outcome) {
            (Ok(after), Ok(outcome)) => {
                let changed = self.model.changed(&after).len();
                prop_assert_eq!(outcome.changed, changed);
                if changed > 0 && !is_trial {
                    self.model.move_to(after);
                    self.done.push(edits);
                }
                prop_assert_eq!(outcome.revision.0, self.model.revision());
                for (key, revision) in outcome.objects.iter().filter(|_| !is_trial) {
                    prop_assert_eq!(revision.map(|revision| revision.0), self.model.revisions.get(key).copied());
                }
            }
            (Err(ModelRefusal::Stale), Err(ChangeRefusal::Stale(_)))
            | (Err(ModelRefusal::Rule), Err(ChangeRefusal::Faults(_) | ChangeRefusal::Referred(_))) => {}
            (after, outcome) => {
                return Err(TestCaseError::fail(format!("{edits:?}: {outcome:?}, and the model says {after:?}")));
            }
        }
        // What others have done is read when it is needed, several revisions of it at once.
        if by_another { Ok(()) } else { self.agree().await }
    }

    /// The store, and the tenant that is kept in memory, have what the model has.
    async fn agree(&self) -> TestCaseResult {
        let tenant = self.store.id();
        let shared = self.held.fresh(&self.store, &tenant).await.unwrap().unwrap();
        prop_assert_eq!(shared.look(|held| held.revision().0).await, Some(self.model.revision()));
        for key in keys() {
            let document = self.model.now().get(&key);
            let wanted = document.map(|document| (Revision(self.model.revisions[&key]), document.object(&key)));
            let stored = self.store.find_versioned(&tenant, &key).await.unwrap();
            let look = move |held: &IndexedTenant| Some((held.revision_of(&key)?, held.get(&key)?.clone()));
            let kept = shared.look(look).await.unwrap();
            prop_assert_eq!(&stored, &wanted);
            prop_assert_eq!(&kept, &wanted);
        }
        Ok(())
    }

    /// The history says how each object stood at each revision.
    async fn every_revision_is_known(&self) -> TestCaseResult {
        for at in 1..=self.model.revision() {
            for key in keys() {
                let told = document_at(&self.store, &self.store.id(), &key, Revision(at)).await;
                let told = told.ok().map(|json| Object::from_json(key.kind, json.as_bytes()).unwrap());
                prop_assert_eq!(told, self.model.at(at).get(&key).map(|document| document.object(&key)));
            }
        }
        Ok(())
    }

    /// Puts everything back as it was at a revision, object by object from the history.
    async fn put_all_back(&mut self, at: u64) -> TestCaseResult {
        let then = self.model.at(at).clone();
        let delete = |key: &ObjectKey| ModelEdit { key: key.clone(), expected: None, deed: Deed::Delete };
        // Names that differ in case alone do not stand in one batch.
        let is_gone = |key: &&ObjectKey| key.kind == ObjectKind::Person && !then.contains_key(key);
        let people: Vec<ModelEdit> = self.model.now().keys().filter(is_gone).map(delete).collect();
        let asked = people.iter().map(ModelEdit::edit).collect();
        self.carry_out(people, asked, false, false).await?;
        let (mut edits, mut asked) = (Vec::new(), Vec::new());
        for key in keys() {
            match then.get(&key) {
                Some(document) => {
                    let back = put_back(&self.store, &self.store.id(), key.clone(), Revision(at), None).await;
                    asked.push(back.map_err(|refusal| TestCaseError::fail(refusal.to_string()))?);
                    edits.push(ModelEdit { key, expected: None, deed: Deed::Put(document.clone()) });
                }
                None if self.model.now().contains_key(&key) => {
                    edits.push(delete(&key));
                    asked.push(delete(&key).edit());
                }
                None => {}
            }
        }
        self.carry_out(edits, asked, false, false).await?;
        prop_assert_eq!(self.model.now(), &then);
        Ok(())
    }

    /// What is there now is what a new tenant has after the batches that first led to a revision.
    async fn is_as_after_a_replay(&self, at: u64) -> TestCaseResult {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        for edits in self.done.iter().take(at as usize - 1) {
            let edits = edits.iter().map(ModelEdit::edit).collect();
            let batch = Batch {
                edits,
                is_trial: false,
                passwords_max: PASSWORDS_MAX,
                with_documents: false,
                person: None,
                table: None,
            };
            let done = change_held(&store, &held, &store.id(), Arc::new(batch), &note()).await;
            prop_assert!(done.is_ok(), "{done:?}");
        }
        for key in keys() {
            let object = |found: Option<(Revision, Object)>| found.map(|(_, object)| object);
            let replayed = object(store.find_versioned(&store.id(), &key).await.unwrap());
            let put_back = object(self.store.find_versioned(&self.store.id(), &key).await.unwrap());
            prop_assert_eq!(put_back, replayed);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_history_is_as_its_model_and_a_restore_is_a_replay(
        steps in prop::collection::vec(step(), 1..24),
        back in any::<u64>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut both = SideBySide::new();
            for step in steps {
                both.take(step).await?;
            }
            both.every_revision_is_known().await?;
            let at = 1 + back % both.model.revision();
            both.put_all_back(at).await?;
            both.is_as_after_a_replay(at).await
        })?;
    }
}
