//! Devices that wait for a person (RFC 8628), and the codes that people enter for them.

use bytes::Bytes;
use identity::grant::device::{self, DeviceGrant};
use identity::secret::Digest;
use infra::{SignInKey, SignInKind};
use model::{TenantId, Timestamp};

use super::super::records::UserCode;
use super::{Result, SignInStore, bytes};

/// A device as read, to be replaced.
pub(in crate::auth) struct ReadDevice {
    pub grant: DeviceGrant,
    key: SignInKey,
    seen: Bytes,
}

fn of_device(device: Digest) -> SignInKey {
    SignInKey::new(SignInKind::Device, format!("code/{}", device.text()))
}

fn of_user_code(code: &str) -> SignInKey {
    SignInKey::new(SignInKind::Device, format!("user/{}", Digest::of(code).text()))
}

impl SignInStore {
    /// Keeps a device under the digest of its code.
    pub async fn begin_device(&self, tenant: &TenantId, device: Digest, grant: &DeviceGrant) -> Result<()> {
        self.records.put(tenant, &of_device(device), None, bytes(grant), grant.until + device::KEPT).await
    }

    /// Gives a device a code for people to enter; `false` if another one has it.
    pub async fn claim_user_code(
        &self,
        tenant: &TenantId,
        code: &str,
        device: Digest,
        until: Timestamp,
    ) -> Result<bool> {
        self.records.claim(tenant, &of_user_code(code), bytes(&UserCode { device }), until).await
    }

    /// The device of that code of its own.
    pub async fn device(&self, tenant: &TenantId, device: Digest) -> Result<Option<ReadDevice>> {
        let key = of_device(device);
        let read = self.read::<DeviceGrant>(tenant, &key).await?;
        let read = read.filter(|(grant, _)| !self.ends.are_after(tenant, grant.begun_at()));
        Ok(read.map(|(grant, seen)| ReadDevice { grant, key, seen }))
    }

    /// The device that shows that code.
    pub async fn device_showing(&self, tenant: &TenantId, code: &str) -> Result<Option<ReadDevice>> {
        match self.read::<UserCode>(tenant, &of_user_code(code)).await? {
            Some((shown, _)) => self.device(tenant, shown.device).await,
            None => Ok(None),
        }
    }

    /// Replaces a device as it was read; `false` if another request was faster.
    pub async fn replace_device(&self, tenant: &TenantId, read: &ReadDevice, next: &DeviceGrant) -> Result<bool> {
        self.records.replace(tenant, &read.key, &read.seen, bytes(next), next.until + device::KEPT).await
    }

    /// Spends a device as it was read: it gets its tokens once. `false` if another request was faster.
    pub async fn spend_device(&self, tenant: &TenantId, read: &ReadDevice, now: Timestamp) -> Result<bool> {
        self.records.replace(tenant, &read.key, &read.seen, read.seen.clone(), now).await
    }

    /// Forgets a code that somebody has entered.
    pub async fn forget_user_code(&self, tenant: &TenantId, code: &str) -> Result<()> {
        self.records.remove(tenant, &of_user_code(code)).await
    }
}
