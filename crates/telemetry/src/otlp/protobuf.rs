//! Cleans a batch in protobuf: fields that are not looked at are copied byte by byte, those of newer versions too.

use super::schema::{OtlpField, OtlpMessage, request};
use super::{OtlpFault, OtlpSignal};
use crate::clean::masked;
use crate::limits::ITEMS_MAX;

/// The deepest nesting of messages, with values within values.
const DEPTH_MAX: usize = 32;

const CUT_OFF: OtlpFault = OtlpFault::Malformed("a field is cut off");

/// The batch with its texts cleaned, and how many items it has.
///
/// # Errors
/// Why it is refused.
pub fn clean_protobuf(signal: OtlpSignal, batch: &[u8]) -> Result<(Vec<u8>, usize), OtlpFault> {
    let mut items = 0;
    let cleaned = message(request(signal), batch, DEPTH_MAX, &mut items)?;
    Ok((cleaned, items))
}

fn message(of: &OtlpMessage, bytes: &[u8], depth: usize, items: &mut usize) -> Result<Vec<u8>, OtlpFault> {
    if depth == 0 {
        return Err(OtlpFault::Malformed("it is nested too deeply"));
    }
    if of.is_item {
        *items += 1;
        if *items > ITEMS_MAX {
            return Err(OtlpFault::TooMany(*items));
        }
    }
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
                let content = match known {
                    OtlpField::Text => text(content)?,
                    OtlpField::Inner(inner) => message(inner, content, depth - 1, items)?,
                };
                push_varint(&mut cleaned, key);
                push_varint(&mut cleaned, content.len() as u64);
                cleaned.extend_from_slice(&content);
            }
            (_, Some(_)) => return Err(OtlpFault::Malformed("a field has another type than the protocol says")),
            (wire, None) => {
                skip(wire, &mut rest)?;
                let copied = field.get(..field.len() - rest.len()).ok_or(CUT_OFF)?;
                cleaned.extend_from_slice(copied);
            }
        }
    }
    Ok(cleaned)
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

fn push_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A field that holds bytes.
    fn field(number: u64, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_varint(&mut bytes, number << 3 | 2);
        push_varint(&mut bytes, content.len() as u64);
        bytes.extend_from_slice(content);
        bytes
    }

    fn attribute(text: &str) -> Vec<u8> {
        [field(1, b"key"), field(2, &field(1, text.as_bytes()))].concat()
    }

    fn spans(names: &[&str], attribute_text: &str) -> Vec<u8> {
        let span = |name: &&str| {
            // A trace id, the name, a time (fixed64), an attribute and a field that nobody knows.
            let time = [&[7 << 3 | 1][..], &[9; 8]].concat();
            let known = [field(1, &[1; 16]), field(5, name.as_bytes()), time, field(9, &attribute(attribute_text))];
            field(2, &[known.concat(), field(900, b"+4930123456")].concat())
        };
        let scope: Vec<u8> = names.iter().flat_map(span).collect();
        field(1, &field(2, &scope))
    }

    #[test]
    fn texts_are_cleaned_and_all_else_stays() {
        let batch = spans(&["GET /", "call +4930123456"], "ann@desk.example");
        let (cleaned, items) = clean_protobuf(OtlpSignal::Traces, &batch).unwrap();
        assert_eq!((items, cleaned), (2, spans(&["GET /", "call <number>"], "<address>")));
        let record = field(2, &field(5, &field(1, b"from 192.168.17.4")));
        let (cleaned, items) = clean_protobuf(OtlpSignal::Logs, &field(1, &field(2, &record))).unwrap();
        let expected = field(1, &field(2, &field(2, &field(5, &field(1, b"from <address>")))));
        assert_eq!((items, cleaned), (1, expected));
        let point = field(1, &field(7, &attribute("a@b.example")));
        let metric = |point: &[u8]| field(1, &field(2, &field(2, &[field(1, b"mos"), field(5, point)].concat())));
        let (cleaned, items) = clean_protobuf(OtlpSignal::Metrics, &metric(&point)).unwrap();
        assert_eq!((items, cleaned), (1, metric(&field(1, &field(7, &attribute("<address>"))))));
    }

    #[test]
    fn what_is_too_much_or_too_deep_is_refused() {
        let many = spans(&vec!["x"; ITEMS_MAX + 1], "");
        assert_eq!(clean_protobuf(OtlpSignal::Traces, &many), Err(OtlpFault::TooMany(ITEMS_MAX + 1)));
        let mut value = field(1, b"x");
        for _ in 0..DEPTH_MAX {
            value = field(5, &field(1, &value));
        }
        let record = field(1, &field(2, &field(2, &field(5, &value))));
        assert_eq!(clean_protobuf(OtlpSignal::Logs, &record), Err(OtlpFault::Malformed("it is nested too deeply")));
        assert_eq!(
            clean_protobuf(OtlpSignal::Traces, &[8, 1]),
            Err(OtlpFault::Malformed("a field has another type than the protocol says"))
        );
        assert_eq!(clean_protobuf(OtlpSignal::Traces, &[10, 5, 1]), Err(CUT_OFF));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for signal in OtlpSignal::ALL {
                let _ = clean_protobuf(signal, &bytes);
            }
        }

        #[test]
        fn without_personal_data_a_batch_stays_as_it_is(
            names in proptest::collection::vec("[a-z /]{0,20}", 0..20),
            text in "[a-z ]{0,30}",
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let batch = spans(&names, &text);
            prop_assert_eq!(clean_protobuf(OtlpSignal::Traces, &batch), Ok((batch, names.len())));
        }
    }
}
