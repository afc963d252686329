use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn listed(number: u8, object: serde_json::Value) -> Listed {
    Listed { kind: ObjectKind::Prompt, id: number.to_string(), object }
}

/// What config tells of prompts: each with its file, or gone.
fn changes(revision: usize, whole: bool, prompts: &BTreeMap<u8, Option<u8>>) -> Changes {
    let prompt = |number: &u8, file: u8| {
        listed(*number, serde_json::json!({"name": number.to_string(), "file": file.to_string()}))
    };
    let put = prompts.iter().filter_map(|(number, file)| Some(prompt(number, (*file)?)));
    let gone = prompts.iter().filter(|(_, file)| file.is_none() && !whole);
    let gone = gone.map(|(number, _)| listed(*number, serde_json::Value::Null));
    Changes { version: format!("1-{revision}"), whole, objects: put.collect(), gone: gone.collect(), next: None }
}

proptest! {
    #[test]
    fn who_follows_changes_has_what_who_reads_everything_has(
        history in prop::collection::vec(prop::collection::btree_map(0_u8..20, prop::option::of(0_u8..3), 0..6), 1..20),
    ) {
        let mut all = BTreeMap::new();
        let mut config: Arc<TenantConfig> = Arc::default();
        for (revision, step) in history.iter().enumerate() {
            all.extend(step.clone());
            let before = config.clone();
            config = TenantConfig::after(Some(&before), changes(revision, false, step));
            prop_assert_eq!(Arc::ptr_eq(&config, &before), step.is_empty());
            let afresh = TenantConfig::after(None, changes(revision, true, &all));
            prop_assert_eq!(&config.objects, &afresh.objects);
            let told: Vec<&str> = config.differences(&before).iter().map(|found| found.key.id.as_str()).collect();
            let is_put = |number: &u8| step.get(number).is_some_and(Option::is_some);
            let is_removed = |number: &u8| before.get(ObjectKind::Prompt, &number.to_string()).is_some();
            let mut expected: Vec<String> = step.keys().filter(|n| is_put(n) || is_removed(n)).map(ToString::to_string).collect();
            expected.sort();
            prop_assert_eq!(told, expected);
        }
    }
}

#[test]
fn a_later_version_has_what_an_earlier_one_has() {
    for (read_at, version, expected) in [
        ("1-5", "1-5", true),
        ("1-10", "1-9", true),
        ("1-9", "1-10", false),
        ("2-1", "1-9", true),
        ("1-9", "2-1", false),
        ("", "", true),
        ("", "1-1", false),
    ] {
        assert_eq!(is_up_to(read_at, version), expected, "{read_at} {version}");
    }
}
