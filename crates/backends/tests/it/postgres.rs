//! On a real PostgreSQL, read back with psql.

mod disk;
mod lost;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use backends::postgres::{self, PostgresProvisioning, PostgresSettings};
use backends::redis::Unusable;
use contracts::provisioning::{Application, Object, ObjectKey, ObjectKind, Skill, TenantObjects};
use infra::conformance::{
    api_keys, audit_outbox, contacts, passkeys, people_imports, personal_records, prompt_audio, provisioning, secrets,
    shifts, sign_in_audit, tenant_life,
};
use infra::{Client, ObjectChange, ProvisioningStore as _, Revision, SecretSeals, StoreError};
use model::TenantId;
use server::Server;

/// The store's client name for PostgreSQL.
const NAME: &str = "trunkline/test";
/// Connections of a store.
const CONNECTIONS: usize = 4;

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn application(name: &str, document: String) -> ObjectChange {
    ObjectChange::Put(Object::Application(Application::new(name.to_owned(), document)))
}

fn open(settings: &PostgresSettings) -> PostgresProvisioning {
    PostgresProvisioning::open(settings, &Client::unwatched(NAME)).unwrap()
}

async fn brought(server: &Server) -> (PostgresSettings, PostgresProvisioning) {
    let settings = server.settings();
    postgres::bring_up_to_date(&settings, NAME).await.unwrap();
    (settings.clone(), open(&settings))
}

