//! What a session does beside the requests of its program: operations whose outcome is told later, changes that are watched, imports.

use std::sync::Arc;

use bayeux::ChannelName;
use serde_json::{Value, json};

use super::super::configuration_client::changes_after;
use super::super::import_history::ImportNote;
use super::super::people;
use super::super::published::{object, table};
use super::super::records::{ImportProgress, KeptProvisioning, ObjectWatch, PendingOperation};
use super::super::requesting_person::RequestingPerson;
use super::{ProvisioningSession, ProvisioningState};
use crate::sessions::answers::ApiRefusal;

/// The most operations of a session whose outcome some client may not have.
const OPERATIONS_MAX: usize = 16;
/// The most bytes of the notification of an outcome: two of them wait for a client beside much else.
const OUTCOME_BYTES_MAX: usize = 2 << 20;
/// The most changes that are told at once, and that may wait for a client: they stand in the record.
const CHANGES_AT_ONCE: usize = 16;
const CHANGES_WAITING_MAX: usize = 24;
/// Where outcomes are told, and changes. Published clients subscribe to channels of one part.
const OPERATIONS: &str = "/operations";
const OBJECTS: &str = "/objects";

/// An import that is taken over goes on nowhere: whoever took the table is gone.
pub(super) fn note_lost_import(kept: &mut KeptProvisioning) {
    if let Some(import) = kept.import.as_mut().filter(|import| import.is_under_way) {
        (import.is_under_way, import.is_unknown) = (false, true);
    }
}

impl ProvisioningSession {
    // === operations ===

    /// Takes an operation whose outcome is told by a notification.
    ///
    /// # Errors
    /// If too many are under way, or the session is not here any more.
    pub async fn begin_operation(
        &self,
        id: String,
        name: &str,
        query: Vec<(String, String)>,
    ) -> Result<(), ApiRefusal> {
        let mut state = self.state.lock().await;
        self.expect_here()?;
        if state.kept.operations.len() >= OPERATIONS_MAX {
            let words = format!("{OPERATIONS_MAX} operations are under way, or their outcomes were not fetched yet");
            return Err(ApiRefusal::too_many(words));
        }
        state.kept.last_number += 1;
        let number = state.kept.last_number;
        state.kept.operations.push(PendingOperation { number, id, name: name.to_owned(), query });
        self.settle(&mut state).await;
        self.expect_here()?;
        drop(state);
        self.begin_work().await;
        Ok(())
    }

    /// Sees that what is to be told is told: one operation after the other.
    pub(super) async fn begin_work(&self) {
        let mut state = self.state.lock().await;
        self.begin_work_in(&mut state);
    }

    /// The same where the state is locked already.
    pub(super) fn begin_work_in(&self, state: &mut ProvisioningState) {
        if !state.is_working
            && state.next_operation().is_some()
            && let Some(session) = self.me.upgrade()
        {
            state.is_working = true;
            tokio::spawn(session.work());
        }
    }

    async fn work(self: Arc<Self>) {
        while let Some((operation, asker)) = self.next_operation().await {
            let place = self.parts.operating.place(&self.cookie.tenant).await;
            let outcome = people::operate(&*self.parts.configuration, &asker, &operation).await;
            // Whoever waits for a place does not wait for the store, too.
            drop(place);
            self.tell(&operation, outcome).await;
        }
    }

    async fn next_operation(&self) -> Option<(PendingOperation, RequestingPerson)> {
        let mut state = self.state.lock().await;
        let next = state.next_operation().cloned().filter(|_| !self.is_over());
        state.is_working = next.is_some();
        next.map(|operation| (operation, self.asker(&state)))
    }

    async fn tell(&self, operation: &PendingOperation, outcome: Result<Value, ApiRefusal>) {
        let told = notification(operation, outcome);
        let mut state = self.state.lock().await;
        if let Ok(channel) = ChannelName::parse(OPERATIONS) {
            let now = self.parts.now();
            state.hub.publish(&channel, &told, Some(operation.number), now);
        }
        state.told = operation.number;
        self.settle(&mut state).await;
    }

    // === changes ===

    /// For whom it is to be asked whether objects have changed: where some are watched, and there is a client, for whom not too many wait.
    /// [`Self::look_for_changes`] comes after that.
    pub fn begin_watching(&self) -> Option<RequestingPerson> {
        let mut state = self.state.try_lock().ok()?;
        let is_due = state.kept.watch.is_some() && !state.is_watching && !self.is_over() && state.hub.has_clients();
        let waiting = state.kept.hub.clients.iter().map(|client| client.held.len()).max().unwrap_or_default();
        if !is_due || waiting >= CHANGES_WAITING_MAX {
            return None;
        }
        state.is_watching = true;
        Some(self.asker(&state))
    }

