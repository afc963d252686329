//! Cleans a batch in protobuf: fields that are not looked at are copied byte by byte, those of newer versions too.

use super::schema::{
    ATTRIBUTES_FIELD, KEY_FIELD, OtlpField, OtlpMessage, OtlpPart, RESOURCE_FIELD, TEXT_FIELD, VALUE_FIELD, request,
};
use super::{OtlpContent, OtlpFault, OtlpSignal, SERVICE_ATTRIBUTE, TENANT_ATTRIBUTE};
use crate::clean::masked;
use crate::limits::{ITEMS_MAX, RESOURCES_MAX};

/// The deepest nesting of messages, with values within values.
const DEPTH_MAX: usize = 32;

const CUT_OFF: OtlpFault = OtlpFault::Malformed("a field is cut off");

/// The batch with its texts cleaned and the tenant in each of its resources, and what is in it.
///
/// # Errors
/// Why it is refused.
pub fn clean_protobuf(signal: OtlpSignal, batch: &[u8], tenant: &str) -> Result<(Vec<u8>, OtlpContent), OtlpFault> {
    let mut value = Vec::new();
    push_field(&mut value, TEXT_FIELD, tenant.as_bytes());
    let mut attribute = Vec::new();
    push_field(&mut attribute, KEY_FIELD, TENANT_ATTRIBUTE.as_bytes());
    push_field(&mut attribute, VALUE_FIELD, &value);
    let mut of_tenant = Vec::new();
    push_field(&mut of_tenant, ATTRIBUTES_FIELD, &attribute);
    let mut cleaning = Cleaning { of_tenant, resources: 0, content: OtlpContent::default() };
    let cleaned = message(request(signal), batch, DEPTH_MAX, &mut cleaning)?;
    Ok((cleaned, cleaning.content))
}

/// The answer that so many items were not taken and are not to be sent again.
pub fn rejected_protobuf(items: usize, why: &str) -> Vec<u8> {
    let mut rejected = Vec::new();
    push_varint(&mut rejected, 1 << 3);
    push_varint(&mut rejected, items as u64);
    push_field(&mut rejected, 2, why.as_bytes());
    let mut answer = Vec::new();
    push_field(&mut answer, 1, &rejected);
    answer
}

/// What is known of a batch while it is cleaned.
struct Cleaning {
    /// A resource with the attribute of the tenant alone.
    of_tenant: Vec<u8>,
    resources: usize,
    content: OtlpContent,
}

impl Cleaning {
    fn count(&mut self, part: OtlpPart) -> Result<(), OtlpFault> {
        self.content.items += usize::from(part == OtlpPart::Item);
        self.resources += usize::from(part == OtlpPart::OfResource);
        if self.content.items > ITEMS_MAX {
            return Err(OtlpFault::TooMany(self.content.items));
        }
        if self.resources > RESOURCES_MAX { Err(OtlpFault::TOO_MANY_RESOURCES) } else { Ok(()) }
    }

    /// Whether an attribute of a resource stays; what the program calls itself is noted.
    fn keeps(&mut self, attribute: &[u8]) -> Result<bool, OtlpFault> {
        let key = last(attribute, KEY_FIELD)?.unwrap_or_default();
        if key == SERVICE_ATTRIBUTE.as_bytes() {
            let value = last(attribute, VALUE_FIELD)?.unwrap_or_default();
            let name = last(value, TEXT_FIELD)?.unwrap_or_default();
            self.content.services.insert(String::from_utf8_lossy(name).into_owned());
        }
        Ok(key != TENANT_ATTRIBUTE.as_bytes())
    }
}

fn message(of: &OtlpMessage, bytes: &[u8], depth: usize, cleaning: &mut Cleaning) -> Result<Vec<u8>, OtlpFault> {
    if depth == 0 {
        return Err(OtlpFault::Malformed("it is nested too deeply"));
    }
    cleaning.count(of.part)?;
    let mut has_resource = false;
    let mut cleaned = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let field = rest;
        let key = varint(&mut rest)?;
        let number = u32::try_from(key >> 3).map_err(|_| OtlpFault::Malformed("a field has no such number"))?;
        let known = of.fields.iter().find(|(known, _)| *known == number).map(|(_, field)| field);
        match (key & 7, known) {
            (2, Some(known)) => {
                let content = taken(&mut rest)?;
                let is_attribute = of.part == OtlpPart::Resource && number == ATTRIBUTES_FIELD;
                if is_attribute && !cleaning.keeps(content)? {
                    continue;
                }
                if of.part == OtlpPart::OfResource && number == RESOURCE_FIELD {
                    if has_resource {
                        return Err(OtlpFault::Malformed("it has a field twice"));
                    }
                    has_resource = true;
                }
                let content = match known {
                    OtlpField::Text => text(content)?,
                    OtlpField::Inner(inner) => message(inner, content, depth - 1, cleaning)?,
                };
                push_field(&mut cleaned, number, &content);
            }
            (_, Some(_)) => return Err(OtlpFault::Malformed("a field has another type than the protocol says")),
            (wire, None) => {
                skip(wire, &mut rest)?;
                let copied = field.get(..field.len() - rest.len()).ok_or(CUT_OFF)?;
                cleaned.extend_from_slice(copied);
            }
        }
    }
    match of.part {
        OtlpPart::Resource => cleaned.extend_from_slice(&cleaning.of_tenant),
        OtlpPart::OfResource if !has_resource => push_field(&mut cleaned, RESOURCE_FIELD, &cleaning.of_tenant),
        _ => {}
    }
    Ok(cleaned)
}

