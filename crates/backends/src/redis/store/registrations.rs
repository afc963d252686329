//! Registrations of phones.

use bytes::Bytes;
use contracts::v1;
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use infra::{
    Answer, Binding, Matter, Refusal, Registration, RegistrationWrite, RegistrationWritten, Registrations, Result,
    Room, Size, StoreError, bounds, wire,
};
use model::plan::Contact;
use model::{Dn, TenantId, Timestamp};
use prost::Message as _;

use super::streams::audience::Audience;
use super::tenants::STREAMS;
use super::{encoded, stream_bytes};
use crate::redis::connection::reply::{self, refused};
use crate::redis::scripts::Call;
use crate::redis::{RedisStores, tag};

/// The list of tenants that have registrations.
const REGISTERED: &str = "registered";

/// Which bindings a write brings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::redis) enum Bindings {
    /// Those of now.
    Present,
    /// Those that Redis took at that time, by its clock, and has lost.
    Restored(u64),
}

impl RedisStores {
    async fn register(&self, write: &RegistrationWrite, bindings: Bindings) -> Result<RegistrationWritten> {
        if write.expected == 0 && !write.events.is_empty() {
            // A record that existed before is lost: its latest facts are published before the new ones.
            let latest = self.outage.latest_of_phone(&write.tenant, &write.dn);
            self.tell_if_room(&write.tenant, &latest, Audience::Repeat).await?;
        }
        // The count of events is kept beside the record, where the script adds to it.
        let held = Registration { version: write.expected + 1, events: 0, bindings: write.bindings.clone() };
        let body = wire::registration_to_wire(&write.tenant, &write.dn, held).encode_to_vec();
        let facts = encoded(&write.events, None);
        let size = Size { state: body.len(), ..Size::default() }.with_facts(facts.iter().map(Bytes::len));
        if let Some(refusal) = size.refusal().filter(|_| write.room() != Room::Ends) {
            return Ok(RegistrationWritten::Refused(refusal));
        }
        let first_end = write.bindings.iter().map(|binding| binding.expires_at.as_micros()).min().unwrap_or_default();
        let mut call = Call::on(&self.scripts.register, &write.tenant);
        call.arg(write.dn.as_str()).arg(write.expected).arg(write.bindings.len()).arg(first_end);
        call.arg(body).arg(stream_bytes(write.room())).arg(bounds::RECORDS_MAX);
        call.about(Matter::Facts).list(facts.iter().map(|fact| &fact[..])).about(Matter::Records);
        call.arg(self.outage.told_of(&write.tenant, &write.dn));
        call.arg(if let Bindings::Restored(written_at) = bindings { written_at } else { 0 });
        let words = reply::texts(&call.send(self).await?)?;
        let number = |at: usize| {
            let number: Result<u64> =
                words.get(at).map_or("", String::as_str).parse().map_err(|e| reply::corrupt("a number", e));
            number
        };
        match words.first().map(String::as_str) {
            Some("done") => {
                self.outage.registered(write, facts, number(2)?, number(3)?);
                number(1).map(RegistrationWritten::Done)
            }
            Some("conflict") => number(1).map(RegistrationWritten::Conflict),
            _ => match refused(&words) {
                StoreError::Full { what, bound } => Ok(RegistrationWritten::Refused(Refusal::NoRoom { what, bound })),
                error => Err(error),
            },
        }
    }

    /// The same. If Redis's data about one phone cannot be overwritten, only that phone's write is refused.
    pub(in crate::redis) async fn register_or_refuse(
        &self,
        write: &RegistrationWrite,
        bindings: Bindings,
    ) -> Result<RegistrationWritten> {
        match self.register(write, bindings).await {
            Err(error) if !error.passes() => {
                tracing::error!(tenant = %write.tenant, %error, "a registration cannot be written");
                Ok(RegistrationWritten::Refused(Refusal::Invalid(error.to_string())))
            }
            written => written,
        }
    }

    async fn registration(&self, tenant: &TenantId, dn: &str) -> Result<Registration> {
        let key = format!("reg:{}:{dn}", tag(tenant));
        let answer = self.connections.command(redis::cmd("HMGET").arg(key).arg(&["v", "n", "b"])).await?;
        let words = reply::list(&answer)?;
        if reply::text(words.first())?.is_empty() {
            // Redis may have been emptied: the numbers of facts continue.
            return Ok(Registration { events: self.outage.told_of(tenant, &dn_of(dn)?), ..Registration::default() });
        }
        let bindings = bindings_of(dn, reply::bytes(words.get(2))?);
        let events = reply::number(words.get(1)).unwrap_or_default().max(self.outage.told_of(tenant, &dn_of(dn)?));
        Ok(Registration { version: reply::number(words.first())?, events, bindings })
    }

    /// The DNs of a set. An invalid name belongs to no phone and would precede others for ever: it is removed.
    async fn dns(&self, set: &str, command: &redis::Cmd) -> Result<Vec<Dn>> {
        let mut dns = Vec::new();
        for name in reply::texts(&self.connections.command(command).await?)? {
            match Dn::parse(&name) {
                Ok(dn) => dns.push(dn),
                Err(error) => {
                    tracing::error!(set, %error, "a name in the set is no DN: it is taken out");
                    self.connections.command(redis::cmd("ZREM").arg(set).arg(&name)).await?;
                }
            }
        }
        Ok(dns)
    }
}

