//! STUN of phones that keep their path to us open by it (RFC 5626 §4.4.2): they ask which address we see, and learn when it has changed.
//! The library for ICE takes only questions with a password, which these do not have.

use std::net::{IpAddr, SocketAddr};

/// RFC 8489 §5.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const HEADER_BYTES: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];
/// Attributes from here on may be ignored (RFC 8489 §14).
const OPTIONAL: u16 = 0x8000;

/// Whether a datagram is STUN and no SIP, which begins with a letter (RFC 7983 §7).
pub(super) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4) && datagram.get(4..8) == Some(&COOKIE[..])
}

/// The answer to a question of this kind; `None` if it is none, or asks for more than that.
pub(super) fn answer(datagram: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let (header, attributes) = datagram.split_at_checked(HEADER_BYTES)?;
    let length = u16::from_be_bytes(header.get(2..4)?.try_into().ok()?);
    let is_question = header.starts_with(&BINDING_REQUEST)
        && header.get(4..8)? == COOKIE
        && usize::from(length) == attributes.len()
        && all_optional(attributes)?;
    is_question.then(|| reply(header.get(4..).unwrap_or_default(), from))
}

/// `None` if they cannot be read.
fn all_optional(mut attributes: &[u8]) -> Option<bool> {
    while !attributes.is_empty() {
        let (kind, rest) = attributes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        if u16::from_be_bytes(*kind) < OPTIONAL {
            return Some(false);
        }
        attributes = rest.get(usize::from(u16::from_be_bytes(*length)).next_multiple_of(4)..)?;
    }
    Some(true)
}

/// The address is masked by the cookie and the transaction, so that no router on the way rewrites it (RFC 8489 §14.2).
fn reply(transaction: &[u8], from: SocketAddr) -> Vec<u8> {
    let (family, address) = match from.ip().to_canonical() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let port = from.port().to_be_bytes();
    let masked = |bytes: &[u8]| bytes.iter().zip(transaction).map(|(byte, mask)| byte ^ mask).collect::<Vec<_>>();
    let value = [&[0, family], &masked(&port)[..], &masked(&address)].concat();
    let length = |bytes: usize| (bytes as u16).to_be_bytes();
    [&BINDING_SUCCESS[..], &length(4 + value.len()), transaction, &XOR_MAPPED_ADDRESS, &length(value.len()), &value]
        .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(attributes: &[u8]) -> Vec<u8> {
        let length = (attributes.len() as u16).to_be_bytes();
        [&[0, 1], &length[..], &COOKIE, b"transaction.", attributes].concat()
    }

    #[test]
    fn the_example_of_the_standard_is_answered() {
        // The address and the transaction of RFC 5769 §2.2 and §2.3.
        let transaction = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
        let question = [&[0, 1, 0, 0], &COOKIE[..], &transaction].concat();
        let answered = answer(&question, "192.0.2.1:32853".parse().unwrap()).unwrap();
        let attribute = [0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
        assert_eq!(answered, [&[1, 1, 0, 12], &COOKIE[..], &transaction, &attribute].concat());
        let answered = answer(&question, "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap()).unwrap();
        let attribute = [
            0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25,
            0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9,
        ];
        assert_eq!(answered[HEADER_BYTES..], attribute);
    }

    #[test]
    fn what_may_be_ignored_is() {
        let software = [0x80, 0x22, 0, 5, b'p', b'h', b'o', b'n', b'e', 0, 0, 0];
        let from = "192.0.2.1:5060".parse().unwrap();
        assert!(answer(&question(&software), from).is_some());
        for wrong in [
            question(&[0, 6, 0, 4, b'u', b's', b'e', b'r']),
            question(&software[..7]),
            question(&[0x80, 0x22, 0, 9, 1, 2, 3, 4]),
            question(&[])[..19].to_vec(),
            [&question(&[])[..], &[0]].concat(),
            b"OPTIONS sip:a@b SIP/2.0\r\n".to_vec(),
        ] {
            assert_eq!(answer(&wrong, from), None, "{wrong:?}");
        }
    }
}
