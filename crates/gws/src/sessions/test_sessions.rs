//! Sessions for tests, in which nothing happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use infra::SignInKind;
use model::{TenantId, Timestamp};

use super::held::HeldSession;
use super::record::{RECORD_BYTES_MAX, SessionRecord};

/// A session of which nothing is kept but whose it is and who has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlainRecord {
    pub owner: String,
    pub holder: String,
    pub used_at: Timestamp,
}

impl PlainRecord {
    pub(crate) fn of(owner: &str, holder: &str, used_at: Timestamp) -> Self {
        Self { owner: owner.to_owned(), holder: holder.to_owned(), used_at }
    }
}

impl SessionRecord for PlainRecord {
    const KIND: SignInKind = SignInKind::Workspace;
    const LISTED_AS: &'static str = "plain";
    const SEALED_AS: &'static str = "plain session";
    const BESIDE: &'static [&'static str] = &["notes"];

    fn owner(&self) -> &str {
        &self.owner
    }

    fn holder(&self) -> &str {
        &self.holder
    }

    fn used_at(&self) -> Timestamp {
        self.used_at
    }

    fn held_by(self, holder: String, goes_on_at: Option<Timestamp>) -> Self {
        Self { holder, used_at: goes_on_at.unwrap_or(self.used_at), ..self }
    }

    fn encoded(&self) -> Option<Vec<u8>> {
        let text = format!("{} {} {}", self.owner, self.holder, self.used_at.as_micros());
        Some(text.into_bytes()).filter(|bytes| bytes.len() <= RECORD_BYTES_MAX)
    }

    fn decoded(_: &TenantId, plain: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(plain).ok()?.split(' ');
        let (owner, holder) = (parts.next()?, parts.next()?);
        Some(Self::of(owner, holder, Timestamp::from_micros(parts.next()?.parse().ok()?)))
    }
}

/// A session that is held, and gone, when a test says so.
#[derive(Default)]
pub(crate) struct PlainSession {
    pub is_gone: AtomicBool,
    pub is_elsewhere: AtomicBool,
}

impl HeldSession for PlainSession {
    type Record = PlainRecord;

    fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    async fn is_still_held(&self) -> bool {
        let is_elsewhere = self.is_elsewhere.load(Ordering::Relaxed);
        self.is_gone.fetch_or(is_elsewhere, Ordering::Relaxed);
        !is_elsewhere
    }

    async fn hand_over(self: Arc<Self>) {
        self.is_gone.store(true, Ordering::Relaxed);
    }
}
