//! Uses of API keys for which auth was not asked, since the edge has a token of the key. They are told to auth (own-11), for each key once
//! a minute, with the addresses if there is another one than the last that is known. Auth notes what all replicas of the edge tell; what it
//! does not take is kept, and told again with what has come since.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use model::Timestamp;
use net::http::{CallError, Client};
use prometheus_client::metrics::counter::Counter;
use runtime::RoleContext;
use tokio::time::timeout;

use super::exchange::KeyBearer;
use super::turns::site;
use crate::key_uses::{ADDRESSES_MAX, BYTES_MAX, KEYS_MAX, PATH, ToldKeyUses, UseFrom, UsedKey};

/// The most keys that are remembered. Of others nothing is told.
const REMEMBERED_MAX: usize = 4_096;
/// Of a key that is used all the time is told so often.
const TOLD_EACH: Duration = Duration::from_secs(60);
/// What was not used for so long is forgotten: longer than its token lives.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(900);
/// How often it is looked what is to be told.
const LOOKED_EACH: Duration = Duration::from_secs(1);
/// The same after auth could not be told.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How long the last telling may take: less than a task may go on when its role has ended.
const LAST_WITHIN: Duration = Duration::from_secs(1);
/// What a request has besides its keys, in bytes: more than that.
const ENVELOPE_BYTES: usize = 16;

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

/// Uses of a key that are on their way to auth.
#[derive(Debug, PartialEq, Eq)]
struct TakenUses {
    id: String,
    used_at: Timestamp,
    since: Vec<UseFrom>,
    /// Whether there is another address than the last that auth has noted.
    is_news: bool,
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

    /// The key was used without auth. `false` if there is no room for it: then it is not told.
    pub fn used(&self, id: String, bearer: &KeyBearer, now: Timestamp) -> bool {
        let mut keys = self.lock();
        if let Some(known) = keys.get_mut(&id) {
            known.take(bearer, now);
        } else if keys.len() < REMEMBERED_MAX {
            let mut uses = UsesOfKey::noted(None, now);
            uses.take(bearer, now);
            keys.insert(id, uses);
        } else {
            return false;
        }
        true
    }

    /// Takes what is to be told now: uses of keys of which auth has noted none for so long. Keys that were not used for long are forgotten.
    fn due(&self, unnoted_for: Duration, now: Timestamp) -> Vec<TakenUses> {
        let mut due = Vec::new();
        self.lock().retain(|id, uses| {
            let age = now.since(uses.noted_at);
            match uses.used_at {
                Some(used_at) if age >= unnoted_for => {
                    due.push(uses.taken(id, used_at));
                    true
                }
                Some(_) => true,
                None => age < FORGOTTEN_AFTER,
            }
        });
        due
    }

    /// Auth has noted what was taken at that time.
    fn noted(&self, taken: &[TakenUses], at: Timestamp) {
        let mut keys = self.lock();
        for one in taken {
            // Perhaps it was exchanged since.
            if let Some(known) = keys.get_mut(&one.id).filter(|known| known.noted_at <= at) {
                known.noted_at = at;
                known.noted_from = one.since.last().map(|from| from.address).or(known.noted_from);
            }
        }
    }

    /// Auth has not noted what was taken: it is told later, with what has come since.
    fn put_back(&self, taken: Vec<TakenUses>) {
        let mut keys = self.lock();
        for one in taken {
            let Some(known) = keys.get_mut(&one.id) else { continue };
            known.used_at = known.used_at.max(Some(one.used_at));
            for newer in std::mem::replace(&mut known.since, one.since) {
                known.add(newer);
            }
        }
    }

    /// Keys of which something is to be told yet.
    fn untold(&self) -> usize {
        self.lock().values().filter(|uses| uses.used_at.is_some()).count()
    }
}

impl UsesOfKey {
    const fn noted(from: Option<IpAddr>, at: Timestamp) -> Self {
        Self { noted_at: at, noted_from: from, used_at: None, since: Vec::new() }
    }

    fn take(&mut self, bearer: &KeyBearer, now: Timestamp) {
        self.used_at = Some(now);
        if let Some(address) = bearer.address().map(site) {
            self.add(UseFrom { address, user_agent: bearer.named(), at_ms: now.as_millis(), times: 1 });
        }
    }

