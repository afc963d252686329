use std::collections::BTreeMap;

use super::*;
use crate::reporting::Thread;
use crate::robots::Agent;
use crate::verdict::Moves;
use crate::wallboard::Counts;

/// Two calls, one answered and one abandoned in the queue, with the same testimony of all witnesses.
struct Story {
    robots: Robots,
    stream: Vec<Fact>,
    log: Log,
    before: Board,
    after: Board,
}

const CALLERS: &str = "+155700001";
const OUTSIDE: &str = "+15580000100000";

fn fact(subject: &str, seq: u64, name: &str, conn: &str, dn: &str) -> Fact {
    let text = str::to_owned;
    Fact {
        id: format!("{subject}:1:{seq}"),
        subject: text(subject),
        token: 1,
        seq,
        name: format!("event{name}"),
        at_us: 1_000_000 + seq,
        conn: text(conn),
        ani: format!("{CALLERS}{}", &conn[1..]),
        dn: text(dn),
        from: String::new(),
        other: String::new(),
        third: String::new(),
        call_type: text("inbound"),
        previous: String::new(),
        role: String::new(),
        agent: String::new(),
        state: text("ok"),
    }
}

impl Story {
    fn new() -> Self {
        let call = |caller: &str, outcome: &str| {
            serde_json::json!({"caller": format!("{CALLERS}{caller}"), "service": "sales", "outcome": outcome, "status": null,
                "agent": null, "extension": null, "answers": 0, "callerHeardMs": null, "agentHeardMs": null, "parties": [], "moves": [], "faults": []})
        };
        let mut answered = call("1", "answered");
        for (key, value) in [("agent", "2001".into()), ("extension", "7001".into()), ("answers", 1.into())] {
            answered[key] = value;
        }
        (answered["callerHeardMs"], answered["agentHeardMs"]) = (300.into(), 310.into());
        answered["parties"] =
            serde_json::json!([{"agent": "2001", "extension": "7001", "came": "routed", "heardMs": 310}]);
        let robots = serde_json::from_value(serde_json::json!({
            "run": {"callers": CALLERS, "services": {"sales": {"Sales": 1}, "support": {"Support": 3}}},
            "totals": {"offered": 2, "answered": 1, "abandoned": 1, "refused": 0,
                "consultations": 0, "transfers": 0, "conferences": 0},
            "agents": [{"agent": "2001", "extension": "7001", "skills": {"Sales": 5}, "answered": 1}],
            "calls": [answered, call("2", "abandoned")],
            "faults": [],
        }));
        let mut stream = Vec::new();
        for (seq, (name, dn)) in [
            ("callcreated", ""),
            ("queued", "9000"),
            ("diverted", "9000"),
            ("ringing", "7001"),
            ("established", "7001"),
            ("released", "7001"),
            ("calldeleted", ""),
        ]
        .into_iter()
        .enumerate()
        {
            stream.push(fact("call:c1", seq as u64 + 1, name, "c1", dn));
        }
        stream[4].agent = "2001".to_owned();
        stream[4].from = "9000".to_owned();
        for (seq, (name, dn)) in [("callcreated", ""), ("queued", "9000"), ("abandoned", "9000"), ("calldeleted", "")]
            .into_iter()
            .enumerate()
        {
            stream.push(fact("call:c2", seq as u64 + 1, name, "c2", dn));
        }
        stream[9].from = "9000".to_owned();
        for (seq, (name, conn)) in
            [("queued", "c1"), ("queued", "c2"), ("diverted", "c1"), ("abandoned", "c2")].into_iter().enumerate()
        {
            stream.push(fact("queue:sales", seq as u64 + 1, name, conn, "sales"));
        }
        let chosen = stream.len() - 2;
        stream[chosen].third = "7001".to_owned();
        let mut log = Log { facts: stream.iter().map(|f| (f.id.clone(), f.clone())).collect(), ..Log::default() };
        for (caller, outcome) in [("1", "answered"), ("2", "abandoned")] {
            let thread = Thread { ani: format!("{CALLERS}{caller}"), outcome: outcome.to_owned(), moves: Vec::new() };
            log.threads.insert(format!("thread:{caller}"), thread);
        }
        let counts = |entered, answered, abandoned| Counts { entered, answered, abandoned, waiting: 0 };
        let board = |totals, sales| Board {
            counts_since: 0,
            totals,
            queues: BTreeMap::from([("9000".to_owned(), sales)]),
            agents: BTreeMap::from([("2001".to_owned(), "loggedOut".to_owned())]),
        };
        Self {
            robots: robots.unwrap(),
            stream,
            log,
            before: board(counts(10, 7, 3), counts(10, 7, 3)),
            after: board(counts(12, 8, 4), counts(12, 8, 4)),
        }
    }