/// The store's objects of a tenant, as soon as it answers.
async fn until_it_answers(store: &PostgresProvisioning, tenant: &TenantId) -> Option<(Revision, TenantObjects)> {
    let asked = async {
        loop {
            match store.load(tenant).await {
                Ok(loaded) => return loaded,
                Err(StoreError::Unavailable { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap()
}

/// By as many connections at once as the store may have.
async fn loads(
    store: &PostgresProvisioning,
    tenant: &TenantId,
) -> Vec<Result<Option<(Revision, TenantObjects)>, StoreError>> {
    futures::future::join_all((0..CONNECTIONS).map(|_| store.load(tenant))).await
}

/// Until the store has no transaction open: one that only read ends when its connection returns to the pool, and keeps its locks so long.
async fn at_rest(server: &Server) {
    let busy = format!("select count(*) from pg_stat_activity where application_name = '{NAME}' and state <> 'idle'");
    let asked = async {
        while server.psql(&busy) != "0" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap();
}

fn puts(tenant: &str) -> Vec<ObjectChange> {
    provisioning::objects(tenant).objects().map(ObjectChange::Put).collect()
}

#[tokio::test]
async fn postgresql_does_what_every_database_does_and_psql_reads_it() {
    let server = Server::start(1);
    let (_, store) = brought(&server).await;
    provisioning::run(&store).await;
    provisioning::run_archive(&store).await;
    sign_in_audit::run(&store).await;
    audit_outbox::run(&store).await;
    api_keys::run(&store).await;
    passkeys::run(&store).await;
    personal_records::run(&store).await;
    contacts::run(&store).await;
    people_imports::run(&store).await;
    shifts::run(&store).await;
    prompt_audio::run(&store).await;
    tenant_life::run(&store).await;
    assert_eq!(server.psql("select name from skill where tenant = 'case' order by dbid"), "SALES\nEnglish");
    assert_eq!(server.psql("select revision from tenant where id = 'changes'"), "2");
    let shown =
        server.psql("select distinct application_name from pg_stat_activity where application_name like 'trunkline/%'");
    assert_eq!(shown, NAME, "connections carry their client's name");

    let in_clear = "select count(*) from dn where password <> '' and password not like 'sealed:v1:%'";
    assert_ne!(server.psql(in_clear), "0");
    let store = store.sealed_by(SecretSeals::of(Arc::new(secrets::LegibleCipher)));
    assert!(store.seal_stored().await.unwrap() > 0);
    assert_eq!(server.psql(in_clear), "0");
    secrets::run(&store).await;
}

#[tokio::test]
async fn two_objects_that_are_one_row_are_refused_with_the_reason() {
    let server = Server::start(14);
    let (_, store) = brought(&server).await;
    let skill = || ObjectChange::Put(Object::Skill(Skill { name: "Twice".to_owned() }));
    let changes = puts("acme").into_iter().chain([skill(), skill()]).collect();
    let refused = store.update(&tenant("acme"), Revision(0), changes, provisioning::note()).await;
    assert!(matches!(&refused, Err(StoreError::Invalid(why)) if why.contains("one name")), "{refused:?}");
    assert_eq!(store.load(&tenant("acme")).await.unwrap(), None);
}

#[tokio::test]
async fn a_text_with_the_character_0_is_told_from_a_database_that_is_away() {
    let server = Server::start(15);
    let (_, store) = brought(&server).await;
    let acme = tenant("acme");
    store.update(&acme, Revision(0), puts("acme"), provisioning::note()).await.unwrap();
    let key = ObjectKey { kind: ObjectKind::Person, id: "a\0b".to_owned() };
    let read = store.find(&acme, &key).await;
    assert!(matches!(read, Err(StoreError::NulInText)), "{read:?}");
    let skill = ObjectChange::Put(Object::Skill(Skill { name: "Fren\0ch".to_owned() }));
    let written = store.update(&acme, Revision(1), vec![skill], provisioning::note()).await;
    assert!(matches!(written, Err(StoreError::NulInText)), "{written:?}");
    assert_eq!(store.revision(&acme).await.unwrap(), Some(Revision(1)));
}

#[tokio::test]
async fn many_processes_may_start_at_once() {
    let server = Server::start(2);
    let settings = server.settings();
    let starts = (0..6).map(|_| postgres::bring_up_to_date(&settings, NAME));
    for started in futures::future::join_all(starts).await {
        started.unwrap();
    }
    let each_once = server.psql("select count(*) = max(version) from _sqlx_migrations where success");
    assert_eq!(each_once, "t", "every step is done, and once");
}

#[tokio::test]
async fn a_step_of_the_schema_comes_while_the_release_before_serves() {
    let server = Server::start(3);
    let settings = server.settings();
    postgres::up_to(&settings, NAME, 1).await.unwrap();
    // A typical transaction of the previous release, open when the step begins.
    server.psql("insert into tenant (id, revision, name, realm, hold_music, no_answer_s, wrap_up_s) values ('old', 1, 'Old', 'old', 'm', 1, 1)");
    let reading = server
        .psql_in_background("begin isolation level repeatable read; select * from tenant; select pg_sleep(1); commit");
    postgres::bring_up_to_date(&settings, NAME).await.unwrap();
    assert!(reading.wait_with_output().unwrap().status.success());
    // Its statements name their columns: new ones do not disturb them.
    server.psql("update tenant set revision = 2, name = 'Older' where id = 'old'");
    let store = open(&settings);
    let (revision, objects) = store.load(&tenant("old")).await.unwrap().unwrap();
    assert_eq!((revision, objects.tenant.name.as_str(), objects.tenant.time_zone), (Revision(2), "Older", None));
    // And the previous release starts again on the newer tables.
    postgres::up_to(&settings, NAME, 1).await.unwrap();
}

/// A group of agents as the release before writes it, by one statement and turn.
fn group_before(name: &str, document: &str) -> String {
    format!(
        "insert into object_document (tenant, kind, name, document) values ('acme', 'agent_group', '{name}', '{document}')
         on conflict (tenant, kind, name) do update set name = excluded.name, document = excluded.document"
    )
}

/// Groups are written, written again and deleted, one after the other, until that is over. How many turns there were.
fn edits_before(server: &Server, over: &AtomicBool, turns: &AtomicU32) {
    while !over.load(Ordering::Relaxed) {
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        let agents = if turn.is_multiple_of(2) { r#"["ann"]"# } else { r#"["bob","ANN"]"# };
        let name = format!("g{}", turn % 7);
        server.psql(&group_before(&name, &format!(r#"{{"name":"{name}","agents":{agents}}}"#)));
        if turn % 5 == 4 {
            server.psql("delete from object_document where kind = 'agent_group' and name = 'g1'");
        }
    }
}

#[tokio::test]
async fn documents_come_into_the_tables_of_their_kinds_while_the_release_before_writes_them() {
    let server = Arc::new(Server::start(16));
    let settings = server.settings();
    postgres::bring_up_to_date(&settings, NAME).await.unwrap();
    let before = server.psql("select version - 1 from _sqlx_migrations where description = 'object tables'");
    server.psql("drop schema public cascade; create schema public");
    postgres::up_to(&settings, NAME, before.parse().unwrap()).await.unwrap();
    server.psql(
        "insert into tenant (id, revision, name, realm, hold_music, no_answer_s, wrap_up_s) values
             ('acme', 1, 'Acme', 'acme', 'm', 1, 1), ('hurt', 1, 'Hurt', 'hurt', 'm', 1, 1);
         insert into person (tenant, user_name, first_name, last_name) values
             ('acme', 'ann', 'Ann', 'Adams'), ('acme', 'bob', 'Bob', 'Berg')",
    );
    // A release before that one has deleted somebody who is named.
    server.psql(&group_before("lost", r#"{"name":"lost","agents":["nobody","bob"]}"#));
    server.psql("insert into object_document (tenant, kind, name, document) values ('hurt', 'list', 'half', '{')");

    let (over, turns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (editor, is_over, count) = (server.clone(), over.clone(), turns.clone());
    let editing = tokio::task::spawn_blocking(move || edits_before(&editor, &is_over, &count));
    until_turn(&turns, 10).await;
    postgres::bring_up_to_date(&settings, NAME).await.unwrap();
    until_turn(&turns, turns.load(Ordering::Relaxed) + 20).await;
    over.store(true, Ordering::Relaxed);
    editing.await.unwrap();

    let differ = "select count(*) from (select name, document from object_document where tenant = 'acme') as before
         full join (select name, document from agent_group where tenant = 'acme') as own
         on before.name = own.name and before.document = own.document where before.name is null or own.name is null";
    assert_eq!(server.psql(differ), "0");
    let differ = "with named as (select name, nth - 1 as nth, person from agent_group,
             jsonb_array_elements_text(document::jsonb -> 'agents') with ordinality as each (person, nth))
         select count(*) from named full join agent_group_agent as own
         on named.name = own.name and named.nth = own.nth and named.person = own.person
         where (own.name is null and named.person <> 'nobody') or named.name is null";
    assert_eq!(server.psql(differ), "0");
    assert_ne!(server.psql("select count(*) from agent_group_agent"), "0");
    let store = open(&settings);
    let (_, held) = store.load(&tenant("acme")).await.unwrap().unwrap();
    let lost = held.agent_groups.iter().find(|group| group.name == "lost").unwrap();
    assert_eq!(lost.agents, ["nobody", "bob"], "a document stays whole");
    let hurt = store.load(&tenant("hurt")).await;
    assert!(matches!(&hurt, Err(StoreError::Corrupt { what, .. }) if what == "table lookup_list"), "{hurt:?}");
}

/// Until so many turns were begun.
async fn until_turn(turns: &AtomicU32, wanted: u32) {
    let come = async {
        while turns.load(Ordering::Relaxed) < wanted {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), come).await.unwrap();
}

/// A store with a tenant that each of its connections has read, and what that is.
async fn read_by_all(server: &Server) -> (PostgresProvisioning, TenantId, Option<(Revision, TenantObjects)>) {
    let (_, store) = brought(server).await;
    let acme = tenant("acme");
    store.update(&acme, Revision(0), puts("acme"), provisioning::note()).await.unwrap();
    let known = Some((Revision(1), provisioning::objects("acme")));
    for loaded in loads(&store, &acme).await {
        assert_eq!(loaded.unwrap(), known);
    }
    at_rest(server).await;
    (store, acme, known)
}

#[tokio::test]
async fn a_release_reads_on_by_the_connections_it_has_when_a_later_one_adds_columns() {
    let server = Server::start(10);
    let (store, acme, known) = read_by_all(&server).await;
    let connections = server.backends(NAME);
    // To every table, as a later release may.
    let tables = server.psql("select tablename from pg_tables where schemaname = 'public' and tablename !~ '^_sqlx'");
    assert!(tables.lines().any(|table| table == "trunk"), "{tables}");
    for table in tables.lines() {
        server.psql(&format!("alter table {table} add column later text"));
    }
    for loaded in loads(&store, &acme).await {
        assert_eq!(loaded.unwrap(), known);
    }
    let still = server.backends(NAME);
    assert!(connections.iter().all(|pid| still.contains(pid)), "{connections:?} are used again: {still:?}");
}

#[tokio::test]
async fn a_statement_whose_result_has_changed_fails_once_on_each_connection() {
    let server = Server::start(11);
    let (store, acme, known) = read_by_all(&server).await;
    server.psql("alter table prompt alter column file type text collate \"C\"");
    let mut refused = 0;
    for _ in 0..4 * CONNECTIONS {
        match store.load(&acme).await {
            Ok(loaded) => assert_eq!(loaded, known),
            Err(StoreError::Unavailable { reason }) if reason.contains("cached plan") => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!((1..=CONNECTIONS).contains(&refused), "{refused}");
}

#[tokio::test]
async fn a_restart_of_the_server_is_survived() {
    let mut server = Server::start(4);
    let (_, store) = brought(&server).await;
    let acme = tenant("acme");
    store.update(&acme, Revision(0), puts("acme"), provisioning::note()).await.unwrap();
    server.kill();
    let away = store.load(&acme).await;
    assert!(matches!(away, Err(StoreError::Unavailable { .. })), "{away:?}");
    server.start_again();
    let loaded = until_it_answers(&store, &acme).await;
    assert_eq!(loaded, Some((Revision(1), provisioning::objects("acme"))));
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_told_apart_from_one_that_is_away() {
    let server = Server::start(5);
    assert!(postgres::examine(&server.settings(), NAME).await.is_ok());
    let no_such = PostgresSettings { url: server.settings().url.replace("/trunkline", "/nothing"), authorities: None };
    let wrong = postgres::examine(&no_such, NAME).await;
    assert!(matches!(&wrong, Err(Unusable::Wrong(why)) if why.contains("nothing")), "{wrong:?}");
    let away = PostgresSettings { url: server.settings().url.replace(":5432", ":5433"), authorities: None };
    let away = postgres::examine(&away, NAME).await;
    assert!(matches!(away, Err(Unusable::Away(_))), "{away:?}");
}
