//! The conformance suite of what is searched.

use futures::future::BoxFuture;
use model::{TenantId, Timestamp};

use crate::{
    Collection, FoundTargets, MonitoredState, SearchStore, StoreError, Swept, TargetDocument, TargetSearch, bounds,
    folded,
};

/// A target of a type with a key and a name.
pub fn target(target_type: &str, key: &str, name: &str) -> TargetDocument {
    TargetDocument {
        key: format!("{target_type}/{key}"),
        target_type: target_type.to_owned(),
        fields: vec![("name".to_owned(), name.to_owned())],
        groups: Vec::new(),
        sorted_by: folded(name),
        shown: format!("{{\"name\":\"{name}\"}}"),
    }
}

fn with(target: TargetDocument, field: &str, text: &str) -> TargetDocument {
    let mut target = target;
    target.fields.push((field.to_owned(), text.to_owned()));
    target
}

fn of(groups: &[&str], target: TargetDocument) -> TargetDocument {
    TargetDocument { groups: groups.iter().map(|group| (*group).to_owned()).collect(), ..target }
}

/// The targets of the suite.
fn targets() -> Vec<TargetDocument> {
    vec![
        of(&["day", "17"], with(target("agent", "ann", "Ann Adams"), "employeeId", "1001")),
        of(&["day"], with(target("agent", "bob", "Bob Annis"), "lastName", "Annis")),
        of(&["night"], with(target("agent", "jo", "Jörg Müller"), "number", "7103")),
        with(target("agent-group", "day", "Day"), "number", "17"),
        target("acd-queue", "sales", "sales annex"),
        // What would be more than a word to a language of queries.
        target("skill", "odd", "a* OR tenant:\"globex\" {}"),
    ]
}

fn collection(build: u64, targets: u64) -> Collection {
    let at = Timestamp::from_millis(1_700_000_000_000);
    Collection { build, revision: 7, targets, checked_at: at, heard_at: at }
}

fn asked(text: &str) -> TargetSearch {
    let terms = TargetSearch::terms_of(text).unwrap();
    TargetSearch { terms, limit: 50, ..TargetSearch::default() }
}

fn names(found: &FoundTargets) -> Vec<String> {
    let name = |shown: &str| shown.trim_start_matches("{\"name\":\"").trim_end_matches("\"}").to_owned();
    found.targets.iter().map(|target| name(&target.shown)).collect()
}

