//! The user part of our Record-Route and Path: a sealed token that names a flow of the edge (RFC 5626 §5.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Dn, TenantId};

use super::rendezvous;
use crate::flow::Flow;
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

/// The phone that a connection belongs to, so that it can be found again after the connection has closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StreamOwner {
    /// The registered address on which the phone listens. Port 0: not known; then the address that it came from.
    pub(super) home: SocketAddr,
    /// Which phone it is.
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
            put(&connection.to_be_bytes());
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
    let flow = Flow::Stream { connection: u64::from_be_bytes(*connection) };
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn opening_undoes_sealing(listener: u16, v4: bool, ip: u128, port: u16, connection: u64, keyed: u64, former: u32) {
            let ours = Seal::new(&[3; 32]);
            let ip = if v4 { IpAddr::V4(Ipv4Addr::from_bits(ip as u32)) } else { IpAddr::V6(Ipv6Addr::from_bits(ip)) };
            let udp = Flow::Udp { listener, remote: SocketAddr::new(ip, port) };
            let stream = Flow::Stream { connection };
            let of = |keyed, former| Some(StreamOwner { home: SocketAddr::new(ip, port), phone: PhoneMark { keyed, former } });
            for (flow, owner) in [(udp, None), (stream, None), (stream, of(keyed, 0)), (stream, of(0, former))] {
                let token = seal(flow, owner, &ours);
                prop_assert!(looks_like_one(&token), "{}", token);
                prop_assert_eq!(open_whole(&token, &ours), Some((flow, owner)));
                prop_assert_eq!(open(&token, &Seal::new(&[4; 32])), None);
            }
        }

        #[test]
        fn no_text_makes_a_token_be_read_wrongly(kind in 0..9_u8, rest in prop::collection::vec(any::<u8>(), 6..PLAIN_MAX + 2)) {
            // Sealed by us, whatever its content: it is read as it was written, or not at all.
            let ours = Seal::new(&[3; 32]);
            let plain = [&[kind], &rest[..]].concat();
            let mut bytes = plain.clone();
            bytes.extend_from_slice(&ours.sign(Purpose::Flow, &plain));
            if let Some((flow, owner)) = open_whole(&URL_SAFE_NO_PAD.encode(bytes), &ours) {
                let mut again = [0; PLAIN_MAX + SEAL_BYTES];
                let length = write(flow, owner, &mut again);
                // A phone of 0 means unknown in both forms.
                let nobody = owner.is_some_and(|owner| owner.phone == PhoneMark::default());
                prop_assert!(nobody || again[..length] == plain);
            }
        }

        #[test]
        fn foreign_text_is_no_token(text in ".{0,64}") {
            prop_assert_eq!(open(&text, &Seal::new(&[3; 32])), None);
        }
    }

    #[test]
    fn a_token_of_every_release_is_understood() {
        let ours = Seal::new(&[3; 32]);
        let (v4, v6): (SocketAddr, SocketAddr) =
            ("203.0.113.5:5062".parse().unwrap(), "[2001:db8::5]:5062".parse().unwrap());
        let former = |home| StreamOwner { home, phone: PhoneMark { keyed: 0, former: 0x0a0b_0c0d } };
        let stream = Flow::Stream { connection: 70 };
        let udp = Flow::Udp { listener: 0, remote: "203.0.113.5:40001".parse().unwrap() };
        // Only add to this list, never change it: such tokens are stored in registrations and dialogs.
        for (text, read) in [
            ("AQAAywBxBZxBF_Zqxxxty-w", (udp, None)),
            ("AwAAAAAAAABGxmkPCYxigDo", (stream, None)),
            ("BAAAAAAAAABGCgsMDRPGywBxBSFodUwrcdUo", (stream, Some(former(v4)))),
            ("BQAAAAAAAABGCgsMDRPGIAENuAAAAAAAAAAAAAAABQnd9GXxRjnT", (stream, Some(former(v6)))),
        ] {
            assert_eq!(open_whole(text, &ours), Some(read), "{text}");
        }
    }

    #[test]
    fn a_phone_is_known_by_a_key_and_by_a_former_releases_hash_where_nothing_else_is_known() {
        let mark = |tenant: &str, dn: &str, key| {
            PhoneMark::of(&TenantId::parse(tenant).unwrap(), &Dn::parse(dn).unwrap(), &Seal::new(&[key; 32]))
        };
        let phone = mark("acme", "7101", 3);
        assert!(phone.is(mark("acme", "7101", 3)));
        assert!(!phone.is(mark("acme", "7102", 3)) && !phone.is(mark("bank", "7101", 3)));
        assert_ne!(phone.keyed, mark("acme", "7101", 4).keyed);
        // A phone whose number has the same unkeyed hash is still another phone.
        let forged = PhoneMark { former: phone.former, ..mark("evil", "1", 3) };
        assert!(!phone.is(forged));
        let former = PhoneMark { keyed: 0, former: phone.former };
        assert!(phone.is(former) && former.is(phone));
        assert!(!PhoneMark::default().is(PhoneMark::default()), "nobody is nobody else");
    }
}
