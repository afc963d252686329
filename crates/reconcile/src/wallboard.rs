//! The testimony of the wallboard.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// Counts of a queue, since the wallboard's counts began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Counts {
    pub entered: u64,
    pub answered: u64,
    pub abandoned: u64,
    pub waiting: u64,
}

/// The wallboard at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// Since when it counts, in milliseconds since 1970: usually the beginning of the tenant's day.
    pub counts_since: u64,
    pub totals: Counts,
    pub queues: BTreeMap<String, Counts>,
    /// The state of each agent, as `loggedOut`.
    pub agents: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    counts_since: u64,
    totals: Counts,
    queues: Vec<Queue>,
    agents: Vec<ShownAgent>,
}

#[derive(Deserialize)]
struct ShownAgent {
    id: String,
    state: String,
}

#[derive(Deserialize)]
struct Queue {
    id: String,
    #[serde(flatten)]
    counts: Counts,
}

impl Board {
    /// Fetches and parses it.
    pub async fn get(web: &str, tenant: &str, token: &str) -> Result<Self> {
        let body = crate::http::get(web, &format!("/pulse/api/v1/{tenant}/wallboard"), token).await?;
        Self::read(&body)
    }

    fn read(body: &[u8]) -> Result<Self> {
        let document: Document = serde_json::from_slice(body).context("the wallboard is not what it should be")?;
        let queues = document.queues.into_iter().map(|queue| (queue.id, queue.counts)).collect();
        let agents = document.agents.into_iter().map(|agent| (agent.id, agent.state)).collect();
        Ok(Self { counts_since: document.counts_since, totals: document.totals, queues, agents })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallboard_is_read() {
        let body =
            br#"{"tenant":"example","countsSince":1767225600000,"totals":{"waiting":1,"entered":9,"answered":5,"abandoned":3,"serviceLevel":80.0},
            "queues":[{"id":"sales","name":"Sales","waiting":1,"entered":9,"answered":5,"abandoned":3,"history":[]}],
            "agents":[{"id":"1001","name":"Ada Adler","extension":"7101","state":"loggedOut","reason":null,"since":1}]}"#;
        let board = Board::read(body).unwrap();
        let counts = Counts { entered: 9, answered: 5, abandoned: 3, waiting: 1 };
        assert_eq!((board.totals, board.queues["sales"]), (counts, counts));
        assert_eq!(board.agents["1001"], "loggedOut");
        assert!(Board::read(b"{}").is_err());
    }
}
