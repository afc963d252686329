//! The user part of our Record-Route and Path: names a flow of the edge, sealed (RFC 5626 §5.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::flow::Flow;
use crate::seal::{Purpose, SEAL_BYTES, Seal};

const UDP_V4: u8 = 1;
const UDP_V6: u8 = 2;
const STREAM: u8 = 3;
// Kind, listener, IPv6 address, port.
const PLAIN_MAX: usize = 1 + 2 + 16 + 2;

/// The sealed text for a flow.
pub(super) fn seal(flow: Flow, seal: &Seal) -> String {
    let mut plain = [0_u8; PLAIN_MAX + SEAL_BYTES];
    let length = write(flow, &mut plain);
    let mac = seal.sign(Purpose::Flow, &plain[..length]);
    plain[length..length + SEAL_BYTES].copy_from_slice(&mac);
    URL_SAFE_NO_PAD.encode(&plain[..length + SEAL_BYTES])
}

/// The flow of a sealed text; `None` for anything else.
pub(super) fn open(text: &str, seal: &Seal) -> Option<Flow> {
    let mut plain = [0_u8; PLAIN_MAX + SEAL_BYTES + 3];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut plain).ok()?;
    let (plain, mac) = plain.get(..length)?.split_at_checked(length.checked_sub(SEAL_BYTES)?)?;
    let flow = read(plain)?;
    seal.verifies(Purpose::Flow, plain, mac).then_some(flow)
}

/// Whether `text` could be one of our tokens, told from its shape alone.
pub(super) fn looks_like_one(text: &str) -> bool {
    (22..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn write(flow: Flow, out: &mut [u8]) -> usize {
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        out[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    match flow {
        Flow::Udp { listener, remote } => {
            put(&[if remote.is_ipv4() { UDP_V4 } else { UDP_V6 }]);
            put(&listener.to_be_bytes());
            match remote.ip() {
                IpAddr::V4(ip) => put(&ip.octets()),
                IpAddr::V6(ip) => put(&ip.octets()),
            }
            put(&remote.port().to_be_bytes());
        }
        Flow::Stream { connection } => {
            put(&[STREAM]);
            put(&connection.to_be_bytes());
        }
    }
    at
}

fn read(plain: &[u8]) -> Option<Flow> {
    let (kind, rest) = plain.split_first()?;
    if *kind == STREAM {
        return Some(Flow::Stream { connection: u64::from_be_bytes(rest.try_into().ok()?) });
    }
    let (listener, rest) = rest.split_first_chunk::<2>()?;
    let (ip, port) = rest.split_last_chunk::<2>()?;
    let ip = match *kind {
        UDP_V4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?)),
        UDP_V6 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)),
        _ => return None,
    };
    let remote = SocketAddr::new(ip, u16::from_be_bytes(*port));
    Some(Flow::Udp { listener: u16::from_be_bytes(*listener), remote })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn opening_undoes_sealing(listener: u16, v4: bool, ip: u128, port: u16, connection: u64) {
            let ours = Seal::new(&[3; 32]);
            let ip = if v4 { IpAddr::V4(Ipv4Addr::from_bits(ip as u32)) } else { IpAddr::V6(Ipv6Addr::from_bits(ip)) };
            let udp = Flow::Udp { listener, remote: SocketAddr::new(ip, port) };
            for flow in [udp, Flow::Stream { connection }] {
                let token = seal(flow, &ours);
                prop_assert!(looks_like_one(&token), "{}", token);
                prop_assert_eq!(open(&token, &ours), Some(flow));
                prop_assert_eq!(open(&token, &Seal::new(&[4; 32])), None);
            }
        }

        #[test]
        fn foreign_text_is_no_token(text in ".{0,64}") {
            prop_assert_eq!(open(&text, &Seal::new(&[3; 32])), None);
        }
    }
}