    /// Tells what has changed, if the tenant has another revision than was looked at last; none: nobody knows which one it has.
    pub async fn look_for_changes(&self, revision: Option<u64>) {
        let (watch, asker, revision) = {
            let mut state = self.state.lock().await;
            let (Some(watch), Some(revision)) = (state.kept.watch.clone(), revision) else {
                state.is_watching = false;
                return;
            };
            if revision <= watch.since {
                state.is_watching = false;
                // A tenant that was put back to a time before.
                if revision < watch.since {
                    state.kept.watch = Some(ObjectWatch { since: revision, after: 0, ..watch });
                    self.settle(&mut state).await;
                }
                return;
            }
            (watch, self.asker(&state), revision)
        };
        match changes_after(&*self.parts.configuration, &asker, (watch.after, watch.since)).await {
            Ok(changes) => self.tell_changes(&watch, changes, revision).await,
            Err(_) => self.state.lock().await.is_watching = false,
        }
    }

    /// Tells some of the changes behind `watch`, which are all until that revision.
    pub(super) async fn tell_changes(&self, watch: &ObjectWatch, changes: Vec<Value>, revision: u64) {
        let mut state = self.state.lock().await;
        state.is_watching = false;
        let is_same = state.kept.watch.as_ref() == Some(watch);
        let Ok(channel) = ChannelName::parse(OBJECTS) else { return };
        if !is_same || self.is_over() {
            return;
        }
        let (now, mut after) = (self.parts.now(), watch.after);
        let is_watched = |kind: &str| watch.kinds.is_empty() || watch.kinds.iter().any(|watched| watched == kind);
        let (mut told, mut is_all) = (0, true);
        for change in changes {
            if told >= CHANGES_AT_ONCE {
                is_all = false;
                break;
            }
            after = change["number"].as_u64().unwrap_or(after);
            if is_watched(change["kind"].as_str().unwrap_or_default()) {
                let data = json!({"channel": "objects", "data": object::change(&change)});
                state.hub.publish(&channel, &data, None, now);
                told += 1;
            }
        }
        let since = if is_all { revision } else { watch.since };
        state.kept.watch = Some(ObjectWatch { after, since, ..watch.clone() });
        self.settle(&mut state).await;
    }

    // === imports ===

    /// Begins to take a table of people, and has it noted.
    ///
    /// # Errors
    /// If one is being taken, or the session is not here any more: then nothing is taken, and nothing noted.
    pub async fn begin_import(
        &self,
        text: String,
        asker: RequestingPerson,
        note: ImportNote,
    ) -> Result<(), ApiRefusal> {
        let (total, request) = (table::lines(&text), note.request().to_owned());
        let progress = ImportProgress { is_under_way: true, total, request, ..ImportProgress::default() };
        let begins = progress.clone();
        let begun = self.change(|kept| {
            let is_free = !kept.import.as_ref().is_some_and(|import| import.is_under_way);
            if is_free {
                kept.import = Some(progress);
            }
            is_free
        });
        if !begun.await? {
            return Err(ApiRefusal::conflict("a table of people is being taken already"));
        }
        let Some(session) = self.me.upgrade() else { return Ok(()) };
        tokio::spawn(async move {
            let taken = match note.begin().await {
                Ok(()) => people::import(&*session.parts.configuration, &asker, text, note.request(), false).await,
                Err(refusal) => Err(refusal),
            };
            let progress = imported(begins, taken);
            note.end(&progress).await;
            let ended = session.change(|kept| kept.import = Some(progress)).await;
            if ended.is_err() {
                tracing::info!(tenant = %session.cookie.tenant, "a table was taken whose session is at another replica");
            }
        });
        Ok(())
    }
}

impl ProvisioningState {
    /// The operation that is to be carried out next: once there are clients, and each has room for its outcome.
    pub(super) fn next_operation(&self) -> Option<&PendingOperation> {
        let has_room = self.hub.has_clients()
            && self.kept.hub.clients.iter().all(|client| !self.hub.knows(&client.id) || self.hub.has_room(&client.id));
        self.kept.operations.iter().find(|one| one.number > self.told).filter(|_| has_room)
    }
}

