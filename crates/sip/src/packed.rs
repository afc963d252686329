//! Numbers and names in few bytes, for what is encrypted; and such bytes as text in lower case.

/// Appends a number: seven bits a byte, the lowest first; all but the last byte have the top bit set.
pub(crate) fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number from the front.
pub(crate) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Appends a name, its length first.
pub(crate) fn push_name(bytes: &mut Vec<u8>, name: &str) {
    push_number(bytes, name.len() as u64);
    bytes.extend_from_slice(name.as_bytes());
}

/// Takes a name from the front.
pub(crate) fn take_name<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take_number(bytes)?).ok()?;
    let (name, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(name).ok()
}

/// The digits of base 32: `0` to `9`, `a` to `v`.
const RADIX: u32 = 32;
const DIGIT_BITS: u32 = 5;

/// Appends bytes as text: five bits a character (RFC 4648 §7, in lower case and without padding).
pub(crate) fn push_text(text: &mut String, bytes: &[u8]) {
    let (mut held, mut bits) = (0_u32, 0);
    let mut push = |digit: u32| text.push(char::from_digit(digit % RADIX, RADIX).unwrap_or('0'));
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= DIGIT_BITS {
            bits -= DIGIT_BITS;
            push(held >> bits);
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        push(held << (DIGIT_BITS - bits));
    }
}

/// Whether a text has only the characters of [`push_text`].
pub(crate) fn is_text(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'v'))
}

/// The bytes of such a text; `None` if it is another one.
pub(crate) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    if !is_text(text) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0_u32, 0);
    for digit in text.chars() {
        held = held << DIGIT_BITS | digit.to_digit(RADIX)?;
        bits += DIGIT_BITS;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    // What is left over fills the last character, so that each text has one form.
    (held == 0 && bits < DIGIT_BITS).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_is_that_of_rfc_4648_in_lower_case() {
        for (bytes, expected) in [("", ""), ("f", "co"), ("fo", "cpng"), ("foo", "cpnmu"), ("foobar", "cpnmuoj1e8")] {
            let mut text = String::new();
            push_text(&mut text, bytes.as_bytes());
            assert_eq!((text.as_str(), bytes_of(expected).as_deref()), (expected, Some(bytes.as_bytes())));
        }
        for bad in ["CO", "cp", "c", "cpn", "w0", "co=", "00000000w"] {
            assert_eq!(bytes_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_cut_off_is_nothing() {
        assert_eq!(take_number(&mut &[0x80, 0x80][..]), None);
        assert_eq!(take_number(&mut &[0x80; 11][..]), None);
        assert_eq!(take_name(&mut &[3, b'a', b'b'][..]), None);
    }

    proptest! {
        #[test]
        fn taking_undoes_pushing(number: u64, name in "\\PC{0,40}", after: u8) {
            let mut bytes = Vec::new();
            push_number(&mut bytes, number);
            push_name(&mut bytes, &name);
            bytes.push(after);
            let mut text = String::new();
            push_text(&mut text, &bytes);
            let bytes = bytes_of(&text).unwrap();
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_number(&mut rest), Some(number));
            prop_assert_eq!(take_name(&mut rest), Some(name.as_str()));
            prop_assert_eq!(rest, &[after][..]);
        }
    }
}
