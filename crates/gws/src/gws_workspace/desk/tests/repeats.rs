//! Operations that come again under the id of the client.

use super::*;

const MAIN: &str = "00000000000000a1";

fn to(number: &str) -> Value {
    json!({"data": {"destination": number}, "operationId": "once"})
}

impl Bench {
    fn body(&self, reply: ReplyId) -> Value {
        self.replies.iter().find(|(id, ..)| *id == reply).unwrap().2.clone()
    }
}

#[test]
fn a_call_that_is_asked_for_again_is_made_once_and_answered_alike() {
    let mut bench = Bench::active();
    let first = bench.asks_for("make-call", &to("9"));
    let stored = bench.others.iter().filter(|output| **output == DeskOutput::Store).count();
    assert!(stored > 0, "whoever goes on with the session knows of it");
    let waits = bench.asks_for("make-call", &to("9"));
    assert_eq!((bench.asks.len(), bench.replies.len()), (1, 0));
    bench.takes();
    let late = bench.asks_for("make-call", &to("9"));
    for reply in [first, waits, late] {
        assert_eq!(bench.body(reply), json!({"status": {"code": 1}, "operationId": "once"}));
    }
    assert_eq!(bench.asks.len(), 1);
    // Another one under the same id, and one without an id, are asked for anew.
    bench.asks_for("make-call", &to("8"));
    bench.asks_for("make-call", &json!({"data": {"destination": "9"}}));
    assert_eq!(bench.asks.len(), 3);
}

#[test]
fn what_may_have_been_done_is_not_done_again_and_what_was_not_is() {
    let mut bench = Bench::active();
    let open = bench.asks_for("make-call", &to("9"));
    let reference = bench.asks.last().unwrap().0;
    bench.refuses(504);
    let again = bench.asks_for("make-call", &to("9"));
    assert_eq!((bench.reply(open).0, bench.reply(again).0, bench.asks.len()), (504, 504, 1));
    // It was carried out.
    bench.hears_as(reference, ANN, VoiceNews::Call { call: call(MAIN, "Dialing"), notification: "StateChange" });
    let known = bench.asks_for("make-call", &to("9"));
    assert_eq!((bench.reply(known).0, bench.asks.len()), (200, 1));

    let mut bench = Bench::active();
    for asked in 1..=2 {
        let refused = bench.asks_for("make-call", &to("9"));
        bench.refuses(503);
        assert_eq!((bench.reply(refused).0, bench.asks.len()), (503, asked), "nothing was done");
    }
}

#[test]
fn another_process_calls_nobody_twice_either() {
    for (is_taken, status) in [(true, 200), (false, 504)] {
        let mut bench = Bench::active();
        bench.asks_for("make-call", &to("9"));
        if is_taken {
            bench.takes();
        }
        let desk = Desk::restore(ann(&AGENT), settings(), bench.desk.snapshot(), bench.now);
        let mut next = Bench::around(desk);
        (next.client, next.now, next.replies_begun) = (bench.client.clone(), bench.now, bench.replies_begun);
        let again = next.asks_for("make-call", &to("9"));
        assert_eq!((next.reply(again).0, next.asks.len()), (status, 0));
    }
}

#[test]
fn an_id_is_known_for_a_while_and_requests_that_wait_are_bounded() {
    let mut bench = Bench::active();
    bench.asks_for("ready", &json!({"operationId": "once"}));
    bench.takes();
    bench.waits(Duration::from_secs(600));
    bench.asks_for("ready", &json!({"operationId": "once"}));
    assert_eq!(bench.asks.len(), 2, "it is ten minutes later");
    let replies: Vec<ReplyId> = (0..17).map(|_| bench.asks_for("ready", &json!({"operationId": "once"}))).collect();
    assert_eq!((bench.replies.len(), bench.reply(replies[16]).0), (3, 429));
    bench.takes();
    assert_eq!((bench.asks.len(), bench.reply(replies[14]).0), (2, 200));
}

#[test]
fn a_number_at_another_switch_is_refused_and_the_own_one_may_be_named() {
    let mut bench = Bench::active();
    let at = |location: &str| json!({"data": {"destination": "9", "location": location}});
    let refused = bench.asks_for("make-call", &at("elsewhere"));
    assert_eq!(bench.reply(refused), (400, json!(400)));
    assert!(bench.body(refused)["status"]["message"].as_str().unwrap().starts_with("location: "));
    bench.asks_for("make-call", &at("sip"));
    assert_eq!(bench.asks.len(), 1);
}
