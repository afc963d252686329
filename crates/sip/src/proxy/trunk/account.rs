//! Calls to an account: a carrier with which we have registered sends them to the Contact that it knows, whatever number was dialled.
//! That number is in the To.

use std::sync::Arc;

use super::sender::Sender;
use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::proxy::{Proxy, Trunk, sips};
use crate::uri::{Scheme, Uri, escape};

impl Proxy {
    /// The trunk by which a request comes: of those that its sender's certificate names, or else of those that register by its connection and
    /// all that have its source and need no certificate, the one whose account it is addressed to; else one with the narrowest network. A tenant that names its carrier's
    /// whole network gets the calls to its account although another one has named the single address.
    pub(in crate::proxy) fn trunk_of_call<'a>(
        &'a self,
        request: &Message,
        sender: Sender<'a>,
    ) -> Option<&'a Arc<Trunk>> {
        let called = user_of(request.request_uri().unwrap_or_default());
        let is_called = |trunk: &&Arc<Trunk>| trunk.user.is_some() && trunk.user == called;
        let by_account = if self.trunks.certified(sender).next().is_some() {
            self.trunks.certified(sender).find(is_called)
        } else {
            let of_source = self.trunks.around(sender.address).flatten();
            let needs_none = of_source.filter(|trunk| trunk.certificate_names.is_empty());
            self.trunks.registering(sender).chain(needs_none).find(is_called)
        };
        by_account.or_else(|| self.trunks.of_call(sender))
    }

    /// Writes the number of the To into the Request-URI of a call to an account; a call to a number stays as it is.
    pub(in crate::proxy) fn call_number_of_account(&self, invite: &mut Message, sender: Sender<'_>) {
        if invite.method() != Method::Invite {
            return;
        }
        let Some(account) = self.trunk_of_call(invite, sender).and_then(|trunk| trunk.user.as_deref()) else { return };
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
    /// Writes another place into the Contacts that have our address for datagrams.
    pub(in crate::proxy) fn exchange_contact(&self, message: &mut Message, place: &str) {
        exchange_places(message, self.settings.edge.as_str(), place);
    }
}

/// Writes another host and port, with its parameters, into the Contacts that have this one.
fn exchange_places(message: &mut Message, from: &str, to: &str) {
    let (from, to) = (format!("@{from}>"), format!("@{to}>"));
    let contacts: Vec<String> = message.headers(&HeaderName::Contact).map(|one| one.replace(&from, &to)).collect();
    message.remove(&HeaderName::Contact);
    for contact in contacts {
        message.append(&HeaderName::Contact, contact);
    }
}

/// The number or name of a SIP or tel URI, without the parameters of a number.
fn user_of(uri: &str) -> Option<String> {
    let uri = Uri::parse(uri).ok()?;
    let text = if uri.scheme() == Scheme::Tel { uri.opaque() } else { uri.user()? };
    Some(escape::unescape(text.split(';').next()?).into_owned())
}
