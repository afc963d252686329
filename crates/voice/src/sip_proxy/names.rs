//! Names of carriers, resolved beside the loop. What was found last is used where no name server answers: a carrier is reached
//! although the name servers are away (RFC 8767).

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use model::Entropy;
use model::entropy::Seeded;
use net::resolver::{Resolver, Unresolved};
use sip::next_hop::{Hop, UriHop};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{info, warn};

/// How long the name servers have for all questions about one place; the core waits a second longer.
const TIME: Duration = Duration::from_secs(4);
/// Answers that wait to be read.
const FOUND_MAX: usize = 1_024;
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
    /// Who waits for the name of a place: each is asked for once at a time.
    waiting: HashMap<UriHop, Vec<u64>>,
    last: RememberedPlaces,
    located: VecDeque<Located>,
    answers: mpsc::Sender<Answer>,
    found: mpsc::Receiver<Answer>,
}

type Answer = (UriHop, Result<Vec<Hop>, Unresolved>);

/// What the names of places last led to.
#[derive(Debug, Default)]
struct RememberedPlaces {
    places: HashMap<UriHop, Last>,
    answers: u64,
}

/// What a place's name last led to.
#[derive(Debug, Default)]
struct Last {
    /// The number of the last answer about it.
    answer: u64,
    hops: Vec<Hop>,
    /// Whether a warning was logged since.
    is_warned: bool,
}

// === impl Names ===

impl Names {
    /// Asks these name servers, or those of the machine where none are given.
    pub(super) fn new(name_servers: &[SocketAddr], entropy: Box<dyn Entropy>) -> Result<Self> {
        let (answers, found) = mpsc::channel(FOUND_MAX);
        let resolver = Resolver::new(name_servers)?;
        let (waiting, last, located) = Default::default();
        Ok(Self { resolver, entropy, waiting, last, located, answers, found })
    }

    /// Asks where a place is; [`Self::next`] has the answer. The core bounds how many wait.
    pub(super) fn ask(&mut self, lookup: u64, place: UriHop) {
        let waiting = self.waiting.entry(place.clone()).or_default();
        waiting.push(lookup);
        if waiting.len() > 1 {
            return;
        }
        let (resolver, answers) = (self.resolver.clone(), self.answers.clone());
        let mut draw = Seeded::new(self.entropy.next_u64());
        tokio::spawn(async move {
            let found = timeout(TIME, resolver.hops(&place, &mut draw)).await.unwrap_or_else(|_| {
                Err(Unresolved::Unanswered(place.host.clone(), "the name servers took too long".into()))
            });
            // An error means that the role has ended.
            let _ = answers.send((place, found)).await;
        });
    }

    /// Waits for the next answer. Cancel-safe.
    pub(super) async fn next(&mut self) -> Located {
        loop {
            if let Some(located) = self.located.pop_front() {
                return located;
            }
            // `self` keeps a sender, so the channel never closes.
            let Some(answer) = self.found.recv().await else { continue };
            self.note(answer);
        }
    }

    /// An answer that is here already.
    pub(super) fn try_next(&mut self) -> Option<Located> {
        while self.located.is_empty() {
            let answer = self.found.try_recv().ok()?;
            self.note(answer);
        }
        self.located.pop_front()
    }

    fn note(&mut self, (place, found): Answer) {
        let waiting = self.waiting.remove(&place).unwrap_or_default();
        let hops = self.last.note(place, found);
        self.located.extend(waiting.into_iter().map(|lookup| Located { lookup, hops: hops.clone() }));
    }
}

impl RememberedPlaces {
    /// Notes an answer; returns the places to try.
    fn note(&mut self, place: UriHop, found: Result<Vec<Hop>, Unresolved>) -> Option<Vec<Hop>> {
        if self.places.len() >= REMEMBERED_MAX && !self.places.contains_key(&place) {
            self.forget_oldest();
        }
        self.answers += 1;
        let host = place.host.clone();
        let last = self.places.entry(place).or_default();
        last.answer = self.answers;
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

    /// Forgets the place of which nothing was heard for longest: of all others an answer may be needed while the name servers are away.
    fn forget_oldest(&mut self) {
        let oldest = self.places.iter().min_by_key(|(_, last)| last.answer).map(|(place, _)| place.clone());
        if let Some(oldest) = oldest {
            self.places.remove(&oldest);
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

    fn silent() -> Result<Vec<Hop>, Unresolved> {
        Err(Unresolved::Unanswered("carrier.example".into(), "no answer".into()))
    }

    #[test]
    fn silent_name_servers_leave_the_addresses_known_and_a_clear_no_does_not() {
        let place = net::resolver::place_of("sip:1@carrier.example").unwrap();
        let hop = Hop { transport: Transport::Udp, remote: "192.0.2.1:5060".parse().unwrap() };
        let mut all = RememberedPlaces::default();
        assert_eq!(all.note(place.clone(), silent()), None);
        assert_eq!(all.note(place.clone(), Ok(vec![hop])), Some(vec![hop]));
        assert_eq!(all.note(place.clone(), silent()), Some(vec![hop]));
        assert_eq!(all.note(place, Err(Unresolved::NoAddress("carrier.example".into()))), None);
    }

    #[test]
    fn one_place_too_many_costs_the_addresses_of_the_oldest_alone() {
        let place = |at: usize| net::resolver::place_of(&format!("sip:1@c{at}.example")).unwrap();
        let hops = vec![Hop { transport: Transport::Udp, remote: "192.0.2.1:5060".parse().unwrap() }];
        let mut all = RememberedPlaces::default();
        for at in 0..REMEMBERED_MAX {
            all.note(place(at), Ok(hops.clone()));
        }
        // Asked for again, it is the newest.
        all.note(place(0), Ok(hops.clone()));
        all.note(place(REMEMBERED_MAX), Ok(hops.clone()));
        assert_eq!(all.places.len(), REMEMBERED_MAX);
        let known = [0, 2, REMEMBERED_MAX].map(|at| all.note(place(at), silent()));
        assert_eq!(known, [0; 3].map(|_| Some(hops.clone())));
        assert_eq!(all.note(place(1), silent()), None);
    }
}