/// The last field of that number: the one that readers of protobuf take.
fn last(bytes: &[u8], number: u32) -> Result<Option<&[u8]>, OtlpFault> {
    let (mut rest, mut found) = (bytes, None);
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        if key == u64::from(number) << 3 | 2 {
            found = Some(taken(&mut rest)?);
        } else {
            skip(key & 7, &mut rest)?;
        }
    }
    Ok(found)
}

fn text(content: &[u8]) -> Result<Vec<u8>, OtlpFault> {
    let text = std::str::from_utf8(content).map_err(|_| OtlpFault::Malformed("a text is not UTF-8"))?;
    Ok(masked(text).into_owned().into_bytes())
}

/// Leaves a field behind.
fn skip(wire: u64, rest: &mut &[u8]) -> Result<(), OtlpFault> {
    match wire {
        0 => varint(rest).map(drop),
        1 => advance(rest, 8).map(drop),
        2 => taken(rest).map(drop),
        5 => advance(rest, 4).map(drop),
        _ => Err(OtlpFault::Malformed("a field has no such type")),
    }
}

/// What a length announces.
fn taken<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], OtlpFault> {
    let length = usize::try_from(varint(rest)?).map_err(|_| CUT_OFF)?;
    advance(rest, length)
}

fn advance<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], OtlpFault> {
    let (taken, left) = rest.split_at_checked(length).ok_or(CUT_OFF)?;
    *rest = left;
    Ok(taken)
}

fn varint(rest: &mut &[u8]) -> Result<u64, OtlpFault> {
    const BYTES_MAX: usize = 10;
    let mut value = 0_u64;
    for at in 0..BYTES_MAX {
        let byte = *rest.get(at).ok_or(CUT_OFF)?;
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            advance(rest, at + 1)?;
            return Ok(value);
        }
    }
    Err(OtlpFault::Malformed("a number is too long"))
}

fn push_field(to: &mut Vec<u8>, number: u32, content: &[u8]) {
    push_varint(to, u64::from(number) << 3 | 2);
    push_varint(to, content.len() as u64);
    to.extend_from_slice(content);
}

