//! Calls to an account: a carrier with which we have registered sends them to the Contact that it knows, whatever number was dialled.
//! That number is in the To.

use std::sync::Arc;

use model::Timestamp;

use super::registered_accounts::{AccountStanding, user_of};
use super::sender::Sender;
use crate::flow::{Flow, Transport};
use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::proxy::{Proxy, Trunk, sips};
use crate::uri::escape;

impl Proxy {
    /// The trunk by which a request comes: of those that its sender's certificate names, or else of those that register by its connection and
    /// all that have its source and need no certificate, the one whose account it is addressed to; else one with the narrowest network. A tenant that names its carrier's
    /// whole network gets the calls to its account although another one has named the single address.
    pub(in crate::proxy) fn trunk_of_call<'a>(
        &'a self,
        request: &Message,
        sender: Sender<'a>,
        now: Timestamp,
    ) -> Option<&'a Arc<Trunk>> {
        let called = user_of(request.request_uri().unwrap_or_default());
        let is_called = |trunk: &&Arc<Trunk>| trunk.user.is_some() && trunk.user == called;
        let named: Vec<&Arc<Trunk>> = if self.trunks.certified(sender).next().is_some() {
            self.trunks.certified(sender).filter(is_called).collect()
        } else {
            let of_source = self.trunks.around(sender.address).flatten();
            let needs_none = of_source.filter(|trunk| trunk.certificate_names.is_empty());
            self.trunks.registering(sender).chain(needs_none).filter(is_called).collect()
        };
        match named.first() {
            None => self.trunks.of_call(sender),
            Some(first) if named.iter().all(|trunk| trunk.tenant == first.tenant) => Some(*first),
            Some(_) => self.registered_of(&named, sender, now),
        }
    }

    /// Of trunks of several tenants that name the account called, the one that is registered: with the address that calls, else with another one.
    /// A call that may be for several tenants is nobody's.
    fn registered_of<'a>(
        &self,
        named: &[&'a Arc<Trunk>],
        sender: Sender<'_>,
        now: Timestamp,
    ) -> Option<&'a Arc<Trunk>> {
        let standing = |trunk: &Trunk| self.accounts.standing(trunk, sender.address, now);
        let most = named.iter().map(|trunk| standing(trunk)).max()?;
        let mut best = named.iter().copied().filter(|trunk| standing(trunk) == most);
        let first = best.next()?;
        // The carrier has taken the passwords of several: none of them takes what it must not have.
        (most == AccountStanding::Here || best.all(|other| other.tenant == first.tenant)).then_some(first)
    }

    /// Writes the number of the To into the Request-URI of a call to an account; a call to a number stays as it is.
    pub(in crate::proxy) fn call_number_of_account(&self, invite: &mut Message, sender: Sender<'_>, now: Timestamp) {
        if invite.method() != Method::Invite {
            return;
        }
        let trunk = self.trunk_of_call(invite, sender, now);
        let Some(account) = trunk.and_then(|trunk| trunk.user.as_deref()) else { return };
        if user_of(invite.request_uri().unwrap_or_default()).as_deref() != Some(account) {
            return;
        }
        let number = invite.to().ok().and_then(|to| user_of(to.raw_uri())).filter(|number| !number.is_empty());
        let Some(number) = number else { return };
        let scheme = if sips::is_to_sips(invite) { "sips" } else { "sip" };
        invite.set_request_uri(format_args!("{scheme}:{}@{}", escape::escape_user(&number), self.settings.edge));
    }
}

impl Proxy {
    /// A node gives our first address in its Contacts. Who is reached by another transport or in the other family gets ours for that: a
    /// carrier with which the node registers, whoever is called by `sips:`, and whoever has addresses of the other family.
    pub(in crate::proxy) fn contact_at_the_edge(&self, message: &mut Message, flow: Flow) {
        if message.method() == Method::Register {
            return self.contact_of_register(message, flow);
        }
        self.contact_in_session(message, flow);
    }

    /// As [`Self::contact_at_the_edge`], for what does not register.
    pub(in crate::proxy) fn contact_in_session(&self, message: &mut Message, flow: Flow) {
        self.contact_of_sips(message, flow);
        self.exchange_contact(message, self.settings.edge_of(Transport::Udp, self.family_of(flow)));
    }

    /// Writes another place into the Contacts that have our first address.
    pub(in crate::proxy) fn exchange_contact(&self, message: &mut Message, place: &str) {
        exchange_places(message, self.settings.edge.as_str(), place);
    }
}

/// Writes another host and port, with its parameters, into the Contacts that have this one.
fn exchange_places(message: &mut Message, from: &str, to: &str) {
    if from == to {
        return;
    }
    let (from, to) = (format!("@{from}>"), format!("@{to}>"));
    if !message.headers(&HeaderName::Contact).any(|one| one.contains(&from)) {
        return;
    }
    let contacts: Vec<String> = message.headers(&HeaderName::Contact).map(|one| one.replace(&from, &to)).collect();
    message.remove(&HeaderName::Contact);
    for contact in contacts {
        message.append(&HeaderName::Contact, contact);
    }
}
