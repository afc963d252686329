//! What changes in messages that pass: Vias and Contacts, and nothing of what both ends know a dialog by.

use sip::uri::escape;
use sip::{Contact, HeaderName, Instance, Message, Method, NameAddr, Uri};

/// The Vias of a request, topmost first.
pub(super) fn take_vias(message: &mut Message) -> Vec<Box<str>> {
    let vias = message.elements(&HeaderName::Via).map(Into::into).collect();
    message.remove(&HeaderName::Via);
    vias
}

/// Gives a response the Vias of its request.
pub(super) fn put_vias(message: &mut Message, vias: &[Box<str>]) {
    message.remove(&HeaderName::Via);
    for via in vias.iter().rev() {
        message.push_front(&HeaderName::Via, via);
    }
}

/// The first address among the Contacts.
pub(super) fn contact_of(message: &Message) -> Option<Box<str>> {
    let found =
        message.contacts().find_map(|contact| contact.ok()?.address().map(NameAddr::raw_uri).map(str::to_owned));
    found.map(Into::into)
}

/// The Contact of the phone that sends a request: of those of a REGISTER one that it does not take back (RFC 3261 §10.2.2). If there is
/// none, the one that it has written `before`.
pub(super) fn own_contact(request: &Message, before: Option<&str>) -> Option<Box<str>> {
    let taken_back = taken_back(request);
    let is_kept = |uri: &str| !taken_back.iter().any(|taken| &**taken == uri);
    let kept: Option<Box<str>> = request.contacts().find_map(|contact| {
        let contact = contact.ok()?;
        let uri = contact.address()?.raw_uri();
        is_kept(uri).then(|| Box::from(uri))
    });
    kept.or_else(|| before.map(Box::from)).or_else(|| contact_of(request))
}

/// The addresses that a REGISTER takes back.
pub(super) fn taken_back(message: &Message) -> Vec<Box<str>> {
    if !message.is_request() || message.method() != Method::Register {
        return Vec::new();
    }
    let of_all = message.expires().ok().flatten();
    let taken = |contact: &Contact<'_>| {
        let address = contact.address().filter(|address| address.expires().or(of_all) == Some(0))?;
        Some(Box::<str>::from(address.raw_uri()))
    };
    message.contacts().filter_map(Result::ok).filter_map(|contact| taken(&contact)).collect()
}

/// Whether two addresses are of the same phone: it may write its own with other parameters.
pub(super) fn is_same_phone(one: &str, other: &str) -> bool {
    let of = |uri: &str| {
        let uri = Uri::parse(uri).ok()?;
        Some((escape::unescape(uri.user()?).into_owned(), uri.host()?.as_str().to_ascii_lowercase()))
    };
    one == other || of(one).is_some_and(|one| Some(one) == of(other))
}

/// Puts another URI in the place of those of the Contacts that `changes` chooses.
pub(super) fn change_contacts(message: &mut Message, uri: &str, changes: impl Fn(&str) -> bool) {
    let changed = |element: &str| match Contact::parse(element) {
        Ok(Contact::Address(address)) if changes(address.raw_uri()) => with_uri(&address, uri),
        _ => element.to_owned(),
    };
    let contacts: Vec<String> = message.elements(&HeaderName::Contact).map(changed).collect();
    if contacts.is_empty() {
        return;
    }
    message.remove(&HeaderName::Contact);
    for contact in contacts {
        message.append(&HeaderName::Contact, contact);
    }
}

/// An address with another URI, and its own parameters.
fn with_uri(address: &NameAddr<'_>, uri: &str) -> String {
    let mut text = format!("<{uri}>");
    for param in address.params().iter() {
        text.push(';');
        text.push_str(param.name);
        if let Some(value) = param.value {
            text.push('=');
            text.push_str(value);
        }
    }
    text
}

/// The user part of a URI, without escapes.
pub(super) fn user_of(uri: &str) -> Option<String> {
    Some(escape::unescape(Uri::parse(uri).ok()?.user()?).into_owned())
}

/// The number that a request outside dialogs is from: that of To in a REGISTER, else that of From.
pub(super) fn claimed_user(message: &Message) -> Option<String> {
    let claimed = if message.method() == Method::Register { message.to() } else { message.from() };
    user_of(claimed.ok()?.raw_uri())
}

/// `user@host` of a REGISTER, the host in lower case.
pub(super) fn registered_aor(message: &Message) -> Option<Box<str>> {
    let to = message.to().ok()?;
    let uri = Uri::parse(to.raw_uri()).ok()?;
    let (user, host) = (escape::unescape(uri.user()?).into_owned(), uri.host()?.as_str().to_ascii_lowercase());
    Some(format!("{user}@{host}").into())
}