/// A store with nothing of the tenants `acme` and `globex` does all that [`SearchStore`] says. `settle` waits until what was written is found
/// without being noted as searchable.
pub async fn check(store: &dyn SearchStore, settle: impl Fn() -> BoxFuture<'static, ()>) {
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let missing = store.search(&acme, &asked("*")).await;
    assert!(matches!(missing, Err(StoreError::Missing { .. })), "{missing:?}");
    assert_eq!(store.collection(&acme).await.ok(), Some(None));
    collected(store, &acme).await;
    finds(store, &acme).await;
    goes_on(store, &acme).await;
    keeps_apart(store, &acme, &globex).await;
    is_collected_anew(store, &acme, settle).await;
    keeps_states(store, &acme, &globex).await;
    refuses(store, &acme).await;
    for tenant in [&acme, &globex] {
        done(store.forget(tenant)).await;
        let missing = store.search(tenant, &asked("*")).await;
        assert!(matches!(missing, Err(StoreError::Missing { .. })), "{missing:?}");
    }
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

async fn done<T>(answer: crate::Answer<'_, T>) -> T {
    answer.await.unwrap()
}

async fn collected(store: &dyn SearchStore, acme: &TenantId) {
    let all = targets();
    done(store.write(acme, 5, &all)).await;
    done(store.write(acme, 5, &all[..2])).await;
    done(store.sweep(acme, 5, Swept::Targets)).await;
    let noted = collection(5, all.len() as u64);
    done(store.note(acme, noted, true)).await;
    assert_eq!(done(store.collection(acme)).await, Some(noted));
}

async fn finds(store: &dyn SearchStore, acme: &TenantId) {
    for (text, expected) in [
        ("ann", &["Ann Adams", "Bob Annis", "sales annex"][..]),
        ("ann adams", &["Ann Adams"]),
        ("nn an", &["Ann Adams", "Bob Annis", "sales annex"]),
        ("nni bob", &["Bob Annis"]),
        ("1001, day", &["Ann Adams", "Day"]),
        ("MÜLLER", &["Jörg Müller"]),
        ("muller jorg", &["Jörg Müller"]),
        ("mueller", &["Jörg Müller"]),
        ("joerg müll", &["Jörg Müller"]),
        ("nobody", &[]),
        ("a*", &["a* OR tenant:\"globex\" {}"]),
        ("tenant:\"globex\"", &["a* OR tenant:\"globex\" {}"]),
        ("?nn", &[]),
    ] {
        let found = done(store.search(acme, &asked(text))).await;
        assert_eq!(names(&found), expected, "{text}");
        assert_eq!(found.total, expected.len() as u64, "{text}");
    }
    let all = done(store.search(acme, &asked("*"))).await;
    assert_eq!((all.total, all.targets.len()), (6, 6));
    let exact = TargetSearch { is_exact: true, ..asked("day, ann") };
    assert_eq!(names(&done(store.search(acme, &exact)).await), ["Day"]);
    let by_field = TargetSearch { fields: vec!["lastName".to_owned()], ..asked("ann") };
    assert_eq!(names(&done(store.search(acme, &by_field)).await), ["Bob Annis"]);
    let by_no_field = TargetSearch { fields: vec!["tenant".to_owned()], ..asked("acme") };
    assert_eq!(done(store.search(acme, &by_no_field)).await.total, 0);
    let of_types = TargetSearch { types: Some(vec!["agent-group".to_owned(), "skill".to_owned()]), ..asked("*") };
    assert_eq!(done(store.search(acme, &of_types)).await.total, 2);
    assert_eq!(done(store.search(acme, &TargetSearch { types: Some(Vec::new()), ..asked("*") })).await.total, 0);
    let within = TargetSearch { within: Some(vec!["17".to_owned(), "night".to_owned()]), ..asked("*") };
    assert_eq!(names(&done(store.search(acme, &within)).await), ["Ann Adams", "Jörg Müller"]);
    let without = TargetSearch { without: vec!["day".to_owned()], ..asked("ann") };
    assert_eq!(names(&done(store.search(acme, &without)).await), ["sales annex"]);
    let in_none = TargetSearch { within: Some(Vec::new()), ..asked("*") };
    assert_eq!(done(store.search(acme, &in_none)).await.total, 0);
}

/// One page after the other has all of them once, in the order of one whole search, from either end.
async fn goes_on(store: &dyn SearchStore, acme: &TenantId) {
    for is_descending in [false, true] {
        let whole = done(store.search(acme, &TargetSearch { is_descending, ..asked("a") })).await;
        let (mut after, mut paged) = (None, Vec::new());
        loop {
            let asked = TargetSearch { is_descending, limit: 2, after, ..asked("a") };
            let page = done(store.search(acme, &asked)).await;
            assert_eq!(page.total, whole.total, "the total is that of all");
            after = page.targets.last().map(|target| target.place.clone());
            if after.is_none() {
                break;
            }
            paged.extend(page.targets);
        }
        assert!(whole.total > 2);
        assert_eq!(paged, whole.targets, "descending: {is_descending}");
    }
}

async fn keeps_apart(store: &dyn SearchStore, acme: &TenantId, globex: &TenantId) {
    done(store.write(globex, 5, &[target("agent", "ann", "Ann of another")])).await;
    done(store.note(globex, collection(5, 1), true)).await;
    assert_eq!(names(&done(store.search(globex, &asked("*"))).await), ["Ann of another"]);
    assert_eq!(names(&done(store.search(acme, &asked("ann adams"))).await), ["Ann Adams"]);
    assert_eq!(done(store.search(acme, &asked("another"))).await.total, 0);
    done(store.remove(globex, &["agent/ann".to_owned(), "agent/nobody".to_owned()])).await;
    done(store.note(globex, collection(5, 0), true)).await;
    assert_eq!(done(store.search(globex, &asked("*"))).await.total, 0);
    assert_eq!(done(store.search(acme, &asked("ann adams"))).await.total, 1, "that of the other tenant went");
}

/// What a later collection no longer has goes, and what it has stays.
async fn is_collected_anew(store: &dyn SearchStore, acme: &TenantId, settle: impl Fn() -> BoxFuture<'static, ()>) {
    let mut later = targets();
    later.remove(1);
    later[0].fields[0].1 = "Ann Alder".to_owned();
    later[0].shown = "{\"name\":\"Ann Alder\"}".to_owned();
    done(store.write(acme, 9, &later)).await;
    done(store.sweep(acme, 9, Swept::Targets)).await;
    done(store.note(acme, collection(9, 5), true)).await;
    assert_eq!(names(&done(store.search(acme, &asked("ann"))).await), ["Ann Alder", "sales annex"]);
    done(store.write(acme, 9, &[target("agent", "carl", "Carl Ander")])).await;
    done(store.note(acme, collection(9, 6), false)).await;
    settle().await;
    assert_eq!(done(store.search(acme, &asked("carl"))).await.total, 1);
}

async fn keeps_states(store: &dyn SearchStore, acme: &TenantId, globex: &TenantId) {
    let state = |id: &str, value: &str| MonitoredState {
        id: id.to_owned(),
        at: Timestamp::from_millis(1_700_000_000_123),
        value: value.to_owned(),
    };
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    done(store.keep_states(acme, 5, &[state("Agent/1001", "{\"status\":\"LoggedOut\"}"), state("Queue/a b", "3")]))
        .await;
    done(store.keep_states(acme, 9, &[state("Agent/1001", "{\"status\":\"WaitForNextCall\"}")])).await;
    let wanted = ids(&["Agent/1001", "Agent/1002", "Queue/a b"]);
    let told = done(store.states(acme, &wanted)).await;
    assert_eq!(told, [state("Agent/1001", "{\"status\":\"WaitForNextCall\"}"), state("Queue/a b", "3")]);
    assert_eq!(done(store.states(globex, &wanted)).await, []);
    assert_eq!(done(store.states(acme, &[])).await, []);
    done(store.sweep(acme, 9, Swept::States)).await;
    assert_eq!(done(store.states(acme, &wanted)).await, [state("Agent/1001", "{\"status\":\"WaitForNextCall\"}")]);
}

async fn refuses(store: &dyn SearchStore, acme: &TenantId) {
    let many = vec![target("agent", "ann", "Ann"); bounds::SEARCH_BATCH_MAX + 1];
    assert!(matches!(store.write(acme, 9, &many).await, Err(StoreError::Invalid(_))));
    let long = target("agent", &"x".repeat(bounds::SEARCH_ID_MAX), "Ann");
    assert!(matches!(store.write(acme, 9, &[long]).await, Err(StoreError::Invalid(_))));
    let large = target("agent", "ann", &"x".repeat(bounds::SEARCH_DOCUMENT_MAX));
    assert!(matches!(store.write(acme, 9, &[large]).await, Err(StoreError::Full { .. })));
}
