use contracts::provisioning::{ObjectKind, Schedule};
use infra::conformance::provisioning::{note, objects};
use infra::{Answer, HistoryPoint, ProvisioningStore as _};

use super::*;
use crate::provisioning::{Dialect as _, OpenTurn};
use crate::sqlite::SqliteProvisioning;

/// A turn that notes what is read.
struct Noted {
    turn: Box<dyn OpenTurn>,
    read: Vec<Statement>,
}

impl Turn for Noted {
    fn run(&mut self, statement: Statement) -> Answer<'_, u64> {
        self.turn.run(statement)
    }

    fn rows(&mut self, statement: Statement) -> Answer<'_, Vec<Row>> {
        self.read.push(statement.clone());
        self.turn.rows(statement)
    }
}

/// A tenant with an object of each kind.
async fn made(folder: &tempfile::TempDir) -> (SqliteProvisioning, TenantId) {
    let acme = TenantId::parse("acme").unwrap();
    let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
    let all = objects("acme").objects().map(ObjectChange::Put).collect();
    store.update(&acme, Revision(0), all, note()).await.unwrap();
    (store, acme)
}

#[tokio::test]
async fn a_batch_reads_the_objects_that_it_changes_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    let mut turn = Noted { turn: store.0.writes(&acme).await.unwrap(), read: Vec::new() };
    let mut held = objects("acme");
    let (mut person, mut trunk) = (held.people.remove(0), held.trunks.remove(0));
    person.first_name = "Anna".to_owned();
    trunk.drain = !trunk.drain;
    let deleted = ObjectKey { kind: ObjectKind::Skill, id: "SALES".to_owned() };
    let changes = [
        ObjectChange::Put(Object::Person(Box::new(person))),
        ObjectChange::Put(Object::Trunk(Box::new(trunk))),
        ObjectChange::Delete(deleted),
        ObjectChange::Put(Object::Skill(contracts::provisioning::Skill { name: "Patience".to_owned() })),
    ];
    let happened = of(&mut turn, &acme, Revision(1), &changes).await.unwrap();
    let had: Vec<bool> = happened.iter().map(|one| one.before.is_some()).collect();
    assert_eq!(had, [true, true, true, false]);
    assert!(
        turn.read.iter().all(|read| !read.sql.contains(" FROM place ")),
        "the whole tenant is read: {:?}",
        turn.read
    );
}

#[tokio::test]
async fn the_largest_batch_of_a_request_does_not_read_the_whole_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    let mut turn = Noted { turn: store.0.writes(&acme).await.unwrap(), read: Vec::new() };
    let annex = ObjectAnnex { folder: Some("Berlin".to_owned()), ..ObjectAnnex::default() };
    let both = |number: usize| {
        let skill = Object::Skill(contracts::provisioning::Skill { name: format!("s{number}") });
        let key = skill.key();
        [ObjectChange::Put(skill), ObjectChange::Annex(key, annex.clone())]
    };
    let changes: Vec<ObjectChange> = (0..500).flat_map(both).collect();
    assert_eq!(of(&mut turn, &acme, Revision(1), &changes).await.unwrap().len(), 500);
    let is_of_skills = |read: &Statement| read.sql.contains(" JOIN skill ");
    assert!(turn.read.len() < 20 && turn.read.iter().all(is_of_skills), "{} statements", turn.read.len());
}

