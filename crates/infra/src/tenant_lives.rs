//! Which tenant of its id a tenant is, for roles that keep something of it outside of the database: tenant notes it as it publishes, and
//! who keeps something looks there before it is used. Key `view:{tenant}:life`.

use bytes::Bytes;
use model::TenantId;

use crate::{KeptView, Result, StoreError, ViewStore};

/// The view.
const LIFE: &str = "life";
/// What stands there of a tenant that has ended.
const OVER: &str = "over";

/// What tells a tenant from others that had its id before: a random number, or 0 of one that was there before lives were noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantLife(pub u64);

/// What is known of a tenant's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownLife {
    /// Nothing yet.
    Unknown,
    /// It has ended, and there is no other one of its id.
    Over,
    /// It is this one.
    Present(TenantLife),
}

impl KnownLife {
    /// Whether that life is known to be over.
    pub fn has_passed(self, life: TenantLife) -> bool {
        match self {
            Self::Unknown => false,
            Self::Over => true,
            Self::Present(present) => present != life,
        }
    }
}

/// Which tenant of its id it is.
///
/// # Errors
/// Errors of the store; [`StoreError::Invalid`] for what nobody has noted.
pub async fn known_life(lives: &dyn ViewStore, tenant: &TenantId) -> Result<KnownLife> {
    let Some(kept) = lives.load(tenant, LIFE).await? else { return Ok(KnownLife::Unknown) };
    if kept.position == OVER {
        return Ok(KnownLife::Over);
    }
    let unreadable = |_| StoreError::Invalid(format!("the life of tenant {tenant} is no number"));
    kept.position.parse().map(|life| KnownLife::Present(TenantLife(life))).map_err(unreadable)
}

/// Notes which tenant of its id it is; none: it has ended.
///
/// # Errors
/// Errors of the store.
pub async fn note_life(lives: &dyn ViewStore, tenant: &TenantId, life: Option<TenantLife>) -> Result<()> {
    let position = life.map_or_else(|| OVER.to_owned(), |TenantLife(life)| life.to_string());
    if lives.load(tenant, LIFE).await?.is_some_and(|known| known.position == position) {
        return Ok(());
    }
    lives.keep(tenant, LIFE, KeptView { position, state: Bytes::new() }).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::SystemClock;
    use crate::embedded::Embedded;

    #[tokio::test]
    async fn a_life_is_known_from_when_it_is_noted_until_another_one_is() {
        let (lives, acme) = (Embedded::in_memory(Arc::new(SystemClock::start())), TenantId::parse("acme").unwrap());
        assert_eq!(known_life(&lives, &acme).await.unwrap(), KnownLife::Unknown);
        for life in [Some(TenantLife(0)), Some(TenantLife(7)), None, Some(TenantLife(u64::MAX))] {
            note_life(&lives, &acme, life).await.unwrap();
            note_life(&lives, &acme, life).await.unwrap();
            assert_eq!(known_life(&lives, &acme).await.unwrap(), life.map_or(KnownLife::Over, KnownLife::Present));
        }
        assert!(
            KnownLife::Over.has_passed(TenantLife(0)) && KnownLife::Present(TenantLife(7)).has_passed(TenantLife(0))
        );
        assert!(!KnownLife::Present(TenantLife(7)).has_passed(TenantLife(7)));
        assert!(!KnownLife::Unknown.has_passed(TenantLife(7)), "nothing goes for what is not known");
    }
}