/// The instance that a REGISTER names.
pub(super) fn registered_instance(message: &Message) -> Option<Box<str>> {
    let named = |contact: Contact<'_>| contact.address().and_then(Instance::of);
    message.contacts().filter_map(Result::ok).find_map(named).map(|instance| instance.as_str().to_lowercase().into())
}

/// Whether a request is within a dialog.
pub(super) fn is_in_dialog(message: &Message) -> bool {
    message.to().is_ok_and(|to| to.tag().is_some())
}

/// Counts a hop; whether none was left.
pub(super) fn has_no_hop_left(message: &mut Message) -> bool {
    let left = message.max_forwards().ok().flatten().unwrap_or(HOPS_MAX);
    message.set(&HeaderName::MaxForwards, left.min(HOPS_MAX).saturating_sub(1));
    left == 0
}

/// The hops of a request that says nothing of them (RFC 3261 §20.22).
const HOPS_MAX: u8 = 70;

#[cfg(test)]
mod tests {
    use super::*;

    fn register(contact: &str) -> Message {
        Message::parse(
            format!(
                "REGISTER sip:acme.example SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bKa, SIP/2.0/WS b.invalid;branch=z9hG4bKb\r\n\
                 From: <sip:7101@Acme.Example>;tag=a\r\nTo: <sip:7101@Acme.Example>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n{contact}\
                 Content-Length: 0\r\n\r\n"
            )
            .into_bytes()
            .into(),
        )
        .unwrap()
    }

    #[test]
    fn a_contact_keeps_its_parameters_under_another_uri() {
        let contact = "Contact: \"A, B\" <sip:x@y.invalid;transport=ws;ob>;+sip.instance=\"<urn:uuid:AB>\";reg-id=1, <sip:z@y>\r\n";
        let mut message = register(contact);
        assert_eq!(contact_of(&message).as_deref(), Some("sip:x@y.invalid;transport=ws;ob"));
        assert_eq!(registered_instance(&message).as_deref(), Some("urn:uuid:ab"));
        change_contacts(&mut message, "sip:f1@127.0.14.1:5070", |uri| uri.starts_with("sip:x@"));
        let contacts: Vec<&str> = message.elements(&HeaderName::Contact).collect();
        assert_eq!(contacts, ["<sip:f1@127.0.14.1:5070>;+sip.instance=\"<urn:uuid:AB>\";reg-id=1", "<sip:z@y>"]);
        let mut all = register("Contact: *\r\n");
        change_contacts(&mut all, "sip:f1@x", |_| true);
        assert_eq!(all.header(&HeaderName::Contact), Some("*"));
        let mut none = register("");
        change_contacts(&mut none, "sip:f1@x", |_| true);
        assert_eq!(none.header(&HeaderName::Contact), None);
    }

    #[test]
    fn a_phones_own_contact_is_none_that_it_takes_back() {
        let both = register("Contact: <sip:old@y.invalid>;expires=0, <sip:x@y.invalid>\r\n");
        assert_eq!(own_contact(&both, None).as_deref(), Some("sip:x@y.invalid"));
        assert_eq!(taken_back(&both), [Box::<str>::from("sip:old@y.invalid")]);
        let old = register("Contact: <sip:old@y.invalid>\r\nExpires: 0\r\n");
        assert_eq!(own_contact(&old, Some("sip:x@y.invalid")).as_deref(), Some("sip:x@y.invalid"));
        assert_eq!(own_contact(&old, None).as_deref(), Some("sip:old@y.invalid"), "nothing else is known of it");
        assert!(is_same_phone("sip:x@y.invalid;transport=ws", "sip:x@Y.invalid;ob"));
        assert!(!is_same_phone("sip:x@y.invalid", "sip:old@y.invalid"));
    }

    #[test]
    fn the_vias_of_a_request_come_back_in_their_order() {
        let mut message = register("");
        let vias = take_vias(&mut message);
        assert_eq!((vias.len(), message.header(&HeaderName::Via)), (2, None));
        put_vias(&mut message, &vias);
        let again: Vec<Box<str>> = message.elements(&HeaderName::Via).map(Into::into).collect();
        assert_eq!(again, vias);
    }

    #[test]
    fn a_register_says_whose_phone_it_is() {
        let mut message = register("");
        assert_eq!(registered_aor(&message).as_deref(), Some("7101@acme.example"));
        assert_eq!(claimed_user(&message).as_deref(), Some("7101"));
        assert!(!has_no_hop_left(&mut message) && !is_in_dialog(&message));
        assert_eq!(message.max_forwards().ok().flatten(), Some(69));
        message.set(&HeaderName::MaxForwards, 0);
        assert!(has_no_hop_left(&mut message));
    }
}
