//! Cleans a batch in protobuf: fields that are not looked at are copied byte by byte, those of newer versions too.

use std::collections::BTreeMap;

use super::attributes::{contracts_for, goes_on};
use super::schema::{
    ATTRIBUTES_FIELD, KEY_FIELD, OtlpField, OtlpMessage, OtlpPart, RESOURCE_FIELD, TEXT_FIELD, VALUE_FIELD, request,
};
use super::{OtlpContent, OtlpFault, OtlpSignal, SERVICE_ATTRIBUTE, TENANT_ATTRIBUTE};
use crate::clean::masked;
use crate::contract::Contract;
use crate::limits::{ITEMS_MAX, RESOURCES_MAX};

/// The deepest nesting of messages, with values within values.
const DEPTH_MAX: usize = 32;

const CUT_OFF: OtlpFault = OtlpFault::Malformed("a field is cut off");

/// The batch with its texts cleaned, without the attributes that the contract of their program (`contracts`, by its name) does not know,
/// but for those of metrics, and with the tenant in each of its resources; and what is in it.
///
/// # Errors
/// Why it is refused.
pub fn clean_protobuf(
    signal: OtlpSignal,
    batch: &[u8],
    tenant: &str,
    contracts: &BTreeMap<String, Contract>,
) -> Result<(Vec<u8>, OtlpContent), OtlpFault> {
    let mut value = Vec::new();
    push_field(&mut value, TEXT_FIELD, tenant.as_bytes());
    let mut attribute = Vec::new();
    push_field(&mut attribute, KEY_FIELD, TENANT_ATTRIBUTE.as_bytes());
    push_field(&mut attribute, VALUE_FIELD, &value);
    let mut of_tenant = Vec::new();
    push_field(&mut of_tenant, ATTRIBUTES_FIELD, &attribute);
    let (contracts, content) = (contracts_for(signal, contracts), OtlpContent::default());
    let mut cleaning = Cleaning { of_tenant, contracts, contract: None, resources: 0, content };
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
struct Cleaning<'a> {
    /// A resource with the attribute of the tenant alone.
    of_tenant: Vec<u8>,
    /// Those that say which attributes go on.
    contracts: Option<&'a BTreeMap<String, Contract>>,
    /// That of the program whose items are being cleaned.
    contract: Option<&'a Contract>,
    resources: usize,
    content: OtlpContent,
}

impl Cleaning<'_> {
    fn count(&mut self, part: OtlpPart) -> Result<(), OtlpFault> {
        self.content.items += usize::from(part == OtlpPart::Item);
        self.resources += usize::from(part == OtlpPart::OfResource);
        if self.content.items > ITEMS_MAX {
            return Err(OtlpFault::TooMany(self.content.items));
        }
        if self.resources > RESOURCES_MAX { Err(OtlpFault::TOO_MANY_RESOURCES) } else { Ok(()) }
    }

    /// Looks for the contract of the program whose items these are; what it calls itself is noted. Its resource may come behind them.
    fn enter(&mut self, of_resource: &[u8]) -> Result<(), OtlpFault> {
        let resource = last(of_resource, RESOURCE_FIELD)?.unwrap_or_default();
        let contracts = self.contracts;
        self.contract = None;
        each(resource, ATTRIBUTES_FIELD, |attribute| {
            if last(attribute, KEY_FIELD)? == Some(SERVICE_ATTRIBUTE.as_bytes()) {
                let value = last(attribute, VALUE_FIELD)?.unwrap_or_default();
                let name = String::from_utf8_lossy(last(value, TEXT_FIELD)?.unwrap_or_default()).into_owned();
                self.contract = self.contract.or_else(|| contracts?.get(&name));
                self.content.services.insert(name);
            }
            Ok(())
        })
    }

    /// Whether an attribute goes on: no client names the tenant in a resource, and the contract of the program knows the others.
    fn keeps(&mut self, attribute: &[u8], is_of_resource: bool) -> Result<bool, OtlpFault> {
        if !is_of_resource && self.contract.is_none() {
            return Ok(true);
        }
        let key = last(attribute, KEY_FIELD)?.unwrap_or_default();
        if is_of_resource && key == TENANT_ATTRIBUTE.as_bytes() {
            return Ok(false);
        }
        let Some(contract) = self.contract else { return Ok(true) };
        let is_known = std::str::from_utf8(key).is_ok_and(|key| goes_on(key, contract));
        self.content.attributes_dropped += usize::from(!is_known);
        Ok(is_known)
    }
}

