//! The client of config (9100, voice-23): phones, trunks, numbers, emergency numbers, and the credentials against which a phone's digest is checked.
//!
//! Phones and trunks of all tenants are kept here and follow config within a second, so a call from a trunk needs no query.
//! Credentials are requested when a phone appears, together with those of other phones at the same time, and kept until the phone or its
//! tenant's domain changes.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contracts::configuration::{CREDENTIALS_MAX, Credentials as Answer, CredentialsQuestion};
use contracts::provisioning::ObjectKind;
use model::{Dn, SharedMap, SharedSet, TenantId};
use net::configuration::{Configuration, Tenants, is_up_to};
use net::http::Client;
use runtime::{Drain, RoleContext};
use sip::proxy::{Credentials, Hashes, Phone, Trunks};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::held_tenants::{HeldTenants, Outdated};
use super::known_credentials::KnownCredentials;
use super::trunk_digests::{self, DigestsByTenant};
use crate::path_segment::segment;

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
        numbers: SharedMap<TenantId, SharedSet<Box<str>>>,
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
    Phone {
        wanted: Wanted,
        credentials: Credentials,
        /// Whether they are of the wanted version or a later one: a replica of config may be behind.
        is_current: bool,
    },
    Tenants(HeldTenants, Outdated),
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
            News::Tenants(tenants, outdated) => {
                let found = Found::Tenants {
                    trunks: tenants.trunks().clone(),
                    numbers: tenants.numbers().clone(),
                    emergency_numbers: tenants.emergency_numbers().clone(),
                };
                self.replace(tenants, &outdated);
                self.find_early();
                Some(found)
            }
            News::Phone { wanted, credentials, is_current } => {
                let lookups = self.asked.remove(&wanted).unwrap_or_default();
                let of = |lookup: u64| Found::User { lookup, credentials: credentials.clone() };
                self.found.extend(lookups.into_iter().map(of));
                let tenant = self.tenants.as_ref().and_then(|tenants| tenants.get(&wanted.key.0));
                let is_current = is_current && tenant.is_some_and(|tenant| tenant.config.version == wanted.version);
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
        let wanted = Wanted { key: (tenant.id.clone(), dn), version: tenant.config.version.clone() };
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

    fn replace(&mut self, tenants: HeldTenants, outdated: &Outdated) {
        let before = self.tenants.replace(tenants);
        if !outdated.tenants.is_empty() {
            let of: HashSet<&TenantId> = outdated.tenants.iter().collect();
            self.known.retain(|tenant| !of.contains(tenant));
        }
        for (tenant, number) in &outdated.phones {
            self.known.forget(tenant, number);
        }
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
        let (credentials, is_current) = match &known {
            Some(known) => {
                let of_phone = known.of_phones.get(wanted.key.1.as_str()).cloned();
                let credentials = of_phone.unwrap_or(Credentials::Unknown { realm: None });
                // The release before tells no version.
                (credentials, known.version.as_ref().is_none_or(|version| is_up_to(version, &wanted.version)))
            }
            None => (Credentials::Unavailable, false),
        };
        if answers.send(News::Phone { wanted, credentials, is_current }).await.is_err() {
            // The role has ended.
            return;
        }
    }
}

/// What config says about phones.
struct CredentialsTold {
    /// By their numbers.
    of_phones: HashMap<String, Credentials>,
    version: Option<String>,
}

/// The credentials of those that are phones; `None` if config does not answer.
async fn ask(client: &Client, tenant: &TenantId, phones: &[Wanted]) -> Option<CredentialsTold> {
    let path = format!("/tenants/{}/credentials", segment(tenant.as_str()));
    let question = CredentialsQuestion { of: phones.iter().map(|one| one.key.1.as_str().to_owned()).collect() };
    let call = client.post(&path).json(&question).idempotent().deadline(LOOKUP_TIME);
    let (answers, version): (Vec<Answer>, _) = match call.send_any().await {
        // The tenant was removed in between.
        Ok(answer) if answer.status == http::StatusCode::NOT_FOUND => (Vec::new(), None),
        Ok(answer) if answer.status.is_success() => match answer.json() {
            Ok(answers) => (answers, version_of(&answer.headers)),
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
    Some(CredentialsTold { of_phones: answers.into_iter().filter_map(credentials).collect(), version })
}

fn version_of(headers: &http::HeaderMap) -> Option<String> {
    let etag = headers.get(http::header::ETAG)?.to_str().ok()?;
    Some(etag.trim_matches('"').to_owned())
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
    let mut held = HeldTenants::default();
    loop {
        tokio::select! {
            () = drain.ended() => return Ok(()),
            changed = configuration.changed() => if changed.is_err() { return Ok(()) },
            changed = digests.changed() => if changed.is_err() { return Ok(()) },
        }
        let tenants = configuration.borrow_and_update().clone();
        let known = digests.borrow_and_update().clone();
        let before = std::mem::take(&mut held);
        // A tenant that is read for the first time takes a while, in which no message may wait.
        let read = tokio::task::spawn_blocking(move || before.after(&tenants, &known));
        let outdated;
        (held, outdated) = read.await?;
        if news.send(News::Tenants(held.clone(), outdated)).await.is_err() {
            return Ok(());
        }
        info!(tenants = held.len(), "phones and trunks read");
    }
}

#[cfg(test)]
mod tests;
