//! What a registrar's answer says about Contacts, and when it wants to be asked again.

use std::time::Duration;

use super::LAST_PAUSE;
use crate::flow::Transport;
use crate::header::Contact;
use crate::message::Message;
use crate::proxy::headers;
use crate::uri::Uri;

/// The Contacts of an answer that are looked at: of one account with more each call would come by all of these.
const LISTED_MAX: usize = 64;
/// The longest URI of such a Contact, in bytes: ours are much shorter.
const LISTED_BYTES_MAX: usize = 512;

/// The URI of our Contact as the registrar has it, and the transport by which it calls there, if a proxy of ours has told it. Only a proxy of ours
/// can: it removes such a header from what others say.
pub(super) fn registered_as(response: &Message) -> Option<(&str, Transport)> {
    let contact = response.header(&headers::CONTACT)?;
    let by = Uri::parse(contact).ok().and_then(|uri| Transport::of(&uri))?;
    Some((contact, by))
}

/// The URIs of the Contacts that the registrar keeps, as it writes them.
pub(super) fn listed(response: &Message) -> impl Iterator<Item = &str> {
    let kept = response.contacts().filter_map(Result::ok).filter_map(|contact| match contact {
        Contact::Address(address) if address.expires() != Some(0) => Some(address.raw_uri()),
        _ => None,
    });
    kept.filter(|uri| uri.len() <= LISTED_BYTES_MAX).take(LISTED_MAX)
}

/// For how long the registrar wants to be left alone, as far as that is believed.
pub(super) fn retry_after(response: &Message) -> Option<Duration> {
    let seconds = response.retry_after().ok().flatten()?;
    Some(Duration::from_secs(seconds.into()).min(LAST_PAUSE))
}
