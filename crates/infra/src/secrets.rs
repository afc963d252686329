//! Secrets of tenants' objects, sealed wherever they are stored or sent to be stored: who has a copy of a database, a cache or a backup
//! reads none of them.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use contracts::provisioning::{Object, ObjectKey, ObjectKind, ReadableSecrets, Secret, TenantObjects};
use model::TenantId;

use crate::{Result, StoreError};

/// Where a secret stands. Sealed, it is good there alone: nobody moves it to an object of which they know more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretPlace<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The object, with its name as names are compared: another spelling is the same object.
    pub key: ObjectKey,
    /// The field, as `agent.pin`.
    pub field: &'a str,
}

/// The field of a snapshot that has the tenant's file.
const SNAPSHOT: &str = "snapshot";

impl<'a> SecretPlace<'a> {
    fn of(tenant: &'a TenantId, key: &ObjectKey, field: &'a str) -> Self {
        Self { tenant, key: key.folded(), field }
    }

    /// The file of a snapshot, which belongs to the tenant itself.
    pub fn of_snapshot(tenant: &'a TenantId, name: &str) -> Self {
        Self { tenant, key: ObjectKey { kind: ObjectKind::Tenant, id: name.to_owned() }, field: SNAPSHOT }
    }

    /// As bytes that no other place has.
    pub fn bytes(&self) -> Vec<u8> {
        let parts = [self.tenant.as_str(), self.key.kind.as_str(), &self.key.id, self.field];
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

impl fmt::Display for SecretPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} {:?} of tenant {}", self.field, self.key.kind.as_str(), self.key.id, self.tenant)
    }
}

/// Seals with a key that no store has.
pub trait SecretCipher: fmt::Debug + Send + Sync {
    /// The sealed text: the same one for the same secret at the same place, so that what does not change is not written again. None if it
    /// cannot be sealed.
    fn seal(&self, place: &SecretPlace<'_>, plain: &str) -> Option<String>;

    /// What was sealed; none if that was with another key or for another place, or if it was changed.
    fn open(&self, place: &SecretPlace<'_>, sealed: &str) -> Option<String>;
}

/// What seals and opens the secrets of an installation; without a cipher nothing is sealed, and nothing that is sealed is opened.
#[derive(Clone, Debug, Default)]
pub struct SecretSeals(Option<Arc<dyn SecretCipher>>, Arc<UnreadableSecrets>);

/// The places of secrets that cannot be opened, each told once.
#[derive(Debug, Default)]
struct UnreadableSecrets(Mutex<BTreeSet<String>>);

/// The most of them that are told.
const TOLD_MAX: usize = 1_000;

impl UnreadableSecrets {
    fn tell(&self, place: &SecretPlace<'_>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD_MAX && told.insert(place.to_string()) {
            tracing::error!(%place, "a secret cannot be opened and counts as none, until it is given anew: {CANNOT_BE_OPENED}");
        }
    }
}

/// What became of the secrets of an object that were opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretsOpened {
    /// The number of those that were sealed, and are in clear now.
    pub opened: usize,
    /// The fields of those that are still sealed, since they cannot be opened.
    pub unreadable: Vec<&'static str>,
}

impl SecretSeals {
    /// Those of a cipher.
    pub fn of(cipher: Arc<dyn SecretCipher>) -> Self {
        Self(Some(cipher), Arc::default())
    }

    /// Whether there is a cipher.
    pub const fn are_there(&self) -> bool {
        self.0.is_some()
    }

    /// Seals the secrets of an object.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] where one is sealed already, with another key or for another place.
    pub fn seal(&self, tenant: &TenantId, object: &mut Object) -> Result<()> {
        let key = object.key();
        self.seal_each(tenant, &key, object.readable_secrets())
    }

