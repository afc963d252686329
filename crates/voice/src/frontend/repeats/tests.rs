use serde_json::json;

use super::*;

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn at(repeats: &Repeats, key: &str, ms: u64) -> Outcome {
    repeats.outcome(&acme(), key, &json!({"req": "TAgentLogin"}), Timestamp::from_millis(ms)).unwrap()
}

#[test]
fn a_repeat_finds_the_answer_until_it_is_forgotten() {
    let repeats = Repeats::default();
    at(&repeats, "k", 0).set(Ok(())).unwrap();
    assert!(at(&repeats, "k", 29_999).initialized());
    assert!(!at(&repeats, "k", 30_000).initialized());
    at(&repeats, "k", 30_000).set(Ok(())).unwrap();
    repeats.forget(&acme(), "k");
    assert!(!at(&repeats, "k", 30_001).initialized());
}

#[test]
fn another_request_with_the_key_is_no_repeat() {
    let repeats = Repeats::default();
    at(&repeats, "k", 0).set(Ok(())).unwrap();
    let other = json!({"req": "TAgentLogout"});
    assert!(repeats.outcome(&acme(), "k", &other, Timestamp::from_millis(1)).is_err());
    assert!(repeats.outcome(&acme(), "k", &other, Timestamp::from_millis(30_000)).is_ok());
}

#[test]
fn memory_is_bounded() {
    let repeats = Repeats::default();
    for number in 0..REMEMBERED_MAX + 10 {
        at(&repeats, &number.to_string(), 1);
    }
    let remembered: usize = repeats.0.lock().unwrap().values().map(|memory| memory.outcomes.len()).sum();
    assert!(remembered <= REMEMBERED_MAX);
}

#[test]
fn a_busy_tenant_pushes_out_no_other_tenants_answers() {
    let repeats = Repeats::default();
    let (quiet, frame) = (TenantId::parse("quiet").unwrap(), json!({"req": "TMakeCall"}));
    let remembered = || repeats.outcome(&quiet, "k", &frame, Timestamp::from_millis(0)).unwrap();
    remembered().set(Ok(())).unwrap();
    for number in 0..REMEMBERED_MAX + 10 {
        at(&repeats, &number.to_string(), 1);
    }
    assert!(remembered().initialized());
}
