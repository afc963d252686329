use proptest::prelude::*;

use super::*;

fn tag(call: u64, leg: u16, tenant: &str, node: &str, epoch: u64) -> LocalTag {
    let owner = Owner { node: NodeId::parse(node).unwrap(), epoch: Epoch(epoch) };
    LocalTag { call: ConnId(call), leg: LegId(leg), tenant: TenantId::parse(tenant).unwrap(), owner }
}

/// A tag in the form of earlier releases, with its seal.
fn former(signed: &str, seal: &Seal) -> String {
    let mac = u64::from_be_bytes(seal.sign(Purpose::LocalTag, signed.as_bytes()));
    format!("{signed}.{mac:016x}")
}

#[test]
fn a_changed_or_foreign_tag_is_nobodys() {
    let seal = Seal::new(&[1; 32]);
    let text = tag(0x1f, 2, "acme", "sip-cluster-1", 99).encode(&seal);
    assert_eq!(LocalTag::decode(&text, &seal), Some(tag(0x1f, 2, "acme", "sip-cluster-1", 99)));
    for at in VERSION.len()..text.len() {
        let other = if text.as_bytes()[at] == b'0' { '1' } else { '0' };
        let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
        assert_eq!(LocalTag::decode(&changed, &seal), None, "{changed}");
    }
    for other in [text[1..].into(), text.replace("2.", "3."), text.to_uppercase(), String::new(), "a.b".into()] {
        assert_eq!(LocalTag::decode(&other, &seal), None, "{other}");
    }
    assert_eq!(LocalTag::decode(&text, &Seal::new(&[2; 32])), None);
}

#[test]
fn a_changed_or_foreign_tag_of_an_earlier_release_is_nobodys() {
    let seal = Seal::new(&[1; 32]);
    let text = former("000000000000001f.2.acme.sip-cluster-1.99", &seal);
    assert_eq!(LocalTag::decode(&text, &seal), Some(tag(0x1f, 2, "acme", "sip-cluster-1", 99)));
    for other in
        [text.replace(".2.", ".3."), text.replace("acme", "acne"), text.replace("-1.", "-2."), text[1..].into()]
    {
        assert_eq!(LocalTag::decode(&other, &seal), None, "{other}");
    }
    assert_eq!(LocalTag::decode(&text, &Seal::new(&[2; 32])), None);
    let encoded = former("000000000000001f.2.a~20b.sip-cluster-1.99", &seal);
    assert_eq!(LocalTag::decode(&encoded, &seal), Some(tag(0x1f, 2, "a b", "sip-cluster-1", 99)));
}

#[test]
fn nobody_else_reads_anything_in_a_tag() {
    let text = tag(0x1f, 2, "acme", "sip-cluster-1", 99).encode(&Seal::new(&[1; 32]));
    let bytes = bytes_of(text.strip_prefix(VERSION).unwrap()).unwrap();
    for shown in ["acme", "sip-cluster-1"] {
        assert!(!bytes.windows(shown.len()).any(|part| part == shown.as_bytes()) && !text.contains(shown), "{text}");
    }
    assert!(text.len() <= 90, "{} characters are many in each of From, To and Contact", text.len());
}

#[test]
fn a_tag_of_every_release_is_understood() {
    let seal = Seal::new(&[1; 32]);
    // Only add to this list, never change it: dialogs with such tags may exist.
    let given_out = [
        "000000000000001f.2.acme.sip-cluster-1.99.e100807007cc1923",
        "2.n4t0oq750bjg0ossikt4cmjhu78fohee3l9ng8g2ev4tumajbsb9hpavjbieaicagd60e5mn",
    ];
    for text in given_out {
        assert_eq!(LocalTag::decode(text, &seal), Some(tag(0x1f, 2, "acme", "sip-cluster-1", 99)), "{text}");
    }
}

#[test]
fn what_a_later_release_adds_to_a_tag_is_passed_over() {
    let seal = Seal::new(&[1; 32]);
    let text = former("000000000000001f.2.acme.sip-cluster-1.99.more.and-more", &seal);
    assert_eq!(LocalTag::decode(&text, &seal), Some(tag(0x1f, 2, "acme", "sip-cluster-1", 99)));
    let mut content = 0x1f_u64.to_be_bytes().to_vec();
    content.extend_from_slice(b"\x02\x63\x04acme\x0dsip-cluster-1and more");
    let mut text = VERSION.to_owned();
    push_text(&mut text, &seal.encrypt(Purpose::LocalTag, NONCE, content));
    assert_eq!(LocalTag::decode(&text, &seal), Some(tag(0x1f, 2, "acme", "sip-cluster-1", 99)));
}

#[test]
fn the_shortest_and_the_longest_tag_look_like_one() {
    let seal = Seal::new(&[1; 32]);
    let longest = "\u{1F600}".repeat(63);
    for tag in [tag(0, 0, "a", "b", 0), tag(u64::MAX, u16::MAX, &longest, &"n".repeat(63), u64::MAX)] {
        let text = tag.encode(&seal);
        assert!(LocalTag::looks_like_one(&text), "{text}");
        assert_eq!(LocalTag::decode(&text, &seal), Some(tag));
    }
    for other in ["2.", "2.0123456789abcdef", "2.7", "as61a2b3c4", "3.0123456789abcdefghijklmnopqrstuv0123456789abcdef"]
    {
        assert!(!LocalTag::looks_like_one(other), "{other}");
    }
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(call: u64, leg: u16, tenant in "\\PC{1,60}", node in "[a-zA-Z0-9-]{1,63}", epoch: u64) {
        let seal = Seal::new(&[1; 32]);
        let tag = tag(call, leg, &tenant, &node, epoch);
        let text = tag.encode(&seal);
        prop_assert!(crate::parse::is_token(&text) && LocalTag::looks_like_one(&text), "{}", text);
        prop_assert_eq!(text.to_lowercase(), text.as_str());
        prop_assert_eq!(LocalTag::decode(&text, &seal), Some(tag));
    }
}