    /// The same of an object that is stored already: a sealed secret that is stored so stays, even if it cannot be opened.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn seal_kept(&self, tenant: &TenantId, object: &mut Object, stored: &Object) -> Result<()> {
        let key = object.key();
        for (field, secret) in object.readable_secrets() {
            let is_kept = secret.is_sealed() && stored.secrets().contains(&(field, &*secret));
            if !is_kept {
                *secret = self.sealed(&SecretPlace::of(tenant, &key, field), secret)?;
            }
        }
        Ok(())
    }

    /// Opens the secrets of an object; those in clear stay as they are.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where one cannot be opened.
    pub fn open(&self, tenant: &TenantId, object: &mut Object) -> Result<()> {
        let key = object.key();
        for (field, secret) in object.readable_secrets() {
            *secret = self.opened(&SecretPlace::of(tenant, &key, field), secret)?;
        }
        Ok(())
    }

    /// Opens the secrets of a stored object; those in clear stay as they are. One that cannot be opened stays sealed, and is logged: the
    /// object can be read, and given another one.
    pub fn open_stored(&self, tenant: &TenantId, object: &mut Object) {
        let key = object.key();
        self.open_each(tenant, &key, object.readable_secrets());
    }

    /// Opens those secrets of an object that can be opened, as of one out of a backup, of which some may be damaged. Nothing is logged.
    pub fn open_some(&self, tenant: &TenantId, object: &mut Object) -> SecretsOpened {
        let (key, mut done) = (object.key(), SecretsOpened::default());
        for (field, secret) in object.readable_secrets().into_iter().filter(|(_, secret)| secret.is_sealed()) {
            match self.opened(&SecretPlace::of(tenant, &key, field), secret) {
                Ok(plain) => {
                    *secret = plain;
                    done.opened += 1;
                }
                Err(_) => done.unreadable.push(field),
            }
        }
        done
    }

    /// Seals all secrets of a tenant, for a file. Those that could not be opened are sealed already, and stay.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] where one cannot be sealed.
    pub fn seal_all(&self, tenant: &TenantId, objects: &mut TenantObjects) -> Result<()> {
        each(objects, |key, secrets| {
            let clear = secrets.into_iter().filter(|(_, secret)| !secret.is_sealed()).collect();
            self.seal_each(tenant, key, clear)
        })
    }

    /// Opens all secrets of a stored tenant, as [`Self::open_stored`].
    pub fn open_all_stored(&self, tenant: &TenantId, objects: &mut TenantObjects) {
        each(objects, |key, secrets| {
            self.open_each(tenant, key, secrets);
            Ok(())
        })
        .unwrap_or_default();
    }

    /// Opens all secrets of a tenant that somebody gives. One that is held so, since it could not be opened, stays.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where another one cannot be opened.
    pub fn open_given(
        &self,
        tenant: &TenantId,
        objects: &mut TenantObjects,
        held: Option<&TenantObjects>,
    ) -> Result<()> {
        let mut kept: HashMap<(ObjectKey, &'static str), Secret> = HashMap::new();
        if let Some(held) = held {
            each(&mut held.clone(), |key, secrets| {
                let sealed = secrets.into_iter().filter(|(_, secret)| secret.is_sealed());
                kept.extend(sealed.map(|(field, secret)| ((key.folded(), field), secret.clone())));
                Ok(())
            })?;
        }
        each(objects, |key, secrets| {
            for (field, secret) in secrets {
                if kept.get(&(key.folded(), field)) != Some(&*secret) {
                    *secret = self.opened(&SecretPlace::of(tenant, key, field), secret)?;
                }
            }
            Ok(())
        })
    }

    fn seal_each(&self, tenant: &TenantId, key: &ObjectKey, secrets: ReadableSecrets<'_>) -> Result<()> {
        for (field, secret) in secrets {
            *secret = self.sealed(&SecretPlace::of(tenant, key, field), secret)?;
        }
        Ok(())
    }

    fn open_each(&self, tenant: &TenantId, key: &ObjectKey, secrets: ReadableSecrets<'_>) {
        for (field, secret) in secrets {
            let place = SecretPlace::of(tenant, key, field);
            match self.opened(&place, secret) {
                Ok(plain) => *secret = plain,
                Err(_) => self.1.tell(&place),
            }
        }
    }

    /// One secret, sealed; one that is sealed already must be so for its place.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] where it is sealed with another key or for another place, or there is no key.
    pub fn sealed(&self, place: &SecretPlace<'_>, secret: &Secret) -> Result<Secret> {
        if let Some(sealed) = secret.sealed() {
            let opens = self.0.as_ref().is_some_and(|cipher| cipher.open(place, sealed).is_some());
            let refused = || StoreError::Invalid(format!("{place}: {CANNOT_BE_OPENED}"));
            return if opens { Ok(secret.clone()) } else { Err(refused()) };
        }
        let Some(cipher) = &self.0 else { return Ok(secret.clone()) };
        let sealed = cipher.seal(place, secret.reveal());
        let sealed = sealed.ok_or_else(|| StoreError::Invalid(format!("{place} cannot be sealed")))?;
        Ok(Secret::of_sealed(&sealed))
    }

    /// One secret in clear.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where it is sealed with another key or for another place, or there is no key.
    pub fn opened(&self, place: &SecretPlace<'_>, secret: &Secret) -> Result<Secret> {
        let Some(sealed) = secret.sealed() else { return Ok(secret.clone()) };
        let plain = self.0.as_ref().and_then(|cipher| cipher.open(place, sealed));
        let corrupt = || StoreError::Corrupt { what: place.to_string(), reason: CANNOT_BE_OPENED.to_owned() };
        plain.map(Secret).ok_or_else(corrupt)
    }
}

