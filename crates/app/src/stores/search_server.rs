//! The server for what desktops search, where the settings name one: it serves with embedded stores and with servers alike. Nothing waits
//! for it at the start, since what it holds is collected anew.

use std::sync::Arc;

use anyhow::Context as _;
use backends::elasticsearch::{self, ElasticsearchSearch, ElasticsearchSettings};
use backends::redis::{Examined, Unusable};
use infra::{Client, SearchStore, StoreError};
use runtime::process::stores::{Clients, StoresSettings};

/// Client name of a process that is no replica.
const PROCESS: &str = "trunkline/process";

/// The server.
#[derive(Clone, Debug)]
pub struct SearchServer(ElasticsearchSettings);

impl SearchServer {
    /// That of the settings, if they name one.
    pub fn of(settings: &StoresSettings) -> anyhow::Result<Option<Self>> {
        let Some(url) = &settings.elasticsearch else { return Ok(None) };
        let authorities = settings.authorities.as_ref().map(std::fs::read).transpose();
        let server = Self(ElasticsearchSettings {
            url: url.expose().to_owned(),
            password_file: settings.elasticsearch_password_file.clone(),
            prefix: settings.elasticsearch_prefix.clone(),
            authorities: authorities.context("stores.authorities")?,
        });
        // What is wrong with the settings is said at the start.
        ElasticsearchSearch::open(&server.0, Client::unwatched(PROCESS))?;
        Ok(Some(server))
    }

    /// Its address.
    pub fn place(&self) -> String {
        self.0.place()
    }

    /// The store of a replica.
    pub fn store(&self, clients: &Clients) -> infra::Result<Arc<dyn SearchStore>> {
        Ok(Arc::new(ElasticsearchSearch::open(&self.0, clients.elasticsearch.clone())?))
    }

    /// Asks it once.
    pub async fn examine(&self) -> Result<Examined, Unusable> {
        match elasticsearch::version(&self.0, Client::unwatched(PROCESS)).await {
            Ok(version) => Ok(Examined { version, warnings: Vec::new() }),
            Err(StoreError::Unavailable { reason }) => Err(Unusable::Away(reason)),
            Err(error) => Err(Unusable::Wrong(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use runtime::process::stores::SECTION;
    use runtime::settings::Values;

    use super::*;

    #[test]
    fn where_none_is_named_there_is_none() {
        let settings: StoresSettings = Values::default().read(SECTION).unwrap();
        assert!(SearchServer::of(&settings).unwrap().is_none());
    }
}
