use super::*;

const START: Timestamp = Timestamp::from_millis(1_000_000);
const LIFETIME: Duration = Duration::from_secs(300);

fn uses() -> NonceUses {
    NonceUses::new(LIFETIME)
}

const fn nonce(number: u64) -> Issued {
    Issued { at: START, number }
}

#[test]
fn a_use_counts_once_and_the_next_one_must_count_higher() {
    let mut uses = uses();
    assert!(uses.spend(nonce(1), Some(1), START));
    assert!(!uses.spend(nonce(1), Some(1), START));
    assert!(uses.spend(nonce(1), Some(2), START + LIFETIME));
    assert!(!uses.spend(nonce(1), Some(2), START + LIFETIME));
    assert!(uses.spend(nonce(2), None, START) && !uses.spend(nonce(2), None, START));
}

#[test]
fn a_nonce_is_remembered_for_as_long_as_it_lives() {
    let mut uses = uses();
    let late = START + LIFETIME - Duration::from_secs(1);
    assert!(uses.spend(Issued { at: late, number: 1 }, Some(1), late));
    assert!(uses.spend(nonce(2), Some(1), START + LIFETIME));
    assert!(!uses.spend(Issued { at: late, number: 1 }, Some(1), late + LIFETIME));
}

#[test]
fn memory_is_bounded_and_what_is_forgotten_is_refused() {
    let mut uses = uses();
    for number in 0..=REMEMBERED_MAX as u64 {
        uses.spend(nonce(number), Some(1), START + Duration::from_secs(1));
    }
    assert!(uses.young.len() <= REMEMBERED_MAX);
    assert!(!uses.spend(nonce(1), Some(1), START + Duration::from_secs(2)));
    assert!(!uses.spend(nonce(1), Some(2), START + Duration::from_secs(2)));
}
