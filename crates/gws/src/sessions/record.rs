//! A session as it is kept: sealed, since it says what somebody works at.

use bytes::Bytes;
use infra::SignInKind;
use infra::bounds::SIGN_IN_VALUE_MAX;
use model::{TenantId, Timestamp};
use runtime::installation_key::InstallationKey;
use runtime::sealed;

/// The most bytes of a record, so that the store takes it sealed.
pub(crate) const RECORD_BYTES_MAX: usize = SIGN_IN_VALUE_MAX - 64;

/// What an API keeps of a session.
pub(crate) trait SessionRecord: Clone + Send + Sync + 'static {
    /// What the store knows it as.
    const KIND: SignInKind;
    /// Under what sessions of somebody are listed: apart from what others keep of the same person or program.
    const LISTED_AS: &'static str;
    /// For what it is sealed.
    const SEALED_AS: &'static str;
    /// Names of records beside that of a session, which end with it. They belong to nobody, so that they count as no sessions.
    const BESIDE: &'static [&'static str] = &[];

    /// The person or program whose it is.
    fn owner(&self) -> &str;
    /// The run of the replica that has it.
    fn holder(&self) -> &str;
    /// When it was used last.
    fn used_at(&self) -> Timestamp;
    /// The same as another run of a replica has it, which has seen then that it may go on; where none is said: it is over, and whoever
    /// reads it next finds that, too.
    fn held_by(self, holder: String, goes_on_at: Option<Timestamp>) -> Self;
    /// Its bytes; `None` if they are more than [`RECORD_BYTES_MAX`].
    fn encoded(&self) -> Option<Vec<u8>>;
    /// What was encoded, of a session of that tenant; `None` for what cannot be read: it is nobody's session.
    fn decoded(tenant: &TenantId, plain: &[u8]) -> Option<Self>;

    /// Sealed for the record of that name; `None` if it does not fit, or the machine gives no randomness.
    fn seal(&self, key: &InstallationKey, name: &str) -> Option<Bytes> {
        sealed::seal(key, &bound_to::<Self>(name), self.encoded()?).map(Bytes::from)
    }

    /// What was sealed, of a session of that tenant; `None` for what cannot be read.
    fn open(key: &InstallationKey, tenant: &TenantId, name: &str, sealed: &[u8]) -> Option<Self> {
        Self::decoded(tenant, &sealed::open(key, &bound_to::<Self>(name), sealed)?)
    }
}

/// One record's value is of no use as another's.
fn bound_to<R: SessionRecord>(name: &str) -> Vec<u8> {
    format!("{} {name}", R::SEALED_AS).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::test_sessions::PlainRecord;
    use super::*;

    #[test]
    fn a_session_is_opened_as_it_was_under_its_own_name_alone_and_one_that_does_not_fit_is_not_sealed() {
        let (key, acme) = (InstallationKey::from_bytes([7; 32]), TenantId::parse("acme").unwrap());
        let kept = PlainRecord::of("ann", "a.1", Timestamp::from_millis(7));
        let sealed = kept.seal(&key, "one").unwrap();
        assert!(!sealed.windows(3).any(|part| part == b"ann"), "it is not there in clear");
        assert_eq!(PlainRecord::open(&key, &acme, "one", &sealed), Some(kept.clone()));
        assert_eq!(PlainRecord::open(&key, &acme, "two", &sealed), None);
        let large = PlainRecord { owner: "x".repeat(RECORD_BYTES_MAX), ..kept };
        assert_eq!(large.seal(&key, "one"), None);
    }
}