    fn verdict(&self) -> Verdict {
        compare(&Testimonies {
            robots: &self.robots,
            stream: &self.stream,
            before: &[],
            log: &self.log,
            boards: Ok((&self.before, &self.after)),
        })
    }

    /// The subjects of the disagreements after this change.
    #[track_caller]
    fn doctored(change: impl FnOnce(&mut Self)) -> Vec<&'static str> {
        let mut story = Self::new();
        change(&mut story);
        let verdict = story.verdict();
        assert!(!verdict.agreed(), "the change went unnoticed");
        let mut about: Vec<&str> = verdict.disagreements.iter().map(|d| d.about).collect();
        about.sort_unstable();
        about.dedup();
        about
    }

    /// Changes a fact in the stream and in the log, as a faulty product would report it.
    fn told_everywhere(&mut self, at: usize, change: impl Fn(&mut Fact)) {
        change(&mut self.stream[at]);
        let fact = self.stream[at].clone();
        self.log.facts.insert(fact.id.clone(), fact);
    }
}

#[test]
fn testimonies_that_are_alike_agree() {
    let verdict = Story::new().verdict();
    assert_eq!(verdict.disagreements, []);
    let sums =
        |witness: &str| verdict.sums.iter().find(|sums| sums.witness == witness).map(|s| (s.offered, s.answered));
    assert_eq!(sums("robots"), Some((2, 1)));
    assert!(verdict.sums.iter().all(|sums| (sums.offered, sums.answered, sums.abandoned) == (2, 1, 1)));
}

#[test]
fn a_call_with_no_audio_one_way_is_found() {
    assert_eq!(Story::doctored(|s| s.robots.calls[0].agent_heard_ms = None), ["audio"]);
    assert_eq!(Story::doctored(|s| s.robots.calls[0].caller_heard_ms = None), ["audio"]);
}

#[test]
fn an_agent_without_the_skill_is_found() {
    assert_eq!(Story::doctored(|s| s.robots.calls[0].service = "support".to_owned()), ["skill"]);
    assert_eq!(Story::doctored(|s| s.robots.calls[0].service = "unheard-of".to_owned()), ["skill"]);
}

#[test]
fn another_outcome_than_the_three_and_more_than_one_are_found() {
    assert!(Story::doctored(|s| s.robots.calls[1].outcome = "dropped".to_owned()).contains(&"outcome"));
    assert_eq!(Story::doctored(|s| s.robots.calls[1].answers = 1), ["outcome"]);
    assert_eq!(Story::doctored(|s| s.robots.calls[0].answers = 2), ["outcome"]);
}

#[test]
fn a_refusal_with_an_undocumented_status_is_found() {
    let about = Story::doctored(|s| {
        s.robots.calls[1].outcome = "refused".to_owned();
        s.robots.calls[1].status = Some(418);
    });
    assert!(about.contains(&"refusal"), "{about:?}");
}

#[test]
fn faults_that_the_robots_saw_themselves_are_disagreements() {
    assert_eq!(Story::doctored(|s| s.robots.faults.push("no login".to_owned())), ["robots"]);
    assert_eq!(Story::doctored(|s| s.robots.calls[0].faults.push("heard another".to_owned())), ["robots"]);
}