    fn add(&mut self, mut from: UseFrom) {
        if let Some(at) = self.since.iter().position(|known| known.address == from.address) {
            from.times = from.times.saturating_add(self.since.remove(at).times);
        }
        // Of more addresses the first ones are told, and the latest.
        self.since.truncate(ADDRESSES_MAX - 1);
        self.since.push(from);
    }

    fn taken(&mut self, id: &str, used_at: Timestamp) -> TakenUses {
        let since = std::mem::take(&mut self.since);
        let is_news = since.iter().any(|from| Some(from.address) != self.noted_from);
        self.used_at = None;
        TakenUses { id: id.to_owned(), used_at, since, is_news }
    }
}

impl TakenUses {
    /// An address that is known is not told again, as long as there is no other one.
    fn told(&self) -> UsedKey {
        let from = if self.is_news { self.since.clone() } else { Vec::new() };
        UsedKey { id: self.id.clone(), used_ms: self.used_at.as_millis(), from }
    }
}

/// A request that tells of them.
fn request(taken: &[TakenUses]) -> ToldKeyUses {
    ToldKeyUses { keys: taken.iter().map(TakenUses::told).collect() }
}

/// The same in parts that auth takes at once.
fn in_requests(taken: Vec<TakenUses>) -> Vec<Vec<TakenUses>> {
    let (mut requests, mut room): (Vec<Vec<TakenUses>>, usize) = (Vec::new(), 0);
    for one in taken {
        let size = serde_json::to_vec(&one.told()).map_or(0, |bytes| bytes.len()) + 1;
        match requests.last_mut() {
            Some(last) if size <= room && last.len() < KEYS_MAX => last.push(one),
            _ => {
                requests.push(vec![one]);
                room = BYTES_MAX - ENVELOPE_BYTES;
            }
        }
        room = room.saturating_sub(size);
    }
    requests
}

/// Whether a request would be refused again.
fn is_final(error: &CallError) -> bool {
    matches!(error, CallError::Refused(problem) if matches!(problem.status, 400 | 413))
}

/// Tells auth, and puts back what it has not taken: then `false`.
async fn tell(uses: &KeyUses, auth: &Client, untold: &Counter, unnoted_for: Duration, now: Timestamp) -> bool {
    let mut requests = in_requests(uses.due(unnoted_for, now)).into_iter();
    while let Some(taken) = requests.next() {
        match auth.post(PATH).json(&request(&taken)).send().await {
            Ok(_) => uses.noted(&taken, now),
            Err(error) if is_final(&error) => {
                tracing::warn!(%error, keys = taken.len(), "auth refuses what it is told of uses of API keys");
                count(untold, taken.len());
            }
            Err(error) => {
                tracing::warn!(%error, "auth cannot be told of uses of API keys now");
                uses.put_back(taken);
                requests.for_each(|rest| uses.put_back(rest));
                return false;
            }
        }
    }
    true
}

fn count(untold: &Counter, keys: usize) {
    untold.inc_by(u64::try_from(keys).unwrap_or(u64::MAX));
}

