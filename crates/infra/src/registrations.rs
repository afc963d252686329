//! Registrations of phones: written by registrar, read by dialplan. Key `reg:{tenant}:<dn>`.

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use model::plan::Contact;
use model::{Dn, Stamped, TenantId, Timestamp};

use crate::{Answer, Refusal, Result, Room};

/// One place where a phone can be reached (RFC 3261 §10.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Contact URI and Path.
    pub contact: Contact,
    /// Its REGISTER's Call-ID.
    pub call_id: String,
    /// Its REGISTER's CSeq number.
    pub cseq: u32,
    /// When it was last refreshed.
    pub refreshed_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The preference that it gave, in thousandths (RFC 3261 §20.10).
    pub q: u16,
    /// The product that the phone names.
    pub user_agent: Option<String>,
    /// The phone's name for itself, a URN (RFC 5626 §4.1).
    pub instance: Option<String>,
    /// The flow of that phone which the binding is (RFC 5626 §4.2); none for a binding that is no flow.
    pub reg_id: Option<u32>,
}

/// The bindings of one DN.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Registration {
    /// Grows by one with each write; 0 means that it was never written. Kept when the last binding is removed.
    pub version: u64,
    /// Number of events that the record has produced.
    pub events: u64,
    /// The bindings, newest first; expired ones may still be listed.
    pub bindings: Vec<Binding>,
}

/// A write of one DN's bindings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationWrite {
    /// The tenant.
    pub tenant: TenantId,
    /// The DN.
    pub dn: Dn,
    /// The version that the writer has read.
    pub expected: u64,
    /// All its bindings after the write.
    pub bindings: Vec<Binding>,
    /// What happened: the phone is back in service, or out of service.
    pub events: Vec<Stamped>,
}

/// The result of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationWritten {
    /// It is written, with this version.
    Done(u64),
    /// Another registrar has written first: read again.
    Conflict(u64),
    /// The store refuses this write; nothing of it is done.
    Refused(Refusal),
    /// The store has not answered: it is open whether this is written. It may be repeated.
    Unanswered {
        /// Why.
        reason: String,
    },
}

impl RegistrationWrite {
    /// How it changes the available room.
    pub fn room(&self) -> Room {
        match () {
            () if self.bindings.is_empty() => Room::Ends,
            () if self.expected == 0 => Room::Begins,
            () => Room::GoesOn,
        }
    }
}

/// The registrations of all phones.
pub trait Registrations: Send + Sync {
    /// Reads one DN's bindings; a DN that never registered has version 0.
    fn load<'a>(&'a self, tenant: &'a TenantId, dn: &'a Dn) -> Answer<'a, Registration>;

    /// Reads the bindings of several DNs, each as [`Self::load`] does.
    fn load_all<'a>(&'a self, of: &'a [(TenantId, Dn)]) -> BoxFuture<'a, Vec<Result<Registration>>> {
        join_all(of.iter().map(|(tenant, dn)| self.load(tenant, dn))).boxed()
    }

    /// Writes a batch by compare-and-set on each version; returns the result of each write, in their order. An error is one of all of them.
    fn commit(&self, batch: Vec<RegistrationWrite>) -> Answer<'_, Vec<RegistrationWritten>>;

    /// The DNs with a binding that expires at or before `now`, at most `max`.
    fn ending(&self, now: Timestamp, max: usize) -> Answer<'_, Vec<(TenantId, Dn)>>;

    /// All registrations of a tenant after `after`, at most `max`.
    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<&'a Dn>,
        max: usize,
    ) -> Answer<'a, Vec<(Dn, Registration)>>;
}
