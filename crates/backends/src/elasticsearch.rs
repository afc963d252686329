//! Elasticsearch, or OpenSearch: what desktops search, and the states of what is monitored, shared by all replicas.
//!
//! Two indices hold it for all tenants, each document under an id that begins with its tenant, in the shard that the tenant leads to
//! (routing). Every query is a filter for the tenant, put together from values alone, around what is searched for: no text is ever read
//! as a query. All of it is written by id, so that whatever may have been done is done again; what is lost is collected anew.

mod address;
mod bulk;
mod connector;
mod exchange;
mod indices;
mod query;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use futures::FutureExt as _;
use http::{Method, StatusCode};
use infra::search::{accepted, accepted_states, expect_batch, not_collected};
use infra::{
    Answer, Client, Collection, FoundPlace, FoundTarget, FoundTargets, MonitoredState, Result, SearchStore, Swept,
    TargetDocument, TargetSearch, bounds,
};
use model::{TenantId, Timestamp};
use serde_json::{Value, json};

use bulk::BulkLines;
use exchange::{SearchExchange, unavailable};
use indices::Indices;

/// Time for an answer to a search, or to a question for states: a desktop waits for it.
const SEARCHED_WITHIN: Duration = Duration::from_secs(2);
/// Time for an answer to a write.
const WRITTEN_WITHIN: Duration = Duration::from_secs(15);
/// The most batches that a sweep goes through: a tenant has fewer.
const SWEEPS_MAX: usize = 2 * bounds::SEARCH_TARGETS_MAX / bounds::SEARCH_BATCH_MAX;

/// Where it is.
#[derive(Clone)]
pub struct ElasticsearchSettings {
    /// As `https://user:password@search.example:9200`.
    pub url: String,
    /// A file with the password, in place of that of the URL. It is read again when the server refuses the one that is known.
    pub password_file: Option<PathBuf>,
    /// What the names of the indices begin with: an installation of several that share a server has one of its own.
    pub prefix: String,
    /// A file of certificates (PEM) that verify the server's, instead of those of this machine.
    pub authorities: Option<Vec<u8>>,
}

/// The store.
pub struct ElasticsearchSearch {
    exchange: SearchExchange,
    indices: Indices,
    /// Whether the server has been told what the indices are.
    is_prepared: AtomicBool,
}

impl fmt::Debug for ElasticsearchSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElasticsearchSettings").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl ElasticsearchSettings {
    /// The server's address, without what it is used with.
    pub fn place(&self) -> String {
        address::place(&self.url)
    }
}

/// Asks the server which one it is.
///
/// # Errors
/// If it does not answer, or refuses.
pub async fn version(settings: &ElasticsearchSettings, client: Client) -> Result<String> {
    let exchange = SearchExchange::open(settings, client)?;
    let answer = exchange.ask(Method::GET, "/", None, SEARCHED_WITHIN).await?;
    let told: Value = answer.json()?;
    let version = &told["version"];
    let name = version["distribution"].as_str().unwrap_or("elasticsearch");
    Ok(format!("{name} {}", version["number"].as_str().unwrap_or("of an unknown version")))
}

impl ElasticsearchSearch {
    /// Connects at the first use; calls fail as [`infra::StoreError::Unavailable`] until that succeeds.
    ///
    /// # Errors
    /// When the settings are invalid.
    pub fn open(settings: &ElasticsearchSettings, client: Client) -> Result<Self> {
        let exchange = SearchExchange::open(settings, client)?;
        Ok(Self { exchange, indices: Indices::of(&settings.prefix)?, is_prepared: AtomicBool::new(false) })
    }

    /// Tells the server what the indices are, once.
    async fn prepare(&self) -> Result<()> {
        if self.is_prepared.load(SeqCst) {
            return Ok(());
        }
        for (alias, template) in self.indices.templates() {
            let path = format!("/_index_template/{alias}");
            self.exchange.ask(Method::PUT, &path, Some(&template), WRITTEN_WITHIN).await?.expect_success()?;
            let path = format!("/{}", Indices::behind(alias));
            let made = self.exchange.ask(Method::PUT, &path, None, WRITTEN_WITHIN).await?;
            // Another replica may have made it.
            if made.error_type().as_deref() != Some("resource_already_exists_exception") {
                made.expect_success()?;
            }
        }
        self.is_prepared.store(true, SeqCst);
        Ok(())
    }

