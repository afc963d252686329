//! Recordings of prompts. `store` has none of these tenants.

use std::time::Duration;

use contracts::provisioning::{Object, Prompt, PromptAudio};
use model::{TenantId, Timestamp};

use super::fixtures::tenant;
use super::provisioning::{note, objects};
use crate::bounds::{PROMPT_AUDIO_BYTES_MAX, PROMPT_AUDIO_MAX, PROMPT_AUDIO_UNNAMED_FOR};
use crate::{
    ArchivedPart, KeptAudio, NamedSnapshot, ObjectChange, Revision, SnapshotHead, StoreError, TenantArchive,
    TenantFileText,
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A recording whose bytes are as many as is said, none of which costs memory before it is stored; its name is not checked by the store.
fn recording(number: u64, bytes: usize) -> KeptAudio {
    KeptAudio { sha256: format!("{number:064x}"), wav: vec![0; bytes] }
}

/// A tenant that is there.
async fn made(store: &dyn TenantArchive, name: &str) -> TenantId {
    let all = objects(name).objects().map(ObjectChange::Put).collect();
    store.update(&tenant(name), Revision(0), all, note()).await.unwrap();
    tenant(name)
}

fn naming(audio: &[&KeptAudio]) -> Vec<ObjectChange> {
    let named = |audio: &&KeptAudio| PromptAudio { language: "en".to_owned(), sha256: audio.sha256.clone() };
    let mut prompt = Prompt::of_file("music".to_owned(), "music.wav".to_owned());
    prompt.audio = audio.iter().map(named).collect();
    vec![ObjectChange::Put(Object::Prompt(prompt))]
}

/// The archive of a tenant that has ended since.
async fn taken_away(store: &dyn TenantArchive, tenant: &TenantId, at: Revision) -> Vec<ArchivedPart> {
    let mut parts = Vec::new();
    let mut take = |part: ArchivedPart| {
        parts.push(part);
        Ok(())
    };
    assert!(store.archive(tenant, &mut take).await.unwrap());
    store.end_tenant(tenant, at, note()).await.unwrap().unwrap();
    while store.remove_ended(tenant, 1_000).await.unwrap() > 0 {}
    parts
}

async fn brought_back(store: &dyn TenantArchive, tenant: &TenantId, parts: Vec<ArchivedPart>) {
    let mut parts = parts.into_iter();
    store.restore_archive(tenant, &mut || Ok(parts.next()), note()).await.unwrap();
}

/// Runs the cases.
pub async fn run<S: TenantArchive>(store: &S) {
    one_is_read_by_its_tenant_alone(store).await;
    a_prompt_comes_back_with_what_it_names(store).await;
    an_archive_has_them_and_brings_them_back(store).await;
    where_there_is_no_room_what_nothing_names_goes(store).await;
    what_nothing_names_any_more_is_forgotten(store).await;
    they_go_with_their_tenant(store).await;
}

async fn one_is_read_by_its_tenant_alone(store: &dyn TenantArchive) {
    let (acme, other) = (made(store, "audio-acme").await, made(store, "audio-other").await);
    let one = recording(1, 300);
    for _ in 0..2 {
        store.keep_audio(&acme, &one, NOW).await.unwrap();
    }
    assert_eq!(store.audio(&acme, &one.sha256).await.unwrap(), Some(one.clone()));
    assert_eq!(store.audio(&other, &one.sha256).await.unwrap(), None);
    let nowhere = store.keep_audio(&tenant("audio-nowhere"), &one, NOW).await;
    assert!(matches!(nowhere, Err(StoreError::Invalid(_))), "{nowhere:?}");
}

async fn a_prompt_comes_back_with_what_it_names(store: &dyn TenantArchive) {
    let acme = made(store, "audio-named").await;
    let (first, second) = (recording(1, 10), recording(2, 10));
    store.update(&acme, Revision(1), naming(&[&first, &second]), note()).await.unwrap();
    let (_, read) = store.load(&acme).await.unwrap().unwrap();
    let named: Vec<_> = read.prompts[0].audio.iter().map(|audio| audio.sha256.clone()).collect();
    assert_eq!(named, [first.sha256, second.sha256]);
    store.update(&acme, Revision(2), naming(&[]), note()).await.unwrap();
    let (_, read) = store.load(&acme).await.unwrap().unwrap();
    assert_eq!(read.prompts[0].audio, []);
}

async fn an_archive_has_them_and_brings_them_back(store: &dyn TenantArchive) {
    let acme = made(store, "audio-archived").await;
    let one = recording(3, 1_000);
    store.keep_audio(&acme, &one, NOW).await.unwrap();
    let parts = taken_away(store, &acme, Revision(1)).await;
    assert!(parts.contains(&ArchivedPart::Audio(one.clone())));
    assert_eq!(store.audio(&acme, &one.sha256).await.unwrap(), None);
    brought_back(store, &acme, parts).await;
    assert_eq!(store.audio(&acme, &one.sha256).await.unwrap(), Some(one));
}

async fn where_there_is_no_room_what_nothing_names_goes(store: &dyn TenantArchive) {
    let acme = made(store, "audio-full").await;
    let (named, before) = (recording(1, 10), recording(2, 10));
    for (revision, of) in [(1, &before), (2, &named)] {
        store.keep_audio(&acme, of, NOW).await.unwrap();
        store.update(&acme, Revision(revision), naming(&[of]), note()).await.unwrap();
    }
    // At once: one by one they would take a minute.
    let mut parts = taken_away(store, &acme, Revision(3)).await;
    parts.extend((3..=PROMPT_AUDIO_MAX).map(|number| ArchivedPart::Audio(recording(number, 1))));
    brought_back(store, &acme, parts).await;
    let next = recording(0, 10);
    let full = store.keep_audio(&acme, &next, NOW).await;
    assert!(matches!(full, Err(StoreError::Full { bound: PROMPT_AUDIO_MAX, .. })), "{full:?}");
    let later = NOW + PROMPT_AUDIO_UNNAMED_FOR + Duration::from_secs(1);
    store.keep_audio(&acme, &next, later).await.unwrap();
    for (of, is_there) in [(&named, true), (&before, true), (&next, true), (&recording(3, 1), false)] {
        assert_eq!(store.audio(&acme, &of.sha256).await.unwrap().is_some(), is_there, "{of:?}");
    }
    let large = recording(9, usize::try_from(PROMPT_AUDIO_BYTES_MAX).unwrap());
    let full = store.keep_audio(&acme, &large, later).await;
    assert!(matches!(full, Err(StoreError::Full { bound: PROMPT_AUDIO_BYTES_MAX, .. })), "{full:?}");
}

async fn what_nothing_names_any_more_is_forgotten(store: &dyn TenantArchive) {
    let acme = made(store, "audio-forgotten").await;
    let [named, before, in_snapshot, never] = [1, 2, 3, 4].map(|number| recording(number, 10));
    for audio in [&named, &before, &in_snapshot, &never] {
        store.keep_audio(&acme, audio, NOW).await.unwrap();
    }
    for (revision, audio) in [(1, &before), (2, &named)] {
        store.update(&acme, Revision(revision), naming(&[audio]), note()).await.unwrap();
    }
    let head = SnapshotHead { name: "then".to_owned(), at: NOW, by: "user/ann".to_owned(), revision: Revision(1) };
    let file = TenantFileText(format!("prompts: {{music: {{audio: [{{sha256: {}}}]}}}}", in_snapshot.sha256));
    let snapshot = NamedSnapshot { head, file, documents: Vec::new() };
    assert!(store.keep_snapshot(&acme, &snapshot, note()).await.unwrap());
    let (lately, later) = (NOW + PROMPT_AUDIO_UNNAMED_FOR, NOW + PROMPT_AUDIO_UNNAMED_FOR + Duration::from_secs(1));
    assert_eq!(store.forget_audio(&acme, lately).await.unwrap(), 0, "it is a day old at most");
    assert_eq!(store.forget_audio(&acme, later).await.unwrap(), 1);
    assert_eq!(store.audio(&acme, &never.sha256).await.unwrap(), None);
    // The history forgets what is too old, and then names nothing of it.
    store.prune_history(&acme, NOW + Duration::from_secs(1), 1_000).await.unwrap();
    assert_eq!(store.forget_audio(&acme, later).await.unwrap(), 1);
    assert_eq!(store.audio(&acme, &before.sha256).await.unwrap(), None);
    assert!(store.remove_snapshot(&acme, "then", note()).await.unwrap());
    assert_eq!(store.forget_audio(&acme, later).await.unwrap(), 1);
    assert_eq!(store.audio(&acme, &in_snapshot.sha256).await.unwrap(), None);
    assert_eq!(store.audio(&acme, &named.sha256).await.unwrap(), Some(named));
}

async fn they_go_with_their_tenant(store: &dyn TenantArchive) {
    let acme = made(store, "audio-gone").await;
    store.keep_audio(&acme, &recording(1, 10), NOW).await.unwrap();
    store.end_tenant(&acme, Revision(1), note()).await.unwrap().unwrap();
    let late = store.keep_audio(&acme, &recording(2, 10), NOW).await;
    assert!(matches!(late, Err(StoreError::Invalid(_))), "a tenant that has ended takes a recording: {late:?}");
    while store.remove_ended(&acme, 1).await.unwrap() > 0 {}
    assert_eq!(store.audio(&acme, &recording(1, 10).sha256).await.unwrap(), None);
}
