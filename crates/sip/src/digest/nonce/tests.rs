use super::*;
use model::entropy::Seeded;
use proptest::prelude::*;

const LIFETIME: Duration = Duration::from_secs(60);
const START: Timestamp = Timestamp::from_millis(1_000_000);

fn peer() -> IpAddr {
    IpAddr::from([192, 0, 2, 7])
}

#[test]
fn nonce_is_fresh_then_stale_and_only_ours() {
    let source = NonceSource::new([7; 32], 1, LIFETIME);
    let nonce = source.issue("a.example", peer(), START, &mut Seeded::new(1));
    let late = source.check(&nonce, "a.example", peer(), START + LIFETIME);
    assert!(matches!(late, NonceVerdict::Fresh(Issued { at, .. }) if at == START));
    let check = |realm: &str, at| source.check(&nonce, realm, peer(), at);
    assert_eq!(check("a.example", START + LIFETIME + Duration::from_secs(1)), NonceVerdict::Stale);
    assert_eq!(check("b.example", START), NonceVerdict::Foreign);
    let other = NonceSource::new([8; 32], 1, LIFETIME);
    assert_eq!(other.check(&nonce, "a.example", peer(), START), NonceVerdict::Foreign);
    for broken in ["", "x", &nonce[1..], &"A".repeat(43), &"A".repeat(54), &"A".repeat(60_000)] {
        assert_eq!(source.check(broken, "a.example", peer(), START), NonceVerdict::Foreign);
    }
}

#[test]
fn a_nonce_is_for_whom_it_was_issued_to() {
    let source = NonceSource::new([7; 32], 1, LIFETIME);
    let nonce = source.issue("a.example", peer(), START, &mut Seeded::new(1));
    let from = |ip: &str| source.check(&nonce, "a.example", ip.parse().unwrap(), START);
    assert_eq!(from("192.0.2.8"), NonceVerdict::Foreign);
    assert!(matches!(from("::ffff:192.0.2.7"), NonceVerdict::Fresh(_)), "the same address, written otherwise");
}

#[test]
fn the_nonce_of_another_element_or_life_is_stale() {
    let ours = NonceSource::new([7; 32], 1, LIFETIME);
    let theirs = NonceSource::new([7; 32], 2, LIFETIME);
    let nonce = theirs.issue("a.example", peer(), START, &mut Seeded::new(1));
    assert_eq!(ours.check(&nonce, "a.example", peer(), START), NonceVerdict::Stale);
}

proptest! {
    #[test]
    fn a_changed_nonce_is_nobodys(at in 0..54_usize, to in "[A-Za-z0-9_-]", seed in any::<u64>()) {
        let source = NonceSource::new([7; 32], 1, LIFETIME);
        let nonce = source.issue("a.example", peer(), START, &mut Seeded::new(seed));
        let mut changed = nonce.clone();
        changed.replace_range(at..=at, &to);
        let verdict = source.check(&changed, "a.example", peer(), START);
        prop_assert_eq!(matches!(verdict, NonceVerdict::Fresh(_)), changed == nonce);
    }
}
