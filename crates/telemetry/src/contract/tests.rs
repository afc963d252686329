use super::*;

const WORKSPACE: &str = r#"[{
    "appName": "wwe_ui",
    "properties": ["connId", "agentSessionId", "value__NUM"],
    "monitoredMetrics": [{"name": "http_sync_req_StartContactCenterSession", "value": 2, "type": "gt"}],
    "monitoredEvents": ["error_.*", "performance_worker_major"],
    "apdex": {"metrics": {"sip_call_mos": {"satisfiedTH": 3.6, "toleratedTH": 2, "isExtended": true}}}
}]"#;

fn fault(json: &str) -> String {
    read_list(json).unwrap_err().to_string()
}

#[test]
fn a_contract_says_what_is_kept_and_what_is_counted() {
    let contracts = read_list(WORKSPACE).unwrap();
    let contract = &contracts[0];
    assert_eq!(contract.app(), "wwe_ui");
    for allowed in ["connId", "value__1", "value__123456"] {
        assert!(contract.allows(allowed), "{allowed}");
    }
    for other in ["connid", "value__", "value__x", "value__NUM", "1", "password", "value__4930123"] {
        assert!(!contract.allows(other), "{other}");
    }
    assert_eq!(contract.event("error_js").map(|event| event.pattern.as_str()), Some("error_.*"));
    for other in ["an_error_js", "performance_worker_major2", ""] {
        assert!(contract.event(other).is_none(), "{other}");
    }
    let metric = &contract.metrics()[0];
    assert!(metric.is_crossed_by(2.1) && !metric.is_crossed_by(2.0));
    let of_calls = ApdexRule { satisfied: 3.6, tolerated: 2.0, is_extended: true };
    assert_eq!(contract.apdex("sip_call_mos"), Some(&of_calls));
    assert_eq!(contract.document()["appName"], "wwe_ui");
}

#[test]
fn the_name_of_a_property_is_bounded_with_its_number() {
    let longest = format!("{}__NUM", "v".repeat(NAME_BYTES_MAX - 5));
    let contracts = read_list(&format!(r#"[{{"appName": "a", "properties": ["{longest}"]}}]"#)).unwrap();
    let numbered = |number: &str| longest.replace("NUM", number);
    assert!(contracts[0].allows(&numbered("123")));
    assert!(!contracts[0].allows(&numbered("1234")));
}

#[test]
fn a_fault_names_the_field_and_the_rule() {
    for (json, expected) in [
        ("{}", "contracts: it must be a list"),
        (r#"[{"appName": ""}]"#, "contracts[0].appName: it must have 1 to 128 bytes"),
        (r#"[{"appName": "a b"}]"#, "contracts[0].appName: it may have letters, digits and _ . : / - alone"),
        (r#"[{"appName": "a"}, {"appName": "a"}]"#, "contracts[1].appName: another contract has that name"),
        (
            r#"[{"appName": "a", "property": []}]"#,
            "contracts[0].property: it is not one of appName, properties, monitoredMetrics, monitoredEvents, apdex",
        ),
        (
            r#"[{"appName": "a", "monitoredMetrics": [{"name": "m", "value": 1, "type": "eq"}]}]"#,
            "contracts[0].monitoredMetrics[0].type: it must be \"gt\" or \"lt\"",
        ),
        (
            r#"[{"appName": "a", "apdex": {"metrics": {"m": {"satisfiedTH": 1}}}}]"#,
            "contracts[0].apdex.metrics.m.toleratedTH: it must be a number",
        ),
        (
            r#"[{"appName": "a", "apdex": {"metrics": {"m": {"satisfiedTH": 1, "toleratedTH": 2, "isExtended": "yes"}}}}]"#,
            "contracts[0].apdex.metrics.m.isExtended: it must be true or false",
        ),
    ] {
        assert_eq!(fault(json), expected);
    }
    for broken in
        ["[{", r#"[{"appName": "a", "monitoredEvents": ["a)|(b"]}]"#, r#"[{"appName": "a", "monitoredEvents": ["("]}]"#]
    {
        assert!(read_list(broken).is_err(), "{broken}");
    }
    assert!(
        fault(r#"[{"appName": "a", "monitoredEvents": ["("]}]"#)
            .contains("monitoredEvents[0]: it is no regular expression")
    );
    assert!(read_list(" ").unwrap().is_empty());
}

#[test]
fn a_pattern_that_would_take_much_memory_is_refused() {
    assert!(read_list(r#"[{"appName": "a", "monitoredEvents": ["(?:[a-z]{1000}){1000}"]}]"#).is_err());
}
