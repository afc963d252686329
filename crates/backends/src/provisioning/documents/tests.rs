use std::collections::BTreeSet;

use contracts::provisioning::{AgentGroup, Skill};
use infra::conformance::provisioning::{note, objects};
use infra::{ArchivedPart, ObjectChange, ProvisioningStore as _, Revision, TenantArchive as _};

use super::*;
use crate::provisioning::Dialect as _;
use crate::sqlite::SqliteProvisioning;

/// A tenant with objects of each kind.
async fn made(folder: &tempfile::TempDir) -> (SqliteProvisioning, TenantId) {
    let acme = TenantId::parse("acme").unwrap();
    let store = opened(folder, "configuration").await;
    let all = objects("acme").objects().map(ObjectChange::Put).collect();
    store.update(&acme, Revision(0), all, note()).await.unwrap();
    (store, acme)
}

async fn opened(folder: &tempfile::TempDir, name: &str) -> SqliteProvisioning {
    SqliteProvisioning::open(&folder.path().join(format!("{name}.sqlite"))).await.unwrap()
}

/// What a statement reads, the texts of each row with spaces between them.
async fn read_texts(store: &SqliteProvisioning, sql: String, columns: &[&str]) -> Vec<String> {
    let mut turn = store.0.reads().await.unwrap();
    let rows = turn.rows(Statement { sql: sql.into(), fields: Vec::new() }).await.unwrap();
    let texts = |row: &Row| columns.iter().map(|column| row.text(column).unwrap()).collect::<Vec<_>>().join(" ");
    rows.iter().map(texts).collect()
}

/// Runs a statement of the release before.
async fn ran_before(store: &SqliteProvisioning, sql: &'static str) -> Result<()> {
    let mut turn = store.0.appends().await.unwrap();
    turn.run(query(sql)).await?;
    turn.commit().await
}

/// The tables of kinds, and of the names that stand beside objects.
fn tables() -> BTreeSet<&'static str> {
    let kinds = kind_tables::all().map(|(_, own)| own.table);
    kinds.chain(kind_tables::name_columns().map(|column| column.table)).collect()
}

fn group(name: &str, agents: &[&str]) -> AgentGroup {
    let agents = agents.iter().map(|agent| (*agent).to_owned()).collect();
    AgentGroup { name: name.to_owned(), agents, ..AgentGroup::default() }
}

async fn groups(store: &SqliteProvisioning, acme: &TenantId) -> Vec<AgentGroup> {
    store.load(acme).await.unwrap().unwrap().1.agent_groups
}

#[tokio::test]
async fn every_column_that_names_an_object_has_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder, "configuration").await;
    let declared: BTreeSet<String> =
        kind_tables::name_columns().map(|one| format!("{} {} {} {}", one.table, one.column, one.of, one.key)).collect();
    let tables: BTreeSet<String> = tables().into_iter().map(|table| format!("'{table}'")).collect();
    let tables = tables.into_iter().collect::<Vec<_>>().join(", ");
    // The other keys are those of the tenant, and of a list to its object.
    let sql = format!(
        "SELECT m.name AS own, f.\"from\" AS own_column, f.\"table\" AS named, f.\"to\" AS named_column
         FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS f
         WHERE m.type = 'table' AND m.name IN ({tables}) AND f.\"from\" NOT IN ('tenant', 'name')"
    );
    let keys = read_texts(&store, sql, &["own", "own_column", "named", "named_column"]).await;
    assert!(declared.len() > 15);
    assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), declared);
}

#[tokio::test]
async fn an_object_stands_in_the_table_of_its_kind_and_where_the_release_before_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    for (kind, own) in kind_tables::all() {
        let stored = store.of_kind(&acme, kind).await.unwrap();
        let expected: Vec<String> = stored.iter().map(text).collect();
        assert!(!expected.is_empty(), "{kind:?}");
        let (table, name) = (own.table, kind.as_str());
        let own = format!("SELECT document FROM {table} ORDER BY dbid");
        let before = format!("SELECT document FROM object_document WHERE kind = '{name}' ORDER BY dbid");
        for sql in [own, before] {
            assert_eq!(read_texts(&store, sql, &["document"]).await, expected, "{kind:?}");
        }
    }
    let all: Vec<ObjectKey> = objects("acme").objects().map(|object| object.key()).collect();
    let others = all.into_iter().filter(|key| key.kind != ObjectKind::Tenant);
    store.update(&acme, Revision(1), others.map(ObjectChange::Delete).collect(), note()).await.unwrap();
    for table in tables().into_iter().chain(["object_document"]) {
        let left = read_texts(&store, format!("SELECT tenant FROM {table}"), &["tenant"]).await;
        assert_eq!(left, Vec::<String>::new(), "{table}");
    }
}

