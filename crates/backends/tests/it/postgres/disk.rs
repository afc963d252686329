//! A PostgreSQL whose disk is full.

use super::*;

#[tokio::test]
async fn an_update_for_which_the_disk_has_no_room_is_refused_with_that_word_and_done_later() {
    // A table grows in steps of 8 kB, so the last one is written in part, as on a full disk.
    const LIMIT: u32 = (16 << 20) + 4_096;
    let server = Server::start(9);
    let (_, store) = brought(&server).await;
    let acme = tenant("acme");
    store.update(&acme, Revision(0), puts("acme"), provisioning::note()).await.unwrap();
    // Incompressible data need their full room.
    let noise: String = (0..3_u64 << 20).map(letter).collect();
    let changes = |times: usize| (0..times).map(|n| application(&format!("A{n}"), noise.clone())).collect::<Vec<_>>();
    server.limit_files(&server.backends(NAME), Some(LIMIT));
    let updated = store.update(&acme, Revision(1), changes(8), provisioning::note()).await;
    let Err(error @ StoreError::DiskFull { .. }) = updated else { panic!("{updated:?}") };
    assert!(error.to_string().contains("configuration"), "{error}");
    assert_eq!(store.load(&acme).await.unwrap(), Some((Revision(1), provisioning::objects("acme"))));
    assert_eq!(
        server.psql("select count(*) from application where name collate \"C\" like 'A%'"),
        "0",
        "nothing of it is there"
    );
    server.limit_files(&server.backends(NAME), None);
    assert_eq!(store.update(&acme, Revision(1), changes(8), provisioning::note()).await.unwrap(), Revision(2));
    assert_eq!(server.psql("select count(*) from application where name collate \"C\" like 'A%'"), "8");
}

/// The letters of a text without pattern.
fn letter(at: u64) -> char {
    let mixed = (at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    char::from(b'!' + u8::try_from((mixed >> 40) % 90).unwrap())
}
