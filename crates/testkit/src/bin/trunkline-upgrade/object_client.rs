//! A client of port 8888 that repeats what is UNAVAILABLE, as docs/provisioning.md tells clients to do, and nothing else.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::v1;
use contracts::v1::change_object::Action;
use contracts::v1::provisioning_client::ProvisioningClient;
use testkit::clock::{self, Micros, SECOND};
use testkit::facts::{bearing, connect};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::large_tenant::SKILL;
use crate::notes::{LoadNotes, LoadWork};

/// The deadline of a request.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
/// For how long an operation is repeated: longer than a step of the tables may wait for its locks.
const REPEATED_FOR: Micros = 45 * SECOND;
const AGAIN: Duration = Duration::from_millis(100);
const PERSON: &str = "person";
/// People of a page.
const PAGE: u32 = 100;
/// Changes of a page of the history of all people.
const HISTORY_PAGE: u32 = 500;

/// The client.
pub struct ObjectClient {
    client: ProvisioningClient<Channel>,
    token: String,
}

impl ObjectClient {
    /// Connects to the role tenant.
    pub async fn connect(place: SocketAddr, token: &str) -> Result<Self> {
        let channel = connect(place).await.with_context(|| format!("port 8888 at {place}"))?;
        Ok(Self { client: ProvisioningClient::new(channel), token: token.to_owned() })
    }

    /// Gives a person another last name at a revision; none if the stop of all processes has broken it off.
    pub async fn rename(
        &mut self,
        (user, expected): (&str, u64),
        (name, request): (&str, &str),
        notes: &LoadNotes,
    ) -> Result<Option<v1::ChangeObjectsResponse>> {
        let change = put((PERSON, user), &serde_json::json!({ "last_name": name }), &["last_name"], Some(expected));
        self.change(vec![change], request, notes).await
    }

    /// Makes changes under a key; none as above.
    pub async fn change(
        &mut self,
        changes: Vec<v1::ChangeObject>,
        request: &str,
        notes: &LoadNotes,
    ) -> Result<Option<v1::ChangeObjectsResponse>> {
        let asked =
            v1::ChangeObjectsRequest { changes, request_id: request.to_owned(), ..v1::ChangeObjectsRequest::default() };
        self.ask(LoadWork::Edit, asked, notes, |mut client, request| async move { client.change(request).await }).await
    }

    /// A person; none as above.
    pub async fn person(&mut self, user: &str, notes: &LoadNotes) -> Result<Option<v1::StoredObject>> {
        self.object((PERSON, user), notes).await
    }

    /// An object by kind and id; none as above.
    pub async fn object(&mut self, (kind, id): (&str, &str), notes: &LoadNotes) -> Result<Option<v1::StoredObject>> {
        let asked = v1::GetObjectRequest { kind: kind.to_owned(), id: id.to_owned(), fields: Vec::new() };
        self.ask(LoadWork::Look, asked, notes, |mut client, request| async move { client.get(request).await }).await
    }

    /// The first page of people with a skill; none as above.
    pub async fn page(&mut self, notes: &LoadNotes) -> Result<Option<v1::ListObjectsResponse>> {
        let asked = v1::ListObjectsRequest {
            kinds: vec![PERSON.to_owned()],
            filter: HashMap::from([("skill".to_owned(), SKILL.to_owned())]),
            fields: vec!["user_name".to_owned(), "last_name".to_owned()],
            page_size: PAGE,
            ..v1::ListObjectsRequest::default()
        };
        self.ask(LoadWork::List, asked, notes, |mut client, request| async move { client.list(request).await }).await
    }

    /// The latest changes of a person; none as above.
    pub async fn history_of(&mut self, user: &str, notes: &LoadNotes) -> Result<Option<v1::ObjectHistoryResponse>> {
        self.history((user, ""), 5, notes).await
    }

    /// A page of what has happened to all people, the latest change first; none as above.
    pub async fn history_page(
        &mut self,
        page_token: &str,
        notes: &LoadNotes,
    ) -> Result<Option<v1::ObjectHistoryResponse>> {
        self.history(("", page_token), HISTORY_PAGE, notes).await
    }

    async fn history(
        &mut self,
        (user, page_token): (&str, &str),
        page_size: u32,
        notes: &LoadNotes,
    ) -> Result<Option<v1::ObjectHistoryResponse>> {
        let asked = v1::ObjectHistoryRequest {
            kind: PERSON.to_owned(),
            id: user.to_owned(),
            page_size,
            page_token: page_token.to_owned(),
        };
        self.ask(LoadWork::History, asked, notes, |mut client, request| async move { client.history(request).await })
            .await
    }

    /// Asks until there is an answer; none if the stop of all processes has broken it off.
    ///
    /// # Errors
    /// A refusal other than UNAVAILABLE, or one that lasts.
    async fn ask<Q, A, F>(
        &mut self,
        work: LoadWork,
        asked: Q,
        notes: &LoadNotes,
        call: impl Fn(ProvisioningClient<Channel>, tonic::Request<Q>) -> F,
    ) -> Result<Option<A>>
    where
        Q: Clone,
        F: Future<Output = Result<tonic::Response<A>, Status>>,
    {
        let from = clock::now();
        loop {
            let request = bearing(asked.clone(), &self.token)?;
            let refused = match tokio::time::timeout(ANSWERED_WITHIN, call(self.client.clone(), request)).await {
                Ok(Ok(answer)) => {
                    notes.done(work, from);
                    return Ok(Some(answer.into_inner()));
                }
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded(format!("no answer within {ANSWERED_WITHIN:?}")),
            };
            if notes.is_stopped() && is_of_a_stop(refused.code()) {
                notes.break_off();
                return Ok(None);
            }
            let is_of_a_kill = notes.is_killed() && is_of_a_stop(refused.code());
            let said = || format!("{} is refused with {:?}: {}", work.name(), refused.code(), refused.message());
            ensure!(refused.code() == Code::Unavailable || is_of_a_kill, "{}", said());
            ensure!(clock::now().saturating_sub(from) < REPEATED_FOR, "{}; so it was for 45 s", said());
            notes.repeat();
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// A change that sets these fields of an object, all if none is named, at this revision if one is expected.
pub fn put(
    (kind, id): (&str, &str),
    document: &serde_json::Value,
    fields: &[&str],
    expected_revision: Option<u64>,
) -> v1::ChangeObject {
    let fields = fields.iter().map(|&field| field.to_owned()).collect();
    let action = Some(Action::Put(v1::PutObject { json: document.to_string(), fields }));
    v1::ChangeObject { kind: kind.to_owned(), id: id.to_owned(), expected_revision, action }
}

/// A change that deletes an object.
pub fn delete((kind, id): (&str, &str)) -> v1::ChangeObject {
    let action = Some(Action::Delete(v1::DeleteObject {}));
    v1::ChangeObject { kind: kind.to_owned(), id: id.to_owned(), expected_revision: None, action }
}

/// How a request may end whose process ends: by a refusal, or by its connection.
const fn is_of_a_stop(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal | Code::DeadlineExceeded)
}