/// What is told of an operation. An outcome that is too large is refused: it would take the place of everything else that waits.
fn notification(operation: &PendingOperation, outcome: Result<Value, ApiRefusal>) -> Value {
    let of_body = |body: Value| {
        // Published clients read the text as JSON once more.
        json!({
            "channel": "operations",
            "data": {
                "id": operation.id, "path": format!("/operations/{}", operation.name),
                "data": {"status": body["status"], "data": body.to_string()},
            },
        })
    };
    let told = of_body(match outcome {
        Ok(data) => json!({"status": {"code": 0}, "data": data}),
        Err(refusal) => refusal.body(),
    });
    if told.to_string().len() <= OUTCOME_BYTES_MAX {
        return told;
    }
    let words =
        format!("the outcome has more than {OUTCOME_BYTES_MAX} bytes: ask for parts of it, by limit and offset");
    of_body(ApiRefusal::bad_request(words).body())
}

/// How far an import is that has come to an end.
fn imported(before: ImportProgress, taken: Result<Value, ApiRefusal>) -> ImportProgress {
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap_or_default()).unwrap_or(u32::MAX);
    match taken {
        Ok(taken) => {
            let failed = table::faults(&taken);
            let total = number(&taken["rows"]);
            let succeeded = if failed.is_empty() { total } else { 0 };
            ImportProgress { is_under_way: false, total, succeeded, failed, ..before }
        }
        Err(refusal) if refusal.may_be_done() => ImportProgress { is_under_way: false, is_unknown: true, ..before },
        Err(refusal) => {
            let failed = vec![refusal.message().to_owned()];
            ImportProgress { is_under_way: false, failed, ..before }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_that_is_too_large_is_refused_with_the_way_to_ask_for_it() {
        let (id, name) = ("a-1".to_owned(), "get-users".to_owned());
        let operation = PendingOperation { number: 1, id, name, query: Vec::new() };
        let told = |letters: usize| notification(&operation, Ok(json!({"users": "x".repeat(letters)})));
        assert_eq!(told(1_000)["data"]["data"]["status"]["code"], 0);
        let refused = told(OUTCOME_BYTES_MAX);
        assert_eq!((&refused["data"]["id"], &refused["data"]["data"]["status"]["code"]), (&json!("a-1"), &json!(400)));
        assert!(refused.to_string().contains("limit and offset"), "{refused}");
    }

    #[test]
    fn a_table_is_taken_whole_or_not_at_all() {
        let under_way = || ImportProgress { is_under_way: true, total: 3, ..ImportProgress::default() };
        let all = imported(under_way(), Ok(json!({"rows": 3, "changed": 2, "faults": []})));
        assert_eq!((all.succeeded, all.is_under_way, all.failed.len()), (3, false, 0));
        let fault = json!({"line": 2, "column": "skills", "rule": "there is no skill Patience"});
        let none = imported(under_way(), Ok(json!({"rows": 3, "changed": 0, "faults": [fault]})));
        assert_eq!((none.succeeded, none.total), (0, 3));
        assert_eq!(none.failed, ["line 2, column skills: there is no skill Patience"]);
        let refused = imported(under_way(), Err(ApiRefusal::forbidden("no right")));
        assert_eq!((refused.succeeded, refused.failed), (0, vec!["no right".to_owned()]));
    }

    #[test]
    fn whether_a_table_was_taken_is_unknown_where_nobody_has_answered_to_the_end() {
        let under_way =
            || ImportProgress { is_under_way: true, total: 3, request: "june".to_owned(), ..ImportProgress::default() };
        for unanswered in [ApiRefusal::late(), ApiRefusal::unanswered("gone")] {
            let unknown = imported(under_way(), Err(unanswered));
            let due = ImportProgress { is_under_way: false, is_unknown: true, ..under_way() };
            assert_eq!(unknown, due);
        }
        let refused = imported(under_way(), Err(ApiRefusal::unavailable("nothing was sent")));
        assert_eq!((refused.is_unknown, refused.failed), (false, vec!["nothing was sent".to_owned()]));
        let mut kept =
            KeptProvisioning { import: Some(under_way()), ..KeptProvisioning::of_test("ada", model::Timestamp::ZERO) };
        note_lost_import(&mut kept);
        assert_eq!(kept.import, Some(ImportProgress { is_under_way: false, is_unknown: true, ..under_way() }));
    }
}
