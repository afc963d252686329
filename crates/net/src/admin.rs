//! Queries a path on the admin HTTP of every role of the instance: in parallel, each with a deadline.
//!
//! No role knows the whole installation; each reports its own part, in any number of processes. Operators' commands query with
//! a token of their own; a role queries over the connection of the table that it declares for this.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use runtime::admin_listener::{AdminListener, admin_listeners};
use runtime::{Directory, RoleContext, RoleSpec};
use serde::de::DeserializeOwned;

use crate::http::{Answer, CallError, Client, get_once};

/// A role that has not answered within this time counts as not there: every answer is made from memory.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Queries every role. Cheap to clone.
#[derive(Clone)]
pub struct AdminClient {
    table: &'static [&'static RoleSpec],
    directory: Directory,
    by: Sender,
}

/// The sender of the queries.
#[derive(Clone)]
enum Sender {
    /// An operator's command, with its token.
    Operator(String),
    /// A role, with a client for each role that it queries.
    Role(HashMap<&'static str, Client>),
}

/// The answer of one replica.
#[derive(Clone, Debug)]
pub struct ReplicaAnswer {
    /// The replica.
    pub listener: AdminListener,
    /// Its answer, or why there is none.
    pub answer: Result<Answer, NoAnswer>,
}

/// Why a replica has not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The address accepts no connections: the replica does not run.
    #[error("it does not run")]
    NotThere,
    /// It accepted the connection and did not answer in time.
    #[error("it does not answer")]
    Silent,
    /// Something else went wrong.
    #[error("{0}")]
    Failed(String),
}

impl ReplicaAnswer {
    /// The answer as JSON; `None` if it is no success or does not have that shape.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        let answer = self.answer.as_ref().ok()?;
        if answer.status.is_success() { answer.json().ok() } else { None }
    }
}

impl AdminClient {
    /// For a role that has declared the connection `id` to every role.
    ///
    /// # Errors
    /// When the role has not declared it.
    pub fn of_role(ctx: &RoleContext, id: &str) -> anyhow::Result<Self> {
        let clients = ctx.table.iter().map(|spec| {
            let client = Client::to(ctx, id, spec.name, spec.admin_port)?;
            anyhow::Ok((spec.name, client))
        });
        let by = Sender::Role(clients.collect::<Result<_, _>>()?);
        Ok(Self { table: ctx.table, directory: ctx.directory.clone(), by })
    }

    /// For an operator's command.
    pub fn of_operator(table: &'static [&'static RoleSpec], directory: Directory, token: String) -> Self {
        Self { table, directory, by: Sender::Operator(token) }
    }

    /// Queries all at the same time; the answers are in the order of the table.
    pub async fn ask(&self, path: &str) -> Vec<ReplicaAnswer> {
        self.ask_those(path, |_| true).await
    }

    /// Queries the replicas of one role.
    pub async fn ask_role(&self, role: &str, path: &str) -> Vec<ReplicaAnswer> {
        self.ask_those(path, |listener| listener.role == role).await
    }

    async fn ask_those(&self, path: &str, which: impl Fn(&AdminListener) -> bool) -> Vec<ReplicaAnswer> {
        let listeners = admin_listeners(self.table, &self.directory).into_iter().filter(which);
        let queries = listeners.map(|listener| async {
            let answer = self.ask_one(&listener, path).await;
            ReplicaAnswer { listener, answer }
        });
        join_all(queries).await
    }

    async fn ask_one(&self, listener: &AdminListener, path: &str) -> Result<Answer, NoAnswer> {
        match &self.by {
            Sender::Operator(token) => ask_as_operator(listener.address, path, token).await,
            Sender::Role(clients) => {
                let client = clients.get(listener.role).ok_or(NoAnswer::NotThere)?;
                let call = client.get(path).at(listener.address).deadline(ANSWER_WITHIN);
                call.send_any().await.map_err(|error| match error {
                    CallError::Connect(..) | CallError::Nowhere(_) => NoAnswer::NotThere,
                    CallError::Deadline(_) => NoAnswer::Silent,
                    other => NoAnswer::Failed(other.to_string()),
                })
            }
        }
    }
}

async fn ask_as_operator(to: SocketAddr, path: &str, token: &str) -> Result<Answer, NoAnswer> {
    match tokio::time::timeout(ANSWER_WITHIN, get_once(to, path, token)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if is_connect(&error) => Err(NoAnswer::NotThere),
        Ok(Err(error)) => Err(NoAnswer::Failed(format!("{error:#}"))),
        Err(_) => Err(NoAnswer::Silent),
    }
}

fn is_connect(error: &anyhow::Error) -> bool {
    error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect())
}