/// Tells auth until the role ends. What cannot be told then is counted and lost.
pub(super) async fn run(ctx: RoleContext, uses: Arc<KeyUses>, auth: Client, untold: Counter) -> Result<()> {
    let mut pause = LOOKED_EACH;
    loop {
        tokio::select! {
            () = ctx.drain.begun() => break,
            () = tokio::time::sleep(pause) => {}
        }
        let is_told = tell(&uses, &auth, &untold, TOLD_EACH, ctx.clock.now()).await;
        pause = if is_told { LOOKED_EACH } else { AGAIN_AFTER };
    }
    // Auth may end together with this role: what there is by now is told at once, and in the end what has come since.
    tell(&uses, &auth, &untold, Duration::ZERO, ctx.clock.now()).await;
    ctx.drain.ended().await;
    let keys = uses.untold();
    let last = tell(&uses, &auth, &untold, Duration::ZERO, ctx.clock.now());
    if !timeout(LAST_WITHIN, last).await.unwrap_or(false) {
        tracing::warn!(keys, "uses of API keys could not be told to auth before the end: they are not noted");
        count(&untold, keys);
    }
    Ok(())
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

    /// What is told at that time, and noted.
    fn told(uses: &KeyUses, now: Timestamp) -> Vec<UsedKey> {
        let taken = uses.due(TOLD_EACH, now);
        uses.noted(&taken, now);
        request(&taken).keys
    }

    #[test]
    fn a_key_is_told_once_a_minute_and_its_address_only_where_it_is_another_one() {
        let (uses, office) = (KeyUses::default(), at("192.0.2.1"));
        uses.exchanged("k".to_owned(), &office, NOW);
        for second in 1..=59 {
            assert!(uses.used("k".to_owned(), &office, after(second)));
            assert_eq!(told(&uses, after(second)), []);
        }
        let first = told(&uses, after(60));
        assert_eq!((first.len(), first[0].used_ms), (1, after(59).as_millis()));
        assert!(first[0].from.is_empty(), "auth has noted the address when it exchanged the key");
        assert_eq!(told(&uses, after(200)), [], "it was not used since");
        uses.used("k".to_owned(), &office, after(200));
        uses.used("k".to_owned(), &at("198.51.100.7"), after(201));
        uses.used("k".to_owned(), &office, after(202));
        let both = [("198.51.100.7".to_owned(), 1), ("192.0.2.1".to_owned(), 2)];
        assert_eq!(from(&told(&uses, after(203))[0]), both, "the latest is the last");
        uses.used("k".to_owned(), &office, after(204));
        assert!(told(&uses, after(263))[0].from.is_empty());
    }

    #[test]
    fn what_auth_has_not_taken_is_told_with_what_has_come_since() {
        let (uses, office, thief) = (KeyUses::default(), at("192.0.2.1"), at("198.51.100.7"));
        uses.exchanged("k".to_owned(), &office, NOW);
        uses.used("k".to_owned(), &thief, after(1));
        let taken = uses.due(TOLD_EACH, after(60));
        assert_eq!(from(&request(&taken).keys[0]), [("198.51.100.7".to_owned(), 1)]);
        assert_eq!(uses.due(TOLD_EACH, after(61)), [], "it is on its way");
        uses.used("k".to_owned(), &thief, after(62));
        uses.put_back(taken);
        assert_eq!(uses.untold(), 1);
        let taken = uses.due(TOLD_EACH, after(63));
        let again = &request(&taken).keys[0];
        assert_eq!((from(again), again.used_ms), (vec![("198.51.100.7".to_owned(), 2)], after(62).as_millis()));
        uses.put_back(taken);
        uses.used("k".to_owned(), &office, after(64));
        let both = [("198.51.100.7".to_owned(), 2), ("192.0.2.1".to_owned(), 1)];
        let last = &told(&uses, after(65))[0];
        assert_eq!((from(last), last.used_ms), (both.to_vec(), after(64).as_millis()), "the address is news still");
        assert_eq!(uses.untold(), 0);
    }

    #[test]
    fn what_was_used_since_stays_when_the_rest_is_noted_and_is_told_before_the_end() {
        let (uses, office) = (KeyUses::default(), at("192.0.2.1"));
        uses.exchanged("k".to_owned(), &office, NOW);
        uses.used("k".to_owned(), &office, after(1));
        let taken = uses.due(TOLD_EACH, after(60));
        uses.used("k".to_owned(), &office, after(61));
        uses.noted(&taken, after(60));
        assert_eq!(uses.due(TOLD_EACH, after(62)), [], "not before a minute");
        let last = uses.due(Duration::ZERO, after(62));
        assert_eq!((last.len(), last[0].used_at), (1, after(61)));
        // The key is exchanged while auth is told: that is later.
        uses.exchanged("k".to_owned(), &at("192.0.2.9"), after(63));
        uses.noted(&last, after(62));
        uses.used("k".to_owned(), &at("192.0.2.9"), after(64));
        assert!(told(&uses, after(123))[0].from.is_empty());
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
        let addresses: Vec<String> = from(&told(&uses, after(81))[0]).into_iter().map(|(address, _)| address).collect();
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
        assert!(!uses.used("one more".to_owned(), &office, after(800)), "there is no room for it");
        assert_eq!(told(&uses, after(900)).len(), 1);
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
            let since = (0..addresses).map(from).collect();
            TakenUses { id: number.to_string(), used_at: NOW, since, is_news: true }
        };
        for (count, addresses) in [(200, 0), (20, ADDRESSES_MAX), (0, 0)] {
            let requests = in_requests((0..count).map(|number| key(number, addresses)).collect());
            assert_eq!(requests.iter().map(Vec::len).sum::<usize>(), count);
            for taken in requests {
                assert!(!taken.is_empty() && taken.len() <= KEYS_MAX);
                let bytes = serde_json::to_vec(&request(&taken)).unwrap().len();
                assert!(bytes <= BYTES_MAX, "{bytes} bytes");
            }
        }
    }
}
