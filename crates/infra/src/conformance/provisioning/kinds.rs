//! Every kind of object, in every place where a store names kinds.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, TenantObjects};

use super::{note, objects, put_all, tenant};
use crate::{HistoryPoint, ObjectChange, ProvisioningStore, Revision, ToldChange};

pub(super) async fn run(store: &dyn ProvisioningStore) {
    every_kind_comes_and_goes(store).await;
}

/// A kind that is added fails here until [`objects`] has one, and the tables take it, find it and let it go.
async fn every_kind_comes_and_goes(store: &dyn ProvisioningStore) {
    let (acme, all) = (tenant("kinds"), objects("kinds"));
    store.update(&acme, Revision(0), put_all(&all), note()).await.unwrap();
    let (_, loaded) = store.load(&acme).await.unwrap().unwrap();
    for kind in ObjectKind::ALL {
        let stored = of_kind(&all, kind);
        assert!(!stored.is_empty(), "`objects` has no {}", kind.as_str());
        assert_eq!(of_kind(&loaded, kind), stored, "{} as they are loaded", kind.as_str());
        assert_eq!(store.of_kind(&acme, kind).await.unwrap(), stored, "{} alone", kind.as_str());
        for object in stored {
            let key = object.key();
            assert_eq!(store.find(&acme, &key).await.unwrap(), Some(object), "{key:?}");
        }
    }
    let own = ObjectKey { kind: ObjectKind::Tenant, id: String::new() };
    let others: Vec<ObjectKey> = all.objects().map(|object| object.key()).filter(|key| *key != own).collect();
    let deletions = others.iter().cloned().map(ObjectChange::Delete).collect();
    store.update(&acme, Revision(1), deletions, note()).await.unwrap();
    let (_, left) = store.load(&acme).await.unwrap().unwrap();
    assert_eq!(left.objects().map(|object| object.key()).collect::<Vec<_>>(), [own]);
    let told = store.changes(&acme, HistoryPoint::unstamped(Revision(1))).await.unwrap();
    for key in others {
        assert_eq!(store.find(&acme, &key).await.unwrap(), None, "{key:?}");
        assert!(told.changes.contains(&ToldChange::Delete(key.clone())), "followers are not told of {key:?}");
    }
}

fn of_kind(objects: &TenantObjects, kind: ObjectKind) -> Vec<Object> {
    objects.objects().filter(|object| object.key().kind == kind).collect()
}
