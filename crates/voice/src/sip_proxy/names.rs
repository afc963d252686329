//! Names of carriers, resolved beside the loop. What was found last is used where no name server answers: a carrier is reached
//! although the name servers are away (RFC 8767).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use model::Entropy;
use model::entropy::Seeded;
use net::resolver::{Resolver, Unresolved};
use sip::next_hop::{Hop, Place};
use tokio::sync::mpsc;
use tracing::{info, warn};

/// Answers that wait to be read. The core bounds how many are asked for.
const LOCATED_MAX: usize = 1_024;
/// Places whose last addresses are remembered, and those of which a warning says that they have none.
const REMEMBERED_MAX: usize = 1_024;

/// The answer to one question.
#[derive(Debug)]
pub(super) struct Located {
    /// Which question.
    pub(super) lookup: u64,
    /// The places to try; `None` if nobody knows.
    pub(super) hops: Option<Vec<Hop>>,
}

/// Resolves names.
pub(super) struct Names {
    resolver: Resolver,
    entropy: Box<dyn Entropy>,
    last: Arc<Mutex<HashMap<Place, Last>>>,
    answers: mpsc::Sender<Located>,
    located: mpsc::Receiver<Located>,
}

/// What a place's name last led to.
#[derive(Debug, Default)]
struct Last {
    hops: Vec<Hop>,
    /// Whether a warning was logged since.
    is_warned: bool,
}

// === impl Names ===

impl Names {
    /// Asks these name servers, or those of the machine where none are given.
    pub(super) fn new(name_servers: &[SocketAddr], entropy: Box<dyn Entropy>) -> Result<Self> {
        let (answers, located) = mpsc::channel(LOCATED_MAX);
        let resolver = Resolver::new(name_servers)?;
        Ok(Self { resolver, entropy, last: Arc::default(), answers, located })
    }

    /// Asks where a place is; [`Self::next`] has the answer.
    pub(super) fn ask(&mut self, lookup: u64, place: Place) {
        let (resolver, last, answers) = (self.resolver.clone(), self.last.clone(), self.answers.clone());
        let mut draw = Seeded::new(self.entropy.next_u64());
        tokio::spawn(async move {
            let found = resolver.hops(&place, &mut draw).await;
            let hops = remember(&mut last.lock().unwrap_or_else(PoisonError::into_inner), place, found);
            // An error means that the role has ended.
            let _ = answers.send(Located { lookup, hops }).await;
        });
    }

    /// Waits for the next answer. Cancel-safe.
    pub(super) async fn next(&mut self) -> Located {
        loop {
            // `self` keeps a sender, so the channel never closes.
            if let Some(located) = self.located.recv().await {
                return located;
            }
        }
    }
}

fn remember(all: &mut HashMap<Place, Last>, place: Place, found: Result<Vec<Hop>, Unresolved>) -> Option<Vec<Hop>> {
    if all.len() >= REMEMBERED_MAX && !all.contains_key(&place) {
        all.clear();
    }
    let host = place.host.clone();
    let last = all.entry(place).or_default();
    match found {
        Ok(hops) => {
            if std::mem::take(&mut last.is_warned) {
                info!(%host, "the name of a carrier leads somewhere again");
            }
            last.hops.clone_from(&hops);
            Some(hops)
        }
        Err(reason) => {
            let is_away = matches!(reason, Unresolved::Unanswered(..));
            let hops = (is_away && !last.hops.is_empty()).then(|| last.hops.clone());
            if !std::mem::replace(&mut last.is_warned, true) {
                let known = hops.as_ref().map_or(0, Vec::len);
                warn!(%host, %reason, known, "a carrier's name is not resolved; calls to it use the addresses known before");
            }
            hops
        }
    }
}

/// Says that a carrier has gone or is back.
pub(super) fn log_carrier(host: &str, hop: Hop, is_there: bool) {
    let (address, transport) = (hop.remote, hop.transport);
    if is_there {
        info!(host, %address, %transport, "a carrier answers OPTIONS again; calls go to it");
    } else {
        warn!(host, %address, %transport, "a carrier does not answer OPTIONS; calls go by other trunks");
    }
}

#[cfg(test)]
mod tests {
    use sip::Transport;

    use super::*;

    #[test]
    fn silent_name_servers_leave_the_addresses_known_and_a_clear_no_does_not() {
        let place = net::resolver::place_of("sip:1@carrier.example").unwrap();
        let hop = Hop { transport: Transport::Udp, remote: "192.0.2.1:5060".parse().unwrap() };
        let mut all = HashMap::new();
        let silent = || Err(Unresolved::Unanswered("carrier.example".into(), "no answer".into()));
        assert_eq!(remember(&mut all, place.clone(), silent()), None);
        assert_eq!(remember(&mut all, place.clone(), Ok(vec![hop])), Some(vec![hop]));
        assert_eq!(remember(&mut all, place.clone(), silent()), Some(vec![hop]));
        assert_eq!(remember(&mut all, place, Err(Unresolved::NoAddress("carrier.example".into()))), None);
    }
}
