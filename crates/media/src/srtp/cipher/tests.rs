use super::super::index::{Window, estimate};
use super::*;
use crate::srtp::tests::bytes;

/// RFC 3711 appendix B.2.
#[test]
fn the_keystream_of_the_rfc() {
    let key = counter_key(&bytes("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
    let salt: [u8; 14] = bytes("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap();
    let mut stream = [0; 48];
    key.less_safe_encrypt(&mut stream, counter_start(&salt, PacketId { ssrc: 0, index: 0 })).unwrap();
    let expected = "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(stream[..], bytes(expected));
}

/// RFC 3711 appendix B.3.
#[test]
fn the_session_keys_of_the_rfc() {
    let material = bytes("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6");
    let master = Keying::new(Suite::AesCm128Sha1_80, &material, None).unwrap();
    for (label, expected) in [
        (Label::RtpKey, "C61E7A93744F39EE10734AFE3FF7A087"),
        (Label::RtpSalt, "30CBBC08863D8C85D49DB34A9AE1"),
        (Label::RtpAuth, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"),
    ] {
        let expected = bytes(expected);
        let mut key = vec![0; expected.len()];
        derive(&master, label, &mut key).unwrap();
        assert_eq!(key, expected);
    }
}

const HEADER: &str = "8040f17b8041f8d35501a0b2";
const TEXT: &str = "47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";

/// RFC 7714 section 16: these keys are session keys.
#[test]
fn the_gcm_packets_of_the_rfc() {
    let salt: [u8; 12] = bytes("517569642070726f2071756f").try_into().unwrap();
    let cases = [
        (
            &aead::AES_128_GCM,
            16,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            &aead::AES_256_GCM,
            32,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ];
    for (algorithm, length, expected) in cases {
        let key: Vec<u8> = (0..length).collect();
        let keys = SessionKeys::Gcm { key: LessSafeKey::new(UnboundKey::new(algorithm, &key).unwrap()), salt };
        let plain = [bytes(HEADER), bytes(TEXT)].concat();
        let mut packet = plain.clone();
        packet.resize(plain.len() + GCM_TAG, 0);
        let id = PacketId { ssrc: 0x5501_A0B2, index: 0xF17B };
        let sealed = keys.seal(CipherKind::Rtp, id, (&mut packet, 12, plain.len()), [0; 4]).unwrap();
        assert_eq!(sealed, packet.len());
        assert_eq!(packet[12..], bytes(expected));
        assert_eq!(keys.open(CipherKind::Rtp, id, (&mut packet, 12), [0; 4]), Ok(plain.len()));
        assert_eq!(packet[..plain.len()], plain);
    }
}

#[test]
fn an_index_is_estimated_by_the_highest_one() {
    let cases = [
        (0, 1, Some(1)),
        (0, 0x8000, Some(0x8000)),
        (0xFFFF, 0, Some(0x1_0000)),
        (0x1_0005, 0xFFF0, Some(0xFFF0)),
        (5, 0xFFF0, None),
        (0x1_7FFF, 0xFFFF, Some(0x1_FFFF)),
        (0x1_8000, 0, Some(0x1_0000)),
        (0x1_8001, 0, Some(0x2_0000)),
        (0xFFFF_FFFF_FFFF, 0, None),
        (0xFFFF_FFFF_FFF0, 0xFFF1, Some(0xFFFF_FFFF_FFF1)),
    ];
    for (highest, sequence, expected) in cases {
        assert_eq!(estimate(highest, sequence), expected, "{highest:x} {sequence:x}");
    }
}

#[test]
fn a_window_knows_each_of_the_last_128() {
    let mut window = Window::new(1_000);
    for index in [1_001, 1_003, 1_002, 1_127, 1_050] {
        assert!(window.is_new(index));
        window.note(index);
        assert!(!window.is_new(index));
    }
    assert!(!window.is_new(1_000) && window.is_new(1_004) && window.is_new(1_049));
    window.note(1_128);
    assert!(!window.is_new(1_000), "it has left the window");
    assert!(!window.is_new(1_001) && window.is_new(1_004));
    window.note(5_000);
    assert!(!window.is_new(1_004) && window.is_new(4_873) && !window.is_new(4_872));
}
