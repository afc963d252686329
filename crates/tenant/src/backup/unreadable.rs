//! What a backup has that the installation's key does not open: one such secret keeps no tenant from coming back.

use std::collections::HashMap;

use contracts::provisioning::{Object, ObjectKey, Secret};
use infra::{ArchivedPart, CANNOT_BE_OPENED, SecretPlace, SecretSeals, SecretsOpened, StoreError};
use model::TenantId;

/// The most of a tenant's that are named.
const NAMED_MAX: usize = 1_000;

/// Goes through the parts of tenants.
#[derive(Default)]
pub(super) struct UnreadableParts {
    named: Vec<String>,
    more: usize,
    /// Whether a secret has been opened: then the key is that of the backup.
    has_opened: bool,
}

impl UnreadableParts {
    /// Notes what cannot be opened of a part that is backed up, as it stands in the store.
    pub fn note(&mut self, seals: &SecretSeals, tenant: &TenantId, part: &ArchivedPart) {
        match part {
            ArchivedPart::Object(object, _) => {
                self.opened(seals, tenant, &mut object.clone());
            }
            ArchivedPart::Snapshot(snapshot) => {
                self.opens(seals, tenant, &snapshot.head.name, &Secret(snapshot.file.0.clone()));
            }
            _ => {}
        }
    }

    /// A part without what cannot be opened; none if nothing is left of it. In the place of a secret comes that which the same object has
    /// in `held`.
    pub fn readable(
        &mut self,
        seals: &SecretSeals,
        tenant: &TenantId,
        part: ArchivedPart,
        held: &HashMap<ObjectKey, Object>,
    ) -> Option<ArchivedPart> {
        match part {
            ArchivedPart::Object(mut object, revision) => {
                let unreadable = self.opened(seals, tenant, &mut object);
                if !unreadable.is_empty() {
                    object = object.without_sealed();
                    if let Some(held) = held.get(&object.key()) {
                        object.keep_secrets(held, |field| !unreadable.contains(&field));
                    }
                }
                Some(ArchivedPart::Object(object, revision))
            }
            ArchivedPart::Snapshot(mut snapshot) => {
                let file = Secret(std::mem::take(&mut snapshot.file.0));
                let opens = self.opens(seals, tenant, &snapshot.head.name, &file);
                snapshot.file.0 = file.0;
                opens.then_some(ArchivedPart::Snapshot(snapshot))
            }
            part => Some(part),
        }
    }

    /// What was left out of a tenant, when its last part has come.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] where nothing has opened at all: that is another key, and the tenant would come back without any secret.
    pub fn expect_own_key(&self) -> infra::Result<()> {
        match self.named.first() {
            Some(first) if !self.has_opened => Err(StoreError::Invalid(format!("{first}: {CANNOT_BE_OPENED}"))),
            _ => Ok(()),
        }
    }

    /// What was noted of a tenant, so that the next one can begin.
    pub fn take(&mut self) -> Vec<String> {
        let mut named = std::mem::take(&mut self.named);
        let more = std::mem::take(&mut self.more);
        if more > 0 {
            named.push(format!("and {more} more"));
        }
        named
    }

    fn opened(&mut self, seals: &SecretSeals, tenant: &TenantId, object: &mut Object) -> Vec<&'static str> {
        let SecretsOpened { opened, unreadable } = seals.open_some(tenant, object);
        self.has_opened |= opened > 0;
        for field in &unreadable {
            let key = object.key();
            let id = if key.id.is_empty() { String::new() } else { format!(" {}", key.id) };
            self.name(format!("{}{id} {field}", key.kind.as_str()));
        }
        unreadable
    }

    fn opens(&mut self, seals: &SecretSeals, tenant: &TenantId, snapshot: &str, file: &Secret) -> bool {
        let opens = seals.opened(&SecretPlace::of_snapshot(tenant, snapshot), file).is_ok();
        self.has_opened |= file.is_sealed() && opens;
        if !opens {
            self.name(format!("snapshot {snapshot}"));
        }
        opens
    }

    fn name(&mut self, what: String) {
        if self.named.len() < NAMED_MAX {
            self.named.push(what);
        } else {
            self.more += 1;
        }
    }
}