    /// Writes lines.
    async fn write_lines(&self, lines: BulkLines) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.prepare().await?;
        let written = bulk::write(&self.exchange, lines, WRITTEN_WITHIN).await;
        if written.is_err() {
            // Perhaps the server has lost the indices, or is another one by now.
            self.is_prepared.store(false, SeqCst);
        }
        written
    }

    async fn refresh(&self, index: &str) -> Result<()> {
        let answer = self.exchange.ask(Method::POST, &format!("/{index}/_refresh"), None, WRITTEN_WITHIN).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(()),
            _ => answer.expect_success(),
        }
    }

    async fn swept(&self, tenant: &TenantId, build: Option<u64>, swept: Swept) -> Result<()> {
        let index = self.indices.name(swept);
        // What was written a moment ago is told from what is old.
        self.refresh(index).await?;
        let body = query::old_documents(tenant, build);
        for _ in 0..SWEEPS_MAX {
            let path = format!("/{index}/_search?routing={}", indices::routing(tenant));
            let answer = self.exchange.ask(Method::POST, &path, Some(&body), WRITTEN_WITHIN).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(());
            }
            let told: Value = answer.success()?.json()?;
            let lines = bulk::removing(index, tenant, &told);
            if lines.is_empty() {
                return Ok(());
            }
            self.write_lines(lines).await?;
            self.refresh(index).await?;
        }
        Err(unavailable("a sweep does not come to its end"))
    }

    async fn noted(&self, tenant: &TenantId, collection: Collection, is_searchable: bool) -> Result<()> {
        indices::expect_tenant(tenant)?;
        let mut lines = BulkLines::default();
        lines.collection(&self.indices, tenant, &collection);
        self.write_lines(lines).await?;
        if is_searchable { self.refresh(self.indices.name(Swept::Targets)).await } else { Ok(()) }
    }

    /// Documents by their ids, as they were written last; of those that are not there nothing.
    async fn documents(&self, index: &str, tenant: &TenantId, ids: &[String]) -> Result<Vec<Value>> {
        let routing = tenant.as_str();
        let wanted: Vec<Value> = ids
            .iter()
            .map(|id| json!({"_index": index, "_id": indices::document_id(tenant, id), "routing": routing}))
            .collect();
        let asked = json!({"docs": wanted});
        let answer = self.exchange.ask(Method::POST, "/_mget", Some(&asked), SEARCHED_WITHIN).await?;
        let mut told: Value = answer.success()?.json()?;
        let documents = told["docs"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let is_there = |document: &Value| document["found"] == true;
        Ok(documents.into_iter().filter(is_there).map(|mut document| document["_source"].take()).collect())
    }

    async fn known_collection(&self, tenant: &TenantId) -> Result<Option<Collection>> {
        let ids = [indices::COLLECTION.to_owned()];
        let found = self.documents(self.indices.name(Swept::Targets), tenant, &ids).await?;
        Ok(found.first().and_then(collection_of))
    }

    async fn found(&self, tenant: &TenantId, asked: &TargetSearch) -> Result<FoundTargets> {
        let path = format!("/{}/_search?routing={}", self.indices.name(Swept::Targets), indices::routing(tenant));
        let body = query::search(tenant, asked);
        let searched = self.exchange.ask(Method::POST, &path, Some(&body), SEARCHED_WITHIN);
        let (collection, answer) = futures::future::try_join(self.known_collection(tenant), searched).await?;
        // An index that somebody has removed is made again by the first write, without what was in it.
        if collection.is_none() || answer.status == StatusCode::NOT_FOUND {
            return Err(not_collected(tenant));
        }
        let told: Value = answer.success()?.json()?;
        let hits = told["hits"]["hits"].as_array().into_iter().flatten();
        Ok(FoundTargets {
            targets: hits.filter_map(found_target).collect(),
            total: told["hits"]["total"]["value"].as_u64().unwrap_or_default(),
            collection,
        })
    }
}

