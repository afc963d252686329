//! Looks up the addresses of hosts that strangers name.
//!
//! The system's resolver waits in a thread, for a silent name server much longer than anybody waits for its answer. So a lookup keeps its
//! places until its thread is free.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use tokio::sync::Semaphore;

type Resolve = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Lookups that are bounded together. Cheap to clone.
#[derive(Clone)]
pub struct Lookups {
    resolve: Arc<Resolve>,
    /// The places, from the narrowest to the widest.
    places: Vec<Arc<Semaphore>>,
    /// How many the narrowest has.
    most: usize,
}

impl Lookups {
    /// At most so many at once.
    pub fn new(most: usize) -> Self {
        Self::by(most, |host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }

    pub(crate) fn by(
        most: usize,
        resolve: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self { resolve: Arc::new(resolve), places: vec![Arc::new(Semaphore::new(most))], most }
    }

    /// A part of these: at most so many at once, and with all others as many as before.
    pub fn part(&self, most: usize) -> Self {
        let mut part = self.clone();
        part.places.insert(0, Arc::new(Semaphore::new(most)));
        part.most = most;
        part
    }

    /// Whether none of this part is under way, those included whose caller has given up. Whoever forgets a part before would have a new one
    /// begin with all its places.
    pub fn is_idle(&self) -> bool {
        self.places.first().is_none_or(|places| places.available_permits() == self.most)
    }

    /// How many more may begin, whosever they are.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.places.last().map_or(0, |places| places.available_permits())
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
    fn with_silent_server(most: usize) -> (Lookups, mpsc::SyncSender<()>) {
        let (ends, silence) = mpsc::sync_channel::<()>(1);
        let silence = Mutex::new(silence);
        let resolve = move |host: &str, port| {
            if host == "silent.example" {
                let _ = silence.lock().unwrap().recv();
            }
            Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))])
        };
        (Lookups::by(most, resolve), ends)
    }

    #[tokio::test]
    async fn a_silent_name_server_of_one_part_leaves_threads_to_the_others() {
        let (all, ends) = with_silent_server(4);
        let (acme, globex) = (all.part(2), all.part(2));
        let one = acme.part(1);
        for _ in 0..3 {
            assert!(timeout(SHORT, one.find("silent.example", 443)).await.is_err());
        }
        assert_eq!(all.free(), 3, "who gave up has not freed the thread");
        assert!(!one.is_idle() && globex.is_idle());
        for _ in 0..3 {
            assert!(timeout(SHORT, acme.part(1).find("silent.example", 443)).await.is_err());
        }
        assert_eq!(all.free(), 2);
        let found = timeout(LONG, globex.part(1).find("crm.example", 443)).await;
        assert_eq!(found.unwrap().unwrap(), [SocketAddr::from(([192, 0, 2, 1], 443))]);
        drop(ends);
        assert!(timeout(LONG, one.find("silent.example", 443)).await.unwrap().is_ok(), "the places are free again");
        assert!(one.is_idle());
    }
}
