//! A tenant for tests, of which a folder hides objects from people who see all others.

use std::collections::HashMap;

use contracts::provisioning::{
    Folder, FolderPermission, FolderRight, OAuthClient, ObjectAnnex, ObjectKey, ObjectKind, Person, Privilege, Prompt,
    PromptAudio,
};
use infra::{HistoryPoint, Revision, VersionedObjects};

use crate::objects::IndexedTenant;

/// The folder `Board` has the person lea, the client crm, and the prompt secret. fred, a folder administrator, reads it; dora, a designer,
/// does not; rita, an administrator, is shut out of it, and root, another one, is not. The prompt secret plays the recordings of `a` and
/// `b`, the prompt music, which is in no folder, that of `b`.
pub(super) fn hiding_tenant() -> IndexedTenant {
    let mut objects = infra::conformance::provisioning::objects("acme");
    objects.annexes.clear();
    objects.access_groups.clear();
    objects.roles.clear();
    objects.people = vec![
        person("root", &[Privilege::Administrator]),
        person("rita", &[Privilege::Administrator]),
        person("dora", &[Privilege::Designer]),
        person("fred", &[Privilege::FolderAdministrator]),
        person("lea", &[]),
    ];
    objects.clients = ["crm", "open"].map(client).to_vec();
    objects.prompts = vec![prompt("secret", &["a", "b"]), prompt("music", &["b"])];
    let reads = FolderPermission { person: Some("fred".to_owned()), rights: vec![FolderRight::Read], ..entry() };
    let shut = FolderPermission { person: Some("rita".to_owned()), no_access: true, ..entry() };
    objects.folders = vec![Folder { path: "Board".to_owned(), description: None, permissions: vec![reads, shut] }];
    for (kind, id) in [(ObjectKind::Person, "lea"), (ObjectKind::Client, "crm"), (ObjectKind::Prompt, "secret")] {
        let annex = ObjectAnnex { folder: Some("Board".to_owned()), ..ObjectAnnex::default() };
        objects.annexes.insert(ObjectKey { kind, id: id.to_owned() }, annex);
    }
    let point = HistoryPoint::unstamped(Revision(3));
    IndexedTenant::of(VersionedObjects { point, objects, revisions: HashMap::new() })
}

fn entry() -> FolderPermission {
    FolderPermission { propagate: true, ..FolderPermission::default() }
}

fn person(user: &str, privileges: &[Privilege]) -> Person {
    Person { user_name: user.to_owned(), privileges: privileges.to_vec(), ..Person::default() }
}

fn client(id: &str) -> OAuthClient {
    OAuthClient { id: id.to_owned(), ..OAuthClient::default() }
}

fn prompt(name: &str, recordings: &[&str]) -> Prompt {
    let audio = |digit: &&str| PromptAudio { language: "en".to_owned(), sha256: digit.repeat(64) };
    Prompt { name: name.to_owned(), file: format!("{name}.wav"), audio: recordings.iter().map(audio).collect() }
}
