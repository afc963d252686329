use proptest::prelude::*;

use super::*;

/// From RFC 4568 section 9.1.
const RFC: &str =
    "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP";
const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

#[test]
fn a_line_is_read_or_refused_for_a_reason() {
    let read = |line: &str| CryptoLine::parse(line).map(|line| (line.tag, line.keying.suite(), line.keying.mki()));
    let cm = Suite::AesCm128Sha1_80;
    let good = [
        (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), (1, cm, None)),
        (format!("007 aes_cm_128_hmac_sha1_32 INLINE:{KEY}|2^31 "), (7, Suite::AesCm128Sha1_32, None)),
        (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1048576|1:4"), (1, cm, Some(Mki { value: 1, length: 4 }))),
        (
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|255:1 WSH=128 -x=1"),
            (1, cm, Some(Mki { value: 255, length: 1 })),
        ),
        (format!("2 AEAD_AES_128_GCM inline:{}==", "A".repeat(38)), (2, Suite::AesGcm128, None)),
        (format!("2 AEAD_AES_128_GCM inline:{}", "A".repeat(38)), (2, Suite::AesGcm128, None)),
        (format!("2 AEAD_AES_256_GCM inline:{}=", "A".repeat(59)), (2, Suite::AesGcm256, None)),
    ];
    for (line, expected) in good {
        assert_eq!(read(&line), Ok(expected), "{line}");
    }
    let bad = [
        (RFC.to_owned(), CryptoError::Session),
        (String::new(), CryptoError::Malformed),
        (format!("x AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), CryptoError::Malformed),
        (format!("1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), CryptoError::Malformed),
        ("1 AES_CM_128_HMAC_SHA1_80".to_owned(), CryptoError::Malformed),
        (format!("1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}"), CryptoError::Malformed),
        (format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"), CryptoError::Suite),
        (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}A"), CryptoError::Key),
        (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{}", &KEY[..38]), CryptoError::Key),
        (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}"), CryptoError::Key),
        (format!("1 AEAD_AES_256_GCM inline:{KEY}"), CryptoError::Key),
        (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^49"), CryptoError::Parameter),
        (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|256:1"), CryptoError::Parameter),
        (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:0"), CryptoError::Parameter),
        (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4|2:4"), CryptoError::Parameter),
        (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=1"), CryptoError::Session),
        (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTCP"), CryptoError::Session),
        (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNAUTHENTICATED_SRTP"), CryptoError::Session),
    ];
    for (line, expected) in bad {
        assert_eq!(read(&line), Err(expected), "{line}");
    }
}

#[test]
fn our_key_of_a_suite_stays_until_it_goes_out_of_use() {
    let mut keys = LocalKeys::new([7; SECRET_BYTES], Fingerprint::of(b"ours"));
    let all: Vec<_> = SUITES.iter().map(|suite| keys.keying(*suite).unwrap()).collect();
    let prefixes: std::collections::BTreeSet<_> = all.iter().map(|keying| keying.material()[..16].to_vec()).collect();
    assert_eq!(prefixes.len(), SUITES.len(), "no two suites share a key");
    let with = |keying: Keying| Protection { ours: keying, theirs: keying };
    let (one, other) = (with(all[0]), with(all[2]));
    keys.follow(None, Some(&one));
    keys.follow(Some(&one), Some(&one));
    assert_eq!(keys.keying(SUITES[0]), Some(all[0]));
    keys.follow(Some(&one), Some(&other));
    assert_ne!(keys.keying(SUITES[0]), Some(all[0]));
    assert_eq!(keys.keying(SUITES[2]), Some(all[2]));
    keys.follow(Some(&other), None);
    assert_ne!(keys.keying(SUITES[2]), Some(all[2]));
    assert!(!format!("{keys:?}").contains('7'));
}

proptest! {
    #[test]
    fn a_line_that_was_written_is_read_again(
        tag in 0..=999_999_999u32,
        at in 0..SUITES.len(),
        seed in any::<[u8; 44]>(),
        mki in prop::option::of((any::<u32>(), 4..=16u8)),
    ) {
        let suite = SUITES[at];
        let mki = mki.map(|(value, length)| Mki { value: value.into(), length });
        let line = CryptoLine { tag, keying: Keying::new(suite, &seed[..suite.material_bytes()], mki).unwrap() };
        prop_assert_eq!(CryptoLine::parse(&line.to_string()), Ok(line));
    }

    #[test]
    fn whatever_is_read_does_not_panic(text in "[1-9]{0,3} (AES_CM_128_HMAC_SHA1_80)? ?(inline:)?[A-Za-z0-9:|; =^é]{0,50}") {
        let _ = CryptoLine::parse(&text);
    }
}
