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

/// Why it is not known for which of several tenants a call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contest {
    /// The account that is called is registered through this proxy by none of them.
    Unregistered,
    /// The account that is called is registered by several of them, and by none with the address that calls.
    Registered,
    /// The certificate speaks for one and the address for another, and the number that is called is no single tenant's.
    Number,
}

/// The trunk by which a request comes.
#[derive(Debug)]
pub(in crate::proxy) enum CalledTrunk<'a> {
    /// This one.
    One(&'a Arc<Trunk>),
    /// It may be any of these, of several tenants: a call that may be for several tenants is nobody's.
    Contested(Contest, Vec<&'a Arc<Trunk>>),
    /// None.
    Nobodys,
}

impl Proxy {
    /// The trunk by which a request comes: of those that its sender's certificate names, those that register by its connection and all that
    /// have its source and need no certificate, the one whose account it is addressed to; else one that its certificate names, or one with
    /// the narrowest network. A tenant that names its carrier's whole network gets the calls to its account although another one has named
    /// the single address, or a name of the carrier's certificate.
    pub(in crate::proxy) fn called_trunk<'a>(
        &'a self,
        request: &Message,
        sender: Sender<'a>,
        now: Timestamp,
    ) -> CalledTrunk<'a> {
        let called = user_of(request.request_uri().unwrap_or_default()).unwrap_or_default();
        let named = self.trunks.of_account(&called, sender);
        match named.first().copied() {
            None => self.trunk_of_number(&called, sender),
            Some(first) if named.iter().all(|trunk| trunk.tenant == first.tenant) => CalledTrunk::One(first),
            Some(_) => self.registered_of(named, sender, now),
        }
    }

    /// As [`Self::called_trunk`], where it is one.
    pub(in crate::proxy) fn trunk_of_call<'a>(
        &'a self,
        request: &Message,
        sender: Sender<'a>,
        now: Timestamp,
    ) -> Option<&'a Arc<Trunk>> {
        match self.called_trunk(request, sender, now) {
            CalledTrunk::One(trunk) => Some(trunk),
            CalledTrunk::Contested(..) | CalledTrunk::Nobodys => None,
        }
    }

    /// The trunk of a call to a number. Where the certificate speaks for one tenant and the address for another, and only the other one has the
    /// number, the call is that one's: anybody may write the name of another tenant's carrier into a tenant's file. A number that nobody has as
    /// it is called, since rules of the tenant write it otherwise, decides nothing.
    fn trunk_of_number<'a>(&'a self, number: &str, sender: Sender<'a>) -> CalledTrunk<'a> {
        let rivals = self.trunks.rivals(sender);
        let has_it = |trunk: &&Arc<Trunk>| self.numbers.has(&trunk.tenant, number);
        let mut owners = rivals.iter().copied().filter(has_it);
        let first = owners.next();
        match first {
            Some(first) if owners.all(|other| other.tenant == first.tenant) => CalledTrunk::One(first),
            Some(_) if self.trunks.certified(sender).any(|trunk| has_it(&trunk)) => {
                self.by_certificate_or_address(sender)
            }
            Some(_) => CalledTrunk::Contested(Contest::Number, rivals),
            None => self.by_certificate_or_address(sender),
        }
    }

    fn by_certificate_or_address<'a>(&'a self, sender: Sender<'a>) -> CalledTrunk<'a> {
        self.trunks.of_call(sender).map_or(CalledTrunk::Nobodys, CalledTrunk::One)
    }

    /// Of trunks of several tenants that name the account called, the one that is registered: with the address that calls, else with another one.
    fn registered_of<'a>(&self, mut named: Vec<&'a Arc<Trunk>>, sender: Sender<'_>, now: Timestamp) -> CalledTrunk<'a> {
        let standing = |trunk: &Trunk| self.accounts.standing(trunk, sender.address, now);
        let most = named.iter().map(|trunk| standing(trunk)).max().unwrap_or(AccountStanding::Unknown);
        named.retain(|trunk| standing(trunk) == most);
        match named.first().copied() {
            Some(first) if most == AccountStanding::Here || named.iter().all(|other| other.tenant == first.tenant) => {
                CalledTrunk::One(first)
            }
            // The carrier has taken the passwords of several: none of them takes what it must not have.
            _ if most == AccountStanding::Elsewhere => CalledTrunk::Contested(Contest::Registered, named),
            _ => CalledTrunk::Contested(Contest::Unregistered, named),
        }
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
