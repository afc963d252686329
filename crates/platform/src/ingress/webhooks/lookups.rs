//! Asks for the addresses of webhooks' hosts.
//!
//! The system's resolver waits in a thread, for a silent name server much longer than anybody waits for its answer. So a lookup keeps its
//! places until its thread is free: few for a webhook, for a tenant, and for all of them.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use tokio::sync::Semaphore;

/// Lookups of all tenants under way at once: some of the role's 16 threads for the disk stay free.
const OF_ALL_MAX: usize = 12;
/// Those of one tenant.
const OF_TENANT_MAX: usize = 2;
/// Those of one webhook.
const OF_WEBHOOK_MAX: usize = 1;

type Resolve = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Lookups of a webhook, a tenant or all of them. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lookups {
    resolve: Arc<Resolve>,
    /// The places, from the narrowest to the widest.
    places: Vec<Arc<Semaphore>>,
}

impl Lookups {
    /// The lookups of all tenants.
    pub fn of_all() -> Self {
        Self::by(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }

    fn by(resolve: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self { resolve: Arc::new(resolve), places: vec![Arc::new(Semaphore::new(OF_ALL_MAX))] }
    }

    /// Those of one more tenant.
    pub fn of_tenant(&self) -> Self {
        self.within(OF_TENANT_MAX)
    }

    /// Those of one more webhook of the tenant.
    pub fn of_webhook(&self) -> Self {
        self.within(OF_WEBHOOK_MAX)
    }

    fn within(&self, max: usize) -> Self {
        let mut narrower = self.clone();
        narrower.places.insert(0, Arc::new(Semaphore::new(max)));
        narrower
    }

    /// The addresses of a host. The caller sets the deadline; the lookup keeps its places behind it.
    pub async fn find(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut held = Vec::with_capacity(self.places.len());
        for places in &self.places {
            held.push(places.clone().acquire_owned().await.map_err(io::Error::other)?);
        }
        let (resolve, host) = (self.resolve.clone(), host.to_owned());
        let lookup = tokio::task::spawn_blocking(move || {
            let _held = held;
            resolve(&host, port)
        });
        lookup.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Long enough for a lookup to begin.
    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(20);

    /// Lookups by a name server that says nothing about `silent.example` until the sender is dropped.
    fn with_silent_server() -> (Lookups, mpsc::SyncSender<()>) {
        let (ends, silence) = mpsc::sync_channel::<()>(1);
        let silence = Mutex::new(silence);
        let resolve = move |host: &str, port| {
            if host == "silent.example" {
                let _ = silence.lock().unwrap().recv();
            }
            Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))])
        };
        (Lookups::by(resolve), ends)
    }

    #[tokio::test]
    async fn a_silent_name_server_of_one_tenant_leaves_threads_to_the_others() {
        let (all, ends) = with_silent_server();
        let free = || all.places[0].available_permits();
        let (acme, globex) = (all.of_tenant(), all.of_tenant());
        let one = acme.of_webhook();
        for _ in 0..3 {
            assert!(timeout(SHORT, one.find("silent.example", 443)).await.is_err());
        }
        assert_eq!(free(), OF_ALL_MAX - 1, "who gave up has not freed the thread");
        for _ in 0..3 {
            assert!(timeout(SHORT, acme.of_webhook().find("silent.example", 443)).await.is_err());
        }
        assert_eq!(free(), OF_ALL_MAX - OF_TENANT_MAX);
        let found = timeout(LONG, globex.of_webhook().find("crm.example", 443)).await;
        assert_eq!(found.unwrap().unwrap(), [SocketAddr::from(([192, 0, 2, 1], 443))]);
        drop(ends);
        assert!(timeout(LONG, one.find("silent.example", 443)).await.unwrap().is_ok(), "the places are free again");
    }
}
