//! Uses of API keys for which auth was not asked, since the edge has a token of the key. They are told to auth (own-11), for each key once
//! a minute, with the addresses if there is another one than the last that is known. Auth notes what all replicas of the edge tell.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use model::Timestamp;
use net::http::Client;
use prometheus_client::metrics::counter::Counter;
use runtime::RoleContext;

use super::exchange::KeyBearer;
use super::turns::site;
use crate::key_uses::{ADDRESSES_MAX, KEYS_MAX, PATH, ToldKeyUses, UseFrom, UsedKey};

/// The most keys that are remembered. Of others nothing is told.
const REMEMBERED_MAX: usize = 4_096;
/// Of a key that is used all the time is told so often.
const TOLD_EACH: Duration = Duration::from_secs(60);
/// What was not used for so long is forgotten: longer than its token lives.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(900);
/// How often it is looked what is to be told.
const LOOKED_EACH: Duration = Duration::from_secs(1);
/// The longest body of a request, in bytes: auth takes 16 KiB.
const BODY_BYTES_MAX: usize = 12 << 10;

/// What is remembered of all keys, by their ids.
#[derive(Default)]
pub(super) struct KeyUses(Mutex<HashMap<String, UsesOfKey>>);

/// What is remembered of one key.
#[derive(Debug)]
struct UsesOfKey {
    /// When auth has noted a use last: it has exchanged the key, or was told.
    noted_at: Timestamp,
    /// From where that was.
    noted_from: Option<IpAddr>,
    /// The latest use since.
    used_at: Option<Timestamp>,
    /// From where it was used since, the latest last.
    since: Vec<UseFrom>,
}

impl KeyUses {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, UsesOfKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Auth has exchanged the key for that bearer, and has noted it.
    pub fn exchanged(&self, id: String, bearer: &KeyBearer, now: Timestamp) {
        let mut keys = self.lock();
        if let Some(known) = keys.get_mut(&id) {
            (known.noted_at, known.noted_from) = (now, bearer.address().map(site));
        } else if keys.len() < REMEMBERED_MAX {
            keys.insert(id, UsesOfKey::noted(bearer.address().map(site), now));
        }
    }

    /// The key was used without auth.
    pub fn used(&self, id: String, bearer: &KeyBearer, now: Timestamp) {
        let mut keys = self.lock();
        if let Some(known) = keys.get_mut(&id) {
            known.take(bearer, now);
        } else if keys.len() < REMEMBERED_MAX {
            let mut uses = UsesOfKey::noted(None, now);
            uses.take(bearer, now);
            keys.insert(id, uses);
        }
    }

    /// What is to be told now. Keys that were not used for long are forgotten.
    fn due(&self, now: Timestamp) -> Vec<UsedKey> {
        let mut due = Vec::new();
        self.lock().retain(|id, uses| {
            let age = now.since(uses.noted_at);
            match uses.used_at {
                Some(used_at) if age >= TOLD_EACH => {
                    due.push(uses.told(id, used_at, now));
                    true
                }
                Some(_) => true,
                None => age < FORGOTTEN_AFTER,
            }
        });
        due
    }
}

impl UsesOfKey {
    const fn noted(from: Option<IpAddr>, at: Timestamp) -> Self {
        Self { noted_at: at, noted_from: from, used_at: None, since: Vec::new() }
    }

    fn take(&mut self, bearer: &KeyBearer, now: Timestamp) {
        self.used_at = Some(now);
        let Some(address) = bearer.address().map(site) else { return };
        let known = self.since.iter().position(|from| from.address == address);
        let times = known.map_or(0, |at| self.since.remove(at).times);
        // Of more addresses the first ones are told, and the latest.
        self.since.truncate(ADDRESSES_MAX - 1);
        self.since.push(UseFrom {
            address,
            user_agent: bearer.named(),
            at_ms: now.as_millis(),
            times: times.saturating_add(1),
        });
    }

    fn told(&mut self, id: &str, used_at: Timestamp, now: Timestamp) -> UsedKey {
        let since = std::mem::take(&mut self.since);
        // An address that is known is not told again, as long as there is no other one.
        let is_news = since.iter().any(|from| Some(from.address) != self.noted_from);
        self.noted_from = since.last().map(|from| from.address).or(self.noted_from);
        (self.noted_at, self.used_at) = (now, None);
        UsedKey { id: id.to_owned(), used_ms: used_at.as_millis(), from: if is_news { since } else { Vec::new() } }
    }
}

/// The same in requests that auth takes.
fn in_requests(keys: Vec<UsedKey>) -> Vec<ToldKeyUses> {
    let (mut requests, mut room): (Vec<ToldKeyUses>, usize) = (Vec::new(), 0);
    for key in keys {
        let size = serde_json::to_vec(&key).map_or(0, |bytes| bytes.len()) + 1;
        match requests.last_mut() {
            Some(last) if size <= room && last.keys.len() < KEYS_MAX => last.keys.push(key),
            _ => {
                requests.push(ToldKeyUses { keys: vec![key] });
                room = BODY_BYTES_MAX;
            }
        }
        room = room.saturating_sub(size);
    }
    requests
}

