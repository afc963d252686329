//! What a person has open: sessions of browsers, and sign-ins at programs with refresh tokens.

use bytes::Bytes;
use identity::grant::refresh::Family;
use identity::secret::Digest;
use infra::{SignInKey, SignInKind};
use model::{TenantId, Timestamp};

use super::super::records::BrowserSession;
use super::{Result, SignInStore, TRIES_MAX, bytes, owner, owner_by, parsed};

/// A record of a person.
enum OpenRecord {
    Session(BrowserSession),
    Family(Family),
}

/// All that a person has open, those first that end first.
#[derive(Default)]
pub(in crate::auth) struct OpenSignIns {
    pub sessions: Vec<BrowserSession>,
    pub families: Vec<Family>,
}

/// Which of it is the one that asks: a browser's session, or a program's sign-in.
#[derive(Clone, Copy)]
pub(in crate::auth) struct AskingSignIn<'a> {
    pub session: Option<&'a str>,
    pub sign_in: Option<&'a str>,
}

/// What the one that asks has shown.
#[derive(Clone, Copy)]
pub(in crate::auth) struct ShownProof {
    /// The digest of the password's hash, as it is now.
    pub credential: Digest,
    /// Whether a second factor was shown too.
    pub by_two_factors: bool,
    /// Whether that was a passkey.
    pub by_passkey: bool,
}

impl OpenRecord {
    /// `None` for what cannot be read, and what is neither.
    fn read(key: &SignInKey, value: &Bytes) -> Option<Self> {
        match key.kind {
            SignInKind::Session => parsed(value).map(Self::Session),
            SignInKind::Refresh => parsed(value).map(Self::Family),
            _ => None,
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Session(session) => &session.id,
            Self::Family(family) => &family.sign_in,
        }
    }

    /// Whether it is the one that asks, or came of it.
    fn is_of(&self, asking: AskingSignIn<'_>) -> bool {
        match self {
            Self::Session(session) => asking.session == Some(session.id.as_str()),
            Self::Family(family) => {
                let is_of_session = family.session.is_some() && family.session.as_deref() == asking.session;
                is_of_session || asking.sign_in == Some(family.sign_in.as_str())
            }
        }
    }

    /// The same after that was shown: its value, and when it ends.
    fn after(self, shown: ShownProof) -> (Bytes, Timestamp) {
        let ShownProof { credential, by_two_factors, by_passkey } = shown;
        match self {
            Self::Session(session) => {
                let by_two_factors = session.by_two_factors || by_two_factors;
                let by_passkey = session.by_passkey || by_passkey;
                let session = BrowserSession { credential, by_two_factors, by_passkey, ..session };
                (bytes(&session), session.until)
            }
            Self::Family(family) => {
                let by_two_factors = family.by_two_factors || by_two_factors;
                let by_provider_or_passkey = family.by_provider_or_passkey || by_passkey;
                let family = Family { credential, by_two_factors, by_provider_or_passkey, ..family };
                (bytes(&family), family.until)
            }
        }
    }
}

impl SignInStore {
    /// What a person has, those first that end first.
    pub(super) async fn owned(&self, tenant: &TenantId, user: &str) -> Result<Vec<(SignInKey, Bytes)>> {
        let (own, before) = (owner(user), owner_by(user));
        if own == before {
            return self.records.owned(tenant, &own).await;
        }
        // Records of before are listed by the name as it was spelled. They begin no more, and so end first.
        let mut owned = self.records.owned(tenant, &before).await?;
        owned.extend(self.records.owned(tenant, &own).await?);
        Ok(owned)
    }

    /// What a person has open.
    pub async fn open_of(&self, tenant: &TenantId, user: &str) -> Result<OpenSignIns> {
        let mut open = OpenSignIns::default();
        for (key, value) in self.owned(tenant, user).await? {
            match OpenRecord::read(&key, &value) {
                Some(OpenRecord::Session(session)) => open.sessions.push(session),
                Some(OpenRecord::Family(family)) => open.families.push(family),
                None => {}
            }
        }
        open.sessions.retain(|session| !self.ends.are_after(tenant, session.begun_at));
        open.families.retain(|family| !self.ends.are_after(tenant, family.begun_at()));
        Ok(open)
    }

    /// Ends a session, with the sign-ins that came of it, or a sign-in; `false` if the person has none of that id.
    pub async fn end_of(&self, tenant: &TenantId, user: &str, id: &str, now: Timestamp) -> Result<bool> {
        let mut is_there = false;
        // A session that somebody signs in to again is there twice for a moment.
        for (key, value) in self.owned(tenant, user).await? {
            let Some(record) = OpenRecord::read(&key, &value).filter(|record| record.id() == id) else { continue };
            self.end_record(tenant, &key, &record, now).await?;
            is_there = true;
        }
        Ok(is_there)
    }