#[test]
fn robots_who_cannot_add_up_are_found() {
    assert_eq!(Story::doctored(|s| s.robots.totals.answered = 2), ["robots' sums"]);
    assert_eq!(Story::doctored(|s| s.robots.agents[0].answered = 0), ["agent's calls", "robots' sums"]);
}

#[test]
fn a_call_that_one_of_two_does_not_know_is_found() {
    let about = Story::doctored(|s| {
        s.robots.calls.remove(1);
        (s.robots.totals.offered, s.robots.totals.abandoned) = (1, 0);
    });
    assert_eq!(about, ["log's summary", "stream"]);
    assert!(Story::doctored(|s| s.stream.retain(|fact| fact.conn != "c2")).contains(&"stream"));
}

#[test]
fn another_outcome_or_agent_in_the_stream_is_found() {
    let abandoned = |s: &mut Story| s.told_everywhere(4, |fact| fact.name = "eventabandoned".to_owned());
    let about = Story::doctored(abandoned);
    assert!(about.contains(&"outcome") && about.contains(&"wallboard"), "{about:?}");
    assert_eq!(Story::doctored(|s| s.told_everywhere(4, |fact| fact.agent = "2002".to_owned())), ["agent"]);
}

#[test]
fn two_answers_of_one_call_are_found() {
    let about = Story::doctored(|s| s.told_everywhere(5, |fact| fact.name = "eventestablished".to_owned()));
    assert_eq!(about, ["agent's calls", "agents", "law of phones"]);
}

#[test]
fn what_breaks_a_law_is_found() {
    let lost =
        |at: usize| Story::doctored(move |s| s.told_everywhere(at, |fact| fact.name = "eventuserevent".to_owned()));
    assert_eq!(lost(0), ["law of calls"]);
    assert_eq!(lost(2), ["law of queues"]);
    assert_eq!(lost(5), ["law of phones"]);
    assert_eq!(lost(6), ["law of calls"]);
}

#[test]
fn a_gap_and_time_that_goes_back_are_found() {
    let about = Story::doctored(|s| {
        s.stream.remove(3);
        s.log.facts.remove("call:c1:1:4");
    });
    assert_eq!(about, ["order"]);
    assert_eq!(Story::doctored(|s| s.told_everywhere(3, |fact| fact.at_us = 5)), ["order"]);
}

#[test]
fn a_log_that_lacks_adds_or_changes_a_fact_is_found() {
    assert_eq!(Story::doctored(|s| drop(s.log.facts.remove("call:c1:1:4"))), ["log"]);
    let added = |s: &mut Story| {
        let fact = Fact { at_us: 9_000_000, ..fact("call:c9", 1, "ringing", "c9", "7001") };
        s.log.facts.insert(fact.id.clone(), fact);
    };
    assert_eq!(Story::doctored(added), ["log"]);
    let changed = |s: &mut Story| s.log.facts.get_mut("call:c1:1:5").unwrap().agent = "2009".to_owned();
    assert_eq!(Story::doctored(changed), ["log"]);
    assert_eq!(Story::doctored(|s| s.log.malformed = 1), ["log"]);
    assert_eq!(Story::doctored(|s| s.log.changed.push("call:c1:1:5".to_owned())), ["log"]);
}

#[test]
fn a_summary_of_the_log_that_is_wrong_missing_or_too_many_is_found() {
    let wrong = |s: &mut Story| s.log.threads.get_mut("thread:1").unwrap().outcome = "abandoned".to_owned();
    assert_eq!(Story::doctored(wrong), ["log's summary"]);
    assert_eq!(Story::doctored(|s| drop(s.log.threads.remove("thread:1"))), ["log's summary"]);
    let twice = |s: &mut Story| {
        let again = s.log.threads["thread:1"].clone();
        s.log.threads.insert("thread:3".to_owned(), again);
    };
    assert_eq!(Story::doctored(twice), ["log's summary"]);
}