/// Tells auth until the role ends. What cannot be told is counted and lost: a use that follows is told again.
pub(super) async fn run(ctx: RoleContext, uses: Arc<KeyUses>, auth: Client, untold: Counter) -> Result<()> {
    loop {
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            () = tokio::time::sleep(LOOKED_EACH) => {}
        }
        let requests = in_requests(uses.due(ctx.clock.now()));
        for (sent, request) in requests.iter().enumerate() {
            if let Err(error) = auth.post(PATH).json(request).send().await {
                let lost: usize = requests.iter().skip(sent).map(|request| request.keys.len()).sum();
                untold.inc_by(u64::try_from(lost).unwrap_or(u64::MAX));
                tracing::warn!(%error, keys = lost, "auth cannot be told of uses of API keys");
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        NOW + Duration::from_secs(seconds)
    }

    fn at(address: &str) -> KeyBearer {
        KeyBearer::at(address.parse().unwrap())
    }

    fn from(used: &UsedKey) -> Vec<(String, u32)> {
        used.from.iter().map(|from| (from.address.to_string(), from.times)).collect()
    }

    #[test]
    fn a_key_is_told_once_a_minute_and_its_address_only_where_it_is_another_one() {
        let (uses, office) = (KeyUses::default(), at("192.0.2.1"));
        uses.exchanged("k".to_owned(), &office, NOW);
        for second in 1..=59 {
            uses.used("k".to_owned(), &office, after(second));
            assert_eq!(uses.due(after(second)), []);
        }
        let told = uses.due(after(60));
        assert_eq!((told.len(), told[0].used_ms), (1, after(59).as_millis()));
        assert!(told[0].from.is_empty(), "auth has noted the address when it exchanged the key");
        assert_eq!(uses.due(after(200)), [], "it was not used since");
        uses.used("k".to_owned(), &office, after(200));
        uses.used("k".to_owned(), &at("198.51.100.7"), after(201));
        uses.used("k".to_owned(), &office, after(202));
        let told = uses.due(after(203));
        let both = [("198.51.100.7".to_owned(), 1), ("192.0.2.1".to_owned(), 2)];
        assert_eq!(from(&told[0]), both, "the latest is the last");
        uses.used("k".to_owned(), &office, after(204));
        assert!(uses.due(after(263))[0].from.is_empty());
    }

    #[test]
    fn of_many_addresses_so_many_are_told_with_the_latest() {
        let uses = KeyUses::default();
        for number in 1..=20 {
            uses.used("k".to_owned(), &at(&format!("192.0.2.{number}")), after(number));
        }
        // A network of IPv6 is one address.
        for last in ["1", "2"] {
            uses.used("k".to_owned(), &at(&format!("2001:db8::{last}")), after(21));
        }
        let told = uses.due(after(81));
        let addresses: Vec<String> = from(&told[0]).into_iter().map(|(address, _)| address).collect();
        assert_eq!(addresses.len(), ADDRESSES_MAX);
        assert_eq!((addresses[0].as_str(), addresses[ADDRESSES_MAX - 1].as_str()), ("192.0.2.1", "2001:db8::"));
    }

    #[test]
    fn what_is_not_used_for_long_makes_room() {
        let (uses, office) = (KeyUses::default(), at("192.0.2.1"));
        for number in 0..=REMEMBERED_MAX {
            uses.exchanged(number.to_string(), &office, NOW);
        }
        assert_eq!(uses.lock().len(), REMEMBERED_MAX);
        uses.used("7".to_owned(), &office, after(800));
        assert_eq!(uses.due(after(900)).len(), 1);
        assert_eq!(uses.lock().len(), 1, "one is used");
    }

    #[test]
    fn requests_are_no_longer_than_auth_takes() {
        let key = |number: usize, addresses: usize| {
            let from = |_| UseFrom {
                address: IpAddr::from([192, 0, 2, 1]),
                user_agent: "\u{10ffff}".repeat(128),
                at_ms: u64::MAX,
                times: u32::MAX,
            };
            UsedKey { id: number.to_string(), used_ms: u64::MAX, from: (0..addresses).map(from).collect() }
        };
        for (count, addresses) in [(200, 0), (20, ADDRESSES_MAX), (0, 0)] {
            let requests = in_requests((0..count).map(|number| key(number, addresses)).collect());
            assert_eq!(requests.iter().map(|request| request.keys.len()).sum::<usize>(), count);
            for request in requests {
                assert!(!request.keys.is_empty() && request.keys.len() <= KEYS_MAX);
                let bytes = serde_json::to_vec(&request).unwrap().len();
                assert!(bytes <= BODY_BYTES_MAX + 16, "{bytes} bytes");
            }
        }
    }
}
