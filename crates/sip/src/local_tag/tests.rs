use proptest::prelude::*;

use super::*;

fn tag(call: u64, leg: u16, tenant: &str, node: &str, epoch: u64) -> LocalTag {
    let owner = Owner { node: NodeId::parse(node).unwrap(), epoch: Epoch(epoch) };
    LocalTag { call: ConnId(call), leg: LegId(leg), tenant: TenantId::parse(tenant).unwrap(), owner }
}

#[test]
fn a_changed_or_foreign_tag_is_nobodys() {
    let seal = Seal::new(&[1; 32]);
    let text = tag(0x1f, 2, "acme", "sip-cluster-1", 99).seal(&seal);
    assert!(text.starts_with("000000000000001f.2.acme.sip-cluster-1.99."), "{text}");
    for other in [
        text.replace(".2.", ".3."),
        text.replace("acme", "acne"),
        text.replace("-1.", "-2."),
        text[1..].into(),
        String::new(),
        "a.b".into(),
    ] {
        assert_eq!(LocalTag::open(&other, &seal), None, "{other}");
    }
    assert_eq!(LocalTag::open(&text, &Seal::new(&[2; 32])), None);
}

#[test]
fn a_tag_of_every_release_is_understood() {
    let seal = Seal::new(&[1; 32]);
    // Only add to this list, never change it: dialogs with such tags may exist.
    let given_out = ["000000000000001f.2.acme.sip-cluster-1.99.e100807007cc1923"];
    for text in given_out {
        assert_eq!(LocalTag::open(text, &seal), Some(tag(0x1f, 2, "acme", "sip-cluster-1", 99)), "{text}");
    }
}

#[test]
fn what_a_later_release_adds_to_a_tag_is_passed_over() {
    let seal = Seal::new(&[1; 32]);
    let mut text = "000000000000001f.2.acme.sip-cluster-1.99.more.and-more".to_owned();
    let mac = seal.sign(Purpose::LocalTag, text.as_bytes());
    text.push('.');
    push_hex(&mut text, &mac);
    assert_eq!(LocalTag::open(&text, &seal), Some(tag(0x1f, 2, "acme", "sip-cluster-1", 99)));
}

proptest! {
    #[test]
    fn opening_undoes_sealing(call: u64, leg: u16, tenant in "\\PC{1,60}", node in "[a-zA-Z0-9-]{1,63}", epoch: u64) {
        let seal = Seal::new(&[1; 32]);
        let tag = tag(call, leg, &tenant, &node, epoch);
        let text = tag.seal(&seal);
        prop_assert!(crate::parse::is_token(&text) && LocalTag::looks_like_one(&text), "{}", text);
        prop_assert_eq!(LocalTag::open(&text, &seal), Some(tag));
    }
}