#[test]
fn a_wallboard_that_counts_otherwise_is_found() {
    let sales = |s: &mut Story, change: fn(&mut Counts)| change(s.after.queues.get_mut("9000").unwrap());
    assert_eq!(Story::doctored(|s| sales(s, |counts| counts.answered += 1)), ["wallboard"]);
    assert_eq!(Story::doctored(|s| sales(s, |counts| counts.entered = 0)), ["wallboard"]);
    assert_eq!(Story::doctored(|s| sales(s, |counts| counts.waiting = 1)), ["wallboard"]);
    assert_eq!(Story::doctored(|s| s.after.totals.abandoned += 1), ["wallboard"]);
    assert_eq!(Story::doctored(|s| s.after.queues.clear()), ["wallboard"]);
}

#[test]
fn a_wallboard_that_cannot_be_read_does_not_pass_for_one_that_agrees() {
    let story = Story::new();
    let verdict = compare(&Testimonies {
        robots: &story.robots,
        stream: &story.stream,
        before: &[],
        log: &story.log,
        boards: Err("answered 404"),
    });
    assert_eq!(verdict.disagreements.iter().map(|d| d.about).collect::<Vec<_>>(), ["wallboard"]);
}

#[test]
fn a_caller_who_leaves_before_the_chosen_phone_rings_has_given_up() {
    let mut story = Story::new();
    let left = story.stream.iter().position(|fact| fact.name == "eventabandoned" && fact.conn == "c2").unwrap();
    story.stream[left].name = "eventdiverted".to_owned();
    story.stream[left + 1].state = "ok".to_owned();
    story.log.facts = story.stream.iter().map(|fact| (fact.id.clone(), fact.clone())).collect();
    assert_eq!(story.verdict().disagreements, []);
}

#[test]
fn calls_of_others_count_on_the_wallboard_and_are_nobodys_fault() {
    let mut story = Story::new();
    for (seq, name) in ["callcreated", "calldeleted"].into_iter().enumerate() {
        let mut fact = fact("call:c8", seq as u64 + 1, name, "c8", "");
        fact.ani = "+4930".to_owned();
        story.log.facts.insert(fact.id.clone(), fact.clone());
        story.stream.push(fact);
    }
    assert_eq!(story.verdict().disagreements, []);
}

impl Story {
    /// The agent has consulted 7002, made a conference of it and left.
    fn with_a_conference() -> Self {
        let mut story = Self::new();
        let add = |story: &mut Self, subject: &str, seq: u64, name: &str, dn: &str, change: &dyn Fn(&mut Fact)| {
            let mut fact = fact(subject, seq, name, &subject["call:".len()..], dn);
            change(&mut fact);
            story.stream.push(fact);
        };
        story.stream.retain(|fact| fact.subject != "call:c1" || fact.seq < 6);
        let consults = |fact: &mut Fact| {
            (fact.ani, fact.call_type, fact.previous) = ("7001".to_owned(), "consult".to_owned(), "c1".to_owned());
            (fact.role, fact.other) = ("origination".to_owned(), "7002".to_owned());
        };
        let is_consulted = |fact: &mut Fact| {
            consults(fact);
            (fact.role, fact.other) = ("destination".to_owned(), "7001".to_owned());
        };
        let conferred = |fact: &mut Fact| (fact.third, fact.other) = ("7001".to_owned(), "7002".to_owned());
        let comes = |fact: &mut Fact| fact.previous = "c5".to_owned();
        add(&mut story, "call:c5", 1, "callcreated", "", &consults);
        add(&mut story, "call:c5", 2, "dialing", "7001", &consults);
        add(&mut story, "call:c5", 3, "ringing", "7002", &is_consulted);
        add(&mut story, "call:c5", 4, "established", "7002", &is_consulted);
        add(&mut story, "call:c5", 5, "established", "7001", &consults);
        add(&mut story, "call:c5", 6, "released", "7001", &consults);
        add(&mut story, "call:c5", 7, "calldeleted", "", &consults);
        add(&mut story, "call:c1", 6, "partyadded", "7001", &conferred);
        add(&mut story, "call:c1", 7, "partychanged", "7002", &comes);
        add(&mut story, "call:c1", 8, "released", "7001", &|_| {});
        add(&mut story, "call:c1", 9, "released", "7002", &|_| {});
        add(&mut story, "call:c1", 10, "calldeleted", "", &|_| {});
        story.log.facts = story.stream.iter().map(|fact| (fact.id.clone(), fact.clone())).collect();
        let moves = [("consultation", "7001", "7002"), ("conference", "7001", "7002")];
        let owned = |(what, by, to): (&str, &str, &str)| (what.to_owned(), by.to_owned(), to.to_owned());
        story.log.threads.get_mut("thread:1").unwrap().moves = moves.map(owned).to_vec();
        let row = |(kind, by, to): (&str, &str, &str)| serde_json::json!({"kind": kind, "by": by, "to": to});
        let call = &mut story.robots.calls[0];
        call.moves = moves.map(|step| serde_json::from_value(row(step)).unwrap()).to_vec();
        let second = serde_json::json!({"agent": "2002", "extension": "7002", "came": "consulted", "heardMs": 250});
        call.parties.push(serde_json::from_value(second).unwrap());
        (story.robots.totals.consultations, story.robots.totals.conferences) = (1, 1);
        let skills = story.robots.agents[0].skills.clone();
        let second = Agent { agent: "2002".to_owned(), extension: "7002".to_owned(), skills, answered: 1 };
        story.robots.agents.push(second);
        story.after.agents.insert("2002".to_owned(), "loggedOut".to_owned());
        story
    }

