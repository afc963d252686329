use super::*;

#[test]
fn a_node_that_did_not_answer_is_asked_last_for_a_while_or_until_it_does() {
    let (silent, node) = (Silent::default(), "127.0.0.1:11300".parse().unwrap());
    let at = Timestamp::from_millis;
    silent.note::<()>(node, &Err(CallError::Deadline(node)), at(0));
    assert!(silent.is_silent(node, at(4_999)) && !silent.is_silent(node, at(5_000)));
    silent.note(node, &Ok(()), at(1));
    assert!(!silent.is_silent(node, at(2)));
    silent.note::<()>(node, &Err(CallError::Nowhere("sip-cluster")), at(3));
    assert!(!silent.is_silent(node, at(4)), "one that cannot be connected to costs no time");
}

#[test]
fn nodes_are_asked_again_while_a_call_whose_node_has_gone_changes_hands() {
    let elsewhere = || Refusals { elsewhere: true, ..Refusals::default() };
    assert!(Refusals { broken: true, ..elsewhere() }.is_moving());
    assert!(Refusals { unreachable: true, ..elsewhere() }.is_moving());
    assert!(!elsewhere().is_moving(), "its owner may live");
    assert!(!Refusals { broken: true, late: true, ..elsewhere() }.is_moving(), "it would take too long");
}

#[test]
fn that_a_call_is_over_is_the_last_word_and_that_each_names_another_is_not() {
    let sum = |refusals: &[Problem]| {
        let mut all = Refusals::default();
        refusals.iter().for_each(|problem| all.not_here(problem.clone()));
        let told = all.sum();
        (told.status, told.code)
    };
    let over = Problem::not_found("no such call here").code(u32::from(ErrorCode::INVALID_CONN_ID.0));
    let elsewhere = Problem::not_found("another node has the call");
    // The owner of a call that is ending, then a node that reads the owner from the ledger.
    assert_eq!(sum(&[over.clone(), elsewhere.clone()]), (404, over.code));
    assert_eq!(sum(&[elsewhere.clone(), elsewhere]), (503, None));
    assert_eq!(sum(&[over.clone(), over.clone()]), (404, over.code));
    assert_eq!(sum(&[]), (503, Some(u32::from(ErrorCode::OUT_OF_SERVICE.0))));
}

#[test]
fn that_no_node_takes_a_new_call_is_said_as_the_last_node_said_it() {
    let full = Refusals { full: Some(Problem::unavailable("this node takes no new calls")), ..Refusals::default() };
    assert_eq!(full.sum().detail.as_deref(), Some("this node takes no new calls"));
}
