//! The client of config (9100, voice-23): phones, trunks, numbers, emergency numbers, and the credentials against which a phone's digest is checked.
//!
//! Phones and trunks of all tenants are kept here and follow config within a second, so a call from a trunk needs no query.
//! Credentials are requested when a phone appears, together with those of other phones at the same time, and kept until its
//! tenant's version changes.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contracts::configuration::{CREDENTIALS_MAX, Credentials as Answer, CredentialsQuestion};
use contracts::provisioning::{DnKind, Object, ObjectKind, Trunk as TrunkObject};
use model::{Dn, TenantId};
use net::configuration::{Configuration, TenantConfig, Tenants};
use net::http::Client;
use net::resolver::place_of;
use runtime::{Drain, RoleContext};
use sip::proxy::{Credentials, Hashes, Network, Phone, Trunk, Trunks};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::held_tenants::{Held, HeldTenants};
use super::known_credentials::KnownCredentials;
use super::trunk_digests::{self, DigestsByTenant, TenantDigests};
use crate::emergency_numbers;

/// A result of the client for the loop.
#[derive(Debug)]
pub(super) enum Found {
    /// The answer to a look-up.
    User {
        /// The number of the look-up.
        lookup: u64,
        /// Its result.
        credentials: Credentials,
    },
    /// The tenants have changed.
    Tenants {
        /// Their trunks.
        trunks: Arc<Trunks>,
        /// The numbers at which each is called, without the `+` in front of them.
        numbers: HashMap<TenantId, Arc<HashSet<Box<str>>>>,
        /// Their emergency numbers.
        emergency_numbers: HashSet<Box<str>>,
    },
}

/// Phones and trunks that may register and call.
pub(super) struct Users {
    // None until config has answered once.
    tenants: Option<HeldTenants>,
    known: KnownCredentials,
    /// The look-ups that wait for each phone that was requested.
    asked: HashMap<Wanted, Vec<u64>>,
    /// Look-ups from before config's first answer.
    early: Vec<Early>,
    /// Results of these, not reported yet.
    found: VecDeque<Found>,
    wanted: mpsc::Sender<Wanted>,
    news: mpsc::Receiver<News>,
    // Keeps `news` open.
    _answers: mpsc::Sender<News>,
}

/// A phone whose credentials must be requested, at the tenant's version.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Wanted {
    key: (TenantId, Dn),
    version: String,
}

/// A look-up from before config has answered.
#[derive(Debug)]
struct Early {
    lookup: u64,
    user: String,
    host: String,
    among: Vec<TenantId>,
    until: Instant,
}

#[derive(Debug)]
enum News {
    Phone(Wanted, Credentials),
    Tenants(HeldTenants),
}

// The core limits its look-ups; the follower waits.
const NEWS_MAX: usize = 1_024;
// Phones that wait for a query: as many as the core lets wait, by trunks and otherwise.
const WANTED_MAX: usize = 5_120;
// Look-ups of one phone that wait for its credentials. Whoever knows a number must not take the places of all.
const OF_PHONE_MAX: usize = 64;
// Phones that come within this time of a query are queried together: a query for each would cost config more than the answer. A
// phone that comes alone is queried at once.
const GATHER: Duration = Duration::from_millis(25);
// Kinds of objects to follow: every tenant's domain, phones, trunks, numbers and emergency numbers.
const KINDS: &[ObjectKind] =
    &[ObjectKind::Tenant, ObjectKind::Dn, ObjectKind::Trunk, ObjectKind::Number, ObjectKind::DialRule];
// The longest wait of a phone for its credentials.
const LOOKUP_TIME: Duration = Duration::from_secs(2);

// === impl Users ===

impl Users {
    /// Starts to follow config.
    pub(super) fn start(ctx: &RoleContext, known_max: usize) -> Result<Self> {
        let client = Client::new(ctx, "voice-23")?;
        let (answers, news) = mpsc::channel(NEWS_MAX);
        let (wanted, asked) = mpsc::channel(WANTED_MAX);
        let configuration = Configuration::follow(ctx, "voice-23", KINDS)?;
        let sources = (configuration.changes(), trunk_digests::follow(ctx, &configuration)?);
        ctx.spawn("follower of config", follow(sources, answers.clone(), ctx.drain.clone()));
        ctx.spawn("asker of config", ask_for_all(client, asked, answers.clone()));
        Ok(Self {
            tenants: None,
            known: KnownCredentials::new(known_max),
            asked: HashMap::new(),
            early: Vec::new(),
            found: VecDeque::new(),
            wanted,
            news,
            _answers: answers,
        })
    }