#[tokio::test]
async fn of_two_spellings_that_are_both_there_each_has_its_own_history() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    let schedule = |name: &str, open: &str| {
        let (open, exceptions) = (vec![open.to_owned()], Vec::new());
        Object::Schedule(Schedule { name: name.to_owned(), time_zone: None, open, exceptions })
    };
    let (lower, upper) = (schedule("büro", "Mon 08:00-18:00"), schedule("BÜRO", "Tue 08:00-18:00"));
    // A table of SQLite tells them apart, and an earlier release took both.
    let both = [&lower, &upper].map(|object| ObjectChange::Put(object.clone()));
    store.update(&acme, Revision(1), both.into(), note()).await.unwrap();
    let changes = ["BÜRO", "büro"].map(|name| ObjectChange::Put(schedule(name, "Wed 08:00-18:00")));
    store.update(&acme, Revision(2), changes.into(), note()).await.unwrap();
    for object in [lower, upper] {
        let key = object.key();
        let page = HistoryPage { kind: Some(key.kind), id: Some(key.id.clone()), below: None, limit: 1 };
        let last = store.history(&acme, &page).await.unwrap().remove(0);
        assert_eq!(last.before, String::from_utf8(object.to_json()).ok(), "{key:?}");
    }
}

#[tokio::test]
async fn a_name_that_an_import_writes_in_another_case_is_made_and_the_one_before_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    let mut person = objects("acme").people.remove(0);
    let old = Object::Person(Box::new(person.clone())).key();
    person.user_name = person.user_name.to_uppercase();
    let new = Object::Person(Box::new(person));
    let mut turn = store.0.writes(&acme).await.unwrap();
    let skills = |count: usize| {
        (0..count).map(|n| ObjectChange::Put(Object::Skill(contracts::provisioning::Skill { name: format!("s{n}") })))
    };
    // Of many changes the whole tenant is read.
    for others in [0, FOUND_EACH_MAX] {
        let import = [ObjectChange::Put(new.clone()), ObjectChange::Delete(old.clone())];
        let changes: Vec<_> = import.into_iter().chain(skills(others)).collect();
        let happened = of(&mut *turn, &acme, Revision(1), &changes).await.unwrap();
        let told: Vec<_> =
            happened[..2].iter().map(|one| (&one.key, one.before.is_some(), one.after.is_some())).collect();
        assert_eq!(told, [(&new.key(), false, true), (&old, true, false)]);
    }
}

