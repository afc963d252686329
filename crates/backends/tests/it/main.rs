//! The persistent configuration in SQLite and in PostgreSQL.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests report by panicking and wait by the clock")]

mod postgres;

use std::path::PathBuf;
use std::sync::Arc;

use backends::sqlite::SqliteProvisioning;
use infra::conformance::{
    api_keys, audit_outbox, contacts, passkeys, people_imports, personal_records, prompt_audio, provisioning, secrets,
    shifts, sign_in_audit, tenant_life,
};
use infra::{ObjectChange, ProvisioningStore as _, Revision, SecretSeals};
use model::TenantId;

/// A file of a test's own, removed at its end.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("trunkline-sqlite-{}-{name}.db", std::process::id())))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

#[tokio::test]
async fn sqlite_does_what_every_database_does() {
    let file = File::new("suite");
    let store = SqliteProvisioning::open(&file.0).await.unwrap();
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
}

#[tokio::test]
async fn sqlite_keeps_secrets_sealed() {
    let file = File::new("sealed");
    let store = SqliteProvisioning::open(&file.0).await.unwrap();
    secrets::run(&store.sealed_by(SecretSeals::of(Arc::new(secrets::LegibleCipher)))).await;
}

/// What has no secrets of its own to look for is the same with a cipher.
#[tokio::test]
async fn sqlite_with_sealed_secrets_does_what_every_database_does() {
    let file = File::new("sealed-suite");
    let store = SqliteProvisioning::open(&file.0).await.unwrap();
    provisioning::run(&store.sealed_by(SecretSeals::of(Arc::new(secrets::LegibleCipher)))).await;
}

#[tokio::test]
async fn a_tenant_is_still_there_when_the_file_is_opened_again() {
    let file = File::new("again");
    let (acme, objects) = (TenantId::parse("acme").unwrap(), provisioning::objects("acme"));
    let store = SqliteProvisioning::open(&file.0).await.unwrap();
    store
        .update(&acme, Revision(0), objects.objects().map(ObjectChange::Put).collect(), provisioning::note())
        .await
        .unwrap();
    drop(store);
    let store = SqliteProvisioning::open(&file.0).await.unwrap();
    assert_eq!(store.load(&acme).await.unwrap(), Some((Revision(1), objects)));
    assert_eq!(store.tenants().await.unwrap(), [(acme, Revision(1))]);
}
