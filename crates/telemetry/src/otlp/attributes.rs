//! Which attributes of OpenTelemetry go on from a program that has a contract.

use std::collections::BTreeMap;

use super::OtlpSignal;
use crate::contract::Contract;

/// What stands before the first dot of the attributes that OpenTelemetry's SDK and instrumentations for browsers set by themselves
/// (semantic conventions 1.x, and HTTP's of before).
const BY_THEMSELVES: [&str; 15] = [
    "browser",
    "error",
    "event",
    "exception",
    "http",
    "longtask",
    "net",
    "network",
    "otel",
    "server",
    "service",
    "session",
    "telemetry",
    "url",
    "user_agent",
];
/// Those of them that have no dot.
const UNDOTTED: [&str; 4] = ["component", "event_type", "target_element", "target_xpath"];
/// Headers of requests and answers: those alone are sent that an application asks for, and they may show who its user is.
const OF_HEADERS: [&str; 2] = ["http.request.header.", "http.response.header."];

/// The contracts that say which attributes of a signal go on. Those of metrics all do: they alone tell points apart, and the programs that
/// points come from, so that with fewer of them several would become one.
pub(super) fn contracts_for(
    signal: OtlpSignal,
    contracts: &BTreeMap<String, Contract>,
) -> Option<&BTreeMap<String, Contract>> {
    (signal != OtlpSignal::Metrics).then_some(contracts)
}

/// Whether an attribute goes on: its contract names it, or the SDK sets it by itself.
pub(super) fn goes_on(name: &str, contract: &Contract) -> bool {
    if contract.allows(name) {
        return true;
    }
    match name.split_once('.') {
        Some((before, _)) => {
            BY_THEMSELVES.contains(&before) && !OF_HEADERS.iter().any(|headers| name.starts_with(headers))
        }
        None => UNDOTTED.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::read_list;

    #[test]
    fn what_the_contract_names_goes_on_and_what_the_sdk_sets_by_itself() {
        let contract = r#"[{"appName": "softphone", "properties": ["region", "call.id", "value__NUM", "http.request.header.accept"]}]"#;
        let contract = &read_list(contract).unwrap()[0];
        for known in [
            "region",
            "call.id",
            "value__7",
            "http.request.header.accept",
            "http.request.method",
            "url.full",
            "user_agent.original",
            "telemetry.sdk.language",
            "session.id",
            "exception.stacktrace",
            "browser.web_vital.name",
            "longtask.attribution[0].name",
            "target_xpath",
        ] {
            assert!(goes_on(known, contract), "{known}");
        }
        for unknown in [
            "customer",
            "call.name",
            "user.email",
            "enduser.id",
            "http",
            "httpx.url",
            "http.request.header.authorization",
            "http.response.header.set_cookie",
            "component.name",
            "",
        ] {
            assert!(!goes_on(unknown, contract), "{unknown}");
        }
    }
}
