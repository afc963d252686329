//! What a registrar's answer says about other Contacts, and when it wants to be asked again.

use std::time::Duration;

use super::LAST_PAUSE;
use crate::header::Contact;
use crate::message::Message;
use crate::uri::Uri;

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