fn push_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A field that holds bytes.
    fn field(number: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_field(&mut bytes, number, content);
        bytes
    }

    fn attribute(text: &str) -> Vec<u8> {
        named("key", text)
    }

    fn named(key: &str, text: &str) -> Vec<u8> {
        [field(1, key.as_bytes()), field(2, &field(1, text.as_bytes()))].concat()
    }

    /// A resource with these attributes.
    fn resource(attributes: &[(&str, &str)]) -> Vec<u8> {
        field(1, &attributes.iter().flat_map(|(key, text)| field(1, &named(key, text))).collect::<Vec<u8>>())
    }

    /// The resource that names the tenant.
    fn of_acme() -> Vec<u8> {
        resource(&[("trunkline.tenant", "acme")])
    }

    fn clean(signal: OtlpSignal, batch: &[u8]) -> Result<(Vec<u8>, usize), OtlpFault> {
        clean_protobuf(signal, batch, "acme").map(|(cleaned, content)| (cleaned, content.items))
    }

    fn spans(names: &[&str], attribute_text: &str, resource: &[u8]) -> Vec<u8> {
        let span = |name: &&str| {
            // A trace id, the name, a time (fixed64), an attribute and a field that nobody knows.
            let time = [&[7 << 3 | 1][..], &[9; 8]].concat();
            let known = [field(1, &[1; 16]), field(5, name.as_bytes()), time, field(9, &attribute(attribute_text))];
            field(2, &[known.concat(), field(900, b"+4930123456")].concat())
        };
        let scope: Vec<u8> = names.iter().flat_map(span).collect();
        field(1, &[&field(2, &scope)[..], resource].concat())
    }

    #[test]
    fn texts_are_cleaned_and_all_else_stays() {
        let batch = spans(&["GET /", "call +4930123456"], "ann@desk.example", &[]);
        let (cleaned, items) = clean(OtlpSignal::Traces, &batch).unwrap();
        assert_eq!((items, cleaned), (2, spans(&["GET /", "call <number>"], "<address>", &of_acme())));
        let record = field(2, &field(5, &field(1, b"from 192.168.17.4")));
        let (cleaned, items) = clean(OtlpSignal::Logs, &field(1, &field(2, &record))).unwrap();
        let record = field(2, &field(2, &field(5, &field(1, b"from <address>"))));
        assert_eq!((items, cleaned), (1, field(1, &[record, of_acme()].concat())));
        let point = field(1, &field(7, &attribute("a@b.example")));
        let metric = |point: &[u8]| field(2, &field(2, &[field(1, b"mos"), field(5, point)].concat()));
        let (cleaned, items) = clean(OtlpSignal::Metrics, &field(1, &metric(&point))).unwrap();
        let point = field(1, &field(7, &attribute("<address>")));
        assert_eq!((items, cleaned), (1, field(1, &[metric(&point), of_acme()].concat())));
    }

    #[test]
    fn a_resource_names_the_tenant_of_the_token_and_no_other() {
        let claimed = resource(&[("trunkline.tenant", "other"), ("service.name", "softphone"), ("x", "y")]);
        let (cleaned, content) = clean_protobuf(OtlpSignal::Traces, &spans(&["x"], "", &claimed), "acme").unwrap();
        let expected = resource(&[("service.name", "softphone"), ("x", "y"), ("trunkline.tenant", "acme")]);
        assert_eq!(cleaned, spans(&["x"], "", &expected));
        assert_eq!(content.services, BTreeSet::from(["softphone".to_owned()]));
        let two = [of_acme(), of_acme()].concat();
        assert_eq!(clean(OtlpSignal::Traces, &spans(&[], "", &two)), Err(OtlpFault::Malformed("it has a field twice")));
        // A reader takes the last of two keys.
        let twice = field(1, &field(1, &[field(1, b"x"), named("trunkline.tenant", "other")].concat()));
        let (cleaned, _) = clean(OtlpSignal::Traces, &spans(&[], "", &twice)).unwrap();
        assert_eq!(cleaned, spans(&[], "", &of_acme()));
    }

    #[test]
    fn a_refusal_says_how_many() {
        assert_eq!(rejected_protobuf(300, "off"), field(1, &[&[8, 0xac, 2][..], &field(2, b"off")[..]].concat()));
    }

    #[test]
    fn what_is_too_much_or_too_deep_is_refused() {
        let many = spans(&vec!["x"; ITEMS_MAX + 1], "", &[]);
        assert_eq!(clean(OtlpSignal::Traces, &many), Err(OtlpFault::TooMany(ITEMS_MAX + 1)));
        // One metric with many points, of each kind.
        for kind in [5, 7, 9, 10, 11] {
            let metric = |points: usize| field(1, &field(2, &field(2, &field(kind, &field(1, &[]).repeat(points)))));
            assert_eq!(clean(OtlpSignal::Metrics, &metric(ITEMS_MAX)).map(|(_, items)| items), Ok(ITEMS_MAX));
            assert_eq!(clean(OtlpSignal::Metrics, &metric(ITEMS_MAX + 1)), Err(OtlpFault::TooMany(ITEMS_MAX + 1)));
        }
        let many = field(1, &[]).repeat(RESOURCES_MAX + 1);
        assert_eq!(clean(OtlpSignal::Traces, &many), Err(OtlpFault::TOO_MANY_RESOURCES));
        let mut value = field(1, b"x");
        for _ in 0..DEPTH_MAX {
            value = field(5, &field(1, &value));
        }
        let record = field(1, &field(2, &field(2, &field(5, &value))));
        assert_eq!(clean(OtlpSignal::Logs, &record), Err(OtlpFault::Malformed("it is nested too deeply")));
        assert_eq!(
            clean(OtlpSignal::Traces, &[8, 1]),
            Err(OtlpFault::Malformed("a field has another type than the protocol says"))
        );
        assert_eq!(clean(OtlpSignal::Traces, &[10, 5, 1]), Err(CUT_OFF));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for signal in OtlpSignal::ALL {
                let _ = clean(signal, &bytes);
            }
        }

        #[test]
        fn without_personal_data_a_batch_stays_as_it_is(
            names in proptest::collection::vec("[a-z /]{0,20}", 0..20),
            text in "[a-z ]{0,30}",
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let batch = spans(&names, &text, &of_acme());
            prop_assert_eq!(clean(OtlpSignal::Traces, &batch), Ok((batch, names.len())));
        }
    }
}