/// Why a sealed secret is no good.
pub const CANNOT_BE_OPENED: &str = "it is sealed with the key of another installation, or for another object";

/// Goes through the objects of a tenant that may have secrets.
fn each(
    objects: &mut TenantObjects,
    mut change: impl FnMut(&ObjectKey, ReadableSecrets<'_>) -> Result<()>,
) -> Result<()> {
    let named = |kind, id: &str| ObjectKey { kind, id: id.to_owned() };
    change(&named(ObjectKind::Tenant, ""), objects.tenant.readable_secrets())?;
    for dn in &mut objects.dns {
        change(&named(ObjectKind::Dn, &dn.number), dn.readable_secrets())?;
    }
    for person in &mut objects.people {
        change(&named(ObjectKind::Person, &person.user_name), person.readable_secrets())?;
    }
    for trunk in &mut objects.trunks {
        change(&named(ObjectKind::Trunk, &trunk.name), trunk.readable_secrets())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::provisioning;
    use crate::conformance::secrets::LegibleCipher;

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn seals() -> SecretSeals {
        SecretSeals::of(Arc::new(LegibleCipher))
    }

    fn readable(objects: &mut TenantObjects) -> Vec<Secret> {
        let mut found = Vec::new();
        each(objects, |_, secrets| {
            found.extend(secrets.into_iter().map(|(_, secret)| secret.clone()));
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn a_tenant_that_is_sealed_and_opened_is_as_it_was() {
        let (tenant, plain) = (acme(), provisioning::objects("acme"));
        let mut objects = plain.clone();
        seals().seal_all(&tenant, &mut objects).unwrap();
        let sealed = readable(&mut objects);
        assert!(sealed.len() >= 5 && sealed.iter().all(Secret::is_sealed), "{}", sealed.len());
        // Object by object it is the same.
        for mut object in plain.objects() {
            seals().seal(&tenant, &mut object).unwrap();
            assert!(objects.objects().any(|one| one == object));
        }
        let once = objects.clone();
        seals().seal_all(&tenant, &mut objects).unwrap();
        assert_eq!(objects, once, "what is sealed stays");
        seals().open_given(&tenant, &mut objects, None).unwrap();
        assert_eq!(objects, plain);
    }

    #[test]
    fn a_secret_that_is_moved_to_another_object_field_or_tenant_does_not_open() {
        let (acme, globex) = (acme(), TenantId::parse("globex").unwrap());
        let key = |kind, id: &str| ObjectKey { kind, id: id.to_owned() };
        let (dn, trunk) = (key(ObjectKind::Dn, "7101"), key(ObjectKind::Trunk, "7101"));
        let here = SecretPlace::of(&acme, &dn, "password");
        let sealed = seals().sealed(&here, &Secret("hush".to_owned())).unwrap();
        assert_eq!(seals().opened(&here, &sealed).unwrap().reveal(), "hush");
        let elsewhere = [
            SecretPlace::of(&globex, &dn, "password"),
            SecretPlace::of(&acme, &key(ObjectKind::Dn, "7102"), "password"),
            SecretPlace::of(&acme, &trunk, "password"),
            SecretPlace::of(&acme, &dn, "inbound_password"),
            SecretPlace::of_snapshot(&acme, "7101"),
        ];
        for place in elsewhere {
            assert!(matches!(seals().opened(&place, &sealed), Err(StoreError::Corrupt { .. })), "{place}");
            assert!(matches!(seals().sealed(&place, &sealed), Err(StoreError::Invalid(_))), "{place}");
        }
        let spelled = |id: &str| key(ObjectKind::Person, id);
        let (ann, upper) = (spelled("ann"), spelled("Ann"));
        let pin = seals().sealed(&SecretPlace::of(&acme, &ann, "agent.pin"), &Secret("1".to_owned())).unwrap();
        assert!(seals().opened(&SecretPlace::of(&acme, &upper, "agent.pin"), &pin).is_ok());
    }

    #[test]
    fn without_a_key_nothing_is_sealed_and_nothing_sealed_is_taken_for_a_secret() {
        let (tenant, none) = (acme(), SecretSeals::default());
        let mut objects = provisioning::objects("acme");
        none.seal_all(&tenant, &mut objects).unwrap();
        assert_eq!(objects, provisioning::objects("acme"));
        none.open_given(&tenant, &mut objects, None).unwrap();
        seals().seal_all(&tenant, &mut objects).unwrap();
        let refused = none.open_given(&tenant, &mut objects, None).unwrap_err().to_string();
        assert!(refused.contains("acme") && refused.contains("another installation"), "{refused}");
        let mut trunk = Object::Trunk(Box::new(objects.trunks[0].clone()));
        assert!(matches!(none.seal(&tenant, &mut trunk), Err(StoreError::Invalid(_))));
    }

    #[test]
    fn a_secret_that_cannot_be_opened_stays_sealed_and_is_kept_where_it_is_stored() {
        let (tenant, mut objects) = (acme(), provisioning::objects("acme"));
        seals().seal_all(&tenant, &mut objects).unwrap();
        let damaged = Secret::of_sealed("damaged");
        objects.trunks[0].password = Some(damaged.clone());
        let stored = objects.clone();
        seals().open_all_stored(&tenant, &mut objects);
        let still: Vec<Secret> = readable(&mut objects).into_iter().filter(Secret::is_sealed).collect();
        assert_eq!(still, std::slice::from_ref(&damaged), "all others are open");
        let held = objects.clone();
        assert!(seals().open_given(&tenant, &mut objects.clone(), None).is_err(), "a stranger's is refused");
        seals().open_given(&tenant, &mut objects, Some(&held)).unwrap();
        assert_eq!(objects, held);
        let mut trunk = Object::Trunk(Box::new(stored.trunks[0].clone()));
        let sealed = trunk.readable_secrets().len();
        let done = seals().open_some(&tenant, &mut trunk);
        assert_eq!((done.opened, done.unreadable), (sealed - 1, vec!["password"]));

        let [stored, mut put] = [stored, held].map(|of| Object::Trunk(Box::new(of.trunks[0].clone())));
        assert!(seals().seal(&tenant, &mut put.clone()).is_err());
        seals().seal_kept(&tenant, &mut put, &stored).unwrap();
        assert_eq!(put, stored);
        assert!(put.without_sealed().readable_secrets().is_empty(), "who uses it has none");
    }
}
