use infra::{Answer, Document, Publication, StoreError};

use super::*;

/// Two tenants, one of them unreadable.
struct Cache;

const VERSION: ConfigVersion = ConfigVersion { generation: 1, revision: 1 };

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

impl ConfigCache for Cache {
    fn publish(&self, _: Publication) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>> {
        Box::pin(async { Ok(vec![(tenant("acme"), VERSION), (tenant("globex"), VERSION)]) })
    }
    fn read<'a>(&'a self, of: &'a TenantId, _: Option<ConfigVersion>, _: Duration) -> Answer<'a, Reading> {
        Box::pin(async move {
            if *of == tenant("acme") {
                return Err(StoreError::Unavailable { reason: "a test".to_owned() });
            }
            let body = Some(br#"{"name":"sales"}"#.as_slice().into());
            let skill = Document { kind: "skill".to_owned(), id: "sales".to_owned(), revision: 1, body };
            Ok(Reading { version: VERSION, extent: Extent::Whole, documents: vec![skill] })
        })
    }
}

#[tokio::test]
async fn a_tenant_that_cannot_be_read_holds_up_no_other() {
    let copies = Copies::new(Metrics::register(&runtime::Metrics::default()));
    let changes = copies.changes();
    assert!(copies.refresh(&Cache).await.is_err(), "it is told and tried again");
    assert!(copies.tenant(&tenant("acme")).is_none());
    assert!(copies.tenant(&tenant("globex")).unwrap().get(ObjectKind::Skill, "sales").is_some());
    assert!(changes.has_changed().unwrap());
}
