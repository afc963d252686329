//! `trunkline backup|restore`: stored tenants as one file, and back.
//!
//! The file is a list of JSON documents, one a line, packed with gzip: a head with the version of the format; for each tenant its id and
//! revision, its objects with their secrets, recordings of its prompts, contacts of its desktops, what is gone, its history and its snapshots; the
//! installation's keys, sealed, where they are wanted; and an end with the number of lines and their SHA-256. A tenant that the store cannot give is named as left out, and what the
//! file has of it counts for nothing. A file is read twice: as a whole first, so that nothing is restored from one that is damaged or cut
//! off.

mod keys;
mod line;
mod read;
mod restore;
mod unreadable;
mod write;

use std::io;

use infra::{Revision, StoreError};
use model::{TenantId, Timestamp};

pub use keys::{KeyFile, SealedKeys};
pub use read::{BackupReader, examine, sealed_keys};
pub use restore::{ReplacedTenant, RestoredBackup, RestoredTenant, restore};
pub use write::{WrittenBackup, write};

use crate::import::ImportError;

/// The version of the format: a reader takes this one and earlier ones. In version 1 a snapshot was one line; before version 3 there were no
/// recordings, before version 4 no contacts.
pub const VERSION: u32 = 4;
/// The longest line, in bytes: none that is written comes near, but those of version 1 with a snapshot.
pub const LINE_BYTES_MAX: usize = 128 << 20;
/// The most of a snapshot's text in one line, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// The largest snapshot, in bytes of its texts: more than the tables hold.
const SNAPSHOT_BYTES_MAX: usize = 2 << 30;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// When it was made.
    pub made: Timestamp,
    /// The program that has made it.
    pub program: String,
    /// Its tenants.
    pub tenants: Vec<BackedUpTenant>,
    /// Those that could not be read whole: nothing of them can be restored.
    pub left_out: Vec<LeftOutTenant>,
    /// Whether the installation's keys are in it.
    pub has_keys: bool,
    /// The SHA-256 of its lines, as its last line says it.
    pub sha256: String,
}

/// What a backup holds of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUpTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// Its revision.
    pub revision: Revision,
    /// The number of its objects.
    pub objects: usize,
    /// The number of entries of its history.
    pub entries: usize,
    /// The number of its snapshots.
    pub snapshots: usize,
}

/// A tenant that a backup does not have, although it was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOutTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// What is wrong with it, for a human reader.
    pub reason: String,
}

/// What a backup has of a tenant and the installation's key does not open: a restore leaves it out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tenant {tenant}: {what} cannot be opened, and a restore leaves it out")]
pub struct UnreadablePart {
    /// The tenant.
    pub tenant: TenantId,
    /// Kind, id and field of a secret, as `trunk carrier password`, or a snapshot.
    pub what: String,
}

/// A line of a backup that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the backup: {reason}")]
pub struct BackupFault {
    /// The line, from 1.
    pub line: u64,
    /// The fault, for a human reader.
    pub reason: String,
}

/// Why a backup was not made or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is damaged, cut off, or of a later release.
    #[error(transparent)]
    Fault(#[from] BackupFault),
    /// The file cannot be written.
    #[error("the backup cannot be written")]
    Write(#[source] io::Error),
    /// Something is larger than a backup takes.
    #[error("{what} has {bytes} bytes, a backup takes {most}")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The most.
        most: usize,
    },
    /// None of the tenants can be read whole.
    #[error("no tenant can be read whole; tenant {tenant}: {reason}")]
    NoneWhole {
        /// The first of them.
        tenant: TenantId,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such tenant.
    #[error("there is no tenant {0}")]
    NoTenant(TenantId),
    /// There is such a tenant already.
    #[error("there is a tenant {0} already: `--replace` makes its objects equal to those of the backup")]
    Present(TenantId),
    /// The keys cannot be sealed.
    #[error("the keys cannot be sealed")]
    Seal,
    /// The keys cannot be opened.
    #[error("the keys cannot be opened: the passphrase is another one, or they were changed")]
    Passphrase,
    /// The store refused or failed.
    #[error("tenant {tenant}")]
    Store {
        /// The tenant.
        tenant: TenantId,
        /// The cause.
        #[source]
        source: StoreError,
    },
    /// The objects of a tenant could not replace those that are there.
    #[error("tenant {tenant}")]
    Replace {
        /// The tenant.
        tenant: TenantId,
        /// The cause.
        #[source]
        source: Box<ImportError>,
    },
}

#[cfg(test)]
mod tests;