    /// Waits for the next result. Cancel-safe.
    pub(super) async fn next(&mut self) -> Found {
        loop {
            if let Some(found) = self.found.pop_front() {
                return found;
            }
            let news = match self.early.first().map(|early| early.until) {
                None => self.news.recv().await,
                Some(until) => tokio::select! {
                    news = self.news.recv() => news,
                    () = tokio::time::sleep_until(until) => {
                        self.give_up_early();
                        continue;
                    }
                },
            };
            // `self` keeps a sender, so the channel never closes.
            if let Some(found) = news.and_then(|news| self.take(news)) {
                return found;
            }
        }
    }

    /// A result that is here already.
    pub(super) fn try_next(&mut self) -> Option<Found> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Some(found);
            }
            let news = self.news.try_recv().ok()?;
            if let Some(found) = self.take(news) {
                return Some(found);
            }
        }
    }

    fn take(&mut self, news: News) -> Option<Found> {
        match news {
            News::Tenants(tenants) => {
                self.replace(tenants);
                self.find_early();
                let tenants = || self.tenants.iter().flat_map(HeldTenants::iter);
                Some(Found::Tenants {
                    trunks: self.tenants.as_ref().map(|tenants| tenants.trunks().clone()).unwrap_or_default(),
                    numbers: tenants().map(|t| (t.id.clone(), t.numbers.clone())).collect(),
                    emergency_numbers: tenants().flat_map(|t| t.emergency_numbers.iter().cloned()).collect(),
                })
            }
            News::Phone(wanted, credentials) => {
                let lookups = self.asked.remove(&wanted).unwrap_or_default();
                let of = |lookup: u64| Found::User { lookup, credentials: credentials.clone() };
                self.found.extend(lookups.into_iter().map(of));
                let tenant = self.tenants.as_ref().and_then(|tenants| tenants.get(&wanted.key.0));
                let is_current = tenant.is_some_and(|tenant| tenant.version == wanted.version);
                if is_current && !matches!(credentials, Credentials::Unavailable) {
                    self.known.keep(wanted.key, credentials);
                }
                self.found.pop_front()
            }
        }
    }

    /// The credentials of `user`; `None` if they must be requested, and come by [`Self::next`]. Whose phone the user is:
    /// [`HeldTenants::of_phone`].
    pub(super) fn look_up(&mut self, lookup: u64, user: &str, host: &str, among: &[TenantId]) -> Option<Credentials> {
        let Some(tenants) = &self.tenants else {
            // Just started: config will answer soon, and a phone that is refused comes back only after seconds.
            if self.early.len() >= WANTED_MAX {
                return Some(Credentials::Unavailable);
            }
            let until = Instant::now() + LOOKUP_TIME;
            let (user, host) = (user.to_owned(), host.to_owned());
            self.early.push(Early { lookup, user, host, among: among.to_vec(), until });
            return None;
        };
        let unknown = || Some(Credentials::Unknown { realm: tenants.realm_of(host).map(str::to_owned) });
        let Some(tenant) = tenants.of_phone(user, host, among) else { return unknown() };
        if let Some(known) = self.known.get(&tenant.id, user) {
            return Some(known.clone());
        }
        let Ok(dn) = Dn::parse(user) else { return unknown() };
        let wanted = Wanted { key: (tenant.id.clone(), dn), version: tenant.version.clone() };
        if let Some(waiting) = self.asked.get_mut(&wanted) {
            if waiting.len() >= OF_PHONE_MAX {
                return Some(Credentials::Unavailable);
            }
            waiting.push(lookup);
            return None;
        }
        // Full: as many phones wait as may.
        if self.wanted.try_send(wanted.clone()).is_err() {
            return Some(Credentials::Unavailable);
        }
        self.asked.insert(wanted, vec![lookup]);
        None
    }

    /// Config has answered: handles the look-ups from before.
    fn find_early(&mut self) {
        for Early { lookup, user, host, among, .. } in std::mem::take(&mut self.early) {
            if let Some(credentials) = self.look_up(lookup, &user, &host, &among) {
                self.found.push_back(Found::User { lookup, credentials });
            }
        }
    }

    /// Fails the early look-ups that config has not answered in time.
    fn give_up_early(&mut self) {
        let now = Instant::now();
        let late = self.early.partition_point(|early| early.until <= now);
        let unavailable = |early: Early| Found::User { lookup: early.lookup, credentials: Credentials::Unavailable };
        self.found.extend(self.early.drain(..late).map(unavailable));
    }

    fn replace(&mut self, tenants: HeldTenants) {
        let before = self.tenants.replace(tenants).unwrap_or_default();
        let (now, version) = (self.tenants.as_ref(), |held: &Arc<Held>| held.version.clone());
        let is_same = |id: &TenantId| {
            let before = before.get(id).map(version);
            before.is_some() && before == now.and_then(|now| now.get(id)).map(version)
        };
        self.known.retain(is_same);
        // The numbers of many phones take milliseconds, in which no message may wait.
        tokio::task::spawn_blocking(move || drop(before));
    }
}

