use super::*;

const LIFETIME: Duration = Duration::from_secs(32);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + seconds * 1_000)
}

#[test]
fn an_answer_is_found_for_its_lifetime_and_little_longer() {
    let mut answered = Answered::new(LIFETIME, 1_000);
    for second in 0..100 {
        answered.remember(format!("key {second}").as_bytes(), format!("answer {second}").as_bytes(), at(second));
        for age in 0..=32.min(second) {
            let asked = second - age;
            let found = answered.find(format!("key {asked}").as_bytes(), at(second));
            assert_eq!(found, Some(format!("answer {asked}").as_bytes()), "{age} s after it");
        }
        assert!(answered.len() <= 49);
    }
    assert_eq!(answered.find(b"key 50", at(99)), None);
    assert_eq!(answered.find(b"another", at(99)), None);
    assert_eq!(answered.find(b"key 99", at(99 + 41)), None, "also where nothing was answered meanwhile");
}

#[test]
fn beyond_the_bound_the_oldest_go() {
    let mut answered = Answered::new(LIFETIME, 100);
    for n in 0..1_000_u64 {
        answered.remember(&n.to_be_bytes(), b"answer", at(n / 4));
        assert!(answered.len() <= 100, "{}", answered.len());
    }
    let kept = |n: u64| answered.find(&n.to_be_bytes(), at(250)).is_some();
    assert!(kept(999) && kept(940));
    assert!(!kept(890), "it is not 32 s old, but there are more than a hundred younger ones");
    answered.remember(b"long", &[0; 100 * ANSWER_BYTES], at(500));
    answered.remember(b"next", b"answer", at(501));
    assert_eq!((answered.len(), answered.find(b"next", at(501))), (1, Some(&b"answer"[..])));
}
