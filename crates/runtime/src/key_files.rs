//! The folder `keys` of the data directory: the private keys that sign tokens, and the public ones by which every process verifies them.
//!
//! `signing.keys` has those that sign for people and programs, a new one each 30 days; `services/<role>.p8` signs for the replicas of one
//! role. `public` has the keys that verify, a file for each of them, and what was revoked; processes follow it, or ask auth, which does. What
//! proves a process is that it can read the key of its role, whose public half auth knows by what is here.

mod believed_age;
mod followed;
mod outage;
mod revoked_file;
mod ring_file;
mod told;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use infra::Clock;
use model::Timestamp;
use serde_json::json;

pub use self::believed_age::BelievedAge;
pub use self::followed::{FollowedKeys, check_public};
pub use self::revoked_file::{RevocationWriter, Revoker};
use self::ring_file::RingFile;
pub use self::told::{CONNECTION, PATH, TELLS, ToldKeys, WayToAuth, port_of_auth};
use crate::data_dir::{make_directory, no_installation, secret, unusable, write_whole};
use crate::exit::ExitError;
use crate::spec::RoleSpec;
use crate::token::{PublicJwk, ServiceIssuer, SigningKey, TokenIssuer, TokenVerifier};

/// The folder of all keys.
const KEYS: &str = "keys";
/// The folder of the roles' private keys.
const SERVICES: &str = "services";
/// The folder of public keys.
const PUBLIC: &str = "public";
/// What a file of public keys ends with; before it stands the role, or [`ISSUER`].
const SET: &str = ".json";
/// The issuer's file of public keys. No role has this name.
const ISSUER: &str = "issuer";
/// The file of what was revoked. No role has this name either.
const REVOKED: &str = "revoked";

