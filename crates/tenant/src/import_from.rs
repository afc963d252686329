//! `trunkline tenant import-from`: what other programs' configurations say of queues, agents and phones, as a tenant of ours.
//!
//! Nothing here reads a file or a store: texts come in, objects and remarks go out. What a configuration says and a tenant cannot is never
//! dropped in silence: a remark names its file, line, key and value, and what was done.

mod application;
mod centre;
mod directory;
mod freeswitch;
mod ini;
mod pjsip;
mod queues;
mod remarks;
mod xml;

use contracts::provisioning::TenantObjects;

pub use remarks::{Remark, Remarks};

use crate::file::ObjectFault;
use centre::Centre;

/// The largest file that is read, in bytes.
pub const SOURCE_BYTES_MAX: usize = 16 << 20;
/// The most files of a directory of users.
pub const SOURCE_FILES_MAX: usize = 20_000;

/// A file of the other program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name, for remarks.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// How the new tenant is called: the configurations do not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantNames {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Realm of its phones' passwords; none: that of the configuration, else one made of the id.
    pub realm: Option<String>,
}

/// A configuration as a tenant.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The tenant.
    pub objects: TenantObjects,
    /// What has no counterpart, or another one than expected.
    pub remarks: Remarks,
    /// Rules of a tenant's file that the objects break: what another program allows and Trunkline does not.
    pub faults: Vec<ObjectFault>,
}

/// Why a configuration was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct SourceFault {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The fault, for a human reader.
    pub reason: String,
}

/// Converts the configuration of FreeSWITCH's `mod_callcenter`, with the users of its directory. `callcenter` may also be the whole
/// configuration as FreeSWITCH has put it together; users in it count as well.
///
/// # Errors
/// The first thing that keeps a file from being read.
pub fn freeswitch_callcenter(
    names: &TenantNames,
    callcenter: &SourceFile,
    directory: &[SourceFile],
) -> Result<Conversion, SourceFault> {
    let mut remarks = Remarks::default();
    let centre = freeswitch::centre(callcenter, directory, &mut remarks)?;
    Ok(converted(names, centre, remarks))
}

/// Converts the queues of Asterisk's `queues.conf` and the endpoints of its `pjsip.conf`.
///
/// # Errors
/// The first thing that keeps a file from being read.
pub fn asterisk(names: &TenantNames, queues: &SourceFile, pjsip: &SourceFile) -> Result<Conversion, SourceFault> {
    let mut remarks = Remarks::default();
    let mut centre = Centre::default();
    pjsip::read(pjsip, &mut centre, &mut remarks)?;
    queues::read(queues, &mut centre, &mut remarks)?;
    Ok(converted(names, centre, remarks))
}

fn converted(names: &TenantNames, centre: Centre, mut remarks: Remarks) -> Conversion {
    let objects = centre.objects(names, &mut remarks);
    let faults = crate::file::object_faults(&objects, |_| true);
    Conversion { objects, remarks, faults }
}

#[cfg(test)]
mod tests;
