//! Random histories of a tenant that has objects of every kind, on the embedded store: batches are carried out whole or not at all and
//! touch nothing else, every revision stays known, what is put back is what a replay leads to, and a snapshot brings back what was there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use backends::sqlite::SqliteProvisioning;
use contracts::provisioning::{ObjectKey, ObjectKind};
use infra::{ChangeNote, ChangeOrigin, ChangeWay, ProvisioningStore as _, Revision};
use model::{TenantId, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseResult;
use serde_json::{Value, json};
use tenant::objects::{self, Batch, BatchOutcome, ChangeRefusal, EditAction, HeldTenants, IndexedTenant, ObjectEdit};
use tenant::snapshots::{self, RestoreTerms};

const TENANT: &str = include_str!("every_kind.yaml");
const APPLICATION: &str = r#"<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" datamodel="ecmascript"/>"#;
const SNAPSHOT: &str = "then";

/// What is done to an object.
#[derive(Clone, Debug)]
enum Deed {
    /// A property that every kind may have is set, or is taken away.
    Note(Option<u8>),
    /// It comes into a folder, or out of all.
    Move(Option<&'static str>),
    /// A field of its kind gets another value, if there is one in [`other_value`].
    Change,
    /// It becomes what it was at first.
    Put,
    Delete,
    /// It becomes what it was at a revision.
    Restore(Index),
}

fn deed() -> impl Strategy<Value = Deed> {
    let folder = prop::option::of(prop::sample::select(vec!["Berlin", "Berlin/Sales", "Hamburg"]));
    prop_oneof![
        3 => prop::option::of(0..3_u8).prop_map(Deed::Note),
        2 => folder.prop_map(Deed::Move),
        4 => Just(Deed::Change),
        2 => Just(Deed::Put),
        4 => Just(Deed::Delete),
        2 => any::<Index>().prop_map(Deed::Restore),
    ]
}

/// Deeds of one batch, each with its object.
fn step() -> impl Strategy<Value = Vec<(Index, Deed)>> {
    prop::collection::vec((any::<Index>(), deed()), 1..4)
}

/// A field of the object and a value that it does not have at first. Some free what they named, which may go then.
fn other_value(key: &ObjectKey) -> Option<(&'static str, Value)> {
    let changed = match (key.kind, key.id.as_str()) {
        (ObjectKind::Tenant, _) => ("name", json!("Acme and Sons")),
        (ObjectKind::Prompt, _) => ("file", json!("other.wav")),
        (ObjectKind::Application, _) => ("document", json!(format!("<!-- another -->{APPLICATION}"))),
        (ObjectKind::Dn, "7101" | "7102") => ("no_answer_s", json!(20)),
        (ObjectKind::Dn, "9001") => ("default_dn", Value::Null),
        (ObjectKind::Dn, "9004") => ("prompts", json!(["music"])),
        (ObjectKind::Place, _) => ("capacity_rule", Value::Null),
        (ObjectKind::Person, "ann") => ("agent.skills", json!([{ "skill": "Support", "level": 4 }])),
        (ObjectKind::Person, _) => ("first_name", json!("Other")),
        (ObjectKind::Number, _) => ("closed_dn", json!("9003")),
        (ObjectKind::Trunk, _) => ("allow", json!(["10.0.0.0/8"])),
        (ObjectKind::FeatureCode, _) => ("action", json!("logout")),
        (ObjectKind::Schedule, _) => ("open", json!(["Sat 10:00-12:00"])),
        (ObjectKind::DialRule, _) => ("reason", json!("ask first")),
        (ObjectKind::Client | ObjectKind::ActionCode, _) => ("name", json!("Other")),
        (ObjectKind::AgentGroup, "Team") => ("agents", json!([])),
        (ObjectKind::AgentGroup, _) => ("expression", json!("Support >= 2")),
        (ObjectKind::List | ObjectKind::Transaction, _) => ("sections", json!({ "south": { "open": "08:00" } })),
        (ObjectKind::BusinessAttribute, _) => ("default", json!("German")),
        (ObjectKind::PlaceGroup, _) => ("places", json!(["P1"])),
        (ObjectKind::DnGroup, _) => ("members", json!([{ "dn": "9000", "weight": 7 }])),
        (ObjectKind::TrunkGroup, _) => ("prefix", json!("+1")),
        (ObjectKind::CallingList, _) => ("attempts_max", json!(5)),
        (ObjectKind::Campaign, _) => ("calling_lists", json!([{ "calling_list": "Offers", "weight": 2 }])),
        (ObjectKind::CampaignGroup, _) => ("target", json!(5)),
        (ObjectKind::IvrProfile, _) => ("application", json!("sales")),
        (ObjectKind::StatisticDefinition, _) => ("range_to_s", json!(30)),
        (ObjectKind::AccessGroup | ObjectKind::Role, _) => ("people", json!(["bob"])),
        (ObjectKind::Folder, _) => ("description", json!("what is here")),
        (ObjectKind::AgentLogin, _) => ("wrap_up_s", json!(9)),
        (ObjectKind::Switch, "South") => ("access_codes", json!([])),
        (ObjectKind::Skill | ObjectKind::CapacityRule | ObjectKind::Dn | ObjectKind::Switch, _) => return None,
    };
    Some(changed)
}

/// The documents of all objects, without secrets.
type Documents = BTreeMap<ObjectKey, String>;

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn note() -> ChangeNote {
    let at = Timestamp::from_millis(1_700_000_000_000);
    let (by, origin) = ("user/model".to_owned(), ChangeOrigin::default());
    ChangeNote { by, way: ChangeWay::CommandLine, origin, at, request: None }
}

/// The tenant in a store of its own.
async fn begun(folder: &tempfile::TempDir, name: &str) -> SqliteProvisioning {
    let store = SqliteProvisioning::open(&folder.path().join(name)).await.unwrap();
    let objects = tenant::file::read(TENANT, |_| Ok(APPLICATION.to_owned())).unwrap();
    tenant::import::import(&store, &objects, &note()).await.unwrap();
    store
}

async fn standing(store: &SqliteProvisioning) -> (u64, Documents) {
    let held = IndexedTenant::of(store.versioned(&acme()).await.unwrap().unwrap());
    (held.revision().0, documents(&held))
}

fn documents(held: &IndexedTenant) -> Documents {
    let of_kind = |kind: ObjectKind| held.of_kind(kind).map(|(_, object)| object);
    let shown = |object: &contracts::provisioning::Object| {
        let key = object.key();
        let document = objects::shown(object.clone(), held.annex(&key), &[]);
        (key, document)
    };
    let mut all: Documents =
        ObjectKind::ALL.into_iter().flat_map(of_kind).map(|object| shown(object.as_ref())).collect();
    let itself = ObjectKey { kind: ObjectKind::Tenant, id: String::new() };
    all.extend(held.get(&itself).map(shown));
    all
}

async fn change(
    store: &SqliteProvisioning,
    held: &HeldTenants,
    edits: Vec<ObjectEdit>,
) -> Result<BatchOutcome, ChangeRefusal> {
    let batch =
        Batch { edits, is_trial: false, passwords_max: usize::MAX, with_documents: false, person: None, table: None };
    objects::change_held(store, held, &acme(), Arc::new(batch), &note()).await
}

fn merge(key: ObjectKey, field: &str, value: &Value) -> ObjectEdit {
    let inner = field.rsplit('.').fold(value.clone(), |inner, name| json!({ name: inner }));
    let action = EditAction::Merge { document: inner.to_string(), fields: vec![field.to_owned()] };
    ObjectEdit { key, expected: None, action }
}

fn read(document: &str) -> Value {
    serde_json::from_str(document).unwrap()
}

/// Whether an object is as an edit of it says.
fn is_as_edited(edit: &ObjectEdit, after: Option<&String>) -> bool {
    match (&edit.action, after) {
        (EditAction::Delete, after) => after.is_none(),
        (_, None) => false,
        (EditAction::Put(document) | EditAction::PutBack(document), Some(after)) => read(document) == read(after),
        (EditAction::Merge { document, fields }, Some(after)) => {
            let (wanted, after) = (read(document), read(after));
            let same = |field: &String| {
                let at = format!("/{}", field.replace('.', "/"));
                let [wanted, after] = [&wanted, &after].map(|of| of.pointer(&at).filter(|value| !value.is_null()));
                wanted == after
            };
            fields.iter().all(same)
        }
    }
}

/// A history and all that it must lead to.
struct TenantHistory {
    folder: tempfile::TempDir,
    store: SqliteProvisioning,
    held: HeldTenants,
    keys: Vec<ObjectKey>,
    /// The documents at each revision.
    past: BTreeMap<u64, Documents>,
    /// The batches that have led from the first revision to the others.
    done: Vec<Vec<ObjectEdit>>,
}

impl TenantHistory {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = begun(&folder, "configuration.sqlite").await;
        let (revision, first) = standing(&store).await;
        let keys: Vec<ObjectKey> = first.keys().cloned().collect();
        let past = BTreeMap::from([(revision, first)]);
        Self { folder, store, held: HeldTenants::default(), keys, past, done: Vec::new() }
    }

    fn first(&self) -> (u64, &Documents) {
        self.past.first_key_value().map(|(at, documents)| (*at, documents)).unwrap()
    }

    fn now(&self) -> (u64, &Documents) {
        self.past.last_key_value().map(|(at, documents)| (*at, documents)).unwrap()
    }

    /// A revision among those that there are.
    fn revision(&self, which: Index) -> u64 {
        self.first().0 + u64::try_from(which.index(self.past.len())).unwrap()
    }

    /// The edit that a deed is; none where an object has no other value, or was not there.
    async fn edit(&self, key: ObjectKey, deed: &Deed) -> Result<Option<ObjectEdit>, TestCaseError> {
        Ok(match deed {
            Deed::Note(number) => {
                let noted = number.map_or(Value::Null, |number| json!({ "Test": { "note": number.to_string() } }));
                Some(merge(key, "user_properties", &noted))
            }
            Deed::Move(folder) => Some(merge(key, "folder", &json!(folder))),
            Deed::Change => other_value(&key).map(|(field, value)| merge(key, field, &value)),
            Deed::Put => {
                let action = EditAction::Put(self.first().1[&key].clone());
                Some(ObjectEdit { key, expected: None, action })
            }
            Deed::Delete => Some(ObjectEdit { key, expected: None, action: EditAction::Delete }),
            Deed::Restore(which) => {
                let at = self.revision(*which);
                let then = self.past[&at].get(&key);
                match (objects::put_back(&self.store, &acme(), key.clone(), Revision(at), None).await, then) {
                    (Ok(edit), Some(_)) => Some(edit),
                    (Err(ChangeRefusal::NotThen { .. }), None) => None,
                    (told, then) => {
                        let told = told.map(|_| "it was there");
                        return Err(TestCaseError::fail(format!("{key:?} at {at}: {told:?}, and it was {then:?}")));
                    }
                }
            }
        })
    }

    async fn take(&mut self, step: &[(Index, Deed)]) -> TestCaseResult {
        let mut edits = Vec::new();
        for (which, deed) in step {
            let key = which.get(&self.keys).clone();
            edits.extend(self.edit(key, deed).await?);
        }
        if edits.is_empty() { Ok(()) } else { self.carry_out(edits, false).await }
    }

    /// Carries out a batch, or sees it refused; one that must be taken is not refused.
    async fn carry_out(&mut self, edits: Vec<ObjectEdit>, must: bool) -> TestCaseResult {
        let outcome = change(&self.store, &self.held, edits.clone()).await;
        let (now, before) = self.now();
        let (revision, after) = standing(&self.store).await;
        if let Err(refusal) = outcome {
            let is_told = matches!(refusal, ChangeRefusal::Faults(_) | ChangeRefusal::Referred(_));
            prop_assert!(is_told && !must, "{refusal}");
            prop_assert_eq!((revision, &after), (now, before), "{}", refusal);
            return Ok(());
        }
        for edit in &edits {
            prop_assert!(is_as_edited(edit, after.get(&edit.key)), "{:?}: {:?}", edit.key, after.get(&edit.key));
        }
        let named: BTreeSet<&ObjectKey> = edits.iter().map(|edit| &edit.key).collect();
        for key in self.keys.iter().filter(|key| !named.contains(key)) {
            prop_assert_eq!(after.get(key), before.get(key), "{:?} is none of the batch", key);
        }
        prop_assert_eq!(revision, now + u64::from(&after != before));
        // What is kept in memory, and followed change by change, is what is stored.
        let shared = self.held.fresh(&self.store, &acme()).await.unwrap().unwrap();
        let kept = shared.look(|held| (held.revision().0, documents(held))).await.unwrap();
        prop_assert_eq!(&kept.1, &after);
        prop_assert_eq!(kept.0, revision);
        if revision > now {
            self.past.insert(revision, after);
            self.done.push(edits);
        }
        Ok(())
    }

    /// The history says how each object that has changed stood at each revision.
    async fn every_revision_is_known(&self) -> TestCaseResult {
        let changed: BTreeSet<&ObjectKey> = self.done.iter().flatten().map(|edit| &edit.key).collect();
        for (at, then) in &self.past {
            for key in &changed {
                let told = objects::document_at(&self.store, &acme(), key, Revision(*at)).await.ok();
                prop_assert_eq!(told.as_ref(), then.get(*key), "{:?} at {}", key, at);
            }
        }
        Ok(())
    }

    /// Puts every object back as it was at a revision, in one batch.
    async fn put_all_back(&mut self, at: u64) -> TestCaseResult {
        let then = self.past[&at].clone();
        let mut edits = Vec::new();
        for key in self.keys.clone() {
            match (then.get(&key), self.now().1.get(&key)) {
                (Some(_), _) => {
                    let back = objects::put_back(&self.store, &acme(), key, Revision(at), None).await;
                    edits.push(back.map_err(|refusal| TestCaseError::fail(refusal.to_string()))?);
                }
                (None, Some(_)) => edits.push(ObjectEdit { key, expected: None, action: EditAction::Delete }),
                (None, None) => {}
            }
        }
        self.carry_out(edits, true).await?;
        prop_assert_eq!(self.now().1, &then);
        Ok(())
    }

    /// A new tenant has the same after the batches that first led to a revision.
    async fn is_as_after_a_replay(&self, at: u64) -> TestCaseResult {
        let (store, held) = (begun(&self.folder, "replay.sqlite").await, HeldTenants::default());
        let batches = usize::try_from(at - self.first().0).unwrap();
        for edits in self.done.iter().take(batches) {
            let done = change(&store, &held, edits.clone()).await;
            prop_assert!(done.is_ok(), "{done:?}");
        }
        prop_assert_eq!(standing(&store).await, (at, self.past[&at].clone()));
        Ok(())
    }
}

async fn run(before: Vec<Vec<(Index, Deed)>>, after: Vec<Vec<(Index, Deed)>>, back: Index) -> TestCaseResult {
    let mut history = TenantHistory::begin().await;
    let kinds: BTreeSet<ObjectKind> = history.keys.iter().map(|key| key.kind).collect();
    prop_assert_eq!(kinds, BTreeSet::from(ObjectKind::ALL), "a kind has no object in every_kind.yaml");
    // Every object of every kind changes once, so that there is a history of each.
    let noted = json!({ "Test": { "note": "first" } });
    let notes = history.keys.iter().map(|key| merge(key.clone(), "user_properties", &noted)).collect();
    history.carry_out(notes, true).await?;
    for step in &before {
        history.take(step).await?;
    }
    snapshots::create(&history.store, &acme(), SNAPSHOT, &note()).await.unwrap();
    let kept = history.store.load(&acme()).await.unwrap().unwrap().1;
    for step in &after {
        history.take(step).await?;
    }
    history.every_revision_is_known().await?;
    let at = history.revision(back);
    history.put_all_back(at).await?;
    history.is_as_after_a_replay(at).await?;
    // With its secrets, which a restore of single objects does not bring back.
    let restored = snapshots::restore(&history.store, &acme(), SNAPSHOT, RestoreTerms::default(), &note()).await;
    prop_assert!(restored.is_ok(), "{restored:?}");
    let now = history.store.load(&acme()).await.unwrap().unwrap().1;
    let sorted = |of: &contracts::provisioning::TenantObjects| {
        of.objects().map(|object| (object.key(), object)).collect::<BTreeMap<_, _>>()
    };
    prop_assert_eq!(sorted(&now), sorted(&kept));
    prop_assert_eq!(now.annexes, kept.annexes);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    #[test]
    fn histories_of_every_kind_are_put_back_and_replayed(
        before in prop::collection::vec(step(), 1..7),
        after in prop::collection::vec(step(), 1..7),
        back in any::<Index>(),
    ) {
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        executor.block_on(run(before, after, back))?;
    }
}