/// Who issues tokens for people and programs. Its first key is made if there is none.
///
/// # Errors
/// If the keys cannot be read or made.
pub fn issuer(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<TokenIssuer, ExitError> {
    let file = RingFile::open(data_dir, data_dir.join(KEYS))?;
    let issuer = TokenIssuer::new(file.ring(clock.now())?, clock);
    publish(data_dir, ISSUER, &issuer.public_keys())?;
    Ok(issuer)
}

/// Makes the next key of an issuer when it is time, and publishes it before anybody can sign with it; drops the keys that are over. For
/// role auth, each minute. Whether it has made one.
///
/// # Errors
/// If the keys cannot be read, published or written: the issuer goes on with those that it has, and the next call makes another key.
pub fn rotate(data_dir: &Path, issuer: &TokenIssuer) -> Result<bool, ExitError> {
    // Others that rotate, and those that read and publish, wait for this lock.
    let file = RingFile::open(data_dir, data_dir.join(KEYS))?;
    let now = issuer.clock().now();
    let mut ring = file.ring(now)?;
    let mut is_changed = ring.drop_ended(now);
    let mut made = None;
    if let Some(signs_from) = ring.next(now) {
        let key = SigningKey::made().map_err(|error| unusable(&data_dir.join(KEYS), &io::Error::other(error)))?;
        made = Some((key.jwk().kid.clone(), signs_from));
        ring.add(key, signs_from);
        is_changed = true;
    }
    // Published first: what is in the ring signs once its time has come, here and in every command, whether anybody knows it or not.
    publish(data_dir, ISSUER, &ring.public_keys(now))?;
    if is_changed {
        file.write(&ring)?;
    }
    issuer.replace(ring);
    if let Some((kid, signs_from)) = &made {
        tracing::info!(kid, signs_in_s = signs_from.since(now).as_secs(), "a new key for tokens");
    }
    Ok(made.is_some())
}

/// As [`issuer`], for client commands: it creates no key.
///
/// # Errors
/// If there is no installation, or its key cannot be read.
pub fn issuer_of_existing(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<TokenIssuer, ExitError> {
    let ring = RingFile::existing(data_dir, data_dir.join(KEYS), clock.now())?;
    Ok(TokenIssuer::new(ring.ok_or_else(|| no_installation(data_dir))?, clock))
}

/// Who issues the tokens of a role's replicas. Its key is made if it is missing, and registered.
///
/// # Errors
/// If the key cannot be read or made.
pub fn service_issuer(
    data_dir: &Path,
    spec: &'static RoleSpec,
    clock: Arc<dyn Clock>,
) -> Result<ServiceIssuer, ExitError> {
    let key = signing_key(&data_dir.join(KEYS).join(SERVICES), &format!("{}.p8", spec.name))?;
    let service = ServiceIssuer::new(spec, key, clock);
    publish(data_dir, spec.name, &[(service.jwk().clone(), None)])?;
    Ok(service)
}

/// Makes and registers the keys that are missing of those roles: who starts several processes does so before, so that none of them is a
/// stranger to another.
///
/// # Errors
/// If a key cannot be read or made.
pub fn register_services(
    data_dir: &Path,
    specs: &[&'static RoleSpec],
    clock: &Arc<dyn Clock>,
) -> Result<(), ExitError> {
    specs.iter().try_for_each(|&spec| service_issuer(data_dir, spec, clock.clone()).map(drop))
}

fn signing_key(folder: &Path, name: &str) -> Result<SigningKey, ExitError> {
    let pkcs8 = secret(folder, name, || SigningKey::new_pkcs8().map_err(io::Error::other))?;
    SigningKey::from_pkcs8(&pkcs8).map_err(|error| unusable(&folder.join(name), &io::Error::other(error)))
}

/// Writes the public keys of the issuer or a role, if they are not there already.
fn publish(data_dir: &Path, whose: &str, keys: &[(PublicJwk, Option<Timestamp>)]) -> Result<(), ExitError> {
    let folder = data_dir.join(KEYS).join(PUBLIC);
    make_directory(&folder)?;
    let of_key = |(jwk, until): &(PublicJwk, Option<Timestamp>)| {
        let mut key = json!(jwk);
        if let Some(until) = until {
            key["exp"] = until.as_secs().into();
        }
        key
    };
    let set = json!({ "keys": keys.iter().map(of_key).collect::<Vec<_>>() }).to_string();
    let path = folder.join(format!("{whose}{SET}"));
    if fs::read(&path).is_ok_and(|there| there == set.as_bytes()) {
        return Ok(());
    }
    write_whole(&path, set.as_bytes()).map_err(|error| unusable(&path, &error))
}

/// Who revokes tokens at every role, and what tells them. For role auth.
///
/// # Errors
/// If what was revoked before cannot be read.
pub fn revoker(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<(Revoker, RevocationWriter), ExitError> {
    let folder = data_dir.join(KEYS).join(PUBLIC);
    let path = folder.join(format!("{REVOKED}{SET}"));
    RevocationWriter::open(&folder, path, clock)
}

/// Who verifies for the roles of that table, and what keeps it up to date.
///
/// # Errors
/// If the public keys cannot be read.
pub fn verifier(
    data_dir: &Path,
    table: &[&'static RoleSpec],
    clock: Arc<dyn Clock>,
) -> Result<(TokenVerifier, FollowedKeys), ExitError> {
    let (believed, followed) = FollowedKeys::open(data_dir, clock.clone())?;
    Ok((TokenVerifier::new(believed, table, clock), followed))
}

/// Who verifies for the roles of that table by what auth tells, and what asks it. The process keeps what it was told in its own folder.
///
/// # Errors
/// If the public key of auth cannot be read.
pub fn verifier_by_auth(
    data_dir: &Path,
    own_dir: &Path,
    table: &[&'static RoleSpec],
    clock: Arc<dyn Clock>,
) -> Result<(TokenVerifier, ToldKeys), ExitError> {
    let (believed, told) = ToldKeys::open(data_dir, own_dir, clock.clone())?;
    Ok((TokenVerifier::new(believed, table, clock), told))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::Relaxed;
    use std::time::Duration;

    use infra::SystemClock;
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;
    use crate::api_family::ApiFamily;
    use crate::token::TokenError;

    /// What the interfaces of these tests take.
    const OPERATIONS: &[ApiFamily] = &[ApiFamily::Operations];
    /// How long tokens of these tests live.
    const LIFE: Duration = Duration::from_secs(60);

    static ORS: RoleSpec = RoleSpec { opens: &["voice-30"], ..RoleSpec::bare("ors", 12) };
    static TENANT: RoleSpec = RoleSpec { opens: &["voice-16"], ..RoleSpec::bare("tenant", 16) };

    fn clock() -> Arc<dyn Clock> {
        Arc::new(SystemClock::start())
    }

    #[test]
    fn a_process_verifies_what_others_issue_and_learns_of_further_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let token = issuer(path, clock()).unwrap().issue(None, "operator/ann", "operate", LIFE).unwrap();
        let ors = service_issuer(path, &ORS, clock()).unwrap();
        let (verifier, mut followed) = verifier(path, &[&ORS, &TENANT], clock()).unwrap();
        assert_eq!(verifier.verify(&token, "rq", OPERATIONS).unwrap().kind(), "operator");
        let verified =
            |token: &str| verifier.verify(token, "rq", OPERATIONS).map(|caller| caller.role().map(str::to_owned));
        assert_eq!(verified(&ors.token("ors-1", "rq").unwrap()), Ok(Some("ors".to_owned())));

        let tenant = service_issuer(path, &TENANT, clock()).unwrap().token("tenant-1", "rq").unwrap();
        assert_eq!(verified(&tenant), Err(TokenError::Signature), "not registered yet");
        followed.look();
        assert_eq!(verified(&tenant), Ok(Some("tenant".to_owned())));
    }

    #[test]
    fn keys_are_made_once_and_one_of_a_role_that_was_deleted_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let kid = || service_issuer(folder.path(), &ORS, clock()).unwrap().jwk().kid.clone();
        let first = kid();
        assert_eq!(kid(), first);
        fs::remove_file(folder.path().join("keys/services/ors.p8")).unwrap();
        let second = kid();
        let set = fs::read_to_string(folder.path().join("keys/public/ors.json")).unwrap();
        assert!(second != first && set.contains(&second) && !set.contains(&first), "{set}");
    }

    #[test]
    fn a_role_cannot_claim_the_issuers_key() {
        let folder = tempfile::tempdir().unwrap();
        let token = issuer(folder.path(), clock()).unwrap().issue(None, "a/b", "operate", LIFE).unwrap();
        let public = folder.path().join("keys/public");
        fs::copy(public.join("issuer.json"), public.join("a-role.json")).unwrap();
        let (verifier, _) = verifier(folder.path(), &[&ORS], clock()).unwrap();
        assert!(verifier.verify(&token, "rq", OPERATIONS).is_ok());
        fs::write(public.join("ors.json"), "{}").unwrap();
        let refused = super::verifier(folder.path(), &[&ORS], clock()).err().unwrap();
        assert!(refused.message.contains("ors.json"), "{refused}");
    }

    struct Ahead(SystemClock);
    impl Clock for Ahead {
        fn now(&self) -> Timestamp {
            self.0.now() + Duration::from_secs(5)
        }
    }

    #[tokio::test]
    async fn what_is_revoked_is_refused_everywhere_and_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let acme = model::TenantId::parse("acme").unwrap();
        let issue = |sub: &str| {
            let issuer = issuer(path, clock()).unwrap();
            issuer.issue(Some(&acme), sub, "operate", Duration::from_secs(60)).unwrap()
        };
        let (ann, bob) = (issue("person/ann"), issue("person/bob"));
        let (verifier, mut followed) = verifier(path, &[], clock()).unwrap();
        assert!(verifier.verify(&ann, "rq", OPERATIONS).is_ok() && verifier.verify(&bob, "rq", OPERATIONS).is_ok());

        let later = Arc::new(Ahead(SystemClock::start()));
        let (revoker, writer) = revoker(path, later.clone()).unwrap();
        revoker.revoke_subject(&acme, "person/ann", later.now() + Duration::from_secs(660));
        let drain = crate::Drain::new(Duration::ZERO);
        drain.begin(later.now());
        drain.end();
        writer.run(drain, Gauge::default()).await.unwrap();
        followed.look();
        assert_eq!(verifier.verify(&ann, "rq", OPERATIONS).unwrap_err(), TokenError::Revoked);
        assert!(verifier.verify(&bob, "rq", OPERATIONS).is_ok());
        let (again, _) = super::verifier(path, &[], clock()).unwrap();
        assert_eq!(again.verify(&ann, "rq", OPERATIONS).unwrap_err(), TokenError::Revoked);
        assert!(super::revoker(path, later).is_ok());
    }

    struct Later(Duration);
    impl Clock for Later {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_800_000_000_000) + self.0
        }
    }

    #[test]
    fn the_key_of_the_build_before_goes_on_until_its_tokens_are_over() {
        let folder = tempfile::tempdir().unwrap();
        let (path, keys) = (folder.path(), folder.path().join("keys"));
        let (former, days) = (SigningKey::new_pkcs8().unwrap(), |days: u64| Duration::from_secs(days * 24 * 3_600));
        fs::create_dir(&keys).unwrap();
        fs::write(keys.join("caller.p8"), &former).unwrap();
        let kid = SigningKey::from_pkcs8(&former).unwrap().jwk().kid.clone();
        let kids = |issuer: TokenIssuer| issuer.public_keys().into_iter().map(|(jwk, _)| jwk.kid).collect::<Vec<_>>();
        let at = |after| Arc::new(Later(after));
        assert_eq!(kids(issuer_of_existing(path, at(days(0))).unwrap()), std::slice::from_ref(&kid));
        assert!(keys.join("caller.p8").exists(), "a command changes nothing");
        assert_eq!(kids(issuer(path, at(days(0))).unwrap()), std::slice::from_ref(&kid));
        assert!(!keys.join("caller.p8").exists());

        let token = issuer(path, at(days(29))).unwrap().issue(None, "a/b", "operate", days(31)).unwrap();
        rotate(path, &issuer(path, at(days(30))).unwrap()).unwrap();
        let known = kids(issuer_of_existing(path, at(days(59))).unwrap());
        assert!(known.len() == 2 && known.contains(&kid), "{known:?}");
        assert!(verifier(path, &[], at(days(59))).unwrap().0.verify(&token, "rq", OPERATIONS).is_ok());
        rotate(path, &issuer(path, at(days(91))).unwrap()).unwrap();
        let set = fs::read_to_string(keys.join("public/issuer.json")).unwrap();
        assert!(!set.contains(&kid) && set.contains("exp"), "{set}");
    }

    /// A clock that goes on when it is told to, by hours.
    #[derive(Default)]
    struct Hours(AtomicU64);
    impl Clock for Hours {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_800_000_000_000) + Duration::from_secs(3_600 * self.0.load(Relaxed))
        }
    }

    #[test]
    fn a_key_changes_while_processes_run() {
        const SIGNS_FOR: u64 = 30 * 24;
        let folder = tempfile::tempdir().unwrap();
        let (path, clock) = (folder.path(), Arc::new(Hours::default()));
        let auth = issuer(path, clock.clone()).unwrap();
        let mut roles = [(), ()].map(|()| verifier(path, &[], clock.clone()).unwrap());
        let issued = || auth.issue(None, "operator/ann", "operate", Duration::from_secs(31 * 24 * 3_600)).unwrap();
        let first = issued();
        clock.0.store(SIGNS_FOR - 1, Relaxed);
        assert!(rotate(path, &auth).unwrap(), "the next key is due");
        assert!(!rotate(path, &auth).unwrap(), "and made once");
        assert_eq!(auth.public_keys().len(), 2, "whoever asks for the keys gets both");
        let last = issued();
        clock.0.store(SIGNS_FOR, Relaxed);
        let next = issued();
        for (role, followed) in &mut roles {
            let is_good = |token: &str| role.verify(token, "rq", OPERATIONS).is_ok();
            assert!(is_good(&first) && is_good(&last) && !is_good(&next), "it has not looked since");
            followed.look();
            assert!(is_good(&first) && is_good(&last) && is_good(&next));
        }
        // Each until its end.
        clock.0.store(32 * 24, Relaxed);
        for (role, followed) in &mut roles {
            followed.look();
            assert_eq!(role.verify(&first, "rq", OPERATIONS).unwrap_err(), TokenError::Expired);
            assert!([&last, &next].map(|token| role.verify(token, "rq", OPERATIONS).is_ok()) == [true; 2]);
        }
    }

    #[test]
    fn a_key_that_cannot_be_published_signs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, keys) = (folder.path(), folder.path().join("keys"));
        let at = |days: u64| Arc::new(Later(Duration::from_secs(days * 24 * 3_600)));
        issuer(path, at(0)).unwrap();
        let signing = issuer(path, at(30)).unwrap();
        let before = (signing.public_keys().len(), fs::read(keys.join("signing.keys")).unwrap());
        // Nothing can be written in the place of a folder.
        let published = keys.join("public/issuer.json");
        fs::remove_file(&published).unwrap();
        fs::create_dir(&published).unwrap();
        let refused = rotate(path, &signing).unwrap_err();
        assert!(refused.message.contains("issuer.json"), "{refused}");
        let after = (signing.public_keys().len(), fs::read(keys.join("signing.keys")).unwrap());
        assert!(after == before, "neither auth nor a command has the key");

        fs::remove_dir(&published).unwrap();
        rotate(path, &signing).unwrap();
        let set = fs::read_to_string(&published).unwrap();
        let known = signing.public_keys();
        assert!(known.len() == 2 && known.iter().all(|(jwk, _)| set.contains(&jwk.kid)), "{set}");
    }

    #[test]
    fn keys_that_were_changed_are_named() {
        let folder = tempfile::tempdir().unwrap();
        issuer(folder.path(), clock()).unwrap();
        let stored = fs::read(folder.path().join("keys/signing.keys")).unwrap();
        assert!(!stored.windows(5).any(|part| part == b"pkcs8"), "sealed");
        fs::write(folder.path().join("keys/signing.keys"), "").unwrap();
        for refused in [issuer(folder.path(), clock()).err(), issuer_of_existing(folder.path(), clock()).err()] {
            assert!(refused.is_some_and(|refused| refused.message.contains("signing.keys")));
        }
    }

    #[test]
    fn a_directory_without_an_installation_gets_no_key_by_a_command() {
        let folder = tempfile::tempdir().unwrap();
        assert!(issuer_of_existing(folder.path(), clock()).is_err());
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing was made");
        issuer(folder.path(), clock()).unwrap();
        assert!(issuer_of_existing(folder.path(), clock()).is_ok());
    }
}
