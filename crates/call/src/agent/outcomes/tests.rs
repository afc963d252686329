use super::*;

#[test]
fn every_request_has_one_outcome_in_every_state() {
    for tried in requests().expect("the rows") {
        for state in STATES {
            let site = Site::in_state(state).expect("the state");
            assert_eq!(site.state(), format!("{state:?}"), "the table's column is the state that it names");
            let outcome = site.outcome(&tried).expect("an outcome");
            let answers = outcome.events.iter().filter(|event| event.reference == REFERENCE).count();
            assert_eq!(answers, 1, "{} in {state:?}: {:?}", tried.name, outcome.events);
            let refused = outcome.events.iter().any(|event| event.error.is_some());
            if refused {
                assert_eq!((outcome.events.len(), outcome.state), (1, site_name(state)), "a refusal changes nothing");
            }
        }
    }
}

fn site_name(state: Start) -> &'static str {
    Site::in_state(state).expect("the state").state()
}

#[test]
fn who_is_elsewhere_and_who_is_here_already_are_told_apart() {
    let code = |name: &str| {
        let rows = requests().expect("the rows");
        let tried = rows.iter().find(|tried| tried.name == name).expect("the row");
        let outcome = Site::in_state(Start::Ready).and_then(|site| site.outcome(tried)).expect("an outcome");
        outcome.events[0].error.as_ref().map(|(code, _)| code.0)
    };
    assert_eq!(code("`TAgentLogin` of this agent at another DN"), Some(527));
    assert_eq!(code("`TAgentLogin` of another agent at this DN"), Some(231));
    assert_eq!(code("`TAgentSetReady`, `AuxWork`"), Some(53));
    assert_eq!(code("`TAgentSetReady`, `ManualIn`"), None);
}

#[test]
fn the_page_has_every_row_and_column() {
    let page = markdown();
    let lines: Vec<&str> = page.lines().collect();
    assert_eq!(lines.len(), requests().expect("the rows").len() + 2);
    assert!(lines.iter().all(|line| line.matches(" |").count() + line.matches("---|").count() >= STATES.len()));
    assert!(!page.contains("|  |"), "no cell is empty: {page}");
}