    /// The subjects of the disagreements about the call with the conference, after this change.
    #[track_caller]
    fn doctored_conference(change: impl FnOnce(&mut Self)) -> Vec<&'static str> {
        let mut story = Self::with_a_conference();
        change(&mut story);
        let mut about: Vec<&str> = story.verdict().disagreements.iter().map(|d| d.about).collect();
        about.dedup();
        about
    }
}

#[test]
fn a_conference_that_all_tell_alike_agrees() {
    let verdict = Story::with_a_conference().verdict();
    assert_eq!(verdict.disagreements, []);
    let moves = Some(Moves { consultations: 1, transfers: 0, conferences: 1 });
    assert!(verdict.sums.iter().take(3).all(|sums| sums.moves == moves), "{:?}", verdict.sums);
}

#[test]
fn a_move_that_one_does_not_know_or_tells_otherwise_is_found() {
    assert_eq!(Story::doctored_conference(|s| s.robots.calls[0].moves[0].to = "7003".to_owned()), ["moves"]);
    let unknown = |s: &mut Story| drop(s.log.threads.get_mut("thread:1").unwrap().moves.pop());
    assert_eq!(Story::doctored_conference(unknown), ["moves"]);
    assert_eq!(Story::doctored_conference(|s| s.robots.totals.conferences = 0), ["robots' sums"]);
}

#[test]
fn an_agent_who_was_not_consulted_or_did_not_hear_everybody_is_found() {
    let another = |s: &mut Story| {
        s.robots.calls[0].parties[1].extension = "7003".to_owned();
    };
    assert_eq!(Story::doctored_conference(another), ["consulted"]);
    assert_eq!(Story::doctored_conference(|s| s.robots.calls[0].parties[1].heard_ms = None), ["audio"]);
    assert_eq!(Story::doctored_conference(|s| s.robots.agents[1].answered = 0), ["robots' sums", "agent's calls"]);
}

