//! What auth keeps (own-09): sessions, codes, refresh families, attempts and what was revoked, each under the digest of its secret.
//! What a person has open is in `open`, devices that wait for a person in `devices`. Of sign-ins that end here programs are told by
//! `backchannel`; those of tenants that have ended are none any more (`tenant_ends`), and those of people who are deleted or disabled end
//! (`people_ends`).

pub(super) mod backchannel;
mod devices;
mod open;
pub(super) mod people_ends;
mod phone_rights;
pub(super) mod tenant_ends;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use identity::grant::ACCESS_LIFE;
use identity::grant::code::{self, Code};
use identity::grant::refresh::Family;
use identity::login_name;
use identity::passkey::PasskeyChallenge;
use identity::secret::Digest;
use identity::totp::{self, TotpSecret};
use infra::{SignInKey, SignInKind, SignIns, StoreError, bounds};
use model::{TenantId, Timestamp};
use prost::Message as _;
use runtime::key_files::Revoker;

use super::people;
use super::records::{BrowserSession, Spent, StoredRecord};
use backchannel::{EndedSignIn, EndedSignIns};
use tenant_ends::TenantEnds;

pub(super) use devices::ReadDevice;
pub(super) use open::{AskingSignIn, ShownProof};

/// How often a change is tried when others write at the same time: as often as the guard lets in who count in one place.
pub(super) const TRIES_MAX: usize = 16;
/// Added to the time for which something revoked is remembered: clocks differ.
const REVOKED_MARGIN: Duration = Duration::from_secs(60);
/// Added to the time for which a spent challenge is remembered: its end is a whole second.
const CHALLENGE_MARGIN: Duration = Duration::from_secs(1);
/// How long who revokes something waits until other roles can read it.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

type Result<T> = std::result::Result<T, StoreError>;

/// The store. Cheap to clone.
#[derive(Clone)]
pub(super) struct SignInStore {
    records: Arc<dyn SignIns>,
    /// Tells every role what was revoked.
    revoker: Revoker,
    /// Takes what programs are told of.
    ended: EndedSignIns,
    /// What was signed in at a tenant before its end is not found.
    ends: Arc<TenantEnds>,
}

/// A family as read, to be replaced.
pub(super) struct ReadFamily {
    pub family: Family,
    key: SignInKey,
    seen: Bytes,
}

/// Names whose records are listed together, however the name is spelled.
fn owner(user: &str) -> String {
    owner_by(&login_name::folded(user))
}

/// User names may be longer than an owner.
fn owner_by(name: &str) -> String {
    format!("person/{}", Digest::of(name).text())
}

fn bytes<R: StoredRecord>(record: &R) -> Bytes {
    record.to_message().encode_to_vec().into()
}

/// `None` for what cannot be read: a record of a later form signs nobody in.
fn parsed<R: StoredRecord>(value: &Bytes) -> Option<R> {
    R::from_message(R::Message::decode(value.clone()).ok()?)
}

impl SignInStore {
    pub fn new(records: Arc<dyn SignIns>, revoker: Revoker, ended: EndedSignIns) -> Self {
        Self { records, revoker, ended, ends: Arc::default() }
    }

    /// Which tenants have ended.
    pub fn ends(&self) -> &TenantEnds {
        &self.ends
    }

    /// A sign-in of that family has ended: its program is told.
    fn tell(&self, tenant: &TenantId, family: &Family) {
        self.ended.tell(EndedSignIn::of(tenant, family));
    }

    async fn read<R: StoredRecord>(&self, tenant: &TenantId, key: &SignInKey) -> Result<Option<(R, Bytes)>> {
        let value = self.records.read(tenant, key).await?;
        Ok(value.and_then(|value| Some((parsed(&value)?, value))))
    }

    // === what a person has ===

