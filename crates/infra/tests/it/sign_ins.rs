//! Who is signed in stays so when the process restarts.

use super::*;

use infra::{SignInKey, SignInKind, SignIns};

const HOUR: Duration = Duration::from_secs(3_600);
const ALICE: &str = "person/alice";

fn key(kind: SignInKind, id: &str) -> SignInKey {
    SignInKey::new(kind, id)
}

/// What a process does before it ends.
async fn signs_in(store: &Embedded, clock: &SetClock) {
    let (acme, now) = (acme(), clock.now());
    let put = async |kind, id: &str, until| {
        store.put(&acme, &key(kind, id), Some(ALICE), Bytes::from(id.to_owned()), until).await.unwrap();
    };
    put(SignInKind::Session, "open", now + 3 * HOUR).await;
    put(SignInKind::Session, "closed", now + 3 * HOUR).await;
    put(SignInKind::Session, "short", now + HOUR).await;
    put(SignInKind::Code, "exchanged", now + 3 * HOUR).await;
    put(SignInKind::Refresh, "family", now + HOUR).await;
    SignIns::remove(store, &acme, &key(SignInKind::Session, "closed")).await.unwrap();
    SignIns::remove(store, &acme, &key(SignInKind::Code, "exchanged")).await.unwrap();
    let (seen, next) = (Bytes::from_static(b"family"), Bytes::from_static(b"next"));
    assert!(
        SignIns::replace(store, &acme, &key(SignInKind::Refresh, "family"), &seen, next, now + 3 * HOUR).await.unwrap()
    );
    assert!(
        SignIns::claim(store, &acme, &key(SignInKind::Attempts, "alice"), Bytes::from_static(b"3"), now + 3 * HOUR)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn who_is_signed_in_stays_so_when_the_process_restarts() {
    for compact_at in [u64::MAX, 100] {
        let (folder, clock) = (Folder::new(&format!("sign-ins-{compact_at}")), clock());
        let settings = JournalSettings { fsync: FsyncPolicy::Grouped, compact_at };
        signs_in(&Embedded::open(&folder.0, settings, clock.clone()).unwrap(), &clock).await;
        clock.advance(HOUR);
        let store = Embedded::open(&folder.0, settings, clock.clone()).unwrap();
        let owned = store.owned(&acme(), ALICE).await.unwrap();
        let refresh = (key(SignInKind::Refresh, "family"), Bytes::from_static(b"next"));
        let session = (key(SignInKind::Session, "open"), Bytes::from_static(b"open"));
        assert_eq!(owned.iter().collect::<std::collections::HashSet<_>>(), [&refresh, &session].into());
        for gone in ["closed", "short"] {
            assert_eq!(SignIns::read(&store, &acme(), &key(SignInKind::Session, gone)).await.unwrap(), None, "{gone}");
        }
        assert_eq!(SignIns::read(&store, &acme(), &key(SignInKind::Code, "exchanged")).await.unwrap(), None);
        let attempts = key(SignInKind::Attempts, "alice");
        let claim =
            async || SignIns::claim(&store, &acme(), &attempts, Bytes::new(), clock.now() + HOUR).await.unwrap();
        assert!(!claim().await);
        assert_eq!(SignIns::read(&store, &acme(), &attempts).await.unwrap(), Some(Bytes::from_static(b"3")));
        clock.advance(2 * HOUR);
        assert!(claim().await, "its end has stayed too");
    }
}

#[tokio::test]
async fn a_full_disk_signs_nobody_out_and_keeps_nobody_out() {
    let (folder, clock) = (Folder::new("sign-ins-full"), clock());
    // This device accepts no bytes.
    std::os::unix::fs::symlink("/dev/full", folder.0.join("1.journal")).unwrap();
    let settings = JournalSettings { fsync: FsyncPolicy::Never, compact_at: u64::MAX };
    let store = Embedded::open(&folder.0, settings, clock.clone()).unwrap();
    signs_in(&store, &clock).await;
    assert_eq!(store.owned(&acme(), ALICE).await.unwrap().len(), 3);
    assert_eq!(SignIns::read(&store, &acme(), &key(SignInKind::Session, "closed")).await.unwrap(), None);
}