fn collection_of(document: &Value) -> Option<Collection> {
    let number = |field: &str| document[field].as_u64();
    Some(Collection {
        build: number("build")?,
        revision: number("revision")?,
        targets: number("targets")?,
        checked_at: Timestamp::from_millis(number("checkedAt")?),
        heard_at: Timestamp::from_millis(number("heardAt")?),
    })
}

fn found_target(hit: &Value) -> Option<FoundTarget> {
    let rank = hit["_score"].as_f64().unwrap_or_default();
    let text = |field: &str| hit["_source"][field].as_str().map(str::to_owned);
    let place = FoundPlace { rank: rank.clamp(0.0, 3.0) as u8, sorted_by: text("sort")?, key: text("key")? };
    Some(FoundTarget { place, shown: text("shown")? })
}

fn state_of(document: &Value) -> Option<MonitoredState> {
    Some(MonitoredState {
        id: document["key"].as_str()?.to_owned(),
        at: Timestamp::from_millis(document["at"].as_u64()?),
        value: document["shown"].as_str()?.to_owned(),
    })
}

impl SearchStore for ElasticsearchSearch {
    fn is_shared(&self) -> bool {
        true
    }

    fn write<'a>(&'a self, tenant: &'a TenantId, build: u64, targets: &'a [TargetDocument]) -> Answer<'a, ()> {
        async move {
            indices::expect_tenant(tenant)?;
            accepted(targets)?;
            let mut lines = BulkLines::default();
            targets.iter().for_each(|target| lines.target(&self.indices, tenant, build, target));
            self.write_lines(lines).await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, keys: &'a [String]) -> Answer<'a, ()> {
        async move {
            expect_batch(keys.len())?;
            let mut lines = BulkLines::default();
            keys.iter().for_each(|key| lines.removal(&self.indices, tenant, key));
            self.write_lines(lines).await
        }
        .boxed()
    }

    fn sweep<'a>(&'a self, tenant: &'a TenantId, build: u64, swept: Swept) -> Answer<'a, ()> {
        self.swept(tenant, Some(build), swept).boxed()
    }

    fn note<'a>(&'a self, tenant: &'a TenantId, collection: Collection, is_searchable: bool) -> Answer<'a, ()> {
        self.noted(tenant, collection, is_searchable).boxed()
    }

    fn collection<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<Collection>> {
        self.known_collection(tenant).boxed()
    }

    fn search<'a>(&'a self, tenant: &'a TenantId, asked: &'a TargetSearch) -> Answer<'a, FoundTargets> {
        self.found(tenant, asked).boxed()
    }

    fn keep_states<'a>(&'a self, tenant: &'a TenantId, build: u64, states: &'a [MonitoredState]) -> Answer<'a, ()> {
        async move {
            indices::expect_tenant(tenant)?;
            accepted_states(states)?;
            let mut lines = BulkLines::default();
            states.iter().for_each(|state| lines.state(&self.indices, tenant, build, state));
            self.write_lines(lines).await
        }
        .boxed()
    }

    fn states<'a>(&'a self, tenant: &'a TenantId, ids: &'a [String]) -> Answer<'a, Vec<MonitoredState>> {
        async move {
            expect_batch(ids.len())?;
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let documents = self.documents(self.indices.name(Swept::States), tenant, ids).await?;
            Ok(documents.iter().filter_map(state_of).collect())
        }
        .boxed()
    }

    fn forget<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, ()> {
        async move {
            let mut lines = BulkLines::default();
            // First, so that nobody searches what is half removed.
            lines.removal(&self.indices, tenant, indices::COLLECTION);
            self.write_lines(lines).await?;
            self.swept(tenant, None, Swept::Targets).await?;
            self.swept(tenant, None, Swept::States).await
        }
        .boxed()
    }
}