    /// Keeps something new of a person. Whoever has as much as there may be loses what would end first: what was used longest ago.
    async fn put_of(
        &self,
        tenant: &TenantId,
        user: &str,
        key: &SignInKey,
        value: Bytes,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<()> {
        let owner = owner(user);
        for _ in 0..TRIES_MAX {
            match self.records.put(tenant, key, Some(&owner), value.clone(), until).await {
                Err(StoreError::Full { bound, .. }) if bound == bounds::SIGN_INS_OWNED_MAX as u64 => {
                    self.end_first(tenant, user, now).await?;
                }
                done => return done,
            }
        }
        Err(StoreError::Unavailable { reason: "the person signs in all the time".to_owned() })
    }

    /// Ends what of a person would end first.
    async fn end_first(&self, tenant: &TenantId, user: &str, now: Timestamp) -> Result<()> {
        // Those of the owner that is full, without records of before.
        let owned = self.records.owned(tenant, &owner(user)).await?;
        let Some((key, value)) = owned.first() else { return Ok(()) };
        tracing::info!(%tenant, user, kind = %key.kind, "somebody has as many sign-ins as there may be: the first of them has ended");
        if let Some(session) = parsed::<BrowserSession>(value).filter(|_| key.kind == SignInKind::Session) {
            self.end_sign_ins_of(tenant, &session, now).await?;
        }
        if let Some(family) = parsed::<Family>(value).filter(|_| key.kind == SignInKind::Refresh) {
            self.revoke(tenant, &family.sign_in, now).await?;
            self.tell(tenant, &family);
        }
        self.records.remove(tenant, key).await
    }

    // === sessions ===

    /// Keeps a session under the digest of its cookie.
    pub async fn begin_session(
        &self,
        tenant: &TenantId,
        cookie: Digest,
        session: &BrowserSession,
        now: Timestamp,
    ) -> Result<()> {
        let key = SignInKey::new(SignInKind::Session, cookie.text());
        self.put_of(tenant, &session.user, &key, bytes(session), session.until, now).await
    }

    /// The session of that cookie.
    pub async fn session(&self, tenant: &TenantId, cookie: Digest) -> Result<Option<BrowserSession>> {
        let key = SignInKey::new(SignInKind::Session, cookie.text());
        let session = self.read::<BrowserSession>(tenant, &key).await?.map(|(session, _)| session);
        Ok(session.filter(|session| !self.ends.are_after(tenant, session.begun_at)))
    }

    /// Ends the session of that cookie.
    pub async fn end_session(&self, tenant: &TenantId, cookie: Digest) -> Result<()> {
        self.records.remove(tenant, &SignInKey::new(SignInKind::Session, cookie.text())).await
    }

    /// Whether a session of that person is still there.
    pub async fn is_session_open(&self, tenant: &TenantId, user: &str, id: &str) -> Result<bool> {
        let owned = self.owned(tenant, user).await?;
        let mut sessions = owned.iter().filter(|(key, _)| key.kind == SignInKind::Session);
        Ok(sessions.any(|(_, value)| parsed::<BrowserSession>(value).is_some_and(|session| session.id == id)))
    }

    // === codes ===

    /// Keeps a code under its digest.
    pub async fn keep_code(&self, tenant: &TenantId, digest: Digest, code: &Code) -> Result<()> {
        let key = SignInKey::new(SignInKind::Code, digest.text());
        self.records.put(tenant, &key, None, bytes(code), code.until).await
    }

    /// The code of that digest, spent or not.
    pub async fn code(&self, tenant: &TenantId, digest: Digest) -> Result<Option<Code>> {
        let key = SignInKey::new(SignInKind::Code, digest.text());
        let code = self.read::<Code>(tenant, &key).await?.map(|(code, _)| code);
        Ok(code.filter(|code| !self.ends.are_after(tenant, code.begun_at())))
    }

    /// Spends a code; `false` if it was spent before.
    pub async fn spend(&self, tenant: &TenantId, digest: Digest, code: &Code, now: Timestamp) -> Result<bool> {
        let key = SignInKey::new(SignInKind::Used, digest.text());
        let spent = Spent { user: code.user.clone(), sign_in: code.sign_in.clone() };
        self.records.claim(tenant, &key, bytes(&spent), now + code::SPENT_KEPT).await
    }

    /// Spends the state of a sign-in at a provider; `false` if it was spent before. It is remembered until the browser may not come back
    /// any more.
    pub async fn spend_state(&self, tenant: &TenantId, state: &str, until: Timestamp) -> Result<bool> {
        let spent = Digest::of(&format!("state\0{state}"));
        let key = SignInKey::new(SignInKind::Used, spent.text());
        self.records.claim(tenant, &key, Bytes::from_static(b"1"), until).await
    }

    /// Spends an assertion of a client; `false` if it was spent before. It is remembered until it is over.
    pub async fn spend_assertion(&self, tenant: &TenantId, client: &str, jti: &str, until: Timestamp) -> Result<bool> {
        let spent = Digest::of(&format!("assertion\0{client}\0{jti}"));
        let key = SignInKey::new(SignInKind::Used, spent.text());
        self.records.claim(tenant, &key, Bytes::from_static(b"1"), until).await
    }

    /// Spends the challenge of a passkey; `false` if it was spent before. It is remembered for as long as it could be taken.
    pub async fn spend_challenge(&self, tenant: &TenantId, challenge: &PasskeyChallenge) -> Result<bool> {
        let spent = Digest::of(&format!("challenge\0{}", challenge.text()));
        let key = SignInKey::new(SignInKind::Used, spent.text());
        self.records.claim(tenant, &key, Bytes::from_static(b"1"), challenge.until() + CHALLENGE_MARGIN).await
    }

    /// What a spent code gave.
    pub async fn spent(&self, tenant: &TenantId, digest: Digest) -> Result<Option<Spent>> {
        let key = SignInKey::new(SignInKind::Used, digest.text());
        Ok(self.read(tenant, &key).await?.map(|(spent, _)| spent))
    }

    /// Spends the code that an app shows in a step; `false` if it was spent before. It is remembered for as long as it could be taken.
    pub async fn spend_step(
        &self,
        tenant: &TenantId,
        user: &str,
        secret: &TotpSecret,
        step: u64,
        now: Timestamp,
    ) -> Result<bool> {
        let spent = Digest::of(&format!("step\0{user}\0{}\0{step}", secret.text()));
        let key = SignInKey::new(SignInKind::Used, spent.text());
        self.records.claim(tenant, &key, Bytes::from_static(b"1"), now + totp::SPENT_KEPT).await
    }

    // === refresh families ===

    /// Keeps a family under the digest of the first part of its tokens.
    pub async fn begin_family(&self, tenant: &TenantId, name: Digest, family: &Family, now: Timestamp) -> Result<()> {
        let key = SignInKey::new(SignInKind::Refresh, name.text());
        self.put_of(tenant, &family.user, &key, bytes(family), family.until, now).await
    }

    /// The family of that name.
    pub async fn family(&self, tenant: &TenantId, name: Digest) -> Result<Option<ReadFamily>> {
        let key = SignInKey::new(SignInKind::Refresh, name.text());
        let read = self.read::<Family>(tenant, &key).await?;
        let read = read.filter(|(family, _)| !self.ends.are_after(tenant, family.begun_at()));
        Ok(read.map(|(family, seen)| ReadFamily { family, key, seen }))
    }

    /// Replaces a family as it was read; `false` if another request was faster.
    pub async fn replace_family(&self, tenant: &TenantId, read: &ReadFamily, next: &Family) -> Result<bool> {
        self.records.replace(tenant, &read.key, &read.seen, bytes(next), next.until).await
    }

    /// Forgets a family whose tokens nobody has got.
    pub async fn forget_family(&self, tenant: &TenantId, name: Digest) -> Result<()> {
        self.records.remove(tenant, &SignInKey::new(SignInKind::Refresh, name.text())).await
    }

    // === ends ===

    /// Ends one sign-in: its family, and its access tokens as far as they are asked about here.
    pub async fn end_sign_in(&self, tenant: &TenantId, user: &str, sign_in: &str, now: Timestamp) -> Result<()> {
        self.end_where(tenant, user, now, |family| family.sign_in == sign_in).await?;
        self.revoke(tenant, sign_in, now).await
    }

    /// Ends every sign-in that came from a session.
    pub async fn end_sign_ins_of(&self, tenant: &TenantId, session: &BrowserSession, now: Timestamp) -> Result<()> {
        let is_of = |family: &Family| family.session.as_ref() == Some(&session.id);
        self.end_where(tenant, &session.user, now, is_of).await
    }

    /// Ends all that a person has: sessions and sign-ins.
    pub async fn end_all(&self, tenant: &TenantId, user: &str, now: Timestamp) -> Result<()> {
        // Sign-ins of clients without refresh tokens are listed nowhere.
        self.revoker.revoke_subject(tenant, &people::subject_of(user), now + ACCESS_LIFE + REVOKED_MARGIN);
        self.end_where(tenant, user, now, |_| true).await?;
        for (key, _) in self.owned(tenant, user).await? {
            if key.kind == SignInKind::Session {
                self.records.remove(tenant, &key).await?;
            }
        }
        Ok(())
    }

    async fn end_where(
        &self,
        tenant: &TenantId,
        user: &str,
        now: Timestamp,
        is_meant: impl Fn(&Family) -> bool + Send,
    ) -> Result<()> {
        for (key, value) in self.owned(tenant, user).await? {
            let family = (key.kind == SignInKind::Refresh).then(|| parsed::<Family>(&value)).flatten();
            if let Some(family) = family.filter(&is_meant) {
                // First what is asked about, so that a store that goes away in between leaves no token that is believed.
                self.revoke(tenant, &family.sign_in, now).await?;
                self.records.remove(tenant, &key).await?;
                self.tell(tenant, &family);
            }
        }
        Ok(())
    }

    /// Remembers that a sign-in (`sid`) or a token (`jti`) is revoked, for as long as an access token lives.
    pub async fn revoke(&self, tenant: &TenantId, id: &str, now: Timestamp) -> Result<()> {
        let key = SignInKey::new(SignInKind::Revoked, id);
        let until = now + ACCESS_LIFE + REVOKED_MARGIN;
        // The roles hear of it even where the store does not answer.
        self.revoker.revoke(tenant, id, until);
        self.records.put(tenant, &key, None, Bytes::from_static(b"1"), until).await
    }

    /// Revokes all tokens of a tenant that has ended at that time.
    pub fn revoke_tenant(&self, tenant: &TenantId, ended: Timestamp, now: Timestamp) {
        self.revoker.revoke_tenant(tenant, ended, now + ACCESS_LIFE + REVOKED_MARGIN);
    }

    /// Waits a moment until other roles can read all that was revoked here. Returns whether they can.
    pub async fn is_told(&self) -> bool {
        self.revoker.is_written(TOLD_WITHIN).await
    }

    /// Whether any of those was revoked.
    pub async fn is_revoked(&self, tenant: &TenantId, ids: impl IntoIterator<Item = &str>) -> Result<bool> {
        for id in ids {
            if self.records.read(tenant, &SignInKey::new(SignInKind::Revoked, id)).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    // === attempts ===

    /// Attempts under that name.
    pub async fn attempts<R: StoredRecord + Default>(&self, tenant: &TenantId, name: &str) -> Result<R> {
        let key = SignInKey::new(SignInKind::Attempts, name);
        Ok(self.read(tenant, &key).await?.map(|(attempts, _)| attempts).unwrap_or_default())
    }

    /// Changes attempts, and says how long to wait if they may not be changed; again when others change them at the same time.
    pub async fn change_attempts<R: StoredRecord + Default>(
        &self,
        tenant: &TenantId,
        name: &str,
        change: impl Fn(R) -> std::result::Result<(R, Timestamp), Duration> + Send,
    ) -> Result<Option<Duration>> {
        let key = SignInKey::new(SignInKind::Attempts, name);
        for _ in 0..TRIES_MAX {
            let seen = self.records.read(tenant, &key).await?;
            let (next, until) = match change(seen.as_ref().and_then(parsed).unwrap_or_default()) {
                Ok(changed) => changed,
                Err(wait) => return Ok(Some(wait)),
            };
            let is_written = match &seen {
                Some(seen) => self.records.replace(tenant, &key, seen, bytes(&next), until).await?,
                None => self.records.claim(tenant, &key, bytes(&next), until).await?,
            };
            if is_written {
                return Ok(None);
            }
        }
        Err(StoreError::Unavailable { reason: "others count attempts all the time".to_owned() })
    }

    /// Forgets attempts.
    pub async fn forget_attempts(&self, tenant: &TenantId, name: &str) -> Result<()> {
        self.records.remove(tenant, &SignInKey::new(SignInKind::Attempts, name)).await
    }

    /// Remembers a mark until then.
    pub async fn mark(&self, tenant: &TenantId, name: &str, until: Timestamp) -> Result<()> {
        let key = SignInKey::new(SignInKind::Attempts, name);
        self.records.put(tenant, &key, None, Bytes::from_static(b"1"), until).await
    }

    /// Whether the mark is there.
    pub async fn is_marked(&self, tenant: &TenantId, name: &str) -> Result<bool> {
        Ok(self.records.read(tenant, &SignInKey::new(SignInKind::Attempts, name)).await?.is_some())
    }
}

#[cfg(test)]
impl SignInStore {
    /// One in memory; what it revokes is written nowhere.
    pub fn in_memory(clock: Arc<infra::conformance::SetClock>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (revoker, _) = runtime::key_files::revoker(folder.path(), clock.clone()).expect("nothing is there yet");
        Self::new(Arc::new(infra::embedded::Embedded::in_memory(clock)), revoker, EndedSignIns::untold())
    }
}

#[cfg(test)]
mod tests {
    use infra::conformance::SetClock;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn a_sign_in_at_a_provider_comes_back_once() {
        let start = Timestamp::from_millis(1_700_000_000_000);
        let (store, acme) = (SignInStore::in_memory(SetClock::at(start)), TenantId::parse("acme").unwrap());
        assert!(store.spend_state(&acme, "s", start + HOUR).await.unwrap());
        assert!(!store.spend_state(&acme, "s", start + HOUR).await.unwrap());
        assert!(store.spend_state(&acme, "t", start + HOUR).await.unwrap());
    }

    #[tokio::test]
    async fn an_assertion_of_a_client_is_taken_once_until_it_is_over() {
        let start = Timestamp::from_millis(1_700_000_000_000);
        let clock = SetClock::at(start);
        let (store, acme) = (SignInStore::in_memory(clock.clone()), TenantId::parse("acme").unwrap());
        assert!(store.spend_assertion(&acme, "desk", "j", start + HOUR).await.unwrap());
        assert!(!store.spend_assertion(&acme, "desk", "j", start + HOUR).await.unwrap());
        assert!(store.spend_assertion(&acme, "crm", "j", start + HOUR).await.unwrap());
        clock.advance(HOUR);
        assert!(store.spend_assertion(&acme, "desk", "j", start + HOUR + HOUR).await.unwrap());
    }

    #[tokio::test]
    async fn a_challenge_is_taken_once_while_there_is_time_and_never_after() {
        let start = Timestamp::from_millis(1_700_000_000_900);
        let clock = SetClock::at(start);
        let (store, acme) = (SignInStore::in_memory(clock.clone()), TenantId::parse("acme").unwrap());
        let challenge = PasskeyChallenge::new([7; 24], start);
        assert!(store.spend_challenge(&acme, &challenge).await.unwrap());
        while PasskeyChallenge::parse(&challenge.text(), infra::Clock::now(&*clock)).is_some() {
            assert!(!store.spend_challenge(&acme, &challenge).await.unwrap());
            clock.advance(Duration::from_secs(60));
        }
        assert!(store.spend_challenge(&acme, &PasskeyChallenge::new([8; 24], start + HOUR)).await.unwrap());
    }

    fn family(n: usize, until: Timestamp) -> Family {
        Family {
            client: "app".to_owned(),
            user: "ann".to_owned(),
            credential: Digest::of("hash"),
            scope: String::new(),
            sign_in: format!("sign-in {n}"),
            session: None,
            authenticated_at: Timestamp::ZERO,
            by_two_factors: false,
            by_provider_or_passkey: false,
            audience: "app".to_owned(),
            ends_at: until,
            current: Digest::of("token"),
            until,
            superseded: Vec::new(),
        }
    }

    #[tokio::test]
    async fn whoever_has_as_much_as_there_may_be_loses_what_was_used_longest_ago() {
        let clock = SetClock::at(Timestamp::from_millis(1_700_000_000_000));
        let store = SignInStore::in_memory(clock.clone());
        let (acme, now) = (TenantId::parse("acme").unwrap(), infra::Clock::now(&*clock));
        let name = |n: usize| Digest::of(&n.to_string());
        for n in 0..bounds::SIGN_INS_OWNED_MAX + 2 {
            let until = now + HOUR + Duration::from_secs(n as u64);
            store.begin_family(&acme, name(n), &family(n, until), now).await.unwrap();
        }
        for (n, is_there) in [(0, false), (1, false), (2, true), (bounds::SIGN_INS_OWNED_MAX + 1, true)] {
            assert_eq!(store.family(&acme, name(n)).await.unwrap().is_some(), is_there, "{n}");
            let sign_in = format!("sign-in {n}");
            assert_eq!(store.is_revoked(&acme, [sign_in.as_str()]).await.unwrap(), !is_there, "{n}");
        }
        let session = BrowserSession {
            id: "s".to_owned(),
            user: "ann".to_owned(),
            credential: Digest::of("hash"),
            authenticated_at: now,
            begun_at: now,
            by_two_factors: false,
            provider: None,
            by_passkey: false,
            until: now + HOUR,
        };
        store.begin_session(&acme, Digest::of("cookie"), &session, now).await.unwrap();
        assert!(store.is_session_open(&acme, "ann", "s").await.unwrap());
        assert!(store.family(&acme, name(2)).await.unwrap().is_none());
    }
}