    /// The person has another password or second factor: what asks goes on with it, and all else that was open ends.
    pub async fn keep_only(
        &self,
        tenant: &TenantId,
        user: &str,
        asking: AskingSignIn<'_>,
        shown: ShownProof,
        now: Timestamp,
    ) -> Result<()> {
        for (key, value) in self.owned(tenant, user).await? {
            match OpenRecord::read(&key, &value) {
                Some(record) if record.is_of(asking) => self.bind(tenant, &key, value, shown).await?,
                Some(record) => self.end_record(tenant, &key, &record, now).await?,
                None => {}
            }
        }
        Ok(())
    }

    /// Binds a record to what was shown; again when it is refreshed at the same time.
    async fn bind(&self, tenant: &TenantId, key: &SignInKey, mut seen: Bytes, shown: ShownProof) -> Result<()> {
        for _ in 0..TRIES_MAX {
            let Some(record) = OpenRecord::read(key, &seen) else { return Ok(()) };
            let (next, until) = record.after(shown);
            if self.records.replace(tenant, key, &seen, next, until).await? {
                return Ok(());
            }
            let Some(now_there) = self.records.read(tenant, key).await? else { return Ok(()) };
            seen = now_there;
        }
        // It is asked to sign in anew.
        Ok(())
    }

    async fn end_record(&self, tenant: &TenantId, key: &SignInKey, record: &OpenRecord, now: Timestamp) -> Result<()> {
        match record {
            OpenRecord::Session(session) => self.end_sign_ins_of(tenant, session, now).await?,
            // First what is asked about, so that a store that goes away in between leaves no token that is believed.
            OpenRecord::Family(family) => self.revoke(tenant, &family.sign_in, now).await?,
        }
        self.records.remove(tenant, key).await?;
        if let OpenRecord::Family(family) = record {
            self.tell(tenant, family);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use identity::grant::SIGN_IN_LIFE;
    use infra::Clock as _;
    use infra::conformance::SetClock;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn digest(n: &str) -> Digest {
        Digest::of(n)
    }

    fn session(user: &str, id: &str, now: Timestamp) -> BrowserSession {
        BrowserSession {
            id: id.to_owned(),
            user: user.to_owned(),
            credential: digest("old"),
            authenticated_at: now,
            begun_at: now,
            by_two_factors: false,
            provider: None,
            by_passkey: false,
            until: now + HOUR,
        }
    }

    fn family(sign_in: &str, now: Timestamp) -> Family {
        Family {
            client: "app".to_owned(),
            user: "ann".to_owned(),
            credential: digest("old"),
            scope: String::new(),
            sign_in: sign_in.to_owned(),
            session: None,
            authenticated_at: now,
            by_two_factors: false,
            by_provider_or_passkey: false,
            audience: "app".to_owned(),
            ends_at: now + SIGN_IN_LIFE,
            current: digest("token"),
            until: now + HOUR,
            superseded: Vec::new(),
        }
    }

    async fn with_two_browsers() -> (SignInStore, TenantId, Timestamp) {
        let clock = SetClock::at(Timestamp::from_millis(1_700_000_000_000));
        let store = SignInStore::in_memory(clock.clone());
        let (acme, now) = (TenantId::parse("acme").unwrap(), clock.now());
        for id in ["this", "other"] {
            store.begin_session(&acme, digest(id), &session("ann", id, now), now).await.unwrap();
        }
        for (sign_in, session) in [("of this", Some("this")), ("of other", Some("other")), ("program", None)] {
            let session = session.map(str::to_owned);
            let family = Family { session, ..family(sign_in, now) };
            store.begin_family(&acme, digest(sign_in), &family, now).await.unwrap();
        }
        (store, acme, now)
    }

    async fn open(store: &SignInStore, acme: &TenantId) -> Vec<(String, bool)> {
        let open = store.open_of(acme, "ann").await.unwrap();
        let sessions = open.sessions.into_iter().map(|session| (session.id, session.credential == digest("new")));
        let families = open.families.into_iter().map(|family| (family.sign_in, family.credential == digest("new")));
        let mut all: Vec<_> = sessions.chain(families).collect();
        all.sort();
        all
    }

    fn shown(credential: &str, by_two_factors: bool) -> ShownProof {
        ShownProof { credential: digest(credential), by_two_factors, by_passkey: false }
    }

    #[tokio::test]
    async fn another_password_leaves_what_asks_and_nothing_else() {
        let (store, acme, now) = with_two_browsers().await;
        let asking = AskingSignIn { session: Some("this"), sign_in: None };
        store.keep_only(&acme, "ann", asking, shown("new", false), now).await.unwrap();
        assert_eq!(open(&store, &acme).await, [("of this".to_owned(), true), ("this".to_owned(), true)]);
        assert!(
            store.is_revoked(&acme, ["of other"]).await.unwrap() && store.is_revoked(&acme, ["program"]).await.unwrap()
        );
        assert!(!store.is_revoked(&acme, ["of this"]).await.unwrap());

        let (store, acme, now) = with_two_browsers().await;
        let asking = AskingSignIn { session: None, sign_in: Some("program") };
        store.keep_only(&acme, "ann", asking, shown("new", false), now).await.unwrap();
        assert_eq!(open(&store, &acme).await, [("program".to_owned(), true)]);
    }

    #[tokio::test]
    async fn a_second_factor_leaves_what_asks_which_has_shown_it() {
        let (store, acme, now) = with_two_browsers().await;
        let asking = AskingSignIn { session: Some("this"), sign_in: None };
        store.keep_only(&acme, "ann", asking, shown("old", true), now).await.unwrap();
        let left = store.open_of(&acme, "ann").await.unwrap();
        assert_eq!((left.sessions.len(), left.families.len()), (1, 1));
        assert!(left.sessions[0].by_two_factors && left.families[0].by_two_factors);
        assert_eq!(left.sessions[0].credential, digest("old"));
        // Another password later takes nothing of that away.
        store.keep_only(&acme, "ann", asking, shown("new", false), now).await.unwrap();
        assert!(store.open_of(&acme, "ann").await.unwrap().sessions[0].by_two_factors);
    }

    #[tokio::test]
    async fn a_session_ends_with_what_came_of_it_and_a_sign_in_alone() {
        let (store, acme, now) = with_two_browsers().await;
        assert!(store.end_of(&acme, "ann", "program", now).await.unwrap());
        assert!(store.end_of(&acme, "ann", "other", now).await.unwrap());
        assert!(!store.end_of(&acme, "ann", "other", now).await.unwrap());
        assert!(!store.end_of(&acme, "bob", "this", now).await.unwrap(), "it is somebody else's");
        assert_eq!(open(&store, &acme).await, [("of this".to_owned(), false), ("this".to_owned(), false)]);
    }

    #[tokio::test]
    async fn a_session_that_two_requests_have_begun_anew_ends_whole() {
        let (store, acme, now) = with_two_browsers().await;
        store.begin_session(&acme, digest("this again"), &session("ann", "this", now), now).await.unwrap();
        assert!(store.end_of(&acme, "ann", "this", now).await.unwrap());
        let left: Vec<String> = open(&store, &acme).await.into_iter().map(|(id, _)| id).collect();
        assert_eq!(left, ["of other", "other", "program"]);
    }

    #[tokio::test]
    async fn what_is_open_stays_the_persons_however_the_name_is_spelled() {
        let (store, acme, now) = with_two_browsers().await;
        assert!(store.is_session_open(&acme, "Ann", "this").await.unwrap(), "the tenant's file spells it so by now");
        assert!(!store.is_session_open(&acme, "bob", "this").await.unwrap());
        store.end_all(&acme, "ANN", now).await.unwrap();
        assert!(open(&store, &acme).await.is_empty());

        // Records of before are listed by the name as it was spelled.
        let key = SignInKey::new(SignInKind::Session, digest("before").text());
        let before = session("Bob", "before", now);
        store.records.put(&acme, &key, Some(&owner_by("Bob")), bytes(&before), before.until).await.unwrap();
        store.begin_session(&acme, digest("after"), &session("Bob", "after", now), now).await.unwrap();
        assert_eq!(store.open_of(&acme, "Bob").await.unwrap().sessions.len(), 2);
    }

    #[tokio::test]
    async fn who_was_at_a_provider_before_the_tenant_ended_signs_in_at_the_restored_one() {
        let (store, acme, ended) = with_two_browsers().await;
        store.ends.are_seen(&acme, ended);
        assert!(open(&store, &acme).await.is_empty());
        let now = ended + HOUR / 2;
        let by_provider = BrowserSession { authenticated_at: ended - HOUR, ..session("ann", "new", now) };
        store.begin_session(&acme, digest("new"), &by_provider, now).await.unwrap();
        let of_provider = Family { authenticated_at: ended - HOUR, ..family("of new", now) };
        store.begin_family(&acme, digest("of new"), &of_provider, now).await.unwrap();
        for (is_there, cookie, name) in [(false, "this", "of this"), (true, "new", "of new")] {
            assert_eq!(store.session(&acme, digest(cookie)).await.unwrap().is_some(), is_there, "{cookie}");
            assert_eq!(store.family(&acme, digest(name)).await.unwrap().is_some(), is_there, "{name}");
        }
        assert_eq!(open(&store, &acme).await, [("new".to_owned(), false), ("of new".to_owned(), false)]);
    }
}