impl Story {
    /// The phone 8991 has called a number outside, and both have heard each other.
    fn with_a_call_outside() -> Self {
        let mut story = Self::new();
        for (seq, (name, dn)) in [
            ("callcreated", ""),
            ("dialing", "8991"),
            ("established", "8991"),
            ("released", "8991"),
            ("calldeleted", ""),
        ]
        .into_iter()
        .enumerate()
        {
            let mut fact = fact("call:c6", seq as u64 + 1, name, "c6", dn);
            (fact.ani, fact.call_type) = ("8991".to_owned(), "outbound".to_owned());
            fact.other = if dn.is_empty() { String::new() } else { OUTSIDE.to_owned() };
            story.log.facts.insert(fact.id.clone(), fact.clone());
            story.stream.push(fact);
        }
        let call = serde_json::json!({"number": OUTSIDE, "extension": "8991", "encrypted": true, "outcome": "answered",
            "status": null, "dialledAt": 1, "talkMs": 900, "deskHeardMs": 300, "outsideHeardMs": 310, "faults": []});
        story.robots.outgoing.push(serde_json::from_value(call).unwrap());
        let totals = &mut story.robots.totals;
        (totals.outgoing, totals.outgoing_encrypted, totals.outgoing_answered) = (1, 1, 1);
        story
    }

    /// The subjects of the disagreements about that call, after this change.
    #[track_caller]
    fn doctored_outside(change: impl FnOnce(&mut Self)) -> Vec<&'static str> {
        let mut story = Self::with_a_call_outside();
        change(&mut story);
        story.verdict().disagreements.iter().map(|d| d.about).collect()
    }
}

#[test]
fn a_call_outside_that_all_tell_alike_agrees_and_is_counted() {
    let verdict = Story::with_a_call_outside().verdict();
    assert_eq!(verdict.disagreements, []);
    assert!(verdict.sums.iter().take(3).all(|sums| sums.outside == Some(1)), "{:?}", verdict.sums);
    assert!(verdict.table().contains("outside 1"), "{}", verdict.table());
}

#[test]
fn a_call_outside_of_another_run_is_nobodys_fault() {
    let mut story = Story::new();
    let with_another = Story::with_a_call_outside();
    let of_call = with_another.stream.into_iter().filter(|fact| fact.conn == "c6");
    for fact in of_call.map(|fact| Fact { other: fact.other.replace("0000100000", "0000200000"), ..fact }) {
        story.log.facts.insert(fact.id.clone(), fact.clone());
        story.stream.push(fact);
    }
    assert_eq!(story.verdict().disagreements, []);
}

#[test]
fn a_call_outside_that_one_does_not_know_or_tells_otherwise_is_found() {
    let not_told = |s: &mut Story| {
        s.stream.retain(|fact| fact.conn != "c6");
        s.log.facts.retain(|_, fact| fact.conn != "c6");
    };
    assert_eq!(Story::doctored_outside(not_told), ["outside"]);
    let at = |s: &Story| s.stream.iter().position(|fact| fact.conn == "c6" && fact.name == "eventestablished").unwrap();
    let another = |s: &mut Story| s.told_everywhere(at(s), |fact| fact.other = "+15580000100007".to_owned());
    assert_eq!(Story::doctored_outside(another), ["outside", "outside"]);
    let not_kept = |s: &mut Story| {
        s.robots.outgoing.clear();
        let totals = &mut s.robots.totals;
        (totals.outgoing, totals.outgoing_encrypted, totals.outgoing_answered) = (0, 0, 0);
    };
    assert_eq!(Story::doctored_outside(not_kept), ["outside"]);
    let refused = |s: &mut Story| {
        s.robots.outgoing[0].outcome = "refused".to_owned();
        s.robots.totals.outgoing_answered = 0;
    };
    assert_eq!(Story::doctored_outside(refused), ["outside"]);
    assert_eq!(Story::doctored_outside(|s| s.robots.outgoing[0].outside_heard_ms = None), ["audio"]);
    assert_eq!(Story::doctored_outside(|s| s.robots.outgoing[0].faults.push("it was cut".to_owned())), ["robots"]);
    assert_eq!(Story::doctored_outside(|s| s.robots.totals.outgoing = 2), ["robots' sums"]);
}

#[test]
fn an_agent_who_seems_to_talk_for_ever_is_found() {
    let talks = |s: &mut Story| drop(s.after.agents.insert("2001".to_owned(), "inbound".to_owned()));
    assert_eq!(Story::doctored(talks), ["wallboard"]);
}
