//! The Replaces header field (RFC 3891): the dialog whose place an INVITE takes, or a REFER wants taken.

/// Its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replaces<'a> {
    /// The dialog's Call-ID.
    pub call_id: &'a str,
    to_tag: &'a str,
    from_tag: &'a str,
    /// Only a dialog that has not been answered may be replaced.
    pub early_only: bool,
}

impl<'a> Replaces<'a> {
    /// Reads a value; `None` if it does not name a dialog by Call-ID and both tags.
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|id| !id.is_empty())?;
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            match part.split_once('=').map(|(name, tag)| (name.trim(), tag.trim())) {
                Some((name, tag)) if name.eq_ignore_ascii_case("to-tag") => to_tag = Some(tag),
                Some((name, tag)) if name.eq_ignore_ascii_case("from-tag") => from_tag = Some(tag),
                Some(_) => {}
                None => early_only |= part.eq_ignore_ascii_case("early-only"),
            }
        }
        Some(Self { call_id, to_tag: to_tag?, from_tag: from_tag?, early_only })
    }

    /// Both tags, that of To first: of a call that a phone has made, phones do not agree which one is whose.
    pub const fn tags(&self) -> [&'a str; 2] {
        [self.to_tag, self.from_tag]
    }
}

#[cfg(test)]
mod tests {
    use super::Replaces;

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let read = Replaces::parse("98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff").unwrap();
        assert_eq!(
            (read.call_id, read.tags(), read.early_only),
            ("98732@sip.example.com", ["ff87ff", "r33th4x0r"], false)
        );
        let early = Replaces::parse("12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only").unwrap();
        assert!(early.early_only);
    }

    #[test]
    fn what_names_no_dialog_is_refused() {
        for value in ["", ";to-tag=1;from-tag=2", "a;to-tag=1", "a;from-tag=2", "a"] {
            assert_eq!(Replaces::parse(value), None, "{value:?}");
        }
    }
}
