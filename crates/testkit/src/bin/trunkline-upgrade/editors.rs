//! The load on the configuration: administrators who edit people and groups one by one, and programs that read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use contracts::v1;
use serde_json::Value;
use testkit::facts::runtime;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::group_editor::GroupEditor;
use crate::large_tenant::user;
use crate::notes::{AcknowledgedEdit, LoadNotes};
use crate::object_client::ObjectClient;
use crate::person_document::{EDITED_FIELD, differences, named};

/// Administrators at work, each with people that nobody else edits.
const EDITORS: u32 = 3;
const PEOPLE_OF_EDITOR: u32 = 40;
/// Programs that read.
const READERS: u32 = 2;
/// Between two turns of a task: the load is to be steady, not to be all that the machine can do.
const PAUSE: Duration = Duration::from_millis(100);
/// Edits of an editor until one is looked up in the history.
const HISTORY_EACH: u64 = 5;
/// Longer than any operation is repeated.
const JOINED_WITHIN: Duration = Duration::from_secs(90);

/// An edit that has been sent, or is about to be.
#[derive(Clone, Debug)]
struct PendingEdit {
    at: usize,
    expected: u64,
    name: String,
    request: String,
}

/// A person with the revision that the editor knows, and the document that was seen first.
struct EditedPerson {
    user: String,
    revision: Option<u64>,
    document: Option<Value>,
}

/// An administrator.
struct Editor {
    number: u32,
    people: Vec<EditedPerson>,
    made: u64,
    /// An edit of which nobody knows whether it was carried out: it is sent again under its key.
    pending: Option<PendingEdit>,
}

impl Editor {
    fn new(number: u32) -> Self {
        let people = (0..PEOPLE_OF_EDITOR)
            .map(|person| user(number * PEOPLE_OF_EDITOR + person))
            .map(|user| EditedPerson { user, revision: None, document: None });
        Self { number, people: people.collect(), made: 0, pending: None }
    }