/// How SQLite answers a statement.
async fn plan_of(turn: &mut dyn Turn, Statement { sql, fields }: Statement) -> String {
    let sql: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {sql}").into_boxed_str());
    let rows = turn.rows(Statement { sql: sql.into(), fields }).await.unwrap();
    rows.iter().map(|row| row.text("detail").unwrap()).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn a_page_of_the_history_of_a_kind_does_not_read_the_whole_log() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    let mut turn = Noted { turn: store.0.reads().await.unwrap(), read: Vec::new() };
    for (kind, index) in [(Some(ObjectKind::Skill), "change_log_of_kind"), (None, "change_log_of_tenant")] {
        let asked = HistoryPage { kind, limit: 10, ..HistoryPage::default() };
        assert!(!page(&mut turn, &acme, &asked).await.unwrap().is_empty());
        let read = turn.read.pop().unwrap();
        let plan = plan_of(&mut turn, read).await;
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[tokio::test]
async fn what_made_a_folder_is_found_without_its_other_entries() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    let mut turn = store.0.reads().await.unwrap();
    let paths = ["Board", "Open"].map(str::to_owned);
    let plan = plan_of(&mut *turn, made_last(&acme, &paths, 0)).await;
    assert!(plan.contains("change_log_of_folders_made (tenant=? AND kind=? AND id=?)"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}

#[tokio::test]
async fn what_is_too_old_is_found_by_its_time_and_not_among_the_first_entries() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    let mut turn = store.0.reads().await.unwrap();
    let asked = too_old(old_entries!("number"), &acme, (0, i64::MAX), Timestamp::from_millis(1), 10);
    let plan = plan_of(&mut *turn, asked).await;
    assert!(plan.contains("change_log_of_time") && !plan.contains("TEMP B-TREE"), "{plan}");
    // That index leads nobody astray who asks for something else.
    let mut turn = Noted { turn, read: Vec::new() };
    assert!(request(&mut turn, &acme, ("somebody", "once"), Timestamp::ZERO).await.unwrap().is_empty());
    let read = turn.read.pop().unwrap();
    let plan = plan_of(&mut turn, read).await;
    assert!(plan.contains("change_log_of_request"), "{plan}");
}

#[tokio::test]
async fn what_a_later_release_has_noted_hides_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    let mut turn = store.0.writes(&acme).await.unwrap();
    let entry = |way: &str, kind: &str| {
        let sql = "INSERT INTO change_log (tenant, revision, changed_ms, changed_by, way, kind, id, secrets)
            VALUES ('acme', 1, 1, 'somebody', ?, ?, 'x', 0)";
        query(sql).bind(way).bind(kind)
    };
    turn.run(entry("telepathy", "skill")).await.unwrap();
    for _ in 0..3 {
        turn.run(entry("grpc", "hologram")).await.unwrap();
    }
    let changed = "INSERT INTO change (tenant, kind, id, revision) VALUES ('acme', 'hologram', 'x', 2)";
    turn.run(query(changed)).await.unwrap();
    turn.commit().await.unwrap();

    let all = store.history(&acme, &HistoryPage { limit: 1_000, ..HistoryPage::default() }).await.unwrap();
    assert_eq!(all.len(), objects("acme").objects().count() + 1);
    assert_eq!((all[0].note.way.as_str(), all[0].key.id.as_str()), ("telepathy", "x"));
    let first = store.history(&acme, &HistoryPage { limit: 2, ..HistoryPage::default() }).await.unwrap();
    assert_eq!(first, all[..2], "a page is full although some entries are passed over");
    let held = store.versioned(&acme).await.unwrap().unwrap();
    assert_eq!(held.revisions.len(), objects("acme").objects().count());
    let changes = store.changes(&acme, HistoryPoint::unstamped(Revision(1))).await.unwrap();
    assert_eq!(changes.changes, [], "what it does not know is no change");
    let changes = store.changes(&acme, HistoryPoint::default()).await.unwrap();
    assert_eq!(changes.changes.len(), objects("acme").objects().count(), "the tenant is published all the same");

    // What it does not know comes several times in a row, and what follows is read all the same.
    let mut turn = store.0.writes(&acme).await.unwrap();
    turn.run(entry("telepathy", "skill")).await.unwrap();
    let (mut last, mut ways) = (Some(0), Vec::new());
    while let Some(number) = last {
        let (entries, end) = after(&mut *turn, &acme, number, 2).await.unwrap();
        ways.extend(entries.into_iter().map(|entry| entry.note.way.as_str().to_owned()));
        last = end;
    }
    assert_eq!(ways.iter().filter(|way| *way == "telepathy").count(), 2, "{ways:?}");
}

#[tokio::test]
async fn entries_with_large_documents_are_read_in_parts_of_some_megabytes() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    let mut turn = store.0.writes(&acme).await.unwrap();
    let key = ObjectKey { kind: ObjectKind::Application, id: "sales".to_owned() };
    for megabytes in [1, 3, 1, 9, 1] {
        let document = Some("x".repeat(megabytes << 20));
        let (note, key) = (note().clone(), key.clone());
        let entry = HistoryEntry {
            number: 0,
            revision: Revision(2),
            note,
            key,
            before: None,
            after: document,
            secrets_changed: false,
        };
        put(&mut *turn, &acme, entry).await.unwrap();
    }
    let (mut parts, mut last) = (Vec::new(), Some(0));
    while let Some(behind) = last {
        let (entries, end) = after(&mut *turn, &acme, behind, 500).await.unwrap();
        let large = entries.iter().filter(|entry| entry.revision == Revision(2));
        let megabytes: Vec<usize> = large.map(|entry| entry.after.as_ref().map_or(0, String::len) >> 20).collect();
        parts.push(megabytes);
        last = end;
    }
    // Those of the tenant itself stand before the first one.
    assert_eq!(parts, [vec![1], vec![3, 1], vec![9], vec![1], vec![]]);
}