#[tokio::test]
async fn what_an_object_names_stands_beside_it_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    let named = "SELECT place FROM place_group_place WHERE name = 'FLOOR' ORDER BY nth";
    assert_eq!(read_texts(&store, named.to_owned(), &["place"]).await, ["P2", "P1"]);
    let mut floor = objects("acme").place_groups.remove(0);
    floor.places.swap(0, 1);
    let put = ObjectChange::Put(Object::PlaceGroup(floor));
    store.update(&acme, Revision(1), vec![put], note()).await.unwrap();
    assert_eq!(read_texts(&store, named.to_owned(), &["place"]).await, ["P1", "P2"]);
    let evening = "SELECT campaign, agent_group, route_point, mode FROM campaign_group WHERE name = 'evening'";
    let columns = ["campaign", "agent_group", "route_point", "mode"];
    assert_eq!(read_texts(&store, evening.to_owned(), &columns).await, ["spring team 9000 predictive"]);
    let rules = "SELECT name FROM person_capacity_rule UNION ALL SELECT name FROM place_capacity_rule
         UNION ALL SELECT name FROM dn_switch";
    assert_eq!(read_texts(&store, rules.to_owned(), &["name"]).await, ["ann", "P2", "7101", "q"]);
}

#[tokio::test]
async fn what_the_release_before_writes_and_deletes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    let put = r#"INSERT INTO object_document (tenant, kind, name, document) VALUES
        ('acme', 'agent_group', 'late', '{"name":"late","agents":["ann"],"expression":null,"managers":[]}'),
        ('acme', 'agent_group', 'TEAM', '{"name":"TEAM","agents":[],"expression":null,"managers":["ann"]}'),
        ('acme', 'a kind to come', 'later', '{}')
        ON CONFLICT (tenant, kind, name) DO UPDATE SET name = excluded.name, document = excluded.document"#;
    ran_before(&store, put).await.unwrap();
    ran_before(&store, "DELETE FROM object_document WHERE kind = 'agent_group' AND name = 'all'").await.unwrap();
    let team = AgentGroup { managers: vec!["ann".to_owned()], ..group("TEAM", &[]) };
    assert_eq!(groups(&store, &acme).await, [team, group("late", &["ann"])]);
    let named = "SELECT name FROM agent_group_agent UNION ALL SELECT name FROM agent_group_manager".to_owned();
    assert_eq!(read_texts(&store, named, &["name"]).await, ["late", "TEAM"]);

    let of_nothing =
        r#"UPDATE object_document SET document = '{"name":"late","agents":["nobody"]}' WHERE name = 'late'"#;
    for refused in [of_nothing, "DELETE FROM object_document WHERE kind = 'agent_group' AND name = 'TEAM'"] {
        let answer = ran_before(&store, refused).await;
        assert!(matches!(answer, Err(StoreError::Invalid(_))), "{refused}: {answer:?}");
    }
    // This release goes on with what that has written.
    let put = Object::AgentGroup(Box::new(group("late", &["ann", "ANN"])));
    store.update(&acme, Revision(1), vec![ObjectChange::Put(put.clone())], note()).await.unwrap();
    let before = "SELECT document FROM object_document WHERE kind = 'agent_group' AND name = 'late'".to_owned();
    assert_eq!(read_texts(&store, before, &["document"]).await, [text(&put)]);
}

#[tokio::test]
async fn a_damaged_document_names_nothing_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    ran_before(&store, "UPDATE object_document SET document = '{' WHERE kind IN ('agent_login', 'agent_group')")
        .await
        .unwrap();
    let left = "SELECT name FROM agent_group_agent UNION ALL SELECT person FROM agent_login WHERE person IS NOT NULL";
    assert_eq!(read_texts(&store, left.to_owned(), &["name"]).await, Vec::<String>::new());
    let read = store.load(&acme).await;
    assert!(matches!(&read, Err(StoreError::Corrupt { what, .. }) if what == "table agent_group"), "{read:?}");
}

#[tokio::test]
async fn an_archive_is_taken_with_names_of_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, acme) = made(&folder).await;
    let lost = |part: ArchivedPart| match part {
        ArchivedPart::Object(Object::AgentGroup(team), revision) if team.name == "team" => {
            let team = AgentGroup { agents: vec!["nobody".to_owned(), "ann".to_owned()], ..*team };
            ArchivedPart::Object(Object::AgentGroup(Box::new(team)), revision)
        }
        ArchivedPart::Object(Object::AgentLogin(login), revision) => {
            let login = contracts::provisioning::AgentLogin { person: Some("nobody".to_owned()), ..login };
            ArchivedPart::Object(Object::AgentLogin(login), revision)
        }
        other => other,
    };
    let mut parts = Vec::new();
    let mut take = |part| {
        parts.push(lost(part));
        Ok(())
    };
    assert!(store.archive(&acme, &mut take).await.unwrap());
    let copy = opened(&folder, "copy").await;
    let mut parts = parts.into_iter();
    copy.restore_archive(&acme, &mut || Ok(parts.next()), note()).await.unwrap();
    assert_eq!(groups(&copy, &acme).await[0].agents, ["nobody", "ann"]);
    let named = "SELECT person FROM agent_group_agent".to_owned();
    assert_eq!(read_texts(&copy, named, &["person"]).await, ["ann"]);
    // Edits of others are taken, and one of its own that still names nothing is not.
    let skill = ObjectChange::Put(Object::Skill(Skill { name: "Patience".to_owned() }));
    let revision = copy.update(&acme, Revision(1), vec![skill], note()).await.unwrap();
    let put = ObjectChange::Put(Object::AgentGroup(Box::new(group("team", &["nobody"]))));
    let refused = copy.update(&acme, revision, vec![put], note()).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
}
