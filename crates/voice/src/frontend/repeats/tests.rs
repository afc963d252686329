use serde_json::json;

use super::*;

fn at(repeats: &Repeats, key: &str, ms: u64) -> Outcome {
    repeats.outcome(key, &json!({"req": "TAgentLogin"}), Timestamp::from_millis(ms)).unwrap()
}

#[test]
fn a_repeat_finds_the_answer_until_it_is_forgotten() {
    let repeats = Repeats::default();
    at(&repeats, "k", 0).set(Ok(())).unwrap();
    assert!(at(&repeats, "k", 29_999).initialized());
    assert!(!at(&repeats, "k", 30_000).initialized());
    at(&repeats, "k", 30_000).set(Ok(())).unwrap();
    repeats.forget("k");
    assert!(!at(&repeats, "k", 30_001).initialized());
}

#[test]
fn another_request_with_the_key_is_no_repeat() {
    let repeats = Repeats::default();
    at(&repeats, "k", 0).set(Ok(())).unwrap();
    let other = json!({"req": "TAgentLogout"});
    assert!(repeats.outcome("k", &other, Timestamp::from_millis(1)).is_err());
    assert!(repeats.outcome("k", &other, Timestamp::from_millis(30_000)).is_ok());
}

#[test]
fn memory_is_bounded() {
    let repeats = Repeats::default();
    for number in 0..REMEMBERED_MAX + 10 {
        at(&repeats, &number.to_string(), 1);
    }
    assert!(repeats.0.lock().unwrap().outcomes.len() <= REMEMBERED_MAX);
}
