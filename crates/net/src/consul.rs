//! Discovery by Consul: each replica registers with an agent, with a check that it renews itself, and follows the replicas of other roles
//! by blocking queries. Five calls of Consul's HTTP API are used; [`calls`] makes and reads them without I/O.

mod calls;
mod transport;

use std::sync::Arc;

use futures::future::BoxFuture;
use runtime::counted_connector::CountedConnector;
use runtime::discovery::settings::{DiscoverySettings, DiscoveryWay};
use runtime::discovery::{
    AnnounceStep, DirectorySource, JoiningReplica, ReplicaHealth, RoleAnswer, SourceClient, SourceFault, StaticSource,
};
use rustls::{ClientConfig, RootCertStore};

use self::calls::{ConsulAnswer, ConsulCall, ConsulCalls};
use self::transport::AgentConnections;
use crate::tls::authorities;

/// The source that the settings name.
///
/// # Errors
/// If the authorities that verify the agent cannot be read, or TLS cannot be set up.
pub fn directory_source(settings: DiscoverySettings) -> anyhow::Result<Arc<dyn DirectorySource>> {
    Ok(match settings.way() {
        DiscoveryWay::Static => Arc::new(StaticSource),
        DiscoveryWay::Consul => Arc::new(ConsulSource::new(settings)?),
    })
}

/// A Consul agent.
struct ConsulSource {
    settings: DiscoverySettings,
    tls: Arc<ClientConfig>,
}

impl ConsulSource {
    fn new(settings: DiscoverySettings) -> anyhow::Result<Self> {
        let roots = match &settings.consul_authorities {
            Some(file) => authorities::of_files(&[file])?,
            None if settings.consul_url.starts_with("https:") => authorities::of_system().0,
            None => RootCertStore::empty(),
        };
        let tls = ClientConfig::builder_with_provider(crate::tls::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { settings, tls: Arc::new(tls) })
    }
}

impl DirectorySource for ConsulSource {
    fn client(
        &self,
        replica: JoiningReplica,
        connector: &dyn Fn() -> CountedConnector,
    ) -> anyhow::Result<Option<Arc<dyn SourceClient>>> {
        let agent = AgentConnections::new(&self.settings, connector(), self.tls.clone());
        let calls = ConsulCalls::new(&self.settings, replica);
        Ok(Some(Arc::new(ConsulClient { url: self.settings.consul_url.clone(), calls, agent: Box::new(agent) })))
    }
}

/// Sends calls to an agent; each ends by itself.
trait ConsulAgent: Send + Sync {
    /// The answer, whatever its status, within the time that the call has.
    fn send(&self, call: ConsulCall) -> BoxFuture<'_, Result<ConsulAnswer, SourceFault>>;
}

/// One replica at an agent.
struct ConsulClient {
    url: String,
    calls: ConsulCalls,
    agent: Box<dyn ConsulAgent>,
}

impl SourceClient for ConsulClient {
    fn place(&self) -> String {
        format!("consul at {}", self.url)
    }

    fn announce(&self, step: AnnounceStep, health: ReplicaHealth) -> BoxFuture<'_, Result<(), SourceFault>> {
        Box::pin(async move {
            match step {
                AnnounceStep::Register => calls::taken(&self.agent.send(self.calls.register(&health)).await?),
                AnnounceStep::Renew => calls::renewed(&self.agent.send(self.calls.renew(&health)).await?),
            }
        })
    }

    fn withdraw(&self) -> BoxFuture<'_, Result<(), SourceFault>> {
        Box::pin(async move { calls::withdrawn(&self.agent.send(self.calls.deregister()).await?) })
    }

    fn replicas(&self, role: &'static str, after: Option<u64>) -> BoxFuture<'_, Result<RoleAnswer, SourceFault>> {
        Box::pin(async move { self.calls.read_replicas(&self.agent.send(self.calls.replicas(role, after)).await?) })
    }
}

#[cfg(test)]
mod tests;
