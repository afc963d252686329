//! The phones behind the bindings of a DN: the flows of one phone are one (RFC 5626), and a GRUU means one alone (RFC 5627).

use infra::Binding;
use model::Timestamp;
use model::plan::{Contact, PhoneFlow};
use sip::Instance;

/// The phones that are registered now, the one that was refreshed last in front; each with its flows, likewise. With `instance` that
/// one alone, where it was heard of last.
pub(super) fn phones(mut bindings: Vec<Binding>, instance: Option<&Instance>, now: Timestamp) -> Vec<Contact> {
    bindings.retain(|binding| binding.expires_at > now);
    bindings.sort_by_key(|binding| std::cmp::Reverse(binding.refreshed_at));
    let mut phones: Vec<(Option<Instance>, Contact)> = Vec::with_capacity(bindings.len());
    for Binding { contact, instance: named, reg_id, .. } in bindings {
        let named = named.as_deref().and_then(Instance::parse);
        if instance.is_some() && named.as_ref() != instance {
            continue;
        }
        // Only a flow is one of several: of a phone that knows none, a new Contact is no way beside the former one.
        let key = named.filter(|_| reg_id.is_some());
        match phones.iter_mut().find(|(other, _)| key.is_some() && *other == key) {
            Some((_, phone)) => phone.further.push(PhoneFlow { uri: contact.uri, path: contact.path }),
            None => phones.push((key, contact)),
        }
    }
    if instance.is_some() {
        phones.truncate(1);
    }
    phones.into_iter().map(|(_, contact)| contact).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESK: &str = "urn:uuid:00000000-0000-1000-8000-00000000000a";
    const HOME: &str = "urn:uuid:00000000-0000-1000-8000-00000000000b";

    /// A binding that was refreshed at that second.
    fn binding(uri: &str, second: u64, instance: Option<&str>, reg_id: Option<u32>) -> Binding {
        Binding {
            contact: Contact::new(uri.to_owned(), vec![format!("<sip:{uri}@edge;lr;ob>")]),
            call_id: "a".to_owned(),
            cseq: 1,
            refreshed_at: Timestamp::from_millis(second * 1_000),
            expires_at: Timestamp::from_millis(100_000),
            q: 1_000,
            user_agent: None,
            instance: instance.map(str::to_owned),
            reg_id,
        }
    }

    fn bindings() -> Vec<Binding> {
        vec![
            binding("desk1", 1, Some(DESK), Some(1)),
            binding("plain", 2, None, None),
            binding("home1", 3, Some(HOME), Some(1)),
            binding("desk2", 4, Some(&DESK.to_uppercase()), Some(2)),
        ]
    }

    /// The URIs of each phone.
    fn shown(bindings: Vec<Binding>, instance: Option<&str>, now_ms: u64) -> Vec<Vec<String>> {
        let instance = instance.and_then(Instance::parse);
        let phones = phones(bindings, instance.as_ref(), Timestamp::from_millis(now_ms));
        let uris = |phone: Contact| std::iter::once(phone.uri).chain(phone.further.into_iter().map(|flow| flow.uri));
        phones.into_iter().map(|phone| uris(phone).collect()).collect()
    }

    #[test]
    fn the_flows_of_a_phone_are_one_phone_by_its_newest_flow() {
        assert_eq!(shown(bindings(), None, 5_000), [vec!["desk2", "desk1"], vec!["home1"], vec!["plain"]]);
    }

    #[test]
    fn a_flow_that_has_expired_is_none() {
        let mut bindings = bindings();
        bindings[3].expires_at = Timestamp::from_millis(5_000);
        assert_eq!(shown(bindings, None, 5_000), [["home1"], ["plain"], ["desk1"]]);
    }

    #[test]
    fn an_instance_is_one_phone_and_no_other() {
        assert_eq!(shown(bindings(), Some(DESK), 5_000), [["desk2", "desk1"]]);
        let foreign = "urn:uuid:00000000-0000-1000-8000-00000000000c";
        assert_eq!(shown(bindings(), Some(foreign), 5_000), Vec::<Vec<String>>::new());
    }

    #[test]
    fn a_phone_without_flows_is_where_it_has_registered_last() {
        let restarted = vec![binding("before", 1, Some(DESK), None), binding("after", 2, Some(DESK), None)];
        assert_eq!(shown(restarted.clone(), Some(DESK), 5_000), [["after"]]);
        assert_eq!(shown(restarted, None, 5_000), [["after"], ["before"]], "as it was before");
    }
}
