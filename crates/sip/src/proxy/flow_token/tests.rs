use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn opening_undoes_sealing(listener: u16, v4: bool, ip: u128, port: u16, connection: u64, keyed: u64, former: u32) {
        let ours = Seal::new(&[3; 32]);
        let ip = if v4 { IpAddr::V4(Ipv4Addr::from_bits(ip as u32)) } else { IpAddr::V6(Ipv6Addr::from_bits(ip)) };
        let udp = Flow::Udp { listener, remote: SocketAddr::new(ip, port) };
        let stream = Flow::from(ConnectionId(connection));
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
    let stream = Flow::Stream { connection: ConnectionId(70) };
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