/// Requests the credentials of wanted phones: one query per tenant for all that come within [`GATHER`].
async fn ask_for_all(client: Client, mut wanted: mpsc::Receiver<Wanted>, answers: mpsc::Sender<News>) -> Result<()> {
    let (mut together, mut next_at) = (Vec::new(), Instant::now());
    while wanted.recv_many(&mut together, CREDENTIALS_MAX).await > 0 {
        tokio::time::sleep_until(next_at).await;
        next_at = Instant::now() + GATHER;
        while together.len() < CREDENTIALS_MAX
            && let Ok(more) = wanted.try_recv()
        {
            together.push(more);
        }
        let mut by_tenant: BTreeMap<TenantId, Vec<Wanted>> = BTreeMap::new();
        for one in together.drain(..) {
            by_tenant.entry(one.key.0.clone()).or_default().push(one);
        }
        for (tenant, phones) in by_tenant {
            // Not awaited, so that a slow answer delays no other phone. There are at most as many as look-ups of the core.
            tokio::spawn(answer(client.clone(), tenant, phones, answers.clone()));
        }
    }
    Ok(())
}

async fn answer(client: Client, tenant: TenantId, phones: Vec<Wanted>, answers: mpsc::Sender<News>) {
    let known = ask(&client, &tenant, &phones).await;
    for wanted in phones {
        let credentials = match &known {
            Some(known) => known.get(wanted.key.1.as_str()).cloned().unwrap_or(Credentials::Unknown { realm: None }),
            None => Credentials::Unavailable,
        };
        if answers.send(News::Phone(wanted, credentials)).await.is_err() {
            // The role has ended.
            return;
        }
    }
}

/// The credentials of those that are phones; `None` if config does not answer.
async fn ask(client: &Client, tenant: &TenantId, phones: &[Wanted]) -> Option<HashMap<String, Credentials>> {
    let path = format!("/tenants/{}/credentials", segment(tenant.as_str()));
    let question = CredentialsQuestion { of: phones.iter().map(|one| one.key.1.as_str().to_owned()).collect() };
    let call = client.post(&path).json(&question).idempotent().deadline(LOOKUP_TIME);
    let answers: Vec<Answer> = match call.send_any().await {
        // The tenant was removed in between.
        Ok(answer) if answer.status == http::StatusCode::NOT_FOUND => Vec::new(),
        Ok(answer) if answer.status.is_success() => match answer.json() {
            Ok(answers) => answers,
            Err(error) => return unavailable(tenant, &error.to_string()),
        },
        Ok(answer) => return unavailable(tenant, answer.status.as_str()),
        Err(error) => return unavailable(tenant, &error.to_string()),
    };
    let credentials = |Answer { dn: number, realm, md5, sha256 }| {
        let dn = Dn::parse(&number).ok()?;
        let (tenant, hashes) = (tenant.clone(), Hashes { md5, sha256 });
        Some((number, Credentials::Phone(Arc::new(Phone { tenant, dn, realm, hashes }))))
    };
    Some(answers.into_iter().filter_map(credentials).collect())
}

fn unavailable<T>(tenant: &TenantId, reason: &str) -> Option<T> {
    warn!(%tenant, reason, "config does not give credentials");
    None
}

