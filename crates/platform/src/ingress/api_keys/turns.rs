//! Turns of those for whose keys auth is asked. Who comes when all are taken waits a moment. Of keys that were never good each source has
//! its share: whoever makes keys up takes no turn of good ones, and not all of the others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Keys that were good before and are exchanged at a time.
const GOOD_AT_ONCE: usize = 256;
/// The same of keys that were not.
const NEW_AT_ONCE: usize = 64;
/// Of these, those of one source.
const NEW_OF_SOURCE_AT_ONCE: usize = 8;
/// Further ones of one source that wait for that. Who comes after them is refused at once.
const NEW_OF_SOURCE_WAITING: usize = 256;
/// So many sources stay, however few of them have turns still.
const SOURCES_UNSWEPT: usize = 64;
/// How long somebody waits for a turn: longer than auth takes for one, and shorter than programs wait for an answer.
const WAITED_FOR: Duration = Duration::from_secs(1);

/// The turns.
pub(super) struct KeyTurns {
    good: Semaphore,
    new: Semaphore,
    of_sources: Mutex<TurnsBySource>,
}

/// The turns of each source: an address, or the network of a site (IPv6).
struct TurnsBySource {
    by_source: HashMap<Option<IpAddr>, Arc<Semaphore>>,
    /// When there are so many, those go at which nobody has a turn or waits for one: twice as many as were left the last time, so that
    /// nobody pays for many.
    swept_at: usize,
}

/// Somebody's turn; it ends when this is dropped.
pub(super) struct KeyTurn<'a> {
    _place: SemaphorePermit<'a>,
    _of_source: Option<OwnedSemaphorePermit>,
}

impl Default for KeyTurns {
    fn default() -> Self {
        let [good, new] = [GOOD_AT_ONCE, NEW_AT_ONCE].map(Semaphore::new);
        let of_sources = Mutex::new(TurnsBySource { by_source: HashMap::new(), swept_at: SOURCES_UNSWEPT });
        Self { good, new, of_sources }
    }
}

impl KeyTurns {
    /// A turn for a key that was good before; none if there is none soon.
    pub async fn of_good(&self) -> Option<KeyTurn<'_>> {
        let place = timeout(WAITED_FOR, self.good.acquire()).await.ok()?.ok()?;
        Some(KeyTurn { _place: place, _of_source: None })
    }

    /// A turn for a key that was not, from that address; none if there is none soon.
    pub async fn of_new(&self, source: Option<IpAddr>) -> Option<KeyTurn<'_>> {
        let of_source = self.of_source(source.map(site))?;
        let taken = async {
            // First that of the source: who waits for it holds nobody else up.
            let of_source = of_source.acquire_owned().await.ok()?;
            let place = self.new.acquire().await.ok()?;
            Some(KeyTurn { _place: place, _of_source: Some(of_source) })
        };
        timeout(WAITED_FOR, taken).await.ok()?
    }

    /// None if too many of it wait.
    fn of_source(&self, source: Option<IpAddr>) -> Option<Arc<Semaphore>> {
        let mut of_sources = self.of_sources.lock().unwrap_or_else(PoisonError::into_inner);
        // Further ones are made under this lock alone; the edge answers so many requests at a time, and few more sources stay.
        let TurnsBySource { by_source, swept_at } = &mut *of_sources;
        if by_source.len() >= *swept_at {
            by_source.retain(|_, turns| Arc::strong_count(turns) > 1);
            *swept_at = (2 * by_source.len()).max(SOURCES_UNSWEPT);
        }
        let turns = by_source.entry(source).or_insert_with(|| Arc::new(Semaphore::new(NEW_OF_SOURCE_AT_ONCE)));
        // Each of those who have a turn, or wait for one, has the turns too.
        let entered = Arc::strong_count(turns) - 1;
        (entered < NEW_OF_SOURCE_AT_ONCE + NEW_OF_SOURCE_WAITING).then(|| turns.clone())
    }
}

/// A site has a whole IPv6 network (RFC 6177): all addresses of a /64 count as one.
pub(super) fn site(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & NETWORK).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: usize) -> Option<IpAddr> {
        format!("192.0.2.{number}").parse().ok()
    }

    #[tokio::test(start_paused = true)]
    async fn one_source_takes_its_share_alone_and_all_of_them_none_of_good_keys() {
        let turns = KeyTurns::default();
        let mut held = Vec::new();
        for _ in 0..NEW_OF_SOURCE_AT_ONCE {
            held.push(turns.of_new(source(1)).await.expect("a turn"));
        }
        assert!(turns.of_new(source(1)).await.is_none(), "more than its share");
        for number in 2..=NEW_AT_ONCE / NEW_OF_SOURCE_AT_ONCE {
            for _ in 0..NEW_OF_SOURCE_AT_ONCE {
                held.push(turns.of_new(source(number)).await.expect("another source"));
            }
        }
        assert!(turns.of_new(source(99)).await.is_none(), "all are taken");
        assert!(turns.of_good().await.is_some());
        held.clear();
        assert!(turns.of_new(source(1)).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_source_some_wait_and_the_others_are_refused_at_once() {
        let turns = KeyTurns::default();
        let mut entered = Vec::new();
        for _ in 0..NEW_OF_SOURCE_AT_ONCE + NEW_OF_SOURCE_WAITING {
            entered.push(turns.of_source(source(1)).expect("it may wait"));
        }
        assert!(turns.of_source(source(1)).is_none());
        assert!(turns.of_new(source(2)).await.is_some(), "another source");
        drop(entered.pop());
        assert!(turns.of_source(source(1)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn of_sources_that_have_gone_few_stay() {
        let turns = KeyTurns::default();
        let held = turns.of_new(source(0)).await.expect("a turn");
        for number in 1..=250 {
            assert!(turns.of_new(source(number)).await.is_some());
        }
        let of_sources = turns.of_sources.lock().unwrap();
        assert!(of_sources.by_source.len() <= SOURCES_UNSWEPT, "{}", of_sources.by_source.len());
        assert!(of_sources.by_source.contains_key(&source(0)), "it has a turn");
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_when_all_are_taken_gets_the_next_turn() {
        let turns = KeyTurns::default();
        let mut held = Vec::new();
        for _ in 0..GOOD_AT_ONCE {
            held.push(turns.of_good().await.expect("a turn"));
        }
        let (next, ()) = tokio::join!(turns.of_good(), async { drop(held.pop()) });
        assert!(next.is_some());
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let of = |text: &str| site(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
