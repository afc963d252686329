//! Keeps guessing slow: waits for one name from one source, and a limit for one source over many names.

use std::time::Duration;

use identity::lockout::{Attempts, KNOWN_FOR, SourceAttempts};
use identity::secret::Digest;
use model::TenantId;

use super::Auth;
use super::answers::Trouble;
use super::source::RequestSource;

/// One name, a person's or a client's, from one source.
pub(super) struct GuessGuard<'a> {
    auth: &'a Auth,
    tenant: &'a TenantId,
    name: String,
    source: String,
    known: String,
}

impl<'a> GuessGuard<'a> {
    /// The guard of a person, whoever types the name in whatever case, and whether the person exists or not.
    pub fn of_person(auth: &'a Auth, tenant: &'a TenantId, user: &str, source: &RequestSource) -> Self {
        Self::new(auth, tenant, &format!("person/{}", user.to_lowercase()), source)
    }

    /// The guard of a client, whose id is found in whatever case.
    pub fn of_client(auth: &'a Auth, tenant: &'a TenantId, id: &str, source: &RequestSource) -> Self {
        Self::new(auth, tenant, &format!("client/{}", id.to_lowercase()), source)
    }

    fn new(auth: &'a Auth, tenant: &'a TenantId, name: &str, source: &RequestSource) -> Self {
        // Names come from outside and may be long or secret (a password typed into the wrong field): keys have digests of them.
        let digest = Digest::of(&format!("{name}\0{}", source.address)).text();
        Self {
            auth,
            tenant,
            name: format!("name/{digest}"),
            source: format!("source/{}", source.address),
            known: format!("known/{digest}"),
        }
    }

    /// How long nothing is taken from there; none if something is taken now.
    pub async fn wait(&self) -> Result<Option<Duration>, Trouble> {
        let (store, now) = (&self.auth.store, self.auth.now());
        let of_name: Attempts = store.attempts(self.tenant, &self.name).await?;
        if let Some(wait) = of_name.wait(now) {
            return Ok(Some(wait));
        }
        let of_source: SourceAttempts = store.attempts(self.tenant, &self.source).await?;
        match of_source.wait(now) {
            Some(wait) if !store.is_marked(self.tenant, &self.known).await? => Ok(Some(wait)),
            _ => Ok(None),
        }
    }

    /// It was wrong. A store that cannot count it does not make it right, so the answer does not wait for that.
    pub async fn failed(&self) {
        let (store, now) = (&self.auth.store, self.auth.now());
        let of_name = |attempts: Attempts| {
            let next = attempts.failed(now);
            (next, next.forgotten_at())
        };
        let of_source = |attempts: SourceAttempts| {
            let next = attempts.failed(now);
            (next, next.forgotten_at())
        };
        let counted = async {
            store.change_attempts(self.tenant, &self.name, of_name).await?;
            store.change_attempts(self.tenant, &self.source, of_source).await
        };
        if let Err(error) = counted.await {
            tracing::warn!(tenant = %self.tenant, %error, "a wrong password was not counted");
        }
    }

    /// It was right: mistyping is forgotten, and the source is known for this name.
    pub async fn succeeded(&self) -> Result<(), Trouble> {
        let store = &self.auth.store;
        store.forget_attempts(self.tenant, &self.name).await?;
        Ok(store.mark(self.tenant, &self.known, self.auth.now() + KNOWN_FOR).await?)
    }

    /// [`Self::succeeded`], without a write where nothing would change: programs show their secret with each request.
    pub async fn proven(&self) -> Result<(), Trouble> {
        let store = &self.auth.store;
        let of_name: Attempts = store.attempts(self.tenant, &self.name).await?;
        if of_name == Attempts::default() && store.is_marked(self.tenant, &self.known).await? {
            return Ok(());
        }
        self.succeeded().await
    }
}