    async fn work(&mut self, client: &mut ObjectClient, notes: &LoadNotes) -> Result<()> {
        while !notes.has_ended() && self.turn(client, notes).await? {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// An edit, and a look at what has become of it. False if it was broken off.
    async fn turn(&mut self, client: &mut ObjectClient, notes: &LoadNotes) -> Result<bool> {
        let Some(edit) = self.next(client, notes).await? else { return Ok(false) };
        let person = self.people.get(edit.at).context("nobody is there")?;
        let (user, first) = (person.user.clone(), person.document.clone().context("the person was never seen")?);
        let answer = client
            .rename((&user, edit.expected), (&edit.name, &edit.request), notes)
            .await
            .with_context(|| format!("{} of {user}, expected at revision {}", edit.request, edit.expected))?;
        let Some(answer) = answer else {
            self.pending = Some(edit);
            return Ok(false);
        };
        let revision = answer.objects.first().with_context(|| format!("{answer:?} has no object"))?.revision;
        ensure!(revision > edit.expected, "{} of {user} has led from {} to {revision}", edit.request, edit.expected);
        if let Some(person) = self.people.get_mut(edit.at) {
            person.revision = Some(revision);
        }
        let PendingEdit { name, request, .. } = edit;
        let document = named(first, &name);
        let acknowledged = AcknowledgedEdit { user, name, revision, request, document, is_imported: false };
        notes.acknowledge(acknowledged.clone(), answer.repeated_request);
        let Some(seen) = client.person(&acknowledged.user, notes).await? else { return Ok(false) };
        compare(&acknowledged, &seen, notes)?;
        if self.made.is_multiple_of(HISTORY_EACH) {
            let Some(history) = client.history_of(&acknowledged.user, notes).await? else { return Ok(false) };
            is_told(&acknowledged, &history)?;
        }
        Ok(true)
    }

    /// The edit that is pending, or else the next one; none if it was broken off.
    async fn next(&mut self, client: &mut ObjectClient, notes: &LoadNotes) -> Result<Option<PendingEdit>> {
        if let Some(edit) = self.pending.take() {
            return Ok(Some(edit));
        }
        let number = self.made;
        let at = usize::try_from(number % u64::from(PEOPLE_OF_EDITOR))?;
        let person = self.people.get_mut(at).context("nobody is there")?;
        let expected = match person.revision {
            Some(revision) => revision,
            None => {
                let Some(seen) = client.person(&person.user, notes).await? else { return Ok(None) };
                if person.document.is_none() {
                    person.document = Some(serde_json::from_str(&seen.json).with_context(|| seen.json.clone())?);
                }
                *person.revision.insert(seen.revision)
            }
        };
        self.made += 1;
        let editor = self.number;
        let (name, request) = (format!("Edit {editor} {number}"), format!("upgrade-{editor}-{number}"));
        Ok(Some(PendingEdit { at, expected, name, request }))
    }
}

/// A look-up shows what was acknowledged before it; an older state is noted, since it may be that the database was away.
fn compare(edit: &AcknowledgedEdit, seen: &v1::StoredObject, notes: &LoadNotes) -> Result<()> {
    if seen.revision < edit.revision {
        let AcknowledgedEdit { user, revision, .. } = edit;
        notes.stale(format!("{user} is shown at revision {} after {revision} was acknowledged", seen.revision));
        return Ok(());
    }
    let document: Value = serde_json::from_str(&seen.json).with_context(|| seen.json.clone())?;
    let other = differences(&edit.document, &document);
    ensure!(
        seen.revision == edit.revision && other.is_empty(),
        "{edit:?} was acknowledged, and the person is {document} at revision {}, otherwise in {other:?}",
        seen.revision
    );
    Ok(())
}

/// The latest entry of the person's history is the edit.
fn is_told(edit: &AcknowledgedEdit, history: &v1::ObjectHistoryResponse) -> Result<()> {
    let entry = history.entries.first().with_context(|| format!("{} has no history", edit.user))?;
    ensure!(
        entry.request_id == edit.request && is_of(edit, entry),
        "{edit:?} was acknowledged, and the latest of the person's history is {entry:?}"
    );
    Ok(())
}

/// Whether an entry of the history tells the edit as it was acknowledged.
pub fn is_of(edit: &AcknowledgedEdit, entry: &v1::ObjectHistoryEntry) -> bool {
    let after: Value = serde_json::from_str(&entry.after).unwrap_or_default();
    entry.id == edit.user && entry.revision == edit.revision && after[EDITED_FIELD] == edit.name.as_str()
}

/// A program that reads.
struct ReadingProgram {
    number: u32,
    people: u32,
    made: u32,
}

impl ReadingProgram {
    async fn work(&mut self, client: &mut ObjectClient, notes: &LoadNotes) -> Result<()> {
        while !notes.has_ended() && self.turn(client, notes).await? {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// A page of people, or one of them.
    async fn turn(&mut self, client: &mut ObjectClient, notes: &LoadNotes) -> Result<bool> {
        self.made = self.made.wrapping_add(1);
        if self.made.is_multiple_of(2) {
            let Some(page) = client.page(notes).await? else { return Ok(false) };
            ensure!(!page.objects.is_empty(), "a list of people with a skill is empty");
            return Ok(true);
        }
        // Others than the one before, all over the tenant.
        let wanted = user(self.made.wrapping_mul(7_919).wrapping_add(self.number) % self.people);
        let Some(seen) = client.person(&wanted, notes).await? else { return Ok(false) };
        ensure!(seen.id == wanted, "{} instead of {wanted}", seen.id);
        Ok(true)
    }
}

/// All editors and readers.
pub struct EditLoad {
    runtime: Runtime,
    place: SocketAddr,
    editors: Vec<Editor>,
    readers: Vec<ReadingProgram>,
    groups: Vec<GroupEditor>,
    running: Vec<JoinHandle<Tasked>>,
    /// What they have asked and were told.
    pub notes: Arc<LoadNotes>,
}

/// What a task gives back at its end.
enum Tasked {
    Editor(Editor),
    Reader(ReadingProgram),
    Groups(GroupEditor),
}

impl EditLoad {
    /// Editors and readers of a tenant of so many people, at port 8888 of this place. None is at work yet.
    pub fn new(place: SocketAddr, people: u32) -> Result<Self> {
        Ok(Self {
            runtime: runtime()?,
            place,
            editors: (0..EDITORS).map(Editor::new).collect(),
            readers: (0..READERS).map(|number| ReadingProgram { number, people, made: 0 }).collect(),
            groups: vec![GroupEditor::default()],
            running: Vec::new(),
            notes: Arc::default(),
        })
    }

    /// All go to work, with this token.
    pub fn begin(&mut self, token: &str) -> Result<()> {
        self.notes.begin();
        let count = self.editors.len() + self.readers.len() + self.groups.len();
        let clients = (0..count).map(|_| self.client(token)).collect::<Result<Vec<_>>>()?;
        let editors = self.editors.drain(..).map(Tasked::Editor);
        let others = self.readers.drain(..).map(Tasked::Reader).chain(self.groups.drain(..).map(Tasked::Groups));
        let tasks: Vec<Tasked> = editors.chain(others).collect();
        for (task, client) in tasks.into_iter().zip(clients) {
            let notes = Arc::clone(&self.notes);
            self.running.push(self.runtime.spawn(at_work(task, client, notes)));
        }
        Ok(())
    }

    /// Whether they have been begun and not ended.
    pub const fn is_at_work(&self) -> bool {
        !self.running.is_empty()
    }

    /// Each ends when its present turn is over.
    pub fn end(&mut self) -> Result<()> {
        self.notes.end();
        self.join()
    }

    /// Waits until all have ended, by themselves or since they were broken off.
    pub fn join(&mut self) -> Result<()> {
        for running in self.running.drain(..) {
            let ended = self.runtime.block_on(async { tokio::time::timeout(JOINED_WITHIN, running).await });
            match ended {
                Ok(Ok(Tasked::Editor(editor))) => self.editors.push(editor),
                Ok(Ok(Tasked::Reader(reader))) => self.readers.push(reader),
                Ok(Ok(Tasked::Groups(editor))) => self.groups.push(editor),
                Ok(Err(error)) => bail!("a task of the load has failed: {error}"),
                Err(_) => bail!("a task of the load has not ended within {JOINED_WITHIN:?}"),
            }
        }
        Ok(())
    }

    /// An import has changed the revisions of people: editors ask for them before their next edits.
    pub fn forget_revisions(&mut self) {
        self.editors.iter_mut().flat_map(|editor| &mut editor.people).for_each(|person| person.revision = None);
    }

    /// The groups of agents that were edited, with their agents as they were acknowledged last.
    pub fn groups(&self) -> impl Iterator<Item = (&String, &Vec<String>)> {
        self.groups.iter().flat_map(GroupEditor::acknowledged)
    }

    /// A further client.
    pub fn client(&self, token: &str) -> Result<ObjectClient> {
        self.runtime.block_on(ObjectClient::connect(self.place, token))
    }

    /// Waits for what a client asks.
    pub fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

async fn at_work(mut task: Tasked, mut client: ObjectClient, notes: Arc<LoadNotes>) -> Tasked {
    let done = match &mut task {
        Tasked::Editor(editor) => editor.work(&mut client, &notes).await,
        Tasked::Reader(reader) => reader.work(&mut client, &notes).await,
        Tasked::Groups(editor) => editor.work(&mut client, &notes).await,
    };
    if let Err(error) = done {
        notes.fault(format!("{error:#}"));
    }
    task
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit() -> AcknowledgedEdit {
        AcknowledgedEdit {
            user: "ann".to_owned(),
            name: "Edit 0 1".to_owned(),
            revision: 7,
            request: "r".to_owned(),
            document: serde_json::json!({ "user_name": "ann", "last_name": "Edit 0 1" }),
            is_imported: false,
        }
    }

    fn seen(revision: u64, name: &str) -> v1::StoredObject {
        let json = format!(r#"{{"user_name":"ann","last_name":"{name}"}}"#);
        v1::StoredObject { kind: "person".to_owned(), id: "ann".to_owned(), json, revision }
    }

    #[test]
    fn a_look_up_shows_the_edit_or_is_noted_or_is_a_fault() {
        let notes = LoadNotes::default();
        assert!(compare(&edit(), &seen(7, "Edit 0 1"), &notes).is_ok() && notes.take_stale().is_empty());
        assert!(compare(&edit(), &seen(6, "Before"), &notes).is_ok());
        assert_eq!(notes.take_stale().len(), 1);
        assert!(compare(&edit(), &seen(7, "Before"), &notes).is_err(), "the edit is lost");
        assert!(compare(&edit(), &seen(8, "Edit 0 1"), &notes).is_err(), "somebody else has edited the person");
    }

    #[test]
    fn another_edit_whose_name_begins_alike_is_not_taken_for_it() {
        let told = |name: &str| v1::ObjectHistoryEntry {
            id: "ann".to_owned(),
            revision: 7,
            after: format!(r#"{{"last_name":"{name}"}}"#),
            request_id: "r".to_owned(),
            ..v1::ObjectHistoryEntry::default()
        };
        assert!(is_of(&edit(), &told("Edit 0 1")));
        assert!(!is_of(&edit(), &told("Edit 0 10")));
    }

    #[test]
    fn no_two_editors_have_a_person_in_common() {
        let all = (0..EDITORS).map(Editor::new).flat_map(|editor| editor.people).map(|person| person.user);
        let all: std::collections::BTreeSet<String> = all.collect();
        assert_eq!(all.len(), usize::try_from(EDITORS * PEOPLE_OF_EDITOR).unwrap());
    }
}