/// Follows config, and derives phones and trunks from its changes.
async fn follow(
    (mut configuration, mut digests): (watch::Receiver<Tenants>, watch::Receiver<DigestsByTenant>),
    news: mpsc::Sender<News>,
    drain: Drain,
) -> Result<()> {
    let mut held: BTreeMap<TenantId, Arc<Held>> = BTreeMap::new();
    loop {
        tokio::select! {
            () = drain.ended() => return Ok(()),
            changed = configuration.changed() => if changed.is_err() { return Ok(()) },
            changed = digests.changed() => if changed.is_err() { return Ok(()) },
        }
        let tenants = configuration.borrow_and_update().clone();
        let known = digests.borrow_and_update().clone();
        let before = std::mem::take(&mut held);
        // A tenant with many phones takes milliseconds, in which no message may wait.
        let read = tokio::task::spawn_blocking(move || {
            let held = held_after(&before, &tenants, &known);
            let found: HeldTenants = held.values().cloned().collect();
            (held, found)
        });
        let found;
        (held, found) = read.await?;
        if news.send(News::Tenants(found)).await.is_err() {
            return Ok(());
        }
        info!(tenants = held.len(), "phones and trunks read");
    }
}

/// What is kept now; a tenant whose version and digests are the same is not read again.
fn held_after(
    before: &BTreeMap<TenantId, Arc<Held>>,
    tenants: &Tenants,
    digests: &DigestsByTenant,
) -> BTreeMap<TenantId, Arc<Held>> {
    let same = |id: &TenantId, version: &str| {
        let has_same = |held: &&Arc<Held>| match (&held.digests, digests.get(id)) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        before.get(id).filter(|held| held.version == version).filter(has_same).cloned()
    };
    let now = |(id, config): (&TenantId, &Arc<TenantConfig>)| {
        let held = same(id, &config.version);
        held.or_else(|| held_of(id, config, digests.get(id)).map(Arc::new)).map(|held| (id.clone(), held))
    };
    tenants.iter().filter_map(now).collect()
}

fn held_of(id: &TenantId, config: &TenantConfig, digests: Option<&Arc<TenantDigests>>) -> Option<Held> {
    let phones = config.of_kind(ObjectKind::Dn).filter_map(|object| match object {
        Object::Dn(dn) if matches!(dn.kind, DnKind::Extension { .. }) => Some(dn.number.clone()),
        _ => None,
    });
    let trunks = config.of_kind(ObjectKind::Trunk).filter_map(|object| match object {
        Object::Trunk(trunk) => {
            let inbound = trunk_digests::inbound(trunk, digests.map(|digests| &**digests));
            Some(Trunk { inbound, ..trunk_of(id, trunk) })
        }
        _ => None,
    });
    let numbers = config.of_kind(ObjectKind::Number).filter_map(|object| match object {
        Object::Number(number) => Some(number.number.trim_start_matches('+').into()),
        _ => None,
    });
    let numbers: HashSet<Box<str>> = numbers.collect();
    let (version, realm) = (config.version.clone(), config.tenant()?.realm.clone());
    let (phones, trunks) = (phones.collect(), trunks.map(Arc::new).collect());
    let emergency_numbers = emergency_numbers::of_tenant(config);
    let digests = digests.cloned();
    Some(Held {
        id: id.clone(),
        version,
        realm,
        phones,
        trunks,
        numbers: Arc::new(numbers),
        digests,
        emergency_numbers,
    })
}

/// A trunk by which nobody calls who has to give a password.
fn trunk_of(tenant: &TenantId, trunk: &TrunkObject) -> Trunk {
    let allow = trunk.sources().filter_map(|text| {
        let network = Network::parse(&text);
        if network.is_none() {
            warn!(%tenant, trunk = trunk.name, source = text, "not a network; calls from it are refused");
        }
        network
    });
    let allow: Vec<Network> = allow.collect();
    // Where none of its networks is one, no call comes from it: without networks its certificate would count from anywhere.
    let is_nowhere = allow.is_empty() && !trunk.allow.is_empty();
    let certificate_names = trunk.certificate_names.iter().filter(|_| !is_nowhere);
    let certificate_names = certificate_names.map(|name| name.to_ascii_lowercase().into()).collect();
    let asked = trunk.outgoing().filter(|_| trunk.options).and_then(|(contact, _)| place_of(&format!("sip:{contact}")));
    let user = trunk.registers().map(|(_, user)| user.to_owned());
    let server = trunk.registers().and_then(|(contact, _)| place_of(&format!("sip:{contact}")));
    let registrar = server.map(|server| server.host.to_ascii_lowercase().into()).filter(|_| !is_nowhere);
    let (tenant, name, inbound) = (tenant.clone(), trunk.name.clone(), trunk_digests::inbound(trunk, None));
    Trunk { tenant, name, allow, certificate_names, asked, user, registrar, inbound }
}

/// Encodes a text as one segment of a path or value of a query.
fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests;
