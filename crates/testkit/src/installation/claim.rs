//! Numbers of instances: each is used by one test at a time.

use std::fs::{self, File, TryLockError};

use anyhow::{Result, bail};

use crate::servers::{self, Servers};

/// Instance numbers that tests use; 0 is for people.
const INSTANCES: std::ops::RangeInclusive<u8> = 20..=219;

/// An instance number reserved for this value until it is dropped.
pub struct Instance {
    number: u8,
    _servers: Option<Servers>,
    _lock: File,
}

impl Instance {
    /// Claims an instance, and starts all its servers if the environment requests servers.
    pub fn claim() -> Result<Self> {
        let (number, lock) = claim_instance()?;
        let mut servers = servers::wanted().then(|| Servers::start(number)).transpose()?;
        servers.as_mut().map_or(Ok(()), Servers::start_kafka)?;
        Ok(Self { number, _servers: servers, _lock: lock })
    }

    /// Claims an instance for a test that starts the servers itself.
    pub fn without_servers() -> Result<Self> {
        let (number, lock) = claim_instance()?;
        Ok(Self { number, _servers: None, _lock: lock })
    }

    /// The number.
    pub const fn number(&self) -> u8 {
        self.number
    }
}

/// A number that no other test has, and what keeps it from others.
pub(super) fn claim_instance() -> Result<(u8, File)> {
    for number in INSTANCES {
        let file = lock_file(number)?;
        match file.try_lock() {
            Ok(()) if !is_in_use(number) => return Ok((number, file)),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    bail!("every instance number from {INSTANCES:?} is in use")
}

/// Whoever has this file locked has the number.
pub(super) fn lock_file(instance: u8) -> Result<File> {
    let folder = std::env::temp_dir().join("trunkline-test-instances");
    fs::create_dir_all(&folder)?;
    Ok(File::create(folder.join(format!("{instance}.lock")))?)
}

/// Whether something listens on an address of this instance: one started by hand holds no claim.
fn is_in_use(instance: u8) -> bool {
    const LISTENING: &str = "0A";
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    sockets.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let Some(address) = fields.get(1).and_then(|local| u32::from_str_radix(local.split(':').next()?, 16).ok())
        else {
            return false;
        };
        address.to_ne_bytes()[..2] == [127, instance] && fields.get(3) == Some(&LISTENING)
    })
}
