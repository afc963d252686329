//! The user part of our Record-Route and Path: a sealed token that names a flow of the edge (RFC 5626 §5.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Dn, TenantId};

use super::rendezvous;
use crate::flow::{ConnectionId, Flow};
use crate::seal::{Purpose, SEAL_BYTES, Seal};

const UDP_V4: u8 = 1;
const UDP_V6: u8 = 2;
const STREAM: u8 = 3;
// Of an earlier release, which named phones by a hash without a key. Such tokens remain in Paths, Record-Routes and dialogs.
const FORMER_STREAM_OF_V4: u8 = 4;
const FORMER_STREAM_OF_V6: u8 = 5;
const STREAM_OF_V4: u8 = 6;
const STREAM_OF_V6: u8 = 7;
// Kind, connection, phone, port, IPv6 address.
const PLAIN_MAX: usize = 1 + 8 + 8 + 2 + 16;

/// The phone or carrier that a connection belongs to, so that it can be found again after the connection has closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StreamOwner {
    /// The registered address on which the phone listens. Port 0: not known; then the address that it came from. Of a carrier to which
    /// we have connected over TLS, the address to which we have.
    pub(super) home: SocketAddr,
    /// Which phone it is, or which name the carrier has proved.
    pub(super) phone: PhoneMark,
}

/// Identifies a phone by its number and tenant under the installation's key, so that nobody can choose a number that is taken
/// for another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct PhoneMark {
    /// 0 for an unknown phone.
    keyed: u64,
    /// The mark used in tokens of an earlier release; 0 if not known.
    former: u32,
}

impl PhoneMark {
    pub(super) fn of(tenant: &TenantId, dn: &Dn, seal: &Seal) -> Self {
        // The separator occurs in neither.
        let keyed = u64::from_be_bytes(seal.sign(Purpose::Phone, format!("{tenant}\0{dn}").as_bytes()));
        let former = rendezvous::hash(format!("{tenant}/{dn}").as_bytes()) as u32;
        Self { keyed: keyed.max(1), former: former.max(1) }
    }

    /// That of a name that a carrier proves over TLS. No tenant's name begins as it does.
    pub(super) fn of_name(name: &str, seal: &Seal) -> Self {
        let keyed = u64::from_be_bytes(seal.sign(Purpose::Phone, format!("\0\0{name}").as_bytes()));
        Self { keyed: keyed.max(1), former: 0 }
    }

    /// That of a trunk that shows its certificate. No host's name begins as this does.
    pub(super) fn of_trunk(tenant: &TenantId, trunk: &str, seal: &Seal) -> Self {
        let keyed = u64::from_be_bytes(seal.sign(Purpose::Phone, format!("\0\0\0{tenant}\0{trunk}").as_bytes()));
        Self { keyed: keyed.max(1), former: 0 }
    }

    /// The number under the installation's key.
    pub(super) const fn number(self) -> u64 {
        self.keyed
    }

    /// Whether both are the same phone. Marks of an earlier release are compared as that release did.
    pub(super) const fn is(self, other: Self) -> bool {
        (self.keyed != 0 && self.keyed == other.keyed)
            || ((self.keyed == 0 || other.keyed == 0) && self.former != 0 && self.former == other.former)
    }
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

/// The flow of a sealed text, and the owner of its connection.
pub(super) fn open_whole(text: &str, seal: &Seal) -> Option<(Flow, Option<StreamOwner>)> {
    let mut plain = [0_u8; PLAIN_MAX + SEAL_BYTES + 3];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut plain).ok()?;
    let (plain, mac) = plain.get(..length)?.split_at_checked(length.checked_sub(SEAL_BYTES)?)?;
    let read = read(plain)?;
    seal.verifies(Purpose::Flow, plain, mac).then_some(read)
}

/// Whether `text` could be one of our tokens, judged by its shape alone.
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
            // A connection that we opened for an earlier release's token is known only by that token's mark.
            let former = owner.is_some_and(|owner| owner.phone.keyed == 0 && owner.phone.former != 0);
            put(&[match owner.map(|owner| owner.home.ip()) {
                None => STREAM,
                Some(IpAddr::V4(_)) if former => FORMER_STREAM_OF_V4,
                Some(IpAddr::V6(_)) if former => FORMER_STREAM_OF_V6,
                Some(IpAddr::V4(_)) => STREAM_OF_V4,
                Some(IpAddr::V6(_)) => STREAM_OF_V6,
            }]);
            put(&connection.0.to_be_bytes());
            if let Some(StreamOwner { home, phone }) = owner {
                if former {
                    put(&phone.former.to_be_bytes());
                } else {
                    put(&phone.keyed.to_be_bytes());
                }
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
    if matches!(*kind, STREAM..=STREAM_OF_V6) {
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
    let flow = Flow::from(ConnectionId(u64::from_be_bytes(*connection)));
    if kind == STREAM {
        return rest.is_empty().then_some((flow, None));
    }
    let (phone, rest) = if matches!(kind, FORMER_STREAM_OF_V4 | FORMER_STREAM_OF_V6) {
        let (former, rest) = rest.split_first_chunk::<4>()?;
        (PhoneMark { keyed: 0, former: u32::from_be_bytes(*former) }, rest)
    } else {
        let (keyed, rest) = rest.split_first_chunk::<8>()?;
        (PhoneMark { keyed: u64::from_be_bytes(*keyed), former: 0 }, rest)
    };
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let ip = if matches!(kind, FORMER_STREAM_OF_V4 | STREAM_OF_V4) {
        IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(rest).ok()?))
    } else {
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(rest).ok()?))
    };
    let home = SocketAddr::new(ip, u16::from_be_bytes(*port));
    Some((flow, Some(StreamOwner { home, phone })))
}

#[cfg(test)]
mod tests;
