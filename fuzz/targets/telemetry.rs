//! Batches of clients: whatever comes is taken or refused, and what is kept has no personal data that the rules know.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use model::Timestamp;
use telemetry::batch::Batch;
use telemetry::contract::{Contract, read_list};
use telemetry::intake;
use telemetry::limits::TEXT_BYTES_MAX;
use telemetry::otlp::{OtlpSignal, clean_json, clean_protobuf};

const CONTRACT: &str = r#"[{"appName": "a", "properties": ["p", "value__NUM"], "monitoredEvents": ["error_.*"]}]"#;

static CONTRACTS: LazyLock<BTreeMap<String, Contract>> = LazyLock::new(|| {
    let contracts = read_list(CONTRACT).unwrap_or_default();
    contracts.into_iter().map(|contract| (contract.app().to_owned(), contract)).collect()
});

fuzz_target!(|data: &[u8]| {
    for signal in OtlpSignal::ALL {
        if let Ok((cleaned, content)) = clean_protobuf(signal, data, "acme", &CONTRACTS) {
            // What was read once is read again.
            let again = clean_protobuf(signal, &cleaned, "acme", &CONTRACTS).map(|(_, content)| content.items);
            assert_eq!(again, Ok(content.items));
        }
    }
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    for signal in OtlpSignal::ALL {
        let _ = clean_json(signal, &mut document.clone(), "acme", &CONTRACTS);
    }
    let Ok(batch) = Batch::read(&document) else { return };
    let taken = intake::take(batch, &CONTRACTS["a"], Timestamp::from_millis(1_800_000_000_000));
    let texts = taken.items.iter().flat_map(|item| item.properties.values()).filter_map(|value| value.as_str());
    assert!(texts.into_iter().all(|text| text.len() <= TEXT_BYTES_MAX));
});
