//! Calls to an account: a carrier with which we have registered sends them to the Contact that it knows, whatever number was dialled.
//! That number is in the To.

use std::net::IpAddr;

use super::{Proxy, Trunk};
use crate::message::Message;
use crate::method::Method;
use crate::uri::{Scheme, Uri, escape};

impl Proxy {
    /// The trunk by which a request comes: of those with its source, the one whose account it is addressed to.
    pub(super) fn trunk_of_call(&self, request: &Message, source: IpAddr) -> Option<&Trunk> {
        let of_source = self.trunks.of(source);
        let called = user_of(request.request_uri().unwrap_or_default());
        let by_account = || of_source.iter().find(|trunk| trunk.user.is_some() && trunk.user == called);
        by_account().or(of_source.last()).map(|trunk| &**trunk)
    }

    /// Writes the number of the To into the Request-URI of a call to an account; a call to a number stays as it is.
    pub(super) fn call_number_of_account(&self, invite: &mut Message, source: IpAddr) {
        if invite.method() != Method::Invite {
            return;
        }
        let Some(account) = self.trunk_of_call(invite, source).and_then(|trunk| trunk.user.as_deref()) else { return };
        if user_of(invite.request_uri().unwrap_or_default()).as_deref() != Some(account) {
            return;
        }
        let number = invite.to().ok().and_then(|to| user_of(to.raw_uri())).filter(|number| !number.is_empty());
        let Some(number) = number else { return };
        invite.set_request_uri(format_args!("sip:{}@{}", escape::escape_user(&number), self.settings.edge));
    }
}

/// The number or name of a SIP or tel URI, without the parameters of a number.
fn user_of(uri: &str) -> Option<String> {
    let uri = Uri::parse(uri).ok()?;
    let text = if uri.scheme() == Scheme::Tel { uri.opaque() } else { uri.user()? };
    Some(escape::unescape(text.split(';').next()?).into_owned())
}
