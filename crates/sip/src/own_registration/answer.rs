//! What a registrar's answer says about Contacts and time.

use std::time::Duration;

use super::LAST_PAUSE;
use crate::header::Contact;
use crate::message::Message;
use crate::uri::Uri;

/// How long the registrar has granted: for our Contact, else for all (§10.3 step 8); `None` if it does not say. A border element may have
/// written another Contact in place of ours: then the least of all times counts, since ours is one of them.
pub(super) fn granted(response: &Message, contact: &str) -> Option<Duration> {
    let ours = Uri::parse(contact).ok()?;
    let (mut of_ours, mut least) = (None, None);
    for contact in response.contacts().filter_map(Result::ok) {
        let Contact::Address(address) = contact else { continue };
        let expires = address.expires();
        if address.uri().is_ok_and(|uri| uri.equivalent(&ours)) {
            of_ours = Some(expires);
        }
        least = [least, expires].into_iter().flatten().min();
    }
    let of_all = || response.expires().ok().flatten();
    let seconds = match of_ours {
        Some(expires) => expires.or_else(of_all),
        None => [least, of_all()].into_iter().flatten().min(),
    };
    Some(Duration::from_secs(seconds?.into()))
}

/// Whether the registrar keeps this Contact.
pub(super) fn names(response: &Message, contact: &str) -> bool {
    let Ok(ours) = Uri::parse(contact) else { return false };
    response.contacts().filter_map(Result::ok).any(|contact| match contact {
        Contact::Address(address) => {
            address.expires() != Some(0) && address.uri().is_ok_and(|uri| uri.equivalent(&ours))
        }
        _ => false,
    })
}

/// For how long the registrar wants to be left alone, as far as that is believed.
pub(super) fn retry_after(response: &Message) -> Option<Duration> {
    let seconds = response.retry_after().ok().flatten()?;
    Some(Duration::from_secs(seconds.into()).min(LAST_PAUSE))
}
