//! The user part of our Record-Route and Path: names a flow of the edge, sealed (RFC 5626 §5.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::flow::Flow;
use crate::seal::{Purpose, SEAL_BYTES, Seal};

const UDP_V4: u8 = 1;
const UDP_V6: u8 = 2;
const STREAM: u8 = 3;
const STREAM_OF_V4: u8 = 4;
const STREAM_OF_V6: u8 = 5;
// Kind, connection, phone, port, IPv6 address.
const PLAIN_MAX: usize = 1 + 8 + 4 + 2 + 16;

/// Whose connection it is, so that the phone is found again when the connection is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StreamOwner {
    /// Where the phone listens, as it has registered; port 0 where that is not known, and then the address that it came from.
    pub(super) home: SocketAddr,
    /// The phone's number and tenant, hashed; 0 for nobody that we know.
    pub(super) phone: u32,
}

/// The sealed text for a flow.
pub(super) fn seal(flow: Flow, owner: Option<StreamOwner>, seal: &Seal) -> String {
    let mut plain = [0_u8; PLAIN_MAX + SEAL_BYTES];
    let length = write(flow, owner, &mut plain);
    let mac = seal.sign(Purpose::Flow, &plain[..length]);
    plain[length..length + SEAL_BYTES].copy_from_slice(&mac);
    URL_SAFE_NO_PAD.encode(&plain[..length + SEAL_BYTES])
}

/// The flow of a sealed text; `None` for anything else.
pub(super) fn open(text: &str, seal: &Seal) -> Option<Flow> {
    open_whole(text, seal).map(|(flow, _)| flow)
}

/// The flow of a sealed text, and whose connection it is or was.
pub(super) fn open_whole(text: &str, seal: &Seal) -> Option<(Flow, Option<StreamOwner>)> {
    let mut plain = [0_u8; PLAIN_MAX + SEAL_BYTES + 3];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut plain).ok()?;
    let (plain, mac) = plain.get(..length)?.split_at_checked(length.checked_sub(SEAL_BYTES)?)?;
    let read = read(plain)?;
    seal.verifies(Purpose::Flow, plain, mac).then_some(read)
}

/// Whether `text` could be one of our tokens, told from its shape alone.
pub(super) fn looks_like_one(text: &str) -> bool {
    (22..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn write(flow: Flow, owner: Option<StreamOwner>, out: &mut [u8]) -> usize {
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
            put(&[match owner.map(|owner| owner.home.ip()) {
                None => STREAM,
                Some(IpAddr::V4(_)) => STREAM_OF_V4,
                Some(IpAddr::V6(_)) => STREAM_OF_V6,
            }]);
            put(&connection.to_be_bytes());
            if let Some(StreamOwner { home, phone }) = owner {
                put(&phone.to_be_bytes());
                put(&home.port().to_be_bytes());
                match home.ip() {
                    IpAddr::V4(ip) => put(&ip.octets()),
                    IpAddr::V6(ip) => put(&ip.octets()),
                }
            }
        }
    }
    at
}

fn read(plain: &[u8]) -> Option<(Flow, Option<StreamOwner>)> {
    let (kind, rest) = plain.split_first()?;
    if matches!(*kind, STREAM | STREAM_OF_V4 | STREAM_OF_V6) {
        return read_stream(*kind, rest);
    }
    let (listener, rest) = rest.split_first_chunk::<2>()?;
    let (ip, port) = rest.split_last_chunk::<2>()?;
    let ip = match *kind {
        UDP_V4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?)),
        UDP_V6 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)),
        _ => return None,
    };
    let remote = SocketAddr::new(ip, u16::from_be_bytes(*port));
    Some((Flow::Udp { listener: u16::from_be_bytes(*listener), remote }, None))
}

fn read_stream(kind: u8, rest: &[u8]) -> Option<(Flow, Option<StreamOwner>)> {
    let (connection, rest) = rest.split_first_chunk::<8>()?;
    let flow = Flow::Stream { connection: u64::from_be_bytes(*connection) };
    if kind == STREAM {
        return rest.is_empty().then_some((flow, None));
    }
    let (phone, rest) = rest.split_first_chunk::<4>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let ip = if kind == STREAM_OF_V4 {
        IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(rest).ok()?))
    } else {
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(rest).ok()?))
    };
    let home = SocketAddr::new(ip, u16::from_be_bytes(*port));
    Some((flow, Some(StreamOwner { home, phone: u32::from_be_bytes(*phone) })))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn opening_undoes_sealing(listener: u16, v4: bool, ip: u128, port: u16, connection: u64, phone: u32) {
            let ours = Seal::new(&[3; 32]);
            let ip = if v4 { IpAddr::V4(Ipv4Addr::from_bits(ip as u32)) } else { IpAddr::V6(Ipv6Addr::from_bits(ip)) };
            let udp = Flow::Udp { listener, remote: SocketAddr::new(ip, port) };
            let (stream, owner) = (Flow::Stream { connection }, Some(StreamOwner { home: SocketAddr::new(ip, port), phone }));
            for (flow, owner) in [(udp, None), (stream, None), (stream, owner)] {
                let token = seal(flow, owner, &ours);
                prop_assert!(looks_like_one(&token), "{}", token);
                prop_assert_eq!(open_whole(&token, &ours), Some((flow, owner)));
                prop_assert_eq!(open(&token, &Seal::new(&[4; 32])), None);
            }
        }

        #[test]
        fn foreign_text_is_no_token(text in ".{0,64}") {
            prop_assert_eq!(open(&text, &Seal::new(&[3; 32])), None);
        }
    }
}
