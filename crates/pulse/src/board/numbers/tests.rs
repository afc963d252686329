use contracts::v1;
use net::tenant::FollowedChange;

use super::*;

fn object(kind: &str, id: &str, json: &str) -> v1::ConfigObject {
    v1::ConfigObject { kind: kind.to_owned(), id: id.to_owned(), json: json.to_owned() }
}

fn agent(user_name: &str, first_name: &str) -> v1::ConfigObject {
    let agent = format!(r#"{{"id":"a-{user_name}","login_code":"{user_name}","skills":[]}}"#);
    let json =
        format!(r#"{{"user_name":"{user_name}","first_name":"{first_name}","last_name":"Adler","agent":{agent}}}"#);
    object("person", user_name, &json)
}

fn point(number: &str, service_level_s: u32) -> v1::ConfigObject {
    let json = format!(
        r#"{{"number":"{number}","type":"route_point","application":"sales","service_level_s":{service_level_s}}}"#
    );
    object("dn", number, &json)
}

#[test]
fn an_edit_costs_the_rows_that_it_changes() {
    let (mut engine, mut board) = (Engine::new(stats::Zone::utc()), Board::default());
    let mut configuration = Configuration::default();
    let now = Timestamp::from_millis(1_000_000);
    // The rows of queues and of agents that are computed again.
    let mut stale_after = |is_whole, objects| {
        let changed = configuration.change(FollowedChange { is_whole, objects, ..FollowedChange::default() });
        board.configure(&mut engine, &configuration, &changed);
        let stale: Vec<String> = board.stale.iter().chain(&board.stale_agents).cloned().collect();
        board.refresh(&engine, now, now);
        stale
    };
    let all = vec![point("9000", 20), point("9001", 20), agent("ann", "Ann"), agent("eve", "Eve")];
    assert_eq!(stale_after(true, all), ["9000", "9001", "a-ann", "a-eve"]);
    assert_eq!(stale_after(false, vec![agent("ann", "Anna")]), ["a-ann"]);
    assert_eq!(stale_after(false, vec![point("9001", 30)]), ["9001"]);
    assert_eq!(stale_after(false, vec![object("dn", "7101", "")]), Vec::<String>::new());
    assert_eq!(stale_after(false, vec![point("9002", 20), object("person", "eve", "")]), ["9002"]);
}
