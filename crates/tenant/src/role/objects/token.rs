//! Page tokens: the last object of a page, or the number of the last entry. Callers hand them back as they are.

use std::fmt::Write as _;

use contracts::provisioning::{ObjectKey, ObjectKind};
use tonic::Status;

use crate::objects::PageEnd;

/// A token that none of our answers has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotOurs;

/// The refusal of such a token.
pub(super) fn wrong(_: NotOurs) -> Status {
    Status::invalid_argument("page_token: it is none of ours")
}

/// What follows the kind of an object none of whose names begins with what is looked for.
const BEHIND_NAMES: &str = "+";

/// The token of the page after an object.
pub(super) fn of_end(PageEnd { key, is_behind_names }: &PageEnd) -> String {
    let mark = if *is_behind_names { BEHIND_NAMES } else { "" };
    let mut token = String::new();
    for byte in format!("{}{mark} {}", key.kind.as_str(), key.id).bytes() {
        // Writing to a String cannot fail.
        let _ = write!(token, "{byte:02x}");
    }
    token
}

/// The object of a token; none for the first page.
pub(super) fn end(token: &str) -> Result<Option<PageEnd>, NotOurs> {
    if token.is_empty() {
        return Ok(None);
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some((digit(high)? << 4) | digit(low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = token.as_bytes().chunks(2).map(byte).collect();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(NotOurs)?;
    let (kind, id) = text.split_once(' ').ok_or(NotOurs)?;
    let behind = kind.strip_suffix(BEHIND_NAMES);
    let kind = ObjectKind::parse(behind.unwrap_or(kind)).ok_or(NotOurs)?;
    Ok(Some(PageEnd { key: ObjectKey { kind, id: id.to_owned() }, is_behind_names: behind.is_some() }))
}

/// The number of a token; none for the first page.
pub(super) fn number(token: &str) -> Result<Option<u64>, NotOurs> {
    if token.is_empty() {
        return Ok(None);
    }
    token.parse().map(Some).map_err(|_| NotOurs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_object_and_others_are_refused() {
        for (kind, id) in [(ObjectKind::Person, "änn o'neil"), (ObjectKind::Tenant, "")] {
            for is_behind_names in [false, true] {
                let of = PageEnd { key: ObjectKey { kind, id: id.to_owned() }, is_behind_names };
                assert_eq!(end(&of_end(&of)), Ok(Some(of)));
            }
        }
        assert_eq!((end(""), number(""), number("17")), (Ok(None), Ok(None), Ok(Some(17))));
        for wrong in ["7", "zz", "ff", "706572736f6e", "7878207a"] {
            assert_eq!(end(wrong), Err(NotOurs), "{wrong}");
        }
        assert_eq!(number("x"), Err(NotOurs));
    }
}