/// The bindings of a record. If they cannot be read, the answer is one expired binding: the phone's next REGISTER writes the record
/// anew, or its expiry does, which is published.
fn bindings_of(dn: &str, bytes: bytes::Bytes) -> Vec<Binding> {
    match v1::RegistrationPut::decode(bytes) {
        Ok(record) => wire::registration_from_wire(record).bindings,
        Err(error) => {
            tracing::error!(dn, %error, "a registration cannot be read: the phone is reached when it registers again");
            let contact = Contact::new(String::new(), Vec::new());
            let (refreshed_at, expires_at) = (Timestamp::ZERO, Timestamp::ZERO);
            let call_id = String::new();
            vec![Binding {
                contact,
                call_id,
                cseq: 0,
                refreshed_at,
                expires_at,
                q: 0,
                user_agent: None,
                instance: None,
                reg_id: None,
            }]
        }
    }
}

/// The result of a write that has failed for now, beside others of its batch.
fn not_written(error: StoreError) -> RegistrationWritten {
    match error {
        StoreError::Full { what, bound } => RegistrationWritten::Refused(Refusal::NoRoom { what, bound }),
        error => RegistrationWritten::Unanswered { reason: error.to_string() },
    }
}

fn dn_of(text: &str) -> Result<Dn> {
    Dn::parse(text).map_err(|e| reply::corrupt("a DN", e))
}

impl Registrations for RedisStores {
    fn load<'a>(&'a self, tenant: &'a TenantId, dn: &'a Dn) -> Answer<'a, Registration> {
        async move {
            let registration = self.registration(tenant, dn.as_str()).await?;
            // Also the first time: a client that does not know Redis's generation cannot tell that a new one has begun.
            if registration.version == 0 || !self.outage.knows_generation() {
                self.nothing_is_lost().await?;
            }
            Ok(registration)
        }
        .boxed()
    }

    fn load_all<'a>(&'a self, of: &'a [(TenantId, Dn)]) -> BoxFuture<'a, Vec<Result<Registration>>> {
        // For the registrar, which writes lost records again: no other role knows of a phone that is missing.
        join_all(of.iter().map(|(tenant, dn)| self.registration(tenant, dn.as_str()))).boxed()
    }

    fn commit(&self, batch: Vec<RegistrationWrite>) -> Answer<'_, Vec<RegistrationWritten>> {
        async move {
            for write in &batch {
                self.announce(REGISTERED, &write.tenant).await?;
                self.announce(STREAMS, &write.tenant).await?;
            }
            // At once on one connection: they travel together and are answered in order.
            let writes = batch.iter().map(|write| self.register_or_refuse(write, Bindings::Present));
            // The connection may break in between: what is done stays done.
            Ok(join_all(writes).await.into_iter().map(|written| written.unwrap_or_else(not_written)).collect())
        }
        .boxed()
    }

    fn ending(&self, now: Timestamp, max: usize) -> Answer<'_, Vec<(TenantId, Dn)>> {
        async move {
            // Called all the time: an emptied Redis has the phones again soon.
            let recovered = self.recover().await;
            self.outage.note_answer(&recovered);
            recovered?;
            // Another registrar may still have a later write of a phone whose bindings seem to be over.
            if self.outage.is_being_written_again() {
                return Ok(Vec::new());
            }
            let mut ending = Vec::new();
            for tenant in self.listed(REGISTERED).await? {
                let left = max.saturating_sub(ending.len());
                let key = format!("regends:{}", tag(&tenant));
                let mut command = redis::cmd("ZRANGEBYSCORE");
                command.arg(&key).arg("-inf").arg(now.as_micros()).arg("LIMIT").arg(0).arg(left);
                let dns = self.dns(&key, &command).await?;
                ending.extend(dns.into_iter().map(|dn| (tenant.clone(), dn)));
            }
            Ok(ending)
        }
        .boxed()
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<&'a Dn>,
        max: usize,
    ) -> Answer<'a, Vec<(Dn, Registration)>> {
        async move {
            let from = after.map_or_else(|| "-".to_owned(), |dn| format!("({dn}"));
            let key = format!("regs:{}", tag(tenant));
            let mut command = redis::cmd("ZRANGE");
            command.arg(&key).arg(from).arg("+").arg("BYLEX").arg("LIMIT").arg(0).arg(max);
            let dns = self.dns(&key, &command).await?;
            let read = dns.into_iter().map(|dn| async move {
                let held = self.registration(tenant, dn.as_str()).await?;
                Ok((dn, held))
            });
            futures::future::try_join_all(read).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_without_an_answer_is_open_and_one_without_room_is_not_done() {
        let unavailable = StoreError::Unavailable { reason: "the connection broke".to_owned() };
        let reason = unavailable.to_string();
        assert_eq!(not_written(unavailable), RegistrationWritten::Unanswered { reason });
        let no_room = RegistrationWritten::Refused(Refusal::NoRoom { what: "a stream", bound: 1 });
        assert_eq!(not_written(StoreError::Full { what: "a stream", bound: 1 }), no_room);
    }
}