fn message(of: &OtlpMessage, bytes: &[u8], depth: usize, cleaning: &mut Cleaning<'_>) -> Result<Vec<u8>, OtlpFault> {
    if depth == 0 {
        return Err(OtlpFault::Malformed("it is nested too deeply"));
    }
    cleaning.count(of.part)?;
    if of.part == OtlpPart::OfResource {
        cleaning.enter(bytes)?;
    }
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
                let is_attribute = matches!(known, OtlpField::Inner(inner) if inner.part == OtlpPart::Attribute);
                if is_attribute && !cleaning.keeps(content, of.part == OtlpPart::Resource)? {
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
                    OtlpField::Bytes => continue,
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
    let mut found = None;
    each(bytes, number, |content| {
        found = Some(content);
        Ok(())
    })?;
    Ok(found)
}

/// Sees each field of that number that has a length.
fn each<'a>(
    bytes: &'a [u8],
    number: u32,
    mut see: impl FnMut(&'a [u8]) -> Result<(), OtlpFault>,
) -> Result<(), OtlpFault> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        if key == u64::from(number) << 3 | 2 {
            see(taken(&mut rest)?)?;
        } else {
            skip(key & 7, &mut rest)?;
        }
    }
    Ok(())
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
    use crate::contract::read_list;

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
        clean_protobuf(signal, batch, "acme", &BTreeMap::new()).map(|(cleaned, content)| (cleaned, content.items))
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
    fn keys_states_of_traces_and_what_a_log_record_is_are_cleaned_and_bytes_left_out() {
        let value = |text: &str| field(1, text.as_bytes());
        let bytes = field(7, b"ann@desk.example");
        let log = |key: &str, who: &str, bytes: &[u8]| {
            let attribute = field(6, &[field(1, key.as_bytes()), field(2, bytes)].concat());
            field(2, &field(2, &[field(3, who.as_bytes()), attribute, field(12, who.as_bytes())].concat()))
        };
        let (cleaned, _) =
            clean(OtlpSignal::Logs, &field(1, &log("to +4930123456", "ann@desk.example", &bytes))).unwrap();
        assert_eq!(cleaned, field(1, &[log("to <number>", "<address>", &[]), of_acme()].concat()));
        let span = |state: &str, value: &[u8]| {
            let link = field(13, &field(3, state.as_bytes()));
            let list = field(9, &[field(1, b"key"), field(2, &field(6, &field(1, value)))].concat());
            field(2, &field(2, &[field(3, state.as_bytes()), list, link].concat()))
        };
        let named = |key: &str| [field(1, key.as_bytes()), field(2, &value("x"))].concat();
        let batch = field(1, &span("of=4930123456", &named("ann@desk.example")));
        let (cleaned, _) = clean(OtlpSignal::Traces, &batch).unwrap();
        assert_eq!(cleaned, field(1, &[span("of=<number>", &named("<address>")), of_acme()].concat()));
    }

    #[test]
    fn a_resource_names_the_tenant_of_the_token_and_no_other() {
        let claimed = resource(&[("trunkline.tenant", "other"), ("service.name", "softphone"), ("x", "y")]);
        let batch = spans(&["x"], "", &claimed);
        let (cleaned, content) = clean_protobuf(OtlpSignal::Traces, &batch, "acme", &BTreeMap::new()).unwrap();
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
    fn a_program_with_a_contract_sends_what_that_names_and_what_its_sdk_sets_by_itself() {
        let contract = read_list(r#"[{"appName": "softphone", "properties": ["key"]}]"#).unwrap().remove(0);
        let contracts = BTreeMap::from([("softphone".to_owned(), contract)]);
        let clean = |batch: &[u8]| clean_protobuf(OtlpSignal::Traces, batch, "acme", &contracts).unwrap();
        let dropped = |cleaned: &(Vec<u8>, OtlpContent)| cleaned.1.attributes_dropped;
        // A map within an attribute that is kept.
        let map = [field(1, b"browser.frame"), field(2, &field(6, &field(1, &named("customer", "Ann"))))].concat();
        // A span, an event of it, a link and a scope have one attribute each that is known and these.
        let batch = |further: &[u8], resource: &[u8]| {
            let with = |number: u32, known: &[u8]| {
                let unknown = if further.is_empty() { Vec::new() } else { field(number, further) };
                [field(number, known), unknown].concat()
            };
            let event = field(11, &with(3, &attribute("x")));
            let link = field(13, &with(4, &named("url.full", "x")));
            let span = field(2, &[with(9, &map), event, link].concat());
            let scope = field(1, &with(3, &attribute("x")));
            // The resource comes behind its spans.
            field(1, &[field(2, &[scope, span].concat()), resource.to_vec()].concat())
        };
        let customer = named("customer", "Ann");
        let sent = batch(&customer, &resource(&[("service.name", "softphone"), ("customer", "Ann")]));
        let kept = resource(&[("service.name", "softphone"), ("trunkline.tenant", "acme")]);
        let cleaned = clean(&sent);
        assert_eq!((dropped(&cleaned), cleaned.0), (5, batch(&[], &kept)));
        // Without a name, or one that is no text.
        for nameless in [field(2, &field(1, b"Ann")), [field(1, b"\xff"), field(2, &field(1, b"Ann"))].concat()] {
            let cleaned = clean(&batch(&nameless, &resource(&[("service.name", "softphone")])));
            assert_eq!((dropped(&cleaned), cleaned.0), (4, batch(&[], &kept)));
        }
        // One program's contract says nothing of the next.
        let of_other = |further: &[(&str, &str)]| {
            batch(&customer, &resource(&[&[("service.name", "other"), ("customer", "Ann")][..], further].concat()))
        };
        let cleaned = clean(&[sent, of_other(&[])].concat());
        let expected = [batch(&[], &kept), of_other(&[("trunkline.tenant", "acme")])].concat();
        assert_eq!((dropped(&cleaned), cleaned.0), (5, expected));
    }

    #[test]
    fn metrics_keep_the_attributes_by_which_points_and_programs_are_told_apart() {
        let contract = read_list(r#"[{"appName": "softphone", "properties": ["key"]}]"#).unwrap().remove(0);
        let contracts = BTreeMap::from([("softphone".to_owned(), contract)]);
        let batch = |number: &str, resource: &[u8]| {
            let point =
                |desk: &str| field(1, &[field(7, &named("desk", desk)), field(7, &named("to", number))].concat());
            let metric = field(2, &field(7, &[point("7101"), point("7102")].concat()));
            field(1, &[resource, &field(2, &metric)[..]].concat())
        };
        let sent = batch("+4930123456", &resource(&[("service.name", "softphone"), ("desk", "7101")]));
        let (cleaned, content) = clean_protobuf(OtlpSignal::Metrics, &sent, "acme", &contracts).unwrap();
        let kept = resource(&[("service.name", "softphone"), ("desk", "7101"), ("trunkline.tenant", "acme")]);
        assert_eq!(cleaned, batch("<number>", &kept));
        assert_eq!((content.attributes_dropped, content.items), (0, 2));
        assert!(content.services.contains("softphone"), "the kill switch holds");
    }

    #[test]
    fn histograms_keep_their_buckets_and_lose_what_is_personal() {
        let fixed = |number: u8, value: f64| [&[number << 3 | 1][..], &value.to_le_bytes()].concat();
        let batch = |to: &str, resource: &[u8]| {
            let attribute = named("to", to);
            let exemplar = [field(7, &attribute), fixed(3, 0.5)].concat();
            // Counts (fixed64), bounds, a count, a sum, the least and the largest value.
            let counts = [1_u64, 2].map(u64::to_le_bytes).concat();
            let known =
                [fixed(5, 7.5), field(6, &counts), field(7, &1.0_f64.to_le_bytes()), fixed(11, 0.5), fixed(12, 4.0)];
            let explicit = [known.concat(), field(8, &exemplar), field(9, &attribute)].concat();
            // A scale of -1 (zigzag), a count of zeros, and buckets from the offset 2 on.
            let scale = vec![6 << 3, 1];
            let zeros = [&[7 << 3 | 1][..], &3_u64.to_le_bytes()].concat();
            let buckets = [vec![1 << 3, 4], field(2, &[1, 0, 2])].concat();
            let known = [scale, zeros, field(8, &buckets), field(9, &buckets)].concat();
            let exponential = [field(1, &attribute), known, field(11, &exemplar)].concat();
            let quantile = field(6, &[fixed(1, 0.9), fixed(2, 4.0)].concat());
            let summary = [field(7, &attribute), fixed(5, 7.5), quantile].concat();
            let of = |kind: u32, point: &[u8]| field(2, &[field(1, b"delay"), field(kind, &field(1, point))].concat());
            let metrics = [of(9, &explicit), of(10, &exponential), of(11, &summary)].concat();
            field(1, &[resource, &field(2, &metrics)[..]].concat())
        };
        let service = ("service.name", "softphone");
        let sent = batch("+4930123456", &resource(&[service]));
        let kept = batch("<number>", &resource(&[service, ("trunkline.tenant", "acme")]));
        assert_eq!(clean(OtlpSignal::Metrics, &sent), Ok((kept, 3)));
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
