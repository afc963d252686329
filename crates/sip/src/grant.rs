//! How long a registrar grants a registration of ours (RFC 3261 §10.2.4).

use std::time::Duration;

use crate::header::Contact;
use crate::message::Message;
use crate::uri::Uri;

/// The longest registration that is believed, asked for by a registrar (423) or granted.
pub const EXPIRES_MAX: Duration = Duration::from_secs(86_400);

/// How long the registrar has granted: for our Contact, else for all (RFC 3261 §10.3 step 8); `None` if it does not say. A border element
/// may have written another Contact in place of ours: then the least of all times counts, since ours is one of them.
pub fn granted(response: &Message, contact: &str) -> Option<Duration> {
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
